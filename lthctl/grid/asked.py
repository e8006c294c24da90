"""What a grid was asked for, in values that a file can hold."""

from dataclasses import dataclass

from lthctl.canonical import Json
from lthctl.params import Params


@dataclass(frozen=True)
class Asked:
    """A function of `lthctl.grid.grids`, and what it was called with.

    Attributes:
      function: its name.
      params: the parameters.
      arguments: all others, as JSON values.
    """

    function: str
    params: Params
    arguments: Json
