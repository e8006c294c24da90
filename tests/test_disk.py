"""Files and folders: canonical bytes, whole or not at all, damaged ones refused by name."""

import bisect
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from json.encoder import encode_basestring
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl import disk, replacing
from lthctl.artifacts import folders
from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.sealed import JSON_LIMIT, read_sealed, seal
from lthctl.artifacts.tensors import tensors_bytes, tensors_from
from lthctl.canonical import Json, canonical_json, digest_of, digest_of_arrays, finite, sha256
from lthctl.disk import check_writable, write_errors, write_file, write_folder
from lthctl.errors import OutputError, RunError, TicketError
from lthctl.reading import find_folders, read_file
from lthctl.reporting.tables import csv_bytes

DEAD = 2**31 - 1
"""Stands in a hidden name for a process that is gone: nobody holds its lock."""

Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    """Every file and empty folder below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def fail_on_flush(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, after: int = 0) -> None:
    """Let the write of a file fail once its bytes are with the system, the first `after` ones
    excepted."""
    flush, count = os.fsync, iter(range(10**6))

    def fsync(descriptor: int) -> None:
        if next(count) >= after:
            raise error
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot exchange two names in one step."""
    monkeypatch.setattr(replacing, "exchange", lambda one, other: False)


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# ---- JSON ----


