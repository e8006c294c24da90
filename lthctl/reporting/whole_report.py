"""What of the answers still holds where their error is that of the whole report.

Each question has an error of its own, so three of them err more often than one. Here all that the
three sentences say shares one error, by the procedure of sequences.py: a ladder is walked size by
size, and any other statement is a ladder of one size. What could not be tested keeps its part: to
leave a control out wins nothing. What is shown hands its part on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lthctl.reporting.answers import Against, Answers, logarithms, sooner_by
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.ladders import Ladder
from lthctl.reporting.looks import level_at
from lthctl.reporting.sentences import size_words
from lthctl.reporting.sequences import steps_held
from lthctl.reporting.statistics import p_above, p_below


@dataclass(frozen=True)
class Step:
    """A test of one comparison.

    Attributes:
      p: its one-sided p-value.
      sides: 2 where the other side could have been said instead, else 1. Each has its part of the
        error.
      n: its seeds.
      words: what is said if it holds, such as "sooner than dense".
      size: the size that it is about, such as "10.1 %", where it is on a ladder.
    """

    p: float
    sides: int
    n: int
    words: str
    size: str = ""


@dataclass(frozen=True)
class Statement:
    """Something that the answers say is shown.

    Attributes:
      words: such as "sooner than dense", or "tickets down to 10.1 %".
      holds: whether it still does, with the error of the whole report.
      instead: of a ladder, how far down it holds then, such as "20.1 %"; None where nowhere.
    """

    words: str
    holds: bool
    instead: str | None


def statements_of(answers: Answers) -> tuple[Statement, ...]:
    """All that the sentences of these answers say is shown, in their order."""
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    if far is None or much is None or which is None or answers.too_short:
        return ()
    params = answers.group.params
    sequences = [
        _sizes("tickets", far.ladder, params.margin),
        _sizes("reinitialized", far.reinit, params.margin),
        _sizes("random", far.random, params.margin),
        _sooner("dense", much.than_dense),
        _sooner("reinitialized", much.than_reinit),
        _accuracy("reinitialized", which.reinit, params.margin),
        _accuracy("random", which.random, params.margin),
    ]
    said = [
        *(ladder.num_held if ladder else 0 for ladder in (far.ladder, far.reinit, far.random)),
        *map(len, sequences[3:]),
    ]

    def level_of(share: float, sequence: int, place: int) -> float:
        step = sequences[sequence][place] if sequences[sequence] else None
        return level_at(share / step.sides, step.n, params.looks) if step else 0.0

    p_values = [[step.p for step in steps] or [1.0] for steps in sequences]
    held = steps_held(p_values, 1 - params.confidence, level_of)
    return tuple(
        Statement(
            steps[number - 1].words,
            still >= number,
            steps[still - 1].size if still else None,
        )
        for steps, number, still in zip(sequences, said, held, strict=True)
        if number
    )


def whole_report_sentence(answers: Answers) -> str | None:
    """Which of the answers hold together; None where they say that nothing is shown."""
    statements = statements_of(answers)
    if not statements:
        return None
    error = f"{100 * (1 - answers.group.params.confidence):.3g} %"
    start = f"With one error of {error} for the whole report,"
    if not any(one.holds or one.instead for one in statements):
        return f"{start} none of this is shown."
    lost = "; ".join(map(_lost_words, (one for one in statements if not one.holds)))
    return f"{start} all of this still holds{f', except: {lost}' if lost else ''}."


def _lost_words(statement: Statement) -> str:
    return statement.words + (f" ({statement.instead} does)" if statement.instead else "")


def _sizes(who: str, ladder: Ladder | None, margin: float) -> Sequence[Step]:
    return [
        Step(
            p_above(size.difference, -margin),
            1,
            size.difference.n,
            f"{who} down to {size_words(size)}",
            size_words(size),
        )
        for size in (ladder.sizes if ladder else ())
        if size.difference is not None
    ]


def _sooner(than: str, sooner: Sooner | None) -> Sequence[Step]:
    shown = sooner_by(sooner)
    if sooner is None or sooner.times is None or shown not in ("better", "worse"):
        return ()
    times = logarithms(sooner.times)
    if shown == "better":
        return (Step(p_above(times, 0), 2, sooner.n, f"sooner than {than}"),)
    return (Step(p_below(times, 0), 2, sooner.n, f"later than {than}"),)


def _accuracy(than: str, against: Against, margin: float) -> Sequence[Step]:
    difference, n = against.difference, against.difference.n if against.difference else 0
    if difference is None:
        return ()
    match against.shown:
        case "better":
            return (Step(p_above(difference, 0), 2, n, f"more accurate than {than}"),)
        case "worse":
            return (Step(p_below(difference, -margin), 2, n, f"less accurate than {than}"),)
        case "as good":
            p = max(p_above(difference, -margin), p_below(difference, margin))
            return (Step(p, 2, n, f"as accurate as {than}"),)
        case _:
            return ()
