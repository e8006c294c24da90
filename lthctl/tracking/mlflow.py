"""Runs in MLflow: where its own settings say, else in `mlflow.db`."""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lthctl.errors import OutputError
from lthctl.links import refuse_links_outwards
from lthctl.tracking.base import PROJECT, Record, library

IDENTITY = "lthctl.identity"
"""The tag that a run is known by."""

MOST = 100
"""Parameters or values in one request; MLflow takes no more parameters at a time."""

FINISHED, PAGE = "FINISHED", 1000


class MlflowTracker:
    """An experiment of MLflow.

    `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME` say which, where they are set.

    Args:
      folder: in which `mlflow.db` is.
    """

    words = "an experiment in mlflow.db"

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent anywhere
        own = f"sqlite:///{folder / 'mlflow.db'}"
        given = os.environ.get("MLFLOW_TRACKING_URI")  # not shown: it may hold a password
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        self.look = "mlflow ui" if given else f"mlflow ui --backend-store-uri {own}"
        with _quiet():
            library("mlflow")
            if given is None:
                refuse_links_outwards(folder / "mlflow.db" / "inside")
                library("mlflow", "sqlalchemy")
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            try:
                self._client: Any = MlflowClient(tracking_uri=given or own)
                found = self._client.get_experiment_by_name(name)
                self._experiment = (
                    found.experiment_id if found else self._client.create_experiment(name)
                )
            except MlflowException as error:
                place = "MLFLOW_TRACKING_URI" if given else own
                reason = str(error).splitlines()[0]
                raise OutputError(
                    f"{place}: MLflow cannot open it ({reason}); see to that, or choose another "
                    "place with MLFLOW_TRACKING_URI"
                ) from error

    def known(self) -> frozenset[str]:
        """Runs that have the tag, and that were finished."""
        return frozenset(
            run.data.tags[IDENTITY]
            for run in self._runs(f"attributes.status = '{FINISHED}'")
            if IDENTITY in run.data.tags
        )

    def log(self, record: Record) -> None:
        from mlflow.entities import Metric, Param, RunTag

        with _quiet():
            for unfinished in self._runs(f"tags.`{IDENTITY}` = '{record.identity}'"):
                self._client.delete_run(unfinished.info.run_id)
            tags = {IDENTITY: record.identity, "group": record.group}
            run = self._client.create_run(self._experiment, run_name=record.name).info.run_id
            now = int(1000 * time.time())
            points = [
                (name, *point) for name, all in record.curves.items() for point in all.items()
            ]
            points += [(name, record.last_step, value) for name, value in record.summary.items()]
            metrics = [Metric(name, value, now, step) for name, step, value in points]
            params = [Param(name, str(value)) for name, value in record.params.items()]
            self._client.log_batch(run, tags=[RunTag(*tag) for tag in tags.items()])
            for first in range(0, max(len(metrics), len(params)), MOST):
                part = slice(first, first + MOST)
                self._client.log_batch(run, metrics=metrics[part], params=params[part])
            self._client.set_terminated(run, FINISHED)

    def _runs(self, query: str) -> list[Any]:
        found: list[Any] = []
        token = None
        with _quiet():
            while True:
                page = self._client.search_runs(
                    [self._experiment], query, max_results=PAGE, page_token=token
                )
                found += page
                token = page.token
                if not token:
                    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what MLflow and its own libraries have to say to each other."""
    level = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(level)
