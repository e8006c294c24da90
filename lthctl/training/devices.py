"""Which device a training runs on."""

import sys
from pathlib import Path

from lthctl.errors import ParamsError


def resolve_device(device: str) -> str:
    """A device by its name; `auto` is the GPU where there is one.

    Raises:
      ParamsError: torch does not have it here.
    """
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ParamsError(
            f"train.device: is {device!r}, which torch cannot use here ({reason}); use auto or cpu"
        ) from None
    return device


def _may_have_gpu() -> bool:
    """Whether it is worth two seconds of importing torch to ask it."""
    return sys.platform != "linux" or any(
        Path(node).exists() for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    )
