"""Rows of what moves elements: shapes, joins, splits, pads, diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import (
    EVERY,
    MOVE,
    A,
    Row,
    S,
)


def _expand(x: Any, axis: Any = 0) -> Any:
    return np.expand_dims(x, axis)


ROWS = [
    Row(
        "reshape",
        [
            S(A(2, 3), (3, 2)),
            S(A(2, 3), -1),
            S(A(0, 3), (3, 0)),
            S(A(), (1, 1)),
            S(A(5, 4, strided=True), (2, -1)),
        ],
        np.reshape,
        **MOVE,
    ),
    Row("permute", [S(A(2, 3, 4), (2, 0, 1)), S(A(2, 3), (0, 1)), S(A(), ())], np.transpose, **MOVE),
    Row("transpose", [S(A(2, 3, 4)), S(A(2, 3, 4), (0, 2, 1))], np.transpose, **MOVE),
    Row("swapaxes", [S(A(2, 3, 4), 0, -1)], np.swapaxes, **MOVE),
    Row("matrix_transpose", [S(A(2, 3, 4))], lambda x: np.swapaxes(x, -1, -2), **MOVE),
    Row("moveaxis", [S(A(2, 3, 4), 0, -1), S(A(2, 3, 4), (0, 1), (-1, 0))], np.moveaxis, **MOVE),
    Row(
        "broadcast_to",
        [S(A(3), (2, 3)), S(A(2, 1), (2, 4)), S(A(), (2, 2)), S(A(1, 3), (0, 3))],
        np.broadcast_to,
        **MOVE,
    ),
    Row(
        "broadcast_arrays", [S(A(3), A(2, 1))], lambda *x: list(np.broadcast_arrays(*x)), diff=(0, 1), **MOVE
    ),
    Row("expand_dims", [S(A(2, 3), 1), S(A(2, 3), (0, -1)), S(A(), 0)], _expand, **MOVE),
    Row("squeeze", [S(A(1, 3, 1)), S(A(1, 3, 1), 0), S(A(1, 3, 1), (0, -1))], np.squeeze, **MOVE),
    Row(
        "flatten",
        [S(A(2, 3, 4)), S(A(2, 3, 4), 1), S(A())],
        lambda x, start=0: x.reshape(x.shape[:start] + (-1,)),
        **MOVE,
    ),
    Row("ravel", [S(A(2, 3))], np.ravel, **MOVE),
    Row(
        "concatenate",
        [S([A(2, 3), A(1, 3)]), S([A(2, 3), A(2, 2)], 1), S([A(2), A(0), A(3)]), S([A(2, 2), A(3)], None)],
        np.concatenate,
        diff=(),
        call=pg.concatenate,
        **MOVE,
    ),
    Row("stack", [S([A(2, 3), A(2, 3)]), S([A(2), A(2)], -1), S([A(), A()])], np.stack, diff=(), **MOVE),
    Row("hstack", [S([A(2), A(3)]), S([A(2, 2), A(2, 1)])], np.hstack, diff=(), **MOVE),
    Row("vstack", [S([A(2), A(2)]), S([A(2, 2), A(1, 2)])], np.vstack, diff=(), **MOVE),
    Row("split", [S(A(6, 2), 3), S(A(2, 6), [1, 4], 1), S(A(4), [-1])], np.split, **MOVE),
    Row("array_split", [S(A(7, 2), 3), S(A(2, 5), 2, 1)], np.array_split, **MOVE),
    Row(
        "unstack",
        [S(A(3, 2)), S(A(3, 2), 1)],
        lambda x, axis=0: [x.take(i, axis) for i in range(x.shape[axis])],
        **MOVE,
    ),
    Row("flip", [S(A(2, 3)), S(A(2, 3), 1), S(A(0, 3), 0)], np.flip, **MOVE),
    Row("roll", [S(A(2, 3), 1), S(A(2, 3), -4, 1), S(A(2, 3), (1, 2), (0, 1))], np.roll, **MOVE),
    Row("tile", [S(A(2, 3), 2), S(A(3), (2, 2)), S(A(2, 1, 3), (2, 1))], np.tile, **MOVE),
    Row("repeat", [S(A(2, 3), 2), S(A(2, 3), 3, 1), S(A(2, 3), [1, 2], 0)], np.repeat, **MOVE),
    Row(
        "pad",
        [
            S(A(2, 3), 1),
            S(A(2, 3), ((0, 1), (2, 0))),
            S(A(3), (1, 2), "constant", 5),
            S(A(4), 2, "edge"),
            S(A(4), 2, "reflect"),
            S(A(4), (1, 3), "symmetric"),
            S(A(4), 3, "wrap"),
        ],
        lambda x, w, mode="constant", v=0: np.pad(
            x, w, mode, **({"constant_values": v} if mode == "constant" else {})
        ),
        dtypes=EVERY,
    ),
    Row("tril", [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1)], np.tril, **MOVE),
    Row("triu", [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1)], np.triu, **MOVE),
    Row(
        "diagonal",
        [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1), S(A(2, 2), 5)],
        lambda x, k=0: np.diagonal(x, k, -2, -1),
        **MOVE,
    ),
    Row("diag", [S(A(3)), S(A(2), 1), S(A(2), -2), S(A(3, 3))], np.diag, **MOVE),
]
