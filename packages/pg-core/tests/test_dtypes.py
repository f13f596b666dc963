"""dtypes: names, promotion with weak numbers, casts, and integer arithmetic that is defined everywhere."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pequegrad as pg
import pytest
from peers import need

NAMES = [d.name for d in pg.dt.all_dtypes]


def test_names_and_conversions() -> None:
    assert pg.dt.as_dtype("float32") is pg.float32 is pg.dt.float32
    assert pg.dt.as_dtype(np.float32) is pg.dt.as_dtype(np.dtype("f4")) is pg.float32
    assert (
        pg.dt.as_dtype(int) is pg.int64
        and pg.dt.as_dtype(float) is pg.float32
        and pg.dt.as_dtype(bool) is pg.dt.bool
    )
    torch = pytest.importorskip("torch")
    assert pg.dt.as_dtype(torch.bfloat16) is pg.bfloat16 and pg.dt.as_dtype(torch.bool) is pg.bool_
    assert pg.float32 == "float32" and pg.float32 == np.float32 and pg.float32 != "float64"
    assert {pg.float32: 1}["float32"] == 1
    assert pickle.loads(pickle.dumps(pg.int8)) is pg.int8 and copy.deepcopy(pg.int8) is pg.int8
    with pytest.raises(pg.DTypeError, match="unknown dtype 'float31'; the dtypes are bool, int8"):
        pg.zeros(2, dtype="float31")


def test_python_and_numpy_values() -> None:
    assert (
        pg.Tensor(1.5).dtype == "float32"
        and pg.Tensor([1, 2]).dtype == "int64"
        and pg.Tensor(True).dtype == "bool"
    )
    assert pg.Tensor(np.float64(1.5)).dtype == "float64"
    assert pg.Tensor(np.zeros(2)).dtype == "float64" and pg.Tensor(np.zeros(2, np.float16)).dtype == "float16"
    x = pg.ones(2, dtype="bfloat16")
    assert (x * np.float64(0.1)).dtype == "bfloat16", "NumPy scalars count as Python numbers"
    assert (x * np.array(0.1)).dtype == "float64", "0-d arrays are arrays"
    assert (pg.ones(2, dtype="int8") + 1).dtype == "int8"
    assert (pg.ones(2, dtype="int8") * 1.0).dtype == "float32"
    assert (pg.ones(2, dtype="bool") + 1).dtype == "int64"


@pytest.mark.parametrize("b", NAMES)
@pytest.mark.parametrize("a", NAMES)
def test_promotion_is_jax_s(a: str, b: str) -> None:
    jax = need("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        want = str(jax.numpy.promote_types(a, b))
    finally:
        jax.config.update("jax_enable_x64", before)
    if {a, b} & {"uint64"} and want == "float64" and "float64" not in (a, b):
        want = "float32"  # the default float here
    assert (pg.ones(2, dtype=a) + pg.ones(2, dtype=b)).dtype.name == want if {a, b} != {"bool"} else True
    assert pg.where(True, pg.ones(2, dtype=a), pg.ones(2, dtype=b)).dtype == want


@pytest.mark.parametrize("name", NAMES)
def test_weak_numbers(name: str) -> None:
    x = pg.ones(2, dtype=name)
    kind = pg.dt.as_dtype(name).kind
    assert pg.add(x, 1).dtype == (name if kind != "b" else "int64")
    assert pg.add(x, 1.5).dtype == (name if kind in "fc" else "float32")
    assert pg.jit(lambda x, s: pg.add(x, s))(x, 1.5).dtype == (name if kind in "fc" else "float32")


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("source", NAMES)
def test_casts(source: str, target: str) -> None:
    values = np.array([0, 1, 5, 100] if source != "bool" else [0, 1, 1, 0])
    if "complex" in source and "complex" not in target and target != "bool":
        with pytest.raises(pg.DTypeError, match="would lose the imaginary part"):
            pg.Tensor(values).astype(source).astype(target)
        return
    x = pg.Tensor(values).astype(source).astype(target)
    assert x.dtype == target
    want = values != 0 if target == "bool" else values
    np.testing.assert_array_equal(pg.real(x).astype("float64").numpy(), np.asarray(want, float))


@pytest.mark.parametrize("target", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("source", ["float32", "float64", "float16", "bfloat16"])
def test_floats_to_integers_saturate(source: str, target: str) -> None:
    info = np.iinfo(target)
    x = pg.Tensor([float("nan"), float("inf"), -float("inf"), 2.9, -2.9]).astype(source).astype(target)
    low = -2 if info.min < 0 else 0
    assert x.tolist() == [0, info.max, info.min, 2, low]


INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("name", INTS)
@pytest.mark.parametrize("jit", [False, True])
def test_integer_arithmetic_is_defined_everywhere(name: str, jit: bool) -> None:
    run = pg.jit if jit else (lambda f: f)
    info = np.iinfo(name)
    x = pg.Tensor(np.array([info.min, info.max, 7], name))
    zero = pg.zeros(3, dtype=name)
    assert run(operator.floordiv)(x, zero).tolist() == [0, 0, 0]
    assert run(operator.mod)(x, zero).tolist() == [0, 0, 0]
    assert run(operator.add)(x, pg.ones(3, dtype=name)).tolist() == [info.min + 1, info.min, 8]
    if info.min < 0:
        minus = -pg.ones(3, dtype=name)
        assert run(operator.floordiv)(x, minus).tolist() == [info.min, -info.max, -7]
        assert run(operator.mod)(x, minus).tolist() == [0, 0, 0]
        assert run(pg.negative)(x).tolist()[0] == info.min
        assert run(pg.abs)(x).tolist()[0] == info.min
    width = info.bits
    wide = pg.full((3,), width, dtype=name)
    assert run(operator.lshift)(x, wide).tolist() == [0, 0, 0]
    assert run(operator.rshift)(x, wide).tolist() == [-1 if info.min < 0 else 0, 0, 0]


def test_sums_widen_and_elementwise_does_not() -> None:
    for name in INTS:
        assert pg.sum(pg.ones(300, dtype=name)).dtype == ("int64" if name[0] == "i" else "uint64")
        assert (pg.ones(2, dtype=name) * pg.ones(2, dtype=name)).dtype == name
    assert pg.sum(pg.full((300,), 127, dtype="int8")).item() == 300 * 127
    assert (pg.ones(2, dtype="int64") / 2).dtype == "float32"
    assert pg.mean(pg.ones(2, dtype="int8")).dtype == "float32"
    assert pg.sum(pg.ones(2, dtype="float16")).dtype == "float16"


def test_half_types_round_at_every_op() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(1000).astype(ml_dtypes.bfloat16) for _ in range(3))
    ta, tb, tc = (pg.Tensor(v) for v in (a, b, c))
    want = (a * b).astype(ml_dtypes.bfloat16) + c
    for f in (lambda x, y, z: x * y + z, pg.jit(lambda x, y, z: x * y + z)):
        got = f(ta, tb, tc).numpy()
        assert got.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(got.view(np.uint16), want.view(np.uint16))


def test_integer_literals_that_do_not_fit_raise() -> None:
    with pytest.raises((pg.PequegradError, OverflowError)):
        (pg.ones(2, dtype="int8") + 300).eval()
    assert (pg.ones(2, dtype="uint8") < 300).tolist() == [True, True]
    with pytest.raises(pg.PequegradError):
        pg.Tensor(2**70)
