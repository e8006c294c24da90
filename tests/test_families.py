"""Families: a member that is added in a test goes the whole way, and every mistake has its
message."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lthctl import families
from lthctl.cli.app import app
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.families import (
    CONTROLS,
    DATASETS,
    ENGINES,
    FAMILIES,
    MODELS,
    OPTIMIZERS,
    SCORES,
    Family,
    choices,
    is_own,
    nearest,
    own_code,
    trust,
)
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.mask import Mask
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.params import ModelParams, TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import resolve, run
from lthctl.training.spec import Training

Families = list[Family[Any]]


@pytest.fixture(autouse=True)
def _families_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds, trusts or imports is gone afterwards."""
    for family in FAMILIES:
        monkeypatch.setattr(family, "_members", dict(family._members))
        monkeypatch.setattr(family, "_sources", dict(family._sources))
    monkeypatch.setattr(own_code, "_trusted", set(own_code._trusted))
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if name.split(".")[0].startswith("own"):
            del sys.modules[name]


def lthctl(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def done(*words: str) -> Result:
    result = lthctl(*words)
    assert result.exit_code == 0, (words, result.output)
    return result


def refusal(*words: str, code: int = 2) -> str:
    result = lthctl(*words)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("Error: ")
    return " ".join(result.stderr.removeprefix("Error: ").split())


def refused(family: Family[Any], name: str) -> str:
    with pytest.raises(ParamsError) as error:
        family.get(name)
    return str(error.value)


# ---- names ----


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("resnet21", "resnet20"), ("ResNet-18", "resnet20"), ("VGG-19", "vgg19"), ("vgg", "vgg11"),
        ("Conv-4", "conv4"), ("conv3", "conv2"), ("LeNet-300-100", "lenet-300-100"), ("xyz", None),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_what_was_meant(given: str, meant: str | None) -> None:
    """Where several names are as like, with the one that begins the same."""
    assert nearest(given, MODELS.names()) == meant
    assert f"model: is {given!r}{f'; did you mean {meant!r}?' if meant else ', expected'}" in (
        refused(MODELS, given)
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.noun)
def test_every_built_in_member_is_there(family: Family[Any]) -> None:
    for name in family.names():
        assert family.get(name) is family.get(name) is family.known(name)
        assert family.source_digest(name) is None


def test_listing_imports_nothing() -> None:
    program = (
        "import sys; from lthctl.families import FAMILIES\n"
        "assert all(family.names() for family in FAMILIES)\n"
        "print(sorted(name for name in sys.modules if name.startswith('lthctl.')), 'numpy' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == (
        "['lthctl.errors', 'lthctl.families', 'lthctl.families.family', "
        "'lthctl.families.members', 'lthctl.families.nearest', 'lthctl.families.own_code'] False\n"
    )


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("a:b", True),
        ("my_package.scores.deep:Taylor2", True),
        ("a:", False),
        (":b", False),
        ("a:b:c", False),
        ("a..b:c", False),
        (".a:b", False),
        ("../a:b", False),
        ("a/b:c", False),
        ("a:b.c", False),
        ("a:b\n", False),
        ("1a:b", False),
        ("a-b:c", False),
        ("ä:b", False),
        ("a" * 65 + ":b", False),
        ("a.a.a.a.a.a.a.a.a:b", False),
        ("l1", False),
    ],
)
def test_names_with_a_colon(name: str, own: bool) -> None:
    assert is_own(name) is own


def test_choices() -> None:
    assert choices(("a",)) == "'a'"
    assert choices(("a", "b", "c")) == "'a', 'b' or 'c'"


# ---- mistakes ----


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_that_is_none() -> None:
    assert refused(SCORES, "l3") == (
        "method: is 'l3', expected 'l1', 'random', 'magnitude-init', 'magnitude-increase', 'snip', 'grasp', 'synflow' or 'erk', or your own as module:name, such as "
        "mypackage.scores:taylor"
    )
    for name in ("a:b:c", "a:", "../x:y"):
        assert refused(SCORES, name) == (
            f"method: is {name!r}, expected module:name, such as mypackage.scores:taylor"
        )


