"""The commands that are tortured, and the folders that they begin in."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lthctl.cli.process import run_as_process
from lthctl.datasets import mnist
from tests.conftest import write_digits

PARAMS = """
model: {layers: [784, 12, 10]}
train: {steps: 6, evaluate_every: 3, device: cpu, engine: sparse, batch_size: 20}
prune: {method: [l1], ratio: [0, 0.5], rounds: 1, seed: [1]}
retrain: {control: [rewind, reinit]}
"""

TICKET = "masks/l1-r0.50-n1-s1"
DATA = ("--data", "../data/mnist")
HOW = ("-q", "--jobs", "1", *DATA)
PRUNE, RETRAIN = ("prune", *HOW), ("retrain", "masks", *HOW)
OTHER_PRUNE = (*PRUNE, "--steps", "9", "--force")
"""Its tickets are others, and take the place of the first."""

ORDERS = [("retrain", TICKET, "--control", "rewind", "--order-seed", n, "--out", f"runs/{n}", *HOW)
          for n in ("2", "3")]  # fmt: skip


def _damage_one(folder: Path) -> None:
    weights = sorted((folder / ".lthctl" / "trainings").rglob("weights.safetensors"))[0]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def _lose_one(folder: Path) -> None:
    shutil.rmtree(folder / TICKET)


@dataclass(frozen=True)
class Command:
    """A command line, and what it begins with.

    Attributes:
      words: of the command.
      after: commands that ran before, in the same folder.
      change: what is done to the folder then.
      variables: of its environment.
      exchange: whether its system can exchange two names.
      code: how it ends when nothing disturbs it.
      remade: the folder of what it makes anew of all that it could read.
      one_by_one: the folder of files that it writes without regard to each other.
      torch: whether it imports torch.
    """

    words: Sequence[str]
    after: Sequence[Sequence[str]] = ()
    change: Callable[[Path], object] | None = None
    variables: tuple[tuple[str, str], ...] = ()
    exchange: bool = True
    code: int = 0
    remade: str | None = None
    one_by_one: str | None = None
    torch: bool = False

    def __call__(self) -> None:
        os.environ.update(self.variables)
        sys.argv = ["lthctl", *self.words]
        run_as_process()


COMMANDS = {
    "prune": Command(PRUNE),
    "prune --force": Command(OTHER_PRUNE, [PRUNE]),
    "prune --force, two renames": Command(OTHER_PRUNE, [PRUNE], exchange=False),
    "retrain": Command(RETRAIN, [PRUNE]),
    "run": Command(("run", *HOW)),
    "report": Command(("report", "--strict", "-q"), [PRUNE, RETRAIN]),
    "report, again": Command(
        ("report", "--strict", "-q", "--title", "other"),
        [PRUNE, RETRAIN, ("report", "--strict", "-q")],
        remade="report/",
    ),
    "connect": Command(("connect", "runs", "--points", "2", *HOW), [PRUNE, *ORDERS]),
    "verify": Command(("verify", "masks", "runs"), [PRUNE, RETRAIN]),
    "show": Command(("show", "runs", "--json"), [PRUNE, RETRAIN]),
    "compare": Command(("compare", "masks", "masks", "--json"), [PRUNE]),
    # Neither imports torch, with which every fork would take longer.
    "export": Command(("export", TICKET, "--to", "csr", "--out", "matrices"), [PRUNE]),
    "import": Command(
        ("import", f"{TICKET}/mask.safetensors", "--out", "imported", "-q"), [PRUNE]
    ),
    "download": Command(
        ("download", "mnist", "--from", DATA[1], "--out", "got", "-q"), one_by_one="got"
    ),
    "store": Command(("store", "--json"), [PRUNE]),
    "store check": Command(("store", "check", "--json"), [PRUNE], _damage_one, code=3),
    "store prune": Command(("store", "prune", "masks", "--json"), [PRUNE, RETRAIN], _lose_one),
    # The sparse engine keeps none.
    "prune, checkpoints": Command(
        (*PRUNE, "--engine", "torch"),
        variables=(("LTHCTL_CHECKPOINT_SECONDS", "0"),),
        torch=True,
    ),
}  # fmt: skip


def prepare(home: Path) -> None:
    """Make what all folders share: digits that pass for MNIST's, and a home."""
    mnist.MNIST.update(write_digits(home / "data" / "mnist"))
    (home / "home").mkdir()
    os.environ["XDG_STATE_HOME"] = str(home / "home" / "state")


def begin(folder: Path) -> None:
    """Fill an empty folder."""
    (folder / "params.yaml").write_text(PARAMS)


def make_cheap() -> None:
    """Let reports draw nothing, which takes seconds and asks the system for nothing. And let the
    parsers of the command line be made once."""
    import typer.main

    from lthctl.reporting import figures
    from tests.test_page import PICTURES

    figures.figure_files = lambda *_: PICTURES  # type: ignore[assignment]
    typer.main.get_command = cache(typer.main.get_command)
