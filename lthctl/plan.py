"""From parameters to jobs: the product of the lists, every experiment once, checked as far as it can be before anything
is trained; and what the jobs will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from lthctl.data import Dataset, MnistFolder
from lthctl.engine import resolve
from lthctl.errors import OutputError, ParamsError
from lthctl.files import Json
from lthctl.grid import Expected, Job, Work, existing
from lthctl.lottery import check_ticket, params_of_round, prune_rounds, retraining, run_request, ticket_request
from lthctl.model import MLP
from lthctl.params import Method, Params, TrainParams
from lthctl.schema import Start, ticket_name
from lthctl.speed import Speeds, measure
from lthctl.store import Store
from lthctl.ticket import find_tickets, load_ticket, read_run_json, read_ticket_json
from lthctl.training import Training


@dataclass(frozen=True)
class Plan:
    """What some jobs need that is not known yet.

    Attributes:
      num_known: distinct trainings that the store holds already.
      missing: for every job whose folder is not there, its trainings that are to be run, in order; equal keys are
        equal trainings.
      num_later: of those, the ones that start from the results of others. What they are cannot be known, and they are
        counted as distinct and as not in the store.
      first: one that is missing; None where nothing is.
    """

    num_known: int
    missing: tuple[tuple[Expected, ...], ...]
    num_later: int
    first: Training | None

    @property
    def distinct(self) -> tuple[Expected, ...]:
        """The trainings to be run, each once."""
        return tuple({training.key: training for chain in self.missing for training in chain}.values())

    @property
    def num_steps(self) -> int:
        return sum(training.steps for training in self.distinct)

    def measure(self, num_side_by_side: int) -> Speeds | None:
        """How fast trainings like the missing ones are here and now; None where nothing is missing."""
        distinct = self.distinct
        if self.first is None:
            return None
        densities = [training.density for training in distinct]
        return measure(self.first, densities, min(num_side_by_side, len(distinct)))

    def seconds(self, speeds: Speeds, num_side_by_side: int) -> float:
        """Until all is trained: as the work divides, but never less than the longest job, a training after another."""
        cost = {training.key: speeds.seconds(training.params, training.density) for training in self.distinct}
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


def ticket_jobs(params: Params, data: Path, out: Path) -> list[Job]:
    """A job for every ticket in the product of `prune`'s lists, to `out`/<ticket>; at ratio 0 one per seed.

    Raises:
      ParamsError: an experiment is impossible.
      DataError: the dataset is missing or altered.
    """
    folder, model = MnistFolder(data), MLP.from_params(params.model)
    train = resolve(params.train, model)
    prune = params.prune
    asked: dict[str, tuple[Method, int, float, int]] = {}
    for method, rounds, ratio, seed in product(prune.method, prune.rounds, prune.ratio, prune.seed):
        asked.setdefault(ticket_name(method, ratio, rounds, seed), (method, rounds, ratio, seed))
    jobs: dict[str, Job] = {}
    # Seed by seed, and in no job: with images held out, every seed has a dataset of its own.
    for name, (method, rounds, ratio, seed) in sorted(asked.items(), key=lambda item: item[1][-1]):
        dataset = folder.dataset(params.data, seed)
        _check_sizes(model, dataset)
        request = ticket_request(
            model, dataset, method=method, ratio=ratio, rounds=rounds, seed=seed, biases=prune.biases, train=train
        )

        def start(seed: int = seed, request: Json = request) -> Work:
            return prune_rounds(model, folder.dataset(params.data, seed), request, train)

        place = out / name
        trainings = _trainings_of_rounds(name, request, train) if request["train"] else ()
        jobs[name] = Job(name, place, start, trainings, existing(place, read_ticket_json, request))
    return [jobs[name] for name in asked]


def run_jobs(params: Params, data: Path, paths: Sequence[Path], start: Start, out: Path) -> list[Job]:
    """A job for every ticket at or below some paths, to `out`/<start>/<ticket>. All tickets are read and verified
    first.

    Raises:
      TicketError: a ticket is damaged, or of another model or dataset.
      OutputError: two different tickets have the same name.
      DataError: the dataset is missing or altered.
    """
    folders = find_tickets(*paths)
    folder, model = MnistFolder(data), MLP.from_params(params.model)
    train = resolve(params.train, model)
    jobs: dict[str, Job] = {}
    origin: dict[str, tuple[str, Path]] = {}
    seed_by_seed = params.data.holdout > 0
    for path in sorted(folders, key=lambda path: str(read_ticket_json(path).get("seed"))) if seed_by_seed else folders:
        ticket = load_ticket(path)
        if ticket.name in origin:
            digest, first = origin[ticket.name]
            if digest != ticket.digest:
                raise OutputError(
                    f"{first} and {path}: are different tickets of one name; retrain each to another --out"
                )
            continue
        origin[ticket.name] = ticket.digest, path
        dataset = folder.dataset(params.data, ticket.seed)
        check_ticket(ticket, model, dataset, where=str(path))

        def begin(path: Path = path) -> Work:
            # Read again, so that a grid holds the arrays of the tickets under way and not of all.
            ticket = load_ticket(path)
            dataset = folder.dataset(params.data, ticket.seed)
            return retraining(ticket, dataset, start=start, train=train, keep_weights=params.retrain.keep_weights)

        place = out / start / ticket.name
        request = run_request(ticket, dataset, start, train)
        trainings = (Expected((start, ticket.digest), train, ticket.mask.density),)
        jobs[ticket.name] = Job(ticket.name, place, begin, trainings, existing(place, read_run_json, request))
    places = {path: position for position, path in enumerate(folders)}
    return sorted(jobs.values(), key=lambda job: places[origin[job.name][1]])


def describe_plan(
    plan: Plan, jobs: Sequence[Job], speeds: Speeds | None, num_asked: int, num_side_by_side: int
) -> Json:
    """A plan as `--dry-run --json` prints it; `num_asked` counts equal experiments as often as they were asked for."""
    states = {None: "to be made", True: "there already", False: "holds something else, or something damaged"}
    measured = speeds.densities if speeds else ()
    return {
        "asked": num_asked,
        "folders": [
            {"path": str(job.place), "state": states[job.found], "steps": 0 if job.found else job.num_steps}
            for job in jobs
        ],
        "trainings": {"in_store": plan.num_known, "to_run": len(plan.distinct), "of_later_rounds": plan.num_later},
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


def _trainings_of_rounds(name: str, request: Json, train: TrainParams) -> tuple[Expected, ...]:
    """A training before each pruning. The first is the same for all tickets of a seed with as many rounds."""
    ratio, rounds = request["ratio"], request["rounds"]
    params = params_of_round(train, rounds)
    return tuple(
        Expected((name, number) if number else (request["seed"], params), params, (1 - ratio) ** (number / rounds))
        for number in range(rounds)
    )


def _check_sizes(model: MLP, dataset: Dataset) -> None:
    num_inputs = int(np.prod(dataset.train.images.shape[1:]))
    num_classes = int(dataset.train.labels.max()) + 1
    if model.layers[0] != num_inputs:
        raise ParamsError(f"model.layers: starts with {model.layers[0]}, expected {num_inputs}, the pixels of an image")
    if model.layers[-1] < num_classes:
        raise ParamsError(
            f"model.layers: ends with {model.layers[-1]}, expected at least {num_classes}, the classes of the labels"
        )
