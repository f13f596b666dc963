"""Pooling over windows of one to three axes, and over as many windows as the result shall have places.

Images are [N, C, space...] or [C, space...]. Margins are never chosen by a maximum; a mean counts them as
zeros unless told otherwise. The gradient of a maximum goes to the first largest element of its window.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, cast, check_table, iota, reshape_to, to_float
from .complex import by_parts
from .convolution import Ints, batched, per_axis
from .logic import where


def _words(
    x: Tensor, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, what: str
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Window, strides, low and high margins, dilation."""
    size = per_axis(kernel, f"{what}: kernel_size", rank)
    strides = size if stride is None else per_axis(stride, f"{what}: stride", rank)
    dilations = per_axis(dilation, f"{what}: dilation", rank)
    low = per_axis(padding, f"{what}: padding", rank)
    if min(*size, *strides, *dilations) < 1 or min(low) < 0:
        raise InvalidValueError(
            f"{what}: kernel {size}, stride {strides}, dilation {dilations}, padding {low} make no windows"
        )
    if any(2 * p > k for p, k in zip(low, size, strict=True)):
        raise InvalidValueError(
            f"{what}: padding {low} is more than half the kernel {size}: a window would hold nothing"
        )
    high = list(low)
    for i, length in enumerate(x.shape[x.ndim - rank :]):
        span = dilations[i] * (size[i] - 1) + 1
        room = length + 2 * low[i] - span
        if ceil_mode and room % strides[i]:
            extra = strides[i] - room % strides[i]
            # The last window must start inside the image or its left margin, as torch has it.
            if (room + extra) // strides[i] * strides[i] < length + low[i]:
                high[i] += extra
                room += extra
        if room < 0:
            raise ShapeError(
                f"{what}: a window of {span} does not fit {length} + 2 * {low[i]} elements (shape {x.shape})"
            )
    return size, strides, low, tuple(high), dilations


def _slide(op: str, xs: tuple[Tensor, ...], rank: int, words: tuple[Ints, ...]) -> Tensor:
    attrs = (rank, *[w for group in words for w in group])
    if op == "reduce_window_sum" and xs[0].dtype.is_complex:
        return by_parts(lambda x: _core.apply(op, (x,), attrs), xs[0])
    return _core.apply(op, xs, attrs)


def _max_pool(
    x: Any, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, indices: bool
) -> Any:
    what = f"max_pool{rank}d"
    x = as_tensor(x)
    batched(x, rank, what)
    words = _words(x, rank, kernel, stride, padding, dilation, ceil, what)
    best = _slide("reduce_window_max", (x,), rank, words)
    if not indices:
        return best
    # The place of the first largest element, read as a value of the index: exact in 64 bits.
    wide = dt.float64 if x.dtype.kind == "f" else x.dtype
    if wide.kind != "f" and wide is not dt.uint64:
        wide = dt.int64
    space = x.shape[x.ndim - rank :]
    place = reshape_to(iota((math.prod(space),), 0, wide, x.device.pair), (*(1,) * (x.ndim - rank), *space))
    places = _core.broadcast_to(place, x.shape)
    constant = _core.apply("stop_gradient", (cast(x, wide),)) if wide.kind == "f" else cast(x, wide)
    return best, cast(_slide("window_max_pick", (constant, places), rank, words), dt.int64)


