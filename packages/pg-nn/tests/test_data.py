from __future__ import annotations

import threading
from collections import namedtuple
from itertools import chain

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest


def epoch(loader):
    return [batch[0].tolist() for batch in loader]


def numbers(n=10):
    return nn.TensorDataset(np.arange(n))


def loader_threads():
    return [t for t in threading.enumerate() if t.name == "pg_nn.DataLoader"]


def test_tensor_dataset():
    data = nn.TensorDataset(pg.Tensor([[1.0], [2.0]]), np.array([3, 4]))
    assert len(data) == 2 and data[-1][1] == 4 and data[0][0].shape == (1,)
    with pytest.raises(IndexError, match="index 2 is outside of 2 examples"):
        data[2]
    with pytest.raises(ValueError, match=r"different lengths: \[2, 3\]"):
        nn.TensorDataset(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="at least one axis"):
        nn.TensorDataset(np.ones(()))


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_order_without_shuffle(prefetch):
    loader = nn.DataLoader(numbers(), batch_size=4, prefetch=prefetch)
    assert len(loader) == 3
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == epoch(loader)
    dropping = nn.DataLoader(numbers(), batch_size=4, drop_last=True, prefetch=prefetch)
    assert len(dropping) == 2 and epoch(dropping) == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_shuffle_is_a_seeded_permutation_new_each_epoch(prefetch):
    make = lambda seed: nn.DataLoader(numbers(50), batch_size=7, shuffle=True, seed=seed, prefetch=prefetch)
    a, b = make(1), make(1)
    first, second = epoch(a), epoch(a)
    assert sorted(chain(*first)) == list(range(50)) == sorted(chain(*second))
    assert first != second
    assert [epoch(b), epoch(b)] == [first, second]
    assert epoch(make(2)) != first


def test_without_a_seed_the_global_generator_decides():
    orders = []
    for _ in range(2):
        pg.random.manual_seed(5)
        orders.append(epoch(nn.DataLoader(numbers(50), batch_size=50, shuffle=True)))
    assert orders[0] == orders[1]


def test_the_loader_leaves_the_global_generator_alone():
    pg.random.manual_seed(5)
    expected = pg.random.normal(shape=(3,)).numpy()
    pg.random.manual_seed(5)
    loader = nn.DataLoader(numbers(), shuffle=True, seed=0)
    epoch(loader)
    np.testing.assert_array_equal(pg.random.normal(shape=(3,)).numpy(), expected)


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_restored_loader_continues_where_it_was(prefetch, stop):
    make = lambda: nn.DataLoader(numbers(20), batch_size=4, shuffle=True, seed=3, prefetch=prefetch)
    whole = make()
    expected = epoch(whole) + epoch(whole)
    first = make()
    got = []
    for batch in first:
        got.append(batch[0].tolist())
        if len(got) == stop:
            state = first.state_dict()
            break
    second = make()
    second.load_state_dict(state)
    while len(got) < len(expected):
        got += epoch(second)
    assert got == expected


def test_batches_of_tensors_arrays_and_own_datasets():
    data = nn.TensorDataset(
        pg.Tensor(np.arange(6.0, dtype=np.float32).reshape(3, 2)), np.array([1, 2, 3], np.int32)
    )
    (x, y), _ = list(nn.DataLoader(data, batch_size=2))
    assert isinstance(x, pg.Tensor) and x.shape == (2, 2) and x.dtype == pg.dt.float32
    assert isinstance(y, pg.Tensor) and y.dtype == pg.dt.int32

    Pair = namedtuple("Pair", "x y")

    class Own:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return Pair({"a": np.full(3, i), "t": pg.full((2,), float(i))}, (float(i), f"n{i}"))

    (batch,) = list(nn.DataLoader(Own(), batch_size=2))
    assert (
        isinstance(batch, Pair) and batch.x["a"].shape == (2, 3) and batch.x["t"].tolist() == [[0, 0], [1, 1]]
    )
    assert batch.y[0].tolist() == [0, 1] and batch.y[1] == ["n0", "n1"]
    (own,) = list(nn.DataLoader(Own(), batch_size=2, collate_fn=len))
    assert own == 2


class Failing(nn.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, i):
        if i == 5:
            raise KeyError("example 5 is broken")
        return i


@pytest.mark.parametrize("prefetch", [0, 2])
def test_exceptions_of_the_thread_reach_the_loop(prefetch):
    got = []
    with pytest.raises(KeyError, match="example 5 is broken"):
        for batch in nn.DataLoader(Failing(), batch_size=2, prefetch=prefetch):
            got.append(batch.tolist())
    assert got == [[0, 1], [2, 3]]
    assert loader_threads() == []


def test_leaving_the_loop_ends_the_thread():
    loader = nn.DataLoader(numbers(1000), batch_size=1)
    for _ in loader:
        break
    assert loader_threads() == []
    iterator = iter(loader)
    next(iterator)
    assert len(loader_threads()) == 1
    del iterator
    assert loader_threads() == []
    with pytest.raises(RuntimeError, match="mine"):
        for _ in loader:
            raise RuntimeError("mine")
    assert loader_threads() == []


def test_batches_are_prepared_ahead():
    asked = []

    class Watched(nn.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            asked.append(i)
            if i == 2:
                ready.set()
            return i

    ready = threading.Event()
    iterator = iter(nn.DataLoader(Watched(), prefetch=2))
    assert next(iterator).tolist() == [0]
    assert ready.wait(10)
    del iterator


def test_an_empty_dataset_gives_no_batches():
    assert epoch(nn.DataLoader(nn.TensorDataset(np.zeros((0, 2))), batch_size=3)) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.DataLoader(numbers(), batch_size=0), "batch_size must be a positive"),
        (lambda: nn.DataLoader(numbers(), prefetch=-1), "prefetch must be"),
        (lambda: nn.DataLoader(iter([])), "needs __len__"),
        (lambda: len(nn.Dataset()), "must define __len__"),
    ],
)
def test_mistakes_raise(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
