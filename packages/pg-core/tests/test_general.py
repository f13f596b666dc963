"""XLA's general forms against jax.lax: random dimension numbers, modes, dilations; and bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32"]


@pytest.mark.parametrize("to", [*DTYPES, "float64"])
@pytest.mark.parametrize("dtype", [*DTYPES, "float64"])
def test_bitcast_between_all_widths(dtype: str, to: str, rng: np.random.Generator) -> None:
    have, want = np.dtype(dtype).itemsize, np.dtype(to).itemsize
    shape = (3, max(want // have, 1))
    x = rng.integers(0, 256, (*shape, have), np.uint8).view(dtype)[..., 0]
    if have > want:
        oracle = np.ascontiguousarray(x)[..., None].view(to)
    else:
        oracle = np.ascontiguousarray(x).view(to)
        oracle = oracle[..., 0] if want > have else oracle
    got = pg.bitcast(pg.Tensor(x), to)
    assert got.dtype.name == to and got.shape == oracle.shape
    assert got.numpy().tobytes() == np.ascontiguousarray(oracle).tobytes()


def test_bitcast_refuses() -> None:
    with pytest.raises(pg.DTypeError):
        pg.bitcast(pg.Tensor([1j]), "float32")
    with pytest.raises(pg.DTypeError):
        pg.bitcast(pg.Tensor([True]), "uint8")
    with pytest.raises(pg.ShapeError):
        pg.bitcast(pg.zeros(3, dtype="uint8"), "uint16")


def _numbers(rng: np.random.Generator, rank: int, batching: bool) -> dict[str, Any]:
    """Random dimension numbers for a tensor of so many axes, and the extents of a window."""
    axes = [int(a) for a in rng.permutation(rank)]
    paired = axes[:1] if batching else []
    rest = axes[len(paired) :]
    collapsed = sorted(rest[: rng.integers(0, len(rest) + 1)])
    return {
        "paired": paired,
        "collapsed": collapsed,
        # At least one coordinate: without any, XLA for CPUs adds one of several updates only.
        "map": [int(a) for a in rng.permutation(rest)[: rng.integers(1, len(rest) + 1) if rest else 0]],
        "window": len(rest) - len(collapsed),
    }


@pytest.mark.parametrize(
    "case", [*range(8), *[pytest.param(i, marks=pytest.mark.exhaustive) for i in range(8, 48)]]
)
def test_gather_and_scatter_agree_with_jax(case: int) -> None:
    jax = need("jax")
    lax = jax.lax
    rng = np.random.default_rng(case)
    rank = int(rng.integers(1, 5))
    shape = tuple(int(n) for n in rng.integers(2, 5, rank))
    numbers = _numbers(rng, rank, case % 3 == 0)
    batch = [int(n) for n in rng.integers(1, 4, int(rng.integers(1, 3)))]
    index_paired = []
    if numbers["paired"]:
        index_paired = [int(rng.integers(0, len(batch)))]
        batch[index_paired[0]] = shape[numbers["paired"][0]]
    gone = numbers["collapsed"] + numbers["paired"]
    sizes = tuple(1 if a in gone else int(rng.integers(1, n + 1)) for a, n in enumerate(shape))
    out_rank = len(batch) + numbers["window"]
    offset = tuple(sorted(int(a) for a in rng.permutation(out_rank)[: numbers["window"]]))
    x = rng.normal(size=shape).astype(np.float32)
    index = rng.integers(-2, 6, (*batch, len(numbers["map"]))).astype(np.int32)
    dims = lax.GatherDimensionNumbers(
        offset,
        tuple(numbers["collapsed"]),
        tuple(numbers["map"]),
        tuple(numbers["paired"]),
        tuple(index_paired),
    )
    for mode in ("clip", "fill"):
        want = lax.gather(x, index, dims, sizes, mode=mode, fill_value=9.0 if mode == "fill" else None)
        got = pg.gather_general(
            x,
            index,
            sizes,
            offset_dims=offset,
            start_index_map=numbers["map"],
            collapsed_slice_dims=numbers["collapsed"],
            operand_batching_dims=numbers["paired"],
            start_indices_batching_dims=index_paired,
            mode=mode,
            fill_value=9.0,
        )
        assert np.array_equal(got.numpy(), np.asarray(want)), (mode, dims)
        updates = rng.normal(size=want.shape).astype(np.float32)
        to = lax.ScatterDimensionNumbers(
            offset,
            tuple(numbers["collapsed"]),
            tuple(numbers["map"]),
            tuple(numbers["paired"]),
            tuple(index_paired),
        )
        for how in ("add", "max", "min", "mul"):
            want = getattr(lax, f"scatter_{how}")(
                x, index, updates, to, mode="drop" if mode == "fill" else mode
            )
            got = pg.scatter_general(
                x,
                index,
                updates,
                how,
                update_window_dims=offset,
                scatter_dims_to_operand_dims=numbers["map"],
                inserted_window_dims=numbers["collapsed"],
                operand_batching_dims=numbers["paired"],
                scatter_indices_batching_dims=index_paired,
                mode=mode,
            )
            assert np.allclose(got.numpy(), np.asarray(want), rtol=1e-5, atol=1e-6), (how, mode, to)


@pytest.mark.parametrize(
    "case", [*range(4), *[pytest.param(i, marks=pytest.mark.exhaustive) for i in range(4, 24)]]
)
def test_windows_agree_with_jax(case: int) -> None:
    jax = need("jax")
    lax = jax.lax
    rng = np.random.default_rng(case)
    rank = int(rng.integers(1, 5))
    shape = tuple(int(n) for n in rng.integers(2, 6, rank))

    def words(high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in rng.integers(1, high, rank))

    size, stride, base, spread = words(4), words(3), words(3), words(3)
    pads = [(int(a), int(b)) for a, b in rng.integers(0 if case % 2 else -1, 3, (rank, 2))]
    x = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)
    for how, neutral, f in (("max", -np.inf, lax.max), ("min", np.inf, lax.min), ("sum", 0.0, lax.add)):
        want = lax.reduce_window(x, np.float32(neutral), f, size, stride, pads, base, spread)
        got = pg.reduce_window(x, how, size, stride, pads, base_dilation=base, window_dilation=spread)
        assert got.shape == want.shape
        assert np.allclose(got.numpy(), np.asarray(want)), how
    want, back = jax.vjp(lambda x: lax.reduce_window(x, -np.inf, lax.max, size, stride, [(1, 1)] * rank), x)
    source = rng.normal(size=want.shape).astype(np.float32)
    got = pg.select_and_scatter_add(source, x, "max", size, stride, [(1, 1)] * rank)
    assert np.allclose(got.numpy(), np.asarray(back(source)[0]), rtol=1e-5)


def test_the_first_of_equal_elements_is_selected() -> None:
    x = pg.zeros((2, 2, 2, 2))
    got = pg.select_and_scatter_add(pg.ones((1, 1, 1, 1)), x, "max", 2)
    assert got.tolist()[0][0][0][0] == 1.0 and got.sum().item() == 1.0


@pytest.mark.parametrize(
    "layout", [("NHWC", "HWIO", "NHWC"), ("CNHW", "IHWO", "HWNC"), ("NCHW", "OIHW", "NHWC")]
)
def test_convolution_in_any_layout(layout: tuple[str, str, str], rng: np.random.Generator) -> None:
    jax = need("jax")
    extent = {"N": 2, "C": 4, "H": 6, "W": 5}
    kernel = {"O": 6, "I": 2, "H": 3, "W": 2}
    x = rng.normal(size=[extent[c] for c in layout[0]]).astype(np.float32)
    w = rng.normal(size=[kernel[c] for c in layout[1]]).astype(np.float32)
    want = jax.lax.conv_general_dilated(
        x, w, (2, 1), [(1, -1), (0, 2)], (2, 1), (1, 2), layout, feature_group_count=2
    )
    got = pg.conv_general(x, w, (2, 1), ((1, -1), (0, 2)), (1, 2), 2, input_dilation=(2, 1), layout=layout)
    assert got.shape == want.shape and np.allclose(got.numpy(), np.asarray(want), atol=1e-5)


def test_loops_read_and_write_at_computed_places() -> None:
    def step(i, x):
        return pg.dynamic_update_slice(x, pg.dynamic_slice(x, (i,), (1,)) * 2.0, (i + 1,))

    f = pg.jit(lambda x: pg.fori_loop(0, 4, step, x))
    x = pg.ones(5)
    assert f(x).tolist() == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert pg.grad(lambda x: f(x)[4])(x).tolist() == [16.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("exponent", "mantissa"), [(5, 4), (4, 2), (8, 7), (3, 0)])
def test_reduced_precision(dtype: str, exponent: int, mantissa: int, rng: np.random.Generator) -> None:
    x = np.concatenate([rng.normal(size=200) * 30, rng.normal(size=200) / 30, [0.0, -0.0, np.inf]]).astype(
        dtype
    )
    bias = 2.0 ** (min(exponent, {"float16": 5, "float32": 8, "float64": 11}[dtype]) - 1) - 1
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):  # by the definition: to a multiple of the last place, ties to even
        place = 2.0 ** (np.frexp(wide)[1] - 1 - min(mantissa, 10 if dtype == "float16" else 52))
        want = np.where(np.isinf(wide), wide, np.round(wide / place) * place)
    want = np.where(np.abs(want) >= 2.0 ** (bias + 1), np.copysign(np.inf, wide), want)
    if bias < 15 or dtype != "float16":
        want = np.where(np.abs(want) < 2.0 ** (1 - bias), np.copysign(0.0, wide), want)
    given = pg.Tensor(x)
    assert np.array_equal(pg.reduce_precision(given, exponent, mantissa).numpy(), want.astype(dtype))
    slope = pg.grad(lambda x: pg.reduce_precision(x, exponent, mantissa).sum())(pg.Tensor(x[:-1]))
    assert (slope.numpy() == 1).all()  # as of a conversion
