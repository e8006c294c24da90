"""A training: what it is, what names it, and what it gives. Engines run it.

A training is a pure function of its specification: nothing else may influence its result, not the
number of jobs, not what was trained before it, not torch's global generator. So the digest of the
specification names the result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata

from lthctl.canonical import Json, digest_of, digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.families import sources_of
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model, ModelDescription
from lthctl.models.entry import MODELS
from lthctl.params import TrainParams
from lthctl.training.batches import BatchOrder
from lthctl.training.engine import ENGINES
from lthctl.training.optimizers import OPTIMIZERS
from lthctl.training.schedules import SCHEDULES

OnStep = Callable[[int], None]


version = cache(
    metadata.version
)  # of an installed package; asked for by every digest, and read from disk


@dataclass(frozen=True, eq=False)
class Training:
    """The specification of a training.

    Attributes:
      model: the architecture.
      start: weights to start from, already multiplied by the mask.
      mask: the weights that are trained; all others are 0 and stay 0.
      dataset: what it is trained and evaluated on.
      seed: decides the order of the batches, and that alone.
      params: optimizer, steps, evaluations, threads; `engine` and `device` are resolved, not
        "auto".
      first_step: steps that were taken already, in [0, steps): this training takes the next one and
        those after it. It sees the batches that a training from 0 would see there, at the learning
        rates of these steps, and is evaluated at the same steps. Its optimizer is fresh.
      last_step: the step at which it ends, in (first_step, steps]; None is `params.steps`. The
        learning rate goes on as if there were all of them.

    Raises:
      ParamsError: these steps are no part of the training.
    """

    model: Model
    start: Weights
    mask: Mask
    dataset: Dataset
    seed: int
    params: TrainParams
    first_step: int = 0
    last_step: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.first_step < self.end <= self.params.steps:
            raise ParamsError(
                f"a training from step {self.first_step} to {self.end} is no part of one of "
                f"{self.params.steps} steps; train for more of them, or begin earlier"
            )

    @property
    def end(self) -> int:
        """The step at which it ends."""
        return self.params.steps if self.last_step is None else self.last_step

    @property
    def sources(self) -> dict[str, str]:
        """Name -> SHA-256 of the source of what of this is somebody's own code."""
        return sources_of_training(getattr(self.model, "name", ""), self.params)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that determines the result, this version of the engine
        included."""
        start, dataset = digest_of_arrays(self.start), self.dataset.digest
        return training_digest(
            self.model.describe(),
            start,
            self.mask,
            dataset,
            self.seed,
            self.params,
            sources=self.sources,
            first_step=self.first_step,
            last_step=self.end,
        )

    def batch_order(self) -> BatchOrder:
        return BatchOrder(self.seed, len(self.dataset.train), self.params.batch_size)


def training_digest(
    model: ModelDescription,
    start: str,
    mask: Mask,
    dataset: str,
    seed: int,
    params: TrainParams,
    *,
    sources: Mapping[str, str],
    first_step: int = 0,
    last_step: int | None = None,
) -> str:
    """`Training.digest` from descriptions and digests, for those who have no dataset.

    Args:
      model: what `Model.describe` said.
      start: digest of the starting weights.
      mask, seed, params: as in `Training`.
      dataset: `Dataset.digest`.
      sources: as in `Training`; left out where there are none, as the first schema had none.
      first_step, last_step: as in `Training`; left out of a whole training for the same reason.
    """
    begins = {"first_step": first_step} if first_step else {}
    ends = {} if last_step in (None, params.steps) else {"last_step": last_step}
    return digest_of({
        "model": model.to_json(),
        "start": start,
        "mask": digest_of_arrays(mask),
        "dataset": dataset,
        "seed": seed,
        "params": params.identity(),
        "engine": engine_version(params.engine),
        **({"sources": dict(sources)} if sources else {}),
        **begins,
        **ends,
    })  # fmt: skip


def sources_of_training(model: str, params: TrainParams) -> dict[str, str]:
    """Name -> SHA-256 of the source, for the model, the optimizer, the schedule and the engine of a
    training, where they are somebody's own code that is imported here. The name of a score or of a
    control is not in it: what they give is, the mask and the weights."""
    return sources_of(
        (MODELS, model),
        (OPTIMIZERS, params.optimizer),
        (SCHEDULES, params.schedule),
        (ENGINES, params.engine),
    )


def engine_version(engine: str) -> Json:
    """What of the installed software can change an engine's results."""
    member = ENGINES.get(engine)
    return {
        "name": engine,
        "numerics": member.numerics,
        **{package: version(package) for package in member.packages},
    }
