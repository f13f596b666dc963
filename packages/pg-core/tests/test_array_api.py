"""The array API standard: what can be asked about dtypes, the strict view, special cases of functions.

``ci/array_api_suite.py`` runs the official suite, which is not part of this repository.
"""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import array_api as xp

INF, NAN = math.inf, math.nan
REAL = [d for d in pg.dt.all_dtypes if d.kind in "biuf" and d.name != "bfloat16"]


@pytest.mark.parametrize("dtype", [d for d in REAL if d.kind == "f"], ids=str)
def test_finfo(dtype: Any) -> None:
    want = np.finfo(dtype.to_numpy())
    for given in (dtype, dtype.name, pg.zeros(1, dtype=dtype)):
        got = pg.finfo(given)
        assert (got.bits, got.eps, got.max, got.min) == (want.bits, want.eps, want.max, want.min)
        assert got.smallest_normal == got.tiny == want.smallest_normal and got.dtype is dtype
    with pytest.raises(pg.DTypeError, match="iinfo"):
        pg.finfo("int8")


@pytest.mark.parametrize("dtype", [d for d in REAL if d.is_integer], ids=str)
def test_iinfo(dtype: Any) -> None:
    want = np.iinfo(dtype.to_numpy())
    got = pg.iinfo(dtype)
    assert (got.bits, got.max, got.min, got.dtype) == (want.bits, want.max, want.min, dtype)
    with pytest.raises(pg.DTypeError, match="finfo"):
        pg.iinfo("float32")


def test_isdtype() -> None:
    assert pg.isdtype("uint8", "unsigned integer") and not pg.isdtype("uint8", "signed integer")
    assert pg.isdtype(pg.bool_, ("integral", "bool")) and not pg.isdtype(pg.bool_, "numeric")
    assert pg.isdtype(pg.float32, pg.float32) and pg.isdtype("float16", "real floating")
    with pytest.raises(pg.DTypeError):
        pg.isdtype("int8", "whole")


def test_can_cast_keeps_every_value() -> None:
    for a, b in itertools.product(REAL, REAL):
        # NumPy counts 64-bit integers as kept by float64 (and 32-bit ones by nothing narrower).
        if {a.name, b.name} & {"int64", "uint64"} and b.kind == "f":
            assert not pg.can_cast(a, b) or a.kind in "bf" or a.itemsize < 8
        else:
            assert pg.can_cast(a, b) == np.can_cast(a.to_numpy(), b.to_numpy()), (a, b)
    assert pg.can_cast("bfloat16", "float32") and not pg.can_cast("bfloat16", "float16")
    assert pg.can_cast("uint8", "bfloat16") and not pg.can_cast("int16", "bfloat16")


def test_result_type() -> None:
    assert pg.result_type(pg.int8, "uint8") is pg.int16
    assert pg.result_type(pg.float16, 1.5) is pg.float16
    assert pg.result_type(pg.zeros(1, dtype="int8"), 1, True) is pg.int8
    assert pg.result_type(1, 1.0) is pg.float32
    assert pg.promote_types("int32", "uint32") is pg.int64
    with pytest.raises(pg.ArgumentError):
        pg.result_type()


def test_astype() -> None:
    x = pg.Tensor([1.5])
    assert pg.astype(x, pg.float32, copy=False) is x and pg.astype(x, pg.float32) is not x
    assert pg.astype(x, "int8", device="cpu").dtype == "int8"


def test_namespaces_and_versions() -> None:
    x = pg.ones(2)
    assert x.__array_namespace__() is pg and x.__array_namespace__(api_version="2024.12") is pg
    with pytest.raises(pg.InvalidValueError, match="2099"):
        x.__array_namespace__(api_version="2099.12")
    assert xp.__array_api_version__ == "2024.12"
    info = xp.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert info.capabilities() == {
        "boolean indexing": True, "data-dependent shapes": True, "max dimensions": None,
    }  # fmt: skip
    assert "float16" not in info.dtypes() and info.dtypes(kind="bool") == {"bool": pg.bool_}
    assert pg.array_api is xp


def test_the_strict_view_has_only_names_and_signatures_of_the_standard() -> None:
    public = {n for n in dir(xp) if not n.startswith("_")}
    assert public == set(xp.__all__)
    assert not {"softmax", "concatenate", "Tensor", "grad", "float16"} & public
    assert str(inspect.signature(xp.sum)) == "(x, /, *, axis=None, dtype=None, keepdims=False)"
    with pytest.raises(TypeError):
        xp.sum(pg.ones(2), 0)
    with pytest.raises(TypeError):
        xp.sum(x=pg.ones(2))
    with pytest.raises(TypeError, match="must be a tensor"):
        xp.abs([1.0])


