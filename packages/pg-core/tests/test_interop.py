"""Data in and out: NumPy, DLPack, pickling, printing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pequegrad as pg
import pytest

NUMPY = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", NUMPY)
def test_any_layout_is_read_right(dtype: str, rng: np.random.Generator) -> None:
    x = (rng.standard_normal((4, 6, 5)) * 10).astype(dtype)
    for view in (
        x,
        x.T,
        x[::2, ::-1, 1:],
        np.asfortranarray(x),
        x[1],
        x[..., 0],
        np.broadcast_to(x[0, 0], (3, 5)),
        x[:0],
        x.reshape(-1)[3:],
    ):
        got = pg.Tensor(view)
        assert got.shape == view.shape and got.dtype == dtype
        np.testing.assert_array_equal(got.numpy(), view)
    swapped = x.astype(x.dtype.newbyteorder(">"))
    np.testing.assert_array_equal(pg.Tensor(swapped).numpy(), x)
    frozen = x.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(pg.Tensor(frozen).numpy(), x)


def test_tensor_copies_and_from_numpy_aliases() -> None:
    a = np.zeros(3, np.float32)
    copied, shared = pg.Tensor(a), pg.from_numpy(a)
    a[0] = 7
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [7, 0, 0]


def test_numpy_is_a_read_only_view_that_outlives_its_tensor() -> None:
    x = pg.ones(1000) * 3
    view = x.numpy()
    assert np.shares_memory(view, x.numpy())
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    del x
    assert view.sum() == 3000
    own = pg.ones(3).numpy(copy=True)
    own[0] = 5
    assert own.tolist() == [5, 1, 1]
    del view


def test_array_protocols() -> None:
    x = pg.Tensor([[1.0, 2.0]])
    assert np.asarray(x).dtype == np.float32
    assert np.array(x, dtype=np.float64).tolist() == [[1.0, 2.0]]
    assert memoryview(x).shape == (1, 2) and memoryview(x).readonly
    a = np.ones((2, 2), np.float32)
    for y in (a + x, x + a, a @ x.T, 2 * x, np.float32(2) * x):
        assert isinstance(y, pg.Tensor)
    assert (a @ x.T).tolist() == [[3.0], [3.0]]
    assert x.__array_namespace__() is pg


def test_dlpack_both_ways() -> None:
    torch = pytest.importorskip("torch")
    x = pg.arange(6.0).reshape(2, 3)
    t = torch.from_dlpack(x)
    assert t.tolist() == x.tolist()
    back = pg.from_dlpack(torch.arange(4.0))
    assert back.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.from_dlpack(x).tolist() == x.tolist()
    assert pg.Tensor(torch.ones(2, 2, requires_grad=True)).tolist() == [[1.0, 1.0]] * 2
    assert x.__dlpack_device__() == (1, 0)
    for kind in (torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.float64):
        given = torch.tensor([[0, 1], [1, 1]]).to(kind).T
        made = pg.Tensor(given)
        assert made.dtype == pg.dt.as_dtype(kind) and made.astype("int64").tolist() == [[0, 1], [1, 1]]
        given[0, 0] = 1
        assert made.astype("int64").tolist() == [[0, 1], [1, 1]], "pg.Tensor copies"
    del t, back


def test_bfloat16_travels_through_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    a = np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16)
    x = pg.Tensor(a)
    assert x.dtype == "bfloat16"
    assert x.numpy().dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(x.numpy(), a)
    assert x.tolist()[:2] == [1.5, -2.0]


@pytest.mark.parametrize("dtype", [*NUMPY, "bfloat16"])
def test_pickle_and_copy(dtype: str) -> None:
    x = pg.Tensor([[1, 0], [3, 4]]).astype(dtype)
    again = pickle.loads(pickle.dumps(x))
    assert again.dtype == dtype and again.tolist() == x.tolist()
    for y in (copy.copy(x), copy.deepcopy(x)):
        x_before = y.tolist()
        y += y if dtype != "bool" else pg.zeros_like(y)
        assert x.tolist() == x_before
    assert pickle.loads(pickle.dumps(pg.device.cuda(1))) == pg.device.cuda(1)


def test_printing() -> None:
    assert repr(pg.Tensor([1.0, 2.5])) == "Tensor([1. , 2.5], dtype=float32, device=cpu)"
    assert repr(pg.Tensor(3)) == "Tensor(3, dtype=int64, device=cpu)"
    assert repr(pg.zeros((0, 2))) == "Tensor([], shape=(0, 2), dtype=float32, device=cpu)"
    assert repr(pg.ones(2, dtype="bfloat16")) == "Tensor([1., 1.], dtype=bfloat16, device=cpu)"
    assert f"{pg.Tensor(1.25):.1f}" == "1.2"
    assert f"{pg.Tensor([1])}" == "Tensor([1], dtype=int64, device=cpu)"
    with pytest.raises(TypeError, match="rank 0"):
        f"{pg.ones(2):.1f}"


def test_lists_of_tensors_and_ragged_lists() -> None:
    assert pg.Tensor([pg.Tensor(1.0), 2.0]).tolist() == [1.0, 2.0]
    assert pg.Tensor([[pg.Tensor(1.0)], [pg.Tensor(3.0)]]).shape == (2, 1)
    with pytest.raises(pg.ShapeError, match="ragged"):
        pg.Tensor([[1, 2], [3]])
    for bad in ("text", object(), {"a": 1}, [None]):
        with pytest.raises(TypeError):
            pg.Tensor(bad)


def test_tensors_hash_by_identity_and_compare_elementwise() -> None:
    x, y = pg.ones(2), pg.ones(2)
    assert len({x, y, x}) == 2
    assert (x == y).tolist() == [True, True]
    assert (x == None) is False  # noqa: E711 - what a newcomer writes
    assert x != "text"


def test_properties() -> None:
    x = pg.zeros((2, 3), dtype="float64")
    assert (x.size, x.ndim, x.nbytes, x.itemsize) == (6, 2, 48, 8)
    assert x.to("cpu") is x and x.to(pg.float32).dtype == "float32"
    assert x.T.shape == (3, 2)
