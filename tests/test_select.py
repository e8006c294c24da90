"""Selection: exact counts, ties by position, nested masks; torch's own pruning agrees."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn.utils import prune

from lthctl.errors import MaskError
from lthctl.lottery.rates import check_survivable, rate_per_round
from lthctl.lottery.scores import SCORES
from lthctl.lottery.select import select
from lthctl.mask import Mask
from lthctl.seeding import Stream

from .conftest import scores_of

KEPT, GONE = True, False


def one(array: list[object], dtype: type = np.float32) -> dict[str, np.ndarray]:
    return {"a": np.array(array, dtype)}


def test_lowest_scores_go() -> None:
    selected = select(one([0.5, 0.1, 0.4, 0.2, 0.3]), Mask.full({"a": (5,)}), rate={"a": 0.4})
    assert selected["a"].tolist() == [KEPT, GONE, KEPT, GONE, KEPT]


def test_score_is_taken_as_it_is_and_not_its_magnitude() -> None:
    selected = select(one([-9.0, 1.0, 0.0, 2.0]), Mask.full({"a": (4,)}), rate={"a": 0.5})
    assert selected["a"].tolist() == [GONE, KEPT, GONE, KEPT]


def test_what_is_gone_stays_gone_and_does_not_count() -> None:
    mask = Mask({"a": np.array([[KEPT, GONE, KEPT], [KEPT, GONE, KEPT]])})
    selected = select(one([[1.0, 99.0, 2.0], [4.0, -99.0, 3.0]]), mask, rate={"a": 0.5})
    assert selected["a"].tolist() == [[GONE, GONE, GONE], [KEPT, GONE, KEPT]]


def test_every_layer_is_ranked_by_itself_at_its_own_rate() -> None:
    scores = {"high": np.array([10.0, 11.0, 12.0, 13.0]), "low": np.array([4.0, 3.0, 2.0, 1.0])}
    selected = select(
        scores, Mask.full({"high": (4,), "low": (4,)}), rate={"high": 0.75, "low": 0.25}
    )
    assert selected["high"].tolist() == [GONE, GONE, GONE, KEPT]
    assert selected["low"].tolist() == [KEPT, KEPT, KEPT, GONE]


def test_among_equals_the_earlier_survives() -> None:
    selected = select(one([[1, 1], [1, 1]]), Mask.full({"a": (2, 2)}), rate={"a": 0.5})
    assert selected["a"].tolist() == [[KEPT, KEPT], [GONE, GONE]]


def test_ties_only_decide_at_the_border() -> None:
    selected = select(one([2, 1, 2, 1, 2, 1]), Mask.full({"a": (6,)}), rate={"a": 2 / 3})
    assert selected["a"].tolist() == [KEPT, GONE, KEPT, GONE, GONE, GONE]


def test_order_of_positions_is_row_major_whatever_the_memory() -> None:
    scores = {"a": np.ones((3, 2), np.float32).T}  # Fortran order
    selected = select(scores, Mask.full({"a": (2, 3)}), rate={"a": 0.5})
    assert selected["a"].tolist() == [[KEPT, KEPT, KEPT], [GONE, GONE, GONE]]


@pytest.mark.parametrize(
    ("size", "rate", "removed"),
    [(5, 0.5, 2), (7, 0.5, 4), (10, 0.0, 0), (10, 0.04, 0), (10, 0.06, 1), (3, 0.99, 3)],
)
def test_count_is_rounded_half_to_even(size: int, rate: float, removed: int) -> None:
    selected = select({"a": np.arange(size)}, Mask.full({"a": (size,)}), rate={"a": rate})
    assert selected["a"].tolist() == [GONE] * removed + [KEPT] * (size - removed)


@settings(deadline=None)
@given(st.data())
def test_exact_count_nested_and_lowest(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=7))
    scores = data.draw(
        hnp.arrays(np.float32, shape, elements=st.integers(-3, 3).map(float))
    )  # many ties
    mask = Mask({"a": data.draw(hnp.arrays(np.bool_, shape))})
    rate = data.draw(st.floats(0, 1, exclude_max=True))
    selected = select({"a": scores}, mask, rate={"a": rate})

    removed = mask["a"] & ~selected["a"]
    assert selected.is_nested_in(mask)
    assert removed.sum() == round(rate * mask.num_kept)
    rank = [(score, -position) for position, score in enumerate(scores.ravel().tolist())]
    gone, kept = np.flatnonzero(removed), np.flatnonzero(selected["a"])
    assert max((rank[i] for i in gone), default=(-np.inf, 0)) < min(
        (rank[i] for i in kept), default=(np.inf, 0)
    )


def test_inputs_are_not_modified() -> None:
    scores, mask = one([3.0, 1.0, 2.0, 4.0]), Mask({"a": np.array([KEPT, KEPT, KEPT, GONE])})
    selected = select(scores, mask, rate={"a": 0.7})
    assert selected["a"].sum() == 1
    assert scores["a"].tolist() == [3.0, 1.0, 2.0, 4.0]
    assert mask["a"].tolist() == [KEPT, KEPT, KEPT, GONE]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(MaskError) as refusal:
        select(one([1.0, bad, bad]), Mask.full({"a": (3,)}), rate={"a": 0.5})
    assert str(refusal.value) == "scores: 'a' has 2 that are not finite, expected none"


def test_scores_of_what_is_gone_may_be_anything() -> None:
    mask = Mask({"a": np.array([KEPT, GONE, KEPT])})
    assert select(one([1.0, np.nan, 2.0]), mask, rate={"a": 0.5})["a"].tolist() == [
        GONE,
        GONE,
        KEPT,
    ]


def test_scores_of_other_names_or_shapes_are_refused_all_named() -> None:
    scores = {"a": np.ones((2, 3)), "only_scored": np.ones(1), "fits": np.ones(2)}
    mask = Mask.full({"a": (3, 2), "only_masked": (1,), "fits": (2,)})
    with pytest.raises(MaskError, match="scores") as refusal:
        select(scores, mask, rate=dict.fromkeys(["a", "only_masked", "fits"], 0.5))
    assert str(refusal.value) == (
        "scores: 'only_masked' is missing, the model has it with shape (1,); "
        "'only_scored' is extra, the model has no such prunable parameter; "
        "'a' has shape (2, 3), the model has (3, 2)"
    )


def test_l1_agrees_with_torch_over_several_rounds() -> None:
    """Weights change between the rounds, as training changes them."""
    shapes = {"weight": (30, 41), "bias": (30,)}
    rate = {"weight": 0.37, "bias": 0.21}
    layer = nn.Linear(41, 30)
    mask = Mask.full(shapes)
    for number in range(1, 6):
        stream = Stream(number, "init")
        weights = {name: stream.normal(shape).astype(np.float32) for name, shape in shapes.items()}
        assert all(
            len(np.unique(np.abs(array))) == array.size for array in weights.values()
        )  # torch breaks ties freely
        with torch.no_grad():
            for name, array in weights.items():
                getattr(layer, name if number == 1 else f"{name}_orig").copy_(
                    torch.from_numpy(array)
                )
        layer(
            torch.zeros(1, 41)
        )  # torch computes the masked weights, which it scores, in a forward hook
        for name in shapes:
            prune.l1_unstructured(layer, name, amount=rate[name])

        mask = select(scores_of("l1", weights, Stream(1, "prune", number)), mask, rate=rate)
        for name in shapes:
            assert np.array_equal(mask[name], getattr(layer, f"{name}_mask").numpy() == 1), (
                number,
                name,
            )
    # 1230 - 455 = 775, - 287 = 488, - 181 = 307, - 114 = 193, - 71 = 122; 30 - 6 - 5 - 4 - 3 - 3 =
    # 9
    assert {name: int(array.sum()) for name, array in mask.items()} == {"weight": 122, "bias": 9}


def test_random_has_torchs_counts() -> None:
    layer, mask = nn.Linear(13, 7), Mask.full({"weight": (7, 13)})
    for number in range(1, 5):
        prune.random_unstructured(layer, "weight", amount=0.3)
        scores = scores_of("random", {"weight": np.zeros((7, 13))}, Stream(1, "prune", number))
        mask = select(scores, mask, rate={"weight": 0.3})
        assert mask.num_kept == int(layer.weight_mask.sum()) == [64, 45, 31, 22][number - 1]


def test_l1_is_the_magnitude_and_draws_nothing() -> None:
    stream = Stream(1, "prune", 1)
    weights = {"a": np.array([-2.0, 0.5, -0.0], np.float32)}
    scores = scores_of("l1", weights, stream)
    assert scores["a"].tolist() == [2.0, 0.5, 0.0]
    assert weights["a"].tolist() == [-2.0, 0.5, 0.0]
    assert SCORES.get("l1").needs_training
    assert stream.words(1)[0] == Stream(1, "prune", 1).words(1)[0]


def test_random_depends_on_the_stream_alone() -> None:
    def scores(seed: int, value: float, names: str = "ab") -> dict[str, list[list[float]]]:
        weights = {name: np.full((2, 3), value, np.float32) for name in names}
        return {
            name: array.tolist()
            for name, array in scores_of("random", weights, Stream(seed, "prune")).items()
        }

    assert scores(1, 0.0) == scores(1, 5.0) == scores(1, 0.0, "ba")
    assert scores(1, 0.0) != scores(2, 0.0)
    assert scores(1, 0.0)["a"] != scores(1, 0.0)["b"]
    assert not SCORES.get("random").needs_training


@pytest.mark.parametrize(
    ("ratio", "rounds", "expected"),
    [(0.75, 2, 0.5), (0.875, 3, 0.5), (0.99, 2, 0.9), (0.0, 4, 0.0), (0.3, 1, 0.3)],
)
def test_rate_per_round_by_hand(ratio: float, rounds: int, expected: float) -> None:
    assert rate_per_round(ratio, rounds) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.floats(0, 0.999), st.integers(1, 30))
def test_rate_per_round_reaches_the_ratio(ratio: float, rounds: int) -> None:
    rate = rate_per_round(ratio, rounds)
    assert 0 <= rate < 1
    assert (1 - rate) ** rounds == pytest.approx(1 - ratio)


def test_one_round_is_the_ratio_itself() -> None:
    assert all(rate_per_round(ratio, 1) == ratio for ratio in (0.1, 0.3, 0.7, 0.8, 0.9))


def test_a_layer_without_weights_is_found() -> None:
    shapes = {"first": (10, 10), "second": (2, 2)}
    rate = {"first": 0.9, "second": 0.9}
    assert (
        check_survivable(shapes, rate, 1) == "leaves none of the 4 weights of 'second'"
    )  # round(3.6) = 4
    assert check_survivable(shapes, {"first": 0.9, "second": 0.8}, 1) is None  # round(3.2) = 3


def test_rounds_are_followed_one_by_one() -> None:
    assert check_survivable({"a": (1, 2)}, {"a": 0.6}, 1) is None  # 2 - round(1.2) = 1
    assert (
        check_survivable({"a": (1, 2)}, {"a": 0.6}, 2)
        == "leaves none of the 2 weights of 'a' after round 2"
    )  # 1 - round(0.6)
    assert check_survivable({"a": (1, 2)}, {"a": 0.5}, 50) is None  # 1 - round(0.5) = 1 for ever


def test_biases_may_all_go() -> None:
    assert (
        check_survivable({"weight": (10, 10), "bias": (1,)}, {"weight": 0.9, "bias": 0.9}, 1)
        is None
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True), st.integers(1, 4))
def test_survivable_is_what_select_leaves(size: int, rate: float, rounds: int) -> None:
    mask = Mask.full({"a": (1, size)})
    for _ in range(rounds):
        mask = select({"a": np.arange(size).reshape(1, size)}, mask, rate={"a": rate})
    assert (check_survivable({"a": (1, size)}, {"a": rate}, rounds) is None) == (mask.num_kept > 0)


def test_global_scores_are_one_list_in_the_order_of_the_mask() -> None:
    scores = {"a": np.array([1.0, 3.0]), "b": np.array([[2.0, 3.0], [0.0, 3.0]])}
    mask = Mask.full({"a": (2,), "b": (2, 2)})
    rate = {"a": 0.6, "b": 0.6}
    selected = select(scores, mask, rate=rate, scope="global")  # 4 of 6 go, ties from the end
    assert selected["a"].tolist() == [GONE, KEPT]
    assert selected["b"].tolist() == [[GONE, KEPT], [GONE, GONE]]


def test_global_rates_are_one() -> None:
    mask = Mask.full({"a": (2,), "b": (2,)})
    with pytest.raises(MaskError, match="rate: has 2 values, expected one"):
        select(
            {"a": np.zeros(2), "b": np.zeros(2)}, mask, rate={"a": 0.5, "b": 0.2}, scope="global"
        )
