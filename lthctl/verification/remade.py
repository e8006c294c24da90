"""Tickets made again from what they say they are, and what that proves of their masks."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from lthctl.artifacts.names import REWIND_FILE, is_imported
from lthctl.artifacts.tensors import TENSORS_LIMIT
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, ParamsError, TicketError
from lthctl.families import is_own
from lthctl.lottery.find import prune_rounds
from lthctl.lottery.pruning_round import prune_once, ties_in_words
from lthctl.lottery.scores import SCORES, ScoreContext, needs_training
from lthctl.mask import Mask
from lthctl.params import RoundParams, TrainParams
from lthctl.reading import read_file
from lthctl.seeding import Stream
from lthctl.verification.checks import Failed, Unchecked, expect, short
from lthctl.verification.evidence import MISREAD, TicketEvidence
from lthctl.verification.replay import Replay

ANOTHER_MACHINE = "other versions of the engine, or another processor, agree to rounding only"


class Remade:
    """A ticket made again, and its mask after every round; once, when first needed.

    Args:
      folder: the ticket's.
      replay: trains again; None where that is not asked for.
      counted: whether the counts by which to select are right.
    """

    def __init__(self, folder: TicketEvidence, replay: Replay | None, counted: bool) -> None:
        self._folder, self._replay, self._counted = folder, replay, counted
        self._tied: list[Mapping[str, int]] = []

    @property
    def ticket(self) -> Ticket:
        """The whole ticket, where trainings are behind it."""
        if self._folder.document.train is None:
            raise Unchecked("no training is behind it")
        self._get_score()
        return self._trained[1]

    @property
    def scores_need_training(self) -> bool:
        """Whether the weights that were scored were trained."""
        return needs_training(self._folder.document.method)

    @cached_property
    def masks(self) -> list[Mask]:
        """The masks before the first round and after every one that could be made."""
        folder, document = self._folder, self._folder.document
        self._get_score()
        if self.scores_need_training:
            return self._trained[0]
        if not self._counted:
            raise Unchecked("the counts by which to select are wrong")
        init = folder.needed(lambda: folder.init)
        weights = folder.needed(lambda: folder.rewound or init)
        mask = Mask.full({name: weights[name].shape for name in document.rate})
        masks = [mask]
        for number in range(1, document.rounds + 1):
            context = ScoreContext(
                weights=mask.apply(weights),
                initial=mask.apply(init),
                mask=mask,
                seed=document.seed,
                stream=Stream(document.seed, "prune", number),
                get_model=folder.model,
                get_dataset=self._dataset,
            )
            pruned = prune_once(document, context, document.rate, number)
            mask = pruned.mask
            masks.append(mask)
            self._tied.append(pruned.tied)
        return masks

    @property
    def tied(self) -> Sequence[Mapping[str, int]]:
        """Of every round that was made: parameter -> weights that went by their position alone."""
        return self._trained[1].tied if self.scores_need_training else self._tied

    def _get_score(self) -> None:
        """Raises Unchecked where that is somebody's own code that may not be run."""
        document = self._folder.document
        method = document.method
        if is_imported(method):
            raise Unchecked("the mask was made elsewhere")
        if method != "dense" and SCORES.known(method) is None:
            if self._replay is None or not is_own(method):
                raise Unchecked(f"method {short(method)} is not known")
            try:
                SCORES.get(method)
            except ParamsError as error:
                raise Unchecked(str(error)) from error

    @cached_property
    def _trained(self) -> tuple[list[Mask], Ticket]:
        if self._replay is None:
            what = "its scores come" if self.scores_need_training else "it comes"
            raise Unchecked(f"{what} from trained weights: --replay trains again")
        return self._train(self._folder, self._replay)

    def _dataset(self) -> Dataset:
        if self._replay is None:
            raise Unchecked("its scores look at the data: --replay reads them")
        document = self._folder.document
        return self._replay.dataset(document.data, document.seed)

    def _train(self, folder: TicketEvidence, replay: Replay) -> tuple[list[Mask], Ticket]:
        document = folder.document
        if document.train is None:
            raise Unchecked("it does not say how it was trained")
        model = folder.model()
        dataset = replay.dataset(document.data, document.seed)
        params = replay.params(_of_a_retraining(document.train), model)
        rounds = prune_rounds(model, dataset, document.specification, params)
        masks: list[Mask] = []
        try:
            training = next(rounds)
            while True:
                what = f"{folder.path}, to the step that it rewinds to,"
                if training.last_step is None:
                    masks.append(training.mask)
                    what = f"{folder.path}, round {len(masks)} of {document.rounds},"
                training = rounds.send(replay.train(training, what))
        except StopIteration as done:
            ticket: Ticket = done.value
        return [*masks, ticket.mask], ticket


def _of_a_retraining(train: RoundParams) -> TrainParams:
    """The same with evaluations, which change nothing of a ticket."""
    return TrainParams(**dict(train))


def expect_counts(folder: TicketEvidence) -> str:
    """The mask has the counts of the last round."""
    mask, counts = folder.needed(lambda: folder.mask), folder.document.counts
    for name, array in mask.items():
        stated = counts[-1].layers[name].kept if counts else array.size
        expect(f"weights kept in {name!r}", int(np.count_nonzero(array)), stated)
    return f"{mask.num_kept:,} weights kept"


