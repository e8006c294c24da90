"""Optimizers and losses against a float64 loop that has its own formulas, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lthctl.errors import ParamsError
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.dense.determinism import torch_threads
from lthctl.training.engines import resolve, run
from lthctl.training.history import Result
from lthctl.training.schedules import rates
from lthctl.training.spec import Training

MakeTraining = Callable[..., Training]

SGD = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9}


def loss_by_formula(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy with labels of which a share is spread over all classes."""
    logs = logits - logits.exp().sum(1, keepdim=True).log()
    wanted = torch.nn.functional.one_hot(labels, logits.shape[1]).double()
    wanted = (1 - smoothing) * wanted + smoothing / logits.shape[1]
    return -(wanted * logs).sum(1).mean()


def trained_by_formula(training: Training) -> tuple[dict[str, Tensor], list[float]]:
    """The weights and the loss of every step, in float64, with the update rules written out."""
    params = training.params
    decay, momentum = params.weight_decay, params.momentum
    weights = {name: torch.tensor(a, dtype=torch.float64) for name, a in training.start.items()}
    masks = {name: torch.tensor(kept, dtype=torch.float64) for name, kept in training.mask.items()}
    first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    images = torch.tensor(training.dataset.train.images, dtype=torch.float64) / 255
    labels = torch.tensor(training.dataset.train.labels)
    losses = []
    batches = training.batch_order().batches(0, params.steps)
    for t, (rate, batch) in enumerate(zip(rates(params, 0, params.steps), batches, strict=True), 1):
        for weight in weights.values():
            weight.requires_grad_(True)
        hidden = images[batch]
        for layer in range(3):
            hidden = hidden @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
            hidden = hidden.relu() if layer < 2 else hidden
        loss = loss_by_formula(hidden, labels[batch], params.label_smoothing)
        losses.append(loss.item())
        gradients = dict(
            zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True)
        )
        for name, weight in weights.items():
            w, g = weight.detach(), gradients[name] * masks[name]
            if params.optimizer == "adamw":
                w = w - rate * decay * w
                first[name] = 0.9 * first[name] + 0.1 * g
                second[name] = 0.999 * second[name] + 0.001 * g * g
                change = first[name] / (1 - 0.9**t)
                change = change / ((second[name] / (1 - 0.999**t)).sqrt() + 1e-8)
            else:
                g = g + decay * w
                first[name] = momentum * first[name] + g
                change = g + momentum * first[name] if params.nesterov else first[name]
            weights[name] = w - rate * change
    return weights, losses


CASES: dict[str, dict[str, object]] = {
    "nesterov": {**SGD, "nesterov": True, "weight_decay": 0.01},
    "nesterov, cosine": {**SGD, "nesterov": True, "schedule": "cosine", "warmup": 3},
    "adamw": {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.1},
    "adamw, line": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "linear"},
    "label smoothing": {**SGD, "label_smoothing": 0.1},
}


def half_of(model: MLP) -> Mask:
    random = np.random.default_rng(1)
    shapes = model.prunable(biases=True)
    return Mask({name: random.random(shape) > 0.5 for name, shape in shapes.items()})


@pytest.mark.parametrize("case", CASES)
def test_against_a_float64_loop_of_plain_formulas(
    case: str, make_training: MakeTraining, small_model: MLP
) -> None:
    changes = {"steps": 12, "evaluate_every": 1, **CASES[case]}
    training = make_training(mask=half_of(small_model), **changes)
    result = run(training)
    with torch_threads(1):
        weights, losses = trained_by_formula(training)
    assert [row.train_loss for row in result.history] == pytest.approx(losses, rel=1e-4)
    for name, weight in weights.items():
        np.testing.assert_allclose(result.weights[name], weight.numpy(), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"nesterov": True}, SGD),
        ({"label_smoothing": 0.1}, SGD),
        ({"precision": "bfloat16"}, SGD),
        ({"optimizer": "adamw", "weight_decay": 0.1}, {"weight_decay": 0.1}),
    ],
)
def test_each_makes_a_difference_and_another_digest(
    given: dict[str, object], plain: dict[str, object], make_training: MakeTraining
) -> None:
    """So the test above would see it left out."""
    one, other = make_training(**{**plain, **given}), make_training(**plain)
    assert one.digest != other.digest
    assert run(one).history != run(other).history


def test_adamw_without_decay_is_adam(make_training: MakeTraining) -> None:
    one, other = run(make_training(optimizer="adamw")), run(make_training())
    assert one.history == other.history


@pytest.mark.long
def test_evaluations_are_of_the_plain_labels(make_training: MakeTraining) -> None:
    """With all classes but one as likely as smoothing says, the smoothed loss cannot come near 0."""
    result = run(make_training(label_smoothing=0.5, steps=300, evaluate_every=300))
    assert result.history[-1].train_loss > 1.4
    assert result.history[-1].validation_loss < 0.9


def outputs_seen(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[set[torch.dtype], set[torch.dtype], Result]:
    """The types of a layer's outputs, in training and in evaluations, and what came of it."""
    seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    forward = torch.nn.Linear.forward

    def watched(layer: torch.nn.Linear, images: Tensor) -> Tensor:
        outputs = forward(layer, images)
        seen[torch.is_grad_enabled()].add(outputs.dtype)
        return outputs

    monkeypatch.setattr(torch.nn.Linear, "forward", watched)
    result = run(make_training(**changes))
    return seen[True], seen[False], result


@pytest.mark.long
def test_bfloat16_is_for_training_steps_alone(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"precision": "bfloat16", "steps": 100, "evaluate_every": 50}
    training, evaluating, result = outputs_seen(make_training, monkeypatch, **changes)
    assert (training, evaluating) == ({torch.bfloat16}, {torch.float32})
    assert {array.dtype for array in result.weights.values()} == {np.dtype(np.float32)}
    training, _, plain = outputs_seen(
        make_training, monkeypatch, **{**changes, "precision": "float32"}
    )
    assert training == {torch.float32}
    for one, other in zip(result.history, plain.history, strict=True):
        assert one.train_loss != other.train_loss
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.02)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=0.02)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"optimizer": "adam", "nesterov": True, "momentum": 0.9},
            "train.nesterov: is true, but train.optimizer is adam, which has no momentum; "
            "set train.optimizer to sgd, or leave it out",
        ),
        (
            {"optimizer": "sgd", "nesterov": True},
            "train.nesterov: is true, but train.momentum is 0; give one above 0, such as 0.9",
        ),
    ],
)
def test_what_would_say_nothing_is_refused(
    given: dict[str, object], said: str, make_training: MakeTraining
) -> None:
    training = make_training(**given)
    for refused in (lambda: resolve(training.params, MLP()), lambda: run(training)):
        with pytest.raises(ParamsError) as refusal:
            refused()
        assert str(refusal.value) == said


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({**SGD, "nesterov": True}, "it has no train.nesterov, which is True"),
        ({"label_smoothing": 0.1}, "it has no train.label_smoothing, which is 0.1"),
        ({"precision": "bfloat16"}, "it has no train.precision, which is 'bfloat16'"),
        (
            {"optimizer": "adamw"},
            "train.optimizer is adamw, and it has 'adam' or 'sgd' only",
        ),
    ],
)
def test_the_sparse_engine_says_what_it_lacks_and_auto_takes_the_other(
    given: dict[str, object], reason: str
) -> None:
    params = TrainParams(device="cpu").model_copy(update=given)
    assert resolve(params, MLP()).engine == "torch"
    with pytest.raises(ParamsError) as refusal:
        resolve(params.model_copy(update={"engine": "sparse"}), MLP())
    assert reason in str(refusal.value)
