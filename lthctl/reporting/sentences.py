"""The answers as sentences for people. Each gives n and interval, and has less than 30 words."""

from lthctl.reporting.answers import (
    Answers,
    HowFar,
    HowMuchSooner,
    WeightsOrMask,
    sooner_by,
)
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.ladders import Ladder, LadderKey
from lthctl.reporting.statistics import Interval, Verdict


def sentences_of(answers: Answers) -> tuple[str, ...]:
    """Three sentences; one where there is nothing to be asked about."""
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    if far is None or much is None or which is None:
        return ("Nothing to judge: there is no pruned ticket with its original weights here.",)
    return (_how_far(answers, far), _how_much_sooner(answers, much), _which(answers, which))


def size_words(experiment: Experiment) -> str:
    """What is left of the weights, such as "20.2 %"."""
    return f"{100 * (1 - experiment.sparsity):.3g} %"


def tickets_words(ladder: LadderKey) -> str:
    """The tickets of a ladder, such as "l1 tickets of 5 rounds"."""
    rounds = ladder.walk if ladder.rounds != 1 else ladder.walk.replace("one-shot", "1 round")
    pruned = f" ({ladder.pruned_with})" if ladder.pruned_with else ""
    return f"{ladder.method} tickets of {rounds}{pruned}"


def points_words(difference: Interval | None) -> str:
    """A difference in accuracy, such as "-0.12 points (-0.23 to -0.01, n 5)"."""
    if difference is None:
        return "an unknown amount"
    ends = _ends(difference)
    inside = f"{ends}, n {difference.n}" if ends else f"n {difference.n}"
    return f"{_points(difference.mean)} points ({inside})"


def figures_words(difference: Interval | None) -> str:
    """The same to stand in brackets, such as "-0.12 points, -0.23 to -0.01, n 5"."""
    if difference is None:
        return "unknown"
    ends = _ends(difference)
    return (
        f"{_points(difference.mean)} points" + (f", {ends}" if ends else "") + f", n {difference.n}"
    )


def times_words(sooner: Sooner, *, with_n: bool = False) -> str:
    """How many times sooner or later, such as "2.66 times sooner than {} (2.38 to 2.97)"."""
    times = sooner.times
    if times is None:
        return "not known how much sooner than {}"
    late = times.mean < 1
    mean = f"{1 / times.mean if late else times.mean:.2f}"
    word = "later" if late else "sooner"
    n = f", n {sooner.n}" if with_n else ""
    if sooner.kind != "exact":
        least = (sooner.kind == "at least") != late
        missing = sooner.num_missing or sooner.num_others_missing
        bound = "over " if least else "at most "
        return f"{bound}{mean} times {word} than {{}} ({missing} of {sooner.n} never)"
    if times.low is None or times.high is None:
        return f"{mean} times {word} than {{}} (n {sooner.n})"
    low, high = (1 / times.high, 1 / times.low) if late else (times.low, times.high)
    return f"{mean} times {word} than {{}} ({low:.2f} to {high:.2f}{n})"


def _how_far(answers: Answers, far: HowFar) -> str:
    group, tickets = answers.group, tickets_words(far.asked)
    if group.dense is None:
        return f"There is no dense run, so nothing shows how far down {tickets} keep up."
    ladder = far.ladder
    if ladder is None:
        return (
            "No dense run has the seed of a ticket, so nothing shows how far down "
            f"{tickets} keep up."
        )
    first = ladder.sizes[0]
    if all(size.difference is not None and size.difference.n == 1 for size in ladder.sizes):
        return (
            f"One seed decides nothing: at {size_words(first)} of the weights, {tickets} differ "
            f"from dense by {points_words(first.difference)}."
        )
    if answers.too_short:
        return (
            f"Too short to tell how far down {tickets} keep up: {group.dense.stops_at_end} of "
            f"{len(group.dense.runs)} dense runs still improve at the end."
        )
    smallest = ladder.smallest
    if smallest is None or smallest.difference is None:
        return (
            f"No size of {tickets} is known to be as good as dense: {size_words(first)} of the "
            f"weights differ by {points_words(first.difference)}."
        )
    return (
        f"{tickets} are as good as dense down to {size_words(smallest)} of the weights "
        f"({figures_words(smallest.difference)}); reinitialized {_down_to(far.reinit)}, "
        f"random {_down_to(far.random)}."
    )


