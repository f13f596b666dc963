"""Fixtures of all tests of pg-core: seeds, leak check, and the slice of exhaustive cases that a run takes."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pequegrad as pg
import pytest
from slices import SLICES, in_slice, number_of_today, takes_all

LEFT_OUT = "left_out"
_outcomes: dict[tuple[str, ...], str] = {}  # of the cells of the matrix (laws/cells.py)
_on_cuda: list[tuple[int, int]] = []  # cells that ran on a GPU, and that there are


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if takes_all(config):
        return
    kept, left_out = [], []
    for item in items:
        mine = item.get_closest_marker("exhaustive") is None or in_slice(item.nodeid.rpartition("/")[2])
        (kept if mine else left_out).append(item)
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)
        output = getattr(config, "workeroutput", None)  # of a process of xdist
        if output is not None:
            output[LEFT_OUT] = len(left_out)
        else:
            config.left_out = len(left_out)  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    node.config.left_out = getattr(node, "workeroutput", {}).get(LEFT_OUT, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties if report.when == "call" else ():
        if name == "cell":
            _outcomes[tuple(value[:3])] = value[3]
        if name == "cuda cells":
            _on_cuda.append(tuple(value))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    count = getattr(config, "left_out", 0)
    if count:
        terminalreporter.write_line(
            f"left out {count} exhaustive cases (slice {number_of_today(SLICES) + 1} of {SLICES} ran; "
            "PG_TEST_SLICE=n picks another, `hatch run nightly` runs all)"
        )
    if _outcomes:
        sys.path.insert(0, str(Path(__file__).parent / "laws"))
        import cells

        for line in cells.summary({cells.Cell(*key): outcome for key, outcome in _outcomes.items()}):
            terminalreporter.write_line(line)
    if _on_cuda:
        ran = sum(part[0] for part in _on_cuda)
        terminalreporter.write_line(
            f"matrix on cuda: {ran} of {_on_cuda[0][1]} cells ran, {_on_cuda[0][1] - ran} left out"
        )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def leak_check(request: pytest.FixtureRequest):
    """Nodes and buffers that a test made are gone when it is over."""
    if request.node.get_closest_marker("keeps_alive"):
        yield
        return
    pg.random.get_state()  # evaluates the generator's count: one node each for key and count
    nodes, buffers = pg.debug.live_nodes(), pg.debug.live_buffers()
    yield
    if request.node.stash.get(FAILED, False):
        return  # the traceback holds what the test held
    pg.random.get_state()
    if pg.debug.live_nodes() > nodes or pg.debug.live_buffers() > buffers:
        gc.collect()  # only then: collecting is slow with torch and jax in the process
    now = pg.debug.live_nodes(), pg.debug.live_buffers()
    assert now[0] <= nodes, f"{now[0] - nodes} nodes leaked"
    assert now[1] <= buffers, f"{now[1] - buffers} buffers leaked"


@pytest.fixture(scope="session")
def gpu() -> str:
    """The name of a GPU: the machine's, else the emulated one (cuda_emu/), which is there from then on."""
    if not pg.device.is_cuda_available():
        sys.path.insert(0, str(Path(__file__).parent / "cuda_emu"))
        import build

        if build.compiler() is None:
            pytest.skip("no GPU, and no C++ compiler for the emulated one")
        os.environ.update(build.build())
    return "cuda"


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    yield
    if call.when == "call" and call.excinfo is not None:
        item.stash[FAILED] = True
