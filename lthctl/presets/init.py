"""What `lthctl init` does, for Python: parameters and a pipeline in a folder of one's own.

Knows git and DVC projects as far as it takes to fit into them.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lthctl.disk import write_file
from lthctl.errors import OutputError, ParamsError
from lthctl.families import choices, nearest

TEMPLATES = Path(__file__).parent
"""A pipeline.yaml becomes dvc.yaml: under that name it would be a pipeline of this repository."""
PRESETS = {
    "root": {"dvc.yaml": "pipeline.yaml", "params.yaml": "root.yaml"},
    "video": {"dvc.yaml": "pipeline.yaml", "params.yaml": "video.yaml"},
    "paper": {
        "dvc.yaml": "paper/pipeline.yaml",
        "params.yaml": "paper/params.yaml",
        "one-shot.yaml": "paper/one-shot.yaml",
        "claims.yaml": "paper/claims.yaml",
    },
}
"""Name -> file that is written -> its template."""
NETWORKS = ("conv2", "conv4", "conv6", "resnet20", "vgg19")
PRESETS |= {
    f"paper-{name}": {"dvc.yaml": "networks/pipeline.yaml", "params.yaml": f"networks/{name}.yaml"}
    for name in NETWORKS
}
IGNORES = {".gitignore": "gitignore", ".dvcignore": "dvcignore"}


@dataclass(frozen=True)
class Initialized:
    """What was done.

    Attributes:
      written: new files.
      extended: ignore files that were there, and got the lines that they lacked.
      has_new_project: whether a DVC project was made, as none encloses the folder.
    """

    written: tuple[Path, ...]
    extended: tuple[Path, ...]
    has_new_project: bool


def init(folder: Path | str = ".", *, preset: str = "root") -> Initialized:
    """Write an experiment that `dvc repro` runs. Nothing is overwritten.

    Where no DVC project encloses the folder, it becomes one. It may be in a git repository, or in
    none.

    Args:
      folder: is made if it is not there.
      preset: "root", a few ratios in minutes; "video", the whole grid of the walk-through;
        "paper", that of the paper for MNIST, with its claims; or "paper-conv2" and others, those of
        its networks for CIFAR-10.

    Raises:
      ParamsError: there is no such preset.
      OutputError: some of the files are there already, all of which are named; or the folder
        cannot be written.

    Example:
      >>> init("tickets-of-mine", preset="root").has_new_project
      True
    """
    if preset not in PRESETS:
        meant = nearest(preset, PRESETS)
        hint = f"did you mean {meant!r}? Expected" if meant else "expected"
        raise ParamsError(f"preset: is {preset!r}; {hint} {choices(tuple(PRESETS))}")
    place = Path(folder)
    new = {place / name: TEMPLATES / template for name, template in PRESETS[preset].items()}
    taken = [path for path in (*new, place / "dvc.lock") if os.path.lexists(path)]
    if taken:
        raise OutputError(
            f"{', '.join(map(str, taken))}: there already, and init overwrites nothing; give "
            "another folder, or move them away"
        )
    if place.exists() and not place.is_dir():
        raise OutputError(f"{place}: is no folder; give another one")
    for name in IGNORES:
        if (place / name).exists() and not (place / name).is_file():
            raise OutputError(f"{place / name}: is no file; move it away")
        _text_of(place / name)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place}: cannot be made ({error.strerror}); give another one") from None
    has_new_project = not _is_inside(place, ".dvc")
    there_before = {name for name in IGNORES if (place / name).exists()}
    if has_new_project:
        _make_project(place)
    extended = [place / name for name in IGNORES if _add_missing_lines(place, name)]
    for target, template in new.items():
        write_file(target, template.read_bytes())
    return Initialized(
        written=tuple(sorted((*new, *(p for p in extended if p.name not in there_before)))),
        extended=tuple(path for path in extended if path.name in there_before),
        has_new_project=has_new_project,
    )


def _is_inside(folder: Path, marker: str) -> bool:
    absolute = folder.resolve()
    return any((place / marker).exists() for place in (absolute, *absolute.parents))


def _make_project(folder: Path) -> None:
    """`dvc init`, also in a git repository, or in a subfolder of one.

    DVC is told that there is no git: else it stages its files, and so runs the filters that a
    repository of somebody else's names. What it would have written for git is written here.
    """
    words = [sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"]
    with tempfile.TemporaryDirectory(prefix="lthctl-") as scratch:
        # Safe: neither it nor a process that it starts takes modules of that folder. What DVC keeps
        # for the whole machine, it keeps when somebody uses it.
        silent = {**os.environ, "DVC_NO_ANALYTICS": "1", "PYTHONSAFEPATH": "1"}
        silent["DVC_SITE_CACHE_DIR"] = scratch
        done = subprocess.run(words, cwd=folder, env=silent, capture_output=True, text=True)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise OutputError(
            f"{folder}: DVC cannot make a project here ({reason}); run `dvc init` there yourself, "
            "and then this again"
        )
    # Nobody asked for a project that calls home.
    lines = ["[core]", "    analytics = false", "    check_update = false"]
    if _is_inside(folder, ".git"):
        write_file(folder / ".dvc" / ".gitignore", b"/config.local\n/tmp\n/cache\n")
    else:
        lines.append("    no_scm = True")
    write_file(folder / ".dvc" / "config", "\n".join((*lines, "")).encode())


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8") if file.exists() else ""
    except UnicodeDecodeError:
        raise OutputError(f"{file}: is not UTF-8 text; save it as UTF-8, or move it away") from None


def _add_missing_lines(folder: Path, name: str) -> bool:
    """Add the lines of an ignore file that are not in it yet; whether there were any."""
    file = folder / name
    before = _text_of(file)
    lines = before.splitlines()
    wanted = (TEMPLATES / IGNORES[name]).read_text(encoding="utf-8").splitlines()
    missing = [line for line in wanted if line not in lines]
    if not missing:
        return False
    start = before if before.endswith("\n") or not before else f"{before}\n"
    write_file(file, (start + "\n".join(missing) + "\n").encode())
    return True
