"""Writes nodes: fresh names, constants, shapes as values, bodies of control flow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import pequegrad as pg
from onnx import TensorProto, helper, numpy_helper

from .parts import Refused, Value
from .sizes import Extent, Extents, Size, Symbols, count_of

ONNX_TYPES = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


def onnx_type(kind: pg.dt.DType) -> int:
    """The element type in ONNX's numbering."""
    if kind.name not in ONNX_TYPES:
        raise Refused(f"{kind.name} has no counterpart in ONNX's operators")
    return ONNX_TYPES[kind.name]


class Builder:
    """The graph that is being written, and the sub-graph in it that new nodes go to.

    >>> b = Builder(20, Symbols())
    >>> b.op("Relu", ["x"]), b.op("Relu", ["x"]), [node.name for node in b.nodes]
    ('Relu_0', 'Relu_1', ['Relu_0', 'Relu_1'])
    """

    def __init__(self, opset: int, symbols: Symbols) -> None:
        self.opset, self.symbols = opset, symbols
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.taken: set[str] = set()
        self.where = ""  # the line of Python that the next nodes come from
        self._counts: dict[str, int] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._shapes: dict[tuple[Extent, ...], str] = {}  # of the innermost scope
        self.made: dict[tuple[Any, ...], str] = {}  # what was derived from a value in the innermost scope

    # ---- names and nodes

    def fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        while True:
            count = self._counts.get(stem, 0)
            self._counts[stem] = count + 1
            name = f"{stem}_{count}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    def claim(self, wanted: str) -> str:
        """The name wanted, or one like it where that is taken."""
        if wanted and wanted not in self.taken:
            self.taken.add(wanted)
            return wanted
        return self.fresh(wanted or "value")

    def op(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node with one result, whose name is returned."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """A node with several results."""
        name = self.fresh(kind)
        outputs = [name, *(self.claim(f"{name}_{i}") for i in range(1, results))]
        node = helper.make_node(kind, inputs, outputs, name=name, **attributes)
        if self.where:
            node.doc_string = self.where
        self.nodes.append(node)
        return outputs

    def since(self, opset: int, what: str) -> None:
        """Refuses what the opset of the file does not have."""
        if self.opset < opset:
            raise Refused(f"{what} needs opset {opset} or newer, the file has {self.opset}")

    # ---- constants

    def constant(self, value: Any, kind: pg.dt.DType | str | None = None) -> str:
        """An initializer without a name of its own; equal ones are one."""
        if kind is None:
            array = np.asarray(value)
        else:
            name = kind if isinstance(kind, str) else kind.name
            if not isinstance(kind, str):
                onnx_type(kind)
            dtype = helper.tensor_dtype_to_np_dtype(ONNX_TYPES[name])
            with np.errstate(over="ignore"):  # a float16 literal may be an infinity
                array = np.asarray(value).astype(dtype)
        key = (array.dtype.str + array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.initializer("constant", array)
        return self._constants[key]

    def initializer(self, wanted: str, array: np.ndarray) -> str:
        """An initializer, named as wanted where that is free."""
        name = self.fresh(wanted) if wanted == "constant" else self.claim(wanted)
        self.initializers[name] = array
        return name

    def ints(self, values: Sequence[int]) -> str:
        """A list of numbers as a value: axes, starts, pads."""
        return self.constant(np.asarray(values, np.int64).reshape(len(values)))

    # ---- shapes

    def shape(self, extents: Sequence[Extent]) -> str:
        """A shape as a value; extents that depend on open sizes are computed from those of the inputs."""
        if not any(isinstance(n, Size) for n in extents):
            return self.ints([int(n) for n in extents if isinstance(n, int)])
        key = tuple(extents)
        if key not in self._shapes:
            parts: list[str] = []
            run: list[int] = []
            for extent in extents:
                if isinstance(extent, Size):
                    if run:
                        parts.append(self.ints(run))
                        run = []
                    parts.append(self._size(extent))
                else:
                    run.append(extent)
            if run:
                parts.append(self.ints(run))
            self._shapes[key] = parts[0] if len(parts) == 1 else self.op("Concat", parts, axis=0)
        return self._shapes[key]

    def _size(self, size: Size) -> str:
        """One open extent as an int64 of shape (1,)."""
        if (size,) in self._shapes:
            return self._shapes[size,]
        products, offset = self.symbols.term(size)
        out = ""
        for factor, names in products:
            made = ""
            for symbol in names:
                shape = self.op("Shape", [symbol.input])
                part = self.op("Gather", [shape, self.ints([symbol.axis])], axis=0)
                made = self.op("Mul", [made, part]) if made else part
            if factor != 1:
                made = self.op("Mul", [made, self.ints([factor])])
            out = self.op("Add", [out, made]) if out else made
        if offset:
            out = self.op("Add", [out, self.ints([offset])])
        self._shapes[size,] = out
        return out

    def scalar_size(self, size: Size) -> str:
        """One open extent as an int64 without axes."""
        return self.op("Squeeze", [self._size(size), self.ints([0])])

    def reshape(self, name: str, have: Extents, shape: Extents) -> str:
        """The array under another shape. One open extent is left to ONNX to find; extents that stay where
        they are need no name either.
        """
        key = ("reshape", name, shape)
        if key not in self.made:
            if have == shape:
                self.made[key] = name
            else:
                self.made[key] = self.op("Reshape", [name, self._target(have, shape)])
        return self.made[key]

    def _target(self, have: Extents, shape: Extents) -> str:
        wanted: list[Extent] = list(shape)
        empty = any(n == 0 for n in shape)
        for i, extent in enumerate(shape):
            if isinstance(extent, Size) and i < len(have) and have[i] == extent and not empty:
                wanted[i] = 0  # the extent of the operand at this place
        left = [i for i, extent in enumerate(wanted) if isinstance(extent, Size)]
        if len(left) == 1 and not empty:
            wanted[left[0]] = -1
        elif left:
            wanted = list(shape)
        return self.shape(wanted)

    def full(self, value: Value) -> str:
        """The name of the value with all its elements there."""
        if value.have == value.shape:
            return value.name
        if count_of(value.have) == count_of(value.shape):  # only axes of extent 1 are missing
            return self.reshape(value.name, value.have, value.shape)
        key = ("expand", value.name, value.shape)
        if key not in self.made:
            self.made[key] = self.op("Expand", [value.name, self.shape(value.shape)])
        return self.made[key]

    def cast(self, name: str, kind: pg.dt.DType | str) -> str:
        """The values in another dtype."""
        dtype = ONNX_TYPES[kind] if isinstance(kind, str) else onnx_type(kind)
        return self.op("Cast", [name], to=dtype)

    # ---- bodies

    @contextlib.contextmanager
    def body(self) -> Iterator[list[onnx.NodeProto]]:
        """New nodes go to a sub-graph, which reads names from outside; nobody outside reads its own."""
        outer = self.nodes, self._shapes, self.made
        self.nodes, self._shapes, self.made = [], dict(self._shapes), dict(self.made)
        try:
            yield self.nodes
        finally:
            self.nodes, self._shapes, self.made = outer

    def value_info(self, name: str, kind: pg.dt.DType, shape: Sequence[Extent]) -> onnx.ValueInfoProto:
        """The declared type of an input or output; open sizes by their names."""
        dims = [n if isinstance(n, int) else self.symbols.name(n) for n in shape]
        return helper.make_tensor_value_info(name, onnx_type(kind), dims)

    def tensors(self) -> list[onnx.TensorProto]:
        """All initializers."""
        return [numpy_helper.from_array(a, name) for name, a in self.initializers.items()]
