"""Reading and writing in XLA's general forms: windows at computed places, margins between elements, and
tensors sorted together.

NumPy's and torch's forms of the same are in ``indexing``, ``scattering`` and ``sorting``. Windows come down
to rows of a table: the axes that a window does not fill are merged in front, and each place of a window in
them is one row of the axes that it fills.
"""

# Size: reading and writing share the reading of dimension numbers.

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, IndexingError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    as_tensor_like,
    axis_of,
    cast,
    elementwise,
    iota,
    items_of,
    known,
    reshape_to,
)
from .indexing import take_along_axis
from .logic import where
from .scattering import _INDEX_MODES, _SCATTER_MODES
from .shape import broadcast_shapes, broadcast_to, permute
from .sorting import argsort, sort

Ints = tuple[int, ...]


def _ints(values: Any, what: str) -> Ints:
    try:
        return tuple(operator.index(v) for v in values)
    except TypeError:
        raise ArgumentError(f"{what} must be integers, got {values!r}") from None


def _axes(values: Any, ndim: int, what: str) -> Ints:
    axes = _ints(values, what)
    if builtins.any(not 0 <= a < ndim for a in axes) or len(set(axes)) != len(axes):
        raise ShapeError(f"{what} {axes} must be different axes from 0 to {ndim - 1}")
    return axes


def _index(index: TensorLike, what: str) -> Tensor:
    index = as_tensor(index)
    if not index.dtype.is_integer:
        raise IndexingError(f"{what}: indices are integers, got {index.dtype}; use .astype('int64')")
    if index.dtype is dt.uint64:  # what int64 cannot hold is out of range all the same
        index = elementwise("minimum", index, 2**63 - 1)
    return cast(index, dt.int64)


def _mode(mode: str, what: str) -> str:
    mode = "drop" if known(mode, ("fill",)) else mode
    if not known(mode, _INDEX_MODES):
        raise InvalidValueError(f"{what}: mode is raise, clip or drop (fill), got {mode!r}")
    return mode


# ---- windows as rows of a table


class _Windows(NamedTuple):
    """How a tensor is a table for windows of one size."""

    lead: list[int]  # the merged axes
    inner: list[int]  # those of them that a window keeps
    full: list[int]  # the axes that every window fills
    rows: Tensor  # [batch..., extents of the windows along `inner`]
    outside: Tensor | None  # of that shape: places of windows that do not lie in the tensor
    mode: int  # of the records

    def table(self, x: Tensor) -> Tensor:
        """The tensor as the table."""
        front = permute(x, (*self.lead, *self.full)) if x.ndim else x
        rows = math.prod(x.shape[a] for a in self.lead)
        return reshape_to(front, (rows, *[x.shape[a] for a in self.full]))

    def restored(self, table: Tensor, shape: Ints) -> Tensor:
        """The tensor that has this table."""
        order = [*self.lead, *self.full]
        x = reshape_to(table, [shape[a] for a in order])
        return permute(x, [order.index(a) for a in range(len(order))]) if order else x


def _windows(
    x: Tensor, starts: dict[int, Tensor], sizes: Ints, gone: Ints, batch: Ints, mode: str, what: str
) -> _Windows:
    """``starts[a]`` has the batch shape, and is where windows begin along axis a (elsewhere they begin at 0);
    the axes ``gone`` have extent 1 in a window, which leaves them out.
    """
    shape, pair = x.shape, x.device.pair
    outside: Any = None
    lead: list[int] = []
    full: list[int] = []
    begin: dict[int, Tensor] = {}
    for a, (n, size) in enumerate(zip(shape, sizes, strict=True)):
        if not 0 <= size <= n:
            raise ShapeError(f"{what}: a window of {size} along axis {a} does not fit shape {shape}")
        if a in starts:
            start = starts[a]
            if mode == "clip":
                start = elementwise("minimum", elementwise("maximum", start, 0), n - size)
            else:
                wrong = (start < 0) | (start > n - size)
                outside = wrong if outside is None else outside | wrong
            begin[a] = start
        (full if size == n and a not in gone else lead).append(a)
    inner = [a for a in lead if a not in gone]
    dims = (*batch, *[sizes[a] for a in inner])
    linear = _core.full(0, dt.int64.code, False, dims, pair)
    total = stride = math.prod(shape[a] for a in lead)
    for a in lead:
        stride //= builtins.max(shape[a], 1)
        if a in begin:
            linear = linear + reshape_to(begin[a], (*batch, *[1] * len(inner))) * stride
        if a in inner:
            linear = linear + iota(dims, len(batch) + inner.index(a), dt.int64, pair) * stride
    if outside is None:
        return _Windows(lead, inner, full, linear, None, _INDEX_MODES["clip"])
    outside = broadcast_to(reshape_to(outside, (*batch, *[1] * len(inner))), dims)
    return _Windows(lead, inner, full, where(outside, total, linear), outside, _INDEX_MODES[mode])


