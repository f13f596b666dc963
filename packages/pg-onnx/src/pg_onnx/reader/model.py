"""What a model file says, as plain dataclasses: nothing is computed here and weights stay in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .tensors import SparseTensor, Tensor
from .types import type_name

__all__ = [
    "Attribute",
    "Dim",
    "Function",
    "Graph",
    "Model",
    "Node",
    "OpaqueType",
    "OptionalType",
    "SequenceType",
    "TensorType",
    "Type",
    "ValueInfo",
]

Dim = int | str | None  # an extent, a symbol, or nothing known


@dataclass(frozen=True, slots=True)
class TensorType:
    """Tensors of an element type (its ONNX code), with a shape unless even the rank is unknown."""

    dtype: int
    shape: tuple[Dim, ...] | None = None

    def __str__(self) -> str:
        if self.shape is None:
            return type_name(self.dtype)
        return f"{type_name(self.dtype)}[{', '.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """Lists of values of one type."""

    element: Type

    def __str__(self) -> str:
        return f"sequence({self.element})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value of a type, or nothing."""

    element: Type

    def __str__(self) -> str:
        return f"optional({self.element})"


@dataclass(frozen=True, slots=True)
class OpaqueType:
    """A map, a sparse tensor, or a type that another domain defines."""

    kind: str

    def __str__(self) -> str:
        return self.kind


Type = TensorType | SequenceType | OptionalType | OpaqueType | None


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """Name and type of an input, an output or a value inside a graph."""

    name: str
    type: Type = None
    doc: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named argument of a node. ``kind`` is one of float, int, string, tensor, graph, sparse_tensor, type,
    and their plurals; strings are bytes. In a function ``reference`` names the attribute that
    gives the value.
    """

    name: str
    kind: str
    value: Any = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One application of an operator. An empty name among the inputs or outputs is one that is left out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    name: str = ""
    domain: str = ""
    overload: str = ""
    doc: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    opset: int = (
        0  # of its domain; a file states it for whole graphs, so it is known when functions are inlined
    )

    @property
    def label(self) -> str:
        """How messages call the node: its name, or that of its first output."""
        return self.name or next((name for name in self.outputs if name), self.op)

    def graphs(self) -> Iterator[Graph]:
        """The graphs among the attributes."""
        for attribute in self.attributes.values():
            if attribute.kind == "graph":
                yield attribute.value
            elif attribute.kind == "graphs":
                yield from attribute.value


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes between inputs and outputs; initializers are constants, and may give an input its default."""

    nodes: tuple[Node, ...]
    inputs: tuple[ValueInfo, ...] = ()
    outputs: tuple[ValueInfo, ...] = ()
    initializers: tuple[Tensor, ...] = ()
    sparse_initializers: tuple[SparseTensor, ...] = ()
    value_info: tuple[ValueInfo, ...] = ()
    name: str = ""
    doc: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """An operator that the file defines by other nodes."""

    domain: str
    name: str
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]  # without a default
    defaults: dict[str, Attribute]
    nodes: tuple[Node, ...]
    opsets: dict[str, int]
    doc: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a node that calls the function states: domain, operator, overload."""
        return (self.domain, self.name, self.overload)


@dataclass(frozen=True, slots=True)
class Model:
    """A whole file. ``opsets`` maps a domain to its version; that of ONNX itself is the empty string."""

    graph: Graph
    opsets: dict[str, int]
    ir_version: int = 0
    functions: dict[tuple[str, str, str], Function] = field(default_factory=dict)
    producer_name: str = ""
    producer_version: str = ""
    domain: str = ""
    model_version: int = 0
    doc: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    has_training_info: bool = False
    path: str | None = None
    file_bytes: int = 0
    data: memoryview | None = field(default=None, repr=False, compare=False)  # the file as it is
