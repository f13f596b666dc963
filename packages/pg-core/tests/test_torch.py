"""Gradients equal torch's, for the ops and small networks that people port."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional
A = (4, 5)

CASES: list[tuple[str, Any, Any, list[tuple[int, ...]]]] = [
    ("exp", pg.exp, torch.exp, [A]),
    ("tanh", pg.tanh, torch.tanh, [A]),
    ("sigmoid", pg.sigmoid, torch.sigmoid, [A]),
    ("gelu", pg.gelu, F.gelu, [A]),
    ("gelu tanh", lambda x: pg.gelu(x, "tanh"), lambda x: F.gelu(x, approximate="tanh"), [A]),
    ("silu", pg.silu, F.silu, [A]),
    ("softplus", pg.softplus, F.softplus, [A]),
    ("softmax", pg.softmax, lambda x: F.softmax(x, -1), [A]),
    ("log_softmax", pg.log_softmax, lambda x: F.log_softmax(x, -1), [A]),
    ("logsumexp", lambda x: pg.logsumexp(x, 1), lambda x: torch.logsumexp(x, 1), [A]),
    ("var", lambda x: pg.var(x, 0, 1), lambda x: torch.var(x, 0), [A]),
    ("std", lambda x: pg.std(x, 1, 1), lambda x: torch.std(x, 1), [A]),
    ("prod", lambda x: pg.prod(x, 1), lambda x: torch.prod(x, 1), [A]),
    ("cumsum", lambda x: pg.cumsum(x, 1), lambda x: torch.cumsum(x, 1), [A]),
    ("cumprod", lambda x: pg.cumprod(x, 1), lambda x: torch.cumprod(x, 1), [A]),
    ("amax", lambda x: pg.max(x, 1), lambda x: torch.amax(x, 1), [A]),
    ("sort", lambda x: pg.sort(x, 1), lambda x: torch.sort(x, 1).values, [A]),
    ("div", pg.divide, torch.div, [A, A]),
    ("pow", lambda x, y: pg.power(pg.abs(x) + 0.1, y), lambda x, y: torch.pow(x.abs() + 0.1, y), [A, A]),
    ("atan2", pg.atan2, torch.atan2, [A, A]),
    ("maximum", pg.maximum, torch.maximum, [A, A]),
    ("where", lambda x, y: pg.where(x > y, x, y * 2.0), lambda x, y: torch.where(x > y, x, y * 2.0), [A, A]),
    ("matmul", pg.matmul, torch.matmul, [(2, 4, 5), (5, 3)]),
    ("einsum", lambda x, y: pg.einsum("bij,bjk->bik", x, y), lambda x, y: torch.einsum("bij,bjk->bik", x, y), [(2, 4, 5), (2, 5, 3)]),
    ("index", lambda x: x[[0, 2, 0]], lambda x: x[[0, 2, 0]], [A]),
    ("gather", lambda x: pg.take_along_axis(x, pg.Tensor([[0, 1], [4, 4], [2, 2], [3, 0]]), 1), lambda x: torch.gather(x, 1, torch.tensor([[0, 1], [4, 4], [2, 2], [3, 0]])), [A]),
    ("slice", lambda x: x[1:, ::2], lambda x: x[1:, ::2], [A]),
    ("pad", lambda x: pg.pad(x, ((0, 0), (1, 2))), lambda x: F.pad(x, (1, 2)), [A]),
    ("conv2d", lambda x, w, b: pg.conv2d(x, w, b, 2, 1), lambda x, w, b: F.conv2d(x, w, b, 2, 1), [(2, 3, 7, 8), (4, 3, 3, 3), (4,)]),
    ("conv2d groups", lambda x, w: pg.conv2d(x, w, None, (2, 1), (1, 2), (1, 2), 2), lambda x, w: F.conv2d(x, w, None, (2, 1), (1, 2), (1, 2), 2), [(2, 4, 7, 9), (6, 2, 3, 3)]),
    ("conv2d depthwise", lambda x, w: pg.conv2d(x, w, None, 1, 1, 1, 4), lambda x, w: F.conv2d(x, w, None, 1, 1, 1, 4), [(2, 4, 6, 6), (4, 1, 3, 3)]),
    ("max_pool2d", lambda x: pg.max_pool2d(x, 3, 2, 1), lambda x: F.max_pool2d(x, 3, 2, 1), [(2, 3, 7, 8)]),
    ("max_pool2d overlap", lambda x: pg.max_pool2d(x, 3, 1), lambda x: F.max_pool2d(x, 3, 1), [(2, 3, 7, 8)]),
    ("avg_pool2d", lambda x: pg.avg_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1), [(2, 3, 7, 8)]),
    ("avg_pool2d exclude", lambda x: pg.avg_pool2d(x, 3, 2, 1, False, False), lambda x: F.avg_pool2d(x, 3, 2, 1, False, False), [(2, 3, 7, 8)]),
    ("nearest", lambda x: pg.interpolate(x, (9, 5)), lambda x: F.interpolate(x, (9, 5)), [(1, 2, 6, 7)]),
    ("bilinear", lambda x: pg.interpolate(x, (9, 5), mode="bilinear"), lambda x: F.interpolate(x, (9, 5), mode="bilinear"), [(1, 2, 6, 7)]),
    ("bilinear corners", lambda x: pg.interpolate(x, (9, 5), mode="bilinear", align_corners=True), lambda x: F.interpolate(x, (9, 5), mode="bilinear", align_corners=True), [(1, 2, 6, 7)]),
    ("cross entropy", lambda x, y: pg.cross_entropy_loss_probs(x, pg.softmax(y)), lambda x, y: F.cross_entropy(x, F.softmax(y, -1)), [A, A]),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "ours", "theirs", "shapes"), CASES, ids=[c[0] for c in CASES])
def test_value_and_gradients(
    name: str, ours: Any, theirs: Any, shapes: list[tuple[int, ...]], dtype: str, rng: np.random.Generator
) -> None:
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    given = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    want = theirs(*given)
    ct = rng.standard_normal(tuple(want.shape)).astype(dtype)
    want.backward(torch.from_numpy(ct) if want.ndim else torch.tensor(ct, dtype=want.dtype))
    out, grads = pg.vjp(ours, list(range(len(arrays))), return_outs=True)(
        *map(pg.Tensor, arrays), pg.Tensor(ct)
    )
    tolerance = 1e-12 if dtype == "float64" else 3e-5
    np.testing.assert_allclose(out.numpy(), want.detach().numpy(), rtol=tolerance, atol=tolerance)
    for g, t in zip(grads, given):
        np.testing.assert_allclose(g.numpy(), t.grad.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


def test_a_small_network_and_its_hessian_vector_product(rng: np.random.Generator) -> None:
    shapes = [(8, 1, 3, 3), (8,), (8 * 9, 5), (5,)]
    params = [rng.standard_normal(s) * 0.3 for s in shapes]
    x, y = rng.standard_normal((6, 1, 8, 8)), rng.integers(0, 5, 6)
    v = [rng.standard_normal(s) for s in shapes]

    def ours(w1, b1, w2, b2):
        h = pg.max_pool2d(pg.tanh(pg.conv2d(pg.Tensor(x), w1, b1)), 2)
        return pg.cross_entropy_loss_probs(h.reshape(6, -1) @ w2 + b2, pg.one_hot(5, pg.Tensor(y), "float64"))

    def theirs(w1, b1, w2, b2):
        h = F.max_pool2d(torch.tanh(F.conv2d(torch.tensor(x), w1, b1)), 2)
        return F.cross_entropy(h.reshape(6, -1) @ w2 + b2, torch.tensor(y))

    got = pg.jvp(lambda *p: pg.grad(ours, (0, 1, 2, 3))(*p), [0, 1, 2, 3])(
        *map(pg.Tensor, params), *map(pg.Tensor, v)
    )
    want = torch.autograd.functional.hvp(
        theirs, tuple(map(torch.tensor, params)), tuple(map(torch.tensor, v))
    )[1]
    for g, w in zip(got, want):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-9, atol=1e-11)
