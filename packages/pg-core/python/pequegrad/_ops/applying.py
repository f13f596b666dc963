"""Functions applied to slices, axes and places, under NumPy's names."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from .. import dt, pytree
from .._core import Tensor
from ..batching import vmap
from ..errors import ArgumentError, ShapeError
from .arranging import indices
from .common import TensorLike, as_tensor, axis_of, cast, positive_shape, reshape_to
from .shape import broadcast_shapes, broadcast_to, expand_dims, moveaxis


def apply_along_axis(f: Callable[..., Any], axis: int, x: TensorLike, *args: Any, **kwargs: Any) -> Tensor:
    """``f`` of each vector along an axis; the axes of its results stand in the place of that axis. f is
    called once, on a vector that stands for all (``pg.vmap``).

    >>> pg.apply_along_axis(lambda v: v.max() - v.min(), 0, pg.Tensor([[1, 5], [4, 7]])).tolist()
    [3, 2]
    """
    x = as_tensor(x)
    at = axis_of(axis, x.ndim, "apply_along_axis")
    rows = moveaxis(x, at, -1)
    lead = rows.shape[:-1]
    flat = reshape_to(rows, (-1 if 0 in rows.shape else rows.size // rows.shape[-1], rows.shape[-1]))
    made = vmap(lambda v: as_tensor(f(v, *args, **kwargs)))(flat)
    made = reshape_to(made, (*lead, *made.shape[1:]))
    extra = made.ndim - len(lead)
    return moveaxis(made, tuple(range(len(lead), made.ndim)), tuple(range(at, at + extra))) if extra else made


def apply_over_axes(f: Callable[..., Any], x: TensorLike, axes: Any) -> Tensor:
    """``f(x, axis)`` for one axis after the other; an axis that f takes away stays with extent 1.

    >>> pg.apply_over_axes(pg.sum, pg.ones((2, 3)), (0, 1)).tolist()
    [[6.0]]
    """
    x = as_tensor(x)
    rank = x.ndim
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        at = axis_of(axis, rank, "apply_over_axes")
        made = as_tensor(f(x, at))
        x = expand_dims(made, at) if made.ndim == rank - 1 else made
        if x.ndim != rank:
            raise ShapeError(f"apply_over_axes: f returned shape {made.shape} for rank {rank}")
    return x


def fromfunction(f: Callable[..., Any], shape: Sequence[int], *, dtype: Any = float, **kwargs: Any) -> Any:
    """``f`` of the coordinates of the places of a shape: one tensor per axis.

    >>> pg.fromfunction(lambda i, j: i * 10 + j, (2, 2), dtype=int).tolist()
    [[0, 1], [10, 11]]
    """
    kind = dt.as_dtype(dtype)
    grids = indices(positive_shape(shape, "fromfunction"))
    return f(*[cast(grids[i], kind) for i in range(len(shape))], **kwargs)


_CORE = re.compile(r"\((\w*(?:,\w+)*)\)")


def vectorize(
    f: Callable[..., Any], *, excluded: Sequence[int] = (), signature: str | None = None
) -> Callable[..., Any]:
    """The function that broadcasts: ``f`` takes and returns scalars, or what ``signature`` says, as
    ``"(n),(n)->()"``; the axes before those are mapped with ``pg.vmap``. Arguments in ``excluded`` are
    passed as they are.

    >>> dot = pg.vectorize(lambda a, b: (a * b).sum(), signature="(n),(n)->()")
    >>> dot(pg.ones((4, 1, 3)), pg.ones((2, 3))).shape
    (4, 2)
    """
    cores = None
    if signature is not None:
        if not isinstance(signature, str):
            raise ArgumentError(f"vectorize: a signature is text, got {type(signature).__name__}")
        sides = signature.replace(" ", "").split("->")
        if len(sides) != 2:
            raise ArgumentError(f"vectorize: a signature has one '->', got {signature!r}")
        cores = [tuple(c for c in found.split(",") if c) for found in _CORE.findall(sides[0])]

    @functools.wraps(f)
    def broadcast(*args: Any, **kwargs: Any) -> Any:
        mapped = [i for i in range(len(args)) if i not in excluded]
        if cores is not None and len(cores) != len(mapped):
            raise ArgumentError(f"vectorize: {signature} is for {len(cores)} arguments, got {len(mapped)}")
        xs = [as_tensor(args[i]) for i in mapped]
        names = cores or [()] * len(xs)
        extents: dict[str, int] = {}
        for x, core in zip(xs, names, strict=True):
            if x.ndim < len(core):
                raise ShapeError(f"vectorize: shape {x.shape} does not have the axes {core}")
            for name, n in zip(core, x.shape[x.ndim - len(core) :], strict=True):
                if extents.setdefault(name, n) != n:
                    raise ShapeError(f"vectorize: the axis {name!r} has extents {extents[name]} and {n}")
        leads = [x.shape[: x.ndim - len(core)] for x, core in zip(xs, names, strict=True)]
        lead = broadcast_shapes(*leads)
        xs = [
            broadcast_to(x, lead + x.shape[len(own) :]) if own else x
            for x, own in zip(xs, leads, strict=True)
        ]
        axes = tuple(0 if own else None for own in leads)

        def one(*values: Any) -> Any:
            given = list(args)
            for i, value in zip(mapped, values, strict=True):
                given[i] = value
            return pytree.map(as_tensor, f(*given, **kwargs))

        for _ in lead:
            one = vmap(one, in_axes=axes)
        return one(*xs)

    return broadcast
