"""Contractions, convolutions and their derivatives, sliding windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .builder import Builder
from .moving import transpose, whole
from .parts import Record, Refused, Value
from .sizes import Extent, Extents, count_of, fixed

Labels = tuple[int, ...]

# ---- dot_general


def emit_dot(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """The cheapest operator that the labels allow: Gemm for two matrices, MatMul, else Einsum."""
    o = record.options
    la, lb, lc = o["a"], o["b"], o["c"]
    if record.dtype.name == "bool":
        raise Refused("ONNX does not multiply matrices of bools")
    narrow = record.dtype.itemsize < 4 and not record.dtype.is_floating
    names = [b.cast(b.full(v), "int32") if narrow else b.full(v) for v in x]
    name = _contract(b, names, [v.shape for v in x], (la, lb, lc), record)
    return whole(b, record, b.cast(name, record.dtype) if narrow else name)


def gemm(b: Builder, record: Record, x: Sequence[Value], bias: Sequence[str] = ()) -> str | None:
    """The product of two matrices as one Gemm, if the labels are those of one."""
    o = record.options
    la, lb, lc = o["a"], o["b"], o["c"]
    if not (len(la) == len(lb) == len(lc) == 2 and record.dtype.is_floating):
        return None
    inner = [label for label in la if label not in lc]
    if len(inner) != 1 or inner[0] not in lb:
        return None
    k = inner[0]
    first, second, l1, l2 = b.full(x[0]), b.full(x[1]), la, lb
    if lc[0] not in la:
        first, second, l1, l2 = second, first, lb, la
    flags: dict[str, Any] = {}
    if l1[0] == k:
        flags["transA"] = 1
    if l2[1] == k:
        flags["transB"] = 1
    return b.op("Gemm", [first, second, *bias], **flags)


def _contract(
    b: Builder, names: list[str], shapes: list[Extents], labels: tuple[Labels, Labels, Labels], record: Record
) -> str:
    la, lb, lc = labels
    made = gemm(b, record, [Value(n, s, s, record.dtype) for n, s in zip(names, shapes, strict=True)])
    if made is not None:
        return made
    inner = [label for label in la if label in lb and label not in lc]
    batch = [label for label in lc if label in la and label in lb]
    rows = [label for label in lc if label in la and label not in lb]
    columns = [label for label in lc if label in lb and label not in la]
    empty = any(n == 0 for shape in shapes for n in shape)
    if len(inner) == 1 and not empty:
        if not batch and len(columns) == 1:
            return _matmul(b, names, labels, [], rows, inner, columns)
        if not batch and len(rows) == 1:
            return _matmul(b, names[::-1], (lb, la, lc), [], columns, inner, rows)
        if len(rows) == len(columns) == 1:
            return _matmul(b, names, labels, batch, rows, inner, columns)
    letters = "".join(chr(ord("a") + i) for i in range(26))
    if max((*la, *lb, *lc), default=0) >= 26:
        raise Refused("a contraction over more than 26 axes")
    parts = ["".join(letters[i] for i in group) for group in labels]
    return b.op("Einsum", names, equation=f"{parts[0]},{parts[1]}->{parts[2]}")


def _matmul(
    b: Builder,
    names: list[str],
    labels: tuple[Labels, Labels, Labels],
    batch: list[int],
    rows: list[int],
    inner: list[int],
    columns: list[int],
) -> str:
    la, lb, lc = labels
    order_a, order_b = batch + rows + inner, batch + inner + columns
    left = transpose(b, names[0], [la.index(label) for label in order_a])
    right = transpose(b, names[1], [lb.index(label) for label in order_b])
    made = batch + rows + columns
    return transpose(b, b.op("MatMul", [left, right]), [made.index(label) for label in lc])


# ---- convolutions


def _numbers(record: Record, *names: str) -> list[list[int]]:
    return [[fixed(n, name) for n in record.options[name]] for name in names]


def _cropped(
    b: Builder, name: str, shape: Extents, low: list[int], high: list[int]
) -> tuple[str, Extents, list[int]]:
    """The image without what negative margins crop, its shape, and the margins that are left."""
    rank = len(shape)
    cuts = [(i, min(0, lo), min(0, hi)) for i, (lo, hi) in enumerate(zip(low, high, strict=True))]
    cuts = [cut for cut in cuts if cut[1] or cut[2]]
    extents = list(shape)
    first = rank - len(low)
    for i, lo, hi in cuts:
        stop = extents[first + i] + hi
        name = b.op("Slice", [name, b.ints([-lo]), b.shape([stop]), b.ints([first + i])])
        extents[first + i] = stop + lo
    return name, tuple(extents), [max(0, n) for n in (*low, *high)]


def emit_conv(b: Builder, record: Record, x: Sequence[Value], bias: Sequence[str] = ()) -> Value:
    strides, low, high, dilation = _numbers(record, "strides", "low", "high", "dilation")
    image, _, pads = _cropped(b, b.full(x[0]), x[0].shape, low, high)
    name = b.op(
        "Conv",
        [image, b.full(x[1]), *bias],
        strides=strides,
        pads=pads,
        dilations=dilation,
        group=record.options["groups"],
        kernel_shape=[fixed(n, "a kernel") for n in x[1].shape[2:]],
    )
    return whole(b, record, name)


def emit_conv_input_grad(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """The derivative of a convolution by its image is ConvTranspose."""
    strides, low, high, dilation = _numbers(record, "strides", "low", "high", "dilation")
    kernel = [fixed(n, "a kernel") for n in x[1].shape[2:]]
    extra: list[int] = []
    for i, extent in enumerate(record.options["extents"]):
        span = (kernel[i] - 1) * dilation[i] + 1
        given = (x[0].shape[2 + i] - 1) * strides[i] + span - low[i] - high[i]
        rest = extent - given
        extra.append(fixed(rest, "the extent of a transposed convolution"))
    if any(n < 0 for n in (*low, *high)):
        raise Refused("the derivative of a convolution with negative margins")
    name = b.op(
        "ConvTranspose",
        [b.full(x[0]), b.full(x[1])],
        strides=strides,
        pads=[*low, *high],
        dilations=dilation,
        group=record.options["groups"],
        kernel_shape=kernel,
        output_padding=extra,
    )
    return whole(b, record, name)


def emit_conv_weight_grad(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """The derivative by the kernel is the convolution of the image with the cotangent, in which examples and
    channels change places, and strides and dilation.
    """
    strides, low, high, dilation = _numbers(record, "strides", "low", "high", "dilation")
    groups = record.options["groups"]
    image, shape, pads = _cropped(b, b.full(x[0]), x[0].shape, low, high)
    rank = len(strides)
    space = list(range(2, rank + 2))
    examples = shape[0]
    image = _examples_to_channels(b, image, shape, groups)
    cotangent = b.full(x[1])
    if groups == 1:
        cotangent = transpose(b, cotangent, [1, 0, *space])
    else:
        per_group = fixed(x[1].shape[1], "the channels of a convolution") // groups
        split = (x[1].shape[0], groups, per_group, *x[1].shape[2:])
        cotangent = b.reshape(cotangent, x[1].shape, split)
        cotangent = transpose(b, cotangent, [1, 2, 0, *(i + 1 for i in space)])
        moved = (groups, per_group, examples, *x[1].shape[2:])
        cotangent = b.reshape(cotangent, moved, (groups * per_group, examples, *x[1].shape[2:]))
    made = b.op("Conv", [image, cotangent], strides=dilation, pads=pads, dilations=strides, group=groups)
    # Strides may leave room for more than the kernel has.
    stops = b.shape(record.options["extents"])
    made = b.op("Slice", [made, b.ints([0] * rank), stops, b.ints(space)])
    return whole(b, record, transpose(b, made, [1, 0, *space]))


def _examples_to_channels(b: Builder, name: str, shape: Extents, groups: int) -> str:
    """[N, g c, ...] as [c, g N, ...]."""
    space = list(range(2, len(shape)))
    if groups == 1:
        return transpose(b, name, [1, 0, *space])
    per_group = fixed(shape[1], "the channels of a convolution") // groups
    split = (shape[0], groups, per_group, *shape[2:])
    name = transpose(b, b.reshape(name, shape, split), [2, 1, 0, *(i + 1 for i in space)])
    moved = (per_group, groups, shape[0], *shape[2:])
    return b.reshape(name, moved, (per_group, shape[0] * groups, *shape[2:]))


# ---- windows


class _Windows:
    """The attributes of a record of windows, and its operand as [N, C, space] or [N C, 1, space]."""

    def __init__(self, record: Record) -> None:
        names = ("window", "strides", "low", "high", "dilation")
        self.window, self.strides, self.low, self.high, self.dilation = _numbers(record, *names)
        self.rank = len(self.window)
        if self.rank > 3:
            raise Refused(f"windows over {self.rank} axes")

    def lead(self, shape: Extents) -> tuple[Extent, Extent]:
        """The extents of the two axes before those of the windows, into which all others are merged."""
        before = shape[: len(shape) - self.rank]
        return (before[0], before[1]) if len(before) == 2 else (count_of(before), 1)

    def flat(self, b: Builder, name: str, shape: Extents) -> str:
        return b.reshape(name, shape, (*self.lead(shape), *shape[len(shape) - self.rank :]))

    def attributes(self) -> dict[str, Any]:
        return {
            "kernel_shape": self.window,
            "strides": self.strides,
            "pads": [*self.low, *self.high],
            "dilations": self.dilation,
        }

    def ones(self, b: Builder, record: Record) -> str:
        return b.constant(np.ones((1, 1, *self.window)), record.dtype)


def _flat_shape(w: _Windows, shape: Extents) -> Extents:
    return (*w.lead(shape), *shape[len(shape) - w.rank :])


def _max_pool(b: Builder, w: _Windows, x: Value, results: int) -> list[str]:
    if x.dtype.name not in ("float16", "float32", "float64", "int8", "uint8"):
        raise Refused(f"MaxPool does not take {x.dtype.name}")
    if any(p >= k for p, k in zip((*w.low, *w.high), (*w.window, *w.window), strict=True)):
        raise Refused("a margin as wide as the window of MaxPool")
    return b.ops("MaxPool", [w.flat(b, b.full(x), x.shape)], results, **w.attributes())


def emit_window_max(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    w = _Windows(record)
    (name,) = _max_pool(b, w, x[0], 1)
    return whole(b, record, b.reshape(name, _flat_shape(w, record.shape), record.shape))


def emit_window_sum(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    w = _Windows(record)
    if not record.dtype.is_floating:
        raise Refused("sums of windows of integers")
    lead, space = w.lead(x[0].shape), x[0].shape[len(x[0].shape) - w.rank :]
    merged = (count_of(lead), 1, *space)
    image = b.reshape(b.full(x[0]), x[0].shape, merged)
    made = b.op("Conv", [image, w.ones(b, record)], **w.attributes())
    out = (count_of(lead), 1, *record.shape[len(record.shape) - w.rank :])
    return whole(b, record, b.reshape(made, out, record.shape))


def emit_average_pool(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    """The mean of each window, margins counted: a sum divided by the number of elements of the window."""
    w = _Windows(record)
    attributes = w.attributes()
    del attributes["dilations"]
    flat = w.flat(b, b.full(x[0]), x[0].shape)
    name = b.op("AveragePool", [flat], count_include_pad=1, **attributes)
    return whole(b, record, b.reshape(name, _flat_shape(w, record.shape), record.shape))


def emit_window_sum_grad(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    w = _Windows(record)
    lead, space = w.lead(x[0].shape), x[0].shape[len(x[0].shape) - w.rank :]
    flat = b.reshape(b.full(x[0]), x[0].shape, (count_of(lead), 1, *space))
    extra = []
    for i, extent in enumerate(record.options["extents"]):
        span = (w.window[i] - 1) * w.dilation[i] + 1
        given = (space[i] - 1) * w.strides[i] + span - w.low[i] - w.high[i]
        extra.append(fixed(extent - given, "the extent of a window"))
    made = b.op("ConvTranspose", [flat, w.ones(b, record)], output_padding=extra, **w.attributes())
    out = (count_of(lead), 1, *record.shape[len(record.shape) - w.rank :])
    return whole(b, record, b.reshape(made, out, record.shape))


def _places(b: Builder, w: _Windows, x: Value) -> str:
    """Where in the flattened operand the first maximum of each window is."""
    return b.op("Reshape", [_max_pool(b, w, x, 2)[1], b.ints([-1])])


def emit_window_max_grad(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    b.since(16, "ScatterElements of add")
    w = _Windows(record)
    places = _places(b, w, x[0])
    updates = b.op("Reshape", [b.full(x[1]), b.ints([-1])])
    zeros = b.op("Expand", [b.constant(0, record.dtype), b.shape([count_of(record.shape)])])
    made = b.op("ScatterElements", [zeros, places, updates], axis=0, reduction="add")
    return whole(b, record, b.reshape(made, (count_of(record.shape),), record.shape))


def emit_window_max_pick(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    w = _Windows(record)
    places = _places(b, w, x[0])
    flat = b.op("Reshape", [b.full(x[1]), b.ints([-1])])
    made = b.op("GatherElements", [flat, places], axis=0)
    return whole(b, record, b.reshape(made, (count_of(record.shape),), record.shape))


def window_size(record: Record) -> int:
    """How many elements a window has."""
    return math.prod(record.options["window"])


PRODUCTS = {
    "dot_general": emit_dot,
    "conv": emit_conv,
    "conv_input_grad": emit_conv_input_grad,
    "conv_weight_grad": emit_conv_weight_grad,
    "reduce_window_max": emit_window_max,
    "reduce_window_sum": emit_window_sum,
    "window_sum_grad": emit_window_sum_grad,
    "window_max_grad": emit_window_max_grad,
    "window_max_pick": emit_window_max_pick,
}
