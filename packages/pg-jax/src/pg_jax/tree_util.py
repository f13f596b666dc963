"""``jax.tree_util``: functions on nested containers of leaves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from . import _trees
from ._trees import DictKey as DictKey
from ._trees import FlattenedIndexKey as FlattenedIndexKey
from ._trees import GetAttrKey as GetAttrKey
from ._trees import PyTreeDef as PyTreeDef
from ._trees import SequenceKey as SequenceKey
from ._trees import registry

KeyEntry = Any
KeyPath = tuple[Any, ...]
IsLeaf = Callable[[Any], bool] | None
T = TypeVar("T")


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves in order, and the structure.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_flatten({"b": 1, "a": [2, None]})
    ([2, 1], PyTreeDef({'a': [*, None], 'b': *}))
    """
    return _trees.flatten(tree, is_leaf)


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The pytree of a structure with these leaves.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_unflatten(tree_util.tree_structure((0, [0])), [1, 2])
    (1, [2])
    """
    return _trees.unflatten(treedef, leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves in order.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_leaves((1, {"x": 2}))
    [1, 2]
    """
    return _trees.flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """The structure without the leaves.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_structure([1, (2, 3)])
    PyTreeDef([*, (*, *)])
    """
    return _trees.flatten(tree, is_leaf)[1]


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether a structure is a single leaf.

    >>> from pg_jax import tree_util
    >>> tree_util.treedef_is_leaf(tree_util.tree_structure(1))
    True
    """
    return treedef.type is None


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children.

    >>> from pg_jax import tree_util
    >>> tree_util.treedef_children(tree_util.tree_structure((1, [2])))
    [PyTreeDef(*), PyTreeDef([*])]
    """
    return list(treedef.children)  # type: ignore[arg-type]


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of parts.

    >>> from pg_jax import tree_util
    >>> tree_util.treedef_tuple([tree_util.tree_structure(1)])
    PyTreeDef((*,))
    """
    parts = tuple(treedefs)
    return PyTreeDef(tuple, len(parts), parts, registry.container(tuple))


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply f to corresponding leaves; the first tree's structure must be a prefix of the others'.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_map(lambda a, b: a + b, {"x": 1}, {"x": 10})
    {'x': 11}
    """
    leaves, treedef = _trees.flatten(tree, is_leaf)
    if not rest:
        return _trees.unflatten(treedef, [f(x) for x in leaves])
    others = [_trees.flatten_up_to(treedef, other) for other in rest]
    return _trees.unflatten(treedef, [f(*xs) for xs in zip(leaves, *others, strict=True)])


