"""Mixed precision: products of matrices and convolutions in 16-bit floats, everything else in float32.

Parameters stay float32 (the "master weights"); ``autocast`` makes a function whose graph casts the operands
of each product to 16 bits and its result back, which the compiler fuses with what stands before and after.
Sums, exponentials and norms lose nothing. bfloat16 has float32's range and needs nothing else; float16
gradients may vanish or overflow, which ``LossScale`` is for.

Method: Micikevicius et al., "Mixed Precision Training", 2018.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _core, dt, pytree
from ._bodies import over_tensors, rebind, trace, type_of, with_threads
from ._core import Tensor
from ._ops.common import as_tensor, cast, operand
from ._ops.elementwise import clip, isfinite
from ._ops.logic import equal, logical_and, where
from ._ops.reduce import all as all_of
from .errors import ArgumentError, DTypeError, InvalidValueError


def autocast(f: Callable[..., Any], dtype: Any = "bfloat16") -> Callable[..., Any]:
    """The function with its float32 products computed in a 16-bit float type.

    Every product of matrices and convolution whose two operands are float32 is computed on operands rounded
    to ``dtype``; sums are accumulated in float32 where the library does so. All other operations, and the
    types of arguments and results, stay what they are. It holds for what the function reads from outside and
    in the bodies of control flow, and composes with every transform: of ``pg.grad(autocast(loss))`` the
    products of the backward pass are lowered too.

    Args:
        f: a function that ``pg.jit`` could trace: it does not read values.
        dtype: bfloat16 or float16.

    Raises:
        DTypeError: dtype is another one.

    >>> f = pg.amp.autocast(lambda x, w: x @ w)
    >>> f(pg.full((1, 1), 1.001), pg.ones((1, 1))).item()
    1.0
    """
    if not callable(f):
        raise ArgumentError(f"autocast: expected a function, got a {type(f).__name__}")
    low = dt.as_dtype(dtype)
    if low not in (dt.bfloat16, dt.float16):
        raise DTypeError(f"autocast: computes in bfloat16 or float16, got {low}")

    @functools.wraps(f)
    def lowered(*args: Any, **kwargs: Any) -> Any:
        given, body = over_tensors(f, args, kwargs)
        kinds = [type_of(x) for x in given]
        (traced,), threaded = with_threads(lambda handles: [trace(body, kinds, "autocast", handles)])
        (closed,), captures = _core.close_bodies([traced.parts])
        results = _core.lower_products(closed, [*captures, *given, *threaded], low.code)
        rebind(threaded, results[traced.results :])
        return pytree.unflatten(traced.tree, results[: traced.results])

    return lowered


def all_finite(tree: Any) -> Tensor:
    """Whether no floating leaf of a pytree holds a NaN or an infinity: a bool of shape ().

    >>> pg.amp.all_finite({"w": pg.ones(3), "b": pg.Tensor([float("inf")])}).item()
    False
    """
    out = as_tensor(True)
    for leaf in pytree.leaves(tree):
        x = operand(leaf)
        if x is not NotImplemented and as_tensor(x).dtype.is_inexact:
            out = logical_and(out, all_of(isfinite(as_tensor(x))))
    return out


def select_tree(condition: Any, yes: Any, no: Any) -> Any:
    """One of two pytrees of equal structure, leaf by leaf: parameters of a step that overflowed stay.

    >>> pg.amp.select_tree(pg.Tensor(False), {"w": pg.ones(1)}, {"w": pg.zeros(1)})["w"].tolist()
    [0.0]
    """
    return pytree.map(lambda a, b: where(condition, a, b), yes, no)


class LossScale(NamedTuple):
    """A factor for the loss that keeps float16 gradients in range: it grows while gradients stay finite, and
    shrinks when they do not. A pytree of tensors, so that ``pg.jit`` takes it; methods return new ones.

    >>> loss_scale = pg.amp.LossScale.start(4.0)
    >>> w, x = pg.Tensor([1.0]), pg.Tensor([3.0])
    >>> scaled = pg.grad(lambda w: loss_scale.scale((w * x).sum()))(w)
    >>> gradient = loss_scale.unscale(scaled)
    >>> gradient.tolist(), loss_scale.adjust(pg.amp.all_finite(gradient)).factor.item()
    ([3.0], 4.0)
    """

    factor: Tensor  # float32, shape ()
    good_steps: Tensor  # int32, shape (): since the factor changed
    growth: Tensor  # float32: by which it grows, and is divided by
    interval: Tensor  # int32: after so many good steps

    @classmethod
    def start(cls, factor: float = 2.0**16, growth: float = 2.0, interval: int = 2000) -> LossScale:
        """The scale to begin with.

        Args:
            factor: above 0.
            growth: above 1; the factor is multiplied by it after ``interval`` good steps, and divided by it
                after a bad one.
            interval: at least 1.

        >>> pg.amp.LossScale.start().factor.item()
        65536.0
        """
        if not factor > 0 or not growth > 1 or interval < 1:
            raise InvalidValueError(
                f"LossScale: factor must be above 0, growth above 1 and interval at least 1; got {factor}, "
                f"{growth}, {interval}"
            )
        return cls(
            as_tensor(float(factor)),
            cast(as_tensor(0), dt.int32),
            as_tensor(float(growth)),
            cast(as_tensor(interval), dt.int32),
        )

    def scale(self, loss: Any) -> Any:
        """The loss, or a pytree of losses, times the factor."""
        return pytree.map(lambda x: x * cast(self.factor, x.dtype), loss)

    def unscale(self, gradients: Any) -> Any:
        """Gradients of a scaled loss as those of the loss, in float32 at least."""

        def one(x: Tensor) -> Tensor:
            wide = cast(x, dt.float32) if x.dtype in (dt.float16, dt.bfloat16) else x
            return wide / cast(self.factor, wide.dtype)

        return pytree.map(one, gradients)

    def adjust(self, finite: Any) -> LossScale:
        """The scale after a step whose gradients were finite, or not; the factor stays within 1 and 2^24."""
        full = equal(self.good_steps + 1, self.interval)
        grown = where(full, self.factor * self.growth, self.factor)
        factor = clip(where(finite, grown, self.factor / self.growth), 1.0, 2.0**24)
        steps = where(logical_and(finite, equal(full, False)), self.good_steps + 1, 0)
        return self._replace(factor=factor, good_steps=cast(steps, dt.int32))
