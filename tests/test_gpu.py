"""What a GPU would do, as far as that can be seen without one: benchmarks/gpu.py has the rest."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lthctl.artifacts.tensors import tensors_bytes
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TrainingError
from lthctl.grid import grid as grid_of
from lthctl.grid import plan
from lthctl.grid.cost import Speeds
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.grid.executors.threads import ThreadExecutor
from lthctl.grid.grid import Grid
from lthctl.grid.grids import ticket_grid
from lthctl.library_settings import WORKSPACE_VARIABLE, same_sums
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.params_file import load_params
from lthctl.seeding import Stream
from lthctl.training import devices
from lthctl.training.dense import engine, memory_format
from lthctl.training.devices import check_devices
from lthctl.training.engines import resolve, run
from lthctl.training.resources import Resources
from lthctl.training.spec import Training

from .command_line import refusal

MakeTraining = Callable[..., Training]


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4)
        self.output = nn.Linear(4 * 8 * 8, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.norm(self.conv(images)).relu().flatten(1))
        return logits


class Viewing(Convolution):
    """Asks that channels come first in memory."""

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.norm(self.conv(images)).relu()
        logits: Tensor = self.output(hidden.view(len(images), -1))
        return logits


class Failing(Convolution):
    """Fails as a GPU would."""

    error: Exception

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            raise self.error
        return super().forward(images)


def of_module(kind: type[nn.Module], dataset: Dataset) -> Training:
    train, validation = (
        Split(split.images.reshape(-1, 1, 28, 28), split.labels)
        for split in (dataset.train, dataset.validation)
    )
    model = ModuleModel("net", kind, output="output")
    mask = Mask.full(model.prunable(biases=True))
    start = mask.apply(model.draw(Stream(1, "init")))
    params = TrainParams(steps=30, evaluate_every=10, engine="torch", device="cpu")
    return Training(model, start, mask, Dataset("digits", train, validation), 1, params)


# ---- several GPUs ----


def test_each_training_gets_the_device_with_the_least_to_do() -> None:
    pool = DevicePool(["cuda:0", "cuda:1"])
    with pool.one_for("cuda") as first, pool.one_for("cuda") as second:
        assert (first, second) == ("cuda:0", "cuda:1")
        with pool.one_for("cuda") as third, pool.one_for("cpu") as none:
            assert (third, none) == ("cuda:0", None)
            with pool.one_for("cuda") as fourth:
                assert fourth == "cuda:1"
    with pool.one_for("cuda") as again:
        assert again == "cuda:0"
    with DevicePool().one_for("cuda") as unspecified:
        assert unspecified is None


def test_which_device_it_is_is_no_part_of_a_training(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training()
    seen = []
    original = engine._train

    def noting(training: Training, device: torch.device, *rest: object) -> object:
        seen.append(str(device))
        return original(training, torch.device("cpu"), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_train", noting)
    plain = run(training)
    other = run(training, lambda _: None, Resources(device="cpu:0"))
    assert seen == ["cpu", "cpu:0"]
    assert other.history == plain.history
    assert make_training().digest == training.digest


def test_executors_hand_on_the_device(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def noting(training: Training, on_step: object, resources: Resources) -> object:
        seen.append(resources.device)
        return None

    monkeypatch.setattr("lthctl.grid.executors.threads.run", noting)
    executor = ThreadExecutor(1)
    executor.devices = DevicePool(["cpu:0"])
    executor.submit(make_training(), lambda _: None).result()
    executor.submit(make_training(device="cuda"), lambda _: None).result()
    executor.close()
    assert seen == ["cpu:0", None]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["gpu 1"], "--devices: is 'gpu 1', expected devices such as cuda:0,cuda:1"),
        (
            ["cuda:0", "cuda:0"],
            "--devices: names cuda:0 more than once; give --jobs for that",
        ),
        (
            ["cpu"],
            "--devices: is cpu, but the trainings run on cuda; set train.device to cpu, or leave "
            "--devices out",
        ),
        (["cuda:0", "cuda:2"], "--devices: is cuda:2, and there are 2 here, cuda:0 to cuda:1"),
    ],
)
def test_devices_that_are_refused(
    names: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "num_gpus", lambda: 2)
    check_devices(["cuda:0", "cuda:1"], {"cuda"})
    with pytest.raises(ParamsError) as failure:
        check_devices(names, {"cuda"})
    assert str(failure.value) == said


def test_the_number_of_a_gpu_is_no_parameter() -> None:
    with pytest.raises(ParamsError) as failure:
        resolve(TrainParams(device="cuda:1"), MLP())
    assert str(failure.value) == (
        "train.device: is 'cuda:1'; which GPU it is, is no part of a training: set it to cuda, and "
        "give --devices cuda:1"
    )


def test_the_command_line_refuses_gpus_that_are_not_here(workspace: Path) -> None:
    assert refusal(2, "prune", "--devices", "cuda:0,cuda:1") == (
        "--devices: is cuda:0, but the trainings run on cpu; set train.device to cuda, or leave "
        "--devices out"
    )


@pytest.mark.long
def test_a_dry_run_counts_the_devices(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("prune", "--devices", "cuda:0", "--dry-run")
    assert refusal(2, *words).startswith("--devices: is cuda:0, but the trainings run on cpu")
    at_once = []
    measured = plan.measure

    def noting(like: Training, densities: Sequence[float], num_jobs: int) -> Speeds:
        at_once.append(num_jobs)
        return measured(like, densities[:1], num_jobs)

    monkeypatch.setattr(plan, "measure", noting)
    grid = ticket_grid(load_params(Path("params.yaml")))
    assert grid.plan(devices=["cpu:0", "cpu:1"])["jobs"] == 2
    assert at_once[0] == 1  # on each
    monkeypatch.setattr(grid_of, "num_cores", lambda: 7)
    assert grid.plan()["jobs"] == 7
    monkeypatch.setattr(Grid, "device", "cuda")
    monkeypatch.setattr(grid_of, "check_devices", lambda *_: None)
    assert grid.plan()["jobs"] == 1  # they would share the memory of one
    assert grid.plan(devices=["cuda:0", "cuda:1"])["jobs"] == 2


# ---- too little memory, other sums ----


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
                "79.11 GiB of which 1.20 GiB is free. Process 1 has 77.90 GiB memory in use."
            ),
            "cpu has too little memory; it wanted 2.00 GiB more, where 1.20 GiB were free. Lower "
            "--jobs, or train.batch_size, which is 60; what is finished is kept",
        ),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate "
                "memory: you tried to allocate 240000000000 bytes. Error code 12"
            ),
            "cpu has too little memory; it wanted 240000000000 bytes more. Lower --jobs, or "
            "train.batch_size, which is 60; what is finished is kept",
        ),
        (
            RuntimeError(
                "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, "
                "but you set 'torch.use_deterministic_algorithms(True)'."
            ),
            "adaptive_avg_pool2d_backward_cuda gives other sums every time on cpu; use another "
            "layer in its place, or set train.device to cpu",
        ),
        (
            RuntimeError(
                "Deterministic behavior was enabled with either "
                "`torch.use_deterministic_algorithms(True)` or "
                "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not "
                "deterministic because it uses CuBLAS and you have CUDA >= 10.2. To enable "
                "deterministic behavior in this case, you must set an environment variable before "
                "running your PyTorch application: CUBLAS_WORKSPACE_CONFIG=:4096:8 or "
                "CUBLAS_WORKSPACE_CONFIG=:16:8."
            ),
            "cpu was used in this process before, without what makes its sums the same every time; "
            "set CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts",
        ),
    ],
)
def test_errors_of_a_device_are_explained(
    error: Exception, said: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "error", error, raising=False)
    training = of_module(Failing, dataset)
    with pytest.raises(TrainingError) as failure:
        run(training)
    assert str(failure.value) == f"a training of net, {training.digest[:12]}...: {said}"


def test_other_errors_stay_what_they_are(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "error", RuntimeError("mat1 and mat2"), raising=False)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(of_module(Failing, dataset))


def test_a_gpu_must_give_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)

    def settings() -> tuple[object, ...]:
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            cudnn.deterministic,
            cudnn.benchmark,
            cudnn.allow_tf32,
        )

    before = settings()
    with same_sums(), same_sums():
        assert settings() == (True, False, True, False, False)
    assert settings() == before
    monkeypatch.delenv(WORKSPACE_VARIABLE)


# ---- channels last ----


def test_channels_last_are_the_same_training(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = of_module(Convolution, dataset)
    plain = run(training)
    layouts = []

    def always(
        network: nn.Module, device: object, precision: str, images: Callable[[], Tensor]
    ) -> nn.Module:
        network = memory_format.channels_last(network, images())
        layouts.append(network.get_parameter("conv.weight").is_contiguous())
        return network

    monkeypatch.setattr(engine, "for_device", always)
    other = run(training)
    assert layouts == [True]  # of one channel both are the same memory
    losses = [[row.train_loss for row in result.history] for result in (plain, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert len(tensors_bytes(other.weights)) == len(tensors_bytes(plain.weights))


def test_channels_are_last_only_where_that_is_faster_and_can_be() -> None:
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    asked: list[bool] = []

    def images() -> Tensor:
        asked.append(True)
        return torch.zeros(2, 3, 28, 28)

    class Colour(Convolution):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 5, stride=3)

    class Stubborn(Viewing):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 5, stride=3)

    for device, precision, kind in (
        (cpu, "bfloat16", Colour),
        (cuda, "float32", Colour),
        (cuda, "bfloat16", nn.Flatten),
    ):
        memory_format.for_device(kind(), device, precision, images)
    assert asked == []
    for kind, is_last in ((Colour, True), (Stubborn, False)):
        network = memory_format.for_device(kind().train(), cuda, "bfloat16", images)
        assert network.training
        weight = network.get_parameter("conv.weight")
        assert weight.is_contiguous() == (not is_last)


# ---- the script ----


@pytest.mark.slow
def test_the_script_for_gpus_runs_on_a_cpu() -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "gpu.py"
    done = subprocess.run(
        [sys.executable, str(script), "--cpu"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
