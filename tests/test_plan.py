"""What some tasks will cost, told before: counted by hand, and compared with what is then
trained."""

import weakref
from pathlib import Path

import pytest

from lthctl.artifacts.names import Variant
from lthctl.artifacts.store import Store
from lthctl.datasets.base import Dataset
from lthctl.datasets.opened import OpenedFolder
from lthctl.grid import plan
from lthctl.grid.cost import Speed, Speeds
from lthctl.grid.retraining_tasks import retraining_tasks
from lthctl.grid.running import run_tasks
from lthctl.grid.tasks import Task
from lthctl.grid.ticket_tasks import ticket_tasks
from lthctl.models.mlp import MLP
from lthctl.params import DataParams, Params, TrainParams
from lthctl.params_file import load_params
from lthctl.training.engines import resolve
from lthctl.training.spec import Training

DATA = Path("data/mnist")


@pytest.fixture
def params(workspace: Path) -> Params:
    return load_params(Path("params.yaml"))


@pytest.fixture
def store() -> Store:
    return Store(Path(".lthctl"))


def tickets(params: Params, out: str = "masks", **flags: object) -> list[Task]:
    return ticket_tasks(
        params.override({f"prune.{key}": value for key, value in flags.items()}), DATA, Path(out)
    )


def test_equal_trainings_are_counted_once(params: Params, store: Store) -> None:
    tasks = tickets(params, rounds=(1, 3), ratio=(0, 0.5, 0.8, 0.9))
    made = plan.make_plan(tasks, store)
    # Of each of two seeds: one of 30 steps for three one-shot tickets, one of 10 for three first
    # rounds, two more rounds of 10 for each of three tickets.
    assert len(made.distinct) == 2 * (1 + 1 + 6)
    assert made.num_steps == 2 * (30 + 10 + 60)
    assert (made.num_known, made.num_later) == (0, 12)
    assert not Path(".lthctl").exists()


def test_what_is_planned_is_what_is_trained(params: Params, store: Store) -> None:
    tasks = tickets(params, rounds=(1, 3), ratio=(0, 0.5, 0.8))
    made = plan.make_plan(tasks, store)
    outcome = run_tasks(tasks, store=store, num_jobs=2)
    assert outcome.num_trained == len(made.distinct)
    after = plan.make_plan(tickets(params, out="again", rounds=(1, 3), ratio=(0, 0.5, 0.8)), store)
    assert (after.num_known, after.missing, after.first) == (len(made.distinct), (), None)
    assert (
        plan.make_plan(tickets(params, rounds=(1, 3), ratio=(0, 0.5, 0.8)), store).num_known == 0
    )  # all are there


def test_tickets_are_walked_through_the_store_as_far_as_it_knows(
    params: Params, store: Store
) -> None:
    one = {"rounds": (3,), "seed": (1,), "method": ("l1",)}
    run_tasks(tickets(params, ratio=(0.5,), **one), store=store, num_jobs=1)
    made = plan.make_plan(tickets(params, ratio=(0.5, 0.8), out="again", **one), store)
    assert made.num_known == 3  # all of the first ticket's; the second shares its first round
    assert [training.steps for training in made.distinct] == [10, 10]
    assert made.num_later == 1  # the second round is known to be missing, the third is taken to be


def test_retraining_is_known_exactly(params: Params, store: Store) -> None:
    run_tasks(tickets(params, rounds=(1,)), store=store, num_jobs=1)
    retraining = retraining_tasks(params, DATA, [Path("masks")], Variant("rewind"), Path("runs"))
    made = plan.make_plan(retraining, store)
    assert (made.num_known, len(made.distinct), made.num_later) == (
        2,
        4,
        0,
    )  # dense ones were trained to be pruned
    assert made.num_steps == 4 * 30
    outcome = run_tasks(retraining, store=store, num_jobs=1)
    assert (outcome.num_trained, outcome.num_from_store) == (4, 2)


def test_time_is_work_divided_but_never_less_than_the_longest_task(
    params: Params, store: Store
) -> None:
    made = plan.make_plan(
        tickets(params, rounds=(3,), ratio=(0.5, 0.8), method=("l1",), seed=(1,)), store
    )
    speeds = Speeds((1.0,), Speed("torch"), Speed("torch"))
    speeds.step.learn(1.0, 1, 1.0)
    speeds.evaluation.learn(1.0, 1, 5.0)
    # Five trainings of ten steps and one evaluation; each ticket needs three of them, one after
    # another.
    assert made.seconds(speeds, 1) == pytest.approx(5 * 15)
    assert made.seconds(speeds, 2) == made.seconds(speeds, 8) == pytest.approx(3 * 15)


