"""Rows of searching, picking, sets, and of NumPy's further ways to arrange elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import ALL, COMPLEX, EVERY, FLOATS, INTS, MOVE, REAL, TO_FLOAT, A, Arr, B, I, Refusal, Row, S

# The shape of the result depends on values.
_EAGER: dict[str, Any] = {
    "unsupported": {
        m: Refusal(pg.TraceError, "the shape depends on values")
        for m in ("jit", "vmap", "jit of grad", "vmap of grad")
    }
}
_INDEX: dict[str, Any] = {"out": "int64", "diff": ()}
_SET: dict[str, Any] = {"dtypes": ALL, "diff": (), "out": "any"}
_TWICE = np.array([3, 1, 3, 0, 1, 7])


def _sorted_into(x: Any, y: Any, side: str = "left") -> Any:
    return np.searchsorted(np.sort(x), y, side)


def _put(x: Any, i: Any, v: Any, axis: Any = -1) -> Any:
    out = x.copy()
    np.put_along_axis(out, i, v, axis)
    return out


def _filled_diagonal(x: Any, v: Any) -> Any:
    out = x.copy()
    np.fill_diagonal(out, v)
    return out


def _unique(x: Any, **options: Any) -> Any:
    out = np.unique(x, **options)
    if not isinstance(out, tuple):
        return out
    # The shape of the inverse changed between NumPy's versions.
    parts = list(out)
    if options.get("return_inverse"):
        at = 1 + bool(options.get("return_index"))
        parts[at] = parts[at].reshape(x.shape if options.get("axis") is None else -1)
    return parts


def _histogram(x: Any, *a: Any, **k: Any) -> Any:
    return list(np.histogram(x, *a, **k))


SEARCHING = [
    Row("nonzero", [S(A(4, 3)), S(A(5))], np.nonzero, dtypes=EVERY, **_INDEX, **_EAGER),
    Row(
        "nonzero",
        [S(A(5), size=7, fill_value=-1)],
        lambda x, size, fill_value: np.concatenate([np.nonzero(x)[0], [fill_value] * 9])[:size],
        dtypes=EVERY,
        why="size",
        **_INDEX,
    ),
    Row("flatnonzero", [S(A(4, 3))], np.flatnonzero, dtypes=EVERY, **_INDEX, **_EAGER),
    Row("argwhere", [S(A(4, 3)), S(A())], np.argwhere, dtypes=EVERY, **_INDEX, **_EAGER),
    Row(
        "unravel_index",
        [S(I(12, 5), (3, 4))],
        lambda i, s: list(np.unravel_index(i, s)),
        dtypes=REAL,
        **_INDEX,
    ),
    Row(
        "ravel_multi_index",
        [S([I(3, 5), I(4, 5)], (3, 4))],
        lambda i, s: np.ravel_multi_index(tuple(i), s),
        dtypes=REAL,
        **_INDEX,
    ),
    Row(
        "compress",
        [S([True, False, True], A(3, 4), 0), S([False, True], A(3, 2), 1), S([True], A(3))],
        np.compress,
        diff=(1,),
        **MOVE,
    ),
    Row(
        "extract",
        [S(B(2, 2), A(2, 2))],
        np.extract,
        diff=(1,),
        **MOVE,
        **_EAGER,
    ),
    Row(
        "select",
        [S([B(4), B(4)], [A(4), A(4)], 3)],
        lambda c, v, d: np.select(c, v, np.asarray(d, v[0].dtype)),
        dtypes=(*REAL, *COMPLEX),
        diff=(),
    ),
    Row("select", [S([B(4), B(4)], [A(4), A(4)], True)], np.select, dtypes=("bool",), diff=(), why="bools"),
    Row(
        "choose",
        [S(I(3, 5), [A(5), A(5), A(5)]), S(I(9, 5), [A(5), A(5)], "wrap"), S(I(9, 5), [A(5), A(5)], "clip")],
        lambda i, c, mode="raise": np.choose(i, c, mode=mode),
        diff=(),
        **MOVE,
    ),
    Row(
        "put_along_axis",
        [S(A(4, 3), I(3, 4, 1), A(4, 1), 1), S(A(5), I(5, 1), 2, 0)],
        _put,
        diff=(0,),
        **MOVE,
    ),
    Row(
        "searchsorted",
        [S(A(7), A(2, 3)), S(A(6), A(5), side="right"), S(A(1), A(4)), S(A(0), A(2))],
        _sorted_into,
        dtypes=ALL,
        call=lambda x, y, side="left": pg.searchsorted(pg.sort(x), y, side=side),
        **_INDEX,
    ),
    Row(
        "digitize",
        [S(A(9), [-1, 0, 1]), S(A(9), [1, 0, -1]), S(A(9), [-1, 0, 1], True), S(A(9), [2, 0, -1], True)],
        np.digitize,
        dtypes=ALL,
        **_INDEX,
    ),
    Row("bincount", [S(I(5, 9)), S(I(5, 9), None, 8)], np.bincount, dtypes=("float32",), **_INDEX, **_EAGER),
    Row(
        "bincount",
        [S(I(5, 9), A(9), length=5), S(I(5, 9), A(9), length=2)],
        lambda i, w, length: np.bincount(i, w, 5)[:length],
        dtypes=FLOATS,
        diff=(1,),
        why="length",
    ),
    Row(
        "bincount",
        [S(I(5, 9), A(9), length=5)],
        lambda i, w, length: np.bincount(i, w, 5)[:length],
        dtypes=(*INTS, "bool"),
        out="int64",
        why="integers",
    ),
    Row(
        "histogram_bin_edges",
        [S(A(9), 4), S(A(9), 3, (-1.0, 1.5)), S(A(0), 2)],
        np.histogram_bin_edges,
        tolerance=2,
        **TO_FLOAT,
    ),
    Row(
        "histogram",
        [S(A(50), 7), S(A(50), 5, (-1.0, 1.5)), S(A(9), [-1.0, 0.0, 3.0]), S(A(50), 3, None, True)],
        _histogram,
        dtypes=ALL,
        out="any",
        diff=(),
        tolerance=4,
    ),
    Row(
        "isin",
        [S(A(4, 3), [1, 2, -1]), S(A(5), []), S(A(5), A(3), invert=True)],
        np.isin,
        dtypes=ALL,
        out="bool",
        diff=(),
    ),
]

SETS = [
    Row(
        "unique",
        [
            S(A(3, 4)),
            S(_TWICE, return_counts=True, return_inverse=True, return_index=True),
            S(np.array([[1, 2], [0, 5], [1, 2]]), axis=0, return_inverse=True),
            S(A(3, 4), axis=1),
        ],
        _unique,
        **_SET,
        **_EAGER,
    ),
    Row("unique", [S(A(0))], _unique, why="empty", **_SET),
    Row(
        "unique",
        [S(np.array([3, 1, 3]), size=4)],
        lambda x, size: np.array([1, 3, 1, 1]),
        why="size",
        **_SET,
    ),
    Row("unique_values", [S(A(3, 4))], np.unique, **_SET, **_EAGER),
    Row("unique_counts", [S(A(3, 4))], lambda x: _unique(x, return_counts=True), **_SET, **_EAGER),
    Row("unique_inverse", [S(A(3, 4))], lambda x: _unique(x, return_inverse=True), **_SET, **_EAGER),
    Row(
        "unique_all",
        [S(A(3, 4))],
        lambda x: _unique(x, return_index=True, return_inverse=True, return_counts=True),
        **_SET,
        **_EAGER,
    ),
    Row("union1d", [S(A(5), A(4))], np.union1d, **_SET, **_EAGER),
    Row("intersect1d", [S(A(5), A(4)), S([3, 1, 3], [1, 2, 3])], np.intersect1d, **_SET, **_EAGER),
    Row("setdiff1d", [S(A(5), A(4)), S([3, 1, 3], [1, 2])], np.setdiff1d, **_SET, **_EAGER),
    Row("setxor1d", [S(A(5), A(4)), S([3, 1, 3], [1, 2])], np.setxor1d, **_SET, **_EAGER),
    Row("lexsort", [S([I(3, 9), I(3, 9), A(9)])], np.lexsort, dtypes=ALL, **_INDEX),
]

ARRANGING = [
    Row("atleast_1d", [S(A()), S(A(2, 3))], np.atleast_1d, **MOVE),
    Row("atleast_2d", [S(A()), S(A(3)), S(A(2, 3))], np.atleast_2d, **MOVE),
    Row("atleast_3d", [S(A()), S(A(3)), S(A(2, 3)), S(A(2, 3, 4))], np.atleast_3d, **MOVE),
    Row("dstack", [S([A(3), A(3)]), S([A(2, 3), A(2, 3)])], np.dstack, diff=(), **MOVE),
    Row("column_stack", [S([A(3), A(3, 2)])], np.column_stack, diff=(), **MOVE),
    Row("hsplit", [S(A(4), 2), S(A(2, 4), [1])], np.hsplit, **MOVE),
    Row("vsplit", [S(A(4, 2), 2)], np.vsplit, **MOVE),
    Row("dsplit", [S(A(1, 2, 4), 2)], np.dsplit, **MOVE),
    Row("fliplr", [S(A(2, 3))], np.fliplr, **MOVE),
    Row("flipud", [S(A(2, 3))], np.flipud, **MOVE),
    Row("rot90", [S(A(2, 3)), S(A(2, 3), 2), S(A(2, 3), -1), S(A(2, 3, 4), 1, (2, 0))], np.rot90, **MOVE),
    Row("rollaxis", [S(A(2, 3, 4), 2), S(A(2, 3, 4), 0, 3), S(A(2, 3, 4), 1, 0)], np.rollaxis, **MOVE),
    Row("append", [S(A(2, 3), A(2)), S(A(2, 3), A(1, 3), 0)], np.append, diff=(0, 1), **MOVE),
    Row(
        "insert",
        [S(A(3), 1, A()), S(A(2, 3), 2, A(2), 1), S(A(4), [0, 3], A(2)), S(A(2, 3), 1, A(3), 0)],
        np.insert,
        diff=(0, 2),
        **MOVE,
    ),
    Row("delete", [S(A(5), 2), S(A(3, 4), [0, 2], 1), S(A(2, 3), slice(1, 4))], np.delete, **MOVE),
    Row("diagflat", [S(A(2, 2)), S(A(3), -1)], np.diagflat, **MOVE),
    Row("fill_diagonal", [S(A(3, 4), A()), S(A(4, 3), [1, 2]), S(A(2, 2, 2), 1)], _filled_diagonal, **MOVE),
    Row(
        "kron",
        [S(A(2, 3), A(2, 2)), S(A(2), A(2, 2)), S(A(3), A(2))],
        np.kron,
        dtypes=(*REAL, *COMPLEX),
        diff=(0, 1),
    ),
    Row(
        "packbits",
        [S(B(11)), S(B(3, 9), 1), S(B(9, 2), 0, "little")],
        lambda x, axis=None, bitorder="big": np.packbits(x, axis, bitorder),
        dtypes=("bool",),
        out="any",
        diff=(),
    ),
    Row(
        "unpackbits",
        [S(Arr((5,), 0, 256)), S(Arr((2, 3), 0, 256), 0, "little")],
        lambda x, axis=None, bitorder="big": np.unpackbits(x, axis, bitorder=bitorder),
        dtypes=("uint8",),
        diff=(),
    ),
]

_MADE: dict[str, Any] = {"dtypes": ALL, "diff": (), "typed": True}
_MADE_INDICES: dict[str, Any] = {"dtypes": ("int64",), "diff": ()}
_SPACE: dict[str, Any] = {"dtypes": FLOATS, "diff": (), "typed": True}
MADE = [
    Row("identity", [S(3)], np.identity, **_MADE),
    Row("tri", [S(3), S(2, 4, 1), S(3, 3, -1)], np.tri, **_MADE),
    Row("logspace", [S(0, 2, 5), S(0.0, 3.0, 4, False, 2.0)], np.logspace, **_MADE),
    Row("geomspace", [S(1.0, 1.0, 3)], np.geomspace, why="exact", **_MADE),
    Row("geomspace", [S(1.0, 81.0, 5), S(-1.0, -8.0, 3, False)], np.geomspace, **_SPACE),
    Row("tril_indices", [S(3), S(3, 1, 4)], lambda *a: list(np.tril_indices(*a)), **_MADE_INDICES),
    Row("triu_indices", [S(3), S(3, 1, 4)], lambda *a: list(np.triu_indices(*a)), **_MADE_INDICES),
    Row(
        "tril_indices_from",
        [S(A(3, 4)), S(A(3, 4), -1)],
        lambda *a: list(np.tril_indices_from(*a)),
        dtypes=EVERY,
        **_INDEX,
    ),
    Row(
        "triu_indices_from",
        [S(A(3, 4)), S(A(3, 4), -1)],
        lambda *a: list(np.triu_indices_from(*a)),
        dtypes=EVERY,
        **_INDEX,
    ),
    Row("diag_indices", [S(3), S(2, 3)], lambda *a: list(np.diag_indices(*a)), **_MADE_INDICES),
    Row("indices", [S((2, 3))], np.indices, dtypes=REAL, diff=(), typed=True),
    Row("indices", [S(())], np.indices, why="rank 0", **_MADE),
    Row("ix_", [S(I(5, 3), I(4, 2))], lambda *a: list(np.ix_(*a)), dtypes=("int64",), diff=(), out="any"),
]

ROWS = SEARCHING + SETS + ARRANGING + MADE

ELSEWHERE = {
    "test_array_api.py": {
        "astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
        "trim_zeros",
    },
}  # fmt: skip
