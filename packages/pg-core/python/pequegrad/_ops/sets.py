"""Unique elements and sets under the names of NumPy and the array API standard.

How many elements are different depends on the values: eager code finds out, inside jit functions that take
``size`` return that many elements, and ``fill_value`` (else the smallest element) where there are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, TraceError
from .common import TensorLike, as_tensor, as_tensor_like, axis_of, cast, elementwise, fill, iota, reshape_to
from .complex import imag, real
from .elementwise import isnan
from .indexing import getitem, take
from .logic import where
from .reduce import any as _any
from .reduce import cumsum
from .reduce import sum as _sum
from .selecting import positions, searchsorted
from .shape import concatenate, moveaxis, ravel, unstack
from .sorting import argsort, sort


class UniqueAll(NamedTuple):
    """Unique elements, where each occurs first, which of them each element is, and how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Unique elements and how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Unique elements, and which of them each element is."""

    values: Tensor
    inverse_indices: Tensor


def lexsort(keys: Sequence[TensorLike] | Tensor, axis: int = -1) -> Tensor:
    """The indices that put elements in the order of several keys, the last one first in rank.

    >>> pg.lexsort((pg.Tensor([1, 0, 2]), pg.Tensor([1, 1, 0]))).tolist()
    [2, 1, 0]
    """
    tensors = list(unstack(keys)) if isinstance(keys, Tensor) else [as_tensor(k) for k in keys]
    if not tensors:
        raise ArgumentError("lexsort: no keys given; pass at least one")
    at = axis_of(axis, tensors[0].ndim, "lexsort")
    from .indexing import take_along_axis

    order = argsort(tensors[0], at)
    for key in tensors[1:]:
        order = take_along_axis(order, argsort(take_along_axis(key, order, at), at), at)
    return order


def _order(rows: Tensor) -> Tensor:
    """The order of a vector, or of the rows of a matrix by their columns; complex numbers go by their real
    parts, then by their imaginary ones.
    """
    keys = [rows] if rows.ndim == 1 else [getitem(rows, (slice(None), j)) for j in range(rows.shape[1])]
    if rows.dtype.kind == "c":
        keys = [part(key) for key in keys for part in (real, imag)]
    order = iota(rows.shape[:1], 0, dt.int64, rows.device.pair)
    return lexsort(keys[::-1]) if keys else order


def _differ(a: Tensor, b: Tensor, equal_nan: bool) -> Tensor:
    different = elementwise("not_equal", a, b)
    if equal_nan and a.dtype.kind in "fc":
        different = different & ~(isnan(a) & isnan(b))
    return different if a.ndim == 1 else _any(different, axis=1)


def _starts(ordered: Tensor, equal_nan: bool) -> Tensor:
    """Where in an order an element differs from the one before it."""
    new = _differ(getitem(ordered, slice(1, None)), getitem(ordered, slice(None, -1)), equal_nan)
    return concatenate([_core.full(True, dt.bool_.code, False, (1,), ordered.device.pair), new])


class _Groups(NamedTuple):
    firsts: Tensor  # of each group: the place of its first element in the order; padded with -1
    group: Tensor  # of each place in the order: its group
    order: Tensor


def _groups(rows: Tensor, equal_nan: bool, size: int | None, what: str) -> _Groups:
    count = rows.shape[0]
    order = _order(rows)
    if count == 0:
        empty = _core.full(-1, dt.int64.code, False, (size or 0,), rows.device.pair)
        return _Groups(empty, order, order)
    ordered = take(rows, order, 0)
    new = _starts(ordered, equal_nan)
    if size is None:
        if rows.is_abstract:
            raise TraceError(
                f"{what}: how many elements are unique is not known inside pg.jit; pass pg.unique(x, size=n)"
            )
        size = int(_sum(new).item())
    return _Groups(positions(new, size), cumsum(cast(new, dt.int64)) - 1, order)


def unique(
    x: TensorLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: TensorLike | None = None,
) -> Any:
    """The different elements in rising order (of the flattened tensor, or the different slices along an
    axis), and on request where each occurs first, which of them each element is, and how often each occurs.

    >>> values, counts = pg.unique(pg.Tensor([3, 1, 3]), return_counts=True)
    >>> values.tolist(), counts.tolist()
    ([1, 3], [1, 2])
    """
    x = as_tensor(x)
    values_only = axis is None and size is None and not (return_index or return_inverse or return_counts)
    if values_only and x.dtype.kind in "iuf" and x.size > 1 and not x.is_abstract:
        ordered = sort(ravel(x))
        return getitem(ordered, _starts(ordered, equal_nan))
    if axis is None:
        rows, moved = ravel(x), ravel(x)
    else:
        moved = moveaxis(x, axis_of(axis, x.ndim, "unique"), 0)
        rows = reshape_to(moved, (moved.shape[0], -1 if moved.size == 0 else moved.size // moved.shape[0]))
    found = _unique(rows, moved, equal_nan, size, fill_value)
    values = found.values if axis is None else moveaxis(found.values, 0, axis)
    inverse = reshape_to(found.inverse_indices, x.shape) if axis is None else found.inverse_indices
    wanted = [(return_index, found.indices), (return_inverse, inverse), (return_counts, found.counts)]
    extra = [part for asked, part in wanted if asked]
    return (values, *extra) if extra else values


def _unique(
    rows: Tensor, moved: Tensor, equal_nan: bool, size: int | None, fill_value: TensorLike | None
) -> UniqueAll:
    count = rows.shape[0]
    firsts, group, order = _groups(rows, equal_nan, size, "unique")
    number = firsts.size
    if count == 0:
        values = _core.full(0, moved.dtype.code, False, (number, *moved.shape[1:]), moved.device.pair)
        return UniqueAll(values, fill(0, firsts), order, fill(0, firsts))
    missing = firsts < 0
    safe = where(missing, 0, firsts)
    indices = take(order, safe)
    values = take(moved, indices, 0)
    if fill_value is not None:
        gap = reshape_to(missing, (number, *[1] * (moved.ndim - 1)))
        values = where(gap, cast(as_tensor_like(fill_value, moved), moved.dtype), values)
    empty = fill(0, group)
    inverse = _core.apply("scatter", (empty, order, group), (0, 0))
    counts = _core.apply("scatter", (fill(0, firsts), group, fill(1, group)), (1, 2))
    return UniqueAll(values, indices, inverse, counts)


def unique_all(x: TensorLike) -> UniqueAll:
    """The different elements, where each occurs first, which of them each element is, and how often each
    occurs; every NaN counts as different.

    >>> [part.tolist() for part in pg.unique_all(pg.Tensor([3, 1, 3]))]
    [[1, 3], [1, 0], [1, 0, 1], [1, 2]]
    """
    return UniqueAll(*unique(x, True, True, True, equal_nan=False))


def unique_counts(x: TensorLike) -> UniqueCounts:
    """The different elements, and how often each occurs; every NaN counts as different.

    >>> [part.tolist() for part in pg.unique_counts(pg.Tensor([3, 1, 3]))]
    [[1, 3], [1, 2]]
    """
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False))


def unique_inverse(x: TensorLike) -> UniqueInverse:
    """The different elements, and which of them each element is; every NaN counts as different.

    >>> [part.tolist() for part in pg.unique_inverse(pg.Tensor([3, 1, 3]))]
    [[1, 3], [1, 0, 1]]
    """
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False))


def unique_values(x: TensorLike) -> Tensor:
    """The different elements; every NaN counts as different.

    >>> pg.unique_values(pg.Tensor([3, 1, 3])).tolist()
    [1, 3]
    """
    values: Tensor = unique(x, equal_nan=False)
    return values


def isin(x: TensorLike, test_elements: TensorLike, *, invert: bool = False) -> Tensor:
    """Where an element is one of the test elements (or is none of them when ``invert``); NaN is none.

    >>> pg.isin(pg.Tensor([1, 2, 3]), [3, 1]).tolist()
    [True, False, True]
    """
    x, table = as_tensor(x), ravel(test_elements)
    kind = dt.all_dtypes[_core.promote(x, table)[0]]
    x, table = cast(x, kind), cast(table, kind)
    if table.size == 0:
        return fill(invert, cast(x, dt.bool_))
    table = take(table, argsort(table))
    row = elementwise("minimum", searchsorted(table, x), table.size - 1)
    found = elementwise("equal", take(table, row), x)
    return ~found if invert else found


def union1d(x: TensorLike, y: TensorLike) -> Tensor:
    """The different elements of two tensors together, in rising order. Not inside jit.

    >>> pg.union1d([1, 3], [3, 2]).tolist()
    [1, 2, 3]
    """
    made: Tensor = unique(concatenate([ravel(x), ravel(y)]))
    return made


def intersect1d(x: TensorLike, y: TensorLike) -> Tensor:
    """The different elements that both tensors have, in rising order. Not inside jit.

    >>> pg.intersect1d([1, 3, 3], [3, 2]).tolist()
    [3]
    """
    values = unique(x)
    return getitem(values, isin(values, y))


def setdiff1d(x: TensorLike, y: TensorLike) -> Tensor:
    """The different elements of the first tensor that the second lacks, in rising order. Not inside jit.

    >>> pg.setdiff1d([1, 3, 2], [3]).tolist()
    [1, 2]
    """
    values = unique(x)
    return getitem(values, isin(values, y, invert=True))


def setxor1d(x: TensorLike, y: TensorLike) -> Tensor:
    """The different elements that exactly one of two tensors has, in rising order. Not inside jit.

    >>> pg.setxor1d([1, 3, 2], [3, 4]).tolist()
    [1, 2, 4]
    """
    return union1d(setdiff1d(x, y), setdiff1d(y, x))
