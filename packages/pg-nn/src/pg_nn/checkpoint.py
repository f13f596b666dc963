"""Checkpoints: safetensors files, written so that a crash or a full disk leaves the previous one readable."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pequegrad as pg
import safetensors
from pequegrad import Tensor

from .errors import (
    CheckpointDamagedError,
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointWriteError,
    StateDictError,
)

__all__ = ["load_checkpoint", "load_safetensors", "save_checkpoint", "save_safetensors"]

# Names of dtypes in the header of a file.
_TYPES = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
_NAMES = {code: name for name, code in _TYPES.items()}


class Stateful(Protocol):
    """Anything with a state: modules and optimizers."""

    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> Any: ...


def save_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors and short texts into one safetensors file, all or nothing.

    >>> import tempfile, pequegrad as pg, pg_nn as nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_safetensors(f"{folder}/weights.safetensors", {"w": pg.ones((2,))}, {"note": "first"})
    ...     tensors, texts = nn.load_safetensors(f"{folder}/weights.safetensors")
    >>> tensors["w"].numpy(), texts
    (array([1., 1.], dtype=float32), {'note': 'first'})
    """
    wrong = [name for name, tensor in tensors.items() if not isinstance(tensor, Tensor)]
    if wrong:
        raise CheckpointError(f"save_safetensors: not tensors: {', '.join(wrong)}")
    wrong = [
        f"{name} ({tensor.dtype})" for name, tensor in tensors.items() if str(tensor.dtype) not in _TYPES
    ]
    if wrong:
        raise CheckpointError(
            f"save_safetensors: the format has no dtype for {', '.join(wrong)}; save the real and imaginary "
            "parts by themselves"
        )
    _replace_file(Path(path), _serialized(tensors, metadata or {}))


def _serialized(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The file format: length of the header, header, data."""
    # By hand, because the call of the safetensors package differs between its versions; the format does not.
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    chunks, end = [], 0
    # Large elements first, so that every tensor is aligned for its dtype.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        data = _little_endian(tensor)
        header[name] = {
            "dtype": _TYPES[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + len(data)],
        }
        chunks.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and texts of a safetensors file, checked before anything is returned."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"there is no checkpoint at {path}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    try:
        entries = safetensors.deserialize(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointDamagedError(f"{path} is damaged or is not a safetensors file ({error})") from error
    tensors = {}
    for name, entry in sorted(entries):
        if entry["dtype"] not in _NAMES:
            raise CheckpointDamagedError(
                f"{path}: tensor {name!r} has dtype {entry['dtype']}, which pequegrad does not have"
            )
        tensors[name] = _from_bytes(bytes(entry["data"]), _NAMES[entry["dtype"]], entry["shape"])
    return tensors, header.get("__metadata__", {})


def save_checkpoint(
    path: str | os.PathLike[str], parts: Mapping[str, Stateful], info: Mapping[str, Any] | None = None
) -> None:
    """Write the states of several objects, and JSON-able `info`, into one file, all or nothing.

    >>> import tempfile, pg_nn as nn
    >>> model = nn.Linear(2, 1)
    >>> optimizer = nn.SGD(model, lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_checkpoint(f"{folder}/last", {"model": model, "optimizer": optimizer}, {"epoch": 3})
    ...     nn.load_checkpoint(f"{folder}/last", {"model": model, "optimizer": optimizer})
    {'epoch': 3}
    """
    tensors = {f"{part}.{name}": t for part, owner in parts.items() for name, t in owner.state_dict().items()}
    try:
        text = json.dumps(dict(info or {}))
    except TypeError as error:
        raise CheckpointError(f"save_checkpoint: info must be JSON-able: {error}") from error
    save_safetensors(path, tensors, {"parts": json.dumps(list(parts)), "info": text})


def load_checkpoint(path: str | os.PathLike[str], parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into the same parts, all or nothing, and return its `info`."""
    tensors, texts = load_safetensors(path)
    try:
        saved, info = json.loads(texts["parts"]), json.loads(texts["info"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} was not written by save_checkpoint; use load_safetensors and load_state_dict"
        ) from error
    if sorted(saved) != sorted(parts):
        raise StateDictError(f"{path} holds the parts {sorted(saved)}, but {sorted(parts)} were asked for")
    states = {
        part: {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}
        for part in parts
    }
    before = {part: owner.state_dict() for part, owner in parts.items()}
    try:
        for part, owner in parts.items():
            owner.load_state_dict(states[part])
    except StateDictError as error:
        for part, owner in parts.items():
            owner.load_state_dict(before[part])
        raise StateDictError(f"{path} does not fit: {error}") from error
    return info


def _little_endian(tensor: Tensor) -> bytes:
    if tensor.dtype == pg.dt.bfloat16:
        # The upper half of the float32 of the same value; NumPy has no bfloat16.
        return (tensor.astype(pg.dt.float32).numpy().view(np.uint32) >> 16).astype("<u2").tobytes()
    array = np.ascontiguousarray(tensor.numpy())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _from_bytes(data: bytes, name: str, shape: list[int]) -> Tensor:
    if name == "bfloat16":
        bits = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return pg.Tensor(bits.view(np.float32).reshape(shape)).astype(pg.dt.bfloat16).eval()
    return pg.Tensor(np.frombuffer(data, np.dtype(name).newbyteorder("<")).astype(name).reshape(shape))


def _replace_file(path: Path, data: bytes) -> None:
    """Write `data` beside `path` and rename it, so that at every moment `path` is the old or the new file."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a checkpoint gets the mode that open() would have given it.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointWriteError(
            error.errno,
            f"cannot write the checkpoint {path}: {error.strerror or error}; what was there is unchanged",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
