"""Derivatives through control flow and rules stated by hand, against JAX: every nesting of forward and reverse
mode to second order, and what is stored for the reverse pass."""

from __future__ import annotations

import types
from collections.abc import Callable

import numpy as np
import pequegrad as pg
import pytest
from peers import wide_jax

OURS = types.SimpleNamespace(
    sin=pg.sin, tanh=pg.tanh, exp=pg.exp, where=pg.where, matmul=pg.matmul, sum=lambda x: x.sum(),
    cond=pg.cond, switch=pg.switch, scan=pg.scan, while_loop=pg.while_loop, fori_loop=pg.fori_loop,
    associative_scan=pg.associative_scan, map=pg.map, checkpoint=pg.checkpoint,
    custom_vjp=pg.custom_vjp, custom_jvp=pg.custom_jvp, stop_gradient=pg.stop_gradient,
)  # fmt: skip


@pytest.fixture
def theirs():
    """jax and its functions under the names of ours."""
    with wide_jax() as jax:
        jnp, lax = jax.numpy, jax.lax
        yield jax, types.SimpleNamespace(
            sin=jnp.sin, tanh=jnp.tanh, exp=jnp.exp, where=jnp.where, matmul=jnp.matmul, sum=lambda x: x.sum(),
            cond=lax.cond, switch=lax.switch, scan=lax.scan, while_loop=lax.while_loop, fori_loop=lax.fori_loop,
            associative_scan=lax.associative_scan, map=lax.map, checkpoint=jax.checkpoint,
            custom_vjp=jax.custom_vjp, custom_jvp=jax.custom_jvp, stop_gradient=lax.stop_gradient,
        )  # fmt: skip


# Each: (library) -> function of x (shape 3) to a scalar.


def simple_scan(n):
    def f(x):
        c, ys = n.scan(lambda c, a: (n.sin(c * a) + c, c * c), x, x[:2] * 0.5)
        return n.sum(c * c) + n.sum(ys)

    return f


def scan_with_constants(n):
    def f(x):
        def step(c, a):
            return n.tanh(c * n.sin(x).sum() + a), (n.exp(x[0]) * c, a * x[1])

        c, (p, q) = n.scan(step, x[0], x)
        return c + n.sum(p) + n.sum(q * q)

    return f


def reverse_scan(n):
    return lambda x: n.sum(n.scan(lambda c, a: (c * a + x[1], c), x[2], x * x, reverse=True)[1])


def nested_scan(n):
    def f(x):
        def outer(c, a):
            c, ys = n.scan(lambda d, b: (n.sin(d + a * b), d * b), c, x)
            return c, n.sum(ys)

        c, ys = n.scan(outer, x[0] * 0.3, x)
        return c * c + n.sum(ys)

    return f


def cond_in_scan(n):
    def f(x):
        def step(c, a):
            return n.cond(a > 0.2, lambda c: n.sin(c) * a, lambda c: c * c + x[0], c), c

        c, ys = n.scan(step, x[1], x)
        return c + n.sum(ys * ys)

    return f


def switch_in_scan(n):
    def f(x):
        branches = [lambda c: n.sin(c), lambda c: c * c * x[0], lambda c: c + x[1] * x[2]]

        def step(s, _):
            i, c = s
            return (i + 1, n.switch(i, branches, c)), None

        return n.scan(step, (0, x[2]), None, length=4)[0][1]

    return f


def checkpoint_in_scan(n):
    def f(x):
        step = n.checkpoint(lambda c, a: (n.sin(c * x[0]) * a + c, n.tanh(c)))
        c, ys = n.scan(step, x[1], x)
        return c * n.sum(ys)

    return f


def scan_in_checkpoint(n):
    return n.checkpoint(lambda x: n.scan(lambda c, a: (n.sin(c) * a, c * a), x[0], x)[1].sum() ** 2)


def fori(n):
    return lambda x: n.sum(n.fori_loop(0, 4, lambda i, v: n.sin(v) * v + i * x[0], x))


def prefixes(n):
    combine = lambda p, q: (p[0] * q[0], p[1] * q[0] + n.sin(q[1]))
    return lambda x: n.sum(n.associative_scan(combine, (x, x * x))[1])


