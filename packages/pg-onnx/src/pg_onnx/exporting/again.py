"""An imported model written again: the file as it was, with the numbers that changed."""

from __future__ import annotations

import numpy as np
import onnx
import pequegrad as pg
from onnx import numpy_helper

from ..errors import UnsupportedError, UsageError
from ..importer import OnnxModule
from ..reader import Model, Tensor

__all__ = ["proto_of", "rewritten"]


def proto_of(model: Model) -> onnx.ModelProto:
    """The model as the onnx package has it, weights of other files included."""
    if model.data is None:
        raise UsageError(
            "export: the model was not read from a file or bytes; export a function that calls it"
        )
    proto = onnx.ModelProto()
    proto.ParseFromString(model.data)
    for weight, tensor in zip(proto.graph.initializer, model.graph.initializers, strict=True):
        if tensor.external is not None:
            weight.raw_data = bytes(tensor.raw_bytes())
            del weight.external_data[:]
            weight.ClearField("data_location")
    return proto


def rewritten(module: OnnxModule) -> onnx.ModelProto:
    """The file of an imported module with its present parameters and buffers. Names, metadata, and the bytes
    of every initializer that did not change stay as they are.
    """
    model = module.onnx_model
    proto = proto_of(model)
    weights = {w.name: w for w in proto.graph.initializer}
    constants = {
        node.output[0]: attribute.t
        for node in proto.graph.node
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx")
        for attribute in node.attribute
        if attribute.name == "value"
    }
    before = {t.name: t for t in model.graph.initializers}
    state = module.state_dict()
    for path, name in module.initializer_names.items():
        place = weights.get(name, constants.get(name))
        if path not in state:
            continue
        if place is None:
            if name in before:
                raise UnsupportedError(f"export: {name!r} is stored in a form that cannot be written again")
            continue  # of a function that was inlined: a constant of the file's code
        _put(place, before.get(name), state[path])
    return proto


def _put(place: onnx.TensorProto, before: Tensor | None, value: pg.Tensor) -> None:
    array = value.numpy()
    old = before.numpy() if before is not None else numpy_helper.to_array(place)
    if array.dtype.name == "bfloat16":
        array, old = array.view(np.uint16), np.asarray(old).view(np.uint16)
    if array.shape != old.shape:
        raise UsageError(f"export: {place.name!r} had shape {old.shape}, has {array.shape}")
    if array.dtype == old.dtype and array.tobytes() == old.tobytes():
        return
    made = numpy_helper.from_array(value.numpy(), place.name)
    for name in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
        place.ClearField(name)
    place.raw_data, place.data_type = made.raw_data, made.data_type
