"""Differences, integrals, interpolation and convolution of samples, under NumPy's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, as_tensor_like, axis_of, cast, elementwise, reshape_to, to_float
from .convolution import conv1d
from .indexing import take
from .logic import where
from .reduce import sum as _sum
from .selecting import searchsorted
from .shape import broadcast_to, concatenate, flip, part, ravel


def diff(
    x: TensorLike,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """The differences of neighbours along an axis, n times; of bools, where they differ. ``prepend`` and
    ``append`` are put before and behind x first.

    >>> pg.diff(pg.Tensor([1, 4, 9])).tolist()
    [3, 5]
    """
    x = as_tensor(x)
    if n < 0:
        raise InvalidValueError(f"diff: n must not be negative, got {n}")
    at = axis_of(axis, x.ndim, "diff")
    if prepend is not None or append is not None:
        one = tuple(1 if i == at else d for i, d in enumerate(x.shape))
        parts = [x]
        for given, place in ((prepend, 0), (append, 2)):
            if given is not None:
                made = as_tensor_like(given, x)
                parts.insert(place, broadcast_to(made, one) if made.ndim == 0 else made)
        x = concatenate(parts, at)
    for _ in range(min(n, x.shape[at])):
        length = x.shape[at]
        upper, lower = part(x, at, 1, length), part(x, at, 0, length - 1)
        x = elementwise("not_equal" if x.dtype.is_bool else "sub", upper, lower)
    return x


def ediff1d(x: TensorLike, to_end: TensorLike | None = None, to_begin: TensorLike | None = None) -> Tensor:
    """The differences of neighbours in the flattened tensor, between values to begin and to end with.

    >>> pg.ediff1d(pg.Tensor([1, 4, 9]), to_begin=0).tolist()
    [0, 3, 5]
    """
    made = diff(ravel(x))
    before = [] if to_begin is None else [cast(ravel(as_tensor_like(to_begin, made)), made.dtype)]
    behind = [] if to_end is None else [cast(ravel(as_tensor_like(to_end, made)), made.dtype)]
    return concatenate([*before, made, *behind]) if before or behind else made


def gradient(f: TensorLike, *spacing: TensorLike, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences along axes (all when None), one-sided at the ends to first or second order; one
    tensor, or one per axis. The spacing is 1, a number, a number per axis, or coordinates per axis.

    >>> pg.gradient(pg.Tensor([1.0, 2.0, 4.0])).tolist()
    [1.0, 1.5, 2.0]
    """
    f = to_float(f)
    if axis is None:
        axes = list(range(f.ndim))
    else:
        axes = [axis_of(a, f.ndim, "gradient") for a in (axis if isinstance(axis, (tuple, list)) else [axis])]
    if len(spacing) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: {len(spacing)} spacings for {len(axes)} axes; give none, one or all")
    if edge_order not in (1, 2):
        raise InvalidValueError(f"gradient: edge_order is 1 or 2, got {edge_order}")
    steps: Sequence[TensorLike] = spacing or (1.0,)
    steps = list(steps) * len(axes) if len(steps) == 1 else steps
    made = [_along(f, a, h, edge_order) for a, h in zip(axes, steps, strict=True)]
    return made[0] if len(made) == 1 else made


def _along(f: Tensor, at: int, spacing: TensorLike, order: int) -> Tensor:
    length = f.shape[at]
    if length < order + 1:
        raise ShapeError(f"gradient: needs {order + 1} elements along axis {at} of shape {f.shape}")
    h = as_tensor_like(spacing, f)
    if h.ndim == 0:
        gaps = broadcast_to(cast(h, f.dtype), (length - 1,))
    elif h.shape == (length,):
        gaps = diff(cast(h, f.dtype))
    else:
        raise ShapeError(f"gradient: {h.size} coordinates for {length} elements along axis {at}")
    wide = reshape_to(gaps, [length - 1 if i == at else 1 for i in range(f.ndim)])
    slopes = diff(f, axis=at) / wide  # between neighbours

    def cut(x: Tensor, start: int, stop: int) -> Tensor:
        return part(x, at, start, stop)

    ends = cut(slopes, 0, 1), cut(slopes, length - 2, length - 1)
    if length == 2:
        return concatenate(ends, at)
    left, right = cut(wide, 0, length - 2), cut(wide, 1, length - 1)
    before, behind = cut(slopes, 0, length - 2), cut(slopes, 1, length - 1)
    # The parabola through three points: slopes weighted by the distance on the other side.
    middle = (before * right + behind * left) / (left + right)
    if order == 2:
        bend = (behind - before) / (left + right)
        first = cut(slopes, 0, 1) - cut(bend, 0, 1) * cut(wide, 0, 1)
        last = ends[1] + cut(bend, length - 3, length - 2) * cut(wide, length - 2, length - 1)
        ends = first, last
    return concatenate([ends[0], middle, ends[1]], at)


