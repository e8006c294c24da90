"""From parameters to jobs: the product of the lists, every experiment once, checked as far as it can be before anything
is trained."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from lthctl.data import Dataset, MnistFolder
from lthctl.engine import resolve
from lthctl.errors import OutputError, ParamsError
from lthctl.grid import Job, Work, existing
from lthctl.lottery import check_ticket, prune_rounds, retraining, run_request, ticket_request
from lthctl.model import MLP
from lthctl.params import Params
from lthctl.ticket import Start, find_tickets, load_ticket, read_run_json, read_ticket_json, ticket_name


def ticket_jobs(params: Params, data: Path, out: Path) -> list[Job]:
    """A job for every ticket in the product of `prune`'s lists, to `out`/<ticket>; at ratio 0 one per seed.

    Raises:
      ParamsError: an experiment is impossible.
      DataError: the dataset is missing or altered.
    """
    folder, model = MnistFolder(data), MLP.from_params(params.model)
    train = resolve(params.train, model)
    prune = params.prune
    jobs: dict[str, Job] = {}
    for method, rounds, ratio, seed in product(prune.method, prune.rounds, prune.ratio, prune.seed):
        name = ticket_name(method, ratio, rounds, seed)
        if name in jobs:
            continue
        dataset = folder.dataset(params.data, seed)
        _check_sizes(model, dataset)
        request = ticket_request(
            model, dataset, method=method, ratio=ratio, rounds=rounds, seed=seed, biases=prune.biases, train=train
        )

        def start(dataset: Dataset = dataset, request: dict[str, object] = request) -> Work:
            return prune_rounds(model, dataset, request, train)

        num_steps = request["rounds"] * (train.steps // max(1, request["rounds"])) if request["train"] else 0
        place = out / name
        jobs[name] = Job(name, place, start, num_steps, existing(place, read_ticket_json, request))
    return list(jobs.values())


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
    for path in folders:
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

        def begin(path: Path = path, dataset: Dataset = dataset) -> Work:
            # Read again, so that a grid holds the arrays of the tickets under way and not of all.
            return retraining(
                load_ticket(path), dataset, start=start, train=train, keep_weights=params.retrain.keep_weights
            )

        place = out / start / ticket.name
        request = run_request(ticket, dataset, start, train)
        jobs[ticket.name] = Job(ticket.name, place, begin, train.steps, existing(place, read_run_json, request))
    return list(jobs.values())


def _check_sizes(model: MLP, dataset: Dataset) -> None:
    num_inputs = int(np.prod(dataset.train.images.shape[1:]))
    num_classes = int(dataset.train.labels.max()) + 1
    if model.layers[0] != num_inputs:
        raise ParamsError(f"model.layers: starts with {model.layers[0]}, expected {num_inputs}, the pixels of an image")
    if model.layers[-1] < num_classes:
        raise ParamsError(
            f"model.layers: ends with {model.layers[-1]}, expected at least {num_classes}, the classes of the labels"
        )
