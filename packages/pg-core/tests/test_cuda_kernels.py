"""Kernels on a GPU, real or emulated: placing, computing, reading, and what is refused."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core

rng = np.random.default_rng(0)


def both(f: Callable[..., Any], *arrays: np.ndarray, gpu: str, rtol: float = 0, atol: float = 0) -> None:
    """f computes on the GPU what it computes on the CPU; as one program, which makes few kernels."""
    jitted = pg.jit(f)
    wanted = jitted(*[pg.Tensor(a) for a in arrays])
    got = jitted(*[pg.Tensor(a, device=gpu) for a in arrays])
    for w, g in zip(pg.pytree.leaves(wanted), pg.pytree.leaves(got), strict=True):
        assert g.device == gpu and g.dtype is w.dtype and g.shape == w.shape
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=rtol, atol=atol)


def test_there_and_back(gpu: str) -> None:
    for dtype in (
        "bool",
        "int8",
        "uint16",
        "int64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex64",
    ):
        x = pg.Tensor(rng.integers(0, 2, (3, 5)), dtype=dtype)
        y = x.to(gpu)
        assert y.device == gpu and y.dtype is x.dtype
        np.testing.assert_array_equal(y.numpy(), x.numpy())
        assert y.to("cpu").device == "cpu" and y.to(gpu) is y
    for shape in ((), (0,), (3, 0), (1, 1)):
        x = rng.random(shape)
        assert pg.Tensor(x, device=gpu).numpy().shape == shape
    big = rng.random(3_000_000)  # more than one stage of pinned memory
    np.testing.assert_array_equal(pg.Tensor(big, device=gpu).numpy(), big)
    x = pg.Tensor([1.5, -2.0], device=gpu)
    assert x.tolist() == [1.5, -2.0] and x[1].item() == -2.0 and float(x[0]) == 1.5 and bool(x[0] > 1)
    assert memoryview(x).tolist() == [1.5, -2.0]
    assert pg.zeros((2, 2), device=gpu).device == gpu and pg.arange(4, device=gpu).tolist() == [0, 1, 2, 3]


def test_elementwise(gpu: str) -> None:
    x = rng.standard_normal((37, 1003)).astype(np.float32)
    y = rng.standard_normal((1003,)).astype(np.float32)
    both(lambda x, y: pg.tanh(x * y + 0.5) - pg.exp(-x).sqrt(), x, y, gpu=gpu, rtol=1e-6, atol=1e-6)
    both(
        lambda x: (x.T * 2, pg.where(x > 0, x, -x), x[::2, 5:900:3], pg.pad(x, ((1, 2), (3, 0)))), x, gpu=gpu
    )
    both(lambda x: pg.concatenate([x, x * 2], 1), x, gpu=gpu)


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "complex64"])
def test_neighbours_at_once(dtype: str, gpu: str) -> None:
    x = rng.integers(-9, 9, (16, 512)).astype(np.float32)

    def f(x: Any, y: Any) -> Any:
        x, y = x.astype(dtype), y.astype(dtype)
        return x + y, x[:, ::-1] - x[3], x[1:9, 128:384] * y[:8, :256], (x * x).sum(1), x.T

    both(f, x, x[::-1].copy(), gpu=gpu)
    a = pg.Tensor(x, device=gpu)
    sources = [k.source for k in pg.jit(lambda a: a * 2 + 1).explain(a).kernels]
    assert any("pg_vector<float, 4>" in source for source in sources)
    # Slices of a scan lie at any multiple of 4 bytes.
    rows = rng.random((3, 131)).astype(np.float32)
    both(
        lambda rows: pg.scan(lambda c, row: (c + row[:128], row[:128] * 2), rows[0, :128], rows),
        rows,
        gpu=gpu,
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_wrap(dtype: str, gpu: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min + 1], dtype)
    a, b = (g.ravel() for g in np.meshgrid(x, x))
    both(
        lambda a, b: [a + b, a - b, a * b, a // b, a % b, -a, abs(a), a & b, a | b, a ^ b, ~a, a << b, a >> b, a < b],
        a, b, gpu=gpu,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_round_at_every_op(dtype: str, gpu: str) -> None:
    bits = np.arange(0, 65536, 7, dtype=np.uint16)

    def f(bits: Any) -> Any:
        x = pg.bitcast(bits, dtype)
        results = x * 1.7 + x / 3, x.astype("float64").astype(dtype), x
        return [r.astype("float32") for r in results], pg.isnan(x)

    both(f, bits, gpu=gpu)


def test_conversions(gpu: str) -> None:
    x = np.array([0, -0.5, 1.5, 3e9, -3e9, 1e19, -1e19, np.nan, np.inf, -np.inf, 255.9, 1e-40])
    names = ("bool", "int8", "int32", "int64", "uint8", "uint32", "uint64", "float16", "bfloat16", "float32")
    both(lambda x: [x.astype(n).astype("float64") for n in names], x, gpu=gpu)
    n = np.array([2**62 + 1, -(2**62) - 1, 2**24 + 1, 65519, 65520, -1, 0])
    both(lambda n: [n.astype(d).astype("float64") for d in names], n, gpu=gpu)


@pytest.mark.parametrize(
    "shape", [(4, 7), (3, 200), (5, 3000), (1, 70000), (6000, 3), (300, 40), (2, 3, 500)]
)
def test_reductions(shape: tuple[int, ...], gpu: str) -> None:
    x = rng.standard_normal(shape).astype(np.float32)

    def f(x: Any) -> Any:
        axes: list[Any] = [None, 0, -1]
        return [(x.sum(a), x.max(a), x.min(a), (x > 0).any(a), (x > -9).all(a), x.var(a)) for a in axes]

    both(f, x, gpu=gpu, rtol=1e-6, atol=1e-6)
    both(lambda x: (pg.softmax(x, -1), x - x.mean(-1, keepdims=True)), x, gpu=gpu, rtol=1e-6, atol=1e-6)


def test_reductions_of_other_dtypes(gpu: str) -> None:
    x = rng.integers(1, 4, (9, 700)).astype(np.float32)
    for dtype in ("int8", "int64", "uint32", "float16", "float64", "complex64"):
        both(lambda x, d=dtype: (x.astype(d).sum(1), x.astype(d)[:, :9].prod(1)), x, gpu=gpu, rtol=1e-6)
    x = np.array([[1, np.nan, 3], [4, 5, 6]], np.float32)
    both(lambda x: (x.max(1), x.min(1), x.max(0)), x, gpu=gpu)
    both(lambda x: (x.sum(1), x.sum(0), x.sum()), np.zeros((3, 0), np.float32), gpu=gpu)


def test_gather_and_its_limits(gpu: str) -> None:
    table, rows = rng.random((10, 33)).astype(np.float32), rng.integers(0, 10, 50)
    both(lambda t, r: t[r], table, rows, gpu=gpu)
    t, r = pg.Tensor(table, device=gpu), pg.Tensor([1, 10, 2], device=gpu)
    with pytest.raises(IndexError, match=r"test_cuda_kernels.py:\d+.*index 10 is out of range"):
        t[r].eval()
    assert (t + 1)[pg.Tensor([3], device=gpu)].shape == (1, 33)  # and the device goes on
    np.testing.assert_array_equal((t * 2).numpy(), table * 2)

    @pg.jit
    def f(t: Any, r: Any) -> Any:
        return t[r] * 2

    np.testing.assert_array_equal(f(t, pg.Tensor([9, 0], device=gpu)).numpy(), table[[9, 0]] * 2)
    with pytest.raises(IndexError, match=r"test_cuda_kernels.py:\d+.*index -1 is out of range"):
        f(t, pg.Tensor([-11], device=gpu)).eval()


def test_numbers_are_no_part_of_a_program(gpu: str) -> None:
    x = pg.Tensor(np.arange(5, dtype=np.float32), device=gpu)
    (x * 0.5).eval()
    before = _core.counters()["builds"]
    for rate in (0.25, 3.0, -1.0):
        assert (x * rate).tolist() == [rate * i for i in range(5)]
    assert _core.counters()["builds"] == before


def test_jit_grad_and_control_flow(gpu: str) -> None:
    x = rng.standard_normal((8, 40)).astype(np.float32)

    def loss(x: Any, rate: Any) -> Any:
        return (pg.sin(x) * rate).sum()

    step = pg.jit(lambda x, rate: x - rate * pg.grad(loss)(x, rate))
    for rate in (0.1, 0.7):
        got = step(pg.Tensor(x, device=gpu), rate)
        np.testing.assert_allclose(got.numpy(), step(pg.Tensor(x), rate).numpy(), rtol=1e-6, atol=1e-6)
        assert got.device == gpu

    def loop(x: Any) -> Any:
        total, all_of_it = pg.scan(lambda c, row: (c + row.sum(), c * row), x[0, 0], x)
        halved = pg.while_loop(lambda c: c.sum() > 1.0, lambda c: c / 2, abs(x))
        return total, all_of_it, halved, pg.cond(x[0, 0] > 0, lambda x: x + 1, lambda x: x - 1, x)

    both(pg.jit(loop), x, gpu=gpu, rtol=1e-5, atol=1e-5)


def test_moving_is_an_op(gpu: str) -> None:
    x = pg.Tensor([1.0, 2.0, 3.0])

    def f(x: Any) -> Any:
        there = (x * 2).to(gpu)
        return (pg.exp(there) + there).to("cpu") + x

    wanted = np.exp(2 * x.numpy()) + 3 * x.numpy()
    for g in (f, pg.jit(f)):
        np.testing.assert_allclose(g(x).numpy(), wanted, rtol=1e-6)
    derivative = pg.grad(lambda x: f(x).sum())(x)
    assert derivative.device == "cpu"
    np.testing.assert_allclose(derivative.numpy(), 2 * np.exp(2 * x.numpy()) + 3, rtol=1e-6)
    both_there = pg.jit(lambda x: (x + 1, (x + 1).to(gpu)))(x)
    assert [t.device for t in both_there] == ["cpu", gpu] and both_there[1].tolist() == [2.0, 3.0, 4.0]


def test_what_is_refused(gpu: str) -> None:
    x, y = pg.ones(3), pg.ones(3, device=gpu)
    with pytest.raises(pg.DeviceError, match=r"\.to\(device\)"):
        x + y
    with pytest.raises(pg.DeviceError, match="no cuda:200 on this machine"):
        pg.ones(2, device="cuda:200")


@pytest.mark.parametrize("allocator", ["default", "custom"])
def test_memory_is_counted_and_given_back(allocator: str, gpu: str) -> None:
    before = pg.cuda.set_allocator(allocator)
    try:
        pg.sync_cuda_device()
        gc.collect()
        start = pg.cuda.memory_stats()
        x = pg.Tensor(np.zeros(1 << 20, np.float32), device=gpu)
        held = pg.cuda.memory_stats()
        assert held["live_bytes"] - start["live_bytes"] == 4 << 20
        for _ in range(3):
            y = (x + 1).eval()
        assert pg.cuda.memory_stats()["held_bytes"] <= held["held_bytes"] + (9 << 20)
        del x, y
        assert pg.cuda.memory_stats()["live_bytes"] == start["live_bytes"]
        pg.cuda.empty_cache()
        assert pg.cuda.memory_stats()["cached_bytes"] == 0
        held = pg.ones((512, 1024), device=gpu).eval()
        with pytest.raises(
            pg.OutOfMemoryError,
            match=r"requested(.|\n)*held by what was computed at\n.*test_cuda_kernels.py:\d+ in .*: 2 MiB in 1 tensor",
        ):
            pg.zeros((1 << 20, 1 << 20), device=gpu).eval()
        del held
    finally:
        pg.cuda.set_allocator(before)


def test_a_kernel_is_printed_once_as_cuda(
    gpu: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("PG_KERNEL_DB", "true")
    x = pg.Tensor(np.ones((3, 11), np.float32), device=gpu)
    (pg.cos(x) * 1.375).sum(1).eval()
    text = capsys.readouterr().out
    assert text.count("__global__") == 1 and "__shfl" not in text
    assert re.search(r"pg_across<pg_sum, 1>", text)
    (pg.cos(x) * 1.375).sum(1).eval()
    assert "__global__" not in capsys.readouterr().out


MODES = {
    "deferred": {"PGEMU_DEFERRED": "1"},
    "backwards, protected": {"PGEMU_BACKWARDS": "1", "PGEMU_PROTECT": "1"},
    "two devices without pools": {"PGEMU_DEVICES": "2", "PGEMU_POOLS": "0"},
}
PROGRAM = """
import numpy as np, pequegrad as pg
x = np.random.default_rng(0).standard_normal((40, 1000)).astype(np.float32)
last = f"cuda:{pg.cuda.device_count() - 1}"
a = pg.Tensor(x, device="cuda")
step = pg.jit(lambda a, r: pg.softmax(a * r, 1) - a.mean(0))
b = a
for r in (0.5, 1.5):
    b = step(b, r)
