"""The plan file: what a grid was asked for, and with which software, for workers anywhere.

It lies in the store, in a folder of its own. So every machine that sees the store can work on it.
Paths in it are relative to that folder, as the machines may see it at different places.
"""

import json
import os
import platform
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from lthctl.artifacts.store_maker import marked_as_own
from lthctl.artifacts.trained_where import PLANS
from lthctl.canonical import Json, canonical_json, digest_of
from lthctl.cluster.plan_arguments import ARGUMENTS, GridArguments, VerifyArguments
from lthctl.disk import write_file
from lthctl.errors import ClusterError, PathError
from lthctl.families import is_own, trust, trusted
from lthctl.grid.asked import Asked
from lthctl.grid.grid import Grid
from lthctl.params import Params, Section
from lthctl.reading import read_file
from lthctl.training.engine import ENGINES

PLAN_FILE = "plan.json"

LIMIT = 16 * 2**20  # bytes

DIGITS = 16  # of a plan's digest, in the name of its folder


class PlanFile(Section):
    """What a plan file says."""

    kind: Literal["plan"]
    schema_: Literal[1]
    function: Literal["ticket_grid", "run_grid", "experiment_grid", "verify"]
    params: dict[str, Any]
    arguments: dict[str, Any]
    executor: str
    replace: bool
    by_dvc: bool
    device: str
    trusted: list[str]
    folder: str
    store: str
    versions: dict[str, str]


@dataclass(frozen=True)
class WorkPlan:
    """A plan and its place.

    Attributes:
      place: the folder of the plan, in the store.
      said: what its file says.
    """

    place: Path
    said: PlanFile

    @property
    def path(self) -> Path:
        """The plan file."""
        return self.place / PLAN_FILE

    @property
    def folder(self) -> Path:
        """The folder that the command was given in."""
        return Path(os.path.normpath(os.path.realpath(self.place) + os.sep + self.said.folder))

    @property
    def store(self) -> Path:
        """The store, seen from that folder."""
        return Path(self.said.store)

    @cached_property
    def params(self) -> Params:
        """The parameters of its grid."""
        return Params.model_validate(self.said.params)

    @cached_property
    def arguments(self) -> GridArguments | VerifyArguments:
        """What it says besides the parameters."""
        return ARGUMENTS[self.said.function].model_validate_json(json.dumps(self.said.arguments))

    @property
    def code(self) -> list[str]:
        """The names of code of somebody's own anywhere in it, sorted."""
        return sorted({text for text in _texts(self.said.model_dump()) if is_own(text)})

    def trust_code(self, given: Collection[str] = ()) -> None:
        """Allow that the code which it names is run here.

        Args:
          given: names that the person at the keyboard trusts.

        Raises:
          ClusterError: it names others, and may be somebody else's.
        """
        other = [name for name in self.code if name not in given]
        in_store = self.place.parent.name == PLANS
        if other and not (in_store and marked_as_own(self.place.parent.parent)):
            raise ClusterError(
                f"{self.path}: names code that would be run here, {', '.join(other)}, and nothing "
                f"shows that its store is yours; if you trust it, give --trust {other[0]}"
            )
        trust(*self.code)

    def check_versions(self) -> None:
        """Refuse to work where the software would give other results, or none at all.

        Raises:
          ClusterError: versions differ; all are named.
        """
        here = versions()
        keys = sorted({*here, *self.said.versions})
        differing = [
            f"{key} is {here.get(key, 'not here')}, expected {self.said.versions.get(key, 'none')}"
            for key in keys
            if here.get(key) != self.said.versions.get(key)
        ]
        if differing:
            raise ClusterError(
                f"{platform.node()}: has other software than the machine that made the plan: "
                f"{', '.join(differing)}; use one environment on all machines, such as one in the "
                "shared folder"
            )

    def grid(self, *, look: bool = False) -> Grid:
        """The grid of the plan, made in its folder.

        Args:
          look: whether to look what its places hold; else they count as missing, and of tickets
            that are retrained only the first is read.

        Raises:
          ClusterError: it is a plan of `lthctl verify`.
          LthctlError: it cannot be made, such as when the dataset is not here.
        """
        if isinstance(self.arguments, VerifyArguments):
            raise ClusterError(
                f"{self.path}: is a plan of `lthctl verify`, which makes no grid; expected one of "
                "`lthctl prune`, `retrain` or `run`"
            )
        return self.arguments.grid(self.params, self.store, look=look)


def write_plan(
    asked: Asked, store: Path, *, executor: str = "threads", replace: bool = False, device: str = ""
) -> WorkPlan:
    """Write the plan of a grid that was asked for in the working folder. The same command has the
    same plan.

    Args:
      asked: what was asked for.
      store: for the plan, and for all trainings.
      executor: where a worker trains.
      replace: replace folders that hold something else.
      device: that trainings are specified with; nothing if there are none.

    Raises:
      OutputError: it cannot be written.
    """
    here = os.path.realpath(".")
    root = os.path.realpath(store / PLANS)
    said: Json = {
        "kind": "plan",
        "schema_": 1,
        "function": asked.function,
        "params": asked.params.model_dump(mode="json", exclude_unset=True),
        "arguments": asked.arguments,
        "executor": executor,
        "replace": replace,
        "by_dvc": "DVC_STAGE" in os.environ,
        "device": device,
        "trusted": list(trusted()),
        "folder": os.path.relpath(here, os.path.join(root, "x")),  # noqa: PTH118
        "store": os.path.relpath(os.path.realpath(store), here),
        "versions": versions(),
    }
    plan = WorkPlan(store / PLANS / digest_of(said)[:DIGITS], PlanFile.model_validate(said))
    content = canonical_json(said)
    # A plan says which code of one's own is run: what lies there already may be a stranger's.
    if not plan.path.is_file() or read_file(plan.path, PathError, limit=LIMIT) != content:
        write_file(plan.path, content)
    return plan


def read_plan(path: Path) -> WorkPlan:
    """A plan by its file or its folder.

    Raises:
      ClusterError: it is none.
      PathError: it is not there, or cannot be read.
    """
    file = path / PLAN_FILE if path.is_dir() else path
    content = read_file(file, PathError, limit=LIMIT)
    try:
        plan = WorkPlan(file.parent, PlanFile.model_validate_json(content))
        _ = plan.params, plan.arguments
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or error.title
        raise ClusterError(
            f"{file}: is no plan of this lthctl ({where}: {first['msg']}); expected one that "
            "`lthctl prune --on ...` or its like has written"
        ) from None
    return plan


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value:
            yield from _texts(inner)
        if isinstance(value, dict):
            yield from _texts(list(value.values()))


def versions() -> dict[str, str]:
    """What must be the same on all machines: Python's minor version, the packages that train, and
    the numbers by which engines say that their results have changed."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for package in ("lthctl", "torch", "numba", "llvmlite"):
        found[package] = metadata.version(package)
    for name in ENGINES.names():
        found[f"numerics of {name}"] = str(ENGINES.get(name).numerics)
    return found
