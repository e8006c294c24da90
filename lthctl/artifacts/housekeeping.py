"""What people do with the store: count it, check it, clear it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts import references
from lthctl.artifacts.store import Store
from lthctl.errors import RunError
from lthctl.reading import is_there


@dataclass(frozen=True)
class StoreSize:
    """How many trainings a store holds, and their bytes.

    Attributes:
      num_trainings: finished ones.
      num_bytes: of their files, and of the checkpoints.
      num_checkpoints: of trainings that were cut off, or run now.
    """

    num_trainings: int
    num_bytes: int
    num_checkpoints: int = 0


@dataclass(frozen=True)
class StoreCheck:
    """What a check of a store came to.

    Attributes:
      num_whole: trainings that are whole.
      damaged: digest and reason of each that was proven wrong, and was thrown out.
      unread: name and reason of what could not be read, so nothing is proven about it. It stays.
    """

    num_whole: int
    damaged: tuple[tuple[str, str], ...]
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StorePruning:
    """Trainings that no ticket and no run came from.

    Attributes:
      unreferenced: their digests.
      thrown_out: those that were thrown out: all of them, or none.
      bytes: of the unreferenced ones, and of the checkpoints.
      num_left: trainings that stay.
      checkpoints: trainings that were cut off, whose checkpoints were thrown out, or would be.
    """

    unreferenced: tuple[str, ...]
    thrown_out: tuple[str, ...]
    bytes: int
    num_left: int
    checkpoints: tuple[str, ...] = ()


def store_size(place: Path | str = ".lthctl") -> StoreSize:
    """Count the finished trainings of a store, and their bytes.

    Args:
      place: the store; one that does not exist is empty.
    """
    store = Store(Path(place))
    sizes = [store.size(digest) for digest in store]
    checkpoints = store.checkpoints(0)
    cut_off = checkpoints.digests()
    num_bytes = sum(sizes) + sum(map(checkpoints.size, cut_off))
    return StoreSize(len(sizes), num_bytes, len(cut_off))


def check_store(place: Path | str = ".lthctl") -> StoreCheck:
    """Check every training against its digests, and throw out those that are proven wrong.

    So goes what killed processes left behind: half-written files, and checkpoints that are damaged
    or whose training has a result.

    Args:
      place: the store; one that does not exist is empty.

    Returns:
      How many are whole, what was thrown out, and what could not be read.
    """
    store = Store(Path(place))
    store.remove_abandoned()
    digests, unread = store.listed()
    damaged = []
    for digest in digests:
        try:
            if is_there(store.folder_of(digest), RunError):  # nobody has thrown it out since
                store.read(digest)
        except RunError as error:
            if error.unread or error.newer:
                unread.append((digest, str(error)))
                continue
            damaged.append((digest, str(error)))
            store.throw_out(digest)
    _check_checkpoints(store, unread)
    left = set(store.listed()[0]) - {name for name, _ in unread}
    return StoreCheck(len(left), tuple(damaged), tuple(unread))


def _check_checkpoints(store: Store, unread: list[tuple[str, str]]) -> None:
    """Delete the checkpoints that are of no use any more; `unread` gets those that cannot be
    read, or whose training cannot be."""
    checkpoints, with_result = store.checkpoints(0), set(store.listed()[0])
    unsure = {name for name, _ in unread}
    for digest in store.cut_off():
        try:
            if digest not in unsure and (digest in with_result or not checkpoints.is_whole(digest)):
                checkpoints.remove(digest)
        except RunError as error:
            unread.append((digest, str(error)))


def prune_store(place: Path | str, paths: Sequence[Path], *, dry_run: bool = False) -> StorePruning:
    """Throw out the trainings that no ticket and no run at or below some paths came from, and the
    checkpoints of trainings that nobody runs now.

    Args:
      place: the store.
      paths: tickets and runs whose trainings stay, or folders of them.
      dry_run: look, and throw out nothing.

    Raises:
      TicketError, RunError: one of them is damaged, a path holds none, or something of it or of
        the store cannot be read. Nothing is thrown out.
    """
    store = Store(Path(place))
    unreferenced = tuple(references.unreferenced(store, paths))
    checkpoints = store.checkpoints(0)
    cut_off = tuple(store.cut_off())
    num_bytes = sum(map(store.size, unreferenced)) + sum(map(checkpoints.size, cut_off))
    num_left = len(list(store)) - len(unreferenced)
    if dry_run:
        return StorePruning(unreferenced, (), num_bytes, num_left, cut_off)
    for digest in unreferenced:
        store.throw_out(digest)
    for digest in cut_off:
        checkpoints.remove(digest)
    return StorePruning(unreferenced, unreferenced, num_bytes, num_left, cut_off)
