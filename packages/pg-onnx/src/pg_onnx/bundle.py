"""A model as a folder: the graph as readable JSON, the weights as safetensors, and their checksums.

``program.json`` is the model in protobuf's JSON form without its weights, ``model.safetensors`` holds these
by name, and ``manifest.json`` says the size and the SHA-256 of both.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pequegrad as pg
import pg_nn as nn
from google.protobuf import json_format
from onnx import numpy_helper

from .errors import FileError, InvalidModelError
from .reader import ELEMENT_TYPES

__all__ = ["read_bundle", "write_bundle"]

_FORMAT = 1
_FILES = ("program.json", "model.safetensors")
_ORIGIN = "in model.safetensors"


def write_bundle(model: onnx.ModelProto, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a model as a folder, complete or not at all.

    >>> import pathlib, tempfile, pg_onnx
    >>> model = pg_onnx.to_proto(lambda x: x + 1.0, pg.ones(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bundle(model, f"{folder}/m.pgm")
    ...     sorted(p.name for p in pathlib.Path(folder, "m.pgm").iterdir())
    ...     read_bundle(f"{folder}/m.pgm") == model
    ['manifest.json', 'model.safetensors', 'program.json']
    True
    """
    target = Path(path)
    if target.exists() and not (overwrite and (target / "manifest.json").is_file()):
        kind = "exists" if not overwrite else "is no folder of a model"
        raise FileError(f"{target} {kind}; name another folder")
    program = onnx.ModelProto()
    program.CopyFrom(model)
    tensors: dict[str, pg.Tensor] = {}
    for weight in program.graph.initializer:
        kind_of = ELEMENT_TYPES.get(weight.data_type)
        if kind_of is None or not kind_of.known or "complex" in kind_of.name:
            continue  # kept in the program
        array = numpy_helper.to_array(weight)
        tensors[weight.name] = pg.Tensor(np.ascontiguousarray(array).reshape(array.shape))
        for name in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
            weight.ClearField(name)
        entry = weight.external_data.add()
        entry.key, entry.value = "location", _ORIGIN
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise FileError(f"{target}: {error.strerror or error}") from None
    try:
        (part / "program.json").write_text(json_format.MessageToJson(program), encoding="utf-8")
        nn.save_safetensors(part / "model.safetensors", tensors)
        files = {name: _facts(part / name) for name in _FILES}
        (part / "manifest.json").write_text(json.dumps({"format": _FORMAT, "files": files}, indent=2))
        os.chmod(part, 0o755)
        if target.exists():
            shutil.rmtree(target)
        os.rename(part, target)
    except OSError as error:
        raise FileError(f"{target}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _facts(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_bundle(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a folder, after its checksums were compared."""
    folder = Path(path)
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name in _FILES:
            if manifest["format"] != _FORMAT or manifest["files"][name] != _facts(folder / name):
                raise InvalidModelError(f"{folder}: {name} is not what the manifest says")
        program = json_format.Parse((folder / "program.json").read_bytes(), onnx.ModelProto())
        tensors, _ = nn.load_safetensors(folder / "model.safetensors")
    except OSError as error:
        raise FileError(f"{folder}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, json_format.Error) as error:
        raise InvalidModelError(f"{folder}: {error}") from None
    for weight in program.graph.initializer:
        if [(e.key, e.value) for e in weight.external_data] == [("location", _ORIGIN)]:
            if weight.name not in tensors:
                raise InvalidModelError(f"{folder}: the weights lack {weight.name!r}")
            made = numpy_helper.from_array(tensors[weight.name].numpy(), weight.name)
            if list(made.dims) != list(weight.dims) or made.data_type != weight.data_type:
                raise InvalidModelError(f"{folder}: {weight.name!r} has another type in the weights")
            del weight.external_data[:]
            weight.raw_data = made.raw_data
    return program
