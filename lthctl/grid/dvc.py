"""What DVC owns."""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

from lthctl.errors import OutputError


def refuse_if_owned(folder: Path) -> None:
    """Refuse to write into a folder that is an output of DVC, unless DVC itself called.

    DVC deletes its outputs before it makes them again, and with them whatever else was put there.

    Raises:
      OutputError: an output of a dvc.yaml, or of a .dvc file, is the folder or contains it.
    """
    if "DVC_STAGE" in os.environ:
        return
    absolute = folder.absolute()
    places = [absolute, *absolute.parents]
    for place in places[:-1]:
        if (owner := place.with_name(f"{place.name}.dvc")).is_file():
            raise _owned(folder, owner)
    for root in places[1:]:
        if (pipeline := root / "dvc.yaml").is_file():
            patterns = _outputs(pipeline)
            if any(fnmatchcase(str(place), pattern) for place in places for pattern in patterns):
                raise _owned(folder, pipeline)


def _owned(folder: Path, owner: Path) -> OutputError:
    return OutputError(
        f"{folder}: belongs to DVC ({owner.name}), which deletes what others put there; "
        "choose another --out, or run the stage with `dvc repro`"
    )


def _outputs(pipeline: Path) -> list[str]:
    """Absolute paths of a dvc.yaml's outputs as patterns; a template such as ${item.control} stands
    for anything without a slash."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = (YAML(typ="safe", pure=True).load(pipeline.read_text(encoding="utf-8")) or {}).get(
            "stages"
        ) or {}
        patterns = []
        for stage in stages.values():
            body = stage.get("do", stage)
            outputs = [
                output if isinstance(output, str) else next(iter(output))
                for output in body.get("outs", [])
            ]
            patterns += [
                str(pipeline.parent / body.get("wdir", ".") / re.sub(r"\$\{[^}]*\}", "*", output))
                for output in outputs
            ]
    except (
        OSError,
        ValueError,
        RecursionError,
        YAMLError,
        AttributeError,
        TypeError,
        StopIteration,
    ):
        return []  # DVC will say so itself
    return patterns
