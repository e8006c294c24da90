"""Trainings that failed, as files in the folder of a plan, so that all workers know.

A machine may be broken and fail at whatever it gets. So one failure is not believed: another worker
tries again, and what two have failed at is left.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.canonical import canonical_json
from lthctl.disk import write_file

FAILED = "failed"

BELIEVED = 2  # workers that have failed at a training


@dataclass(frozen=True)
class Failure:
    """What a worker could not train.

    Attributes:
      digest: of the training.
      worker: who tried.
      task: what it was for.
      reason: for people.
    """

    digest: str
    worker: str
    task: str
    reason: str


@dataclass
class Failures:
    """The failures of a plan.

    Attributes:
      plan: its folder.
    """

    plan: Path
    _known: dict[str, Failure] = field(default_factory=dict)

    def add(self, failure: Failure) -> None:
        """Raises OutputError where it cannot be written."""
        content = {"task": failure.task, "reason": failure.reason}
        name = f"{failure.digest}.{failure.worker}"
        write_file(self.plan / FAILED / name, canonical_json(content))

    def look(self) -> list[Failure]:
        """Those that are new since the last look."""
        try:
            names = os.listdir(self.plan / FAILED)  # noqa: PTH208
        except OSError:
            return []
        new = []
        for name in sorted(names):
            if name in self._known or name.startswith("."):
                continue
            digest, _, worker = name.partition(".")
            try:
                said = json.loads((self.plan / FAILED / name).read_bytes())
                failure = Failure(digest, worker, str(said["task"]), str(said["reason"]))
            except (OSError, ValueError, LookupError, TypeError):
                continue
            self._known[name] = failure
            new.append(failure)
        return new

    def believed(self, *, num: int = BELIEVED) -> Mapping[str, str]:
        """Training -> reason, of those that so many workers have failed at."""
        by_digest: dict[str, list[str]] = {}
        for failure in self._known.values():
            by_digest.setdefault(failure.digest, []).append(failure.reason)
        return {digest: all_[0] for digest, all_ in by_digest.items() if len(all_) >= num}

    def all(self) -> list[Failure]:
        """All that were seen."""
        return list(self._known.values())

    def forget(self) -> None:
        """Delete them: the same command tries again."""
        folder = self.plan / FAILED
        if folder.is_dir():
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
        self._known.clear()
