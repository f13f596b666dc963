"""Rows of activations, normalisation and attention; torch is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import ALL, TO_FLOAT, A, B, Row, S, by_torch


def _functional(name: str) -> Any:
    return by_torch(lambda t, *a, **k: getattr(t.nn.functional, name)(*a, **k))


def _activation(name: str, *samples: Any, reference: Any = None, **options: Any) -> Row:
    every = samples or (
        S(A(3, 4, low=-5, high=5)),
        S(A()),
        S(A(0, 3)),
        S(A(5, 4, low=-9, high=9, strided=True)),
    )
    return Row(name, list(every), reference or _functional(name), **{"tolerance": 4, **TO_FLOAT, **options})


_WIDE = {"low": -5, "high": 5}
_NORM: dict[str, Any] = {"tolerance": 16, **TO_FLOAT}


def _attention(t: Any, q: Any, k: Any, v: Any, mask: Any = None, **options: Any) -> Any:
    gqa = q.ndim > 3 and q.shape[-3] != k.shape[-3]
    return t.nn.functional.scaled_dot_product_attention(q, k, v, mask, enable_gqa=gqa, **options)


ROWS = [
    _activation("relu6", reference=lambda x: np.clip(x, 0, 6).astype(x.dtype), dtypes=ALL, out="same"),
    _activation("hardtanh", S(A(3, 4)), S(A(3, 4, **_WIDE), -1.5, 2.5), S(A(), -3, 3)),
    _activation("leaky_relu", S(A(3, 4, **_WIDE), 0.2), why="slope"),
    _activation("prelu", S(A(2, 3, 4), A(3)), S(A(2, 3), A(1)), S(A(4), A(1)), diff=(0, 1)),
    _activation("elu", S(A(3, 4, **_WIDE), 1.7), S(A(0, 3)), why="alpha"),
    _activation("celu", S(A(3, 4, **_WIDE)), S(A(3, 4, **_WIDE), 1.7)),
    _activation("selu"),
    _activation("mish"),
    _activation("hardsigmoid"),
    _activation("hardswish"),
    _activation("hardshrink", S(A(3, 4)), S(A(3, 4, **_WIDE), 1.3)),
    _activation("softshrink", S(A(3, 4)), S(A(3, 4, **_WIDE), 1.3)),
    _activation("tanhshrink", tolerance=16),
    _activation("threshold", S(A(3, 4), 0, 1), S(A(3, 4, **_WIDE), 1, -2)),
    _activation("softsign"),
    _activation("glu", S(A(3, 4, **_WIDE)), S(A(4, 3), 0), S(A(2, 6, 2), 1)),
    _activation(
        "softmin",
        S(A(3, 4, **_WIDE)),
        S(A(3, 4), 0),
        reference=by_torch(lambda t, x, axis=-1: t.nn.functional.softmin(x, axis)),
        tolerance=8,
    ),
    Row(
        "softmax",
        [S(A(3, 4, low=-100, high=100)), S(A(2, 3, 4), (0, 2)), S(A(0, 3))],
        lambda x, axis=-1: _softmax(x, axis),
        tolerance=4,
        why="wide, several axes",
        **TO_FLOAT,
    ),
    Row(
        "layer_norm",
        [
            S(A(3, 8), 8, A(8), A(8)),
            S(A(2, 3, 4), (3, 4)),
            S(A(2, 3, 4), [4], A(4), None, 0.1),
        ],
        by_torch(lambda t, x, s, *a: t.nn.functional.layer_norm(x, [s] if isinstance(s, int) else s, *a)),
        diff=(0, 2, 3),
        **_NORM,
    ),
    Row(
        "rms_norm",
        [S(A(3, 8), 8, A(8)), S(A(2, 3, 4), (3, 4), None, 0.1)],
        by_torch(lambda t, x, s, *a: t.nn.functional.rms_norm(x, [s] if isinstance(s, int) else s, *a)),
        diff=(0, 2),
        **_NORM,
    ),
    Row(
        "group_norm",
        [S(A(2, 6, 3, 2), 3, A(6), A(6)), S(A(2, 8), 2), S(A(2, 4, 3), 1, A(4), None, 0.1)],
        _functional("group_norm"),
        diff=(0, 2, 3),
        **_NORM,
    ),
    Row(
        "instance_norm",
        [S(A(2, 3, 4), A(3), A(3)), S(A(2, 3, 4, 2)), S(A(2, 3, 5), A(3), None, 0.1)],
        by_torch(
            lambda t, x, w=None, b=None, e=1e-5: t.nn.functional.instance_norm(x, weight=w, bias=b, eps=e)
        ),
        diff=(0, 1, 2),
        **_NORM,
    ),
    Row(
        "batch_norm",
        [
            S(A(4, 3), None, None, A(3), A(3)),
            S(A(4, 3, 2, 2)),
            S(A(4, 3, 2), A(3), A(3, low=0.5, high=2), A(3), A(3), 0.1),
            S(A(4, 3), A(3), A(3, low=0.5, high=2)),
        ],
        by_torch(
            lambda t, x, m=None, v=None, w=None, b=None, e=1e-5: t.nn.functional.batch_norm(
                x, m, v, w, b, m is None, 0.1, e
            )
        ),
        diff=(0, 1, 2, 3, 4),
        **_NORM,
    ),
    Row(
        "local_response_norm",
        [S(A(2, 5, 3), 3), S(A(2, 4, 3, 2), 2, 0.5, 0.6, 1.5), S(A(1, 3, 2), 7, 0.1)],
        _functional("local_response_norm"),
        **_NORM,
    ),
    Row(
        "normalize",
        [S(A(3, 4)), S(A(3, 4), 1, 0), S(A(2, 3, 4), 3.0, -1), S(A(2, 3, 4), float("inf"), 1)],
        _functional("normalize"),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "cosine_similarity",
        [S(A(3, 4), A(3, 4)), S(A(3, 4), A(3, 4), 0), S(A(2, 3, 4), A(4), -1)],
        _functional("cosine_similarity"),
        diff=(0, 1),
        tolerance=16,
        **TO_FLOAT,
    ),
    Row(
        "pairwise_distance",
        [S(A(3, 4), A(3, 4)), S(A(3, 4), A(3, 4), 1.0), S(A(3, 4), A(4), 3.0, 0.1, True)],
        _functional("pairwise_distance"),
        diff=(0, 1),
        tolerance=16,
        **TO_FLOAT,
    ),
    Row(
        "cdist",
        [S(A(3, 4), A(5, 4)), S(A(2, 3, 4), A(2, 5, 4), 1.0), S(A(3, 4), A(5, 4), 3.0)],
        by_torch(lambda t, x, y, p=2.0: t.cdist(x, y, p, compute_mode="donot_use_mm_for_euclid_dist")),
        diff=(0, 1),
        tolerance=16,
        **TO_FLOAT,
    ),
    Row(
        "scaled_dot_product_attention",
        [
            S(A(2, 5, 4), A(2, 6, 4), A(2, 6, 3)),
            S(A(2, 3, 5, 4), A(2, 3, 5, 4), A(2, 3, 5, 4), is_causal=True),
            S(A(2, 3, 4, 4), A(2, 3, 6, 4), A(2, 3, 6, 4), is_causal=True, scale=0.3),
            S(A(2, 6, 4, 4), A(2, 2, 5, 4), A(2, 2, 5, 3)),
        ],
        by_torch(_attention),
        diff=(0, 1, 2),
        tolerance=32,
        **TO_FLOAT,
    ),
    Row(
        "scaled_dot_product_attention",
        [
            S(A(5, 4), A(6, 4), A(6, 3), B(5, 6)),
            S(A(2, 6, 4, 4), A(2, 2, 5, 4), A(2, 2, 5, 3), B(6, 4, 5)),
        ],
        by_torch(_attention),
        diff=(0, 1, 2),
        tolerance=32,
        why="boolean masks",
    ),
    Row(
        "scaled_dot_product_attention",
        [
            S(A(2, 5, 4), A(2, 6, 4), A(2, 6, 3), A(5, 6)),
            S(A(2, 3, 5, 4), A(2, 3, 6, 4), A(2, 3, 6, 4), A(3, 5, 6)),
            S(A(2, 6, 4, 4), A(2, 2, 5, 4), A(2, 2, 5, 3), A(2, 1, 4, 5)),
            S(A(2, 6, 4, 4), A(2, 2, 5, 4), A(2, 2, 5, 3), A(6, 4, 5)),
        ],
        by_torch(_attention),
        diff=(0, 1, 2, 3),
        tolerance=32,
        why="additive masks",
    ),
]


def _softmax(x: Any, axis: Any) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True)) if x.size else x
    return e / e.sum(axis, keepdims=True)