def test_canonical_json() -> None:
    value = {"b": [1, 2.5, None], "a": {"ü": True, "A": "x\n"}, "c": {}}
    assert canonical_json(value) == (
        b"{\n"
        b'  "a": {\n'
        b'    "A": "x\\n",\n'
        b'    "\xc3\xbc": true\n'
        b"  },\n"
        b'  "b": [\n'
        b"    1,\n"
        b"    2.5,\n"
        b"    null\n"
        b"  ],\n"
        b'  "c": {}\n'
        b"}\n"
    )


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_canonical_json_has_no_word_for_nan(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(value)


def plainly_written(value: object, **changes: object) -> bytes:
    """Canonical JSON said in the standard library's words; with changes, the same said in other
    bytes."""
    how = {"indent": 2, "sort_keys": True, "ensure_ascii": False, "allow_nan": False} | changes
    return (json.dumps(value, **how) + "\n").encode()


def written_by_hand(value: object, margin: str = "\n") -> str:
    """What the first documents were written with, and digests made of."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [
            f"{inner}{encode_basestring(key)}: {written_by_hand(value[key], inner)}"
            for key in sorted(value)
        ]
        return "{" + ",".join(items) + margin + "}"
    if isinstance(value, list | tuple) and value:
        items = [inner + written_by_hand(item, inner) for item in value]
        return "[" + ",".join(items) + margin + "]"
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode(value)


TEXTS = st.text() | st.sampled_from(
    ["digest", '"digest": "",', '\n  "digest": "",', "\u2028", '\x00\x7f"\\', "ü"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)
DOCUMENTS = st.builds(
    lambda document: {**document, "kind": "ticket", "schema": 1},
    st.dictionaries(TEXTS, VALUES, max_size=5),
)


@settings(deadline=None)
@given(VALUES)
def test_canonical_json_gives_the_bytes_of_the_first_documents(value: object) -> None:
    assert canonical_json(value) == f"{written_by_hand(value)}\n".encode()


FIXTURES = Path(__file__).parent / "fixtures" / "schema-1"


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.rglob("*.json")), ids=lambda path: path.parent.name
)
def test_stored_documents_are_written_again_with_the_same_bytes(path: Path) -> None:
    assert canonical_json(json.loads(path.read_bytes())) == path.read_bytes()


@pytest.mark.parametrize(
    "value",
    [np.float64(0.1), [np.float64(2)], {"a": np.float64("1e22")}, 10**400, -0.0, [], (), {}],
)
def test_canonical_json_of_rare_values(value: object) -> None:
    assert canonical_json(value) == f"{written_by_hand(value)}\n".encode()


@pytest.mark.parametrize("value", [{1}, 1j, b"", np.float32(1)])
def test_canonical_json_refuses_what_json_has_no_word_for(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        canonical_json(value)


@settings(deadline=None)
@given(DOCUMENTS)
def test_seal_is_a_digest_over_the_document_without_it(document: Json) -> None:
    unsealed = {key: value for key, value in document.items() if key != "digest"}
    digest = hashlib.sha256(plainly_written(unsealed)).hexdigest()
    assert seal(document) == seal(unsealed) == plainly_written({**unsealed, "digest": digest})


def test_finite() -> None:
    assert [finite(value) for value in (1.5, float("nan"), float("inf"), -float("inf"))] == [
        1.5,
        None,
        None,
        None,
    ]


def test_sha256() -> None:
    assert (
        sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )  # FIPS 180-2, B.1


def test_seal_is_the_document_with_its_digest() -> None:
    digest = hashlib.sha256(b'{\n  "kind": "k",\n  "schema": 1\n}\n').hexdigest()
    assert seal({"schema": 1, "kind": "k"}) == (
        b'{\n  "digest": "' + digest.encode() + b'",\n  "kind": "k",\n  "schema": 1\n}\n'
    )


def sealed(**changes: object) -> bytes:
    return seal({"kind": "ticket", "schema": 1, "ratio": 0.8} | changes)


def refusal_of(path: Path, content: bytes) -> str:
    """What is said of a sealed document with this content."""
    path.write_bytes(content)
    with pytest.raises(TicketError) as refusal:
        read_sealed(path, TicketError, kind="ticket", schema=1)
    return str(refusal.value)


def test_sealed_round_trip(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(sealed(name="ü", nothing=None))
    document = read_sealed(tmp_path / "t.json", TicketError, kind="ticket", schema=1)
    assert document.pop("digest") == digest_of(document)
    assert document == {"kind": "ticket", "schema": 1, "ratio": 0.8, "name": "ü", "nothing": None}


def test_older_schema_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(sealed(schema=2))
    assert read_sealed(tmp_path / "t.json", TicketError, kind="ticket", schema=3)["schema"] == 2


def test_sealed_truncated_anywhere(tmp_path: Path) -> None:
    path, content = tmp_path / "t.json", sealed()
    for length in range(len(content) - 1):  # without its last newline it is still whole
        message = refusal_of(path, content[:length])
        assert message.startswith(f"{path}: is not JSON (")
        assert message.endswith("); it is truncated or damaged: make it again")


def test_sealed_flipped_anywhere(tmp_path: Path) -> None:
    path, content = tmp_path / "t.json", sealed()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1
        assert refusal_of(path, bytes(flipped)).startswith(f"{path}: ")


ALTERED = "does not match its own digest, it was altered; restore it or make it again"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (sealed().replace(b"0.8", b"0.9"), ALTERED),
        (sealed().replace(b"0.8", b"NaN"), ALTERED),
        (sealed().replace(b"0.8", rb'"\ud800"'), ALTERED),
        (canonical_json({"kind": "ticket", "schema": 1}), ALTERED),
        (sealed(kind="run"), "is of kind 'run', expected 'ticket'"),
        (b"{}", "is of kind None, expected 'ticket'"),
        (b"[]", "is of kind 'list', expected 'ticket'"),
        (b"3", "is of kind 'int', expected 'ticket'"),
        (sealed(schema=2), "has schema 2, this lthctl reads up to 1; upgrade lthctl"),
        (sealed(schema="1"), "has schema '1', expected 1 to 1; lthctl did not write it"),
        (sealed(schema=0), "has schema 0, expected 1 to 1; lthctl did not write it"),
        (sealed(schema=True), "has schema True, expected 1 to 1; lthctl did not write it"),
        (sealed() + b"\n", ALTERED),
        (sealed().replace(b": ", b":"), ALTERED),
        (sealed().replace(b'"kind"', b'"ratio": 0.5, "kind"'), ALTERED),
        (seal({"kind": "ticket"}), "has schema None, expected 1 to 1; lthctl did not write it"),
        (
            b"",
            "is not JSON (Expecting value: line 1 column 1 (char 0)); it is truncated or damaged: make it again",
        ),
    ],
)
def test_sealed_refusals(tmp_path: Path, content: bytes, said: str) -> None:
    assert refusal_of(tmp_path / "t.json", content) == f"{tmp_path / 't.json'}: {said}"


@pytest.mark.parametrize(
    "content", [b"\xff\xfe{}", b"1" * 5000, b"[" * 100_000, b'{"a":' * 100_000]
)
def test_sealed_that_is_no_json_at_all(tmp_path: Path, content: bytes) -> None:
    assert refusal_of(tmp_path / "t.json", content).startswith(
        f"{tmp_path / 't.json'}: is not JSON ("
    )


def test_sealed_nested_as_deeply_as_can_be_read(tmp_path: Path) -> None:
    def nested(depth: int) -> bytes:
        return (
            b'{"kind": "ticket", "schema": 1, "digest": "", "a": '
            + b"[" * depth
            + b"]" * depth
            + b"}"
        )

    def is_readable(depth: int) -> bool:
        try:
            json.loads(nested(depth))
        except RecursionError:
            return False
        return True

    deepest = bisect.bisect_left(range(100_000), True, key=lambda depth: not is_readable(depth)) - 1
    path, raised = tmp_path / "t.json", set()
    for depth in range(deepest - 4, deepest + 5):
        path.write_bytes(nested(depth))
        try:
            read_sealed(path, TicketError, kind="ticket", schema=1)
        except (TicketError, RecursionError) as error:
            raised.add(type(error))
    assert raised == {TicketError}


def forged(body: bytes, document: Json) -> bytes:
    """Bytes that say a document, with a digest that is right for just these bytes, where a digest
    would be."""
    after = min(key for key in document if key > "digest")
    before, key, rest = body.rpartition(b"\n  " + json.dumps(after, ensure_ascii=False).encode())
    return b'%b\n  "digest": "%b",%b' % (before, sha256(body).encode(), key + rest)


FORMATS = st.fixed_dictionaries(
    {},
    optional={
        "indent": st.sampled_from([None, 1, 3, "\t"]),
        "sort_keys": st.booleans(),
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ": "), (", ", ": "), (",", ":")]),
    },
)
INSERTED = st.sampled_from(
    [
        b"",
        b" ",
        b"\n",
        b"\r",
        b"\t",
        b"\n  ",
        b"0",
        b".0",
        b"e0",
        b"-",
        b"\\u0061",
        b",",
        b'"',
        b'"a": 1,',
        b"[]",
    ]
)


@settings(deadline=None)
@given(st.data(), DOCUMENTS, FORMATS)
def test_a_sealed_document_is_read_only_as_it_would_be_written(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    document: Json,
    how: dict[str, object],
) -> None:
    """Also where other bytes come with the digest that is right for them."""
    unsealed = {key: value for key, value in document.items() if key != "digest"}
    body = plainly_written(unsealed, **how)
    place = data.draw(st.integers(0, len(body)))
    body = (
        body[:place]
        + data.draw(st.just(b"") | INSERTED)
        + body[place + data.draw(st.integers(0, 1)) :]
    )
    content = forged(body, unsealed)
    path = tmp_path_factory.getbasetemp() / "t.json"
    path.write_bytes(content)
    try:
        found = json.loads(content)
        unsealed = {key: value for key, value in found.items() if key != "digest"}
        digest = hashlib.sha256(plainly_written(unsealed)).hexdigest()
        is_ours = content == plainly_written({**unsealed, "digest": digest})
        is_ours = is_ours and (found["kind"], found["schema"]) == ("ticket", 1)
    except (ValueError, AttributeError, KeyError):
        is_ours = False
    if is_ours:
        assert read_sealed(path, TicketError, kind="ticket", schema=1) == found
    else:
        with pytest.raises(TicketError):
            read_sealed(path, TicketError, kind="ticket", schema=1)


class NeverRead(io.FileIO):
    def read(self, *_: object) -> bytes:
        pytest.fail("was read")


def test_oversized_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.json"
    with path.open("wb") as file:
        file.truncate(JSON_LIMIT + 1)
    monkeypatch.setattr("builtins.open", lambda path, mode, opener: NeverRead(path, mode))
    with pytest.raises(TicketError) as refusal:
        read_sealed(path, TicketError, kind="ticket", schema=1)
    assert (
        str(refusal.value)
        == f"{path}: is 4194305 bytes long, expected at most 4194304; it is damaged or not written by lthctl"
    )


def test_read_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    assert read_file(tmp_path / "f", RunError, limit=5) == b"12345"
    with pytest.raises(RunError, match=r"f: is 5 bytes long, expected at most 4"):
        read_file(tmp_path / "f", RunError, limit=4)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError) as refusal:
        read_file(tmp_path / "gone", RunError, limit=9)
    assert str(refusal.value) == (
        f"{tmp_path / 'gone'}: is missing; make it again or restore it, for example with dvc checkout"
    )


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError) as refusal:
        read_file(tmp_path, RunError, limit=10**6)
    assert str(refusal.value) == f"{tmp_path}: cannot be read (Is a directory)"


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in "pipe", "device":
        with pytest.raises(RunError) as refusal:
            read_file(tmp_path / name, RunError, limit=10**6)
        assert str(refusal.value) == (
            f"{tmp_path / name}: is a pipe or a device, expected a file; move it out of the way"
        )


def test_file_that_the_system_makes_up_is_refused(tmp_path: Path) -> None:
    """It says that it is empty, and gives as much as one reads."""
    (tmp_path / "f").symlink_to("/proc/self/environ")
    with pytest.raises(RunError, match="f: gave 1 bytes where it is 0 long"):
        read_file(tmp_path / "f", RunError, limit=10**6)


def test_links_are_followed_to_files_and_in_circles_refused(tmp_path: Path) -> None:
    """DVC makes links where it is told to (cache.type)."""
    (tmp_path / "f").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("f")
    assert read_file(tmp_path / "link", RunError, limit=5) == b"12345"
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(RunError, match="circle: cannot be read"):
        read_file(tmp_path / "circle", RunError, limit=5)


def test_csv_bytes() -> None:
    assert csv_bytes(["step", "loss"], [[1, 0.1 + 0.2], [2, None], [3, 1e-20], [4, "a,b"]]) == (
        b'step,loss\n1,0.30000000000000004\n2,\n3,1e-20\n4,"a,b"\n'
    )


# ---- tensors ----


def test_digest_of_arrays_by_hand() -> None:
    expected = hashlib.sha256(
        b'[\n  "a",\n  "|u1",\n  [\n    2\n  ]\n]\n\x01\x02'
        b'[\n  "b",\n  "<f4",\n  [\n    1,\n    1\n  ]\n]\n\x00\x00\x80\x3f'
    ).hexdigest()
    arrays = {"b": np.array([[1]], np.float32), "a": np.array([1, 2], np.uint8)}
    assert digest_of_arrays(arrays) == digest_of_arrays(dict(reversed(arrays.items()))) == expected


def test_digest_of_arrays_sees_names_dtypes_shapes_and_values() -> None:
    array = np.array([[1, 2], [3, 4]], np.int32)
    variants = [
        {"a": array},
        {"b": array},
        {"a": array.view(np.uint32)},
        {"a": array.ravel()},
        {"a": array.T},
        {"a": array, "b": array},
        {},
    ]
    assert len({digest_of_arrays(arrays) for arrays in variants}) == len(variants)
    assert digest_of_arrays({"a": np.asfortranarray(array)}) == digest_of_arrays({"a": array})


def test_tensors_bytes() -> None:
    arrays = {"b": np.array([1, 2], np.uint8), "a": np.array([[1.0]], np.float32)}
    header = (
        b'{"__metadata__":{"lthctl":"note"},'
        b'"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},'
        b'"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}'
    )
    header += b" " * (-len(header) % 8)
    expected = len(header).to_bytes(8, "little") + header + b"\x00\x00\x80\x3f" + b"\x01\x02"
    assert tensors_bytes(arrays, note="note") == expected
    assert tensors_bytes(dict(reversed(arrays.items())), note="note") == expected


def read_back(
    path: Path, arrays: dict[str, np.ndarray], note: str | None = None
) -> dict[str, np.ndarray]:
    content = tensors_bytes(arrays, note=note)
    path.write_bytes(content)
    found, found_note = tensors_from(path.read_bytes(), TicketError, path)
    assert found_note == note
    return found


def test_tensors_read_back_exactly(tmp_path: Path) -> None:
    arrays = {
        "float": np.array([[0.1, -0.0, np.inf], [1e-45, np.nan, 3.4e38]], np.float32),
        "double": np.array([0.1]),
        "integer": np.array([[[2**62]]]),
        "bool": np.array([True, False]),
        "nothing": np.zeros((0, 3), np.float32),
    }
    found = read_back(tmp_path / "t", arrays, note='{"a": [1]}')
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2],
        lambda a: a[:, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: a[1:, 1:],
    ],
    ids=["transposed", "strided", "reversed", "fortran", "cut"],
)
def test_non_contiguous_tensors_are_written_right(
    tmp_path: Path, view: Callable[[np.ndarray], np.ndarray]
) -> None:
    array = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    assert np.array_equal(read_back(tmp_path / "t", {"a": array})["a"], array)
    assert tensors_bytes({"a": array}) == tensors_bytes({"a": np.array(array, order="C")})


def test_tensor_without_dimensions_keeps_its_shape(tmp_path: Path) -> None:
    """Such as num_batches_tracked of torch's BatchNorm."""
    assert read_back(tmp_path / "t", {"a": np.array(3)})["a"].shape == ()


class OneFile(RunFolder):
    """A folder whose document names one file."""

    def __init__(self, path: Path, digest: str) -> None:
        super().__init__(path.parent)
        self.named = {path.name: digest}

    def digests(self) -> dict[str, str]:
        return self.named


def test_tensors_flipped_or_truncated_anywhere(tmp_path: Path) -> None:
    path, content = tmp_path / "t.safetensors", tensors_bytes({"a": np.arange(3, dtype=np.float32)})
    damaged = [content[:length] for length in range(len(content))]
    damaged += [
        content[:at] + bytes([content[at] ^ 128]) + content[at + 1 :] for at in range(len(content))
    ]
    for bad in damaged:
        path.write_bytes(bad)
        with pytest.raises(RunError) as refusal:
            OneFile(path, sha256(content)).tensors(path.name)
        assert str(refusal.value) == (
            f"{path}: has SHA-256 {sha256(bad)[:12]}..., expected {sha256(content)[:12]}...; "
            "it is truncated or altered: restore it"
        )


def test_tensors_of_the_right_digest_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    for content in b"", b"\x80\x04N.", b"\xff" * 100, tensors_bytes({"a": np.ones(3)})[:-1]:
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"t.safetensors: is no safetensors file \("):
            OneFile(path, sha256(content)).tensors(path.name)


