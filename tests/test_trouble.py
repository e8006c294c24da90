"""Ordinary trouble: each ends in one sentence, and costs no more than it must."""

import csv
import io
import json
import os
import stat
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lthctl import MLP
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.datasets import mirrors
from lthctl.datasets.fetching import SourceError, fetch_files
from lthctl.datasets.mirrors import Mirror, within
from lthctl.disk import write_file
from lthctl.errors import CheckpointError, MaskError, OutputError
from lthctl.interop.importing import import_ticket
from lthctl.mask import Mask, check_shapes, unpack_mask
from lthctl.reporting import figures
from lthctl.reporting.report import PAGE, UNFINISHED, report
from lthctl.reporting.tables import csv_bytes
from lthctl.seeding import Stream

from .pictures import PICTURES
from .test_unread import lthctl

# ---- names ----

LONG = "x" * 300
COMMANDS = (
    f"show {LONG}", f"show {LONG}@HEAD", f"show masks/{LONG}", f"report {LONG}", f"verify {LONG}",
    f"retrain {LONG}", f"compare {LONG} masks", f"store prune {LONG}", f"init {LONG}",
    f"export {LONG} --out y", f"export masks/dense-s2 --out {LONG}", f"import {LONG}",
    f"report runs --out {LONG}", f"download --out {LONG} --from masks",
    f"prune --data {LONG}",
)  # fmt: skip


@pytest.mark.parametrize("line", COMMANDS)
def test_names_that_no_file_system_takes(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
) -> None:
    monkeypatch.setattr(figures, "figure_files", lambda *_: PICTURES)
    result = lthctl(*line.split())
    assert result.exit_code == 3, result.output
    assert "File name too long" in " ".join(result.output.split())