def test_the_strict_view_does_not_mix_kinds() -> None:
    ints, floats, bools = pg.Tensor([1]), pg.Tensor([1.0]), pg.Tensor([True])
    for a, b in [(ints, floats), (bools, ints), (ints, 1.5), (bools, 1), (floats, True), (ints, True)]:
        with pytest.raises(pg.DTypeError):
            xp.add(a, b)
    with pytest.raises(pg.DTypeError, match="no integer type"):
        xp.add(pg.Tensor([1], dtype="uint64"), ints)
    with pytest.raises(TypeError, match="at least one"):
        xp.add(1, 2)
    assert xp.add(ints, 1).tolist() == xp.add(1, ints).tolist() == [2]
    assert xp.add(floats, 1).dtype == "float32"


def test_conversion_and_devices() -> None:
    x = pg.ones(2)
    assert x.to_device("cpu") is x or x.to_device("cpu").device == x.device
    with pytest.raises(pg.InvalidValueError):
        x.to_device("cpu", stream=1)
    assert pg.asarray(x, copy=False) is x and pg.asarray(x, copy=True) is not x
    with pytest.raises(pg.InvalidValueError, match="without a copy"):
        pg.asarray([1.0], copy=False)
    y = pg.asarray(x, copy=True)
    x[0] = 5.0
    assert y.tolist() == [1.0, 1.0]
    shared = np.ones(2, np.float32)
    for copy, want in ((None, 7.0), (True, 1.0)):
        made = pg.from_dlpack(shared, copy=copy, device="cpu")
        shared[0] = 7.0
        assert made[0].item() == want
        shared[0] = 1.0
    assert pg.from_dlpack(x).tolist() == x.tolist()


