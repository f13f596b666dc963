"""Order statistics, averages and reductions that leave NaN out, under NumPy's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import (
    Axis,
    TensorLike,
    as_tensor,
    axes_of,
    axis_of,
    cast,
    elementwise,
    fill,
    from_python,
    known,
    reshape_to,
    to_float,
    to_real_float,
)
from .complex import by_parts, conj, real
from .elementwise import ceil, clip, floor, isnan, round
from .indexing import getitem, take, take_along_axis
from .linalg import matmul
from .logic import where
from .maths import sqrt
from .reduce import any as _any
from .reduce import argmax, argmin, cumprod, cumsum, prod
from .reduce import max as _max
from .reduce import mean as _mean
from .reduce import min as _min
from .reduce import sum as _sum
from .shape import broadcast_to, concatenate, expand_dims, moveaxis, ravel, swapaxes
from .sorting import sort


def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The distance from the smallest to the largest element over axes.

    >>> pg.ptp(pg.Tensor([3, 9, 5])).item()
    6
    """
    return _max(x, axis, keepdims) - _min(x, axis, keepdims)


def average(
    x: TensorLike, axis: Axis = None, weights: TensorLike | None = None, *, keepdims: bool = False
) -> Tensor:
    """The mean over axes, weighted when weights are given: of the shape of x, or a vector along one axis.

    >>> pg.average(pg.Tensor([1.0, 4.0]), weights=pg.Tensor([2.0, 1.0])).item()
    2.0
    """
    if weights is None:
        return _mean(x, axis, keepdims)
    x, w = to_float(x), as_tensor(weights)
    if w.shape != x.shape:
        if axis is None or isinstance(axis, (tuple, list)) or w.ndim != 1:
            raise ShapeError(f"average: weights of shape {w.shape} need one axis of shape {x.shape}")
        at = axis_of(axis, x.ndim, "average")
        if w.size != x.shape[at]:
            raise ShapeError(f"average: {w.size} weights for {x.shape[at]} elements along axis {at}")
        w = broadcast_to(reshape_to(w, [w.size if i == at else 1 for i in range(x.ndim)]), x.shape)
    return _sum(x * w, axis, keepdims) / _sum(w, axis, keepdims)


# ---- order statistics


def _lined_up(x: TensorLike, axis: Axis, what: str) -> tuple[Tensor, tuple[int, ...]]:
    """The axes as one last axis, and the shape that keepdims asks for."""
    x = to_float(x)
    axes = axes_of(axis, x.ndim, what)
    others = [i for i in range(x.ndim) if i not in axes]
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ShapeError(f"{what}: no elements along axes {axes} of shape {x.shape}")
    moved = moveaxis(x, axes, tuple(range(len(others), x.ndim))) if axes else x
    return (
        reshape_to(moved, (*[x.shape[i] for i in others], count)),
        tuple(1 if i in axes else d for i, d in enumerate(x.shape)),
    )


# Where the q-quantile of n sorted elements lies, counted from 0 (R. Hyndman and Y. Fan, 1996).
_PLACES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "linear": lambda n, q: (n - 1) * q,
    "lower": lambda n, q: floor((n - 1) * q),
    "higher": lambda n, q: ceil((n - 1) * q),
    "nearest": lambda n, q: round((n - 1) * q),
    "midpoint": lambda n, q: 0.5 * (floor((n - 1) * q) + ceil((n - 1) * q)),
    "inverted_cdf": lambda n, q: ceil(n * q) - 1,
    "weibull": lambda n, q: (n + 1) * q - 1,
    "hazen": lambda n, q: n * q - 0.5,
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "median_unbiased": lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased": lambda n, q: (n + 1 / 4) * q - 5 / 8,
}


def _between(low: Tensor, high: Tensor, part: Tensor) -> Tensor:
    """From low (part 0) to high (part 1); infinities stay where they are met exactly."""
    gap = where(low == high, 0.0, high - low)
    return where(part == 0, low, where(part == 1, high, low + gap * part))


def _quantile(x: TensorLike, q: TensorLike, axis: Axis, method: str, keepdims: bool, skip: bool) -> Tensor:
    what = "nanquantile" if skip else "quantile"
    if not known(method, _PLACES):
        raise InvalidValueError(f"{what}: unknown method {method!r}; the methods are {', '.join(_PLACES)}")
    rows, kept = _lined_up(x, axis, what)
    q = from_python(q, dt.float64)
    flat_q = ravel(q)
    count = rows.shape[-1]
    ordered = sort(rows)
    nans = isnan(rows)
    if skip:
        n = cast(_sum(~nans, axis=-1, keepdims=True), dt.float64)
        place = clip(_PLACES[method](n, flat_q), 0.0, where(n > 0, n - 1.0, 0.0))
    else:
        place = clip(_PLACES[method](float(count), flat_q), 0.0, float(count - 1))
    below = floor(place)
    low = cast(below, dt.int64)
    high = elementwise("minimum", low + 1, count - 1)
    part = cast(place - below, rows.dtype)
    pick = take_along_axis if skip else take
    made = _between(pick(ordered, low, -1), pick(ordered, high, -1), part)
    if not skip:
        made = where(_any(nans, axis=-1, keepdims=True), math.nan, made)
    else:
        made = where(n > 0, made, math.nan)
    made = moveaxis(made, -1, 0)
    return reshape_to(made, (*q.shape, *(kept if keepdims else made.shape[1:])))


def quantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The values below which parts ``q`` (0 to 1) of the elements over axes lie; the axes of q come first.
    NaN makes NaN.

    >>> pg.quantile(pg.Tensor([1.0, 2.0, 3.0, 4.0]), [0.0, 0.5]).tolist()
    [1.0, 2.5]
    """
    return _quantile(x, q, axis, method, keepdims, False)


def percentile(
    x: TensorLike, q: TensorLike, axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The values below which ``q`` per cent of the elements over axes lie.

    >>> pg.percentile(pg.Tensor([1.0, 2.0, 3.0, 4.0]), 50).item()
    2.5
    """
    return quantile(x, from_python(q, dt.float64) / 100.0, axis, method=method, keepdims=keepdims)


def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle element over axes, or the mean of the two in the middle; NaN makes NaN.

    >>> pg.median(pg.Tensor([3.0, 1.0, 2.0])).item()
    2.0
    """
    rows, kept = _lined_up(x, axis, "median")
    count = rows.shape[-1]
    middle = getitem(sort(rows), (Ellipsis, slice((count - 1) // 2, count // 2 + 1)))
    made = where(_any(isnan(rows), axis=-1), math.nan, _mean(middle, axis=-1))
    return reshape_to(made, kept) if keepdims else made


# ---- without NaN


def _without_nan(x: TensorLike, value: float) -> Tensor:
    x = as_tensor(x)
    return where(isnan(x), fill(value, x), x) if x.dtype.kind in "fc" else x


def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements that are no NaN, over axes.

    >>> pg.nansum(pg.Tensor([1.0, float("nan"), 2.0])).item()
    3.0
    """
    return _sum(_without_nan(x, 0), axis, keepdims)


def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product of the elements that are no NaN, over axes.

    >>> pg.nanprod(pg.Tensor([3.0, float("nan"), 2.0])).item()
    6.0
    """
    return prod(_without_nan(x, 1), axis, keepdims)


def nancumsum(x: TensorLike, axis: int | None = None) -> Tensor:
    """The running sum along an axis, NaN counting as 0.

    >>> pg.nancumsum(pg.Tensor([1.0, float("nan"), 2.0])).tolist()
    [1.0, 1.0, 3.0]
    """
    return cumsum(_without_nan(x, 0), axis)


def nancumprod(x: TensorLike, axis: int | None = None) -> Tensor:
    """The running product along an axis, NaN counting as 1.

    >>> pg.nancumprod(pg.Tensor([3.0, float("nan"), 2.0])).tolist()
    [3.0, 3.0, 6.0]
    """
    return cumprod(_without_nan(x, 1), axis)


def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of the elements that are no NaN, over axes; NaN where there are none.

    >>> pg.nanmean(pg.Tensor([1.0, float("nan"), 2.0])).item()
    1.5
    """
    x = to_float(x)
    return nansum(x, axis, keepdims) / cast(_sum(~isnan(x), axis, keepdims), x.dtype)


