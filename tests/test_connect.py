"""The straight line between two runs: its errors, its barrier, and who may be joined."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from lthctl.artifacts.connection import Connection, Point, barrier_of, places, save_connection
from lthctl.artifacts.connection_folder import ConnectionFolder
from lthctl.artifacts.names import CONNECTION_JSON, PATH_FILE
from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.ticket import Ticket
from lthctl.connecting.connect import connect, folder_beside
from lthctl.connecting.line import between, points_between
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import DataError, LthctlError, OutputError, ParamsError, RunError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.mask import Array, Mask, Weights
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.training.dense import evaluation
from lthctl.verification.paths import verify

from .test_order_seed import call

# Elsewhere than in the repository, in which DVC would look for what it owns.
pytestmark = pytest.mark.usefixtures("here")

SMALL = MLP((784, 20, 12, 10))


def error_in_float64(weights: Weights, split: Split) -> float:
    """The error of an MLP, computed in another way and with more digits."""
    values: Array = split.images.astype(np.float64) / 255
    for number in range(3):
        values = values @ weights[f"layers.{number}.weight"].astype(np.float64).T
        values += weights[f"layers.{number}.bias"].astype(np.float64)
        values = np.maximum(values, 0) if number < 2 else values
    return float(np.mean(values.argmax(1) != split.labels))


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pruned ticket: its run, a second copy, and a reinitialized run."""
    folder = tmp_path_factory.mktemp("runs")
    train = TrainParams(steps=200, evaluate_every=100, batch_size=60, lr=5e-3, device="cpu")
    ticket = find_ticket(SMALL, dataset, method="random", ratio=0.5, rounds=1, seed=1, train=train)
    for name, options in {
        "rewind": {},
        "rewind-order7": {"order_seed": 7},
        "reinit": {"control": "reinit"},
    }.items():
        save_run(retrain(ticket, dataset, train=train, **options), folder / name / ticket.name)
    return folder


T = "random-r0.50-n1-s1"


# ---- the barrier ----


@pytest.mark.parametrize(
    ("errors", "at", "height"),
    [
        ((0.02, 0.09, 0.04), 0.5, 0.06),
        ((0.02, 0.01, 0.04), 1.0, 0.01),  # downhill between: the worse end is the highest
        ((0.25, 0.25, 0.25), 0.0, 0.0),
        ((0.125, 0.5, 0.5), 0.5, 0.1875),  # the first of the highest
    ],
)
def test_the_barrier_is_the_highest_error_minus_the_mean_of_the_ends(
    errors: tuple[float, ...], at: float, height: float
) -> None:
    barrier = barrier_of([0, 0.5, 1], errors, 100)
    assert (barrier.at, barrier.highest, barrier.ends) == (at, max(errors), errors[::2])
    assert barrier.height == pytest.approx(height, abs=1e-15)


@pytest.mark.parametrize(("height", "is_low"), [(0.0199, True), (0.02, False), (0.3, False)])
def test_below_2_points_is_low(height: float, is_low: bool) -> None:
    assert barrier_of([0, 0.5, 1], (0.0, height, 0.0), 100).is_low is is_low


def test_a_line_computed_by_hand() -> None:
    """Two images and one layer. Each end is right about one image, and half-way both are wrong:
    errors .5, 1, .5."""
    model = MLP((2, 3))
    images = np.array([[1, 0], [0, 1]], np.float32)
    split = Split(images, np.array([0, 1]))
    zeros = np.zeros(3, np.float32)
    a = {"layers.0.weight": np.array([[4, 0], [0, 0], [0, 3]], np.float32), "layers.0.bias": zeros}
    b = {"layers.0.weight": np.array([[0, 0], [0, 4], [3, 0]], np.float32), "layers.0.bias": zeros}
    # Half-way the rows are (2, 0), (0, 2) and (1.5, 1.5); so make the third heavier.
    b["layers.0.weight"][2] = a["layers.0.weight"][2] = (3.5, 3.5)
    mask = Mask.full({name: array.shape for name, array in a.items()})
    points = points_between(model, (a, b), mask, Dataset("two", split, split), num_points=3)
    assert [point.place for point in points] == [0, 0.5, 1]
    assert [point.train_error for point in points] == [0.5, 1, 0.5]
    assert [point.validation_error for point in points] == [0.5, 1, 0.5]
    # Loss half-way: logits (2, 0, 3.5) with the right class 0, and (0, 2, 3.5) with class 1.
    loss = np.log(np.exp([2, 0, 3.5]).sum()) - 2
    assert points[1].train_loss == pytest.approx(loss, rel=1e-6)
    assert barrier_of([0, 0.5, 1], [point.train_error for point in points], 2).height == 0.5


