"""Which tickets a control is for."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from lthctl.artifacts.folders import TicketFolder
from lthctl.artifacts.ticket import find_tickets
from lthctl.errors import ParamsError
from lthctl.params import RetrainParams


def wanted_tickets(params: RetrainParams, control: str, paths: Sequence[Path]) -> list[Path]:
    """The folders of the tickets at or below some paths that a control is for.

    Raises:
      ParamsError: `retrain.tickets` names one that is not there. Where single tickets are given,
        and no folder of them, that is no fault.
      TicketError: there is none, or one is damaged.
    """
    documents = {path: TicketFolder(path).document for path in find_tickets(*paths)}
    if documents.keys() != set(paths):
        names = {document.name_of_replicates for document in documents.values()}
        refuse_unknown(params, control, names, where=", ".join(map(str, paths)))
    return [
        path
        for path, document in documents.items()
        if params.wants(control, document.method, document.name_of_replicates)
    ]


def refuse_unknown(
    params: RetrainParams, control: str, names: Collection[str], *, where: str
) -> None:
    """Refuse names in `retrain.tickets` that no ticket has.

    Args:
      params: what a control is for.
      control: the control.
      names: of the tickets that there are, without their seeds.
      where: they are.

    Raises:
      ParamsError: there are such names; all of them are named.
    """
    missing = [
        name
        for name in params.tickets.get(control, ())
        if not any(fnmatchcase(there, name) for there in names)
    ]
    if missing:
        raise ParamsError(
            f"retrain.tickets: {control} is for {', '.join(missing)}, and there is no such ticket "
            f"in {where}; there are {', '.join(sorted(set(names)))}"
        )
