"""Files and folders: written whole or not at all, the same bytes for the same content, refused when damaged.

Knows how bytes reach the disk and come back, not what they mean. A folder is built beside its place under a hidden
name, flushed and renamed; a reader therefore finds the old content or the new, never half of either. JSON files are
canonical and carry a digest of themselves. Tensors are safetensors: no pickle is ever read.
"""

import csv
import errno
import glob
import hashlib
import io
import json
import math
import os
import re
import reprlib
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.errors import LthctlError, OutputError
from lthctl.mask import Array, Weights

JSON_LIMIT = 4 * 2**20  # bytes; ours are a few kilobytes
ABANDONED_SECONDS = 24 * 3600  # after which a hidden file is taken for abandoned where there are no locks to tell
REPLACEMENTS = 100  # of one folder by others while we try to replace it; then something is wrong
FLAT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
Json = dict[str, Any]


def canonical_json(value: object) -> bytes:
    """The one way lthctl writes a value as JSON: sorted keys, two spaces, one trailing newline, no NaN."""
    return (_indented(value, "\n") + "\n").encode()


def _indented(value: object, margin: str) -> str:
    """What json.dumps with an indent of 2 gives for values with keys of text, in a fraction of the time."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [f"{inner}{encode_basestring(key)}: {_indented(value[key], inner)}" for key in sorted(value)]
        return "{" + ",".join(items) + margin + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + ",".join([inner + _indented(item, inner) for item in value]) + margin + "]"
    return FLAT.encode(value)


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return sha256(canonical_json(value))


def digest_of_arrays(arrays: Weights) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of arrays, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        total.update(canonical_json([name, array.dtype.str, list(array.shape)]))
        total.update(array.data)
    return total.hexdigest()


def seal(document: Json) -> bytes:
    """Canonical JSON of a document with its own digest in it, under "digest"; a key such as "kind" comes after it."""
    # What the digest is of is the same without one line: the only one of this indent and key, as no text in JSON holds
    # a newline.
    before, line, after = canonical_json({**document, "digest": ""}).partition(b'\n  "digest": "",')
    assert line, "the digest would be the last key"
    return b'%b\n  "digest": "%b",%b' % (before, sha256(before + after).encode(), after)


def tensors_bytes(arrays: Weights, *, note: str | None = None) -> bytes:
    """A safetensors file.

    Args:
      arrays: name -> array.
      note: text to keep under the only metadata key, "lthctl"; with more than one key the format is not byte-stable.
    """
    from safetensors.numpy import save

    # The writer takes the memory of a non-contiguous array for its content, silently: hand it contiguous ones only.
    contiguous = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    return save(contiguous, metadata=None if note is None else {"lthctl": note})


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """A CSV file with Unix line ends; floats are written so that they read back exactly, None as nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into an OutputError about `place`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, way_out = "the disk is full", "make room and run the same command again: what is finished is kept"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason, way_out = "it cannot be written", "change its permissions or choose another --out"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
            reason, way_out = "something else is in the way", "move it or choose another --out"
        else:
            reason, way_out = str(error.strerror or error), "see to that and run the same command again"
        raise OutputError(f"{place}: {reason}; {way_out}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
      OutputError: the place is not writable or the disk is full; what was there before is unharmed.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        with _hidden(path, Path.touch) as hidden:
            _write_flushed(hidden, content)
            hidden.replace(path)
        _flush_folder(path.parent)


def write_folder(folder: Path, contents: Mapping[str, bytes], *, replace: bool = False) -> None:
    """Write a folder of files whole or not at all.

    Args:
      folder: its place; parents are made.
      contents: file name -> bytes.
      replace: put it in the place of what is there; without, an existing folder is an error.

    Raises:
      OutputError: the place is taken or not writable, or the disk is full; what was there before is unharmed.
    """
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        with _hidden(folder, Path.mkdir) as hidden:
            for name, content in contents.items():
                _write_flushed(hidden / name, content)
            _flush_folder(hidden)
            if replace:
                _put_in_place(hidden, folder)
            elif folder.exists():
                raise FileExistsError(errno.EEXIST, "exists")
            else:
                hidden.rename(folder)
        _flush_folder(folder.parent)


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether something can be written into a folder; it is made if it is not there.

    Raises:
      OutputError: it cannot.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder / "probe")
        with _hidden(folder / "probe", lambda probe: probe.write_bytes(b"")):
            pass


