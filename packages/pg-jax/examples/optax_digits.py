"""optax on pequegrad: an MLP on scikit-learn's digits, with no jax installed.

``install_as_jax`` puts pg_jax under the name of jax, so that optax, which imports jax itself, runs on it.

    python optax_digits.py --epochs 20
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pg_jax
from sklearn.datasets import load_digits

pg_jax.install_as_jax()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402


def init(key: Any, sizes: list[int]) -> Any:
    """Weights of layers, as He et al. initialize them."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"w": jax.random.normal(k, (m, n)) * jnp.sqrt(2 / m), "b": jnp.zeros(n)}
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def predict(params: Any, x: Any) -> Any:
    """Logits."""
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss_of(params: Any, x: Any, y: Any) -> Any:
    """The mean cross entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=50)
    options = parser.parse_args()

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x = (digits.data[order] / 16).astype(np.float32)
    y = digits.target[order].astype(np.int32)
    train_x, train_y, test_x, test_y = x[:1500], y[:1500], x[1500:], y[1500:]
    steps = len(train_x) // options.batch_size

    schedule = optax.warmup_cosine_decay_schedule(0.0, 5e-3, steps, options.epochs * steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-3))
    params = init(jax.random.key(0), [64, 64, 64, 10])
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        changes, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, changes), state, loss

    @jax.jit
    def correct(params: Any, x: Any, y: Any) -> Any:
        return jnp.sum(jnp.argmax(predict(params, x), axis=1) == y)

    for epoch in range(options.epochs):
        start, losses = time.perf_counter(), []
        for i in range(steps):
            batch = slice(i * options.batch_size, (i + 1) * options.batch_size)
            params, state, loss = step(params, state, train_x[batch], train_y[batch])
            losses.append(float(loss))
        accuracy = int(correct(params, test_x, test_y)) / len(test_x)
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, test accuracy {accuracy:.4f}, "
            f"{time.perf_counter() - start:.1f} s"
        )


if __name__ == "__main__":
    main()
