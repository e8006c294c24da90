"""What connection.json says: which two runs, and the barrier on the straight line between them."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from lthctl.artifacts.names import PATH_FILE
from lthctl.canonical import Json
from lthctl.parameter_types import Count, Digest, Fraction, Text
from lthctl.params import Section

SplitName = Literal["train", "validation", "test"]

STABLE_BELOW = 0.02
"""A network is stable where the error rises by less than 2 points on the line between two copies
(Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020)."""


class End(Section):
    """A run at an end of the line.

    Attributes:
      run: digest of its document.
      training: digest of its training.
      ticket: name of its ticket.
      variant: what sets it apart from other runs of that ticket.
    """

    run: Digest
    training: Digest
    ticket: Text
    variant: Text


class Barrier(Section):
    """How the error of some images changes along the line; errors are fractions in [0, 1].

    Attributes:
      images: their number.
      ends: errors of both runs.
      highest: the highest error on the line, both ends included.
      at: the first place where it is, 0 being the first run and 1 the second.
      height: the highest error minus the mean of both ends: the instability.
    """

    images: Count
    ends: Annotated[tuple[Fraction, Fraction], Strict(False)]
    highest: Fraction
    at: Fraction
    height: Fraction

    @property
    def is_low(self) -> bool:
        """Whether it is one of a stable network."""
        return self.height < STABLE_BELOW


class PathFiles(Section):
    """Digests of the other files of a connection's folder."""

    path: Digest = Field(alias="path.csv")

    def to_json(self) -> dict[str, str]:
        """File name -> digest."""
        return {PATH_FILE: self.path}


class ConnectionRequest(Section):
    """What was asked for; equal requests give equal connections.

    Attributes:
      a, b: the runs.
      data: digest of their dataset.
      engine: whose arithmetic evaluated, "sparse" or "torch".
      points: places on the line, both ends included.
    """

    a: End
    b: End
    data: Digest
    engine: Text
    points: Annotated[int, Field(ge=2, le=10_000)]


class ConnectionDocument(ConnectionRequest):
    """connection.json, without its own digest.

    Attributes:
      barriers: split -> its barrier; "test" only where there is such a split.
      files: digests.
    """

    barriers: dict[SplitName, Barrier]
    files: PathFiles

    @model_validator(mode="after")
    def _has_splits(self) -> Self:
        names = set(self.barriers) - {"test"}
        if names != {"train", "validation"}:
            raise ValueError("barriers are not of train, validation and perhaps test images")
        return self

    @property
    def request(self) -> ConnectionRequest:
        return ConnectionRequest.model_construct(
            **{field: getattr(self, field) for field in ConnectionRequest.model_fields}
        )

    @property
    def schema_number(self) -> int:
        return 3

    def contradiction(self) -> str | None:
        """What does not go together with the rest, if anything."""
        return f"a and b are the same run {self.a.run[:12]}..." if self.a == self.b else None


def connection_json(
    request: ConnectionRequest, barriers: dict[SplitName, Barrier], files: dict[str, str]
) -> Json:
    """connection.json without its own digest; `files` maps names to digests."""
    return {
        **request.model_dump(),
        "kind": "connection",
        "schema": 3,
        "barriers": {
            name: {**barrier.model_dump(), "ends": list(barrier.ends)}
            for name, barrier in barriers.items()
        },
        "files": files,
    }
