"""Derivatives stated by hand, rematerialisation: ``custom_jvp``, ``custom_vjp``, ``checkpoint``."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

import pequegrad as pg
from pequegrad import extend

from . import _trees
from ._array import make
from ._flat import Leaves, describe_function, outputs, wrap
from ._lift import Tensor
from .dtypes import float0


class _Call:
    """The arguments of a call without their tensors; compared, so that nested calls find each other."""

    def __init__(self, rule: _Rule, args: tuple[Any, ...]) -> None:
        self.rule = rule
        self.fixed = {i: args[i] for i in rule.nondiff}
        rest = tuple(a for i, a in enumerate(args) if i not in self.fixed)
        self.leaves = Leaves(rest, describe_function(rule.fun))
        self.count = len(args)

    def whole(self, tensors: Sequence[Tensor]) -> list[Any]:
        """All arguments, with other tensors."""
        rest = iter(self.leaves.build(tensors))
        return [self.fixed[i] if i in self.fixed else next(rest) for i in range(self.count)]

    @property
    def constants(self) -> list[Any]:
        return [self.fixed[i] for i in sorted(self.fixed)]

    def key(self) -> Any:
        return self.leaves.key()

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The function on tensors."""
        out = outputs(self.rule.fun(*self.whole(tensors)), self.rule.fun)
        self.rule.results[self.key()] = out
        return tuple(out.tensors)

    def build(self, tensors: Sequence[Tensor]) -> Any:
        """The result of tensors."""
        return self.rule.results[self.key()].build(tensors)


