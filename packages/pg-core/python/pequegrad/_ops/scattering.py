"""Reading and writing along one axis by index, and sums over segments.

``index_mode`` says what an index out of range does: "raise" (at evaluation), "clip" to the range, or "drop"
(reads give 0, writes are ignored). Negative indices count from the end. Of several writes to one place with
"set", the last one in row-major order stays.
"""

from __future__ import annotations

import math
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import IndexingError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    as_tensor_like,
    axis_of,
    cast,
    iota,
    known,
    reshape_to,
    spelled,
    to_float,
)
from .logic import where
from .shape import broadcast_to, moveaxis

_INDEX_MODES = {"raise": 0, "clip": 1, "drop": 2}
_SCATTER_MODES = {"set": 0, "add": 1, "mul": 2, "min": 3, "max": 4}
_REDUCTIONS = {"sum": "add", "prod": "mul", "amin": "min", "amax": "max", "mean": "add"}


def _index_mode(mode: str, what: str) -> int:
    if not known(mode, _INDEX_MODES):
        raise InvalidValueError(f"{what}: index_mode is raise, clip or drop, got {mode!r}")
    return _INDEX_MODES[mode]


def _integers(index: TensorLike, what: str) -> Tensor:
    index = as_tensor(index)
    if not index.dtype.is_integer:
        raise IndexingError(f"{what}: indices are integers, got {index.dtype}; use .astype('int64')")
    return cast(index, dt.int64)


def _places(x: Tensor, index: Tensor, at: int, mode: int, what: str) -> Tensor:
    """Of each index its place in the flattened tensor; out of range is out of that range, too."""
    if index.ndim != x.ndim or any(
        i > n for a, (i, n) in enumerate(zip(index.shape, x.shape, strict=True)) if a != at
    ):
        raise ShapeError(
            f"{what}: an index of shape {index.shape} needs the rank of {x.shape}, and may be longer along "
            f"axis {at} only"
        )
    n = x.shape[at]
    row = where(index < 0, index + n, index)
    outside = (row < 0) | (row >= n)
    if mode == 1:
        row = where(row < 0, 0, where(row >= n, n - 1, row))
    linear: Any = 0
    stride = 1
    for a in reversed(range(x.ndim)):
        linear = linear + (row if a == at else iota(index.shape, a, dt.int64, x.device.pair)) * stride
        stride *= x.shape[a]
    return linear if mode == 1 else where(outside, x.size, linear)


def gather(
    x: TensorLike, axis: int, index: TensorLike, *, index_mode: str = "raise", dim: int | None = None
) -> Tensor:
    """For each place of ``index`` the element of x that differs in the coordinate of one axis only, which
    the index names; along the other axes the index may be shorter than x.

    >>> pg.gather(pg.Tensor([[1, 2], [3, 4]]), 1, pg.Tensor([[1], [0]])).tolist()
    [[2], [3]]
    """
    x, index = as_tensor(x), _integers(index, "gather")
    at = axis_of(spelled(axis, None, dim, "axis/dim", "gather"), x.ndim, "gather")
    mode = _index_mode(index_mode, "gather")
    places = _places(x, index, at, mode, "gather")
    return _core.apply("gather", (reshape_to(x, (x.size,)), places), (mode,))


def scatter(
    x: TensorLike,
    axis: int,
    index: TensorLike,
    values: TensorLike,
    mode: str = "set",
    *,
    index_mode: str = "raise",
) -> Tensor:
    """x with values written at the places that ``gather`` would read: set, or combined by add, mul, min or
    max. ``values`` is one number or at least as large as the index.

    >>> pg.scatter(pg.zeros((2, 2)), 1, pg.Tensor([[1], [0]]), pg.Tensor([[5.0], [6.0]])).tolist()
    [[0.0, 5.0], [6.0, 0.0]]
    """
    if not known(mode, _SCATTER_MODES):
        raise InvalidValueError(f"scatter: mode is set, add, mul, min or max, got {mode!r}")
    x, index = as_tensor(x), _integers(index, "scatter")
    at = axis_of(axis, x.ndim, "scatter")
    return _scatter(x, at, index, values, _SCATTER_MODES[mode], _index_mode(index_mode, "scatter"), "scatter")


