"""Derivatives of functions: all of them are an open trace, stand-ins for the inputs, and one of two makers
of the core.

``fngrad``, ``vjp``, ``jvp`` and ``value_and_grad`` take ``wrt``, positions of arguments, and return results
parallel to it, each
with the pytree of its argument; ``grad`` takes ``argnums`` as JAX does. They nest in any order, also inside
``pg.jit``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _core, pytree
from ._core import Tensor
from ._ops.common import as_tensor, items_of, operand
from .errors import ArgumentError, DifferentiationError, DTypeError, ShapeError

Wrt = int | Sequence[int]


class _Inputs(NamedTuple):
    """The leaves of the arguments that a function is differentiated by."""

    positions: list[int]
    trees: list[pytree.PyTree]
    leaves: list[list[Tensor]]  # per position

    def flat(self) -> list[Tensor]:
        return [leaf for group in self.leaves for leaf in group]

    def group(self, flat: Sequence[Any]) -> list[Any]:
        """One pytree per position from a flat list."""
        rest = iter(flat)
        return [
            pytree.unflatten(tree, [next(rest) for _ in group])
            for tree, group in zip(self.trees, self.leaves, strict=True)
        ]


def positions_in(wrt: Wrt, what: str) -> list[int]:
    """The argument positions that were named: one, or a sequence of them."""
    return [wrt] if isinstance(wrt, int) else items_of(wrt, what)


def _positions(wrt: Wrt, count: int, what: str) -> list[int]:
    given = positions_in(wrt, what)
    out = []
    for i in given:
        if not isinstance(i, int) or not -count <= i < count:
            raise ArgumentError(
                f"{what}: argument {i} of {count} positional arguments; keyword arguments cannot be "
                "differentiated by"
            )
        out.append(i % count)
    if len(set(out)) != len(out):
        raise ArgumentError(f"{what}: an argument is named twice in {given}")
    return out


def _inputs(args: Sequence[Any], wrt: Wrt, what: str, allow_int: bool, holomorphic: bool = False) -> _Inputs:
    positions = _positions(wrt, len(args), what)
    trees, groups = [], []
    for i in positions:
        leaves, tree = pytree.flatten(args[i])
        group = []
        for n, leaf in enumerate(leaves):
            x = operand(leaf)
            if x is NotImplemented:
                path = pytree.paths(args[i])[n]
                raise DifferentiationError(
                    f"{what}: argument {i}{path} is a {type(leaf).__name__}, which has no derivative; "
                    "differentiate by tensors and numbers"
                )
            x = as_tensor(x)
            if not x.dtype.is_inexact and not allow_int:
                path = pytree.paths(args[i])[n]
                raise DifferentiationError(
                    f"{what}: argument {i}{path} is {x.dtype}, which has no derivative; convert it with "
                    ".astype('float32'), "
                    "leave it out, or pass allow_int=True for zeros"
                )
            if holomorphic and not x.dtype.is_complex:
                path = pytree.paths(args[i])[n]
                raise DifferentiationError(
                    f"{what}: holomorphic=True needs complex arguments, argument {i}{path} is {x.dtype}"
                )
            group.append(x)
        trees.append(tree)
        groups.append(group)
    return _Inputs(positions, trees, groups)


class _Traced(NamedTuple):
    """A function's outputs on stand-ins for some of its arguments; valid while the trace is open."""

    inputs: list[Tensor]
    stand_ins: list[Tensor]
    outs: list[Tensor]
    tree: pytree.PyTree
    aux: Any


def _call(
    trace: _core.Trace,
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    inputs: _Inputs,
    has_aux: bool,
    what: str,
) -> _Traced:
    flat = inputs.flat()
    stand_ins = [trace.alias(x) for x in flat]
    given = [trace.alias(x) for x in stand_ins]  # the function's own handles: it may rebind them (x += 1)
    replaced = list(args)
    for position, tree in zip(inputs.positions, inputs.group(given), strict=True):
        replaced[position] = tree
    result = f(*replaced, **kwargs)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise ArgumentError(
                f"{what}: with has_aux=True the function returns a pair (value, aux), got "
                f"{type(result).__name__}"
            )
        result, aux = result
    leaves, tree = pytree.flatten(result)
    outs = []
    for n, leaf in enumerate(leaves):
        x = operand(leaf)
        if x is NotImplemented:
            path = pytree.paths(result)[n]
            raise DifferentiationError(
                f"{what}: the function returned a {type(leaf).__name__}{' at ' + path if path else ''}; "
                "return tensors, or use has_aux"
            )
        outs.append(as_tensor(x))
    return _Traced(flat, stand_ins, outs, tree, aux)


def _zeros_where_none(grads: Sequence[Tensor | None], inputs: Sequence[Tensor]) -> list[Tensor]:
    return [_zeros_like(x) if g is None else g for g, x in zip(grads, inputs, strict=True)]


