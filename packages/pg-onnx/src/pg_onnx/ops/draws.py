"""Random numbers, from the generator of ``pg.random``, or the same ones in every call where a node states a
seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from .registry import Ints, op


def _key(seed: float | None) -> Any:
    return None if seed is None else pg.random.key(int(np.float32(seed).view(np.uint32)))


def _drawn(function: Any, shape: Ints, dtype: DType, seed: float | None) -> Tensor:
    """Numbers of a type of two bytes are rounded from float32."""
    wide = pg.float32 if dtype.itemsize == 2 else dtype
    return function(_key(seed), shape, wide)


@op("RandomNormal", 1, 22)
def random_normal(
    call: Any,
    *,
    shape: Ints,
    dtype: DType = pg.float32,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Tensor:
    call.check_size(shape)
    return (_drawn(pg.random.normal, shape, dtype, seed) * scale + mean).astype(dtype)


@op("RandomNormalLike", 1, 22)
def random_normal_like(
    call: Any,
    x: Tensor,
    *,
    dtype: DType | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Tensor:
    return random_normal(call, shape=x.shape, dtype=dtype or x.dtype, mean=mean, scale=scale, seed=seed)


@op("RandomUniform", 1, 22)
def random_uniform(
    call: Any,
    *,
    shape: Ints,
    dtype: DType = pg.float32,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Tensor:
    call.check_size(shape)
    return (_drawn(pg.random.uniform, shape, dtype, seed) * (high - low) + low).astype(dtype)


@op("RandomUniformLike", 1, 22)
def random_uniform_like(
    call: Any,
    x: Tensor,
    *,
    dtype: DType | None = None,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Tensor:
    return random_uniform(call, shape=x.shape, dtype=dtype or x.dtype, high=high, low=low, seed=seed)


@op("Bernoulli", 15, 22)
def bernoulli(x: Tensor, *, dtype: DType | None = None, seed: float | None = None) -> Tensor:
    return pg.random.bernoulli(_key(seed), x).astype(dtype or x.dtype)


@op("Multinomial", 7, 22)
def multinomial(
    x: Tensor, *, dtype: DType = pg.int32, sample_size: int = 1, seed: float | None = None
) -> Tensor:
    """The classes drawn for each row of logarithms of chances."""
    drawn = pg.random.categorical(_key(seed), x, -1, (sample_size, x.shape[0]))
    return pg.swapaxes(drawn, 0, 1).astype(dtype)
