"""Arguments that nobody should pass, drawn by a seeded generator: each is made anew for each call."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pequegrad as pg


class Hostile(Exception):
    """What objects of ours raise: a call may let it through."""


class Index:
    """An object whose conversions misbehave."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _give(self) -> Any:
        if self.value is Hostile:
            raise Hostile("no conversion")
        return self.value

    __index__ = __int__ = __float__ = __len__ = __bool__ = __complex__ = _give

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._give()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._give())

    def __getitem__(self, key: Any) -> Any:
        return self._give()[key]


class Capsule:
    """A foreign tensor that hands out nonsense."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __dlpack__(self, **options: Any) -> Any:
        return self.value

    def __dlpack_device__(self) -> Any:
        return (1, 0)


class Unequal:
    """Raises when compared or hashed."""

    def __eq__(self, other: object) -> bool:
        raise Hostile("not comparable")

    def __hash__(self) -> int:
        raise Hostile("not hashable")


class OddInt(int):
    def __index__(self) -> Any:
        return 1 << 70


class OddList(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Any]:
        return iter([1, 2, 3, 4, 5])


class OddArray(np.ndarray):  # type: ignore[type-arg]
    pass


def selfish(kind: type) -> Any:
    """A container that holds itself."""
    if kind is list:
        made: Any = []
        made.append(made)
    else:
        made = {}
        made["a"] = made
    return made


def deep(levels: int) -> Any:
    made: Any = 1.0
    for _ in range(levels):
        made = [made]
    return made


INTS = [
    0,
    1,
    -1,
    2,
    -2,
    3,
    7,
    63,
    64,
    65,
    127,
    -128,
    255,
    2**31 - 1,
    -(2**31),
    2**31,
    2**32,
    2**62,
    2**63 - 1,
]
INTS += [-(2**63), 2**63, 2**64 - 1, 2**64, -(2**64), 2**100, 10**400]
FLOATS = [
    0.0,
    -0.0,
    0.5,
    1.0,
    -1.5,
    1e308,
    -1e308,
    1e-320,
    float("nan"),
    float("inf"),
    float("-inf"),
    2.0**63,
]
TEXTS = [
    "",
    "a",
    "float32",
    "int8",
    "bool",
    "float31",
    "cpu",
    "cuda",
    "cuda:-1",
    "cuda:99999999999999999999",
    "ij,jk->ik",
]
TEXTS += [
    "...",
    "i...j->",
    "ii",
    "->",
    "constant",
    "reflect",
    "raise",
    "clip",
    "wrap",
    "same",
    "mean",
    "none",
    "a\0b",
    "\ud800",
    "é" * 3,
]
DTYPES = [
    np.dtype(n)
    for n in (
        "f8",
        "f4",
        "f2",
        "i1",
        "i8",
        "u8",
        "?",
        "c8",
        "c16",
        ">f4",
        ">i2",
        "O",
        "S3",
        "U2",
        "M8[s]",
        "m8[s]",
        "V3",
    )
]
SHAPES: list[tuple[int, ...]] = [
    (),
    (0,),
    (1,),
    (3,),
    (2, 3),
    (3, 3),
    (0, 3),
    (3, 0, 2),
    (1, 1, 1, 1),
    (2, 3, 4),
    (1, 2, 5, 5),
    (1,) * 12,
]
OUR_DTYPES = [
    "float32",
    "float32",
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int32",
    "int64",
    "uint8",
    "uint64",
    "bool",
    "complex64",
    "complex128",
]


def array(rnd: random.Random) -> Any:
    shape = rnd.choice(SHAPES)
    kind = rnd.choice(DTYPES)
    made = np.zeros(shape, kind)
    if kind.kind in "fc" and rnd.random() < 0.5:
        with np.errstate(all="ignore"):
            made = (made + rnd.choice(FLOATS)).astype(kind)
    how = rnd.randrange(9)
    if how == 0 and made.ndim:
        return made[::-1]
    if how == 1:
        return np.asfortranarray(made)
    if how == 2:
        made.flags.writeable = False
    elif how == 3:
        return np.broadcast_to(np.float32(1.0), rnd.choice([(2**40,), (2**31, 2**31), (0, 2**62), (5,) * 30]))
    elif how == 4:
        return np.frombuffer(bytes(range(41)), np.uint8)[1:].view(np.float32)  # misaligned
    elif how == 5:
        return np.zeros(shape, "f4").view(OddArray)
    elif how == 6:
        return np.ma.masked_array(np.zeros(3), [True, False, True])
    elif how == 7:
        return np.zeros(9)[::-2]
    return made


def tensor(rnd: random.Random) -> Any:
    shape, dtype = rnd.choice(SHAPES), rnd.choice(OUR_DTYPES)
    how = rnd.randrange(10)
    if how == 0:
        return pg.zeros(rnd.choice([(2**20, 2**20), (2**62, 0), (2**40,), (1, 2**33)]), dtype=dtype)
    made = pg.full(shape, 1, dtype=dtype)
    if how == 1 and made.dtype.is_floating:
        return made * rnd.choice(FLOATS)
    if how == 2 and not made.dtype.is_bool:
        return made * rnd.choice([-1, 5, 100, 127])
    if how == 3 and made.ndim:
        return pg.flip(made)
    if how == 4 and made.ndim > 1:
        return made.T
    if how == 5:
        return made.eval()
    if how == 6:
        return pg.Tensor(np.arange(int(np.prod(shape))).reshape(shape) % 3).astype(dtype)
    return made


def leaked() -> Any:
    """A tensor of a trace that is over."""
    kept = []
    pg.jit(lambda x: kept.append(x) or x)(pg.ones(2))
    return kept[0]


def _fails(*args: Any) -> Any:
    raise Hostile("called")


FUNCTIONS: list[Callable[..., Any]] = [
    lambda *a: a[0],
    lambda x: (x * x).sum(),
    lambda x, y: (x * y).sum(),
    lambda *a: None,
    lambda *a: "text",
    lambda *a: [],
    lambda *a: 1.0,
    lambda *a: {"a": a},
    lambda x: x.item(),
    lambda x: x.numpy(),
    lambda x: bool(x.sum() > 0),
    lambda x: x.astype("int32"),
    lambda c, x: (c, x),
    lambda i, x: x + 1,
    lambda x: pg.grad(lambda y: (y * y).sum())(x),
    lambda x: x.assign(x + 1),
    _fails,
    pg.sin,
    pg.sum,
    len,
    int,
]


def plain(rnd: random.Random) -> Any:
    pick = rnd.randrange(24)
    if pick < 5:
        return rnd.choice(INTS)
    if pick < 7:
        return rnd.choice(FLOATS)
    if pick < 9:
        return rnd.choice(TEXTS)
    return [
        None,
        True,
        False,
        1j,
        complex("nan"),
        b"bytes",
        bytearray(b"123"),
        memoryview(b"abcd"),
        Ellipsis,
        NotImplemented,
        int,
        object(),
        range(3),
        slice(None, None, rnd.choice([1, -1, 0, None, 2**70])),
        slice(rnd.choice(INTS), rnd.choice(INTS), rnd.choice(INTS)),
    ][pick - 9]


def odd(rnd: random.Random, depth: int = 0) -> Any:
    """One odd value."""
    pick = rnd.randrange(30)
    if pick < 8:
        return plain(rnd)
    if pick < 14:
        return tensor(rnd)
    if pick < 17:
        return array(rnd)
    if pick < 19:
        return rnd.choice(FUNCTIONS)
    if pick < 24 and depth < 3:
        items = [
            odd(rnd, depth + 1) if rnd.random() < 0.5 else rnd.choice(INTS[:8])
            for _ in range(rnd.randrange(4))
        ]
        how = rnd.randrange(4)
        if how == 3:
            return dict(zip("abc", items))
        return tuple(items) if how else items
    return [
        lambda: Index(rnd.choice([Hostile, 1 << 70, -1, "x", None, 1.5, [1, 2], float("nan")])),
        lambda: Capsule(rnd.choice([None, 1, object(), "x"])),
        Unequal,
        lambda: OddInt(2),
        lambda: OddList([1]),
        lambda: selfish(rnd.choice([list, dict])),
        lambda: deep(rnd.choice([5, 70, 3000, 100_000])),
        lambda: (i for i in range(3)),
        lambda: {1, 2},
        lambda: {1: 2, "a": 3},
        lambda: np.float32(rnd.choice(FLOATS[:6])),
        lambda: np.int8(3),
        lambda: np.datetime64("2020-01-01"),
        lambda: np.longdouble(1),
        leaked,
        lambda: pg.dt.float32,
        lambda: pg.random.key(0),
        lambda: pg.Tensor,
        lambda: pg,
        lambda: "x" * 100_000,
    ][rnd.randrange(20)]()
