"""Steps that run strip by strip: the same values as whole arrays give, and none of the arrays between them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "dropout": {"dropout_p": 0.25, "dropout_key": pg.random.key(3)},
    "mask": {"mask": "mask"},
}
# batch, heads, queries, keys, size of a head, size of a value
SHAPES = [
    (1, 8, 400, 400, 16, 16),
    (2, 4, 450, 300, 33, 17),
    (8, 4, 192, 192, 5, 5),
    (1, 1, 1100, 1000, 8, 3),
    (1, 8, 509, 509, 4, 4),  # a prime number
]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def operands(b: int, h: int, t: int, s: int, d: int, e: int) -> list[pg.Tensor]:
    shapes = [(b, h, t, d), (b, h, s, d), (b, h, s, e), (b, h, t, e)]
    return [pg.Tensor(draw(*shape, seed=i)) for i, shape in enumerate(shapes)]


def attention(kind: str, t: int, s: int) -> Callable[..., pg.Tensor]:
    options = dict(KINDS[kind])
    if "mask" in options:
        options["mask"] = pg.Tensor(np.tri(t, s, s // 2).astype(bool))
    return lambda q, k, v: pg.scaled_dot_product_attention(q, k, v, **options)


def both(f: Callable[..., pg.Tensor]) -> Callable[..., list[pg.Tensor]]:
    """The value and the cotangents of all operands, given that of the value behind them."""
    return lambda *x: [f(*x[:-1]), *pg.vjp(f, tuple(range(len(x) - 1)))(*x)]


def strips_of(f: Callable[..., object], *x: pg.Tensor) -> list[str]:
    return [line for line in str(pg.jit(f).explain(*x)).splitlines() if "strips(" in line]


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[np.ndarray]]:
    """Runs a function without strips."""

    def run(f: Callable[..., list[pg.Tensor]], *x: pg.Tensor) -> list[np.ndarray]:
        with monkeypatch.context() as m:
            m.setenv("PG_STRIPS", "0")
            assert not strips_of(f, *x)
            return [y.numpy() for y in pg.jit(f)(*x)]

    return run


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_attention_equals_that_of_whole_arrays(
    kind: str, shape: tuple[int, ...], whole: Callable[..., list[np.ndarray]]
) -> None:
    q, k, v, g = operands(*shape)
    f = attention(kind, *shape[2:4])
    assert strips_of(f, q, k, v)
    (want,) = whole(lambda *x: [f(*x)], q, k, v)
    assert np.array_equal(pg.jit(f)(q, k, v).numpy(), want)
    got, want_both = pg.jit(both(f))(q, k, v, g), whole(both(f), q, k, v, g)
    # Sums over the rows of several strips are added up strip by strip.
    for a, b in zip(got, want_both, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["plain", "causal", "scale", "mask"])
def test_attention_equals_torch(kind: str) -> None:
    torch = need("torch")
    shape = (2, 4, 450, 300, 33, 17)
    x = operands(*shape)
    options = dict(KINDS[kind])
    f = attention(kind, *shape[2:4])
    leaves = [torch.tensor(a.numpy(), requires_grad=True) for a in x[:3]]
    mask = torch.tensor(np.tri(450, 300, 150).astype(bool)) if "mask" in options else None
    options.pop("mask", None)
    made = torch.nn.functional.scaled_dot_product_attention(*leaves, attn_mask=mask, **options)
    made.backward(torch.tensor(x[3].numpy()))
    assert strips_of(both(f), *x)
    for a, b in zip(pg.jit(both(f))(*x), [made, *(y.grad for y in leaves)], strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 0, 256, 16, 16), (0, 8, 256, 256, 16, 16), (1, 8, 256, 256, 16, 0)])
def test_sizes_of_zero(shape: tuple[int, ...]) -> None:
    x = operands(*shape)
    f = attention("plain", *shape[2:4])
    for got, like in zip(pg.jit(both(f))(*x), [x[3], *x[:3]], strict=True):
        assert got.shape == like.shape
        assert not np.any(np.isnan(got.numpy()))


def test_no_array_of_scores() -> None:
    length, heads = 2048, 4
    x = operands(1, heads, length, length, 16, 16)
    scores = 4 * heads * length * length
    f = attention("causal", length, length)
    with pg.profile() as idle:
        (x[0][0] + 1).eval()
    for g in (pg.jit(lambda *x: [f(*x[:3])]), pg.jit(both(f))):
        assert g.explain(*x).memory.temporaries < scores / 4  # with those of every thread
        with pg.profile() as profile:
            for y in g(*x):
                y.eval()
        assert profile.peak_bytes - idle.peak_bytes < scores / 4


@pytest.mark.parametrize("options", [{}, {"dropout_p": 0.1}])
def test_training_keeps_no_weights_of_attention(
    options: dict[str, float], whole: Callable[..., list[np.ndarray]]
) -> None:
    """The backward computes them again, as the loss stands between it and where they were made."""
    length, heads, size = 2048, 4, 16
    width = heads * size
    key = pg.random.key(5)

    def net(x: pg.Tensor, w: pg.Tensor) -> pg.Tensor:
        for layer in range(2):
            dropout: dict[str, Any] = (
                {**options, "dropout_key": pg.random.fold_in(key, layer)} if options else {}
            )
            qkv = (x @ w).reshape((1, length, 3, heads, size)).permute((2, 0, 3, 1, 4))
            made = pg.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True, **dropout)
            x = x + made.permute((0, 2, 1, 3)).reshape((1, length, width))
        return x

    def step(x: pg.Tensor, w: pg.Tensor) -> list[pg.Tensor]:
        loss, grads = pg.value_and_grad(lambda w: (net(x, w) ** 2).mean())(w)
        return [loss, *grads]

    x, w = pg.Tensor(draw(1, length, width)), pg.Tensor(draw(width, 3 * width, seed=1) * 0.1)
    f = pg.jit(step)
    got = [y.numpy() for y in f(x, w)]
    temporaries = f.explain(x, w).memory.temporaries
    assert temporaries < length * length * 4
    assert len(strips_of(step, x, w)) == 4
    for a, b in zip(got, whole(step, x, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def mlp(gelu: bool) -> Callable[..., pg.Tensor]:
    def f(x: pg.Tensor, w: pg.Tensor, b: pg.Tensor, w2: pg.Tensor, residual: pg.Tensor) -> pg.Tensor:
        h = x @ w + b
        h = pg.gelu(h) if gelu else pg.relu(h)
        return (h @ w2) * 0.5 + residual

    return f


@pytest.mark.parametrize("gelu", [False, True])
def test_epilogues(gelu: bool, whole: Callable[..., list[np.ndarray]]) -> None:
    shapes = [(8, 512, 8), (8, 512), (512,), (512, 24), (8, 512, 24), (8, 512, 24)]
    x = [pg.Tensor(draw(*shape, seed=i)) for i, shape in enumerate(shapes)]
    f = mlp(gelu)
    assert strips_of(f, *x[:-1])
    (want,) = whole(lambda *a: [f(*a)], *x[:-1])
    assert np.array_equal(pg.jit(f)(*x[:-1]).numpy(), want)
    for a, b in zip(pg.jit(both(f))(*x), whole(both(f), *x), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-3)


SCRIPT = """
import hashlib, sys
import numpy as np
import pequegrad as pg

