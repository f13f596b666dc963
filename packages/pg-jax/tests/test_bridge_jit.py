"""What ``bridge.jit`` promises beside the values: traces, static and donated arguments, pytrees, keys, errors."""

from __future__ import annotations

import copy
import functools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

jax = pytest.importorskip("jax")
mlir = pytest.importorskip("jax.interpreters.mlir")

import jax.numpy as jnp  # noqa: E402
from pg_jax import bridge  # noqa: E402


def counted(f: Any) -> tuple[Any, list[int]]:
    traces: list[int] = []

    def g(*args: Any, **kwargs: Any) -> Any:
        traces.append(1)
        return f(*args, **kwargs)

    return g, traces


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((np.ones(3, np.float32),), {}),
    ((jnp.ones(3),), {}),
    ((np.ones(3),), {}),  # float64 counts as float32
    ((np.zeros(4, np.float32),), {}),
    ((2.0,), {}),
    ((3.5,), {}),
    ((2,), {}),
    ((True,), {}),
    ((np.float32(1),), {}),
    ((jnp.asarray(1.0),), {}),
    (([np.ones(3, np.float32)],), {}),
    (((np.ones(3, np.float32),),), {}),
    (({"a": 1.0, "b": 2.0},), {}),
    (({"b": 1.0, "a": 2.0},), {}),
    (((None, 1.0),), {}),
    ((), {"x": np.ones(3, np.float32)}),
    ((), {"x": jnp.zeros(3)}),
]


def test_traces_where_jax_traces() -> None:
    def f(x: Any) -> Any:
        return jax.tree.map(lambda v: v * 2, x)

    ours, our_traces = counted(f)
    theirs, their_traces = counted(f)
    by_bridge, by_jax = bridge.jit(ours), jax.jit(theirs)
    for args, kwargs in CALLS:
        a, b = by_bridge(*args, **kwargs), by_jax(*args, **kwargs)
        assert jax.tree.structure(a) == jax.tree.structure(b)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert (x.shape, x.dtype, x.weak_type) == (y.shape, y.dtype, y.weak_type)
            np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
        assert len(our_traces) == len(their_traces), (args, kwargs)


def test_results_are_arguments_without_a_copy() -> None:
    f = bridge.jit(lambda p: jax.tree.map(lambda x: x * 2, p))
    p = {"w": jnp.ones((2, 2)), "b": 1.0}
    for _ in range(4):
        p = f(p)
    assert f.traces == 1  # a number and the weak array that came of it have one type
    assert isinstance(p["w"], bridge.Array) and np.asarray(p["w"]).tolist() == [[16.0, 16.0], [16.0, 16.0]]
    same = bridge.jit(lambda x: x)(p["w"])
    assert np.shares_memory(np.asarray(same), np.asarray(p["w"]))


def test_static_arguments() -> None:
    def f(x: Any, n: int, *, flip: bool = False) -> Any:
        return -(x**n) if flip else x**n

    for options in ({"static_argnums": 1, "static_argnames": "flip"}, {"static_argnames": ("n", "flip")}):
        g, traces = counted(f)
        functools.update_wrapper(g, f)
        j = bridge.jit(g, **options)
        assert float(j(2.0, 3)) == 8.0 and float(j(3.0, 3)) == 27.0 and len(traces) == 1
        assert float(j(2.0, n=2)) == 4.0
        assert float(j(2.0, 3, flip=True)) == -8.0 and len(traces) == 3
    with pytest.raises(ValueError, match=r"[Nn]on-hashable static"):
        bridge.jit(f, static_argnums=1)(1.0, [1])


def test_donated_arguments_are_gone() -> None:
    step = bridge.jit(lambda p, x: p + x, donate_argnums=0)
    first = step(jnp.ones(3), 1.0)
    second = step(first, 1.0)
    assert first.is_deleted() and np.asarray(second).tolist() == [3.0, 3.0, 3.0]
    for use in (lambda: first + 1, lambda: np.asarray(first), lambda: step(first, 1.0)):
        with pytest.raises(RuntimeError, match="has been deleted"):
            use()
    by_name = bridge.jit(lambda p, x: p + x, donate_argnames="p")
    third = by_name(second, 1.0)
    assert second.is_deleted() and not third.is_deleted()
    given = jnp.ones(3)
    by_name(p=given, x=1.0)
    assert given.is_deleted()


