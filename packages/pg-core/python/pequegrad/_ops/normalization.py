"""Softmax, normalisation by mean and variance, and by length.

The statistics of half-width floats are taken in float32. Weights and biases lie along the normalised axes
(layer, RMS) or along the channels, axis 1 (batch, group, instance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError, ShapeError
from .common import (
    Axis,
    TensorLike,
    as_tensor,
    axes_of,
    axis_of,
    cast,
    reshape_to,
    shape_of,
    spelled,
    stated,
    to_float,
    to_real_float,
)
from .elementwise import maximum
from .logic import where
from .maths import exp, log, rsqrt
from .reduce import _reduce, shift_of
from .reduce import norm as _norm
from .reduce import sum as _sum


def exp_below_maximum(x: Tensor, axes: Sequence[int]) -> Tensor:
    """``exp(x - max(x))`` over axes to the last digits: what the difference loses in rounding is up to half a
    unit in the last place of 100, which ``exp`` would turn into 32 units of its result.
    """
    top = shift_of(x, axes)
    gap = x - top
    e = exp(gap)
    if x.dtype.itemsize == 2:
        return e
    back = gap - x
    lost = _core.apply("stop_gradient", ((x - (gap - back)) - (top + back),))
    return e + e * where(lost == lost, lost, 0.0)  # NaN beside infinities


def softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """Exponentials divided by their sum over axes, without overflow.

    >>> pg.softmax(pg.Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    x = to_float(x)
    axes = axes_of(spelled(axis, -1, dim, "axis/dim", "softmax"), x.ndim, "softmax")
    e = exp_below_maximum(x, axes)
    return stated("softmax", e / _reduce("reduce_sum", e, axes, True), x, axes=axes)


def log_softmax(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """The logarithm of softmax, without overflow or underflow.

    >>> pg.log_softmax(pg.Tensor([0.0, 0.0])).numpy().round(4)
    array([-0.6931, -0.6931], dtype=float32)
    """
    x = to_float(x)
    axes = axes_of(spelled(axis, -1, dim, "axis/dim", "log_softmax"), x.ndim, "log_softmax")
    shifted = x - shift_of(x, axes)
    made = shifted - log(_reduce("reduce_sum", exp(shifted), axes, True))
    return stated("log_softmax", made, x, axes=axes)


def softmin(x: TensorLike, axis: Axis = -1, *, dim: Axis = None) -> Tensor:
    """The softmax of the negative.

    >>> pg.softmin(pg.Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    return softmax(-to_float(x), spelled(axis, -1, dim, "axis/dim", "softmin"))


# ---- by mean and variance


def _standardised(x: Tensor, axes: Sequence[int], eps: float) -> Tensor:
    """Mean 0 and variance 1 over axes, in the dtype in which statistics are taken."""
    wide = cast(x, dt.float32) if x.dtype.itemsize == 2 else x
    gap = wide - _average(wide, axes)
    scale = _inverse_root(gap, axes, eps)
    return stated("standardised", gap * scale, wide, scale, axes=axes)


def _inverse_root(x: Tensor, axes: Sequence[int], eps: float) -> Tensor:
    return stated("inverse_root", rsqrt(_average(x * x, axes) + eps), x, axes=axes)


def _average(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The mean by a product, which costs less than a quotient where it is taken for every element."""
    count = math.prod(x.shape[a] for a in axes)
    return _reduce("reduce_sum", x, axes, True) * (1.0 / count if count else math.nan)


def _affine(
    made: Tensor,
    weight: Any,
    bias: Any,
    shape: Sequence[int],
    kind: dt.DType,
    extent: Sequence[int],
    what: str,
) -> Tensor:
    """``made * weight + bias`` with both reshaped from ``extent`` to a shape that broadcasts."""
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and as_tensor(given).shape != tuple(extent):
            raise ShapeError(
                f"{what}: {name} needs shape {tuple(extent)}, got {tuple(as_tensor(given).shape)}"
            )
    if weight is not None:
        made = made * reshape_to(as_tensor(weight), shape)
    if bias is not None:
        made = made + reshape_to(as_tensor(bias), shape)
    return cast(made, kind)


def layer_norm(
    x: TensorLike,
    normalized_shape: Any,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the last axes, whose extents are named, then scaled and shifted
    (Ba et al. 2016).

    >>> pg.layer_norm(pg.Tensor([[1.0, 3.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    x = to_float(x)
    shape = _trailing(x, normalized_shape, "layer_norm")
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    return _affine(_standardised(x, axes, eps), weight, bias, shape, x.dtype, shape, "layer_norm")


def rms_norm(
    x: TensorLike, normalized_shape: Any, weight: TensorLike | None = None, eps: float | None = None
) -> Tensor:
    """Divided by the root of the mean square over the last axes (Zhang and Sennrich 2019); without ``eps``
    the distance from 1 to the next number is added to the mean square.

    >>> pg.rms_norm(pg.Tensor([[3.0, 3.0]]), 2).tolist()
    [[1.0, 1.0]]
    """
    x = to_real_float(x, "rms_norm")
    shape = _trailing(x, normalized_shape, "rms_norm")
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    wide = cast(x, dt.float32) if x.dtype.itemsize == 2 else x
    small = _EPS[x.dtype.name] if eps is None else eps
    scale = _inverse_root(wide, axes, small)
    made = stated("scaled", wide * scale, wide, scale, axes=axes)
    return _affine(made, weight, None, shape, x.dtype, shape, "rms_norm")


# From 1 to the next number.
_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def _trailing(x: Tensor, normalized_shape: Any, what: str) -> tuple[int, ...]:
    shape = shape_of(normalized_shape, what)
    if not shape or x.shape[x.ndim - len(shape) :] != shape or len(shape) > x.ndim:
        raise ShapeError(f"{what}: the last axes of the input must be {shape}, got shape {x.shape}")
    return shape


def group_norm(
    x: TensorLike,
    num_groups: int,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the channels of each group and all space of [N, C, ...]
    (Wu and He 2018).

    >>> pg.group_norm(pg.Tensor([[1.0, 3.0, 5.0, 5.0]]), 2, eps=1e-9).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """
    x = _with_channels(x, "group_norm")
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: {x.shape[1]} channels of shape {x.shape} do not divide into {num_groups} groups"
        )
    rows = reshape_to(x, (x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:]))
    made = reshape_to(_standardised(rows, tuple(range(2, rows.ndim)), eps), x.shape)
    return _affine(made, weight, bias, _along_channels(x), x.dtype, (x.shape[1],), "group_norm")


def instance_norm(
    x: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the space of each example and channel of [N, C, ...]
    (Ulyanov et al. 2016).

    >>> pg.instance_norm(pg.Tensor([[[1.0, 3.0]]]), eps=0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    x = _with_channels(x, "instance_norm")
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: needs [N, C, space...], got shape {x.shape}")
    made = _standardised(x, tuple(range(2, x.ndim)), eps)
    return _affine(made, weight, bias, _along_channels(x), x.dtype, (x.shape[1],), "instance_norm")


def batch_norm(
    x: TensorLike,
    mean: TensorLike | None = None,
    variance: TensorLike | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of [N, C, ...] normalised by a mean and variance: given ones, or without them those of
    the batch (Ioffe and Szegedy 2015).

    >>> pg.batch_norm(pg.Tensor([[1.0], [3.0]]), eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    x = _with_channels(x, "batch_norm")
    if (mean is None) != (variance is None):
        raise InvalidValueError("batch_norm: give mean and variance, or neither of them")
    shape, extent = _along_channels(x), (x.shape[1],)
    if mean is None:
        made = _standardised(x, (0, *range(2, x.ndim)), eps)
        return _affine(made, weight, bias, shape, x.dtype, extent, "batch_norm")
    m, v = as_tensor(mean), to_float(variance)
    if m.shape != extent or v.shape != extent:
        raise ShapeError(
            f"batch_norm: mean and variance need shape {extent}, got {tuple(m.shape)} and {tuple(v.shape)}"
        )
    scale = reshape_to(rsqrt(v + eps), shape)
    return _affine((x - reshape_to(m, shape)) * scale, weight, bias, shape, x.dtype, extent, "batch_norm")


def _with_channels(x: TensorLike, what: str) -> Tensor:
    x = to_float(x)
    if x.ndim < 2:
        raise ShapeError(f"{what}: needs [N, C, ...], got shape {x.shape}")
    return x


def _along_channels(x: Tensor) -> tuple[int, ...]:
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


def local_response_norm(
    x: TensorLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Each element divided by ``(k + alpha * m) ** beta``, where m is the mean square of ``size``
    neighbouring channels, those beyond the ends counted as zeros (Krizhevsky et al. 2012, with the mean
    that torch takes).

    >>> pg.local_response_norm(pg.ones((1, 2, 1)), 2, alpha=2.0, beta=1.0).numpy().round(4).ravel()
    array([0.5   , 0.3333], dtype=float32)
    """
    x = to_float(x)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: needs [N, C, space...], got shape {x.shape}")
    if size < 1:
        raise InvalidValueError(f"local_response_norm: size must be at least 1, got {size}")
    n, c = x.shape[:2]
    squares = reshape_to(x * x, (n, c, math.prod(x.shape[2:])))
    before, after = min(size // 2, c), min((size - 1) // 2, c)  # beyond the ends there are zeros only
    words = (2, before + 1 + after, 1, 1, 1, before, 0, after, 0, 1, 1)
    total = reshape_to(_core.apply("reduce_window_sum", (squares,), words), x.shape)
    return x / (total * (alpha / size) + k) ** beta


# ---- by length


def normalize(
    x: TensorLike, p: float = 2.0, axis: Axis = 1, eps: float = 1e-12, *, dim: Axis = None
) -> Tensor:
    """Each vector along an axis divided by its p-norm, or by ``eps`` where that is larger.

    >>> pg.normalize(pg.Tensor([[3.0, 4.0]])).numpy()
    array([[0.6, 0.8]], dtype=float32)
    """
    x = to_float(x)
    axis = spelled(axis, 1, dim, "axis/dim", "normalize")
    axes_of(axis, x.ndim, "normalize")
    return x / maximum(_norm(x, p, axis, keepdims=True), eps)


def cosine_similarity(
    x: TensorLike, y: TensorLike, axis: int = 1, eps: float = 1e-8, *, dim: int | None = None
) -> Tensor:
    """The cosine of the angle between vectors along an axis; norms below ``eps`` count as ``eps``.

    >>> pg.cosine_similarity(pg.Tensor([[1.0, 0.0]]), pg.Tensor([[3.0, 0.0]])).tolist()
    [1.0]
    """
    x, y = to_float(x), to_float(y)
    rank = max(x.ndim, y.ndim)
    axis = axis_of(spelled(axis, 1, dim, "axis/dim", "cosine_similarity"), rank, "cosine_similarity") - rank
    inner = _sum(x * y, axis)
    return inner / (maximum(_norm(x, 2, axis), eps) * maximum(_norm(y, 2, axis), eps))


def pairwise_distance(
    x: TensorLike,
    y: TensorLike,
    p: float = 2.0,
    eps: float = 1e-6,
    keepdims: bool = False,
    *,
    keepdim: bool | None = None,
) -> Tensor:
    """The p-norm of ``x - y + eps`` over the last axis.

    >>> pg.pairwise_distance(pg.Tensor([[3.0, 4.0]]), pg.zeros((1, 2)), eps=0.0).tolist()
    [5.0]
    """
    keepdims = spelled(keepdims, False, keepdim, "keepdims/keepdim", "pairwise_distance")
    return _norm(to_float(x) - to_float(y) + eps, p, -1, keepdims)


def cdist(x: TensorLike, y: TensorLike, p: float = 2.0) -> Tensor:
    """The p-norm distance of every row of x [..., M, D] from every row of y [..., N, D]: [..., M, N].

    Differences are taken, not products of matrices, so that small distances keep their digits.

    >>> pg.cdist(pg.zeros((1, 2)), pg.Tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [[5.0, 1.0]]
    """
    x, y = to_float(x), to_float(y)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ShapeError(f"cdist: needs [..., M, D] and [..., N, D], got {x.shape} and {y.shape}")
    left = reshape_to(x, (*x.shape[:-1], 1, x.shape[-1]))
    right = reshape_to(y, (*y.shape[:-2], 1, *y.shape[-2:]))
    return _norm(left - right, p, -1)
