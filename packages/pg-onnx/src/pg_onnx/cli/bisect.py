"""Finds the first node of a model that gives another result although its inputs agree."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ..importer import load
from ..plan import make_plan
from ..reader import Model, Node, ValueInfo
from ..writing import replacing, write_arrays, write_model
from .common import limits_of
from .oracles import Oracle

_AT_ONCE = 32  # nodes whose results are kept together


@dataclass(frozen=True)
class Difference:
    """A node, the value that differs, by how much, and what the node read."""

    node: Node
    value: str
    difference: float
    inputs: Mapping[str, np.ndarray]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "node": self.node.label,
            "op": self.node.op,
            "value": self.value,
            "difference": self.difference,
        }

    def __str__(self) -> str:
        return f"node {self.node.label!r} ({self.node.op}): {self.value!r} differs by {self.difference:.3g}"


def values_of(
    model: Model, arrays: Mapping[str, np.ndarray], names: Sequence[str], options: argparse.Namespace
) -> dict[str, np.ndarray]:
    """Values inside of a model as pequegrad computes them."""
    from .run import compute

    outputs = tuple(ValueInfo(name) for name in names)
    inner = replace(model, graph=replace(model.graph, outputs=outputs))
    return compute(load(inner, limits=limits_of(options)), arrays)


def first_difference(
    options: argparse.Namespace, model: Model, oracle: Oracle, arrays: Mapping[str, np.ndarray]
) -> Difference | None:
    """The first node, in the order of computing, whose result differs."""
    from .verify import close

    plan = make_plan(model, limits_of(options))
    by_output = {name: node for node in model.graph.nodes for name in node.outputs}
    order = [step.node for step in plan.steps if step.node.outputs[0] in by_output]
    for start in range(0, len(order), _AT_ONCE):
        nodes = order[start : start + _AT_ONCE]
        names = [name for node in nodes for name in node.outputs if name]
        ours = values_of(model, arrays, names, options)
        theirs = oracle.values(arrays, names)
        for node in nodes:
            for name in node.outputs:
                if not name:
                    continue
                good, difference = close(ours[name], theirs[name], options.rtol, options.atol)
                if not good:
                    inputs = _inputs_of(model, node, arrays, oracle)
                    return Difference(node, name, difference, inputs)
    return None


def _inputs_of(
    model: Model, node: Node, arrays: Mapping[str, np.ndarray], oracle: Oracle
) -> dict[str, np.ndarray]:
    constants = {t.name: t for t in model.graph.initializers}
    found = {n: np.asarray(constants[n].numpy()) for n in node.inputs if n in constants}
    found |= {n: arrays[n] for n in node.inputs if n in arrays}
    rest = [n for n in dict.fromkeys(node.inputs) if n and n not in found]
    return found | (oracle.values(arrays, rest) if rest else {})


def write_submodel(
    path: str, options: argparse.Namespace, oracle: Oracle, found: Difference, force: bool
) -> None:
    """The node as a model of its own, and what it read beside it."""
    proto = oracle.proto
    node = next(n for n in proto.graph.node if found.value in n.output)
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in found.inputs.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    model = helper.make_model(
        helper.make_graph([node], "submodel", infos, outputs),
        opset_imports=list(proto.opset_import),
        functions=list(proto.functions),
        ir_version=proto.ir_version,
    )
    write_model(model, path, overwrite=force)
    with replacing(f"{path}.npz", force) as file:
        write_arrays(file, found.inputs)
