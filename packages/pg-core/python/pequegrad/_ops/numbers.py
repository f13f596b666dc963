"""Further elementwise functions, and functions of whole tensors, under NumPy's names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    as_tensor_like,
    axis_of,
    cast,
    elementwise,
    fill,
    reshape_to,
    to_float,
    to_real_float,
)
from .differences import diff
from .elementwise import isnan, trunc
from .logic import equal, where
from .maths import copysign
from .reduce import all as _all
from .reduce import cumsum
from .reduce import sum as _sum
from .selecting import bincount, histogram_bin_edges, searchsorted
from .shape import broadcast_shapes, concatenate, part, ravel, split, tile
from .sorting import argsort, sort

# ---- elementwise


def _nan_loses(op: str, x: TensorLike, y: TensorLike) -> Tensor:
    x, y = as_tensor(x), as_tensor(y)
    made = elementwise(op, x, y)
    if made.dtype.kind != "f":
        return made
    return where(isnan(x), y, where(isnan(y), x, made))


def fmax(x: TensorLike, y: TensorLike) -> Tensor:
    """The larger of two, elementwise; NaN loses against a number.

    >>> pg.fmax(pg.Tensor([1.0, float("nan")]), 0.5).tolist()
    [1.0, 0.5]
    """
    return _nan_loses("maximum", x, y)


def fmin(x: TensorLike, y: TensorLike) -> Tensor:
    """The smaller of two, elementwise; NaN loses against a number.

    >>> pg.fmin(pg.Tensor([1.0, float("nan")]), 0.5).tolist()
    [0.5, 0.5]
    """
    return _nan_loses("minimum", x, y)


def float_power(x: TensorLike, y: TensorLike) -> Tensor:
    """The first to the power of the second as floats, elementwise: negative powers of integers are fractions.

    >>> pg.float_power(pg.Tensor([2, 4]), -1).tolist()
    [0.5, 0.25]
    """
    return elementwise("pow", to_float(x), y)


def modf(x: TensorLike) -> tuple[Tensor, Tensor]:
    """The fraction and the whole part of each element, both with its sign.

    >>> fraction, whole = pg.modf(pg.Tensor([1.5, -2.25]))
    >>> fraction.tolist(), whole.tolist()
    ([0.5, -0.25], [1.0, -2.0])
    """
    x = to_float(x)
    whole = trunc(x)
    fraction = where(_core.apply("isinf", (x,)), 0.0, x - whole)
    return copysign(fraction, x), whole


def isposinf(x: TensorLike) -> Tensor:
    """Which elements are plus infinity.

    >>> pg.isposinf(pg.Tensor([float("inf"), -float("inf")])).tolist()
    [True, False]
    """
    return equal(to_real_float(x, "isposinf"), math.inf)


def isneginf(x: TensorLike) -> Tensor:
    """Which elements are minus infinity.

    >>> pg.isneginf(pg.Tensor([float("inf"), -float("inf")])).tolist()
    [False, True]
    """
    return equal(to_real_float(x, "isneginf"), -math.inf)


def bitwise_count(x: TensorLike) -> Tensor:
    """How many bits of the magnitude of each integer are set, uint8.

    >>> pg.bitwise_count(pg.Tensor([7, -3])).tolist()
    [3, 2]
    """
    x = as_tensor(x)
    if not x.dtype.is_integer:
        raise dt.DTypeError(f"bitwise_count: needs integers, got {x.dtype}; convert with .astype('int64')")
    if x.dtype.kind == "i":
        x = _core.apply("abs", (x,))
        word = {1: dt.uint8, 2: dt.uint16, 4: dt.uint32, 8: dt.uint64}[x.dtype.itemsize]
        x = _core.apply("bitcast", (x,), (word.code,))
    count: Any = fill(0, x)
    for bit in range(8 * x.dtype.itemsize):
        count = count + ((x >> bit) & 1)
    return cast(count, dt.uint8)


def unwrap(
    x: TensorLike, discont: float | None = None, axis: int = -1, period: float = 2 * math.pi
) -> Tensor:
    """Angles along an axis without jumps: differences larger than half a period are changed by periods.

    >>> pg.unwrap(pg.Tensor([0.0, 5.0, 10.0]), period=4.0).tolist()
    [0.0, 1.0, 2.0]
    """
    x = to_float(x)
    at = axis_of(axis, x.ndim, "unwrap")
    if x.shape[at] < 2:
        return x
    half = period / 2
    gaps = diff(x, axis=at)
    turned = (gaps + half) % period - half
    turned = where((turned == -half) & (gaps > 0), half, turned)
    steps = where(
        _core.apply("abs", (gaps,)) < (half if discont is None else max(discont, half)), 0.0, turned - gaps
    )
    first = part(x, at, 0, 1)
    return concatenate([first, part(x, at, 1, x.shape[at]) + cumsum(steps, at)], at)


# ---- whole tensors


def array_equal(x: TensorLike, y: TensorLike, equal_nan: bool = False) -> Tensor:
    """Whether two tensors have one shape and equal elements.

    >>> bool(pg.array_equal(pg.Tensor([1, 2]), [1, 2]))
    True
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.shape != y.shape:
        return _core.full(False, dt.bool_.code, False, (), x.device.pair)
    same = equal(x, y)
    if equal_nan and x.dtype.kind in "fc" and y.dtype.kind in "fc":
        same = same | (isnan(x) & isnan(y))
    return _all(same)


