"""Runs in Weights & Biases, offline: `wandb sync` sends them when their owner wants it."""

import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lthctl.disk import write_errors
from lthctl.links import refuse_links_outwards
from lthctl.surroundings import elsewhere
from lthctl.tracking.base import PROJECT, Record, library


class WandbTracker:
    """Offline runs below `wandb/`. The id of a run is its identity, so that a server takes it once.

    `WANDB_DIR` and `WANDB_PROJECT` say where and what for, where they are set.

    Args:
      folder: in which `wandb/` is.
    """

    words = "offline runs in wandb/"

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing is sent anywhere
        self._wandb: Any = library("wandb")
        self.place = Path(os.environ.get("WANDB_DIR", folder)) / "wandb"
        self.look = "wandb sync"

    def known(self) -> frozenset[str]:
        """A folder is moved to its place when it is finished, so its name is enough."""
        if not self.place.is_dir():
            return frozenset()
        names = (re.search(r"run-.*-([0-9a-f]{64})$", path.name) for path in self.place.iterdir())
        return frozenset(match[1] for match in names if match)

    def log(self, record: Record) -> None:
        refuse_links_outwards(self.place / "wandb")
        with write_errors(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
            # Beside its place, on the same disk; a killed process leaves it to nobody.
            with TemporaryDirectory(prefix=".lthctl-", dir=self.place) as aside:
                finished = self._write(record, Path(aside))
                shutil.move(finished, self.place / finished.name)

    def _write(self, record: Record, aside: Path) -> Path:
        """The folder of an offline run."""
        quiet = self._wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            host="",
            x_disable_meta=True,  # neither the machine nor its paths
            x_disable_stats=True,
            x_save_requirements=False,
        )
        # Here it would obey `wandb/settings`, which somebody else may have written: files from all
        # over would be taken into a run, and others written.
        with elsewhere():
            self._wandb.setup()
        with self._wandb.init(
            mode="offline",
            dir=str(aside.absolute()),
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=record.identity,
            name=record.name,
            group=record.group,
            config=dict(record.params),
            reinit="create_new",
            settings=quiet,
        ) as run:
            curves = record.curves
            for step in next(iter(curves.values())):  # all have the same
                run.log({name: curve[step] for name, curve in curves.items()}, step=step)
            run.summary.update(dict(record.summary))
        (finished,) = aside.glob(f"wandb/offline-run-*-{record.identity}")
        return finished
