"""The steps that random programs are made of: what each draws, does in pequegrad, and does in NumPy.

The reference is computed in float64 (integers and bools in their own dtype) and rounded to the value's dtype after
each step. Floats begin as small multiples of a half, so most steps are exact and are compared to the last bit;
a step that is not exact says by how much its result may be off at most, given how far its operands may be off.
"""

# Size: one table of steps, each of a few lines.

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pequegrad as pg

Shape = tuple[int, ...]
Array = Any

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint32")
DTYPES = (*FLOATS, *INTS, "bool")
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LIMIT = (
    32  # the largest magnitude of a float that steps go on from; products of two and their halves stay exact
)


@dataclass
class Value:
    """The reference of one value of a program: floats of any width are held as float64."""

    dtype: str
    data: Array
    error: float = 0.0  # the distance from the exact result that a right implementation may have

    @property
    def shape(self) -> Shape:
        return tuple(self.data.shape)

    @property
    def kind(self) -> str:
        return "f" if self.dtype in FLOATS else "b" if self.dtype == "bool" else "i"

    @property
    def size(self) -> float:
        return float(np.abs(self.data).max(initial=0.0)) if self.kind == "f" else 0.0


def rounded(dtype: str, data: Array) -> Array:
    """Float64 data as values of a dtype, again in float64."""
    if dtype == "bfloat16":
        return data.astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
    return data.astype(dtype).astype(np.float64)


def exact(dtype: str, data: Array, error: float = 0.0) -> Value:
    """A result that is rounded once at most; the errors of operands were added up by the caller."""
    data = np.asarray(data)
    if dtype not in FLOATS:
        return Value(dtype, data.astype(dtype))
    data = rounded(dtype, data.astype(np.float64))
    if error:
        error += EPS[dtype] * float(np.abs(data).max(initial=0.0))
    return Value(dtype, data, error)


def near(dtype: str, data: Array, error: float, steps: float = 4.0) -> Value:
    """A result whose computation rounds several times at magnitudes up to that of the result, or up to 1."""
    out = exact(dtype, data)
    out.error = error + steps * EPS[dtype] * max(1.0, float(np.abs(out.data).max(initial=0.0)))
    return out


class Step(NamedTuple):
    """Draws a detail for operands that it can take (None where it cannot), and runs in both libraries."""

    operands: int
    draw: Callable[..., Any]  # (random, *values) -> detail or None
    reference: Callable[..., Value]  # (detail, *values)
    ours: Callable[..., Any]  # (detail, *tensors)


STEPS: dict[str, Step] = {}


def step(name: str, operands: int, draw: Callable[..., Any], reference: Any, ours: Any) -> None:
    assert name not in STEPS, name
    STEPS[name] = Step(operands, draw, reference, ours)


# ---- elementwise


def kinds(which: str) -> Callable[..., Any]:
    return lambda rnd, *values: () if all(v.kind in which for v in values) else None


def exact_floats(rnd: random.Random, *values: Value) -> Any:
    """For steps that jump: they need operands without error."""
    return () if all(v.kind in "if" and not v.error for v in values) else None


def alike(which: str, exactly: bool = False) -> Callable[..., Any]:
    """Two operands of one dtype whose shapes broadcast."""

    def draw(rnd: random.Random, a: Value, b: Value) -> Any:
        if a.dtype != b.dtype or a.kind not in which or (exactly and (a.error or b.error)):
            return None
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            return None
        return ()

    return draw


def jumping(f: Callable[..., Any]) -> Callable[..., Value]:
    return lambda detail, *vs: exact(vs[0].dtype, f(*(v.data for v in vs)))


def comparing(f: Callable[..., Any]) -> Callable[..., Value]:
    return lambda detail, a, b: Value("bool", np.asarray(f(a.data, b.data)))


for _name, _numpy, _ours in (
    ("neg", np.negative, lambda d, a: -a),
    ("abs", np.abs, lambda d, a: pg.abs(a)),
    ("square", lambda a: a * a, lambda d, a: pg.square(a)),
    ("sign", np.sign, lambda d, a: pg.sign(a)),
):
    step(_name, 1, exact_floats, jumping(_numpy), _ours)
