"""Jacobians, Hessians and their products with vectors: derivatives of functions with many outputs.

The function is called once. Its linear part is then pushed forward along, or pulled back from, all unit
vectors at once: `vmap` of one pass, so that the graph does not grow with the number of columns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _core, pytree
from ._core import Tensor
from ._ops.common import cast, iota, reshape_to
from ._ops.shape import moveaxis, part
from .autodiff import (
    Wrt,
    _call,
    _gradients,
    _Inputs,
    _inputs,
    _matching,
    _Traced,
    _zeros_where_none,
    jvp,
    positions_in,
)
from .dt import int64
from .errors import ArgumentError, DifferentiationError


def _unit_vectors(leaves: Sequence[Tensor]) -> tuple[list[Tensor], int]:
    """All unit vectors of the space that the leaves span together, and how many there are: row k of all parts
    is vector k.
    """
    total = sum(x.size for x in leaves)
    parts, offset = [], 0
    for x in leaves:
        shape, pair = (total, x.size), x.device.pair
        diagonal = iota(shape, 0, int64, pair) == iota(shape, 1, int64, pair) + offset
        parts.append(reshape_to(cast(diagonal, x.dtype), (total, *x.shape)))
        offset += x.size
    return parts, total


class _Jacobian(NamedTuple):
    """What a function gave, and its derivative: ``[output][position]``, each the pytree of its argument."""

    outs: list[Tensor]
    tree: pytree.PyTree
    aux: Any
    table: list[list[Any]]

    def value(self) -> Any:
        return pytree.unflatten(self.tree, self.outs)

    def blocks(self) -> list[Any]:
        """Per position the pytree of the outputs, with the pytree of the argument in place of each."""
        return [pytree.unflatten(self.tree, list(column)) for column in zip(*self.table, strict=True)]


def _block(rows: Tensor | None, x: Tensor, y: Tensor, forward: bool) -> Tensor:
    """The derivative of y by x from its columns (forward) or rows: shape ``y.shape + x.shape``."""
    shape = (*y.shape, *x.shape)
    if rows is None:
        return _core.full(0, y.dtype.code, False, shape, y.device.pair)
    if forward:
        rows = moveaxis(rows, 0, rows.ndim - 1)
    return cast(reshape_to(rows, shape), y.dtype if forward else x.dtype)


def _sections(leaves: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Where the unit vectors of each leaf lie among those of all."""
    ends, at = [], 0
    for x in leaves:
        ends.append((at, at + x.size))
        at += x.size
    return ends


def _columns(pull: _core.Pullback, inputs: list[Tensor], outs: list[Tensor]) -> list[list[Tensor]]:
    """By forward mode: ``[output][input]``."""
    tangents, count = _unit_vectors(inputs)
    pushed = [found for found, _ in pull.push_many(tangents, count)]
    return [
        [
            _block(None if all_rows is None else part(all_rows, 0, start, stop), x, y, True)
            for x, (start, stop) in zip(inputs, _sections(inputs), strict=True)
        ]
        for y, all_rows in zip(outs, pushed, strict=True)
    ]


def _rows(pull: _core.Pullback, inputs: list[Tensor], outs: list[Tensor]) -> list[list[Tensor]]:
    """By reverse mode: ``[output][input]``."""
    vectors, count = _unit_vectors(outs)
    with _core.Trace(True, captures=False) as trace:
        cts = [trace.param(y.shape, y.dtype.code, False, y.device.pair) for y in outs]
        pulled = pull(cts)
        found = iter(trace.batch([g for g in pulled if g is not None], cts, vectors, count))
    rows = [None if g is None else next(found)[0] for g in pulled]
    return [
        [
            _block(None if all_rows is None else part(all_rows, 0, start, stop), x, y, False)
            for x, all_rows in zip(inputs, rows, strict=True)
        ]
        for y, (start, stop) in zip(outs, _sections(outs), strict=True)
    ]


def _mode(traced: _Traced, what: str, forward: bool | None, holomorphic: bool) -> bool:
    """Whether to go forward: the given mode or else the one that needs fewer unit vectors. Where a complex
    number depends on a complex one without ``holomorphic``, its derivative is no single number: forward mode
    then needs real arguments, reverse mode real results.
    """
    for n, y in enumerate(traced.outs):
        path = pytree.paths(pytree.unflatten(traced.tree, traced.outs))[n]
        where = f"{y.dtype}{' at ' + path if path else ''}"
        if not y.dtype.is_inexact:
            raise DifferentiationError(
                f"{what}: the function returned {where}, which has no derivative; return it with has_aux=True"
            )
        if holomorphic and not y.dtype.is_complex:
            raise DifferentiationError(f"{what}: holomorphic=True needs complex results, got {where}")
    sources = not holomorphic and any(x.dtype.is_complex for x in traced.inputs)
    results = not holomorphic and any(y.dtype.is_complex for y in traced.outs)
    if forward is None:
        fewer = sum(x.size for x in traced.inputs) < sum(y.size for y in traced.outs)
        forward = fewer if sources == results else results
    if sources if forward else results:
        raise DifferentiationError(
            f"{what}: the derivative of a complex {'argument' if forward else 'result'} in "
            f"{'forward' if forward else 'reverse'} mode needs holomorphic=True; where the function is not, "
            "take real and imaginary parts apart"
            + ("" if sources and results else f", or use jac{'rev' if forward else 'fwd'}")
        )
    return forward


