"""Reductions and cumulative ops under NumPy's names; ``dim`` and ``keepdim`` are accepted spellings.

Sums and products of integers narrower than 64 bits are (u)int64; means of integers are float32.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import ShapeError
from .common import (
    Axis,
    TensorLike,
    as_tensor,
    axes_of,
    axis_of,
    cast,
    elementwise,
    fill,
    iota,
    reshape_to,
    spelled,
    stated,
    to_float,
)
from .complex import abs_squared
from .elementwise import isnan
from .logic import where
from .maths import exp, log, sqrt


def _kept(shape: tuple[int, ...], axes: Sequence[int]) -> list[int]:
    return [1 if i in axes else d for i, d in enumerate(shape)]


def _reduce(op: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    return _core.reduce(op, x, axis, keepdims)


def _names(axis: Any, keepdims: bool, dim: Any, keepdim: bool | None, what: str) -> tuple[Any, bool]:
    return spelled(axis, None, dim, "axis/dim", what), spelled(
        keepdims, False, keepdim, "keepdims/keepdim", what
    )


def _wide(x: Tensor, dtype: Any) -> Tensor:
    """The operand in the dtype in which it is added up."""
    if dtype is not None:
        return cast(x, dt.as_dtype(dtype))
    if x.dtype.kind in "bi":
        return cast(x, dt.int64)
    return cast(x, dt.uint64) if x.dtype.kind == "u" else x


def sum(
    x: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: Any = None,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The sum over axes (all when None).

    >>> pg.sum(pg.Tensor([[1, 2], [3, 4]]), axis=0).tolist()
    [4, 6]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "sum")
    return _reduce("reduce_sum", _wide(as_tensor(x), dtype), axis, keepdims)


def prod(
    x: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: Any = None,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The product over axes.

    >>> pg.prod(pg.Tensor([2, 3, 4])).item()
    24
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "prod")
    return _reduce("reduce_prod", _wide(as_tensor(x), dtype), axis, keepdims)


def mean(
    x: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: Any = None,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The mean over axes; half-width floats are added up in float32.

    >>> pg.mean(pg.Tensor([1, 2])).item()
    1.5
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "mean")
    x = to_float(x) if dtype is None else cast(as_tensor(x), dt.as_dtype(dtype))
    axes = axes_of(axis, x.ndim, "mean")
    count = math.prod(x.shape[a] for a in axes)
    wide = cast(x, dt.float32) if x.dtype.itemsize == 2 else x
    total = _reduce("reduce_sum", wide, axes, keepdims)
    return cast(total / float(count) if count else total * math.nan, x.dtype)


def var(
    x: TensorLike,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    *,
    ddof: float | None = None,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The variance over axes: squared distance from the mean, added up and divided by ``count - correction``.

    >>> pg.var(pg.Tensor([1.0, 3.0])).item(), pg.var(pg.Tensor([1.0, 3.0]), correction=1).item()
    (1.0, 2.0)
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "var")
    correction = spelled(correction, 0, ddof, "correction/ddof", "var")
    x = to_float(x)
    axes = axes_of(axis, x.ndim, "var")
    wide = cast(x, dt.float32) if x.dtype.itemsize == 2 else x
    centred = wide - mean(wide, axes, keepdims=True)
    total = _reduce("reduce_sum", abs_squared(centred), axes, keepdims)
    count = builtins.max(float(math.prod(x.shape[a] for a in axes) - correction), 0.0)
    return cast(total / count, x.dtype.real)


def std(
    x: TensorLike,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    *,
    ddof: float | None = None,
    dim: Axis = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The standard deviation over axes: the root of the variance.

    >>> pg.std(pg.Tensor([1.0, 3.0])).item()
    1.0
    """
    return sqrt(var(x, axis, correction, keepdims, ddof=ddof, dim=dim, keepdim=keepdim))


def var_mean(
    x: TensorLike, axis: Axis = None, correction: float = 1, keepdims: bool = False, *, dim: Axis = None
) -> tuple[Tensor, Tensor]:
    """The variance, divided by ``count - correction``, and the mean over axes.

    >>> [t.item() for t in pg.var_mean(pg.Tensor([1.0, 3.0]))]
    [2.0, 2.0]
    """
    axis = spelled(axis, None, dim, "axis/dim", "var_mean")
    return var(x, axis, correction, keepdims), mean(x, axis, keepdims)


def std_mean(
    x: TensorLike, axis: Axis = None, correction: float = 1, keepdims: bool = False, *, dim: Axis = None
) -> tuple[Tensor, Tensor]:
    """The standard deviation, by ``count - correction``, and the mean over axes.

    >>> [t.item() for t in pg.std_mean(pg.Tensor([1.0, 3.0]), correction=0)]
    [1.0, 2.0]
    """
    axis = spelled(axis, None, dim, "axis/dim", "std_mean")
    return std(x, axis, correction, keepdims), mean(x, axis, keepdims)


