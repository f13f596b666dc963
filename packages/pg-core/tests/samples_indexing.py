"""Rows of indexing: keys of all kinds, functional updates, take and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
from rows import (
    ALL,
    COMPLEX,
    EVERY,
    MOVE,
    REAL,
    A,
    Arr,
    I,
    Row,
    S,
)


def _take(x: Any, i: Any, axis: Any = None, mode: str = "raise") -> Any:
    return np.take(x, i, axis, mode=mode)


def getitem(key: Any) -> Callable[..., Any]:
    return lambda x, *arrays: x[tuple(arrays[k.at] if isinstance(k, Hole) else k for k in key)]


class Hole(NamedTuple):
    """A place in a key that takes an array argument."""

    at: int


KEYS: list[tuple[Any, tuple[Any, ...]]] = [
    ((1,), ()),
    ((-1, 2), ()),
    ((slice(None, None, -1),), ()),
    ((slice(1, None), slice(None, 1, -1)), ()),
    ((slice(3, 0, -2), slice(0, 4, 3)), ()),
    ((Ellipsis, 0), ()),
    ((None, 1, None, slice(1, 3)), ()),
    ((slice(5, 2),), ()),
    ((Hole(0),), (I(4, 6),)),
    ((Hole(0),), (I(4, 2, 3),)),
    ((slice(None), Hole(0)), (I(5, 3),)),
    ((Hole(0), Hole(1)), (I(4, 3), I(5, 3))),
    ((Hole(0), slice(1, 3), Hole(1)), (I(4, 3), I(3, 3))),
    ((slice(None), Hole(0), Hole(1)), (I(5, 2, 1), I(3, 3))),
    ((0, slice(None), Hole(0)), (I(3, 4),)),
    ((0, Hole(0)), (I(5, 4),)),
    ((None, Hole(0), slice(None, None, 2)), (I(4, 2),)),
]

ROWS = [
    Row(
        "getitem",
        [S(A(4, 5, 3), *arrays)],
        getitem(key),
        dtypes=EVERY,
        call=getitem(key),
        why=f"key {i}",
    )
    for i, (key, arrays) in enumerate(KEYS)
] + [
    Row(
        "take",
        [
            S(A(4, 3), I(4, 5), 0),
            S(A(4, 3), I(12, 2, 2)),
            S(A(4, 3), I(9, 3), 1, "clip"),
            S(A(4, 3), I(9, 3), 1, "wrap"),
        ],
        _take,
        **MOVE,
    ),
    Row(
        "take_along_axis",
        [S(A(4, 3), I(4, 2, 3), 0), S(A(4, 3), I(3, 4, 5), 1), S(A(4), I(4, 3), 0)],
        np.take_along_axis,
        **MOVE,
    ),
]


def _set(key: Any, mode: str) -> Callable[..., Any]:
    def call(x: Any, v: Any, *arrays: Any) -> Any:
        k = tuple(arrays[h.at] if isinstance(h, Hole) else h for h in key)
        if isinstance(x, pg.Tensor):
            return getattr(x.at[k], mode)(v)
        out = x.copy()
        if mode == "set":
            out[k] = v
        else:
            ufunc = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}[mode]
            ufunc.at(out, k, v)
        return out

    return call


UPDATES: list[tuple[Any, tuple[int, ...], tuple[Any, ...]]] = [
    ((1,), (5, 3), ()),
    ((slice(None, None, -2),), (2, 5, 3), ()),
    ((slice(1, 3), 0), (2, 3), ()),
    ((Ellipsis, slice(2, None, -1)), (3,), ()),
    ((slice(None),), (), ()),
    ((Hole(0),), (3, 5, 3), (Arr((3,), 0, 4, "u"),)),
    ((slice(None), Hole(0)), (3,), (Arr((2,), 0, 5, "u"),)),
    ((Hole(0), 1, Hole(1)), (), (Arr((2,), 0, 4, "u"), Arr((2,), 0, 3, "u"))),
]
ROWS += [
    Row(
        f"at_{mode}",
        [S(A(4, 5, 3), A(*shape), *arrays)],
        _set(key, mode),
        dtypes=EVERY if mode == "set" else (*REAL, *COMPLEX) if mode in ("add", "multiply") else ALL,
        call=_set(key, mode),
        why=f"key {i}",
        # what is scattered by products has no derivative rule; the base has
        diff=(0, 1) if (mode, i) != ("multiply", 5) else (0,),
        tolerance=4,
    )
    for i, (key, shape, arrays) in enumerate(UPDATES)
    for mode in ("set", "add", "multiply", "min", "max")
    if mode in ("set", "add") or i in (1, 5)
]
