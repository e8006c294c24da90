"""Results as tables for the terminal. Rich only; decides nothing.

Names that come from files are text here and never markup.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lthctl.claims import Check
from lthctl.claims import State as CheckState
from lthctl.files import Json
from lthctl.report import Claim, Group, Report, State, desired_by_round
from lthctl.statistics import Interval, Verdict
from lthctl.ticket import layer_order

ROUNDS_PER_TABLE = 5
T = TypeVar("T")

STATE_STYLES: dict[State, str] = {"held": "green", "failed": "red", "undecided": "yellow", "unknown": "dim"}
CHECK_STYLES: dict[CheckState, str] = {"held": "green", "failed": "red", "unchecked": "yellow"}
VERDICT_STYLES = {"better": "bold green", "as good": "green", "worse": "red", "undecided": "yellow"}


def plan_table(plan: Json, what: str) -> RenderableType:
    """What a command would do.

    Args:
      plan: as `lthctl.plan.describe_plan` makes it.
      what: every folder holds, such as "ticket".
    """
    states, trainings = Counter(folder["state"] for folder in plan["folders"]), plan["trainings"]
    distinct = len(plan["folders"])
    asked = f"{plan['asked']:,} asked for" + (f", {distinct:,} of them distinct" if distinct != plan["asked"] else "")
    known, to_run, later = (trainings[key] for key in ("in_store", "to_run", "of_later_rounds"))
    rows = [
        (f"{what}s", f"{asked}: {', '.join(f'{count:,} {state}' for state, count in states.items())}"),
        ("trainings", f"{known + to_run:,} distinct: {known:,} in the store, {to_run:,} to run"),
        ("steps", f"{plan['steps']:,}"),
    ]
    if later:
        note = f"{later:,} depend on earlier results: taken as distinct and not stored"
        rows.insert(2, ("", note))
    if plan["measured"]:
        rows.append(
            ("time", f"about {duration(plan['seconds'])}, {plan['side_by_side']} side by side, as measured now:")
        )
    for of in plan["measured"]:
        rate, pause = 1 / of["step_seconds"], 1000 * of["evaluation_seconds"]
        rows.append(("", f"{rate:,.0f} steps/s each at density {of['density']:g}, {pause:,.0f} ms an evaluation"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for name, text in rows:
        table.add_row(name, plain(text))
    return table


def duration(seconds: float) -> str:
    """As people say it, to about two figures."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def ticket_tables(tickets: Sequence[Json], *, rounds_per_table: int = ROUNDS_PER_TABLE) -> RenderableType:
    """Desired and actual sparsity of some tickets, per layer and after every round.

    Counts depend on ratio, rounds and sizes alone, so tickets that differ in method or seed share a table.

    Args:
      tickets: the document of each.
      rounds_per_table: how many rounds are beside each other.
    """
    paths: dict[str, tuple[list[str], Json]] = {}
    for document in tickets:
        counts = [{layer: of["kept"] for layer, of in after["layers"].items()} for after in document["sparsity"]]
        names, _ = paths.setdefault(json.dumps([document["rate"], counts], sort_keys=True), ([], document))
        names.append(document["name"])
    parts: list[RenderableType] = []
    for names, document in paths.values():
        if not document["sparsity"]:
            parts += [_names(names, "dense, nothing pruned"), Text()]
        for block in _blocks(document["sparsity"], rounds_per_table):
            parts += [_layer_table(names, block), Text()]
    return Lines(*parts[:-1])


def _blocks(rounds: Sequence[T], size: int = ROUNDS_PER_TABLE) -> Iterator[Sequence[T]]:
    """As many rounds at a time as fit beside each other."""
    for first in range(0, len(rounds), size):
        yield rounds[first : first + size]


def _layer_table(names: Sequence[str], rounds: Sequence[Json]) -> RenderableType:
    """Some successive rounds of tickets that share their counts."""
    last = rounds[-1]
    table = new_table(
        _names(names, "sparsity (%)"), "layer", ">weights", ">kept", *(f">round {of['round']}" for of in rounds)
    )
    wanted: list[str] = []
    for layer in sorted(last["layers"], key=layer_order):
        by_round = [after["layers"][layer] for after in rounds]
        desired = [f"{100 * of['desired']:.2f}" for of in by_round]
        if desired != wanted:
            wanted = desired
            table.add_row("asked for", "", "", *desired, style="dim")
        size, kept = by_round[-1]["size"], by_round[-1]["kept"]
        table.add_row(plain(layer), f"{size:,}", f"{kept:,}", *(f"{100 * of['actual']:.2f}" for of in by_round))
    size, kept = (sum(of[key] for of in last["layers"].values()) for key in ("size", "kept"))
    table.add_row("total", f"{size:,}", f"{kept:,}", *(f"{100 * after['actual']:.2f}" for after in rounds))
    return table


def _names(names: Sequence[str], what: str) -> Text:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return plain(f"{names[0]}{others}: {what}", style="bold")


