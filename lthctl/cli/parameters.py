"""params.yaml and flags: how a command comes by its parameters.

A flag wins over the file, and the file over the default. Help shows the values in force.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Context

from lthctl.errors import LthctlError, ParamsError, PathError

if TYPE_CHECKING:
    from lthctl.params import Params


def load_into(context: Context, file: Path) -> None:
    """Read the parameters, and make them the defaults of the flags of all commands.

    An error is kept for the command, so that `--help` works with a broken file too.
    """
    from lthctl.parameter_types import rate_text
    from lthctl.params import Params
    from lthctl.params_file import read_params
    from lthctl.reading import is_there

    loaded = Params()
    try:
        if is_typed(context, "params") or is_there(file, PathError):
            loaded = read_params(file)
        context.obj = loaded
    except LthctlError as error:
        context.obj = error
    prune, train, model = loaded.prune, loaded.train, loaded.model
    training = {
        **{name: getattr(train, name) for name in ("steps", "batch_size", "lr", "optimizer")},
        "engine": train.engine,
        "dataset": loaded.data.name,
        "model": model.name,
        "layers": [",".join(map(str, model.layers))] if model.name == "mlp" else [],
    }
    lists = {
        name: getattr(prune, name) or ()
        for name in ("method", "ratio", "rounds", "seed", "layer_ratio", "exclude", "rewind_step")
    }
    single = ("every_round", "output_factor", "scope")
    grid = {
        **{name: [str(value) for value in values] for name, values in lists.items()},
        **{name: getattr(prune, name) for name in single},
        "rate": rate_text(prune.rate),
    }
    controls = {"control": list(loaded.retrain.control)} if loaded.retrain.control else {}
    retrain = loaded.retrain
    runs = {**controls, "order_seed": retrain.order_seed, "draws": retrain.draws}
    # What the file does not state of a retraining is the ticket's, as are model and dataset.
    stated = {name: value for name, value in training.items() if name in train.model_fields_set}
    context.default_map = {
        "prune": {**training, **grid},
        "retrain": {**stated, **runs},
        "run": {**training, **runs, **grid},
    }


def is_typed(context: Any, name: str) -> bool:
    """Whether an option was given on the command line; the context is of its command."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def is_set(context: Any, path: str) -> bool:
    """Whether `--set` names a parameter, such as "train.lr"."""
    return any(text.startswith(f"{path}=") for text in context.params.get("settings", ()))


SAID_TWICE = "{} and {}: say the same; give one of them"


SIZES = ("prune.ratio", "prune.rate", "prune.layer_ratio")
"""Parameters that say how small tickets are, each in its way."""


def sizes_alone(given: Mapping[str, object], typed: Mapping[str, str]) -> dict[str, object]:
    """What was given, with the sizes of tickets said in one way.

    The file may say them in another way, such as by a rate, which then does not count.

    Args:
      given: "section.key" -> value, of what was typed.
      typed: the same -> how it was typed.

    Raises:
      ParamsError: they are said in two ways.
    """
    said = [path for path in SIZES if given.get(path) is not None]
    if said[:1] == ["prune.ratio"] and _only_zeros(given["prune.ratio"]):
        said = said[1:]
    if len(said) > 1:
        both = " and ".join(typed[path] for path in said)
        raise ParamsError(f"{both}: say how small tickets are, each in its way; give one of them")
    others: dict[str, object] = {}
    if said and "prune.rate" not in said:
        others["prune.rate"] = None
        if "prune.every_round" not in given:
            others["prune.every_round"] = False
    if said and "prune.layer_ratio" not in said:
        others["prune.layer_ratio"] = None
    return {**given, **others}


def _only_zeros(ratios: object) -> bool:
    """Whether ratios ask for the dense network alone, which goes with everything."""
    return all(ratio == 0 for ratio in (ratios if isinstance(ratios, list) else [ratios]))


FLAGS = {"data.name": "dataset", "model.name": "model"}
"""Parameters whose flag has another name than their key."""


def parameters(
    context: Context,
    command: str,
    flags: Mapping[str, object] | None = None,
    *,
    runs_code: bool = True,
) -> "Params":
    """The parameters that a command may see, with its flags in their place.

    Args:
      context: of the command.
      command: its name in `SECTIONS_READ`.
      flags: "section.key" -> value. Those count that were typed.
      runs_code: whether the command runs somebody's own code that the file names. One that only
        looks at what others made does not.

    Raises:
      ParamsError: the file or a flag is refused.
      PathError: the system does not say whether there is a file.
    """
    from lthctl.params import ModelParams, visible_to

    if isinstance(context.obj, LthctlError):
        raise context.obj
    visible = visible_to(command, context.obj)
    given, typed = typed_parameters(context, command, flags or {})
    if given.get("model.name", visible.model.name) != visible.model.name:
        # What the file says of its own model, such as its layers, is not for another one.
        visible = visible.model_copy(update={"model": ModelParams()})
    given = sizes_alone(given, typed)
    if not runs_code:
        return visible.replace(given, typed=typed)
    context.obj.trust_own()
    return visible.override(given, typed=typed)


def typed_parameters(
    context: Context, command: str, flags: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    """What was typed, by flags of their own and by `--set`: "section.key" -> value, and -> how."""
    from lthctl.cli.settings import settings_of
    from lthctl.params import SECTIONS_READ

    given, typed = {}, {}
    for path, value in flags.items():
        name = FLAGS.get(path, path.partition(".")[2])
        if is_typed(context, name):
            given[path], typed[path] = value, f"--{name.replace('_', '-')}"
    sections = SECTIONS_READ[command]
    for path, value in settings_of(context.params.get("settings", ()), sections).items():
        for other in given:
            if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
                raise ParamsError(
                    f"--set {path} and {typed[other]}: say the same; give one of them"
                )
        given[path], typed[path] = value, f"--set {path}"
    return given, typed
