"""Rows of incomplete gamma and beta functions and exponential integrals: torch's own, and integrals by NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rows import TO_FLOAT, A, Row, S, by_torch, unary


def _special(name: str) -> Any:
    return by_torch(lambda t, *args: getattr(t.special, name)(*args))


_T = np.linspace(-3.4, 3.4, 400)  # tanh-sinh: double exponential decay at both ends
_W = (_T[1] - _T[0]) * 0.5 * math.pi * np.cosh(_T) / np.cosh(0.5 * math.pi * np.sinh(_T)) ** 2
_LOW = 1 / (1 + np.exp(math.pi * np.sinh(-_T)))  # (1 + S) / 2 with the digits at 0


def _betainc(a: Any, b: Any, x: Any) -> Any:
    a, b, x = (np.asarray(v, float)[..., None] for v in np.broadcast_arrays(a, b, x))

    def area(a: Any, b: Any, x: Any) -> Any:
        """From 0 to x; an end at 1 is not for a small b."""
        t = x * _LOW
        return (t ** (a - 1) * (1 - t) ** (b - 1) * _W).sum(-1) * x[..., 0] / 2

    half = np.full_like(x, 0.5)
    whole = area(a, b, half) + area(b, a, half)
    lower = np.where(x <= 0.5, x, 0.5)
    upper = np.where(x <= 0.5, 0.5, 1 - x)
    part = np.where(x[..., 0] <= 0.5, area(a, b, lower), whole - area(b, a, upper))
    made = np.where(x[..., 0] == 0, 0.0, np.where(x[..., 0] == 1, 1.0, part / whole))
    inside = ((a > 0) & (b > 0) & (x >= 0) & (x <= 1))[..., 0]
    return np.where(inside, made, np.nan)


def _expn(n: int, x: Any) -> Any:
    """The integral over s = 1 / t from 0 to 1."""
    x = np.asarray(x, float)[..., None]
    s = _LOW
    with np.errstate(all="ignore"):
        made = np.where(s > 0, np.exp(-x / s) * s ** (n - 2.0), 0.0) @ _W / 2
        return np.where(x[..., 0] > 0, made, np.inf if n < 2 else 1 / max(n - 1, 1))


def _expi(x: Any) -> Any:
    x = np.asarray(x, float)
    terms = [x**k / float(k * math.factorial(k)) for k in range(120, 0, -1)]
    return 0.57721566490153286061 + np.log(np.abs(x)) + sum(terms)


def _gamma(x: Any) -> Any:
    return np.vectorize(lambda v: math.gamma(v) if v else math.inf, otypes=[float])(x)


ROWS = [
    Row(
        "gammainc",
        [
            S(A(3, 2, low=0.2, high=4.0), A(3, 2, low=0.1, high=5.0)),
            S(A(3, low=9.0, high=14.0), A(3, low=5.0, high=14.0)),
            S(A(low=0.5, high=2.0), A(0, low=1.0)),
        ],
        _special("gammainc"),
        diff=(0, 1),
        tolerance=64,
        **TO_FLOAT,
    ),
    Row(
        "gammaincc",
        [
            S(A(3, 2, low=0.2, high=4.0), A(3, 2, low=0.1, high=5.0)),
            S(A(4, low=0.1, high=1.0), A(4, low=3.0, high=9.0)),
        ],
        _special("gammaincc"),
        diff=(0, 1),
        tolerance=64,
        **TO_FLOAT,
    ),
    Row(
        "betainc",
        [
            S(A(3, low=0.7, high=4.0), A(3, low=0.7, high=4.0), A(3, low=0.1, high=0.9)),
            S(A(2, 1, low=1.0, high=9.0), A(3, low=5.0, high=9.0), A(low=0.2, high=0.8)),
        ],
        _betainc,
        diff=(0, 1, 2),
        tolerance=256,
        **TO_FLOAT,
    ),
    unary("erfcx", _special("erfcx"), (-2.0, 9.0), tolerance=16, **TO_FLOAT),
    Row(
        "expn",
        [
            S(1, A(3, low=0.2, high=4.0)),
            S(3, A(2, 3, low=0.2, high=9.0)),
            S(30, A(3, low=0.2, high=4.0)),
            S(0, A(low=0.5)),
        ],
        _expn,
        diff=(1,),
        tolerance=64,
        **TO_FLOAT,
    ),
    unary("exp1", lambda x: _expn(1, x), (0.2, 9.0), tolerance=64, **TO_FLOAT),
    unary("expi", _expi, (0.5, 8.0), tolerance=64, **TO_FLOAT),
    unary(
        "expi",
        lambda x: -_expn(1, -np.asarray(x, float)),
        (-8.0, -0.5),
        tolerance=64,
        why="below 0",
        dtypes=("float32", "float64"),
    ),
    unary("gamma", _gamma, (0.3, 6.0), tolerance=64, **TO_FLOAT),
    unary("gamma", _gamma, (-2.9, -2.1), tolerance=64, why="below 0", dtypes=("float32", "float64")),
    unary(
        "gammasgn",
        lambda x: np.where(x > 0, 1.0, np.where(np.floor(x) % 2 == 1, -1.0, 1.0)),
        (0.2, 3.0),
        diff=(),
        **TO_FLOAT,
    ),
    unary(
        "gammasgn",
        lambda x: np.where(np.floor(x) % 2 == 1, -1.0, 1.0),
        (-3.9, -0.2),
        diff=(),
        why="below 0",
        dtypes=("float32", "float64"),
    ),
    unary("factorial", lambda n: _gamma(np.asarray(n, float) + 1), (0.0, 5.0), tolerance=64, **TO_FLOAT),
    unary(
        "log1mexp", lambda x: np.log(-np.expm1(-np.asarray(x, float))), (0.1, 5.0), tolerance=8, **TO_FLOAT
    ),
    Row(
        "logmeanexp",
        [S(A(3, 4)), S(A(3, 4), 1, True), S(A(2, 3), (0, 1))],
        lambda x, axis=None, keepdims=False: np.log(
            np.mean(np.exp(np.asarray(x, float)), axis, keepdims=keepdims)
        ),
        tolerance=8,
        **TO_FLOAT,
    ),
]