def _extreme(op: str, x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    what = op.removeprefix("reduce_")
    axes = axes_of(axis, x.ndim, what)
    if builtins.any(x.shape[a] == 0 for a in axes):
        raise ShapeError(
            f"{what}: no elements along axis {axes} of shape {x.shape}; an empty {what} has no value"
        )
    if x.dtype.is_bool:
        return _reduce("reduce_any" if what == "max" else "reduce_all", x, axes, keepdims)
    return _reduce(op, x, axes, keepdims)


def max(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool | None = None
) -> Tensor:
    """The largest element over axes; NaN wins. The gradient of ties is split evenly.

    >>> pg.max(pg.Tensor([[1, 5], [7, 2]]), axis=1).tolist()
    [5, 7]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "max")
    return _extreme("reduce_max", x, axis, keepdims)


def min(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool | None = None
) -> Tensor:
    """The smallest element over axes; NaN wins. The gradient of ties is split evenly.

    >>> pg.min(pg.Tensor([[1, 5], [7, 2]]), axis=1).tolist()
    [1, 2]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "min")
    return _extreme("reduce_min", x, axis, keepdims)


def aminmax(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None
) -> tuple[Tensor, Tensor]:
    """The smallest and the largest element over axes.

    >>> [t.item() for t in pg.aminmax(pg.Tensor([3, 1, 2]))]
    [1, 3]
    """
    axis = spelled(axis, None, dim, "axis/dim", "aminmax")
    return min(x, axis, keepdims), max(x, axis, keepdims)


def any(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool | None = None
) -> Tensor:
    """Whether an element is nonzero, over axes.

    >>> pg.any(pg.Tensor([[0, 0], [0, 3]]), axis=1).tolist()
    [False, True]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "any")
    x = as_tensor(x)
    return _reduce("reduce_any", x if x.dtype.is_bool else x != 0, axis, keepdims)


def all(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool | None = None
) -> Tensor:
    """Whether every element is nonzero, over axes.

    >>> pg.all(pg.Tensor([[1, 2], [0, 3]]), axis=1).tolist()
    [True, False]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "all")
    x = as_tensor(x)
    return _reduce("reduce_all", x if x.dtype.is_bool else x != 0, axis, keepdims)


def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements are nonzero, over axes.

    >>> pg.count_nonzero(pg.Tensor([0, 2, 3])).item()
    2
    """
    x = as_tensor(x)
    return sum(x if x.dtype.is_bool else x != 0, axis, keepdims)


def _arg_extreme(what: str, x: TensorLike, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    rank = x.ndim
    if axis is None:
        x, at = reshape_to(x, (x.size,)), 0
    else:
        at = axis_of(axis, rank, f"arg{what}")
    length = x.shape[at]
    if length == 0:
        raise ShapeError(
            f"arg{what}: no elements along axis {at} of shape {x.shape}; an empty axis has no arg{what}"
        )
    if x.dtype.is_bool:
        x = cast(x, dt.uint8)
    best = _extreme("reduce_" + what, x, at, True)
    found = elementwise("equal", x, best)
    if x.dtype.kind == "f":
        found = found | isnan(x)  # the first NaN, as NumPy
    index = iota(x.shape, at, dt.int64, x.device.pair)
    first = _reduce("reduce_min", where(found, index, length), at, keepdims)
    return reshape_to(first, [1] * rank) if axis is None and keepdims else first


def argmax(
    x: TensorLike,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The index of the first largest element along an axis (of the flattened tensor when None), int64.

    >>> pg.argmax(pg.Tensor([[1, 9], [8, 2]]), axis=1).tolist()
    [1, 0]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "argmax")
    return _arg_extreme("max", x, axis, keepdims)


def argmin(
    x: TensorLike,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool | None = None,
) -> Tensor:
    """The index of the first smallest element along an axis (of the flattened tensor when None), int64.

    >>> pg.argmin(pg.Tensor([[1, 9], [8, 2]]), axis=1).tolist()
    [0, 1]
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "argmin")
    return _arg_extreme("min", x, axis, keepdims)


def _cumulative(
    op: str, x: TensorLike, axis: int | None, dtype: Any, reverse: bool, before: int | None = None
) -> Tensor:
    """Through the record. With ``before``, what there is before the first element, each element counts for
    those behind it only.
    """
    x = as_tensor(x)
    x = _wide(x, dtype) if op in ("cumulative_sum", "cumulative_prod") else x
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    at = axis_of(axis, x.ndim, op)
    if before is not None:
        start = _core.full(before, x.dtype.code, False, (), x.device.pair)
        words = [0] * (3 * x.ndim)
        words[3 * at : 3 * at + 2] = (-1, 1) if reverse else (1, -1)
        x = _core.apply("pad", (x, start), words) if x.shape[at] else x
    return _core.apply(op, (x,), (at, int(reverse)))


