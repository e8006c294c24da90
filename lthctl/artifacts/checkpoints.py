"""Checkpoints in the store: how far the trainings are that were cut off.

A file for each training, named by its digest, written whole or not at all, and gone once the result
is there. It is a safetensors file, never a pickle. Its note names the training, what computed it,
and a digest of all arrays. As the digest of a training holds the version of the engine and of
torch, a checkpoint of another version is never asked for.
"""

import json
import math
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lthctl.artifacts.tensors import TENSORS_LIMIT, tensors_bytes, tensors_from
from lthctl.canonical import digest_of_arrays
from lthctl.disk import write_errors, write_file
from lthctl.errors import OutputError, ParamsError, RunError
from lthctl.links import refuse_links_outwards
from lthctl.mask import Array
from lthctl.parameter_types import shown
from lthctl.reading import read_file
from lthctl.replacing import remove_abandoned
from lthctl.training.checkpoints import Checkpoint
from lthctl.training.history import Row, steps_evaluated
from lthctl.training.processor import processor_of, processors_of
from lthctl.training.spec import Training

SECONDS_VARIABLE = "LTHCTL_CHECKPOINT_SECONDS"
"""Says how many seconds lie between two checkpoints of a training, or `never`."""

DEFAULT_SECONDS = 60.0

MOST_OF_THE_TIME = 0.02
"""Share of a training's time that goes into its checkpoints at the most."""

ENDING = ".safetensors"

STEP, HISTORY, STATE = "step", "history", "state/"


def seconds_between() -> float:
    """Seconds between two checkpoints of a training; infinite where there are to be none.

    Raises:
      ParamsError: what the environment says is no such number.
    """
    text = os.environ.get(SECONDS_VARIABLE, "")
    if text.strip() == "never":
        return math.inf
    try:
        seconds = float(text or DEFAULT_SECONDS)
    except ValueError:
        seconds = math.nan
    if not (0 <= seconds < math.inf):
        raise ParamsError(
            f"{SECONDS_VARIABLE}: is {shown(text)}, expected seconds between two checkpoints, such "
            "as 60, or never"
        )
    return seconds


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of all trainings of a store.

    Attributes:
      folder: where they are, which need not be there yet.
      seconds: between two checkpoints of a training; infinite where none are to be written.
      ends: when, by `time.monotonic`, this machine is soon to be left: one more is due then.
    """

    folder: Path
    seconds: float = DEFAULT_SECONDS
    ends: float = math.inf

    def of(
        self,
        training: Training,
        device: str | None = None,
        is_leaving: Callable[[], bool] = lambda: False,
    ) -> "KeptCheckpoints":
        """Where this training keeps its own.

        Args:
          training: its specification.
          device: as in `Resources`.
          is_leaving: whether it is to end here at once: one more is due then.
        """
        return KeptCheckpoints(self, training, device, is_leaving)

    def read(self, training: Training, device: str | None = None) -> Checkpoint | None:
        """The checkpoint of a training; None where there is none.

        Args:
          training: its specification.
          device: on which it is to go on, such as "cuda:1"; None where that is not known yet.

        Raises:
          RunError: it cannot be read, is damaged, or is of another training, version or processor.
        """
        path = self.path(training.digest)
        if not os.path.lexists(path):
            return None
        arrays, note = tensors_from(read_file(path, RunError, limit=TENSORS_LIMIT), RunError, path)
        if fault := _fault(arrays, note, training, device):
            raise RunError(f"{path}: {fault}")
        return _checkpoint_in(arrays)

    def write(self, training: Training, checkpoint: Checkpoint, device: str | None = None) -> None:
        """Keep a checkpoint in the place of the last.

        Args:
          training: its specification.
          checkpoint: where it is.
          device: on which it was computed; the one that torch takes, if None.

        Raises:
          OutputError: the disk is full or not writable.
        """
        arrays = {
            STEP: np.array(checkpoint.step),
            HISTORY: np.array(
                [[value for value in row if value is not None] for row in checkpoint.history],
                np.float64,
            ),
            **{f"{STATE}{name}": array for name, array in checkpoint.state.items()},
        }
        note = json.dumps({
            "training": training.digest,
            "processor": processor_of(device or training.params.device),
            "arrays": digest_of_arrays(arrays),
        })  # fmt: skip
        write_file(self.path(training.digest), tensors_bytes(arrays, note=note))

    def digests(self) -> list[str]:
        """Of the trainings that have one, damaged ones too, sorted."""
        with suppress(OSError), os.scandir(self.folder) as entries:
            names = [entry.name.removesuffix(ENDING) for entry in entries]
            return sorted(name for name in names if re.fullmatch("[0-9a-f]{64}", name))
        return []

    def is_whole(self, digest: str) -> bool:
        """Whether one matches its own digest and is of this training.

        Raises:
          RunError: it cannot be read, so nothing is proven.
        """
        path = self.path(digest)
        try:
            content = read_file(path, RunError, limit=TENSORS_LIMIT)
            arrays, note = tensors_from(content, RunError, path)
            return _said(note)[::2] == (digest, digest_of_arrays(arrays))
        except (RunError, ValueError) as error:
            if isinstance(error, RunError) and error.unread:
                raise
            return False

    def remove_abandoned(self) -> None:
        """Clear away what killed processes left half-written."""
        with suppress(OSError):
            for hidden in self.folder.glob(".*"):
                name, ending, _ = hidden.name[1:].partition(ENDING)
                remove_abandoned(self.folder / f"{name}{ending}")

    def size(self, digest: str) -> int:
        """Bytes of one; 0 where there is none."""
        with suppress(OSError):
            return self.path(digest).stat().st_size
        return 0

    def remove(self, digest: str) -> None:
        """Delete one, if it is there.

        Raises:
          OutputError: it cannot be deleted.
        """
        path = self.path(digest)
        refuse_links_outwards(path)
        with write_errors(path):
            path.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """The file of a training's checkpoint."""
        return self.folder / f"{digest}{ENDING}"