def test_trainings_between_rounds_are_evaluated_once_and_cost_that(
    params: Params, store: Store
) -> None:
    made = plan.make_plan(
        tickets(params, rounds=(1, 3), ratio=(0.5,), method=("l1",), seed=(1,)), store
    )
    speeds = Speeds((1.0,), Speed("torch"), Speed("torch"))
    speeds.step.learn(1.0, 1, 1.0)
    speeds.evaluation.learn(1.0, 1, 5.0)
    assert made.seconds(speeds, 1) == pytest.approx(30 + 3 * 5 + 3 * (10 + 5))


def test_measuring_measures_the_densities_asked_for(params: Params, store: Store) -> None:
    made = plan.make_plan(
        tickets(params, rounds=(2,), ratio=(0.5, 0.96), method=("l1",), seed=(1,)), store
    )
    speeds = made.measure(2)
    assert speeds is not None and speeds.densities == (0.2, 0.71, 1.0)
    assert all(0 < speeds.step.seconds(density) < 1 for density in speeds.densities)
    assert plan.make_plan([], store).measure(2) is None


def test_datasets_of_many_seeds_are_not_all_held(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held-out images make a dataset for every seed, as large as MNIST."""
    alive: list[weakref.ref[Dataset]] = []
    original = OpenedFolder.dataset

    def dataset(self: OpenedFolder, params: DataParams, seed: int) -> Dataset:
        made = original(self, params, seed)
        alive.append(weakref.ref(made))
        return made

    monkeypatch.setattr(OpenedFolder, "dataset", dataset)
    held_out = params.override({"data.holdout": 100})
    planned = tickets(held_out, seed=tuple(range(10)), method=("l1",))
    assert [task.name for task in planned[:12]] == [f"dense-s{seed}" for seed in range(10)] + [
        "l1-r0.50-n2-s0",
        "l1-r0.50-n2-s1",
    ]
    assert not any(reference() for reference in alive)
    run_tasks(planned[:10], store=Store(Path(".lthctl")), num_jobs=1)
    runs = retraining_tasks(held_out, DATA, [Path("masks")], Variant("rewind"), Path("runs"))
    assert [task.name for task in runs] == [f"dense-s{seed}" for seed in range(10)]
    assert not any(reference() for reference in alive)
    assert len({id(reference) for reference in alive}) > 10


def test_an_engine_that_is_clearly_faster_is_named(
    params: Params, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    factor = 0.5

    def measure(like: Training, densities: list[float], num_jobs: int) -> Speeds:
        measured.append(like.params.engine)
        assert (densities, num_jobs) == ([1.0], 1)
        return speeds_of(like.params.engine, factor)

    def speeds_of(engine: str, seconds: float) -> Speeds:
        speeds = Speeds((1.0,), Speed(engine), Speed(engine))
        speeds.step.learn(1.0, 1, seconds)
        speeds.evaluation.learn(1.0, 1, 5 * seconds)
        return speeds

    monkeypatch.setattr(plan, "measure", measure)
    one = {"rounds": (3,), "ratio": (0.5,), "method": ("l1",), "seed": (1,)}
    made = plan.make_plan(tickets(params.override({"train.engine": "sparse"}), **one), store)
    speeds = speeds_of("sparse", 1.0)
    seconds = made.seconds(speeds_of("torch", factor), 1)
    assert made.faster_engine(speeds, 1) == ("torch", seconds) and measured == ["torch"]
    described = plan.describe_plan(made, [], speeds, 1, 1)
    assert described["faster_engine"] == {"name": "torch", "seconds": seconds}
    factor = 0.95
    assert made.faster_engine(speeds, 1) is None
    assert "faster_engine" not in plan.describe_plan(made, [], speeds, 1, 1)
    chosen = plan.make_plan(tickets(params.override({"train.engine": "torch"}), **one), store)
    del measured[:]
    assert chosen.faster_engine(speeds_of("torch", 1.0), 1) is None and measured == []


@pytest.mark.parametrize("sizes", [(784, 300, 100, 10), (3072, 4096, 4096, 10)])
def test_auto_does_not_look_at_sizes(sizes: tuple[int, ...]) -> None:
    """Else one ladder could mix engines, and extending it could begin it anew."""
    assert resolve(TrainParams(engine="auto", device="cpu"), MLP(sizes)).engine == "sparse"
