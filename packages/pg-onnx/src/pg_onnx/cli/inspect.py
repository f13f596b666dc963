"""``pg-onnx inspect``: what a file says, without reading its weights."""

from __future__ import annotations

import argparse
import collections
import math
from typing import Any

import numpy as np
import pequegrad as pg

from ..importer import load
from ..reader import Graph, Model, Node, Tensor, type_name
from .common import Report, add_model, limits_of, make_inputs, read_model, true_inputs

HELP = "what a model is: inputs, outputs, operators, parameters; no weights are read"
EXAMPLE = "pg-onnx inspect model.onnx --ops --params"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_model(sub)
    sub.add_argument("--ops", action="store_true", help="how often each operator is used")
    sub.add_argument("--params", action="store_true", help="all initializers")
    sub.add_argument("--graph", action="store_true", help="all nodes")
    sub.add_argument(
        "--flops", action="store_true", help="operations of products and convolutions (reads weights)"
    )
    sub.add_argument("--dim", action="append", default=[], metavar="NAME=N", help="an extent, for it")
    sub.add_argument(
        "--shape", action="append", default=[], metavar="NAME:2,3,8", help="a shape, for --flops"
    )


def execute(options: argparse.Namespace, report: Report) -> int:
    """Fills the report."""
    model = read_model(options)
    ops = collections.Counter(_op(node) for node in all_nodes(model.graph))
    weights = model.graph.initializers
    outside = sorted({w.external.location for w in weights if w.external is not None})
    report.data |= {
        "file": options.model,
        "bytes": model.file_bytes,
        "ir_version": model.ir_version,
        "opsets": model.opsets,
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "graph": model.graph.name,
        "inputs": [{"name": v.name, "type": str(v.type)} for v in true_inputs(model)],
        "outputs": [{"name": v.name, "type": str(v.type)} for v in model.graph.outputs],
        "nodes": sum(ops.values()),
        "ops": dict(ops.most_common()),
        "functions": len(model.functions),
        "initializers": len(weights),
        "elements": sum(w.size for w in weights),
        "weight_bytes": sum(w.nbytes for w in weights),
        "external_files": outside,
        "metadata": model.metadata,
    }
    _describe(options, model, report)
    if options.flops:
        report.data["flops"] = flops_of(model, options)
        report.say(f"{report.data['flops']} operations in products and convolutions")
    return 0


def flops_of(model: Model, options: argparse.Namespace) -> int:
    """Multiplications and additions of the products and convolutions; an open extent counts as 1."""
    arrays = make_inputs(model, options, np.random.default_rng(0), default=1)
    module = load(model, limits=limits_of(options))
    given = [pg.Tensor(arrays[v.name]) for v in module.inputs]
    total, stack = 0, [pg.make_trace(lambda *xs: module(*xs))(*given)]
    while stack:
        nodes = stack.pop().nodes
        for node in nodes:
            stack.extend(body for _, body in node.bodies)
            shapes = [nodes[k].shape for k in node.operands]
            if node.op == "conv":
                total += 2 * math.prod(node.shape) * math.prod(shapes[1][1:])
            elif node.op == "dot_general":
                o = node.options
                extents = dict(zip((*o["a"], *o["b"]), (*shapes[0], *shapes[1]), strict=True))
                total += 2 * math.prod(extents.values())
    return total


def _describe(options: argparse.Namespace, model: Model, report: Report) -> None:
    d: dict[str, Any] = report.data
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in d["opsets"].items())
    report.say(f"{options.model}: {d['bytes']} bytes, IR {d['ir_version']}, opset {opsets}")
    if d["producer"]:
        report.say(f"made by {d['producer']}")
    for side in ("inputs", "outputs"):
        for value in d[side]:
            report.say(f"{side[:-1]} {value['name']}: {value['type']}")
    functions = f", {d['functions']} functions" if d["functions"] else ""
    report.say(f"{d['nodes']} nodes of {len(d['ops'])} operators{functions}")
    amount = f"{d['elements']} elements, {d['weight_bytes']} bytes"
    report.say(f"{d['initializers']} initializers, {amount}")
    for name in d["external_files"]:
        report.say(f"weights in {name}")
    for key, value in d["metadata"].items():
        report.say(f"metadata {key}: {value}")
    if options.ops:
        for op, count in d["ops"].items():
            report.say(f"{count:6d} {op}")
    if options.params:
        d["parameters"] = [_weight(w) for w in model.graph.initializers]
        for w in d["parameters"]:
            report.say(f"{w['name']}: {w['dtype']}{w['shape']}")
    if options.graph:
        d["graph_nodes"] = [
            {"name": n.label, "op": _op(n), "inputs": n.inputs, "outputs": n.outputs}
            for n in model.graph.nodes
        ]
        for n in model.graph.nodes:
            report.say(f"{', '.join(n.outputs)} = {_op(n)}({', '.join(n.inputs)})")


def _weight(w: Tensor) -> dict[str, Any]:
    return {"name": w.name, "dtype": type_name(w.dtype), "shape": list(w.dims), "bytes": w.nbytes}


def _op(node: Node) -> str:
    return f"{node.domain}::{node.op}" if node.domain else node.op


def all_nodes(graph: Graph) -> list[Node]:
    """The nodes of a graph and of the graphs in them."""
    out: list[Node] = []
    stack = [graph]
    while stack:
        current = stack.pop()
        out.extend(current.nodes)
        for node in current.nodes:
            stack.extend(node.graphs())
    return out
