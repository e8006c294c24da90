"""A report in a few lines: setup, answers, a table per ladder, notes.

`report_view` has all the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lthctl.cli.claim_view import claims_table
from lthctl.cli.terminal import VERDICT_STYLES, new_table, percent, plain, points
from lthctl.reporting.answers import answers_of
from lthctl.reporting.arrivals import Sooner
from lthctl.reporting.draws import DRAWS_NOTE
from lthctl.reporting.experiments import DENSE, RANDOM, Experiment
from lthctl.reporting.ladders import Ladder, LadderKey, ladders_of
from lthctl.reporting.reading import Report
from lthctl.reporting.sentences import sentences_of, size_words, tickets_words
from lthctl.reporting.stability import stability_sentence
from lthctl.reporting.statistics import Verdict
from lthctl.reporting.targets import Target, arrivals_of, times_sooner
from lthctl.reporting.unknowns import unknowns_of
from lthctl.reporting.verdicts import Group
from lthctl.reporting.whole_report import whole_report_sentence

MOST_TABLES = 4
MOST_UNKNOWNS = 2
MOST_GROUPS = 3
MOST_NOTES = 3

WORDS = {"rewind": "rewound", "reinit": "reinitialized", "shuffle": "shuffled"}


def print_answers(console: Console, report: Report) -> None:
    """The answers of a report, as wide as the terminal is. Commands are not wrapped, so that they
    can be copied."""
    for number, group in enumerate(report.groups[:MOST_GROUPS], start=1):
        head = f"Group {number} of {len(report.groups)}: " if len(report.groups) > 1 else ""
        counts = f"{group.num_runs} runs, {group.num_seeds} seeds"
        console.print(plain(f"{head}{group.title}; {counts}", style="bold"))
        if group.dense is not None:
            console.print(plain(_dense_words(group, group.dense), style="dim"))
        _print_answers(console, group)
        if number == 1:
            _print_ladders(console, group)
            for note in _notes(group)[:MOST_NOTES]:
                console.print(plain(note, style="dim"))
            if (sentence := stability_sentence(group)) is not None:
                console.print()
                console.print(plain(sentence))
            if report.claims:
                console.print()
                console.print(*claims_table(report.claims), sep="\n")
        console.print()
    if more := report.groups[MOST_GROUPS:]:
        console.print(f"And {len(more)} more groups: see the page, or lthctl report --full.\n")
    if report.copies:
        console.print(plain(copies_words(report), style="dim"))


def copies_words(report: Report) -> str:
    """What is said of second copies."""
    number = len(report.copies)
    return (
        f"{number} second cop{'y' if number == 1 else 'ies'} with another order of the batches, "
        "which are no replicates: not counted above."
    )


def print_page(console: Console, folder: Path, also: str = "") -> None:
    """Where the page is, and the rest."""
    console.print(plain(f"Page: {folder / 'index.html'}"), soft_wrap=True)
    console.print(f"All tables: on the page, in the CSV files beside it{also}.")


def _dense_words(group: Group, dense: Experiment) -> str:
    target = Target(group.params.targets[0])
    steps = arrivals_of(group, dense, target).mean_steps
    reached = f"; {target.words} after {steps:,.0f} steps" if steps is not None else ""
    return f"Dense: {percent(dense.accuracy)} %, n {dense.accuracy.n}{reached}."


def _print_answers(console: Console, group: Group) -> None:
    answers = answers_of(group)
    sentences = sentences_of(answers)
    for number, sentence in enumerate(sentences, start=1):
        console.print(plain(f"{number}. {sentence}" if len(sentences) > 1 else sentence))
    if (together := whole_report_sentence(answers)) is not None:
        console.print(plain(together, style="dim"))
    unknowns = unknowns_of(answers)
    for unknown in unknowns[:MOST_UNKNOWNS]:
        seeds = f" {unknown.seeds} seeds in all would tell." if unknown.seeds else ""
        console.print(plain(f"Not known: {unknown.text}{seeds}", style="yellow"))
        if unknown.command:
            console.print(plain(f"  {unknown.command}"), soft_wrap=True)
    if more := unknowns[MOST_UNKNOWNS:]:
        console.print(
            Text(f"And {len(more)} more is not known: lthctl report --full.", style="dim")
        )


@dataclass(frozen=True)
class _Block:
    """What a table says of one control of a ladder.

    Attributes:
      name: of the control, for people.
      rows: ratio -> difference, verdict and times sooner.
    """

    name: str
    rows: dict[float, tuple[str, Text, str]]

    def width(self) -> int:
        """With the two spaces before each column."""
        cells = [(len(a), len(b), len(c)) for a, b, c in self.rows.values()]
        cells.append((len(self.name), len("verdict"), len("sooner")))
        return sum(max(column) + 2 for column in zip(*cells, strict=True))


def _print_ladders(console: Console, group: Group) -> None:
    """A table for each ladder of tickets, and a line for each that there is no room for."""
    ladders = {ladder.key: ladder for ladder in ladders_of(group)}
    tickets = sorted(
        {key._replace(control="rewind") for key in ladders},
        key=lambda key: (key.method == RANDOM, not _is_primary(ladders, key), key.order()),
    )
    has_other = any(key.method != RANDOM for key in tickets)
    shown = [key for key in tickets if key.method != RANDOM or not has_other][:MOST_TABLES]
    for key in shown:
        controls = [ladder for name, ladder in ladders.items() if _is_of(name, key)]
        _print_table(console, group, key, controls)
    rest = [key for key in tickets if key not in shown]
    for key in rest:
        controls = [ladder for name, ladder in ladders.items() if _is_of(name, key)]
        found = ", ".join(f"{_control(one.key)} {_kept_up(one)}" for one in controls)
        console.print(plain(f"{tickets_words(key)}: {found}"))
    if shown or rest:
        console.print()


def _is_primary(ladders: dict[LadderKey, Ladder], key: LadderKey) -> bool:
    return key in ladders and ladders[key].is_primary


def _is_of(name: LadderKey, ticket: LadderKey) -> bool:
    return name._replace(control="rewind") == ticket


def _control(key: LadderKey) -> str:
    return WORDS.get(key.control, key.control)


def _kept_up(ladder: Ladder) -> str:
    if ladder.smallest is None:
        too_short = ladder.stopped == "too short to tell"
        return "too short to tell" if too_short else "as good at no size"
    return f"as good down to {size_words(ladder.smallest)}"


def _print_table(console: Console, group: Group, key: LadderKey, ladders: Sequence[Ladder]) -> None:
    blocks = [_block(group, ladder) for ladder in ladders]
    sizes = {size.key.ratio: size for ladder in reversed(ladders) for size in ladder.sizes}
    lead = 9  # of size and n
    console.print()
    console.print(plain(f"{tickets_words(key)}, minus dense (points)", style="bold"))
    while blocks:
        beside = [blocks.pop(0)]
        while blocks and lead + sum(one.width() for one in (*beside, blocks[0])) <= console.width:
            beside.append(blocks.pop(0))
        columns = [name for block in beside for name in (f">{block.name}", "verdict", ">sooner")]
        table = new_table("", ">size", ">n", *columns)
        for column in table.columns:
            column.no_wrap = len(beside) > 1 or lead + beside[0].width() <= console.width
        table.padding = (0, 2, 0, 0)
        for ratio, size in sorted(sizes.items()):
            cells = [cell for one in beside for cell in one.rows.get(ratio, ("", "", ""))]
            table.add_row(size_words(size), str(size.accuracy.n), *cells)
        console.print(table)


def _block(group: Group, ladder: Ladder) -> _Block:
    target = Target(group.params.targets[0])
    rows = {
        size.key.ratio: (
            points(size.difference, size.accuracy.n),
            _verdict(size.verdict),
            _times(times_sooner(group, size, group.dense, target)),
        )
        for size in ladder.sizes
    }
    return _Block(ladder.key.control, rows)


def _verdict(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text()
    words = "too short" if verdict == "too short to tell" else verdict
    return Text(words, style=VERDICT_STYLES[verdict])


def _times(sooner: Sooner | None) -> str:
    """How many times sooner, such as "2.66x", ">2.1x" or "<0.8x" where that is a bound."""
    if sooner is None or sooner.times is None:
        return "-"
    bound = {"at least": ">", "at most": "<"}.get(sooner.kind, "")
    return f"{bound}{sooner.times.mean:.2f}x"


def _notes(group: Group) -> list[str]:
    return list(_all_notes(group))


def _all_notes(group: Group) -> Iterator[str]:
    """The most important first."""
    params = group.params
    has_pruned = any(one.key.method != DENSE.method for one in group.experiments)
    if has_pruned and group.dense is not None:
        if group.num_seeds == 1:
            yield "One seed has no interval, so nothing can be decided from it."
        yield (
            f"as good: not worse than dense by {100 * params.margin:g} points or more, one-sided. "
            f"sooner: to {Target(params.targets[0]).words}, dense's steps over its own."
        )
        yield (
            f"{100 * params.confidence:g} % t intervals, paired by seed. Verdicts of a table are "
            "not adjusted for their number; the answers are."
        )
    if group.has_draws:
        yield DRAWS_NOTE
    if all(experiment.test_accuracy is None for experiment in group.experiments):
        yield (
            "This protocol has no test images: accuracies are of those that chose the best step."
        )
