"""The order of batches."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.training.batches import BatchOrder


def test_first_batches_of_seed_1() -> None:
    assert BatchOrder(1, 5, 2).batches(0, 5).tolist() == [[4, 0], [3, 2], [1, 1], [4, 3], [2, 0]]


def test_a_pass_ends_inside_a_batch() -> None:
    order = BatchOrder(1, 5, 2).batches(0, 5).ravel()
    assert sorted(order[:5].tolist()) == sorted(order[5:].tolist()) == [0, 1, 2, 3, 4]
    assert order[:5].tolist() != order[5:].tolist()


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(0, 5),
    st.lists(st.integers(1, 7), min_size=1, max_size=6),
)
def test_full_batches_each_sample_once_a_pass_in_any_chunks(
    num_samples: int, batch_size: int, seed: int, chunks: list[int]
) -> None:
    total = sum(chunks)
    whole = BatchOrder(seed, num_samples, batch_size).batches(0, total)
    assert whole.shape == (total, batch_size)
    assert whole.dtype == np.int64
    flat = whole.ravel().tolist()
    for start in range(0, len(flat) - num_samples + 1, num_samples):
        assert sorted(flat[start : start + num_samples]) == list(range(num_samples))
    rest = flat[len(flat) // num_samples * num_samples :]
    assert len(set(rest)) == len(rest)

    order, first, parts = BatchOrder(seed, num_samples, batch_size), 0, []
    for count in chunks:
        parts.append(order.batches(first, count))
        first += count
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(order.batches(0, 1), whole[:1])  # and backwards


def test_order_depends_on_the_seed_alone() -> None:
    np.random.seed(1)
    first = BatchOrder(1, 600, 60).batches(0, 20)
    np.random.seed(2)
    assert np.array_equal(BatchOrder(1, 600, 60).batches(0, 20), first)
    assert not np.array_equal(BatchOrder(2, 600, 60).batches(0, 20), first)
    assert not np.array_equal(first[:10], first[10:])