def _scatter(x: Tensor, at: int, index: Tensor, values: Any, mode: int, out: int, what: str) -> Tensor:
    places = _places(x, index, at, out, what)
    v = cast(as_tensor_like(values, x), x.dtype)
    if v.ndim == 0:
        v = broadcast_to(v, index.shape)
    elif v.ndim != index.ndim or any(a < b for a, b in zip(v.shape, index.shape, strict=True)):
        raise ShapeError(
            f"{what}: values of shape {v.shape} for an index of shape {index.shape}; they need one for each "
            "place of the index"
        )
    elif v.shape != index.shape:
        v = _core.apply("slice", (v,), [w for n in index.shape for w in (0, n, 1)])
    flat = (reshape_to(x, (x.size,)), reshape_to(places, (index.size,)), reshape_to(v, (index.size,)))
    return reshape_to(_core.apply("scatter", flat, (mode, out)), x.shape)


def scatter_reduce(
    x: TensorLike,
    axis: int,
    index: TensorLike,
    values: TensorLike,
    reduce: str,
    include_self: bool = True,
    *,
    index_mode: str = "raise",
) -> Tensor:
    """x combined with the values written to each place: sum, prod, mean, amax or amin. Without
    ``include_self`` the old element of a place that is written to does not take part.

    >>> x, i = pg.ones(2), pg.Tensor([0, 0])
    >>> pg.scatter_reduce(x, 0, i, pg.Tensor([2.0, 3.0]), "sum", include_self=False).tolist()
    [5.0, 1.0]
    """
    what = "scatter_reduce"
    if not known(reduce, _REDUCTIONS):
        raise InvalidValueError(f"{what}: reduce is sum, prod, mean, amax or amin, got {reduce!r}")
    x, index = as_tensor(x), _integers(index, what)
    at, out = axis_of(axis, x.ndim, what), _index_mode(index_mode, what)
    mode = _SCATTER_MODES[_REDUCTIONS[reduce]]
    if not include_self:
        neutral = _neutral(reduce, x.dtype)
        x = _scatter(x, at, index, _core.full(neutral, x.dtype.code, False, (), x.device.pair), 0, out, what)
    made = _scatter(x, at, index, values, mode, out, what)
    if reduce != "mean":
        return made
    ones = _core.full(int(include_self), dt.int64.code, False, x.shape, x.device.pair)
    count = _scatter(ones, at, index, 1, 1, out, what)
    count = where(count == 0, 1, count)
    return made / cast(count, x.dtype) if x.dtype.is_inexact else made // cast(count, x.dtype)


