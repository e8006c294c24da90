"""A plan as a table."""

from collections import Counter

from rich.console import RenderableType
from rich.table import Table

from lthctl.canonical import Json
from lthctl.cli.terminal import duration, plain


def plan_table(plan: Json, what: str) -> RenderableType:
    """What a command would do.

    Args:
      plan: as `lthctl.grid.plan.describe_plan` makes it.
      what: every folder holds, such as "ticket", where the plan does not say so of each.
    """
    trainings = plan["trainings"]
    known, to_run, later = (trainings[key] for key in ("in_store", "to_run", "of_later_rounds"))
    rows = [
        *_folder_rows(plan, what),
        ("trainings", f"{known + to_run:,} distinct: {known:,} in the store, {to_run:,} to run"),
        ("steps", f"{plan['steps']:,}"),
    ]
    if later:
        note = f"{later:,} depend on earlier results: taken as distinct and not stored"
        rows.insert(len(rows) - 1, ("", note))
    if plan["measured"]:
        rows.append(
            (
                "time",
                f"about {duration(plan['seconds'])}, {plan['jobs']} at a time, as measured now:",
            )
        )
    for speed in plan["measured"]:
        rate, pause = 1 / speed["step_seconds"], 1000 * speed["evaluation_seconds"]
        rows.append(
            (
                "",
                f"{rate:,.0f} steps/s each at density {speed['density']:g}, {pause:,.0f} ms an "
                "evaluation",
            )
        )
    if faster := plan.get("faster_engine"):
        rows.append(
            (
                "",
                f"--engine {faster['name']} would take about {duration(faster['seconds'])}, as "
                "measured now; give it to all sizes of an experiment, or to none",
            )
        )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for name, text in rows:
        table.add_row(name, plain(text))
    return table


def _folder_rows(plan: Json, usual: str) -> list[tuple[str, str]]:
    """Of tickets and of runs: how many were asked for, and what is there."""
    held_by = [(folder.get("what", usual), folder["state"]) for folder in plan["folders"]]
    kinds = dict.fromkeys(what for what, _ in held_by)
    rows = []
    for what in kinds:
        states = Counter(state for kind, state in held_by if kind == what)
        number = states.total() if len(kinds) > 1 else plan["asked"]
        distinct = f", {states.total():,} of them distinct" if number != states.total() else ""
        held = ", ".join(f"{count:,} {state}" for state, count in states.items())
        rows.append((f"{what}s", f"{number:,} asked for{distinct}: {held}"))
    return rows
