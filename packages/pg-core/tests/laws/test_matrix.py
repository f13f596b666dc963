"""Every cell of the matrix that this run takes (see ``cells.py``)."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pequegrad as pg
import pytest
from cells import Cell, cells, check
from slices import in_slice, takes_all

SLICES = 16


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        everything = takes_all(metafunc.config)
        chosen = [c for c in cells() if everything or in_slice(c.id, SLICES)]
        metafunc.parametrize("cell", chosen, ids=[c.id for c in chosen])


@pytest.fixture(scope="module")
def leak_check_of_all() -> Iterator[None]:
    """Once for all cells: collecting garbage after each takes longer than the cells."""
    pg.random.get_state()
    gc.collect()
    before = pg.debug.live_nodes(), pg.debug.live_buffers()
    yield
    gc.collect()
    after = pg.debug.live_nodes(), pg.debug.live_buffers()
    assert after[0] <= before[0] and after[1] <= before[1], (
        f"nodes and buffers: {before} before, {after} after"
    )


@pytest.mark.keeps_alive
def test_cell(cell: Cell, record_property, leak_check_of_all) -> None:
    record_property("cell", (*cell, check(cell)))
