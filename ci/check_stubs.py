"""Compares the stub of the extension module, which is written by hand, with the extension.

Three parts: mypy's stubtest (names both ways, kinds, and signatures where Python can tell them); the
signatures that pybind11 writes into docstrings, which stubtest cannot read; and what the extension itself
gives Tensor, which the stub states in a class that exists for type checkers only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pequegrad import _core, _methods

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "packages" / "pg-core" / "python" / "pequegrad" / "_core.pyi"
# Of every class, or in the stub only because the constructor is __new__.
EVERYWHERE = {"__doc__", "__init__", "__module__", "__new__", "__weakref__"}

Parameters = list[tuple[str, str, bool]]


def parameters(function: ast.FunctionDef) -> Parameters:
    """(kind, name, has a default) of each parameter but self; the name of *args means nothing to callers."""
    a = function.args
    ordered = [*a.posonlyargs, *a.args]
    optional = len(ordered) - len(a.defaults)
    found = [("positional", p.arg, i >= optional) for i, p in enumerate(ordered) if p.arg != "self"]
    if a.vararg:
        found.append(("*", "", False))
    found += [("keyword", p.arg, d is not None) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return found


def documented(function: object, name: str) -> Parameters | None:
    """The parameters in the first line of a docstring of pybind11, or None for a function that is not its."""
    line = (getattr(function, "__doc__", None) or "").partition("\n")[0]
    if not line.startswith(f"{name}(") or " -> " not in line:
        return None
    (parsed,) = ast.parse(f"def {line}: ...").body
    assert isinstance(parsed, ast.FunctionDef)
    return parameters(parsed)


def check_signatures(body: list[ast.stmt], owner: object, where: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef) and hasattr(owner, node.name):
            yield from check_signatures(node.body, getattr(owner, node.name), f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            real = documented(vars(owner).get(node.name), node.name)
            if real is not None and real != parameters(node):
                yield f"{where}{node.name}: the stub says {parameters(node)}, the extension {real}"


def check_tensor(tree: ast.Module) -> Iterator[str]:
    (raw,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "RawTensor")
    stated = {node.name for node in raw.body if isinstance(node, ast.FunctionDef)} - EVERYWHERE
    attached = vars(_methods.Tensor)
    real = {
        name for name, value in vars(_core.Tensor).items() if attached.get(name) is not value
    } - EVERYWHERE
    for name in sorted(stated - real):
        yield f"Tensor.{name}: in the stub, but the extension does not have it"
    for name in sorted(real - stated):
        yield f"Tensor.{name}: the extension has it, but the stub does not"


def main() -> int:
    tree = ast.parse(STUB.read_text(), str(STUB))
    failures = [*check_signatures(tree.body, _core, ""), *check_tensor(tree)]
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    stubtest = [sys.executable, "-m", "mypy.stubtest", "pequegrad._core", "--concise"]
    stubtest += ["--mypy-config-file", "pyproject.toml", "--allowlist", "ci/stubtest_allowlist.txt"]
    status = subprocess.run(stubtest, cwd=ROOT, check=False).returncode
    print(f"stub: {len(failures)} complaints beside those of stubtest")
    return 1 if failures or status else 0


if __name__ == "__main__":
    sys.exit(main())
