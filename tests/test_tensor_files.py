"""Arrays as files: their digests, and what is refused."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lthctl.artifacts import folders
from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.tensors import tensors_bytes, tensors_from
from lthctl.canonical import digest_of_arrays, sha256
from lthctl.errors import RunError, TicketError


def test_digest_of_arrays_by_hand() -> None:
    expected = hashlib.sha256(
        b'[\n  "a",\n  "|u1",\n  [\n    2\n  ]\n]\n\x01\x02'
        b'[\n  "b",\n  "<f4",\n  [\n    1,\n    1\n  ]\n]\n\x00\x00\x80\x3f'
    ).hexdigest()
    arrays = {"b": np.array([[1]], np.float32), "a": np.array([1, 2], np.uint8)}
    assert digest_of_arrays(arrays) == digest_of_arrays(dict(reversed(arrays.items()))) == expected


def test_digest_of_arrays_sees_names_dtypes_shapes_and_values() -> None:
    array = np.array([[1, 2], [3, 4]], np.int32)
    variants = [
        {"a": array},
        {"b": array},
        {"a": array.view(np.uint32)},
        {"a": array.ravel()},
        {"a": array.T},
        {"a": array, "b": array},
        {},
    ]
    assert len({digest_of_arrays(arrays) for arrays in variants}) == len(variants)
    assert digest_of_arrays({"a": np.asfortranarray(array)}) == digest_of_arrays({"a": array})


def test_tensors_bytes() -> None:
    arrays = {"b": np.array([1, 2], np.uint8), "a": np.array([[1.0]], np.float32)}
    header = (
        b'{"__metadata__":{"lthctl":"note"},'
        b'"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},'
        b'"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}'
    )
    header += b" " * (-len(header) % 8)
    expected = len(header).to_bytes(8, "little") + header + b"\x00\x00\x80\x3f" + b"\x01\x02"
    assert tensors_bytes(arrays, note="note") == expected
    assert tensors_bytes(dict(reversed(arrays.items())), note="note") == expected


def read_back(
    path: Path, arrays: dict[str, np.ndarray], note: str | None = None
) -> dict[str, np.ndarray]:
    content = tensors_bytes(arrays, note=note)
    path.write_bytes(content)
    found, found_note = tensors_from(path.read_bytes(), TicketError, path)
    assert found_note == note
    return found


def test_tensors_read_back_exactly(tmp_path: Path) -> None:
    arrays = {
        "float": np.array([[0.1, -0.0, np.inf], [1e-45, np.nan, 3.4e38]], np.float32),
        "double": np.array([0.1]),
        "integer": np.array([[[2**62]]]),
        "bool": np.array([True, False]),
        "nothing": np.zeros((0, 3), np.float32),
    }
    found = read_back(tmp_path / "t", arrays, note='{"a": [1]}')
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2],
        lambda a: a[:, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: a[1:, 1:],
    ],
    ids=["transposed", "strided", "reversed", "fortran", "cut"],
)
def test_non_contiguous_tensors_are_written_right(
    tmp_path: Path, view: Callable[[np.ndarray], np.ndarray]
) -> None:
    array = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    assert np.array_equal(read_back(tmp_path / "t", {"a": array})["a"], array)
    assert tensors_bytes({"a": array}) == tensors_bytes({"a": np.array(array, order="C")})


def test_tensor_without_dimensions_keeps_its_shape(tmp_path: Path) -> None:
    """Such as num_batches_tracked of torch's BatchNorm."""
    assert read_back(tmp_path / "t", {"a": np.array(3)})["a"].shape == ()


class OneFile(RunFolder):
    """A folder whose document names one file."""

    def __init__(self, path: Path, digest: str) -> None:
        super().__init__(path.parent)
        self.named = {path.name: digest}

    def digests(self) -> dict[str, str]:
        return self.named


def test_tensors_flipped_or_truncated_anywhere(tmp_path: Path) -> None:
    path, content = tmp_path / "t.safetensors", tensors_bytes({"a": np.arange(3, dtype=np.float32)})
    damaged = [content[:length] for length in range(len(content))]
    damaged += [
        content[:at] + bytes([content[at] ^ 128]) + content[at + 1 :] for at in range(len(content))
    ]
    for bad in damaged:
        path.write_bytes(bad)
        with pytest.raises(RunError) as refusal:
            OneFile(path, sha256(content)).tensors(path.name)
        assert str(refusal.value) == (
            f"{path}: has SHA-256 {sha256(bad)[:12]}..., expected {sha256(content)[:12]}...; "
            "it is truncated or altered: restore it"
        )


def test_tensors_of_the_right_digest_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    for content in b"", b"\x80\x04N.", b"\xff" * 100, tensors_bytes({"a": np.ones(3)})[:-1]:
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"t.safetensors: is no safetensors file \("):
            OneFile(path, sha256(content)).tensors(path.name)


def test_oversized_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "TENSORS_LIMIT", 4)
    (tmp_path / "t").write_bytes(b"12345")
    with pytest.raises(RunError, match="is 5 bytes long, expected at most 4"):
        OneFile(tmp_path / "t", sha256(b"12345")).tensors("t")
