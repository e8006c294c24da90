"""Every command in a folder that holds every trick at once: nothing of the folder runs, nothing is
contacted, and nothing changes but what was asked for.

With LTHCTL_STRACE=1 the system itself tells, too: every program that is started, every address that
is asked, every library that is loaded, and every name that is written to, in all processes.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from lthctl.canonical import sha256
from lthctl.cli.app import app
from tests.conftest import write_digits
from tests.traced import Trace, traced

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"

TOUCH = "open({marker!r}, 'a').write(__file__ + '\\n')\n"

MODULES = (
    "pip", "matplotlib", "numba", "torch", "dvc", "numpy", "scipy", "yaml", "json", "pickle",
    "sitecustomize", "usercustomize", "conftest", "setup", "lthctl", "mlflow", "wandb", "triton",
    "cupy", "pandas", "IPython", "torch_xla", "evil", "mypackage", "dotnet", "sqlalchemy",
    "tensorboard", "tensorflow", "google", "submitit", "onnx", "rich", "typer", "requests",
)  # fmt: skip

THEIR_PARAMS = """\
data: evil:data
model: evil:net
train: {optimizer: "evil:optimizer", schedule: "evil:schedule", engine: "evil:engine"}
prune: {method: [l1, "evil:score"]}
retrain: {control: ["evil:control"]}
"""

OWN_PARAMS = """\
model: {layers: [784, 20, 12, 10]}
train: {steps: 20, evaluate_every: 10, device: cpu, engine: torch}
prune: {method: [l1], ratio: [0.5], rounds: [1], seed: [1]}
"""

OWN_CODE = "import json\n\ndef score(context):\n    return context.weights\n"

WATCH = """\
import os, sys
from lthctl.datasets import mnist
mnist.MNIST.update({digests!r})

def watch(event, args):
    if event == "exec":
        file = getattr(args[0], "co_filename", "<>")
        here = not file.startswith("<") and os.path.abspath(file).startswith({place!r})
        said = file if here and not file.endswith("/own.py") else ""
    elif event in ("socket.connect", "socket.getaddrinfo"):
        place = args[-1] if event == "socket.connect" else args[:2]
        said = "asked %s" % (place,) if isinstance(place, tuple) else ""
    else:
        return
    if said:
        open({marker!r}, "a").write(said + "\\n")

sys.addaudithook(watch)
"""
"""What Python processes begin with: other digits pass for MNIST, and the interpreter itself tells
what is run and who is asked."""


@dataclass(frozen=True)
class Case:
    """A command in the hostile folder.

    Attributes:
      command: its name.
      rest: the other words; "{own}" is a folder of the person's.
      code: how it ends.
      writes: where something may change, from the folder around all.
      own: whether the parameters are the person's, not those that lie there.
      asks: whom it may ask.
    """

    command: str
    rest: str = ""
    code: int = 0
    writes: tuple[str, ...] = ()
    own: bool = False
    asks: str | None = None


DATA = " --data {own}/data/mnist"
STORE = "place/.lthctl"
TICKET = "masks/l1-r0.50-n1-s1"

CASES = [
    Case("show", "runs"),
    Case("show", "masks@HEAD"),
    Case("compare", "masks@HEAD masks"),
    Case("verify", "masks runs"),
    Case("verify", "made --replay" + DATA, own=True),
    Case("verify", "masks runs --replay" + DATA, own=True),
    Case("report", "--out {own}/report", writes=("own/report",)),
    Case("report", "made/runs --masks made/masks --paper paper --out page",
         writes=("place/page", "place/paper")),
    Case("report", "made/runs --out linked", 3),  # a link to what is the person's
    Case("report", "--out {own}/none --claims tagged.yaml", 2),
    Case("report", "--out {own}/tracked --to tensorboard --to wandb --to mlflow",
         writes=("own/tracked", "place/tensorboard", "place/wandb", "place/mlflow.db")),
    Case("audit", "--init {own}/weights.safetensors --mask bomb.pt", 3),
    Case("audit", "bombs --from tagged.yaml", 2),
    Case("export", f"made/{TICKET} --to onnx --out out.onnx", writes=("place/out.onnx",)),
    Case("export", f"made/{TICKET} --to prune --out out.pt", writes=("place/out.pt",)),
    Case("import", "bomb.pt --out imported", 3, own=True),
    Case("import", "{own}/out.pt --out imported", 2),  # the model of params.yaml is not run
    Case("import", "{own}/out.pt --out imported", writes=("place/imported",), own=True),
    Case("init", "", 3),
    Case("init", "new", writes=("place/new",)),
    Case("init", "../bare", writes=("bare",)),
    Case("prune", "--out pruned --engine sparse" + DATA, writes=("place/pruned", STORE), own=True),
    Case("prune", "--out pruned2 --executor processes --seed 3 --method l1,own:score" + DATA,
         writes=("place/pruned2", STORE), own=True),
    Case("retrain", "made/masks --out retrained --control reinit" + DATA,
         writes=("place/retrained", STORE), own=True),
    Case("retrain", "masks --out strange" + DATA, 3, own=True),
    Case("run", "--name all --seed 5" + DATA,
         writes=("place/masks", "place/runs", "place/report", STORE), own=True),
    Case("connect", "made/runs --points 2 --out joined" + DATA, writes=("place/joined",), own=True),
    Case("download", "--out got", 2),
    Case("download", "mnist --from {own}/data/mnist --out got", writes=("place/got",)),
    Case("download", "mnist --out got2", 3, asks="asked ('127.0.0.1', 9)"),
    Case("prune", "--out pruned3 --on local --engine sparse --seed 4" + DATA,
         writes=("place/pruned3", STORE), own=True),
    Case("work", "plan.json", 3),
    Case("store"),
    Case("store check", "", 3, writes=(STORE,)),
    Case("store prune", "made", writes=(STORE,)),
    Case("store adopt", writes=(STORE,)),
]  # fmt: skip


SECONDS = 300
"""After which a command counts as one that hangs."""

AT_HOME = (".cache", ".local/state/lthctl", ".config/matplotlib", ".rustup")
"""What the person's own libraries keep in the home of the person. pip asks rustc for its version."""


