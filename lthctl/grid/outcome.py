"""What became of tasks: their outcome, or where Ctrl-C has stopped them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.errors import TrainingError


@dataclass
class Outcome:
    """What became of tasks.

    Attributes:
      written: the folders written now.
      present: the folders that were there already.
      failed: name and reason of each task that failed.
      tied: method -> parameter -> the most weights that went in a round only because they come
        later than others of the same score, of the tickets written now.
      num_trained, num_from_store: trainings run, and taken from the store.
      by_workers: whether workers did it, who take each other's trainings from the store, so that
        nobody has counted those that were there before.
      foreign_store: the store, where trainings were taken from one that this user did not make.
      seconds: how long it took.
    """

    written: list[Path] = field(default_factory=list)
    present: list[Path] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    tied: dict[str, dict[str, int]] = field(default_factory=dict)
    num_trained: int = 0
    num_from_store: int = 0
    by_workers: bool = False
    foreign_store: Path | None = None
    seconds: float = 0.0

    def note_ties(self, method: str, rounds: Iterable[Mapping[str, int]]) -> None:
        """Take in `tied` of a ticket, where there is any."""
        for tied in rounds:
            for name, count in tied.items():
                most = self.tied.setdefault(method, {})
                most[name] = max(most.get(name, 0), count)

    def raise_failures(self) -> None:
        """Do nothing where nothing failed.

        Raises:
          TrainingError: some failed; all of them are named.
        """
        if self.failed:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in self.failed)
            raise TrainingError(
                f"{len(self.failed)} failed, the others are saved; the same command tries these "
                f"again:{reasons}"
            )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: what was finished by then is kept; the message says how much that is."""
