"""Keys of random numbers: the Threefry-2x32 block cipher over the index of each element."""

from __future__ import annotations

import math

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, cast, from_python, iota, positive_shape, reshape_to
from .indexing import getitem
from .shape import broadcast_shapes, broadcast_to, stack


def key(seed: TensorLike) -> Tensor:
    """The key of a seed: two uint32 words.

    >>> pg.random.key(42).tolist()
    [0, 42]
    """
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        if not -(2**63) <= int(seed) < 2**64:
            raise InvalidValueError(f"key: the seed {seed} does not fit 64 bits")
        return from_python(np.array([(int(seed) >> 32) & 0xFFFFFFFF, int(seed) & 0xFFFFFFFF], np.uint32))
    if isinstance(seed, Tensor) and seed.dtype.is_integer and seed.ndim == 0:
        if seed.dtype.itemsize == 8:
            wide = _core.apply("bitcast", (seed,), (dt.uint64.code,)) if seed.dtype.kind == "i" else seed
            return stack([cast(wide >> 32, dt.uint32), cast(wide & 0xFFFFFFFF, dt.uint32)])
        return stack([cast(as_tensor(0), dt.uint32), cast(seed, dt.uint32)])
    raise ArgumentError(f"key: a seed is an integer, got {type(seed).__name__}")


def words(k: TensorLike, what: str) -> tuple[Tensor, Tensor]:
    """The two words of a key."""
    k = as_tensor(k)
    if k.dtype is not dt.uint32 or k.shape != (2,):
        raise ArgumentError(
            f"{what}: a key is uint32 of shape (2,), got {k.dtype} of shape {k.shape}; make one with "
            "pg.random.key(0)"
        )
    return getitem(k, 0), getitem(k, 1)


def threefry(k0: Tensor, k1: Tensor, c0: Tensor, c1: Tensor, word: int) -> Tensor:
    """One word of the block cipher (0 or 1), or the two words xored (2), at counters (c0, c1)."""
    if k0.shape == k1.shape == c0.shape == c1.shape:
        return _core.apply("threefry", (k0, k1, c0, c1), (word,))
    shape = broadcast_shapes(k0.shape, c0.shape)
    return _core.apply("threefry", [broadcast_to(x, shape) for x in (k0, k1, c0, c1)], (word,))


def counters(shape: tuple[int, ...], pair: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The high and low words of each element's index."""
    count = math.prod(shape)
    if count < 2**32:
        low = reshape_to(iota((count,), 0, dt.uint32, pair), shape)
        return _core.full(0, dt.uint32.code, False, shape, pair), low
    index = reshape_to(iota((count,), 0, dt.uint64, pair), shape)
    return cast(index >> 32, dt.uint32), cast(index & 0xFFFFFFFF, dt.uint32)


def split(k: TensorLike, num: int | tuple[int, ...] = 2) -> Tensor:
    """New keys from a key, one per row.

    >>> pg.random.split(pg.random.key(0)).shape
    (2, 2)
    """
    k0, k1 = words(k, "split")
    c0, c1 = counters(positive_shape(num, "split"), k0.device.pair)
    return stack([threefry(k0, k1, c0, c1, 0), threefry(k0, k1, c0, c1, 1)], axis=-1)


def fold_in(k: TensorLike, data: TensorLike) -> Tensor:
    """A new key from a key and a 32-bit integer.

    >>> pg.random.fold_in(pg.random.key(0), 1).shape
    (2,)
    """
    folded = _core.fold_in(k, data)
    if folded is not None:
        return folded
    k0, k1 = words(k, "fold_in")
    if isinstance(data, (int, np.integer)):
        data = int(data) & 0xFFFFFFFF
    low = cast(as_tensor(data), dt.uint32)
    if low.ndim:
        raise ShapeError(f"fold_in: takes one integer, got shape {low.shape}")
    zero = _core.full(0, dt.uint32.code, False, (), low.device.pair)
    return stack([threefry(k0, k1, zero, low, 0), threefry(k0, k1, zero, low, 1)])