for _name, _numpy, _ours in (
    ("floor", np.floor, pg.floor),
    ("ceil", np.ceil, pg.ceil),
    ("trunc", np.trunc, pg.trunc),
    ("round", np.round, pg.round),
):
    step(
        _name,
        1,
        lambda rnd, a: () if a.kind == "f" and not a.error else None,
        jumping(_numpy),
        lambda d, a, f=_ours: f(a),
    )

for _name, _numpy, _slope, _ours in (
    ("sin", np.sin, 1, pg.sin),
    ("cos", np.cos, 1, pg.cos),
    ("tanh", np.tanh, 1, pg.tanh),
    ("sigmoid", lambda a: 1 / (1 + np.exp(-a)), 0.25, pg.sigmoid),
    ("exp", lambda a: np.exp(-np.abs(a)), 1, lambda a: pg.exp(-pg.abs(a))),
    ("log1p", lambda a: np.log1p(np.abs(a)), 1, lambda a: pg.log1p(pg.abs(a))),
    ("sqrt", lambda a: np.sqrt(np.abs(a) + 1), 0.5, lambda a: pg.sqrt(pg.abs(a) + 1)),
    ("reciprocal", lambda a: 1 / (np.abs(a) + 1), 1, lambda a: pg.reciprocal(pg.abs(a) + 1)),
    ("softplus", lambda a: np.logaddexp(a, 0), 1, pg.softplus),
    ("erf", np.vectorize(math.erf, otypes=[np.float64]), 1.2, pg.erf),
):
    # float16 and bfloat16 round after the inner steps too, at magnitudes up to LIMIT
    step(
        _name,
        1,
        kinds("f"),
        lambda d, a, f=_numpy, s=_slope: near(
            a.dtype, f(a.data), s * a.error + s * 2 * EPS[a.dtype] * a.size
        ),
        lambda d, a, f=_ours: f(a),
    )


def _sum_of(sign: int) -> Callable[..., Value]:
    return lambda d, a, b: exact(a.dtype, a.data + b.data if sign > 0 else a.data - b.data, a.error + b.error)


def _product(d: Any, a: Value, b: Value) -> Value:
    return exact(a.dtype, a.data * b.data, a.size * b.error + b.size * a.error)


step("add", 2, alike("fi"), _sum_of(1), lambda d, a, b: a + b)
step("sub", 2, alike("fi"), _sum_of(-1), lambda d, a, b: a - b)
step("mul", 2, alike("fi"), _product, lambda d, a, b: a * b)
step(
    "maximum",
    2,
    alike("fi"),
    lambda d, a, b: exact(a.dtype, np.maximum(a.data, b.data), max(a.error, b.error)),
    lambda d, a, b: pg.maximum(a, b),
)
step(
    "minimum",
    2,
    alike("fi"),
    lambda d, a, b: exact(a.dtype, np.minimum(a.data, b.data), max(a.error, b.error)),
    lambda d, a, b: pg.minimum(a, b),
)
step(
    "divide",
    2,
    alike("f"),
    lambda d, a, b: near(
        a.dtype, a.data / (np.abs(b.data) + 1), a.error + a.size * (b.error + 2 * EPS[a.dtype] * (b.size + 1))
    ),
    lambda d, a, b: a / (pg.abs(b) + 1),
)
for _name, _numpy, _ours in (
    ("less", np.less, lambda d, a, b: a < b),
    ("less_equal", np.less_equal, lambda d, a, b: a <= b),
    ("equal", np.equal, lambda d, a, b: a == b),
    ("not_equal", np.not_equal, lambda d, a, b: a != b),
):
    step(_name, 2, alike("fib", exactly=True), comparing(_numpy), _ours)
for _name, _numpy, _ours in (
    ("and", np.bitwise_and, lambda d, a, b: a & b),
    ("or", np.bitwise_or, lambda d, a, b: a | b),
    ("xor", np.bitwise_xor, lambda d, a, b: a ^ b),
):
    step(_name, 2, alike("ib"), jumping(_numpy), _ours)
