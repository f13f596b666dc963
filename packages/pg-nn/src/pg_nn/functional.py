"""What the layers compute, as functions with torch's names and meanings (`dim`, `keepdim`, NCHW).

Where pequegrad's function means the same, it is that function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import (
    Tensor,
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    affine_grid,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    celu,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_similarity,
    elu,
    fold,
    gelu,
    glu,
    grid_sample,
    group_norm,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    interpolate,
    layer_norm,
    leaky_relu,
    local_response_norm,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    mish,
    normalize,
    pairwise_distance,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    relu,
    relu6,
    rms_norm,
    selu,
    sigmoid,
    silu,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
    unfold,
)
from pequegrad.errors import DTypeError, InvalidValueError, ShapeError

from .further_losses import (
    binary_cross_entropy,
    cosine_embedding_loss,
    ctc_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from .losses import binary_cross_entropy_with_logits, cross_entropy, mse_loss

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "elu",
    "embedding",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "unfold",
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


def _check_same(stride: Any, padding: Any, rank: int) -> None:
    strides = stride if isinstance(stride, (tuple, list)) else (stride,)
    if padding == "same" and any(s != 1 for s in strides):
        raise InvalidValueError(f'conv{rank}d: padding="same" needs stride 1; give the padding as numbers')


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of (N, C, L) or (C, L) with (O, C / groups, K); padding may be "same".

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.conv1d(pg.ones((1, 3, 8)), pg.ones((4, 3, 3)), padding="same").shape
    (1, 4, 8)
    """
    _check_same(stride, padding, 1)
    return pg.conv1d(x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of (N, C, H, W) or (C, H, W) with (O, C / groups, KH, KW); padding may be "same".

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.conv2d(pg.ones((1, 3, 8, 8)), pg.ones((4, 3, 3, 3)), padding="same").shape
    (1, 4, 8, 8)
    """
    _check_same(stride, padding, 2)
    return pg.conv2d(x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of (N, C, D, H, W) or (C, D, H, W) with (O, C / groups, KD, KH, KW); padding may be "same".

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.conv3d(pg.ones((1, 3, 8, 8, 8)), pg.ones((4, 3, 3, 3, 3)), padding="same").shape
    (1, 4, 8, 8, 8)
    """
    _check_same(stride, padding, 3)
    return pg.conv3d(x, weight, bias, stride, padding, dilation, groups)


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
    if training:
        axes = (0, *range(2, x.ndim))
        count = math.prod(x.shape[axis] for axis in axes)
        if count <= 1:
            raise ShapeError(
                f"batch_norm: training needs more than one value per channel, got shape {tuple(x.shape)}; "
                "use a larger batch or call eval() on the model"
            )
        if running_mean is not None and running_var is not None:
            fixed = x.detach()
            unbiased = fixed.var(axis=axes, correction=1)
            _follow(running_mean, fixed.mean(axis=axes), momentum)
            _follow(running_var, unbiased, momentum)
        return pg.batch_norm(x, None, None, weight, bias, eps)
    if running_mean is None or running_var is None:
        raise ShapeError("batch_norm: evaluation needs running_mean and running_var")
    return pg.batch_norm(x, running_mean, running_var, weight, bias, eps)


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each example and channel over its space; the mean over examples of the statistics updates the
    running ones, which are used instead when `use_input_stats` is false.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.instance_norm(pg.Tensor([[[1.0, 3.0]]]), eps=0.0).numpy()
    array([[[-1.,  1.]]], dtype=float32)
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: the input must have shape (N, C, ...), got {tuple(x.shape)}")
    axes = tuple(range(2, x.ndim))
    if math.prod(x.shape[axis] for axis in axes) <= 1:
        raise ShapeError(
            f"instance_norm: needs more than one value per example and channel, got shape {tuple(x.shape)}"
        )
    if running_mean is not None and running_var is not None:
        fixed = x.detach()
        _follow(running_mean, fixed.mean(axis=axes).mean(axis=0), momentum)
        _follow(running_var, fixed.var(axis=axes, correction=1).mean(axis=0), momentum)
    return pg.instance_norm(x, weight, bias, eps)


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


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.softplus(pg.Tensor([-800.0, 800.0]), beta=2.0).tolist()
    [0.0, 800.0]
    """
    if beta == 0:
        raise InvalidValueError("softplus: beta must not be 0")
    scaled = x * beta
    above = scaled > threshold
    return pg.where(above, x, pg.softplus(pg.where(above, 0.0, scaled)) / beta)


def logsigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)), computed without underflow."""
    return pg.log_sigmoid(x)


def softmin(x: Tensor, dim: int) -> Tensor:
    """Softmax of -x."""
    return pg.softmin(x, axis=dim)


def one_hot(x: Tensor, num_classes: int = -1) -> Tensor:
    """Rows with a 1 at the place of each index, int64; without `num_classes` their number is read from the
    values.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.one_hot(pg.Tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if num_classes < 0:
        num_classes = int(x.numpy().max(initial=-1)) + 1
    return pg.one_hot(num_classes, x, dtype=pg.int64)


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Margins of the last axes: `pad` holds (before, after) of the last axis, then of the one before it, ...

    Modes are constant (negative margins crop), reflect, replicate and circular.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.functional.pad(pg.Tensor([[1.0, 2.0]]), (1, 0, 0, 1)).tolist()
    [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]
    """
    if mode not in _PAD_MODES:
        raise InvalidValueError(f"pad: mode is one of {', '.join(_PAD_MODES)}, got {mode!r}")
    if value is not None and mode != "constant":
        raise InvalidValueError(f"pad: mode {mode!r} takes no value")
    pairs = list(zip(pad[0::2], pad[1::2], strict=False))
    if len(pad) % 2 or len(pairs) > x.ndim:
        raise ShapeError(f"pad: {tuple(pad)} does not give pairs for the axes of shape {tuple(x.shape)}")
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    for (before, after), n in zip(widths, x.shape, strict=True):
        limit = n - 1 if mode == "reflect" else n
        if mode != "constant" and min(before, after) < 0:
            raise InvalidValueError(f"pad: mode {mode!r} takes no negative margins, got {tuple(pad)}")
        if mode in ("reflect", "circular") and max(before, after) > limit:
            raise InvalidValueError(
                f"pad: {mode} margins {before, after} of an axis with {n} elements may be at most {limit}"
            )
    if mode == "constant":
        return pg.pad(x, widths, constant_values=0 if value is None else value)
    return pg.pad(x, widths, _PAD_MODES[mode])


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value; a query that may see no key gets zeros.

    >>> import pequegrad as pg, pg_nn as nn
    >>> q = pg.ones((1, 2, 4))
    >>> nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    (1, 2, 4)
    """
    if not enable_gqa and min(query.ndim, key.ndim) > 2 and query.shape[-3] != key.shape[-3]:
        raise ShapeError(
            f"scaled_dot_product_attention: {query.shape[-3]} query heads and {key.shape[-3]} key heads need "
            "enable_gqa=True"
        )
    return pg.scaled_dot_product_attention(
        query, key, value, attn_mask, is_causal=is_causal, scale=scale, dropout_p=dropout_p
    )
