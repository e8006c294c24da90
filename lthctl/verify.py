"""What can be proven of tickets and runs from their files alone, and by training again.

A claim is one sentence about one folder that held, failed, or could not be checked, with the reason. Every claim is
checked by itself, so that damage to one file leaves the others their verdicts. Nothing here reads the store, and
nothing is written. Digests show damage and carelessness; against somebody who forges a ticket and seals it again stand
the claims that are recomputed, and training again.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.claims import (
    Check,
    Datasets,
    Failed,
    Replay,
    RunFolder,
    TicketFolder,
    Unchecked,
    expect,
    expect_digest,
    expect_numbers,
    is_readable,
    short,
)
from lthctl.data import Dataset
from lthctl.errors import LthctlError, TicketError
from lthctl.files import Json, digest_of_arrays, find_folders, read_file, tensors_bytes
from lthctl.lottery import needs_training, proof_of, prune_rounds, rates_of, starting_point, summary_of
from lthctl.mask import Mask, Weights
from lthctl.model import Model
from lthctl.params import TrainParams
from lthctl.pruning import METHODS, select
from lthctl.schema import faults_in, is_imported, ticket_name
from lthctl.seeding import Stream
from lthctl.ticket import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    RUN_JSON,
    TENSORS_LIMIT,
    TICKET_JSON,
    WEIGHTS_FILE,
    Ticket,
    history_bytes,
    history_fault,
)
from lthctl.training import Training, engine_version, metrics_of, training_digest

ANOTHER_MACHINE = "other versions of the engine, or another processor, agree to rounding only"


def verify_paths(
    *paths: Path | str,
    replay: Dataset | Datasets | None = None,
    model: Model | None = None,
    num_side_by_side: int = 1,
    announce: Callable[[str], None] = lambda _: None,
) -> list[Check]:
    """Check everything that can be checked of the tickets and runs at or below some paths.

    Args:
      paths: their folders, or folders above them. A run is checked against its ticket if that is among them.
      replay: train again and compare bytes; the dataset to do it with, or what finds one for a ticket's `data` and
        seed. No result is taken from a store. With None nothing is trained.
      model: needed for tickets that are not of an MLP.
      num_side_by_side: folders checked at the same time.
      announce: told in a sentence what is being trained.

    Returns:
      A check for every claim, folder by folder: tickets first, each in the order of their paths.

    Raises:
      LthctlError: there is neither ticket nor run at or below a path.

    Example:
      >>> [check for check in verify_paths("masks", "tickets") if check.state == "failed"]
      []
    """
    tickets, runs = _find([Path(path) for path in paths])
    cancel = threading.Event()
    replaying = None
    if replay is not None:
        datasets = (lambda *_: replay) if isinstance(replay, Dataset) else replay
        replaying = Replay(datasets, announce, cancel)
    # These keep their documents; their arrays are read again where they are needed, so that few are in memory.
    peers = [peer for peer in (TicketFolder(path, model) for path in tickets) if peer.is_whole]

    def check_folder(folder: "TicketFolder | RunFolder") -> list[Check]:
        if isinstance(folder, RunFolder):
            return _run_claims(folder, peers, replaying)
        return _ticket_claims(folder, peers, replaying)

    folders = [*(TicketFolder(path, model) for path in tickets), *(RunFolder(path, model) for path in runs)]
    pool = ThreadPoolExecutor(num_side_by_side)
    try:
        return [check for checks in pool.map(check_folder, folders) for check in checks]
    finally:
        cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _find(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Folders of tickets and of runs; also of those whose JSON is gone."""
    tickets: set[Path] = set()
    runs: set[Path] = set()
    for path in paths:
        of_tickets, of_runs = (
            {folder for marker in markers for folder in find_folders([path], marker)}
            for markers in ((TICKET_JSON, MASK_FILE, INIT_FILE), (RUN_JSON, HISTORY_FILE, WEIGHTS_FILE))
        )
        if not of_tickets and not of_runs:
            what = "holds no ticket and no run, nor does anything below it" if path.exists() else "does not exist"
            raise TicketError(f"{path}: {what}; expected folders with a {TICKET_JSON} or a {RUN_JSON}")
        tickets |= of_tickets
        runs |= of_runs
    return sorted(tickets), sorted(runs)


