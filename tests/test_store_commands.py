"""`lthctl store`, `verify`, `export`, `import` and `download` as people type them."""

import json
import re
import shutil
from pathlib import Path

import pytest

from lthctl.canonical import sha256
from lthctl.datasets import fashion_mnist, mnist

from .command_line import flat, lthctl, refusal


def test_download_from_a_folder(workspace: Path) -> None:
    result = lthctl("download", "--from", "data/mnist", "--out", "copy")
    assert result.exit_code == 0
    assert "copy/train-images-idx3-ubyte: verified, data/mnist" in result.stdout
    (workspace / "copy" / "notes.txt").write_text("mine")
    (workspace / "copy" / "t10k-labels-idx1-ubyte").write_bytes(b"cut")
    result = lthctl("download", "--from", "data/mnist", "--out", "copy")
    assert "copy/t10k-labels-idx1-ubyte: truncated or altered, fetching it again" in result.stderr
    assert "copy/train-images-idx3-ubyte: verified, already there" in result.stdout
    assert (workspace / "copy" / "notes.txt").read_text() == "mine"


def test_download_of_another_dataset(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, digest in mnist.MNIST.items():
        monkeypatch.setitem(fashion_mnist.FASHION_MNIST, name, digest)
    for words in (["fashion-mnist"], ["--dataset", "fashion-mnist"]):
        result = lthctl("download", *words, "--from", "data/mnist")
        assert result.exit_code == 0
        assert "data/fashion-mnist/t10k-labels-idx1-ubyte: verified" in result.stdout
        assert "lthctl run --dataset fashion-mnist" in result.stdout + result.stderr
    (workspace / "params.yaml").write_text("data: fashion-mnist\n")
    result = lthctl("download", "--from", "data/mnist")
    assert "params.yaml says data.name fashion-mnist" in result.stderr
    assert "data/fashion-mnist/t10k-labels-idx1-ubyte: verified" in result.stdout
    assert "params.yaml" not in lthctl("download", "mnist", "--from", "data/mnist").output
    (workspace / "params.yaml").write_text("data: folder\n")
    assert "data folder: cannot be downloaded" in refusal(2, "download")
    assert refusal(2, "download", "mnist", "--dataset", "cifar10") == (
        "--dataset: is 'cifar10', and NAME is 'mnist'; give one of them"
    )


def test_store_says_how_much_it_holds(tickets: Path) -> None:
    said = lthctl("store").stdout
    assert re.fullmatch(r"\.lthctl: 4 trainings, 0\.\d MB\n", said)
    counted = json.loads(lthctl("store", "--json").stdout)
    files = Path(".lthctl", "trainings").rglob("*")
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert counted == {"path": ".lthctl", "trainings": 4, "bytes": size, "checkpoints": 0}


def test_store_check_throws_out_what_is_damaged(tickets: Path) -> None:
    assert lthctl("store", "check").stdout == ".lthctl: 4 trainings whole, 0 damaged\n"
    damaged = sorted(Path(".lthctl").rglob("history.csv"))[0]
    expected = sha256(damaged.read_bytes())
    damaged.write_bytes(b"")
    result = lthctl("store", "check")
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        f"thrown out: {damaged}: has SHA-256 e3b0c44298fc..., expected {expected[:12]}...; "
        "it is truncated or altered: restore it",
        ".lthctl: 3 trainings whole, 1 damaged",
    ]
    found = json.loads(lthctl("store", "check", "--json").stdout)
    assert found == {"whole": 3, "damaged": []}
    assert (
        "1 trainings run in" in lthctl("prune", "--out", "again").stderr
    )  # that one, and no other


@pytest.mark.long
def test_store_prune_keeps_what_tickets_and_runs_came_from(runs: Path) -> None:
    assert (
        lthctl("prune", "--method", "l1", "--ratio", "0.8", "--out", "other", "--quiet").exit_code
        == 0
    )
    num_all = json.loads(lthctl("store", "--json").stdout)["trainings"]
    planned = json.loads(lthctl("store", "prune", "masks", "runs", "--dry-run", "--json").stdout)
    assert (
        len(planned["unreferenced"]) == 2 and planned["thrown_out"] == []
    )  # second rounds of `other`
    assert json.loads(lthctl("store", "--json").stdout)["trainings"] == num_all
    result = lthctl("store", "prune", "masks", "runs")
    assert re.fullmatch(
        rf"\.lthctl: 2 trainings thrown out, 0\.\d MB; {num_all - 2} stay\n", result.stdout
    )
    assert "0 trainings run in" in lthctl("prune", "--out", "again").stderr
    assert lthctl("store", "prune", "masks", "runs", "other").stdout.startswith(
        ".lthctl: 0 trainings thrown out"
    )


def test_store_prune_refuses_to_guess(runs: Path) -> None:
    num_all = json.loads(lthctl("store", "--json").stdout)["trainings"]
    assert "ticket: does not exist" in refusal(3, "store", "prune", "masks", "ticket")
    Path("masks/l1-r0.50-n2-s1/ticket.json").write_bytes(b"{")
    assert "is not JSON" in refusal(3, "store", "prune", "masks", "runs")
    assert lthctl("store", "prune").exit_code == 2
    assert json.loads(lthctl("store", "--json").stdout)["trainings"] == num_all


