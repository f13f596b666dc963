"""Derivative transforms: their forms, conventions, nesting, and what must not cut a gradient."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import pequegrad as pg
import pytest

Params = namedtuple("Params", "w b")


def square_sum(x):
    return (x * x).sum()


# ---- forms


def test_fngrad_returns_a_list_parallel_to_wrt_with_the_pytrees_of_the_arguments() -> None:
    def f(p, x, q):
        return (p["w"] * x + q[0]).sum()

    p, x, q = {"w": pg.Tensor([1.0, 2.0])}, pg.Tensor([3.0, 4.0]), (pg.Tensor(1.0),)
    grads = pg.fngrad(f, wrt=[2, 0])(p, x, q)
    assert isinstance(grads, list)
    assert grads[0][0].tolist() == 2.0
    assert grads[1]["w"].tolist() == [3.0, 4.0]
    out, (gx,) = pg.fngrad(f, wrt=[1], return_outs=True)(p, x, q)
    assert out.item() == 13.0 and gx.tolist() == [1.0, 2.0]


def test_fngrad_of_a_non_scalar_takes_a_cotangent_of_ones() -> None:
    (g,) = pg.fngrad(lambda x: x * x, wrt=[0])(pg.Tensor([1.0, 2.0]))
    assert g.tolist() == [2.0, 4.0]


def test_grad_and_argnums() -> None:
    f = lambda a, b: (a * b).sum()
    a, b = pg.Tensor([2.0]), pg.Tensor([5.0])
    assert pg.grad(f)(a, b).tolist() == [5.0]
    assert pg.grad(f, argnums=1)(a, b).tolist() == [2.0]
    assert pg.grad(f, argnums=-1)(a, b).tolist() == [2.0]
    ga, gb = pg.grad(f, argnums=(0, 1))(a, b)
    assert (ga.tolist(), gb.tolist()) == ([5.0], [2.0])


def test_value_and_grad_and_has_aux() -> None:
    x = pg.Tensor([1.0, 2.0])
    value, grads = pg.value_and_grad(square_sum)(x)
    assert value.item() == 5.0 and isinstance(grads, list) and grads[0].tolist() == [2.0, 4.0]
    value, g = pg.value_and_grad(square_sum, wrt=0)(x)
    assert g.tolist() == [2.0, 4.0]
    (value, aux), (g,) = pg.value_and_grad(lambda x: (square_sum(x), {"n": x + 1}), has_aux=True)(x)
    assert aux["n"].tolist() == [2.0, 3.0]
    g, aux = pg.grad(lambda x: (square_sum(x), "label"), has_aux=True)(x)
    assert aux == "label" and g.tolist() == [2.0, 4.0]


def test_vjp_and_jvp_forms() -> None:
    f = lambda x, y: {"p": x * y, "s": x + y}
    x, y = pg.Tensor([1.0, 2.0]), pg.Tensor([3.0, 4.0])
    ct = {"p": pg.ones(2), "s": pg.Tensor([10.0, 0.0])}
    gx, gy = pg.vjp(f, wrt=[0, 1])(x, y, ct)
    assert gx.tolist() == [13.0, 4.0] and gy.tolist() == [11.0, 2.0]
    outs, (gx,) = pg.vjp(f, return_outs=True)(x, y, ct)
    assert outs["p"].tolist() == [3.0, 8.0]
    t = pg.jvp(f, wrt=[1])(x, y, pg.ones(2))
    assert t["p"].tolist() == [1.0, 2.0] and t["s"].tolist() == [1.0, 1.0]
    outs, t = pg.jvp(f, wrt=[0, 1], return_outs=True)(x, y, pg.ones(2), pg.zeros(2))
    assert outs["s"].tolist() == [4.0, 6.0] and t["p"].tolist() == [3.0, 4.0]


def test_namedtuples_and_keyword_arguments() -> None:
    def loss(p, x, *, scale):
        return ((x @ p.w + p.b) * scale).sum()

    g = pg.grad(loss)(Params(pg.ones((2, 1)), pg.zeros(1)), pg.Tensor([[1.0, 2.0]]), scale=3.0)
    assert isinstance(g, Params)
    assert g.w.tolist() == [[3.0], [6.0]] and g.b.tolist() == [3.0]


def test_python_floats_are_differentiable() -> None:
    assert pg.grad(lambda x: x * x)(3.0).item() == 6.0


def test_independent_outputs_give_zeros() -> None:
    assert pg.grad(lambda x: pg.ones(3).sum())(pg.ones(2)).tolist() == [0.0, 0.0]
    assert pg.jvp(lambda x: pg.ones(3))(pg.ones(2), pg.ones(2)).tolist() == [0.0] * 3


def test_one_tensor_passed_twice() -> None:
    x = pg.Tensor([3.0])
    ga, gb = pg.grad(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(x, x)
    assert (ga.tolist(), gb.tolist()) == ([18.0], [9.0])


# ---- conventions


@pytest.mark.parametrize(
    ("f", "at", "want"),
    [
        (pg.abs, [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]),
        (pg.relu, [-2.0, 0.0, 2.0], [0.0, 0.0, 1.0]),
        (pg.sign, [-2.0, 0.0, 2.0], [0.0, 0.0, 0.0]),
        (lambda x: pg.maximum(x, 0.0), [-2.0, 0.0, 2.0], [0.0, 0.5, 1.0]),
        (lambda x: pg.minimum(x, 0.0), [-2.0, 0.0, 2.0], [1.0, 0.5, 0.0]),
        (lambda x: pg.clip(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0], [0.0, 0.5, 1.0, 0.5]),
        (lambda x: pg.max(x), [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
        (lambda x: pg.min(x), [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
        (lambda x: x**2, [0.0, 3.0], [0.0, 6.0]),
        (lambda x: x**0, [0.0, 3.0], [0.0, 0.0]),
        (lambda x: pg.power(x, pg.Tensor(2.0)), [0.0, 3.0], [0.0, 6.0]),
        (lambda x: pg.norm(x), [0.0, 0.0], [0.0, 0.0]),
        (lambda x: pg.prod(x), [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (lambda x: pg.cumprod(x)[-1], [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (lambda x: pg.where(x > 0, pg.log(pg.where(x > 0, x, 1.0)), 0.0), [0.0, 2.0], [0.0, 0.5]),
        (lambda x: pg.logsumexp(x), [-math.inf, 0.0], [0.0, 1.0]),
        (lambda x: pg.sigmoid(x), [40.0, -800.0], [4.248354255291589e-18, 0.0]),
        (lambda x: pg.softplus(x), [800.0, -800.0], [1.0, 0.0]),
    ],
)
def test_values_at_the_edges(f, at, want) -> None:
    (g,) = pg.fngrad(f)(pg.Tensor(np.array(at)))
    np.testing.assert_allclose(g.numpy(), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "at", "want"),
    [
        (lambda x: pg.maximum(x, 1.0) ** 2, 3.0, 2.0),
        (lambda x: pg.where(x > 1, x**3, x**2), 2.0, 12.0),
        (lambda x: pg.where(x > 1, x**3, x**2), 0.5, 2.0),
        (lambda x: x**2, 0.0, 2.0),
        (lambda x: pg.tanh(x), 0.5, None),
    ],
)
def test_second_derivatives(f, at, want) -> None:
    second = pg.grad(pg.grad(f))(pg.Tensor(np.array(at)))
    t = math.tanh(at)
    np.testing.assert_allclose(second.item(), want if want is not None else -2 * t * (1 - t * t), rtol=1e-12)


def test_comparisons_and_integers_have_no_derivative() -> None:
    g = pg.grad(lambda x: ((x > 0) * x).sum() + x.astype("int32").sum() * 5.0)(pg.Tensor([1.5, -1.0]))
    assert g.tolist() == [1.0, 0.0]


def test_higher_orders() -> None:
    f = lambda x: pg.sin(x) * x
    g, x = f, pg.Tensor(np.array(0.7))
    want = [lambda v: math.sin(v) + v * math.cos(v), lambda v: 2 * math.cos(v) - v * math.sin(v),
            lambda v: -3 * math.sin(v) - v * math.cos(v), lambda v: -4 * math.cos(v) + v * math.sin(v)]  # fmt: skip
    for w in want:
        g = pg.grad(g)
        np.testing.assert_allclose(g(x).item(), w(0.7), rtol=1e-12)


@pytest.mark.parametrize("outer", ["jvp", "vjp", "jit"])
@pytest.mark.parametrize("inner", ["jvp", "vjp", "jit"])
@pytest.mark.parametrize("innermost", ["jvp", "vjp", "jit"])
def test_any_nesting(outer: str, inner: str, innermost: str) -> None:
    def derived(kind, f):
        if kind == "jit":
            return pg.jit(f)
        if kind == "vjp":
            return pg.grad(f)
        return lambda x: pg.jvp(f)(x, pg.ones_like(x))

    x = pg.Tensor(np.array(0.3))
    got = derived(outer, derived(inner, derived(innermost, lambda x: pg.exp(2.0 * x))))(x)
    order = [outer, inner, innermost].count("jvp") + [outer, inner, innermost].count("vjp")
    np.testing.assert_allclose(got.item(), 2.0**order * math.exp(0.6), rtol=1e-13)


def test_perturbations_are_not_confused() -> None:
    # d/dx (x * d/dy (x + y)) = 1
    f = lambda x: x * pg.grad(lambda y: x + y)(pg.Tensor(2.0))
    assert pg.grad(f)(pg.Tensor(1.0)).item() == 1.0
    g = lambda x: pg.jvp(lambda y: x * y)(pg.Tensor(1.0), x)
    assert pg.grad(g)(pg.Tensor(3.0)).item() == 6.0


# ---- what must not cut a gradient


def test_reading_a_value_keeps_the_gradient() -> None:
    seen = []

    def f(x):
        y = x * x
        seen.append((y.numpy().tolist(), repr(y), y.eval() is y, float(y.sum())))
        z = y * 2 if float(y.sum()) > 0.1 else y
        print(z, end="")
        return z.sum()

    assert pg.grad(f)(pg.Tensor([1.0, 2.0])).tolist() == [4.0, 8.0]
    second = pg.grad(lambda x: pg.grad(f)(x).sum())(pg.Tensor([1.0, 2.0]))
    assert second.tolist() == [4.0, 4.0]
    assert seen[0][0] == [1.0, 4.0]


def test_a_leaked_stand_in_is_its_value() -> None:
    kept = []
    pg.grad(lambda x: (kept.append(x), x * 3.0)[1].sum())(pg.Tensor([2.0]))
    assert kept[0].tolist() == [2.0]
    assert (kept[0] + 1).tolist() == [3.0]


def test_in_place_updates_inside_a_differentiated_function() -> None:
    def f(x):
        y = x * 1.0
        y += x
        y[0] = y[0] * 10.0
        return y.sum()

    assert pg.grad(f)(pg.Tensor([1.0, 2.0])).tolist() == [20.0, 2.0]


def test_detach_and_stop_gradient() -> None:
    assert pg.grad(lambda x: (x * x.detach()).sum())(pg.Tensor([3.0])).tolist() == [3.0]


def test_a_captured_tensor_may_be_rebound_inside() -> None:
    total = pg.zeros(())

    def f(x):
        nonlocal total
        total.assign(total + x.sum())
        return (x * x).sum()

    assert pg.grad(f)(pg.Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert total.item() == 3.0
    assert pg.jit(pg.grad(f))(pg.Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert total.item() == 6.0


def test_weak_numbers_keep_narrow_types() -> None:
    x = pg.Tensor([1.0, 2.0]).astype("bfloat16")
    assert (x * 0.1).dtype == "bfloat16"
    assert pg.grad(lambda a: (a * 0.1).sum())(x).dtype == "bfloat16"
    assert pg.jit(lambda a: a * 0.1)(x).dtype == "bfloat16"
    assert pg.jit(lambda a, s: a * s)(x, 0.1).dtype == "bfloat16"
    assert pg.value_and_grad(lambda a: (a * 0.1).sum())(x)[0].dtype == "bfloat16"


def test_a_deep_chain() -> None:
    def f(x):
        for _ in range(20_000):
            x = x * 1.0001
        return x.sum()

    g = pg.grad(f)(pg.Tensor(np.ones(2)))
    np.testing.assert_allclose(g.numpy(), [1.0001**20_000] * 2, rtol=1e-9)


@pytest.mark.nightly
def test_a_chain_of_100000() -> None:
    def f(x):
        for _ in range(100_000):
            x = x * 1.00001
        return x.sum()

    np.testing.assert_allclose(f(pg.Tensor(np.ones(2))).item(), 2 * 1.00001**100_000, rtol=1e-8)
    g = pg.grad(f)(pg.Tensor(np.ones(2)))
    np.testing.assert_allclose(g.numpy(), [1.00001**100_000] * 2, rtol=1e-8)
