"""Arranging elements: other shapes, orders of axes, joining and splitting. Weak types stay weak."""

# Size: short functions of one family, half of the lines are their documents and examples.

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._keys import PRNGKeyArray, make_keys
from .._lift import Tensor, axes_of, axis_of, cast, lift, lift_all, sizes
from .._primitives import shape as prims
from ._unary import named


def shape(a: Any, axis: Any = None) -> Any:
    """The shape.

    >>> import pg_jax.numpy as jnp
    >>> jnp.shape(jnp.ones((2, 3)))
    (2, 3)
    """
    dims = a.shape if isinstance(a, Array) else np.shape(a)
    return dims if axis is None else tuple(dims[i] for i in axis) if isinstance(axis, tuple) else dims[axis]


def ndim(a: Any) -> int:
    """The number of axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ndim(jnp.ones((2, 3)))
    2
    """
    return len(shape(a))


def size(a: Any, axis: int | None = None) -> int:
    """The number of elements, or the extent of an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.size(jnp.ones((2, 3)))
    6
    """
    dims = shape(a)
    return int(np.prod(dims)) if axis is None else int(dims[axis])


def reshape(a: Any, shape: Any = None, order: str = "C", *, copy: bool | None = None) -> Array:
    """The elements in another shape.

    >>> import pg_jax.numpy as jnp
    >>> jnp.reshape(jnp.arange(4), (2, -1))
    Array([[0, 1],
           [2, 3]], dtype=int32)
    """
    if type(a) is PRNGKeyArray:
        return a.reshape(shape)  # type: ignore[return-value]
    x = lift(a, "reshape")
    dims = sizes(shape)
    count = int(np.prod([d for d in dims if d != -1]))
    if (
        dims.count(-1) > 1
        or (dims.count(-1) == 0 and count != x.size)
        or (-1 in dims and (x.size % count if count else 1))
    ):
        raise TypeError(
            f"cannot reshape array of shape {x.shape} (size {x.size}) into shape {dims} (size {count})"
        )
    if order == "F":
        whole = [x.size // count if d == -1 else d for d in dims]
        turned = pg.permute(x._t, tuple(reversed(range(x.ndim)))) if x.ndim else x._t
        made = pg.reshape(turned, tuple(reversed(whole)))
        return make(pg.permute(made, tuple(reversed(range(len(whole))))), x._w)
    return make(pg.reshape(x._t, dims), x._w)


def ravel(a: Any, order: str = "C", *, out_sharding: Any = None) -> Array:
    """One axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ravel(jnp.ones((1, 2)))
    Array([1., 1.], dtype=float32)
    """
    return reshape(a, (size(a),), order)


def transpose(a: Any, axes: Any = None) -> Array:
    """The axes in another order; reversed if none is given.

    >>> import pg_jax.numpy as jnp
    >>> jnp.transpose(jnp.ones((2, 3))).shape
    (3, 2)
    """
    x = lift(a, "transpose")
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(operator.index(i) for i in axes)
    if sorted(axis_of(i, x.ndim) for i in order) != list(range(x.ndim)):
        raise TypeError(
            f"permutation isn't a permutation of operand dimensions, got permutation {order} for operand "
            f"shape {x.shape}."
        )
    return make(prims.transpose(x._t, permutation=[i % x.ndim for i in order]), x._w)


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Array:
    """The last two axes swapped.

    >>> import pg_jax.numpy as jnp
    >>> jnp.matrix_transpose(jnp.ones((1, 2, 3))).shape
    (1, 3, 2)
    """
    if ndim(x) < 2:
        raise ValueError(f"x must be at least two-dimensional for matrix_transpose; got ndim={ndim(x)}")
    return swapaxes(x, -1, -2)


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """Two axes exchanged.

    >>> import pg_jax.numpy as jnp
    >>> jnp.swapaxes(jnp.ones((2, 3)), 0, 1).shape
    (3, 2)
    """
    x = lift(a, "swapaxes")
    i, j = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return transpose(x, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    """Axes moved to other places.

    >>> import pg_jax.numpy as jnp
    >>> jnp.moveaxis(jnp.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = lift(a, "moveaxis")
    src, dst = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(src) != len(dst):
        raise ValueError(f"Inconsistent number of elements: {len(src)} vs {len(dst)}")
    order = [i for i in range(x.ndim) if i not in src]
    for to, origin in sorted(zip(dst, src, strict=True)):
        order.insert(to, origin)
    return transpose(x, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """An axis moved before another one.

    >>> import pg_jax.numpy as jnp
    >>> jnp.rollaxis(jnp.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = lift(a, "rollaxis")
    return make(pg.rollaxis(x._t, axis, start), x._w)


def squeeze(a: Any, axis: Any = None) -> Array:
    """Without axes of extent 1.

    >>> import pg_jax.numpy as jnp
    >>> jnp.squeeze(jnp.ones((1, 2))).shape
    (2,)
    """
    x = lift(a, "squeeze")
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    for i in gone:
        if x.shape[i] != 1:
            raise ValueError(
                f"cannot select an axis to squeeze out which has size not equal to one, got "
                f"shape={x.shape} and dimensions={tuple(gone)}"
            )
    return make(prims.squeeze(x._t, dimensions=gone), x._w)


def expand_dims(a: Any, axis: Any) -> Array:
    """New axes of extent 1.

    >>> import pg_jax.numpy as jnp
    >>> jnp.expand_dims(jnp.ones(2), 0).shape
    (1, 2)
    """
    x = lift(a, "expand_dims")
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = axes_of(tuple(given), x.ndim + len(given))
    dims, rest = [], iter(x.shape)
    for i in range(x.ndim + len(places)):
        dims.append(1 if i in places else next(rest))
    return make(pg.reshape(x._t, dims), x._w)


def broadcast_to(array: Any, shape: Any, *, out_sharding: Any = None) -> Array:
    """Stretched to a shape.

    >>> import pg_jax.numpy as jnp
    >>> jnp.broadcast_to(jnp.arange(2), (2, 2))
    Array([[0, 1],
           [0, 1]], dtype=int32)
    """
    x = lift(array, "broadcast_to")
    dims = sizes(shape)
    try:
        return make(pg.broadcast_to(x._t, dims), x._w)
    except pg.ShapeError:
        raise ValueError(
            f"Incompatible shapes for broadcasting: {x.shape} and requested shape {dims}"
        ) from None


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes broadcast to.

    >>> import pg_jax.numpy as jnp
    >>> jnp.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    try:
        return tuple(pg.broadcast_shapes(*(sizes(s) for s in shapes)))
    except pg.ShapeError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={list(shapes)}") from None


def broadcast_arrays(*args: Any) -> list[Array]:
    """Arrays stretched to one shape.

    >>> import pg_jax.numpy as jnp
    >>> [x.shape for x in jnp.broadcast_arrays(jnp.ones((2, 1)), jnp.ones(3))]
    [(2, 3), (2, 3)]
    """
    xs = lift_all("broadcast_arrays", *args)
    dims = broadcast_shapes(*(x.shape for x in xs))
    return [broadcast_to(x, dims) for x in xs]


# ---- joining and splitting


def _joined(name: str, arrays: Any, least: int = 0) -> tuple[list[Tensor], bool]:
    if isinstance(arrays, (Array, np.ndarray)):
        arrays = list(arrays)
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} requires a sequence of arrays, got {type(arrays)}")
    if not len(arrays):
        raise ValueError(f"Need at least one array to {name}.")
    xs = lift_all(name, *arrays)
    kind, weak = dtypes.join(*((x._t.dtype, x._w) for x in xs))
    return [cast(x._t, kind) for x in xs], weak


def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Array:
    """One behind the other along an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.concatenate([jnp.ones(1), jnp.zeros(1)])
    Array([1., 0.], dtype=float32)
    """
    if builtins.all(type(x) is PRNGKeyArray for x in arrays) and len(arrays):
        return make_keys(pg.concatenate([x._t for x in arrays], axis_of(axis, arrays[0].ndim)))  # type: ignore[return-value]
    ts, weak = _joined("concatenate", arrays)
    if axis is None:
        ts, axis = [pg.reshape(t, (-1,)) for t in ts], 0
    if not ts[0].ndim:
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    if len({t.ndim for t in ts}) > 1:
        raise TypeError(
            f"Cannot concatenate arrays with different numbers of dimensions: got "
            f"{', '.join(str(t.shape) for t in ts)}."
        )
    at = axis_of(axis, ts[0].ndim)
    if len({(*t.shape[:at], *t.shape[at + 1 :]) for t in ts}) > 1:
        raise TypeError(
            "Cannot concatenate arrays with shapes that differ in dimensions other than the one being "
            "concatenated: "
            f"concatenating along dimension {at} for shapes {', '.join(str(t.shape) for t in ts)}."
        )
    made = prims.concatenate(*ts, dimension=at)
    return make(
        made if dtype is None else cast(made, dtypes.of(dtype, "concatenate")), weak and dtype is None
    )


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """``concatenate``.

    >>> import pg_jax.numpy as jnp
    >>> jnp.concat([jnp.ones(1), jnp.zeros(1)])
    Array([1., 0.], dtype=float32)
    """
    return concatenate(arrays, axis)


def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None) -> Array:
    """One behind the other along a new axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.stack([jnp.ones(2), jnp.zeros(2)])
    Array([[1., 1.],
           [0., 0.]], dtype=float32)
    """
    if builtins.all(type(x) is PRNGKeyArray for x in arrays) and len(arrays):
        return make_keys(pg.stack([x._t for x in arrays], axis_of(axis, arrays[0].ndim + 1)))  # type: ignore[return-value]
    ts, weak = _joined("stack", arrays)
    if len({t.shape for t in ts}) > 1:
        raise ValueError("All input arrays must have the same shape.")
    made = pg.stack(ts, axis_of(axis, ts[0].ndim + 1))
    return make(made if dtype is None else cast(made, dtypes.of(dtype, "stack")), weak and dtype is None)


def _stacked(name: str, prepare: Callable[[Tensor], Tensor], axis: Callable[[Tensor], int], doc: str) -> Any:
    def apply(tup: Any, dtype: Any = None) -> Array:
        ts, weak = _joined(name, tup)
        ready = [prepare(t) for t in ts]
        made = concatenate([make(t, weak) for t in ready], axis(ready[0]))
        return made if dtype is None else make(cast(made._t, dtypes.of(dtype, name)))

    return named(apply, name, doc)


hstack = _stacked("hstack", pg.atleast_1d, lambda t: 0 if t.ndim == 1 else 1, "Side by side.")
vstack = _stacked("vstack", pg.atleast_2d, lambda t: 0, "Below each other.")
dstack = _stacked("dstack", pg.atleast_3d, lambda t: 2, "Along the third axis.")
column_stack = _stacked(
    "column_stack", lambda t: pg.reshape(t, (-1, 1)) if t.ndim < 2 else t, lambda t: 1, "Vectors as columns."
)


def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Values behind an array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.append(jnp.arange(2), 7)
    Array([0, 1, 7], dtype=int32)
    """
    if axis is None:
        return concatenate([ravel(arr), ravel(values)], 0)
    return concatenate([lift(arr, "append"), lift(values, "append")], axis)


def _pieces(name: str, uneven: bool, x: Array, given: Any, axis: int) -> list[Array]:
    at = axis_of(axis, x.ndim)
    n = x.shape[at]
    if isinstance(given, (list, tuple)) or np.ndim(given):
        cuts = [0, *(min(operator.index(i) + (n if i < 0 else 0), n) for i in given), n]
    else:
        (parts,) = sizes(given)
        if n % parts and not uneven:
            raise ValueError(f"array split does not result in an equal division: rest is {n % parts}")
        each, more = divmod(n, parts)
        cuts = [0]
        for i in range(parts):
            cuts.append(cuts[-1] + each + (i < more))
    key = [slice(None)] * at
    return [make(x._t[(*key, slice(a, builtins.max(a, b)))], x._w) for a, b in itertools.pairwise(cuts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis, equal or cut at places.

    >>> import pg_jax.numpy as jnp
    >>> jnp.split(jnp.arange(4), 2)
    [Array([0, 1], dtype=int32), Array([2, 3], dtype=int32)]
    """
    return _pieces("split", False, lift(ary, "split"), indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis, nearly equal.

    >>> import pg_jax.numpy as jnp
    >>> [len(p) for p in jnp.array_split(jnp.arange(5), 2)]
    [3, 2]
    """
    return _pieces("array_split", True, lift(ary, "array_split"), indices_or_sections, axis)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the first axis.

    >>> import pg_jax.numpy as jnp
    >>> len(jnp.vsplit(jnp.ones((2, 1)), 2))
    2
    """
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the second axis.

    >>> import pg_jax.numpy as jnp
    >>> len(jnp.hsplit(jnp.ones((1, 2)), 2))
    2
    """
    return split(ary, indices_or_sections, 0 if ndim(ary) == 1 else 1)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Parts along the third axis.

    >>> import pg_jax.numpy as jnp
    >>> len(jnp.dsplit(jnp.ones((1, 1, 2)), 2))
    2
    """
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices along an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.unstack(jnp.arange(2))
    (Array(0, dtype=int32), Array(1, dtype=int32))
    """
    a = lift(x, "unstack")
    if not a.ndim:
        raise ValueError("Unstack requires arrays with rank > 0, however a scalar array was passed.")
    return tuple(make(t, a._w) for t in prims.unstack(a._t, axis=axis_of(axis, a.ndim)))


# ---- repeating, turning


def flip(m: Any, axis: Any = None) -> Array:
    """Axes backwards.

    >>> import pg_jax.numpy as jnp
    >>> jnp.flip(jnp.arange(3))
    Array([2, 1, 0], dtype=int32)
    """
    x = lift(m, "flip")
    return make(prims.rev(x._t, dimensions=axes_of(axis, x.ndim)), x._w)


def fliplr(m: Any) -> Array:
    """The second axis backwards.

    >>> import pg_jax.numpy as jnp
    >>> jnp.fliplr(jnp.array([[1, 2]]))
    Array([[2, 1]], dtype=int32)
    """
    return flip(m, 1)


def flipud(m: Any) -> Array:
    """The first axis backwards.

    >>> import pg_jax.numpy as jnp
    >>> jnp.flipud(jnp.array([1, 2]))
    Array([2, 1], dtype=int32)
    """
    return flip(m, 0)


def tile(A: Any, reps: Any) -> Array:
    """Repeated along its axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.tile(jnp.arange(2), 2)
    Array([0, 1, 0, 1], dtype=int32)
    """
    x = lift(A, "tile")
    return make(pg.tile(x._t, sizes(reps)), x._w)


def repeat(a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None) -> Array:
    """Each element several times.

    >>> import pg_jax.numpy as jnp
    >>> jnp.repeat(jnp.arange(2), 2)
    Array([0, 0, 1, 1], dtype=int32)
    """
    x = lift(a, "repeat")
    t = x._t
    if axis is None:
        t, axis = pg.reshape(t, (-1,)), 0
    at = axis_of(axis, t.ndim)
    if total_repeat_length is not None:
        counts = pg.broadcast_to(cast(lift(repeats, "repeat")._t, pg.int32), (t.shape[at],))
        ends = pg.cumsum(counts)
        places = pg.searchsorted(ends, pg.arange(total_repeat_length, dtype=ends.dtype), side="right")
        return make(pg.take(t, pg.clip(places, 0, t.shape[at] - 1), at), x._w)
    if isinstance(repeats, Array) and repeats._t.is_abstract:
        from .._array import concretization

        raise concretization(
            repeats, "When jit-compiling jnp.repeat, the total number of repeats must be static."
        )
    counts_array = np.asarray(repeats)
    return make(pg.repeat(t, int(counts_array) if counts_array.ndim == 0 else counts_array, at), x._w)


def roll(a: Any, shift: Any, axis: Any = None) -> Array:
    """Elements moved round along axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.roll(jnp.arange(3), 1)
    Array([2, 0, 1], dtype=int32)
    """
    x = lift(a, "roll")
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = axes_of(axis, x.ndim)
    shifts = (
        shift
        if isinstance(shift, (tuple, list))
        else [shift] * len(axes)
        if np.ndim(shift) == 0
        else list(shift)
    )
    t = x._t
    for at, by in zip(axes, shifts, strict=False):
        n = t.shape[at]
        if isinstance(by, Array) and by._t.is_abstract and n:
            places = pg.remainder(pg.arange(n, dtype=pg.int64) - by._t.astype(pg.int64), n)
            t = pg.take(t, places, at)
        elif n:
            t = pg.roll(t, int(by) % n, at)
    return make(t, x._w)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turned by right angles.

    >>> import pg_jax.numpy as jnp
    >>> jnp.rot90(jnp.array([[1, 2]]))
    Array([[2],
           [1]], dtype=int32)
    """
    x = lift(m, "rot90")
    if x.ndim < 2:
        raise ValueError("rot90 requires its first argument to have ndim at least two")
    return make(pg.rot90(x._t, k, axes), x._w)


def _least(n: int, f: Callable[[Tensor], Tensor]) -> Any:
    def apply(*arys: Any) -> Any:
        made = [make(f(x._t), x._w) for x in lift_all(f"atleast_{n}d", *arys)]
        return made[0] if len(made) == 1 else made

    return named(apply, f"atleast_{n}d", f"At least {n} axes.")


atleast_1d, atleast_2d, atleast_3d = (
    _least(1, pg.atleast_1d),
    _least(2, pg.atleast_2d),
    _least(3, pg.atleast_3d),
)


def tril(m: Any, k: int = 0) -> Array:
    """The lower triangle.

    >>> import pg_jax.numpy as jnp
    >>> jnp.tril(jnp.ones((2, 2)))
    Array([[1., 0.],
           [1., 1.]], dtype=float32)
    """
    x = lift(m, "tril")
    if x.ndim < 2:
        raise ValueError("Argument to jax.numpy.tril must be at least 2D")
    return make(pg.tril(x._t, k), x._w)


def triu(m: Any, k: int = 0) -> Array:
    """The upper triangle.

    >>> import pg_jax.numpy as jnp
    >>> jnp.triu(jnp.ones((2, 2)))
    Array([[1., 1.],
           [0., 1.]], dtype=float32)
    """
    x = lift(m, "triu")
    if x.ndim < 2:
        raise ValueError("Argument to jax.numpy.triu must be at least 2D")
    return make(pg.triu(x._t, k), x._w)


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """Elements around an array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.pad(jnp.arange(2), 1)
    Array([0, 0, 1, 0], dtype=int32)
    """
    x = lift(array, "pad")
    widths = np.asarray(
        [[w, w] if np.ndim(w) == 0 else w for w in pad_width]
        if np.ndim(pad_width) == 1 and x.ndim > 1 and len(pad_width) != 2
        else pad_width
    )
    pairs = np.broadcast_to(widths, (x.ndim, 2)).tolist()
    if mode == "constant":
        value = lift(kwargs.pop("constant_values", 0), "pad")
        if kwargs:
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {kwargs}")
        if value.ndim == 0:
            config = [(int(a), int(b), 0) for a, b in pairs]
            return make(prims.pad(x._t, cast(value._t, x._t.dtype), padding_config=config), x._w)
        return make(pg.pad(x._t, pairs, mode, constant_values=np.asarray(value).tolist()), x._w)
    return make(pg.pad(x._t, pairs, mode, **kwargs), x._w)


def resize(a: Any, new_shape: Any) -> Array:
    """The elements, repeated or cut, in another shape.

    >>> import pg_jax.numpy as jnp
    >>> jnp.resize(jnp.arange(2), 3)
    Array([0, 1, 0], dtype=int32)
    """
    x = lift(a, "resize")
    return make(pg.resize(x._t, sizes(new_shape)), x._w)


def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Array:
    """The array in another dtype.

    >>> import pg_jax.numpy as jnp
    >>> jnp.astype(jnp.arange(2), jnp.float32)
    Array([0., 1.], dtype=float32)
    """
    a = lift(x, "astype")
    kind = dtypes.default_float() if dtype is None else dtypes.of(dtype, "astype")
    if a._t.dtype.is_complex and not kind.is_complex and kind is not pg.bool_:
        import warnings

        warnings.warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
            stacklevel=2,
        )
    return make(cast(a._t, kind))
