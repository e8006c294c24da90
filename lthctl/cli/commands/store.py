"""`lthctl store`, and its commands `check` and `prune`."""

import typer

from lthctl.cli.command import Command
from lthctl.cli.console import print_json, show
from lthctl.cli.options import JsonOption
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
        shown = {"path": str(place), "trainings": size.num_trainings, "bytes": size.num_bytes}
        print_json({**shown, "checkpoints": size.num_checkpoints})
    else:
        cut_off = checkpoint_words(size.num_checkpoints)
        show(
            f"{place}: {trainings_words(size.num_trainings)}{cut_off}, {megabytes(size.num_bytes)}"
        )


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
        whole = trainings_words(checked.num_whole)
        unread = f", {len(checked.unread)} not read" if checked.unread else ""
        show(f"{place}: {whole} whole, {len(checked.damaged)} damaged{unread}")
    if checked.damaged or checked.unread:
        raise typer.Exit(LthctlError.exit_code)


def trainings_words(count: int) -> str:
    return f"{count:,} training{'s' * (count != 1)}"


def checkpoint_words(count: int) -> str:
    """A part of a sentence; empty where there are none."""
    return f" and {count:,} checkpoint{'s' * (count != 1)}" if count else ""


def megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"
