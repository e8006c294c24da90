"""What is proven of tickets and runs, and that every claim can fail: each with the change that
makes it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts.run import load_run, save_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.store import Store
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import load_ticket, save_ticket
from lthctl.canonical import sha256
from lthctl.datasets.base import Dataset
from lthctl.errors import TicketError
from lthctl.interop.importing import import_ticket
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.verification.checks import Check
from lthctl.verification.paths import verify as verify_paths

MODEL = MLP((784, 20, 12, 10))
TRAIN = TrainParams(steps=30, evaluate_every=10, batch_size=60, engine="torch", device="cpu")
RUN_ENTRIES = "a run's entries are whole"
ENTRIES = "a ticket's entries are whole and agree with its name"
FITS = "the mask covers the prunable weights"
DRAWN = "the initial weights are the model's draw from the seed"
MASK_DIGEST = "mask.safetensors matches the digest in ticket.json"
INIT_DIGEST = "init.safetensors matches the digest in ticket.json"
RATES = "rates follow from ratio and rounds"
COUNTS = "counts follow from the rates, per layer and round"
MASK_COUNTS = "the mask has the counts of the last round"
NESTED = "each round's mask is nested in the one before"
SELECTED = "the mask is what its scores select"
TICKET_AGAIN = "made again, the ticket has the same bytes"
METRICS = "metrics are those of the history"
EVALUATED = "it was evaluated at the steps asked for"
ORIGIN = "its ticket is the one found here"
START = "the start is mask * init, or the control's draw, bit for bit"
ZERO = "final weights are 0 outside the mask"
PROOF = "the counts in its proof are right"
NAMED = "its training is named by its digest"
RUN_AGAIN = "trained again, the run has the same bytes"


def find(**changes: object) -> object:
    return find_ticket(MODEL, changes.pop("dataset"), seed=1, **{"train": TRAIN, **changes})


@pytest.fixture(scope="session")
def made(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tickets, the parent of one of them, and runs of two from all three starts."""
    root = tmp_path_factory.mktemp("made")
    once = TRAIN.model_copy(update={"steps": 15})
    tickets = {
        "dense": find(dataset=dataset, ratio=0.0),
        "l1": find(dataset=dataset, ratio=0.5, rounds=2),
        "parent": find(dataset=dataset, ratio=1 - 0.5**0.5, rounds=1, train=once),
        "random": find(dataset=dataset, ratio=0.5, rounds=3, method="random"),
    }
    for name, ticket in tickets.items():
        save_ticket(ticket, root / "masks" / name)
    for name in ("l1", "random"):
        for control in ("rewind", "reinit", "shuffle"):
            save_run(
                retrain(tickets[name], dataset, control=control, train=TRAIN),
                root / "tickets" / control / name,
            )
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def states(checks: list[Check], claim: str) -> dict[str, str]:
    return {str(check.path): check.state for check in checks if check.claim == claim}


def failed(*paths: str, **replay: object) -> set[tuple[str, str]]:
    return {
        (str(check.path), check.claim)
        for check in verify_paths(*paths, **replay)
        if check.state == "failed"
    }


def alter(folder: str, change: Callable[[dict], object], **contents: bytes) -> None:
    """Change a document and files of a folder, and seal it anew, as a forger would."""
    path = next(
        file for name in ("ticket.json", "run.json") if (file := Path(folder, name)).exists()
    )
    document = json.loads(path.read_text())
    del document["digest"]
    for name, content in contents.items():
        file = {
            "mask": "mask.safetensors",
            "init": "init.safetensors",
            "history": "history.csv",
            "weights": "weights.safetensors",
        }[name]
        Path(folder, file).write_bytes(content)
        document["files"][file] = sha256(content)
    change(document)
    path.write_bytes(seal(document))


