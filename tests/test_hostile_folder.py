"""Commands in a folder that holds every trick at once: nothing runs, nothing outside changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.long]

TOUCH = "open({marker!r}, 'w').close()\n"

MODULES = ("pip", "matplotlib", "numba", "torch", "dvc", "numpy", "scipy", "yaml", "sitecustomize",
           "usercustomize", "evil", "conftest")  # fmt: skip

COMMANDS = [
    ("store",),
    ("store", "check"),
    ("show", "runs"),
    ("show", "masks@HEAD"),
    ("compare", "masks@HEAD", "masks"),
    ("verify", "masks", "runs"),
    ("report", "--out", "{outside}/report"),
    ("prune", "--dry-run"),
]


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """A stranger's repository, and the file that its tricks would make."""
    place, marker = tmp_path / "stranger", tmp_path / "marker"
    fixture = ROOT / "tests" / "fixtures" / "schema-1"
    shutil.copytree(fixture, place)
    (place / "tickets").rename(place / "runs")
    touch = TOUCH.format(marker=str(marker))
    for name in MODULES:
        (place / f"{name}_").mkdir()
        (place / f"{name}_").rename(place / name)
        (place / name / "__init__.py").write_text(touch)
        (place / name / "__main__.py").write_text(touch)
    (place / "matplotlibrc").write_text("text.usetex: True\nbackend: module://evil\n")
    (place / ".numba_config.yaml").write_text("cache_dir: evil_cache\ndebug: 1\n")
    (place / "evil.pth").write_text("import evil\n")
    (place / ".dvc").mkdir()
    (place / ".dvc" / "config").write_text(
        f"[core]\n    site_cache_dir = {tmp_path}/made\n    remote = r\n"
        "['remote \"r\"']\n    url = http://127.0.0.1:9/x\n"
    )
    program = place / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    program.chmod(0o755)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)
    (place / ".gitattributes").write_text("* filter=x\n")
    for key, value in (
        ("core.fsmonitor", program), ("filter.x.clean", program), ("filter.x.process", program),
        ("core.hooksPath", place), ("core.sshCommand", program), ("core.pager", program),
    ):  # fmt: skip
        subprocess.run(["git", "config", key, str(value)], cwd=place, check=True)
    shutil.copy(program, place / "post-index-change")
    return place, marker


def test_no_command_runs_or_changes_anything(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    place, marker = hostile
    outside = tmp_path / "outside"
    outside.mkdir()
    program = "import sys; from lthctl.cli.app import main; sys.argv[0] = 'lthctl'; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home")}
    environment["DVC_NO_ANALYTICS"] = "1"
    environment.pop("DVC_SITE_CACHE_DIR", None)
    for words in COMMANDS:
        given = [word.format(outside=outside) for word in words]
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *given],
            cwd=place, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not marker.exists(), words
        assert not (tmp_path / "made").exists(), words
        assert not (place / "evil_cache").exists(), words
        assert "Traceback" not in done.stderr, (words, done.stderr)
        assert done.returncode in (0, 2, 3), (words, done.stderr)
    assert (outside / "report" / "index.html").is_file()


STARTS = {
    "worker": "from lthctl.grid.executors.processes import _Worker\n"
    "if __name__ == '__main__':\n    print(_Worker().end())\n",
    "dvc init": "from pathlib import Path\nfrom lthctl.presets.init import _make_project\n"
    "if __name__ == '__main__':\n    _make_project(Path('.'))\n",
}


@pytest.mark.parametrize("start", STARTS)
def test_no_child_process_takes_modules_of_the_working_folder(tmp_path: Path, start: str) -> None:
    place, marker = tmp_path / "stranger", tmp_path / "marker"
    place.mkdir()
    for name in ("dvc", "multiprocessing", "pickle", "numpy", "torch", "lthctl"):
        (place / f"{name}.py").write_text(TOUCH.format(marker=str(marker)))
    script = tmp_path / "installed" / "start.py"  # as `lthctl` is: its own folder comes first
    script.parent.mkdir()
    script.write_text(STARTS[start])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home")}
    environment.pop("PYTHONSAFEPATH", None)
    environment["DVC_SITE_CACHE_DIR"] = str(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, script], cwd=place, env=environment, capture_output=True, text=True
    )
    assert not marker.exists()
    assert done.returncode == 0, done.stderr
    assert start != "worker" or done.stdout == "ended with exit code 0\n"
