"""Errors of a device in words of a training: too little memory, or no deterministic kernel."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lthctl.errors import TrainingError
from lthctl.library_settings import WORKSPACE_VARIABLE
from lthctl.training.spec import Training

AMOUNT = r"([0-9.]+ (?:bytes|[KMGT]iB))"


@contextmanager
def explained(training: Training, device: torch.device) -> Iterator[None]:
    """Turn errors of a device into those of a training.

    Raises:
      TrainingError: the device has too little memory, or gives other sums every time.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = _out_of_memory(str(error), training, device)
    except RuntimeError as error:
        text = str(error)
        if "DefaultCPUAllocator" in text:
            reason = _out_of_memory(text, training, device)
        elif "does not have a deterministic implementation" in text:
            reason = (
                f"{_which(training)}: {text.split()[0]} gives other sums every time on {device}; "
                "use another layer in its place, or set train.device to cpu"
            )
        elif WORKSPACE_VARIABLE in text:
            reason = (
                f"{_which(training)}: {device} was used in this process before, without what makes "
                f"its sums the same every time; set {WORKSPACE_VARIABLE}=:4096:8 before Python "
                "starts"
            )
        else:
            raise
    else:
        return
    if device.type == "cuda":
        torch.cuda.empty_cache()  # others on this GPU may need it
    raise TrainingError(reason)


def _out_of_memory(text: str, training: Training, device: torch.device) -> str:
    """Such as "wanted 2.00 GiB more, where 1.20 GiB were free"."""
    wanted = re.search(rf"[Tt]ried to allocate {AMOUNT}", text)
    free = re.search(rf"of which {AMOUNT} is free", text)
    amounts = f"wanted {wanted[1]} more" if wanted else "wanted more than there is"
    if free:
        amounts += f", where {free[1]} were free"
    return (
        f"{_which(training)}: {device} has too little memory; it {amounts}. Lower --jobs, or "
        f"train.batch_size, which is {training.params.batch_size}; what is finished is kept"
    )


def _which(training: Training) -> str:
    name = training.model.describe().name
    return f"a training of {name}, {training.digest[:12]}..."
