"""Numbers of fewer than eight bits, and floats of four and eight: read into wider types that hold them
exactly.
"""

from __future__ import annotations

import numpy as np

__all__ = ["HELD", "widened"]

# By name the type that holds them.
HELD = {
    "uint4": "uint8",
    "int4": "int8",
    "uint2": "uint8",
    "int2": "int8",
    "float8e4m3fn": "float32",
    "float8e4m3fnuz": "float32",
    "float8e5m2": "float32",
    "float8e5m2fnuz": "float32",
    "float4e2m1": "float32",
}
_FOUR_BITS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0], np.float32)


def _table(exponent_bits: int, bias: int, unsigned_zero: bool, infinite: bool) -> np.ndarray:
    """The value of each byte: sign, exponent, fraction; what has no value is NaN."""
    byte = np.arange(256)
    fraction_bits = 7 - exponent_bits
    exponent = byte >> fraction_bits & (2**exponent_bits - 1)
    fraction = byte & (2**fraction_bits - 1)
    whole = np.where(exponent > 0, 2**fraction_bits, 0) + fraction
    values = whole * 2.0 ** (np.maximum(exponent, 1) - bias - fraction_bits)
    if unsigned_zero:
        values[128] = np.nan
    elif infinite:
        top = exponent == 2**exponent_bits - 1
        values = np.where(top, np.where(fraction == 0, np.inf, np.nan), values)
    else:
        values = np.where(byte & 127 == 127, np.nan, values)
    return np.where(byte >= 128, -values, values).astype(np.float32)


_TABLES = {
    "float8e4m3fn": _table(4, 7, False, False),
    "float8e4m3fnuz": _table(4, 8, True, False),
    "float8e5m2": _table(5, 15, False, True),
    "float8e5m2fnuz": _table(5, 16, True, False),
}


def widened(data: np.ndarray, name: str, bits: int, count: int) -> np.ndarray:
    """The numbers in bytes, the lowest bits of each byte first.

    >>> widened(np.array([0x2F], np.uint8), "int4", 4, 2).tolist()
    [-1, 2]
    """
    if name in _TABLES:
        return _TABLES[name][data[:count]]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (data[:, None] >> shifts & (2**bits - 1)).reshape(-1)[:count]
    if name == "float4e2m1":
        return np.where(parts >= 8, -_FOUR_BITS[parts & 7], _FOUR_BITS[parts & 7])
    if name.startswith("int"):
        signed = parts.astype(np.int8)
        return np.where(signed >= 2 ** (bits - 1), signed - 2**bits, signed).astype(np.int8)
    return parts
