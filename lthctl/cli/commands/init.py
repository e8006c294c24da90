"""`lthctl init`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.choices import choice
from lthctl.cli.console import show
from lthctl.cli.options import QuietOption
from lthctl.presets.init import PRESETS
from lthctl.presets.init import init as write_experiment


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder. It is made if it is not there.")
    ] = Path(),
    preset: Annotated[
        str, choice("--preset", lambda: tuple(PRESETS), "The experiment: {names}.")
    ] = "root",
    quiet: QuietOption = False,
) -> None:
    """Write an experiment of your own, for `dvc repro` to run. Overwrite nothing.

    It is params.yaml, dvc.yaml, .gitignore and .dvcignore. `root` has a few ratios and takes
    minutes. `video` has the whole grid of the walk-through. `paper` has that of the paper, with its
    claims, and takes one to two hours. `paper-conv2` and others have its networks for CIFAR-10, and
    want a GPU. Your folder may be in a git repository and in a DVC project.
    Where there is no DVC project, it becomes one.
    """
    done = write_experiment(folder, preset=preset)
    if quiet:
        return
    for path in done.written:
        show(f"{path}: written")
    for path in done.extended:
        show(f"{path}: extended")
    if done.has_new_project:
        show(f"{folder / '.dvc'}: a new DVC project")
    show(f"Run it: {f'cd {shlex.quote(str(folder))} && ' if folder != Path() else ''}dvc repro")