def _ticket_claims(folder: TicketFolder, peers: Sequence[TicketFolder], replay: Replay | None) -> list[Check]:
    folder.claim(f"{TICKET_JSON} matches its own digest", folder.seal)
    for name in (MASK_FILE, INIT_FILE):
        folder.claim(f"{name} matches the digest in {TICKET_JSON}", folder.intact(name))
    if not is_readable(folder):
        return folder.checks
    folder.claim("a ticket's entries are whole and agree with its name", lambda: _ticket_entries(folder))
    folder.claim("the mask covers the prunable weights", lambda: _mask_fits(folder))
    folder.claim("the initial weights are the model's draw from the seed", lambda: _init_drawn(folder))
    folder.claim("rates follow from ratio and rounds", lambda: _rates_follow(folder))
    counted = folder.claim("counts follow from the rates, per layer and round", lambda: _counts_follow(folder))
    folder.claim("the mask has the counts of the last round", lambda: _mask_counts(folder))
    made_again = _MadeAgain(folder, replay, counted)
    folder.claim("each round's mask is nested in the one before", lambda: _nested(folder, peers, made_again))
    folder.claim("the mask is what its scores select", lambda: _selected(folder, made_again))
    if replay is not None:
        folder.claim("made again, the ticket has the same bytes", lambda: _same_ticket(folder, made_again))
    return folder.checks


def _run_claims(folder: RunFolder, tickets: Sequence[TicketFolder], replay: Replay | None) -> list[Check]:
    folder.claim(f"{RUN_JSON} matches its own digest", folder.seal)
    folder.claim(f"{HISTORY_FILE} matches the digest in {RUN_JSON}", folder.intact(HISTORY_FILE))
    folder.claim(f"{WEIGHTS_FILE} matches the digest in {RUN_JSON}", folder.intact(WEIGHTS_FILE))
    if not is_readable(folder):
        return folder.checks
    folder.claim("a run's entries are whole", lambda: _run_entries(folder))
    folder.claim("metrics are those of the history", lambda: _metrics_follow(folder))
    folder.claim("it was evaluated at the steps asked for", lambda: _evaluated(folder))
    origin = _Origin(folder, tickets)
    folder.claim("its ticket is the one found here", lambda: _ticket_matches(folder, origin))
    folder.claim("the start is mask * init, or the control's draw, bit for bit", lambda: _start_follows(folder, origin))
    folder.claim("final weights are 0 outside the mask", lambda: _zero_outside(folder, origin))
    folder.claim("the counts in its proof are right", lambda: _recounted(folder, origin))
    folder.claim("its training is named by its digest", lambda: _training_named(folder, origin))
    if replay is not None:
        folder.claim("trained again, the run has the same bytes", lambda: _same_run(folder, origin, replay))
    return folder.checks


def _ticket_entries(folder: TicketFolder) -> str:
    document = folder.document
    kinds = {"name": str, "method": str, "rounds": int, "seed": int, "biases": bool, "model": dict, "data": dict,
             "train": dict, "rate": dict, "sparsity": list, "files": dict}  # fmt: skip
    for key, kind in kinds.items():
        if type(document[key]) is not kind:
            raise Failed(f"{key} is of type {type(document[key]).__name__}, expected {kind.__name__}")
    method, ratio, rounds = document["method"], document["ratio"], document["rounds"]
    if method not in (*METHODS, "dense") and not is_imported(method):
        raise Failed(f"method is {method!r}, which this lthctl does not know")
    if not 0 <= ratio < 1 or rounds < 0 or (method == "dense") != (rounds == 0) or (method == "dense" and ratio):
        raise Failed(f"method {method!r}, ratio {ratio} and {rounds} rounds do not go together")
    if bool(document["train"]) != needs_training(method):
        raise Failed(f"train has {len(document['train'])} entries, which is not what {method!r} needs")
    TrainParams.model_validate(document["train"])
    expect("name", document["name"], ticket_name(method, ratio, rounds, document["seed"]))
    return f"{document['name']}, digest {str(document.get('digest'))[:12]}..."