def test_keys_in_and_out() -> None:
    f = bridge.jit(lambda k: (jax.random.split(k), jax.random.normal(k, (2,))))
    keys, x = f(jax.random.key(3))
    assert keys.dtype == jax.random.key(0).dtype and keys.shape == (2,)
    want_keys, want = jax.jit(lambda k: (jax.random.split(k), jax.random.normal(k, (2,))))(jax.random.key(3))
    assert (jax.random.key_data(keys) == jax.random.key_data(want_keys)).all()
    np.testing.assert_allclose(np.asarray(x), np.asarray(want), rtol=1e-6)
    again = bridge.jit(jax.random.uniform)(keys[1])
    np.testing.assert_allclose(float(again), float(jax.random.uniform(want_keys[1])), rtol=1e-6)
    stacked = bridge.jit(
        lambda k: (k[0], k.reshape(1, 2), jnp.concatenate([k, k[::-1]]), jnp.where(True, k, k[::-1]))
    )
    for ours, theirs in zip(stacked(keys), jax.jit(stacked.__wrapped__)(keys), strict=True):
        assert (jax.random.key_data(ours) == jax.random.key_data(theirs)).all()


def test_inside_a_transform_of_jax() -> None:
    bridge.reset_stats()
    f = bridge.jit(lambda x: jnp.sin(x) * 2)
    want = jax.grad(lambda x: jnp.sin(x) * 2)(1.0)
    np.testing.assert_allclose(jax.grad(f)(1.0), want)
    assert jax.vmap(f)(jnp.arange(3.0)).shape == (3,)
    outer = bridge.jit(lambda x: jax.grad(f)(x) + f(x))
    np.testing.assert_allclose(float(outer(1.0)), 2 * np.cos(1.0) + 2 * np.sin(1.0), rtol=1e-6)
    assert bridge.stats()["inside_jax"] >= 3
    mixed = f(jnp.ones(2))
    np.testing.assert_allclose(
        jax.jit(lambda x: bridge.jit(jnp.add)(x, mixed))(jnp.ones(2)), 1 + 2 * np.sin(1.0), rtol=1e-6
    )


def test_constants_are_part_of_the_program() -> None:
    table = jnp.arange(5.0)
    scale = [2.0]
    f = bridge.jit(lambda i: table[i] * scale[0])
    assert float(f(3)) == 6.0
    scale[0] = 5.0
    assert float(f(3)) == 6.0


def test_dtypes_follow_the_width_that_jax_has() -> None:
    f = bridge.jit(lambda x: x + 1)
    assert f(np.ones(2, np.int64)).dtype == np.int32 and f(np.float64(1)).dtype == np.float32
    with jax.enable_x64(True):
        assert f(np.ones(2, np.int64)).dtype == np.int64 and f(np.float64(1)).dtype == np.float64
        key = bridge.jit(jax.random.PRNGKey)(2**33 + 5)
        assert np.asarray(key).tolist() == [2, 5]


def test_methods_and_options_as_a_decorator() -> None:
    class Model:
        scale = 3.0

        @bridge.jit(static_argnums=0)
        def apply(self, x: Any) -> Any:
            return x * self.scale

    model = Model()
    assert float(model.apply(2.0)) == 6.0
    with pytest.raises(ValueError, match="fallback"):
        bridge.jit(jnp.sin, fallback="numpy")
    with pytest.raises(TypeError, match="expected a function"):
        bridge.jit(3)
    with pytest.raises(TypeError, match="is a str"):
        bridge.jit(lambda x: x)("a")


def test_programs_are_explained() -> None:
    f = bridge.jit(lambda x: jnp.tanh(x @ x) + 1)
    found = f.explain(jnp.ones((4, 4)))
    assert len(found.kernels) == 1 and len(found.library_calls) == 1 and f.traces == 1
    assert "dot_general" in str(f.jaxpr(jnp.ones((4, 4))))


# ---- what is not supported


def unsupported(x: Any) -> Any:
    y = jax.lax.linalg.hessenberg(x)[0]  # line one
    y = y + jax.lax.linalg.hessenberg(y)[0]
    return y + jax.lax.linalg.schur(x)[0]  # line two


SQUARE = np.array([[4, 1, 0], [2, 3, 1], [0, 1, 5]], np.float32)


def test_all_unknown_primitives_are_named_at_once() -> None:
    ran = []

    def f(x: Any) -> Any:
        ran.append(x)
        return jax.lax.scan(lambda c, _: (unsupported(c), None), x, None, length=2)[0]

    bridge.reset_stats()
    with pytest.raises(bridge.UnsupportedPrimitive) as caught:
        bridge.jit(f)(SQUARE)
    assert set(caught.value.primitives) == {"hessenberg", "schur"}
    text = str(caught.value)
    lines = Path(__file__).read_text().splitlines()
    for comment in ("# line one", "# line two"):
        number = next(i for i, line in enumerate(lines, 1) if line.rstrip().endswith(comment))
        assert f"{Path(__file__).name}:{number} (unsupported)" in text, text
    assert bridge.stats()["calls"] == 0 and len(ran) == 1


