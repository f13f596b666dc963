"""Control flow as If, Scan and Loop. A body reads its operands by their names outside, which ONNX allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pequegrad as pg
from onnx import helper

from .builder import Builder
from .parts import Graph, Record, Value
from .sizes import Extents

# Writes the records of a graph for given operands; the names of its results.
Write = Callable[[Graph, Sequence[Value]], list[Value]]


def _finish(b: Builder, kinds: Sequence[Value], nodes: list[onnx.NodeProto]) -> list[onnx.ValueInfoProto]:
    """Declares the results of a body, each under a name that a node of the body gives."""
    made = {out for node in nodes for out in node.output}
    infos: list[onnx.ValueInfoProto] = []
    for value in kinds:
        full = b.full(value)
        if full not in made or any(info.name == full for info in infos):
            full = b.op("Identity", [full])
        made.add(full)
        infos.append(b.value_info(full, value.dtype, value.shape))
    return infos


def _graph(
    b: Builder,
    stem: str,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    results: Sequence[Value],
) -> onnx.GraphProto:
    outputs = _finish(b, results, nodes)
    return helper.make_graph(nodes, b.fresh(stem), inputs, outputs)


def _results(names: Sequence[str], kinds: Sequence[Value]) -> list[Value]:
    return [Value(n, v.shape, v.shape, v.dtype) for n, v in zip(names, kinds, strict=True)]


def write_cond(b: Builder, record: Record, x: Sequence[Value], write: Write) -> list[Value]:
    """The branch of that number; numbers out of range count as the nearest."""
    which, operands = x[0], x[1:]
    if which.dtype.name == "bool":
        return _either(b, which.name, record.bodies[1], record.bodies[0], operands, write)
    return _among(b, which.name, record.bodies, 0, operands, write)


def _either(
    b: Builder, test: str, then: Graph, otherwise: Graph, operands: Sequence[Value], write: Write
) -> list[Value]:
    graphs, kinds = [], []
    for stem, body in (("then", then), ("else", otherwise)):
        with b.body() as nodes:
            kinds = write(body, operands)
            graphs.append(_graph(b, stem, nodes, [], kinds))
    names = b.ops("If", [test], len(kinds), then_branch=graphs[0], else_branch=graphs[1])
    return _results(names, kinds)


def _among(
    b: Builder, which: str, bodies: Sequence[Graph], first: int, operands: Sequence[Value], write: Write
) -> list[Value]:
    if first == len(bodies) - 1:
        return write(bodies[first], operands)
    test = b.op("LessOrEqual", [which, b.constant(np.int32(first))])
    with b.body() as nodes:
        kinds = write(bodies[first], operands)
        then = _graph(b, "then", nodes, [], kinds)
    with b.body() as nodes:
        otherwise = _graph(b, "else", nodes, [], _among(b, which, bodies, first + 1, operands, write))
    return _results(b.ops("If", [test], len(kinds), then_branch=then, else_branch=otherwise), kinds)


def _inputs(
    b: Builder, stem: str, kinds: Sequence[Value], shapes: Sequence[Extents]
) -> tuple[list[Value], list[onnx.ValueInfoProto]]:
    values = [Value(b.fresh(stem), s, s, v.dtype) for v, s in zip(kinds, shapes, strict=True)]
    return values, [b.value_info(v.name, v.dtype, v.shape) for v in values]


def write_scan(b: Builder, record: Record, x: Sequence[Value], write: Write) -> list[Value]:
    o = record.options
    constants = x[: o["constants"]]
    carries = x[o["constants"] : o["constants"] + o["carries"]]
    rows = list(x[o["constants"] + o["carries"] :])
    counted = not rows
    if counted:  # Scan needs something to scan: a row of nothing
        length = b.op("Expand", [b.constant(False), b.shape([o["length"]])])
        rows = [Value(length, (o["length"],), (o["length"],), pg.dt.bool_)]
    (body,) = record.bodies
    with b.body() as nodes:
        states, state_infos = _inputs(b, "state", carries, [v.shape for v in carries])
        slices, slice_infos = _inputs(b, "slice", rows, [v.shape[1:] for v in rows])
        results = write(body, [*constants, *states, *([] if counted else slices)])
        graph = _graph(b, "scan", nodes, state_infos + slice_infos, results)
    outputs = len(results) - len(carries)
    reverse = int(o["reverse"])
    names = b.ops(
        "Scan",
        [b.full(v) for v in (*carries, *rows)],
        len(results),
        body=graph,
        num_scan_inputs=len(rows),
        scan_input_directions=[reverse] * len(rows),
        **({"scan_output_directions": [reverse] * outputs} if outputs else {}),
    )
    made = []
    for i, (name, value) in enumerate(zip(names, results, strict=True)):
        shape = value.shape if i < len(carries) else (o["length"], *value.shape)
        made.append(Value(name, shape, shape, value.dtype))
    return made


def write_while(b: Builder, record: Record, x: Sequence[Value], write: Write) -> list[Value]:
    count = record.options["constants"]
    constants, carries = x[:count], x[count:]
    test, body = record.bodies
    (start,) = write(test, x)
    with b.body() as nodes:
        step = helper.make_tensor_value_info(b.fresh("step"), onnx.TensorProto.INT64, [])
        going = helper.make_tensor_value_info(b.fresh("going"), onnx.TensorProto.BOOL, [])
        states, infos = _inputs(b, "state", carries, [v.shape for v in carries])
        after = write(body, [*constants, *states])
        (again,) = write(test, [*constants, *after])
        graph = _graph(b, "loop", nodes, [step, going, *infos], [again, *after])
    names = b.ops("Loop", ["", b.full(start), *(b.full(v) for v in carries)], len(carries), body=graph)
    return _results(names, carries)


CONTROL = {"cond": write_cond, "scan": write_scan, "while": write_while}
INLINED = ("call", "custom_jvp", "custom_vjp")
