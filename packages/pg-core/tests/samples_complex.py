"""Rows of complex numbers: their own functions, and what real functions become for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import (
    ALL,
    COMPLEX,
    EVERY,
    FAR,
    A,
    B,
    I,
    Row,
    S,
    binary,
    unary,
)


def _complex(re: Any, im: Any) -> Any:
    return np.asarray(re) + 1j * np.asarray(im)


def _sign(z: Any) -> Any:
    z = np.asarray(z)
    return z / np.where(z == 0, 1, abs(z))


_z: dict[str, Any] = {"dtypes": COMPLEX, "why": "complex"}
_real: dict[str, Any] = {"dtypes": COMPLEX, "out": "real", "why": "complex"}
_test: dict[str, Any] = {"dtypes": COMPLEX, "out": "bool", "diff": (), "why": "complex"}
_product: dict[str, Any] = {"dtypes": COMPLEX, "diff": (0, 1), "tolerance": 16, "why": "complex"}

NEAR = (0.3, 1.4)  # parts of both: away from poles and cuts

PARTS = [
    binary("complex", _complex, dtypes=ALL, out="any"),
    unary("real", np.real, **_real),
    unary("real", np.real, dtypes=ALL),
    unary("imag", np.imag, **_real),
    unary("imag", np.imag, dtypes=ALL, diff=()),
    unary("conj", np.conj, dtypes=EVERY),
    unary("angle", np.angle, FAR, **_real),
    unary("angle", np.angle, FAR, out="float", dtypes=ALL, diff=()),
    unary("abs", np.abs, FAR, **_real),
    unary("iscomplex", np.iscomplex, dtypes=EVERY, out="bool", diff=()),
    unary("isreal", np.isreal, dtypes=EVERY, out="bool", diff=()),
]
FUNCTIONS = [
    *[
        unary(name, getattr(np, numpy_name), NEAR, **_z)
        for name, numpy_name in {
            **{
                n: n for n in ("sqrt", "square", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10")
            },
            **{n: n for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "negative", "positive")},
            "asin": "arcsin",
            "acos": "arccos",
            "atan": "arctan",
            "asinh": "arcsinh",
            "acosh": "arccosh",
            "atanh": "arctanh",
        }.items()
    ],
    unary("log1p", lambda z: np.log(1 + np.asarray(z)), NEAR, **_z),
    unary("rsqrt", lambda z: 1 / np.sqrt(z), NEAR, **_z),
    unary("sign", _sign, FAR, **_z),
    Row("round", [S(A(2, 3)), S(A()), S(A(4, low=-9, high=9), 1)], np.round, diff=(), tolerance=2, **_z),
    binary("add", np.add, **_z),
    binary("subtract", np.subtract, **_z),
    binary("multiply", np.multiply, **_z),
    binary("divide", np.divide, FAR, **_z),
    binary("power", np.power, FAR, tolerance=4, **_z),
    binary("equal", np.equal, **_test),
    binary("not_equal", np.not_equal, **_test),
    unary("isnan", np.isnan, **_test),
    unary("isinf", np.isinf, **_test),
    unary("isfinite", np.isfinite, **_test),
    Row("where", [S(B(2, 3), A(2, 3), A(3)), S(B(3), 1.5, A(3))], np.where, diff=(1, 2), **_z),
]
REDUCTIONS = [
    Row("sum", [S(A(2, 3, 4)), S(A(2, 3, 4), 1), S(A(3000)), S(A(0, 3), 0)], np.sum, tolerance=8, **_z),
    Row("prod", [S(A(2, 3), 1), S(A(5)), S(A(0, 3), 0)], np.prod, tolerance=8, **_z),
    Row("mean", [S(A(2, 3, 4), (0, 2)), S(A(3000))], np.mean, tolerance=8, **_z),
    Row("var", [S(A(2, 3, 4), 1), S(A(300))], np.var, tolerance=8, **_real),
    Row("std", [S(A(2, 3, 4), 1), S(A(300))], np.std, tolerance=8, **_real),
    Row("cumsum", [S(A(2, 3, 4), 1), S(A(3, 4), -1), S(A(5))], np.cumsum, tolerance=16, **_z),
    Row("cumprod", [S(A(2, 3, 4), 1), S(A(5))], np.cumprod, tolerance=16, **_z),
    Row("any", [S(A(2, 3), 1)], np.any, **_test),
    Row("all", [S(A(2, 3), 1)], np.all, **_test),
]
PRODUCTS = [
    Row(
        "matmul",
        [
            S(A(2, 3), A(3, 4)),
            S(A(3), A(3)),
            S(A(5, 1, 2, 3), A(4, 3, 2)),
            S(A(2, 0), A(0, 3)),
            S(A(5, 4, strided=True), A(4, 6, strided=True)),
            S(A(70, 65), A(65, 33)),
        ],
        np.matmul,
        **_product,
    ),
    Row("vdot", [S(A(2, 3), A(2, 3))], np.vdot, **_product),
    Row("outer", [S(A(2), A(3))], np.outer, **_product),
    Row("tensordot", [S(A(2, 3, 4), A(3, 4, 5))], np.tensordot, **_product),
    Row("take", [S(A(4, 3), I(4, 5), 0)], np.take, **_z),
]
ROWS = PARTS + FUNCTIONS + REDUCTIONS + PRODUCTS

ELSEWHERE = {"test_complex.py": {"iscomplexobj", "isrealobj"}}
