"""Rows of products of matrices."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
from rows import (
    ALL,
    EVERY,
    A,
    Row,
    S,
)


def _dot_general(x, y, contracting, batch=((), ())):
    letters = "abcdefgh"
    left = list(letters[: x.ndim])
    right = list(letters[x.ndim : x.ndim + y.ndim])
    for i, j in [*zip(*contracting), *zip(*batch)]:
        right[j] = left[i]
    lead = [left[i] for i in batch[0]]
    rest = [c for c in left if c not in right] + [c for c in right if c not in left]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(lead + rest)}", x, y)


_mm = [
    S(A(2, 3), A(3, 4)),
    S(A(3), A(3)),
    S(A(2, 3), A(3)),
    S(A(3), A(3, 4)),
    S(A(5, 2, 3), A(3, 4)),
    S(A(5, 1, 2, 3), A(4, 3, 2)),
    S(A(1, 2, 3), A(4, 3, 2)),
    S(A(0, 3), A(3, 2)),
    S(A(2, 0), A(0, 3)),
    S(A(5, 4, strided=True), A(4, 6, strided=True)),
    S(A(70, 65), A(65, 33)),
]
_linear = {"diff": (0, 1), "dtypes": ALL, "tolerance": 16}
ROWS = [
    Row("matmul", _mm, np.matmul, **_linear),
    Row(
        "dot",
        [S(A(3), A(3)), S(A(2, 3), A(3, 2)), S(A(2, 2, 3), A(4, 3, 2)), S(A(), A(3))],
        np.dot,
        **_linear,
    ),
    Row("vdot", [S(A(2, 3), A(2, 3))], np.vdot, **_linear),
    Row("inner", [S(A(2, 3), A(4, 3)), S(A(3), A(3))], np.inner, **_linear),
    Row("outer", [S(A(2, 2), A(3))], np.outer, **_linear),
    Row(
        "tensordot",
        [
            S(A(2, 3, 4), A(3, 4, 5)),
            S(A(2, 3), A(3, 2), 1),
            S(A(2, 3, 4), A(4, 2), ([0, 2], [1, 0])),
            S(A(2), A(3), 0),
        ],
        np.tensordot,
        **_linear,
    ),
    Row(
        "dot_general",
        [
            S(A(2, 3, 4), A(4, 2, 5), ((2,), (0,)), ((0,), (1,))),
            S(A(2, 3), A(3, 4), ((1,), (0,))),
            S(A(2, 3, 4), A(5, 4, 3), ((1, 2), (2, 1))),
            S(A(3), A(2, 3), ((), ()), ((0,), (1,))),
            S(A(2), A(3), ((), ())),
            S(A(2, 2), A(2, 2), ((-1,), (-2,))),
        ],
        _dot_general,
        **_linear,
    ),
    Row("trace", [S(A(3, 3)), S(A(3, 4), 1)], np.trace, dtypes=EVERY, out="sum", tolerance=4),
    Row(
        "matrix_power",
        [S(A(3, 3), 3), S(A(3, 3), 0), S(A(2, 2), 5)],
        np.linalg.matrix_power,
        dtypes=EVERY,
        tolerance=64,
    ),
    *[
        Row(
            "einsum",
            [S(e, *arrays)],
            np.einsum,
            call=pg.einsum,
            diff=tuple(range(1, len(arrays) + 1)),
            tolerance=16,
            dtypes=EVERY,
            why=e,
        )
        for e, arrays in [
            ("ij,jk->ik", (A(2, 3), A(3, 4))),
            ("ij->ji", (A(2, 3),)),
            ("ij->", (A(2, 3),)),
            ("ii->i", (A(3, 3),)),
            ("ii", (A(3, 3),)),
            ("i,j->ij", (A(2), A(3))),
            ("bij,bjk->bik", (A(2, 3, 4), A(2, 4, 5))),
            ("...ij,jk->...ik", (A(2, 3, 4), A(4, 5))),
            ("ij,jk,kl->il", (A(2, 3), A(3, 4), A(4, 2))),
            ("ij,ij->i", (A(2, 3), A(2, 3))),
            ("ijk,k->ji", (A(2, 3, 4), A(4))),
        ]
    ],
]
