"""One row per public op: sample arguments, dtypes, a NumPy (or torch) reference, what is differentiable.

The laws in ``laws/`` run over this table; ``test_completeness.py`` fails when a public op or a record has
no row.
"""

# Size: one table, a row for each op; parts of it would be looked up in several places.

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
from peers import need

FLOATS = ("float32", "float64", "float16", "bfloat16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
REAL = FLOATS + INTS
ALL = (*REAL, "bool")


class Arr(NamedTuple):
    """An array argument; ``kind`` fixes what the row's dtype must not change: "i" indices below ``high``,
    "b" bools.
    """

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    kind: str = ""
    strided: bool = False
    distinct: bool = False  # no ties


def A(*shape: int, **options: Any) -> Arr:
    return Arr(shape, **options)


def I(high: int, *shape: int) -> Arr:  # noqa: E743
    return Arr(shape, 0, high, "i")


def B(*shape: int) -> Arr:
    return Arr(shape, 0, 2, "b")


class Sample(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def S(*args: Any, **kwargs: Any) -> Sample:
    return Sample(args, kwargs)


@dataclass
class Row:
    """What the laws need to know about one op."""

    name: str
    samples: Sequence[Sample]
    reference: Callable[..., Any]
    dtypes: Sequence[str] = FLOATS
    out: str = "same"  # same | bool | int64 | float | sum
    diff: tuple[int, ...] = (0,)  # positions of differentiable array arguments
    second: bool = True  # finite differences to second order make sense
    tolerance: float = 1.0  # times the dtype's own
    call: Callable[..., Any] | None = None
    domain: tuple[float, float] | None = None
    why: str = ""  # where the reference is not plain NumPy: why
    differs: dict[str, str] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Any]:
        return self.call or getattr(pg, self.name)


SHAPES1 = [(2, 3), (), (0, 3), (1027,)]


def unary(
    name: str, reference: Callable[..., Any], domain: tuple[float, float] = (-2.0, 2.0), **options: Any
) -> Row:
    low, high = domain
    samples = [S(Arr(s, low, high)) for s in SHAPES1] + [S(Arr((5, 4), low, high, strided=True))]
    return Row(name, samples, reference, domain=domain, **options)


def binary(
    name: str, reference: Callable[..., Any], domain: tuple[float, float] = (-2.0, 2.0), **options: Any
) -> Row:
    low, high = domain
    pairs = [((2, 3), (2, 3)), ((), ()), ((0, 3), (3,)), ((3, 1), (1, 4)), ((1027,), ())]
    samples = [S(Arr(a, low, high), Arr(b, low, high)) for a, b in pairs]
    samples.append(S(Arr((5, 4), low, high, strided=True), Arr((4,), low, high, strided=True)))
    options.setdefault("diff", (0, 1))
    return Row(name, samples, reference, domain=domain, **options)


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(np.asarray(x, float))


def _erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(np.asarray(x, float))


def _torch(f: Callable[..., Any]) -> Callable[..., Any]:
    """A torch function as a reference on arrays."""

    def reference(*args: Any, **kwargs: Any) -> Any:
        torch = need("torch")

        made = [torch.from_numpy(np.array(a, order="C")) if isinstance(a, np.ndarray) else a for a in args]
        out = f(torch, *made, **kwargs)
        return out.numpy() if isinstance(out, torch.Tensor) else [o.numpy() for o in out]

    return reference


def _int_floor_divide(x: Any, y: Any) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "iu":
        with np.errstate(all="ignore"):
            return np.floor_divide(x, y)
    out = np.floor_divide(x, np.where(y == 0, 1, y).astype(y.dtype))
    return np.where(y == 0, 0, out).astype(out.dtype)


def _int_remainder(x: Any, y: Any, f: Any = np.remainder) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "iu":
        return f(x, y)
    out = f(x, np.where(y == 0, 1, y).astype(y.dtype))
    return np.where(y == 0, 0, out).astype(out.dtype)


def _softmax(x: Any, axis: Any = -1) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


POSITIVE = (0.2, 3.0)
UNIT = (-0.9, 0.9)
FAR = (0.5, 2.5)  # away from zero

_f = {"out": "float", "dtypes": FLOATS + ("int32", "bool", "uint8")}

MATHS = [
    unary("sqrt", np.sqrt, POSITIVE, **_f),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), POSITIVE),
    unary("cbrt", np.cbrt, FAR),
    unary("square", np.square, dtypes=REAL),
    unary("reciprocal", lambda x: 1 / np.asarray(x, float), FAR),
    unary("exp", np.exp, **_f),
    unary("exp2", np.exp2, **_f),
    unary("expm1", np.expm1, **_f),
    unary("log", np.log, POSITIVE),
    unary("log2", np.log2, POSITIVE),
    unary("log10", np.log10, POSITIVE),
    unary("log1p", np.log1p, UNIT),
    unary("sin", np.sin, **_f),
    unary("cos", np.cos, **_f),
    unary("tan", np.tan, (-1.2, 1.2)),
    unary("asin", np.arcsin, UNIT),
    unary("acos", np.arccos, UNIT),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh, **_f),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, (1.2, 3.0)),
    unary("atanh", np.arctanh, UNIT),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-np.asarray(x, float))), **_f),
    unary("erf", _erf),
    unary("erfc", _erfc),
    unary("erfinv", _torch(lambda t, x: t.erfinv(x)), UNIT, tolerance=4),
    unary("softplus", lambda x: np.log1p(np.exp(x))),
    unary("log_sigmoid", lambda x: -np.log1p(np.exp(-x))),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    binary("atan2", np.arctan2, FAR),
    binary("copysign", np.copysign, FAR),
    binary("hypot", np.hypot, FAR),
    binary("logaddexp", np.logaddexp),
]

