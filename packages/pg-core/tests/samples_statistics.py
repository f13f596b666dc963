"""Rows of order statistics, averages, differences, interpolation and products of vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pequegrad as pg
from rows import ALL, COMPLEX, EVERY, FLOATS, INTS, REAL, TO_FLOAT, A, Row, S

_F: dict[str, Any] = {**TO_FLOAT, "tolerance": 4}
_NAN = float("nan")
_HOLES = np.array([[1.0, _NAN, 3.0], [_NAN, _NAN, _NAN], [0.5, 2.0, -1.0]], np.float32)


def _axes(f: Any) -> Any:
    return lambda x, axis=None, keepdims=False: f(x, axis=axis, keepdims=keepdims)


def _quantile(f: Any) -> Any:
    return lambda x, q, axis=None, method="linear", keepdims=False: f(
        x, q, axis=axis, method=method, keepdims=keepdims
    )


def _nan(f: Any) -> Any:
    def reference(*args: Any, **kwargs: Any) -> Any:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f(*args, **kwargs)

    return reference


def _diff(x: Any, n: int = 1, axis: int = -1, *ends: Any) -> Any:
    return np.diff(x, n, axis, *[np.asarray(e, x.dtype) for e in ends])


def _ediff1d(x: Any, *ends: Any) -> Any:
    last, first = [*(np.ravel(np.asarray(e, x.dtype)) for e in ends), *[x.ravel()[:0]] * 2][:2]
    return np.concatenate([first, np.diff(x.ravel()), last])


def _vecdot(x: Any, y: Any, axis: int = -1) -> Any:
    return np.sum(x * y, axis, dtype=x.dtype)


def _vander(x: Any, n: Any = None, increasing: bool = False) -> Any:
    return np.vander(x, n, increasing).astype(x.dtype)


def _cov(
    x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, w: Any = None
) -> Any:
    return np.cov(x, y, rowvar, bias, ddof, aweights=w)


def _running(f: Any, first: int) -> Any:
    def reference(x: Any, axis: Any = None, include_initial: bool = False) -> Any:
        made = f(x, axis=axis)
        if include_initial:
            start = np.full_like(made.take([0], axis or 0), first)
            made = np.concatenate([start, made], axis or 0)
        return made

    return reference


_METHODS = ["lower", "higher", "nearest", "midpoint", "inverted_cdf", "weibull", "hazen",
            "interpolated_inverted_cdf", "median_unbiased", "normal_unbiased"]  # fmt: skip
_D = {"distinct": True}

STATISTICS = [
    Row("ptp", [S(A(3, 4, **_D)), S(A(3, 4, **_D), 1, True)], _axes(np.ptp), dtypes=REAL),
    Row(
        "average",
        [S(A(3, 4)), S(A(3, 4), 1), S(A(3, 4), 0, A(3, low=0.5, high=2)), S(A(3, 4), None, A(3, 4, low=0.5))],
        lambda x, axis=None, w=None: np.average(x, axis, w),
        diff=(0, 2),
        **_F,
    ),
    Row("median", [S(A(3, 4, **_D)), S(A(5, 3, **_D), 0), S(A(2, 3, 4, **_D), (0, 2), True)], _axes(np.median),
        **TO_FLOAT),
    Row(
        "quantile",
        [
            S(A(9, **_D), 0.3), S(A(4, 5, **_D), [0.0, 0.25, 1.0], 1), S(A(2, 3, 4, **_D), 0.6, (0, 2), keepdims=True),
            *[S(A(9, **_D), [0.1, 0.5, 0.77], method=m) for m in _METHODS],
        ],
        _quantile(np.quantile),
        **_F,
    ),
    Row("percentile", [S(A(9, **_D), 30), S(A(4, 5, **_D), [0, 25, 100], 1)], _quantile(np.percentile), **_F),
    Row("nanquantile", [S(A(9, **_D), 0.3), S(A(4, 5, **_D), [0.0, 0.25], 1), S(_HOLES, 0.4, 1), S(_HOLES, 0.7)],
        _nan(_quantile(np.nanquantile)), **_F),
    Row("nanpercentile", [S(A(9, **_D), 30), S(_HOLES, [10, 50], 1)], _nan(_quantile(np.nanpercentile)), **_F),
    Row("nanmedian", [S(A(9, **_D)), S(_HOLES, 1)], _nan(_axes(np.nanmedian)), **_F),
    Row("nansum", [S(A(3, 4), 1), S(_HOLES), S(_HOLES, 1, True)], _nan(_axes(np.nansum)), dtypes=EVERY, out="sum",
        tolerance=8),
    Row("nanprod", [S(A(3, 4), 1), S(_HOLES)], _nan(_axes(np.nanprod)), dtypes=EVERY,
        out="sum", tolerance=8),
    Row("nancumsum", [S(A(3, 4), 1), S(_HOLES, 0)], lambda x, axis=None: np.nancumsum(x, axis), out="sum",
        dtypes=EVERY, tolerance=16),
    Row("nancumprod", [S(A(3, 4), 1), S(_HOLES, 0)], lambda x, axis=None: np.nancumprod(x, axis), out="sum",
        dtypes=EVERY, tolerance=8),
    Row("nanmean", [S(A(3, 4), 1), S(_HOLES), S(_HOLES, 1)], _nan(_axes(np.nanmean)), **_F),
    Row("nanvar", [S(A(3, 4), 1), S(_HOLES), S(_HOLES, 1, 1)],
        _nan(lambda x, axis=None, c=0: np.nanvar(x, axis, ddof=c)), **_F),
    Row("nanstd", [S(A(3, 4), 1), S(_HOLES)], _nan(lambda x, axis=None, c=0: np.nanstd(x, axis, ddof=c)), **_F),
    Row("nanmax", [S(A(3, 4, **_D), 1), S(_HOLES), S(_HOLES, 1)], _nan(_axes(np.nanmax)), dtypes=ALL),
    Row("nanmin", [S(A(3, 4, **_D), 1), S(_HOLES), S(_HOLES, 1)], _nan(_axes(np.nanmin)), dtypes=ALL),
    Row("nanargmax", [S(A(3, 4), 1), S(_HOLES), S(_HOLES[::2], 1)], _nan(_axes(np.nanargmax)), dtypes=ALL,
        out="int64", diff=()),
    Row("nanargmin", [S(A(3, 4), 1), S(_HOLES), S(_HOLES[::2], 1)], _nan(_axes(np.nanargmin)), dtypes=ALL,
        out="int64", diff=()),
    Row("cumulative_sum", [S(A(5)), S(A(3, 4), axis=1, include_initial=True)], _running(np.cumsum, 0),
        dtypes=EVERY, out="sum", tolerance=16),
    Row("cumulative_prod", [S(A(5, low=0.5, high=1.5)), S(A(3, 4, low=0.5, high=1.5), axis=1, include_initial=True)],
        _running(np.cumprod, 1), dtypes=EVERY, out="sum", tolerance=8),
    Row("cov", [S(A(3, 5)), S(A(5), A(5)), S(A(5, 3), None, False), S(A(3, 5), None, True, True),
                S(A(3, 5), None, True, False, None, A(5, low=0.5, high=2)), S(A(5))], _cov, diff=(0,), **TO_FLOAT,
        tolerance=16),
    Row("corrcoef", [S(A(3, 6)), S(A(5), A(5))], np.corrcoef, **TO_FLOAT, tolerance=16),
]  # fmt: skip

DIFFERENCES = [
    Row("diff", [S(A(5)), S(A(3, 4), 2), S(A(3, 4), 1, 0), S(A(3, 4), 1, 1, A(3, 1), A(3, 1)), S(A(2), 5)],
        _diff, dtypes=EVERY),
    Row("ediff1d", [S(A(2, 3)), S(A(4), 1, [2, 3])], _ediff1d, dtypes=EVERY),
    Row("gradient", [S(A(5)), S(A(3, 4)), S(A(3, 4), 0.5, axis=1), S(A(4, 5), 2.0, 0.5, edge_order=2),
                     S(A(5), np.array([0.0, 1.0, 1.5, 3.5, 4.0], np.float32), edge_order=2), S(A(2))],
        lambda *a, **k: (lambda r: list(r) if isinstance(r, tuple) else r)(np.gradient(*a, **k)), **_F),
    Row("trapezoid", [S(A(5)), S(A(3, 4), A(4)), S(A(3, 4), None, 0.5, 0), S(A(1)), S(A(3, 4), A(3, 4), 1.0, 0)],
        np.trapezoid if hasattr(np, "trapezoid") else np.trapz, diff=(0, 1), **_F),  # type: ignore[attr-defined]
    Row("interp", [S(A(7, low=-1, high=5), np.array([0.0, 1.0, 2.5, 4.0], np.float32), A(4)),
                   S(A(7, low=-1, high=5), np.array([0.0, 1.0, 2.5, 4.0], np.float32), A(4), -7.0, 9.0),
                   S(A(7, low=-9, high=9), np.array([2.0, 0.5, 3.0], np.float32), A(3), None, None, 5.0)],
        np.interp, diff=(0, 2), **_F),
    Row("interp", [S(A(7, low=-1, high=5), A(5, low=-1, high=5, **_D), A(5))],
        lambda x, at, y: np.interp(x, np.sort(at), y), call=lambda x, at, y: pg.interp(x, pg.sort(at), y),
        diff=(0, 2), **_F),
    Row("convolve", [S(A(7), A(3)), S(A(3), A(7), "same"), S(A(7), A(4), "same"), S(A(7), A(4), "valid")],
        np.convolve, dtypes=ALL, diff=(0, 1), tolerance=16),
    Row("correlate", [S(A(7), A(3)), S(A(3), A(7), "same"), S(A(7), A(4), "full"), S(A(4), A(4), "same")],
        np.correlate, dtypes=ALL, diff=(0, 1), tolerance=16),
    Row("polyval", [S(A(4), A(2, 3))], np.polyval, dtypes=(*REAL, *COMPLEX), diff=(0, 1), tolerance=8),
    Row("polyval", [S(A(0), A(3))], np.polyval, dtypes=EVERY, diff=(0, 1), why="no coefficients"),
    Row("vander", [S(A(3)), S(A(3), 4, True), S(A(3), 2)], _vander, dtypes=REAL, tolerance=4),
    Row("vander", [S(A(3), 2)], lambda x, n: np.vander(x, n), dtypes=("bool",), out="int64", why="bools"),
]  # fmt: skip

PRODUCTS = [
    Row("vecdot", [S(A(3, 4), A(3, 4)), S(A(2, 3, 4), A(4)), S(A(3, 4), A(3, 1), axis=-2)], _vecdot,
        dtypes=(*FLOATS, *INTS), diff=(0, 1), tolerance=8),
    Row("cross", [S(A(3), A(3)), S(A(2, 3), A(2, 3)), S(A(3, 4), A(3, 1), axis=0)],
        lambda x, y, axis=-1: np.cross(*np.broadcast_arrays(x, y), axis=axis), dtypes=(*FLOATS, *INTS), diff=(0, 1),
        tolerance=4),
    Row("nextafter", [S(np.array([1.0, -1.0, 0.0, -0.0, 3.0, np.inf, 1e-45, 2.0], np.float32),
                        np.array([2.0, 1.0, -1.0, 1.0, 3.0, 0.0, -1.0, np.inf], np.float32))],
        lambda x, y: np.nextafter(x.astype(np.float32), y.astype(np.float32)), dtypes=("float32",), diff=()),
    Row("nextafter", [S(A(3, 4), A(4))], np.nextafter, **TO_FLOAT),
]  # fmt: skip


def _apart(rows: list[Row]) -> list[Row]:
    """Samples that hold given float32 arrays (with NaN, in order) are rows of their own: float32 only."""
    out = []
    for row in rows:
        given = [s for s in row.samples if any(isinstance(a, np.ndarray) for a in s.args)]
        other = [s for s in row.samples if not any(s is g for g in given)]
        if other:
            out.append(replace(row, samples=other))
        if given:
            holes = any(np.isnan(a).any() for s in given for a in s.args if isinstance(a, np.ndarray))
            diff = () if holes else row.diff
            out.append(replace(row, samples=given, dtypes=("float32",), diff=diff, why="given values"))
    return out


ROWS = _apart(STATISTICS + DIFFERENCES + PRODUCTS)
