"""Nothing public goes without a row, a doc and an example; no record without a sample that uses it."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path

import numpy as np
import pequegrad as pg
import pytest
from laws.law_tools import bind
from op_samples import ELSEWHERE, ROWS

HERE = Path(__file__).parent
PUBLIC_MODULES = {
    f"pequegrad.{name}"
    for name in ("random", "pytree", "debug", "device", "dt", "image", "integrate", "linalg", "fft")
}
# Records that hold bodies or functions: test_control.py and test_control_derivatives.py.
BODIES = {"call", "cond", "custom_jvp", "custom_vjp", "host_call", "opaque_linear", "pick", "scan", "while"}
COMPILED = {"strips"}  # which only the compiler makes, so that nothing differentiates or batches them
LEAVES = {"buffer", "number", "full", "param", "alias"}
REPLACED = {"psum", "all_gather"}  # by other records, before their vmap ends: tested in test_vmap.py
MOVES = {"to_device"}  # tested in test_cuda_kernels.py


def public_functions() -> dict[str, types.FunctionType]:
    return {name: f for name in pg.__all__ if isinstance(f := getattr(pg, name), types.FunctionType)}


def test_every_public_function_has_a_row() -> None:
    rows = {row.name for row in ROWS}
    functions_with_rows = {getattr(pg, name) for name in rows if hasattr(pg, name)}
    elsewhere = set().union(*ELSEWHERE.values())
    missing = [
        n for n, f in public_functions().items() if f not in functions_with_rows and n not in elsewhere
    ]
    assert not missing, f"no row in op_samples.py for {missing}"
    for name in ELSEWHERE:
        text = (HERE / name).read_text()
        for function in ELSEWHERE[name]:
            assert function in text, f"{name} does not mention {function}"


def test_every_public_function_has_a_doc_with_an_example() -> None:
    modules = [pg.random, pg.pytree, pg.debug, pg.device, pg.dt, pg.image, pg.integrate, pg.ode]
    functions = list(public_functions().items())
    for module in modules:
        functions += [
            (f"{module.__name__}.{n}", f)
            for n, f in vars(module).items()
            if isinstance(f, types.FunctionType)
            and f.__module__.startswith(module.__name__)
            and not n.startswith("_")
        ]
    internal = {"pequegrad.device.placement", "pequegrad.device.from_pair"}
    lacking = [n for n, f in functions if n not in internal and ">>>" not in (inspect.getdoc(f) or "")]
    assert not lacking, f"no example in the docstring of {lacking}"


def test_public_functions_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """By objects: another name of a function counts for nothing."""
    named = set(public_functions().values())
    modules = [
        m for m in vars(pg).values() if isinstance(m, types.ModuleType) and m.__name__ in PUBLIC_MODULES
    ]
    within = {
        f
        for module in modules
        for n, f in vars(module).items()
        if isinstance(f, types.FunctionType) and f.__module__.startswith(module.__name__) and n[0] != "_"
    }
    rows = {row.name for row in ROWS}
    with capsys.disabled():
        print(
            f"\n{len(named)} public functions in the main namespace, {len(within - named)} more in its modules; "
            f"{len(rows)} functions in the matrix, {len(pg._core.op_names())} records"
        )
    assert len(named) >= 250 and len(rows) >= 250


def test_every_function_is_in_a_stub_or_typed() -> None:
    """The package is typed itself (py.typed); the extension has a stub, which ci/check_stubs.py compares."""
    assert (Path(pg.__file__).parent / "py.typed").exists()
    untyped = [
        name
        for name, f in public_functions().items()
        if any(
            p.annotation is p.empty
            for p in inspect.signature(f).parameters.values()
            if p.kind is not p.VAR_KEYWORD
        )
        or inspect.signature(f).return_annotation is inspect.Signature.empty
    ]
    assert not untyped, f"no annotations: {untyped}"


def test_every_record_is_documented_and_used_by_a_row() -> None:
    used: set[str] = set()

    def trace(f, *args) -> None:
        text = str(pg.make_trace(f)(*args))
        used.update(re.findall(r"= (\w+)\(", text), re.findall(r"= (\w+)$", text, re.MULTILINE))

    for row in ROWS:
        if "jit" in row.unsupported:
            continue
        dtype = row.dtypes[0]
        for index in range(len(row.samples)):
            bound = bind(row, index, dtype)
            xs, wrt = bound.tensors(), bound.wrt
            trace(bound.ours, *xs)
            if not wrt or not row.diff or not pg.dt.as_dtype(dtype).is_inexact:
                continue

            def floating(*arrays, f=bound.ours):
                return [y for y in f(*arrays) if y.dtype.is_inexact]

            def forward(*arrays, f=floating, wrt=wrt):
                return pg.jvp(f, wrt)(*arrays, *[pg.ones_like(arrays[i]) for i in wrt])

            def reverse(*arrays, f=floating, wrt=wrt):
                return pg.vjp(f, wrt)(*arrays, [pg.ones_like(y) for y in f(*arrays)])

            trace(forward, *xs)
            trace(reverse, *xs)
    trace(lambda k: pg.random.normal(k, (3,)), pg.random.key(0))
    records = set(pg._core.op_names())
    assert len(records - COMPILED - MOVES) <= 125  # about 120, those that hold bodies included
    assert all(pg._core.op_doc(name) for name in records)
    unused = records - used - LEAVES - REPLACED - BODIES - COMPILED - MOVES - {"stop_gradient"}
    assert not unused, f"no row of op_samples.py uses {sorted(unused)}"


def test_public_names_are_sorted_and_exist() -> None:
    assert pg.__all__ == sorted(pg.__all__)
    assert all(hasattr(pg, name) for name in pg.__all__)


def test_methods_are_documented() -> None:
    lacking = [
        name
        for name, f in vars(pg.Tensor).items()
        if not name.startswith("_") and callable(f) and not (inspect.getdoc(f) or "").strip()
    ]
    assert not lacking


@pytest.mark.parametrize(
    "name",
    ["sum", "mean", "max", "var", "argmax", "cumsum", "softmax", "concatenate", "stack", "squeeze", "sort"],
)
def test_torch_spellings_of_axis(name: str) -> None:
    x = pg.Tensor(np.arange(6.0).reshape(1, 2, 3))
    f = getattr(pg, name)
    given = [x, x] if name in ("concatenate", "stack") else x
    where = 0 if name == "squeeze" else 1
    assert f(given, dim=where).shape == f(given, axis=where).shape
    if name in ("sum", "mean", "max", "var", "argmax"):
        assert f(x, dim=1, keepdim=True).shape == f(x, axis=1, keepdims=True).shape
        with pytest.raises(TypeError, match="not both"):
            f(x, axis=1, dim=1)
