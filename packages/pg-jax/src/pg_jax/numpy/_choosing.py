"""Choosing elements: by condition, by index, by order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg

from .. import _indexing, dtypes
from .._array import Array, concretization, make
from .._keys import PRNGKeyArray, make_keys
from .._lift import axis_of, broadcast_error, cast, lift, lift_all, promote
from .._primitives import indexing as prims


def where(
    condition: Any, x: Any = None, y: Any = None, /, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """x where a condition holds, else y; with one argument the indices where it holds.

    >>> import pg_jax.numpy as jnp
    >>> jnp.where(jnp.array([True, False]), 1.0, 2.0)
    Array([1., 2.], dtype=float32, weak_type=True)
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise TypeError(
            "where requires ndarray or scalar arguments, got <class 'NoneType'> at position "
            f"{1 if x is None else 2}."
        )
    test = cast(lift(condition, "where")._t, pg.bool_)
    if type(x) is PRNGKeyArray and type(y) is PRNGKeyArray:
        return make_keys(pg.where(pg.expand_dims(test, -1), x._t, y._t))
    (a, b), _, weak = promote("where", x, y)
    try:
        return make(pg.where(test, a, b), weak)
    except pg.ShapeError:
        raise broadcast_error("where", [test.shape, a.shape, b.shape]) from None


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """The first choice whose condition holds.

    >>> import pg_jax.numpy as jnp
    >>> x = jnp.arange(3)
    >>> jnp.select([x > 1, x > 0], [x * 10, x], 7)
    Array([ 7,  1, 20], dtype=int32)
    """
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})"
        )
    if not len(condlist):
        raise ValueError("condlist must be non-empty")
    (rest, *choices), _, weak = promote("select", default, *choicelist)
    for test, choice in reversed(list(zip(condlist, choices, strict=True))):
        rest = pg.where(cast(lift(test, "select")._t, pg.bool_), choice, rest)
    return make(rest, weak)


def clip(
    arr: Any = None,
    /,
    min: Any = None,
    max: Any = None,
    *,
    a: Any = None,
    a_min: Any = None,
    a_max: Any = None,
) -> Array:
    """Moved between two bounds; at a bound the derivative is one half.

    >>> import pg_jax.numpy as jnp
    >>> jnp.clip(jnp.arange(4), 1, 2)
    Array([1, 1, 2, 2], dtype=int32)
    """
    from .._operators import maximum, minimum

    x = lift(arr if arr is not None else a, "clip")
    low, high = (min if min is not None else a_min), (max if max is not None else a_max)
    if x._t.dtype.is_complex:
        raise ValueError("Clip received a complex value either through the input or the min/max keywords.")
    if low is not None:
        x = maximum(low, x)
    return x if high is None else minimum(high, x)


# ---- by index


def take(
    a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str | None = None,
    unique_indices: bool = False, indices_are_sorted: bool = False, fill_value: Any = None,
) -> Array:  # fmt: skip
    """Elements along an axis; out of range NaN, unless ``mode`` says otherwise.

    >>> import pg_jax.numpy as jnp
    >>> jnp.take(jnp.arange(3.0), jnp.array([2, 5]))
    Array([ 2., nan], dtype=float32)
    """
    keys = type(a) is PRNGKeyArray
    x = make(a._t) if keys else lift(a, "take")
    index = (
        lift(indices, "take")
        if not isinstance(indices, (list, tuple))
        else make(pg.Tensor(np.asarray(indices)))
    )
    if not index._t.dtype.is_integer:
        raise ValueError("indices must have an integer type")
    if axis is None:
        x, axis = make(pg.reshape(x._t, (-1,)), x._w), 0
    at = axis_of(axis, x.ndim - keys)
    n = x.shape[at]
    if mode == "wrap":
        index = make(pg.remainder(index._t.astype(pg.int64), n))
    elif mode == "clip":
        index = make(pg.clip(index._t, 0, n - 1))
    elif mode == "raise":
        raise NotImplementedError("The 'raise' mode to jnp.take is not supported.")
    elif mode not in (None, "fill"):
        raise ValueError(f"Invalid mode '{mode}' for np.take")
    key = (*[slice(None)] * at, index)
    how = "clip" if mode in ("wrap", "clip") else "fill"
    made = _indexing.getitem(x, key, mode=how, fill_value=fill_value)
    return make_keys(made._t) if keys else made  # type: ignore[return-value]


