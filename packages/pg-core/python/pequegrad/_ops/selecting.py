"""Searching and picking under NumPy's names. Results whose length depends on values are computed at once in
eager code; inside jit they take the length as ``size=`` or ``length=``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, DTypeError, InvalidValueError, ShapeError, TraceError
from ..evaluate import eval as evaluate
from .common import TensorLike, as_tensor, axis_of, cast, elementwise, fill, iota, items_of, known, reshape_to
from .elementwise import isnan
from .indexing import getitem, take, take_along_axis, update
from .logic import where
from .reduce import cumsum
from .reduce import max as _max
from .reduce import min as _min
from .reduce import sum as _sum
from .shape import broadcast_arrays, broadcast_shapes, broadcast_to, flip, ravel, stack


def _length(what: str, wanted: int | None, x: Tensor, known: str) -> None:
    """Raise when a length that depends on values is asked for inside a trace."""
    if wanted is None and x.is_abstract:
        raise TraceError(f"{what}: {known} is not known inside pg.jit; pass it as {what}(..., size=n)")


def positions(mask: Tensor, size: int) -> Tensor:
    """The places of the first `size` true elements of a vector, then -1."""
    place = mask.device.pair
    order = cumsum(cast(mask, dt.int64)) - 1
    empty = _core.full(-1, dt.int64.code, False, (size,), place)
    rows = where(mask, order, size)
    return _core.apply("scatter", (empty, rows, iota(mask.shape, 0, dt.int64, place)), (0, 2))


def nonzero(x: TensorLike, *, size: int | None = None, fill_value: int = 0) -> tuple[Tensor, ...]:
    """The indices of nonzero elements, one tensor per axis. Inside jit it needs ``size``: that many are
    returned, and ``fill_value`` where there are fewer.

    >>> [i.tolist() for i in pg.nonzero(pg.Tensor([0, 7, 0, 8]))]
    [[1, 3]]
    >>> pg.nonzero(pg.Tensor([0, 7, 0, 8]), size=3)[0].tolist()
    [1, 3, 0]
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ArgumentError("nonzero: a tensor of rank 0 has no axes; reshape it to (1,)")
    _length("nonzero", size, x, "how many elements are nonzero")
    mask = x if x.dtype.is_bool else x != 0
    if size is None:
        array = mask.numpy()
        places: Sequence[Any] = (np.flatnonzero(array),)
        if x.ndim > 1:  # np.nonzero of several axes takes two to three times as long
            places = np.unravel_index(places[0], x.shape) if x.size else np.nonzero(array)
        return tuple(as_tensor(i.astype(np.int64, copy=False)) for i in places)
    flat = positions(ravel(mask), size)
    return tuple(where(flat < 0, fill_value, i) for i in _unravel(flat, x.shape))


