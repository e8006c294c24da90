"""Connections: the error on the straight line between two runs, saved and loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lthctl.artifacts.connection_document import (
    Barrier,
    ConnectionRequest,
    SplitName,
    connection_json,
)
from lthctl.artifacts.csv_table import table_bytes
from lthctl.artifacts.names import CONNECTION_JSON, PATH_FILE, folder_part
from lthctl.artifacts.sealed import seal
from lthctl.canonical import Json, sha256
from lthctl.disk import write_folder
from lthctl.reading import holds_exactly


class Point(NamedTuple):
    """A network on the line. Losses are mean cross-entropies in nats, errors fractions of images
    that are classified wrong."""

    place: float  # 0 is the first run, 1 the second
    train_loss: float
    train_error: float
    validation_loss: float
    validation_error: float
    test_loss: float | None = None
    test_error: float | None = None

    def error(self, split: SplitName) -> float:
        """The error of a split that there is."""
        value: float = getattr(self, f"{split}_error")
        return value


@dataclass(frozen=True, eq=False)
class Connection:
    """The error on the straight line between two runs.

    Attributes:
      request: which runs, and how it was evaluated.
      points: from the first run to the second, both included.
      images: split -> number of its images.
    """

    request: ConnectionRequest
    points: tuple[Point, ...]
    images: Mapping[SplitName, int]

    @cached_property
    def barriers(self) -> dict[SplitName, Barrier]:
        """Split -> how its error changes."""
        return {
            split: barrier_of(
                [point.place for point in self.points],
                [point.error(split) for point in self.points],
                number,
            )
            for split, number in self.images.items()
        }

    @property
    def judged(self) -> SplitName:
        """The split whose barrier says whether the network is stable: images that nothing was
        trained on, and that chose nothing where there are such."""
        return "test" if "test" in self.images else "validation"

    @property
    def name(self) -> str:
        """Of its folder: what both runs are called."""
        variants, tickets = (
            list(dict.fromkeys(getattr(end, key) for end in (self.request.a, self.request.b)))
            for key in ("variant", "ticket")
        )
        return f"{folder_part('--'.join(variants))}/{'--'.join(tickets)}"

    def files(self) -> dict[str, bytes]:
        """File name -> bytes of the folder; the JSON is last."""
        path = table_bytes(self.points)
        document = connection_json(self.request, self.barriers, {PATH_FILE: sha256(path)})
        return {PATH_FILE: path, CONNECTION_JSON: seal(document)}

    def to_json(self) -> Json:
        """All of it, the barrier of each split too."""
        document = connection_json(self.request, self.barriers, {})
        del document["files"]
        return {
            **document,
            "judged": self.judged,
            "stable": self.barriers[self.judged].is_low,
            "path": [
                {name: value for name, value in point._asdict().items() if value is not None}
                for point in self.points
            ],
        }

    def __repr__(self) -> str:
        barrier = self.barriers[self.judged]
        return (
            f"Connection {self.name}: barrier {100 * barrier.height:.2f} points at "
            f"{barrier.at:.2f}, {self.judged} images"
        )


def places(number: int) -> list[float]:
    """Places on the line at equal distances, from 0 to 1.

    Example:
      >>> places(3)
      [0.0, 0.5, 1.0]
    """
    return [index / (number - 1) for index in range(number)]


def barrier_of(places: Sequence[float], errors: Sequence[float], images: int) -> Barrier:
    """The barrier of errors along a line, after Frankle et al. (ICML 2020): the highest error minus
    the mean of both ends.

    Args:
      places: from 0 to 1.
      errors: there, fractions in [0, 1].
      images: how many there are.

    Example:
      >>> barrier_of([0, 0.5, 1], [0.02, 0.09, 0.04], 100).height
      0.06
    """
    highest = max(errors)
    return Barrier(
        images=images,
        ends=(errors[0], errors[-1]),
        highest=highest,
        at=places[list(errors).index(highest)],
        height=highest - (errors[0] + errors[-1]) / 2,
    )


def save_connection(connection: Connection, folder: Path, *, replace: bool = False) -> Path:
    """Write a connection into a folder of its own, whole or not at all.

    Nothing is written where the same is already.

    Raises:
      OutputError: something else is in the place, or it cannot be written.
    """
    files = connection.files()
    if not holds_exactly(folder, files):
        write_folder(folder, files, replace=replace)
    return folder