def test_oversized_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "TENSORS_LIMIT", 4)
    (tmp_path / "t").write_bytes(b"12345")
    with pytest.raises(RunError, match="is 5 bytes long, expected at most 4"):
        OneFile(tmp_path / "t", sha256(b"12345")).tensors("t")


# ---- writing ----

FAILURES = [
    (
        errno.ENOSPC,
        "the disk is full; make room and run the same command again: what is finished is kept",
    ),
    (
        errno.EDQUOT,
        "the disk is full; make room and run the same command again: what is finished is kept",
    ),
    (errno.EACCES, "it cannot be written; change its permissions or choose another --out"),
    (errno.EROFS, "it cannot be written; change its permissions or choose another --out"),
    (errno.ENOTDIR, "something else is in the way; move it or choose another --out"),
    (errno.EIO, "Input/output error; see to that and run the same command again"),
]


@pytest.mark.parametrize(("number", "said"), FAILURES)
def test_write_errors(number: int, said: str) -> None:
    with pytest.raises(OutputError) as failure, write_errors(Path("masks/x")):
        raise system_error(number)
    assert str(failure.value) == f"masks/x: {said}"
    assert failure.value.exit_code == 3
    assert isinstance(failure.value.__cause__, OSError)


def test_write_errors_leave_other_errors_alone() -> None:
    with pytest.raises(ZeroDivisionError), write_errors(Path("x")):
        raise ZeroDivisionError


