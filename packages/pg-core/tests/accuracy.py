"""The table of errors of the floating functions, in units in the last place.

    python packages/pg-core/tests/accuracy.py            # bit patterns 10007 apart: half a minute
    python packages/pg-core/tests/accuracy.py --stride 1 # every float32: hours
    python packages/pg-core/tests/accuracy.py exp gelu   # only these

Operands are bit patterns a stride apart, which takes every exponent, sign and special value, and a dense grid
of [-30, 30]. The reference is NumPy's extended precision for elementary functions; Python's math module, and
mpmath where it is installed, for the others, on fewer operands. A row fails beyond its limit or with a wrong
NaN, infinity or sign of zero. ``test_accuracy.py`` runs a slice of this.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg

Array = np.ndarray[Any, Any]
L = np.longdouble
MPMATH: Any = importlib.import_module("mpmath") if importlib.util.find_spec("mpmath") else None
PI = L("3.14159265358979323846264338327950288")


class Function(NamedTuple):
    """A function: how it is called, its reference in extended precision, and the largest errors allowed."""

    name: str
    reference: Callable[[Array], Array]
    single: float = 1.0
    double: float = 1.0
    call: Callable[[Any], Any] | None = None
    slow: bool = False  # the reference works element by element
    domain: tuple[float, float] = (-math.inf, math.inf)
    wide: tuple[float, float] = (-math.inf, math.inf)  # of float64 in addition, where the reference ends


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, L(1)) / (1 + e)


def _elementwise(f: Callable[[float], Any], at_pole: float = math.nan) -> Callable[[Array], Array]:
    def safe(x: float) -> Any:
        try:
            return L(f(float(x)))
        except (ValueError, OverflowError):
            return at_pole

    return np.vectorize(safe, otypes=[np.longdouble])


def _log_gamma(x: float) -> Any:
    """Python's own, which is a hundred units off near its zeros at 1 and 2, where mpmath is not installed."""
    if MPMATH is None or not math.isfinite(x) or abs(x) > 1e6 or (x <= 0 and x == math.floor(x)):
        return math.lgamma(x)
    with MPMATH.workprec(120):
        high = MPMATH.loggamma(MPMATH.mpf(x)).real
        return L(float(high)) + L(float(high - MPMATH.mpf(float(high))))


def _upper_tail(a: Array) -> Array:
    """P(N > a), a >= 0: the error of the argument of erfc, which grows with its square, is taken back."""
    y = (a / np.sqrt(L(2))).astype(np.float64)
    rest = a / np.sqrt(L(2)) - y
    plain = np.vectorize(math.erfc, otypes=[np.float64])(y).astype(np.longdouble)
    return np.maximum(plain - 2 / np.sqrt(PI) * np.exp(-((L(1) * y) ** 2)) * rest, 0) / 2


def _gelu(x: Array) -> Array:
    tail = _upper_tail(np.minimum(np.abs(x), 40))
    return np.where(x < 0, np.maximum(x, -40) * tail, x * (1 - tail))


def _gelu_tanh(x: Array) -> Array:
    c = np.clip(x, -40, 40)
    w = np.sqrt(8 / PI) * (c + L("0.044715") * c**3)
    return np.where(x > 40, x, c * _sigmoid(w))


def _ndtr(x: Array) -> Array:
    tail = _upper_tail(np.minimum(np.abs(x), 40))
    return np.where(x < 0, tail, 1 - tail)


def _log_ndtr(x: Array) -> Array:
    tail = _upper_tail(np.abs(x))
    return np.where(x < 0, np.log(tail), np.log1p(-tail))