def test_what_lies_beside_own_code_takes_no_installed_package_s_place(here: Path) -> None:
    """The folder of one's own code is the last that is searched."""
    sys.modules.pop("sched", None)
    (here / "sched.py").write_text("raise SystemExit('it ran')")
    (here / "own_imports.py").write_text(
        "import sched\n\ndef score(context):\n    return sched.scheduler\n"
    )
    trust("own_imports:score")
    assert SCORES.get("own_imports:score") is not None
    assert str(here) not in str(sys.modules["sched"].__file__)


def test_own_code_is_found_whatever_is_installed_under_its_name(here: Path) -> None:
    sys.modules.pop("mailcap", None)
    (here / "mailcap.py").write_text("def score(context):\n    return {}\n")
    trust("mailcap:score")
    assert SCORES.get("mailcap:score") is not None
    del sys.modules["mailcap"]


def test_code_that_nobody_vouched_for_is_not_run(here: Path) -> None:
    (here / "own_untrusted.py").write_text("raise SystemExit('it ran')")
    assert refused(SCORES, "own_untrusted:score") == (
        "method own_untrusted:score: is somebody's own code, which is not run unasked; if you "
        "trust it, say so with --trust own_untrusted:score, or name it in params.yaml"
    )
    assert SCORES.known("own_untrusted:score") is None
    assert "own_untrusted" not in sys.modules


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        (
            "own_nowhere:score",
            None,
            "there is no module 'own_nowhere', neither in {here} nor among the installed packages",
        ),
        (
            "own_module.part:score",
            "",
            "there is no module 'own_module.part', neither in {here} nor among the installed packages",
        ),
        (
            "own_module:score",
            "import own_missing",
            "the module own_module needs 'own_missing', which is not installed; install it",
        ),
        (
            "own_module:score",
            "1 / 0",
            "the module own_module cannot be imported (ZeroDivisionError: division by zero); mend it",
        ),
        (
            "own_module:score",
            "def score(context:",
            "the module own_module cannot be imported (SyntaxError: '(' was never closed "
            "(own_module.py, line 1)); mend it",
        ),
        (
            "own_module:score",
            "raise SystemExit(3)",
            "the module own_module cannot be imported (SystemExit: 3); mend it",
        ),
        (
            "own_module:tailor",
            "def taylor(context): ...",
            "the module own_module has no 'tailor'; did you mean 'taylor'?",
        ),
        (
            "own_module:score",
            "def fisher(context): ...\ndef snip(context): ...",
            "the module own_module has no 'score'; it has fisher, snip",
        ),
        ("own_module:score", "", "the module own_module has no 'score'; it has nothing"),
        (
            "own_module:score",
            "score = 'l1'",
            "is of type str, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score",
        ),
        (
            "own_module:score",
            "class score: ...",
            "is the class score, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score",
        ),
        (
            "own_module:score",
            "def score(weights, stream): ...",
            "is of type function, expected a function of one parameter, the context, or a "
            "lthctl.lottery.scores.Score (missing a required argument: 'stream')",
        ),
    ],
)
def test_a_score_of_ones_own_that_cannot_be_had(
    here: Path, name: str, source: str | None, said: str
) -> None:
    if source is not None:
        (here / "own_module.py").write_text(source)
    trust(name)
    assert refused(SCORES, name) == f"method {name}: {said.format(here=here)}"


def test_a_module_without_source_is_refused() -> None:
    trust("math:sqrt")
    assert refused(SCORES, "math:sqrt") == (
        "method math:sqrt: the module math has no source file, which is part of the identity; "
        "write it in Python"
    )


def adding(name: str, member: object) -> str:
    with pytest.raises(ParamsError) as error:
        SCORES.add(name, member)
    return str(error.value)


