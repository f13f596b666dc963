"""Normalization by mean and variance or by length, and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from .registry import Host, Ints, op
from .shaping import axis_of


def _wide(x: Tensor, stash_type: int = 1) -> Tensor:
    """What a computation in float32 reads: halves are widened, others kept."""
    return x.astype(pg.float32) if stash_type == 1 and x.dtype.itemsize == 2 else x


# ---- batch normalization


def _normalized(x: Tensor, scale: Tensor, bias: Tensor, mean: Any, var: Any, epsilon: float) -> Tensor:
    shape = (1, *scale.shape) if scale.ndim > 1 else (1, -1) + (1,) * (x.ndim - 2)
    wide = _wide(x)
    m, v, s, b = (pg.reshape(t.astype(wide.dtype), shape) for t in (mean, var, scale, bias))
    return ((wide - m) * pg.rsqrt(v + epsilon) * s + b).astype(x.dtype)


def _batch_norm(
    call: Any,
    x: Tensor,
    params: tuple[Tensor, ...],
    epsilon: float,
    momentum: float,
    training: bool,
    spatial: bool,
) -> tuple[Tensor, ...]:
    scale, bias, mean, var = params
    if not (training or call.training):
        return (_normalized(x, scale, bias, mean, var, epsilon), mean, var)
    axes = (0, *range(2, x.ndim)) if spatial else (0,)
    wide = _wide(x)
    batch_mean, batch_var = pg.mean(wide, axis=axes), pg.var(wide, axis=axes, correction=0)
    made = _normalized(x, scale, bias, batch_mean, batch_var, epsilon)
    new = [
        old * momentum + now.astype(old.dtype) * (1 - momentum)
        for old, now in ((mean, batch_mean), (var, batch_var))
    ]
    if call.training:
        call.update(3, pg.stop_gradient(new[0]))
        call.update(4, pg.stop_gradient(new[1]))
    return made, *new


@op("BatchNormalization", 14, 15)
def batch_norm(
    call: Any,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: bool = False,
) -> tuple[Tensor, ...]:
    return _batch_norm(call, x, (scale, bias, mean, var), epsilon, momentum, training_mode, True)


@op("BatchNormalization", 6, 7, 9)
def batch_norm_6(
    call: Any,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    epsilon: float = 1e-5,
    is_test: bool = False,
    momentum: float = 0.9,
    spatial: bool = True,
) -> tuple[Tensor, ...]:
    """These versions train when more than the first output is named."""
    training = call.outputs > 1 and not is_test
    made = _batch_norm(call, x, (scale, bias, mean, var), epsilon, momentum, training, spatial)
    return made if not training else (*made, made[1], made[2])


# ---- other means and variances


@op("InstanceNormalization", 6, 22)
def instance_norm(x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return pg.instance_norm(x, scale, bias, epsilon)


@op("LayerNormalization", 17)
def layer_norm(
    call: Any,
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:
    at = axis_of(axis, x.ndim)
    extent = tuple(x.shape[at:])
    fits = tuple(scale.shape) == extent and (bias is None or tuple(bias.shape) == extent)
    if call.outputs == 1 and fits:
        return pg.layer_norm(x, extent, scale, bias, epsilon)
    wide = _wide(x, stash_type)
    axes = tuple(range(at, x.ndim))
    mean = pg.mean(wide, axis=axes, keepdims=True)
    inverse = pg.rsqrt(pg.var(wide, axis=axes, correction=0, keepdims=True) + epsilon)
    made = ((wide - mean) * inverse).astype(x.dtype) * scale
    return (made if bias is None else made + bias), mean, inverse


@op("RMSNormalization", 23)
def rms_norm(
    x: Tensor, scale: Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    at = axis_of(axis, x.ndim)
    if tuple(scale.shape) == tuple(x.shape[at:]):
        return pg.rms_norm(x, tuple(x.shape[at:]), scale, epsilon)
    wide = _wide(x, stash_type)
    squares = pg.mean(wide * wide, axis=tuple(range(at, x.ndim)), keepdims=True)
    return (wide * pg.rsqrt(squares + epsilon)).astype(x.dtype) * scale


@op("GroupNormalization", 21)
def group_norm(
    x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    return pg.group_norm(x, num_groups, scale, bias, epsilon)


@op("GroupNormalization", 18)
def group_norm_18(
    x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5
) -> Tensor:
    """This version has a scale and bias for each group."""
    each = x.shape[1] // num_groups
    return pg.group_norm(x, num_groups, pg.repeat(scale, each), pg.repeat(bias, each), epsilon)


@op("MeanVarianceNormalization", 9, 13)
def mean_variance_norm(x: Tensor, *, axes: Ints = (0, 2, 3)) -> Tensor:
    centred = x - pg.mean(x, axis=axes, keepdims=True)
    return centred / (pg.sqrt(pg.mean(centred * centred, axis=axes, keepdims=True)) + 1e-9)


@op("LRN", 1, 13)
def local_response_norm(
    x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Tensor:
    if size % 2:
        return pg.local_response_norm(x, size, alpha, beta, bias)
    turned = pg.local_response_norm(pg.flip(x, 1), size, alpha, beta, bias)
    return pg.flip(turned, 1)  # of an even number of neighbours, the one more lies behind


@op("LpNormalization", 1, 22)
def lp_norm(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    length = pg.norm(x, p, axis, keepdims=True)
    return x / pg.where(length == 0, 1.0, length).astype(x.dtype)


# ---- dropout


def _dropped(call: Any, x: Tensor, ratio: float, training: bool, seed: int | None, mask_dtype: Any) -> Any:
    if not training or ratio == 0:
        return x, pg.ones(x.shape, dtype=mask_dtype)
    if seed is not None:  # the sequence that the operator's reference implementation draws
        kept = pg.Tensor(np.random.RandomState(seed % 2**32).uniform(size=x.shape) >= ratio)
    else:
        kept = pg.random.bernoulli(p=1 - ratio, shape=x.shape)
    scale = 1 / (1 - ratio) if ratio < 1 else 0.0
    return pg.where(kept, x * scale, 0).astype(x.dtype), kept.astype(mask_dtype)


@op("Dropout", 12, 13, 22)
def dropout(
    call: Any,
    x: Tensor,
    ratio: Host | None = None,
    training_mode: Host | None = None,
    *,
    seed: int | None = None,
) -> Any:
    share = 0.5 if ratio is None else float(ratio.item())
    training = call.training or (training_mode is not None and bool(training_mode.item()))
    return _dropped(call, x, share, training, seed, pg.bool_)


@op("Dropout", 6, 7, 10)
def dropout_6(call: Any, x: Tensor, *, ratio: float = 0.5, is_test: bool = False) -> Any:
    """These versions cannot tell training from inference in a file that is used for both: the module's
    mode does.
    """
    return _dropped(call, x, ratio, call.training, None, pg.bool_ if call.version >= 10 else x.dtype)
