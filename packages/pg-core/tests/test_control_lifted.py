"""Control flow under vmap and Taylor mode, and with every other transform around or inside."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pytest

X = np.random.default_rng(0).normal(size=(4, 3))


def x() -> pg.Tensor:
    return pg.Tensor(X)


def summed_scan(v):
    c, ys = pg.scan(lambda c, a: (pg.sin(c * a) + v[0], c * a), v[1], v)
    return c + (ys * ys).sum()


def branch(v):
    return pg.cond(v[0] > 0, lambda v: pg.sin(v).sum(), lambda v: (v * v).sum() * v[1], v)


def chosen(v):
    index = (v[0] > 0).astype("int32") + (v[1] > 0).astype("int32")
    return pg.switch(index, [lambda: v.sum(), lambda: pg.exp(v).sum(), lambda: (v * v).sum()])


def halve(v):
    return pg.while_loop(lambda s: (s * s).sum() > 0.1, lambda s: s * 0.5 + 0.01 * v, v).sum()


def bounded(v):
    return pg.while_loop(lambda s: (s * s).sum() > 0.1, lambda s: s * 0.5, v, max_steps=8).sum()


def loop(v):
    return pg.fori_loop(0, 3, lambda i, s: pg.tanh(s) * v + i, v).sum()


def kept(v):
    return pg.checkpoint(lambda v: (pg.sin(v) * v).sum())(v)


def nested(v):
    row = lambda c, a: pg.cond(a > 0, lambda: pg.scan(lambda d, b: (d + a * b, d), c, v)[0], lambda: c * a)
    return pg.scan(lambda c, a: (row(c, a), None), v[0], v)[0]


def stated(v):
    f = pg.custom_vjp(lambda a, b: pg.sin(a) * b)
    f.defvjp(
        lambda a, b: (pg.sin(a) * b, (a, b)), lambda r, ct: (ct * pg.cos(r[0]) * r[1], ct * pg.sin(r[0]))
    )
    g = pg.custom_jvp(lambda a: a * a * a)
    g.defjvp(lambda p, t: (g(*p), 3.0 * p[0] * p[0] * t[0]))
    return f(v, v[0] * v).sum() + g(v).sum()


PROBLEMS = [summed_scan, branch, chosen, halve, bounded, loop, kept, nested, stated]


@pytest.mark.parametrize("f", PROBLEMS, ids=lambda f: f.__name__)
def test_vmap_equals_the_loop_over_examples(f) -> None:
    functions = [f] if f is halve else [f, pg.grad(f), lambda v: pg.jvp(f)(v, pg.cos(v))]
    for g in functions:
        want = np.stack([g(pg.Tensor(row)).numpy() for row in X])
        for mapped in (pg.vmap(g), pg.jit(pg.vmap(g))):
            np.testing.assert_allclose(mapped(x()).numpy(), want, rtol=1e-10, atol=1e-12)
    if f is not halve:
        over = pg.grad(lambda rows: pg.vmap(f)(rows).sum())(x()).numpy()
        np.testing.assert_allclose(
            over, np.stack([pg.grad(f)(pg.Tensor(row)).numpy() for row in X]), rtol=1e-10, atol=1e-12
        )


def test_vmap_of_a_scan_batches_only_what_differs() -> None:
    w = pg.Tensor(np.ones(5))
    f = lambda c: pg.scan(lambda c, a: (c * a, a), c, w)
    carry, ys = pg.vmap(f, out_axes=(0, None))(pg.Tensor(np.arange(3.0)))
    assert carry.tolist() == [0.0, 1.0, 2.0]
    assert ys.shape == (5,)


def test_vmap_of_host_calls() -> None:
    shapes = []

    def f(a, b):
        shapes.append(a.shape)
        return np.sort(a, axis=-1) + b

    for vectorized, seen in ((False, [(3,)] * 4), (True, [(4, 3)])):
        shapes.clear()
        call = lambda row, v=vectorized: pg.host_call(
            f, pg.ShapeDtype(3, "float64"), row, pg.Tensor(np.ones(3)), vectorized=v
        )
        np.testing.assert_array_equal(pg.vmap(call)(x()).numpy(), np.sort(X, axis=-1) + 1.0)
        assert shapes == seen


@pytest.mark.parametrize("f", [p for p in PROBLEMS if p is not halve], ids=lambda f: f.__name__)
def test_taylor_mode_equals_nested_forward_mode(f) -> None:
    v, d = pg.Tensor(X[0]), pg.Tensor(X[1])
    line = lambda s: f(v + d * s)
    zero, one = pg.Tensor(np.array(0.0)), pg.Tensor(np.array(1.0))
    want, g = [], line
    for _ in range(3):
        g = lambda s, g=g: pg.jvp(g)(s, one)
        want.append(g(zero).item())
    _, series = pg.jet(line, (zero,), ([1.0, 0.0, 0.0],))
    np.testing.assert_allclose([c.item() for c in series], want, rtol=1e-9)
