"""Static figures of a report, as SVG whose bytes depend on the data alone."""

import io
from typing import TYPE_CHECKING

from lthctl.reporting.drawing import own_defaults
from lthctl.reporting.figure_answer import answer_figure
from lthctl.reporting.figure_curves import accuracy_figure, curves_figure, early_stop_figure
from lthctl.reporting.figure_runs import parallel_figure, pixels_figure
from lthctl.reporting.figure_verdicts import verdict_figure
from lthctl.reporting.survivors import Survivors
from lthctl.reporting.verdicts import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_files(group: Group, survivors: Survivors) -> dict[str, bytes]:
    """File name -> SVG of the figures of a group."""
    with own_defaults():
        return {
            "answer.svg": _svg(answer_figure(group)),
            "verdict.svg": _svg(verdict_figure(group)),
            "accuracy.svg": _svg(accuracy_figure(group)),
            "early_stop.svg": _svg(early_stop_figure(group)),
            "curves.svg": _svg(curves_figure(group)),
            "parallel.svg": _svg(parallel_figure(group)),
            "pixels.svg": _svg(pixels_figure(survivors)),
        }


def _svg(figure: "Figure") -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()
