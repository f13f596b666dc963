"""A multi-layer perceptron from scratch on scikit-learn's digits, as one writes it in JAX.

Everything is in the script: parameters as a list of pairs, the loss, momentum, the epoch as one ``lax.scan``.
Replace the imports by ``jax`` and it runs on JAX, with the same numbers.

    python mlp_digits.py --epochs 10
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pg_jax as jax
import pg_jax.numpy as jnp
from pg_jax import lax
from sklearn.datasets import load_digits

Params = list[tuple[Any, Any]]


def init(key: Any, sizes: list[int]) -> Params:
    """Weights and biases of each layer."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (m, n)) * jnp.sqrt(2.0 / m), jnp.zeros(n))
        for k, m, n in zip(keys, sizes, sizes[1:], strict=False)
    ]


def predict(params: Params, image: Any) -> Any:
    """The logarithms of the classes' probabilities, for one image."""
    *hidden, (w, b) = params
    for v, c in hidden:
        image = jax.nn.relu(image @ v + c)
    return jax.nn.log_softmax(image @ w + b)


predict_all = jax.vmap(predict, in_axes=(None, 0))


def loss(params: Params, images: Any, labels: Any) -> Any:
    """Cross entropy, and a little weight decay."""
    chosen = jnp.take_along_axis(predict_all(params, images), labels[:, None], axis=1)
    decay = sum(jnp.vdot(w, w) for w, _ in params)
    return -jnp.mean(chosen) + 1e-5 * decay


@jax.jit
def epoch(params: Params, velocity: Params, images: Any, labels: Any, rate: float) -> Any:
    """One pass over all batches, which lie along the leading axis."""

    def step(state: Any, batch: Any) -> Any:
        params, velocity = state
        value, grads = jax.value_and_grad(loss)(params, *batch)
        velocity = jax.tree.map(lambda v, g: 0.9 * v - rate * g, velocity, grads)
        return (jax.tree.map(jnp.add, params, velocity), velocity), value

    (params, velocity), losses = lax.scan(step, (params, velocity), (images, labels))
    return params, velocity, losses.mean()


@jax.jit
def accuracy(params: Params, images: Any, labels: Any) -> Any:
    """The part of the images that is recognized."""
    return jnp.mean(jnp.argmax(predict_all(params, images), axis=1) == labels)


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=50)
    options = parser.parse_args()

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = jnp.array(digits.data[order] / 16, jnp.float32)
    labels = jnp.array(digits.target[order])
    train_x, train_y, test_x, test_y = images[:1500], labels[:1500], images[1500:], labels[1500:]

    key = jax.random.key(0)
    params = init(key, [64, 128, 10])
    velocity = jax.tree.map(jnp.zeros_like, params)
    for i in range(options.epochs):
        start = time.perf_counter()
        places = jax.random.permutation(jax.random.fold_in(key, i), len(train_y))
        batches = places[: len(places) // options.batch_size * options.batch_size]
        batches = batches.reshape(-1, options.batch_size)
        params, velocity, value = epoch(params, velocity, train_x[batches], train_y[batches], 0.05)
        print(
            f"epoch {i + 1}: loss {value:.4f}, test accuracy {accuracy(params, test_x, test_y):.4f}, "
            f"{time.perf_counter() - start:.2f} s"
        )


if __name__ == "__main__":
    main()