def _unravel(flat: Tensor, shape: Sequence[int]) -> list[Tensor]:
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return [flat // max(s, 1) % max(d, 1) for s, d in zip(strides, shape, strict=True)]


def flatnonzero(x: TensorLike, *, size: int | None = None, fill_value: int = 0) -> Tensor:
    """The indices of nonzero elements in the flattened tensor; inside jit it needs ``size``.

    >>> pg.flatnonzero(pg.Tensor([[0, 7], [8, 0]])).tolist()
    [1, 2]
    """
    return nonzero(ravel(x), size=size, fill_value=fill_value)[0]


def argwhere(x: TensorLike, *, size: int | None = None, fill_value: int = 0) -> Tensor:
    """The indices of nonzero elements, one row each; inside jit it needs ``size``.

    >>> pg.argwhere(pg.Tensor([[0, 7], [8, 0]])).tolist()
    [[0, 1], [1, 0]]
    """
    x = as_tensor(x)
    if x.ndim == 0:
        found = nonzero(reshape_to(x, (1,)), size=size, fill_value=fill_value)[0]
        return reshape_to(found, (found.size, 1))[:, :0]
    return stack(nonzero(x, size=size, fill_value=fill_value), axis=-1)


def unravel_index(indices: TensorLike, shape: Any) -> tuple[Tensor, ...]:
    """The index along each axis of places in the flattened tensor of a shape.

    >>> [i.tolist() for i in pg.unravel_index(pg.Tensor([1, 5]), (2, 3))]
    [[0, 1], [1, 2]]
    """
    dims = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(_unravel(cast(as_tensor(indices), dt.int64), dims))


def ravel_multi_index(indices: Sequence[TensorLike], shape: Sequence[int]) -> Tensor:
    """The places in the flattened tensor of a shape, of an index along each axis.

    >>> pg.ravel_multi_index((pg.Tensor([0, 1]), pg.Tensor([1, 2])), (2, 3)).tolist()
    [1, 5]
    """
    if len(indices) != len(shape):
        raise ShapeError(f"ravel_multi_index: {len(indices)} indices for a shape of {len(shape)} axes")
    linear: Any = 0
    for i, d in zip(indices, shape, strict=True):
        linear = linear * d + cast(as_tensor(i), dt.int64)
    return linear


def compress(condition: TensorLike, x: TensorLike, axis: int | None = None) -> Tensor:
    """The slices along an axis (elements of the flattened tensor when None) where a vector holds. Needs the
    condition's values, hence not inside jit.

    >>> pg.compress([True, False, True], pg.Tensor([1, 2, 3])).tolist()
    [1, 3]
    """
    chosen = as_tensor(condition)
    if chosen.ndim != 1:
        raise ShapeError(f"compress: the condition is a vector, got shape {chosen.shape}")
    return take(x, nonzero(chosen)[0], axis)


def extract(condition: TensorLike, x: TensorLike) -> Tensor:
    """The elements where a condition holds, flattened. Needs the condition's values, hence not inside jit.

    >>> pg.extract(pg.Tensor([[True, False], [True, True]]), pg.Tensor([[1, 2], [3, 4]])).tolist()
    [1, 3, 4]
    """
    return compress(ravel(condition), x)


def _common(values: Sequence[TensorLike]) -> list[Tensor]:
    tensors = [as_tensor(v) for v in values]
    kind = dt.all_dtypes[_core.promote(*tensors)[0]]
    return [cast(v, kind) for v in tensors]


def select(
    condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0
) -> Tensor:
    """Each element from the choice of the first condition that holds there, else the default.

    >>> x = pg.arange(5)
    >>> pg.select([x < 2, x > 3], [x, 10 * x], -1).tolist()
    [0, 1, -1, -1, 40]
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ArgumentError(
            f"select: {len(condlist)} conditions for {len(choicelist)} choices; give one or more of each"
        )
    *choices, made = _common([*choicelist, default])
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        made = where(condition, choice, made)
    return made


def choose(indices: TensorLike, choices: Sequence[TensorLike], mode: str = "raise") -> Tensor:
    """At each place the element of the choice that the index there names.

    >>> pg.choose(pg.Tensor([1, 0]), [pg.Tensor([1, 2]), pg.Tensor([10, 20])]).tolist()
    [10, 2]
    """
    if not known(mode, ("raise", "clip", "wrap")):
        raise InvalidValueError(f"choose: unknown mode {mode!r}; the modes are raise, clip, wrap")
    index, *options = broadcast_arrays(indices, *_common(items_of(choices, "choose")))
    if not index.dtype.is_integer:
        raise DTypeError(f"choose: indices are integers, got {index.dtype}; convert with .astype('int64')")
    if mode == "clip":
        index = elementwise("minimum", elementwise("maximum", index, 0), len(options) - 1)
    elif mode == "wrap":
        index = index % len(options)
    return reshape_to(take_along_axis(stack(options), reshape_to(index, (1, *index.shape)), 0), index.shape)


def put_along_axis(x: TensorLike, indices: TensorLike, values: TensorLike, axis: int | None = -1) -> Tensor:
    """A tensor with values written to the places that ``indices`` name along an axis; the inverse of
    ``take_along_axis``. Returns a new tensor.

    >>> pg.put_along_axis(pg.zeros((2, 2)), pg.Tensor([[1], [0]]), 5.0, axis=1).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    x = as_tensor(x)
    if axis is None:
        return reshape_to(put_along_axis(ravel(x), indices, values, 0), x.shape)
    at = axis_of(axis, x.ndim, "put_along_axis")
    index = as_tensor(indices)
    if index.ndim != x.ndim:
        raise ShapeError(f"put_along_axis: indices of shape {index.shape} need the rank of {x.shape}")
    dims = broadcast_shapes(
        tuple(1 if i == at else d for i, d in enumerate(x.shape)),
        tuple(1 if i == at else d for i, d in enumerate(index.shape)),
    )
    dims = tuple(index.shape[at] if i == at else d for i, d in enumerate(dims))
    key = tuple(
        broadcast_to(index, dims) if i == at else iota(dims, i, dt.int64, x.device.pair)
        for i in range(x.ndim)
    )
    return update(x, key, values, "set")


# ---- sorted tables


def searchsorted(
    x1: TensorLike, x2: TensorLike, *, side: str = "left", sorter: TensorLike | None = None
) -> Tensor:
    """Where each element of ``x2`` goes in the sorted vector ``x1``: before its equals ("left") or behind
    them ("right"); int64. A binary search, NaN sorts last.

    >>> pg.searchsorted(pg.Tensor([1, 3, 5]), pg.Tensor([3, 4])).tolist()
    [1, 2]
    """
    if not known(side, ("left", "right")):
        raise InvalidValueError(f"searchsorted: side is 'left' or 'right', got {side!r}")
    table, values = _common([x1, x2])
    if table.ndim != 1:
        raise ShapeError(f"searchsorted: the table is a vector, got shape {table.shape}")
    if sorter is not None:
        table = take(table, sorter)
    found = _core.full(0, dt.int64.code, False, values.shape, values.device.pair)
    last = table.size - 1
    floating = table.dtype.kind == "f"
    for bit in reversed(range(table.size.bit_length())):
        probe = found + (1 << bit)
        row = elementwise("minimum", probe - 1, last)
        entry = _core.apply("gather", (table, row), (0,))
        before = entry < values if side == "left" else entry <= values
        if floating:
            before = before | (isnan(values) & ~isnan(entry) if side == "left" else isnan(values))
        found = where(before & (probe <= table.size), probe, found)
    return found


def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Tensor:
    """The number of the bin that each element falls into; ``bins`` are the edges, in rising or falling
    order; the lower edge of a bin belongs to it, or the upper one when ``right``.

    >>> pg.digitize(pg.Tensor([0.5, 2.0]), pg.Tensor([0.0, 1.0, 2.0])).tolist()
    [1, 3]
    """
    edges = as_tensor(bins)
    if edges.ndim != 1:
        raise ShapeError(f"digitize: the edges are a vector, got shape {edges.shape}")
    side = "left" if right else "right"
    rising = searchsorted(edges, x, side=side)
    if edges.size < 2:
        return rising
    falling = edges.size - searchsorted(flip(edges), x, side=side)
    return where(getitem(edges, 0) <= getitem(edges, -1), rising, falling)


def bincount(
    x: TensorLike, weights: TensorLike | None = None, minlength: int = 0, *, length: int | None = None
) -> Tensor:
    """How often each integer from 0 occurs in a vector, or the sum of its weights. Inside jit it needs
    ``length``; integers from there on are not counted.

    >>> pg.bincount(pg.Tensor([0, 2, 2])).tolist()
    [1, 0, 2]
    """
    x = as_tensor(x)
    if x.ndim != 1 or not (x.dtype.is_integer or x.dtype.is_bool):
        raise ArgumentError(f"bincount: needs a vector of integers, got {x.dtype} of shape {x.shape}")
    x = cast(x, dt.int64)
    if length is None:
        if x.is_abstract:
            raise TraceError(
                "bincount: the largest integer is not known inside pg.jit; pass bincount(..., length=n)"
            )
        low, high = (_min(x), _max(x)) if x.size else (x, x)
        evaluate(low, high)  # in one pass over x
        if x.size and low.item() < 0:
            raise InvalidValueError("bincount: the integers must not be negative")
        length = max(minlength, high.item() + 1 if x.size else 0)
    amounts = fill(1, x) if weights is None else as_tensor(weights)
    if amounts.shape != x.shape:
        raise ShapeError(f"bincount: weights of shape {amounts.shape} for {x.shape} integers")
    if amounts.dtype.kind != "f":
        amounts = cast(amounts, dt.int64)
    empty = _core.full(0, amounts.dtype.code, False, (length,), x.device.pair)
    rows = where(x < 0, length, x)
    return _core.apply("scatter", (empty, rows, amounts), (1, 2))


def histogram_bin_edges(
    x: TensorLike, bins: int | TensorLike = 10, range: tuple[float, float] | None = None
) -> Tensor:
    """The edges of a histogram: so many bins of equal width from the smallest to the largest element or
    over a range, or the given edges.

    >>> pg.histogram_bin_edges(pg.Tensor([0.0, 4.0]), 2).tolist()
    [0.0, 2.0, 4.0]
    """
    x = ravel(x)
    if not isinstance(bins, (int, np.integer)):
        return as_tensor(bins)
    count = int(bins)
    if count < 1:
        raise InvalidValueError(f"histogram: needs at least 1 bin, got {count}")
    kind = x.dtype if x.dtype.kind == "f" else dt.float32
    if range is not None:
        low, high = (_core.number(float(v), kind.code, False, (), x.device.pair) for v in range)
    elif x.size:
        low, high = cast(_min(x), kind), cast(_max(x), kind)
    else:
        low, high = (_core.full(v, kind.code, False, (), x.device.pair) for v in (0, 1))
    flat = low == high
    low, high = where(flat, low - 0.5, low), where(flat, high + 0.5, high)
    index = iota((count + 1,), 0, dt.int64, x.device.pair)
    return where(index == count, high, low + (high - low) * (cast(index, kind) / count))


def histogram(
    x: TensorLike,
    bins: int | TensorLike = 10,
    range: tuple[float, float] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """How many elements (or how much weight) each bin holds, and the edges of the bins; the last bin holds
    its upper edge, too. With ``density`` the area under the histogram is 1.

    >>> counts, edges = pg.histogram(pg.Tensor([1.0, 2.0, 1.5]), 2)
    >>> counts.tolist(), edges.tolist()
    ([1, 2], [1.0, 1.5, 2.0])
    """
    edges = histogram_bin_edges(x, bins, range)
    count = edges.size - 1
    x = ravel(x)
    place = searchsorted(edges, x, side="right") - 1
    place = where(x == getitem(edges, -1), count - 1, place)
    inside = (place >= 0) & (place < count)
    mass = None if weights is None else ravel(weights)
    held = bincount(where(inside, place, count), mass, length=count)
    if not density:
        return held, edges
    widths = getitem(edges, slice(1, None)) - getitem(edges, slice(None, -1))
    return cast(held, edges.dtype) / cast(_sum(held), edges.dtype) / widths, edges
