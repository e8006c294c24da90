"""Runs become experiments, differences and verdicts; the runs are made by hand, so every figure
is known."""

import csv
import io
import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from lthctl.artifacts.names import ticket_name
from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.run_document import Proof, RunSpecification, TicketSummary
from lthctl.canonical import Json, digest_of
from lthctl.datasets.base import DataDescription
from lthctl.models.base import ModelDescription
from lthctl.params import ReportParams, RoundParams, TrainParams
from lthctl.reporting.experiments import DENSE, ExperimentKey, desired_by_round
from lthctl.reporting.reading import Report, by_protocol, make_report
from lthctl.reporting.tables import report_files
from lthctl.reporting.verdicts import Group, judged_group
from lthctl.training.history import Row, metrics_of

TRAIN = TrainParams(steps=30, evaluate_every=10, engine="torch", device="cpu").identity()


MODEL: Json = {"kind": "mlp", "layers": [4, 3, 2], "init": "uniform"}


DATA: Json = {
    "name": "digits",
    "digest": "1a" * 32,
    "source": "1b",
    "train": 600,
    "validation": 1_000_000,
    "test": 0,
}


PARAMS = ReportParams()  # a margin of .002 and a confidence of 95 %


L1 = ExperimentKey("rewind", "l1", 1, 0.5)


L1_REINIT = ExperimentKey("reinit", "l1", 1, 0.5)


Asked = tuple[str, float, int]  # method, ratio, rounds


DENSE_TICKET: Asked = ("dense", 0.0, 0)


L1_TICKET: Asked = ("l1", 0.5, 1)


RANDOM_TICKET: Asked = ("random", 0.5, 1)


def history_of(best: float, stop: int, train: Json = TRAIN) -> tuple[Row, ...]:
    """The evaluations of a training: the accuracy is highest at the second, the loss lowest at step
    `stop`."""
    every = train["evaluate_every"]
    steps = [min(first + every, train["steps"]) for first in range(0, train["steps"], every)]
    accuracies = [best - 0.25, best, *[best - 0.125] * len(steps)]
    return tuple(
        Row(step, 1.5, 0.25 if step == stop else 0.5, accuracy)
        for step, accuracy in zip(steps, accuracies, strict=False)
    )


def between_rounds(train: Json) -> RoundParams | None:
    return RoundParams.model_validate(train) if train else None


def make_run(
    experiment: Asked = L1_TICKET,
    seed: int = 1,
    best: float = 0.75,
    *,
    control: str = "rewind",
    stop: int = 20,
    by_round: tuple[float, ...] | None = None,
    history: tuple[Row, ...] | None = None,
    train: Json = TRAIN,
    found: Json | None = None,
    model: Json = MODEL,
    data: Json = DATA,
    biases: bool = True,
) -> Run:
    """A run as `retrain` would have given it.

    Args:
      experiment: method, ratio and rounds of the ticket.
      seed: its seed.
      best: highest validation accuracy; at the early stop it is 1/4 lower at step 10, 1/8 at step
        30.
      control: what it was retrained from.
      stop: step of the lowest validation loss: 10, 20 or 30.
      by_round: actual sparsity after every round; by default as if each round had removed the same
        share of all.
      history: in place of the one that `best` and `stop` say.
      train, model, data, biases: the protocol.
      found: parameters of the trainings that found the ticket; by default those of `train` for l1
        and none otherwise.
    """
    method, ratio, rounds = experiment
    sparsity = (
        [ratio * (number + 1) / rounds for number in range(rounds)]
        if by_round is None
        else list(by_round)
    )
    if found is None:
        found = train if method == "l1" else {}
    found = {key: value for key, value in found.items() if key != "evaluate_every"}
    ticket: Json = {
        "name": ticket_name(method, ratio, rounds, seed),
        "method": method,
        "ratio": ratio,
        "rounds": rounds,
        "seed": seed,
        "sparsity": sparsity[-1] if sparsity else 0.0,
        "sparsity_by_round": sparsity,
        "biases": biases,
        "train": found,
    }
    ticket["digest"] = digest_of([ticket, model, data])
    rows = history or history_of(best, stop, train)
    if data["test"] and rows[0].test_loss is None:
        rows = tuple(row._replace(test_loss=1.0, test_accuracy=0.5) for row in rows)
    if rows[0].test_loss is not None and not data["test"]:
        data = {**data, "test": 100}
    specification = RunSpecification.model_construct(
        ticket=TicketSummary.model_construct(**{**ticket, "train": between_rounds(found)}),
        control=control,
        train=TrainParams.model_validate(train),
        model=TypeAdapter(ModelDescription).validate_python(model),
        data=DataDescription.model_validate(data),
    )
    return Run(
        specification,
        training=digest_of([ticket, control, train, rows]),  # other results are another training
        proof=Proof(start=digest_of(seed), pruned=0, pruned_nonzero=0, kept=0, kept_moved=0),
        metrics=metrics_of(rows),
        history=rows,
        weights=None,
    )