def take_along_axis(
    arr: Any, indices: Any, axis: int | None = -1, mode: Any = None, fill_value: Any = None
) -> Array:
    """For each place of ``indices`` the element that it names along an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.take_along_axis(jnp.array([[1, 2]]), jnp.array([[1]]), axis=1)
    Array([[2]], dtype=int32)
    """
    x, index = lift(arr, "take_along_axis"), lift(indices, "take_along_axis")
    if not index._t.dtype.is_integer:
        raise TypeError(f"take_along_axis indices must be of integer type, got {index._t.dtype.name}")
    if axis is None:
        x, index, axis = make(pg.reshape(x._t, (-1,)), x._w), make(pg.reshape(index._t, (-1,))), 0
    if x.ndim != index.ndim:
        raise ValueError(
            f"indices and arr must have the same number of dimensions; {index.ndim} vs. {x.ndim}"
        )
    at = axis_of(axis, x.ndim)
    dims = [n if n != 1 or i == at else m for i, (n, m) in enumerate(zip(x.shape, index.shape, strict=True))]
    dims[at] = index.shape[at]
    places = []
    for i in range(x.ndim):
        if i == at:
            places.append(make(pg.broadcast_to(index._t, dims)))
        else:
            row = (
                pg.arange(dims[i], dtype=pg.int32)
                if x.shape[i] != 1
                else pg.zeros((dims[i],), dtype=pg.int32)
            )
            shape = [dims[i] if j == i else 1 for j in range(x.ndim)]
            places.append(make(pg.broadcast_to(pg.reshape(row, shape), dims)))
    return _indexing.getitem(x, tuple(places), mode or "fill", fill_value)


def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Array:
    """Of several arrays the one that an index names, element by element.

    >>> import pg_jax.numpy as jnp
    >>> jnp.choose(jnp.array([1, 0]), [jnp.array([1, 2]), jnp.array([3, 4])], mode="clip")
    Array([3, 2], dtype=int32)
    """
    rows = list(choices)
    tensors, _, weak = promote("choose", *rows)
    index = lift(a, "choose")._t
    if mode == "raise" and index.is_abstract:
        raise concretization(
            lift(a), "The error occurred because jnp.choose was jit-compiled with mode='raise'."
        )
    index = pg.remainder(index, len(rows)) if mode == "wrap" else pg.clip(index, 0, len(rows) - 1)
    parts = pg.broadcast_arrays(index, *tensors)
    return make(pg.choose(parts[0], parts[1:]), weak)


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> tuple[Array, ...]:
    """The indices of what is not zero; inside of a transformation ``size`` says how many.

    >>> import pg_jax.numpy as jnp
    >>> jnp.nonzero(jnp.array([0, 5, 6]))
    (Array([1, 2], dtype=int32),)
    """
    x = lift(a, "nonzero")
    if not x.ndim:
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use jnp.atleast_1d(scalar).nonzero() instead."
        )
    if size is None:
        if x._t.is_abstract:
            raise concretization(
                x,
                "The size argument of jnp.nonzero must be statically specified to use jnp.nonzero "
                "within JAX transformations.",
            )
        return tuple(
            make(pg.Tensor(i.astype(dtypes.NUMPY[dtypes.default_int()]))) for i in np.nonzero(np.asarray(x))
        )
    flat = pg.reshape(x._t != 0, (-1,)).astype(pg.int32)
    ranks = pg.cumsum(flat, 0, dtype=pg.int32)
    places = pg.searchsorted(ranks, pg.arange(1, size + 1, dtype=pg.int32), side="left")
    inside = pg.arange(size, dtype=pg.int32) < ranks[-1] if x.size else pg.zeros((size,), dtype=pg.bool_)
    out, rest = [], pg.clip(places.astype(pg.int32), 0, max(x.size - 1, 0))
    fills = fill_value if isinstance(fill_value, tuple) else (fill_value,) * x.ndim
    for extent, fill in reversed(list(zip(x.shape, fills, strict=True))):
        index = pg.remainder(rest, max(extent, 1))
        rest = rest // max(extent, 1)
        out.append(make(cast(pg.where(inside, index, 0 if fill is None else fill), dtypes.default_int())))
    return tuple(reversed(out))


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The indices of what is not zero, of the flattened array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.flatnonzero(jnp.array([0, 5]))
    Array([1], dtype=int32)
    """
    return nonzero(make(pg.reshape(lift(a, "flatnonzero")._t, (-1,))), size=size, fill_value=fill_value)[0]


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The indices of what is not zero, as rows.

    >>> import pg_jax.numpy as jnp
    >>> jnp.argwhere(jnp.array([0, 5]))
    Array([[1]], dtype=int32)
    """
    from ._shapes import stack

    return stack(nonzero(a, size=size, fill_value=fill_value), axis=-1)