def test_what_cannot_be_added() -> None:
    def score(context: object) -> None: ...

    SCORES.add("topk-noise", score)
    assert adding("l1", score) == "method: there is a 'l1' already; choose another name"
    assert adding("topk-noise", score) == (
        "method: there is a 'topk-noise' already; choose another name"
    )
    assert adding("dense", score) == "method: 'dense' means something else; choose another name"
    assert adding("../x", score) == (
        "method: is '../x', expected lower-case letters, digits and underscores"
    )
    assert adding("seven", 7) == (
        "method seven: is of type int, expected a function of one parameter, the context, or a "
        "lthctl.lottery.scores.Score"
    )
    program = "SCORES.add('from-nowhere', score)"
    with pytest.raises(ParamsError) as error:
        exec(compile(program, "<stdin>", "exec"), {"SCORES": SCORES, "score": score})
    assert str(error.value) == (
        "method: 'from-nowhere' is added from no file; put it into a module, whose source is part "
        "of the identity"
    )
    assert SCORES.names()[:2] == ("l1", "random") and SCORES.names()[-1] == "topk-noise"
    assert SCORES.order("topk-noise") < SCORES.order("another")


def test_two_threads_that_import_the_same_module_both_get_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_slow.py").write_text(
        "import time\ntime.sleep(0.1)\ndef score(context):\n    return {}\n"
    )
    name = "own_slow:score"
    families.trust(name)
    both = Barrier(2)

    def get(_: int) -> object:
        both.wait()
        return SCORES.get(name)

    with ThreadPoolExecutor(2) as threads:
        members = list(threads.map(get, range(2)))
    assert members[0] is members[1]
    forget(SCORES, name)


# ---- scores ----

TAYLOR = """
import numpy as np
from torch.nn.functional import cross_entropy
import torch

def taylor(context):
    network = context.network()
    images = torch.from_numpy(context.sample.images.astype(np.float32) / 255)
    cross_entropy(network(images), torch.from_numpy(context.sample.labels)).backward()
    gradients = {name: p.grad.numpy() for name, p in network.named_parameters()}
    return {name: np.abs(context.weights[name] * gradients[name]) for name in context.mask}
"""


def documents(folder: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(Path(folder).rglob(name))]


ASKED = ("--ratio", "0.5", "--rounds", "2", "--seed", "1", "--quiet")


def test_a_score_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    (workspace / "own_scores.py").write_text(TAYLOR)
    name = "own_scores:taylor"
    done("prune", "--method", name, *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert ticket["method"] == name
    assert ticket["name"] == "own_scores.taylor-r0.50-n2-s1"
    assert (workspace / "masks" / ticket["name"]).is_dir()
    done("retrain", "masks", "--quiet")
    done("verify", "masks", "runs", "--replay")
    done("show", "masks")
    done("report")
    assert "own_scores" in (workspace / "report" / "summary.csv").read_text()
    assert name in (workspace / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "1 / 0",
            "its function failed at line 2 of own_scores.py (ZeroDivisionError: division by zero)",
        ),
        (
            "return None",
            "its function returned a value of type NoneType, expected a mapping of parameter name "
            "to scores",
        ),
        (
            "return {name: kept.astype(str) for name, kept in context.mask.items()}",
            "its scores of 'layers.0.bias' are of type <U5, expected numbers",
        ),
        (
            "return {'layers.0.bias': [[1, 2], [3]]}",
            "its scores of 'layers.0.bias' make no array (ValueError: ",
        ),
        (
            "raise SystemExit(3)",
            "its function failed at line 2 of own_scores.py (SystemExit: 3)",
        ),
    ],
)
def test_a_score_that_fails(workspace: Path, body: str, said: str) -> None:
    (workspace / "own_scores.py").write_text(f"def taylor(context):\n    {body}\n")
    message = refusal("prune", "--method", "own_scores:taylor", *ASKED, code=4)
    assert f"method own_scores:taylor: {said}" in message


