"""An audit names each known fault of other programs, really committed, and passes a sound ticket."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import lthctl
from lthctl.auditing.audit import CLAIMS, audit
from lthctl.cli.app import app
from lthctl.errors import CheckpointError, ParamsError
from lthctl.verification.checks import Check
from tests import faulty_tool

PRUNES, REWOUND, NESTED, LARGE, SCORE, COUNTS, STAY, TRAIN, SIGNS = CLAIMS

Runs = Callable[[str], Path]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The folder that a fault left, made when it is first asked for."""
    root = tmp_path_factory.mktemp("faults")
    (root / "own.yaml").write_text(
        "init: init.pt\nmask: mask{round}.pt\nstart: start{round}.pt\ntrained: trained{round}.pt\n"
    )

    def folder(fault: str) -> Path:
        place = root / (fault or "sound").replace(" ", "-")
        return place if place.exists() else faulty_tool.run(place, fault)

    return folder


def whole(folder: Path, **options: object) -> dict[str, Check]:
    """All that a run left."""
    found = audit(folder, layout=str(folder.parent / "own.yaml"), **options)  # type: ignore[arg-type]
    return {check.claim: check for check in found}


def files(
    folder: Path, *, rounds: Sequence[str] = ("trained0", "trained1"), **options: object
) -> dict[str, Check]:
    """A ticket's files alone, as people keep them."""
    given = {
        "init": folder / "init.pt",
        "mask": folder / "mask2.pt",
        "final": folder / "trained2.pt",
    }
    given["rounds"] = [folder / f"{name}.pt" for name in rounds]  # type: ignore[assignment]
    return {check.claim: check for check in audit(**{**given, **options})}  # type: ignore[arg-type]


def failed(checks: dict[str, Check]) -> set[str]:
    return {claim for claim, check in checks.items() if check.state == "failed"}


def test_a_sound_ticket_passes_every_claim(runs: Runs) -> None:
    checks = whole(runs(""), rate=0.2)
    assert [(c.claim, c.state, c.detail) for c in checks.values() if c.state != "held"] == []
    assert list(checks) == list(CLAIMS)
    assert "round 2: the weights of init.pt, bit for bit" in checks[REWOUND].detail
    assert (
        "round 2 pruned exactly the smallest by magnitude of the weights trained in round 1 "
        "(trained1.pt), per layer (chance 20.0 %)"
    ) in checks[SCORE].detail


def test_a_global_score_is_told_from_one_per_layer(runs: Runs) -> None:
    checks = whole(runs("global"), rate=0.2)
    assert failed(checks) == set()
    assert "(trained1.pt), global (chance 20.0 %)" in checks[SCORE].detail


@pytest.mark.parametrize(
    ("fault", "claims", "words"),
    [
        ("no rewind", {REWOUND}, "round 2 starts from the weights trained in round 1 (trained1.pt)"),
        ("aliased", {REWOUND}, "round 2 starts from the weights trained in round 1 (trained1.pt)"),
        ("biases", {REWOUND}, "different are those of 0.bias, 2.bias, 4.bias"),
        ("drawn anew", {REWOUND}, "as chance gives: drawn anew"),
        ("momentum", {STAY}, "small beside survivors, as momentum or weight decay leave them"),
        ("dense", {STAY}, "677 of 677 pruned weights are not 0"),
        ("freezes negative", {TRAIN}, "negative survivors are frozen, negative: of"),
        ("shrinks negative", {TRAIN}, "negative survivors never grow: they only go towards 0"),
        ("freezes a layer", {TRAIN}, "the survivors of 2.weight are frozen"),
        ("one too many", {COUNTS}, "193 of 960 in 0.weight where 192 were due (1 too many)"),
        ("tied", {COUNTS}, "weights tie with the last that was due, and all of them went"),
        ("kept for pruned", {COUNTS}, "kept and pruned are mistaken for each other"),
        ("largest", {LARGE, SCORE}, "exactly the largest by magnitude"),
        ("by value", {LARGE, SCORE, SIGNS}, "every negative weight goes first"),
        ("of initial", {SCORE}, "by magnitude of the weights initial (init.pt)"),
        ("by chance", {SCORE}, "no better than chance"),
        ("not nested", {NESTED, SCORE}, "weights that round 1 had pruned"),
        ("prunes nothing", {PRUNES}, "the network is dense"),
    ],
)  # fmt: skip
def test_each_known_fault_is_named(fault: str, claims: set[str], words: str, runs: Runs) -> None:
    checks = whole(runs(fault), rate=0.2)
    assert failed(checks) == claims
    assert any(words in checks[claim].detail for claim in claims), checks


