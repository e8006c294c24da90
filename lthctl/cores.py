"""How many cores this process may use."""

import os


def num_cores() -> int:
    """The cores that this process may run on, at least 1.

    Linux knows which ones a process was given, by `taskset` or by a cluster. macOS does not, and
    there it is the number of cores of the machine.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
