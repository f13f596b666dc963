"""Element types as JAX promotes them: a lattice in which Python numbers are weak, and 64 bits only when "
"asked."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pequegrad as pg

from ._config import config

DType = pg.DType
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

NUMPY: dict[DType, np.dtype[Any]] = {
    kind: _BFLOAT16 if kind is pg.bfloat16 else np.dtype(kind.name) for kind in pg.dt.all_dtypes
}
OF_NUMPY: dict[np.dtype[Any], DType] = {array: kind for kind, array in NUMPY.items()}

_NARROW = {
    pg.int64: pg.int32,
    pg.uint64: pg.uint32,
    pg.float64: pg.float32,
    pg.complex128: pg.complex64,
}
_WIDE = {narrow: wide for wide, narrow in _NARROW.items()}


class prng_key(np.generic):
    """The abstract type of all random keys: ``jnp.issubdtype(key.dtype, dtypes.prng_key)``."""


class KeyType:
    """The dtype of typed random keys."""

    name = "key<fry>"
    itemsize = 8
    type = prng_key
    kind = "V"

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


key_type = KeyType()


class ScalarType:
    """What ``jnp.float32`` is: a name of a dtype that also makes arrays, ``jnp.float32(2)``.

    >>> import numpy as np, pg_jax.numpy as jnp
    >>> jnp.zeros(2, jnp.int8).dtype == jnp.int8, np.dtype(jnp.float32).itemsize
    (True, 4)
    """

    def __init__(self, kind: DType) -> None:
        self.dtype = NUMPY[kind]
        self.__name__ = "bool" if kind is pg.bool_ else kind.name

    def __call__(self, x: Any) -> Any:
        from .numpy import asarray

        return asarray(x, dtype=self.dtype)

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        try:
            return bool(self.dtype == other)
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"<class 'jax.numpy.{self.__name__}'>"


SCALAR_TYPES: dict[str, ScalarType] = {
    ("bool_" if kind is pg.bool_ else kind.name): ScalarType(kind) for kind in pg.dt.all_dtypes
}


@functools.cache
def _kind_of(x: Any) -> tuple[DType, bool]:
    """The dtype of any hashable spelling, and whether 64 bits were asked by name."""
    if isinstance(x, DType):
        return x, True
    if isinstance(x, type) and x in (bool, int, float, complex):
        return {bool: pg.bool_, int: pg.int64, float: pg.float64, complex: pg.complex128}[x], False
    if isinstance(x, ScalarType):
        return OF_NUMPY[x.dtype], True
    kind = OF_NUMPY.get(np.dtype(ml_dtypes.bfloat16 if x == "bfloat16" else x))
    if kind is None:
        raise TypeError(f"{x!r} is not a dtype that pg_jax has")
    return kind, True


def of(dtype: Any, what: str = "") -> DType:
    """The dtype that arrays get when this one is asked for: with x64 off at most 32 bits wide.

    With ``what`` given, asking for 64 bits by name warns, as JAX does.
    """
    kind, explicit = _kind_of(dtype)
    if config.x64 or kind not in _NARROW:
        return kind
    if explicit and what:
        warnings.warn(
            f"Explicitly requested dtype {dtype} requested in {what} is not available, and will be truncated "
            f"to dtype {_NARROW[kind].name}. To enable more dtypes, set the jax_enable_x64 configuration "
            "option or the JAX_ENABLE_X64 shell environment variable.",
            stacklevel=4,
        )
    return _NARROW[kind]


def canonical(kind: DType) -> DType:
    """With x64 off, 64-bit types become 32-bit ones."""
    return kind if config.x64 else _NARROW.get(kind, kind)


def default_int() -> DType:
    """int32, or int64 with x64."""
    return pg.int64 if config.x64 else pg.int32


def default_float() -> DType:
    """float32, or float64 with x64."""
    return pg.float64 if config.x64 else pg.float32


def default_complex() -> DType:
    """complex64, or complex128 with x64."""
    return pg.complex128 if config.x64 else pg.complex64


def of_number(value: Any) -> tuple[DType, bool]:
    """The dtype of a Python number, and that it is weak (bools are not)."""
    if isinstance(value, bool):
        return pg.bool_, False
    if isinstance(value, int):
        return default_int(), True
    return (default_float() if isinstance(value, float) else default_complex()), True


# ---- the lattice: each type with those right above it. i*, f*, c* are Python's numbers.

_ABOVE = {
    "bool": ("i*",),
    "i*": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("f*",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("f*",),
    "f*": ("c*", "float16", "bfloat16"),
    "float16": ("float32",),
    "bfloat16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "c*": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}


def _closure(node: str) -> frozenset[str]:
    return frozenset({node}).union(*(_closure(above) for above in _ABOVE[node]))


_UP = {node: _closure(node) for node in _ABOVE}
_WEAK = {"i*": default_int, "f*": default_float, "c*": default_complex}


def _node(kind: DType, weak: bool) -> str:
    if weak and kind is not pg.bool_:
        return "c*" if kind.is_complex else "f*" if kind.is_inexact else "i*"
    return kind.name


@functools.cache
def _bound(nodes: frozenset[str]) -> str:
    common = frozenset.intersection(*(_UP[n] for n in nodes))
    least = [n for n in common if common <= _UP[n]]
    if not least:
        raise TypeError(f"the dtypes {sorted(nodes)} have no common type")
    return least[0]


_joined: dict[tuple[Any, ...], tuple[DType, bool]] = {}


def join(*types: tuple[DType, bool]) -> tuple[DType, bool]:
    """The dtype, and whether it is weak, of an operation on operands of these."""
    found = _joined.get((config.x64, *types))
    if found is None:
        found = _joined[(config.x64, *types)] = _join(types)
    return found


def _join(types: tuple[tuple[DType, bool], ...]) -> tuple[DType, bool]:
    if all(weak for _, weak in types):
        node = _bound(frozenset(_node(kind, False) for kind, _ in types))
        kind = pg.dt.as_dtype(node) if node not in _WEAK else _WEAK[node]()
        return canonical(kind), kind is not pg.bool_
    if len({kind for kind, _ in types}) == 1:
        return canonical(types[0][0]), False
    node = _bound(frozenset(_node(kind, weak) for kind, weak in types))
    if node in _WEAK:
        return _WEAK[node](), True
    return canonical(pg.dt.as_dtype(node)), False


def inexact(kind: DType) -> DType:
    """The floating (or complex) type of what is computed from this one."""
    if kind.is_inexact:
        return kind
    return default_float() if kind is pg.bool_ or kind.is_integer else kind


# ---- jax.dtypes


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = False) -> np.dtype[Any]:
    """The dtype that arrays get.

    >>> from pg_jax import dtypes
    >>> dtypes.canonicalize_dtype("float64")
    dtype('float32')
    """
    return NUMPY[of(dtype)]


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that arrays, dtypes and Python numbers promote to.

    >>> from pg_jax import dtypes
    >>> dtypes.result_type("int32", "float16"), dtypes.result_type("int8", 2.5)
    (dtype('float16'), dtype('float32'))
    """
    kind, weak = join(*(type_of(x) for x in args))
    return (NUMPY[kind], weak) if return_weak_type_flag else NUMPY[kind]


