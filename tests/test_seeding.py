"""Streams: the same seed and name give the same numbers for ever; everything else gives others."""

import hashlib
from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.seeding import Stream, StreamName

NAMES: tuple[StreamName, ...] = get_args(StreamName)

# A change here changes every experiment: all tickets and runs on disk become those of another
# program.
FIRST_WORD = {
    "init": 0xAB11F2DB993738AB,
    "order": 0x84C86213F816BE7D,
    "prune": 0x5446CD57F411BE3A,
    "reinit": 0xB7BB50DD28DF3260,
    "split": 0x4D5EA7AA01449BA8,
    "shuffle": 0x326117253F22F841,
    "augment": 0x41EEFB60E93F3451,
}


def test_every_stream_has_a_golden_number() -> None:
    assert set(NAMES) == FIRST_WORD.keys()


@pytest.mark.parametrize("name", NAMES)
def test_first_word_of_seed_1(name: StreamName) -> None:
    assert int(Stream(1, name).words(1)[0]) == FIRST_WORD[name]


def test_golden_numbers() -> None:
    assert Stream(1, "init").uniform((2,)).tolist() == [0.668242624867358, 0.9914107248695199]
    assert Stream(1, "shuffle").permutation(8).tolist() == [3, 0, 2, 5, 7, 1, 4, 6]
    assert [int(word) for word in Stream(7, "order", 3).words(2)] == [
        5673583682231056897,
        7019060980269104646,
    ]
    np.testing.assert_allclose(
        Stream(1, "init").normal((3,)), [0.96861913, 2.89945048, -0.84546238], rtol=1e-7
    )


def test_uniform_is_numpys_own_of_the_same_entropy() -> None:
    label = int.from_bytes(hashlib.sha256(b"prune").digest()[:8], "little")
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((5, label, 1, 2))))
    assert np.array_equal(Stream(5, "prune", 2).uniform((4, 3)), generator.random((4, 3)))


def test_uniform_is_the_upper_53_bits_of_a_word() -> None:
    words = Stream(1, "init").words(100)
    expected = [(int(word) >> 11) / 2**53 for word in words]
    assert Stream(1, "init").uniform((100,)).tolist() == expected


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**63 - 1), st.sampled_from(NAMES), st.lists(st.integers(0, 1000), max_size=2)
)
def test_same_seed_name_and_key_same_numbers(seed: int, name: StreamName, key: list[int]) -> None:
    assert np.array_equal(Stream(seed, name, *key).words(20), Stream(seed, name, *key).words(20))


def test_different_seeds_names_and_keys_differ() -> None:
    streams = [
        Stream(seed, name, *key).words(4).tolist()
        for seed in (0, 1, 2, 2**32, 2**32 + 1, 2**63 - 1)
        for name in NAMES
        for key in [(), (1,), (2,), (1, 1), (1, 2), (2, 1)]
    ]
    assert all(a != b for a, b in combinations(streams, 2))


def test_keys_from_0_differ() -> None:
    first = {int(Stream(1, "order", epoch).words(1)[0]) for epoch in range(1000)}
    assert len(first) == 1000


def test_key_0_is_not_no_key() -> None:
    assert Stream(1, "order", 0).words(4).tolist() != Stream(1, "order").words(4).tolist()


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        Stream(-1, "init")


def test_numbers_do_not_depend_on_how_they_are_asked_for() -> None:
    whole, parts = Stream(3, "init").words(10), Stream(3, "init")
    assert np.array_equal(whole, np.concatenate([parts.words(4), parts.words(6)]))
    assert np.array_equal(
        Stream(3, "init").uniform((10,)).reshape(2, 5), Stream(3, "init").uniform((2, 5))
    )


def test_no_global_generator_is_touched_or_read() -> None:
    np.random.seed(0)
    first = Stream(1, "init").normal((5,))
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    second = Stream(1, "init").normal((5,))
    assert np.array_equal(first, second)
    assert np.random.get_state()[1].tolist() == before


def test_uniform_is_in_0_to_1_and_even() -> None:
    numbers = Stream(1, "init").uniform((300, 400))
    assert numbers.shape == (300, 400)
    assert numbers.dtype == np.float64
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert np.all(np.abs(counts - 12_000) < 5 * np.sqrt(12_000 * 0.9))


def test_uniform_never_reaches_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "words", lambda self, count: np.full(count, 2**64 - 1, np.uint64))
    assert Stream(1, "init").uniform((1,))[0] == 1 - 2**-53
    assert np.isfinite(Stream(1, "init").normal((1,))[0])


def test_shapes_without_numbers_and_without_dimensions() -> None:
    assert Stream(1, "init").uniform((0, 3)).shape == (0, 3)
    assert Stream(1, "init").uniform(()).shape == ()


def test_moments_of_normal() -> None:
    count = 200_000
    numbers = Stream(1, "init").normal((count,))
    # Standard errors of the first four moments of n standard normal numbers: sqrt(1, 2, 15, 96 /
    # n).
    for power, expected, variance in (1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96):
        assert abs(np.mean(numbers**power) - expected) < 4 * np.sqrt(variance / count)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(count)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.integers(0, 1000))
def test_permutation_is_one(count: int, seed: int) -> None:
    permutation = Stream(seed, "order").permutation(count)
    assert permutation.dtype == np.int64
    assert sorted(permutation.tolist()) == list(range(count))


def test_permutations_are_all_equally_likely() -> None:
    found = [tuple(Stream(seed, "order").permutation(3).tolist()) for seed in range(3000)]
    counts = {order: found.count(order) for order in set(found)}
    assert len(counts) == 6
    assert all(abs(count - 500) < 5 * np.sqrt(500 * 5 / 6) for count in counts.values())
