"""From bytes to the dataclasses of ``model.py``."""

from __future__ import annotations

import mmap
import os
import stat
from typing import Any

from ..errors import FileError, InvalidModelError, ResourceLimitError
from ..limits import Limits
from .external import Directory
from .model import (
    Attribute,
    Dim,
    Function,
    Graph,
    Model,
    Node,
    OpaqueType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
    ValueInfo,
)
from .tensors import External, SparseTensor, Tensor
from .wire import Span, Table, Wire

__all__ = ["read"]

_MODEL: Table = {
    1: ("ir_version", "int"),
    2: ("producer_name", "bytes"),
    3: ("producer_version", "bytes"),
    4: ("domain", "bytes"),
    5: ("model_version", "int"),
    6: ("doc", "bytes"),
    7: ("graph", "span"),
    8: ("opsets", "SPAN"),
    14: ("metadata", "SPAN"),
    20: ("training", "SPAN"),
    25: ("functions", "SPAN"),
}
_OPSET: Table = {1: ("domain", "bytes"), 2: ("version", "int")}
_ENTRY: Table = {1: ("key", "bytes"), 2: ("value", "bytes")}
_GRAPH: Table = {
    1: ("nodes", "SPAN"),
    2: ("name", "bytes"),
    5: ("initializers", "SPAN"),
    10: ("doc", "bytes"),
    11: ("inputs", "SPAN"),
    12: ("outputs", "SPAN"),
    13: ("value_info", "SPAN"),
    15: ("sparse", "SPAN"),
    16: ("metadata", "SPAN"),
}
_NODE: Table = {
    1: ("inputs", "SPAN"),
    2: ("outputs", "SPAN"),
    3: ("name", "bytes"),
    4: ("op", "bytes"),
    5: ("attributes", "SPAN"),
    6: ("doc", "bytes"),
    7: ("domain", "bytes"),
    8: ("overload", "bytes"),
    9: ("metadata", "SPAN"),
}
_ATTRIBUTE: Table = {
    1: ("name", "bytes"),
    2: ("f", "float"),
    3: ("i", "int"),
    4: ("s", "bytes"),
    5: ("t", "span"),
    6: ("g", "span"),
    7: ("floats", "FLOAT"),
    8: ("ints", "INT"),
    9: ("strings", "SPAN"),
    10: ("tensors", "SPAN"),
    11: ("graphs", "SPAN"),
    14: ("tp", "span"),
    15: ("type_protos", "SPAN"),
    20: ("type", "int"),
    21: ("reference", "bytes"),
    22: ("sparse_tensor", "span"),
    23: ("sparse_tensors", "SPAN"),
}
# The code of a kind of attribute: its name here, and the field that holds the value.
_KINDS = {
    1: ("float", "f"),
    2: ("int", "i"),
    3: ("string", "s"),
    4: ("tensor", "t"),
    5: ("graph", "g"),
    6: ("floats", "floats"),
    7: ("ints", "ints"),
    8: ("strings", "strings"),
    9: ("tensors", "tensors"),
    10: ("graphs", "graphs"),
    11: ("sparse_tensor", "sparse_tensor"),
    12: ("sparse_tensors", "sparse_tensors"),
    13: ("type", "tp"),
    14: ("types", "type_protos"),
}
_TENSOR: Table = {
    1: ("dims", "INT"),
    2: ("dtype", "int"),
    3: ("segment", "SPAN"),
    4: ("float_data", "CHUNK"),
    5: ("int32_data", "CHUNK"),
    6: ("string_data", "CHUNK"),
    7: ("int64_data", "CHUNK"),
    8: ("name", "bytes"),
    9: ("raw", "bytes"),
    10: ("double_data", "CHUNK"),
    11: ("uint64_data", "CHUNK"),
    12: ("doc", "bytes"),
    13: ("external", "SPAN"),
    14: ("location", "int"),
    16: ("metadata", "SPAN"),
}
_LISTS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_SPARSE: Table = {1: ("values", "span"), 2: ("indices", "span"), 3: ("dims", "INT")}
_VALUE: Table = {1: ("name", "bytes"), 2: ("type", "span"), 3: ("doc", "bytes"), 4: ("metadata", "SPAN")}
_TYPE: Table = {
    1: ("tensor", "span"),
    4: ("sequence", "span"),
    5: ("map", "span"),
    7: ("opaque", "span"),
    8: ("sparse", "span"),
    9: ("optional", "span"),
}
_TENSOR_TYPE: Table = {1: ("dtype", "int"), 2: ("shape", "span")}
_ELEMENT: Table = {1: ("element", "span")}
_SHAPE: Table = {1: ("dims", "SPAN")}
_DIM: Table = {1: ("value", "int"), 2: ("symbol", "bytes")}
_FUNCTION: Table = {
    1: ("name", "bytes"),
    4: ("inputs", "SPAN"),
    5: ("outputs", "SPAN"),
    6: ("attributes", "SPAN"),
    7: ("nodes", "SPAN"),
    8: ("doc", "bytes"),
    9: ("opsets", "SPAN"),
    10: ("domain", "bytes"),
    11: ("defaults", "SPAN"),
    13: ("overload", "bytes"),
}


