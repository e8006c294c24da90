"""Which command sees which section."""

from collections.abc import Mapping

from lthctl.params.sections import SECTIONS
from lthctl.params.whole import Params

SECTIONS_READ: Mapping[str, tuple[str, ...]] = {
    "download": (),
    "prune": ("data", "model", "train", "prune"),
    "retrain": ("data", "model", "train", "retrain"),
    "connect": ("data", "model"),
    "verify": ("data",),
    "report": ("report",),
    "compare": ("report",),
    "import": ("model",),
    "export": ("model",),
    "run": tuple(SECTIONS),
}
"""Command -> the sections of params.yaml that it reads; dvc.yaml lists the same, and a test holds
it to that."""


def visible_to(command: str, params: Params) -> Params:
    """The parameters with every section that the command does not read at its defaults, so that
    none can be read unnoticed by DVC."""
    return Params(**{section: getattr(params, section) for section in SECTIONS_READ[command]})
