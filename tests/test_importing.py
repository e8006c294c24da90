"""Masks and checkpoints made elsewhere become tickets that work everywhere; what fits in two ways
is refused."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune
from typer.testing import CliRunner

from lthctl.artifacts.names import ticket_name
from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.artifacts.ticket_document import TicketSpecification
from lthctl.cli.app import app
from lthctl.datasets.base import Dataset
from lthctl.errors import CheckpointError, ParamsError
from lthctl.interop.export import export_to
from lthctl.interop.importing import import_ticket
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.seeding import Stream

SMALL = MLP((4, 3, 2))
MODEL = MLP((784, 20, 12, 10))


class Own(nn.Module):
    """Other names than ours, and defined in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(12, 10)
        self.fc1 = nn.Linear(784, 20)
        self.fc2 = nn.Linear(20, 12)


def saved(state: object, path: Path) -> Path:
    if path.suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path


def refusal(*args: object, **options: object) -> str:
    with pytest.raises((CheckpointError, ParamsError)) as refused:
        import_ticket(*args, **{"model": MODEL, **options})
    return str(refused.value)


def ticket_of(mask: Mask, init: dict[str, np.ndarray]) -> Ticket:
    rate = {name: 1 - array.mean() for name, array in mask.items()}
    specification = TicketSpecification(
        method="imported",
        ratio=0.5,
        rounds=1,
        seed=1,
        biases=True,
        model=SMALL.describe(),
        data=None,
        train=None,
    )
    return Ticket(specification, rate, (), mask, init)


EDGES = np.array([1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1.0], np.float32)


def small_ticket(seed: int, density: float) -> Ticket:
    """A mask that leaves a weight per parameter, and weights that are not 0, among them the
    smallest and largest."""
    random = np.random.default_rng(seed)
    mask, init = {}, {}
    for name, shape in SMALL.shapes().items():
        mask[name] = random.random(shape) < density
        mask[name].flat[0] = True
        init[name] = np.where(
            random.random(shape) < 0.3,
            random.choice(EDGES, shape),
            random.normal(size=shape).astype(np.float32),
        )
    return ticket_of(Mask(mask), init)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32), density=st.floats(0, 1), to=st.sampled_from(["state_dict", "prune"])
)
def test_round_trips_are_exact(
    seed: int, density: float, to: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ticket = small_ticket(seed, density)
    path = export_to(ticket, tmp_path_factory.mktemp("x") / "x.pt", to=to)
    back = import_ticket(path, model=SMALL, biases=True)
    assert back.mask == ticket.mask
    expected = ticket.init if to == "prune" else ticket.mask.apply(ticket.init)
    assert all(back.init[name].tobytes() == expected[name].tobytes() for name in SMALL.shapes())
    again = export_to(back, path.with_name("again"), to=to)
    assert again.read_bytes() == path.read_bytes()


def test_a_ticket_of_ours_comes_back(dataset: Dataset, tmp_path: Path) -> None:
    ticket = find_ticket(MODEL, dataset, method="random", ratio=0.8, seed=3)
    for to in ("state_dict", "prune"):
        back = import_ticket(export_to(ticket, tmp_path / to, to=to), model=MODEL, seed=3)
        assert back.mask == ticket.mask and back.biases
        np.testing.assert_equal(back.mask.apply(back.init), ticket.mask.apply(ticket.init))
    save_ticket(ticket, tmp_path / "ours")
    back = import_ticket(tmp_path / "ours" / "mask.safetensors", model=MODEL, seed=3)
    assert back.mask == ticket.mask
    np.testing.assert_equal(dict(back.init), dict(ticket.init))  # drawn from the same seed
    runs = [find_ticket(MODEL, dataset, method="random", ratio=0.8, seed=3, biases=False)]
    back = import_ticket(export_to(runs[0], tmp_path / "no-biases"), model=MODEL)
    assert not back.biases and back.mask == runs[0].mask


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_module_pruned_by_torch_under_its_own_names(suffix: str, tmp_path: Path) -> None:
    own = Own()
    for layer in (own.fc1, own.fc2, own.head):
        prune.l1_unstructured(layer, "weight", 0.9)
    said: list[str] = []
    ticket = import_ticket(
        saved(own.state_dict(), tmp_path / f"x{suffix}"), model=MODEL, announce=said.append
    )
    np.testing.assert_array_equal(
        ticket.mask["layers.0.weight"], own.fc1.weight_mask.bool().numpy()
    )
    np.testing.assert_array_equal(
        ticket.init["layers.2.weight"], own.head.weight_orig.detach().numpy()
    )
    np.testing.assert_array_equal(ticket.init["layers.1.bias"], own.fc2.bias.detach().numpy())
    assert not ticket.biases and ticket.rounds == 1 and ticket.train is None is ticket.data
    assert ticket.name == "imported-r0.90-n1-s1"
    assert "fc1 is layers.0" in said[0] and "head is layers.2" in said[0]
    for layer in (own.fc1, own.fc2, own.head):
        prune.remove(layer, "weight")
    plain = import_ticket(saved(own.state_dict(), tmp_path / f"y{suffix}"), model=MODEL)
    assert plain.mask == ticket.mask


WHOLE = ["bool", "uint8", "int8", "int16", "int32", "int64"]


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(kind, suffix) for kind in WHOLE for suffix in (".pt", ".safetensors")]
    + [(kind, ".safetensors") for kind in ("uint16", "uint32", "uint64")],
)
def test_a_mask_alone_takes_weights_drawn_from_the_seed(
    kind: str, suffix: str, tmp_path: Path
) -> None:
    bits = torch.rand(20, 784) > 0.5
    path = saved({"fc1.weight": bits.to(getattr(torch, kind))}, tmp_path / f"x{suffix}")
    ticket = import_ticket(path, model=MODEL, seed=4, label="snip", ratio=0.5)
    assert ticket.name == "imported-snip-r0.50-n1-s4"
    np.testing.assert_array_equal(ticket.mask["layers.0.weight"], bits.numpy())
    assert (
        ticket.mask["layers.1.weight"].all() and not ticket.biases
    )  # of which the file says nothing
    np.testing.assert_equal(dict(ticket.init), dict(MODEL.draw(Stream(4, "init"))))