def read(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, limits: Limits | None = None
) -> Model:
    """The model in a file, or in bytes that were read already.

    Weights are not read: each ``Tensor.numpy`` maps them when it is called. Raises ``InvalidModelError`` for
    what is not a model, ``ResourceLimitError`` for one beyond the limits, ``FileError`` for what cannot be
    read.

    >>> import pg_onnx
    >>> pg_onnx.read(b"\\x08")
    Traceback (most recent call last):
        ...
    pg_onnx.errors.InvalidModelError: byte 1: a number is truncated or longer than 64 bits
    """
    limits = limits or Limits()
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = memoryview(source).cast("B")
        if len(data) > limits.max_file_bytes:
            raise ResourceLimitError(f"the model has {len(data)} bytes", "max_file_bytes")
        return _Parser(data, limits, Directory(None)).model(None)
    path = os.fspath(source)
    try:
        data = _map_file(path, limits)
        return _Parser(data, limits, Directory(os.path.dirname(os.path.abspath(path)))).model(path)
    except InvalidModelError as error:
        raise InvalidModelError(f"{path}: {error}") from None


def _map_file(path: str, limits: Limits) -> memoryview:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{path}: {reason}") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise FileError(f"{path}: not a regular file")
        if found.st_size > limits.max_file_bytes:
            raise ResourceLimitError(f"{path}: {found.st_size} bytes", "max_file_bytes")
        if found.st_size == 0:
            raise InvalidModelError("the file is empty")
        return memoryview(mmap.mmap(handle, found.st_size, access=mmap.ACCESS_READ))
    finally:
        os.close(handle)


