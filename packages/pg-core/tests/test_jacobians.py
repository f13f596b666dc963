"""Jacobians, Hessians and their products with vectors, against JAX; the same graph for any number of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need


def t(*shape: int, seed: int = 0) -> pg.Tensor:
    return pg.Tensor(np.random.default_rng(seed).standard_normal(shape))


def same(a: Any, b: Any, tolerance: float = 1e-11) -> None:
    ours, theirs = pg.pytree.leaves(a), pg.pytree.leaves(b)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def network(np_like: Any) -> Any:
    def f(p: Any, x: Any) -> Any:
        h = np_like.tanh(x @ p["w"] + p["b"])
        return {"h": h[0] * h, "norm": (h * h).sum()}

    return f


@pytest.mark.parametrize("name", ["jacfwd", "jacrev", "hessian"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,)])
def test_pytrees_as_in_jax(name: str, argnums: Any) -> None:
    jax = need("jax")
    jax.config.update("jax_enable_x64", True)
    p, x = {"w": t(3, 2), "b": t(2, seed=1)}, t(3, seed=2)
    try:
        theirs = getattr(jax, name)(network(jax.numpy), argnums)(
            {k: v.numpy() for k, v in p.items()}, x.numpy()
        )
        ours = getattr(pg, name)(network(pg), argnums)(p, x)
    finally:
        jax.config.update("jax_enable_x64", False)
    assert str(jax.tree_util.tree_structure(theirs)) == str(
        jax.tree_util.tree_structure(pg.pytree.map(lambda v: 0, ours))
    )
    same(ours, theirs)
    same(pg.jit(getattr(pg, name)(network(pg), argnums))(p, x), theirs)


def test_under_and_around_other_transforms() -> None:
    f = lambda x: pg.sin(x) * x.sum()
    xs = t(4, 3)
    for jacobian in (pg.jacfwd, pg.jacrev):
        stacked = pg.vmap(jacobian(f))(xs)
        same(stacked, np.stack([jacobian(f)(x).numpy() for x in xs]))
        trace = lambda x, jacobian=jacobian: pg.diagonal(jacobian(f)(x)).sum()
        h = 1e-6
        want = [
            (trace(xs[0] + h * e).item() - trace(xs[0] - h * e).item()) / (2 * h)
            for e in map(pg.Tensor, np.eye(3))
        ]
        same(pg.grad(trace)(xs[0]), np.array(want), 1e-7)
    third = pg.jacfwd(pg.jacrev(pg.jacfwd(lambda x: (x**4).sum())))(xs[0])
    same(third[1, 1, 1], 24 * xs[0, 1])
    assert third.shape == (3, 3, 3)


def test_values_may_be_read() -> None:
    f = lambda x: x * 2 if float(x.sum()) > 0 else x * 3
    same(pg.jacfwd(f)(pg.ones(2)), 2 * np.eye(2))
    same(pg.jacrev(f)(-pg.ones(2)), 3 * np.eye(2))


def test_a_function_is_called_once() -> None:
    calls: list[int] = []

    def f(x: pg.Tensor) -> pg.Tensor:
        calls.append(1)
        return x * x * pg.rand(3)

    pg.jacfwd(f)(t(3)), pg.jacrev(f)(t(3))
    assert len(calls) == 2
    pg.hessian(lambda x: f(x).sum())(t(3))
    assert len(calls) == 3


def test_graphs_do_not_depend_on_the_number_of_parameters() -> None:
    loss = lambda w, x: (pg.tanh(x * w).sum() ** 2) + (w**3).sum()

    def count(f: Any, n: int) -> int:
        return pg.make_trace(lambda w, x: f(loss)(w, x))(t(n), t(n, seed=1)).num_nodes

    for f in (pg.hessian, pg.jacfwd, pg.jacrev, lambda f: pg.fnhessian(f)):
        assert count(f, 10) == count(f, 200) < 200


def test_forms_of_the_original() -> None:
    f = lambda a, b: pg.sin(a) * b
    a, b = t(2), t(2, seed=1)
    outs, (ja, jb) = pg.fnjacobian(f, wrt=[0, 1], return_outs=True)(a, b)
    same(outs, f(a, b))
    same(ja, np.diag(np.cos(a.numpy()) * b.numpy()))
    same(jb, np.diag(np.sin(a.numpy())))
    assert isinstance(pg.fnjacobian(f)(a, b), list) and len(pg.fnjacobian(f)(a, b)) == 1
    many = pg.fnjacobian(lambda p: {"y": p[0] * 2, "z": (p[1],)})((a, b))[0]
    assert many["y"][0].shape == many["z"][0][1].shape == (2, 2)
    assert pg.fnjacobian(lambda x: x.sum() * pg.ones(7, dtype="float64"))(a)[0].shape == (7, 2)

    g = lambda a, b: (pg.sin(a) * b**2).sum()
    value, (ha, hb) = pg.fnhessian(g, wrt=[0, 1], return_outs=True)(a, b)
    same(value, g(a, b))
    same(ha, np.diag(-np.sin(a.numpy()) * b.numpy() ** 2))
    same(hb, np.diag(2 * np.sin(a.numpy())))


@pytest.mark.parametrize("name", ["fnvhp", "fnhvp"])
def test_products_of_the_hessian_with_vectors(name: str) -> None:
    product = getattr(pg, name)
    g = lambda a, p: (pg.sin(a) * p["x"] ** 2 * a.sum()).sum()
    a, p = t(3), {"x": t(3, seed=1)}
    va, vp = t(3, seed=2), {"x": t(3, seed=3)}
    blocks = pg.hessian(g, (0, 1))(a, p)
    rows = [
        blocks[0][0] @ va + blocks[0][1]["x"] @ vp["x"],
        blocks[1]["x"][0] @ va + blocks[1]["x"][1]["x"] @ vp["x"],
    ]
    value, (ha, hp) = product(g, [0, 1], return_outs=True)(a, p, va, vp)
    same((value, ha, hp["x"]), (g(a, p), *rows))
    same(product(g)(a, p, va)[0], blocks[0][0] @ va)
    same(pg.jit(product(g))(a, p, va)[0], blocks[0][0] @ va)
    with pytest.raises(pg.ArgumentError, match="vectors behind the arguments"):
        product(g)(a)
    with pytest.raises(pg.DifferentiationError, match="scalar"):
        product(lambda x: x * x)(a, va)


def test_linearize() -> None:
    f = lambda x, p: {"y": pg.sin(x) * p[0], "n": pg.argmax(x)}
    x, p = t(3), [t(3, seed=1)]
    value, push = pg.linearize(f, x, p)
    same(value["y"], np.sin(x.numpy()) * p[0].numpy())
    for seed in (5, 6):
        v, w = t(3, seed=seed), [t(3, seed=seed + 1)]
        want = pg.jvp(f, [0, 1])(x, p, v, w)
        same(push(v, w)["y"], want["y"])
        assert push(v, w)["n"].dtype == "int64"
    same(pg.vmap(push)(t(4, 3), [t(4, 3)])["y"].shape, (4, 3))
    value, push, aux = pg.linearize(lambda x: (x * x, "aux"), x, has_aux=True)
    assert aux == "aux"
    same(push(pg.ones_like(x)), 2 * x)
    with pytest.raises(pg.ArgumentError, match="takes 1 tangents, got 2"):
        push(x, x)
    with pytest.raises(pg.ShapeError):
        push(t(2))


def test_auxiliary_outputs_and_errors() -> None:
    x = t(3)
    for jacobian in (pg.jacfwd, pg.jacrev, pg.hessian):
        f = lambda x: ((x**2).sum(), {"note": "aux", "x": x})
        result, aux = jacobian(f, has_aux=True)(x)
        assert aux["note"] == "aux" and aux["x"].tolist() == x.tolist() and result.shape[-1] == 3
    for jacobian in (pg.jacfwd, pg.jacrev):
        with pytest.raises(pg.DifferentiationError, match="returned int64"):
            jacobian(lambda x: pg.argmax(x))(x)
        with pytest.raises(pg.DifferentiationError, match="which has no derivative"):
            jacobian(lambda x: x)(pg.Tensor([1, 2]))
        same(jacobian(lambda x: pg.stop_gradient(x) * 1.0)(x), np.zeros((3, 3)))
        assert jacobian(lambda x: x)(pg.zeros((0,))).shape == (0, 0)


def test_mixed_dtypes() -> None:
    f = lambda x, y: (x.astype("float64") * y).sum() + y
    x, y = pg.Tensor([1.0, 2.0]), t(2)
    assert x.dtype == "float32"
    forward, backward = pg.jacfwd(f, (0, 1))(x, y), pg.jacrev(f, (0, 1))(x, y)
    for blocks in (forward, backward):
        same(blocks[0], np.tile(y.numpy(), (2, 1)), 1e-6)
        same(blocks[1], np.array([[2.0, 2.0], [1.0, 3.0]]))