def test_verify_counts_claims_and_ends_with_3_if_one_fails(runs: Path) -> None:
    result = lthctl("verify", "masks", "runs")
    assert result.exit_code == 0, result.output
    assert re.search(
        r"the start is mask \* init, or the control's draw, bit for bit +12 +0 +0", result.stdout
    )
    assert (
        "masks/l1-r0.50-n2-s1 and 1 more: the mask is what its scores select: its scores come from"
        in flat(result.stdout)
    )
    file = Path("runs/rewind/dense-s1/weights.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    result = lthctl("verify", "masks", "runs")
    assert result.exit_code == 3 and "Traceback" not in result.output
    assert (
        "runs/rewind/dense-s1: weights.safetensors matches the digest in run.json: weights.safetensors has SHA-256"
        in flat(result.stdout)
    )
    checks = json.loads(lthctl("verify", "runs/rewind/dense-s1", "--json").stdout)
    assert {"path", "claim", "state", "detail"} == checks[0].keys()
    assert {check["claim"] for check in checks if check["state"] == "failed"} == {
        "weights.safetensors matches the digest in run.json"
    }
    result = lthctl("verify", "masks", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert refusal(3, "verify", "data").startswith(
        "data: holds no ticket and no run, nor does anything below it"
    )


def test_verify_replay_trains_without_the_store(runs: Path) -> None:
    shutil.rmtree(".lthctl")
    result = lthctl("verify", "masks/l1-r0.50-n2-s1", "runs/reinit/l1-r0.50-n2-s1", "--replay")
    assert result.exit_code == 0, result.output
    assert re.search("trained again, the run has the same bytes +1 +0 +0", result.stdout)
    assert "training masks/l1-r0.50-n2-s1, round 2 of 2, again, 15 steps" in result.stderr
    assert not Path(".lthctl").exists()
    assert refusal(3, "verify", "masks", "--replay", "--data", "none").startswith(
        "none/train-images-idx3-ubyte is missing"
    )


@pytest.mark.long
def test_export_and_import_go_round(tickets: Path) -> None:
    ticket = "masks/l1-r0.50-n2-s1"
    for to in ("state_dict", "prune", "csr", "onnx"):
        result = lthctl("export", ticket, "--to", to, "--out", f"out/{to}")
        assert (result.exit_code, result.stdout) == (0, f"out/{to}: {to} of {ticket}\n"), (
            result.output
        )
    assert refusal(3, "export", ticket, "--out", "out/prune") == (
        "out/prune: exists already; choose another --out, or replace it with --force"
    )
    assert refusal(2, "export", ticket, "--to", "keras", "--out", "x").startswith(
        "to: is 'keras', expected one of"
    )
    assert "ticket.json: is missing" in refusal(3, "export", "masks", "--out", "x")
    result = lthctl("import", "out/prune", "--seed", "1")
    assert (
        result.exit_code == 0
        and "1 ticket written to masks/imported-r0.4981-n1-s1" in result.stderr
    )
    assert "weights to rewind to: those in out/prune" in result.stderr
    assert re.search(r"data +not known *\n", lthctl("show", "masks/imported-r0.4981-n1-s1").stdout)
    assert "something else is in the way" in refusal(3, "import", "out/prune", "-q")
    assert (
        lthctl(
            "import", "out/state_dict", "--label", "again", "--ratio", "0.5", "-q", "--seed", "2"
        ).exit_code
        == 0
    )
    document = json.loads(lthctl("import", "out/prune", "--json", "--force", "-q").stdout)
    assert (document["method"], document["data"], document["train"]) == ("imported", {}, {})
    assert (
        refusal(3, "import", "params.yaml")
        == "params.yaml: is neither safetensors nor what torch.save writes"
    )
    assert refusal(2, "import", "out/prune", "--ratio", "1") == (
        "ratio: is 1.0, expected in [0, 1): the fraction of weights that was to be pruned"
    )


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_imported_tickets_are_retrained_reported_and_verified(tickets: Path) -> None:
    for seed in ("1", "2"):
        ticket = f"masks/l1-r0.50-n2-s{seed}"
        assert lthctl("export", ticket, "--to", "prune", "--out", f"{seed}.pt", "-q").exit_code == 0
        words = ["import", f"{seed}.pt", "--seed", seed, "--ratio", "0.5", "--label", "torch", "-q"]
        assert lthctl(*words).exit_code == 0
    for control in ("--rewind", "--reinit"):
        assert lthctl("retrain", "masks", control, "-q").exit_code == 0
    rows = {
        (row["method"], row["control"]): row
        for row in json.loads(lthctl("report", "--json").stdout)
    }
    own, imported = rows["l1", "rewind"], rows["imported-torch", "rewind"]
    assert (
        imported["n"] == 2 and imported["accuracy"] == own["accuracy"]
    )  # the same masks and weights
    assert imported["verdict"] is not None
    assert lthctl("report").exit_code == lthctl("verify", "masks", "runs").exit_code == 0
