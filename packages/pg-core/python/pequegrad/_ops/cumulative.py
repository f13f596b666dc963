"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from typing import Any

from .. import dt
from .._core import Tensor
from ..errors import ShapeError
from .common import TensorLike, as_tensor_like, axis_of, cast, reshape_to, spelled, to_float
from .elementwise import logaddexp
from .shape import broadcast_to, concatenate, part


def logcumsumexp(
    x: TensorLike, axis: int | None = None, *, reverse: bool = False, dim: int | None = None
) -> Tensor:
    """``log(cumsum(exp(x)))`` along an axis (of the flattened tensor when None) without overflow, from the
    end when ``reverse``.

    Each step adds the logarithms of what lies 1, 2, 4, ... places apart (W. D. Hillis and G. L. Steele, "Data
    parallel algorithms", 1986): no element is lost beside one that is much larger and comes later.

    >>> pg.logcumsumexp(pg.Tensor([0.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    x = to_float(x)
    axis = spelled(axis, None, dim, "axis/dim", "logcumsumexp")
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    at = axis_of(axis, x.ndim, "logcumsumexp")
    if x.shape[at] < 2:
        return x
    kind, length, reach = x.dtype, x.shape[at], 1
    x = cast(x, dt.float32) if kind.itemsize == 2 else x
    while reach < length:
        first, last = part(x, at, 0, length - reach), part(x, at, reach, length)
        if reverse:
            x = concatenate([logaddexp(first, last), part(x, at, length - reach, length)], at)
        else:
            x = concatenate([part(x, at, 0, reach), logaddexp(first, last)], at)
        reach *= 2
    return cast(x, kind)


def cumulative_trapezoid(
    y: TensorLike,
    x: TensorLike | None = None,
    dx: TensorLike = 1.0,
    axis: int = -1,
    initial: float | None = None,
) -> Tensor:
    """The integral from the first place up to each other one by the trapezoidal rule along an axis; with
    ``initial`` that value stands for the first place.

    >>> pg.cumulative_trapezoid(pg.Tensor([1.0, 2.0, 4.0])).tolist()
    [1.5, 4.5]
    """
    from .differences import diff
    from .reduce import cumsum

    y = to_float(y)
    at = axis_of(axis, y.ndim, "cumulative_trapezoid")
    n = y.shape[at]
    if n < 1:
        raise ShapeError(f"cumulative_trapezoid: no places along axis {at} of shape {y.shape}")
    steps: Any = as_tensor_like(dx, y)
    if x is not None:
        steps = to_float(as_tensor_like(x, y))
        if steps.ndim == 1:
            steps = reshape_to(steps, [n if i == at else 1 for i in range(y.ndim)])
        steps = diff(steps, axis=at)
    made = cumsum((part(y, at, 1, n) + part(y, at, 0, n - 1)) * steps / 2.0, at)
    if initial is None:
        return made
    first = broadcast_to(
        cast(as_tensor_like(initial, made), made.dtype),
        [1 if i == at else d for i, d in enumerate(made.shape)],
    )
    return concatenate([first, made], at)
