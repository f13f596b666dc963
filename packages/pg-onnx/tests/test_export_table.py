"""Every public function of pg-core that ONNX can say is exported, and computes the same in onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import pequegrad as pg
import pg_onnx
import pytest
from laws.law_tools import Bound
from op_samples import ROWS
from ortools import run
from peers import need
from rows import Row

# Refused in any case: what ONNX has no operators for. The records named in an error must be among these.
NO_COUNTERPART = {
    "host_call",
    "triangular_solve",
    "fft",
    "complex",
    "conj",
    "real",
    "imag",
    "lgamma",
    "digamma",
    "erfinv",
    "zeta",
    "signbit",
    "threefry",
    "psum",
    "all_gather",
}
# Refused for some dtypes or options only.
SOMETIMES = {
    "bitcast",  # opset 26
    "shift_left",
    "shift_right",
    "pow",  # of integers
    "reduce_window_max",  # of integers
    "window_max_pick",
    "window_max_grad",
    "reduce_window_sum",
    "conv_input_grad",  # negative margins
    "dot_general",  # of bools
}
# The tail of the normal distribution needs the complement of Erf, which ONNX lacks: its logarithm has no digits.
INEXACT = {"log_ndtr"}


def cells() -> Iterator[object]:
    for row in ROWS:
        for dtype in ("float32", "int64", "bool"):
            if row.name in INEXACT or dtype not in row.dtypes or (dtype == "bool" and "int64" in row.dtypes):
                continue
            count = 2 if dtype == "float32" else 1
            for k in range(min(count, len(row.samples))):
                name = f"{row.name}-{row.why}-{dtype}-{k}" if row.why else f"{row.name}-{dtype}-{k}"
                yield pytest.param(row, dtype, k, id=name, marks=pytest.mark.exhaustive)


@pytest.mark.parametrize(("row", "dtype", "k"), list(cells()))
def test_a_row_of_the_table(row: Row, dtype: str, k: int) -> None:
    bound = Bound(row, row.samples[k], dtype)
    arrays = [np.array(v, order="C") for v in bound.values]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tensors = tuple(pg.Tensor(v) for v in arrays)
            want = [w.numpy() for w in bound.ours(*tensors)]
        except pg.errors.PequegradError:
            pytest.skip("refused by pg-core")
        try:
            model = pg_onnx.to_proto(lambda *a: bound.ours(*a), tensors)
        except pg_onnx.UnsupportedError as error:
            complex_ = "complex" in str(error)
            assert {r.op for r in error.reasons} <= NO_COUNTERPART | SOMETIMES or complex_, error
            return
        except pg.TraceError:  # sizes that depend on values, and numbers that are read
            return
    onnx.checker.check_model(model, full_check=True)
    lacks = need("onnxruntime").capi.onnxruntime_pybind11_state.NotImplemented
    try:
        got = run(model, [arrays[i] for i in range(len(model.graph.input))])
    except lacks:
        pytest.skip("onnxruntime has no kernel for the dtype")
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype
        if w.dtype.kind == "f":
            np.testing.assert_allclose(g, w, rtol=1e-5 * max(1, row.tolerance), atol=1e-5)
        else:
            np.testing.assert_array_equal(g, w)
