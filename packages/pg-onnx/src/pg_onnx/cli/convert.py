"""``pg-onnx convert``: a model in another form, chosen by the suffix of the output."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pequegrad as pg
import pg_nn as nn
from pg_nn.errors import CheckpointError

from ..errors import FileError, UnsupportedError, UsageError
from ..importer import OnnxModule, load
from ..reader import Model, TensorType, read
from ..values import from_file
from .common import Report, add_model, limits_of, read_model, true_inputs

HELP = "write a model as .onnx (other opset, external data), .pgm (a folder), or its weights as .safetensors"
EXAMPLE = "pg-onnx convert model.onnx -o model.pgm"
if TYPE_CHECKING:
    import onnx

_SUFFIXES = (".onnx", ".pgm", ".safetensors")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_model(sub)
    sub.add_argument("-o", "--output", required=True, metavar="OUT", help="ends in " + ", ".join(_SUFFIXES))
    sub.add_argument("--opset", type=int, metavar="N", help="write the operators of this opset (.onnx, .pgm)")
    sub.add_argument(
        "--external-data",
        choices=("auto", "yes", "no"),
        default="auto",
        help="weights in a file of their own (auto: from 1.5 GiB on)",
    )
    sub.add_argument("--force", action="store_true", help="replace what exists")


def execute(options: argparse.Namespace, report: Report) -> int:
    """Writes the output."""
    suffix = Path(options.output).suffix
    if suffix not in _SUFFIXES:
        raise UsageError(f"{options.output}: the output must end in {', '.join(_SUFFIXES)}")
    if options.opset is not None and suffix == ".safetensors":
        raise UsageError("--opset does not go with .safetensors, which holds weights only")
    model = _read(options)
    if suffix == ".safetensors":
        count = _write_weights(options, model)
        report.say(f"{options.output}: {count} tensors")
        report.data |= {"file": options.model, "output": options.output, "tensors": count}
        return 0
    from ..exporting.again import proto_of

    proto = proto_of(model) if options.opset is None else _another_opset(options, model)
    if suffix == ".onnx":
        from ..writing import write_model

        external = {"auto": None, "yes": True, "no": False}[options.external_data]
        write_model(proto, options.output, external_data=external, overwrite=options.force)
    else:
        from ..bundle import write_bundle

        write_bundle(proto, options.output, options.force)
    nodes = len(proto.graph.node)
    report.say(f"{options.output}: {nodes} nodes, {len(proto.graph.initializer)} initializers")
    report.data |= {"file": options.model, "output": options.output, "nodes": nodes}
    return 0


def _read(options: argparse.Namespace) -> Model:
    if not (options.model != "-" and Path(options.model).is_dir()):
        return read_model(options)
    from ..bundle import read_bundle

    return read(read_bundle(options.model).SerializeToString(), limits_of(options))


def _write_weights(options: argparse.Namespace, model: Model) -> int:
    if Path(options.output).exists() and not options.force:
        raise FileError(f"{options.output} exists; name another file, or replace it (--force)")
    tensors = {}
    for weight in model.graph.initializers:
        value = from_file(weight)
        tensors[weight.name] = value if isinstance(value, pg.Tensor) else pg.Tensor(value)
    try:
        nn.save_safetensors(options.output, tensors)
    except CheckpointError as error:
        raise FileError(str(error)) from None
    return len(tensors)


def _another_opset(options: argparse.Namespace, model: Model) -> onnx.ModelProto:
    """The model traced, and written in the operators of another opset."""
    from ..exporting import to_proto

    module = load(model, limits=limits_of(options))
    named = module.initializer_names
    names = {named[path]: tensor for path, tensor in _tensors(module).items() if path in named}
    infos = true_inputs(model)
    arguments, dynamic = [], {}
    for info in infos:
        if not isinstance(info.type, TensorType) or info.type.shape is None:
            raise UnsupportedError(
                f"input {info.name!r} is a {info.type}: only tensors of stated rank are traced"
            )
        arguments.append(_example(info.type))
        open_ = {i: d or f"{info.name}_{i}" for i, d in enumerate(info.type.shape) if not isinstance(d, int)}
        if open_:
            dynamic[info.name] = open_
    return to_proto(
        lambda *xs: module(*xs),
        tuple(arguments),
        opset=options.opset,
        dynamic=dynamic,
        input_names=[info.name for info in infos],
        output_names=[info.name for info in module.outputs],
        names=names,
        metadata=model.metadata,
    )


def _tensors(module: OnnxModule) -> dict[str, pg.Tensor]:
    return {**module.params_dict(), **module.buffers_dict()}


def _example(kind: TensorType) -> pg.Tensor:
    from ..reader import ELEMENT_TYPES

    assert kind.shape is not None
    found = ELEMENT_TYPES.get(kind.dtype)
    if found is None or not found.known:
        raise UnsupportedError(f"an input of element type {kind.dtype}")
    return pg.zeros([d if isinstance(d, int) else 2 for d in kind.shape], dtype=found.name)