# ---- controls ----

CONTROLS_OF_ONES_OWN = """
from lthctl.lottery.controls import Control

def zero(ticket, model, stream):
    return ticket.mask, {name: 0 * array for name, array in ticket.init.items()}

ZERO = Control(zero, words="zeros", line=(2, 2), marker="v", needs_model=False)

def noise(ticket, model, stream):
    weights = model.draw(stream)
    return ticket.mask, {name: ticket.init[name] + weights[name] for name in weights}

def half(ticket, model, stream):
    weights = ticket.init
    return ticket.mask, {name: array[:1] for name, array in weights.items()}

def wild(ticket, model, stream):
    return ticket.mask, {name: array * array.dtype.type("nan") for name, array in ticket.init.items()}

def greedy(ticket, model, stream):
    for array in ticket.init.values():
        array[:] = 0
    return ticket.mask, ticket.init
"""


def prune_one_ticket() -> None:
    done("prune", "--method", "random", *ASKED)


def test_a_control_that_python_names_is_imported(here: Path, dataset: Dataset) -> None:
    (here / "own_controls.py").write_text(CONTROLS_OF_ONES_OWN)
    train = TrainParams(steps=2, evaluate_every=2, engine="torch", device="cpu")
    ticket = find_ticket(MLP((784, 5, 10)), dataset, method="random", ratio=0.5, train=train)
    assert retrain(ticket, dataset, control="own_controls:ZERO", train=train).history[0].step == 2


def test_a_control_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    (workspace / "own_controls.py").write_text(CONTROLS_OF_ONES_OWN)
    prune_one_ticket()
    for name in ("own_controls:ZERO", "own_controls:noise"):
        done("retrain", "masks", "--control", name, "--quiet")
        folder = workspace / "runs" / name.replace(":", ".")
        (run,) = documents(str(folder), "run.json")
        assert run["start"] == name
        done("show", str(folder))
        done("verify", "masks", "runs", "--replay")
    done("report")
    assert "own_controls:ZERO" in (workspace / "report" / "runs.csv").read_text()
    assert "own_controls:ZERO" in (workspace / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (
            ("--control", "own_controls:half"),
            "control own_controls:half: the weights that it gives have other names, shapes or types "
            "than the ticket's",
            3,
        ),
        (
            ("--control", "own_controls:wild"),
            "control own_controls:wild: the weights of layers.0.bias, layers.0.weight, "
            "layers.1.bias, layers.1.weight, layers.2.bias, layers.2.weight that it gives are not "
            "all finite numbers",
            3,
        ),
        (
            ("--control", "own_controls:greedy"),
            "control own_controls:greedy: its function failed at line 22 of own_controls.py "
            "(ValueError: assignment destination is read-only)",
            3,
        ),
        (
            ("--control", "rewnd"),
            "control: is 'rewnd'; did you mean 'rewind'? Expected "
            f"{choices(CONTROLS.names())}, or your own as module:name, such as mypackage.controls:zero",
            2,
        ),
        (
            ("--control", "reinit", "--shuffle"),
            "-rewind exclude each other; give one, and call again for the next",
            2,
        ),
    ],
)
def test_controls_that_cannot_be_had(
    workspace: Path, words: tuple[str, ...], said: str, code: int
) -> None:
    (workspace / "own_controls.py").write_text(CONTROLS_OF_ONES_OWN)
    prune_one_ticket()
    message = refusal("retrain", "masks", *words, "--quiet", code=4 if code == 3 else code)
    assert said in message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "returned NoneType"),
        ("return ticket.mask", "returned Mask"),
        ("return ticket.mask, ticket.init, 3", "returned Mask, dict, int"),
        ("return dict(ticket.mask), ticket.init", "returned dict, dict"),
        ("return [1], [2]", "returned list, list"),
        ("raise KeyError('x')", "failed at line 2 of own_controls.py (KeyError: 'x')"),
    ],
)
def test_a_control_that_gives_something_else(workspace: Path, body: str, said: str) -> None:
    (workspace / "own_controls.py").write_text(f"def zero(ticket, model, stream):\n    {body}\n")
    prune_one_ticket()
    words = ("retrain", "masks", "--control", "own_controls:zero", "--quiet")
    message = refusal(*words, code=4)
    expected = ", expected a lthctl.Mask and a mapping of parameter name to weights"
    end = expected if said.startswith("returned") else ""
    assert message.endswith(f"control own_controls:zero: its function {said}{end}")