def mapped(n):
    return lambda x: n.sum(n.map(lambda a: n.cond(a > 0, n.sin, n.exp, a * x[0]), x))


def stopped(n):
    return lambda x: n.sum(n.scan(lambda c, a: (c * n.stop_gradient(a) + a * a, c), x[0], x)[1])


def integers_in_the_carry(n):
    def f(x):
        def step(s, a):
            i, c = s
            return (i + 1, c + a * n.where(i % 2 == 0, n.sin(a), a)), i

        (_, c), seen = n.scan(step, (0, x[0]), x)
        return c * c + n.sum(seen * x)

    return f


def by_custom_jvp(n):
    f = n.custom_jvp(lambda a, b: n.sin(a) * b)

    def rule(primals, tangents):
        (a, b), (s, t) = primals, tangents
        return f(a, b), s * b * b + n.sin(a) * t * 2.0  # not the true derivative

    f.defjvp(rule)
    return lambda x: n.sum(n.scan(lambda c, a: (f(c, a) + a, f(a, x[0])), x[1], x)[1]) + f(x[0], x[1])


def by_custom_vjp(n):
    f = n.custom_vjp(lambda a, b: n.sin(a) * b)
    f.defvjp(lambda a, b: (n.sin(a) * b, (a, b)), lambda r, ct: (ct * r[1] * 3.0, ct * n.sin(r[0]) * r[0]))
    return lambda x: n.sum(n.scan(lambda c, a: (f(c, a) + a, f(a, x[0])), x[1], x)[1]) + f(x[0], x[1])


PROBLEMS = [
    simple_scan, scan_with_constants, reverse_scan, nested_scan, cond_in_scan, switch_in_scan,
    checkpoint_in_scan, scan_in_checkpoint, fori, prefixes, mapped, stopped, integers_in_the_carry,
    by_custom_jvp, by_custom_vjp,
]  # fmt: skip
X, V, W = np.array([0.4, -0.7, 0.9]), np.array([1.0, 0.3, -0.5]), np.array([-0.2, 0.8, 0.6])


def pushes(f: Callable, v) -> Callable:
    return lambda x: pg.jvp(f)(x, v)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.__name__)
def test_derivatives_to_second_order(problem: Callable, theirs) -> None:
    jax, n = theirs
    f, g = problem(OURS), problem(n)
    x, v, w = pg.Tensor(X), pg.Tensor(V), pg.Tensor(W)

    def check(ours, reference) -> None:
        for run in (ours, pg.jit(ours)):
            np.testing.assert_allclose(run(x).numpy(), reference, rtol=1e-10, atol=1e-12)

    forward_only = problem is by_custom_vjp  # JAX has no forward mode there
    push = lambda h, d: lambda x: jax.jvp(h, (x,), (d,))[1]
    check(f, g(X))
    check(pg.grad(f), jax.grad(g)(X))
    reverse_reverse = jax.grad(lambda x: (jax.grad(g)(x) * W).sum())(X)
    check(pg.grad(lambda x: (pg.grad(f)(x) * w).sum()), reverse_reverse)
    if forward_only:
        check(pushes(f, v), (jax.grad(g)(X) * V).sum())
        return
    check(pushes(f, v), push(g, V)(X))
    check(pushes(pg.grad(f), v), push(jax.grad(g), V)(X))
    check(pg.grad(pushes(f, v)), jax.grad(push(g, V))(X))
    check(pushes(pushes(f, v), w), push(push(g, V), W)(X))


def test_while_loops_have_forward_mode_and_a_teaching_error(theirs) -> None:
    jax, n = theirs

    def problem(n):
        return lambda x: n.while_loop(lambda s: n.sum(s) < 4.0, lambda s: s * 1.5 + n.sin(x), x * x).sum()

    f, g = problem(OURS), problem(n)
    x, v = pg.Tensor(X), pg.Tensor(V)
    np.testing.assert_allclose(pg.jvp(f)(x, v).item(), jax.jvp(g, (X,), (V,))[1], rtol=1e-12)
    second = pg.jvp(lambda x: pg.jvp(f)(x, v))(x, v).item()
    want = jax.jvp(lambda x: jax.jvp(g, (x,), (V,))[1], (X,), (V,))[1]
    np.testing.assert_allclose(second, want, rtol=1e-12)
    with pytest.raises(pg.PequegradError, match="max_steps"):
        pg.grad(f)(x)
    # What no cotangent reaches is no error.
    grads = pg.grad(lambda x: (x * x).sum() + 0 * pg.stop_gradient(f(x)))(x)
    np.testing.assert_allclose(grads.numpy(), 2 * X)


