"""Reductions, cumulative sums, and reductions of windows. Results keep the dtype of the operand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ._common import as_dtype, ints


def reduce_sum(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The sum over axes."""
    return pg.sum(x, ints(axes), dtype=x.dtype) if len(axes) else x


def reduce_prod(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The product over axes."""
    return pg.prod(x, ints(axes), dtype=x.dtype) if len(axes) else x


def _extreme(what: str, x: Tensor, axes: Sequence[int]) -> Tensor:
    if not len(axes):
        return x
    if x.dtype.is_bool:
        return (pg.any if what == "max" else pg.all)(x, ints(axes))
    if all(x.shape[a] for a in axes):
        return (pg.max if what == "max" else pg.min)(x, ints(axes))
    kept = [n for i, n in enumerate(x.shape) if i not in axes]
    return pg.full(kept, _worst(what, x.dtype), dtype=x.dtype)


def _worst(what: str, kind: pg.DType) -> Any:
    """What a maximum or minimum of nothing gives."""
    if kind.kind == "f":
        return -float("inf") if what == "max" else float("inf")
    info = np.iinfo(kind.to_numpy())
    return int(info.min if what == "max" else info.max)


def reduce_max(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The largest over axes."""
    return _extreme("max", x, axes)


def reduce_min(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The smallest over axes."""
    return _extreme("min", x, axes)


def _folded(
    xs: Sequence[Tensor], axes: Sequence[int], op: Callable[..., Sequence[Tensor]]
) -> list[Tensor] | None:
    """A reduction by halves, for what has none of its own: ``op(*before, *behind)``; None of nothing."""
    gone = ints(axes)
    kept = [i for i in range(xs[0].ndim) if i not in gone]
    if not xs[0].size:
        return None
    rows = [pg.permute(x, (*gone, *kept)) if x.ndim else x for x in xs]
    rows = [pg.reshape(x, (-1, *x.shape[len(gone) :])) for x in rows]
    while rows[0].shape[0] > 1:
        half = rows[0].shape[0] // 2
        both = op(*(x[:half] for x in rows), *(x[half : 2 * half] for x in rows))
        if rows[0].shape[0] % 2:
            both = [pg.concatenate([made, x[2 * half :]]) for made, x in zip(both, rows, strict=True)]
        rows = list(both)
    return [x[0] for x in rows]


def _bits(x: Tensor, axes: Sequence[int], op: Callable[[Any, Any], Tensor], neutral: int) -> Tensor:
    made = _folded([x], axes, lambda a, b: [op(a, b)])
    if made is not None:
        return made[0]
    return pg.full([n for i, n in enumerate(x.shape) if i not in ints(axes)], neutral, dtype=x.dtype)


def _mapped(f: Callable[..., Sequence[Tensor]], *xs: Tensor) -> list[Tensor]:
    """A function of scalars, elementwise."""
    shape = pg.broadcast_shapes(*(x.shape for x in xs))
    made = pg.vmap(lambda *scalars: tuple(f(*scalars)))(*(pg.ravel(pg.broadcast_to(x, shape)) for x in xs))
    return [pg.reshape(x, shape) for x in made]


def reduce(
    *operands: Tensor,
    jaxpr: Callable[..., Sequence[Tensor]],
    dimensions: Sequence[int],
    computation: Any = None,
) -> list[Tensor]:
    """An associative function of scalars over axes of operands, from the values that follow them."""
    count = len(operands) // 2
    xs, start = operands[:count], list(operands[count:])
    made = _folded(xs, dimensions, lambda *rows: _mapped(jaxpr, *rows))
    if made is not None:
        return _mapped(jaxpr, *start, *made)
    kept = [n for i, n in enumerate(xs[0].shape) if i not in ints(dimensions)]
    return [pg.broadcast_to(x, kept) for x in start]


def reduce_and(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Bits set in all."""
    if x.dtype.is_bool:
        return pg.all(x, ints(axes)) if len(axes) else x
    return _bits(
        x, axes, pg.bitwise_and, int(np.iinfo(x.dtype.to_numpy()).max) if x.dtype.kind == "u" else -1
    )


def reduce_or(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Bits set in any."""
    if x.dtype.is_bool:
        return pg.any(x, ints(axes)) if len(axes) else x
    return _bits(x, axes, pg.bitwise_or, 0)


def reduce_xor(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Bits set in an odd number."""
    return _bits(x, axes, pg.bitwise_xor, 0)


def argmax(x: Tensor, *, axes: Sequence[int], index_dtype: Any) -> Tensor:
    """Where the first largest is along an axis; the first NaN wins."""
    (axis,) = ints(axes)
    return pg.argmax(x, axis).astype(as_dtype(index_dtype))


def argmin(x: Tensor, *, axes: Sequence[int], index_dtype: Any) -> Tensor:
    """Where the first smallest is along an axis; the first NaN wins."""
    (axis,) = ints(axes)
    return pg.argmin(x, axis).astype(as_dtype(index_dtype))


def cumsum(x: Tensor, *, axis: int, reverse: bool = False) -> Tensor:
    """The sums of all prefixes."""
    return pg.cumsum(x, axis, dtype=x.dtype, reverse=reverse)


def cumprod(x: Tensor, *, axis: int, reverse: bool = False) -> Tensor:
    """The products of all prefixes."""
    return pg.cumprod(x, axis, dtype=x.dtype, reverse=reverse)


def cummax(x: Tensor, *, axis: int, reverse: bool = False) -> Tensor:
    """The largest of all prefixes."""
    return pg.cummax(x, axis, reverse=reverse)


def cummin(x: Tensor, *, axis: int, reverse: bool = False) -> Tensor:
    """The smallest of all prefixes."""
    return pg.cummin(x, axis, reverse=reverse)


def cumlogsumexp(x: Tensor, *, axis: int, reverse: bool = False) -> Tensor:
    """The logarithms of the sums of exponentials of all prefixes."""
    return pg.associative_scan(pg.logaddexp, x, reverse=reverse, axis=axis)


# ---- windows


def _window(
    x: Tensor,
    how: str,
    *,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Any = None,
    window_dilation: Any = None,
) -> Tensor:
    if not x.ndim:
        return x
    return pg.reduce_window(
        x,
        how,
        ints(window_dimensions),
        ints(window_strides),
        [ints(p) for p in padding],
        window_dilation=1 if window_dilation is None else ints(window_dilation),
        base_dilation=1 if base_dilation is None else ints(base_dilation),
    )


def reduce_window_sum(x: Tensor, **window: Any) -> Tensor:
    """The sum of every window."""
    return _window(x, "sum", **window)


def reduce_window_max(x: Tensor, **window: Any) -> Tensor:
    """The largest of every window."""
    return _window(x, "max", **window)


def reduce_window_min(x: Tensor, **window: Any) -> Tensor:
    """The smallest of every window."""
    return _window(x, "min", **window)


def reduce_window(
    x: Tensor,
    start: Tensor,
    *,
    jaxpr: Callable[..., Sequence[Tensor]],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Any = None,
    window_dilation: Any = None,
    consts: Sequence[Any] = (),
) -> list[Tensor]:
    """An associative function of scalars over every window, from a first value that margins count as."""
    made = pg.reduce_window(
        x,
        lambda a, b: _mapped(jaxpr, a, b)[0],
        ints(window_dimensions),
        ints(window_strides),
        [ints(p) for p in padding],
        base_dilation=1 if base_dilation is None else ints(base_dilation),
        window_dilation=1 if window_dilation is None else ints(window_dilation),
        init=start,
    )
    return [made]


_SELECTS = {"ge": "max", "gt": "max", "le": "min", "lt": "min"}


def _chosen(select_prim: Any) -> str:
    return _SELECTS[getattr(select_prim, "name", select_prim)]


def select_and_scatter_add(
    source: Tensor,
    operand: Tensor,
    *,
    select_prim: Any,
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Tensor:
    """Each window's source added where its first extreme lies: the gradient of max pooling."""
    how = _chosen(select_prim)
    return pg.select_and_scatter_add(
        source, operand, how, ints(window_dimensions), ints(window_strides), [ints(p) for p in padding]
    )


def select_and_gather_add(tangents: Tensor, operand: Tensor, *, select_prim: Any, **window: Any) -> Tensor:
    """Of each window the tangent where its first extreme lies."""

    def pool(x: Tensor) -> Tensor:
        return _window(x, _chosen(select_prim), **window)

    made: Tensor = pg.jvp(pool)(operand, tangents)
    return made
