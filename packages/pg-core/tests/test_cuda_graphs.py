"""Runs recorded as CUDA graphs: they compute what unrecorded runs compute, see what changes, and stay away where
the host has a say."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

rng = np.random.default_rng(0)


@pytest.fixture
def always(gpu: str) -> Iterator[str]:
    before = pg.cuda.set_graphs("always")
    yield gpu
    pg.cuda.set_graphs(before)


def array(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def launches() -> int:
    return pg.cuda.memory_stats()["graph_launches"]


def replays(f: Any, *args: Any) -> str:
    (text,) = f.explain(*args).replays
    return text


def three_kernels(x: Any, y: Any, rate: Any) -> Any:
    rows = pg.softmax(x * rate, 1)
    columns = (rows + y).sum(0)
    return rows - columns, columns.max()


def test_results_are_those_of_unrecorded_runs(always: str) -> None:
    pg.cuda.set_graphs("never")
    x, y = array(20, 70), array(20, 70)
    cpu = pg.jit(three_kernels)
    plain, recorded = pg.jit(three_kernels), pg.jit(three_kernels)
    a, b = pg.Tensor(x, device=always), pg.Tensor(y, device=always)
    before = launches()
    for rate in (0.5, 1.5, -2.0, 0.25, 3.0, 0.125):
        pg.cuda.set_graphs("never")
        wanted = plain(a, b, rate)
        pg.cuda.set_graphs("always")
        got = recorded(a, b, rate)
        for w, g, c in zip(wanted, got, cpu(pg.Tensor(x), pg.Tensor(y), rate), strict=True):
            np.testing.assert_array_equal(g.numpy(), w.numpy())
            np.testing.assert_allclose(g.numpy(), c.numpy(), rtol=1e-5, atol=1e-5)
    assert launches() - before >= 4  # the second or third run recorded
    assert "replayed" in replays(recorded, a, b, 0.5)
    pg.cuda.set_graphs("never")
    assert replays(recorded, a, b, 0.5) == "CUDA graphs: switched off"


def test_other_memory_and_numbers_are_seen(always: str) -> None:
    f = pg.jit(three_kernels)
    kept = []
    for i in range(12):
        x, y = array(9, 33), array(9, 33)
        a, b = pg.Tensor(x, device=always), pg.Tensor(y, device=always)
        kept.append((a, b))  # so that the next ones lie elsewhere
        rows, largest = f(a, b, 0.1 * i)
        e = np.exp(x * np.float32(0.1 * i))
        wanted = e / e.sum(1, keepdims=True)
        columns = (wanted + y).sum(0)
        np.testing.assert_allclose(rows.numpy(), wanted - columns, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(float(largest), columns.max(), rtol=1e-5)
    assert "replayed" in replays(f, *kept[0], 0.5)


def test_results_stay_what_they_were(always: str) -> None:
    """A later replay writes no result of an earlier one."""
    f = pg.jit(lambda x: [pg.softmax(x, 1), pg.softmax(x, 0).sum(0), x.max(1)])
    x = pg.Tensor(array(30, 40), device=always)
    results = [f(x + float(i)) for i in range(6)]
    for i, (rows, columns, largest) in enumerate(results):
        moved = x.numpy() + np.float32(i)
        np.testing.assert_allclose(
            rows.numpy(), pg.softmax(pg.Tensor(moved), 1).numpy(), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(columns.numpy(), pg.softmax(pg.Tensor(moved), 0).sum(0).numpy(), rtol=1e-5)
        np.testing.assert_array_equal(largest.numpy(), moved.max(1))


@pytest.mark.filterwarnings("ignore:pg.jit")  # kernels on a GPU may not write over what they read
def test_donated_memory(always: str) -> None:
    def step(state: list[Any], x: Any) -> Any:
        return [s * 0.5 + pg.softmax(x, 1).sum(0) + s.sum() for s in state]

    f, plain = pg.jit(step, donate_argnums=0), pg.jit(step)
    xs = [array(8, 16) for _ in range(3)]
    state = [pg.Tensor(array(16), device=always) for _ in range(3)]
    wanted = [pg.Tensor(s.numpy()) for s in state]
    before = launches()
    for i in range(9):
        state = f(state, pg.Tensor(xs[i % 3], device=always))
        wanted = plain(wanted, pg.Tensor(xs[i % 3]))
        for w, s in zip(wanted, state, strict=True):
            np.testing.assert_allclose(s.numpy(), w.numpy(), rtol=2e-5, atol=1e-5)
        wanted = [pg.Tensor(s.numpy()) for s in state]
    assert launches() > before


def test_a_scan_is_recorded_whole(always: str) -> None:
    def f(x: Any) -> Any:
        return pg.scan(lambda c, row: (c * 0.5 + row, (c * row).sum()), x[0], x)

    recorded = pg.jit(f)
    before = launches()
    for _ in range(5):
        x = array(7, 40)
        got, wanted = recorded(pg.Tensor(x, device=always)), recorded(pg.Tensor(x))
        for g, w in zip(got, wanted, strict=True):
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-5, atol=1e-5)
    kept = pg.Tensor(x, device=always)
    del got
    for _ in range(6):
        recorded(kept)  # whose results take the same memory each time
    got = recorded(kept)
    np.testing.assert_allclose(got[1].numpy(), wanted[1].numpy(), rtol=1e-5, atol=1e-5)
    assert launches() > before


@pytest.mark.parametrize("what", ["while", "cond", "host"])
def test_where_the_host_has_a_say(what: str, always: str) -> None:
    functions: dict[str, Callable[[Any], Any]] = {
        "while": lambda x: pg.while_loop(lambda c: abs(c).sum() > 1.0, lambda c: c / 2, x),
        "cond": lambda x: pg.cond(x[0] > 0, lambda x: x + 1, lambda x: x - 1, x),
        "host": lambda x: pg.linalg.cholesky(pg.eye(4, device=x.device) * (1 + x * x)),
    }
    f = pg.jit(lambda x: functions[what](x) * 2 + x.sum())
    for i in range(5):
        x = array(4) + i
        got = f(pg.Tensor(x, device=always))
        np.testing.assert_allclose(got.numpy(), f(pg.Tensor(x)).numpy(), rtol=1e-5, atol=1e-6)
    text = replays(f, pg.Tensor(x, device=always))
    assert text.startswith("CUDA graphs: none, "), text


def test_bad_indices_are_reported(always: str) -> None:
    f = pg.jit(lambda table, rows, x: pg.softmax(table[rows], 1) * x.sum() + x.max(0))
    table, x = pg.Tensor(array(10, 6), device=always), pg.Tensor(array(3, 6), device=always)
    good, bad = pg.Tensor([1, 9, 3], device=always), pg.Tensor([1, 10, 3], device=always)
    wanted = f(table, good, x).numpy()
    before = launches()
    for _ in range(4):
        np.testing.assert_array_equal(f(table, good, x).numpy(), wanted)
        with pytest.raises(IndexError, match=r"test_cuda_graphs.py:\d+.*index 10 is out of range"):
            f(table, bad, x).eval()
    assert launches() > before


def test_bad_indices_of_calls_are_reported(always: str) -> None:
    """A replay skips calls; what they report is known from the recording."""

    def f(table: Any, rows: Any, x: Any) -> Any:
        t = pg.softmax(table, 1).at[rows].add(x)
        return pg.softmax(t, 0), t[0].max()

    f = pg.jit(f)
    table, x = pg.Tensor(array(10, 6), device=always), pg.Tensor(array(3, 6), device=always)
    rows = np.array([1, 9, 3])
    kept = pg.Tensor(rows, device=always)
    wanted = [t.numpy() for t in f(table.to("cpu"), pg.Tensor(rows), x.to("cpu"))]
    before = launches()
    for _ in range(6):
        for g, w in zip(f(table, kept, x), wanted, strict=True):
            np.testing.assert_allclose(g.numpy(), w, rtol=1e-5, atol=1e-6)
    assert launches() > before
    for _ in range(4):
        bad = pg.Tensor([1, 10, 3], device=always)
        with pytest.raises(IndexError, match="index 10 is out of range"):
            pg.eval(f(table, bad, x))
        f(table, kept, x)


def test_products_and_networks(always: str) -> None:
    def step(p: Any, x: Any, y: Any, rate: Any) -> Any:
        def loss(p: Any) -> Any:
            return ((pg.tanh(x @ p[0] + p[1]) @ p[2] - y) ** 2).mean()

        value, (g,) = pg.value_and_grad(loss)(p)
        return [a - rate * b for a, b in zip(p, g, strict=True)], value

    arrays = [array(12, 20), array(20), array(20, 3)]
    f, before = pg.jit(step), launches()
    p, q = ([pg.Tensor(a, device=d) for a in arrays] for d in (always, "cpu"))
    data = [(array(16, 12), array(16, 3)) for _ in range(2)]
    theirs = [[pg.Tensor(a, device=always) for a in pair] for pair in data]
    ours = [[pg.Tensor(a) for a in pair] for pair in data]
    for i in range(24):
        p, value = f(p, *theirs[i % 2], 0.1 / (i + 1))
        q, wanted = f(q, *ours[i % 2], 0.1 / (i + 1))
        np.testing.assert_allclose(float(value), float(wanted), rtol=1e-4)
    for a, b in zip(p, q, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-5)
    assert launches() > before, replays(f, p, *theirs[0], 0.1)


def test_several_threads(always: str) -> None:
    f = pg.jit(three_kernels)
    x, y = array(16, 48), array(16, 48)
    wanted = {rate: [t.numpy() for t in f(pg.Tensor(x), pg.Tensor(y), rate)] for rate in (0.5, 1.0, 2.0)}
    failures: list[BaseException] = []

    def work(rate: float) -> None:
        try:
            a, b = pg.Tensor(x, device=always), pg.Tensor(y, device=always)
            for _ in range(25):
                for got, w in zip(f(a, b, rate), wanted[rate], strict=True):
                    np.testing.assert_allclose(got.numpy(), w, rtol=1e-5, atol=1e-5)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(rate,)) for rate in wanted]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


def test_memory_is_told_and_given_back(always: str) -> None:
    gc.collect()
    before = pg.cuda.memory_stats()
    f = pg.jit(three_kernels)
    x, y = pg.Tensor(array(20, 300), device=always), pg.Tensor(array(20, 300), device=always)
    for _ in range(4):
        f(x, y, 0.5)
    during = pg.cuda.memory_stats()
    assert during["graphs"] > before["graphs"] and during["graph_bytes"] > before["graph_bytes"]
    del f, x, y
    gc.collect()
    after = pg.cuda.memory_stats()
    assert (after["graphs"], after["graph_bytes"]) == (before["graphs"], before["graph_bytes"])
    assert after["live_bytes"] == before["live_bytes"]


def test_automatic_takes_programs_of_many_short_kernels(gpu: str) -> None:
    assert pg.cuda.set_graphs("automatic") == "automatic"
    x, y = pg.Tensor(array(20, 70), device=gpu), pg.Tensor(array(20, 70), device=gpu)
    one, many = pg.jit(lambda x, y: x + y), pg.jit(three_kernels)
    before = launches()
    for _ in range(4):
        one(x, y)
    assert launches() == before and replays(one, x, y) == "CUDA graphs: none, launches are few"
    for _ in range(4):
        many(x, y, 0.5)
    assert launches() > before
    assert pg.jit(lambda x: x + 1).explain(pg.ones(3)).replays == []


PROGRAM = """
import numpy as np, pequegrad as pg
pg.cuda.set_graphs("always")
def step(x, y, r):
    s = pg.softmax(x * r, 1)
    return s - (s + y).sum(0)
f, x, y = pg.jit(step), np.ones((30, 90), np.float32), np.ones((30, 90), np.float32)
for i in range(6):
    x[:] = i
    got = f(pg.Tensor(x, device="cuda"), pg.Tensor(y, device="cuda"), 0.5 + i)
    np.testing.assert_allclose(got.numpy(), f(pg.Tensor(x), pg.Tensor(y), 0.5 + i).numpy(), rtol=1e-5, atol=1e-5)
assert pg.cuda.memory_stats()["graph_launches"] >= 3, pg.cuda.memory_stats()
"""


@pytest.mark.parametrize("mode", ["PGEMU_DEFERRED", "PGEMU_BACKWARDS", "PGEMU_PROTECT"])
def test_other_ways_of_the_emulated_gpu(mode: str, gpu: str) -> None:
    if "PG_LIBCUDA" not in os.environ:
        pytest.skip("the GPU is real")
    env = {**os.environ, mode: "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env)
    assert done.returncode == 0 and done.stderr == "", done.stderr
