"""What torch has one of in a process, and must not change a training: threads, the generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lthctl.models.module import GENERATOR_LOCK


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """In here torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """In here nobody else uses torch's global generator, which is as seeded."""
    with GENERATOR_LOCK, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