def test_write_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "f.csv"
    write_file(path, b"one")
    assert tree(tmp_path) == {"new/folder/f.csv": b"one"}
    write_file(path, b"two")
    assert tree(tmp_path) == {"new/folder/f.csv": b"two"}


@pytest.mark.parametrize(("number", "said"), FAILURES)
@pytest.mark.parametrize("before", [{}, {"f": b"old"}])
def test_write_file_fails_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, before: Tree
) -> None:
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    fail_on_flush(monkeypatch, system_error(number))
    with pytest.raises(OutputError) as failure:
        write_file(tmp_path / "f", b"new")
    assert str(failure.value) == f"{tmp_path / 'f'}: {said}"
    assert tree(tmp_path) == before


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_on_flush(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "f", b"new")
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "t", {"a": b"new"})
    assert tree(tmp_path) == {}


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(OutputError) as failure:
        write_file(tmp_path / "f", b"new")
    assert (
        str(failure.value)
        == f"{tmp_path / 'f'}: something else is in the way; move it or choose another --out"
    )
    assert tree(tmp_path) == {"f": b""}


def test_write_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "masks" / "l1-s1", {"a": b"1", "b.json": b"2"})
    assert tree(tmp_path) == {"masks/l1-s1/a": b"1", "masks/l1-s1/b.json": b"2"}