# ---- order


def sort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: Any = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """In ascending order, NaN last.

    >>> import pg_jax.numpy as jnp
    >>> jnp.sort(jnp.array([3, 1, 2]))
    Array([1, 2, 3], dtype=int32)
    """
    x = lift(a, "sort")
    t, at = (pg.reshape(x._t, (-1,)), 0) if axis is None else (x._t, axis_of(axis, x.ndim))
    (made,) = prims.sort(t, dimension=at)
    return make(pg.flip(made, at) if descending else made, x._w)


def argsort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: Any = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """The indices that sort; stable.

    >>> import pg_jax.numpy as jnp
    >>> jnp.argsort(jnp.array([3, 1, 2]))
    Array([1, 2, 0], dtype=int32)
    """
    x = lift(a, "argsort")
    t, at = (pg.reshape(x._t, (-1,)), 0) if axis is None else (x._t, axis_of(axis, x.ndim))
    if descending:
        made = pg.flip(pg.argsort(pg.flip(t, at), at), at)
        made = t.shape[at] - 1 - made if t.ndim else made
    else:
        made = pg.argsort(t, at)
    return make(cast(made, dtypes.default_int()))


def lexsort(keys: Any, axis: int = -1) -> Array:
    """The indices that sort by several keys, the last one first.

    >>> import pg_jax.numpy as jnp
    >>> jnp.lexsort((jnp.array([2, 1]), jnp.array([0, 0])))
    Array([1, 0], dtype=int32)
    """
    rows = [k._t for k in lift_all("lexsort", *keys)]
    return make(cast(pg.lexsort(rows, axis), dtypes.default_int()))


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Array:
    """Where values belong in a sorted array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.searchsorted(jnp.array([1, 3]), 2)
    Array(1, dtype=int32)
    """
    (x, y), _, _ = promote("searchsorted", a, v)
    if x.ndim != 1:
        raise ValueError("a should be 1-dimensional")
    if sorter is not None:
        x = pg.take(x, lift(sorter, "searchsorted")._t)
    return make(cast(pg.searchsorted(x, y, side=side), dtypes.default_int()))


def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Array:
    """The numbers of the bins that values lie in.

    >>> import pg_jax.numpy as jnp
    >>> jnp.digitize(jnp.array([0.5, 1.5]), jnp.array([0.0, 1.0, 2.0]))
    Array([1, 2], dtype=int32)
    """
    edges = lift(bins, "digitize")
    side = "left" if right else "right"
    if edges.size and not edges._t.is_abstract and bool(edges._t[0] > edges._t[-1]):
        turned = searchsorted(make(pg.flip(edges._t, 0), edges._w), x, "right" if right else "left")
        return make(edges.size - turned._t)
    return searchsorted(edges, x, side)


def partition(a: Any, kth: int, axis: int = -1) -> Array:
    """Sorted, which partitions too; NaN last.

    >>> import pg_jax.numpy as jnp
    >>> jnp.partition(jnp.array([3, 1, 2]), 1)[1]
    Array(2, dtype=int32)
    """
    axis_of(kth, lift(a).shape[axis])
    return sort(a, axis)


def argpartition(a: Any, kth: int, axis: int = -1) -> Array:
    """The indices that sort, which partition too.

    >>> import pg_jax.numpy as jnp
    >>> jnp.argpartition(jnp.array([3, 1, 2]), 1)[1]
    Array(2, dtype=int32)
    """
    axis_of(kth, lift(a).shape[axis])
    return argsort(a, axis)
