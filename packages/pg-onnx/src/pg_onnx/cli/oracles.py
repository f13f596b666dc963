"""Other runtimes that a model is compared with."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from ..errors import UnsupportedError, clean
from ..exporting import again
from ..reader import Model


class Oracle:
    """A model in another runtime; values inside of it can be asked for."""

    name = ""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.proto = proto
        self._run = self._prepare(proto)

    def run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name."""
        return self._outputs(self._run, arrays, [o.name for o in self.proto.graph.output])

    def values(self, arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values inside of the graph by name."""
        other = onnx.ModelProto()
        other.CopyFrom(self.proto)
        del other.graph.output[:]
        other.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        return self._outputs(self._prepare(other), arrays, names)

    def _prepare(self, proto: onnx.ModelProto) -> Any:
        raise NotImplementedError

    def _outputs(
        self, run: Any, arrays: Mapping[str, np.ndarray], names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        try:
            found = run.run(list(names), dict(arrays))
        except Exception as error:  # of another library, of any class
            raise UnsupportedError(f"{self.name} does not run the model: {_short(error)}") from None
        return {name: np.asarray(value) for name, value in zip(names, found, strict=True)}


def _short(error: Exception) -> str:
    return clean(str(error).strip().split("\n")[0])[:300]


class OnnxRuntime(Oracle):
    """onnxruntime on the CPU, without its optimisations, which rename values."""

    name = "onnxruntime"

    def _prepare(self, proto: onnx.ModelProto) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return ort.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of another library, of any class
            raise UnsupportedError(f"onnxruntime does not load the model: {_short(error)}") from None


class Reference(Oracle):
    """The evaluator of the onnx package."""

    name = "the reference evaluator"

    def _prepare(self, proto: onnx.ModelProto) -> Any:
        from onnx.reference import ReferenceEvaluator

        try:
            return ReferenceEvaluator(proto)
        except Exception as error:  # of another library, of any class
            raise UnsupportedError(f"{self.name} does not load the model: {_short(error)}") from None


def oracle_for(options: argparse.Namespace, model: Model) -> Oracle:
    """The runtime asked for, or the first that is installed and takes the model."""
    proto = _proto_of(model)
    if options.against == "reference":
        return Reference(proto)
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        if options.against == "onnxruntime":
            raise UnsupportedError("onnxruntime is not installed; pip install onnxruntime") from None
        return Reference(proto)
    try:
        return OnnxRuntime(proto)
    except UnsupportedError:
        if options.against == "onnxruntime":
            raise
        return Reference(proto)


def _proto_of(model: Model) -> onnx.ModelProto:
    """The model as the onnx package has it, with all its weights."""
    proto = again.proto_of(model)
    if proto.ByteSize() > 2**31 - 1:
        raise UnsupportedError(
            "with its weights the model exceeds the 2 GiB that other runtimes take at once"
        )
    return proto
