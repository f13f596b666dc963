"""Distributions: JAX's numbers where the formula is plain, exact distribution functions elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need, wide_jax

jax = need("jax")
R = pg.random


@pytest.fixture(autouse=True)
def wide():
    with wide_jax():
        yield


def both(name: str, *args: Any) -> tuple[np.ndarray, np.ndarray]:
    got = getattr(R, name)(R.key(7), *args).numpy()
    return got, np.asarray(getattr(jax.random, name)(jax.random.key(7), *args))


def ulps(got: np.ndarray, want: np.ndarray) -> int:
    """The largest distance in units of the last place of float32."""
    assert got.dtype == want.dtype == np.float32
    words = [x.view(np.int32).astype(np.int64) for x in (got, want)]
    a, b = (np.where(w < 0, -(w & 0x7FFFFFFF), w) for w in words)
    return int(np.abs(a - b).max())


@pytest.mark.parametrize(
    ("name", "most"), [("gumbel", 0), ("exponential", 0), ("laplace", 0), ("logistic", 0), ("cauchy", 1)]
)
def test_standard_distributions_are_those_of_jax(name: str, most: int) -> None:
    """To the last bit, but for the tangent."""
    got, want = both(name, (300, 170), "float32")
    assert ulps(got, want) <= most


def test_the_elementary_functions_are_those_of_jax() -> None:
    from pequegrad.random import elementary

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=50_000), rng.uniform(0, 1, 50_000), [0, 1, np.inf, np.nan]]).astype(
        np.float32
    )
    for name, theirs in (("log", jax.numpy.log), ("log1p", jax.numpy.log1p)):
        given = np.abs(x) if name == "log" else np.maximum(x, -0.9)
        got, want = getattr(elementary, name)(pg.Tensor(given)).numpy(), np.asarray(theirs(given))
        assert np.array_equal(got, want, equal_nan=True), name
    for name, theirs in (("exp", jax.numpy.exp), ("erf", jax.lax.erf)):
        got = getattr(elementary, name)(pg.Tensor(x)).numpy()
        assert np.array_equal(got, np.asarray(theirs(x)), equal_nan=True), name
        slope = pg.grad(lambda x, name=name: getattr(elementary, name)(x))(pg.Tensor(0.5)).item()
        assert abs(slope - pg.grad(getattr(pg, name))(pg.Tensor(0.5)).item()) < 1e-6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gamma", (2.3,)),
        ("gamma", (0.4,)),
        *[
            pytest.param(name, parameters, marks=pytest.mark.exhaustive)
            for name, parameters in (
                ("loggamma", (0.4,)),
                ("beta", (1.2, 0.7)),
                ("chisquare", (3.0,)),
                ("t", (3.0,)),
                ("f", (3.0, 4.0)),
                ("wald", (1.5,)),
                ("generalized_normal", (1.5,)),
            )
        ],
    ],
)
def test_rejection_follows_jax(name: str, parameters: tuple[float, ...]) -> None:
    jax.config.update("jax_enable_x64", False)  # else signs are drawn from 64 bits
    got, want = both(name, *parameters, (3, 700), "float32")
    np.testing.assert_allclose(got, want, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("poisson", (4.2,)), ("poisson", (55.0,)), ("binomial", (20.0, 0.3)), ("binomial", (400.0, 0.7))],
)
def test_counts_follow_jax(name: str, parameters: tuple[float, ...]) -> None:
    jax.config.update("jax_enable_x64", False)
    got, want = both(name, *parameters, (3, 700))
    np.testing.assert_array_equal(got, want)


@pytest.mark.exhaustive  # jax compiles for seconds
def test_random_vectors_follow_jax() -> None:
    jax.config.update("jax_enable_x64", False)
    key, theirs = R.key(3), jax.random.key(3)
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3)).astype(np.float32)
    mean, cov = rng.normal(size=(4, 3)).astype(np.float32), root @ root.T
    for method in ("cholesky", "svd", "eigh"):
        got = R.multivariate_normal(key, mean, cov, (5, 4), method=method).numpy()
        want = jax.random.multivariate_normal(theirs, mean, cov, (5, 4), method=method)
        if method != "cholesky":  # the signs of vectors are LAPACK's choice
            got, want = ((x - mean) ** 2 @ np.ones(3) for x in (got, np.asarray(want)))
            assert got.shape == want.shape
            continue
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    for n, m in ((4, None), (3, 5), (5, 3)):
        got = R.orthogonal(key, n, (2,), m=m).numpy()
        np.testing.assert_allclose(got, jax.random.orthogonal(theirs, n, (2,), m=m), atol=1e-5)
    np.testing.assert_allclose(R.maxwell(key, (50,)).numpy(), jax.random.maxwell(theirs, (50,)), rtol=1e-6)
    got = R.double_sided_maxwell(key, 1.0, 2.0, (50,)).numpy()
    np.testing.assert_allclose(got, jax.random.double_sided_maxwell(theirs, 1.0, 2.0, (50,)), rtol=1e-5)
    got = R.ball(key, 3, 1.5, (50,)).numpy()
    np.testing.assert_allclose(got, jax.random.ball(theirs, 3, 1.5, (50,)), rtol=1e-5)
    p = np.float32([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    got = R.multinomial(key, 40, p, (6, 2, 3)).numpy()
    np.testing.assert_array_equal(got, jax.random.multinomial(theirs, 40.0, p, shape=(6, 2, 3)))
    assert (got.sum(-1) == 40).all()


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
