"""What can be asked about element types, under the names of the array API standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..errors import ArgumentError, DTypeError
from .common import TensorLike, as_tensor, operand, to_device

# Bits of the significand (with the implied one) and the largest exponent; complex types by their parts.
_FLOATS = {"float16": (11, 15), "bfloat16": (8, 127), "float32": (24, 127), "float64": (53, 1023)}
_PARTS = {"complex64": "float32", "complex128": "float64"}

_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a floating dtype: ``bits``, ``eps`` (the gap above 1), ``max``, ``min``,
    ``smallest_normal``, and the ``dtype`` itself (of the parts, for a complex one).
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: dt.DType

    @property
    def tiny(self) -> float:
        """NumPy's name of ``smallest_normal``."""
        return self.smallest_normal


@dataclass(frozen=True)
class IntInfo:
    """The limits of an integer dtype: ``bits``, ``max``, ``min``, and the ``dtype`` itself."""

    bits: int
    max: int
    min: int
    dtype: dt.DType


def _dtype_of(x: Any) -> dt.DType:
    return x.dtype if isinstance(x, Tensor) else dt.as_dtype(x)


def finfo(type: Any) -> FloatInfo:
    """The limits of a floating dtype, or of the dtype of a tensor.

    >>> pg.finfo(pg.float32).eps
    1.1920928955078125e-07
    """
    kind = _dtype_of(type)
    name = _PARTS.get(kind.name, kind.name)
    if name not in _FLOATS:
        raise DTypeError(f"finfo: {kind} is no floating dtype; use pg.iinfo for integers")
    digits, exponent = _FLOATS[name]
    largest = (2.0 - 2.0 ** (1 - digits)) * 2.0**exponent
    bits = 8 * (kind.itemsize if name == kind.name else kind.itemsize // 2)
    return FloatInfo(bits, 2.0 ** (1 - digits), largest, -largest, 2.0 ** (1 - exponent), dt.as_dtype(name))


def iinfo(type: Any) -> IntInfo:
    """The limits of an integer dtype, or of the dtype of a tensor.

    >>> pg.iinfo("int8").max, pg.iinfo("uint8").max
    (127, 255)
    """
    kind = _dtype_of(type)
    if not kind.is_integer:
        raise DTypeError(f"iinfo: {kind} is no integer dtype; use pg.finfo for floats")
    bits = 8 * kind.itemsize
    low, high = (0, 2**bits - 1) if kind.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return IntInfo(bits, high, low, kind)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind: another dtype, "bool", "signed integer", "unsigned integer", "integral",
    "real floating", "complex floating", "numeric", or one of several in a tuple.

    >>> pg.isdtype(pg.int8, "integral"), pg.isdtype(pg.int8, (pg.float32, "real floating"))
    (True, False)
    """
    given = dt.as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(given, k) for k in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return given.kind in _KINDS[kind]
    return given is dt.as_dtype(kind)


def result_type(*arrays_and_dtypes: Any) -> dt.DType:
    """The dtype in which an operation would meet these tensors, dtypes and Python numbers.

    >>> pg.result_type(pg.int8, pg.uint8), pg.result_type(pg.ones(2), 1.5)
    (int16, float32)
    """
    if not arrays_and_dtypes:
        raise ArgumentError("result_type: no operands given; pass tensors, dtypes or numbers")
    place = _device.default_device().pair
    operands = []
    for x in arrays_and_dtypes:
        made = operand(x) if not isinstance(x, (str, type, dt.DType)) else NotImplemented
        if made is NotImplemented:
            made = _core.full(0, dt.as_dtype(x).code, False, (), place)
        operands.append(made)
    return dt.all_dtypes[_core.promote(*[as_tensor(x) for x in operands])[0]]


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a dtype (or the dtype of a tensor) converts to another with every value kept exactly.

    >>> pg.can_cast(pg.int8, pg.int16), pg.can_cast(pg.int32, pg.float32)
    (True, False)
    """
    a, b = _dtype_of(from_), dt.as_dtype(to)
    if a is b or a.is_bool:
        return True
    if b.is_bool or (a.kind == "c" and b.kind != "c") or (a.kind == "f" and b.is_integer):
        return False
    if a.is_integer and b.is_integer:
        return iinfo(b).min <= iinfo(a).min and iinfo(a).max <= iinfo(b).max
    digits, exponent = _FLOATS[_PARTS.get(b.name, b.name)]
    if a.is_integer:
        return 8 * a.itemsize - (a.kind == "i") <= min(digits, exponent)
    own_digits, own_exponent = _FLOATS[_PARTS.get(a.name, a.name)]
    return own_digits <= digits and own_exponent <= exponent


def astype(x: TensorLike, dtype: Any, *, copy: bool = True, device: Any = None) -> Tensor:
    """The values in another dtype, and on another device when one is given; values are immutable, so
    ``copy`` only says whether the handle is a new one.

    >>> pg.astype(pg.Tensor([1.7]), "int32").tolist()
    [1]
    """
    x = as_tensor(x)
    kind = dt.as_dtype(dtype)
    made = x if x.dtype is kind and not copy else x.astype(kind)
    return made if device is None else to_device(made, device)
