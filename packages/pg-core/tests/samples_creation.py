"""Rows of functions that make tensors."""

from __future__ import annotations

import numpy as np
from rows import (
    ALL,
    A,
    I,
    Row,
    S,
)

ROWS = [
    Row("zeros", [S((2, 3)), S(4), S(())], lambda s: np.zeros(s, np.float32), dtypes=("float32",), diff=()),
    Row("ones", [S((2, 3)), S(())], lambda s: np.ones(s, np.float32), dtypes=("float32",), diff=()),
    Row("empty", [S((2, 3))], lambda s: np.zeros(s, np.float32), dtypes=("float32",), diff=()),
    Row(
        "full",
        [S((2, 3), 2.5), S((), -1.0)],
        lambda s, v: np.full(s, v, np.float32),
        dtypes=("float32",),
        diff=(),
    ),
    Row("zeros_like", [S(A(2, 3))], np.zeros_like, dtypes=ALL, diff=()),
    Row("ones_like", [S(A(2, 3))], np.ones_like, dtypes=ALL, diff=()),
    Row("empty_like", [S(A(2, 3))], np.zeros_like, dtypes=ALL, diff=()),
    Row("full_like", [S(A(2, 3), 1)], np.full_like, dtypes=ALL, diff=()),
    Row("arange", [S(5), S(2, 9, 3), S(9, 2, -2), S(3, 3)], np.arange, dtypes=("int64",), diff=()),
    Row(
        "arange",
        [S(0.0, 1.0, 0.1), S(5.5), S(1, 0, -0.25)],
        lambda *a: np.arange(*a),
        dtypes=("float32",),
        diff=(),
        why="floats",
    ),
    Row(
        "linspace",
        [S(0, 1, 5), S(-2.0, 3.0, 7), S(1, 2, 1), S(0, 1, 4, False), S(0, 1, 0)],
        np.linspace,
        dtypes=("float32",),
        diff=(),
    ),
    Row("eye", [S(3), S(2, 4), S(4, 3, -1)], np.eye, dtypes=("float32",), diff=()),
    Row(
        "one_hot",
        [S(4, I(4, 5)), S(3, I(3, 2, 2))],
        lambda n, i: np.eye(n, dtype=np.float32)[i],
        dtypes=("float32",),
        diff=(),
    ),
    Row(
        "meshgrid",
        [S(A(2), A(3)), S(A(2), A(3), indexing="ij")],
        lambda *x, **k: list(np.meshgrid(*x, **k)),
        dtypes=("float32", "int8"),
        diff=(0, 1),
    ),
]
