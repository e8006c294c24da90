"""`--to` of `lthctl report`: runs in trackers, and what is said of them."""

from collections.abc import Iterator, Mapping, Sequence

from lthctl.reporting.reading import Report
from lthctl.tracking.base import Tracker
from lthctl.tracking.track import open_tracker, track


def open_trackers(names: Sequence[str]) -> dict[str, Tracker]:
    """Name -> tracker, of each name once.

    Raises:
      ParamsError: there is no such tracker, or its library is not installed.
      OutputError: its store cannot be opened.
    """
    return {name: open_tracker(name) for name in dict.fromkeys(names)}


def log_runs(report: Report, trackers: Mapping[str, Tracker]) -> Iterator[str]:
    """Log all runs of a report to some trackers; a line for people about each."""
    runs = [
        run
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    ]
    runs += report.copies
    for name, tracker in trackers.items():
        tracked = track(runs, tracker)
        number = len(tracked.added)
        there = f", {tracked.num_known} were there already" if tracked.num_known else ""
        yield (
            f"{name}: {number} run{'' if number == 1 else 's'} logged{there}. To look at them: "
            f"{tracked.look}"
        )
