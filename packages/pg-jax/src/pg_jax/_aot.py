"""Tracing and compiling ahead of time: ``jit(f).lower(...).compile()``, ``make_jaxpr``, ``eval_shape``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _trees
from ._api import ShapeDtypeStruct
from ._flat import Leaves, aval_of
from ._jit import Chosen, Jitted, Traced


class ClosedJaxpr:
    """What a function was traced to; prints as pequegrad's graph.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> print(jax.make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0))
    graph(%0: f32[]):
      %1: f32[] = sin(%0)
      %2: f32[] = full(2)
      %3: f32[] = mul(%1, %2)
      return %3
    <BLANKLINE>
    """

    def __init__(self, traced: Traced, leaves: Leaves) -> None:
        self._traced, self._leaves = traced, leaves

    @property
    def in_avals(self) -> list[Any]:
        return [aval_of(t, k) for t, k in zip(self._leaves.tensors, self._leaves.kinds, strict=True)]

    @property
    def out_avals(self) -> list[Any]:
        out = self._traced(self._leaves.tensors)
        return [aval_of(t, k) for t, k in zip(out.tensors, out.kinds, strict=True)]

    @property
    def consts(self) -> list[Any]:
        return list(self._traced.closed.captures)

    @property
    def jaxpr(self) -> ClosedJaxpr:
        return self

    def pretty_print(self, **options: Any) -> str:
        """The graph as text."""
        return str(self)

    def __str__(self) -> str:
        return str(self._traced.closed)

    __repr__ = __str__


def shapes_of(traced: Traced, leaves: Leaves) -> Any:
    """The types of the results."""
    out = traced(leaves.tensors)
    found = [aval_of(t, k) for t, k in zip(out.tensors, out.kinds, strict=True)]
    return _trees.unflatten(
        out.tree, [ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in found]
    )


def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    axis_env: Any = None,
    return_shape: bool = False,
    abstracted_axes: Any = None,
) -> Callable[..., Any]:
    """The function that traces ``fun`` and returns what it was traced to.

    >>> import pg_jax as jax
    >>> jax.make_jaxpr(lambda x: x)(1.0).in_avals
    [ShapedArray(float32[], weak_type=True)]
    """
    jitted = Jitted(fun, Chosen(fun, static_argnums, None, "static"), Chosen(fun, (), (), "donate"))

    def traced(*args: Any, **kwargs: Any) -> Any:
        found, leaves = jitted.types(*args, **kwargs)
        made = ClosedJaxpr(found, leaves)
        return (made, shapes_of(found, leaves)) if return_shape else made

    return traced


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The types that ``fun`` returns, without computing anything; arguments may be ``ShapeDtypeStruct``.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.eval_shape(lambda x: x @ x.T, jax.ShapeDtypeStruct((2, 3), jnp.float32))
    ShapeDtypeStruct(shape=(2, 2), dtype=float32)
    """
    return shapes_of(
        *Jitted(fun, Chosen(fun, (), (), "static"), Chosen(fun, (), (), "donate")).types(*args, **kwargs)
    )


class Compiled:
    """A program for one kind of arguments."""

    def __init__(self, program: Any, jitted: Jitted, args: Any, kwargs: Any) -> None:
        self._program = program
        dynamic, named, _ = jitted.split(args, kwargs)
        self._in = Leaves(_examples_of((tuple(dynamic), named)))
        self._jitted = jitted

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = Leaves((args, kwargs))
        wanted = (self._in.tree, tuple((t.shape, t.dtype) for t in self._in.tensors))
        if (leaves.tree, tuple((t.shape, t.dtype) for t in leaves.tensors)) != wanted:
            raise TypeError(
                "Argument types differ from the types for which this computation was compiled. Perhaps you "
                "are "
                "calling the compiled executable with static arguments, or with other shapes?"
            )
        return self._program(*args, **kwargs)

    def as_text(self) -> str:
        """The programs of the function."""
        return "\n".join(entry.explain() for entry in self._jitted.program.entries)

    def cost_analysis(self) -> dict[str, float]:
        """What the last program moves and computes."""
        details = self._jitted.program.entries[-1].details() if self._jitted.program.entries else {}
        return {"flops": float(details.get("flops", 0.0)), "bytes accessed": float(details.get("bytes", 0.0))}

    def memory_analysis(self) -> Any:
        """Nothing is known before a call."""
        return None


def _examples_of(tree: Any) -> Any:
    from ._jit import _examples

    return _trees.unflatten(*_examples(tree))


class Lowered:
    """A function traced for one kind of arguments."""

    def __init__(self, program: Any, jitted: Jitted, args: Any, kwargs: Any) -> None:
        self._program, self._jitted, self._args, self._kwargs = program, jitted, args, kwargs
        self._traced, self._leaves = jitted.types(*args, **kwargs)

    @property
    def jaxpr(self) -> ClosedJaxpr:
        return ClosedJaxpr(self._traced, self._leaves)

    @property
    def out_info(self) -> Any:
        return shapes_of(self._traced, self._leaves)

    def lower(self) -> Lowered:
        """Itself: tracing is all that there is to lower."""
        return self

    def as_text(self, dialect: str | None = None) -> str:
        """The traced graph."""
        return str(self._traced.closed)

    def cost_analysis(self) -> dict[str, float]:
        """Known after compiling."""
        return {}

    def compile(self, compiler_options: Any = None) -> Compiled:
        """The function for these arguments."""
        return Compiled(self._program, self._jitted, self._args, self._kwargs)


def attach(made: Any, jitted: Jitted) -> None:
    """The methods of a jitted function."""
    made.lower = lambda *args, **kwargs: Lowered(made, jitted, args, kwargs)
    made.trace = made.lower
    made.eval_shape = lambda *args, **kwargs: shapes_of(*jitted.types(*args, **kwargs))
    made.clear_cache = jitted.clear
    made._cache_size = lambda: len(jitted.program.entries)
