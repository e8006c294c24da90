"""What SLURM's own programs say, and errors in its words."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from lthctl.cluster.workplace import JobState
from lthctl.errors import ClusterError

SECONDS = 60.0  # for an answer of the controller, which may be busy

WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "CONFIGURING", "SPECIAL_EXIT")

RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")

FOR_EVER = (
    "BadConstraints",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldAdmin",
    "JobHeldUser",
    "DependencyNeverSatisfied",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "PartitionConfig",
    "AssocMaxWallDurationPerJobLimit",
    "QOSMaxWallDurationPerJobLimit",
)
"""Reasons that do not pass by waiting."""


def ask(*words: str) -> str:
    """What a program of SLURM prints.

    Raises:
      ClusterError: it is not here, or it refuses; with its words.
    """
    if shutil.which(words[0]) is None:
        raise ClusterError(
            f"{words[0]}: is not on this machine, so no SLURM can be reached from here; give the "
            "command on a machine from which you can submit jobs, or use --on local"
        )
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"{words[0]}: SLURM has not answered for {SECONDS:.0f} seconds; the workers go on, and "
            "the same command attaches again"
        ) from None
    if done.returncode:
        raise ClusterError(f"{words[0]}: {in_its_words(done.stderr)}")
    return done.stdout


def in_its_words(text: str) -> str:
    """What SLURM said, in a line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line.partition("error: ")[2] or line for line in lines) or "no reason given"


def look(jobs: Sequence[str]) -> dict[str, JobState]:
    """How jobs of arrays are; those that SLURM knows no more have ended."""
    states = dict.fromkeys(jobs, JobState("ended"))
    if not jobs:
        return states
    arrays = sorted({job.partition("_")[0] for job in jobs})
    try:
        text = ask("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%N", "-j", ",".join(arrays))
    except ClusterError as error:
        if "Invalid job id" in str(error):
            return states
        raise
    for line in text.splitlines():
        name, state, reason, node = (*line.split("|"), "", "", "")[:4]
        if name in states:
            states[name] = _state(state, reason, node)
    return states


def seconds_left(job: str) -> int | None:
    """Seconds until SLURM ends a job, by its own clock; None where it does not say."""
    try:
        said = ask("squeue", "-h", "-j", job, "-o", "%L").strip()
    except ClusterError:
        return None
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", said)
    if match is None:  # such as UNLIMITED
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _state(state: str, reason: str, node: str) -> JobState:
    if state in WAITING:
        words = "" if reason == "None" else reason
        if reason in FOR_EVER or reason.startswith(("Assoc", "QOS")):
            words += ", which does not pass by waiting" if reason in FOR_EVER else ""
        return JobState("queued", words)
    if state in RUNNING:
        return JobState("running", node)
    more = "" if reason in ("None", "") else f", {reason}"
    return JobState("ended", f"{state}{more}" if state != "COMPLETED" else "")