def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1) -> Tensor:
    """The integral of samples along an axis by the trapezoidal rule, at places ``x`` or at distance ``dx``.

    >>> pg.trapezoid(pg.Tensor([1.0, 2.0, 3.0])).item()
    4.0
    """
    y = to_float(y)
    at = axis_of(axis, y.ndim, "trapezoid")
    length = y.shape[at]
    if x is not None:
        places = to_float(x)
        gap = diff(places) if places.ndim == 1 else diff(places, axis=at)
        if places.ndim == 1:
            gap = reshape_to(gap, [gap.size if i == at else 1 for i in range(y.ndim)])
    else:
        gap = as_tensor(dx)
    if length < 2:
        return _sum(part(y, at, 0, 0), at)
    return _sum(gap * (part(y, at, 1, length) + part(y, at, 0, length - 1)) * 0.5, at)


def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
    period: float | None = None,
) -> Tensor:
    """Linear interpolation between the points (xp, fp), xp rising; outside them ``left`` and ``right``,
    which are the first and last value unless given. With a ``period`` xp is taken modulo it and sorted.

    >>> pg.interp(pg.Tensor([0.5, 5.0]), pg.Tensor([0.0, 1.0]), pg.Tensor([10.0, 20.0])).tolist()
    [15.0, 20.0]
    """
    x, xp, fp = to_float(x), to_float(xp), to_float(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or xp.size == 0:
        raise ShapeError(f"interp: xp and fp are vectors of one length, got shapes {xp.shape} and {fp.shape}")
    if period is not None:
        from .sorting import argsort

        x, xp = x % period, xp % period
        order = argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        # A point of the period before and one of the period after.
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
    last = xp.size - 1
    upper = elementwise("minimum", elementwise("maximum", searchsorted(xp, x, side="right"), 1), last)
    lower = elementwise("maximum", upper - 1, 0)
    x0, y0 = take(xp, lower), take(fp, lower)
    width = take(xp, upper) - x0
    rise = take(fp, upper) - y0
    inside = y0 + rise * ((x - x0) / where(width == 0, 1.0, width))
    made = where(x < xp[0], fp[0] if left is None else left, inside)
    made = where(x > xp[-1], fp[-1] if right is None else right, where(x == xp[-1], fp[-1], made))
    return where(x != x, x, made)


# ---- sums of products of shifted vectors


def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> Tensor:
    """The discrete convolution of two vectors: where they overlap at all ("full"), centred to the longer
    one ("same"), or where the shorter lies within the longer ("valid").

    >>> pg.convolve(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0.0, 1.0])).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    a, v = as_tensor(a), as_tensor(v)
    if a.ndim != 1 or v.ndim != 1 or 0 in (a.size, v.size):
        raise ShapeError(f"convolve: needs two vectors with elements, got shapes {a.shape} and {v.shape}")
    if v.size > a.size:
        a, v = v, a
    kind = dt.all_dtypes[_core.promote(a, v)[0]]
    margins = {"full": (v.size - 1, v.size - 1), "same": (v.size // 2, (v.size - 1) // 2), "valid": (0, 0)}
    if mode not in margins:
        raise InvalidValueError(f"convolve: unknown mode {mode!r}; the modes are full, same, valid")
    from .shape import pad

    work = kind if kind.kind == "f" else dt.float64  # integers are exact there up to 2^53
    signal = pad(cast(a, work), margins[mode])
    made = conv1d(reshape_to(signal, (1, 1, signal.size)), reshape_to(flip(cast(v, work)), (1, 1, v.size)))
    # Through int64, so that narrower integers wrap.
    return cast(ravel(made) if kind is work else cast(ravel(made), dt.int64), kind)


def correlate(a: TensorLike, v: TensorLike, mode: str = "valid") -> Tensor:
    """The cross-correlation of two vectors: ``sum_n a[n + k] v[n]``, with the modes of ``convolve``.

    >>> pg.correlate(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0.0, 1.0])).tolist()
    [2.0, 3.0]
    """
    a, v = as_tensor(a), as_tensor(v)
    if a.size >= v.size:
        return convolve(a, flip(v), mode)
    return flip(convolve(v, flip(a), mode))