FUNCTIONS = [
    Function("sqrt", np.sqrt, 0.5, 0.5),
    Function("rsqrt", lambda x: 1 / np.sqrt(x), 1.5, 1.5),  # above 1 only for subnormal operands
    Function("reciprocal", lambda x: 1 / x, 0.5, 0.5),
    Function("cbrt", np.cbrt, 1.0, 1.5),
    Function("exp", np.exp),
    Function("exp2", np.exp2),
    Function("expm1", np.expm1),
    Function("log", np.log),
    Function("log2", np.log2),
    Function("log10", np.log10, 1.0, 1.7),
    Function("log1p", np.log1p),
    Function("sin", np.sin, domain=(-1e15, 1e15)),  # beyond, NumPy's reduction has too few digits
    Function("cos", np.cos, domain=(-1e15, 1e15)),
    Function("tan", np.tan, domain=(-1e15, 1e15)),
    Function("asin", np.arcsin),
    Function("acos", np.arccos),
    Function("atan", np.arctan),
    Function("sinh", np.sinh, 1.0, 2.0),
    Function("cosh", np.cosh, 1.0, 2.0),
    Function("tanh", np.tanh, 1.0, 2.3),
    Function("asinh", np.arcsinh, 1.0, 2.0),
    Function("acosh", np.arccosh, 1.0, 2.5),
    Function("atanh", np.arctanh, 1.0, 2.0),
    Function("sigmoid", _sigmoid, 1.0, 2.0),
    Function("silu", lambda x: np.maximum(x, -12000) * _sigmoid(np.maximum(x, -12000)), 2.0, 3.0),
    Function("gelu", _gelu, 2.0, 4.0, slow=True, wide=(-37.0, math.inf)),
    Function("gelu tanh", _gelu_tanh, 2.0, 32.0, lambda x: pg.gelu(x, "tanh")),  # subnormal
    Function("ndtr", _ndtr, 2.0, 4.0, slow=True, wide=(-37.0, math.inf)),
    Function("log_ndtr", _log_ndtr, 3.0, 8.0, slow=True, domain=(-36.0, 13.0)),
    Function("erf", _elementwise(math.erf), 1.0, 2.0, slow=True),
    Function("erfc", _elementwise(math.erfc), 1.0, 2.0, slow=True),
    Function(
        "lgamma",
        _elementwise(_log_gamma, math.inf),
        1.0,
        2.5 if MPMATH else 120.0,
        slow=True,
        wide=(0.0, 1e300),
    ),
]


