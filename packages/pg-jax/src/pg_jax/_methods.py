"""The methods and operators of ``Array``, put on the class when the functions exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from . import _operators as ops
from . import numpy as jnp
from ._array import Array, make
from ._indexing import At, getitem
from ._keys import PRNGKeyArray
from .numpy import _unary

_FOREIGN = (bool, int, float, complex, np.ndarray, np.generic, pg.Tensor)


def _taken(other: Any) -> bool:
    return type(other) is Array or isinstance(other, _FOREIGN) or hasattr(other, "__jax_array__")


def _left(f: Callable[[Any, Any], Array]) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        return f(self, other) if type(other) is Array or _taken(other) else NotImplemented

    return method


def _right(f: Callable[[Any, Any], Array]) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        return f(other, self) if _taken(other) else NotImplemented

    return method


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": ops.add,
    "sub": ops.subtract,
    "mul": ops.multiply,
    "truediv": ops.true_divide,
    "floordiv": ops.floor_divide,
    "mod": ops.remainder,
    "divmod": lambda x, y: (ops.floor_divide(x, y), ops.remainder(x, y)),
    "pow": ops.power,
    "matmul": jnp.matmul,
    "and": ops.bitwise_and,
    "or": ops.bitwise_or,
    "xor": ops.bitwise_xor,
    "lshift": ops.left_shift,
    "rshift": ops.right_shift,
}
_COMPARED = {
    "eq": ops.equal,
    "ne": ops.not_equal,
    "lt": ops.less,
    "le": ops.less_equal,
    "gt": ops.greater,
    "ge": ops.greater_equal,
}
_FUNCTIONS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "argpartition",
    "choose",
    "clip",
    "compress",
    "conj",
    "conjugate",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ptp",
    "ravel",
    "repeat",
    "round",
    "searchsorted",
    "sort",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "var",
]


def _reshape(self: Array, *args: Any, order: str = "C", copy: bool | None = None) -> Array:
    shape = args[0] if len(args) == 1 else args
    return jnp.reshape(self, shape, order)


def _transpose(self: Array, *args: Any) -> Array:
    if not args:
        return jnp.transpose(self)
    axes = args[0] if len(args) == 1 and (args[0] is None or isinstance(args[0], (tuple, list))) else args
    return jnp.transpose(self, axes)


def _astype(self: Array, dtype: Any, copy: bool = False, device: Any = None) -> Array:
    return jnp.astype(self, dtype)


def _view(self: Array, dtype: Any = None) -> Array:
    from .lax import bitcast_convert_type

    return self if dtype is None else bitcast_convert_type(self, dtype)


def _iterate(self: Array) -> Any:
    if not self.ndim:
        raise TypeError("iteration over a 0-d array")
    t = self._t
    return iter([make(t[i], self._w) for i in range(t.shape[0])])


def _sorted(
    self: Array, axis: int | None = -1, *, kind: Any = None, stable: bool = True, descending: bool = False
) -> Array:
    return jnp.sort(self, axis, stable=stable, descending=descending)


def _contains(self: Array, value: Any) -> bool:
    if self.ndim != 1:
        raise ValueError(
            f"Array.__contains__: search array must be one-dimensional, got arr.shape={self.shape}."
        )
    return bool(jnp.any(self == value))


def _round(self: Array, digits: int | None = None) -> Array:
    return jnp.round(self, digits or 0)


def attach() -> None:
    """Put everything on the class."""
    made: Any = Array
    for name, f in _BINARY.items():
        setattr(made, f"__{name}__", _left(f))
        setattr(made, f"__r{name}__", _right(f))
    for name, f in _COMPARED.items():
        setattr(made, f"__{name}__", _left(f))
    for name in _FUNCTIONS:
        setattr(made, name, getattr(jnp, name))
    made.sort = _sorted
    made.reshape, made.transpose, made.astype, made.view = _reshape, _transpose, _astype, _view
    made.flatten = lambda self, order="C": jnp.ravel(self, order)
    made.copy = made.clone = lambda self: jnp.copy(self)
    made.to_device = lambda self, device, **_: jnp.array(self, device=device)
    made.__neg__, made.__pos__ = lambda self: _unary.negative(self), lambda self: self
    made.__abs__, made.__invert__ = lambda self: _unary.abs(self), lambda self: _unary.bitwise_not(self)
    made.__round__ = _round
    made.__getitem__ = getitem
    made.__iter__ = _iterate
    made.__contains__ = _contains
    made.T = property(lambda self: jnp.transpose(self))
    made.mT = property(lambda self: jnp.matrix_transpose(self))
    made.real = property(lambda self: jnp.real(self))
    made.imag = property(lambda self: jnp.imag(self))
    made.flat = property(lambda self: iter(jnp.ravel(self)))
    made.at = property(At)
    made.__array_namespace__ = lambda self, *, api_version=None: jnp
    keys: Any = PRNGKeyArray
    keys.devices = lambda self: make(self._t).devices()
    keys.item = lambda self: self.reshape(())
    keys.copy = lambda self: self
    keys.astype = _refused


def _refused(self: Any, dtype: Any) -> Any:
    raise TypeError("Cannot convert keys to another dtype; use jax.random.key_data")
