"""Links that lead out of the working folder: nothing is written or deleted behind them unasked.

Somebody else may have put them there. With a link `report`, a report would take the place of files
anywhere. Whoever means that place can name it.
"""

import os
from functools import lru_cache
from pathlib import Path

from lthctl.errors import OutputError


def refuse_links_outwards(path: Path) -> None:
    """Refuse a relative path whose folder lies behind a link that leads out of the working folder.

    A path that is absolute, or begins with "..", names its place itself.

    Raises:
      OutputError: there is such a link.
    """
    if path.is_absolute():
        return
    folder = os.path.dirname(path)  # noqa: PTH120  # an empty one is that of the name
    if leads_to := _outwards(str(Path.cwd()), folder):
        raise OutputError(
            f"{path}: is behind a link that leads out of this folder, to {leads_to}; name that "
            "place itself, or take the link away"
        )


@lru_cache(maxsize=4096)  # a link that comes later is one's own
def _outwards(here: str, folder: str) -> str | None:
    """Where a folder really is, if it is not below `here` although it is written so."""
    written, real = Path(os.path.normpath(f"{here}/{folder}")), os.path.realpath(f"{here}/{folder}")
    return real if written.is_relative_to(here) and not Path(real).is_relative_to(here) else None