def _order(w: _Windows, batch: int, at: Ints, sizes_kept: list[int]) -> list[int]:
    """Which axis of [batch..., inner..., full...] each axis of [.., window axes at `at`, ..] is."""
    kept = [*w.inner, *w.full]
    windows = iter([batch + kept.index(a) for a in sizes_kept])
    examples = iter(range(batch))
    return [next(windows) if i in at else next(examples) for i in range(batch + len(kept))]


class _Numbers(NamedTuple):
    """Dimension numbers of XLA, checked."""

    starts: dict[int, Tensor]
    gone: Ints
    kept: list[int]  # the axes of the tensor that windows keep
    batch: Ints


def _numbers(
    x: Tensor, index: Tensor, collapsed: Any, start_map: Any, paired: Any, index_paired: Any, what: str
) -> _Numbers:
    if index.ndim == 0:
        raise ShapeError(f"{what}: indices need a last axis that holds the coordinates of one window")
    gone = _axes(collapsed, x.ndim, f"{what}: the axes left out")
    to = _axes(start_map, x.ndim, f"{what}: the axes that indices are for")
    pairs = _axes(paired, x.ndim, f"{what}: batch axes of the tensor")
    index_pairs = _axes(index_paired, index.ndim - 1, f"{what}: batch axes of the indices")
    if len(to) != index.shape[-1]:
        raise ShapeError(f"{what}: indices of shape {index.shape} do not have a coordinate per axis of {to}")
    if len(pairs) != len(index_pairs) or set(pairs) & (set(gone) | set(to)):
        raise ShapeError(
            f"{what}: batch axes {pairs} of the tensor and {index_pairs} of the indices do not pair, or are "
            "indexed"
        )
    batch = index.shape[:-1]
    starts = {}
    for k, a in enumerate(to):
        words = [w for n in batch for w in (0, n, 1)]
        starts[a] = reshape_to(_core.apply("slice", (index,), [*words, k, k + 1, 1]), batch)
    for a, b in zip(pairs, index_pairs, strict=True):
        if x.shape[a] != batch[b]:
            raise ShapeError(f"{what}: batch axes of extents {x.shape[a]} and {batch[b]} do not pair")
        starts[a] = iota(batch, b, dt.int64, x.device.pair)
    all_gone = (*gone, *pairs)
    return _Numbers(starts, all_gone, [a for a in range(x.ndim) if a not in all_gone], batch)


