"""Rows of comparisons, logic and bits."""

from __future__ import annotations

import numpy as np
from rows import (
    ALL,
    INTS,
    TO_FLOAT,
    A,
    B,
    Row,
    S,
    binary,
    unary,
)

_cmp = {"out": "bool", "dtypes": ALL, "diff": ()}
ROWS = [
    *[
        binary(n, getattr(np, n), **_cmp)
        for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    *[binary(n, getattr(np, n), **_cmp) for n in ("logical_and", "logical_or", "logical_xor")],
    unary("logical_not", np.logical_not, **_cmp),
    *[
        binary(n, getattr(np, n), (0, 100), dtypes=(*INTS, "bool"), diff=())
        for n in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ],
    unary("bitwise_not", np.bitwise_not, (0, 100), dtypes=(*INTS, "bool"), diff=()),
    binary("left_shift", np.left_shift, (0, 6), dtypes=INTS, diff=()),
    binary("right_shift", np.right_shift, (0, 6), dtypes=INTS, diff=()),
    Row(
        "where",
        [S(B(2, 3), A(2, 3), A(2, 3)), S(B(), A(2, 3), A(3)), S(B(0, 3), A(3), A(1, 3))],
        np.where,
        dtypes=ALL,
        diff=(1, 2),
    ),
    Row(
        "where", [S(B(3), A(3), 0.5), S(B(3), 2.0, A(2, 3))], np.where, diff=(1, 2), why="numbers", **TO_FLOAT
    ),
    Row("isclose", [S(A(2, 3), A(2, 3)), S(A(3), 0.5)], np.isclose, **_cmp),
    Row("allclose", [S(A(2, 3), A(2, 3))], np.allclose, **_cmp),
]
