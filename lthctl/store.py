"""Finished trainings by digest, so that equal trainings run once and an interrupted command goes on where it was.

A folder per training, written whole or not at all, checked when read; a damaged one counts as absent. Everything here
can be deleted at any time at the price of training again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lthctl.errors import LthctlError, RunError
from lthctl.files import read_file, read_sealed, read_tensors, seal, sha256, tensors_bytes, write_folder
from lthctl.ticket import HISTORY_FILE, HISTORY_LIMIT, TENSORS_LIMIT, WEIGHTS_FILE, history_bytes, history_from
from lthctl.training import Result, Training

SCHEMA = 1
TRAINING_JSON = "training.json"
LOCK_FILE = "lock"
OFFSET_DIGITS = 15  # of a digest: offsets in a file have 63 bits


class Claims:
    """Which trainings this process runs, so that others on the same store do something else meanwhile.

    A claim is a lock on one byte of a file that stays empty: the kernel gives it up when the process ends, and nothing
    is left behind. Nothing depends on it but time: two processes that run the same training give the same result.
    Where there are no locks everything can be claimed.

    Args:
      descriptor: of the file; None where there is none.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def take(self, digest: str) -> bool:
        """Claim a training; whether no other process has it."""
        return self._lock(digest, taken=True)

    def give_up(self, digest: str) -> None:
        self._lock(digest, taken=False)

    def _lock(self, digest: str, *, taken: bool) -> bool:
        if self._descriptor is None:
            return True
        try:
            import fcntl

            how = fcntl.LOCK_EX | fcntl.LOCK_NB if taken else fcntl.LOCK_UN
            fcntl.lockf(self._descriptor, how, 1, int(digest[:OFFSET_DIGITS], 16))
        except (BlockingIOError, PermissionError):  # which of the two depends on the system
            return False
        except (ImportError, OSError):
            return True
        return True


class Store:
    """The store below a folder, `.lthctl` by convention, which need not be there yet."""

    def __init__(self, root: Path) -> None:
        self._root = root / "trainings"

    def __contains__(self, digest: str) -> bool:
        return (self._place(digest) / TRAINING_JSON).is_file()

    def __iter__(self) -> Iterator[str]:
        """The digests of all trainings, sorted."""
        places = (path.parent for path in self._root.glob(f"[0-9a-f][0-9a-f]/*/{TRAINING_JSON}"))
        return iter(sorted(place.name for place in places if not place.name.startswith(".")))

    def get(self, training: Training) -> Result | None:
        """The result of a training, or None if it is not here or is damaged."""
        place = self._place(training.digest)
        if training.digest not in self:
            return None
        try:
            document = read_sealed(place / TRAINING_JSON, RunError, kind="training", schema=SCHEMA)
            digests = document["files"]
            if document["training"] != training.digest:
                return None
            history = read_file(place / HISTORY_FILE, RunError, limit=HISTORY_LIMIT)
            if sha256(history) != digests[HISTORY_FILE]:
                return None
            weights, _ = read_tensors(place / WEIGHTS_FILE, RunError, digest=digests[WEIGHTS_FILE], limit=TENSORS_LIMIT)
            return Result(weights, history_from(history))
        except (LthctlError, KeyError, TypeError, ValueError):
            return None

    def put(self, training: Training, result: Result) -> None:
        """Keep a result; one that is here already, damaged or not, is replaced.

        Raises:
          OutputError: the disk is full or not writable.
        """
        files = {WEIGHTS_FILE: tensors_bytes(result.weights), HISTORY_FILE: history_bytes(result.history)}
        document = {
            "kind": "training",
            "schema": SCHEMA,
            "training": training.digest,
            "files": {name: sha256(content) for name, content in files.items()},
        }
        place = self._place(training.digest)
        if place.is_file() or place.is_symlink():  # not ours, and nothing else has business here
            place.unlink()
        write_folder(place, files | {TRAINING_JSON: seal(document)}, replace=True)

    @contextmanager
    def claims(self) -> Iterator["Claims"]:
        """Claims on trainings; all are given up in the end, by whatever end the process comes to."""
        descriptor = None
        with suppress(OSError):  # without it nothing can be claimed, and equal trainings may run twice
            self._root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield Claims(descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _place(self, digest: str) -> Path:
        return self._root / digest[:2] / digest
