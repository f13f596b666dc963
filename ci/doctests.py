"""Runs the examples in all docstrings of the installed packages and in the README files."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["pequegrad", "pg_nn", "pg_jax", "pg_onnx"]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules(name: str) -> Iterator[ModuleType]:
    package = importlib.import_module(name)
    yield package
    for info in pkgutil.walk_packages(package.__path__, f"{name}."):
        try:
            yield importlib.import_module(info.name)
        except ImportError as error:  # an optional part, whose error says what to install
            if "pip install" not in str(error):
                raise
            print(f"doctests: {info.name} left out: {error}")


def main() -> int:
    attempted = failed = 0
    # Every example may use the package and NumPy under their usual names without importing them.
    given = {"pg": importlib.import_module("pequegrad"), "np": importlib.import_module("numpy")}
    for name in PACKAGES:
        for module in modules(name):
            result = doctest.testmod(module, optionflags=FLAGS, extraglobs=given)
            attempted, failed = attempted + result.attempted, failed + result.failed
    pages = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md")), *sorted(ROOT.glob("docs/*.md"))]
    for page in pages:
        result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
        attempted, failed = attempted + result.attempted, failed + result.failed
    print(f"doctests: {attempted} examples, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
