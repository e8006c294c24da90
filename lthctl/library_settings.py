"""Settings of torch and NumPy, which whoever uses them may have changed in this process.

A training is a function of its specification. So every setting that would change its result is as
the libraries have it by themselves, and is put back afterwards.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any


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
    change(torch.is_anomaly_enabled(), False, torch.autograd.set_detect_anomaly)
    change(_determinism(), (False, False), _set_determinism)
    _set_precision(stack)
    # Which kernels may be taken: each sums in an order of its own.
    mkldnn, mha, cuda = torch.backends.mkldnn, torch.backends.mha, torch.backends.cuda
    change((mkldnn.enabled, mkldnn.deterministic), (True, False), _set_mkldnn)
    change(torch.backends.nnpack.set_flags(True), (True,), _set_nnpack)
    change(mha.get_fastpath_enabled(), True, mha.set_fastpath_enabled)
    for kind in ("flash", "mem_efficient", "math", "cudnn"):  # of attention
        is_on, put = getattr(cuda, f"{kind}_sdp_enabled"), getattr(cuda, f"enable_{kind}_sdp")
        change(is_on(), True, put)


def _set_mkldnn(pair: tuple[bool, bool]) -> None:
    import torch

    torch.backends.mkldnn.set_flags(*pair, _fp32_precision=None)


def _set_nnpack(flags: tuple[bool]) -> None:
    import torch

    torch.backends.nnpack.set_flags(*flags)


def _set_precision(stack: ExitStack) -> None:
    """Let float32 be float32 in products, and neither TF32 nor bfloat16.

    torch has one setting from before 2.9, and newer ones for each kind of product, which take over
    from those above them. Where both disagree, to read the old one raises.
    """
    import torch

    read = torch._C._get_fp32_precision_getter  # no public name reads and sets all of them
    put = torch._C._set_fp32_precision_setter
    seen = {place: read(*place) for place in (("cuda", "conv"), ("cuda", "rnn"))}

    def show_again() -> None:
        # What nobody set cannot be told from what was set, once `same_sums` has set it back.
        for place, before in seen.items():
            if read(*place) != before:
                put(*place, before)

    stack.callback(show_again)
    above = ("generic", "all"), ("cuda", "all"), ("mkldnn", "all")
    for place in (*above, ("mkldnn", "conv"), ("mkldnn", "rnn")):
        if (before := read(*place)) != "none":
            put(*place, "none")
            stack.callback(put, *place, before)
    products = {place: read(*place) for place in (("cuda", "matmul"), ("mkldnn", "matmul"))}
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:
        precision = "highest"
    if precision != "highest" or not {*products.values()} <= {"none", "ieee"}:
        for place, before in products.items():
            stack.callback(put, *place, before)
        stack.callback(torch.set_float32_matmul_precision, precision)
        torch.set_float32_matmul_precision("highest")


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
    cudnn: Any = torch.backends.cudnn
    for part in (cudnn.conv, cudnn.rnn):
        stack.callback(setattr, part, "fp32_precision", part.fp32_precision)
    ours = {"deterministic": True, "benchmark": False, "allow_tf32": False}
    for name, value in ours.items():
        try:
            before = getattr(cudnn, name)
        except RuntimeError:  # of the parts one allows TF32, and another does not
            before = True
        stack.callback(setattr, cudnn, name, before)
        setattr(cudnn, name, value)


same_sums = _Shared(_insist_on_the_same_sums)
"""A context in which a GPU gives the same sums every time, in float32 that is no TF32. What it has
no such kernel for raises RuntimeError. A CPU with a fixed number of threads gives them anyway."""

_torch_settings = _Shared(_set_torch)


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Use torch in here as if nobody had changed a setting: gradients are on, numbers are float32,
    tensors are on the CPU unless they say otherwise, nothing is cast, and kernels are the usual
    ones.

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
        _small_numbers(),
    ):
        yield


@contextmanager
def numpy_defaults() -> Iterator[None]:
    """Let floating point do in here what NumPy does by default, such as underflow to 0."""
    import numpy as np

    with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"), _small_numbers():
        yield


@contextmanager
def _small_numbers() -> Iterator[None]:
    """Keep the numbers that `torch.set_flush_denormal(True)` lets this thread take for 0."""
    if "torch" not in sys.modules or sys.float_info.min / 2 > 0:
        yield
        return
    import torch

    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)
