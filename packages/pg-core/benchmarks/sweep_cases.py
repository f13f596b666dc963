"""What the sweep measures: ordinary calls, spelled once where the frameworks agree, else by each in its way.

A case's function takes a framework's namespace first: NumPy, torch, jax.numpy or pequegrad.
"""

# Size: a table of cases, some lines for each.

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

# size: rows and columns of the matrices that most cases take
SIZES = {"small": (8, 8), "medium": (250, 400), "large": (2500, 4000)}
Function = Callable[..., Any]


@dataclasses.dataclass
class Case:
    """One call. `make` gives its arrays for a shape; `own` holds what a framework runs instead of `call`, None where
    it is left out.
    """

    name: str
    make: Callable[[np.random.Generator, tuple[int, int]], tuple[Any, ...]]
    call: Function
    own: dict[str, Function | None]
    sizes: tuple[str, ...]
    dtype: str | None = None  # the floating dtype that the arrays are cast to, where NumPy lacks it
    compared: bool = True  # False for random draws and what is free to differ, as eigenvectors


CASES: list[Case] = []


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Standard normal numbers."""
    return rng.standard_normal(shape, np.float32).astype(dtype)


def case(
    name: str,
    call: Function,
    make: Callable[..., tuple[Any, ...]] | None = None,
    sizes: str = "medium large",
    dtype: str | None = None,
    compared: bool = True,
    **own: Function | None,
) -> None:
    """Adds a case; without `make` it takes one matrix of normal numbers."""
    if dtype is not None:
        own.setdefault("np", None)
    maker = make or (lambda rng, shape: (normal(rng, shape),))
    CASES.append(Case(name, maker, call, own, tuple(sizes.split()), dtype, compared))


def integers(low: int, high: int, dtype: Any = np.int64, count: int = 1) -> Callable[..., tuple[Any, ...]]:
    """Matrices of integers."""
    return lambda rng, shape: tuple(rng.integers(low, high, shape).astype(dtype) for _ in range(count))


def floats(count: int, dtype: Any = np.float32) -> Callable[..., tuple[Any, ...]]:
    """Matrices of normal numbers."""
    return lambda rng, shape: tuple(normal(rng, shape, dtype) for _ in range(count))


def positive(dtype: Any = np.float32, count: int = 1) -> Callable[..., tuple[Any, ...]]:
    """Matrices of positive numbers."""
    return lambda rng, shape: tuple(np.abs(normal(rng, shape, dtype)) + dtype(0.1) for _ in range(count))


def booleans(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Any, ...]:
    """Two matrices of truth values."""
    return rng.random(shape) > 0.5, rng.random(shape) > 0.5


def _elementwise() -> None:
    for name in ("exp", "sqrt", "sin", "tanh", "abs", "floor", "square", "isnan"):
        make = positive() if name == "sqrt" else None
        case(name, lambda xp, x, n=name: getattr(xp, n)(x), make, "small medium large")
    for name in ("cos", "tan", "sinh", "arctan", "exp2", "expm1", "sign", "round", "reciprocal", "ceil"):
        case(name, lambda xp, x, n=name: getattr(xp, n)(x), None, "medium large")
    for name in ("log", "log1p", "log2", "arcsinh"):
        case(name, lambda xp, x, n=name: getattr(xp, n)(x), positive(), "medium large")
    for name in ("exp", "log", "sin", "tanh", "sqrt"):
        case(f"{name} float64", lambda xp, x, n=name: getattr(xp, n)(x), positive(np.float64), "medium large")
    for name in ("exp", "tanh", "sqrt"):
        case(
            f"{name} bfloat16",
            lambda xp, x, n=name: getattr(xp, n)(x),
            positive(),
            "medium large",
            "bfloat16",
        )
    case("exp float16", lambda xp, x: xp.exp(x), None, "medium", "float16")
    for name in ("add", "multiply"):
        call = lambda xp, x, y, n=name: getattr(xp, n)(x, y)
        case(name, call, floats(2), "small medium large")
        case(f"{name} float64", call, floats(2, np.float64), "medium large")
        case(f"{name} bfloat16", call, floats(2), "medium large", "bfloat16")
        case(f"{name} int32", call, integers(-99, 99, np.int32, 2), "medium large")
        case(f"{name} int64", call, integers(-99, 99, np.int64, 2), "medium large")
        case(f"{name} uint8", call, integers(0, 9, np.uint8, 2), "medium large")
    for name in ("divide", "maximum", "arctan2", "hypot", "fmod", "remainder", "logaddexp", "copysign"):
        case(name, lambda xp, x, y, n=name: getattr(xp, n)(x, y), floats(2), "medium large")
    case("power", lambda xp, x, y: x**y, positive(count=2), "medium large")
    case("x**3", lambda xp, x: x**3)
    case("x**0.5", lambda xp, x: x**0.5, positive())
    case("floor_divide int64", lambda xp, x, y: x // y, integers(1, 99, np.int64, 2))
    case("remainder int64", lambda xp, x, y: x % y, integers(1, 99, np.int64, 2))
    case("floor_divide by 7 int32", lambda xp, x: x // 7, integers(1, 9999, np.int32))
    case("bitwise_and int32", lambda xp, x, y: x & y, integers(1, 99, np.int32, 2))
    case("left_shift int32", lambda xp, x: x << 3, integers(1, 99, np.int32))
    case("less", lambda xp, x, y: x < y, floats(2), "small medium large")
    case("equal int64", lambda xp, x, y: x == y, integers(0, 9, np.int64, 2))
    case("logical_and", lambda xp, x, y: x & y, booleans, "medium large")
    case("logical_not", lambda xp, x, y: ~x, booleans, "medium large")
    case("x * 2 + 1", lambda xp, x: x * 2 + 1, None, "small medium large")
    case("x + row", lambda xp, x: x + x[0], None, "small medium large")
    case("x + column", lambda xp, x: x + x[:, :1], None, "medium large")
    case("where", lambda xp, c, x, y: xp.where(c, x, y), lambda r, s: (booleans(r, s)[0], *floats(2)(r, s)))
    case("clip", lambda xp, x: xp.clip(x, -1.0, 1.0), torch=lambda t, x: t.clamp(x, -1.0, 1.0))
    unary = {
        "sigmoid": "sigmoid",
        "relu": "relu",
        "silu": "silu",
        "gelu": "gelu",
        "softplus": "softplus",
        "elu": "elu",
    }
    for name in unary:
        case(
            name,
            lambda xp, x, n=name: getattr(xp, n)(x),
            None,
            "small medium large",
            np=None,
            torch=lambda t, x, n=name: getattr(t.nn.functional, n)(x),
            jax=lambda j, x, n=name: j.nn.gelu(x, approximate=False) if n == "gelu" else getattr(j.nn, n)(x),
        )
    for name in ("erf", "lgamma", "digamma", "erfinv"):
        special = {"lgamma": "gammaln"}.get(name, name)
        case(
            name,
            lambda xp, x, n=name: getattr(xp, n)(x),
            lambda r, s: (r.random(s, np.float32) * np.float32(0.9) + np.float32(0.05),),
            "medium",
            np=None,
            jax=lambda j, x, n=special: getattr(j.special, n)(x),
        )
    dtypes = ("float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "bool")
    for a in dtypes:
        for b in dtypes:
            if a != b and not {a, b} <= {"int8", "int32", "int64"} and not {a, b} <= {"float16", "bfloat16"}:
                case(
                    f"astype {a} to {b}",
                    lambda xp, x, b=b: x.astype(b),
                    lambda r, s: (normal(r, s) * np.float32(20),),
                    "large" if {a, b} <= {"float32", "float64", "int64", "bool", "bfloat16"} else "medium",
                    a,
                    torch=lambda t, x, b=b: x.to(getattr(t, b)),
                    np=None if "bfloat16" in (a, b) else lambda n, x, b=b: x.astype(b),
                )


def _reductions() -> None:
    for name in ("sum", "max", "mean", "argmax", "var", "prod"):
        for axis in (None, 0, 1):
            torch: dict[str, Any] = {}
            if name == "var":
                torch["torch"] = lambda t, x, a=axis: t.var(x, a, correction=0)
            if name == "max" and axis is not None:
                torch["torch"] = lambda t, x, a=axis: t.amax(x, a)
            if axis is None:
                torch.setdefault("torch", lambda t, x, n=name: getattr(t, n)(x))
            sizes = "small medium large" if name in ("sum", "max") and axis != 0 else "medium large"
            make = None if name != "prod" else lambda r, s: (1 + normal(r, s) * np.float32(1e-4),)
            case(
                f"{name} axis {axis}",
                lambda xp, x, n=name, a=axis: getattr(xp, n)(x, axis=a),
                make,
                sizes,
                **torch,
            )
    middle = lambda r, s: (normal(r, (s[0] // 5, 5 * 8, s[1] // 8)),)
    for name in ("sum", "mean"):
        case(f"{name} middle axis", lambda xp, x, n=name: getattr(xp, n)(x, axis=1), middle)
        case(f"{name} axes 0 and 2", lambda xp, x, n=name: getattr(xp, n)(x, axis=(0, 2)), middle)
    for dtype in ("float64", "int64", "int32"):
        case(f"sum {dtype}", lambda xp, x: x.sum(), lambda r, s, d=dtype: ((normal(r, s) * 9).astype(d),))
        case(
            f"max {dtype} axis 0",
            lambda xp, x: xp.max(x, axis=0),
            lambda r, s, d=dtype: ((normal(r, s) * 9).astype(d),),
            torch=lambda t, x: t.amax(x, 0),
        )
    case("sum bfloat16 axis 1", lambda xp, x: x.sum(1), None, "medium large", "bfloat16")
    case("sum bool", lambda xp, x, _: x.sum(), booleans)
    case("any", lambda xp, x, _: xp.any(x), booleans)
    case("all axis 1", lambda xp, x, _: xp.all(x, axis=1), booleans)
    case("count_nonzero", lambda xp, x, _: xp.count_nonzero(x), booleans)
    case("std axis 0", lambda xp, x: xp.std(x, axis=0), torch=lambda t, x: t.std(x, 0, correction=0))
    case("norm", lambda xp, x: xp.linalg.norm(x))
    case("nansum", lambda xp, x: xp.nansum(x))
    case(
        "logsumexp",
        lambda xp, x: xp.logsumexp(x, axis=1),
        np=None,
        torch=lambda t, x: t.logsumexp(x, 1),
        jax=lambda j, x: j.nn.logsumexp(x, 1),
    )
    case(
        "median axis 1",
        lambda xp, x: xp.median(x, axis=1),
        lambda r, s: (normal(r, (s[0], s[1] + 1)),),
        torch=lambda t, x: t.median(x, 1)[0],
    )
    case("quantile", lambda xp, x: xp.quantile(x, 0.3), None, "medium")
    case("argmin axis 0", lambda xp, x: xp.argmin(x, axis=0))
    case("dot product", lambda xp, x, y: xp.sum(x * y), floats(2))
    for name in ("cumsum", "cumprod"):
        make = None if name == "cumsum" else lambda r, s: (1 + normal(r, s) * np.float32(1e-4),)
        for axis in (0, 1):
            case(
                f"{name} axis {axis}",
                lambda xp, x, n=name, a=axis: getattr(xp, n)(x, axis=a),
                make,
                "small medium large" if axis else "medium large",
            )
    case("cumsum flat", lambda xp, x: xp.cumsum(x.reshape(-1), axis=0))
    case("cumsum int64 flat", lambda xp, x: xp.cumsum(x.reshape(-1), axis=0), integers(0, 9))
    case(
        "cummax axis 1",
        lambda xp, x: xp.cummax(x, axis=1),
        np=lambda n, x: n.maximum.accumulate(x, 1),
        jax=lambda j, x: j.lax.cummax(x, axis=1),
        torch=lambda t, x: t.cummax(x, 1)[0],
    )
    case(
        "logcumsumexp axis 1",
        lambda xp, x: xp.logcumsumexp(x, axis=1),
        None,
        "medium",
        np=None,
        jax=lambda j, x: j.lax.cumlogsumexp(x, axis=1),
    )
    case("diff", lambda xp, x: xp.diff(x))
    case(
        "softmax axis 1",
        lambda xp, x: xp.softmax(x, axis=1),
        None,
        "small medium large",
        np=None,
        torch=lambda t, x: t.softmax(x, 1),
        jax=lambda j, x: j.nn.softmax(x, 1),
    )
    case(
        "softmax axis 0",
        lambda xp, x: xp.softmax(x, axis=0),
        np=None,
        torch=lambda t, x: t.softmax(x, 0),
        jax=lambda j, x: j.nn.softmax(x, 0),
    )
    case(
        "log_softmax",
        lambda xp, x: xp.log_softmax(x, axis=1),
        np=None,
        torch=lambda t, x: t.log_softmax(x, 1),
        jax=lambda j, x: j.nn.log_softmax(x, 1),
    )
    case(
        "softmax float64",
        lambda xp, x: xp.softmax(x, axis=1),
        floats(1, np.float64),
        np=None,
        torch=lambda t, x: t.softmax(x, 1),
        jax=lambda j, x: j.nn.softmax(x, 1),
    )


def _order() -> None:
    case(
        "sort axis 1",
        lambda xp, x: xp.sort(x, axis=1),
        None,
        "small medium large",
        torch=lambda t, x: t.sort(x, 1)[0],
    )
    case("sort axis 0", lambda xp, x: xp.sort(x, axis=0), torch=lambda t, x: t.sort(x, 0)[0])
    case("sort flat", lambda xp, x: xp.sort(x.reshape(-1)), torch=lambda t, x: t.sort(x.reshape(-1))[0])
    case(
        "sort int64 flat",
        lambda xp, x: xp.sort(x.reshape(-1)),
        integers(-(10**6), 10**6),
        "medium large",
        torch=lambda t, x: t.sort(x.reshape(-1))[0],
    )
    case(
        "sort int32 flat",
        lambda xp, x: xp.sort(x.reshape(-1)),
        integers(-(10**6), 10**6, np.int32),
        "medium large",
        torch=lambda t, x: t.sort(x.reshape(-1))[0],
    )
    case(
        "sort float64 flat",
        lambda xp, x: xp.sort(x.reshape(-1)),
        floats(1, np.float64),
        "medium",
        torch=lambda t, x: t.sort(x.reshape(-1))[0],
    )
    case(
        "argsort axis 1",
        lambda xp, x: xp.argsort(x, axis=1),
        None,
        "small medium large",
        np=lambda n, x: n.argsort(x, 1, kind="stable"),
    )
    case(
        "argsort flat",
        lambda xp, x: xp.argsort(x.reshape(-1)),
        np=lambda n, x: n.argsort(x.reshape(-1), kind="stable"),
    )
    case(
        "argsort int64 flat",
        lambda xp, x: xp.argsort(x.reshape(-1)),
        integers(0, 1000),
        "medium",
        compared=False,
    )
    case(
        "topk 5 axis 1",
        lambda xp, x: xp.topk(x, 5)[0],
        None,
        "small medium large",
        np=None,
        jax=lambda j, x: j.lax.top_k(x, 5)[0],
    )
    case(
        "topk 10 flat",
        lambda xp, x: xp.topk(x.reshape(-1), 10)[0],
        np=None,
        jax=lambda j, x: j.lax.top_k(x.reshape(-1), 10)[0],
    )
    case(
        "partition",
        lambda xp, x: xp.partition(x, 100, axis=1)[:, 100],
        np=lambda n, x: n.partition(x, 100, 1)[:, 100],
        torch=lambda t, x: t.kthvalue(x, 101, 1)[0],
    )
    case("unique int64", lambda xp, x: xp.unique(x), integers(0, 1000), jax=None, jit=None)
    case("unique float32", lambda xp, x: xp.unique(x), None, "medium", jax=None, jit=None)
    case(
        "searchsorted",
        lambda xp, v, x: xp.searchsorted(v, x),
        lambda r, s: (np.sort(normal(r, (10000,))), normal(r, s).reshape(-1)),
    )
    case(
        "bincount",
        lambda xp, x: xp.bincount(x.reshape(-1), minlength=1000),
        integers(0, 1000),
        jax=lambda j, x: j.bincount(x.reshape(-1), length=1000),
        jit=None,
    )
    case(
        "histogram",
        lambda xp, x: xp.histogram(x, 50)[0],
        np=lambda n, x: n.histogram(x, 50)[0],
        torch=lambda t, x: t.histc(x, 50),
        compared=False,
    )
    case(
        "nonzero",
        lambda xp, x, _: xp.nonzero(x)[0],
        booleans,
        torch=lambda t, x, _: x.nonzero(as_tuple=True)[0],
        jax=None,
        jit=None,
    )
    case("isin", lambda xp, x: xp.isin(x, x[0, :50]), integers(0, 1000))


def _indexing() -> None:
    rows = lambda r, s: (normal(r, s), r.integers(0, s[0], s[0]))
    flat = lambda r, s: (normal(r, s).reshape(-1), r.integers(0, s[0] * s[1], s[0] * s[1]))
    case("x[rows]", lambda xp, x, i: x[i], rows, "small medium large")
    case("x[:, columns]", lambda xp, x, i: x[:, i], lambda r, s: (normal(r, s), r.integers(0, s[1], s[1])))
    case("flat[indices]", lambda xp, x, i: x[i], flat)
    case(
        "x[rows, columns]",
        lambda xp, x, i, j: x[i, j],
        lambda r, s: (normal(r, s), *(r.integers(0, n, s[0] * 100) for n in s)),
    )
    along = lambda r, s: (normal(r, s), r.integers(0, s[1], s))
    case(
        "take_along_axis",
        lambda xp, x, i: xp.take_along_axis(x, i, 1),
        along,
        torch=lambda t, x, i: t.gather(x, 1, i),
    )
    case(
        "take_along_axis of one",
        lambda xp, x, i: xp.take_along_axis(x, i, 1),
        lambda r, s: (normal(r, s), r.integers(0, s[1], (s[0], 1))),
        "small medium large",
        torch=lambda t, x, i: t.gather(x, 1, i),
    )
    case(
        "embedding",
        lambda xp, x, i: x[i],
        lambda r, s: (normal(r, (s[0] * 4, 256)), r.integers(0, s[0] * 4, s[1])),
    )
    case(
        "index_add",
        lambda xp, x, i, y: xp.index_add(x, 0, i, y),
        lambda r, s: (normal(r, s), r.integers(0, s[0], s[0]), normal(r, s)),
        np=None,
        jax=lambda j, x, i, y: x.at[i].add(y),
    )
    case(
        "scatter_add flat",
        lambda xp, x, i, y: xp.scatter_add(x, 0, i, y),
        lambda r, s: (*flat(r, s), normal(r, (s[0] * s[1],))),
        np=None,
        jax=lambda j, x, i, y: x.at[i].add(y),
    )
    case(
        "segment_sum",
        lambda xp, x, i: xp.segment_sum(x, i, num_segments=64),
        lambda r, s: (normal(r, s), np.sort(r.integers(0, 64, s[0]))),
        np=None,
        torch=lambda t, x, i: t.zeros(64, x.shape[1]).index_add_(0, i, x),
        jax=lambda j, x, i: j.zeros((64, x.shape[1])).at[i].add(x),
    )
    for name, key in (
        ("x[1:-1, 2:] =", (slice(1, -1), slice(2, None))),
        ("x[3] =", 3),
        ("x[:, ::2] =", (slice(None), slice(None, None, 2))),
    ):
        case(
            name,
            lambda xp, x, k=key: _assigned(x.copy() if hasattr(x, "copy") else x, k),
            torch=lambda t, x, k=key: _assigned(x.clone(), k),
            jax=lambda j, x, k=key: x.at[k].set(1.0),
        )
    case("x[mask]", lambda xp, x, m: x[m], lambda r, s: (normal(r, s), booleans(r, s)[0]), jax=None, jit=None)
    case(
        "x[mask] = 0",
        lambda xp, x, m: _assigned(x.copy() if hasattr(x, "copy") else x, m),
        lambda r, s: (normal(r, s), booleans(r, s)[0]),
        torch=lambda t, x, m: _assigned(x.clone(), m),
        jax=lambda j, x, m: j.where(m, 1.0, x),
    )
    case(
        "x[rows] =",
        lambda xp, x, i: _assigned(x.copy() if hasattr(x, "copy") else x, i),
        rows,
        torch=lambda t, x, i: _assigned(x.clone(), i),
        jax=lambda j, x, i: x.at[i].set(1.0),
    )
    case("x[::2, ::3]", lambda xp, x: x[::2, ::3] + 0)
    case(
        "concatenate axis 0",
        lambda xp, x, y: xp.concatenate((x, y), 0),
        floats(2),
        "small medium large",
        torch=lambda t, x, y: t.cat((x, y), 0),
    )
    case(
        "concatenate axis 1",
        lambda xp, x, y: xp.concatenate((x, y), 1),
        floats(2),
        torch=lambda t, x, y: t.cat((x, y), 1),
    )
    case("stack last", lambda xp, x, y: xp.stack((x, y), -1), floats(2))
    case(
        "split and add",
        lambda xp, x: _sum(xp.split(x, 2, 1)),
        torch=lambda t, x: _sum(t.split(x, x.shape[1] // 2, 1)),
    )
    case(
        "pad",
        lambda xp, x: xp.pad(x, ((1, 1), (2, 2))),
        torch=lambda t, x: t.nn.functional.pad(x, (2, 2, 1, 1)),
    )
    case(
        "pad reflect",
        lambda xp, x: xp.pad(x, ((1, 1), (2, 2)), mode="reflect"),
        torch=lambda t, x: t.nn.functional.pad(x[None], (2, 2, 1, 1), mode="reflect")[0],
    )
    case("roll", lambda xp, x: xp.roll(x, 3, 1))
    case("flip", lambda xp, x: xp.flip(x, (1,)), np=lambda n, x: n.ascontiguousarray(n.flip(x, 1)))
    case("transpose", lambda xp, x: xp.transpose(x) + 0, torch=lambda t, x: x.T + 0)
    case(
        "transpose 0 2 1",
        lambda xp, x: xp.transpose(x, (0, 2, 1)) + 0,
        lambda r, s: (normal(r, (25, s[0] // 5, s[1] // 5)),),
        torch=lambda t, x: x.permute(0, 2, 1) + 0,
    )
    case(
        "transpose 2 0 1",
        lambda xp, x: xp.transpose(x, (2, 0, 1)) + 0,
        lambda r, s: (normal(r, (s[0], s[1] // 5, 5)),),
        torch=lambda t, x: x.permute(2, 0, 1) + 0,
    )
    case(
        "transpose bfloat16",
        lambda xp, x: xp.transpose(x) + 1,
        None,
        "medium large",
        "bfloat16",
        torch=lambda t, x: (x.T + 1).contiguous(),
    )
    case("tile", lambda xp, x: xp.tile(x, (2, 3)))
    case("repeat", lambda xp, x: xp.repeat(x, 3, 1), torch=lambda t, x: t.repeat_interleave(x, 3, 1))
    case("tril", lambda xp, x: xp.tril(x))
    case("diagonal", lambda xp, x: xp.diagonal(x) + 0)
    case(
        "one_hot",
        lambda xp, i: xp.one_hot(128, i),
        lambda r, s: (r.integers(0, 128, s[0] * s[1] // 100),),
        np=None,
        torch=lambda t, i: t.nn.functional.one_hot(i, 128).float(),
        jax=lambda j, i: j.nn.one_hot(i, 128),
    )
    case("arange", lambda xp, x: xp.arange(x.shape[0] * x.shape[1]) * 2)
    case("zeros", lambda xp, x: xp.zeros(x.shape))
    case(
        "meshgrid",
        lambda xp, x: xp.meshgrid(x[0], x[:, 0])[0] + 0,
        torch=lambda t, x: t.meshgrid(x[0], x[:, 0], indexing="xy")[0] + 0,
    )


def _assigned(x: Any, key: Any) -> Any:
    x[key] = 1.0
    return x


def _sum(parts: Any) -> Any:
    return parts[0] + parts[1]


_elementwise()
_reductions()
_order()
_indexing()
