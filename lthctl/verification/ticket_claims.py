"""Claims about tickets."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from lthctl.artifacts.names import INIT_FILE, MASK_FILE, TICKET_JSON, is_imported, ticket_name
from lthctl.artifacts.tensors import TENSORS_LIMIT
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset
from lthctl.errors import LthctlError, ParamsError, TicketError
from lthctl.families import is_own
from lthctl.lottery.find import prune_rounds
from lthctl.lottery.rates import rates_of
from lthctl.lottery.scores import SCORES, ScoreContext, scored_by
from lthctl.lottery.select import select
from lthctl.mask import Mask
from lthctl.params import TrainParams
from lthctl.reading import read_file
from lthctl.seeding import Stream
from lthctl.verification.evidence import (
    Check,
    Failed,
    Replay,
    TicketFolder,
    Unchecked,
    expect,
    expect_numbers,
    is_readable,
    short,
)

ANOTHER_MACHINE = "other versions of the engine, or another processor, agree to rounding only"


def ticket_claims(
    folder: TicketFolder, peers: Sequence[TicketFolder], replay: Replay | None
) -> list[Check]:
    folder.claim(f"{TICKET_JSON} matches its own digest", folder.seal)
    for name in (MASK_FILE, INIT_FILE):
        folder.claim(f"{name} matches the digest in {TICKET_JSON}", folder.intact(name))
    if not is_readable(folder):
        return folder.checks
    folder.claim(
        "a ticket's entries are whole and agree with its name", lambda: _ticket_entries(folder)
    )
    folder.claim("the mask covers the prunable weights", lambda: _mask_fits(folder))
    folder.claim(
        "the initial weights are the model's draw from the seed", lambda: _init_drawn(folder)
    )
    folder.claim("rates follow from ratio and rounds", lambda: _rates_follow(folder))
    counted = folder.claim(
        "counts follow from the rates, per layer and round", lambda: _counts_follow(folder)
    )
    folder.claim("the mask has the counts of the last round", lambda: _mask_counts(folder))
    made_again = _MadeAgain(folder, replay, counted)
    folder.claim(
        "each round's mask is nested in the one before", lambda: _nested(folder, peers, made_again)
    )
    folder.claim("the mask is what its scores select", lambda: _selected(folder, made_again))
    if replay is not None:
        folder.claim(
            "made again, the ticket has the same bytes", lambda: _same_ticket(folder, made_again)
        )
    return folder.checks


def _ticket_entries(folder: TicketFolder) -> str:
    document = folder.document
    kinds = {
        "name": str,
        "method": str,
        "rounds": int,
        "seed": int,
        "biases": bool,
        "model": dict,
        "data": dict,
        "train": dict,
        "rate": dict,
        "sparsity": list,
        "files": dict,
    }
    for key, kind in kinds.items():
        if type(document[key]) is not kind:
            raise Failed(
                f"{key} is of type {type(document[key]).__name__}, expected {kind.__name__}"
            )
    method, ratio, rounds = document["method"], document["ratio"], document["rounds"]
    score = SCORES.known(method)
    is_other = method == "dense" or is_imported(method)
    if score is None and not is_other and not is_own(method):
        raise Failed(f"method is {method!r}, which this lthctl does not know")
    if (
        not 0 <= ratio < 1
        or rounds < 0
        or (method == "dense") != (rounds == 0)
        or (method == "dense" and ratio)
    ):
        raise Failed(f"method {method!r}, ratio {ratio} and {rounds} rounds do not go together")
    needs_training = score.needs_training if score else not is_other and bool(document["train"])
    if bool(document["train"]) != needs_training:
        raise Failed(
            f"train has {len(document['train'])} entries, which is not what {method!r} needs"
        )
    TrainParams.model_validate(document["train"])
    expect("name", document["name"], ticket_name(method, ratio, rounds, document["seed"]))
    return f"{document['name']}, digest {str(document.get('digest'))[:12]}..."


def _mask_fits(folder: TicketFolder) -> str:
    mask, init = folder.needed(lambda: folder.mask), folder.needed(lambda: folder.init)
    try:
        shapes = folder.model().prunable(biases=folder.document["biases"])
    except Unchecked:  # of a module that is not here: then what the ticket itself says is prunable
        shapes = {name: init[name].shape for name in folder.document["rate"]}
    mask.check_fits(shapes, where=MASK_FILE)
    return f"{len(mask)} parameters, {mask.num_kept:,} of {mask.size:,} weights kept"


def _init_drawn(folder: TicketFolder) -> str:
    model, init = folder.model(), folder.init
    drawn = model.draw(Stream(folder.document["seed"], "init"))
    if digest_of_arrays(drawn) == digest_of_arrays(init):
        return f"{sum(array.size for array in drawn.values()):,} weights, bit for bit"
    if is_imported(folder.document["method"]):
        raise Unchecked("they were imported with the mask, and not drawn")
    differing = sorted(
        name for name in drawn if name not in init or drawn[name].tobytes() != init[name].tobytes()
    )
    raise Failed(
        f"{', '.join(differing) or 'parameters'} differ from the draw of seed "
        f"{folder.document['seed']}"
    )


def _rates_follow(folder: TicketFolder) -> str:
    document = folder.document
    if is_imported(document["method"]):
        raise Unchecked("the mask was made elsewhere; its rates are what it has")
    model = folder.model()
    expected = rates_of(
        model, model.prunable(biases=document["biases"]), document["ratio"], document["rounds"]
    )
    expect_numbers("rate", document["rate"], expected)
    return (
        f"{max(expected.values()):.4g} per round, {min(expected.values()):.4g} in the output layer"
    )


def _counts_follow(folder: TicketFolder) -> str:
    """The rule of `pruning.select`, from sizes and rates alone: round(rate * remaining) go, every
    round."""
    document = folder.document
    rate, sparsity = document["rate"], document["sparsity"]
    expect("the number of rounds in `sparsity`", len(sparsity), document["rounds"])
    sizes = {name: array.size for name, array in folder.needed(lambda: folder.mask).items()}
    expect("the parameters in `rate`", sorted(rate), sorted(sizes))
    method, steps = document["method"], document["train"].get("steps", 0)
    remaining = dict(sizes)
    for number, after in enumerate(sparsity, start=1):
        remaining = {name: left - round(rate[name] * left) for name, left in remaining.items()}
        expect("round", after["round"], number)
        expect(f"steps before round {number}", after["steps"], steps // document["rounds"])
        if document["train"] and not isinstance(after["trained"], str):
            raise Failed(f"round {number} does not say which weights were scored")
        expect(f"the parameters of round {number}", sorted(after["layers"]), sorted(sizes))
        for name, layer in after["layers"].items():
            expect(f"{name!r} after round {number}: size", layer["size"], sizes[name])
            expect(f"{name!r} after round {number}: kept", layer["kept"], remaining[name])
            expected = {
                "desired": 1 - (1 - rate[name]) ** number,
                "actual": 1 - remaining[name] / sizes[name],
            }
            expect_numbers(
                f"{name!r} after round {number}", {key: layer[key] for key in expected}, expected
            )
        size, kept = sum(sizes.values()), sum(remaining.values())
        desired = (
            document["ratio"] if is_imported(method) else 1 - (1 - max(rate.values())) ** number
        )
        totals = {"desired": desired, "actual": (size - kept) / size}
        expect_numbers(f"all after round {number}", {key: after[key] for key in totals}, totals)
    if not sparsity:
        return "dense: nothing is pruned"
    reached = ", ".join(f"{100 * after['actual']:.2f}" for after in sparsity)
    return f"{reached} % pruned"


def _mask_counts(folder: TicketFolder) -> str:
    mask, sparsity = folder.needed(lambda: folder.mask), folder.document["sparsity"]
    layers = (
        sparsity[-1]["layers"]
        if sparsity
        else {name: {"kept": array.size} for name, array in mask.items()}
    )
    for name, array in mask.items():
        expect(f"weights kept in {name!r}", int(np.count_nonzero(array)), layers[name]["kept"])
    return f"{mask.num_kept:,} weights kept"


class _MadeAgain:
    """A ticket made again from what it says it is, and its mask after every round; once, when first
    needed."""

    def __init__(self, folder: TicketFolder, replay: Replay | None, counted: bool) -> None:
        self._folder, self._replay, self._counted = folder, replay, counted

    @cached_property
    def masks(self) -> list[Mask]:
        """The masks before the first round and after every one that could be made."""
        return self._outcome[0]

    @property
    def ticket(self) -> Ticket:
        ticket = self._outcome[1]
        assert ticket is not None
        return ticket

    @cached_property
    def _outcome(self) -> tuple[list[Mask], Ticket | None]:
        folder, document = self._folder, self._folder.document
        method = document["method"]
        if is_imported(method):
            raise Unchecked("the mask was made elsewhere")
        if method != "dense" and SCORES.known(method) is None:
            if self._replay is None or not is_own(method):
                raise Unchecked(f"method {short(method)} is not known")
            try:
                SCORES.get(method)
            except ParamsError as error:
                raise Unchecked(str(error)) from error
        if document["train"]:
            if self._replay is None:
                raise Unchecked("its scores come from trained weights: --replay trains again")
            return self._train(folder, self._replay)
        if not self._counted:
            raise Unchecked("the counts by which to select are wrong")
        init = folder.needed(lambda: folder.init)
        mask = Mask.full({name: init[name].shape for name in document["rate"]})
        masks = [mask]
        for number in range(1, document["rounds"] + 1):
            context = ScoreContext(
                weights=mask.apply(init),
                mask=mask,
                seed=document["seed"],
                stream=Stream(document["seed"], "prune", number),
                get_model=folder.model,
                get_dataset=self._dataset,
            )
            mask = select(scored_by(method, context), mask, rate=document["rate"])
            masks.append(mask)
        return masks, None

    def _dataset(self) -> Dataset:
        if self._replay is None:
            raise Unchecked("its scores look at the data: --replay reads them")
        document = self._folder.document
        return self._replay.dataset(document, document["seed"])

    def _train(self, folder: TicketFolder, replay: Replay) -> tuple[list[Mask], Ticket]:
        document = folder.document
        model = folder.model()
        dataset = replay.dataset(document, document["seed"])
        params = replay.params(document, model)
        rounds = prune_rounds(model, dataset, folder.ticket.request(), params)
        masks: list[Mask] = []
        try:
            training = next(rounds)
            while True:
                masks.append(training.mask)
                what = f"{folder.path}, round {len(masks)} of {document['rounds']},"
                training = rounds.send(replay.train(training, what))
        except StopIteration as done:
            ticket: Ticket = done.value
        return [*masks, ticket.mask], ticket


def _nested(folder: TicketFolder, peers: Sequence[TicketFolder], made_again: _MadeAgain) -> str:
    """By the masks made again; else by another ticket that is this one after fewer rounds; counts
    alone prove nothing but the contrary."""
    mask, rounds = folder.needed(lambda: folder.mask), folder.document["rounds"]
    if rounds <= 1:
        return "its parent is the dense network"
    for name in mask:
        kept = [after["layers"][name]["kept"] for after in folder.document["sparsity"]]
        if any(later > earlier for earlier, later in pairwise(kept)):
            raise Failed(
                f"{name!r} keeps {short(kept)} weights round by round, expected never more than "
                "before"
            )
    try:
        masks = made_again.masks
    except Unchecked as why:
        parent = _parent(folder, peers)
        if parent is None:
            raise Unchecked(
                f"counts never grow; its parent, the mask after round {rounds - 1}, is in no "
                f"ticket here; {why}"
            ) from why
        _expect_nested(mask, parent.mask, str(parent.path))
        earlier = parent.document["rounds"]
        return f"in {parent.path}, which is this ticket after {earlier} of {rounds} rounds"
    for number, (before, after) in enumerate(
        zip(masks, [*masks[1:-1], mask], strict=False), start=1
    ):
        _expect_nested(after, before, f"the mask before round {number}")
    return f"in all {rounds} rounds, made again"


def _parent(folder: TicketFolder, peers: Sequence[TicketFolder]) -> TicketFolder | None:
    """Another ticket whose rounds are the first of this one's: the same model, data and initial
    weights, in every round the same trained weights scored (by their digest) and the same counts
    kept. Then its mask is this one's after those rounds. Of several, the one with the most
    rounds."""

    def rounds(of: TicketFolder) -> list[Any]:
        kept = [
            [after["trained"], {name: layer["kept"] for name, layer in after["layers"].items()}]
            for after in of.document["sparsity"]
        ]
        return kept if all(isinstance(trained, str) for trained, _ in kept) else []

    def shared(of: TicketFolder) -> object:
        return [
            of.document[key] for key in ("method", "seed", "biases", "model", "data")
        ], of.document["files"][INIT_FILE]

    own = rounds(folder)
    found: list[TicketFolder] = []
    for peer in peers:
        try:
            theirs = rounds(peer)
            if (
                0 < len(theirs) < len(own)
                and theirs == own[: len(theirs)]
                and shared(peer) == shared(folder)
            ):
                found.append(peer.again())
                _mask_counts(found[-1])
        except (LthctlError, Failed, Unchecked, KeyError, TypeError, ValueError, AttributeError):
            continue
    return max(found, key=lambda peer: len(peer.document["sparsity"]), default=None)


def _expect_nested(mask: Mask, parent: Mask, where: str) -> None:
    parent.check_fits({name: array.shape for name, array in mask.items()}, where=where)
    if not mask.is_nested_in(parent):
        count = sum(int(np.count_nonzero(mask[name] & ~parent[name])) for name in mask)
        raise Failed(f"keeps {count:,} weights that {where} has pruned")


def _selected(folder: TicketFolder, made_again: _MadeAgain) -> str:
    mask = folder.needed(lambda: folder.mask)
    expected = made_again.masks[-1]
    if mask != expected:
        count = sum(
            int(np.count_nonzero(mask[name] != expected[name])) for name in expected if name in mask
        )
        raise Failed(
            f"differs from the mask made again in {count:,} of {expected.size:,} places; "
            f"{ANOTHER_MACHINE}"
        )
    how = "trained again" if folder.document["train"] else "drawn again"
    return "all kept" if folder.document["rounds"] == 0 else f"{how}, bit for bit"


def _same_ticket(folder: TicketFolder, made_again: _MadeAgain) -> str:
    if not folder.document["train"]:
        raise Unchecked("no training is behind it")
    files = made_again.ticket.files()
    differing = [
        name
        for name, content in files.items()
        if content != read_file(folder.path / name, TicketError, limit=TENSORS_LIMIT)
    ]
    if differing:
        raise Failed(f"{', '.join(sorted(differing))} differ; {ANOTHER_MACHINE}")
    return f"{', '.join(sorted(files))}: {sum(map(len, files.values())):,} bytes"
