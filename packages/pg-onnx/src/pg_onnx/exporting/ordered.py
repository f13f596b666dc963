"""Reductions, running sums and products, sorting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Builder
from .moving import pad, whole
from .parts import Record, Refused, Value
from .sizes import Size, fixed

_REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_prod": "ReduceProd",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_mean": "ReduceMean",
    "reduce_all": "ReduceMin",
    "reduce_any": "ReduceMax",
}


def reduce(b: Builder, kind: str, name: str, axes: Sequence[int], keep: bool) -> str:
    """A reduction over axes, which were an attribute once and are an input now."""
    if not axes:
        return name
    if b.opset >= 18 or kind == "ReduceSum":
        return b.op(kind, [name, b.ints(axes)], keepdims=int(keep))
    return b.op(kind, [name], axes=list(axes), keepdims=int(keep))


def emit_reduction(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    logical = record.op in ("reduce_all", "reduce_any")
    name = b.cast(b.full(x[0]), "int32") if logical else b.full(x[0])
    axes = record.options["axes"]
    narrow = record.dtype.itemsize < 4 and not record.dtype.is_floating and not logical
    if narrow:  # sums wrap, so that a cast to a wider dtype and back changes nothing
        name = b.cast(name, "int32")
    name = reduce(b, _REDUCTIONS[record.op], name, axes, False)
    if logical or narrow:
        name = b.cast(name, record.dtype)
    return whole(b, record, name)


def emit_kept_reduction(b: Builder, record: Record, x: Sequence[Value], source: Record) -> Value:
    """A reduction whose axes a reshape brings back with extent 1: ``record`` is the reshape."""
    name = reduce(b, _REDUCTIONS[source.op], b.full(x[0]), source.options["axes"], True)
    return whole(b, record, name)


def emit_cumulative_sum(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    axis, reverse = record.options["axis"], record.options["reverse"]
    narrow = record.dtype.name not in ("float32", "float64", "int32", "int64")
    name = b.full(x[0])
    if narrow:
        name = b.cast(name, "float32" if record.dtype.is_floating else "int64")
    name = b.op("CumSum", [name, b.constant(np.int64(axis))], reverse=int(reverse))
    return whole(b, record, b.cast(name, record.dtype) if narrow else name)


_RUNNING = {"cumulative_prod": "Mul", "cumulative_max": "Max", "cumulative_min": "Min"}


def emit_cumulative(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """Running products and extrema by doubling: after step s each element covers the last 2 s."""
    axis, reverse = record.options["axis"], record.options["reverse"]
    count = fixed(record.shape[axis], f"the length of {record.op}")
    neutral = _neutral(b, record)
    name, step, rank = b.full(x[0]), 1, len(record.shape)
    while step < count:
        low, high = [0] * rank, [0] * rank
        (high if reverse else low)[axis] = step
        (low if reverse else high)[axis] = -step
        name = b.op(_RUNNING[record.op], [name, _shifted(b, name, low, high, axis, step, count, neutral)])
        step *= 2
    return whole(b, record, name)


def _shifted(
    b: Builder, name: str, low: list[int], high: list[int], axis: int, step: int, count: int, neutral: str
) -> str:
    forward = low[axis] > 0
    start, stop = (0, count - step) if forward else (step, count)
    kept = b.op("Slice", [name, b.ints([start]), b.ints([stop]), b.ints([axis])])
    return pad(b, kept, [max(0, n) for n in low], [max(0, n) for n in high], neutral)


def _neutral(b: Builder, record: Record) -> str:
    if record.op == "cumulative_prod":
        return b.constant(1, record.dtype)
    top = record.op == "cumulative_min"
    if record.dtype.is_floating:
        return b.constant(np.inf if top else -np.inf, record.dtype)
    limits = np.iinfo(record.dtype.name)
    return b.constant(limits.max if top else limits.min, record.dtype)


def emit_sort(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """TopK: equal elements keep their order in both."""
    axis, descending = record.options["axis"], record.options["descending"]
    extent = record.shape[axis]
    if x[0].dtype.name == "bool":
        raise Refused("TopK does not sort bools")
    count = b.shape([extent]) if isinstance(extent, Size) else b.ints([extent])
    attributes = {"axis": axis, "largest": int(descending), "sorted": 1}
    values, places = b.ops("TopK", [b.full(x[0]), count], 2, **attributes)
    return whole(b, record, values if record.op == "sort" else places)


ORDERED = {
    **dict.fromkeys(_REDUCTIONS, emit_reduction),
    "cumulative_sum": emit_cumulative_sum,
    **dict.fromkeys(_RUNNING, emit_cumulative),
    "sort": emit_sort,
    "argsort": emit_sort,
}
