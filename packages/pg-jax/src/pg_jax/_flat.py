"""Functions of pytrees as functions of lists of tensors, which the transformations of pequegrad take.

A leaf travels as a tensor and its *kind*: whether the array is weak, or that it is an array of random keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg

from . import _trees
from ._array import Array, ShapedArray, make
from ._config import config
from ._keys import PRNGKeyArray, make_keys
from ._lift import Tensor, lift

Kind = bool | None  # weak or not; None: keys


def is_arraylike(x: Any) -> bool:
    """Whether a value can be a leaf of a traced function."""
    return (
        isinstance(x, (Array, np.ndarray, np.generic, bool, int, float, complex, Tensor))
        or hasattr(x, "__jax_array__")
        or (hasattr(x, "__array__") and not isinstance(x, type))
    )


def unwrap(x: Any, what: str = "") -> tuple[Tensor, Kind]:
    """The tensor of a leaf, and its kind."""
    if type(x) is Array:
        return x._t, x._w
    if type(x) is PRNGKeyArray:
        return x._t, None
    made = lift(x, what)
    return made._t, made._w


def wrap(t: Tensor, kind: Kind) -> Any:
    """The leaf again."""
    return make_keys(t) if kind is None else make(t, kind)


def aval_of(t: Tensor, kind: Kind) -> ShapedArray:
    """The type of a leaf."""
    x = wrap(t, kind)
    return ShapedArray(x.shape, x.dtype, bool(kind))


def describe_function(f: Any) -> str:
    """The name of a function in messages."""
    return str(getattr(f, "__name__", None) or type(f).__name__)


class Leaves:
    """A pytree taken apart."""

    __slots__ = ("kinds", "tensors", "tree")

    tensors: list[Tensor]
    kinds: tuple[Kind, ...]
    tree: _trees.PyTreeDef

    def __init__(self, tree: Any, what: str = "") -> None:
        leaves, self.tree = _trees.flatten(tree)
        pairs = [unwrap(leaf, what) for leaf in leaves]
        self.tensors = [t for t, _ in pairs]
        self.kinds = tuple([kind for _, kind in pairs])

    @classmethod
    def of(cls, tree: _trees.PyTreeDef, tensors: list[Tensor], kinds: Any) -> Leaves:
        """From its parts."""
        made = cls.__new__(cls)
        made.tree, made.tensors, made.kinds = tree, tensors, tuple(kinds)
        return made

    def build(self, tensors: Sequence[Tensor]) -> Any:
        """The pytree with other tensors."""
        return _trees.unflatten(self.tree, [wrap(t, k) for t, k in zip(tensors, self.kinds, strict=True)])

    def key(self) -> tuple[Any, ...]:
        """What a traced function depends on."""
        return self.tree, self.kinds, config.x64, tuple([(t.shape, t.dtype) for t in self.tensors])


class Flat:
    """``f`` of lists of tensors; after a call it knows the structure of the result, and what came beside "
    "it."""

    out: Leaves
    aux: Leaves | None = None

    def __init__(self, f: Callable[..., Any], args: Leaves, has_aux: bool = False) -> None:
        self.f, self.args, self.has_aux = f, args, has_aux

    def call(self, tensors: Sequence[Tensor]) -> Any:
        """The result as the function gives it."""
        positional, named = self.args.build(tensors)
        return self.f(*positional, **named)

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        result = self.call(tensors)
        if self.has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    f"expected {describe_function(self.f)} to return a pair (output, auxiliary output) with "
                    f"has_aux=True, got {type(result)}"
                )
            result, aux = result
            self._keep_aux(aux)
        self.out = outputs(result, self.f)
        return self.out.tensors + (self.aux.tensors if self.aux else [])

    def _keep_aux(self, aux: Any) -> None:
        """Arrays travel as tensors, Python's values stay what they are."""
        leaves, self._aux_tree = _trees.flatten(aux)
        self._aux_leaves = [None if isinstance(x, Array) else x for x in leaves]
        self.aux = Leaves([x for x in leaves if isinstance(x, Array)])

    def split(self, outs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results and auxiliary results."""
        n = len(self.out.tensors)
        return list(outs[:n]), list(outs[n:])

    def build_aux(self, outs: Sequence[Tensor]) -> Any:
        """The auxiliary output."""
        assert self.aux is not None
        arrays = iter(self.aux.build(outs))
        leaves = [next(arrays) if x is None else x for x in self._aux_leaves]
        return _trees.unflatten(self._aux_tree, leaves)


def outputs(result: Any, f: Any) -> Leaves:
    """The result of a function, whose leaves must be arrays."""
    for path, leaf in _trees.with_path(result):
        if not is_arraylike(leaf):
            where = "".join(str(k) for k in path)
            raise TypeError(
                f"function {describe_function(f)} returned a value of type {type(leaf)}"
                f"{f' at output component {where}' if where else ''}, which is not a valid JAX type"
            )
    return Leaves(result)


def zeros_like(t: Tensor) -> Tensor:
    """Zeros of the type of a tensor."""
    return pg.zeros_like(t)


def fill(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """Zeros in place of None."""
    return [zeros_like(x) if g is None else g for g, x in zip(found, like, strict=True)]
