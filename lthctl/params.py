"""The parameters of an experiment: params.yaml as frozen models, with defaults, ranges and errors that name file, line
and column.

Knows what may be asked for, not what is done with it. The value of a parameter is the flag's, else the file's, else the
default here.
"""

import difflib
import math
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lthctl.errors import ParamsError

Method = Literal["l1", "random"]
Engine = Literal["auto", "torch", "sparse"]
Init = Literal["uniform", "glorot"]
SECTIONS = ("data", "model", "train", "prune", "retrain", "report")
FILE_LIMIT = 16 * 2**10  # bytes; a parser in Python takes seconds for as many
DEPTH_LIMIT = 100  # brackets
FAULTS_TOLD = 50
NODES_LIMIT = 40_000  # keys and values, aliases written out

_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 80
_repr.maxlevel = 2
shown = _repr.repr
"""A value as Python would write it, cut to a length that fits a message."""


def _as_tuple(value: object) -> object:
    """One value stands for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _check_ratio(value: float) -> float:
    if not 0 <= value < 1:
        raise PydanticCustomError("ratio", "Input should be in [0, 1): the fraction of weights to prune")
    return value


Ratio = Annotated[float, AfterValidator(_check_ratio)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Methods = Annotated[tuple[Method, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Ratios = Annotated[tuple[Ratio, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Sizes = Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(min_length=2)]


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class DataParams(Section):
    """What is trained and validated on."""

    holdout: Annotated[int, Field(ge=0)] = 0
    """Training images held out, at random by seed, for validation; the test images are then a test set. With 0 all
    training images are trained on and the test images are the validation set, as in the video protocol."""


class ModelParams(Section):
    """The MLP."""

    layers: Sizes = (784, 300, 100, 10)
    """Sizes of the MLP's layers: inputs, hidden layers, classes."""

    init: Init = "uniform"
    """`uniform`: PyTorch's default for nn.Linear, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases. `glorot`:
    Gaussian Glorot weights and zero biases."""


class TrainParams(Section):
    """How a network is trained. Immutable; unknown names and values out of range are refused."""

    steps: Count = 15_000
    """Optimizer updates of a retraining; a ticket of n rounds gets steps // n of them before each of its prunings."""

    evaluate_every: Count = 250
    """Steps between two evaluations on all validation images."""

    batch_size: Count = 60
    """Images per step."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """`adam` (betas 0.9 and 0.999) or `sgd`."""

    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.2e-3
    """Learning rate, constant."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of `sgd`."""

    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """L2 penalty, added to the gradient."""

    engine: Engine = "auto"
    """`sparse`: MLPs on a CPU, at the cost of the weights that are left. `torch`: anything, anywhere. `auto`: `sparse`
    where it can, else `torch`."""

    device: str = "auto"
    """A torch device; `auto` is the GPU where there is one."""

    threads: Count = 1
    """Threads inside one training. They change the order of its sums, so they are part of what determines its
    result."""


class PruneParams(Section):
    """Which tickets are asked for: the product of the lists."""

    method: Methods = ("l1",)
    """How weights are scored: `l1`, by magnitude; `random`, by chance."""

    ratio: Ratios = (0.8,)
    """Final sparsities asked for, in [0, 1); 0 is the dense network."""

    rounds: Counts = (1,)
    """Train-prune-rewind rounds: 1 is one-shot, more is iterative."""

    seed: Seeds = (1,)
    """Seeds; each is a replicate of the whole experiment."""

    biases: bool = True
    """Whether biases are pruned too, each layer's at the rate of its weights."""


class RetrainParams(Section):
    """What retraining keeps."""

    keep_weights: bool = True
    """Whether runs keep their final weights (1 MB each for 784-300-100-10)."""


class ReportParams(Section):
    """How runs are judged."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """Accuracy that "as good as dense" may cost, as a fraction: 0.002 is 0.2 points. Fix it before you look."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence of intervals and verdicts."""


class Params(Section):
    """All parameters, a section per stage."""

    data: DataParams = DataParams()
    model: ModelParams = ModelParams()
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
            return type(self).model_validate(values)
        except ValidationError as error:
            raise ParamsError(
                "\n".join(f"--{'.'.join(map(str, e['loc'][1:2]))}: {_explain(e)}" for e in error.errors())
            ) from None