@pytest.mark.long
def test_everything_that_lthctl_makes_holds(copy: Path) -> None:
    checks = verify_paths("masks", "tickets")
    assert not [check for check in checks if check.state == "failed"]
    assert {(str(check.path), check.claim) for check in checks if check.state == "unchecked"} == {
        ("masks/l1", SELECTED), ("masks/parent", SELECTED)}  # fmt: skip
    assert len(checks) == 4 * 11 + 6 * 11
    detail = {(str(check.path), check.claim): check.detail for check in checks}
    assert detail["masks/l1", NESTED] == "in masks/parent, which is this ticket after 1 of 2 rounds"
    assert detail["masks/random", SELECTED] == "drawn again, bit for bit"
    assert detail["masks/random", NESTED] == "in all 3 rounds, made again"
    # kept after round 1: 11087 + 14 + 170 + 8 + 102 + 9 of 16082
    assert detail["masks/l1", COUNTS] == "29.18, 49.81 % pruned"


def test_what_cannot_be_checked_says_why(copy: Path) -> None:
    checks = verify_paths("masks/l1", "tickets/rewind/random")
    reasons = {check.claim: check.detail for check in checks if check.state == "unchecked"}
    assert reasons[NESTED].startswith(
        "counts never grow; its parent, the mask after round 1, is in no ticket here"
    )
    assert reasons[SELECTED] == "its scores come from trained weights: --replay trains again"
    assert reasons[ORIGIN].endswith("... is not at or below the paths: give it too")
    assert set(reasons) == {NESTED, SELECTED, ORIGIN, START, ZERO, PROOF, NAMED}


def test_a_run_without_weights(copy: Path, dataset: Dataset) -> None:
    run = load_run("tickets/rewind/l1", with_weights=False)
    save_run(run, "tickets/rewind/l1", replace=True)
    checks = verify_paths("masks/l1", "tickets/rewind/l1", replay=dataset)
    assert states(checks, ZERO) == {"tickets/rewind/l1": "unchecked"}
    assert states(checks, PROOF) == {"tickets/rewind/l1": "unchecked"}
    assert states(checks, RUN_AGAIN) == {"tickets/rewind/l1": "held"}
    alter("tickets/rewind/l1", lambda d: d["proof"].update(kept=d["proof"]["kept"] - 1))
    assert failed("masks/l1", "tickets/rewind/l1") == {("tickets/rewind/l1", PROOF)}


def test_replay_trains_everything_again_and_asks_no_store(
    copy: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "get", None)
    said: list[str] = []
    checks = verify_paths(
        "masks", "tickets/shuffle", replay=dataset, announce=said.append, num_jobs=2
    )
    assert not [check for check in checks if check.state == "failed"]
    assert states(checks, NESTED) == dict.fromkeys(
        ("masks/dense", "masks/l1", "masks/parent", "masks/random"), "held"
    )
    assert set(states(checks, SELECTED).values()) == {"held"}
    assert states(checks, RUN_AGAIN) == {
        "tickets/shuffle/l1": "held",
        "tickets/shuffle/random": "held",
    }
    assert sorted(said) == [
        "training masks/l1, round 1 of 2, again, 15 steps",
        "training masks/l1, round 2 of 2, again, 15 steps",
        "training masks/parent, round 1 of 1, again, 15 steps",
        "training tickets/shuffle/l1 again, 30 steps",
        "training tickets/shuffle/random again, 30 steps",
    ]
    alter("masks/l1", lambda d: d["sparsity"][0].update(trained="0" * 64))
    assert failed("masks/l1", replay=dataset) == {("masks/l1", TICKET_AGAIN)}


def test_replay_needs_the_data_it_was_trained_on(copy: Path, dataset: Dataset) -> None:
    other = Dataset("digits", dataset.validation, dataset.train)
    checks = verify_paths("masks/l1", "tickets/rewind/l1", replay=other)
    assert states(checks, TICKET_AGAIN) == {"masks/l1": "unchecked"}
    assert states(checks, RUN_AGAIN) == {"tickets/rewind/l1": "unchecked"}
    assert any(check.detail.startswith("other data here: digest ") for check in checks)


def shifted(ticket: str) -> bytes:
    """A mask with the same counts, one kept weight moved to a pruned place."""
    mask = {name: np.array(array) for name, array in load_ticket(ticket).mask.items()}
    flat = mask["layers.0.weight"].ravel()
    kept, pruned = np.flatnonzero(flat)[0], np.flatnonzero(~flat)[0]
    flat[kept], flat[pruned] = False, True
    return mask_bytes(mask)


