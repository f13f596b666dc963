"""Changing shapes and putting tensors together, under NumPy's names."""

# Size: one family; half of it is documentation and examples.

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, AxisError, InvalidValueError, PequegradError, ShapeError, TraceError
from .common import (
    Axis,
    TensorLike,
    as_tensor,
    as_tensor_like,
    axes_of,
    axis_of,
    cast,
    check_count,
    check_table,
    known,
    reshape_to,
    shape_of,
    spelled,
)


def _unpacked(first: Any, rest: tuple[Any, ...]) -> Any:
    """``f(x, (2, 3))`` and ``f(x, 2, 3)`` mean the same."""
    return (first, *rest) if rest else first


def reshape(x: TensorLike, shape: Any, *more: int, copy: bool | None = None) -> Tensor:
    """The elements in row-major order under another shape; one extent may be -1. Values are immutable, so
    that ``copy`` changes nothing.

    >>> pg.reshape(pg.arange(6), (2, -1)).shape
    (2, 3)
    """
    x = as_tensor(x)
    dims = list(shape_of(_unpacked(shape, more), "reshape"))
    if -1 in dims:
        if dims.count(-1) > 1:
            raise ShapeError(f"reshape: only one extent may be -1, got {tuple(dims)}")
        known = math.prod(d for d in dims if d != -1)
        if known == 0 or x.size % known:
            raise ShapeError(
                f"reshape: {x.size} elements of shape {x.shape} do not divide into {tuple(dims)}"
            )
        dims[dims.index(-1)] = x.size // known
    if any(d < 0 for d in dims) or math.prod(dims) != x.size:
        raise ShapeError(
            f"reshape: shape {x.shape} has {x.size} elements, {tuple(dims)} needs {math.prod(dims)}"
        )
    return reshape_to(x, dims)


def permute(x: TensorLike, axes: Any, *more: int) -> Tensor:
    """Axes in another order: axis i of the result is axis ``axes[i]`` of x.

    >>> pg.permute(pg.zeros((2, 3, 4)), (0, 2, 1)).shape
    (2, 4, 3)
    """
    x = as_tensor(x)
    given = _unpacked(axes, more)
    if not isinstance(given, (tuple, list)):
        given = (given,)
    order = [axis_of(a, x.ndim, "permute") for a in given]
    if sorted(order) != list(range(x.ndim)):
        raise AxisError(
            f"permute: axes {tuple(given)} are not an order of the {x.ndim} axes of shape {x.shape}; name "
            "each once"
        )
    return x if order == list(range(x.ndim)) else _core.apply("permute", (x,), order)


def transpose(x: TensorLike, axes: Any = None, *more: int) -> Tensor:
    """Axes in another order, reversed when none is given, as NumPy's.

    >>> pg.transpose(pg.zeros((2, 3))).shape
    (3, 2)
    """
    x = as_tensor(x)
    return x.T if axes is None else permute(x, axes, *more)


permute_dims = permute


