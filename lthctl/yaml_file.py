"""YAML that a person wrote: bounded, with line and column of every key.

Knows YAML, and nothing of what the keys mean.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from lthctl.errors import ParamsError
from lthctl.parameter_types import shown

FILE_LIMIT = 16 * 2**10  # bytes; a parser in Python takes seconds for as many


DEPTH_LIMIT = 100  # brackets


MOST_FAULTS = 50


NODES_LIMIT = 40_000  # keys and values, aliases written out


Places = Mapping[tuple[object, ...], tuple[int, int]]
"""Keys from the root on -> line and column, from 1."""


def read_yaml(path: Path, option: str, usual: int = 1000) -> tuple[Any, Places]:
    """Read a YAML file.

    Args:
      path: the file.
      option: of the command line, that names another.
      usual: about how many bytes such a file has.

    Returns:
      Its values, None for an empty file, and where they stand.

    Raises:
      ParamsError: it cannot be read, is too long, or is no YAML.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ParamsError(
                f"{path}: is a pipe or a device, expected a file; name another with {option}"
            )
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
        if len(content) > FILE_LIMIT:
            raise ParamsError(
                f"{path}: is longer than {FILE_LIMIT} bytes, expected about {usual}; name another "
                f"file with {option}"
            )
        return parse_yaml(content.decode(), str(path))
    except ParamsError:
        raise
    except OSError as error:
        raise ParamsError(
            f"{path}: cannot be read ({error.strerror}); name another file with {option}"
        ) from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: is not UTF-8 text; save it as such") from error


def parse_yaml(text: str, where: str) -> tuple[Any, Places]:
    """Values of a YAML text, None for an empty one, and where they stand.

    Args:
      text: the YAML.
      where: it stands, for messages.

    Raises:
      ParamsError: it is no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        levels = accumulate((char in "[{") - (char in "]}") for char in text)
        if max(levels, default=0) > DEPTH_LIMIT:  # each costs the parser more than the one before
            raise ParamsError(
                f"{where}: opens more than {DEPTH_LIMIT} brackets inside each other, expected two; "
                "write it out"
            )
        yaml = YAML(
            typ="safe", pure=True
        )  # as DVC reads it: YAML 1.2, so 1e-3 is a number and no is a word
        root = yaml.compose(text)
        if (
            root is not None and _extent(root, {}) > NODES_LIMIT
        ):  # a few aliases of aliases would take for ever
            raise ParamsError(
                f"{where}: has aliases that stand for more than {NODES_LIMIT} values; write it out"
            )
        places = _places(root)
        values = yaml.constructor.construct_document(root) if root is not None else None
    except ParamsError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise ParamsError(f"{where}: is not valid YAML ({error.problem}); mend that line") from None
    except Exception as error:  # the parser lets through whatever it stumbles over
        raise ParamsError(
            f"{where}: is not valid YAML ({shown(str(error) or type(error).__name__)})"
        ) from None
    return values, places


def faults_text(
    path: Path, places: Places, faults: Sequence[tuple[tuple[object, ...], str]]
) -> str:
    """All that is wrong with the values of a file, a line each, in the order of the file.

    Args:
      path: the file.
      places: see `read_yaml`.
      faults: the keys from the root on, and what is wrong there.
    """
    lines = []
    for keys, fault in faults:
        line, column = next(
            (places[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in places), (1, 1)
        )
        dotted = ".".join(str(key) for key in keys) or "the file"
        lines.append((line, column, f"{path}:{line}:{column}: {dotted}: {fault}"))
    texts = [text for _, _, text in sorted(lines)]
    more = [f"and {len(texts) - MOST_FAULTS} more"] if len(texts) > MOST_FAULTS else []
    return "\n".join(texts[:MOST_FAULTS] + more)


def _extent(node: Any, known: dict[int, float]) -> float:
    """Number of nodes that a composed YAML document stands for with its aliases written out;
    infinite for one that contains itself. `known` holds what was counted already."""
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is counted, so that a node inside itself finds that
        children = node.value if isinstance(node.value, list) else []
        parts = [
            part for child in children for part in (child if isinstance(child, tuple) else (child,))
        ]
        known[id(node)] = 1 + sum(_extent(part, known) for part in parts)
    return known[id(node)]


def _places(node: Any, keys: tuple[object, ...] = ()) -> dict[tuple[object, ...], tuple[int, int]]:
    """Line and column, from 1, of every key and list item of a composed YAML document."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    places: dict[tuple[object, ...], tuple[int, int]] = {}
    children: list[tuple[object, Any, Any]] = []
    if isinstance(node, MappingNode):
        children = [
            (key.value, key, value) for key, value in node.value if isinstance(key.value, str)
        ]
    elif isinstance(node, SequenceNode):
        children = [(index, item, item) for index, item in enumerate(node.value)]
    for key, mark, child in children:
        places[(*keys, key)] = (mark.start_mark.line + 1, mark.start_mark.column + 1)
        places |= _places(child, (*keys, key))
    return places
