"""What every family of composites needs: operands from anything, axes, NumPy's and torch's spellings."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Container, Sequence
from types import NoneType
from typing import Any

import numpy as np

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..errors import (
    ArgumentError,
    AxisError,
    DeviceError,
    InvalidValueError,
    OutOfMemoryError,
    PequegradError,
    ShapeError,
)

TensorLike = Any  # a Tensor, a number, an ndarray, or nested lists of numbers
Axis = int | Sequence[int] | None

_PLAIN = frozenset((Tensor, float, int, bool, complex))


def from_python(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The tensor of an ndarray, number, nested list or tensor: copies, so that later changes of `data` do
    not show.
    """
    wanted = None if dtype is None else dt.as_dtype(dtype)
    if isinstance(data, Tensor):
        keeps = data.dtype is wanted and not data.weak
        made = data if wanted is None or keeps else _core.astype(data, wanted.code)
        return made if device is None else to_device(made, device)
    place = _device.placement(device)
    if isinstance(data, np.ndarray) and (wanted is None or wanted == data.dtype) and place != (0, 0):
        return _from_array(data, place=place)
    if type(data) in (bool, int, float, complex) and wanted is None:
        kind = dt.as_dtype(type(data))
        check_int(data)
        return _core.number(data, kind.code, False, (), place)
    if hasattr(data, "__dlpack__") and not isinstance(data, np.ndarray) and not isinstance(data, np.generic):
        made = from_foreign(data)
    else:
        made = _from_array(data, exact=wanted is not None)
    if wanted is not None:
        made = _core.astype(made, wanted.code)
    stays = place == (0, 0) and (device is None or made.device.kind == "cpu")
    return made if stays else _core.to_device(made, place)


def check_int(value: Any) -> None:
    """Python ints are int64 here; a larger one has no tensor."""
    if type(value) is int and not -(2**63) <= value < 2**64:
        raise ArgumentError(f"the integer {value} does not fit 64 bits; give a float, or dtype='float64'")


def from_foreign(data: Any) -> Tensor:
    """A copy of a tensor of another library (torch, jax, cupy), through DLPack or NumPy."""
    if hasattr(data, "detach"):  # torch refuses both for tensors that require grad
        data = data.detach()
    try:
        return copy_of(shared_by_dlpack(data))
    except DeviceError:
        raise
    except (TypeError, BufferError, RuntimeError, PequegradError):  # a type or layout that DLPack lacks
        if data.__dlpack_device__()[0] in _CUDA_MEMORY:
            raise
        return _from_array(data)


def shared_by_dlpack(data: Any) -> Tensor:
    """A tensor over the memory of another library's, after what is queued for it."""
    kind, index = data.__dlpack_device__() if hasattr(data, "__dlpack_device__") else (1, 0)
    if kind in _CUDA_MEMORY:
        _device.placement(_device.cuda(index))  # raises where CUDA cannot be used
        return _core.from_dlpack(data.__dlpack__(stream=_core.cuda_stream(index)))
    if kind not in _CPU_MEMORY:
        raise DeviceError(
            "the tensor lies neither in CPU memory nor on a CUDA device; move it there first, or give its "
            "values as a NumPy array"
        )
    return _core.from_dlpack(data.__dlpack__())


def copy_of(shared: Tensor) -> Tensor:
    """The values of a tensor in memory of our own, on the same device."""
    if shared.device.kind == "cuda":
        return _core.cuda_copy(shared)
    return _core.from_numpy(_core.to_numpy(shared), shared.dtype.code, True)


_CPU_MEMORY = (1, 3, 11)  # kDLCPU, kDLCUDAHost, kDLROCMHost
_CUDA_MEMORY = (2, 13)  # kDLCUDA, kDLCUDAManaged


