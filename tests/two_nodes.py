"""A SLURM with two nodes, n1 and n2, as processes of this machine. Jobs of the partition `urgent`
take the place of others, which are started again.

It needs root, and Debian's packages slurm-wlm and munge.
"""

import os
import platform
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

NODES = ("n1", "n2")

# A job that is started again waits as long as `cred_expire`. A node is lost after `SlurmdTimeout`.
CONFIGURATION = """
ClusterName=two
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/pid/controller
SlurmctldLogFile={folder}/log/controller
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/pid/%n
SlurmdLogFile={folder}/log/%n
SlurmdTimeout=8
KillWait=5
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={first} CPUs=1 RealMemory=2000
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={second} CPUs=1 RealMemory=2000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=60 State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=2
"""


def obstacle() -> str:
    """Why there can be no SLURM here; nothing if there can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


class TwoNodes:
    """Started when made.

    Args:
      folder: for all files of it; its path must be short.
      port: the first of three that are free.
    """

    def __init__(self, folder: Path, port: int = 26817) -> None:
        self.configuration = folder / "slurm.conf"
        self._folder = folder
        for name in ("state", "log", "pid", *(f"spool/{node}" for node in NODES)):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.configuration.write_text(
            CONFIGURATION.format(
                host=platform.node().partition(".")[0],
                port=port,
                first=port + 1,
                second=port + 2,
                folder=folder,
            )
        )
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            Path("/run/munge").mkdir(mode=0o755, exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            self._run("su", "munge", "-s", "/bin/sh", "-c", "/usr/sbin/munged")
        self.start_controller()
        for node in NODES:
            self.switch_on(node)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        """Wait until both nodes are idle."""
        deadline = time.monotonic() + 60
        while self.ask("sinfo", "-h", "-p", "all", "-N", "-o", "%t").split() != ["idle"] * 2:
            if time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log" / "controller").read_text()[-2000:])
            time.sleep(0.2)

    def start_controller(self) -> None:
        self._run("slurmctld", "-f", str(self.configuration))

    def kill_controller(self) -> None:
        """Jobs go on; SLURM answers nobody."""
        _kill(int((self._folder / "pid" / "controller").read_text()))

    def switch_on(self, node: str, *, without: Path | None = None) -> None:
        """Start a node, which does not see a folder, or sees all."""
        command = ["slurmd", "-N", node, "-f", str(self.configuration)]
        if without is not None:
            inside = (
                f"mount -t tmpfs none {shlex.quote(str(without))} && exec {shlex.join(command)}"
            )
            command = ["unshare", "--mount", "sh", "-c", inside]
        self._run(*command)

    def cut_power(self, node: str) -> None:
        """End a node and all that it runs, as if at once: those that could tell others go first."""
        jobs = self._processes_of(node)
        minders = {_parent(job) for job in jobs}
        for process in [one for one in minders if _is_minder(one)]:
            _kill(process)
        _kill(int((self._folder / "pid" / node).read_text()))
        for process in jobs:
            _kill(process)

    def ask(self, *words: str) -> str:
        """What a program of SLURM prints."""
        return subprocess.run(
            words, env={**os.environ, "SLURM_CONF": str(self.configuration)},
            capture_output=True, text=True,
        ).stdout  # fmt: skip

    def stop(self) -> None:
        for node in NODES:
            for process in self._processes_of(node):
                _kill(process)
        for file in (self._folder / "pid").iterdir():
            with suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGTERM)

    def _processes_of(self, node: str) -> list[int]:
        """Processes of a node's jobs: they have its name in their environment."""
        wanted = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.configuration}".encode()}
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted <= {*(place / "environ").read_bytes().split(b"\0")}:
                    found.append(int(place.name))
        return found

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, env={**os.environ, "SLURM_CONF": str(self.configuration)}, check=True
        )


def _parent(process: int) -> int:
    with suppress(OSError):
        status = Path(f"/proc/{process}/stat").read_text()
        return int(status.rpartition(")")[2].split()[1])
    return 0


def _is_minder(process: int) -> bool:
    """Whether it is one that SLURM lets look after a job or a step of it."""
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().startswith("slurmstepd")
    return False


def _kill(process: int) -> None:
    with suppress(OSError):
        os.kill(process, signal.SIGKILL)
