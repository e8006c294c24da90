"""Which runs are joined: two that were named, or all copies of a run that differ in their order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from lthctl.artifacts.connection_document import End
from lthctl.artifacts.connection_folder import end_of
from lthctl.artifacts.folders import RunFolder
from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run_document import RunDocument
from lthctl.errors import ParamsError, RunError
from lthctl.mask import Mask, Weights
from lthctl.models.base import Model
from lthctl.reading import find_folders, is_there


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs that may be joined: of one model, on the same data.

    Attributes:
      a, b: their folders, of which the documents were read.
    """

    a: RunFolder
    b: RunFolder

    @property
    def document(self) -> RunDocument:
        """Of the first."""
        return self.a.document

    def ends(self) -> tuple[End, End]:
        """What a connection says of both."""
        return end_of(self.a), end_of(self.b)

    def weights(self) -> tuple[Weights, Weights]:
        """Final weights of both.

        Raises:
          RunError: they were not kept, or are damaged.
        """
        return _weights(self.a), _weights(self.b)

    def mask(self, model: Model, ends: tuple[Weights, Weights]) -> Mask:
        """The mask of both: everything that is not 0 in either.

        A run does not hold its mask, but its proof counts the weights that were pruned. Where both
        pruned as many, and so many are 0 in both, the line leaves no mask of that size.

        Raises:
          RunError: it does not fit, so their masks differ.
        """
        a, b = ends
        names = model.prunable(biases=self.document.ticket.biases)
        pruned, other = self.a.document.proof.pruned, self.b.document.proof.pruned
        together = Mask({name: (a[name] != 0) | (b[name] != 0) for name in names})
        in_both = together.size - together.num_kept
        if pruned != other or in_both < pruned:
            raise RunError(
                f"{self.a.path} and {self.b.path}: have different masks (they prune {pruned:,} and "
                f"{other:,} weights, {in_both:,} are 0 in both), expected the same mask; join two "
                "runs of one ticket"
            )
        # Like in training, where nothing was pruned: a weight may be 0 by itself.
        return together if self.document.proof.pruned else Mask.full(names)


def pairs_of(paths: Sequence[Path]) -> list[Pair]:
    """The pairs of runs at or below some paths.

    Two runs are a pair whatever they are. Of more, every two are a pair that differ in the order of
    their batches and in nothing else that was asked for.

    Raises:
      ParamsError: there is no pair; or the two are the same run.
      RunError: a run is damaged, or the two are of other models or data.
    """
    for path in paths:
        if not is_there(path, RunError):
            raise RunError(
                f"{path}: does not exist; expected a run, or a folder with runs below it"
            )
    found = find_folders(paths, RUN_JSON).all_of_them(RunError)
    runs = [RunFolder(folder) for folder in found]
    if len(paths) == 2 and all((path / RUN_JSON).is_file() for path in paths):
        if len(runs) == 1 or runs[0].digest == runs[1].digest:
            raise ParamsError(
                f"{paths[0]} and {paths[1]}: are the same run; a second copy with another order of "
                "the batches comes from lthctl retrain --order-seed"
            )
        # In the order in which they were named.
        pair = Pair(RunFolder(paths[0]), RunFolder(paths[1]))
        _check(pair)
        return [pair]
    pairs = _copies(runs)
    for pair in pairs:
        _check_weights(pair)
    if not pairs:
        number = f"{len(runs)} run{'s' * (len(runs) != 1)}"
        raise ParamsError(
            f"{', '.join(map(str, paths))}: {number}, no two of which differ in the order of their "
            "batches alone; make second copies: lthctl retrain masks --order-seed 1001"
        )
    return pairs


def _copies(runs: Sequence[RunFolder]) -> list[Pair]:
    alike: dict[str, dict[int, RunFolder]] = {}
    for run in runs:
        asked = run.document.specification.model_copy(update={"order_seed": None}).to_json()
        key = json.dumps(asked, sort_keys=True)
        # The same run in two places counts once.
        order_seed = run.document.order_seed
        alike.setdefault(key, {}).setdefault(-1 if order_seed is None else order_seed, run)
    return [
        Pair(copies[a], copies[b])
        for copies in alike.values()
        for a, b in combinations(sorted(copies), 2)
    ]


def _check(pair: Pair) -> None:
    a, b = pair.a.document, pair.b.document
    for what, of_a, of_b in (
        ("models", a.model.name, b.model.name),
        ("models", a.model.to_json(), b.model.to_json()),
        ("data", a.data.digest[:12], b.data.digest[:12]),
    ):
        if of_a != of_b:
            raise RunError(
                f"{pair.a.path} and {pair.b.path}: are of different {what} ({of_a} and {of_b}), "
                "expected the same; join two runs of one ticket"
            )
    _check_weights(pair)


def _check_weights(pair: Pair) -> None:
    for folder in (pair.a, pair.b):
        if folder.document.files.weights is None:
            raise RunError(
                f"{folder.path}: has no final weights, as it was made with retrain.keep_weights: "
                "false; set that to true in params.yaml, remove this folder, and retrain: what the "
                "store knows is not trained again"
            )


def _weights(folder: RunFolder) -> Weights:
    weights = folder.weights
    if weights is None:  # `pairs_of` has refused it
        raise RunError(f"{folder.path}: has no final weights")
    return weights