class KeptCheckpoints:
    """Where one training keeps its checkpoint; see `lthctl.training.checkpoints.Checkpoints`."""

    def __init__(
        self,
        store: CheckpointStore,
        training: Training,
        device: str | None,
        is_leaving: Callable[[], bool],
    ) -> None:
        self._store, self._training, self._device = store, training, device
        self._is_leaving = is_leaving
        self._due = self._next(store.seconds)

    def load(self) -> Checkpoint | None:
        try:
            return self._store.read(self._training, self._device)
        except RunError as error:
            if error.unread:  # to begin anew would replace it by an earlier one
                raise
            return None  # said by whoever started the training

    def is_due(self) -> bool:
        if time.monotonic() >= self._due:
            return True
        return self._store.seconds < math.inf and self._is_leaving()

    def save(self, checkpoint: Checkpoint) -> None:
        began = time.monotonic()
        # Without it nothing is lost but time.
        with suppress(OutputError):
            self._store.write(self._training, checkpoint, self._device)
        took = time.monotonic() - began
        self._due = self._next(max(self._store.seconds, took / MOST_OF_THE_TIME))

    def _next(self, seconds: float) -> float:
        """When the next one is due, so many seconds from now at the latest."""
        now, ends = time.monotonic(), self._store.ends
        return min(now + seconds, ends) if now < ends and seconds < math.inf else now + seconds


def _said(note: str | None) -> tuple[object, object, object]:
    """What a note says of training, processor and arrays.

    Raises:
      ValueError: it is none.
    """
    try:
        said = json.loads(note or "")
        return said["training"], said["processor"], said["arrays"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise ValueError("no note of a checkpoint") from None


def _fault(
    arrays: dict[str, Array], note: str | None, training: Training, device: str | None
) -> str | None:
    """Why arrays are not a checkpoint of a training that it could go on from, if so."""
    again = "the training begins anew"
    try:
        of, processor, digest = _said(note)
    except ValueError:
        return f"is no checkpoint of lthctl's; {again}"
    if digest != digest_of_arrays(arrays):
        return f"does not match its own digest, it is damaged; {again}"
    if of != training.digest:
        return f"is of another training; {again}"
    if processor not in (kinds := processors_of(device or training.params.device)):
        here = " or ".join(map(repr, kinds))
        return f"was computed by {shown(processor)}, and this is {here}; {again}"
    try:
        step, history = int(arrays[STEP]), _checkpoint_in(arrays).history
    except (KeyError, TypeError, ValueError, OverflowError):
        return f"has no steps and evaluations; {again}"
    if not training.first_step < step < training.end:
        return f"is of step {step}, which is none of the training's; {again}"
    evaluated = [
        one
        for one in steps_evaluated(training.params, training.first_step, training.end)
        if one <= step
    ]
    if [row.step for row in history] != evaluated:
        return f"has other evaluations than the training; {again}"
    return None


def _checkpoint_in(arrays: dict[str, Array]) -> Checkpoint:
    rows = [Row(int(first), *map(float, rest)) for first, *rest in arrays[HISTORY].tolist()]
    state = {n.removeprefix(STATE): a for n, a in arrays.items() if n.startswith(STATE)}
    return Checkpoint(int(arrays[STEP]), tuple(rows), state)