def read_file(path: Path, refuse: type[LthctlError], *, limit: int) -> bytes:
    """The bytes of a file that may be at most `limit` long. Links are followed, since DVC may be told to make them, but
    only to a file.

    Raises:
      refuse: it is missing, unreadable, longer, or no file but a folder, a pipe or a device.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refuse(f"{path}: is a pipe or a device, expected a file; move it out of the way")
            if status.st_size > limit:
                raise refuse(
                    f"{path}: is {status.st_size} bytes long, expected at most {limit}; it is damaged or not ours"
                )
            content = file.read(status.st_size + 1)
    except FileNotFoundError:
        raise refuse(f"{path}: is missing; make it again or restore it, for example with dvc checkout") from None
    except OSError as error:
        raise refuse(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) != status.st_size:  # being written to, or one of those that the system makes up as they are read
        raise refuse(f"{path}: gave {len(content)} bytes where it is {status.st_size} long; try again")
    return content


def read_sealed(path: Path, refuse: type[LthctlError], *, kind: str, schema: int) -> Json:
    """A JSON document written by `seal`, its digest checked.

    Args:
      path: the file.
      refuse: the error to raise.
      kind: what "kind" in the document must say.
      schema: the newest schema that this version of lthctl reads.

    Raises:
      refuse: the file is missing, no JSON, of another kind, of a newer schema or of none, or altered, be it by no more
        than a space: what is read would be written with the same bytes.
    """
    content = read_file(path, refuse, limit=JSON_LIMIT)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(f"{path}: is not JSON ({error}); it is truncated or damaged: make it again") from error
    if not isinstance(document, dict) or document.get("kind") != kind:
        found = document.get("kind") if isinstance(document, dict) else type(document).__name__
        raise refuse(f"{path}: is of kind {reprlib.repr(found)}, expected {kind!r}")
    found_schema = document.get("schema")
    if type(found_schema) is not int or found_schema < 1:
        raise refuse(f"{path}: has schema {reprlib.repr(found_schema)}, expected 1 to {schema}; it is not ours")
    if found_schema > schema:
        raise refuse(
            f"{path}: has schema {reprlib.repr(found_schema)}, this lthctl reads up to {schema}; upgrade lthctl"
        )
    unsealed = {key: value for key, value in document.items() if key != "digest"}
    try:
        intact = content == seal(unsealed)
    except (ValueError, RecursionError):  # NaN, infinity or deep nesting, which we never write
        intact = False
    if not intact:
        raise refuse(f"{path}: does not match its own digest, it was altered; restore it or make it again")
    return document


def read_tensors(
    path: Path, refuse: type[LthctlError], *, digest: str, limit: int
) -> tuple[dict[str, Array], str | None]:
    """The arrays and the note of a file written by `tensors_bytes`.

    Args:
      path: the file.
      refuse: the error to raise.
      digest: SHA-256 that the file must have.
      limit: size in bytes beyond which it is refused unread.

    Raises:
      refuse: the file is missing, too large, truncated, altered, or no safetensors.
    """
    content = read_file(path, refuse, limit=limit)
    if sha256(content) != digest:
        raise refuse(
            f"{path}: has SHA-256 {sha256(content)[:12]}..., expected {digest[:12]}...; "
            "it is truncated or altered: restore it"
        )
    return tensors_from(content, refuse, path)


def tensors_from(content: bytes, refuse: type[LthctlError], path: Path) -> tuple[dict[str, Array], str | None]:
    """The arrays and the note of a file written by `tensors_bytes`, which was read from `path`.

    Raises:
      refuse: it is no safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:  # the last of shapes that no array can have
        raise refuse(f"{path}: is no safetensors file ({error})") from error
    return arrays, (header.get("__metadata__") or {}).get("lthctl")


def find_folders(paths: Sequence[Path], marker: str) -> list[Path]:
    """The folders at or below `paths` that hold a file called `marker`, sorted, each once. Hidden folders are passed
    over."""
    found: set[Path] = set()
    for path in paths:
        for folder, children, files in os.walk(path):
            children[:] = [child for child in children if not child.startswith(".")]
            if marker in files:
                found.add(Path(folder))
                children.clear()
    return sorted(found)


def finite(value: float) -> float | None:
    """The value, or None for what JSON has no word for."""
    return value if math.isfinite(value) else None


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; also a pipe that nobody writes to, for which opening would otherwise wait for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _put_in_place(hidden: Path, folder: Path) -> None:
    """Rename a finished folder to its place; what is there goes, unless it is no folder."""
    with suppress(FileNotFoundError):  # one look: another process may put its own there between two
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "is no folder")
    for attempt in reversed(range(REPLACEMENTS)):
        aside = _hidden_sibling(folder, "old")
        with suppress(FileNotFoundError):
            folder.rename(aside)
        try:
            hidden.rename(folder)
            break
        except BaseException as error:
            with suppress(OSError):  # nothing was aside, or another process has put its own there meanwhile
                aside.rename(folder)
            if not attempt or not isinstance(error, OSError) or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _hidden(path: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """A hidden sibling, made by `make`, and gone in the end; its lock tells `remove_abandoned` that it is in use."""
    while True:
        hidden = _hidden_sibling(path)
        make(hidden)
        with suppress(FileNotFoundError):  # taken for abandoned before it was locked
            descriptor = os.open(hidden, os.O_RDONLY)
            _lock(descriptor, wait=True)
            if hidden.exists():
                break
            os.close(descriptor)
    try:
        yield hidden
    finally:
        _remove(hidden)
        os.close(descriptor)


def _hidden_sibling(path: Path, suffix: str = "new") -> Path:
    """A name that nobody else chooses: processes of several machines or containers may share a disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.{suffix}")


def remove_abandoned(path: Path) -> None:
    """Clear away what a killed process left half-written beside this place."""
    for hidden in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        name = re.fullmatch(r"[0-9a-f]{1,16}\.(new|old)", hidden.name.removeprefix(f".{path.name}."))
        if name is None:
            continue
        if name[1] == "old" and not path.exists():
            with suppress(OSError):  # killed between the two renames of a replacement: put the old one back
                hidden.rename(path)
            continue
        try:
            descriptor = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:  # gone, or not ours
            continue
        try:
            free = _lock(descriptor, wait=False)
            if free or (free is None and time.time() - os.fstat(descriptor).st_mtime > ABANDONED_SECONDS):
                _remove(hidden)
        finally:
            os.close(descriptor)


def _remove(hidden: Path) -> None:
    if hidden.is_dir():
        shutil.rmtree(hidden, ignore_errors=True)
    else:
        hidden.unlink(missing_ok=True)


def _lock(descriptor: int, *, wait: bool) -> bool | None:
    """Lock a file or folder until its descriptor is closed, by whatever end its process comes to; whether that was
    possible, and None where there are no locks."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot flush a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
