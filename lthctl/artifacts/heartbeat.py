"""Files in a shared folder by which workers show that they live.

The clocks of machines differ. So no time of a machine is ever compared with another's: all times
here are those that the file server puts on files. A worker learns what time it is there when it
touches its own file.
"""

import os
import platform
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

BEAT_SECONDS = 15.0  # between two beats

STALE_SECONDS = 90.0  # without a beat, and a worker counts as lost


def worker_name(plan: str) -> str:
    """A name that no other worker has.

    Args:
      plan: digits of its plan.
    """
    host = re.sub(r"[^A-Za-z0-9.]", "_", platform.node())
    return f"{plan}-{host}-{os.getpid()}-{secrets.token_hex(3)}"


def host_of(worker: str) -> str:
    """The machine of a worker, out of its name."""
    return worker.partition("-")[2].partition("-")[0]


class Heartbeat:
    """The file of one worker, and how old those of others are.

    Args:
      folder: shared by all workers, and there already.
      name: of this worker, a plain file name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._server, self._here = 0.0, time.monotonic()

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.json"

    def beat(self, content: bytes) -> None:
        """Show that this worker lives, and how it goes.

        A beat that fails is left out: a full disk, or a server that is away for a moment, ends no
        training. Nobody reads half of one, as it is renamed to its place.
        """
        with suppress(OSError):
            hidden = self.folder / f".{self.name}.new"
            hidden.write_bytes(content)
            os.utime(hidden)  # "now" is said by the server
            self._server, self._here = hidden.stat().st_mtime, time.monotonic()
            hidden.replace(self.path)

    def touch(self, path: Path) -> None:
        """Learn what time it is on the server, from a file that may be touched."""
        with suppress(OSError):
            os.utime(path)
            self._server, self._here = path.stat().st_mtime, time.monotonic()

    @property
    def now(self) -> float:
        """The server's time, in seconds."""
        return self._server + time.monotonic() - self._here

    def lives(self, name: str) -> bool:
        """Whether another worker has shown itself of late."""
        return self.is_fresh(self.folder / f"{name}.json")

    def is_fresh(self, path: Path) -> bool:
        """Whether a file was written of late."""
        try:
            return self.now - path.stat().st_mtime < STALE_SECONDS
        except OSError:
            return False