def type_of(x: Any) -> tuple[DType, bool]:
    """(dtype, weak) of an array, a number or a dtype."""
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        return of_number(x)
    if isinstance(x, (type, str, np.dtype, DType, ScalarType)):
        return canonical(_kind_of(x)[0]), False
    held = getattr(x, "dtype", None)
    if held is None:
        held = np.asarray(x).dtype
    return canonical(_kind_of(held)[0]), bool(getattr(x, "weak_type", False))


def promote_types(a: Any, b: Any) -> np.dtype[Any]:
    """The dtype that two dtypes promote to.

    >>> from pg_jax import dtypes
    >>> dtypes.promote_types("bfloat16", "float16")
    dtype('float32')
    """
    names = {int: ("i*", True), float: ("f*", True), complex: ("c*", True)}
    given = []
    for x in (a, b):
        weak = {"i*": pg.int32, "f*": pg.float32, "c*": pg.complex64}.get(names[x][0]) if x in names else None
        given.append((weak, True) if weak is not None else (_kind_of(x)[0], False))
    if all(weak for _, weak in given):
        return NUMPY[join(*given)[0]]
    node = _bound(frozenset(_node(kind, weak) for kind, weak in given))
    return NUMPY[canonical(_WEAK[node]() if node in _WEAK else pg.dt.as_dtype(node))]


def issubdtype(a: Any, b: Any) -> bool:
    """Whether one dtype is a kind of another; knows bfloat16 and keys.

    >>> import pg_jax.numpy as jnp
    >>> jnp.issubdtype(jnp.bfloat16, jnp.floating)
    True
    """
    wanted = b.dtype.type if isinstance(b, ScalarType) else b
    if isinstance(a, KeyType) or a is prng_key:
        return wanted in (prng_key, extended, np.generic)
    if wanted in (prng_key, extended):
        return False
    own = a.dtype if isinstance(a, ScalarType) else a
    if isinstance(own, DType):
        own = NUMPY[own]
    if (
        own == "bfloat16"
        or (not isinstance(own, type) and np.dtype(own) == _BFLOAT16)
        or own is ml_dtypes.bfloat16
    ):
        return wanted in (np.floating, np.inexact, np.number, np.generic, ml_dtypes.bfloat16, _BFLOAT16)
    if wanted is ml_dtypes.bfloat16:
        return False
    return bool(np.issubdtype(own, wanted))


def scalar_type_of(x: Any) -> type:
    """bool, int, float or complex.

    >>> from pg_jax import dtypes
    >>> dtypes.scalar_type_of(1)
    <class 'int'>
    """
    kind = type_of(x)[0]
    return bool if kind is pg.bool_ else int if kind.is_integer else complex if kind.is_complex else float


def finfo(dtype: Any) -> Any:
    """Machine limits of a floating dtype.

    >>> import pg_jax.numpy as jnp
    >>> float(jnp.finfo(jnp.bfloat16).eps)
    0.0078125
    """
    return ml_dtypes.finfo(NUMPY[_kind_of(dtype)[0]])


def iinfo(dtype: Any) -> Any:
    """Machine limits of an integer dtype.

    >>> import pg_jax.numpy as jnp
    >>> jnp.iinfo(jnp.int8).max
    127
    """
    return ml_dtypes.iinfo(NUMPY[_kind_of(dtype)[0]])


class extended(np.generic):
    """The abstract type of element types that NumPy lacks."""


bfloat16 = ml_dtypes.bfloat16
float0 = np.dtype([("float0", np.void, 0)])
