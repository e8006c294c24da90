"""Leases among workers on several machines that share a folder.

Locks on bytes end with their process. They are all that is needed where they reach from machine to
machine, as on NFSv4 and on Lustre with `flock`. Elsewhere a lease is a file as well. It counts as
long as the worker that is named in it shows that it lives. A lease that is lost or taken twice
costs a training that is done twice, and nothing else: both results have the same bytes.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from lthctl.artifacts.heartbeat import Heartbeat, host_of
from lthctl.artifacts.leases import Leases
from lthctl.canonical import sha256

MOST_BYTES = 256  # of a lease file


class SharedLeases(Leases):
    """Leases by locks, and by files until locks are known to reach all other machines.

    Args:
      leases: those of this machine.
      folder: for the files; shared, and there already.
      heart: of this worker.
    """

    def __init__(self, leases: Leases, folder: Path, heart: Heartbeat) -> None:
        super().__init__(leases.descriptor)
        self._folder, self._heart = folder, heart
        self.by_files = True
        self._held: set[str] = set()
        self._files: set[str] = set()  # of those, the ones with a file
        super().take(
            sha256(heart.name.encode())
        )  # by which others see whether our locks reach them

    def locks_reach(self, worker: str) -> bool | None:
        """Whether the locks of a worker on another machine are seen here; None if it is gone."""
        witness = sha256(worker.encode())
        if not super().take(witness):
            return True
        super().give_up(witness)
        return False if self._heart.lives(worker) else None

    def take(self, digest: str) -> bool:
        if not super().take(digest):
            return False
        if not self.by_files or self._take_file(digest):
            self._held.add(digest)
            return True
        super().give_up(digest)
        return False

    def give_up_all(self) -> None:
        """Give up all that are held, at the end of the worker."""
        for digest in [*self._held]:
            self.give_up(digest)

    def give_up(self, digest: str) -> None:
        if digest in self._files:
            self._files.discard(digest)
            with suppress(OSError):
                self._place(digest).unlink()
        self._held.discard(digest)
        super().give_up(digest)

    def _take_file(self, digest: str) -> bool:
        """Lease by a file; where files cannot be written, everything can be leased."""
        place = self._place(digest)
        for _ in range(3):
            try:
                descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                owner = self._owner(place)
                if owner == self._heart.name:
                    self._files.add(digest)
                    return True
                if owner is None:
                    continue  # given up just now
                if self._counts(place, owner):
                    return False
                self._clear_away(place, owner)
                continue
            except OSError:
                return True
            self._files.add(digest)
            # On a full disk it stays empty, and counts for a while.
            with suppress(OSError), os.fdopen(descriptor, "wb") as file:
                file.write(self._heart.name.encode())
            return True
        return False

    def _counts(self, place: Path, owner: str) -> bool:
        """Whether a lease file still means something, now that the lock is ours."""
        if not owner:  # its name is not written yet
            return self._heart.is_fresh(place)
        is_here = host_of(owner) == host_of(self._heart.name)
        return not (is_here and self.has_locks) and self._heart.lives(owner)

    def _clear_away(self, place: Path, owner: str) -> None:
        """Remove the lease of a lost worker, unless another was faster and has its own there."""
        aside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        with suppress(OSError):
            place.rename(aside)
            if self._owner(aside) != owner:
                with suppress(OSError):
                    os.link(aside, place)
            aside.unlink()

    def _owner(self, place: Path) -> str | None:
        """The worker that a lease names; None where there is no such file."""
        try:
            with place.open("rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace")
        except OSError:
            return None

    def _place(self, digest: str) -> Path:
        return self._folder / digest