_REL = {"int8": (1, 7), "uint8": (1, 7)}
ARITHMETIC = [
    binary("add", np.add, dtypes=REAL),
    binary("subtract", np.subtract, dtypes=REAL),
    binary("multiply", np.multiply, dtypes=REAL),
    binary(
        "divide", lambda x, y: np.asarray(x, float) / y, FAR, out="float", dtypes=FLOATS + ("int32", "uint8")
    ),
    binary("floor_divide", _int_floor_divide, (1, 7), dtypes=REAL, diff=()),
    binary("remainder", _int_remainder, (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("fmod", lambda x, y: _int_remainder(x, y, np.fmod), (1.1, 6.9), dtypes=REAL, diff=(0,)),
    binary("power", np.power, POSITIVE, dtypes=FLOATS + ("int64",), tolerance=2),
    binary("maximum", np.maximum, dtypes=REAL),
    binary("minimum", np.minimum, dtypes=REAL),
    unary("negative", np.negative, dtypes=REAL),
    unary("positive", np.positive, dtypes=REAL),
    unary("abs", np.abs, dtypes=REAL),
    unary("sign", np.sign, dtypes=REAL, second=False),
    unary("floor", np.floor, dtypes=FLOATS + ("int32",), diff=()),
    unary("ceil", np.ceil, dtypes=FLOATS + ("int32",), diff=()),
    unary("trunc", np.trunc, dtypes=FLOATS + ("int32",), diff=()),
    Row(
        "round",
        [S(A(2, 3)), S(A()), S(A(4, low=-9, high=9), 1), S(A(4, low=-90, high=90), -1)],
        np.round,
        diff=(),
        tolerance=2,
    ),
    Row(
        "clip",
        [S(A(3, 4), -0.5, 1.0), S(A(3, 4), None, 0.3), S(A(3, 4), 0.1)],
        lambda x, lo=None, hi=None: np.clip(x, lo, hi),
    ),
    unary("nan_to_num", np.nan_to_num),
    binary("heaviside", np.heaviside, diff=()),
    unary("isnan", np.isnan, out="bool", dtypes=ALL, diff=()),
    unary("isinf", np.isinf, out="bool", dtypes=ALL, diff=()),
    unary("isfinite", np.isfinite, out="bool", dtypes=ALL, diff=()),
    unary("signbit", lambda x: np.asarray(x) < 0, out="bool", dtypes=REAL, diff=()),
    Row(
        "divmod", [S(A(2, 3, low=1, high=7), A(3, low=1, high=7))], np.divmod, dtypes=FLOATS + SIGNED, diff=()
    ),
]

_cmp = {"out": "bool", "dtypes": ALL, "diff": ()}
LOGIC = [
    *[
        binary(n, getattr(np, n), **_cmp)
        for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    *[binary(n, getattr(np, n), **_cmp) for n in ("logical_and", "logical_or", "logical_xor")],
    unary("logical_not", np.logical_not, **_cmp),
    *[
        binary(n, getattr(np, n), (0, 100), dtypes=(*INTS, "bool"), diff=())
        for n in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ],
    unary("bitwise_not", np.bitwise_not, (0, 100), dtypes=(*INTS, "bool"), diff=()),
    binary("left_shift", np.left_shift, (0, 6), dtypes=INTS, diff=()),
    binary("right_shift", np.right_shift, (0, 6), dtypes=INTS, diff=()),
    Row(
        "where",
        [S(B(2, 3), A(2, 3), A(2, 3)), S(B(), A(2, 3), A(3)), S(B(0, 3), A(3), A(1, 3))],
        np.where,
        dtypes=FLOATS + ("int32", "bool"),
        diff=(1, 2),
    ),
    Row("where", [S(B(3), A(3), 0.5), S(B(3), 2.0, A(2, 3))], np.where, diff=(1, 2), why="numbers"),
    Row("isclose", [S(A(2, 3), A(2, 3)), S(A(3), 0.5)], np.isclose, out="bool", diff=()),
    Row("allclose", [S(A(2, 3), A(2, 3))], np.allclose, out="bool", diff=()),
]

_axes = [
    S(A(2, 3, 4)),
    S(A(2, 3, 4), 1),
    S(A(2, 3, 4), (0, -1), True),
    S(A()),
    S(A(3000)),
    S(A(5, 4, strided=True), 0),
]
_axes_empty = [*_axes, S(A(0, 3), 0), S(A(0, 3))]
_axis = [S(A(2, 3, 4), 1), S(A(3, 4), -1), S(A(5)), S(A(0, 3), 0), S(A(2, 300), 1)]
_axis_nonempty = [S(A(2, 3, 4), 1), S(A(3, 4), -1, keepdims=True), S(A(5)), S(A(2, 3)), S(A(2, 300), 1)]


def _np_axis(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis=None, keepdims=False: f(x, axis=axis, keepdims=keepdims)


def _cumulative(f: Callable[..., Any], x: Any, axis: Any = None, reverse: bool = False) -> Any:
    if axis is None:
        x, axis = x.reshape(-1), 0
    return np.flip(f(np.flip(x, axis), axis=axis), axis) if reverse else f(x, axis=axis)


def _var(f: Any) -> Callable[..., Any]:
    return lambda x, axis=None, correction=0, keepdims=False: f(
        x, axis=axis, ddof=correction, keepdims=keepdims
    )


_wide = ("float32", "float64", "bfloat16", *INTS, "bool")
REDUCE = [
    Row("sum", _axes_empty, _np_axis(np.sum), dtypes=(*FLOATS, *INTS, "bool"), out="sum", tolerance=8),
    Row(
        "prod",
        [S(A(2, 3, low=0.5, high=1.5), 1), S(A(4, low=0.5, high=1.5)), S(A(0, 3), 0), S(A())],
        _np_axis(np.prod),
        dtypes=_wide,
        out="sum",
        tolerance=4,
    ),
    Row("mean", _axes, _np_axis(np.mean), dtypes=(*FLOATS, "int32", "bool"), out="float", tolerance=8),
    Row(
        "var",
        [S(A(2, 3, 4)), S(A(3, 4), 1), S(A(3, 4), 0, 1), S(A(3, 4), (0, 1), 0, True)],
        _var(np.var),
        tolerance=8,
    ),
    Row("std", [S(A(2, 3, 4)), S(A(3, 4), 1), S(A(3, 4), 0, 1)], _var(np.std), tolerance=8),
    Row(
        "max",
        [
            S(A(2, 3, 4, distinct=True)),
            S(A(2, 3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), (0, 1), True),
            S(A()),
        ],
        _np_axis(np.max),
        dtypes=ALL,
    ),
    Row(
        "min",
        [
            S(A(2, 3, 4, distinct=True)),
            S(A(2, 3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), (0, 1), True),
            S(A()),
        ],
        _np_axis(np.min),
        dtypes=ALL,
    ),
    Row("any", _axes_empty, _np_axis(np.any), dtypes=ALL, out="bool", diff=()),
    Row("all", _axes_empty, _np_axis(np.all), dtypes=ALL, out="bool", diff=()),
    Row(
        "count_nonzero",
        _axes,
        _np_axis(np.count_nonzero),
        dtypes=("float32", "int8", "bool"),
        out="int64",
        diff=(),
    ),
    Row("argmax", _axis_nonempty, _np_axis(np.argmax), dtypes=ALL, out="int64", diff=()),
    Row("argmin", _axis_nonempty, _np_axis(np.argmin), dtypes=ALL, out="int64", diff=()),
    Row(
        "cumsum",
        [*_axis, S(A(3, 4), 1, reverse=True)],
        lambda *a, **k: _cumulative(np.cumsum, *a, **k),
        dtypes=(*FLOATS, *INTS, "bool"),
        out="sum",
        tolerance=16,
    ),
    Row(
        "cumprod",
        [S(A(2, 5, low=0.5, high=1.5), 1), S(A(5)), S(A(2, 5, low=0.5, high=1.5), 1, reverse=True)],
        lambda *a, **k: _cumulative(np.cumprod, *a, **k),
        dtypes=_wide,
        out="sum",
        tolerance=8,
    ),
    Row(
        "cummax",
        [S(A(3, 5, distinct=True), 1), S(A(6, distinct=True))],
        lambda *a, **k: _cumulative(np.maximum.accumulate, *a, **k),
        dtypes=REAL,
    ),
    Row(
        "cummin",
        [S(A(3, 5, distinct=True), 1), S(A(6, distinct=True))],
        lambda *a, **k: _cumulative(np.minimum.accumulate, *a, **k),
        dtypes=REAL,
    ),
    Row("logsumexp", [S(A(3, 4)), S(A(3, 4), 1), S(A(2, 3, 4), (0, 2), True)], _logsumexp, tolerance=4),
    Row(
        "norm",
        [S(A(3, 4)), S(A(3, 4), 2, 1), S(A(3, 4), 1, 0), S(A(3, 4, distinct=True), math.inf, 1)],
        lambda x, ord=2, axis=None: np.linalg.norm(x.reshape(-1) if axis is None else x, ord, axis),
        tolerance=8,
    ),
    Row(
        "sort",
        [
            S(A(3, 4, distinct=True), 1),
            S(A(3, 4, distinct=True), 0),
            S(A(50, distinct=True)),
            S(A(3, 4, distinct=True), None),
        ],
        lambda x, axis=-1: np.sort(x, axis),
        dtypes=ALL,
    ),
    Row(
        "argsort",
        [S(A(3, 4), 1), S(A(3, 4), 0), S(A(50))],
        lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
        dtypes=ALL,
        out="int64",
        diff=(),
    ),
    Row(
        "topk",
        [S(A(3, 5, distinct=True), 2)],
        lambda x, k: (-np.sort(-x, -1)[..., :k], np.argsort(-x, -1, kind="stable")[..., :k]),
        dtypes=FLOATS + SIGNED,
        out="any",
    ),
]


def _expand(x: Any, axis: Any = 0) -> Any:
    return np.expand_dims(x, axis)


_move = {"dtypes": ALL}
SHAPE = [
    Row(
        "reshape",
        [
            S(A(2, 3), (3, 2)),
            S(A(2, 3), -1),
            S(A(0, 3), (3, 0)),
            S(A(), (1, 1)),
            S(A(5, 4, strided=True), (2, -1)),
        ],
        np.reshape,
        **_move,
    ),
    Row("permute", [S(A(2, 3, 4), (2, 0, 1)), S(A(2, 3), (0, 1)), S(A(), ())], np.transpose, **_move),
    Row("transpose", [S(A(2, 3, 4)), S(A(2, 3, 4), (0, 2, 1))], np.transpose, **_move),
    Row("swapaxes", [S(A(2, 3, 4), 0, -1)], np.swapaxes, **_move),
    Row("matrix_transpose", [S(A(2, 3, 4))], lambda x: np.swapaxes(x, -1, -2), **_move),
    Row("moveaxis", [S(A(2, 3, 4), 0, -1), S(A(2, 3, 4), (0, 1), (-1, 0))], np.moveaxis, **_move),
    Row(
        "broadcast_to",
        [S(A(3), (2, 3)), S(A(2, 1), (2, 4)), S(A(), (2, 2)), S(A(1, 3), (0, 3))],
        np.broadcast_to,
        **_move,
    ),
    Row(
        "broadcast_arrays", [S(A(3), A(2, 1))], lambda *x: list(np.broadcast_arrays(*x)), diff=(0, 1), **_move
    ),
    Row("expand_dims", [S(A(2, 3), 1), S(A(2, 3), (0, -1)), S(A(), 0)], _expand, **_move),
    Row("squeeze", [S(A(1, 3, 1)), S(A(1, 3, 1), 0), S(A(1, 3, 1), (0, -1))], np.squeeze, **_move),
    Row(
        "flatten",
        [S(A(2, 3, 4)), S(A(2, 3, 4), 1), S(A())],
        lambda x, start=0: x.reshape(x.shape[:start] + (-1,)),
        **_move,
    ),
    Row("ravel", [S(A(2, 3))], np.ravel, **_move),
    Row(
        "concatenate",
        [S([A(2, 3), A(1, 3)]), S([A(2, 3), A(2, 2)], 1), S([A(2), A(0), A(3)]), S([A(2, 2), A(3)], None)],
        np.concatenate,
        diff=(),
        call=pg.concatenate,
        **_move,
    ),
    Row("stack", [S([A(2, 3), A(2, 3)]), S([A(2), A(2)], -1), S([A(), A()])], np.stack, diff=(), **_move),
    Row("hstack", [S([A(2), A(3)]), S([A(2, 2), A(2, 1)])], np.hstack, diff=(), **_move),
    Row("vstack", [S([A(2), A(2)]), S([A(2, 2), A(1, 2)])], np.vstack, diff=(), **_move),
    Row("split", [S(A(6, 2), 3), S(A(2, 6), [1, 4], 1), S(A(4), [-1])], np.split, **_move),
    Row("array_split", [S(A(7, 2), 3), S(A(2, 5), 2, 1)], np.array_split, **_move),
    Row(
        "unstack",
        [S(A(3, 2)), S(A(3, 2), 1)],
        lambda x, axis=0: [x.take(i, axis) for i in range(x.shape[axis])],
        **_move,
    ),
    Row("flip", [S(A(2, 3)), S(A(2, 3), 1), S(A(0, 3), 0)], np.flip, **_move),
    Row("roll", [S(A(2, 3), 1), S(A(2, 3), -4, 1), S(A(2, 3), (1, 2), (0, 1))], np.roll, **_move),
    Row("tile", [S(A(2, 3), 2), S(A(3), (2, 2)), S(A(2, 1, 3), (2, 1))], np.tile, **_move),
    Row("repeat", [S(A(2, 3), 2), S(A(2, 3), 3, 1), S(A(2, 3), [1, 2], 0)], np.repeat, **_move),
    Row(
        "pad",
        [
            S(A(2, 3), 1),
            S(A(2, 3), ((0, 1), (2, 0))),
            S(A(3), (1, 2), "constant", 5),
            S(A(4), 2, "edge"),
            S(A(4), 2, "reflect"),
            S(A(4), (1, 3), "symmetric"),
            S(A(4), 3, "wrap"),
        ],
        lambda x, w, mode="constant", v=0: np.pad(
            x, w, mode, **({"constant_values": v} if mode == "constant" else {})
        ),
        dtypes=REAL,
    ),
    Row("tril", [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1)], np.tril, **_move),
    Row("triu", [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1)], np.triu, **_move),
    Row(
        "diagonal",
        [S(A(3, 4)), S(A(2, 3, 3), 1), S(A(3, 3), -1), S(A(2, 2), 5)],
        lambda x, k=0: np.diagonal(x, k, -2, -1),
        **_move,
    ),
    Row("diag", [S(A(3)), S(A(2), 1), S(A(2), -2), S(A(3, 3))], np.diag, **_move),
]


def _take(x: Any, i: Any, axis: Any = None, mode: str = "raise") -> Any:
    return np.take(x, i, axis, mode=mode)


def getitem(key: Any) -> Callable[..., Any]:
    return lambda x, *arrays: x[tuple(arrays[k.at] if isinstance(k, Hole) else k for k in key)]


class Hole(NamedTuple):
    """A place in a key that takes an array argument."""

    at: int


KEYS: list[tuple[Any, tuple[Any, ...]]] = [
    ((1,), ()),
    ((-1, 2), ()),
    ((slice(None, None, -1),), ()),
    ((slice(1, None), slice(None, 1, -1)), ()),
    ((slice(3, 0, -2), slice(0, 4, 3)), ()),
    ((Ellipsis, 0), ()),
    ((None, 1, None, slice(1, 3)), ()),
    ((slice(5, 2),), ()),
    ((Hole(0),), (I(4, 6),)),
    ((Hole(0),), (I(4, 2, 3),)),
    ((slice(None), Hole(0)), (I(5, 3),)),
    ((Hole(0), Hole(1)), (I(4, 3), I(5, 3))),
    ((Hole(0), slice(1, 3), Hole(1)), (I(4, 3), I(3, 3))),
    ((slice(None), Hole(0), Hole(1)), (I(5, 2, 1), I(3, 3))),
    ((0, slice(None), Hole(0)), (I(3, 4),)),
    ((0, Hole(0)), (I(5, 4),)),
    ((None, Hole(0), slice(None, None, 2)), (I(4, 2),)),
]

INDEXING = [
    Row(
        f"getitem{i}",
        [S(A(4, 5, 3), *arrays)],
        getitem(key),
        dtypes=("float32", "int8", "float64"),
        call=getitem(key),
    )
    for i, (key, arrays) in enumerate(KEYS)
] + [
    Row(
        "take",
        [
            S(A(4, 3), I(4, 5), 0),
            S(A(4, 3), I(12, 2, 2)),
            S(A(4, 3), I(9, 3), 1, "clip"),
            S(A(4, 3), I(9, 3), 1, "wrap"),
        ],
        _take,
        **_move,
    ),
    Row(
        "take_along_axis",
        [S(A(4, 3), I(4, 2, 3), 0), S(A(4, 3), I(3, 4, 5), 1), S(A(4), I(4, 3), 0)],
        np.take_along_axis,
        **_move,
    ),
    Row(
        "nonzero", [S(A(4, 3)), S(A(5))], np.nonzero, dtypes=("float32", "int8", "bool"), out="int64", diff=()
    ),
]


def _set(key: Any, mode: str) -> Callable[..., Any]:
    def call(x: Any, v: Any, *arrays: Any) -> Any:
        k = tuple(arrays[h.at] if isinstance(h, Hole) else h for h in key)
        if isinstance(x, pg.Tensor):
            return getattr(x.at[k], mode)(v)
        out = x.copy()
        if mode == "set":
            out[k] = v
        else:
            ufunc = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}[mode]
            ufunc.at(out, k, v)
        return out

    return call


UPDATES: list[tuple[Any, tuple[int, ...], tuple[Any, ...]]] = [
    ((1,), (5, 3), ()),
    ((slice(None, None, -2),), (2, 5, 3), ()),
    ((slice(1, 3), 0), (2, 3), ()),
    ((Ellipsis, slice(2, None, -1)), (3,), ()),
    ((slice(None),), (), ()),
    ((Hole(0),), (3, 5, 3), (Arr((3,), 0, 4, "u"),)),
    ((slice(None), Hole(0)), (3,), (Arr((2,), 0, 5, "u"),)),
    ((Hole(0), 1, Hole(1)), (), (Arr((2,), 0, 4, "u"), Arr((2,), 0, 3, "u"))),
]
INDEXING += [
    Row(
        f"at{i}_{mode}",
        [S(A(4, 5, 3), A(*shape), *arrays)],
        _set(key, mode),
        dtypes=("float32", "int32") if mode != "set" else ("float32", "int8", "bool"),
        call=_set(key, mode),
        # what is scattered by products has no derivative rule; the base has
        diff=(0, 1) if (mode, i) != ("multiply", 5) else (0,),
        tolerance=4,
    )
    for i, (key, shape, arrays) in enumerate(UPDATES)
    for mode in ("set", "add", "multiply", "min", "max")
    if mode in ("set", "add") or i in (1, 5)
]

_mm = [
    S(A(2, 3), A(3, 4)),
    S(A(3), A(3)),
    S(A(2, 3), A(3)),
    S(A(3), A(3, 4)),
    S(A(5, 2, 3), A(3, 4)),
    S(A(5, 1, 2, 3), A(4, 3, 2)),
    S(A(1, 2, 3), A(4, 3, 2)),
    S(A(0, 3), A(3, 2)),
    S(A(2, 0), A(0, 3)),
    S(A(5, 4, strided=True), A(4, 6, strided=True)),
    S(A(70, 65), A(65, 33)),
]
_linear = {"diff": (0, 1), "dtypes": FLOATS + ("int32", "int64", "uint8"), "tolerance": 16}
LINALG = [
    Row("matmul", _mm, np.matmul, **_linear),
    Row(
        "dot",
        [S(A(3), A(3)), S(A(2, 3), A(3, 2)), S(A(2, 2, 3), A(4, 3, 2)), S(A(), A(3))],
        np.dot,
        **_linear,
    ),
    Row("vdot", [S(A(2, 3), A(2, 3))], np.vdot, **_linear),
    Row("inner", [S(A(2, 3), A(4, 3)), S(A(3), A(3))], np.inner, **_linear),
    Row("outer", [S(A(2, 2), A(3))], np.outer, **_linear),
    Row(
        "tensordot",
        [
            S(A(2, 3, 4), A(3, 4, 5)),
            S(A(2, 3), A(3, 2), 1),
            S(A(2, 3, 4), A(4, 2), ([0, 2], [1, 0])),
            S(A(2), A(3), 0),
        ],
        np.tensordot,
        **_linear,
    ),
    Row("trace", [S(A(3, 3)), S(A(3, 4), 1)], np.trace, dtypes=FLOATS, tolerance=4),
    Row(
        "matrix_power",
        [S(A(3, 3), 3), S(A(3, 3), 0), S(A(2, 2), 5)],
        np.linalg.matrix_power,
        dtypes=("float32", "float64"),
        tolerance=64,
    ),
    *[
        Row(
            "einsum",
            [S(e, *arrays)],
            np.einsum,
            call=pg.einsum,
            diff=tuple(range(1, len(arrays) + 1)),
            tolerance=16,
            dtypes=("float32", "float64", "int64"),
            why=e,
        )
        for e, arrays in [
            ("ij,jk->ik", (A(2, 3), A(3, 4))),
            ("ij->ji", (A(2, 3),)),
            ("ij->", (A(2, 3),)),
            ("ii->i", (A(3, 3),)),
            ("ii", (A(3, 3),)),
            ("i,j->ij", (A(2), A(3))),
            ("bij,bjk->bik", (A(2, 3, 4), A(2, 4, 5))),
            ("...ij,jk->...ik", (A(2, 3, 4), A(4, 5))),
            ("ij,jk,kl->il", (A(2, 3), A(3, 4), A(4, 2))),
            ("ij,ij->i", (A(2, 3), A(2, 3))),
            ("ijk,k->ji", (A(2, 3, 4), A(4))),
        ]
    ],
]


def _conv(
    t: Any,
    x: Any,
    w: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    return t.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups)


def _interpolate(
    t: Any,
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
) -> Any:
    extra = {} if mode == "nearest" else {"align_corners": bool(align_corners)}
    return t.nn.functional.interpolate(x, size, scale_factor, mode, **extra)


_act = {"dtypes": FLOATS}
_F = {"dtypes": ("float32", "float64")}
NN = [
    Row("relu", [S(A(3, 4)), S(A())], lambda x: np.maximum(x, 0), dtypes=REAL),
    Row("leaky_relu", [S(A(3, 4)), S(A(3), 0.3)], lambda x, s=0.01: np.where(x > 0, x, s * x), **_act),
    Row("elu", [S(A(3, 4))], lambda x: np.where(x > 0, x, np.expm1(x)), **_act),
    Row("silu", [S(A(3, 4))], lambda x: x / (1 + np.exp(-x)), tolerance=2, **_act),
    Row(
        "gelu",
        [S(A(3, 4)), S(A(3, 4), "tanh")],
        _torch(lambda t, x, a="none": t.nn.functional.gelu(x, approximate=a)),
        tolerance=4,
        **_act,
    ),
    Row("softmax", [S(A(3, 4)), S(A(3, 4), 0), S(A(5), -1)], _softmax, tolerance=4, **_act),
    Row(
        "log_softmax",
        [S(A(3, 4)), S(A(3, 4), 0)],
        lambda x, axis=-1: np.log(_softmax(x, axis)),
        tolerance=4,
        **_act,
    ),
    Row(
        "cross_entropy_loss_probs",
        [S(A(3, 4), A(3, 4, low=0.1, high=0.9)), S(A(2, 4, 3), A(2, 4, 3, low=0.1, high=0.9))],
        _torch(lambda t, x, y: t.nn.functional.cross_entropy(x, y)),
        diff=(0, 1),
        tolerance=8,
        **_F,
    ),
    Row(
        "binary_cross_entropy_with_logits",
        [S(A(3, 4), A(3, 4, low=0.1, high=0.9))],
        _torch(lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y)),
        diff=(0, 1),
        tolerance=8,
        **_F,
    ),
    Row(
        "mse_loss", [S(A(3, 4), A(3, 4))], lambda x, y: np.mean((x - y) ** 2), diff=(0, 1), tolerance=8, **_F
    ),
    Row(
        "conv2d",
        [
            S(A(2, 3, 7, 6), A(4, 3, 3, 2)),
            S(A(2, 3, 7, 6), A(4, 3, 3, 3), A(4), 2, 1),
            S(A(1, 4, 8, 7), A(6, 2, 3, 3), None, (2, 1), (1, 2), (2, 1), 2),
            S(A(2, 4, 5, 5), A(4, 1, 3, 3), None, 1, 1, 1, 4),
            S(A(1, 1, 5, 5), A(1, 1, 1, 1)),
        ],
        _torch(_conv),
        diff=(0, 1),
        tolerance=32,
        **_F,
    ),
    Row(
        "conv1d",
        [S(A(2, 3, 9), A(4, 3, 3)), S(A(2, 4, 9), A(4, 2, 3), None, 2, 1, 2, 2)],
        _torch(lambda t, x, w, b=None, *r: t.nn.functional.conv1d(x, w, b, *r)),
        diff=(0, 1),
        tolerance=32,
        **_F,
    ),
    Row(
        "max_pool2d",
        [
            S(A(2, 3, 6, 7, distinct=True), 2),
            S(A(1, 2, 7, 7, distinct=True), 3, 2, 1),
            S(A(1, 1, 7, 6, distinct=True), (3, 2), (1, 2), (1, 0), (2, 1)),
            S(A(1, 1, 7, 7, distinct=True), 2, 2, 0, 1, True),
        ],
        _torch(lambda t, x, k, s=None, p=0, d=1, c=False: t.nn.functional.max_pool2d(x, k, s, p, d, c)),
        **_F,
    ),
    Row(
        "avg_pool2d",
        [
            S(A(2, 3, 6, 7), 2),
            S(A(1, 2, 7, 7), 3, 2, 1),
            S(A(1, 2, 7, 7), 3, 2, 1, False, False),
            S(A(1, 1, 7, 7), 2, 2, 0, True),
            S(A(1, 1, 7, 7), 3, 2, 1, True),
        ],
        _torch(lambda t, x, *a: t.nn.functional.avg_pool2d(x, *a)),
        tolerance=8,
        **_F,
    ),
    Row(
        "interpolate",
        [
            S(A(2, 3, 4, 5), (8, 10)),
            S(A(1, 1, 4, 5), (3, 2)),
            S(A(1, 2, 4, 5), None, 1.7),
            S(A(2, 3, 4, 5), (8, 9), mode="bilinear"),
            S(A(2, 3, 8, 7), (3, 4), mode="bilinear"),
            S(A(1, 1, 4, 5), (7, 1), mode="bilinear", align_corners=True),
            S(A(1, 1, 4, 5), None, (2.5, 0.5), mode="bilinear"),
        ],
        _torch(_interpolate),
        tolerance=8,
        **_F,
    ),
]

