"""What a pruning method is, what it may look at, and how it is asked for its scores."""

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
from lthctl.mask import Mask, Shapes, Weights
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
        score needs those. Otherwise they are what the ticket rewinds to: the initial weights, or
        those of a later step.
      initial: the initial weights, likewise.
      mask: what is kept so far; its names are those to be scored.
      seed: the seed of the ticket.
      stream: random numbers, others in every round.
      get_model: returns the architecture.
      get_dataset: returns the dataset.
    """

    weights: Weights
    initial: Weights
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
        return train.take(chosen)

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
      iterations: in how many steps a pruning is done. After each step what is left is scored anew.
        The steps are exponential: each removes about the same fraction of what is left.
      densities: takes the shapes of the prunable parameters and the density of all of them together
        after a round, in (0, 1]. It returns name -> the density of each, so weights compete within
        their parameter whatever the scope. None where the rates of the ticket say how many go.
      words: what the method does, for people, such as "by magnitude".
      colour: of its lines in figures, as `#rrggbb`.
      page_colours: the same on the page, on light and on dark ground.
    """

    function: Callable[[ScoreContext], Scores]
    needs: Literal["trained", "initial", "nothing"] = "trained"
    iterations: int = 1
    densities: Callable[[Shapes, float], Mapping[str, float]] | None = None
    words: str = "by a score of one's own"
    colour: str = "#777777"
    page_colours: tuple[str, str] = ("#7a5195", "#c9a0dc")

    def __post_init__(self) -> None:
        for colour in (self.colour, *self.page_colours):
            if not re.fullmatch("#[0-9a-f]{6}", colour):
                raise ParamsError(f"method: a colour is {colour!r}, expected one such as #0072b2")
        if self.iterations < 1:
            raise ParamsError(f"method: iterations is {self.iterations}, expected at least 1")

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


def densities_by(method: str, shapes: Shapes, density: float) -> dict[str, float] | None:
    """How dense a method makes every parameter; None where the rates of a ticket say it.

    Args:
      method: one that is not known here makes none.
      shapes: the prunable parameters, name -> shape.
      density: of all of them together.

    Raises:
      TrainingError: its function fails, or gives anything but a density for each parameter.
    """
    score = SCORES.known(method)
    if score is None or score.densities is None:
        return None
    given = SCORES.call(method, score.densities, shapes, density)
    if not isinstance(given, Mapping) or given.keys() != shapes.keys():
        raise TrainingError(
            f"method {method}: its densities are not of the prunable parameters, expected one for "
            f"each of {', '.join(shapes)}"
        )
    for name, value in given.items():
        if not isinstance(value, float | int) or not 0 <= value <= 1:
            raise TrainingError(
                f"method {method}: its density of {name!r} is {value!r}, expected in [0, 1]"
            )
    return {name: float(value) for name, value in given.items()}


def needs_training(method: str) -> bool:
    """Whether tickets of this method, if it is known here, come out of trainings."""
    score = SCORES.known(method)
    return score is not None and score.needs_training
