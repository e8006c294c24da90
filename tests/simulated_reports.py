"""Whole reports of simulated runs: how often they say what is not so, and how often what is.

Runs are drawn, grouped and judged by the functions that make every report. `python -m
tests.simulated_reports` prints the tables of docs/STATISTICS.md; a slow test holds them to it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lthctl.artifacts.run import Run
from lthctl.params import ReportParams
from lthctl.reporting.answers import Answers, answers_of, sooner_by
from lthctl.reporting.ladders import LadderKey, ladders_of
from lthctl.reporting.sentences import size_words
from lthctl.reporting.verdicts import Group, judged_group
from lthctl.reporting.whole_report import statements_of
from lthctl.training.history import Metrics, Row

from .test_report import DATA, TRAIN, make_run

SEED = 15
SEEDS = (3, 5, 10, 20)
REPORTS = 500

IMAGES = 10_000
EVERY, LAST = 250, 15_000
MARGIN = 0.002

SPREAD = 0.00065
"""Standard deviation of an accuracy over seeds, as measured in experiments/video. That of a paired
difference is sqrt(2) times as much."""

STEPS_SPREAD = 0.11
"""The same of the logarithm of the steps to 97 %."""

DENSE_STEPS = 2000

JUDGED_BY = ReportParams(margin=MARGIN)

Experiment = tuple[str, str, float, int]
"""Control, method, ratio and rounds."""

DENSE: Experiment = ("rewind", "dense", 0.0, 0)
RATIOS = (0.1, 0.25, 0.5, 0.8, 0.9, 0.93, 0.97)
KINDS = (("rewind", "l1"), ("reinit", "l1"), ("rewind", "random"))


@dataclass(frozen=True)
class Truth:
    """What is so in a simulated world.

    Attributes:
      name: in the tables.
      differences: experiment -> accuracy minus dense's, a fraction.
      sooner: experiment -> times sooner than dense; 1 for those that are not in it.
      params: how it is judged.
    """

    name: str
    differences: Mapping[Experiment, float]
    sooner: Mapping[Experiment, float]
    params: ReportParams = JUDGED_BY


def grid(*differences: tuple[float, ...], rounds: int = 5) -> dict[Experiment, float]:
    """Differences to dense in points, for every ratio, of tickets, reinitialized and random ones."""
    return {
        (control, method, ratio, rounds): points / 100
        for (control, method), row in zip(KINDS, differences, strict=False)
        for ratio, points in zip(RATIOS, row, strict=True)
    }


AT_MARGIN, AS_DENSE = (-0.2,) * 7, (0.0,) * 7

NOTHING = Truth("every size at the margin, nothing sooner or better", grid(*[AT_MARGIN] * 3), {})
HALF = Truth(
    "as good as dense down to a half, then at the margin",
    grid(*[(0.0, 0.0, 0.0, -0.2, -0.2, -0.2, -0.2)] * 3),
    {},
)
SEVERAL = Truth(
    "three primary ladders, every size at the margin",
    grid(AT_MARGIN) | grid(AT_MARGIN, rounds=1) | grid(AT_MARGIN, rounds=3),
    {},
    ReportParams(margin=MARGIN, primary=("l1-n5", "l1-n1", "l1-n3")),
)
BEYOND = Truth(
    "tickets better than their controls by the margin", grid(AS_DENSE, AT_MARGIN, AT_MARGIN), {}
)
MEASURED = Truth(
    "as measured",
    grid(
        (-0.01, 0.03, 0.03, 0.08, -0.05, -0.12, -0.38),
        (0.01, -0.08, -0.08, -0.26, -0.41, -0.58, -1.37),
        (-0.01, -0.08, -0.10, -0.46, -0.87, -1.17, -2.87),
    ),
    {
        ("rewind", "l1", 0.8, 5): 2.66,
        ("reinit", "l1", 0.8, 5): 0.65,
        ("rewind", "random", 0.8, 5): 0.45,
    },
)


@cache
def template(experiment: Experiment, seed: int) -> Run:
    control, method, ratio, rounds = experiment
    train = {**TRAIN, "steps": LAST, "evaluate_every": EVERY}
    data = {**DATA, "validation": IMAGES}
    return make_run(
        (method, ratio, rounds), seed, control=control, train=train, data=data,
        history=history(0), found={} if method in ("dense", "random") else None,
    )  # fmt: skip


@cache
def history(arrives: int) -> tuple[Row, ...]:
    """Evaluations that reach the target at one of them, and have their lowest loss in the middle."""
    return tuple(
        Row(EVERY * (i + 1), 1.0, 0.25 if i == 20 else 0.5, 0.975 if i >= arrives else 0.9)
        for i in range(LAST // EVERY)
    )


def run_of(experiment: Experiment, seed: int, accuracy: float, steps: float) -> Run:
    found = min(LAST // EVERY, max(1, math.ceil(steps / EVERY)))
    accuracy = round(accuracy * IMAGES) / IMAGES
    metrics = Metrics.model_construct(
        best_accuracy=accuracy, best_step=LAST, early_stop_accuracy=accuracy,
        early_stop_step=EVERY * 21, final_accuracy=accuracy, early_stop_test_accuracy=None,
    )  # fmt: skip
    return replace(template(experiment, seed), metrics=metrics, history=history(found - 1))


def reports(
    truth: Truth, number: int = REPORTS, most: int = max(SEEDS)
) -> Iterator[list[list[Run]]]:
    """The runs of many simulated experiments: of each a list of runs per seed."""
    random = np.random.default_rng([SEED, crc32(truth.name.encode())])
    experiments = [DENSE, *truth.differences]
    for _ in range(number):
        noise: NDArray[np.float64] = random.normal(size=(most, len(experiments), 2))
        yield [
            [
                run_of(
                    one,
                    seed,
                    0.9828 + truth.differences.get(one, 0.0) + SPREAD * noise[seed - 1, i, 0],
                    DENSE_STEPS
                    / truth.sooner.get(one, 1.0)
                    * math.exp(STEPS_SPREAD * noise[seed - 1, i, 1]),
                )
                for i, one in enumerate(experiments)
            ]
            for seed in range(1, most + 1)
        ]


def group_of_seeds(truth: Truth, runs: list[list[Run]], n: int, **params: object) -> Group:
    judged_by = truth.params.model_copy(update=params)
    return judged_group(truth.name, [run for of_seed in runs[:n] for run in of_seed], judged_by)


Question = Callable[[Group, Answers], bool]


def holds(beyond: float, *, control: str = "rewind", method: str = "l1") -> Question:
    """Whether a ladder is said to be as good as dense at a sparser size than this ratio."""

    def is_said(group: Group, answers: Answers) -> bool:
        for ladder in ladders_of(group):
            if ladder.key == LadderKey(method, 5, control):
                return ladder.smallest is not None and ladder.smallest.key.ratio > beyond
        return False

    return is_said


def any_primary_holds(group: Group, answers: Answers) -> bool:
    return any(ladder.num_held for ladder in ladders_of(group) if ladder.is_primary)


def is_sooner(*verdicts: str) -> Question:
    def is_said(group: Group, answers: Answers) -> bool:
        much = answers.how_much_sooner
        return much is not None and sooner_by(much.than_dense) in verdicts

    return is_said


def against(control: str, *verdicts: str) -> Question:
    def is_said(group: Group, answers: Answers) -> bool:
        which = answers.weights_or_mask
        return which is not None and getattr(which, control).shown in verdicts

    return is_said


def any_of(*questions: Question) -> Question:
    return lambda group, answers: any(question(group, answers) for question in questions)


ANY_WIN = any_of(
    holds(0.0), is_sooner("better"), against("reinit", "better"), against("random", "better")
)


def together(words: str) -> Question:
    """Whether a statement is said to hold with the error of the whole report."""
    return lambda group, answers: any(
        one.holds and one.words == words for one in statements_of(answers)
    )


def wrong_together(*right: str, sizes: tuple[float, ...] = ()) -> Question:
    """Whether something is said to hold, with the error of the whole report, that is not so.

    So is what begins with one of these words, and that a ladder goes down to one of these sizes.
    """

    def is_said(group: Group, answers: Answers) -> bool:
        so = {f"down to {size_words(one)}" for one in group.experiments if one.key.ratio in sizes}
        held = [
            one.words if one.holds else f"{one.words.partition('down to')[0]}down to {one.instead}"
            for one in statements_of(answers)
            if one.holds or one.instead
        ]
        return any(not words.startswith(right) and not words.endswith(tuple(so)) for words in held)

    return is_said


WRONG: dict[str, tuple[Truth, Question]] = {
    "how far down: some size is as good": (NOTHING, holds(0.0)),
    "the same, of reinitialized tickets": (NOTHING, holds(0.0, control="reinit")),
    "the same, of random pruning": (NOTHING, holds(0.0, method="random")),
    "how far down: too far, where a half is so": (HALF, holds(0.5)),
    "how far down: any of three primary ladders": (SEVERAL, any_primary_holds),
    "sooner or later than dense": (NOTHING, is_sooner("better", "worse")),
    "better or worse than reinitialized": (NOTHING, against("reinit", "better", "worse")),
    "better or worse than random": (NOTHING, against("random", "better", "worse")),
    "the same as reinitialized, where the margin is between them": (
        BEYOND,
        against("reinit", "as good"),
    ),
    "any win: as good, sooner, or better than a control": (NOTHING, ANY_WIN),
    "the whole report: any such win": (NOTHING, wrong_together("as accurate")),
    "the whole report: any, where a half is as good": (
        HALF,
        wrong_together("as accurate", sizes=RATIOS[:3]),
    ),
    "the whole report: any, where tickets are better by the margin": (
        BEYOND,
        wrong_together("tickets down to", "more accurate"),
    ),
}
"""Wrong statements -> in which world, and whether a report makes them."""

RIGHT: dict[str, tuple[Truth, Question]] = {
    "as good as dense down to a half or further": (MEASURED, holds(0.49)),
    "down to a fifth or further": (MEASURED, holds(0.79)),
    "down to a tenth or further": (MEASURED, holds(0.89)),
    "down to 7 % or further": (MEASURED, holds(0.92)),
    "sooner than dense (2.66 times)": (MEASURED, is_sooner("better")),
    "better than reinitialized (0.34 points)": (MEASURED, against("reinit", "better")),
    "better than random (0.54 points)": (MEASURED, against("random", "better")),
    "the same, with one error for the whole report": (
        MEASURED,
        together("more accurate than random"),
    ),
    "sooner than dense, with one error for the whole report": (
        MEASURED,
        together("sooner than dense"),
    ),
}
"""The same of statements that are right."""


def rates(
    statements: Mapping[str, tuple[Truth, Question]], number: int = REPORTS
) -> dict[str, list[float]]:
    """Statement -> share of the reports that make it, for each number of seeds."""
    counts = {name: [0] * len(SEEDS) for name in statements}
    for truth in {truth.name: truth for truth, _ in statements.values()}.values():
        asked = {name: question for name, (of, question) in statements.items() if of is truth}
        for runs in reports(truth, number):
            for place, n in enumerate(SEEDS):
                group = group_of_seeds(truth, runs, n)
                answers = answers_of(group)
                for name, question in asked.items():
                    counts[name][place] += question(group, answers)
    return {name: [count / number for count in of] for name, of in counts.items()}


LOOKS = (5, 10, 20)


def rates_of_looks(number: int = REPORTS) -> dict[str, float]:
    """How often one of several looks finds some size as good, where none is."""
    wrong = {"no look planned, three taken": 0, "looks planned at 5, 10 and 20 seeds": 0}
    for runs in reports(NOTHING, number):
        for name, looks in zip(wrong, ((), LOOKS), strict=True):
            groups = (group_of_seeds(NOTHING, runs, n, looks=looks) for n in LOOKS)
            wrong[name] += any(holds(0.0)(group, answers_of(group)) for group in groups)
    return {name: count / number for name, count in wrong.items()}


def table(found: Mapping[str, list[float]]) -> str:
    """Markdown, in percent."""
    head = "| a report says | " + " | ".join(f"n = {n}" for n in SEEDS) + " |"
    lines = [head, "|---|" + "---:|" * len(SEEDS)]
    lines += [
        f"| {name} | " + " | ".join(f"{100 * rate:.1f}" for rate in of) + " |"
        for name, of in found.items()
    ]
    return "\n".join(lines)


def looks_table(found: Mapping[str, float]) -> str:
    lines = ["| looks at 5, 10 and 20 seeds | wrong in one of them |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {100 * rate:.1f} |" for name, rate in found.items())])


if __name__ == "__main__":
    print(table(rates(WRONG)), table(rates(RIGHT)), looks_table(rates_of_looks()), sep="\n\n")
