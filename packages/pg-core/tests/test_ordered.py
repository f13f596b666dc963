"""Sorting and running totals at the lengths where the way they are computed changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest

KINDS = ("float32", "float64", "float16", "int8", "int32", "int64", "uint16", "uint64", "bool")


def values(rng: np.random.Generator, kind: str, shape: tuple[int, ...], how: str) -> np.ndarray[Any, Any]:
    """An array of the kind: all values, few different ones, or what is special."""
    if kind == "bool":
        return rng.random(shape) > 0.5
    if not kind.startswith("float"):
        limits = np.iinfo(kind)
        low, high = (limits.min, limits.max) if how == "all" else (0, 4)
        return rng.integers(low, high, shape, dtype=kind, endpoint=True)
    x = rng.standard_normal(shape)
    if how == "few":
        x = np.round(x)
    if how == "special":
        x = rng.choice(np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5]), shape)
    return x.astype(kind)


@pytest.mark.parametrize("how", ["all", "few", "special"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "axis"), [((17,), 0), ((130,), 0), ((3, 1000), 1), ((300, 21), 0), ((40_000,), 0)]
)
def test_sorting_is_numpys_stable_one(shape: tuple[int, ...], axis: int, kind: str, how: str) -> None:
    x = values(np.random.default_rng(0), kind, shape, how)
    falling = ~x if x.dtype.kind in "biu" else -x
    for descending, key in ((False, x), (True, falling)):
        order = np.argsort(key, axis, kind="stable")
        found = pg.argsort(pg.Tensor(x), axis, descending=descending).numpy()
        np.testing.assert_array_equal(found, order)
        np.testing.assert_array_equal(
            pg.sort(pg.Tensor(x), axis, descending=descending).numpy(), np.take_along_axis(x, order, axis)
        )


def test_keys_that_defeat_the_choice_of_a_pivot_are_sorted_too() -> None:
    n = 50_000
    hills = np.concatenate([np.arange(n), np.arange(n)[::-1]]).astype(np.float32)
    for x in (hills, hills[::-1].copy(), np.zeros(n, np.float32), np.arange(n, dtype=np.float32) % 3):
        np.testing.assert_array_equal(pg.sort(pg.Tensor(x)).numpy(), np.sort(x))


@pytest.mark.parametrize("n", [5, 200, 40_000])
def test_the_first_places_are_those_of_the_whole_order(n: int) -> None:
    x = np.random.default_rng(0).integers(0, n // 3 + 1, n)
    for k in (0, 1, 5):
        found, places = pg.topk(pg.Tensor(x), k)
        np.testing.assert_array_equal(places.numpy(), np.argsort(-x, kind="stable")[:k])
        np.testing.assert_array_equal(found.numpy(), x[places.numpy()])


@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "int64"])
@pytest.mark.parametrize("shape", [(1,), (1024,), (1025,), (9, 7), (3, 5000), (17, 1500)])
def test_running_totals_of_lines_in_pieces(shape: tuple[int, ...], kind: str) -> None:
    rng = np.random.default_rng(0)
    x = values(rng, kind, shape, "few")
    t = pg.Tensor(x)
    wide = x.astype(np.float64) if kind.startswith("float") else x.astype(np.int64)
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if kind == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(pg.cumsum(t, -1).numpy(), wide.cumsum(-1), **tolerance)
    np.testing.assert_array_equal(pg.cummax(t, -1).numpy(), np.maximum.accumulate(x, -1))
    np.testing.assert_array_equal(pg.cummin(t, -1).numpy(), np.minimum.accumulate(x, -1))


def test_running_totals_from_the_end_are_the_derivative_of_running_totals() -> None:
    x, ct = (np.random.default_rng(i).standard_normal((2, 3000)) for i in (0, 1))
    found = pg.vjp(lambda x: pg.cumsum(x, 1))(pg.Tensor(x), pg.Tensor(ct))[0]
    np.testing.assert_allclose(found.numpy(), ct[:, ::-1].cumsum(1)[:, ::-1], rtol=1e-12, atol=1e-12)


def test_a_running_maximum_carries_nan_through_pieces() -> None:
    x = np.zeros((2, 5000), np.float32)
    x[1, 1500] = np.nan
    found = pg.cummax(pg.Tensor(x), 1).numpy()
    assert np.isnan(found).sum() == 3500
    assert np.isnan(found[1, 1500:]).all()
