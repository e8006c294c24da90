"""Whether folders and the store can be written."""

from collections.abc import Sequence

from lthctl.artifacts.store import Store
from lthctl.disk import check_writable
from lthctl.errors import OutputError
from lthctl.grid.tasks import State, Task

MOST_NAMED = 10  # folders in the way


def check_places(tasks: Sequence[Task], *, store: Store, replace: bool, option: str) -> None:
    """Find out before hours of work whether folders and trainings can be written.

    Raises:
      OutputError: a folder holds something else and is not to be replaced; or it, or the store,
        cannot be written.
    """
    taken = [task for task in tasks if task.state is State.OTHER]
    if taken and not replace:
        more = f"; and {len(taken) - MOST_NAMED} more" if len(taken) > MOST_NAMED else ""
        raise OutputError(
            "; ".join(
                f"{task.place}: {State.OTHER.value}"
                + (f" ({task.differs})" if task.differs else "")
                for task in taken[:MOST_NAMED]
            )
            + f"{more}; choose another {option}, or give --force to replace it"
        )
    for parent in sorted({task.place.parent for task in tasks}):
        check_writable(parent)
    if any(task.state is not State.PRESENT for task in tasks):
        store.check_writable()
        store.begin()
