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
    prune, train = loaded.prune, loaded.train
    training = {"steps": train.steps, "engine": train.engine}
    lists = {
        name: getattr(prune, name) or ()
        for name in ("method", "ratio", "rounds", "seed", "layer_ratio", "rewind_step")
    }
    single = ("rate", "every_round", "output_factor", "scope")
    grid = {
        **{name: [str(value) for value in values] for name, values in lists.items()},
        **{name: getattr(prune, name) for name in single},
    }
    controls = {"control": list(loaded.retrain.control)} if loaded.retrain.control else {}
    retrain = loaded.retrain
    retraining = {**training, **controls, "order_seed": retrain.order_seed, "draws": retrain.draws}
    context.default_map = {
        "prune": {**training, **grid},
        "retrain": retraining,
        "run": {**retraining, **grid},
    }


def is_typed(context: Any, name: str) -> bool:
    """Whether an option was given on the command line; the context is of its command."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def sizes_by_flags(context: Context, flags: Mapping[str, object]) -> dict[str, object]:
    """Flags of tickets, of which those that say how small tickets are win over the file.

    The file may say it in another way, such as by a rate, which then does not count.

    Args:
      context: of the command.
      flags: "section.key" -> value, of `TicketOptions`.

    Raises:
      ParamsError: flags say it in two ways.
    """
    said = [name for name in ("ratio", "rate", "layer_ratio") if is_typed(context, name)]
    if said[:1] == ["ratio"] and _only_zeros(context.params["ratio"]):
        said = said[1:]
    if len(said) > 1:
        both = " and ".join("--" + name.replace("_", "-") for name in said)
        raise ParamsError(f"{both}: say how small tickets are, each in its way; give one of them")
    others: dict[str, object] = {}
    if said and "rate" not in said:
        others["prune.rate"] = None
        if not is_typed(context, "every_round"):
            others["prune.every_round"] = False
    if said and "layer_ratio" not in said:
        others["prune.layer_ratio"] = None
    return {**flags, **others}


def _only_zeros(values: list[str]) -> bool:
    """Whether ratios ask for the dense network alone, which goes with everything."""
    return all(set(value) <= set("0., ") for value in values)


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
      flags: "section.key" -> value.
      runs_code: whether the command runs somebody's own code that the file names. One that only
        looks at what others made does not.

    Raises:
      ParamsError: the file or a flag is refused.
      PathError: the system does not say whether there is a file.
    """
    from lthctl.params import visible_to

    if isinstance(context.obj, LthctlError):
        raise context.obj
    visible = visible_to(command, context.obj)
    if not runs_code:
        return visible
    context.obj.trust_own()
    return visible.override(flags or {})
