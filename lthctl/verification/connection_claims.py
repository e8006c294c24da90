"""Claims about connections of two runs. Networks between them are not evaluated again."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lthctl.artifacts.connection_folder import ConnectionFolder, end_of
from lthctl.artifacts.folders import RunFolder
from lthctl.errors import LthctlError
from lthctl.verification.checks import Check, Failed, Unchecked, expect


def connection_claims(path: Path, runs: Sequence[Path]) -> list[Check]:
    """Check what a connection's files tell.

    Args:
      path: its folder.
      runs: folders of runs, among which its own are looked for.
    """
    folder = ConnectionFolder(path)
    return [
        _checked(path, claim, check)
        for claim, check in (
            ("a connection's digests are right", lambda: _whole(folder)),
            ("its barriers are those of its path", lambda: _barriers(folder)),
            ("its runs are the ones found here", lambda: _runs_match(folder, runs)),
        )
    ]


def _checked(path: Path, claim: str, check: Callable[[], str]) -> Check:
    try:
        return Check(path, claim, "held", check())
    except Unchecked as why:
        return Check(path, claim, "unchecked", str(why))
    except (Failed, LthctlError) as why:
        return Check(path, claim, "failed", str(why))


def _whole(folder: ConnectionFolder) -> str:
    folder.check_files()
    return f"{folder.document.points} networks, engine {folder.document.engine}"


def _barriers(folder: ConnectionFolder) -> str:
    connection = folder.connection
    height = connection.barriers[connection.judged].height
    return f"{100 * height:.2f} points, of the {connection.judged} images"


def _runs_match(folder: ConnectionFolder, runs: Sequence[Path]) -> str:
    request = folder.document.request
    found = {}
    for path in runs:
        try:
            found[RunFolder(path).digest] = RunFolder(path)
        except LthctlError:  # which the run's own claims tell
            continue
    for end in (request.a, request.b):
        if end.run not in found:
            raise Unchecked(
                f"the run {end.ticket}, {end.variant} with digest {end.run[:12]}... is not at or "
                "below the paths: give it too"
            )
        run = found[end.run]
        expect("what it says of a run", end, end_of(run))
        expect("the data", request.data, run.document.data.digest)
    return f"{found[request.a.run].path} and {found[request.b.run].path}"