def gather_general(
    x: TensorLike,
    indices: TensorLike,
    slice_sizes: Sequence[int],
    *,
    offset_dims: Sequence[int],
    start_index_map: Sequence[int],
    collapsed_slice_dims: Sequence[int] = (),
    operand_batching_dims: Sequence[int] = (),
    start_indices_batching_dims: Sequence[int] = (),
    mode: str = "clip",
    fill_value: TensorLike = 0,
) -> Tensor:
    """Windows of x at computed places, in XLA's general form.

    The last axis of ``indices`` holds where a window of ``slice_sizes`` begins along the axes
    ``start_index_map``; its other axes are those of the result that ``offset_dims`` does not name. The axes
    ``offset_dims`` of the result are the window's, without ``collapsed_slice_dims`` and without
    ``operand_batching_dims``, along which example i of ``start_indices_batching_dims`` reads slice i.

    ``mode``: a window that does not lie in x is moved into it ("clip"), reads ``fill_value`` ("drop",
    "fill"), or is an error when the values are computed ("raise"). Negative places do not count from the
    end.

    >>> x = pg.Tensor([[1, 2, 3], [4, 5, 6]])
    >>> pg.gather_general(
    ...     x,
    ...     pg.Tensor([[1], [9]]),
    ...     (2, 1),
    ...     offset_dims=(1,),
    ...     start_index_map=(1,),
    ...     collapsed_slice_dims=(1,),
    ... ).tolist()
    [[2, 5], [3, 6]]
    """
    what = "gather_general"
    x, index = as_tensor(x), _index(indices, what)
    sizes = _ints(slice_sizes, f"{what}: slice_sizes")
    if len(sizes) != x.ndim:
        raise ShapeError(f"{what}: slice_sizes {sizes} need an extent for each axis of {x.shape}")
    numbers = _numbers(
        x,
        index,
        collapsed_slice_dims,
        start_index_map,
        operand_batching_dims,
        start_indices_batching_dims,
        what,
    )
    if builtins.any(sizes[a] != 1 for a in numbers.gone):
        raise ShapeError(f"{what}: the window {sizes} must have extent 1 along the axes {numbers.gone}")
    rank = len(numbers.batch) + len(numbers.kept)
    offset = _axes(offset_dims, rank, f"{what}: offset_dims")
    if len(offset) != len(numbers.kept):
        raise ShapeError(f"{what}: offset_dims {offset} must name an axis for each of {numbers.kept}")
    w = _windows(x, numbers.starts, sizes, numbers.gone, numbers.batch, _mode(mode, what), what)
    picked = _core.apply("gather", (w.table(x), w.rows), (w.mode,))
    if mode in ("drop", "fill") and w.outside is not None and not _is_zero(fill_value):
        mask = reshape_to(w.outside, (*w.outside.shape, *[1] * len(w.full)))
        picked = where(mask, cast(as_tensor_like(fill_value, x), x.dtype), picked)
    order = _order(w, len(numbers.batch), offset, numbers.kept)
    return permute(picked, order) if order else picked


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == 0


