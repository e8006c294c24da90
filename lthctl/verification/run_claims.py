"""Claims about runs."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from lthctl.artifacts.history_csv import history_bytes
from lthctl.artifacts.names import (
    HISTORY_FILE,
    INIT_FILE,
    MASK_FILE,
    REWIND_FILE,
    RUN_JSON,
    WEIGHTS_FILE,
)
from lthctl.artifacts.run_document import Proof
from lthctl.artifacts.tensors import tensors_bytes
from lthctl.artifacts.ticket import Ticket
from lthctl.canonical import digest_of_arrays
from lthctl.errors import LthctlError, ParamsError, TicketError
from lthctl.lottery.controls import CONTROLS, Control, apply_control
from lthctl.lottery.find import run_all
from lthctl.lottery.runs import proof_of, summary_of
from lthctl.lottery.trained import params_under, trained_weights
from lthctl.mask import Mask, Weights
from lthctl.params import TrainParams
from lthctl.training.engine import ENGINES
from lthctl.training.history import history_fault, metrics_of
from lthctl.training.spec import Training, engine_version, training_digest
from lthctl.verification.checks import Check, Failed, Unchecked, expect, expect_digest, short
from lthctl.verification.evidence import RunEvidence, TicketEvidence, unread_or_unchecked
from lthctl.verification.remade import ANOTHER_MACHINE
from lthctl.verification.replay import Replay


def run_claims(
    folder: RunEvidence, tickets: Sequence[TicketEvidence], replay: Replay | None
) -> list[Check]:
    folder.claim(f"{RUN_JSON} matches its own digest", folder.check_seal)
    folder.claim(f"{HISTORY_FILE} matches the digest in {RUN_JSON}", folder.intact(HISTORY_FILE))
    folder.claim(f"{WEIGHTS_FILE} matches the digest in {RUN_JSON}", folder.intact(WEIGHTS_FILE))
    if not folder.is_readable:
        return folder.checks
    folder.claim("a run's entries are whole", lambda: _run_entries(folder))
    folder.claim("metrics are those of the history", lambda: _metrics_follow(folder))
    folder.claim("it was evaluated at the steps asked for", lambda: _evaluated(folder))
    origin = _Origin(folder, tickets, replay)
    folder.claim("its ticket is the one found here", lambda: _ticket_matches(folder, origin))
    folder.claim(
        "the start is mask * init, or the control's draw, bit for bit",
        lambda: _start_follows(folder, origin),
    )
    folder.claim("final weights are 0 outside the mask", lambda: _zero_outside(folder, origin))
    folder.claim("the counts in its proof are right", lambda: _recounted(folder, origin))
    folder.claim("its training is named by its digest", lambda: _training_named(folder, origin))
    if replay is not None:
        folder.claim(
            "trained again, the run has the same bytes", lambda: _same_run(folder, origin, replay)
        )
    return folder.checks


class _Origin:
    """Where a run comes from: its ticket, if that is here, and the mask and weights that it started
    from."""

    def __init__(
        self, run: RunEvidence, tickets: Sequence[TicketEvidence], replay: Replay | None
    ) -> None:
        self._run, self._tickets, self._replay = run, tickets, replay

    @cached_property
    def folder(self) -> TicketEvidence:
        ticket = self._run.document.ticket
        name, digest = ticket.name, ticket.digest
        for folder in self._tickets:
            if folder.digest == digest:
                return folder.again()
        namesakes = [folder for folder in self._tickets if folder.json.get("name") == name]
        if namesakes:
            others = ", ".join(f"{folder.path} has {folder.digest[:12]}..." for folder in namesakes)
            raise Failed(f"it is of the ticket {name} with digest {digest[:12]}...; {others}")
        raise Unchecked(
            f"the ticket {name} with digest {digest[:12]}... is not at or below the paths: give it "
            "too"
        )

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
        later = (REWIND_FILE,) if folder.rewinds_later else ()
        for name in (MASK_FILE, INIT_FILE, *later):
            try:
                folder.intact(name)()
            except Failed as why:
                raise Unchecked(f"the ticket in {folder.path} is damaged: {why}") from why
        name, draw = self._run.document.control, self._run.document.draw
        control = self._control(name)
        model = folder.model() if control.needs_model else None
        try:
            sibling = self._sibling()
            trained = self._trained(folder) if control.needs_trained else None
            return apply_control(
                folder.ticket, name, model, draw=draw, sibling=sibling, trained=trained
            )
        except (ParamsError, TicketError) as error:
            raise Failed(str(error)) from error

    def _sibling(self) -> Ticket | None:
        """The ticket whose mask it took, if it took that of another."""
        if (digest := self._run.document.sibling) is None:
            return None
        folder = next((one for one in self._tickets if one.digest == digest), None)
        if folder is not None:
            again = folder.again()
            return again.needed(lambda: again.ticket)
        raise Unchecked(
            f"the ticket with digest {digest[:12]}..., whose mask it took, is not at or below the "
            "paths: give it too"
        )

    def _trained(self, folder: TicketEvidence) -> Weights:
        """The weights that the ticket was pruned from."""
        if self._replay is None:
            raise Unchecked("it starts from trained weights: --replay trains again")
        document, replay = self._run.document, self._replay
        model, ticket = folder.model(), folder.ticket
        dataset = replay.dataset(document.data, ticket.seed)
        work = trained_weights(ticket, model, dataset, replay.params(document.train, model))
        return run_all(work, lambda training: replay.train(training, f"{folder.path}"))

    def params(self) -> TrainParams:
        """How it was trained."""
        document = self._run.document
        self._control(document.control)
        try:
            return params_under(document.control, document.train)
        except ParamsError as error:
            raise Failed(str(error)) from error

    def first_step(self) -> int:
        """The step that its training went on from."""
        document = self._run.document
        return 0 if self._control(document.control).from_the_start else document.ticket.rewind_step

    def _control(self, name: str) -> Control:
        """Somebody's own is run only where trainings are too, and only for those who trust it."""
        if (control := CONTROLS.known(name)) is not None:
            return control
        if self._replay is None:
            raise Unchecked(f"control {short(name)} is somebody's own: --replay runs it")
        try:
            return CONTROLS.get(name)
        except ParamsError as error:
            raise Unchecked(str(error)) from error


