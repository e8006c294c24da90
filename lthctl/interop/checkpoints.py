"""Checkpoints made by other programs, read without trusting them.

Knows that there are two formats, and nothing of models.
"""

import struct
import zipfile
from pathlib import Path

from lthctl.errors import CheckpointError
from lthctl.interop.entries import Checkpoint, OtherContentError
from lthctl.interop.safetensors_file import read_safetensors
from lthctl.interop.torch_file import WAY_OUT, read_torch
from lthctl.reading import read_file

OLD_FORMAT = b"L119547037146038801333356L"
"""What torch.save began a file with before PyTorch 1.6, where the pickle protocol was 0 or 1."""

DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    struct.error,
)
"""What the readers of zip archives and pickles raise on bytes that nobody wrote."""


def read_checkpoint(path: Path, *, limit: int) -> Checkpoint:
    """What a file of tensors holds.

    Args:
      path: safetensors, or a dict of tensors saved by `torch.save`; told apart by their content.
      limit: bytes that the file may have, and that one tensor may need.

    Raises:
      CheckpointError: it is missing, too large, damaged, of another format, or needs code to be
        run.
    """
    try:
        path.lstat()
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: is missing; expected safetensors, or what torch.save writes"
        ) from None
    except OSError:
        pass  # reading it says why
    content = read_file(path, CheckpointError, limit=limit)
    try:
        if content.startswith(b"PK"):
            return Checkpoint(read_torch(content, limit))
        if content[8:9] == b"{":
            return read_safetensors(content)
        if content.startswith((b"\x80", OLD_FORMAT)):
            raise OtherContentError(
                f"is a pickle, which is never run; {WAY_OUT}, with PyTorch 1.6 or newer"
            )
        raise CheckpointError("is neither safetensors nor what torch.save writes")
    except CheckpointError as error:
        raise type(error)(f"{path}: {error}") from error
    except DAMAGE as error:
        raise CheckpointError(
            f"{path}: is truncated or damaged ({type(error).__name__}: {str(error)[:200]})"
        ) from error