def run_table(runs: Sequence[Json]) -> RenderableType:
    """Metrics of some runs, from their documents."""
    table = new_table(
        "Validation accuracy (%)",
        "ticket",
        "start",
        ">best",
        ">at step",
        ">early stop",
        ">at step",
    )
    for run in runs:
        metrics = run["metrics"]
        table.add_row(
            plain(run["ticket"]["name"]),
            plain(run["start"]),
            f"{100 * metrics['best_accuracy']:.2f}",
            f"{metrics['best_step']:,}",
            f"{100 * metrics['early_stop_accuracy']:.2f}",
            f"{metrics['early_stop_step']:,}",
        )
    return table


def report_tables(report: Report) -> RenderableType:
    """The whole report for a terminal."""
    parts: list[RenderableType] = []
    for number, group in enumerate(report.groups, start=1):
        head = f"Group {number} of {len(report.groups)}: " if len(report.groups) > 1 else ""
        parts.append(plain(f"{head}{group.title}; {group.num_runs} runs, {group.num_seeds} seeds", style="bold"))
        parts += [*_sparsity_tables(group), Text(), _accuracy_table(group), Text(), _early_stop_table(group)]
        parts += [Text(), *_notes(group)]
        if group.claims:
            parts += [
                Text(),
                plain(" ".join(group.headlines)),
                Text(),
                _claims_table(group),
                Text(),
                _differences_table(group),
                *_claim_notes(group),
            ]
        parts.append(Text())
    return Lines(*parts)


def _sparsity_tables(group: Group) -> list[RenderableType]:
    cells = [cell for cell in group.cells if cell.key.start == "rewind" and cell.key.method != "dense"]
    cells = cells or [cell for cell in group.cells if cell.key.method != "dense"]
    tables: list[RenderableType] = []
    for block in _blocks(range(max((cell.key.rounds for cell in cells), default=0))):
        columns = [f">round {number + 1}" for number in block]
        table = new_table("Sparsity (%) asked for and reached, mean over seeds", "ticket", ">n", "", *columns)
        for cell in cells:
            desired = desired_by_round(cell.key)
            reached = [run.ticket["sparsity_by_round"] for run in cell.runs.values()]
            shown = [number for number in block if number < cell.key.rounds]
            means = [sum(after[number] for after in reached) / len(reached) for number in shown]
            if shown:
                name, n = plain(cell.key.ticket), str(cell.accuracy.n)
                table.add_row(name, n, "asked for", *(f"{100 * desired[number]:.2f}" for number in shown), style="dim")
                table.add_row("", "", "reached", *(f"{100 * mean:.2f}" for mean in means))
        tables += [Text(), table]
    return tables


def _accuracy_table(group: Group) -> RenderableType:
    table = new_table(
        f"Maximum validation accuracy (%), {100 * group.params.confidence:g} % t intervals; "
        "minus dense is paired by seed (points)",
        "ticket",
        "start",
        ">n",
        ">accuracy",
        ">minus dense",
        "verdict",
    )
    for cell in group.cells:
        table.add_row(
            plain(cell.key.ticket),
            plain(cell.key.start),
            str(cell.accuracy.n),
            _percent(cell.accuracy),
            points(cell.difference, cell.accuracy.n),
            _verdict(cell.verdict, cell.seeds_to_decide),
        )
    return table


def _early_stop_table(group: Group) -> RenderableType:
    table = new_table(
        "At the early-stop step, where the validation loss is lowest",
        "ticket",
        "start",
        ">n",
        ">step",
        ">accuracy",
    )
    has_test = any(cell.test_accuracy for cell in group.cells)
    if has_test:
        table.add_column("test accuracy", justify="right")
    for cell in group.cells:
        step = steps(cell.early_stop_step).removeprefix("+") + ("*" if cell.stops_at_end else "")
        test = [_percent(cell.test_accuracy) if cell.test_accuracy else ""] if has_test else []
        table.add_row(
            plain(cell.key.ticket),
            cell.key.start,
            str(cell.accuracy.n),
            step,
            _percent(cell.early_stop_accuracy),
            *test,
        )
    return table


def _verdict(verdict: Verdict | None, seeds_to_decide: int | None) -> Text:
    if verdict is None:
        return Text("")
    return Text(verdict + _needed(seeds_to_decide), style=VERDICT_STYLES[verdict])


def _needed(seeds: int | None) -> str:
    return f" ({seeds}+ seeds)" if seeds else ""


def _notes(group: Group) -> list[RenderableType]:
    margin = f"{100 * group.params.margin:g} points"
    notes = [
        f"as good: not worse than dense by {margin} or more, one-sided; verdicts are adjusted for their number (Holm)."
    ]
    if group.dense is None:
        notes.append("No dense run here, so nothing to compare with: prune --ratio 0, and retrain that.")
    differences = [cell.difference for cell in group.cells if cell.difference is not None]
    if any(value.n == 1 for value in (*differences, *(cell.accuracy for cell in group.cells))):
        notes.append("One seed has no interval: nothing can be decided from it.")
    if any(cell.stops_at_end for cell in group.cells):
        notes.append(
            "* In some of these runs the validation loss was lowest at the last step: they may be too short to overfit."
        )
    if all(cell.test_accuracy is None for cell in group.cells):
        notes.append(
            "This protocol has no test images: accuracies are of the images that chose the best step, "
            "so a little high throughout."
        )
    return [Text(note, style="dim") for note in notes]


