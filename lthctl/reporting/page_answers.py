"""The three answers as cards of the page: a question, a figure to be seen from afar, a sentence."""

from typing import NamedTuple

from lthctl.reporting.answers import (
    Answers,
    HowFar,
    HowMuchSooner,
    WeightsOrMask,
    sooner_by,
)
from lthctl.reporting.sentences import sentences_of, size_words


class Card(NamedTuple):
    """An answer.

    Attributes:
      question: which is asked.
      figure: the answer in a word or a number, such as "10.1 %".
      caption: what the figure is.
      sentence: the answer, with n and interval.
    """

    question: str
    figure: str
    caption: str
    sentence: str


HOW_FAR = "How far down do tickets keep up?"
HOW_MUCH_SOONER = "How much sooner do they learn?"
WEIGHTS_OR_MASK = "Is it the weights or the mask?"

TOO_SHORT, UNKNOWN = "too short to tell", "unknown"

COUNTS = {
    (True, True): "both",
    (True, False): "the weights",
    (False, True): "the mask",
}
"""Better than fresh weights, and better than a random mask -> what counts."""


def answer_cards(answers: Answers) -> tuple[Card, ...]:
    """A card per answer; one, without a question, where there is nothing to be asked about."""
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    sentences = sentences_of(answers)
    if far is None or much is None or which is None:
        return tuple(Card("", "", "", sentence) for sentence in sentences)
    return (
        Card(HOW_FAR, *_how_far(answers, far), sentences[0]),
        Card(HOW_MUCH_SOONER, *_how_much_sooner(much), sentences[1]),
        Card(WEIGHTS_OR_MASK, *_weights_or_mask(answers, which), sentences[2]),
    )


def _how_far(answers: Answers, far: HowFar) -> tuple[str, str]:
    if answers.too_short:
        return TOO_SHORT, ""
    smallest = far.ladder and far.ladder.smallest
    if not smallest:
        return UNKNOWN, ""
    return size_words(smallest), "of the weights keep up"


def _how_much_sooner(much: HowMuchSooner) -> tuple[str, str]:
    dense, shown = much.than_dense, sooner_by(much.than_dense)
    if dense is None or dense.times is None or shown not in ("better", "worse"):
        return UNKNOWN, ""
    times = dense.times.mean if shown == "better" else 1 / dense.times.mean
    bound = "" if dense.kind == "exact" else "over "
    return f"{bound}{times:.1f} ×", f"{'sooner' if shown == 'better' else 'later'} than dense"


def _weights_or_mask(answers: Answers, which: WeightsOrMask) -> tuple[str, str]:
    if answers.too_short:
        return TOO_SHORT, ""
    if "worse" in (which.reinit.shown, which.random.shown):
        return "worse", f"than a control, at {size_words(which.ticket)} of the weights"
    if which.random.difference is None and which.reinit.shown == "better":
        return "the weights", "count; random not tried"
    if None in (which.reinit.difference, which.random.difference):
        return UNKNOWN, "a control is missing"
    counts = COUNTS.get((which.reinit.shown == "better", which.random.shown == "better"))
    return (counts, f"at {size_words(which.ticket)} of the weights") if counts else (UNKNOWN, "")
