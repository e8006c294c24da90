"""Canonical JSON, and the digests that name content.

The same value always gives the same bytes. Knows no files.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lthctl.mask import Array, Weights

Json = dict[str, Any]


def flat(document: object, key: str = "") -> Iterator[tuple[str, object]]:
    """The values of a document with their keys, which dots join.

    Example:
      >>> dict(flat({"train": {"steps": 30}, "seed": 1}))
      {'train.steps': 30, 'seed': 1}
    """
    if not isinstance(document, dict):
        yield key, document
        return
    for name, inner in document.items():
        yield from flat(inner, f"{key}.{name}" if key else str(name))


def canonical_json(value: object) -> bytes:
    """The one way lthctl writes a value as JSON: sorted keys, two spaces, one trailing newline.

    Raises:
      ValueError: there is NaN or infinity in it.
      TypeError: there is something in it that JSON has no word for.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return sha256(canonical_json(value))


def digest_of_arrays(arrays: Weights) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of arrays, in the order of their names."""
    return digest_of_parts({name: whole(array) for name, array in arrays.items()})


class InParts(NamedTuple):
    """An array that is never whole in memory.

    Attributes:
      dtype: as NumPy writes it, such as "<f4".
      shape: of the whole.
      parts: one after another, along its first axis.
    """

    dtype: str
    shape: tuple[int, ...]
    parts: Iterable[Array]


def whole(array: Array) -> InParts:
    """An array as its only part."""
    return InParts(np.asarray(array).dtype.str, np.shape(array), [array])


def digest_of_parts(arrays: Mapping[str, InParts]) -> str:
    """The digest that `digest_of_arrays` has of the same arrays, whole."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        dtype, shape, parts = arrays[name]
        total.update(canonical_json([name, dtype, list(shape)]))
        for part in parts:
            total.update(np.asarray(part, order="C").data)
    return total.hexdigest()


def finite(value: float) -> float | None:
    """The value, or None for what JSON has no word for."""
    return value if math.isfinite(value) else None
