"""Functions of real jax and arguments for them: each is traced by jax, and evaluated by jax and by the bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Case(NamedTuple):
    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    grad: bool = True  # also the jaxpr of its gradient
    tolerance: float = 1.0  # times that of the dtype


def F(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def I(*shape: int, seed: int = 0, low: int = -9, high: int = 9, dtype: Any = np.int32) -> Any:  # noqa: E743
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def B(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2, shape).astype(bool)


# No subnormal numbers: jax takes them for 0 on the CPU.
SPECIAL = np.array([0.0, -0.0, 1.0, -1.5, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-30, 3e38], np.float32)
PAIRS = tuple(np.ascontiguousarray(x) for x in np.broadcast_arrays(SPECIAL[:, None], SPECIAL[None]))
CASES: list[Case] = []


def case(name: str, f: Callable[..., Any], *args: Any, **options: Any) -> None:
    CASES.append(Case(name, f, args, **options))


# ---- elementwise

POSITIVE = {"low": 0.1, "high": 3.0}
UNIT = {"low": -0.9, "high": 0.9}
for name, domain in {
    "exp": {}, "exp2": {}, "expm1": {}, "log": POSITIVE, "log1p": POSITIVE, "sqrt": POSITIVE, "rsqrt": POSITIVE,
    "cbrt": POSITIVE, "sin": {}, "cos": {}, "tan": UNIT, "asin": UNIT, "acos": UNIT, "atan": {}, "sinh": {},
    "cosh": {}, "tanh": {}, "asinh": {}, "acosh": {"low": 1.1, "high": 3.0}, "atanh": UNIT, "logistic": {}, "abs": {},
    "neg": {}, "sign": {}, "floor": {}, "ceil": {}, "square": {}, "erf": {}, "erfc": {}, "erf_inv": UNIT,
    "lgamma": POSITIVE, "digamma": POSITIVE, "bessel_i0e": {}, "bessel_i1e": {},
}.items():  # fmt: skip
    case(name, getattr(lax, name), F(3, 4, **domain), tolerance=8)
    case(f"{name} of special numbers", getattr(lax, name), SPECIAL, grad=False, tolerance=8)
for name in ("abs", "neg", "sign", "square"):
    case(f"{name} of int32", getattr(lax, name), I(5))
    case(f"{name} of float16", getattr(lax, name), F(5, dtype=np.float16))
case("exp of bfloat16", lax.exp, jnp.asarray(F(9), jnp.bfloat16))
case("is_finite", lax.is_finite, SPECIAL)
case("nextafter", lax.nextafter, F(5), F(5, seed=1), grad=False)
for method in lax.RoundingMethod:
    case(f"round {method.name}", lambda x, m=method: lax.round(x, m), np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 2.3, -0.0], np.float32))  # fmt: skip
for name in ("add", "sub", "mul", "div", "max", "min", "rem", "atan2", "pow"):
    high = POSITIVE if name == "pow" else {}
    case(name, getattr(lax, name), F(3, 4, **high), F(3, 4, seed=1, **high), tolerance=4)
    case(
        f"{name} with a number",
        lambda x, n=name: getattr(lax, n)(x, jnp.float32(1.5)),
        F(3, 4, **high),
        tolerance=4,
    )
    case(f"{name} of special numbers", getattr(lax, name), *PAIRS, grad=False, tolerance=8)  # fmt: skip
for name in ("add", "sub", "mul", "div", "max", "min", "rem"):
    pairs = (
        np.array([7, -7, 7, -7, 0, 5, -2147483648, 5], np.int32),
        np.array([2, 2, -2, -2, 3, 0, -1, -2147483648], np.int32),
    )
    case(f"{name} of int32", getattr(lax, name), *pairs)
    case(
        f"{name} of uint8", getattr(lax, name), np.array([7, 200, 0], np.uint8), np.array([2, 0, 9], np.uint8)
    )
case("add of weak scalars", lambda x: x + 1, 2)
case("mul of a weak scalar and an array", lambda x, y: x * y, 2, F(3))
case("mul of bfloat16 and a weak number", lambda x: x * 2.0, jnp.ones(3, jnp.bfloat16))
case("int over int", lambda x, y: x / y, I(4), I(4, seed=1, low=1))
case("floor_divide and mod", lambda x, y: (x // y, x % y, jnp.divmod(x, y)), I(9), I(9, seed=1, low=1))
case("floor_divide and mod of floats", lambda x, y: (x // y, x % y), F(9), F(9, seed=1), grad=False)
for y in (-3, -1, 0, 1, 2, 3, 5):
    case(f"integer_pow {y}", lambda x, y=y: lax.integer_pow(x, y), F(4, **POSITIVE), tolerance=8)
case("pow with an integer tensor", lax.pow, F(4), I(4, low=-3, high=4), tolerance=8, grad=False)
case("clamp", lax.clamp, np.float32(-1), F(3, 4), np.float32(1), grad=False)
case("clamp by arrays", lax.clamp, F(3, low=-2, high=-1), F(3), F(3, low=1, high=2))
case("select_n of bool", lambda w, x, y: lax.select_n(w, x, y), B(3, 4), F(3, 4), F(3, 4, seed=1))
case("select_n of int32", lambda x, y, z: lax.select_n(np.array([0, 2, 1], np.int32), x, y, z), F(3), F(3, seed=1), F(3, seed=2))  # fmt: skip
case("select_n by a scalar", lambda w, x, y: lax.select_n(w, x, y), np.bool_(True), F(3), F(3, seed=1))
case("stop_gradient", lambda x: x * lax.stop_gradient(x), F(3))
for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    case(name, getattr(lax, name), F(5), F(5).round())
    case(f"{name} of special numbers", lambda x, n=name: getattr(lax, n)(*jnp.broadcast_arrays(x[:, None], x[None])), SPECIAL)  # fmt: skip
    case(f"{name} of bools", getattr(lax, name), B(5), B(5, seed=1))
for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    case(name, getattr(lax, name), I(5), I(5, seed=1))
    case(f"{name} of bools", getattr(lax, name), B(5), B(5, seed=1))
case("not", lax.bitwise_not, I(5))
case("not of bools", lax.bitwise_not, B(5))
for name in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
    case(name, getattr(lax, name), I(7), np.array([0, 1, 31, 32, 33, 5, -1], np.int32))
    case(
        f"{name} of uint8",
        getattr(lax, name),
        np.array([255, 7, 128], np.uint8),
        np.array([1, 8, 7], np.uint8),
    )
case("population_count", lax.population_count, I(5))
case("clz", lax.clz, np.array([0, 1, -1, 255], np.int32))
for old in (np.float32, np.int32, np.uint8, np.bool_, np.float16):
    for new in (np.float32, np.int32, np.int8, np.bool_, np.float16, jnp.bfloat16, np.complex64):
        x = np.array([0, 1, 2, 3, 100], np.float32).astype(old)
        case(
            f"{np.dtype(old)} to {jnp.dtype(new)}",
            lambda x, new=new: lax.convert_element_type(x, new),
            x,
            grad=False,
        )
case(
    "float to int saturates",
    lambda x: x.astype(jnp.int32),
    np.array([1e20, -1e20, np.nan, 1.9, -1.9], np.float32),
)
case("bitcast", lambda x: lax.bitcast_convert_type(x, jnp.uint32), F(5))
case("bitcast to narrower", lambda x: lax.bitcast_convert_type(x, jnp.uint8), F(5))
case(
    "bitcast to wider",
    lambda x: lax.bitcast_convert_type(x, jnp.float32),
    I(5, 4, low=0, high=255, dtype=np.uint8),
)
case(
    "bitcast of bfloat16", lambda x: lax.bitcast_convert_type(x, jnp.uint16), jnp.asarray(F(5), jnp.bfloat16)
)
case("reduce_precision", lambda x: lax.reduce_precision(x, 5, 10), F(5))
case(
    "complex",
    lambda x, y: lax.real(lax.conj(lax.complex(x, y)) * lax.complex(y, x)),
    F(4),
    F(4, seed=1),
    tolerance=8,
)
case(
    "imag and abs",
    lambda x: lax.imag(lax.complex(x, x * 2)) + lax.abs(lax.complex(x, x + 1)),
    F(4),
    tolerance=8,
)
case("zeta", lax.zeta, F(4, low=1.5, high=4), F(4, seed=1, **POSITIVE), grad=False, tolerance=64)
case("polygamma", lambda x: lax.polygamma(jnp.float32(2), x), F(4, **POSITIVE), grad=False, tolerance=64)

case(
    "total order",
    lambda x, y: (lax.lt_to_p.bind(x, y), lax.le_to_p.bind(x, y), lax.eq_to_p.bind(x, y)),
    *PAIRS,
)
SPREAD: dict[str, Any] = {"low": 0.3, "high": 5.0}
case("igamma, igammac", lambda a, x: (lax.igamma(a, x), lax.igammac(a, x)), F(9, **SPREAD), F(9, seed=1, **SPREAD), tolerance=500)  # fmt: skip
case("betainc", lambda x: lax.betainc(jnp.full_like(x, 2.5), jnp.full_like(x, 0.7), x), F(9, low=0.05, high=0.95), tolerance=500)  # fmt: skip

# ---- shape

case("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (1,)), F(3))
case("broadcast_in_dim with an extent of 1", lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (0, 2)), F(2, 1))
case("broadcast_in_dim of a scalar", lambda x: lax.broadcast_in_dim(x, (2, 3), ()), np.float32(2))
case("reshape", lambda x: lax.reshape(x, (4, 3)), F(3, 4))
case("reshape in another order", lambda x: lax.reshape(x, (4, 3), (1, 0)), F(3, 4))
case("squeeze", lambda x: lax.squeeze(x, (0, -1)), F(1, 3, 1))
case("expand_dims", lambda x: lax.expand_dims(x, (0, 2)), F(3, 4))
case("transpose", lambda x: lax.transpose(x, (2, 0, 1)), F(2, 3, 4))
case("slice", lambda x: lax.slice(x, (1, 0), (5, 4)), F(6, 4))
case("slice with strides", lambda x: lax.slice(x, (1, 0), (6, 4), (2, 3)), F(6, 4))
case("empty slice", lambda x: lax.slice(x, (2, 0), (2, 4)), F(6, 4))
case("rev", lambda x: lax.rev(x, (0, 2)), F(2, 3, 4))
case("concatenate", lambda x, y: lax.concatenate([x, y], 1), F(2, 3), F(2, 1))
for config in (((1, 2, 0),), ((-1, 1, 0),), ((0, -2, 1),), ((2, 1, 2),), ((-1, -1, 1),)):
    case(f"pad {config}", lambda x, v, c=config: lax.pad(x, v, c), F(5), np.float32(7))
case("pad in two axes", lambda x, v: lax.pad(x, v, ((0, 1, 2), (-1, 0, 0))), F(3, 4), np.float32(0))
for dtype in (np.int32, np.float32, np.uint8, jnp.bfloat16):
    case(f"iota of {jnp.dtype(dtype)}", lambda d=dtype: lax.broadcasted_iota(d, (3, 4), 1))
case("split", lambda x: lax.split(x, (2, 1, 3), 1), F(2, 6))
case("stack and unstack", lambda x, y: jnp.unstack(jnp.stack([x, y], 1), axis=0), F(2, 3), F(2, 3, seed=1))
case("tile", lambda x: jnp.tile(x, (2, 3)), F(2, 2))
case("copy", lambda x: jnp.copy(x), F(3))
case("empty", lambda: jnp.empty((2, 3)) * 0)
case("optimization_barrier", lambda x: lax.optimization_barrier((x, x * 2)), F(3), grad=False)
case("roll, flip, rot90", lambda x: (jnp.roll(x, 2, 1), jnp.flip(x), jnp.rot90(x)), F(3, 4))

# ---- reductions

for name in ("sum", "prod", "max", "min"):
    f = getattr(lax, f"reduce_{name}")
    for axes in ((), (0,), (1, 2), (0, 1, 2)):
        case(f"reduce_{name} over {axes}", lambda x, f=f, axes=axes: f(x, axes), F(2, 3, 4), tolerance=4)
    case(f"reduce_{name} of int8", lambda x, f=f: f(x, (0,)), I(5, dtype=np.int8))
    case(f"reduce_{name} of nothing", lambda x, f=f: f(x, (0,)), F(0, 3), grad=False)
    case(
        f"reduce_{name} with NaN", lambda x, f=f: f(x, (0,)), np.array([1, np.nan, 2], np.float32), grad=False
    )
case("reduce_and, reduce_or", lambda x: (lax.reduce_and(x, (0,)), lax.reduce_or(x, (1,))), B(3, 4))
case("reduce_and, reduce_or, reduce_xor of int32", lambda x: (lax.reduce_and(x, (0,)), lax.reduce_or(x, (1,)), lax.reduce_xor(x, (0, 1))), I(3, 4))  # fmt: skip
case("reduce_max of bools", lambda x: (lax.reduce_max(x, (0,)), lax.reduce_min(x, (0,))), B(3, 4))
case("mean, var, logsumexp", lambda x: (x.mean(0), x.var(1), jax.nn.logsumexp(x)), F(3, 4), tolerance=4)
case("reduce by a function", lambda x, i: lax.reduce((x, i), (np.float32(-np.inf), np.int32(0)), lambda a, b: (jnp.maximum(a[0], b[0]), jnp.where(a[0] >= b[0], a[1], b[1])), (0, 2)), F(3, 4, 5), I(3, 4, 5), grad=False)  # fmt: skip
case("reduce of nothing by a function", lambda x: lax.reduce(x, np.float32(3), lambda a, b: a * b + 0 * a, (0,)), F(0, 2), grad=False)  # fmt: skip
case("reduce_window by a function", lambda x: lax.reduce_window(x, np.float32(1), lambda a, b: a * b + 0 * a, (2, 2), (1, 2), "SAME"), F(4, 5), grad=False)  # fmt: skip
case("argmax", lambda x: (lax.argmax(x, 0, jnp.int32), lax.argmin(x, 1, jnp.int32)), F(3, 4))
case("argmax with ties", lambda x: (jnp.argmax(x), jnp.argmin(x)), np.array([1, 3, 3, 1], np.float32))
case(
    "argmax with NaN", lambda x: (jnp.argmax(x), jnp.argmin(x)), np.array([1, np.nan, 3, np.nan], np.float32)
)
case("argmax of bools and ints", lambda x, y: (jnp.argmax(x), jnp.argmin(y)), B(5), I(5))
for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
    f = getattr(lax, name)
    case(name, lambda x, f=f: f(x, axis=1), F(3, 5, **POSITIVE), tolerance=8)
    case(f"{name} in reverse", lambda x, f=f: f(x, axis=0, reverse=True), F(3, 5, **POSITIVE), tolerance=8)
case("cumsum of int32", lambda x: lax.cumsum(x, axis=0), I(5))

# ---- products

for left, right, numbers in (
    ((2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    ((3, 2), (3, 4), (((0,), (0,)), ((), ()))),
    ((2, 3), (4, 3), (((1,), (1,)), ((), ()))),
    ((5, 2, 3), (5, 4, 3), (((2,), (2,)), ((0,), (0,)))),
    ((2, 5, 3), (3, 4, 5), (((2,), (0,)), ((1,), (2,)))),
    ((2, 3, 4, 5), (5, 3, 4, 2), (((3, 1), (0, 1)), ((2,), (2,)))),
    ((3,), (3,), (((0,), (0,)), ((), ()))),
    ((2,), (3,), (((), ()), ((), ()))),
):
    case(f"dot_general {left} {right}", lambda x, y, n=numbers: lax.dot_general(x, y, n), F(*left), F(*right, seed=1), tolerance=8)  # fmt: skip
case(
    "dot_general, highest precision",
    lambda x, y: lax.dot(x, y, precision="highest"),
    F(2, 3),
    F(3, 4),
    tolerance=8,
)
case("dot_general of bfloat16 to float32", lambda x, y: lax.dot(x, y, preferred_element_type=jnp.float32), jnp.asarray(F(2, 3), jnp.bfloat16), jnp.asarray(F(3, 4), jnp.bfloat16), grad=False)  # fmt: skip
case("dot_general of int32", lambda x, y: lax.dot(x, y), I(2, 3), I(3, 4))
case("dot_general of int8 to int32", lambda x, y: lax.dot(x, y, preferred_element_type=jnp.int32), I(2, 3, dtype=np.int8), I(3, 4, dtype=np.int8))  # fmt: skip
case("einsum under vmap", lambda x, y: jax.vmap(lambda a, b: jnp.einsum("ij,jk->ki", a, b))(x, y), F(5, 2, 3), F(5, 3, 4), tolerance=8)  # fmt: skip

CONV: dict[str, Any] = {"tolerance": 32}
for label, xs, ks, options in (
    ("NCHW", (2, 3, 6, 7), (4, 3, 3, 2), {"window_strides": (1, 1), "padding": "SAME"}),
    ("strided", (2, 3, 7, 7), (4, 3, 3, 3), {"window_strides": (2, 3), "padding": "VALID"}),
    ("negative padding", (1, 2, 7, 7), (3, 2, 2, 2), {"window_strides": (1, 1), "padding": ((-1, 2), (0, -2))}),
    ("NHWC", (2, 6, 6, 3), (3, 3, 3, 4), {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}),
    ("odd orders", (3, 6, 6, 2), (3, 3, 4, 3), {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("CHWN", "HWOI", "HNWC")}),
    ("lhs dilation", (1, 2, 4, 4), (3, 2, 3, 3), {"window_strides": (1, 1), "padding": ((2, 1), (1, 2)), "lhs_dilation": (2, 3)}),
    ("rhs dilation", (1, 2, 9, 9), (3, 2, 3, 3), {"window_strides": (2, 1), "padding": "VALID", "rhs_dilation": (2, 3)}),
    ("feature groups", (2, 6, 5, 5), (4, 3, 3, 3), {"window_strides": (1, 1), "padding": "SAME", "feature_group_count": 2}),
    ("depthwise", (2, 4, 5, 5), (4, 1, 3, 3), {"window_strides": (2, 2), "padding": "SAME", "feature_group_count": 4}),
    ("batch groups", (4, 3, 5, 5), (6, 3, 3, 3), {"window_strides": (1, 1), "padding": "SAME", "batch_group_count": 2}),
    ("one axis", (2, 3, 8), (4, 3, 3), {"window_strides": (2,), "padding": ((1, 1),)}),
    ("three axes", (1, 2, 4, 4, 4), (3, 2, 2, 2, 2), {"window_strides": (1, 2, 1), "padding": "VALID"}),
    ("no axis", (2, 3), (4, 3), {"window_strides": (), "padding": ()}),
):  # fmt: skip
    case(
        f"conv {label}",
        lambda x, k, o=options: lax.conv_general_dilated(x, k, **o),
        F(*xs),
        F(*ks, seed=1),
        **CONV,
    )
case(
    "conv_transpose",
    lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME"),
    F(1, 4, 4, 2),
    F(3, 3, 2, 3),
    **CONV,
)
case("conv under vmap of kernels", lambda x, k: jax.vmap(lambda k: lax.conv(x, k, (1, 1), "SAME"))(k), F(2, 3, 5, 5), F(2, 4, 3, 3, 3), **CONV)  # fmt: skip
case("conv under vmap of both", lambda x, k: jax.vmap(lambda x, k: lax.conv(x, k, (1, 1), "SAME"))(x, k), F(2, 2, 3, 5, 5), F(2, 4, 3, 3, 3), **CONV)  # fmt: skip
case("jnp.convolve", lambda x, y: jnp.convolve(x, y, "same"), F(9), F(3), **CONV)

# ---- windows

for name, init, op in (("max", -np.inf, lax.max), ("min", np.inf, lax.min), ("sum", 0.0, lax.add)):
    for label, size, options in (
        ("2x2", (1, 2, 2, 1), {"window_strides": (1, 2, 2, 1), "padding": "VALID"}),
        ("overlapping, SAME", (1, 3, 3, 1), {"window_strides": (1, 2, 1, 1), "padding": "SAME"}),
        ("dilated", (1, 2, 2, 1), {"window_strides": (1, 1, 1, 1), "padding": "VALID", "window_dilation": (1, 2, 2, 1)}),
        ("base dilation", (1, 2, 2, 1), {"window_strides": (1, 1, 1, 1), "padding": "SAME", "base_dilation": (1, 2, 1, 1)}),
    ):  # fmt: skip
        case(
            f"reduce_window_{name} {label}",
            lambda x, i=init, op=op, s=size, o=options: lax.reduce_window(x, np.float32(i), op, s, **o),
            F(2, 6, 6, 3),
            grad="dilat" not in label,
            tolerance=8,
        )
case("max pooling of ties", lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (2,), "VALID"), np.ones(6, np.float32))  # fmt: skip
case("max pooling of int32", lambda x: lax.reduce_window(x, jnp.iinfo(jnp.int32).min, lax.max, (2,), (1,), "VALID"), I(6))  # fmt: skip
case("jvp of max pooling", lambda x, t: jax.jvp(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID"), (x,), (t,)), F(4, 6), F(4, 6, seed=1), grad=False)  # fmt: skip

# ---- indexing

case("static index", lambda x: (x[0], x[-1, 2], x[1:3, ::2], x[..., None]), F(4, 5))
case("dynamic index", lambda x, i: (x[i], x[i + 100], x[-i - 1]), F(4, 5), np.int32(2))
case("index by an array", lambda x, i: x[i], F(4, 5), I(3, low=-6, high=6))
case("index by two arrays", lambda x, i, j: x[i, j], F(4, 5), I(3, 2, low=0, high=4), I(2, low=0, high=5))
case("index in the middle", lambda x, i: x[:, i, :], F(3, 4, 5), I(2, 2, low=0, high=4))
case("index by arrays apart", lambda x, i: x[i, :, i], F(3, 4, 3), I(2, low=0, high=3))
for mode in ("clip", "fill", "wrap"):
    case(f"take, {mode}", lambda x, i, m=mode: jnp.take(x, i, axis=1, mode=m), F(3, 4), I(5, low=-6, high=6))
    case(
        f"take of int32, {mode}",
        lambda x, i, m=mode: jnp.take(x, i, axis=0, mode=m),
        I(6),
        I(5, low=-9, high=9),
    )
case(
    "take with a fill value",
    lambda x, i: x.at[i].get(mode="fill", fill_value=7.0),
    F(4, 2),
    I(5, low=-6, high=6),
)
case("take_along_axis", lambda x, i: jnp.take_along_axis(x, i, 1), F(3, 4), I(3, 2, low=0, high=4))
case("gather under vmap", lambda x, i: jax.vmap(lambda x, i: x[i])(x, i), F(3, 4, 2), I(3, 5, low=0, high=4))
case("dynamic_slice under vmap", lambda x, i: jax.vmap(lambda x, i: lax.dynamic_slice(x, (i,), (2,)))(x, i), F(3, 5), I(3, low=-2, high=7))  # fmt: skip
for name in ("set", "add", "multiply", "min", "max"):
    grad = name in ("set", "add")
    unique = (
        np.array([3, 0, 9, -1], np.int32) if name in ("set", "multiply") else np.array([3, 0, 9, 3], np.int32)
    )
    case(
        f"at[].{name}",
        lambda x, i, v, n=name: getattr(x.at[i], n)(v),
        F(5, 2),
        unique,
        F(4, 2, seed=1),
        grad=grad,
    )
    case(
        f"at[].{name} of a column",
        lambda x, v, n=name: getattr(x.at[:, 1], n)(v),
        F(5, 2),
        F(5, seed=1),
        grad=grad,
    )
    case(f"at[].{name} under vmap", lambda x, i, v, n=name: jax.vmap(lambda x, i, v: getattr(x.at[i], n)(v))(x, i, v), F(3, 5), I(3, low=0, high=5), F(3, seed=1), grad=grad)  # fmt: skip
case("at[].add of int32", lambda x, i: x.at[i].add(1), I(5), I(7, low=0, high=5))
case("at[].apply", lambda x: (x.at[2].apply(jnp.sin), x.at[1:3].apply(lambda v: v * v + 1)), F(5), grad=False)
case("at[].set, clip", lambda x, i: x.at[i].set(7.0, mode="clip"), F(5), np.array([9, -9], np.int32))
case("at[].set of a window", lambda x, v: x.at[1:3, 2:].set(v), F(4, 5), F(2, 3, seed=1))
case("at[].subtract", lambda x, i: x.at[i].subtract(2.0), F(5), np.array([1, 1], np.int32))
case(
    "embedding gradient",
    lambda e, i: jax.grad(lambda e: (e[i] ** 2).sum())(e),
    F(6, 3),
    I(2, 4, low=0, high=6),
)
case("dynamic_slice", lambda x, i: lax.dynamic_slice(x, (i, 0), (2, 3)), F(5, 4), np.int32(4))
case("dynamic_update_slice", lambda x, v, i: lax.dynamic_update_slice(x, v, (i, -5)), F(5, 4), F(2, 2, seed=1), np.int32(4))  # fmt: skip
case(
    "dynamic_update_slice of bools",
    lambda x, v: lax.dynamic_update_slice(x, v, (jnp.int32(1),)),
    B(5),
    B(2, seed=3),
)
case("approx_max_k", lambda x: (lax.approx_max_k(x, 3), lax.approx_min_k(x, 2)), F(20), grad=False)
case("sort", lambda x: (lax.sort(x), lax.sort(x, dimension=0)), F(4, 5))
case("sort of special numbers", lax.sort, SPECIAL)
case("sort of several", lambda x, y: lax.sort((x, y), num_keys=1), I(9, low=0, high=3), F(9), grad=False)
case("sort by two keys", lambda x, y, z: lax.sort((x, y, z), num_keys=2), I(9, low=0, high=3), I(9, low=0, high=3, seed=1), F(9), grad=False)  # fmt: skip
case("argsort", lambda x: (jnp.argsort(x, axis=0), jnp.argsort(x, descending=True)), I(4, 5, low=0, high=3))
case("top_k", lambda x: lax.top_k(x, 3), F(4, 7))
case("top_k of int32", lambda x: lax.top_k(x, 2), I(7, low=0, high=3))
case("top_k with NaN", lambda x: lax.top_k(x, 3), np.array([1, np.nan, 5, 2], np.float32), grad=False)
case("searchsorted", lambda x, v: jnp.searchsorted(x, v), np.sort(F(9)), F(5, seed=1))
case("unique with a size", lambda x: jnp.unique(x, size=4, fill_value=-1), I(9, low=0, high=4))
case(
    "nonzero with a size, bincount",
    lambda x: (jnp.nonzero(x, size=5), jnp.bincount(x, length=9)),
    I(9, low=0, high=9),
)
