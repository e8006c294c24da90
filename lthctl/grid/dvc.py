"""What DVC owns, as DVC itself says."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from lthctl.artifacts.dvc_projects import outputs_below
from lthctl.errors import OutputError


def refuse_if_owned(*places: Path) -> None:
    """Refuse to write to what is, holds, or lies in an output of DVC, unless DVC itself called.

    DVC deletes its outputs before it makes them again, and with them whatever else was put there.
    Links are followed, those in a place and those in an output.

    Args:
      places: files or folders that are to be written, there already or not.

    Raises:
      OutputError: DVC owns one of them; or a pipeline cannot be read, so that nobody knows.
    """
    if "DVC_STAGE" in os.environ:
        return
    forms = {place: _forms(place) for place in places}
    outputs: dict[Path, Path] = {}
    for root in _projects({Path.cwd(), *chain(*forms.values())}):
        try:
            owned = outputs_below(root)
        except Exception as error:  # DVC, its parsers and the disk have an exception each
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OutputError(
                f"{', '.join(map(str, places[:1]))}: DVC may own it, but a pipeline in {root} "
                f"cannot be read ({reason}); mend that, or choose another --out"
            ) from error
        outputs |= {form: output for output in owned for form in _forms(output)}
    above = {parent: output for form, output in outputs.items() for parent in form.parents}
    for place, form in ((place, form) for place, ways in forms.items() for form in ways):
        owner = next((outputs[part] for part in (form, *form.parents) if part in outputs), None)
        if (output := owner or above.get(form)) is not None:
            raise OutputError(
                f"{place}: belongs to DVC, whose output is {output}, and DVC deletes what others "
                "put there; choose another --out, or run the stage with `dvc repro`"
            )


def _forms(place: Path) -> set[Path]:
    """A path as it is written, and where its links lead."""
    absolute = Path(os.path.abspath(place))  # noqa: PTH100  # `Path.absolute` leaves ".." in it
    return {absolute, Path(os.path.realpath(place))}


def _projects(places: set[Path]) -> Iterator[Path]:
    """The roots of DVC's projects that enclose some places. Where there is no project, pipelines
    that wait for one count as well."""
    enclosing = sorted({folder for place in places for folder in (place, *place.parents)})
    roots = [folder for folder in enclosing if (folder / ".dvc").is_dir()]
    yield from roots
    for folder in enclosing:  # the outermost first
        if not any(folder.is_relative_to(root) for root in roots) and _has_pipelines(folder):
            roots.append(folder)
            yield folder


def _has_pipelines(folder: Path) -> bool:
    try:
        return any(
            path.name == "dvc.yaml" or (path.suffix == ".dvc" and path.name != ".dvc")
            for path in folder.iterdir()
        )
    except OSError:  # no folder, or not ours to look into
        return False
