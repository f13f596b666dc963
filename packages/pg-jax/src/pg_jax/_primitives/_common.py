"""What several families of primitives need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

SIGNED = {1: pg.int8, 2: pg.int16, 4: pg.int32, 8: pg.int64}
UNSIGNED = {1: pg.uint8, 2: pg.uint16, 4: pg.uint32, 8: pg.uint64}


def as_dtype(dtype: Any) -> DType:
    """pequegrad's dtype for any spelling of one."""
    return dtype if isinstance(dtype, DType) else pg.dt.as_dtype(np.dtype(dtype))


def bits_of(x: Tensor) -> Tensor:
    """The bits as an unsigned integer."""
    return x if x.dtype.kind == "u" else pg.bitcast(x, UNSIGNED[x.dtype.itemsize])


def ints(values: Any) -> tuple[int, ...]:
    """Python's integers of integers of any kind."""
    return tuple(int(v) for v in values)


def total_order(x: Tensor) -> Tensor:
    """Integers in the total order of floats: -NaN < -inf < ... < -0 < 0 < ... < inf < NaN."""
    if x.dtype.kind != "f":
        return x
    word = pg.bitcast(x, SIGNED[x.dtype.itemsize])
    return pg.where(word < 0, word ^ pg.full((), pg.iinfo(word.dtype).max, dtype=word.dtype), word)
