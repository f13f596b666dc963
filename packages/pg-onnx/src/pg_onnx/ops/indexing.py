"""Reading and writing by index."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from .registry import Host, op
from .shaping import axis_of

Mode = Literal["none", "add", "mul", "min", "max"]


@op("Gather", 1, 11, 13)
def gather(xp: Any, x: Tensor, indices: Tensor, *, axis: int = 0) -> Any:
    return xp.take(x, indices, axis=axis_of(axis, x.ndim))


@op("GatherElements", 11, 13)
def gather_elements(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return pg.gather(x, axis_of(axis, x.ndim), indices)


@op("GatherND", 11, 12, 13)
def gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    return pg.gather_nd(x, indices, batch_dims)


def _how(reduction: str) -> str:
    return "set" if reduction == "none" else reduction


@op("Scatter", 9, 11)
@op("ScatterElements", 11, 13, 16, 18)
def scatter_elements(
    x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: Mode = "none"
) -> Tensor:
    return pg.scatter(x, axis_of(axis, x.ndim), indices, updates, _how(reduction))


@op("ScatterND", 11, 13, 16, 18)
def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, reduction: Mode = "none") -> Tensor:
    return pg.scatter_nd(x, indices, updates, _how(reduction))


@op("TensorScatter", 24)
def tensor_scatter(
    past: Tensor,
    update: Tensor,
    write_indices: Tensor | None = None,
    *,
    axis: int = -2,
    mode: Literal["linear", "circular"] = "linear",
) -> Tensor:
    """A cache of keys or values with new rows written from a position on, another one for each example."""
    at = axis_of(axis, past.ndim)
    n, length = past.shape[at], update.shape[at]
    start: Any = 0 if write_indices is None else pg.reshape(write_indices, (-1,) + (1,) * (past.ndim - 1))
    along = np.arange(length).reshape([-1 if i == at else 1 for i in range(past.ndim)])
    places = pg.Tensor(along) + start
    if mode == "circular":
        places = places % n
    return pg.scatter(past, at, pg.broadcast_to(places, update.shape), update)


@op("OneHot", 9, 11, 28)
def one_hot(call: Any, indices: Tensor, depth: Host, values: Tensor, *, axis: int = -1) -> Tensor:
    count = int(depth.item())
    at = axis_of(axis, indices.ndim + 1)
    call.check_size((max(count, 0), *indices.shape))
    places = pg.expand_dims(indices.astype(pg.int64), at)
    places = pg.where(places < 0, places + count, places)
    along = np.arange(count).reshape([-1 if i == at else 1 for i in range(indices.ndim + 1)])
    return pg.where(places == pg.Tensor(along), values[1], values[0])


@op("NonZero", 9, 13)
def non_zero(x: Host) -> np.ndarray:
    return np.array(np.nonzero(np.atleast_1d(x)), np.int64)[: max(x.ndim, 0)]


@op("Compress", 9, 11, 28)
def compress(x: Tensor, condition: Host, *, axis: int | None = None) -> Tensor:
    kept = np.flatnonzero(condition)
    if axis is None:
        return pg.take(pg.ravel(x), kept, 0)
    return pg.take(x, kept, axis_of(axis, x.ndim))


@op("ReverseSequence", 10, 28)
def reverse_sequence(x: Tensor, lengths: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    """The first so many steps of each sequence turned round."""
    rows = pg.moveaxis(x, (batch_axis, time_axis), (0, 1))
    steps = pg.arange(rows.shape[1])[None]
    ends = pg.expand_dims(lengths.astype(pg.int64), 1)
    places = pg.where(steps < ends, ends - 1 - steps, steps)
    places = pg.broadcast_to(pg.reshape(places, (*places.shape, *(1,) * (x.ndim - 2))), rows.shape)
    return pg.moveaxis(pg.gather(rows, 1, places), (0, 1), (batch_axis, time_axis))


@op("Unique", 11, 28)
def unique(x: Host, *, axis: int | None = None, sorted: bool = True) -> tuple[np.ndarray, ...]:
    """Values that differ, where each first stood, which one each is, and how often it stands."""
    values, first, which, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    which = which.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, axis=axis if axis is not None else 0)
        first, counts = first[order], counts[order]
        which = np.argsort(order)[which]
    return values, *(a.astype(np.int64) for a in (first, which, counts))
