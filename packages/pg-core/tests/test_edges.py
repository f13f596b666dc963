"""Integers are defined everywhere: division by zero, overflow, shifts by any amount, conversion from floats.

Each case in every integer dtype, eager and compiled. Where NumPy differs (it warns, or leaves the value to the
processor) the comment says what holds here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from rows import INTS, SIGNED


def both(f: Callable[..., Any], *arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The result, the same eager and compiled."""
    tensors = [pg.Tensor(a) for a in arrays]
    eager = f(*tensors).numpy()
    compiled = pg.jit(f)(*tensors).numpy()
    assert eager.dtype == compiled.dtype and eager.tobytes() == compiled.tobytes()
    return eager


def limits(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def wrapped(values: list[int], dtype: str) -> list[int]:
    low, high = limits(dtype)
    return [(v - low) % (high - low + 1) + low for v in values]


@pytest.mark.parametrize("dtype", INTS)
def test_division_by_zero_gives_zero(dtype: str) -> None:
    low, high = limits(dtype)
    x, zero = np.array([low, 0, 1, 7, high], dtype), np.zeros(5, dtype)
    for f in (pg.floor_divide, pg.remainder, pg.fmod):  # NumPy gives 0 too, with a warning
        assert both(f, x, zero).tolist() == [0] * 5
    quotient, rest = pg.divmod(pg.Tensor(x), pg.Tensor(zero))
    assert quotient.tolist() == rest.tolist() == [0] * 5
    assert both(lambda a: a // 0, x).tolist() == both(lambda a: a % 0, x).tolist() == [0] * 5


@pytest.mark.parametrize("dtype", SIGNED)
def test_the_smallest_integer_over_minus_one_wraps(dtype: str) -> None:
    low, high = limits(dtype)
    x, y = np.array([low, high, -1], dtype), np.full(3, -1, dtype)
    assert both(pg.floor_divide, x, y).tolist() == [low, -high, 1]
    assert both(pg.remainder, x, y).tolist() == both(pg.fmod, x, y).tolist() == [0, 0, 0]
    assert both(pg.negative, x).tolist() == [low, -high, 1]
    assert both(pg.abs, x).tolist() == [low, high, 1]


@pytest.mark.parametrize("dtype", INTS)
def test_sums_and_products_wrap(dtype: str) -> None:
    low, high = limits(dtype)
    a, b = [low, high, high, 3, low], [1, 1, high, high, low]
    x, y = np.array(a, dtype), np.array(b, dtype)
    for f, exact in (
        (pg.add, [p + q for p, q in zip(a, b)]),
        (pg.subtract, [p - q for p, q in zip(a, b)]),
        (pg.multiply, [p * q for p, q in zip(a, b)]),
        (pg.square, None),
    ):
        if exact is None:
            assert both(f, x).tolist() == wrapped([p * p for p in a], dtype)
        else:
            assert both(f, x, y).tolist() == wrapped(exact, dtype)
    base, power = np.array([3, high, 2, 0], dtype), np.array([40, 3, 70, 0], dtype)
    assert both(pg.power, base, power).tolist() == wrapped([3**40, high**3, 2**70, 1], dtype)


@pytest.mark.parametrize("dtype", SIGNED)
def test_negative_powers_of_integers(dtype: str) -> None:
    # NumPy raises ValueError.
    x, y = np.array([1, -1, -1, 2, 0], dtype), np.array([-5, -5, -4, -1, -1], dtype)
    assert both(pg.power, x, y).tolist() == [1, -1, 1, 0, 0]


@pytest.mark.parametrize("dtype", INTS)
def test_shifts_by_any_amount(dtype: str) -> None:
    low, high = limits(dtype)
    width = np.iinfo(dtype).bits
    amounts = [0, 1, width - 1, width, width + 1, min(high, 127)]
    if low < 0:
        amounts += [-1, low]
    for value in (1, high, low):
        x, n = np.full(len(amounts), value, dtype), np.array(amounts, dtype)
        # NumPy's result for amounts outside 0 .. width - 1 depends on the processor.
        inside = [0 <= a < width for a in amounts]
        up = wrapped([value << a if ok else 0 for a, ok in zip(amounts, inside)], dtype)
        down = [value >> a if ok else (-1 if value < 0 else 0) for a, ok in zip(amounts, inside)]
        assert both(pg.left_shift, x, n).tolist() == up
        assert both(pg.right_shift, x, n).tolist() == down


@pytest.mark.parametrize("source", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("dtype", INTS)
def test_floats_become_integers_by_saturation(dtype: str, source: str) -> None:
    low, high = limits(dtype)
    x = np.array([np.nan, np.inf, -np.inf, 1.75, -1.75, 3e4, -3e4, 0.0, -0.0], np.float64)

    def convert(t: Any) -> Any:
        return t.astype(source).astype(dtype)

    # NumPy leaves what does not fit to the processor.
    kept = pg.Tensor(x).astype(source).astype("float64").numpy()
    want = [
        0
        if np.isnan(v)
        else max(low, min(high, int(np.trunc(v)) if np.isfinite(v) else (low if v < 0 else high)))
        for v in kept
    ]
    assert both(convert, x).tolist() == want


@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize("target", INTS)
def test_integers_become_integers_by_wrapping(dtype: str, target: str) -> None:
    low, high = limits(dtype)
    values = [low, low + 1, 0, 1, 127, high - 1, high]
    x = np.array(values, dtype)
    assert both(lambda t: t.astype(target), x).tolist() == wrapped(values, target)


@pytest.mark.parametrize("dtype", INTS)
def test_sums_of_narrow_integers_are_wide(dtype: str) -> None:
    x = np.full(3, limits(dtype)[1], dtype)
    wide = "uint64" if dtype[0] == "u" else "int64"
    for f, exact in ((pg.sum, 3 * int(x[0])), (pg.prod, int(x[0]) ** 3)):
        made = both(f, x)
        assert made.dtype == wide and made.item() == wrapped([exact], wide)[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fractions_and_exponents_to_the_last_bit(dtype: str) -> None:
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**info.bits, 4000, dtype=np.uint64).astype(f"uint{info.bits}")
    x = np.concatenate(
        [words.view(dtype), np.array([0.0, -0.0, np.inf, -np.inf, np.nan, info.tiny, info.tiny / 8], dtype)]
    )
    x = np.concatenate([x, x[np.isfinite(x)] % info.tiny])
    fraction, exponent = (pg.jit(pg.frexp)(pg.Tensor(x))[i].numpy() for i in (0, 1))
    want, scale = np.frexp(x)
    np.testing.assert_array_equal(fraction, want)
    assert (exponent == np.where(np.isfinite(x), scale, 0)).all() and exponent.dtype == np.int32
    n = rng.integers(-400, 400, x.size).astype(np.int32) * (1 if dtype == "float32" else 6)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(both(pg.ldexp, x, n), np.ldexp(x, n))


@pytest.mark.parametrize("dtype", INTS)
def test_bits_are_counted(dtype: str) -> None:
    low, high = limits(dtype)
    x = np.array([low, low + 1, 0, 1, 5, high - 1, high], dtype)
    assert both(pg.bitwise_count, x).tolist() == [abs(int(v)).bit_count() for v in x]


def test_a_number_wins_over_nan() -> None:
    x, y = np.float32([1, np.nan, np.nan, -np.inf]), np.float32([2, 2, np.nan, np.nan])
    np.testing.assert_array_equal(both(pg.fmax, x, y), np.fmax(x, y))
    np.testing.assert_array_equal(both(pg.fmin, x, y), np.fmin(x, y))


@pytest.mark.parametrize("dtype", INTS)
def test_divisors(dtype: str) -> None:
    low, high = limits(dtype)
    x = np.array([low, low, high, high, 0, 0, 12, 84], dtype)
    y = np.array([low, 0, high, 1, 0, 5, 18, 36], dtype)
    assert both(pg.gcd, x, y).tolist() == np.gcd(x, y).tolist()
    assert both(pg.lcm, x[4:], y[4:]).tolist() == np.lcm(x[4:], y[4:]).tolist()


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e"])
def test_bessel_functions_of_nan_and_infinity(name: str) -> None:
    values = both(getattr(pg, name), np.array([np.nan, np.inf, -np.inf, 100.0], np.float32))
    assert np.isnan(values[0])
    if name.endswith("e"):
        assert abs(values[1]) == 0.0 and abs(values[2]) == 0.0 and 0.0 < values[3] < 0.1
