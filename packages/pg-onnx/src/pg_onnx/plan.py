"""From the graph of a file to steps in an order in which they can run.

Functions are inlined, names are checked, nodes are sorted, and every node finds its rule. What has none is
gathered, so that a model is refused with the whole list before anything runs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pequegrad.dt import DType

from .errors import InvalidModelError, Unsupported, UnsupportedError
from .functions import inline
from .limits import Limits
from .ops.registry import Rule, find, known
from .reader import ELEMENT_TYPES, Graph, Model, Node, SequenceType, TensorType, type_name
from .reader import Tensor as FileTensor
from .values import as_float, from_file

__all__ = ["MAX_OPSET", "Plan", "Step", "make_plan", "unsupported"]

MAX_OPSET = 28


@dataclass(slots=True)
class Step:
    """One node with its rule, its attributes as Python values, and the plans of its graphs."""

    node: Node
    version: int
    rule: Rule
    attributes: dict[str, Any]
    frees: tuple[str, ...] = ()  # values that no later step reads


@dataclass(slots=True)
class Plan:
    """The steps of one graph."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: list[Step]
    constants: dict[str, FileTensor | np.ndarray]
    free_names: frozenset[str] = frozenset()  # of values of the graphs around it


def make_plan(model: Model, limits: Limits, float_type: DType | None = None) -> Plan:
    """The plan of a model, with another type in place of float32 if so wanted; raises ``UnsupportedError``
    with all that is missing.
    """
    plan, reasons = _planned(model, limits, float_type)
    if reasons:
        listed = "; ".join(str(reason) for reason in reasons)
        raise UnsupportedError(f"{model.path or 'the model'}: not supported: {listed}", reasons)
    return plan


def unsupported(model: Model, limits: Limits | None = None) -> list[Unsupported]:
    """All that a model needs and pg_onnx lacks, without running anything; empty when it can be loaded.

    >>> import pg_onnx
    >>> node = pg_onnx.reader.Node("NoSuchOp", ("x",), ("y",))
    >>> graph = pg_onnx.reader.Graph((node,), (pg_onnx.reader.ValueInfo("x"),), ())
    >>> [str(found) for found in unsupported(pg_onnx.reader.Model(graph, {"": 17}))]
    ['NoSuchOp-17: unknown operator']
    """
    return _planned(model, limits or Limits())[1]


def _planned(model: Model, limits: Limits, float_type: DType | None = None) -> tuple[Plan, list[Unsupported]]:
    opset = model.opsets.get("")
    if opset is None and any(node.domain == "" for node in model.graph.nodes):
        raise InvalidModelError("the model imports no version of the operators of ONNX")
    builder = _Builder(float_type)
    if opset is not None and opset > MAX_OPSET:
        reason = f"opset {opset} is newer than the newest one known here, {MAX_OPSET}"
        return Plan((), (), [], {}), [Unsupported("", "", opset, reason)]
    for value in (*model.graph.inputs, *model.graph.outputs):
        builder.check_type(value.name, value.type)
    graph = inline(model, limits)
    return builder.plan(graph, frozenset()), builder.listed()