def _mask_fits(folder: TicketFolder) -> str:
    mask, init = folder.needed(lambda: folder.mask), folder.needed(lambda: folder.init)
    try:
        shapes = folder.model().prunable(biases=folder.document["biases"])
    except Unchecked:  # of a module that is not here: then what the ticket itself says is prunable
        shapes = {name: init[name].shape for name in folder.document["rate"]}
    mask.check_fits(shapes, where=MASK_FILE)
    return f"{len(mask)} parameters, {mask.num_kept:,} of {mask.size:,} weights kept"


def _init_drawn(folder: TicketFolder) -> str:
    model, init = folder.model(), folder.init
    drawn = model.draw(Stream(folder.document["seed"], "init"))
    if digest_of_arrays(drawn) == digest_of_arrays(init):
        return f"{sum(array.size for array in drawn.values()):,} weights, bit for bit"
    if is_imported(folder.document["method"]):
        raise Unchecked("they were imported with the mask, and not drawn")
    differing = sorted(name for name in drawn if name not in init or drawn[name].tobytes() != init[name].tobytes())
    raise Failed(f"{', '.join(differing) or 'parameters'} differ from the draw of seed {folder.document['seed']}")


def _rates_follow(folder: TicketFolder) -> str:
    document = folder.document
    if is_imported(document["method"]):
        raise Unchecked("the mask was made elsewhere; its rates are what it has")
    model = folder.model()
    expected = rates_of(model, model.prunable(biases=document["biases"]), document["ratio"], document["rounds"])
    expect_numbers("rate", document["rate"], expected)
    return f"{max(expected.values()):.4g} per round, {min(expected.values()):.4g} in the output layer"