def scatter_general(
    x: TensorLike,
    indices: TensorLike,
    updates: TensorLike,
    how: str = "set",
    *,
    update_window_dims: Sequence[int],
    scatter_dims_to_operand_dims: Sequence[int],
    inserted_window_dims: Sequence[int] = (),
    operand_batching_dims: Sequence[int] = (),
    scatter_indices_batching_dims: Sequence[int] = (),
    mode: str = "drop",
) -> Tensor:
    """x with windows at computed places set to, added to ... ``updates``, in XLA's general form.

    The axes ``update_window_dims`` of the updates are a window's, without ``inserted_window_dims`` and
    ``operand_batching_dims``; the others are those of ``indices``, whose last axis holds where a window
    begins along the axes ``scatter_dims_to_operand_dims``. ``how`` is set (of several values for one place
    the last stays), add, mul, min or max.

    ``mode``: a window that does not lie in x is left out ("drop"), moved into it ("clip"), or an error when
    the values are computed ("raise"). Negative places do not count from the end.

    >>> pg.scatter_general(
    ...     pg.zeros((2, 3)), pg.Tensor([[1], [7]]), pg.ones((2, 2)), "add",
    ...     update_window_dims=(1,), scatter_dims_to_operand_dims=(1,), inserted_window_dims=(1,),
    ... ).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    what = "scatter_general"
    x, index = as_tensor(x), _index(indices, what)
    if not known(how, _SCATTER_MODES):
        raise InvalidValueError(f"{what}: how is one of {', '.join(_SCATTER_MODES)}, got {how!r}")
    v = cast(as_tensor_like(updates, x), x.dtype)
    numbers = _numbers(
        x,
        index,
        inserted_window_dims,
        scatter_dims_to_operand_dims,
        operand_batching_dims,
        scatter_indices_batching_dims,
        what,
    )
    window = _axes(update_window_dims, v.ndim, f"{what}: update_window_dims")
    examples = tuple(n for i, n in enumerate(v.shape) if i not in window)
    if len(window) != len(numbers.kept) or examples != numbers.batch:
        raise ShapeError(
            f"{what}: updates of shape {v.shape} with window axes {window} do not fit indices of shape "
            f"{index.shape} and the axes {numbers.kept} of x"
        )
    sizes = [1] * x.ndim
    for a, i in zip(numbers.kept, window, strict=True):
        sizes[a] = v.shape[i]
    w = _windows(x, numbers.starts, tuple(sizes), numbers.gone, numbers.batch, _mode(mode, what), what)
    order = _order(w, len(numbers.batch), window, numbers.kept)
    back = [order.index(i) for i in range(len(order))]
    v = permute(v, back) if order else v
    made = _core.apply("scatter", (w.table(x), w.rows, v), (_SCATTER_MODES[how], w.mode))
    return w.restored(made, x.shape)


# ---- one window


def _start_indices(x: Tensor, starts: Any, wrap: bool, what: str) -> list[Any]:
    """Per axis an int or a scalar tensor."""
    if isinstance(starts, Tensor):
        if starts.shape != (x.ndim,):
            raise ShapeError(
                f"{what}: shape {x.shape} needs {x.ndim} start indices, got shape {starts.shape}"
            )
        words = [(i, i + 1, 1) for i in range(x.ndim)]
        starts = [reshape_to(_core.apply("slice", (starts,), w), ()) for w in words]
    elif not isinstance(starts, (list, tuple)):
        starts = [starts]
    if len(starts) != x.ndim:
        raise ShapeError(f"{what}: shape {x.shape} needs {x.ndim} start indices, got {len(starts)}")
    out: list[Any] = []
    for n, start in zip(x.shape, starts, strict=True):
        if not isinstance(start, Tensor) and hasattr(start, "__index__"):
            i = operator.index(start)
            out.append(i + n if wrap and i < 0 else i)
            continue
        index = _index(start, what)
        if index.shape != ():
            raise ShapeError(f"{what}: a start index is a scalar, got shape {index.shape}")
        out.append(where(index < 0, index + n, index) if wrap else index)
    return out


def dynamic_slice(
    x: TensorLike, start_indices: Any, slice_sizes: Sequence[int], *, allow_negative_indices: bool = True
) -> Tensor:
    """The window of x of known extents that begins at computed places, one scalar (or int) per axis.

    A negative place counts from the end, unless ``allow_negative_indices`` is False; then a window that does
    not lie in x is moved into it.

    >>> pg.dynamic_slice(pg.arange(5), (pg.Tensor(3),), (3,)).tolist()
    [2, 3, 4]
    """
    what = "dynamic_slice"
    x = as_tensor(x)
    sizes = _ints(slice_sizes, f"{what}: slice_sizes")
    if len(sizes) != x.ndim:
        raise ShapeError(f"{what}: slice_sizes {sizes} need an extent for each axis of {x.shape}")
    if builtins.any(not 0 <= s <= n for s, n in zip(sizes, x.shape, strict=True)):
        raise ShapeError(f"{what}: a window of {sizes} does not fit shape {x.shape}")
    starts = _start_indices(x, start_indices, allow_negative_indices, what)
    words: list[int] = []
    computed: dict[int, Tensor] = {}
    for a, (n, size, start) in enumerate(zip(x.shape, sizes, starts, strict=True)):
        if isinstance(start, Tensor):
            computed[a] = start
            words += (0, n, 1)
        else:
            first = builtins.min(builtins.max(start, 0), n - size)
            words += (first, first + size, 1)
    x = _core.apply("slice", (x,), words) if words else x
    if not computed:
        return x
    w = _windows(x, computed, sizes, (), (), "clip", what)
    picked = _core.apply("gather", (w.table(x), w.rows), (w.mode,))
    return w.restored(picked, sizes)


def _updated_along(x: Tensor, v: Tensor, axis: int, start: Any) -> Tensor:
    """x with v from a computed place of one axis on. The axes before it are rows of a table too: no element
    moves, so that a cache of keys and values is written where it is.
    """
    n, size, lead = x.shape[axis], v.shape[axis], math.prod(x.shape[:axis])
    rest, pair = x.shape[axis + 1 :], x.device.pair
    if isinstance(start, Tensor):
        start = cast(elementwise("minimum", elementwise("maximum", start, 0), n - size), dt.int64)
    else:
        start = builtins.min(builtins.max(start, 0), n - size)
    shape = (lead, size)
    rows = iota(shape, 0, dt.int64, pair) * n + iota(shape, 1, dt.int64, pair) + start
    table, parts = reshape_to(x, (lead * n, *rest)), reshape_to(v, (lead * size, *rest))
    words = (_SCATTER_MODES["set"], _INDEX_MODES["clip"])
    return reshape_to(
        _core.apply("scatter", (table, reshape_to(rows, (lead * size,)), parts), words), x.shape
    )


def dynamic_update_slice(
    x: TensorLike, update: TensorLike, start_indices: Any, *, allow_negative_indices: bool = True
) -> Tensor:
    """x with the window that begins at computed places replaced by ``update``; places as in
    ``dynamic_slice``.

    >>> pg.dynamic_update_slice(pg.zeros(4), pg.ones(2), (pg.Tensor(3),)).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    what = "dynamic_update_slice"
    x = as_tensor(x)
    v = cast(as_tensor_like(update, x), x.dtype)
    if v.ndim != x.ndim or builtins.any(s > n for s, n in zip(v.shape, x.shape, strict=True)):
        raise ShapeError(f"{what}: an update of shape {v.shape} does not fit shape {x.shape}")
    starts = _start_indices(x, start_indices, allow_negative_indices, what)
    pair = x.device.pair
    moved = [a for a, s in enumerate(starts) if isinstance(s, Tensor) or s != 0]
    if len(moved) == 1 and [*v.shape[: moved[0]], *v.shape[moved[0] + 1 :]] == [
        *x.shape[: moved[0]],
        *x.shape[moved[0] + 1 :],
    ]:
        return _updated_along(x, v, moved[0], starts[moved[0]])
    computed = {
        a: s if isinstance(s, Tensor) else _core.full(s, dt.int64.code, False, (), pair)
        for a, s in enumerate(starts)
        if isinstance(s, Tensor) or s != 0
    }
    w = _windows(x, computed, v.shape, (), (), "clip", what)
    order = [*w.lead, *w.full]
    v = permute(v, order) if order else v
    v = reshape_to(v, (*[v.shape[i] for i in range(len(w.lead))], *[x.shape[a] for a in w.full]))
    made = _core.apply("scatter", (w.table(x), w.rows, v), (_SCATTER_MODES["set"], w.mode))
    return w.restored(made, x.shape)


