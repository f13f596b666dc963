"""What a jitted function reads besides its arguments: closure cells, globals, training flags.

Numbers, strings and flags met there are baked into the program, so a change must retrace. Tensors are read
through their handle
at every call, so only *another* tensor under the same name must.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import pytree
from ._core import Tensor

_VALUES = (bool, int, float, complex, str, bytes, type(None), np.generic)
_MANY = 10_000  # leaves; a larger container is watched by identity and length


class Place(NamedTuple):
    """Where a value is read, in the words of ``_core.JitEntry``: closure cell, item of a dict, attribute."""

    kind: str
    owner: Any  # of an attribute: perhaps a weak reference
    key: Any

    def value(self) -> Any:
        """The value that is there now."""
        if self.kind == "cell":
            return self.owner.cell_contents
        if self.kind == "item":
            return self.owner[self.key]
        return getattr(self.owner, self.key)


class Guard(NamedTuple):
    """One thing that a program relies on."""

    what: str
    read: Callable[[], Any]
    same: Callable[[Any], bool]

    def check(self) -> str | None:
        """Why it does not hold any more."""
        try:
            value = self.read()
        except (KeyError, ValueError):  # a deleted global, an emptied cell
            return f"{self.what} is gone"
        return None if self.same(value) else f"{self.what} changed"


class Fact(NamedTuple):
    """That a place holds a value: checked by the extension, without running Python code."""

    what: str
    place: Place
    expected: Any


def of(function: Callable[..., Any], met: Sequence[Guard | Fact] = ()) -> list[Any]:
    """What the traced program relies on, as ``_core.JitEntry`` takes it.

    ``met`` are the guards that code announced while it was traced.
    """
    return [
        (*guard.place, guard.expected, guard.what) if isinstance(guard, Fact) else guard.check
        for guard in (*_collect(function, set()), *met)
    ]


def of_attribute(obj: Any, attribute: str, value: Any) -> Fact:
    """The fact that an attribute has a value. It does not keep the object alive."""
    try:
        owner: Any = weakref.ref(obj)
    except TypeError:  # such as a tuple: no weak references
        owner = obj
    return Fact(f"{type(obj).__name__}.{attribute}", Place("attr", owner, attribute), value)


def _collect(f: Any, seen: set[int]) -> Iterator[Guard | Fact]:
    if id(f) in seen:
        return
    seen.add(id(f))
    if isinstance(f, functools.partial):
        for part in (f.func, *f.args, *f.keywords.values()):
            yield from _collect(part, seen)
        return
    if isinstance(f, types.MethodType):
        what = f"the object of method {f.__func__.__qualname__}"
        yield from _of_value(f.__self__, what, Place("attr", f, "__self__"), seen)
        yield from _collect(f.__func__, seen)
        return
    inner = getattr(f, "__wrapped__", None)
    if inner is not None and not isinstance(f, type):
        yield from _collect(inner, seen)
    if not isinstance(f, types.FunctionType) or _is_library(f):
        return
    where = f.__qualname__
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        yield from _of_value(
            value,
            f"closure variable {name!r} of {where}",
            Place("cell", cell, None),
            seen,
        )
    for name in sorted(_names(f.__code__)):
        if name in f.__globals__:
            value = f.__globals__[name]
            yield from _of_value(
                value,
                f"global {name!r} read by {where}",
                Place("item", f.__globals__, name),
                seen,
            )


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _is_library(f: types.FunctionType) -> bool:
    # Their own globals are constants of the library; what a user can change there is not a number in a
    # function's reach.
    return (f.__module__ or "").partition(".")[0] in ("pequegrad", "numpy", "math", "functools", "itertools")


def _of_value(value: Any, what: str, read: Place, seen: set[int]) -> Iterator[Guard | Fact]:
    if isinstance(value, (*_VALUES, Tensor)):
        yield Fact(what, read, value)
    elif isinstance(value, (types.FunctionType, types.MethodType, functools.partial)) or hasattr(
        value, "__wrapped__"
    ):
        yield Fact(what, read, value)
        yield from _collect(value, seen)
    elif (
        not isinstance(value, (type, types.ModuleType))
        and pytree.default_registry.container(type(value)) is not None
    ):
        leaves, tree = pytree.flatten(value)
        if len(leaves) > _MANY:
            yield Guard(what, read.value, functools.partial(_same_length, value, len(leaves)))
        else:
            same = functools.partial(_same_tree, leaves, tree)
            version = getattr(type(value), "__pytree_version__", None)
            yield Guard(what, read.value, same if version is None else _Versioned(value, version, same))
            for leaf in leaves:
                if isinstance(leaf, types.FunctionType):
                    yield from _collect(leaf, seen)
    elif isinstance(getattr(value, "training", None), bool):
        yield Guard(
            f"the training flag of {what}",
            lambda: read.value().training,
            functools.partial(_same_number, value.training),
        )


class _Versioned:
    """Compares a container that counts its changes only after there were any.

    ``__pytree_version__()``, a static method of its class, gives an object that is another one after each
    change of what any instance's leaves and structure are.
    """

    def __init__(self, value: Any, version: Callable[[], Any], same: Callable[[Any], bool]) -> None:
        self._find, self._version, self._same = weakref.ref(value), version, same
        self._seen = version()

    def __call__(self, new: Any) -> bool:
        version = self._version()
        if version is self._seen and new is self._find():
            return True
        same = self._same(new)
        if same and new is self._find():
            self._seen = version
        return same


def _same_number(old: Any, new: Any) -> bool:
    return (
        type(old) is type(new) and (bool(old == new) or (old != old and new != new)) and str(old) == str(new)
    )


def _same_length(old: Any, count: int, new: Any) -> bool:
    return old is new and len(pytree.leaves(new)) == count


def _same_tree(leaves: list[Any], tree: pytree.PyTree, new: Any) -> bool:
    now, own = pytree.flatten(new)
    if len(now) != len(leaves):
        return False
    for a, b in zip(leaves, now, strict=True):
        if a is not b and not (isinstance(a, _VALUES) and _same_number(a, b)):
            return False
    return own == tree
