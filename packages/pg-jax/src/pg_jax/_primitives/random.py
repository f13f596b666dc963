"""Random bits. A key is two words, uint32[..., 2]; arrays of keys give arrays of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from ._common import UNSIGNED, bits_of, ints


def _each(f: Callable[..., Tensor], shape: Sequence[int], *xs: Tensor) -> Tensor:
    """f of every key; all operands begin with the axes ``shape``."""
    if not shape:
        return f(*xs)
    flat = [pg.reshape(x, (-1, *x.shape[len(shape) :])) for x in xs]
    made = pg.vmap(f)(*flat)
    return pg.reshape(made, (*shape, *made.shape[1:]))


def random_seed(seeds: Tensor, *, impl: Any = None) -> Tensor:
    """The keys of integers."""
    word = bits_of(seeds)
    if word.dtype.itemsize == 8:
        return pg.stack([(word >> 32).astype("uint32"), word.astype("uint32")], -1)
    if seeds.dtype.kind == "i":
        word = pg.bitcast(seeds.astype("int32"), "uint32")
    low = word.astype("uint32")
    return pg.stack([pg.zeros_like(low), low], -1)


def random_wrap(words: Tensor, *, impl: Any = None) -> Tensor:
    """Words as keys."""
    return words


def random_unwrap(keys: Tensor) -> Tensor:
    """Keys as words."""
    return keys


def random_clone(keys: Tensor) -> Tensor:
    """The same keys."""
    return keys


def random_split(keys: Tensor, *, shape: Sequence[int]) -> Tensor:
    """New keys of each key."""
    dims = ints(shape)
    return _each(lambda k: pg.random.split(k, dims), keys.shape[:-1], keys)


def random_fold_in(keys: Tensor, data: Tensor) -> Tensor:
    """Of each key and integer a new key."""
    if keys.shape[:-1] != data.shape:
        shape = pg.broadcast_shapes(keys.shape[:-1], data.shape)
        keys, data = pg.broadcast_to(keys, (*shape, 2)), pg.broadcast_to(data, shape)
    low = (
        bits_of(data).astype("uint32") if data.dtype.itemsize >= 4 else data.astype("int32").astype("uint32")
    )
    return _each(pg.random.fold_in, keys.shape[:-1], keys, low)


def random_bits(keys: Tensor, *, bit_width: int, shape: Sequence[int]) -> Tensor:
    """Random bits of each key."""
    dims, kind = ints(shape), UNSIGNED[int(bit_width) // 8]
    return _each(lambda k: pg.random.bits(k, dims, kind), keys.shape[:-1], keys)


def random_gamma(keys: Tensor, a: Tensor, *, log_space: bool = False) -> Tensor:
    """Of each key, for the shape parameters behind its axes, gamma numbers or their logarithms."""
    draw = pg.random.loggamma if log_space else pg.random.gamma
    shape = keys.shape[:-1]
    rest = a.shape[len(shape) :]
    return _each(lambda k, a: draw(k, a, rest, dtype=a.dtype), shape, keys, a)
