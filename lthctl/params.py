"""The parameters of an experiment: params.yaml as frozen models, with defaults, ranges and errors
that name file, line and column.

Knows what may be asked for, not what is done with it. The value of a parameter is the flag's, else
the file's, else the default here.
"""

import difflib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from lthctl.errors import ParamsError
from lthctl.families import trust
from lthctl.parameter_types import (
    Controls,
    Count,
    Counts,
    DatasetName,
    Draws,
    Drops,
    Engine,
    Init,
    Ladders,
    LayerRatios,
    Looks,
    Methods,
    MethodsOfControls,
    ModelName,
    Natural,
    Naturals,
    Normalize,
    Optimizer,
    Ratios,
    Schedule,
    Scope,
    Seed,
    Seeds,
    Select,
    Sizes,
    Targets,
    TicketsOfControls,
    shown,
)

SECTIONS = ("data", "model", "train", "prune", "retrain", "report")


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    schema_1: ClassVar[frozenset[str]] = frozenset()
    """The fields that the first schema had. It never changes: a later field is not added here."""

    def identity(self, *, without: Collection[str] = ()) -> dict[str, Any]:
        """What names and files hold of this section, as JSON values.

        A field that the first schema did not have is left out while it stands at its default. So a
        new field costs old tickets, runs and trainings nothing.

        Args:
          without: fields that are left out in any case.

        Example:
          >>> TrainParams(steps=30).identity()["steps"]
          30
        """
        values = self.model_dump(mode="json", exclude=set(without))
        fields = type(self).model_fields
        return {
            name: value
            for name, value in values.items()
            if name in self.schema_1
            or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }

    @property
    def says_more_than_schema_1(self) -> bool:
        """Whether a field that the first schema did not have stands at another value than its
        default."""
        return not self.identity().keys() <= self.schema_1


class DataParams(Section):
    """What is trained and validated on."""

    schema_1 = frozenset({"holdout"})

    name: DatasetName = "mnist"
    """Which dataset: `mnist`, or your own as module:name."""

    holdout: Annotated[int, Field(ge=0)] = 0
    """Training images held out, at random by seed, for validation; the test images are then a test
    set. With 0 all training images are trained on and the test images are the validation set, as in
    the video protocol."""

    normalize: Normalize = None
    """How pixels are moved and scaled: a mean and a standard deviation such as [0.1307, 0.3081], of
    pixels in [0, 1]; or `standard`, for those of the images that are trained on. If it is left out,
    pixels stay in [0, 1]."""


class ModelParams(Section):
    """What is trained."""

    schema_1 = frozenset({"layers", "init"})

    name: ModelName = "mlp"
    """Which model: `mlp`, or a torch module of your own as module:name."""

    output: str | None = None
    """Name of the output layer of a module of your own, which is pruned at half the rate. If none
    is given, it is the last layer that can be pruned."""

    layers: Sizes = (784, 300, 100, 10)
    """Sizes of the MLP's layers: inputs, hidden layers, classes."""

    init: Init = "uniform"
    """`uniform`: PyTorch's default for nn.Linear, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights
    and biases. With zero biases: `glorot` (Gaussian) and `glorot-uniform`; `kaiming-normal` and
    `kaiming-uniform`, with the gain of ReLU; `orthogonal`."""


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
    """`adam` (betas 0.9 and 0.999) or `sgd`."""

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

    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """L2 penalty, added to the gradient."""

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


