"""Parts of tensors by torch's and NumPy's further names: pieces, slices, masks, flat places."""

from __future__ import annotations

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, as_tensor_like, axis_of, cast, reshape_to, spelled
from .index_keys import checked_mode
from .indexing import take, update
from .logic import where
from .reduce import cumsum
from .shape import broadcast_to, part


def chunk(x: TensorLike, chunks: int, axis: int = 0, *, dim: int | None = None) -> list[Tensor]:
    """At most so many parts along an axis, all of one length but for the last, which may be shorter.

    >>> [t.tolist() for t in pg.chunk(pg.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, 0, dim, "axis/dim", "chunk"), x.ndim, "chunk")
    if chunks < 1:
        raise InvalidValueError(f"chunk: there must be at least one part, got {chunks}")
    n = x.shape[at]
    length = max(-(-n // chunks), 1)
    return [part(x, at, i, min(i + length, n)) for i in range(0, max(n, 1), length)]


def narrow(x: TensorLike, axis: int, start: int, length: int, *, dim: int | None = None) -> Tensor:
    """The slice of ``length`` elements from ``start`` on along an axis.

    >>> pg.narrow(pg.arange(5), 0, 1, 3).tolist()
    [1, 2, 3]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, None, dim, "axis/dim", "narrow"), x.ndim, "narrow")
    n = x.shape[at]
    first = start + n if start < 0 else start
    if not 0 <= first <= n or length < 0 or first + length > n:
        raise ShapeError(f"narrow: {length} elements from {start} on do not lie in {n} along axis {at}")
    return part(x, at, first, first + length)


def index_select(x: TensorLike, axis: int, index: TensorLike, *, dim: int | None = None) -> Tensor:
    """The slices along an axis that a vector of indices names.

    >>> pg.index_select(pg.Tensor([[1, 2], [3, 4]]), 1, pg.Tensor([1])).tolist()
    [[2], [4]]
    """
    index = as_tensor(index)
    if index.ndim > 1:
        raise ShapeError(f"index_select: the indices are a vector, got shape {index.shape}")
    at = spelled(axis, None, dim, "axis/dim", "index_select")
    return take(x, reshape_to(index, (index.size,)), at)


