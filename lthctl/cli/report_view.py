"""A report as tables."""

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from lthctl.cli.answer_view import copies_words
from lthctl.cli.claim_view import claims_table
from lthctl.cli.terminal import VERDICT_STYLES, new_table, percent, plain, points, steps
from lthctl.cli.ticket_table import blocks
from lthctl.reporting.answers import answers_of, rule_of
from lthctl.reporting.draws import DRAWS_NOTE
from lthctl.reporting.experiments import desired_by_round
from lthctl.reporting.reading import Report
from lthctl.reporting.selection import capital
from lthctl.reporting.sentences import sentences_of, times_words
from lthctl.reporting.stability import RULE as STABLE_RULE
from lthctl.reporting.stability import IsStable, Stability, stabilities_of
from lthctl.reporting.statistics import Verdict
from lthctl.reporting.tickets import TicketVerdict, ticket_verdicts
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.reporting.whole_report import whole_report_sentence

STABLE_STYLES: dict[IsStable, str] = {
    "stable": "green",
    "not stable": "red",
    "unknown": "yellow",
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
            Text(),
            *_answers(group),
            *(claims_table(report.claims) if report.claims and number == 1 else []),
            *_sparsity_tables(group),
            Text(),
            _accuracy_table(group),
            Text(),
            _early_stop_table(group),
        ]
        parts += [Text(), *_notes(group)]
        if verdicts := ticket_verdicts(group):
            parts += [Text(), _control_table(verdicts), Text(), _arrival_table(verdicts)]
            parts += _verdict_notes()
        if stabilities := stabilities_of(group):
            parts += [Text(), _stability_table(stabilities), Text(STABLE_RULE, style="dim")]
        parts.append(Text())
    if report.copies:
        parts.append(plain(copies_words(report), style="dim"))
    return Lines(*parts)


def _answers(group: Group) -> list[RenderableType]:
    """The three answers, what is not known, and the rule by which they were chosen."""
    answers = answers_of(group)
    lines: list[RenderableType] = [plain(sentence) for sentence in sentences_of(answers)]
    if (together := whole_report_sentence(answers)) is not None:
        lines.append(plain(together))
    lines += [plain(f"Not known: {unknown}", "yellow") for unknown in unknowns_of(answers)]
    return [*lines, plain(rule_of(group.params), "dim")]


def _sparsity_tables(group: Group) -> list[RenderableType]:
    experiments = [
        experiment
        for experiment in group.experiments
        if experiment.key.control == "rewind" and experiment.key.method != "dense"
    ]
    experiments = experiments or [
        experiment for experiment in group.experiments if experiment.key.method != "dense"
    ]
    tables: list[RenderableType] = []
    for block in blocks(
        range(max((experiment.key.rounds for experiment in experiments), default=0))
    ):
        columns = [f">round {number + 1}" for number in block]
        table = new_table(
            "Sparsity (%) asked for and reached, mean over seeds", "ticket", ">n", "", *columns
        )
        for experiment in experiments:
            desired = desired_by_round(experiment.key)
            reached = [ticket.sparsity_by_round for ticket in experiment.tickets.values()]
            shown = [number for number in block if number < experiment.key.rounds]
            means = [sum(after[number] for after in reached) / len(reached) for number in shown]
            if shown:
                name, n = plain(experiment.key.ticket), str(experiment.accuracy.n)
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
        f"{capital(group.accuracy_words)} (%), "
        f"{100 * group.params.confidence:g} % t intervals; "
        "minus dense is paired by seed (points)",
        "ticket",
        "control",
        ">n",
        ">accuracy",
        ">minus dense",
        "verdict",
    )
    for experiment in group.experiments:
        table.add_row(
            plain(experiment.key.ticket),
            plain(experiment.key.control),
            str(experiment.accuracy.n),
            percent(experiment.accuracy),
            points(experiment.difference, experiment.accuracy.n),
            _verdict(experiment.verdict, experiment.seeds_to_decide),
        )
    return table


