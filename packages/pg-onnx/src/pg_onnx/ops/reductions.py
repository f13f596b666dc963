"""Reductions, running sums, order along an axis, and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError
from .arithmetic import cast
from .registry import Ints, op
from .shaping import axes_of, axis_of

Reduction = Callable[[Any, Any, tuple[int, ...], bool], Any]


def _sum(xp: Any, x: Any, axes: Ints, keep: bool) -> Any:
    return xp.sum(x, axis=axes, keepdims=keep)


def _mean(xp: Any, x: Any, axes: Ints, keep: bool) -> Any:
    if xp is np or x.dtype.is_floating:
        return xp.mean(x, axis=axes, keepdims=keep)
    return pg.trunc(pg.mean(x, axis=axes, keepdims=keep))


def _extreme(name: str, sign: int) -> Reduction:
    def reduce(xp: Any, x: Any, axes: Ints, keep: bool) -> Any:
        if math.prod(x.shape[a] for a in axes) == 0:
            kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
            shape = kept if keep else [n for i, n in enumerate(x.shape) if i not in axes]
            return xp.full(shape, _neutral(str(x.dtype), sign), dtype=x.dtype)
        return getattr(xp, name)(x, axis=axes, keepdims=keep)

    return reduce


def _neutral(dtype: str, sign: int) -> Any:
    """What an extreme of nothing is."""
    if "float" in dtype:
        return sign * math.inf
    if dtype == "bool":
        return sign > 0
    bounds = pg.iinfo(dtype)
    return bounds.max if sign > 0 else bounds.min


def _l2(xp: Any, x: Any, axes: Ints, keep: bool) -> Any:
    squares = pg.sum(_wide(x) * _wide(x), axis=axes, keepdims=keep)
    positive = squares > 0  # the root of 0 has no derivative; the norm's is taken as 0
    return pg.where(positive, pg.sqrt(pg.where(positive, squares, 1.0)), squares)


def _wide(x: Tensor) -> Tensor:
    """Floats of two bytes and integers are added as float32."""
    if x.dtype.is_floating and x.dtype.itemsize > 2:
        return x
    return x.astype(pg.float64 if x.dtype.itemsize == 8 else pg.float32)


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceSum": _sum,
    "ReduceProd": lambda xp, x, axes, keep: xp.prod(x, axis=axes, keepdims=keep),
    "ReduceMean": _mean,
    "ReduceMax": _extreme("max", -1),
    "ReduceMin": _extreme("min", 1),
    "ReduceL1": lambda xp, x, axes, keep: pg.sum(pg.abs(x), axis=axes, keepdims=keep),
    "ReduceL2": _l2,
    "ReduceSumSquare": lambda xp, x, axes, keep: pg.sum(x * x, axis=axes, keepdims=keep),
    "ReduceLogSum": lambda xp, x, axes, keep: pg.log(_sum(pg, _wide(x), axes, keep)),
    "ReduceLogSumExp": lambda xp, x, axes, keep: pg.logsumexp(_wide(x), axis=axes, keepdims=keep),
}
_ON_BOTH = ("ReduceSum", "ReduceProd", "ReduceMean", "ReduceMax", "ReduceMin")
_EXTREMES = ("ReduceMax", "ReduceMin")


def _reduction(name: str, by_attribute: tuple[int, ...], by_input: tuple[int, ...]) -> None:
    """Register the versions whose axes are an attribute, and those where they are an input."""
    reduce = _REDUCTIONS[name]

    def compute(xp: Any, x: Any, axes: Ints | None, keepdims: bool, noop: bool) -> Any:
        if not axes and noop:
            axes = ()
            if name in ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin"):
                return x
        else:
            axes = axes_of(axes or tuple(range(x.ndim)), x.ndim)
        return cast(xp, reduce(xp, x, axes, keepdims), x.dtype)

    def on_pg(
        x: Tensor, axes: Ints | None = None, *, keepdims: bool = True, noop_with_empty_axes: bool = False
    ) -> Any:
        return compute(pg, x, axes, keepdims, noop_with_empty_axes)

    def on_pg_old(x: Tensor, *, axes: Ints | None = None, keepdims: bool = True) -> Any:
        return compute(pg, x, axes, keepdims, False)

    def on_both(
        xp: Any,
        x: Tensor,
        axes: Ints | None = None,
        *,
        keepdims: bool = True,
        noop_with_empty_axes: bool = False,
    ) -> Any:
        return compute(xp, x, axes, keepdims, noop_with_empty_axes)

    def on_both_old(xp: Any, x: Tensor, *, axes: Ints | None = None, keepdims: bool = True) -> Any:
        return compute(xp, x, axes, keepdims, False)

    both = name in _ON_BOTH
    op(name, *by_attribute)(on_both_old if both else on_pg_old)
    op(name, *by_input)(on_both if both else on_pg)


for _name in _REDUCTIONS:
    if _name == "ReduceSum":
        _reduction(_name, (1, 11), (13,))
    elif _name in _EXTREMES:
        _reduction(_name, (1, 11, 12, 13), (18, 20))
    elif _name.startswith("ReduceLog"):
        _reduction(_name, (1, 11, 13), (18, 28))
    else:
        _reduction(_name, (1, 11, 13), (18,))


# ---- positions


def _arg(name: str) -> None:
    function = getattr(pg, name.lower())

    def compute(x: Tensor, *, axis: int = 0, keepdims: bool = True, select_last_index: bool = False) -> Any:
        at = axis_of(axis, x.ndim)
        if not select_last_index:
            return function(x, at, keepdims=keepdims)
        return x.shape[at] - 1 - function(pg.flip(x, at), at, keepdims=keepdims)

    op(name, 1, 11, 12, 13)(compute)


_arg("ArgMax")
_arg("ArgMin")


def _top(x: Tensor, k: int, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    at = axis_of(axis, x.ndim)
    if not 0 <= k <= x.shape[at]:
        raise InvalidModelError(f"{k} largest of {x.shape[at]} elements")
    order = pg.argsort(x, at, descending=largest)[(*(slice(None),) * at, slice(0, k))]
    return pg.take_along_axis(x, order, at), order


@op("TopK", 1)
def topk_1(x: Tensor, *, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    return _top(x, k, axis, True)


@op("TopK", 10, 11, 24)
def topk(
    x: Tensor, k: Ints, *, axis: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Tensor, Tensor]:
    return _top(x, k[0], axis, largest)


# ---- running


def _running(name: str, neutral: int, *since: int) -> None:
    function = getattr(pg, name.lower())

    def compute(x: Tensor, axis: Ints, *, exclusive: bool = False, reverse: bool = False) -> Any:
        at = axis_of(axis[0], x.ndim)
        if reverse:
            x = pg.flip(x, at)
        made = function(x, at).astype(x.dtype)
        if exclusive:
            lead = (slice(None),) * at
            first = pg.full_like(x[(*lead, slice(0, 1))], neutral)
            made = pg.concatenate([first, made[(*lead, slice(0, x.shape[at] - 1))]], at)
        return pg.flip(made, at) if reverse else made

    op(name, *since)(compute)


_running("CumSum", 0, 11, 14)
_running("CumProd", 1, 26)


# ---- softmax


def _flat(x: Tensor, axis: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Versions before 13 see a matrix: axes before ``axis`` are rows, the others columns."""
    at = axis_of(axis, x.ndim) if axis != x.ndim else axis
    rows = pg.reshape(x, (math.prod(x.shape[:at]), math.prod(x.shape[at:])))
    return pg.reshape(function(rows), x.shape)


def _hardmax(x: Tensor, axis: int) -> Tensor:
    at = axis_of(axis, x.ndim)
    best = pg.argmax(x, at, keepdims=True)
    places = np.arange(x.shape[at]).reshape([-1 if i == at else 1 for i in range(x.ndim)])
    return (best == pg.Tensor(places)).astype(x.dtype)


def _softmax_like(name: str, function: Callable[[Tensor, int], Tensor]) -> None:
    def old(x: Tensor, *, axis: int = 1) -> Any:
        return _flat(x, axis, lambda rows: function(rows, 1))

    def new(x: Tensor, *, axis: int = -1) -> Any:
        return function(x, axis_of(axis, x.ndim))

    op(name, 1, 11)(old)
    op(name, 13)(new)


_softmax_like("Softmax", pg.softmax)
_softmax_like("LogSoftmax", pg.log_softmax)
_softmax_like("Hardmax", _hardmax)