# ---- indices in the last axis


def _tuples(x: Tensor, indices: TensorLike, batch_dims: int, what: str) -> tuple[Tensor, int]:
    """The indices from 0, and how many axes they are for."""
    index = _index(indices, what)
    if not 0 <= batch_dims < builtins.max(index.ndim, 1) or index.shape[:batch_dims] != x.shape[:batch_dims]:
        raise ShapeError(
            f"{what}: {batch_dims} batch axes do not agree in shapes {x.shape} and {index.shape} (the last "
            "axis of the indices holds coordinates)"
        )
    depth = index.shape[-1] if index.ndim else -1
    if not 0 <= depth <= x.ndim - batch_dims:
        raise ShapeError(f"{what}: indices of shape {index.shape} do not hold coordinates in shape {x.shape}")
    extents = as_tensor([int(n) for n in x.shape[batch_dims : batch_dims + depth]] or [0])
    extents = cast(extents, dt.int64)
    return (where(index < 0, index + extents, index) if depth else index), depth


def gather_nd(
    x: TensorLike,
    indices: TensorLike,
    batch_dims: int = 0,
    *,
    mode: str = "raise",
    fill_value: TensorLike = 0,
) -> Tensor:
    """The slices of x whose coordinates along the first axes stand in the last axis of ``indices``: shape
    ``indices.shape[:-1] + x.shape[batch_dims + k:]`` for k coordinates. The first ``batch_dims`` axes of both
    go together (ONNX's GatherND). Negative coordinates count from the end; ``mode`` is that of
    ``gather_general``.

    >>> pg.gather_nd(pg.Tensor([[1, 2], [3, 4]]), pg.Tensor([[0, 1], [1, 0]])).tolist()
    [2, 3]
    """
    what = "gather_nd"
    x = as_tensor(x)
    index, depth = _tuples(x, indices, batch_dims, what)
    lead = batch_dims + depth
    batch = index.ndim - 1
    return gather_general(
        x,
        index,
        (*[1] * lead, *x.shape[lead:]),
        offset_dims=range(batch, batch + x.ndim - lead),
        start_index_map=range(batch_dims, lead),
        collapsed_slice_dims=range(batch_dims, lead),
        operand_batching_dims=range(batch_dims),
        start_indices_batching_dims=range(batch_dims),
        mode=mode,
        fill_value=fill_value,
    )


