"""What a grid was asked for, in values that a file can hold."""

from dataclasses import dataclass

from lthctl.canonical import Json
from lthctl.params import Params
from lthctl.params.section import Section


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


class ReadTicket(Section):
    """A ticket that is to be retrained, as the command that was asked has read it."""

    name: str
    path: str
    digest: str
    sibling: tuple[str, str] | None = None
    """Path and digest of the ticket of another seed, where the control takes one."""