class Bomb:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"echo pickle >> {self._marker}",)


class World:
    """A person's own folder, home and program, and the stranger's folder beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place, self.own, self.marker = root / "place", root / "own", root / "marker"
        for name in ("own/site", "home/.cache/lthctl", "home/.config", "tmp"):
            (root / name).mkdir(parents=True)
        if (compiled := Path("~/.cache/lthctl/kernels").expanduser()).is_dir():  # takes minutes
            shutil.copytree(compiled, root / "home" / ".cache" / "lthctl" / "kernels")
        digests = write_digits(self.own / "data" / "mnist")
        watch = WATCH.format(digests=digests, place=str(self.place), marker=str(self.marker))
        (self.own / "site" / "sitecustomize.py").write_text(watch)
        # As the installed one is: the folder of this file comes first on the path.
        start = "import sys\nfrom lthctl.cli.app import main\n\nif __name__ == '__main__':\n"
        (self.own / "lthctl_start.py").write_text(f"{start}    main()\n")
        (self.own / "params.yaml").write_text(OWN_PARAMS)

    def call(
        self, words: str, folder: Path, trace: Trace | None = None
    ) -> subprocess.CompletedProcess[str]:
        hidden = ("PYTHON", "PIP_", "DVC_", "LTHCTL_", "XDG_", "GIT_", "NUMBA_", "MPL")
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(hidden)}
        nobody = {f"{way}_proxy": "http://127.0.0.1:9" for way in ("http", "https", "all")}
        environment = kept | nobody | {name.upper(): value for name, value in nobody.items()} | {
            "HOME": str(self.root / "home"), "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": f"{self.own / 'site'}{os.pathsep}{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1", "DVC_NO_ANALYTICS": "1",
            "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
        }  # fmt: skip
        command = [sys.executable, str(self.own / "lthctl_start.py"), *shlex.split(words)]
        return subprocess.run(
            [*(trace.before if trace else ()), *command],
            cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=SECONDS,
        )  # fmt: skip

    def listing(self) -> dict[str, str]:
        """Every path below the root, and what is there."""
        found = {}
        for path in self.root.rglob("*"):
            mode = f"{path.lstat().st_mode:o}"
            is_file = path.is_file() and not path.is_symlink()
            content = sha256(path.read_bytes()) if is_file else ""
            found[str(path.relative_to(self.root))] = f"{mode} {content}"
        return found


def make_hostile(world: World) -> None:
    """Fill a stranger's folder."""
    place, marker, touch = world.place, world.marker, TOUCH.format(marker=str(world.marker))
    shutil.copytree(FIXTURES / "schema-1" / "masks", place / "masks")
    shutil.copytree(FIXTURES / "schema-1" / "tickets", place / "runs")
    for name in ("masks", "runs"):
        shutil.copytree(FIXTURES / "schema-2" / name, place / name, dirs_exist_ok=True)
        shutil.copytree(world.own / name, place / "made" / name)
    shutil.copytree(world.own / ".lthctl", place / ".lthctl")
    forged = place / ".lthctl" / "trainings" / "ab" / ("ab" * 32)
    forged.mkdir(parents=True)
    for name in ("training.json", "history.csv"):
        (forged / name).write_text("{}")
    (place / "bombs").mkdir()
    for path in (place / "bomb.pt", place / "bombs" / "mask1.pt", forged / "weights.safetensors"):
        torch.save(Bomb(marker), path)
    for name in MODULES:
        for folder in (name, f"{name}/scores", f"{name}/controls"):
            (place / f"{folder}").mkdir()
            (place / folder / "__init__.py").write_text(touch)
            (place / folder / "__main__.py").write_text(touch)
    (world.own / "site of mine").mkdir()
    (world.own / "site of mine" / "index.html").write_text("mine")
    (place / "linked").symlink_to(world.own / "site of mine")
    (place / "own.py").write_text(OWN_CODE)
    (place / "params.yaml").write_text(THEIR_PARAMS)
    (place / "tagged.yaml").write_text(f"claims: !!python/object/apply:os.system ['>{marker}']\n")
    (place / "matplotlibrc").write_text("text.usetex: True\nbackend: module://evil\n")
    (place / ".numba_config.yaml").write_text("cache_dir: evil_cache\ndebug: 1\n")
    (place / "evil.pth").write_text("import evil\n")
    (place / "setup.cfg").write_text("[metadata]\nversion = attr: evil.version\n")
    (place / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n")
    (place / "wandb" / "settings").write_text(
        f"[default]\nmode = online\nbase_url = http://127.0.0.1:9\nx_files_dir = {world.root}/made\n"
    )
    (place / ".env").write_text("MLFLOW_TRACKING_URI=http://127.0.0.1:9\nWANDB_MODE=online\n")
    (place / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "evil"\n')
    (place / ".dvcignore").write_text("*a" * 12 + "b\n")  # takes minutes to match with this name:
    (place / ("a" * 200)).write_text("")
    (place / "imported.dvc").write_text(
        "deps:\n- path: http://127.0.0.1:9/x\nouts:\n- path: masks/imported\n"
    )
    (place / ".lfsconfig").write_text("[lfs]\n    url = http://127.0.0.1:9/lfs\n")
    (place / ".dvc").mkdir()
    (place / ".dvc" / "config").write_text(
        f"[core]\n    site_cache_dir = {world.root}/made\n    remote = r\n"
        "['remote \"r\"']\n    url = http://127.0.0.1:9/x\n"
    )
    program = place / "program"
    program.write_text(f"#!/bin/sh\necho $0 $* >> {marker}\ncat\n")
    program.chmod(0o755)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)
    (place / ".gitattributes").write_text("* filter=x\n")
    for key, value in (
        ("core.fsmonitor", program), ("filter.x.clean", program), ("filter.x.process", program),
        ("core.hooksPath", place), ("core.sshCommand", program), ("core.pager", program),
        ("remote.origin.url", f"ext::{program}"), ("protocol.ext.allow", "always"),
        ("diff.external", program), ("credential.helper", program), ("gpg.program", program),
        ("core.gitProxy", program), ("core.editor", program), ("core.alternateRefsCommand", program),
    ):  # fmt: skip
        subprocess.run(["git", "config", key, str(value)], cwd=place, check=True)
    shutil.copy(program, place / "post-index-change")
    shutil.copytree(place, world.root / "bare", symlinks=True)
    shutil.rmtree(world.root / "bare" / ".dvc")
    (world.root / "bare" / "params.yaml").unlink()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("world"))
    for words in (
        "prune",
        "retrain masks --order-seed 7",
        f"export {TICKET} --to prune --out out.pt",
    ):
        done = world.call(words, world.own)
        assert done.returncode == 0, done.stderr
    make_hostile(world)
    return world


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command} {case.rest}".strip())
def test_no_command_runs_or_changes_anything(world: World, case: Case) -> None:
    world.marker.unlink(missing_ok=True)
    before = world.listing()
    words = f"--params {world.own}/params.yaml " if case.own else ""
    words += f"{case.command} {case.rest.format(own=world.own)}"
    with traced(os.environ.get("LTHCTL_STRACE"), world.root.parent, world.place) as trace:
        done = world.call(words, world.place, trace)
    said = world.marker.read_text().splitlines() if world.marker.exists() else []
    world.marker.unlink(missing_ok=True)
    after = world.listing()
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert set(said) == ({case.asks} if case.asks else set())
    allowed = (*case.writes, *("home/" + name for name in AT_HOME))
    assert {path for path in changed if not path.startswith(allowed)} == set()
    assert "Traceback" not in done.stderr
    assert done.returncode == case.code, done.stderr
    if trace:
        seen = trace.seen
        print(f"{case.command} {case.rest}: programs {sorted(set(seen.programs))}")
        assert str(sys.executable) in seen.programs
        assert [one for one in seen.programs + seen.libraries if is_below(one, world.place)] == []
        assert set(seen.addresses) <= ({"127.0.0.1:9"} if case.asks else set())
        outside = [one for one in seen.written if not is_below(one, world.root)]
        assert [one for one in outside if not one.startswith(("/dev/", "/proc/"))] == []