def mask_bytes(mask: dict) -> bytes:
    packed = {name: np.packbits(array.ravel()) for name, array in mask.items()}
    return tensors_bytes(
        packed, note=json.dumps({name: list(array.shape) for name, array in mask.items()})
    )


def nudged(arrays: dict, name: str = "layers.0.weight") -> bytes:
    """One weight in its last bit."""
    changed = {key: np.array(array) for key, array in arrays.items()}
    flat = changed[name].ravel()
    place = np.flatnonzero(flat)[-1]
    flat[place] = np.nextafter(flat[place], np.float32(9))
    return tensors_bytes(changed)


def test_a_forged_mask_of_a_random_ticket_is_found_without_training(copy: Path) -> None:
    alter("masks/random", lambda d: None, mask=shifted("masks/random"))
    found = failed("masks", "tickets/rewind")
    assert ("masks/random", SELECTED) in found and ("masks/random", NESTED) in found
    assert found - {("masks/random", SELECTED), ("masks/random", NESTED)} == {
        ("tickets/rewind/random", ORIGIN)
    }


def test_a_forged_mask_that_is_not_nested_in_its_parent(copy: Path) -> None:
    parent = load_ticket("masks/parent").mask
    mask = {name: np.array(array) for name, array in load_ticket("masks/l1").mask.items()}
    flat = mask["layers.0.weight"].ravel()
    flat[np.flatnonzero(~parent["layers.0.weight"].ravel())[0]] = True
    flat[np.flatnonzero(flat)[-1]] = False
    alter("masks/l1", lambda d: None, mask=mask_bytes(mask))
    assert failed("masks") == {("masks/l1", NESTED)}
    assert failed("masks/l1") == set()  # without its parent: could not be checked


def test_a_ticket_of_other_trainings_is_no_parent(copy: Path) -> None:
    alter("masks/parent", lambda d: d["sparsity"][0].update(trained="0" * 64))
    assert states(verify_paths("masks"), NESTED)["masks/l1"] == "unchecked"


def test_a_forged_mask_of_an_l1_ticket_needs_training(copy: Path, dataset: Dataset) -> None:
    alter("masks/parent", lambda d: None, mask=shifted("masks/parent"))
    assert failed("masks/parent") == set()
    assert failed("masks/parent", replay=dataset) == {
        ("masks/parent", SELECTED),
        ("masks/parent", TICKET_AGAIN),
    }


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        (lambda d: d.update(name="l1-r0.90-n2-s1"), {ENTRIES}),
        (lambda d: d.update(method="taylor"), {ENTRIES}),
        (lambda d: d.update(method="snip"), {ENTRIES, COUNTS}),
        (lambda d: d.update(seed=2, name="l1-r0.50-n2-s2"), {DRAWN}),
        (lambda d: d.update(ratio=0.6, name="l1-r0.60-n2-s1"), {RATES}),
        (lambda d: d["rate"].update({"layers.0.weight": 0.3}), {RATES, COUNTS}),
        (lambda d: d["sparsity"][0]["layers"]["layers.1.bias"].update(kept=9), {COUNTS}),
        (lambda d: d["sparsity"][0]["layers"]["layers.1.bias"].update(kept=3), {COUNTS, NESTED}),
        (lambda d: d["sparsity"][1]["layers"]["layers.1.bias"].update(kept=5), {COUNTS, MASK_COUNTS}),
        (lambda d: d["sparsity"][0]["layers"]["layers.1.bias"].update(desired=0.5), {COUNTS}),
        (lambda d: d["sparsity"][1].update(actual=0.5), {COUNTS}),
        (lambda d: d["sparsity"][1].update(steps=30), {COUNTS}),
        (lambda d: d["sparsity"][0].update(trained=None), {COUNTS}),
        (lambda d: d["sparsity"].pop(), {ENTRIES, COUNTS, MASK_COUNTS}),
        (lambda d: d.pop("rate"), {ENTRIES, RATES, COUNTS}),
        (lambda d: d["model"].update(layers=[784, 21, 12, 10]), {FITS, DRAWN, RATES}),
        (lambda d: d["model"].update(layers=[10**9, 10**9]), {FITS, DRAWN, RATES}),
        (lambda d: d["files"].update({"mask.safetensors": "0" * 64}), {MASK_DIGEST}),
        (lambda d: d["files"].update({"mask.safetensors": "0"}), {ENTRIES, MASK_DIGEST, INIT_DIGEST}),
    ],
)  # fmt: skip
def test_a_ticket_resealed_after_a_change(
    change: Callable[[dict], object], claims: set[str], copy: Path
) -> None:
    alter("masks/l1", change)
    assert failed("masks/l1") == {("masks/l1", claim) for claim in claims}


