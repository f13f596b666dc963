"""Records that move elements: views, joins, counting, rows read and written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Builder, onnx_type
from .parts import Record, Refused, Value
from .sizes import Extent, Extents, Size, fixed

_FIRST = -(2**63)  # before the first element, as an end of a descending slice


def padded(value: Value) -> Extents:
    """The extents that the array has, with ones for the leading axes that it lacks."""
    return (1,) * (len(value.shape) - len(value.have)) + value.have


def stripped(shape: Sequence[Extent]) -> Extents:
    """Without leading ones, which broadcasting adds by itself."""
    shape = tuple(shape)
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def whole(b: Builder, record: Record, name: str) -> Value:
    """The value of a record whose array has all elements."""
    return Value(name, record.shape, record.shape, record.dtype)


def emit_full(b: Builder, record: Record, _: Sequence[Value]) -> Value:
    value = record.options["value"]
    if isinstance(value, Size):
        value = value.values
    if isinstance(value, tuple):  # the traces differ: an extent, or one over an extent
        return Value(_open_number(b, record, value), (), record.shape, record.dtype)
    return Value(b.constant(value, record.dtype), (), record.shape, record.dtype)


def _open_number(b: Builder, record: Record, values: tuple[float, ...]) -> str:
    ints = [round(v) for v in values]
    if all(float(i) == v for i, v in zip(ints, values, strict=True)):
        return b.cast(b.scalar_size(Size(ints)), record.dtype)
    inverse = [1 / v if v else 0.0 for v in values]
    ints = [round(v) for v in inverse]
    if all(i and abs(i - v) < 1e-5 * i for i, v in zip(ints, inverse, strict=True)):
        return b.op("Reciprocal", [b.cast(b.scalar_size(Size(ints)), record.dtype)])
    raise Refused(f"the number {values[0]!r} depends on a size that was left open")


def emit_reshape(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    (value,) = x
    if value.have == ():
        return Value(value.name, (), record.shape, record.dtype)
    # A constant row under extents of one more or fewer in front of it stays what it is.
    if stripped(value.have) == stripped(value.shape) == stripped(record.shape):
        have = value.have if len(value.have) <= len(record.shape) else record.shape
        return Value(b.reshape(value.name, value.have, have), have, record.shape, record.dtype)
    return whole(b, record, b.reshape(b.full(value), value.shape, record.shape))


def emit_permute(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    (value,) = x
    axes = record.options["axes"]
    if value.have == ():
        return Value(value.name, (), record.shape, record.dtype)
    have = padded(value)
    name = b.reshape(value.name, value.have, have)
    moved = tuple(have[a] for a in axes)
    return Value(transpose(b, name, axes), moved, record.shape, record.dtype)


def transpose(b: Builder, name: str, axes: Sequence[int]) -> str:
    """The array with its axes in another order."""
    if list(axes) == list(range(len(axes))):
        return name
    key = ("transpose", name, tuple(axes))
    if key not in b.made:
        b.made[key] = b.op("Transpose", [name], perm=list(axes))
    return b.made[key]


def emit_broadcast(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    (value,) = x
    wanted: list[Extent] = [1] * len(record.shape)
    for axis, extent in zip(record.options["axes"], padded(value), strict=True):
        wanted[axis] = extent
    have = stripped(wanted)
    if have == stripped(value.have):
        have = value.have
    return Value(b.reshape(value.name, value.have, have), have, record.shape, record.dtype)


def emit_slice(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    (value,) = x
    if value.have == ():
        return Value(value.name, (), record.shape, record.dtype)
    starts: list[Extent] = []
    stops: list[Extent] = []
    axes, steps = [], []
    ranges = zip(record.options["start"], record.options["stop"], record.options["step"], strict=True)
    for axis, (start, stop, step) in enumerate(ranges):
        extent = value.shape[axis]
        if start == 0 and stop == extent and step == 1:
            continue
        if record.shape[axis] == 0:
            start, stop, step = 0, 0, 1
        starts.append(start)
        # Down to the first element: a negative number would count from the end.
        stops.append(_FIRST if isinstance(stop, int) and stop < 0 else stop)
        axes.append(axis)
        steps.append(fixed(step, "the step of a slice"))
    if not axes:
        return whole(b, record, b.full(value))
    inputs = [b.full(value), b.shape(starts), b.shape(stops), b.ints(axes)]
    if any(step != 1 for step in steps):
        inputs.append(b.ints(steps))
    return whole(b, record, b.op("Slice", inputs))


def emit_pad(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    value, fill = x
    name, shape = b.full(value), value.shape
    amounts = zip(record.options["low"], record.options["high"], record.options["interior"], strict=True)
    low: list[Extent] = []
    high: list[Extent] = []
    for axis, (before, after, interior) in enumerate(amounts):
        low.append(before)
        high.append(after)
        if fixed(interior, "the interior of a pad") and shape[axis] != 0:
            name, shape = _spread(b, name, shape, axis, interior, fill.name)
    return whole(b, record, pad(b, name, low, high, fill.name))


def _spread(
    b: Builder, name: str, shape: Extents, axis: int, interior: int, fill: str
) -> tuple[str, Extents]:
    """Elements of the fill between those along an axis: each element gets some behind it, the last loses
    them.
    """
    lifted = (*shape[: axis + 1], 1, *shape[axis + 1 :])
    behind = [0] * len(lifted)
    behind[axis + 1] = interior
    name = pad(b, b.reshape(name, shape, lifted), [0] * len(lifted), behind, fill)
    longer = shape[axis] * (interior + 1)
    joined = (*shape[:axis], longer, *shape[axis + 1 :])
    lifted = (*shape[: axis + 1], interior + 1, *shape[axis + 1 :])
    name = b.reshape(name, lifted, joined)
    stop = longer - interior
    name = b.op("Slice", [name, b.ints([0]), b.shape([stop]), b.ints([axis])])
    return name, (*shape[:axis], stop, *shape[axis + 1 :])


def pad(b: Builder, name: str, low: Sequence[Extent], high: Sequence[Extent], fill: str) -> str:
    """A margin of one value; negative amounts crop."""
    if not any(isinstance(n, Size) or n for n in (*low, *high)):
        return name
    return b.op("Pad", [name, b.shape([*low, *high]), fill])


def emit_concat(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    axis = record.options["axis"]
    return whole(b, record, b.op("Concat", [b.full(value) for value in x], axis=axis))


def emit_iota(b: Builder, record: Record, _: Sequence[Value]) -> Value:
    axis = record.options["axis"]
    count = record.shape[axis]
    have = (count, *(1,) * (len(record.shape) - axis - 1))
    if isinstance(count, Size):
        limits = [b.constant(np.int64(0)), b.scalar_size(count), b.constant(np.int64(1))]
        name = b.op("Range", limits)
        if record.dtype.name != "int64":
            name = b.cast(name, record.dtype)
        return Value(b.reshape(name, (count,), have), have, record.shape, record.dtype)
    line = np.arange(count).reshape(have)
    return Value(b.constant(line, record.dtype), have, record.shape, record.dtype)


# ---- rows


def _indices(b: Builder, rows: Value, count: Extent, mode: str) -> str:
    """Row numbers as ONNX takes them: int32 or int64, and inside of the table where they are clipped."""
    name = b.full(rows)
    if rows.dtype.name not in ("int32", "int64"):
        name = b.cast(name, "int64")
    kind = rows.dtype.name if rows.dtype.name == "int32" else "int64"
    if mode == "clip":
        last = _count(b, count, -1, kind)
        name = b.op("Min", [b.op("Max", [name, b.constant(0, kind)]), last])
    return name


def _count(b: Builder, count: Extent, more: int, kind: str) -> str:
    if not isinstance(count, Size):
        return b.constant(count + more, kind)
    size = count + more
    assert isinstance(size, Size)
    name = b.scalar_size(size)
    return name if kind == "int64" else b.cast(name, kind)


def emit_gather(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    table, rows = x
    mode = record.options["mode"]
    name = _indices(b, rows, table.shape[0], mode)
    if mode != "drop":
        return whole(b, record, b.op("Gather", [b.full(table), name], axis=0))
    kind = "int32" if rows.dtype.name == "int32" else "int64"
    outside = _outside(b, name, table.shape[0], kind)
    safe = b.op("Where", [outside, b.constant(0, kind), name])
    read = b.op("Gather", [b.full(table), safe], axis=0)
    shape = (*rows.shape, *(1,) * (len(record.shape) - len(rows.shape)))
    mask = b.reshape(outside, rows.shape, shape)
    return whole(b, record, b.op("Where", [mask, b.constant(0, record.dtype), read]))


def _outside(b: Builder, rows: str, count: Extent, kind: str) -> str:
    below = b.op("Less", [rows, b.constant(0, kind)])
    return b.op("Or", [below, b.op("GreaterOrEqual", [rows, _count(b, count, 0, kind)])])


_COMBINE = {"set": "none", "add": "add", "mul": "mul", "min": "min", "max": "max"}


def emit_scatter(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    base, rows, updates = x
    how, mode = record.options["how"], record.options["mode"]
    b.since(18 if how in ("min", "max") else 16 if how != "set" else 11, f"ScatterND of {how}")
    name, target = _indices(b, rows, base.shape[0], mode), b.full(base)
    if rows.dtype.name == "int32":
        name = b.cast(name, "int64")
    dropped = mode == "drop"
    rank = len(base.shape)
    if dropped:  # updates that are dropped go to one more row, which is cut off
        outside = _outside(b, name, base.shape[0], "int64")
        name = b.op("Where", [outside, _count(b, base.shape[0], 0, "int64"), name])
        target = pad(b, target, [0] * rank, [1] + [0] * (rank - 1), b.constant(0, base.dtype))
    places = b.reshape(name, rows.shape, (*rows.shape, 1))
    inputs = [target, places, b.full(updates)]
    out = b.op("ScatterND", inputs) if how == "set" else b.op("ScatterND", inputs, reduction=_COMBINE[how])
    if dropped:
        out = b.op("Slice", [out, b.ints([0]), b.shape([base.shape[0]]), b.ints([0])])
    return whole(b, record, out)


def emit_bitcast(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    b.since(26, "BitCast")
    return whole(b, record, b.op("BitCast", [b.full(x[0])], to=onnx_type(record.dtype)))


def emit_identity(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    return Value(x[0].name, x[0].have, record.shape, record.dtype)


MOVING = {
    "full": emit_full,
    "reshape": emit_reshape,
    "permute": emit_permute,
    "broadcast": emit_broadcast,
    "slice": emit_slice,
    "pad": emit_pad,
    "concat": emit_concat,
    "iota": emit_iota,
    "gather": emit_gather,
    "scatter": emit_scatter,
    "bitcast": emit_bitcast,
    "alias": emit_identity,
    "stop_gradient": emit_identity,
    "stated": emit_identity,
}
