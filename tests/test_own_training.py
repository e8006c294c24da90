"""Optimizers, engines and executors of one's own, through every command; what cannot be had is refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lthctl.errors import ParamsError
from lthctl.families import (
    ENGINES,
    OPTIMIZERS,
    trust,
)
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.engines import resolve, run

from .test_families import ASKED, documents, done, refusal, refused

pytestmark = pytest.mark.usefixtures("families_as_before")


# ---- optimizers and engines ----


OPTIMIZERS_OF_ONES_OWN = """
import torch

class Shaky(torch.optim.Optimizer):
    '''Moves every weight, those with a gradient of 0 too.'''
    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * (parameter.grad + 0.1))

def shaky(parameters, params, fused):
    if fused:
        raise RuntimeError("not fused")
    return Shaky(parameters, params.lr)
"""


def with_parameters(workspace: Path, text: str) -> None:
    path = workspace / "params.yaml"
    path.write_text(path.read_text().replace("train:\n", f"train:\n{text}"))


@pytest.mark.long
def test_an_optimizer_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    (workspace / "own_optimizers.py").write_text(OPTIMIZERS_OF_ONES_OWN)
    with_parameters(workspace, "  optimizer: own_optimizers:shaky\n")
    done("prune", "--method", "l1", *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert ticket["train"]["optimizer"] == "own_optimizers:shaky"
    assert ticket["train"]["engine"] == "torch"
    done("retrain", "masks", "--quiet")
    (run,) = documents("runs", "run.json")
    assert run["proof"]["pruned_nonzero"] == 0
    assert run["proof"]["kept_moved"] == run["proof"]["kept"]
    done("verify", "masks", "runs", "--replay")
    done("report")
    assert "own_optimizers:shaky" in (workspace / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 5", "returned a value of type int, expected a torch.optim.Optimizer"),
        ("raise ValueError('lr')", "failed at line 2 of own_optimizers.py (ValueError: lr)"),
    ],
)
def test_an_optimizer_that_fails(workspace: Path, body: str, said: str) -> None:
    text = f"def lion(parameters, params, fused):\n    {body}\n"
    (workspace / "own_optimizers.py").write_text(text)
    with_parameters(workspace, "  optimizer: own_optimizers:lion\n")
    message = refusal("prune", *ASKED, code=4)
    assert message.endswith(f"optimizer own_optimizers:lion: its function {said}")


def test_an_optimizer_that_an_engine_lacks_is_an_error(workspace: Path) -> None:
    (workspace / "own_optimizers.py").write_text(OPTIMIZERS_OF_ONES_OWN)
    with_parameters(workspace, "  optimizer: own_optimizers:shaky\n  engine: sparse\n")
    assert refusal("prune", *ASKED) == (
        "train.engine: is sparse, which trains MLPs on a cpu with one thread each; "
        "train.optimizer is own_optimizers:shaky, and it has 'adam' or 'sgd' only"
    )


def test_no_engine_trains_with_another_optimizer(make_training: Any) -> None:
    training = make_training(engine="sparse", optimizer="own:lion")
    with pytest.raises(ParamsError, match=r"train\.optimizer is own:lion, and it has 'adam' or"):
        run(training)
    with pytest.raises(ParamsError, match="optimizer own:lion: is somebody's own code"):
        run(make_training(optimizer="own:lion"))


def test_an_optimizer_needs_three_parameters(here: Path) -> None:
    (here / "own_module.py").write_text("def lion(parameters, lr): ...")
    trust("own_module:lion")
    assert refused(OPTIMIZERS, "own_module:lion") == (
        "optimizer own_module:lion: is of type function, expected a function (parameters, params, "
        "fused) that returns a torch optimizer, or a lthctl.training.optimizers.Optimizer (too "
        "many positional arguments)"
    )


ENGINE_OF_ONES_OWN = """
from lthctl.training.engine_torch import TorchEngine

class Careful(TorchEngine):
    words = "trains with momentum only"
    numerics = 7
    packages = ("numpy",)
    def obstacles(self, params, model):
        return [] if params.momentum else ["train.momentum is 0"]

