"""More of NumPy's ways to put tensors together, take them apart and turn them round."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..errors import ArgumentError, IndexingError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    as_tensor_like,
    axis_of,
    cast,
    check_count,
    check_table,
    iota,
    known,
    positive_shape,
    reshape_to,
    shape_of,
)
from .creation import arange
from .diagonals import diag
from .indexing import take, update
from .logic import where
from .reduce import sum as _sum
from .shape import at_least, broadcast_to, concatenate, flip, moveaxis, part, ravel, split, stack, swapaxes


def _ranked(xs: tuple[TensorLike, ...], rank: int) -> Any:
    made = [reshape_to(x, at_least(rank, x.shape)) for x in map(as_tensor, xs)]
    return made[0] if len(made) == 1 else made


def atleast_1d(*xs: TensorLike) -> Any:
    """Tensors of at least one axis; a list when several are given.

    >>> pg.atleast_1d(pg.Tensor(3)).shape
    (1,)
    """
    return _ranked(xs, 1)


def atleast_2d(*xs: TensorLike) -> Any:
    """Tensors of at least two axes, new ones in front; a list when several are given.

    >>> pg.atleast_2d(pg.zeros(3)).shape
    (1, 3)
    """
    return _ranked(xs, 2)


def atleast_3d(*xs: TensorLike) -> Any:
    """Tensors of at least three axes: a vector lies along the second, a matrix along the first two; a list
    when several are given.

    >>> pg.atleast_3d(pg.zeros(3)).shape
    (1, 3, 1)
    """
    return _ranked(xs, 3)


def hsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the second axis, or the first of a vector.

    >>> [t.tolist() for t in pg.hsplit(pg.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ShapeError("hsplit: a tensor of rank 0 has no axis to split")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def _split_at(what: str, axis: int, x: TensorLike, cuts: Any) -> list[Tensor]:
    x = as_tensor(x)
    if x.ndim <= axis:
        raise ShapeError(f"{what}: needs at least {axis + 1} axes, got shape {x.shape}")
    return split(x, cuts, axis)


def vsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the first axis of a tensor of two axes or more.

    >>> [t.shape for t in pg.vsplit(pg.zeros((4, 2)), 2)]
    [(2, 2), (2, 2)]
    """
    if as_tensor(x).ndim < 2:
        raise ShapeError(f"vsplit: needs at least 2 axes, got shape {as_tensor(x).shape}")
    return _split_at("vsplit", 0, x, indices_or_sections)


def dsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the third axis.

    >>> [t.shape for t in pg.dsplit(pg.zeros((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return _split_at("dsplit", 2, x, indices_or_sections)


def fliplr(x: TensorLike) -> Tensor:
    """The order of the second axis turned round.

    >>> pg.fliplr(pg.Tensor([[1, 2]])).tolist()
    [[2, 1]]
    """
    return flip(x, 1)


def flipud(x: TensorLike) -> Tensor:
    """The order of the first axis turned round.

    >>> pg.flipud(pg.Tensor([[1], [2]])).tolist()
    [[2], [1]]
    """
    return flip(x, 0)


def rot90(x: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by 90 degrees k times in the plane of two axes, from the first towards the second.

    >>> pg.rot90(pg.Tensor([[1, 2], [3, 4]])).tolist()
    [[2, 4], [1, 3]]
    """
    x = as_tensor(x)
    a, b = (axis_of(i, x.ndim, "rot90") for i in axes)
    if a == b:
        raise ArgumentError(f"rot90: needs two different axes, got {tuple(axes)}")
    k = operator.index(k) % 4
    if k == 2:
        return flip(x, (a, b))
    if k == 1:
        return swapaxes(flip(x, b), a, b)
    return flip(swapaxes(x, a, b), b) if k == 3 else x


def rollaxis(x: TensorLike, axis: int, start: int = 0) -> Tensor:
    """An axis moved to lie before axis ``start``.

    >>> pg.rollaxis(pg.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = as_tensor(x)
    at = axis_of(axis, x.ndim, "rollaxis")
    to = start if start == x.ndim else axis_of(start, x.ndim, "rollaxis")
    return moveaxis(x, at, to - 1 if at < to else to)


def append(x: TensorLike, values: TensorLike, axis: int | None = None) -> Tensor:
    """Values behind a tensor along an axis (both flattened when None).

    >>> pg.append(pg.Tensor([1, 2]), [3]).tolist()
    [1, 2, 3]
    """
    return concatenate([x, values], axis)


def insert(x: TensorLike, index: int | Sequence[int], values: TensorLike, axis: int | None = None) -> Tensor:
    """Values put before the given places of an axis (of the flattened tensor when None).

    >>> pg.insert(pg.Tensor([1, 2, 3]), 1, 9).tolist()
    [1, 9, 2, 3]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of(axis, x.ndim, "insert")
    length = x.shape[at]
    v = cast(as_tensor_like(values, x), x.dtype)
    single = isinstance(index, (int, np.integer))
    places = np.atleast_1d(np.asarray(index, dtype=np.int64))
    if np.any((places < -length) | (places > length)):
        raise IndexingError(f"insert: places {places.tolist()} are out of range for extent {length}")
    places = np.where(places < 0, places + length, places)
    if single:
        # One place takes as many slices as the values have there.
        v = moveaxis(v, 0, at) if v.ndim == x.ndim and at else v
        count = v.shape[at] if v.ndim == x.ndim else 1
        places = np.repeat(places, count)
        if v.ndim == x.ndim - 1 and x.ndim > 1:
            v = reshape_to(v, (*v.shape[:at], 1, *v.shape[at:]))
    v = broadcast_to(v, tuple(len(places) if i == at else d for i, d in enumerate(x.shape)))
    check_table(length + len(places), "insert")
    order = np.argsort(np.concatenate([places, np.arange(length)]), kind="stable")
    return take(concatenate([v, x], at), order, at)


def delete(x: TensorLike, index: Any, axis: int | None = None) -> Tensor:
    """A tensor without the given places of an axis (of the flattened tensor when None): an integer, a
    slice, integers or a mask.

    >>> pg.delete(pg.Tensor([1, 2, 3]), [0, 2]).tolist()
    [2]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    at = axis_of(axis, x.ndim, "delete")
    index = index.numpy() if isinstance(index, Tensor) else index
    check_table(x.shape[at], "delete")
    return take(x, np.delete(np.arange(x.shape[at]), index), at)


# ---- triangles and diagonals


def identity(n: int, dtype: Any = None, device: Any = None) -> Tensor:
    """The square matrix with ones on its diagonal.

    >>> pg.identity(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    from .creation import eye

    return eye(n, dtype=dtype, device=device)


def tri(n: int, m: int | None = None, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on and below diagonal k of an n by m matrix, zeros above.

    >>> pg.tri(2).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    place = _device.placement(device)
    shape = positive_shape((n, n if m is None else m), "tri")
    below = iota(shape, 1, dt.int64, place) <= iota(shape, 0, dt.int64, place) + k
    return cast(below, dt.float32 if dtype is None else dt.as_dtype(dtype))


def _indices(found: Any) -> tuple[Tensor, ...]:
    return tuple(as_tensor(np.asarray(i, dtype=np.int64)) for i in found)


def _fitting(n: int, k: int, m: int | None, what: str) -> tuple[int, int, int]:
    """The rows, diagonal and columns of a matrix that NumPy can hold as bools."""
    rows, columns = positive_shape((n, n if m is None else m), what)
    check_table(rows * columns, what)
    return rows, operator.index(k), columns


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, ...]:
    """The indices of the elements on and below diagonal k of an n by m matrix.

    >>> [i.tolist() for i in pg.tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    return _indices(np.tril_indices(*_fitting(n, k, m, "tril_indices")))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, ...]:
    """The indices of the elements on and above diagonal k of an n by m matrix.

    >>> [i.tolist() for i in pg.triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    return _indices(np.triu_indices(*_fitting(n, k, m, "triu_indices")))


def tril_indices_from(x: TensorLike, k: int = 0) -> tuple[Tensor, ...]:
    """The indices of the elements on and below diagonal k of a matrix.

    >>> [i.tolist() for i in pg.tril_indices_from(pg.zeros((2, 2)))]
    [[0, 1, 1], [0, 0, 1]]
    """
    return tril_indices(*_rows_k_columns(x, k, "tril_indices_from"))


def triu_indices_from(x: TensorLike, k: int = 0) -> tuple[Tensor, ...]:
    """The indices of the elements on and above diagonal k of a matrix.

    >>> [i.tolist() for i in pg.triu_indices_from(pg.zeros((2, 2)))]
    [[0, 0, 1], [0, 1, 1]]
    """
    return triu_indices(*_rows_k_columns(x, k, "triu_indices_from"))


def _rows_k_columns(x: TensorLike, k: int, what: str) -> tuple[int, int, int]:
    x = as_tensor(x)
    if x.ndim != 2:
        raise ShapeError(f"{what}: needs a matrix, got shape {x.shape}")
    return x.shape[0], k, x.shape[1]


def diag_indices(n: int, ndim: int = 2) -> tuple[Tensor, ...]:
    """The indices of the diagonal of a tensor of so many axes of extent n.

    >>> [i.tolist() for i in pg.diag_indices(2)]
    [[0, 1], [0, 1]]
    """
    check_count(ndim, "diag_indices")
    return (arange(n),) * ndim


def diagflat(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with the flattened tensor on diagonal k.

    >>> pg.diagflat(pg.Tensor([[1, 2]])).tolist()
    [[1, 0], [0, 2]]
    """
    return diag(ravel(x), k)


def fill_diagonal(x: TensorLike, value: TensorLike) -> Tensor:
    """A tensor with its main diagonal replaced by a value, or by a vector that is repeated along it.
    Returns a new tensor.

    >>> pg.fill_diagonal(pg.zeros((2, 2)), 5.0).tolist()
    [[5.0, 0.0], [0.0, 5.0]]
    """
    x = as_tensor(x)
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ShapeError(f"fill_diagonal: needs a matrix or axes of one extent, got shape {x.shape}")
    length = min(x.shape)
    v = ravel(as_tensor_like(value, x))
    if v.size > 1:
        v = take(v, np.arange(length) % v.size)
    return update(x, (np.arange(length),) * x.ndim, v, "set")


# ---- grids and bits


def indices(dimensions: Sequence[int], dtype: Any = None) -> Tensor:
    """The index along each axis of a grid, int64: axis 0 of the result numbers the axes.

    >>> pg.indices((2, 2)).tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    dims = shape_of(dimensions, "indices")
    kind = dt.int64 if dtype is None else dt.as_dtype(dtype)
    place = _device.default_device().pair
    if not dims:
        return _core.full(0, kind.code, False, (0,), place)
    return stack([iota(dims, i, kind, place) for i in range(len(dims))])


def ix_(*vectors: TensorLike) -> tuple[Tensor, ...]:
    """Vectors, each along an axis of its own, so that as a key they pick all combinations.

    >>> pg.arange(6).reshape(2, 3)[pg.ix_([0, 1], [2])].tolist()
    [[2], [5]]
    """
    made = []
    for i, v in enumerate(vectors):
        x = as_tensor(v)
        if x.ndim != 1:
            raise ShapeError(f"ix_: takes vectors, got shape {x.shape}")
        if x.dtype.is_bool:
            from .selecting import nonzero

            x = nonzero(x)[0]
        elif x.size == 0:
            x = cast(x, dt.int64)
        made.append(reshape_to(x, [x.size if j == i else 1 for j in range(len(vectors))]))
    return tuple(made)


def kron(x: TensorLike, y: TensorLike) -> Tensor:
    """The Kronecker product: every element of x times the whole of y.

    >>> pg.kron(pg.Tensor([1, 10]), pg.Tensor([1, 2])).tolist()
    [1, 2, 10, 20]
    """
    x, y = as_tensor(x), as_tensor(y)
    rank = max(x.ndim, y.ndim)
    a = (1,) * (rank - x.ndim) + x.shape
    b = (1,) * (rank - y.ndim) + y.shape
    wide = reshape_to(x, [n for d in a for n in (d, 1)]) * reshape_to(y, [n for d in b for n in (1, d)])
    return reshape_to(wide, [p * q for p, q in zip(a, b, strict=True)])


def packbits(x: TensorLike, axis: int | None = None, bitorder: str = "big") -> Tensor:
    """Eight truth values along an axis (of the flattened tensor when None) as the bits of one uint8; what
    is missing at the end is 0.

    >>> pg.packbits(pg.Tensor([1, 0, 1])).tolist()
    [160]
    """
    x, at, weights = _bits(x, axis, bitorder, "packbits")
    truth = cast(x if x.dtype.is_bool else x != 0, dt.uint8)
    from .shape import pad

    gap = -truth.shape[at] % 8
    if gap:
        truth = pad(truth, [(0, gap if i == at else 0) for i in range(truth.ndim)])
    shape = (*truth.shape[:at], truth.shape[at] // 8, 8, *truth.shape[at + 1 :])
    weights = reshape_to(weights, (8, *[1] * (len(shape) - at - 2)))
    return _sum(reshape_to(truth, shape) * weights, axis=at + 1, dtype=dt.uint8)


def unpackbits(x: TensorLike, axis: int | None = None, bitorder: str = "big") -> Tensor:
    """The bits of uint8 numbers along an axis (of the flattened tensor when None), as uint8 0 and 1.

    >>> pg.unpackbits(pg.Tensor([160], dtype="uint8")).tolist()
    [1, 0, 1, 0, 0, 0, 0, 0]
    """
    x, at, weights = _bits(x, axis, bitorder, "unpackbits")
    if x.dtype is not dt.uint8:
        raise dt.DTypeError(f"unpackbits: takes uint8, got {x.dtype}; convert with .astype('uint8')")
    wide = reshape_to(x, (*x.shape[: at + 1], 1, *x.shape[at + 1 :]))
    weights = reshape_to(weights, (8, *[1] * (x.ndim - at - 1)))
    made = cast((wide & weights) != 0, dt.uint8)
    return reshape_to(made, (*x.shape[:at], x.shape[at] * 8, *x.shape[at + 1 :]))


def _bits(x: TensorLike, axis: int | None, bitorder: str, what: str) -> tuple[Tensor, int, Tensor]:
    if not known(bitorder, ("big", "little")):
        raise InvalidValueError(f"{what}: bitorder is 'big' or 'little', got {bitorder!r}")
    x = as_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    order = np.arange(8) if bitorder == "little" else np.arange(8)[::-1]
    return x, axis_of(axis, x.ndim, what), as_tensor((1 << order).astype(np.uint8))


# ---- spaced by factors


def logspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, base: float = 10.0, dtype: Any = None
) -> Tensor:
    """Numbers evenly spaced by factors, from ``base ** start`` to ``base ** stop``.

    >>> pg.logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0]
    """
    from .creation import linspace

    powers = linspace(start, stop, num, endpoint, dt.float64)
    made = _core.elementwise("pow", _core.full(base, dt.float64.code, False, (), powers.device.pair), powers)
    return cast(made, dt.float32 if dtype is None else dt.as_dtype(dtype))


def geomspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Tensor:
    """Numbers evenly spaced by factors, from start to stop, of one sign and not 0.

    >>> pg.geomspace(1.0, 4.0, 3).tolist()
    [1.0, 2.0, 4.0]
    """
    if start == 0 or stop == 0 or (start < 0) != (stop < 0):
        raise InvalidValueError(f"geomspace: the ends have one sign and are not 0, got {start} and {stop}")
    sign = -1.0 if start < 0 else 1.0
    log = logspace(math.log2(sign * start), math.log2(sign * stop), num, endpoint, 2.0, dt.float64)
    index = iota(log.shape, 0, dt.int64, log.device.pair)
    made = where(index == 0, float(start), sign * log)
    if endpoint and num > 1:
        made = where(index == num - 1, float(stop), made)
    return cast(made, dt.float32 if dtype is None else dt.as_dtype(dtype))


def trim_zeros(x: TensorLike, trim: str = "fb") -> Tensor:
    """A vector without the zeros at its front ("f") and back ("b"). Needs the values, hence not inside jit.

    >>> pg.trim_zeros(pg.Tensor([0, 0, 3, 0])).tolist()
    [3]
    """
    from .selecting import nonzero

    x = as_tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"trim_zeros: needs a vector, got shape {x.shape}")
    found = nonzero(x)[0]
    if not found.size:
        return part(x, 0, 0, 0)
    if not isinstance(trim, str):
        raise ArgumentError(f"trim_zeros: trim is 'f', 'b' or 'fb', got {type(trim).__name__}")
    start = found[0].item() if "f" in trim.lower() else 0
    stop = found[-1].item() + 1 if "b" in trim.lower() else x.size
    return part(x, 0, start, stop)
