"""The official suite of ONNX, every case by one rule: it passes, or is refused before anything runs.

Refused cases of the operators that exporters emit name an element type that pequegrad lacks; for operator sets up
to 21 nothing else is missing of them.
"""

from __future__ import annotations

import functools
import unittest

import numpy as np
import pequegrad as pg
import pg_onnx
import pytest
import suite
from onnx.backend.test import BackendTest
from pg_onnx import UnsupportedError
from pg_onnx.backend import PequegradBackend
from pg_onnx.ops.registry import find
from pg_onnx.runtime import Run

pytestmark = pytest.mark.keeps_alive

NODES = {case.name: case for case in suite.cases("node")}
MODELS = {case.name: case for case in suite.cases("simple", "pytorch-converted", "pytorch-operator")}
TIER1 = [name for name, case in NODES.items() if case.primary in suite.TIER1]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NODES)
def test_node(name: str) -> None:
    case = NODES[name]
    outcome, why = suite.run(case)
    assert outcome in ("pass", "unsupported"), why
    if outcome == "unsupported" and case.primary in suite.TIER1 and case.opset <= 21:
        assert "has the element type" in why


def test_the_official_runner_takes_the_backend() -> None:
    made = BackendTest(PequegradBackend, __name__).include(
        "test_(relu|gru_batchwise|cast_FLOAT_to_FLOAT8E5M2)_c"
    )
    case = next(c for name, c in made.test_cases.items() if "Node" in name)
    result = unittest.TestResult()
    for name in (
        "test_relu_cpu",
        "test_gru_batchwise_cpu",
        "test_cast_FLOAT_to_FLOAT8E5M2_cpu",
        "test_relu_cuda",
    ):
        case(name).run(result)
    assert (result.testsRun, len(result.skipped), result.failures) == (4, 1, [])
    assert [str(test).split()[0] for test, _ in result.errors] == ["test_cast_FLOAT_to_FLOAT8E5M2_cpu"]
    assert "UnsupportedError" in result.errors[0][1]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MODELS)
def test_model(name: str) -> None:
    outcome, why = suite.run(MODELS[name])
    assert outcome in ("pass", "unsupported"), why
    assert outcome == "pass" or not name.startswith("pytorch"), why


@pytest.mark.nightly
@pytest.mark.parametrize("case", suite.cases("real"), ids=lambda case: case.name)
def test_real_model(case: suite.Case) -> None:
    assert suite.run(case) == ("pass", "")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TIER1)
def test_under_jit(name: str) -> None:
    """One program for the whole graph, unless a shape is among its inputs."""
    case = NODES[name]
    model = case.model()
    try:
        module = PequegradBackend.prepare(model).module
        for inputs, expected in case.data(model):
            outs = pg.jit(functools.partial(_call, module))(*inputs)
            suite.check(expected, _arrays(outs), case.test.rtol, case.atol)
    except UnsupportedError:
        pass


def _arrays(value):
    if isinstance(value, (list, tuple)):
        return [_arrays(v) for v in value]
    return value.numpy()


def _call(module, *inputs):
    outs = module(*inputs)
    return outs if isinstance(outs, tuple) else (outs,)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", TIER1)
def test_gradients(name: str) -> None:
    """Both modes against differences, in float64; of what decides shapes there is no gradient."""
    case = NODES[name]
    model = case.model()
    try:
        module = pg_onnx.load(model.SerializeToString(), dtype="float64")
    except UnsupportedError:
        return
    inputs = [
        np.asarray(value)
        for value in next(iter(case.data(model)))[0]
        if not isinstance(value, (list, type(None)))
    ]
    if len(inputs) != len(module.inputs) or sum(array.size for array in inputs) > 3000:
        return
    rule = find("", case.primary, case.opset)[1]
    args = [
        pg.Tensor(_moved(array, case.primary) if array.dtype == np.float32 else array) for array in inputs
    ]
    fixed = {i for i in range(len(args)) if rule.slot(i) and rule.slot(i).form in ("host", "ints")}
    if case.primary == "OneHot":
        fixed.add(0)  # indices, though they be floats
    moving = [i for i, x in enumerate(args) if x.dtype is pg.float64 and i not in fixed]
    finite = [not isinstance(out, list) and np.isfinite(out.numpy()).all() for out in _call(module, *args)]
    if not moving or not all(np.isfinite(inputs[i]).all() for i in moving):
        return

    def floats(*values):
        given = dict(zip(moving, values, strict=True))
        outs = _call(module, *(given.get(i, x) for i, x in enumerate(args)))
        return [out for out, fits in zip(outs, finite, strict=True) if fits and out.dtype.is_floating]

    pg.check_grads(floats, [args[i] for i in moving], order=1)


def _moved(array: np.ndarray, op: str) -> np.ndarray:
    """In float64, and apart from the places where functions have corners."""
    rng = np.random.default_rng(0)
    if op == "MaxPool":
        return rng.permutation(array.size).reshape(array.shape) * 0.1
    return array.astype(np.float64) + (0.01 * rng.standard_normal(array.shape) if array.ndim else 0)


def on_host(case: suite.Case) -> bool:
    found = find("", case.primary, case.opset) if case.primary else None
    return found is not None and found[1].on_host


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name, case in NODES.items() if on_host(case)])
def test_on_the_host(name: str) -> None:
    """Rules that also compute shapes while a graph is traced give the same there, by NumPy."""
    case = NODES[name]
    model = case.model()
    try:
        program = PequegradBackend.prepare(model).module._program
    except UnsupportedError:
        return
    for inputs, expected in case.data(model):
        if any(np.asarray(value).dtype.name == "bfloat16" for value in inputs):
            continue
        names = [value.name for value in program.inputs]
        inputs = [np.asarray(value) for value in inputs]
        run = Run(program.limits)
        made = run.plan(program.plan, dict(zip(names, inputs, strict=True)))
        arrays = [v if isinstance(v, np.ndarray) else run.tensor(v, "").numpy() for v in made]
        suite.check(expected, arrays, case.test.rtol, case.atol)
