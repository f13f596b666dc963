"""Times of every transform on graphs of n and of 2n nodes: linear ones have a quotient of about 2.

    python packages/pg-core/benchmarks/transforms.py [nodes]

Times are those of the process (the machine may do other things), the best of five.
"""

from __future__ import annotations

import gc
import itertools
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pequegrad as pg


def chain(nodes: int, factor: float = 0.5) -> Callable[[Any], Any]:
    """A function of so many operations, each on the result of the last."""

    def f(x: Any) -> Any:
        for _ in range(nodes // 2):
            x = pg.sin(x) * factor
        return x

    return f


def _sum(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: f(x).sum()


def _jet(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: pg.jet(f, (x,), ([x, x, x],))[1][-1]


TRANSFORMS: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "trace": lambda f: f,
    "jvp": lambda f: lambda x: pg.jvp(f)(x, x),
    "grad": lambda f: pg.grad(_sum(f)),
    "grad of grad": lambda f: pg.grad(_sum(pg.grad(_sum(f)))),
    "linearize": lambda f: lambda x: pg.linearize(f, x)[1](x),
    "vmap": lambda f: lambda x: pg.vmap(f)(x),
    "vmap of grad": lambda f: lambda x: pg.vmap(pg.grad(f))(x),
    "grad of vmap": lambda f: pg.grad(lambda x: pg.vmap(f)(x).sum()),
    "jacfwd": pg.jacfwd,
    "jacrev": pg.jacrev,
    "hessian": lambda f: pg.hessian(_sum(f)),
    "jet of order 3": _jet,
}


def traced(name: str, nodes: int) -> Any:
    """The graph of a transform of a chain of so many nodes."""
    return pg.make_trace(TRANSFORMS[name](chain(nodes)))(pg.ones(4, dtype="float64"))


def small_gradients(count: int) -> Any:
    """The graph of so many small gradients inside one trace."""

    def run(x: Any) -> Any:
        for _ in range(count):
            x = x + pg.grad(lambda y: (pg.sin(y) * y).sum())(x)
        return x

    return pg.make_trace(run)(pg.ones(4, dtype="float64"))


bodies = itertools.count()


def long_body(nodes: int) -> Any:
    """The graph of the gradient of a loop with so many nodes in its body."""
    # What was made of a body is remembered, so that every call needs another one.
    f = chain(nodes, 0.5 + next(bodies) * 2.0**-20)
    loop = lambda x: pg.scan(lambda carry, _: (f(carry), None), x, None, 3)[0].sum()  # noqa: E731
    return pg.make_trace(pg.grad(loop))(pg.ones(4, dtype="float64"))


def seconds(f: Callable[[], Any], repeats: int = 3) -> float:
    """The best time of a call."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        f()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Prints the table."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{'':16}{'n = ' + str(nodes // 2):>14}{'2n':>10}{'quotient':>10}")
    rows: dict[str, Callable[[int], Any]] = {name: partial(traced, name) for name in TRANSFORMS}
    rows["small gradients"] = lambda n: small_gradients(n // 10)
    rows["grad of a loop"] = long_body
    for name, run in rows.items():
        half = whole = float("inf")
        for _ in range(5):  # by turns: both meet the same neighbours
            half = min(half, seconds(partial(run, nodes // 2), 1))
            whole = min(whole, seconds(partial(run, nodes), 1))
        print(f"{name:16}{half:13.3f}s{whole:9.3f}s{whole / half:10.2f}", flush=True)


if __name__ == "__main__":
    main()
