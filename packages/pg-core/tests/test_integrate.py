"""Monte-Carlo integration: known integrals, honest errors, derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

integrate = pg.integrate


def bell(p: Any) -> Any:
    return pg.exp(-(p * p).sum(-1))


WANT = (math.sqrt(math.pi) * math.erf(1.0)) ** 2  # of bell over [-1, 1]^2


@pytest.mark.parametrize("method", [integrate.monte_carlo, integrate.stratified])
def test_the_error_is_honest(method: Any) -> None:
    found = [method(bell, [(-1, 1), (-1, 1)], 512, pg.random.key(i), dtype="float64") for i in range(60)]
    values = np.array([e.value.item() for e in found])
    errors = np.array([e.error.item() for e in found])
    assert abs(values.mean() - WANT) < 4 * values.std() / math.sqrt(60)
    assert 0.7 < values.std() / errors.mean() < 1.4


def test_stratified_is_far_better_for_smooth_functions() -> None:
    box, key = [(-1, 1), (-1, 1)], pg.random.key(3)
    plain = integrate.monte_carlo(bell, box, 2048, key, dtype="float64")
    cut = integrate.stratified(bell, box, 2048, key, dtype="float64")
    assert cut.error.item() < plain.error.item() / 15
    assert abs(cut.value.item() - WANT) < 5 * cut.error.item()


def test_importance_sampling_of_an_infinite_range() -> None:
    # x^2 exp(-x) over [0, inf) is 2; drawn from exp(-x).
    def draw(key: Any, n: int) -> Any:
        return -pg.log(1.0 - pg.random.uniform(key, (n,), "float64"))

    found = integrate.importance(
        lambda x: x**2 * pg.exp(-x), draw, lambda x: pg.exp(-x), 20_000, pg.random.key(0)
    )
    assert abs(found.value.item() - 2.0) < 4 * found.error.item() < 0.2
    exact = integrate.importance(lambda x: 3.0 * pg.exp(-x), draw, lambda x: pg.exp(-x), 100)
    assert abs(exact.value.item() - 3.0) < 1e-12 and exact.error.item() < 1e-12


def test_values_of_any_shape_and_reversed_bounds() -> None:
    f = lambda p: pg.stack([p[:, 0], p[:, 0] ** 2], -1)
    found = integrate.stratified(f, (0.0, 2.0), 1000, pg.random.key(0), dtype="float64")
    assert found.value.shape == found.error.shape == (2,)
    np.testing.assert_allclose(found.value.numpy(), [2.0, 8 / 3], atol=1e-3)
    back = integrate.stratified(f, (2.0, 0.0), 1000, pg.random.key(0), dtype="float64")
    np.testing.assert_allclose(back.value.numpy(), [-2.0, -8 / 3], atol=1e-3)
    assert (back.error >= 0).all()


def test_derivatives_by_parameters_and_bounds() -> None:
    def area(scale: Any, high: Any) -> Any:
        box = pg.stack([pg.zeros_like(high), high]).reshape(1, 2)
        f = lambda p: pg.exp(scale * p[:, 0])
        return integrate.stratified(f, box, 4000, pg.random.key(0), dtype="float64").value

    args = (pg.Tensor(0.7, "float64"), pg.Tensor(1.5, "float64"))
    pg.check_grads(area, args)
    slope = pg.grad(area, argnums=1)(*args)
    assert abs(slope.item() - math.exp(0.7 * 1.5)) < 1e-3


def test_jit_and_the_hidden_generator() -> None:
    f = pg.jit(lambda: integrate.monte_carlo(bell, [(-1, 1), (-1, 1)], 64).value)
    assert f().item() != f().item()
    g = pg.jit(lambda k: integrate.monte_carlo(bell, [(-1, 1), (-1, 1)], 64, k).value)
    key = pg.random.key(5)
    assert g(key).item() == integrate.monte_carlo(bell, [(-1, 1), (-1, 1)], 64, key).value.item()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: integrate.monte_carlo(bell, (0, 1), 1), pg.InvalidValueError),
        (lambda: integrate.monte_carlo(bell, (0, 1, 2), 10), pg.ShapeError),
        (lambda: integrate.monte_carlo(bell, (0, 1), 10, dtype="int32"), pg.InvalidValueError),
        (lambda: integrate.monte_carlo(3, (0, 1), 10), pg.ArgumentError),
        (lambda: integrate.monte_carlo(lambda p: p.sum(), (0, 1), 10), pg.ShapeError),
        (lambda: integrate.stratified(bell, (0, 1), 10, strata=(2, 2)), pg.InvalidValueError),
        (lambda: integrate.importance(bell, lambda k, n: pg.zeros(3), bell, 10), pg.ShapeError),
    ],
)
def test_refusals(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
