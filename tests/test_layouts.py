"""Folders of other programs are taken as they are: audited, and imported."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from lthctl.auditing.audit import audit
from lthctl.cli.app import app
from lthctl.cli.options import LayoutOption
from lthctl.errors import CheckpointError, ParamsError
from lthctl.interop.importing import import_ticket
from lthctl.interop.layouts import find_files, layout_names
from lthctl.models.mlp import MLP
from tests import faulty_tool
from tests.faults import FAULTS, failing


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_tool.run(tmp_path_factory.mktemp("layouts") / "sound", "global")


@pytest.fixture
def open_lth(run: Path, tmp_path: Path) -> Path:
    """A replicate as open_lth lays it out: initial weights, and those at step 100, rewound to."""
    root = tmp_path / "lottery_0123" / "replicate_1"
    for level in range(3):
        main = root / f"level_{level}" / "main"
        main.mkdir(parents=True)
        shutil.copy(run / f"mask{level}.pt", main / "mask.pth")
        shutil.copy(run / f"start{level}.pt", main / "model_ep0_it100.pth")
        shutil.copy(run / f"trained{level}.pt", main / "model_ep1_it0.pth")
        (main / "hparams.log").write_text("    * pruning_fraction => 0.2\n")
    main = root / "level_pretrain" / "main"
    main.mkdir(parents=True)
    shutil.copy(run / "init.pt", main / "model_ep0_it100.pth")
    state = torch.load(run / "init.pt", weights_only=True)
    torch.save({n: t + 0.01 for n, t in state.items()}, main / "model_ep0_it0.pth")
    return root


def test_a_folder_of_open_lth_is_audited_as_it_is(open_lth: Path) -> None:
    checks = {check.claim: check for check in audit(open_lth)}
    assert {check.state for check in checks.values()} == {"held"}
    rewound = checks["the ticket is rewound to the initial weights"].detail
    assert "round 2: the weights of model_ep0_it100.pth, bit for bit, not of model_ep0_it0.pth" in (
        rewound
    )
    counts = checks["as many weights are pruned as were to be"].detail
    assert counts == "round 1 at 20.0 %: 376 of 1,880; round 2 at 20.0 %: 301 of 1,504"
    # The folder above holds this one run; two runs would be too many.
    assert audit(open_lth.parent, layout="open_lth")[0].path.name == "replicate_1"
    shutil.copytree(open_lth, open_lth.parent / "replicate_2")
    with pytest.raises(CheckpointError, match="give one of them: replicate_1, replicate_2"):
        audit(open_lth.parent)


def test_a_folder_of_open_lth_is_imported_with_what_it_is_rewound_to(
    open_lth: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    ticket = import_ticket(
        open_lth, layout="open_lth", model=MLP(faulty_tool.SIZES), announce=said.append
    )
    masks, init = faulty_tool.read(run / "mask2.pt"), faulty_tool.read(run / "init.pt")
    for theirs, ours in (("0", "layers.0"), ("2", "layers.1"), ("4", "layers.2")):
        np.testing.assert_array_equal(ticket.mask[f"{ours}.weight"], masks[f"{theirs}.weight"])
        for part in ("weight", "bias"):
            np.testing.assert_array_equal(ticket.init[f"{ours}.{part}"], init[f"{theirs}.{part}"])
            assert ticket.init[f"{ours}.{part}"].dtype == np.float32
    assert any("level_pretrain/main/model_ep0_it100.pth" in text for text in said)
    monkeypatch.chdir(tmp_path)
    layers = ",".join(map(str, faulty_tool.SIZES))
    Path("params.yaml").write_text(f"model:\n  layers: [{layers}]\n")
    done = CliRunner().invoke(app, ["import", str(open_lth), "--from", "open_lth", "--json"])
    assert done.exit_code == 0, done.output


def test_what_a_round_really_starts_from_is_imported(open_lth: Path, run: Path) -> None:
    shutil.copy(run / "trained1.pt", open_lth / "level_2" / "main" / "model_ep0_it100.pth")
    ticket = import_ticket(open_lth, model=MLP(faulty_tool.SIZES))
    trained = faulty_tool.read(run / "trained1.pt")
    np.testing.assert_array_equal(ticket.init["layers.0.weight"], trained["0.weight"])


class Net(nn.Module):
    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.classifier = layers


@pytest.fixture
def rahul(run: Path, tmp_path: Path) -> Path:
    """Whole modules, and lists of masks without names, numbered by what is left."""
    saves, dumps = tmp_path / "saves" / "fc1" / "mnist", tmp_path / "dumps" / "lt" / "fc1" / "mnist"
    saves.mkdir(parents=True)
    dumps.mkdir(parents=True)

    def save(source: Path, name: str) -> None:
        net = faulty_tool.network()
        net.load_state_dict(torch.load(source, weights_only=True))
        torch.save(Net(net), saves / name)

    save(run / "init.pt", "initial_state_dict_lt.pth.tar")
    for number, left in enumerate(("100.0", "80.4", "64.8")):
        save(run / f"trained{number}.pt", f"{number}_model_lt.pth.tar")
        masks = [
            mask.astype(np.float32) for mask in faulty_tool.read(run / f"mask{number}.pt").values()
        ]
        (dumps / f"lt_mask_{left}.pkl").write_bytes(pickle.dumps(masks))
    return tmp_path


def test_whole_modules_and_lists_of_masks_are_audited_and_imported(rahul: Path) -> None:
    checks = {check.claim: check for check in audit(rahul)}
    states = [check.state for check in checks.values()]
    assert states.count("unchecked") == 1  # that program does not save what it starts from
    assert states.count("held") == 8
    assert "(1_model_lt.pth.tar), global (chance 20.0 %)" in (
        checks["a score of trained weights selects the mask"].detail
    )
    assert import_ticket(rahul, model=MLP(faulty_tool.SIZES)).mask.num_kept == 1203


def test_a_mapping_of_ones_own_may_be_yaml_or_json(run: Path, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"mask": "mask{round}.pt", "init": ["none.pt", "init.pt"]}')
    files = find_files(run, str(tmp_path / "own.json"))
    assert [path.name for path in files.inits] == ["init.pt"]
    assert [found.mask.name for found in files.rounds if found.mask] == [
        "mask0.pt", "mask1.pt", "mask2.pt",
    ]  # fmt: skip


def test_a_lightning_rewind_that_does_not_rewind_is_named(run: Path, tmp_path: Path) -> None:
    """Its callback copied initial weights into `weight`, which pruning makes anew from
    `weight_orig` at every forward pass (Lightning #13643)."""
    from torch.nn.utils import prune

    net = faulty_tool.network()
    net.load_state_dict(torch.load(run / "trained0.pt", weights_only=True))
    prune.l1_unstructured(net[0], "weight", amount=0.2)
    initial = torch.load(run / "init.pt", weights_only=True)
    net[0].weight.data.copy_(initial["0.weight"])
    for name in ("0.bias", "2.weight", "2.bias", "4.weight", "4.bias"):
        net.get_parameter(name).data.copy_(initial[name])
    checkpoint = tmp_path / "epoch=0-step=24.ckpt"
    torch.save({"epoch": 0, "state_dict": net.state_dict(), "optimizer_states": [{}]}, checkpoint)
    checks = {
        check.claim: check
        for check in audit(init=run / "init.pt", mask=checkpoint, start=checkpoint)
    }
    rewound = checks["the ticket is rewound to the initial weights"]
    assert rewound.state == "failed"
    assert "different are those of 0.weight (by up to" in rewound.detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("init: a.pt", "no mapping with a pattern for `mask` or `trained`"),
        ("mask: a.pt\nmaks: b.pt", "has maks; expected about, init, key, mask"),
        ("- mask", "no mapping"),
        ("mask: [", "is not valid YAML"),
        ("mask: " + "[" * 5000, "brackets inside each other"),
        ("mask: &a [x]\ninit: *a\nstart: " + "[*a, " * 40 + "]" * 40, "start: .* is no text"),
        ("mask: a" + "*a" * 30, "has more than 3 stars in one name"),
        ("mask: '{round}-{round}'", "has a number twice"),
        ("mask: own.yaml\nrate: {file: own.yaml, match: (}", "expected a regular expression"),
        ("mask: own.yaml\nrate: {file: own.yaml, match: mask}", "expected a regular expression"),
        ("mask: own.yaml\nrate: {file: own.yaml, match: (mask)}", "expected a regular expression"),
    ],
)
def test_a_mapping_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ParamsError, match=message):
        find_files(tmp_path, str(tmp_path / "own.yaml"))


