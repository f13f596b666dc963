"""Small models for tests, made with the onnx package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
import onnx.numpy_helper as onh
from onnx import TensorProto

F, I64, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def info(name: str, kind: int = F, shape: Sequence[Any] | None = None) -> onnx.ValueInfoProto:
    return oh.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs=("x",), outputs=("y",), weights: dict[str, Any] | None = None) -> onnx.GraphProto:
    """Names alone are float tensors of any shape."""
    made = [
        onh.from_array(np.asarray(w) if not isinstance(w, np.ndarray) else w, name)
        for name, w in (weights or {}).items()
    ]
    sides = [[v if not isinstance(v, str) else info(v) for v in side] for side in (inputs, outputs)]
    return oh.make_graph(list(nodes), "g", *sides, made)


def model(
    nodes, inputs=("x",), outputs=("y",), weights=None, opset: int = 17, functions=(), domains=()
) -> bytes:
    imports = [oh.make_opsetid("", opset), *(oh.make_opsetid(d, 1) for d in domains)]
    return oh.make_model(
        graph(nodes, inputs, outputs, weights), opset_imports=imports, functions=list(functions)
    ).SerializeToString()


node = oh.make_node
