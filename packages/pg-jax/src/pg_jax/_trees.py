"""JAX's pytrees: an own registry of ``pequegrad.pytree`` with JAX's rules.

Dataclasses and subclasses of containers are leaves unless they are registered; dicts come in the order of
their keys;
paths are tuples of key objects.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pequegrad.pytree import Children, Container, PyTree, Registry


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """The index of a child of a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """The key of a child of a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """The attribute that a child is."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """The position of a child of a class that was registered without keys."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


class PyTreeDef(PyTree):
    """The structure of a pytree, as JAX shows it.

    >>> import pg_jax as jax
    >>> jax.tree.structure({"b": 1, "a": (2, None)})
    PyTreeDef({'a': (*, None), 'b': *})
    """

    __slots__ = ()

    @property
    def num_nodes(self) -> int:
        """Containers and leaves."""
        return 1 + sum(c.num_nodes for c in self._parts())

    def _parts(self) -> Sequence[Any]:
        return self.children

    def node_data(self) -> Any:
        """(type, auxiliary data), or None of a leaf."""
        return None if self.type is None else (self.type, self.aux)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The pytree with these leaves."""
        return unflatten(self, leaves)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The parts of ``tree`` where this structure has leaves."""
        return flatten_up_to(self, tree)

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """Each leaf replaced by another structure."""
        if self.type is None:
            return inner
        parts = tuple(c.compose(inner) for c in self._parts())
        return PyTreeDef(self.type, self.aux, parts, self.container)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves, self.children))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        return (
            self.type is other.type
            and len(self.children) == len(other.children)
            and bool(self.aux == other.aux)
            and self.children == other.children
        )

    def __repr__(self) -> str:
        return f"PyTreeDef({_show(self)})"


_LEAF = PyTreeDef(None, None, (), None)


def _show(tree: PyTree) -> str:
    if tree.type is None:
        return "*"
    inner = [_show(c) for c in tree.children]
    listed = ", ".join(inner)
    if tree.type is type(None):
        return "None"
    if tree.type is tuple:
        return f"({listed},)" if len(inner) == 1 else f"({listed})"
    if tree.type is list:
        return f"[{listed}]"
    if tree.type is dict:
        return "{" + ", ".join(f"{k!r}: {v}" for k, v in zip(tree.aux, inner, strict=True)) + "}"
    if issubclass(tree.type, tuple):
        return f"CustomNode(namedtuple[{tree.type.__name__}], [{listed}])"
    return f"CustomNode({tree.type.__name__}[{tree.aux!r}], [{listed}])"


def _sorted(keys: Iterable[Any]) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError as error:
        raise ValueError(
            f"Comparator raised exception while sorting pytree dictionary keys: {error}"
        ) from None


def _dict(x: dict[Any, Any]) -> tuple[Children, Any]:
    keys = _sorted(x)
    return [x[k] for k in keys], tuple(keys)


def _positions(children: Sequence[Any], aux: Any) -> list[Any]:
    return [SequenceKey(i) for i in range(len(children))]


def _dict_keys(children: Sequence[Any], aux: Any) -> list[Any]:
    return [DictKey(k) for k in (aux[1] if isinstance(aux, _Default) else aux)]


def _flat_keys(children: Sequence[Any], aux: Any) -> list[Any]:
    return [FlattenedIndexKey(i) for i in range(len(children))]


class _Default(tuple[Any, ...]):
    """Factory and keys of a defaultdict."""


KeysOf = Callable[[Sequence[Any], Any], list[Any]]


class JaxRegistry(Registry):
    """Which types are containers by JAX's rules, and the keys of their children."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[type, KeysOf] = {tuple: _positions, list: _positions, dict: _dict_keys}
        self._containers[dict] = Container(
            _dict,
            lambda keys, parts: dict(zip(keys, parts, strict=True)),
            lambda keys: [f"[{k!r}]" for k in keys],
        )
        self._plain: set[type] = set()

    def add(
        self, kind: type, flatten: Any, unflatten: Any, keys: KeysOf | None = None, names: Any = None
    ) -> None:
        """Register a class."""
        if kind in self._containers:
            raise ValueError(f"Duplicate custom PyTreeDef type registration for {kind}.")
        self._plain.discard(kind)
        self._containers[kind] = Container(flatten, unflatten, names or (lambda _: _Numbered()))
        self.keys[kind] = keys or _flat_keys

    def container(self, kind: type) -> Container | None:
        """How a class is taken apart, or None."""
        found = self._containers.get(kind)
        if found is not None or kind in self._plain:
            return found
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            made: Any = kind
            self.add(
                kind,
                lambda x: (tuple(x), None),
                lambda _, parts: made(*parts),
                lambda parts, _: [GetAttrKey(name) for name in made._fields],
                lambda _: made._fields,
            )
            return self._containers[kind]
        self._plain.add(kind)
        return None

    def structure_of(
        self, x: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None = None
    ) -> PyTreeDef:
        """Appends the leaves, and answers the structure."""
        if is_leaf is not None and is_leaf(x):
            leaves.append(x)
            return _LEAF
        kind = type(x)
        container = self.container(kind)
        if container is None:
            leaves.append(x)
            return _LEAF
        children, aux = container.flatten(x)
        parts = tuple([self.structure_of(child, leaves, is_leaf) for child in children])
        return PyTreeDef(kind, aux, parts, container)


class _Numbered(Sequence[str]):
    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, i: Any) -> Any:
        return f"[<flat index {i}>]"


registry = JaxRegistry()
registry.add(
    collections.OrderedDict,
    lambda x: (tuple(x.values()), tuple(x)),
    lambda keys, parts: collections.OrderedDict(zip(keys, parts, strict=True)),
    _dict_keys,
)
registry.add(
    collections.defaultdict,
    lambda x: (_dict(x)[0], _Default((x.default_factory, _dict(x)[1]))),
    lambda aux, parts: collections.defaultdict(aux[0], zip(aux[1], parts, strict=True)),
    _dict_keys,
)
registry.add(
    collections.deque,
    lambda x: (tuple(x), x.maxlen),
    lambda limit, parts: collections.deque(parts, limit),
    _positions,
)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves in order, and the structure."""
    leaves: list[Any] = []
    return leaves, registry.structure_of(tree, leaves, is_leaf)


