"""A report says so when its runs were trained on several kinds of machine whose bytes may differ."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lthctl.artifacts.run import Run, save_run
from lthctl.artifacts.ticket import Ticket, save_ticket
from lthctl.artifacts.trained_where import COLUMNS, trained_where
from lthctl.params import RoundParams
from lthctl.reporting.provenance import provenance_of
from lthctl.reporting.report import report

from .command_line import lthctl
from .test_report import TRAIN, make_run
from .test_survivors import make_ticket, of_ticket

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
        note(run.training, f"{number}" * 64, machine, f"w{number % 2}")
    return runs


def note(training: str, weights: str, machine: str, worker: str) -> None:
    """A line in the table of a worker."""
    with Path(f".lthctl/plans/1a/trained/{worker}.csv").open("a") as table:
        table.write(",".join(COLUMNS) + f"\n{training},x,2.5,{weights},node,{machine}\n")


NOTE = (
    f"These runs were trained on 2 kinds of machine, {EPYC} (1), {XEON} (2). With their engine "
    "results may differ in the last bits from kind to kind."
)


def test_kinds_that_may_differ_are_named_with_their_runs() -> None:
    run_on("torch", XEON, EPYC, XEON)
    found = report("runs")
    assert found.machines.runs == {EPYC: 1, XEON: 2} and not found.machines.rounds
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
    assert report("runs").machines.runs == {XEON: 1, ARM: 1}


ROUND = "a" * 64  # digest of weights


def found_in_a_round() -> Ticket:
    """A ticket whose one training ended in these weights."""
    ticket = make_ticket("l1", 1)
    train = RoundParams.model_validate(
        {key: TRAIN[key] for key in TRAIN if key != "evaluate_every"}
    )
    specification = ticket.specification.model_copy(update={"train": train})
    (counts,) = ticket.counts
    counts = counts.model_copy(update={"steps": 30, "trained": ROUND})
    return replace(ticket, specification=specification, counts=(counts,))


@pytest.mark.parametrize("engine", ["torch", "sparse"])
def test_the_rounds_of_tickets_count_as_their_runs_do(engine: str) -> None:
    """All runs were trained on one kind, and the ticket was found on another."""
    ticket = found_in_a_round()
    save_ticket(ticket, Path("masks/l1"))
    found = {"train": ticket.train.model_copy(update={"engine": engine})} if ticket.train else {}
    run_on(engine, XEON, XEON)
    run = make_run(("l1", 0.5, 1), train=TRAIN | {"engine": engine})
    run = of_ticket(run, digest=ticket.digest, sparsity=ticket.mask.sparsity, **found)
    save_run(run, Path("runs/l1"))
    note(run.training, "b" * 64, XEON, "w0")
    note("c" * 64, ROUND, EPYC, "w1")
    note("d" * 64, "e" * 64, ARM, "w1")  # of something else
    machines = report("runs").machines
    if engine == "sparse":
        assert not machines
        return
    assert (machines.runs, machines.rounds) == ({XEON: 3}, {EPYC: 1})
    assert machines.words == (
        f"These runs and the rounds of their tickets were trained on 2 kinds of machine, {EPYC} "
        f"(1 round), {XEON} (3 runs). With their engine results may differ in the last bits from "
        "kind to kind."
    )
    assert machines.to_json()["rounds"] == {EPYC: 1}


def test_tables_that_are_none_tell_nothing() -> None:
    (run,) = run_on("torch", XEON)
    Path(".lthctl/plans/1a/trained/w0.csv").write_bytes(
        b"\xff,\n" + run.training.encode() + b",x\n"
    )
    assert not trained_where(Path(".lthctl")).trainings
    assert not report("runs").machines
