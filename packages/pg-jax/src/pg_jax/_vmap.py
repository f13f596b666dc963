"""``vmap``, and collectives over its named axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import pequegrad as pg

from . import _trees
from ._array import make
from ._effects import collect, emit
from ._flat import Flat, Kind, Leaves
from ._lift import Tensor, cast, lift
from .dtypes import default_int


def _axis(x: Any) -> bool:
    return x is None or isinstance(x, int)


def _spread(axes: Any, tree: Any, what: str) -> list[Any]:
    if isinstance(axes, list):
        axes = tuple(axes)
    try:
        found = _trees.broadcast_prefix(axes, tree, lambda x: x is None, what)
    except ValueError as error:
        raise ValueError(f"vmap {error}") from None
    for axis in found:
        if not _axis(axis):
            raise TypeError(f"vmap {what} must be an int, None, or a pytree of those, but got {axes}.")
    return found


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable | None = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
    sum_match: bool = False,
) -> Callable[..., Any]:
    """The function that applies ``fun`` to many examples at once.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(jnp.dot, in_axes=(0, None))(jnp.eye(2), jnp.array([1.0, 2.0]))
    Array([1., 2.], dtype=float32)
    """
    if not callable(fun):
        raise TypeError(f"Expected a callable value, got {fun!r}")
    if not isinstance(in_axes, (list, tuple, dict, int, type(None))):
        raise TypeError(f"vmap in_axes must be an int, None, or a tuple of entries, got {in_axes!r}.")

    @functools.wraps(fun)
    def vmap_f(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(args):
            raise ValueError(
                f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional "
                f"arguments "
                f"passed to the function, but got len(in_axes)={len(in_axes)}, len(args)={len(args)}"
            )
        leaves = Leaves((args, kwargs), "vmap")
        positional, named = leaves.tree.children
        axes = _spread(in_axes, positional, "in_axes") + [0] * named.num_leaves
        axes = [
            _place(t, kind, axis) for t, kind, axis in zip(leaves.tensors, leaves.kinds, axes, strict=True)
        ]
        _check_sizes(leaves, axes, axis_size)
        places: list[Any] = []  # filled when the structure of the results is known
        flat = Flat(fun, leaves)

        def of_tensors(*tensors: Tensor) -> list[Tensor]:
            with collect() as tokens:
                outs = flat(tensors)
            found = _spread(out_axes, flat.out.tree, "out_axes")
            places.extend(
                _out_place(t, k, axis) for t, k, axis in zip(outs, flat.out.kinds, found, strict=True)
            )
            places.extend([0] * len(tokens))
            return [*outs, *tokens]

        try:
            outs = pg.vmap(of_tensors, tuple(axes), places, axis_name, axis_size)(*leaves.tensors)
        except pg.InvalidValueError as error:
            raise ValueError(str(error)) from None
        count = len(flat.out.tensors)
        emit(outs[count:])
        return flat.out.build(outs[:count])

    return vmap_f


def _place(t: Tensor, kind: Kind, axis: int | None) -> int | None:
    if axis is None:
        return None
    ndim = t.ndim - (kind is None)
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"vmap was requested to map its argument along axis {axis}, which implies that its rank should "
            f"be at "
            f"least {axis + 1 if axis >= 0 else -axis}, but is only {ndim} (its shape is {t.shape})"
        )
    return axis % ndim


def _out_place(t: Tensor, kind: Kind, axis: int | None) -> int | None:
    if axis is None:
        return None
    ndim = t.ndim + 1 - (kind is None)
    return axis % ndim if -ndim <= axis < ndim else axis


def _check_sizes(leaves: Leaves, axes: list[Any], given: int | None) -> None:
    sizes = {t.shape[a] for t, a in zip(leaves.tensors, axes, strict=True) if a is not None}
    if given is not None:
        sizes.add(given)
    if len(sizes) > 1:
        raise ValueError(f"vmap got inconsistent sizes for array axes to be mapped: {sorted(sizes)}")
    if not sizes:
        raise ValueError("vmap must have at least one non-None value in in_axes, or axis_size")


def pmap(
    fun: Callable[..., Any], axis_name: Any = None, *, in_axes: Any = 0, out_axes: Any = 0, **ignored: Any
) -> Any:
    """``fun`` on every device; there is one, so the mapped axes have extent 1.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.pmap(lambda x: x * 2)(jnp.ones((1, 2)))
    Array([[2., 2.]], dtype=float32)
    """
    mapped = vmap(fun, in_axes, out_axes, axis_name)

    @functools.wraps(fun)
    def pmap_f(*args: Any, **kwargs: Any) -> Any:
        for leaf in _trees.flatten(args)[0]:
            if getattr(leaf, "ndim", 0) and leaf.shape[0] != 1 and in_axes == 0:
                raise ValueError(
                    f"compiling computation that requires {leaf.shape[0]} logical devices, but only 1 is "
                    f"there"
                )
        return mapped(*args, **kwargs)

    return pmap_f


# ---- collectives


def _each(f: Callable[..., Tensor], x: Any, axis_name: Any) -> Any:
    leaves = Leaves(x, "a collective")
    return leaves.build([_named(f, t, axis_name) for t in leaves.tensors])


def _named(f: Callable[..., Any], *args: Any) -> Any:
    try:
        return f(*args)
    except (pg.InvalidValueError, pg.ArgumentError) as error:
        if "axis" in str(error) and "name" in str(error):
            raise NameError(f"unbound axis name: {args[-1]}") from None
        raise


def psum(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The sum over a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.psum(x, "i"), axis_name="i")(jnp.arange(3))
    Array([3, 3, 3], dtype=int32)
    """
    _no_groups(axis_index_groups)
    if isinstance(x, (int, float)) and not isinstance(x, bool):
        return x * axis_size(axis_name)
    return _each(lambda t, name: cast(pg.collectives.psum(t, name), t.dtype), x, axis_name)


