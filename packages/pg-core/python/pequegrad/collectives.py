"""What the examples of a ``pg.vmap`` with an ``axis_name`` know of each other.

>>> import pequegrad as pg
>>> share = lambda x: x / pg.collectives.psum(x, "examples")
>>> pg.vmap(share, axis_name="examples")(pg.Tensor([1.0, 3.0])).tolist()
[0.25, 0.75]
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from . import _core, _mapped, dt, pytree
from ._core import Tensor
from ._ops.common import TensorLike, as_tensor, axis_of, cast, from_python, reshape_to
from ._ops.reduce import max as _max
from ._ops.reduce import min as _min
from ._ops.shape import moveaxis
from .errors import ArgumentError, InvalidValueError

AxisName = Hashable | tuple[Hashable, ...]


def _maps(axis_name: AxisName, what: str) -> list[_mapped.Map]:
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    return [_mapped.named(name, what) for name in names]


def _each(f: Callable[[Tensor, _mapped.Map], Tensor], x: Any, axis_name: AxisName, what: str) -> Any:
    maps = _maps(axis_name, what)

    def leaf(value: Any) -> Tensor:
        made = as_tensor(value)
        for over in maps:
            made = f(made, over)
        return made

    return pytree.map(leaf, x)


def _sum(x: Tensor, over: _mapped.Map) -> Tensor:
    return _core.apply("psum", (cast(x, dt.int64) if x.dtype is dt.bool else x, over.index()))


def _gathered(x: Tensor, over: _mapped.Map) -> Tensor:
    return _core.apply("all_gather", (x, over.index()), (over.size,))


def axis_size(axis_name: AxisName) -> int:
    """How many examples the axis has; of several axes, the product.

    >>> pg.vmap(lambda x: x * pg.collectives.axis_size("i"), axis_name="i")(pg.ones(3)).tolist()
    [3.0, 3.0, 3.0]
    """
    size = 1
    for over in _maps(axis_name, "axis_size"):
        size *= over.size
    return size


def axis_index(axis_name: AxisName) -> Tensor:
    """The number of the example along the axis; along several axes, counted in row-major order.

    >>> pg.vmap(lambda x: x + pg.collectives.axis_index("i"), axis_name="i")(pg.zeros(3)).tolist()
    [0.0, 1.0, 2.0]
    """
    maps = _maps(axis_name, "axis_index")
    index = +maps[0].index()
    for over in maps[1:]:
        index = index * over.size + over.index()
    return index


def psum(x: Any, axis_name: AxisName) -> Any:
    """The sum over the examples of an axis; takes a pytree. Bools are counted.

    >>> pg.vmap(lambda x: pg.collectives.psum(x, "i"), axis_name="i")(pg.Tensor([1.0, 2.0])).tolist()
    [3.0, 3.0]
    """
    return _each(_sum, x, axis_name, "psum")


def pmean(x: Any, axis_name: AxisName) -> Any:
    """The mean over the examples of an axis; takes a pytree.

    >>> pg.vmap(lambda x: x - pg.collectives.pmean(x, "i"), axis_name="i")(pg.Tensor([1.0, 2.0])).tolist()
    [-0.5, 0.5]
    """
    return _each(lambda v, over: _sum(v, over) / over.size, x, axis_name, "pmean")


def pmax(x: Any, axis_name: AxisName) -> Any:
    """The largest value among the examples of an axis; takes a pytree.

    >>> pg.vmap(lambda x: pg.collectives.pmax(x, "i"), axis_name="i")(pg.Tensor([1.0, 2.0])).tolist()
    [2.0, 2.0]
    """
    return _each(lambda v, over: _max(_gathered(v, over), axis=0), x, axis_name, "pmax")


def pmin(x: Any, axis_name: AxisName) -> Any:
    """The smallest value among the examples of an axis; takes a pytree.

    >>> pg.vmap(lambda x: pg.collectives.pmin(x, "i"), axis_name="i")(pg.Tensor([1.0, 2.0])).tolist()
    [1.0, 1.0]
    """
    return _each(lambda v, over: _min(_gathered(v, over), axis=0), x, axis_name, "pmin")


def all_gather(x: Any, axis_name: AxisName, *, axis: int = 0, tiled: bool = False) -> Any:
    """The values of all examples, along a new axis, or with ``tiled`` one after the other along an axis that
    x has; takes a pytree.

    >>> pg.vmap(lambda x: pg.collectives.all_gather(x, "i"), axis_name="i")(pg.Tensor([1.0, 2.0])).tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """

    def gather(v: Tensor, over: _mapped.Map) -> Tensor:
        at = axis_of(axis, v.ndim + (not tiled), "all_gather")
        made = moveaxis(_gathered(v, over), 0, at)
        if not tiled:
            return made
        return reshape_to(made, (*v.shape[:at], over.size * v.shape[at], *v.shape[at + 1 :]))

    maps = _maps(axis_name, "all_gather")
    if len(maps) > 1 and not tiled:
        raise ArgumentError("all_gather: give one axis, or tiled=True; several new axes have no one place")
    return _each(gather, x, axis_name, "all_gather")


def ppermute(x: Any, axis_name: Hashable, perm: Sequence[tuple[int, int]]) -> Any:
    """Example ``to`` receives the value of example ``source``, for each pair ``(source, to)``; who receives
    nothing gets zeros. Takes a pytree.

    >>> ring = lambda x: pg.collectives.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)])
    >>> pg.vmap(ring, axis_name="i")(pg.Tensor([1.0, 2.0, 3.0])).tolist()
    [3.0, 1.0, 2.0]
    """
    size = axis_size(axis_name)
    sources = np.full(size, -1, np.int64)
    for pair in perm:
        source, to = pair
        if not (0 <= source < size and 0 <= to < size):
            raise InvalidValueError(f"ppermute: the pair {pair} leaves the {size} examples of {axis_name!r}")
        if sources[to] != -1:
            raise InvalidValueError(f"ppermute: example {to} receives twice in {list(perm)}")
        sources[to] = source
    if len({source for source, _ in perm}) != len(perm):
        raise InvalidValueError(f"ppermute: an example sends twice in {list(perm)}")

    def permuted(v: Tensor, over: _mapped.Map) -> Tensor:
        source = _row(from_python(sources), over.index(), clip=True)
        return _row(_gathered(v, over), source, clip=False)

    return _each(permuted, x, axis_name, "ppermute")


_CLIP, _DROP = 1, 2  # IndexMode of the core


def _row(table: TensorLike, row: Tensor, clip: bool) -> Tensor:
    return _core.apply("gather", (table, row), (_CLIP if clip else _DROP,))
