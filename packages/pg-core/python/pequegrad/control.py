"""Control flow that runs inside the compiled program: branches, loops, scans.

The functions given here are traced once, whatever the number of steps; what they read from outside is an
input of the program. All of it is differentiable, in any nesting; ``while_loop`` in reverse mode needs a
stated bound. Semantics and names follow JAX's ``lax``.
"""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _core, dt, pytree
from ._bodies import (
    Traced,
    Type,
    check_trees,
    common,
    keep,
    rebind,
    settle,
    tensors,
    trace,
    type_of,
    with_threads,
)
from ._core import Tensor
from ._ops.common import as_tensor, cast, elementwise, items_of
from ._ops.logic import not_equal
from ._ops.shape import concatenate, flip, moveaxis, reshape, stack
from .errors import ArgumentError, InvalidValueError, PytreeError, ShapeError, TraceError


def _check_callable(what: str, *functions: Any) -> None:
    for f in functions:
        if not callable(f):
            raise ArgumentError(f"{what}: expected a function, got a {type(f).__name__}")


# ---- branches


def _branch(which: Tensor, functions: Sequence[Callable[..., Any]], args: Sequence[Any], what: str) -> Any:
    given, tree = tensors(tuple(args), f"{what}: argument ")
    types = [type_of(x) for x in given]
    dtypes: list[dt.DType] = []

    def adapt(outs: list[Tensor]) -> list[Tensor]:
        return [
            _core.astype(x, kind.code) if x.dtype is not kind else x
            for x, kind in zip(outs, dtypes, strict=True)
        ]

    def call(f: Callable[..., Any], xs: list[Tensor]) -> Any:
        return f(*pytree.unflatten(tree, xs))

    def traced(threaded: list[Tensor]) -> Sequence[Traced]:
        return [
            trace(
                functools.partial(call, f),
                types,
                what,
                threaded,
                adapt if dtypes else None,
            )
            for f in functions
        ]

    bodies, threaded = with_threads(traced)
    first = bodies[0]
    check_trees([b.tree for b in bodies], what)
    wanted = common([b.types[: b.results] for b in bodies], what, first.tree)
    if any(t.dtype is not kind for b in bodies for t, kind in zip(b.types[: b.results], wanted, strict=True)):
        dtypes = wanted
        bodies, threaded = with_threads(traced)
    for body in bodies:
        for handle, t in zip(threaded, body.types[body.results :], strict=True):
            if (t.shape, t.dtype) != (handle.shape, handle.dtype):
                raise ShapeError(f"{what}: a branch changes the type of a tensor from outside")
    closed, captures = _core.close_bodies([b.parts for b in bodies])
    results = _core.control("cond", closed, [which, *captures, *given, *threaded], ())
    rebind(threaded, results[first.results :])
    return pytree.unflatten(first.tree, results[: first.results])


