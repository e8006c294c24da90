"""Run folders: what retraining a ticket gave, saved, loaded, refused when damaged."""

from dataclasses import dataclass
from pathlib import Path

from lthctl.artifacts.documents import SCHEMA, Control, read_document
from lthctl.artifacts.history_csv import HISTORY_LIMIT, history_bytes, history_from
from lthctl.artifacts.names import HISTORY_FILE, RUN_JSON, WEIGHTS_FILE
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import TENSORS_LIMIT, read_tensors, tensors_bytes
from lthctl.artifacts.ticket import check_weights
from lthctl.canonical import Json, sha256
from lthctl.disk import write_folder
from lthctl.errors import RunError
from lthctl.mask import Weights
from lthctl.reading import read_file
from lthctl.training.history import Row, history_fault, metrics_of


@dataclass(frozen=True, eq=False)
class Run:
    """What retraining a ticket gave.

    Attributes:
      ticket: name, digest, actual sparsity and request of the ticket.
      control: "rewind", "reinit" or "shuffle".
      train: parameters of the training.
      model, data: as in the ticket.
      training: digest of the training's specification.
      proof: counts that show what the training kept to; see `lthctl.lottery.proof_of`.
      metrics: see `lthctl.training.metrics_of`.
      history: the evaluations.
      weights: final weights, pruned ones exactly 0; None where they were not kept.
    """

    ticket: Json
    control: Control
    train: Json
    model: Json
    data: Json
    training: str
    proof: Json
    metrics: Json
    history: tuple[Row, ...]
    weights: Weights | None

    def request(self) -> Json:
        """What was asked for to get this run."""
        return {
            "ticket": self.ticket,
            "start": self.control,  # as schema 1 calls it
            "train": self.train,
            "model": self.model,
            "data": self.data,
        }

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        files = {HISTORY_FILE: history_bytes(self.history)}
        if self.weights is not None:
            files[WEIGHTS_FILE] = tensors_bytes(self.weights)
        document = self.request() | {
            "kind": "run",
            "schema": SCHEMA,
            "training": self.training,
            "proof": self.proof,
            "metrics": self.metrics,
            "files": {name: sha256(content) for name, content in files.items()},
        }
        return files | {RUN_JSON: seal(document)}


def save_run(run: Run, folder: Path | str, *, replace: bool = False) -> Path:
    """Write a run into a folder of its own, as `save_ticket` does."""
    write_folder(Path(folder), run.files(), replace=replace)
    return Path(folder)


def load_run(folder: Path | str, *, with_weights: bool = True) -> Run:
    """Read a run's folder.

    Args:
      folder: the folder.
      with_weights: read the final weights too, where they were kept; a report has no need of them.

    Raises:
      RunError: something is missing, truncated, altered, foreign or of a newer schema.
    """
    folder = Path(folder)
    document = read_run_json(folder)
    digests, weights = document["files"], None
    if with_weights and WEIGHTS_FILE in digests:
        weights, _ = read_tensors(
            folder / WEIGHTS_FILE, RunError, digest=digests[WEIGHTS_FILE], limit=TENSORS_LIMIT
        )
        check_weights(folder / WEIGHTS_FILE, RunError, weights, document["model"])
    content = read_file(folder / HISTORY_FILE, RunError, limit=HISTORY_LIMIT)
    if sha256(content) != digests[HISTORY_FILE]:
        raise RunError(
            f"{folder / HISTORY_FILE}: does not match the digest in {RUN_JSON}; it is altered: "
            "retrain it"
        )
    try:
        history = history_from(content)
    except ValueError as error:
        raise RunError(
            f"{folder / HISTORY_FILE}: {error}; it is not ours: make the run again"
        ) from error
    if fault := history_fault(history, document["train"], with_test=document["data"]["test"] > 0):
        raise RunError(f"{folder / HISTORY_FILE}: {fault}; make the run again")
    if document["metrics"] != metrics_of(history):
        raise RunError(
            f"{folder / RUN_JSON}: its metrics are not those of {HISTORY_FILE}; make the run again"
        )
    keys = ("ticket", "train", "model", "data", "training", "proof", "metrics")
    return Run(
        **{key: document[key] for key in keys},
        control=document["start"],  # as schema 1 calls it
        history=history,
        weights=weights,
    )


def read_run_json(folder: Path) -> Json:
    """The document of a run without its history and weights, its digest checked.

    Raises:
      RunError: see `load_run`.
    """
    return read_document(folder / RUN_JSON, RunError, "run")
