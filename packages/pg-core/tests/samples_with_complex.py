"""Rows of other families once more, for complex numbers: functions of real numbers that take them as they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rows import COMPLEX, FAR, A, Row, S, unary

_HERE = Path(__file__)
_NAMED: dict[str, list[Row]] = {}
for _path in sorted(_HERE.parent.glob("samples_*.py")):
    if _path.stem != _HERE.stem:
        for _row in importlib.import_module(_path.stem).ROWS:
            _NAMED.setdefault(_row.name, []).append(_row)


def _parts_apart(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that takes real numbers, of a function that is linear in its first argument."""

    def apart(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = np.asarray(x)
        re, im = np.ascontiguousarray(x.real), np.ascontiguousarray(x.imag)
        return reference(re, *args, **kwargs) + 1j * reference(im, *args, **kwargs)

    return apart


def also(
    name: str, *, linear: bool = False, keep: Callable[[S], bool] = lambda s: True, **changes: Any
) -> list[Row]:
    """A function's rows for complex numbers, with those of its samples that ``keep`` takes."""
    made = []
    for row in _NAMED[name]:
        samples = [s for s in row.samples if keep(s)]
        if samples and "float64" in row.dtypes and not set(COMPLEX) & set(row.dtypes):
            reference = _parts_apart(row.reference) if linear else row.reference
            tolerance = max(row.tolerance, 4)
            given = {"reference": reference, "tolerance": tolerance, **changes}
            made.append(
                replace(row, samples=samples, dtypes=COMPLEX, why=f"{row.why} complex".strip(), **given)
            )
    assert made, f"{name} has no row to take over"
    return made


def _unordered(sample: S) -> bool:
    """Scattering in ways that need no order."""
    return not {"min", "max", "amin", "amax"} & {*map(str, sample.args), *map(str, sample.kwargs.values())}


ROWS: list[Row] = [
    *[
        row
        for name in [
            "allclose",
            "array_equal",
            "array_equiv",
            "average",
            "conv2d",
            "cross",
            "dot",
            "dot_general",
            "fft.fftshift",
            "fft.ifftshift",
            "fold",
            "inner",
            "isclose",
            "logical_and",
            "logical_not",
            "logical_or",
            "logical_xor",
            "nanmean",
            "normalize",
            "polyadd",
            "polyder",
            "polysub",
            "tanhshrink",
            "trapezoid",
            "unfold",
            "vander",
        ]
        for row in also(name)
    ],
    *also("var_mean", out="any"),
    *also("std_mean", out="any"),
    *also("corrcoef"),
    *also("gradient"),
    *also("norm", out="real"),
    *also("pairwise_distance", out="real"),
    *also("cov", keep=lambda s: len(s.args) < 6),
    *also("scatter", keep=_unordered),
    *also("scatter_reduce", keep=_unordered),
    *[
        row
        for name in [
            "adaptive_avg_pool1d",
            "adaptive_avg_pool2d",
            "adaptive_avg_pool3d",
            "avg_pool1d",
            "avg_pool2d",
            "avg_pool3d",
            "interpolate",
        ]
        for row in also(name, linear=True)
    ],
    unary("sinc", np.sinc, FAR, dtypes=COMPLEX, tolerance=8, why="complex"),
    unary("sinc", np.sinc, (-0.3, 0.3), dtypes=COMPLEX, tolerance=8, why="complex near 0"),
    Row(
        "vecdot",
        [S(A(3, 4), A(3, 4)), S(A(3, 1, 2), A(2, 2), axis=-1), S(A(4, 2), A(4, 2), axis=0)],
        lambda x, y, axis=-1: (np.conj(x) * y).sum(axis),
        dtypes=COMPLEX,
        diff=(0, 1),
        tolerance=4,
        why="complex",
    ),
    Row(
        "cdist",
        [S(A(3, 4), A(2, 4))],
        lambda x, y: np.sqrt((abs(x[:, None] - y[None]) ** 2).sum(-1)),
        dtypes=COMPLEX,
        out="real",
        diff=(0, 1),
        tolerance=4,
        why="complex",
    ),
]
