"""A seeded slice of the table of errors (accuracy.py prints all of it); sums, subnormals."""

from __future__ import annotations

import accuracy
import numpy as np
import pequegrad as pg
import pytest

CASES = [
    pytest.param(f, dtype, id=f"{f.name}-{dtype}")
    for f in accuracy.FUNCTIONS
    for dtype in ("float32", "float64")
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("function", "dtype"), CASES)
def test_errors_stay_below_their_limits(function: accuracy.Function, dtype: str) -> None:
    x = accuracy.operands(dtype, 1_500_007 if function.slow else 300_007, seed=7)
    measured = accuracy.measure(function, x)
    assert measured.wrong == 0
    assert measured.error <= (function.single if dtype == "float32" else function.double), measured


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", accuracy.FUNCTIONS, ids=[f.name for f in accuracy.FUNCTIONS])
def test_the_smallest_subnormals_keep_their_sign(function: accuracy.Function) -> None:
    smallest = np.arange(2000, dtype=np.uint32)
    x = np.concatenate([smallest, smallest | np.uint32(1 << 31)]).view(np.float32)
    measured = accuracy.measure(function, x)
    assert measured.wrong == 0 and measured.error <= function.single, measured


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("function", accuracy.FUNCTIONS, ids=[f.name for f in accuracy.FUNCTIONS])
def test_halves_are_rounded_correctly(function: accuracy.Function, dtype: str) -> None:
    measured = accuracy.measure_halves(function, dtype)
    assert measured.wrong == 0 and measured.error <= 0.51, measured


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("function", "dtype"), CASES)
def test_errors_over_many_patterns(function: accuracy.Function, dtype: str) -> None:
    for part in np.array_split(accuracy.operands(dtype, 40_009 if function.slow else 1009), 8):
        measured = accuracy.measure(function, part)
        assert measured.wrong == 0
        assert measured.error <= (function.single if dtype == "float32" else function.double), measured


def test_softmax_and_logsumexp() -> None:
    errors = accuracy.softmax_errors(300, seed=3)
    assert max(errors.values()) <= 4.0, errors


def test_sums_are_pairwise_or_better() -> None:
    assert accuracy.sum_error(10**7) < 1e-6
    x = pg.Tensor(np.full(10**6, 0.1, np.float32))
    exact = float(np.float32(0.1)) * 10**6
    for total in (x.sum(), pg.cumsum(x, 0)[-1], x.mean() * 10.0**6, (x.reshape(1000, 1000)).sum(0).sum()):
        assert abs(total.item() / exact - 1.0) < 1e-6


@pytest.mark.nightly
def test_a_hundred_million_elements() -> None:
    assert accuracy.sum_error(10**8) < 1e-6


def test_subnormals_are_kept_in_every_thread() -> None:
    x = np.full(2_000_000, 3e-39, np.float32)
    for f, want in (
        (lambda t: t * 0.5, x * np.float32(0.5)),
        (
            lambda t: pg.exp(t * 0 - 100.0),
            np.exp(np.full_like(x, -100.0).astype(np.float64)).astype(np.float32),
        ),
        (lambda t: t + t, x + x),
    ):
        assert (f(pg.Tensor(x)).numpy() == want).all() and want[0] != 0
        assert (pg.jit(f)(pg.Tensor(x)).numpy() == want).all()
    tiny = np.full((64, 64), 1e-20, np.float32)
    product = (pg.Tensor(tiny) @ pg.Tensor(tiny)).numpy()
    np.testing.assert_allclose(product, 64e-40, rtol=1e-3)


def _pairs(dtype: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Operands of every exponent beside ones of the same size, multiples, and special values."""
    rng = np.random.default_rng(11)
    kind = np.dtype(dtype)
    words = f"uint{8 * kind.itemsize}"
    x, y = (
        rng.integers(0, np.iinfo(words).max, n, words, endpoint=True).view(dtype).copy() for _ in range(2)
    )
    x[: n // 2] = (rng.standard_normal(n // 2) * 10.0 ** rng.integers(-6, 7, n // 2)).astype(dtype)
    y[: n // 2] = (rng.standard_normal(n // 2) * 10.0 ** rng.integers(-6, 7, n // 2)).astype(dtype)
    x[: n // 4] = (y[: n // 4] * rng.integers(-1000, 1000, n // 4)).astype(dtype)  # multiples, or nearly
    tiny = np.finfo(dtype).smallest_subnormal
    special = np.array(
        [0, -0.0, 1, -1, 3, -3, 0.5, np.inf, -np.inf, np.nan, tiny, -tiny, np.finfo(dtype).max]
    )
    a, b = np.meshgrid(special.astype(dtype), special.astype(dtype))
    return np.concatenate([x, a.ravel()]), np.concatenate([y, b.ravel()])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divisions_leave_exactly_what_they_leave(dtype: str) -> None:
    x, y = _pairs(dtype, 60_000)
    made = np.array(pg.fmod(pg.Tensor(x), pg.Tensor(y)))
    want = np.fmod(x, y)
    np.testing.assert_array_equal(made, want)
    real = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(made[real]), np.signbit(want[real]))
    finite = np.isfinite(y) & np.isfinite(x)  # the array API standard has other values at infinities
    np.testing.assert_array_equal(
        np.array(pg.remainder(pg.Tensor(x), pg.Tensor(y)))[finite], np.remainder(x, y)[finite]
    )
    ordinary = finite & (y != 0)
    np.testing.assert_array_equal(
        np.array(pg.floor_divide(pg.Tensor(x), pg.Tensor(y)))[ordinary], np.floor_divide(x, y)[ordinary]
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_powers_are_rounded_once() -> None:
    x, y = _pairs("float32", 60_000)
    rng = np.random.default_rng(12)
    x = np.concatenate([x, rng.standard_normal(20_000).astype(np.float32) * 3])
    y = np.concatenate([y, rng.integers(-9, 10, 20_000).astype(np.float32)])
    want = np.power(x.astype(np.float64), y.astype(np.float64))
    made = np.array(pg.power(pg.Tensor(x), pg.Tensor(y)))
    rounded = want.astype(np.float32)
    same = (made == rounded) | (np.isnan(made) & np.isnan(rounded))
    near = np.abs(made.astype(np.float64) - want) <= 0.50001 * np.spacing(np.abs(rounded)).astype(np.float64)
    assert (same | near).all(), (x[~(same | near)][:5], y[~(same | near)][:5])
    real = same & ~np.isnan(rounded)
    np.testing.assert_array_equal(np.signbit(made[real]), np.signbit(rounded[real]))
    assert same.mean() > 0.9999


def test_integer_powers_of_every_size() -> None:
    for dtype in ("int8", "uint8", "int32", "int64"):
        x, y = (a.ravel() for a in np.meshgrid(np.arange(-5, 9), np.array([0, 1, 2, 5, 62, 63, 64, 65, 127])))
        x, y = x.astype(dtype), y.astype(dtype)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(np.array(pg.power(pg.Tensor(x), pg.Tensor(y))), np.power(x, y))
