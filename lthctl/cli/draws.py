"""Draws that were typed, and that no control has a use for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lthctl.cli.parameters import is_set, is_typed
from lthctl.errors import ParamsError

if TYPE_CHECKING:
    from lthctl.params import Params


def refuse_draws_of_none(context: Any, controls: Sequence[str], params: "Params") -> None:
    """Refuse several draws that were typed where no control draws random numbers. Those of a file
    are for other controls, too.

    Raises:
      ParamsError: no control draws any; or there is no such control.
    """
    from lthctl.grid.grids import known_controls
    from lthctl.lottery.controls import draws_of

    draws = params.retrain.draws
    if not is_typed(context, "draws") and not is_set(context, "retrain.draws"):
        return
    if draws > 1 and all(len(draws_of(name, draws)) == 1 for name in known_controls(controls)):
        raise ParamsError(
            f"--draws: is {draws}, but {', '.join(controls)} draws no random numbers, and every "
            "draw would be the same; leave it out"
        )