def _zeros_like(x: Tensor) -> Tensor:
    return _core.full(0, x.dtype.code, False, x.shape, x.device.pair)


def _ones_like(x: Tensor) -> Tensor:
    return _core.full(1, x.dtype.code, False, x.shape, x.device.pair)


def _single_output(traced: _Traced, what: str, holomorphic: bool) -> Tensor:
    if traced.tree.type is not None:
        raise DifferentiationError(
            f"{what}: the function must return one tensor, it returned {traced.tree}; return the loss "
            "alone, use has_aux=True, or pg.vjp"
        )
    out = traced.outs[0]
    if not out.dtype.is_inexact:
        raise DifferentiationError(
            f"{what}: the function returned {out.dtype}, which has no derivative; return a floating tensor"
        )
    if out.dtype.is_complex != holomorphic:
        raise DifferentiationError(
            f"{what}: with holomorphic=True the function returns a complex tensor, it returned {out.dtype}"
            if holomorphic
            else f"{what}: the function returned {out.dtype}; a gradient needs a real value: return "
            "pg.real(y) or pg.abs(y), pass holomorphic=True for a holomorphic function, or use pg.vjp"
        )
    return out


def _gradients(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    wrt: Wrt,
    what: str,
    *,
    has_aux: bool = False,
    allow_int: bool = False,
    scalar: bool = False,
    holomorphic: bool = False,
) -> tuple[Any, Any, list[Any]]:
    """The value, the auxiliary output, and one gradient pytree per position."""
    inputs = _inputs(args, wrt, what, allow_int, holomorphic)
    with _core.Trace(False) as trace:
        traced = _call(trace, f, args, kwargs, inputs, has_aux, what)
        out = _single_output(traced, what, holomorphic)
        if scalar and out.size != 1:
            raise DifferentiationError(
                f"{what}: the function must return a scalar, it returned shape {out.shape}; reduce it "
                "with .sum() or .mean(), "
                "or use fngrad (a cotangent of ones) or vjp"
            )
        (value,), pull = _core.vjp(traced.outs, traced.stand_ins, traced.inputs)
        grads = _zeros_where_none(pull([_ones_like(value)]), traced.inputs)
    return value, traced.aux, inputs.group(grads)