def test_weights_to_rewind_to_from_another_file(tmp_path: Path) -> None:
    own, trained = Own(), Own()
    init = saved(own.state_dict(), tmp_path / "init.pt")
    prune.l1_unstructured(trained.fc1, "weight", 0.5)
    ticket = import_ticket(saved(trained.state_dict(), tmp_path / "x.pt"), model=MODEL, init=init)
    np.testing.assert_array_equal(ticket.init["layers.0.weight"], own.fc1.weight.detach().numpy())
    assert np.count_nonzero(~ticket.mask["layers.0.weight"]) == 7840


@pytest.mark.parametrize("control", ["rewind", "reinit", "shuffle"])
def test_an_imported_ticket_is_saved_loaded_and_retrained(
    control: str, dataset: Dataset, tmp_path: Path
) -> None:
    own = Own()
    prune.l1_unstructured(own.fc1, "weight", 0.9)
    ticket = import_ticket(saved(own.state_dict(), tmp_path / "x.pt"), model=MODEL, seed=2)
    back = load_ticket(save_ticket(ticket, tmp_path / "t"))
    assert back.digest == ticket.digest and back.mask == ticket.mask
    run = retrain(
        back,
        dataset,
        control=control,
        train=TrainParams(steps=3, evaluate_every=3, device="cpu", engine="torch"),
    )
    assert run.proof.kept_moved > 0 and run.proof.pruned == ticket.mask.size - ticket.mask.num_kept
    expected = MODEL.draw(Stream(2, "reinit")) if control == "reinit" else ticket.init
    moved = run.weights["layers.2.weight"] - expected["layers.2.weight"]
    assert 0 < np.abs(moved).max() < 0.01  # three steps of 0.0012 from there


def test_types_that_hold_no_more_than_float32(tmp_path: Path) -> None:
    state = {name: torch.from_numpy(array) for name, array in MODEL.draw(Stream(1, "init")).items()}
    for kind in (torch.float16, torch.bfloat16):
        converted = {name: tensor.to(kind) for name, tensor in state.items()}
        ticket = import_ticket(saved(converted, tmp_path / "x.pt"), model=MODEL)
        np.testing.assert_array_equal(
            ticket.init["layers.1.bias"], converted["layers.1.bias"].float().numpy()
        )
    doubled = {name: tensor.double() for name, tensor in state.items()}
    import_ticket(saved(doubled, tmp_path / "x.pt"), model=MODEL)
    doubled["layers.1.bias"][0] = 1 / 3
    assert "is of type <f8 and would lose digits; save it as float32" in refusal(
        saved(doubled, tmp_path / "x.pt")
    )


