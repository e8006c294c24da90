"""Pruning methods: a method is only a score.

A method of one's own is a function of one parameter, the context, that returns a score for every
weight that may be pruned. It is called `module:name` in `prune.method` and `--method`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lthctl import families
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TrainingError
from lthctl.families import Family, checked_callable
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.models.sharing import load_weights
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import nn

Scores = Mapping[str, NDArray[np.floating]]

SAMPLE_IMAGES = 1000


@dataclass(frozen=True)
class ScoreContext:
    """What a score may look at.

    Attributes:
      weights: parameter name -> array; the pruned ones are 0. They are trained weights if the
        score needs those, and initial weights otherwise.
      mask: what is kept so far; its names are those to be scored.
      seed: the seed of the ticket.
      stream: random numbers, others in every round.
      get_model: returns the architecture.
      get_dataset: returns the dataset.
    """

    weights: Weights
    mask: Mask
    seed: int
    stream: Stream
    get_model: Callable[[], Model]
    get_dataset: Callable[[], Dataset]

    @cached_property
    def model(self) -> Model:
        """The architecture."""
        return self.get_model()

    @cached_property
    def sample(self) -> Split:
        """The first 1,000 training images in the order in which a training of this seed sees them,
        or all where there are fewer."""
        train = self.get_dataset().train
        chosen = Stream(self.seed, "order", 0).permutation(len(train))[:SAMPLE_IMAGES]
        return Split(train.images[chosen], train.labels[chosen])

    def network(self) -> "nn.Module":
        """A new torch module with the weights of this context."""
        network = self.model.build()
        load_weights(network, self.weights)
        return network


@dataclass(frozen=True)
class Score:
    """A pruning method.

    Attributes:
      function: takes a `ScoreContext` and returns name -> scores of the parameter's shape, for the
        names of the mask; the weights with the highest are kept.
      needs: "trained" weights, "initial" weights, or "nothing". No training is spent on a score
        that needs none.
      words: what the method does, for people, such as "by magnitude".
      colour: of its lines in figures, as `#rrggbb`.
      page_colours: the same on the page, on light and on dark ground.
    """

    function: Callable[[ScoreContext], Scores]
    needs: Literal["trained", "initial", "nothing"] = "trained"
    words: str = "by a score of one's own"
    colour: str = "#777777"
    page_colours: tuple[str, str] = ("#7a5195", "#c9a0dc")

    def __post_init__(self) -> None:
        for colour in (self.colour, *self.page_colours):
            if not re.fullmatch("#[0-9a-f]{6}", colour):
                raise ParamsError(f"method: a colour is {colour!r}, expected one such as #0072b2")

    @property
    def needs_training(self) -> bool:
        return self.needs == "trained"


def as_score(name: str, given: object) -> Score:
    """A member of the family from what a person brought: a `Score`, or a function of the context.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, Score):
        return given
    expected = "a function of one parameter, the context, or a lthctl.lottery.scores.Score"
    return own_score(name, checked_callable(given, 1, expected))


def own_score(name: str, function: Callable[[ScoreContext], Scores] | None = None) -> Score:
    """A score of somebody's own that says nothing of itself; without a function, to be drawn
    only."""
    return Score(function or _nothing, words=f"by {name}")


def _nothing(context: ScoreContext) -> Scores:
    return {}


def _magnitude(context: ScoreContext) -> Scores:
    return {name: np.abs(context.weights[name]) for name in context.mask}


def _noise(context: ScoreContext) -> Scores:
    return {name: context.stream.uniform(kept.shape) for name, kept in sorted(context.mask.items())}


# Okabe and Ito's colours, told apart by the colour-blind, and lighter on dark ground.
L1 = Score(
    _magnitude,
    needs="trained",
    words="by magnitude",
    colour="#0072b2",
    page_colours=("#0072b2", "#56b4e9"),
)

RANDOM = Score(
    _noise,
    needs="nothing",
    words="by chance",
    colour="#d55e00",
    page_colours=("#c1520a", "#f0944d"),
)

SCORES: Family[Score] = families.SCORES


def scored_by(method: str, context: ScoreContext) -> Scores:
    """The scores of a method, as arrays.

    Raises:
      ParamsError: there is no such method, or it may not be imported.
      TrainingError: its function fails, or returns anything but arrays by name.
    """
    given = SCORES.call(method, SCORES.get(method).function, context)
    if not isinstance(given, Mapping):
        raise TrainingError(
            f"method {method}: its function returned a value of type {type(given).__name__}, "
            "expected a mapping of parameter name to scores"
        )
    scores = {}
    for name, values in given.items():
        try:
            array = scores[name] = np.asarray(values)
        except Exception as error:  # such as of a tensor with gradients
            raise TrainingError(
                f"method {method}: its scores of {name!r} make no array "
                f"({type(error).__name__}: {error})"
            ) from error
        if array.dtype.kind not in "fiu":
            raise TrainingError(
                f"method {method}: its scores of {name!r} are of type {array.dtype}, "
                "expected numbers"
            )
    return scores


def needs_training(method: str) -> bool:
    """Whether tickets of this method, if it is known here, come out of trainings."""
    score = SCORES.known(method)
    return score is not None and score.needs_training
