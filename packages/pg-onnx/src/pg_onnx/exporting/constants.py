"""Tensors that a function reads from outside or makes of values: initializers, unless they differ between the
traces for several sizes. Then a file has to compute them: those full of one number, and those that count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pequegrad as pg

from ..errors import UnsupportedError
from .builder import Builder
from .moving import emit_iota
from .parts import Record, Value
from .sizes import Size


def write_constant(b: Builder, wanted: str, tensors: Sequence[pg.Tensor], record: Record) -> Value:
    """The value of a captured tensor, given by what it is in each trace."""
    first = tensors[0]
    if all(t is first for t in tensors) or _same(tensors):
        return Value(b.initializer(wanted, first.numpy()), record.shape, record.shape, record.dtype)
    arrays = [t.numpy() for t in tensors]
    flat = [np.unique(a) for a in arrays]
    if all(u.size == 1 and u.tobytes() == flat[0].tobytes() for u in flat):
        return Value(b.constant(flat[0][0], record.dtype), (), record.shape, record.dtype)
    long = [i for i, extent in enumerate(record.shape) if extent != 1]
    if len(long) == 1 and isinstance(record.shape[long[0]], Size) and _counts(arrays):
        start, step = arrays[0].ravel()[0], arrays[0].ravel()[1] - arrays[0].ravel()[0]
        made = emit_iota(b, Record("iota", (), {"axis": long[0]}, record.shape, record.dtype, ""), ())
        name = made.name
        if step != 1:
            name = b.op("Mul", [name, b.constant(step, record.dtype)])
        if start != 0:
            name = b.op("Add", [name, b.constant(start, record.dtype)])
        return Value(name, made.have, made.shape, made.dtype)
    shapes = " and ".join(str(tuple(t.shape)) for t in tensors[:2])
    raise UnsupportedError(
        f"export: a constant of shape {shapes} is computed from a size while the function is traced, and the "
        "file cannot say how; compute it with pequegrad's functions, or leave that size out of dynamic="
    )


def _same(tensors: Sequence[pg.Tensor]) -> bool:
    first = tensors[0]
    if any(t.shape != first.shape or t.dtype != first.dtype for t in tensors):
        return False
    bits = first.numpy().tobytes()
    return all(t.numpy().tobytes() == bits for t in tensors[1:])


def _counts(arrays: Sequence[np.ndarray]) -> bool:
    """Are the numbers of all arrays equally spaced, from one start by one step?"""
    lines = [a.ravel() for a in arrays]
    if any(line.size < 2 or line.dtype.kind not in "iuf" for line in lines):
        return False
    start, step = lines[0][0], lines[0][1] - lines[0][0]
    return all(np.array_equal(line, start + step * np.arange(line.size, dtype=line.dtype)) for line in lines)
