"""Workers whose clocks differ by days, as those of machines may: nothing is trained twice."""

import collections
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lthctl.cluster.plan_file import write_plan
from lthctl.grid.grids import ticket_grid
from lthctl.params_file import load_params

from .test_disk import tree
from .test_workers import wait_until, write_slow_executor

DAY = 86_400

# What a machine has of its own: a name, a clock, and perhaps locks that reach no other machine.
MACHINE = """
import os
if "MACHINE" in os.environ:
    import platform, time
    from lthctl.artifacts import heartbeat, leases
    name, shift = os.environ["MACHINE"], float(os.environ["SHIFT"])
    seconds, nanoseconds, since_boot = time.time, time.time_ns, time.monotonic
    platform.node = lambda: name
    time.time = lambda: seconds() + shift
    time.time_ns = lambda: nanoseconds() + int(shift * 1e9)
    time.monotonic = lambda: since_boot() + abs(shift)
    heartbeat.STALE_SECONDS, heartbeat.BEAT_SECONDS = 4.0, 0.5
    if "NO_LOCKS" in os.environ:
        leases.take_lock = lambda *_, **__: None
"""

Work = Callable[[str, float], subprocess.Popen[str]]


@pytest.fixture
def work(workspace_of_workers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Starts a worker of a machine, whose clock goes so many seconds before or after ours."""
    site = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0], "sitecustomize.py")
    site.write_text(site.read_text() + MACHINE)
    write_slow_executor(0.5)
    started: list[subprocess.Popen[str]] = []

    def run(name: str, shift: float) -> subprocess.Popen[str]:
        (plan,) = Path(".lthctl/plans").glob("*/plan.json")
        command = [sys.executable, "-P", "-m", "lthctl", "work", str(plan), "--jobs", "1"]
        own = {"MACHINE": name, "SHIFT": str(shift)}
        started.append(
            subprocess.Popen(
                [*command, "--trust", "slow:Slow"],
                env=os.environ | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def trained_by(name: str) -> list[str]:
    """What the workers of a machine have trained, by digest."""
    tables = Path(".lthctl").glob(f"plans/*/trained/*-{name}-*.csv")
    return [line.split(",")[0] for one in tables for line in one.read_text().splitlines()[1:]]


@pytest.mark.long
@pytest.mark.parametrize("is_by", ["locks", "leases"])
def test_clocks_that_differ_by_days_cost_nothing(
    work: Work, monkeypatch: pytest.MonkeyPatch, is_by: str
) -> None:
    """One of them is killed, too: what it had is taken over once it is lost by the server's clock."""
    params = load_params(Path("params.yaml")).override({"prune.method": ("l1",), "prune.rounds": 3})
    ticket_grid(params, out="one", store="other").run()
    grid = ticket_grid(params)
    assert grid.asked is not None
    write_plan(grid.asked, Path(".lthctl"), executor="slow:Slow", device=grid.device)
    if is_by == "leases":
        monkeypatch.setenv("NO_LOCKS", "1")
    ahead, behind = work("ahead", DAY), work("behind", -DAY)
    wait_until(lambda: trained_by("ahead") and trained_by("behind"))
    behind.kill()
    _, errors = ahead.communicate(timeout=60)
    assert ahead.returncode == 0, errors
    assert tree(Path("masks")) == tree(Path("one"))
    done = collections.Counter([*trained_by("ahead"), *trained_by("behind")])
    assert len(done) == 6 and set(done.values()) == {1}
