"""A plan file may be damaged, or somebody else's: nothing of it is believed that is not looked at."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lthctl.artifacts.store import Store
from lthctl.canonical import Json
from lthctl.cluster.plan_file import LIMIT, read_plan, write_plan
from lthctl.cluster.worker import work
from lthctl.errors import ClusterError, LthctlError, PathError
from lthctl.families import own_code
from lthctl.grid.asked import Asked
from lthctl.grid.grids import run_grid, ticket_grid
from lthctl.params import Params
from lthctl.params_file import load_params

from .command_line import lthctl
from .mutations import mutate_bytes
from .test_workers import plan_of

EVIL = "from pathlib import Path\nPath('was-run').touch()\n"


@pytest.fixture
def plan(workspace: Path) -> Path:
    return plan_of(ticket_grid(load_params(Path("params.yaml"))))


def changed(plan: Path, change: Callable[[Json], object]) -> str:
    """What is said of a plan in which something was changed."""
    said = json.loads(plan.read_bytes())
    change(said)
    plan.write_text(json.dumps(said))
    with pytest.raises(ClusterError) as error:
        read_plan(plan)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda said: said["arguments"].pop("out"), "out: Field required"),
        (lambda said: said["arguments"].update(more=1), "more: Extra inputs"),
        (lambda said: said["arguments"].update(out=["masks"]), "out: Input should be a valid string"),
        (lambda said: said["params"].update(train={"steps": -1}), "train.steps: "),
        (lambda said: said.update(function="os.system"), "function: Input should be "),
        (lambda said: said.update(schema_=2), "schema_: Input should be 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_plan_is_named(
    plan: Path, change: Callable[[Json], object], where: str
) -> None:
    words = changed(plan, change)
    assert words.startswith(f"{plan}: is no plan of this lthctl ({where}")
    done = lthctl("work", str(plan))
    assert (done.exit_code, done.stderr) == (3, f"Error: {words}\n")


@pytest.mark.long
def test_no_mutated_plan_does_anything_but_be_refused(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are still plans are made to a grid, which is not run."""
    params = load_params(Path("params.yaml")).override({"prune.seed": (1,), "prune.ratio": (0.5,)})
    ticket_grid(params).run()
    monkeypatch.setattr("lthctl.grid.grid.Grid.run", None)
    contents = [plan.read_bytes(), plan_of(run_grid(["masks"], params=params)).read_bytes()]
    rng = random.Random(7)
    for number in range(300):
        plan.write_bytes(mutate_bytes(contents[number % 2], rng, contents))
        try:
            read_plan(plan).grid()
        except LthctlError as error:
            assert "Traceback" not in str(error)


def test_a_plan_to_verify_makes_no_grid(workspace: Path) -> None:
    asked = Asked("verify", Params(), {"paths": ["masks"], "data": None})
    plan = read_plan(write_plan(asked, Path(".lthctl")).path)
    with pytest.raises(ClusterError, match="is a plan of `lthctl verify`, which makes no grid"):
        plan.grid()


def test_what_is_no_file_or_too_long_is_refused(workspace: Path) -> None:
    os.mkfifo("pipe")
    with pytest.raises(PathError, match="is a pipe or a device"):
        read_plan(Path("pipe"))
    with open("long", "wb") as file:  # noqa: PTH123
        file.truncate(LIMIT + 1)
    with pytest.raises(PathError, match="expected at most"):
        read_plan(Path("long"))
    done = lthctl("work", "nowhere")
    assert done.exit_code == 3 and "nowhere: is missing" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(executor="evil:run"),
        lambda said: said["params"]["prune"].update(method=["evil:score"]),
        lambda said: said["params"].setdefault("model", {}).update(name="evil:net"),
        lambda said: said.update(trusted=["evil:score"]),
    ],
)
def test_code_that_a_strangers_plan_names_is_not_run(
    plan: Path, change: Callable[[Json], object]
) -> None:
    Path("evil.py").write_text(EVIL)
    said = json.loads(plan.read_bytes())
    said["params"].pop("model", None)
    change(said)
    plan.write_text(json.dumps(said))
    name = read_plan(plan).code[0]
    with pytest.raises(ClusterError) as error:
        work(read_plan(plan))
    assert str(error.value) == (
        f"{plan}: names code that would be run here, {name}, and nothing shows that its store is "
        f"yours; if you trust it, give --trust {name}"
    )
    assert not Path("was-run").exists() and not own_code.trusted()
    assert not Path(".lthctl/workers").exists()


def test_where_there_is_no_place_for_a_key_nothing_shows_whose_a_store_is(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(Path("file").absolute()))
    Path("evil.py").write_text(EVIL)
    plan.write_text(json.dumps(json.loads(plan.read_bytes()) | {"executor": "evil:run"}))
    with pytest.raises(ClusterError, match="nothing shows that its store is yours"):
        work(read_plan(plan))
    assert not Path("was-run").exists()


@pytest.mark.long
def test_in_a_store_of_ones_own_the_code_of_a_plan_is_run(plan: Path) -> None:
    Path("mine.py").write_text(
        f"{EVIL}from lthctl.grid.executors.threads import ThreadExecutor as Mine\n"
    )
    said = json.loads(plan.read_bytes()) | {"executor": "mine:Mine", "device": "cpu"}
    plan.write_text(json.dumps(said))
    elsewhere = Path("plan.json")
    elsewhere.write_text(json.dumps(said | {"folder": ".", "store": ".lthctl"}))
    Store(Path(".lthctl")).adopt()
    with pytest.raises(
        ClusterError, match=r"plan\.json: names code"
    ):  # it does not lie in the store
        work(read_plan(elsewhere))
    assert not work(read_plan(plan), num_jobs=1).outcome.failed
    assert Path("was-run").exists()
    Path(".lthctl/maker.json").unlink()
    done = lthctl("work", str(plan), "--trust", "mine:Mine", "--quiet")
    assert done.exit_code == 0, done.stderr