def _counts_follow(folder: TicketFolder) -> str:
    """The rule of `pruning.select`, from sizes and rates alone: round(rate * remaining) go, every round."""
    document = folder.document
    rate, sparsity = document["rate"], document["sparsity"]
    expect("the number of rounds in `sparsity`", len(sparsity), document["rounds"])
    sizes = {name: array.size for name, array in folder.needed(lambda: folder.mask).items()}
    expect("the parameters in `rate`", sorted(rate), sorted(sizes))
    method, steps = document["method"], document["train"].get("steps", 0)
    remaining = dict(sizes)
    for number, after in enumerate(sparsity, start=1):
        remaining = {name: left - round(rate[name] * left) for name, left in remaining.items()}
        expect("round", after["round"], number)
        expect(f"steps before round {number}", after["steps"], steps // document["rounds"])
        if needs_training(method) and not isinstance(after["trained"], str):
            raise Failed(f"round {number} does not say which weights were scored")
        expect(f"the parameters of round {number}", sorted(after["layers"]), sorted(sizes))
        for name, layer in after["layers"].items():
            expect(f"{name!r} after round {number}: size", layer["size"], sizes[name])
            expect(f"{name!r} after round {number}: kept", layer["kept"], remaining[name])
            expected = {"desired": 1 - (1 - rate[name]) ** number, "actual": 1 - remaining[name] / sizes[name]}
            expect_numbers(f"{name!r} after round {number}", {key: layer[key] for key in expected}, expected)
        size, kept = sum(sizes.values()), sum(remaining.values())
        desired = document["ratio"] if is_imported(method) else 1 - (1 - max(rate.values())) ** number
        totals = {"desired": desired, "actual": (size - kept) / size}
        expect_numbers(f"all after round {number}", {key: after[key] for key in totals}, totals)
    if not sparsity:
        return "dense: nothing is pruned"
    reached = ", ".join(f"{100 * after['actual']:.2f}" for after in sparsity)
    return f"{reached} % pruned"


def _mask_counts(folder: TicketFolder) -> str:
    mask, sparsity = folder.needed(lambda: folder.mask), folder.document["sparsity"]
    layers = sparsity[-1]["layers"] if sparsity else {name: {"kept": array.size} for name, array in mask.items()}
    for name, array in mask.items():
        expect(f"weights kept in {name!r}", int(np.count_nonzero(array)), layers[name]["kept"])
    return f"{mask.num_kept:,} weights kept"


class _MadeAgain:
    """A ticket made again from what it says it is, and its mask after every round; once, when first needed."""

    def __init__(self, folder: TicketFolder, replay: Replay | None, counted: bool) -> None:
        self._folder, self._replay, self._counted = folder, replay, counted

    @cached_property
    def masks(self) -> list[Mask]:
        """The masks before the first round and after every one that could be made."""
        return self._outcome[0]

    @property
    def ticket(self) -> Ticket:
        ticket = self._outcome[1]
        assert ticket is not None
        return ticket

    @cached_property
    def _outcome(self) -> tuple[list[Mask], Ticket | None]:
        folder, document = self._folder, self._folder.document
        method = document["method"]
        if is_imported(method):
            raise Unchecked("the mask was made elsewhere")
        if method not in (*METHODS, "dense"):
            raise Unchecked(f"method {short(method)} is not known")
        if needs_training(method):
            if self._replay is None:
                raise Unchecked("its scores come from trained weights: --replay trains again")
            return self._train(folder, self._replay)
        if not self._counted:
            raise Unchecked("the counts by which to select are wrong")
        init = folder.needed(lambda: folder.init)
        mask = Mask.full({name: init[name].shape for name in document["rate"]})
        masks = [mask]
        for number in range(1, document["rounds"] + 1):
            scores = METHODS[method].score(
                {name: init[name] for name in mask}, Stream(document["seed"], "prune", number)
            )
            mask = select(scores, mask, rate=document["rate"])
            masks.append(mask)
        return masks, None

    def _train(self, folder: TicketFolder, replay: Replay) -> tuple[list[Mask], Ticket]:
        document = folder.document
        model = folder.model()
        dataset = replay.dataset(document, document["seed"])
        params = replay.params(document, model)
        rounds = prune_rounds(model, dataset, folder.ticket.request(), params)
        masks: list[Mask] = []
        try:
            training = next(rounds)
            while True:
                masks.append(training.mask)
                what = f"{folder.path}, round {len(masks)} of {document['rounds']},"
                training = rounds.send(replay.train(training, what))
        except StopIteration as done:
            ticket: Ticket = done.value
        return [*masks, ticket.mask], ticket


def _nested(folder: TicketFolder, peers: Sequence[TicketFolder], made_again: _MadeAgain) -> str:
    """By the masks made again; else by another ticket that is this one after fewer rounds; counts alone prove
    nothing but the contrary."""
    mask, rounds = folder.needed(lambda: folder.mask), folder.document["rounds"]
    if rounds <= 1:
        return "its parent is the dense network"
    for name in mask:
        kept = [after["layers"][name]["kept"] for after in folder.document["sparsity"]]
        if any(later > earlier for earlier, later in pairwise(kept)):
            raise Failed(f"{name!r} keeps {short(kept)} weights round by round, expected never more than before")
    try:
        masks = made_again.masks
    except Unchecked as why:
        parent = _parent(folder, peers)
        if parent is None:
            raise Unchecked(
                f"counts never grow; its parent, the mask after round {rounds - 1}, is in no ticket here; {why}"
            ) from why
        _expect_nested(mask, parent.mask, str(parent.path))
        return f"in {parent.path}, which is this ticket after {parent.document['rounds']} of {rounds} rounds"
    for number, (before, after) in enumerate(zip(masks, [*masks[1:-1], mask], strict=False), start=1):
        _expect_nested(after, before, f"the mask before round {number}")
    return f"in all {rounds} rounds, made again"


def _parent(folder: TicketFolder, peers: Sequence[TicketFolder]) -> TicketFolder | None:
    """Another ticket whose rounds are the first of this one's: the same model, data and initial weights, in every round
    the same trained weights scored (by their digest) and the same counts kept. Then its mask is this one's after those
    rounds. Of several, the one with the most rounds."""

    def rounds(of: TicketFolder) -> list[Any]:
        kept = [[after["trained"], {name: layer["kept"] for name, layer in after["layers"].items()}]
                for after in of.document["sparsity"]]  # fmt: skip
        return kept if all(isinstance(trained, str) for trained, _ in kept) else []

    def shared(of: TicketFolder) -> object:
        return [of.document[key] for key in ("method", "seed", "biases", "model", "data")], of.document["files"][
            INIT_FILE
        ]

    own = rounds(folder)
    found: list[TicketFolder] = []
    for peer in peers:
        try:
            theirs = rounds(peer)
            if 0 < len(theirs) < len(own) and theirs == own[: len(theirs)] and shared(peer) == shared(folder):
                found.append(peer.again())
                _mask_counts(found[-1])
        except (LthctlError, Failed, Unchecked, KeyError, TypeError, ValueError, AttributeError):
            continue
    return max(found, key=lambda peer: len(peer.document["sparsity"]), default=None)


def _expect_nested(mask: Mask, parent: Mask, where: str) -> None:
    parent.check_fits({name: array.shape for name, array in mask.items()}, where=where)
    if not mask.is_nested_in(parent):
        count = sum(int(np.count_nonzero(mask[name] & ~parent[name])) for name in mask)
        raise Failed(f"keeps {count:,} weights that {where} has pruned")


def _selected(folder: TicketFolder, made_again: _MadeAgain) -> str:
    mask = folder.needed(lambda: folder.mask)
    expected = made_again.masks[-1]
    if mask != expected:
        count = sum(int(np.count_nonzero(mask[name] != expected[name])) for name in expected if name in mask)
        raise Failed(f"differs from the mask made again in {count:,} of {expected.size:,} places; {ANOTHER_MACHINE}")
    how = "trained again" if needs_training(folder.document["method"]) else "drawn again"
    return "all kept" if folder.document["rounds"] == 0 else f"{how}, bit for bit"


def _same_ticket(folder: TicketFolder, made_again: _MadeAgain) -> str:
    if not needs_training(folder.document["method"]):
        raise Unchecked("no training is behind it")
    files = made_again.ticket.files()
    differing = [
        name
        for name, content in files.items()
        if content != read_file(folder.path / name, TicketError, limit=TENSORS_LIMIT)
    ]
    if differing:
        raise Failed(f"{', '.join(sorted(differing))} differ; {ANOTHER_MACHINE}")
    return f"{', '.join(sorted(files))}: {sum(map(len, files.values())):,} bytes"


class _Origin:
    """Where a run comes from: its ticket, if that is here, and the mask and weights that it started from."""

    def __init__(self, run: RunFolder, tickets: Sequence[TicketFolder]) -> None:
        self._run, self._tickets = run, tickets

    @cached_property
    def folder(self) -> TicketFolder:
        name, digest = (str(self._run.document["ticket"][key]) for key in ("name", "digest"))
        for folder in self._tickets:
            if folder.document["digest"] == digest:
                return folder.again()
        namesakes = [folder for folder in self._tickets if folder.document.get("name") == name]
        if namesakes:
            found = ", ".join(f"{folder.path} has {folder.document['digest'][:12]}..." for folder in namesakes)
            raise Failed(f"it is of the ticket {name} with digest {digest[:12]}...; {found}")
        raise Unchecked(f"the ticket {name} with digest {digest[:12]}... is not at or below the paths: give it too")

    def start(self) -> tuple[Mask, Weights]:
        """Raises Unchecked whatever is missing for it."""
        try:
            folder = self.folder
        except Failed as why:
            raise Unchecked(f"its ticket is not here: {why}") from why
        return folder.needed(lambda: self._point)

    @cached_property
    def _point(self) -> tuple[Mask, Weights]:
        folder = self.folder
        for name in (MASK_FILE, INIT_FILE):
            try:
                folder.intact(name)()
            except Failed as why:
                raise Unchecked(f"the ticket in {folder.path} is damaged: {why}") from why
        start = self._run.document["start"]
        if start == "rewind":  # needs no model
            return folder.mask, folder.mask.apply(folder.init)
        return starting_point(folder.ticket, start, folder.model())


def _run_entries(folder: RunFolder) -> str:
    if faults := faults_in(folder.document, "run"):
        raise Failed(faults)
    return f"{folder.document['ticket']['name']}, {folder.document['start']}"


def _metrics_follow(folder: RunFolder) -> str:
    found, expected = folder.document["metrics"], metrics_of(folder.needed(lambda: folder.history))
    if found != expected:
        differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        raise Failed(f"{', '.join(differing)} differ from those of {HISTORY_FILE}")
    return f"{len(expected)} figures of {len(folder.history)} evaluations"


def _evaluated(folder: RunFolder) -> str:
    history, train = folder.needed(lambda: folder.history), folder.document["train"]
    if fault := history_fault(history, train, with_test=folder.document["data"]["test"] > 0):
        raise Failed(f"{HISTORY_FILE} {fault}")
    return f"every {train['evaluate_every']:,} of {train['steps']:,} steps"


def _ticket_matches(folder: RunFolder, origin: _Origin) -> str:
    ticket = origin.folder
    expect("what it says of its ticket", folder.document["ticket"], summary_of(folder.needed(lambda: ticket.ticket)))
    expect("the model", folder.document["model"], ticket.document["model"])
    if ticket.document["data"]:
        expect("the data", folder.document["data"], ticket.document["data"])
    return f"{ticket.path}, digest {ticket.document['digest'][:12]}..."


def _start_follows(folder: RunFolder, origin: _Origin) -> str:
    _, start = origin.start()
    expect_digest("the start", digest_of_arrays(start), folder.document["proof"]["start"])
    made = {"rewind": "mask * init", "reinit": "the reinit stream drawn again", "shuffle": "the mask shuffled again"}
    return made[folder.document["start"]]


def _zero_outside(folder: RunFolder, origin: _Origin) -> str:
    weights = folder.needed(lambda: folder.weights)
    mask, start = origin.start()
    _same_shapes(weights, start)
    count = sum(int(np.count_nonzero(weights[name][~kept])) for name, kept in mask.items())
    if count:
        raise Failed(f"{count:,} of {mask.size - mask.num_kept:,} pruned weights are not 0")
    return f"{mask.size - mask.num_kept:,} pruned weights"


def _recounted(folder: RunFolder, origin: _Origin) -> str:
    found = folder.document["proof"]
    mask, start = origin.start()
    expected: Json = {"pruned": mask.size - mask.num_kept, "kept": mask.num_kept, "start": digest_of_arrays(start)}
    try:
        weights = folder.weights
    except Unchecked:
        expect("proof", {key: found[key] for key in expected}, expected)
        raise Unchecked("pruned and kept are right; the others need the final weights, which were not kept") from None
    except LthctlError as error:
        raise Unchecked(f"needs what cannot be read ({error})") from error
    _same_shapes(weights, start)
    expected = proof_of(mask, start, weights)
    differing = [
        f"{key} is {found.get(key)!r}, recounted {value!r}"
        for key, value in expected.items()
        if found.get(key) != value
    ]
    if differing:
        raise Failed("; ".join(differing))
    return f"{expected['kept_moved']:,} of {expected['kept']:,} kept weights moved"


def _training_named(folder: RunFolder, origin: _Origin) -> str:
    here = ", ".join(f"{key} {value}" for key, value in engine_version(folder.document["train"]["engine"]).items())
    if _training_here(folder, origin) == folder.document["training"]:
        return f"with the versions here: {here}"
    raise Unchecked(f"another digest with the versions here ({here}): made with others, or altered")


def _training_here(folder: RunFolder, origin: _Origin) -> str:
    document = folder.document
    mask, start = origin.start()
    params = TrainParams.model_validate(document["train"])
    seed, dataset = document["ticket"]["seed"], document["data"]["digest"]
    return training_digest(document["model"], digest_of_arrays(start), mask, dataset, seed, params)


def _same_run(folder: RunFolder, origin: _Origin, replay: Replay) -> str:
    document = folder.document
    mask, start = origin.start()
    model = origin.folder.model()
    seed = document["ticket"]["seed"]
    dataset = replay.dataset(document, seed)
    training = Training(model, start, mask, dataset, seed, replay.params(document, model))
    result = replay.train(training, str(folder.path))
    made = {HISTORY_FILE: history_bytes(result.history)}
    if WEIGHTS_FILE in document["files"]:
        made[WEIGHTS_FILE] = tensors_bytes(result.weights)
    differing = [name for name, content in made.items() if content != folder.content(name)]
    if differing and training.digest != document["training"]:
        raise Unchecked(f"{', '.join(differing)} differ, but it was made with other versions of engine or torch")
    if differing:
        raise Failed(f"{', '.join(differing)} differ; {ANOTHER_MACHINE}")
    return f"{' and '.join(made)}: {sum(map(len, made.values())):,} bytes"


def _same_shapes(weights: Weights, start: Weights) -> None:
    def kinds(arrays: Weights) -> Iterable[tuple[str, object, object]]:
        return sorted((name, array.shape, str(array.dtype)) for name, array in arrays.items())

    if kinds(weights) != kinds(start):
        raise Failed(f"{WEIGHTS_FILE} does not have the names, shapes and types of the ticket's weights")
