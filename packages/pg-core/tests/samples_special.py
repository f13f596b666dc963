"""Rows of the special functions. Their references are torch's, by formulas where torch has none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rows import FAR, POSITIVE, UNIT, A, Row, S, binary, by_torch, unary


def _special(name: str) -> Any:
    return by_torch(lambda t, *args: getattr(t.special, name)(*args))


def _multigammaln(x: Any, d: int) -> Any:
    terms = [np.vectorize(math.lgamma, otypes=[float])(np.asarray(x, float) - j / 2) for j in range(d)]
    return sum(terms) + d * (d - 1) / 4 * math.log(math.pi)


def _betaln(a: Any, b: Any) -> Any:
    lgamma = np.vectorize(math.lgamma, otypes=[float])
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


def _ndtr(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[float])(x)


ROWS = [
    unary("ndtr", _ndtr, tolerance=2),
    unary("log_ndtr", _special("log_ndtr"), tolerance=4),
    unary("log_ndtr", _special("log_ndtr"), (-45.0, -21.0), tolerance=4, why="the asymptotic series"),
    unary("ndtri", _special("ndtri"), (0.02, 0.98), tolerance=8),
    unary("lgamma", _special("gammaln"), (0.3, 14.0), tolerance=4),
    unary("lgamma", _special("gammaln"), (-3.9, -3.1), tolerance=8, why="by reflection"),
    unary("digamma", _special("digamma"), (0.3, 14.0), tolerance=8),
    unary("digamma", _special("digamma"), (-3.8, -3.2), tolerance=32, why="by reflection"),
    binary("zeta", _special("zeta"), (1.2, 6.0), diff=(1,), tolerance=16),
    Row(
        "polygamma",
        [S(n, A(2, 3, low=0.4, high=5.0)) for n in (0, 1, 2, 4)] + [S(1, A(5, low=-1.8, high=-1.2))],
        _polygamma,
        diff=(1,),
        tolerance=32,
    ),
    binary("betaln", _betaln, POSITIVE, tolerance=8),
    Row("multigammaln", [S(A(2, 3, low=2.1, high=6.0), d) for d in (1, 3)], _multigammaln, tolerance=8),
    unary("i0", _special("i0"), (-12.0, 12.0), tolerance=16),
    unary("i0e", _special("i0e"), (-12.0, 12.0), tolerance=8),
    unary("i1", _special("i1"), (-12.0, 12.0), tolerance=16),
    unary("i1e", _special("i1e"), (-12.0, 12.0), tolerance=8),
    unary("sinc", np.sinc, (-3.0, 3.0), tolerance=8),
    unary("expit", _special("expit"), tolerance=2),
    unary("logit", _special("logit"), (0.05, 0.95), tolerance=4),
    binary("xlogy", _special("xlogy"), POSITIVE, tolerance=4),
    binary("xlog1py", _special("xlog1py"), UNIT, tolerance=4),
    unary("entr", _special("entr"), POSITIVE, tolerance=4),
    binary("rel_entr", lambda x, y: x * np.log(np.asarray(x) / y), FAR, tolerance=8),
    binary("kl_div", lambda x, y: x * np.log(np.asarray(x) / y) - x + y, FAR, tolerance=8),
    binary("logaddexp2", np.logaddexp2, tolerance=2),
]
