"""What lies around a process and would change what libraries do: its folder, its variables.

torch and NumPy have settings that whoever uses them may have changed in this process. And some
libraries read settings from the folder that they are imported in. Somebody else may have
written that folder, so they are imported with their back to it.
"""

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_OWN_FOLDER = Path(__file__).parent

_moving = threading.RLock()


def imported_apart(name: str, *, without: tuple[str, ...] = ()) -> ModuleType:
    """A module, imported as if this process stood in the folder of lthctl itself.

    Args:
      name: of the module. One that is imported already is as it is.
      without: environment variables that are not there meanwhile.
    """
    if name in sys.modules:
        return sys.modules[name]
    with _moving, _elsewhere():
        hidden = {key: os.environ.pop(key) for key in without if key in os.environ}
        try:
            return import_module(name)
        finally:
            os.environ.update(hidden)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Stand in the folder of lthctl, and go back in the end."""
    by_number = os.chdir in os.supports_fd  # which works for a folder that was renamed, too
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY)) if by_number else Path.cwd()
    try:
        os.chdir(_OWN_FOLDER)
        try:
            yield
        finally:
            os.chdir(before)
    finally:
        if isinstance(before, int):
            os.close(before)


class _TorchLooksHere(MetaPathFinder):
    """Looks before torch is imported whether torch would run a library of the working folder.

    The system looks for `libcuda.so.1` in the folders that torch's libraries name, and one of those
    names is empty, which stands for the working folder. To import it elsewhere is no way out, as
    other threads may be at relative paths meanwhile.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name != "torch":
            return
        for folder in ("", "tls", "tls/*", "tls/*/*", "*", "*/*", "glibc-hwcaps/*"):
            for found in Path().glob(f"{folder}/{LIBRARY}".lstrip("/")):
                reason = "lies in the working folder, and torch would run it; move it away"
                raise PermissionError(errno.EPERM, reason, str(found))


LIBRARY = "libcuda.so.1"


def refuse_libraries_of_the_folder() -> None:
    """Let no `import torch` of this process run a library of the working folder.

    The import raises PermissionError where there is one.
    """
    if not any(isinstance(finder, _TorchLooksHere) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TorchLooksHere())


class _Shared:
    """Settings of a whole process: the first that needs them sets them, the last sets them back.

    Threads overlap. One that put back what it found could take them away from another.
    """

    def __init__(self, enter: Callable[[ExitStack], None]) -> None:
        self._enter, self._lock = enter, threading.Lock()
        self._users, self._stack = 0, ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                with ExitStack() as stack:
                    self._enter(stack)
                    self._stack = stack.pop_all()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._stack.close()


def _set_torch(stack: ExitStack) -> None:
    import torch

    def change(now: object, ours: object, put: Callable[[Any], object]) -> None:
        if now != ours:
            put(ours)
            stack.callback(put, now)

    change(torch.get_default_dtype(), torch.float32, torch.set_default_dtype)
    precision = torch.get_float32_matmul_precision()
    change(precision, "highest", torch.set_float32_matmul_precision)
    change(torch.is_anomaly_enabled(), False, torch.autograd.set_detect_anomaly)
    change(_determinism(), (False, False), _set_determinism)


def _determinism() -> tuple[bool, bool]:
    import torch

    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warns


def _set_determinism(pair: tuple[bool, bool]) -> None:
    import torch

    torch.use_deterministic_algorithms(pair[0], warn_only=pair[1])


WORKSPACE_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
"""Without it cuBLAS may share out its memory in another way, and sum in another order."""


def _insist_on_the_same_sums(stack: ExitStack) -> None:
    import torch

    os.environ.setdefault(WORKSPACE_VARIABLE, ":4096:8")  # read when a GPU is first used
    stack.callback(_set_determinism, _determinism())
    _set_determinism((True, False))
    cudnn = torch.backends.cudnn
    ours = {"deterministic": True, "benchmark": False, "allow_tf32": False}
    for name, value in ours.items():
        stack.callback(setattr, cudnn, name, getattr(cudnn, name))
        setattr(cudnn, name, value)


same_sums = _Shared(_insist_on_the_same_sums)
"""A context in which a GPU gives the same sums every time, in float32 that is no TF32. What it has
no such kernel for raises RuntimeError. A CPU with a fixed number of threads gives them anyway."""

_torch_settings = _Shared(_set_torch)


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Use torch in here as if nobody had changed a setting: gradients are on, numbers are float32,
    tensors are on the CPU unless they say otherwise, and nothing is cast.

    The settings are as they were afterwards. Threads may be in here at the same time.
    """
    import torch

    here = torch.get_default_device().type == "cpu"  # else every call would be looked at
    with (
        _torch_settings(),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False)
        if torch.is_autocast_enabled("cuda")
        else nullcontext(),
        nullcontext() if here else torch.device("cpu"),
    ):
        yield


def numpy_defaults() -> Any:
    """A context in which floating point does what NumPy does by default, such as underflow to 0."""
    import numpy as np

    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