c = (b.to(last) * 2).to("cpu") + 1
wanted = pg.Tensor(x)
for r in (0.5, 1.5):
    wanted = step(wanted, r)
np.testing.assert_allclose(c.numpy(), (wanted * 2 + 1).numpy(), rtol=1e-5, atol=1e-6)
try:
    a[pg.Tensor([50], device="cuda")].eval()
except IndexError as error:
    assert "index 50" in str(error)
else:
    raise AssertionError
del a, b, c
pg.sync_cuda_device()
assert pg.cuda.memory_stats()["live_bytes"] == 0, pg.cuda.memory_stats()
"""


@pytest.mark.parametrize("mode", MODES)
def test_other_ways_of_the_emulated_gpu(mode: str, gpu: str) -> None:
    if "PG_LIBCUDA" not in os.environ:
        pytest.skip("the GPU is real")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env={**os.environ, **MODES[mode]}
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_no_block_of_the_driver_is_lost(gpu: str) -> None:
    if "PG_LIBCUDA" not in os.environ:
        pytest.skip("the GPU is real")
    living = ctypes.CDLL(os.environ["PG_LIBCUDA"]).pgemu_living_blocks
    living.restype = ctypes.c_size_t
    gc.collect()
    pg.cuda.empty_cache()
    before = living()
    x = pg.Tensor(np.ones((64, 64), np.float32), device=gpu)
    pg.jit(lambda x: pg.softmax(x, 0).sum(1))(x).eval()
    del x
    gc.collect()
    pg.cuda.empty_cache()
    assert living() == before
