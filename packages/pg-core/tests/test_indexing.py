"""Indexing equals NumPy's, for random keys, read and written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@st.composite
def shapes_and_keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    used = draw(st.integers(0, len(shape)))
    items: list[Any] = []
    arrays = draw(st.sampled_from([(), (2,), (2, 1), (1, 3), ()]))
    for axis in range(used):
        kind = draw(st.sampled_from(["int", "slice", "slice", "array"]))
        n = shape[axis]
        if kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 2, n + 2)
            items.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2, 3]))))
        else:
            items.append(
                np.array(
                    draw(st.lists(st.integers(-n, n - 1), min_size=6, max_size=6))[: int(np.prod(arrays))]
                ).reshape(arrays)
            )
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        # Behind the axes it stands for, an Ellipsis takes what is left.
        items.append(Ellipsis)
    return shape, tuple(items)


def tensors(key: Any) -> Any:
    return tuple(pg.Tensor(k) if isinstance(k, np.ndarray) else k for k in key)


@SETTINGS
@given(shapes_and_keys())
def test_reading(case: Any) -> None:
    shape, key = case
    x = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    want = x[key]
    for k in (key, tensors(key)):
        got = pg.Tensor(x)[k]
        assert got.shape == want.shape
        np.testing.assert_array_equal(got.numpy(), want)


@SETTINGS
@given(shapes_and_keys())
def test_writing(case: Any) -> None:
    shape, key = case
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    want = x.copy()
    want[key] = -1.0
    got = pg.Tensor(x)
    got[key] = -1.0
    np.testing.assert_array_equal(got.numpy(), want)
    added = x.copy()
    np.add.at(added, key, 5.0)
    np.testing.assert_array_equal(pg.Tensor(x).at[tensors(key)].add(5.0).numpy(), added)


def test_masks() -> None:
    x = np.arange(12.0).reshape(3, 4)
    t = pg.Tensor(x)
    mask = x % 3 == 0
    for m in (mask, pg.Tensor(mask), mask.tolist()):
        np.testing.assert_array_equal(t[m].numpy(), x[mask])
    rows = np.array([True, False, True])
    np.testing.assert_array_equal(t[rows].numpy(), x[rows])
    np.testing.assert_array_equal(t[rows, 1].numpy(), x[rows, 1])
    np.testing.assert_array_equal(t[:, np.array([True, False, True, True])].numpy(), x[:, [0, 2, 3]])
    y = pg.Tensor(x)
    y[mask] = 0.0
    want = x.copy()
    want[mask] = 0
    np.testing.assert_array_equal(y.numpy(), want)
    y[pg.Tensor(mask)] = pg.Tensor(x[mask])
    np.testing.assert_array_equal(y.numpy(), x)
    # a mask read keeps the gradient
    g = pg.grad(lambda a: (a[mask] ** 2).sum())(t)
    np.testing.assert_array_equal(g.numpy(), np.where(mask, 2 * x, 0))


def test_handles_rebind_and_slices_taken_earlier_keep_their_values() -> None:
    x = pg.zeros((2, 3))
    row = x[0]
    also = x
    x[0] = 5.0
    assert row.tolist() == [0.0, 0.0, 0.0]
    assert also.tolist() == [[5.0] * 3, [0.0] * 3]
    x += 1
    assert also[1].tolist() == [1.0] * 3
    x[1, 1:] = pg.Tensor([7.0, 8.0])
    assert x.tolist() == [[6.0] * 3, [1.0, 7.0, 8.0]]


def test_assigning_through_a_temporary_raises() -> None:
    x = pg.zeros((2, 3))
    with pytest.raises(pg.UnsupportedError, match=r"write x\[0, 1\] = v"):
        x[0][1] = 5.0
    held = {"a": pg.zeros(3)}
    held["a"][0] = 2.0
    assert held["a"].tolist() == [2.0, 0.0, 0.0]


def test_length_iteration_and_truth() -> None:
    x = pg.Tensor([[1, 2], [3, 4]])
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert 3 in x and 9 not in x
    assert bool(pg.Tensor([5])) and not pg.Tensor(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(TypeError):
        len(pg.Tensor(1.0))
    with pytest.raises(TypeError):
        iter(pg.Tensor(1.0))
    _, b = x
    assert b.tolist() == [3, 4]


def test_tensors_as_python_indices() -> None:
    assert [10, 20, 30][pg.Tensor(1)] == 20
    assert int(pg.Tensor([7])) == 7 and float(pg.Tensor(2.5)) == 2.5


# ---- all kinds of items in one key


@st.composite
def any_key(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape (extents may be 0) and a key with masks of any rank, single bools, arrays and slices."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    items: list[Any] = []
    axis = 0
    before = True
    many = draw(st.sampled_from([(), (1,), (2,), (2, 1)]))
    while axis < len(shape):
        kind = draw(st.sampled_from(["slice", "int", "array", "mask", "none", "bool", "ellipsis", "stop"]))
        n = shape[axis]
        if kind == "stop":
            break
        if kind == "none":
            items.append(None)
            if len(items) > 6:
                break
        elif kind == "bool":
            if any(isinstance(i, np.ndarray) for i in items) or many not in ((), (1,)):
                continue
            items.append(draw(st.booleans()))
        elif kind == "ellipsis":
            if before:
                items.append(Ellipsis)
                before = False
                axis += draw(st.integers(0, len(shape) - axis))
        elif kind == "slice":
            bound = st.none() | st.integers(-4, 4)
            items.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2]))))
            axis += 1
        elif kind == "mask":
            rank = draw(st.integers(1, len(shape) - axis))
            dims = shape[axis : axis + rank]
            count = int(np.prod(dims))
            # As many as the index arrays hold, so that they broadcast.
            wanted = draw(st.sampled_from([1, int(np.prod(many)) if len(many) == 1 else 1]))
            mask = np.zeros(count, bool)
            mask[: min(wanted, count)] = True
            items.append(mask.reshape(dims))
            axis += rank
        elif n == 0:
            items.append(slice(None))
            axis += 1
        elif kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
            axis += 1
        else:
            count = int(np.prod(many))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            items.append(np.array(values, np.int64).reshape(many))
            axis += 1
    return shape, tuple(items)


@SETTINGS
@given(any_key())
def test_any_key_is_numpys(case: Any) -> None:
    shape, key = case
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    try:
        want = x[key]
    except IndexError:  # what NumPy refuses may be refused
        return
    t = pg.Tensor(x)
    for k in (key, tensors(key)):
        got = t[k]
        assert got.shape == want.shape, key
        np.testing.assert_array_equal(got.numpy(), want)
        assert t.at[k].get().shape == want.shape
        written = x.copy()
        written[key] = -1.0
        np.testing.assert_array_equal(t.at[k].set(-1.0).numpy(), written)
        doubled = x.copy()
        doubled[key] = want * 2.0
        if want.size and len(np.unique(want)) == want.size:
            np.testing.assert_array_equal(t.at[k].apply(lambda part: part * 2.0).numpy(), doubled)
            np.testing.assert_array_equal(t.at[k].multiply(2.0).numpy(), doubled)


def test_single_bools_are_new_axes() -> None:
    x = pg.arange(6).reshape(2, 3)
    assert x[True].shape == (1, 2, 3) and x[False].shape == (0, 2, 3)
    assert x[..., pg.Tensor(True)].shape == (2, 3, 1)
    x[False] = 9
    x[True, 0] = 7
    assert x.tolist() == [[7, 7, 7], [3, 4, 5]]
    with pytest.raises(pg.TraceError):
        pg.jit(lambda x, m: x[m])(x, pg.Tensor(True))


def test_modes_of_indices_out_of_range() -> None:
    x = np.arange(4.0)
    t = pg.Tensor(x)
    for make in (np.asarray, pg.Tensor):
        far = make(np.array([1, 9, -9, -1]))
        assert t.at[far].get(mode="clip").tolist() == [1.0, 3.0, 0.0, 3.0]
        assert t.at[far].get(mode="wrap").tolist() == [1.0, 1.0, 3.0, 3.0]
        assert t.at[far].get(mode="fill").tolist() == [1.0, 0.0, 0.0, 3.0]
        assert t.at[far].get(mode="fill", fill_value=-1).tolist() == [1.0, -1.0, -1.0, 3.0]
        assert t.at[far].set(7.0, mode="drop").tolist() == [0.0, 7.0, 2.0, 7.0]
        assert t.at[far].add(1.0, mode="clip").tolist() == [1.0, 2.0, 2.0, 5.0]
        assert t.at[far].add(1.0, mode="wrap").tolist() == [0.0, 3.0, 2.0, 5.0]
        with pytest.raises(IndexError):
            t.at[far].set(0.0).eval()
        # two index arrays, one of them out of range
        square = pg.Tensor(x.reshape(2, 2))
        pair = (make(np.array([0, 5])), make(np.array([1, 0])))
        assert square.at[pair].get(mode="fill", fill_value=9).tolist() == [1.0, 9.0]
        assert square.at[pair].get(mode="clip").tolist() == [1.0, 2.0]
        assert square.at[pair].set(8.0, mode="drop").tolist() == [[0.0, 8.0], [2.0, 3.0]]
    with pytest.raises(pg.InvalidValueError, match="modes are raise, clip, wrap, drop"):
        t.at[0].set(1.0, mode="ignore")
    narrow = pg.Tensor(np.array([100, -128, 127], np.int8))
    assert pg.arange(300).at[narrow].get().tolist() == [100, 172, 127]
    assert pg.arange(300)[pg.Tensor(np.array([255], np.uint8))].tolist() == [255]


def test_division_of_a_part_is_exact_and_counts_repetitions() -> None:
    x = pg.Tensor([1.0, 1.0, 12.0])
    assert x.at[1].divide(3.0).tolist() == [1.0, float(np.float32(1) / np.float32(3)), 12.0]
    assert x.at[pg.Tensor([2, 2])].divide(pg.Tensor([2.0, 3.0])).tolist() == [1.0, 1.0, 2.0]
    assert pg.Tensor([7, 9]).at[0].divide(2).tolist() == [3, 9]


def test_updates_of_nothing_and_of_rank_0() -> None:
    x = pg.zeros((0, 3))
    assert x.at[:, 1].set(5.0).shape == (0, 3) and x[:, [0, 2]].shape == (0, 2)
    assert x[pg.zeros((0,), dtype="int64")].shape == (0, 3)
    y = pg.Tensor(3.0)
    assert y[()].item() == 3.0 and y[None].shape == (1,) and y[...].shape == ()
    y[()] = 4.0
    assert y.item() == 4.0
    y[...] = 5.0
    assert y.item() == 5.0
    assert y.at[()].add(1.0).item() == 6.0
    with pytest.raises(IndexError):
        y[0]
    with pytest.raises(IndexError, match="too many"):
        x[0:0, 0, 0]


@pytest.mark.nightly
def test_more_than_2_to_the_31_elements() -> None:
    n = 2**31 + 8
    x = pg.zeros((n,), dtype="uint8").at[n - 3].set(7).eval()
    far = pg.Tensor(np.array([n - 3, -3, 5, n - 1], np.int64))
    assert x[far].tolist() == [7, 7, 0, 0]
    assert x[n - 4 :].tolist() == [0, 7, 0, 0] and x[-1:-5:-1].tolist() == [0, 0, 7, 0]
    assert x[:: 2**30].shape == (3,) and x[:: -(2**30)].tolist() == [0, 0, 0]
    assert x.sum().item() == 7 and pg.argmax(x).item() == n - 3
    small = pg.Tensor(np.array([-3], np.int32))
    assert x[small].tolist() == [7]
    y = x.at[far[:2]].add(1).eval()
    del x
    assert y[n - 3].item() == 9 and y.max().item() == 9
    table = y[: 2**31].reshape(2, 2**30)
    assert table[:, -1].tolist() == [0, 0] and table.T.shape == (2**30, 2)


def test_known_places_are_read_by_slices() -> None:
    from pequegrad._ops.indexing import _runs, take_places

    rng = np.random.default_rng(0)
    for _ in range(60):
        n, m = rng.integers(1, 7), rng.integers(1, 12)
        places = rng.integers(0, n, m)
        x = rng.standard_normal((2, n, 3)).astype(np.float32)
        np.testing.assert_array_equal(take_places(pg.Tensor(x), places, 1).numpy(), x[:, places])
        runs = _runs(places)
        assert runs is None or [f + s * i for f, c, s in runs for i in range(c)] == places.tolist()
    assert _runs(np.array([2, 1, 0, 1, 2, 1])) == [(2, 3, -1), (1, 2, 1), (1, 1, 1)]
    assert _runs(np.array([0, 0, 0, 2, 4])) == [(0, 3, 0), (2, 2, 2)]
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        for widths in ((1, 1), (3, 2), (7, 9), (0, 40)):
            x = rng.standard_normal((4, 5)).astype(np.float32)
            made = pg.pad(pg.Tensor(x), widths, mode=mode)
            np.testing.assert_array_equal(made.numpy(), np.pad(x, widths, mode=mode))


def test_the_plain_cases_of_the_core_are_those_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from pequegrad import _core

    x = pg.Tensor(np.arange(12.0).reshape(3, 4))
    i, j = pg.Tensor([2, -1, 0]), pg.Tensor([[1, -4], [0, 3], [2, 2]])

    def results() -> list[Any]:
        pg.manual_seed(3)
        k = pg.random.key(5)
        return [
            x[i],
            pg.take_along_axis(x, j, 1),
            pg.concatenate([x, x * 2.0], -1),
            pg.random.bits(k, (3, 2)),
            pg.random.bits(k, (3,), "uint64"),
            pg.random.bits(None, (4,), "uint8"),
            pg.random.randint(k, (5,), -3, 9),
            pg.random.fold_in(k, pg.Tensor(7, "uint32")),
        ]

    plain = [r.numpy() for r in results()]
    for name in ("take_rows", "take_along_axis", "join", "draw", "fold_in"):
        monkeypatch.setattr(_core, name, lambda *args: None)
    for a, b in zip(plain, results(), strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    monkeypatch.undo()
    for f in (lambda: x[pg.Tensor([3])], lambda: pg.take_along_axis(x, j + 3, 1)):
        with pytest.raises(pg.IndexingError, match="out of range"):
            f().eval()


def test_many_single_elements_are_written_in_order() -> None:
    """Threads own ranges of the target where there are many; the last update of an element still counts."""
    rng = np.random.default_rng(0)
    for count, size in ((300_000, 1000), (300_000, 3), (5000, 7)):
        places = rng.integers(0, size, count)
        values = rng.integers(-9, 9, count)
        added, last = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.add.at(added, places, values)
        last[places] = values
        base = pg.zeros(size, dtype="int64")
        i, v = pg.Tensor(places), pg.Tensor(values)
        np.testing.assert_array_equal(base.at[i].add(v).numpy(), added)
        np.testing.assert_array_equal(base.at[i].set(v).numpy(), last)


def test_masks_of_leading_axes() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 2))
    for mask in (rng.random((3, 4, 2)) > 0.5, rng.random((3, 4)) > 0.5, np.array([True, False, True])):
        np.testing.assert_array_equal(pg.Tensor(x)[pg.Tensor(mask)].numpy(), x[mask])
    assert pg.Tensor(x)[pg.zeros((3, 4), dtype="bool")].shape == (0, 2)
    with pytest.raises(pg.IndexingError, match="does not fit"):
        pg.Tensor(x)[pg.zeros(4, dtype="bool")]
