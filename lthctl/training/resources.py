"""What a training may use that changes no byte of its result."""

from dataclasses import dataclass, field

from lthctl.training.checkpoints import Checkpoints, NoCheckpoints


@dataclass(frozen=True)
class Resources:
    """What a training may use that changes no byte of its result. So it is no part of any digest.

    Attributes:
      checkpoints: where it is kept how far it is.
      device: which of the devices of its kind it runs on, such as "cuda:1" for a training on
        "cuda"; None for the one that torch takes.
    """

    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)
    device: str | None = None
