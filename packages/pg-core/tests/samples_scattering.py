"""Rows of reading and writing by index along an axis, and of segments."""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import ALL, COMPLEX, EVERY, REAL, TO_FLOAT_OR_COMPLEX, A, I, Row, S

_UFUNC = {"set": None, "add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def _places(index: Any, axis: int) -> tuple[Any, ...]:
    out = list(np.indices(index.shape))
    out[axis] = index
    return tuple(out)


def _gather(x: Any, axis: int, index: Any) -> Any:
    return x[_places(index, axis)]


def _scatter(x: Any, axis: int, index: Any, values: Any, mode: str = "set") -> Any:
    out = x.copy()
    v = np.broadcast_to(values, index.shape) if np.ndim(values) == 0 else values
    v = np.asarray(v)[tuple(slice(n) for n in index.shape)].astype(x.dtype)
    if mode == "set":
        for at in np.ndindex(index.shape):
            out[tuple(p[at] for p in _places(index, axis))] = v[at]
    else:
        _UFUNC[mode].at(out, _places(index, axis), v)
    return out


def _reduce(x: Any, axis: int, index: Any, values: Any, reduce: str, include_self: bool = True) -> Any:
    if reduce == "mean":
        count = _scatter(np.full(x.shape, int(include_self)), axis, index, 1, "add")
        base = x if include_self else np.where(count == 0, x, 0).astype(x.dtype)
        total = _scatter(base, axis, index, values, "add")
        count = np.maximum(count, 1)
        return total // count if x.dtype.kind in "iu" else total / count
    mode = {"sum": "add", "prod": "mul", "amin": "min", "amax": "max"}[reduce]
    if include_self:
        return _scatter(x, axis, index, values, mode)
    out = x.copy()
    first = np.ones(x.shape, bool)
    for at in np.ndindex(index.shape):
        to = tuple(p[at] for p in _places(index, axis))
        v = np.asarray(values)[at].astype(x.dtype)
        out[to] = v if first[to] else _UFUNC[mode](out[to], v)
        first[to] = False
    return out


def _segment(ufunc: Any, start: Any) -> Any:
    def reference(data: Any, ids: Any, n: int) -> Any:
        low = start(data.dtype)
        out = np.full((n, *data.shape[ids.ndim :]), low, data.dtype)
        keep = (ids >= 0) & (ids < n)
        ufunc.at(out, ids[keep], data[keep])
        return out

    return reference


def _lowest(kind: Any) -> Any:
    if kind.kind == "b":
        return False
    return -np.inf if kind.kind == "f" else np.iinfo(kind).min


def _highest(kind: Any) -> Any:
    if kind.kind == "b":
        return True
    return np.inf if kind.kind == "f" else np.iinfo(kind).max


def _segment_mean(data: Any, ids: Any, n: int) -> Any:
    ids = ids.astype(np.int64)
    total = _segment(np.add, lambda k: 0)(data, ids, n)
    count = np.maximum(np.bincount(ids.ravel()[(ids.ravel() >= 0) & (ids.ravel() < n)], minlength=n), 1)
    return total / count.reshape((n,) + (1,) * (total.ndim - 1))


def _index(call: Any) -> Any:
    """torch's index_add and its relatives on arrays: the rows of one axis."""

    def reference(x: Any, axis: int, index: Any, source: Any, *alpha: Any) -> Any:
        out = x.copy()
        front = np.moveaxis(out, axis, 0)
        v = np.broadcast_to(source, np.moveaxis(front[index], 0, axis).shape)
        call(front, index, np.moveaxis(v, axis, 0), *alpha)
        return out

    return reference


def _set(front: Any, index: Any, v: Any) -> None:
    for i, row in zip(index, v):
        front[i] = row


def _add(front: Any, index: Any, v: Any, alpha: Any = 1) -> None:
    np.add.at(front, index, alpha * v)


ROWS = [
    Row(
        "gather",
        [
            S(A(4, 3), 0, I(4, 2, 3)),
            S(A(4, 3), 1, I(3, 2, 5)),
            S(A(4, 3), -1, I(3, 0, 2)),
            S(A(5), 0, I(5, 3)),
        ],
        _gather,
        dtypes=EVERY,
    ),
    Row(
        "scatter",
        [
            S(A(4, 3), 0, I(4, 2, 3), A(2, 3)),
            S(A(4, 3), 1, I(3, 4, 2), A(4, 3)),
            S(A(4, 3), 0, I(4, 3, 2), 2),
            S(A(5), 0, I(5, 4), A(4)),
        ],
        _scatter,
        dtypes=ALL,
        diff=(0, 3),
    ),
    *[
        Row(
            "scatter",
            [S(A(4, 3), 0, I(4, 6, 3), A(6, 3), mode)],
            _scatter,
            dtypes=REAL,
            diff=(0, 3),
            tolerance=8,
            why=mode,
        )
        for mode in ("add", "mul", "min", "max")
    ],
    Row(
        "scatter_add",
        [S(A(4, 3), 1, I(3, 4, 5), A(4, 5)), S(A(4, 3), 0, I(4, 2, 2), 1)],
        lambda *a: _scatter(*a, "add"),
        dtypes=(*REAL, *COMPLEX),
        diff=(0, 3),
        tolerance=8,
    ),
    *[
        Row(
            "scatter_reduce",
            [S(A(4, 3), 0, I(4, 6, 3), A(6, 3), reduce, include)],
            _reduce,
            dtypes=ALL if reduce in ("amin", "amax") else REAL,
            diff=(0, 3),
            tolerance=8,
            why=f"{reduce} {include}",
        )
        for reduce in ("sum", "prod", "mean", "amin", "amax")
        for include in (True, False)
    ],
    Row(
        "index_add",
        [
            S(A(4, 3), 0, I(4, 5), A(5, 3)),
            S(A(4, 3), 1, I(3, 2), A(4, 2)),
            S(A(4, 3), 0, I(4, 2), A(2, 3), 2),
        ],
        _index(_add),
        dtypes=(*REAL, *COMPLEX),
        diff=(0, 3),
        tolerance=8,
    ),
    Row(
        "index_copy",
        [S(A(4, 3), 0, I(4, 5), A(5, 3)), S(A(4, 3), -1, I(3, 2), A(4, 2))],
        _index(_set),
        dtypes=EVERY,
        diff=(0, 3),
    ),
    Row("index_fill", [S(A(4, 3), 0, I(4, 2), 1), S(A(4, 3), 1, I(3, 2), A())], _index(_set), dtypes=EVERY),
    Row(
        "segment_sum",
        [S(A(6), I(4, 6), 4), S(A(6, 2), I(5, 6), 3), S(A(2, 3, 2), I(4, 2, 3), 4), S(A(0, 2), I(3, 0), 3)],
        _segment(np.add, lambda k: 0),
        dtypes=(*REAL, *COMPLEX),
        tolerance=8,
    ),
    Row(
        "segment_prod",
        [S(A(6), I(4, 6), 4), S(A(6, 2), I(5, 6), 3)],
        _segment(np.multiply, lambda k: 1),
        dtypes=(*REAL, *COMPLEX),
        tolerance=8,
    ),
    Row(
        "segment_max",
        [S(A(24, distinct=True), I(3, 24), 3), S(A(19, 2, distinct=True), I(4, 19), 3)],
        _segment(np.maximum, _lowest),
        dtypes=ALL,
    ),
    Row(
        "segment_min",
        [S(A(24, distinct=True), I(3, 24), 3), S(A(19, 2, distinct=True), I(4, 19), 3)],
        _segment(np.minimum, _highest),
        dtypes=ALL,
    ),
    Row(
        "segment_mean",
        [S(A(6), I(4, 6), 4), S(A(6, 2), I(5, 6), 3)],
        _segment_mean,
        **TO_FLOAT_OR_COMPLEX,
        tolerance=8,
    ),
]