def test_files_of_a_folder_are_flushed_in_order_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, seen = tmp_path / "t", []
    write = disk._write_flushed

    def watched(path: Path, content: bytes) -> None:
        write(path, content)
        seen.append((path.name, folder.exists(), path.parent.name.startswith(".")))

    monkeypatch.setattr(disk, "_write_flushed", watched)
    write_folder(folder, {"z": b"1", "a.json": b"2"})
    assert seen == [("z", False, True), ("a.json", False, True)]


def test_existing_folder_is_not_touched(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"old"})
    with pytest.raises(OutputError) as failure:
        write_folder(tmp_path / "t", {"a": b"new", "b": b"new"})
    assert (
        str(failure.value)
        == f"{tmp_path / 't'}: something else is in the way; move it or choose another --out"
    )
    assert tree(tmp_path) == {"t/a": b"old"}


def test_file_in_place_of_a_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a person's")
    for folder in tmp_path / "t", tmp_path / "t" / "below":
        with pytest.raises(OutputError) as failure:
            write_folder(folder, {"a": b"new"})
        assert (
            str(failure.value)
            == f"{folder}: something else is in the way; move it or choose another --out"
        )
    assert tree(tmp_path) == {"t": b"a person's"}


def test_replace_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"old", "gone": b"old"})
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