def load_params(path: Path) -> Params:
    """Read a params.yaml.

    Args:
      path: the file. Sections and keys may be left out; an empty file is all defaults.

    Raises:
      ParamsError: it cannot be read, is no YAML, or holds keys or values that are not known; all are named, with file,
        line and column.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ParamsError(f"{path}: is a pipe or a device, expected a file; name another with --params")
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
        if len(content) > FILE_LIMIT:
            raise ParamsError(f"{path}: is longer than {FILE_LIMIT} bytes; ours have a thousand")
        text = content.decode()
        levels = accumulate((char in "[{") - (char in "]}") for char in text)
        if max(levels, default=0) > DEPTH_LIMIT:  # each costs the parser more than the one before
            raise ParamsError(f"{path}: opens more than {DEPTH_LIMIT} brackets inside each other; ours need two")
        yaml = YAML(typ="safe", pure=True)  # as DVC reads it: YAML 1.2, so 1e-3 is a number and no is a word
        root = yaml.compose(text)
        if root is not None and _extent(root, {}) > NODES_LIMIT:  # a few aliases of aliases would take for ever
            raise ParamsError(
                f"{path}: is not valid YAML for us (aliases of more than {NODES_LIMIT} values); write it out"
            )
        places = _places(root)
        values = yaml.constructor.construct_document(root) if root is not None else None
    except ParamsError:
        raise
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); name another file with --params") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: is not UTF-8 text; save it as such") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ParamsError(f"{where}: is not valid YAML ({error.problem}); mend that line") from None
    except Exception as error:  # the parser lets through whatever it stumbles over
        raise ParamsError(f"{path}: is not valid YAML ({shown(str(error) or type(error).__name__)})") from None
    try:
        if values is None:
            values = {}
        if isinstance(values, dict):  # a section with nothing in it is all defaults
            values = {key: {} if key in SECTIONS and value is None else value for key, value in values.items()}
        return Params.model_validate(values)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            keys = tuple(fault["loc"])
            line, column = next((places[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in places), (1, 1))
            dotted = ".".join(str(key) for key in keys) or "the file"
            lines.append((line, column, f"{path}:{line}:{column}: {dotted}: {_explain(fault)}"))
        told = [text for _, _, text in sorted(lines)]
        more = [f"and {len(told) - FAULTS_TOLD} more"] if len(told) > FAULTS_TOLD else []
        raise ParamsError("\n".join(told[:FAULTS_TOLD] + more)) from None


def _extent(node: Any, known: dict[int, float]) -> float:
    """Number of nodes that a composed YAML document stands for with its aliases written out; infinite for one that
    contains itself. `known` holds what was counted already."""
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is counted, so that a node inside itself finds that
        children = node.value if isinstance(node.value, list) else []
        parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = 1 + sum(_extent(part, known) for part in parts)
    return known[id(node)]


def _places(node: Any, keys: tuple[object, ...] = ()) -> dict[tuple[object, ...], tuple[int, int]]:
    """Line and column, from 1, of every key and list item of a composed YAML document."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    found: dict[tuple[object, ...], tuple[int, int]] = {}
    children: list[tuple[object, Any, Any]] = []
    if isinstance(node, MappingNode):
        children = [(key.value, key, value) for key, value in node.value if isinstance(key.value, str)]
    elif isinstance(node, SequenceNode):
        children = [(index, item, item) for index, item in enumerate(node.value)]
    for key, mark, child in children:
        found[(*keys, key)] = (mark.start_mark.line + 1, mark.start_mark.column + 1)
        found |= _places(child, (*keys, key))
    return found


def _explain(fault: ErrorDetails) -> str:
    """Found, expected and way out for one of pydantic's errors."""
    if fault["type"] == "extra_forbidden":
        keys = fault["loc"]
        known = _keys_of(keys[0]) if len(keys) > 1 else list(SECTIONS)
        close = difflib.get_close_matches(str(keys[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"is not a parameter; {hint}known here: {', '.join(known)}"
    if fault["type"] == "model_type":
        known = _keys_of(fault["loc"][0]) if fault["loc"] else list(SECTIONS)
        return f"is {shown(fault['input'])}, expected keys with values; known here: {', '.join(known)}"
    if fault["type"] == "too_short":
        return f"has {fault['ctx']['actual_length']} values, expected at least {fault['ctx']['min_length']}"
    expected = fault["msg"].removeprefix("Input should be ").removeprefix("Input should have ")
    return f"is {shown(fault['input'])}, expected {expected}"


def _keys_of(section: object) -> list[str]:
    model = Params.model_fields[str(section)].annotation
    assert isinstance(model, type) and issubclass(model, Section)
    return list(model.model_fields)