_NONE = object()


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NONE, is_leaf: IsLeaf = None
) -> Any:
    """Fold the leaves from the left.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_reduce(lambda a, b: a + b, [1, (2, 3)])
    6
    """
    leaves = tree_leaves(tree, is_leaf)
    return (
        functools.reduce(function, leaves)
        if initializer is _NONE
        else functools.reduce(function, leaves, initializer)
    )


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any], tree: Any, *, identity: Any = _NONE, is_leaf: IsLeaf = None
) -> Any:
    """Fold the leaves in pairs.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_reduce_associative(lambda a, b: a + b, [1, 2, 3])
    6
    """
    leaves = tree_leaves(tree, is_leaf)
    if not leaves:
        if identity is _NONE:
            raise TypeError("Must specify identity for parallel reduction of empty sequence.")
        return identity
    while len(leaves) > 1:
        pairs = [operation(a, b) for a, b in zip(leaves[::2], leaves[1::2], strict=False)]
        leaves = pairs + (leaves[-1:] if len(leaves) % 2 else [])
    return leaves[0]


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are true.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_all({"a": True, "b": [True, False]})
    False
    """
    return all(tree_leaves(tree, is_leaf))


def tree_transpose(
    outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any
) -> Any:
    """A tree of trees, turned inside out.

    >>> from pg_jax import tree_util
    >>> s = tree_util.tree_structure
    >>> tree_util.tree_transpose(s([0, 0]), s((0, 0)), [(1, 2), (3, 4)])
    ([1, 3], [2, 4])
    """
    leaves, treedef = _trees.flatten(pytree_to_transpose)
    if inner_treedef is None:
        parts = _trees.flatten_up_to(outer_treedef, pytree_to_transpose)
        inner_treedef = tree_structure(parts[0])
    if treedef != outer_treedef.compose(inner_treedef):
        raise TypeError(f"Mismatch\n{treedef}\n != \n{outer_treedef.compose(inner_treedef)}")
    n = inner_treedef.num_leaves
    rows = [leaves[i : i + n] for i in range(0, len(leaves), n)]
    columns = [_trees.unflatten(outer_treedef, column) for column in zip(*rows, strict=True)]
    return _trees.unflatten(inner_treedef, columns)


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """A prefix spread over a whole tree.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_broadcast((1, 2), (0, [0, 0]))
    (1, [2, 2])
    """
    treedef = tree_structure(full_tree, is_leaf)
    return _trees.unflatten(treedef, _trees.broadcast_prefix(prefix_tree, treedef, is_leaf))


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf = None) -> bool:
    """Whether every element is a leaf.

    >>> from pg_jax import tree_util
    >>> tree_util.all_leaves([1, (2,)])
    False
    """
    return all(tree_structure(x, is_leaf).type is None for x in iterable)


# ---- paths


def tree_flatten_with_path(
    tree: Any, is_leaf: IsLeaf = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Pairs (path, leaf), and the structure.

    >>> from pg_jax import tree_util
    >>> [(tree_util.keystr(p), x) for p, x in tree_util.tree_flatten_with_path({"a": [1]})[0]]
    [("['a'][0]", 1)]
    """
    if is_leaf_takes_path:
        raise NotImplementedError("is_leaf_takes_path is not implemented")
    return _trees.with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_leaves_with_path(
    tree: Any, is_leaf: IsLeaf = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """Pairs (path, leaf).

    >>> from pg_jax import tree_util
    >>> tree_util.tree_leaves_with_path((7,))
    [((SequenceKey(idx=0),), 7)]
    """
    return tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def tree_map_with_path(
    f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None, is_leaf_takes_path: bool = False
) -> Any:
    """Apply ``f(path, leaf, ...)``.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_map_with_path(lambda p, x: tree_util.keystr(p), {"a": 0})
    {'a': "['a']"}
    """
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    others = [_trees.flatten_up_to(treedef, other) for other in rest]
    return _trees.unflatten(treedef, [f(p, x, *more) for (p, x), *more in zip(pairs, *others, strict=True)])


def keystr(keys: KeyPath, *, simple: bool = False, separator: str = "") -> str:
    """A path as one writes it.

    >>> from pg_jax import tree_util
    >>> path = (tree_util.DictKey("w"), tree_util.SequenceKey(0))
    >>> tree_util.keystr(path), tree_util.keystr(path, simple=True, separator="/")
    ("['w'][0]", 'w/0')
    """
    if not simple:
        return separator.join(str(k) for k in keys)
    names = ("key", "idx", "name")
    return separator.join(str(next((getattr(k, n) for n in names if hasattr(k, n)), k)) for k in keys)


# ---- registration


def register_pytree_node(
    nodetype: type[T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Hashable]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_with_keys_func: Callable[[T], tuple[Any, Any]] | None = None,
) -> None:
    """Let a class be a container.

    >>> from pg_jax import tree_util
    >>> class Box:
    ...     def __init__(self, inside): self.inside = inside
    >>> tree_util.register_pytree_node(Box, lambda b: ((b.inside,), None), lambda _, c: Box(*c))
    >>> tree_util.tree_leaves(Box([1, 2]))
    [1, 2]
    """

    def flatten(x: T) -> tuple[Any, Any]:
        children, aux = flatten_func(x)
        return tuple(children), aux

    if flatten_with_keys_func is None:
        registry.add(nodetype, flatten, unflatten_func)
    else:
        register_pytree_with_keys(nodetype, flatten_with_keys_func, unflatten_func, flatten_func)


def register_pytree_with_keys(
    nodetype: type[T],
    flatten_with_keys: Callable[[T], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten_func: Callable[[Any, Any], T],
    flatten_func: Callable[[T], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Let a class be a container whose children have keys: ``flatten_with_keys(x) -> (((key, child), ...),
    aux)``.

    >>> from pg_jax import tree_util as tu
    >>> class Pair:
    ...     def __init__(self, a): self.a = a
    >>> tu.register_pytree_with_keys(
    ...     Pair, lambda p: (((tu.GetAttrKey("a"), p.a),), None), lambda _, c: Pair(*c))
    >>> tu.keystr(tu.tree_leaves_with_path(Pair(1))[0][0])
    '.a'
    """

    def flatten(x: T) -> tuple[Any, Any]:
        if flatten_func is not None:
            plain, aux = flatten_func(x)
            return tuple(plain), aux
        pairs, aux = flatten_with_keys(x)
        return _Keyed(pairs), aux

    class _Keyed(tuple[Any, ...]):
        keys: list[Any]

        def __new__(cls, pairs: Iterable[tuple[Any, Any]]) -> Any:
            given = list(pairs)
            made = super().__new__(cls, [child for _, child in given])
            made.keys = [key for key, _ in given]
            return made

    def keys(children: Sequence[Any], aux: Any) -> list[Any]:
        if isinstance(children, _Keyed):
            return children.keys
        pairs, _ = flatten_with_keys(unflatten_func(aux, children))
        return [key for key, _ in pairs]

    registry.add(nodetype, flatten, unflatten_func, keys)


def register_pytree_node_class(cls: type[T]) -> type[T]:
    """A decorator for classes with ``tree_flatten`` and ``tree_unflatten``.

    >>> from pg_jax import tree_util
    >>> @tree_util.register_pytree_node_class
    ... class Point:
    ...     def __init__(self, x): self.x = x
    ...     def tree_flatten(self): return (self.x,), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux, children): return cls(*children)
    >>> tree_util.tree_map(lambda v: v + 1, Point(1)).x
    2
    """
    made: Any = cls
    register_pytree_node(cls, lambda x: x.tree_flatten(), made.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: type[T]) -> type[T]:
    """A decorator for classes with ``tree_flatten_with_keys`` and ``tree_unflatten``.

    >>> from pg_jax import tree_util as tu
    >>> @tu.register_pytree_with_keys_class
    ... class Named:
    ...     def __init__(self, x): self.x = x
    ...     def tree_flatten_with_keys(self): return ((tu.GetAttrKey("x"), self.x),), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux, children): return cls(*children)
    >>> tu.tree_leaves(Named(3))
    [3]
    """
    made: Any = cls
    plain = (lambda x: x.tree_flatten()) if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), made.tree_unflatten, plain)  # type: ignore[attr-defined]
    return cls


def register_dataclass(
    nodetype: Any = None,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Any:
    """Let a dataclass be a container; fields with metadata ``static=True`` are configuration.

    >>> import dataclasses
    >>> from pg_jax import tree_util
    >>> @tree_util.register_dataclass
    ... @dataclasses.dataclass
    ... class Layer:
    ...     w: float
    ...     name: str = dataclasses.field(metadata=dict(static=True))
    >>> tree_util.tree_leaves(Layer(1.0, "a"))
    [1.0]
    """
    if nodetype is None:
        return functools.partial(register_dataclass, data_fields=data_fields, meta_fields=meta_fields,
                                 drop_fields=drop_fields)  # fmt: skip
    if data_fields is None or meta_fields is None:
        if not dataclasses.is_dataclass(nodetype):
            raise TypeError(
                "register_dataclass: data_fields and meta_fields are required for classes that are no "
                f"dataclasses. Got {nodetype=}."
            )
        fields = [f for f in dataclasses.fields(nodetype) if f.init and f.name not in drop_fields]
        data_fields = [f.name for f in fields if not f.metadata.get("static")]
        meta_fields = [f.name for f in fields if f.metadata.get("static")]
    data, meta = tuple(data_fields), tuple(meta_fields)

    def unflatten(aux: Any, children: Any) -> Any:
        return nodetype(**dict(zip((*meta, *data), (*aux, *children), strict=True)))

    registry.add(
        nodetype,
        lambda x: (tuple(getattr(x, n) for n in data), tuple(getattr(x, n) for n in meta)),
        unflatten,
        lambda children, aux: [GetAttrKey(n) for n in data],
        lambda _: data,
    )
    return nodetype


def register_static(cls: type[T]) -> type[T]:
    """Let a class be a container without leaves.

    >>> from pg_jax import tree_util
    >>> @tree_util.register_static
    ... class Name(str): pass
    >>> tree_util.tree_leaves(Name("x"))
    []
    """
    registry.add(cls, lambda x: ((), x), lambda x, _: x)
    return cls


class Partial(functools.partial[Any]):
    """``functools.partial`` that is a container of its arguments.

    >>> from pg_jax import tree_util
    >>> tree_util.tree_leaves(tree_util.Partial(max, 1, default=2))
    [1, 2]
    """


registry.add(
    Partial,
    lambda x: ((x.args, x.keywords), x.func),
    lambda func, parts: Partial(func, *parts[0], **parts[1]),
    lambda children, aux: [GetAttrKey("args"), GetAttrKey("keywords")],
)
