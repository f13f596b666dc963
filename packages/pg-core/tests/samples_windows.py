"""Rows of convolution, pooling and resampling in all their forms; torch is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from rows import ALL, EVERY, REAL, TO_FLOAT, TO_FLOAT_OR_COMPLEX, A, Row, S, by_torch


def _functional(name: str) -> Any:
    """torch has few of these for integers: they are counted in float64, which holds them."""

    def call(t: Any, x: Any, *a: Any, **k: Any) -> Any:
        return getattr(t.nn.functional, name)(
            x if x.is_floating_point() or x.is_complex() else x.double(), *a, **k
        )

    return by_torch(call)


_CONV: dict[str, Any] = {"diff": (0, 1, 2), "tolerance": 32, **TO_FLOAT_OR_COMPLEX}
_POOL: dict[str, Any] = {"tolerance": 8, **TO_FLOAT}


def _conv_general(
    t: Any,
    x: Any,
    w: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    input_dilation: Any = 1,
    batch_groups: int = 1,
) -> Any:
    """XLA's general convolution by torch's plain one: zeros written out, one call per batch group."""
    rank = w.ndim - 2

    def each(v: Any) -> list[Any]:
        return [v] * rank if isinstance(v, int) else list(v)

    spread = each(input_dilation)
    wide = t.zeros(x.shape[:2] + tuple((n - 1) * d + 1 for n, d in zip(x.shape[2:], spread)), dtype=x.dtype)
    wide[(slice(None),) * 2 + tuple(slice(None, None, d) for d in spread)] = x
    if padding == "same":
        padding = []
        for n, k, s, d in zip(wide.shape[2:], w.shape[2:], each(stride), each(dilation)):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            padding.append((total // 2, total - total // 2))
    pairs = [p if isinstance(p, tuple) else (p, p) for p in each(0 if padding == "valid" else padding)]
    wide = t.nn.functional.pad(wide, [v for p in reversed(pairs) for v in p])
    f = getattr(t.nn.functional, f"conv{rank}d")
    parts = [
        f(a, b, None, stride, 0, dilation, groups)
        for a, b in zip(wide.chunk(batch_groups), w.chunk(batch_groups))
    ]
    return t.cat(parts, 1)


def _min_pool(name: str) -> Any:
    return by_torch(lambda t, x, *a, **k: -getattr(t.nn.functional, name)(-x.double(), *a, **k))


def _shuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    y = np.moveaxis(x.reshape(*lead, c // r**2, r, r, h, w), (-4, -3), (-3, -1))
    return y.reshape(*lead, c // r**2, h * r, w * r)


def _unshuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    y = np.moveaxis(x.reshape(*lead, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
    return y.reshape(*lead, c * r * r, h // r, w // r)


def _indexed(t: Any, f: Any, x: Any, *a: Any, **k: Any) -> Any:
    values, places = f(x if x.is_floating_point() else x.double(), *a, return_indices=True, **k)
    return [values, places]


ROWS = [
    Row(
        "conv1d",
        [
            S(A(2, 3, 9), A(4, 3, 3), A(4)),
            S(A(3, 9), A(4, 3, 3), None, 1, "same"),
            S(A(0, 3, 9), A(4, 3, 2)),
        ],
        _functional("conv1d"),
        why="bias, one example, an empty batch",
        **_CONV,
    ),
    Row(
        "conv3d",
        [
            S(A(2, 3, 4, 5, 4), A(4, 3, 2, 3, 2), A(4)),
            S(A(1, 4, 5, 5, 6), A(6, 2, 3, 2, 3), None, (2, 1, 2), (1, 0, 2), (1, 2, 1), 2),
            S(A(4, 4, 4, 4), A(2, 2, 2, 2, 2), None, 2, 0, 1, 2),
        ],
        _functional("conv3d"),
        **_CONV,
    ),
    Row(
        "conv_general",
        [
            S(A(2, 3, 5), A(4, 3, 3), 2, ((1, -1),), input_dilation=3),
            S(A(2, 3, 7, 6), A(4, 3, 3, 2), (2, 3), "same", (1, 2)),
            S(A(1, 4, 5, 5), A(6, 2, 2, 2), 1, ((-1, 2), (0, 1)), 2, 2, input_dilation=(2, 1)),
            S(A(4, 3, 6), A(4, 3, 3), 1, 1, batch_groups=2),
            S(A(1, 2, 3, 4, 3), A(2, 2, 2, 2, 2), 1, "valid", input_dilation=2),
        ],
        by_torch(_conv_general),
        **{**_CONV, "diff": (0, 1)},
    ),
    Row(
        "conv_transpose1d",
        [
            S(A(2, 3, 5), A(3, 4, 3), A(4)),
            S(A(2, 4, 5), A(4, 2, 3), None, 3, 1, 2, 2, 2),
            S(A(3, 5), A(3, 2, 2), None, 2, 1),
        ],
        _functional("conv_transpose1d"),
        **_CONV,
    ),
    Row(
        "conv_transpose2d",
        [
            S(A(2, 3, 4, 5), A(3, 4, 3, 2), A(4)),
            S(A(1, 4, 4, 5), A(4, 2, 3, 3), A(4), (2, 3), (1, 0), (1, 2), 2, (2, 1)),
            S(A(1, 2, 3, 3), A(2, 1, 2, 2), None, 1, 1, (1, 0), 1, 2),
            S(A(2, 3, 3), A(2, 2, 3, 3), None, 2),
        ],
        _functional("conv_transpose2d"),
        **_CONV,
    ),
    Row(
        "conv_transpose3d",
        [
            S(A(1, 2, 3, 2, 3), A(2, 3, 2, 3, 2), A(3)),
            S(A(1, 4, 2, 3, 2), A(4, 2, 2, 2, 2), None, 2, 1, 1, 2),
        ],
        _functional("conv_transpose3d"),
        **_CONV,
    ),
    *[
        Row(
            f"max_pool{rank}d",
            [
                S(A(1, 2, *space, distinct=True), 2),
                S(A(1, 2, *space, distinct=True), 3, 2, 1),
                S(A(1, 1, *space, distinct=True), 2, 1, 1, 2),
                S(A(2, *space, distinct=True), 2, 2, 0, 1, True),
                S(A(1, 1, *space, distinct=True), 3, 2, 1, 1, True),
            ],
            _functional(f"max_pool{rank}d"),
            dtypes=REAL,
            why="all ranks",
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    *[
        Row(
            f"max_pool{rank}d",
            [S(A(1, 2, *space, distinct=True), 2), S(A(1, 2, *space, distinct=True), 3, 2, 1)],
            by_torch(
                lambda t, *a, rank=rank, **k: _indexed(
                    t, getattr(t.nn.functional, f"max_pool{rank}d"), *a, **k
                )
            ),
            call=lambda *a, rank=rank: _by_rank("max_pool", rank)(*a, return_indices=True),
            dtypes=REAL,
            out="any",
            why="indices",
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    *[
        Row(
            f"min_pool{rank}d",
            [
                S(A(1, 2, *space, distinct=True), 2),
                S(A(1, 2, *space, distinct=True), 3, 2, 1, ceil_mode=True),
            ],
            _min_pool(f"max_pool{rank}d"),
            dtypes=REAL,
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    *[
        Row(
            f"avg_pool{rank}d",
            [
                S(A(2, 3, *space), 2),
                S(A(2, *space), 3, 2, 1),
                S(A(1, 2, *space), 3, 2, 1, True),
                S(A(1, 2, *space), 3, 2, 1, True, False),
                S(A(1, 2, *space), 2, 3, 0, True),
            ],
            _functional(f"avg_pool{rank}d"),
            why="all ranks",
            **_POOL,
        )
        for rank, space in ((1, (8,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    Row(
        "avg_pool2d",
        [S(A(1, 2, 6, 7), 3, 2, 1, divisor_override=5)],
        _functional("avg_pool2d"),
        why="divisor",
        **_POOL,
    ),
    *[
        Row(
            f"lp_pool{rank}d",
            [
                S(A(2, 3, *space, low=0.1), 2.0, 2),
                S(A(2, 3, *space, low=0.1), 3.0, 3, 2),
                S(A(2, 3, *space, low=0.1), 2.0, 2, 3, True),
            ],
            _functional(f"lp_pool{rank}d"),
            **{**_POOL, "tolerance": 16},
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    *[
        Row(
            f"adaptive_avg_pool{rank}d",
            [
                S(A(2, 3, *space), 1),
                S(A(2, 3, *space), 3),
                S(A(1, 2, *space), 4),
                S(A(1, *space), 8),
            ],
            _functional(f"adaptive_avg_pool{rank}d"),
            **_POOL,
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    *[
        Row(
            f"adaptive_max_pool{rank}d",
            [
                S(A(1, 2, *space, distinct=True), 1),
                S(A(1, 2, *space, distinct=True), 3),
                S(A(1, 2, *space, distinct=True), 4),
                S(A(1, *space, distinct=True), 8),
            ],
            by_torch(
                lambda t, *a, rank=rank, **k: _indexed(
                    t, getattr(t.nn.functional, f"adaptive_max_pool{rank}d"), *a, **k
                )
            ),
            call=lambda *a, rank=rank: _by_rank("adaptive_max_pool", rank)(*a, return_indices=True),
            dtypes=REAL,
            out="any",
        )
        for rank, space in ((1, (9,)), (2, (6, 7)), (3, (4, 3, 4)))
    ],
    Row(
        "interpolate",
        [
            S(A(2, 3, 7), (10,), mode="linear"),
            S(A(2, 3, 7), 4, mode="linear", align_corners=True),
            S(A(2, 3, 4, 5), (7, 8), mode="bicubic"),
            S(A(1, 2, 6, 5), (4, 9), mode="bicubic", align_corners=True),
            S(A(1, 2, 4, 5), None, 1.6, mode="bicubic"),
            S(A(1, 2, 4, 5), None, 1.6, mode="bilinear", recompute_scale_factor=True),
            S(A(1, 2, 3, 4, 5), (5, 3, 7), mode="trilinear"),
            S(A(1, 2, 3, 4, 5), (2, 6, 5), mode="trilinear", align_corners=True),
            S(A(2, 3, 8, 9), (3, 4), mode="area"),
            S(A(2, 3, 8, 9), (4, 5), mode="bilinear", antialias=True),
            S(A(2, 3, 8, 9), (3, 12), mode="bicubic", antialias=True),
            S(A(1, 2, 9, 8), (4, 4), mode="bicubic", antialias=True, align_corners=True),
        ],
        _functional("interpolate"),
        why="all modes",
        **_POOL,
    ),
    Row(
        "interpolate",
        [
            S(A(2, 3, 7), (10,)),
            S(A(2, 3, 4, 5), (3, 8), mode="nearest-exact"),
            S(A(1, 2, 3, 4, 5), None, (2.0, 0.7, 1.3)),
            S(A(1, 2, 3, 4, 5), None, 1.5, mode="nearest-exact"),
        ],
        _functional("interpolate"),
        why="nearest",
        dtypes=ALL,
    ),
    *[
        # No point may lie so near a border of a pixel that second differences reach across.
        Row(
            "grid_sample",
            [
                S(A(2, 3, 4, 5), A(2, 3, 2, 2, low=low, high=high), mode, padding, corners)
                for corners in (False, True)
            ]
            + [
                S(A(1, 2, 3, 4, 5), A(1, 2, 3, 2, 3, low=low, high=high), mode, padding, corners)
                for corners in (False, True)
                if mode != "bicubic"
            ],
            by_torch(
                lambda t, x, g, m, p, c: t.nn.functional.grid_sample(
                    x, g, mode=m, padding_mode=p, align_corners=c
                )
            ),
            diff=(0, 1) if mode != "nearest" else (0,),
            tolerance=64,
            **TO_FLOAT,
            why=f"{mode} {padding}",
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for padding, low, high in (("zeros", -1.25, 1.2), ("border", -1.4, 1.2), ("reflection", -2.6, 3.1))
    ],
    Row(
        "affine_grid",
        [
            S(A(2, 2, 3), (2, 3, 4, 5)),
            S(A(2, 2, 3), (2, 3, 4, 1)),
            S(A(2, 2, 3), (2, 3, 4, 5), True),
            S(A(1, 3, 4), (1, 2, 3, 2, 4)),
            S(A(1, 3, 4), (1, 2, 3, 2, 4), True),
        ],
        by_torch(lambda t, a, s, c=False: t.nn.functional.affine_grid(a, s, align_corners=c)),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "unfold",
        [
            S(A(2, 3, 5, 6), 2),
            S(A(2, 3, 5, 6), (2, 3), (2, 1), (1, 2), (2, 1)),
            S(A(3, 5, 6), 3, 1, 1, 2),
        ],
        _functional("unfold"),
        dtypes=ALL,
    ),
    Row(
        "fold",
        [
            S(A(2, 12, 20), (5, 6), 2),
            S(A(2, 18, 24), (5, 6), (2, 3), (2, 1), (1, 2), (2, 1)),
            S(A(18, 9), (5, 6), 3, 1, 1, 2),
        ],
        _functional("fold"),
        dtypes=REAL,
        tolerance=4,
    ),
    Row("pixel_shuffle", [S(A(2, 12, 3, 2), 2), S(A(9, 2, 2), 3)], _shuffle, dtypes=EVERY),
    Row("pixel_unshuffle", [S(A(2, 3, 4, 6), 2), S(A(1, 6, 3), 3)], _unshuffle, dtypes=EVERY),
]


def _by_rank(name: str, rank: int) -> Any:
    import pequegrad as pg

    return getattr(pg, f"{name}{rank}d")
