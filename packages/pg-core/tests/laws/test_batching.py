"""Law of vmap: it equals the loop over the examples, for every op, whichever arguments are mapped, along any
axis, and nested; so do derivatives under vmap.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from law_tools import flat, materialize, numpy_of, to_tensor
from op_samples import ROWS
from rows import Row, Sample

EXAMPLES = 3
CASES = [
    pytest.param(
        row, sample, dtype, id=f"{row.name}-{number}.{i}-{dtype}", marks=[pytest.mark.exhaustive] if i else []
    )
    for number, row in enumerate(ROWS)
    if "vmap" not in row.unsupported
    for dtype in row.dtypes[:1]
    for i, sample in enumerate(row.samples)
]


def examples(row: Row, sample: Sample, dtype: str, count: int) -> list[list[Any]]:
    """The arguments of several examples, all different."""
    seed = zlib.crc32(f"{row.name}{dtype}".encode())
    out = []
    for k in range(count):
        rng = np.random.default_rng(seed + k)
        out.append([materialize(x, dtype, rng) for x in sample.args])
    return out


def array_places(args: list[Any]) -> list[int]:
    return [
        i
        for i, x in enumerate(args)
        if isinstance(x, np.ndarray) or (isinstance(x, list) and x and isinstance(x[0], np.ndarray))
    ]


def function_of(row: Row, sample: Sample, args: list[Any], places: list[int]) -> Any:
    def f(*arrays: Any) -> list[Any]:
        given = list(args)
        for p, a in zip(places, arrays):
            given[p] = a
        return flat(row.function(*given, **sample.kwargs))

    return f


def joined(values: list[Any], axis: int) -> Any:
    """One argument of all examples, along an axis."""
    if isinstance(values[0], list):
        return [joined([v[i] for v in values], axis) for i in range(len(values[0]))]
    return np.stack(values, axis)


def equal(got: Any, want: list[Any], what: str) -> None:
    """The batched result against the results of the loop."""
    values = numpy_of(got)
    expected = np.stack([numpy_of(w) for w in want])
    assert got.dtype == want[0].dtype, what
    assert values.shape == expected.shape, what
    if values.dtype.kind not in "fc":
        np.testing.assert_array_equal(values, expected, err_msg=what)
        return
    # Sums and products may associate otherwise for another shape.
    tolerance = {"float64": 1e-13, "complex128": 1e-13, "float32": 4e-6, "complex64": 4e-6}.get(
        got.dtype.name, 2e-2
    )
    wide = np.complex128 if values.dtype.kind == "c" else np.float64
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).astype(np.float64).max(initial=0.0)))
    np.testing.assert_allclose(
        values.astype(wide), expected.astype(wide), rtol=tolerance, atol=tolerance * scale, err_msg=what
    )


def loop_of(
    row: Row, sample: Sample, dtype: str, data: list[list[Any]], mapped: list[int], places: list[int]
) -> list[list[Any]]:
    """Results of the examples; arguments that are not mapped are those of the first."""
    out = []
    for example in data:
        args = [to_tensor(example[p] if p in mapped else data[0][p], dtype) for p in range(len(example))]
        out.append(function_of(row, sample, args, places)(*[args[p] for p in places]))
    return out


def variants(places: list[int]) -> list[list[int]]:
    return [places] if len(places) < 2 else [places, *[[p] for p in places]]


@pytest.mark.parametrize(("row", "sample", "dtype"), CASES)
def test_vmap_is_the_loop(row: Row, sample: Sample, dtype: str) -> None:
    data = examples(row, sample, dtype, EXAMPLES)
    places = array_places(data[0])
    if not places:
        return
    fixed = [to_tensor(x, dtype) for x in data[0]]
    f = function_of(row, sample, fixed, places)
    for k, mapped in enumerate(variants(places)):
        axis = -1 if k == 0 else 0
        given = [
            to_tensor(joined([e[p] for e in data], axis), dtype) if p in mapped else fixed[p] for p in places
        ]
        in_axes = tuple(axis if p in mapped else None for p in places)
        got = pg.vmap(f, in_axes)(*given)
        want = loop_of(row, sample, dtype, data, mapped, places)
        for n, y in enumerate(got):
            equal(y, [w[n] for w in want], f"{row.name}, in_axes={in_axes}")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("row", "sample", "dtype"), CASES)
def test_nested_vmap_is_the_nested_loop(row: Row, sample: Sample, dtype: str) -> None:
    data = examples(row, sample, dtype, 6)
    places = array_places(data[0])
    if not places:
        return
    f = function_of(row, sample, [to_tensor(x, dtype) for x in data[0]], places)

    def pairs(p: int) -> Any:
        return to_tensor(
            joined([joined([data[2 * i + j][p] for j in range(2)], 0) for i in range(3)], 0), dtype
        )

    got = pg.vmap(pg.vmap(f))(*[pairs(p) for p in places])
    want = loop_of(row, sample, dtype, data, places, places)
    for n, y in enumerate(got):
        equal(pg.reshape(y, (6, *y.shape[2:])), [w[n] for w in want], row.name)


@pytest.mark.parametrize(("row", "sample", "dtype"), CASES)
def test_derivatives_under_vmap_are_those_of_the_loop(row: Row, sample: Sample, dtype: str) -> None:
    if not row.diff or not set(row.dtypes) & {"float32", "float64"}:
        return
    kind = "float64" if "float64" in row.dtypes else "float32"
    data = examples(row, sample, kind, EXAMPLES)
    places = [p for p in array_places(data[0]) if p in row.diff and isinstance(data[0][p], np.ndarray)]
    if not places:
        return
    f = function_of(row, sample, [to_tensor(x, kind) for x in data[0]], places)

    def gradient(*arrays: Any) -> Any:
        floating = lambda *a: [y for y in f(*a) if y.dtype.kind == "f"]
        outs, push = pg.linearize(floating, *arrays)
        wrt = list(range(len(arrays)))
        return [
            *pg.vjp(floating, wrt)(*arrays, [pg.cos(y) for y in outs]),
            *push(*[pg.sin(a) for a in arrays]),
        ]

    arrays = [[to_tensor(e[p], kind) for p in places] for e in data]
    want = [gradient(*a) for a in arrays]
    got = pg.vmap(gradient)(*[to_tensor(joined([e[p] for e in data], 0), kind) for p in places])
    for n, y in enumerate(got):
        equal(y, [w[n] for w in want], row.name)
