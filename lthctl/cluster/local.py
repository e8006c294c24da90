"""Workers as processes of this machine."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lthctl.cluster.plan_file import read_plan
from lthctl.cluster.workplace import JobState, tail
from lthctl.cores import num_cores
from lthctl.errors import ParamsError
from lthctl.training.devices import num_gpus

LOGS = "logs"

VISIBLE = "CUDA_VISIBLE_DEVICES"


class LocalWorkplace:
    """Starts workers here; see `Workplace`. A job is the number of a process."""

    words = "processes of this machine"

    def __init__(self, plan: Path, num_jobs: int | None, settings: Mapping[str, str]) -> None:
        if settings:
            raise ParamsError(f"--slurm: {', '.join(settings)} are for --on slurm, not for local")
        self._plan, self._num_jobs = plan, num_jobs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def script(self, count: int) -> str:
        return "".join(f"{shlex.join(self._command(count))} &\n" for _ in range(count)) + "wait\n"

    def start(self, count: int) -> list[str]:
        folder = self._plan.parent / LOGS
        folder.mkdir(exist_ok=True)
        jobs = []
        for number in range(count):
            with (folder / "starting").open("wb") as log:
                process = subprocess.Popen(
                    self._command(count),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self._share(number, count)},
                    start_new_session=True,  # Ctrl-C is for the command, which ends its workers
                )
            (folder / "starting").replace(self._log(str(process.pid)))
            self._processes[str(process.pid)] = process
            jobs.append(str(process.pid))
        return jobs

    def look(self, jobs: Sequence[str]) -> dict[str, JobState]:
        return {job: self._state(job) for job in jobs}

    def cancel(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            if self._state(job).kind != "ended":
                with suppress(OSError):
                    os.kill(int(job), signal.SIGTERM)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)

    def log(self, job: str) -> str:
        return tail(self._log(job))

    def _state(self, job: str) -> JobState:
        process = self._processes.get(job)
        if process is None:  # another command's
            return JobState("running" if _works_on(job, self._plan) else "ended")
        code = process.poll()
        if code is None:
            return JobState("running")
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return JobState("ended", how)

    def _log(self, job: str) -> Path:
        return self._plan.parent / LOGS / f"{job}.log"

    def _command(self, count: int) -> list[str]:
        plan, jobs = read_plan(self._plan), self._num_jobs
        if jobs is None and plan.said.device != "cuda":  # of GPUs a worker takes one each
            jobs = max(1, num_cores() // count)
        # Nothing in the working folder takes the place of an installed module.
        python = [sys.executable, "-P", "-m", "lthctl"]
        at_a_time = [] if jobs is None else ["--jobs", str(jobs)]
        trust = [word for name in plan.code for word in ("--trust", name)]
        return [*python, "work", str(self._plan), *at_a_time, *trust]

    def _share(self, number: int, count: int) -> dict[str, str]:
        """What one of several workers is told of its GPUs, as each would else take all."""
        if count == 1 or read_plan(self._plan).said.device != "cuda" or num_gpus() < 2:
            return {}
        seen = os.environ.get(VISIBLE) or ",".join(map(str, range(num_gpus())))
        gpus = seen.split(",")
        return {VISIBLE: ",".join(gpus[number::count] or [gpus[number % len(gpus)]])}


def _works_on(job: str, plan: Path) -> bool:
    """Whether a process of this machine works on a plan."""
    return job.isdecimal() and os.fsencode(plan) in _command_of(int(job))


def _command_of(process: int) -> bytes:
    """The command line of a process; nothing where there is none."""
    with suppress(OSError):
        if sys.platform != "linux":  # macOS has no /proc
            ask = ["/bin/ps", "-ww", "-o", "args=", "-p", str(process)]
            return subprocess.run(ask, capture_output=True).stdout
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
