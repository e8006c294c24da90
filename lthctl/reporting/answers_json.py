"""The answers as JSON: all of them, and as flat numbers for metrics.json."""

from lthctl.canonical import Json
from lthctl.reporting.answers import Against, answers_of, sooner_by
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import Experiment
from lthctl.reporting.ladders import Ladder, primary_of
from lthctl.reporting.sentences import sentences_of
from lthctl.reporting.statistics import Interval
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.reporting.whole_report import statements_of, whole_report_sentence


def answers_json(group: Group) -> Json:
    """The answers of a group, their numbers, and what is not known."""
    answers = answers_of(group)
    far, much, which = answers.how_far, answers.how_much_sooner, answers.weights_or_mask
    document: Json = {
        "title": group.title,
        "margin": group.params.margin,
        "confidence": group.params.confidence,
        "targets": list(group.params.targets),
        "primary": [key.name for key in primary_of(group)],
        "too_short": answers.too_short,
        "sentences": list(sentences_of(answers)),
        "whole_report": {
            "sentence": whole_report_sentence(answers),
            "statements": [vars(one) for one in statements_of(answers)],
        },
        "unknown": [
            {"text": one.text, "seeds": one.seeds, "command": one.command}
            for one in unknowns_of(answers)
        ],
        "how_far": far
        and {
            **far.asked._asdict(),
            "ladder": _ladder_json(far.ladder),
            "reinit": _ladder_json(far.reinit),
            "random": _ladder_json(far.random),
        },
        "how_much_sooner": much
        and {
            **much.ticket.key._asdict(),
            "density": 1 - much.ticket.sparsity,
            "target": much.target.accuracy,
            "than_dense": _sooner_json(much.than_dense),
            "than_reinit": _sooner_json(much.than_reinit),
            "than_random": _sooner_json(much.than_random),
        },
        "weights_or_mask": which
        and {
            **which.ticket.key._asdict(),
            "density": 1 - which.ticket.sparsity,
            "reinit": _against_json(which.reinit),
            "shuffle": _against_json(which.shuffle),
            "random": _against_json(which.random),
            **{name: _against_json(one) for name, one in which.others.items()},
        },
    }
    return document


def answer_metrics(group: Group) -> Json:
    """The answers as flat numbers: percent of the weights, times sooner, and points of accuracy.
    What is not known is left out."""
    answers = answers_of(group)
    numbers: Json = {}
    if (far := answers.how_far) and far.ladder and far.ladder.smallest:
        numbers["keeps_up_percent"] = _round(100 * (1 - far.ladder.smallest.sparsity))
    if much := answers.how_much_sooner:
        for name, sooner in (
            ("times_sooner", much.than_dense),
            ("times_sooner_than_reinit", much.than_reinit),
        ):
            if sooner and sooner.times and sooner.kind == "exact":
                numbers |= _flat(name, sooner.times, 1)
    if (which := answers.weights_or_mask) and not answers.too_short:
        for name, against in (("above_reinit", which.reinit), ("above_random", which.random)):
            if against.difference:
                numbers |= _flat(name, against.difference, 100)
    return numbers


def _flat(name: str, value: Interval, scale: float) -> Json:
    ends = {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
    return {key: _round(scale * end) for key, end in ends.items() if end is not None}


def _round(value: float) -> float:
    return round(value, 4)


def _interval_json(value: Interval | None) -> Json | None:
    if value is None:
        return None
    return {"n": value.n, "mean": value.mean, "low": value.low, "high": value.high}


def _ladder_json(ladder: Ladder | None) -> Json | None:
    if ladder is None:
        return None
    return {
        "sizes": len(ladder.sizes),
        "held": ladder.num_held,
        "stopped": ladder.stopped,
        "level": ladder.level,
        "untested": list(ladder.untested),
        "seeds": ladder.seeds,
        "smallest": _size_json(ladder.smallest),
        "next": _size_json(ladder.next),
    }


def _size_json(size: Experiment | None) -> Json | None:
    if size is None:
        return None
    return {
        "ratio": size.key.ratio,
        "density": 1 - size.sparsity,
        "difference": _interval_json(size.difference),
    }


def _sooner_json(sooner: Sooner | None) -> Json | None:
    if sooner is None:
        return None
    return {
        "n": sooner.n,
        "times": _interval_json(sooner.times),
        "kind": sooner.kind,
        "missing": sooner.num_missing,
        "others_missing": sooner.num_others_missing,
        "verdict": sooner_by(sooner),
    }


def _against_json(against: Against) -> Json:
    return {
        "difference": _interval_json(against.difference),
        "verdict": against.shown,
        "seeds": against.seeds,
    }
