"""JSON as files: canonical, sealed, bounded."""

import bisect
import hashlib
import io
import json
import math
import os
from json.encoder import encode_basestring
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.artifacts.sealed import JSON_LIMIT, read_sealed, seal
from lthctl.canonical import Json, canonical_json, digest_of, finite, sha256
from lthctl.errors import RunError, TicketError
from lthctl.reading import read_file
from lthctl.reporting.tables import csv_bytes


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
