"""Claims about tickets."""

import math
from collections.abc import Mapping, Sequence

from lthctl.artifacts.names import INIT_FILE, MASK_FILE, REWIND_FILE, TICKET_JSON, is_imported
from lthctl.artifacts.ticket_document import RoundCounts, TicketDocument
from lthctl.canonical import digest_of_arrays
from lthctl.errors import ParamsError
from lthctl.families import is_own
from lthctl.lottery.rates import (
    desired_after,
    desired_of_layers,
    kept_by_density,
    rates_of,
    steps_of_round,
    total_after,
    total_ratio,
)
from lthctl.lottery.scores import SCORES
from lthctl.mask import Shapes
from lthctl.seeding import Stream
from lthctl.verification.checks import Check, Failed, Unchecked, expect, expect_numbers
from lthctl.verification.evidence import TicketEvidence
from lthctl.verification.remade import Remade, expect_counts, nested, rewound, same_ticket, selected
from lthctl.verification.replay import Replay


def ticket_claims(
    folder: TicketEvidence, peers: Sequence[TicketEvidence], replay: Replay | None
) -> list[Check]:
    folder.claim(f"{TICKET_JSON} matches its own digest", folder.check_seal)
    for name in (MASK_FILE, INIT_FILE):
        folder.claim(f"{name} matches the digest in {TICKET_JSON}", folder.intact(name))
    if not folder.is_readable:
        return folder.checks
    if folder.rewinds_later:
        folder.claim(
            f"{REWIND_FILE} matches the digest in {TICKET_JSON}", folder.intact(REWIND_FILE)
        )
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
    folder.claim("the mask has the counts of the last round", lambda: expect_counts(folder))
    remade = Remade(folder, replay, counted)
    if folder.rewinds_later:
        folder.claim(
            "the weights to rewind to are those of that step", lambda: rewound(folder, remade)
        )
    folder.claim(
        "each round's mask is nested in the one before", lambda: nested(folder, peers, remade)
    )
    folder.claim("the mask is what its scores select", lambda: selected(folder, remade))
    if replay is not None:
        folder.claim(
            "made again, the ticket has the same bytes", lambda: same_ticket(folder, remade)
        )
    return folder.checks


def _ticket_entries(folder: TicketEvidence) -> str:
    document = folder.document
    method = document.method
    score = SCORES.known(method)
    is_other = method == "dense" or is_imported(method)
    if score is None and not is_other and not is_own(method):
        raise Failed(f"method is {method!r}, which this lthctl does not know")
    has_training = document.train is not None
    needs_training = score.needs_training if score else not is_other and has_training
    needs_training = needs_training or folder.rewinds_later
    if has_training != needs_training:
        there = "none" if document.train is None else "some"
        raise Failed(f"there are {there} parameters of trainings, not what {method!r} needs")
    folder.check_entries()
    return f"{document.stated_name}, digest {folder.digest[:12]}..."


def _mask_fits(folder: TicketEvidence) -> str:
    mask, init = folder.needed(lambda: folder.mask), folder.needed(lambda: folder.init)
    try:
        shapes = folder.model().prunable(biases=folder.document.biases)
    except Unchecked:  # of a module that is not here: then what the ticket itself says is prunable
        shapes = {name: init[name].shape for name in folder.document.rate}
    mask.check_fits(shapes, where=MASK_FILE)
    return f"{len(mask)} parameters, {mask.num_kept:,} of {mask.size:,} weights kept"


def _init_drawn(folder: TicketEvidence) -> str:
    model, init = folder.model(), folder.init
    drawn = model.draw(Stream(folder.document.seed, "init"))
    if digest_of_arrays(drawn) == digest_of_arrays(init):
        return f"{sum(array.size for array in drawn.values()):,} weights, bit for bit"
    if is_imported(folder.document.method):
        raise Unchecked("they were imported with the mask, and not drawn")
    differing = sorted(
        name for name in drawn if name not in init or drawn[name].tobytes() != init[name].tobytes()
    )
    raise Failed(
        f"{', '.join(differing) or 'parameters'} differ from the draw of seed "
        f"{folder.document.seed}"
    )


