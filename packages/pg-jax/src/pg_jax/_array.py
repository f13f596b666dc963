"""``Array``: a pequegrad tensor, immutable, that knows whether its type is weak.

The tensor inside is always strong; the weak bit stands beside it, because JAX's rules for it are not
pequegrad's.
Arrays met inside of a transformation are the same class; they are tracers while their tensor has no value.
Methods and operators are attached by ``_methods``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pequegrad as pg

from . import dtypes
from .errors import (
    ConcretizationTypeError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    UnexpectedTracerError,
)

Tensor = pg.Tensor


class _Deleted:
    """In place of the tensor of an array that was donated or deleted."""

    def __init__(self, shape: tuple[int, ...], kind: pg.DType) -> None:
        self.about = f"{kind}[{','.join(map(str, shape))}]"

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"Array has been deleted with shape={self.about}.")


class ArrayType(type):
    """``isinstance(x, Array)`` holds for typed keys too."""

    def __instancecheck__(cls, x: Any) -> bool:
        return type(x).__name__ == "PRNGKeyArray" or type.__instancecheck__(cls, x)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("jax.Array cannot be instantiated directly; use jnp.array")


class Array(metaclass=ArrayType):
    """An immutable array on a device, as all functions of ``pg_jax.numpy`` take and return it.

    >>> import pg_jax.numpy as jnp
    >>> jnp.array([1.0, 2.0]) * 2
    Array([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_t", "_w")
    __array_priority__ = 100
    _t: Tensor
    _w: bool

    if TYPE_CHECKING:  # attached by _methods

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Array: ...
        def __radd__(self, other: Any) -> Array: ...
        def __sub__(self, other: Any) -> Array: ...
        def __rsub__(self, other: Any) -> Array: ...
        def __mul__(self, other: Any) -> Array: ...
        def __rmul__(self, other: Any) -> Array: ...
        def __truediv__(self, other: Any) -> Array: ...
        def __rtruediv__(self, other: Any) -> Array: ...
        def __floordiv__(self, other: Any) -> Array: ...
        def __mod__(self, other: Any) -> Array: ...
        def __pow__(self, other: Any) -> Array: ...
        def __rpow__(self, other: Any) -> Array: ...
        def __matmul__(self, other: Any) -> Array: ...
        def __and__(self, other: Any) -> Array: ...
        def __or__(self, other: Any) -> Array: ...
        def __xor__(self, other: Any) -> Array: ...
        def __lshift__(self, other: Any) -> Array: ...
        def __rshift__(self, other: Any) -> Array: ...
        def __invert__(self) -> Array: ...
        def __neg__(self) -> Array: ...
        def __abs__(self) -> Array: ...
        def __lt__(self, other: Any) -> Array: ...
        def __le__(self, other: Any) -> Array: ...
        def __gt__(self, other: Any) -> Array: ...
        def __ge__(self, other: Any) -> Array: ...
        def __getitem__(self, key: Any) -> Array: ...
        def __iter__(self) -> Any: ...

    # ---- type

    @property
    def shape(self) -> tuple[int, ...]:
        return self._t.shape

    @property
    def ndim(self) -> int:
        return self._t.ndim

    @property
    def size(self) -> int:
        return self._t.size

    @property
    def dtype(self) -> Any:
        return dtypes.NUMPY[self._t.dtype]

    @property
    def weak_type(self) -> bool:
        return self._w

    @property
    def itemsize(self) -> int:
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def aval(self) -> ShapedArray:
        return ShapedArray(self.shape, self.dtype, self._w)

    def __len__(self) -> int:
        if not self._t.ndim:
            raise TypeError("len() of unsized object")
        return self._t.shape[0]

    def __hash__(self) -> int:
        raise TypeError(f"unhashable type: {type(self).__name__!r}")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            "JAX arrays are immutable and do not support in-place item assignment. Instead of x[idx] = y, "
            "use x "
            "= x.at[idx].set(y) or another .at[] method: "
            "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html"
        )

    # ---- values

    @property
    def _value(self) -> np.ndarray[Any, Any]:
        return value_of(self, "the value of this array was asked for")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self._t.is_abstract:
            raise TracerArrayConversionError(
                f"The numpy.ndarray conversion method __array__() was called on {describe(self)}"
            )
        array = value_of(self, "")
        wanted = array if dtype is None or array.dtype == dtype else array.astype(dtype)
        return wanted.copy() if copy and wanted is array else wanted

    def __bool__(self) -> bool:
        if self._t.is_abstract:
            raise TracerBoolConversionError(f"Attempted boolean conversion of {describe(self)}.")
        if self._t.size != 1:
            what = "an empty array" if not self._t.size else "an array with more than one element"
            raise ValueError(
                f"The truth value of {what} is ambiguous. Use a.any() or a.all()"
                if self._t.size
                else f"The truth value of {what} is ambiguous. Use `array.size > 0`."
            )
        return bool(self._t)

    def _number(self, what: str) -> Any:
        if self._t.is_abstract:
            raise concretization(self, f"The problem arose with the `{what}` function.")
        if self._t.ndim:
            raise TypeError(
                f"Only scalar arrays can be converted to Python scalars; got arr.ndim={self.ndim}"
            )
        return self._t.item()

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        if self._t.is_abstract:
            raise TracerIntegerConversionError(f"The __index__() method was called on {describe(self)}")
        if self._t.ndim or not (self._t.dtype.is_integer or self._t.dtype is pg.bool_):
            raise TypeError("Only integer scalar arrays can be converted to a scalar index.")
        return int(self._t.item())

    def item(self, *args: Any) -> Any:
        if self._t.is_abstract:
            raise concretization(self, "This occurred in the item() method of jax.Array")
        return value_of(self, "").item(*args)

    def tolist(self) -> Any:
        if self._t.is_abstract:
            raise concretization(self, "The tolist() method was called.")
        return value_of(self, "").tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return value_of(self, "The tobytes() method was called.").tobytes(order)  # type: ignore[arg-type]

    def block_until_ready(self) -> Array:
        if self._t.is_abstract:
            raise AttributeError(f"The 'block_until_ready' method is not available on {describe(self)}.")
        self._t.eval()
        return self

    def copy_to_host_async(self) -> None:
        self.block_until_ready()

    def is_ready(self) -> bool:
        return True

    def delete(self) -> None:
        if not isinstance(self._t, _Deleted):
            self._t = _Deleted(self._t.shape, self._t.dtype)  # type: ignore[assignment]

    def is_deleted(self) -> bool:
        return isinstance(self._t, _Deleted)

    # ---- printing

    def __repr__(self) -> str:
        if isinstance(self._t, _Deleted):
            return f"Array(shape={self._t.about}, deleted)"
        if self._t.is_abstract:
            return f"JitTracer({short(self)})"
        about = f"dtype={self.dtype.name}" + (", weak_type=True" if self._w else "")
        values = self._value
        if values.size == 0:
            return f"Array([], shape={values.shape}, {about})"
        text = np.array2string(values, separator=", ", prefix="Array(", suffix=",", threshold=1000)
        return f"Array({text}, {about})"

    def __str__(self) -> str:
        return self.__repr__() if self._t.is_abstract else str(self._value)

    def __format__(self, spec: str) -> str:
        if self._t.is_abstract:
            return self.__repr__()
        return format(self._value[()] if not self._t.ndim else self._value, spec)

    # ---- protocols

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (value_of(self, "pickling an array").copy(), self._w)

    def __copy__(self) -> Array:
        return make(self._t, self._w)

    def __deepcopy__(self, memo: Any) -> Array:
        return make(self._t, self._w)

    def __dlpack__(self, **options: Any) -> Any:
        return self._t.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._t.__dlpack_device__()

    # ---- devices

    def devices(self) -> set[Any]:
        if self._t.is_abstract:
            raise concretization(self, "The devices() method was called.")
        return {self.device}

    @property
    def device(self) -> Any:
        from .devices import of_pair

        return of_pair(self._t.device.pair)

    @property
    def sharding(self) -> Any:
        from .devices import SingleDeviceSharding

        return SingleDeviceSharding(self.device)

    @property
    def committed(self) -> bool:
        return False

    is_fully_addressable = True
    is_fully_replicated = True

    @property
    def addressable_shards(self) -> list[Any]:
        from .devices import Shard

        return [Shard(self)]

    def addressable_data(self, index: int) -> Array:
        if index:
            raise IndexError("the array lies on one device")
        return self


class ShapedArray:
    """The type of an array: shape, dtype, weak_type."""

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: Any, dtype: Any, weak_type: bool = False) -> None:
        self.shape, self.weak_type = tuple(shape), weak_type
        self.dtype = dtype if isinstance(dtype, dtypes.KeyType) else dtypes.canonicalize_dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def sharding(self) -> Any:
        from .devices import SingleDeviceSharding, devices

        return SingleDeviceSharding(devices()[0])

    def _key(self) -> tuple[Any, ...]:
        return self.shape, self.dtype, self.weak_type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapedArray) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def str_short(self, short_dtypes: bool = False) -> str:
        """``f32[3]`` or ``float32[3]``."""
        name = str(self.dtype)
        if short_dtypes:
            for long, brief in _BRIEF:
                name = name.replace(long, brief)
        return f"{'~' if self.weak_type else ''}{name}[{','.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        extra = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.str_short().lstrip('~')}{extra})"

    def __str__(self) -> str:
        return self.str_short()


_BRIEF = (("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c"))

_new = object.__new__


def make(t: Tensor, weak: bool = False) -> Array:
    """The array of a tensor."""
    x = _new(Array)
    x._t = t
    x._w = weak
    return x


def _unpickled(values: np.ndarray[Any, Any], weak: bool) -> Array:
    return make(pg.Tensor(values), weak)


def value_of(x: Array, why: str) -> np.ndarray[Any, Any]:
    """The values, read-only; raises for a tracer."""
    t = x._t
    if t.is_abstract:
        raise concretization(x, why)
    try:
        return t.numpy()
    except pg.TraceError as error:
        raise UnexpectedTracerError(f"Encountered an unexpected tracer: {error}") from None


def short(x: Array) -> str:
    """``float32[3]``, with ``~`` before a weak type."""
    return x.aval.str_short()


def describe(x: Array) -> str:
    """How messages call a tracer."""
    return f"traced array with shape {short(x).lstrip('~')}"


def concretization(x: Array, why: str) -> ConcretizationTypeError:
    """The error of asking a tracer for its value."""
    return ConcretizationTypeError(
        f"Abstract tracer value encountered where concrete value is expected: {describe(x)}\n{why}"
    )