def _run_entries(folder: RunEvidence) -> str:
    folder.check_entries()
    return f"{folder.document.ticket.name}, {folder.document.variant}"


def _metrics_follow(folder: RunEvidence) -> str:
    history = folder.needed(lambda: folder.history)
    stated, expected = folder.document.metrics, metrics_of(history)
    differing = [name for name, value in expected if getattr(stated, name) != value]
    if differing:
        raise Failed(f"{', '.join(sorted(differing))} differ from those of {HISTORY_FILE}")
    return f"{len(expected.to_json())} figures of {len(history)} evaluations"


def _evaluated(folder: RunEvidence) -> str:
    history, train = folder.needed(lambda: folder.history), folder.document.train
    document = folder.document
    with_test, first = document.data.test > 0, document.first_step
    if fault := history_fault(history, train, with_test=with_test, first_step=first):
        raise Failed(f"{HISTORY_FILE} {fault}")
    begin = f", from step {first:,}" if first else ""
    return f"every {train.evaluate_every:,} of {train.steps:,} steps{begin}"


def _ticket_matches(folder: RunEvidence, origin: _Origin) -> str:
    ticket = origin.folder
    summary = summary_of(folder.needed(lambda: ticket.ticket))
    differing = [
        f"{name} {getattr(folder.document.ticket, name)!r}, the ticket has {value!r}"
        for name, value in summary
        if getattr(folder.document.ticket, name) != value
    ]
    if differing:
        raise Failed(f"what it says of its ticket: {short('; '.join(differing))}")
    expect("the model", folder.document.model, ticket.document.model)
    if ticket.document.data is not None:
        expect("the data", folder.document.data, ticket.document.data)
    return f"{ticket.path}, digest {ticket.digest[:12]}..."


def _start_follows(folder: RunEvidence, origin: _Origin) -> str:
    _, start = origin.start()
    expect("first_step", folder.document.first_step, origin.first_step())
    expect_digest("the start", digest_of_arrays(start), folder.document.proof.start)
    control = CONTROLS.get(folder.document.control)
    return f"{control.words}, made again" if control.needs_model else control.words