ENGINE = Careful()
"""


def test_an_engine_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    (workspace / "own_engines.py").write_text(ENGINE_OF_ONES_OWN)
    name = "own_engines:ENGINE"
    assert refusal("prune", "--engine", name, *ASKED) == (
        "train.engine: is own_engines:ENGINE, which trains with momentum only; train.momentum is 0"
    )
    with_parameters(workspace, f"  engine: {name}\n  optimizer: sgd\n  momentum: 0.5\n")
    done("prune", "--method", "l1", *ASKED)
    done("retrain", "masks", "--quiet")
    (run,) = documents("runs", "run.json")
    assert run["train"]["engine"] == name
    done("verify", "masks", "runs", "--replay")
    done("report")
    assert name in (workspace / "report" / "index.html").read_text()


def test_an_engine_has_all_that_engines_have(here: Path) -> None:
    (here / "own_module.py").write_text("class Engine:\n    words = ''\nENGINE = Engine()")
    trust("own_module:ENGINE", "own_module:Engine")
    assert refused(ENGINES, "own_module:ENGINE") == (
        "engine own_module:ENGINE: is of type Engine, expected an object such as "
        "lthctl.training.engine.Engine (it has no device_for, needs_preparing, numerics, "
        "obstacles, packages, parameters, prepare, relative_cost, train)"
    )
    assert refused(ENGINES, "own_module:Engine").startswith(
        "engine own_module:Engine: is the class Engine, expected an object such as"
    )


def test_a_parameter_that_an_engine_does_not_know_is_refused() -> None:
    """One that is added to `train` some day, and forgotten in an engine."""

    class Longer(TrainParams):
        cooling: int = 0

    assert resolve(Longer(device="cpu"), MLP()).engine == "sparse"
    with pytest.raises(ParamsError) as error:
        resolve(Longer(device="cpu", cooling=3), MLP())
    assert str(error.value) == (
        "train.engine: no engine can do this; sparse: it has no train.cooling, which is 3; "
        "torch: it has no train.cooling, which is 3"
    )


def test_auto_takes_the_first_engine_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENGINES.names() == ("sparse", "torch")
    assert resolve(TrainParams(device="cpu"), MLP()).engine == "sparse"
    for name in ENGINES.names():
        monkeypatch.setattr(type(ENGINES.get(name)), "obstacles", lambda *_: ["it is Sunday"])
    with pytest.raises(ParamsError) as error:
        resolve(TrainParams(device="cpu"), MLP())
    assert str(error.value) == (
        "train.engine: no engine can do this; sparse: it is Sunday; torch: it is Sunday"
    )


# ---- executors ----


@pytest.mark.long
def test_an_executor_of_ones_own_runs_the_trainings(workspace: Path) -> None:
    """Named by a flag, so it is trusted; it is no part of any digest."""
    (workspace / "own_executors.py").write_text(
        "from pathlib import Path\n"
        "from lthctl.grid.executors.threads import ThreadExecutor\n\n"
        "class Counted(ThreadExecutor):\n"
        "    def submit(self, training, on_step):\n"
        "        with Path('submitted.txt').open('a') as file: print(training.digest, file=file)\n"
        "        return super().submit(training, on_step)\n"
    )
    done("prune", "--method", "l1", "--out", "one", "--quiet", *ASKED)
    names = {path.name for path in (workspace / ".lthctl").glob("trainings/*/*")}
    shutil.rmtree(workspace / ".lthctl")
    own = ["--executor", "own_executors:Counted"]
    done("prune", "--method", "l1", "--out", "other", "--quiet", *own, *ASKED)
    assert set((workspace / "submitted.txt").read_text().split()) == names
    assert documents("one", "ticket.json") == documents("other", "ticket.json")
    done("retrain", "other", "--quiet", *own)
    (run,) = documents("runs", "run.json")
    submitted = (workspace / "submitted.txt").read_text().split()
    assert submitted[-1] == run["training"] and "own_executors" not in str(run)
    done("verify", "other", "runs", "--replay")
    done("report", "--masks", "other")
    assert "own_executors" not in (workspace / "report" / "index.html").read_text()


def test_what_is_no_executor_is_refused_before_anything_is_done(workspace: Path) -> None:
    assert refusal("prune", "--executor", "slurm") == (
        "executor: is 'slurm', expected 'threads' or 'processes', or your own as module:name, such "
        "as mypackage.cluster:Executor"
    )
    (workspace / "own_executors.py").write_text("def executor(num_jobs): ...\n")
    assert refusal("prune", "--executor", "own_executors:executor") == (
        "executor own_executors:executor: is of type function, expected a class with the methods "
        "submit, cancel and close, made with a number of jobs"
    )
    assert not (workspace / "masks").exists()
