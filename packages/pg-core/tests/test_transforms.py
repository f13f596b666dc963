"""Differentiation seen from Python: nesting, reading inside, conventions at ties and edges, depth, errors."""

from __future__ import annotations

import gc
import math

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core


def number(x: float) -> pg.Tensor:
    return pg.Tensor(x, dtype="float64")


def vector(*values: float) -> pg.Tensor:
    return pg.Tensor(np.array(values, dtype=np.float64))


def nth(f, n: int):
    for _ in range(n):
        f = pg.grad(f)
    return f


# ---- nesting


def test_higher_orders_of_one_function():
    s, c = math.sin(0.7), math.cos(0.7)
    for n, expected in enumerate([s, c, -s, -c, s]):
        assert nth(pg.sin, n)(number(0.7)).item() == pytest.approx(expected, rel=1e-12)


def test_perturbations_are_not_confused():
    def f(x):
        return x * pg.grad(lambda y: x + y)(number(1.0))

    assert pg.grad(f)(number(3.0)).item() == 1.0

    def g(x):
        return x * pg.jvp(lambda y: x * y)(number(2.0), number(1.0))

    assert pg.grad(g)(number(3.0)).item() == 6.0


def test_every_order_of_forward_and_reverse_agrees():
    def f(x):
        return pg.tanh(x) * x * x

    def forward(f):
        return lambda x: pg.jvp(f)(x, pg.ones_like(x))

    x = number(0.4)
    expected = nth(f, 2)(x).item()
    for outer in (pg.grad, forward):
        for inner in (pg.grad, forward):
            assert outer(inner(f))(x).item() == pytest.approx(expected, rel=1e-12)


def test_outer_inputs_are_constants_of_the_inner_derivative():
    def f(x, y):
        return pg.grad(lambda z: z * z * x)(y)  # 2 y x

    assert pg.grad(f, argnums=(0, 1))(number(3.0), number(5.0))[0].item() == 10.0
    assert pg.grad(f, argnums=(0, 1))(number(3.0), number(5.0))[1].item() == 6.0


def test_jvp_and_vjp_are_adjoint():
    rng = np.random.default_rng(0)
    w = pg.Tensor(rng.normal(size=(3, 4)))

    def f(x):
        return pg.softmax(x @ w, axis=-1) * pg.cumsum(x, axis=0).sum(1, keepdims=True)

    x, t = (pg.Tensor(rng.normal(size=(5, 3))) for _ in range(2))
    ct = pg.Tensor(rng.normal(size=(5, 4)))
    left = (pg.jvp(f)(x, t) * ct).sum().item()
    right = (pg.vjp(f)(x, ct)[0] * t).sum().item()
    assert left == pytest.approx(right, rel=1e-12)


# ---- reading values inside


def test_reading_a_value_never_cuts_the_gradient():
    seen = []

    def f(x):
        y = x * x
        y.eval()
        seen.append(float(y))
        assert y.numpy() == 9.0
        str(y)
        return y * (2.0 if y > 1.0 else 1.0) * x

    assert pg.grad(f)(number(3.0)).item() == 54.0
    assert pg.grad(pg.grad(f))(number(3.0)).item() == 36.0
    assert nth(f, 3)(number(3.0)).item() == 12.0
    assert pg.jvp(f)(number(3.0), number(1.0)).item() == 54.0
    assert set(seen) == {9.0}


def test_what_was_read_is_not_computed_again():
    x = pg.Tensor(np.linspace(0.1, 1, 1000))

    def f(x):
        y = pg.exp(x).sum()
        assert y.item() > 0
        return y * y

    value, gradient = pg.value_and_grad(f, 0)(x)
    np.testing.assert_allclose(gradient.numpy(), 2 * math.sqrt(value.item()) * np.exp(x.numpy()), rtol=1e-12)


def test_branching_on_a_value():
    def f(x):
        return x * x if x > 0 else -x

    assert pg.grad(f)(number(3.0)).item() == 6.0
    assert pg.grad(f)(number(-3.0)).item() == -1.0


def test_a_stand_in_that_leaks_is_its_value():
    leaked = []

    def f(x):
        leaked.append(x)
        leaked.append(x * 2)
        return x * x

    pg.grad(f)(number(3.0))
    assert leaked[0].item() == 3.0
    assert (leaked[1] + leaked[0]).item() == 9.0


