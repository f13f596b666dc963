"""Rows of the special functions. Their references are torch's, by formulas where torch has none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rows import ALL, FAR, INTS, POSITIVE, TO_FLOAT, UNIT, A, Arr, Row, S, binary, by_torch, unary


def _special(name: str) -> Any:
    return by_torch(lambda t, *args: getattr(t.special, name)(*args))


def _lgamma(x: float) -> float:
    return math.inf if x <= 0 and x == int(x) else math.lgamma(x)


def _x_log_ratio(x: Any, y: Any) -> Any:
    return np.where(x == 0, 0.0, x * np.log(np.asarray(x) / y))


def _multigammaln(x: Any, d: int) -> Any:
    terms = [np.vectorize(_lgamma, otypes=[float])(np.asarray(x, float) - j / 2) for j in range(d)]
    return sum(terms) + d * (d - 1) / 4 * math.log(math.pi)


def _betaln(a: Any, b: Any) -> Any:
    lgamma = np.vectorize(_lgamma, otypes=[float])
    return lgamma(a) + lgamma(b) - lgamma(np.asarray(a, float) + b)


def _polygamma(n: int, x: Any) -> Any:
    """The series with 1000 terms and three of its remainder (torch's own has float32 digits only)."""
    if n == 0:
        return _special("digamma")(x)
    x = np.asarray(x, float)
    terms = sum((x + k) ** -(n + 1.0) for k in reversed(range(1000)))
    a = x + 1000
    rest = a**-n / n + a ** -(n + 1.0) / 2 + (n + 1) / 12 * a ** -(n + 2.0)
    return (-1.0) ** (n + 1) * math.factorial(n) * (terms + rest)


def _ldexp(x: Any, n: Any) -> Any:
    return np.ldexp(x, np.asarray(n).astype(int))


def _fix(x: Any) -> Any:
    return np.trunc(x) if x.dtype.kind == "f" else x


def _ndtr(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[float])(x)


ROWS = [
    unary("ndtr", _ndtr, tolerance=2, **TO_FLOAT),
    unary("log_ndtr", _special("log_ndtr"), tolerance=4, **TO_FLOAT),
    unary(
        "log_ndtr", _special("log_ndtr"), (-45.0, -21.0), tolerance=4, why="the asymptotic series", **TO_FLOAT
    ),
    unary("ndtri", _special("ndtri"), (0.1, 0.9), tolerance=8, **TO_FLOAT),
    unary("lgamma", _special("gammaln"), (0.3, 14.0), tolerance=4, **TO_FLOAT),
    unary("lgamma", _special("gammaln"), (-3.9, -3.1), tolerance=8, why="by reflection", **TO_FLOAT),
    unary("digamma", _special("digamma"), (0.3, 14.0), tolerance=8, **TO_FLOAT),
    unary("digamma", _special("digamma"), (-3.8, -3.2), tolerance=32, why="by reflection", **TO_FLOAT),
    binary("zeta", _special("zeta"), (1.2, 6.0), diff=(1,), tolerance=16, **TO_FLOAT),
    Row(
        "polygamma",
        [S(n, A(2, 3, low=0.6, high=5.0)) for n in (0, 1, 2, 4)],
        _polygamma,
        diff=(1,),
        tolerance=32,
        **TO_FLOAT,
    ),
    Row(
        "polygamma",
        [S(1, A(5, low=-1.8, high=-1.2))],
        _polygamma,
        diff=(1,),
        tolerance=32,
        why="by reflection",
    ),
    binary("betaln", _betaln, POSITIVE, tolerance=8, **TO_FLOAT),
    Row(
        "multigammaln",
        [S(A(2, 3, low=2.1, high=6.0), d) for d in (1, 3)],
        _multigammaln,
        tolerance=8,
        **TO_FLOAT,
    ),
    unary("i0", _special("i0"), (-12.0, 12.0), tolerance=16, **TO_FLOAT),
    unary("i0e", _special("i0e"), (-12.0, 12.0), tolerance=8, **TO_FLOAT),
    unary("i1", _special("i1"), (-12.0, 12.0), tolerance=16, **TO_FLOAT),
    unary("i1e", _special("i1e"), (-12.0, 12.0), tolerance=8, **TO_FLOAT),
    unary(
        "sinc",
        lambda x: np.where((x == np.round(x)) & (x != 0), 0.0, np.sinc(x)),
        (-3.0, 3.0),
        tolerance=8,
        **TO_FLOAT,
    ),
    unary("expit", _special("expit"), tolerance=2, **TO_FLOAT),
    unary("logit", _special("logit"), (0.05, 0.95), tolerance=4, **TO_FLOAT),
    binary("xlogy", _special("xlogy"), POSITIVE, tolerance=4, **TO_FLOAT),
    binary("xlog1py", _special("xlog1py"), UNIT, tolerance=4, **TO_FLOAT),
    unary("entr", _special("entr"), POSITIVE, tolerance=4, **TO_FLOAT),
    binary("rel_entr", _x_log_ratio, FAR, tolerance=8, **TO_FLOAT),
    binary("kl_div", lambda x, y: _x_log_ratio(x, y) - x + y, FAR, tolerance=8, **TO_FLOAT),
    Row(
        "frexp",
        [S(A(2, 3, low=0.6, high=0.9)), S(A(7, low=-9.0, high=9.0)), S(A())],
        np.frexp,
        out="any",
        dtypes=ALL,
    ),
    Row(
        "ldexp",
        [S(A(2, 3), Arr((3,), 0, 7, "i")), S(A(), -3), S(A(4, 1), Arr((1, 3), 0, 5, "i"))],
        _ldexp,
        **TO_FLOAT,
    ),
    unary("fix", _fix, dtypes=ALL, diff=()),
    binary("gcd", np.gcd, (-60, 60), dtypes=INTS, diff=()),
    binary("lcm", np.lcm, (-9, 9), dtypes=INTS, diff=()),
    binary("logaddexp2", np.logaddexp2, tolerance=2, **TO_FLOAT),
]
