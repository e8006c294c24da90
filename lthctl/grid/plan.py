"""What jobs need that is not known yet, and what it will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lthctl.artifacts.store import Store
from lthctl.canonical import Json
from lthctl.grid.cost import Speeds, measure
from lthctl.grid.jobs import Expected, Job
from lthctl.training.spec import Training


@dataclass(frozen=True)
class Plan:
    """What some jobs need that is not known yet.

    Attributes:
      num_known: distinct trainings that the store holds already.
      missing: for every job whose folder is not there, its trainings that are to be run, in order;
        equal keys are equal trainings.
      num_later: of those, the ones that start from the results of others. What they are cannot be
        known, and they are counted as distinct and as not in the store.
      first: one that is missing; None where nothing is.
    """

    num_known: int
    missing: tuple[tuple[Expected, ...], ...]
    num_later: int
    first: Training | None

    @property
    def distinct(self) -> tuple[Expected, ...]:
        """The trainings to be run, each once."""
        return tuple(
            {training.key: training for chain in self.missing for training in chain}.values()
        )

    @property
    def num_steps(self) -> int:
        return sum(training.steps for training in self.distinct)

    def measure(self, num_side_by_side: int) -> Speeds | None:
        """How fast trainings like the missing ones are here and now; None where nothing is
        missing."""
        distinct = self.distinct
        if self.first is None:
            return None
        densities = [training.density for training in distinct]
        return measure(self.first, densities, min(num_side_by_side, len(distinct)))

    def seconds(self, speeds: Speeds, num_side_by_side: int) -> float:
        """Until all is trained: as the work divides, but never less than the longest job, a
        training after another."""
        cost = {
            training.key: speeds.seconds(training.params, training.density)
            for training in self.distinct
        }
        longest = max(sum(cost[training.key] for training in chain) for chain in self.missing)
        return max(longest, sum(cost.values()) / num_side_by_side)


def make_plan(jobs: Sequence[Job], store: Store) -> Plan:
    """Walk jobs as far as the store knows the way, training nothing."""
    known: set[str] = set()
    missing: list[tuple[Expected, ...]] = []
    num_later, first = 0, None
    for job in jobs:
        if job.found or not job.trainings:
            continue
        try:
            work = job.start()
            training = next(work)
            number = 0
            while (result := store.get(training)) is not None:
                known.add(training.digest)
                number += 1
                training = work.send(result)
        except StopIteration:
            continue
        first = first or training
        later = job.trainings[number + 1 :]
        num_later += len(later)
        missing.append((replace(job.trainings[number], key=(training.digest,)), *later))
    return Plan(len(known), tuple(missing), num_later, first)


def describe_plan(
    plan: Plan, jobs: Sequence[Job], speeds: Speeds | None, num_asked: int, num_side_by_side: int
) -> Json:
    """A plan as `--dry-run --json` prints it; `num_asked` counts equal experiments as often as they
    were asked for."""
    states = {
        None: "to be made",
        True: "there already",
        False: "holds something else, or something damaged",
    }
    measured = speeds.densities if speeds else ()
    return {
        "asked": num_asked,
        "folders": [
            {
                "path": str(job.place),
                "state": states[job.found],
                "steps": 0 if job.found else job.num_steps,
            }
            for job in jobs
        ],
        "trainings": {
            "in_store": plan.num_known,
            "to_run": len(plan.distinct),
            "of_later_rounds": plan.num_later,
        },
        "steps": plan.num_steps,
        "side_by_side": num_side_by_side,
        "seconds": plan.seconds(speeds, num_side_by_side) if speeds else 0.0,
        "measured": [
            {
                "density": density,
                "step_seconds": speeds.step.seconds(density),
                "evaluation_seconds": speeds.evaluation.seconds(density),
            }
            for density in measured
            if speeds
        ],
    }
