"""Runs become experiments, differences and verdicts; the runs are made by hand, so every figure
is known."""

import csv
import io
import json
import os
import re
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from lthctl.artifacts.names import RUN_JSON, ticket_name
from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.run_document import Proof, RunSpecification, TicketSummary
from lthctl.artifacts.sealed import seal
from lthctl.canonical import Json, digest_of
from lthctl.datasets.base import DataDescription
from lthctl.errors import ReportError
from lthctl.models.base import ModelDescription
from lthctl.params import ReportParams, RoundParams, TrainParams
from lthctl.reporting.answers import asked_ladder
from lthctl.reporting.experiments import DENSE, ExperimentKey, desired_by_round
from lthctl.reporting.ladders import LadderKey, ladders_of
from lthctl.reporting.reading import Report, by_protocol, make_report, unusual_settings
from lthctl.reporting.tables import csv_bytes, report_files
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
RANDOM = ExperimentKey("rewind", "random", 1, 0.5)

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


# --- experiments


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


# --- verdicts


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


# --- groups


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"train": {**TRAIN, "steps": 60}}, "60 steps"),
        ({"train": {**TRAIN, "lr": 0.1}}, "adam 0.1"),
        ({"train": {**TRAIN, "optimizer": "sgd", "momentum": 0.9}}, "sgd 0.0012, momentum 0.9"),
        ({"train": {**TRAIN, "evaluate_every": 15}}, "evaluated every 15"),
        ({"model": {**MODEL, "layers": [4, 5, 2]}}, "4-5-2"),
        ({"data": {**DATA, "name": "letters"}}, "letters"),
        (
            {"data": {**DATA, "train": 500, "test": 100}},
            "500 train, 1,000,000 validation, 100 test",
        ),
        ({"biases": False}, "weights pruned"),
    ],
)
def test_other_protocols_are_never_averaged_together(
    tmp_path: Path, other: dict[str, object], words: str
) -> None:
    groups = report_of(tmp_path, make_run(best=0.5), make_run(best=0.75, **other)).groups
    best = [group.experiments[0].first_run.metrics.best_accuracy for group in groups]
    assert sorted(best) == [0.5, 0.75]
    assert [words in group.title for group in groups].count(True) == 1


def test_a_new_setting_is_named_where_it_is_not_at_its_default() -> None:
    class Later(TrainParams):
        label_smoothing: float = 0.0
        averaging: str = "none"

    assert unusual_settings(Later(optimizer="sgd", steps=7)) == []
    given = Later(optimizer="sgd", momentum=0.9, label_smoothing=0.1, averaging="mean")
    assert unusual_settings(given) == ["momentum 0.9", "label smoothing 0.1", "averaging mean"]


def test_a_holdout_that_differs_by_seed_is_one_protocol(tmp_path: Path) -> None:
    runs = [make_run(seed=seed, data={**DATA, "digest": digest_of(seed)}) for seed in (1, 2)]
    assert experiment_of(group_of(tmp_path, *runs), L1).accuracy.n == 2
    other = make_run(seed=3, data={**DATA, "source": "other images"})
    assert len(report_of(tmp_path / "other", *runs, other).groups) == 2


def test_tickets_that_were_pruned_otherwise_are_ladders_of_one_group(tmp_path: Path) -> None:
    """21 lengths of the trainings between the rounds are 21 ladders, in the order of the numbers,
    beside the same dense and random runs."""
    lengths = [15, 9, *range(100, 2000, 100)]
    runs = [make_run(DENSE_TICKET, best=0.5), make_run(RANDOM_TICKET, best=0.25), make_run()]
    runs += [
        make_run(best=0.5 + steps / 10_000, found={**TRAIN, "steps": steps}) for steps in lengths
    ]
    group = group_of(tmp_path, *runs)
    keys = [experiment.key for experiment in group.experiments]
    assert keys[:2] == [DENSE, L1] and keys[-1] == RANDOM
    others = [f"steps {steps}" for steps in sorted(lengths)]
    assert [key.pruned_with for key in keys[2:-1]] == others
    assert keys[2].label == "l1-r0.50-n1 (steps 9)-rewind"
    assert experiment_of(group, keys[3]).difference.mean == pytest.approx(0.0015)
    assert len(ladders_of(group)) == 23
    assert asked_ladder(group) == LadderKey("l1", 1, "rewind")