def test_names_that_are_not_utf8(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the folder of a damaged run, and of a tracked file that was changed."""
    import subprocess

    monkeypatch.setattr(figures, "figure_files", lambda *_: PICTURES)
    damaged = Path(os.fsdecode(b"runs/rewind/bad\xffname"))
    damaged.mkdir()
    (damaged / "run.json").write_bytes(b"{}")
    tracked = Path(os.fsdecode(b"fi\xffle"))
    tracked.write_text("1")
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], check=True)
    tracked.write_text("2")
    result = lthctl("report", "runs", "-q")
    assert result.exit_code == 0 and "left out: runs/rewind/bad" in result.stderr
    assert b"bad?name" in Path("report/index.html").read_bytes()
    assert json.loads(Path("report/provenance.json").read_bytes())
    assert lthctl("show", "runs").exit_code == lthctl("verify", "runs").exit_code == 3


def test_a_parent_that_may_not_be_entered(
    project: Path,
) -> None:
    import errno

    from .faults import failing

    for words in (["show", "masks/dense-s2"], ["report", "runs/rewind"], ["store"],
                  ["store", "check"], ["verify", "masks"], ["export", "masks/dense-s2", "--out", "x"]):  # fmt: skip
        Path(".lthctl").mkdir(exist_ok=True)
        with failing(Path(), errno.EACCES, names=True):
            result = lthctl(*words)
        assert result.exit_code == 3, result.output
        assert "Permission denied" in " ".join(result.output.split())


def test_a_store_that_cannot_be_written_is_noticed_before_the_first_training(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lthctl.grid import driver

    monkeypatch.setattr(driver, "prepare", lambda _: pytest.fail("it begins to train"))
    Path(".lthctl").write_bytes(b"")
    result = lthctl("prune", "-q")
    assert result.exit_code == 3 and ".lthctl/trainings: something else is in the way; move it" in result.stderr  # fmt: skip


# ---- what is written ----


def test_a_device_or_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    """None of this machine's own: as root, a failure of this test would take it away."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "out").symlink_to("/proc/self/fd/1")
    (tmp_path / "to a pipe").symlink_to("pipe")
    names = ["pipe", "link", "out", "to a pipe"]
    if os.geteuid() == 0:
        os.mknod(tmp_path / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        names.append("device")
    for place in (tmp_path / name for name in names):
        with pytest.raises(OutputError, match="something else is in the way"):
            write_file(place, b"x")
    assert all((tmp_path / name).is_symlink() for name in ("link", "out", "to a pipe"))
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "usual").symlink_to("elsewhere")
    write_file(tmp_path / "usual", b"x")
    assert not (tmp_path / "usual").is_symlink()


def test_tables_hold_no_formulas_and_no_escape_codes() -> None:
    names = ["=1+1", "+x", "-x", "@x", "\t=x", "\r=x", "\x1b[2J", "\n=x", "fine", "l1"]
    rows = list(csv.reader(io.StringIO(csv_bytes(["a", "b"], [[n, -1.5] for n in names]).decode())))
    assert [row[1] for row in rows[1:]] == ["-1.5"] * len(names)
    cells = [row[0] for row in rows[1:]]
    assert all(cell.replace("\t", "").isprintable() and cell[0] not in "=+-@" for cell in cells)
    assert cells[-2:] == ["fine", "l1"] and cells[0] == "'=1+1"


@pytest.mark.long
def test_a_report_that_is_killed_says_that_it_is_not_one(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At each of its renames: the old set, the new set, or a page and a file that say so."""
    monkeypatch.setattr(figures, "figure_files", lambda *_: PICTURES)
    report("runs/rewind", out="report")
    Path("report/mine.txt").write_text("a person's")
    old = {path.name: path.read_bytes() for path in Path("report").iterdir()}
    report("runs", out="new")
    new = {path.name: path.read_bytes() for path in Path("new").iterdir()}
    replace, seen = Path.replace, set()
    for last in range(100):
        count = iter(range(1000))

        def killed(self: Path, target: Path, last: int = last, count: object = count) -> Path:
            if next(count) == last:  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", killed)
        try:
            report("runs", out="report")
            break
        except KeyboardInterrupt:
            here = {path.name: path.read_bytes() for path in Path("report").iterdir()}
            assert here.pop("mine.txt") == b"a person's"
            told = UNFINISHED in here and b"are of two versions" in here[UNFINISHED]
            seen.add("old" if here == {k: v for k, v in old.items() if k != "mine.txt"} else "told")
            assert told or here.items() <= old.items()
            if b"are of two versions" not in here[PAGE]:
                assert all(here[name] in (old.get(name), None) for name in old if name != "mine.txt")  # fmt: skip
    monkeypatch.setattr(Path, "replace", replace)
    here = {path.name: path.read_bytes() for path in Path("report").iterdir()}
    assert here == new | {"mine.txt": b"a person's"} and seen == {"old", "told"}


# ---- what is read ----


@pytest.mark.parametrize(
    "size", ["Infinity", "-Infinity", "NaN", "1e999", "-1", "2.5", '"3"', "[1]"]
)
def test_a_note_with_sizes_that_are_none(tmp_path: Path, size: str) -> None:
    note = f'{{"layers.0.weight": [{size}]}}'
    file = tmp_path / "mask.safetensors"
    file.write_bytes(tensors_bytes({"layers.0.weight": np.zeros(1, np.uint8)}, note=note))
    with pytest.raises(CheckpointError, match=r"whole number|several ways"):
        import_ticket(file)
    with pytest.raises(MaskError):
        unpack_mask(
            file, {"layers.0.weight": np.zeros(1, np.uint8)}, note, {"layers.0.weight": (1,)}
        )


@pytest.mark.parametrize("noted", [True, False])
def test_tensors_of_more_dimensions_than_arrays_have(tmp_path: Path, noted: bool) -> None:
    header = json.dumps(
        ({"__metadata__": {"lthctl": '{"layers.0.weight": [300, 784]}'}} if noted else {})
        | {"layers.0.weight": {"dtype": "U8", "shape": [1] * 69 + [29400], "data_offsets": [0, 29400]}}
    ).encode()  # fmt: skip
    file = tmp_path / "mask.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(29400))
    with pytest.raises(CheckpointError, match="70 dimensions, expected at most 64"):
        import_ticket(file)


def test_thousands_of_layers_cost_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    shapes = MLP.shapes

    def counted(self: MLP) -> object:
        nonlocal calls
        calls += 1
        return shapes(self)

    monkeypatch.setattr(MLP, "shapes", counted)
    MLP((1,) * 400).draw(Stream(1, "init"))
    assert calls < 10


@pytest.mark.long
def test_messages_about_half_a_million_names_are_cut() -> None:
    many = {f"n{number}": (1,) for number in range(100_000)}
    with pytest.raises(MaskError) as refusal:
        check_shapes(many, {"a": (1,)}, where="mask")
    assert len(str(refusal.value)) < 20_000 and "99,901 more" in str(refusal.value)
    with pytest.raises(MaskError) as refusal:
        unpack_mask(
            Path("m"), {"a": np.zeros(1, np.uint8)}, json.dumps({name: [1] for name in many}), {}
        )
    assert len(str(refusal.value)) < 20_000
    assert Mask.full({"a": (1,)}).size == 1


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        ({"kind": "x" * 2_000_000}, "model.kind", 3),
        ({"kind": "own", "name": "x" * 2_000_000}, None, 0),
        ({"kind": "own", "name": {f"n{number}": 1 for number in range(100_000)}}, None, 0),
        ({"kind": "module", "name": "x" * 2000, "output": "b"}, "model.name", 3),
        ({"kind": "module", "name": "a", "output": "x" * 2000}, "model.output", 3),
    ],
)
def test_what_is_shown_of_a_model_is_short(
    project: Path, kind: dict[str, object], field: str | None, said: int
) -> None:
    file = Path("masks/dense-s2/ticket.json")
    document = json.loads(file.read_bytes())
    del document["digest"]
    shapes = (
        {"shapes": {name: [1] for name in document["rate"]}} if kind["kind"] == "module" else {}
    )
    file.write_bytes(seal(document | {"model": kind | shapes}))
    result = lthctl("show", "masks/dense-s2")
    assert result.exit_code == said, result.output
    assert len(result.output) < 10_000
    assert field is None or field in result.output


# ---- download ----


@pytest.mark.long
def test_a_mirror_without_https_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    from lthctl.datasets import known_files, mnist

    addresses = ["http://a.example/", "ftp://a.example/", "file:///etc/", "HTTP://a.example/"]
    monkeypatch.setattr(datasets.MNIST, "mirrors", addresses)
    monkeypatch.setattr(Mirror, "_fetch", lambda *_: pytest.fail("it was asked"))
    for source in list(known_files.sources_of(mnist.FILES, None))[: len(addresses)]:
        with pytest.raises(SourceError, match="without https"):
            source.fetch("x")


def test_any_fault_of_a_source_moves_on_to_the_next(tmp_path: Path) -> None:
    from lthctl.canonical import sha256

    class Odd:
        label = "odd"

        def __init__(self, fault: Exception) -> None:
            self._fault = fault

        def fetch(self, name: str) -> bytes:
            raise self._fault

    class Good:
        label = "good"

        def fetch(self, name: str) -> bytes:
            return b"right"

    faults = [
        ValueError("Failed to parse: https://[::1"),
        UnicodeError("label too long"),
        KeyError("x"),
    ]
    sources = [*map(Odd, faults), Good()]
    digests = {"f": sha256(b"right")}
    origins, failures = fetch_files(tmp_path, digests, sources, limit=10, announce=lambda _: None)  # type: ignore[arg-type]
    assert origins == {"f": "good"} and len(failures) == 3


def test_a_source_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(mirrors, "DEADLINE", 0.05)
    monkeypatch.setattr(Mirror, "_fetch", lambda *_: release.wait(30) and b"")
    began = time.monotonic()
    with pytest.raises(SourceError, match="takes longer than"):
        Mirror("https://a.example/", limit=10).fetch("x")
    assert time.monotonic() - began < 10
    release.set()
    assert Mirror("https://a.example/", limit=600_000_000)._deadline == 6000  # 562 MB at 100 kB/s
    assert within(5.0, lambda: 7, "seven") == 7
    with pytest.raises(KeyError):
        within(5.0, lambda: {}["x"], "none")
