"""A flax CNN on scikit-learn's digits: written for jax, run by pequegrad.

Only one line differs from the script for jax: the training step is compiled by ``bridge.jit`` instead of
``jax.jit``. flax, optax and ``jax.value_and_grad`` are the real ones.

    python flax_cnn_bridge.py --epochs 2
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from pg_jax import bridge
from sklearn.datasets import load_digits


class CNN(nn.Module):
    """Two convolutions with normalization over the batch, pooling, dropout, a dense layer."""

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = nn.Conv(16, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(32, (3, 3))(x))
        x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.Dropout(0.2, deterministic=not train)(x)
        return nn.Dense(10)(x)


model = CNN()
optimizer = optax.adamw(3e-3)


def train_step(variables: Any, state: Any, key: Any, images: Any, labels: Any) -> Any:
    """One step of AdamW: new variables and state of the optimizer, and the loss."""

    def loss_of(params: Any) -> Any:
        logits, updates = model.apply(
            {**variables, "params": params}, images, True, rngs={"dropout": key}, mutable=["batch_stats"]
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updates

    (loss, updates), grads = jax.value_and_grad(loss_of, has_aux=True)(variables["params"])
    changes, state = optimizer.update(grads, state, variables["params"])
    return {"params": optax.apply_updates(variables["params"], changes), **updates}, state, loss


def correct(variables: Any, images: Any, labels: Any) -> Any:
    """How many images are recognized."""
    return jnp.sum(jnp.argmax(model.apply(variables, images, False), axis=1) == labels)


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--by", choices=("bridge", "jax"), default="bridge", help="what compiles the step")
    options = parser.parse_args()

    jit = bridge.jit if options.by == "bridge" else jax.jit
    step, count = jit(train_step, donate_argnums=(0, 1)), jit(correct)

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, :, :, None] / 16).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    train_x, train_y, test_x, test_y = images[:1500], labels[:1500], images[1500:], labels[1500:]

    key = jax.random.key(0)
    variables = model.init(key, jnp.zeros((1, 8, 8, 1)), False)
    state = optimizer.init(variables["params"])
    for epoch in range(options.epochs):
        start, losses = time.perf_counter(), []
        for i in range(0, len(train_x), options.batch_size):
            key, use = jax.random.split(key)
            batch = slice(i, i + options.batch_size)
            variables, state, loss = step(variables, state, use, train_x[batch], train_y[batch])
            losses.append(float(loss))
        accuracy = int(count(variables, test_x, test_y)) / len(test_x)
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, test accuracy {accuracy:.4f}, "
            f"{time.perf_counter() - start:.1f} s"
        )
    if options.by == "bridge":
        print(f"traced {bridge.stats()['traces']} functions, ran {bridge.stats()['calls']} programs")


if __name__ == "__main__":
    main()
