"""``jax.nn.initializers``: functions of (key, shape, dtype)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from .. import numpy as jnp
from .. import random as jrandom
from .._array import Array
from .._missing import missing

Initializer = Callable[..., Array]


def _dtype(dtype: Any) -> Any:
    return dtypes.NUMPY[dtypes.default_float() if dtype is None else dtypes.of(dtype)]


def zeros(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Array:
    """Zeros.

    >>> from pg_jax.nn import initializers
    >>> initializers.zeros(None, (1,))
    Array([0.], dtype=float32)
    """
    return jnp.zeros(shape, _dtype(dtype))


def ones(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Array:
    """Ones.

    >>> from pg_jax.nn import initializers
    >>> initializers.ones(None, (1,))
    Array([1.], dtype=float32)
    """
    return jnp.ones(shape, _dtype(dtype))


def constant(value: Any, dtype: Any = None) -> Initializer:
    """One value.

    >>> from pg_jax.nn import initializers
    >>> initializers.constant(2.0)(None, (1,))
    Array([2.], dtype=float32)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        return jnp.full(shape, value, _dtype(dtype))

    return init


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform over [0, scale).

    >>> import pg_jax as jax
    >>> jax.nn.initializers.uniform(1.0)(jax.random.key(0), (2,)).shape
    (2,)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        kind = _dtype(dtype)
        return jrandom.uniform(key, shape, kind) * jnp.array(scale, kind)

    return init


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Normal with mean 0.

    >>> import pg_jax as jax
    >>> jax.nn.initializers.normal(1.0)(jax.random.key(0), (2,)).shape
    (2,)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        kind = _dtype(dtype)
        return jrandom.normal(key, shape, kind) * jnp.array(stddev, kind)

    return init


def truncated_normal(
    stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0
) -> Initializer:
    """Normal between bounds.

    >>> import pg_jax as jax
    >>> jax.nn.initializers.truncated_normal(1.0)(jax.random.key(0), (2,)).shape
    (2,)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        kind = _dtype(dtype)
        return jrandom.truncated_normal(key, lower, upper, shape, kind) * jnp.array(stddev, kind)

    return init


def _axes(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _fans(shape: Any, in_axis: Any, out_axis: Any, batch_axis: Any) -> tuple[float, float]:
    if len(shape) <= 1:
        raise ValueError(
            f"Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor. Must be at "
            "least 2D."
        )
    sizes = [math.prod(shape[i] for i in _axes(axes)) for axes in (in_axis, out_axis, batch_axis)]
    receptive = math.prod(shape) / sizes[0] / sizes[1] / sizes[2]
    return sizes[0] * receptive, sizes[1] * receptive


def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Any = -2,
    out_axis: Any = -1,
    batch_axis: Any = (),
    dtype: Any = None,
) -> Initializer:
    """Variance ``scale / fan``, with the fan of inputs, outputs or their mean.

    >>> import pg_jax as jax
    >>> init = jax.nn.initializers.variance_scaling(1.0, "fan_in", "uniform")
    >>> init(jax.random.key(0), (2, 3)).shape
    (2, 3)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        kind = _dtype(dtype)
        fan_in, fan_out = _fans(shape, in_axis, out_axis, batch_axis)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        fans["fan_geo_avg"] = math.sqrt(fan_in * fan_out)
        if mode not in fans:
            raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
        variance = jnp.array(scale / fans[mode], dtype=kind)
        if distribution == "normal":
            return jrandom.normal(key, shape, kind) * jnp.sqrt(variance)
        if distribution == "uniform":
            return jrandom.uniform(key, shape, kind, -1) * jnp.sqrt(3 * variance)
        if distribution == "truncated_normal":
            stddev = jnp.sqrt(variance) / jnp.array(0.87962566103423978, kind)
            return jrandom.truncated_normal(key, -2, 2, shape, kind) * stddev
        raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")

    return init


def _scaled(name: str, scale: float, mode: str, distribution: str) -> Any:
    def make_initializer(
        in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (), dtype: Any = None
    ) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make_initializer.__name__ = name
    make_initializer.__doc__ = f"``variance_scaling({scale}, {mode!r}, {distribution!r})``."
    return make_initializer


glorot_uniform = xavier_uniform = _scaled("glorot_uniform", 1.0, "fan_avg", "uniform")
glorot_normal = xavier_normal = _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal")
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform")
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal")
he_uniform = kaiming_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform")
he_normal = kaiming_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal")


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Orthonormal rows or columns.

    >>> import pg_jax as jax
    >>> jax.nn.initializers.orthogonal()(jax.random.key(0), (2, 2)).shape
    (2, 2)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        kind = _dtype(dtype)
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        rows, cols = math.prod(shape) // shape[column_axis], shape[column_axis]
        size = (cols, rows) if rows < cols else (rows, cols)
        q, r = jnp.linalg.qr(jrandom.normal(key, size, kind))
        q = q * jnp.expand_dims(jnp.sign(jnp.diagonal(r)), 0)
        q = q.T if rows < cols else q
        q = jnp.reshape(q, tuple(np.delete(shape, column_axis)) + (shape[column_axis],))
        return jnp.array(scale, kind) * jnp.moveaxis(q, -1, column_axis)

    return init


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """An orthogonal matrix in the middle of a kernel of zeros.

    >>> import pg_jax as jax
    >>> jax.nn.initializers.delta_orthogonal()(jax.random.key(0), (3, 2, 2)).shape
    (3, 2, 2)
    """
    own = dtype

    def init(key: Any, shape: Any, dtype: Any = own, out_sharding: Any = None) -> Array:
        if len(shape) not in (3, 4, 5) or shape[-1] < shape[-2]:
            raise ValueError(
                "Delta orthogonal initializer requires a 3D, 4D or 5D shape with shape[-1] >= shape[-2]."
            )
        matrix = orthogonal(scale, column_axis, dtype)(key, (shape[-1], shape[-1]))[: shape[-2]]
        middle = tuple((n - 1) // 2 for n in shape[:-2])
        return jnp.zeros(shape, _dtype(dtype)).at[middle].set(matrix)

    return init


def identity(x: Any) -> Any:
    """x.

    >>> import pg_jax as jax
    >>> jax.nn.identity(1)
    1
    """
    return x


def __getattr__(name: str) -> Any:
    raise missing("nn.initializers", name)
