"""What can be proven of tickets and runs from their files alone, and by training again.

A claim is one sentence about one folder that held, failed, or could not be checked, with the
reason. Every claim is checked by itself, so that damage to one file leaves the others their
verdicts. Nothing here reads the store, and nothing is written. Digests show damage and
carelessness; against somebody who forges a ticket and seals it again stand the claims that are
recomputed, and training again.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lthctl.artifacts.folders import RunFolder, TicketFolder
from lthctl.artifacts.names import (
    CONNECTION_JSON,
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    PATH_FILE,
    RUN_JSON,
    TICKET_JSON,
    WEIGHTS_FILE,
)
from lthctl.datasets.base import DataDescription, Dataset
from lthctl.errors import LthctlError, TicketError
from lthctl.models.base import Model
from lthctl.reading import find_folders, is_there
from lthctl.verification.checks import Check
from lthctl.verification.connection_claims import connection_claims
from lthctl.verification.evidence import RunEvidence, TicketEvidence
from lthctl.verification.replay import Datasets, Replay
from lthctl.verification.run_claims import run_claims
from lthctl.verification.ticket_claims import ticket_claims


def verify(
    *paths: Path | str,
    replay: Dataset | Datasets | None = None,
    model: Model | None = None,
    num_jobs: int = 1,
    announce: Callable[[str], None] = lambda _: None,
) -> list[Check]:
    """Check everything that can be checked of the tickets, runs and connections at or below some
    paths.

    Args:
      paths: their folders, or folders above them. A run is checked against its ticket if that is
        among them.
      replay: train again and compare bytes; the dataset to do it with, or what finds one for a
        ticket's `data` and seed. No result is taken from a store. With None nothing is trained.
      model: needed for tickets that are not of an MLP.
      num_jobs: folders checked at the same time.
      announce: told in a sentence what is being trained.

    Returns:
      A check for every claim, folder by folder: tickets, runs, connections, each in the order of
      their paths.
      Before them a failed one for each folder that cannot be looked into.

    Raises:
      LthctlError: there is neither ticket nor run at or below a path.

    Example:
      >>> [check for check in verify("masks", "tickets") if check.state == "failed"]
      []
    """
    found = Verification(paths, replay=replay, model=model, announce=announce)
    pool = ThreadPoolExecutor(num_jobs)
    try:
        checks = [check for some in pool.map(found.check, found.folders) for check in some]
        return found.unread + checks + found.check_connections()
    finally:
        found.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def descriptions_of(*paths: Path | str) -> list[DataDescription]:
    """What the tickets and runs at or below some paths say of their data, each once; those that
    cannot be read are passed over.

    Raises:
      LthctlError: there is neither ticket nor run at or below a path.
    """
    tickets, runs, _, _ = _find([Path(path) for path in paths])
    found: list[DataDescription] = []
    folders: list[TicketFolder | RunFolder] = [
        *map(TicketFolder, tickets),
        *map(RunFolder, runs),
    ]
    for folder in folders:
        try:
            data = folder.document.data
        except LthctlError:
            continue
        if data is not None and data not in found:
            found.append(data)
    return found


class Verification:
    """What there is to be checked at or below some paths; see `verify` for the arguments.

    Attributes:
      folders: tickets, then runs, each in the order of their paths.
      unread: a failed check for each folder that cannot be looked into.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        replay: Dataset | Datasets | None,
        model: Model | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        tickets, self._runs, self._connections, self.unread = _find([Path(path) for path in paths])
        self._cancel = threading.Event()
        self._replay = None
        if replay is not None:
            datasets = (lambda *_: replay) if isinstance(replay, Dataset) else replay
            self._replay = Replay(datasets, announce, self._cancel)
        self._model = model
        # These keep their documents; their arrays are read again where they are needed, so that few
        # are in memory.
        may_import = self._may_import = replay is not None
        evidence = [TicketEvidence(path, model, may_import=may_import) for path in tickets]
        self._peers = [peer for peer in evidence if peer.is_whole]
        # Read once more for the claims about itself, which may succeed then.
        self.unread += [_unread(peer.path, peer.unread) for peer in evidence if peer.unread]
        self.folders: tuple[Path, ...] = (*tickets, *self._runs)

    def check(self, folder: Path) -> list[Check]:
        """Check one of the folders."""
        if folder in self._runs:
            run = RunEvidence(folder, self._model, may_import=self._may_import)
            return run_claims(run, self._peers, self._replay)
        ticket = TicketEvidence(folder, self._model, may_import=self._may_import)
        return ticket_claims(ticket, self._peers, self._replay)

    def check_connections(self) -> list[Check]:
        """Check the connections of the runs."""
        paths = self._connections
        return [check for path in paths for check in connection_claims(path, self._runs)]

    def cancel(self) -> None:
        """End the trainings that run."""
        self._cancel.set()


def _find(
    paths: Sequence[Path],
) -> tuple[list[Path], list[Path], list[Path], list[Check]]:
    """Folders of tickets, runs and connections, also of those whose JSON is gone; and a failed
    check for each folder that cannot be looked into."""
    tickets: set[Path] = set()
    runs: set[Path] = set()
    connections: set[Path] = set()
    unread: dict[Path, str] = {}
    for path in paths:
        of_tickets = find_folders([path], TICKET_JSON, MASK_FILE, INIT_FILE)
        of_runs = find_folders([path], RUN_JSON, HISTORY_FILE, WEIGHTS_FILE)
        joined = find_folders([path], CONNECTION_JSON, PATH_FILE)
        faults = of_tickets.unread + of_runs.unread + joined.unread
        if not (of_tickets.folders or of_runs.folders or joined.folders or faults):
            what = (
                "holds no ticket and no run, nor does anything below it"
                if is_there(path, TicketError)
                else "does not exist"
            )
            raise TicketError(
                f"{path}: {what}; expected folders with a {TICKET_JSON} or a {RUN_JSON}"
            )
        tickets.update(of_tickets.folders)
        runs.update(of_runs.folders)
        connections.update(joined.folders)
        unread.update(faults)
    checks = [_unread(place, reason) for place, reason in sorted(unread.items())]
    return sorted(tickets), sorted(runs), sorted(connections), checks


def _unread(place: Path, reason: str) -> Check:
    return Check(place, "everything can be looked into", "failed", reason)