def operands(dtype: str, stride: int, seed: int = 0) -> Array:
    """Bit patterns a stride apart from a seeded start, and a grid."""
    kind = np.dtype(dtype)
    words = np.dtype(f"uint{8 * kind.itemsize}")
    start = int(np.random.default_rng(seed).integers(stride))
    if kind.itemsize == 8:
        count = max(1, (1 << 32) // stride)
        patterns = np.random.default_rng(seed).integers(0, 1 << 64, count, dtype=np.uint64)
    else:
        patterns = np.arange(start, 1 << (8 * kind.itemsize), stride, dtype=np.uint64).astype(words)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 2.0], dtype)
    grid = np.linspace(-30, 30, max(2, (1 << 30) // (stride * 64)) | 1).astype(dtype)
    return np.concatenate([patterns.view(kind), grid, special])


class Measured(NamedTuple):
    """The largest error in ulp, where it is, the share rounded correctly, and the wrong special values."""

    error: float
    at: float
    rounded: float
    wrong: int


def inside(function: Function, x: Array, wide: bool) -> Array:
    """The operands that the reference can take."""
    low, high = function.domain
    if wide:
        low, high = max(low, function.wide[0]), min(high, function.wide[1])
    return x[(np.isnan(x) | (x.astype(L) >= low)) & (np.isnan(x) | (x.astype(L) <= high))]


def measure(function: Function, x: Array) -> Measured:
    x = inside(function, x, x.itemsize == 8)
    with np.errstate(all="ignore"):
        want = function.reference(x.astype(np.longdouble))
        nearest = want.astype(x.dtype)
        got = (function.call or getattr(pg, function.name))(pg.Tensor(x)).numpy()
        finite = np.isfinite(nearest) & np.isfinite(got)
        size = np.abs(nearest)
        ulp = np.nextafter(size, x.dtype.type(np.inf)).astype(np.longdouble) - size
        error = np.where(finite, np.abs(got.astype(np.longdouble) - want) / ulp, 0)
    special = ~finite & ~((np.isnan(got) & np.isnan(nearest)) | (got == nearest))
    sign = (got == 0) & (nearest == 0) & (np.signbit(got) != np.signbit(nearest))
    worst = int(error.argmax())
    rounded = float(np.mean(got[finite] == nearest[finite]))
    return Measured(float(error[worst]), float(x[worst]), rounded, int(special.sum() + sign.sum()))


def measure_halves(function: Function, name: str) -> Measured:
    """All 65536 float16 or bfloat16 numbers."""
    with np.errstate(all="ignore"):
        if name == "float16":
            x = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
        else:
            x = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
        x = inside(function, x, False)
        f = function.call or getattr(pg, function.name)
        got = f(pg.Tensor(x).astype(name)).astype("float32").numpy()
        want = function.reference(x.astype(np.longdouble))
        nearest = pg.Tensor(want.astype(np.float32)).astype(name).astype("float32").numpy()
        finite = np.isfinite(nearest) & np.isfinite(got)
        bits, least = (10, -14) if name == "float16" else (7, -126)
        ulp = np.exp2(np.maximum(np.floor(np.log2(np.maximum(np.abs(nearest), 1e-45))), least) - bits)
        error = np.where(finite, np.abs(got.astype(np.longdouble) - want) / ulp, 0)
    special = ~finite & ~((np.isnan(got) & np.isnan(nearest)) | (got == nearest))
    worst = int(error.argmax())
    rounded = float(np.mean(got[finite] == nearest[finite]))
    return Measured(float(error[worst]), float(x[worst]), rounded, int(special.sum()))


def _rows(count: int, seed: int) -> Array:
    """Logits between -100 and 100: spread, close together, and one far above the others."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-100, 100, (count, 257)).astype(np.float32)
    x[::3] = x[::3, :1] + rng.uniform(-1, 1, x[::3].shape).astype(np.float32)
    return np.clip(x, -100, 100)


def _ulps(got: Array, want: Array) -> float:
    size = np.abs(want.astype(np.float32))
    ulp = np.nextafter(size, np.float32(np.inf)).astype(np.longdouble) - size
    return float(np.max(np.abs(got.astype(np.longdouble) - want) / ulp))


def softmax_errors(count: int = 2000, seed: int = 0) -> dict[str, float]:
    x = _rows(count, seed)
    e = np.exp(x.astype(np.longdouble) - x.max(1, keepdims=True))
    total = e.sum(1, keepdims=True)
    return {
        "softmax": _ulps(pg.softmax(pg.Tensor(x)).numpy(), e / total),
        "logsumexp": _ulps(
            pg.logsumexp(pg.Tensor(x), 1).numpy(), np.log(total[:, 0]) + x.max(1).astype(np.longdouble)
        ),
    }


def sum_error(count: int = 10**8) -> float:
    """The relative error of adding up a number of equal float32."""
    total = pg.full((count,), 0.1).sum().item()
    return float(abs(total / (float(np.float32(0.1)) * count) - 1.0))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--stride", type=int, default=10007)
    given = parser.parse_args(arguments)
    failed = 0
    print(f"{'function':12s} {'dtype':9s} {'max ulp':>8s}  {'at':>14s}  rounded  wrong special values")

    def show(name: str, dtype: str, m: Measured, limit: float) -> None:
        nonlocal failed
        bad = m.error > limit or m.wrong > 0
        failed += bad
        note = f"   <-- the limit is {limit}" if bad else ""
        print(f"{name:12s} {dtype:9s} {m.error:8.3f}  {m.at:14.8g}  {100 * m.rounded:6.2f}%  {m.wrong}{note}")

    for function in FUNCTIONS:
        if given.names and function.name.replace(" ", "_") not in given.names:
            continue
        for dtype, limit in (("float32", function.single), ("float64", function.double)):
            stride = given.stride * (16 if function.slow else 1)
            parts = np.array_split(operands(dtype, stride), max(1, (1 << 32) // stride >> 20))
            measured = [measure(function, part) for part in parts]
            worst = max(measured, key=lambda m: m.error)
            rounded = float(np.mean([m.rounded for m in measured]))
            wrong = sum(m.wrong for m in measured)
            show(function.name, dtype, Measured(worst.error, worst.at, rounded, wrong), limit)
        for dtype in ("float16", "bfloat16"):
            show(function.name, dtype, measure_halves(function, dtype), 0.51)
    if not given.names:
        for name, error in softmax_errors().items():
            show(name, "float32", Measured(error, math.nan, math.nan, 0), 4.0)
        error = sum_error()
        failed += error > 1e-6
        print(f"sum of 1e8 float32: relative error {error:.2g}{'   <-- beyond 1e-6' if error > 1e-6 else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