def test_errors_are_those_of_a_computation_in_float64(runs: Path, dataset: Dataset) -> None:
    (connection,) = connect(runs / "rewind" / T, runs / "reinit" / T, dataset=dataset)
    ends = [run_weights(runs / name / T) for name in ("rewind", "reinit")]
    assert connection.request.engine == "sparse"
    for point in connection.points:
        weights = {
            name: (1 - point.place) * ends[0][name].astype(np.float64)
            + point.place * ends[1][name].astype(np.float64)
            for name in ends[0]
        }
        assert point.train_error == error_in_float64(weights, dataset.train)
        assert point.validation_error == error_in_float64(weights, dataset.validation)


def run_weights(folder: Path) -> Weights:
    from lthctl.artifacts.run import load_run

    weights = load_run(folder).weights
    assert weights is not None
    return weights


def test_the_ends_are_the_runs(runs: Path, dataset: Dataset) -> None:
    from lthctl.artifacts.run import load_run

    (connection,) = connect(runs / "rewind" / T, runs / "rewind-order7" / T, dataset=dataset)
    for point, name in zip(
        (connection.points[0], connection.points[-1]), ("rewind", "rewind-order7"), strict=True
    ):
        last = load_run(runs / name / T).history[-1]
        assert point.validation_loss == last.validation_loss
        assert 1 - point.validation_error == pytest.approx(last.validation_accuracy, abs=1e-12)


def test_torch_agrees(runs: Path, dataset: Dataset) -> None:
    (connection,) = connect(runs / "rewind" / T, runs / "reinit" / T, dataset=dataset, points=5)
    ends = [run_weights(runs / name / T) for name in ("rewind", "reinit")]
    for point in connection.points:
        weights = between(*ends, point.place)
        loss, accuracy = evaluation.evaluate(SMALL, weights, dataset.validation)
        assert 1 - accuracy == pytest.approx(point.validation_error, abs=1e-12)
        assert loss == pytest.approx(point.validation_loss, rel=1e-5)


# ---- stable and not ----


def test_another_order_is_stable_and_another_start_is_not(runs: Path, dataset: Dataset) -> None:
    (same_start,) = connect(runs / "rewind" / T, runs / "rewind-order7" / T, dataset=dataset)
    (other_start,) = connect(runs / "rewind" / T, runs / "reinit" / T, dataset=dataset)
    for split in ("train", "validation"):
        assert same_start.barriers[split].is_low
        assert other_start.barriers[split].height > 0.05
        assert 0.2 < other_start.barriers[split].at < 0.8


def test_test_images_are_judged_where_there_are_such(runs: Path, dataset: Dataset) -> None:
    a, b = (run_weights(runs / name / T) for name in ("rewind", "reinit"))
    mask = Mask({name: (a[name] != 0) | (b[name] != 0) for name in a})
    with_test = replace(dataset, test=Split(dataset.validation.images, dataset.validation.labels))
    points = points_between(SMALL, (a, b), mask, with_test, num_points=3)
    assert points[1].test_error == points[1].validation_error
    (connection,) = connect(runs / "rewind" / T, runs / "reinit" / T, dataset=dataset)
    assert connection.judged == "validation"
    assert (
        Connection(connection.request, points, {**connection.images, "test": 203}).judged == "test"
    )


# ---- weights between ----


def test_ends_are_exact_and_rounded_once() -> None:
    a, b = {"w": np.float32([0.1, -0.0, 3e38])}, {"w": np.float32([0.7, 1.0, 3e38])}
    assert between(a, b, 0.0)["w"].tobytes() == a["w"].tobytes()
    assert between(a, b, 1.0)["w"].tobytes() == b["w"].tobytes()
    third = between(a, b, 1 / 3)["w"]
    assert third.dtype == np.float32
    assert third[0] == np.float32((1 - 1 / 3) * float(a["w"][0]) + 1 / 3 * float(b["w"][0]))
    assert third[2] == np.float32(3e38)  # no overflow on the way


def test_buffers_go_along_and_counts_are_of_the_nearer_run() -> None:
    a = {"mean": np.float32([0, 2]), "batches": np.array(5)}
    b = {"mean": np.float32([1, 4]), "batches": np.array(9)}
    assert between(a, b, 0.25)["mean"].tolist() == [0.25, 2.5]
    assert [int(between(a, b, place)["batches"]) for place in (0.25, 0.5, 0.75)] == [5, 9, 9]


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.last(self.norm(self.first(images)).relu())


