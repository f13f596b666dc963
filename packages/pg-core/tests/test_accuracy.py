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