def test_modules_with_buffers_are_imported_too(dataset: Dataset, tmp_path: Path) -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))

    module = make()
    prune.l1_unstructured(module[0], "weight", 0.5)
    model = ModuleModel("normed", make, output="2")
    ticket = import_ticket(saved(module.state_dict(), tmp_path / "x.pt"), model=model)
    assert np.count_nonzero(ticket.mask["0.weight"]) == 3136
    train = TrainParams(steps=2, evaluate_every=2, device="cpu", engine="torch")
    assert retrain(ticket, dataset, train=train, model=model).proof.pruned == 3136


def state(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    full = {name: torch.from_numpy(array) for name, array in MODEL.draw(Stream(1, "init")).items()}
    return {name: tensor for name, tensor in {**full, **changes}.items() if tensor is not None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no tensors, expected masks or weights by name"),
        (state(**{"layers.1.bias": None}), "has no weights for 'layers.1.bias'; expected layers.0.weight (20, 784)"),
        (state(extra=torch.ones(1)), "does not fit the model, or fits in several ways: found layers.0.weight (20, 784)"),
        (state(**{"layers.1.bias": torch.ones(11)}), "layers.1.bias (11,), layers.2.weight"),
        (state(**{"layers.1.weight": torch.zeros(12, 20)}), "leaves none of the weights of 'layers.1.weight'; a layer without weights passes nothing on"),
        (state(**{"layers.1.bias": torch.zeros(12)}), "'layers.1.bias' is all 0: pruned, or never trained; say which with --biases or --no-biases"),
        (state(**{"layers.1.bias": torch.full((12,), torch.nan)}), "'layers.1.bias' holds values that are not finite"),
        (state(**{"layers.1.bias": torch.ones(12, dtype=torch.int64)}), "'layers.1.bias' is of type <i8, expected float32"),
        ({"fc1.weight_mask": torch.full((20, 784), 0.5)}, "the mask of 'layers.0.weight' holds other values, expected 0 and 1"),
        ({"fc1.weight_mask": torch.zeros(20, 784)}, "leaves none of the weights of 'layers.0.weight'"),
        ({"fc1.weight_mask": torch.ones(20, 784), "fc1.weight_orig": torch.ones(12, 20)}, "'fc1.weight_mask' has shape (20, 784), its weights (12, 20)"),
        ({"a.weight": torch.ones(20, 784), "a.weight_orig": torch.ones(20, 784)}, "holds 'a.weight_orig' both with and without '_orig'"),
        ({"a.weight": torch.ones(20, 784, dtype=torch.bool), "b.weight": torch.ones(20, 784, dtype=torch.bool)}, "or fits in several ways: found a.weight (20, 784), b.weight (20, 784)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    content: dict[str, torch.Tensor], message: str, tmp_path: Path
) -> None:
    path = saved(content, tmp_path / "x.pt")
    told = refusal(path)
    assert told.startswith(f"{path}: ") and message in told


def test_layers_of_one_shape_are_not_guessed(tmp_path: Path) -> None:
    model = MLP((4, 4, 4))
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert "or fits in several ways" in refusal(
        saved(network.state_dict(), tmp_path / "x.pt"), model=model
    )
    own_names = {f"layers.{name}": tensor for name, tensor in network.state_dict().items()}
    import_ticket(saved(own_names, tmp_path / "x.pt"), model=model)


def test_biases_by_word(tmp_path: Path) -> None:
    path = saved(state(**{"layers.1.bias": torch.zeros(12)}), tmp_path / "x.pt")
    assert (
        import_ticket(path, model=MODEL, biases=False).mask.keys()
        == MODEL.prunable(biases=False).keys()
    )
    assert not import_ticket(path, model=MODEL, biases=True).mask["layers.1.bias"].any()
    half = torch.ones(12)
    half[:6] = 0
    path = saved(state(**{"layers.1.bias": half}), tmp_path / "x.pt")
    assert import_ticket(path, model=MODEL).biases
    path = saved({"layers.1.bias_mask": half}, tmp_path / "x.pt")
    assert "prunes 'layers.1.bias', which is not prunable" in refusal(path, biases=False)


def test_wrong_values_are_refused(tmp_path: Path) -> None:
    path = saved(state(), tmp_path / "x.pt")
    assert refusal(path, ratio=1.0).startswith("ratio: is 1.0, expected in [0, 1)")
    assert refusal(path, label="a b").startswith(
        "label: is 'a b', expected lower-case letters and digits"
    )
    assert refusal(path, label="../x").startswith("label: is '../x'")
    assert "is missing" in refusal(tmp_path / "none.pt")
    big = saved({"a": torch.zeros(2**23)}, tmp_path / "big.pt")
    assert "bytes long, expected at most" in refusal(big)


def test_names() -> None:
    assert ticket_name("imported", 0.0, 1, 1) == "imported-r0.00-n1-s1"
    assert ticket_name("l1", 0.0, 1, 1) == "dense-s1"


# ---- what people's files hold ----

EQUAL = MLP((4, 4, 4, 4))


def equal_state() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in EQUAL.draw(Stream(5, "init")).items()}


PREFIXES = [
    "module.",
    "_orig_mod.",
    "model.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "net.student.module.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_prefix_of_all_names_is_left_out_and_told(
    prefix: str, suffix: str, tmp_path: Path
) -> None:
    """The layers are of one shape, so that nothing but names can match them."""
    state = equal_state()
    state["layers.1.weight"][:2] = 0
    wrapped = {prefix + name: tensor for name, tensor in state.items()}
    path = saved(wrapped | {"n_averaged": torch.tensor(3)}, tmp_path / f"x{suffix}")
    said: list[str] = []
    ticket = import_ticket(path, model=EQUAL, announce=said.append)
    assert np.count_nonzero(~ticket.mask["layers.1.weight"]) == 8
    for name, tensor in state.items():
        np.testing.assert_array_equal(ticket.init[name], tensor.numpy())
    assert f"'{prefix}layers.0.bias' is read as 'layers.0.bias', and all others so" in said[0]
    assert said[1].endswith("ignored 'n_averaged': the model has no such number")
    masks = {
        f"{prefix}{name}_mask": tensor != 0
        for name, tensor in state.items()
        if name.endswith(".weight")
    }
    parts = {f"{prefix}{n}_orig" if n.endswith("t") else prefix + n: t for n, t in state.items()}
    pruned = import_ticket(saved(masks | parts, tmp_path / f"y{suffix}"), model=EQUAL)
    assert pruned.mask == ticket.mask
    alone = import_ticket(saved(masks, tmp_path / f"z{suffix}"), model=EQUAL)
    assert alone.mask == ticket.mask


@pytest.mark.long
def test_files_of_torchs_own_wrappers(tmp_path: Path) -> None:
    network = EQUAL.build()
    network.load_state_dict(equal_state())
    averaged = torch.optim.swa_utils.AveragedModel(network)
    averaged.update_parameters(network)
    partly = EQUAL.build()
    partly.load_state_dict(equal_state())
    partly.layers[1] = torch.compile(partly.layers[1])
    for module in (
        nn.DataParallel(network),
        averaged,
        torch.compile(network),
        nn.DataParallel(torch.compile(network)),
        partly,
    ):
        ticket = import_ticket(saved(module.state_dict(), tmp_path / "x.pt"), model=EQUAL)
        for name, tensor in equal_state().items():
            np.testing.assert_array_equal(ticket.init[name], tensor.numpy())


def test_names_of_the_models_own_keep_their_prefix(tmp_path: Path) -> None:
    """`layers.` is common to all names of an MLP too."""
    said: list[str] = []
    path = saved(equal_state(), tmp_path / "x.pt")
    import_ticket(path, model=EQUAL, announce=said.append)
    assert said == [f"weights to rewind to: those in {path}"]
    other = {f"a.{name}": t for name, t in list(equal_state().items())[:3]} | {
        f"b.{name}": t for name, t in list(equal_state().items())[3:]
    }
    assert "fits in several ways: found a.layers.0.bias" in refusal(
        saved(dict(sorted(other.items())), tmp_path / "y.pt"), model=EQUAL
    )


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("biases", [False, True])
def test_a_lone_mask_of_floats_is_a_mask_and_said(kind: str, biases: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    bits = {n: random.random(s) < 0.5 for n, s in MODEL.prunable(biases=biases).items()}
    floats = {name: torch.from_numpy(a).to(getattr(torch, kind)) for name, a in bits.items()}
    path = saved(floats, tmp_path / "x.pt")
    said: list[str] = []
    ticket = import_ticket(path, model=MODEL, seed=3, announce=said.append)
    assert ticket.mask == Mask(bits)
    np.testing.assert_equal(dict(ticket.init), dict(MODEL.draw(Stream(3, "init"))))
    assert said[0] == f"{path}: holds only 0 and 1, so it is taken as a mask"
    weights = saved(state(), tmp_path / "w.pt")
    assert import_ticket(path, model=MODEL, init=weights).mask == ticket.mask
    assert "holds a mask, and no weights for 'layers.0.bias'" in refusal(weights, init=path)


def packed(arrays: dict[str, np.ndarray], path: Path) -> None:
    np.savez_compressed(path, **arrays)


@pytest.mark.parametrize("save", [packed, lambda arrays, p: p.write_bytes(pickle.dumps(arrays))])
def test_masks_and_weights_of_numpy(
    save: Callable[[dict[str, np.ndarray], Path], None], tmp_path: Path
) -> None:
    ticket = small_ticket(3, 0.5)
    save({f"module.{name}": kept.astype(np.int8) for name, kept in ticket.mask.items()}, tmp_path / "m.npz")  # fmt: skip
    save(ticket.mask.apply(ticket.init), tmp_path / "w.npz")
    alone = import_ticket(tmp_path / "m.npz", model=SMALL, init=tmp_path / "w.npz")
    assert alone.mask == ticket.mask == import_ticket(tmp_path / "w.npz", model=SMALL, biases=True).mask  # fmt: skip
    assert "and read as any object: unpacks to more than" in refusal(huge(tmp_path / "huge.npz"))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("kind", [torch.bool, torch.int32, torch.float32])
def test_masks_by_the_names_of_layers(prefix: str, kind: torch.dtype, tmp_path: Path) -> None:
    """The layers are of one shape, so that nothing but names can match them."""
    generator = torch.Generator().manual_seed(0)
    bits = {n: torch.rand(4, 4, generator=generator) > 0.4 for n in EQUAL.prunable(biases=False)}
    masks = {prefix + name.removesuffix(".weight"): bit.to(kind) for name, bit in bits.items()}
    state = {prefix + name: tensor for name, tensor in equal_state().items()}
    for number, found in enumerate(
        (
            masks,
            {f"{name}_mask": mask for name, mask in masks.items()},
            {"model": state, "masks": masks},
            {"model": state, "masks": {name: mask.tolist() for name, mask in masks.items()}},
        )
    ):
        ticket = import_ticket(saved(found, tmp_path / f"{number}.pt"), model=EQUAL)
        assert ticket.mask == Mask({name: bit.numpy() for name, bit in bits.items()})
        if number >= 2:
            np.testing.assert_array_equal(ticket.init["layers.1.weight"], equal_state()["layers.1.weight"].numpy())  # fmt: skip


def huge(path: Path) -> Path:
    packed({"a": np.zeros(2**26, np.int8)}, path)
    return path


def test_matrices_of_0_and_1_beside_other_numbers_are_refused(tmp_path: Path) -> None:
    mixed = {n: (t > 0).float() if t.ndim == 2 else t for n, t in state().items()}
    assert (
        "'layers.0.weight' holds only 0 and 1, as a mask does, and 'layers.0.bias' holds other "
        "numbers; save masks as bools, or under names that end in _mask"
    ) in refusal(saved(mixed, tmp_path / "x.pt"))


class Attention(nn.Module):
    """Tensors of its own whose names end as those of torch.nn.utils.prune do."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.Parameter(torch.randn(6, 6))
        self.query_orig = nn.Parameter(torch.randn(3, 6))
        self.head = nn.Linear(6, 10)
        self.register_buffer("attn_mask", torch.ones(6, 6, dtype=torch.bool).tril())
        self.register_buffer("key_mask", torch.ones(6, 6).tril())


@pytest.mark.parametrize("prefix", ["", "module.", "outer._orig_mod."])
def test_a_name_that_the_model_has_itself_is_no_suffix(prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ModuleModel("attention", Attention, output="head")
    module = Attention()
    prune.l1_unstructured(module.head, "weight", 0.5)
    wrapped = {prefix + name: tensor for name, tensor in module.state_dict().items()}
    ticket = import_ticket(saved(wrapped, tmp_path / "x.pt"), model=model)
    assert ticket.mask["attn"].all() and ticket.mask["query_orig"].all()
    assert np.count_nonzero(~ticket.mask["head.weight"]) == 30
    np.testing.assert_array_equal(ticket.init["attn"], module.attn.detach().numpy())
    np.testing.assert_array_equal(ticket.init["attn_mask"], np.tril(np.ones((6, 6), bool)))
    np.testing.assert_array_equal(ticket.init["key_mask"], np.tril(np.ones((6, 6), np.float32)))
    assert ticket.init["attn_mask"].dtype == np.bool_
    bits = {f"{prefix}attn": torch.eye(6).int(), f"{prefix}attn_mask": module.attn_mask}
    mask = import_ticket(saved(bits, tmp_path / "y.pt"), model=model).mask
    np.testing.assert_array_equal(mask["attn"], np.eye(6, dtype=bool))


def test_weights_of_0_and_1_beside_their_own_masks_stay_weights(tmp_path: Path) -> None:
    parts = {f"{name}_orig": torch.ones_like(t) for name, t in state().items()}
    masks = {f"{name}_mask": torch.rand(t.shape) > 0.5 for name, t in state().items()}
    ticket = import_ticket(saved(parts | masks, tmp_path / "x.pt"), model=MODEL)
    assert all(array.all() for array in ticket.init.values())
    assert all((ticket.mask[n] == masks[f"{n}_mask"].numpy()).all() for n in ticket.mask)


@pytest.mark.parametrize("kind", ["nested", "old", "whole module", "masks apart"])
def test_a_file_with_other_things_beside_the_network(kind: str, tmp_path: Path) -> None:
    """As training programs save checkpoints."""
    ticket = small_ticket(3, 0.5)
    module = SMALL.build()
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in ticket.mask.apply(ticket.init).items()}
    )
    path, said = tmp_path / "last.ckpt", []
    if kind == "nested":
        torch.save({"epoch": 3, "state_dict": module.state_dict(), "loss": 0.1}, path)
    elif kind == "old":
        torch.save(module.state_dict(), path, _use_new_zipfile_serialization=False)
    elif kind == "whole module":
        plain = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        names = dict(zip(plain.state_dict(), module.state_dict(), strict=True))
        plain.load_state_dict({one: module.state_dict()[other] for one, other in names.items()})
        torch.save(plain, path)
    else:
        masks = {name: torch.from_numpy(kept.copy()) for name, kept in ticket.mask.items()}
        torch.save({"model": module.state_dict(), "masks": masks, "step": 9}, path)
    imported = import_ticket(path, model=SMALL, seed=3, announce=said.append)
    assert imported.mask == ticket.mask
    assert any("holds other things too; 4 tensors" in one or "8 tensors" in one for one in said)
    for name, array in ticket.mask.apply(ticket.init).items():
        assert np.array_equal(imported.mask.apply(imported.init)[name], array)


def test_a_file_without_a_network_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "optimizer.pt"
    torch.save({"optimizer": {"lr": 0.1}, "epoch": 3}, path)
    assert "holds more than tensors by name: 'optimizer' (dict)" in refusal(path)


def test_a_model_of_one_s_own_is_run_only_if_the_person_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """params.yaml may be a stranger's, as the checkpoint is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_small.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Linear(6, 3))\n"
    )
    (tmp_path / "params.yaml").write_text("model: own_small:net\n")
    saved({"0.weight": torch.eye(3, 6), "0.bias": torch.ones(3)}, tmp_path / "x.pt")
    refused = CliRunner().invoke(app, ["import", "x.pt"])
    assert refused.exit_code == 2 and "--trust own_small:net" in refused.output
    assert "own_small" not in sys.modules
    done = CliRunner().invoke(app, ["import", "x.pt", "--trust", "own_small:net"])
    assert done.exit_code == 0, done.output