class _Parser:
    def __init__(self, data: memoryview, limits: Limits, directory: Directory) -> None:
        self.wire = Wire(data)
        self.limits = limits
        self.directory = directory
        self.nodes = self.tensors = 0

    # ---- parts of all messages

    def text(self, found: dict[str, Any], name: str, what: str) -> str:
        span = found.get(name)
        if span is None:
            return ""
        limit = self.wire.data.nbytes if name in ("doc", "value") else self.limits.max_name_bytes
        return self.wire.text(span, f"{name} of {what}", limit)

    def texts(self, spans: list[Span], what: str) -> tuple[str, ...]:
        return tuple(self.wire.text(span, what, self.limits.max_name_bytes) for span in spans)

    def entries(self, spans: list[Span], what: str) -> dict[str, str]:
        made = {}
        for span in spans:
            found = self.wire.message(span, _ENTRY, what)
            made[self.text(found, "key", what)] = self.text(found, "value", what)
        return made

    def deeper(self, depth: int) -> int:
        if depth >= self.limits.max_depth:
            raise ResourceLimitError(f"graphs or types nested deeper than {depth}", "max_depth")
        return depth + 1

    # ---- messages

    def model(self, path: str | None) -> Model:
        data = self.wire.data
        found = self.wire.message((0, len(data)), _MODEL, "the model")
        if "graph" not in found:
            raise InvalidModelError("not an ONNX model: it has no graph")
        functions: dict[tuple[str, str, str], Function] = {}
        for span in found.get("functions", []):
            function = self.function(span)
            if function.key in functions:
                raise InvalidModelError(f"the function {function.name!r} is defined twice")
            functions[function.key] = function
        return Model(
            graph=self.graph(found["graph"], 0),
            opsets=self.opsets(found.get("opsets", [])),
            ir_version=found.get("ir_version", 0),
            functions=functions,
            producer_name=self.text(found, "producer_name", "the model"),
            producer_version=self.text(found, "producer_version", "the model"),
            domain=self.text(found, "domain", "the model"),
            model_version=found.get("model_version", 0),
            doc=self.text(found, "doc", "the model"),
            metadata=self.entries(found.get("metadata", []), "the model's metadata"),
            has_training_info="training" in found,
            path=path,
            file_bytes=len(data),
            data=data,
        )

    def opsets(self, spans: list[Span]) -> dict[str, int]:
        made: dict[str, int] = {}
        for span in spans:
            found = self.wire.message(span, _OPSET, "an opset import")
            domain = self.text(found, "domain", "an opset import")
            domain = "" if domain == "ai.onnx" else domain
            version = found.get("version", 0)
            if made.setdefault(domain, version) != version:
                raise InvalidModelError(f"domain {domain!r} is imported with two versions")
        return made

    def graph(self, span: Span, depth: int) -> Graph:
        depth = self.deeper(depth)
        found = self.wire.message(span, _GRAPH, "a graph")
        return Graph(
            nodes=tuple(self.node(s, depth) for s in found.get("nodes", [])),
            inputs=tuple(self.value(s) for s in found.get("inputs", [])),
            outputs=tuple(self.value(s) for s in found.get("outputs", [])),
            initializers=tuple(self.tensor(s) for s in found.get("initializers", [])),
            sparse_initializers=tuple(self.sparse(s) for s in found.get("sparse", [])),
            value_info=tuple(self.value(s) for s in found.get("value_info", [])),
            name=self.text(found, "name", "a graph"),
            doc=self.text(found, "doc", "a graph"),
            metadata=self.entries(found.get("metadata", []), "a graph's metadata"),
        )

    def node(self, span: Span, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            raise ResourceLimitError(f"more than {self.limits.max_nodes} nodes", "max_nodes")
        found = self.wire.message(span, _NODE, "a node")
        attributes: dict[str, Attribute] = {}
        name = self.text(found, "name", "a node")
        op = self.text(found, "op", "a node")
        if not op:
            raise InvalidModelError(f"node {name!r} names no operator")
        for s in found.get("attributes", []):
            attribute = self.attribute(s, depth)
            if attribute.name in attributes:
                raise InvalidModelError(f"node {name!r} ({op}): attribute {attribute.name!r} is given twice")
            attributes[attribute.name] = attribute
        domain = self.text(found, "domain", "a node")
        return Node(
            op=op,
            inputs=self.texts(found.get("inputs", []), "an input's name"),
            outputs=self.texts(found.get("outputs", []), "an output's name"),
            attributes=attributes,
            name=name,
            domain="" if domain == "ai.onnx" else domain,
            overload=self.text(found, "overload", "a node"),
            doc=self.text(found, "doc", "a node"),
            metadata=self.entries(found.get("metadata", []), "a node's metadata"),
        )

    def attribute(self, span: Span, depth: int) -> Attribute:
        found = self.wire.message(span, _ATTRIBUTE, "an attribute")
        name = self.text(found, "name", "an attribute")
        reference = self.text(found, "reference", "an attribute")
        code = found.get("type", 0)
        if code == 0:  # files of the first version state no kind
            code = next((c for c, (_, key) in _KINDS.items() if key in found), 0)
        if code not in _KINDS:
            raise InvalidModelError(f"attribute {name!r} has the unknown kind {code}")
        kind, key = _KINDS[code]
        if reference:
            return Attribute(name, kind, None, reference)
        return Attribute(name, kind, self.attribute_value(kind, found.get(key), name, depth))

    def attribute_value(self, kind: str, held: Any, name: str, depth: int) -> Any:
        if kind in ("float", "int"):
            return held if held is not None else (0.0 if kind == "float" else 0)
        if kind in ("floats", "ints"):
            return tuple(held or ())
        if kind == "string":
            return self.wire.raw(held) if held is not None else b""
        if kind == "strings":
            return tuple(self.wire.raw(span) for span in held or ())
        one: Any = {
            "tensor": self.tensor,
            "graph": lambda span: self.graph(span, depth),
            "sparse_tensor": self.sparse,
            "type": lambda span: self.type(span, depth),
        }[kind.removesuffix("s")]
        if kind.endswith("s"):
            return tuple(one(span) for span in held or ())
        if held is None:
            raise InvalidModelError(f"attribute {name!r} of kind {kind} has no value")
        return one(held)

    def tensor(self, span: Span) -> Tensor:
        self.tensors += 1
        if self.tensors > self.limits.max_tensors:
            raise ResourceLimitError(f"more than {self.limits.max_tensors} tensors", "max_tensors")
        found = self.wire.message(span, _TENSOR, "a tensor")
        name = self.text(found, "name", "a tensor")
        if "segment" in found:
            raise InvalidModelError(f"tensor {name!r} is stored in segments")
        external = None
        if found.get("location", 0) == 1:
            external = self.external(found.get("external", []), name)
        tensor = Tensor(
            name=name,
            dtype=found.get("dtype", 0),
            dims=tuple(found.get("dims", [])),
            wire=self.wire,
            raw=found.get("raw"),
            lists={key: found[key] for key in _LISTS if key in found},
            external=external,
            directory=self.directory,
            doc=self.text(found, "doc", "a tensor"),
            metadata=self.entries(found.get("metadata", []), "a tensor's metadata"),
        )
        tensor.check()
        if tensor.size > self.limits.max_elements:
            raise ResourceLimitError(f"tensor {name!r} has {tensor.size} elements", "max_elements")
        return tensor

    def external(self, spans: list[Span], name: str) -> External:
        given = self.entries(spans, "external data")
        numbers: dict[str, int | None] = {"offset": 0, "length": None}
        for key in numbers:
            if key in given:
                if not given[key].isascii() or not given[key].isdigit() or len(given[key]) > 18:
                    raise InvalidModelError(f"tensor {name!r}: {key} {given[key]!r} of external data")
                numbers[key] = int(given[key])
        return External(given.get("location", ""), numbers["offset"] or 0, numbers["length"])

    def sparse(self, span: Span) -> SparseTensor:
        found = self.wire.message(span, _SPARSE, "a sparse tensor")
        if "values" not in found or "indices" not in found:
            raise InvalidModelError("a sparse tensor lacks its values or indices")
        dims = tuple(found.get("dims", []))
        return SparseTensor(self.tensor(found["values"]), self.tensor(found["indices"]), dims)

    def value(self, span: Span) -> ValueInfo:
        found = self.wire.message(span, _VALUE, "a value")
        return ValueInfo(
            self.text(found, "name", "a value"),
            self.type(found["type"], 0) if "type" in found else None,
            self.text(found, "doc", "a value"),
            self.entries(found.get("metadata", []), "a value's metadata"),
        )

    def type(self, span: Span, depth: int) -> Type:
        depth = self.deeper(depth)
        found = self.wire.message(span, _TYPE, "a type")
        if len(found) > 1:
            raise InvalidModelError(f"a type is both {' and '.join(found)}")
        for kind, inner in found.items():
            if kind == "tensor":
                return self.tensor_type(inner)
            if kind in ("sequence", "optional"):
                held = self.wire.message(inner, _ELEMENT, "a type")
                element = self.type(held["element"], depth) if "element" in held else None
                return SequenceType(element) if kind == "sequence" else OptionalType(element)
            return OpaqueType({"sparse": "sparse_tensor"}.get(kind, kind))
        return None

    def tensor_type(self, span: Span) -> TensorType:
        found = self.wire.message(span, _TENSOR_TYPE, "a tensor's type")
        if "shape" not in found:
            return TensorType(found.get("dtype", 0))
        dims: list[Dim] = []
        for s in self.wire.message(found["shape"], _SHAPE, "a shape").get("dims", []):
            dim = self.wire.message(s, _DIM, "an extent")
            symbol = self.text(dim, "symbol", "an extent")
            dims.append(dim.get("value", symbol or None))
        return TensorType(found.get("dtype", 0), tuple(dims))

    def function(self, span: Span) -> Function:
        found = self.wire.message(span, _FUNCTION, "a function")
        defaults = [self.attribute(s, 0) for s in found.get("defaults", [])]
        domain = self.text(found, "domain", "a function")
        return Function(
            domain="" if domain == "ai.onnx" else domain,
            name=self.text(found, "name", "a function"),
            overload=self.text(found, "overload", "a function"),
            inputs=self.texts(found.get("inputs", []), "an input's name"),
            outputs=self.texts(found.get("outputs", []), "an output's name"),
            attributes=self.texts(found.get("attributes", []), "an attribute's name"),
            defaults={attribute.name: attribute for attribute in defaults},
            nodes=tuple(self.node(s, 0) for s in found.get("nodes", [])),
            opsets=self.opsets(found.get("opsets", [])),
            doc=self.text(found, "doc", "a function"),
        )
