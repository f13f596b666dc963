"""Functions that pequegrad has with NumPy's meaning: operands are promoted as JAX promotes them, results "
"narrowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, concretization, make
from .._lift import Tensor, cast, lift_all
from ._unary import named


def results(made: Any, kind: pg.DType | None, weak: bool) -> Any:
    """Tensors as arrays of the dtypes that JAX has."""
    if isinstance(made, Tensor):
        wanted = (
            kind
            if kind is not None and made.dtype.is_inexact == kind.is_inexact
            else dtypes.canonical(made.dtype)
        )
        return make(cast(made, wanted), weak and wanted is kind)
    if isinstance(made, list):
        return [results(x, kind, weak) for x in made]
    if isinstance(made, tuple):
        return tuple(results(x, kind, weak) for x in made)
    return made


def through(
    name: str, doc: str, count: int = 1, *, floating: bool = False, weak: bool = False, integers: bool =
    False,
    concrete: bool = False, joined: bool = True, of: Callable[..., Any] | None = None,
) -> Any:  # fmt: skip
    """A function of ``count`` arrays, by pequegrad's of the same name.

    floating: integers become floats; weak: the result is weak when all operands are; integers: the result
    is an index;
    concrete: the shape of the result depends on values; joined: operands are promoted to one dtype.
    """
    f: Callable[..., Any] = of or getattr(pg, name)

    def apply(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("precision", None)
        given = [a for a in args[:count] if a is not None]
        if "size" in kwargs and concrete:
            if kwargs["size"] is not None:
                raise NotImplementedError(f"{name}: size is not implemented")
            del kwargs["size"]
            kwargs.pop("fill_value", None)
        if not given:
            raise TypeError(f"{name}() needs {count} arrays as positional arguments")
        xs = [np_list(a, name) for a in given]
        if concrete:
            for x in xs:
                if x._t.is_abstract:
                    raise concretization(x, f"jnp.{name} needs the values of its arguments.")
        kind, is_weak = dtypes.join(*((x._t.dtype, x._w) for x in xs))
        wanted = dtypes.inexact(kind) if floating else kind
        tensors = [cast(x._t, wanted) if joined or floating else x._t for x in xs]
        options = {k: v._t if type(v) is Array else v for k, v in kwargs.items()}
        rest = [a._t if type(a) is Array else a for a in args[count:]]
        made = f(*tensors, *rest, **options)
        return results(
            made,
            None if integers or not joined else wanted,
            weak and is_weak and (floating is False or kind is not pg.bool_),
        )

    return named(apply, name, doc)


def np_list(x: Any, what: str) -> Array:
    """An operand; lists of numbers are refused, as everywhere."""
    (made,) = lift_all(what, np.asarray(x) if isinstance(x, range) else x)
    return made
