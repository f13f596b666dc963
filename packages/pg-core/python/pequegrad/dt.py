"""Element types: ``pg.dt.float32`` and its kin, and the ways to name them.

>>> import pequegrad as pg
>>> pg.dt.float32, pg.dt.float32.itemsize
(float32, 4)
>>> pg.dt.as_dtype("int8") is pg.dt.int8
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError


class DType:
    """An element type. Compares equal to its name and to NumPy's dtype of that name; there is one object
    per type.

    >>> import numpy as np, pequegrad as pg
    >>> pg.dt.float32 == "float32", pg.dt.float32 == np.float32, pg.dt.float32 == pg.dt.float64
    (True, True, False)
    """

    __slots__ = ("code", "itemsize", "kind", "name")
    name: str
    code: int  # position in types/dtype.h
    itemsize: int
    kind: str  # "b" bool, "i" signed, "u" unsigned, "f" float, "c" complex

    def __init__(self, name: str, code: int, itemsize: int, kind: str) -> None:
        for key, value in (("name", name), ("code", code), ("itemsize", itemsize), ("kind", kind)):
            object.__setattr__(self, key, value)

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"dtype {self.name} is immutable")

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if isinstance(other, str):
            return self.name == other
        if isinstance(other, (np.dtype, type)):
            return (
                _names_of_types.get(other) == self.name
                if isinstance(other, type)
                else other.name == self.name
            )
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: Any) -> DType:
        return self

    @property
    def is_bool(self) -> bool:
        """Whether this is the boolean type."""
        return self.kind == "b"

    @property
    def is_integer(self) -> bool:
        """Whether this is a signed or unsigned integer type."""
        return self.kind in "iu"

    @property
    def is_floating(self) -> bool:
        """Whether this is a floating-point type."""
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        """Whether this is a complex type."""
        return self.kind == "c"

    @property
    def is_inexact(self) -> bool:
        """Whether this is a floating-point or complex type: one whose values have derivatives."""
        return self.kind in "fc"

    @property
    def real(self) -> DType:
        """The type of the parts of a complex number; other types are their own.

        >>> import pequegrad as pg
        >>> pg.complex128.real, pg.int8.real
        (float64, int8)
        """
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_numpy(self) -> np.dtype[Any]:
        """The NumPy dtype; bfloat16 needs the package ml_dtypes.

        >>> import pequegrad as pg
        >>> pg.dt.int16.to_numpy()
        dtype('int16')
        """
        if self.name != "bfloat16":
            return np.dtype(self.name)
        try:
            import ml_dtypes
        except ImportError:
            raise DTypeError(
                "NumPy has no bfloat16 of its own: install ml_dtypes (pip install ml_dtypes), or convert "
                "first with .astype('float32')"
            ) from None
        return np.dtype(ml_dtypes.bfloat16)


# In the order of types/dtype.h.
bool_ = DType("bool", 0, 1, "b")
int8 = DType("int8", 1, 1, "i")
int16 = DType("int16", 2, 2, "i")
int32 = DType("int32", 3, 4, "i")
int64 = DType("int64", 4, 8, "i")
uint8 = DType("uint8", 5, 1, "u")
uint16 = DType("uint16", 6, 2, "u")
uint32 = DType("uint32", 7, 4, "u")
uint64 = DType("uint64", 8, 8, "u")
float16 = DType("float16", 9, 2, "f")
bfloat16 = DType("bfloat16", 10, 2, "f")
float32 = DType("float32", 11, 4, "f")
float64 = DType("float64", 12, 8, "f")
complex64 = DType("complex64", 13, 8, "c")
complex128 = DType("complex128", 14, 16, "c")

all_dtypes = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, bfloat16, float32, float64,
    complex64, complex128,
)  # fmt: skip

_by_name: dict[str, DType] = {d.name: d for d in all_dtypes}
_by_name.update(
    {
        "bool_": bool_,
        "half": float16,
        "float": float32,
        "double": float64,
        "int": int64,
        "long": int64,
        "short": int16,
        "complex": complex64,
        "cfloat": complex64,
        "cdouble": complex128,
    }
)
names = frozenset(_by_name)  # every spelling
_names_of_types: dict[type, str] = {bool: "bool", int: "int64", float: "float32", complex: "complex64"}
_names_of_types.update({np.dtype(d.name).type: d.name for d in all_dtypes if d.name != "bfloat16"})


def as_dtype(spec: Any) -> DType:
    """The dtype named by a DType, a string, a NumPy dtype or scalar type, ``bool``/``int``/``float``/
    ``complex``, or a torch dtype.

    >>> import numpy as np, pequegrad as pg
    >>> pg.dt.as_dtype(np.dtype("uint8")), pg.dt.as_dtype(float), pg.dt.as_dtype("torch.float16")
    (uint8, float32, float16)
    """
    if isinstance(spec, DType):
        return spec
    if type(spec) is str and (found := _by_name.get(spec)) is not None:
        return found
    if isinstance(spec, np.dtype):
        found = _by_name.get(spec.name)
    elif isinstance(spec, type):
        found = _by_name.get(_names_of_types.get(spec, spec.__name__))
    else:
        text = spec if isinstance(spec, str) else str(spec)  # str(torch.float32) is "torch.float32"
        found = _by_name.get(text.rpartition(".")[2])
    if found is None:
        raise DTypeError(f"unknown dtype {spec!r}; the dtypes are {', '.join(d.name for d in all_dtypes)}")
    return found


def __getattr__(name: str) -> Any:
    if name == "bool":  # pg.dt.bool, without hiding the builtin in this module
        return bool_
    raise AttributeError(
        f"pequegrad.dt has no dtype {name!r}; the dtypes are {', '.join(d.name for d in all_dtypes)}"
    )