def test_any_module_is_joined_with_torch(dataset: Dataset, tmp_path: Path) -> None:
    model = ModuleModel("normed", Normed, output="last")
    train = TrainParams(steps=20, evaluate_every=10, batch_size=60, lr=5e-3, device="cpu")
    ticket = find_ticket(model, dataset, method="random", ratio=0.5, rounds=1, seed=1, train=train)
    for name, order_seed in (("a", None), ("b", 7)):
        run = retrain(ticket, dataset, train=train, model=model, order_seed=order_seed)
        save_run(run, tmp_path / name)
    (connection,) = connect(tmp_path / "a", tmp_path / "b", dataset=dataset, model=model, points=3)
    assert connection.request.engine == "torch"
    middle = between(run_weights(tmp_path / "a"), run_weights(tmp_path / "b"), 0.5)
    means = [run_weights(tmp_path / name)["norm.running_mean"] for name in "ab"]
    assert np.allclose(middle["norm.running_mean"], (means[0] + means[1]) / 2)
    _, accuracy = evaluation.evaluate(model, middle, dataset.validation)
    assert connection.points[1].validation_error == pytest.approx(1 - accuracy, abs=1e-12)
    with pytest.raises(RunError, match="of the model normed, which cannot be built here"):
        connect(tmp_path / "a", tmp_path / "b", dataset=dataset)


# ---- refused ----


def refused(*paths: Path, dataset: Dataset, **options: object) -> str:
    with pytest.raises(LthctlError) as refusal:
        connect(*paths, dataset=dataset, **options)  # type: ignore[arg-type]
    return f"{type(refusal.value).__name__}: {refusal.value}"


@pytest.fixture
def ticket(dataset: Dataset, train_params: TrainParams) -> Ticket:
    return find_ticket(
        SMALL, dataset, method="random", ratio=0.5, rounds=1, seed=2, train=train_params
    )


@pytest.fixture
def run(ticket: Ticket, dataset: Dataset, train_params: TrainParams) -> Run:
    return retrain(ticket, dataset, train=train_params)


