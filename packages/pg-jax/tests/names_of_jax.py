"""Which names of jax the sources of a package use, read from their syntax trees."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path


def _module_names(tree: ast.Module) -> set[str]:
    """Dotted names of jax, with the aliases of imports put in."""
    aliases: dict[str, str] = {}
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                if a.name.split(".")[0] == "jax":
                    aliases[a.asname or "jax"] = a.name if a.asname else "jax"
                    names.add(a.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "jax":
            for a in node.names:
                aliases[a.asname or a.name] = f"{node.module}.{a.name}"
                names.add(f"{node.module}.{a.name}")
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in aliases:
            names.add(".".join([aliases[inner.id], *reversed(parts)]))
    return names


def names_of_jax(package: str) -> set[str]:
    """The names of jax that the modules of an installed package use, its tests left out."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    names: set[str] = set()
    for path in Path(spec.origin).parent.rglob("*.py"):
        if "test" not in path.stem:
            names |= _module_names(ast.parse(path.read_text()))
    return names
