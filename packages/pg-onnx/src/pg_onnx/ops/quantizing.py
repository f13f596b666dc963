"""Quantization to integers of 8 and 16 bits and back (from constants of fewer bits, too), and products of
quantized tensors.

Rounding has no derivative, so nothing is learnt through a quantized tensor.
"""

from __future__ import annotations

from typing import Any

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from ..errors import InvalidModelError
from .registry import Ints, op
from .shaping import axis_of
from .windows import AutoPad, conv


def _along(scale: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Scales (or zero points) as they meet x: for all, for each place of an axis, or for blocks of one."""
    if scale.size == 1 and not block:
        return pg.reshape(scale, ())
    at = axis_of(axis, x.ndim)
    if block:
        wide = pg.repeat(scale, block, at)
        return wide[(*(slice(None),) * at, slice(0, x.shape[at]))]
    if scale.ndim != 1:
        raise InvalidModelError(f"scales of shape {tuple(scale.shape)} without block_size")
    return pg.reshape(scale, [-1 if i == at else 1 for i in range(x.ndim)])


def _quantized(x: Tensor, scale: Tensor, zero: Any, kind: DType, compute: DType) -> Tensor:
    bounds = pg.iinfo(kind)
    steps = pg.round(x.astype(compute) / scale.astype(compute)).astype(pg.float32)
    return pg.clip(steps + zero, bounds.min, bounds.max).astype(kind)


@op("QuantizeLinear", 10, 13, 19, 21, 23, 24, 25, 28)
def quantize_linear(
    x: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: DType | None = None,
    precision: DType | None = None,
    saturate: bool = True,
) -> Tensor:
    kind = zero.dtype if zero is not None else output_dtype or pg.uint8
    s = _along(scale, x, axis, block_size)
    z: Any = 0.0 if zero is None else _along(zero, x, axis, block_size).astype(pg.float32)
    return _quantized(x, s, z, kind, precision or scale.dtype)


@op("DequantizeLinear", 10, 13, 19, 21, 23, 24, 25, 28)
def dequantize_linear(
    x: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: DType | None = None,
) -> Tensor:
    s = _along(scale, x, axis, block_size)
    wide = pg.float32 if scale.dtype.itemsize == 2 else scale.dtype
    exact = wide if x.dtype.is_floating else pg.int64
    steps = x.astype(exact)
    if zero is not None:
        steps = steps - _along(zero, x, axis, block_size).astype(exact)
    return (steps.astype(wide) * s.astype(wide)).astype(output_dtype or scale.dtype)


@op("DynamicQuantizeLinear", 11)
def dynamic_quantize_linear(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    low, high = pg.minimum(pg.min(x), 0.0), pg.maximum(pg.max(x), 0.0)
    scale = (high - low) / 255.0
    safe = pg.where(scale == 0, 1.0, scale)
    zero = pg.clip(pg.round(0.0 - low / safe), 0, 255)
    return _quantized(x, safe, zero, pg.uint8, pg.float32), scale, zero.astype(pg.uint8)


# ---- products of integers


def _centred(x: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    wide = x.astype(pg.int32)
    if zero is None:
        return wide
    if zero.ndim == 1 and zero.size > 1:
        zero = pg.reshape(zero, [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    elif zero.size == 1:
        zero = pg.reshape(zero, ())
    return wide - zero.astype(pg.int32)


@op("MatMulInteger", 10)
def matmul_integer(
    a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    return pg.matmul(_centred(a, a_zero, -2), _centred(b, b_zero, -1))


@op("QLinearMatMul", 10, 21)
def qlinear_matmul(
    a: Tensor,
    a_scale: Tensor,
    a_zero: Tensor,
    b: Tensor,
    b_scale: Tensor,
    b_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
) -> Tensor:
    product = pg.matmul(_centred(a, a_zero, -2), _centred(b, b_zero, -1))
    kind = pg.float32
    s = a_scale.astype(kind) * b_scale.astype(kind) / y_scale.astype(kind)
    steps = pg.round(product.astype(kind) * s) + y_zero.astype(kind)
    bounds = pg.iinfo(y_zero.dtype)
    return pg.clip(steps, bounds.min, bounds.max).astype(y_zero.dtype)


def _integer_conv(x: Tensor, w: Tensor, x_zero: Tensor | None, w_zero: Tensor | None, **how: Any) -> Tensor:
    """Exact in float64: products of 16 bits, fewer than 2^21 of them."""
    a, b = _centred(x, x_zero, 0).astype(pg.float64), _centred(w, w_zero, 0).astype(pg.float64)
    return conv(a, b, None, **how)


@op("ConvInteger", 10)
def conv_integer(
    x: Tensor,
    w: Tensor,
    x_zero: Tensor | None = None,
    w_zero: Tensor | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    how = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    return _integer_conv(x, w, x_zero, w_zero, kernel_shape=kernel_shape, **how).astype(pg.int32)


@op("QLinearConv", 10)
def qlinear_conv(
    x: Tensor,
    x_scale: Tensor,
    x_zero: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    y_scale: Tensor,
    y_zero: Tensor,
    b: Tensor | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    how = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    total = _integer_conv(x, w, x_zero, w_zero, kernel_shape=kernel_shape, **how)
    channels = (1, -1) + (1,) * (x.ndim - 2)
    if b is not None:
        total = total + pg.reshape(b, channels).astype(pg.float64)
    s = x_scale * w_scale / y_scale
    s = pg.reshape(s, channels) if s.size > 1 else pg.reshape(s, ())
    steps = pg.round(total.astype(pg.float32) * s) + y_zero.astype(pg.float32)
    bounds = pg.iinfo(y_zero.dtype)
    return pg.clip(steps, bounds.min, bounds.max).astype(y_zero.dtype)