def pmean(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The mean over a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.pmean(x, "i"), axis_name="i")(jnp.array([1.0, 3.0]))
    Array([2., 2.], dtype=float32)
    """
    size = axis_size(axis_name)
    leaves, tree = _trees.flatten(psum(x, axis_name, axis_index_groups=axis_index_groups))
    return _trees.unflatten(tree, [lift(leaf) / size for leaf in leaves])


def pmax(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The largest over a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.pmax(x, "i"), axis_name="i")(jnp.arange(3))
    Array([2, 2, 2], dtype=int32)
    """
    _no_groups(axis_index_groups)
    return _each(pg.collectives.pmax, x, axis_name)


def pmin(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """The smallest over a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.pmin(x, "i"), axis_name="i")(jnp.arange(3))
    Array([0, 0, 0], dtype=int32)
    """
    _no_groups(axis_index_groups)
    return _each(pg.collectives.pmin, x, axis_name)


def all_gather(
    x: Any, axis_name: Any, *, axis_index_groups: Any = None, axis: int = 0, tiled: bool = False
) -> Any:
    """The values along a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.all_gather(x, "i"), axis_name="i")(jnp.arange(2))
    Array([[0, 1],
           [0, 1]], dtype=int32)
    """
    _no_groups(axis_index_groups)
    return _each(lambda t, name: pg.collectives.all_gather(t, name, axis=axis, tiled=tiled), x, axis_name)


def ppermute(x: Any, axis_name: Any, perm: Any) -> Any:
    """Values sent from place to place along a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.ppermute(x, "i", [(0, 1), (1, 0)]), axis_name="i")(jnp.arange(2))
    Array([1, 0], dtype=int32)
    """
    return _each(lambda t, name: pg.collectives.ppermute(t, name, perm), x, axis_name)


def axis_index(axis_name: Any) -> Any:
    """The number of the example along a named axis.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: jax.lax.axis_index("i"), axis_name="i")(jnp.ones(2))
    Array([0, 1], dtype=int32)
    """
    return make(cast(_named(pg.collectives.axis_index, axis_name), default_int()))


def axis_size(axis_name: Any) -> int:
    """How many examples a named axis has.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.vmap(lambda x: x * jax.lax.axis_size("i"), axis_name="i")(jnp.ones(2))
    Array([2., 2.], dtype=float32)
    """
    return int(_named(pg.collectives.axis_size, axis_name))


def _no_groups(groups: Any) -> None:
    if groups is not None:
        raise NotImplementedError("axis_index_groups is not implemented")
