"""Tensors of a file: name, element type and extents at once, the numbers only when they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InvalidModelError, UnsupportedError
from .external import Directory
from .narrow import widened
from .types import ELEMENT_TYPES, type_name
from .wire import LENGTH, VARINT, Span, Wire, signed

__all__ = ["External", "SparseTensor", "Tensor"]

_BYTE = np.dtype(np.uint8)
# Which list of numbers holds an element type that is not stored as raw bytes.
_LISTS = {
    **dict.fromkeys((1, 14), "float_data"),
    **dict.fromkeys((11, 15), "double_data"),
    **dict.fromkeys((12, 13), "uint64_data"),
    7: "int64_data",
    8: "string_data",
}


@dataclass(frozen=True, slots=True)
class External:
    """Where in another file the bytes of a tensor lie; no length means up to the end."""

    location: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant of a file. ``dtype`` is the ONNX code; ``numpy`` reads the numbers."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    wire: Wire = field(repr=False)
    raw: Span | None = field(default=None, repr=False)
    lists: dict[str, Any] = field(default_factory=dict, repr=False)
    external: External | None = None
    directory: Directory | None = field(default=None, repr=False)
    doc: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.dims)

    @property
    def nbytes(self) -> int:
        """The number of bytes that the elements take in a file."""
        return (self.size * ELEMENT_TYPES[self.dtype].bits + 7) // 8

    def check(self) -> None:
        """Refuse a tensor whose extents do not fit what the file holds for it."""
        if self.dtype not in ELEMENT_TYPES:
            raise self._invalid(f"unknown element type {self.dtype}")
        if any(n < 0 for n in self.dims):
            raise self._invalid(f"negative extents {self.dims}")
        stored = [name for name, value in self.lists.items() if value]
        if self.external is not None:
            if self.raw is not None or stored or self.dtype == 8:
                raise self._invalid("both external data and numbers of its own")
            if self.external.length is not None and self.external.length != self.nbytes:
                raise self._invalid(
                    f"{self.nbytes} bytes needed, external data states {self.external.length}"
                )
        elif self.raw is not None:
            if stored or self.dtype == 8:
                raise self._invalid("raw bytes and a list of numbers")
            if self.raw[1] - self.raw[0] != self.nbytes:
                raise self._invalid(f"{self.nbytes} bytes needed, {self.raw[1] - self.raw[0]} given")
        elif stored:
            expected = _LISTS.get(self.dtype, "int32_data")
            if stored != [expected]:
                raise self._invalid(f"numbers in {', '.join(stored)}, needed in {expected}")
            # A number takes a byte at least, so this bounds what `numpy` allocates.
            held = sum(span[1] - span[0] if kind == LENGTH else 1 for kind, span in self.lists[expected])
            if self.size > 4 * held + 4:
                raise self._invalid(f"{self.size} elements needed, {held} bytes given")
        elif self.size:
            raise self._invalid(f"{self.size} elements needed, none given")

    def raw_bytes(self) -> memoryview:
        """The elements as the file stores them, if it stores raw bytes (its own or external)."""
        if self.external is not None:
            directory = self.directory or Directory(None)
            where = self.external
            view = directory.view(where.location, where.offset, where.length)
            if where.length is None and len(view) < self.nbytes:
                raise self._invalid(f"{self.nbytes} bytes needed, external data holds {len(view)}")
            return view[: self.nbytes]
        if self.raw is None:
            raise self._invalid("its numbers are not stored as raw bytes")
        return self.wire.data[self.raw[0] : self.raw[1]]

    def numpy(self) -> np.ndarray:
        """The elements as an array, a view of the file where its bytes can be used as they are.

        bfloat16 comes as uint16 (the bit patterns); strings as objects; numbers of less than a byte
        and floats of a byte in a wider type. Other types that pequegrad lacks are refused.
        """
        kind = ELEMENT_TYPES[self.dtype]
        if self.dtype == 8:
            spans = [span for _, span in self.lists.get("string_data", [])]
            if len(spans) != self.size:
                raise self._invalid(f"{self.size} elements needed, {len(spans)} given")
            texts = np.empty(len(spans), object)
            texts[:] = [self.wire.raw(span).decode("utf-8", "replace") for span in spans]
            return texts.reshape(self.dims)
        if not kind.known and kind.held:
            stored = np.frombuffer(self.raw_bytes(), np.uint8) if self._has_bytes() else self._listed(_BYTE)
            if stored.size != self.nbytes:
                raise self._invalid(f"{self.nbytes} bytes needed, {stored.size} given")
            return widened(stored, kind.name, kind.bits, self.size).reshape(self.dims)
        if not kind.known:
            raise UnsupportedError(f"tensor {self.name!r}: element type {kind.name} is not supported")
        target = np.dtype("uint16" if kind.name == "bfloat16" else kind.name)
        if self._has_bytes():
            made = np.frombuffer(self.raw_bytes(), target.newbyteorder("<"))
            if target == np.bool_ and made.view(np.uint8).max(initial=0) > 1:
                made = made.view(np.uint8) != 0
        else:
            made = self._listed(target)
        if made.size != self.size:
            raise self._invalid(f"{self.size} elements needed, {made.size} given")
        return made.reshape(self.dims)

    def _has_bytes(self) -> bool:
        return self.raw is not None or self.external is not None

    def _listed(self, target: np.dtype) -> np.ndarray:
        chunks = self.lists.get(_LISTS.get(self.dtype, "int32_data"), [])
        fixed = {1: "<f4", 14: "<f4", 11: "<f8", 15: "<f8"}.get(self.dtype)
        parts: list[np.ndarray] = []
        for kind, value in chunks:
            if fixed is not None:
                if kind == VARINT or (value[1] - value[0]) % np.dtype(fixed).itemsize:
                    raise self._invalid("its list of numbers is not made of whole numbers")
                parts.append(np.frombuffer(self.wire.data[value[0] : value[1]], fixed))
            elif kind == LENGTH:
                parts.append(self.wire.varints(value))
            elif kind == VARINT:
                parts.append(np.array([signed(value)], np.int64))
            else:
                raise self._invalid("its list of numbers has the wrong wire type")
        numbers = np.concatenate(parts) if parts else np.zeros(0, fixed or np.int64)
        if self.dtype == 10:  # bit patterns
            return numbers.astype(np.uint16).view(np.float16)
        if self.dtype in (14, 15):
            if numbers.size % 2:
                raise self._invalid("half a complex number")
            return np.ascontiguousarray(numbers).view(target)
        return numbers.astype(target)

    def _invalid(self, reason: str) -> InvalidModelError:
        named = type_name(self.dtype)
        return InvalidModelError(f"tensor {self.name!r} of {named}{list(self.dims)}: {reason}")


@dataclass(frozen=True, slots=True)
class SparseTensor:
    """A constant of which only the elements that differ from zero are stored."""

    values: Tensor
    indices: Tensor
    dims: tuple[int, ...]
