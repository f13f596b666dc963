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
