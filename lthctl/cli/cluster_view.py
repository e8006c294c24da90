"""How many workers get on, on the terminal: a bar of all, who trains what, and who waits why."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID

from lthctl.cli.bars import PlainLines, bars, time_left
from lthctl.cli.console import errors_console, say
from lthctl.cli.terminal import plain
from lthctl.cluster.coordinator import Team
from lthctl.cluster.progress import Picture, Viewer
from lthctl.cluster.verifying import verify_on
from lthctl.grid.tasks import Task
from lthctl.params import Params
from lthctl.verification.checks import Check

MOST_SHOWN = 16  # trainings, with a bar each


class TeamProgress(Viewer):
    """One live display on a terminal, elsewhere a plain line every half minute.

    Args:
      console: for stderr.
      verb: what is being done, such as "pruning".
      enabled: whether to show anything but trouble.
    """

    def __init__(self, console: Console, *, verb: str, enabled: bool) -> None:
        self._enabled = enabled
        self._lines = PlainLines(console, enabled=enabled)
        self._queue = ""
        self._progress = bars(console, enabled=enabled, per_second=2)
        self._verb = verb
        self._all = self._progress.add_task(verb, total=None, note="")
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> "TeamProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, tasks: Sequence[Task]) -> None:
        self._progress.update(self._all, note=f"0/{len(tasks)}")

    def note(self, text: str) -> None:
        self._progress.console.print(plain(text), soft_wrap=True)

    def shown(self, picture: Picture) -> None:
        note = _counts(picture)
        self._progress.update(
            self._all, total=picture.work or None, completed=picture.work_done, note=note
        )
        self._show_running(picture)
        queue = _queue(picture)
        if queue != self._queue:
            self._queue = queue
            if queue and self._enabled:
                self.note(queue)
        if self._lines.is_due():
            running = ", ".join(
                f"{one.name} {100 * one.step // max(1, one.steps)} % on {worker.host}"
                for worker, one in picture.running[:MOST_SHOWN]
            )
            left = time_left(self._progress.tasks[0])
            self.note(f"{self._verb}: {note}, {left} left{running and f'; {running}'}")

    def _show_running(self, picture: Picture) -> None:
        shown = {}
        for worker, one in picture.running[:MOST_SHOWN]:
            key = f"{one.name} on {worker.host} ({worker.job})"
            known = self._bars.pop(key) if key in self._bars else None
            shown[key] = known or self._progress.add_task(one.name, note="")
            self._progress.update(
                shown[key],
                total=one.steps,
                completed=one.step,
                note=f"{worker.host}, {worker.job}",
            )
        for gone in self._bars.values():
            self._progress.remove_task(gone)
        self._bars = shown


def verify_by_workers(
    paths: Sequence[Path], params: Params, team: Team, data: Path | None, *, quiet: bool
) -> list[Check] | None:
    """What workers found; None where they were left to themselves."""
    with TeamProgress(errors_console(), verb="verifying", enabled=not quiet) as viewer:
        checks = verify_on(paths, params, team, viewer, data=data)
    if checks is None:
        say(f"{team.workers} workers go on by themselves; the same command attaches again")
    return checks


def _counts(picture: Picture) -> str:
    done = len(picture.tasks) - len(picture.left)
    parts = [f"{done}/{len(picture.tasks)}", f"{picture.num_running} workers"]
    queued = sum(picture.queued.values())
    parts += [f"{queued} queued"] if queued else []
    more = len(picture.running) - MOST_SHOWN
    parts += [f"{more} more trainings"] if more > 0 else []
    return ", ".join(parts)


def _queue(picture: Picture) -> str:
    """Why workers wait, in the words of the workplace."""
    reasons = [f"{count} ({reason})" for reason, count in sorted(picture.queued.items()) if reason]
    return f"workers that wait for a place: {', '.join(reasons)}" if reasons else ""