@pytest.mark.parametrize(
    ("fault", "claims"),
    [
        ("", set()),
        ("aliased", {REWOUND, TRAIN}),
        ("no rewind", {REWOUND}),
        ("drawn anew", {REWOUND}),
        ("momentum", {STAY, REWOUND}),  # the optimizer kept its moments
        ("dense", {STAY}),
        ("freezes negative", {TRAIN}),
        ("shrinks negative", {TRAIN}),
        ("one too many", {COUNTS}),
        ("largest", {LARGE, SCORE}),
        ("by value", {LARGE, SCORE, SIGNS}),
        ("of initial", {REWOUND, SCORE}),
        ("by chance", {SCORE}),
        ("tied", set()),
    ],
)
def test_a_tickets_files_alone_name_what_they_can(fault: str, claims: set[str], runs: Runs) -> None:
    assert failed(files(runs(fault))) == claims


def test_what_cannot_be_checked_says_which_file_would_tell(runs: Runs) -> None:
    checks = files(runs(""), rounds=(), final=None)
    assert {claim: check.state for claim, check in checks.items()} == {
        PRUNES: "held", REWOUND: "unchecked", NESTED: "unchecked", LARGE: "held",
        SCORE: "unchecked", COUNTS: "unchecked", STAY: "unchecked", TRAIN: "unchecked",
        SIGNS: "held",
    }  # fmt: skip
    for claim, option in [
        (REWOUND, "--start"), (NESTED, "--round"), (SCORE, "--round"), (COUNTS, "--rate"),
        (STAY, "--final"), (TRAIN, "--final"),
    ]:  # fmt: skip
        assert f"{option}" in checks[claim].detail
        assert "would tell" in checks[claim].detail


def test_a_ticket_says_which_rounds_weights_it_starts_from(runs: Runs) -> None:
    folder = runs("no rewind")
    checks = files(folder, start=folder / "start2.pt")
    assert checks[REWOUND].state == "failed"
    assert "the ticket starts from the weights trained in round 2 (trained1.pt)" in (
        checks[REWOUND].detail
    )
    # Or its own "initial" weights are what a round left.
    checks = files(folder, init=folder / "start2.pt")
    assert "the initial weights are those trained in round 2" in checks[REWOUND].detail


def test_rounds_in_another_order_are_noticed(runs: Runs) -> None:
    folder = runs("")
    checks = files(folder, rounds=["trained1", "trained0"])
    assert failed(checks) == {SCORE}
    assert "(trained0.pt), per layer (chance 20.0 %), which are of a later round; give" in (
        checks[SCORE].detail
    )
    checks = files(folder, rounds=["mask2", "mask1"])
    assert failed(checks) == {NESTED}
    assert "and round 1 is nested in round 2: is --round in order?" in checks[NESTED].detail
    assert "-" not in checks[COUNTS].detail.split("; --")[0]  # as if weights had come back


@pytest.mark.parametrize("number", [1, 0])
def test_the_mask_of_another_round_is_noticed(number: int, runs: Runs) -> None:
    folder = runs("")
    final, mask = folder / f"trained{2 - number}.pt", folder / f"mask{number + 1}.pt"
    checks = files(folder, rounds=(), mask=mask, final=final)
    if number:  # it prunes more than the training did
        assert failed(checks) == {STAY}
    else:
        assert failed(checks) == {TRAIN}
        assert "301 of 1,504 survivors are exactly 0 after training: it was trained under" in (
            checks[TRAIN].detail
        )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_files_in_half_precision_are_compared_in_it(
    kind: torch.dtype, runs: Runs, tmp_path: Path
) -> None:
    folder = runs("")
    files_of = {"init": "init.pt", "start": "start2.pt"}
    for option, name in files_of.items():
        state = torch.load(folder / name, weights_only=True)
        torch.save({n: t.to(kind) for n, t in state.items()}, tmp_path / f"{option}.pt")
        given = {"start": folder / "start2.pt", option: tmp_path / f"{option}.pt"}
        checks = files(folder, **given)
        assert checks[REWOUND].state == "held"
        assert f"in all bits that {str(kind)[6:]} has" in checks[REWOUND].detail
    # Those of a round are still told from the initial ones.
    checks = files(
        runs("no rewind"), init=tmp_path / "init.pt", start=runs("no rewind") / "start2.pt"
    )
    assert checks[REWOUND].state == "failed"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, runs: Runs, tmp_path: Path) -> None:
    state = torch.load(runs("") / "trained2.pt", weights_only=True)
    state["2.weight"][3, 4] = value
    torch.save(state, tmp_path / "diverged.pt")
    with pytest.raises(CheckpointError, match=r"diverged.pt: '2.weight' holds values that are not"):
        files(runs(""), final=tmp_path / "diverged.pt")


