"""Shapes and arrangement: reshaping, slicing, joining, padding, repeating."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError
from ..reader import Tensor as FileTensor
from .registry import Floats, Host, Ints, Strs, op

_SMALL = 65536  # elements that may stay on the host


def axes_of(axes: Ints, rank: int) -> Ints:
    """Axes counted from the front, each once."""
    found = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise InvalidModelError(f"axes {axes} name an axis twice")
    return found


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        raise InvalidModelError(f"axis {axis} is out of range for {rank} axes")
    return axis % rank


# ---- constants


@op("Constant", 1, 9, 11, 12, 13, 19, 21, 23, 24, 25)
def constant(
    *,
    value: FileTensor | None = None,
    value_float: float | None = None,
    value_floats: Floats | None = None,
    value_int: int | None = None,
    value_ints: Ints | None = None,
    value_string: str | None = None,
    value_strings: Strs | None = None,
) -> Any:
    if value is not None:
        return value
    for held in (value_float, value_floats):
        if held is not None:
            return np.array(held, np.float32)
    for given in (value_int, value_ints):
        if given is not None:
            return np.array(given, np.int64)
    for text in (value_string, value_strings):
        if text is not None:
            return np.array(text, object)
    raise InvalidModelError("a Constant without a value")


@op("ConstantOfShape", 9, 20, 21, 23, 24, 25)
def constant_of_shape(call: Any, shape: Ints, *, value: FileTensor | None = None) -> Any:
    filler: Any = np.zeros(1, np.float32) if value is None else value
    if filler.size != 1 or any(n < 0 for n in shape):
        raise InvalidModelError(f"a constant of shape {shape} from {filler.size} values")
    call.check_size(shape)
    filler = filler.reshape(())
    if math.prod(shape) <= _SMALL and isinstance(filler, np.ndarray):
        return np.broadcast_to(filler, shape)
    return pg.broadcast_to(pg.Tensor(filler), shape)


@op("Shape", 1, 13, 15, 19, 21, 23, 24, 25)
def shape(x: Any, *, start: int = 0, end: int | None = None) -> np.ndarray:
    return np.array(x.shape[start:end], np.int64)


@op("Size", 1, 13, 19, 21, 23, 24, 25)
def size(x: Any) -> np.ndarray:
    return np.array(math.prod(x.shape), np.int64)


@op("Range", 11, 27)
def range_of(call: Any, start: Host, limit: Host, delta: Host, *, stash_type: int = 1) -> Any:
    first, last, step = start.item(), limit.item(), delta.item()
    if step == 0:
        raise InvalidModelError("the step of a range is 0")
    count = max(math.ceil((last - first) / step), 0)
    call.check_size((count,))
    if start.dtype.name == "bfloat16":
        return (pg.arange(count) * step + first).astype(pg.bfloat16)
    if count <= _SMALL:
        return (np.arange(count) * step + first).astype(start.dtype)
    return (pg.arange(count) * step + first).astype(start.dtype.name)


@op("EyeLike", 9, 22)
def eye_like(x: Tensor, *, dtype: pg.DType | None = None, k: int = 0) -> Tensor:
    rows, columns = x.shape
    return pg.eye(rows, columns, k, dtype=dtype or x.dtype)


# ---- shapes


@op("Reshape", 5, 13, 14, 19, 21, 23, 24, 25)
def reshape(xp: Any, x: Tensor, shape: Ints, *, allowzero: bool = False) -> Any:
    wanted = [x.shape[i] if n == 0 and not allowzero and i < x.ndim else n for i, n in enumerate(shape)]
    if -1 in wanted:
        others = math.prod(n for n in wanted if n != -1)
        if wanted.count(-1) > 1 or others == 0 or x.size % others:
            raise InvalidModelError(f"shape {tuple(x.shape)} does not fit {shape}")
        wanted[wanted.index(-1)] = x.size // others
    if math.prod(wanted) != x.size or any(n < 0 for n in wanted):
        raise InvalidModelError(f"shape {tuple(x.shape)} does not fit {shape}")
    return xp.reshape(x, tuple(wanted))


@op("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    if not -x.ndim <= axis <= x.ndim:
        raise InvalidModelError(f"axis {axis} is out of range for {x.ndim} axes")
    at = axis + x.ndim if axis < 0 else axis
    return pg.reshape(x, (math.prod(x.shape[:at]), math.prod(x.shape[at:])))


@op("Squeeze", 13, 21, 23, 24, 25)
def squeeze(xp: Any, x: Tensor, axes: Ints | None = None) -> Any:
    removed = axes_of(axes, x.ndim) if axes is not None else [i for i, n in enumerate(x.shape) if n == 1]
    if any(x.shape[i] != 1 for i in removed):
        raise InvalidModelError(f"axes {axes} of shape {tuple(x.shape)} are not all of extent 1")
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in removed))


@op("Squeeze", 1, 11)
def squeeze_1(xp: Any, x: Tensor, *, axes: Ints | None = None) -> Any:
    return squeeze(xp, x, axes)


@op("Unsqueeze", 13, 21, 23, 24, 25)
def unsqueeze(xp: Any, x: Tensor, axes: Ints) -> Any:
    rank = x.ndim + len(axes)
    new = axes_of(axes, rank)
    rest = iter(x.shape)
    return xp.reshape(x, tuple(1 if i in new else next(rest) for i in range(rank)))


@op("Unsqueeze", 1, 11)
def unsqueeze_1(xp: Any, x: Tensor, *, axes: Ints) -> Any:
    return unsqueeze(xp, x, axes)


@op("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(xp: Any, x: Tensor, *, perm: Ints | None = None) -> Any:
    order = tuple(reversed(range(x.ndim))) if perm is None else axes_of(perm, x.ndim)
    if len(order) != x.ndim:
        raise InvalidModelError(f"perm {perm} does not fit {x.ndim} axes")
    return xp.transpose(x, order)


@op("Expand", 8, 13)
def expand(call: Any, xp: Any, x: Tensor, shape: Ints) -> Any:
    wanted = np.broadcast_shapes(tuple(x.shape), shape)
    call.check_size(wanted)
    if math.prod(wanted) > _SMALL:
        return pg.broadcast_to(call.tensor(x), wanted)
    return xp.broadcast_to(x, wanted)


@op("Tile", 6, 13)
def tile(call: Any, xp: Any, x: Tensor, repeats: Ints) -> Any:
    if len(repeats) != x.ndim or any(n < 0 for n in repeats):
        raise InvalidModelError(f"repeats {repeats} do not fit {x.ndim} axes")
    wanted = [n * r for n, r in zip(x.shape, repeats, strict=True)]
    call.check_size(wanted)
    if math.prod(wanted) > _SMALL:
        return pg.tile(call.tensor(x), repeats)
    return xp.tile(x, repeats)


# ---- joining and cutting


@op("Concat", 4, 11, 13)
def concat(xp: Any, *xs: Tensor, axis: int) -> Any:
    return xp.concatenate(xs, axis_of(axis, xs[0].ndim))


def _cut(x: Tensor, sizes: Ints, axis: int) -> tuple[Tensor, ...]:
    at = axis_of(axis, x.ndim)
    if sum(sizes) != x.shape[at] or min(sizes, default=0) < 0:
        raise InvalidModelError(f"parts {sizes} do not make {x.shape[at]}")
    starts = np.cumsum([0, *sizes]).tolist()
    lead = (slice(None),) * at
    return tuple(x[(*lead, slice(a, b))] for a, b in pairwise(starts))


def _even(n: int, parts: int) -> Ints:
    """Parts of one size, the last one smaller where it does not divide."""
    size = -(-n // parts)
    return tuple(max(min(size, n - i * size), 0) for i in range(parts))


@op("Split", 2, 11)
def split_2(call: Any, x: Tensor, *, axis: int = 0, split: Ints | None = None) -> tuple[Tensor, ...]:
    return split_13(call, x, split, axis=axis)


@op("Split", 13)
def split_13(call: Any, x: Tensor, split: Ints | None = None, *, axis: int = 0) -> tuple[Tensor, ...]:
    n = x.shape[axis_of(axis, x.ndim)]
    if split is None and n % call.outputs:
        raise InvalidModelError(f"{n} does not divide into {call.outputs} parts")
    return _cut(x, split if split is not None else _even(n, call.outputs), axis)


@op("Split", 18)
def split_18(
    call: Any, x: Tensor, split: Ints | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> tuple[Tensor, ...]:
    n = x.shape[axis_of(axis, x.ndim)]
    if num_outputs is not None and num_outputs != call.outputs:
        raise InvalidModelError(f"num_outputs is {num_outputs} of a Split with {call.outputs} outputs")
    return _cut(x, split if split is not None else _even(n, call.outputs), axis)


@op("Slice", 10, 11, 13)
def slice_of(x: Any, starts: Ints, ends: Ints, axes: Ints | None = None, steps: Ints | None = None) -> Any:
    along = axes_of(axes if axes is not None else tuple(range(len(starts))), x.ndim)
    steps = steps if steps is not None else (1,) * len(starts)
    if not len(starts) == len(ends) == len(along) == len(steps):
        raise InvalidModelError("starts, ends, axes and steps differ in length")
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, along, steps, strict=True):
        if step == 0:
            raise InvalidModelError("the step of a slice is 0")
        n = x.shape[axis]
        # Clamped as the operator says; an end before the first element goes backwards to include it.
        first = start + n if start < 0 else start
        last = end + n if end < 0 else end
        if step > 0:
            first, last = min(max(first, 0), n), min(max(last, 0), n)
            index[axis] = slice(first, last, step)
        else:
            first, last = min(max(first, 0), n - 1), min(max(last, -1), n)
            index[axis] = slice(first, None if last < 0 else last, step) if n else slice(0, 0)
    return x[tuple(index)]


@op("Slice", 1)
def slice_1(x: Any, *, starts: Ints, ends: Ints, axes: Ints | None = None) -> Any:
    return slice_of(x, starts, ends, axes)


# ---- padding


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(call: Any, x: Tensor, pads: Ints, mode: str, value: Any, axes: Ints | None = None) -> Tensor:
    along = range(x.ndim) if axes is None else axes_of(axes, x.ndim)
    count = len(along)
    if len(pads) != 2 * count:
        raise InvalidModelError(f"{len(pads)} pads for {count} axes")
    widths = [(0, 0)] * x.ndim
    for i, axis in enumerate(along):
        widths[axis] = (pads[i], pads[i + count])
    call.check_size([max(n + a + b, 0) for n, (a, b) in zip(x.shape, widths, strict=True)])
    if mode == "constant":
        return pg.pad_general(x, value, [(a, b, 0) for a, b in widths])
    # A negative pad cuts.
    cuts = [slice(max(-a, 0), max(n - max(-b, 0), 0)) for n, (a, b) in zip(x.shape, widths, strict=True)]
    if any(a < 0 or b < 0 for a, b in widths):
        x = x[tuple(cuts)]
        widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    return x if all(w == (0, 0) for w in widths) else pg.pad(x, widths, mode=mode)


@op("Pad", 2)
def pad_2(
    call: Any,
    x: Tensor,
    *,
    pads: Ints,
    mode: Literal["constant", "reflect", "edge"] = "constant",
    value: float = 0.0,
) -> Tensor:
    return _pad(call, x, pads, mode, value)


@op("Pad", 11, 13, 18, 19, 21, 23, 24, 25)
def pad(
    call: Any,
    x: Tensor,
    pads: Ints,
    constant_value: Tensor | None = None,
    axes: Ints | None = None,
    *,
    mode: Literal["constant", "reflect", "edge", "wrap"] = "constant",
) -> Tensor:
    if mode == "wrap":
        return _wrapped(call, x, pads, axes)
    filler: Any = 0 if constant_value is None else pg.reshape(constant_value, ())
    return _pad(call, x, pads, mode, filler, axes)


def _wrapped(call: Any, x: Tensor, pads: Ints, axes: Ints | None) -> Tensor:
    """Periodic padding, which may be longer than the axis."""
    along = range(x.ndim) if axes is None else axes_of(axes, x.ndim)
    for i, axis in enumerate(along):
        low, high, n = pads[i], pads[i + len(along)], x.shape[axis]
        call.check_size([*x.shape[:axis], n + low + high, *x.shape[axis + 1 :]])
        if low or high:
            x = pg.take(x, np.arange(-low, n + high) % n, axis)
    return x


@op("CenterCropPad", 18)
def center_crop_pad(call: Any, x: Tensor, shape: Ints, *, axes: Ints | None = None) -> Tensor:
    along = axes_of(axes, x.ndim) if axes is not None else tuple(range(x.ndim))
    for axis, wanted in zip(along, shape, strict=True):
        n = x.shape[axis]
        low = abs(n - wanted) // 2
        if wanted > n:
            widths = [(low, wanted - n - low) if i == axis else (0, 0) for i in range(x.ndim)]
            call.check_size([*x.shape[:axis], wanted, *x.shape[axis + 1 :]])
            x = pg.pad(x, widths)
        else:
            x = x[(*(slice(None),) * axis, slice(low, low + wanted))]
    return x


# ---- blocks


@op("DepthToSpace", 1, 11, 13, 28)
def depth_to_space(x: Tensor, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Tensor:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        parts = pg.permute(pg.reshape(x, (n, b, b, c // (b * b), h, w)), (0, 3, 4, 1, 5, 2))
    else:
        parts = pg.permute(pg.reshape(x, (n, c // (b * b), b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return pg.reshape(parts, (n, c // (b * b), h * b, w * b))


@op("SpaceToDepth", 1, 13, 28)
def space_to_depth(x: Tensor, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Tensor:
    n, c, h, w = x.shape
    b = blocksize
    parts = pg.reshape(x, (n, c, h // b, b, w // b, b))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return pg.reshape(pg.permute(parts, order), (n, c * b * b, h // b, w // b))


@op("Trilu", 14)
def trilu(x: Tensor, k: Ints | None = None, *, upper: bool = True) -> Tensor:
    return (pg.triu if upper else pg.tril)(x, k[0] if k else 0)