def test_what_readers_refuse_is_not_held_to_be_whole(copy: Path) -> None:
    """The same content in other bytes: nobody can load it."""
    path = Path("masks/l1/ticket.json")
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(TicketError):
        load_ticket("masks/l1")
    assert ("masks/l1", "ticket.json matches its own digest") in failed("masks/l1")


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        (lambda d: d["metrics"].update(best_accuracy=1.0), {METRICS}),
        (lambda d: d["metrics"].pop("best_step"), {RUN_ENTRIES, METRICS}),
        (lambda d: d["train"].update(evaluate_every=5), {EVALUATED}),
        (lambda d: d["train"].update(steps=40), {EVALUATED}),
        (lambda d: d["ticket"].update(ratio=0.6), {RUN_ENTRIES, ORIGIN}),
        (lambda d: d["ticket"].update(digest="0" * 64), {ORIGIN}),
        (lambda d: d["data"].update(name="other"), {ORIGIN}),
        (lambda d: d.update(start="reinit"), {START, PROOF}),
        (lambda d: d.update(start="shuffle"), {START, PROOF, ZERO}),
        (lambda d: d["proof"].update(start="0" * 64), {START, PROOF}),
        (lambda d: d["proof"].update(kept_moved=0), {PROOF}),
        (lambda d: d["proof"].update(pruned_nonzero=1), {PROOF}),
        (lambda d: d.pop("metrics"), {RUN_ENTRIES, METRICS}),
        (lambda d: d.pop("proof"), {RUN_ENTRIES, START, PROOF}),
    ],
)  # fmt: skip
def test_a_run_resealed_after_a_change(
    change: Callable[[dict], object], claims: set[str], copy: Path
) -> None:
    alter("tickets/rewind/l1", change)
    assert failed("masks/l1", "tickets/rewind/l1") == {
        ("tickets/rewind/l1", claim) for claim in claims
    }


@pytest.mark.long
def test_weights_and_histories_resealed_after_a_change(copy: Path, dataset: Dataset) -> None:
    run, ticket = load_run("tickets/reinit/l1"), load_ticket("masks/l1")
    weights = {name: np.array(array) for name, array in run.weights.items()}
    weights["layers.0.weight"][~ticket.mask["layers.0.weight"]] = 1e-30
    alter("tickets/reinit/l1", lambda d: None, weights=tensors_bytes(weights))
    assert failed("masks", "tickets/reinit/l1") == {
        ("tickets/reinit/l1", ZERO),
        ("tickets/reinit/l1", PROOF),
    }
    alter("tickets/reinit/l1", lambda d: None, weights=nudged(run.weights, "layers.2.weight"))
    assert failed("masks", "tickets/reinit/l1") == set()  # only training again can tell
    assert failed("masks", "tickets/reinit/l1", replay=dataset) == {
        ("tickets/reinit/l1", RUN_AGAIN)
    }
    alter("masks/random", lambda d: None, init=nudged(load_ticket("masks/random").init))
    assert failed("masks/random") == {("masks/random", DRAWN)}


