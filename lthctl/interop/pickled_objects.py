"""Pickles of whole objects read as data: modules, optimizers, sets, and what they hold.

`pickles` refuses what it does not know. Here an unknown class stays a `Thing`: its name, and what
the pickle would have given it. No name is looked up, and nothing is called.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import IO, Any

from lthctl.pickles import Name, OpcodeError, PickleError, Reader, text_of

MAX_OPCODES = 2**22


@dataclass(eq=False)
class Thing:
    """An object that was never made: of which class, from what, and with which contents.

    Attributes:
      name: of the class or function, such as "torch.nn.modules.linear.Linear".
      arguments: what it would have been called with.
      state: its attributes, if the pickle gives any.
      items: what was put into it as into a dict.
      elements: what was put into it as into a list or a set.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    @property
    def full(self) -> str:
        """Its name, should the pickle call it."""
        return self.name

    def append(self, element: Any) -> None:
        self.elements.append(element)

    def extend(self, elements: list[Any]) -> None:
        self.elements.extend(elements)


class _Everything:
    """A container of every name."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)


class ObjectMeanings:
    """What names stand for in a pickle of objects: themselves, but for the known ones.

    Args:
      calls: what calling a known name gives, from its arguments.
      look_up: what a reference stands for.
    """

    names: Container[str] = _Everything()

    def __init__(
        self,
        calls: dict[str, Callable[..., object]],
        look_up: Callable[[tuple[Any, ...]], object] | None = None,
    ) -> None:
        self._calls, self._look_up = calls, look_up

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        if name in self._calls:
            return self._calls[name](*arguments)
        return Thing(name, arguments if isinstance(arguments, tuple) else ())

    def look_up(self, reference: tuple[Any, ...]) -> object:
        if self._look_up is None:
            raise PickleError("refers to something outside the pickle")
        return self._look_up(reference)

    def set_state(self, target: Any, state: Any) -> None:
        if hasattr(target, "state"):
            target.state = state


def read_objects(content: bytes | IO[bytes], meanings: ObjectMeanings) -> object:
    """What a pickle holds, of any protocol up to 5.

    Args:
      content: the pickle, or a file that stands at its begin; it then stands behind its end.
      meanings: of the names in it.

    Raises:
      PickleError: it needs an opcode that has no meaning here, or does not end.
      ValueError, TypeError, LookupError, AttributeError, ArithmeticError: it is damaged.
    """
    return _ObjectReader(meanings).read(content, MAX_OPCODES)


_CONTENT = {
    "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINBYTES8", "BYTEARRAY8",
    "LONG4", "LONG", "INT", "FLOAT",
}  # fmt: skip
"""Opcodes that push their argument as it is."""


class _ObjectReader(Reader):
    """Follows the opcodes of newer and older protocols as well."""

    def _other(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode in _CONTENT:
            stack.append(argument)
            return
        match opcode:
            case "FRAME":
                pass
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "PUT":
                self._memo[int(argument)] = stack[-1]
            case "GET":
                stack.append(self._memo[int(argument)])
            case "STACK_GLOBAL":
                name, module = text_of(stack.pop()), text_of(stack.pop())
                stack.append(Name(f"{module}.{name}"))
            case "NEWOBJ":
                arguments, kind = stack.pop(), stack.pop()
                stack.append(self._meanings.call(kind.full, arguments))
            case "NEWOBJ_EX":
                _, arguments, kind = stack.pop(), stack.pop(), stack.pop()
                stack.append(self._meanings.call(kind.full, arguments))
            case "EMPTY_SET":
                stack.append([])
            case "FROZENSET" | "LIST":
                stack.append(self._pop_to_mark())
            case "DICT":
                items = self._pop_to_mark()
                stack.append({})
                self._set_items(stack[-1], items)
            case "ADDITEMS":
                elements = self._pop_to_mark()
                stack[-1].extend(elements)
            case "POP":
                stack.pop()
            case "DUP":
                stack.append(stack[-1])
            case _:
                raise OpcodeError(f"needs the pickle opcode {opcode}")

    def _set_items(self, target: Any, items: list[Any]) -> None:
        """Those whose key is text or a number; others are of no use here, and dear to hash."""
        into = target.items if isinstance(target, Thing) else target
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, str | int | float | bool | None):
                into[key] = value
