"""Tensors on disk: safetensors, and never a pickle."""

import json
from pathlib import Path

import numpy as np

from lthctl.errors import LthctlError
from lthctl.mask import Array, Weights


def tensors_bytes(arrays: Weights, *, note: str | None = None) -> bytes:
    """A safetensors file.

    Args:
      arrays: name -> array.
      note: text to keep under the only metadata key, "lthctl"; with more than one key the format is
        not byte-stable.
    """
    from safetensors.numpy import save

    # The writer takes the memory of a non-contiguous array for its content, silently: hand it
    # contiguous ones only.
    contiguous = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    return save(contiguous, metadata=None if note is None else {"lthctl": note})


def tensors_from(
    content: bytes, refuse: type[LthctlError], path: Path
) -> tuple[dict[str, Array], str | None]:
    """The arrays and the note of a file written by `tensors_bytes`, which was read from `path`.

    Raises:
      refuse: it is no safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (
        SafetensorError,
        ValueError,
        KeyError,
        OverflowError,
    ) as error:  # the last of shapes that no array can have
        raise refuse(f"{path}: is no safetensors file ({error})") from error
    return arrays, (header.get("__metadata__") or {}).get("lthctl")


TENSORS_LIMIT = 4 * 2**30  # bytes
