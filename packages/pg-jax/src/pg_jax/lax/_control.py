"""Loops and branches: bodies are traced once per function and types, and run inside the program."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import extend

from .. import _trees, dtypes
from .._array import Array, make
from .._effects import emit
from .._flat import Kind, Leaves
from .._jit import Traced, traced_body
from .._lift import Tensor, axis_of, cast, lift
from .._vmap import vmap

_MISSING = object()


def _call_with(*parts: Leaves) -> Leaves:
    """The arguments of a body: several pytrees."""
    tree = _trees.PyTreeDef(tuple, len(parts), tuple(p.tree for p in parts), _trees.registry.container(tuple))
    empty = _trees.flatten({})[1]
    both = _trees.PyTreeDef(tuple, 2, (tree, empty), _trees.registry.container(tuple))
    return Leaves.of(both, [t for p in parts for t in p.tensors], [k for p in parts for k in p.kinds])


def _type(shape: Any, kind: pg.DType, weak: Kind) -> str:
    return f"{'~' if weak else ''}{kind.name}[{','.join(str(n) for n in shape)}]"


def _settled(what: str, carry: Leaves, types: Callable[[Leaves], tuple[Any, list[Any]]]) -> Leaves:
    """The carry, whose weak numbers take the types that the body gives them."""
    for last in (False, True):
        tree, found = types(carry)
        if tree != carry.tree:
            raise TypeError(
                f"{what} carry input and carry output must have the same pytree structure, but they "
                f"differ: the input "
                f"carry is {carry.tree!r} and the output carry is {tree!r}."
            )
        changed, tensors, kinds = False, [], []
        for t, kind, (shape, dtype, out_kind) in zip(carry.tensors, carry.kinds, found, strict=True):
            if t.shape == shape and t.dtype is dtype and (kind is None) == (out_kind is None):
                tensors.append(t)  # whether it is weak does not matter
                kinds.append(kind)
            elif kind and out_kind is not None and t.shape == shape and not last:
                tensors.append(cast(t, dtypes.join((t.dtype, True), (dtype, bool(out_kind)))[0]))
                kinds.append(False)
                changed = True
            else:
                raise TypeError(
                    f"{what} carry input and carry output must have equal types, but they differ: the "
                    f"input carry has "
                    f"type {_type(t.shape, t.dtype, kind)} but the corresponding output carry component "
                    f"has type "
                    f"{_type(shape, dtype, out_kind)}."
                )
        if not changed:
            return carry
        carry = Leaves.of(carry.tree, tensors, kinds)
    return carry


# ---- scan


def scan(
    f: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False,
    unroll: int | bool = 1, _split_transpose: bool = False,
) -> Any:  # fmt: skip
    """``f(carry, x) -> (carry, y)`` along the leading axis of ``xs``: the last carry, and the stacked ys.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.scan(lambda c, x: (c + x, c), 0, jnp.arange(3))[1]
    Array([0, 0, 1], dtype=int32, weak_type=True)
    """
    if not callable(f):
        raise TypeError(f"lax.scan: f argument should be a callable, got {f!r}")
    carry, rows = Leaves(init, "scan"), Leaves(xs, "scan")
    steps = _length(rows, length)
    slices = Leaves.of(rows.tree, [_slice(t) for t in rows.tensors], rows.kinds)

    def trace(carry: Leaves) -> Traced:
        made = traced_body(f, _call_with(carry, slices), "scan")
        if made.tree.type not in (tuple, list) or len(made.tree.children) != 2:
            raise TypeError(f"scan body output must be a pair, got {made.tree!r}.")
        return made

    def types(carry: Leaves) -> tuple[Any, list[Any]]:
        made = trace(carry)
        (out, _), n = made.tree.children, made.tree.children[0].num_leaves
        return out, made.types()[:n]

    carry = _settled("scan body function", carry, types)
    body = trace(carry)
    count = len(carry.tensors)

    def step(state: tuple[Tensor, ...], x: tuple[Tensor, ...]) -> Any:
        made = body.closed([*state, *x])
        return tuple(made[:count]), tuple(made[count:])

    last, ys = pg.scan(step, tuple(carry.tensors), tuple(rows.tensors), steps, bool(reverse), unroll)
    y_tree = body.tree.children[1]
    rest = len(body.kinds) - count
    emit(ys[rest:])
    stacked = Leaves.of(y_tree, list(ys[:rest]), body.kinds[count:])  # type: ignore[arg-type]
    return Leaves.of(carry.tree, list(last), body.kinds[:count]).build(last), stacked.build(stacked.tensors)


def _slice(t: Tensor) -> Tensor:
    """A tensor of the type of one slice."""
    return pg.zeros(t.shape[1:], dtype=t.dtype)


def _length(rows: Leaves, given: Any) -> int:
    try:
        length = None if given is None else operator.index(given)
    except TypeError:
        raise TypeError(
            f"The `length` argument to `scan` expects a concrete `int` value, got {given!r}."
        ) from None
    sizes = set()
    for t, kind in zip(rows.tensors, rows.kinds, strict=True):
        if t.ndim - (kind is None) < 1:
            raise ValueError("scan got value with no leading axis to scan over")
        sizes.add(t.shape[0])
    if length is not None and sizes - {length}:
        raise ValueError(
            f"scan got `length` argument of {length} which disagrees with leading axis sizes {sorted(sizes)}."
        )
    if len(sizes) > 1:
        raise ValueError(
            f"scan got values with different leading axis sizes: {', '.join(str(n) for n in sorted(sizes))}."
        )
    if length is None and not sizes:
        raise ValueError("scan got no values to scan over and `length` not provided.")
    return length if length is not None else sizes.pop()


def map(f: Callable[..., Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """f of each slice along the leading axis, one after the other, or ``batch_size`` at once.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.map(lambda x: x * x, jnp.arange(3))
    Array([0, 1, 4], dtype=int32)
    """
    if batch_size is None:
        return scan(lambda _, x: (None, f(x)), None, xs)[1]
    rows = Leaves(xs, "map")
    total = _length(rows, None)
    full = total // batch_size
    many = vmap(f)
    parts = []
    if full:
        head = [pg.reshape(t[: full * batch_size], (full, batch_size, *t.shape[1:])) for t in rows.tensors]
        made = Leaves(scan(lambda _, x: (None, many(x)), None, rows.build(head))[1])
        parts.append((made, [pg.reshape(t, (-1, *t.shape[2:])) for t in made.tensors]))
    if total % batch_size or not full:
        rest = Leaves(many(rows.build([t[full * batch_size :] for t in rows.tensors])))
        parts.append((rest, rest.tensors))
    joined = [
        pg.concatenate(ts) if len(ts) > 1 else ts[0] for ts in zip(*(ts for _, ts in parts), strict=True)
    ]
    return parts[0][0].build(joined)


# ---- loops


def while_loop(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init_val: Any) -> Any:
    """``body_fun`` applied to a carry for as long as ``cond_fun`` holds; forward mode only.

    >>> from pg_jax import lax
    >>> lax.while_loop(lambda x: x < 100, lambda x: x * 2, 3)
    Array(192, dtype=int32, weak_type=True)
    """
    if not callable(cond_fun) or not callable(body_fun):
        raise TypeError("lax.while_loop: body_fun and cond_fun arguments should be callable.")
    carry = Leaves(init_val, "while_loop")

    def types(carry: Leaves) -> tuple[Any, list[Any]]:
        made = traced_body(body_fun, _call_with(carry), "while_loop")
        return made.tree, made.types()

    carry = _settled("body_fun", carry, types)
    body = traced_body(body_fun, _call_with(carry), "while_loop")
    test = traced_body(cond_fun, _call_with(carry), "while_loop")
    if test.tree.type is not None:
        raise TypeError(f"cond_fun must return a boolean scalar, but got pytree {test.tree!r}.")
    ((shape, kind, weak),) = test.types()
    if shape != () or kind is not pg.bool_:
        raise TypeError(
            f"cond_fun must return a boolean scalar, but got output type(s) [{_type(shape, kind, weak)}]."
        )
    count = len(carry.tensors)
    token = [pg.zeros((), dtype=pg.float32)] if body.tokens else []

    def step(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        found = body.closed(list(state[:count]))
        return (*found[:count], *([sum(found[count:], state[count])] if token else []))

    made = pg.while_loop(lambda state: test.closed(list(state[:count]))[0], step, (*carry.tensors, *token))
    emit(made[count:])
    made = made[:count]
    return Leaves.of(carry.tree, list(made), body.kinds).build(made)


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[..., Any], init_val: Any, *, unroll: int | bool | None = None
) -> Any:
    """``val = body_fun(i, val)`` for i from lower to before upper; with known bounds it is a scan.

    >>> from pg_jax import lax
    >>> lax.fori_loop(0, 4, lambda i, x: x + i, 0)
    Array(6, dtype=int32, weak_type=True)
    """
    if not callable(body_fun):
        raise TypeError("lax.fori_loop: body_fun argument should be callable.")
    low, high = lift(lower, "fori_loop"), lift(upper, "fori_loop")
    if not low._t.dtype.is_integer or not high._t.dtype.is_integer:
        raise TypeError(
            f"lower and upper arguments to fori_loop must have integer types, got {low._t.dtype.name} and "
            f"{high._t.dtype.name}"
        )
    if not low._w and not high._w and low._t.dtype is not high._t.dtype:
        raise TypeError(
            f"lower and upper arguments to fori_loop must have equal types, got {low._t.dtype.name} and "
            f"{high._t.dtype.name}"
        )
    kind, weak = dtypes.join((low._t.dtype, low._w), (high._t.dtype, high._w))
    first = make(cast(low._t, kind), weak)
    try:
        steps = max(operator.index(upper) - operator.index(lower), 0)
    except TypeError:
        steps = None
    if steps is not None:
        step = _counted(body_fun)
        return scan(step, (first, init_val), None, steps, unroll=1 if unroll is None else unroll)[0][1]
    last = make(cast(high._t, kind), weak)
    return while_loop(_before, _counted_while(body_fun), (first, last, init_val))[2]


def _counted(body_fun: Callable[..., Any]) -> Callable[..., Any]:
    return _kept("scan", body_fun, lambda state, _: ((state[0] + 1, body_fun(state[0], state[1])), None))


def _counted_while(body_fun: Callable[..., Any]) -> Callable[..., Any]:
    return _kept("while", body_fun, lambda state: (state[0] + 1, state[1], body_fun(state[0], state[2])))


def _before(state: Any) -> Any:
    return state[0] < state[1]


def _kept(form: str, f: Any, made: Callable[..., Any]) -> Callable[..., Any]:
    """The same function object each time, so that it is traced once."""
    try:
        forms: dict[str, Any] = f.__dict__.setdefault("_pg_jax_forms", {})
    except AttributeError:
        return made
    return forms.setdefault(form, made)


# ---- branches


def _operand(operands: tuple[Any, ...], operand: Any) -> tuple[Any, ...]:
    return operands if operand is _MISSING else (operand,)


def cond(pred: Any, true_fun: Any, false_fun: Any, *operands: Any, operand: Any = _MISSING) -> Any:
    """``true_fun(*operands)`` if ``pred`` holds, else ``false_fun(*operands)``; both are traced, one runs.

    >>> from pg_jax import lax
    >>> lax.cond(True, lambda x: x + 1, lambda x: x - 1, 5)
    Array(6, dtype=int32, weak_type=True)
    """
    if not (callable(true_fun) and callable(false_fun)):
        if len(operands) == 2 and callable(false_fun) and callable(operands[1]):  # the old form
            x, f, y, g = true_fun, false_fun, *operands
            return cond(pred, lambda z: f(z[0]), lambda z: g(z[1]), (x, y))
        raise TypeError("lax.cond: true_fun and false_fun arguments should be callable.")
    given = _operand(operands, operand)
    if not isinstance(pred, (Array, bool, int, float, np.ndarray, np.generic)):
        raise TypeError(f"Pred must be a scalar, got {pred} of type {type(pred)}")
    p = lift(pred, "cond")
    if p.shape != ():
        raise TypeError(f"Pred must be a scalar, got {pred} of shape {p.shape}.")
    which = p._t if p._t.dtype is pg.bool_ else p._t != 0
    return _branch(which, [false_fun, true_fun], given, "cond", ("false_fun", "true_fun"))


def switch(
    index: Any, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = _MISSING
) -> Any:
    """``branches[index](*operands)``, the index moved into range.

    >>> from pg_jax import lax
    >>> lax.switch(1, [lambda x: x, lambda x: -x], 3)
    Array(-3, dtype=int32, weak_type=True)
    """
    branches = list(branches)
    if not all(callable(b) for b in branches):
        raise TypeError("lax.switch: branches argument should be a sequence of callables.")
    if not branches:
        raise ValueError("Empty branch sequence")
    i = lift(index, "switch")
    if i.shape != ():
        raise TypeError(f"Branch index must be scalar, got {index} of shape {i.shape}.")
    if not i._t.dtype.is_integer:
        raise TypeError(f"Index type must be an integer, got {i._t.dtype.name}.")
    given = _operand(operands, operand)
    if len(branches) == 1:
        return branches[0](*given)
    which = cast(pg.clip(i._t, 0, len(branches) - 1), pg.int32)
    return _branch(which, branches, given, "switch", tuple(f"branch {n}" for n in range(len(branches))))


def _branch(which: Tensor, functions: Sequence[Any], operands: Any, what: str, names: Sequence[str]) -> Any:
    leaves = Leaves((tuple(operands), {}), what)
    bodies = [traced_body(f, leaves, what) for f in functions]
    types = [b.types() for b in bodies]
    for b in bodies[1:]:
        if b.tree != bodies[0].tree:
            raise TypeError(
                f"{what} branch outputs must have the same pytree structure, but they differ: "
                f"{bodies[0].tree!r} and {b.tree!r}."
            )
    kinds: list[Kind] = []
    wanted: list[pg.DType] = []
    for n, column in enumerate(zip(*types, strict=True)):
        shapes, tags = {s for s, _, _ in column}, {kind is None for _, _, kind in column}
        strong = {k for _, k, kind in column if not kind}
        joined, weak = dtypes.join(*((k, bool(kind)) for _, k, kind in column))
        fits = all(k is joined or kind for _, k, kind in column) and (
            strong or len({k for _, k, _ in column}) == 1
        )
        if len(shapes) > 1 or len(tags) > 1 or not fits:
            raise TypeError(
                f"{what} branches must have equal output types but they differ: output {n} has types "
                f"{', '.join(f'{_type(*t)} ({name})' for t, name in zip(column, names, strict=True))}."
            )
        kinds.append(None if tags == {True} else weak)
        wanted.append(joined)

    count, tokens = len(wanted), max(b.tokens for b in bodies)

    def run(body: Traced) -> Callable[..., list[Tensor]]:
        def branch(*xs: Tensor) -> list[Tensor]:
            found = body.closed(list(xs))
            none = [pg.zeros((), dtype=pg.float32)] * (tokens - body.tokens)
            return [*(cast(t, k) for t, k in zip(found[:count], wanted, strict=True)), *found[count:], *none]

        return branch

    if not which.is_abstract and not extend.inside_trace():
        made = run(bodies[int(which.item())])(*leaves.tensors)
    elif len(functions) == 2 and which.dtype is pg.bool_:
        made = pg.cond(which, run(bodies[1]), run(bodies[0]), *leaves.tensors)
    else:
        made = pg.switch(which, [run(b) for b in bodies], *leaves.tensors)
    emit(made[count:])
    return Leaves.of(bodies[0].tree, list(made[:count]), kinds).build(made[:count])


# ---- associative


def associative_scan(fn: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes under an associative function, in a logarithmic number of steps.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.associative_scan(jnp.add, jnp.arange(4))
    Array([0, 1, 3, 6], dtype=int32)
    """
    if not callable(fn):
        raise TypeError("lax.associative_scan: fn argument should be callable.")
    leaves = Leaves(elems, "associative_scan")
    at = axis_of(axis, leaves.tensors[0].ndim)
    if len({t.shape[at] for t in leaves.tensors}) > 1:
        raise ValueError("Array inputs to associative_scan must have the same first dimension.")

    def combine(a: Any, b: Any) -> list[Tensor]:
        return Leaves(fn(leaves.build(a), leaves.build(b)), "associative_scan").tensors

    made = pg.associative_scan(combine, list(leaves.tensors), reverse, at)
    return leaves.build(made)
