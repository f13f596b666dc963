"""jax's side of the workloads of models_data.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from models_data import DECODER, MODELS, model_data

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]


def attention(q: Any, k: Any, v: Any) -> Any:
    # jax's own function takes (batch, length, heads, width); XLA turns both into the same products.
    swap = lambda x: x.swapaxes(1, 2)  # noqa: E731
    return swap(jax.nn.dot_product_attention(swap(q), swap(k), swap(v), is_causal=True))


def conv(x: Any, w: Any, padding: int = 1, groups: int = 1) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), [(padding, padding)] * 2, feature_group_count=groups)


def batch_norm(x: Any, g: Any, b: Any) -> Any:
    m = x.mean((0, 2, 3), keepdims=True)
    v = ((x - m) ** 2).mean((0, 2, 3), keepdims=True)
    return (x - m) * lax.rsqrt(v + 1e-5) * g[:, None, None] + b[:, None, None]


def resnet_block(w1: Any, w2: Any, g1: Any, g2: Any, b1: Any, b2: Any, x: Any, ct: Any) -> Any:
    h = jax.nn.relu(batch_norm(conv(x, w1), g1, b1))
    return (jax.nn.relu(batch_norm(conv(h, w2), g2, b2) + x) * ct).sum()


def gru(wx: Any, wh: Any, b: Any, xs: Any, h: Any) -> Any:
    n = h.shape[1]

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        m = h @ wh + b
        r = jax.nn.sigmoid(x[:, :n] + m[:, :n])
        z = jax.nn.sigmoid(x[:, n : 2 * n] + m[:, n : 2 * n])
        h = (1 - z) * jnp.tanh(x[:, 2 * n :] + r * m[:, 2 * n :]) + z * h
        return h, h

    return (lax.scan(step, h, xs @ wx)[1] ** 2).mean()


def embedding_xent(table: Any, w: Any, tokens: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(table[tokens] @ w), y[:, None], 1).mean()


def dropout_gelu(x: Any, key: Any) -> Any:
    return jnp.where(jax.random.uniform(key, x.shape) < 0.9, jax.nn.gelu(x, approximate=False) / 0.9, 0.0)


def decode(layers: Any, caches: Any, x: Any, at: Any) -> Any:
    """The next token's hidden state, with keys and values stored in the caches."""
    heads, length = DECODER["heads"], DECODER["length"]
    seen, out = jnp.arange(length) <= at, []
    for (wqkv, wo, w1, w2), cache in zip(layers, caches):
        q, k, v = (x @ wqkv).reshape(3, heads, 1, -1)
        cache = lax.dynamic_update_slice(cache, jnp.stack((k, v)), (0, 0, at, 0))
        scores = q @ cache[0].swapaxes(-1, -2) * q.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), -1)
        x = x + (weights @ cache[1]).reshape(1, -1) @ wo
        x = x + jax.nn.gelu(x @ w1, approximate=True) @ w2
        out.append(cache)
    return x, out


def adam(p: Any, m: Any, v: Any, t: Any, grads: Any) -> Any:
    t = t + 1
    c1, c2 = 1 - 0.9**t, 1 - 0.999**t
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
    p = [q - 1e-3 * (a / c1) / (jnp.sqrt(b / c2) + 1e-8) for q, a, b in zip(p, m, v)]
    return p, m, v, t


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "attention_fwd": attention,
    "attention_fb": lambda q, k, v, ct: (attention(q, k, v) * ct).sum(),
    "resnet_block": resnet_block,
    "gru_scan": gru,
    "embedding_xent": embedding_xent,
    "dropout_gelu": dropout_gelu,
    "pointwise_conv": lambda x, w: conv(x, w, 0),
    "depthwise_conv": lambda x, w: conv(x, w, 1, x.shape[1]),
    "solve_f64": jnp.linalg.solve,
    "cholesky_f64": jnp.linalg.cholesky,
}


def size_of(x: Any) -> float:
    """The mean absolute value."""
    return float(np.abs(np.asarray(x, np.float64)).mean())


def stateless(name: str) -> Setup:
    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        inputs = [jnp.asarray(a) for a in model_data(name)]
        if name == "dropout_gelu":
            inputs.append(jax.random.key(0))
        wrt = MODELS[name]
        f = jax.jit(jax.grad(FUNCTIONS[name], argnums=wrt) if wrt else FUNCTIONS[name])
        kept: dict[str, Any] = {}

        def run() -> None:
            kept["out"] = jax.block_until_ready(f(*inputs))

        return run, lambda: size_of(kept["out"][0] if wrt else kept["out"])

    return setup


def kv_decode() -> tuple[Callable[[], Any], Callable[[], float]]:
    layers, caches, x, at = jax.tree.map(jnp.asarray, model_data("kv_decode"))
    step, state = jax.jit(decode, donate_argnums=(1,)), {"caches": caches}

    def run() -> None:
        state["x"], state["caches"] = jax.block_until_ready(step(layers, state["caches"], x, at))

    return run, lambda: size_of(state["x"])


def adam_step(name: str) -> tuple[Callable[[], Any], Callable[[], float]]:
    p, grads = jax.tree.map(jnp.asarray, model_data(name))
    zeros = lambda: [jnp.zeros_like(q) for q in p]  # noqa: E731
    step, state = jax.jit(adam, donate_argnums=(0, 1, 2)), {"s": (p, zeros(), zeros(), jnp.float32(0))}

    def run() -> None:
        state["s"] = jax.block_until_ready(step(*state["s"], grads))

    return run, lambda: size_of(state["s"][0][0])


OPTIMIZERS: dict[str, Setup] = {name: partial(adam_step, name) for name in ("adam_many", "adam_small")}


def with_width(name: str, setup: Setup) -> Setup:
    """The set-up with 64-bit numbers switched on for the workloads that need them, and off for all others."""

    def wrapped() -> tuple[Callable[[], Any], Callable[[], float]]:
        jax.config.update("jax_enable_x64", name.endswith("_f64"))
        return setup()

    return wrapped


def models() -> dict[str, Setup]:
    """{workload: set-up}."""
    table = {name: stateless(name) for name in FUNCTIONS} | {"kv_decode": kv_decode} | OPTIMIZERS
    return {name: with_width(name, setup) for name, setup in table.items()}
