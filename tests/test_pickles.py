"""Pickles as data: what Python writes comes back, and what it would run is handed to the caller."""

import pickle
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthctl.pickles import Name, OpcodeError, PickleError, read_pickle


class Recorded:
    """Knows two names, and notes what is asked of it."""

    names = ("collections.OrderedDict", "os.system")

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        self.asked.append(("call", name, arguments))
        return {}

    def look_up(self, reference: tuple[Any, ...]) -> object:
        self.asked.append(("look_up", reference))
        return "looked up"

    def set_state(self, target: Any, state: Any) -> None:
        self.asked.append(("set_state", target, state))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=10,
)


@pytest.mark.long
@given(VALUES)
def test_reads_what_python_writes(value: object) -> None:
    content = pickle.dumps(value, protocol=3)
    assert repr(read_pickle(content, Recorded(), max_opcodes=10_000)) == repr(value)


def test_names_are_not_looked_up_and_calls_are_handed_on() -> None:
    asked = Recorded()
    command = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
    assert read_pickle(command, asked, max_opcodes=10) == {}
    assert asked.asked == [("call", "os.system", ("true",))]
    assert read_pickle(b"\x80\x02cos\nsystem\n.", asked, max_opcodes=10) == Name("os.system")


def test_items_state_and_references() -> None:
    asked = Recorded()
    content = pickle.dumps(OrderedDict(a=1, b=(2, 3)), protocol=2)
    assert read_pickle(content, asked, max_opcodes=100) == {"a": 1, "b": (2, 3)}
    assert asked.asked == [("call", "collections.OrderedDict", ())]
    asked = Recorded()
    assert read_pickle(b"}K\x01b.", asked, max_opcodes=9) == {}
    assert read_pickle(b"K\x07\x85Q.", asked, max_opcodes=9) == "looked up"
    assert asked.asked == [("set_state", {}, 1), ("look_up", (7,))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cposix\nsystem\n.", "needs posix.system, which would have to be run"),
        (b"}K\x01K\x02s.", "has something of type int where a name is expected"),
        (b"}(K\x01K\x02u.", "has something of type int where a name is expected"),
        (b"]" * 20 + b".", "its pickle does not end after 10 opcodes"),
    ],
)
def test_refusals(content: bytes, message: str) -> None:
    with pytest.raises(PickleError) as refusal:
        read_pickle(content, Recorded(), max_opcodes=10)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("content", "opcode"),
    [(b"K\x012.", "DUP"), (b"(ios\nsystem\n.", "INST"), (b"\x8c\x02os\x8c\x06system\x93.", "SHORT_BINUNICODE"), (b"\x82\x01.", "EXT1")],
)  # fmt: skip
def test_opcodes_that_are_not_followed(content: bytes, opcode: str) -> None:
    with pytest.raises(OpcodeError) as refusal:
        read_pickle(content, Recorded(), max_opcodes=10)
    assert str(refusal.value) == f"needs the pickle opcode {opcode}"
