"""What `lthctl run` does, for Python: data, tickets, runs and report in one go."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lthctl.datasets.entry import DATASETS, open_folder
from lthctl.datasets.mirrors import OnBytes
from lthctl.errors import DataError
from lthctl.grid.dvc import refuse_if_owned
from lthctl.grid.grid import Grid
from lthctl.grid.grids import experiment_grid, folders_of
from lthctl.grid.outcome import Outcome
from lthctl.grid.watcher import Watcher
from lthctl.params import DataParams, Params
from lthctl.reporting.claims_file import load_claims
from lthctl.reporting.report import FinishedReport, report


@dataclass(frozen=True)
class FinishedExperiment:
    """What became of an experiment.

    Attributes:
      grid: the folders of its tickets and runs.
      outcome: what became of them.
      report: of all its runs; None where there is none.
      folder: where the report is.
    """

    grid: Grid
    outcome: Outcome
    report: FinishedReport | None
    folder: Path


def run(
    params: Params | None = None,
    *,
    control: str | Sequence[str] | None = None,
    name: str = "run",
    data: Path | str | None = None,
    num_jobs: int | None = None,
    executor: str = "threads",
    replace: bool = False,
    watcher: Watcher | None = None,
    announce: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes | None = None,
    store: Path | str | None = None,
    claims: Path | str | None = None,
    make: Callable[[Grid], Outcome | None] | None = None,
    devices: Sequence[str] = (),
) -> FinishedExperiment:
    """Fetch the data, make tickets and their runs, and report on them.

    What is there already stays as it is. So more seeds, or more ratios, add what is missing. The
    dense network of each seed is always among the tickets, as the report compares with it.

    Args:
      params: all sections are read.
      control: what training starts from, one or some; "rewind", "reinit", "shuffle", or your own as
        "module:name"; see `experiment_grid`.
      name: of the folders masks/<name>, runs/<name> and report/<name>.
      data: folder of the dataset; data/<its name> if not given. What is missing in it is fetched,
        where lthctl knows from where.
      num_jobs: trainings that run at the same time; see `Grid.run`.
      executor: where trainings run, "threads" or "processes". It changes no byte.
      replace: replace tickets and runs that are something else.
      watcher: is told what happens.
      announce: called with a sentence on what is fetched.
      on_bytes: called as bytes arrive, with a file's name, the bytes so far, and those in all or 0.
      store: where finished trainings are kept; see `ticket_grid`.
      claims: a YAML file with the claims of a paper, which the report judges.
      make: makes the folders in the place of this process, such as workers do. Where it returns
        None they are being made, and there is no report yet.
      devices: those that trainings are spread over; see `Grid.run`.

    Returns:
      What became of all. Trainings that failed are named in its outcome.

    Raises:
      ParamsError: an experiment is impossible, there is no such control, or the claims cannot be
        read.
      DataError: the dataset cannot be had.
      OutputError: DVC owns a folder, it holds something else, or it cannot be written.

    Example:
      >>> run(Params().override({"prune.seed": "1-5"})).report.summary_rows()
    """
    params = params or Params()
    if claims is not None:
        load_claims(Path(claims))  # what is wrong with them is said before hours of training
    masks, runs = folders_of(name)
    folder = Path("report", name)
    refuse_if_owned(masks, runs, folder)
    place = None if data is None else Path(data)
    _fetch_missing(params.data, place, announce, on_bytes)
    grid = experiment_grid(params, control=control, name=name, data=place, store=store)
    watcher = watcher or Watcher()
    if make is None:
        outcome = grid.run(
            num_jobs, executor=executor, replace=replace, watcher=watcher, devices=devices
        )
    else:
        by_others = make(grid)
        if by_others is None:
            return FinishedExperiment(grid, Outcome(), None, folder)
        outcome = by_others
    if not any(runs in path.parents for path in (*outcome.written, *outcome.present)):
        return FinishedExperiment(grid, outcome, None, folder)
    watcher.reporting()
    made = report(runs, masks=masks, out=folder, params=params.report, claims=claims)
    return FinishedExperiment(grid, outcome, made, folder)


def _fetch_missing(
    params: DataParams,
    folder: Path | None,
    announce: Callable[[str], None],
    on_bytes: OnBytes | None,
) -> None:
    """Fetch what is missing or altered of a dataset, if it can be fetched."""
    entry = DATASETS.get(params.name)
    try:
        open_folder(params, folder)
    except DataError:
        if entry.download is None:
            raise
        if folder is not None and _holds_others(folder, entry.files):
            raise DataError(
                f"{folder}: holds none of the files of {params.name}, but others; if they are "
                "yours, give --dataset folder, or npz, or another; to fetch "
                f"{params.name} there all the same: lthctl download {params.name} --out {folder}"
            ) from None
        entry.download(folder or entry.folder, announce=announce, on_bytes=on_bytes)


def _holds_others(place: Path, files: Collection[str]) -> bool:
    """Whether a place has something in it, and none of some files."""
    if not place.is_dir():
        return place.exists()
    try:
        found = {path.name for path in place.iterdir() if not path.name.startswith(".")}
    except OSError:  # whoever writes there says so
        return False
    packed = {f"{name}.gz" for name in files}
    return bool(found) and found.isdisjoint({*files, *packed})
