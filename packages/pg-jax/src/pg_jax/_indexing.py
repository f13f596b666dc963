"""Reading and writing parts by JAX's rules: reads out of range are clamped, writes are dropped, negatives "
"count back."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import extend

from . import _operators, dtypes
from ._array import Array, make
from ._lift import cast, lift
from .errors import NonConcreteBooleanIndexError

_CLIP, _DROP = "clip", "drop"
_MODES = {
    None: None,
    "clip": _CLIP,
    "fill": _DROP,
    "drop": _DROP,
    "promise_in_bounds": _CLIP,
    "CLIP": _CLIP,
    "FILL_OR_DROP": _DROP,
    "PROMISE_IN_BOUNDS": _CLIP,
}


def _mode(mode: Any, default: str) -> str:
    name = getattr(mode, "name", mode)
    if name not in _MODES:
        raise ValueError(f"Unknown gather or scatter mode: {mode!r}")
    return _MODES[name] or default


def _check(item: Any) -> Any:
    """A part of a key: ints, slices of ints, None, Ellipsis, bools, integer arrays (as Array or ndarray)."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return item
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, slice):
        return slice(*(_static(v, item) for v in (item.start, item.stop, item.step)))
    if isinstance(item, str):
        raise TypeError(f"JAX does not support string indexing; got idx={item!r}")
    if isinstance(item, (list, tuple)):
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use "
            "`arr[array(seq)]` instead "
            "of `arr[seq]`. See https://github.com/jax-ml/jax/issues/4564 for more information."
        )
    if isinstance(item, (float, complex)) or not hasattr(item, "dtype"):
        raise TypeError(
            f"Indexer must have integer or boolean type, got indexer with type {np.asarray(item).dtype} at "
            f"position "
            f"0, indexer value {item}"
        )
    kind = item._t.dtype if type(item) is Array else dtypes.of(item.dtype)
    if not (kind.is_integer or kind is pg.bool_):
        raise TypeError(
            f"Indexer must have integer or boolean type, got indexer with type {kind.name} at position 0"
        )
    if kind is pg.bool_ and type(item) is Array:
        if item._t.is_abstract:
            return item
        return np.asarray(item._value)
    if type(item) is Array and item._t.ndim == 0 and not item._t.is_abstract and not extend.inside_trace():
        return int(item._t.item())
    return item


def _static(v: Any, whole: slice) -> int | None:
    if v is None:
        return None
    if isinstance(v, Array) and v._t.is_abstract:
        raise IndexError(f"Slice entries must be static integers. Got {whole} at position 0")
    try:
        return operator.index(v)
    except TypeError:
        raise TypeError(f"Slice entries must be static integers. Got {whole} at position 0") from None


def _is_mask(item: Any) -> bool:
    if isinstance(item, (bool, np.bool_)):
        return True
    return (isinstance(item, np.ndarray) and item.dtype == np.bool_) or (
        type(item) is Array and item._t.dtype is pg.bool_
    )


def _index(item: Any, length: int, mode: str) -> Any:
    """An integer or integer array counted from the front, in range when it is clipped, ``length`` when "
    "dropped."""
    if isinstance(item, int):
        at = item + length if item < 0 else item
        if 0 <= at < length:
            return at
        if mode == _CLIP and length:
            return min(max(at, 0), length - 1)
        return pg.full((), length, dtype=pg.int64)  # written nowhere
    if isinstance(item, np.ndarray):
        places = np.where(item < 0, item.astype(np.int64) + length, item.astype(np.int64))
        if mode == _CLIP and length:
            return np.clip(places, 0, length - 1)
        outside = (places < 0) | (places >= length)
        return pg.Tensor(np.where(outside, length, places)) if outside.any() else places
    t = item._t
    if t.dtype.kind == "i":
        t = t.astype(pg.int64) if t.dtype.itemsize < 4 else t
        t = pg.where(t < 0, t + length, t)
    else:
        t = t.astype(pg.int64)
    if mode == _CLIP and length:
        return pg.clip(t, 0, length - 1)
    return pg.where((t < 0) | (t >= length), length, t)


def _key(key: Any, shape: tuple[int, ...], mode: str) -> tuple[Any, ...]:
    """The key as pequegrad takes it."""
    items = [_check(item) for item in (key if isinstance(key, tuple) else (key,))]
    used = 0
    for item in items:
        if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
            continue
        used += item.ndim if _is_mask(item) else 1
    if used > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {used} were indexed")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("Multiple ellipses (...) not supported")
    out: list[Any] = []
    axis = 0
    for item in items:
        if item is Ellipsis:
            axis += len(shape) - used
            out.append(item)
        elif item is None or isinstance(item, (bool, np.bool_)):
            out.append(item)
        elif isinstance(item, slice):
            axis += 1
            out.append(item)
        elif _is_mask(item):
            wanted = shape[axis : axis + item.ndim]
            if tuple(item.shape) != wanted:
                raise IndexError(
                    f"boolean index did not match shape of indexed array in index {axis}: got "
                    f"{tuple(item.shape)}, "
                    f"expected {list(wanted)}"
                )
            axis += item.ndim
            out.append(item._t if type(item) is Array else item)
        else:
            out.append(_index(item, shape[axis], mode))
            axis += 1
    return tuple(out)


