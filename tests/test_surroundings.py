"""What lies around a process changes nothing: the working folder, variables, what a notebook set."""

import importlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import numba
import numpy as np
import pytest
import torch

from lthctl import find_ticket, retrain
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.library_settings import numpy_defaults, same_sums, torch_defaults
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.reporting import drawing
from lthctl.reporting.drawing import own_defaults
from lthctl.reporting.figures import figure_files
from lthctl.surroundings import imported_apart, refuse_libraries_of_the_folder
from lthctl.training.engines import resolve
from lthctl.training.sparse.kernels import compiling

from .test_figures import GRIDS, NONE
from .test_report import unread_report

READS_SETTINGS = """
import os
from pathlib import Path
found = [name for name in ("settings", "../settings") if Path(name).exists()]
variable = os.environ.get("SOMETHING")
"""


@pytest.fixture
def a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that looks at the folder where it is imported, which has settings for it."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "looks_around.py").write_text(READS_SETTINGS)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    work = tmp_path / "work"
    work.mkdir()
    (work / "settings").write_text("")
    monkeypatch.chdir(work)
    monkeypatch.delitem(sys.modules, "looks_around", raising=False)
    return "looks_around"


def test_a_library_sees_no_settings_of_the_working_folder(a_library: str) -> None:
    assert imported_apart(a_library).found == []
    assert Path("settings").exists()  # and we stand where we stood


def test_a_folder_that_was_renamed_meanwhile_is_found_again(
    a_library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").rename(tmp_path / "moved")
    imported_apart(a_library)
    assert Path.cwd() == tmp_path / "moved"


def test_a_variable_is_hidden_and_comes_back(
    a_library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMETHING", "else")
    assert imported_apart(a_library, without=("SOMETHING",)).variable is None
    assert os.environ["SOMETHING"] == "else"


@pytest.mark.parametrize("place", ["", "tls", "tls/x86_64", "x86_64", "glibc-hwcaps/x86-64-v3"])
def test_torch_runs_no_library_of_the_working_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's loader looks there, as an empty name among torch's folders says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    refuse_libraries_of_the_folder()
    refuse_libraries_of_the_folder()
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "torch")
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "libcuda.so.1").write_bytes(b"")
        with pytest.raises(PermissionError, match=r"lies in the working folder.*libcuda\.so\.1"):
            importlib.import_module("torch")
    assert importlib.import_module("torch") is torch
    assert [type(one).__name__ for one in sys.meta_path].count("_TorchLooksHere") == 1


@pytest.mark.long
def test_figures_are_drawn_under_matplotlibs_own_defaults() -> None:
    group = unread_report(*GRIDS["one run"]).groups[0]
    plain = figure_files(group, NONE)
    set_by_a_notebook = {
        "lines.linewidth": 9,
        "font.size": 30,
        "figure.dpi": 10,
        "axes.grid": True,
        "path.simplify": False,
        "savefig.bbox": "tight",
        "savefig.transparent": True,
        "text.usetex": True,
        "svg.image_inline": False,
        "axes.unicode_minus": False,
    }
    printed = {"precision": 1, "suppress": True, "legacy": "1.13"}
    with matplotlib.rc_context(set_by_a_notebook), np.printoptions(**printed):
        assert figure_files(group, NONE) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_no_backend_is_chosen_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "backend", "pdf")
    with own_defaults():
        assert matplotlib.rcParams["backend"] == "pdf"
    assert matplotlib.rcParams["backend"] == "pdf"


