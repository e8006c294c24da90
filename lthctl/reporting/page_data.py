"""What the page knows of a group of runs, as JSON. It decides nothing: every number is the
report's."""

from collections.abc import Mapping, Sequence
from itertools import count

from lthctl.artifacts.names import variant_name
from lthctl.artifacts.run import Run
from lthctl.canonical import Json, finite
from lthctl.reporting.answers import against, answers_of, controls_of, rule_of
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey, desired_by_round
from lthctl.reporting.ladders import Ladder, ladders_of
from lthctl.reporting.page_answers import answer_cards
from lthctl.reporting.reading import Report
from lthctl.reporting.statistics import Interval, t_quantile
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.targets import (
    Arrivals,
    Target,
    arrivals_of,
    steps_worth_seeing,
    targets_of,
    times_sooner,
)
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.reporting.whole_report import whole_report_sentence
from lthctl.training.history import MetricName, Row

MOST_EVALUATIONS = 120_000
"""Evaluations in a page; where the runs have more, curves are thinned, and the page says so."""

RUN_METRICS: tuple[MetricName, ...] = (
    "best_accuracy",
    "best_step",
    "early_stop_accuracy",
    "early_stop_step",
    "final_accuracy",
)


def thinning(report: Report) -> int:
    """Every how many evaluations one is in the page; 1 for all."""
    runs = [
        run
        for group in report.groups
        for experiment in group.experiments
        for _, run in experiment.all_runs
    ]
    return max(1, -(-sum(len(run.history) for run in runs) // MOST_EVALUATIONS))


def group_data(group: Group, survivors: Survivors, stride: int) -> Json:
    """A group as the page's scripts read it.

    Args:
      group: comparable runs.
      survivors: of its tickets.
      stride: see `thinning`.
    """
    runs = [
        (experiment, seed, number, run)
        for experiment in group.experiments
        for seed, draws in experiment.runs.items()
        for number, run in enumerate(draws)
    ]
    place = {experiment.key: i for i, experiment in enumerate(group.experiments)}
    targets = targets_of(group)
    arrivals = {
        experiment.key: [arrivals_of(group, experiment, target) for target in targets]
        for experiment in group.experiments
    }
    first = group.experiments[0].first_run
    answers = answers_of(group)
    return {
        "title": group.title,
        "rule": rule_of(group.params),
        "whole_report": whole_report_sentence(answers) or "",
        "cards": [card._asdict() for card in answer_cards(answers)],
        "unknown": [str(one) for one in unknowns_of(answers)],
        "asked": _asked(group, place),
        "margin": group.params.margin,
        "confidence": group.params.confidence,
        "quantiles": {
            str(n): t_quantile(n - 1, (1 + group.params.confidence) / 2)
            for n in sorted({len(experiment.runs) for experiment in group.experiments})
            if n > 1
        },
        "num_runs": group.num_runs,
        "num_seeds": group.num_seeds,
        "validation": first.data.validation,
        "test": first.data.test,
        "accuracy_words": group.accuracy_words,
        "has_draws": group.has_draws,
        "too_short": answers.too_short,
        "stops_at_end": sum(experiment.stops_at_end for experiment in group.experiments),
        "targets": [
            {"name": target.name, "words": target.words, "accuracy": target.accuracy}
            for target in targets
        ],
        "ladders": [_ladder(ladder, place) for ladder in ladders_of(group)],
        "experiments": [
            _experiment(group, experiment, arrivals[experiment.key])
            for experiment in group.experiments
        ],
        "runs": [
            [
                place[experiment.key],
                seed,
                variant_name(run.ticket.name, draw=run.draw),
                run.ticket.sparsity,
                *(run.metrics.value(name) for name in RUN_METRICS),
                [_step(one, seed, number) for one in arrivals[experiment.key]],
            ]
            for experiment, seed, number, run in runs
        ],
        "curves": _curves([run for _, _, _, run in runs], stride),
        "sparsity": [
            _sparsity(experiment)
            for experiment in group.experiments
            if experiment.key.method != DENSE.method
        ],
        "layers": [[*row.key[1:4], *row[1:]] for row in survivors.layers],
        "pixels": [
            [*row.key[1:4], row.n, [round(float(kept), 1) for kept in row.kept]]
            for row in survivors.pixels
        ],
        "kernels": [[*row.key[1:4], *row[1:]] for row in survivors.kernels],
        "common": [[*row.a[1:4], *row.b[1:4], *row[2:]] for row in survivors.common],
        "missing": list(survivors.missing),
    }


def _asked(group: Group, place: Mapping[ExperimentKey, int]) -> Json:
    """Where the experiments and ladders of the answers are; None for what is not there."""
    answers = answers_of(group)
    much, far = answers.how_much_sooner, answers.how_far
    names: Json = {"dense": place.get(DENSE)}
    if much is not None:
        names["ticket"] = place[much.ticket.key]
        for name, key in controls_of(much.ticket.key).items():
            names[name] = None if key is None else place.get(key)
        asked = [DENSE, much.ticket.key, *controls_of(much.ticket.key).values()]
        shown = [one for key in asked if key and (one := group.experiment(key)) is not None]
        names["until"] = steps_worth_seeing(group, shown, much.target)
    numbers = dict(zip((ladder.key for ladder in ladders_of(group)), count(), strict=False))
    ladders = (far.ladder, far.reinit, far.random) if far else ()
    names["ladders"] = [numbers[one.key] for one in ladders if one is not None]
    return names


def _ladder(ladder: Ladder, place: Mapping[ExperimentKey, int]) -> Json:
    return {
        **ladder.key._asdict(),
        "walk": ladder.key.walk,
        "sizes": [place[size.key] for size in ladder.sizes],
        "held": ladder.num_held,
        "seeds": ladder.seeds,
        "is_primary": ladder.is_primary,
        "verdicts": [
            ("better" if size.verdict == "better" else "as good")
            if i < ladder.num_held
            else ladder.stopped
            if i == ladder.num_held or ladder.stopped == "too short to tell"
            else "unknown"  # as the walk ended above it
            for i, size in enumerate(ladder.sizes)
        ],
    }


def _experiment(group: Group, experiment: Experiment, arrivals: Sequence[Arrivals]) -> Json:
    key = experiment.key
    rewound = key.control == "rewind" and key.method != DENSE.method
    others = {
        name: other
        for name, other_key in (controls_of(key) if rewound else {}).items()
        if other_key is not None and (other := group.experiment(other_key)) is not None
    }
    return {
        **key._asdict(),
        "walk": key.walk,
        "ticket": key.ticket,
        "density": 1 - experiment.sparsity,
        "accuracy": _interval(experiment.accuracy),
        "difference": _interval(experiment.difference),
        "stop": _interval(experiment.early_stop_step),
        "test": _interval(experiment.test_accuracy),
        "stops_at_end": experiment.stops_at_end,
        "num_runs": len(experiment.all_runs),
        "against": {name: _against(group, experiment, other) for name, other in others.items()},
        "arrivals": [
            {
                "n": len(one.arrivals),
                "arrived": one.num_arrived,
                "steps": one.mean_steps,
                "than": _than(group, experiment, others, one.target),
            }
            for one in arrivals
        ],
    }


def _than(
    group: Group, experiment: Experiment, others: Mapping[str, Experiment], target: Target
) -> Json:
    """Times sooner than dense and than each control that there is."""
    if experiment.key == DENSE:
        return {}
    compared = {"dense": group.dense, **others}
    return {
        name: _sooner(times_sooner(group, experiment, other, target))
        for name, other in compared.items()
    }


def _against(group: Group, experiment: Experiment, other: Experiment) -> Json:
    found = against(group, experiment, other)
    return {
        "difference": _interval(found.difference),
        "verdict": found.shown,
        "seeds": found.seeds,
    }


def _curves(runs: Sequence[Run], stride: int) -> Json:
    """Few digits of each evaluation that is kept: a curve is looked at."""
    history = runs[0].history
    kept = [i for i in range(len(history)) if i % stride == stride - 1 or i == len(history) - 1]

    def rows(run: Run) -> list[Row]:
        return [run.history[i] for i in kept if i < len(run.history)]

    return {
        "steps": [history[i].step for i in kept],
        "accuracy": [[_short(row.validation_accuracy, 5) for row in rows(run)] for run in runs],
        "loss": [[_short(row.validation_loss, 4) for row in rows(run)] for run in runs],
        "train_loss": [[_short(row.train_loss, 4) for row in rows(run)] for run in runs],
    }


def _short(value: float, digits: int) -> float | None:
    return finite(float(f"{value:.{digits}g}"))


def _step(arrivals: Arrivals, seed: int, number: int) -> float | None:
    found = arrivals.of_runs.get(seed)
    return found[number].step if found else None


def _interval(value: Interval | None) -> Json | None:
    return (
        {"n": value.n, "mean": value.mean, "low": value.low, "high": value.high} if value else None
    )


def _sooner(value: Sooner | None) -> Json | None:
    if value is None:
        return None
    return {
        "n": value.n,
        "times": _interval(value.times),
        "kind": value.kind,
        "missing": value.num_missing,
        "others_missing": value.num_others_missing,
    }


def _sparsity(experiment: Experiment) -> Json:
    reached = [ticket.sparsity_by_round for ticket in experiment.tickets.values()]
    return {
        **experiment.key._asdict(),
        "ticket": experiment.key.ticket,
        "n": len(reached),
        "desired": desired_by_round(experiment.key),
        "actual": [sum(after) / len(after) for after in zip(*reached, strict=True)],
    }
