"""What `lthctl connect` does, for Python: runs joined by a straight line, and kept as files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from lthctl.artifacts.connection import Connection, save_connection
from lthctl.artifacts.connection_document import ConnectionRequest, SplitName
from lthctl.artifacts.connection_folder import ConnectionFolder
from lthctl.artifacts.names import RUN_JSON
from lthctl.connecting.line import engine_for, points_between
from lthctl.connecting.pairs import Pair, pairs_of
from lthctl.datasets.base import DataDescription, Dataset
from lthctl.errors import DataError, LthctlError, OutputError, ParamsError, RunError
from lthctl.grid.dvc import refuse_if_owned
from lthctl.models.base import Model
from lthctl.models.described import known_model
from lthctl.reading import is_there

Datasets = Callable[[DataDescription, int], Dataset]
"""What a run says of its data, and its ticket's seed -> the dataset."""

POINTS = 30
"""Networks on a line, as in the paper."""


def connect(
    *paths: Path | str,
    dataset: Dataset | Datasets,
    model: Model | None = None,
    points: int = POINTS,
    out: Path | str | None = None,
    replace: bool = False,
    num_jobs: int = 1,
    announce: Callable[[str], None] = lambda _: None,
) -> tuple[Connection, ...]:
    """Measure the error on the straight line between the final weights of two runs.

    Two runs that are named are joined whatever they are, if they have one model, one mask and one
    dataset. Of folders, every two runs are joined that differ in the order of their batches alone.
    The barrier is the highest error on the line minus the mean of both ends (Frankle et al.,
    "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020).

    Args:
      paths: runs, or folders with runs below them.
      dataset: the one that they were trained on, or what finds one for a run's `data` and seed.
      model: needed where the runs are not of an MLP.
      points: networks on a line, at equal distances, both ends included.
      out: folder for the connections, each in a folder of its own. What is there is not evaluated
        again. Without it nothing is read there or written.
      replace: replace folders in `out` that hold something else.
      num_jobs: networks that are evaluated at the same time. It changes no result.
      announce: told in a sentence what is being evaluated.

    Returns:
      The connections, in the order of their runs.

    Raises:
      ParamsError: there are no two runs to be joined, or they are the same.
      RunError: a run is damaged or has no weights, or models, masks or data differ.
      DataError: the dataset is missing, or is not the one that they were trained on.
      OutputError: `out` holds something else, or cannot be written.

    Example:
      >>> (connection,) = connect(
      ...     "runs/rewind/l1-r0.80-n5-s1", "runs/rewind-order7/l1-r0.80-n5-s1", dataset=mnist
      ... )
      >>> connection.barriers["validation"].height
      0.0012...
    """
    if points < 2:
        raise ParamsError(f"points: is {points}, expected at least 2, the ends")
    pairs = pairs_of([Path(path) for path in paths])
    datasets: Datasets = (lambda *_: dataset) if isinstance(dataset, Dataset) else dataset
    requests = [_request(pair, _model_of(pair, model), points) for pair in pairs]
    places = _places(pairs, requests, None if out is None else Path(out))
    if out is not None:
        refuse_if_owned(*(place for place in places if place is not None))
    known = [
        None if place is None else _there_already(place, request, replace)
        for place, request in zip(places, requests, strict=True)
    ]
    connections = []
    for number, (pair, request, place, there) in enumerate(
        zip(pairs, requests, places, known, strict=True), start=1
    ):
        if there is None:
            built, lead = _model_of(pair, model), f"{number} of {len(pairs)}: "
            there = _evaluated(pair, request, datasets, built, num_jobs, announce, lead)
            if place is not None:
                save_connection(there, place, replace=replace)
        connections.append(there)
    return tuple(connections)


def folder_beside(paths: Sequence[Path]) -> Path:
    """Where connections of some runs go if nobody says otherwise: the folder `connections` in the
    innermost that holds all of them."""
    tops = [path.parent if (path / RUN_JSON).is_file() else path for path in paths]
    if any(top.is_absolute() for top in tops):
        tops = [top.absolute() for top in tops]
    return Path(os.path.commonpath(tops), "connections")


def _model_of(pair: Pair, model: Model | None) -> Model:
    described = pair.document.model
    built = model or known_model(described, may_import=True)
    if built is None or built.describe() != described:
        raise RunError(
            f"{pair.a.path}: is of the model {described.name}, which cannot be built here; name "
            "its code in params.yaml, such as model: mynets:LeNet5, or pass it as `model`"
        )
    return built


def _request(pair: Pair, model: Model, points: int) -> ConnectionRequest:
    a, b = pair.ends()
    return ConnectionRequest(
        a=a, b=b, data=pair.document.data.digest, engine=engine_for(model), points=points
    )


def _places(
    pairs: Sequence[Pair], requests: Sequence[ConnectionRequest], out: Path | None
) -> list[Path | None]:
    """The folder of each connection.

    Raises:
      OutputError: two of them would have the same.
    """
    if out is None:
        return [None] * len(pairs)
    places: dict[Path, Pair] = {}
    for pair, request in zip(pairs, requests, strict=True):
        place = out / Connection(request, (), {}).name
        if other := places.get(place):
            raise OutputError(
                f"{pair.a.path} and {other.a.path}: are of different experiments and have one "
                "name; connect each to another --out"
            )
        places[place] = pair
    return list(places)


def _there_already(place: Path, request: ConnectionRequest, replace: bool) -> Connection | None:
    """What was asked for, where it is there; None where nothing is, or it may be replaced."""
    if not is_there(place, OutputError):
        return None
    try:
        there = ConnectionFolder(place).connection
        if there.request == request:
            return there
    except LthctlError as error:
        if error.unread:
            raise
    if replace:
        return None
    raise OutputError(
        f"{place}: holds another connection, or a damaged one; replace it with --force, or choose "
        "another --out"
    )


def _evaluated(
    pair: Pair,
    request: ConnectionRequest,
    datasets: Datasets,
    model: Model,
    num_jobs: int,
    announce: Callable[[str], None],
    lead: str,
) -> Connection:
    ends = pair.weights()
    mask = pair.mask(model, ends)
    dataset = datasets(pair.document.data, pair.document.ticket.seed)
    if (actual := dataset.digest) != (expected := pair.document.data.digest):
        raise DataError(
            f"{pair.a.path}: was trained on data with digest {expected[:12]}..., here it is "
            f"{actual[:12]}...; give its own with --data"
        )
    announce(f"{lead}{request.points} networks from {pair.a.path} to {pair.b.path}")
    points = points_between(
        model, ends, mask, dataset, num_points=request.points, num_jobs=num_jobs
    )
    images: dict[SplitName, int] = {
        "train": len(dataset.train),
        "validation": len(dataset.validation),
    }
    if dataset.test is not None:
        images["test"] = len(dataset.test)
    return Connection(request, points, images)
