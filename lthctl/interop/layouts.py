"""Folders of other programs: which file in them is what.

A layout is a file of patterns, in `layout_files/` here or one of the user's own. Knows names of
files; not what is in them.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lthctl.errors import CheckpointError, ParamsError
from lthctl.parameter_types import shown
from lthctl.reading import read_file, unreadable
from lthctl.yaml_file import parse_yaml, read_yaml

PATTERNS = {"init", "mask", "start", "trained"}

KEYS = {"about", "rate", "key", *PATTERNS}

MOST_STARS = 3
"""In a name, as each costs as much again as all before it."""

NUMBERS = ("round", "remaining")
"""What a pattern may number its rounds by: counted up, or by what is left, which goes down."""


@dataclass(frozen=True)
class FoundRound:
    """The files of one round; None where there is none."""

    name: str
    mask: Path | None = None
    start: Path | None = None
    trained: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """Those that there are."""
        return [path for path in (self.mask, self.start, self.trained) if path is not None]


@dataclass(frozen=True)
class FoundFiles:
    """The files that an audit is about.

    Attributes:
      path: the file or folder that findings are told of.
      inits: weights that the ticket may be rewound to.
      rounds: in order; the last is the ticket's.
      rate: the fraction of the weights left that a round was to prune.
      ratio: the sparsity that was asked for.
      key: where in the files the weights are, as keys joined by dots.
    """

    path: Path
    inits: Sequence[Path]
    rounds: Sequence[FoundRound]
    rate: float | None = None
    ratio: float | None = None
    key: str | None = None


def layout_names() -> list[str]:
    """The layouts that come with lthctl."""
    return sorted(
        file.name.removesuffix(".yaml")
        for file in (files(__package__) / "layout_files").iterdir()
        if file.name.endswith(".yaml")
    )


def find_files(folder: Path, layout: str | None = None) -> FoundFiles:
    """The files of a run of another program.

    Args:
      folder: the run, or a folder that holds one such run.
      layout: a layout's name, or a YAML or JSON file with a mapping of one's own; without, the
        known one that fits.

    Raises:
      ParamsError: there is no such layout, or it is no mapping of patterns.
      CheckpointError: the folder has no such files, or those of several runs.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: is no folder, expected a run of another program")
    names = _names_below(folder)
    layout = _fitting(folder, names) if layout is None else layout
    mapping = _mapping(layout)
    root = _root(folder, names, mapping, layout)
    names = [name.removeprefix(root) for name in names if name.startswith(root)]
    folder = folder / root
    rounds: dict[int, dict[str, str]] = {}
    for role in ("mask", "start", "trained"):
        for number, name in _numbered(folder, names, mapping.get(role), role).items():
            rounds.setdefault(number, {})[role] = name
    for parts in rounds.values():
        if parts.get("start") == parts.get("trained"):
            parts.pop("start", None)  # one file alone is what the round ended in
    found = [
        FoundRound(
            f"round {number}" if len(rounds) > 1 else "the ticket",
            **{role: folder / name for role, name in parts.items()},
        )
        for number, parts in sorted(rounds.items())
    ]
    inits = _first_that_matches(names, mapping.get("init"))
    return FoundFiles(
        folder, [folder / name for name in inits], found,
        rate=_rate(folder, names, mapping.get("rate")), key=mapping.get("key"),
    )  # fmt: skip


def _names_below(folder: Path) -> list[str]:
    """Files and folders below a folder, from there, with slashes.

    Raises:
      CheckpointError: one cannot be looked into, and may hold a round that would be missed.
    """

    def refuse(error: OSError) -> None:
        reason = f"{error.filename}: cannot be looked into ({error.strerror or error})"
        raise unreadable(CheckpointError, f"{reason}, so nobody knows which files it holds")

    names = []
    for place, folders, found in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if name != ".git"]
        inside = Path(place).relative_to(folder)
        names += [(inside / name).as_posix() for name in (*folders, *found)]
    return sorted(names)


def _mapping(layout: str) -> dict[str, Any]:
    own = Path(layout)
    if layout in layout_names():
        file = files(__package__) / "layout_files" / f"{layout}.yaml"
        mapping, _ = parse_yaml(file.read_text(encoding="utf-8"), layout)
    elif own.suffix in (".yaml", ".yml", ".json"):
        mapping, _ = read_yaml(own, "--from", usual=300)
    else:
        raise ParamsError(
            f"--from: {layout!r} is no layout; expected one of {', '.join(layout_names())}, or a "
            "YAML or JSON file with a mapping"
        )
    if not isinstance(mapping, dict) or not mapping.keys() & {"mask", "trained"}:
        raise ParamsError(f"{layout}: is no mapping with a pattern for `mask` or `trained`")
    if unknown := sorted(str(key) for key in mapping.keys() - KEYS):
        raise ParamsError(f"{layout}: has {', '.join(unknown)}; expected {', '.join(sorted(KEYS))}")
    for key in PATTERNS & mapping.keys():
        value = mapping[key]
        for pattern in value if isinstance(value, list) else [value]:
            if fault := _fault(pattern):
                raise ParamsError(f"{layout}: {key}: {shown(pattern)} {fault}")
    return mapping


