"""The generator behind draws without a key; uniform and normal numbers, bits, integers, permutations."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from .. import _core, _mapped, dt
from .. import device as _device
from .._core import Tensor
from .._ops.common import (
    TensorLike,
    as_tensor,
    axis_of,
    cast,
    elementwise,
    from_python,
    positive_shape,
)
from .._ops.creation import arange
from .._ops.indexing import getitem, take, take_along_axis
from .._ops.keys import counters, fold_in, key, split, threefry, words
from .._ops.logic import where
from .._ops.maths import erfinv
from .._ops.sorting import argsort
from ..errors import ArgumentError, InvalidValueError

# ---- the generator behind draws without a key


class Generator:
    """A seed and a count of draws. ``default()`` is the calling thread's own.

    >>> g = pg.random.Generator(0)
    >>> a, b = pg.random.uniform(shape=2, generator=g), pg.random.uniform(shape=2, generator=g)
    >>> bool((a == b).any())
    False
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> Generator:
        """Start again from a seed."""
        if not hasattr(self, "_key"):
            self._key = key(seed)
            self._count = from_python(np.array(0, np.uint32))
        else:  # the handles stay: a jitted function that captured them sees the new state
            self._key.assign(key(seed))
            self._count.assign(from_python(np.array(0, np.uint32)))
        return self

    def next_key(self) -> Tensor:
        """The key of the next draw."""
        return fold_in(self._key, self.take(1))

    def take(self, count: int) -> Tensor:
        """The number of the next draw, when ``count`` draws are made at once.

        Inside ``pg.vmap`` each example has numbers of its own: those it would have in a loop.
        """
        over = _mapped.innermost()
        if over is not None:
            return over.take(self, count)
        first = +self._count
        self._count.assign(first + count)
        return first

    def get_state(self) -> dict[str, Any]:
        """The key words and the count, as Python numbers."""
        return {"key": tuple(self._key.tolist()), "count": int(self._count.item())}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that ``get_state`` returned."""
        try:
            words, count = np.array(state["key"], np.uint32), np.array(state["count"], np.uint32)
            words = words.reshape(2)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InvalidValueError(f"set_state: not a generator state: {state!r}") from None
        self._key.assign(from_python(words))
        self._count.assign(from_python(count))


class _PerThread(threading.local):
    generator: Generator | None = None


_per_thread = _PerThread()
_threads = 0
_lock = threading.Lock()


def default() -> Generator:
    """The calling thread's generator. Seeded with 0 on the first thread, 1 on the second that asks, and so
    on.

    >>> isinstance(pg.random.default(), pg.random.Generator)
    True
    """
    global _threads
    if _per_thread.generator is None:
        with _lock:
            number, _threads = _threads, _threads + 1
        # In a thread of its own, where no trace is open: what a trace makes is no state that its program
        # advances.
        made: list[Generator] = []
        maker = threading.Thread(target=lambda: made.append(_of_thread(number)))
        maker.start()
        maker.join()
        _per_thread.generator = made[0]
    return _per_thread.generator


def _of_thread(number: int) -> Generator:
    made = Generator(0)
    if number:  # a key that no seed gives
        made._key.assign(fold_in(key(0), number))
    made._key.eval()
    made._count.eval()
    return made


def manual_seed(seed: int) -> Generator:
    """Seed the calling thread's generator.

    >>> _ = pg.manual_seed(3)
    >>> a = pg.rand(2).tolist()
    >>> _ = pg.manual_seed(3)
    >>> a == pg.rand(2).tolist()
    True
    """
    return default().seed(seed)


def get_state() -> dict[str, Any]:
    """The state of the calling thread's generator, to be saved.

    >>> sorted(pg.random.get_state())
    ['count', 'key']
    """
    return default().get_state()


def set_state(state: dict[str, Any]) -> None:
    """Continue the calling thread's generator from a saved state.

    >>> state = pg.random.get_state()
    >>> a = pg.rand(2).tolist()
    >>> pg.random.set_state(state)
    >>> a == pg.rand(2).tolist()
    True
    """
    default().set_state(state)


def _key_or_next(k: TensorLike | None, generator: Generator | None) -> Tensor:
    if k is not None and not isinstance(k, Tensor):
        raise ArgumentError(
            f"the first argument is a key (pg.random.key(0)) or None, got {type(k).__name__}; pass the "
            "shape by name: shape=(2, 3)"
        )
    return (generator or default()).next_key() if k is None else k


# ---- distributions


def bits(
    k: TensorLike | None = None, shape: Any = (), dtype: Any = "uint32", *, generator: Generator | None = None
) -> Tensor:
    """Uniform random bits of an unsigned dtype.

    >>> pg.random.bits(pg.random.key(1), (3,)).dtype
    uint32
    """
    kind = dt.as_dtype(dtype)
    if kind.kind != "u":
        raise dt.DTypeError(f"bits: needs an unsigned dtype, got {kind}")
    dims = positive_shape(shape, "bits")
    number = None
    if k is None:
        source = generator or default()
        k, number = source._key, source.take(1)
    made = _drawn(k, number, dims, kind)
    if made is not None:
        return made
    k = k if number is None else fold_in(k, number)
    k0, k1 = words(_key_or_next(k, generator), "bits")
    c0, c1 = counters(dims, k0.device.pair)
    if kind is dt.uint64:
        high = cast(threefry(k0, k1, c0, c1, 0), dt.uint64)
        return (high << 32) | cast(threefry(k0, k1, c0, c1, 1), dt.uint64)
    return cast(threefry(k0, k1, c0, c1, 2), kind)


def _drawn(k: Any, number: Tensor | int | None, dims: tuple[int, ...], kind: dt.DType) -> Tensor | None:
    """Bits of a key, folded with a number unless that is None; None for what ``_core.draw`` gives back."""
    if kind is not dt.uint64:
        both = _core.draw(k, number, dims, 2)
        return None if both is None else cast(both, kind)
    high = _core.draw(k, number, dims, 0)
    low = _core.draw(k, number, dims, 1)
    return None if high is None or low is None else (cast(high, kind) << 32) | cast(low, kind)


_UNSIGNED = {8: dt.uint8, 16: dt.uint16, 32: dt.uint32, 64: dt.uint64}
_MANTISSA = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
_ONE = {"float16": 0x3C00, "bfloat16": 0x3F80, "float32": 0x3F800000, "float64": 0x3FF0000000000000}


def _float_type(dtype: Any, what: str) -> dt.DType:
    kind = dt.as_dtype(dtype)
    if kind.kind != "f":
        raise dt.DTypeError(f"{what}: needs a floating dtype, got {kind}")
    return kind


def uniform(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    minval: TensorLike = 0.0,
    maxval: TensorLike = 1.0,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers evenly distributed over [minval, maxval).

    >>> x = pg.random.uniform(pg.random.key(0), (100,))
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    kind = _float_type(dtype, "uniform")
    dims = positive_shape(shape, "uniform")
    width = kind.itemsize * 8
    unsigned = _UNSIGNED[width]
    # Random mantissa bits under the exponent of 1 give [1, 2). bfloat16 has so few that a byte is drawn.
    drawn = 8 if kind is dt.bfloat16 else width
    raw = cast(bits(k, dims, _UNSIGNED[drawn], generator=generator), unsigned)
    raw = (raw >> (drawn - _MANTISSA[kind.name])) | _ONE[kind.name]
    unit = _core.apply("bitcast", (raw,), (kind.code,)) - 1.0
    if type(minval) is float and type(maxval) is float and (minval, maxval) == (0.0, 1.0):
        return unit
    low, high = cast(as_tensor(minval), kind), cast(as_tensor(maxval), kind)
    # JAX's compiler rounds the product and the sum once: so does the next wider type.
    wide = {"float16": dt.float32, "float32": dt.float64}.get(kind.name, kind)
    scaled = cast(cast(unit, wide) * cast(high - low, wide) + cast(low, wide), kind)
    return elementwise("maximum", low, scaled)


def normal(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal numbers: ``sqrt(2) * erfinv(u)``, u uniform over (-1, 1).

    JAX's bits, but for float64, which is correct to 2 units in the last place, where JAX's own inverse error
    function errs by up to 1e5.

    >>> abs(pg.random.normal(pg.random.key(0), (1000,)).mean().item()) < 0.1
    True
    """
    kind = _float_type(dtype, "normal")
    below = {
        "float16": -(1 - 2**-11),
        "bfloat16": -(1 - 2**-8),
        "float32": -(1 - 2**-24),
        "float64": -(1 - 2**-53),
    }
    u = uniform(k, shape, kind, below[kind.name], 1.0, generator=generator)
    # sqrt(2) in the dtype itself, as JAX has it
    return erfinv(u) * math.sqrt(2)