class PruneParams(Section):
    """Which tickets are asked for: the product of the lists."""

    schema_1 = frozenset({"method", "ratio", "rounds", "seed", "biases"})

    method: Methods = ("l1",)
    """How weights are scored: `l1`, by magnitude; `random`, by chance; and others."""

    ratio: Ratios = (0.8,)
    """Final sparsities asked for, in [0, 1); 0 is the dense network."""

    rounds: Counts = (1,)
    """Train-prune-rewind rounds: 1 is one-shot, more is iterative."""

    seed: Seeds = (1,)
    """Seeds; each is a replicate of the whole experiment. `1-20` is a range, also inside a list."""

    biases: bool = True
    """Whether biases are pruned too, each layer's at the rate of its weights."""

    rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The fraction of the remaining weights that every round removes, such as 0.2. It takes the
    place of the ratios, but for 0, and every round trains all steps."""

    every_round: bool = False
    """Whether a ticket is left at every round on the way to the last one of `rounds`."""

    layer_ratio: LayerRatios = None
    """A final sparsity for each layer, such as `[0.8, 0.8, 0.4]`. It takes the place of the ratios,
    but for 0."""

    output_factor: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The output layer is pruned at this fraction of the rate of the others."""

    scope: Scope = "layer"
    """`layer`: weights compete within their layer. `global`: all with each other."""

    rewind_step: Naturals = (0,)
    """The steps of the dense network's training whose weights tickets rewind to. 0 are the initial
    weights. Rounds and retraining go on from there, with a fresh optimizer."""

    @field_validator("every_round")
    @classmethod
    def _needs_a_rate(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("rate") is None:
            raise PydanticCustomError("sizes", "Input should be with a rate, such as 0.2")
        return value

    @field_validator("layer_ratio")
    @classmethod
    def _excludes_a_rate(
        cls, value: tuple[float, ...] | None, info: ValidationInfo
    ) -> tuple[float, ...] | None:
        if value and info.data.get("rate") is not None:
            raise PydanticCustomError("sizes", "Input should be none, as there is a rate")
        return value


class RetrainParams(Section):
    """Which tickets are retrained from what, and what of it is kept.

    Example:
      >>> RetrainParams(tickets={"reinit": "l1-*"}).wants("reinit", "random", "random-r0.80-n5")
      False
    """

    schema_1 = frozenset({"keep_weights"})

    keep_weights: bool = True
    """Whether runs keep their final weights (1 MB each for 784-300-100-10)."""

    control: Controls = ()
    """What tickets are retrained from. If none is given, `lthctl retrain` takes `rewind`, and
    `lthctl run` takes `rewind` and `reinit`."""

    order_seed: Seed | None = None
    """Seed of the order of the batches of a second copy of every run, beside the first. `lthctl
    connect` joins both, and tells whether the network is stable. If none is given, there is no
    second copy."""

    draws: Draws = 1
    """Draws of every control that draws random numbers. Each is a run of its own. The report
    averages them within their seed."""

    methods: MethodsOfControls = {}
    """Control -> the methods whose tickets it is for, such as `reinit: [l1]`. A control that is not
    named here is for all tickets."""

    tickets: TicketsOfControls = {}
    """Control -> the tickets that it is for, by their names without the seed, such as
    `reinit: [l1-r0.80-n5]`. A `*` stands for anything. A control that is not named here is for all
    tickets."""

    @property
    def orders(self) -> tuple[int | None, ...]:
        """The orders of the batches that a ticket is retrained in: its own, which is None, and that
        of the second copy."""
        return (None,) if self.order_seed is None else (None, self.order_seed)

    def wants(self, control: str, method: str, ticket: str) -> bool:
        """Whether a ticket is retrained under a control.

        Args:
          control: the control.
          method, ticket: of the ticket, its name without the seed.
        """
        names = self.tickets.get(control, ("*",))
        return method in self.methods.get(control, (method,)) and any(
            fnmatchcase(ticket, name) for name in names
        )


class ReportParams(Section):
    """How runs are judged; accuracies are fractions in [0, 1].

    Example:
      >>> ReportParams(margin=0.005).margin
      0.005
    """

    schema_1 = frozenset({"margin", "confidence"})

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """Accuracy that "as good as dense" may cost, as a fraction: 0.002 is 0.2 points. Fix it before
    you look."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence of intervals and verdicts."""

    select: Select = "max-accuracy"
    """The step that the accuracy of a run is read at: `max-accuracy`, of maximum validation
    accuracy; or `min-loss`, of minimum validation loss, as in the paper. Where there are test
    images, the accuracy is theirs at that step. Fix it before you look."""

    targets: Targets = (0.97, 0.98)
    """Validation accuracies, as fractions. The report says when runs reach them. The answers are
    about the first. Fix them before you look."""

    primary: Ladders = ()
    """The ladders that the answers are about, such as `l1-n5`: method l1 in 5 rounds. Several share
    the error of one report, and the sentences are about the first. If none is given, it is that of
    the first method with the most rounds. Fix them before you look."""

    looks: Looks = ()
    """Numbers of seeds at which you look, such as `[5, 10, 20]`. Each look then has a bound of its
    own, so that all of them together keep the error. Nothing is decided between looks. If none is
    given, the report holds for a number of seeds that was fixed beforehand."""


def _as_named(value: object) -> object:
    """A name stands for a section with this name and nothing else."""
    return {"name": value} if isinstance(value, str) else value


class Params(Section):
    """All parameters, a section per stage: what params.yaml may hold, with the defaults.

    Raises:
      pydantic.ValidationError: a name is unknown or a value out of range. `override` raises
        `ParamsError` instead.

    Example:
      >>> Params().override({"train.steps": 3000, "prune.ratio": [0, 0.8]}).train.steps
      3000
    """

    data: Annotated[DataParams, BeforeValidator(_as_named)] = DataParams()
    model: Annotated[ModelParams, BeforeValidator(_as_named)] = ModelParams()
    train: TrainParams = TrainParams()
    prune: PruneParams = PruneParams()
    retrain: RetrainParams = RetrainParams()
    report: ReportParams = ReportParams()

    def override(self, flags: Mapping[str, object]) -> Self:
        """These parameters with some replaced.

        Args:
          flags: "section.key" -> value.

        Raises:
          ParamsError: a value is refused; every one is named as the flag `--key`.
        """
        values = self.model_dump()
        for path, value in flags.items():
            section, key = path.split(".")
            values[section][key] = value
        try:
            params = type(self).model_validate(values)
        except ValidationError as error:
            raise ParamsError(
                "\n".join(
                    f"--{'.'.join(map(str, e['loc'][1:2])).replace('_', '-')}: {explain(e)}"
                    for e in error.errors()
                )
            ) from None
        params.trust_own()
        return params

    def trust_own(self) -> None:
        """Allow that what these parameters name as `module:name` is imported, as they are those of
        the person who runs the command."""
        for section in self.model_dump(mode="json").values():
            for value in section.values():
                names = value if isinstance(value, list) else [value]
                trust(*(name for name in names if isinstance(name, str)))


def explain(fault: ErrorDetails) -> str:
    """Found, expected and way out for one of pydantic's errors."""
    if fault["type"] == "extra_forbidden":
        keys = fault["loc"]
        known = _keys_of(keys[0]) if len(keys) > 1 else list(SECTIONS)
        close = difflib.get_close_matches(str(keys[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"is not a parameter; {hint}known here: {', '.join(known)}"
    if fault["type"] == "model_type":
        known = _keys_of(fault["loc"][0]) if fault["loc"] else list(SECTIONS)
        return (
            f"is {shown(fault['input'])}, expected keys with values; known here: {', '.join(known)}"
        )
    if fault["type"] == "seed_range":
        return fault["msg"]
    if fault["type"] == "int_type" and fault["loc"][:2] == ("prune", "seed"):
        return f"is {shown(fault['input'])}, expected a seed such as 7, or a range such as 1-20"
    if fault["type"] == "too_short":
        lengths = fault["ctx"]
        return f"has {lengths['actual_length']} values, expected at least {lengths['min_length']}"
    if fault["type"] == "member" and (nearest := fault["ctx"].get("nearest")):
        given, expected = shown(fault["input"]), fault["ctx"]["expected"]
        return f"is {given}; did you mean {nearest!r}? Expected {expected}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    return f"is {shown(fault['input'])}, expected {expected}"


def _keys_of(section: object) -> list[str]:
    default = Params.model_fields[str(section)].default
    return list(type(default).model_fields)


SECTIONS_READ: Mapping[str, tuple[str, ...]] = {
    "download": (),
    "prune": ("data", "model", "train", "prune"),
    "retrain": ("data", "model", "train", "retrain"),
    "connect": ("data", "model"),
    "verify": ("data",),
    "report": ("report",),
    "run": SECTIONS,
}
"""Command -> the sections of params.yaml that it reads; dvc.yaml lists the same, and a test holds
it to that."""


def visible_to(command: str, params: Params) -> Params:
    """The parameters with every section that the command does not read at its defaults, so that
    none can be read unnoticed by DVC."""
    return Params(**{section: getattr(params, section) for section in SECTIONS_READ[command]})
