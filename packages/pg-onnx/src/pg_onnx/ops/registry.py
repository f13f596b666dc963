"""The table of operators: a rule is a function, and its signature is the table of inputs and attributes.

A rule is registered for an operator and the versions (``since_version`` of the ONNX schemas) that it
computes. Positional parameters are inputs, in the order of the schema; keyword-only ones are attributes.
Annotations say in what form an input is wanted, and of what kind an attribute is:

- inputs: ``Tensor``; ``Ints`` and ``Host`` for numbers that decide shapes and are read when the graph is
  traced; ``Any`` as it is. ``*xs`` takes any number. A default makes an input optional.
- attributes: ``int, bool, float, str, Ints, Floats, Strs, Graph, reader.Tensor, DType``, ``TensorType`` (of
  any kind) or a ``Literal`` of strings.
- a first parameter ``call`` receives the node and its surroundings. A first parameter ``xp`` says that the
  rule is written for both NumPy and pequegrad: it computes on the host what is known when the graph is
  traced.

A tuple is a result of several outputs; a list is one value, a sequence.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pequegrad import Tensor
from pequegrad.dt import DType

from ..errors import InvalidModelError
from ..reader import ELEMENT_TYPES, Graph, Node, TensorType
from ..reader import Tensor as FileTensor

__all__ = ["Floats", "Host", "Ints", "Rule", "Strs", "find", "known", "op", "rules"]

Ints = tuple[int, ...]
Floats = tuple[float, ...]
Strs = tuple[str, ...]
Host = np.ndarray

Rules = dict[tuple[str, str], dict[int, "Rule"]]
_rules: Rules = {}

_KINDS: dict[Any, str] = {
    int: "int",
    bool: "int",
    float: "float",
    str: "string",
    Ints: "ints",
    Floats: "floats",
    Strs: "strings",
    Graph: "graph",
    FileTensor: "tensor",
    TensorType: "type",
    DType: "int",
}
_INPUTS = {Tensor: "tensor", Ints: "ints", Host: "host", Any: "any"}


@dataclass(frozen=True)
class Slot:
    """One input: how the rule wants it, and whether it may be left out."""

    name: str
    form: str
    optional: bool


@dataclass(frozen=True)
class AttributeRule:
    """One attribute: its Python type, its kind in the file, its default and the words it may be."""

    name: str
    type: Any
    kind: str
    required: bool
    default: Any
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """How to compute an operator for some of its versions."""

    domain: str
    op: str
    since: tuple[int, ...]
    function: Callable[..., Any]
    slots: tuple[Slot, ...]
    rest: Slot | None
    attributes: dict[str, AttributeRule]
    leading: tuple[str, ...]  # of "call" and "xp", those that the function takes, in its order

    @property
    def on_host(self) -> bool:
        """Whether the rule computes with NumPy what is known when the graph is traced."""
        return "xp" in self.leading

    def slot(self, i: int) -> Slot | None:
        """What the i-th input is for, None when there are not so many."""
        return self.slots[i] if i < len(self.slots) else self.rest

    def bind(self, node: Node) -> tuple[dict[str, Any], list[str]]:
        """The attributes as Python values, and what of them is not supported."""
        values: dict[str, Any] = {}
        reasons: list[str] = []
        for attribute in node.attributes.values():
            rule = self.attributes.get(attribute.name)
            if rule is None:
                reasons.append(f"attribute {attribute.name} is not supported")
            elif attribute.kind != rule.kind:
                raise InvalidModelError(
                    f"node {node.label!r} ({self.op}): attribute {attribute.name} is {attribute.kind}, "
                    f"needed {rule.kind}"
                )
            else:
                values[attribute.name] = _value(rule, attribute.value, node, reasons)
        for rule in self.attributes.values():
            if rule.required and rule.name not in node.attributes:
                raise InvalidModelError(f"node {node.label!r} ({self.op}): attribute {rule.name} is missing")
        return values, reasons


def _value(rule: AttributeRule, value: Any, node: Node, reasons: list[str]) -> Any:
    if rule.kind == "string":
        text = value.decode("utf-8", "replace")
        if rule.words and text not in rule.words:
            reasons.append(f"{rule.name}={text!r} is not supported")
        return text
    if rule.kind == "strings":
        return tuple(v.decode("utf-8", "replace") for v in value)
    if rule.type is DType:
        if value not in ELEMENT_TYPES:
            raise InvalidModelError(f"node {node.label!r}: {rule.name}={value} is no element type")
        kind = ELEMENT_TYPES[value]
        if not kind.known:
            reasons.append(f"element type {kind.name} is not supported")
            return None
        return _dtype(kind.name)
    if rule.type is bool:
        return bool(value)
    return value


def _dtype(name: str) -> DType:
    from pequegrad import dt

    return dt.as_dtype(name)


def op(name: str, *since: int, domain: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the rule of an operator for the versions given."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        rule = _rule(domain, name, since, function)
        versions = _rules.setdefault((domain, name), {})
        for version in since:
            if version in versions:
                raise ValueError(f"{name}-{version} has two rules")
            versions[version] = rule
        return function

    return register


def _rule(domain: str, name: str, since: tuple[int, ...], function: Callable[..., Any]) -> Rule:
    hints = typing.get_type_hints(function)
    slots: list[Slot] = []
    rest = None
    attributes = {}
    leading: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        hint, optional = _without_none(hints.get(parameter.name, Any))
        has_default = parameter.default is not parameter.empty
        if parameter.kind is parameter.KEYWORD_ONLY:
            words = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
            kind = "string" if words else _KINDS[hint]
            default = parameter.default if has_default else None
            attributes[parameter.name] = AttributeRule(
                parameter.name, hint, kind, not has_default, default, words
            )
        elif parameter.name in ("call", "xp"):
            leading.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = Slot(parameter.name, _INPUTS[hint], True)
        else:
            slots.append(Slot(parameter.name, _INPUTS[hint], has_default or optional))
    return Rule(domain, name, since, function, tuple(slots), rest, attributes, tuple(leading))


def _without_none(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kept = [part for part in typing.get_args(hint) if part is not type(None)]
        return kept[0], True
    return hint, False


def rules() -> Rules:
    """All rules by domain, operator and version."""
    from . import load_all

    load_all()
    return _rules


def known(domain: str, name: str) -> bool:
    """Whether any version of an operator has a rule."""
    return (domain, name) in rules()


def find(domain: str, name: str, opset: int) -> tuple[int, Rule] | None:
    """The newest version of an operator that an operator set includes, and its rule.

    >>> version, rule = find("", "Softmax", 12)
    >>> version, sorted(rule.attributes)
    (11, ['axis'])
    """
    versions = rules().get((domain, name), {})
    fitting = [version for version in versions if version <= opset]
    return (max(fitting), versions[max(fitting)]) if fitting else None
