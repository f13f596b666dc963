"""What the array API standard lets a program ask about this library: ``__array_namespace_info__``."""

from __future__ import annotations

from typing import Any

from .. import device as _device
from .. import dt
from .datatypes import isdtype

_DEFAULTS = {
    "real floating": "float32",
    "complex floating": "complex64",
    "integral": "int64",
    "indexing": "int64",
}


class NamespaceInfo:
    """Capabilities, devices and dtypes, as the array API standard asks for them."""

    def capabilities(self) -> dict[str, Any]:
        """What works: boolean indexing and shapes that depend on data do (outside jit); any rank.

        >>> pg.__array_namespace_info__().capabilities()["boolean indexing"]
        True
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": None}

    def default_device(self) -> _device.Device:
        """The device on which new tensors are placed.

        >>> pg.__array_namespace_info__().default_device()
        device('cpu')
        """
        return _device.default_device()

    def devices(self) -> list[_device.Device]:
        """The devices that data can be placed on.

        >>> pg.__array_namespace_info__().devices()
        [device('cpu')]
        """
        return [_device.cpu()]

    def default_dtypes(self, *, device: Any = None) -> dict[str, dt.DType]:
        """The dtypes of Python floats, complex numbers and integers, and of indices.

        >>> pg.__array_namespace_info__().default_dtypes()["real floating"]
        float32
        """
        return {kind: dt.as_dtype(name) for kind, name in _DEFAULTS.items() if name in dt.names}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, dt.DType]:
        """The dtypes of the standard by name, those of a kind (as in ``isdtype``) or all.

        >>> sorted(pg.__array_namespace_info__().dtypes(kind="real floating"))
        ['float32', 'float64']
        """
        found = {d.name: d for d in dt.all_dtypes if d.name not in ("float16", "bfloat16")}
        return found if kind is None else {n: d for n, d in found.items() if isdtype(d, kind)}


_info = NamespaceInfo()


def __array_namespace_info__() -> NamespaceInfo:
    """What can be asked about this library, as the array API standard has it.

    >>> pg.__array_namespace_info__().default_device()
    device('cpu')
    """
    return _info