def test_replace_of_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


@pytest.mark.parametrize(("number", "said"), FAILURES)
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("before", [{}, {"t/a": b"old", "t/c": b"old"}])
def test_write_folder_fails_half_way(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    said: str,
    after: int,
    before: Tree,
) -> None:
    for name, content in before.items():
        write_file(tmp_path / name, content)
    fail_on_flush(monkeypatch, system_error(number), after=after)
    with pytest.raises(OutputError) as failure:
        write_folder(tmp_path / "t", {"a": b"new", "b": b"new"}, replace=True)
    assert str(failure.value) == f"{tmp_path / 't'}: {said}"
    assert tree(tmp_path) == before


def test_old_folder_is_put_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_exchange(monkeypatch)
    write_folder(tmp_path / "t", {"a": b"old"})
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise system_error(errno.EIO)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"old"}


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("exchanges", [True, False])
def test_replace_while_another_process_takes_the_old_folder_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int, exchanges: bool
) -> None:
    if not exchanges:
        no_exchange(monkeypatch)
    folder = tmp_path / "t"
    write_folder(folder, {"a": b"old"})
    look, looks = os.stat, 0

    def look_and_take(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        nonlocal looks
        status = look(path, follow_symlinks=follow_symlinks)
        if path == folder:
            looks += 1
            if looks == last:
                folder.rename(tmp_path / "taken")
        return status

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", look_and_take)
        write_folder(folder, {"a": b"new"}, replace=True)
    assert looks > 0
    assert tree(folder) == {"a": b"new"}


def test_replace_does_not_put_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a person's")
    with pytest.raises(OutputError, match="something else is in the way"):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t": b"a person's"}


def test_replace_of_a_symbolic_link_leaves_nothing_hidden(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", {"a": b"old"})
    (tmp_path / "t").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="something else is in the way"):
        write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert (tmp_path / "t").is_symlink()
    assert tree(tmp_path / "elsewhere") == {"a": b"old"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    write_folder(tmp_path / f".t.{DEAD}.new", {"a": b"half"})
    write_folder(tmp_path / f".t.{DEAD - 1}.old", {"a": b"older"})
    (tmp_path / f".f.{DEAD}.new").write_bytes(b"half")
    write_folder(tmp_path / "t", {"a": b"old"}, replace=True)
    write_file(tmp_path / "f", b"whole")
    assert tree(tmp_path) == {"t/a": b"old", "f": b"whole"}


def test_what_is_not_ours_or_in_use_stays(tmp_path: Path) -> None:
    others = {
        ".t.1234abcd.new/a": b"1",
        ".t.notes.txt": b"2",
        f".u.{DEAD}.new": b"3",
        f"t.{DEAD}.new": b"4",
    }
    for name, content in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    descriptor = os.open(tmp_path / ".t.1234abcd.new", os.O_RDONLY)
    try:
        fcntl.flock(
            descriptor, fcntl.LOCK_EX
        )  # belongs to the descriptor, so it is as good as another process's
        write_folder(tmp_path / "t", {"a": b"new"})
        assert tree(tmp_path) == others | {"t/a": b"new"}
    finally:
        os.close(descriptor)
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert not (tmp_path / ".t.1234abcd.new").exists()


def test_where_there_are_no_locks_leftovers_are_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise system_error(errno.ENOLCK)

    monkeypatch.setattr(fcntl, "flock", flock)
    for name in ".t.1.new", ".t.2.new":
        (tmp_path / name).mkdir()
    yesterday = time.time() - 24 * 3600 - 1
    os.utime(tmp_path / ".t.1.new", (yesterday, yesterday))
    write_folder(tmp_path / "t", {"a": b"new"})
    assert tree(tmp_path) == {".t.2.new": b"", "t/a": b"new"}


def test_what_another_process_puts_into_the_place_meanwhile_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_exchange(monkeypatch)
    write_folder(tmp_path / "t", {"a": b"old"})
    rename, others = Path.rename, iter([b"first", b"second"])

    def meddled(self: Path, target: Path) -> Path:
        if self.name.endswith(".new") and (other := next(others, None)):
            (tmp_path / "t").mkdir()
            (tmp_path / "t" / "b").write_bytes(other)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meddled)
    write_folder(tmp_path / "t", {"a": b"new"}, replace=True)
    assert tree(tmp_path) == {"t/a": b"new"}


REPLACING = """
import sys
from pathlib import Path
from lthctl.disk import write_folder
for number in range(int(sys.argv[2])):
    write_folder(Path("t"), {"a": sys.argv[1].encode() * 1000, "b": sys.argv[1].encode()}, replace=True)
"""


def test_processes_that_replace_one_folder_do_not_mix(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(disk.__file__).parent.parent)}
    commands = [[sys.executable, "-c", REPLACING, letter, "60"] for letter in "xyz"]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        ("", 0)
    ] * 3
    found = tree(tmp_path)
    assert found.keys() == {"t/a", "t/b"} and found["t/a"] == found["t/b"] * 1000


