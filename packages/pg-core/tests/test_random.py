"""Random numbers: JAX's bits, advancing generators, the same under jit."""

from __future__ import annotations

import threading

import numpy as np
import pequegrad as pg
import pytest
from peers import need, wide_jax

jax = need("jax")


@pytest.fixture(autouse=True)
def wide():
    with wide_jax():
        yield


JKEY = 7


def jkey():
    return jax.random.key(JKEY)


def test_keys_split_and_fold_in_are_jax_s() -> None:
    key = pg.random.key(JKEY)
    assert key.tolist() == np.asarray(jax.random.key_data(jkey())).tolist()
    for num in (1, 2, 5):
        np.testing.assert_array_equal(
            pg.random.split(key, num).numpy(), jax.random.key_data(jax.random.split(jkey(), num))
        )
    for data in (0, 1, 2**31, 2**32 - 1):
        np.testing.assert_array_equal(
            pg.random.fold_in(key, data).numpy(),
            jax.random.key_data(jax.random.fold_in(jkey(), np.uint32(data))),
        )


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**32 + 5, 2**63 - 1])
def test_seeds(seed: int) -> None:
    assert pg.random.key(seed).tolist() == np.asarray(jax.random.key_data(jax.random.key(seed))).tolist()
    assert pg.random.key(pg.Tensor(np.int64(seed).reshape(()))).tolist() == pg.random.key(seed).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (0, 2), (100_003,)])
