"""The slice of exhaustive cases that a run takes, as in pg-core."""

from __future__ import annotations

import pytest
from slices import in_slice, takes_all


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if takes_all(config):
        return
    here = [item for item in items if item.get_closest_marker("exhaustive") and "pg-onnx" in item.nodeid]
    left_out = {id(item) for item in here if not in_slice(item.nodeid.rpartition("/")[2])}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left_out])
        items[:] = [item for item in items if id(item) not in left_out]
