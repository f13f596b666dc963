"""Rows of reductions, cumulative ops and sorting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from rows import (
    ALL,
    EVERY,
    REAL,
    TO_FLOAT,
    A,
    Row,
    S,
)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


_axes = [
    S(A(2, 3, 4)),
    S(A(2, 3, 4), 1),
    S(A(2, 3, 4), (0, -1), True),
    S(A()),
    S(A(3000)),
    S(A(5, 4, strided=True), 0),
]
_axes_empty = [*_axes, S(A(0, 3), 0), S(A(0, 3))]
_axis = [S(A(2, 3, 4), 1), S(A(3, 4), -1), S(A(5)), S(A(0, 3), 0), S(A(2, 300), 1)]
_axis_nonempty = [S(A(2, 3, 4), 1), S(A(3, 4), -1, keepdims=True), S(A(5)), S(A(2, 3)), S(A(2, 300), 1)]


def _np_axis(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis=None, keepdims=False: f(x, axis=axis, keepdims=keepdims)


def _cumulative(f: Callable[..., Any], x: Any, axis: Any = None, reverse: bool = False) -> Any:
    if axis is None:
        x, axis = x.reshape(-1), 0
    return np.flip(f(np.flip(x, axis), axis=axis), axis) if reverse else f(x, axis=axis)


def _topk(x: Any, k: int) -> Any:
    order = np.argsort(-x.astype(float), -1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def _var(f: Any) -> Callable[..., Any]:
    return lambda x, axis=None, correction=0, keepdims=False: f(
        x, axis=axis, ddof=correction, keepdims=keepdims
    )


ROWS = [
    Row("sum", _axes_empty, _np_axis(np.sum), dtypes=ALL, out="sum", tolerance=8),
    Row(
        "prod",
        [S(A(2, 3, low=0.5, high=1.5), 1), S(A(4, low=0.5, high=1.5)), S(A(0, 3), 0), S(A())],
        _np_axis(np.prod),
        dtypes=ALL,
        out="sum",
        tolerance=4,
    ),
    Row("mean", _axes, _np_axis(np.mean), tolerance=8, **TO_FLOAT),
    Row(
        "var",
        [S(A(2, 3, 4)), S(A(3, 4), 1), S(A(3, 4), 0, 1), S(A(3, 4), (0, 1), 0, True)],
        _var(np.var),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row("std", [S(A(2, 3, 4)), S(A(3, 4), 1), S(A(3, 4), 0, 1)], _var(np.std), tolerance=8, **TO_FLOAT),
    Row(
        "max",
        [
            S(A(2, 3, 4, distinct=True)),
            S(A(2, 3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), (0, 1), True),
            S(A()),
        ],
        _np_axis(np.max),
        dtypes=ALL,
    ),
    Row(
        "min",
        [
            S(A(2, 3, 4, distinct=True)),
            S(A(2, 3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), (0, 1), True),
            S(A()),
        ],
        _np_axis(np.min),
        dtypes=ALL,
    ),
    Row("any", _axes_empty, _np_axis(np.any), dtypes=ALL, out="bool", diff=()),
    Row("all", _axes_empty, _np_axis(np.all), dtypes=ALL, out="bool", diff=()),
    Row(
        "count_nonzero",
        _axes,
        _np_axis(np.count_nonzero),
        dtypes=EVERY,
        out="int64",
        diff=(),
    ),
    Row("argmax", _axis_nonempty, _np_axis(np.argmax), dtypes=ALL, out="int64", diff=()),
    Row("argmin", _axis_nonempty, _np_axis(np.argmin), dtypes=ALL, out="int64", diff=()),
    Row(
        "cumsum",
        [*_axis, S(A(3, 4), 1, reverse=True)],
        lambda *a, **k: _cumulative(np.cumsum, *a, **k),
        dtypes=ALL,
        out="sum",
        tolerance=16,
    ),
    Row(
        "cumprod",
        [S(A(2, 5, low=0.5, high=1.5), 1), S(A(5)), S(A(2, 5, low=0.5, high=1.5), 1, reverse=True)],
        lambda *a, **k: _cumulative(np.cumprod, *a, **k),
        dtypes=ALL,
        out="sum",
        tolerance=8,
    ),
    Row(
        "cummax",
        [S(A(3, 5, distinct=True), 1), S(A(6, distinct=True))],
        lambda *a, **k: _cumulative(np.maximum.accumulate, *a, **k),
        dtypes=REAL,
    ),
    Row(
        "cummin",
        [S(A(3, 5, distinct=True), 1), S(A(6, distinct=True))],
        lambda *a, **k: _cumulative(np.minimum.accumulate, *a, **k),
        dtypes=REAL,
    ),
    Row(
        "logsumexp",
        [S(A(3, 4)), S(A(3, 4), 1), S(A(2, 3, 4), (0, 2), True)],
        _logsumexp,
        tolerance=4,
        **TO_FLOAT,
    ),
    Row(
        "norm",
        [S(A(3, 4)), S(A(3, 4), 2, 1), S(A(3, 4), 1, 0), S(A(3, 4, distinct=True), math.inf, 1)],
        lambda x, ord=2, axis=None: np.linalg.norm(x.reshape(-1) if axis is None else x, ord, axis),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "sort",
        [
            S(A(3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), 0),
            S(A(50, distinct=True)),
            S(A(3, 4, distinct=True), None),
        ],
        lambda x, axis=-1: np.sort(x, axis),
        dtypes=ALL,
    ),
    Row(
        "argsort",
        [S(A(3, 4), 1), S(A(3, 4), 0), S(A(50))],
        lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
        dtypes=ALL,
        out="int64",
        diff=(),
    ),
    Row(
        "topk",
        [S(A(3, 5, distinct=True), 2)],
        _topk,
        dtypes=ALL,
        out="any",
    ),
]