rng = np.random.default_rng(0)
x = [pg.Tensor(rng.standard_normal((1, 8, 400, 20)).astype(np.float32)) for _ in range(4)]
f = lambda q, k, v: pg.scaled_dot_product_attention(q, k, v, dropout_p=0.5, dropout_key=pg.random.key(1))
g = pg.jit(lambda q, k, v, c: [f(q, k, v), *pg.vjp(f, (0, 1, 2))(q, k, v, c)])
assert "strips(" in str(g.explain(*x))
for _ in range(3):
    made = b"".join(y.numpy().tobytes() for y in g(*x))
print(hashlib.sha256(made).hexdigest())
"""


def test_bits_depend_neither_on_threads_nor_on_the_tier() -> None:
    def bits(**env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    first = bits(PG_NUM_THREADS="2", PG_LLVM="0")
    assert first == bits(PG_NUM_THREADS="1", PG_LLVM="0") == bits(PG_NUM_THREADS="3", PG_LLVM="all")


def test_a_strip_counts_once_and_is_profiled() -> None:
    x = operands(1, 8, 400, 400, 16, 16)[:3]
    f = pg.jit(attention("plain", 400, 400))
    f(*x).eval()
    before = pg.debug.launches()
    f(*x).eval()
    after = pg.debug.launches()
    e = f.explain(*x)
    assert after - before == len(e.kernels) + len(e.library_calls)
    with pg.profile() as profile:
        f(*x).eval()
    names = [event.name for event in profile.events]
    assert any(name.startswith("strips(") for name in names)
    assert sum(name.startswith("dot_general(f32[1,") for name in names) >= 8


def test_dump(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PG_DUMP", "strips")
    x = operands(2, 4, 512, 512, 8, 8)[:3]
    pg.jit(attention("plain", 512, 512))(*x).eval()
    text = capsys.readouterr().out
    assert "strips=(2, 4)" in text
    assert "f32[8,512,512]" not in text