def test_weights_beside_a_mask_are_no_proof_either_way(runs: Runs, tmp_path: Path) -> None:
    """A checkpoint pruned and not yet rewound is a usual file to keep a mask in."""
    masks = torch.load(runs("") / "mask2.pt", weights_only=True)
    trained = torch.load(runs("") / "trained1.pt", weights_only=True)
    state = {(f"{n}_orig" if n in masks else n): t for n, t in trained.items()}
    torch.save({**state, **{f"{n}_mask": m.float() for n, m in masks.items()}}, tmp_path / "p.pt")
    checks = files(runs(""), rounds=(), mask=tmp_path / "p.pt", final=None)
    assert checks[REWOUND].state == "unchecked"
    assert "p.pt holds other weights beside the mask" in checks[REWOUND].detail
    checks = files(runs(""), rounds=(), mask=tmp_path / "p.pt", start=tmp_path / "p.pt")
    assert checks[REWOUND].state == "failed"


def test_counts_are_judged_by_rate_or_ratio_or_inferred(runs: Runs) -> None:
    checks = files(runs(""), rounds=(), ratio=0.36)
    assert checks[COUNTS].state == "held"
    assert "677 of 1,880 were pruned, 36.0 %, as asked" in checks[COUNTS].detail
    swapped = files(runs(""), rounds=(), ratio=0.64)
    assert "kept and pruned are mistaken for each other" in swapped[COUNTS].detail
    assert "as after 2 rounds of 20.0 %" in files(runs(""), rounds=(), rate=0.2)[COUNTS].detail
    assert "at 20.0 % (inferred)" in whole(runs("one too many"))[COUNTS].detail


def test_signs_of_survivors_stand_beside_chance(runs: Runs) -> None:
    assert "survivors begin negative, chance gives" in whole(runs(""))[SIGNS].detail


def test_the_command_prints_all_claims_and_exits_with_3(runs: Runs) -> None:
    def run(fault: str, *words: str) -> object:
        folder = runs(fault)
        return CliRunner().invoke(
            app, ["audit", str(folder), "--from", str(folder.parent / "own.yaml"), *words]
        )

    sound, faulty = run("", "--rate", "0.2"), run("momentum", "--json")
    assert (sound.exit_code, faulty.exit_code) == (0, 3)  # type: ignore[attr-defined]
    assert all(claim in sound.stdout for claim in CLAIMS)  # type: ignore[attr-defined]
    rows = json.loads(faulty.stdout)  # type: ignore[attr-defined]
    assert [row["claim"] for row in rows if row["state"] == "failed"] == [STAY]
    assert run("", "--quiet").stdout == ""  # type: ignore[attr-defined]


def test_misuse_is_refused(runs: Runs, tmp_path: Path) -> None:
    folder = runs("")
    with pytest.raises(ParamsError, match="--mask: is missing"):
        audit(init=folder / "init.pt")
    with pytest.raises(ParamsError, match="and not both"):
        audit(folder, mask=folder / "mask1.pt")
    with pytest.raises(ParamsError, match="--from: is for a folder"):
        audit(mask=folder / "mask1.pt", layout="open_lth")
    with pytest.raises(ParamsError, match="rate: is 20"):
        audit(mask=folder / "mask1.pt", rate=20)
    torch.save({"0.weight": torch.zeros(3, 2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="does not fit the initial weights"):
        audit(init=folder / "init.pt", mask=tmp_path / "other.pt")


def test_scores_that_all_tie_prove_nothing(tmp_path: Path) -> None:
    """All magnitudes equal: any mask keeps "the largest"."""
    generator = torch.Generator().manual_seed(1)
    signs = torch.randn(40, 30, generator=generator).sign() / 10
    torch.save({"w": torch.randn(40, 30, generator=generator)}, tmp_path / "init.pt")
    torch.save({"w": signs}, tmp_path / "trained.pt")
    torch.save({"w": torch.rand(40, 30, generator=generator) > 0.3}, tmp_path / "mask.pt")
    checks = {
        check.claim: check
        for check in audit(
            init=tmp_path / "init.pt", mask=tmp_path / "mask.pt", rounds=[tmp_path / "trained.pt"]
        )
    }
    assert checks[SCORE].state == "failed"
    assert "no better than chance" in checks[SCORE].detail


def test_the_document_lists_the_claims() -> None:
    text = (Path(__file__).parent.parent / "docs" / "AUDIT.md").read_text()
    rows = text.split("## What is claimed")[1].split("\n\n")[1].splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(CLAIMS)


def test_it_is_public() -> None:
    assert lthctl.audit is audit
