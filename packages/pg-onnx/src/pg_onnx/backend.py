"""pequegrad behind the interface of ``onnx.backend``, for the official test suite.

>>> import onnx, pg_onnx.backend
>>> node = onnx.helper.make_node("Relu", ["x"], ["y"])
>>> [y.tolist() for y in pg_onnx.backend.run_node(node, [np.array([-1.0, 2.0], np.float32)])]
[[0.0, 2.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, defs, helper
from onnx.backend.base import Backend, BackendRep
from pequegrad import Tensor

from .importer import OnnxModule, load

__all__ = ["PequegradBackend", "prepare", "run_model", "run_node", "supports_device"]


class PequegradRep(BackendRep):
    """A model that is ready to run."""

    def __init__(self, module: OnnxModule) -> None:
        self.module = module

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs for inputs in the order of the graph, as NumPy arrays."""
        values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        outs = self.module(*values)
        return tuple(_array(out) for out in (outs if isinstance(outs, tuple) else (outs,)))


def _array(value: Any) -> Any:
    if isinstance(value, list):
        return [_array(v) for v in value]
    return value.numpy() if isinstance(value, Tensor) else value


class PequegradBackend(Backend):
    """The interface's class methods; models are refused by ``pg_onnx.UnsupportedError``."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> PequegradRep:
        """Load a model."""
        return PequegradRep(load(model.SerializeToString()))

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Load a model and run it once."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one node of the newest operator set."""
        arrays = [np.asarray(value) for value in inputs]
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(node.input, arrays)
        ]
        outs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
        opset = helper.make_opsetid(node.domain, kwargs.get("opset", defs.onnx_opset_version()))
        model = helper.make_model(helper.make_graph([node], "node", infos, outs), opset_imports=[opset])
        return cls.run_model(model, arrays, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether a device is there: the processor always is."""
        return device.partition(":")[0] == "CPU"


prepare = PequegradBackend.prepare
run_model = PequegradBackend.run_model
run_node = PequegradBackend.run_node
supports_device = PequegradBackend.supports_device
