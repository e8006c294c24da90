"""Which device a training runs on."""

import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from lthctl.errors import ParamsError

_elsewhere: str | None = None


def train_elsewhere(device: str | None) -> None:
    """Say that trainings run on other machines, whose device `auto` is then; it need not be here.

    Args:
      device: of those machines; None for this machine's own again.
    """
    global _elsewhere
    _elsewhere = device


def resolve_device(device: str) -> str:
    """A device by its name; `auto` is the GPU where there is one.

    Raises:
      ParamsError: torch does not have it here.
    """
    if _elsewhere is not None and device in ("auto", _elsewhere):
        return _elsewhere
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    if device.startswith("cuda:"):
        raise ParamsError(
            f"train.device: is {device!r}; which GPU it is, is no part of a training: set it to "
            f"cuda, and give --devices {device}"
        )
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


def check_devices(names: Sequence[str], kinds: Collection[str]) -> None:
    """Refuse devices that trainings cannot be spread over.

    Args:
      names: such as "cuda:0" and "cuda:1".
      kinds: the devices of the trainings, such as "cuda".

    Raises:
      ParamsError: one is none, is not here, is there twice, or is of no kind that is asked for.
    """
    for name in names:
        kind, _, number = name.partition(":")
        if not re.fullmatch("[a-z]+(:[0-9]{1,4})?", name):
            raise ParamsError(f"--devices: is {name!r}, expected devices such as cuda:0,cuda:1")
        if names.count(name) > 1:
            raise ParamsError(f"--devices: names {name} more than once; give --jobs for that")
        if kinds and kind not in kinds:
            raise ParamsError(
                f"--devices: is {name}, but the trainings run on {', '.join(sorted(kinds))}; set "
                f"train.device to {kind}, or leave --devices out"
            )
        if kind == "cuda" and (count := num_gpus()) <= int(number or 0):
            raise ParamsError(
                f"--devices: is {name}, and there {'is' if count == 1 else 'are'} {count} here"
                f"{f', cuda:0 to cuda:{count - 1}' if count else ''}"
            )


def num_gpus() -> int:
    """How many GPUs torch can use here."""
    if not _may_have_gpu():
        return 0
    import torch

    return torch.cuda.device_count()


def all_gpus() -> list[str]:
    """Those that torch can use here, as `--devices` names them."""
    return [f"cuda:{number}" for number in range(num_gpus())]


def _may_have_gpu() -> bool:
    """Whether it is worth two seconds of importing torch to ask it."""
    return sys.platform != "linux" or any(
        Path(node).exists() for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    )
