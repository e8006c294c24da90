"""What a ticket is retrained from: its own weights, or a control.

Each has a file here, and an entry in `families`.

A control of one's own is a function `(ticket, model, stream) -> (mask, weights)`. It is called
`module:name` in `retrain --control`.
"""

from lthctl.lottery.controls.apply import apply_control
from lthctl.lottery.controls.base import (
    CONTROLS,
    Control,
    as_control,
    draws_of,
    first_step_of,
    own_control,
    variants_of,
)

__all__ = [
    "CONTROLS",
    "Control",
    "apply_control",
    "as_control",
    "draws_of",
    "first_step_of",
    "own_control",
    "variants_of",
]
