"""Creation: forms that the op table has no row for."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
import pytest


def test_tensor_and_asarray() -> None:
    x = pg.tensor([1, 2], dtype="float64")
    assert x.dtype == "float64"
    assert pg.asarray(x) is x
    assert pg.asarray(x, dtype="int8").dtype == "int8"
    assert pg.Tensor(x) is not x and pg.Tensor(x).tolist() == [1.0, 2.0]


def test_from_dlpack_needs_a_tensor() -> None:
    with pytest.raises(TypeError, match="__dlpack__"):
        pg.from_dlpack([1, 2])
    with pytest.raises(TypeError, match="ndarray"):
        pg.from_numpy([1, 2])


def test_broadcast_shapes() -> None:
    assert pg.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    with pytest.raises(pg.ShapeError):
        pg.broadcast_shapes((2,), (3,))


def test_like_functions_follow_their_input() -> None:
    x = pg.ones((2, 2), dtype="int8")
    for made in (pg.zeros_like(x), pg.ones_like(x), pg.full_like(x, 3), pg.empty_like(x)):
        assert made.dtype == "int8" and made.shape == (2, 2) and made.device == x.device
    assert pg.zeros_like(x, dtype="float32").dtype == "float32"


def test_full_takes_tensors_and_new_values_build_nothing_new() -> None:
    assert pg.full((2,), pg.Tensor(3.0)).tolist() == [3.0, 3.0]
    assert pg.full((2, 2), [1, 2]).tolist() == [[1, 2], [1, 2]]
    (pg.full((3,), 1.5) * 2).eval()
    before = pg.debug.counters()["builds"]
    for value in (2.5, 3.5, 0.0, 1.0):
        (pg.full((3,), value) * 2).eval()
    assert pg.debug.counters()["builds"] == before


@pytest.mark.parametrize("shape", [-1, (2, -3), "ab", 2.5, (1.5,)])
def test_wrong_shapes(shape) -> None:
    with pytest.raises((ValueError, TypeError)):
        pg.zeros(shape)


def test_too_large_shapes_raise_before_anything_is_allocated() -> None:
    with pytest.raises((pg.ShapeError, MemoryError)):
        pg.zeros((2**40, 2**40)).eval()
    with pytest.raises(MemoryError):
        (pg.zeros((2**44,), dtype="int8") + 1).eval()


def test_one_hot_both_ways() -> None:
    y = pg.Tensor([1, 0])
    assert pg.Tensor.one_hot(3, y).tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert pg.one_hot(2, pg.Tensor([5, -1])).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(TypeError, match="the number of classes, then the indices"):
        pg.one_hot(y, 3)


def test_arange_of_floats_does_not_drift() -> None:
    x = pg.arange(0.0, 1000.0, 0.1).numpy()
    np.testing.assert_allclose(x, (np.arange(10000) * 0.1).astype(np.float32), rtol=1e-7)


def test_eval_computes_several_tensors_as_one_program() -> None:
    x = pg.ones(3).eval()
    a, b = x + 1, x * 3
    before = pg.debug.counters()["programs"]
    pg.eval(a, {"b": b})
    assert pg.debug.counters()["programs"] == before + 1
    assert a.tolist() == [2.0] * 3 and b.tolist() == [3.0] * 3
