"""Activations as functions of any shape.

Where a function has a corner, its derivative there is torch's; selections act on arguments, so that a branch
that is not taken adds neither infinities nor NaN to a derivative.
"""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ..errors import InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, axis_of, fill, float_unary, reshape_to, spelled, to_float
from .logic import where
from .maths import exp, sigmoid, tanh
from .shape import part


def relu(x: TensorLike) -> Tensor:
    """Elements above 0, zeros elsewhere; the derivative at 0 is 0.

    >>> pg.relu(pg.Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    x = as_tensor(x)
    return where(x <= 0, fill(0, x), x)  # in this order NaN stays NaN


def relu6(x: TensorLike) -> Tensor:
    """Elements brought into [0, 6]; the derivative at both ends is 0.

    >>> pg.relu6(pg.Tensor([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    x = as_tensor(x)
    return where(x <= 0, fill(0, x), where(x >= 6, fill(6, x), x))


def hardtanh(x: TensorLike, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Elements brought into [min_val, max_val]; the derivative at both ends is 0.

    >>> pg.hardtanh(pg.Tensor([-3.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    x = to_float(x)
    if min_val > max_val:
        raise InvalidValueError(f"hardtanh: min_val {min_val} lies above max_val {max_val}")
    return where(x <= min_val, fill(min_val, x), where(x >= max_val, fill(max_val, x), x))


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """Elements above 0, the others scaled down.

    >>> pg.leaky_relu(pg.Tensor([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    x = to_float(x)
    return where(x > 0, x, x * negative_slope)


def prelu(x: TensorLike, weight: TensorLike) -> Tensor:
    """Elements above 0, the others times a learned weight: one number, or one per channel (axis 1).

    >>> pg.prelu(pg.Tensor([[-2.0, -2.0]]), pg.Tensor([0.5, 0.25])).tolist()
    [[-1.0, -0.5]]
    """
    x, w = to_float(x), to_float(weight)
    if w.size != 1:
        if w.ndim != 1 or x.ndim < 2 or x.shape[1] != w.size:
            raise ShapeError(
                f"prelu: weights of shape {w.shape} for an input of shape {x.shape}; give one weight, or one "
                "per channel (axis 1)"
            )
        w = reshape_to(w, (w.size, *(1,) * (x.ndim - 2)))
    else:
        w = reshape_to(w, ())
    return where(x > 0, x, x * w)


def _below(x: Tensor) -> Tensor:
    """x where it is not above 0, else 0: a safe argument for what holds below 0 only."""
    return where(x > 0, fill(0, x), x)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Elements above 0, ``alpha * (exp(x) - 1)`` below.

    >>> pg.elu(pg.Tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    x = to_float(x)
    return where(x > 0, x, alpha * _core.apply("expm1", (_below(x),)))


def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Elements above 0, ``alpha * (exp(x / alpha) - 1)`` below: the derivative has no jump.

    >>> pg.celu(pg.Tensor([0.0, 2.0]), 0.5).tolist()
    [0.0, 2.0]
    """
    x = to_float(x)
    if alpha == 0:
        raise InvalidValueError("celu: alpha must not be 0")
    return where(x > 0, x, alpha * _core.apply("expm1", (_below(x) / alpha,)))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017


def selu(x: TensorLike) -> Tensor:
    """The scaled elu that keeps mean 0 and variance 1 from layer to layer (Klambauer et al. 2017).

    >>> pg.selu(pg.Tensor([0.0, 1.0])).numpy().round(4)
    array([0.    , 1.0507], dtype=float32)
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def silu(x: TensorLike) -> Tensor:
    """``x * sigmoid(x)``.

    >>> pg.silu(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("silu", x)


def gelu(x: TensorLike, approximate: str = "none") -> Tensor:
    """``x`` times the probability that a standard normal lies below it; ``approximate="tanh"`` for the
    cheap form.

    >>> pg.gelu(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    if approximate == "none":
        return float_unary("gelu", x)
    if approximate == "tanh":
        return float_unary("gelu_tanh", x)
    raise InvalidValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")


def mish(x: TensorLike) -> Tensor:
    """``x * tanh(softplus(x))`` (Misra 2019), as a quotient that loses no digits in the lower tail.

    >>> pg.mish(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    x = to_float(x)
    lower = x < 0
    e = exp(where(lower, x, -x))  # tanh(log(1 + e^x)) = (2 e^x + e^2x) / (2 + 2 e^x + e^2x)
    above = where(lower, e * (e + 2.0), 1.0 + 2.0 * e)
    return x * (above / (above + where(lower, fill(2.0, x), 2.0 * e * e)))


def hardsigmoid(x: TensorLike) -> Tensor:
    """``relu6(x + 3) / 6``: the line through the middle of the sigmoid, cut at 0 and 1.

    >>> pg.hardsigmoid(pg.Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return relu6(to_float(x) + 3.0) / 6.0


def hardswish(x: TensorLike) -> Tensor:
    """``x * hardsigmoid(x)`` (Howard et al. 2019).

    >>> pg.hardswish(pg.Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.0, 4.0]
    """
    x = to_float(x)
    return where(x <= -3, fill(0.0, x), where(x >= 3, x, x * (x + 3.0) / 6.0))


def hardshrink(x: TensorLike, lambd: float = 0.5) -> Tensor:
    """Zeros in [-lambd, lambd], the elements themselves beyond.

    >>> pg.hardshrink(pg.Tensor([-1.0, 0.3])).tolist()
    [-1.0, 0.0]
    """
    x = to_float(x)
    return where((x >= -lambd) & (x <= lambd), fill(0.0, x), x)


def softshrink(x: TensorLike, lambd: float = 0.5) -> Tensor:
    """Elements moved towards 0 by ``lambd``, zeros within it.

    >>> pg.softshrink(pg.Tensor([-1.0, 0.3, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """
    x = to_float(x)
    if lambd < 0:
        raise InvalidValueError(f"softshrink: lambd must not be negative, got {lambd}")
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, x * 0.0))


def tanhshrink(x: TensorLike) -> Tensor:
    """``x - tanh(x)``.

    >>> pg.tanhshrink(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    x = to_float(x)
    return x - tanh(x)


def threshold(x: TensorLike, threshold: float, value: float) -> Tensor:
    """Elements above a threshold, another value elsewhere.

    >>> pg.threshold(pg.Tensor([0.5, 2.0]), 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    x = to_float(x)
    return where(x <= threshold, fill(value, x), x)


def softsign(x: TensorLike) -> Tensor:
    """``x / (1 + |x|)``.

    >>> pg.softsign(pg.Tensor([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    x = to_float(x)
    return x / (1.0 + _core.apply("abs", (x,)))


def glu(x: TensorLike, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The first half along an axis times the sigmoid of the second (Dauphin et al. 2016).

    >>> pg.glu(pg.Tensor([2.0, 0.0])).tolist()
    [1.0]
    """
    x = to_float(x)
    at = axis_of(spelled(axis, -1, dim, "axis/dim", "glu"), x.ndim, "glu")
    half, odd = divmod(x.shape[at], 2)
    if odd:
        raise ShapeError(f"glu: axis {at} of shape {x.shape} has an odd extent and does not halve")
    return part(x, at, 0, half) * sigmoid(part(x, at, half, 2 * half))