def test_a_control_needs_three_parameters(here: Path) -> None:
    (here / "own_module.py").write_text("def zero(ticket): ...")
    trust("own_module:zero")
    assert refused(CONTROLS, "own_module:zero") == (
        "control own_module:zero: is of type function, expected a function (ticket, model, "
        "stream), or a lthctl.lottery.controls.Control (too many positional arguments)"
    )


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


# ---- models ----

NETS = """
from torch import nn

class Narrow(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.first = nn.Linear(784, width)
        self.drop = nn.Dropout(0.2)
        self.classes = nn.Linear(width, 10)
    def forward(self, images):
        return self.classes(self.drop(self.first(images).relu()))

def blind():
    return nn.Sequential(nn.Linear(7, 10))

def few():
    return nn.Sequential(nn.Linear(784, 3))

def flat():
    return nn.Flatten()

def seven():
    return 7

def broken():
    raise ValueError("no width")

def wide(width):
    return Narrow(width)

def random():
    import numpy as np
    layer = nn.Linear(784, 10)
    layer.weight.data += float(np.random.random())
    return nn.Sequential(layer)
"""


def with_model(workspace: Path, section: str) -> None:
    path = workspace / "params.yaml"
    path.write_text(path.read_text().replace("model:\n  layers: [784, 20, 12, 10]\n", section))


