"""Operands of functions: arrays from what users pass, and their promotion to one dtype."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg

from . import dtypes
from ._array import Array, ShapedArray, make
from .errors import UnexpectedTracerError

Tensor = pg.Tensor
DType = pg.DType

_NUMBERS = (bool, int, float, complex)


def constant(value: Any, kind: DType, shape: Sequence[int] = ()) -> Tensor:
    """A filled tensor."""
    return pg.full(tuple(shape), value, dtype=kind)


def number(value: Any) -> Array:
    """A Python number as an array."""
    kind, weak = dtypes.of_number(value)
    if kind.is_integer:
        check_range(value, kind)
    return make(constant(value, kind), weak)


def check_range(value: int, kind: DType) -> None:
    """Raise OverflowError where a Python int does not fit."""
    limits = np.iinfo(dtypes.NUMPY[kind])
    if not int(limits.min) <= value <= int(limits.max):
        raise OverflowError(f"Python int {value} too large to convert to {kind.name}")


def from_array(x: Any, kind: DType | None = None) -> Tensor:
    """The tensor of a NumPy array or scalar: 64 bits become 32 unless x64 is on."""
    array = np.asarray(x)
    own = dtypes.OF_NUMPY.get(array.dtype)
    if own is None:
        raise TypeError(
            f"Value {x!r} with dtype {array.dtype} is not a valid JAX array type. Only arrays of numeric "
            f"types are "
            "supported by JAX."
        )
    wanted = kind or dtypes.canonical(own)
    if wanted is not own:
        array = array.astype(dtypes.NUMPY[wanted])
    return pg.Tensor(array)


def lift(x: Any, what: str = "") -> Array:
    """The array that an operand stands for; lists are refused."""
    if type(x) is Array:
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        return make(from_array(x))
    if isinstance(x, _NUMBERS):
        return number(x)
    if isinstance(x, Tensor):
        return make(pg.astype(x, dtypes.canonical(x.dtype)))
    if hasattr(x, "__jax_array__"):
        return lift(x.__jax_array__(), what)
    if isinstance(x, Array):
        raise TypeError(f"{what} does not accept dtype key<fry>.")
    if hasattr(x, "__array__") and not isinstance(x, type):
        return make(from_array(x))
    raise TypeError(f"{what} requires ndarray or scalar arguments, got {type(x)} at position 0.")


def lift_all(what: str, *xs: Any) -> list[Array]:
    """Several operands."""
    out = []
    for i, x in enumerate(xs):
        try:
            out.append(lift(x, what))
        except TypeError as error:
            if "at position 0" not in str(error):
                raise
            raise TypeError(str(error).replace("position 0", f"position {i}")) from None
    return out


def cast(t: Tensor, kind: DType) -> Tensor:
    """The tensor in a dtype; complex numbers lose their imaginary part, as JAX's do."""
    if t.dtype is kind:
        return t
    if t.dtype.is_complex and not kind.is_complex:
        t = pg.real(t)
    return t.astype(kind)


def promote(what: str, *xs: Any) -> tuple[list[Tensor], DType, bool]:
    """Operands as tensors of their common dtype, that dtype, and whether it is weak."""
    arrays = lift_all(what, *xs)
    kind, weak = dtypes.join(*((x._t.dtype, x._w) for x in arrays))
    return [cast(x._t, kind) for x in arrays], kind, weak


def promote_inexact(what: str, *xs: Any) -> tuple[list[Tensor], DType, bool]:
    """The same, of at least floating dtype."""
    tensors, kind, weak = promote(what, *xs)
    wanted = dtypes.inexact(kind)
    return [cast(t, wanted) for t in tensors], wanted, weak and kind is not pg.bool_


def of(x: Any, what: str = "") -> Tensor:
    """The tensor of an operand."""
    return x._t if type(x) is Array else lift(x, what)._t


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an operand."""
    return x.shape if isinstance(x, (Array, ShapedArray, np.ndarray)) else np.shape(x)


def sizes(shape: Any, what: str = "") -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    given = (shape,) if isinstance(shape, (int, np.integer, Array)) else tuple(shape)
    try:
        if any(isinstance(d, Array) and d._t.is_abstract for d in given):
            raise TypeError
        return tuple([operator.index(d) for d in given])
    except TypeError:
        raise TypeError(
            f"Shapes must be 1D sequences of concrete values of integer type, got {given}.\nIf using "
            f"`jit`, try "
            "using `static_argnums` or applying `jit` to smaller subfunctions."
        ) from None


def extents(shape: Any, what: str = "") -> tuple[int, ...]:
    """A shape of an array to be made."""
    dims = sizes(shape, what)
    if min(dims, default=0) < 0:
        raise TypeError(f"broadcast_in_dim shape must have every element be nonnegative, got {dims}.")
    return dims


def axis_of(axis: Any, ndim: int) -> int:
    """A normalised axis; ValueError out of range, as JAX has it."""
    at = operator.index(axis)
    if not -ndim <= at < ndim:
        raise ValueError(f"axis {at} is out of bounds for array of dimension {ndim}")
    return at + ndim if at < 0 else at


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Normalised axes in the given order; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list)):
        axes = tuple(axis_of(a, ndim) for a in axis)
        if len(set(axes)) != len(axes):
            raise ValueError(f"duplicate value in 'axis': {axis}")
        return axes
    return (axis_of(axis, ndim),)


def broadcast_error(what: str, shapes: Sequence[tuple[int, ...]]) -> Exception:
    """Shapes that do not go together."""
    if len({len(s) for s in shapes}) > 1:
        return ValueError(f"Incompatible shapes for broadcasting: shapes={list(shapes)}")
    return TypeError(f"{what} got incompatible shapes for broadcasting: {', '.join(map(str, shapes))}.")


def run(what: str, f: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply a function of tensors; its errors become JAX's."""
    try:
        return f(*tensors)
    except pg.ShapeError:
        raise broadcast_error(what, [t.shape for t in tensors]) from None
    except pg.TraceError as error:
        raise UnexpectedTracerError(f"Encountered an unexpected tracer: {error}") from None