@pytest.mark.parametrize("number", FAULTS)
def test_a_folder_that_cannot_be_looked_into_may_hold_a_round(open_lth: Path, number: int) -> None:
    with failing(open_lth / "level_2", number), pytest.raises(CheckpointError) as refusal:
        find_files(open_lth)
    assert refusal.value.unread and "level_2: cannot be looked into" in str(refusal.value)


def test_names_with_other_digits_are_ordered_too(run: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("mask: '*.pt'")
    for name in "1²3.pt", "².pt", "٣.pt":
        shutil.copy(run / "mask1.pt", tmp_path / name)
    assert find_files(tmp_path, str(tmp_path / "own.yaml")).rounds


def test_unknown_folders_and_layouts_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match="has no layout that is known; give one of google_lth"
    ):
        find_files(tmp_path)
    with pytest.raises(
        CheckpointError, match="has nothing in the layout 'open_lth', which expects"
    ):
        find_files(tmp_path, "open_lth")
    with pytest.raises(ParamsError, match="'nonsense' is no layout; expected one of google_lth"):
        find_files(tmp_path, "nonsense")
    with pytest.raises(CheckpointError, match="is no folder"):
        find_files(tmp_path / "none", "open_lth")


def test_help_and_documents_list_the_layouts() -> None:
    text = (Path(__file__).parent.parent / "docs" / "AUDIT.md").read_text()
    option = LayoutOption.__metadata__[0]  # type: ignore[attr-defined]
    for name in layout_names():
        assert name in option.help
        assert f"| `{name}` |" in text
