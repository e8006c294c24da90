"""What tasks need that is not known yet, and what it will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lthctl.artifacts.store import Store
from lthctl.canonical import Json
from lthctl.grid.cost import Speeds, measure
from lthctl.grid.tasks import PlannedTraining, State, Task
from lthctl.training.engines import alternatives
from lthctl.training.spec import Training

CLEARLY_FASTER = 0.9
"""Of the time with the engine that is taken: another that needs less is worth a word."""


@dataclass(frozen=True)
class Plan:
    """What some tasks need that is not known yet.

    Attributes:
      num_known: distinct trainings that the store holds already.
      missing: for every task whose folder is not there, its trainings that are to be run, in order;
        equal keys are equal trainings.
      num_later: of those, the ones that start from the results of others. What they are cannot be
        known, and they are counted as distinct and as not in the store.
      first: one that is missing; None where nothing is.
    """

    num_known: int
    missing: tuple[tuple[PlannedTraining, ...], ...]
    num_later: int
    first: Training | None

    @property
    def distinct(self) -> tuple[PlannedTraining, ...]:
        """The trainings to be run, each once."""
        return tuple(
            {training.key: training for chain in self.missing for training in chain}.values()
        )

    @property
    def num_steps(self) -> int:
        return sum(training.steps for training in self.distinct)

    def measure(self, num_jobs: int) -> Speeds | None:
        """How fast trainings like the missing ones are here and now; None where nothing is
        missing."""
        distinct = self.distinct
        if self.first is None:
            return None
        densities = [training.density for training in distinct]
        return measure(self.first, densities, min(num_jobs, len(distinct)))

    def faster_engine(self, speeds: Speeds, num_jobs: int) -> tuple[str, float] | None:
        """An engine that would do all of this clearly faster here and now, and its seconds."""
        if self.first is None:
            return None
        wanted = CLEARLY_FASTER * self.seconds(speeds, num_jobs)
        densest = max(training.density for training in self.distinct)
        jobs = min(num_jobs, len(self.distinct))
        found = [
            (self.seconds(measure(other, [densest], jobs), num_jobs), other.params.engine)
            for other in alternatives(self.first)
        ]
        return next(((name, seconds) for seconds, name in sorted(found) if seconds < wanted), None)

    def seconds(self, speeds: Speeds, num_jobs: int) -> float:
        """Until all is trained: as the work divides, but never less than the longest task, a
        training after another."""
        cost = {
            training.key: speeds.seconds(training.steps, training.num_evaluations, training.density)
            for training in self.distinct
        }
        longest = max(sum(cost[training.key] for training in chain) for chain in self.missing)
        return max(longest, sum(cost.values()) / num_jobs)


def make_plan(tasks: Sequence[Task], store: Store) -> Plan:
    """Walk tasks as far as the store knows the way, training nothing."""
    known: set[str] = set()
    missing: list[tuple[PlannedTraining, ...]] = []
    later_ones: set[tuple[object, ...]] = set()
    first = None
    for task in tasks:
        if task.state is State.PRESENT or not task.trainings:
            continue
        try:
            work = task.begin()
            training = next(work)
            number = 0
            while (result := store.get(training)) is not None:
                known.add(training.digest)
                number += 1
                training = work.send(result)
        except StopIteration:
            continue
        first = first or training
        later = task.trainings[number + 1 :]
        later_ones |= {training.key for training in later}
        missing.append((replace(task.trainings[number], key=(training.digest,)), *later))
    return Plan(len(known), tuple(missing), len(later_ones), first)


def describe_plan(
    plan: Plan, tasks: Sequence[Task], speeds: Speeds | None, num_asked: int, num_jobs: int
) -> Json:
    """A plan as `--dry-run --json` prints it; `num_asked` counts equal experiments as often as they
    were asked for."""
    measured = speeds.densities if speeds else ()
    faster = plan.faster_engine(speeds, num_jobs) if speeds else None
    is_mixed = len({task.what for task in tasks}) > 1
    return {
        "asked": num_asked,
        "folders": [
            {
                "path": str(task.place),
                **({"what": task.what} if is_mixed else {}),
                "state": task.state.value,
                "steps": 0 if task.state is State.PRESENT else task.num_steps,
            }
            for task in tasks
        ],
        "trainings": {
            "in_store": plan.num_known,
            "to_run": len(plan.distinct),
            "of_later_rounds": plan.num_later,
        },
        "steps": plan.num_steps,
        "jobs": num_jobs,
        "seconds": plan.seconds(speeds, num_jobs) if speeds else 0.0,
        "measured": [
            {
                "density": density,
                "step_seconds": speeds.step.seconds(density),
                "evaluation_seconds": speeds.evaluation.seconds(density),
            }
            for density in measured
            if speeds
        ],
        **({"faster_engine": {"name": faster[0], "seconds": faster[1]}} if faster else {}),
    }
