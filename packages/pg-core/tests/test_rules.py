"""Every rewrite rule: it applies to its case, and no bit of the result changes.

A case hides what the ops would drop themselves when they are called: behind ``detach``, which only the
compiler takes away.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

F = np.array([[1.5, -0.0, 0.0, np.inf], [-np.inf, np.nan, 1e-40, -3.25]], np.float32)
G = np.array([[0.0, -0.0, np.nan, 2.0], [1.0, 7.5, -1e-40, -3.25]], np.float32)
N = np.array([[1, -7, 0, 2**31 - 1], [-(2**31), 12, -1, 5]], np.int32)
J = np.array([[3, -7, 9, -1], [2**31 - 1, -12, 1, 5]], np.int32)
U = np.array([[0, 1, 255, 128], [7, 64, 200, 9]], np.uint8)
B = np.array([[True, False, True, False], [False, False, True, True]])
C = np.array([[True, True, False, False], [False, True, False, True]])
V = np.arange(4, dtype=np.float32) - 1.5
T = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def h(x: Any) -> Any:
    """The same, but only the compiler knows."""
    return x.detach()


def lit(value: Any, like: Any) -> Any:
    """A literal of the type of ``like`` that the op it goes into does not see."""
    return pg.full_like(like, value).detach()


def zero(x: Any) -> Any:
    return np.zeros_like(x)


Case = tuple[str, Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
CASES: list[Case] = [
    # arithmetic
    ("x + -0", lambda x: x + lit(-0.0, x), lambda x: x, (F,)),
    ("x + -0", lambda x: lit(0, x) + x, lambda x: x, (N,)),
    ("x - 0", lambda x: x - lit(0.0, x), lambda x: x, (F,)),
    ("x - x", lambda x: h(x) - x, zero, (N,)),
    ("x + -y", lambda x, y: x + -y, lambda x, y: x - y, (N, J)),
    ("x - -y", lambda x, y: x - -y, lambda x, y: x + y, (N, J)),
    ("-(x - y)", lambda x, y: -(x - y), lambda x, y: y - x, (N, J)),
    ("--x", lambda x: -h(-x), lambda x: x, (F,)),
    ("|-x|", lambda x: abs(-x), np.abs, (F,)),
    ("|-x|", lambda x: abs(-x), np.abs, (N,)),
    ("||x||", lambda x: abs(abs(x)), np.abs, (F,)),
    ("sign of sign", lambda x: pg.sign(pg.sign(x)), np.sign, (N,)),
    ("x * 1", lambda x: x * lit(1.0, x), lambda x: x, (F,)),
    ("x * 1", lambda x: lit(1, x) * x, lambda x: x, (U,)),
    ("x * 0", lambda x: x * lit(0, x), zero, (N,)),
    ("-x * -y", lambda x, y: -x * -y, lambda x, y: x * y, (N, J)),
    ("x * 2^k", lambda x: x * 8, lambda x: x * np.int32(8), (N,)),
    ("x * 2^k", lambda x: 64 * x, lambda x: x * np.uint8(64), (U,)),
    ("x / 1", lambda x: x / lit(1.0, x), lambda x: x, (F,)),
    ("x / 2^k", lambda x: x / 8.0, lambda x: x / np.float32(8), (F,)),
    ("x / 2^k", lambda x: x / -0.25, lambda x: x / np.float32(-0.25), (F,)),
    ("x // 1", lambda x: x // lit(1, x), lambda x: x, (N,)),
    ("x // 2^k", lambda x: x // 4, lambda x: x // np.int32(4), (N,)),
    ("x // 2^k", lambda x: x // 4, lambda x: x // np.uint8(4), (U,)),
    ("x % 1", lambda x: x % lit(1, x), zero, (N,)),
    ("x % 2^k", lambda x: x % 8, lambda x: x % np.int32(8), (N,)),
    ("x % 2^k", lambda x: x % 8, lambda x: x % np.uint8(8), (U,)),
    ("x ** 1", lambda x: x ** lit(1.0, x), lambda x: x, (F,)),
    ("floor of an integer", lambda x: pg.floor(pg.ceil(x)), np.ceil, (F,)),
    ("ceil of an integer", lambda x: pg.ceil(pg.trunc(x)), np.trunc, (F,)),
    ("trunc of an integer", lambda x: pg.trunc(x.astype(pg.float32)), np.float32, (N,)),
    ("round of an integer", lambda x: pg.round(pg.floor(x)), np.floor, (F,)),
    ("max(x, x)", lambda x: pg.maximum(h(x), x), lambda x: x, (F,)),
    ("min(x, x)", lambda x: pg.minimum(h(x), x), lambda x: x, (F,)),
    ("max(x, max(x, y))", lambda x, y: pg.maximum(x, pg.maximum(x, y)), np.maximum, (F, G)),
    ("min(x, min(x, y))", lambda x, y: pg.minimum(x, pg.minimum(x, y)), np.minimum, (F, G)),
    ("max(max(x, y), y)", lambda x, y: pg.maximum(pg.maximum(x, y), y), np.maximum, (F, G)),
    ("min(min(x, y), y)", lambda x, y: pg.minimum(pg.minimum(x, y), y), np.minimum, (N, J)),
    ("max(x, min(x, y))", lambda x, y: pg.maximum(x, pg.minimum(x, y)), lambda x, y: x, (N, J)),
    ("min(x, max(x, y))", lambda x, y: pg.minimum(x, pg.maximum(x, y)), lambda x, y: x, (N, J)),
    ("max with the least", lambda x: pg.maximum(x, lit(-np.inf, x)), lambda x: x, (F,)),
    ("max with the least", lambda x: pg.maximum(lit(-(2**31), x), x), lambda x: x, (N,)),
    ("max with the least", lambda x: pg.maximum(x, lit(0, x)), lambda x: x, (U,)),
    ("min with the most", lambda x: pg.minimum(x, lit(np.inf, x)), lambda x: x, (F,)),
    ("min with the most", lambda x: pg.minimum(lit(255, x), x), lambda x: x, (U,)),
    # logic
    ("not not x", lambda x: ~h(~x), lambda x: x, (B,)),
    ("x and x", lambda x: x & x, lambda x: x, (N,)),
    ("x or x", lambda x: x | x, lambda x: x, (B,)),
    ("x xor x", lambda x: x ^ x, zero, (U,)),
    ("x and nothing", lambda x: x & lit(False, x), zero, (B,)),
    ("x and everything", lambda x: x & lit(-1, x), lambda x: x, (N,)),
    ("x and everything", lambda x: lit(255, x) & x, lambda x: x, (U,)),
    ("x or nothing", lambda x: lit(0, x) | x, lambda x: x, (N,)),
    ("x or everything", lambda x: x | lit(True, x), np.ones_like, (B,)),
    ("x or everything", lambda x: x | lit(-1, x), lambda x: x | np.int32(-1), (N,)),
    ("x xor nothing", lambda x: x ^ lit(0, x), lambda x: x, (N,)),
    ("x xor everything", lambda x: x ^ lit(True, x), np.logical_not, (B,)),
    ("x xor everything", lambda x: x ^ lit(255, x), np.invert, (U,)),
    ("x << 0", lambda x: x << lit(0, x), lambda x: x, (N,)),
    ("x >> 0", lambda x: x >> lit(0, x), lambda x: x, (N,)),
    ("x == x", lambda x: x == x, lambda x: np.ones_like(x, bool), (N,)),
    ("x != x", lambda x: x != x, lambda x: np.zeros_like(x, bool), (N,)),
    ("x < x", lambda x: x < x, lambda x: np.zeros_like(x, bool), (F,)),
    ("x <= x", lambda x: x <= x, lambda x: np.ones_like(x, bool), (N,)),
    ("x < 0, unsigned", lambda x: x < lit(0, x), lambda x: np.zeros_like(x, bool), (U,)),
    ("0 <= x, unsigned", lambda x: lit(0, x) <= x, lambda x: np.ones_like(x, bool), (U,)),
    ("x < y by their ranges", lambda: pg.arange(5) * 2 + 1 < 10, lambda: np.ones(5, bool), ()),
    ("x < y by their ranges", lambda: pg.arange(5) < 0, lambda: np.zeros(5, bool), ()),
    ("x <= y by their ranges", lambda: 4 - pg.arange(5) <= 4, lambda: np.ones(5, bool), ()),
    ("x == true", lambda x: x == lit(True, x), lambda x: x, (B,)),
    ("x == false", lambda x: x == lit(False, x), np.logical_not, (B,)),
    ("x != true", lambda x: x != lit(True, x), np.logical_not, (B,)),
    ("x != false", lambda x: lit(False, x) != x, lambda x: x, (B,)),
    ("not (x == y)", lambda x, y: ~(x == y), lambda x, y: x != y, (F, G)),
    ("not (x != y)", lambda x, y: ~(x != y), lambda x, y: x == y, (F, G)),
    ("where true", lambda c, x, y: pg.where(lit(True, c), x, y), lambda c, x, y: x, (B, F, G)),
    ("where false", lambda c, x, y: pg.where(lit(False, c), x, y), lambda c, x, y: y, (B, F, G)),
    ("where of equal branches", lambda c, x: pg.where(c, x, h(x)), lambda c, x: x, (B, F)),
    ("where not", lambda c, x, y: pg.where(~c, x, y), lambda c, x, y: np.where(c, y, x), (B, F, G)),
    ("where of true and false", lambda c: pg.where(c, True, False), lambda c: c, (B,)),
    ("where of true and false", lambda c, x: pg.where(c, 1.0, lit(0.0, x)), lambda c, x: c.astype("f4"), (B, F)),
    ("where of false and true", lambda c: pg.where(c, False, True), np.logical_not, (B,)),
    (
        "where in where",
        lambda c, x, y: pg.where(c, pg.where(c, x, y), y + 1),
        lambda c, x, y: np.where(c, x, y + np.int32(1)),
        (B, N, J),
    ),
    (
        "where in where, else",
        lambda c, x, y: pg.where(c, x, pg.where(c, y + 1, y)),
        np.where,
        (B, N, J),
    ),
    ("astype without effect", lambda x: h(x).astype(pg.float64).astype(pg.float32), lambda x: x, (F,)),
    ("astype of astype", lambda x: x.astype(pg.float64).astype(pg.bool_), lambda x: x != 0, (F,)),
    ("astype of astype", lambda x: x.astype(pg.int16).astype(pg.int8), lambda x: x.astype("i2").astype("i1"), (N,)),
    ("astype of astype", lambda x: x.astype(pg.int64).astype(pg.uint16), lambda x: x.astype("u2"), (N,)),
    ("astype of astype", lambda x: x.astype(pg.float32).astype(pg.float16), lambda x: x.astype("f2"), (U,)),
    (
        "bitcast of bitcast",
        lambda x: pg.bitcast(pg.bitcast(x, pg.int32), pg.uint32),
        lambda x: x.view("u4"),
        (F,),
    ),
    ("bitcast without effect", lambda x: pg.bitcast(pg.bitcast(x, pg.int32), pg.float32), lambda x: x, (F,)),
    # views
    ("identity", lambda x: h(x) + 1.0, lambda x: x + np.float32(1), (F,)),
    ("reshape without effect", lambda x: h(x.reshape(4, 2)).reshape(2, 4), lambda x: x, (F,)),
    ("reshape of a literal", lambda x: lit(2.5, x).reshape(8), lambda x: np.full(8, 2.5, "f4"), (F,)),
    ("reshape of reshape", lambda x: h(x.reshape(4, 2)).reshape(8), lambda x: x.reshape(8), (F,)),
    (
        "reshape of broadcast",
        lambda x: pg.broadcast_to(x, (3, 4)).reshape(3, 1, 4),
        lambda x: np.tile(x, (3, 1)).reshape(3, 1, 4),
        (V,),
    ),
    ("permute without effect", lambda x: h(x.T).T, lambda x: x, (F,)),
    ("permute of a literal", lambda x: lit(2.5, x).T, lambda x: np.full((4, 2), 2.5, "f4"), (F,)),
    (
        "permute of permute",
        lambda x: pg.permute(h(pg.permute(x, (1, 2, 0))), (1, 2, 0)),
        lambda x: x.transpose(2, 0, 1),
        (T,),
    ),
    (
        "permute of broadcast",
        lambda x: pg.permute(pg.broadcast_to(x, (3, 2, 4)), (2, 0, 1)),
        lambda x: np.tile(x, (3, 1, 1)).transpose(2, 0, 1),
        (F,),
    ),
    ("permute of ones", lambda x: pg.permute(x.reshape(2, 1, 4), (1, 0, 2)), lambda x: x.reshape(1, 2, 4), (F,)),
    (
        "broadcast of a literal",
        lambda x: pg.broadcast_to(lit(3.0, x), (5, 4)),
        lambda x: np.full((5, 4), 3, "f4"),
        (V,),
    ),
    (
        "broadcast of broadcast",
        lambda x: pg.broadcast_to(h(pg.broadcast_to(x, (3, 4))), (2, 3, 4)),
        lambda x: np.tile(x, (2, 3, 1)),
        (V,),
    ),
    ("broadcast to ones", lambda x: pg.broadcast_to(x, (1, 4)), lambda x: x.reshape(1, 4), (V,)),
    ("slice without effect", lambda x: h(x[:, ::-1])[:, ::-1], lambda x: x, (F,)),
    ("slice of a literal", lambda x: lit(2.0, x)[:, 1:3], lambda x: np.full((2, 2), 2, "f4"), (F,)),
    ("slice of slice", lambda x: x[:, 1:][:, ::2], lambda x: x[:, 1::2], (F,)),
    ("slice of slice", lambda x: x[::-1][1:, ::-2], lambda x: x[::-1][1:, ::-2], (T,)),
    (
        "slice of broadcast",
        lambda x: pg.broadcast_to(x, (5, 4))[1:4, ::2],
        lambda x: np.tile(x[::2], (3, 1)),
        (V,),
    ),
    ("slice of pad", lambda x: pg.pad(x, ((0, 0), (2, 3)))[:, 2:5], lambda x: x[:, :3], (F,)),
    ("slice of pad", lambda x: pg.pad(x, ((0, 0), (2, 3)))[:, 6:], lambda x: np.zeros((2, 3), "f4"), (F,)),
    ("slice of iota", lambda: pg.arange(9)[:4] + 1, lambda: np.arange(1, 5), ()),
    ("iota of one", lambda x: x + pg.arange(1), lambda x: x, (N.astype("i8"),)),
    ("pad of its value", lambda x: pg.pad(lit(0.0, x), 1), lambda x: np.zeros(6, "f4"), (V,)),
    ("pad of pad", lambda x: pg.pad(pg.pad(x, 1), 2), lambda x: np.pad(x, 3), (F,)),
    # joins
    ("concat of a literal", lambda x: pg.concat([lit(1.0, x), lit(1.0, x)]), lambda x: np.ones((4, 4), "f4"), (F,)),
    ("concat with nothing", lambda x: pg.concat([x, x[:0]]), lambda x: x, (F,)),
    ("concat of one", lambda x: pg.concat([x, x[:0]]), lambda x: x, (F,)),
    (
        "concat of concat",
        lambda x, y: pg.concat([pg.concat([x, y]), x]),
        lambda x, y: np.concatenate([x, y, x]),
        (F, G),
    ),
    ("concat of neighbours", lambda x: pg.concat([x[:, :1], x[:, 1:3]], 1), lambda x: x[:, :3], (F,)),
    ("concat of neighbours", lambda x: pg.stack([x[:, 2], x[:, 1], x[:, 0]], 1), lambda x: x[:, ::-1], (T,)),
    ("slice of concat", lambda x, y: pg.concat([x, y])[2:], lambda x, y: y, (F, G)),
    (
        "sum of pads",
        lambda x, y: pg.pad(x, ((0, 0), (0, 4))) + pg.pad(y, ((0, 0), (4, 0))),
        lambda x, y: np.concatenate([x + 0, y + 0], 1),
        (F, G),
    ),
    (
        "sum of pads",
        lambda x, y: (pg.pad(y, ((4, 1), (0, 0))) + pg.pad(x, ((0, 5), (0, 0)))) + pg.pad(y, ((2, 3), (0, 0))),
        lambda x, y: np.concatenate([x + 0, y + 0, y + 0, np.zeros((1, 4), "f4")]),
        (F, G),
    ),
    (
        "permute of concat",
        lambda x, y: pg.concat([x, y], 1).T,
        lambda x, y: np.concatenate([x, y], 1).T,
        (F, G),
    ),
    (
        "sum of pads",
        lambda x: pg.pad(x, ((0, 2), (0, 0))) + pg.pad(x, ((2, 0), (0, 0))),
        lambda x: np.concatenate([x, x]),
        (N,),
    ),
    (
        "slice of concat",
        lambda x, y: pg.concat([x, y, x])[3:1:-1],
        lambda x, y: np.concatenate([x, y, x])[3:1:-1],
        (F, G),
    ),
    ("gather of a progression", lambda x: pg.take(x, pg.arange(1, 3), 0), lambda x: x[1:3], (V,)),
    ("gather of a progression", lambda x: pg.take(x, 3 - pg.arange(4), 0), lambda x: x[::-1], (V,)),
    (
        "gather of one row",
        lambda x: pg.take(x, pg.full((3,), 1, dtype=pg.int64), 0),
        lambda x: x[[1, 1, 1]],
        (F,),
    ),
    # reductions
    (
        "sum of one",
        lambda x: pg.broadcast_to(x.astype(pg.int64), (3, 4, 1)).sum((0, 2)),
        lambda x: 3 * x.astype("i8").reshape(4),
        (N[0].reshape(4, 1),),
    ),
    (
        "maximum of one",
        lambda x: pg.broadcast_to(x, (3, 4, 1)).max((0, 2)),
        lambda x: x.reshape(4),
        (F[0].reshape(4, 1),),
    ),
    (
        "minimum of one",
        lambda x: pg.broadcast_to(x, (3, 4, 1)).min((0, 2)),
        lambda x: x.reshape(4),
        (F[0].reshape(4, 1),),
    ),
    (
        "all of one",
        lambda x: pg.broadcast_to(x, (3, 4, 1)).all((0, 2)),
        lambda x: x.reshape(4),
        (B[0].reshape(4, 1),),
    ),
    (
        "any of one",
        lambda x: pg.broadcast_to(x, (3, 4, 1)).any((0, 2)),
        lambda x: x.reshape(4),
        (B[0].reshape(4, 1),),
    ),
    ("sum of a literal", lambda: pg.full((3, 5), 7, dtype=pg.int64).sum(1), lambda: np.full(3, 35), ()),
    ("maximum of a literal", lambda: pg.full((3, 5), 2.5).max(1), lambda: np.full(3, 2.5, "f4"), ()),
    ("minimum of a literal", lambda: pg.full((3, 5), 2.5).min(), lambda: np.float32(2.5), ()),
    ("all of a literal", lambda: pg.full((3, 5), True).all(), lambda: np.bool_(True), ()),
    ("any of a literal", lambda: pg.full((3, 5), False).any(0), lambda: np.zeros(5, bool), ()),
    (
        "sum of broadcast",
        lambda x: pg.broadcast_to(x.astype(pg.int64), (3, 2, 4)).sum((0, 2)),
        lambda x: np.tile(x.astype("i8"), (3, 1, 1)).sum((0, 2)),
        (N,),
    ),
    ("maximum of broadcast", lambda x: pg.broadcast_to(x, (3, 4)).max(0), lambda x: x, (V,)),
    ("minimum of broadcast", lambda x: pg.broadcast_to(x, (3, 2, 4)).min((0, 1)), lambda x: x.min(0), (N,)),
    ("all of broadcast", lambda x: pg.broadcast_to(x, (3, 2, 4)).all((0, 2)), lambda x: x.all(1), (B,)),
    ("any of broadcast", lambda x: pg.broadcast_to(x, (3, 2, 4)).any(0), lambda x: x, (B,)),
    (
        "sum of sum",
        lambda x: x.astype(pg.int64).sum(0).sum(1),
        lambda x: x.astype("i8").sum((0, 2)),
        (np.arange(24).reshape(2, 3, 4),),
    ),
    (
        "product of product",
        lambda x: pg.prod(pg.prod(x, 2), 0),
        lambda x: x.prod((0, 2)),
        (np.arange(24).reshape(2, 3, 4),),
    ),
    ("maximum of maximum", lambda x: x.max(1).max(0), np.max, (N,)),
    ("minimum of minimum", lambda x: x.min(0).min(0), np.min, (N,)),
    ("all of all", lambda x: x.all(1).all(0), np.all, (B,)),
    ("any of any", lambda x: x.any(0).any(0), np.any, (B,)),
    ("running maximum of a literal", lambda: pg.cummax(pg.full((4,), 2.0), 0), lambda: np.full(4, 2, "f4"), ()),
    ("running minimum of a literal", lambda: pg.cummin(pg.full((4,), 2.0), 0), lambda: np.full(4, 2, "f4"), ()),
    (
        "dot without a sum",
        lambda x: x.reshape(4, 1) @ x.reshape(1, 4),
        lambda x: x.reshape(4, 1) * x.reshape(1, 4),
        (V,),
    ),
    (
        "dot without a sum",
        lambda x, y: x.reshape(2, 4, 1) @ y.reshape(2, 1, 4),
        lambda x, y: x.reshape(2, 4, 1) * y.reshape(2, 1, 4),
        (np.float32(N), np.float32(J)),
    ),
    # broadcasts
    (
        "broadcast hoisted",
        lambda x: pg.exp2(pg.broadcast_to(pg.floor(x), (3, 4))) * 3.0,
        lambda x: np.tile(np.exp2(np.floor(x)) * np.float32(3), (3, 1)),
        (V,),
    ),
    (
        "broadcast hoisted",
        lambda x, y: pg.broadcast_to(x, (3, 2, 4)) + pg.broadcast_to(y[:, :1], (3, 2, 4)),
        lambda x, y: np.tile(x + y[:, :1], (3, 1, 1)),
        (F, G),
    ),
    ("literals", lambda x: x + (lit(2.0, x) * 3.0 + 1.0), lambda x: x + np.float32(7), (F,)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{i}: {case[0]}" for i, case in enumerate(CASES)])
def test_a_rule_applies_and_keeps_every_bit(case: Case) -> None:
    name, f, oracle, arrays = case
    args = [pg.Tensor(a) for a in arrays]
    jitted = pg.jit(f)
    explained = jitted.explain(*args)
    assert name in explained.rules, explained
    with np.errstate(all="ignore"):
        want = np.asarray(oracle(*arrays))
    for got in (jitted(*args).numpy(), f(*args).numpy()):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_array_equal(got, want)
        if got.dtype.kind == "f":
            real = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(got)[real], np.signbit(want)[real])


def test_every_rule_has_a_case() -> None:
    folder = Path(__file__).parents[1] / "src" / "compiler" / "passes"
    names = {
        name
        for file in folder.glob("rules_*.cpp")
        for name in re.findall(r'^    \{"([^"]+)", "', file.read_text(), re.MULTILINE)
    }
    assert len(names) > 100
    missing = names - {case[0] for case in CASES} - UNREACHED
    assert not missing, sorted(missing)


# What the functions of the package never ask for: see tests/cpp/passes_test.cpp.
UNREACHED = {"pad without effect", "pad that crops", "broadcast without effect"}


def test_what_is_not_exact_stays() -> None:
    def kept(f: Callable[..., Any], *arrays: Any) -> dict[str, int]:
        return pg.jit(f).explain(*map(pg.Tensor, arrays)).rules

    assert not kept(lambda x: x + 0.0, F), "-0 + 0 is 0"
    assert not kept(lambda x: x - x, F), "an infinity minus itself is NaN"
    assert not kept(lambda x: x * 0.0, F)
    assert not kept(lambda x: x == x, F)
    assert not kept(lambda x: -(x - 1.5), F)
    assert "x / 2^k" not in kept(lambda x: x / 3.0, F)
    assert not kept(lambda x: x.sum(0).sum(0), F), "sums of floats round in their order"
    assert "sum of broadcast" not in kept(lambda x: pg.broadcast_to(x, (3, 4)).sum(0), V)
    assert "astype of astype" not in kept(lambda x: x.astype(pg.float16).astype(pg.float32), F)
    assert "astype of astype" not in kept(lambda x: x.astype(pg.float32).astype(pg.uint8), N), (
        "floats saturate, integers wrap"
    )
    assert "gather of a progression" not in kept(lambda x: pg.take(x, pg.arange(4), 0, mode="clip"), V[:3])


def test_literals_are_told_apart_by_every_bit() -> None:
    x = pg.Tensor(np.array([-0.0, 0.0], np.float32))
    f = pg.jit(lambda x: x + pg.full_like(x, 0.0).detach())
    assert not np.signbit(f(x).numpy()).any()


def test_the_seed_promises_hold() -> None:
    """Redundant ops are removed, and broadcasts hoisted: the op on a broadcast value is computed before it."""

    def f(x: Any, y: Any) -> Any:
        same = (x.detach().reshape(8, 8).reshape(64) * 1.0).astype(pg.float32)
        return pg.exp(pg.broadcast_to(same, (1000, 64))) + y

    x, y = pg.rand((64,)), pg.rand((1000, 64))
    explained = pg.jit(f).explain(x, y)
    assert explained.rules["broadcast hoisted"] == 1 and explained.rules["identity"] == 1
    np.testing.assert_allclose(pg.jit(f)(x, y).numpy(), np.exp(x.numpy()) + y.numpy(), rtol=4e-7)
