"""Pooling into a given number of places: place i of m covers elements floor(i n / m) up to
ceil((i + 1) n / m), so that windows overlap by one element where m does not divide n.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dt
from .._core import Tensor
from ..errors import ArgumentError, ShapeError
from .common import TensorLike, as_tensor, cast, check_table, elementwise, reshape_to, to_float
from .convolution import Ints, batched
from .indexing import take, take_along_axis
from .logic import where
from .pooling import _max_pool, _slide
from .reduce import _reduce, argmax
from .shape import permute


def _places(value: Any, space: Ints, what: str) -> Ints:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * len(space)
    if len(given) != len(space) or not all(v is None or isinstance(v, (int, np.integer)) for v in given):
        raise ArgumentError(
            f"{what}: output_size needs one int or {len(space)} (None keeps one), got {value!r}"
        )
    out = tuple(n if v is None else int(v) for v, n in zip(given, space, strict=True))
    if min(out) < 1 or min(space) < 1:
        raise ShapeError(f"{what}: cannot pool {space} into {out}; every extent must be at least 1")
    return out


def _bounds(n: int, m: int) -> tuple[Any, Any]:
    check_table(m, "adaptive pooling")
    index = np.arange(m)
    return index * n // m, -(-(index + 1) * n // m)


def _even(n: int, m: int) -> tuple[int, int] | None:
    """Window and stride, where all windows have one length and one distance."""
    starts, stops = _bounds(n, m)
    lengths, steps = set((stops - starts).tolist()), set(np.diff(starts).tolist())
    return (lengths.pop(), steps.pop() if steps else 1) if len(lengths) == 1 and len(steps) <= 1 else None


def _adaptive_avg(x: Any, output_size: Any, rank: int) -> Tensor:
    what = f"adaptive_avg_pool{rank}d"
    x = to_float(x)
    batched(x, rank, what)
    space = x.shape[x.ndim - rank :]
    wanted = _places(output_size, space, what)
    windows = [_even(n, m) for n, m in zip(space, wanted, strict=True)]
    even = [w for w in windows if w is not None]
    if len(even) == rank:
        if all(n == k for n, (k, _) in zip(space, even, strict=True)):  # one window: the mean of all
            total = _reduce("reduce_sum", x, tuple(range(x.ndim - rank, x.ndim)), True)
        else:
            sizes, steps = tuple(k for k, _ in even), tuple(s for _, s in even)
            zeros, ones = (0,) * rank, (1,) * rank
            total = _slide("reduce_window_sum", (x,), rank, (sizes, steps, zeros, zeros, ones))
        return total / float(math.prod(k for k, _ in even))
    for i, (n, m) in enumerate(zip(space, wanted, strict=True)):
        if n != m:
            x = _mean_bins(x, x.ndim - rank + i, n, m)
    return x


def _mean_bins(x: Tensor, axis: int, n: int, m: int) -> Tensor:
    starts, stops = _bounds(n, m)
    steps = np.arange(int((stops - starts).max()))
    places = starts[:, None] + steps
    counts = (places < stops[:, None]).reshape((m, -1, *(1,) * (x.ndim - 1 - axis)))
    picked = take(x, np.minimum(places, n - 1), axis)
    kept = where(as_tensor(counts), picked, 0.0)
    lengths = (stops - starts).reshape((m, *(1,) * (x.ndim - 1 - axis)))
    return _reduce("reduce_sum", kept, axis + 1, False) / cast(as_tensor(lengths), x.dtype)


def _adaptive_max(x: Any, output_size: Any, rank: int, indices: bool) -> Any:
    what = f"adaptive_max_pool{rank}d"
    x = as_tensor(x)
    if x.dtype.is_bool:
        raise dt.DTypeError(f"{what}: does not take bool; cast with .astype('uint8')")
    batched(x, rank, what)
    space = x.shape[x.ndim - rank :]
    wanted = _places(output_size, space, what)
    windows = [_even(n, m) for n, m in zip(space, wanted, strict=True)]
    even = [w for w in windows if w is not None]
    if len(even) == rank:
        sizes, steps = tuple(k for k, _ in even), tuple(s for _, s in even)
        return _max_pool(x, rank, sizes, steps, 0, 1, False, indices)
    # Windows of one length, in which the last element of a shorter one stands more than once: the first
    # largest element is then the same. Its place is found among the taps of all axes together.
    lead = x.ndim - rank
    taps = []
    for i, (n, m) in enumerate(zip(space, wanted, strict=True)):
        starts, stops = _bounds(n, m)
        taps.append(int((stops - starts).max()))
        places = starts[:, None] + np.arange(taps[-1])
        x = take(x, np.minimum(places, stops[:, None] - 1), lead + 2 * i)
    order = (*range(lead), *(lead + 2 * i for i in range(rank)), *(lead + 2 * i + 1 for i in range(rank)))
    x = permute(x, order)
    x = reshape_to(x, (*x.shape[: lead + rank], math.prod(x.shape[lead + rank :])))
    first = argmax(x, -1, keepdims=True)
    best = reshape_to(take_along_axis(x, first, -1), x.shape[:-1])
    if not indices:
        return best
    tap, linear, stride = reshape_to(first, best.shape), None, 1
    for i in reversed(range(rank)):  # the tap along each axis, and so the place
        starts, stops = (
            as_tensor(b.reshape([-1 if k == i else 1 for k in range(rank)]))
            for b in _bounds(space[i], wanted[i])
        )
        place = elementwise("minimum", tap % taps[i] + starts, stops - 1) * stride
        linear = place if linear is None else linear + place
        tap, stride = tap // taps[i], stride * space[i]
    return best, linear


def adaptive_avg_pool1d(x: TensorLike, output_size: Any) -> Tensor:
    """The means of so many windows that cover [N, C, L].

    >>> pg.adaptive_avg_pool1d(pg.Tensor([[1.0, 2.0, 3.0]]), 2).tolist()
    [[1.5, 2.5]]
    """
    return _adaptive_avg(x, output_size, 1)


def adaptive_avg_pool2d(x: TensorLike, output_size: Any) -> Tensor:
    """The means of so many windows that cover [N, C, H, W]; None keeps an extent.

    >>> pg.adaptive_avg_pool2d(pg.ones((1, 1, 5, 7)), (2, None)).shape
    (1, 1, 2, 7)
    """
    return _adaptive_avg(x, output_size, 2)


def adaptive_avg_pool3d(x: TensorLike, output_size: Any) -> Tensor:
    """The means of so many windows that cover [N, C, D, H, W]; None keeps an extent.

    >>> pg.adaptive_avg_pool3d(pg.ones((1, 1, 4, 5, 7)), 2).shape
    (1, 1, 2, 2, 2)
    """
    return _adaptive_avg(x, output_size, 3)


def adaptive_max_pool1d(x: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of so many windows that cover [N, C, L]; with ``return_indices`` also where they
    lie (int64).

    >>> pg.adaptive_max_pool1d(pg.Tensor([[1.0, 2.0, 3.0]]), 2).tolist()
    [[2.0, 3.0]]
    """
    return _adaptive_max(x, output_size, 1, return_indices)


def adaptive_max_pool2d(x: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of so many windows that cover [N, C, H, W]; with ``return_indices`` also where
    they lie in the flattened image (int64).

    >>> pg.adaptive_max_pool2d(pg.ones((1, 1, 5, 7)), (2, None)).shape
    (1, 1, 2, 7)
    """
    return _adaptive_max(x, output_size, 2, return_indices)


def adaptive_max_pool3d(x: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of so many windows that cover [N, C, D, H, W]; with ``return_indices`` also where
    they lie in the flattened volume (int64).

    >>> pg.adaptive_max_pool3d(pg.ones((1, 1, 4, 5, 7)), 2).shape
    (1, 1, 2, 2, 2)
    """
    return _adaptive_max(x, output_size, 3, return_indices)
