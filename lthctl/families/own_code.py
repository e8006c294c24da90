"""Code of a person's own: names such as `mypackage.scores:taylor`, and who may be imported.

A module is imported only if the person gave its name: by a flag, in params.yaml, or to `trust`. A
name that comes out of a file of somebody else's is never imported unasked.
"""

import hashlib
import inspect
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from lthctl.errors import ParamsError
from lthctl.families.nearest import nearest

_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]{0,63}"

OWN_NAME = rf"{_IDENTIFIER}(\.{_IDENTIFIER}){{0,7}}:{_IDENTIFIER}"
"""A module, a colon and an attribute of it. It holds nothing that a path could be made of."""

_trusted: set[str] = set()


def is_own(name: str) -> bool:
    """Whether a name is of the form `module:attribute`."""
    return re.fullmatch(OWN_NAME, name) is not None


def trust(*names: str) -> None:
    """Allow that the modules of some names are imported.

    Only for names that the person at the keyboard gave, never for what a file of somebody else's
    says. Names without a colon need no trust and are passed over.
    """
    _trusted.update(name for name in names if is_own(name))


def trusted() -> tuple[str, ...]:
    """The names that may be imported, for a process that is to trust the same."""
    return tuple(sorted(_trusted))


_importing = threading.RLock()
"""Held by whoever imports somebody's own module: others would see half of it."""


@contextmanager
def _compiled_from_source() -> Iterator[None]:
    """What is imported is compiled anew. The identity is a digest of the source, and a compiled
    file in `__pycache__` may be of another source, or somebody else's."""
    before = sys.pycache_prefix, sys.dont_write_bytecode
    sys.pycache_prefix, sys.dont_write_bytecode = os.devnull, True
    try:
        yield
    finally:
        sys.pycache_prefix, sys.dont_write_bytecode = before


def _import_from(folder: str, package: str) -> None:
    """Import what a person named from the working folder, if it is there, whatever is installed
    under the same name."""
    if package in sys.modules:
        return
    spec = PathFinder.find_spec(package, [folder])
    if spec is None or spec.loader is None:
        return
    module = sys.modules[package] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[package]
        raise


def module_of(noun: str, name: str) -> ModuleType:
    """The module of a name that was trusted, imported.

    Args:
      noun: what the member is called in messages.
      name: `module:attribute`.

    Raises:
      ParamsError: there is no such module, or it cannot be imported.
    """
    wanted = name.partition(":")[0]
    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that nothing there takes the place of an installed package.
        sys.path.append(here)
    invalidate_caches()
    try:
        with _importing, _compiled_from_source():
            _import_from(here, wanted.partition(".")[0])
            return import_module(wanted)
    except ModuleNotFoundError as error:
        missing = error.name or wanted
        if wanted == missing or wanted.startswith(f"{missing}."):
            raise ParamsError(
                f"{noun} {name}: there is no module {missing!r}, neither in {here} nor "
                "among the installed packages"
            ) from None
        raise ParamsError(
            f"{noun} {name}: the module {wanted} needs {missing!r}, which is not "
            "installed; install it"
        ) from None
    except (Exception, SystemExit) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ParamsError(
            f"{noun} {name}: the module {wanted} cannot be imported "
            f"({type(error).__name__}: {reason}); mend it"
        ) from error


def attribute_of(noun: str, name: str, module: ModuleType) -> object:
    """What a module has under the attribute of a name.

    Raises:
      ParamsError: it has nothing there.
    """
    wanted = name.partition(":")[2]
    if hasattr(module, wanted):
        return getattr(module, wanted)
    there = [key for key in vars(module) if not key.startswith("_")]
    meant = nearest(wanted, there)
    hint = f"did you mean {meant!r}?" if meant else f"it has {', '.join(there) or 'nothing'}"
    raise ParamsError(f"{noun} {name}: the module {module.__name__} has no {wanted!r}; {hint}")


def digest_of(noun: str, name: str, module: ModuleType) -> str:
    """SHA-256 of the source of a module.

    Raises:
      ParamsError: it has none.
    """
    try:
        path = inspect.getsourcefile(module)
    except TypeError:
        path = None
    if path is None or not Path(path).is_file():
        raise ParamsError(
            f"{noun} {name}: the module {module.__name__} has no source file, which is "
            "part of the identity; write it in Python"
        )
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