def _no_traced_mask(key: Any) -> None:
    for item in key if isinstance(key, tuple) else (key,):
        if type(item) is Array and item._t.dtype is pg.bool_ and item._t.is_abstract:
            raise NonConcreteBooleanIndexError(f"Array boolean indices must be concrete; got {item.aval}")


def getitem(x: Array, key: Any, mode: Any = None, fill_value: Any = None) -> Array:
    """``x[key]``."""
    t = x._t
    if type(key) is int and t.ndim and mode is None:
        n = t.shape[0]
        if -n <= key < n:
            return make(t[key], x._w)
    _no_traced_mask(key)
    how = _mode(mode, _CLIP)
    parsed = _key(key, t.shape, how)
    if how == _DROP:
        fill = _fill_value(t.dtype) if fill_value is None else fill_value
        return make(t.at[parsed].get(mode="drop", fill_value=fill), x._w)
    return make(t[parsed], x._w)


def _fill_value(kind: pg.DType) -> Any:
    if kind.is_inexact:
        return float("nan")
    if kind is pg.bool_:
        return True
    limits = np.iinfo(dtypes.NUMPY[kind])
    return int(limits.min if kind.kind == "i" else limits.max)


class _Part:
    """``x.at[key]``."""

    __slots__ = ("_key", "_x")

    def __init__(self, x: Array, key: Any) -> None:
        self._x, self._key = x, key

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: Any = None,
        fill_value: Any = None,
        out_sharding: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        """The part itself."""
        return getitem(self._x, self._key, mode, fill_value)

    def _value(self, value: Any) -> Array:
        if isinstance(value, (list, tuple)):
            from .numpy import asarray

            return asarray(value)
        return lift(value, "scatter")

    def _update(self, value: Any, how: str, mode: Any) -> Array:
        x, v = self._x, self._value(value)
        t, kind = x._t, x._t.dtype
        joined, _ = dtypes.join((kind, x._w), (v._t.dtype, v._w))
        if joined is not kind:
            warnings.warn(
                "scatter inputs have incompatible types: cannot safely cast value from "
                f"dtype={v._t.dtype.name} to dtype={kind.name} with jax_numpy_dtype_promotion=standard. In "
                f"future "
                "JAX releases this will result in an error.",
                FutureWarning,
                stacklevel=3,
            )
        wide = kind if how == "set" else joined
        base, given = cast(t, wide), cast(v._t, wide)
        if v.ndim:
            _no_traced_mask(self._key)
        parsed = _key(self._key, t.shape, _mode(mode, _DROP))
        part = base.at[parsed]
        try:
            made = getattr(part, how)(given, mode="drop")
        except pg.TraceError as error:
            if "mask" in str(error):
                raise NonConcreteBooleanIndexError(str(error)) from None
            raise
        except pg.ShapeError:
            raise ValueError(
                f"Incompatible types for broadcasting: input type={v.aval.str_short()} and requested type="
                f"{getitem(x, self._key).aval.str_short()}"
            ) from None
        return make(cast(made, kind), x._w)

    def set(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part replaced."""
        return self._update(values, "set", mode)

    def add(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with values added to this part."""
        return self._update(values, "add", mode)

    def subtract(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with values subtracted from this part."""
        return self._update(values, "subtract", mode)

    def multiply(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part multiplied."""
        return self._update(values, "multiply", mode)

    mul = multiply

    def min(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part not above values."""
        return self._update(values, "min", mode)

    def max(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part not below values."""
        return self._update(values, "max", mode)

    def divide(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part divided."""
        x = self._x
        ones = make(pg.ones_like(x._t), x._w)
        divisor = ones.at[self._key].multiply(values, mode=mode)
        return make(cast(_operators.true_divide(x, divisor)._t, x._t.dtype), x._w)

    def power(self, values: Any, *, mode: Any = None, **ignored: Any) -> Array:
        """The array with this part raised to a power."""
        x = self._x
        ones = make(pg.ones_like(x._t), x._w)
        exponent = ones.at[self._key].multiply(values, mode=mode)
        return make(cast(_operators.power(x, exponent)._t, x._t.dtype), x._w)

    def apply(self, func: Callable[[Array], Any], *, mode: Any = None, **ignored: Any) -> Array:
        """The array with a function applied to this part."""
        changed = lift(func(self._x), "apply")
        inside = make(pg.zeros(self._x.shape, dtype=pg.bool_)).at[self._key].set(True, mode=mode)
        return make(pg.where(inside._t, cast(changed._t, self._x._t.dtype), self._x._t), self._x._w)


class At:
    """What ``x.at`` is: the places of an array, to be read or replaced.

    >>> import pg_jax.numpy as jnp
    >>> jnp.zeros(3).at[1].set(5.0)
    Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("_x",)

    def __init__(self, x: Array) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> _Part:
        return _Part(self._x, key)
