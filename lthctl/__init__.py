"""Find, keep, retrain and judge lottery tickets.

    from lthctl import MLP, TrainParams, find_ticket, load_mnist, retrain, save_ticket

    dataset = load_mnist("data/mnist")
    train = TrainParams(steps=3000)
    ticket = find_ticket(MLP(), dataset, method="l1", ratio=0.8, rounds=5, seed=1, train=train)
    save_ticket(ticket, "masks/mine")
    print(retrain(ticket, dataset, train=train).metrics["best_accuracy"])

Everything public is listed in `__all__` and imported when it is first used, so that `import lthctl` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lthctl.apply import apply_ticket_, keep_pruned_
    from lthctl.claims import Check
    from lthctl.data import Dataset, Split, load_mnist
    from lthctl.errors import LthctlError
    from lthctl.export import export_to
    from lthctl.importing import import_ticket
    from lthctl.lottery import find_ticket, retrain
    from lthctl.mask import Mask
    from lthctl.model import MLP, ModuleModel
    from lthctl.params import TrainParams
    from lthctl.ticket import Run, Ticket, find_tickets, load_run, load_ticket, save_run, save_ticket
    from lthctl.verify import verify_paths

_HOME = {
    "Check": "claims",
    "Dataset": "data",
    "LthctlError": "errors",
    "MLP": "model",
    "Mask": "mask",
    "ModuleModel": "model",
    "Run": "ticket",
    "Split": "data",
    "Ticket": "ticket",
    "TrainParams": "params",
    "apply_ticket_": "apply",
    "export_to": "export",
    "find_ticket": "lottery",
    "find_tickets": "ticket",
    "import_ticket": "importing",
    "keep_pruned_": "apply",
    "load_mnist": "data",
    "load_run": "ticket",
    "load_ticket": "ticket",
    "retrain": "lottery",
    "save_run": "ticket",
    "save_ticket": "ticket",
    "verify_paths": "verify",
}

__all__ = [
    "MLP",
    "Check",
    "Dataset",
    "LthctlError",
    "Mask",
    "ModuleModel",
    "Run",
    "Split",
    "Ticket",
    "TrainParams",
    "apply_ticket_",
    "export_to",
    "find_ticket",
    "find_tickets",
    "import_ticket",
    "keep_pruned_",
    "load_mnist",
    "load_run",
    "load_ticket",
    "retrain",
    "save_run",
    "save_ticket",
    "verify_paths",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'lthctl' has no attribute {name!r}")
    return getattr(import_module(f"lthctl.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
