"""New tensors: from Python data, filled, or counting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    cast,
    check_int,
    copy_of,
    from_python,
    iota,
    known,
    operand,
    positive_shape,
    reshape_to,
    shared_by_dlpack,
    to_device,
)
from .logic import where
from .shape import broadcast_to


def tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of an ndarray, number, nested lists or another library's tensor; copies. The same as
    ``pg.Tensor``.

    >>> pg.tensor([1.5, 2.0]).dtype
    float32
    """
    return from_python(data, dtype, device)


def asarray(data: Any, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """The tensor itself when it fits, else a new one. ``copy=True`` gives a new handle (values are
    immutable); ``copy=False`` raises where data would have to be copied.

    >>> x = pg.zeros(2)
    >>> pg.asarray(x) is x
    True
    """
    made = from_python(data, dtype, device)
    if copy and made is data:
        return +made
    if copy is False and made is not data:
        raise InvalidValueError(
            f"asarray: {type(data).__name__} cannot become this tensor without a copy; leave out copy=False, "
            "or share memory with pg.from_numpy or pg.from_dlpack"
        )
    return made


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the memory of a C-contiguous array: later changes of the array show. Other
    arrays are copied.

    >>> import numpy as np
    >>> pg.from_numpy(np.ones(2)).dtype
    float64
    """
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"from_numpy needs an ndarray, got {type(array).__name__}; use pg.Tensor")
    kind = dt.as_dtype(array.dtype)
    if not array.dtype.isnative or not array.flags.c_contiguous:
        return from_python(array)
    return _core.from_numpy(array.view(np.uint16) if kind is dt.bfloat16 else array, kind.code, False)


def from_dlpack(x: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of another library's tensor, on the CPU or a GPU, unless ``copy`` is
    True. On a GPU our work comes after what the other library has queued. DeviceError for memory elsewhere,
    UnsupportedError for memory on a GPU that is not row-major.

    >>> import numpy as np
    >>> pg.from_dlpack(np.ones(2)).tolist()
    [1.0, 1.0]
    """
    if not hasattr(x, "__dlpack__"):
        raise ArgumentError(f"from_dlpack needs an object with __dlpack__, got {type(x).__name__}")
    made = +x if isinstance(x, Tensor) else shared_by_dlpack(x)
    if copy and not isinstance(x, Tensor):
        made = copy_of(made)
    return made if device is None else to_device(made, device)


def _filled(value: Any, shape: Any, dtype: Any, device: Any, what: str) -> Tensor:
    dims = positive_shape(shape, what)
    place = _device.placement(device)
    if isinstance(value, Tensor) or not isinstance(value, (bool, int, float, complex)):
        x = as_tensor(operand(value))
        return broadcast_to(x if dtype is None else cast(x, dt.as_dtype(dtype)), dims)
    check_int(value)
    kind = dt.as_dtype(type(value)) if dtype is None else dt.as_dtype(dtype)
    return _core.number(value, kind.code, False, dims, place)


def full(shape: Any, fill_value: TensorLike, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of one value.

    >>> pg.full((2,), 7).tolist()
    [7, 7]
    """
    return _filled(fill_value, shape, dtype, device, "full")


def _constant(value: int, shape: Any, dtype: Any, device: Any, what: str) -> Tensor:
    kind = dt.float32 if dtype is None else dt.as_dtype(dtype)
    return _core.full(value, kind.code, False, positive_shape(shape, what), _device.placement(device))


def zeros(shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of zeros, float32 by default.

    >>> pg.zeros((1, 2)).tolist()
    [[0.0, 0.0]]
    """
    return _constant(0, shape, dtype, device, "zeros")


def ones(shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of ones, float32 by default.

    >>> pg.ones(2, dtype="int32").tolist()
    [1, 1]
    """
    return _constant(1, shape, dtype, device, "ones")


def empty(shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of zeros: memory is never shown before it is written.

    >>> pg.empty(2).shape
    (2,)
    """
    return _constant(0, shape, dtype, device, "empty")


def full_like(x: TensorLike, fill_value: TensorLike, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of one value with the shape, dtype and device of another.

    >>> pg.full_like(pg.zeros(2), 3).tolist()
    [3.0, 3.0]
    """
    x = as_tensor(x)
    return _filled(
        fill_value,
        x.shape,
        x.dtype if dtype is None else dtype,
        x.device if device is None else device,
        "full_like",
    )


def _constant_like(value: int, x: TensorLike, dtype: Any, device: Any) -> Tensor:
    x = as_tensor(x)
    kind = x.dtype if dtype is None else dt.as_dtype(dtype)
    return _core.full(
        value, kind.code, False, x.shape, x.device.pair if device is None else _device.placement(device)
    )


def zeros_like(x: TensorLike, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of another tensor.

    >>> pg.zeros_like(pg.ones(2)).tolist()
    [0.0, 0.0]
    """
    return _constant_like(0, x, dtype, device)


def ones_like(x: TensorLike, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones with the shape, dtype and device of another tensor.

    >>> pg.ones_like(pg.zeros(2)).tolist()
    [1.0, 1.0]
    """
    return _constant_like(1, x, dtype, device)


def empty_like(x: TensorLike, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of another tensor.

    >>> pg.empty_like(pg.ones(2)).shape
    (2,)
    """
    return _constant_like(0, x, dtype, device)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from ``start`` (0 when one is given) up to, not including, ``stop``; integers are int64,
    floats float32.

    >>> pg.arange(3).tolist(), pg.arange(1, 0, -0.5).tolist()
    ([0, 1, 2], [1.0, 0.5])
    """
    if stop is None:
        start, stop = 0, start
    for bound in (start, stop, step):
        if isinstance(bound, Tensor) and bound.is_abstract:
            raise _core_trace_error("arange")
    start, stop, step = [b.item() if isinstance(b, (Tensor, np.generic)) else b for b in (start, stop, step)]
    if step == 0:
        raise InvalidValueError("arange: the step must not be 0")
    whole = all(isinstance(b, int) for b in (start, stop, step))
    kind = (dt.int64 if whole else dt.float32) if dtype is None else dt.as_dtype(dtype)
    count = max(0, math.ceil((stop - start) / step)) if not whole else len(range(start, stop, step))
    place = _device.placement(device)
    if kind.is_bool:
        raise dt.DTypeError("arange: bool cannot count; use an integer dtype and .astype('bool')")
    if whole:
        upwards = start >= 0 and step > 0
        steps = iota((count,), 0, dt.uint64 if kind.kind == "u" and upwards else dt.int64, place)
        made = steps if step == 1 else steps * step
        return cast(made if start == 0 else made + start, kind)
    # Counted in float64, so that the error does not grow along the way.
    return cast(iota((count,), 0, dt.float64, place) * float(step) + float(start), kind)


def _core_trace_error(what: str) -> Exception:
    from ..errors import TraceError

    return TraceError(
        f"{what}: the number of elements must be known inside pg.jit; pass Python numbers as static_argnums"
    )


def linspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None, device: Any = None
) -> Tensor:
    """Evenly spaced numbers from start to stop, both included unless ``endpoint`` is False.

    >>> pg.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    if num < 0:
        raise InvalidValueError(f"linspace: the number of samples must not be negative, got {num}")
    kind = dt.float32 if dtype is None else dt.as_dtype(dtype)
    place = _device.placement(device)
    index = iota((num,), 0, dt.float64, place)
    gaps = num - 1 if endpoint else num
    values = index * ((stop - start) / gaps if gaps > 0 else 0.0) + start
    if endpoint and num > 1:
        values = where(index == float(num - 1), stop, values)
    if kind.kind in "iu":
        values = _core.apply("floor", (values,))
    return cast(values, kind)


def eye(n: int, m: int | None = None, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on diagonal k of an n by m matrix, zeros elsewhere.

    >>> pg.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    shape = positive_shape((n, n if m is None else m), "eye")
    place = _device.placement(device)
    on = iota(shape, 1, dt.int64, place) == iota(shape, 0, dt.int64, place) + k
    return cast(on, dt.float32 if dtype is None else dt.as_dtype(dtype))


def one_hot(num_classes: Any, x: TensorLike, dtype: Any = None) -> Tensor:
    """For each index a row with 1 at its place and 0 elsewhere; an index out of range gives a row of zeros.

    >>> pg.one_hot(3, pg.Tensor([0, 2])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    numbered = isinstance(num_classes, (int, np.integer))
    if not numbered or not isinstance(x, (Tensor, np.ndarray, list, tuple, int)):
        raise ArgumentError("one_hot: takes the number of classes, then the indices: pg.one_hot(10, y)")
    x = as_tensor(x)
    if x.dtype.is_inexact:
        raise dt.DTypeError(f"one_hot: indices are integers, got {x.dtype}; convert with .astype('int64')")
    x = cast(x, dt.int64)
    shape = positive_shape((*x.shape, num_classes), "one_hot")
    place = iota(shape, x.ndim, dt.int64, x.device.pair)
    return cast(reshape_to(x, (*x.shape, 1)) == place, dt.float32 if dtype is None else dt.as_dtype(dtype))


def meshgrid(*xs: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """Coordinate matrices of coordinate vectors.

    >>> [g.tolist() for g in pg.meshgrid(pg.arange(2), pg.arange(2))]
    [[[0, 1], [0, 1]], [[0, 0], [1, 1]]]
    """
    if not known(indexing, ("xy", "ij")):
        raise InvalidValueError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    vectors = [as_tensor(x) for x in xs]
    for v in vectors:
        if v.ndim > 1:
            raise ShapeError(f"meshgrid: takes vectors, got shape {v.shape}")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[0], order[1] = 1, 0
    shape = [0] * len(order)
    for at, v in zip(order, vectors, strict=True):
        shape[at] = v.size
    return [
        broadcast_to(reshape_to(v, [v.size if i == at else 1 for i in range(len(order))]), tuple(shape))
        for at, v in zip(order, vectors, strict=True)
    ]
