"""Windows of any axes in XLA's general form: their reductions, and what a choice in each of them adds up to.

``pooling`` has torch's forms, over the last axes of images. Both use the same records where there are some.
"""

from __future__ import annotations

import builtins
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..autodiff import vjp
from ..errors import ArgumentError, InvalidValueError
from .common import TensorLike, as_tensor, as_tensor_like, cast, check_table, elementwise, known
from .convolution import Ints, _margins, per_axis
from .general import pad_general
from .pooling import _slide
from .scattering import _neutral
from .shape import broadcast_to, permute

_NEUTRAL = {"sum": "sum", "prod": "prod", "max": "amax", "min": "amin"}
_COMBINE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}
_RECORDS = {"sum": "reduce_window_sum", "max": "reduce_window_max", "min": "reduce_window_max"}
_MOST_AXES = 3  # of the records


def _steps(x: Tensor, window: Any, strides: Any, padding: Any, base: Any, spread: Any, what: str) -> Any:
    rank = x.ndim
    size, stride, between, dilation = (
        per_axis(v, f"{what}: {name}", rank)
        for v, name in (
            (window, "window"),
            (strides, "strides"),
            (base, "base_dilation"),
            (spread, "window_dilation"),
        )
    )
    if rank and min(*size, *stride, *between, *dilation) < 1:
        raise InvalidValueError(
            f"{what}: window {size}, strides {stride} and dilations {between}, {dilation} must be at least 1"
        )
    span = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    space = tuple(builtins.max((n - 1) * d + 1, 0) for n, d in zip(x.shape, between, strict=True))
    low, high = _margins(padding, what, space, span, stride)
    return size, stride, between, dilation, low, high, space, span


def reduce_window(
    x: TensorLike,
    how: str | Callable[[Tensor, Tensor], Tensor],
    window: Any,
    strides: Any = 1,
    padding: Any = "valid",
    *,
    base_dilation: Any = 1,
    window_dilation: Any = 1,
    init: TensorLike | None = None,
) -> Tensor:
    """The sum, prod, max or min of each window over all axes of x, in XLA's general form; ``window``,
    ``strides`` and dilations are one int or one per axis.

    ``padding`` is "valid", "same", an int or (low, high) pairs, which may be negative. ``base_dilation``
    spreads the elements of x, ``window_dilation`` those of a window. Margins and gaps count as ``init``,
    with which every window begins (the neutral element when None). ``how`` may also be an associative
    function of two tensors; then ``init`` must be given.

    >>> pg.reduce_window(pg.Tensor([[1, 5, 2, 4]]), "max", (1, 2), (1, 2)).tolist()
    [[5, 4]]
    >>> pg.reduce_window(pg.Tensor([1.0, 2.0, 3.0]), "sum", 2, padding=[(1, 0)]).tolist()
    [1.0, 3.0, 5.0]
    """
    what = "reduce_window"
    x = as_tensor(x)
    named = isinstance(how, str)
    if named and how not in _NEUTRAL:
        raise InvalidValueError(f"{what}: how is one of {', '.join(_NEUTRAL)} or a function, got {how!r}")
    if named and x.dtype.is_bool and how in ("sum", "prod"):
        raise dt.DTypeError(f"{what}: bools are not added or multiplied; use max for or, min for and")
    if named and x.dtype.is_complex and how in ("max", "min"):
        raise dt.DTypeError(f"{what}: complex numbers have no order")
    if not named and (init is None or not callable(how)):
        raise ArgumentError(
            f"{what}: a function of two tensors needs init=, the value that windows begin with"
        )
    size, stride, between, dilation, low, high, space, span = _steps(
        x, window, strides, padding, base_dilation, window_dilation, what
    )
    if isinstance(how, str):
        start = _core.full(_neutral(_NEUTRAL[how], x.dtype), x.dtype.code, False, (), x.device.pair)
    else:
        start = cast(as_tensor_like(init, x), x.dtype)
    out = tuple(
        (n + a + b - s) // t + 1 if n + a + b >= s else 0
        for n, a, b, s, t in zip(space, low, high, span, stride, strict=True)
    )
    if 0 in out:
        return _core.full(0, x.dtype.code, False, out, x.device.pair)
    record = how in _RECORDS and not x.dtype.is_bool
    if not record or max(between, default=1) > 1 or min((*low, *high), default=0) < 0:
        x = pad_general(x, start, [(a, b, d - 1) for a, b, d in zip(low, high, between, strict=True)])
        low = high = (0,) * x.ndim
    if record:
        made = _by_records(x, str(how), (size, stride, low, high, dilation))
    elif isinstance(how, str):
        made = _by_taps(x, functools.partial(elementwise, _COMBINE[how]), None, size, stride, dilation, out)
    else:
        return _by_taps(x, how, start, size, stride, dilation, out)
    return (
        made
        if init is None
        else elementwise(_COMBINE[str(how)], made, cast(as_tensor_like(init, x), x.dtype))
    )


