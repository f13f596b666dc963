"""``bridge.jit``: jax traces, pequegrad compiles and runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from . import _rules, _stats
from ._array import Array, to_jax
from ._fallback import Fallback
from ._walk import Walker, is_key, tensor_of

_Names = str | Iterable[str] | None
_Numbers = int | Sequence[int] | None


class _Program(NamedTuple):
    run: Any  # what pg.jit returns; tensors -> list of tensors
    results: list[Callable[[Tensor], Any]]  # what they are given back as
    tree: Any


class JitFunction:
    """A function of jax that pequegrad runs; what ``bridge.jit`` returns."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: _Numbers,
        static_argnames: _Names,
        donate_argnums: _Numbers,
        donate_argnames: _Names,
        fallback: str | None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"bridge.jit: expected a function, got a {type(function).__name__}")
        if fallback not in (None, "jax"):
            raise ValueError(f'bridge.jit: fallback is None or "jax", got {fallback!r}')
        functools.update_wrapper(self, function)
        options = {
            "static_argnums": static_argnums,
            "static_argnames": static_argnames,
            "donate_argnums": donate_argnums,
            "donate_argnames": donate_argnames,
        }
        self.by_jax = jax.jit(function, **{k: v for k, v in options.items() if v is not None})
        self._fallback = fallback
        self._static, self._static_names = _both(function, static_argnums, static_argnames)
        self._donated, self._donated_names = _both(function, donate_argnums, donate_argnames)
        self._programs: dict[Any, _Program] = {}

    @property
    def traces(self) -> int:
        """For how many kinds of arguments there is a program."""
        return len(self._programs)

    def clear_cache(self) -> None:
        """Forget all programs."""
        self._programs.clear()
        self.by_jax.clear_cache()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        dynamic, named, static = self._split(args, kwargs)
        leaves, tree = jax.tree.flatten((dynamic, named))
        types = tuple([_type_of(x) for x in leaves])
        if None in types:  # a tracer
            _stats.counts["inside_jax"] += 1
            return self.by_jax(*(to_jax(x) for x in args), **{k: to_jax(x) for k, x in kwargs.items()})
        key = (tree, types, static, jax.config.jax_enable_x64)
        try:
            program = self._programs.get(key)
        except TypeError:
            raise ValueError(
                "Non-hashable static arguments are used in a jit function: "
                f"{', '.join(type(v).__name__ for _, _, v in static)}; pass tuples, or frozen dataclasses"
            ) from None
        if program is None:
            program = self._programs[key] = self._trace(args, kwargs, types)
        given = [_tensor(x, t) for x, t in zip(leaves, types, strict=True)]
        made = program.run(*given)
        _stats.counts["calls"] += 1
        if self._donated or self._donated_names:
            self._donate(args, kwargs)
        results = [give(x) for give, x in zip(program.results, made, strict=True)]
        return jax.tree.unflatten(program.tree, results)

    def jaxpr(self, *args: Any, **kwargs: Any) -> Any:
        """What jax makes of the function for arguments like these."""
        dynamic, named, _ = self._split(args, kwargs)
        leaves = jax.tree.leaves((dynamic, named))
        return self._traced(args, kwargs, [_type_of(x) for x in leaves]).jaxpr

    def explain(self, *args: Any, **kwargs: Any) -> Any:
        """What the program for arguments like these runs, as ``pg.jit`` explains it."""
        self(*args, **kwargs)
        dynamic, named, static = self._split(args, kwargs)
        leaves, tree = jax.tree.flatten((dynamic, named))
        types = tuple([_type_of(x) for x in leaves])
        program = self._programs[tree, types, static, jax.config.jax_enable_x64]
        return program.run.explain(*[_tensor(x, t) for x, t in zip(leaves, types, strict=True)])

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Arguments that are not static, by place and by name, and the key of the others."""
        if not self._static and not self._static_names:
            return args, kwargs, ()
        static: list[tuple[Any, ...]] = []
        dynamic: list[Any] = []
        for i, x in enumerate(args):
            if i in self._static or i - len(args) in self._static:
                static.append((i, type(x), x))
            else:
                dynamic.append(x)
        named = {}
        for name, x in kwargs.items():
            if name in self._static_names:
                static.append((name, type(x), x))
            else:
                named[name] = x
        return tuple(dynamic), named, tuple(static)

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any], types: Sequence[Any]) -> Any:
        specs = iter([jax.ShapeDtypeStruct(s, d, weak_type=w) for s, d, w in types])

        def replaced(x: Any) -> Any:
            return jax.tree.map(lambda _: next(specs), x)

        def is_static(i: int) -> bool:
            return i in self._static or i - len(args) in self._static

        new_args = [x if is_static(i) else replaced(x) for i, x in enumerate(args)]
        # Leaves of a dict come in the order of its keys.
        dynamic = {k: kwargs[k] for k in sorted(kwargs) if k not in self._static_names}
        new_named = {k: replaced(x) for k, x in dynamic.items()}
        static = {k: x for k, x in kwargs.items() if k in self._static_names}
        return self.by_jax.trace(*new_args, **new_named, **static)

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], types: Sequence[Any]) -> _Program:
        traced = self._traced(args, kwargs, types)
        closed = traced.jaxpr
        _rules.check(closed.jaxpr, by_jax=self._fallback is not None)
        walker = Walker(Fallback(closed.jaxpr) if self._fallback else None)
        walker.prepare(closed.jaxpr, closed.consts)

        def run(*tensors: Tensor) -> list[Tensor]:
            return walker.run(closed.jaxpr, closed.consts, tensors)

        run.__name__ = run.__qualname__ = getattr(self, "__name__", "function")
        _stats.counts["traces"] += 1
        results = [_result_of(aval) for aval in closed.out_avals]
        return _Program(pg.jit(run), results, jax.tree.structure(traced.out_info))

    def _donate(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [x for i, x in enumerate(args) if i in self._donated or i - len(args) in self._donated]
        given += [x for name, x in kwargs.items() if name in self._donated_names]
        for x in jax.tree.leaves(given):
            if isinstance(x, (Array, jax.Array)):
                x.delete()


def _both(function: Callable[..., Any], numbers: _Numbers, names: _Names) -> tuple[set[int], set[str]]:
    """Places and names of arguments given by either, as jax does it: each follows from the other."""
    wanted = set([numbers] if isinstance(numbers, int) else numbers or ())
    named = {names} if isinstance(names, str) else set(names or ())
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return wanted, named
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if names is None:
        named = {by_place[n] for n in wanted if -len(by_place) <= n < len(by_place)}
    elif numbers is None:
        wanted = {i for i, name in enumerate(by_place) if name in named}
    return wanted, named


def _type_of(x: Any) -> Any:
    """Shape, dtype and weakness in jax; None of a tracer."""
    if isinstance(x, Array):
        return x.key
    if isinstance(x, jax.core.Tracer):
        return None
    if isinstance(x, jax.Array):
        return x.shape, x.dtype, getattr(x, "weak_type", False)  # keys have none
    if isinstance(x, (np.ndarray, np.generic)):
        return x.shape, jax.dtypes.canonicalize_dtype(x.dtype), False
    if isinstance(x, (bool, int, float, complex)):
        return (), jax.dtypes.canonicalize_dtype(np.result_type(type(x))), not isinstance(x, bool)
    if isinstance(x, Tensor):
        return x.shape, jax.dtypes.canonicalize_dtype(x.dtype.to_numpy()), x.weak
    if hasattr(x, "__jax_array__"):
        return _type_of(x.__jax_array__())
    raise TypeError(
        f"bridge.jit: an argument is a {type(x).__name__}, which is no array, number or pytree of them; mark "
        "it static with static_argnums or static_argnames"
    )


def _tensor(x: Any, kind: tuple[Any, ...]) -> Tensor:
    if isinstance(x, Array):
        return x.tensor
    if isinstance(x, Tensor):
        return x.astype(kind[1]) if x.weak or x.dtype != kind[1] else x
    if hasattr(x, "__jax_array__") and not isinstance(x, jax.Array):
        x = x.__jax_array__()
    if isinstance(x, jax.Array) and isinstance(kind[1], np.dtype):  # no key
        return pg.from_numpy(np.asarray(x))
    return tensor_of(x, kind[1])


def _result_of(aval: Any) -> Callable[[Tensor], Any]:
    """How a result of this type is given back."""
    if is_key(aval):
        return lambda x: jax.random.wrap_key_data(x.numpy(copy=True))
    if aval.dtype == jax.dtypes.float0:
        return lambda x: np.zeros(aval.shape, jax.dtypes.float0)
    key = (aval.shape, aval.dtype, aval.weak_type)
    return lambda x: Array(x, key)


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: _Numbers = None,
    static_argnames: _Names = None,
    donate_argnums: _Numbers = None,
    donate_argnames: _Names = None,
    fallback: str | None = None,
) -> Any:
    """A function written for jax, compiled and run by pequegrad; also a decorator with options.

    Arguments and results are pytrees, arguments of any kind that jax takes, results ``bridge.Array``. jax
    traces the function once for each structure and type of arguments, and each value of static ones:
    differentiate and map inside, with ``jax.grad`` and ``jax.vmap``. Donated arguments are given up: their
    later use raises RuntimeError. Inside a transform of jax the call becomes that of ``jax.jit(function)``.

    Primitives that the bridge does not know are all named in one ``UnsupportedPrimitive``, before anything
    runs; ``fallback="jax"`` lets jax evaluate these on the host, and ``bridge.stats()`` counts them.

    >>> import jax, jax.numpy as jnp
    >>> from pg_jax import bridge
    >>> f = bridge.jit(lambda x, n: jnp.sum(x**n), static_argnums=1)
    >>> f(jnp.arange(4.0), 2)
    Array(14., dtype=float32)
    """
    options: dict[str, Any] = {
        "static_argnums": static_argnums,
        "static_argnames": static_argnames,
        "donate_argnums": donate_argnums,
        "donate_argnames": donate_argnames,
        "fallback": fallback,
    }
    if function is None:
        return functools.partial(jit, **options)
    return JitFunction(function, **options)
