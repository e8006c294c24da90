"""The command line: parse, call, show. The only place that catches errors.

Heavy modules are imported inside the commands, so that `--help` is immediate.
"""

import io
import json as jsonlib
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lthctl.errors import LthctlError, ParamsError, TicketError, TrainingError

if TYPE_CHECKING:
    from rich.console import Console

    from lthctl.grid.driver import Outcome
    from lthctl.grid.tasks import Task
    from lthctl.params import Params


app = typer.Typer(
    help="Find, keep, retrain and judge lottery tickets: sparse subnetworks that train as well as "
    "the dense network.",
    no_args_is_help=True,
    rich_markup_mode=None,  # the boxed help imports a Markdown parser and takes twice as long
    pretty_exceptions_show_locals=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


store_app = typer.Typer(
    help="Finished trainings, kept so that equal ones run once.", rich_markup_mode=None
)
app.add_typer(store_app, name="store", invoke_without_command=True)


STORE = Path(".lthctl")


DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the dataset.")]


StepsOption = Annotated[
    int,
    typer.Option(
        "--steps", help="Training steps; a ticket of n rounds gets steps/n before each pruning."
    ),
]


EngineOption = Annotated[str, typer.Option("--engine", help="auto, sparse or torch.")]


JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", min=1, help="Trainings at a time.", show_default="the number of cores"),
]


ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace folders that hold something else.")
]


DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
]


JsonOption = Annotated[bool, typer.Option("--json", help="Print results as JSON.")]


VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Tell of every training; in a plan, of every folder."),
]


QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no tables and no progress.")
]


@app.callback()
def main_options(
    context: typer.Context,
    params: Annotated[
        Path, typer.Option("--params", metavar="FILE", help="Parameters; all are optional.")
    ] = Path("params.yaml"),
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=lambda v: _version(v),
        ),
    ] = False,
) -> None:
    from lthctl.params import Params
    from lthctl.params_file import load_params

    source = context.get_parameter_source("params")
    try:
        loaded = (
            load_params(params)
            if params.exists() or (source and source.name == "COMMANDLINE")
            else Params()
        )
    except ParamsError as error:
        loaded = Params()
        context.obj = error  # told by the command, so that --help still works
    else:
        context.obj = loaded
    prune, train = loaded.prune, loaded.train
    training = {"steps": train.steps, "engine": train.engine}
    grid = {
        "method": list(prune.method),
        "ratio": list(prune.ratio),
        "rounds": list(prune.rounds),
        "seed": list(prune.seed),
    }
    context.default_map = {"prune": {**training, **grid}, "retrain": training}


@app.command()
def download(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the four files.")
    ] = Path("data/mnist"),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take plain or .gz IDX files from here, not from the network.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch MNIST and verify it; files that are right already stay."""
    with _told_errors():
        _params(context, "download", {})
        from lthctl.datasets.download import download as fetch

        origin = fetch(out, source=source, announce=lambda text: None if quiet else _say(text))
        if json:
            _print_json(origin)
        elif not quiet:
            for name, where in origin.items():
                _show(f"{out / name}: verified, {where}")


@app.command()
def prune(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the tickets' folders.")
    ] = Path("masks"),
    method: Annotated[
        list[str], typer.Option("--method", help="l1 or random; may be repeated.")
    ] = [],  # noqa: B006
    ratio: Annotated[
        list[float],
        typer.Option("--ratio", help="Final sparsity in [0, 1), 0 is dense; may be repeated."),
    ] = [],  # noqa: B006
    rounds: Annotated[
        list[int],
        typer.Option("--rounds", help="Train-prune-rewind rounds, 1 is one-shot; may be repeated."),
    ] = [],  # noqa: B006
    seed: Annotated[
        list[int], typer.Option("--seed", help="Seed, a replicate each; may be repeated.")
    ] = [],  # noqa: B006
    steps: StepsOption = 0,
    data: DataOption = Path("data/mnist"),
    engine: EngineOption = "auto",
    jobs: JobsOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find tickets: train, prune, rewind; once or in rounds."""
    with _told_errors():
        flags = {
            "prune.method": method,
            "prune.ratio": ratio,
            "prune.rounds": rounds,
            "prune.seed": seed,
        }
        params = _params(context, "prune", {**flags, "train.steps": steps, "train.engine": engine})
        from lthctl.artifacts.ticket import read_ticket_json
        from lthctl.cli import ticket_table
        from lthctl.grid import walk
        from lthctl.grid.dvc import refuse_if_owned

        refuse_if_owned(out)
        planned = walk.ticket_tasks(params, data, out)
        if dry_run:
            lists = params.prune.method, params.prune.rounds, params.prune.ratio, params.prune.seed
            _show_plan(
                planned,
                math.prod(map(len, lists)),
                "ticket",
                num_jobs=jobs,
                json=json,
                verbose=verbose,
            )
            return
        outcome = _run(
            planned, verb="pruning", num_jobs=jobs, force=force, quiet=quiet, verbose=verbose
        )
        finished = [task for task in planned if task.place in {*outcome.written, *outcome.present}]
        documents = [read_ticket_json(task.place) for task in finished]
        if json:
            _print_json(
                [
                    {"path": str(task.place), **document}
                    for task, document in zip(finished, documents, strict=True)
                ]
            )
        elif not quiet:
            _results().print(ticket_table.ticket_tables(documents))
            _say_outcome(outcome, out, "ticket")
        _raise_failures(outcome)