class _Builder:
    def __init__(self, float_type: DType | None) -> None:
        self.float_type = float_type
        self.found: dict[tuple[str, str, int, str], list[str]] = {}

    def listed(self) -> list[Unsupported]:
        return [Unsupported(*key, tuple(nodes)) for key, nodes in self.found.items()]

    def missing(self, domain: str, op: str, version: int, reason: str, name: str = "") -> None:
        self.found.setdefault((domain, op, version, reason), []).append(name)

    def check_type(self, name: str, kind: Any) -> None:
        while isinstance(kind, SequenceType) or hasattr(kind, "element"):
            kind = kind.element
        if isinstance(kind, TensorType):
            if kind.dtype and (kind.dtype not in ELEMENT_TYPES or not ELEMENT_TYPES[kind.dtype].known):
                self.missing("", "", 0, f"{name!r} has the element type {type_name(kind.dtype)}")
        elif kind is not None:
            self.missing("", "", 0, f"{name!r} is a {kind}")

    def plan(self, graph: Graph, outer: frozenset[str]) -> Plan:
        constants: dict[str, Any] = {**self.initializers(graph)}
        defined = set(constants)
        for value in graph.inputs:
            defined.add(value.name)
        producers: dict[str, int] = {}
        for i, node in enumerate(graph.nodes):
            for name in node.outputs:
                if name and (name in producers or name in defined):
                    raise InvalidModelError(f"node {node.label!r} ({node.op}): {name!r} is defined twice")
                if name:
                    producers[name] = i
        visible = outer | defined | set(producers)
        subplans = [
            {
                attribute.name: self.plan(attribute.value, visible)
                for attribute in node.attributes.values()
                if attribute.kind == "graph"
            }
            for node in graph.nodes
        ]
        uses = [
            [*(name for name in node.inputs if name), *(n for p in plans.values() for n in p.free_names)]
            for node, plans in zip(graph.nodes, subplans, strict=True)
        ]
        for node, names in zip(graph.nodes, uses, strict=True):
            for name in names:
                if name not in visible:
                    raise InvalidModelError(f"node {node.label!r} ({node.op}): {name!r} is defined nowhere")
        outputs = tuple(value.name for value in graph.outputs)
        for name in outputs:
            if name not in visible:
                raise InvalidModelError(f"the output {name!r} is defined nowhere")
        self.check_narrow(graph, uses)
        order = sorted_nodes(graph.nodes, uses, producers)
        made = [(i, self.step(graph.nodes[i], subplans[i], constants)) for i in order]
        steps = [step for _, step in made if step is not None]
        _set_frees([(step, uses[i]) for i, step in made if step is not None], {*outputs, *defined, *outer})
        inner = {*producers, *defined}
        free = {name for names in uses for name in names if name not in inner}
        free.update(name for name in outputs if name not in inner)
        inputs = tuple(value.name for value in graph.inputs)
        if outer and not self.found:
            constants = {name: self.constant(held) for name, held in constants.items()}
        return Plan(inputs, outputs, steps, constants, frozenset(free))

    def constant(self, held: Any) -> Any:
        """A constant inside a loop or branch, read once."""
        return as_float(from_file(held), self.float_type) if isinstance(held, FileTensor) else held

    def initializers(self, graph: Graph) -> dict[str, FileTensor]:
        made: dict[str, FileTensor] = {}
        for tensor in graph.initializers:
            if tensor.name in made:
                raise InvalidModelError(f"the initializer {tensor.name!r} is defined twice")
            made[tensor.name] = tensor
            if not _is_narrow(tensor):
                self.check_type(tensor.name, TensorType(tensor.dtype))
        if graph.sparse_initializers:
            self.missing("", "", 0, "sparse initializers are not supported")
            made.update({s.values.name: s.values for s in graph.sparse_initializers})
        return made

    def step(self, node: Node, plans: dict[str, Plan], constants: dict[str, Any]) -> Step | None:
        """The step of a node; None where it is a constant, which is entered there, or has no rule."""
        opset = node.opset
        found = find(node.domain, node.op, opset)
        if found is None:
            reason = f"only newer versions of {node.op} are known" if known(node.domain, node.op) else ""
            if node.domain and not reason:
                reason = f"unknown operator of the domain {node.domain!r}"
            self.missing(node.domain, node.op, opset, reason or "unknown operator", node.label)
            return None
        version, rule = found
        attributes, reasons = rule.bind(node)
        for reason in reasons:
            self.missing(node.domain, node.op, version, reason, node.label)
        self.check_inputs(node, rule)
        for attribute in node.attributes.values():
            if attribute.kind == "tensor":
                attributes[attribute.name] = self.attribute_tensor(node, attribute.value)
        attributes = {name: as_float(value, self.float_type) for name, value in attributes.items()}
        if node.op == "Constant" and node.domain == "":
            if not self.found:
                constants[node.outputs[0]] = rule.function(**attributes)
            return None
        return Step(node, version, rule, {**attributes, **plans})

    def check_narrow(self, graph: Graph, uses: list[list[str]]) -> None:
        """Constants of a type that only a wider one holds are read by DequantizeLinear alone: anything else
        would take them for what they are not.
        """
        narrow = {tensor.name: tensor.dtype for tensor in graph.initializers if _is_narrow(tensor)}
        for node in graph.nodes:
            value = node.attributes.get("value")
            if (
                node.op == "Constant"
                and value is not None
                and value.kind == "tensor"
                and _is_narrow(value.value)
            ):
                narrow[node.outputs[0]] = value.value.dtype
        readers = [
            name
            for node, names in zip(graph.nodes, uses, strict=True)
            for name in names
            if node.op != "DequantizeLinear" or node.domain or name not in node.inputs
        ]
        for name in (*readers, *(value.name for value in graph.outputs)):
            if name in narrow:
                self.check_type(name, TensorType(narrow.pop(name)))

    def attribute_tensor(self, node: Node, tensor: FileTensor) -> Any:
        """The array of a tensor among the attributes, unless pequegrad lacks its type."""
        kind = ELEMENT_TYPES.get(tensor.dtype)
        narrow = node.op == "Constant" and _is_narrow(tensor)
        if kind is None or not (kind.known or tensor.dtype == 8 or narrow):
            self.check_type(node.label, TensorType(tensor.dtype))
            return None
        return from_file(tensor)

    def check_inputs(self, node: Node, rule: Rule) -> None:
        for i, name in enumerate(node.inputs):
            slot = rule.slot(i)
            if slot is None and name:
                raise InvalidModelError(f"node {node.label!r} ({node.op}): more than {i} inputs")
        for i, slot in enumerate(rule.slots):
            if not slot.optional and (i >= len(node.inputs) or not node.inputs[i]):
                raise InvalidModelError(f"node {node.label!r} ({node.op}): input {slot.name} is missing")


