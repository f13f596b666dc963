"""Laws between derivatives, in float64: reverse mode is the transpose of forward mode, and the second derivative
is the same by both nestings. (That they are the limits of differences is in the matrix.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from differences import on_grid
from law_tools import Bound, bind
from op_samples import ROWS
from rows import Row

CASES = [
    pytest.param(
        row, i, id=f"{row.name}{'-' if row.why else ''}{row.why}-{i}", marks=[pytest.mark.exhaustive]
    )
    for row in ROWS
    if "float64" in row.dtypes and not row.typed and row.out not in ("bool", "int64")
    for i in range(len(row.samples))
]


def opened(bound: Bound) -> tuple[Any, list[Any]]:
    """The floating results as a function of the differentiable arrays, and where."""
    fixed = bound.tensors()

    def f(*given: Any) -> list[Any]:
        arrays = list(fixed)
        for i, x in zip(bound.wrt, given):
            arrays[i] = x
        return [y for y in bound.ours(*arrays) if y.dtype == "float64"]

    return f, [fixed[i] for i in bound.wrt]


def drawn(like: list[Any], seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [pg.Tensor(on_grid(rng, np.zeros(x.shape))) for x in like]


def inner(xs: list[Any], ys: list[Any]) -> tuple[float, float]:
    """The inner product, and the size of its terms."""
    terms = [(x.numpy() * y.numpy()).reshape(-1) for x, y in zip(xs, ys, strict=True)]
    flat = np.concatenate([np.zeros(0), *terms])
    return float(flat.sum()), float(np.abs(flat).sum())


@pytest.mark.parametrize(("row", "index"), CASES)
def test_derivatives_agree(row: Row, index: int) -> None:
    f, at = opened(bind(row, index, "float64", grid=True))
    if not at:
        return
    wrt = list(range(len(at)))
    along = drawn(at, 1)
    outs, rates = pg.jvp(f, wrt, return_outs=True)(*at, *along)
    cts = drawn(outs, 2)

    def gradient(*xs: Any) -> list[Any]:
        return pg.vjp(f, wrt)(*xs, cts)

    grads = gradient(*at)
    (left, size), (right, _) = inner(cts, rates), inner(grads, along)
    assert abs(left - right) <= 1e-12 * max(1.0, size), "forward and reverse mode differ"
    for g, x in zip(grads, at):
        assert g.shape == x.shape and g.dtype == x.dtype
    forward = pg.jvp(gradient, wrt)(*at, *along)
    reverse = pg.vjp(gradient, wrt)(*at, along)
    for a, b in zip(forward, reverse, strict=True):
        scale = max(1.0, float(np.max(np.abs(b.numpy()), initial=0.0)))
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-10 * scale)
