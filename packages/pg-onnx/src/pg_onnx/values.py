"""Values between the steps of a model: tensors, arrays known when the graph is traced, sequences, or nothing.

Shapes, sizes and small constants are NumPy arrays, and what is computed from them alone is computed by
NumPy while the graph is traced. Everything else is a tensor of pequegrad.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from .errors import InvalidModelError, UnsupportedError
from .reader import ELEMENT_TYPES
from .reader import Tensor as FileTensor

__all__ = ["Value", "as_float", "from_file", "host_of", "ints_of", "on_host", "tensor_of"]

Value = Any  # Tensor, np.ndarray, list of values, or None
_HOST_ELEMENTS = 4096  # a larger array is data rather than a shape, and left to pequegrad


def from_file(tensor: FileTensor) -> np.ndarray | Tensor:
    """A constant of a file as an array; bfloat16, which NumPy lacks, as a tensor."""
    array = tensor.numpy()
    if ELEMENT_TYPES[tensor.dtype].name == "bfloat16":
        bits = array.astype(np.uint32) << 16
        return pg.Tensor(bits.view(np.float32)).astype(pg.bfloat16).eval()
    return array


def as_float(value: Value, kind: DType | None) -> Value:
    """A constant (or an element type) of float32 as another floating type, anything else as it is."""
    if kind is None or isinstance(value, DType):
        return kind if kind is not None and value is pg.float32 else value
    if not isinstance(value, (np.ndarray, Tensor)) or value.dtype != np.float32:
        return value
    if isinstance(value, np.ndarray) and kind is not pg.bfloat16:
        return value.astype(kind.name)
    return tensor_of(value, "a constant").astype(kind).eval()


def on_host(values: list[Value]) -> bool:
    """Whether a step is to be computed by NumPy."""
    if not values or not all(
        v is None or (isinstance(v, np.ndarray) and v.size <= _HOST_ELEMENTS and v.dtype != object)
        for v in values
    ):
        return False
    shapes = [v.shape for v in values if v is not None]
    rank = max(map(len, shapes), default=0)
    extents = [max((s[-i] for s in shapes if len(s) >= i), default=1) for i in range(1, rank + 1)]
    return math.prod(extents) <= 16 * _HOST_ELEMENTS  # also of what broadcasting makes of them


def tensor_of(value: Value, what: str) -> Tensor:
    """The value as a tensor."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        try:
            return pg.Tensor(value)
        except pg.errors.DTypeError:
            raise UnsupportedError(f"{what}: the element type {value.dtype} is not supported") from None
    if isinstance(value, np.ndarray):
        raise UnsupportedError(f"{what}: strings are not supported")
    raise InvalidModelError(
        f"{what}: needed a tensor, got {'a sequence' if value is not None else 'nothing'}"
    )


def host_of(value: Value, what: str) -> np.ndarray:
    """The numbers of a value that decides shapes, which must be known while the graph is traced."""
    if isinstance(value, np.ndarray):
        return value
    tensor = tensor_of(value, what)
    if tensor.is_abstract:
        raise UnsupportedError(
            f"{what} decides the shape of the result, and depends on numbers that pg.jit or pg.vmap does not "
            "know; call the model without them"
        )
    return np.asarray(tensor.numpy())


def ints_of(value: Value, what: str) -> tuple[int, ...]:
    """The same as a tuple of integers; a scalar counts as one."""
    array = host_of(value, what)
    if array.dtype.kind not in "iu":
        raise InvalidModelError(f"{what}: needed integers, got {array.dtype}")
    if array.ndim > 1:
        raise InvalidModelError(f"{what}: needed a list of integers, got shape {array.shape}")
    return tuple(int(v) for v in array.reshape(-1))