def test_what_was_pruned_otherwise_is_named_whatever_it_is(tmp_path: Path) -> None:
    run = make_run(found={**TRAIN, "lr": 0.1, "batch_size": 20})
    (experiment,) = group_of(tmp_path, run).experiments
    assert experiment.key.pruned_with == "batch_size 20, lr 0.1"


def test_groups_say_what_sets_them_apart_and_come_in_the_order_of_the_numbers(
    tmp_path: Path,
) -> None:
    trains = [{**TRAIN, "steps": steps} for steps in (1000, 300, 60)]
    groups = report_of(tmp_path, *(make_run(train=train) for train in trains)).groups
    assert [group.differs for group in groups] == ["steps 60", "steps 300", "steps 1,000"]
    alone = group_of(tmp_path / "alone", make_run())
    assert alone.differs == ""


def test_a_title_names_what_it_has_no_words_for(tmp_path: Path) -> None:
    other = make_run(data={**DATA, "source": "2c" * 32})
    groups = report_of(tmp_path, make_run(), other).groups
    assert sorted(group.title.rpartition(" [")[2] for group in groups) == [
        "data source 1b]", "data source 2c2c2c2c]"
    ]  # fmt: skip


def test_tickets_without_training_alone_are_one_group(tmp_path: Path) -> None:
    assert [
        experiment.key
        for experiment in group_of(
            tmp_path, make_run(DENSE_TICKET), make_run(RANDOM_TICKET)
        ).experiments
    ] == [
        DENSE,
        RANDOM,
    ]


def test_the_largest_group_is_first(tmp_path: Path) -> None:
    small = [make_run(DENSE_TICKET, train={**TRAIN, "steps": 15})]  # first by its title
    large = replicates(DENSE_TICKET, [0.5, 0.75])
    assert [group.num_runs for group in report_of(tmp_path, *small, *large).groups] == [2, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"model": {**MODEL, "init": "glorot"}},
        {"train": {**TRAIN, "threads": 4}},
        {"train": {**TRAIN, "device": "cuda"}},
    ],
)
def test_titles_say_what_differs(tmp_path: Path, other: dict[str, object]) -> None:
    first, second = report_of(tmp_path, make_run(), make_run(**other)).groups
    assert not {first.title, second.title} & {f"{first.title} *", f"{second.title} *"}


# --- what is read


def test_the_same_run_in_two_places_counts_once(tmp_path: Path) -> None:
    run = make_run()
    save_run(run, tmp_path / "pipeline" / "rewind" / "l1")
    save_run(run, tmp_path / "rewind" / "copy")
    (group,) = make_report([tmp_path, tmp_path / "rewind" / "copy"], PARAMS).groups
    assert (group.num_runs, experiment_of(group, L1).accuracy.n) == (1, 1)


def test_a_rewound_and_a_reinitialized_run_are_two(tmp_path: Path) -> None:
    assert group_of(tmp_path, make_run(), make_run(control="reinit")).num_runs == 2


def test_two_different_runs_of_one_experiment_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ReportError,
        match=r"there are two different runs of l1-r0\.50-n1-reinit, seed 7 .*by itself",
    ):
        report_of(
            tmp_path,
            make_run(seed=7, best=0.5, control="reinit"),
            make_run(seed=7, best=0.75, control="reinit"),
        )


def damage(folder: Path, how: str) -> None:
    path = folder / RUN_JSON
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-9])
    elif how == "altered":
        path.write_text(path.read_text().replace("0.75", "0.95"))
    elif how == "newer":
        document = json.loads(path.read_text())
        del document["digest"]
        path.write_bytes(seal({**document, "schema": 99}))
    elif how == "history altered":
        (folder / "history.csv").write_text(
            (folder / "history.csv").read_text().replace("0.75", "0.95")
        )
    elif how == "history missing":
        (folder / "history.csv").unlink()


@pytest.mark.parametrize(
    "how", ["truncated", "altered", "newer", "history altered", "history missing"]
)
def test_damaged_runs_are_left_out_and_listed(tmp_path: Path, how: str) -> None:
    save_run(make_run(seed=1, best=0.5), tmp_path / "good")
    bad = save_run(make_run(seed=2, best=0.75), tmp_path / "bad")
    damage(bad, how)
    report = make_report([tmp_path], PARAMS)
    assert experiment_of(report.groups[0], L1).accuracy.mean == 0.5
    ((folder, reason),) = report.left_out
    assert folder == bad
    assert reason.startswith(f"{bad}/")


