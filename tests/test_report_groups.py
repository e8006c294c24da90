"""Which runs are one group, and which folders are read."""

import json
from pathlib import Path

import pytest

from lthctl.artifacts.names import RUN_JSON
from lthctl.artifacts.run import save_run
from lthctl.artifacts.sealed import seal
from lthctl.canonical import Json, digest_of
from lthctl.errors import ReportError
from lthctl.params import TrainParams
from lthctl.reporting.answers import asked_ladder
from lthctl.reporting.experiments import DENSE, ExperimentKey
from lthctl.reporting.ladders import LadderKey, ladders_of
from lthctl.reporting.reading import make_report, unusual_settings

from .test_report import (
    DATA,
    DENSE_TICKET,
    L1,
    MODEL,
    PARAMS,
    RANDOM_TICKET,
    TRAIN,
    experiment_of,
    group_of,
    make_run,
    replicates,
    report_of,
)

RANDOM = ExperimentKey("rewind", "random", 1, 0.5)


# ---- groups ----


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


# ---- what is read ----


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
