"""Functions of a file put in place of the nodes that call them, within a budget of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .errors import InvalidModelError, ResourceLimitError
from .limits import Limits
from .reader import Attribute, Function, Graph, Model, Node

__all__ = ["inline"]

Key = tuple[str, str, str]
_PLAIN = 13  # an operator set whose Identity takes any tensor


def inline(model: Model, limits: Limits) -> Graph:
    """The model's graph without calls of its functions; every node notes the version of its operator set."""
    if model.functions:
        _check_sizes(model, limits)
    return _Inliner(model).graph(model.graph, model.opsets, {}, {}, "")


def _all_nodes(nodes: tuple[Node, ...]) -> Iterator[Node]:
    stack = [iter(nodes)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        yield node
        for graph in node.graphs():
            stack.append(iter(graph.nodes))


def _key(node: Node) -> Key:
    return (node.domain, node.op, node.overload)


def _check_sizes(model: Model, limits: Limits) -> None:
    """Refuse recursion, and what would become too large, before anything is copied."""
    sizes: dict[Key, int] = {}
    depths: dict[Key, int] = {}
    open_keys: set[Key] = set()
    for root in model.functions:
        stack = [root]
        while stack:
            key = stack[-1]
            if key in sizes:
                stack.pop()
                continue
            calls = [_key(n) for n in _all_nodes(model.functions[key].nodes) if _key(n) in model.functions]
            pending = list(dict.fromkeys(call for call in calls if call not in sizes))
            if pending:
                open_keys.add(key)
                if any(call in open_keys for call in pending):
                    raise InvalidModelError(f"the function {key[1]!r} calls itself")
                stack.extend(pending)
                continue
            own = sum(1 for _ in _all_nodes(model.functions[key].nodes))
            sizes[key] = own + sum(sizes[call] for call in calls)
            depths[key] = 1 + max((depths[call] for call in calls), default=0)
            open_keys.discard(key)
            stack.pop()
    if max(depths.values(), default=0) > limits.max_depth:
        raise ResourceLimitError("functions call each other too deeply", "max_depth")
    total = sum(sizes.get(_key(node), 1) for node in _all_nodes(model.graph.nodes))
    if total > limits.max_nodes:
        raise ResourceLimitError(f"{total} nodes after functions are inlined", "max_nodes")


def _opset(node: Node, opsets: Mapping[str, int]) -> int:
    version = opsets.get(node.domain)
    if version is None:
        raise InvalidModelError(
            f"node {node.label!r} ({node.op}): the model imports no version of the domain {node.domain!r}"
        )
    return version


class _Inliner:
    def __init__(self, model: Model) -> None:
        self.functions = model.functions
        self.calls = 0

    def graph(
        self,
        graph: Graph,
        opsets: Mapping[str, int],
        names: Mapping[str, str],
        given: Mapping[str, Attribute],
        prefix: str,
    ) -> Graph:
        """A copy with references to attributes and names of the function around it replaced."""
        if names or prefix:
            own = {v.name for v in graph.inputs} | {t.name for t in graph.initializers}
            own |= {name for node in graph.nodes for name in node.outputs}
            names = {name: new for name, new in names.items() if name not in own}
        nodes: list[Node] = []
        for node in graph.nodes:
            nodes.extend(self.node(node, opsets, names, given))
        outputs = tuple(replace(v, name=names.get(v.name, v.name)) for v in graph.outputs)
        return replace(graph, nodes=tuple(nodes), outputs=outputs)

    def node(
        self,
        node: Node,
        opsets: Mapping[str, int],
        names: Mapping[str, str],
        given: Mapping[str, Attribute],
    ) -> list[Node]:
        attributes = {}
        for attribute in node.attributes.values():
            if attribute.reference:
                if attribute.reference not in given:
                    continue  # the caller leaves it out, so the node takes its own default
                attribute = replace(given[attribute.reference], name=attribute.name)
            elif attribute.kind == "graph":
                inner = self.graph(attribute.value, opsets, names, given, "inner")
                attribute = replace(attribute, value=inner)
            attributes[attribute.name] = attribute
        made = replace(
            node,
            inputs=tuple(names.get(name, name) for name in node.inputs),
            outputs=tuple(names.get(name, name) for name in node.outputs),
            attributes=attributes,
        )
        function = self.functions.get(_key(node))
        if function is None:
            return [replace(made, opset=_opset(made, opsets))]
        return self.call(made, function)

    def call(self, node: Node, function: Function) -> list[Node]:
        if len(node.inputs) > len(function.inputs) or len(node.outputs) > len(function.outputs):
            raise InvalidModelError(f"node {node.label!r}: more inputs or outputs than {function.name!r} has")
        self.calls += 1
        prefix = f"{node.label}/{self.calls}:"
        names: dict[str, str] = {}
        for inner in function.nodes:
            names.update({name: prefix + name for name in inner.outputs if name})
        names.update(dict.fromkeys(function.inputs, ""))
        names.update(zip(function.inputs, node.inputs))
        given: dict[str, Any] = {**function.defaults, **node.attributes}
        passed_through: list[Node] = []
        for inner_name, outer_name in zip(function.outputs, node.outputs):
            if not outer_name:
                continue
            if inner_name in function.inputs:
                passed_through.append(Node("Identity", (names[inner_name],), (outer_name,), opset=_PLAIN))
            else:
                names[inner_name] = outer_name
        nodes: list[Node] = []
        for inner in function.nodes:
            label = f"{node.label}/{inner.label}"
            nodes.extend(self.node(replace(inner, name=label), function.opsets, names, given))
        return nodes + passed_through