class _Rule:
    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = (), nondiff_argnames: Any = ()
    ) -> None:
        if not callable(fun):
            raise TypeError(f"{type(self).__name__}: expected a callable, got {fun!r}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        named = {nondiff_argnames} if isinstance(nondiff_argnames, str) else set(nondiff_argnames)
        ordered = list(inspect.signature(fun).parameters) if named else []
        self.nondiff = sorted({*nondiff_argnums, *(ordered.index(name) for name in named)})
        self.results: dict[Any, Leaves] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        try:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
        except ValueError:
            return args
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(
                f"{describe_function(self.fun)}: keyword-only arguments of custom rules are not implemented"
            )
        return bound.args


def _flatten(x: Any) -> list[Any]:
    return _trees.flatten(x, lambda leaf: leaf is None)[0]


class custom_jvp(_Rule):
    """A function whose forward derivative is stated with ``defjvp``.

    >>> import pg_jax as jax
    >>> @jax.custom_jvp
    ... def f(x):
    ...     return x * 2
    >>> @f.defjvp
    ... def f_jvp(primals, tangents):
    ...     return f(*primals), tangents[0] * 3
    >>> jax.grad(f)(1.0)
    Array(3., dtype=float32, weak_type=True)
    """

    jvp: Callable[..., Any] | None = None

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = (), nondiff_argnames: Any = ()
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self._record = pg.custom_jvp(lambda call, *tensors: call.run(*tensors), (0,))
        functools.update_wrapper(self._record, fun)
        self._record.defjvp(self._rates)

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """State ``jvp(primals, tangents) -> (value, tangent)``."""
        if symbolic_zeros:
            raise NotImplementedError("custom_jvp: symbolic_zeros is not implemented")
        self.jvp = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """State one rule for each argument: ``rule(tangent, value, *primals) -> tangent``."""

        def jvp(primals: Any, tangents: Any) -> Any:
            value = self(*primals)
            parts = [r(t, value, *primals) for r, t in zip(jvps, tangents, strict=True) if r is not None]
            if not parts:
                raise TypeError("defjvps: at least one rule is needed")
            total = parts[0]
            for part in parts[1:]:
                total = _trees.unflatten(
                    _trees.flatten(total)[1],
                    [a + b for a, b in zip(_trees.flatten(total)[0], _trees.flatten(part)[0], strict=True)],
                )
            return value, total

        self.jvp = jvp

    def _rates(self, call: _Call, primals: Any, tangents: Any) -> Any:
        assert self.jvp is not None
        leaves = call.leaves
        args = leaves.build(primals)
        given = _trees.unflatten(
            leaves.tree, [make(t, bool(kind)) for t, kind in zip(tangents, leaves.kinds, strict=True)]
        )
        made = self.jvp(*call.constants, args, given)
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise TypeError(f"Custom JVP rule must produce a pair (list or tuple of length two), got {made}.")
        value, rate = Leaves(made[0]), made[1]
        rates = _trees.flatten(rate)[0]
        if _trees.flatten(rate)[1] != value.tree:
            raise TypeError(
                "Custom JVP rule must produce primal and tangent outputs with equal container (pytree) "
                f"structures, but got {value.tree} and {_trees.flatten(rate)[1]}."
            )
        self.results.setdefault(call.key(), value)
        found = [
            pg.zeros_like(y) if getattr(t, "dtype", None) == float0 else Leaves(t).tensors[0]
            for t, y in zip(rates, value.tensors, strict=True)
        ]
        return tuple(value.tensors), tuple(found)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise AttributeError(
                f"No JVP defined for custom_jvp function {describe_function(self.fun)} using defjvp."
            )
        args = self._positional(args, kwargs)
        if not extend.inside_trace():
            return self.fun(*args)
        call = _Call(self, args)
        return call.build(self._record(call, *call.leaves.tensors))


class custom_vjp(_Rule):
    """A function whose reverse derivative is stated with ``defvjp``.

    >>> import pg_jax as jax
    >>> @jax.custom_vjp
    ... def f(x):
    ...     return x * 2
    >>> f.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * 10 * x,))
    >>> jax.grad(f)(3.0)
    Array(30., dtype=float32, weak_type=True)
    """

    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = (), nondiff_argnames: Any = ()
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self._record = pg.custom_vjp(lambda call, *tensors: call.run(*tensors), (0,))
        functools.update_wrapper(self._record, fun)
        self._record.defvjp(self._forward, self._backward)
        self.residuals: dict[Any, Leaves] = {}

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """State ``fwd(*args) -> (value, residuals)`` and ``bwd(residuals, cotangent) -> cotangents``."""
        if symbolic_zeros:
            raise NotImplementedError("custom_vjp: symbolic_zeros is not implemented")
        self.fwd, self.bwd = fwd, bwd

    def _forward(self, call: _Call, *tensors: Tensor) -> Any:
        assert self.fwd is not None
        made = self.fwd(*call.whole(tensors))
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise TypeError(
                f"Custom VJP fwd rule must produce a pair (list or tuple of length two), got {type(made)}."
            )
        out = outputs(made[0], self.fwd)
        self.results.setdefault(call.key(), out)
        if out.tree != self.results[call.key()].tree:
            raise TypeError(
                "Custom VJP fwd rule must produce a pair whose first element has the structure of the "
                f"function's output: {self.results[call.key()].tree} against {out.tree}."
            )
        residuals = Leaves(made[1], "a residual")
        self.residuals[call.key()] = residuals
        return tuple(out.tensors), tuple(residuals.tensors)

    def _backward(self, call: _Call, residuals: Any, cotangents: Any) -> Any:
        assert self.bwd is not None
        key = call.key()
        kept = self.residuals[key].build(residuals)
        out = self.results[key]
        ct = _trees.unflatten(
            out.tree, [wrap(t, bool(kind)) for t, kind in zip(cotangents, out.kinds, strict=True)]
        )
        made = self.bwd(*call.constants, kept, ct)
        if not isinstance(made, (tuple, list)):
            raise TypeError(f"Custom VJP bwd rule must produce a tuple, got {type(made)}.")
        parts = call.leaves.tree.children
        if len(made) != len(parts):
            raise TypeError(
                "Custom VJP bwd rule must produce a tuple of length equal to the primal args tuple, but "
                "got a tuple "
                f"of length {len(made)} for {len(parts)} arguments."
            )
        found: list[Any] = []
        for part, given in zip(parts, made, strict=True):
            leaves = [None] * part.num_leaves if given is None else _flatten(given)
            if len(leaves) != part.num_leaves:
                raise TypeError(
                    f"Custom VJP bwd rule must produce cotangents with the structure {part}, got {given!r}."
                )
            found += leaves
        return tuple(
            None if x is None or getattr(x, "dtype", None) == float0 else Leaves(x).tensors[0] for x in found
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise AttributeError(
                f"No VJP defined for custom_vjp function {describe_function(self.fun)} using defvjp."
            )
        args = self._positional(args, kwargs)
        if not extend.inside_trace():
            return self.fun(*args)
        call = _Call(self, args)
        return call.build(self._record(call, *call.leaves.tensors))


def custom_gradient(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns its value and the function from its cotangent to those of its arguments.

    >>> import pg_jax as jax
    >>> @jax.custom_gradient
    ... def f(x):
    ...     return x**2, lambda ct: ct * 100.0
    >>> jax.grad(f)(2.0)
    Array(100., dtype=float32, weak_type=True)
    """

    def value(*args: Any) -> Any:
        return fun(*args)[0]

    def forward(*args: Any) -> Any:
        return value(*args), args

    def backward(args: Any, ct: Any) -> Any:
        made = fun(*args)[1](ct)
        return tuple(made) if isinstance(made, (tuple, list)) else (made,)

    wrapped = custom_vjp(functools.wraps(fun)(value))
    wrapped.defvjp(forward, backward)
    return wrapped


checkpoint_policies = pg.checkpoint_policies


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool = True,
    policy: Any = None,
    static_argnums: int | Sequence[int] = (),
    concrete: bool = False,
) -> Any:
    """The function whose derivative computes its inner values again instead of keeping them.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.grad(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))))(0.0)
    Array(1., dtype=float32, weak_type=True)
    """
    if fun is None:
        return functools.partial(
            checkpoint, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums
        )
    fixed = {static_argnums} if isinstance(static_argnums, int) else set(static_argnums)

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not extend.inside_trace():
            return fun(*args, **kwargs)
        kept = {i % len(args): args[i] for i in fixed}
        leaves = Leaves((tuple(a for i, a in enumerate(args) if i not in kept), kwargs), "checkpoint")
        held: list[Leaves] = []

        def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
            positional, named = leaves.build(tensors)
            rest = iter(positional)
            whole = [kept[i] if i in kept else next(rest) for i in range(len(args))]
            held.append(outputs(fun(*whole, **named), fun))
            return tuple(held[-1].tensors)

        made = pg.checkpoint(flat, policy)(*leaves.tensors)
        return held[0].build(made)

    return checkpointed


remat = checkpoint


def checkpoint_name(x: Any, name: str) -> Any:
    """x; policies by name keep nothing of it.

    >>> import pg_jax as jax
    >>> jax.ad_checkpoint.checkpoint_name(1.0, "a")
    1.0
    """
    return x
