"""Which engine runs a training, and running it."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

from lthctl.errors import ParamsError, TrainingError
from lthctl.library_settings import numpy_defaults
from lthctl.models.base import Model
from lthctl.params import Augment, RoundParams, TrainParams, augment_words
from lthctl.training.devices import resolve_device
from lthctl.training.engine import ENGINES, Engine
from lthctl.training.history import Result
from lthctl.training.inputs import check_inputs
from lthctl.training.optimizers import check_optimizer
from lthctl.training.resources import Resources
from lthctl.training.schedules import check_schedule
from lthctl.training.spec import OnStep, Training


def resolve(params: TrainParams, model: Model, augment: Augment | None = None) -> TrainParams:
    """The same parameters with `engine` and `device` decided; `auto` is the first engine that can.

    Args:
      params: what was asked for.
      model: what is trained.
      augment: how the images of each batch are changed.

    Raises:
      ParamsError: the engine that was asked for cannot do this, or none can; there is no such
        optimizer or schedule, or it has no use for what is given; or torch does not have the device
        here.
    """
    check_optimizer(params)
    check_schedule(params)
    if params.engine != "auto":
        engine = ENGINES.get(params.engine)
        resolved = params.model_copy(update={"device": engine.device_for(params.device)})
        if obstacles := _obstacles(engine, resolved, model, augment):
            raise ParamsError(
                f"train.engine: is {params.engine}, which {engine.words}; {', '.join(obstacles)}"
            )
        return resolved
    first, refusals = _first_that_can(params, model, augment)
    if first is None:
        raise ParamsError(f"train.engine: no engine can do this; {'; '.join(refusals)}")
    return first


def passed_over(params: TrainParams, model: Model, augment: Augment | None = None) -> str:
    """Why `auto` takes none of the engines before the one that it takes; empty where it takes the
    first, or an engine was asked for. See `resolve`."""
    if params.engine != "auto":
        return ""
    return "; ".join(_first_that_can(params, model, augment)[1])


def _first_that_can(
    params: TrainParams, model: Model, augment: Augment | None
) -> tuple[TrainParams | None, list[str]]:
    """How the first engine would train that can, and why those before it cannot."""
    device = resolve_device(params.device)
    refusals: list[str] = []
    for name in ENGINES.names():
        resolved = params.model_copy(update={"engine": name, "device": device})
        if not (obstacles := _obstacles(ENGINES.get(name), resolved, model, augment)):
            return resolved, refusals
        refusals.append(f"{name}: {', '.join(obstacles)}")
    return None, refusals


def alternatives(training: Training) -> list[Training]:
    """The same training by the engines that come after its own in the order of `auto`, can do it
    too, and need no preparing."""
    params, names = training.params, ENGINES.names()
    after = names[names.index(params.engine) + 1 :] if params.engine in names else ()
    others = [
        replace(training, params=params.model_copy(update={"engine": name}))
        for name in after
        if not _obstacles(ENGINES.get(name), params, training.model, training.dataset.augment)
    ]
    return [other for other in others if not needs_preparing(other)]


def _obstacles(
    engine: Engine, params: TrainParams, model: Model, augment: Augment | None
) -> list[str]:
    """Why an engine cannot do a training; a parameter that it does not know is such a reason."""
    unknown = [
        f"it has no train.{name}, which is {getattr(params, name)!r}"
        for name, field in type(params).model_fields.items()
        if name not in engine.parameters and getattr(params, name) != field.default
    ]
    if augment is not None and "augment" not in engine.parameters:
        unknown.append(f"it has no data.augment, which is {augment_words(augment)}")
    return [*engine.obstacles(params, model), *unknown]


def run(
    training: Training,
    on_step: OnStep = lambda _: None,
    resources: Resources | None = None,
) -> Result:
    """Run a training to its end.

    Args:
      training: its specification.
      on_step: called with the number of steps done, every few of them; what it raises ends the
        training.
      resources: what it may use that changes no byte of its result, for engines that have a use
        for it.

    Raises:
      ParamsError: its engine cannot do it, or its weights are no float32 numbers.
      DataError: a label is no class of the model's, or a pixel is no finite number.
      TrainingError: a loss is not finite.
    """
    params = training.params
    engine = ENGINES.get(params.engine)
    check_schedule(params)
    parts = {"first_step": training.first_step != 0, "last_step": training.end != params.steps}
    unknown = [
        f"it has no {name}: it takes all steps of a training"
        for name, needed in parts.items()
        if needed and name not in engine.parameters
    ]
    if obstacles := [
        *_obstacles(engine, params, training.model, training.dataset.augment),
        *unknown,
    ]:
        raise ParamsError(
            f"train.engine: is {params.engine}, which {engine.words}; {', '.join(obstacles)}"
        )
    check_optimizer(params)
    check_inputs(training)
    try:
        with numpy_defaults():
            takes = getattr(engine, "takes_resources", False)
            result: Result = cast(Any, engine).train(training, on_step, *[resources] * takes)
        for row in result.history:
            if not all(math.isfinite(value) for value in row if value is not None):
                raise FloatingPointError(f"a loss is not finite at step {row.step}")
    except FloatingPointError as error:
        raise TrainingError(f"{error} with train.lr {params.lr}; try a smaller one") from error
    return result


def needs_preparing(training: Training) -> bool:
    """Whether the first steps would have to wait, such as for a compiler."""
    return ENGINES.get(training.params.engine).needs_preparing(training)


def prepare(training: Training) -> None:
    """Do what the first steps would have to wait for."""
    ENGINES.get(training.params.engine).prepare(training)


def relative_cost(engine: str, density: float) -> float:
    """About what a step costs at a density in [0, 1], of what a dense one costs; the same holds for
    evaluations."""
    return ENGINES.get(engine).relative_cost(density)


def may_differ(params: RoundParams, machines: Collection[str]) -> bool:
    """Whether the same training may have other bytes on one of some kinds of machine than on
    another.

    Args:
      params: of the training.
      machines: as `lthctl.cluster.machine` names them; a processor's ends in its architecture.
    """
    engine = ENGINES.get(params.engine) if params.engine in ENGINES.names() else None
    same = [f" {name}" for name in getattr(engine, "same_on", ())]
    return len({*machines}) > 1 and not any(all(m.endswith(one) for m in machines) for one in same)