@pytest.mark.parametrize("name", ["ticket.json", "mask.safetensors", "init.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "nonsense"])
def test_one_damaged_file_of_a_ticket_leaves_the_others_their_verdicts(
    name: str, damage: str, copy: Path
) -> None:
    hurt(copy / "masks" / "random" / name, damage)
    checks = verify_paths("masks/random", "tickets/rewind/random")
    verdict = {check.claim: check.state for check in checks if str(check.path) == "masks/random"}
    digests = {"ticket.json matches its own digest": "ticket.json",
               "mask.safetensors matches the digest in ticket.json": "mask.safetensors",
               "init.safetensors matches the digest in ticket.json": "init.safetensors"}  # fmt: skip
    for claim, file in digests.items():
        others = "held" if name != "ticket.json" or damage == "flipped" else "unchecked"
        assert verdict[claim] == ("failed" if file == name else others)
    if name != "ticket.json":
        assert verdict[RATES] in ("held", "unchecked") and verdict[ENTRIES] == "held"
    assert {check.state for check in checks if check.claim == METRICS} == {"held"}
    assert {check.state for check in checks if check.claim == START} == {"unchecked"}


@pytest.mark.parametrize("name", ["run.json", "history.csv", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "nonsense"])
def test_one_damaged_file_of_a_run_leaves_the_others_their_verdicts(
    name: str, damage: str, copy: Path
) -> None:
    hurt(copy / "tickets" / "rewind" / "l1" / name, damage)
    checks = verify_paths("masks", "tickets/rewind/l1")
    verdict = {
        check.claim: check.state for check in checks if str(check.path) == "tickets/rewind/l1"
    }
    own = "its own digest" if name == "run.json" else "the digest in run.json"
    assert verdict[f"{name} matches {own}"] == "failed"
    if name != "run.json":
        assert (
            verdict["run.json matches its own digest"]
            == verdict[START]
            == verdict[ORIGIN]
            == "held"
        )
        assert verdict[METRICS] == ("held" if name == "weights.safetensors" else verdict[METRICS])


def hurt(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "nonsense":
        content = bytearray(b"\0" * 100)
    else:
        place = content.index(b'seed": 1') + 7 if path.suffix == ".json" else len(content) - 3
        content[place] ^= 2
    path.write_bytes(content)


@pytest.mark.long
def test_no_bytes_end_in_a_traceback(copy: Path) -> None:
    random = np.random.default_rng(0)
    originals = {
        path: path.read_bytes()
        for path in [*copy.glob("masks/random/*"), *copy.glob("tickets/shuffle/random/*")]
    }
    for path, original in originals.items():
        for _ in range(3):
            content = bytearray(original)
            for place in random.integers(0, len(content), 3):
                content[place] = random.integers(0, 256)
            path.write_bytes(content)
            assert any(
                check.state == "failed"
                for check in verify_paths("masks/random", "tickets/shuffle/random")
            )
        path.write_bytes(original)
    for folder, document in (
        ("masks/random", "ticket.json"),
        ("tickets/shuffle/random", "run.json"),
    ):
        original = (copy / folder / document).read_bytes()
        for key in json.loads(original):
            for value in (None, 10**400, {"a": []}):
                alter(folder, lambda d, key=key, value=value: d.update({key: value}))
                verify_paths("masks/random", "tickets/shuffle/random")
                (copy / folder / document).write_bytes(original)


def test_folders_without_tickets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TicketError, match="holds no ticket and no run, nor does anything below it"):
        verify_paths(tmp_path)
    with pytest.raises(TicketError, match="does not exist"):
        verify_paths(tmp_path / "none")


def test_tickets_of_modules_need_their_maker(dataset: Dataset, tmp_path: Path) -> None:
    from torch import nn

    model = ModuleModel(
        "flat", lambda: nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10)), output="2"
    )
    ticket = find_ticket(model, dataset, method="random", ratio=0.5, rounds=2, seed=1, train=TRAIN)
    save_ticket(ticket, tmp_path / "module")
    unchecked = {check.claim for check in verify_paths(tmp_path) if check.state == "unchecked"}
    assert unchecked == {DRAWN, RATES}
    assert {check.state for check in verify_paths(tmp_path, model=model)} == {"held"}


def test_imported_tickets(copy: Path, dataset: Dataset) -> None:
    ticket = import_ticket("masks/random/mask.safetensors", model=MODEL, seed=5)
    save_ticket(ticket, "masks/mine")
    save_run(retrain(ticket, dataset, train=TRAIN), "tickets/mine")
    checks = verify_paths("masks/mine", "tickets/mine", replay=dataset)
    assert {check.claim for check in checks if check.state != "held"} == {
        RATES,
        SELECTED,
        TICKET_AGAIN,
    }
    assert not [check for check in checks if check.state == "failed"]