def array_equiv(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether two tensors broadcast to equal ones.

    >>> bool(pg.array_equiv(pg.Tensor([[1, 2], [1, 2]]), [1, 2]))
    True
    """
    x, y = as_tensor(x), as_tensor(y)
    try:
        broadcast_shapes(x.shape, y.shape)
    except ShapeError:
        return _core.full(False, dt.bool_.code, False, (), x.device.pair)
    return _all(equal(x, y))


def promote_types(a: Any, b: Any) -> dt.DType:
    """The dtype in which two dtypes meet.

    >>> pg.promote_types("int8", "uint8")
    int16
    """
    from .datatypes import result_type

    return result_type(dt.as_dtype(a), dt.as_dtype(b))


def partition(x: TensorLike, kth: int, axis: int = -1) -> Tensor:
    """Elements along an axis such that none before place ``kth`` is larger and none behind it smaller than
    the one there. They are sorted, which is one such order.

    >>> pg.partition(pg.Tensor([3, 1, 2]), 1).tolist()
    [1, 2, 3]
    """
    _check_kth(x, kth, axis, "partition")
    return sort(x, axis)


def argpartition(x: TensorLike, kth: int, axis: int = -1) -> Tensor:
    """The indices that bring elements into the order of ``partition``.

    >>> pg.argpartition(pg.Tensor([3, 1, 2]), 1).tolist()
    [1, 2, 0]
    """
    _check_kth(x, kth, axis, "argpartition")
    return argsort(x, axis)


def _check_kth(x: TensorLike, kth: int, axis: int, what: str) -> None:
    x = as_tensor(x)
    length = x.shape[axis_of(axis, x.ndim, what)]
    if not -length <= kth < length:
        raise InvalidValueError(f"{what}: kth = {kth} is out of range for {length} elements")


def resize(x: TensorLike, shape: Any) -> Tensor:
    """The elements in row-major order under another shape, repeated or cut to fit.

    >>> pg.resize(pg.Tensor([1, 2, 3]), (2, 2)).tolist()
    [[1, 2], [3, 1]]
    """
    from .common import positive_shape

    x = ravel(x)
    dims = positive_shape(shape, "resize")
    size = math.prod(dims)
    if x.size == 0 or size == 0:
        return _core.full(0, x.dtype.code, False, dims, x.device.pair)
    return reshape_to(part(tile(x, -(-size // x.size)), 0, 0, size), dims)


def block(parts: Any) -> Tensor:
    """Tensors put together from nested lists: the innermost along the last axis, the next along the one
    before, and so on.

    >>> pg.block([[pg.ones((1, 1)), pg.zeros((1, 1))], [pg.zeros((1, 2))]]).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    def depth(p: Any) -> int:
        if not isinstance(p, list):
            return 0
        if not p:
            raise ArgumentError("block: an empty list holds no tensor")
        return 1 + max(depth(q) for q in p)

    def widest(p: Any) -> int:
        return max(widest(q) for q in p) if isinstance(p, list) else as_tensor(p).ndim

    def joined(p: Any, level: int) -> Tensor:
        if not isinstance(p, list):
            x = as_tensor(p)
            return reshape_to(x, (1,) * (rank - x.ndim) + x.shape)
        return concatenate([joined(q, level + 1) for q in p], rank - levels + level)

    levels = depth(parts)
    rank = max(levels, widest(parts))
    return joined(parts, 0)


def piecewise(
    x: TensorLike, condlist: Sequence[TensorLike], funclist: Sequence[Callable[[Tensor], TensorLike] | float]
) -> Tensor:
    """A function by cases: where a condition holds, its function of x (or its number); one function more
    than conditions is for where none holds, else 0 there. A later condition counts before an earlier one.

    >>> x = pg.Tensor([-1.0, 2.0])
    >>> pg.piecewise(x, [x < 0, x >= 0], [lambda x: -x, 10.0]).tolist()
    [1.0, 10.0]
    """
    x = as_tensor(x)
    if len(funclist) not in (len(condlist), len(condlist) + 1):
        raise ArgumentError(f"piecewise: {len(funclist)} functions for {len(condlist)} conditions")

    def value(f: Any) -> Tensor:
        return cast(as_tensor_like(f(x) if callable(f) else f, x), x.dtype)

    made = value(funclist[-1]) if len(funclist) > len(condlist) else fill(0, x)
    for condition, f in zip(condlist, funclist, strict=False):
        made = where(condition, value(f), made)
    return made


# ---- histograms of several coordinates


def histogramdd(
    sample: TensorLike,
    bins: Any = 10,
    range: Sequence[tuple[float, float]] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """How many points (rows of ``sample``) lie in each cell of a grid, and the edges of the cells along
    each axis; ``bins`` is a number, or a number or edges per axis.

    >>> counts, edges = pg.histogramdd(pg.Tensor([[0.0, 0.0], [1.0, 1.0]]), 2)
    >>> counts.tolist()
    [[1, 0], [0, 1]]
    """
    points = to_float(sample)
    if points.ndim != 2:
        raise ShapeError(f"histogramdd: the points are rows of a matrix, got shape {points.shape}")
    columns = [reshape_to(c, (points.shape[0],)) for c in split(points, points.shape[1], 1)]
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * len(columns)
    if range is not None and (not isinstance(range, (list, tuple)) or len(range) != len(columns)):
        raise ArgumentError(
            f"histogramdd: the range is a pair for each of {len(columns)} axes, got {range!r}"
        )
    if len(each) != len(columns):
        raise ArgumentError(f"histogramdd: {len(each)} bins for {len(columns)} axes")
    edges = [
        histogram_bin_edges(c, b, None if range is None else range[i])
        for i, (c, b) in enumerate(zip(columns, each, strict=True))
    ]
    shape = [e.size - 1 for e in edges]
    cell: Any = 0
    inside: Any = True
    for c, e, n in zip(columns, edges, shape, strict=True):
        place = searchsorted(e, c, side="right") - 1
        place = where(c == e[-1], n - 1, place)
        inside = inside & (place >= 0) & (place < n)
        cell = cell * n + place
    total = math.prod(shape)
    held = reshape_to(bincount(where(inside, cell, total), weights, length=total), shape)
    if density:
        held = cast(held, points.dtype) / cast(_sum(held), points.dtype)
        for i, e in enumerate(edges):
            held = held / reshape_to(diff(e), [shape[i] if j == i else 1 for j in np.arange(len(shape))])
    return held, edges


def histogram2d(
    x: TensorLike,
    y: TensorLike,
    bins: Any = 10,
    range: Sequence[tuple[float, float]] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """How many points (x, y) lie in each cell of a grid, and the edges along both axes.

    >>> pg.histogram2d(pg.Tensor([0.0, 1.0]), pg.Tensor([0.0, 1.0]), 2)[0].tolist()
    [[1, 0], [0, 1]]
    """
    from .shape import stack

    held, (a, b) = histogramdd(stack([ravel(x), ravel(y)], axis=1), bins, range, density, weights)
    return held, a, b
