"""Other libraries as oracles: skipped where they are missing or do not load."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def need(name: str) -> Any:
    """The module; a newer one than the installed NumPy allows fails in its own ways, which skips as well."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        pytest.skip(f"{name} does not load: {error}", allow_module_level=True)


@contextmanager
def wide_jax() -> Iterator[Any]:
    """jax with numbers of 64 bits; afterwards as before, because other tests of the process want 32."""
    jax = need("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield jax
    finally:
        jax.config.update("jax_enable_x64", before)
