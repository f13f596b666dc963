"""What the layers compute, as functions with torch's names and meanings (`dim`, `keepdim`, NCHW)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import DTypeError, InvalidValueError, ShapeError

from .losses import binary_cross_entropy_with_logits, cross_entropy, mse_loss

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]

Pair = int | tuple[int, int]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`, with `weight` of shape (out, in).

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.linear(pg.ones((2, 3)), pg.ones((4, 3))).shape
    (2, 4)
    """
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: the last axis must have {weight.shape[-1]} elements, got input shape {tuple(x.shape)}"
        )
    out = x @ weight.T
    return out if bias is None else out + bias


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of (N, C, H, W) or (C, H, W) with (O, C / groups, KH, KW); padding may be "same".

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.conv2d(pg.ones((1, 3, 8, 8)), pg.ones((4, 3, 3, 3)), padding="same").shape
    (1, 4, 8, 8)
    """
    if x.ndim not in (3, 4):
        raise ShapeError(f"conv2d: the input must have shape (N, C, H, W) or (C, H, W), got {tuple(x.shape)}")
    if padding == "same" and pair(stride) != (1, 1):
        raise InvalidValueError('conv2d: padding="same" needs stride 1; give the padding as numbers')
    batch = x if x.ndim == 4 else x.reshape((1, *x.shape))
    out = pg.conv2d(batch, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return out if x.ndim == 4 else out.reshape(tuple(out.shape[1:]))


def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest element of each window of (N, C, H, W) or (C, H, W); padding never wins.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.max_pool2d(pg.arange(16.0).reshape((1, 1, 4, 4)), 2).numpy().ravel()
    array([ 5.,  7., 13., 15.], dtype=float32)
    """
    return pg.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of (N, C, H, W) or (C, H, W); zeros of the padding count unless told otherwise.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.avg_pool2d(pg.arange(16.0).reshape((1, 1, 4, 4)), 2).numpy().ravel()
    array([ 2.5,  4.5, 10.5, 12.5], dtype=float32)
    """
    return pg.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def relu(x: Tensor) -> Tensor:
    """The positive part."""
    return pg.relu(x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; `approximate="tanh"` uses the usual formula with tanh.

    >>> import pequegrad as pg, pg_nn as nn
    >>> [round(v, 4) for v in nn.functional.gelu(pg.Tensor([-1.0, 0.0, 1.0])).tolist()]
    [-0.1587, 0.0, 0.8413]
    """
    return pg.gelu(x, approximate)


def silu(x: Tensor) -> Tensor:
    """x times its sigmoid."""
    return pg.silu(x)


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return pg.tanh(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return pg.sigmoid(x)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Exponentials that sum to one along `dim`."""
    return pg.softmax(x, axis=dim)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Logarithm of softmax, computed without overflow."""
    return pg.log_softmax(x, axis=dim)


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero each element with probability `p` and scale the others by 1 / (1 - p); nothing if not training.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.dropout(pg.ones((3,)), 0.5, training=False).numpy()
    array([1., 1., 1.], dtype=float32)
    """
    if not 0.0 <= p <= 1.0:
        raise InvalidValueError(f"dropout: p must be between 0 and 1, got {p}")
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return pg.zeros_like(x)
    keep = pg.random.bernoulli(p=1.0 - p, shape=tuple(x.shape))
    return pg.where(keep, x * (1.0 / (1.0 - p)), 0.0)


def embedding(indices: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of `weight` by index; the row `padding_idx` receives no gradient.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.embedding(pg.Tensor([[2, 0]]), pg.eye(3)).numpy()
    array([[[0., 0., 1.],
            [1., 0., 0.]]], dtype=float32)
    """
    if not indices.dtype.is_integer:
        raise DTypeError(
            f"embedding: indices must be integers, got {indices.dtype}; cast them, e.g. .astype('int64')"
        )
    rows = weight[indices]
    if padding_idx is None:
        return rows
    is_padding = (indices == padding_idx % weight.shape[0]).reshape((*indices.shape, 1))
    return pg.where(is_padding, rows.detach(), rows)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the last axes, then scaled by `weight` and shifted by `bias`.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.layer_norm(pg.Tensor([[1.0, 3.0]]), (2,), eps=0.0).numpy()
    array([[-1.,  1.]], dtype=float32)
    """
    shape = tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"layer_norm: the last axes of the input must be {shape}, got shape {tuple(x.shape)}"
        )
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    out = centred * pg.rsqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel (axis 1); in training by the batch's statistics, which update the running ones.

    The running variance is the unbiased one, as in torch; the two running tensors are updated in place.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.batch_norm(pg.Tensor([[1.0], [3.0]]), None, None, training=True, eps=0.0).numpy()
    array([[-1.],
           [ 1.]], dtype=float32)
    """
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: the input must have shape (N, C, ...), got {tuple(x.shape)}")
    shape = (1, x.shape[1]) + (1,) * (x.ndim - 2)
    if training:
        axes = (0, *range(2, x.ndim))
        count = math.prod(x.shape[axis] for axis in axes)
        if count <= 1:
            raise ShapeError(
                f"batch_norm: training needs more than one value per channel, got shape {tuple(x.shape)}; "
                "use a larger batch or call eval() on the model"
            )
        mean = x.mean(axis=axes, keepdims=True)
        centred = x - mean
        variance = (centred * centred).mean(axis=axes, keepdims=True)
        if running_mean is not None and running_var is not None:
            unbiased = variance.detach().reshape(running_var.shape) * (count / (count - 1))
            _follow(running_mean, mean.detach().reshape(running_mean.shape), momentum)
            _follow(running_var, unbiased, momentum)
    elif running_mean is None or running_var is None:
        raise ShapeError("batch_norm: evaluation needs running_mean and running_var")
    else:
        centred = x - running_mean.reshape(shape)
        variance = running_var.reshape(shape)
    scale = pg.rsqrt(variance + eps)
    out = centred * (scale if weight is None else scale * weight.reshape(shape))
    return out if bias is None else out + bias.reshape(shape)


def _follow(running: Tensor, value: Tensor, momentum: float | Tensor) -> None:
    running.assign(((1.0 - momentum) * running + momentum * value).astype(running.dtype))


def pair(value: Any) -> tuple[int, int]:
    """A number as a pair of itself; a pair as it is.

    >>> import pg_nn as nn
    >>> nn.functional.pair(3), nn.functional.pair((1, 2))
    ((3, 3), (1, 2))
    """
    if isinstance(value, int):
        return (value, value)
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        return (value[0], value[1])
    raise InvalidValueError(f"needs a whole number or a pair of whole numbers, got {value!r}")