def nanvar(x: TensorLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The variance of the elements that are no NaN, over axes.

    >>> pg.nanvar(pg.Tensor([1.0, float("nan"), 3.0])).item()
    1.0
    """
    x = to_float(x)
    there = ~isnan(x)
    centred = where(there, x - nanmean(x, axis, keepdims=True), 0.0)
    count = cast(_sum(there, axis, keepdims), x.dtype) - correction
    return where(count > 0, _sum(centred * centred, axis, keepdims) / where(count > 0, count, 1.0), math.nan)


def nanstd(x: TensorLike, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation of the elements that are no NaN, over axes.

    >>> pg.nanstd(pg.Tensor([1.0, float("nan"), 3.0])).item()
    1.0
    """
    return sqrt(nanvar(x, axis, correction, keepdims))


def _nan_extreme(f: Callable[..., Tensor], worst: float, x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    if x.dtype.kind != "f":
        return f(x, axis, keepdims)
    nothing = ~_any(~isnan(x), axis, keepdims)
    return where(nothing, math.nan, f(_without_nan(x, worst), axis, keepdims))


def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element that is no NaN, over axes; NaN where there is none.

    >>> pg.nanmax(pg.Tensor([1.0, float("nan"), 2.0])).item()
    2.0
    """
    return _nan_extreme(_max, -math.inf, x, axis, keepdims)


def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element that is no NaN, over axes; NaN where there is none.

    >>> pg.nanmin(pg.Tensor([1.0, float("nan"), 2.0])).item()
    1.0
    """
    return _nan_extreme(_min, math.inf, x, axis, keepdims)


def _nan_arg(
    f: Callable[..., Tensor], worst: float, x: TensorLike, axis: int | None, keepdims: bool
) -> Tensor:
    x = as_tensor(x)
    found = f(_without_nan(x, worst), axis, keepdims)
    if x.dtype.kind != "f":
        return found
    return where(_any(~isnan(x), axis, keepdims), found, -1)


def nanargmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element that is no NaN, along an axis; -1 where there is none.

    >>> pg.nanargmax(pg.Tensor([1.0, float("nan"), 2.0])).item()
    2
    """
    return _nan_arg(argmax, -math.inf, x, axis, keepdims)


def nanargmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element that is no NaN, along an axis; -1 where there is none.

    >>> pg.nanargmin(pg.Tensor([1.0, float("nan"), 2.0])).item()
    0
    """
    return _nan_arg(argmin, math.inf, x, axis, keepdims)


def nanquantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The quantiles of the elements that are no NaN, over axes; NaN where there are none.

    >>> pg.nanquantile(pg.Tensor([1.0, float("nan"), 3.0]), 0.5).item()
    2.0
    """
    return _quantile(x, q, axis, method, keepdims, True)


def nanpercentile(
    x: TensorLike, q: TensorLike, axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The percentiles of the elements that are no NaN, over axes.

    >>> pg.nanpercentile(pg.Tensor([1.0, float("nan"), 3.0]), 50).item()
    2.0
    """
    return nanquantile(x, from_python(q, dt.float64) / 100.0, axis, method=method, keepdims=keepdims)


def nanmedian(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The median of the elements that are no NaN, over axes.

    >>> pg.nanmedian(pg.Tensor([1.0, float("nan"), 3.0])).item()
    2.0
    """
    return nanquantile(x, 0.5, axis, keepdims=keepdims)


# ---- running sums with a start, and second moments


def _running(
    f: Callable[..., Tensor], first: int, x: TensorLike, axis: Any, dtype: Any, start: bool
) -> Tensor:
    x = as_tensor(x)
    if axis is None:
        if x.ndim > 1:
            raise ArgumentError(f"give an axis: shape {x.shape} has {x.ndim} of them")
        x, axis = ravel(x), 0
    made = f(x, axis, dtype=dtype)
    if not start:
        return made
    at = axis_of(axis, x.ndim, "cumulative")
    shape = (*made.shape[:at], 1, *made.shape[at + 1 :])
    return concatenate([_core.full(first, made.dtype.code, False, shape, made.device.pair), made], at)


def cumulative_sum(
    x: TensorLike, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The running sum along an axis, which only a vector may leave out; ``include_initial`` puts a 0 first.

    >>> pg.cumulative_sum(pg.Tensor([1, 2, 3]), include_initial=True).tolist()
    [0, 1, 3, 6]
    """
    return _running(cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: TensorLike, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The running product along an axis, which only a vector may leave out; ``include_initial`` puts a 1
    first.

    >>> pg.cumulative_prod(pg.Tensor([1, 2, 3]), include_initial=True).tolist()
    [1, 1, 2, 6]
    """
    return _running(cumprod, 1, x, axis, dtype, include_initial)


def cov(
    x: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: float | None = None,
    aweights: TensorLike | None = None,
) -> Tensor:
    """The covariance matrix of variables in rows (in columns unless ``rowvar``), divided by the count less
    ``ddof`` (1, or 0 when ``bias``); ``aweights`` weighs the observations.

    >>> pg.cov(pg.Tensor([[0.0, 2.0], [1.0, 1.0]])).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """

    def table(data: TensorLike) -> Tensor:
        data = to_float(data)
        if data.ndim > 2:
            raise ShapeError(f"cov: needs a vector or a matrix, got shape {data.shape}")
        if data.ndim < 2:
            return reshape_to(data, (1, data.size))
        return data if rowvar else swapaxes(data, 0, 1)

    data = table(x) if y is None else concatenate([table(x), table(y)])
    less = ddof if ddof is not None else 0 if bias else 1
    if aweights is None:
        centred = data - _mean(data, axis=1, keepdims=True)
        made = matmul(centred, swapaxes(conj(centred), 0, 1)) / float(data.shape[1] - less)
    else:
        w = to_real_float(aweights, "cov")
        total = _sum(w)
        centred = data - average(data, 1, w, keepdims=True)
        amount = total - less * _sum(w * w) / total
        made = matmul(centred * expand_dims(w, 0), swapaxes(conj(centred), 0, 1)) / amount
    return reshape_to(made, ()) if made.size == 1 else made


def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor:
    """The matrix of correlation coefficients of variables in rows (in columns unless ``rowvar``).

    >>> pg.corrcoef(pg.Tensor([[0.0, 1.0], [1.0, 0.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    made = cov(x, y, rowvar)
    if made.ndim == 0:
        return made / made
    from .diagonals import diagonal

    spread = sqrt(real(diagonal(made)))
    scaled = made / expand_dims(spread, 1) / expand_dims(spread, 0)
    if scaled.dtype.is_complex:
        return by_parts(lambda part: clip(part, -1.0, 1.0), scaled)
    return clip(scaled, -1.0, 1.0)
