"""A report says so when its runs were trained on several kinds of machine whose bytes may differ."""

import json
from pathlib import Path

import pytest

from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.trained_where import COLUMNS, machines_of
from lthctl.reporting.provenance import provenance_of
from lthctl.reporting.report import report

from .command_line import lthctl
from .test_report import TRAIN, make_run

EPYC, XEON, ARM = "AMD EPYC 9R14 x86_64", "Intel(R) Xeon(R) CPU @ 2.80GHz x86_64", "aarch64"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LTHCTL_STORE", raising=False)


def run_on(engine: str, *machines: str) -> list[Run]:
    """A run for each machine, in runs/, and the tables of two workers that trained them."""
    runs = [
        make_run(("dense", 0.0, 0), seed=seed, train=TRAIN | {"engine": engine})
        for seed in range(1, len(machines) + 1)
    ]
    trained = Path(".lthctl/plans/1a/trained")
    trained.mkdir(parents=True)
    for number, (run, machine) in enumerate(zip(runs, machines, strict=True)):
        save_run(run, Path(f"runs/{number}"))
        row = f"{run.training},rewind of dense,2.5,node{number},{machine}\n"
        with (trained / f"w{number % 2}.csv").open("a") as table:
            table.write(",".join(COLUMNS) + f"\n{row}")
    return runs


NOTE = (
    f"These runs were trained on 2 kinds of machine, {EPYC} (1), {XEON} (2). With their engine "
    "results may differ in the last bits from kind to kind."
)


def test_kinds_that_may_differ_are_named_with_their_runs() -> None:
    run_on("torch", XEON, EPYC, XEON)
    found = report("runs")
    assert found.machines == {EPYC: 1, XEON: 2}
    said = provenance_of(found.report, found.machines)
    assert said["machines"] == {"runs": {EPYC: 1, XEON: 2}, "note": NOTE}


@pytest.mark.long
def test_the_report_says_so_on_the_terminal_and_on_its_page() -> None:
    run_on("torch", XEON, EPYC, XEON)
    done = lthctl("report", "runs", "--out", "report")
    assert NOTE in " ".join(done.stdout.split())
    assert json.loads(Path("report/provenance.json").read_bytes())["machines"]["note"] == NOTE
    assert NOTE in Path("report/index.html").read_text()


@pytest.mark.parametrize(
    ("engine", "machines"), [("torch", (XEON, XEON)), ("sparse", (XEON, EPYC)), ("torch", ())]
)
def test_nothing_is_said_where_the_bytes_are_the_same_or_nobody_knows(
    engine: str, machines: tuple[str, ...]
) -> None:
    run_on(engine, *machines)
    if not machines:
        save_run(make_run(("dense", 0.0, 0)), Path("runs/by hand"))
    found = report("runs")
    assert not found.machines and "machines" not in provenance_of(found.report, found.machines)


def test_the_sparse_engine_is_the_same_within_one_architecture() -> None:
    run_on("sparse", XEON, ARM)
    assert report("runs").machines == {XEON: 1, ARM: 1}


def test_tables_that_are_none_tell_nothing() -> None:
    (run,) = run_on("torch", XEON)
    Path(".lthctl/plans/1a/trained/w0.csv").write_bytes(
        b"\xff,\n" + run.training.encode() + b",x\n"
    )
    assert machines_of(Path(".lthctl"), {run.training}) == {}
    assert not report("runs").machines
