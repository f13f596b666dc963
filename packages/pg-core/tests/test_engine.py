"""Evaluation: what is computed when, what is kept, and that many threads may do it."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core


def builds() -> int:
    return _core.counters()["builds"]


def test_eval_is_idempotent_and_returns_self() -> None:
    x = pg.Tensor([1.0, 2.0]) * 3
    assert x.eval() is x
    runs = _core.counters()["programs"]
    assert x.eval() is x
    assert _core.counters()["programs"] == runs
    np.testing.assert_array_equal(x.numpy(), [3, 6])


def test_a_number_is_no_part_of_the_key() -> None:
    x = pg.Tensor([1.0, 2.0])
    (x * 0.5).eval()
    before = builds()
    for value in (0.25, 0.0, 1.0, -1.0, float("nan"), -0.0):
        (x * value).eval()
    assert builds() == before


def test_attributes_dtypes_and_shapes_are_part_of_the_key() -> None:
    x = pg.Tensor(np.arange(12, dtype=np.float32).reshape(3, 4))
    a = x[0:2].numpy()
    b = x[1:3].numpy()
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal((x * 2).astype("int32").numpy(), np.arange(12).reshape(3, 4) * 2)
    np.testing.assert_array_equal((x * 2).astype("int64").numpy().dtype, np.int64)
    np.testing.assert_array_equal((x.reshape(4, 3).sum(0)).numpy(), np.arange(12).reshape(4, 3).sum(0))
    np.testing.assert_array_equal((x.reshape(2, 6).sum(0)).numpy(), np.arange(12).reshape(2, 6).sum(0))


def test_held_intermediates_are_computed_once() -> None:
    x = pg.Tensor(np.ones(8, np.float32))
    middle = pg.exp(x)
    end = middle * 2
    end.eval()
    runs = _core.counters()["programs"]
    middle.eval()
    assert _core.counters()["programs"] == runs


def test_sharing_is_told_apart() -> None:
    a, b = pg.Tensor([1.0, 2.0]), pg.Tensor([3.0, 4.0])
    np.testing.assert_array_equal((a + a).numpy(), [2, 4])
    np.testing.assert_array_equal((a + b).numpy(), [4, 6])
    np.testing.assert_array_equal(((a + b) * (a + b)).numpy(), [16, 36])
    np.testing.assert_array_equal(((a + b) * (b + a)).numpy(), [16, 36])


def test_outputs_that_are_views_or_inputs() -> None:
    x = pg.Tensor(np.arange(6, dtype=np.float32))
    y = x.reshape(2, 3)
    np.testing.assert_array_equal(y.numpy(), np.arange(6).reshape(2, 3))
    z = (x + 1).reshape(3, 2)
    np.testing.assert_array_equal(z.numpy(), np.arange(1, 7).reshape(3, 2))
    f = pg.jit(lambda a: (a, a.reshape(3, 2), a + 0, 7))
    same, shaped, summed, seven = f(x)
    np.testing.assert_array_equal(same.numpy(), x.numpy())
    np.testing.assert_array_equal(shaped.numpy(), x.numpy().reshape(3, 2))
    np.testing.assert_array_equal(summed.numpy(), x.numpy())
    assert seven == 7


def test_a_chain_of_100000_ops() -> None:
    nodes = _core.live_nodes()
    x = pg.Tensor(np.zeros(4, np.float32))
    for _ in range(100_000):
        x = x + 1
    np.testing.assert_array_equal(x.numpy(), np.full(4, 100_000))
    del x
    gc.collect()
    assert _core.live_nodes() <= nodes + 2


def test_a_chain_of_100000_ops_under_jit() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        for _ in range(20_000):
            x = x + 1
        return x

    np.testing.assert_array_equal(pg.jit(f)(pg.zeros(4)).numpy(), np.full(4, 20_000))


def test_pending_graphs_do_not_grow_without_bound() -> None:
    base = pg.Tensor(np.ones((256, 1024), np.float32))  # 1 MiB
    buffers = _core.memory_stats()["live_bytes"]
    losses = []
    for _ in range(200):
        x = (base + 1).eval()
        losses.append((x * 2).sum())
        del x
    assert _core.memory_stats()["live_bytes"] - buffers < 80 << 20
    assert all(loss.item() == 256 * 1024 * 4 for loss in losses)


def test_many_pending_handles_are_evaluated() -> None:
    x = pg.Tensor(np.ones(2, np.float32))
    nodes = _core.live_nodes()
    kept = []
    for _ in range(6000):
        kept.append(((x + 1) * 2) - 1)
    assert _core.live_nodes() - nodes < 25_000  # 36,000 if nothing were evaluated
    assert all(k.tolist() == [3, 3] for k in kept[::500])


def test_threads_evaluate_shared_nodes() -> None:
    x = pg.Tensor(np.arange(1000, dtype=np.float32))
    failures: list[str] = []

    def work(shared: list[pg.Tensor], barrier: threading.Barrier) -> None:
        for t in shared:
            barrier.wait()
            if not np.array_equal(t.numpy(), np.arange(1000, dtype=np.float32) * 3 + 1):
                failures.append("wrong value")

    barrier = threading.Barrier(4)
    shared = [(x * 3) + 1 for _ in range(50)]
    threads = [threading.Thread(target=work, args=(shared, barrier)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_long_programs_let_other_threads_run() -> None:
    big = pg.Tensor(np.random.default_rng(0).random((700, 700), np.float32))
    shared = [(big @ big) + i for i in range(4)]
    results: list[np.ndarray] = []

    def work(t: pg.Tensor) -> None:
        results.append(t.numpy())

    threads = [threading.Thread(target=work, args=(t,)) for t in shared * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12


def test_errors_leave_tensors_usable() -> None:
    table = pg.Tensor(np.arange(6, dtype=np.float32).reshape(3, 2))
    bad = table[pg.Tensor([0, 5])] * 2
    good = table * 2
    for _ in range(2):
        with pytest.raises(IndexError, match=r"test_engine\.py:\d+.*index 5"):
            bad.eval()
    np.testing.assert_array_equal(good.numpy(), np.arange(6).reshape(3, 2) * 2)


def test_no_leaks() -> None:
    gc.collect()
    nodes, buffers = _core.live_nodes(), _core.live_buffers()
    x = pg.Tensor(np.ones((4, 4), np.float32))
    for i in range(50):
        y = pg.tanh(x @ x * i).sum()
        y.eval()
        z = y + 1
        z.numpy()
    f = pg.jit(lambda a: a * 2)
    f(x)
    with pytest.raises(pg.ShapeError):
        x + pg.ones((3, 3))
    del x, y, z, f
    gc.collect()
    assert _core.live_nodes() - nodes <= 0
    assert _core.live_buffers() - buffers <= 0


def test_numpy_views_outlive_their_tensors() -> None:
    view = (pg.Tensor([1.0, 2.0]) * 2).numpy()
    gc.collect()
    for _ in range(10):
        (pg.ones(2) * 9).eval()
    np.testing.assert_array_equal(view, [2, 4])
    with pytest.raises(ValueError):
        view[0] = 3


def test_zero_sized_and_scalar_values() -> None:
    empty = pg.Tensor(np.zeros((0, 3), np.float32))
    assert (empty * 2 + 1).numpy().shape == (0, 3)
    assert empty.sum().item() == 0
    assert (empty.T @ empty).numpy().tolist() == [[0, 0, 0]] * 3
    assert (pg.Tensor(2.0) * 3).item() == 6
    assert pg.Tensor(5).item() == 5


def test_contractions_of_any_labels() -> None:
    rng = np.random.default_rng(1)
    cases = [
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ji,jk->ki", (4, 3), (4, 5)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
        ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5)),
        ("abc,cba->", (2, 3, 4), (4, 3, 2)),
        ("abcd,dbe->ace", (2, 3, 4, 5), (5, 3, 6)),
        ("iaj,kja->ik", (3, 4, 5), (6, 5, 4)),
        ("ajb,bka->jk", (3, 4, 5), (5, 2, 3)),
        ("i,j->ij", (3,), (4,)),
        ("i,i->", (3,), (3,)),
        ("ab,cd->cadb", (2, 3), (4, 5)),
    ]
    for text, a_shape, b_shape in cases:
        left, right = text.split("->")[0].split(",")
        out = text.split("->")[1]
        a, b = rng.random(a_shape), rng.random(b_shape)
        labels = [ord(c) - 97 for c in left + right + out]
        got = _core.apply(
            "dot_general", (pg.Tensor(a), pg.Tensor(b)), (len(left), len(right), len(out), *labels)
        )
        np.testing.assert_allclose(got.numpy(), np.einsum(text, a, b), rtol=1e-12, err_msg=text)


def test_views_of_other_sizes_after_a_reduction() -> None:
    """A pad or a slice may read a reduction at its own index and still have another number of elements."""
    a = np.arange(12.0).reshape(2, 6)
    x = pg.Tensor(a)
    np.testing.assert_array_equal(pg.pad(pg.sum(x, 1), ((0, 1),)).numpy(), np.pad(a.sum(1), (0, 1)))
    np.testing.assert_array_equal(pg.pad(pg.max(x, 0), ((2, 1),)).numpy(), np.pad(a.max(0), (2, 1)))
    np.testing.assert_array_equal(pg.sum(x, 1)[:1].numpy(), a.sum(1)[:1])
    top = pg.max(x, 1)
    padded, centred = pg.pad(top, ((0, 1),)), (x - top[:, None]).sum(1)
    pg.eval(padded, centred)
    np.testing.assert_array_equal(padded.numpy(), np.pad(a.max(1), (0, 1)))
    np.testing.assert_array_equal(centred.numpy(), (a - a.max(1, keepdims=True)).sum(1))


def test_a_row_picked_after_a_reduction_under_a_pad() -> None:
    # Second derivative: the pad that undoes the slice must read the reduction at its own row.
    rows = pg.Tensor([1, 1, 0, 0])
    x = pg.Tensor(np.random.default_rng(0).random((2, 4, 2)))

    def f(x: pg.Tensor) -> pg.Tensor:
        return pg.exp(pg.sin(pg.sin(x)[rows].max(2))[2::2]).sum()

    def squared(x: pg.Tensor) -> pg.Tensor:
        return (pg.grad(f)(x) ** 2).sum()

    got = pg.grad(squared)(x).numpy()
    step = 1e-6
    for at in np.ndindex(2, 4, 2):
        e = np.zeros((2, 4, 2))
        e[at] = step
        rate = (float(squared(x + pg.Tensor(e))) - float(squared(x - pg.Tensor(e)))) / (2 * step)
        assert abs(got[at] - rate) < 1e-6


@pytest.mark.parametrize("cut", [slice(0, 2), slice(9, 13), slice(10, 11), slice(1, 3), slice(None, None, 4)])
@pytest.mark.parametrize("step", [1, -1])
def test_padding_around_joined_pieces(cut: slice, step: int) -> None:
    """Where only the padding is read, no piece is reached at all."""
    a, b = np.arange(3, dtype=np.float32), np.arange(4, dtype=np.float32)

    def f(n, x, y):
        return n.pad(n.concatenate([x, y])[::step] + 1, ((2, 4),))[cut] * 2

    ours = f(pg, pg.Tensor(a), pg.Tensor(b))
    np.testing.assert_array_equal(ours.numpy(), f(np, a, b))
    np.testing.assert_array_equal(
        pg.jit(lambda x, y: f(pg, x, y))(pg.Tensor(a), pg.Tensor(b)).numpy(), f(np, a, b)
    )
