"""Element types of ONNX by their code.

>>> ELEMENT_TYPES[7].name, code_of("float32")
('int64', 1)
"""

from __future__ import annotations

from dataclasses import dataclass

from .narrow import HELD

__all__ = ["ELEMENT_TYPES", "ElementType", "code_of", "type_name"]


@dataclass(frozen=True)
class ElementType:
    """One element type: its name in pequegrad (in ONNX where pequegrad lacks it) and its size in a file."""

    code: int
    name: str
    bits: int
    known: bool  # whether pequegrad computes with it

    @property
    def held(self) -> str:
        """The type that holds its numbers exactly: its own name where pequegrad has it, or a wider one; empty
        where there is none.
        """
        return self.name if self.known else HELD.get(self.name, "")


_ROWS = [
    (1, "float32", 32, True),
    (2, "uint8", 8, True),
    (3, "int8", 8, True),
    (4, "uint16", 16, True),
    (5, "int16", 16, True),
    (6, "int32", 32, True),
    (7, "int64", 64, True),
    (8, "string", 0, False),
    (9, "bool", 8, True),
    (10, "float16", 16, True),
    (11, "float64", 64, True),
    (12, "uint32", 32, True),
    (13, "uint64", 64, True),
    (14, "complex64", 64, True),
    (15, "complex128", 128, True),
    (16, "bfloat16", 16, True),
    (17, "float8e4m3fn", 8, False),
    (18, "float8e4m3fnuz", 8, False),
    (19, "float8e5m2", 8, False),
    (20, "float8e5m2fnuz", 8, False),
    (21, "uint4", 4, False),
    (22, "int4", 4, False),
    (23, "float4e2m1", 4, False),
    (24, "float8e8m0", 8, False),
    (25, "uint2", 2, False),
    (26, "int2", 2, False),
    (27, "float6e2m3", 6, False),
    (28, "float6e3m2", 6, False),
]
ELEMENT_TYPES = {row[0]: ElementType(*row) for row in _ROWS}
_CODES = {row.name: row.code for row in ELEMENT_TYPES.values()}


def code_of(name: str) -> int:
    """The code of an element type by its name."""
    return _CODES[name]


def type_name(code: int) -> str:
    """The name of an element type; numbers without a name keep their number."""
    return ELEMENT_TYPES[code].name if code in ELEMENT_TYPES else f"type {code}"
