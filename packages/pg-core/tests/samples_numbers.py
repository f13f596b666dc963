"""Rows of further NumPy functions: of numbers, of whole tensors, polynomials, windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import ALL, FLOATS, INTS, MOVE, REAL, TO_FLOAT, TO_FLOAT_OR_COMPLEX, A, Row, S, binary, unary

_MADE: dict[str, Any] = {"dtypes": ("float32",), "diff": ()}
_CONSTANT: dict[str, Any] = {"dtypes": ALL, "out": "bool", "diff": ()}


def _cases(x: Any) -> Any:
    return np.where(x > 1, np.asarray(9, x.dtype), np.where(x < 0, -x, x * x))


def _polyder(p: Any, m: int = 1) -> Any:
    return np.polyder(p, m).astype(p.dtype)


def _partition(x: Any, k: int, axis: int = -1) -> Any:
    return np.sort(x, axis)


ROWS = [
    binary("fmax", np.fmax, dtypes=ALL),
    binary("fmin", np.fmin, dtypes=ALL),
    binary("float_power", np.float_power, (0.2, 3.0), tolerance=2, **TO_FLOAT_OR_COMPLEX),
    unary("modf", lambda x: list(np.modf(x)), **TO_FLOAT),
    unary("isposinf", lambda x: np.asarray(x) == np.inf, **_CONSTANT),
    unary("isneginf", lambda x: np.asarray(x) == -np.inf, **_CONSTANT),
    unary("bitwise_count", lambda x: np.vectorize(lambda v: abs(int(v)).bit_count(), otypes=[np.uint8])(x), (-100, 100),
          dtypes=INTS, out="any", diff=()),
    Row("unwrap", [S(A(9, low=-9, high=9)), S(A(3, 5, low=-9, high=9), axis=0), S(A(9, low=-9, high=9), 4.0)],
        np.unwrap, tolerance=4, **TO_FLOAT),
    Row("array_equal", [S(A(3), A(3)), S(A(3), A(4)), S([1, 2], [1, 2])], np.array_equal, **_CONSTANT),
    Row("array_equiv", [S(A(3), A(2, 3)), S(A(3), A(4)), S([1, 2], [[1, 2], [1, 2]])], np.array_equiv, **_CONSTANT),
    Row("partition", [S(A(7, distinct=True), 3), S(A(3, 4, distinct=True), 1, 0)], _partition, dtypes=ALL),
    Row("argpartition", [S(A(7, distinct=True), 3)], lambda x, k: np.argsort(x, kind="stable"), dtypes=ALL,
        out="int64", diff=()),
    Row("resize", [S(A(3), (2, 2)), S(A(2, 3), 4), S(A(0), (2,))], np.resize, **MOVE),
    Row("block", [S([A(2), A(3)])], np.block, diff=(), **MOVE),
    Row("piecewise", [S(A(7))],
        _cases, dtypes=REAL, call=lambda x: pg.piecewise(x, [x < 0, x > 1], [lambda v: -v, 9, lambda v: v * v])),
    Row("polyadd", [S(A(3), A(2)), S(A(1), A(4))], np.polyadd, dtypes=(*FLOATS, *INTS), diff=(0, 1)),
    Row("polysub", [S(A(3), A(2)), S(A(1), A(4))], np.polysub, dtypes=(*FLOATS, *INTS), diff=(0, 1)),
    Row("polymul", [S(A(3), A(2)), S(A(1), A(4))], np.convolve, dtypes=ALL, diff=(0, 1),
        tolerance=8),
    Row("polyder", [S(A(4)), S(A(4), 2), S(A(1))], _polyder, dtypes=(*FLOATS, *INTS), tolerance=2),
    Row("polyint", [S(A(3)), S(A(3), 2, [1, 2])], np.polyint, tolerance=2, **TO_FLOAT_OR_COMPLEX),
    *[Row(n, [S(7), S(1), S(0), S(4)], getattr(np, n), **_MADE) for n in ("hanning", "hamming", "blackman", "bartlett")],
]  # fmt: skip

ELSEWHERE = {"test_array_api.py": {"histogram2d", "histogramdd", "promote_types"}}
