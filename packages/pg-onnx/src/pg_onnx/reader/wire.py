"""The wire format of protobuf, read with bounds: nothing is copied and no length is believed.

A message is decoded by a table from field numbers to a name and a kind. Kinds in capitals gather repeated
fields into lists; the others take the last occurrence, as protobuf does, except messages, which may occur
once.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InvalidModelError

Span = tuple[int, int]  # first byte and the one after the last
Table = Mapping[int, tuple[str, str]]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_EXPECTED = {
    "int": (VARINT,),
    "INT": (VARINT, LENGTH),
    "float": (FIXED32,),
    "FLOAT": (FIXED32, LENGTH),
    "span": (LENGTH,),
    "SPAN": (LENGTH,),
    "bytes": (LENGTH,),
    "CHUNK": (VARINT, FIXED32, FIXED64, LENGTH),
}


class Wire:
    """A buffer of bytes to decode messages from."""

    def __init__(self, data: memoryview) -> None:
        self.data = data

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """An unsigned varint of up to 64 bits, and the place after it."""
        value = shift = 0
        data = self.data
        while at < end:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    break
                return value, at
            shift += 7
            if shift > 63:
                break
        raise InvalidModelError(f"byte {at}: a number is truncated or longer than 64 bits")

    def message(self, span: Span, table: Table, what: str) -> dict[str, Any]:
        """The fields of a message that the table names; others are skipped."""
        at, end = span
        found: dict[str, Any] = {}
        while at < end:
            start = at
            key, at = self.varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                value: Any
                value, at = self.varint(at, end)
            elif wire == LENGTH:
                length, at = self.varint(at, end)
                if length > end - at:
                    raise InvalidModelError(
                        f"byte {start}: a field of {what} states {length} bytes where {end - at} remain"
                    )
                value = (at, at + length)
                at += length
            elif wire in (FIXED32, FIXED64):
                size = 4 if wire == FIXED32 else 8
                if size > end - at:
                    raise InvalidModelError(f"byte {start}: {what} is truncated")
                value = (at, at + size)
                at += size
            else:
                raise InvalidModelError(f"byte {start}: {what} has a field of unknown wire type {wire}")
            if number == 0:
                raise InvalidModelError(f"byte {start}: {what} has a field with number 0")
            entry = table.get(number)
            if entry is None:
                continue
            name, kind = entry
            if wire not in _EXPECTED[kind]:
                raise InvalidModelError(f"byte {start}: field {name} of {what} has wire type {wire}")
            self._keep(found, name, kind, wire, value, what)
        return found

    def _keep(self, found: dict[str, Any], name: str, kind: str, wire: int, value: Any, what: str) -> None:
        if kind == "int":
            found[name] = signed(value)
        elif kind == "float":
            found[name] = struct.unpack_from("<f", self.data, value[0])[0]
        elif kind == "span":
            if name in found:
                raise InvalidModelError(f"byte {value[0]}: {what} has the field {name} twice")
            found[name] = value
        elif kind == "bytes":
            found[name] = value
        elif kind == "INT":
            numbers = found.setdefault(name, [])
            if wire == VARINT:
                numbers.append(signed(value))
            else:
                numbers.extend(self.varints(value).tolist())
        elif kind == "FLOAT":
            numbers = found.setdefault(name, [])
            if (value[1] - value[0]) % 4:
                raise InvalidModelError(f"byte {value[0]}: {name} of {what} is not made of whole numbers")
            numbers.extend(np.frombuffer(self.data[value[0] : value[1]], "<f4").tolist())
        elif kind == "CHUNK":
            found.setdefault(name, []).append((wire, value))
        else:
            found.setdefault(name, []).append(value)

    def varints(self, span: Span) -> np.ndarray:
        """Packed varints as int64 (a negative int32 takes ten bytes, as an int64 does)."""
        raw = np.frombuffer(self.data[span[0] : span[1]], np.uint8)
        if raw.size == 0:
            return np.zeros(0, np.int64)
        last = np.flatnonzero(raw < 0x80)
        if last.size == 0 or last[-1] != raw.size - 1:
            raise InvalidModelError(f"byte {span[1]}: packed numbers are truncated")
        first = np.concatenate([[0], last[:-1] + 1])
        lengths = last - first + 1
        if lengths.max() > 10:
            raise InvalidModelError(f"byte {span[0]}: a packed number is longer than 64 bits")
        places = np.arange(raw.size) - np.repeat(first, lengths)
        parts = (raw & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
        return np.add.reduceat(parts, first).view(np.int64)

    def text(self, span: Span, what: str, limit: int) -> str:
        """A string of at most so many bytes."""
        if span[1] - span[0] > limit:
            raise InvalidModelError(f"byte {span[0]}: {what} is {span[1] - span[0]} bytes long")
        try:
            return bytes(self.data[span[0] : span[1]]).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidModelError(f"byte {span[0]}: {what} is not UTF-8") from None

    def raw(self, span: Span) -> bytes:
        """A copy of the bytes."""
        return bytes(self.data[span[0] : span[1]])


def signed(value: int) -> int:
    """A varint as the int64 that it encodes."""
    return value - 2**64 if value >= 2**63 else value
