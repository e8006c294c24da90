"""The steps in JAX: as many as one call does are one jitted scan."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from problems import LR, Problem

CHUNK = 20
"""Steps of a call. Another number would have to be compiled anew."""


@jax.jit
def _all_steps(images: Any, labels: Any, masks: Any, weights: Any, state: Any, order: Any) -> Any:
    def loss_of(weights: Any, batch: Any) -> Any:
        hidden = images[batch]
        for weight, bias in weights[:-1]:
            hidden = jax.nn.relu(hidden @ weight + bias)
        logits = hidden @ weights[-1][0] + weights[-1][1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[batch]).mean()

    def step(carry: Any, batch: Any) -> Any:
        weights, state = carry
        loss, gradient = jax.value_and_grad(loss_of)(weights, batch)
        gradient = [
            (g if mask is None else g * mask, b)
            for (g, b), mask in zip(gradient, masks, strict=True)
        ]
        change, state = optax.adam(LR).update(gradient, state)
        return (optax.apply_updates(weights, change), state), loss

    return jax.lax.scan(step, (weights, state), order)


def steps(problem: Problem) -> Any:
    images, labels = jnp.asarray(problem.images, jnp.float32) / 255, jnp.asarray(problem.labels)
    masks = [
        jnp.asarray(mask.T, jnp.float32) if problem.is_pruned(i) else None
        for i, mask in enumerate(problem.masks)
    ]
    pairs = zip(problem.weights, problem.biases, strict=True)
    weights = [(jnp.asarray(weight.T), jnp.asarray(bias)) for weight, bias in pairs]
    carry: Any = (weights, optax.adam(LR).init(weights))

    def do(first: int, count: int) -> list[float]:
        nonlocal carry
        losses: list[float] = []
        for begin in range(first, first + count, CHUNK):
            batches = [(begin + i) % len(problem.order) for i in range(CHUNK)]
            order = jnp.asarray(problem.order[batches])
            carry, some = _all_steps(images, labels, masks, *carry, order)
            losses += [float(loss) for loss in some]
        return losses

    return do
