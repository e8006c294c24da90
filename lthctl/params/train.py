"""The section `train`: how a network is trained, in a round and in a retraining."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lthctl.parameter_types import (
    Count,
    Drops,
    Engine,
    Natural,
    Optimizer,
    Precision,
    Schedule,
)
from lthctl.params.section import Section


class RoundParams(Section):
    """How the trainings between the rounds of a ticket are done.

    These are all of `TrainParams` but what only a retraining has: how often it is evaluated.
    """

    schema_1 = frozenset(
        {
            "steps",
            "batch_size",
            "optimizer",
            "lr",
            "momentum",
            "weight_decay",
            "engine",
            "device",
            "threads",
        }
    )

    steps: Count = 15_000
    """Optimizer updates of a retraining; a ticket of n rounds gets steps // n of them before each
    of its prunings."""

    batch_size: Count = 60
    """Images per step."""

    optimizer: Optimizer = "adam"
    """`adam` (betas 0.9 and 0.999), `adamw` (the same with decoupled decay), `sgd`, or your own as
    module:name."""

    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.2e-3
    """Learning rate: the highest, where a schedule changes it."""

    schedule: Schedule = "constant"
    """What becomes of the learning rate over the steps of a training: `constant`; `step`, by
    `lr_drops`; `cosine` or `linear`, to 0 at the end; or your own as module:name. Every training
    between the rounds of a ticket has it over its own steps."""

    warmup: Natural = 0
    """Steps in which the learning rate rises from 0 in a straight line to that of the schedule.
    `cosine` and `linear` begin after them."""

    lr_drops: Drops = ()
    """For `step`: steps and what `lr` is multiplied with once they are taken, such as
    `{20000: 0.1, 25000: 0.01}`."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of `sgd`."""

    nesterov: bool = False
    """Whether the momentum of `sgd` is Nesterov's."""

    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """L2 penalty, added to the gradient. With `adamw` it is decoupled: at every step each weight
    is multiplied by 1 minus learning rate times decay."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each label that is spread over all classes in the loss that is trained on.
    Evaluations are of the plain labels."""

    precision: Precision = "float32"
    """Of the arithmetic of training steps: `float32`, or `bfloat16` by torch's autocast. Weights,
    optimizer and evaluations are float32 in any case. There is no `float16`: it needs a scaled
    loss, and skips the steps in which that overflows."""

    engine: Engine = "auto"
    """`sparse`: MLPs on a CPU, at the cost of the weights that are left. `torch`: anything,
    anywhere. `auto`: `sparse` where it can, else `torch`."""

    device: str = "auto"
    """A torch device; `auto` is the GPU where there is one."""

    threads: Count = 1
    """Threads inside one training. They change the order of its sums, so they are part of what
    determines its result."""


def rate_words(train: RoundParams) -> str:
    """The learning rate for people.

    Example:
      >>> rate_words(TrainParams(lr=0.1, schedule="step", lr_drops=((20000, 0.1),), warmup=500))
      '0.1, times 0.1 after 20,000 steps, warm-up 500'
    """
    words = [f"{train.lr:g}"]
    if train.lr_drops:
        words += [f"times {factor:g} after {step:,} steps" for step, factor in train.lr_drops]
    elif train.schedule != "constant":
        words.append(train.schedule)
    if train.warmup:
        words.append(f"warm-up {train.warmup:,}")
    return ", ".join(words)


class TrainParams(RoundParams):
    """How a network is trained. Immutable.

    Raises:
      pydantic.ValidationError: a name is unknown or a value out of range.

    Example:
      >>> TrainParams(steps=3000, optimizer="sgd", lr=0.1).batch_size
      60
    """

    schema_1 = RoundParams.schema_1 | {"evaluate_every"}

    evaluate_every: Count = 250
    """Steps between two evaluations on all validation images."""

    def of_rounds(self) -> RoundParams:
        """The same without what only a retraining has."""
        values = {name: getattr(self, name) for name in RoundParams.model_fields}
        return RoundParams.model_construct(**values)


class TrainSection(TrainParams):
    """The section `train` of params.yaml, in which the length of a training may be said in epochs.

    Files and digests know steps alone: the same training has the same name, whichever was said.
    """

    epochs: Count | None = None
    """How often a retraining sees every image, in the place of `steps`, which are rounded up."""

    @model_validator(mode="before")
    @classmethod
    def _one_length(cls, values: object) -> object:
        if isinstance(values, dict) and "steps" in values and values.get("epochs") is not None:
            raise PydanticCustomError(
                "length", "gives both steps and epochs; leave one of them out"
            )
        return values

    def for_images(self, num_images: int, batch_size: int | None = None) -> TrainParams:
        """The same in steps, which count as stated if epochs are.

        Args:
          num_images: that there are to train on.
          batch_size: of the training, where it is not the one here.

        Example:
          >>> TrainSection(epochs=2, batch_size=64).for_images(50_000).steps
          1563
        """
        values = {name: getattr(self, name) for name in TrainParams.model_fields}
        stated = self.model_fields_set - {"epochs"}
        if self.epochs is not None:
            values["steps"] = -(-self.epochs * num_images // (batch_size or self.batch_size))
            stated |= {"steps"}
        return TrainParams.model_construct(stated, **values)
