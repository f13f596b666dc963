"""Compares the stub of the extension module, written by hand, with the module: names, members, parameters.

Generators of stubs cannot see the methods that Python attaches to Tensor, nor the types behind `object`,
so the stub is ours to write; this check tells when it and the module drift apart.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "packages" / "pg-core" / "python" / "pequegrad" / "_core.pyi"

Definition = ast.FunctionDef | ast.ClassDef | ast.AnnAssign


def defined(body: list[ast.stmt]) -> dict[str, Definition]:
    """Functions, classes and annotated names of a stub, by name."""
    found: dict[str, Definition] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def parameters(function: Any) -> list[str] | None:
    """Names of the parameters that the module tells, or None where it tells nothing."""
    try:
        return [name for name in inspect.signature(function).parameters if name != "self"]
    except (TypeError, ValueError):
        pass
    # pybind11 writes the signature into the first line of the docstring.
    first = (getattr(function, "__doc__", None) or "").split("\n", 1)[0]
    if "(" not in first or "*args" in first:
        return None
    try:
        node = ast.parse(f"def {first.replace('::', '.')}: ...").body[0]
    except SyntaxError:
        return None
    return given_parameters(node) if isinstance(node, ast.FunctionDef) else None


def given_parameters(node: ast.FunctionDef) -> list[str]:
    a = node.args
    star = [a.vararg] if a.vararg else []
    return [p.arg for p in (*a.posonlyargs, *a.args, *star, *a.kwonlyargs) if p.arg != "self"]


def compare(module: ModuleType, attached: dict[str, set[str]]) -> list[str]:
    stub = defined(ast.parse(STUB.read_text()).body)
    actual = public(vars(module))
    complaints = [f"{name}: in the stub, not in the module" for name in sorted(public(stub) - actual)]
    complaints += [f"{name}: in the module, not in the stub" for name in sorted(actual - public(stub))]
    for name in sorted(public(stub) & actual):
        node, value = stub[name], getattr(module, name)
        if isinstance(node, ast.ClassDef):
            extra = attached.get(name, set())
            listed, members = public(defined(node.body)) - extra, public(vars(value)) - extra
            complaints += [f"{name}.{m}: in the stub, not in the module" for m in sorted(listed - members)]
            complaints += [f"{name}.{m}: in the module, not in the stub" for m in sorted(members - listed)]
        elif isinstance(node, ast.FunctionDef):
            told = parameters(value)
            if told is not None and told != given_parameters(node):
                complaints.append(
                    f"{name}: the stub has parameters {given_parameters(node)}, the module {told}"
                )
    return complaints


def main() -> int:
    import pequegrad
    from pequegrad import _core, _methods

    # What _methods.py and jit.py put on the types of the module.
    attached = {"Tensor": set(vars(_methods.TensorMethods)), "JitFunction": {"options", "explain"}}
    complaints = compare(_core, attached)
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"stub of {pequegrad.__name__}._core: {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