def bernoulli(
    k: TensorLike | None = None, p: TensorLike = 0.5, shape: Any = None, *, generator: Generator | None = None
) -> Tensor:
    """True with probability p.

    >>> pg.random.bernoulli(pg.random.key(0), 1.0, (3,)).tolist()
    [True, True, True]
    """
    chance = as_tensor(p)
    if chance.dtype.kind != "f":
        chance = cast(chance, dt.float32)
    dims = chance.shape if shape is None else positive_shape(shape, "bernoulli")
    return uniform(k, dims, chance.dtype, generator=generator) < p


def randint(
    k: TensorLike | None = None,
    shape: Any = (),
    minval: TensorLike = 0,
    maxval: TensorLike = 2,
    dtype: Any = "int64",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Integers in [minval, maxval), drawn from twice the bits, so that the bias of the remainder is small.

    >>> x = pg.random.randint(pg.random.key(0), (100,), 3, 6)
    >>> x.min().item(), x.max().item()
    (3, 5)
    """
    kind = dt.as_dtype(dtype)
    if not kind.is_integer:
        raise dt.DTypeError(f"randint: needs an integer dtype, got {kind}")
    dims = positive_shape(shape, "randint")
    if kind.itemsize < 4:  # drawn from 32 bits, which leaves less bias
        first, last = (0, 2 ** (8 * kind.itemsize)) if kind.kind == "u" else _signed_range(8 * kind.itemsize)
        low: Any
        high: Any
        if _is_int(minval) and _is_int(maxval):
            low, high = min(max(int(minval), first), last - 1), min(max(int(maxval), first), last)
        else:
            low = elementwise("minimum", elementwise("maximum", minval, first), last - 1)
            high = elementwise("minimum", elementwise("maximum", maxval, first), last)
        return cast(randint(k, dims, low, high, dt.int32, generator=generator), kind)
    width = kind.itemsize * 8
    unsigned = dt.as_dtype(f"uint{width}")
    smallest, largest = (0, 2**width - 1) if kind.kind == "u" else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)
    chosen = _key_or_next(k, generator)
    higher, lower = _drawn(chosen, 0, dims, unsigned), _drawn(chosen, 1, dims, unsigned)
    if higher is None or lower is None:
        keys = split(chosen)  # the same two keys
        higher, lower = bits(getitem(keys, 0), dims, unsigned), bits(getitem(keys, 1), dims, unsigned)
    if _is_int(minval) and _is_int(maxval):
        first = min(max(int(minval), smallest), largest)
        beyond = int(maxval) > largest
        last = min(max(int(maxval), smallest), largest)
        size = (last - first + beyond) % 2**width if last > first else 1
        span: Tensor = _core.number(size, unsigned.code, False, (), (0, 0))
        low = _core.number(first, kind.code, False, (), (0, 0))
        half = _core.number(
            (2 ** (width // 2)) % size if size else 2 ** (width // 2), unsigned.code, False, (), (0, 0)
        )
    else:
        low, high = cast(as_tensor(minval), kind), cast(as_tensor(maxval), kind)
        span = where(
            high <= low,
            1,
            _core.apply("bitcast", (high - low,), (unsigned.code,)) if kind.kind == "i" else high - low,
        )
        half = _rest(_core.full(2 ** (width // 2), unsigned.code, False, (), (0, 0)), span)
    multiplier = _rest(half * half, span)
    offset = _rest(_rest(higher, span) * multiplier + _rest(lower, span), span)
    signed = offset if kind.kind == "u" else _core.apply("bitcast", (offset,), (kind.code,))
    return low + signed


def _is_int(x: Any) -> bool:
    return isinstance(x, (int, np.integer))


def _signed_range(width: int) -> tuple[int, int]:
    return -(2 ** (width - 1)), 2 ** (width - 1)


def _rest(x: Tensor, span: Tensor) -> Tensor:
    """x modulo span, where a span of 0 means the whole range of the dtype."""
    return where(span == 0, x, elementwise("remainder", x, where(span == 0, 1, span)))


def permutation(
    k: TensorLike | None = None,
    x: TensorLike = 0,
    axis: int = 0,
    independent: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """The numbers below x, or the slices of a tensor along an axis, in random order.

    >>> sorted(pg.random.permutation(pg.random.key(0), 5).tolist())
    [0, 1, 2, 3, 4]
    """
    chosen = _key_or_next(k, generator)
    if isinstance(x, (int, np.integer)):
        if x < 0:
            raise InvalidValueError(f"permutation: of {x} numbers")
        return _shuffle(chosen, arange(int(x)), 0)
    x = as_tensor(x)
    at = axis_of(axis, x.ndim, "permutation")
    if independent or x.ndim == 1:
        return _shuffle(chosen, x, at)
    return take(x, _shuffle(chosen, arange(x.shape[at]), 0), at)


def _shuffle(k: Tensor, x: Tensor, axis: int) -> Tensor:
    # Ties of the random words stay in their order; so many rounds make that improbable (JAX's rule).
    rounds = int(np.ceil(3 * np.log(max(1, x.size)) / np.log(0xFFFFFFFF)))
    for _ in range(rounds):
        keys = split(k)
        k = getitem(keys, 0)
        order = argsort(bits(getitem(keys, 1), x.shape), axis)
        x = take_along_axis(x, order, axis)
    return x


def _key_on(device: Any, generator: Generator | None) -> Tensor | None:
    """The next key, where the numbers are to be drawn; None where that is the generator's own device."""
    place = _device.placement(device)
    return None if place == (0, 0) else _core.to_device((generator or default()).next_key(), place)


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return positive_shape(shape[0] if len(shape) == 1 else shape, "rand")


def rand(
    *shape: Any, dtype: Any = "float32", device: Any = None, generator: Generator | None = None
) -> Tensor:
    """Numbers evenly distributed over [0, 1), from the generator: ``rand(2, 3)`` or ``rand((2, 3))``.

    >>> pg.rand((2, 3)).shape
    (2, 3)
    """
    return uniform(_key_on(device, generator), _shape(shape), dtype, generator=generator)


def randn(
    *shape: Any, dtype: Any = "float32", device: Any = None, generator: Generator | None = None
) -> Tensor:
    """Standard normal numbers, from the generator: ``randn(2, 3)`` or ``randn((2, 3))``.

    >>> pg.randn(2, 3).shape
    (2, 3)
    """
    return normal(_key_on(device, generator), _shape(shape), dtype, generator=generator)
