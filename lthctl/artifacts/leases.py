"""Which trainings this process runs, so that others on the same store do something else."""

OFFSET_DIGITS = 15  # of a digest: offsets in a file have 63 bits


class Leases:
    """Which trainings this process runs, so that others on the same store do something else
    meanwhile.

    A claim is a lock on one byte of a file that stays empty: the kernel gives it up when the
    process ends, and nothing
    is left behind. Nothing depends on it but time: two processes that run the same training give
    the same result. Where there are no locks everything can be claimed.

    Args:
      descriptor: of the file; None where there is none.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def take(self, digest: str) -> bool:
        """Claim a training; whether no other process has it."""
        return self._lock(digest, taken=True)

    def give_up(self, digest: str) -> None:
        self._lock(digest, taken=False)

    def _lock(self, digest: str, *, taken: bool) -> bool:
        if self._descriptor is None:
            return True
        try:
            import fcntl

            how = fcntl.LOCK_EX | fcntl.LOCK_NB if taken else fcntl.LOCK_UN
            fcntl.lockf(self._descriptor, how, 1, int(digest[:OFFSET_DIGITS], 16))
        except (BlockingIOError, PermissionError):  # which of the two depends on the system
            return False
        except (ImportError, OSError):
            return True
        return True
