"""Where `lthctl report` writes, so that DVC's own report is left alone."""

from pathlib import Path

from lthctl.errors import OutputError

REPORT, BESIDE = Path("report"), Path("report/by-hand")


def report_folder(out: Path | None) -> Path:
    """Where a report goes: what was asked for, else a place that DVC will not overwrite.

    Raises:
      OutputError: DVC owns files there.
    """
    from lthctl.grid.dvc import refuse_if_owned

    folder = out or REPORT
    try:
        refuse_if_owned(folder / "index.html")
    except OutputError:
        if out is not None:
            raise
        refuse_if_owned(BESIDE / "index.html")
        return BESIDE
    return folder
