"""Primitives that move elements and compute nothing."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from ._common import as_dtype, ints


def broadcast_in_dim(x: Tensor, *, shape: Sequence[int], broadcast_dimensions: Sequence[int] = ()) -> Tensor:
    """x stretched to a shape, of which it has the axes ``broadcast_dimensions``."""
    shape, axes = ints(shape), ints(broadcast_dimensions)
    if x.shape == shape and axes == tuple(range(len(shape))):
        return x
    aligned = [1] * len(shape)
    for n, axis in zip(x.shape, axes, strict=True):
        aligned[axis] = n
    return pg.broadcast_to(pg.reshape(x, aligned), shape)


def reshape(x: Tensor, *, new_sizes: Sequence[int], dimensions: Any = None) -> Tensor:
    """The elements in another shape, read along the axes in the order of ``dimensions``."""
    if dimensions is not None:
        x = transpose(x, permutation=dimensions)
    return pg.reshape(x, ints(new_sizes))


def squeeze(x: Tensor, *, dimensions: Sequence[int]) -> Tensor:
    """x without axes of extent 1."""
    gone = {int(d) % x.ndim for d in dimensions}
    return pg.reshape(x, [n for i, n in enumerate(x.shape) if i not in gone])


def transpose(x: Tensor, *, permutation: Sequence[int]) -> Tensor:
    """The axes in another order."""
    return pg.permute(x, ints(permutation)) if x.ndim else x


def slice(
    x: Tensor, *, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Any = None
) -> Tensor:
    """The elements from start to limit in strides, along every axis."""
    steps = [1] * x.ndim if strides is None else ints(strides)
    bounds = zip(ints(start_indices), ints(limit_indices), steps, strict=True)
    return x[tuple(builtins.slice(a, b, s) for a, b, s in bounds)] if x.ndim else x


def rev(x: Tensor, *, dimensions: Sequence[int]) -> Tensor:
    """Some axes backwards."""
    return pg.flip(x, ints(dimensions)) if len(dimensions) else x


def concatenate(*xs: Tensor, dimension: int) -> Tensor:
    """One behind the other along an axis."""
    return pg.concatenate(xs, int(dimension)) if len(xs) > 1 else xs[0]


def pad(x: Tensor, value: Tensor, *, padding_config: Sequence[tuple[int, int, int]]) -> Tensor:
    """x with (low, high, interior) elements of one value around and between; negative amounts crop."""
    return pg.pad_general(x, value, [(int(a), int(b), int(c)) for a, b, c in padding_config])


def iota(*, dtype: Any, shape: Sequence[int], dimension: int) -> Tensor:
    """The index along an axis."""
    shape, axis = ints(shape), int(dimension)
    aligned = [n if i == axis else 1 for i, n in enumerate(shape)]
    return pg.broadcast_to(pg.reshape(pg.arange(shape[axis], dtype=as_dtype(dtype)), aligned), shape)


def split(x: Tensor, *, sizes: Sequence[int], axis: int) -> list[Tensor]:
    """Parts of so many elements along an axis."""
    made, start = [], 0
    for size in ints(sizes):
        key = [builtins.slice(None)] * x.ndim
        key[int(axis)] = builtins.slice(start, start + size)
        made.append(x[tuple(key)])
        start += size
    return made


def stack(*xs: Tensor, axis: int = 0) -> Tensor:
    """One behind the other along a new axis."""
    return pg.stack(xs, int(axis))


def unstack(x: Tensor, *, axis: int = 0) -> list[Tensor]:
    """The slices along an axis."""
    return list(pg.unstack(x, int(axis)))


def tile(x: Tensor, *, reps: Sequence[int]) -> Tensor:
    """x repeated along its axes."""
    return pg.tile(x, ints(reps))


def empty2(*, dtype: Any, shape: Sequence[int] = ()) -> Tensor:
    """A tensor whose values nobody reads: zeros."""
    return pg.zeros(ints(shape), dtype=as_dtype(dtype))


def copy(x: Tensor) -> Tensor:
    """x."""
    return x


def optimization_barrier(*xs: Tensor) -> list[Tensor]:
    """The operands; a compiler may keep them apart for speed only."""
    return list(xs)


def device_put(*xs: Tensor, **_: Any) -> list[Tensor]:
    """The operands: there is one device."""
    return list(xs)


def name(x: Tensor, *, name: str) -> Tensor:
    """x, which policies of checkpoints may name."""
    return x


def sharding_constraint(x: Tensor, **params: Any) -> Tensor:
    """x: there is one device."""
    return x
