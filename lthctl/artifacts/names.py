"""The names of tickets and of their files."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

IMPORTED = "imported"
"""Method of tickets whose masks were made elsewhere; `imported-<label>` where there are several
kinds."""


def is_imported(method: str) -> bool:
    """Whether a ticket of this method holds a mask that lthctl did not make."""
    return method.partition("-")[0] == IMPORTED


def folder_part(name: str) -> str:
    """The name of a method or a control as part of a folder's name.

    A colon is no part of a path everywhere, so `mypackage.scores:taylor` becomes
    `mypackage.scores.taylor`.
    """
    return name.replace(":", ".")


class Variant(NamedTuple):
    """What sets a run apart from others of its ticket.

    Attributes:
      control: what it starts from.
      order_seed: of the order of its batches, where that is not the ticket's.
      draw: which of the control's draws, from 1.
    """

    control: str
    order_seed: int | None = None
    draw: int = 1


def variant_name(control: str, order_seed: int | None = None, draw: int = 1) -> str:
    """What sets a run apart from others of its ticket, for people: the control, which of its draws,
    and the seed of the order of its batches where that is not the ticket's.

    Example:
      >>> variant_name("rewind", 7)
      'rewind-order7'
    """
    drawn = f"-draw{draw}" if draw > 1 else ""
    return control + drawn + ("" if order_seed is None else f"-order{order_seed}")


def run_place(
    control: str, order_seed: int | None = None, draw: int = 1, ticket: str = ""
) -> PurePosixPath:
    """The folder of a run below that of all runs. Further draws have folders of their own inside
    their control's, under a name that no ticket has.

    Example:
      >>> str(run_place("reinit", draw=2, ticket="l1-r0.80-n5-s1"))
      'reinit/draw-2/l1-r0.80-n5-s1'
    """
    place = PurePosixPath(folder_part(variant_name(control, order_seed)))
    return (place / f"draw-{draw}" if draw > 1 else place) / ticket


def ticket_name(
    method: str,
    ratio: float,
    rounds: int,
    seed: int | None = None,
    *,
    per_round: float | None = None,
    variant: Sequence[str] = (),
) -> str:
    """The name of a ticket for people: `l1-r0.80-n5-s1`, `dense-s1`, `dense-w500-s1`. Two decimals
    of the ratio, more where it has more.

    Args:
      method, ratio, rounds: of the ticket.
      seed: of the ticket; without it, the name is that of all replicates.
      per_round: where every round removes this fraction, it stands in the place of the ratio:
        `l1-rate0.20-n7-s1`.
      variant: further words. Where the first tells the ratios of all layers, it stands in the place
        of the ratio: `l1-layers0.8_0.4-n1-s1`.
    """
    is_dense = ratio == 0 and not is_imported(method)
    if per_round is not None:
        size = f"rate{decimals(per_round)}"
    elif variant and variant[0].startswith("layers"):
        size, *variant = variant
    else:
        size = f"r{decimals(ratio)}"
    found = ["dense"] if is_dense else [folder_part(method), size, f"n{rounds}"]
    words = [*found, *variant]
    return "-".join(words if seed is None else [*words, f"s{seed}"])


def decimals(value: float) -> str:
    """A fraction with two decimals, or more where it has more."""
    shown = f"{value:.2f}"
    return shown if float(shown) == value else repr(value)


TICKET_JSON, MASK_FILE, INIT_FILE = "ticket.json", "mask.safetensors", "init.safetensors"


REWIND_FILE = "rewind.safetensors"
"""The weights of the step that a ticket rewinds to, where that is not the start."""


RUN_JSON, HISTORY_FILE, WEIGHTS_FILE = "run.json", "history.csv", "weights.safetensors"


TRAINING_JSON = "training.json"


CONNECTION_JSON, PATH_FILE = "connection.json", "path.csv"


def layer_order(name: str) -> tuple[object, ...]:
    """Sorts parameters by the numbers of their layers, weights before biases."""
    parts = [
        (part.isdigit(), int(part) if part.isdigit() else 0, _numbered(part))
        for part in name.split(".")[:-1]
    ]
    return parts, not name.endswith("weight"), name


def _numbered(part: str) -> list[str | int]:
    """Text and number in turn, so that conv10 comes after conv2."""
    return [int(one) if one.isdecimal() else one for one in re.split("([0-9]+)", part)]
