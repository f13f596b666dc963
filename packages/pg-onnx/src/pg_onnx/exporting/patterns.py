"""Groups of records that are one operator of ONNX: found by what they compute, whatever made them.

A plan replaces one record: it names the records that the operator reads, and what was between is written only
if something else reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from . import moving, ordered, products
from .builder import Builder
from .moving import stripped, whole
from .parts import Graph, Record, Value
from .sizes import Extent, Extents, Size, count_of

Write = Callable[[Builder, Record, Sequence[Value]], Value]


@dataclass(frozen=True)
class Plan:
    """How one record is written, and what of the graph that reads."""

    write: Write
    operands: tuple[int, ...]


class Matcher:
    """Looks at the records around one."""

    def __init__(self, graph: Graph, opset: int) -> None:
        self.graph, self.opset = graph, opset

    def at(self, i: int) -> Record:
        return self.graph.records[i]

    def once(self, i: int) -> bool:
        """Is the record read once?"""
        return self.graph.uses[i] == 1

    def number(self, i: int) -> float | tuple[float, ...] | None:
        """The one number that a record is full of, or what it was in each trace."""
        record = self.at(i)
        while record.op in ("broadcast", "reshape"):
            record = self.graph.operand(record, 0)
        value = record.options["value"] if record.op == "full" else None
        return value.values if isinstance(value, Size) else value

    def row(self, i: int, axis: int = 1) -> int | None:
        """The vector, perhaps with axes of extent 1, that a record repeats along all axes but one."""
        record = self.at(i)
        if record.op != "broadcast":
            return None
        given = zip(record.options["axes"], self.graph.operand(record, 0).shape, strict=True)
        extents = {a: n for a, n in given if a == axis or n != 1}
        if list(extents) != [axis]:
            return None
        source = record.operands[0]
        while self.at(source).op == "reshape":  # what gave the vector those axes is not needed
            source = self.at(source).operands[0]
        shape = self.at(source).shape
        return source if [n for n in shape if n != 1] == [n for n in extents.values() if n != 1] else None

    def is_count(self, i: int, count: Extent | None, inverse: bool) -> bool:
        """Is the record full of this count, or of one over it?"""
        number = self.number(i)
        if number is None or count is None:
            return False
        numbers = number if isinstance(number, tuple) else (number,)
        counts = count.values if isinstance(count, Size) else (count,)
        if len(numbers) != len(counts):
            return False
        wanted = [1 / c if inverse and c else c for c in counts]
        return all(abs(a - w) <= 1e-6 * abs(w) for a, w in zip(numbers, wanted, strict=True))


def plans_of(graph: Graph, opset: int) -> dict[int, Plan]:
    """The plans for the records of a graph, by position."""
    m = Matcher(graph, opset)
    out = {}
    for i, record in enumerate(graph.records):
        for find in _FINDERS.get(record.op, ()):
            plan = find(m, i, record)
            if plan is not None:
                out[i] = plan
                break
    return out


def _named(kind: str, **attributes: object) -> Write:
    """One operator of all operands."""
    return lambda b, record, x: whole(b, record, b.op(kind, [b.full(v) for v in x], **attributes))


# ---- activations


def _relu(m: Matcher, i: int, record: Record) -> Plan | None:
    condition, low, x = record.operands
    test = m.at(condition)
    if not record.dtype.is_floating or m.number(low) != 0 or test.op != "less_equal":
        return None
    return Plan(_named("Relu"), (x,)) if test.operands[0] == x and m.number(test.operands[1]) == 0 else None


def _softmax(m: Matcher, i: int, record: Record) -> Plan | None:
    rule, axes = record.options["rule"], record.options["axes"]
    if rule not in ("softmax", "log_softmax") or len(axes) != 1 or m.opset < 13:
        return None
    if rule == "log_softmax":
        return Plan(_named("LogSoftmax", axis=axes[0]), (record.operands[1],))
    made = m.at(record.operands[0])
    if made.op != "div":
        return None
    total = m.at(made.operands[1])
    while total.op in ("broadcast", "reshape"):
        total = m.graph.operand(total, 0)
    if total.op == "reduce_sum":
        return Plan(_named("Softmax", axis=axes[0]), (record.operands[1],))
    if total.op == "where":  # rows of -inf alone give zeros, as attention wants
        return Plan(_guarded_softmax, (record.operands[1],))
    return None


def _guarded_softmax(b: Builder, record: Record, x: Sequence[Value]) -> Value:
    name, axes = b.full(x[0]), record.options["axes"]
    top = ordered.reduce(b, "ReduceMax", name, axes, True)
    nothing = b.op("Equal", [top, b.constant(float("-inf"), record.dtype)])
    made = b.op("Softmax", [name], axis=axes[0])
    return whole(b, record, b.op("Where", [nothing, b.constant(0, record.dtype), made]))


# ---- means


def _scaled(m: Matcher, record: Record, op: str, count: Callable[[Record], Extent | None]) -> int | None:
    """The operand with this op of which the record is the mean over so many elements."""
    for k, other in (record.operands, record.operands[::-1]):
        source = m.at(k)
        if source.op == op and m.once(k) and m.is_count(other, count(source), record.op == "mul"):
            return k
        if record.op == "div":
            break
    return None


def _mean(m: Matcher, i: int, record: Record) -> Plan | None:
    if not record.dtype.is_floating:
        return None

    def count(source: Record) -> Extent:
        shape = m.graph.operand(source, 0).shape
        return count_of(tuple(shape[a] for a in source.options["axes"]))

    k = _scaled(m, record, "reduce_sum", count)
    if k is not None:
        renamed = replace(m.at(k), op="reduce_mean")
        return Plan(lambda b, _, x: ordered.emit_reduction(b, renamed, x), m.at(k).operands)

    def kept_count(source: Record) -> Extent | None:
        inner = m.graph.operand(source, 0)
        return count(inner) if inner.op == "reduce_sum" and _keeps(m, source, inner) else None

    k = _scaled(m, record, "reshape", kept_count)
    if k is None:
        return None
    inner = replace(m.graph.operand(m.at(k), 0), op="reduce_mean")
    return Plan(lambda b, r, x: ordered.emit_kept_reduction(b, r, x, inner), inner.operands)


def _keeps(m: Matcher, reshape: Record, reduction: Record) -> bool:
    """Does the reshape bring back the reduced axes with extent 1?"""
    axes, shape = reduction.options["axes"], m.graph.operand(reduction, 0).shape
    return reshape.shape == tuple(1 if a in axes else n for a, n in enumerate(shape))


def _kept_reduction(m: Matcher, i: int, record: Record) -> Plan | None:
    source = m.graph.operand(record, 0)
    kinds = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")
    if source.op not in kinds or not m.once(record.operands[0]) or not _keeps(m, record, source):
        return None
    if source.dtype.itemsize < 4 or not source.options["axes"]:
        return None
    return Plan(lambda b, r, x: ordered.emit_kept_reduction(b, r, x, source), source.operands)


def _average_pool(m: Matcher, i: int, record: Record) -> Plan | None:
    if not record.dtype.is_floating:
        return None
    k = _scaled(m, record, "reduce_window_sum", products.window_size)
    if k is None:
        return None
    source = m.at(k)
    o = source.options
    margins = zip((*o["low"], *o["high"]), (*o["window"], *o["window"]), strict=True)
    if any(d != 1 for d in o["dilation"]) or any(p >= w for p, w in margins) or len(o["window"]) > 3:
        return None
    return Plan(lambda b, _, x: products.emit_average_pool(b, source, x), source.operands)


# ---- linear layers


def _folded(m: Matcher, i: int) -> tuple[Record, tuple[int, int]]:
    """A contraction that reads what a permutation reads: the labels are permuted instead."""
    record = m.at(i)
    options, operands = dict(record.options), list(record.operands)
    for place, key in enumerate(("a", "b")):
        source = m.at(operands[place])
        if source.op == "permute":
            labels = [0] * len(options[key])
            for label, axis in zip(options[key], source.options["axes"], strict=True):
                labels[axis] = label
            options[key] = tuple(labels)
            operands[place] = source.operands[0]
    return replace(record, options=options), (operands[0], operands[1])


def _dot(m: Matcher, i: int, record: Record) -> Plan | None:
    folded, operands = _folded(m, i)
    if operands == record.operands:
        return None
    return Plan(lambda b, _, x: products.emit_dot(b, folded, x), operands)


def _vector(b: Builder, value: Value) -> str:
    """A value with one axis of more than one element, without the others."""
    count = count_of(value.shape)
    if count_of(value.have) == count:
        return b.reshape(value.name, value.have, (count,))
    return b.reshape(b.full(value), value.shape, (count,))


def _biased(m: Matcher, i: int, record: Record) -> Plan | None:
    """A convolution or a product of two matrices, and a bias along the channels."""
    for k, other in (record.operands, record.operands[::-1]):
        source, row = m.at(k), m.row(other)
        if row is None or not m.once(k) or not record.dtype.is_floating:
            continue
        if source.op == "conv":

            def write(b: Builder, _: Record, x: Sequence[Value], conv: Record = source) -> Value:
                return products.emit_conv(b, conv, x[:2], [_vector(b, x[2])])

            return Plan(write, (*source.operands, row))
        if source.op == "dot_general" and len(source.shape) == 2:
            dot, operands = _folded(m, k)

            def write_gemm(b: Builder, r: Record, x: Sequence[Value], dot: Record = dot) -> Value:
                name = products.gemm(b, dot, x[:2], [_vector(b, x[2])])
                if name is None:
                    name = b.op("Add", [products.emit_dot(b, dot, x[:2]).name, _vector(b, x[2])])
                return whole(b, r, name)

            return Plan(write_gemm, (*operands, row))
    return None


# ---- normalisation


def _product_with_row(m: Matcher, i: int) -> tuple[int, int] | None:
    """``x * row`` that is read once: x and the row."""
    record = m.at(i)
    if record.op != "mul" or not m.once(i):
        return None
    for k, other in (record.operands, record.operands[::-1]):
        row = m.row(other)
        if row is not None:
            return k, row
    return None


def _batch_norm(m: Matcher, i: int, record: Record) -> Plan | None:
    """``(x - mean) * rsqrt(variance + eps) * weight + bias`` along the channels."""
    for k, other in (record.operands, record.operands[::-1]):
        bias, scaled = m.row(other), _product_with_row(m, k)
        if bias is None or scaled is None:
            continue
        made = _product_with_row(m, scaled[0])
        if made is None:
            continue
        gap, root = m.at(made[0]), m.at(made[1])
        mean = m.row(gap.operands[1]) if gap.op == "sub" and m.once(made[0]) else None
        if mean is None or root.op != "rsqrt":
            continue
        total = m.graph.operand(root, 0)
        eps = m.number(total.operands[1]) if total.op == "add" else None
        if isinstance(eps, float) and len(m.at(gap.operands[0]).shape) >= 2:
            operands = (gap.operands[0], scaled[1], bias, mean, total.operands[0])
            return Plan(_normalized(eps), operands)
    return None


def _normalized(eps: float) -> Write:
    def write(b: Builder, record: Record, x: Sequence[Value]) -> Value:
        names = [b.full(x[0]), *(_vector(b, v) for v in x[1:])]
        return whole(b, record, b.op("BatchNormalization", names, epsilon=eps))

    return write


def _along_last(m: Matcher, i: int, extents: Extents) -> int | None:
    """The tensor of these last extents that a record repeats."""
    record = m.at(i)
    if record.op != "broadcast":
        return None
    first = len(record.shape) - len(extents)
    axes = tuple(range(first, len(record.shape)))
    source = m.graph.operand(record, 0)
    good = tuple(record.options["axes"]) == axes and source.shape == extents
    return record.operands[0] if good else None


def _layer_norm(m: Matcher, i: int, record: Record) -> Plan | None:
    """``standardised * weight + bias`` over the last axes."""
    if m.opset < 17:
        return None
    for k, other in (record.operands, record.operands[::-1]):
        product = m.at(k)
        if product.op != "mul" or not m.once(k):
            continue
        for s, w in (product.operands, product.operands[::-1]):
            normal = m.at(s)
            if normal.op != "stated" or normal.options["rule"] != "standardised" or not m.once(s):
                continue
            axes, rank = normal.options["axes"], len(normal.shape)
            extents = tuple(normal.shape[a] for a in axes)
            eps = _eps(m, normal.operands[2])
            weight, bias = _along_last(m, w, extents), _along_last(m, other, extents)
            last = tuple(axes) == tuple(range(rank - len(axes), rank))
            if last and eps is not None and weight is not None and bias is not None:
                made = _named("LayerNormalization", axis=axes[0] - rank, epsilon=eps)
                return Plan(made, (normal.operands[1], weight, bias))
    return None


def _eps(m: Matcher, i: int) -> float | None:
    """What was added to the mean square before its inverse root was taken."""
    scale = m.at(i)
    if scale.op != "stated" or scale.options["rule"] != "inverse_root":
        return None
    root = m.graph.operand(scale, 0)
    total = m.graph.operand(root, 0) if root.op == "rsqrt" else root
    eps = m.number(total.operands[1]) if total.op == "add" else None
    return eps if isinstance(eps, float) else None


# ---- moving


def _repeated(m: Matcher, i: int, record: Record) -> Plan | None:
    """What a reshape took axes of extent 1 from, and a broadcast repeats: the reshape is not needed."""
    reshape = m.graph.operand(record, 0)
    if reshape.op != "reshape":
        return None
    wanted: list[Extent] = [1] * len(record.shape)
    for axis, extent in zip(record.options["axes"], reshape.shape, strict=True):
        wanted[axis] = extent
    source = m.graph.operand(reshape, 0)
    if stripped(wanted) != stripped(source.shape) or len(source.shape) > len(record.shape):
        return None
    return Plan(moving.emit_identity, reshape.operands)


def _rows_from_the_end(m: Matcher, i: int, record: Record) -> Plan | None:
    """``table[where(rows < 0, rows + n, rows)]``: Gather counts negative rows from the end itself."""
    rows, table = m.at(record.operands[1]), m.at(record.operands[0])
    if rows.op != "where" or record.options["mode"] != "raise":
        return None
    test, moved, plain = (m.at(k) for k in rows.operands)
    given = rows.operands[2]
    if test.op != "less" or test.operands[0] != given or m.number(test.operands[1]) != 0:
        return None
    if moved.op != "add" or moved.operands[0] != given or plain.dtype.name not in ("int32", "int64"):
        return None
    if not m.is_count(moved.operands[1], table.shape[0], False):
        return None
    return Plan(moving.emit_gather, (record.operands[0], given))


_FINDERS: dict[str, tuple[Callable[[Matcher, int, Record], Plan | None], ...]] = {
    "where": (_relu,),
    "stated": (_softmax,),
    "mul": (_mean, _average_pool),
    "div": (_mean, _average_pool),
    "add": (_biased, _batch_norm, _layer_norm),
    "dot_general": (_dot,),
    "reshape": (_kept_reduction,),
    "broadcast": (_repeated,),
    "gather": (_rows_from_the_end,),
}