def _jacobian(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    wrt: Wrt,
    what: str,
    *,
    forward: bool | None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> _Jacobian:
    inputs: _Inputs = _inputs(args, wrt, what, False, holomorphic)
    with _core.Trace(False) as trace:
        traced = _call(trace, f, args, kwargs, inputs, has_aux, what)
        forward = _mode(traced, what, forward, holomorphic)
        outs, pull = _core.vjp(traced.outs, traced.stand_ins, traced.inputs)
        table = (_columns if forward else _rows)(pull, traced.inputs, outs)
    return _Jacobian(outs, traced.tree, traced.aux, [inputs.group(row) for row in table])


def _by_argnums(
    f: Callable[..., Any], argnums: Wrt, has_aux: bool, holomorphic: bool, what: str, forward: bool
) -> Callable[..., Any]:
    if not callable(f):
        raise ArgumentError(f"{what} needs a function, got {type(f).__name__}")

    @functools.wraps(f)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        found = _jacobian(
            f, args, kwargs, argnums, what, forward=forward, has_aux=has_aux, holomorphic=holomorphic
        )
        rows = [row[0] if isinstance(argnums, int) else tuple(row) for row in found.table]
        result = pytree.unflatten(found.tree, rows)
        return (result, found.aux) if has_aux else result

    return jacobian


def jacfwd(
    f: Callable[..., Any], argnums: Wrt = 0, has_aux: bool = False, *, holomorphic: bool = False
) -> Callable[..., Any]:
    """The function that returns the Jacobian of f by forward mode, best for few inputs and many outputs.

    Each tensor of f's result becomes a pytree like the argument, of tensors of shape ``output.shape +
    input.shape``; with several ``argnums``, a tuple of them. With ``has_aux=True`` f returns ``(value,
    aux)`` and so does the result. Complex arguments need ``holomorphic=True``; results may be complex.

    >>> pg.jacfwd(lambda x: x * x)(pg.Tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return _by_argnums(f, argnums, has_aux, holomorphic, "jacfwd", True)


def jacrev(
    f: Callable[..., Any], argnums: Wrt = 0, has_aux: bool = False, *, holomorphic: bool = False
) -> Callable[..., Any]:
    """The function that returns the Jacobian of f by reverse mode, best for many inputs and few outputs.

    The result is that of ``jacfwd``. Complex results need ``holomorphic=True``; by complex arguments the
    derivative of a real result is that of ``grad``.

    >>> pg.jacrev(lambda x: x.sum() * x)(pg.Tensor([1.0, 2.0])).tolist()
    [[4.0, 1.0], [2.0, 5.0]]
    """
    return _by_argnums(f, argnums, has_aux, holomorphic, "jacrev", False)


def hessian(
    f: Callable[..., Any], argnums: Wrt = 0, has_aux: bool = False, *, holomorphic: bool = False
) -> Callable[..., Any]:
    """The function that returns all second derivatives of f: the Jacobian, by forward mode, of the Jacobian
    by reverse mode.

    For a scalar function of one tensor the result has shape ``x.shape + x.shape``; pytrees nest as in JAX.
    Complex arguments need ``holomorphic=True``.

    >>> pg.hessian(lambda x: (x ** 3).sum())(pg.Tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    rows = jacrev(f, argnums, has_aux, holomorphic=holomorphic)
    return jacfwd(rows, argnums, has_aux, holomorphic=holomorphic)


def fnjacobian(f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False) -> Callable[..., Any]:
    """The function that returns the Jacobians of f with respect to the arguments at positions ``wrt``, as a
    list parallel to it.

    Each entry has the pytree of its argument, with tensors of shape ``output.shape + input.shape`` (if f
    returns several tensors, the pytree of these around it). With ``return_outs=True`` the result is
    ``(outs, jacobians)``. Forward or reverse mode is chosen by the numbers of inputs and outputs.

    >>> outs, (j,) = pg.fnjacobian(lambda x: x * x, return_outs=True)(pg.Tensor([1.0, 2.0]))
    >>> outs.tolist(), j.tolist()
    ([1.0, 4.0], [[2.0, 0.0], [0.0, 4.0]])
    """

    @functools.wraps(f)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        found = _jacobian(f, args, kwargs, wrt, "fnjacobian", forward=None)
        return (found.value(), found.blocks()) if return_outs else found.blocks()

    return jacobian


def fnhessian(f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False) -> Callable[..., Any]:
    """The function that returns the Hessian of f with respect to each argument in ``wrt``, as a list parallel
    to it.

    Mixed derivatives by two arguments are not among them: ``pg.hessian`` with several ``argnums`` has them
    all. With ``return_outs=True`` the result is ``(outs, hessians)``.

    >>> h, = pg.fnhessian(lambda x: (x ** 3).sum())(pg.Tensor([1.0, 2.0]))
    >>> h.tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    positions = positions_in(wrt, "fnhessian")

    @functools.wraps(f)
    def hessians(*args: Any, **kwargs: Any) -> Any:
        with _core.Trace(False):  # what the passes share is one node
            found = [hessian(f, p)(*args, **kwargs) for p in positions]
            return (f(*args, **kwargs), found) if return_outs else found

    return hessians


def _split(given: tuple[Any, ...], count: int, what: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    if len(given) < 2 * count:
        raise ArgumentError(
            f"{what}: call it as {what}(f)(*args, *vectors) with {count} vectors behind the arguments, got "
            f"{len(given)} in all"
        )
    return given[: len(given) - count], given[len(given) - count :]


def fnvhp(f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False) -> Callable[..., Any]:
    """The function of ``(*args, *vectors)`` that returns the product of the vectors with the Hessian of a
    scalar function.

    One vector for each argument in ``wrt``, with its pytree; so is the result, as a list parallel to
    ``wrt``. The Hessian is that of all these arguments together, and is never formed: this is the gradient
    of the derivative in the direction of the vectors. With ``return_outs=True`` the result is ``(outs,
    products)``.

    >>> x, v = pg.Tensor([1.0, 2.0]), pg.Tensor([1.0, 10.0])
    >>> (p,) = pg.fnvhp(lambda x: (x ** 3).sum())(x, v)
    >>> p.tolist()
    [6.0, 120.0]
    """
    count = 1 if isinstance(wrt, int) else len(wrt)

    @functools.wraps(f)
    def product(*args_and_vectors: Any, **kwargs: Any) -> Any:
        args, vectors = _split(args_and_vectors, count, "fnvhp")

        def slope(*given: Any) -> Any:
            outs, rate = jvp(lambda *a: f(*a, **kwargs), wrt, return_outs=True)(*given, *vectors)
            return rate, outs

        _, outs, found = _gradients(slope, args, {}, wrt, "fnvhp", has_aux=True, scalar=True)
        return (outs, found) if return_outs else found

    return product


def fnhvp(f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False) -> Callable[..., Any]:
    """The function of ``(*args, *vectors)`` that returns the product of the Hessian of a scalar function with
    the vectors.

    As ``fnvhp``, which it equals, by forward mode over reverse mode: the derivative of the gradient in the
    direction of the vectors. It needs less memory.

    >>> x, v = pg.Tensor([1.0, 2.0]), pg.Tensor([1.0, 10.0])
    >>> (p,) = pg.fnhvp(lambda x: (x ** 3).sum())(x, v)
    >>> p.tolist()
    [6.0, 120.0]
    """
    count = 1 if isinstance(wrt, int) else len(wrt)

    @functools.wraps(f)
    def product(*args_and_vectors: Any, **kwargs: Any) -> Any:
        _split(args_and_vectors, count, "fnhvp")

        def gradient(*given: Any) -> Any:
            value, _, grads = _gradients(f, given, kwargs, wrt, "fnhvp", scalar=True)
            return value, grads

        (outs, _), (_, found) = jvp(gradient, wrt, return_outs=True)(*args_and_vectors)
        return (outs, found) if return_outs else found

    return product


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of f at a point, and the linear function that maps tangents of the arguments to the tangent
    of the value there.

    f is called once; the linear function may be called any number of times, with a tangent for each
    argument. With ``has_aux=True`` f returns ``(value, aux)``, and the result is ``(value, linear, aux)``.

    >>> y, push = pg.linearize(lambda x: x * x, pg.Tensor(3.0))
    >>> y.item(), push(pg.Tensor(1.0)).item(), push(pg.Tensor(10.0)).item()
    (9.0, 6.0, 60.0)
    """
    inputs = _inputs(primals, range(len(primals)), "linearize", True)
    with _core.Trace(False) as trace:
        traced = _call(trace, f, primals, {}, inputs, has_aux, "linearize")
        outs, pull = _core.vjp(traced.outs, traced.stand_ins, traced.inputs)

    def linear(*tangents: Any) -> Any:
        if len(tangents) != len(primals):
            raise ArgumentError(
                f"linearize: the linear function takes {len(primals)} tangents, got {len(tangents)}"
            )
        given: list[Tensor | None] = []
        for position, (tree, leaves, tangent) in enumerate(
            zip(inputs.trees, inputs.leaves, tangents, strict=True)
        ):
            given += _matching(tangent, tree, leaves, f"linearize: the tangent of argument {position}")
        with _core.Trace(False):
            return pytree.unflatten(traced.tree, _zeros_where_none(pull.push(given), outs))

    value = pytree.unflatten(traced.tree, outs)
    return (value, linear, traced.aux) if has_aux else (value, linear)
