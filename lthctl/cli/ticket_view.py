"""One ticket or run on a screen, or a list of them."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import Proof
from lthctl.artifacts.ticket import Ticket
from lthctl.cli.facts import (
    CUT_OFF,
    curve_floor,
    fact_grid,
    fact_table,
    percent_or_blank,
    settings_words,
    step_words,
)
from lthctl.cli.sparks import PixelPicture, Spark, SparsityTables, finite_values
from lthctl.cli.terminal import plain
from lthctl.datasets.base import DataDescription
from lthctl.lottery.controls import CONTROLS
from lthctl.models.base import MlpDescription, ModelDescription, ModuleDescription
from lthctl.params import RoundParams, augment_words
from lthctl.reporting.dead_units import HiddenLayer, Units, channels_of, units_of
from lthctl.reporting.sides import Side


def ticket_screen(label: str, ticket: Ticket, files: Mapping[str, str]) -> RenderableType:
    """All that is worth knowing of a ticket.

    Args:
      label: what its folder was called.
      ticket: the ticket.
      files: file name -> digest.
    """
    mask = ticket.mask
    facts = [
        (
            "kept",
            f"{mask.num_kept:,} of {mask.size:,} prunable weights, {100 * mask.density:.2f} %",
        ),
        ("found by", _found_by(ticket)),
        ("network", _model(ticket.model)),
        ("data", _data(ticket.data)),
        ("digest", ticket.digest),
        *sorted(files.items()),
    ]
    if ticket.train is not None:
        facts.insert(4, ("trained", _training(ticket.train)))
    parts: list[RenderableType] = [
        plain(f"{label}: a ticket, {ticket.name}", style="bold"),
        fact_table(facts),
    ]
    if ticket.counts:
        parts += [Text(), SparsityTables(ticket)]
    units = units_of(mask)
    if channels := channels_of(mask, ticket.model.name):
        parts += [Text(), *_dead_channels(channels)]
    elif units is None:
        parts += [
            Text(),
            Text("Not a chain of layers.<i>.weight: units are not counted.", style="dim"),
        ]
    else:
        parts += [Text(), _dead_units(units), *_picture(units)]
    return Lines(*parts)


def run_screen(label: str, run: Run, digest: str, files: Mapping[str, str]) -> RenderableType:
    """All that is worth knowing of a run.

    Args:
      label: what its folder was called.
      run: the run.
      digest: of its document.
      files: file name -> digest.
    """
    metrics = run.metrics
    facts = [
        (
            "ticket",
            f"{run.ticket.name}, {100 * (1 - run.ticket.sparsity):.2f} % kept, {run.ticket.digest}",
        ),
        ("trained", _training(run.train, run.specification.first_step)),
        *_order(run),
        ("network", _model(run.model)),
        ("data", _data(run.data)),
        ("best", f"{100 * metrics.best_accuracy:.2f} % at step {metrics.best_step:,}"),
        (
            "early stop",
            f"{100 * metrics.early_stop_accuracy:.2f} % at step {metrics.early_stop_step:,}, "
            "where the validation loss is lowest",
        ),
        ("final", f"{100 * metrics.final_accuracy:.2f} % at step {run.history[-1].step:,}"),
    ]
    if metrics.early_stop_test_accuracy is not None:
        facts.append(
            ("test", f"{100 * metrics.early_stop_test_accuracy:.2f} % at the early-stop step")
        )
    facts += [
        ("pruned", _pruned(run.proof)),
        ("kept", _kept(run.proof)),
        ("started from", run.proof.start),
        ("training", run.training),
        ("digest", digest),
        *sorted(files.items()),
    ]
    accuracy = [row.validation_accuracy for row in run.history]
    loss = [row.validation_loss for row in run.history]
    curves = Table.grid(padding=(0, 2))
    first, last = run.history[0].step, run.history[-1].step
    low, largest = curve_floor(accuracy), float(np.quantile(finite_values(loss), 1 - CUT_OFF))
    curves.add_row(
        "accuracy", Spark(accuracy, low), f"{100 * low:.2f} or less to {100 * max(accuracy):.2f} %"
    )
    curves.add_row("loss", Spark(loss, high=largest), f"{min(loss):.4f} to {largest:.4f} or more")
    return Lines(
        plain(
            f"{label}: a run, {run.ticket.name} from {_control_words(run)}",
            style="bold",
        ),
        fact_table(facts),
        Text(),
        Text(
            f"Validation, {len(run.history)} evaluations from step {first:,} to {last:,}",
            style="bold",
        ),
        curves,
    )


def _order(run: Run) -> list[tuple[str, str]]:
    if run.order_seed is None:
        return []
    return [("batches", f"in the order of seed {run.order_seed}: a second copy, no replicate")]


def _control_words(run: Run) -> str:
    control = CONTROLS.known(run.control)
    return f"{control.words} ({run.variant})" if control else run.variant


def side_screen(side: Side) -> RenderableType:
    """The ticket or run that a path holds; a list where it holds several."""
    if not side.is_single:
        return _list(side)
    for name, ticket in side.tickets.items():
        return ticket_screen(side.named(name), ticket, side.folders[name].digests())
    name, run = next(iter(side.runs.items()))
    folder = side.folders[name]
    return run_screen(side.named(name), run, folder.digest, folder.digests())


def _list(side: Side) -> RenderableType:
    parts: list[RenderableType] = []
    if side.tickets:
        listed = fact_grid("Tickets", "ticket", ">kept", ">kept (%)", "digest")
        for name, ticket in side.tickets.items():
            mask = ticket.mask
            listed.add_row(
                plain(name),
                f"{mask.num_kept:,}",
                f"{100 * mask.density:.2f}",
                ticket.digest[:12],
            )
        parts += [listed, Text()]
    if side.runs:
        listed = fact_grid(
            "Runs, validation accuracy (%)",
            "run",
            "control",
            ">best",
            ">at step",
            ">early stop",
            ">at step",
        )
        for name, run in side.runs.items():
            metrics = run.metrics
            best = percent_or_blank(metrics.best_accuracy), step_words(metrics.best_step)
            stop = (
                percent_or_blank(metrics.early_stop_accuracy),
                step_words(metrics.early_stop_step),
            )
            listed.add_row(plain(name), plain(run.variant), *best, *stop)
        parts += [listed, Text()]
    names = [*side.tickets, *side.runs]
    parts.append(
        plain(
            f"{len(names)} below {side.label}; to see one: lthctl show {side.named(names[0])}",
            style="dim",
        )
    )
    return Lines(*parts)


def _pruned(proof: Proof) -> str:
    return f"{proof.pruned:,} weights, {proof.pruned_nonzero:,} of them not 0 at the end"


def _kept(proof: Proof) -> str:
    return f"{proof.kept:,} weights, {proof.kept_moved:,} of them changed by training"


def _found_by(ticket: Ticket) -> str:
    what = "weights and biases prunable" if ticket.biases else "weights prunable"
    if ticket.rounds == 0:
        return f"nothing: dense; seed {ticket.seed}, {what}"
    rounds = f"{ticket.rounds} round{'s' * (ticket.rounds != 1)}"
    pruning = ticket.specification.pruning
    if pruning.layer_rate is not None:
        each = ", ".join(f"{100 * rate:g} % of {name}" for name, rate in pruning.layer_rate)
        size = f"{each} in each of {rounds}"
    elif pruning.per_round is not None:
        size = f"{100 * pruning.per_round:g} % of what remains in each of {rounds}"
    elif pruning.layer_ratio is not None:
        size = f"ratios {', '.join(f'{one:g}' for one in pruning.layer_ratio)} in {rounds}"
    else:
        size = f"ratio {ticket.ratio:g} in {rounds}"
    words = [ticket.method, size, f"seed {ticket.seed}", what]
    if pruning.scope == "global":
        words.append("all weights compete with each other")
    elif pruning.output_factor != 0.5:
        words.append(f"output layer at {pruning.output_factor:g} of the rate")
    if pruning.exclude:
        words.append(f"never {', '.join(pruning.exclude)}")
    if pruning.rewind_step:
        words.append(f"rewinds to step {pruning.rewind_step:,}")
    return ", ".join(words)


def _model(model: ModelDescription) -> str:
    if isinstance(model, MlpDescription):
        return f"MLP {model.name}, {model.init} weights"
    return model.words if isinstance(model, ModuleDescription) else f"module {model.name}"


def _data(data: DataDescription | None) -> str:
    if data is None:  # imported from elsewhere
        return "not known"
    test = f", {data.test:,} test" if data.test else ""
    words = f"{data.name}, {data.train:,} train, {data.validation:,} validation{test} images"
    if data.normalize is not None:
        words += ", pixels normalized"
    if data.augment is not None:
        words += f", augmented ({augment_words(data.augment)})"
    return words


def _training(train: RoundParams, first_step: int = 0) -> str:
    words = settings_words(train)
    if first_step:
        words = words.replace(
            f"{train.steps:,} steps", f"steps {first_step + 1:,} to {train.steps:,}", 1
        )
    return f"{words}, engine {train.engine} on {train.device}"


def _dead_units(units: Units) -> RenderableType:
    table = fact_grid(
        "Units with no surviving weights", "layer", ">units", ">dead", ">none in", ">none out"
    )
    table.add_row(
        "inputs", f"{len(units.weights_per_input):,}", f"{units.num_dead_inputs:,}", "", ""
    )
    for index, hidden in enumerate(units.hidden, start=1):
        counts = hidden.num_units, hidden.dead, hidden.without_incoming, hidden.without_outgoing
        table.add_row(f"hidden {index}", *(f"{value:,}" for value in counts))
    return table


def _dead_channels(layers: Sequence[HiddenLayer]) -> Iterator[RenderableType]:
    table = fact_grid(
        "Channels with no surviving weights", "layer", ">channels", ">dead", ">none in", ">none out"
    )
    for layer in layers:
        out = "" if layer.without_outgoing is None else f"{layer.without_outgoing:,}"
        counts = (layer.num_units, layer.dead, layer.without_incoming)
        table.add_row(plain(layer.layer), *(f"{value:,}" for value in counts), out)
    yield table
    if layers[0].without_outgoing is None:
        yield Text(
            "Which layer comes after another is not known here: what goes on is not counted.",
            style="dim",
        )


def _picture(units: Units) -> list[RenderableType]:
    per_input = units.weights_per_input
    side = math.isqrt(len(per_input))
    if side * side != len(per_input) or not 4 <= side <= 56:
        return []
    title = Text(
        f"Surviving weights per input pixel, {side} x {side}, two rows a line", style="bold"
    )
    return [Text(), title, PixelPicture(per_input.reshape(side, side))]