def test_bits(dtype: str, shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(
        pg.random.bits(pg.random.key(JKEY), shape, dtype).numpy(), jax.random.bits(jkey(), shape, dtype)
    )


def as_float64(x):
    return np.asarray(x).astype(np.float64) if not isinstance(x, pg.Tensor) else x.astype("float64").numpy()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform(dtype: str) -> None:
    got, want = (
        pg.random.uniform(pg.random.key(JKEY), (13, 700), dtype),
        jax.random.uniform(jkey(), (13, 700), dtype),
    )
    np.testing.assert_array_equal(as_float64(got), as_float64(want))
    got = pg.random.uniform(pg.random.key(JKEY), (13, 700), dtype, -1.5, 2.25)
    want = jax.random.uniform(jkey(), (13, 700), dtype, -1.5, 2.25)
    if dtype == "float64":  # XLA fuses multiply and add there, and no wider type imitates it
        np.testing.assert_allclose(as_float64(got), as_float64(want), atol=4.5e-16, rtol=0)
    else:
        np.testing.assert_array_equal(as_float64(got), as_float64(want))


def test_normal() -> None:
    key = pg.random.key(JKEY)
    for dtype in ("float16", "bfloat16", "float32"):
        got, want = pg.random.normal(key, (500, 700), dtype), jax.random.normal(jkey(), (500, 700), dtype)
        np.testing.assert_array_equal(as_float64(got), as_float64(want))
    special = pytest.importorskip("scipy.special")
    u = pg.random.uniform(key, (500, 70), "float64", -1 + 2**-53, 1.0).numpy()
    got = pg.random.normal(key, (500, 70), "float64").numpy()
    np.testing.assert_allclose(got, np.sqrt(2) * special.erfinv(u), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_randint(dtype: str) -> None:
    key = pg.random.key(JKEY)
    ranges = [(3, 77), (0, 1), (5, 5), (0, 127)]
    if dtype == "uint8":
        ranges.append((0, 256))
    if dtype == "int32":
        ranges.append((-(2**31), 2**31))
    for low, high in ranges:
        np.testing.assert_array_equal(
            pg.random.randint(key, (1000,), low, high, dtype).numpy(),
            jax.random.randint(jkey(), (1000,), low, high, dtype),
        )


def test_randint_with_tensor_bounds() -> None:
    key = pg.random.key(JKEY)
    got = pg.random.randint(key, (1000,), pg.Tensor(3), pg.Tensor(77))
    assert got.tolist() == pg.random.randint(key, (1000,), 3, 77).tolist()


def test_permutation_and_choice() -> None:
    key = pg.random.key(JKEY)
    for n in (0, 1, 2, 1000):
        np.testing.assert_array_equal(
            pg.random.permutation(key, n).numpy(), jax.random.permutation(jkey(), n)
        )
    x = np.arange(24.0).reshape(4, 6)
    for axis in (0, 1):
        for independent in (False, True):
            np.testing.assert_array_equal(
                pg.random.permutation(key, pg.Tensor(x), axis, independent).numpy(),
                jax.random.permutation(jkey(), x, axis, independent=independent),
            )
    for replace in (False, True):
        np.testing.assert_array_equal(
            pg.random.choice(key, 50, (10,), replace).numpy(), jax.random.choice(jkey(), 50, (10,), replace)
        )


def test_bernoulli() -> None:
    got = pg.random.bernoulli(pg.random.key(JKEY), 0.3, (1000,))
    np.testing.assert_array_equal(got.numpy(), jax.random.bernoulli(jkey(), np.float32(0.3), (1000,)))


# ---- the generator


def test_draw_n_uses_fold_in_n() -> None:
    pg.manual_seed(11)
    draws = [pg.rand(3).tolist() for _ in range(3)]
    assert draws == [
        np.asarray(jax.random.uniform(jax.random.fold_in(jax.random.key(11), n), (3,), "float32")).tolist()
        for n in range(3)
    ]
    pg.manual_seed(11)
    assert [pg.rand(3).tolist() for _ in range(3)] == draws


def test_draws_advance_under_jit_and_agree_with_eager() -> None:
    @pg.jit
    def draw(x):
        return x + pg.randn(2), pg.rand(2)

    pg.manual_seed(5)
    eager = [tuple(t.tolist() for t in (pg.zeros(2) + pg.randn(2), pg.rand(2))) for _ in range(3)]
    pg.manual_seed(5)
    jitted = [tuple(t.tolist() for t in draw(pg.zeros(2))) for _ in range(3)]
    assert jitted == eager
    assert len(draw.entries) == 1
    assert pg.random.get_state()["count"] == 6


def test_two_draws_in_one_expression_differ() -> None:
    x = pg.rand(100) - pg.rand(100)
    assert bool((x != 0).any())


def test_draws_inside_grad_advance_once() -> None:
    pg.manual_seed(0)

    def f(x):
        return (x * pg.rand(3)).sum()

    g = pg.grad(f)(pg.ones(3))
    assert pg.random.get_state()["count"] == 1
    pg.manual_seed(0)
    assert g.tolist() == pg.rand(3).tolist()


def test_state_round_trip() -> None:
    pg.manual_seed(3)
    pg.rand(2)
    state = pg.random.get_state()
    a = pg.rand(2).tolist()
    pg.random.set_state(state)
    assert pg.rand(2).tolist() == a
    with pytest.raises(pg.InvalidValueError, match="not a generator state"):
        pg.random.set_state({"seed": 3})


def test_generators_are_per_thread() -> None:
    pg.manual_seed(1)
    before = pg.random.get_state()
    states = []

    def work() -> None:
        pg.rand(2).eval()
        states.append(pg.random.get_state())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert pg.random.get_state() == before
    assert states[0]["key"] != before["key"]


def test_a_thread_s_first_draw_may_be_inside_jit() -> None:
    """The generator is made then; its state is none of the program's constants."""
    drawn = []

    def run() -> None:
        f = pg.jit(lambda: pg.random.uniform(shape=4))
        drawn.extend(f().tolist() for _ in range(3))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len({tuple(row) for row in drawn}) == 3


def test_own_generator() -> None:
    a, b = pg.random.Generator(4), pg.random.Generator(4)
    assert pg.rand(5, generator=a).tolist() == pg.rand(5, generator=b).tolist()


def test_wrong_arguments() -> None:
    with pytest.raises(pg.ArgumentError, match="pass the shape by name"):
        pg.random.uniform((2, 3))
    with pytest.raises(pg.ArgumentError, match="a key is uint32 of shape"):
        pg.random.split(pg.Tensor([1.0, 2.0]))
    with pytest.raises(pg.DTypeError):
        pg.rand(2, dtype="int32")
