"""Reading params.yaml: every fault with its file, line and column."""

from pathlib import Path

from pydantic import ValidationError

from lthctl.errors import ParamsError
from lthctl.params import SECTIONS, Params, explain
from lthctl.yaml_file import faults_text, read_yaml


def load_params(path: Path) -> Params:
    """Read a params.yaml of the person's own, and allow that the code it names is imported.

    Args:
      path: the file; see `read_params`.

    Raises:
      ParamsError: it is refused.
    """
    params = read_params(path)
    params.trust_own()
    return params


def read_params(path: Path) -> Params:
    """Read a params.yaml, whoever wrote it.

    Args:
      path: the file. Sections and keys may be left out; an empty file is all defaults.

    Raises:
      ParamsError: it cannot be read, is no YAML, or holds keys or values that are not known; all
        are named, with file, line and column.
    """
    values, places = read_yaml(path, "--params")
    try:
        if values is None:
            values = {}
        if isinstance(values, dict):  # a section with nothing in it is all defaults
            values = {
                key: {} if key in SECTIONS and value is None else value
                for key, value in values.items()
            }
        return Params.model_validate(values)
    except ValidationError as error:
        faults = [(tuple(fault["loc"]), explain(fault)) for fault in error.errors()]
        raise ParamsError(faults_text(path, places, faults)) from None
