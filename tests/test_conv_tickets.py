"""What works for an MLP works for a network with convolutions, from the command line."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lthctl.cli.app import app

NET = """
from torch import nn


def normed():
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 10),
    )
"""


def lthctl(*words: str) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("lenet5", marks=pytest.mark.long),
        pytest.param("conv_nets:normed", marks=pytest.mark.slow),
    ],
)
def test_every_command_takes_its_tickets(
    name: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No params.yaml says what they are of. Of somebody's own code the name has to be given."""
    Path("conv_nets.py").write_text(NET)
    Path("params.yaml").unlink()
    own = ":" in name
    model = ["--model", name] if own else []
    small = ["--method", "l1", "--ratio", "0,0.5", "--rounds", "2", "--seed", "1", "-q"]
    lthctl("prune", *small, "--model", name, "--steps", "4", "--set", "train.device=cpu")
    monkeypatch.setattr("lthctl.families.own_code._trusted", set())
    lthctl("retrain", "masks", "-q", *model)
    lthctl("retrain", "masks", "--reinit", "-q", *model)
    ticket, run = "masks/l1-r0.50-n2-s1", "runs/rewind/l1-r0.50-n2-s1"

    shown = lthctl("show", ticket)
    assert "Channels with no surviving weights" in shown
    first = json.loads(lthctl("show", ticket, "--json"))["channels"][0]
    assert first["num_units"] == 6 and (first["without_outgoing"] is None) == own
    assert "both" in lthctl("compare", ticket, "masks/dense-s1")
    assert "final accuracy" in lthctl("compare", run, run.replace("rewind", "reinit"))
    replayed = lthctl("verify", "masks", "runs", "--replay", *(["--trust", name] if own else []))
    assert re.search("made again, the ticket has the same bytes +1 +0 +1", replayed)
    assert re.search("trained again, the run has the same bytes +4 +0 +0", replayed)
    for to in ("state_dict", "prune", "csr", *(() if own else ("onnx",))):
        lthctl("export", ticket, "--to", to, "--out", f"out/{to}")
        lthctl("export", run, "--to", to, "--out", f"out/run-{to}")
    trusted = ["--trust", name] if own else []
    lthctl("import", "out/prune", "--out", "imported", "--set", f"model.name={name}", *trusted)
    lthctl("report")
    page = Path("report/index.html").read_text()
    assert '"kernels":[["l1",2,0.5,"l1-r0.50-n2-s1",' in page