@app.command()
def retrain(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Tickets, or folders with tickets below them."),
    ],
    rewind: Annotated[
        bool, typer.Option("--rewind", help="From the ticket's own weights (the default).")
    ] = False,
    reinit: Annotated[
        bool, typer.Option("--reinit", help="From fresh weights under the same mask.")
    ] = False,
    shuffle: Annotated[
        bool,
        typer.Option(
            "--shuffle", help="From the ticket's weights, the mask permuted inside each layer."
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for rewind/, reinit/ and shuffle/ with the runs."
        ),
    ] = Path("tickets"),
    steps: StepsOption = 0,
    data: DataOption = Path("data/mnist"),
    engine: EngineOption = "auto",
    jobs: JobsOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    """Retrain every ticket found at or below the paths."""
    with _told_errors():
        params = _params(context, "retrain", {"train.steps": steps, "train.engine": engine})
        if rewind + reinit + shuffle > 1:
            raise ParamsError(
                "--rewind, --reinit and --shuffle exclude each other; give one, and call again for "
                "the next"
            )
        from lthctl.artifacts.run import read_run_json
        from lthctl.cli import ticket_table
        from lthctl.grid import walk
        from lthctl.grid.dvc import refuse_if_owned

        control: Any = "reinit" if reinit else "shuffle" if shuffle else "rewind"
        refuse_if_owned(out / control)
        try:
            planned = walk.retraining_tasks(params, data, paths, control, out)
        except TicketError as error:
            raise (
                TicketError(f"{error}; there is no plan before that") if dry_run else error
            ) from None
        if dry_run:
            _show_plan(planned, len(planned), "run", num_jobs=jobs, json=json, verbose=verbose)
            return
        verb = f"retraining ({control})"
        outcome = _run(planned, verb=verb, num_jobs=jobs, force=force, quiet=quiet, verbose=verbose)
        documents = [
            read_run_json(task.place)
            for task in planned
            if task.place in {*outcome.written, *outcome.present}
        ]
        if json:
            _print_json(documents)
        elif not quiet:
            _results().print(ticket_table.run_table(documents))
            _say_outcome(outcome, out / control, "run")
        _raise_failures(outcome)


