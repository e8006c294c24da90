"""Workers as jobs of a SLURM cluster, submitted by submitit.

SLURM starts a job again when its node is lost or when it is preempted, and a worker asks for that
itself when its time is up. Each start is the same worker anew: what was finished is in the store.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lthctl.artifacts.store import STORE_VARIABLE
from lthctl.cluster.crew import margin
from lthctl.cluster.plan_file import read_plan
from lthctl.cluster.settings import read_settings
from lthctl.cluster.slurm_queue import ask, in_its_words, look, seconds_left
from lthctl.cluster.workplace import JobState, tail
from lthctl.disk import write_errors
from lthctl.errors import ClusterError

WARNING = signal.SIGUSR2
"""What SLURM sends a job some time before its end, as submitit asks it to."""

JOBS = "jobs"
"""The folder of a plan with what submitit writes: scripts, and logs of jobs."""


class SubmittedWorker:
    """What a job runs.

    Args:
      plan: its file.
      num_jobs: trainings at a time; see `work`.
      seconds: that a job has.
      code: names of code of one's own that the plan names.
    """

    def __init__(
        self, plan: str, num_jobs: int | None, seconds: float, code: Sequence[str] = ()
    ) -> None:
        self._plan, self._num_jobs, self._seconds, self._code = plan, num_jobs, seconds, code

    def __call__(self) -> int:
        from lthctl.cluster.worker import work

        warning, job = _Warning(), job_name(os.environ)
        signal.signal(signal.SIGTERM, _interrupt)  # submitit has it passed over
        try:
            signal.signal(WARNING, warning)  # which submitit takes, and ends the process at once
            left = seconds_left(job)  # fewer than it asked for, if it took a while to come here
            shift = work(
                read_plan(Path(self._plan)),
                num_jobs=self._num_jobs,
                seconds=self._seconds if left is None else min(left, self._seconds),
                spare=margin(self._seconds),
                job=job,
                say=_say,
                trusted=self._code,
            )
        except KeyboardInterrupt:
            if not warning.came:
                raise
            _start_again(job)
            return 0
        if shift.is_over or warning.came:
            _start_again(job)
        return shift.outcome.num_trained

    def checkpoint(self) -> Any:
        """What submitit starts again when a job is told that its time is up."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class _Warning:
    """A signal that says the time is nearly up: what runs keeps a checkpoint and ends.

    Attributes:
      came: whether it has come.
    """

    came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.came:  # a second one would disturb the first
            self.came = True
            raise KeyboardInterrupt


def _start_again(job: str) -> None:
    _say("the time is up: asking SLURM to start this job again")
    subprocess.run(["scontrol", "requeue", job], check=False)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    """Write a line to the log of the job."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def job_name(environment: Mapping[str, str]) -> str:
    """A job as `squeue` names it."""
    array, number = (environment.get(f"SLURM_ARRAY_{key}", "") for key in ("JOB_ID", "TASK_ID"))
    return f"{array}_{number}" if array and number else environment.get("SLURM_JOB_ID", "")


class SlurmWorkplace:
    """Submits workers; see `Workplace`. A job is named as `squeue` names it."""

    words = "jobs of a SLURM cluster"

    def __init__(self, plan: Path, num_jobs: int | None, settings: Mapping[str, str]) -> None:
        self._plan = Path(os.path.realpath(plan))
        self._num_jobs = num_jobs
        self._settings = read_settings(settings)
        self._folder = self._plan.parent / JOBS
        self._seen: dict[str, JobState] = {}

    def script(self, count: int) -> str:
        from submitit.slurm.slurm import _make_sbatch_string

        parameters = self._parameters(count)
        if count > 1:
            parameters["map_count"] = count
        command = f"{self._settings.python} -u -m submitit.core._submit {self._folder}"
        text: str = _make_sbatch_string(command=command, folder=self._folder, **parameters)
        return text

    def start(self, count: int) -> list[str]:
        submitit = _submitit()
        ask("sbatch", "--version")
        make_private(self._folder)
        executor = submitit.SlurmExecutor(
            folder=self._folder, max_num_timeout=10**6, python=self._settings.python
        )
        executor.update_parameters(**self._parameters(count))
        seconds, code = 60 * self._settings.minutes, read_plan(self._plan).code
        worker = SubmittedWorker(str(self._plan), self._num_jobs, seconds, code)
        try:
            if count == 1:
                return [executor.submit(worker).job_id]
            with executor.batch():
                jobs = [executor.submit(worker) for _ in range(count)]
            return [job.job_id for job in jobs]
        except submitit.core.utils.FailedJobError as error:
            raise ClusterError(f"sbatch: {in_its_words(str(error))}") from None

    def look(self, jobs: Sequence[str]) -> dict[str, JobState]:
        """Where SLURM does not answer, such as when it is started anew, all is as it was."""
        try:
            self._seen |= look(jobs)
        except ClusterError:
            if not set(jobs) <= self._seen.keys():
                raise
        return {job: self._seen[job] for job in jobs}

    def cancel(self, jobs: Sequence[str]) -> None:
        if jobs:
            with suppress(ClusterError):  # over, or out of reach
                ask("scancel", *jobs)

    def log(self, job: str) -> str:
        found = [tail(self._folder / f"{job}_0_log.{end}") for end in ("out", "err")]
        return "\n".join(text for text in found if text)

    def _parameters(self, count: int) -> dict[str, Any]:
        return {
            "job_name": "lthctl",
            "time": self._settings.minutes,
            "array_parallelism": min(count, self._settings.at_once or count),
            # By then a worker runs nothing that would be finished.
            "signal_delay_s": max(5, int(margin(60 * self._settings.minutes) / 2)),
            "setup": self._settings.setup_lines,
            **self._settings.parameters,
        }


def make_private(folder: Path) -> None:
    """Make a folder that nobody else can write in: jobs run the pickles that lie there.

    Raises:
      OutputError: it cannot be made.
      ClusterError: it is another user's.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise ClusterError(
                f"{folder}: is a link or another user's, who could run code as you; delete it, or "
                f"use a store of your own: {STORE_VARIABLE}=DIR"
            )
        folder.chmod(0o700)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise ClusterError(
            "--on slurm: submitit is not installed; install it with pip install 'lthctl[slurm]'"
        ) from None
    return submitit