def _by_records(x: Tensor, how: str, words: tuple[Ints, ...]) -> Tensor:
    """Through the records for windows over the last axes, as many axes at once as they take."""
    if how == "min":  # the order of numbers turned round
        return -_by_records(-x, "max", words) if x.dtype.kind == "f" else ~_by_records(~x, "max", words)
    size, stride, low, high, _ = words
    moving = [a for a in range(x.ndim) if (size[a], stride[a], low[a], high[a]) != (1, 1, 0, 0)]
    while moving:  # from the last axes on, so that the first of equal elements is chosen
        axes, moving = moving[-_MOST_AXES:], moving[:-_MOST_AXES]
        order = [a for a in range(x.ndim) if a not in axes] + axes
        groups = tuple(tuple(group[a] for a in axes) for group in words)
        made = _slide(_RECORDS[how], (permute(x, order),), len(axes), groups)
        x = permute(made, [order.index(a) for a in range(x.ndim)])
    return x


def _by_taps(
    x: Tensor,
    f: Callable[[Tensor, Tensor], Tensor],
    start: Tensor | None,
    size: Ints,
    stride: Ints,
    dilation: Ints,
    out: Ints,
) -> Tensor:
    """One place of all windows after the other, in row-major order."""
    check_table(math.prod(size), "reduce_window")
    total = None if start is None else broadcast_to(start, out)
    for place in itertools.product(*[range(k) for k in size]):
        words: list[int] = []
        for p, d, t, n in zip(place, dilation, stride, out, strict=True):
            words += (p * d, p * d + (n - 1) * t + 1, t)
        tap = _core.apply("slice", (x,), words) if words else x
        total = tap if total is None else f(total, tap)
    assert total is not None
    return total


def select_and_scatter_add(
    source: TensorLike,
    x: TensorLike,
    how: str,
    window: Any,
    strides: Any = 1,
    padding: Any = "valid",
    *,
    base_dilation: Any = 1,
    window_dilation: Any = 1,
) -> Tensor:
    """For each window of x an element of ``source``, added where the first "max" (or "min") of the window
    lies: the transpose of ``reduce_window`` with these arguments, as XLA has it.

    >>> pg.select_and_scatter_add(
    ...     pg.Tensor([10.0, 20.0]), pg.Tensor([1.0, 5.0, 2.0, 4.0]), "max", 2, 2
    ... ).tolist()
    [0.0, 10.0, 0.0, 20.0]
    """
    what = "select_and_scatter_add"
    if not known(how, ("max", "min")):
        raise InvalidValueError(f"{what}: how is max or min, got {how!r}")
    x = as_tensor(x)
    source = cast(as_tensor_like(source, x), x.dtype)
    if x.dtype.kind != "f":
        raise dt.DTypeError(f"{what}: needs floating tensors, got {x.dtype}; use .astype('float32')")

    def chosen(y: Tensor) -> Tensor:
        return reduce_window(
            y, how, window, strides, padding, base_dilation=base_dilation, window_dilation=window_dilation
        )

    return vjp(chosen)(x, source)[0]