def _from_array(data: Any, exact: bool = False, place: tuple[int, int] = (0, 0)) -> Tensor:
    """Python floats become float32, or keep all their digits if `exact`, for a conversion that follows."""
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    elif isinstance(data, (list, tuple, range)) and _holds_tensors(data):
        return _stack_nested(data)
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ShapeError(
                f"cannot make a tensor of a ragged nested list ({error}); every row must have one length"
            ) from None
        if array.dtype == np.float64 and not hasattr(data, "__array__") and not exact:
            array = array.astype(np.float32)  # Python floats are float32
        elif array.dtype == np.complex128 and not hasattr(data, "__array__") and not exact:
            array = array.astype(np.complex64)
        elif array.dtype.kind in "iu" and not hasattr(data, "__array__"):
            array = array.astype(np.int64 if array.dtype.kind == "i" else array.dtype)
    if array.dtype.kind not in "biufcV" or array.dtype.itemsize > (16 if array.dtype.kind == "c" else 8):
        raise dt.DTypeError(
            f"cannot make a tensor of {type(data).__name__} with NumPy dtype {array.dtype}; "
            f"the dtypes are {', '.join(d.name for d in dt.all_dtypes)}"
        )
    kind = dt.as_dtype(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if kind is dt.bfloat16:
        array = array.view(np.uint16)
    return _core.from_numpy(array, kind.code, True, place)


def _holds_tensors(data: Any) -> bool:
    for _ in range(_MAX_RANK):
        if not isinstance(data, (list, tuple, range)) or len(data) == 0:
            return False
        data = data[0]
        if isinstance(data, Tensor):
            return True
    return False


_MAX_EXTENTS = 1000
_MAX_RANK = 64  # of NumPy's arrays


def _stack_nested(data: Any, depth: int = 0) -> Tensor:
    from .shape import stack

    if depth > _MAX_RANK:
        raise ShapeError(f"cannot make a tensor of a list nested deeper than {_MAX_RANK} or holding itself")
    rows = [
        _stack_nested(x, depth + 1) if isinstance(x, (list, tuple)) and _holds_tensors(x) else from_python(x)
        for x in data
    ]
    return stack(rows, axis=0)


def to_device(x: Tensor, device: Any) -> Tensor:
    """The tensor on another device; the same tensor when it is there already."""
    wanted = _device.as_device(device)
    return x if x.device == wanted else _core.to_device(x, _device.placement(wanted))


def operand(x: Any) -> Any:
    """What an elementwise op may take: Tensors and Python numbers stay, NumPy scalars become weak numbers,
    arrays tensors.
    """
    if type(x) in _PLAIN or isinstance(x, Tensor):
        return x
    if isinstance(x, np.generic) and x.dtype.kind in "biufc":
        return x.item()
    if isinstance(x, (np.ndarray, list, tuple)) or hasattr(x, "__dlpack__") or hasattr(x, "__array__"):
        return from_python(x)
    return NotImplemented


def as_tensor(x: TensorLike) -> Tensor:
    """The tensor itself, or a tensor made of a number (weak), array or list."""
    if isinstance(x, Tensor):
        return x
    x = operand(x)
    if isinstance(x, Tensor):
        return x
    if x is NotImplemented:
        raise ArgumentError("expected a tensor, a number, an array or nested lists of numbers")
    check_int(x)
    return _core.number(x, dt.as_dtype(type(x)).code, True, (), _device.default_device().pair)


def as_tensor_like(x: TensorLike, like: Tensor) -> Tensor:
    """A value that will be cast to the dtype of another tensor: Python numbers, also in lists, take
    a floating dtype at once, so that they are rounded once.
    """
    if like.dtype.is_inexact and not isinstance(x, Tensor):
        if isinstance(x, (list, tuple)):
            return from_python(x, like.dtype)
        x = operand(x)
        if type(x) in (int, float) or (type(x) is complex and like.dtype.is_complex):
            check_int(x)
            return _core.number(x, like.dtype.code, False, (), like.device.pair)
    return as_tensor(x)


def elementwise(op: str, *xs: TensorLike) -> Tensor:
    """A record applied to promoted and broadcast operands."""
    for x in xs:
        if type(x) is Tensor:
            return _core.elementwise(op, *xs)
    ready = [x if type(x) in _PLAIN else operand(x) for x in xs]
    for given, x in zip(xs, ready, strict=True):
        if x is NotImplemented:
            raise ArgumentError(f"{op}: expected tensors or numbers, got {type(given).__name__}")
    if not any(isinstance(x, Tensor) for x in ready):
        ready[-1] = as_tensor(ready[-1])
    return _core.elementwise(op, *ready)


def to_float(x: TensorLike) -> Tensor:
    """The operand as a floating or complex tensor: integers and bools become float32."""
    if type(x) in (int, bool):
        x = float(x)
    x = as_tensor(x)
    return x if x.dtype.is_inexact else _core.astype(x, dt.float32.code)


def to_real_float(x: TensorLike, what: str) -> Tensor:
    """The operand as a floating tensor; complex ones are refused."""
    x = to_float(x)
    if x.dtype.is_complex:
        raise dt.DTypeError(f"{what}: takes real numbers, got {x.dtype}")
    return x


def float_unary(op: str, x: TensorLike) -> Tensor:
    """A floating (and perhaps complex) record of one operand."""
    return _core.apply(op, (to_float(x),))


def cast(x: Tensor, dtype: dt.DType) -> Tensor:
    """The tensor with this dtype, itself when it has it."""
    return x if x.dtype is dtype else _core.astype(x, dtype.code)


def check_table(count: int, what: str) -> None:
    """Refuse a table of so many numbers, made by NumPy, where it does not fit the memory limit."""
    if 8 * count > _core.memory_stats()["limit_bytes"]:
        raise OutOfMemoryError(f"{what}: a table of {count} numbers does not fit the memory limit")


def known(value: Any, options: Container[Any]) -> bool:
    """Whether an option is one of these. ``in`` alone would compare an array element by element."""
    return isinstance(value, (str, int, float, NoneType)) and value in options


def check_count(count: int, what: str) -> None:
    """Refuse so many parts of a tensor: parts without elements take no memory, but a tensor each."""
    if count > 1 << 18:
        raise InvalidValueError(f"{what}: {count} parts are too many")


def items_of(xs: Any, what: str) -> list[Any]:
    """The items of a sequence; an array is the sequence of its rows."""
    if isinstance(xs, (Tensor, np.ndarray)):
        if xs.ndim == 0:
            raise ArgumentError(f"{what}: takes a sequence, got an array of rank 0")
        check_count(xs.shape[0], what)
    try:
        return list(xs)
    except TypeError:
        raise ArgumentError(f"{what}: takes a sequence, got {type(xs).__name__}") from None


def axis_of(axis: Any, ndim: int, what: str) -> int:
    """A normalised axis."""
    try:
        given = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"{what}: an axis is an integer, got {type(axis).__name__} {axis!r}") from None
    if not -ndim <= given < ndim:
        allowed = f"{-ndim} to {ndim - 1}" if ndim else "none (the tensor has rank 0)"
        raise AxisError(f"{what}: axis {given} is out of range for rank {ndim}; allowed: {allowed}")
    return given + ndim if given < 0 else given


