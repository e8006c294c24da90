"""Finished trainings by digest, so that equal trainings run once and an interrupted command goes on
where it was.

A folder per training, written whole or not at all, checked when read; a damaged one counts as
absent. Everything here can be deleted at any time at the price of training again.
"""

import math
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.artifacts.checkpoints import CheckpointStore, seconds_between
from lthctl.artifacts.folders import TrainingFolder
from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.leases import Leases
from lthctl.artifacts.names import (
    HISTORY_FILE,
    TRAINING_JSON,
    WEIGHTS_FILE,
)
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.store_maker import mark_as_own, marked_as_own
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.canonical import sha256
from lthctl.disk import check_writable, make_folder, write_errors, write_folder
from lthctl.errors import OutputError, RunError
from lthctl.links import refuse_links_outwards
from lthctl.reading import dangling_link, is_there, unreadable, what_is_at
from lthctl.replacing import remove_abandoned
from lthctl.training.history import Result, history_fault
from lthctl.training.spec import Training

STORE_VARIABLE = "LTHCTL_STORE"
"""Says where the store is, instead of `.lthctl` in the working folder."""

LOCK_FILE = "lock"

CHECKPOINTS_FOLDER = "checkpoints"


DIGEST_DIGITS = 64
DIGEST, SHARD = f"[0-9a-f]{{{DIGEST_DIGITS}}}", "[0-9a-f]{2}"


def default_store() -> Path:
    """Where the store is if nobody says otherwise."""
    return Path(os.environ.get(STORE_VARIABLE) or ".lthctl")


