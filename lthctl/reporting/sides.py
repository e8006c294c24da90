"""What one argument of a comparison holds: tickets and runs by their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.csv_table import CSV_LIMIT
from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    REWIND_FILE,
    RUN_JSON,
    TICKET_JSON,
)
from lthctl.artifacts.revision import Place
from lthctl.artifacts.run import Run, run_of
from lthctl.artifacts.sealed import JSON_LIMIT
from lthctl.artifacts.tensors import TENSORS_LIMIT
from lthctl.artifacts.ticket import Ticket, ticket_of
from lthctl.canonical import Json
from lthctl.errors import LthctlError, PathError
from lthctl.reading import find_folders
from lthctl.reporting.dead_units import channels_of, units_of

FILES: Mapping[str, int] = {
    TICKET_JSON: JSON_LIMIT,
    MASK_FILE: TENSORS_LIMIT,
    INIT_FILE: TENSORS_LIMIT,
    REWIND_FILE: TENSORS_LIMIT,
    RUN_JSON: JSON_LIMIT,
    HISTORY_FILE: CSV_LIMIT,
}
"""What comparing reads of a folder, with the most bytes of each; the final weights of runs are not
among it."""


@dataclass(frozen=True, eq=False)
class Side:
    """What one argument of a comparison holds: tickets and runs by their names, which are paths
    below it.

    Attributes:
      label: the argument.
      tickets, runs: name -> ticket or run; the name is "" where the argument itself is one.
      folders: name -> its folder, of which the document was read.
      place: where it is, or was copied to.
    """

    label: str
    tickets: Mapping[str, Ticket]
    runs: Mapping[str, Run]
    folders: Mapping[str, TicketFolder | RunFolder]
    place: Place

    def __repr__(self) -> str:
        return f"Side {self.label}: {len(self.tickets)} tickets, {len(self.runs)} runs"

    @property
    def is_single(self) -> bool:
        return len(self.tickets) + len(self.runs) == 1

    def named(self, name: str) -> str:
        """A ticket or run of this side as an argument of its own."""
        _, path, revision = self.place
        named = f"{path.rstrip('/')}/{name}" if name else path
        return named if revision is None else f"{named}@{revision}"


def read_side(label: str, place: Path | Place) -> Side:
    """All tickets and runs at or below a path.

    Args:
      label: what the path is called.
      place: where it is.

    Raises:
      PathError: there is none, or some cannot be read; all of them are named.
    """
    where = place if isinstance(place, Place) else Place(place, label, None)
    path = where.folder
    faults: list[str] = []
    tickets: dict[str, Ticket] = {}
    runs: dict[str, Run] = {}
    folders: dict[str, TicketFolder | RunFolder] = {}
    for marker in (TICKET_JSON, RUN_JSON):
        below = find_folders([path], marker)
        faults += [reason for _, reason in below.unread if reason not in faults]
        for found in below.folders:
            name = found.relative_to(path).as_posix().removeprefix(".")
            try:
                if marker == TICKET_JSON:
                    folders[name] = folder = TicketFolder(found)
                    tickets[name] = ticket_of(folder)
                else:
                    folders[name] = run_folder = RunFolder(found)
                    runs[name] = run_of(run_folder, with_weights=False)
            except LthctlError as error:
                faults.append(str(error))
    if faults:
        raise PathError("\n".join(faults))
    if not folders:
        raise PathError(
            f"{label}: holds no ticket and no run, nor does anything below it; expected a folder "
            f"with a {TICKET_JSON} "
            f"or a {RUN_JSON}. Where DVC tracks it, `dvc checkout` restores it"
        )
    return Side(label, tickets, runs, folders, where)


def facts(side: Side) -> list[Json]:
    """What a side's tickets and runs say of themselves, with what can be counted in their arrays; a
    document each."""
    documents: list[Json] = []
    for name, ticket in side.tickets.items():
        units = units_of(ticket.mask)
        counted: Json = {
            "size": ticket.mask.size,
            "kept": ticket.mask.num_kept,
            "units": units and units.to_json(),
        }
        if channels := channels_of(ticket.mask, ticket.model.name):
            counted["channels"] = [vars(layer) for layer in channels]
        documents.append({"path": side.named(name), **side.folders[name].json, **counted})
    for name, run in side.runs.items():
        history = [row._asdict() for row in run.history]
        documents.append({"path": side.named(name), **side.folders[name].json, "history": history})
    return documents
