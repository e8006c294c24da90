"""The ticket in a folder of another program: the mask of its last round, and what it is rewound to.

Knows what a layout's files mean together; not how a mask becomes a ticket.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.alignment import matched, shapes_of
from lthctl.interop.entries import Entry
from lthctl.interop.layouts import FoundFiles, find_files
from lthctl.interop.network_file import NetworkFile, read_network

Entries = dict[str, Entry]


@dataclass(frozen=True)
class FolderTicket:
    """Tensors of a ticket under one set of names.

    Attributes:
      mask_path: the file of the mask.
      masks: parameter name -> bools.
      init_path: the file of the weights to rewind to; None where the folder has none.
      weights: parameter name -> those weights; empty where the folder has none.
    """

    mask_path: Path
    masks: Entries
    init_path: Path | None
    weights: Entries


def find_ticket_in(
    folder: Path, layout: str | None, announce: Callable[[str], None]
) -> FolderTicket:
    """The ticket of the last round in a folder.

    Args:
      folder: a run of another program.
      layout: as for `find_files`.
      announce: called with a sentence on which files were taken.

    Raises:
      CheckpointError: there is no mask, or files do not fit each other.
      ParamsError: there is no such layout.
    """
    files = find_files(folder, layout)
    paths = [found.mask or found.trained for found in files.rounds]
    path = next((path for path in reversed(paths) if path is not None), None)
    if path is None:
        raise CheckpointError(f"{folder}: has no mask")
    network = read_network(path, key=files.key)
    init = _rewound_to(files, network)
    if init is not None:
        network = matched(network, shapes_of(init))
    masks = network.masks or {
        name: array != 0 for name, array in network.weights.items() if array.ndim >= 2
    }
    announce(f"the mask is that of {path}")
    return FolderTicket(
        path,
        {name: Entry("?", array.shape, array.copy) for name, array in masks.items()},
        None if init is None else init.path,
        {}
        if init is None
        else {n: Entry("<f8", a.shape, a.copy) for n, a in init.weights.items() if a.ndim},
    )


def _rewound_to(files: FoundFiles, network: NetworkFile) -> NetworkFile | None:
    """The initial weights that the last round starts from; else what it really starts from."""
    inits = [read_network(path, key=files.key) for path in files.inits]
    started = files.rounds[-1].start
    if started is None:
        if len(inits) > 1:
            names = ", ".join(init.path.name for init in inits)
            raise CheckpointError(
                f"{files.path}: does not say which of {names} the ticket is rewound to; give it "
                "with --init"
            )
        return inits[0] if inits else None
    start = read_network(started, key=files.key)
    for init in inits:
        aligned = matched(network, shapes_of(init))
        other = matched(start, shapes_of(init))
        if all(
            np.array_equal(array[kept], other.weights[name][kept])
            for name, array in init.weights.items()
            if name in other.weights
            for kept in [aligned.masks.get(name, np.ones(array.shape, np.bool_))]
        ):
            return init
    return start
