"""Taylor mode: equal to nested derivatives and to JAX's, at most c * k^2 nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need


def t(*shape: int, seed: int = 0) -> pg.Tensor:
    return pg.Tensor(np.random.default_rng(seed).uniform(0.2, 1.2, shape))


def nested(f: Callable[..., Any], x: pg.Tensor, curve: list[pg.Tensor]) -> list[np.ndarray]:
    """Derivatives of f along the curve, by one jvp inside the other."""

    def along(s: pg.Tensor) -> Any:
        at = x
        for k, term in enumerate(curve, 1):
            at = at + term * s**k / math.factorial(k)
        return f(at)

    out, g = [], along
    for _ in range(len(curve) + 1):
        out.append(g(pg.Tensor(0.0, dtype="float64")).numpy())
        g = lambda s, g=g: pg.jvp(g)(s, pg.ones_like(s))
    return out


w = t(4, 4, seed=9) - 0.7
FUNCTIONS: dict[str, Callable[[pg.Tensor], pg.Tensor]] = {
    "polynomial": lambda x: x**3 + 2.0 * x * x - x,
    "quotient": lambda x: pg.sin(x) / (x + 1.0) - 1.0 / x,
    "tanh network": lambda x: pg.tanh(pg.tanh(x @ w) @ w) @ w,
    "powers": lambda x: x**2.5 + pg.log(x) * pg.sqrt(x) + 2.0**x,
    "exponentials": lambda x: pg.exp(-x * x) * pg.sigmoid(x) + pg.erf(x) + pg.expm1(x) * pg.log1p(x),
    "inverse functions": lambda x: pg.atan(x) + pg.asinh(x) + pg.atan2(x, x + 2.0) + pg.rsqrt(x),
    "softmax": lambda x: pg.softmax(x @ w) * pg.logsumexp(x),
    "layer norm": lambda x: (x - x.mean()) / pg.sqrt(x.var() + 1e-3),
    "max and sort": lambda x: (pg.sin(x) * x).max() * pg.sort(x, descending=True),
    "products": lambda x: pg.cumsum(x * x) * pg.prod(x) + pg.cumprod(x),
    "choices": lambda x: pg.where(x > 0.6, x * x, pg.exp(x)) + pg.maximum(x, 0.6) * pg.abs(x - 0.5),
    "rows": lambda x: (
        pg.take(x * x, pg.Tensor([3, 0, 0, 2])) * x + pg.concatenate([x[1:] * x[:1], x[:1] ** 2])
    ),
    "windows": lambda x: pg.max_pool2d(pg.reshape(x * x, (1, 1, 2, 2)), (1, 2)).sum() * x,
    "convolution": lambda x: pg.conv1d(
        pg.reshape(x, (1, 1, 4)), pg.reshape(x * x, (1, 1, 4)), padding=2
    ).ravel(),
    "constant": lambda x: pg.stop_gradient(x) * pg.floor(x) + 1.0,
    "gradient": pg.grad(lambda x: (pg.tanh(x) * x).sum()),
    "hessian": lambda x: pg.hessian(lambda v: (pg.sin(v) * v.sum()).sum())(x) @ x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [1, 3, pytest.param(4, marks=pytest.mark.exhaustive)])
def test_jet_is_nested_jvp(name: str, order: int) -> None:
    f, x = FUNCTIONS[name], t(4)
    curve = [t(4, seed=k) - 0.6 for k in range(1, order + 1)]
    value, terms = pg.jet(f, (x,), (curve,))
    want = nested(f, x, curve)
    for k, (got, expected) in enumerate(zip([value, *terms], want, strict=True)):
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(
            got.numpy(), expected, rtol=1e-9, atol=1e-11 * scale, err_msg=f"{name} {k}"
        )


def test_as_in_jax() -> None:
    jax = need("jax")
    from jax.experimental.jet import jet

    def f(np_like: Any) -> Any:
        return lambda x, y: np_like.sin(x * y) * np_like.exp(y)

    x, y = t(3).astype("float32"), t(3, seed=1).astype("float32")
    series = [[t(3, seed=k + 3 * i).astype("float32") for k in range(3)] for i in range(2)]
    value, terms = pg.jet(f(pg), (x, y), series)
    theirs, their_terms = jet(
        f(jax.numpy), (x.numpy(), y.numpy()), [[s.numpy() for s in each] for each in series]
    )
    np.testing.assert_allclose(value.numpy(), theirs, rtol=1e-5)
    for got, want in zip(terms, their_terms, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=2e-4, atol=1e-4)


def test_pytrees_numbers_and_integers() -> None:
    f = lambda p, n: {"y": p["a"] * p["b"], "n": n + 1}
    p = {"a": pg.Tensor(2.0), "b": pg.Tensor(3.0)}
    value, terms = pg.jet(f, (p, pg.Tensor(4)), ([{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 2.0}], [0, 0]))
    assert value["y"].item() == 6.0 and value["n"].item() == 5
    assert [x.item() for x in terms["y"]] == [3.0, 4.0]
    assert [x.item() for x in terms["n"]] == [0, 0]


def test_exact_at_special_points() -> None:
    one, zero = pg.Tensor(1.0), pg.Tensor(0.0)
    for power, want in ((3, [0.0, 0.0, 0.0, 6.0]), (2, [0.0, 0.0, 2.0, 0.0]), (1, [0.0, 1.0, 0.0, 0.0])):
        value, terms = pg.jet(lambda x: x**power, (zero,), ([one, zero, zero],))  # noqa: B023
        assert [value.item(), *(x.item() for x in terms)] == want
    value, terms = pg.jet(lambda x: (pg.sin(x) * x).max(), (pg.Tensor([1.0, 2.0]),), ([pg.ones(2)],))
    assert len(terms) == 1


@pytest.mark.parametrize("name", ["tanh network", "softmax", "powers", "layer norm", "exponentials"])
def test_nodes_grow_with_the_square_of_the_order(name: str) -> None:
    f = FUNCTIONS[name]

    def count(order: int) -> int:
        run = lambda x: pg.jet(f, (x,), ([x] + [pg.zeros_like(x)] * (order - 1),))[1][-1]
        return pg.make_trace(run)(t(4)).num_nodes

    counts = {k: count(k) for k in (2, 4, 8)}
    assert counts[8] <= 100 * 8**2
    assert counts[8] / counts[4] < 5.5, counts  # a power of the order, not an exponential
    assert counts[4] / counts[2] < 5.5, counts


def test_under_and_around_other_transforms() -> None:
    f = lambda x: pg.sin(x) * x
    second = lambda x: pg.jet(f, (x,), ([pg.ones_like(x), pg.zeros_like(x)],))[1][1]
    x = t(3)
    want = 2 * np.cos(x.numpy()) - x.numpy() * np.sin(x.numpy())
    np.testing.assert_allclose(second(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(pg.jit(second)(x).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(pg.vmap(second)(x).numpy(), want, rtol=1e-12)
    third = -3 * np.sin(x.numpy()) - x.numpy() * np.cos(x.numpy())
    np.testing.assert_allclose(pg.grad(lambda x: second(x).sum())(x).numpy(), third, rtol=1e-12)
    _, terms = pg.jet(pg.vmap(f), (x,), ([pg.ones_like(x), pg.zeros_like(x)],))
    np.testing.assert_allclose(terms[1].numpy(), want, rtol=1e-12)


def test_taylor_expand() -> None:
    x, at = pg.Tensor(0.3, dtype="float64"), pg.Tensor(0.1, dtype="float64")
    for order in range(6):
        got = pg.taylor_expand(pg.exp, order)(at, x).item()
        want = math.exp(0.1) * sum(0.2**k / math.factorial(k) for k in range(order + 1))
        assert got == pytest.approx(want, rel=1e-14)
    f = lambda p: (p["a"] * p["b"]).sum()
    a, b = {"a": t(2), "b": t(2, seed=1)}, {"a": t(2, seed=2), "b": t(2, seed=3)}
    assert pg.taylor_expand(f, 2)(a, b).item() == pytest.approx(f(b).item())
    assert pg.taylor_expand(f, 1)(a, b).item() != pytest.approx(f(b).item())
    assert pg.jit(pg.taylor_expand(pg.sin, 9))(pg.Tensor(0.0), pg.Tensor(1.0)).item() == pytest.approx(
        math.sin(1)
    )


def test_errors() -> None:
    x = t(2)
    with pytest.raises(pg.InvalidValueError, match="equally many"):
        pg.jet(lambda a, b: a * b, (x, x), ([x], [x, x]))
    with pytest.raises(pg.ArgumentError, match="1 primals but 2 series"):
        pg.jet(lambda a: a, (x,), ([x], [x]))
    with pytest.raises(pg.ArgumentError, match="a list of derivatives"):
        pg.jet(lambda a: a, (x,), (x,))
    with pytest.raises(pg.ShapeError, match="term 1 of argument 0"):
        pg.jet(lambda a: a, (x,), ([t(3)],))
    with pytest.raises(pg.ArgumentError, match="at least 0"):
        pg.taylor_expand(pg.sin, -1)