def test_jax_evaluates_what_is_unknown_when_asked() -> None:
    bridge.reset_stats()
    f = bridge.jit(lambda x: unsupported(x) * 2, fallback="jax")
    want = np.asarray(jax.jit(f.__wrapped__)(SQUARE))
    for _ in range(2):
        np.testing.assert_allclose(np.asarray(f(SQUARE)), want, rtol=1e-4, atol=1e-4)
    assert bridge.stats()["fallback"] == {"hessenberg": 4, "schur": 2}
    looped = bridge.jit(lambda x: jax.lax.fori_loop(0, 2, lambda i, v: unsupported(v) / 9, x), fallback="jax")
    np.testing.assert_allclose(
        np.asarray(looped(SQUARE)), np.asarray(jax.jit(looped.__wrapped__)(SQUARE)), rtol=1e-4, atol=1e-4
    )


def test_halves_and_keys_cross_the_border_to_jax() -> None:
    swap = jax.extend.core.Primitive("swap_halves")
    swap.multiple_results = True
    swap.def_impl(lambda x, k: [x * 2, jax.random.fold_in(k, 1)])
    swap.def_abstract_eval(lambda x, k: [x, k])
    mlir.register_lowering(swap, mlir.lower_fun(lambda x, k: [x * 2, jax.random.fold_in(k, 1)], True))
    f = bridge.jit(lambda x, k: swap.bind(x, k), fallback="jax")
    doubled, key = f(jnp.ones(2, jnp.bfloat16), jax.random.key(0))
    assert doubled.dtype == jnp.bfloat16 and np.asarray(doubled).tolist() == [2.0, 2.0]
    want = jax.random.fold_in(jax.random.key(0), 1)
    assert (jax.random.key_data(key) == jax.random.key_data(want)).all()


def test_what_acts_and_returns_nothing_is_refused() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{}", x)
        return x

    for fallback in (None, "jax"):
        with pytest.raises(bridge.UnsupportedPrimitive, match="debug_"):
            bridge.jit(f, fallback=fallback)(1.0)


def test_errors_name_the_primitive_and_the_line() -> None:
    def f(a: Any) -> Any:
        return jnp.linalg.cholesky(a)

    with pytest.raises(pg.LinAlgError):
        bridge.jit(f)(-np.eye(2, dtype=np.float32))


# ---- arrays


def test_arrays_behave_as_those_of_jax() -> None:
    x = bridge.jit(lambda x: x * 2)(jnp.arange(6.0).reshape(2, 3))
    y = 2 * jnp.arange(6.0).reshape(2, 3)
    assert isinstance(np.asarray(x), np.ndarray) and isinstance(jnp.asarray(x), jax.Array)
    for f in (
        lambda x: x + 1, lambda x: 1 - x, lambda x: x @ x.T, lambda x: -x, lambda x: x[0, 1:], lambda x: x.mean(0),
        lambda x: x.at[0].set(1.0), lambda x: x == y, lambda x: abs(x), lambda x: jnp.ones(3) * x, lambda x: x ** 2,
        lambda x: np.ones(3, np.float32) + x, lambda x: list(x)[1], lambda x: x.astype(jnp.int32), lambda x: x.T,
    ):  # fmt: skip
        np.testing.assert_array_equal(np.asarray(f(x)), np.asarray(f(y)))
        assert f(x).dtype == f(y).dtype
    assert (x.ndim, x.size, len(x), x.nbytes) == (2, 6, 2, 24) and repr(x) == repr(y)
    assert x.block_until_ready() is x and jax.block_until_ready({"x": x})["x"] is x
    np.testing.assert_array_equal(np.from_dlpack(x), np.asarray(y))
    for twin in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        np.testing.assert_array_equal(np.asarray(twin), np.asarray(y))
    one = bridge.jit(lambda: jnp.int32(3))()
    assert (int(one), float(one), bool(one), [5, 6, 7, 8][one], f"{one}") == (3, 3.0, True, 8, "3")
    with pytest.raises(TypeError):
        hash(x)
    half = bridge.jit(lambda: jnp.ones(2, jnp.bfloat16))()
    assert jnp.asarray(half).dtype == jnp.bfloat16 and np.asarray(half).dtype == jnp.bfloat16


def test_tensors_are_arguments_too() -> None:
    x = pg.Tensor([1.0, 2.0])
    made = bridge.jit(lambda x: x.sum())(x)
    assert float(made) == 3.0 and isinstance(made.tensor, pg.Tensor)


# ---- the package


def test_without_jax_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "import pg_jax\n"
        "try:\n    import pg_jax.bridge\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "pg-jax[bridge]"' in done.stdout


def test_only_public_modules_of_jax_are_used() -> None:
    folder = Path(bridge.__file__).parent
    assert not [p.name for p in folder.glob("*.py") if "jax._src" in p.read_text()]
