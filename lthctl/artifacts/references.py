"""Which trainings of a store tickets and runs came from."""

from collections.abc import Sequence
from pathlib import Path

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import RUN_JSON, TICKET_JSON
from lthctl.artifacts.store import Store
from lthctl.canonical import digest_of_arrays
from lthctl.errors import RunError
from lthctl.reading import find_folders, is_there


def unreferenced(store: Store, paths: Sequence[Path]) -> list[str]:
    """The trainings of a store that no ticket and no run at or below some paths came from.

    A run names its training. A ticket names the weights that its rounds ended in, and holds
    those that it rewinds to: a training is kept for them. A ticket that is not finished, or a
    run elsewhere, is no reason to keep anything.

    Raises:
      TicketError, RunError: one of them is damaged, so that nobody knows what it came from.
      RunError: a path does not exist, or there is neither ticket nor run at or below it; or
        one of these, or a training, cannot be looked into.
    """
    trainings: set[str] = set()
    weights: set[str | None] = set()
    for path in paths:
        runs = find_folders([path], RUN_JSON).all_of_them(RunError)
        tickets = find_folders([path], TICKET_JSON).all_of_them(RunError)
        if not runs and not tickets:
            there = is_there(path, RunError)
            what = "holds neither ticket nor run" if there else "does not exist"
            raise RunError(
                f"{path}: {what}; name the folders of those whose trainings are to be kept"
            )
        trainings |= {RunFolder(folder).document.training for folder in runs}
        for ticket in map(TicketFolder, tickets):
            weights |= {after.trained for after in ticket.document.counts}
            if ticket.rewound is not None:
                weights.add(digest_of_arrays(ticket.rewound))
    unreferenced = []
    for digest in store:
        if digest in trainings:
            continue
        try:
            if weights and digest_of_arrays(store.read(digest).weights) in weights:
                continue
        except RunError as error:
            if error.unread:
                raise
            # It is damaged, and no use to anybody.
        unreferenced.append(digest)
    return unreferenced
