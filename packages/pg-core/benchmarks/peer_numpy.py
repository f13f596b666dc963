"""NumPy's side of the benchmark (no differentiation beyond a hand-written MLP)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from data import data


def chain(x: np.ndarray) -> np.ndarray:
    a = x * 0.5 + 1
    b = np.exp(-a * a)
    c = np.tanh(x) * b
    d = 1 / (1 + np.exp(-(c + a)))
    return d * x - c + b * 0.1


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def layer_norm(x: np.ndarray, w: np.ndarray, b: np.ndarray, _: np.ndarray) -> np.ndarray:
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) / np.sqrt(v + 1e-5) * w + b


def mlp_step() -> tuple[Callable[[], Any], Callable[[], float]]:
    params, x, y = data("mlp_step")
    state: dict[str, Any] = {
        "p": [p.copy() for p in params],
        "m": [np.zeros_like(p) for p in params],
        "loss": 0.0,
    }

    def run() -> None:
        w1, b1, w2, b2, w3, b3 = state["p"]
        z1 = x @ w1 + b1
        h1 = np.maximum(z1, 0)
        z2 = h1 @ w2 + b2
        h2 = np.maximum(z2, 0)
        z = h2 @ w3 + b3
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        s = e.sum(1, keepdims=True)
        state["loss"] = float((np.log(s[:, 0]) - z[np.arange(128), y]).mean())
        d = e / s
        d[np.arange(128), y] -= 1
        d /= 128
        d2 = (d @ w3.T) * (z2 > 0)
        d1 = (d2 @ w2.T) * (z1 > 0)
        grads = (x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d, d.sum(0))
        for p, m, g in zip(state["p"], state["m"], grads):
            m *= np.float32(0.9)
            m += g
            p -= np.float32(0.01) * m

    return run, lambda: state["loss"]


def tables() -> dict[str, dict[str, Any]]:
    """{peer: {workload: set-up}}."""
    table: dict[str, Any] = {"mlp_step": mlp_step}

    def add(name: str, f: Callable[..., np.ndarray]) -> None:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            arrays = data(name)
            kept: dict[str, np.ndarray] = {}

            def run() -> None:
                kept["out"] = f(*arrays)

            return run, lambda: float(kept["out"].astype(np.float64).mean())

        table[name] = setup

    add("seed", lambda x, y: (np.transpose(x, (0, 2, 1)) + 2 + y).sum(2) * 3)
    add("chain16m", chain)
    add("softmax4k", softmax)
    add("ln_fwd", layer_norm)
    for name in ("mm1024", "mm2048", "bmm64x128"):
        add(name, lambda a, b: a @ b)

    def tiny() -> tuple[Callable[[], Any], Callable[[], float]]:
        a, b = np.ones(8, np.float32), np.ones(8, np.float32)
        return lambda: a + b, lambda: 2.0

    table["tiny_eager"] = tiny
    return {"numpy": table}
