"""What computes a training: its sums may differ from those of another kind in the last bits."""

import platform

from lthctl.training.devices import all_gpus


def processor_of(device: str) -> str:
    """The kind of processor behind a device, as far as it can change results, such as
    "x86_64 AVX512" or "NVIDIA H100 80GB HBM3"."""
    import torch

    if device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def processors_of(device: str) -> list[str]:
    """The kinds of processor that may be behind a device: of "cuda", those of all GPUs here."""
    if device != "cuda":
        return [processor_of(device)]
    return sorted({processor_of(gpu) for gpu in all_gpus() or [device]})
