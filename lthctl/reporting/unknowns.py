"""What the answers of a report leave open, and the commands that would tell.

Numbers of seeds are those at a power of 80 %, if mean and spread stay as they are.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lthctl.families import CONTROLS
from lthctl.reporting.answers import (
    ASKED_RATIO,
    Answers,
    HowFar,
    HowMuchSooner,
    WeightsOrMask,
    asked_ladder,
    controls_of,
    logarithms,
    sooner_by,
)
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.ladders import Ladder
from lthctl.reporting.making import Making, enough_seeds, pruning_flags
from lthctl.reporting.power import MOST_SEEDS, seeds_for_power
from lthctl.reporting.sentences import figures_words, size_words

FEW_SEEDS = 5
"""Seeds asked for where one or none is there, and so no spread that could say how many."""


@dataclass(frozen=True)
class Unknown:
    """Something that is not known.

    Attributes:
      text: what, in a sentence.
      seeds: how many in all would tell; None where that is not the point, or above 1000.
      making: what is to be made; None where no command of lthctl would help.
    """

    text: str
    seeds: int | None
    making: Making | None

    @property
    def command(self) -> str | None:
        """What to type."""
        return self.making.command if self.making else None

    def __str__(self) -> str:
        seeds = f" {self.seeds} seeds in all would tell, at a power of 80 %." if self.seeds else ""
        return f"{self.text}{seeds}" + (f" Type: {self.command}" if self.command else "")


def unknowns_of(answers: Answers) -> tuple[Unknown, ...]:
    """What the answers leave open, in the order of the questions."""
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    if far is None or much is None or which is None:
        return (_of_nothing(answers),)
    ticket = which.ticket
    looks = answers.group.params.looks
    if looks and len(ticket.runs) < looks[-1] and len(ticket.runs) not in looks:
        return (_of_next_look(answers, ticket),)
    found = [*_of_dense(answers, ticket)]
    if not found and len(ticket.runs) == 1:
        found.append(
            Unknown(
                f"One seed has no interval, so nothing is decided; take {FEW_SEEDS} or more.",
                None,
                _make(answers, ticket, FEW_SEEDS, [0.0, ticket.key.ratio], controls=_all(answers)),
            )
        )
    elif not found:
        found += _of_ladder(answers, far)
    found += _of_steps(answers, much)
    found += _of_controls(answers, which)
    if looks and len(ticket.runs) > looks[-1]:
        text = (
            f"There are {len(ticket.runs)} seeds, and the last look was planned at {looks[-1]}. "
            "Nothing corrects for seeds that were added to it."
        )
        found.append(Unknown(text, None, None))
    return tuple(found)


def _of_nothing(answers: Answers) -> Unknown:
    group, asked = answers.group, asked_ladder(answers.group)
    if asked is None:
        text = "No pruned ticket was retrained from its own weights."
        return Unknown(text, None, Making(group.places))
    pruned = {one.key.ratio for one in group.experiments} - {0.0}
    seeds = {seed for one in group.experiments for seed in one.runs}
    return Unknown(
        f"No ticket of the primary ladder {asked.name} was retrained from its own weights.",
        None,
        Making(
            group.places,
            (asked.method,),
            (0.0, *(() if asked.per_round else sorted(pruned or {ASKED_RATIO}))),
            (asked.rounds,) if asked.rounds else (),
            tuple(seeds),
            steps=_steps(group.experiments[0]),
            pruning=("--rate", asked.rate_text) if asked.per_round else (),
        ),
    )


def _of_dense(answers: Answers, ticket: Experiment) -> Iterator[Unknown]:
    group, dense = answers.group, answers.group.dense
    shared = dense and dense.runs.keys() & ticket.runs.keys()
    if not shared:
        yield Unknown(
            "Nothing can be compared with dense, as no dense run has the seeds of these tickets.",
            None,
            Making(group.places, ratios=(0.0,), seeds=tuple(ticket.runs), steps=_steps(ticket)),
        )
    elif answers.too_short and dense:
        steps = 2 * _steps(dense)
        yield Unknown(
            f"In {dense.stops_at_end} of {len(dense.runs)} dense runs the validation loss is "
            "lowest at the last evaluation. To be as good as these is no win. Train longer.",
            None,
            Making(group.places.beside(str(steps)), steps=steps),
        )


def _of_next_look(answers: Answers, ticket: Experiment) -> Unknown:
    n = len(ticket.runs)
    due = min(look for look in answers.group.params.looks if look > n)
    return Unknown(
        f"No look is due at {n} seeds, so nothing is decided; the next is at {due}.",
        None,
        _make(answers, ticket, due, [0.0, ticket.key.ratio], controls=_all(answers)),
    )


def _of_ladder(answers: Answers, far: HowFar) -> Iterator[Unknown]:
    ladder = far.ladder
    if ladder is None:
        return
    if ladder.stopped == "unknown" and (size := ladder.next):
        seeds = ladder.seeds
        text = (
            f"Whether {size_words(size)} of the weights is as good as dense "
            f"({figures_words(size.difference)})."
        )
        if size.difference is not None and size.difference.n == 1:  # others may have more seeds
            seeds = max(FEW_SEEDS, *(len(one.runs) for one in ladder.sizes))
            text += f" One seed decides nothing; take {seeds}."
            yield Unknown(text, None, _make(answers, size, seeds, [0.0, size.key.ratio]))
        else:
            yield Unknown(
                text + _hopeless(seeds), seeds, _more(answers, size, seeds, [0.0, size.key.ratio])
            )
    if ladder.untested:
        yield _of_gaps(answers, ladder)


def _of_gaps(answers: Answers, ladder: Ladder) -> Unknown:
    size = ladder.sizes[0]
    ratios = " and ".join(f"{ratio:g}" for ratio in ladder.untested)
    return Unknown(
        f"Nothing is known of ratio {ratios}: the ladder has a gap there.",
        None,
        replace(
            _make(answers, size, len(size.runs), [0.0, *ladder.untested]),
            rounds=tuple(
                sorted(
                    {
                        one.key.rounds
                        for one in answers.group.experiments
                        if one.key.ratio in ladder.untested
                        and one.key.per_round == ladder.key.per_round
                    }
                )
                if ladder.key.per_round
                else (ladder.key.rounds,)
            ),
        ),
    )


def _of_steps(answers: Answers, much: HowMuchSooner) -> Iterator[Unknown]:
    dense = much.than_dense
    if dense is None:
        return
    if dense.times is None and not dense.num_missing:
        every = much.ticket.first_run.train.evaluate_every
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
    elif dense.n > 1 and sooner_by(dense) == "unknown":
        seeds = _seeds_for_sooner(answers, dense)
        ticket = much.ticket
        yield Unknown(
            f"Whether tickets reach {much.target.words} sooner than dense.{_hopeless(seeds)}",
            seeds,
            _more(answers, ticket, seeds, [0.0, ticket.key.ratio]),
        )


def _of_controls(answers: Answers, which: WeightsOrMask) -> Iterator[Unknown]:
    ticket = which.ticket
    words = {"reinit": "the same mask with fresh weights", "random": "random pruning"}
    for name, against in (("reinit", which.reinit), ("random", which.random)):
        key = controls_of(ticket.key)[name]
        if key is None:
            continue
        ratio = [ticket.key.ratio]
        if against.difference is None:
            yield Unknown(
                f"What {words[name]} reaches at {size_words(ticket)} of the weights is unknown.",
                None,
                replace(
                    _make(
                        answers, ticket, len(ticket.runs), ratio,
                        methods=(key.method,), controls=(key.control,),
                    ),
                    only_runs=key.method == ticket.key.method,
                ),
            )  # fmt: skip
        elif against.shown == "unknown" and against.difference.n > 1:
            yield Unknown(
                f"Whether tickets are better than {words[name]} "
                f"({figures_words(against.difference)}).{_hopeless(against.seeds)}",
                against.seeds,
                _more(
                    answers,
                    ticket,
                    against.seeds,
                    ratio,
                    methods=dict.fromkeys([ticket.key.method, key.method]),
                    controls=dict.fromkeys(["rewind", key.control]),
                ),
            )


def _seeds_for_sooner(answers: Answers, sooner: Sooner) -> int | None:
    """Seeds that would show on which side of 1 a ratio lies."""
    if sooner.times is None:
        return None
    difference, level = logarithms(sooner.times), (1 - answers.group.params.confidence) / 2
    return seeds_for_power(difference, math.fabs(difference.mean), level)


def _hopeless(seeds: int | None) -> str:
    return "" if seeds else f" Not even {MOST_SEEDS:,} seeds would tell."


def _steps(experiment: Experiment) -> int:
    return experiment.first_run.train.steps


def _all(answers: Answers) -> list[str]:
    """The controls that there are runs of."""
    controls = {experiment.key.control for experiment in answers.group.experiments}
    return [name for name in CONTROLS.names() if name in controls]


def _more(
    answers: Answers,
    ticket: Experiment,
    seeds: int | None,
    ratios: Iterable[float],
    *,
    methods: Iterable[str] | None = None,
    controls: Iterable[str] = ("rewind",),
) -> Making | None:
    """What gives an experiment so many seeds; None where nobody knows how many."""
    if seeds is None:
        return None
    return _make(answers, ticket, seeds, ratios, methods=methods, controls=controls)


def _make(
    answers: Answers,
    ticket: Experiment,
    seeds: int,
    ratios: Iterable[float],
    *,
    methods: Iterable[str] | None = None,
    controls: Iterable[str] = ("rewind",),
) -> Making:
    """What makes tickets like those of an experiment with so many seeds, and runs of them."""
    pruning = ticket.first_run.ticket.pruning
    has_ratio = pruning.per_round is None and pruning.layer_ratio is None
    return Making(
        answers.group.places,
        tuple(methods or [ticket.key.method]),
        tuple(ratio for ratio in ratios if has_ratio or ratio == 0),
        (ticket.key.rounds,),
        enough_seeds(ticket.runs, seeds),
        tuple(controls),
        _steps(ticket),
        pruning_flags(pruning),
    )
