"""Gamma, Poisson and binomial numbers and their relatives: distributions, derivatives, the same in every mode."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need
from test_distributions import assert_distributed

torch = need("torch")
R = pg.random
N = 20_000


def by_torch(name: str, *values: Any) -> np.ndarray[Any, Any]:
    f = getattr(torch.special, name)
    return f(*[torch.as_tensor(v, dtype=torch.float64) for v in values]).numpy()


def gamma_cdf(a: float) -> Any:
    return lambda x: by_torch("gammainc", a, x)


def beta_cdf(a: float, b: float) -> Any:
    """By Simpson's rule in the angle t with x = sin(t)^2, for a and b of at least one half."""
    t = np.linspace(0, math.pi / 2, 4001)
    f = 2 * np.sin(t) ** (2 * a - 1) * np.cos(t) ** (2 * b - 1)
    area = np.concatenate([[0], np.cumsum((f[:-2:2] + 4 * f[1:-1:2] + f[2::2]) * (t[1] / 3))])
    return lambda x: np.interp(np.arcsin(np.sqrt(x)), t[::2], area / area[-1])


CONTINUOUS: list[tuple[str, tuple[float, ...], Any]] = [
    ("gamma", (0.3,), gamma_cdf(0.3)),
    ("gamma", (1.0,), gamma_cdf(1.0)),
    ("gamma", (7.5,), gamma_cdf(7.5)),
    ("gamma", (1e4,), gamma_cdf(1e4)),
    ("loggamma", (0.05,), lambda x: by_torch("gammainc", 0.05, np.exp(x))),
    ("beta", (2.0, 0.5), beta_cdf(2.0, 0.5)),
    ("chisquare", (3.0,), lambda x: by_torch("gammainc", 1.5, x / 2)),
    ("t", (1.0,), lambda x: 0.5 + np.arctan(x) / math.pi),
    ("f", (4.0, 6.0), lambda x: beta_cdf(2.0, 3.0)(4 * x / (4 * x + 6))),
]


@pytest.mark.parametrize(
    ("name", "parameters", "cdf"), CONTINUOUS, ids=[f"{n}{list(p)}" for n, p, _ in CONTINUOUS]
)
def test_draws_have_their_distribution(name: str, parameters: tuple[float, ...], cdf: Any) -> None:
    f = getattr(R, name)
    draws = f(R.key(5), *parameters, (N,))
    assert draws.dtype == "float32"
    assert_distributed(draws.numpy(), cdf)
    again = pg.jit(lambda k: f(k, *parameters, (N,)))(R.key(5))
    assert again.numpy().tobytes() == draws.numpy().tobytes()


def assert_counts(draws: np.ndarray[Any, Any], chances: np.ndarray[Any, Any]) -> None:
    """Pearson's statistic, beyond which one seed in 10,000 lies."""
    expected = chances * draws.size
    kept = expected > 5
    seen = np.bincount(draws.astype(int), minlength=chances.size)[: chances.size]
    statistic = float((((seen - expected) ** 2) / np.maximum(expected, 1e-9))[kept].sum())
    n = int(kept.sum())
    assert statistic < n + 3.8 * math.sqrt(2 * n) + 9, (statistic, n)


def _log_factorial(k: Any) -> Any:
    return np.vectorize(math.lgamma)(np.asarray(k, float) + 1)


@pytest.mark.parametrize("mean", [0.3, 9.9, 10.0, 150.0])
def test_poisson(mean: float) -> None:
    draws = R.poisson(R.key(5), mean, (N,))
    k = np.arange(int(mean + 12 * math.sqrt(mean) + 12))
    assert draws.dtype == "int64"
    assert_counts(draws.numpy(), np.exp(k * math.log(mean) - mean - _log_factorial(k)))


@pytest.mark.parametrize(("n", "p"), [(10, 0.5), (5, 0.9), (1000, 0.001), (40, 0.3), (1000, 0.7)])
def test_binomial(n: int, p: float) -> None:
    k = np.arange(n + 1)
    logs = _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k) + k * math.log(p)
    assert_counts(R.binomial(R.key(5), n, p, (N,)).numpy(), np.exp(logs + (n - k) * math.log1p(-p)))


def test_dirichlet() -> None:
    alpha = np.float32([1.0, 2.0, 0.5])
    draws = R.dirichlet(R.key(5), pg.Tensor(alpha), (N,)).numpy()
    np.testing.assert_allclose(draws.sum(1), 1.0, rtol=1e-6)
    for i, a in enumerate(alpha):
        assert_distributed(draws[:, i], beta_cdf(float(a), float(alpha.sum() - a)))


def test_parameters_outside_the_domain() -> None:
    nan = math.isnan
    low, high, bad, zero = R.gamma(R.key(0), pg.Tensor([-1.0, math.inf, math.nan, 0.0])).tolist()
    assert nan(low) and high == math.inf and nan(bad) and zero == 0
    assert R.poisson(R.key(0), pg.Tensor([0.0, -1.0, math.nan])).tolist() == [0, -1, -1]
    none, every, wrong, negative = R.binomial(
        R.key(0), pg.Tensor([3.0, 3.0, 3.0, -1.0]), pg.Tensor([0.0, 1.0, 2.0, 0.5])
    ).tolist()
    assert (none, every) == (0, 3) and nan(wrong) and nan(negative)


@pytest.mark.parametrize("a", [0.4, 1.0, 3.3, 40.0])
def test_gamma_numbers_move_along_their_quantile(a: float) -> None:
    """The derivative by a leaves the distribution function of the draw as it is, for a >= 1; below 1 the
    derivative of the expectation shows it.
    """
    at = pg.Tensor(np.full(200, a))

    def draw(a: Any) -> Any:
        return R.gamma(R.key(9), a, dtype="float64")

    z = draw(at).numpy()
    slope = pg.jvp(draw)(at, pg.ones_like(at)).numpy()
    if a >= 1:
        h = 1e-4
        moved = [by_torch("gammainc", a + s * h, z + s * h * slope) for s in (-1, 1)]
        np.testing.assert_allclose((moved[1] - moved[0]) / (2 * h), 0, atol=2e-7)
    pulled = pg.grad(lambda a: draw(a).sum())(at).numpy()
    np.testing.assert_allclose(pulled, slope, rtol=1e-12)
    many = pg.grad(lambda a: R.gamma(R.key(1), a, (N,), "float64").mean())(pg.Tensor(np.float64(a)))
    assert abs(many.item() - 1.0) < 0.06  # the mean of the distribution is a


def test_counts_have_no_derivative() -> None:
    slope = pg.grad(lambda m: m * R.poisson(R.key(0), m, dtype="int32"))(pg.Tensor(30.0)).item()
    assert slope == R.poisson(R.key(0), 30.0).item()


def test_vmap_draws_what_a_loop_draws() -> None:
    keys = R.split(R.key(3), 5)
    a = pg.Tensor([0.5, 1.0, 2.0, 30.0, 0.1])
    for f in (R.gamma, R.poisson, lambda k, a: R.binomial(k, 50, a / 40.0)):
        mapped = pg.vmap(f)(keys, a).tolist()
        assert mapped == [f(keys[i], a[i]).item() for i in range(5)]
    pg.manual_seed(2)
    drawn = pg.vmap(lambda a: R.gamma(None, a))(a).tolist()
    pg.manual_seed(2)
    assert drawn == [R.gamma(None, a[i]).item() for i in range(5)]
