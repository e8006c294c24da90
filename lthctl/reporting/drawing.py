"""Drawing under matplotlib's own defaults, whatever the folder, the variables or a notebook say."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lthctl.surroundings import imported_apart

OURS = {"svg.hashsalt": "lthctl", "svg.fonttype": "path", "pdf.fonttype": 42}
"""What differs from the defaults: ids in an SVG that are the same every time, and no fonts. Fonts
in a PDF are of type 42, as journals refuse type 3."""


PRINTED: dict[str, Any] = {
    "precision": 8, "threshold": 1000, "edgeitems": 3, "linewidth": 75, "suppress": False,
    "nanstr": "nan", "infstr": "inf", "sign": "-", "floatmode": "maxprec", "formatter": None,
    "legacy": False,
}  # fmt: skip
"""How NumPy prints numbers if nobody has said otherwise."""


@contextmanager
def own_defaults() -> Iterator[None]:
    """Make and save figures in here: their bytes depend on what is drawn alone.

    A `matplotlibrc` in the working folder is never read. One of your own, a style and what a
    notebook has set count for nothing in here, and are as they were afterwards. No backend is
    chosen: make a `matplotlib.figure.Figure`, and never import pyplot.
    """
    import numpy as np

    matplotlib = _matplotlib()
    defaults = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"
    }
    # Ids in an SVG are digests of numbers as NumPy prints them.
    with matplotlib.rc_context(defaults | OURS), np.printoptions(**PRINTED):
        yield


def _matplotlib() -> Any:
    """matplotlib; a backend that MPLBACKEND names is set where there is one, and no obstacle."""
    is_new = "matplotlib" not in sys.modules
    matplotlib: Any = imported_apart("matplotlib", without=("MPLBACKEND",))
    if is_new and (backend := os.environ.get("MPLBACKEND")):
        with suppress(ValueError):  # one that is not installed here
            matplotlib.rcParams["backend"] = backend  # for whoever imports pyplot later
    return matplotlib
