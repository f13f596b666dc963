"""Writing a model: complete or not at all, its weights beside it where they are too many."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from .errors import FileError, UsageError

if TYPE_CHECKING:
    import onnx

EXTERNAL_FROM = 1536 * 2**20  # bytes of weights; a protobuf message cannot exceed 2 GiB
_ALIGNMENT = 4096  # of weights that are mapped
_SMALLEST_EXTERNAL = 1024  # bytes; smaller weights stay in the file


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``path`` when it was written to the end.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder, "a.bin")
    ...     with replacing(target) as file:
    ...         _ = file.write(b"all")
    ...     target.read_bytes(), [p.name for p in pathlib.Path(folder).iterdir()]
    (b'all', ['a.bin'])
    """
    target = Path(path)
    if not overwrite and target.exists():
        raise FileError(
            f"{target} exists; name another file, or allow to replace it (--force, overwrite=True)"
        )
    if target.is_dir():
        raise FileError(f"{target} is a folder; name a file")
    try:
        handle = tempfile.NamedTemporaryFile(  # noqa: SIM115
            dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
        )
    except OSError as error:
        raise FileError(f"{target}: {error.strerror or error}") from None
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(handle.name, 0o666 & ~_umask())
        os.replace(handle.name, target)
    except OSError as error:
        raise FileError(f"{target}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(handle.name)


def write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays by name, as NumPy's archive of them; the names may be those of any parameter of ``savez``."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def write_model(
    model: onnx.ModelProto,
    path: str | os.PathLike[str],
    *,
    external_data: bool | None = None,
    overwrite: bool = True,
) -> None:
    """Write a model; with external data its larger weights go to ``<path>.data``, which comes first, so that
    there is never a model without its weights.
    """
    target = Path(path)
    if not target.name:
        raise UsageError("export: the path names no file")
    total = sum(len(w.raw_data) for w in model.graph.initializer)
    if external_data or (external_data is None and total > EXTERNAL_FROM):
        beside = target.with_name(target.name + ".data")
        split = type(model)()
        split.CopyFrom(model)
        with replacing(beside, overwrite) as file:
            _move_weights(split, file, beside.name)
        model = split
    with replacing(target, overwrite) as file:
        file.write(model.SerializeToString(deterministic=True))


def _move_weights(model: onnx.ModelProto, file: IO[bytes], name: str) -> None:
    place = 0
    for weight in model.graph.initializer:
        if len(weight.raw_data) < _SMALLEST_EXTERNAL:
            continue
        gap = -place % _ALIGNMENT
        file.write(b"\0" * gap)
        place += gap
        file.write(weight.raw_data)
        for key, value in (("location", name), ("offset", place), ("length", len(weight.raw_data))):
            entry = weight.external_data.add()
            entry.key, entry.value = key, str(value)
        place += len(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = weight.EXTERNAL
