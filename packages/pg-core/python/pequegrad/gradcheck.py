"""Checking derivatives against finite differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import pytree
from ._core import Tensor
from ._ops.common import as_tensor, operand
from .autodiff import jvp, vjp
from .errors import ArgumentError, DifferentiationError, GradientError, InvalidValueError

_MODES = ("fwd", "rev")
# Of the dtype: relative error allowed, and the step of differences. A four-point formula has an error of
# step**4 in the function and eps / step in its rounding.
_TOLERANCE = {"float64": (1e-6, 1e-3), "float32": (2e-2, 2e-2)}
_MOST_ELEMENTS = 200  # that a report looks at one by one

Arrays = list[np.ndarray[Any, Any]]


class _Function(NamedTuple):
    """A function of the floating leaves of the arguments alone, which gives its floating leaves."""

    call: Callable[..., list[Tensor]]
    at: Arrays
    names: list[str]


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = _MODES,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    seed: int = 0,
) -> None:
    """Check derivatives of f at ``args`` against finite differences, up to an order; raises
    ``GradientError`` with a report of the first one that is wrong.

    For ``"fwd"`` the derivative in a random direction (``jvp``) is compared with four-point central
    differences along it, for ``"rev"`` the pullback of a random cotangent (``vjp``) with the product of
    cotangent and differences. The derivative is then a function itself, and the next order checks it in every
    mode: order 2 with both modes checks forward-over-forward, reverse-over-forward, forward-over-reverse and
    reverse-over-reverse. f takes and returns pytrees; leaves that are neither floating nor complex stay as
    they are. Complex leaves move along both parts, so f need not be holomorphic. Use float64 or complex128
    arguments: with less only coarse errors are seen.

    >>> pg.check_grads(lambda x: pg.sin(x) * x, [pg.Tensor([0.3, 2.0], "float64")])
    >>> wrong = lambda x: pg.stop_gradient(x) * x
    >>> try:
    ...     pg.check_grads(wrong, [pg.Tensor([3.0], "float64")], order=1)
    ... except pg.GradientError as error:
    ...     print(str(error).splitlines()[0])
    check_grads: the forward derivative is wrong
    """
    if not isinstance(args, (tuple, list)):
        raise ArgumentError(f"check_grads: args is a tuple or list of arguments, got {type(args).__name__}")
    if not isinstance(order, int) or order < 1:
        raise InvalidValueError(f"check_grads: order is at least 1, got {order!r}")
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    for mode in modes:
        if mode not in _MODES:
            raise InvalidValueError(f"check_grads: modes are 'fwd' and 'rev', got {mode!r}")
    function = _closed(f, args)
    coarse = any(a.dtype not in (np.float64, np.complex128) for a in function.at)
    default_rtol, default_step = _TOLERANCE["float32" if coarse else "float64"]
    check = _Check(
        default_rtol if rtol is None else rtol,
        atol,
        default_step if step is None else step,
        np.random.default_rng(seed),
    )
    check.run(function, order, modes, [])


def _closed(f: Callable[..., Any], args: Sequence[Any]) -> _Function:
    leaves, tree = pytree.flatten(list(args))
    paths = pytree.paths(list(args))
    moving, at, names = [], [], []
    for i, leaf in enumerate(leaves):
        x = operand(leaf)
        if x is NotImplemented or not as_tensor(x).dtype.is_inexact:
            continue
        x = as_tensor(x)
        if x.dtype.itemsize < 4:
            raise DifferentiationError(
                f"check_grads: argument {paths[i]} is {x.dtype}, too coarse for differences; use float64"
            )
        moving.append(i)
        at.append(x.numpy(copy=True))
        names.append(f"args{paths[i]}")
    if not moving:
        raise DifferentiationError("check_grads: no argument is a floating or complex tensor or number")

    def call(*values: Tensor) -> list[Tensor]:
        given = list(leaves)
        for i, value in zip(moving, values, strict=True):
            given[i] = value
        return _inexact(f(*pytree.unflatten(tree, given)))

    return _Function(call, at, names)


def _inexact(result: Any) -> list[Tensor]:
    return [x for leaf in pytree.leaves(result) if (x := as_tensor(leaf)).dtype.is_inexact]


class _Check:
    def __init__(self, rtol: float, atol: float | None, step: float, rng: np.random.Generator) -> None:
        self.rtol, self.atol, self.step, self.rng = rtol, rtol if atol is None else atol, step, rng

    def run(self, f: _Function, order: int, modes: Sequence[str], above: list[str]) -> None:
        outs = [y.numpy() for y in f.call(*map(Tensor, f.at))]
        along, cotangents = self.random_like(f.at), self.random_like(outs)
        slopes = self.differences(f, along)
        count = len(f.at)
        for mode in modes:
            path = [mode, *above]
            if mode == "fwd":
                derived = _Function(
                    lambda *x, f=f, along=along: jvp(f.call, range(count))(*x, *map(Tensor, along)),
                    f.at,
                    f.names,
                )
                got = [y.numpy() for y in derived.call(*map(Tensor, f.at))]
                good = all(itertools.starmap(self.close, zip(got, slopes, strict=True)))
                left, right = [np.sum(g).item() for g in got], [np.sum(s).item() for s in slopes]
            else:
                derived = _Function(
                    lambda *x, f=f, cts=cotangents: vjp(f.call, range(count))(*x, [Tensor(c) for c in cts]),
                    f.at,
                    f.names,
                )
                got = [g.numpy() for g in derived.call(*map(Tensor, f.at))]
                left, right = [_product(got, along)], [_product(cotangents, slopes)]
                size = _product([np.abs(c) for c in cotangents], [np.abs(s) for s in slopes])
                good = abs(left[0] - right[0]) <= self.rtol * abs(right[0]) + self.atol * max(1.0, size)
            if not good:
                raise GradientError(self.report(f, path, mode, cotangents, left, right))
            if order > 1:
                self.run(derived, order - 1, modes, path)

    def random_like(self, arrays: Arrays) -> Arrays:
        def draw(a: np.ndarray[Any, Any]) -> Any:
            real = self.rng.uniform(-1, 1, a.shape)
            return real + 1j * self.rng.uniform(-1, 1, a.shape) if np.iscomplexobj(a) else real

        return [np.asarray(draw(a), a.dtype) for a in arrays]

    def differences(self, f: _Function, along: Arrays) -> Arrays:
        h = self.step

        def value(s: float) -> Arrays:
            moved = [(a + s * d).astype(a.dtype) for a, d in zip(f.at, along, strict=True)]
            found = [y.numpy() for y in f.call(*map(Tensor, moved))]
            return [y.astype(np.result_type(y, np.float64)) for y in found]

        near = [(b - a) / (2 * h) for a, b in zip(value(-h), value(h), strict=True)]
        far = [(b - a) / (4 * h) for a, b in zip(value(-2 * h), value(2 * h), strict=True)]
        return [(4 * n - w) / 3 for n, w in zip(near, far, strict=True)]

    def close(self, got: Any, want: Any) -> bool:
        scale = max(1.0, float(np.max(np.abs(want), initial=0.0)))
        return bool(np.allclose(got, want, rtol=self.rtol, atol=self.atol * scale))

    def report(
        self,
        f: _Function,
        path: list[str],
        mode: str,
        cotangents: Arrays,
        left: list[complex],
        right: list[complex],
    ) -> str:
        words = {"fwd": "forward", "rev": "reverse"}
        what = " of the ".join(f"{words[m]} derivative" for m in path)
        lines = [
            f"check_grads: the {what} is wrong",
            f"  along a random direction: derivative {left}, differences {right}",
            f"  allowed: relative {self.rtol:g}, absolute {self.atol:g}; step {self.step:g}",
        ]
        worst = self.by_element(f, mode, cotangents)
        if worst:
            lines.append("  element by element, the worst first (of the product with a random cotangent):")
            lines += [f"    {name}: derivative {g:.6g}, differences {w:.6g}" for _, name, g, w in worst]
        return "\n".join(lines)

    def by_element(self, f: _Function, mode: str, cts: Arrays) -> list[tuple[float, str, float, float]]:
        """Which elements of the arguments have wrong derivatives."""
        if sum(a.size for a in f.at) > _MOST_ELEMENTS:
            return []
        count = range(len(f.at))
        given = [*map(Tensor, f.at)]
        pulled = [] if mode == "fwd" else vjp(f.call, count)(*given, [Tensor(c) for c in cts])
        out = []
        for k, array in enumerate(f.at):
            for index in np.ndindex(array.shape):
                for unit in (1, 1j) if np.iscomplexobj(array) else (1,):
                    along = [np.zeros_like(a) for a in f.at]
                    along[k][index] = unit
                    want = _product(cts, self.differences(f, along))
                    if mode == "fwd":
                        rates = jvp(f.call, count)(*given, *map(Tensor, along))
                        got = _product(cts, [r.numpy() for r in rates])
                    else:
                        got = float(np.real(unit * pulled[k].numpy()[index]))
                    if not self.close(got, want):
                        place = f"[{', '.join(map(str, index))}]" if index else ""
                        place += ".imag" if unit == 1j else ""
                        out.append((abs(got - want), f.names[k] + place, got, want))
        return sorted(out, reverse=True)[:8]


def _product(a: Arrays, b: Arrays) -> float:
    """What transposition keeps: the real part of the sum of products."""
    return float(sum(np.sum(np.real(1.0 * x * y)) for x, y in zip(a, b, strict=True)))
