"""What `lthctl report` does, for Python: read runs, judge tickets, write page and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lthctl.artifacts.store import default_store
from lthctl.canonical import Json, canonical_json
from lthctl.disk import write_file, write_set
from lthctl.params import ReportParams
from lthctl.reporting import reading, tables
from lthctl.reporting.claims_file import load_claims
from lthctl.reporting.machines import Machines, machines_that_differ
from lthctl.reporting.survivors import Survivors, find_survivors, survivor_files

PAGE, UNFINISHED = "index.html", "UNFINISHED.txt"

NOT_ONE = (
    b"<!doctype html><title>Not one report</title>\n"
    b"The files in this folder are of two versions: writing them was cut off. "
    b"Run lthctl report again.\n"
)
"""In the place of the page, and in a file beside it, while files are exchanged."""


@dataclass(frozen=True)
class FinishedReport:
    """A report, and what was written of it.

    Attributes:
      report: the groups of runs, each judged.
      survivors: per group, what survived pruning.
      left_out: damaged runs and tickets, with the reason.
      files: file name -> bytes, of all that was written to `out`; empty if nothing was.
      machines: kinds of machine that trained all this, where that may change the bytes.
    """

    report: reading.Report
    survivors: tuple[Survivors, ...]
    left_out: tuple[tuple[Path, str], ...]
    files: Mapping[str, bytes]
    machines: Machines = field(default_factory=Machines)

    @property
    def num_missing_tickets(self) -> int:
        """Tickets that the runs name, and that were not where they were looked for."""
        return sum(len(survivors.missing) for survivors in self.survivors)

    def __repr__(self) -> str:
        groups, runs = self.report.groups, sum(group.num_runs for group in self.report.groups)
        return f"FinishedReport of {runs} runs in {len(groups)} group{'s' * (len(groups) > 1)}"

    def summary_rows(self) -> list[Json]:
        """A flat row per experiment, as in summary.csv. `pandas.DataFrame` takes them."""
        return tables.summary_rows(self.report)

    def run_rows(self) -> list[Json]:
        """A flat row per run, as in runs.csv. `pandas.DataFrame` takes them."""
        return tables.run_rows(self.report)


def report(
    paths: Path | str | Sequence[Path | str] = "runs",
    *,
    masks: Path | str = "masks",
    out: Path | str | None = None,
    paper: Path | str | None = None,
    params: ReportParams | None = None,
    claims: Path | str | None = None,
    title: str | None = None,
) -> FinishedReport:
    """Compare runs with the dense network, and judge their tickets.

    Args:
      paths: runs, or folders with runs below them.
      masks: folder with the tickets of these runs; need not exist.
      out: folder for index.html, the tables and the figures. Without it nothing is drawn or
        written.
      paper: folder for what a paper takes: figures as SVG, PDF and PNG, tables as CSV and LaTeX.
      params: how runs are judged.
      claims: a YAML file with the claims of a paper, which are judged too.
      title: what the page is called; text, never markup.

    Raises:
      ParamsError: the claims cannot be read; every fault is named.
      ReportError: there is no run, or two different runs claim to be the same experiment.
      OutputError: `out` or `paper` cannot be written.

    Example:
      >>> rows = report("runs", masks="masks").summary_rows()
      >>> [row["accuracy"] for row in rows if row["method"] == "dense"]
    """
    places = [paths] if isinstance(paths, str | Path) else paths
    params = params or ReportParams()
    asked = None if claims is None else load_claims(Path(claims))
    judged = reading.make_report([Path(path) for path in places], params, Path(masks), asked)
    survivors, damaged_tickets = find_survivors(judged, Path(masks))
    left_out = (*judged.left_out, *damaged_tickets)
    machines = machines_that_differ(judged, Path(masks), default_store())
    files: dict[str, bytes] = {}
    if out is not None:
        files = _files(judged, survivors, left_out, machines, title)
        write_set(Path(out), files, first={UNFINISHED: NOT_ONE, PAGE: NOT_ONE}, last=PAGE)
    if paper is not None:
        from lthctl.reporting.paper import paper_files

        for name, content in paper_files(judged, survivors).items():
            write_file(Path(paper) / name, content)
    return FinishedReport(judged, survivors, left_out, files, machines)


def _files(
    judged: reading.Report,
    survivors: tuple[Survivors, ...],
    left_out: Sequence[tuple[Path, str]],
    machines: Machines,
    title: str | None,
) -> dict[str, bytes]:
    from lthctl.reporting.answer_files import answer_files
    from lthctl.reporting.claim_files import claim_files
    from lthctl.reporting.figures import figure_files
    from lthctl.reporting.page import page_bytes
    from lthctl.reporting.provenance import provenance_of
    from lthctl.reporting.stability_files import stability_files

    provenance = provenance_of(judged, machines)
    figures = figure_files(judged.groups[0], survivors[0])
    files = {**tables.report_files(judged), **answer_files(judged)}
    files |= {**claim_files(judged.claims), **stability_files(judged)}
    files |= {**survivor_files(survivors), **figures}
    files["provenance.json"] = canonical_json(provenance)
    files[PAGE] = page_bytes(
        judged, survivors, provenance, figures, left_out, title=title, beside=sorted(files)
    )
    return files
