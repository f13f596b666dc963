"""What an op, an eval and a jitted call cost beside their arithmetic, in time and in empty calls.

Budgets on a quiet core: eval of one tiny op 0.25 us, a jitted call of two tensors 0.2 us, of twenty 2.5 us.
Run: python packages/pg-core/benchmarks/dispatch.py
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

ROUNDS = 300  # short ones: on a busy machine long ones are all interrupted


@dataclasses.dataclass
class Layer:
    """A container of the user's own."""

    w: pg.Tensor
    b: pg.Tensor


def seconds(call: Callable[[], Any], number: int) -> float:
    """The best of several rounds: noise only adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, time.perf_counter() - start)
    return best / number


def cases() -> dict[str, tuple[Callable[[], Any], float | None]]:
    """Name -> (what is called, budget in seconds)."""
    a, b = pg.Tensor(np.ones(8, np.float32)), pg.Tensor(np.ones(8, np.float32))
    done = (a + b).eval()
    params = {f"layer{i}": {"w": pg.ones(8), "b": pg.ones(8)} for i in range(10)}
    pair = pg.jit(lambda x, y: x + y)
    scaled = pg.jit(lambda x, s: x * s)
    update = pg.jit(
        lambda tree, lr: {k: {"w": v["w"] - lr * v["w"], "b": v["b"] - lr * v["b"]} for k, v in tree.items()}
    )
    scale = 2.0
    reading = pg.jit(lambda x, y: x + y * scale)
    layers = tuple(Layer(**layer) for layer in params.values())
    first = pg.jit(lambda tree: tree["layer0"]["w"] + 1)
    move = pg.jit(lambda objects, lr: tuple(Layer(o.w - lr * o.w, o.b - lr * o.b) for o in objects))
    pair(a, b), scaled(a, 0.5), update(params, 0.1), reading(a, b), first(params), move(layers, 0.1)
    return {
        "build a + b": (lambda: a + b, None),
        "build a * 0.1": (lambda: a * 0.1, None),
        "eval of an evaluated tensor": (lambda: done.eval(), None),
        "(a + b).eval()": (lambda: (a + b).eval(), 0.25e-6),
        "(a * 0.1).eval()": (lambda: (a * 0.1).eval(), None),
        "(a + b * 0.1 - a).eval()": (lambda: (a + b * 0.1 - a).eval(), None),
        "jit f(a, b)": (lambda: pair(a, b), 0.2e-6),
        "jit f(a, 0.5)": (lambda: scaled(a, 0.5), None),
        "jit f(a, b), a number in its closure": (lambda: reading(a, b), None),
        "jit f(dict of 20) -> 1": (lambda: first(params), None),
        "jit f(dict of 20, lr) -> dict of 20": (lambda: update(params, 0.1), 2.5e-6),
        "jit f(10 dataclasses, lr) -> the same": (lambda: move(layers, 0.1), None),
        "a dict of 10 dicts built by Python": (lambda: {k: {"w": a, "b": b} for k in params}, None),
    }


def main() -> None:
    """Prints the table."""
    empty = seconds(lambda: None, 5_000)
    print(
        f"{'case':38s} {'time':>9s} {'x empty call':>13s} {'budget':>8s}   (empty call {empty * 1e9:.0f} ns)"
    )
    for name, (call, budget) in cases().items():
        spent = seconds(call, 250) - empty
        limit = f"{budget * 1e6:.2f} us" if budget else ""
        print(f"{name:38s} {spent * 1e6:6.3f} us {spent / empty:13.1f} {limit:>8s}")


if __name__ == "__main__":
    main()
