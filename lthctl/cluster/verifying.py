"""`lthctl verify --replay` by workers: their findings, put together."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lthctl.artifacts.store import default_store
from lthctl.cluster.checking import CHECKS, file_of
from lthctl.cluster.coordinator import Team, run_on
from lthctl.cluster.plan_file import write_plan
from lthctl.cluster.progress import Viewer
from lthctl.errors import ClusterError
from lthctl.grid.asked import Asked
from lthctl.grid.grid import Grid
from lthctl.grid.tasks import State, Task
from lthctl.params import Params
from lthctl.verification.checks import Check
from lthctl.verification.paths import Verification

_CHECKS = TypeAdapter(list[Check])


def verify_on(
    paths: Sequence[Path],
    params: Params,
    team: Team,
    viewer: Viewer,
    *,
    data: Path | None = None,
) -> list[Check] | None:
    """Let workers train again what is behind tickets and runs, and compare the bytes.

    Args:
      paths, data: as in `lthctl.verification.paths.verify`.
      params: says what the data are.
      team: who works on it, and where.
      viewer: is told how it goes.

    Returns:
      A check for every claim; None where the workers were left to themselves.

    Raises:
      ClusterError: a worker could not check a folder; or as in `run_on`.
    """
    found = Verification(paths, replay=None)
    given = {"paths": [str(path) for path in paths], "data": None if data is None else str(data)}
    asked = Asked("verify", params, given)
    store = default_store()
    plan = write_plan(asked, store, executor="threads", replace=False)
    place = plan.place / CHECKS
    files = {folder: file_of(place, folder) for folder in found.folders}
    tasks = tuple(
        Task(str(folder), file, _nothing, (), _state(file)) for folder, file in files.items()
    )
    outcome = run_on(Grid("check", place, tasks, len(tasks), store, "PATH", asked), team, viewer)
    if outcome is None:
        return None
    if outcome.failed:
        raise ClusterError(
            "; ".join(f"{name}: was not checked ({reason})" for name, reason in outcome.failed)
        )
    checks = [check for task in tasks for check in _CHECKS.validate_json(task.place.read_bytes())]
    shutil.rmtree(plan.place, ignore_errors=True)  # so that the next time all is done again
    return found.unread + checks + found.check_connections()


def _state(file: Path) -> State:
    return State.PRESENT if file.exists() else State.MISSING


def _nothing() -> Any:
    raise RuntimeError("workers check folders, and begin no task")
