"""Many small arrays in one launch: kernels of one structure over arrays of different lengths."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core

SHAPES = [
    (64,),
    (16, 32),
    (1000,),
    (1,),
    (64, 64),
    (3, 5, 100),
    (0,),
    (0, 7),
    (128,),
    (50, 40),
    (17,),
    (4, 1, 9),
]


def arrays(seed: int, shapes: list[tuple[int, ...]], dtype: Any = "float32") -> list[pg.Tensor]:
    rng = np.random.default_rng(seed)
    return [pg.Tensor(rng.standard_normal(s).astype(np.float32)).astype(dtype).eval() for s in shapes]


def adam(p: Any, m: Any, v: Any, t: pg.Tensor, grads: Any) -> Any:
    t = t + 1
    c1, c2 = 1 - pg.power(0.9, t), 1 - pg.power(0.999, t)
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads, strict=True)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads, strict=True)]
    p = [q - 1e-3 * (a / c1) / (pg.sqrt(b / c2) + 1e-8) for q, a, b in zip(p, m, v, strict=True)]
    return p, m, v, t


@pytest.fixture(params=["interpreter", "generated"])
def tier(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.set_codegen({"interpreter": "off", "generated": "all"}[request.param])
    yield request.param
    _core.set_codegen(before)


def same(got: Any, want: Any) -> None:
    for a, b in zip(pg.pytree.flatten(got)[0], pg.pytree.flatten(want)[0], strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_array_equal(a.astype("float64").numpy(), b.astype("float64").numpy())


def alone(f: Callable[..., Any], *columns: list[pg.Tensor]) -> list[Any]:
    """Every array in a program of its own, where nothing can be joined."""
    return [pg.jit(f)(*row) for row in zip(*columns, strict=True)]


def test_an_adam_step_is_one_launch_and_the_counter() -> None:
    shapes = [s for s in SHAPES if int(np.prod(s)) > 1] * 10
    p, g = arrays(0, shapes), arrays(1, shapes)
    zeros = [pg.zeros(s).eval() for s in shapes]
    step = pg.jit(adam)
    made = step.explain(p, zeros, zeros, pg.Tensor(np.float32(0)), g)
    assert sorted(k.segments for k in made.kernels) == [1, len(shapes)], made.text
    joined = max(made.kernels, key=lambda k: k.segments)
    assert joined.name.endswith(f"_x{len(shapes)}")
    assert f"segments: {len(shapes)} of {sum(x.size for x in p)} elements together" in joined.source
    assert joined.bytes == sum(x.size for x in p) * 28 + 8 * len(shapes)  # two numbers for each
    before = pg.debug.launches()
    step(p, zeros, zeros, pg.Tensor(np.float32(0)), g)
    assert pg.debug.launches() == before + 2


def test_a_training_step_joins_what_no_gradient_is_computed_in() -> None:
    widths = [16, 48, 32, 80, 24, 10]
    weights = arrays(0, list(itertools.pairwise(widths)))
    x, y = arrays(1, [(8, widths[0]), (8, widths[-1])])

    def loss(ws: list[pg.Tensor]) -> pg.Tensor:
        h = x
        for w in ws:
            h = pg.tanh(h @ w)
        return ((h - y) ** 2).mean()

    def step(p: Any, m: Any, v: Any, t: pg.Tensor) -> Any:
        return adam(p, m, v, t, pg.value_and_grad(loss)(p)[1][0])

    zeros = [pg.zeros_like(w) for w in weights]
    made = pg.jit(step).explain(weights, zeros, zeros, pg.Tensor(np.float32(0)))
    assert [k.segments for k in made.kernels if k.segments > 1] == [len(weights)], made.text


def test_bits_are_those_of_every_array_alone(tier: str) -> None:
    p, m, v, g = (arrays(seed, SHAPES) for seed in range(4))
    v = [pg.abs(x) for x in v]
    t = pg.Tensor(np.float32(3))

    def one(*row: pg.Tensor) -> Any:
        a, b, c, d = ([x] for x in row)
        new = adam(a, b, c, t, d)
        return new[0][0], new[1][0], new[2][0]

    got = pg.jit(lambda *a: adam(*a[:3], t, a[3]))(p, m, v, g)
    want = alone(one, p, m, v, g)
    same([got[0], got[1], got[2]], [[w[i] for w in want] for i in range(3)])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "complex64"])
def test_other_dtypes(dtype: str, tier: str) -> None:
    def f(x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
        return x * 3 + y * y - x

    x, y = arrays(0, SHAPES, dtype), arrays(1, SHAPES, dtype)
    step = pg.jit(lambda x, y: [f(a, b) for a, b in zip(x, y, strict=True)])
    assert [k.segments for k in step.explain(x, y).kernels] == [len(SHAPES)]
    got, want = step(x, y), alone(f, x, y)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a.astype("complex128").numpy(), b.astype("complex128").numpy())


def test_what_differs_is_apart() -> None:
    x = arrays(0, [(100,), (200,), (300,), (400,), (500,), (600,)])

    def f(x: list[pg.Tensor]) -> Any:
        a, b, c, d, e, h = x
        return a + 1, b + 1, c + 2, d + 2, pg.exp(e), h.astype("float64")

    made = pg.jit(f).explain(x)
    assert sorted(k.segments for k in made.kernels) == [1, 1, 2, 2]
    same(pg.jit(f)(x), f(x))


def test_views_are_looked_through_only_where_order_stays() -> None:
    x = arrays(0, [(30, 70), (70, 50), (2000,), (10, 20)])

    def f(x: list[pg.Tensor]) -> Any:
        a, b, c, d = x
        return (a * 2).reshape((70, 30)), (b.reshape((-1,)) * 2), c * 2, d.T * 2

    made = pg.jit(f).explain(x)
    assert sorted(k.segments for k in made.kernels) == [1, 3], made.text
    same(pg.jit(f)(x), f(x))


def test_scalars_of_every_array_are_its_own() -> None:
    x, s = arrays(0, SHAPES), arrays(1, [()] * len(SHAPES))

    def f(x: list[pg.Tensor], s: list[pg.Tensor]) -> list[pg.Tensor]:
        return [a * pg.exp(b) + b for a, b in zip(x, s, strict=True)]

    same(pg.jit(f)(x, s), alone(lambda a, b: a * pg.exp(b) + b, x, s))


def test_an_operand_of_two_segments_is_not_written_over() -> None:
    g = pg.Tensor(np.arange(3000, dtype=np.float32))
    shapes = [(3000,), (30, 100), (10, 3, 100)]
    others = arrays(0, shapes)

    def f(g: pg.Tensor, x: list[pg.Tensor]) -> Any:
        return [g.reshape(a.shape) * 2 + a * 3 for a in x]

    want = [2 * g.numpy().reshape(a.shape) + a.numpy() * 3 for a in others]
    with pytest.warns(UserWarning, match="can take the memory"):  # another segment may still have to read it
        made = pg.jit(f, donate_argnums=(0,)).explain(g, others)
    assert [k.segments for k in made.kernels] == [3] and made.memory.donated == 0, made.text
    assert pg.jit(f, donate_argnums=(1,)).explain(g, others).memory.donated == 36000
    for a, b in zip(pg.jit(f, donate_argnums=(1,))(g, others), want, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


def test_results_take_the_memory_of_donated_arguments() -> None:
    shapes = [(1000 + i,) for i in range(20)]
    p, m, v, g = (arrays(seed, shapes) for seed in range(4))
    v = [pg.abs(x).eval() for x in v]
    step = pg.jit(adam, donate_argnums=(0, 1, 2))
    memory = step.explain(p, m, v, pg.Tensor(np.float32(1)), g).memory
    assert memory.donated == 3 * 4 * sum(s[0] for s in shapes)
    plain = pg.jit(adam)(p, m, v, pg.Tensor(np.float32(1)), g)
    want = [[x.numpy().copy() for x in part] for part in plain[:3]]
    got = step(p, m, v, pg.Tensor(np.float32(1)), g)
    for part, expected in zip(got[:3], want, strict=True):
        for a, b in zip(part, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


def test_first_steps_join_too() -> None:
    """Casts of many weights, which something reads."""
    shapes = [(8, 16), (16, 32), (32, 8)]
    weights, x = arrays(0, shapes), pg.ones((4, 8))

    def f(ws: list[pg.Tensor], x: pg.Tensor) -> pg.Tensor:
        for w in ws:
            x = x @ (w.astype("bfloat16").astype("float32") * 0.5)
        return x

    made = pg.jit(f).explain(weights, x)
    assert [k.segments for k in made.kernels] == [3], made.text
    same(pg.jit(f)(weights, x), f(weights, x))


def test_tiny_results_of_one_shape_are_one_kernel() -> None:
    x = pg.Tensor(np.linspace(0.1, 1, 50, dtype=np.float32))

    def f(x: pg.Tensor, y: pg.Tensor, z: pg.Tensor) -> Any:
        return pg.sin(x), pg.exp(y) + 1, z * z

    assert len(pg.jit(f).explain(x, x + 1, x + 2).kernels) == 1
    same(pg.jit(f)(x, x + 1, x + 2), f(x, x + 1, x + 2))


def test_the_number_of_threads_does_not_show(tier: str) -> None:
    rng = np.random.default_rng(3)
    shapes = [(int(n),) for n in rng.integers(1, 60_000, 40)]
    x, y = arrays(0, shapes), arrays(1, shapes)
    step = pg.jit(lambda x, y: [pg.tanh(a) * pg.exp(-b * b) for a, b in zip(x, y, strict=True)])
    before, results = _core.num_threads(), []
    for threads in (1, 2, 5):
        _core.set_num_threads(threads)
        results.append([a.numpy() for a in step(x, y)])
    _core.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_profile_and_dump_know_the_step(tmp_path: Path) -> None:
    code = """
import json, sys, pequegrad as pg
x = [pg.ones(5), pg.ones((7, 3)), pg.ones(11)]
f = pg.jit(lambda x: [a * 5 - 2 for a in x])
with pg.profile(sys.argv[1]):
    pg.eval(f(x))
events = json.load(open(sys.argv[1]))["traceEvents"]
print([e["name"] for e in events if e.get("cat") == "kernel"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "trace.json")],
        env={**os.environ, "PG_DUMP": "segments"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "over 3 segments:" in done.stdout and "'mul_sub_x3'" in done.stdout
