"""What the op table cannot say of torch's and NumPy's further names."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pytest
from peers import need


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_spacing_agrees_with_numpy(dtype: str, rng: np.random.Generator) -> None:
    x = np.concatenate([rng.normal(size=50), [0.0, 1.0, -1.0, 60000.0, np.inf, np.nan]]).astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):  # np.spacing errs for negative float16
        want = np.nextafter(x, np.copysign(np.array(np.inf, dtype), x)) - x
    assert np.array_equal(pg.spacing(pg.Tensor(x)).numpy(), want, equal_nan=True)


def test_vectorize() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 1, 3, 2)), rng.normal(size=(5, 2))
    f = pg.vectorize(lambda m, v: (m @ v, v.sum()), signature="(n,m),(m)->(n),()")
    product, total = f(pg.Tensor(a), pg.Tensor(b))
    assert np.allclose(product.numpy(), np.einsum("abnk,jk->ajn", a, b))
    assert total.shape == (4, 5) and np.allclose(total.numpy(), np.broadcast_to(b.sum(-1), (4, 5)))
    power = pg.vectorize(lambda x, n: x**n, excluded=(1,))
    assert power(pg.arange(4), 2).tolist() == [0, 1, 4, 9]
    assert pg.jit(power, static_argnums=(1,))(pg.arange(4), 2).tolist() == [0, 1, 4, 9]
    with pytest.raises(pg.ShapeError):
        f(pg.ones((3, 2)), pg.ones(3))
    with pytest.raises(pg.ArgumentError):
        f(pg.ones((3, 2)))
    slope = pg.grad(lambda v: f(pg.Tensor(a), v)[0].sum())(pg.Tensor(b))
    assert np.allclose(slope.numpy(), np.broadcast_to(a.sum((0, 1, 2)), b.shape))


def test_topk_takes_nan_as_the_largest_as_torch_does() -> None:
    torch = need("torch")
    x = np.array([1.0, np.nan, -np.inf, 3.0, -0.0, 0.0, np.inf, 3.0], np.float32)
    for largest in (True, False):
        values, order = pg.topk(pg.Tensor(x), 6, largest=largest)
        want = torch.topk(torch.tensor(x), 6, largest=largest)
        assert np.array_equal(values.numpy(), want.values.numpy(), equal_nan=True)
        assert np.array_equal(x[order.numpy()], values.numpy(), equal_nan=True)
    assert pg.topk(pg.Tensor(x), 4)[1].tolist() == [1, 6, 3, 7]
    assert pg.topk(pg.Tensor([0.0, -0.0, 0.0]), 3)[1].tolist() == [0, 1, 2]


def test_polyfit_says_how_well_it_fits() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=9), rng.normal(size=9)
    fit, residuals, rank, values, rcond = pg.polyfit(pg.Tensor(x), pg.Tensor(y), 2, full=True)
    want = np.polyfit(x, y, 2, full=True)
    for ours, theirs in zip((fit, residuals, rank, values, rcond), want):
        assert np.allclose(ours.numpy(), np.squeeze(theirs))
    for cov in (True, "unscaled"):
        fit, base = pg.polyfit(pg.Tensor(x), pg.Tensor(y), 2, cov=cov)
        assert np.allclose(base.numpy(), np.polyfit(x, y, 2, cov=cov)[1])


def test_roots_drop_zeros() -> None:
    p = [0.0, 0.0, 1.0, -3.0, 2.0, 0.0]
    assert np.allclose(np.sort(pg.roots(pg.Tensor(p)).numpy().real), [0.0, 1.0, 2.0])
    assert pg.roots(pg.Tensor([0.0, 0.0])).shape == (0,)
    with pytest.raises(pg.TraceError):
        pg.jit(pg.roots)(pg.Tensor(p))


def test_roots_have_derivatives(rng: np.random.Generator) -> None:
    p = rng.normal(size=5)

    def f(p):
        return (pg.roots(p, strip_zeros=False) ** 2).sum().real

    x = pg.Tensor(p)
    assert np.allclose(f(x).item(), np.sum(np.roots(p) ** 2).real)
    assert np.allclose(pg.jit(f)(x).item(), f(x).item())
    step = 1e-6 * np.eye(5)
    want = [(np.sum(np.roots(p + h) ** 2).real - np.sum(np.roots(p - h) ** 2).real) / 2e-6 for h in step]
    assert np.allclose(pg.grad(f)(x).numpy(), want, rtol=1e-5, atol=1e-5)