def test_rebinding_an_argument_is_part_of_the_function():
    def moved(x):
        x += 1.0
        return (x * x).sum()

    def written(x):
        x[0] = 5.0
        return (x * x).sum()

    x = vector(2, 3)
    value, gradient = pg.value_and_grad(moved, 0)(x)
    assert (value.item(), gradient.tolist()) == (25, [6, 8])
    value, gradient = pg.value_and_grad(written, 0)(x)
    assert (value.item(), gradient.tolist()) == (34, [0, 6])
    value, tangent = pg.jvp(written, return_outs=True)(x, vector(1, 1))
    assert (value.item(), tangent.item()) == (34, 6)
    assert x.tolist() == [2, 3]


def test_writing_to_a_part_differentiates():
    def f(x):
        y = x * 1.0
        y[0] = x[1] * 2
        y[::-1] = y * x
        return (y * y).sum()

    assert pg.grad(f)(vector(2, 3)).tolist() == [144, 204]  # of x1^4 + 4 x0^2 x1^2


def test_nesting_with_jit():
    def f(x):
        return (pg.tanh(x) * x).sum()

    x = vector(0.3, 0.7)
    first, second = pg.grad(f)(x).tolist(), pg.jvp(pg.grad(f))(x, x).tolist()
    for g in (pg.jit(pg.grad(f)), pg.grad(pg.jit(f)), pg.jit(pg.grad(pg.jit(f)))):
        assert g(x).tolist() == pytest.approx(first, rel=1e-14)
        assert pg.jvp(g)(x, x).tolist() == pytest.approx(second, rel=1e-14)


# ---- conventions


def test_ties_share_evenly():
    assert pg.grad(pg.max)(vector(1, 3, 3, 2)).tolist() == [0, 0.5, 0.5, 0]
    assert pg.grad(pg.min)(vector(1, 1, 3)).tolist() == [0.5, 0.5, 0]
    assert pg.grad(lambda x: pg.maximum(x, x.detach()).sum())(vector(2.0)).tolist() == [0.5]
    clipped = pg.grad(lambda x: pg.clip(x, 0.0, 1.0).sum())
    assert clipped(vector(-1, 0, 0.5, 1, 2)).tolist() == [0, 0.5, 1, 0.5, 0]


def test_kinks_have_derivative_zero():
    for f in (pg.abs, pg.relu, pg.sign):
        assert pg.grad(lambda x, f=f: f(x).sum())(vector(0.0)).tolist() == [0.0]
        twice = pg.grad(lambda x, f=f: pg.grad(lambda y: f(y).sum())(x).sum())
        assert twice(vector(0.0, 1.0)).tolist() == [0.0, 0.0]


def test_powers_at_zero():
    for exponent, first, second in ((0, 0, 0), (1, 1, 0), (2, 0, 2), (3, 0, 0)):
        for p in (exponent, float(exponent), number(exponent)):
            f = lambda x, p=p: x**p
            assert pg.grad(f)(number(0.0)).item() == first
            assert nth(f, 2)(number(0.0)).item() == second


def test_products_at_zeros():
    assert pg.grad(pg.prod)(vector(2, 0, 3)).tolist() == [0, 6, 0]
    assert pg.grad(pg.prod)(vector(2, 0, 0)).tolist() == [0, 0, 0]
    second = pg.grad(lambda x: pg.grad(pg.prod)(x)[1])(vector(2, 0, 0))
    assert second.tolist() == [0, 0, 2]
    assert pg.grad(lambda x: pg.cumprod(x).sum())(vector(2, 0, 3)).tolist() == [1, 8, 0]


def test_tails_of_sigmoid_and_softplus():
    assert pg.grad(pg.sigmoid)(number(40.0)).item() == pytest.approx(math.exp(-40), rel=1e-9)
    assert pg.grad(pg.softplus)(number(800.0)).item() == 1.0
    assert pg.grad(pg.logsumexp)(vector(1000, 0)).tolist() == [1.0, 0.0]


def test_where_differentiates_the_branch_taken():
    f = lambda x: pg.where(x > 0, x * x, 3 * x).sum()
    assert pg.grad(f)(vector(-1, 2)).tolist() == [3, 4]
    # The double `where`: the argument is made safe first.
    safe = lambda x: pg.where(x > 0, pg.log(pg.where(x > 0, x, 1.0)), 0.0).sum()
    assert pg.grad(safe)(vector(0, 2)).tolist() == [0, 0.5]