def _neutral(reduce: str, kind: dt.DType) -> Any:
    """What changes nothing: 0, 1, or the end of the range."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    if kind.kind == "f":
        return math.inf if reduce == "amin" else -math.inf
    if kind.is_bool:
        return reduce == "amin"
    bits = 8 * kind.itemsize
    if kind.kind == "u":
        return 2**bits - 1 if reduce == "amin" else 0
    return 2 ** (bits - 1) - 1 if reduce == "amin" else -(2 ** (bits - 1))


def scatter_add(
    x: TensorLike, axis: int, index: TensorLike, values: TensorLike, *, index_mode: str = "raise"
) -> Tensor:
    """x with values added at the places that ``gather`` would read.

    >>> pg.scatter_add(pg.zeros(2), 0, pg.Tensor([1, 1]), pg.Tensor([2.0, 3.0])).tolist()
    [0.0, 5.0]
    """
    return scatter(x, axis, index, values, "add", index_mode=index_mode)


def _indexed(x: TensorLike, axis: int, index: TensorLike, source: Any, mode: str, what: str) -> Tensor:
    """The slices of x along an axis that a vector names, combined with those of the source."""
    x, rows = as_tensor(x), _integers(index, what)
    at = axis_of(axis, x.ndim, what)
    if rows.ndim > 1:
        raise ShapeError(f"{what}: the index is a vector, got shape {rows.shape}")
    rows = reshape_to(rows, (rows.size,))
    rows = where(rows < 0, rows + x.shape[at], rows)
    front = moveaxis(x, at, 0)
    v = cast(as_tensor_like(source, x), x.dtype)
    wanted = (*x.shape[:at], rows.size, *x.shape[at + 1 :])
    if v.ndim and v.shape != wanted:
        raise ShapeError(f"{what}: the source needs shape {wanted} (or one number), got {v.shape}")
    v = moveaxis(broadcast_to(v, wanted), at, 0)
    return moveaxis(_core.apply("scatter", (front, rows, v), (_SCATTER_MODES[mode], 0)), 0, at)


def index_add(x: TensorLike, axis: int, index: TensorLike, source: TensorLike, alpha: float = 1) -> Tensor:
    """x with ``alpha`` times the slices of the source added to the slices along an axis that a vector of
    indices names.

    >>> pg.index_add(pg.zeros((2, 2)), 0, pg.Tensor([1, 1]), pg.ones((2, 2))).tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """
    source = as_tensor(source)
    return _indexed(x, axis, index, source if alpha == 1 else source * alpha, "add", "index_add")


def index_copy(x: TensorLike, axis: int, index: TensorLike, source: TensorLike) -> Tensor:
    """x with the slices along an axis that a vector of indices names replaced by those of the source.

    >>> pg.index_copy(pg.zeros(3), 0, pg.Tensor([2]), pg.Tensor([5.0])).tolist()
    [0.0, 0.0, 5.0]
    """
    return _indexed(x, axis, index, source, "set", "index_copy")


def index_fill(x: TensorLike, axis: int, index: TensorLike, value: TensorLike) -> Tensor:
    """x with the slices along an axis that a vector of indices names filled with one value.

    >>> pg.index_fill(pg.zeros(3), 0, pg.Tensor([2]), 7.0).tolist()
    [0.0, 0.0, 7.0]
    """
    return _indexed(x, axis, index, value, "set", "index_fill")


# ---- segments


def _segments(
    data: TensorLike, ids: TensorLike, num_segments: int, mode: str, start: Any, what: str
) -> Tensor:
    data, rows = as_tensor(data), _integers(ids, what)
    if num_segments < 0:
        raise InvalidValueError(f"{what}: the number of segments must not be negative, got {num_segments}")
    if rows.ndim == 0 or data.shape[: rows.ndim] != rows.shape:
        raise ShapeError(
            f"{what}: ids of shape {rows.shape} must number the leading axes of data of shape {data.shape}"
        )
    data = reshape_to(data, (rows.size, *data.shape[rows.ndim :]))
    base = _core.full(start, data.dtype.code, False, (num_segments, *data.shape[1:]), data.device.pair)
    return _core.apply("scatter", (base, reshape_to(rows, (rows.size,)), data), (_SCATTER_MODES[mode], 2))


def segment_sum(data: TensorLike, ids: TensorLike, num_segments: int) -> Tensor:
    """The sums of the rows of data that have one id each; ids outside of [0, num_segments) are left out.

    >>> pg.segment_sum(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0, 2, 0]), 3).tolist()
    [4.0, 0.0, 2.0]
    """
    return _segments(data, ids, num_segments, "add", 0, "segment_sum")


def segment_prod(data: TensorLike, ids: TensorLike, num_segments: int) -> Tensor:
    """The products of the rows of data that have one id each; 1 for an id that nobody has.

    >>> pg.segment_prod(pg.Tensor([1, 2, 3]), pg.Tensor([0, 2, 0]), 3).tolist()
    [3, 1, 2]
    """
    return _segments(data, ids, num_segments, "mul", 1, "segment_prod")


def segment_max(data: TensorLike, ids: TensorLike, num_segments: int) -> Tensor:
    """The largest of the rows of data that have one id each; the smallest number of the dtype (-inf) for an
    id that nobody has.

    >>> pg.segment_max(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0, 1, 0]), 2).tolist()
    [3.0, 2.0]
    """
    start = _neutral("amax", as_tensor(data).dtype)
    return _segments(data, ids, num_segments, "max", start, "segment_max")


def segment_min(data: TensorLike, ids: TensorLike, num_segments: int) -> Tensor:
    """The smallest of the rows of data that have one id each; the largest number of the dtype (inf) for an
    id that nobody has.

    >>> pg.segment_min(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0, 1, 0]), 2).tolist()
    [1.0, 2.0]
    """
    start = _neutral("amin", as_tensor(data).dtype)
    return _segments(data, ids, num_segments, "min", start, "segment_min")


def segment_mean(data: TensorLike, ids: TensorLike, num_segments: int) -> Tensor:
    """The means of the rows of data that have one id each; 0 for an id that nobody has.

    >>> pg.segment_mean(pg.Tensor([1.0, 2.0, 3.0]), pg.Tensor([0, 1, 0]), 2).tolist()
    [2.0, 2.0]
    """
    data = to_float(data)
    total = _segments(data, ids, num_segments, "add", 0, "segment_mean")
    ones = _core.full(1, data.dtype.code, False, as_tensor(ids).shape, data.device.pair)
    count = _segments(ones, ids, num_segments, "add", 0, "segment_mean")
    count = where(count == 0, 1.0, count)
    return total / reshape_to(count, (num_segments, *(1,) * (total.ndim - 1)))
