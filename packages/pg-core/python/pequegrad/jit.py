"""``pg.jit``: trace a function once per kind of arguments, then run the compiled program.

Tensors, and Python and NumPy numbers, are inputs: other values never retrace. Containers are walked; bools,
strings, dtypes,
devices and callables are static. Tensors that the function reads from outside are hidden inputs, and those
that it rebinds
(``x += 1``, ``x.assign``, random draws) hidden outputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, overload

from . import _core, pytree
from .errors import ArgumentError, InvalidValueError, UnsupportedError
from .graph_trace import GraphTrace
from .tracing import Options

_OPTIONS = (
    "static_argnums",
    "static_argnames",
    "donate_argnums",
    "allocator",
    "excess_precision",
    "max_entries",
)


class Kernel(NamedTuple):
    """One fused kernel of a program.

    >>> pg.jit(lambda x: pg.exp(x) + 1.0).explain(pg.zeros(3)).kernels[0].name
    'exp_add'
    """

    name: str
    source: str
    bytes: int  # read and written
    flops: int
    tier: str  # what runs it now: "generated code", "interpreter", or "interpreter: " and why for good
    segments: int = 1  # arrays that one launch computes by themselves; names of such kernels end in _x and it


class Memory(NamedTuple):
    """Bytes that one run of a program needs; library calls may take scratch memory beside.

    >>> pg.jit(lambda x: pg.exp(x) + 1.0).explain(pg.zeros(1000)).memory
    Memory(inputs=4000, outputs=4000, donated=0, temporaries=0, total=8000)
    """

    inputs: int
    outputs: int  # in new memory
    donated: int  # outputs in the memory of donated inputs
    temporaries: int
    total: int  # the peak while it runs


class LibraryCall(NamedTuple):
    """One call of a program that is no fused kernel: a product, a convolution, a function of the host.

    >>> call = pg.jit(lambda x: x @ x).explain(pg.ones((8, 8))).library_calls[0]
    >>> call.name, call.attributes, call.bytes, call.flops
    ('dot_general', 'ab,bc->ac', 768, 1024)
    >>> str(call)
    'dot_general(f32[8,8], f32[8,8], ab,bc->ac) -> f32[8,8]'
    """

    name: str
    text: str  # with the types of operands and results
    attributes: str
    bytes: int  # read and written
    flops: int  # exact for products and convolutions

    def __str__(self) -> str:
        return self.text


class Explanation:
    """What a jitted function did for some arguments; prints well.

    ``kernels``, ``library_calls``, ``control_flow``: what runs. ``rules``: how often each rewrite rule was
    applied, by its name; ``patterns``: the same of registered patterns. ``passes``: seconds that each pass of
    the compiler took. ``compile_time``: seconds in all. ``cache``: "hit" or "miss"; ``retrace_reason``: why
    the function was traced again. ``graph``: as it was traced. ``devices``: of a program over several
    devices, its parts and the copies between them; ``replays``: what GPUs keep from run to run.

    >>> f = pg.jit(lambda x: x * 2.0 + 1.0)
    >>> e = f.explain(pg.zeros(3))
    >>> len(e.kernels), e.library_calls, e.cache, f.explain(pg.zeros(3)).cache
    (1, [], 'miss', 'hit')
    """

    def __init__(self, options: Options, entry: _core.JitEntry, graph: GraphTrace, retraced: bool) -> None:
        details = entry.details()
        self.kernels = [
            Kernel(k["name"], k["source"], int(k["bytes"]), int(k["flops"]), k["tier"], k["segments"])
            for k in details["kernels"]
        ]
        self.library_calls = [
            LibraryCall(c["name"], c["text"], c["attributes"], int(c["bytes"]), int(c["flops"]))
            for c in details["library_calls"]
        ]
        self.rules: dict[str, int] = details["rules"]
        self.patterns: dict[str, int] = details["patterns"]
        self.passes: dict[str, float] = details["passes"]
        self.control_flow: list[str] = list(details["control_flow"])  # their kernels and calls count once
        self.devices: list[str] = list(details["devices"])
        self.replays: list[str] = list(details["replays"])
        self.compile_time: float = details["compile_seconds"]
        need = details["memory"]
        self.memory = Memory(
            need["inputs"], need["outputs"], need["donated"], need["temporaries"], need["total"]
        )
        self.cache = "miss" if retraced else "hit"
        self.graph = graph  # as it was traced
        self.text = entry.explain()
        self.traces = options.traces
        self.retraced = retraced
        self.retrace_reason = options.retrace_reason

    def __str__(self) -> str:
        name = "traced for this call" if self.retraced else "reused a program"
        why = f" because {self.retrace_reason}" if self.retrace_reason else ""
        return f"{name}{why}; {self.traces} traces in all\n{self.text}"

    __repr__ = __str__


class Jit:
    """The type of ``pg.jit``: a decorator, with or without options."""

    @overload
    def __call__(self, function: Callable[..., Any], **options: Any) -> _core.JitFunction: ...
    @overload
    def __call__(self, **options: Any) -> Callable[[Callable[..., Any]], _core.JitFunction]: ...
    def __call__(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """The function compiled; see ``pg.jit``."""
        if function is None:
            return self.withargs(**options)
        return _compile(function, **_checked(options))

    def withargs(self, **options: Any) -> Callable[[Callable[..., Any]], _core.JitFunction]:
        """A decorator with options: ``@pg.jit.withargs(static_argnums=1)``.

        >>> @pg.jit.withargs(static_argnums=1)
        ... def power(x, n):
        ...     return x**n
        >>> power(pg.Tensor([2.0]), 3).tolist()
        [8.0]
        """
        return functools.partial(self.__call__, **_checked(options))


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    for name in options:
        if name not in _OPTIONS:
            import difflib  # rarely needed

            close = difflib.get_close_matches(name, _OPTIONS, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; the options are {', '.join(_OPTIONS)}"
            raise ArgumentError(f"jit: unknown option {name!r}{hint}")
    return options


def _numbers(value: Any, name: str) -> tuple[int, ...]:
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if not all(isinstance(n, int) for n in numbers):
        raise ArgumentError(f"jit: {name} takes an int or several, got {value!r}")
    return numbers


def _compile(
    function: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    allocator: str | None = None,
    excess_precision: bool = False,
    max_entries: int = 64,
) -> _core.JitFunction:
    if not callable(function):
        raise ArgumentError(f"jit: takes a function, got {type(function).__name__}")
    if allocator not in (None, "default", "custom"):
        raise InvalidValueError(f"jit: allocator is 'default' or 'custom', got {allocator!r}")
    if excess_precision:
        raise UnsupportedError("jit: excess_precision=True is not supported: half floats round at every op")
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    donated = _numbers(donate_argnums, "donate_argnums")
    options = Options(function, _numbers(static_argnums, "static_argnums"), names, donated)
    options.custom_allocator = allocator == "custom"
    jitted = _core.JitFunction(function, options.miss, max_entries)
    functools.update_wrapper(jitted, function)
    jitted.options = options
    return jitted


def _explain(self: _core.JitFunction, *args: Any, **kwargs: Any) -> Explanation:
    """What calling with these arguments would run: graph, kernels, memory, why it was retraced."""
    options = self.options
    before = options.traces
    entry = self.entry(*args, **kwargs)
    graph = GraphTrace(entry.graph, pytree.structure((args, kwargs)), pytree.structure(entry.skeleton()))
    return Explanation(options, entry, graph, options.traces > before)


_core.JitFunction.explain = _explain

jit = Jit()
jit.__doc__ = """Compile a function: trace it once per kind of arguments, then run the program.

Options: ``static_argnums``, ``static_argnames`` (arguments that are constants of the program),
``donate_argnums`` (arguments whose tensors the caller never uses again: results are written into their
memory where it fits and nobody else holds it, and using one of them later raises InvalidValueError; a
warning tells once when nothing fits), ``allocator`` ("custom" is accepted on every device), ``max_entries``
(programs kept, 64).

>>> f = pg.jit(lambda x, y: (x * y).sum())
>>> f(pg.ones(3), 2.0).item()
6.0
"""
