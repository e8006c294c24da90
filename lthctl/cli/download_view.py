"""Progress of files that arrive over a network."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from lthctl.cli.terminal import plain


class DownloadProgress:
    """A bar for each file on a terminal, gone in the end; nothing elsewhere.

    Args:
      console: for stderr.
      enabled: whether to show anything at all.
    """

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (enabled and console.is_terminal),
        )
        self._enabled = enabled
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> "DownloadProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line above the bars."""
        if self._enabled:
            self._console.print(plain(text), soft_wrap=True)

    def on_bytes(self, name: str, received: int, total: int) -> None:
        """What of a file is there; `total` is 0 if not known. A second try begins anew."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=None)
        self._progress.update(self._bars[name], completed=received, total=total or None)