@app.command()
def report(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Runs, or folders with runs below them.",
            show_default="tickets",
        ),
    ] = None,
    masks: Annotated[
        Path,
        typer.Option(
            "--masks", metavar="DIR", help="Where the tickets of these runs are, or are below."
        ),
    ] = Path("masks"),
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for index.html, and the same as data and figures."
        ),
    ] = Path("report"),
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a damaged run or ticket had to be left out."),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare all runs found with the dense network, and judge the tickets."""
    with _told_errors():
        params = _params(context, "report", {})
        from lthctl.canonical import canonical_json
        from lthctl.cli import report_view
        from lthctl.disk import write_file
        from lthctl.reporting import reading, tables
        from lthctl.reporting.figures import figure_files
        from lthctl.reporting.page import page_bytes
        from lthctl.reporting.provenance import provenance_of
        from lthctl.reporting.survivors import find_survivors, survivor_files

        made = reading.make_report(paths or [Path("tickets")], params.report)
        survivors, damaged_tickets = find_survivors(made, masks)
        left_out = [*made.left_out, *damaged_tickets]
        provenance = provenance_of(made)
        figures = figure_files(made.groups[0], survivors[0])
        files = {**tables.report_files(made), **survivor_files(survivors), **figures}
        files["provenance.json"] = canonical_json(provenance)
        files["index.html"] = page_bytes(made, survivors, provenance, figures, left_out)
        for name, content in files.items():
            write_file(out / name, content)
        for _, reason in left_out:
            _say(f"left out: {reason}")
        if missing := sum(len(found.missing) for found in survivors):
            _say(
                f"{masks}: lacks {missing} tickets of these runs, so the page is without their "
                "masks; see --masks"
            )
        if json:
            _print_json(tables.summary_rows(made))
        elif not quiet:
            _results().print(report_view.report_tables(made))
            _show(f"Written to {out}: {', '.join(sorted(files))}")
        if open_page:
            import webbrowser

            if not webbrowser.open((out / "index.html").absolute().as_uri()):
                _say(f"no browser can be opened from here: open {out / 'index.html'} by hand")
        if strict and left_out:
            raise typer.Exit(LthctlError.exit_code)


@store_app.callback()
def store(context: typer.Context, json: JsonOption = False) -> None:
    """Size and number of the finished trainings under .lthctl; with a command, check or clear
    them."""
    if context.invoked_subcommand:
        return
    with _told_errors():
        from lthctl.artifacts.store import Store

        kept = Store(STORE)
        sizes = [kept.size(digest) for digest in kept]
        if json:
            _print_json({"path": str(STORE), "trainings": len(sizes), "bytes": sum(sizes)})
        else:
            _show(f"{STORE}: {_trainings(len(sizes))}, {_megabytes(sum(sizes))}")


@store_app.command()
def check(json: JsonOption = False) -> None:
    """Check every training against its digests, and throw out the damaged ones: they will be run
    again."""
    with _told_errors():
        from lthctl.artifacts.store import Store

        kept = Store(STORE)
        damaged = kept.throw_out_damaged()
        num_left = len(list(kept))
        if json:
            _print_json(
                {
                    "whole": num_left,
                    "damaged": [{"training": name, "reason": why} for name, why in damaged],
                }
            )
        else:
            for _, reason in damaged:
                _show(f"thrown out: {reason}")
            _show(f"{STORE}: {_trainings(num_left)} whole, {len(damaged)} damaged")
        if damaged:
            raise typer.Exit(LthctlError.exit_code)


@store_app.command("prune")
def prune_store(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Tickets and runs whose trainings stay, or folders of them."
        ),
    ],
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Throw out the trainings that no ticket and no run below the paths came from."""
    with _told_errors():
        from lthctl.artifacts.store import Store

        kept = Store(STORE)
        unreferenced = kept.unreferenced(paths)
        num_bytes = sum(kept.size(digest) for digest in unreferenced)
        num_left = len(list(kept)) - len(unreferenced)
        if not dry_run:
            for digest in unreferenced:
                kept.throw_out(digest)
        if json:
            _print_json(
                {
                    "thrown_out": [] if dry_run else unreferenced,
                    "unreferenced": unreferenced,
                    "bytes": num_bytes,
                }
            )
        else:
            what = "would be thrown out" if dry_run else "thrown out"
            _show(
                f"{STORE}: {_trainings(len(unreferenced))} {what}, {_megabytes(num_bytes)}; "
                f"{num_left} stay"
            )


def _trainings(count: int) -> str:
    return f"{count:,} training{'s' * (count != 1)}"


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


@app.command()
def verify(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Tickets and runs, or folders with such below them."
        ),
    ],
    replay: Annotated[
        bool, typer.Option("--replay", help="Train again, without the store, and compare bytes.")
    ] = False,
    data: Annotated[
        Path,
        typer.Option(
            "--data", metavar="DIR", help="Folder of the dataset; read with --replay only."
        ),
    ] = Path("data/mnist"),
    jobs: JobsOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Prove from the files what can be proven; exit with 3 if a claim fails."""
    with _told_errors():
        from dataclasses import asdict

        from lthctl.cli import check_view
        from lthctl.verification.paths import verify_paths

        datasets = None
        if replay:
            from lthctl.datasets.mnist import MnistFolder

            datasets = MnistFolder(data).described
        try:
            checks = verify_paths(
                *paths,
                replay=datasets,
                num_jobs=jobs or len(os.sched_getaffinity(0)),
                announce=lambda text: None if quiet else _say(text),
            )
        except KeyboardInterrupt:
            _say("Interrupted: nothing was written, and the same command starts over.")
            raise typer.Exit(130) from None
        if json:
            _print_json([{**asdict(check), "path": str(check.path)} for check in checks])
        elif not quiet:
            _results().print(check_view.check_tables(checks))
        if any(check.state == "failed" for check in checks):
            raise typer.Exit(LthctlError.exit_code)


