"""The matrix of ``cells.py`` on a GPU, real or emulated: the same cells, oracles and typed errors, with every array
placed on ``cuda``. Cells are run several at a time, so that the emulator compiles many kernels at once.

A run takes a small slice, another one each day; `hatch run nightly` takes all, and PGEMU_DEFERRED=1 or
PGEMU_BACKWARDS=1 with PGEMU_PROTECT=1 give the emulator's other orders.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pequegrad as pg
import pytest
from cells import Cell, cells, check
from slices import in_slice, takes_all

SLICES = 1024
TOGETHER = 48  # cells of a test
THREADS = 12


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everything = takes_all(metafunc.config)
    chosen = [c for c in cells() if everything or in_slice(f"cuda-{c.id}", SLICES)]
    parts = [chosen[i : i + TOGETHER] for i in range(0, len(chosen), TOGETHER)]
    metafunc.parametrize("part", parts, ids=[f"{p[0].id}-and-{len(p) - 1}-more" for p in parts])


@pytest.fixture
def on_cuda(gpu: str) -> Iterator[None]:
    before = pg.set_default_device(gpu)
    yield
    pg.set_default_device(before)


def outcome(cell: Cell) -> str:
    try:
        return check(cell)
    except Exception as error:
        return f"failed: {type(error).__name__}: {str(error)[:2000]}"


@pytest.mark.keeps_alive
def test_cells_on_cuda(part: list[Cell], on_cuda: None, record_property: Any) -> None:
    gc.collect()
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(outcome, part))
    gc.collect()
    record_property("cuda cells", (len(outcomes), len(cells())))
    failed = [f"{cell.id}: {o}" for cell, o in zip(part, outcomes) if o.startswith("failed")]
    assert not failed, "\n".join(failed)
