"""Models and datasets of one's own, through every command; what cannot be had is refused."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lthctl.families import (
    DATASETS,
    choices,
)

from .test_families import ASKED, documents, done, refusal
from .test_own_scores_and_controls import TAYLOR

pytestmark = pytest.mark.usefixtures("families_as_before")


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

class Tied(nn.Module):
    "Dropout, a layer that is frozen, and two that are one matrix."
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(784, 8)
        self.fixed = nn.Linear(8, 8).requires_grad_(False)
        self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)
        self.other.weight = self.one.weight
        self.drop, self.classes = nn.Dropout(0.2), nn.Linear(8, 10)
    def forward(self, images):
        hidden = self.fixed(self.first(images).relu())
        return self.classes(self.drop(self.other(self.one(hidden).relu()).relu()))

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


def exported(path: str) -> dict[str, torch.Tensor]:
    done("export", path, "--to", "state_dict", "--out", "exported.pt", "--force")
    state: dict[str, torch.Tensor] = torch.load("exported.pt", weights_only=True)
    return state


@pytest.mark.long
def test_a_model_of_ones_own_goes_all_the_way(workspace_of_workers: Path) -> None:
    workspace = workspace_of_workers
    (workspace / "own_nets.py").write_text(NETS)
    with_model(workspace, "model: own_nets:Tied\n")
    done("prune", "--method", "l1", *ASKED)
    (ticket,) = documents("masks", "ticket.json")
    assert ticket["model"]["name"] == "own_nets:Tied"
    assert ticket["model"]["output"] == "classes"
    assert ticket["model"]["frozen"] == ["fixed.weight", "fixed.bias"]
    rates = ticket["rate"]
    assert rates["classes.weight"] == rates["classes.bias"] == rates["first.weight"] / 2
    assert "one.weight" in rates and not {"other.weight", "fixed.weight"} & {*rates}
    for control in ("rewind", "reinit", "shuffle"):
        done("retrain", "masks", "--control", control, "--quiet")
    shutil.rmtree(workspace / ".lthctl")  # else there is nothing to train
    done("retrain", "masks", "--executor", "processes", "--out", "again", "--quiet")
    one, other = documents("runs/rewind", "run.json"), documents("again", "run.json")
    assert one == other
    done("verify", "masks", "runs", "--replay")
    assert "one.weight" in done("show", "masks").output
    (run,) = Path("runs/rewind").iterdir()
    done("show", str(run))
    initial, final = exported(f"masks/{run.name}"), exported(str(run))
    assert torch.equal(initial["fixed.weight"], final["fixed.weight"])
    assert (final["one.weight"] == 0).sum() == (initial["one.weight"] == 0).sum() > 0
    network = importlib.import_module("own_nets").Tied()
    # A parameter with two names is written once, as the ticket says nothing of the second.
    assert network.load_state_dict(final, strict=False) == (["other.weight"], [])
    assert torch.equal(network.other.weight, final["one.weight"])
    done("report")
    assert "own_nets:Tied" in (workspace / "report" / "index.html").read_text()


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