def _is_narrow(tensor: FileTensor) -> bool:
    kind = ELEMENT_TYPES.get(tensor.dtype)
    return kind is not None and not kind.known and bool(kind.held)


def sorted_nodes(
    nodes: tuple[Node, ...], uses: list[list[str]], producers: Mapping[str, int]
) -> Iterable[int]:
    """Positions in an order in which every value is computed before it is read (Kahn's method); as near
    to the order of the file as possible.
    """
    waiting = [0] * len(nodes)
    readers: list[list[int]] = [[] for _ in nodes]
    for i, names in enumerate(uses):
        for name in set(names):
            if name in producers:
                waiting[i] += 1
                readers[producers[name]].append(i)
    ready = [i for i, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for j in readers[i]:
            waiting[j] -= 1
            if waiting[j] == 0:
                heapq.heappush(ready, j)
    if len(order) < len(nodes):
        raise InvalidModelError(f"the graph has a cycle: {_cycle(nodes, uses, producers, waiting)}")
    return order


def _cycle(
    nodes: tuple[Node, ...], uses: list[list[str]], producers: Mapping[str, int], waiting: list[int]
) -> str:
    at = next(i for i, count in enumerate(waiting) if count)
    seen: dict[int, int] = {}
    path: list[int] = []
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(producers[name] for name in uses[at] if name in producers and waiting[producers[name]])
    return " <- ".join(repr(nodes[i].label) for i in [*path[seen[at] :], at][:20])


def _set_frees(steps: list[tuple[Step, list[str]]], kept: set[str]) -> None:
    seen = set(kept)
    for step, names in reversed(steps):
        last = {name for name in (*names, *step.node.outputs) if name and name not in seen}
        seen |= last
        step.frees = tuple(last)
