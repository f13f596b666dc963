"""Other libraries as oracles: skipped where they are missing or do not load."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


def need(name: str) -> Any:
    """The module; a newer one than the installed NumPy allows fails in its own ways, which skips as well."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        pytest.skip(f"{name} does not load: {error}", allow_module_level=True)
