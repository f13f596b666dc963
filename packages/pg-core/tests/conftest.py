"""Fixtures of all tests of pg-core: seeds, leak check, and the slice of exhaustive cases that a run takes."""

from __future__ import annotations

import gc
import os
import time
import zlib

import numpy as np
import pequegrad as pg
import pytest

SLICES = 8


def _slice_of_today() -> int:
    given = os.environ.get("PG_TEST_SLICE")
    return int(given) % SLICES if given else int(time.time() // 86400) % SLICES


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked_for_all = config.option.markexpr not in ("", "not nightly")
    chosen_by_hand = config.option.keyword or any("::" in arg for arg in config.args)
    if asked_for_all or chosen_by_hand:
        return
    today = _slice_of_today()
    kept, left_out = [], []
    for item in items:
        # By content, not by hash(): the same day takes the same slice in every process.
        mine = zlib.crc32(item.nodeid.rpartition("/")[2].encode()) % SLICES == today
        (kept if mine or item.get_closest_marker("exhaustive") is None else left_out).append(item)
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)
        config.left_out = len(left_out)  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    count = getattr(config, "left_out", 0)
    if count:
        terminalreporter.write_line(
            f"left out {count} exhaustive cases (slice {_slice_of_today() + 1} of {SLICES} ran; "
            "PG_TEST_SLICE=n picks another, `hatch run nightly` runs all)"
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


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    yield
    if call.when == "call" and call.excinfo is not None:
        item.stash[FAILED] = True
