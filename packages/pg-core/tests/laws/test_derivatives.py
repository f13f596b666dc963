"""Laws of differentiation, in float64: jvp is the limit of differences, vjp its transpose; so again for their
derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from law_tools import arguments, flat, to_tensor
from op_samples import ROWS
from rows import Row, Sample

CASES = [
    pytest.param(row, sample, id=f"{row.name}-{number}.{i}", marks=[pytest.mark.exhaustive] if i else [])
    for number, row in enumerate(ROWS)
    if row.diff and set(row.dtypes) & {"float64", "float32"}
    for i, sample in enumerate(row.samples)
    if all(not isinstance(sample.args[p], list) for p in row.diff if p < len(sample.args))
]


def closed(row: Row, sample: Sample) -> tuple[Any, list[np.ndarray]]:
    """The op as a function of its differentiable arguments, giving a list of floating tensors."""
    args = arguments(row, sample, "float64")
    positions = [p for p in row.diff if p < len(args) and isinstance(args[p], np.ndarray)]
    fixed = [to_tensor(x, "float64") for x in args]

    def f(*values: Any) -> list[Any]:
        given = list(fixed)
        for p, v in zip(positions, values):
            given[p] = v
        return [y for y in flat(row.function(*given, **sample.kwargs)) if y.dtype == "float64"]

    return f, [np.array(args[p], np.float64, order="C") for p in positions]


def directions(arrays: list[np.ndarray], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, a.shape) for a in arrays]


def differences(f: Any, at: list[np.ndarray], along: list[np.ndarray], h: float = 1e-5) -> list[np.ndarray]:
    """Central differences with the error of order h^4."""

    def value(s: float) -> list[np.ndarray]:
        return [y.numpy() for y in f(*[pg.Tensor(a + s * d) for a, d in zip(at, along)])]

    near = [(b - a) / (2 * h) for a, b in zip(value(-h), value(h))]
    far = [(b - a) / (4 * h) for a, b in zip(value(-2 * h), value(2 * h))]
    return [(4 * n - w) / 3 for n, w in zip(near, far)]


def close(got: list[Any], want: list[np.ndarray], tolerance: float, what: str) -> None:
    for g, w in zip(got, want, strict=True):
        scale = max(1.0, float(np.max(np.abs(w), initial=0.0)))
        np.testing.assert_allclose(
            g.numpy() if isinstance(g, pg.Tensor) else g,
            w,
            rtol=tolerance,
            atol=tolerance * scale,
            err_msg=what,
        )


@pytest.mark.parametrize(("row", "sample"), CASES)
def test_jvp_is_the_limit_of_differences(row: Row, sample: Sample) -> None:
    f, at = closed(row, sample)
    along = directions(at, 1)
    wrt = list(range(len(at)))
    got = pg.jvp(f, wrt)(*map(pg.Tensor, at), *map(pg.Tensor, along))
    close(got, differences(f, at, along), 1e-7, row.name)


@pytest.mark.parametrize(("row", "sample"), CASES)
def test_vjp_is_the_transpose_of_jvp(row: Row, sample: Sample) -> None:
    f, at = closed(row, sample)
    along = directions(at, 2)
    wrt = list(range(len(at)))
    outs, tangents = pg.jvp(f, wrt, return_outs=True)(*map(pg.Tensor, at), *map(pg.Tensor, along))
    cts = directions([y.numpy() for y in outs], 3)
    grads = pg.vjp(f, wrt)(*map(pg.Tensor, at), [pg.Tensor(c) for c in cts])
    left = sum(float((c * t.numpy()).sum()) for c, t in zip(cts, tangents))
    right = sum(float((g.numpy() * d).sum()) for g, d in zip(grads, along))
    scale = max(1.0, sum(float(np.abs(c * t.numpy()).sum()) for c, t in zip(cts, tangents)))
    assert abs(left - right) <= 1e-12 * scale, row.name
    for g, a in zip(grads, at):
        assert g.shape == a.shape and g.dtype == "float64"


@pytest.mark.parametrize(("row", "sample"), [c for c in CASES if c.values[0].second])
def test_second_derivatives_are_the_limit_of_differences(row: Row, sample: Sample) -> None:
    f, at = closed(row, sample)
    along = directions(at, 4)
    wrt = list(range(len(at)))
    cts = [pg.Tensor(c) for c in directions([y.numpy() for y in f(*map(pg.Tensor, at))], 5)]

    def gradient(*values: Any) -> list[Any]:
        return pg.vjp(f, wrt)(*values, cts)

    got = pg.jvp(gradient, wrt)(*map(pg.Tensor, at), *map(pg.Tensor, along))
    close(got, differences(gradient, at, along), 1e-6, row.name)
    # reverse over reverse gives the same
    grads = pg.vjp(gradient, wrt)(*map(pg.Tensor, at), [pg.Tensor(d) for d in along])
    close(grads, [g.numpy() for g in got], 1e-10, row.name)