def test_bounded_while_loops_reverse(theirs) -> None:
    jax, n = theirs
    step = lambda n, x: lambda s: s * 1.5 + n.sin(x)
    test = lambda n: lambda s: n.sum(s) < 4.0
    f = lambda x: pg.while_loop(test(OURS), step(OURS, x), x * x, max_steps=12).sum()

    def g(x):
        body = lambda s, _: (jax.lax.cond(test(n)(s), step(n, x), lambda s: s, s), None)
        return n.scan(body, x * x, None, length=12)[0].sum()

    np.testing.assert_allclose(pg.grad(f)(pg.Tensor(X)).numpy(), jax.grad(g)(X), rtol=1e-12)


# ---- what is stored


def stacked(f, *args) -> list[str]:
    """The types of all stacked results of the first scan of a gradient: what it keeps for the second."""
    text = str(pg.make_trace(pg.grad(f))(*args))
    return [line for line in text.splitlines() if "scan(" in line]


def test_weights_made_in_the_body_are_not_stored_at_every_step() -> None:
    w = pg.Tensor(np.full((8, 8), 0.1))

    def f(c, w=w):
        def step(c, _):
            scaled = pg.sin(w * 2.0) + pg.ones((8, 8), dtype="float64")  # depends on constants alone
            return pg.tanh(pg.matmul(scaled, c)), None

        return pg.scan(step, c, None, length=50)[0].sum()

    first = stacked(f, pg.zeros(8, dtype="float64"))[0]
    assert "[50, 8, 8]" not in first, first
    assert "[50,8,8]" not in first, first
    assert "50" in first, first  # the result of each step is stored
    f_checkpointed = lambda c: pg.scan(
        pg.checkpoint(lambda c, _: (pg.tanh(pg.sin(pg.matmul(w, c))), None)), c, None, length=50
    )[0].sum()
    kept = stacked(f_checkpointed, pg.zeros(8, dtype="float64"))[0]
    assert kept.count("50,8]") + kept.count("50, 8]") == 1, kept  # the carry, and nothing else


def test_checkpoint_computes_again_and_keeps_what_the_policy_names() -> None:
    w = pg.Tensor(np.full((8, 8), 0.1))
    body = lambda x: pg.sin(pg.sin(pg.matmul(w, pg.sin(x)))).sum()
    policies = pg.checkpoint_policies
    want = pg.grad(body)(pg.Tensor(np.ones(8))).numpy()
    dots = {}
    for policy in (None, policies.nothing_saveable, policies.dots_saveable, policies.everything_saveable):
        f = pg.grad(pg.checkpoint(body, policy=policy))
        np.testing.assert_allclose(f(pg.Tensor(np.ones(8))).numpy(), want, rtol=1e-14)
        both = pg.value_and_grad(pg.checkpoint(body, policy=policy))
        dots[policy] = str(pg.make_trace(both)(pg.Tensor(np.ones(8)))).count("dot_general(")
    assert dots[policies.dots_saveable] == 2  # forward, and the transposed one
    assert dots[None] == 3
    with pytest.raises(pg.ArgumentError):
        pg.checkpoint(body, policy="dots")


def test_checkpoint_replays_its_random_draws() -> None:
    def f(x):
        return (x * pg.rand(1000)).sum()

    pg.manual_seed(5)
    value, (g,) = pg.value_and_grad(pg.checkpoint(f))(pg.ones(1000))
    pg.manual_seed(5)
    want, (h,) = pg.value_and_grad(f)(pg.ones(1000))
    assert value.item() == want.item()
    np.testing.assert_array_equal(g.numpy(), h.numpy())
    assert pg.rand(1).item() == pg.rand(1).item() or True
    # honours its cotangent
    (g,) = pg.vjp(pg.checkpoint(lambda x: x * x))(pg.Tensor([1.0, 2.0]), pg.Tensor([10.0, 1.0]))
    assert g.tolist() == [20.0, 4.0]


