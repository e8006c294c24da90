"""A family: members of one kind, such as scores or models, by their names."""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from lthctl.errors import ParamsError, TrainingError
from lthctl.families import own_code
from lthctl.families.nearest import nearest
from lthctl.families.own_code import is_own

T = TypeVar("T")

PLAIN_NAME = "[a-z0-9][a-z0-9_]{0,31}(-[a-z0-9]{1,32})?"

_families: list["Family[Any]"] = []
"""All that there are. No two may have an added member of one name."""


class Family(Generic[T]):
    """Members of one kind by their names.

    Args:
      noun: what a member is called in messages, as its parameter is.
      built_in: name -> "module:attribute".
      accept: "module:function". The function takes a name and what was found under it, and returns
        the member. It raises TypeError with what was expected if that cannot be one.
      example: a name with a colon, for messages.
      reserved: names that may not be added, as they mean something else.
    """

    def __init__(
        self,
        noun: str,
        built_in: Mapping[str, str],
        *,
        accept: str,
        example: str,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.noun, self.example = noun, example
        self._built_in, self._accept, self._reserved = dict(built_in), accept, reserved
        self._members: dict[str, T] = {}
        self._sources: dict[str, str] = {}  # of members that are not built in
        _families.append(self)

    def names(self) -> tuple[str, ...]:
        """The names without a colon, in the order in which they are shown."""
        added = [name for name in self._sources if not is_own(name)]
        return (*self._built_in, *added)

    def order(self, name: str) -> tuple[int, str]:
        """Sorts the names that are known here as `names` does, and others behind them."""
        names = self.names()
        return (names.index(name) if name in names else len(names), name)

    def get(self, name: str) -> T:
        """The member of a name; the module of a trusted name is imported.

        Raises:
          ParamsError: there is no such member, it may not be imported, or it is none.
        """
        if name in self._members:
            return self._members[name]
        if name in self._built_in:
            module, attribute = self._built_in[name].split(":")
            member: T = getattr(import_module(module), attribute)
        elif (expected := self.expected_instead_of(name)) is not None:
            meant = nearest(name, self.names())
            hint = f"; did you mean {meant!r}? Expected" if meant else ", expected"
            raise ParamsError(f"{self.noun}: is {name!r}{hint} {expected}")
        elif name not in own_code.trusted():
            raise ParamsError(
                f"{self.noun} {name}: is somebody's own code, which is not run unasked; if you "
                f"trust it, say so with --trust {name}, or name it in params.yaml"
            )
        else:
            module_of_own = own_code.module_of(self.noun, name)
            found = own_code.attribute_of(self.noun, name, module_of_own)
            member = self._accepted(name, found)
            self._sources[name] = own_code.digest_of(self.noun, name, module_of_own)
        return self._members.setdefault(name, member)

    def known(self, name: str) -> T | None:
        """The member of a name, if that takes no import of anybody's own code."""
        return self.get(name) if name in self._members or name in self._built_in else None

    def add(self, name: str, member: object) -> None:
        """Add a member under a name without a colon.

        The SHA-256 of the file that calls this becomes part of the identity of what is made with
        the member.

        Raises:
          ParamsError: the name is taken or malformed, the member is none, or the caller has no
            source file.
        """
        if not re.fullmatch(PLAIN_NAME, name):
            raise ParamsError(
                f"{self.noun}: is {name!r}, expected lower-case letters, digits and underscores"
            )
        if name in self._reserved:
            raise ParamsError(f"{self.noun}: {name!r} means something else; choose another name")
        if name in self._built_in or any(name in family._sources for family in _families):
            raise ParamsError(f"{self.noun}: there is a {name!r} already; choose another name")
        accepted = self._accepted(name, member)
        path = Path(sys._getframe(1).f_code.co_filename)
        if not path.is_file():
            raise ParamsError(
                f"{self.noun}: {name!r} is added from no file; put it into a module, whose source "
                "is part of the identity"
            )
        self._sources[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        self._members[name] = accepted

    def call(self, name: str, function: Callable[..., object], *given: object) -> object:
        """What the function of a member returns.

        Raises:
          TrainingError: it is somebody's own, and fails.
        """
        try:
            return function(*given)
        except (Exception, SystemExit) as error:
            if self.source_digest(name) is None:  # built in: our own mistake
                raise
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise TrainingError(
                f"{self.noun} {name}: its function failed at line {frame.lineno} of "
                f"{Path(frame.filename).name} ({type(error).__name__}: {error})"
            ) from error

    def source_digest(self, name: str) -> str | None:
        """SHA-256 of the file that a member was brought in; None for a built-in one, and for one
        that was not asked for yet."""
        return self._sources.get(name)

    def expected_instead_of(self, name: str, *also: str) -> str | None:
        """What a name should be instead, judged without any import; None where it may be one, or is
        one of some others."""
        if name in (*also, *self.names()) or is_own(name):
            return None
        if ":" in name:
            return f"module:name, such as {self.example}"
        return (
            f"{choices((*also, *self.names()))}, or your own as module:name, such as {self.example}"
        )

    def _accepted(self, name: str, given: object) -> T:
        module, attribute = self._accept.split(":")
        try:
            member: T = getattr(import_module(module), attribute)(name, given)
        except TypeError as error:
            kind = f"of type {type(given).__name__}"
            shown = f"the class {given.__name__}" if isinstance(given, type) else kind
            raise ParamsError(f"{self.noun} {name}: is {shown}, expected {error}") from None
        return member


def checked_callable(
    given: object, num_arguments: int, expected: str, *, or_class: bool = False
) -> Callable[..., Any]:
    """What a person brought, if it can be called as its family calls its members.

    Args:
      given: what a person brought.
      num_arguments: how many it is called with.
      expected: what it should be, in words.
      or_class: whether a class will do.

    Raises:
      TypeError: it is no function, or takes other arguments.
    """
    if not callable(given) or (isinstance(given, type) and not or_class):
        raise TypeError(expected)
    try:
        inspect.signature(given).bind(*[None] * num_arguments)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{expected} ({error})") from None
    return given


def choices(names: tuple[str, ...]) -> str:
    """Names for a message: 'a', 'b' or 'c'."""
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}" if first else last


def sources_of(*members: tuple[Family[Any], str]) -> dict[str, str]:
    """Name -> SHA-256 of the source, for those of some members that are not built in."""
    digests = {name: family.source_digest(name) for family, name in members}
    return {name: digest for name, digest in sorted(digests.items()) if digest is not None}
