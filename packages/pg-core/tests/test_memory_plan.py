"""Where values lie: reuse of memory, donated arguments, and the peak that explain() tells beforehand."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

BIG = (512, 512)


def fresh(value: float, shape: tuple[int, ...] = BIG) -> pg.Tensor:
    return (pg.ones(shape) * value).eval()


def address(x: pg.Tensor) -> int:
    return int(x.numpy().__array_interface__["data"][0])


def block(p: dict[str, pg.Tensor], h: pg.Tensor) -> pg.Tensor:
    batch, length, width = h.shape
    z = pg.layer_norm(h, width, p["gain"], p["bias"])
    q, k, v = ((z @ p[name]).reshape((batch, length, 4, width // 4)).swapaxes(1, 2) for name in "qkv")
    mixed = pg.softmax(q @ k.mT * 0.25, axis=-1) @ v
    h = h + mixed.swapaxes(1, 2).reshape(h.shape) @ p["o"]
    return h + pg.gelu(h @ p["up"]) @ p["down"]


def step(p: list[dict[str, pg.Tensor]], x: pg.Tensor) -> Any:
    def loss(p: list[dict[str, pg.Tensor]]) -> pg.Tensor:
        h = x
        for layer in p:
            h = block(layer, h)
        return (h * h).mean()

    value, (grads,) = pg.value_and_grad(loss)(p)
    return value, pg.pytree.map(lambda a, g: a - 0.01 * g, p, grads)


def parameters(layers: int = 3, width: int = 64) -> list[dict[str, pg.Tensor]]:
    shapes = {"up": (width, 4 * width), "down": (4 * width, width), "gain": (width,), "bias": (width,)}
    shapes |= dict.fromkeys("qkvo", (width, width))
    return [{name: fresh(0.01 * i, shape) for name, shape in shapes.items()} for i in range(layers)]


def test_packing_is_close_to_the_most_that_lives_at_once() -> None:
    x = fresh(0.5, (8, 64, 64))
    f = pg.jit(step)
    f.explain(parameters(), x)
    need = f.entries[-1].details()["memory"]
    assert 0 < need["live"] <= need["temporaries"] <= 1.15 * need["live"]
    assert need["temporaries"] < need["unshared"] / 2


@pytest.mark.parametrize("donate", [(), (0,)])
def test_explained_peak_is_what_a_profile_sees(donate: tuple[int, ...]) -> None:
    x, p = fresh(0.5, (32, 64, 128)), parameters(2, 128)
    f = pg.jit(step, donate_argnums=donate)
    told = f.explain(p, x).memory  # before it ran
    assert told.total == told.inputs + told.outputs + told.temporaries
    assert (told.donated > 0) is bool(donate)
    assert f"{told.total:,} bytes" in str(f.explain(p, x))
    assert f(p, x) is not None  # the first run sets up the library
    p = parameters(2, 128)
    gc.collect()
    with pg.profile() as profile:
        _ = (x * 1.0).eval()
    others = profile.events[-1].live_bytes - told.inputs - x.nbytes
    with pg.profile() as profile:
        f(p, x)
    assert told.total <= profile.peak_bytes - others <= 1.1 * told.total


def test_results_take_the_memory_of_donated_arguments() -> None:
    f = pg.jit(lambda p, g: [a - 0.5 * b for a, b in zip(p, g, strict=True)], donate_argnums=0)
    p, g = [fresh(float(i)) for i in range(3)], [fresh(1.0) for _ in range(3)]
    places = [address(x) for x in p]
    gc.collect()
    need = f.explain(p, g).memory
    assert (need.outputs, need.donated) == (0, 3 * 4 * 512 * 512)
    q = f(p, g)
    assert [address(x) for x in q] == places
    assert [x.numpy()[0, 0] for x in q] == [-0.5, 0.5, 1.5]
    assert [x.numpy()[0, 0] for x in g] == [1.0] * 3


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1,
        lambda x: x.numpy(),
        lambda x: x.eval(),
        lambda x: pg.eval([x]),
        lambda x: x.item(),
        lambda x: x.T,
        lambda x: pg.grad(lambda v: v.sum())(x),
        lambda x: pg.vmap(lambda v: v.sum())(x),
        lambda x: pg.jit(lambda v: v * 2)(x),
        lambda x: pg.jit(lambda: x * 2)(),
    ],
)
def test_a_donated_tensor_is_gone(use: Any) -> None:
    x = fresh(2.0)
    pg.jit(lambda a: a + 1, donate_argnums=0)(x)
    assert x.shape == BIG and x.is_donated and "donated" in repr(x)
    with pytest.raises(pg.InvalidValueError, match="donated"):
        use(x)


def test_memory_that_others_hold_is_not_written_over() -> None:
    f = pg.jit(lambda a, b: (a + 1) * b, donate_argnums=0)
    x = fresh(2.0)
    view = x.numpy()
    assert f(x, fresh(1.0)).numpy()[0, 0] == 3 and view[0, 0] == 2
    x = fresh(2.0)
    same = +x
    assert f(x, fresh(1.0)).numpy()[0, 0] == 3 and same.numpy()[0, 0] == 2
    x = fresh(2.0)
    assert f(x, +x).numpy()[0, 0] == 6
    array = np.full(BIG, 2.0, np.float32)
    assert f(pg.from_numpy(array), fresh(1.0)).numpy()[0, 0] == 3 and array[0, 0] == 2


def test_an_argument_read_after_the_result_is_written_keeps_its_memory() -> None:
    def f(a: pg.Tensor, b: pg.Tensor) -> tuple[pg.Tensor, pg.Tensor]:
        first = b @ b  # written while a is still needed
        return first, pg.tanh(first @ a).sum()

    a, b = fresh(0.25, (64, 64)), fresh(0.5, (64, 64))
    want = [x.numpy(copy=True) for x in f(a, b)]
    got = pg.jit(f, donate_argnums=(0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert all(np.array_equal(x.numpy(), y) for x, y in zip(got(a, b), want, strict=True))


def test_a_donated_argument_that_is_returned_passes_through() -> None:
    x = fresh(2.0)
    place = address(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, z = pg.jit(lambda a: (a, a * 2), donate_argnums=0)(x)
    assert address(y) == place and y.numpy()[0, 0] == 2 and z.numpy()[0, 0] == 4


def test_a_donation_without_use_warns_once() -> None:
    f = pg.jit(lambda a, s: (a * s).sum(), donate_argnums=(0, 1))
    with pytest.warns(UserWarning, match=r"given f32\[3,3\] to keep"):
        f(pg.ones((3, 3)).eval(), 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(pg.ones((4, 4)).eval(), 2.0).item() == 32


def test_a_function_may_change_what_it_is_given_to_keep() -> None:
    @pg.jit.withargs(donate_argnums=0)
    def f(x: pg.Tensor) -> pg.Tensor:
        x += 1
        return x.sum()

    x = fresh(2.0)
    assert f(x).item() == 3 * 512 * 512
    assert x.numpy()[0, 0] == 3


def test_donated_containers_and_negative_numbers() -> None:
    f = pg.jit(lambda s, p: {k: v * s for k, v in p.items()}, donate_argnums=-1)
    p = {"a": fresh(1.0), "b": fresh(2.0)}
    assert {k: v.numpy()[0, 0] for k, v in f(3.0, p).items()} == {"a": 3.0, "b": 6.0}
    with pytest.raises(pg.InvalidValueError, match="donated"):
        f(3.0, p)


def test_results_lend_their_memory_to_temporaries() -> None:
    f = pg.jit(lambda x: (pg.tanh(x @ x) @ x) @ x)
    need = f.explain(fresh(0.1)).memory
    assert need.temporaries <= 4 * 512 * 512  # one of two lies in the result
    x = fresh(0.001)
    np.testing.assert_array_equal(f(x).numpy(), ((pg.tanh(x @ x) @ x) @ x).numpy())


def test_explain_does_not_run_the_program() -> None:
    f = pg.jit(lambda x: {"y": x + 1, "z": None}, donate_argnums=0)
    x = fresh(1.0)
    launches = pg.debug.launches()
    told = f.explain(x)
    assert pg.debug.launches() == launches and x.numpy()[0, 0] == 1
    assert str(told.graph.out_tree) == "PyTree({'y': *, 'z': None})"


def test_updates_of_rows_write_over_a_table_that_dies() -> None:
    rng = np.random.default_rng(0)
    table, rows = rng.standard_normal((50, 8)).astype(np.float32), np.array([3, 7, 3, 49])
    update = rng.standard_normal((4, 8)).astype(np.float32)
    want = table.copy()
    np.add.at(want, rows, update)
    add = pg.jit(lambda t, i, u: t.at[i].add(u), donate_argnums=(0,))
    memory = add.explain(pg.Tensor(table), pg.Tensor(rows), pg.Tensor(update)).memory
    assert (memory.donated, memory.outputs) == (table.nbytes, 0)
    np.testing.assert_array_equal(add(pg.Tensor(table), pg.Tensor(rows), pg.Tensor(update)).numpy(), want)


def test_a_table_that_is_also_the_update_is_not_written_over() -> None:
    table = np.arange(40, dtype=np.float32).reshape(5, 8)
    back = pg.Tensor(np.arange(5)[::-1].copy())
    f = lambda t, i: t.at[i].add(t)
    with pytest.warns(UserWarning, match="can take the memory"):
        got = pg.jit(f, donate_argnums=(0,))(pg.Tensor(table), back)
    np.testing.assert_array_equal(got.numpy(), table + table[::-1])


def test_a_cache_is_updated_in_place() -> None:
    cache, row = np.zeros((2, 4, 16, 8), np.float32), np.ones((2, 4, 1, 8), np.float32)
    step = pg.jit(lambda c, r, at: pg.dynamic_update_slice(c, r, (0, 0, at, 0)), donate_argnums=(0,))
    memory = step.explain(pg.Tensor(cache), pg.Tensor(row), pg.Tensor(np.int32(3))).memory
    assert (memory.donated, memory.outputs) == (cache.nbytes, 0)
    got = step(pg.Tensor(cache), pg.Tensor(row), pg.Tensor(np.int32(3))).numpy()
    cache[:, :, 3] = 1
    np.testing.assert_array_equal(got, cache)