def test_old_folder_of_a_finished_replacement_is_not_put_back(tmp_path: Path) -> None:
    write_folder(tmp_path / "t", {"a": b"new"})
    (tmp_path / f".t.{DEAD}.old").mkdir()
    (tmp_path / f".t.{DEAD}.old" / "a").write_bytes(b"old")
    with pytest.raises(OutputError):
        write_folder(tmp_path / "t", {"a": b"newer"})
    assert tree(tmp_path) == {"t/a": b"new"}


def test_names_are_not_patterns(tmp_path: Path) -> None:
    (tmp_path / f".tab.{DEAD}.new").write_bytes(b"of tab")
    write_file(tmp_path / "t[a]b", b"1")
    write_file(tmp_path / "t*", b"2")
    assert tree(tmp_path) == {f".tab.{DEAD}.new": b"of tab", "t[a]b": b"1", "t*": b"2"}


def test_leftovers_of_a_longer_name_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / f".t.b.{DEAD}.old").mkdir()
    (tmp_path / f".t.b.{DEAD}.old" / "a").write_bytes(b"of t.b")
    write_folder(tmp_path / "t", {"a": b"of t"}, replace=True)
    assert tree(tmp_path) == {f".t.b.{DEAD}.old/a": b"of t.b", "t/a": b"of t"}


