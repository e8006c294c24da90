"""What `lthctl show` and `lthctl compare` do, for Python: paths read, and paths compared."""

from contextlib import ExitStack
from pathlib import Path

from lthctl.artifacts.revision import placed
from lthctl.params import ReportParams
from lthctl.reporting import compare as comparing
from lthctl.reporting.compare import Comparison
from lthctl.reporting.sides import FILES, Side, read_side


def show(path: Path | str, *, fetch: bool = False) -> Side:
    """Read a ticket, a run, or all of them below a folder.

    Args:
      path: the folder; also `path@revision`, the path as it was in a git revision.
      fetch: whether remotes that its repository names may be asked for what is not here.

    Raises:
      PathError: there is none, or some cannot be read; all of them are named.

    Example:
      >>> show("masks").tickets["l1-r0.80-n5-s1"].mask.density
    """
    with placed(str(path), FILES, fetch=fetch) as place:
        return read_side(str(path), place)


def compare(
    *paths: Path | str, params: ReportParams | None = None, fetch: bool = False
) -> Comparison:
    """Compare tickets with tickets, or runs with runs.

    Two folders are compared name by name. Else everything is compared with everything.

    Args:
      paths: tickets, runs, or folders of them; also `path@revision`.
      params: confidence and margin of verdicts.
      fetch: whether remotes that a repository names may be asked for what is not here.

    Raises:
      ParamsError: there are not two things of a kind to compare.
      PathError: a path holds none, or some cannot be read.

    Example:
      >>> compare("masks@HEAD~1", "masks").tickets[0].same_mask
    """
    with ExitStack() as places:
        sides = [
            read_side(str(path), places.enter_context(placed(str(path), FILES, fetch=fetch)))
            for path in paths
        ]
    return comparing.compare(sides, params or ReportParams())