CREATION = [
    Row("zeros", [S((2, 3)), S(4), S(())], lambda s: np.zeros(s, np.float32), dtypes=("float32",), diff=()),
    Row("ones", [S((2, 3)), S(())], lambda s: np.ones(s, np.float32), dtypes=("float32",), diff=()),
    Row("empty", [S((2, 3))], lambda s: np.zeros(s, np.float32), dtypes=("float32",), diff=()),
    Row(
        "full",
        [S((2, 3), 2.5), S((), -1.0)],
        lambda s, v: np.full(s, v, np.float32),
        dtypes=("float32",),
        diff=(),
    ),
    Row("zeros_like", [S(A(2, 3))], np.zeros_like, dtypes=ALL, diff=()),
    Row("ones_like", [S(A(2, 3))], np.ones_like, dtypes=ALL, diff=()),
    Row("empty_like", [S(A(2, 3))], np.zeros_like, dtypes=ALL, diff=()),
    Row("full_like", [S(A(2, 3), 1)], np.full_like, dtypes=ALL, diff=()),
    Row("arange", [S(5), S(2, 9, 3), S(9, 2, -2), S(3, 3)], np.arange, dtypes=("int64",), diff=()),
    Row(
        "arange",
        [S(0.0, 1.0, 0.1), S(5.5), S(1, 0, -0.25)],
        lambda *a: np.arange(*a),
        dtypes=("float32",),
        diff=(),
        why="floats",
    ),
    Row(
        "linspace",
        [S(0, 1, 5), S(-2.0, 3.0, 7), S(1, 2, 1), S(0, 1, 4, False), S(0, 1, 0)],
        np.linspace,
        dtypes=("float32",),
        diff=(),
    ),
    Row("eye", [S(3), S(2, 4), S(4, 3, -1)], np.eye, dtypes=("float32",), diff=()),
    Row(
        "one_hot",
        [S(4, I(4, 5)), S(3, I(3, 2, 2))],
        lambda n, i: np.eye(n, dtype=np.float32)[i],
        dtypes=("float32",),
        diff=(),
    ),
    Row(
        "meshgrid",
        [S(A(2), A(3)), S(A(2), A(3), indexing="ij")],
        lambda *x, **k: list(np.meshgrid(*x, **k)),
        dtypes=("float32", "int8"),
        diff=(0, 1),
    ),
]

ROWS: list[Row] = MATHS + ARITHMETIC + LOGIC + REDUCE + SHAPE + INDEXING + LINALG + NN + CREATION

# Public names that are other names of a row's function, or are tested in a file of their own.
ELSEWHERE = {
    "test_creation.py": {"tensor", "asarray", "from_numpy", "from_dlpack", "broadcast_shapes", "eval"},
    "test_autodiff.py": {"fngrad", "grad", "jvp", "vjp", "value_and_grad", "stop_gradient"},
    "test_jit.py": {"jit", "make_trace"},
    "test_random.py": {"rand", "randn", "manual_seed"},
    "test_device.py": {"set_default_device", "sync_cuda_device"},
}


def is_indexing(row: Row) -> bool:
    return row.name.startswith(("getitem", "at"))
