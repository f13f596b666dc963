"""pequegrad's side of the workloads of models_data.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pequegrad as pg
from models_data import DECODER, MODELS, model_data

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]


def attention(q: pg.Tensor, k: pg.Tensor, v: pg.Tensor) -> pg.Tensor:
    return pg.scaled_dot_product_attention(q, k, v, is_causal=True)


def resnet_block(
    w1: Any, w2: Any, g1: Any, g2: Any, b1: Any, b2: Any, x: pg.Tensor, ct: pg.Tensor
) -> pg.Tensor:
    h = pg.relu(pg.batch_norm(pg.conv2d(x, w1, padding=1), weight=g1, bias=b1))
    h = pg.batch_norm(pg.conv2d(h, w2, padding=1), weight=g2, bias=b2)
    return (pg.relu(h + x) * ct).sum()


def gru(wx: pg.Tensor, wh: pg.Tensor, b: pg.Tensor, xs: pg.Tensor, h: pg.Tensor) -> pg.Tensor:
    n = h.shape[1]

    def step(h: pg.Tensor, x: pg.Tensor) -> tuple[pg.Tensor, pg.Tensor]:
        m = h @ wh + b
        r = pg.sigmoid(x[:, :n] + m[:, :n])
        z = pg.sigmoid(x[:, n : 2 * n] + m[:, n : 2 * n])
        h = (1 - z) * pg.tanh(x[:, 2 * n :] + r * m[:, 2 * n :]) + z * h
        return h, h

    return (pg.scan(step, h, xs @ wx)[1] ** 2).mean()


def embedding_xent(table: pg.Tensor, w: pg.Tensor, tokens: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    rows = pg.log_softmax(table[tokens] @ w, axis=-1)
    return -pg.take_along_axis(rows, y.reshape((-1, 1)), 1).mean()


def dropout_gelu(x: pg.Tensor) -> pg.Tensor:
    return pg.where(pg.rand(x.shape) < 0.9, pg.gelu(x) / 0.9, 0.0)


def decode(layers: Any, caches: Any, x: pg.Tensor, at: pg.Tensor) -> Any:
    """The next token's hidden state, with keys and values stored in the caches."""
    heads, length = DECODER["heads"], DECODER["length"]
    seen, out = pg.arange(length) <= at, []
    for (wqkv, wo, w1, w2), cache in zip(layers, caches):
        q, k, v = (x @ wqkv).reshape((3, heads, 1, -1))
        cache = pg.dynamic_update_slice(cache, pg.stack((k, v)), (0, 0, at, 0))
        scores = q @ cache[0].swapaxes(-1, -2) * q.shape[-1] ** -0.5
        weights = pg.softmax(pg.where(seen, scores, -float("inf")), axis=-1)
        x = x + (weights @ cache[1]).reshape((1, -1)) @ wo
        x = x + pg.gelu(x @ w1, approximate="tanh") @ w2
        out.append(cache)
    return x, out


def adam(p: Any, m: Any, v: Any, t: pg.Tensor, grads: Any) -> Any:
    t = t + 1
    c1, c2 = 1 - pg.power(0.9, t), 1 - pg.power(0.999, t)
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
    p = [q - 1e-3 * (a / c1) / (pg.sqrt(b / c2) + 1e-8) for q, a, b in zip(p, m, v)]
    return p, m, v, t


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "attention_fwd": attention,
    "attention_fb": lambda q, k, v, ct: (attention(q, k, v) * ct).sum(),
    "resnet_block": resnet_block,
    "gru_scan": gru,
    "embedding_xent": embedding_xent,
    "dropout_gelu": dropout_gelu,
    "pointwise_conv": lambda x, w: pg.conv2d(x, w),
    "depthwise_conv": lambda x, w: pg.conv2d(x, w, padding=1, groups=x.shape[1]),
    "solve_f64": lambda a, b: pg.linalg.solve(a, b),
    "cholesky_f64": lambda a: pg.linalg.cholesky(a),
}


def size_of(x: pg.Tensor) -> float:
    """The mean absolute value, which a wrong result would change."""
    return float(np.abs(x.numpy().astype(np.float64)).mean())


def stateless(name: str) -> Setup:
    """A jitted call of a function or of its gradients."""

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        inputs = [pg.Tensor(a) for a in model_data(name)]
        wrt = MODELS[name]
        f = pg.jit(pg.grad(FUNCTIONS[name], argnums=wrt) if wrt else FUNCTIONS[name])
        kept: dict[str, Any] = {}

        def run() -> None:
            kept["out"] = f(*inputs)

        return run, lambda: size_of(kept["out"][0] if wrt else kept["out"])

    return setup


def kv_decode() -> tuple[Callable[[], Any], Callable[[], float]]:
    layers, caches, x, at = pg.pytree.map(pg.Tensor, model_data("kv_decode"))
    step, state = pg.jit(decode, donate_argnums=(1,)), {"caches": caches}

    def run() -> None:
        state["x"], state["caches"] = step(layers, state["caches"], x, at)

    return run, lambda: size_of(state["x"])


def adam_step(name: str) -> tuple[Callable[[], Any], Callable[[], float]]:
    p, grads = pg.pytree.map(pg.Tensor, model_data(name))
    zeros = lambda: [pg.zeros(q.shape).eval() for q in p]  # noqa: E731
    step, state = (
        pg.jit(adam, donate_argnums=(0, 1, 2)),
        {"s": (p, zeros(), zeros(), pg.Tensor(np.float32(0)))},
    )

    def run() -> None:
        state["s"] = step(*state["s"], grads)

    return run, lambda: size_of(state["s"][0][0])


OPTIMIZERS: dict[str, Setup] = {name: partial(adam_step, name) for name in ("adam_many", "adam_small")}


def models() -> dict[str, Setup]:
    """{workload: set-up}."""
    return {name: stateless(name) for name in FUNCTIONS} | {"kv_decode": kv_decode} | OPTIMIZERS