def cumsum(
    x: TensorLike,
    axis: int | None = None,
    *,
    dtype: Any = None,
    reverse: bool = False,
    exclusive: bool = False,
    dim: int | None = None,
) -> Tensor:
    """The running sum along an axis (of the flattened tensor when None), from the end when ``reverse``; with
    ``exclusive`` without the element itself.

    >>> pg.cumsum(pg.Tensor([1, 2, 3])).tolist()
    [1, 3, 6]
    """
    at = spelled(axis, None, dim, "axis/dim", "cumsum")
    return _cumulative("cumulative_sum", x, at, dtype, reverse, 0 if exclusive else None)


def cumprod(
    x: TensorLike,
    axis: int | None = None,
    *,
    dtype: Any = None,
    reverse: bool = False,
    exclusive: bool = False,
    dim: int | None = None,
) -> Tensor:
    """The running product along an axis, options as in ``cumsum``; its derivative is right at zeros, too.

    >>> pg.cumprod(pg.Tensor([1, 2, 3])).tolist()
    [1, 2, 6]
    """
    at = spelled(axis, None, dim, "axis/dim", "cumprod")
    return _cumulative("cumulative_prod", x, at, dtype, reverse, 1 if exclusive else None)


def cummax(
    x: TensorLike, axis: int | None = None, *, reverse: bool = False, dim: int | None = None
) -> Tensor:
    """The running maximum along an axis.

    >>> pg.cummax(pg.Tensor([1, 3, 2])).tolist()
    [1, 3, 3]
    """
    return _cumulative("cumulative_max", x, spelled(axis, None, dim, "axis/dim", "cummax"), None, reverse)


def cummin(
    x: TensorLike, axis: int | None = None, *, reverse: bool = False, dim: int | None = None
) -> Tensor:
    """The running minimum along an axis.

    >>> pg.cummin(pg.Tensor([3, 1, 2])).tolist()
    [3, 1, 1]
    """
    return _cumulative("cumulative_min", x, spelled(axis, None, dim, "axis/dim", "cummin"), None, reverse)


def logsumexp(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool | None = None
) -> Tensor:
    """``log(sum(exp(x)))`` over axes, without overflow.

    >>> round(pg.logsumexp(pg.Tensor([1000.0, 1000.0])).item(), 2)
    1000.69
    """
    axis, keepdims = _names(axis, keepdims, dim, keepdim, "logsumexp")
    x = to_float(x)
    axes = axes_of(axis, x.ndim, "logsumexp")
    shift = shift_of(x, axes)
    # Where the two parts cancel, the sum's last digits count.
    powers = cast(exp(x - shift), dt.float64)
    total = cast(log(_reduce("reduce_sum", powers, axes, True)) + cast(shift, dt.float64), x.dtype)
    total = stated("logsumexp", total, x, axes=axes)
    return total if keepdims else reshape_to(total, [d for i, d in enumerate(x.shape) if i not in axes])


def shift_of(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The maximum over axes as a constant of differentiation, 0 where it is infinite: exp(x - shift) does
    not overflow.
    """
    if builtins.any(x.shape[a] == 0 for a in axes):
        return fill(0.0, _reduce("reduce_sum", x, axes, True))
    top = _core.apply("stop_gradient", (_reduce("reduce_max", x, axes, True),))
    return where(_core.apply("isfinite", (top,)), top, 0.0)


def norm(x: TensorLike, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The vector norm over axes: root of the sum of squares (2), sum of magnitudes (1), largest magnitude
    (inf), smallest (-inf), how many are nonzero (0), or any other power.

    The derivative of the 2-norm at 0 is 0.

    >>> pg.norm(pg.Tensor([3.0, 4.0])).item()
    5.0
    """
    x = to_float(x)
    if ord == math.inf:
        return max(abs(x), axis, keepdims)
    if ord == -math.inf:
        return min(abs(x), axis, keepdims)
    if ord == 1:
        return sum(abs(x), axis, keepdims)
    if ord == 0:
        return cast(count_nonzero(x, axis, keepdims), x.dtype.real)
    if ord != 2:
        return _root(sum(abs(x) ** ord, axis, keepdims), 1 / ord)
    return _root(sum(abs_squared(x), axis, keepdims), 0.5)


def _root(total: Tensor, power: float) -> Tensor:
    """A power of sums that are not negative, with derivative 0 at 0."""
    empty = total == 0
    safe = where(empty, 1.0, total)
    return where(empty, 0.0, sqrt(safe) if power == 0.5 else safe**power)


amax, amin = max, min
