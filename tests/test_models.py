"""Architectures, initializations and prunable parameters."""

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.canonical import digest_of_arrays
from lthctl.models.described import from_description
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import ModelParams
from lthctl.seeding import Stream

GOLDEN_WEIGHTS = [0.012017330154776573, 0.03510076552629471, 0.03185627982020378]


def test_lenet_300_100_has_the_papers_counts() -> None:
    shapes = MLP().shapes()
    assert list(shapes.items())[:2] == [("layers.0.weight", (300, 784)), ("layers.0.bias", (300,))]
    assert sum(int(np.prod(s)) for s in MLP().prunable(biases=False).values()) == 266_200
    assert sum(int(np.prod(s)) for s in MLP().prunable(biases=True).values()) == 266_610


def test_output_layer_is_the_last() -> None:
    assert [name for name in MLP().shapes() if MLP().is_output(name)] == [
        "layers.2.weight",
        "layers.2.bias",
    ]
    deep = MLP(tuple([4] * 13))
    assert [name for name in deep.shapes() if deep.is_output(name)] == [
        "layers.11.weight",
        "layers.11.bias",
    ]


def test_uniform_is_what_torch_draws() -> None:
    drawn = MLP((784, 300, 10)).draw(Stream(1, "init"))
    torch.manual_seed(0)
    theirs = nn.Linear(784, 300)
    for name, tensor in (("layers.0.weight", theirs.weight), ("layers.0.bias", theirs.bias)):
        ours = drawn[name]
        bound = 1 / np.sqrt(784)
        assert ours.dtype == np.float32 and np.abs(ours).max() <= bound
        assert np.abs(ours).max() == pytest.approx(tensor.abs().max().item(), rel=0.02)
        assert ours.std() == pytest.approx(tensor.std().item(), rel=0.1)


def test_glorot_is_gaussian_with_zero_biases() -> None:
    drawn = MLP((784, 300, 10), "glorot").draw(Stream(1, "init"))
    assert drawn["layers.0.weight"].std() == pytest.approx(np.sqrt(2 / 1084), rel=0.01)
    assert np.mean(np.abs(drawn["layers.0.weight"]) > 2 * np.sqrt(2 / 1084)) == pytest.approx(
        0.0455, abs=0.002
    )
    assert not drawn["layers.0.bias"].any()


def test_a_draw_depends_on_its_stream_alone() -> None:
    a, b, other = (MLP((4, 3, 2)).draw(Stream(seed, "init")) for seed in (1, 1, 2))
    assert all(
        np.array_equal(a[name], b[name]) and not np.array_equal(a[name], other[name]) for name in a
    )


def test_first_weights_of_seed_1_are_pinned() -> None:
    """Tickets of this version and the next must have the same initial weights."""
    weights = MLP().draw(Stream(1, "init"))["layers.0.weight"]
    assert weights[0, :3].tolist() == GOLDEN_WEIGHTS


def test_the_network_computes_what_the_names_say() -> None:
    model = MLP((5, 4, 3))
    weights = model.draw(Stream(1, "init"))
    network = model.build()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    images = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    hidden = np.maximum(images @ weights["layers.0.weight"].T + weights["layers.0.bias"], 0)
    expected = hidden @ weights["layers.1.weight"].T + weights["layers.1.bias"]
    np.testing.assert_allclose(
        network(torch.from_numpy(images)).detach().numpy(), expected, rtol=1e-5
    )


def test_building_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    MLP().build()
    ModuleModel("linear", lambda: nn.Sequential(nn.Linear(3, 2)), output="0").draw(
        Stream(1, "init")
    )
    assert torch.equal(torch.get_rng_state(), before)


def test_modules_prune_matrices_and_the_biases_beside_them() -> None:
    model = ModuleModel(
        "net",
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2)),
        output="2",
    )
    assert list(model.prunable(biases=True)) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(model.prunable(biases=False)) == ["0.weight", "2.weight"]
    assert model.is_output("2.bias") and not model.is_output("0.bias")


def test_descriptions_bring_an_mlp_back_and_no_module() -> None:
    model = MLP((784, 7, 10), "glorot")
    assert from_description(model.describe()) == model
    assert from_description({"kind": "module"}) is None
    assert MLP.from_params(ModelParams()) == MLP()


def test_modules_are_made_one_at_a_time() -> None:
    """A process has one torch generator, so threads that draw side by side would mix numbers."""
    from concurrent.futures import ThreadPoolExecutor

    from torch import nn

    model = ModuleModel("wide", lambda: nn.Sequential(nn.Linear(300, 300)), output="0")
    expected = [digest_of_arrays(model.draw(Stream(seed, "init"))) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            drawn = pool.map(lambda seed: model.draw(Stream(seed, "init")), range(8))
            assert [digest_of_arrays(weights) for weights in drawn] == expected
