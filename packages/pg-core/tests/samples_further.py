"""Rows of what torch and NumPy offer beyond the commonest names: pieces, masks, products, polynomials."""

# Size: one table.

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from rows import (
    ALL,
    COMPLEX,
    EVERY,
    FAR,
    INTS,
    REAL,
    TO_FLOAT,
    TO_FLOAT_OR_COMPLEX,
    A,
    B,
    I,
    Row,
    S,
    by_torch,
    unary,
)

WIDE = ("float32", "float64")  # what LAPACK takes


def _torch(name: str) -> Any:
    return by_torch(lambda t, *a, **k: getattr(t, name)(*a, **k))


def _chunk(x: Any, n: int, axis: int = 0) -> Any:
    length = max(-(-x.shape[axis] // n), 1)
    return np.split(x, range(length, x.shape[axis], length), axis)


def _narrow(x: Any, axis: int, start: int, length: int) -> Any:
    return np.take(x, range(x.shape[axis])[start:][:length], axis)


def _written(x: Any, v: Any, axis: int, key: Any) -> Any:
    out = x.copy()
    out[(slice(None),) * (axis % x.ndim) + (key,)] = v
    return out


def _in_place(f: Any) -> Any:
    def reference(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = x.copy()
        f(out, *args, **kwargs)
        return out

    return reference


def _masked_scatter(x: Any, mask: Any, v: Any) -> Any:
    out = x.copy()
    holds = np.broadcast_to(mask, x.shape)
    out[holds] = v.ravel()[: holds.sum()]
    return out


def _topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> Any:
    turned = np.flip(x, axis) if largest else x
    order = np.argsort(turned, axis, kind="stable")
    if largest:
        order = x.shape[axis] - 1 - np.flip(order, axis)
    order = np.take(order, range(k), axis)
    return [np.take_along_axis(x, order, axis), order]


def _kth(x: Any, k: int, axis: int = -1, keepdims: bool = False) -> Any:
    order = np.take(np.argsort(x, axis, kind="stable"), [k - 1], axis)
    found = np.take_along_axis(x, order, axis)
    return [found, order] if keepdims else [found.squeeze(axis), order.squeeze(axis)]


def _running(f: Any, neutral: Any) -> Any:
    def reference(x: Any, axis: Any = None, reverse: bool = False, exclusive: bool = False) -> Any:
        x = x.ravel() if axis is None else x
        at = axis or 0
        x = np.flip(x, at) if reverse else x
        out = f.accumulate(x, at, dtype=np.int64 if x.dtype.kind in "bi" else None)
        if exclusive:
            first = np.full_like(np.take(out, [0], at), neutral)
            out = np.concatenate([first, np.take(out, range(x.shape[at] - 1), at)], at)
        return np.flip(out, at) if reverse else out

    return reference


def _trapezoids(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    y = np.moveaxis(y, axis, -1)
    steps = np.diff(x, axis=-1) if x is not None else dx
    made = np.cumsum((y[..., 1:] + y[..., :-1]) * steps / 2, -1)
    if initial is not None:
        made = np.concatenate([np.full((*made.shape[:-1], 1), initial), made], -1)
    return np.moveaxis(made, -1, axis)


def _product(how: str) -> Any:
    def reference(c: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        made = np.outer(x, y) if how == "outer" else x @ y
        made = made.sum(0, dtype=made.dtype) if how == "sum" else made
        return (beta * c + alpha * made).astype(made.dtype)

    return reference


def _block_diag(*xs: Any) -> Any:
    blocks = [np.atleast_2d(x) for x in xs]
    out = np.zeros(np.sum([b.shape for b in blocks], 0), np.result_type(*blocks))
    r = c = 0
    for b in blocks:
        out[r : r + b.shape[0], c : c + b.shape[1]] = b
        r, c = r + b.shape[0], c + b.shape[1]
    return out


def _rounded(x: Any, y: Any, rounding_mode: str) -> Any:
    if x.dtype.kind == "f":
        return (np.floor_divide if rounding_mode == "floor" else lambda a, b: np.trunc(a / b))(x, y)
    safe = np.where(y == 0, 1, y)
    made = np.floor_divide(x, safe)
    if rounding_mode == "trunc":
        made = made + ((np.remainder(x, safe) != 0) & ((x < 0) != (safe < 0)))
    return np.where(y == 0, 0, made).astype(x.dtype)


def _polydiv(u: Any, v: Any) -> Any:
    """Long division."""
    if u.size < v.size:
        return [np.zeros(1, u.dtype), u]
    rest, quotient = u.copy(), []
    for k in range(u.size - v.size + 1):
        quotient.append(rest[k] / v[0])
        rest[k : k + v.size] -= quotient[-1] * v
    return [np.array(quotient), rest[u.size - v.size + 1 :] if v.size > 1 else np.zeros(1, u.dtype)]


ROWS = [
    *[
        Row(
            "topk",
            [
                S(A(9, distinct=True), 4),
                S(A(3, 5), 2, 0, largest=False),
                S(A(2, 6), 6, largest=True),
                S(A(4), 0),
            ],
            _topk,
            dtypes=ALL,
            out="any",
            why="options",
        )
    ],
    Row(
        "kthvalue",
        [S(A(7, distinct=True), 3), S(A(3, 4, distinct=True), 2, 0, True), S(A(2, 1, distinct=True), 1)],
        _kth,
        dtypes=ALL,
        out="any",
    ),
    Row(
        "sort_complex",
        [S(A(2, 5)), S(A(6))],
        np.sort_complex,
        dtypes=EVERY,
        out="any",
    ),
    Row(
        "cumsum",
        [
            S(A(5), exclusive=True),
            S(A(3, 4), 1, exclusive=True, reverse=True),
            S(A(0, 2), 1, exclusive=True),
        ],
        _running(np.add, 0),
        dtypes=(*REAL, *COMPLEX),
        out="sum",
        tolerance=8,
        why="exclusive",
    ),
    Row(
        "cumprod",
        [S(A(5), exclusive=True), S(A(3, 4), 0, exclusive=True, reverse=True)],
        _running(np.multiply, 1),
        dtypes=(*REAL, *COMPLEX),
        out="sum",
        tolerance=16,
        why="exclusive",
    ),
    Row(
        "logcumsumexp",
        [
            S(A(7)),
            S(A(3, 4), 1),
            S(A(3, 5), 0, reverse=True),
            S(A(1)),
            S(A(5, low=-300.0, high=300.0)),
            S(A(2, 0), 1),
        ],
        _running(np.logaddexp, -np.inf),
        tolerance=8,
        **TO_FLOAT,
    ),
    Row(
        "cumulative_trapezoid",
        [S(A(5)), S(A(3, 4), dx=0.5, axis=0), S(A(2, 5), A(5)), S(A(2, 3), initial=1.5), S(A(1))],
        _trapezoids,
        diff=(0, 1),
        tolerance=8,
        **TO_FLOAT_OR_COMPLEX,
    ),
    Row("chunk", [S(A(5, 2), 2), S(A(3, 6), 4, 1), S(A(3), 5), S(A(0), 2)], _chunk, dtypes=EVERY),
    Row(
        "array_split",
        [S(A(7), [2, 5]), S(A(3, 6), (1, -2), 1)],
        np.array_split,
        dtypes=EVERY,
        why="between indices",
    ),
    Row("narrow", [S(A(5), 0, 1, 3), S(A(2, 5), 1, -3, 2), S(A(3), 0, 3, 0)], _narrow, dtypes=EVERY),
    Row(
        "index_select",
        [S(A(4, 3), 0, I(4, 5)), S(A(4, 3), -1, I(3, 2)), S(A(4), 0, I(4))],
        lambda x, axis, i: np.take(x, np.atleast_1d(i), axis),
        dtypes=EVERY,
    ),
    Row(
        "select_scatter",
        [S(A(3, 4), A(4), 0, 2), S(A(3, 4), A(3), -1, -1)],
        _written,
        dtypes=EVERY,
        diff=(0, 1),
        call=lambda x, v, axis, i: pg.select_scatter(x, v, axis, i),
    ),
    Row(
        "slice_scatter",
        [S(A(6), A(3), 0, 0, 6, 2), S(A(3, 4), A(3, 2), 1, 1, 3), S(A(3), A(1), 0, -1)],
        lambda x, v, axis=0, *bounds: _written(
            x, v, axis, slice(*(bounds if len(bounds) > 1 else (*bounds, None)))
        ),
        dtypes=EVERY,
        diff=(0, 1),
    ),
    Row(
        "masked_fill",
        [S(A(3, 4), B(3, 4), 1), S(A(3, 4), B(4), A()), S(A(0), B(0), 1)],
        lambda x, m, v: np.where(m, np.asarray(v).astype(x.dtype), x),
        dtypes=EVERY,
        diff=(0, 2),
    ),
    Row(
        "masked_scatter",
        [S(A(3, 4), B(3, 4), A(12)), S(A(2, 3), B(3), A(2, 3))],
        _masked_scatter,
        dtypes=EVERY,
        diff=(0, 2),
    ),
    Row(
        "putmask",
        [S(A(6), B(6), A(4)), S(A(2, 3), B(2, 3), A(2, 3)), S(A(3), B(3), 1)],
        _in_place(np.putmask),
        dtypes=EVERY,
        diff=(0, 2),
    ),
    Row(
        "place",
        [S(A(6), B(6), A(4)), S(A(2, 3), B(2, 3), A(1))],
        _in_place(np.place),
        dtypes=EVERY,
        diff=(0, 2),
    ),
    Row(
        "put",
        [S(A(6), I(6, 3), A(2)), S(A(2, 3), I(6, 2, 2), A(2, 2)), S(A(3), I(9, 4), 1, mode="clip")],
        _in_place(lambda out, i, v, mode="raise": np.put(out, i.astype(int), v, mode)),
        dtypes=EVERY,
        diff=(0, 2),
        call=lambda x, i, v, mode="raise": pg.put(x, i, v, mode),
    ),
    Row(
        "bucketize",
        [S(A(5), [-1, 0, 1]), S(A(2, 3), [-1, 0, 1], right=True)],
        lambda x, b, right=False: np.searchsorted(b, x, side="right" if right else "left"),
        dtypes=ALL,
        out="int64",
        diff=(),
    ),
    # ---- products
    Row(
        "mm",
        [S(A(3, 4), A(4, 2)), S(A(0, 3), A(3, 2))],
        np.matmul,
        dtypes=EVERY,
        diff=(0, 1),
        tolerance=16,
    ),
    Row("mv", [S(A(3, 4), A(4))], np.matmul, dtypes=EVERY, diff=(0, 1), tolerance=16),
    Row("bmm", [S(A(2, 3, 4), A(2, 4, 2))], np.matmul, dtypes=EVERY, diff=(0, 1), tolerance=16),
    *[
        Row(
            name,
            [S(c, x, y), S(c, x, y, beta=2, alpha=3), S(c, x, y, beta=0)],
            _product(how),
            dtypes=(*REAL, *COMPLEX),
            diff=(0, 1, 2),
            tolerance=32,
        )
        for name, how, c, x, y in (
            ("addmm", "", A(2), A(3, 4), A(4, 2)),
            ("addmv", "", A(3), A(3, 4), A(4)),
            ("addr", "outer", A(3, 2), A(3), A(2)),
            ("baddbmm", "", A(2, 3, 2), A(2, 3, 4), A(2, 4, 2)),
            ("addbmm", "sum", A(3, 2), A(2, 3, 4), A(2, 4, 2)),
        )
    ],
    Row(
        "matvec",
        [S(A(3, 4), A(4)), S(A(2, 1, 3, 4), A(5, 4))],
        lambda x, y: (x @ y[..., None])[..., 0],
        dtypes=EVERY,
        diff=(0, 1),
        tolerance=16,
    ),
    Row(
        "vecmat",
        [S(A(3), A(3, 4)), S(A(2, 1, 3), A(5, 3, 4))],
        lambda x, y: (np.conj(x)[..., None, :] @ y)[..., 0, :],
        dtypes=EVERY,
        diff=(0, 1),
        tolerance=16,
    ),
    Row(
        "block_diag",
        [S(A(2, 3), A(1, 2), A()), S(A(3)), S(A(0, 2), A(2, 1))],
        _block_diag,
        dtypes=EVERY,
        diff=(0, 1, 2),
    ),
    Row(
        "diag_embed",
        [S(A(3)), S(A(2, 3), 1), S(A(2, 3), -2, 0, 2), S(A(4, 2), 0, -1, -2)],
        _torch("diag_embed"),
        dtypes=EVERY,
    ),
    Row(
        "cartesian_prod",
        [S(A(2), A(3)), S(A(3)), S(A(2), A(1), A(2))],
        lambda *xs: (
            np.stack([g.ravel() for g in np.meshgrid(*xs, indexing="ij")], 1) if len(xs) > 1 else xs[0]
        ),
        dtypes=EVERY,
        diff=(0, 1, 2),
    ),
    # ---- elementwise
    *[
        Row(
            "divide",
            [S(A(4, 3), A(4, 3, low=FAR[0], high=FAR[1]), rounding_mode=mode)],
            _rounded,
            dtypes=REAL,
            diff=(),
            why=mode,
        )
        for mode in ("floor", "trunc")
    ],
    Row(
        "lerp",
        [S(A(3), A(3), 0.25), S(A(2, 3), A(3), A(2, 3)), S(A(2), A(2), 0.75)],
        lambda a, b, w: a + w * (b - a),
        diff=(0, 1, 2),
        tolerance=8,
        **TO_FLOAT_OR_COMPLEX,
    ),
    Row(
        "addcmul",
        [S(A(3), A(3), A(3)), S(A(2, 3), A(3), A(2, 1), value=2)],
        lambda x, y, z, value=1: x + value * y * z,
        diff=(0, 1, 2),
        tolerance=8,
        dtypes=(*REAL, *COMPLEX),
    ),
    Row(
        "addcdiv",
        [S(A(3), A(3), A(3, low=0.5)), S(A(2, 3), A(3), A(2, 1, low=0.5), value=2)],
        lambda x, y, z, value=1: x + value * y / z,
        diff=(0, 1, 2),
        tolerance=16,
        **TO_FLOAT_OR_COMPLEX,
    ),
    unary("frac", lambda x: x - np.trunc(x), **TO_FLOAT),
    Row(
        "polar",
        [S(A(3), A(3)), S(A(2, 3), A(3))],
        lambda r, a: r * np.exp(1j * a),
        diff=(0, 1),
        dtypes=ALL,
        out="any",
        tolerance=4,
    ),
    Row(
        "view_as_real",
        [S(A(3)), S(A(2, 2)), S(A())],
        lambda x: np.stack([x.real, x.imag], -1),
        dtypes=COMPLEX,
        out="real",
    ),
    Row(
        "view_as_complex", [S(A(3, 2)), S(A(2))], lambda x: x[..., 0] + 1j * x[..., 1], dtypes=ALL, out="any"
    ),
    Row(
        "aminmax",
        [S(A(4, 3, distinct=True)), S(A(4, 3, distinct=True), 0), S(A(4, distinct=True), 0, True)],
        lambda x, axis=None, keepdims=False: [x.min(axis, keepdims=keepdims), x.max(axis, keepdims=keepdims)],
        dtypes=ALL,
    ),
    Row(
        "var_mean",
        [S(A(4, 3)), S(A(4, 3), 0), S(A(4), 0, 0, True)],
        lambda x, axis=None, ddof=1, keep=False: [
            x.var(axis, ddof=ddof, keepdims=keep),
            x.mean(axis, keepdims=keep),
        ],
        tolerance=16,
        **TO_FLOAT,
    ),
    Row(
        "std_mean",
        [S(A(4, 3)), S(A(4, 3), 0), S(A(4), 0, 0, True)],
        lambda x, axis=None, ddof=1, keep=False: [
            x.std(axis, ddof=ddof, keepdims=keep),
            x.mean(axis, keepdims=keep),
        ],
        tolerance=16,
        **TO_FLOAT,
    ),
    # ---- polynomials
    Row("poly", [S(A(4)), S(A(1))], np.poly, tolerance=32, **TO_FLOAT_OR_COMPLEX),
    Row("poly", [S(A(3, 3))], np.poly, dtypes=WIDE, tolerance=64, why="of a matrix"),
    Row(
        "polydiv",
        [S(A(5), A(2, low=0.5)), S(A(4), A(4, low=0.5)), S(A(2), A(3, low=0.5)), S(A(3), A(1, low=0.5))],
        _polydiv,
        **TO_FLOAT_OR_COMPLEX,
        diff=(0, 1),
        tolerance=256,
    ),
    Row(
        "polyfit",
        [
            S(A(8, distinct=True), A(8), 2),
            S(A(8, distinct=True), A(8, 2), 1),
            S(A(8, distinct=True), A(8), 2, None, False, A(8, low=0.5)),
        ],
        np.polyfit,
        dtypes=(*WIDE, *INTS),
        out="float",
        diff=(0, 1, 5),
        tolerance=512,
    ),
    Row(
        "kaiser",
        [S(0, 5.0), S(1, 5.0), S(9, 0.0), S(12, 8.6)],
        np.kaiser,
        dtypes=("float32",),
        diff=(),
        out="any",
    ),
    # ---- functions
    Row(
        "apply_along_axis",
        [S(lambda v: v.sum() * v, 0, A(3, 4)), S(lambda v: v.max(), 1, A(2, 3, 2, distinct=True))],
        np.apply_along_axis,
        dtypes=ALL,
        out="any",
        diff=(2,),
        tolerance=8,
    ),
    Row(
        "apply_over_axes",
        [S(lambda x, a: x.sum(a), A(2, 3, 4), (0, 2))],
        np.apply_over_axes,
        dtypes=EVERY,
        out="any",
        diff=(1,),
        tolerance=8,
    ),
    Row(
        "fromfunction",
        [S(lambda i, j: i * 10 + j, (3, 4), dtype=int), S(lambda i: i / 2, (5,))],
        np.fromfunction,
        dtypes=("float32",),
        out="any",
        diff=(),
    ),
]

ELSEWHERE = {"test_further.py": {"vectorize", "spacing", "roots"}}