def axes_of(axis: Any, ndim: int, what: str) -> tuple[int, ...]:
    """Sorted normalised axes; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (axis_of(axis, ndim, what),)
    axes = tuple(sorted(axis_of(a, ndim, what) for a in axis))
    if len(set(axes)) != len(axes):
        raise AxisError(f"{what}: axis given twice in {tuple(axis)!r}")
    return axes


def spelled(value: Any, default: Any, other: Any, names: str, what: str) -> Any:
    """The value of an argument that has two spellings (``axis`` and ``dim``)."""
    if other is None:
        return value
    if value is not default and value != default:
        ours, theirs = names.split("/")
        raise ArgumentError(f"{what}: give {ours} or {theirs}, not both")
    return other


def _extents(shape: Any, what: str) -> tuple[Any, ...]:
    try:
        dims = tuple(itertools.islice(shape, _MAX_EXTENTS + 1))
    except TypeError:
        raise ArgumentError(f"{what}: a shape is an int or a tuple of ints, got {shape!r}") from None
    if len(dims) > _MAX_EXTENTS:
        raise ShapeError(f"{what}: a shape of more than {_MAX_EXTENTS} extents")
    return dims


def shape_of(shape: Any, what: str) -> tuple[int, ...]:
    """A shape from an int or a sequence of ints."""
    if isinstance(shape, (tuple, list)):
        dims = shape
    else:
        try:
            dims = (operator.index(shape),)
        except TypeError:
            dims = _extents(shape, what)
    try:
        return tuple([operator.index(d) for d in dims])
    except TypeError:
        raise ArgumentError(f"{what}: a shape is an int or a tuple of ints, got {tuple(dims)!r}") from None


def positive_shape(shape: Any, what: str) -> tuple[int, ...]:
    """A shape whose extents are known."""
    dims = shape_of(shape, what)
    for d in dims:
        if d < 0:
            raise ShapeError(f"{what}: extents must not be negative, got {dims}")
    return dims


def reshape_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape to known extents (no check, no -1)."""
    return x if x.shape == tuple(shape) else _core.apply("reshape", (x,), tuple(shape))


_RULES = ("softmax", "log_softmax", "logsumexp", "softplus", "inverse_root", "standardised", "scaled")


def stated(rule: str, value: Tensor, x: Tensor, *others: Tensor, axes: Sequence[int] = ()) -> Tensor:
    """The value, whose derivative by x is the one that a rule of ``ops/stated.cpp`` states."""
    return _core.apply("stated", (value, x, *others), (_RULES.index(rule), *axes))


@functools.cache
def gauss(count: int) -> tuple[Any, Any]:
    """Points and weights of Gauss's formula over the interval from 0 to 1, as arrays of float64."""
    points, weights = np.polynomial.legendre.leggauss(count)  # when asked for: NumPy loads six modules
    return 0.5 * (points + 1.0), 0.5 * weights


def fill(value: Any, like: Tensor) -> Tensor:
    """A literal of the shape, dtype and device of another tensor."""
    return _core.full_like(value, like)


def iota(shape: Sequence[int], axis: int, dtype: dt.DType, device: tuple[int, int]) -> Tensor:
    """The index along an axis."""
    return _core.apply("iota", (), (dtype.code, *device, axis, *shape))