@pytest.mark.long
def test_a_model_of_ones_own_goes_all_the_way(workspace_of_workers: Path) -> None:
    workspace = workspace_of_workers
    (workspace / "own_nets.py").write_text(NETS)
    with_model(workspace, "model: own_nets:Narrow\n")
    done("prune", "--method", "l1", *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert ticket["model"]["name"] == "own_nets:Narrow"
    assert ticket["model"]["output"] == "classes"
    rates = ticket["rate"]
    assert rates["classes.weight"] == rates["classes.bias"] == rates["first.weight"] / 2
    for control in ("rewind", "reinit", "shuffle"):
        done("retrain", "masks", "--control", control, "--quiet")
    shutil.rmtree(workspace / ".lthctl")  # else there is nothing to train
    done("retrain", "masks", "--executor", "processes", "--out", "again", "--quiet")
    one, other = documents("runs/rewind", "run.json"), documents("again", "run.json")
    assert one == other
    done("verify", "masks", "runs", "--replay")
    done("show", "masks")
    done("report")
    assert "own_nets:Narrow" in (workspace / "report" / "index.html").read_text()


def test_the_output_layer_may_be_named(workspace: Path) -> None:
    (workspace / "own_nets.py").write_text(NETS)
    with_model(workspace, "model: {name: own_nets:Narrow, output: first}\n")
    done("prune", "--method", "random", *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert ticket["rate"]["first.weight"] == ticket["rate"]["classes.weight"] / 2


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "model: resnet\n",
            "params.yaml:1:1: model.name: is 'resnet'; did you mean 'resnet20'? Expected 'mlp', "
            "'lenet-300-100', 'lenet5', 'conv2', 'conv4', 'conv6', 'resnet20', 'resnet32', "
            "'resnet44', 'resnet56', 'vgg11', 'vgg13', 'vgg16' or 'vgg19', or your own as "
            "module:name, such as mynets:LeNet5",
        ),
        (
            "model: own_nets:blind\n",
            "model own_nets:blind: cannot take images of shape (784,) (RuntimeError: mat1 and mat2 "
            "shapes cannot be multiplied (2x784 and 7x10))",
        ),
        (
            "model: own_nets:few\n",
            "model own_nets:few: gives outputs of shape (2, 3) for 2 images, expected (2, classes) "
            "with at least 10 classes",
        ),
        (
            "model: own_nets:flat\n",
            "model own_nets:flat: has no layer that can be pruned; it has none",
        ),
        (
            "model: own_nets:seven\n",
            "model own_nets:seven: makes a value of type int, expected a torch.nn.Module",
        ),
        (
            "model: own_nets:broken\n",
            "model own_nets:broken: cannot be made (ValueError: no width)",
        ),
        (
            "model: own_nets:wide\n",
            "model own_nets:wide: cannot be called with no arguments (missing a required argument: "
            "'width'); give it what it takes in model.kwargs: width",
        ),
        (
            "model: {name: own_nets:wide, kwargs: {height: 3}}\n",
            "model own_nets:wide: cannot be called with model.kwargs {'height': 3} (missing a "
            "required argument: 'width'); give it what it takes in model.kwargs: width",
        ),
        (
            "model: own_nets:random\n",
            "model own_nets:random: is another one when it is made again with the same seed; it "
            "differs in ['0.weight']. Its replicates would not be reproducible: draw all numbers "
            "from torch's global generator, which is seeded here",
        ),
        (
            "model: {name: own_nets:Narrow, output: last}\n",
            "model 'own_nets:Narrow': has no output layer 'last'; it has first.weight, first.bias, "
            "classes.weight, classes.bias",
        ),
        (
            "model: {name: own_nets:Narrow, layers: [784, 10]}\n",
            "model.layers: is for built-in models, and own_nets:Narrow does not read it; remove it",
        ),
        (
            "model: {output: last}\n",
            "model.output: is 'last', but the output layer of an mlp is its last; remove it",
        ),
    ],
)
def test_models_that_cannot_be_had(workspace: Path, section: str, said: str) -> None:
    (workspace / "own_nets.py").write_text(NETS)
    with_model(workspace, section)
    assert refusal("prune", "--method", "random", *ASKED) == said


# ---- datasets ----

DATA = """
import numpy as np
from lthctl import Dataset, Split

def digits(folder):
    images = np.load(folder / "images.npy")
    labels = (images.sum(axis=1) % 10).astype(np.int64)
    return Dataset("own digits", Split(images[:60], labels[:60]), Split(images[60:], labels[60:]))

def seven(folder):
    return 7
"""


def with_data(workspace: Path, section: str) -> None:
    path = workspace / "params.yaml"
    path.write_text(section + path.read_text().replace("steps: 30", "steps: 10"))


