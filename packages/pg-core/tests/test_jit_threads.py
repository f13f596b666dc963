"""Jitted functions under threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pequegrad as pg
import pytest


def _run_in_threads(work: Any, count: int = 4) -> None:
    failures: list[BaseException] = []

    def guarded(i: int) -> None:
        try:
            work(i)
        except BaseException as error:  # shown by the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.parametrize("size", [4, 700_000])
def test_threads_lose_no_update(size: int) -> None:
    total = pg.zeros(size).eval()

    def step(x: pg.Tensor) -> pg.Tensor:
        total.assign(total + x)
        return x * 2

    f = pg.jit(step)
    x = pg.ones(size).eval()
    f(x)
    rounds = 200 if size == 4 else 5
    _run_in_threads(lambda _: [f(x) for _ in range(rounds)])
    assert total[0].item() == 4 * rounds + 1


def test_threads_trace_at_once() -> None:
    w = pg.Tensor([1.0]).eval()
    f = pg.jit(lambda x, t: {"a": x + w, "b": [t["k"] * 2, x.sum()]}, max_entries=8)

    def work(i: int) -> None:
        rng = np.random.default_rng(i)
        for _ in range(60):
            n = int(rng.integers(1, 12))
            out = f(pg.Tensor(np.full(n, i, np.float32)), {"k": pg.Tensor([float(n)])})
            assert out["a"].tolist() == [i + 1] * n
            assert out["b"][0].item() == 2 * n and out["b"][1].item() == n * i

    with pytest.warns(UserWarning, match="traced"):
        _run_in_threads(work)
    assert len(f.entries) <= 8