def _predicate(pred: Any, what: str) -> Tensor | bool:
    if isinstance(pred, (bool, np.bool_, int, float, np.number)):
        return bool(pred)
    if not isinstance(pred, Tensor) and not hasattr(pred, "__array__"):
        raise ArgumentError(f"{what}: the predicate must be a boolean scalar, got a {type(pred).__name__}")
    (x,), _ = tensors(pred, f"{what}: the predicate")
    if x.shape != ():
        raise ShapeError(
            f"{what}: the predicate must be a scalar, it has shape {x.shape}; use pg.where for arrays"
        )
    return x if x.dtype is dt.bool_ else not_equal(x, 0)


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` if the scalar ``pred`` holds, else ``false_fun(*operands)``; one of them runs.

    Both return one pytree with equal types. A Python bool chooses while tracing.

    >>> pg.cond(pg.Tensor(True), lambda x: x + 1.0, lambda x: x * 10.0, pg.Tensor(5.0)).item()
    6.0
    """
    _check_callable("cond", true_fun, false_fun)
    which = _predicate(pred, "cond")
    if isinstance(which, bool):
        return true_fun(*operands) if which else false_fun(*operands)
    return _branch(which, (false_fun, true_fun), operands, "cond")


def ifelse(pred: Any, then: Any, otherwise: Any, *operands: Any) -> Any:
    """``cond`` whose branches may also be plain values.

    >>> pg.ifelse(pg.Tensor(False), 1.0, lambda: pg.Tensor(2.0)).item()
    2.0
    """

    def function(branch: Any) -> Callable[..., Any]:
        return branch if callable(branch) else lambda *_: branch

    which = _predicate(pred, "ifelse")
    if isinstance(which, bool):
        chosen = then if which else otherwise
        return chosen(*operands) if callable(chosen) else chosen
    return _branch(which, (function(otherwise), function(then)), operands, "ifelse")


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, with the index clamped into range; only that branch runs.

    >>> pg.switch(pg.Tensor(1), [lambda x: x, lambda x: -x], pg.Tensor(3.0)).item()
    -3.0
    """
    branches = items_of(branches, "switch")
    _check_callable("switch", *branches)
    if not branches:
        raise ArgumentError("switch: at least one branch is needed")
    last = len(branches) - 1
    if isinstance(index, (int, np.integer)):
        return branches[builtins.min(builtins.max(int(index), 0), last)](*operands)
    (x,), _ = tensors(index, "switch: the index")
    if x.shape != () or x.dtype.kind not in "iu":
        raise ArgumentError(f"switch: the index must be an integer scalar, got {type_of(x)}")
    # Clamped before the cast, which wraps.
    low = elementwise("maximum", x, 0) if x.dtype.kind == "i" else x
    return _branch(
        cast(elementwise("minimum", low, builtins.min(last, 127)), dt.int32), branches, operands, "switch"
    )


# ---- scan


def _length(rows: Sequence[Tensor], tree: pytree.PyTree, length: int | None, what: str) -> int:
    if length is not None:
        try:
            length = operator.index(length)
        except TypeError:
            raise ArgumentError(f"{what}: length must be an integer, got a {type(length).__name__}") from None
        if length < 0:
            raise InvalidValueError(f"{what}: length must not be negative, got {length}")
    for i, x in enumerate(rows):
        path = pytree.default_registry.tree_paths(tree)[i]
        if x.ndim == 0:
            raise ShapeError(f"{what}: xs{path} is a scalar; it needs an axis to go along")
        if length is not None and x.shape[0] != length:
            raise ShapeError(f"{what}: xs{path} has {x.shape[0]} steps, others (or length=) say {length}")
        length = x.shape[0]
    if length is None:
        raise ArgumentError(f"{what}: without xs the number of steps must be given as length=")
    return length


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Apply ``f(carry, x) -> (carry, y)`` to the slices of ``xs`` along the leading axis, one by one.

    Returns the last carry and the stacked ys. ``xs=None`` with ``length=n`` gives n steps without slices;
    ``reverse=True`` starts at the last slice (ys lie where their xs lay). The body is traced once, or
    ``unroll`` times in a row (``True``: all steps, without a loop). Differentiable in every mode; reverse
    mode stores what the derivative reads at each step, which ``pg.checkpoint(f)`` cuts down to the carry.
    What ``pg.value_and_grad`` returns shares the loop when it is evaluated together (in one jitted function,
    or by ``pg.eval(value, gradient)``); read one after the other the two run it twice.

    >>> total, sums = pg.scan(lambda c, x: (c + x, c + x), 0.0, pg.Tensor([1.0, 2.0, 3.0]))
    >>> total.item(), sums.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    _check_callable("scan", f)
    start, tree = tensors(init, "scan: init")
    rows, x_tree = tensors(xs, "scan: xs")
    steps = _length(rows, x_tree, length, "scan")
    times = _unrolled(unroll, steps)
    if times > 1:
        return _scan_unrolled(f, init, xs, steps, reverse, times)
    slices = [Type(x.shape[1:], x.dtype, x.weak, x.device.pair) for x in rows]
    count = len(start)

    def make(carry: list[Type], threaded: list[Tensor]) -> Traced:
        def body(values: list[Tensor]) -> Any:
            result = f(pytree.unflatten(tree, values[:count]), pytree.unflatten(x_tree, values[count:]))
            if not isinstance(result, tuple) or len(result) != 2:
                raise PytreeError(
                    f"scan: the body must return a pair (carry, y), it returned a {type(result).__name__}"
                )
            return result

        return trace(body, carry + slices, "scan", threaded, keep(carry))

    traced, carry, threaded = settle(make, start, tree, "scan", lambda t: t.children[0])
    # The body was traced as carry, slices, handles -> carry, ys, handles; the record wants handles behind the
    # carry.
    own, params, outs = traced.results, traced.params, traced.outs
    at = count + len(rows)
    params = params[:count] + params[at:] + params[count:at]
    outs = outs[:count] + outs[own:] + outs[count:own]
    (closed,), captures = _core.close_bodies([(traced.body, params, outs)])
    carries = count + len(threaded)
    results = _core.control(
        "scan",
        [closed],
        [*captures, *carry, *threaded, *rows],
        (steps, int(bool(reverse)), len(captures), carries),
    )
    rebind(threaded, results[count:carries])
    y_tree = traced.tree.children[1]
    return pytree.unflatten(tree, results[:count]), pytree.unflatten(y_tree, results[carries:])


def _unrolled(unroll: int | bool, steps: int) -> int:
    if isinstance(unroll, bool):
        return steps if unroll else 1
    try:
        times = operator.index(unroll)
    except TypeError:
        raise ArgumentError(
            f"scan: unroll must be an integer or a bool, got a {type(unroll).__name__}"
        ) from None
    if times < 1:
        raise InvalidValueError(f"scan: unroll must be positive, got {times}")
    return builtins.min(times, steps)


def _scan_unrolled(
    f: Callable[..., Any], init: Any, xs: Any, steps: int, reverse: bool, times: int
) -> tuple[Any, Any]:
    """Blocks of ``times`` steps inside the body; what is left over runs behind the loop."""
    blocks, rest = steps // times, steps % times

    def several(carry: Any, block: Any, count: int) -> tuple[Any, Any]:
        ys = [None] * count
        for i in reversed(range(count)) if reverse else range(count):
            carry, ys[i] = f(carry, pytree.map(lambda x, i=i: x[i], block))
        return carry, pytree.map(lambda *rows: stack(rows), *ys)

    def split(x: Tensor) -> tuple[Tensor, Tensor]:
        cut = rest if reverse else steps - rest
        first, last = x[:cut], x[cut:]
        head, tail = (last, first) if reverse else (first, last)
        return reshape(head, (blocks, times, *x.shape[1:])), tail

    rows = pytree.map(lambda x: tensors(x, "scan: xs")[0][0], xs)
    heads, tails = pytree.map(lambda x: split(x)[0], rows), pytree.map(lambda x: split(x)[1], rows)
    carry, ys = init, None
    if blocks == 1:
        carry, ys = several(carry, pytree.map(lambda x: x[0], heads), times)
    else:
        carry, ys = scan(lambda c, x: several(c, x, times), carry, heads, blocks, reverse)
        ys = pytree.map(lambda y: reshape(y, (blocks * times, *y.shape[2:])), ys)
    if rest:
        carry, more = several(carry, tails, rest)
        ys = pytree.map(lambda a, b: concatenate([b, a] if reverse else [a, b]), ys, more)
    return carry, ys


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply f to each slice of ``xs`` along the leading axis, one after the other, and stack the results.

    Unlike ``pg.vmap`` it needs memory for one slice only, or for ``batch_size`` of them, which are then
    done at once.

    >>> pg.map(lambda x: x * x, pg.Tensor([1.0, 2.0])).tolist()
    [1.0, 4.0]
    """
    _check_callable("map", f)
    if batch_size is None:
        return scan(lambda _, x: (None, f(x)), None, xs)[1]
    from .batching import vmap

    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InvalidValueError(f"map: batch_size is a positive integer, got {batch_size!r}")
    rows, tree = tensors(xs, "map: xs")
    steps = _length(rows, tree, None, "map")
    blocks, several = steps // batch_size, vmap(f)
    cut = blocks * batch_size
    made = []
    if blocks:
        heads = [reshape(x[:cut], (blocks, batch_size, *x.shape[1:])) for x in rows]
        ys = scan(lambda _, x: (None, several(x)), None, pytree.unflatten(tree, heads))[1]
        made.append(pytree.map(lambda y: reshape(y, (cut, *y.shape[2:])), ys))
    if cut < steps or not made:
        made.append(several(pytree.unflatten(tree, [x[cut:] for x in rows])))
    return made[0] if len(made) == 1 else pytree.map(lambda a, b: concatenate([a, b]), *made)


# ---- loops


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    max_steps: int | None = None,
) -> Any:
    """Apply ``body_fun`` to a carry for as long as ``cond_fun`` says so.

    Forward mode goes through it. Reverse mode needs a bound: with ``max_steps=n`` the loop makes at most n
    steps and stores all n.

    >>> pg.while_loop(lambda x: x < 100.0, lambda x: x * 2.0, 3.0).item()
    192.0
    """
    _check_callable("while_loop", cond_fun, body_fun)
    if max_steps is not None:
        return _bounded_while(cond_fun, body_fun, init_val, max_steps)
    start, tree = tensors(init_val, "while_loop: the carry")

    def test(value: Any) -> Any:
        going = _predicate(cond_fun(value), "while_loop")
        if going is True:
            raise InvalidValueError("while_loop: the test is the constant True, so the loop would never end")
        return tensors(going, "while_loop")[0][0] if isinstance(going, bool) else going

    def make(carry: list[Type], threaded: list[Tensor]) -> Traced:
        return trace(
            lambda xs: body_fun(pytree.unflatten(tree, xs)), carry, "while_loop", threaded, keep(carry)
        )

    traced, carry, threaded = settle(make, start, tree, "while_loop", lambda t: t)
    types = [type_of(x) for x in carry]
    tested = trace(lambda xs: test(pytree.unflatten(tree, xs)), types, "while_loop", threaded)
    if tested.written:
        raise TraceError(
            "while_loop: the test changes a tensor from outside, or draws random numbers; do it in the body"
        )
    answer = tested.outs[:1]
    closed, captures = _core.close_bodies([(tested.body, tested.params, answer), traced.parts])
    results = _core.control("while", closed, [*captures, *carry, *threaded], (len(captures),))
    rebind(threaded, results[len(carry) :])
    return pytree.unflatten(tree, results[: len(carry)])


def _bounded_while(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, max_steps: int
) -> Any:
    def step(value: Any, _: Any) -> tuple[Any, None]:
        return cond(cond_fun(value), body_fun, lambda v: v, value), None

    return scan(step, init_val, None, max_steps)[0]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``val = body_fun(i, val)`` for i from lower to upper - 1.

    With Python integers as bounds it is a scan, and differentiable in reverse mode too; with tensors a
    while loop.

    >>> pg.fori_loop(1, 5, lambda i, x: x * i, 1).item()
    24
    """
    _check_callable("fori_loop", body_fun)
    static = [isinstance(x, (int, np.integer)) and not isinstance(x, (bool, Tensor)) for x in (lower, upper)]
    if builtins.all(static):
        first, steps = int(lower), builtins.max(int(upper) - int(lower), 0)

        def counted(state: Any, _: None) -> tuple[Any, None]:
            i, value = state
            return (i + 1, body_fun(i, value)), None

        return scan(counted, (first, init_val), None, steps)[0][1]
    bounds = []
    for name, bound in (("lower", lower), ("upper", upper)):
        if isinstance(bound, (str, bytes)) or bound is None:
            raise ArgumentError(f"fori_loop: {name} must be an integer scalar, got {bound!r}")
        (x,), _ = tensors(bound, f"fori_loop: {name}")
        if x.shape != () or x.dtype.kind not in "iu":
            raise ArgumentError(f"fori_loop: {name} must be an integer scalar, got {type_of(x)}")
        bounds.append(cast(x, dt.int64))

    def step(state: Any) -> Any:
        i, value = state
        return i + 1, body_fun(i, value)

    return while_loop(lambda state: state[0] < bounds[1], step, (bounds[0], init_val))[1]


# ---- associative scan


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes of ``elems`` along an axis under an associative ``fn``, in a number of steps that grows
    with the logarithm of the length.

    ``fn`` takes and returns pytrees of slices of several elements at once, so it must be elementwise along
    the axis. The method is Blelloch's: pairs are combined, their prefixes found, and the rest filled in.

    >>> pg.associative_scan(pg.add, pg.arange(5)).tolist()
    [0, 1, 3, 6, 10]
    """
    _check_callable("associative_scan", fn)
    leaves, tree = tensors(elems, "associative_scan: elems")
    if not leaves:
        raise ArgumentError("associative_scan: elems holds no tensor")
    try:
        axis = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"associative_scan: axis must be an integer, got {axis!r}") from None
    for x in leaves:
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(f"associative_scan: axis {axis} is out of range for shape {x.shape}")
    rows = [moveaxis(x, axis, 0) for x in leaves]
    if builtins.any(x.shape[0] != rows[0].shape[0] for x in rows):
        raise ShapeError(f"associative_scan: the lengths along axis {axis} differ")
    if reverse:
        rows = [flip(x, 0) for x in rows]

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        made = fn(pytree.unflatten(tree, a), pytree.unflatten(tree, b))
        found = pytree.default_registry.flatten_as(tree, made, "associative_scan: the result of fn")
        found = [as_tensor(x) for x in found]
        for x, like in zip(found, a, strict=True):
            if x.shape != like.shape:
                raise ShapeError(f"associative_scan: fn returned shape {x.shape} for slices of {like.shape}")
        return found

    def interleave(even: Tensor, odd: Tensor) -> Tensor:
        pairs = odd.shape[0]
        both = reshape(stack([even[:pairs], odd], 1), (2 * pairs, *odd.shape[1:]))
        return both if even.shape[0] == pairs else concatenate([both, even[pairs:]])

    def prefixes(x: list[Tensor]) -> list[Tensor]:
        n = x[0].shape[0]
        if n < 2:
            return x
        odd = prefixes(combine([a[: n - 1 : 2] for a in x], [a[1::2] for a in x]))
        if n == 2:
            even = [a[:1] for a in x]
        else:
            before = [a[: (n - 1) // 2] for a in odd]
            rest = combine(before, [a[2::2] for a in x])
            even = [concatenate([a[:1], b]) for a, b in zip(x, rest, strict=True)]
        return [interleave(a, b) for a, b in zip(even, odd, strict=True)]

    done = prefixes(rows)
    if reverse:
        done = [flip(x, 0) for x in done]
    return pytree.unflatten(tree, [moveaxis(x, 0, axis) for x in done])
