"""Convolutions and pooling."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError
from .registry import Ints, op

AutoPad = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]


class Windows(NamedTuple):
    """Windows over the spatial axes; ``extra`` is what rounding up adds behind the margins."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    low: Ints
    high: Ints
    extra: Ints
    counts: Ints


def windows(
    space: Ints,
    kernel: Ints,
    strides: Ints | None,
    pads: Ints | None,
    dilations: Ints | None,
    auto_pad: str,
    ceil: bool = False,
) -> Windows:
    """The windows that the attributes of convolutions and poolings describe."""
    rank = len(space)
    strides = strides or (1,) * rank
    dilations = dilations or (1,) * rank
    pads = pads or (0,) * (2 * rank)
    if not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise InvalidModelError(f"kernel, strides, dilations and pads do not fit {rank} spatial axes")
    if min(*kernel, *strides, *dilations) < 1:
        raise InvalidModelError(
            f"kernel {kernel}, strides {strides} and dilations {dilations} make no windows"
        )
    low, high, extra, counts = [], [], [], []
    for i, n in enumerate(space):
        span = dilations[i] * (kernel[i] - 1) + 1
        a, b = pads[i], pads[i + rank]
        if auto_pad == "VALID":
            a = b = 0
        elif auto_pad != "NOTSET":
            total = max((-(-n // strides[i]) - 1) * strides[i] + span - n, 0)
            a = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            b = total - a
        room = n + a + b - span
        if room < 0:
            raise InvalidModelError(f"windows of {span} do not fit {n} elements with margins {a} and {b}")
        count = room // strides[i] + 1
        if ceil and room % strides[i] and count * strides[i] < n + a:
            count += 1  # a window may reach beyond the margin, but must begin before it
        low.append(a)
        high.append(b)
        counts.append(count)
        extra.append(max((count - 1) * strides[i] + span - (n + a + b), 0))
    return Windows(kernel, strides, dilations, tuple(low), tuple(high), tuple(extra), tuple(counts))


# ---- convolution


@op("Conv", 1, 11, 22)
def conv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    if kernel_shape is not None and kernel_shape != tuple(w.shape[2:]):
        raise InvalidModelError(f"kernel_shape {kernel_shape} does not fit weights of shape {tuple(w.shape)}")
    if x.ndim != w.ndim or x.ndim < 3 or group < 1:
        raise InvalidModelError(
            f"images of shape {tuple(x.shape)} do not fit weights of shape {tuple(w.shape)}"
        )
    found = windows(x.shape[2:], w.shape[2:], strides, pads, dilations, auto_pad)
    margins = list(zip(found.low, found.high, strict=True))
    made = pg.conv_general(x, w, found.strides, margins, found.dilations, group)
    return made if b is None else made + pg.reshape(b, (1, -1) + (1,) * (x.ndim - 2))


@op("ConvTranspose", 1, 11, 22)
def conv_transpose(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    output_padding: Ints | None = None,
    output_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    rank = x.ndim - 2
    strides, dilations = strides or (1,) * rank, dilations or (1,) * rank
    added = output_padding or (0,) * rank
    pads = pads or (0,) * (2 * rank)
    if not len(strides) == len(dilations) == len(added) == rank == w.ndim - 2 or len(pads) != 2 * rank:
        raise InvalidModelError(f"strides, dilations, pads and output_padding do not fit {rank} spatial axes")
    function = (pg.conv_transpose1d, pg.conv_transpose2d, pg.conv_transpose3d)[rank - 1]
    full = function(x, w, None, strides, 0, 0, group, dilations)
    wanted = output_shape
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(x.shape[2:], strides, strict=True))
    cuts = [(0, 0, 0), (0, 0, 0)]
    for i, n in enumerate(full.shape[2:]):
        low, high = (0, 0) if auto_pad == "VALID" else (pads[i], pads[i + rank])
        if wanted is not None:
            total = n + added[i] - wanted[len(wanted) - rank + i]
            low = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            high = total - low
        cuts.append((-low, added[i] - high, 0))
    made = pg.pad_general(full, 0, cuts)
    return made if b is None else made + pg.reshape(b, (1, -1) + (1,) * rank)


# ---- pooling


@op("MaxPool", 1, 8, 10, 11, 12, 22)
def max_pool(
    call: Any,
    x: Tensor,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    storage_order: int = 0,
    strides: Ints | None = None,
) -> Any:
    found = windows(x.shape[2:], kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    if not call.wants(1):
        return _reduce_windows(x, "max", found)
    return _max_with_places(x, found, storage_order == 1)


def _reduce_windows(x: Tensor, how: str, found: Windows) -> Tensor:
    margins = [
        (0, 0),
        (0, 0),
        *((a, b + e) for a, b, e in zip(found.low, found.high, found.extra, strict=True)),
    ]
    return pg.reduce_window(
        x,
        how,
        (1, 1, *found.kernel),
        (1, 1, *found.strides),
        margins,
        window_dilation=(1, 1, *found.dilations),
    )


def _max_with_places(x: Tensor, found: Windows, by_columns: bool) -> tuple[Tensor, Tensor]:
    """The maxima, and where they lie in the flattened tensor (its last two axes turned round if
    ``by_columns``).
    """
    rank, space = len(found.kernel), x.shape[2:]
    wide = x if x.dtype.is_floating else x.astype(pg.int32)
    least = -math.inf if x.dtype.is_floating else -(2**31)
    margins = [(a, b + e) for a, b, e in zip(found.low, found.high, found.extra, strict=True)]
    padded = pg.pad_general(wide, least, [(0, 0, 0), (0, 0, 0), *((a, b, 0) for a, b in margins)])
    function = (pg.max_pool1d, pg.max_pool2d, pg.max_pool3d)[rank - 1]
    best, place = function(padded, found.kernel, found.strides, 0, found.dilations, False, True)
    flat: Any = 0
    extents = [n + a + b for n, (a, b) in zip(space, margins, strict=True)]
    coordinates = []
    for n in reversed(extents):
        coordinates.append(place % n)
        place = place // n
    coordinates = [c - low for c, low in zip(reversed(coordinates), found.low, strict=True)]
    order = [*range(rank - 2), rank - 1, rank - 2] if by_columns and rank > 1 else range(rank)
    for i in order:
        flat = flat * space[i] + coordinates[i]
    images = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * rank)
    return best.astype(x.dtype), flat + pg.Tensor(images * math.prod(space))


@op("AveragePool", 1, 7, 10, 11, 19, 22)
def average_pool(
    x: Tensor,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    found = windows(x.shape[2:], kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    total = _reduce_windows(x, "sum", found)
    counts: Any = np.ones((1,) * x.ndim)
    for i, n in enumerate(x.shape[2:]):
        first = np.arange(found.counts[i])[:, None] * found.strides[i] - found.low[i]
        places = first + np.arange(found.kernel[i]) * found.dilations[i]
        begin, end = (-found.low[i], n + found.high[i]) if count_include_pad else (0, n)
        count = ((places >= begin) & (places < end)).sum(1)
        counts = counts * count.reshape([-1 if axis == i + 2 else 1 for axis in range(x.ndim)])
    return total / pg.Tensor(counts).astype(x.dtype)


@op("LpPool", 2, 11, 18, 22)
def lp_pool(
    x: Tensor,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    dilations: Ints | None = None,
    p: int = 2,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    found = windows(x.shape[2:], kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    return _root(_reduce_windows(pg.abs(x) ** p, "sum", found), p)


def _root(total: Tensor, p: int) -> Tensor:
    positive = total > 0  # the root of 0 has no derivative
    return pg.where(positive, pg.where(positive, total, 1.0) ** (1.0 / p), total)


def _space(x: Tensor) -> Ints:
    return tuple(range(2, x.ndim))


@op("GlobalAveragePool", 1, 22)
def global_average_pool(x: Tensor) -> Tensor:
    return pg.mean(x, axis=_space(x), keepdims=True)


@op("GlobalMaxPool", 1, 22)
def global_max_pool(x: Tensor) -> Tensor:
    return pg.max(x, axis=_space(x), keepdims=True)


@op("GlobalLpPool", 2, 22)
def global_lp_pool(x: Tensor, *, p: int = 2) -> Tensor:
    return _root(pg.sum(pg.abs(x) ** p, axis=_space(x), keepdims=True), p)


@op("MaxUnpool", 9, 11, 22)
def max_unpool(
    call: Any,
    x: Tensor,
    indices: Tensor,
    output_shape: Ints | None = None,
    *,
    kernel_shape: Ints,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    """Zeros with the maxima written back; the indices count in the shape that the attributes give."""
    rank = x.ndim - 2
    strides, pads = strides or (1,) * rank, pads or (0,) * (2 * rank)
    space = tuple(
        (n - 1) * strides[i] + kernel_shape[i] - pads[i] - pads[i + rank] for i, n in enumerate(x.shape[2:])
    )
    shape = output_shape or (*x.shape[:2], *space)
    call.check_size(shape)
    places = pg.ravel(indices)
    if tuple(shape[2:]) != space:  # to coordinates in the one shape, and back in the other
        flat: Any = 0
        coordinates = []
        for n in reversed((*x.shape[:2], *space)):
            coordinates.append(places % n)
            places = places // n
        for n, c in zip(shape, reversed(coordinates), strict=True):
            flat = flat * n + c
        places = flat
    empty = pg.zeros(math.prod(shape), dtype=x.dtype)
    return pg.reshape(pg.scatter(empty, 0, places, pg.ravel(x)), shape)


@op("Col2Im", 18)
def col2im(
    x: Tensor,
    image_shape: Ints,
    block_shape: Ints,
    *,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    """Every column added at the place of its window, over any number of axes."""
    found = windows(image_shape, block_shape, strides, pads, dilations, "NOTSET")
    rank, taps = len(image_shape), math.prod(block_shape)
    channels = x.shape[1] // taps
    flat: Any = np.zeros((1,) * (2 * rank), np.int64)
    extents = [n + a + b for n, a, b in zip(image_shape, found.low, found.high, strict=True)]
    for i, n in enumerate(extents):
        tap = np.arange(found.kernel[i]) * found.dilations[i]
        place = np.arange(found.counts[i]) * found.strides[i]
        along = tap.reshape([-1 if j == i else 1 for j in range(2 * rank)])
        flat = flat * n + along + place.reshape([-1 if j == i + rank else 1 for j in range(2 * rank)])
    columns = pg.reshape(x, (x.shape[0] * channels, flat.size))
    empty = pg.zeros((columns.shape[0], math.prod(extents)), dtype=x.dtype)
    places = pg.broadcast_to(pg.Tensor(flat.reshape(1, -1)), columns.shape)
    image = pg.reshape(pg.scatter(empty, 1, places, columns, "add"), (x.shape[0], channels, *extents))
    cuts = [slice(a, a + n) for a, n in zip(found.low, image_shape, strict=True)]
    return image[(slice(None), slice(None), *cuts)]
