"""Nothing public goes without a row, a doc and an example; no record without a sample that uses it."""

from __future__ import annotations

import inspect
import re
import types
from pathlib import Path

import numpy as np
import pequegrad as pg
import pytest
from laws.law_tools import arguments, to_tensor
from op_samples import ELSEWHERE, ROWS

HERE = Path(__file__).parent
LEAVES = {"buffer", "number", "full", "param", "alias"}


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
    modules = [pg.random, pg.pytree, pg.debug, pg.device, pg.dt, pg.image, pg.integrate]
    functions = list(public_functions().items())
    for module in modules:
        functions += [
            (f"{module.__name__}.{n}", f)
            for n, f in vars(module).items()
            if isinstance(f, types.FunctionType) and f.__module__ == module.__name__ and not n.startswith("_")
        ]
    internal = {"pequegrad.device.placement", "pequegrad.device.from_pair"}
    lacking = [n for n, f in functions if n not in internal and ">>>" not in (inspect.getdoc(f) or "")]
    assert not lacking, f"no example in the docstring of {lacking}"


def test_every_record_is_documented_and_used_by_a_row() -> None:
    used: set[str] = set()
    for row in ROWS:
        dtype = row.dtypes[0]
        for sample in row.samples:
            args = [to_tensor(x, dtype) for x in arguments(row, sample, dtype)]
            places = [
                i
                for i, x in enumerate(args)
                if isinstance(x, pg.Tensor) or (isinstance(x, list) and x and isinstance(x[0], pg.Tensor))
            ]
            if "jit" in row.unsupported:
                continue

            def f(*arrays, places=places, args=args, row=row, sample=sample):
                given = list(args)
                for p, a in zip(places, arrays):
                    given[p] = a
                return row.function(*given, **sample.kwargs)

            functions = [f]
            if row.diff and dtype in ("float32", "float64"):
                wrt = [i for i, p in enumerate(places) if p in row.diff and isinstance(args[p], pg.Tensor)]

                def g(*arrays, f=f, wrt=wrt):
                    _, pulled = pg.vjp(
                        lambda *a: [y for y in pg.pytree.leaves(f(*a)) if y.dtype.is_floating],
                        wrt,
                        return_outs=True,
                    )(*arrays, [pg.ones_like(y) for y in pg.pytree.leaves(f(*arrays)) if y.dtype.is_floating])
                    return pulled

                def h(*arrays, f=f, wrt=wrt):
                    floating = lambda *a: [y for y in pg.pytree.leaves(f(*a)) if y.dtype.is_floating]
                    return pg.jvp(floating, wrt)(*arrays, *[pg.ones_like(arrays[i]) for i in wrt])

                if wrt:
                    functions += [g, h]
            for function in functions:
                text = str(pg.make_trace(function)(*[args[p] for p in places]))
                used |= set(re.findall(r"= (\w+)\(", text)) | set(re.findall(r"= (\w+)$", text, re.MULTILINE))
    text = str(pg.make_trace(lambda k: pg.random.normal(k, (3,)))(pg.random.key(0)))
    used |= set(re.findall(r"= (\w+)\(", text))
    records = set(pg._core.op_names())
    assert len(records) <= 120
    assert all(pg._core.op_doc(name) for name in records)
    unused = records - used - LEAVES - {"stop_gradient"}
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
