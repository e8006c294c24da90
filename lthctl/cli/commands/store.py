"""`lthctl store`, and its commands `check` and `prune`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lthctl.cli.command import Command
from lthctl.cli.console import print_json, show
from lthctl.cli.options import DryRunOption, JsonOption
from lthctl.errors import LthctlError

store_app = typer.Typer(
    help="Finished trainings, kept so that equal ones run once.", rich_markup_mode=None
)


@store_app.callback()
def store(context: typer.Context, json: JsonOption = False) -> None:
    """Count the finished trainings in .lthctl, and their bytes.

    A command checks them or throws some out.
    """
    if context.invoked_subcommand:
        return
    from lthctl.artifacts.housekeeping import store_size
    from lthctl.artifacts.store import default_store

    place = default_store()
    size = store_size(place)
    if json:
        print_json({"path": str(place), "trainings": size.num_trainings, "bytes": size.num_bytes})
    else:
        show(f"{place}: {_trainings(size.num_trainings)}, {_megabytes(size.num_bytes)}")


@store_app.command(cls=Command)
def check(json: JsonOption = False) -> None:
    """Check every training against its digests.

    Those proven wrong are thrown out, and will run again. What cannot be read stays.
    """
    from lthctl.artifacts.housekeeping import check_store
    from lthctl.artifacts.store import default_store

    place = default_store()
    checked = check_store(place)
    if json:
        damaged = [{"training": name, "reason": reason} for name, reason in checked.damaged]
        kept = [{"name": name, "reason": reason} for name, reason in checked.unread]
        shown = {"whole": checked.num_whole, "damaged": damaged}
        print_json(shown | ({"unread": kept} if kept else {}))
    else:
        for _, reason in checked.damaged:
            show(f"thrown out: {reason}")
        for _, reason in checked.unread:
            show(f"kept, for nothing is proven: {reason}")
        whole = _trainings(checked.num_whole)
        unread = f", {len(checked.unread)} not read" if checked.unread else ""
        show(f"{place}: {whole} whole, {len(checked.damaged)} damaged{unread}")
    if checked.damaged or checked.unread:
        raise typer.Exit(LthctlError.exit_code)


@store_app.command("prune", cls=Command)
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
    """Throw out trainings that no ticket or run came from."""
    from lthctl.artifacts.housekeeping import prune_store
    from lthctl.artifacts.store import default_store

    place = default_store()
    pruned = prune_store(place, paths, dry_run=dry_run)
    if json:
        print_json({key: value for key, value in asdict(pruned).items() if key != "num_left"})
        return
    what = "would be thrown out" if dry_run else "thrown out"
    show(
        f"{place}: {_trainings(len(pruned.unreferenced))} {what}, {_megabytes(pruned.bytes)}; "
        f"{pruned.num_left} stay"
    )


def _trainings(count: int) -> str:
    return f"{count:,} training{'s' * (count != 1)}"


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


@store_app.command(cls=Command)
def adopt() -> None:
    """Say that a store is yours, such as one from another of your machines.

    Results in a store can be invented. Adopt none that came with a clone or an archive.
    """
    from lthctl.artifacts.store import Store, default_store

    place = default_store()
    Store(place).adopt()
    show(f"{place}: counts as yours on this machine")