def scatter_nd(
    x: TensorLike, indices: TensorLike, updates: TensorLike, how: str = "set", *, mode: str = "raise"
) -> Tensor:
    """x with the slices that ``gather_nd`` would read set to, added to ... updates (ONNX's ScatterND);
    ``how`` and ``mode`` are those of ``scatter_general``. Negative coordinates count from the end.

    >>> pg.scatter_nd(pg.zeros(3), pg.Tensor([[0], [0], [2]]), pg.ones(3), "add").tolist()
    [2.0, 0.0, 1.0]
    """
    what = "scatter_nd"
    x = as_tensor(x)
    index, depth = _tuples(x, indices, 0, what)
    batch = index.ndim - 1
    needed = (*index.shape[:-1], *x.shape[depth:])
    v = cast(as_tensor_like(updates, x), x.dtype)
    if broadcast_shapes(v.shape, needed) != needed:
        raise ShapeError(f"{what}: updates of shape {v.shape} do not fit the slices of shape {needed}")
    return scatter_general(
        x,
        index,
        broadcast_to(v, needed),
        how,
        update_window_dims=range(batch, batch + x.ndim - depth),
        scatter_dims_to_operand_dims=range(depth),
        inserted_window_dims=range(depth),
        mode=mode,
    )


# ---- margins, and order


def pad_general(
    x: TensorLike, padding_value: TensorLike, padding_config: Sequence[tuple[int, int, int]]
) -> Tensor:
    """x with ``(low, high, interior)`` elements of one value before, behind and between the elements of each
    axis; negative margins crop (XLA's Pad).

    >>> pg.pad_general(pg.Tensor([1, 2, 3]), 0, [(-1, 1, 1)]).tolist()
    [0, 2, 0, 3, 0]
    """
    what = "pad_general"
    x = as_tensor(x)
    value = cast(as_tensor_like(padding_value, x), x.dtype)
    if value.ndim:
        raise ShapeError(f"{what}: padding_value must be one number, got shape {value.shape}")
    triples = [_ints(t, f"{what}: padding_config") for t in padding_config]
    if len(triples) != x.ndim or builtins.any(len(t) != 3 for t in triples):
        raise ShapeError(f"{what}: shape {x.shape} needs a triple for each axis, got {padding_config!r}")
    if builtins.any(t[2] < 0 for t in triples):
        raise InvalidValueError(f"{what}: there cannot be fewer than 0 elements between elements: {triples}")
    extents = [
        n + low + high + builtins.max(n - 1, 0) * between
        for n, (low, high, between) in zip(x.shape, triples, strict=True)
    ]
    if builtins.any(n < 0 for n in extents):
        raise ShapeError(f"{what}: margins {triples} crop more than shape {x.shape} has")
    return _core.apply("pad", (x, value), [w for t in triples for w in t]) if triples else x


def sort_together(
    xs: Sequence[TensorLike], axis: int = -1, num_keys: int = 1, *, descending: bool = False
) -> list[Tensor]:
    """Tensors of one shape, all in the order of the first ``num_keys`` of them along an axis: by the first,
    then among equals by the second ... Equal ones keep their order, NaN comes last.

    >>> [x.tolist() for x in pg.sort_together([pg.Tensor([2, 1, 2]), pg.Tensor([9, 8, 7])], num_keys=2)]
    [[1, 2, 2], [8, 7, 9]]
    """
    what = "sort_together"
    tensors = [as_tensor(x) for x in items_of(xs, what)]
    if not tensors or not 1 <= num_keys <= len(tensors):
        raise ArgumentError(f"{what}: num_keys={num_keys} of {len(tensors)} tensors; at least one is a key")
    if builtins.any(x.shape != tensors[0].shape for x in tensors):
        raise ShapeError(f"{what}: the shapes differ: {', '.join(str(x.shape) for x in tensors)}")
    at = axis_of(axis, tensors[0].ndim, what)
    if len(tensors) == 1:
        return [sort(tensors[0], at, descending=descending)]
    order: Tensor | None = None
    for key in reversed(tensors[:num_keys]):  # stable: the last key first
        if order is None:
            order = argsort(key, at, descending=descending)
            continue
        again = argsort(take_along_axis(key, order, at), at, descending=descending)
        order = take_along_axis(order, again, at)
    assert order is not None
    return [take_along_axis(x, order, at) for x in tensors]
