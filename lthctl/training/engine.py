"""What an engine is: that which runs trainings."""

from typing import TYPE_CHECKING, Protocol, cast

from lthctl import families
from lthctl.families import Family
from lthctl.models.base import Model
from lthctl.params import TrainParams
from lthctl.training.history import Result

if TYPE_CHECKING:
    from lthctl.training.spec import OnStep, Training


class Engine(Protocol):
    """An engine. To look at one imports nothing heavy; its methods do.

    Attributes:
      words: what it trains, after "which", such as "trains any module on any device".
      numerics: a number that changes whenever its results do.
      packages: the installed packages whose versions can change its results.
      parameters: the keys of `train` in params.yaml that it honours. It is never given a training
        with another key off its default: what it does not know, it would silently leave out. The
        same holds for `first_step` and `last_step` of a training, and for `augment` of its dataset.

    It may have an attribute `same_on`: architectures, such as "x86_64", on all processors of which
    its results have the same bytes.
    """

    words: str
    numerics: int
    packages: tuple[str, ...]
    parameters: frozenset[str]

    def device_for(self, device: str) -> str:
        """The device that it uses where this is asked for, which may be "auto"."""

    def obstacles(self, params: TrainParams, model: Model) -> list[str]:
        """Why it cannot do a training, a clause each; empty where it can. `params.device` is
        decided."""

    def needs_preparing(self, training: "Training") -> bool:
        """Whether the first steps would have to wait, such as for a compiler."""

    def prepare(self, training: "Training") -> None:
        """Do what the first steps would have to wait for."""

    def relative_cost(self, density: float) -> float:
        """About what a step costs at a density in [0, 1], of what a dense one costs."""

    def train(self, training: "Training", on_step: "OnStep") -> Result:
        """Run a training to its end.

        Pruned weights are exactly 0 after every step. What `on_step` raises ends the training.
        An engine whose attribute `takes_resources` is true is called with `Resources`, too.

        Raises:
          FloatingPointError: a loss is not finite.
        """


def as_engine(name: str, given: object) -> Engine:
    """A member of the family from what a person brought: an engine.

    Raises:
      TypeError: it is none; says what was expected.
    """
    wanted = [key for key in vars(Engine) if not key.startswith("_")] + list(Engine.__annotations__)
    lacking = sorted(key for key in wanted if not hasattr(given, key))
    if isinstance(given, type) or lacking:
        which = f" (it has no {', '.join(lacking)})" if lacking else ""
        raise TypeError(f"an object such as lthctl.training.engine.Engine{which}")
    return cast(Engine, given)


ENGINES: Family[Engine] = families.ENGINES