def test_a_run_with_itself(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    place = runs / "rewind" / T
    said = refused(place, place, dataset=dataset)
    assert said.startswith("ParamsError") and "are the same run" in said
    copy = save_run(load(place), tmp_path / "copy")
    assert "are the same run" in refused(place, copy, dataset=dataset)


def load(folder: Path) -> Run:
    from lthctl.artifacts.run import load_run

    return load_run(folder)


def test_different_masks(runs: Path, dataset: Dataset, run: Run, tmp_path: Path) -> None:
    other = save_run(run, tmp_path / "other")
    said = refused(runs / "rewind" / T, other, dataset=dataset)
    assert said.startswith("RunError") and "have different masks (they prune" in said
    # As many weights, of which a few are others: one that is 0 in one run only is enough.
    place = runs / "rewind" / T
    mine = load(place)
    assert mine.weights is not None
    weights = {name: array.copy() for name, array in mine.weights.items()}
    layer = weights["layers.1.weight"]
    kept, gone = np.argwhere(layer != 0)[0], np.argwhere(layer == 0)[0]
    layer[tuple(gone)], layer[tuple(kept)] = 0.5, 0
    forged = save_run(replace(mine, training="0" * 64, weights=weights), tmp_path / "forged")
    assert "have different masks" in refused(place, forged, dataset=dataset)


def test_different_models_and_data(runs: Path, dataset: Dataset, run: Run, tmp_path: Path) -> None:
    place = runs / "rewind" / T

    def altered(**changes: object) -> Path:
        specification = run.specification.model_copy(update=changes)
        changed = replace(run, specification=specification, training=f"{len(changes)}" * 64)
        return save_run(changed, tmp_path / next(iter(changes)))

    model = altered(model=MLP((784, 20, 12, 10), "glorot").describe())
    assert "of different models" in refused(place, model, dataset=dataset)
    data = altered(data=run.data.model_copy(update={"digest": "ab" * 32}))
    assert "of different data" in refused(place, data, dataset=dataset)


def test_runs_without_weights(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    for name in ("rewind", "rewind-order7"):
        save_run(replace(load(runs / name / T), weights=None), tmp_path / name / T)
    for paths in ([tmp_path], [tmp_path / "rewind" / T, tmp_path / "rewind-order7" / T]):
        said = refused(*paths, dataset=dataset)
        assert said.startswith("RunError") and "retrain.keep_weights: false" in said


def test_other_data_than_they_were_trained_on(runs: Path, dataset: Dataset) -> None:
    other = replace(dataset, validation=dataset.train)
    with pytest.raises(DataError, match="was trained on data with digest"):
        connect(runs, dataset=other)


def test_nothing_to_join(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    said = refused(runs / "rewind", runs / "reinit", dataset=dataset)
    assert "2 runs, no two of which differ in the order of their batches alone" in said
    assert "does not exist" in refused(tmp_path / "nowhere", runs, dataset=dataset)
    with pytest.raises(ParamsError, match="expected at least 2"):
        connect(runs, dataset=dataset, points=1)


# ---- kept as files ----


def test_of_a_folder_all_copies_are_joined(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    connections = connect(runs, dataset=dataset, points=3, out=tmp_path / "out")
    assert [connection.name for connection in connections] == [f"rewind--rewind-order7/{T}"]
    folder = tmp_path / "out" / "rewind--rewind-order7" / T
    read = ConnectionFolder(folder).connection
    assert read.files() == connections[0].files() == contents_of(folder)
    assert read.points == connections[0].points


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_bytes_with_any_number_of_jobs(runs: Path, dataset: Dataset) -> None:
    files = [connect(runs, dataset=dataset, num_jobs=jobs)[0].files() for jobs in (1, 2)]
    assert files[0] == files[1]


def test_what_is_there_is_not_evaluated_again(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        connect(runs, dataset=dataset, points=3, out=tmp_path, announce=told.append)
    assert len(told) == 1 and told[0].startswith("1 of 1: 3 networks from ")
    with pytest.raises(OutputError, match="holds another connection, or a damaged one"):
        connect(runs, dataset=dataset, points=4, out=tmp_path)
    (again,) = connect(runs, dataset=dataset, points=4, out=tmp_path, replace=True)
    folder = tmp_path / again.name
    assert ConnectionFolder(folder).connection.request.points == 4
    (folder / PATH_FILE).write_bytes(b"")
    with pytest.raises(OutputError, match="or a damaged one"):
        connect(runs, dataset=dataset, points=4, out=tmp_path)


def test_two_experiments_of_one_name(runs: Path, dataset: Dataset, tmp_path: Path) -> None:
    for name in ("rewind", "rewind-order7"):
        run = load(runs / name / T)
        train = run.train.model_copy(update={"lr": 0.5})
        specification = run.specification.model_copy(update={"train": train})
        other = replace(run, specification=specification)
        save_run(other, tmp_path / name / T)
    assert len(connect(runs, tmp_path, dataset=dataset, points=2)) == 2
    with pytest.raises(OutputError, match="connect each to another --out"):
        connect(runs, tmp_path, dataset=dataset, points=2, out=tmp_path / "out")


def connection_of(errors: tuple[float, ...]) -> Connection:
    points = tuple(
        Point(place, 0.5, error, 0.5, error)
        for place, error in zip(places(len(errors)), errors, strict=True)
    )
    end = {"run": "1" * 64, "training": "2" * 64, "ticket": T, "variant": "rewind"}
    from lthctl.artifacts.connection_document import ConnectionRequest

    request = ConnectionRequest.model_validate(
        {
            "a": end,
            "b": {**end, "run": "3" * 64, "variant": "rewind-order7"},
            "data": "4" * 64,
            "engine": "sparse",
            "points": len(errors),
        }
    )
    return Connection(request, points, {"train": 100, "validation": 100})


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        ({"points": 4}, "its barriers are not those of path.csv"),
        ({"barriers": {}}, "barriers are not of train, validation and perhaps test images"),
        ({"a": None}, "a is None, expected"),
        ({"engine": "fast", "more": 1}, "more is not known here"),
        ({"schema": 1}, "schema is 1, expected 3"),
    ],
)
def test_a_damaged_connection_is_refused(
    tmp_path: Path, altered: Mapping[str, object], said: str
) -> None:
    folder = save_connection(connection_of((0.25, 0.5, 0.25)), tmp_path / "connection")
    assert ConnectionFolder(folder).connection.barriers["train"].height == 0.25
    document = json.loads((folder / CONNECTION_JSON).read_bytes()) | altered
    del document["digest"]
    (folder / CONNECTION_JSON).write_bytes(seal(document))
    with pytest.raises(RunError) as refusal:
        _ = ConnectionFolder(folder).connection
    assert said in str(refusal.value)


def test_a_barrier_that_is_not_that_of_the_path_is_refused(tmp_path: Path) -> None:
    folder = save_connection(connection_of((0.25, 0.5, 0.25)), tmp_path / "connection")
    document = json.loads((folder / CONNECTION_JSON).read_bytes())
    document["barriers"]["validation"]["height"] = 0.01
    del document["digest"]
    (folder / CONNECTION_JSON).write_bytes(seal(document))
    with pytest.raises(RunError, match="its barriers are not those of path"):
        _ = ConnectionFolder(folder).connection


def test_an_altered_path_is_refused(tmp_path: Path) -> None:
    folder = save_connection(connection_of((0.25, 0.5, 0.25)), tmp_path / "connection")
    path = folder / PATH_FILE
    path.write_bytes(path.read_bytes().replace(b"0.5,0.5,0.5", b"0.5,0.3,0.5"))
    with pytest.raises(RunError, match="it is truncated or altered"):
        _ = ConnectionFolder(folder).connection


def test_names_of_folders() -> None:
    connection = connection_of((0.0, 0.0))
    assert connection.name == f"rewind--rewind-order7/{T}"
    other = connection.request.a.model_copy(update={"ticket": "dense-s2", "run": "5" * 64})
    request = connection.request.model_copy(update={"b": other})
    assert replace(connection, request=request).name == f"rewind/{T}--dense-s2"


# ---- on the command line ----


def test_a_pair_and_a_folder(workspace: Path) -> None:
    call("prune", "--method", "random", "--ratio", "0,0.5", "--rounds", "1", "--quiet")
    call("retrain", "masks", "--rewind", "--order-seed", "7", "--quiet")
    output = call("connect", f"runs/rewind/{T}", f"runs/rewind-order7/{T}")
    assert f"{T}, rewind to {T}, rewind-order7; 30 networks, engine sparse" in output
    assert "stable: below 2 points, of the validation images" in " ".join(output.split())
    assert "Kept in runs/connections" in output
    assert "Next: lthctl report runs" in output
    found = json.loads(call("connect", "runs", "--json", "--quiet"))
    assert len(found) == 4
    assert all(len(one["path"]) == 30 and one["judged"] == "validation" for one in found)
    assert len(list((workspace / "runs/connections").glob("*/*/connection.json"))) == 4
    assert "random-r0.50-n1-s2  rewind to rewind-order7" in call("connect", "runs")
    assert "the same run" in call("connect", *[f"runs/rewind/{T}"] * 2, code=2)
    assert "different masks" in call("connect", f"runs/rewind/{T}", "runs/rewind/dense-s1", code=3)


def test_the_folder_beside(tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    name = Path(runs.name)
    assert folder_beside([name]) == name / "connections"
    both = [name / "rewind" / T, name / "reinit" / T]
    assert folder_beside(both) == name / "connections"
    assert folder_beside([name / "rewind" / T] * 2) == name / "rewind" / "connections"
    assert folder_beside([tmp_path]) == tmp_path / "connections"


# ---- verified ----


def test_a_connection_is_verified_with_its_runs(
    runs: Path, dataset: Dataset, tmp_path: Path
) -> None:
    (connection,) = connect(runs, dataset=dataset, points=3, out=tmp_path)
    folder = tmp_path / connection.name

    def states(*paths: Path) -> dict[str, str]:
        return {one.claim: one.state for one in verify(*paths) if one.path == folder}

    assert set(states(runs, tmp_path).values()) == {"held"} and len(states(tmp_path)) == 3
    assert states(tmp_path)["its runs are the ones found here"] == "unchecked"
    content = (folder / PATH_FILE).read_bytes()
    (folder / PATH_FILE).write_bytes(content + b"1")
    assert states(runs, tmp_path) == {
        "a connection's digests are right": "failed",
        "its barriers are those of its path": "failed",
        "its runs are the ones found here": "held",
    }
    (folder / PATH_FILE).write_bytes(content)
    document = json.loads((folder / CONNECTION_JSON).read_bytes())
    document["b"]["variant"] = "rewind-order8"
    del document["digest"]
    (folder / CONNECTION_JSON).write_bytes(seal(document))
    assert states(runs, tmp_path)["its runs are the ones found here"] == "failed"
    (folder / CONNECTION_JSON).unlink()
    assert states(runs, tmp_path)["a connection's digests are right"] == "failed"
