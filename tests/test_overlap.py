"""Overlap of masks: counted exactly, and its p-value right against brute force, in the farthest
tails too."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.errors import MaskError
from lthctl.mask import Mask
from lthctl.reporting.overlap import overlap


def flat(size: int, kept: range | list[int]) -> np.ndarray:
    array = np.zeros(size, np.bool_)
    array[list(kept)] = True
    return array


def pair(size: int, kept_a: int, kept_b: int, both: int) -> tuple[np.ndarray, np.ndarray]:
    """Two flat masks with these counts."""
    return flat(size, range(kept_a)), flat(size, range(kept_a - both, kept_a - both + kept_b))


def masks(*layers: tuple[int, int, int, int]) -> tuple[Mask, Mask]:
    pairs = [pair(*counts) for counts in layers]
    return tuple(Mask({f"layer{n}": of[side] for n, of in enumerate(pairs)}) for side in (0, 1))  # type: ignore[return-value]


def chances(size: int, kept_a: int, kept_b: int) -> dict[int, Fraction]:
    """Number kept by both -> its exact probability."""
    least, most = max(0, kept_a + kept_b - size), min(kept_a, kept_b)
    ways = {
        x: math.comb(kept_a, x) * math.comb(size - kept_a, kept_b - x)
        for x in range(least, most + 1)
    }
    return {x: Fraction(way, math.comb(size, kept_b)) for x, way in ways.items()}


def exact_p(layers: list[tuple[int, int, int, int]]) -> Fraction:
    """Twice the smaller tail of the sum, by convolving exact probabilities."""
    total = {0: Fraction(1)}
    for size, kept_a, kept_b, _ in layers:
        summed: dict[int, Fraction] = {}
        for (x, p), (y, q) in itertools.product(
            total.items(), chances(size, kept_a, kept_b).items()
        ):
            summed[x + y] = summed.get(x + y, Fraction(0)) + p * q
        total = summed
    found = sum(both for *_, both in layers)
    tails = (
        sum(p for x, p in total.items() if x >= found),
        sum(p for x, p in total.items() if x <= found),
    )
    return min(Fraction(1), 2 * min(tails))


def log10(value: Fraction) -> float:
    """Of a fraction of any size."""
    return math.log10(value.numerator) - math.log10(value.denominator)


@st.composite
def counts(draw: st.DrawFn, largest: int = 40) -> tuple[int, int, int, int]:
    size = draw(st.integers(0, largest))
    kept_a, kept_b = draw(st.integers(0, size)), draw(st.integers(0, size))
    return (
        size,
        kept_a,
        kept_b,
        draw(st.integers(max(0, kept_a + kept_b - size), min(kept_a, kept_b))),
    )


def test_counts_and_expectation_by_hand() -> None:
    a = Mask({"w": np.array([[True, True], [True, False]]), "b": np.array([True, False])})
    b = Mask({"w": np.array([[True, False], [True, False]]), "b": np.array([False, True])})
    found = overlap(a, b)
    assert list(found.layers) == ["b", "w"]
    w, bias = found.layers["w"], found.layers["b"]
    assert (w.size, w.kept_a, w.kept_b, w.kept_both, w.expected) == (4, 3, 2, 2, 1.5)
    assert (bias.size, bias.kept_a, bias.kept_b, bias.kept_both, bias.expected) == (2, 1, 1, 0, 0.5)
    assert w.ratio == pytest.approx(4 / 3)
    # Of the 6 ways to keep 2 of 4, 3 keep 2 of the first 3.
    assert w.p == pytest.approx(1.0)
    total = found.total
    assert (total.size, total.kept_a, total.kept_b, total.kept_both, total.expected) == (
        6,
        4,
        3,
        2,
        2.0,
    )


def test_chance_is_per_layer_not_over_the_whole() -> None:
    """A dense layer beside a sparse one is no overlap beyond chance."""
    total = overlap(*masks((100, 90, 90, 81), (100, 10, 10, 1))).total
    assert (total.expected, total.ratio) == (82.0, 1.0)
    assert total.p > 0.9


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(counts())
def test_a_layer_agrees_with_brute_force(layer: tuple[int, int, int, int]) -> None:
    assert overlap(*masks(layer)).total.log10_p == pytest.approx(log10(exact_p([layer])), abs=1e-11)


@settings(max_examples=60, deadline=None)
@given(st.lists(counts(largest=20), max_size=4))
def test_several_layers_agree_with_brute_force(layers: list[tuple[int, int, int, int]]) -> None:
    found = overlap(*masks(*layers))
    assert found.total.log10_p == pytest.approx(log10(exact_p(layers)), abs=1e-11)
    for name, layer in zip(found.layers, layers, strict=True):
        assert found.layers[name].log10_p == pytest.approx(log10(exact_p([layer])), abs=1e-11)


def test_a_layer_by_trying_all_masks() -> None:
    """No formula: of all ways to keep 3 of 7, how many share as much with the first mask."""
    a = flat(7, range(4))
    for kept in itertools.combinations(range(7), 3):
        b = flat(7, list(kept))
        shared = [len({0, 1, 2, 3} & set(other)) for other in itertools.combinations(range(7), 3)]
        found = int(np.count_nonzero(a & b))
        tails = sum(x >= found for x in shared), sum(x <= found for x in shared)
        expected = min(1.0, 2 * min(tails) / len(shared))
        assert overlap(Mask({"w": a}), Mask({"w": b})).total.p == pytest.approx(expected)


@pytest.mark.parametrize(
    "layer",
    [
        (
            235_200,
            23_520,
            23_520,
            2_450,
        ),  # LeNet's first layer at 90 % pruned: a little more than chance,
        (235_200, 23_520, 23_520, 2_100),  # less,
        (235_200, 7_056, 7_056, 1_500),  # much more,
        (30_000, 900, 6_000, 900),  # nested
        (30_000, 900, 900, 0),  # and disjoint
    ],
)
def test_layers_of_real_size_agree_with_whole_numbers(layer: tuple[int, int, int, int]) -> None:
    """Sum of whole numbers over the tail, from the binomial coefficients themselves; p down to
    1e-1500."""
    size, kept_a, kept_b, both = layer
    above = both * size >= kept_a * kept_b
    way = math.comb(kept_a, both) * math.comb(size - kept_a, kept_b - both)
    ways, x = way, both
    while way * 10**20 > ways:
        if above:
            way = way * (kept_a - x) * (kept_b - x) // ((x + 1) * (size - kept_a - kept_b + x + 1))
        else:
            way = way * x * (size - kept_a - kept_b + x) // ((kept_a - x + 1) * (kept_b - x + 1))
        ways, x = ways + way, x + (1 if above else -1)
    expected = min(0.0, log10(Fraction(2 * ways, math.comb(size, kept_b))))
    assert overlap(*masks(layer)).total.log10_p == pytest.approx(expected, abs=1e-8)


def test_three_real_layers_agree_with_a_normal_approximation_near_chance() -> None:
    """Independent of all of the above: two standard deviations above chance is p = 0.0455, with the
    correction of half."""
    sizes = [(235_200, 47_040), (30_000, 6_000), (1_000, 590)]
    mean = sum(kept * kept / size for size, kept in sizes)
    variance = sum(kept * kept * (size - kept) ** 2 / size**2 / (size - 1) for size, kept in sizes)
    extra = round(2 * math.sqrt(variance))
    layers = [(size, kept, kept, kept * kept // size) for size, kept in sizes]
    found = sum(both for *_, both in layers)
    first = layers[0]
    layers[0] = (*first[:3], first[3] + extra - (found - math.floor(mean)))
    z = (sum(both for *_, both in layers) - 0.5 - mean) / math.sqrt(variance)
    assert overlap(*masks(*layers)).total.p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-2)


@pytest.mark.long
def test_p_is_uniform_where_chance_decides() -> None:
    """Simulated: random masks reach p < 0.05 in no more than about 5 % of the cases."""
    rng = np.random.default_rng(1)
    p = []
    for _ in range(200):
        a, b = (Mask({"w": rng.random(2000) < 0.3, "v": rng.random(300) < 0.6}) for _ in range(2))
        p.append(overlap(a, b).total.p)
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1
    assert 0.4 < np.mean(p) < 0.6


def test_equal_masks_of_real_size_are_beyond_any_float() -> None:
    kept = np.arange(266_610) % 5 == 0
    total = overlap(Mask({"w": kept}), Mask({"w": kept})).total
    # One way out of all: 2 / C(266610, 53322).
    expected = math.log10(2) - math.log10(math.comb(266_610, 53_322))
    assert total.log10_p == pytest.approx(expected, rel=1e-12)
    assert (total.p, total.ratio) == (0.0, 5.0)


def test_a_million_times_a_hundred_weights_take_no_time() -> None:
    """Layers as large as they come; the work follows the deviation, not the size."""
    from lthctl.reporting.overlap import _Draw, _log10_p

    draw = _Draw(100_000_000, 20_000_000, 20_000_000)
    assert _log10_p([draw], 4_000_000) == pytest.approx(0.0, abs=1e-3)
    deviation = math.sqrt(3 * 100_000_000 * 0.2**2 * 0.8**2)
    p = 10 ** _log10_p([draw] * 3, 12_000_000 + round(3 * deviation))
    assert p == pytest.approx(math.erfc(3 / math.sqrt(2)), rel=0.01)
    assert _log10_p([draw], 20_000_000) < -1e7


@pytest.mark.parametrize("layer", [(10, 0, 5, 0), (10, 10, 4, 4), (0, 0, 0, 0), (5, 5, 5, 5)])
def test_where_chance_has_no_choice_p_is_one(layer: tuple[int, int, int, int]) -> None:
    found = overlap(*masks(layer)).total
    assert (found.p, found.log10_p) == (1.0, 0.0)
    assert found.ratio == (1.0 if layer[3] else None)


def test_no_layers_at_all() -> None:
    found = overlap(Mask({}), Mask({}))
    assert (dict(found.layers), found.total.size, found.total.p, found.total.ratio) == (
        {},
        0,
        1.0,
        None,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(counts(largest=30), min_size=1, max_size=3))
def test_exchanged_masks_give_the_same(layers: list[tuple[int, int, int, int]]) -> None:
    a, b = masks(*layers)
    there, back = overlap(a, b).total, overlap(b, a).total
    assert there.log10_p == pytest.approx(back.log10_p, abs=1e-11)
    assert (there.kept_both, there.expected) == (back.kept_both, pytest.approx(back.expected))


def test_masks_of_other_shapes_are_refused_with_all_differences() -> None:
    a = Mask({"w": np.ones((2, 3), np.bool_), "b": np.ones(3, np.bool_)})
    b = Mask({"w": np.ones((3, 2), np.bool_), "c": np.ones(3, np.bool_)})
    with pytest.raises(MaskError) as refused:
        overlap(a, b)
    assert all(name in str(refused.value) for name in ("'w'", "'b'", "'c'", "cannot be compared"))