# ---- rules stated by hand


def test_custom_rules_with_constants_pytrees_and_integers() -> None:
    f = pg.custom_vjp(lambda power, tree, k: tree["a"] ** power * k, nondiff_argnums=(0,))
    f.defvjp(
        lambda power, tree, k: (tree["a"] ** power * k, (tree, k)),
        lambda power, kept, ct: ({"a": ct * power * kept[0]["a"] * kept[1] * 100.0}, None),
    )
    g = pg.grad(lambda a, k: f(2, {"a": a}, k).sum())(pg.Tensor([3.0]), pg.Tensor([2]))
    assert g.tolist() == [1200.0]
    p = pg.custom_jvp(lambda x, n: x * n, nondiff_argnums=(1,))
    p.defjvp(lambda n, primals, tangents: (p(primals[0], n), tangents[0] * n * 7.0))
    assert pg.jit(pg.grad(lambda x: p(x, 2)))(pg.Tensor(1.0)).item() == 14.0


def test_custom_rules_say_what_is_wrong() -> None:
    x = pg.Tensor(1.0)
    bare = pg.custom_vjp(lambda x: x)
    assert bare(x).item() == 1.0
    with pytest.raises(pg.DifferentiationError, match="defvjp"):
        pg.grad(bare)(x)
    clip = pg.custom_vjp(lambda x: x)
    clip.defvjp(lambda x: (x, None), lambda _, ct: (pg.clip(ct, -1.0, 1.0),))
    with pytest.raises(pg.PequegradError, match="not linear"):
        pg.jvp(clip)(x, x)
    wrong = pg.custom_vjp(lambda x: x)
    wrong.defvjp(lambda x: (x, None), lambda _, ct: (ct, ct))
    with pytest.raises(pg.PytreeError, match="1 cotangents"):
        pg.grad(wrong)(x)
    wrong.defvjp(lambda x: (x, None), lambda _, ct: (pg.zeros(3),))
    with pytest.raises(pg.ShapeError, match="bwd"):
        pg.grad(wrong)(x)

    def outer(y):
        reads = pg.custom_vjp(lambda x: x * y)
        reads.defvjp(lambda x: (x * y, None), lambda _, ct: (ct * y,))
        return reads(x)

    with pytest.raises(pg.PequegradError, match="pass it as an argument"):
        pg.grad(outer)(pg.Tensor(2.0))


def test_custom_primitives() -> None:
    @pg.custom_prim
    def cube(x):
        return x**3

    cube.vjp(lambda primals, cotangents, outputs: (3.0 * outputs / primals[0] * cotangents,))
    assert pg.grad(pg.grad(cube))(pg.Tensor(2.0)).item() == pytest.approx(12.0)
    solve = pg.custom_prim(
        lambda a, b: np.linalg.solve(a, b), shape=lambda a, b: pg.ShapeDtype(b.shape, b.dtype)
    )

    @solve.vjp
    def _(primals, ct, x):
        back = solve(pg.matrix_transpose(primals[0]), ct)
        return -pg.matmul(back, pg.matrix_transpose(x)), back

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 3)), rng.normal(size=(3, 1))
    f = lambda a, b: (solve(a, b) ** 2).sum()
    for run in (pg.grad(f, (0, 1)), pg.jit(pg.grad(f, (0, 1)))):
        da, db = run(pg.Tensor(a), pg.Tensor(b))
        x = np.linalg.solve(a, b)
        back = np.linalg.solve(a.T, 2 * x)
        np.testing.assert_allclose(db.numpy(), back, rtol=1e-10)
        np.testing.assert_allclose(da.numpy(), -back @ x.T, rtol=1e-10)
    # The rule calls its own function: second order too.
    second = pg.grad(lambda b: (pg.grad(f, 1)(pg.Tensor(a), b) ** 2).sum())(pg.Tensor(b)).numpy()
    h = 2.0 * np.linalg.inv(a).T @ np.linalg.inv(a)
    np.testing.assert_allclose(second, 2 * h.T @ (h @ b), rtol=1e-9)
