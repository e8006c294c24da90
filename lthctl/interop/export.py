"""Tickets and runs in the formats of other programs.

A ticket gives the weights to rewind to under its mask, a run its final weights. The same input
gives the same bytes, as long as the library that writes the format is of one version.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lthctl.artifacts.names import RUN_JSON, TICKET_JSON
from lthctl.artifacts.run import Run, load_run
from lthctl.artifacts.ticket import Ticket, load_ticket
from lthctl.disk import write_file, write_folder
from lthctl.errors import OutputError, ParamsError, RunError, TicketError
from lthctl.interop.onnx_file import onnx_bytes
from lthctl.lottery.fitting import check_code
from lthctl.mask import Array, Mask, Shapes, Weights
from lthctl.models.base import ModuleDescription, prunable_among
from lthctl.models.described import from_description, known_model
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel

if TYPE_CHECKING:
    from torch import Tensor


def export_to(
    source: Ticket | Run,
    out: Path | str,
    *,
    to: str = "state_dict",
    replace: bool = False,
    shape: Sequence[int] | None = None,
) -> Path:
    """Write a ticket or a run in another program's format.

    Args:
      source: a ticket, of which the masked initial weights are written; or a run, of which the
        final ones are.
      out: the file; for "csr" a folder.
      to: "state_dict", a plain PyTorch state_dict, pruned weights being 0;
        "prune", what `state_dict` gives of a module under `torch.nn.utils.prune`, which loads into
        one: `<name>_orig` (all weights, as they were before pruning, where it is a ticket) and
          `<name>_mask` of everything prunable;
        "csr", per weight matrix a file that `scipy.sparse.load_npz` opens, with an entry for every
        kept weight, those with more than two dimensions as (outputs, rest), and per bias a plain
        `.npy`; "onnx", a graph from `images` (n, inputs), in [0, 1], to `logits` (n, classes). Of
        a built-in network, and of most others, images are (n, channels, rows, columns).
      replace: whether what is there may be replaced.
      shape: of an image, for "onnx" of a module of one's own, such as (3, 32, 32).

    Returns:
      `out`.

    Raises:
      ParamsError: the format is not known, or needs a package that is not installed.
      TicketError, RunError: this one cannot be written in this format.
      OutputError: the place is taken or cannot be written.

    Example:
      >>> export_to(load_ticket("masks/l1-r0.80-n5-s1"), "ticket.pt", to="prune")
    """
    if to not in FORMATS:
        raise ParamsError(f"to: is {to!r}, expected one of {', '.join(FORMATS)}")
    out = Path(out)
    if shape is not None and to != "onnx":
        raise ParamsError(f"shape: is for onnx, and to is {to}; leave it out")
    content = FORMATS[to](source) if shape is None else _onnx(source, shape)
    if isinstance(content, Mapping):
        write_folder(out, content, replace=replace)
        return out
    if not replace and (out.exists() or out.is_symlink()):
        raise OutputError(
            f"{out}: exists already; choose another --out, or replace it with --force"
        )
    write_file(out, content)
    return out


def export(
    path: Path | str,
    out: Path | str,
    *,
    to: str = "state_dict",
    replace: bool = False,
    shape: Sequence[int] | None = None,
) -> int:
    """Write the ticket or the run in a folder in another program's format.

    Args:
      path: the folder of a ticket or a run.
      out, to, replace, shape: see `export_to`.

    Returns:
      How many kept weights are exactly 0 and cannot be told from pruned ones in this format.

    Raises:
      as `export_to`, and where the ticket or the run cannot be read.

    Example:
      >>> export("masks/l1-r0.80-n5-s1", "ticket.pt", to="prune")
      0
    """
    folder = Path(path)
    _check_there(folder)
    source = load_run(folder) if (folder / RUN_JSON).exists() else load_ticket(folder)
    export_to(source, out, to=to, replace=replace, shape=shape)
    return num_kept_zeros(source) if to == "state_dict" else 0


def _check_there(folder: Path) -> None:
    expected = "expected the folder of a ticket or of a run"
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        raise TicketError(
            f"{folder}: is missing; {expected}. Make tickets with `lthctl prune`"
        ) from None
    except OSError as error:
        raise TicketError(f"{folder}: {error.strerror}; {expected}") from None
    if TICKET_JSON not in names and RUN_JSON not in names:
        raise TicketError(f"{folder / TICKET_JSON}: is missing, and so is {RUN_JSON}; {expected}")


def num_kept_zeros(source: Ticket | Run) -> int:
    """How many weights are kept and yet exactly 0: formats without a mask cannot tell them from
    pruned ones."""
    if isinstance(source, Ticket):
        return sum(
            int(np.count_nonzero(source.weights[name][kept] == 0))
            for name, kept in source.mask.items()
        )
    weights = _weights(source)
    num_zeros = sum(
        int(np.count_nonzero(weights[name] == 0)) for name in _prunable(source, weights)
    )
    return num_zeros - source.proof.pruned


def _prunable(run: Run, weights: Weights) -> Shapes:
    """The parameters of a run that may be pruned: no buffers, and none that are frozen."""
    shapes = {name: array.shape for name, array in weights.items()}
    if isinstance(run.model, ModuleDescription):
        trained = run.model.shapes.keys() - set(run.model.frozen)
        shapes = {name: shape for name, shape in shapes.items() if name in trained}
    return prunable_among(shapes, biases=run.ticket.biases)


def _weights(source: Ticket | Run) -> dict[str, Array]:
    """The weights, pruned ones 0, in the model's order."""
    if isinstance(source, Ticket):
        weights: Weights = source.mask.apply(source.weights)
    elif source.weights is None:
        raise RunError(
            f"{source.ticket.name}: its final weights were not kept (retrain.keep_weights); "
            "retrain it"
        )
    else:
        weights = source.weights
    model = from_description(source.model)
    order = model.shapes() if model else sorted(weights)
    return {name: np.array(weights[name], order="C") for name in order}


