"""Which trainings this process runs, so that others on the same store do something else."""

from lthctl.locks import holder_of_byte, release_byte, take_lock

OFFSET_DIGITS = 15  # of a digest: positions in a file have 63 bits


class Leases:
    """Which trainings this process runs, so that others on the same store do something else
    meanwhile.

    A lease is a lock on one byte of a file that stays empty. The kernel gives it up when the
    process ends, and nothing is left behind. Nothing depends on it but time: two processes that run
    the same training give the same result. Where there are no locks everything can be leased.

    Args:
      descriptor: of the file; None where there is none.
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.has_locks = False  # as far as was seen

    def take(self, digest: str) -> bool:
        """Lease a training; whether no other process has it."""
        if self.descriptor is None:
            return True
        is_taken = take_lock(self.descriptor, byte=_byte_of(digest))
        self.has_locks = is_taken is not None
        return is_taken is not False

    def give_up(self, digest: str) -> None:
        if self.descriptor is not None:
            release_byte(self.descriptor, _byte_of(digest))

    def holder(self, digest: str) -> int | None:
        """The process that has leased a training; None where that is not known."""
        if self.descriptor is None:
            return None
        return holder_of_byte(self.descriptor, _byte_of(digest))


def _byte_of(digest: str) -> int:
    return int(digest[:OFFSET_DIGITS], 16)
