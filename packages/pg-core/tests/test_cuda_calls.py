"""Calls that no library serves on a GPU, real or emulated, at sizes that take their longer ways; against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 5000), (3, 2500), (2, 4500, 2), (1300, 6), (40, 7, 3)])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(shape: tuple[int, ...], reverse: bool, gpu: str) -> None:
    x = rng.standard_normal(shape)
    x.ravel()[7] = np.nan
    y = rng.integers(-9, 9, shape)
    axis = 1 if len(shape) == 3 else -1

    def turned(a: Any) -> Any:
        return np.flip(a, axis) if reverse else a

    @pg.jit
    def f(x: Any, y: Any) -> Any:
        return [
            pg.cumsum(x, axis, reverse=reverse),
            pg.cumsum(y, axis, reverse=reverse),
            pg.cummax(y, axis, reverse=reverse),
        ]

    sums, whole, largest = f(pg.Tensor(x, device=gpu), pg.Tensor(y, device=gpu))
    np.testing.assert_allclose(sums.numpy(), turned(np.cumsum(turned(x), axis)), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(whole.numpy(), turned(np.cumsum(turned(y), axis)))
    np.testing.assert_array_equal(largest.numpy(), turned(np.maximum.accumulate(turned(y), axis)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint16", "int64"])
@pytest.mark.parametrize("shape", [(1, 5000), (9, 300), (3, 40, 5), (2, 2100, 2)])
def test_sorting(dtype: str, shape: tuple[int, ...], gpu: str) -> None:
    x = rng.integers(-90, 90, shape).astype(dtype)  # with ties
    t = pg.Tensor(x, device=gpu)
    axis = 1
    np.testing.assert_array_equal(pg.sort(t, axis).numpy(), np.sort(x, axis))
    np.testing.assert_array_equal(pg.argsort(t, axis).numpy(), np.argsort(x, axis, kind="stable"))
    values, places = pg.topk(t, 3, axis)
    np.testing.assert_array_equal(values.numpy(), np.flip(np.sort(x, axis), axis)[:, :3])
    np.testing.assert_array_equal(np.take_along_axis(x, places.numpy(), axis), values.numpy())


def test_order_of_special_values(gpu: str) -> None:
    x = np.array([np.nan, 1, -0.0, 0.0, -np.inf, np.inf, np.nan, -3], np.float32)
    for dtype in ("float32", "float16", "bfloat16", "float64"):
        here, there = pg.Tensor(x, dtype=dtype), pg.Tensor(x, dtype=dtype, device=gpu)
        for f in (pg.sort, pg.argsort):
            for descending in (False, True):
                want, got = f(here, descending=descending), f(there, descending=descending)
                np.testing.assert_array_equal(got.astype("float64").numpy(), want.astype("float64").numpy())


@pytest.mark.parametrize("mode", ["add", "max", "set", "multiply"])
def test_updates_of_repeated_rows(mode: str, gpu: str) -> None:
    base = rng.standard_normal((50, 6)).astype(np.float32)
    rows, updates = rng.integers(0, 50, 700), rng.standard_normal((700, 6)).astype(np.float32)
    want = base.copy()
    ways = {"add": np.add, "max": np.maximum, "multiply": np.multiply}
    if mode == "set":
        for row, update in zip(rows, updates):
            want[row] = update
    else:
        ways[mode].at(want, rows, updates)
    t = pg.Tensor(base, device=gpu)
    got = getattr(t.at[pg.Tensor(rows, device=gpu)], mode)(pg.Tensor(updates, device=gpu))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-5)
    again = getattr(t.at[pg.Tensor(rows, device=gpu)], mode)(pg.Tensor(updates, device=gpu))
    assert got.numpy().tobytes() == again.numpy().tobytes()


def test_an_update_outside_is_reported(gpu: str) -> None:
    t = pg.zeros((4, 2), device=gpu)
    with pytest.raises(IndexError, match="index 9 is out of range"):
        t.at[pg.Tensor([1, 9], device=gpu)].set(1.0).eval()
    assert (t + 1).sum().item() == 8.0  # and the device goes on