def fngrad(
    f: Callable[..., Any],
    wrt: Wrt = (0,),
    return_outs: bool = False,
    *,
    allow_int: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that returns the gradients of f with respect to the arguments at positions ``wrt``.

    The result is a list parallel to ``wrt``, each entry with the pytree of its argument; with
    ``return_outs=True`` a pair
    ``(outs, gradients)``. An output that is not a scalar takes a cotangent of ones. Complex arguments and
    ``holomorphic`` as in ``grad``.

    >>> f = pg.fngrad(lambda a, b: a * b, wrt=[0, 1], return_outs=True)
    >>> out, (da, db) = f(pg.Tensor(2.0), pg.Tensor(5.0))
    >>> out.item(), da.item(), db.item()
    (10.0, 5.0, 2.0)
    """

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, _, grads = _gradients(
            f, args, kwargs, wrt, "fngrad", allow_int=allow_int, holomorphic=holomorphic
        )
        return (value, grads) if return_outs else grads

    return gradient


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    allow_int: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that returns the gradient of a scalar function: for one position its pytree, for several
    a tuple.

    By a complex argument ``x + iy`` the gradient of a real value is ``df/dx - i df/dy``, as JAX's; gradient
    descent follows its conjugate. With ``holomorphic=True`` arguments and value are complex, and the result
    is the complex derivative.

    >>> pg.grad(lambda x: (x * x).sum())(pg.Tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    >>> pg.grad(lambda z: (z * z).sum(), holomorphic=True)(pg.Tensor([1j])).tolist()
    [2j]
    """

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        _, aux, grads = _gradients(
            f,
            args,
            kwargs,
            argnums,
            "grad",
            has_aux=has_aux,
            allow_int=allow_int,
            scalar=True,
            holomorphic=holomorphic,
        )
        result = grads[0] if isinstance(argnums, int) else tuple(grads)
        return (result, aux) if has_aux else result

    return gradient


def value_and_grad(
    f: Callable[..., Any],
    wrt: Wrt = (0,),
    has_aux: bool = False,
    *,
    allow_int: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that returns the value of a scalar function and its gradients.

    The gradients are a list parallel to ``wrt``; for ``wrt`` an int, the pytree of that argument. With
    ``has_aux=True`` f returns
    ``(value, aux)`` and so does the first part of the result. Complex arguments and ``holomorphic`` as in
    ``grad``.

    >>> value, (g,) = pg.value_and_grad(lambda x: (x * x).sum())(pg.Tensor([1.0, 2.0]))
    >>> value.item(), g.tolist()
    (5.0, [2.0, 4.0])
    """

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        value, aux, grads = _gradients(
            f,
            args,
            kwargs,
            wrt,
            "value_and_grad",
            has_aux=has_aux,
            allow_int=allow_int,
            scalar=True,
            holomorphic=holomorphic,
        )
        result = grads[0] if isinstance(wrt, int) else grads
        return ((value, aux) if has_aux else value), result

    return both


def _matching(given: Any, tree: pytree.PyTree, types: Sequence[Tensor], what: str) -> list[Tensor | None]:
    """The leaves of a (co)tangent, which must have the structure, shapes and dtypes of what it belongs to.
    None where integer.
    """
    leaves = pytree.default_registry.flatten_as(tree, given, what)
    out: list[Tensor | None] = []
    for leaf, like in zip(leaves, types, strict=True):
        x = as_tensor(leaf)
        if x.shape != like.shape:
            raise ShapeError(f"{what} has shape {x.shape}, it needs {like.shape}")
        if not like.dtype.is_inexact:
            out.append(None)
        elif x.dtype.is_inexact or not isinstance(leaf, Tensor):
            if x.dtype is not like.dtype and not x.weak and isinstance(leaf, Tensor):
                raise DTypeError(
                    f"{what} is {x.dtype}, it needs {like.dtype}; convert it with .astype('{like.dtype}')"
                )
            out.append(_core.astype(x, like.dtype.code))
        else:
            raise DTypeError(
                f"{what} is {x.dtype}, it needs {like.dtype}; convert it with .astype('{like.dtype}')"
            )
    return out


def vjp(
    f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False, *, allow_int: bool = True
) -> Callable[..., Any]:
    """The function of ``(*args, cotangent)`` that returns the cotangent pulled back to each argument in
    ``wrt``, as a list.

    The cotangent has the pytree of f's output. With ``return_outs=True`` the result is ``(outs,
    cotangents)``. Integer leaves get
    zeros.

    >>> (g,) = pg.vjp(lambda x: x * x)(pg.Tensor([1.0, 2.0]), pg.Tensor([1.0, 10.0]))
    >>> g.tolist()
    [2.0, 40.0]
    """

    @functools.wraps(f)
    def pulled(*args_and_cotangent: Any, **kwargs: Any) -> Any:
        if len(args_and_cotangent) < 2:
            raise ArgumentError(
                f"vjp: call it as vjp(f)(*args, cotangent), got {len(args_and_cotangent)} arguments"
            )
        *args, cotangent = args_and_cotangent
        inputs = _inputs(args, wrt, "vjp", allow_int)
        with _core.Trace(False) as trace:
            traced = _call(trace, f, args, kwargs, inputs, False, "vjp")
            outs, pull = _core.vjp(traced.outs, traced.stand_ins, traced.inputs)
            ct = _matching(cotangent, traced.tree, outs, "vjp: the cotangent")
            grads = inputs.group(_zeros_where_none(pull(ct), traced.inputs))
        return (pytree.unflatten(traced.tree, outs), grads) if return_outs else grads

    return pulled


def jvp(f: Callable[..., Any], wrt: Wrt = (0,), return_outs: bool = False) -> Callable[..., Any]:
    """The function of ``(*args, *tangents)`` that returns the derivative of f in the direction of the
    tangents.

    One tangent for each argument in ``wrt``, with its pytree. With ``return_outs=True`` the result is
    ``(outs, tangent)``.

    >>> pg.jvp(lambda x: x * x)(pg.Tensor(3.0), pg.Tensor(1.0)).item()
    6.0
    """
    count = 1 if isinstance(wrt, int) else len(wrt)

    @functools.wraps(f)
    def pushed(*args_and_tangents: Any, **kwargs: Any) -> Any:
        if len(args_and_tangents) < 2 * count:
            raise ArgumentError(
                f"jvp: call it as jvp(f)(*args, *tangents) with {count} tangents behind the arguments, "
                f"got {len(args_and_tangents)} in all"
            )
        args, given = (
            args_and_tangents[: len(args_and_tangents) - count],
            args_and_tangents[len(args_and_tangents) - count :],
        )
        inputs = _inputs(args, wrt, "jvp", True)
        tangents: list[Tensor | None] = []
        for position, tree, leaves, tangent in zip(
            inputs.positions, inputs.trees, inputs.leaves, given, strict=True
        ):
            tangents += _matching(tangent, tree, leaves, f"jvp: the tangent of argument {position}")
        with _core.Trace(False) as trace:
            traced = _call(trace, f, args, kwargs, inputs, False, "jvp")
            outs, rates = _core.jvp(traced.outs, traced.stand_ins, traced.inputs, tangents)
            result = pytree.unflatten(traced.tree, _zeros_where_none(rates, outs))
        return (pytree.unflatten(traced.tree, outs), result) if return_outs else result

    return pushed


def stop_gradient(x: Any) -> Any:
    """The same values as constants of differentiation; takes a pytree.

    >>> pg.grad(lambda x: (x * pg.stop_gradient(x)).sum())(pg.Tensor([3.0])).tolist()
    [3.0]
    """
    return pytree.map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, x)