@pytest.mark.long
def test_a_dataset_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    import numpy as np

    (workspace / "own_data.py").write_text(DATA)
    (workspace / "data" / "digits").mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 255, (80, 784)).astype(np.uint8)
    np.save(workspace / "data" / "digits" / "images.npy", images)
    with_data(workspace, "data: {name: own_data:digits, holdout: 7}\n")
    done("prune", "--method", "l1", *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert [ticket["data"][key] for key in ("name", "train", "validation", "test")] == [
        "own digits",
        53,
        7,
        20,
    ]
    done("retrain", "masks", "--quiet")
    shutil.rmtree(workspace / ".lthctl")  # else there is nothing to train
    done("retrain", "masks", "--executor", "processes", "--out", "again", "--quiet")
    assert documents("runs", "run.json") == documents("again", "run.json")
    done("verify", "masks", "runs", "--replay")
    done("report")
    assert "own digits" in (workspace / "report" / "index.html").read_text()
    assert refusal("download", "own_data:digits") == (
        "data own_data:digits: cannot be downloaded; put its files into data/digits"
    )


@pytest.mark.parametrize(
    ("section", "said", "code"),
    [
        (
            "data: pictures\n",
            f"params.yaml:1:1: data.name: is 'pictures', expected {choices(DATASETS.names())}, or "
            "your own as module:name, such as mypackage.data:digits",
            2,
        ),
        (
            "data: own_data:seven\n",
            "data own_data:seven: gives a value of type int, expected a lthctl.Dataset",
            3,
        ),
        (
            "data: own_data:digits\n",
            "data own_data:digits: cannot read data/digits (FileNotFoundError: [Errno 2] No such "
            "file or directory: 'data/digits/images.npy')",
            3,
        ),
    ],
)
def test_data_that_cannot_be_had(workspace: Path, section: str, said: str, code: int) -> None:
    (workspace / "own_data.py").write_text(DATA)
    with_data(workspace, section)
    assert refusal("prune", "--method", "random", *ASKED, code=code) == said


# ---- tickets of strangers ----


@pytest.mark.long
def test_a_ticket_whose_code_is_not_here_is_shown_compared_reported_and_verified(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "own_scores.py").write_text(TAYLOR)
    (workspace / "own_nets.py").write_text(NETS)
    parameters = (workspace / "params.yaml").read_text()
    with_model(workspace, "model: own_nets:Narrow\n")
    done("prune", "--method", "own_scores:taylor", *ASKED)
    done("retrain", "masks", "--quiet")
    (workspace / "params.yaml").write_text(parameters)

    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
import pytest
from tests.conftest import write_digits
from pathlib import Path
from lthctl.datasets import mnist
mnist.MNIST.update(write_digits(Path("data/mnist")))
from lthctl.cli.app import main
sys.argv = ["lthctl", *sys.argv[1:]]
try:
    main()
finally:
    assert not [name for name in sys.modules if name.startswith("own")]
"""

    def elsewhere(*words: str) -> str:
        """In a process that has imported nothing of it."""
        said = subprocess.run(
            [sys.executable, "-c", program, *words],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "1000"},
        )
        assert "Traceback" not in said.stderr, said.stderr
        return f"{said.returncode} {said.stdout} {said.stderr}"

    name = "own_scores.taylor-r0.50-n2-s1"
    for words in (
        ("show", f"masks/{name}"),
        ("show", f"runs/rewind/{name}"),
        ("compare", f"masks/{name}", f"masks/{name}"),
        ("report",),
    ):
        assert elsewhere(*words).startswith("0 "), words
    checked = elsewhere("verify", "masks", "runs")
    assert checked.startswith("0 ") and "method 'own_scores:taylor' is not known" in checked
    replayed = elsewhere("verify", "masks", "--replay")
    assert replayed.startswith("0 ")
    assert (
        "model own_nets:Narrow: is somebody's own code, which is not run unasked; if you trust it, "
        "say so with --trust own_nets:Narrow, or name it in params.yaml"
    ) in replayed
    refused = elsewhere("retrain", "masks")
    assert refused.startswith("3 ")
    assert "is a ticket of the module 'own_nets:Narrow'" in refused
    assert "set model in params.yaml: {name: own_nets:Narrow, output: " in refused


# ---- executors ----


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


# ---- identity ----


def forget(family: Family[Any], name: str) -> None:
    """As in another process."""
    family._members.pop(name, None)
    family._sources.pop(name, None)
    sys.modules.pop(name.partition(":")[0], None)


@pytest.mark.parametrize(
    ("family", "key", "name", "source"),
    [
        (OPTIMIZERS, "optimizer", "own_optimizers:shaky", OPTIMIZERS_OF_ONES_OWN),
        (ENGINES, "engine", "own_engines:ENGINE", ENGINE_OF_ONES_OWN),
    ],
    ids=["optimizer", "engine"],
)
def test_another_source_is_another_training(
    here: Path, make_training: Any, family: Family[Any], key: str, name: str, source: str
) -> None:
    def digest(text: str) -> str:
        (here / f"{name.partition(':')[0]}.py").write_text(text)
        forget(family, name)
        family.get(name)
        return str(make_training(**{key: name}).digest)

    trust(name)
    first = digest(source)
    assert digest(source + "# changed\n") != first
    assert digest(source) == first


def test_another_source_of_a_model_is_another_training(here: Path, dataset: Dataset) -> None:
    name = "own_nets:Narrow"

    def digest(text: str) -> str:
        (here / "own_nets.py").write_text(text)
        forget(MODELS, name)
        model = model_from(ModelParams(name=name))
        mask = Mask.full(model.prunable(biases=True))
        params = TrainParams(engine="torch", device="cpu")
        start = model.draw(Stream(1, "init"))
        return Training(model, start, mask, dataset, 1, params).digest

    trust(name)
    first = digest(NETS)
    assert digest(NETS + "# changed\n") != first
    assert digest(NETS) == first


def test_the_sources_of_what_is_built_in_are_in_no_digest(make_training: Any) -> None:
    assert make_training().sources == {}


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_tickets_and_runs_say_which_code_they_came_from(workspace: Path) -> None:
    scores, nets = workspace / "own_scores.py", workspace / "own_nets.py"
    controls, optimizers = workspace / "own_controls.py", workspace / "own_optimizers.py"
    scores.write_text(TAYLOR)
    nets.write_text(NETS)
    controls.write_text(CONTROLS_OF_ONES_OWN)
    optimizers.write_text(OPTIMIZERS_OF_ONES_OWN)
    with_model(workspace, "model: own_nets:Narrow\n")
    with_parameters(workspace, "  optimizer: own_optimizers:shaky\n")
    done("prune", "--method", "own_scores:taylor", *ASKED)
    done("prune", "--method", "random", *ASKED)
    done("retrain", "masks", "--control", "own_controls:noise", "--quiet")
    code = {
        "own_nets:Narrow": sha256_of(nets),
        "own_optimizers:shaky": sha256_of(optimizers),
        "own_scores:taylor": sha256_of(scores),
    }
    mine, random = documents("masks", "ticket.json")
    assert (mine["sources"], mine["schema"]) == (code, 2)
    assert random["sources"] == {"own_nets:Narrow": sha256_of(nets)}
    run = documents("runs", "run.json")[0]
    assert run["sources"] == {**code, "own_controls:noise": sha256_of(controls)}
    assert "1 there already" in done("prune", "--method", "random", *ASKED[:-1]).stderr

    # With another score the ticket is another one; the trainings before the first pruning are not.
    scores.write_text(TAYLOR.replace("np.abs", "-np.abs"))
    forget(SCORES, "own_scores:taylor")
    assert "holds something else" in refusal(
        "prune", "--method", "own_scores:taylor", *ASKED, code=3
    )
    done("prune", "--method", "own_scores:taylor", *ASKED, "--force")
    (other, _) = documents("masks", "ticket.json")
    assert other["sources"] == {**code, "own_scores:taylor": sha256_of(scores)}
    assert other["digest"] != mine["digest"]

    # A ticket is of one version of its network.
    nets.write_text(NETS + "# changed\n")
    forget(MODELS, "own_nets:Narrow")
    text = refusal("retrain", "masks", "--out", "others", code=3)
    old, new = code["own_nets:Narrow"][:12], sha256_of(nets)[:12]
    assert (
        f"was found with another version of own_nets:Narrow (SHA-256 {old}..., here {new}...); "
        "restore that file, or find the ticket again"
    ) in text


def test_what_is_built_in_names_no_sources(workspace: Path) -> None:
    done("prune", "--method", "l1", *ASKED)
    done("retrain", "masks", "--quiet")
    for document in (*documents("masks", "ticket.json"), *documents("runs", "run.json")):
        assert "sources" not in document and document["schema"] == 1
