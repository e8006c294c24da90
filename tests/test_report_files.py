"""The files of a report: tables, figures of merit, the same bytes twice."""

import csv
import io
import json
import os
import re
import time
from pathlib import Path

import pytest

from lthctl.artifacts.run import Run, save_run
from lthctl.reporting.reading import make_report
from lthctl.reporting.tables import csv_bytes, report_files
from lthctl.training.history import Row

from .test_report import (
    DENSE_TICKET,
    L1,
    L1_TICKET,
    MODEL,
    PARAMS,
    RANDOM_TICKET,
    TRAIN,
    experiment_of,
    make_run,
    replicates,
    report_of,
    tiny_report,
    unread_report,
)

# ---- files ----


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


# ---- what was asked for ----


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