SPECIAL = [
    ("floor_divide", [(INF, 2.0, INF), (-INF, 2.0, -INF), (INF, -2.0, -INF), (2.0, INF, 0.0), (-2.0, INF, -0.0),
                      (2.0, -INF, -0.0), (-2.0, -INF, 0.0), (0.0, 2.0, 0.0), (-0.0, 2.0, -0.0), (0.0, -2.0, -0.0),
                      (1.0, 0.0, INF), (-1.0, 0.0, -INF), (1.0, -0.0, -INF), (0.0, 0.0, NAN), (INF, INF, NAN),
                      (NAN, INF, NAN), (NAN, 1.0, NAN), (INF, 0.0, INF)]),
    ("remainder", [(INF, 2.0, NAN), (2.0, INF, 2.0), (-2.0, INF, INF), (2.0, -INF, -INF), (-2.0, -INF, -2.0),
                   (0.0, 2.0, 0.0), (-0.0, 2.0, 0.0), (0.0, -2.0, -0.0), (-0.0, -2.0, -0.0), (1.0, 0.0, NAN),
                   (4.0, -2.0, -0.0), (-4.0, 2.0, 0.0)]),
    ("pow", [(NAN, 0.0, 1.0), (1.0, NAN, 1.0), (1.0, INF, 1.0), (-1.0, INF, 1.0), (0.5, INF, 0.0), (0.5, -INF, INF),
             (2.0, -INF, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, -3.0, -INF), (0.0, -2.0, INF),
             (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0), (-8.0, 1 / 3, NAN), (INF, -1.0, 0.0)]),
    ("atan2", [(0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (0.0, -0.0, math.pi), (-0.0, -0.0, -math.pi), (1.0, 0.0, math.pi / 2),
               (INF, INF, math.pi / 4), (INF, -INF, 3 * math.pi / 4), (-INF, INF, -math.pi / 4), (1.0, INF, 0.0),
               (-1.0, INF, -0.0), (1.0, -INF, math.pi), (NAN, 1.0, NAN)]),
    ("hypot", [(INF, NAN, INF), (NAN, -INF, INF), (NAN, 1.0, NAN), (0.0, -3.0, 3.0), (3e38, 3e38, INF), (1e-30, 1e-30, 1.4142135e-30)]),
    ("logaddexp", [(-INF, -INF, -INF), (INF, -INF, INF), (NAN, INF, NAN), (1000.0, 1000.0, 1000.6931)]),
    ("copysign", [(1.0, -0.0, -1.0), (-1.0, 0.0, 1.0), (0.0, -2.0, -0.0), (INF, -1.0, -INF)]),
    ("maximum", [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, 1.0, 1.0)]),
    ("minimum", [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, 1.0, -INF)]),
    ("nextafter", [(0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (INF, 0.0, 3.4028234663852886e38), (1.0, NAN, NAN),
                   (1.0, 1.0, 1.0), (0.0, 1.0, 1.401298464324817e-45)]),
    ("divide", [(1.0, 0.0, INF), (1.0, -0.0, -INF), (0.0, 0.0, NAN), (-INF, 0.0, -INF), (1.0, INF, 0.0), (-1.0, INF, -0.0)]),
    ("round", [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0), (-0.0, -0.0), (INF, INF)]),
    ("sign", [(NAN, NAN), (-0.0, 0.0), (0.0, 0.0), (-INF, -1.0)]),
    ("floor", [(-0.0, -0.0), (INF, INF), (-0.5, -1.0)]),
    ("ceil", [(-0.0, -0.0), (-0.5, -0.0), (-INF, -INF)]),
    ("trunc", [(-0.0, -0.0), (-0.5, -0.0), (0.9, 0.0)]),
    ("sqrt", [(-0.0, -0.0), (-1.0, NAN), (INF, INF)]),
    ("expm1", [(-0.0, -0.0), (-INF, -1.0), (INF, INF)]),
    ("log1p", [(-0.0, -0.0), (-1.0, -INF), (-2.0, NAN)]),
    ("tanh", [(-0.0, -0.0), (INF, 1.0), (-INF, -1.0)]),
    ("acosh", [(1.0, 0.0), (0.5, NAN), (INF, INF)]),
    ("atanh", [(1.0, INF), (-1.0, -INF), (-0.0, -0.0), (2.0, NAN)]),
    ("reciprocal", [(0.0, INF), (-0.0, -INF), (INF, 0.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cases"), SPECIAL, ids=[n for n, _ in SPECIAL])
@pytest.mark.parametrize("mode", ["eager", "jit"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_cases(name: str, cases: Any, mode: str, dtype: str) -> None:
    if dtype == "float64":  # limits of float32
        cases = [
            c for c in cases if not any((abs(v) > 1e30 and math.isfinite(v)) or 0 < abs(v) < 1e-29 for v in c)
        ]
    *args, want = [np.array(column, dtype) for column in zip(*cases, strict=True)]
    f = getattr(pg, name)
    got = (pg.jit(f) if mode == "jit" else f)(*[pg.Tensor(a) for a in args]).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(want)]), np.signbit(want[~np.isnan(want)]))


def test_integers_divided_by_zero() -> None:
    x = pg.Tensor([5, -5, 0])
    assert (x // 0).tolist() == [0, 0, 0] and (x % 0).tolist() == [0, 0, 0]
    least = pg.Tensor([-(2**63)])
    assert (least // -1).tolist() == [-(2**63)] and (least % -1).tolist() == [0]


def test_signbit_sees_negative_zero_and_nan() -> None:
    x = np.array([-0.0, 0.0, -1.0, np.copysign(NAN, -1), INF], np.float32)
    assert pg.signbit(pg.Tensor(x)).tolist() == np.signbit(x).tolist()


def test_python_ways_out_of_a_tensor() -> None:
    assert range(5)[pg.Tensor(2)] == 2 and math.floor(float(pg.Tensor(2.5))) == 2
    assert [1, 2, 3][pg.Tensor(1) : pg.Tensor(3)] == [2, 3]
    with pytest.raises(TypeError):
        range(pg.Tensor(1.5))


def test_unique_treats_nan_as_the_standard_and_numpy_do() -> None:
    x = np.array([NAN, 1.0, NAN, -0.0, 0.0], np.float32)
    t = pg.Tensor(x)
    assert pg.unique(t).tolist()[:-1] == [0.0, 1.0] and pg.unique(t).size == 3
    values, counts = pg.unique_counts(t)
    assert values.shape == (4,) and counts.tolist() == [2, 1, 1, 1]
    everything = pg.unique_all(t)
    np.testing.assert_array_equal(everything.values[everything.inverse_indices].numpy(), x)
    np.testing.assert_array_equal(x[everything.indices.numpy()], everything.values.numpy())


def test_lengths_that_depend_on_values_need_a_size_in_jit() -> None:
    x = pg.Tensor([3, 0, 3, 1])
    for f in (pg.nonzero, pg.unique, pg.bincount, pg.flatnonzero, pg.argwhere, lambda x: x[x > 0]):
        with pytest.raises(pg.TraceError, match=r"size=|length="):
            pg.jit(f)(x)
    assert pg.jit(lambda x: pg.nonzero(x, size=4, fill_value=9)[0])(x).tolist() == [0, 2, 3, 9]
    assert pg.jit(lambda x: pg.unique(x, size=4, fill_value=-1))(x).tolist() == [0, 1, 3, -1]
    assert pg.jit(lambda x: pg.bincount(x, length=3))(x).tolist() == [1, 1, 0]
    counts = pg.jit(lambda x: pg.unique(x, return_counts=True, size=4)[1])(x)
    assert counts.tolist() == [1, 1, 2, 0]
    grad = pg.grad(lambda x: (pg.unique(x) ** 2).sum())(pg.Tensor([2.0, 1.0, 2.0]))
    assert grad.tolist() == [4.0, 2.0, 0.0]


def test_searchsorted_in_large_tables_and_with_nan() -> None:
    rng = np.random.default_rng(0)
    table = np.sort(rng.normal(size=1000)).astype(np.float32)
    values = np.concatenate([rng.normal(size=50), table[::97], [NAN, INF, -INF]]).astype(np.float32)
    for side in ("left", "right"):
        want = np.searchsorted(table, values, side)
        np.testing.assert_array_equal(pg.searchsorted(table, values, side=side).numpy(), want)
        np.testing.assert_array_equal(
            pg.jit(lambda t, v, side=side: pg.searchsorted(t, v, side=side))(
                pg.Tensor(table), pg.Tensor(values)
            ).numpy(),
            want,
        )
    order = rng.permutation(1000)
    sorter = np.argsort(table[order])
    np.testing.assert_array_equal(
        pg.searchsorted(table[order], values, sorter=sorter).numpy(), np.searchsorted(table, values)
    )
    with pytest.raises(pg.InvalidValueError):
        pg.searchsorted(table, values, side="middle")


def test_quantiles_of_nan_and_infinities() -> None:
    x = np.array([1.0, NAN, 3.0], np.float32)
    assert math.isnan(pg.median(x).item()) and math.isnan(pg.quantile(x, 0.5).item())
    y = np.array([1.0, INF, INF], np.float32)
    assert pg.quantile(y, [0.0, 0.5, 1.0]).tolist() == [1.0, INF, INF]
    with pytest.raises(pg.InvalidValueError, match="methods are"):
        pg.quantile(y, 0.5, method="best")
    with pytest.raises(pg.ShapeError):
        pg.median(pg.zeros((0,)))


def test_all_nan_has_index_minus_one() -> None:
    x = pg.Tensor([[NAN, NAN], [1.0, NAN]])
    assert pg.nanargmax(x, 1).tolist() == [-1, 0] and pg.nanargmin(x, 1).tolist() == [-1, 0]


def test_trim_zeros() -> None:
    x = np.array([0, 0, 3, 0, 2, 0], np.float32)
    for trim in ("fb", "f", "b"):
        assert pg.trim_zeros(x, trim).tolist() == np.trim_zeros(x, trim).tolist()
    assert pg.trim_zeros(pg.zeros(3)).shape == (0,)
    assert pg.grad(lambda x: (pg.trim_zeros(x) ** 2).sum())(pg.Tensor(x)).tolist() == [0, 0, 6, 0, 4, 0]


def test_histograms_of_several_coordinates() -> None:
    points = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    for options in (
        {"bins": 3},
        {"bins": [2, 4]},
        {"bins": 3, "density": True},
        {"range": [(-1, 1), (-2, 1.5)]},
    ):
        held, edges = np.histogramdd(points.astype(float), **options)
        for f in (pg.histogramdd, pg.jit(lambda x, options=options: pg.histogramdd(x, **options))):
            got, borders = f(points, **options) if f is pg.histogramdd else f(pg.Tensor(points))
            np.testing.assert_allclose(got.numpy(), held, rtol=1e-5)
            for a, b in zip(borders, edges, strict=True):
                np.testing.assert_allclose(a.numpy(), b, rtol=1e-5)
        got, a, b = pg.histogram2d(points[:, 0], points[:, 1], **options)
        np.testing.assert_allclose(got.numpy(), held, rtol=1e-5)
        np.testing.assert_allclose(a.numpy(), edges[0], rtol=1e-5)
        np.testing.assert_allclose(b.numpy(), edges[1], rtol=1e-5)


def test_complex_numbers_in_sets_and_norms() -> None:
    x = np.array([1 + 1j, 0, 1 - 1j, 1 + 1j, complex(-0.0, 0.0)], np.complex64)
    values, counts = pg.unique(pg.Tensor(x), return_counts=True)
    want, times = np.unique(x, return_counts=True)
    assert values.tolist() == want.tolist() and counts.tolist() == times.tolist()
    rows = pg.unique(pg.Tensor(x[:4].reshape(2, 2)[[0, 1, 0]]), axis=0)
    assert rows.tolist() == np.unique(x[:4].reshape(2, 2), axis=0).tolist()
    assert pg.linalg.vector_norm(pg.Tensor([3 + 4j, 0])).item() == 5.0
    assert pg.vecdot(pg.Tensor([1j]), pg.Tensor([1j])).item() == 1 + 0j
    assert pg.finfo("complex64").bits == 32 and pg.can_cast("float32", "complex64")
    assert not pg.can_cast("complex64", "float64") and pg.isdtype("complex64", "complex floating")
    with pytest.raises(pg.DTypeError):
        xp.add(pg.Tensor([1]), 1j)
    zero = pg.expm1(pg.Tensor(np.array([complex(-0.0, 0.0)], np.complex64))).numpy()
    assert not np.signbit(zero.real).any()
