"""Monte-Carlo integration: the mean of a function at random points, with its standard error.

f takes many points at once: an array ``(points, dimensions)``, and returns ``(points, ...)``; what it returns
behind the first axis is integrated elementwise. Estimates are ordinary tensors: they are differentiable by
whatever f closes over and by the bounds, and with an explicit key they are pure functions.

>>> from pequegrad import integrate
>>> disc = lambda p: (p * p).sum(-1) < 1.0
>>> area = integrate.monte_carlo(disc, [(-1, 1), (-1, 1)], 20_000, pg.random.key(0))
>>> abs(area.value.item() - 3.14159) < 4 * area.error.item()
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import dt, random
from ._core import Tensor
from ._ops.common import TensorLike, as_tensor, cast, from_python, reshape_to
from ._ops.maths import sqrt
from ._ops.reduce import mean, sum, var
from .errors import ArgumentError, InvalidValueError, ShapeError

Function = Callable[[Tensor], Tensor]
Bounds = TensorLike  # (low, high), or one such pair per dimension


class Estimate(NamedTuple):
    """An integral and its standard error (one standard deviation of the estimate).

    >>> integrate = pg.integrate.monte_carlo(lambda p: p[:, 0] * 0.0 + 2.0, (0.0, 3.0), 10)
    >>> integrate.value.item(), integrate.error.item()
    (6.0, 0.0)
    """

    value: Tensor
    error: Tensor


def monte_carlo(
    f: Function, bounds: Bounds, samples: int, key: TensorLike | None = None, dtype: Any = "float32"
) -> Estimate:
    """The integral of f over a box from points spread evenly at random; the error falls as 1/sqrt(samples).

    Args:
        f: takes points ``(samples, dimensions)``, returns ``(samples, ...)``.
        bounds: ``(low, high)`` for one dimension, else a pair for each; numbers or tensors.
        samples: how many points, at least 2.
        key: of ``pg.random``; without it the generator of the thread draws.

    >>> found = pg.integrate.monte_carlo(lambda p: p[:, 0] ** 2, (0.0, 3.0), 4000, pg.random.key(1))
    >>> abs(found.value.item() - 9.0) < 4 * found.error.item()
    True
    """
    low, high = _box(bounds, dtype, "monte_carlo")
    count = _count(samples, 2, "monte_carlo")
    unit = random.uniform(key, (count, low.size), low.dtype)
    y = _values(f, low + (high - low) * unit, count, "monte_carlo")
    volume = (high - low).prod()
    return Estimate(volume * mean(y, 0), abs(volume) * sqrt(var(y, 0, correction=1) / float(count)))


def stratified(
    f: Function,
    bounds: Bounds,
    samples: int,
    key: TensorLike | None = None,
    strata: int | Sequence[int] | None = None,
    dtype: Any = "float32",
) -> Estimate:
    """The integral over a box cut into equal cells with the same number of points in each: the differences
    between cells no longer count as noise.

    Args:
        strata: cells per dimension, by default as many as leave two points in each. At least two points fall
            into a cell, which the estimate of the error needs; ``samples`` is rounded up to fill all cells.

    >>> f = lambda p: pg.exp(p[:, 0])
    >>> plain = pg.integrate.monte_carlo(f, (0.0, 1.0), 1000, pg.random.key(0))
    >>> cut = pg.integrate.stratified(f, (0.0, 1.0), 1000, pg.random.key(0))
    >>> cut.error.item() < 0.02 * plain.error.item()
    True
    """
    low, high = _box(bounds, dtype, "stratified")
    count, dimensions = _count(samples, 2, "stratified"), low.size
    if strata is None:
        strata = max(1, math.floor((count / 2) ** (1 / dimensions) + 1e-9))
    cells = (strata,) * dimensions if isinstance(strata, (int, np.integer)) else tuple(strata)
    if len(cells) != dimensions or not all(isinstance(n, (int, np.integer)) and n > 0 for n in cells):
        raise InvalidValueError(
            f"integrate.stratified: strata is a positive number, or one for each of {dimensions} dimensions, "
            f"got {strata!r}"
        )
    number = math.prod(cells)
    each = max(2, -(-count // number))
    corners = np.stack(np.meshgrid(*[np.arange(n) for n in cells], indexing="ij"), -1)
    corners = corners.reshape(number, 1, dimensions)
    unit = random.uniform(key, (number, each, dimensions), low.dtype)
    sizes = cast(from_python(np.array(cells, np.float64)), low.dtype)
    inside = (cast(from_python(corners), low.dtype) + unit) / sizes
    points = reshape_to(low + (high - low) * inside, (number * each, dimensions))
    y = _values(f, points, number * each, "stratified")
    y = reshape_to(y, (number, each, *y.shape[1:]))
    volume = (high - low).prod()
    spread = sum(var(y, 1, correction=1), 0) / float(each)
    return Estimate(volume * mean(mean(y, 1), 0), abs(volume) * sqrt(spread) / float(number))


def importance(
    f: Function,
    sample: Callable[[Tensor, int], Tensor],
    density: Function,
    samples: int,
    key: TensorLike | None = None,
) -> Estimate:
    """The integral of f over the space where ``density`` is positive, from points drawn with that density.

    Args:
        sample: ``sample(key, n)`` draws n points ``(n, dimensions)`` (or ``(n,)``).
        density: of points, normalised; f must vanish where it does. The nearer to proportional to f, the
            smaller the error.

    >>> normal = lambda p: pg.exp(-0.5 * p[:, 0] ** 2) / 2.5066283
    >>> draw = lambda key, n: pg.random.normal(key, (n, 1))
    >>> f = lambda p: p[:, 0] ** 2 * normal(p)
    >>> moment = pg.integrate.importance(f, draw, normal, 4000, pg.random.key(0))
    >>> abs(moment.value.item() - 1.0) < 4 * moment.error.item()
    True
    """
    count = _count(samples, 2, "importance")
    k = random.default().next_key() if key is None else key
    points = as_tensor(sample(k, count))
    if points.ndim == 0 or points.shape[0] != count:
        raise ShapeError(f"integrate.importance: sample gave shape {points.shape} for {count} points")
    y, p = _values(f, points, count, "importance"), as_tensor(density(points))
    if p.shape != (count,):
        raise ShapeError(f"integrate.importance: density gave shape {p.shape}, it needs ({count},)")
    ratio = y / reshape_to(p, (count, *[1] * (y.ndim - 1)))
    return Estimate(mean(ratio, 0), sqrt(var(ratio, 0, correction=1) / float(count)))


def _count(samples: Any, least: int, what: str) -> int:
    if isinstance(samples, bool) or not isinstance(samples, (int, np.integer)) or samples < least:
        raise InvalidValueError(
            f"integrate.{what}: samples is an integer of at least {least}, got {samples!r}"
        )
    return int(samples)


def _box(bounds: Bounds, dtype: Any, what: str) -> tuple[Tensor, Tensor]:
    kind = dt.as_dtype(dtype)
    if kind.kind != "f":
        raise InvalidValueError(f"integrate.{what}: dtype is a floating type, got {kind}")
    box = as_tensor(bounds)
    if box.ndim == 1:
        box = reshape_to(box, (1, *box.shape))
    if box.ndim != 2 or box.shape[1] != 2 or box.shape[0] == 0:
        raise ShapeError(
            f"integrate.{what}: bounds are (low, high), or one such pair for each dimension; got shape "
            f"{box.shape}"
        )
    box = cast(box, kind)
    return box[:, 0], box[:, 1]


def _values(f: Function, points: Tensor, count: int, what: str) -> Tensor:
    if not callable(f):
        raise ArgumentError(f"integrate.{what}: takes a function, got {type(f).__name__}")
    y = as_tensor(f(points))
    if y.ndim == 0 or y.shape[0] != count:
        raise ShapeError(
            f"integrate.{what}: f takes points of shape {points.shape} and returns a value for each; it "
            f"returned shape {y.shape}"
        )
    return y if y.dtype.kind == "f" else cast(y, points.dtype)
