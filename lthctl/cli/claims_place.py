"""Where the claims of a report are: in the file that was asked for, else beside params.yaml."""

import os
from pathlib import Path

from typer import Context

from lthctl.cli.console import say
from lthctl.errors import PathError
from lthctl.reading import is_there

CLAIMS = "claims.yaml"


def claims_file(context: Context, asked: Path | None) -> Path | None:
    """The file with the claims; None where there is none.

    A stage of DVC reads what it names, and nothing else: DVC would not know that the report
    depends on the file.

    Args:
      context: of the command.
      asked: what was given.
    """
    above = context.parent
    if asked is not None or above is None:
        return asked
    beside = Path(above.params["params"]).parent / CLAIMS
    if not is_there(beside, PathError):
        return None
    if "DVC_STAGE" in os.environ:
        say(f"{beside}: not read, as this stage does not name it; add --claims {CLAIMS}, and a dep")
        return None
    return beside
