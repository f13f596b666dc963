"""The operators of ONNX: a module for each family, all in one table (``registry``)."""

from __future__ import annotations

import importlib
import pkgutil

_loaded = False


def load_all() -> None:
    """Import the modules of all families, which enter their rules into the table."""
    global _loaded
    if not _loaded:
        _loaded = True
        for info in pkgutil.iter_modules(__path__, f"{__name__}."):
            importlib.import_module(info.name)
