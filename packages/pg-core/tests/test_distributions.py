"""Distributions: JAX's numbers where the formula is plain, exact distribution functions elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need

jax = need("jax")
R = pg.random


@pytest.fixture(autouse=True)
def wide_jax():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def both(name: str, *args: Any) -> tuple[np.ndarray, np.ndarray]:
    got = getattr(R, name)(R.key(7), *args).numpy()
    return got, np.asarray(getattr(jax.random, name)(jax.random.key(7), *args))


# The formulas are JAX's; what differs is how logarithms (tangents, erf) are rounded.
@pytest.mark.parametrize(
    ("name", "ulps"),
    [("gumbel", 8), ("exponential", 3), ("laplace", 3), ("logistic", 8), ("cauchy", 8)],
)
def test_standard_distributions_follow_jax(name: str, ulps: float) -> None:
    got, want = both(name, (300, 70), "float32")
    # Near 0 a logarithm of a number near 1 has few digits in both.
    np.testing.assert_allclose(got, want, rtol=ulps * 2**-23, atol=ulps * 2**-24)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lognormal", (0.7,)),
        ("pareto", (2.5,)),
        ("weibull_min", (2.0, 1.5)),
        ("triangular", (-1.0, 0.5, 3.0)),
        ("truncated_normal", (-1.5, 2.5)),
    ],
)
def test_distributions_with_parameters_follow_jax(name: str, parameters: tuple[float, ...]) -> None:
    got, want = both(name, *parameters, (300, 70), "float32")
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


def test_integers_follow_jax() -> None:
    jax.config.update("jax_enable_x64", False)  # else signs are drawn from 64 bits
    got, want = both("rademacher", (1000,), "int32")
    np.testing.assert_array_equal(got, want)
    got, want = both("geometric", np.float32(0.3), (1000,), "int32")
    np.testing.assert_array_equal(got, want)


def test_categorical_follows_jax() -> None:
    logits = np.log(np.float32([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]]))
    for options in ({}, {"shape": (500, 2)}, {"axis": 0, "shape": (500, 3)}):
        got = R.categorical(R.key(1), pg.Tensor(logits), **options).numpy()
        np.testing.assert_array_equal(got, jax.random.categorical(jax.random.key(1), logits, **options))
    got = R.categorical(R.key(1), pg.Tensor(logits), shape=(2, 2), replace=False).numpy()
    np.testing.assert_array_equal(
        got, jax.random.categorical(jax.random.key(1), logits, shape=(2, 2), replace=False)
    )
    assert not (got[0] == got[1]).any()


def test_choice_with_probabilities_follows_jax() -> None:
    p = np.float32([0.125, 0.25, 0.5, 0.125])
    for replace, shape in ((True, (1000,)), (False, (4,)), (False, (2,))):
        got = R.choice(R.key(3), 4, shape, replace, pg.Tensor(p)).numpy()
        np.testing.assert_array_equal(got, jax.random.choice(jax.random.key(3), 4, shape, replace, p))
    x = np.arange(12.0).reshape(3, 4)
    for replace in (True, False):
        got = R.choice(R.key(3), pg.Tensor(x), (3,), replace, axis=1).numpy()
        np.testing.assert_array_equal(got, jax.random.choice(jax.random.key(3), x, (3,), replace, axis=1))


# ---- exact distribution functions (Kolmogorov and Smirnov's statistic, beyond which one seed in 1000 lies)


def assert_distributed(draws: np.ndarray, cdf: Callable[[np.ndarray], Any]) -> None:
    x = np.sort(draws.astype(np.float64).reshape(-1))
    p, n = np.asarray(cdf(x), np.float64), x.size
    distance = max(np.max(np.arange(1, n + 1) / n - p), np.max(p - np.arange(n) / n))
    assert distance * math.sqrt(n) < 1.95


N = 20_000


def _phi(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.vectorize(math.erfc)(-x / math.sqrt(2))


CONTINUOUS: list[tuple[str, tuple[float, ...], Callable[[np.ndarray], Any]]] = [
    ("uniform", (), lambda x: x),
    ("normal", (), _phi),
    ("gumbel", (), lambda x: np.exp(-np.exp(-x))),
    ("exponential", (), lambda x: -np.expm1(-x)),
    ("laplace", (), lambda x: np.where(x < 0, 0.5 * np.exp(x), 1 - 0.5 * np.exp(-np.abs(x)))),
    ("logistic", (), lambda x: 1 / (1 + np.exp(-x))),
    ("cauchy", (), lambda x: 0.5 + np.arctan(x) / math.pi),
    ("pareto", (3.0,), lambda x: 1 - x**-3.0),
    ("rayleigh", (2.0,), lambda x: -np.expm1(-(x**2) / 8)),
    ("weibull_min", (2.0, 1.5), lambda x: -np.expm1(-((x / 2) ** 1.5))),
    ("lognormal", (0.7,), lambda x: _phi(np.log(x) / 0.7)),
    (
        "truncated_normal",
        (-1.0, 2.0),
        lambda x: (_phi(x) - _phi(np.float64(-1))) / (_phi(np.float64(2)) - _phi(np.float64(-1))),
    ),
]


@pytest.mark.parametrize(
    ("name", "parameters", "cdf"), CONTINUOUS, ids=[f"{n}{list(p)}" for n, p, _ in CONTINUOUS]
)
def test_draws_have_their_distribution(name: str, parameters: tuple[float, ...], cdf: Any) -> None:
    f = getattr(R, name)
    draws = f(R.key(11), *parameters, (N,))
    assert draws.dtype == "float32"
    assert_distributed(draws.numpy(), cdf)
    again = pg.jit(lambda k: f(k, *parameters, (N,)))(R.key(11))
    assert again.numpy().tobytes() == draws.numpy().tobytes()
    for dtype in ("float16", "bfloat16", "float64"):
        assert f(R.key(11), *parameters, (5,), dtype).dtype == dtype


def test_draws_from_the_generator_advance() -> None:
    pg.manual_seed(4)
    a, b = R.gumbel(shape=3).tolist(), R.gumbel(shape=3).tolist()
    pg.manual_seed(4)
    assert a != b and R.gumbel(shape=3).tolist() == a
    own = R.Generator(4)
    assert R.gumbel(shape=3, generator=own).tolist() == a


# ---- derivatives by parameters: the draw is a function of them


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("lognormal", 0.7),
        ("pareto", 2.5),
        ("rayleigh", 1.5),
        ("weibull_min", 2.0),
        ("truncated_normal", -1.0),
    ],
)
def test_draws_are_differentiable_by_their_parameters(name: str, at: float) -> None:
    def draw(p: Any) -> Any:
        return getattr(R, name)(R.key(5), p, shape=(7,), dtype="float64")

    got = pg.jvp(draw)(pg.Tensor(np.float64(at)), pg.Tensor(np.float64(1.0))).numpy()
    h = 1e-6
    want = (draw(pg.Tensor(np.float64(at + h))) - draw(pg.Tensor(np.float64(at - h)))).numpy() / (2 * h)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8)


def test_mistakes() -> None:
    with pytest.raises(pg.ShapeError, match="does not hold the parameters"):
        R.lognormal(R.key(0), pg.ones((2, 3)), (3,))
    with pytest.raises(pg.DTypeError, match="needs a floating dtype"):
        R.gumbel(R.key(0), (2,), "int32")
    with pytest.raises(pg.DTypeError, match="signed"):
        R.rademacher(R.key(0), (2,), "uint8")
    with pytest.raises(pg.ShapeError, match="one probability each"):
        R.choice(R.key(0), 3, (2,), p=pg.ones(2))
    with pytest.raises(pg.ShapeError, match="must end in"):
        R.categorical(R.key(0), pg.ones((2, 3)), shape=(5,))
    with pytest.raises(pg.InvalidValueError, match="without replacement"):
        R.categorical(R.key(0), pg.ones(3), shape=(4,), replace=False)
