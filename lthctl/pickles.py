"""Pickles read as data: opcode by opcode, and nothing in them is run.

A pickle is a program. Its opcodes that build lists, dicts, tuples, numbers and text are followed
here. A name in it stays a name: what calling it means is up to the reader's caller, who answers for
the few names that he knows. All other names and opcodes are refused.

What a pickle builds may be nested so that to hash, compare or print it takes for ever. So only text
and numbers are hashed and printed here.
"""

import pickletools
from collections.abc import Container
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Protocol


class PickleError(Exception):
    """A pickle needs what is not read here; what that is."""


class OpcodeError(PickleError):
    """It needs an opcode that is not followed here."""


@dataclass(frozen=True)
class Name:
    """A name that a pickle asks for, such as "torch.FloatStorage"; it is never looked up."""

    full: str


class Meanings(Protocol):
    """What the names and references in a pickle stand for.

    Attributes:
      names: those that may be there at all.
    """

    names: Container[str]

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        """What a function or class gives."""

    def look_up(self, reference: tuple[Any, ...]) -> object:
        """What stands outside the pickle, under a reference."""

    def set_state(self, target: Any, state: Any) -> None:
        """Attributes that an object gets after it was made."""


def read_pickle(content: bytes, meanings: Meanings, *, max_opcodes: int) -> object:
    """What a pickle holds.

    Args:
      content: the pickle.
      meanings: of the names in it.
      max_opcodes: what it may have at the most, its end among them.

    Raises:
      PickleError: it needs a name, an opcode or a length that is not allowed.
      ValueError, TypeError, LookupError, AttributeError, ArithmeticError: it is damaged, or
        `meanings` raised that.
    """
    return Reader(meanings).read(content, max_opcodes)


_MARK = object()

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class Reader:
    """Follows the opcodes of plain data. A subclass may follow more of them."""

    def __init__(self, meanings: Meanings) -> None:
        self._meanings = meanings
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self, content: bytes | IO[bytes], max_opcodes: int) -> object:
        stack, memo = self._stack, self._memo
        argument: Any
        for opcode, argument, _ in islice(pickletools.genops(content), max_opcodes):
            match opcode.name:
                case "PROTO":
                    pass
                case "MARK":
                    stack.append(_MARK)
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    count = int(opcode.name[-1])
                    stack[-count:] = [tuple(stack[-count:])]
                case "TUPLE":
                    stack.append(tuple(self._pop_to_mark()))
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    stack.append(_CONSTANTS[opcode.name])
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "BINUNICODE" | "BINSTRING" | "SHORT_BINSTRING" | "BINBYTES" | "SHORT_BINBYTES":
                    stack.append(argument)
                case "GLOBAL":
                    stack.append(self._name(str(argument).replace(" ", ".", 1)))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "BINPERSID":
                    stack.append(self._meanings.look_up(stack.pop()))
                case "REDUCE":
                    arguments, function = stack.pop(), stack.pop()
                    stack.append(self._meanings.call(function.full, arguments))
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    self._set_items(stack[-1], [key, value])
                case "SETITEMS":
                    items = self._pop_to_mark()
                    self._set_items(stack[-1], items)
                case "APPEND":
                    value = stack.pop()
                    stack[-1].append(value)
                case "APPENDS":
                    items = self._pop_to_mark()
                    stack[-1].extend(items)
                case "BUILD":
                    state = stack.pop()
                    self._meanings.set_state(stack[-1], state)
                case "STOP":
                    return stack.pop()
                case other:
                    self._other(other, argument)
        raise PickleError(f"its pickle does not end after {max_opcodes:,} opcodes")

    def _set_items(self, target: Any, items: list[Any]) -> None:
        target.update(zip(map(text_of, items[::2]), items[1::2], strict=True))

    def _other(self, opcode: str, argument: Any) -> None:
        raise OpcodeError(f"needs the pickle opcode {opcode}")

    def _pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _name(self, full: str) -> Name:
        if full not in self._meanings.names:
            raise PickleError(f"needs {full[:100]}, which would have to be run")
        return Name(full)


def text_of(value: object) -> str:
    """The value, which must be text.

    Raises:
      PickleError: it is not.
    """
    if not isinstance(value, str):
        raise PickleError(f"has something of type {type(value).__name__} where a name is expected")
    return value