def _down_to(ladder: Ladder | None) -> str:
    if ladder is None:
        return "untested"
    if ladder.smallest is not None:
        return size_words(ladder.smallest)
    return "nowhere" if ladder.stopped == "worse" else "unknown"


def _how_much_sooner(answers: Answers, much: HowMuchSooner) -> str:
    size, target, dense = size_words(much.ticket), much.target.words, much.than_dense
    if dense is None:
        return f"How much sooner tickets reach {target} is unknown: no dense run has their seeds."
    if dense.times is None:
        if not dense.num_missing:
            return (
                f"Tickets and dense both reach {target} at the first evaluation (n {dense.n}): "
                "evaluate more often to tell which is sooner."
            )
        return (
            f"At {size} of the weights, {dense.num_missing} of {dense.n} tickets and "
            f"{dense.num_others_missing} of {dense.n} dense runs never reach {target}."
        )
    if dense.n == 1:
        compared = times_words(dense).format("dense")
        return (
            f"One seed decides nothing: at {size} of the weights, a ticket reaches {target} "
            f"{compared}."
        )
    compared = times_words(dense, with_n=True).format("dense")
    start = f"At {size} of the weights, tickets reach {target} "
    if sooner_by(dense) == "unknown":
        start = f"Not known to be sooner: at {size} of the weights, tickets reach {target} "
    elif much.than_reinit is not None and much.than_reinit.times is not None:
        compared += f", {times_words(much.than_reinit).format('reinitialized')}"
    return f"{start}{compared}."


LEADS: dict[tuple[Verdict, Verdict], str] = {
    ("better", "better"): "Weights and mask both count",
    ("better", "as good"): "The weights count, the mask does not",
    ("better", "unknown"): "The weights count",
    ("as good", "better"): "The mask counts, the weights do not",
    ("unknown", "better"): "The mask counts",
    ("as good", "as good"): "Neither counts",
    ("as good", "unknown"): "The weights do not count",
    ("unknown", "as good"): "The mask does not count",
}
"""What is shown against reinitialized, and against random pruning -> what that says. To be as good
is to be the same within the margin, either way."""


def _which(answers: Answers, which: WeightsOrMask) -> str:
    reinit, random = which.reinit, which.random
    size = size_words(which.ticket)
    parts = [
        f"{_points(one.difference.mean)} points against {name}"
        + (f" ({ends})" if (ends := _ends(one.difference)) else "")
        for name, one in (("reinitialized", reinit), ("random", random))
        if one.difference is not None
    ]
    if not parts:
        return (
            f"Whether it is the weights or the mask is unknown: no control of {size} of the "
            "weights was trained."
        )
    known: list[Verdict] = [reinit.shown, random.shown]
    numbers = [one.difference.n for one in (reinit, random) if one.difference is not None]
    lead = LEADS.get((reinit.shown, random.shown), "Neither is known to count")
    if max(numbers) == 1:
        lead = "One seed decides nothing"
    elif "too short to tell" in known:
        lead = "Too short to tell"
    elif "worse" in known:
        lead = "Not what the hypothesis says"
    n = " and ".join(map(str, dict.fromkeys(numbers)))
    return f"{lead}: at {size} of the weights, accuracy is {', '.join(parts)}, n {n}."


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _ends(difference: Interval) -> str:
    if difference.low is None or difference.high is None:
        return ""
    return f"{_points(difference.low)} to {_points(difference.high)}"
