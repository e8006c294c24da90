"""Runs in TensorBoard: a folder of events a run, the same bytes for the same run.

Parameters and metrics go to its HPARAMS page, curves to SCALARS.
"""

import io
import re
from pathlib import Path
from typing import Any

from lthctl.disk import write_folder
from lthctl.tracking.base import Record, library

EVENTS = "events.out.tfevents.0.lthctl"  # times and hosts are no part of the name


class TensorBoardTracker:
    """Folders below `tensorboard/`, each named after its run and its identity.

    Args:
      folder: in which `tensorboard/` is.
    """

    words = "folders of events in tensorboard/"

    def __init__(self, folder: Path) -> None:
        library("tensorboard")
        self.place = folder / "tensorboard"
        self.look = f"tensorboard --logdir {self.place}"

    def known(self) -> frozenset[str]:
        """A folder is written whole or not at all, so its name is enough."""
        if not self.place.is_dir():
            return frozenset()
        names = (re.search(r"-([0-9a-f]{64})$", path.name) for path in self.place.iterdir())
        return frozenset(match[1] for match in names if match)

    def log(self, record: Record) -> None:
        content = _events(record)
        write_folder(self.place / f"{record.folder}-{record.identity}", {EVENTS: content})


def _events(record: Record) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter
    from torch.utils.tensorboard.summary import hparams

    content = io.BytesIO()
    writer = RecordWriter(content)

    def write(**event: Any) -> None:
        writer.write(Event(wall_time=0.0, **event).SerializeToString(deterministic=True))

    def write_scalar(name: str, step: int, value: float) -> None:
        write(step=step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]))

    write(file_version="brain.Event:2")
    for summary in hparams(dict(record.params), dict(record.summary)):
        write(summary=summary)
    for name, curve in record.curves.items():
        for step, value in curve.items():
            write_scalar(name, step, value)
    for name, value in record.summary.items():
        write_scalar(name, record.last_step, value)
    return content.getvalue()