def _mask(source: Ticket | Run) -> Mask:
    """The mask; of a run, what is not 0, if that are as many as its ticket kept."""
    if isinstance(source, Ticket):
        return source.mask
    weights = _weights(source)
    if count := num_kept_zeros(source):
        raise RunError(
            f"{source.ticket.name}: {count:,} of its kept weights are 0, so a run does not tell "
            "its mask; "
            "export it to state_dict, or its ticket"
        )
    return Mask({name: weights[name] != 0 for name in _prunable(source, weights)})


def _state_dict(source: Ticket | Run) -> bytes:
    return _saved(_weights(source))


def _prune(source: Ticket | Run) -> bytes:
    mask = _mask(source)
    parts: dict[str, Array] = {}
    for name, array in _weights(source).items():
        if name in mask:
            parts[f"{name}_orig"] = source.weights[name] if isinstance(source, Ticket) else array
            parts[f"{name}_mask"] = mask[name].astype(array.dtype)
        else:
            parts[name] = array
    return _saved(parts)


def _saved(arrays: Weights) -> bytes:
    import torch

    tensors: dict[str, Tensor] = {
        name: torch.from_numpy(np.array(array)) for name, array in arrays.items()
    }
    buffer = io.BytesIO()  # into a file, torch would write the file's name too
    torch.save(tensors, buffer)
    return buffer.getvalue()


def _csr(source: Ticket | Run) -> dict[str, bytes]:
    from scipy.sparse import csr_array, save_npz

    files = {}
    mask = source.mask if isinstance(source, Ticket) else None
    for name, array in _weights(source).items():
        buffer = io.BytesIO()
        if array.ndim < 2:
            np.save(buffer, array)
            files[f"{name}.npy"] = buffer.getvalue()
            continue
        matrix = array.reshape(len(array), -1)
        kept = (mask[name] if mask is not None and name in mask else array != 0).reshape(
            matrix.shape
        )
        rows, columns = np.nonzero(kept)
        # Built from positions and not from the matrix, which would drop kept weights that are 0.
        starts = np.concatenate([[0], np.cumsum(np.count_nonzero(kept, axis=1))]).astype(np.int32)
        sparse = csr_array(
            (matrix[rows, columns], columns.astype(np.int32), starts), shape=matrix.shape
        )
        save_npz(buffer, sparse, compressed=False)
        files[f"{name}.npz"] = buffer.getvalue()
    return files


def _onnx(source: Ticket | Run, shape: Sequence[int] | None = None) -> bytes:
    model = known_model(source.model, may_import=True)
    if not isinstance(model, MLP | ModuleModel):
        raise TicketError(
            f"{source.model.name!r} is a module that only you can build; load its state_dict into "
            "it and call torch.onnx.export"
        )
    specification = source.specification
    check_code(source.model.name, specification.sources, where=source.model.name)
    return onnx_bytes(model, _weights(source), shape)


FORMATS: Mapping[str, Callable[[Ticket | Run], bytes | dict[str, bytes]]] = {
    "state_dict": _state_dict,
    "prune": _prune,
    "csr": _csr,
    "onnx": _onnx,
}
