"""Reading and writing parts: NumPy's indexing, ``x.at[key].set(v)`` and ``x[key] = v``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, as_tensor_like, axis_of, cast, elementwise, iota, known, reshape_to
from .index_keys import (
    Parsed,
    checked_mode,
    integer,
    linear_rows,
    mask_of,
    parse,
    rows_of,
    with_axes_of_bools,
)
from .logic import where
from .shape import broadcast_shapes, broadcast_to, moveaxis, permute

_ALL = slice(None)


def _rank_in_place(parsed: Parsed) -> list[int]:
    """Extents after slicing, in the order of `result`."""
    return [1 if a is None else parsed.ranges[a][1] for a in parsed.result]


def _cut(x: Tensor, parsed: Parsed) -> Tensor:
    """The ranges of a key, one per axis; same rank."""
    if all(
        start == 0 and step == 1 and count == d
        for (start, count, step), d in zip(parsed.ranges, x.shape, strict=True)
    ):
        return x
    words: list[int] = []
    for start, count, step in parsed.ranges:
        words += (start, start + count * step, step) if count else (0, 0, 1)
    return _core.apply("slice", (x,), words)


def _by_mask(x: Tensor, mask: Tensor) -> Tensor | None:
    """What a mask of the leading axes picks; None where it is not known yet, or is no such mask."""
    if mask.is_abstract or mask.ndim == 0 or mask.shape != x.shape[: mask.ndim]:
        return None
    table = reshape_to(x, (mask.size, *x.shape[mask.ndim :]))
    return _core.apply("gather", (table, as_tensor(np.flatnonzero(mask.numpy()))), (0,))


def getitem(x: Tensor, key: Any, mode: str = "raise", fill_value: TensorLike = 0) -> Tensor:
    """What ``x[key]`` means: integers, slices with any step, None, Ellipsis, integer arrays and boolean
    masks. With mode "drop" indices out of range read ``fill_value``.
    """
    if type(key) is int and x.ndim:  # the commonest key, without the analysis
        length, *rest = x.shape
        i = integer(key, length, 0, x.shape)
        words = [i, i + 1, 1]
        for d in rest:
            words += (0, d, 1)
        return _core.apply("reshape", (_core.apply("slice", (x,), words),), rest)
    if type(key) is Tensor and mode == "raise":
        taken = _by_mask(x, key) if key.dtype.is_bool else _core.take_rows(x, key)
        if taken is not None:
            return taken
    key, shape = with_axes_of_bools(key, x.shape)
    x = reshape_to(x, shape)
    parsed = parse(key, x.shape)
    cut = _cut(x, parsed)
    if not parsed.arrays:
        return reshape_to(cut, _rank_in_place(parsed))
    axes = [a for a, _ in parsed.arrays]
    kept = [a for a in parsed.result if a is not None]
    gone = [a for a in range(x.ndim) if a not in axes and a not in kept]  # integers: extent 1 by now
    front = permute(cut, (*axes, *kept, *gone))
    lengths = [x.shape[a] for a in axes]
    rest = [parsed.ranges[a][1] for a in kept]
    table = reshape_to(front, (math.prod(lengths), *rest))
    rows = linear_rows(parsed.arrays, x.shape, mode)
    picked = _core.apply("gather", (table, rows), (_INDEX_MODES[mode],))
    if mode == "drop" and not (isinstance(fill_value, (int, float)) and fill_value == 0):
        inside = reshape_to(rows < table.shape[0], (*rows.shape, *[1] * len(rest)))
        picked = where(inside, picked, cast(as_tensor_like(fill_value, x), x.dtype))
    inner = _rank_in_place(parsed)
    picked = reshape_to(picked, (*rows.shape, *inner))
    if parsed.place == 0 or rows.ndim == 0:
        return picked
    return moveaxis(picked, tuple(range(rows.ndim)), tuple(range(parsed.place, parsed.place + rows.ndim)))


# "clip" and "wrap" are done to the indices, so that what is left is in range.
_INDEX_MODES = {"raise": 0, "clip": 0, "wrap": 0, "drop": 2}

# ---- writing

_HOW = {"set": 0, "add": 1, "mul": 2, "min": 3, "max": 4}
_RECORDS = {"add": "add", "mul": "mul", "min": "minimum", "max": "maximum"}


def update(x: Tensor, key: Any, value: TensorLike, how: str, mode: str = "raise") -> Tensor:
    """x with the part named by a key set to, added to, ... a value that broadcasts to that part."""
    v = as_tensor_like(value, x)
    if (
        how == "set"
        and (v.dtype.is_inexact > x.dtype.is_inexact or v.dtype.is_complex > x.dtype.is_complex)
        and isinstance(value, Tensor)
        and not v.weak
    ):
        raise dt.DTypeError(
            f"cannot write {v.dtype} values into a {x.dtype} tensor; convert them with .astype('{x.dtype}')"
        )
    v = cast(v, x.dtype)
    mask = mask_of(key) if not isinstance(key, tuple) else None
    if mask is not None and tuple(mask.shape) == x.shape[: mask.ndim] and v.ndim <= x.ndim - mask.ndim:
        # One value (or one row) for all places: no need to know how many there are.
        chosen = reshape_to(as_tensor(mask), (*mask.shape, *[1] * (x.ndim - mask.ndim)))
        return where(chosen, v if how == "set" else elementwise(_RECORDS[how], x, v), x)
    key, shape = with_axes_of_bools(key, x.shape)
    if shape != x.shape:
        return reshape_to(update(reshape_to(x, shape), key, v, how, mode), x.shape)
    parsed = parse(key, x.shape)
    if not parsed.arrays:
        return _update_range(x, parsed, fitting(v, _rank_in_place(parsed), x), how)
    words = (_HOW[how], _INDEX_MODES[mode])
    only_leading = (
        len(parsed.arrays) == 1 and parsed.arrays[0][0] == 0 and parsed.result == list(range(1, x.ndim))
    )
    if only_leading and all(r == (0, d, 1) for r, d in zip(parsed.ranges, x.shape, strict=True)):
        rows = rows_of(parsed.arrays[0][1], x.shape[0], 0, x.shape, mode)
        return _core.apply("scatter", (x, rows, fitting(v, (*rows.shape, *x.shape[1:]), x)), words)
    # Any other key: its places in the flattened tensor are the key applied to the index of each element.
    index = reshape_to(iota((x.size,), 0, dt.int64, x.device.pair), x.shape)
    places = getitem(index, key, mode, x.size)
    flat = reshape_to(fitting(v, places.shape, x), (places.size,))
    base = reshape_to(x, (x.size,))
    return reshape_to(
        _core.apply("scatter", (base, reshape_to(places, (places.size,)), flat), words), x.shape
    )


def fitting(v: Tensor, shape: Any, x: Tensor) -> Tensor:
    """A value broadcast to the shape of the part that it is written to."""
    dims = tuple(shape)
    while v.ndim > len(dims) and v.shape[0] == 1:
        v = reshape_to(v, v.shape[1:])
    try:
        return broadcast_to(v, dims)
    except ShapeError:
        raise ShapeError(
            f"a value of shape {v.shape} does not fit the part of shape {dims} of a tensor of shape {x.shape}"
        ) from None


def _update_range(x: Tensor, parsed: Parsed, v: Tensor, how: str) -> Tensor:
    v = reshape_to(v, [count for _, count, _ in parsed.ranges])
    if v.size == 0:
        return x
    words: list[int] = []
    turned: list[int] = []
    for (start, count, step), d in zip(parsed.ranges, x.shape, strict=True):
        if step < 0:  # the same places upwards
            start, step = start + (count - 1) * step, -step
            turned += (count - 1, -1, -1)
        else:
            turned += (0, count, 1)
        words += (start, d - start - (count - 1) * step - 1, step - 1)
    if any(step < 0 for _, _, step in parsed.ranges):
        v = _core.apply("slice", (v,), turned)
    if v.shape == x.shape:
        return v if how == "set" else elementwise(_RECORDS[how], x, v)
    pair = x.device.pair
    placed = _core.apply("pad", (v, _core.full(0, x.dtype.code, False, (), pair)), words)
    inside = _core.apply(
        "pad", (_core.full(True, 0, False, v.shape, pair), _core.full(False, 0, False, (), pair)), words
    )
    return where(inside, placed if how == "set" else elementwise(_RECORDS[how], x, placed), x)


class At:
    """``x.at[key]``: the part of a tensor that an update writes; the updates return a new tensor.

    ``mode`` says what an index out of range means: "raise" an error (when the values are computed), "clip"
    to the nearest place, "wrap" round, or "drop": written nowhere, and read as ``fill_value`` ("fill").

    >>> pg.zeros(3).at[1].set(5.0).tolist()
    [0.0, 5.0, 0.0]
    >>> pg.zeros(2).at[pg.Tensor([1, 7])].add(1.0, mode="drop").tolist()
    [0.0, 1.0]
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any = None) -> None:
        self._x, self._key = x, key

    def __getitem__(self, key: Any) -> At:
        return At(self._x, key)

    def _update(self, value: TensorLike, how: str, mode: str) -> Tensor:
        return update(self._x, self._key, value, how, checked_mode(mode))

    def get(self, *, mode: str = "raise", fill_value: TensorLike = 0) -> Tensor:
        """The part itself."""
        return getitem(self._x, self._key, checked_mode(mode), fill_value)

    def set(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with this part replaced; of several values for one place the last counts."""
        return self._update(value, "set", mode)

    def add(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with a value added to this part; places that occur twice are added to twice."""
        return self._update(value, "add", mode)

    def subtract(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with a value subtracted from this part."""
        return self._update(-as_tensor_like(value, self._x), "add", mode)

    sub = subtract

    def multiply(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with this part multiplied."""
        return self._update(value, "mul", mode)

    mul = multiply

    def divide(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with this part divided, once for each time that a place occurs."""
        divisor = cast(as_tensor_like(value, self._x), self._x.dtype)
        ones = _core.full(1, self._x.dtype.code, False, self._x.shape, self._x.device.pair)
        return cast(self._x / At(ones, self._key).multiply(divisor, mode=mode), self._x.dtype)

    div = divide

    def min(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with this part not above a value."""
        return self._update(value, "min", mode)

    def max(self, value: TensorLike, *, mode: str = "raise") -> Tensor:
        """The tensor with this part not below a value."""
        return self._update(value, "max", mode)

    def apply(self, f: Callable[[Tensor], TensorLike], *, mode: str = "raise") -> Tensor:
        """The tensor with this part replaced by a function of it, once also where a place occurs twice."""
        return self.set(f(self.get(mode=mode)), mode=mode)


# ---- by functions


def take(x: TensorLike, indices: Any, axis: int | None = None, mode: str = "raise") -> Tensor:
    """Elements along an axis (of the flattened tensor when None) at the given indices.

    ``mode``: "raise" at an index out of range, "clip" to the range, or "wrap" around.

    >>> pg.take(pg.Tensor([[1, 2], [3, 4]]), [1, 0], axis=0).tolist()
    [[3, 4], [1, 2]]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    at = axis_of(axis, x.ndim, "take")
    if not isinstance(indices, Tensor):
        indices = np.asarray(indices)
    length = x.shape[at]
    if not known(mode, ("raise", "clip", "wrap")):
        raise InvalidValueError(f"take: unknown mode {mode!r}; the modes are raise, clip, wrap")
    if mode == "clip":
        indices = elementwise("minimum", elementwise("maximum", indices, 0), length - 1)
    elif mode == "wrap":
        indices = indices % length
    return getitem(x, (*(_ALL,) * at, indices))


_MOST_RUNS = 8


def _runs(places: Any) -> list[tuple[int, int, int]] | None:
    """Known places as a few runs (first, how many, step); None where they are many."""
    steps = np.diff(places)
    turns = np.flatnonzero(np.diff(steps)) + 1
    runs: list[tuple[int, int, int]] = []
    at = 0
    while at < len(places):
        if len(runs) == _MOST_RUNS:
            return None
        turn = np.searchsorted(turns, at, side="right")
        last = at if at == len(steps) else int(turns[turn]) if turn < len(turns) else len(steps)
        runs.append((int(places[at]), last - at + 1, int(steps[at]) if last > at else 1))
        at = last + 1
    return runs


def take_places(x: Tensor, places: Any, axis: int) -> Tensor:
    """The elements at known places of an axis, an array of indices from 0: by slices where the places are a
    few runs of equal steps.
    """
    runs = _runs(places)
    return take_runs(x, runs, axis) if runs else take(x, places, axis)


def take_runs(x: Tensor, runs: Sequence[tuple[int, int, int]], axis: int) -> Tensor:
    """Runs of elements of an axis (first, how many, step) one after the other."""
    pieces = []
    for first, count, step in runs:
        words: list[int] = []
        for i, d in enumerate(x.shape):
            stop, stride = (first + count * step, step) if step else (first + 1, 1)
            words += (first, stop, stride) if i == axis else (0, d, 1)
        piece = _core.apply("slice", (x,), words)
        pieces.append(piece if step else broadcast_to(piece, (*x.shape[:axis], count, *x.shape[axis + 1 :])))
    return pieces[0] if len(pieces) == 1 else _core.apply("concat", pieces, (axis,))


@functools.lru_cache(maxsize=256)
def margin_runs(length: int, before: int, after: int, mode: str) -> list[tuple[int, int, int]] | None:
    """The runs of an axis with margins as NumPy fills them; None where they are many, or none."""
    return _runs(np.pad(np.arange(length), (before, after), mode=mode)) or None  # type: ignore[call-overload]


def take_along_axis(x: TensorLike, indices: TensorLike, axis: int | None = -1) -> Tensor:
    """For each place of ``indices``, the element that it names along an axis; the other axes broadcast.

    >>> x = pg.Tensor([[10, 20], [30, 40]])
    >>> pg.take_along_axis(x, pg.Tensor([[1], [0]]), axis=1).tolist()
    [[20], [30]]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    at = axis_of(axis, x.ndim, "take_along_axis")
    taken = _core.take_along_axis(x, indices, at)
    if taken is not None:
        return taken
    index = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices of shape {tuple(index.shape)} need the rank of the tensor, {x.ndim}"
        )
    others = tuple(1 if i == at else d for i, d in enumerate(x.shape))
    dims = broadcast_shapes(others, tuple(1 if i == at else d for i, d in enumerate(index.shape)))
    dims = tuple(index.shape[at] if i == at else d for i, d in enumerate(dims))
    x = broadcast_to(x, tuple(x.shape[at] if i == at else d for i, d in enumerate(dims)))
    rows = broadcast_to(rows_of(index, x.shape[at], at, x.shape), dims)
    if x.ndim == 1:
        return _core.apply("gather", (x, rows), (0,))
    rows = cast(rows, dt.int64)
    linear: Any = 0
    stride = 1
    for i in reversed(range(x.ndim)):
        linear = linear + (rows if i == at else iota(dims, i, dt.int64, x.device.pair)) * stride
        stride *= x.shape[i]
    if isinstance(index, Tensor):
        linear = where((rows < 0) | (rows >= x.shape[at]), x.size, linear)
    return _core.apply("gather", (reshape_to(x, (x.size,)), linear), (0,))
