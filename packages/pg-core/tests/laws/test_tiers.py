"""The tiers compute the same bits: every function of the op table, interpreted and as generated code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from cells import Cell, cells, posed, refusal
from cells import functions as rows_by_function
from law_tools import bind, numpy_of
from pequegrad import _core
from slices import in_slice, takes_all

pytestmark = pytest.mark.skipif(
    _core.codegen_status()["reason"] != "", reason=f"no code: {_core.codegen_status()['reason']}"
)
SLICES = 64


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everything = takes_all(metafunc.config)
    asked = [c for c in cells() if c.mode == "jit" or (c.mode == "jit of grad" and "complex" not in c.dtype)]
    chosen = [c for c in asked if everything or in_slice(f"tiers-{c.id}", SLICES)]
    metafunc.parametrize("cell", chosen, ids=[c.id for c in chosen])


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = _core.set_codegen("automatic")
    yield
    _core.set_codegen(before)


def total(f: Callable[..., Any], *xs: pg.Tensor) -> pg.Tensor:
    floating = [y for y in f(*xs) if y.dtype.is_inexact]
    return sum(((pg.real(y) if y.dtype.is_complex else y).sum() for y in floating), pg.zeros(()))


def comparable(x: Any) -> Any:
    """Bits, but one for every NaN: which of two NaNs comes out is nobody's promise."""
    a = np.asarray(numpy_of(x))
    if a.dtype.kind in "fc":
        a = np.where(np.isnan(a), np.array(np.nan, a.dtype), a)
    return a.dtype, a.shape, a.tobytes()


def tiers_of(jitted: Any, tensors: list[Any]) -> str:
    """What runs the kernels without complex numbers."""
    kernels = jitted.explain(*tensors).kernels
    return " ".join(k.tier for k in kernels if "c64" not in k.source and "c128" not in k.source)


@pytest.mark.keeps_alive
def test_generated_code_computes_the_bits_of_the_interpreter(cell: Cell) -> None:
    rows = [r for r in rows_by_function()[cell.function] if refusal(r, cell) is None]
    for row in rows:
        for index in range(len(row.samples)):
            bound = bind(row, index, cell.dtype)
            f, tensors = bound.ours, bound.tensors()
            if cell.mode != "jit":
                if not bound.typed or not posed(row, index, cell.dtype).outs:
                    continue
                f = pg.grad(functools.partial(total, bound.ours), argnums=tuple(bound.wrt) or (0,))
            state = pg.random.get_state()
            results = []
            for mode in ("off", "all"):
                pg.random.set_state(state)
                _core.set_codegen(mode)
                jitted = pg.jit(f)
                out = jitted(*tensors)
                if mode == "all" and "complex" not in cell.dtype:
                    assert "interpreter" not in tiers_of(jitted, tensors), f"sample {index}"
                results.append([comparable(x) for x in pg.pytree.leaves(out)])
            assert results[0] == results[1], f"sample {index}"
