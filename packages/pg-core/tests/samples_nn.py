"""Rows of what networks are made of: activations, losses, convolution, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import (
    ALL,
    REAL,
    TO_FLOAT,
    TO_FLOAT_OR_COMPLEX,
    A,
    Row,
    S,
    by_torch,
)


def _softmax(x: Any, axis: Any = -1) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _conv(
    t: Any,
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    return t.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups)


def _interpolate(
    t: Any,
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
) -> Any:
    extra = {} if mode == "nearest" else {"align_corners": bool(align_corners)}
    return t.nn.functional.interpolate(x, size, scale_factor, mode, **extra)


ROWS = [
    Row("relu", [S(A(3, 4)), S(A())], lambda x: np.maximum(x, 0).astype(x.dtype), dtypes=ALL),
    Row("leaky_relu", [S(A(3, 4)), S(A(3), 0.3)], lambda x, s=0.01: np.where(x > 0, x, s * x), **TO_FLOAT),
    Row("elu", [S(A(3, 4))], lambda x: np.where(x > 0, x, np.expm1(x)), **TO_FLOAT),
    Row("silu", [S(A(3, 4))], lambda x: x / (1 + np.exp(-x)), tolerance=2, **TO_FLOAT),
    Row(
        "gelu",
        [S(A(3, 4)), S(A(3, 4), "tanh")],
        by_torch(lambda t, x, a="none": t.nn.functional.gelu(x, approximate=a)),
        tolerance=4,
        **TO_FLOAT,
    ),
    Row("softmax", [S(A(3, 4)), S(A(3, 4), 0), S(A(5), -1)], _softmax, tolerance=4, **TO_FLOAT),
    Row(
        "log_softmax",
        [S(A(3, 4)), S(A(3, 4), 0)],
        lambda x, axis=-1: np.log(_softmax(x, axis)),
        tolerance=4,
        **TO_FLOAT,
    ),
    Row(
        "cross_entropy_loss_probs",
        [S(A(3, 4), A(3, 4, low=0.1, high=0.9)), S(A(2, 4, 3), A(2, 4, 3, low=0.1, high=0.9))],
        by_torch(lambda t, x, y: t.nn.functional.cross_entropy(x, y)),
        diff=(0, 1),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "binary_cross_entropy_with_logits",
        [S(A(3, 4), A(3, 4, low=0.1, high=0.9))],
        by_torch(lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y)),
        diff=(0, 1),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "mse_loss",
        [S(A(3, 4), A(3, 4))],
        lambda x, y: np.mean((x - y) ** 2),
        diff=(0, 1),
        tolerance=8,
        **TO_FLOAT_OR_COMPLEX,
    ),
    Row(
        "conv2d",
        [
            S(A(2, 3, 7, 6), A(4, 3, 3, 2)),
            S(A(2, 3, 7, 6), A(4, 3, 3, 3), A(4), 2, 1),
            S(A(1, 4, 8, 7), A(6, 2, 3, 3), None, (2, 1), (1, 2), (2, 1), 2),
            S(A(2, 4, 5, 5), A(4, 1, 3, 3), None, 1, 1, 1, 4),
            S(A(1, 1, 5, 5), A(1, 1, 1, 1)),
        ],
        by_torch(_conv),
        diff=(0, 1),
        tolerance=32,
        **TO_FLOAT,
    ),
    Row(
        "conv1d",
        [S(A(2, 3, 9), A(4, 3, 3)), S(A(2, 4, 9), A(4, 2, 3), None, 2, 1, 2, 2)],
        by_torch(lambda t, x, w, b=None, *r: t.nn.functional.conv1d(x, w, b, *r)),
        diff=(0, 1),
        tolerance=32,
        **TO_FLOAT,
    ),
    Row(
        "max_pool2d",
        [
            S(A(2, 3, 6, 7, distinct=True), 2),
            S(A(1, 2, 7, 7, distinct=True), 3, 2, 1),
            S(A(1, 1, 7, 6, distinct=True), (3, 2), (1, 2), (1, 0), (2, 1)),
            S(A(1, 1, 7, 7, distinct=True), 2, 2, 0, 1, True),
        ],
        by_torch(lambda t, x, k, s=None, p=0, d=1, c=False: t.nn.functional.max_pool2d(x, k, s, p, d, c)),
        dtypes=REAL,
    ),
    Row(
        "avg_pool2d",
        [
            S(A(2, 3, 6, 7), 2),
            S(A(1, 2, 7, 7), 3, 2, 1),
            S(A(1, 2, 7, 7), 3, 2, 1, False, False),
            S(A(1, 1, 7, 7), 2, 2, 0, True),
            S(A(1, 1, 7, 7), 3, 2, 1, True),
        ],
        by_torch(lambda t, x, *a: t.nn.functional.avg_pool2d(x, *a)),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "interpolate",
        [S(A(2, 3, 4, 5), (8, 10)), S(A(1, 1, 4, 5), (3, 2)), S(A(1, 2, 4, 5), None, 1.7)],
        lambda x, *a: by_torch(_interpolate)(x.astype(float), *a).astype(x.dtype),
        dtypes=ALL,
    ),
    Row(
        "interpolate",
        [
            S(A(2, 3, 4, 5), (8, 9), mode="bilinear"),
            S(A(2, 3, 8, 7), (3, 4), mode="bilinear"),
            S(A(1, 1, 4, 5), (7, 1), mode="bilinear", align_corners=True),
            S(A(1, 1, 4, 5), None, (2.5, 0.5), mode="bilinear"),
        ],
        by_torch(_interpolate),
        tolerance=8,
        why="bilinear",
        **TO_FLOAT,
    ),
]
