"""Laws of execution on large arrays: jit equals eager, and one thread equals two, to the last bit. (The matrix
has jit equals eager for every op.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from law_tools import bits

BIG = [
    ("elementwise", lambda x, y: pg.tanh(x) * y + pg.exp(-x * x)),
    ("sum", lambda x, y: (x * y).sum()),
    ("sum rows", lambda x, y: (x * y).sum(1)),
    ("sum columns", lambda x, y: (x * y).sum(0)),
    ("max", lambda x, y: pg.maximum(x, y).max(0)),
    ("softmax", lambda x, y: pg.softmax(x * y)),
    ("matmul", lambda x, y: x @ y.T),
    ("cumsum", lambda x, y: pg.cumsum(x, 1)),
    ("sort", lambda x, y: pg.sort(x, 1)),
    ("gather", lambda x, y: x[pg.arange(x.shape[0] - 1, -1, -1)]),
    ("gradient", lambda x, y: pg.grad(lambda a: (pg.sin(a @ y.T) * 0.5).sum())(x)),
    ("random", lambda x, y: pg.random.normal(pg.random.key(3), (513, 700))),
]


@pytest.mark.parametrize(("name", "f"), BIG, ids=[n for n, _ in BIG])
def test_results_do_not_depend_on_the_number_of_threads(name: str, f: Any, rng: np.random.Generator) -> None:
    x, y = (rng.standard_normal((513, 700)).astype(np.float32) for _ in range(2))
    results = []
    try:
        for threads in (1, 2, 3):
            pg.debug.set_num_threads(threads)
            results.append(bits(f(pg.Tensor(x), pg.Tensor(y))))
    finally:
        pg.debug.set_num_threads(0)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("name", "f"), BIG, ids=[n for n, _ in BIG])
def test_large_jit_equals_eager(name: str, f: Any, rng: np.random.Generator) -> None:
    x, y = (pg.Tensor(rng.standard_normal((513, 700)).astype(np.float32)) for _ in range(2))
    assert bits(pg.jit(f)(x, y)) == bits(f(x, y))
