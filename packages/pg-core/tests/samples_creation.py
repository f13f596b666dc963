"""Rows of functions that make tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import (
    EVERY,
    FLOATS,
    REAL,
    SIGNED,
    A,
    I,
    Refusal,
    Row,
    S,
)

_typed: dict[str, Any] = {"dtypes": EVERY, "diff": (), "typed": True}
ROWS = [
    Row("zeros", [S((2, 3)), S(4), S(())], np.zeros, **_typed),
    Row("ones", [S((2, 3)), S(())], np.ones, **_typed),
    Row("empty", [S((2, 3))], np.zeros, **_typed),
    Row("full", [S((2, 3), 2.5), S((), 1.0)], np.full, **_typed),
    Row("zeros_like", [S(A(2, 3))], np.zeros_like, dtypes=EVERY, diff=()),
    Row("ones_like", [S(A(2, 3))], np.ones_like, dtypes=EVERY, diff=()),
    Row("empty_like", [S(A(2, 3))], np.zeros_like, dtypes=EVERY, diff=()),
    Row("full_like", [S(A(2, 3), 1)], np.full_like, dtypes=EVERY, diff=()),
    Row(
        "arange",
        [S(5), S(2, 9, 3), S(9, 2, -2), S(3, 3)],
        np.arange,
        dtypes=REAL,
        diff=(),
        typed=True,
        refusal=Refusal(pg.DTypeError, "bools do not count"),
    ),
    Row(
        "arange",
        [S(0.0, 1.0, 0.1), S(5.5), S(1, 0, -0.25)],
        np.arange,
        dtypes=REAL,
        diff=(),
        typed=True,
        why="floats",
    ),
    Row(
        "linspace",
        [S(0, 1, 5), S(-2.0, 3.0, 7), S(1, 2, 1), S(0, 1, 4, False), S(0, 1, 0)],
        np.linspace,
        dtypes=FLOATS,
        diff=(),
        typed=True,
    ),
    Row("linspace", [S(0, 10, 6), S(3, 5, 1), S(0, 1, 0)], np.linspace, why="integers", **_typed),
    Row(
        "linspace",
        [S(-2.0, 3.0, 7)],
        lambda *a: np.floor(np.linspace(*a)),
        dtypes=SIGNED,
        diff=(),
        typed=True,
        why="integers are rounded down",
    ),
    Row("eye", [S(3), S(2, 4), S(4, 3, -1)], np.eye, **_typed),
    Row("one_hot", [S(4, I(4, 5)), S(3, I(3, 2, 2))], lambda n, i: np.eye(n)[i], **_typed),
    Row(
        "meshgrid",
        [S(A(2), A(3)), S(A(2), A(3), indexing="ij")],
        lambda *x, **k: list(np.meshgrid(*x, **k)),
        dtypes=EVERY,
        diff=(0, 1),
    ),
]
