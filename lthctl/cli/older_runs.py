"""A word for those whose runs are where older versions put them."""

from pathlib import Path

RUNS, OLDER_RUNS = Path("runs"), Path("tickets")


def older_runs_note(folder: Path) -> str | None:
    """What moved, where the default folder of runs is not there and that of older versions is.

    Args:
      folder: where the command looks for runs, or puts them.
    """
    from lthctl.artifacts.names import RUN_JSON
    from lthctl.reading import find_folders

    if folder != RUNS or RUNS.exists() or not OLDER_RUNS.is_dir():
        return None
    if not find_folders([OLDER_RUNS], RUN_JSON).folders:
        return None
    return (
        f"Runs live in {RUNS}/ now, and {OLDER_RUNS}/ holds yours: `git mv {OLDER_RUNS} {RUNS}` "
        f"moves them (`mv` where git does not track them), or name {OLDER_RUNS} as the path"
    )
