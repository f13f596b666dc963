"""vmap: a function of one example becomes a function of many, computed together.

The function is called once, on placeholders of one example; then each operation of its graph is replaced by
one that works on all examples, with the batch axis first. What depends on no example is computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from . import _core, _mapped, pytree
from ._core import Tensor
from ._ops.common import as_tensor, operand
from ._ops.shape import broadcast_to, moveaxis
from .errors import ArgumentError, AxisError, InvalidValueError, PytreeError, ShapeError


class _Leaf(NamedTuple):
    value: Any  # a Tensor if it is mapped
    axis: int | None  # counted from 0
    path: str


def _is_axis(x: Any) -> bool:
    return x is None or (isinstance(x, int) and not isinstance(x, bool))


def _axes(given: Any, tree: pytree.PyTree, what: str, of: str, path: str = "") -> list[int | None]:
    """One axis for each leaf of a tree, from axes that cover whole parts of it."""
    if _is_axis(given):
        return [given] * tree.num_leaves
    container = pytree.default_registry.container(type(given))
    if container is None:
        raise ArgumentError(
            f"vmap: {what} holds {given!r}; an axis is an integer, or None for what is not mapped"
        )
    children, aux = container.flatten(given)
    same = tree.type is type(given) and len(children) == len(tree.children)
    if same and tree.type is dict:
        same = set(aux) == set(tree.aux)
    if not same:
        raise PytreeError(
            f"vmap: {what} must have the structure of the {of}, or an axis for a whole part of it; "
            f"{f'at {path}' if path else 'at its root'} it is {given!r} for {tree!r}"
        )
    names = container.names(aux)
    return [
        axis
        for i, (child, part) in enumerate(zip(children, tree.children, strict=True))
        for axis in _axes(child, part, what, of, f"{path}{names[i]}")
    ]


def _mapped_leaf(leaf: Any, axis: int | None, path: str) -> _Leaf:
    if axis is None:
        return _Leaf(leaf, None, path)
    x = operand(leaf)
    if x is NotImplemented:
        raise ArgumentError(
            f"vmap: {path} is a {type(leaf).__name__} and cannot be mapped along axis {axis}; "
            "map tensors, and give None in in_axes for anything else"
        )
    x = as_tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise AxisError(
            f"vmap: {path} is to be mapped along axis {axis}, but it has {x.ndim} axes (its shape is "
            f"{x.shape}); give None in in_axes for what is the same for all examples"
        )
    return _Leaf(x, axis % x.ndim, path)


def _leaves(args: Sequence[Any], kwargs: dict[str, Any], in_axes: Any) -> tuple[list[_Leaf], pytree.PyTree]:
    """The leaves of all arguments, and the structure of (args, kwargs). Keyword arguments are mapped along
    axis 0.
    """
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ArgumentError(
            f"vmap: in_axes has {len(in_axes)} entries for {len(args)} positional arguments; give an "
            "integer, None, or one entry for each positional argument"
        )
    leaves, tree = pytree.flatten((tuple(args), kwargs))
    positional, named = tree.children
    axes = _axes(in_axes, positional, "in_axes", "arguments")
    axes += [0] * named.num_leaves
    paths = [f"argument {i}{path}" for i, arg in enumerate(args) for path in pytree.paths(arg)] + [
        f"argument {path}" for path in pytree.paths(kwargs)
    ]
    return [_mapped_leaf(*leaf) for leaf in zip(leaves, axes, paths, strict=True)], tree


def _size(leaves: Sequence[_Leaf], given: int | None) -> int:
    """How many examples there are."""
    mapped = [leaf for leaf in leaves if leaf.axis is not None]
    sizes = {leaf.value.shape[leaf.axis] for leaf in mapped}
    if given is not None:
        if not isinstance(given, int) or isinstance(given, bool) or given < 0:
            raise ArgumentError(f"vmap: axis_size must be an integer of at least 0, got {given!r}")
        sizes.add(given)
    if not sizes:
        raise InvalidValueError(
            "vmap: nothing is mapped; give at least one axis in in_axes that is not None, or axis_size"
        )
    if len(sizes) > 1:
        listed = "".join(
            f"\n  {leaf.path} has {leaf.value.shape[leaf.axis]} along axis {leaf.axis} of its shape "
            f"{leaf.value.shape}"
            for leaf in mapped
        )
        if given is not None:
            listed += f"\n  axis_size is {given}"
        raise ShapeError(f"vmap: the mapped axes have different sizes:{listed}")
    return sizes.pop()


def _result(x: Tensor, batched: bool, axis: int | None, size: int, path: str) -> Tensor:
    """One result with its batch axis where out_axes wants it."""
    where = f"the result{path}" if path else "the result"
    if axis is None:
        if batched:
            raise InvalidValueError(
                f"vmap: {where} differs from example to example, but its entry in out_axes is None; give "
                "an axis, or reduce over the examples"
            )
        return x
    ndim = x.ndim if batched else x.ndim + 1
    if not -ndim <= axis < ndim:
        raise AxisError(
            f"vmap: out_axes puts the batch axis of {where} at {axis}, but with it the result has {ndim} axes"
        )
    if not batched:
        x = broadcast_to(x, (size, *x.shape))
    return moveaxis(x, 0, axis)


def vmap(
    f: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Hashable | None = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """The function that applies f to many examples at once.

    ``in_axes`` says along which axis of each argument the examples lie: one integer for all, or a tuple
    with one entry for each positional argument; an entry is an integer (negative ones count from the end),
    None for an argument that is the same for all examples, or a pytree of those that covers the argument.
    Keyword arguments are mapped along axis 0. ``out_axes`` says the same of the results; there None means
    that the result is the same for all examples. ``axis_name`` names the axis for ``pg.collectives``.
    ``axis_size`` is needed only when no argument is mapped.

    f is called once, with placeholders: asking for their values raises TraceError. Draws of random numbers
    without a key are those of a loop over the examples.

    >>> dot = lambda a, b: (a * b).sum()
    >>> pg.vmap(dot, in_axes=(0, None))(pg.Tensor([[1.0, 2.0], [3.0, 4.0]]), pg.Tensor([1.0, 10.0])).tolist()
    [21.0, 43.0]
    """
    if not callable(f):
        raise ArgumentError(f"vmap needs a function, got {type(f).__name__}")
    axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = _leaves(args, kwargs, axes)
        size = _size(leaves, axis_size)
        with _core.Trace(False):  # the nodes of all examples are interned, too
            values = [moveaxis(leaf.value, leaf.axis, 0) for leaf in leaves if leaf.axis is not None]
            with _core.Trace(True, captures=False) as trace:
                made = _mapped.Map(trace, size, axis_name)
                params = iter([made.param(value) for value in values])
                # What is not mapped gets handles of its own: the function may rebind them (x += 1).
                given = [
                    next(params)
                    if leaf.axis is not None
                    else +leaf.value
                    if isinstance(leaf.value, Tensor)
                    else leaf.value
                    for leaf in leaves
                ]
                positional, named = pytree.unflatten(tree, given)
                _mapped.begin(made)
                try:
                    result = f(*positional, **named)
                finally:
                    _mapped.end()
                outs, out_tree = pytree.flatten(result)
                paths = pytree.paths(result)
                found = made.close([_tensor(*out) for out in zip(outs, paths, strict=True)])
            places = _axes(out_axes, out_tree, "out_axes", "results")
            return pytree.unflatten(
                out_tree,
                [
                    _result(x, batched, axis, size, path)
                    for (x, batched), axis, path in zip(found, places, paths, strict=True)
                ],
            )

    return mapped


def _tensor(leaf: Any, path: str) -> Tensor:
    x = operand(leaf)
    if x is NotImplemented:
        raise ArgumentError(
            f"vmap: the function returned a {type(leaf).__name__}{' at ' + path if path else ''}; "
            "return tensors"
        )
    return as_tensor(x)
