"""All that the next steps of a training depend on, as arrays: what a checkpoint holds.

These are the weights and buffers, what the optimizer remembers, the sum of the losses since the
last evaluation, and torch's generator. Somebody's own module or optimizer may remember more
elsewhere, such as a count of its calls. That would be lost, so such a training has no checkpoints.
"""

import hashlib
import pickle
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lthctl.mask import Array, Weights
from lthctl.models.base import state_of
from lthctl.models.sharing import load_weights
from lthctl.training.checkpoints import Checkpoint, Checkpoints
from lthctl.training.history import Row

NETWORK, BUFFERS, OPTIMIZER = "network/", "buffers/", "optimizer/"

LOSS_SUM, GENERATOR, GPU_GENERATOR = "loss sum", "generator", "generator of the GPU"


class TrainingState:
    """The state of a training that runs; see the module. To be made before the first step.

    Args:
      network: in training mode, on its device.
      optimizer: of its parameters.
      loss_sum: of shape (), the losses since the last evaluation.
      device: where it is trained.
      draws: whether it may draw from torch's generator, which nobody else uses meanwhile, and may
        remember something that is no tensor.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        loss_sum: Tensor,
        device: torch.device,
        *,
        draws: bool,
    ) -> None:
        self._network, self._optimizer, self._loss_sum = network, optimizer, loss_sum
        self._device, self._draws = device, draws
        self._parameters = dict(network.named_parameters())
        self._begun_with = self._elsewhere()

    def restored_from(self, checkpoints: Checkpoints) -> Checkpoint | None:
        """Go back to where a training was cut off; where that was, None if there is no such
        checkpoint and nothing has changed."""
        kept = checkpoints.load()
        if kept is None or not self.fits(kept.state):
            return None
        self.restore(kept.state)
        return kept

    def keep_in(self, checkpoints: Checkpoints, step: int, history: Sequence[Row]) -> None:
        """Keep a checkpoint if it is time for one, and if it would hold all."""
        if self._begun_with is None or not checkpoints.is_due():
            return
        if (arrays := self.arrays()) is None:
            self._begun_with = None
        else:
            checkpoints.save(Checkpoint(step, tuple(history), arrays))

    def arrays(self) -> dict[str, Array] | None:
        """The state as arrays; None where something is remembered that is not among them."""
        elsewhere = self._elsewhere()
        remembered = {n: value for n, value in self._remembered() if isinstance(value, Tensor)}
        whole = len(remembered) == len(list(self._remembered()))
        if elsewhere is None or elsewhere != self._begun_with or not whole:
            return None
        return {
            **{f"{NETWORK}{name}": array for name, array in state_of(self._network).items()},
            **{f"{BUFFERS}{name}": _array(buffer) for name, buffer in self._other_buffers()},
            **{f"{OPTIMIZER}{name}": _array(value) for name, value in remembered.items()},
            **{name: _array(value) for name, value in self._generators().items()},
            LOSS_SUM: _array(self._loss_sum),
        }

    def fits(self, arrays: Weights) -> bool:
        """Whether arrays are a state of this training, as far as their form tells."""
        expected = {
            **{f"{NETWORK}{name}": array for name, array in state_of(self._network).items()},
            **{f"{BUFFERS}{name}": _array(buffer) for name, buffer in self._other_buffers()},
            **{name: _array(value) for name, value in self._generators().items()},
            LOSS_SUM: _array(self._loss_sum),
        }
        remembered = {name: a for name, a in arrays.items() if name.startswith(OPTIMIZER)}
        for name, array in remembered.items():
            parameter = self._parameters.get(name.removeprefix(OPTIMIZER).rpartition("/")[0])
            if parameter is None or array.shape not in ((), tuple(parameter.shape)):
                return False
        kinds = {n: (a.shape, a.dtype) for n, a in arrays.items() if n not in remembered}
        return kinds == {name: (array.shape, array.dtype) for name, array in expected.items()}

    def restore(self, arrays: Weights) -> None:
        """Go back to a state that fits."""

        def under(prefix: str) -> dict[str, Array]:
            return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}

        load_weights(self._network, under(NETWORK))
        buffers = under(BUFFERS)
        with torch.no_grad():
            for name, buffer in self._other_buffers():
                buffer.copy_(_tensor(buffers[name]))
            self._loss_sum.copy_(_tensor(arrays[LOSS_SUM]))
        self._restore_optimizer(under(OPTIMIZER))
        if self._draws:
            torch.set_rng_state(_tensor(arrays[GENERATOR]))
            if self._device.type == "cuda":
                torch.cuda.set_rng_state(_tensor(arrays[GPU_GENERATOR]), self._device)

    def _restore_optimizer(self, remembered: Weights) -> None:
        numbers = {id(p): n for n, p in enumerate(_parameters_of(self._optimizer))}
        state: dict[int, dict[str, Tensor]] = {}
        for name, array in remembered.items():
            owner, _, key = name.rpartition("/")
            parameter, value = self._parameters[owner], _tensor(array)
            if value.shape == parameter.shape:  # laid out in memory as the optimizer would do it
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            state.setdefault(numbers[id(parameter)], {})[key] = value.detach()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _remembered(self) -> Iterator[tuple[str, object]]:
        """Parameter and key -> what the optimizer remembers."""
        names = {id(parameter): name for name, parameter in self._parameters.items()}
        for parameter, remembered in self._optimizer.state.items():
            for key, value in remembered.items():
                yield f"{names.get(id(parameter))}/{key}", value

    def _other_buffers(self) -> list[tuple[str, Tensor]]:
        """Those that are in no state_dict."""
        state = self._network.state_dict()
        return [item for item in self._network.named_buffers() if item[0] not in state]

    def _generators(self) -> dict[str, Tensor]:
        if not self._draws:
            return {}
        states = {GENERATOR: torch.get_rng_state()}
        if self._device.type == "cuda":
            states[GPU_GENERATOR] = torch.cuda.get_rng_state(self._device)
        return states

    def _elsewhere(self) -> tuple[object, ...] | None:
        """What is remembered outside of the tensors, so that one can see whether it changes; None
        where nobody can."""
        if not type(self._optimizer).__module__.startswith("torch.optim."):
            return None
        settings = [
            {key: value for key, value in group.items() if key not in ("params", "lr")}
            for group in self._optimizer.param_groups
        ]
        if not self._draws:
            return (settings,)
        rest = _digest_without_tensors(self._network)
        return None if rest is None else (settings, rest)


def _digest_without_tensors(network: nn.Module) -> str | None:
    """Of all that a module holds but its parameters and buffers; None if that cannot be told."""
    places = {id(t): n for n, t in enumerate((*network.parameters(), *network.buffers()))}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> object:
            if not isinstance(value, Tensor):
                return None
            if id(value) in places:
                return places[id(value)]
            return str(value.dtype), tuple(value.shape), _array(value).tobytes()

    written = BytesIO()
    try:
        Pickler(written).dump(network)
    except Exception:  # a function in it, a generator, anything
        return None
    return hashlib.sha256(written.getvalue()).hexdigest()


def _parameters_of(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _array(tensor: Tensor) -> Array:
    return np.array(tensor.detach().cpu().numpy())


def _tensor(array: Array) -> Tensor:
    """In memory of torch's own: how a sum is computed may depend on where its terms lie."""
    return torch.from_numpy(np.array(array)).clone()
