"""Nested containers of leaves: what functions under transforms may take and return.

A registry says which types are containers. The default one knows None (no leaves), tuple, list, dict (by
sorted keys, built
again in the order it had), namedtuples, dataclasses, and classes registered with :func:`register`.

>>> from pequegrad import pytree
>>> leaves, tree = pytree.flatten({"b": [1, 2], "a": (3, None)})
>>> leaves, tree
([3, 1, 2], PyTree({'b': [*, *], 'a': (*, None)}))
>>> pytree.unflatten(tree, [30, 10, 20])
{'b': [10, 20], 'a': (30, None)}
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .errors import ArgumentError, PytreeError

Children = Sequence[Any]
Flatten = Callable[[Any], tuple[Children, Any]]
Unflatten = Callable[[Any, Children], Any]
_Type = type[Any]  # the class PyTree has a field called type


class Container(NamedTuple):
    """How one type is taken apart: children, auxiliary data compared by ``==``, and the names of the
    children.
    """

    flatten: Flatten
    unflatten: Unflatten
    names: Callable[[Any], Sequence[str]]  # of aux
    fields: tuple[Sequence[str], Sequence[str]] | None = None  # attributes: children, aux


class PyTree:
    """The structure of a pytree without its leaves. Two are equal when types, keys and auxiliary data are.

    >>> from pequegrad import pytree
    >>> pytree.structure((1, 2)) == pytree.structure((5, 6)), pytree.structure((1, 2)).num_leaves
    (True, 2)
    """

    __slots__ = ("aux", "children", "container", "num_leaves", "type")
    type: _Type | None  # None: a leaf
    aux: Any
    children: tuple[PyTree, ...]
    container: Container | None
    num_leaves: int

    def __init__(
        self, kind: _Type | None, aux: Any, children: tuple[PyTree, ...], container: Container | None
    ) -> None:
        self.type, self.aux, self.children, self.container = kind, aux, children, container
        self.num_leaves = 1 if kind is None else sum(child.num_leaves for child in children)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PyTree):
            return NotImplemented
        if self.type is not other.type or len(self.children) != len(other.children):
            return False
        if self.type is dict:  # insertion order is restored but does not matter
            same = _sorted_keys(self.aux) == _sorted_keys(other.aux)
        else:
            same = self.aux == other.aux
        return bool(same) and self.children == other.children

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves, self.children))

    def __repr__(self) -> str:
        return f"PyTree({_show(self)})"


_LEAF = PyTree(None, None, (), None)


def _show(tree: PyTree) -> str:
    if tree.type is None:
        return "*"
    inner = [_show(child) for child in tree.children]
    if tree.type is type(None):
        return "None"
    if tree.type is tuple:
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    if tree.type is list:
        return f"[{', '.join(inner)}]"
    if tree.type is dict:
        by_key = dict(zip(_sorted_keys(tree.aux), inner, strict=True))
        return "{" + ", ".join(f"{key!r}: {by_key[key]}" for key in tree.aux) + "}"
    assert tree.container is not None
    names = tree.container.names(tree.aux)
    return f"{tree.type.__name__}({', '.join(f'{n}={i}' for n, i in zip(names, inner, strict=False))})"


def _sorted_keys(keys: Sequence[Any]) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:  # keys of several types have an order by type name first
        return sorted(keys, key=lambda key: (type(key).__name__, str(key)))


def _flatten_dict(x: dict[Any, Any]) -> tuple[Children, Any]:
    return [x[key] for key in _sorted_keys(tuple(x))], tuple(x)


def _unflatten_dict(keys: Any, children: Children) -> dict[Any, Any]:
    by_key = dict(zip(_sorted_keys(keys), children, strict=True))
    return {key: by_key[key] for key in keys}


def _numbered(count: Any) -> Sequence[str]:
    return [f"[{i}]" for i in range(count)]


def _namedtuple_container(kind: Any) -> Container:
    return Container(lambda x: (tuple(x), None), lambda _, children: kind(*children), lambda _: kind._fields)


def _dataclass_container(kind: type) -> Container:
    # A field marked dataclasses.field(metadata={"static": True}) is configuration: compared, not traversed.
    fields = list(dataclasses.fields(kind))
    dynamic = [f.name for f in fields if not f.metadata.get("static")]
    static = [f.name for f in fields if f.metadata.get("static")]

    def flatten(x: Any) -> tuple[Children, Any]:
        return [getattr(x, name) for name in dynamic], tuple(getattr(x, name) for name in static)

    def unflatten(aux: Any, children: Children) -> Any:
        made: Any = object.__new__(kind)  # no __init__: it may compute, check or copy
        for name, value in zip(dynamic, children, strict=True):
            object.__setattr__(made, name, value)
        for name, value in zip(static, aux, strict=True):
            object.__setattr__(made, name, value)
        return made

    return Container(flatten, unflatten, lambda _: dynamic, (dynamic, static))


class Registry:
    """Which types are containers, and how each is taken apart and built again.

    >>> from pequegrad import pytree
    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> registry = pytree.Registry()
    >>> registry.register(Pair, lambda p: ((p.a, p.b), None), lambda aux, children: Pair(*children))
    >>> registry.flatten(Pair(1, [2, 3]))[0]
    [1, 2, 3]
    """

    def __init__(self) -> None:
        self._containers: dict[type, Container] = {
            type(None): Container(lambda _: ((), None), lambda _, __: None, lambda _: ()),
            tuple: Container(lambda x: (x, len(x)), lambda _, children: tuple(children), _numbered),
            list: Container(lambda x: (x, len(x)), lambda _, children: list(children), _numbered),
            dict: Container(
                _flatten_dict, _unflatten_dict, lambda keys: [f"[{k!r}]" for k in _sorted_keys(keys)]
            ),
        }
        self._leaf_types: weakref.WeakSet[type] = weakref.WeakSet()  # classes may be local to a function

    def register(
        self,
        kind: type,
        flatten: Flatten,
        unflatten: Unflatten,
        names: Callable[[Any], Sequence[str]] | None = None,
    ) -> None:
        """Let ``kind`` be a container: ``flatten(x) -> (children, aux)``, ``unflatten(aux, children) ->
        x``.
        """
        if not isinstance(kind, type):
            raise PytreeError(f"register needs a class, got {kind!r}")
        if kind in self._containers:
            raise PytreeError(
                f"{kind.__name__} is registered already; a second registration would change programs in "
                "flight"
            )
        self._leaf_types.discard(kind)
        self._containers[kind] = Container(flatten, unflatten, names or (lambda _: _Unnamed()))

    def container(self, kind: type) -> Container | None:
        """How ``kind`` is taken apart, or None when it is a leaf."""
        found = self._containers.get(kind)
        if found is not None or kind in self._leaf_types:
            return found
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            found = _namedtuple_container(kind)
        elif dataclasses.is_dataclass(kind):
            found = _dataclass_container(kind)
        else:
            # A subclass of a registered class that did not register itself is taken apart as its parent
            # (modules).
            found = next(
                (self._containers[k] for k in kind.__mro__[1:] if k in self._containers and k not in _EXACT),
                None,
            )
        if found is None:
            self._leaf_types.add(kind)
        else:
            self._containers[kind] = found
        return found

    def flatten(self, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTree]:
        """The leaves in order, and the structure."""
        leaves: list[Any] = []
        try:
            return leaves, self._flatten(tree, leaves, is_leaf)
        except RecursionError:
            raise PytreeError("the pytree is nested too deeply, or holds itself") from None

    def _flatten(self, x: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None) -> PyTree:
        container = self.container(type(x))
        if container is None or (is_leaf is not None and is_leaf(x)):
            leaves.append(x)
            return _LEAF
        children, aux = container.flatten(x)
        return PyTree(
            type(x), aux, tuple([self._flatten(child, leaves, is_leaf) for child in children]), container
        )

    def unflatten(self, tree: PyTree, leaves: Sequence[Any]) -> Any:
        """The pytree of this structure with these leaves."""
        if not isinstance(tree, PyTree):
            raise ArgumentError(
                f"unflatten: takes a structure, as pytree.structure gives it, got {type(tree).__name__}"
            )
        leaves = list(leaves)
        if len(leaves) != tree.num_leaves:
            raise PytreeError(f"{tree} has {tree.num_leaves} leaves, got {len(leaves)}")
        return _unflatten(tree, iter(leaves))

    def paths(self, tree: Any) -> list[str]:
        """The path of each leaf, as one writes it: ``['w'][0]``, ``.bias``."""
        return _paths(self.flatten(tree)[1])

    def tree_paths(self, tree: PyTree) -> list[str]:
        """The same, given the structure."""
        return _paths(tree)

    def map(self, f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
        """Apply ``f`` to corresponding leaves; all trees must have the structure of the first."""
        leaves, structure = self.flatten(tree)
        others = [
            self.flatten_as(structure, other, f"argument {i + 2} of map") for i, other in enumerate(rest)
        ]
        return self.unflatten(structure, [f(*group) for group in zip(leaves, *others, strict=True)])

    def flatten_as(self, structure: PyTree, tree: Any, what: str = "the pytree") -> list[Any]:
        """The leaves of ``tree``, which must have the given structure; the error names the path where they
        part.
        """
        leaves, own = self.flatten(tree)
        if own != structure:
            raise PytreeError(f"{what} has another structure than expected {_difference(structure, own, '')}")
        return leaves


_EXACT = {tuple, list, dict, type(None)}


class _Unnamed(Sequence[str]):
    """Names of children that were registered without names."""

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, i: Any) -> Any:
        return f".<child {i}>"


def _unflatten(tree: PyTree, leaves: Any) -> Any:
    if tree.type is None:
        return next(leaves)
    assert tree.container is not None
    return tree.container.unflatten(tree.aux, [_unflatten(child, leaves) for child in tree.children])


def _names(tree: PyTree) -> list[str]:
    assert tree.container is not None
    names = tree.container.names(tree.aux)
    picked = [names[i] for i in range(len(tree.children))]
    return [name if name[:1] in "[." else f".{name}" for name in picked]


def _paths(tree: PyTree, prefix: str = "") -> list[str]:
    if tree.type is None:
        return [prefix]
    return [
        path
        for name, child in zip(_names(tree), tree.children, strict=True)
        for path in _paths(child, prefix + name)
    ]


def _difference(want: PyTree, got: PyTree, path: str) -> str:
    """Where two structures part, in words."""
    where = f"at {path}" if path else "at the root"
    if want.type is not got.type:
        return f"{where}: expected {_kind(want)}, got {_kind(got)}"
    if want.type is dict and set(want.aux) != set(got.aux):
        missing = sorted(str(key) for key in set(want.aux) - set(got.aux))
        extra = sorted(str(key) for key in set(got.aux) - set(want.aux))
        return f"{where}: missing keys {missing}, unexpected keys {extra}"
    if len(want.children) != len(got.children):
        return f"{where}: expected {len(want.children)} children, got {len(got.children)}"
    if want.type is not dict and want.aux != got.aux:
        return f"{where}: {_kind(want)} with configuration {want.aux!r}, got {got.aux!r}"
    for name, a, b in (
        zip(_names(want), want.children, got.children, strict=True) if want.type is not None else ()
    ):
        if a != b:
            return _difference(a, b, path + name)
    return where


def _kind(tree: PyTree) -> str:
    return "a leaf" if tree.type is None else "None" if tree.type is type(None) else f"a {tree.type.__name__}"


default_registry = Registry()


def register(
    kind: type, flatten: Flatten, unflatten: Unflatten, names: Callable[[Any], Sequence[str]] | None = None
) -> None:
    """Let a class be a container in the default registry.

    >>> from pequegrad import pytree
    >>> class Box:
    ...     def __init__(self, inside): self.inside = inside
    >>> build = lambda aux, children: Box(*children)
    >>> pytree.register(Box, lambda b: ((b.inside,), None), build, lambda aux: ["inside"])
    >>> pytree.leaves(Box([1, 2])), pytree.paths(Box([1, 2]))
    ([1, 2], ['.inside[0]', '.inside[1]'])
    """
    default_registry.register(kind, flatten, unflatten, names)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTree]:
    """The leaves in order, and the structure.

    >>> from pequegrad import pytree
    >>> pytree.flatten([1, (2,)])
    ([1, 2], PyTree([*, (*,)]))
    """
    return default_registry.flatten(tree, is_leaf)


def unflatten(tree: PyTree, leaves: Sequence[Any]) -> Any:
    """The pytree of this structure with these leaves.

    >>> from pequegrad import pytree
    >>> pytree.unflatten(pytree.structure({"a": 0}), [5])
    {'a': 5}
    """
    return default_registry.unflatten(tree, leaves)


def leaves(tree: Any) -> list[Any]:
    """The leaves in order.

    >>> from pequegrad import pytree
    >>> pytree.leaves({"b": 1, "a": [2, None]})
    [2, 1]
    """
    return default_registry.flatten(tree)[0]


def structure(tree: Any) -> PyTree:
    """The structure without the leaves.

    >>> from pequegrad import pytree
    >>> pytree.structure((1, [2]))
    PyTree((*, [*]))
    """
    return default_registry.flatten(tree)[1]


def paths(tree: Any) -> list[str]:
    """The path of each leaf.

    >>> from pequegrad import pytree
    >>> pytree.paths({"w": [1, 2]})
    ["['w'][0]", "['w'][1]"]
    """
    return default_registry.paths(tree)


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply ``f`` to corresponding leaves; all trees must have the structure of the first.

    >>> from pequegrad import pytree
    >>> pytree.map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    return default_registry.map(f, tree, *rest)


def reduce(f: Callable[[Any, Any], Any], tree: Any, initial: Any) -> Any:
    """Fold the leaves, from the left.

    >>> from pequegrad import pytree
    >>> pytree.reduce(lambda a, b: a + b, [1, (2, 3)], 0)
    6
    """
    for leaf in default_registry.flatten(tree)[0]:
        initial = f(initial, leaf)
    return initial
