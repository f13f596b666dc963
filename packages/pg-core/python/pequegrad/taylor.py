"""Taylor mode: derivatives of any order along a curve, in one pass.

A nested derivative of order k would cost a factor for each order; here coefficient k of every value comes
from lower ones, so the graph has at most a constant times k squared nodes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from . import _core, pytree
from ._core import Tensor
from .autodiff import _call, _inputs, _matching, _zeros_like
from .errors import ArgumentError, InvalidValueError


def _coefficients(
    f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]], order: int, what: str
) -> tuple[list[list[Tensor]], pytree.PyTree]:
    """Taylor coefficients 0 ... order of each leaf of f's result, when argument i follows
    ``primals[i] + sum of series[i][k - 1] s**k``; terms left out are zero.
    """
    inputs = _inputs(primals, range(len(primals)), what, True)
    curves: list[list[Tensor | None]] = []
    for position, (tree, leaves) in enumerate(zip(inputs.trees, inputs.leaves, strict=True)):
        terms = [
            _matching(term, tree, leaves, f"{what}: term {k + 1} of argument {position}")
            for k, term in enumerate(series[position])
        ]
        curves += [[leaf, *[term[n] for term in terms]] for n, leaf in enumerate(leaves)]
    with _core.Trace(False) as trace:
        traced = _call(trace, f, primals, {}, inputs, False, what)
        found = _core.jet(traced.outs, traced.stand_ins, curves, order)
        return [
            [_zeros_like(y) if c is None else c for c in curve]
            for curve, y in zip(found, traced.outs, strict=True)
        ], traced.tree


def jet(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> tuple[Any, Any]:
    """The derivatives of f along a curve, of all orders up to the length of the series.

    ``series[i]`` are the derivatives of argument i by the parameter of the curve, from the first on, each
    with the pytree of ``primals[i]``. The result is the value of f, and in the place of each of its tensors
    the list of its derivatives, from the first on. (These are derivatives, as in ``jax.experimental.jet``:
    Taylor coefficients are these over k!.)

    >>> value, terms = pg.jet(lambda x: x ** 3, (pg.Tensor(2.0),), ([pg.Tensor(1.0), 0.0, 0.0],))
    >>> value.item(), [t.item() for t in terms]
    (8.0, [12.0, 12.0, 6.0])
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(series, (tuple, list)):
        raise ArgumentError("jet: primals and series are tuples with one entry for each argument of f")
    if len(primals) != len(series):
        raise ArgumentError(f"jet: {len(primals)} primals but {len(series)} series; give one for each")
    if not all(isinstance(terms, (tuple, list)) for terms in series):
        raise ArgumentError("jet: each series is a list of derivatives, from the first on")
    orders = {len(terms) for terms in series}
    if len(orders) != 1:
        raise InvalidValueError(
            f"jet: the series have {[len(terms) for terms in series]} terms; give equally many for each "
            "argument"
        )
    order = orders.pop()
    scaled = [
        [pytree.map(lambda x, k=k: x / math.factorial(k), term) for k, term in enumerate(terms, 1)]
        for terms in series
    ]
    found, tree = _coefficients(f, primals, scaled, order, "jet")
    terms = [[c * float(math.factorial(k)) for k, c in enumerate(leaf[1:], 1)] for leaf in found]
    return pytree.unflatten(tree, [leaf[0] for leaf in found]), pytree.unflatten(tree, terms)


def taylor_expand(f: Callable[..., Any], order: int) -> Callable[[Any, Any], Any]:
    """The function of ``(at, x)`` that evaluates at x the Taylor polynomial of f around ``at``.

    ``at`` and x are pytrees of one structure; f takes one argument. All terms up to ``order`` come from one
    pass in Taylor mode.

    >>> exp4 = pg.taylor_expand(pg.exp, 4)
    >>> exp4(pg.Tensor(0.0), pg.Tensor(1.0)).item()  # 1 + 1 + 1/2 + 1/6 + 1/24
    2.7083334922790527
    """
    if not isinstance(order, int) or isinstance(order, bool) or order < 0:
        raise ArgumentError(f"taylor_expand: the order is an integer of at least 0, got {order!r}")

    @functools.wraps(f)
    def expanded(at: Any, x: Any) -> Any:
        away = pytree.map(lambda a, b: b - a, at, x)
        found, tree = _coefficients(f, (at,), ([away] if order else [],), order, "taylor_expand")
        return pytree.unflatten(tree, [functools.reduce(lambda a, b: a + b, leaf) for leaf in found])

    return expanded
