"""Runs: what retraining a ticket gave, saved and loaded."""

from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.cards import run_card, run_line
from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.names import HISTORY_FILE, RUN_JSON, WEIGHTS_FILE
from lthctl.artifacts.run_document import Proof, RunSpecification, TicketSummary, run_json
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.canonical import sha256
from lthctl.datasets.base import DataDescription
from lthctl.disk import write_folder
from lthctl.mask import Weights
from lthctl.models.base import ModelDescription
from lthctl.params import TrainParams
from lthctl.reading import holds_exactly
from lthctl.training.history import Metrics, Row


@dataclass(frozen=True, eq=False)
class Run:
    """What retraining a ticket gave.

    It prints as a line, and a notebook shows it as a small card.

    Attributes:
      specification: what was asked for. Its parts are attributes of the run too.
      training: digest of the training's specification.
      proof: counts that show what the training kept to.
      metrics: how well it did, from its history.
      history: the evaluations.
      weights: final weights, pruned ones exactly 0; None where they were not kept.

    Example:
      >>> load_run("runs/rewind/l1-r0.80-n5-s1").metrics.best_accuracy
      0.981...
    """

    specification: RunSpecification
    training: str
    proof: Proof
    metrics: Metrics
    history: tuple[Row, ...]
    weights: Weights | None

    @property
    def ticket(self) -> TicketSummary:
        return self.specification.ticket

    @property
    def control(self) -> str:
        return self.specification.control

    @property
    def draw(self) -> int:
        return self.specification.draw

    @property
    def order_seed(self) -> int | None:
        return self.specification.order_seed

    @property
    def variant(self) -> str:
        return self.specification.variant

    @property
    def train(self) -> TrainParams:
        return self.specification.train

    @property
    def model(self) -> ModelDescription:
        return self.specification.model

    @property
    def data(self) -> DataDescription:
        return self.specification.data

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        files = {HISTORY_FILE: history_bytes(self.history)}
        if self.weights is not None:
            files[WEIGHTS_FILE] = tensors_bytes(self.weights)
        digests = {name: sha256(content) for name, content in files.items()}
        document = run_json(self.specification, self.training, self.proof, self.metrics, digests)
        return files | {RUN_JSON: seal(document)}

    def __repr__(self) -> str:
        return run_line(self)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return run_card(self)


def save_run(run: Run, folder: Path | str, *, replace: bool = False) -> Path:
    """Write a run into a folder of its own, whole or not at all.

    Nothing is written where the same run is already.

    Args:
      run: the run.
      folder: its place; parents are made, too.
      replace: let it take the place of what is there.

    Returns:
      The folder.

    Raises:
      OutputError: something else is in the place, or it cannot be written.
    """
    files = run.files()
    if not holds_exactly(Path(folder), files):
        write_folder(Path(folder), files, replace=replace)
    return Path(folder)


def load_run(folder: Path | str, *, with_weights: bool = True) -> Run:
    """Read a run's folder.

    Args:
      folder: the folder.
      with_weights: read the final weights too, where they were kept; a report has no need of them.

    Raises:
      RunError: something is missing, truncated, altered, foreign or of a newer schema.
    """
    return run_of(RunFolder(Path(folder)), with_weights=with_weights)


def run_of(folder: RunFolder, *, with_weights: bool = True) -> Run:
    """The run that a folder holds.

    Raises:
      RunError: see `load_run`.
    """
    document = folder.document
    weights = folder.weights if with_weights else None
    folder.check_history()
    return Run(
        document.specification,
        document.training,
        document.proof,
        document.metrics,
        folder.history,
        weights,
    )
