"""Find, keep, retrain and judge lottery tickets.

    from lthctl import MLP, TrainParams, find_ticket, load_mnist, retrain, save_ticket

    dataset = load_mnist("data/mnist")
    train = TrainParams(steps=3000)
    ticket = find_ticket(MLP(), dataset, method="l1", ratio=0.8, rounds=5, seed=1, train=train)
    save_ticket(ticket, "masks/mine")
    print(retrain(ticket, dataset, train=train).metrics.best_accuracy)

Everything public is listed in `__all__` and imported when it is first used, so that `import lthctl`
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lthctl.artifacts.connection import Connection
    from lthctl.artifacts.housekeeping import check_store, prune_store, store_size
    from lthctl.artifacts.run import Run, load_run, save_run
    from lthctl.artifacts.ticket import Ticket, find_tickets, load_ticket, save_ticket
    from lthctl.auditing.audit import audit
    from lthctl.connecting.connect import connect
    from lthctl.datasets.base import Dataset, Split
    from lthctl.datasets.download import download
    from lthctl.datasets.mnist import load_mnist
    from lthctl.errors import LthctlError
    from lthctl.grid.grid import Grid
    from lthctl.grid.grids import experiment_grid, run_grid, ticket_grid
    from lthctl.interop.apply import apply_ticket_, keep_pruned_
    from lthctl.interop.export import export, export_to
    from lthctl.interop.importing import import_ticket
    from lthctl.interop.sparsify import sparsify_
    from lthctl.lottery.find import find_ticket
    from lthctl.lottery.retrain import retrain
    from lthctl.mask import Mask
    from lthctl.models.mlp import MLP
    from lthctl.models.module import ModuleModel
    from lthctl.params import Params, ReportParams, TrainParams
    from lthctl.pipeline import FinishedExperiment, run
    from lthctl.presets.init import init
    from lthctl.reporting.compare import Comparison
    from lthctl.reporting.paths import compare, show
    from lthctl.reporting.report import FinishedReport, report
    from lthctl.reporting.sides import Side
    from lthctl.tracking.track import Tracked, track
    from lthctl.training.sparse.linear import SparseLinear
    from lthctl.verification.checks import Check
    from lthctl.verification.paths import verify

_HOME = {
    "Check": "verification.checks",
    "Comparison": "reporting.compare",
    "Connection": "artifacts.connection",
    "Dataset": "datasets.base",
    "FinishedExperiment": "pipeline",
    "FinishedReport": "reporting.report",
    "Grid": "grid.grid",
    "LthctlError": "errors",
    "MLP": "models.mlp",
    "Mask": "mask",
    "ModuleModel": "models.module",
    "Params": "params",
    "ReportParams": "params",
    "Run": "artifacts.run",
    "Side": "reporting.sides",
    "SparseLinear": "training.sparse.linear",
    "Split": "datasets.base",
    "Ticket": "artifacts.ticket",
    "Tracked": "tracking.track",
    "TrainParams": "params",
    "apply_ticket_": "interop.apply",
    "audit": "auditing.audit",
    "check_store": "artifacts.housekeeping",
    "compare": "reporting.paths",
    "connect": "connecting.connect",
    "download": "datasets.download",
    "experiment_grid": "grid.grids",
    "export": "interop.export",
    "export_to": "interop.export",
    "find_ticket": "lottery.find",
    "find_tickets": "artifacts.ticket",
    "import_ticket": "interop.importing",
    "init": "presets.init",
    "keep_pruned_": "interop.apply",
    "load_mnist": "datasets.mnist",
    "load_run": "artifacts.run",
    "load_ticket": "artifacts.ticket",
    "prune_store": "artifacts.housekeeping",
    "report": "reporting.report",
    "retrain": "lottery.retrain",
    "run": "pipeline",
    "run_grid": "grid.grids",
    "save_run": "artifacts.run",
    "save_ticket": "artifacts.ticket",
    "show": "reporting.paths",
    "sparsify_": "interop.sparsify",
    "store_size": "artifacts.housekeeping",
    "ticket_grid": "grid.grids",
    "track": "tracking.track",
    "verify": "verification.paths",
}

__all__ = [
    "MLP",
    "Check",
    "Comparison",
    "Connection",
    "Dataset",
    "FinishedExperiment",
    "FinishedReport",
    "Grid",
    "LthctlError",
    "Mask",
    "ModuleModel",
    "Params",
    "ReportParams",
    "Run",
    "Side",
    "SparseLinear",
    "Split",
    "Ticket",
    "Tracked",
    "TrainParams",
    "apply_ticket_",
    "audit",
    "check_store",
    "compare",
    "connect",
    "download",
    "experiment_grid",
    "export",
    "export_to",
    "find_ticket",
    "find_tickets",
    "import_ticket",
    "init",
    "keep_pruned_",
    "load_mnist",
    "load_run",
    "load_ticket",
    "prune_store",
    "report",
    "retrain",
    "run",
    "run_grid",
    "save_run",
    "save_ticket",
    "show",
    "sparsify_",
    "store_size",
    "ticket_grid",
    "track",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'lthctl' has no attribute {name!r}")
    return getattr(import_module(f"lthctl.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
