"""Modules as pytrees: leaves are parameters and floating buffers, everything else is structure.

The structure compares by value, so that two models built alike share one jit program, and it holds no
floating tensor, so that a cached program keeps no model alive.
"""

from __future__ import annotations

from typing import Any

import pequegrad as pg


class Structure:
    """What is left of one module when its leaves and submodules are taken out."""

    __slots__ = ("buffers", "cls", "modules", "parameters", "static", "transient")

    def __init__(self, module: Any) -> None:
        own = module.__dict__
        self.cls = type(module)
        self.parameters = {name: handle is not None for name, handle in own["_parameters"].items()}
        # An integer buffer is not a leaf; its handle stays part of the structure, and the copy shares it.
        self.buffers = {name: _FLOATING if _is_leaf(b) else b for name, b in own["_buffers"].items()}
        self.modules = {name: child is not None for name, child in own["_modules"].items()}
        self.transient = frozenset(own["_transient"])
        registries = {"_parameters", "_buffers", "_modules", "_transient"}
        self.static = {name: value for name, value in own.items() if name not in registries}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Structure)
            and self.cls is other.cls
            and list(self.parameters.items()) == list(other.parameters.items())
            and list(self.modules.items()) == list(other.modules.items())
            and self.transient == other.transient
            and _same_entries(self.buffers, other.buffers)
            and _same_entries(self.static, other.static)
        )

    def __hash__(self) -> int:
        return hash(
            (self.cls, *self.parameters, *self.buffers, *self.modules, *self.static, self.static["_training"])
        )

    def names(self) -> list[str]:
        """Names of the children, in the order of `flatten`."""
        return [
            *(name for name, present in self.parameters.items() if present),
            *(name for name, buffer in self.buffers.items() if buffer is _FLOATING),
            *(name for name, present in self.modules.items() if present),
        ]

    def __repr__(self) -> str:
        return f"<structure of {self.cls.__name__}>"


_FLOATING = "floating buffer"


def _is_leaf(buffer: Any) -> bool:
    return buffer is not None and buffer.dtype.is_floating


def _same_entries(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return list(a) == list(b) and all(_same(a[name], b[name]) for name in a)


def _same(a: Any, b: Any) -> bool:
    """Equal type and value; things without a plain equality (tensors, arrays) must be the same object."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return _same_entries(a, b)
    return (
        isinstance(a, (bool, int, float, complex, str, bytes, frozenset, set, range, pg.dt.DType)) and a == b
    )


def flatten(module: Any) -> tuple[list[Any], Structure]:
    """Children (parameters, floating buffers, submodules, in this order) and structure of one module."""
    own = module.__dict__
    children = [handle for handle in own["_parameters"].values() if handle is not None]
    children += [handle for handle in own["_buffers"].values() if _is_leaf(handle)]
    children += [child for child in own["_modules"].values() if child is not None]
    return children, Structure(module)


def unflatten(structure: Structure, children: Any) -> Any:
    """A new module of the same class with `children` in place; no `__init__` runs."""
    rest = iter(children)
    module = object.__new__(structure.cls)
    own = module.__dict__
    own.update(structure.static)
    own["_parameters"] = {
        name: next(rest) if present else None for name, present in structure.parameters.items()
    }
    own["_buffers"] = {name: next(rest) if b is _FLOATING else b for name, b in structure.buffers.items()}
    own["_modules"] = {name: next(rest) if present else None for name, present in structure.modules.items()}
    own["_transient"] = set(structure.transient)
    return module


def register(cls: type) -> None:
    """Make `cls` a pytree node."""
    pg.pytree.register(cls, flatten, unflatten, Structure.names)
