"""Everything a user can do wrong, one exception each.

    LthctlError            exit code 3: data or an artifact was refused
    ├── ParamsError        exit code 2: a flag, a key of params.yaml, or their combination
    ├── DataError          a dataset is missing, damaged or cannot be fetched
    ├── MaskError          a mask does not fit the parameters it is meant for
    ├── CheckpointError    a file of tensors made elsewhere is damaged, foreign, or does not fit
    ├── TicketError        a ticket folder is missing, damaged, foreign or newer
    ├── RunError           a run, or a connection of two, is missing, damaged, foreign or newer
    ├── PathError          a path, perhaps of a revision, that is not there or holds no ticket or
    run ├── ReportError        runs that no report can be made of
    ├── ClusterError       a cluster refuses a job, or a machine does not fit a plan
    ├── OutputError        a place cannot be written: read-only, full, or owned by DVC
    └── TrainingError      exit code 4: a training failed; what others gave is saved

A message says where, what was found, what was expected and the way out. `assert` is for our own
mistakes; these are for everybody's.
"""


class LthctlError(Exception):
    """Base of all of them; `exit_code` is what the command line ends with.

    `unread` says that the system could not read something. So nothing is proven about it, and it
    is neither missing nor damaged. `newer` says that a newer lthctl wrote it.
    """

    exit_code = 3
    unread = False
    newer = False


class ParamsError(LthctlError):
    exit_code = 2


class DataError(LthctlError):
    pass


class MaskError(LthctlError):
    pass


class CheckpointError(LthctlError):
    pass


class TicketError(LthctlError):
    pass


class RunError(LthctlError):
    pass


class PathError(LthctlError):
    pass


class ReportError(LthctlError):
    pass


class OutputError(LthctlError):
    pass


class ClusterError(LthctlError):
    pass


class TrainingError(LthctlError):
    exit_code = 4