def test_a_backend_that_is_not_here_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a terminal of a notebook, whose variable names a backend that only the notebook has."""
    asked, plain = [], np.get_printoptions()

    def imported(name: str, *, without: tuple[str, ...] = ()) -> ModuleType:
        asked.append((name, *without))
        return matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "backend", "agg")
    monkeypatch.setattr(drawing, "imported_apart", imported)
    monkeypatch.delitem(sys.modules, "matplotlib")
    for backend in ("module://matplotlib_inline.backend_inline", "nonsense"):
        monkeypatch.setenv("MPLBACKEND", backend)
        with np.printoptions(precision=1, suppress=True, legacy="1.13"), drawing.own_defaults():
            assert np.get_printoptions() == plain  # as ids in an SVG hold numbers as printed
    assert asked == [("matplotlib", "MPLBACKEND")] * 2


# --- what was set in this process


@contextmanager
def changed_torch() -> Iterator[None]:
    """torch as a notebook may have left it."""
    precision, backends = torch.get_float32_matmul_precision(), torch.backends
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True, warn_only=False)
    torch.set_flush_denormal(True)
    backends.mha.set_fastpath_enabled(False)
    backends.mkldnn.conv.fp32_precision = "bf16"
    backends.mkldnn.set_flags(False, True, None, "bf16")
    try:
        with (
            backends.nnpack.flags(enabled=False),
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            torch.inference_mode(),
            torch.no_grad(),
            torch.device("meta"),
            torch.autocast("cpu", torch.bfloat16),
            torch.autograd.set_detect_anomaly(True),
            np.errstate(all="raise"),
        ):
            yield
            assert backends.nnpack.set_flags(False) == (False,)  # all as it was
            assert not backends.cuda.flash_sdp_enabled() and backends.cuda.math_sdp_enabled()
        assert not backends.mkldnn.enabled and backends.mkldnn.deterministic
        assert backends.mkldnn.set_flags()[3] == "bf16"
        assert torch.get_default_dtype() is torch.float64
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert not backends.mha.get_fastpath_enabled()
        assert backends.mkldnn.conv.fp32_precision == "bf16"
        assert sys.float_info.min / 2 == 0
    finally:
        torch.set_flush_denormal(False)
        backends.mha.set_fastpath_enabled(True)
        backends.mkldnn.conv.fp32_precision = "none"
        backends.mkldnn.set_flags(True, False, None, "none")
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(False)


class OwnNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(784, 8), torch.nn.Linear(8, 10)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(self.hidden(images.flatten(1)).relu()))


class Attentive(torch.nn.Module):
    """Layers for which torch has several kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 8, 4, stride=4)
        self.encoder = torch.nn.TransformerEncoderLayer(8, 2, 8, dropout=0, batch_first=True)
        self.out = torch.nn.Linear(8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        words = self.conv(images.view(-1, 1, 28, 28)).flatten(2).transpose(1, 2)
        return self.out(self.encoder(words).mean(1))


OWN = {"own": OwnNetwork, "attentive": Attentive}


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("kind", ["mlp", "own", "attentive", "sparse"])
def test_a_ticket_is_the_same_whatever_torch_and_numpy_are_set_to(
    dataset: Dataset, train_params: TrainParams, kind: str
) -> None:
    def found() -> tuple[bytes, ...]:
        model = ModuleModel(kind, OWN[kind], "out") if kind in OWN else MLP((784, 20, 10))
        engine = "sparse" if kind == "sparse" else "torch"
        train = train_params.model_copy(update={"engine": engine})
        ticket = find_ticket(model, dataset, method="l1", ratio=0.5, rounds=2, seed=1, train=train)
        run = retrain(ticket, dataset, control="reinit", model=model, train=train)
        return *ticket.files().values(), *run.files().values()

    plain = found()
    with changed_torch():
        assert found() == plain
    assert found() == plain


PLACES = [
    ("generic", "all"), ("cuda", "all"), ("mkldnn", "all"), ("cuda", "matmul"), ("cuda", "conv"),
    ("cuda", "rnn"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn"),
]  # fmt: skip


SET = [(*place, value) for place in PLACES for value in ("ieee", "tf32")]
SET += [(*place, "bf16") for place in PLACES if place[0] == "mkldnn"]


@pytest.mark.parametrize(("backend", "operation", "value"), SET)
def test_what_torch_newly_lets_set_for_one_kind_of_product_counts_for_nothing(
    backend: str, operation: str, value: str
) -> None:
    """Where it disagrees with the older setting, torch raises when that is read."""
    read, put = torch._C._get_fp32_precision_getter, torch._C._set_fp32_precision_setter
    own = read(backend, operation)
    put(backend, operation, value)
    try:
        found = [read(*each) for each in PLACES]
        with torch_defaults(), same_sums():
            inside = {each: read(*each) for each in PLACES}
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert {*inside.values()} <= {"none", "ieee"}
        assert [read(*each) for each in PLACES] == found
    finally:
        put(backend, operation, own)


@pytest.mark.parametrize("defaults", [torch_defaults, numpy_defaults])
def test_the_smallest_numbers_are_not_taken_for_0(defaults: Callable[[], Any]) -> None:
    assert torch.set_flush_denormal(True)
    try:
        with defaults():
            assert sys.float_info.min / 2 > 0
        assert sys.float_info.min / 2 == 0
    finally:
        torch.set_flush_denormal(False)


def test_trainings_that_overlap_take_no_setting_away_from_each_other() -> None:
    """The last one sets them back, not the first."""
    torch.set_default_dtype(torch.float64)
    try:
        first, second = torch_defaults(), torch_defaults()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_default_dtype() is torch.float32
        second.__exit__(None, None, None)
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("value", "is_off"), [("1", True), ("0", False), ("", False), ("x", False)]
)
def test_without_numbas_compiler_auto_takes_torch(
    monkeypatch: pytest.MonkeyPatch, small_model: MLP, value: str, is_off: bool
) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", value)
    auto, sparse = (TrainParams(engine=name, device="cpu") for name in ("auto", "sparse"))
    assert resolve(auto, small_model).engine == ("torch" if is_off else "sparse")
    if is_off:
        with pytest.raises(ParamsError, match=r"numba's compiler is switched off \(NUMBA_DISABLE"):
            resolve(sparse, small_model)


def test_numba_that_another_thread_is_just_importing_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, small_model: MLP
) -> None:
    """It is among the modules already then, and has nothing in it yet."""
    monkeypatch.setitem(sys.modules, "numba", ModuleType("numba"))
    assert resolve(TrainParams(engine="auto", device="cpu"), small_model).engine == "sparse"


# --- compiled code


def places(home: Path) -> Path:
    return home / ".cache" / "lthctl" / "kernels"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return tmp_path


def test_compiled_code_is_kept_where_only_the_user_can_write(home: Path) -> None:
    assert compiling._kernels_folder() == places(home)
    assert stat.S_IMODE(places(home).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o750, 0o701])
def test_a_folder_that_others_can_open_is_refused(home: Path, mode: int) -> None:
    places(home).mkdir(parents=True)
    places(home).chmod(mode)
    with pytest.raises(PermissionError):
        compiling._kernels_folder()


def test_a_folder_of_somebody_elses_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiling._kernels_folder()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError):
        compiling._kernels_folder()


def test_a_link_is_refused_and_so_is_the_working_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places(home).parent.mkdir(parents=True)
    (home / "evil").mkdir(mode=0o700)
    places(home).symlink_to(home / "evil")
    with pytest.raises(NotADirectoryError):
        compiling._kernels_folder()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "evil")
    with pytest.raises(NotADirectoryError):
        compiling._kernels_folder()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "evil")  # relative: passed over
    with pytest.raises(NotADirectoryError):
        compiling._kernels_folder()


def test_numba_reads_no_settings_of_the_working_folder() -> None:
    from numba.core import config

    assert not Path(config._config_fname).is_file()
