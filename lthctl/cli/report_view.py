"""A report as tables."""

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.terminal import VERDICT_STYLES, new_table, percent, plain, points, steps
from lthctl.cli.ticket_table import blocks
from lthctl.reporting.experiments import desired_by_round
from lthctl.reporting.reading import Report
from lthctl.reporting.statistics import Verdict
from lthctl.reporting.verdicts import Group, State, TicketVerdict

STATE_STYLES: dict[State, str] = {
    "held": "green",
    "failed": "red",
    "undecided": "yellow",
    "unknown": "dim",
}


def report_tables(report: Report) -> RenderableType:
    """The whole report for a terminal."""
    parts: list[RenderableType] = []
    for number, group in enumerate(report.groups, start=1):
        head = f"Group {number} of {len(report.groups)}: " if len(report.groups) > 1 else ""
        parts.append(
            plain(
                f"{head}{group.title}; {group.num_runs} runs, {group.num_seeds} seeds", style="bold"
            )
        )
        parts += [
            *_sparsity_tables(group),
            Text(),
            _accuracy_table(group),
            Text(),
            _early_stop_table(group),
        ]
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
    cells = [
        cell for cell in group.cells if cell.key.start == "rewind" and cell.key.method != "dense"
    ]
    cells = cells or [cell for cell in group.cells if cell.key.method != "dense"]
    tables: list[RenderableType] = []
    for block in blocks(range(max((cell.key.rounds for cell in cells), default=0))):
        columns = [f">round {number + 1}" for number in block]
        table = new_table(
            "Sparsity (%) asked for and reached, mean over seeds", "ticket", ">n", "", *columns
        )
        for cell in cells:
            desired = desired_by_round(cell.key)
            reached = [run.ticket["sparsity_by_round"] for run in cell.runs.values()]
            shown = [number for number in block if number < cell.key.rounds]
            means = [sum(after[number] for after in reached) / len(reached) for number in shown]
            if shown:
                name, n = plain(cell.key.ticket), str(cell.accuracy.n)
                table.add_row(
                    name,
                    n,
                    "asked for",
                    *(f"{100 * desired[number]:.2f}" for number in shown),
                    style="dim",
                )
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
            percent(cell.accuracy),
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
        test = [percent(cell.test_accuracy) if cell.test_accuracy else ""] if has_test else []
        table.add_row(
            plain(cell.key.ticket),
            cell.key.start,
            str(cell.accuracy.n),
            step,
            percent(cell.early_stop_accuracy),
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
        f"as good: not worse than dense by {margin} or more, one-sided; verdicts are adjusted for "
        "their number (Holm)."
    ]
    if group.dense is None:
        notes.append(
            "No dense run here, so nothing to compare with: prune --ratio 0, and retrain that."
        )
    differences = [cell.difference for cell in group.cells if cell.difference is not None]
    if any(value.n == 1 for value in (*differences, *(cell.accuracy for cell in group.cells))):
        notes.append("One seed has no interval: nothing can be decided from it.")
    if any(cell.stops_at_end for cell in group.cells):
        notes.append(
            "* In some of these runs the validation loss was lowest at the last step: they may be "
            "too short to overfit."
        )
    if all(cell.test_accuracy is None for cell in group.cells):
        notes.append(
            "This protocol has no test images: accuracies are of the images that chose the best "
            "step, "
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
    title = (
        "Behind them, paired by seed: early-stop step minus dense's, "
        "accuracy minus reinit's and random pruning's"
    )
    table = new_table(
        title, "ticket", ">n", ">steps", ">n", ">minus reinit", ">n", ">minus random", "verdict"
    )
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
            f"{dense.stops_at_end} of {dense.accuracy.n} dense runs had their lowest validation "
            "loss at the last step: "
            '"early stop" holds by default there.'
        )
    return [Text(note, style="dim") for note in notes]


def _state(state: State, seeds: int | None) -> Text:
    return Text(state + _needed(seeds), style=STATE_STYLES[state])


def _wins(claim: TicketVerdict) -> Text:
    words: dict[State, str] = {
        "held": "yes",
        "failed": "no",
        "undecided": "undecided",
        "unknown": "unknown",
    }
    return Text(words[claim.state], style=STATE_STYLES[claim.state])
