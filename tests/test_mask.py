"""Masks: immutable bools, applied exactly, refused where they do not fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthctl.errors import MaskError
from lthctl.mask import Mask
from lthctl.seeding import Stream

BOOLS = hnp.arrays(np.bool_, hnp.array_shapes(max_dims=3, max_side=6))


def two_layers() -> Mask:
    """Five weights in two parameters, three of them kept."""
    return Mask({"b": np.array([True]), "a": np.array([[True, False], [False, True]])})


def test_counts() -> None:
    mask = two_layers()
    assert (mask.size, mask.num_kept, mask.density, mask.sparsity) == (5, 3, 0.6, 0.4)
    assert repr(mask) == "Mask(2 parameters, 3 of 5 kept)"


def test_is_a_mapping_in_the_order_of_the_names() -> None:
    mask = two_layers()
    assert list(mask) == ["a", "b"]
    assert len(mask) == 2
    assert "c" not in mask
    with pytest.raises(KeyError):
        mask["c"]


def test_full_keeps_everything() -> None:
    mask = Mask.full({"a": (2, 3), "b": (4,)})
    assert {name: array.shape for name, array in mask.items()} == {"a": (2, 3), "b": (4,)}
    assert (mask.num_kept, mask.density, mask.sparsity) == (10, 1.0, 0.0)


def test_empty_mask_is_dense() -> None:
    assert (Mask({}).size, Mask({}).density, Mask({}).sparsity) == (0, 1.0, 0.0)


def test_fully_pruned_mask_is_allowed() -> None:
    assert Mask({"a": np.array([False, False])}).sparsity == 1.0


def test_cannot_be_changed() -> None:
    mask = two_layers()
    with pytest.raises(ValueError, match="read-only"):
        mask["a"][0, 0] = False
    with pytest.raises(TypeError):
        mask["a"] = np.array([True])  # type: ignore[index]
    with pytest.raises(TypeError):
        mask._arrays["a"] = np.array([True])  # type: ignore[index]
    with pytest.raises(TypeError):
        hash(mask)


def test_does_not_follow_what_it_was_made_from() -> None:
    array = np.array([True, True])
    arrays = {"a": array}
    mask = Mask(arrays)
    array[0] = False
    arrays["b"] = np.array([True])
    assert list(mask) == ["a"]
    assert mask["a"].tolist() == [True, True]
    assert array.flags.writeable


def test_arrays_are_contiguous_whatever_was_given() -> None:
    mask = Mask({"a": np.array([[True, False, True], [False, False, True]]).T})
    assert mask["a"].flags.c_contiguous
    assert mask["a"].tolist() == [[True, False], [False, False], [True, True]]


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "object"])
def test_anything_but_bools_is_refused(dtype: str) -> None:
    with pytest.raises(MaskError) as refusal:
        Mask({"a": np.array([True]), "b": np.array([0, 1]).astype(dtype)})
    assert str(refusal.value) == f"mask: 'b' has dtype {dtype}, expected bool; compare with 0 first"


def test_equal_by_content() -> None:
    assert two_layers() == two_layers()
    assert two_layers() != Mask({"a": two_layers()["a"]})
    assert two_layers() != Mask({**two_layers(), "b": np.array([False])})
    assert Mask({"a": np.array([[True]])}) != Mask({"a": np.array([True])})
    assert two_layers() != dict(two_layers())


def test_apply_by_hand() -> None:
    weights = {
        "a": np.array([[1.5, -2.0], [np.inf, -0.25]], np.float32),
        "b": np.array([3.0], np.float32),
        "running": np.array([7, 8]),
    }
    masked = two_layers().apply(weights)
    assert masked["a"].tolist() == [[1.5, 0.0], [0.0, -0.25]]
    assert masked["b"].tolist() == [3.0]
    assert masked["running"].tolist() == [7, 8]
    assert {name: array.dtype for name, array in masked.items()} == {
        name: array.dtype for name, array in weights.items()
    }


def test_apply_gives_positive_zeros_even_of_negative_and_nan() -> None:
    masked = Mask({"a": np.array([False, False, False, True])}).apply(
        {"a": np.array([-1.0, np.nan, -0.0, -0.0])}
    )
    assert masked["a"].tobytes() == np.array([0.0, 0.0, 0.0, -0.0]).tobytes()


def test_apply_copies() -> None:
    weights = {
        "a": np.ones((2, 2), np.float32),
        "b": np.ones(1, np.float32),
        "other": np.ones(1, np.float32),
    }
    masked = two_layers().apply(weights)
    for array in masked.values():
        array[...] = 9
    assert all(np.all(array == 1) for array in weights.values())


def test_apply_names_all_that_is_missing_or_misshapen() -> None:
    with pytest.raises(MaskError) as refusal:
        two_layers().apply({"a": np.ones((3, 2)), "c": np.ones(1)})
    assert "'a' has shape (2, 2), the model has (3, 2)" in str(refusal.value)
    assert "'b'" in str(refusal.value)
    assert "'c'" not in str(refusal.value)


def test_check_fits_names_everything_at_once() -> None:
    mask = Mask.full({"a": (2, 2), "same": (5,), "old": (1,), "older": (1, 1), "z": (4,)})
    with pytest.raises(MaskError) as refusal:
        mask.check_fits(
            {"z": (4, 1), "a": (2, 3), "same": (5,), "new": (3,), "newer": (6, 7)}, where="masks/x"
        )
    assert str(refusal.value) == (
        "masks/x: 'new' is missing, the model has it with shape (3,); "
        "'newer' is missing, the model has it with shape (6, 7); "
        "'old' is extra, the model has no such prunable parameter; "
        "'older' is extra, the model has no such prunable parameter; "
        "'a' has shape (2, 2), the model has (2, 3); "
        "'z' has shape (4,), the model has (4, 1)"
    )


def test_check_fits_is_silent_when_it_fits() -> None:
    two_layers().check_fits({"b": (1,), "a": (2, 2)})
    two_layers().check_fits({"b": [1], "a": [2, 2]})  # type: ignore[dict-item]  # shapes out of JSON are lists


def test_nested_by_hand() -> None:
    outer = Mask({"a": np.array([True, True, False])})
    assert Mask({"a": np.array([True, False, False])}).is_nested_in(outer)
    assert outer.is_nested_in(outer)
    assert not Mask({"a": np.array([False, False, True])}).is_nested_in(outer)


def test_nested_asks_every_parameter() -> None:
    mask = two_layers()
    assert not Mask({**mask, "a": ~mask["a"]}).is_nested_in(mask)
    assert not mask.is_nested_in(Mask({**mask, "b": np.array([False])}))


def test_shuffled_by_hand() -> None:
    mask = Mask({"a": np.array([[True, False], [False, True]])})
    shuffled = mask.shuffled({"a": np.array([30, 10, 40, 20], np.uint64)})
    assert shuffled["a"].tolist() == [[False, True], [True, False]]  # positions 1, 3, 0, 2
    assert mask["a"].tolist() == [[True, False], [False, True]]


def test_shuffled_reaches_every_position() -> None:
    mask = Mask({"a": np.array([True, False, False])})
    found = {
        tuple(mask.shuffled({"a": Stream(seed, "shuffle").words(3)})["a"].tolist())
        for seed in range(30)
    }
    assert len(found) == 3


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abc"), BOOLS, max_size=3), st.integers(0, 1000))
def test_properties(arrays: dict[str, np.ndarray], seed: int) -> None:
    mask = Mask(arrays)
    full = Mask.full({name: array.shape for name, array in arrays.items()})
    assert mask == Mask(dict(reversed(arrays.items())))
    assert mask.is_nested_in(mask)
    assert mask.is_nested_in(full)
    assert full.is_nested_in(mask) == (mask.num_kept == mask.size)
    assert mask.density + mask.sparsity == pytest.approx(1)

    ones = {name: np.ones(array.shape, np.float32) for name, array in arrays.items()}
    masked = mask.apply(ones)
    assert sum(float(array.sum()) for array in masked.values()) == mask.num_kept
    assert all(np.array_equal(masked[name] != 0, mask[name]) for name in mask)
    assert all(np.array_equal(mask.apply(masked)[name], masked[name]) for name in mask)

    stream = Stream(seed, "shuffle")
    shuffled = mask.shuffled({name: stream.words(array.size) for name, array in mask.items()})
    assert [(name, a.shape, a.sum()) for name, a in shuffled.items()] == [
        (name, a.shape, a.sum()) for name, a in mask.items()
    ]
