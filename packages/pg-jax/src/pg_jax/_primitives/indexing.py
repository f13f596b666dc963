"""Primitives that read, write and order elements at computed places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ._common import ints, total_order

_MODES = {
    "CLIP": "clip",
    "FILL_OR_DROP": "drop",
    "PROMISE_IN_BOUNDS": "clip",
    "ONE_HOT": "drop",
    "clip": "clip",
    "fill": "drop",
    "drop": "drop",
    "promise_in_bounds": "clip",
}


def _mode(mode: Any) -> str:
    if mode is None:
        return "drop"
    return _MODES[mode if isinstance(mode, str) else mode.name]


def _fill_value(kind: pg.DType) -> Any:
    """What reading out of range gives."""
    if kind.is_inexact:
        return float("nan")
    if kind.is_bool:
        return True
    info = np.iinfo(kind.to_numpy())
    return int(info.min if kind.kind == "i" else info.max)


def gather(
    x: Tensor,
    indices: Tensor,
    *,
    dimension_numbers: Any,
    slice_sizes: Sequence[int],
    mode: Any = None,
    fill_value: Any = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
) -> Tensor:
    """Windows of x at computed places."""
    numbers = dimension_numbers
    return pg.gather_general(
        x,
        indices,
        ints(slice_sizes),
        offset_dims=ints(numbers.offset_dims),
        start_index_map=ints(numbers.start_index_map),
        collapsed_slice_dims=ints(numbers.collapsed_slice_dims),
        operand_batching_dims=ints(numbers.operand_batching_dims),
        start_indices_batching_dims=ints(numbers.start_indices_batching_dims),
        mode=_mode(mode),
        fill_value=_fill_value(x.dtype) if fill_value is None else fill_value,
    )


def _scatter(how: str, x: Tensor, indices: Tensor, updates: Tensor, numbers: Any, mode: Any) -> Tensor:
    mode = _mode(mode) if getattr(mode, "name", mode) not in ("PROMISE_IN_BOUNDS", None) else "drop"
    return pg.scatter_general(
        x,
        indices,
        updates,
        how,
        update_window_dims=ints(numbers.update_window_dims),
        scatter_dims_to_operand_dims=ints(numbers.scatter_dims_to_operand_dims),
        inserted_window_dims=ints(numbers.inserted_window_dims),
        operand_batching_dims=ints(numbers.operand_batching_dims),
        scatter_indices_batching_dims=ints(numbers.scatter_indices_batching_dims),
        mode=mode,
    )


def scatter(
    x: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    dimension_numbers: Any,
    mode: Any = None,
    update_jaxpr: Callable[..., Sequence[Tensor]] | None = None,
    **_: Any,
) -> Tensor:
    """x with windows at computed places replaced; of several for one place the last stays.

    With ``update_jaxpr``, a function of an element and its update, by what it makes of them.
    """
    if update_jaxpr is not None:
        updates = _updated(x, indices, updates, dimension_numbers, update_jaxpr)
    return _scatter("set", x, indices, updates, dimension_numbers, mode)


def _updated(x: Tensor, indices: Tensor, updates: Tensor, numbers: Any, f: Callable[..., Any]) -> Tensor:
    gone = {*ints(numbers.inserted_window_dims), *ints(numbers.operand_batching_dims)}
    window = iter(ints(numbers.update_window_dims))
    old = pg.gather_general(
        x,
        indices,
        [1 if a in gone else updates.shape[next(window)] for a in range(x.ndim)],
        offset_dims=ints(numbers.update_window_dims),
        start_index_map=ints(numbers.scatter_dims_to_operand_dims),
        collapsed_slice_dims=ints(numbers.inserted_window_dims),
        operand_batching_dims=ints(numbers.operand_batching_dims),
        start_indices_batching_dims=ints(numbers.scatter_indices_batching_dims),
        mode="clip",
    )
    made = pg.vmap(lambda a, b: f(a, b)[0])(pg.ravel(old), pg.ravel(updates))
    return pg.reshape(made, updates.shape)


def scatter_add(
    x: Tensor, indices: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any = None, **_: Any
) -> Tensor:
    """x with windows added at computed places."""
    return _scatter("add", x, indices, updates, dimension_numbers, mode)


def scatter_sub(
    x: Tensor, indices: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any = None, **_: Any
) -> Tensor:
    """x with windows subtracted at computed places."""
    return _scatter("add", x, indices, -updates, dimension_numbers, mode)


def scatter_mul(
    x: Tensor, indices: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any = None, **_: Any
) -> Tensor:
    """x multiplied with windows at computed places."""
    return _scatter("mul", x, indices, updates, dimension_numbers, mode)


def scatter_min(
    x: Tensor, indices: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any = None, **_: Any
) -> Tensor:
    """x with the smaller of itself and windows at computed places."""
    return _scatter("min", x, indices, updates, dimension_numbers, mode)


def scatter_max(
    x: Tensor, indices: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any = None, **_: Any
) -> Tensor:
    """x with the larger of itself and windows at computed places."""
    return _scatter("max", x, indices, updates, dimension_numbers, mode)


def dynamic_slice(x: Tensor, *starts: Tensor, slice_sizes: Sequence[int]) -> Tensor:
    """The window of known extents that begins at computed places, moved so that it lies in x."""
    return pg.dynamic_slice(x, starts, ints(slice_sizes), allow_negative_indices=False)


def dynamic_update_slice(x: Tensor, update: Tensor, *starts: Tensor) -> Tensor:
    """x with the window that begins at computed places replaced."""
    return pg.dynamic_update_slice(x, update, starts, allow_negative_indices=False)


def sort(*xs: Tensor, dimension: int, is_stable: bool = True, num_keys: int = 1) -> list[Tensor]:
    """Operands in the order of the first ``num_keys`` of them, NaN last; equal ones keep their order."""
    return pg.sort_together(xs, int(dimension), int(num_keys))


def top_k(x: Tensor, *, k: int, axis: int = -1) -> list[Tensor]:
    """The k largest along an axis, in descending order, and where they are (int32); NaN is the largest."""
    axis = int(axis) % x.ndim
    order = pg.argsort(~total_order(x), axis)
    first = order[tuple(slice(0, int(k)) if i == axis else slice(None) for i in range(x.ndim))]
    return [pg.take_along_axis(x, first, axis), first.astype("int32")]


def approx_top_k(
    x: Tensor, *, k: int, reduction_dimension: int, is_max_k: bool = True, **_: Any
) -> list[Tensor]:
    """``top_k``, or its mirror image; exact, whatever the recall that is asked for."""
    if is_max_k:
        return top_k(x, k=k, axis=reduction_dimension)
    axis = int(reduction_dimension) % x.ndim
    order = pg.argsort(x, axis)
    first = order[tuple(slice(0, int(k)) if i == axis else slice(None) for i in range(x.ndim))]
    return [pg.take_along_axis(x, first, axis), first.astype("int32")]
