"""Where the numbers of a report come from: parameters, protocol, data, software, revision."""

import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import TicketSummary
from lthctl.canonical import Json
from lthctl.lottery.rates import sets_densities
from lthctl.parameter_types import Select
from lthctl.params import rate_words
from lthctl.reporting.commits import commit_of
from lthctl.reporting.machines import Machines
from lthctl.reporting.reading import Report, unusual_settings
from lthctl.reporting.verdicts import Group

SOFTWARE = ("lthctl", "numpy", "scipy", "matplotlib", "mpld3", "safetensors", "torch", "numba")


def provenance_of(report: Report, machines: Machines | None = None) -> Json:
    """Where the numbers come from: parameters, protocol, data, software, revision, and n of
    everything.

    The same for the same runs, software and commit: no times, no places.

    Args:
      report: the runs, judged.
      machines: see `machines_that_differ`; nothing is said of them where there are none.
    """
    said: Json = {
        "revision": revision(report.folders),
        "software": {name: version(name) for name in SOFTWARE},
        "groups": [_group_provenance(group) for group in report.groups],
    }
    if machines:
        said["machines"] = machines.to_json()
    return said


def revision(folders: Sequence[Path] = (Path(),)) -> Json | None:
    """The commit of the repository that holds some folders, and the tracked files that differ from
    it; None where there is none.

    What results write is no difference: dvc.lock, and everything in folders called report, masks
    and runs, or tickets, as older versions called that one. So the pipeline, which changes these
    itself, says the same before and after.
    """
    if (found := commit_of(folders)) is None:
        return None
    commit, changed = found
    return {"commit": commit, "changed": sorted(path for path in changed if not _is_result(path))}


def _is_result(path: str) -> bool:
    parts = path.split("/")
    return parts[-1] == "dvc.lock" or bool({"report", "masks", "runs", "tickets"} & set(parts[:-1]))


def protocol_rows(group: Group) -> list[Json]:
    """What the runs of a group did beside what the paper's did (Frankle & Carbin, ICLR 2019, for
    this network)."""
    run = _runs(group)[0]
    train, data, model = run.train, run.data, run.model
    test = f"{data.test:,} test" if data.test else "no test split"
    rounds = sorted(
        {experiment.key.rounds for experiment in group.experiments if experiment.key.rounds}
    )
    optimizer = f"{train.optimizer} {rate_words(train)}, batch {train.batch_size}"
    rows = [
        ("network", model.name, "784-300-100-10"),
        (
            "initial weights",
            getattr(model, "init", None) or "the module's own",
            "glorot",
        ),
        (
            "images",
            f"{data.train:,} train, {data.validation:,} validation, {test}",
            "55,000 train, 5,000 validation, 10,000 test",
        ),
        ("optimizer", ", ".join((optimizer, *unusual_settings(train))), "adam 0.0012, batch 60"),
        ("steps of a retraining", f"{train.steps:,}", "50,000"),
        ("evaluated every", f"{train.evaluate_every:,} steps", "100 steps"),
        ("prunable", "weights and biases" if run.ticket.biases else "weights", "weights"),
        (
            "removed per round",
            removed_per_round([one.ticket for one in _runs(group)]),
            "20 % of what remains; 10 % of the output layer",
        ),
        ("rounds", ", ".join(map(str, rounds)) or "none", "as many as the ratio takes"),
        (
            "steps before a pruning",
            steps_before_a_pruning([one.ticket for one in _runs(group)]),
            "50,000 in every round",
        ),
        (
            "accuracy",
            _accuracy(group.params.select, has_test=data.test > 0),
            "test images, at the early-stop step",
        ),
        (
            "trials",
            f"{group.num_seeds} seeds, {reinitialized(_runs(group))}",
            "5 seeds, each ticket reinitialized 3 times",
        ),
    ]
    return [
        {"item": item, "here": here, "paper": paper, "departs": here != paper}
        for item, here, paper in rows
    ]


def _accuracy(select: Select, *, has_test: bool) -> str:
    if select == "min-loss":
        return f"{'test' if has_test else 'validation'} images, at the early-stop step"
    return "highest of the validation images" + ("; test at the early stop" if has_test else "")


def removed_per_round(tickets: Sequence[TicketSummary]) -> str:
    """What a round removes, in words; of several ways all of them."""
    return "; or ".join(dict.fromkeys(_removed(one) for one in tickets if one.rounds)) or "nothing"


def _removed(ticket: TicketSummary) -> str:
    never = f"; nothing of {', '.join(ticket.exclude)}" if ticket.exclude else ""
    if ticket.layer_rate is not None:
        rates = ", ".join(f"{100 * rate:g} % of {name}" for name, rate in ticket.layer_rate)
        return f"of what remains {rates}{never}"
    if ticket.per_round is None:
        return f"what reaches the ratio in the rounds{_of_output(ticket, 'half as much')}{never}"
    share = f"{100 * ticket.per_round * ticket.output_factor:g} %"
    return f"{100 * ticket.per_round:g} % of what remains{_of_output(ticket, share)}{never}"


def _of_output(ticket: TicketSummary, usual: str) -> str:
    if ticket.scope == "global":
        return ", all layers together"
    if ticket.layer_ratio is not None or sets_densities(ticket.method):
        return ", as each layer has its own"
    is_usual = ticket.per_round is not None or ticket.output_factor == 0.5
    return f"; {usual if is_usual else f'{ticket.output_factor:g} of that'} of the output layer"


def steps_before_a_pruning(tickets: Sequence[TicketSummary]) -> str:
    """How long the trainings of the rounds are, in words; of several ways all of them."""
    trained = [(one.train.steps, one.per_round) for one in tickets if one.train is not None]
    words = [
        f"{steps:,} {'shared by the rounds' if rate is None else 'in every round'}"
        for steps, rate in trained
    ]
    return "; or ".join(dict.fromkeys(words)) or "none needed"


def reinitialized(runs: Sequence[Run]) -> str:
    """How often a ticket is retrained from fresh weights, in words."""
    draws = Counter(run.ticket.digest for run in runs if run.control == "reinit")
    most = max(draws.values(), default=0)
    if not most:
        return "no ticket reinitialized"
    return f"each ticket reinitialized {'once' if most == 1 else f'{most} times'}"


def _group_provenance(group: Group) -> Json:
    runs = _runs(group)
    data = runs[0].data
    trained = [run.ticket.train.identity() for run in runs if run.ticket.train is not None]
    distinct = {json.dumps(train, sort_keys=True): train for train in trained}
    return {
        "title": group.title,
        "judged_with": group.params.identity(),
        "train": runs[0].train.identity(),
        "train_of_tickets": [train for _, train in sorted(distinct.items())],
        "model": runs[0].model.to_json(),
        "prunable": "weights and biases" if runs[0].ticket.biases else "weights",
        "data": {key: value for key, value in data.to_json().items() if key != "digest"},
        "data_digests": sorted({run.data.digest for run in runs}),
        "protocol": protocol_rows(group),
        "n": {
            "runs": len(runs),
            "tickets": len({run.ticket.digest for run in runs}),
            "experiments": len(group.experiments),
            "seeds": sorted({seed for experiment in group.experiments for seed in experiment.runs}),
            "evaluations": sum(len(run.history) for run in runs),
        },
    }


def _runs(group: Group) -> list[Run]:
    return [run for experiment in group.experiments for _, run in experiment.all_runs]
