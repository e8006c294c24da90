"""The answers as files: answers.json, ladders.csv and arrivals.csv."""

from lthctl.canonical import canonical_json
from lthctl.reporting.answers import rule_of
from lthctl.reporting.answers_json import answers_json
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.experiments import Experiment, ExperimentKey
from lthctl.reporting.ladders import LadderKey, ladders_of
from lthctl.reporting.reading import Report
from lthctl.reporting.tables import csv_bytes
from lthctl.reporting.targets import arrivals_of, targets_of


def answer_files(report: Report) -> dict[str, bytes]:
    """File name -> bytes of what holds the answers."""
    document = {
        "rule": rule_of(report.groups[0].params),
        "groups": [answers_json(group) for group in report.groups],
    }
    return {
        "answers.json": canonical_json(document),
        "ladders.csv": _ladders_csv(report),
        "arrivals.csv": _arrivals_csv(report),
    }


def _ladders_csv(report: Report) -> bytes:
    """A row per ladder."""
    ends = ("ratio", "density", "n", "difference", "difference_low", "difference_high")
    header = ["group", *LadderKey._fields, "sizes", "held", "stopped", "level", "seeds"]
    header += ["primary", "untested"]
    header += [f"{which}_{end}" for which in ("smallest", "next") for end in ends]
    rows = [
        [
            number,
            *ladder.key,
            len(ladder.sizes),
            ladder.num_held,
            ladder.stopped,
            round(ladder.level, 12),
            ladder.seeds,
            int(ladder.is_primary),
            " ".join(f"{ratio:g}" for ratio in ladder.untested),
            *_size_cells(ladder.smallest),
            *_size_cells(ladder.next),
        ]
        for number, group in enumerate(report.groups, start=1)
        for ladder in ladders_of(group)
    ]
    return csv_bytes(header, rows)


def _size_cells(size: Experiment | None) -> list[object]:
    if size is None or size.difference is None:
        return [None] * 6
    difference = size.difference
    cells = [size.key.ratio, 1 - size.sparsity, difference.n]
    return [*cells, difference.mean, difference.low, difference.high]


def _arrivals_csv(report: Report) -> bytes:
    """A row per experiment and target."""
    header = ["group", *ExperimentKey._fields, "target", "n", "arrived", "steps"]
    header += ["too_short"]
    header += [
        f"{other}_{name}"
        for other in ("dense", "reinit")
        for name in ("times", "times_low", "times_high", "kind", "n")
    ]
    rows = []
    for number, group in enumerate(report.groups, start=1):
        for experiment in group.experiments:
            for target in targets_of(group):
                found = arrivals_of(group, experiment, target)
                if not found.arrivals:  # no dense run has its seeds
                    continue
                rows.append(
                    [
                        number,
                        *experiment.key,
                        target.name,
                        len(found.arrivals),
                        found.num_arrived,
                        found.mean_steps,
                        int(target.accuracy is None and group.is_too_short),
                        *_sooner_cells(found.than_dense),
                        *_sooner_cells(found.than_reinit),
                    ]
                )
    return csv_bytes(header, rows)


def _sooner_cells(sooner: Sooner | None) -> list[object]:
    if sooner is None:
        return [None] * 5
    times = sooner.times
    cells: list[object] = [times.mean, times.low, times.high] if times else [None] * 3
    return [*cells, sooner.kind, sooner.n]
