"""``jit``: one trace per kind of arguments, which every later call, also inside of other transformations,
uses again.

Calls that were seen before are matched and run by pequegrad's core without Python. A function is traced on
placeholders into a closed body; what surrounds it (a program, a gradient, a vmap) applies that body.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import extend

from . import _trees
from ._array import Array, _Deleted
from ._config import config
from ._effects import collect, emit
from ._flat import Flat, Kind, Leaves, is_arraylike, unwrap
from ._keys import PRNGKeyArray
from ._lift import Tensor, check_range
from .dtypes import default_float, default_int

_ENTRIES = 4096


class Traced:
    """A function on arguments of one kind: its closed body, and what its results are."""

    __slots__ = ("closed", "kinds", "shapes", "tokens", "tree")

    def __init__(self, f: Callable[..., Any], args: Leaves, what: str) -> None:
        flat = Flat(f, args)
        self.tokens = 0

        def body(tensors: list[Tensor]) -> list[Tensor]:
            with collect() as tokens:
                outs = flat(tensors)
            self.tokens = len(tokens)
            return [*outs, *tokens]

        self.closed = extend.close(body, args.tensors, what)
        self.kinds: tuple[Kind, ...] = flat.out.kinds
        self.tree = flat.out.tree
        self.shapes = [(t.shape, t.dtype) for t in flat.out.tensors]

    def __call__(self, tensors: Sequence[Tensor]) -> Leaves:
        made = self.closed(tensors)
        if self.tokens:
            emit(made[-self.tokens :])
            made = made[: -self.tokens]
        return Leaves.of(self.tree, made, self.kinds)

    def types(self) -> list[tuple[tuple[int, ...], pg.DType, Kind]]:
        """Shape, dtype and kind of each result."""
        return [(s, k, kind) for (s, k), kind in zip(self.shapes, self.kinds, strict=True)]


_bodies: weakref.WeakKeyDictionary[Any, dict[Any, Traced]] = weakref.WeakKeyDictionary()


def traced_body(f: Callable[..., Any], args: Leaves, what: str) -> Traced:
    """The trace of a body of control flow; of the same function object it is made once."""
    try:
        kept = _bodies.setdefault(f, {})
    except TypeError:  # neither hashable nor to be referred to weakly
        return Traced(f, args, what)
    key = args.key()
    found = kept.get(key)
    if found is None:
        found = Traced(f, args, what)
        if found.closed.free:
            kept[key] = found
    return found


def _ints(given: Any, name: str) -> tuple[int, ...]:
    if given is None:
        return ()
    values = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
    if not all(isinstance(v, (int, np.integer)) for v in values):
        raise TypeError(f"jit: {name} must be an int or a sequence of ints, got {given!r}")
    return tuple(int(v) for v in values)


def _names(given: Any) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


class Chosen:
    """Arguments named by position or keyword: each by both where the signature tells."""

    def __init__(self, f: Callable[..., Any], nums: Any, names: Any, what: str) -> None:
        self.nums, self.names = set(_ints(nums, f"{what}_argnums")), set(_names(names))
        if not self.nums and not self.names:
            return
        try:
            signature = inspect.signature(f).parameters.values()
        except (TypeError, ValueError):
            return
        ordered = [p for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        free = any(p.kind is p.VAR_POSITIONAL for p in signature)
        for i in list(self.nums):
            if not free and not -len(ordered) <= i < len(ordered):
                raise ValueError(
                    f"jitted function has {what}_argnums={tuple(self.nums)} but only accepts {len(ordered)} "
                    "positional arguments."
                )
        known = {p.name for p in signature if p.kind is not p.VAR_KEYWORD}
        if not any(p.kind is p.VAR_KEYWORD for p in signature):
            for name in self.names - known:
                raise ValueError(f"jitted function has invalid argnames {{{name!r}}} in {what}_argnames.")
        if nums is None:  # one way of naming tells the other
            self.nums |= {i for i, p in enumerate(ordered) if p.name in self.names}
        if names is None:
            self.names |= {
                p.name for i, p in enumerate(ordered) if i in self.nums and p.kind is p.POSITIONAL_OR_KEYWORD
            }

    def __bool__(self) -> bool:
        return bool(self.nums or self.names)

    def has(self, i: int, count: int) -> bool:
        """Whether positional argument i is meant."""
        return i in self.nums or i - count in self.nums


def _as_children(x: Any) -> tuple[tuple[Any], None]:
    """A number or ndarray as what the core matches: the container of one tensor."""
    return (unwrap(x)[0],), None


class _Walk:
    """Reads the arguments of a call: the spec that the core matches later calls with, and placeholders."""

    def __init__(self, param: Callable[..., Tensor]) -> None:
        self.param = param
        self.tensors: list[Tensor] = []
        self.kinds: list[Kind] = []

    def leaf(self, x: Any, path: str) -> Any:
        """The spec of a leaf."""
        kind = type(x)
        if kind is Array or kind is PRNGKeyArray:
            t = x._t
            if isinstance(t, _Deleted):
                t.shape  # noqa: B018 - raises
            spec = ("tensor", t.shape, t.dtype.code, False, t.device.pair)
            self.add(self.param(t.shape, t.dtype, False, t.device.pair), x._w if kind is Array else None)
            if kind is Array:
                return ("fields", Array, ("_t", "_w"), (spec, ("static", x._w)))
            return ("fields", PRNGKeyArray, ("_t",), (spec,))
        if kind is float:
            self.add(self.param((), pg.float64, True).astype(default_float()), True)
            return ("float", True)
        if kind is int:
            check_range(x, default_int())
            self.add(self.param((), pg.int64, True).astype(default_int()), True)
            return ("int", True)
        if not is_arraylike(x):
            raise TypeError(
                f"Error interpreting argument to the function as an abstract array. The problematic value "
                f"is of "
                f"type {kind} and was passed to the function at path {path}.\nThis typically means that a "
                "jit-wrapped function was called with a non-array argument, and this argument was not "
                "marked as "
                "static using the static_argnums or static_argnames parameters of jax.jit."
            )
        t, weak = unwrap(x)
        self.add(self.param(t.shape, t.dtype, False, t.device.pair), weak)
        return (
            "object",
            kind,
            _as_children,
            None,
            (("tensor", t.shape, t.dtype.code, False, t.device.pair),),
        )

    def add(self, t: Tensor, kind: Kind) -> None:
        self.tensors.append(t)
        self.kinds.append(kind)

    def tree(self, x: Any, path: str) -> Any:
        """The spec of a pytree."""
        kind = type(x)
        if x is None:
            return ("none",)
        container = _trees.registry.container(kind)
        if container is None:
            return self.leaf(x, path)
        if kind is dict:
            keys = _trees._sorted(x)
            return ("dict", tuple(keys), tuple(self.tree(x[k], f"{path}[{k!r}]") for k in keys))
        children, aux = container.flatten(x)
        keys = _trees.keys_of(kind, children, aux)
        specs = tuple(self.tree(c, f"{path}{k}") for k, c in zip(keys, children, strict=True))
        if kind is tuple or kind is list:
            return (kind.__name__, specs)
        return ("object", kind, container.flatten, aux, specs)


def _out_spec(tree: Any, kinds: Any, count: Any) -> Any:
    """How the core builds the result."""
    if tree.type is None:
        spec, kind = ("out", next(count)), next(kinds)
        if kind is None:
            return ("fields", PRNGKeyArray, ("_t",), (spec,))
        return ("fields", Array, ("_t", "_w"), (spec, ("static", kind)))
    children = tuple([_out_spec(c, kinds, count) for c in tree.children])
    if tree.type is type(None):
        return ("none",)
    if tree.type is tuple or tree.type is list:
        return (tree.type.__name__, children)
    if tree.type is dict:
        return ("dict", tree.aux, children)
    return ("object", tree.type, tree.container.unflatten, tree.aux, children)


_all: weakref.WeakSet[Jitted] = weakref.WeakSet()


class Jitted:
    """What one jitted function is: its options, and its traces."""

    def __init__(self, f: Callable[..., Any], static: Chosen, donated: Chosen) -> None:
        self.f, self.static, self.donated = f, static, donated
        self.traced: dict[Any, Traced] = {}
        self.program = extend.jit(self.inside, self.walk, _ENTRIES)
        _all.add(self)

    def clear(self) -> None:
        """Forget all traces."""
        self.traced.clear()
        self.program.clear()

    def split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any], Any]:
        """Arguments without the static ones, and these, which are part of the key."""
        count = len(args)
        key: list[tuple[int | str, type, Any]] = []
        dynamic: list[Any] = []
        for i, arg in enumerate(args):
            if self.static.has(i, count):
                key.append((i, type(arg), self.hashed(arg)))
            else:
                dynamic.append(arg)
        named = {}
        for name, arg in kwargs.items():
            if name in self.static.names:
                key.append((name, type(arg), self.hashed(arg)))
            else:
                named[name] = arg
        return dynamic, named, (count, tuple(key))

    def hashed(self, arg: Any) -> Any:
        """A static argument, which must be hashable."""
        try:
            hash(arg)
        except TypeError as error:
            raise ValueError(
                "Non-hashable static arguments are used in a jit function. The error was: "
                f"{error} (type {type(arg)})"
            ) from None
        return arg

    def with_static(self, static: Any) -> Callable[..., Any]:
        """The function of its other arguments."""
        count, pairs = static
        if not pairs:
            return self.f
        fixed = {where: value for where, _, value in pairs}

        @functools.wraps(self.f)
        def f(*args: Any, **kwargs: Any) -> Any:
            rest = iter(args)
            whole = [fixed[i] if i in fixed else next(rest) for i in range(count)]
            return self.f(*whole, **kwargs, **{n: v for n, v in fixed.items() if isinstance(n, str)})

        return f

    def find(self, leaves: Leaves, static: Any) -> Traced:
        """The trace for arguments of this kind."""
        key = (leaves.key(), static)
        found = self.traced.get(key)
        if found is None:
            found = Traced(self.with_static(static), leaves, "jit")
            if found.closed.free:  # what it read from outside stays what it is
                self.traced[key] = found
        return found

    def inside(self, *args: Any, **kwargs: Any) -> Any:
        """A call while something else is traced."""
        dynamic, named, static = self.split(args, kwargs)
        leaves = Leaves((tuple(dynamic), named), "jit")
        out = self.find(leaves, static)(leaves.tensors)
        return out.build(out.tensors)

    def walk(
        self, param: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, list[Tensor], Any]:
        """Trace a call that no program fits: see ``pequegrad.extend.jit``."""
        walk, specs, names, count = _Walk(param), [], [], len(args)
        _, _, static = self.split(args, kwargs)
        for i, arg in enumerate(args):
            fixed = self.static.has(i, count)
            specs.append(("static", arg) if fixed else walk.tree(arg, f"args[{i}]"))
        for name, arg in kwargs.items():
            fixed = name in self.static.names
            names.append(("static", arg) if fixed else walk.tree(arg, f"kwargs[{name!r}]"))
        in_spec = ("tuple", (("tuple", tuple(specs)), ("dict", tuple(kwargs), tuple(names))))
        dynamic, named, _ = self.split(args, kwargs)
        # Keyword arguments are met in the order of the call, and lie in that of their names.
        leaves = Leaves.of(_trees.flatten((tuple(dynamic), named))[1], walk.tensors, walk.kinds)
        if len(named) > 1:
            leaves = _in_order(leaves, dynamic, named)
        with collect() as tokens:
            out = self.find(leaves, static)(leaves.tensors)
        counter = iter(range(len(out.tensors)))
        return in_spec, [*out.tensors, *tokens], _out_spec(out.tree, iter(out.kinds), counter)

    # ---- ahead of time

    def types(self, *args: Any, **kwargs: Any) -> tuple[Traced, Leaves]:
        """The trace for arguments, or for their types."""
        dynamic, named, static = self.split(args, kwargs)
        leaves = Leaves(_trees.unflatten(*_examples((tuple(dynamic), named))))
        return self.find(leaves, static), leaves


def _in_order(leaves: Leaves, dynamic: Sequence[Any], named: dict[str, Any]) -> Leaves:
    counts = [_trees.flatten(x)[1].num_leaves for x in (*dynamic, *named.values())]
    starts = np.cumsum([0, *counts])
    parts = {
        name: slice(starts[len(dynamic) + i], starts[len(dynamic) + i + 1]) for i, name in enumerate(named)
    }
    order = list(range(starts[len(dynamic)]))
    for name in sorted(named):
        order += range(parts[name].start, parts[name].stop)
    leaves.tensors = [leaves.tensors[i] for i in order]
    leaves.kinds = tuple(leaves.kinds[i] for i in order)
    return leaves


def _examples(tree: Any) -> tuple[Any, list[Any]]:
    """ShapeDtypeStructs as arrays of their types."""
    from ._api import ShapeDtypeStruct, example_of

    leaves, treedef = _trees.flatten(tree, lambda x: isinstance(x, ShapeDtypeStruct))
    return treedef, [example_of(x) if isinstance(x, ShapeDtypeStruct) else x for x in leaves]


def clear_caches() -> None:
    """Forget the traces of all jitted functions."""
    for jitted in list(_all):
        jitted.clear()


def _delete(args: tuple[Any, ...], kwargs: dict[str, Any], chosen: Chosen, out: Any) -> None:
    """Donated arrays are gone after the call."""
    kept = {id(x._t) for x in _trees.flatten(out)[0] if type(x) is Array}
    given: list[Any] = [a for i, a in enumerate(args) if chosen.has(i, len(args))]
    given += [a for name, a in kwargs.items() if name in chosen.names]
    for leaf in _trees.flatten(given)[0]:
        if isinstance(leaf, Array) and id(leaf._t) not in kept and not leaf._t.is_abstract:
            leaf.delete()


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    in_shardings: Any = None,
    out_shardings: Any = None,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Iterable[str] | None = None,
    keep_unused: bool = False,
    device: Any = None,
    backend: str | None = None,
    inline: bool = False,
    abstracted_axes: Any = None,
    compiler_options: Any = None,
) -> Any:
    """Compile a function: it is traced once per kind of arguments (shapes, dtypes, weak types, static
    values).

    Donated arguments are deleted. Shardings, ``device``, ``backend``, ``keep_unused``, ``inline`` and
    ``compiler_options`` have no effect.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> @jax.jit
    ... def double(x):
    ...     return x + x
    >>> double(jnp.arange(3))
    Array([0, 2, 4], dtype=int32)
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
        )
    if not callable(fun):
        raise TypeError(f"Expected a callable value, got {fun}")
    if abstracted_axes is not None:
        raise NotImplementedError("jit: abstracted_axes is not implemented")
    static = Chosen(fun, static_argnums, static_argnames, "static")
    donated = Chosen(fun, donate_argnums, donate_argnames, "donate")
    jitted = Jitted(fun, static, donated)
    made: Any = jitted.program
    if donated or config.jax_disable_jit:
        program, made = made, None

        def call(*args: Any, **kwargs: Any) -> Any:
            if config.jax_disable_jit:
                return fun(*args, **kwargs)
            out = program(*args, **kwargs)
            if not extend.inside_trace():
                _delete(args, kwargs, donated, out)
            return out

        made = call
    from ._aot import attach

    functools.update_wrapper(made, fun)
    attach(made, jitted)
    return made