def replicates(
    experiment: Asked, bests: list[float], *, stops: list[int] | None = None, **same: object
) -> list[Run]:
    """Runs of seeds 1, 2, ... with these accuracies and early-stop steps."""
    return [
        make_run(experiment, seed, best, stop=stops[seed - 1] if stops else 20, **same)
        for seed, best in enumerate(bests, start=1)
    ]


def report_of(folder: Path, *runs: Run, params: ReportParams = PARAMS) -> Report:
    """The report on some runs, each saved to a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            os, "fsync", lambda descriptor: None
        )  # what a power cut would lose is not tested here
        for number, run in enumerate(runs):
            save_run(run, folder / "runs" / f"{number:02d}")
    return make_report([folder / "runs"], params)


def unread_report(*runs: Run) -> Report:
    """The report on runs that no reader would let through."""
    return Report(
        tuple(
            judged_group(protocol.title, members, PARAMS) for protocol, members in by_protocol(runs)
        ),
        (),
    )


def group_of(folder: Path, *runs: Run, params: ReportParams = PARAMS) -> Group:
    """The only group of the report on some runs."""
    (group,) = report_of(folder, *runs, params=params).groups
    return group


def experiment_of(group: Group, key: ExperimentKey) -> Asked:
    experiment = group.experiment(key)
    assert experiment is not None
    return experiment


# ---- experiments ----


def test_cells_gather_seeds_and_come_in_order(tmp_path: Path) -> None:
    tickets: list[tuple[Asked, str]] = [
        (("random", 0.5, 1), "rewind"),
        (("l1", 0.5, 5), "rewind"),
        (("l1", 0.8, 1), "rewind"),
        (("l1", 0.5, 1), "shuffle"),
        (("l1", 0.5, 1), "reinit"),
        (("l1", 0.5, 1), "rewind"),
        (("dense", 0.0, 0), "reinit"),
        (("dense", 0.0, 0), "rewind"),
    ]
    runs = [
        make_run(ticket, seed, control=control) for seed in (2, 1) for ticket, control in tickets
    ]
    group = group_of(tmp_path, *runs)
    assert [experiment.key.label for experiment in group.experiments] == [
        "dense-rewind",
        "dense-reinit",
        "l1-r0.50-n1-rewind",
        "l1-r0.50-n1-reinit",
        "l1-r0.50-n1-shuffle",
        "l1-r0.80-n1-rewind",
        "l1-r0.50-n5-rewind",
        "random-r0.50-n1-rewind",
    ]
    assert all(list(experiment.runs) == [1, 2] for experiment in group.experiments)
    assert (group.num_runs, group.num_seeds) == (16, 2)


def test_figures_of_a_cell_by_hand(tmp_path: Path) -> None:
    runs = [
        make_run(L1_TICKET, 1, 0.50, stop=10, by_round=(0.25,)),  # early stop at .25
        make_run(L1_TICKET, 2, 0.75, stop=20, by_round=(0.50,)),  # at .75
        make_run(L1_TICKET, 3, 1.00, stop=30, by_round=(0.75,)),  # at .875
    ]
    experiment = experiment_of(group_of(tmp_path, *runs), L1)
    assert (experiment.accuracy.n, experiment.accuracy.mean, experiment.accuracy.deviation) == (
        3,
        0.75,
        0.25,
    )
    assert experiment.accuracy.low == pytest.approx(0.75 - 4.303 * 0.25 / 3**0.5, abs=1e-4)
    assert (experiment.early_stop_step.mean, experiment.early_stop_step.deviation) == (20, 10)
    assert experiment.early_stop_accuracy.mean == pytest.approx((0.25 + 0.75 + 0.875) / 3)
    assert experiment.sparsity == 0.5
    assert experiment.stops_at_end == 1
    assert experiment.test_accuracy is None


def test_runs_that_stop_at_the_end_are_counted(tmp_path: Path) -> None:
    group = group_of(tmp_path, *replicates(L1_TICKET, [0.5, 0.5, 0.5], stops=[30, 10, 30]))
    assert experiment_of(group, L1).stops_at_end == 2


def test_confidence_is_the_parameters(tmp_path: Path) -> None:
    runs = replicates(
        L1_TICKET, [0.5, 0.75]
    )  # standard error 1/8; Cauchy's quantile at (1 + .5) / 2 is 1
    experiment = experiment_of(
        group_of(tmp_path, *runs, params=ReportParams(confidence=0.500001)), L1
    )
    assert (experiment.accuracy.low, experiment.accuracy.high) == pytest.approx(
        (0.5, 0.75), abs=1e-5
    )


def test_differences_are_paired_by_the_seeds_in_common(tmp_path: Path) -> None:
    dense = {2: 0.5, 3: 0.625, 5: 1.0}
    pruned = {1: 0.25, 2: 0.75, 3: 0.75, 4: 0.25}
    runs = [make_run(DENSE_TICKET, seed, best) for seed, best in dense.items()]
    runs += [make_run(L1_TICKET, seed, best) for seed, best in pruned.items()]
    experiment = experiment_of(group_of(tmp_path, *runs), L1)
    assert experiment.accuracy.mean == 0.5  # of all four
    assert experiment.difference is not None
    # 1/4 in seed 2, 1/8 in seed 3
    assert (experiment.difference.n, experiment.difference.mean) == (2, 0.1875)
    assert experiment.difference.deviation == pytest.approx(0.0625 * 2**0.5)


def test_the_summary_gives_the_n_of_a_difference(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.5, 0.625]) + replicates(L1_TICKET, [0.75, 0.75, 0.875])
    _, row = csv.DictReader(
        io.StringIO(report_files(report_of(tmp_path, *runs))["summary.csv"].decode())
    )
    assert row["n"] == "3"
    assert "2" in row.values()  # no other figure of the row is 2


def test_without_a_seed_in_common_there_is_no_difference(tmp_path: Path) -> None:
    group = group_of(tmp_path, make_run(DENSE_TICKET, 1), make_run(L1_TICKET, 2))
    experiment = experiment_of(group, L1)
    assert (experiment.difference, experiment.verdict, experiment.seeds_to_decide) == (
        None,
        "unknown",
        None,
    )


def test_dense_is_not_compared_with_itself(tmp_path: Path) -> None:
    group = group_of(tmp_path, make_run(DENSE_TICKET), make_run(DENSE_TICKET, control="reinit"))
    assert [(experiment.difference, experiment.verdict) for experiment in group.experiments] == [
        (None, None)
    ] * 2
    assert group.dense is not None and group.dense.key == DENSE


def test_dense_means_the_rewound_one(tmp_path: Path) -> None:
    group = group_of(tmp_path, make_run(DENSE_TICKET, control="reinit"), make_run(L1_TICKET))
    assert group.dense is None
    assert experiment_of(group, L1).difference is None


# ---- verdicts ----


def test_verdicts_are_those_of_the_paired_differences(tmp_path: Path) -> None:
    dense = [0.90, 0.91, 0.92]
    differences = {
        ("l1", 0.1, 1): [0.010, 0.011, 0.012],  # t of 0 is 19: two-sided p .003
        ("l1", 0.2, 1): [-0.0003, -0.0001, 0.0001],  # t of the margin is 16.5: p .002
        ("l1", 0.3, 1): [-0.040, -0.041, -0.042],
        ("l1", 0.4, 1): [-0.010, 0.010, 0.0],
    }
    runs = replicates(DENSE_TICKET, dense)
    for ticket, added in differences.items():
        runs += replicates(ticket, [base + more for base, more in zip(dense, added, strict=True)])
    experiments = group_of(tmp_path, *runs).experiments
    verdicts = [experiment.verdict for experiment in experiments]
    assert verdicts == [None, "better", "as good", "worse", "unknown"]
    # 1.645 + .842 standard errors of .01 are .002 at n = 154.6, and 1.4 for Student's t
    assert [experiment.seeds_to_decide for experiment in experiments] == [None] * 4 + [156]


def test_a_verdict_does_not_change_with_its_company(tmp_path: Path) -> None:
    """Differences 1, 2 and 3 hundredths: t is 3.46, one-sided p .037. Adjusted for a second it
    would be unknown."""
    dense = replicates(DENSE_TICKET, [0.5, 0.5, 0.5])
    pruned = replicates(L1_TICKET, [0.51, 0.52, 0.53])
    hopeless = replicates(RANDOM_TICKET, [0.3, 0.5, 0.7])
    hopeless += replicates(L1_TICKET, [0.3, 0.5, 0.7], control="reinit")
    params = ReportParams(margin=1e-6)
    alone = group_of(tmp_path / "alone", *dense, *pruned, params=params)
    others = group_of(tmp_path / "two", *dense, *pruned, *hopeless, params=params)
    assert experiment_of(alone, L1).verdict == "as good"
    assert experiment_of(others, L1).verdict == "as good"
    assert experiment_of(alone, L1).difference == experiment_of(others, L1).difference


def test_where_dense_still_improves_nothing_is_won(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.5, 0.5, 0.5], stops=[30, 30, 20])
    group = group_of(tmp_path, *runs, *replicates(L1_TICKET, [0.51, 0.52, 0.53]))
    assert group.is_too_short
    verdicts = [experiment.verdict for experiment in group.experiments]
    assert verdicts == [None, "too short to tell"]


def test_the_margin_is_the_parameters(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.5, 0.5, 0.5]) + replicates(L1_TICKET, [0.48, 0.49, 0.50])
    assert experiment_of(group_of(tmp_path / "narrow", *runs), L1).verdict == "unknown"
    assert (
        experiment_of(
            group_of(tmp_path / "wide", *runs, params=ReportParams(margin=0.1)), L1
        ).verdict
        == "as good"
    )


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    experiment = experiment_of(
        group_of(tmp_path, make_run(DENSE_TICKET, 1, 0.5), make_run(L1_TICKET, 1, 1.0)), L1
    )
    assert experiment.difference is not None and (
        experiment.difference.n,
        experiment.difference.low,
    ) == (1, None)
    assert (experiment.verdict, experiment.seeds_to_decide) == ("unknown", None)


# ---- test images ----


def test_test_accuracy_is_read_at_the_early_stop_step_and_chooses_nothing(tmp_path: Path) -> None:
    """The loss is lowest at step 20, the validation accuracy highest at 30; the test accuracy is
    highest at 10."""
    data = {**DATA, "test": 32}
    validation = [(10, 1.0, 0.75, 0.25), (20, 1.0, 0.25, 0.5), (30, 1.0, 0.5, 0.75)]
    tests = [(0.125, 1.0), (2.0, 0.625), (1.0, 0.875)]
    history = tuple(Row(*row, *test) for row, test in zip(validation, tests, strict=True))
    group = group_of(tmp_path / "a", make_run(data=data, history=history))
    experiment = experiment_of(group, L1)
    assert "32 test images" in group.title
    assert experiment.test_accuracy is not None and experiment.test_accuracy.mean == 0.625
    assert (
        experiment.accuracy.mean,
        experiment.early_stop_step.mean,
        experiment.early_stop_accuracy.mean,
    ) == (
        0.875,  # of the test images, where the validation accuracy is highest
        20,
        0.5,
    )

    swapped = tuple(Row(*row, *test) for row, test in zip(validation, reversed(tests), strict=True))
    other = experiment_of(group_of(tmp_path / "b", make_run(data=data, history=swapped)), L1)
    assert other.accuracy.mean == 1.0  # of the test images, at the step of the best validation
    assert (other.early_stop_step, other.early_stop_accuracy) == (
        experiment.early_stop_step,
        experiment.early_stop_accuracy,
    )


# ---- files ----


def tiny_report(folder: Path) -> Report:
    """Two seeds of dense, rewound and reinitialized tickets, one of random pruning; all figures are
    exact."""
    runs = replicates(DENSE_TICKET, [0.5, 0.5], stops=[30, 30])
    runs += replicates(L1_TICKET, [0.75, 0.75], stops=[20, 20], by_round=(0.4375,))
    runs += replicates(
        L1_TICKET, [0.25, 0.25], stops=[10, 10], by_round=(0.4375,), control="reinit"
    )
    return report_of(folder, *runs, make_run(RANDOM_TICKET, 1, 0.375, by_round=(0.4375,)))


# ---- what was asked for ----


def test_desired_by_round() -> None:
    assert desired_by_round(DENSE) == []
    assert desired_by_round(ExperimentKey("rewind", "l1", 1, 0.8)) == [0.8]
    assert desired_by_round(ExperimentKey("reinit", "random", 2, 0.75)) == pytest.approx(
        [0.5, 0.75]
    )  # half of the rest, twice
