"""Functions of one operand, elementwise: mathematics, activations, rounding and casts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from ..errors import InvalidModelError
from ..values import tensor_of
from .arithmetic import cast
from .registry import op


def _on_both(name: str, function: str, *since: int) -> None:
    """An operator that NumPy and pequegrad call by one name."""

    def compute(xp: Any, x: Tensor) -> Any:
        return getattr(xp, function)(x)

    op(name, *since)(compute)


def _plain(name: str, function: Any, *since: int) -> None:
    def compute(x: Tensor) -> Any:
        return function(x)

    op(name, *since)(compute)


for _name, _function, _since in (
    ("Abs", "abs", (6, 13)),
    ("Ceil", "ceil", (6, 13)),
    ("Exp", "exp", (6, 13)),
    ("Floor", "floor", (6, 13)),
    ("Log", "log", (6, 13)),
    ("Neg", "negative", (6, 13)),
    ("Round", "round", (11, 22)),
    ("Sign", "sign", (9, 13)),
    ("Sqrt", "sqrt", (6, 13)),
    ("IsNaN", "isnan", (9, 13, 20)),
):
    _on_both(_name, _function, *_since)

for _name, _call, _since in (
    ("Acos", pg.acos, (7, 22)),
    ("Acosh", pg.acosh, (9, 22)),
    ("Asin", pg.asin, (7, 22)),
    ("Asinh", pg.asinh, (9, 22)),
    ("Atan", pg.atan, (7, 22)),
    ("Atanh", pg.atanh, (9, 22)),
    ("Cos", pg.cos, (7, 22)),
    ("Cosh", pg.cosh, (9, 22)),
    ("Erf", pg.erf, (9, 13)),
    ("Mish", pg.mish, (18, 22)),
    ("Sigmoid", pg.sigmoid, (6, 13)),
    ("Sin", pg.sin, (7, 22)),
    ("Sinh", pg.sinh, (9, 22)),
    ("Softplus", pg.softplus, (1, 22)),
    ("Softsign", pg.softsign, (1, 22)),
    ("Tan", pg.tan, (7, 22)),
    ("Tanh", pg.tanh, (6, 13)),
):
    _plain(_name, _call, *_since)


@op("Reciprocal", 6, 13)
def reciprocal(xp: Any, x: Tensor) -> Any:
    return np.divide(1, x, dtype=str(x.dtype)) if xp is np else pg.reciprocal(x)


@op("Relu", 6, 13, 14)
def relu(x: Tensor) -> Tensor:
    return pg.relu(x)


@op("Elu", 6, 22)
def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return pg.elu(x, alpha)


@op("Celu", 12, 28)
def celu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return pg.celu(x, alpha)


@op("Selu", 6, 22)
def selu(x: Tensor, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Tensor:
    return gamma * pg.where(x > 0, x, alpha * pg.expm1(pg.minimum(x, 0)))


@op("LeakyRelu", 6, 16)
def leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return pg.leaky_relu(x, alpha)


@op("ThresholdedRelu", 10, 22)
def thresholded_relu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return pg.where(x > alpha, x, 0)


@op("PRelu", 7, 9, 16)
def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return pg.where(x < 0, slope * x, x)


@op("PRelu", 6)
def prelu_6(x: Tensor, slope: Tensor) -> Tensor:
    """One slope for all, or one for each channel."""
    return prelu(x, pg.reshape(slope, (-1,) + (1,) * (x.ndim - 2)) if slope.size > 1 else slope)


@op("HardSigmoid", 6, 22)
def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return pg.clip(alpha * x + beta, 0, 1)


@op("HardSwish", 14, 22)
def hard_swish(x: Tensor) -> Tensor:
    return x * hard_sigmoid(x, alpha=1 / 6, beta=0.5)


@op("Gelu", 20)
def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    return pg.gelu(x, approximate)


@op("Swish", 24)
def swish(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return x * pg.sigmoid(alpha * x)


@op("SwiGLU", 28)
def swiglu(gate: Tensor, x: Tensor, *, alpha: float = 1.0) -> Tensor:
    return swish(gate, alpha=alpha) * x


@op("Shrink", 9)
def shrink(x: Tensor, *, lambd: float = 0.5, bias: float = 0.0) -> Tensor:
    zero = pg.zeros_like(x)
    made = pg.where(x < -lambd, x + bias, pg.where(x > lambd, x - bias, zero))
    return made.astype(x.dtype)


@op("IsInf", 10, 20)
def is_inf(x: Tensor, *, detect_negative: bool = True, detect_positive: bool = True) -> Tensor:
    if detect_negative and detect_positive:
        return pg.isinf(x)
    found = pg.isposinf(x) if detect_positive else pg.isneginf(x)
    return found if detect_positive or detect_negative else pg.zeros_like(found)


# ---- bounds

_LARGEST = 3.4028234663852886e38  # of float32


@op("Clip", 6)
def clip_6(x: Tensor, *, min: float = -_LARGEST, max: float = _LARGEST) -> Tensor:
    return pg.clip(x, min, max)


@op("Clip", 11, 12, 13)
def clip(xp: Any, x: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Any:
    if min is not None:
        x = xp.maximum(x, min)
    return x if max is None else xp.minimum(x, max)


# ---- types


@op("Cast", 6, 9, 13, 19, 21, 23, 24, 25, 28)
def cast_to(xp: Any, x: Tensor, *, to: DType, saturate: bool = True, round_mode: str = "up") -> Any:
    if xp is np and to is pg.bfloat16:
        return pg.Tensor(x).astype(to)
    return cast(xp, x, to)


@op("CastLike", 15, 19, 21, 23, 24, 25)
def cast_like(x: Any, like: Any, *, saturate: bool = True, round_mode: str = "up") -> Any:
    # Numbers that are known stay known, whatever they are cast like.
    known = isinstance(like, np.ndarray) and like.dtype != object
    kind = pg.dt.as_dtype(like.dtype.name) if known else tensor_of(like, "input target_type").dtype
    if isinstance(x, np.ndarray) and x.dtype != object and kind is not pg.bfloat16:
        return cast(np, x, kind)
    return tensor_of(x, "input input").astype(kind)


@op("BitCast", 26)
def bit_cast(x: Tensor, *, to: DType) -> Tensor:
    if x.dtype.is_bool or to.is_bool:
        made = pg.bitcast(x.astype(pg.uint8) if x.dtype.is_bool else x, pg.uint8 if to.is_bool else to)
        return made.astype(to)
    if x.dtype.itemsize != to.itemsize:
        raise InvalidModelError(f"{x.dtype} and {to} differ in width")
    return pg.bitcast(x, to)


@op("Identity", 1, 13, 14, 16, 19, 21, 23, 24, 25)
def identity(x: Any) -> Any:
    return x