def test_check_writable_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    check_writable(tmp_path / "new" / "folder")
    assert tree(tmp_path) == {"new/folder": b""}


def test_check_writable_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    for folder in tmp_path / "f", tmp_path / "f" / "below":
        with pytest.raises(OutputError) as failure:
            check_writable(folder)
        assert (
            str(failure.value)
            == f"{folder}: something else is in the way; move it or choose another --out"
        )


READ_ONLY = "{}: it cannot be written; change its permissions or choose another --out"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    for write, place in (
        (check_writable, locked),
        (lambda place: write_file(place, b""), locked / "f"),
        (lambda place: write_folder(place, {"a": b""}), locked / "t"),
    ):
        with pytest.raises(OutputError) as failure:
            write(place)
        assert str(failure.value) == READ_ONLY.format(place)
    assert tree(locked) == {}


def test_read_only_folder_as_root_would_not_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise system_error(errno.EACCES)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError) as failure:
        check_writable(tmp_path)
    assert str(failure.value) == READ_ONLY.format(tmp_path)
    monkeypatch.setattr(Path, "mkdir", refuse)
    for write, place in (
        (check_writable, tmp_path),
        (lambda place: write_folder(place, {}), tmp_path / "t"),
    ):
        with pytest.raises(OutputError) as failure:
            write(place)
        assert str(failure.value) == READ_ONLY.format(place)


# ---- finding ----


def test_find_folders(tmp_path: Path) -> None:
    for folder in "a", "b/c", "a/inside", ".hidden/d", "b/.tmp/e", "b/other":
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ("ticket.json" if folder != "b/other" else "run.json")).write_bytes(
            b""
        )
    assert find_folders([tmp_path], "ticket.json").folders == [tmp_path / "a", tmp_path / "b" / "c"]
    assert find_folders([tmp_path / "b", tmp_path / "a", tmp_path], "ticket.json").folders == [
        tmp_path / "a",
        tmp_path / "b" / "c",
    ]
    assert find_folders([tmp_path / "nowhere"], "ticket.json") == ([], [])
    hidden = tmp_path / ".hidden"
    assert find_folders([hidden], "ticket.json").folders == [hidden / "d"]


def test_half_written_folder_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(
        disk,
        "_flush_folder",
        lambda folder: found.append(find_folders([tmp_path], "t.json").folders),
    )
    write_folder(tmp_path / "t", {"t.json": b"{}"})
    assert found == [[], [tmp_path / "t"]]