LIBRARIES = (
    "libcuda.so.1", "libnvidia-ml.so.1", "libcudart.so.12", "libcudart.so.13", "libnvrtc.so.12",
    "libcupti.so.12", "libcudnn.so.9", "libcublas.so.12", "libamdhip64.so", "libgomp.so.1",
    "libtorch.so", "libtorch_cpu.so", "libtorch_python.so", "libc10.so", "libstdc++.so.6",
    "libgcc_s.so.1", "libm.so.6", "libc.so.6", "libz.so.1", "libffi.so.8", "libtbb.so.12",
    "libiomp5.so", "libsvml.so", "libmkl_rt.so", "libopenblas.so.0", "libllvmlite.so",
)  # fmt: skip

EVIL = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) {
  FILE *marker = fopen("%s", "a");
  if (marker) { fputs("a library\\n", marker); fclose(marker); }
}
"""


@pytest.fixture(scope="module")
def libraries(world: World) -> Iterator[None]:
    """In the hostile folder, and where the loader looks below it."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, and the loader of Linux")
    source, built = world.root / "evil.c", world.root / "evil.so"
    source.write_text(EVIL % world.marker)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source], check=True)
    folders = [world.place / name for name in (".", "tls", "lib", "glibc-hwcaps/x86-64-v3")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name in LIBRARIES:
            shutil.copy(built, folder / name)
    subprocess.run(
        [sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(built)!r})"], check=True
    )
    assert world.marker.read_text() == "a library\n"  # it works
    yield
    for folder in folders:
        for name in LIBRARIES:
            (folder / name).unlink()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command} {case.rest}".strip())
