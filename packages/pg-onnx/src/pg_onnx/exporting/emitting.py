"""From traced graphs to the nodes of a file: merges the traces, plans, writes record by record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pequegrad as pg

from ..errors import Unsupported, UnsupportedError
from .builder import Builder, onnx_type
from .control import CONTROL, INLINED
from .elementwise import DIRECT, SPELLED, emit_elementwise
from .moving import MOVING
from .ordered import ORDERED
from .parts import Graph, Record, Refused, Value
from .patterns import plans_of
from .products import PRODUCTS
from .sizes import Extent, Extents, Size, joined

_STRUCTURAL: dict[str, Callable[[Builder, Record, Sequence[Value]], Value]] = {
    **MOVING,
    **PRODUCTS,
    **ORDERED,
}
_HARMLESS = ("param", "pick")

WRITABLE = frozenset({*DIRECT, *SPELLED, *_STRUCTURAL, *CONTROL, *INLINED, *_HARMLESS})


# ---- merging traces


def merged(traces: Sequence[pg.GraphTrace]) -> Graph:
    """One graph from traces of one function with several sizes; they must differ in extents only."""
    nodes = [trace.nodes for trace in traces]
    first = traces[0]
    if any([n.op for n in other] != [n.op for n in nodes[0]] for other in nodes[1:]) or any(
        t.inputs != first.inputs or t.outputs != first.outputs for t in traces
    ):
        raise UnsupportedError(
            "export: the function computes something else for another size; leave that size out of dynamic=, "
            "or give example arguments whose open sizes are equal to no other extents"
        )
    return Graph([_merge(row) for row in zip(*nodes, strict=True)], first.inputs, first.outputs)


def _merge(row: tuple[Any, ...]) -> Record:
    node = row[0]
    if any(n.operands != node.operands for n in row):
        raise UnsupportedError(
            f"export: {node.op} reads other operands for another size; leave that size out of dynamic="
        )
    options = {key: _merge_option([n.options[key] for n in row]) for key in node.options}
    shape = tuple(joined(extents) for extents in zip(*(n.shape for n in row), strict=True))
    where = f"{Path(node.file).name}:{node.line} in {node.function}" if node.file else ""
    bodies = tuple(merged([g for _, g in group]) for group in zip(*(n.bodies for n in row), strict=True))
    return Record(node.op, node.operands, options, shape, node.dtype, where, bodies)


def _merge_option(values: Sequence[Any]) -> Any:
    first = values[0]
    if all(type(v) is type(first) and v == first for v in values) or first != first:
        return first
    if isinstance(first, tuple):
        if any(len(v) != len(first) for v in values):
            raise UnsupportedError("export: an attribute depends on an open size in a way ONNX cannot say")
        return tuple(joined(row) for row in zip(*values, strict=True))
    if isinstance(first, int) and not isinstance(first, bool):
        return joined(values)
    return tuple(values)  # of a number that fills a tensor: see moving.emit_full


# ---- writing


class Writer:
    """Writes graphs through a builder, and collects what it cannot write."""

    def __init__(self, builder: Builder) -> None:
        self.b = builder
        self.refused: dict[tuple[str, str], list[str]] = {}

    def run(self, graph: Graph, operands: Sequence[Value]) -> list[Value]:
        """Writes the graph for these operands; the values of its results."""
        plans = plans_of(graph, self.b.opset)
        values: dict[int, Value] = dict(zip(graph.inputs, operands, strict=True))
        several: dict[int, list[Value]] = {}
        for i in self._needed(graph, plans, set(values)):
            record = graph.records[i]
            self.b.where = record.where
            try:
                onnx_type(record.dtype)
                plan = plans.get(i)
                if plan is not None:
                    values[i] = plan.write(self.b, record, [values[k] for k in plan.operands])
                elif record.op == "pick":
                    made = several.get(record.operands[0])  # None where that was refused
                    shape = record.shape
                    values[i] = (
                        made[record.options["result"]]
                        if made is not None
                        else Value("refused", shape, shape, record.dtype)
                    )
                elif record.bodies:
                    several[i] = self._control(record, [values[k] for k in record.operands])
                else:
                    values[i] = self._record(record, [values[k] for k in record.operands])
            except Refused as refusal:
                self.refused.setdefault((record.op, str(refusal)), []).append(record.where or record.op)
                # A stand-in, so that the rest is looked at too.
                values[i] = Value("refused", record.shape, record.shape, record.dtype)
        return [values[i] for i in graph.outputs]

    def _needed(self, graph: Graph, plans: dict[int, Any], given: set[int]) -> list[int]:
        found: set[int] = set()
        stack = list(graph.outputs)
        while stack:
            i = stack.pop()
            if i in found or i in given:
                continue
            found.add(i)
            stack.extend(plans[i].operands if i in plans else graph.records[i].operands)
        return sorted(found)

    def _record(self, record: Record, x: Sequence[Value]) -> Value:
        if record.op in _STRUCTURAL:
            return _STRUCTURAL[record.op](self.b, record, x)
        if record.op not in WRITABLE:
            raise Refused("ONNX has no operator for it")
        names = [value.name for value in x]
        if record.op in ("less", "less_equal") and x[0].dtype.name == "bool":
            names = [self.b.cast(name, "int32") for name in names]
        have = _broadcast([value.have for value in x])
        return Value(emit_elementwise(self.b, record, names), have, record.shape, record.dtype)

    def _control(self, record: Record, x: Sequence[Value]) -> list[Value]:
        if record.op in INLINED:
            return self.run(record.bodies[0], x)
        if record.op not in CONTROL:
            raise Refused("ONNX has no operator for it")
        return CONTROL[record.op](self.b, record, x, self.run)

    def complain(self, what: str) -> None:
        """Raises one error for all records that could not be written."""
        if not self.refused:
            return
        reasons = [
            Unsupported("", op, self.b.opset, reason, tuple(places))
            for (op, reason), places in sorted(self.refused.items())
        ]
        lines = "; ".join(
            f"{r.op} ({len(r.nodes)}x, {r.nodes[0]}): {r.reason}" if r.nodes else str(r) for r in reasons
        )
        raise UnsupportedError(f"{what}: {len(reasons)} things have no counterpart in ONNX: {lines}", reasons)


def _broadcast(shapes: Sequence[Extents]) -> Extents:
    """The shape that arrays of these shapes give together."""
    rank = max((len(s) for s in shapes), default=0)
    out: list[Extent] = [1] * rank
    for shape in shapes:
        for i, extent in enumerate(shape, rank - len(shape)):
            if isinstance(extent, Size) or extent != 1:
                out[i] = extent
    return tuple(out)