class Store:
    """The store below a folder, `.lthctl` by convention, which need not be there yet."""

    def __init__(self, root: Path) -> None:
        self._folder = root
        self._root = root / "trainings"

    def check_writable(self) -> None:
        """Find out before hours of work whether trainings can be kept.

        Raises:
          OutputError: they cannot.
        """
        try:
            check_writable(self._root)
        except OutputError as error:
            raise OutputError(
                f"{error}. Finished trainings are kept there; name another place with "
                f"{STORE_VARIABLE}=DIR"
            ) from None

    @property
    def place(self) -> Path:
        """Its folder."""
        return self._folder

    def begin(self) -> None:
        """Mark a store that has no trainings yet as this user's.

        Raises:
          OutputError: it cannot be written.
        """
        if self._is_empty and marked_as_own(self._folder) is False:
            self.adopt()

    def adopt(self) -> None:
        """Mark it as this user's, whoever made it.

        Raises:
          OutputError: it cannot be written.
        """
        with write_errors(self._folder):
            make_folder(self._folder)
        mark_as_own(self._folder)

    @property
    def is_foreign(self) -> bool:
        """Whether there are trainings or checkpoints in it, and nothing shows that this user made
        it."""
        return not self._is_empty and marked_as_own(self._folder) is False

    @property
    def _is_empty(self) -> bool:
        """Whether nothing is in it, as far as that can be seen; what cannot be is something."""
        unread: list[tuple[str, str]] = []
        names = self._names(self._root, unread)
        return not names and not unread and not self.checkpoints(0).digests()

    def checkpoints(
        self, seconds: float | None = None, *, ends: float = math.inf
    ) -> CheckpointStore:
        """The checkpoints of trainings that have no result yet.

        Args:
          seconds: between two of a training; what the environment says if not given.
          ends: as in `CheckpointStore`.

        Raises:
          ParamsError: what the environment says is no number.
        """
        between = seconds_between() if seconds is None else seconds
        return CheckpointStore(self._folder / CHECKPOINTS_FOLDER, between, ends)

    def folder_of(self, digest: str) -> Path:
        """Where a training is kept, or would be."""
        return self._root / digest[:2] / digest

    def __contains__(self, digest: str) -> bool:
        place = self.folder_of(digest)
        here = what_is_at(place, RunError)
        if here is None or stat.S_ISREG(here.st_mode):
            return False
        return is_there(place / TRAINING_JSON, RunError)

    def __iter__(self) -> Iterator[str]:
        """The digests of all trainings, damaged ones too, sorted.

        Raises:
          RunError: a folder cannot be looked into.
        """
        digests, unread = self.listed()
        if unread:
            raise unreadable(RunError, "\n".join(reason for _, reason in unread))
        return iter(digests)

    def listed(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The digests of all trainings, sorted; and name and reason of the folders that cannot be
        looked into."""
        digests: list[str] = []
        unread: list[tuple[str, str]] = []
        for shard in self._names(self._root, unread):
            names = self._names(self._root / shard, unread)
            digests += [name for name in names if re.fullmatch(DIGEST, name)]
        return sorted(digests), unread

    def get(self, training: Training) -> Result | None:
        """The result of a training, or None if it is not here, is damaged, or cannot be of that
        training.

        Raises:
          RunError: it is here, and cannot be read.
        """
        try:
            if training.digest not in self:
                return None
            result = self.read(training.digest)
        except RunError as error:
            if error.unread:
                raise
            return None
        return result if _may_be_of(training, result) else None

    def read(self, digest: str) -> Result:
        """The result that is kept under a digest, whatever it is of.

        Raises:
          RunError: it is damaged, or not what it should be.
        """
        folder = TrainingFolder(self.folder_of(digest))
        here = what_is_at(folder.path, RunError)
        if here is not None and stat.S_ISREG(here.st_mode):
            raise RunError(f"{folder.path}: is a file, expected a folder")
        if (actual := folder.document.training) != digest:
            raise RunError(f"{folder.path}: is the training {actual}, in the place of another")
        return Result(folder.weights, folder.history)

    def size(self, digest: str) -> int:
        """Bytes of its files; 0 where another process has thrown it out."""
        place, total = self.folder_of(digest), 0
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_file():
                    total += entry.stat().st_size
        return total

    def cut_off(self) -> list[str]:
        """The digests of trainings that have a checkpoint and that no other process runs."""
        if not self.checkpoints(0).digests():
            return []
        with self.leases() as leases:
            free = [digest for digest in self.checkpoints(0).digests() if leases.take(digest)]
            for digest in free:
                leases.give_up(digest)
        return free

    def remove_abandoned(self) -> None:
        """Delete what killed processes left half-written."""
        for shard in self._names(self._root, []):
            for name in self._names(self._root / shard, []):
                if name.startswith("."):
                    remove_abandoned(self._root / shard / name[1 : 1 + DIGEST_DIGITS])
        self.checkpoints(0).remove_abandoned()

    def throw_out(self, digest: str) -> None:
        """Delete a training; another process may do so at the same time.

        Raises:
          OutputError: it cannot be deleted.
        """
        place = self.folder_of(digest)
        refuse_links_outwards(place)
        with write_errors(place):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, onerror=_unless_gone)
            else:
                place.unlink(missing_ok=True)

    def put(self, training: Training, result: Result) -> None:
        """Keep a result; one that is here already, damaged or not, is replaced. A checkpoint of the
        training is of no more use, and goes.

        Raises:
          OutputError: the disk is full or not writable.
        """
        files = {
            WEIGHTS_FILE: tensors_bytes(result.weights),
            HISTORY_FILE: history_bytes(result.history),
        }
        document = {
            "kind": "training",
            "schema": 1,
            "training": training.digest,
            "files": {name: sha256(content) for name, content in files.items()},
        }
        place = self.folder_of(training.digest)
        with write_errors(place):
            if place.is_file() or place.is_symlink():  # not lthctl's, which alone has business here
                place.unlink()
        write_folder(place, files | {TRAINING_JSON: seal(document)}, replace=True)
        self.checkpoints(0).remove(training.digest)

    @contextmanager
    def leases(self) -> Iterator[Leases]:
        """Leases on trainings; all are given up in the end, by whatever end the process comes
        to."""
        descriptor = None
        # Without it nothing can be leased, and equal trainings may run twice.
        with suppress(OSError):
            make_folder(self._root)
            descriptor = os.open(self._root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield Leases(descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _names(self, folder: Path, unread: list[tuple[str, str]]) -> list[str]:
        """The names in a folder of the store, or in the store; none where there is no such folder.

        Args:
          folder: the folder.
          unread: its name and the reason are added where it cannot be looked into.
        """
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries]
            return names if folder != self._root else [n for n in names if re.fullmatch(SHARD, n)]
        except FileNotFoundError:
            if link := dangling_link(folder):
                unread.append((folder.name, f"{link}: is a link that leads nowhere"))
        except OSError as error:
            reason = f"{folder}: cannot be looked into ({error.strerror or error})"
            unread.append((folder.name, reason))
        return []


def _unless_gone(function: object, path: str, error: Any) -> None:
    """What `shutil.rmtree` asks where something cannot be deleted."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _may_be_of(training: Training, result: Result) -> bool:
    """Whether a result has the form of those of a training: its weights, pruned ones exactly 0, and
    its evaluations."""
    kinds = {name: (array.shape, array.dtype) for name, array in result.weights.items()}
    if kinds != {name: (array.shape, array.dtype) for name, array in training.start.items()}:
        return False
    if any(np.count_nonzero(result.weights[name][~kept]) for name, kept in training.mask.items()):
        return False
    with_test = training.dataset.test is not None
    fault = history_fault(
        result.history,
        training.params,
        with_test=with_test,
        first_step=training.first_step,
        last_step=training.end,
    )
    return fault is None
