"""Convolution, pooling, interpolation, activations and losses as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import (
    Axis,
    TensorLike,
    as_tensor,
    axes_of,
    cast,
    elementwise,
    fill,
    reshape_to,
    spelled,
    to_float,
)
from .elementwise import softplus
from .indexing import take
from .logic import where
from .maths import erf, exp, sigmoid, tanh
from .reduce import _reduce, shift_of
from .shape import expand_dims
from .shape import pad as _pad

# ---- activations


def relu(x: TensorLike) -> Tensor:
    """Elements above 0, zeros elsewhere; the derivative at 0 is 0.

    >>> pg.relu(pg.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    x = as_tensor(x)
    return where(x <= 0, fill(0, x), x)  # in this order NaN stays NaN


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """Elements above 0, the others scaled down.

    >>> pg.leaky_relu(pg.Tensor([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    x = to_float(x)
    return where(x > 0, x, x * negative_slope)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Elements above 0, ``alpha * (exp(x) - 1)`` below.

    >>> pg.elu(pg.Tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    x = to_float(x)
    return where(x > 0, x, alpha * _core.apply("expm1", (where(x > 0, fill(0, x), x),)))


def silu(x: TensorLike) -> Tensor:
    """``x * sigmoid(x)``.

    >>> pg.silu(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    x = to_float(x)
    return x * sigmoid(x)


def gelu(x: TensorLike, approximate: str = "none") -> Tensor:
    """``x`` times the probability that a standard normal lies below it; ``approximate="tanh"`` for the
    cheap form.

    >>> pg.gelu(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    x = to_float(x)
    if approximate == "none":
        return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))
    if approximate == "tanh":
        return 0.5 * x * (1.0 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    raise InvalidValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")


def softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """Exponentials divided by their sum over axes, without overflow.

    >>> pg.softmax(pg.Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    x = to_float(x)
    axes = axes_of(spelled(axis, -1, dim, "axis/dim", "softmax"), x.ndim, "softmax")
    e = exp(x - shift_of(x, axes))
    return e / _reduce("reduce_sum", e, axes, True)


def log_softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """The logarithm of softmax, without overflow or underflow.

    >>> pg.log_softmax(pg.Tensor([0.0, 0.0])).numpy().round(4)
    array([-0.6931, -0.6931], dtype=float32)
    """
    x = to_float(x)
    axes = axes_of(spelled(axis, -1, dim, "axis/dim", "log_softmax"), x.ndim, "log_softmax")
    shifted = x - shift_of(x, axes)
    return shifted - _core.apply("log", (_reduce("reduce_sum", exp(shifted), axes, True),))


# ---- losses


def cross_entropy_loss_probs(logits: TensorLike, probs: TensorLike) -> Tensor:
    """The mean over examples of the cross entropy between class scores and target probabilities; classes
    lie along axis 1.

    >>> round(pg.cross_entropy_loss_probs(pg.zeros((1, 2)), pg.Tensor([[1.0, 0.0]])).item(), 4)
    0.6931
    """
    logits, probs = to_float(logits), to_float(probs)
    if logits.shape != probs.shape or logits.ndim == 0:
        raise ShapeError(
            f"cross_entropy_loss_probs: scores of shape {logits.shape} need target probabilities of the "
            "same shape, got "
            f"{probs.shape}; for class indices write "
            f"Tensor.one_hot({logits.shape[-1] if logits.ndim else 'n'}, y)"
        )
    axis = 1 if logits.ndim > 1 else 0
    examples = logits.size // max(logits.shape[axis], 1)
    return -_reduce("reduce_sum", probs * log_softmax(logits, axis), None, False) / float(max(examples, 1))


def binary_cross_entropy_with_logits(logits: TensorLike, targets: TensorLike) -> Tensor:
    """The mean binary cross entropy of scores, without overflow.

    >>> round(pg.binary_cross_entropy_with_logits(pg.zeros(2), pg.ones(2)).item(), 4)
    0.6931
    """
    logits, targets = to_float(logits), to_float(targets)
    losses = softplus(logits) - logits * targets
    return _reduce("reduce_sum", losses, None, False) / float(max(losses.size, 1))


# ---- convolution and pooling


def _pair(value: Any, what: str, rank: int) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        if len(value) != rank:
            raise ArgumentError(f"{what} needs one int or {rank}, got {tuple(value)}")
        return tuple(int(v) for v in value)
    if not isinstance(value, (int, np.integer)):
        raise ArgumentError(f"{what} needs one int or {rank}, got {value!r}")
    return (int(value),) * rank


def _margins(
    padding: Any, what: str, size: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Low and high margins of each spatial axis: an int, one each, (low, high) pairs, "valid" or "same"
    (stride 1).
    """
    rank = len(size)
    if padding == "valid":
        return (0,) * rank, (0,) * rank
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    if isinstance(padding, (tuple, list)) and padding and isinstance(padding[0], (tuple, list)):
        if len(padding) != rank or any(len(p) != 2 for p in padding):
            raise ArgumentError(
                f"{what}: padding needs a (before, after) pair for each of {rank} axes, got {padding!r}"
            )
        return tuple(int(p[0]) for p in padding), tuple(int(p[1]) for p in padding)
    both = _pair(padding, f"{what}: padding", rank)
    return both, both


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of images [N, C, H, W] with kernels [O, C / groups, KH, KW].

    >>> pg.conv2d(pg.ones((1, 1, 3, 3)), pg.ones((1, 1, 2, 2))).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return _conv(x, weight, bias, stride, padding, dilation, groups, 2)


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of sequences [N, C, L] with kernels [O, C / groups, K].

    >>> pg.conv1d(pg.ones((1, 1, 3)), pg.ones((1, 1, 2))).tolist()
    [[[2.0, 2.0]]]
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim != 3 or weight.ndim != 3:
        raise ShapeError(
            f"conv1d: needs images [N, C, L] and kernels [O, C / groups, K], got {x.shape} and {weight.shape}"
        )
    low, high = _margins(padding, "conv1d", weight.shape[2:], _pair(dilation, "conv1d: dilation", 1))
    made = _conv(
        expand_dims(x, 2),
        expand_dims(weight, 2),
        bias,
        (1, *_pair(stride, "conv1d: stride", 1)),
        ((0, 0), (low[0], high[0])),
        (1, *_pair(dilation, "conv1d: dilation", 1)),
        groups,
        2,
    )
    return reshape_to(made, (made.shape[0], made.shape[1], made.shape[3]))


def _conv(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, rank: int
) -> Tensor:
    what = f"conv{rank}d"
    x, weight = as_tensor(x), as_tensor(weight)
    if x.ndim != rank + 2 or weight.ndim != rank + 2:
        raise ShapeError(
            f"{what}: needs images [N, C, H, W] and kernels [O, C / groups, KH, KW], got {x.shape} and "
            f"{weight.shape}"
        )
    if groups < 1 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ShapeError(
            f"{what}: images of shape {x.shape} with kernels of shape {weight.shape} and groups={groups}: "
            f"{x.shape[1]} channels need {weight.shape[1]} * {groups}, and {weight.shape[0]} kernels must "
            f"divide by {groups}"
        )
    strides = _pair(stride, f"{what}: stride", rank)
    dilations = _pair(dilation, f"{what}: dilation", rank)
    low, high = _margins(padding, what, weight.shape[2:], dilations)
    if min(strides) < 1 or min(dilations) < 1:
        raise InvalidValueError(f"{what}: stride {strides} and dilation {dilations} must be at least 1")
    code, _ = _core.promote(x, weight)
    kind = dt.all_dtypes[code]
    kind = kind if kind.kind == "f" else dt.float32
    made = _core.apply(
        "conv", (cast(x, kind), cast(weight, kind)), (rank, groups, *strides, *low, *high, *dilations)
    )
    if bias is None:
        return made
    b = as_tensor(bias)
    if b.shape != (weight.shape[0],):
        raise ShapeError(f"{what}: bias needs shape ({weight.shape[0]},), got {b.shape}")
    return made + reshape_to(b, (1, b.size, *(1,) * rank))


def _windows(
    x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, what: str
) -> tuple[tuple[int, ...], ...]:
    if x.ndim not in (3, 4):
        raise ShapeError(f"{what}: needs [N, C, H, W] or [C, H, W], got shape {x.shape}")
    size = _pair(kernel, f"{what}: kernel_size", 2)
    strides = size if stride is None else _pair(stride, f"{what}: stride", 2)
    dilations = _pair(dilation, f"{what}: dilation", 2)
    low = _pair(padding, f"{what}: padding", 2)
    if min(size) < 1 or min(strides) < 1 or min(dilations) < 1 or min(low) < 0:
        raise InvalidValueError(
            f"{what}: kernel {size}, stride {strides}, dilation {dilations}, padding {low} make no windows"
        )
    if any(2 * p > k for p, k in zip(low, size, strict=True)):
        raise InvalidValueError(
            f"{what}: padding {low} is more than half the kernel {size}: a window would hold nothing"
        )
    high = list(low)
    for i in range(2):
        length, span = x.shape[x.ndim - 2 + i], dilations[i] * (size[i] - 1) + 1
        room = length + 2 * low[i] - span
        if room < 0:
            raise ShapeError(
                f"{what}: a window of {span} does not fit {length} + 2 * {low[i]} elements (shape {x.shape})"
            )
        if ceil_mode and room % strides[i]:
            extra = strides[i] - room % strides[i]
            # The last window must start inside the image or its left margin, as torch has it.
            if (room + extra) // strides[i] * strides[i] < length + low[i]:
                high[i] += extra
    return size, strides, low, tuple(high), dilations


def max_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; margins are never chosen. The gradient goes to the first largest
    element.

    >>> pg.max_pool2d(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), 2).tolist()
    [[[[3.0]]]]
    """
    x = as_tensor(x)
    words = _windows(x, kernel_size, stride, padding, dilation, ceil_mode, "max_pool2d")
    return _core.apply("reduce_window_max", (x,), (2, *[w for group in words for w in group]))


def avg_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window; margins count as zeros unless ``count_include_pad`` is False.

    >>> pg.avg_pool2d(pg.reshape(pg.arange(4.0), (1, 1, 2, 2)), 2).tolist()
    [[[[1.5]]]]
    """
    x = to_float(x)
    words = _windows(x, kernel_size, stride, padding, 1, ceil_mode, "avg_pool2d")
    size, _, low, high, _ = words
    attrs = (2, *[w for group in words for w in group])
    total = _core.apply("reduce_window_sum", (x,), attrs)
    if count_include_pad and high == low:
        return total / float(math.prod(size))
    # How many elements count for each window: ones over the image, and over the margins that count.
    inside = fill(1, x) if not count_include_pad else None
    if inside is None:
        one = _core.full(1, x.dtype.code, False, x.shape, x.device.pair)
        margin = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in low]
        beyond = [b - a for a, b in zip(low, high, strict=True)]
        count_words = (2, *size, *words[1], 0, 0, *beyond, *words[4])
        counts = _core.apply("reduce_window_sum", (_pad(one, margin, constant_values=1),), count_words)
    else:
        counts = _core.apply("reduce_window_sum", (inside,), attrs)
    return total / counts


# ---- interpolation


def interpolate(
    x: TensorLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Images [..., H, W] resized by nearest neighbour or bilinear interpolation, with torch's coordinates.

    >>> pg.interpolate(pg.Tensor([[[[1.0, 3.0]]]]), (1, 4)).tolist()
    [[[[1.0, 1.0, 3.0, 3.0]]]]
    """
    x = as_tensor(x)
    if x.ndim < 3:
        raise ShapeError(f"interpolate: needs [N, C, H, W] or [C, H, W], got shape {x.shape}")
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give size or scale_factor, one of the two")
    if mode not in ("nearest", "bilinear"):
        raise InvalidValueError(f"interpolate: mode is 'nearest' or 'bilinear', got {mode!r}")
    lengths = x.shape[-2:]
    if size is not None:
        wanted = _pair(size, "interpolate: size", 2)
        scales = [None, None]
    else:
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
        wanted = tuple(math.floor(n * f) for n, f in zip(lengths, factors, strict=True))
        scales = [1 / f for f in factors]
    if min(wanted) < 1 or min(lengths) < 1:
        raise ShapeError(
            f"interpolate: cannot resize {tuple(lengths)} to {wanted}; every extent must be at least 1"
        )
    for axis, n, m, scale in (
        (x.ndim - 1, lengths[1], wanted[1], scales[1]),
        (x.ndim - 2, lengths[0], wanted[0], scales[0]),
    ):
        x = (_nearest if mode == "nearest" else _linear)(x, axis, n, m, scale, align_corners)
    return x


def _nearest(x: Tensor, axis: int, n: int, m: int, scale: float | None, align_corners: bool) -> Tensor:
    if align_corners:
        raise InvalidValueError("interpolate: align_corners has no meaning for mode='nearest'")
    if n == m and scale is None:
        return x
    step = np.float32(n / m if scale is None else scale)
    places = np.minimum(np.floor(np.arange(m, dtype=np.float32) * step).astype(np.int64), n - 1)
    return take(x, places, axis)


def _linear(x: Tensor, axis: int, n: int, m: int, scale: float | None, align_corners: bool) -> Tensor:
    x = to_float(x)
    if n == m and (scale is None or align_corners):
        return x
    kind = np.float64 if x.dtype is dt.float64 else np.float32
    index: np.ndarray[Any, Any] = np.arange(m, dtype=kind)
    if align_corners:
        places = index * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        places = np.maximum((index + 0.5) * (n / m if scale is None else scale) - 0.5, 0.0)
    low = np.minimum(places.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    weight = np.minimum(np.maximum(places - low.astype(kind), 0), 1).reshape(
        [-1 if i == axis else 1 for i in range(x.ndim)]
    )
    w = cast(as_tensor(weight.astype(kind)), x.dtype)
    return (1.0 - w) * take(x, low, axis) + w * take(x, high, axis)


def mse_loss(x: TensorLike, y: TensorLike) -> Tensor:
    """The mean of squared differences.

    >>> pg.mse_loss(pg.Tensor([1.0, 3.0]), pg.Tensor([1.0, 1.0])).item()
    2.0
    """
    gap = elementwise("sub", to_float(x), to_float(y))
    return _reduce("reduce_sum", gap * gap, None, False) / float(max(gap.size, 1))