@app.command()
def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A ticket's folder, or a run's.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file; for csr a folder.")],
    to: Annotated[str, typer.Option("--to", help="state_dict, prune, csr or onnx.")] = "state_dict",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a ticket's initial weights, or a run's final ones, for another program."""
    with _told_errors():
        from lthctl.artifacts.names import RUN_JSON
        from lthctl.artifacts.run import load_run
        from lthctl.artifacts.ticket import load_ticket
        from lthctl.grid.dvc import refuse_if_owned
        from lthctl.interop.export import export_to, num_kept_zeros

        refuse_if_owned(out)
        source = load_run(path) if (path / RUN_JSON).exists() else load_ticket(path)
        export_to(source, out, to=to, replace=force)
        if quiet:
            return
        _show(f"{out}: {to} of {path}")
        if to == "state_dict" and (count := num_kept_zeros(source)):
            _say(
                f"{count:,} kept weights are exactly 0 and cannot be told from pruned ones; --to "
                "prune keeps the mask"
            )


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="safetensors, or a state_dict saved by torch.save."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the ticket's folder.")
    ] = Path("masks"),
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="FILE",
            help="Weights to rewind to; else FILE's own, or drawn from the seed.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Seed of batches, reinit, and weights if none come."),
    ] = 1,
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio", help="Sparsity that was asked for.", show_default="what the mask has"
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="How it was pruned; part of the ticket's name.")
    ] = None,
    biases: Annotated[
        bool | None,
        typer.Option(
            "--biases/--no-biases", help="Whether biases are prunable.", show_default="found out"
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a ticket of a mask or a pruned checkpoint that another program made."""
    with _told_errors():
        model = _params(
            context, "prune", {}
        ).model  # tickets of the model that prune would make them of
        from lthctl.artifacts.ticket import read_ticket_json, save_ticket
        from lthctl.cli import ticket_table
        from lthctl.grid.dvc import refuse_if_owned
        from lthctl.interop.importing import import_ticket
        from lthctl.models.mlp import MLP

        refuse_if_owned(out)
        ticket = import_ticket(
            file,
            model=MLP.from_params(model),
            seed=seed,
            init=init,
            ratio=ratio,
            label=label,
            biases=biases,
            announce=lambda text: None if quiet else _say(text),
        )
        place = save_ticket(ticket, out / ticket.name, replace=force)
        document = read_ticket_json(place)
        if json:
            _print_json({"path": str(place), **document})
        elif not quiet:
            _results().print(ticket_table.ticket_tables([document]))
            _say(f"1 ticket written to {place}")


