"""A report for a paper: figures as SVG, PDF and PNG, tables as CSV and LaTeX, all with captions."""

from collections.abc import Sequence

from lthctl.families import CONTROLS
from lthctl.reporting.answer_files import answer_files
from lthctl.reporting.captions import FIGURES, TABLES, figure_caption, table_caption
from lthctl.reporting.claim_files import claim_files
from lthctl.reporting.claim_words import claims_markdown
from lthctl.reporting.figures import Format, figure_files
from lthctl.reporting.latex import document, figure, table
from lthctl.reporting.reading import Report
from lthctl.reporting.stability_files import stability_files
from lthctl.reporting.survivors import Survivors, survivor_files
from lthctl.reporting.tables import report_files

FORMATS: tuple[Format, ...] = ("svg", "pdf", "png")

ONLY_IN_CSV = {
    "claims": frozenset({"source", "quantity", "unit", "size_percent", "value"}),
    "summary": frozenset({"seeds_to_decide", "early_stop_accuracy"}),
    "ladders": frozenset({"level", "smallest_ratio", "next_ratio"}),
    "verdicts": frozenset(
        {f"{name}_seeds" for name in ("dense", "random", *CONTROLS.names())}
        | {"keeps_up", "sparsity", "sooner_kind", "step_difference"}
    ),
}
"""Columns for which a page has no room."""


def paper_files(report: Report, survivors: Sequence[Survivors]) -> dict[str, bytes]:
    """File name -> bytes; the same for the same runs.

    Of every figure and table there is a `.tex` with its caption and a label. `paper.tex` is a
    document of all of them, and `captions.md` has the captions alone. `claims.md` is the table of
    claims for a README, where claims were judged.

    Args:
      report: what is shown. Figures are of its largest group.
      survivors: of each group.
    """
    files = figure_files(report.groups[0], survivors[0], FORMATS)
    tables = {**report_files(report), **answer_files(report), **survivor_files(survivors)}
    tables |= {**claim_files(report.claims), **stability_files(report)}
    texts, captions = {}, {}
    for name in FIGURES:
        if f"{name}.{FORMATS[0]}" not in files:  # no copies of runs were connected
            continue
        captions[name] = figure_caption(name, report)
        texts[f"figure_{name}.tex"] = figure(name, captions[name], f"fig:{name}")
    for name in TABLES:
        content = tables.get(f"{name}.csv", b"\n")
        if content.count(b"\n") == 1:  # no row, such as of a report without verdicts or claims
            continue
        files[f"{name}.csv"] = content
        captions[f"table {name}"] = caption = table_caption(name, report)
        left_out = ONLY_IN_CSV.get(name, frozenset())
        texts[f"table_{name}.tex"] = table(content, caption, f"tab:{name}", left_out=left_out)
    parts = [name.removesuffix(".tex") for name in texts]
    texts["paper.tex"] = document(parts)
    texts["captions.md"] = "".join(f"**{name}**: {text}\n\n" for name, text in captions.items())
    if report.claims:
        texts["claims.md"] = claims_markdown(report.claims)
    return files | {name: text.encode() for name, text in texts.items()}
