"""Layers that are not pruned, and rates by the names of layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.ticket import Ticket, load_ticket
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import LthctlError, ParamsError
from lthctl.lottery.asked import specify_pruning
from lthctl.lottery.find import find_ticket
from lthctl.lottery.layers import excluded_layers, layers_of, matching, rates_by_layer
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.params import ModelParams, Params, TrainParams
from lthctl.reporting.experiments import ExperimentKey, walk_words
from lthctl.reporting.ladders import LadderKey
from lthctl.reporting.making import pruning_flags

from .test_families import done, refusal

LAYERS = ["conv1", "conv2", "fc1", "fc2"]
MODEL = MLP((784, 20, 12, 10))
TRAIN = TrainParams(steps=4, evaluate_every=4, batch_size=10, device="cpu", engine="torch")


@pytest.fixture
def pictures() -> Dataset:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)
    labels = np.arange(30) % 10
    return Dataset("pictures", Split(images, labels), Split(images[:10], labels[:10]))


def kept(ticket: Ticket) -> dict[str, int]:
    return {name: int(np.count_nonzero(array)) for name, array in ticket.mask.items()}


def left(size: int, rate: float, rounds: int) -> int:
    for _ in range(rounds):
        size -= round(rate * size)
    return size


# ---- patterns ----


def test_a_pattern_means_layers_by_their_whole_names() -> None:
    assert matching("conv*", LAYERS, "x") == ["conv1", "conv2"]
    assert matching("conv1", [*LAYERS, "conv10", "block.conv1"], "x") == ["conv1"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("pool", "x: 'pool' is the name of no layer; the layers are conv1, conv2, fc1, fc2"),
        (
            "2",
            "x: '2' is the name of no layer; did you mean '*2*'? the layers are conv1, conv2, fc1, "
            "fc2",
        ),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ParamsError) as error:
        matching(pattern, LAYERS, "x")
    assert str(error.value) == said


def test_a_parameter_of_the_network_itself_is_a_layer() -> None:
    assert layers_of(["pos_embed", "head.weight", "head.bias"]) == ["pos_embed", "head"]


def test_a_layers_own_name_wins_over_a_pattern() -> None:
    rates = [("conv*", 0.1), ("fc*", 0.2), ("fc2", 0.05)]
    expected = {"conv1": 0.1, "conv2": 0.1, "fc1": 0.2, "fc2": 0.05}
    assert rates_by_layer(LAYERS, rates, set()) == expected
    assert rates_by_layer(LAYERS, rates[::-1], set()) == expected
    assert rates_by_layer(LAYERS, [("conv*", 0.1)], {"fc1", "fc2"})["fc1"] == 0


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (
            [("conv*", 0.1)],
            "prune.rate: says nothing of fc1, fc2; give them a rate, which may be 0, or name them "
            "in prune.exclude",
        ),
        (
            [("*", 0.1), ("fc*", 0.2)],
            "prune.rate: '*' and 'fc*' both mean the layer 'fc1', at 0.1 and 0.2; give that layer "
            "a rate under its own name",
        ),
        (
            [("*", 0.1), ("pool", 0.2)],
            "prune.rate: 'pool' is the name of no layer; the layers are conv1, conv2, fc1, fc2",
        ),
    ],
)
def test_rates_that_leave_a_question_are_refused(
    rates: Sequence[tuple[str, float]], said: str
) -> None:
    with pytest.raises(ParamsError) as error:
        rates_by_layer(LAYERS, rates, set())
    assert str(error.value) == said


def test_all_layers_excluded_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"prune.exclude: leaves no layer to prune"):
        excluded_layers(LAYERS, ["conv*", "fc*"])


# ---- tickets ----


def test_counts_by_layer_are_exact(pictures: Dataset) -> None:
    model = model_from(ModelParams(name="conv2", kwargs={"size": 8}))
    rate = {"conv*": 0.1, "fc*": 0.2, "fc3": 0.05}
    ticket = find_ticket(model, pictures, rate=rate, rounds=2, biases=False, train=TRAIN)
    sizes = {name: array.size for name, array in ticket.mask.items()}
    rates = {"conv1": 0.1, "conv2": 0.1, "fc1": 0.2, "fc2": 0.2, "fc3": 0.05}
    assert kept(ticket) == {
        name: left(size, rates[name.split(".")[0]], 2) for name, size in sizes.items()
    }
    assert ticket.name == "l1-rate0.20-n2-conv_at0.1-fc_at0.2-fc3at0.05-s1"
    asked = sum(size * (1 - (1 - rates[name.split(".")[0]]) ** 2) for name, size in sizes.items())
    assert ticket.ratio == pytest.approx(asked / sum(sizes.values()), rel=1e-12)
    assert ticket.counts[-1].desired == pytest.approx(ticket.ratio, rel=1e-12)


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_excluded_layers_keep_everything(dataset: Dataset, scope: Any) -> None:
    ticket = find_ticket(MODEL, dataset, ratio=0.5, exclude=["layers.2"], scope=scope, train=TRAIN)
    counts, sizes = kept(ticket), {name: array.size for name, array in ticket.mask.items()}
    for name in ("layers.2.weight", "layers.2.bias"):
        assert counts[name] == sizes[name] and ticket.rate[name] == 0
    others = sum(sizes[name] for name in sizes if not name.startswith("layers.2."))
    pruned = sum(sizes.values()) - sum(counts.values())
    assert abs(pruned - 0.5 * others) <= (0 if scope == "global" else 2)


def test_the_last_survivors_of_a_global_scope_are_of_the_layers_that_take_part(
    dataset: Dataset,
) -> None:
    """Weights of an excluded layer would be the smallest of all, and still stay."""
    everything = find_ticket(MODEL, dataset, ratio=0.9, scope="global", train=TRAIN)
    part = find_ticket(MODEL, dataset, ratio=0.9, scope="global", exclude=["layers.0"], train=TRAIN)
    assert not everything.mask["layers.0.weight"].all() and part.mask["layers.0.weight"].all()
    assert part.name == "l1-r0.90-n1-not.layers.0-global-s1"


def pruning(**asked: Any) -> Pruning:
    given = {"method": "l1", "ratio": None, "rounds": 2, "seed": 1, **asked}
    return specify_pruning(MODEL, **given)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rate": {"*": 0.1}, "scope": "global"}, "rate: for each layer excludes scope global"),
        ({"rate": {"*": 0.1}, "method": "erk"}, "rate: for each layer excludes method erk"),
        ({"rate": {"*": 1.0}}, r"rate: is 1.0 of '\*', expected in \[0, 1\)"),
        ({"rate": {"*": 0.0}}, "rate: is 0 of every layer"),
        (
            {"layer_ratio": [0.5, 0.5, 0.5], "exclude": ["layers.1"]},
            "exclude: excludes layer_ratio",
        ),
        ({"ratio": 0.5, "method": "erk", "exclude": ["layers.1"]}, "exclude: excludes method erk"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(LthctlError, match=said):
        pruning(**asked)


# ---- names ----


def test_names_tell_tickets_apart() -> None:
    asked: list[dict[str, Any]] = [
        {"rate": 0.2},
        {"rate": {"*": 0.2}},
        {"rate": {"layers.*": 0.2}},
        {"rate": {"layers.*": 0.2, "layers.2": 0.1}},
        {"rate": {"layers.*": 0.2, "layers.1": 0.1}},
        {"rate": {"layers.*": 0.2}, "exclude": ["layers.2"]},
        {"rate": {"layers.[01]": 0.2, "layers.2": 0.1}},
        {"rate": 0.2, "exclude": ["layers.2"]},
        {"rate": 0.2, "exclude": ["*.2"]},
        {"ratio": 0.36, "exclude": ["*.2"]},
    ]
    names = [pruning(**one).ticket_name for one in asked]
    assert len(set(names)) == len(names)
    assert names[3] == "l1-rate0.20-n2-layers._at0.2-layers.2at0.1-s1"
    assert all(len(name) < 60 and set("*[]=,") & set(name) == set() for name in names)
    for name in names:
        if "rate" in name:
            ladder = name.removesuffix("-s1").replace("-n2", "")
            assert LadderKey.named(ladder).name == ladder
            Params.model_validate({"report": {"primary": [ladder]}})


def test_the_rates_of_a_ladder_can_be_typed() -> None:
    assert LadderKey.named("l1-rate0.20-conv_at0.1-fc_at0.2-not.fc3").rate_text == (
        "conv*=0.1,fc*=0.2"
    )
    assert LadderKey.named("l1-rate0.20-out0.25").rate_text == "0.2"


def test_a_ladder_is_described_for_people() -> None:
    variant = "-".join(pruning(rate={"*.0": 0.1, "*.1": 0.2}, exclude=["*.2"]).variant)
    assert walk_words(2, 0.2, "conv_at0.1-fc_at0.2-not.fc3") == (
        "20 % a round, conv* 10 %, fc* 20 %, not fc3"
    )
    assert ExperimentKey("rewind", "l1", 2, 0.3, "", 0.2, variant).label.endswith("-rewind")


def test_what_makes_a_ticket_again_says_rates_and_layers() -> None:
    asked = pruning(rate={"*.0": 0.1, "*.1": 0.2}, exclude=["*.2"])
    assert pruning_flags(asked) == ("--rate", "*.0=0.1,*.1=0.2", "--exclude", "*.2")


# ---- the command line ----

LENET = """
model: {name: lenet5, init: glorot}
train: {steps: 2, evaluate_every: 2, batch_size: 10, device: cpu}
prune: {method: l1, rate: {"conv*": 0.1, "fc*": 0.2}, rounds: 2, every_round: true, seed: 1}
"""


@pytest.mark.long
def test_rates_by_layer_go_all_the_way(workspace: Any) -> None:
    (workspace / "params.yaml").write_text(LENET)
    done("prune", "--quiet")
    name = "l1-rate0.20-n2-conv_at0.1-fc_at0.2-s1"
    ticket = load_ticket(f"masks/{name}")
    assert ticket.specification.layer_rate == (("conv*", 0.1), ("fc*", 0.2))
    done("retrain", "masks", "--control", "rewind,reinit", "--quiet")
    done("verify", "masks", "runs", "--replay")
    done("show", f"masks/{name}")
    flags = "--rate", "conv*=0.1,fc*=0.2", "--rounds", "2", "--out", "again", "--quiet"
    done("prune", *flags)
    assert load_ticket(f"again/{name}").digest == ticket.digest
    done("prune", "--rate", "0.2", "--exclude", "fc3", "--scope", "global", "--out", "third")
    done("verify", "third", "--replay")
    said = refusal("prune", "--rate", "0.2", "--exclude", "pool", "--out", "fourth")
    assert said == (
        "prune.exclude: 'pool' is the name of no layer; the layers are conv1, conv2, fc1, fc2, fc3"
    )
    assert refusal("prune", "--rate", "conv*=much") == "--rate: is 'much', expected a number"
