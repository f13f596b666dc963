"""Ordinary differential equations: ``odeint`` with fixed steps or with steps chosen by an error estimate.

The solver is a loop that runs on the device inside one program. It is differentiable in every mode, by the
initial state, the times, and whatever the right-hand side reads: derivatives are those of the computed steps.

>>> from pequegrad import ode
>>> t = pg.Tensor([0.0, 1.0], "float64")
>>> y = ode.odeint(lambda y, t: -y, pg.Tensor(1.0, "float64"), t)
>>> abs(y[1].item() - 0.36787944117144233) < 1e-6
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _core, pytree
from ._core import Tensor
from ._ops.common import as_tensor, cast
from ._ops.elementwise import abs as _abs
from ._ops.elementwise import clip, maximum, minimum, sign
from ._ops.logic import where
from ._ops.maths import sqrt
from ._ops.reduce import sum as _sum
from ._ops.shape import concatenate
from .autodiff import vjp
from .control import scan, while_loop
from .custom import custom_vjp
from .errors import ArgumentError, DTypeError, InvalidValueError, PytreeError, ShapeError

State = list[Tensor]
Slope = Callable[[State, Tensor], State]

# Fixed steps: the nodes c, the rows of a, and the weights b of an explicit Runge-Kutta method.
_FIXED: dict[str, tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    "euler": ((0.0,), ((),), (1.0,)),
    "midpoint": ((0.0, 0.5), ((), (0.5,)), (0.0, 1.0)),
    "rk4": (
        (0.0, 0.5, 0.5, 1.0),
        ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    ),
}
# J. Dormand and P. Prince, "A family of embedded Runge-Kutta formulae" (1980): order 5, its last slope is the
# first of the next step; and the differences of the weights to those of order 4.
_C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def odeint(
    f: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    method: str = "dopri5",
    steps: int = 1,
    rtol: float | None = None,
    atol: float | None = None,
    first_step: float | None = None,
    max_steps: int = 256,
    adjoint: bool = False,
) -> Any:
    """The solution of ``dy/dt = f(y, t, *args)`` at the times t, from y0 at the first of them.

    Args:
        f: takes the state, a pytree of floating tensors, and the time, and returns the slope with the same
        pytree. t: times (n,), rising or falling; integers take the dtype of the state. method: ``"dopri5"``
        chooses its steps by the error; ``"euler"``, ``"midpoint"`` and ``"rk4"`` make ``steps`` equal steps
        between two times. rtol, atol: of ``"dopri5"``: a step is taken when its error stays below ``atol +
        rtol * |y|`` in the mean square. By default 1e-6 (float32: 1e-4), and a hundredth of that.
        first_step: of ``"dopri5"``: where to start looking; by default from the sizes of y0 and its slope.
        max_steps: of ``"dopri5"``: trials between two times; where they do not suffice the result is NaN.
        adjoint: the reverse derivative is found by solving the adjoint equation backwards in time with the
        same method, instead of going back through the steps: it keeps the states at the times t only, and
        is as exact as the solver. It is the derivative by y0, t and args (what f reads besides is a
        constant).

    Returns the states at all times, stacked along a new leading axis.

    >>> t = pg.linspace(0.0, 1.0, 5)
    >>> pg.ode.odeint(lambda y, t: 2.0 * t, pg.Tensor(0.0), t, method="midpoint").tolist()
    [0.0, 0.0625, 0.25, 0.5625, 1.0]
    """
    if not callable(f):
        raise ArgumentError(f"ode.odeint: takes a function f(y, t), got {type(f).__name__}")
    if method != "dopri5" and method not in _FIXED:
        raise InvalidValueError(
            f"ode.odeint: method is 'dopri5', 'euler', 'midpoint' or 'rk4', got {method!r}"
        )
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidValueError(f"ode.odeint: {name} is a positive integer, got {value!r}")
    leaves, tree = pytree.flatten(y0)
    start = [_floating(leaf, "y0") for leaf in leaves]
    if not start:
        raise PytreeError("ode.odeint: y0 holds no tensor")
    times = as_tensor(t)
    times = cast(times, start[0].dtype) if times.dtype.kind in "iu" else _floating(times, "t")
    if times.ndim != 1 or times.shape[0] == 0:
        raise ShapeError(f"ode.odeint: t is a list of times (n,), got shape {times.shape}")

    if adjoint:
        options = (method, steps, rtol, atol, first_step, max_steps)
        return _with_adjoint(f, pytree.unflatten(tree, start), times, args, options)

    def slope(y: State, at: Tensor) -> State:
        made = f(pytree.unflatten(tree, y), at, *args)
        found = pytree.default_registry.flatten_as(tree, made, "ode.odeint: what f returns")
        out = []
        for leaf, like in zip(found, y, strict=True):
            x = as_tensor(leaf)
            if x.shape != like.shape:
                raise ShapeError(f"ode.odeint: f returns shape {x.shape} for a state of shape {like.shape}")
            out.append(cast(x, like.dtype))
        return out

    if method == "dopri5":
        rows = _adaptive(slope, start, times, rtol, atol, first_step, max_steps)
    else:
        rows = _fixed(slope, start, times, method, steps)
    out = [concatenate([y[None], later], axis=0) for y, later in zip(start, rows, strict=True)]
    return pytree.unflatten(tree, out)


# ---- the adjoint equation


def _with_adjoint(f: Callable[..., Any], y0: Any, t: Tensor, args: tuple[Any, ...], options: Any) -> Any:
    """``odeint`` whose reverse derivative is the solution of another equation (L. S. Pontryagin 1962; R. T.
    Q. Chen et al., "Neural ordinary differential equations", 2018): the cotangent a of the state obeys
    ``da/dt = -a df/dy``, and those of time and arguments collect ``-a df/dt`` and ``-a df/dargs``.
    """
    leaves, tree = pytree.flatten(args)
    moving = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and x.dtype.kind == "f"]
    method, steps, rtol, atol, first_step, max_steps = options

    def solve(g: Callable[..., Any], y: Any, t: Tensor, *more: Any) -> Any:
        return odeint(
            g,
            y,
            t,
            *more,
            method=method,
            steps=steps,
            rtol=rtol,
            atol=atol,
            first_step=first_step,
            max_steps=max_steps,
        )

    def rebuilt(given: Sequence[Tensor]) -> tuple[Any, ...]:
        all_leaves = list(leaves)
        for i, x in zip(moving, given, strict=True):
            all_leaves[i] = x
        return pytree.unflatten(tree, all_leaves)

    def slope(y: Any, at: Tensor, given: Sequence[Tensor]) -> Any:
        made = f(y, at, *rebuilt(given))
        return pytree.map(lambda x, like: cast(as_tensor(x), like.dtype), made, y)

    @custom_vjp
    def run(y: Any, t: Tensor, given: list[Tensor]) -> Any:
        return solve(lambda y, at: slope(y, at, given), y, t)

    def forward(y: Any, t: Tensor, given: list[Tensor]) -> Any:
        ys = run(y, t, given)
        return ys, (ys, t, given)

    def backward(kept: Any, ct: Any) -> Any:
        ys, t, given = kept

        def adjoint(state: Any, at: Tensor) -> Any:
            y, a, *_ = state
            pulled = vjp(slope, (0, 1, 2), return_outs=True)(y, at, given, a)
            dy, (by_y, by_t, by_args) = pulled
            return dy, *pytree.map(lambda x: -x, (by_y, by_t, by_args))

        def step(carry: Any, row: Any) -> Any:
            a, t0, back = carry
            y, own, earlier, late, early = row
            dy = zip(pytree.leaves(slope(y, late, given)), pytree.leaves(own), strict=True)
            at_end: Any = 0.0
            for p, q in dy:
                at_end = at_end + cast(_sum(p * q), t.dtype)
            span = concatenate([late[None], early[None]])
            solved = solve(adjoint, (y, a, t0 - at_end, back), span)
            _, a, t0, back = pytree.map(lambda x: x[1], solved)
            return (pytree.map(lambda p, q: p + q, a, earlier), t0, back), at_end

        last = pytree.map(lambda x: x[-1], ct)
        zero = (last, t[0] * 0.0, [x * 0.0 for x in given])

        rows = (
            pytree.map(lambda x: x[1:], ys),
            pytree.map(lambda x: x[1:], ct),
            pytree.map(lambda x: x[:-1], ct),
            t[1:],
            t[:-1],
        )
        (a, t0, back), ends = scan(step, zero, rows, reverse=True)
        return a, concatenate([t0[None], ends]), back

    run.defvjp(forward, backward)
    return run(y0, t, [leaves[i] for i in moving])


def _floating(x: Any, what: str) -> Tensor:
    x = as_tensor(x)
    if x.dtype.kind == "f" and x.weak:
        x = _core.astype(x, as_tensor(0.0).dtype.code)
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        raise DTypeError(f"ode.odeint: {what} is {x.dtype}; it needs float32 or float64")
    return x


def _moved(y: State, h: Tensor, ks: Sequence[State], weights: Sequence[float]) -> State:
    """y + h * sum of weights * slopes."""
    out = []
    for i, part in enumerate(y):
        terms = [ks[j][i] * w for j, w in enumerate(weights) if w]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        out.append(part + cast(h, part.dtype) * total)
    return out


def _stages(slope: Slope, y: State, t: Tensor, h: Tensor, ks: list[State], c: Any, a: Any) -> list[State]:
    """The slopes of a step; those that are known already come in ks."""
    for node, row in list(zip(c, a, strict=True))[len(ks) :]:
        ks.append(slope(_moved(y, h, ks, row) if row else y, t + h * node))
    return ks


def _fixed(slope: Slope, start: State, times: Tensor, method: str, steps: int) -> State:
    c, a, b = _FIXED[method]

    def between(carry: Any, to: Tensor) -> Any:
        y, begin = carry
        h = (to - begin) / float(steps)

        def step(state: Any, _: Any) -> Any:
            now, at = state
            return (_moved(now, h, _stages(slope, now, at, h, [], c, a), b), at + h), None

        (y, _), _ = scan(step, (y, begin), None, length=steps)
        return (y, to), y

    _, rows = scan(between, (start, times[0]), times[1:])
    return rows


def _norm(parts: Sequence[Tensor]) -> Tensor:
    """The root of the mean square of all elements."""
    total, count = None, 0
    for x in parts:
        square = cast(_sum(x * x), parts[0].dtype)
        total, count = square if total is None else total + square, count + x.size
    assert total is not None
    return sqrt(total / float(max(count, 1)))


def _first_step(slope: Slope, y: State, t: Tensor, k: State, rtol: float, atol: float, way: Tensor) -> Tensor:
    """E. Hairer, S. Norsett and G. Wanner, "Solving ordinary differential equations I" (1993), II.4."""
    scale = [atol + rtol * _abs(x) for x in y]
    d0 = _norm([x / s for x, s in zip(y, scale, strict=True)])
    d1 = _norm([x / s for x, s in zip(k, scale, strict=True)])
    small = minimum(d0, d1) < 1e-5
    h0 = where(small, 1e-6, 0.01 * d0 / where(small, 1.0, d1))
    h0 = cast(h0, t.dtype)
    ahead = slope(_moved(y, way * h0, [k], (1.0,)), t + way * h0)
    change = [(p - q) / s for p, q, s in zip(ahead, k, scale, strict=True)]
    d2 = _norm(change) / cast(h0, y[0].dtype)
    top = maximum(d1, d2)
    flat = top <= 1e-15
    h1 = where(flat, maximum(cast(h0, y[0].dtype) * 1e-3, 1e-6), (0.01 / where(flat, 1.0, top)) ** 0.2)
    return minimum(100.0 * h0, cast(h1, t.dtype))


def _adaptive(
    slope: Slope,
    start: State,
    times: Tensor,
    rtol: float | None,
    atol: float | None,
    first_step: float | None,
    max_steps: int,
) -> State:
    coarse = any(x.dtype.itemsize < 8 for x in (*start, times))
    rtol = (1e-4 if coarse else 1e-6) if rtol is None else float(rtol)
    atol = rtol * 1e-2 if atol is None else float(atol)
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise InvalidValueError(f"ode.odeint: tolerances must not be negative, got rtol={rtol}, atol={atol}")
    begin = times[0]
    if times.shape[0] == 1:
        return [x[None][:0] for x in start]
    k = slope(start, begin)
    way = sign(times[-1] - begin).detach()
    if first_step is None:
        size = _first_step(slope, start, begin, k, rtol, atol, way)
    else:
        size = begin * 0.0 + float(first_step)

    def step(state: Any) -> Any:
        y, at, k, size, to = state
        rest = to - at
        last = _abs(rest) <= size
        h = where(last, rest, way * size)  # sizes are chosen, not differentiated; the end of the last step is
        ks = _stages(slope, y, at, h, [k], _C, _A)
        new = _moved(y, h, ks[:6], _A[6])
        wrong = []
        for i, (old, now) in enumerate(zip(y, new, strict=True)):
            total = ks[0][i] * _E[0]
            for j in range(2, 7):
                total = total + ks[j][i] * _E[j]
            bound = atol + rtol * maximum(_abs(old), _abs(now))
            wrong.append((cast(h, old.dtype) * total / bound).detach())
        error = cast(_norm(wrong), at.dtype).detach()
        good = error <= 1.0
        known = error == error
        factor = clip(0.9 * where(known & (error > 1e-10), error, 1e-10) ** -0.2, 0.2, 10.0)
        factor = where(known, where(good, maximum(factor, 0.2), minimum(factor, 0.9)), 0.2)
        # A last step that was cut short says little about the next one.
        tried = _abs(h).detach()
        size = where(last & good, maximum(size, tried * factor), tried * factor).detach()

        def pick(p: State, q: State) -> State:
            return [where(good, a, b) for a, b in zip(p, q, strict=True)]

        return pick(new, y), where(good, where(last, to, at + h), at), pick(ks[6], k), size, to

    def between(carry: Any, to: Tensor) -> Any:
        state = while_loop(lambda s: s[1] != s[4], step, (*carry, to), max_steps=max_steps)
        y, at, k, size, _ = state
        arrived = at == to
        shown = [where(arrived, x, float("nan")) for x in y]
        return (y, at, k, size), shown

    _, rows = scan(between, (start, begin, k, size.detach()), times[1:])
    return rows
