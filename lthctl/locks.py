"""Locks that end with the process that holds them, by whatever end it comes to.

Knows two kinds. A lock on a whole file or folder belongs to the descriptor that was opened for it.
A lock on one byte of a file belongs to the process; the byte need not be there.
"""

import struct
import sys
from contextlib import suppress
from pathlib import Path

LOCK_FIELDS = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, process


def take_lock(descriptor: int, *, byte: int | None = None) -> bool | None:
    """Lock a file or folder until its descriptor is closed.

    Args:
      descriptor: of the file or folder; for a byte it must be open for writing.
      byte: the position to lock, in [0, 2**63); None locks the whole.

    Returns:
      Whether it is locked now; None where the system or the file system has no locks.
    """
    try:
        import fcntl

        how = fcntl.LOCK_EX | fcntl.LOCK_NB
        if byte is None:
            fcntl.flock(descriptor, how)
        else:
            fcntl.lockf(descriptor, how, 1, byte)
    except BlockingIOError:
        return False
    except PermissionError:  # what some systems say of a byte that is locked
        return None if byte is None else False
    except (ImportError, OSError):
        return None
    return True


def release_byte(descriptor: int, byte: int) -> None:
    """Give up a lock on a byte; without one nothing happens."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)


def holder_of_byte(descriptor: int, byte: int) -> int | None:
    """The process on this machine that has locked a byte; None where none has, or nobody knows."""
    if sys.platform != "linux":
        return None
    try:
        import fcntl

        asked = struct.pack(LOCK_FIELDS, fcntl.F_WRLCK, 0, byte, 1, 0)
        kind, *_, process = struct.unpack(
            LOCK_FIELDS, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
        )
    except (ImportError, OSError, struct.error):
        return None
    return process if kind != fcntl.F_UNLCK and process > 0 else None


def is_stopped(process: int) -> bool:
    """Whether a process of this machine is stopped, as by Ctrl-Z."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["T"], ["t"])