def _rates_follow(folder: TicketEvidence) -> str:
    document = folder.document
    if is_imported(document.method):
        raise Unchecked("the mask was made elsewhere; its rates are what it has")
    model = folder.model()
    shapes = model.prunable(biases=document.biases)
    try:
        expected = rates_of(model, shapes, document)
    except ParamsError as error:
        raise Failed(str(error)) from error
    if document.layer_ratio is not None:
        expect_numbers(
            "ratio", {"all": document.ratio}, {"all": total_ratio(shapes, document.layer_ratio)}
        )
    if document.layer_rate is not None:
        total = total_after(shapes, expected, document.rounds)
        expect_numbers("ratio", {"all": document.ratio}, {"all": total})
    expect_numbers("rate", document.rate, expected)
    least, most = min(expected.values()), max(expected.values())
    if least == most:
        return f"{most:.4g} per round"
    is_usual = document.layer_ratio is None and document.layer_rate is None and not document.exclude
    where = "in the output layer" if is_usual else "in the least pruned layer"
    return f"{most:.4g} per round, {least:.4g} {where}"


def _counts_follow(folder: TicketEvidence) -> str:
    """The rule of `select`, from sizes and rates alone: round(rate * remaining) go, every round, of
    each parameter or of all of them together."""
    document = folder.document
    rate, counts, method = document.rate, document.counts, document.method
    expect("the number of rounds in `sparsity`", len(counts), document.rounds)
    shapes = {name: array.shape for name, array in folder.needed(lambda: folder.mask).items()}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    expect("the parameters in `rate`", sorted(rate), sorted(sizes))
    trains = document.train is not None and _scores_trained_weights(folder)
    steps = steps_of_round(document, document.train.steps) if document.train and trains else 0
    remaining = dict(sizes)
    for number, after in enumerate(counts, start=1):
        expect(f"the parameters of round {number}", sorted(after.layers), sorted(sizes))
        remaining = _remaining(document, shapes, remaining, after)
        expect("round", after.round, number)
        expect(f"steps before round {number}", after.steps, steps)
        if trains and after.trained is None:
            raise Failed(f"round {number} does not say which weights were scored")
        layers = desired_of_layers(method, shapes, rate, number)
        for name, layer in after.layers.items():
            expect(f"{name!r} after round {number}: size", layer.size, sizes[name])
            expect(f"{name!r} after round {number}: kept", layer.kept, remaining[name])
            expect_numbers(
                f"{name!r} after round {number}",
                {"desired": layer.desired, "actual": layer.actual},
                {"desired": layers[name], "actual": 1 - remaining[name] / sizes[name]},
            )
        size, kept = sum(sizes.values()), sum(remaining.values())
        asked = desired_after(document, rate, sizes, number)
        expect_numbers(
            f"all after round {number}",
            {"desired": after.desired, "actual": after.actual},
            {
                "desired": document.ratio if is_imported(method) else asked,
                "actual": (size - kept) / size,
            },
        )
    if not counts:
        return "dense: nothing is pruned"
    reached = ", ".join(f"{100 * after.actual:.2f}" for after in counts)
    return f"{reached} % pruned"


def _scores_trained_weights(folder: TicketEvidence) -> bool:
    """Whether trainings are behind its rounds, and not only behind the weights to rewind to."""
    document = folder.document
    if (score := SCORES.known(document.method)) is not None:
        return score.needs_training
    has_digests = any(after.trained is not None for after in document.counts)
    return has_digests or not folder.rewinds_later  # somebody's own


def _remaining(
    document: TicketDocument, shapes: Shapes, before: Mapping[str, int], after: RoundCounts
) -> dict[str, int]:
    """What a round has to leave of every parameter. Where all weights compete with each other, only
    the total is known beforehand, and the ticket says how it is shared out."""
    rate = document.rate
    fixed = kept_by_density(document.method, shapes, rate, after.round)
    if fixed is not None:
        return {name: min(left, fixed[name]) for name, left in before.items()}
    if document.scope == "layer":
        return {name: left - round(rate[name] * left) for name, left in before.items()}
    left = sum(count for name, count in before.items() if rate[name] > 0)
    kept = {name: layer.kept for name, layer in after.layers.items()}
    total = sum(before.values()) - round(max(rate.values()) * left)
    expect(f"all weights kept after round {after.round}", sum(kept.values()), total)
    for name in kept:
        if rate[name] == 0:
            expect(f"{name!r} after round {after.round}: kept", kept[name], before[name])
    if grown := sorted(name for name in kept if kept[name] > before[name]):
        raise Failed(f"{grown[0]!r} keeps more after round {after.round} than before")
    return kept
