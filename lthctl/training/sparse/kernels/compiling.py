# mypy: allow-untyped-calls
"""How functions are compiled, and how compiled code is kept between processes.

numba keeps the code of a function until that function's file changes, and does not notice a change
of what it calls in another. Here the code is kept until any file beside it changes.
"""

import contextlib
import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import numba
from numba.core import caching, serialize

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Compiled code allocates nothing, so it need not count references to arrays (`_nrt=False`): a count
# per vector operation would cost more than the operation. Divisions by 0 give inf, as in NumPy.
_njit: Any = numba.njit

_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}


def _digest_of_folder(folder: Path) -> str:
    """A digest of all that compiled code depends on: the modules of a folder, and the compiler.

    Raises:
      OSError: the folder cannot be read, for example because it is inside an archive.
    """
    digest = hashlib.sha256(f"numba {numba.__version__}, llvmlite {llvmlite.__version__}".encode())
    for file in sorted(file for file in folder.iterdir() if file.suffix == ".py"):
        content = file.read_bytes()
        digest.update(f"\n{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


class _Checked(caching.CompileResultCacheImpl):
    """Compiled code as it is kept on disk: with a digest, because damaged code may still run. The
    digest proves no author; see `_OwnFolder`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _OwnFolder(function)  # whatever NUMBA_CACHE_LOCATOR_CLASSES says
        name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, sys.abiflags)

    def reduce(self, data: Any) -> tuple[bytes, bytes]:
        code = serialize.dumps(super().reduce(data))
        return hashlib.sha256(code).digest(), code

    def rebuild(self, target_context: Any, reduced_data: tuple[bytes, bytes]) -> Any:
        digest, code = reduced_data
        if hashlib.sha256(code).digest() != digest:
            raise ValueError("the compiled code was damaged")
        return super().rebuild(target_context, pickle.loads(code))


class _OwnFolder(caching._CacheLocator):
    """Where compiled code is kept: a folder that nobody but the user can write to.

    What is kept is run, and its digest lies beside it, so only its owner vouches for it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._stamp = _digest_of_folder(Path(function.__code__.co_filename).parent)
        self._line = function.__code__.co_firstlineno
        self._folder = _kernels_folder() / self._stamp[:16]

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], _: str) -> "_OwnFolder":
        return cls(function)


def _kernels_folder() -> Path:
    """The folder of all compiled code: below NUMBA_CACHE_DIR, or else the user's cache.

    Raises:
      OSError: it cannot be made, or others can write to it, or it is somebody else's.
    """
    settings: Any = numba.config
    place = Path(settings.CACHE_DIR or _users_cache())
    if not place.is_absolute():
        raise NotADirectoryError(f"{place} would lie in the working folder")
    folder = place / "lthctl" / "kernels"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{folder} is a link or a file")
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077):
        raise PermissionError(f"{folder} is not the user's alone")
    return folder


def _users_cache() -> str:
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():  # else it says nothing, as its standard has it
        return given
    below = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return str(Path("~", *below).expanduser())


class _Cache(caching.FunctionCache):
    """numba's cache, by the content of a function's folder and not by its file's date.

    What cannot be read is compiled again, and replaced if possible.
    """

    _impl_class = _Checked

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle raises anything on damaged files
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # a folder that cannot be written
            try:
                super().save_overload(sig, data)
            except Exception:  # an index that cannot be read
                self.flush()
                super().save_overload(sig, data)


def compiled(function: _Function) -> _Function:
    """For compiled code to call: Python has no way in, which took a fifth of the time to
    compile."""
    return cast(_Function, _njit(function, no_cpython_wrapper=True, **_OPTIONS))


def inlined(function: _Function) -> _Function:
    return cast(_Function, _njit(function, no_cpython_wrapper=True, forceinline=True, **_OPTIONS))


def cached(function: _Function) -> _Function:
    """For Python to call: compiled once and kept between runs, with everything that it calls."""
    dispatcher: Any = _njit(function, **_OPTIONS)
    # Without a folder to keep it in, or one to tell its age by, it is compiled in every run.
    with contextlib.suppress(RuntimeError, OSError):
        dispatcher._cache = _Cache(function)
    return cast(_Function, dispatcher)
