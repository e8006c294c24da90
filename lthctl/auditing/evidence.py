"""What an audit has in hand: initial weights, and round by round a mask and weights.

Knows which file stands for what; not what is claimed of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.alignment import matched, shapes_of
from lthctl.interop.layouts import FoundFiles, FoundRound
from lthctl.interop.network_file import Floats, NetworkFile, read_network
from lthctl.mask import Bools

Masks = dict[str, Bools]


@dataclass(frozen=True)
class Round:
    """A training of a network under a mask.

    Attributes:
      name: what it is called in messages, such as "round 2".
      mask: which weights it kept, where a file tells; the weights that have no mask are left out.
      start: what it started from.
      trained: what it ended in.
      beside: weights in the file of the mask, of which no more is known.
    """

    name: str
    mask: Masks | None = None
    start: NetworkFile | None = None
    trained: NetworkFile | None = None
    beside: NetworkFile | None = None


@dataclass(frozen=True)
class Step:
    """A mask and the one before it.

    Attributes:
      name: of the round that the mask is of.
      before: the mask before; all ones where the files have none.
      after: the mask.
      is_first: whether the mask before is only assumed.
    """

    name: str
    before: Masks
    after: Masks
    is_first: bool

    @property
    def pruned(self) -> Masks:
        """What the step pruned."""
        return {name: self.before[name] & ~array for name, array in self.after.items()}

    def counts(self) -> dict[str, tuple[int, int]]:
        """Per parameter: how many weights went, of how many."""
        left = {name: int(array.sum()) for name, array in self.before.items()}
        return {name: (left[name] - int(a.sum()), left[name]) for name, a in self.after.items()}


@dataclass(frozen=True)
class Evidence:
    """All files of an audit, under one set of names.

    Attributes:
      path: the file or folder that findings are told of.
      inits: weights that the ticket may be rewound to; the first is the one that was named.
      rounds: in order; the last is the ticket's.
      rate: the fraction of the weights left that a round was to prune, in (0, 1), if known.
      ratio: the sparsity that was asked for, in [0, 1), if known.
    """

    path: Path
    inits: tuple[NetworkFile, ...]
    rounds: tuple[Round, ...]
    rate: float | None = None
    ratio: float | None = None

    @property
    def ticket(self) -> Round:
        """The last round."""
        return self.rounds[-1]

    def steps(self) -> list[Step]:
        """Each mask with the one before it."""
        steps: list[Step] = []
        before: Masks | None = None
        for round_ in self.rounds:
            if round_.mask is None:
                continue
            if before is not None and _equal(before, round_.mask):
                continue
            first = before is None
            if before is None:
                before = {n: np.ones_like(array) for n, array in round_.mask.items()}
                if _equal(before, round_.mask):
                    continue
            steps.append(Step(round_.name, before, round_.mask, first))
            before = round_.mask
        return steps

    def weights(self) -> Iterator[tuple[str, NetworkFile]]:
        """All weights by what they are: trained ones from the last round back, then the rest."""
        for round_ in reversed(self.rounds):
            if round_.trained is not None:
                yield f"trained in {round_.name}", round_.trained
        for init in self.inits:
            yield "initial", init
        for round_ in reversed(self.rounds):
            if round_.start is not None:
                yield f"at the start of {round_.name}", round_.start
            if round_.beside is not None:
                yield f"beside the mask of {round_.name}", round_.beside


def _equal(a: Masks, b: Masks) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def gather(files: FoundFiles) -> Evidence:
    """The evidence in some files.

    Raises:
      CheckpointError: a file cannot be read, or is of another network.
    """
    read: dict[Path, NetworkFile] = {}

    def network(path: Path | None) -> NetworkFile | None:
        if path is not None and path not in read:
            read[path] = _finite(read_network(path, key=files.key))
        return None if path is None else read[path]

    for path in [*files.inits, *(p for found in files.rounds for p in found.paths)]:
        network(path)
    reference = _reference(files.path, list(read.values()))
    for path, unmatched in read.items():
        read[path] = matched(unmatched, reference)
    inits = tuple(read[path] for path in files.inits)
    rounds = tuple(
        _round(found, inits, network(found.mask), network(found.start), network(found.trained))
        for found in files.rounds
    )
    return Evidence(files.path, inits, rounds, files.rate, files.ratio)


def _round(
    found: FoundRound,
    inits: Sequence[NetworkFile],
    masked: NetworkFile | None,
    start: NetworkFile | None,
    trained: NetworkFile | None,
) -> Round:
    mask = _mask_of(masked or trained, required=masked is not None)
    if trained is not None and not trained.weights:
        trained = None
    beside = None
    if masked is not None and masked.weights and masked.path != found.trained:
        beside = masked
    if start is None and beside is not None and _is_rewound(beside, mask, inits):
        start, beside = beside, None
    is_lone = start is None and found.mask is None
    if is_lone and trained is not None and _is_rewound(trained, mask, inits):
        start, trained = trained, None  # it is what the round began with
    return Round(found.name, mask, start, trained, beside)


def _is_rewound(network: NetworkFile, mask: Masks | None, inits: Sequence[NetworkFile]) -> bool:
    """Whether a file holds dense initial weights where a mask keeps them."""
    return mask is not None and any(
        all(
            name in init.weights
            and name in network.weights
            and (init.weights[name] != 0).all()
            and np.array_equal(network.weights[name][kept], init.weights[name][kept])
            for name, kept in mask.items()
        )
        for init in inits
    )


def _reference(path: Path, networks: Sequence[NetworkFile]) -> dict[str, tuple[int, ...]]:
    """The names and shapes that all are brought to: those of the first file with weights."""
    for network in networks:
        if network.weights:
            return {
                name: shape for name, shape in shapes_of(network).items() if name in network.weights
            }
    if not networks:
        raise CheckpointError(f"{path}: there are no files of masks or weights to audit")
    return shapes_of(networks[0])


def _mask_of(network: NetworkFile | None, *, required: bool) -> Masks | None:
    """The masks of a file; without any, what is exactly 0 in its matrices is pruned."""
    if network is None:
        return None
    if network.masks:
        return dict(network.masks)
    matrices = {name: array for name, array in network.weights.items() if is_matrix(array)}
    has_zeros = any((array == 0).any() for array in matrices.values())
    if not required and not has_zeros:
        return None
    return {name: array != 0 for name, array in matrices.items()}


def is_matrix(array: Floats) -> bool:
    """Whether an array is of weights between units, and no bias, scale or counter."""
    return array.ndim >= 2


def _finite(network: NetworkFile) -> NetworkFile:
    """The file as it is.

    Raises:
      CheckpointError: a weight is not finite, of which nothing can be claimed.
    """
    for name, array in network.weights.items():
        if not np.isfinite(array).all():
            raise CheckpointError(
                f"{network.path}: {name!r} holds values that are not finite, so training had "
                "diverged; give weights from before that"
            )
    return network
