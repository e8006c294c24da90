"""What the answers of a report leave open, and the commands that would tell.

Numbers of seeds are those at a power of 80 %, if mean and spread stay as they are.
"""

import math
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lthctl.reporting.answers import (
    Answers,
    HowFar,
    HowMuchSooner,
    WeightsOrMask,
    controls_of,
    logarithms,
    shown_by,
)
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import Experiment, ExperimentKey
from lthctl.reporting.sentences import figures_words, size_words
from lthctl.reporting.sequences import seeds_for_power
from lthctl.reporting.statistics import Interval

FEW_SEEDS = 5
"""Seeds asked for where one or none is there, and so no spread that could say how many."""


@dataclass(frozen=True)
class Unknown:
    """Something that is not known.

    Attributes:
      text: what, in a sentence.
      seeds: how many in all would tell; None where that is not the point, or above 1000.
      command: what to type; None where no command of lthctl would help.
    """

    text: str
    seeds: int | None
    command: str | None

    def __str__(self) -> str:
        seeds = f" {self.seeds} seeds in all would tell, at a power of 80 %." if self.seeds else ""
        return f"{self.text}{seeds}" + (f" Type: {self.command}" if self.command else "")


def unknowns_of(answers: Answers) -> tuple[Unknown, ...]:
    """What the answers leave open, in the order of the questions."""
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    if far is None or much is None or which is None:
        return (
            Unknown(
                "No pruned ticket was retrained from its own weights.",
                None,
                "lthctl prune && lthctl retrain masks/",
            ),
        )
    ticket = which.ticket
    found = [*_of_dense(answers, ticket)]
    if not found and max(len(ticket.runs), 1) == 1:
        more = _seeds(ticket.runs, FEW_SEEDS)
        found.append(
            Unknown(
                f"One seed has no interval, so nothing is decided; take {FEW_SEEDS} or more.",
                None,
                _make(ticket.key, more, [0.0, ticket.key.ratio], controls=_controls(answers)),
            )
        )
    else:
        found += _of_ladder(answers, far)
    found += _of_steps(answers, much)
    found += _of_controls(answers, which)
    return tuple(found)


def _of_dense(answers: Answers, ticket: Experiment) -> Iterator[Unknown]:
    dense = answers.group.dense
    shared = dense and dense.runs.keys() & ticket.runs.keys()
    if not shared:
        seeds = _ranges(ticket.runs)
        yield Unknown(
            "Nothing can be compared with dense, as no dense run has the seeds of these tickets.",
            None,
            f"lthctl prune --ratio 0 --seed {seeds} && lthctl retrain masks/",
        )
    elif answers.too_short and dense:
        steps = 2 * next(iter(dense.runs.values())).train.steps
        yield Unknown(
            f"In {dense.stops_at_end} of {len(dense.runs)} dense runs the validation loss is "
            "lowest at the last evaluation. To be as good as these is no win. Train longer.",
            None,
            f"lthctl prune --steps {steps} --out masks-{steps} && "
            f"lthctl retrain masks-{steps}/ --steps {steps} --out runs-{steps}",
        )


def _of_ladder(answers: Answers, far: HowFar) -> Iterator[Unknown]:
    ladder = far.ladder
    if ladder is None or ladder.stopped != "not known" or ladder.next is None:
        return
    size = ladder.next
    yield Unknown(
        f"Whether {size_words(size)} of the weights is as good as dense "
        f"({figures_words(size.difference)}).",
        ladder.seeds,
        _more(size, ladder.seeds, [0.0, size.key.ratio]),
    )


def _of_steps(answers: Answers, much: HowMuchSooner) -> Iterator[Unknown]:
    dense = much.than_dense
    if dense is None:
        return
    if dense.times is None and not dense.num_missing:
        every = next(iter(much.ticket.runs.values())).train.evaluate_every
        yield Unknown(
            f"Steps to {much.target.words}: all get there within the first {every:,} steps. "
            "Set train.evaluate_every in params.yaml to fewer.",
            None,
            None,
        )
    elif dense.times is None or dense.kind != "exact":
        yield Unknown(
            f"Steps to {much.target.words}: {dense.num_missing} of {dense.n} tickets and "
            f"{dense.num_others_missing} of {dense.n} dense runs never get there. "
            "Set report.targets in params.yaml to what dense runs reach.",
            None,
            None,
        )
    elif dense.n > 1 and shown_by(logarithms(dense.times)) == "not known":
        seeds = _seeds_for_sooner(answers, dense)
        ticket = much.ticket
        yield Unknown(
            f"Whether tickets reach {much.target.words} sooner than dense.",
            seeds,
            _more(ticket, seeds, [0.0, ticket.key.ratio]),
        )