def _patterns(value: object) -> list[str]:
    return [str(pattern) for pattern in value] if isinstance(value, list) else [str(value)]


def _fault(pattern: object) -> str | None:
    """What is wrong with a pattern, if anything."""
    if not isinstance(pattern, str):
        return "is no text, expected a pattern, or a list of them"
    if any(pattern.count(f"{{{number}}}") > 1 for number in NUMBERS):
        return "has a number twice; give each once"
    if any(part.count("*") > MOST_STARS for part in pattern.split("/")):
        return f"has more than {MOST_STARS} stars in one name; write more of the name"
    return None


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern: `*` is anything inside a name, `{round}` and `{remaining}` are numbers."""
    parts = re.split(r"(\*|\{\w+\})", pattern)
    made = ""
    for part in parts:
        if part == "*":
            made += "[^/]*"
        elif part[1:-1] in NUMBERS and part.startswith("{"):
            made += rf"(?P<{part[1:-1]}>[0-9]+(?:\.[0-9]+)?)"
        else:
            made += re.escape(part)
    return re.compile(made + "$")


def _fitting(folder: Path, names: Sequence[str]) -> str:
    """The known layout that a folder has."""
    fitting = [name for name in layout_names() if _roots(names, _mapping(name))]
    if len(fitting) != 1:
        raise CheckpointError(
            f"{folder}: has {'several layouts' if fitting else 'no layout that is known'}; give "
            f"one of {', '.join(fitting or layout_names())}, or a YAML file, with --from"
        )
    return fitting[0]


def _roots(names: Sequence[str], mapping: Mapping[str, Any]) -> set[str]:
    """The folders, with a slash or empty, in which the files of a layout are."""
    found: set[str] = set()
    for pattern in _patterns(mapping.get("mask") or mapping.get("trained")):
        inner = re.compile(r"(?P<root>(?:[^/]+/)*?)" + _regex(pattern).pattern)
        found |= {match["root"] for name in names if (match := inner.match(name))}
    return found


def _root(folder: Path, names: Sequence[str], mapping: Mapping[str, Any], layout: str) -> str:
    """Where in the folder the run is: "" or a folder in it, with a slash."""
    leading = mapping.get("mask") or mapping.get("trained")
    roots = _roots(names, mapping)
    if "" in roots:
        return ""
    if len(roots) == 1:
        return roots.pop()
    if roots:
        listed = ", ".join(sorted(root.rstrip("/") for root in roots)[:8])
        raise CheckpointError(f"{folder}: holds several runs; give one of them: {listed}")
    raise CheckpointError(
        f"{folder}: has nothing in the layout {layout!r}, which expects {leading}"
    )


def _numbered(folder: Path, names: Sequence[str], value: object, role: str) -> dict[int, str]:
    """Round -> file. Of several files of one round: the first for a start, the last for an end."""
    if value is None:
        return {}
    for pattern in _patterns(value):
        regex = _regex(pattern)
        ordered = sorted(names, key=_natural)
        matches = [(name, match) for name in ordered if (match := regex.match(name))]
        if not matches:
            continue
        groups = regex.groupindex
        if "round" in groups:
            found: dict[int, str] = {}
            for name, match in matches:
                number = int(float(match["round"]))
                if role == "mask" and number in found:
                    raise CheckpointError(
                        f"{folder}: has two masks of round {number}, {found[number]} and {name}; "
                        "give the folder of one run"
                    )
                if role != "start" or number not in found:
                    found[number] = name
            return found
        if "remaining" in groups:
            left = sorted(matches, key=lambda pair: -float(pair[1]["remaining"]))
            return {number: name for number, (name, _) in enumerate(left)}
        return {0: matches[0 if role == "start" else -1][0]}
    return {}


def _first_that_matches(names: Iterable[str], value: object) -> list[str]:
    names = sorted(names, key=_natural)
    for pattern in [] if value is None else _patterns(value):
        if matches := [name for name in names if _regex(pattern).match(name)]:
            return matches
    return []


def _rate(folder: Path, names: Sequence[str], value: object) -> float | None:
    """The rate that the run's own notes state, by a regular expression."""
    if not isinstance(value, dict):
        return None
    for name in _first_that_matches(names, value.get("file")):
        text = read_file(folder / name, CheckpointError, limit=2**24).decode(errors="replace")
        try:
            if match := re.search(str(value.get("match")), text):
                rate = float(match[1])
                return rate / 100 if value.get("percent") else rate
        except (re.error, LookupError, ValueError, TypeError, OverflowError) as error:
            raise ParamsError(
                f"rate: match: is {shown(str(value.get('match')))}, expected a regular expression "
                f"with a group around a number ({error})"
            ) from None
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Text in which numbers are compared as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if n % 2 else (-1, part) for n, part in enumerate(parts)]
