"""Checks who may know whom.

C++: a folder of packages/pg-core/src includes only those before it in LAYERS; `transforms` and `compiler` do
not know each other; architecture-specific code stands only in files that are guarded for the generic build.
Python: a package uses only public modules of another one and only packages below it; the extension module
`pequegrad._core` is pequegrad's own.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from files import ROOT, source_files

SRC = ROOT / "packages" / "pg-core" / "src"
LAYERS = [
    "support",
    "types",
    "ir",
    "runtime",
    "graph",
    "ops",
    "transforms",
    "compiler",
    "backends",
    "engine",
    "bindings",
]
STRANGERS = [{"transforms", "compiler"}]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
INTRINSIC = re.compile(
    r"\b_mm\d*_\w+\(|__builtin_ia32_|immintrin\.h|arm_neon\.h|__attribute__\s*\(\(\s*target"
)
GUARD = re.compile(r"#\s*if\s+.*__x86_64__.*!\s*defined\(PG_GENERIC\)")
VENDOR = re.compile(r"^(cuda|cublas|cudnn|nvrtc|nccl|cusolver|cufft|dnnl|oneapi/|mkl|llvm)", re.IGNORECASE)

# Import name -> (distribution folder, import names it may use).
PACKAGES = {
    "pequegrad": ("pg-core", set[str]()),
    "pg_nn": ("pg-nn", {"pequegrad"}),
    "pg_jax": ("pg-jax", {"pequegrad"}),
    "pg_onnx": ("pg-onnx", {"pequegrad", "pg_nn"}),
}


def check_cpp(path: Path) -> Iterator[str]:
    text = path.read_text()
    where = path.relative_to(ROOT)
    layer = path.relative_to(SRC).parts[0]
    if layer not in LAYERS:
        yield f"{where}: {layer} is no layer (see ci/check_layers.py)"
        return
    for bracket, name in INCLUDE.findall(text):
        if VENDOR.match(name):
            yield f"{where}: includes {name}; declare by hand what is loaded at run time"
        if bracket == "<":
            continue
        other = name.split("/")[0]
        if other not in LAYERS:
            yield f'{where}: "{name}"; write the path from src/'
        elif LAYERS.index(other) > LAYERS.index(layer) or {layer, other} in STRANGERS:
            yield f'{where}: {layer} may not include "{name}"'
    if INTRINSIC.search(text) and not GUARD.search(text):
        yield f"{where}: architecture-specific code needs #if defined(__x86_64__) && !defined(PG_GENERIC)"


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each absolute import, with the imported names as last part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def check_python(path: Path) -> Iterator[str]:
    where = path.relative_to(ROOT)
    own = next((name for name, (folder, _) in PACKAGES.items() if folder == where.parts[1]), None)
    if own is None:
        yield f"{where}: package {where.parts[1]} is not listed in ci/check_layers.py"
        return
    in_library = where.parts[2] in ("src", "python")
    for line, name in imports(ast.parse(path.read_text(), str(path))):
        package = name.split(".")[0]
        if package not in PACKAGES or package == own:
            continue
        if is_private(name):
            yield f"{where}:{line}: {name} is private to {package}"
        elif in_library and package not in PACKAGES[own][1]:
            yield f"{where}:{line}: {own} may not import {package}"


def main() -> int:
    failures: list[str] = []
    checked = 0
    for path in source_files(".h", ".cpp", ".py"):
        if path.suffix != ".py" and SRC in path.parents:
            failures += check_cpp(path)
        elif path.suffix == ".py" and ROOT / "packages" in path.parents:
            failures += check_python(path)
        else:
            continue
        checked += 1
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    print(f"layers: {checked} files, {len(failures)} complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