def _of_controls(answers: Answers, which: WeightsOrMask) -> Iterator[Unknown]:
    ticket = which.ticket
    words = {"reinit": "the same mask with fresh weights", "random": "random pruning"}
    for name, against in (("reinit", which.reinit), ("random", which.random)):
        key = controls_of(ticket.key)[name]
        if key is None:
            continue
        if against.difference is None:
            yield Unknown(
                f"What {words[name]} reaches at {size_words(ticket)} of the weights is unknown.",
                None,
                "lthctl retrain masks/ --control reinit"
                if name == "reinit"
                else _make(key, tuple(ticket.runs), [key.ratio]),
            )
        elif against.shown == "not known" and against.difference.n > 1:
            seeds = _seeds_for_mean(against.difference, answers)
            yield Unknown(
                f"Whether tickets are better than {words[name]} "
                f"({figures_words(against.difference)}).",
                seeds,
                _more(
                    ticket,
                    seeds,
                    [ticket.key.ratio],
                    methods=dict.fromkeys([ticket.key.method, key.method]),
                    controls=dict.fromkeys(["rewind", key.control]),
                ),
            )


def _seeds_for_sooner(answers: Answers, sooner: Sooner) -> int | None:
    return None if sooner.times is None else _seeds_for_mean(logarithms(sooner.times), answers)


def _seeds_for_mean(difference: Interval, answers: Answers) -> int | None:
    """Seeds that would show on which side of 0 a mean lies."""
    level = (1 - answers.group.params.confidence) / 2
    return seeds_for_power(difference, math.fabs(difference.mean), level)


def _controls(answers: Answers) -> list[str]:
    controls = {experiment.key.control for experiment in answers.group.experiments}
    return [name for name in ("rewind", "reinit", "shuffle") if name in controls]


def _seeds(have: Iterable[int], number: int) -> tuple[int, ...]:
    """The seeds that there are, and the lowest others, to make a number of them."""
    seeds = set(have)
    seed = 1
    while len(seeds) < number:
        seeds.add(seed)
        seed += 1
    return tuple(sorted(seeds))


def _ranges(seeds: Iterable[int]) -> str:
    """Seeds as `--seed` takes them, such as "1-5,9"."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and parts[-1][-1] == seed - 1:
            parts[-1] = [parts[-1][0], seed]
        else:
            parts.append([seed])
    return ",".join("-".join(map(str, part)) for part in parts)


def _more(
    ticket: Experiment,
    seeds: int | None,
    ratios: Iterable[float],
    *,
    methods: Iterable[str] | None = None,
    controls: Iterable[str] = ("rewind",),
) -> str | None:
    """The commands that give an experiment so many seeds; None where nobody knows how many."""
    if seeds is None:
        return None
    more = _seeds(ticket.runs, seeds)
    return _make(ticket.key, more, ratios, methods=methods, controls=controls)


def _make(
    key: ExperimentKey,
    seeds: Iterable[int],
    ratios: Iterable[float],
    *,
    methods: Iterable[str] | None = None,
    controls: Iterable[str] = ("rewind",),
) -> str:
    """The commands that make tickets and retrain them."""
    method = ",".join(methods or [key.method])
    ratio = ",".join(f"{ratio:g}" for ratio in ratios)
    prune = (
        f"lthctl prune --method {shlex.quote(method)} --ratio {ratio} --rounds {key.rounds} "
        f"--seed {_ranges(seeds)}"
    )
    retrain = [
        "lthctl retrain masks/"
        + ("" if control == "rewind" else f" --control {shlex.quote(control)}")
        for control in controls
    ]
    return " && ".join([prune, *retrain])