def select_scatter(
    x: TensorLike, src: TensorLike, axis: int, index: int, *, dim: int | None = None
) -> Tensor:
    """x with the slice at one index of an axis replaced.

    >>> pg.select_scatter(pg.zeros((2, 2)), pg.ones(2), 0, 1).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, None, dim, "axis/dim", "select_scatter"), x.ndim, "select_scatter")
    return update(x, (slice(None),) * at + (index,), src, "set")


def slice_scatter(
    x: TensorLike,
    src: TensorLike,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    dim: int | None = None,
) -> Tensor:
    """x with the slice ``start:end:step`` of an axis replaced.

    >>> pg.slice_scatter(pg.zeros(4), pg.ones(2), 0, 0, 4, 2).tolist()
    [1.0, 0.0, 1.0, 0.0]
    """
    x = as_tensor(x)
    at = axis_of(spelled(axis, 0, dim, "axis/dim", "slice_scatter"), x.ndim, "slice_scatter")
    return update(x, (slice(None),) * at + (slice(start, end, step),), src, "set")


# ---- masks


def masked_fill(x: TensorLike, mask: TensorLike, value: TensorLike) -> Tensor:
    """x with one value where a mask holds, in the dtype of x.

    >>> pg.masked_fill(pg.Tensor([1.0, 2.0]), pg.Tensor([True, False]), 0.0).tolist()
    [0.0, 2.0]
    """
    x = as_tensor(x)
    v = cast(as_tensor_like(value, x), x.dtype)
    if v.ndim:
        raise ShapeError(f"masked_fill: needs one value, got shape {v.shape}; use pg.where")
    return where(_mask(mask, "masked_fill"), v, x)


def _mask(mask: TensorLike, what: str) -> Tensor:
    mask = as_tensor(mask)
    if not mask.dtype.is_bool:
        raise dt.DTypeError(f"{what}: a mask holds bools, got {mask.dtype}; compare it with something")
    return mask


def masked_scatter(x: TensorLike, mask: TensorLike, source: TensorLike) -> Tensor:
    """x with the elements of ``source``, one after the other, where a mask holds.

    >>> pg.masked_scatter(pg.zeros(3), pg.Tensor([True, False, True]), pg.Tensor([5.0, 6.0])).tolist()
    [5.0, 0.0, 6.0]
    """
    x = as_tensor(x)
    v = cast(as_tensor_like(source, x), x.dtype)
    holds = broadcast_to(_mask(mask, "masked_scatter"), x.shape)
    if v.size == 0:
        return x
    number = reshape_to(cumsum(holds, exclusive=True), x.shape)
    picked = _core.apply("gather", (reshape_to(v, (v.size,)), where(holds, number, 0)), (0,))
    return where(holds, picked, x)


def putmask(x: TensorLike, mask: TensorLike, values: TensorLike) -> Tensor:
    """x with values where a mask holds: element i takes value i, the values being repeated as often as
    needed. Returns a new tensor.

    >>> pg.putmask(pg.arange(4), pg.Tensor([True, False, True, True]), pg.Tensor([10, 20])).tolist()
    [10, 1, 10, 20]
    """
    x = as_tensor(x)
    v = cast(as_tensor_like(values, x), x.dtype)
    holds = as_tensor(mask)
    if holds.size != x.size:
        raise ShapeError(f"putmask: a mask of shape {holds.shape} does not fit shape {x.shape}")
    if v.size == 0:
        return x
    holds = reshape_to(holds, x.shape)
    return where(holds if holds.dtype.is_bool else holds != 0, _repeated(v, x.size, x.shape), x)


def _repeated(v: Tensor, size: int, shape: tuple[int, ...]) -> Tensor:
    """The elements over and over, as many as there are places."""
    from .numbers import resize

    return (
        broadcast_to(v, shape)
        if v.size == 1 and v.ndim <= len(shape)
        else reshape_to(resize(v, (size,)), shape)
    )


def place(x: TensorLike, mask: TensorLike, values: TensorLike) -> Tensor:
    """x with values, one after the other and repeated as often as needed, where a mask holds. Returns a new
    tensor.

    >>> pg.place(pg.arange(4), pg.Tensor([True, False, True, True]), pg.Tensor([10, 20])).tolist()
    [10, 1, 20, 10]
    """
    x = as_tensor(x)
    v = cast(as_tensor_like(values, x), x.dtype)
    holds = as_tensor(mask)
    if holds.size != x.size or v.size == 0:
        raise ShapeError(
            f"place: needs a mask of {x.size} elements and at least one value, got shapes {holds.shape} and "
            f"{v.shape}"
        )
    holds = reshape_to(holds if holds.dtype.is_bool else holds != 0, x.shape)
    number = reshape_to(cumsum(holds, exclusive=True), x.shape) % v.size
    return where(holds, _core.apply("gather", (reshape_to(v, (v.size,)), number), (1,)), x)


def put(x: TensorLike, indices: TensorLike, values: TensorLike, mode: str = "raise") -> Tensor:
    """x with values at places of the flattened tensor, the values being repeated as often as needed;
    ``mode`` is that of ``x.at``. Returns a new tensor.

    >>> pg.put(pg.zeros((2, 2)), pg.Tensor([0, 3]), pg.Tensor([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    x = as_tensor(x)
    index = as_tensor(indices)
    v = cast(as_tensor_like(values, x), x.dtype)
    if index.size == 0:
        return x
    if v.size == 0:
        raise ArgumentError("put: there are no values to write")
    flat = reshape_to(x, (x.size,))
    places = reshape_to(index, (index.size,))
    made = update(flat, places, _repeated(v, index.size, (index.size,)), "set", checked_mode(mode))
    return reshape_to(made, x.shape)


def bucketize(x: TensorLike, boundaries: TensorLike, right: bool = False) -> Tensor:
    """Which interval between rising boundaries each element lies in, int64: behind an equal boundary when
    ``right``.

    >>> pg.bucketize(pg.Tensor([3, 6]), pg.Tensor([1, 3, 5])).tolist()
    [1, 3]
    """
    from .selecting import searchsorted

    return searchsorted(boundaries, x, side="right" if right else "left")
