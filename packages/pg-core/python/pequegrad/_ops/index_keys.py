"""What an index key means against a shape: ranges, new axes, and arrays of integers or bools."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from .. import dt
from .._core import Tensor
from ..errors import IndexingError, InvalidValueError, ShapeError, TraceError
from .common import as_tensor, cast, from_python, known
from .logic import where
from .shape import broadcast_shapes

_ALL = slice(None)

MODES = ("raise", "clip", "wrap", "drop")


class Parsed(NamedTuple):
    """A key against a shape: one range per axis, then which axes stay, are new, or are picked by arrays."""

    ranges: list[tuple[int, int, int]]  # start, count, step per axis of x
    result: list[int | None]  # axes of x that stay (None: a new axis); array axes are not in here
    arrays: list[tuple[int, Any]]  # (axis of x, integer array or tensor)
    place: int  # where the arrays' axes go in `result`


def with_axes_of_bools(key: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
    """A key without single bools, and the shape that it is for: a True or False picks one or no element of
    a new axis of extent 1.
    """
    given = key if isinstance(key, tuple) else (key,)
    if not any(_is_single_bool(item) for item in given):
        return key, shape
    axis = 0
    items: list[Any] = []
    dims = list(shape)
    spelled_out = _without_ellipsis([i for i in given if not _is_single_bool(i)], len(shape), shape)
    for item in given:
        if _is_single_bool(item):
            if isinstance(item, Tensor) and item.is_abstract:
                raise TraceError(_UNKNOWN_COUNT)
            dims.insert(axis, 1)
            items.append(np.zeros(int(bool(item)), np.int64))
            axis += 1
            continue
        items.append(item)
        if item is Ellipsis:
            axis += spelled_out
        elif item is not None:
            mask = mask_of(item)
            axis += 1 if mask is None else mask.ndim
    return tuple(items), tuple(dims)


def _is_single_bool(item: Any) -> bool:
    if isinstance(item, (bool, np.bool_)):
        return True
    return isinstance(item, (Tensor, np.ndarray)) and item.ndim == 0 and item.dtype == np.bool_


def _without_ellipsis(given: list[Any], ndim: int, shape: tuple[int, ...]) -> int:
    """How many axes an Ellipsis in a key stands for."""
    used = 0
    for item in given:
        if item is None or item is Ellipsis:
            continue
        mask = mask_of(item)
        used += mask.ndim if mask is not None else 1
    if used > ndim:
        raise IndexingError(
            f"too many indices: shape {shape} has {ndim} axes, the key {_show(given)} asks for {used}"
        )
    if _count_of(given, Ellipsis) > 1:
        raise IndexingError("an index may hold one Ellipsis ('...') only")
    return ndim - used


def _items(key: Any, ndim: int, shape: tuple[int, ...]) -> list[Any]:
    """The key as one item per axis (besides None), with Ellipsis spelled out and masks turned to index
    arrays.
    """
    given = list(key) if isinstance(key, tuple) else [key]
    spare = _without_ellipsis(given, ndim, shape)
    if not any(item is Ellipsis for item in given):
        given.append(Ellipsis)
    out: list[Any] = []
    axis = 0
    for item in given:
        if item is Ellipsis:
            out += [_ALL] * spare
            axis += spare
        elif item is None:
            out.append(None)
        else:
            mask = mask_of(item)
            if mask is None:
                out.append(item)
                axis += 1
            else:
                arrays = _mask_indices(mask, shape, axis)
                out += arrays
                axis += len(arrays)
    return out


def _count_of(items: list[Any], wanted: Any) -> int:
    """How often an object itself (not an equal one: tensors compare elementwise) is in a list."""
    return sum(1 for item in items if item is wanted)


def _show(key: Any) -> str:
    if isinstance(key, (tuple, list)):
        return "[" + ", ".join(_show(item) for item in key) + "]"
    return str(key) if not isinstance(key, Tensor) else f"<{key.dtype}{list(key.shape)}>"


def mask_of(item: Any) -> Any:
    """The item when it is a boolean mask."""
    if isinstance(item, Tensor):
        return item if item.dtype.is_bool else None
    if isinstance(item, (list, np.ndarray)) and not _holds_tensors(item):
        array = np.asarray(item)
        return array if array.dtype == np.bool_ else None
    return None


def _holds_tensors(item: Any) -> bool:
    return isinstance(item, list) and any(isinstance(x, Tensor) for x in item)


_UNKNOWN_COUNT = (
    "how many elements a boolean mask picks is not known inside pg.jit; use pg.where(mask, x, fill), "
    "pick with an integer array of known size, or pg.nonzero(mask, size=n)"
)


def _mask_indices(mask: Any, shape: tuple[int, ...], axis: int) -> list[Any]:
    # A mask of no elements fits any extent: it picks nothing.
    fits = zip(mask.shape, shape[axis : axis + mask.ndim], strict=True)
    if not all(m in (d, 0) for m, d in fits):
        raise IndexingError(
            f"a mask of shape {tuple(mask.shape)} does not fit axes {axis} to {axis + mask.ndim - 1} of "
            f"shape {shape}"
        )
    if isinstance(mask, Tensor):
        if mask.is_abstract:
            raise TraceError(_UNKNOWN_COUNT)
        mask = mask.numpy()
    return list(np.nonzero(mask))


def parse(key: Any, shape: tuple[int, ...]) -> Parsed:
    """A key without single bools against a shape."""
    items = _items(key, len(shape), shape)
    ranges: list[tuple[int, int, int]] = []
    result: list[int | None] = []
    arrays: list[tuple[int, Any]] = []
    advanced: list[int] = []  # where among the items the arrays and integers stand
    place = -1
    has_arrays = any(_is_array(item) for item in items)
    axis = 0
    for position, item in enumerate(items):
        if item is None:
            result.append(None)
            continue
        length = shape[axis]
        if isinstance(item, slice):
            start, stop, step = _slice_indices(item, length)
            ranges.append((start, len(range(start, stop, step)), step))
            result.append(axis)
        elif _is_array(item):
            if place < 0:
                place = len(result)
            advanced.append(position)
            arrays.append((axis, item))
            ranges.append((0, length, 1))
        else:
            if has_arrays and place < 0:  # beside arrays an integer counts as one, as NumPy has it
                place = len(result)
            advanced.append(position)
            ranges.append((integer(item, length, axis, shape), 1, 1))
        axis += 1
    if advanced and advanced[-1] - advanced[0] != len(advanced) - 1:
        place = 0  # arrays that stand apart: their axes come first
    return Parsed(ranges, result, arrays, max(place, 0))


def _is_array(item: Any) -> bool:
    return isinstance(item, (Tensor, list, np.ndarray)) or (isinstance(item, tuple) and len(item) > 0)


def _slice_indices(item: slice, length: int) -> tuple[int, int, int]:
    try:
        return item.indices(length)
    except TypeError:
        raise IndexingError(f"slice bounds are integers or None, got {item}") from None
    except ValueError:
        raise IndexingError("the step of a slice must not be 0") from None


def integer(item: Any, length: int, axis: int, shape: tuple[int, ...]) -> int:
    """An index of one axis, counted from 0."""
    try:
        i = operator.index(item)
    except TypeError:
        raise IndexingError(
            "an index is an integer, slice, None, Ellipsis, or an array of integers or bools, got "
            f"{type(item).__name__}"
        ) from None
    if not -length <= i < length:
        raise IndexingError(f"index {i} is out of range for axis {axis} of extent {length} (shape {shape})")
    return i + length if i < 0 else i


def rows_of(item: Any, length: int, axis: int, shape: tuple[int, ...], mode: str = "raise") -> Tensor:
    """An integer array as a tensor with indices from 0; arrays that are known now are checked now.

    With a mode other than "raise" an index out of range is clipped, wrapped round, or sent to `length`.
    """
    if isinstance(item, Tensor) or _holds_tensors(item):
        item = item if isinstance(item, Tensor) else from_python(item)
        if not item.dtype.is_integer:
            raise IndexingError(
                f"index arrays hold integers or bools, got {item.dtype}; convert with .astype('int64')"
            )
        # Narrow indices could not hold the sum of an index and an extent.
        narrow = item.dtype.itemsize < 4 or (item.dtype.itemsize == 4 and length >= 2**31)
        wide = cast(item, dt.int64) if narrow else item
        if mode == "wrap":
            return wide % length
        made = wide if wide.dtype.kind == "u" else where(wide < 0, wide + length, wide)
        if mode == "clip":
            made = where(made < 0, 0, where(made >= length, max(length - 1, 0), made))
        return where((made < 0) | (made >= length), length, made) if mode == "drop" else made
    array = np.asarray(item)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise IndexingError(
            f"index arrays hold integers or bools, got {array.dtype}; convert with .astype('int64')"
        )
    array = array.astype(np.int64)
    if mode == "wrap":
        return as_tensor(array % max(length, 1))
    outside = (array < -length) | (array >= length)
    if mode == "raise" and outside.any():
        bad = int(array[outside].flat[0])
        raise IndexingError(f"index {bad} is out of range for axis {axis} of extent {length} (shape {shape})")
    array = np.where(array < 0, array + length, array)
    if mode == "clip":
        array = np.clip(array, 0, max(length - 1, 0))
    return as_tensor(np.where(outside, length, array) if mode == "drop" else array)


def checked_mode(mode: str) -> str:
    """A mode of an index out of range; "fill" is what reading calls "drop"."""
    mode = "drop" if known(mode, ("fill",)) else mode
    if not known(mode, MODES):
        raise InvalidValueError(
            f"unknown mode {mode!r} of an index out of range; the modes are raise, clip, wrap, drop (fill)"
        )
    return mode


def linear_rows(arrays: list[tuple[int, Any]], shape: tuple[int, ...], mode: str) -> Tensor:
    """One index into the merged array axes; an index out of its own range is sent out of the merged range."""
    rows = [rows_of(item, shape[axis], axis, shape, mode) for axis, item in arrays]
    if len(rows) == 1:
        return rows[0]
    try:
        broadcast_shapes(*[r.shape for r in rows])
    except ShapeError:
        raise IndexingError(
            f"index arrays of shapes {', '.join(str(r.shape) for r in rows)} do not broadcast"
        ) from None
    total = math.prod(shape[axis] for axis, _ in arrays)
    linear: Any = 0
    outside: Any = None
    stride = total
    for (axis, item), r in zip(arrays, rows, strict=True):
        stride //= max(shape[axis], 1)
        r = cast(r, dt.int64)
        linear = linear + r * stride
        if isinstance(item, (Tensor, list)) or mode == "drop":
            wrong = (r < 0) | (r >= shape[axis])
            outside = wrong if outside is None else outside | wrong
    return linear if outside is None else where(outside, total, linear)