@pytest.mark.parametrize(
    "change",
    [
        {"start": "../sideways"},
        {"metrics": {}},
        {"metrics": {"best_accuracy": "high"}},
        {"ticket": {}},
        {"train": {}},
    ],
)
def test_a_misshapen_run_is_left_out_and_listed(tmp_path: Path, change: Json) -> None:
    save_run(make_run(seed=1), tmp_path / "good")
    bad = save_run(make_run(seed=2), tmp_path / "bad")
    document = json.loads((bad / RUN_JSON).read_text())
    del document["digest"]
    (bad / RUN_JSON).write_bytes(seal(document | change))
    report = make_report([tmp_path], PARAMS)
    assert [folder for folder, _ in report.left_out] == [bad]


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no run that can be read; make some: lthctl retrain"):
        make_report([tmp_path], PARAMS)


def test_no_run_that_can_be_read_says_why(tmp_path: Path) -> None:
    damage(save_run(make_run(), tmp_path / "bad"), "history missing")
    with pytest.raises(
        ReportError, match=r"(?s)no run that can be read.*\n  .*bad/history\.csv: is missing"
    ):
        make_report([tmp_path], PARAMS)


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    save_run(make_run(), tmp_path / "good")
    with pytest.raises(ReportError, match=r"nowhere: does not exist; .*lthctl retrain"):
        make_report([tmp_path / "good", tmp_path / "nowhere"], PARAMS)


# --- test images


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


# --- files


def tiny_report(folder: Path) -> Report:
    """Two seeds of dense, rewound and reinitialized tickets, one of random pruning; all figures are
    exact."""
    runs = replicates(DENSE_TICKET, [0.5, 0.5], stops=[30, 30])
    runs += replicates(L1_TICKET, [0.75, 0.75], stops=[20, 20], by_round=(0.4375,))
    runs += replicates(
        L1_TICKET, [0.25, 0.25], stops=[10, 10], by_round=(0.4375,), control="reinit"
    )
    return report_of(folder, *runs, make_run(RANDOM_TICKET, 1, 0.375, by_round=(0.4375,)))


SUMMARY_CSV = """\
group,control,method,rounds,ratio,pruned_with,per_round,variant,sparsity,n,accuracy,accuracy_low,\
accuracy_high,\
difference,difference_low,difference_high,early_stop_step,early_stop_step_low,\
early_stop_step_high,early_stop_accuracy,early_stop_accuracy_low,early_stop_accuracy_high,\
test_accuracy,test_accuracy_low,test_accuracy_high,difference_n,verdict,seeds_to_decide
1,rewind,dense,0,0,,,,0,2,0.5,0.5,0.5,,,,30,4.064,55.94,0.375,0.375,0.375,,,,,,
1,rewind,l1,1,0.5,,,,0.4375,2,0.75,0.75,0.75,0.25,0.25,0.25,20,-5.936,45.94,0.75,0.75,0.75,,,,2,too short to tell,
1,reinit,l1,1,0.5,,,,0.4375,2,0.25,0.25,0.25,-0.25,-0.25,-0.25,10,-15.94,35.94,0,-2.594e-06,2.594e-06,,,,2,too short to tell,
1,rewind,random,1,0.5,,,,0.4375,1,0.375,,,-0.125,,,20,,,0.375,,,,,,1,too short to tell,
"""

VERDICTS_CSV = """\
group,method,rounds,ratio,pruned_with,per_round,variant,sparsity,keeps_up,dense_verdict,dense_seeds,\
dense_difference,dense_difference_low,dense_difference_high,dense_difference_n,reinit_verdict,\
reinit_seeds,reinit_difference,reinit_difference_low,reinit_difference_high,reinit_difference_n,\
shuffle_verdict,shuffle_seeds,shuffle_difference,shuffle_difference_low,shuffle_difference_high,\
shuffle_difference_n,random_verdict,random_seeds,random_difference,random_difference_low,\
random_difference_high,random_difference_n,target,sooner_verdict,sooner_kind,times_sooner,\
times_sooner_low,times_sooner_high,times_sooner_n,step_difference,step_difference_low,\
step_difference_high,step_difference_n
1,l1,1,0.5,,,,0.4375,0,too short to tell,,0.25,0.25,0.25,2,too short to tell,,0.5,0.5,0.5,2,unknown,,,,,,too short to tell,,0.375,,,1,0.97,unknown,unknown,,,,,-10,-46.68,26.68,2
1,random,1,0.5,,,,0.4375,0,too short to tell,,-0.125,,,1,unknown,,,,,,unknown,,,,,,,,,,,,0.97,unknown,unknown,,,,,-10,,,1
"""

