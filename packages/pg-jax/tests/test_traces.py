"""How often functions are traced: as often as jax does."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import pg_jax  # noqa: E402

Case = Callable[[Any, Callable[[], None]], Any]


def plain(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x + 1)[1])
    for x in (jax.numpy.ones(3), jax.numpy.zeros(3), jax.numpy.ones(4), jax.numpy.ones(3)):
        f(x)


def numbers(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x * 2)[1])
    for x in (1, 2, 3, 1.0, 2.5, True, False, 1j, 2j, np.float32(1), np.float32(2), np.int32(1)):
        f(x)


def arrays(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x * 2)[1])
    for x in (np.ones(2), np.zeros(2), np.ones(2, np.float32), jax.numpy.ones(2), np.arange(2), np.arange(2)):
        f(x)


def weak(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x * 2)[1])
    jnp = jax.numpy
    for x in (jnp.asarray(1.0), 2.0, jnp.float32(1), jnp.asarray(3), 4, jnp.int32(1)):
        f(x)


Pair = namedtuple("Pair", "a b")


def trees(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), jax.tree.leaves(x))[1])
    for x in (
        {"a": 1, "b": 2},
        {"b": 3, "a": 4},
        (1, 2),
        [1, 2],
        Pair(1, 2),
        Pair(3, 4),
        (1, None, 2),
        {"a": 1.0},
    ):
        f(x)


def static(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x, n: (mark(), x * n)[1], static_argnums=1)
    for n in (1, 2, 1, 2, 1.0):
        f(jax.numpy.ones(2), n)
    g = jax.jit(lambda x, n: (mark(), x * n)[1], static_argnames="n")
    g(1, n=2), g(1, n=2), g(1, 2), g(3, 2)


def keywords(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x, y=1: (mark(), x + y)[1])
    f(1), f(1, 2), f(1, y=2), f(x=1, y=2), f(y=3, x=4), f(2)


def closures(jax: Any, mark: Callable[[], None]) -> None:
    scale = 2.0
    f = jax.jit(lambda x: (mark(), x * scale)[1])
    first = f(1.0)
    scale = 3.0
    assert float(f(1.0)) == float(first)  # what was read while tracing stays


def derivatives(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x**2)[1])
    for x in (1.0, 2.0, 3.0):
        jax.grad(f)(x)
    f(1.0)


def nested(jax: Any, mark: Callable[[], None]) -> None:
    inner = jax.jit(lambda x: (mark(), x + 1)[1])
    outer = jax.jit(lambda x: inner(inner(x)) + inner(x * 2))
    outer(1.0), outer(2.0), inner(1.0)


def batched(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda x: (mark(), x + 1)[1])
    jax.vmap(f)(jax.numpy.ones(3)), jax.vmap(f)(jax.numpy.ones(4)), f(jax.numpy.ones(()))


def loops(jax: Any, mark: Callable[[], None]) -> None:
    def body(c: Any, x: Any) -> Any:
        mark()
        return c + x, c

    for _ in range(3):
        jax.lax.scan(body, jax.numpy.float32(0), jax.numpy.ones(4))


def keys(jax: Any, mark: Callable[[], None]) -> None:
    f = jax.jit(lambda k: (mark(), jax.random.normal(k))[1])
    for i in range(3):
        f(jax.random.key(i))
    for i in range(2):
        f(jax.random.PRNGKey(i))


CASES: list[Case] = [
    plain,
    numbers,
    arrays,
    weak,
    trees,
    static,
    keywords,
    closures,
    derivatives,
    nested,
    batched,
    loops,
    keys,
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_traces(case: Case) -> None:
    counts = []
    for module in (jax, pg_jax):
        met: list[None] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case(module, lambda met=met: met.append(None))
        counts.append(len(met))
    assert counts[1] == counts[0], f"jax traces {counts[0]} times, pg_jax {counts[1]} times"


def test_donated_arrays_are_gone() -> None:
    f = pg_jax.jit(lambda x, y: x + y, donate_argnums=0)
    x = pg_jax.numpy.ones(3)
    assert f(x, 1.0).tolist() == [2.0, 2.0, 2.0]
    assert x.is_deleted()
    with pytest.raises(RuntimeError, match="Array has been deleted"):
        f(x, 1.0)


def test_a_leaked_tracer_is_told() -> None:
    kept = []
    pg_jax.jit(lambda x: (kept.append(x), x)[1])(1.0)
    with pytest.raises(pg_jax.errors.UnexpectedTracerError):
        kept[0] + 1


def test_ahead_of_time() -> None:
    f = pg_jax.jit(lambda x: x * 2)
    compiled = f.lower(pg_jax.ShapeDtypeStruct((2,), "float32")).compile()
    assert compiled(pg_jax.numpy.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match="Argument types differ"):
        compiled(pg_jax.numpy.ones(3))


def test_x64() -> None:
    with pg_jax.enable_x64(True):
        assert pg_jax.numpy.arange(2.0).dtype == "float64"
        assert pg_jax.jit(lambda x: x)(1).dtype == "int64"
    assert pg_jax.jit(lambda x: x)(1).dtype == "int32"


def test_debug_print_runs_at_every_call(capfd: pytest.CaptureFixture[str]) -> None:
    jax, lax = pg_jax, pg_jax.lax

    def told(x: Any) -> Any:
        jax.debug.print("x={}", x)
        return x + 1

    f = jax.jit(told)
    f(1), f(2)
    jax.vmap(f)(jax.numpy.arange(2))
    jax.jit(lambda x: lax.scan(lambda c, v: (told(c), v), x, jax.numpy.arange(2)))(5)
    jax.jit(lambda x: lax.while_loop(lambda c: c < 9, told, x))(7)
    jax.jit(lambda x: lax.cond(x > 0, told, lambda v: v, x))(3)
    printed = capfd.readouterr().out.split()
    assert printed == [f"x={n}" for n in (1, 2, 0, 1, 5, 6, 7, 8, 3)]
