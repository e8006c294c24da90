"""Names the fast tests that take long, at the end of a run.

Each edit is followed by the fast tests. So what takes more than a moment has the mark `long`, and
`make test-all` runs it. What counts is processor time, which hardly depends on what else runs. It
is no failure: the first test that needs torch or a kernel pays for loading it.
"""

import gc
import os
from collections.abc import Generator
from typing import Any

import pytest

MOMENT = 0.3
"""What a fast test may take, in seconds of processor time, those of its processes included."""

MARKS = {"browser", "dvc", "long", "network", "slow", "slurm"}
"""Those of tests that are not fast."""

_MOST = 12  # lines

_long: list[tuple[float, str]] = []


def is_fast(item: pytest.Item) -> bool:
    return not any(mark.name in MARKS for mark in item.iter_markers())


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def pytest_collection_finish() -> None:
    """What there is by now, torch and thousands of tests, stays: nobody need look whether it is
    garbage, again and again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = _processor_seconds()
    result = yield
    seconds = _processor_seconds() - before
    if seconds > MOMENT and is_fast(item):
        _long.append((seconds, item.nodeid))
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over what it has seen."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["long"] = _long


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    seen = getattr(node, "workeroutput", {}).get("long", [])
    _long.extend((seconds, name) for seconds, name in seen)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _long:
        return
    title = f"{len(_long)} fast tests took more than {MOMENT} s of processor time"
    terminalreporter.section(title)
    for seconds, name in sorted(_long, reverse=True)[:_MOST]:
        terminalreporter.line(f"{seconds:5.1f} s  {name}")
