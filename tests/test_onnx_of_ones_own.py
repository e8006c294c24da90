"""Modules of one's own as ONNX files: what is written computes the same, or is not written."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lthctl.artifacts.ticket import load_ticket
from lthctl.errors import ParamsError, TicketError
from lthctl.interop.onnx_check import check_file
from lthctl.interop.onnx_file import onnx_bytes
from lthctl.mask import Mask
from lthctl.models.module import ModuleModel
from lthctl.seeding import Stream

from .test_families import done, refusal

pytest.importorskip("onnx")

NETS = """
import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 5, stride=4)
        self.norm = nn.BatchNorm2d(width)
        self.mix = nn.Linear(width, width)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        maps = self.norm(self.conv(images.reshape(-1, 1, 28, 28))).relu()
        return self.head(self.drop(self.mix(maps.flatten(2).transpose(1, 2)).relu().mean(1)))
"""


@pytest.mark.long
def test_a_factory_of_ones_own_goes_all_the_way(workspace: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    (workspace / "mynets.py").write_text(NETS)
    (workspace / "params.yaml").write_text("model: mynets:Tagger\ntrain: {device: cpu, steps: 4}\n")
    done("prune", "--ratio", "0.8", "--quiet")
    done("retrain", "masks", "--quiet")
    path = "masks/l1-r0.80-n1-s1"
    words = ("export", path, "--to", "onnx", "--quiet")
    assert "give it, such as --shape 3,32,32" in refusal(*words, "--out", "x.onnx")
    assert "cannot export it for images of shape (5,)" in refusal(
        *words, "--out", "x.onnx", "--shape", "5", code=3
    )
    for name in ("a.onnx", "b.onnx"):
        done(*words, "--out", name, "--shape", "784")
    content = Path("a.onnx").read_bytes()
    assert content == Path("b.onnx").read_bytes()
    assert b".py" not in content and str(workspace).encode() not in content
    from mynets import Tagger  # type: ignore[import-not-found]

    module, ticket = Tagger().eval(), load_ticket(path)
    arrays = ticket.mask.apply(ticket.init)
    module.load_state_dict({key: torch.from_numpy(np.array(one)) for key, one in arrays.items()})
    images = torch.rand(5, 784)
    session = runtime.InferenceSession("a.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(logits, module(images).detach().numpy(), rtol=1e-4, atol=1e-5)
    done("export", "runs/rewind/l1-r0.80-n1-s1", "--to", "onnx", "--out", "r", "--shape", "784")
    (workspace / "mynets.py").write_text(NETS + "\n# altered\n")
    assert "expected" not in refusal("export", path, "--out", "y", "--shape", "784")


class Deciding(nn.Module):
    """An exporter that follows one batch sees one of its ways only."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        sums: Tensor = self.fc(images)
        return sums * 2 if images.sum() > 0 else sums


class Exotic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return torch.special.bessel_j0(self.fc(images))


def of_half_its_weights(make: type[nn.Module]) -> bytes:
    model = ModuleModel("own", make, output="fc")
    mask = Mask({"fc.weight": np.arange(8).reshape(2, 4) % 2 == 0})
    return onnx_bytes(model, mask.apply(model.draw(Stream(1, "init"))), (4,))


@pytest.mark.long
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Deciding, "own: the ONNX file computes something else than the module, so it was not"),
        (Exotic, "own: torch.onnx cannot export it for images of shape (4,) (UnsupportedOperator"),
    ],
)
def test_what_would_not_compute_the_same_is_refused(make: type[nn.Module], said: str) -> None:
    with pytest.raises(TicketError) as error:
        of_half_its_weights(make)
    assert str(error.value).startswith(said)


def test_a_file_without_the_zeros_is_refused() -> None:
    import onnx

    module = nn.Sequential(nn.Linear(4, 2))
    with torch.no_grad():
        module[0].weight[0] = 0
    model = ModuleModel("own", lambda: nn.Sequential(nn.Linear(4, 2)), output="0")
    weights = {name: one.detach().numpy() for name, one in module.state_dict().items()}
    written = onnx.load_from_string(onnx_bytes(model, weights, (4,)))
    check_file(written, module, model.shapes(), (4,), name="own")
    (part,) = (one for one in written.graph.initializer if list(one.dims) == [2, 4])
    filled = onnx.numpy_helper.to_array(part) + np.float32(1e-9)
    part.CopyFrom(onnx.numpy_helper.from_array(filled, part.name))
    with pytest.raises(TicketError, match=r"would not keep the zeros of \['0.weight'\]"):
        check_file(written, module, model.shapes(), (4,), name="own")


def test_a_shape_is_for_modules_of_ones_own() -> None:
    from lthctl.models.mlp import MLP

    model = MLP((4, 2))
    with pytest.raises(ParamsError, match="shape: is for a module of your own"):
        onnx_bytes(model, model.draw(Stream(1, "init")), (4,))