def test_duplicates_in_indices():
    rows = pg.Tensor(np.array([0, 2, 0]))
    assert pg.grad(lambda x: x[rows].sum())(vector(1, 2, 3)).tolist() == [2, 0, 1]

    def written(x, v):
        return (x.at[rows].set(v) * vector(1, 10, 100)).sum()

    dx, dv = pg.grad(written, argnums=(0, 1))(vector(1, 2, 3), vector(4, 5, 6))
    assert dx.tolist() == [0, 10, 0]
    assert dv.tolist() == [0, 100, 1]  # the last of equal rows wins


def test_stop_gradient_and_detach():
    assert pg.grad(lambda x: x * pg.stop_gradient(x))(number(3.0)).item() == 3.0
    assert pg.grad(lambda x: x * x.detach())(number(3.0)).item() == 3.0
    assert pg.grad(lambda x: pg.grad(lambda y: y * pg.stop_gradient(x) * x)(x))(number(3.0)).item() == 3.0


def test_integers_carry_no_tangent():
    assert pg.grad(lambda x: x.astype("int32").astype("float64") * x)(number(2.5)).item() == 2.0
    with pytest.raises(pg.PequegradError, match="int64"):
        pg.grad(lambda x: x * 1.0)(pg.Tensor(3))


def test_gradients_have_the_dtype_of_their_input():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = pg.Tensor([1.0, 2.0]).astype(dtype)
        g = pg.grad(lambda x: (x.astype("float32") ** 2).sum())(x)
        assert str(g.dtype) == dtype
        assert g.astype("float32").tolist() == [2.0, 4.0]


def test_unused_inputs_have_zeros():
    dx, dy = pg.grad(lambda x, y: x * x, argnums=(0, 1))(number(2.0), vector(1, 2))
    assert dx.item() == 4.0
    assert dy.tolist() == [0, 0]
    assert pg.grad(lambda x: number(3.0))(number(2.0)).item() == 0.0


# ---- depth, freeing


@pytest.mark.parametrize("length", [100_000])
def test_a_long_chain(length):
    gc.collect()
    nodes, buffers = _core.live_nodes(), _core.live_buffers()

    def chain(x):
        for _ in range(length):
            x = pg.sin(x)
        return x

    x, expected, at = number(0.5), 1.0, 0.5
    for _ in range(length):
        expected *= math.cos(at)
        at = math.sin(at)
    value, gradient = pg.value_and_grad(chain, 0)(x)
    assert value.item() == pytest.approx(at, rel=1e-9)
    assert gradient.item() == pytest.approx(expected, rel=1e-9)
    assert chain(x).item() == pytest.approx(at, rel=1e-9)
    del value, gradient, x
    gc.collect()
    assert _core.live_nodes() <= nodes
    assert _core.live_buffers() <= buffers


def test_nothing_stays_alive():
    def step():
        w = pg.Tensor(np.ones((4, 4), np.float32))
        value, g = pg.value_and_grad(lambda w: pg.tanh(w @ w).sum(), 0)(w)
        second = pg.grad(lambda w: (pg.grad(lambda v: pg.tanh(v @ v).sum())(w) ** 2).sum())(w)
        return value.item() + g.numpy().sum() + second.numpy().sum()

    step()
    gc.collect()
    nodes, buffers = _core.live_nodes(), _core.live_buffers()
    for _ in range(5):
        step()
    gc.collect()
    assert (_core.live_nodes(), _core.live_buffers()) == (nodes, buffers)


def test_an_error_inside_leaves_no_open_trace():
    def f(x):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        pg.grad(f)(number(1.0))
    assert pg.grad(lambda x: x * x)(number(3.0)).item() == 6.0


# ---- errors


def test_wrong_cotangents_and_tangents():
    f = lambda x: x * x
    with pytest.raises(pg.ShapeError, match="cotangent"):
        pg.vjp(f)(vector(1, 2), vector(1, 2, 3))
    with pytest.raises(pg.ShapeError, match="tangent"):
        pg.jvp(f)(vector(1, 2), vector(1, 2, 3))
    with pytest.raises(pg.PequegradError, match="scalar"):
        pg.grad(f)(vector(1, 2))


def test_products_scattered_to_one_row_have_a_derivative():
    rows = pg.Tensor(np.array([0, 0]))
    got = pg.grad(lambda v: vector(1, 2).at[rows].multiply(v).sum())(vector(3, 4))
    assert got.tolist() == [4.0, 3.0]
