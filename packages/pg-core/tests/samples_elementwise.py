"""Rows of elementwise arithmetic and functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rows import (
    ALL,
    FAR,
    FLOATS,
    POSITIVE,
    REAL,
    SIGNED,
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


_f = {"out": "float", "dtypes": FLOATS + ("int32", "bool", "uint8")}

MATHS = [
    unary("sqrt", np.sqrt, POSITIVE, **_f),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE),
    unary("cbrt", np.cbrt, FAR),
    unary("square", np.square, dtypes=REAL),
    unary("reciprocal", lambda x: 1 / np.asarray(x, float), FAR),
    unary("exp", np.exp, **_f),
    unary("exp2", np.exp2, **_f),
    unary("expm1", np.expm1, **_f),
    unary("log", np.log, POSITIVE),
    unary("log2", np.log2, POSITIVE),
    unary("log10", np.log10, POSITIVE),
    unary("log1p", np.log1p, UNIT),
    unary("sin", np.sin, **_f),
    unary("cos", np.cos, **_f),
    unary("tan", np.tan, (-1.2, 1.2)),
    unary("asin", np.arcsin, UNIT),
    unary("acos", np.arccos, UNIT),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh, **_f),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, (1.2, 3.0)),
    unary("atanh", np.arctanh, UNIT),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-np.asarray(x, float))), **_f),
    unary("erf", _erf),
    unary("erfc", _erfc),
    unary("erfinv", by_torch(lambda t, x: t.erfinv(x)), UNIT, tolerance=4),
    unary("softplus", lambda x: np.log1p(np.exp(x))),
    unary("log_sigmoid", lambda x: -np.log1p(np.exp(-x))),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    binary("atan2", np.arctan2, FAR),
    binary("copysign", np.copysign, FAR),
    binary("hypot", np.hypot, FAR),
    binary("logaddexp", np.logaddexp),
]

_REL = {"int8": (1, 7), "uint8": (1, 7)}
ARITHMETIC = [
    binary("add", np.add, dtypes=REAL),
    binary("subtract", np.subtract, dtypes=REAL),
    binary("multiply", np.multiply, dtypes=REAL),
    binary(
        "divide", lambda x, y: np.asarray(x, float) / y, FAR, out="float", dtypes=FLOATS + ("int32", "uint8")
    ),
    binary("floor_divide", _int_floor_divide, (1, 7), dtypes=REAL, diff=()),
    binary("remainder", _int_remainder, (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("fmod", lambda x, y: _int_remainder(x, y, np.fmod), (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("power", np.power, POSITIVE, dtypes=FLOATS + ("int64",), tolerance=2),
    binary("maximum", np.maximum, dtypes=REAL),
    binary("minimum", np.minimum, dtypes=REAL),
    unary("negative", np.negative, dtypes=REAL),
    unary("positive", np.positive, dtypes=REAL),
    unary("abs", np.abs, dtypes=REAL),
    unary("sign", np.sign, dtypes=REAL, second=False),
    unary("floor", np.floor, dtypes=FLOATS + ("int32",), diff=()),
    unary("ceil", np.ceil, dtypes=FLOATS + ("int32",), diff=()),
    unary("trunc", np.trunc, dtypes=FLOATS + ("int32",), diff=()),
    Row(
        "round",
        [S(A(2, 3)), S(A()), S(A(4, low=-9, high=9), 1), S(A(4, low=-90, high=90), -1)],
        np.round,
        diff=(),
        tolerance=2,
    ),
    Row(
        "clip",
        [S(A(3, 4), -0.5, 1.0), S(A(3, 4), None, 0.3), S(A(3, 4), 0.1)],
        lambda x, lo=None, hi=None: np.clip(x, lo, hi),
    ),
    unary("nan_to_num", np.nan_to_num),
    binary("heaviside", np.heaviside, diff=()),
    unary("isnan", np.isnan, out="bool", dtypes=ALL, diff=()),
    unary("isinf", np.isinf, out="bool", dtypes=ALL, diff=()),
    unary("isfinite", np.isfinite, out="bool", dtypes=ALL, diff=()),
    unary("signbit", lambda x: np.asarray(x) < 0, out="bool", dtypes=REAL, diff=()),
    Row(
        "divmod", [S(A(2, 3, low=1, high=7), A(3, low=1, high=7))], np.divmod, dtypes=FLOATS + SIGNED, diff=()
    ),
]

ROWS = MATHS + ARITHMETIC