def _zero_outside(folder: RunEvidence, origin: _Origin) -> str:
    weights = folder.needed(folder.final_weights)
    mask, start = origin.start()
    _same_shapes(weights, start)
    count = sum(int(np.count_nonzero(weights[name][~kept])) for name, kept in mask.items())
    if count:
        raise Failed(f"{count:,} of {mask.size - mask.num_kept:,} pruned weights are not 0")
    return f"{mask.size - mask.num_kept:,} pruned weights"


def _recounted(folder: RunEvidence, origin: _Origin) -> str:
    stated = folder.document.proof
    mask, start = origin.start()
    try:
        weights = folder.final_weights()
    except Unchecked:
        expect("pruned", stated.pruned, mask.size - mask.num_kept)
        expect("kept", stated.kept, mask.num_kept)
        expect("start", stated.start, digest_of_arrays(start))
        raise Unchecked(
            "pruned and kept are right; the others need the final weights, which were not kept"
        ) from None
    except LthctlError as error:
        raise unread_or_unchecked(error) from error
    _same_shapes(weights, start)
    expected: Proof = proof_of(mask, start, weights)
    differing = [
        f"{name} is {getattr(stated, name)!r}, recounted {value!r}"
        for name, value in expected
        if getattr(stated, name) != value
    ]
    if differing:
        raise Failed("; ".join(differing))
    return f"{expected.kept_moved:,} of {expected.kept:,} kept weights moved"


def _training_named(folder: RunEvidence, origin: _Origin) -> str:
    if ENGINES.known(engine := folder.document.train.engine) is None:
        raise Unchecked(f"engine {short(engine)} is not known here")
    here = ", ".join(
        f"{key} {value}" for key, value in engine_version(folder.document.train.engine).items()
    )
    if _training_here(folder, origin) == folder.document.training:
        return f"with the versions here: {here}"
    raise Unchecked(f"another digest with the versions here ({here}): made with others, or altered")


def _training_here(folder: RunEvidence, origin: _Origin) -> str:
    document = folder.document
    mask, start = origin.start()
    seed, dataset = document.seed_of_order, document.data.digest
    model, train = document.model, origin.params()
    names = {getattr(model, "name", ""), train.optimizer, train.schedule, train.engine}
    sources = {name: digest for name, digest in document.sources.items() if name in names}
    start_digest = digest_of_arrays(start)
    return training_digest(
        model,
        start_digest,
        mask,
        dataset,
        seed,
        train,
        sources=sources,
        first_step=document.first_step,
    )


def _same_run(folder: RunEvidence, origin: _Origin, replay: Replay) -> str:
    document = folder.document
    mask, start = origin.start()
    model = origin.folder.model()
    dataset = replay.dataset(document.data, document.ticket.seed)
    params = replay.params(origin.params(), model)
    seed, first = document.seed_of_order, document.first_step
    training = Training(model, start, mask, dataset, seed, params, first)
    result = replay.train(training, str(folder.path))
    remade = {HISTORY_FILE: history_bytes(result.history)}
    if document.files.weights is not None:
        remade[WEIGHTS_FILE] = tensors_bytes(result.weights)
    differing = [name for name, content in remade.items() if content != folder.content(name)]
    if differing and training.digest != document.training:
        raise Unchecked(
            f"{', '.join(differing)} differ, but it was made with other versions of engine or torch"
        )
    if differing:
        raise Failed(f"{', '.join(differing)} differ; {ANOTHER_MACHINE}")
    return f"{' and '.join(remade)}: {sum(map(len, remade.values())):,} bytes"


def _same_shapes(weights: Weights, start: Weights) -> None:
    def kinds(arrays: Weights) -> Iterable[tuple[str, object, object]]:
        return sorted((name, array.shape, str(array.dtype)) for name, array in arrays.items())

    if kinds(weights) != kinds(start):
        raise Failed(
            f"{WEIGHTS_FILE} does not have the names, shapes and types of the ticket's weights"
        )