def nested(folder: TicketEvidence, peers: Sequence[TicketEvidence], remade: Remade) -> str:
    """Each round's mask is nested in the one before.

    That is shown by the masks made again; else by another ticket that is this one after fewer
    rounds. Counts alone prove nothing but the contrary.
    """
    mask, rounds = folder.needed(lambda: folder.mask), folder.document.rounds
    if rounds <= 1:
        return "its parent is the dense network"
    for name in mask:
        kept = [after.layers[name].kept for after in folder.document.counts]
        if any(later > earlier for earlier, later in pairwise(kept)):
            raise Failed(
                f"{name!r} keeps {short(kept)} weights round by round, expected never more than "
                "before"
            )
    try:
        masks = remade.masks
    except Unchecked as why:
        parent = _parent(folder, peers)
        if parent is None:
            raise Unchecked(
                f"counts never grow; its parent, the mask after round {rounds - 1}, is in no "
                f"ticket here; {why}"
            ) from why
        _expect_nested(mask, parent.mask, str(parent.path))
        earlier = parent.document.rounds
        return f"in {parent.path}, which is this ticket after {earlier} of {rounds} rounds"
    for number, (before, after) in enumerate(
        zip(masks, [*masks[1:-1], mask], strict=False), start=1
    ):
        _expect_nested(after, before, f"the mask before round {number}")
    return f"in all {rounds} rounds, made again"


Round = tuple[str | None, dict[str, int]]


def _parent(folder: TicketEvidence, peers: Sequence[TicketEvidence]) -> TicketEvidence | None:
    """Another ticket whose rounds are the first of this one's.

    It has the same model, data and initial weights, and in every round the same trained weights
    scored (by their digest) and the same counts kept. Then its mask is this one's after those
    rounds. Of several, the one with the most rounds.
    """

    def rounds(ticket: TicketEvidence) -> list[Round]:
        kept = [
            (after.trained, {name: layer.kept for name, layer in after.layers.items()})
            for after in ticket.document.counts
        ]
        return [] if any(trained is None for trained, _ in kept) else kept

    def shared(ticket: TicketEvidence) -> object:
        said = ticket.document
        start = said.files.init, said.files.rewind
        return said.method, said.seed, said.biases, said.model, said.data, start

    own = rounds(folder)
    parents: list[TicketEvidence] = []
    for peer in peers:
        try:
            theirs = rounds(peer)
            if (
                0 < len(theirs) < len(own)
                and theirs == own[: len(theirs)]
                and shared(peer) == shared(folder)
            ):
                parents.append(peer.again())
                expect_counts(parents[-1])
        except (LthctlError, Failed, Unchecked, *MISREAD):
            continue
    return max(parents, key=lambda peer: len(peer.document.counts), default=None)


def _expect_nested(mask: Mask, parent: Mask, where: str) -> None:
    parent.check_fits({name: array.shape for name, array in mask.items()}, where=where)
    if not mask.is_nested_in(parent):
        count = sum(int(np.count_nonzero(mask[name] & ~parent[name])) for name in mask)
        raise Failed(f"keeps {count:,} weights that {where} has pruned")


def selected(folder: TicketEvidence, remade: Remade) -> str:
    """The mask is what its scores select."""
    mask = folder.needed(lambda: folder.mask)
    expected = remade.masks[-1]
    if mask != expected:
        count = sum(
            int(np.count_nonzero(mask[name] != expected[name])) for name in expected if name in mask
        )
        raise Failed(
            f"differs from the mask made again in {count:,} of {expected.size:,} places; "
            f"{ANOTHER_MACHINE}"
        )
    if folder.document.rounds == 0:
        return "all kept"
    score = SCORES.get(folder.document.method)
    how = {"trained": "trained", "initial": "scored", "nothing": "drawn"}[score.needs] + " again"
    tied = "; ".join(
        f"equal scores in round {number}, so position decided: {ties_in_words(found)}"
        for number, found in enumerate(remade.tied, start=1)
        if found
    )
    return f"{how}, bit for bit" + (f"; {tied}" if tied else "")


def rewound(folder: TicketEvidence, remade: Remade) -> str:
    """The weights to rewind to are those of the dense network after as many steps."""
    weights = folder.needed(lambda: folder.weights_of(REWIND_FILE))
    again = remade.ticket.rewound
    if again is None or digest_of_arrays(again) != digest_of_arrays(weights):
        raise Failed(f"{REWIND_FILE} differs from the weights trained again; {ANOTHER_MACHINE}")
    return f"step {folder.document.rewind_step:,}, trained again, bit for bit"


def same_ticket(folder: TicketEvidence, remade: Remade) -> str:
    """Made again, the ticket has the same bytes."""
    if folder.document.train is None:
        raise Unchecked("no training is behind it")
    files = remade.ticket.files()
    differing = [
        name
        for name, content in files.items()
        if content != read_file(folder.path / name, TicketError, limit=TENSORS_LIMIT)
    ]
    if differing:
        raise Failed(f"{', '.join(sorted(differing))} differ; {ANOTHER_MACHINE}")
    return f"{', '.join(sorted(files))}: {sum(map(len, files.values())):,} bytes"
