"""Which kind of machine this is, as far as it may decide about the bytes of a result."""

import platform
from pathlib import Path

from lthctl.params import TrainParams


def machine_kind(train: TrainParams | None) -> str:
    """The processor or the GPU that trains, for people.

    Args:
      train: how is trained, with the device decided; None where nothing is.
    """
    if train is not None and train.device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(train.device)
    return processor()


def processor() -> str:
    """The name of the processor, and its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return f"{value.strip()} {platform.machine()}"
    except OSError:
        pass
    return platform.processor() or platform.machine()