CURVES_CSV = """\
group,control,method,rounds,ratio,pruned_with,per_round,variant,step,n,train_loss,validation_loss,\
validation_accuracy
1,rewind,dense,0,0.0,,,,10,2,1.5,0.5,0.25
1,rewind,dense,0,0.0,,,,20,2,1.5,0.5,0.5
1,rewind,dense,0,0.0,,,,30,2,1.5,0.25,0.375
1,rewind,l1,1,0.5,,,,10,2,1.5,0.5,0.5
1,rewind,l1,1,0.5,,,,20,2,1.5,0.25,0.75
1,rewind,l1,1,0.5,,,,30,2,1.5,0.5,0.625
1,reinit,l1,1,0.5,,,,10,2,1.5,0.25,0.0
1,reinit,l1,1,0.5,,,,20,2,1.5,0.5,0.25
1,reinit,l1,1,0.5,,,,30,2,1.5,0.5,0.125
1,rewind,random,1,0.5,,,,10,1,1.5,0.5,0.125
1,rewind,random,1,0.5,,,,20,1,1.5,0.25,0.375
1,rewind,random,1,0.5,,,,30,1,1.5,0.5,0.25
"""

RUNS_CSV = """\
group,name,control,method,rounds,ratio,pruned_with,per_round,variant,seed,sparsity,best_accuracy,\
best_step,\
early_stop_accuracy,early_stop_step,final_accuracy,early_stop_test_accuracy
1,dense-s1,rewind,dense,0,0.0,,,,1,0.0,0.5,20,0.375,30,0.375,
1,dense-s2,rewind,dense,0,0.0,,,,2,0.0,0.5,20,0.375,30,0.375,
1,l1-r0.50-n1-s1,rewind,l1,1,0.5,,,,1,0.4375,0.75,20,0.75,20,0.625,
1,l1-r0.50-n1-s2,rewind,l1,1,0.5,,,,2,0.4375,0.75,20,0.75,20,0.625,
1,l1-r0.50-n1-s1,reinit,l1,1,0.5,,,,1,0.4375,0.25,20,0.0,10,0.125,
1,l1-r0.50-n1-s2,reinit,l1,1,0.5,,,,2,0.4375,0.25,20,0.0,10,0.125,
1,random-r0.50-n1-s1,rewind,random,1,0.5,,,,1,0.4375,0.375,20,0.375,20,0.25,
"""

METRICS_JSON = """\
{
  "dense-rewind": 50.0,
  "l1-r0.50-n1-reinit": 25.0,
  "l1-r0.50-n1-rewind": 75.0,
  "random-r0.50-n1-rewind": 37.5,
  "runs": 7
}
"""


