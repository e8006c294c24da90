"""Every pruning method by the command line: pruned, trained, verified, reported."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lthctl.artifacts.ticket import load_ticket
from lthctl.cli.app import app
from lthctl.families import SCORES

METHODS = ",".join(SCORES.names())


def done(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (words, result.output)
    return result


@pytest.mark.long
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_every_method_goes_all_the_way(workspace: Path, scope: str) -> None:
    asked = ("--method", METHODS, "--ratio", "0,0.5", "--rounds", "2", "--seed", "1")
    done("prune", *asked, "--scope", scope)
    names = {path.name for path in Path("masks").iterdir()}
    suffix = "" if scope == "layer" else "-global"
    expected = {f"{name}-r0.50-n2{suffix}-s1" for name in SCORES.names() if name != "erk"}
    assert names == expected | {"dense-s1", "erk-r0.50-n2-s1"}
    for name in sorted(names):
        ticket = load_ticket(Path("masks") / name)
        trains = ticket.train is not None
        assert trains == (ticket.method in ("l1", "magnitude-increase")), name
    done("retrain", "masks")
    told = done("verify", "masks", "runs", "--replay").output
    assert "FAILED" not in told.upper().replace("HELD  FAILED", "")
    claims = [line for line in told.splitlines() if line.startswith("the mask is what its scores")]
    assert claims[0].split()[-3:] == ["9", "0", "0"]
    done("report", "--out", "report")
    summary = Path("report/summary.csv").read_text()
    page = Path("report/index.html").read_text()
    for name in SCORES.names():
        assert f",{name}," in summary, name
        assert SCORES.get(name).words in page, name


def test_prune_and_verify_say_where_position_decided(workspace: Path) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("layers:", "init: glorot\n  layers:"))
    asked = ("--method", "magnitude-init", "--ratio", "0.5", "--rounds", "1", "--seed", "1,2")
    told = " ".join(done("prune", *asked).stderr.split())
    assert (
        "magnitude-init: scores were equal, so position decided which weights went in a round: at "
        "most 10 in layers.0.bias, 6 in layers.1.bias, 2 in layers.2.bias"
    ) in told
    assert "position" not in done("prune", *asked).stderr  # they are there already
    told = done("verify", "masks", "--json").output
    assert (
        "scored again, bit for bit; equal scores in round 1, so position decided: 10 in "
        "layers.0.bias, 6 in layers.1.bias, 2 in layers.2.bias"
    ) in told
    assert "position" not in done("prune", "--method", "random", "--out", "other").stderr