step("invert", 1, kinds("ib"), jumping(np.invert), lambda d, a: ~a)
step("floor_divide", 2, alike("i"), jumping(lambda a, b: a // (b & 7 | 1)), lambda d, a, b: a // (b & 7 | 1))
step("remainder", 2, alike("i"), jumping(lambda a, b: a % (b & 7 | 1)), lambda d, a, b: a % (b & 7 | 1))


def _draw_shift(rnd: random.Random, a: Value) -> Any:
    return rnd.randint(0, 7) if a.kind == "i" else None


step(
    "shift_left",
    1,
    _draw_shift,
    lambda n, a: Value(a.dtype, a.data << a.data.dtype.type(n)),
    lambda n, a: a << n,
)
step(
    "shift_right",
    1,
    _draw_shift,
    lambda n, a: Value(a.dtype, a.data >> a.data.dtype.type(n)),
    lambda n, a: a >> n,
)


def _draw_number(rnd: random.Random, a: Value) -> Any:
    return {"f": rnd.choice((0.5, -1.0, 2.0, 3.0)), "i": rnd.choice((1, 2, 3, 5))}.get(a.kind)


def _scaled(n: Any, a: Value) -> Value:
    number = np.float64(n) if a.kind == "f" else a.data.dtype.type(n)
    return exact(
        a.dtype, a.data * number + number, abs(n) * a.error + (2 * EPS[a.dtype] * a.size if a.error else 0)
    )


step("numbers", 1, _draw_number, _scaled, lambda n, a: a * n + n)


step(
    "clip",
    1,
    kinds("f"),
    lambda d, a: Value(a.dtype, np.clip(a.data, -LIMIT, LIMIT), a.error),
    lambda d, a: pg.clip(a, -LIMIT, LIMIT),
)


def _draw_where(rnd: random.Random, p: Value, a: Value, b: Value) -> Any:
    if p.kind != "b" or alike("fib")(rnd, a, b) is None:
        return None
    try:
        np.broadcast_shapes(p.shape, a.shape, b.shape)
    except ValueError:
        return None
    return ()


step(
    "where",
    3,
    _draw_where,
    lambda d, p, a, b: exact(a.dtype, np.where(p.data, a.data, b.data), max(a.error, b.error)),
    lambda d, p, a, b: pg.where(p, a, b),
)


def _draw_cast(rnd: random.Random, a: Value) -> Any:
    to = rnd.choice(DTYPES)
    if a.error and to not in FLOATS:
        return None
    if a.kind == "f" and to.startswith("uint"):
        return None  # negative ones saturate, which NumPy does not define
    return to


def _cast(to: str, a: Value) -> Value:
    if to not in FLOATS:
        return Value(to, a.data.astype(to))
    return exact(to, a.data.astype(np.float64), a.error)


step("astype", 1, _draw_cast, _cast, lambda to, a: a.astype(to))


# ---- shapes


def moves(
    draw: Callable[[random.Random, Shape], Any], move: Callable[..., Any], ours: Any
) -> tuple[Any, ...]:
    """A step that moves elements and computes nothing."""

    def drawn(rnd: random.Random, a: Value) -> Any:
        return draw(rnd, a.shape)

    return (
        1,
        drawn,
        lambda d, a: Value(a.dtype, np.asarray(move(a.data, d)), a.error),
        lambda d, a: ours(a, d),
    )


def _axis(rnd: random.Random, s: Shape) -> Any:
    return rnd.randrange(-len(s), len(s)) if s else None


def _draw_permutation(rnd: random.Random, s: Shape) -> Any:
    return tuple(rnd.sample(range(len(s)), len(s)))


def _draw_shape(rnd: random.Random, s: Shape) -> Any:
    n = math.prod(s)
    if n == 0:
        return rnd.choice([(0,), (2, 0), (0, 3)])
    d = rnd.choice([d for d in range(1, n + 1) if n % d == 0])
    return (d, n // d) if rnd.random() < 0.7 else (n,)


def _draw_key(rnd: random.Random, s: Shape) -> Any:
    key: list[Any] = []
    for n in s:
        how = rnd.random()
        if how < 0.2 and n > 0:
            key.append(rnd.randrange(-n, n))
        elif how < 0.7:
            key.append(
                slice(rnd.choice([None, *range(n + 1)]), rnd.choice([None, n]), rnd.choice([1, 1, 2, 3]))
            )
        elif how < 0.85:
            key.append(slice(None, None, rnd.choice([-1, -2])))
        else:
            key.append(slice(None))
    if rnd.random() < 0.2:
        key.insert(rnd.randint(0, len(key)), None)
    return tuple(key)


def _draw_widths(rnd: random.Random, s: Shape) -> Any:
    return (
        [(rnd.randint(0, 2), rnd.randint(0, 2)) if rnd.random() < 0.5 else (0, 0) for _ in s] if s else None
    )


def _draw_broadcast(rnd: random.Random, s: Shape) -> Any:
    grown = tuple(rnd.randint(1, 3) if n == 1 else n for n in s)
    return (rnd.randint(1, 3), *grown) if rnd.random() < 0.5 else grown


def _draw_rows(rnd: random.Random, s: Shape) -> Any:
    axis = _axis(rnd, s)
    if axis is None or s[axis] == 0:
        return None
    return axis, np.array([rnd.randrange(-s[axis], s[axis]) for _ in range(rnd.randint(0, 4))], np.int32)


def _draw_roll(rnd: random.Random, s: Shape) -> Any:
    axis = _axis(rnd, s)
    return None if axis is None else (rnd.randint(-3, 3), axis)


step("permute", *moves(_draw_permutation, np.transpose, pg.permute))
step("reshape", *moves(_draw_shape, np.reshape, pg.reshape))
step("index", *moves(_draw_key, lambda a, key: a[key], lambda a, key: a[key]))
step("pad", *moves(_draw_widths, np.pad, pg.pad))
step("broadcast", *moves(_draw_broadcast, np.broadcast_to, pg.broadcast_to))
step("flip", *moves(_axis, np.flip, pg.flip))
step("roll", *moves(_draw_roll, lambda a, d: np.roll(a, *d), lambda a, d: pg.roll(a, *d)))
step(
    "take",
    *moves(_draw_rows, lambda a, d: np.take(a, d[1], d[0]), lambda a, d: pg.take(a, pg.Tensor(d[1]), d[0])),
)
step("expand_dims", *moves(lambda rnd, s: rnd.randint(0, len(s)), np.expand_dims, pg.expand_dims))
step("tile", *moves(lambda rnd, s: rnd.randint(1, 3) if s else None, np.tile, pg.tile))
step("tril", *moves(lambda rnd, s: rnd.randint(-1, 1) if len(s) > 1 else None, np.tril, pg.tril))


def _draw_joined(rnd: random.Random, a: Value, b: Value) -> Any:
    if a.dtype != b.dtype or not a.shape or len(a.shape) != len(b.shape):
        return None
    axis = rnd.randrange(len(a.shape))
    return axis if all(m == n for i, (m, n) in enumerate(zip(a.shape, b.shape)) if i != axis) else None


step(
    "concatenate",
    2,
    _draw_joined,
    lambda d, a, b: Value(a.dtype, np.concatenate((a.data, b.data), d), max(a.error, b.error)),
    lambda d, a, b: pg.concatenate((a, b), d),
)
step(
    "stack",
    2,
    lambda rnd, a, b: 0 if a.dtype == b.dtype and a.shape == b.shape else None,
    lambda d, a, b: Value(a.dtype, np.stack((a.data, b.data), d), max(a.error, b.error)),
    lambda d, a, b: pg.stack((a, b), d),
)


def _draw_rows_to_set(rnd: random.Random, a: Value, b: Value) -> Any:
    if (
        a.dtype != b.dtype
        or a.kind == "b"
        or not b.shape
        or a.shape[1:] != b.shape[1:]
        or not a.shape
        or a.shape[0] == 0
    ):
        return None
    return np.array([rnd.randrange(a.shape[0]) for _ in range(b.shape[0])], np.int64)


def _scatter_add(rows: Array, a: Value, b: Value) -> Value:
    out = a.data.copy()
    np.add.at(out, rows, b.data)
    repeats = int(np.bincount(rows).max(initial=0)) + 1 if len(rows) else 1
    rounding = 0.0
    if a.kind == "f" and repeats > 2:
        rounding = repeats * EPS[a.dtype] * (a.size + repeats * b.size)
    return exact(a.dtype, out, a.error + repeats * b.error + rounding)


step("scatter_add", 2, _draw_rows_to_set, _scatter_add, lambda rows, a, b: a.at[pg.Tensor(rows)].add(b))


# ---- reductions


def _draw_axes(rnd: random.Random, s: Shape, empty: bool = True) -> Any:
    axes: Any = tuple(sorted(rnd.sample(range(len(s)), rnd.randint(0, len(s)))))
    if rnd.random() < 0.3:
        axes = None
    over = range(len(s)) if axes is None else axes
    if not empty and math.prod(s[i] for i in over) == 0:
        return None
    return axes, rnd.random() < 0.5


def _count(axes: Any, s: Shape) -> int:
    return math.prod(s if axes is None else [s[i] for i in axes])


def reduction(name: str, which: str, reference: Any, ours: Any, empty: bool, exactly: bool = False) -> None:
    def draw(rnd: random.Random, a: Value) -> Any:
        if a.kind not in which or (exactly and a.error):
            return None
        return _draw_axes(rnd, a.shape, empty)

    step(name, 1, draw, reference, lambda d, a: ours(a, axis=d[0], keepdims=d[1]))


def _sum(d: Any, a: Value) -> Value:
    to = a.dtype if a.kind == "f" else "uint64" if a.dtype.startswith("u") else "int64"
    data = a.data.astype(to) if a.kind != "f" else a.data
    return exact(to, np.sum(data, axis=d[0], keepdims=d[1]), _count(d[0], a.shape) * a.error)


def _mean(d: Any, a: Value) -> Value:
    return near(a.dtype, np.mean(a.data, axis=d[0], keepdims=d[1]), a.error)


def _extreme(f: Any) -> Callable[..., Value]:
    return lambda d, a: Value(a.dtype, np.asarray(f(a.data, axis=d[0], keepdims=d[1])), a.error)


def _logsumexp(d: Any, a: Value) -> Value:
    top = a.data.max(axis=d[0], keepdims=True)
    total = np.log(np.exp(a.data - top).sum(axis=d[0], keepdims=True)) + top
    return near(a.dtype, total if d[1] else total.reshape(a.data.sum(axis=d[0]).shape), a.error)


reduction("sum", "fib", _sum, pg.sum, empty=True)
reduction("mean", "f", _mean, pg.mean, empty=False)
reduction("max", "fi", _extreme(np.max), pg.max, empty=False)
reduction("min", "fi", _extreme(np.min), pg.min, empty=False)
reduction("logsumexp", "f", _logsumexp, pg.logsumexp, empty=False)
reduction(
    "any",
    "fib",
    lambda d, a: Value("bool", np.asarray(np.any(a.data, axis=d[0], keepdims=d[1]))),
    pg.any,
    True,
    True,
)
reduction(
    "all",
    "fib",
    lambda d, a: Value("bool", np.asarray(np.all(a.data, axis=d[0], keepdims=d[1]))),
    pg.all,
    True,
    True,
)


def _draw_one_axis(which: str, exactly: bool) -> Callable[..., Any]:
    def draw(rnd: random.Random, a: Value) -> Any:
        if a.kind not in which or (exactly and a.error):
            return None
        axis = _axis(rnd, a.shape)
        return None if axis is None or a.shape[axis] == 0 else axis

    return draw


def _softmax(axis: int, a: Value) -> Value:
    e = np.exp(a.data - a.data.max(axis=axis, keepdims=True))
    return near(a.dtype, e / e.sum(axis=axis, keepdims=True), 2 * a.error + 2 * EPS[a.dtype] * a.size)


def _cumsum(axis: int, a: Value) -> Value:
    to = a.dtype if a.kind == "f" else "uint64" if a.dtype.startswith("u") else "int64"
    n = a.shape[axis]
    rounding = n * n * EPS[a.dtype] * a.size if a.kind == "f" and n * a.size * EPS[a.dtype] > 0.25 else 0.0
    return exact(
        to, np.cumsum(a.data.astype(to if a.kind != "f" else np.float64), axis=axis), n * a.error + rounding
    )


step(
    "argmax",
    1,
    _draw_one_axis("fi", True),
    lambda d, a: Value("int64", np.argmax(a.data, d)),
    lambda d, a: pg.argmax(a, d),
)
step(
    "argmin",
    1,
    _draw_one_axis("fi", True),
    lambda d, a: Value("int64", np.argmin(a.data, d)),
    lambda d, a: pg.argmin(a, d),
)
step(
    "sort",
    1,
    _draw_one_axis("fi", False),
    lambda d, a: Value(a.dtype, np.sort(a.data, d), a.error),
    lambda d, a: pg.sort(a, d),
)
step(
    "argsort",
    1,
    _draw_one_axis("fi", True),
    lambda d, a: Value("int64", np.argsort(a.data, d, kind="stable")),
    lambda d, a: pg.argsort(a, d, stable=True),
)
step("cumsum", 1, _draw_one_axis("fi", False), _cumsum, lambda d, a: pg.cumsum(a, d))
step("softmax", 1, _draw_one_axis("f", False), _softmax, lambda d, a: pg.softmax(a, d))


def _draw_matmul(rnd: random.Random, a: Value, b: Value) -> Any:
    fits = a.dtype == b.dtype and a.kind in "fi" and len(a.shape) > 1 and len(b.shape) == 2
    return () if fits and a.shape[-1] == b.shape[0] else None


def _matmul(d: Any, a: Value, b: Value) -> Value:
    n = a.shape[-1]
    error = n * (a.size * b.error + b.size * a.error)
    if a.kind == "f" and n * a.size * b.size * EPS[a.dtype] > 0.25:
        error += n * n * a.size * b.size * EPS[a.dtype]
    return exact(a.dtype, a.data @ b.data, error)


step("matmul", 2, _draw_matmul, _matmul, lambda d, a, b: a @ b)


# ---- control flow; its bodies repeat what steps above do, so that the loops themselves are what is new


def _bounded(data: Array) -> Array:
    return np.clip(data, -LIMIT, LIMIT)


def _fori(n: int, a: Value) -> Value:
    data = a.data
    for i in range(n):
        data = _bounded(data * -0.5 + i)
    rounding = 0.0 if a.dtype in ("float32", "float64") and not a.error else 2 * n * EPS[a.dtype] * LIMIT
    return exact(a.dtype, data, a.error + rounding)


def _ours_fori(n: int, a: Any) -> Any:
    return pg.fori_loop(0, n, lambda i, c: pg.clip(c * -0.5 + i.astype(c.dtype), -LIMIT, LIMIT), a)


step("fori_loop", 1, lambda rnd, a: rnd.randint(0, 4) if a.kind == "f" else None, _fori, _ours_fori)


def _while(d: Any, a: Value) -> Value:
    data = a.data
    while np.sum(data) < 40 and data.size and np.max(data) < 100:
        data = data + 7
    return Value(a.dtype, data)


def _ours_while(d: Any, a: Any) -> Any:
    if a.size == 0:
        return a
    return pg.while_loop(lambda c: pg.logical_and(pg.sum(c) < 40, pg.max(c) < 100), lambda c: c + 7, a)


step(
    "while_loop",
    1,
    lambda rnd, a: () if a.dtype in ("int32", "int64") and np.abs(a.data).max(initial=0) < 1000 else None,
    _while,
    _ours_while,
)


def _scan(d: Any, a: Value) -> Value:
    carry, rows = np.zeros(a.shape[1:]), []
    for row in a.data:
        carry = _bounded(carry + row)
        rows.append(carry)
    n = a.shape[0]
    rounding = 0.0 if a.dtype in ("float32", "float64") and not a.error else n * EPS[a.dtype] * 2 * LIMIT
    return exact(a.dtype, np.stack(rows), n * a.error + rounding)


def _ours_scan(d: Any, a: Any) -> Any:
    def body(carry: Any, row: Any) -> Any:
        carry = pg.clip(carry + row, -LIMIT, LIMIT)
        return carry, carry

    return pg.scan(body, pg.zeros_like(a[0]), a)[1]


step("scan", 1, lambda rnd, a: () if a.kind == "f" and a.shape and a.shape[0] else None, _scan, _ours_scan)


def _draw_cond(rnd: random.Random, p: Value, a: Value) -> Any:
    return () if p.kind == "b" and a.kind in "fi" and p.data.size else None


step(
    "cond",
    2,
    _draw_cond,
    lambda d, p, a: exact(a.dtype, a.data * 2 if np.any(p.data) else -a.data, 2 * a.error),
    lambda d, p, a: pg.cond(pg.any(p), lambda x: x * 2, lambda x: -x, a),
)
