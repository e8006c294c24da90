"""What the commands do, from Python: typed results, and rows for a table."""

import shutil
from pathlib import Path

import pytest

import lthctl
from lthctl import Params
from lthctl.errors import ParamsError

SMALL = Params().override({
    "model.layers": [784, 20, 12, 10], "train.steps": 30, "train.evaluate_every": 10,
    "train.device": "cpu", "prune.ratio": [0, 0.5], "prune.rounds": [2], "prune.seed": ["1-2"],
})  # fmt: skip
SCALARS = (int, float, str, bool, type(None))


def test_a_grid_is_planned_and_run(workspace: Path) -> None:
    grid = lthctl.ticket_grid(SMALL)
    assert (grid.what, grid.folder, grid.num_asked, len(grid.tasks)) == (
        "ticket",
        Path("masks"),
        4,
        4,
    )
    assert grid.plan(1)["trainings"]["to_run"] == 4
    assert not Path("masks").exists()
    outcome = grid.run(1)
    outcome.raise_failures()
    assert [path.name for path in grid.finished(outcome)] == [
        "dense-s1", "dense-s2", "l1-r0.50-n2-s1", "l1-r0.50-n2-s2",
    ]  # fmt: skip
    assert lthctl.ticket_grid(SMALL).missing == []
    done = lthctl.run_grid(["masks"], control="reinit", params=SMALL).run(1)
    assert sorted(path.parent.as_posix() for path in done.written) == ["runs/reinit"] * 4
    with pytest.raises(ParamsError, match="did you mean 'reinit'"):
        lthctl.run_grid(["masks"], control="reinti")


@pytest.mark.usefixtures("undrawn")
def test_a_report_comes_as_rows(runs: Path) -> None:
    report = lthctl.report()
    assert not Path("report").exists() and report.files == {}
    for rows, num_rows in ((report.summary_rows(), 6), (report.run_rows(), 12)):
        assert len(rows) == num_rows
        assert all(row.keys() == rows[0].keys() for row in rows)
        assert all(isinstance(value, SCALARS) for row in rows for value in row.values())
    assert {row["name"] for row in report.run_rows()} >= {"dense-s1", "random-r0.50-n2-s2"}
    assert report.num_missing_tickets == 0
    assert lthctl.report([runs / "rewind"], masks="nowhere").num_missing_tickets == 6
    written = lthctl.report(str(runs), out="page")
    assert {path.name for path in Path("page").iterdir()} == set(written.files)
    assert Path("page/runs.csv").read_text().splitlines()[0] == ",".join(report.run_rows()[0])


def test_paths_are_shown_compared_verified_and_exported(tickets: Path) -> None:
    assert sorted(lthctl.show("masks").tickets) == sorted(path.name for path in tickets.iterdir())
    pair = lthctl.compare("masks/l1-r0.50-n2-s1", Path("masks/l1-r0.50-n2-s2")).tickets[0]
    assert not pair.same_mask
    assert {check.state for check in lthctl.verify("masks")} <= {"held", "unchecked"}
    assert lthctl.export("masks/l1-r0.50-n2-s1", "ticket.pt") == 0
    assert lthctl.import_ticket("ticket.pt", model=lthctl.MLP((784, 20, 12, 10))).mask.num_kept > 0


def test_the_store_is_counted_checked_and_cleared(tickets: Path) -> None:
    size = lthctl.store_size()
    assert size.num_trainings == 4 and size.num_bytes > 100_000
    assert lthctl.check_store().num_whole == 4
    shutil.rmtree("masks/random-r0.50-n2-s1")
    planned = lthctl.prune_store(".lthctl", [Path("masks")], dry_run=True)
    assert (planned.thrown_out, planned.num_left) == ((), 4 - len(planned.unreferenced))
    assert lthctl.store_size() == size