def unflatten(treedef: PyTree, leaves: Iterable[Any]) -> Any:
    """The pytree of this structure with these leaves."""
    given = list(leaves)
    if len(given) != treedef.num_leaves:
        raise ValueError(
            f"Too {'many' if len(given) > treedef.num_leaves else 'few'} leaves for {treedef!r}; expected "
            f"{treedef.num_leaves}, got {len(given)}."
        )
    return _build(treedef, iter(given))


def _build(tree: PyTree, leaves: Any) -> Any:
    if tree.type is None:
        return next(leaves)
    assert tree.container is not None
    return tree.container.unflatten(tree.aux, [_build(c, leaves) for c in tree.children])


def flatten_up_to(treedef: PyTree, tree: Any, path: str = "") -> list[Any]:
    """The parts of ``tree`` at the leaves of a structure that is a prefix of its own."""
    if treedef.type is None:
        return [tree]
    kind = type(tree)
    if kind is not treedef.type:
        raise ValueError(
            f"Expected {_called(treedef)}, got {tree!r}{f' at key path {path}' if path else ''}."
        )
    assert treedef.container is not None
    children, aux = treedef.container.flatten(tree)
    if len(children) != len(treedef.children):
        raise ValueError(
            f"{kind.__name__} arity mismatch: {len(children)} != {len(treedef.children)}"
            f"{f' at key path {path}' if path else ''}; {kind.__name__}: {tree!r}."
        )
    if aux != treedef.aux:
        what = "Dict key mismatch" if kind is dict else f"Mismatch custom node data of {kind.__name__}"
        raise ValueError(
            f"{what}; expected {treedef.aux!r}, got {aux!r}{f' at key path {path}' if path else ''}."
        )
    keys = keys_of(kind, children, aux)
    out: list[Any] = []
    for key, part, child in zip(keys, treedef.children, children, strict=True):
        out += flatten_up_to(part, child, path + str(key))
    return out


def _called(tree: PyTree) -> str:
    assert tree.type is not None
    return "None" if tree.type is type(None) else tree.type.__name__


def keys_of(kind: type, children: Sequence[Any], aux: Any) -> list[Any]:
    """The key objects of the children of a container."""
    return registry.keys.get(kind, _flat_keys)(children, aux)


def with_path(
    x: Any, is_leaf: Callable[[Any], bool] | None = None, prefix: tuple[Any, ...] = ()
) -> list[tuple[tuple[Any, ...], Any]]:
    """(path, leaf) of each leaf."""
    container = registry.container(type(x))
    if container is None or (is_leaf is not None and is_leaf(x)):
        return [(prefix, x)]
    children, aux = container.flatten(x)
    out = []
    for key, child in zip(keys_of(type(x), children, aux), children, strict=True):
        out += with_path(child, is_leaf, (*prefix, key))
    return out


def broadcast_prefix(
    prefix: Any, tree: PyTree, is_leaf: Callable[[Any], bool] | None = None, what: str = "prefix"
) -> list[Any]:
    """One value per leaf of ``tree``, from a pytree that covers whole parts of it."""
    container = registry.container(type(prefix))
    if container is None or (is_leaf is not None and is_leaf(prefix)):
        return [prefix] * tree.num_leaves
    if tree.type is not type(prefix):
        raise ValueError(
            f"{what} specification must be a tree prefix of the corresponding value, got "
            f"specification {prefix!r} for value tree {tree!r}."
        )
    children, aux = container.flatten(prefix)
    if len(children) != len(tree.children) or (aux != tree.aux):
        raise ValueError(
            f"{what} specification must be a tree prefix of the corresponding value, got "
            f"specification {prefix!r} for value tree {tree!r}."
        )
    out: list[Any] = []
    for child, part in zip(children, tree.children, strict=True):
        out += broadcast_prefix(child, part, is_leaf, what)
    return out