def _claims_table(group: Group) -> RenderableType:
    title = "Winning tickets: as accurate as dense, no later, sparser, and better than their reinit"
    table = new_table(title, "ticket", "wins", "accuracy", "early stop", ">weights", "beats reinit")
    for claim in group.claims:
        cell = group.cell(claim.key)
        assert cell is not None
        weights = f"{100 * (1 - cell.sparsity):.3g} %"
        needed = claim.seeds_to_decide
        states = (
            _state(claim.accurate, needed.get("accurate")),
            _state(claim.fast, needed.get("fast")),
            weights,
            _state(claim.special, needed.get("special")),
        )
        table.add_row(plain(claim.key.ticket), _wins(claim), *states)
    return table


def _differences_table(group: Group) -> RenderableType:
    title = "Behind them, paired by seed: early-stop step minus dense's, accuracy minus reinit's and random pruning's"
    table = new_table(title, "ticket", ">n", ">steps", ">n", ">minus reinit", ">n", ">minus random", "verdict")
    for claim in group.claims:
        row: list[str | Text] = []
        for value, shown in (
            (claim.step_difference, steps(claim.step_difference)),
            (claim.reinit_difference, points(claim.reinit_difference)),
            (claim.random_difference, points(claim.random_difference)),
        ):
            row += [str(value.n) if value else "", shown]
        row.append(_verdict(claim.random_verdict, claim.seeds_to_decide.get("random")))
        table.add_row(plain(claim.key.ticket), *row)
    return table


def _claim_notes(group: Group) -> list[RenderableType]:
    dense = group.dense
    notes = []
    if dense is not None and dense.stops_at_end:
        notes.append(
            f"{dense.stops_at_end} of {dense.accuracy.n} dense runs had their lowest validation loss at the last step: "
            '"early stop" holds by default there.'
        )
    return [Text(note, style="dim") for note in notes]


def check_tables(checks: Sequence[Check]) -> RenderableType:
    """In how many folders each claim held, what failed, and what could not be checked and why."""
    num_folders = len({check.path for check in checks})
    title = f"Claims checked in {num_folders} folder{'s' * (num_folders != 1)}"
    table = new_table(title, "claim", ">held", ">failed", ">not checked")
    for claim in dict.fromkeys(check.claim for check in checks):
        states = [check.state for check in checks if check.claim == claim]
        row: list[Text] = []
        for state, style in CHECK_STYLES.items():
            count = states.count(state)
            row.append(Text(str(count), style=style if count else "dim"))
        table.add_row(plain(claim), *row)
    parts: list[RenderableType] = [table]
    headings: dict[CheckState, str] = {"failed": "Failed", "unchecked": "Could not be checked"}
    for state, heading in headings.items():
        where: dict[str, list[Path]] = {}
        for check in checks:
            if check.state == state:
                where.setdefault(f"{check.claim}: {check.detail}", []).append(check.path)
        if where:
            parts += [Text(), Text(heading, style=f"bold {CHECK_STYLES[state]}")]
        for what, paths in where.items():
            parts.append(plain(f"{paths[0]}{f' and {len(paths) - 1} more' * (len(paths) > 1)}: {what}"))
    return Lines(*parts)


def _state(state: State, seeds: int | None) -> Text:
    return Text(state + _needed(seeds), style=STATE_STYLES[state])


def _wins(claim: Claim) -> Text:
    words: dict[State, str] = {"held": "yes", "failed": "no", "undecided": "undecided", "unknown": "unknown"}
    return Text(words[claim.state], style=STATE_STYLES[claim.state])


def _percent(value: Interval) -> str:
    return f"{100 * value.mean:.2f}" + ("" if value.low is None else f" ± {100 * (value.mean - value.low):.2f}")


def points(value: Interval | None, n: int | None = None) -> str:
    """A difference in points; with its own n where that is not `n`."""
    if value is None:
        return ""
    fewer = f" (n = {value.n})" if n is not None and value.n != n else ""
    return (
        f"{100 * value.mean:+.2f}" + ("" if value.low is None else f" ± {100 * (value.mean - value.low):.2f}") + fewer
    )


def steps(value: Interval | None) -> str:
    if value is None:
        return ""
    return f"{value.mean:+,.0f}" + ("" if value.low is None else f" ± {value.mean - value.low:,.0f}")


def new_table(title: str | Text, *columns: str) -> Table:
    """A table of columns; one whose name starts with ">" is aligned to the right. Names stay whole, the rest is
    folded."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        name = column.lstrip(">")
        table.add_column(name, justify=justify, no_wrap=name in ("ticket", "layer"), overflow="fold")
    return table


def plain(text: str, style: str = "") -> Text:
    """Text that may come from a file: no markup, and nothing that a terminal would obey."""
    return Text(
        "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text),
        style=style,
    )