@app.command()
def show(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A ticket, a run, or a folder of them; also path@revision."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Look into a ticket or a run, or list those below a folder."""
    with _told_errors():
        from lthctl.artifacts.revision import placed
        from lthctl.cli import ticket_view
        from lthctl.reporting import compare

        with placed(path, compare.FILES) as place:
            side = compare.read_side(path, place)
        if json:
            found = compare.facts(side)
            _print_json(found[0] if side.is_single else found)
        else:
            _results().print(ticket_view.side_screen(side))


@app.command(name="compare")
def compare_command(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Two or more tickets, runs, or folders of them; also path@revision.",
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Compare tickets with tickets, or runs with runs; two folders by the names in them.

    `path@revision` is the path as it was in a git revision, whether git or DVC keeps its files, of
    the repository that
    encloses it: `lthctl compare masks/pipeline@HEAD~1 masks/pipeline` tells what a commit did to
    your tickets.
    """
    with _told_errors():
        params = _params(context, "report", {}).report
        from contextlib import ExitStack

        from lthctl.artifacts.revision import placed
        from lthctl.cli import comparison_view
        from lthctl.reporting import compare

        with ExitStack() as places:
            sides = [
                compare.read_side(path, places.enter_context(placed(path, compare.FILES)))
                for path in paths
            ]
        found = compare.compare(sides, params)
        if json:
            _print_json(found.to_json())
        else:
            _results().print(comparison_view.comparison_screen(found, params))


def main() -> None:
    """The console script."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lthctl {version('lthctl')}")
        raise typer.Exit


def _params(context: typer.Context, command: str, flags: dict[str, object]) -> "Params":
    """The parameters that a command may see: flag over params.yaml over default."""
    from lthctl.params import visible_to

    if isinstance(context.obj, ParamsError):
        raise context.obj
    return visible_to(command, context.obj).override(flags)


def _run(
    planned: list["Task"],
    *,
    verb: str,
    num_jobs: int | None,
    force: bool,
    quiet: bool,
    verbose: bool,
) -> "Outcome":
    from lthctl.artifacts.store import Store
    from lthctl.cli.progress import TrainingProgress
    from lthctl.grid import driver
    from lthctl.grid.tasks import State

    missing = [task for task in planned if task.state is not State.PRESENT]
    side = _side_by_side(num_jobs)
    with TrainingProgress(
        _errors(), verb=verb, tasks=missing, num_jobs=side, enabled=not quiet, verbose=verbose
    ) as progress:
        return driver.run_tasks(
            planned, store=Store(STORE), num_jobs=side, replace=force, watcher=progress
        )


def _side_by_side(num_jobs: int | None) -> int:
    return num_jobs or len(os.sched_getaffinity(0))


def _say_outcome(outcome: "Outcome", folder: Path, what: str) -> None:
    from lthctl.cli import terminal

    parts = [
        f"{len(outcome.written)} {what}{'s' * (len(outcome.written) != 1)} written to {folder}"
    ]
    if outcome.present:
        parts.append(f"{len(outcome.present)} there already")
    trained = f"{outcome.num_trained} trainings run in {terminal.duration(outcome.seconds)}"
    parts.append(f"{trained}, {outcome.num_from_store} from the store")
    _say("; ".join(parts))


def _raise_failures(outcome: "Outcome") -> None:
    if outcome.failed:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in outcome.failed)
        raise TrainingError(
            f"{len(outcome.failed)} failed, the others are saved; the same command tries these "
            f"again:{reasons}"
        )


def _show_plan(
    planned: list["Task"],
    num_asked: int,
    what: str,
    *,
    num_jobs: int | None,
    json: bool,
    verbose: bool,
) -> None:
    from lthctl.artifacts.store import Store
    from lthctl.cli import plan_view
    from lthctl.grid import plan

    side = _side_by_side(num_jobs)
    made = plan.make_plan(planned, Store(STORE))
    document = plan.describe_plan(made, planned, made.measure(side), num_asked, side)
    if json:
        _print_json(document)
        return
    if verbose:
        for folder in document["folders"]:
            _show(f"{folder['path']}: {folder['state']}, {folder['steps']:,} steps at most")
    _results().print(plan_view.plan_table(document, what))


def _print_json(value: object) -> None:
    """ASCII, so that nothing in it is an escape sequence or cannot be printed."""
    sys.stdout.write(jsonlib.dumps(value, indent=2, sort_keys=True) + "\n")


def _results() -> "Console":
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace"
        )  # better a "?" than no result where the terminal has no such character
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=120)


def _errors() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _show(text: str) -> None:
    """A line of results, on stdout."""
    _print(_results(), text, "")


def _say(text: str, style: str = "") -> None:
    """Anything else, on stderr."""
    _print(_errors(), text, style)


def _print(console: "Console", text: str, style: str) -> None:
    from lthctl.cli.terminal import plain

    console.print(plain(text, style=style), soft_wrap=True)


@contextmanager
def _told_errors() -> Iterator[None]:
    """End the command with one message and the right exit code."""
    try:
        yield
    except LthctlError as error:
        _say(f"Error: {error}", style="red")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt as interrupt:
        _say(_interrupted(interrupt))
        raise typer.Exit(130) from None


def _interrupted(interrupt: KeyboardInterrupt) -> str:
    done = f"{interrupt}; " if str(interrupt) else ""
    return f"Interrupted: {done}what is finished is kept, and the same command goes on from there."