def rounded(text: str) -> str:
    """Fractions to four digits."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.4g}", text)


def test_files_of_a_tiny_report(tmp_path: Path) -> None:
    files = {
        name: content.decode() for name, content in report_files(tiny_report(tmp_path)).items()
    }
    for name in ("summary.csv", "verdicts.csv"):
        files[name] = rounded(files[name])
    assert files == {
        "summary.csv": SUMMARY_CSV,
        "verdicts.csv": VERDICTS_CSV,
        "runs.csv": RUNS_CSV,
        "curves.csv": CURVES_CSV,
        "metrics.json": METRICS_JSON,
    }


def test_summary_reads_back_exactly(tmp_path: Path) -> None:
    runs = replicates(DENSE_TICKET, [0.9, 0.91, 0.93]) + replicates(L1_TICKET, [0.91, 0.93, 0.92])
    report = report_of(tmp_path, *runs)
    dense, pruned = csv.DictReader(io.StringIO(report_files(report)["summary.csv"].decode()))
    difference = experiment_of(report.groups[0], L1).difference
    assert difference is not None
    assert [
        float(pruned[name]) for name in ("difference", "difference_low", "difference_high")
    ] == [
        difference.mean,
        difference.low,
        difference.high,
    ]
    assert dense["difference"] == dense["verdict"] == ""


def test_metrics_are_of_the_largest_group(tmp_path: Path) -> None:
    small = [make_run(DENSE_TICKET, best=0.25, train={**TRAIN, "steps": 60})]
    report = report_of(tmp_path, *small, *replicates(DENSE_TICKET, [0.5, 0.75]))
    assert json.loads(report_files(report)["metrics.json"]) == {
        "dense-rewind": 62.5,
        "runs": 2,
    }
    assert [
        row["group"]
        for row in csv.DictReader(io.StringIO(report_files(report)["runs.csv"].decode()))
    ] == list("112")


def some_runs() -> list[Run]:
    runs = replicates(DENSE_TICKET, [0.90, 0.91, 0.93]) + replicates(L1_TICKET, [0.91, 0.92, 0.95])
    runs += [make_run(seed=seed, best=0.8, found={**TRAIN, "steps": 15}) for seed in (1, 2, 3)]
    return runs + replicates(RANDOM_TICKET, [0.5, 0.6, 0.8], train={**TRAIN, "steps": 60})


def test_bytes_are_the_same_twice_and_for_any_names_of_the_folders(tmp_path: Path) -> None:
    runs = some_runs()
    first = report_files(report_of(tmp_path / "first", *runs))
    assert report_files(make_report([tmp_path / "first"], PARAMS)) == first
    assert report_files(report_of(tmp_path / "second", *reversed(runs))) == first
    each = sorted((tmp_path / "first" / "runs").iterdir(), reverse=True)
    assert report_files(make_report(each, PARAMS)) == first


def test_groups_of_one_title_do_not_depend_on_the_names_of_the_folders(tmp_path: Path) -> None:
    runs = [make_run(best=0.5), make_run(best=0.75, model={**MODEL, "init": "glorot"})]
    first, second = report_of(tmp_path / "a", *runs), report_of(tmp_path / "b", *reversed(runs))
    assert report_files(first) == report_files(second)


def test_a_hostile_name_stays_text() -> None:
    report = unread_report(make_run(DENSE_TICKET), make_run(('<script>[bold]",', 0.5, 1)))
    files = report_files(report)
    rows = list(csv.DictReader(io.StringIO(files["summary.csv"].decode())))
    assert [row["method"] for row in rows] == ["dense", '<script>[bold]",']
    (_, row) = csv.DictReader(io.StringIO(files["runs.csv"].decode()))
    assert row["name"] == '<script>[bold]",-r0.50-n1-s1'
    assert json.loads(files["metrics.json"])['<script>[bold]",-r0.50-n1-rewind'] == 75


# --- what was asked for


def test_desired_by_round() -> None:
    assert desired_by_round(DENSE) == []
    assert desired_by_round(ExperimentKey("rewind", "l1", 1, 0.8)) == [0.8]
    assert desired_by_round(ExperimentKey("reinit", "random", 2, 0.75)) == pytest.approx(
        [0.5, 0.75]
    )  # half of the rest, twice


@pytest.mark.slow
def test_a_report_of_ten_thousand_runs_takes_four_times_as_long_as_one_of_a_quarter_of_them(
    tmp_path: Path,
) -> None:
    rows = tuple(
        Row(250 * number, 1 / number, abs(number - 40) / 60, 1 - 1 / number)
        for number in range(1, 61)
    )
    seconds = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        for number in range(10_000):
            ratio, seed, control = (
                0.02 * (1 + number % 49),
                number // 98,
                ("rewind", "reinit")[number // 49 % 2],
            )
            train = {**TRAIN, "steps": 15_000, "evaluate_every": 250}
            run = make_run(
                ("l1", round(ratio, 2), 1), seed, control=control, history=rows, train=train
            )
            save_run(run, tmp_path / ("a", "b")[number >= 2500] / f"{number}")
    for paths in [tmp_path / "a"], [tmp_path / "a", tmp_path / "b"]:
        began = time.process_time()
        report = make_report(paths, PARAMS)
        report_files(report)
        seconds[sum(group.num_runs for group in report.groups)] = time.process_time() - began
    assert seconds.keys() == {2500, 10_000}
    assert seconds[10_000] < 6 * seconds[2500]
    assert seconds[10_000] < 60


def test_no_name_in_a_table_is_run_as_a_formula() -> None:
    row = ["=1+1", "+1", "-1", "@x", "\tx", "a=1", -0.5, None]
    assert csv_bytes(["name"] * 8, [row]).decode().splitlines()[1] == (
        "'=1+1,'+1,'-1,'@x,'\tx,a=1,-0.5,"
    )