def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged.

    >>> pg.swapaxes(pg.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = as_tensor(x)
    a, b = axis_of(axis1, x.ndim, "swapaxes"), axis_of(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return permute(x, order)


def matrix_transpose(x: TensorLike) -> Tensor:
    """The last two axes exchanged.

    >>> pg.matrix_transpose(pg.zeros((5, 2, 3))).shape
    (5, 3, 2)
    """
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: needs at least 2 axes, got shape {x.shape}")
    return swapaxes(x, -1, -2)


def moveaxis(x: TensorLike, source: Axis, destination: Axis) -> Tensor:
    """Axes moved to new places, the others keep their order.

    >>> pg.moveaxis(pg.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x)
    a = [axis_of(i, x.ndim, "moveaxis") for i in (source if isinstance(source, (tuple, list)) else (source,))]
    b = [
        axis_of(i, x.ndim, "moveaxis")
        for i in (destination if isinstance(destination, (tuple, list)) else (destination,))
    ]
    if len(a) != len(b) or len(set(a)) != len(a) or len(set(b)) != len(b):
        raise AxisError(
            f"moveaxis: source {source} and destination {destination} must be equally many different axes"
        )
    order = [i for i in range(x.ndim) if i not in a]
    for place, axis in sorted(zip(b, a, strict=True)):
        order.insert(place, axis)
    return permute(x, order)


def broadcast_to(x: TensorLike, shape: Any, *more: int) -> Tensor:
    """The tensor repeated along new leading axes and axes of extent 1.

    >>> pg.broadcast_to(pg.Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    x = as_tensor(x)
    if not more and x.shape == shape:
        return x
    wanted = shape_of(_unpacked(shape, more), "broadcast_to")
    return x if wanted == x.shape else _core.broadcast_to(x, wanted)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape to which shapes broadcast.

    >>> pg.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    out: tuple[int, ...] = ()
    for given in shapes:
        shape = shape_of(given, "broadcast_shapes")
        if shape == out:
            continue
        a = (1,) * (len(shape) - len(out)) + out
        b = (1,) * (len(out) - len(shape)) + tuple(shape)
        for p, q in zip(a, b, strict=True):
            if p != q and 1 not in (p, q):
                raise ShapeError(
                    f"shapes {', '.join(map(str, shapes))} do not broadcast: {p} and {q} differ and "
                    "neither is 1"
                )
        out = tuple([q if p == 1 else p for p, q in zip(a, b, strict=True)])
    return out


def broadcast_arrays(*xs: TensorLike) -> list[Tensor]:
    """Tensors brought to one shape.

    >>> [t.shape for t in pg.broadcast_arrays(pg.zeros(3), pg.zeros((2, 1)))]
    [(2, 3), (2, 3)]
    """
    tensors = [as_tensor(x) for x in xs]
    shape = broadcast_shapes(*[x.shape for x in tensors])
    return [broadcast_to(x, shape) for x in tensors]


def expand_dims(x: TensorLike, axis: Axis = 0) -> Tensor:
    """New axes of extent 1 at the given places of the result.

    >>> pg.expand_dims(pg.zeros(3), 0).shape
    (1, 3)
    """
    x = as_tensor(x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    axes = axes_of(axis if axis is not None else 0, x.ndim + count, "expand_dims")
    rest = iter(x.shape)
    return reshape_to(x, [1 if i in axes else next(rest) for i in range(x.ndim + count)])


unsqueeze = expand_dims


def squeeze(x: TensorLike, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """Axes of extent 1 removed: those named, or all.

    >>> pg.squeeze(pg.zeros((1, 3, 1))).shape
    (3,)
    """
    x = as_tensor(x)
    axis = spelled(axis, None, dim, "axis/dim", "squeeze")
    axes = (
        axes_of(axis, x.ndim, "squeeze") if axis is not None else [i for i, d in enumerate(x.shape) if d == 1]
    )
    for a in axes:
        if x.shape[a] != 1:
            raise ShapeError(
                f"squeeze: axis {a} of shape {x.shape} has extent {x.shape[a]}; only axes of extent 1 can go"
            )
    return reshape_to(x, [d for i, d in enumerate(x.shape) if i not in axes])


def flatten(x: TensorLike, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes from ``start_dim`` to ``end_dim`` merged into one.

    >>> pg.flatten(pg.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = as_tensor(x)
    if x.ndim == 0:
        return reshape_to(x, (1,))
    a, b = axis_of(start_dim, x.ndim, "flatten"), axis_of(end_dim, x.ndim, "flatten")
    if a > b:
        raise AxisError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    return reshape_to(x, (*x.shape[:a], math.prod(x.shape[a : b + 1]), *x.shape[b + 1 :]))


def ravel(x: TensorLike) -> Tensor:
    """All elements along one axis.

    >>> pg.ravel(pg.zeros((2, 3))).shape
    (6,)
    """
    x = as_tensor(x)
    return reshape_to(x, (x.size,))


_Change = Callable[[tuple[int, ...]], tuple[int, ...]]


def _together(xs: Any, what: str, change: _Change | None = None) -> Tensor | list[Tensor]:
    """Tensors of one dtype, reshaped as ``change`` says. An array stands for the sequence of its rows and is
    kept as one tensor: joining them is then a change of shape, however many there are.
    """
    if isinstance(xs, (Tensor, np.ndarray)):
        rows = as_tensor(xs)
        if rows.ndim == 0:
            raise ArgumentError(f"{what}: takes a sequence of tensors, got one of rank 0")
        if rows.shape[0] == 0:
            raise InvalidValueError(f"{what}: no tensors given; pass at least one")
        return reshape_to(rows, (rows.shape[0], *change(rows.shape[1:]))) if change else rows
    try:
        tensors = [as_tensor(x) for x in xs]
    except TypeError as error:
        if isinstance(error, PequegradError):
            raise
        raise ArgumentError(f"{what}: takes a sequence of tensors, got {type(xs).__name__}") from None
    if not tensors:
        raise InvalidValueError(f"{what}: no tensors given; pass at least one")
    code, _ = _core.promote(*tensors)
    ready = [cast(x, dt.all_dtypes[code]) for x in tensors]
    return [reshape_to(x, change(x.shape)) for x in ready] if change else ready


def at_least(rank: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of at least so many axes: new ones in front, but a vector lies along the second of three, a
    matrix along the first two.
    """
    if rank == 3 and 0 < len(shape) < 3:
        return (1, *shape, 1)[-3:]
    return (1,) * (rank - len(shape)) + shape


def _row_joined(rows: Tensor, axis: int | None) -> Tensor:
    """The rows of a tensor one after the other along an axis of theirs."""
    if axis is None:
        return ravel(rows)
    if rows.ndim == 1:
        raise ShapeError("concatenate: tensors of rank 0 have no axis to join; use pg.stack")
    at = axis_of(axis, rows.ndim - 1, "concatenate")
    count, *row = rows.shape
    return reshape_to(moveaxis(rows, 0, at), (*row[:at], count * row[at], *row[at + 1 :]))


def _joined(xs: Any, what: str, change: _Change, axis: Callable[[int], int]) -> Tensor:
    """Tensors reshaped by ``change``, joined along the axis that follows from the rank of the first."""
    tensors = _together(xs, what, change)
    if isinstance(tensors, Tensor):
        return _row_joined(tensors, axis(tensors.ndim - 1))
    return concatenate(tensors, axis(tensors[0].ndim))


def concatenate(xs: Sequence[TensorLike], axis: int | None = 0, *, dim: int | None = None) -> Tensor:
    """Tensors one after the other along an axis (flattened first when None).

    >>> pg.concatenate([pg.Tensor([1, 2]), pg.Tensor([3])]).tolist()
    [1, 2, 3]
    """
    axis = spelled(axis, 0, dim, "axis/dim", "concatenate")
    joined = _core.join(xs, axis)
    if joined is not None:
        return joined
    tensors = _together(xs, "concatenate")
    if isinstance(tensors, Tensor):
        return _row_joined(tensors, axis)
    if axis is None:
        tensors, axis = [ravel(x) for x in tensors], 0
    first = tensors[0]
    if first.ndim == 0:
        raise ShapeError("concatenate: tensors of rank 0 have no axis to join; use pg.stack")
    at = axis_of(axis, first.ndim, "concatenate")
    for i, x in enumerate(tensors):
        if (
            x.ndim != first.ndim
            or x.shape[:at] + x.shape[at + 1 :] != first.shape[:at] + first.shape[at + 1 :]
        ):
            raise ShapeError(
                f"concatenate: tensor {i} of shape {x.shape} does not fit {first.shape} beside axis {at}"
            )
    return first if len(tensors) == 1 else _core.apply("concat", tensors, (at,))


concat = cat = concatenate


def stack(xs: Sequence[TensorLike], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors of one shape along a new axis.

    >>> pg.stack([pg.Tensor([1, 2]), pg.Tensor([3, 4])]).tolist()
    [[1, 2], [3, 4]]
    """
    axis = spelled(axis, 0, dim, "axis/dim", "stack")
    tensors = _together(xs, "stack")
    if isinstance(tensors, Tensor):
        return moveaxis(tensors, 0, axis_of(axis, tensors.ndim, "stack"))
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: tensor {i} has shape {x.shape}, the first {tensors[0].shape}; all must be equal"
            )
    at = axis_of(axis, tensors[0].ndim + 1, "stack")
    return concatenate([expand_dims(x, at) for x in tensors], at)


def hstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors side by side: along the second axis, or the first of vectors.

    >>> pg.hstack([pg.Tensor([1]), pg.Tensor([2])]).tolist()
    [1, 2]
    """
    return _joined(xs, "hstack", lambda row: at_least(1, row), lambda rank: 0 if rank == 1 else 1)


def vstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors below each other: along the first axis, vectors as rows.

    >>> pg.vstack([pg.Tensor([1, 2]), pg.Tensor([3, 4])]).tolist()
    [[1, 2], [3, 4]]
    """
    return _joined(xs, "vstack", lambda row: at_least(2, row), lambda _: 0)


def dstack(xs: Sequence[TensorLike]) -> Tensor:
    """Tensors along the third axis, after ``atleast_3d``.

    >>> pg.dstack([pg.zeros(3), pg.ones(3)]).shape
    (1, 3, 2)
    """
    return _joined(xs, "dstack", lambda row: at_least(3, row), lambda _: 2)


def column_stack(xs: Sequence[TensorLike]) -> Tensor:
    """Vectors as columns, matrices as they are, side by side.

    >>> pg.column_stack([pg.Tensor([1, 2]), pg.Tensor([3, 4])]).tolist()
    [[1, 3], [2, 4]]
    """
    return _joined(xs, "column_stack", lambda row: row if len(row) > 1 else (*(row or (1,)), 1), lambda _: 1)


def split(x: TensorLike, indices_or_sections: Any, axis: int = 0, *, dim: int | None = None) -> list[Tensor]:
    """Parts along an axis: so many equal ones, or between the given indices.

    >>> [t.tolist() for t in pg.split(pg.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, 0, dim, "axis/dim", "split"), x.ndim, "split")
    length = x.shape[at]
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)):
        cuts = [
            0,
            *[
                int(i) + length if int(i) < 0 else min(int(i), length)
                for i in np.asarray(indices_or_sections).tolist()
            ],
            length,
        ]
    else:
        parts = operator.index(indices_or_sections)
        if parts < 1 or length % parts:
            raise ShapeError(
                f"split: {length} elements along axis {at} do not divide into {parts} equal parts; give "
                "indices"
            )
        check_count(parts, "split")
        cuts = list(range(0, length + 1, length // parts)) if length else [0] * (parts + 1)
    return [part(x, at, a, max(a, b)) for a, b in itertools.pairwise(cuts)]


def array_split(x: TensorLike, sections: Any, axis: int = 0, *, dim: int | None = None) -> list[Tensor]:
    """So many parts along an axis, the first ones longer by one where it does not divide; or the parts
    between the given indices.

    >>> [t.tolist() for t in pg.array_split(pg.arange(3), 2)]
    [[0, 1], [2]]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, 0, dim, "axis/dim", "array_split"), x.ndim, "array_split")
    if isinstance(sections, (tuple, list, np.ndarray)):
        return split(x, sections, at)
    sections = operator.index(sections)
    if sections < 1:
        raise InvalidValueError(f"array_split: needs at least 1 part, got {sections}")
    check_count(sections, "array_split")
    each, extra = divmod(x.shape[at], sections)
    cuts = np.cumsum([0] + [each + 1] * extra + [each] * (sections - extra)).tolist()
    return [part(x, at, a, b) for a, b in itertools.pairwise(cuts)]


def part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The slice [start, stop) of one axis."""
    words: list[int] = []
    for i, d in enumerate(x.shape):
        words += (start, stop, 1) if i == axis else (0, d, 1)
    return _core.apply("slice", (x,), words)


def unstack(x: TensorLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis.

    >>> [t.tolist() for t in pg.unstack(pg.Tensor([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    x = as_tensor(x)
    at = axis_of(axis, x.ndim, "unstack")
    rest = x.shape[:at] + x.shape[at + 1 :]
    check_count(x.shape[at], "unstack")
    return tuple(reshape_to(part(x, at, i, i + 1), rest) for i in range(x.shape[at]))


def flip(x: TensorLike, axis: Axis = None) -> Tensor:
    """The order of the elements turned round along axes (all when None).

    >>> pg.flip(pg.Tensor([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    x = as_tensor(x)
    axes = axes_of(axis, x.ndim, "flip")
    words: list[int] = []
    for i, d in enumerate(x.shape):
        words += (d - 1, -1, -1) if i in axes and d else (0, d, 1)
    return _core.apply("slice", (x,), words) if axes else x


def roll(x: TensorLike, shift: Any, axis: Axis = None) -> Tensor:
    """Elements moved along axes, those that fall off enter at the other end.

    >>> pg.roll(pg.Tensor([1, 2, 3]), 1).tolist()
    [3, 1, 2]
    """
    x = as_tensor(x)
    if axis is None:
        return reshape_to(roll(ravel(x), shift, 0), x.shape)
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift] * len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes; give one each")
    for by, given in zip(shifts, axes, strict=True):
        at = axis_of(given, x.ndim, "roll")
        length = x.shape[at]
        by = by % length if length else 0
        if by:
            x = concatenate([part(x, at, length - by, length), part(x, at, 0, length - by)], at)
    return x


def tile(x: TensorLike, reps: Any) -> Tensor:
    """The whole tensor repeated along each axis.

    >>> pg.tile(pg.Tensor([1, 2]), 2).tolist()
    [1, 2, 1, 2]
    """
    x = as_tensor(x)
    times = shape_of(reps, "tile")
    rank = max(x.ndim, len(times))
    times = (1,) * (rank - len(times)) + times
    dims = (1,) * (rank - x.ndim) + x.shape
    if any(t < 0 for t in times):
        raise ShapeError(f"tile: repetitions must not be negative, got {times}")
    inner = [n for d in dims for n in (1, d)]
    outer = [n for t, d in zip(times, dims, strict=True) for n in (t, d)]
    return reshape_to(
        broadcast_to(reshape_to(x, inner), outer), [t * d for t, d in zip(times, dims, strict=True)]
    )


def repeat(x: TensorLike, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element repeated, along an axis or of the flattened tensor.

    >>> pg.repeat(pg.Tensor([1, 2]), 2).tolist()
    [1, 1, 2, 2]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of(axis, x.ndim, "repeat")
    if isinstance(repeats, Tensor) and repeats.is_abstract:
        raise TraceError("repeat: the counts must be known inside pg.jit; pass Python numbers")
    if isinstance(repeats, (tuple, list, np.ndarray, Tensor)) and np.ndim(np.asarray(repeats)) > 0:
        check_table(x.shape[at], "repeat")
        counts = np.asarray(repeats)
        if counts.shape == (1,):
            counts = np.repeat(counts, x.shape[at])
        if counts.shape != (x.shape[at],):
            raise ShapeError(f"repeat: {counts.size} counts for {x.shape[at]} elements along axis {at}")
        from .indexing import take

        return take(x, np.repeat(np.arange(x.shape[at]), counts), at)
    times = int(np.asarray(repeats).reshape(()))
    if times < 0:
        raise InvalidValueError(f"repeat: the count must not be negative, got {times}")
    wide = broadcast_to(expand_dims(x, at + 1), (*x.shape[: at + 1], times, *x.shape[at + 1 :]))
    return reshape_to(wide, (*x.shape[:at], x.shape[at] * times, *x.shape[at + 1 :]))


def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Tensor:
    """Margins around a tensor: ``pad_width`` is one int, a pair, or a pair per axis. Negative constant
    margins crop.

    >>> pg.pad(pg.Tensor([1, 2]), (1, 2)).tolist()
    [0, 1, 2, 0, 0]
    """
    x = as_tensor(x)
    try:
        widths = np.broadcast_to(np.asarray(pad_width, dtype=np.int64), (x.ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(
            f"pad: pad_width {pad_width!r} does not give a (before, after) pair for each axis of {x.shape}"
        ) from None
    if mode == "constant":
        value = cast(as_tensor_like(constant_values, x), x.dtype)
        if value.ndim:
            raise ShapeError(f"pad: constant_values must be one number, got shape {value.shape}")
        words = [w for pair in widths for w in pair] if x.ndim else []
        low, high = words[0::2], words[1::2]
        if any(d + a + b < 0 for d, a, b in zip(x.shape, low, high, strict=True)):
            raise ShapeError(f"pad: margins {widths} crop more than shape {x.shape} has")
        return _core.apply("pad", (x, value), [w for a, b in zip(low, high, strict=True) for w in (a, b, 0)])
    if not known(mode, ("edge", "reflect", "symmetric", "wrap")):
        raise InvalidValueError(
            f"pad: unknown mode {mode!r}; the modes are constant, edge, reflect, symmetric, wrap"
        )
    from .indexing import margin_runs, take, take_runs

    for axis, (before, after) in enumerate(widths):
        if before or after:
            length = x.shape[axis]
            check_table(length + before + after, "pad")
            runs = margin_runs(length, before, after, mode)
            # NumPy says which element each new place takes.
            x = (
                take_runs(x, runs, axis)
                if runs
                else take(x, np.pad(np.arange(length), (before, after), mode=mode), axis)  # type: ignore[call-overload]
            )
    return x
