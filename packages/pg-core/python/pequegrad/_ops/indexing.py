"""Reading and writing parts: NumPy's indexing, ``x.at[key].set(v)`` and ``x[key] = v``."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, IndexingError, InvalidValueError, ShapeError, TraceError
from .common import TensorLike, as_tensor, as_tensor_like, axis_of, cast, elementwise, iota, reshape_to
from .logic import where
from .shape import broadcast_shapes, broadcast_to, moveaxis, permute

_ALL = slice(None)


class _Parsed(NamedTuple):
    """A key against a shape: one range per axis, then which axes stay, are new, or are picked by arrays."""

    ranges: list[tuple[int, int, int]]  # start, count, step per axis of x
    result: list[int | None]  # axes of x that stay (None: a new axis); array axes are not in here
    arrays: list[tuple[int, Any]]  # (axis of x, integer array or tensor)
    place: int  # where the arrays' axes go in `result`


def _items(key: Any, ndim: int, shape: tuple[int, ...]) -> list[Any]:
    """The key as one item per axis (besides None), with Ellipsis spelled out and masks turned to index
    arrays.
    """
    given = list(key) if isinstance(key, tuple) else [key]
    out: list[Any] = []
    used = 0
    for item in given:
        if item is None or item is Ellipsis:
            continue
        mask = _mask_of(item)
        used += mask.ndim if mask is not None else 1
    if used > ndim:
        raise IndexingError(
            f"too many indices: shape {shape} has {ndim} axes, the key {_show(key)} asks for {used}"
        )
    if _count_of(given, Ellipsis) > 1:
        raise IndexingError("an index may hold one Ellipsis ('...') only")
    if not any(item is Ellipsis for item in given):
        given.append(Ellipsis)
    axis = 0
    for item in given:
        if item is Ellipsis:
            out += [_ALL] * (ndim - used)
            axis += ndim - used
        elif item is None:
            out.append(None)
        else:
            mask = _mask_of(item)
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
    return str(key) if not isinstance(key, Tensor) else f"<{key.dtype}{list(key.shape)}>"


def _mask_of(item: Any) -> Any:
    """The item when it is a boolean mask."""
    if isinstance(item, Tensor):
        return item if item.dtype.is_bool else None
    if isinstance(item, (bool, np.bool_)):
        raise IndexingError("a single bool is no index; use pg.where, or an integer")
    if isinstance(item, (list, np.ndarray)):
        array = np.asarray(item)
        return array if array.dtype == np.bool_ else None
    return None


def _mask_indices(mask: Any, shape: tuple[int, ...], axis: int) -> list[Any]:
    if tuple(mask.shape) != shape[axis : axis + mask.ndim]:
        raise IndexingError(
            f"a mask of shape {tuple(mask.shape)} does not fit axes {axis} to {axis + mask.ndim - 1} of "
            f"shape {shape}"
        )
    if isinstance(mask, Tensor):
        if mask.is_abstract:
            raise TraceError(
                "how many elements a boolean mask picks is not known inside pg.jit; "
                "use pg.where(mask, x, fill), or pick with an integer array of known size"
            )
        mask = mask.numpy()
    return list(np.nonzero(mask))


def _parse(key: Any, shape: tuple[int, ...]) -> _Parsed:
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
            ranges.append((_integer(item, length, axis, shape), 1, 1))
        axis += 1
    if advanced and advanced[-1] - advanced[0] != len(advanced) - 1:
        place = 0  # arrays that stand apart: their axes come first
    return _Parsed(ranges, result, arrays, max(place, 0))


def _is_array(item: Any) -> bool:
    return isinstance(item, (Tensor, list, np.ndarray)) or (isinstance(item, tuple) and len(item) > 0)


def _slice_indices(item: slice, length: int) -> tuple[int, int, int]:
    try:
        return item.indices(length)
    except TypeError:
        raise IndexingError(f"slice bounds are integers or None, got {item}") from None
    except ValueError:
        raise IndexingError("the step of a slice must not be 0") from None


def _integer(item: Any, length: int, axis: int, shape: tuple[int, ...]) -> int:
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


def _rows(item: Any, length: int, axis: int, shape: tuple[int, ...]) -> Tensor:
    """An integer array as a tensor with indices from 0; arrays that are known now are checked now."""
    if isinstance(item, Tensor):
        if not item.dtype.is_integer:
            raise IndexingError(
                f"index arrays hold integers or bools, got {item.dtype}; convert with .astype('int64')"
            )
        if item.dtype.kind == "u":
            return item
        wide = cast(item, dt.int64) if item.dtype.itemsize < 4 else item
        return where(wide < 0, wide + length, wide)
    array = np.asarray(item)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise IndexingError(
            f"index arrays hold integers or bools, got {array.dtype}; convert with .astype('int64')"
        )
    array = array.astype(np.int64)
    if array.size and (array.min() < -length or array.max() >= length):
        bad = int(array[(array < -length) | (array >= length)].flat[0])
        raise IndexingError(f"index {bad} is out of range for axis {axis} of extent {length} (shape {shape})")
    return as_tensor(np.where(array < 0, array + length, array))


def _rank_in_place(parsed: _Parsed) -> list[int]:
    """Extents after slicing, in the order of `result`."""
    return [1 if a is None else parsed.ranges[a][1] for a in parsed.result]


def _cut(x: Tensor, parsed: _Parsed) -> Tensor:
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


def getitem(x: Tensor, key: Any) -> Tensor:
    """What ``x[key]`` means: integers, slices with any step, None, Ellipsis, integer arrays and boolean
    masks.
    """
    if type(key) is int and x.ndim:  # the commonest key, without the analysis
        length, *rest = x.shape
        i = _integer(key, length, 0, x.shape)
        words = [i, i + 1, 1]
        for d in rest:
            words += (0, d, 1)
        return _core.apply("reshape", (_core.apply("slice", (x,), words),), rest)
    parsed = _parse(key, x.shape)
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
    rows = _linear_rows(parsed.arrays, x.shape)
    picked = _core.apply("gather", (table, rows), (0,))
    inner = _rank_in_place(parsed)
    picked = reshape_to(picked, (*rows.shape, *inner))
    if parsed.place == 0 or rows.ndim == 0:
        return picked
    return moveaxis(picked, tuple(range(rows.ndim)), tuple(range(parsed.place, parsed.place + rows.ndim)))


def _linear_rows(arrays: list[tuple[int, Any]], shape: tuple[int, ...]) -> Tensor:
    """One index into the merged array axes; an index out of its own range is sent out of the merged range."""
    rows = [_rows(item, shape[axis], axis, shape) for axis, item in arrays]
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
        if isinstance(item, Tensor):
            wrong = (r < 0) | (r >= shape[axis])
            outside = wrong if outside is None else outside | wrong
    return linear if outside is None else where(outside, total, linear)


# ---- writing

_MODES = {"set": 0, "add": 1, "mul": 2, "min": 3, "max": 4}
_RECORDS = {"add": "add", "mul": "mul", "min": "minimum", "max": "maximum"}


def update(x: Tensor, key: Any, value: TensorLike, mode: str) -> Tensor:
    """x with the part named by a key set to, added to, ... a value that broadcasts to that part."""
    v = as_tensor_like(value, x)
    if (
        mode == "set"
        and v.dtype.kind == "f"
        and x.dtype.kind != "f"
        and isinstance(value, Tensor)
        and not v.weak
    ):
        raise dt.DTypeError(
            f"cannot write {v.dtype} values into a {x.dtype} tensor; convert them with .astype('{x.dtype}')"
        )
    v = cast(v, x.dtype)
    mask = _mask_of(key) if not isinstance(key, tuple) else None
    if mask is not None and tuple(mask.shape) == x.shape[: mask.ndim] and v.ndim <= x.ndim - mask.ndim:
        # One value (or one row) for all places: no need to know how many there are.
        chosen = reshape_to(as_tensor(mask), (*mask.shape, *[1] * (x.ndim - mask.ndim)))
        return where(chosen, v if mode == "set" else elementwise(_RECORDS[mode], x, v), x)
    parsed = _parse(key, x.shape)
    if not parsed.arrays:
        return _update_range(x, parsed, fitting(v, _rank_in_place(parsed), x), mode)
    only_leading = (
        len(parsed.arrays) == 1 and parsed.arrays[0][0] == 0 and parsed.result == list(range(1, x.ndim))
    )
    if only_leading and all(r == (0, d, 1) for r, d in zip(parsed.ranges, x.shape, strict=True)):
        rows = _rows(parsed.arrays[0][1], x.shape[0], 0, x.shape)
        return _core.apply(
            "scatter", (x, rows, fitting(v, (*rows.shape, *x.shape[1:]), x)), (_MODES[mode], 0)
        )
    # Any other key: its places in the flattened tensor are the key applied to the index of each element.
    places = getitem(reshape_to(iota((x.size,), 0, dt.int64, x.device.pair), x.shape), key)
    flat = reshape_to(fitting(v, places.shape, x), (places.size,))
    made = _core.apply(
        "scatter", (reshape_to(x, (x.size,)), reshape_to(places, (places.size,)), flat), (_MODES[mode], 0)
    )
    return reshape_to(made, x.shape)


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


def _update_range(x: Tensor, parsed: _Parsed, v: Tensor, mode: str) -> Tensor:
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
        return v if mode == "set" else elementwise(_RECORDS[mode], x, v)
    pair = x.device.pair
    placed = _core.apply("pad", (v, _core.full(0, x.dtype.code, False, (), pair)), words)
    inside = _core.apply(
        "pad", (_core.full(True, 0, False, v.shape, pair), _core.full(False, 0, False, (), pair)), words
    )
    return where(inside, placed if mode == "set" else elementwise(_RECORDS[mode], x, placed), x)


class At:
    """``x.at[key]``: the part of a tensor that an update writes; the updates return a new tensor.

    >>> pg.zeros(3).at[1].set(5.0).tolist()
    [0.0, 5.0, 0.0]
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any = None) -> None:
        self._x, self._key = x, key

    def __getitem__(self, key: Any) -> At:
        return At(self._x, key)

    def get(self) -> Tensor:
        """The part itself."""
        return getitem(self._x, self._key)

    def set(self, value: TensorLike) -> Tensor:
        """The tensor with this part replaced."""
        return update(self._x, self._key, value, "set")

    def add(self, value: TensorLike) -> Tensor:
        """The tensor with a value added to this part; places that occur twice are added to twice."""
        return update(self._x, self._key, value, "add")

    def subtract(self, value: TensorLike) -> Tensor:
        """The tensor with a value subtracted from this part."""
        return update(self._x, self._key, -as_tensor_like(value, self._x), "add")

    def multiply(self, value: TensorLike) -> Tensor:
        """The tensor with this part multiplied."""
        return update(self._x, self._key, value, "mul")

    mul = multiply

    def divide(self, value: TensorLike) -> Tensor:
        """The tensor with this part divided."""
        return update(self._x, self._key, 1.0 / as_tensor_like(value, self._x), "mul")

    def min(self, value: TensorLike) -> Tensor:
        """The tensor with this part not above a value."""
        return update(self._x, self._key, value, "min")

    def max(self, value: TensorLike) -> Tensor:
        """The tensor with this part not below a value."""
        return update(self._x, self._key, value, "max")


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
    if mode == "clip":
        indices = elementwise("minimum", elementwise("maximum", indices, 0), length - 1)
    elif mode == "wrap":
        indices = indices % length
    elif mode != "raise":
        raise InvalidValueError(f"take: unknown mode {mode!r}; the modes are raise, clip, wrap")
    return getitem(x, (*(_ALL,) * at, indices))


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
    index = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices of shape {tuple(index.shape)} need the rank of the tensor, {x.ndim}"
        )
    others = tuple(1 if i == at else d for i, d in enumerate(x.shape))
    dims = broadcast_shapes(others, tuple(1 if i == at else d for i, d in enumerate(index.shape)))
    dims = tuple(index.shape[at] if i == at else d for i, d in enumerate(dims))
    x = broadcast_to(x, tuple(x.shape[at] if i == at else d for i, d in enumerate(dims)))
    rows = broadcast_to(_rows(index, x.shape[at], at, x.shape), dims)
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


def nonzero(x: TensorLike) -> tuple[Tensor, ...]:
    """The indices of nonzero elements, one tensor per axis. Needs the values, hence not inside jit.

    >>> [i.tolist() for i in pg.nonzero(pg.Tensor([0, 7, 0, 8]))]
    [[1, 3]]
    """
    x = as_tensor(x)
    if x.is_abstract:
        raise TraceError(
            "nonzero: how many elements are nonzero is not known inside pg.jit; use pg.where(condition, "
            "x, fill)"
        )
    if x.ndim == 0:
        raise ArgumentError("nonzero: a tensor of rank 0 has no axes; reshape it to (1,)")
    return tuple(as_tensor(i.astype(np.int64)) for i in np.nonzero(x.numpy()))
