"""The slice of exhaustive cases that a run takes, also where pg-core's tests are not run."""

from __future__ import annotations

import pytest
from slices import in_slice, takes_all


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if takes_all(config):
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("exhaustive") and not in_slice(item.nodeid.rpartition("/")[2])
    ]
    if left_out:
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=left_out)
