"""Reductions over every subset of axes, with extents 1 and 0 among them: values and gradients against NumPy.

An axis of one element is where an index can be written in several ways, so it is kept and reduced, alone and
between others, eager and compiled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
import pytest

Array = np.ndarray[Any, Any]
SHAPES = [(1, 2, 5, 5), (2, 1, 1, 3), (3, 1, 4, 1), (1, 1, 1), (2, 1, 3), (1, 3), (1,), (0, 3), (1, 0, 2)]


class Row(NamedTuple):
    """A function of x and axes, and in NumPy its value and the gradient of sum(weights * value)."""

    call: Callable[..., Any]
    value: Callable[..., Array]
    gradient: Callable[..., Array]
    empty: bool = True  # defined over no elements


def exp_sum(x: Array, axis: tuple[int, ...]) -> Array:
    return np.exp(x).sum(axis, keepdims=True)


def soft(x: Array, axis: tuple[int, ...]) -> Array:
    return np.exp(x) / exp_sum(x, axis)


def soft_gradient(x: Array, axis: tuple[int, ...], w: Array) -> Array:
    y = soft(x, axis)
    return y * (w - (w * y).sum(axis, keepdims=True))


def without(x: Array, axis: tuple[int, ...]) -> Array:
    """The product of all other elements over the axes."""
    return np.prod(x, axis, keepdims=True) / x


def only_one(x: Array, axis: tuple[int, ...], w: Array) -> Array:
    return np.where(x == x.max(axis, keepdims=True), w, 0)


def count(x: Array, axis: tuple[int, ...]) -> int:
    return int(np.prod([x.shape[a] for a in axis], dtype=int))


def spread(x: Array, axis: tuple[int, ...]) -> Array:
    return x - x.mean(axis, keepdims=True)


ROWS = {
    "sum": Row(pg.sum, np.sum, lambda x, axis, w: w + 0 * x),
    "mean": Row(pg.mean, np.mean, lambda x, axis, w: w / count(x, axis) + 0 * x, empty=False),
    "prod": Row(pg.prod, np.prod, lambda x, axis, w: w * without(x, axis)),
    "max": Row(pg.max, np.max, only_one, empty=False),
    "var": Row(pg.var, np.var, lambda x, axis, w: w * 2 * spread(x, axis) / count(x, axis), empty=False),
    "norm": Row(
        pg.norm,
        lambda x, axis, keepdims: np.sqrt((x * x).sum(axis, keepdims=keepdims)),
        lambda x, axis, w: w * x / np.sqrt((x * x).sum(axis, keepdims=True)),
    ),
    "norm 1": Row(
        lambda x, axis, keepdims: pg.norm(x, 1, axis, keepdims),
        lambda x, axis, keepdims: np.abs(x).sum(axis, keepdims=keepdims),
        lambda x, axis, w: w * np.sign(x),
    ),
    "norm inf": Row(
        lambda x, axis, keepdims: pg.norm(x, np.inf, axis, keepdims),
        lambda x, axis, keepdims: np.abs(x).max(axis, keepdims=keepdims),
        lambda x, axis, w: only_one(np.abs(x), axis, w) * np.sign(x),
        empty=False,
    ),
    "logsumexp": Row(
        pg.logsumexp,
        lambda x, axis, keepdims: np.log(np.exp(x).sum(axis, keepdims=keepdims)),
        lambda x, axis, w: w * soft(x, axis),
    ),
    "softmax": Row(
        lambda x, axis, keepdims: pg.softmax(x, axis), lambda x, axis, keepdims: soft(x, axis), soft_gradient
    ),
    "log_softmax": Row(
        lambda x, axis, keepdims: pg.log_softmax(x, axis),
        lambda x, axis, keepdims: x - np.log(exp_sum(x, axis)),
        lambda x, axis, w: w - soft(x, axis) * w.sum(axis, keepdims=True),
    ),
    "centred": Row(  # the value beside the reduction that it reads, in one group
        lambda x, axis, keepdims: (x - pg.sum(x, axis, True)) * pg.exp(x),
        lambda x, axis, keepdims: (x - x.sum(axis, keepdims=True)) * np.exp(x),
        lambda x, axis, w: (
            w * np.exp(x) * (1 + x - x.sum(axis, keepdims=True))
            - (w * np.exp(x)).sum(axis, keepdims=True)
        ),
    ),
}  # fmt: skip


def subsets(rank: int) -> list[tuple[int, ...]]:
    return [a for n in range(rank + 1) for a in itertools.combinations(range(rank), n)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ROWS)
@np.errstate(divide="ignore", invalid="ignore")
def test_every_subset_of_axes(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    row = ROWS[name]
    x = rng.uniform(0.5, 2, shape) * rng.choice([-1.0, 1.0], shape)
    for axis, keepdims in itertools.product(subsets(len(shape)), (False, True)):
        if not row.empty and count(x, axis) == 0:
            continue
        want = np.asarray(row.value(x, axis=axis, keepdims=keepdims))
        kept = np.asarray(row.value(x, axis=axis, keepdims=True))
        weights = rng.standard_normal(kept.shape)
        gradient = row.gradient(x, axis, weights)
        w = pg.Tensor(weights.reshape(want.shape))

        def f(a: Any) -> Any:
            return row.call(a, axis=axis, keepdims=keepdims)  # noqa: B023

        def weighted(a: Any) -> Any:
            return (f(a) * w).sum()  # noqa: B023

        given = pg.Tensor(x)
        for got in (f(given), pg.jit(f)(given), pg.vmap(f)(pg.Tensor(x[None]))[0]):
            np.testing.assert_allclose(got.numpy(), want, 1e-12, 1e-12, err_msg=f"{axis} {keepdims}")
        for got in (pg.grad(weighted)(given), pg.jit(pg.grad(weighted))(given)):
            np.testing.assert_allclose(got.numpy(), gradient, 1e-10, 1e-10, err_msg=f"{axis} {keepdims}")