def _early_stop_table(group: Group) -> RenderableType:
    table = new_table(
        "At the early-stop step, where the validation loss is lowest",
        "ticket",
        "control",
        ">n",
        ">step",
        ">accuracy",
    )
    has_test = any(experiment.test_accuracy for experiment in group.experiments)
    if has_test:
        table.add_column("test accuracy", justify="right")
    for experiment in group.experiments:
        step = steps(experiment.early_stop_step).removeprefix("+") + (
            "*" if experiment.stops_at_end else ""
        )
        test = (
            [percent(experiment.test_accuracy) if experiment.test_accuracy else ""]
            if has_test
            else []
        )
        table.add_row(
            plain(experiment.key.ticket),
            experiment.key.control,
            str(experiment.accuracy.n),
            step,
            percent(experiment.early_stop_accuracy),
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
        f"as good: not worse than dense by {margin} or more (one-sided). Each verdict is by "
        "itself, not adjusted for their number."
    ]
    if group.dense is None:
        notes.append(
            "There is no dense run here, so there is nothing to compare with. Type lthctl prune "
            "--ratio 0, and retrain that ticket."
        )
    differences = [
        experiment.difference
        for experiment in group.experiments
        if experiment.difference is not None
    ]
    if any(
        value.n == 1
        for value in (*differences, *(experiment.accuracy for experiment in group.experiments))
    ):
        notes.append("One seed has no interval, so nothing can be decided from it.")
    if any(experiment.stops_at_end for experiment in group.experiments):
        notes.append(
            "* In some of these runs the validation loss was lowest at the last step. They may be "
            "too short to overfit."
        )
    if group.has_draws:
        notes.append(DRAWS_NOTE)
    if all(experiment.test_accuracy is None for experiment in group.experiments):
        notes.append(
            "This protocol has no test images. Accuracies are of the images that chose the best "
            "step, so they are a little too high."
        )
    return [Text(note, style="dim") for note in notes]


def _control_table(verdicts: Sequence[TicketVerdict]) -> RenderableType:
    title = "Accuracy of tickets minus that of their controls, paired by seed (points)"
    table = new_table(title, "ticket", "control", ">n", ">minus control", "verdict")
    for ticket in verdicts:
        controls = {"reinit": ticket.reinit, "shuffle": ticket.shuffle, **ticket.others}
        for name, one in (*controls.items(), ("random", ticket.random)):
            if one is not None and one.difference is not None:
                numbers = name, str(one.difference.n), points(one.difference)
                table.add_row(plain(ticket.key.ticket), *numbers, _verdict(one.shown, one.seeds))
    return table


def _arrival_table(verdicts: Sequence[TicketVerdict]) -> RenderableType:
    words = verdicts[0].target.words
    table = new_table(f"Steps to {words}, beside dense", "ticket", ">n", "", "verdict")
    for ticket in verdicts:
        if ticket.sooner is not None:
            times = times_words(ticket.sooner).format("dense")
            n, verdict = str(ticket.sooner.n), _verdict(ticket.sooner_shown, None)
            table.add_row(plain(ticket.key.ticket), n, times, verdict)
    return table


def _stability_table(stabilities: Sequence[Stability]) -> RenderableType:
    title = f"Is it stable? Barrier between copies (points), {stabilities[0].judged} images"
    columns = ("ticket", "control", "as good as dense?", ">n", ">barrier", ">on train", "stable?")
    table = new_table(title, *columns)
    for one in stabilities:
        key = one.experiment.key
        table.add_row(
            plain(key.ticket),
            plain(key.control),
            _verdict(one.experiment.verdict, None),
            str(one.barrier.n),
            percent(one.barrier),
            percent(one.on_train),
            Text(one.is_stable, style=STABLE_STYLES[one.is_stable]),
        )
    return table


def _verdict_notes() -> list[RenderableType]:
    return [
        Text(
            "as good as a control: no difference beyond the margin, either way. better in steps: "
            "sooner. Each verdict is by itself, not adjusted for their number.",
            style="dim",
        )
    ]
