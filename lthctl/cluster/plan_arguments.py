"""What a plan says of its grid besides the parameters, and the grid that a worker makes of it."""

from collections.abc import Mapping
from pathlib import Path

from lthctl.grid import grids
from lthctl.grid.as_found import Sources
from lthctl.grid.asked import ReadTicket
from lthctl.grid.grid import Grid
from lthctl.grid.runs_of_read_tickets import runs_of_read_tickets
from lthctl.params import Params, RoundParams
from lthctl.params.section import Section


class GridArguments(Section):
    """Those of one function that makes a grid."""

    def grid(self, params: Params, store: Path, *, look: bool) -> Grid:
        """The grid, made in the working folder; see `WorkPlan.grid`."""
        raise NotImplementedError


class TicketArguments(GridArguments):
    """Those of `ticket_grid`."""

    data: str | None
    out: str

    def grid(self, params: Params, store: Path, *, look: bool) -> Grid:
        return grids.ticket_grid(params, data=self.data, out=self.out, store=store, look=look)


class RunArguments(GridArguments):
    """Those of `run_grid`, and the tickets that it has read."""

    paths: list[str]
    control: list[str]
    data: str | None
    out: str
    held_to: list[str]
    tickets: dict[str, list[ReadTicket]]
    beside: list[RoundParams]
    """The settings of those tickets beside others that hold none."""

    def grid(self, params: Params, store: Path, *, look: bool) -> Grid:
        data = None if self.data is None else Path(self.data)
        if not look:
            grids.known_controls(self.control)
            paths = [Path(path) for path in self.paths]
            sources = Sources(params, data, paths, self.held_to, self.beside)
            return runs_of_read_tickets(
                {name: self.tickets.get(name, []) for name in self.control},
                sources,
                params=params,
                out=Path(self.out),
                store=store,
            )
        return grids.run_grid(
            self.paths,
            control=self.control,
            params=params,
            data=data,
            out=self.out,
            store=store,
            held_to=self.held_to,
        )


class ExperimentArguments(GridArguments):
    """Those of `experiment_grid`."""

    control: list[str]
    name: str
    data: str | None

    def grid(self, params: Params, store: Path, *, look: bool) -> Grid:
        return grids.experiment_grid(
            params, control=self.control, name=self.name, data=self.data, store=store, look=look
        )


class VerifyArguments(Section):
    """Those of `lthctl verify --replay`, for which no grid is made."""

    paths: list[str]
    data: str | None


ARGUMENTS: Mapping[str, type[GridArguments | VerifyArguments]] = {
    "ticket_grid": TicketArguments,
    "run_grid": RunArguments,
    "experiment_grid": ExperimentArguments,
    "verify": VerifyArguments,
}
"""What a plan names -> what it says of it."""
