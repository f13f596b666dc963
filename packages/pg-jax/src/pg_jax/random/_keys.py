"""Keys: typed ones, and the old pairs of uint32."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pequegrad as pg

from .._array import Array, make
from .._config import config
from .._keys import PRNGKeyArray, make_keys
from .._lift import Tensor, lift, sizes
from .._primitives import random as prims

_IMPLEMENTATIONS = (None, "threefry2x32", "fry")


def _check(impl: Any) -> None:
    if impl not in _IMPLEMENTATIONS:
        raise NotImplementedError(f"the key implementation {impl!r} is not implemented; threefry2x32 is")


def _seed(seed: Any) -> Tensor:
    if isinstance(seed, (bool, np.bool_)):
        seed = int(seed)
    if isinstance(seed, (int, np.integer)):
        value = operator.index(seed)
        if config.x64:
            words = [(value >> 32) & 0xFFFFFFFF, value & 0xFFFFFFFF]
        else:
            words = [0, value & 0xFFFFFFFF]
        return pg.Tensor(np.array(words, np.uint32))
    x = lift(seed, "PRNGKey")
    if not x._t.dtype.is_integer:
        raise TypeError(f"PRNG key seed must be an integer; got {seed!r}")
    if x.ndim:
        raise TypeError(
            f"PRNGKey accepts a scalar seed, but was given an array of shape {x.shape} != (). Use jax.vmap "
            f"for batching"
        )
    return prims.random_seed(x._t)


def key(seed: Any, *, impl: Any = None) -> PRNGKeyArray:
    """A typed key.

    >>> import pg_jax as jax
    >>> jax.random.key(0).dtype
    key<fry>
    """
    _check(impl)
    return make_keys(_seed(seed))


def PRNGKey(seed: Any, *, impl: Any = None) -> Array:
    """A key as two uint32.

    >>> import pg_jax as jax
    >>> jax.random.PRNGKey(7)
    Array([0, 7], dtype=uint32)
    """
    _check(impl)
    return make(_seed(seed))


def words_of(k: Any) -> tuple[Tensor, bool]:
    """The words of a key, and whether it is typed."""
    if type(k) is PRNGKeyArray:
        return k._t, True
    x = lift(k, "random") if not isinstance(k, (list, tuple)) else make(pg.Tensor(np.asarray(k, np.uint32)))
    if x._t.dtype is not pg.uint32 or not x.ndim or x.shape[-1] != 2:
        raise TypeError(
            f"JAX encountered invalid PRNG key data: expected key_data.dtype = uint32; got "
            f"dtype={x._t.dtype.name} and shape {x.shape}"
            if x._t.dtype is not pg.uint32
            else f"JAX encountered invalid PRNG key data: key_data.shape must end with (2,); got {x.shape}"
        )
    return x._t, False


def single(k: Any, what: str) -> Tensor:
    """The words of one key."""
    words, _ = words_of(k)
    if words.ndim != 1:
        raise ValueError(
            f"{what} accepts a single key, but was given a key array of shape {words.shape[:-1]} != (). "
            f"Use jax.vmap for batching."
        )
    return words


def split(key: Any, num: Any = 2) -> Any:
    """Independent keys made of one.

    >>> import pg_jax as jax
    >>> jax.random.split(jax.random.PRNGKey(0))
    Array([[1797259609, 2579123966],
           [ 928981903, 3453687069]], dtype=uint32)
    """
    words, typed = words_of(key)
    if words.ndim != 1:
        raise ValueError(
            f"split accepts a single key, but was given a key array of shape {words.shape[:-1]} != (). Use "
            f"jax.vmap for batching."
        )
    made = prims.random_split(words, shape=sizes(num))
    return make_keys(made) if typed else make(made)


def fold_in(key: Any, data: Any) -> Any:
    """A key made of a key and an integer.

    >>> import pg_jax as jax
    >>> jax.random.fold_in(jax.random.PRNGKey(0), 1)
    Array([ 928981903, 3453687069], dtype=uint32)
    """
    words, typed = words_of(key)
    if words.ndim != 1:
        raise ValueError(
            f"fold_in accepts a single key, but was given a key array of shape {words.shape[:-1]} != (). "
            f"Use jax.vmap for batching."
        )
    if isinstance(data, (int, np.integer)) and not isinstance(data, bool):
        number = pg.Tensor(np.array(int(data) & 0xFFFFFFFF, np.uint32))
    else:
        x = lift(data, "fold_in")
        if x.ndim:
            raise TypeError(
                f"fold_in accepts a scalar, but was given an array of shape {x.shape} != (). Use jax.vmap "
                f"for batching."
            )
        number = x._t
    made = prims.random_fold_in(words, number)
    return make_keys(made) if typed else make(made)


def key_data(keys: Any) -> Array:
    """The words of keys.

    >>> import pg_jax as jax
    >>> jax.random.key_data(jax.random.key(7))
    Array([0, 7], dtype=uint32)
    """
    return make(words_of(keys)[0])


def wrap_key_data(key_bits_array: Any, *, impl: Any = None) -> PRNGKeyArray:
    """Words as typed keys.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32)).shape
    ()
    """
    _check(impl)
    return make_keys(words_of(key_bits_array)[0])


def key_impl(keys: Any) -> str:
    """How keys are made into numbers.

    >>> import pg_jax as jax
    >>> jax.random.key_impl(jax.random.key(0))
    'fry'
    """
    words_of(keys)
    return "fry" if type(keys) is PRNGKeyArray else "threefry2x32"


def clone(key: Any) -> Any:
    """The same key, to be used once more.

    >>> import pg_jax as jax
    >>> jax.random.clone(jax.random.PRNGKey(1))
    Array([0, 1], dtype=uint32)
    """
    words, typed = words_of(key)
    return make_keys(words) if typed else make(words)
