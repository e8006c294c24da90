"""Static figures of a report, whose bytes depend on the data alone."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from lthctl.reporting.drawing import own_defaults
from lthctl.reporting.figure_answer import answer_figure
from lthctl.reporting.figure_curves import accuracy_figure, curves_figure, early_stop_figure
from lthctl.reporting.figure_runs import parallel_figure, pixels_figure
from lthctl.reporting.figure_stability import stability_figure
from lthctl.reporting.figure_verdicts import verdict_figure
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["svg", "pdf", "png"]

NOT_SAID: Mapping[Format, Mapping[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}
"""Dates and versions that matplotlib would put into a file of a format."""

DOTS_PER_INCH: Mapping[Format, float] = {"svg": 100, "pdf": 300, "png": 300}
"""Of what is made of dots. Journals ask for 300."""


def figure_files(
    group: Group, survivors: Survivors, formats: Sequence[Format] = ("svg",)
) -> dict[str, bytes]:
    """File name -> bytes of the figures of a group.

    Args:
      group, survivors: what is drawn. Stability is only where copies of runs were connected.
      formats: each figure comes in each of them.
    """
    with own_defaults():
        figures = {
            "answer": answer_figure(group),
            "verdict": verdict_figure(group),
            "accuracy": accuracy_figure(group),
            "early_stop": early_stop_figure(group),
            "curves": curves_figure(group),
            "parallel": parallel_figure(group),
            "pixels": pixels_figure(survivors),
        }
        if (stability := stability_figure(group)) is not None:
            figures["stability"] = stability
        return {
            f"{name}.{format}": _saved(figure, format)
            for name, figure in figures.items()
            for format in formats
        }


def _saved(figure: "Figure", format: Format) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=format, metadata=NOT_SAID[format], dpi=DOTS_PER_INCH[format])
    return content.getvalue()