def max_pool1d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, L]; with ``return_indices`` also where it lies (int64).

    >>> pg.max_pool1d(pg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    return _max_pool(x, 1, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, H, W]; with ``return_indices`` also where it lies in the
    flattened image (int64).

    >>> pg.max_pool2d(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), 2).tolist()
    [[[[3.0]]]]
    """
    return _max_pool(x, 2, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [N, C, D, H, W]; with ``return_indices`` also where it lies in
    the flattened volume (int64).

    >>> pg.max_pool3d(pg.ones((1, 1, 2, 2, 2)), 2).tolist()
    [[[[[1.0]]]]]
    """
    return _max_pool(x, 3, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _min_pool(x: Any, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Tensor:
    what = f"min_pool{rank}d"
    x = as_tensor(x)
    batched(x, rank, what)
    words = _words(x, rank, kernel, stride, padding, dilation, ceil, what)
    if x.dtype.kind == "f":
        return -_slide("reduce_window_max", (-x,), rank, words)
    return ~_slide("reduce_window_max", (~x,), rank, words)  # complements turn the order of integers round


def min_pool1d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The smallest element of each window of [N, C, L].

    >>> pg.min_pool1d(pg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[1.0, 0.0]]
    """
    return _min_pool(x, 1, kernel_size, stride, padding, dilation, ceil_mode)


def min_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The smallest element of each window of [N, C, H, W].

    >>> pg.min_pool2d(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), 2).tolist()
    [[[[0.0]]]]
    """
    return _min_pool(x, 2, kernel_size, stride, padding, dilation, ceil_mode)


def min_pool3d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The smallest element of each window of [N, C, D, H, W].

    >>> pg.min_pool3d(pg.ones((1, 1, 2, 2, 2)), 2).tolist()
    [[[[[1.0]]]]]
    """
    return _min_pool(x, 3, kernel_size, stride, padding, dilation, ceil_mode)


def _counts(n: int, size: int, stride: int, low: int, high: int, margins_count: bool, pad: int) -> Any:
    """How many places of each window along one axis count."""
    check_table((n + low + high - size) // stride + 1, "pooling")
    starts = np.arange((n + low + high - size) // stride + 1) * stride - low
    first, last = (-pad, n + pad) if margins_count else (0, n)
    return np.minimum(starts + size, last) - np.maximum(starts, first)


def _avg_pool(
    x: Any,
    rank: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil: bool,
    count_include_pad: bool,
    divisor: int | None,
    what: str,
) -> Tensor:
    x = to_float(x)
    batched(x, rank, what)
    words = _words(x, rank, kernel, stride, padding, 1, ceil, what)
    size, strides, low, high, _ = words
    total = _slide("reduce_window_sum", (x,), rank, words)
    if divisor is not None:
        if divisor == 0:
            raise InvalidValueError(f"{what}: divisor_override must not be 0")
        return total / float(divisor)
    if high == low and (count_include_pad or max(low) == 0):
        return total / float(math.prod(size))
    space = x.shape[x.ndim - rank :]
    for i in range(rank):
        counts = _counts(space[i], size[i], strides[i], low[i], high[i], count_include_pad, low[i])
        total = total / cast(as_tensor(counts.reshape((-1,) + (1,) * (rank - 1 - i))), x.dtype)
    return total


def avg_pool1d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of [N, C, L]; margins count as zeros unless ``count_include_pad`` is False.

    >>> pg.avg_pool1d(pg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    return _avg_pool(x, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None, "avg_pool1d")


def avg_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [N, C, H, W]; margins count as zeros unless ``count_include_pad`` is False.
    ``divisor_override`` divides the sums by that instead.

    >>> pg.avg_pool2d(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), 2).tolist()
    [[[[1.5]]]]
    """
    return _avg_pool(
        x, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, "avg_pool2d"
    )


def avg_pool3d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [N, C, D, H, W]; the rest as in ``avg_pool2d``.

    >>> pg.avg_pool3d(pg.ones((1, 1, 2, 2, 2)), 2).tolist()
    [[[[[1.0]]]]]
    """
    return _avg_pool(
        x, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, "avg_pool3d"
    )


def _lp_pool(x: Any, rank: int, p: float, kernel: Any, stride: Any, ceil: bool) -> Tensor:
    what = f"lp_pool{rank}d"
    if p <= 0:
        raise InvalidValueError(f"{what}: the exponent must be above 0, got {p}")
    x = to_float(x)
    # The mean over the places that exist, times all places of a window: torch's meaning at ragged ends.
    means = _avg_pool(x**p, rank, kernel, stride, 0, ceil, True, None, what)
    total = means * float(math.prod(per_axis(kernel, f"{what}: kernel_size", rank)))
    positive = total > 0
    return where(positive, where(positive, total, 1.0) ** (1.0 / p), total * 0.0)


def lp_pool1d(
    x: TensorLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` of each window of [N, C, L]; 0, with derivative 0, where the sum is not
    positive.

    >>> pg.lp_pool1d(pg.Tensor([[3.0, 4.0]]), 2, 2).tolist()
    [[5.0]]
    """
    return _lp_pool(x, 1, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: TensorLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` of each window of [N, C, H, W], as ``lp_pool1d``.

    >>> pg.lp_pool2d(pg.Tensor([[[3.0, 4.0]]]), 2, (1, 2)).tolist()
    [[[5.0]]]
    """
    return _lp_pool(x, 2, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: TensorLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` of each window of [N, C, D, H, W], as ``lp_pool1d``.

    >>> pg.lp_pool3d(pg.Tensor([[[[3.0, 4.0]]]]), 2, (1, 1, 2)).tolist()
    [[[[5.0]]]]
    """
    return _lp_pool(x, 3, norm_type, kernel_size, stride, ceil_mode)
