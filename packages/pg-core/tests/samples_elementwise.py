"""Rows of elementwise arithmetic and functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rows import (
    ALL,
    EVERY,
    FAR,
    POSITIVE,
    REAL,
    TO_FLOAT,
    UNIT,
    A,
    Row,
    S,
    binary,
    by_torch,
    unary,
)


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(np.asarray(x, float))


def _erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(np.asarray(x, float))


def _int_floor_divide(x: Any, y: Any) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "iu":
        with np.errstate(all="ignore"):
            return np.floor_divide(x, y)
    out = np.floor_divide(x, np.where(y == 0, 1, y).astype(y.dtype))
    return np.where(y == 0, 0, out).astype(out.dtype)


def _int_remainder(x: Any, y: Any, f: Any = np.remainder) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "iu":
        return f(x, y)
    out = f(x, np.where(y == 0, 1, y).astype(y.dtype))
    return np.where(y == 0, 0, out).astype(out.dtype)


MATHS = [
    unary("sqrt", np.sqrt, POSITIVE, **TO_FLOAT),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE, **TO_FLOAT),
    unary("cbrt", np.cbrt, FAR, **TO_FLOAT),
    unary("square", np.square, dtypes=REAL),
    unary("reciprocal", lambda x: 1 / np.asarray(x, float), FAR, **TO_FLOAT),
    unary("exp", np.exp, **TO_FLOAT),
    unary("exp2", np.exp2, **TO_FLOAT),
    unary("expm1", np.expm1, **TO_FLOAT),
    unary("log", np.log, POSITIVE, **TO_FLOAT),
    unary("log2", np.log2, POSITIVE, **TO_FLOAT),
    unary("log10", np.log10, POSITIVE, **TO_FLOAT),
    unary("log1p", np.log1p, UNIT, **TO_FLOAT),
    unary("sin", np.sin, **TO_FLOAT),
    unary("cos", np.cos, **TO_FLOAT),
    unary("tan", np.tan, (-1.2, 1.2), **TO_FLOAT),
    unary("asin", np.arcsin, UNIT, **TO_FLOAT),
    unary("acos", np.arccos, UNIT, **TO_FLOAT),
    unary("atan", np.arctan, **TO_FLOAT),
    unary("sinh", np.sinh, **TO_FLOAT),
    unary("cosh", np.cosh, **TO_FLOAT),
    unary("tanh", np.tanh, **TO_FLOAT),
    unary("asinh", np.arcsinh, **TO_FLOAT),
    unary("acosh", np.arccosh, (1.2, 3.0), **TO_FLOAT),
    unary("atanh", np.arctanh, UNIT, **TO_FLOAT),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-np.asarray(x, float))), **TO_FLOAT),
    unary("erf", _erf, **TO_FLOAT),
    unary("erfc", _erfc, **TO_FLOAT),
    unary("erfinv", by_torch(lambda t, x: t.erfinv(x)), UNIT, tolerance=4, **TO_FLOAT),
    unary("softplus", lambda x: np.log1p(np.exp(x)), **TO_FLOAT),
    unary("log_sigmoid", lambda x: -np.log1p(np.exp(-x)), **TO_FLOAT),
    unary("deg2rad", np.deg2rad, **TO_FLOAT),
    unary("rad2deg", np.rad2deg, **TO_FLOAT),
    binary("atan2", np.arctan2, FAR, **TO_FLOAT),
    binary("copysign", np.copysign, FAR, **TO_FLOAT),
    binary("hypot", np.hypot, FAR, **TO_FLOAT),
    binary("logaddexp", np.logaddexp, **TO_FLOAT),
]

ARITHMETIC = [
    binary("add", np.add, dtypes=REAL),
    binary("subtract", np.subtract, dtypes=REAL),
    binary("multiply", np.multiply, dtypes=REAL),
    binary("divide", lambda x, y: np.asarray(x, float) / y, FAR, **TO_FLOAT),
    binary("floor_divide", _int_floor_divide, (1, 7), dtypes=REAL, diff=()),
    binary("remainder", _int_remainder, (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("fmod", lambda x, y: _int_remainder(x, y, np.fmod), (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("power", np.power, POSITIVE, dtypes=REAL, tolerance=2),
    binary("maximum", np.maximum, dtypes=ALL),
    binary("minimum", np.minimum, dtypes=ALL),
    unary("negative", np.negative, dtypes=REAL),
    unary("positive", lambda x: x, dtypes=ALL),
    unary("abs", np.abs, dtypes=ALL),
    unary("sign", lambda x: x if x.dtype == bool else np.sign(x), dtypes=ALL),
    unary("floor", np.floor, dtypes=ALL, diff=()),
    unary("ceil", np.ceil, dtypes=ALL, diff=()),
    unary("trunc", np.trunc, dtypes=ALL, diff=()),
    Row(
        "round",
        [S(A(2, 3)), S(A()), S(A(4, low=-9, high=9), 1), S(A(4, low=-90, high=90), -1)],
        lambda x, n=0: x & (n >= 0) if x.dtype == bool else np.round(x, n),
        diff=(),
        dtypes=ALL,
        tolerance=2,
    ),
    Row(
        "clip",
        [S(A(3, 4), -0.5, 1.0), S(A(3, 4), None, 0.3), S(A(3, 4), 0.1)],
        lambda x, lo=None, hi=None: np.clip(x, lo, hi),
        **TO_FLOAT,
    ),
    unary("nan_to_num", np.nan_to_num, dtypes=EVERY),
    binary("heaviside", np.heaviside, diff=(), **TO_FLOAT),
    unary("isnan", np.isnan, out="bool", dtypes=ALL, diff=()),
    unary("isinf", np.isinf, out="bool", dtypes=ALL, diff=()),
    unary("isfinite", np.isfinite, out="bool", dtypes=ALL, diff=()),
    unary("signbit", lambda x: np.asarray(x) < 0, out="bool", dtypes=ALL, diff=()),
    Row("divmod", [S(A(2, 3, low=1, high=7), A(3, low=1, high=7))], np.divmod, dtypes=REAL, diff=()),
]

ROWS = MATHS + ARITHMETIC