@pytest.mark.usefixtures("libraries")
def test_no_command_loads_a_library_of_the_folder(world: World, case: Case) -> None:
    world.marker.unlink(missing_ok=True)
    words = f"--params {world.own}/params.yaml " if case.own else ""
    done = world.call(f"{words}{case.command} {case.rest.format(own=world.own)}", world.place)
    said = world.marker.read_text().splitlines() if world.marker.exists() else []
    assert set(said) <= ({case.asks} if case.asks else set())
    assert done.returncode in (0, 2, 3, 4), done.stderr
    assert "Traceback" not in done.stderr


def is_below(path: str, folder: Path) -> bool:
    """Whether a path is below a folder."""
    return path.startswith(f"{folder}/")


def commands_of(group: Any, before: str = "") -> Iterator[str]:
    """Every command that a person can type, also those of groups."""
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        if inside is None or command.invoke_without_command:
            yield f"{before}{name}"
        if inside is not None:
            yield from commands_of(command, f"{before}{name} ")


def test_every_command_has_a_case() -> None:
    assert set(commands_of(typer.main.get_command(app))) == {case.command for case in CASES}


STARTS = {
    "worker": "from lthctl.grid.executors.processes import _Worker\n"
    "if __name__ == '__main__':\n    print(_Worker().end())\n",
    "dvc init": "from pathlib import Path\nfrom lthctl.presets.init import _make_project\n"
    "if __name__ == '__main__':\n    _make_project(Path('.'))\n",
}


@pytest.mark.long
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
    assert not (tmp_path / "site").exists()  # nor is anything kept for the whole machine
    assert done.returncode == 0, done.stderr
    assert start != "worker" or done.stdout == "ended with exit code 0\n"
