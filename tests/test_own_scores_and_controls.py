"""Scores and controls of one's own, through every command; what cannot be had is refused."""

from pathlib import Path

import pytest

from lthctl.datasets.base import Dataset
from lthctl.families import (
    CONTROLS,
    choices,
    trust,
)
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams

from .test_families import ASKED, documents, done, refusal, refused

pytestmark = pytest.mark.usefixtures("families_as_before")


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
