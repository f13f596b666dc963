"""Rows of XLA's general forms: windows at computed places, margins, reductions of windows, bits. The oracles are
loops over NumPy arrays that follow XLA's description of each operation.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from rows import ALL, EVERY, INTS, REAL, A, I, Row, S


def _starts(shape: Any, sizes: Any, starts: Any, mode: str) -> Any:
    """Where a window begins, or None where it is left out."""
    if mode == "clip":
        return [min(max(int(s), 0), n - k) for s, n, k in zip(starts, shape, sizes)]
    inside = all(0 <= s <= n - k for s, n, k in zip(starts, shape, sizes))
    return [int(s) for s in starts] if inside else None


def _window(x: Any, index: Any, at: Any, to: Any, paired: Any, index_paired: Any) -> list[int]:
    starts = [0] * x.ndim
    for k, a in enumerate(to):
        starts[a] = index[at][k]
    for a, b in zip(paired, index_paired):
        starts[a] = at[b]
    return starts


def _gather_general(
    x: Any,
    index: Any,
    sizes: Any,
    *,
    offset_dims: Any,
    start_index_map: Any,
    collapsed_slice_dims: Any = (),
    operand_batching_dims: Any = (),
    start_indices_batching_dims: Any = (),
    mode: str = "clip",
    fill_value: Any = 0,
) -> Any:
    batch = index.shape[:-1]
    gone = (*collapsed_slice_dims, *operand_batching_dims)
    kept = [n for a, n in enumerate(sizes) if a not in gone]
    out = np.full((*batch, *kept), fill_value, x.dtype)
    for at in np.ndindex(*batch):
        first = _window(x, index, at, start_index_map, operand_batching_dims, start_indices_batching_dims)
        starts = _starts(x.shape, sizes, first, mode)
        if starts is not None:
            out[at] = x[tuple(slice(s, s + k) for s, k in zip(starts, sizes))].reshape(kept)
    return np.moveaxis(out, range(len(batch), out.ndim), offset_dims)


_HOW: dict[str, Any] = {
    "set": lambda a, b: b,
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def _scatter_general(
    x: Any,
    index: Any,
    updates: Any,
    how: str = "set",
    *,
    update_window_dims: Any,
    scatter_dims_to_operand_dims: Any,
    inserted_window_dims: Any = (),
    operand_batching_dims: Any = (),
    scatter_indices_batching_dims: Any = (),
    mode: str = "drop",
) -> Any:
    out = x.copy()
    batch = index.shape[:-1]
    gone = (*inserted_window_dims, *operand_batching_dims)
    v = np.moveaxis(updates, update_window_dims, range(len(batch), updates.ndim))
    kept = iter(v.shape[len(batch) :])
    sizes = [1 if a in gone else next(kept) for a in range(x.ndim)]
    for at in np.ndindex(*batch):
        first = _window(
            x, index, at, scatter_dims_to_operand_dims, operand_batching_dims, scatter_indices_batching_dims
        )
        starts = _starts(x.shape, sizes, first, mode)
        if starts is not None:
            part = tuple(slice(s, s + k) for s, k in zip(starts, sizes))
            out[part] = _HOW[how](out[part], v[at].reshape(sizes))
    return out


def _part(x: Any, starts: Any, sizes: Any, wrap: bool) -> Any:
    first = [int(s) + (n if wrap and s < 0 else 0) for s, n in zip(starts, x.shape)]
    return tuple(slice(s, s + k) for s, k in zip(_starts(x.shape, sizes, first, "clip"), sizes))


def _dynamic_slice(x: Any, starts: Any, sizes: Any, allow_negative_indices: bool = True) -> Any:
    return x[_part(x, starts, sizes, allow_negative_indices)]


def _dynamic_update_slice(x: Any, v: Any, starts: Any, allow_negative_indices: bool = True) -> Any:
    out = x.copy()
    out[_part(x, starts, v.shape, allow_negative_indices)] = v
    return out


def _gather_nd(x: Any, index: Any, batch_dims: int = 0) -> Any:
    out = [x[at[:batch_dims]][tuple(index[at].astype(int))] for at in np.ndindex(*index.shape[:-1])]
    shape = (*index.shape[:-1], *x.shape[batch_dims + index.shape[-1] :])
    return np.array(out, x.dtype).reshape(shape)


def _scatter_nd(x: Any, index: Any, v: Any, how: str = "set") -> Any:
    out = x.copy()
    for at in np.ndindex(*index.shape[:-1]):
        to = tuple(index[at].astype(int))
        out[to] = _HOW[how](out[to], v[at])
    return out


def _pad(x: Any, value: Any, config: Any) -> Any:
    if not x.ndim:
        return x
    spread = np.full([n + max(n - 1, 0) * k for n, (_, _, k) in zip(x.shape, config)], value, x.dtype)
    spread[tuple(slice(None, None, k + 1) for _, _, k in config)] = x
    out = np.pad(spread, [(max(a, 0), max(b, 0)) for a, b, _ in config], constant_values=value)
    return out[tuple(slice(max(-a, 0), n + min(b, 0)) for n, (a, b, _) in zip(out.shape, config))]


def _together(xs: Any, axis: int = -1, num_keys: int = 1, descending: bool = False) -> Any:
    keys = [x if not descending else (~x if x.dtype.kind in "biu" else -x) for x in xs[:num_keys]]
    order = np.lexsort(keys[::-1], axis=axis)
    return [np.take_along_axis(x, order, axis) for x in xs]


def _reduce_window(
    x: Any,
    how: Any,
    window: Any,
    strides: Any = 1,
    padding: Any = "valid",
    *,
    base_dilation: Any = 1,
    window_dilation: Any = 1,
    init: Any = None,
) -> Any:
    def each(v: Any) -> list[int]:
        return [v] * x.ndim if isinstance(v, int) else list(v)

    size, stride, base, spread = each(window), each(strides), each(base_dilation), each(window_dilation)
    if x.dtype.kind in "fc":
        low, high = -np.inf, np.inf
    else:
        low, high = (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max) if x.dtype.kind != "b" else (False, True)
    neutral = {"sum": 0, "prod": 1, "max": low, "min": high}[how] if isinstance(how, str) else init
    f = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}.get(how, how)
    pairs = padding
    if padding == "same":
        pairs = []
        for n, b, k, s, d in zip(x.shape, base, size, stride, spread):
            n = (n - 1) * b + 1
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            pairs.append((total // 2, total - total // 2))
    elif isinstance(padding, (str, int)):
        pairs = [(0, 0) if padding == "valid" else (padding, padding)] * x.ndim
    x = _pad(x, neutral, [(a, b, d - 1) for (a, b), d in zip(pairs, base)])
    out = [max((n - (k - 1) * d - 1) // s + 1, 0) for n, k, d, s in zip(x.shape, size, spread, stride)]
    total = np.full(out, neutral if init is None else init, x.dtype)
    for place in itertools.product(*map(range, size)):
        tap = x[
            tuple(slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(place, spread, out, stride))
        ]
        total = f(total, tap)
    return total


def _select(source: Any, x: Any, how: str, window: Any, strides: Any = 1, padding: Any = 0) -> Any:
    out = np.zeros(np.array(x.shape) + 2 * padding)
    wide = np.pad(x, padding, constant_values=-np.inf if how == "max" else np.inf)
    for at in np.ndindex(source.shape):
        part = tuple(slice(i * strides, i * strides + window) for i in at)
        view = wide[part]
        best = np.unravel_index(view.argmax() if how == "max" else view.argmin(), view.shape)
        out[tuple(p.start + b for p, b in zip(part, best))] += source[at]
    return out[tuple(slice(padding, padding + n) for n in x.shape)]


def _logical(x: Any, y: Any) -> Any:
    kind = np.result_type(x, y)
    word = np.dtype(f"u{kind.itemsize}")
    bits = 8 * kind.itemsize
    x, y = (np.broadcast_to(v.astype(kind), np.broadcast_shapes(x.shape, y.shape)) for v in (x, y))
    moved = [int(a) >> int(b) if int(b) < bits else 0 for a, b in zip(x.view(word).flat, y.view(word).flat)]
    return np.array(moved, word).reshape(x.shape).view(kind)


def _leading(x: Any) -> Any:
    bits = 8 * x.dtype.itemsize
    counts = [bits - int(v).bit_length() for v in x.view(np.dtype(f"u{x.dtype.itemsize}")).ravel()]
    return np.array(counts, x.dtype).reshape(x.shape)


_WINDOWS = [
    S(A(5, distinct=True), "max", 2),
    S(A(4, 5, distinct=True), "max", (2, 3), (1, 2), [(1, 0), (1, 1)]),
    S(A(4, 6, distinct=True), "min", (2, 2), 2, "same", base_dilation=(1, 2), window_dilation=(2, 1)),
    S(A(2, 3, 2, 3, 4, distinct=True), "max", 2, padding=[(0, 0), (1, 0), (0, 1), (-1, 1), (1, 1)]),
]
_SUMS = [
    S(A(), "sum", ()),
    S(A(5), "sum", 2, init=3),
    S(A(3, 4), "sum", (1, 2), padding=[(0, 0), (2, -1)], base_dilation=2),
    S(A(3, 4), "prod", (2, 2), 1, "same"),
    S(A(3), "sum", 5),
]

ROWS = [
    Row(
        "gather_general",
        [
            S(A(4, 3), I(5, 2, 1), (1, 3), offset_dims=(1,), start_index_map=(0,), collapsed_slice_dims=(0,)),
            S(A(4, 5), I(6, 3, 2), (2, 3), offset_dims=(0, 2), start_index_map=(1, 0)),
            S(
                A(3, 4, 2),
                I(5, 2, 2),
                (1, 2, 2),
                offset_dims=(0, 2),
                start_index_map=(1, 0),
                collapsed_slice_dims=(0,),
                mode="fill",
                fill_value=7,
            ),
            S(
                A(3, 4, 2),
                I(4, 2, 3, 1),
                (1, 1, 2),
                offset_dims=(1,),
                start_index_map=(1,),
                collapsed_slice_dims=(1,),
                operand_batching_dims=(0,),
                start_indices_batching_dims=(1,),
                mode="raise",
            ),
            S(A(4), I(3, 0, 1), (2,), offset_dims=(1,), start_index_map=(0,)),
            S(A(4), I(4, 1), (1,), offset_dims=(), start_index_map=(0,), collapsed_slice_dims=(0,)),
        ],
        _gather_general,
        dtypes=EVERY,
        tolerance=4,
    ),
    *[
        Row(
            "scatter_general",
            [
                S(
                    A(4, 3),
                    I(6, 5, 1),
                    A(5, 3),
                    how,
                    update_window_dims=(1,),
                    scatter_dims_to_operand_dims=(0,),
                    inserted_window_dims=(0,),
                ),
                S(
                    A(4, 5),
                    I(6, 3, 2),
                    A(2, 3, 3),
                    how,
                    update_window_dims=(0, 2),
                    scatter_dims_to_operand_dims=(1, 0),
                    mode="clip",
                ),
                S(
                    A(3, 4),
                    I(4, 2, 3, 1),
                    A(2, 3),
                    how,
                    update_window_dims=(),
                    scatter_dims_to_operand_dims=(1,),
                    inserted_window_dims=(1,),
                    operand_batching_dims=(0,),
                    scatter_indices_batching_dims=(1,),
                    mode="raise",
                ),
            ],
            _scatter_general,
            dtypes=EVERY if how == "set" else REAL,
            diff=(0, 2),
            tolerance=8,
            why=how,
        )
        for how in _HOW
    ],
    Row(
        "dynamic_slice",
        [
            S(A(5), [I(9)], (3,)),
            S(A(4, 5, 3), [I(4), -2, I(3)], (2, 2, 3)),
            S(A(4, 5), I(4, 2), (2, 2)),
            S(A(4, 5), [1, 9], (2, 2), allow_negative_indices=False),
            S(A(), [], ()),
        ],
        _dynamic_slice,
        dtypes=EVERY,
    ),
    Row(
        "dynamic_update_slice",
        [
            S(A(5), A(3), [I(9)]),
            S(A(4, 5, 3), A(2, 2, 3), [I(4), -2, I(3)]),
            S(A(4, 5), A(4, 2), I(4, 2)),
            S(A(4, 5), A(2, 5), [-9, 0], allow_negative_indices=False),
            S(A(4), A(0), [I(3)]),
        ],
        _dynamic_update_slice,
        dtypes=EVERY,
        diff=(0, 1),
    ),
    Row(
        "gather_nd",
        [
            S(A(4, 3, 2), I(3, 5, 2)),
            S(A(4, 3), I(3, 2, 2, 1)),
            S(A(3, 4, 2), I(4, 3, 2, 1), 1),
            S(A(3, 2), I(2, 2, 0)),
        ],
        _gather_nd,
        dtypes=EVERY,
        tolerance=4,
    ),
    *[
        Row(
            "scatter_nd",
            [S(A(4, 3, 2), I(3, 5, 2), A(5, 2), how), S(A(4, 3), I(4, 2, 3, 1), A(2, 3, 3), how)],
            _scatter_nd,
            dtypes=EVERY if how == "set" else REAL,
            diff=(0, 2),
            tolerance=8,
            why=how,
        )
        for how in _HOW
    ],
    Row(
        "pad_general",
        [
            S(A(3, 4), 0, [(1, 2, 0), (-1, -2, 0)]),
            S(A(3, 4), A(), [(0, -2, 2), (2, -1, 1)]),
            S(A(0, 2), 1, [(1, 1, 3), (0, 0, 1)]),
            S(A(), 1, []),
        ],
        _pad,
        dtypes=EVERY,
        diff=(0, 1),
    ),
    Row(
        "sort_together",
        [
            S([A(6, distinct=True), A(6)]),
            S([A(4, 3, distinct=True), A(4, 3), A(4, 3)], 0, 2),
            S([A(7, distinct=True)], descending=True),
            S([A(2, 4, distinct=True), A(2, 4)], 1, 1, descending=True),
        ],
        _together,
        dtypes=ALL,
    ),
    Row("reduce_window", _WINDOWS, _reduce_window, dtypes=ALL, why="chosen"),
    Row(
        "reduce_window",
        _SUMS,
        _reduce_window,
        dtypes=(*REAL, "complex64", "complex128"),
        tolerance=8,
        why="added",
    ),
    Row(
        "reduce_window",
        [S(A(3, 4), lambda a, b: a * b, (2, 2), init=2), S(A(5), lambda a, b: a + b, 2, 2, 1, init=1)],
        _reduce_window,
        dtypes=REAL,
        tolerance=8,
        why="a function",
    ),
    Row(
        "select_and_scatter_add",
        [
            S(A(3, 3), A(4, 4, distinct=True), "max", 2),
            S(A(2, 2), A(4, 4, distinct=True), "min", 2, 2),
            S(A(3), A(4, distinct=True), "max", 2, 2, 1),
        ],
        _select,
        diff=(0,),
        tolerance=4,
    ),
    Row("shift_right_logical", [S(A(4, 3), I(9, 4, 3)), S(A(5), I(3))], _logical, dtypes=INTS, out="any"),
    Row("count_leading_zeros", [S(A(4, 3)), S(A()), S(A(0, 2))], _leading, dtypes=INTS),
]

ELSEWHERE = {"test_general.py": {"bitcast", "reduce_precision"}}
