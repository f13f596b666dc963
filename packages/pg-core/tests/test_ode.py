"""Differential equations: known solutions, orders of the methods, error control, derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

odeint = pg.ode.odeint


def times(*values: float) -> Any:
    return pg.Tensor(np.array(values))


def decay(y: Any, t: Any) -> Any:
    return -y


ONE = pg.Tensor(1.0, "float64").numpy()


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order(method: str, order: int) -> None:
    errors = []
    for steps in (8, 16):
        y = odeint(decay, pg.Tensor(ONE), times(0, 1), method=method, steps=steps)
        errors.append(abs(y[-1].item() - math.exp(-1)))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_the_error_is_near_the_tolerance(rtol: float) -> None:
    def oscillator(y: Any, t: Any) -> Any:
        return {"x": y["v"], "v": -y["x"]}

    start = {"x": pg.Tensor(np.array([1.0, 0.0])), "v": pg.Tensor(np.array([0.0, 1.0]))}
    t = np.linspace(0, 10, 11)
    y = odeint(oscillator, start, pg.Tensor(t), rtol=rtol, atol=rtol)
    assert np.abs(y["x"].numpy()[:, 0] - np.cos(t)).max() < 60 * rtol
    assert np.abs(y["v"].numpy()[:, 1] - np.cos(t)).max() < 60 * rtol


def test_against_an_independent_solver() -> None:
    scipy = pytest.importorskip("scipy.integrate")

    def van_der_pol(lib: Any, x: Any, v: Any, mu: float) -> Any:
        return v, mu * (1 - x * x) * v - x

    t = np.linspace(0, 6, 7)
    want = scipy.solve_ivp(
        lambda t, y: van_der_pol(np, y[0], y[1], 4.0), (0, 6), [2.0, 0.0], t_eval=t, rtol=1e-11, atol=1e-12
    ).y
    f = lambda y, t, mu: tuple(van_der_pol(pg, *y, mu))
    start = (pg.Tensor(np.array(2.0)), pg.Tensor(np.array(0.0)))
    x, v = odeint(f, start, pg.Tensor(t), pg.Tensor(np.array(4.0)), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(x.numpy(), want[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(v.numpy(), want[1], rtol=1e-5, atol=1e-5)


def test_backwards_in_time_and_a_single_time() -> None:
    y = odeint(decay, pg.Tensor(ONE), times(1, 0))
    assert abs(y[1].item() - math.e) < 1e-5
    y = odeint(lambda y, t: 2 * t, pg.Tensor(ONE), times(3, 1, 0), method="rk4")
    np.testing.assert_allclose(y.numpy(), [1, 1 - 8, 1 - 9])
    for method in ("dopri5", "rk4"):
        assert odeint(decay, pg.Tensor(ONE), times(2), method=method).tolist() == [1.0]


def test_float32_and_states_that_rest() -> None:
    y = odeint(lambda y, t: -y, pg.ones(3), pg.linspace(0.0, 2.0, 5))
    assert y.shape == (5, 3) and y.dtype == "float32"
    np.testing.assert_allclose(y.numpy()[:, 0], np.exp(-np.linspace(0, 2, 5)), rtol=1e-3)
    still = odeint(lambda y, t: y * 0.0, pg.zeros(2), pg.linspace(0.0, 2.0, 3))
    assert still.tolist() == [[0.0, 0.0]] * 3


def test_too_few_steps_give_nan() -> None:
    y = odeint(lambda y, t: 1000.0 * pg.cos(1000.0 * t), pg.Tensor(ONE), times(0, 1), rtol=1e-10, max_steps=5)
    assert math.isnan(y[1].item())


@pytest.mark.parametrize(
    "options", [{"method": "rk4", "steps": 3}, {"rtol": 1e-10, "atol": 1e-12, "max_steps": 64}]
)
def test_derivatives_by_state_times_and_parameters(options: dict[str, Any]) -> None:
    rate = pg.Tensor(np.array(0.7))

    def solve(y0: Any, t: Any, k: Any) -> Any:
        f = lambda y, t, a: -a * y + pg.sin(t) * rate
        return odeint(f, y0, t, k, **options)

    args = [pg.Tensor(np.array([1.0, 0.3])), times(0.0, 0.4, 1.0), pg.Tensor(np.array(1.3))]
    pg.check_grads(solve, args, order=1, rtol=1e-5)
    # what the right-hand side captures has a derivative like its arguments
    slope = pg.grad(lambda r: odeint(lambda y, t: r * y, pg.Tensor(ONE), times(0, 1), **options)[-1])(rate)
    assert abs(slope.item() - math.exp(0.7)) < 1e-3


def test_in_jit_and_second_order() -> None:
    f = pg.jit(lambda y, k: odeint(lambda y, t, k: -k * y, y, times(0, 1), k, rtol=1e-9)[-1])
    y, k = pg.Tensor(ONE), pg.Tensor(np.array(0.5))
    assert abs(f(y, k).item() - math.exp(-0.5)) < 1e-7
    g = lambda k: odeint(lambda y, t, k: -k * y, pg.Tensor(ONE), times(0, 1), k, method="rk4", steps=8)[-1]
    second = pg.jvp(pg.grad(g))(k, pg.Tensor(ONE))
    assert abs(second.item() - math.exp(-0.5)) < 1e-4


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: odeint(3, pg.ones(1), times(0, 1)), pg.ArgumentError),
        (lambda: odeint(decay, pg.ones(1), times(0, 1), method="heun"), pg.InvalidValueError),
        (lambda: odeint(decay, pg.ones(1), times(0, 1), steps=0), pg.InvalidValueError),
        (lambda: odeint(decay, pg.ones(1), pg.Tensor(1.0)), pg.ShapeError),
        (lambda: odeint(decay, pg.arange(3), times(0, 1)), pg.DTypeError),
        (lambda: odeint(lambda y, t: pg.ones(2), pg.ones(1), times(0, 1)), pg.ShapeError),
        (lambda: odeint(lambda y, t: (y, y), pg.ones(1), times(0, 1)), pg.PytreeError),
        (lambda: odeint(decay, pg.ones(1), times(0, 1), rtol=-1.0), pg.InvalidValueError),
        (lambda: odeint(decay, (), times(0, 1)), pg.PytreeError),
    ],
)
def test_refusals(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_the_adjoint_equation_gives_the_derivatives(method: str) -> None:
    rng = np.random.default_rng(0)
    w = pg.Tensor(rng.normal(size=(3, 3)) * 0.4)
    y0, t, weights = (
        pg.Tensor(rng.normal(size=3)),
        times(0.0, 0.4, 1.1, 1.5),
        pg.Tensor(rng.normal(size=(4, 3))),
    )
    options: Any = {"rtol": 1e-10, "atol": 1e-11} if method == "dopri5" else {"method": "rk4", "steps": 40}

    def f(y: Any, t: Any, w: Any, count: Any) -> Any:
        return pg.tanh(w["m"] @ y) * pg.cos(t) + count

    def loss(y0: Any, t: Any, w: Any, adjoint: bool) -> Any:
        y = odeint(f, y0, t, {"m": w}, pg.Tensor(1), adjoint=adjoint, **options)
        return (y * weights).sum()

    want = pg.grad(lambda *x: loss(*x, False), (0, 1, 2))(y0, t, w)
    for g in (
        pg.grad(lambda *x: loss(*x, True), (0, 1, 2)),
        pg.jit(pg.grad(lambda *x: loss(*x, True), (0, 1, 2))),
    ):
        for ours, theirs in zip(g(y0, t, w), want):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-7, atol=2e-8)
    mapped = pg.vmap(pg.grad(lambda y: loss(y, t, w, True)))(pg.stack([y0, y0 * 2.0]))
    np.testing.assert_allclose(mapped[0].numpy(), want[0].numpy(), rtol=2e-7, atol=2e-8)


def test_the_adjoint_of_a_known_solution() -> None:
    """y = y0 exp(k t), with pytrees as state and as argument."""
    t = times(0.0, 0.5, 2.0)

    def last(y0: Any, k: Any) -> Any:
        return odeint(lambda y, t, k: {"y": y["y"] * k}, {"y": y0}, t, k, rtol=1e-10, adjoint=True)["y"][-1]

    y0, k = pg.Tensor(np.array(1.5)), pg.Tensor(np.array(-0.7))
    by_y, by_k = pg.grad(last, (0, 1))(y0, k)
    assert by_y.item() == pytest.approx(math.exp(-1.4), rel=1e-8)
    assert by_k.item() == pytest.approx(2.0 * 1.5 * math.exp(-1.4), rel=1e-8)
    second = pg.grad(pg.grad(last, 1), 1)(y0, k).item()
    assert second == pytest.approx(4.0 * 1.5 * math.exp(-1.4), rel=1e-6)
