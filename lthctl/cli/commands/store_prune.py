"""`lthctl store prune` and `lthctl store adopt`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.commands.store import checkpoint_words, megabytes, trainings_words
from lthctl.cli.console import print_json, show
from lthctl.cli.options import DryRunOption, JsonOption


def prune(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Tickets and runs whose trainings stay, or folders of them."
        ),
    ],
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Throw out trainings that no ticket or run came from.

    Checkpoints of trainings that were cut off go, too.
    """
    from lthctl.artifacts.housekeeping import prune_store
    from lthctl.artifacts.store import default_store

    place = default_store()
    pruned = prune_store(place, paths, dry_run=dry_run)
    if json:
        print_json({key: value for key, value in asdict(pruned).items() if key != "num_left"})
        return
    what = "would be thrown out" if dry_run else "thrown out"
    show(
        f"{place}: {trainings_words(len(pruned.unreferenced))}"
        f"{checkpoint_words(len(pruned.checkpoints))} {what}, {megabytes(pruned.bytes)}; "
        f"{pruned.num_left} stay"
    )


def adopt() -> None:
    """Say that a store is yours, such as one from another of your machines.

    Results in a store can be invented. Adopt none that came with a clone or an archive.
    """
    from lthctl.artifacts.store import Store, default_store

    place = default_store()
    Store(place).adopt()
    show(f"{place}: counts as yours on this machine")
