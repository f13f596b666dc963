"""Tracing: what a call of a jitted function becomes when no program fits it, and graphs to look at."""

from __future__ import annotations

import enum
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _core, dt, guards, pytree
from ._core import Tensor
from ._ops.common import as_tensor, operand
from .device import Device
from .errors import ArgumentError, PytreeError
from .graph_trace import GraphTrace

_WARN_AFTER = 16


def make_trace(f: Callable[..., Any]) -> Callable[..., GraphTrace]:
    """The function that returns the graph of f for arguments like those given, without computing anything.

    >>> print(pg.make_trace(lambda x: pg.sin(x))(pg.zeros(3)))
    graph(%0: f32[3]):
      %1: f32[3] = sin(%0)
      return %1
    <BLANKLINE>
    """

    @functools.wraps(f)
    def traced(*args: Any, **kwargs: Any) -> GraphTrace:
        with _core.Trace(True) as open_trace:
            arguments = _Arguments(open_trace, {}, set(), {})
            _, new_args, new_kwargs = arguments.replace(args, kwargs)
            leaves, out_tree = pytree.flatten(f(*new_args, **new_kwargs))
            outs = [+as_tensor(leaf) for leaf in leaves]
            graph = _core.GraphTrace(arguments.params, outs)
            return GraphTrace(graph, pytree.structure((args, kwargs)), out_tree)

    return traced


class _OpenJit(threading.local):
    """The guards that the trace in progress in this thread has met, or None outside of jit."""

    met: dict[tuple[int, str], tuple[Any, guards.Fact]] | None = None


_open_jit = _OpenJit()


def guard(obj: Any, attribute: str, value: Any) -> None:
    """Tell the jit trace in progress that it relies on an attribute having a value; a change retraces.

    For configuration that a library reads while a function is traced, such as the training mode of a module.
    Does nothing outside of jit.

    >>> import types
    >>> from pequegrad.tracing import guard
    >>> settings = types.SimpleNamespace(scale=2.0)
    >>> def read_scale():
    ...     guard(settings, "scale", settings.scale)
    ...     return settings.scale
    >>> f = pg.jit(lambda x: x * read_scale())
    >>> f(pg.ones(())).item()
    2.0
    >>> settings.scale = 3.0
    >>> f(pg.ones(())).item()
    3.0
    """
    met = _open_jit.met
    if met is not None and (id(obj), attribute) not in met:
        # The object is kept until the trace ends, so that its id stays its own.
        met[id(obj), attribute] = (obj, guards.of_attribute(obj, attribute, value))


class _Arguments:
    """Replaces tensors and numbers among arguments by placeholders, and writes down the spec of what was
    met.
    """

    def __init__(
        self, trace: _core.Trace, static: dict[Any, str], static_names: set[str], donate: dict[Any, str]
    ) -> None:
        self.trace = trace
        self.static, self.static_names, self.donate = static, static_names, donate
        self.params: list[Tensor] = []
        self.donated: list[int] = []  # places in params

    def replace(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """The spec, and the arguments with placeholders."""
        specs, values = [], []
        for i, arg in enumerate(args):
            is_static = i in self.static or i - len(args) in self.static
            before = len(self.params)
            spec, value = (
                self._static(arg, f"argument {i}") if is_static else self._abstract(arg, f"argument {i}")
            )
            specs.append(spec)
            values.append(value)
            if i in self.donate or i - len(args) in self.donate:
                self.donated += range(before, len(self.params))
        key_specs, named = [], {}
        for name, arg in kwargs.items():
            path = f"argument {name!r}"
            spec, named[name] = (
                self._static(arg, path) if name in self.static_names else self._abstract(arg, path)
            )
            key_specs.append(spec)
        spec = ("tuple", (("tuple", tuple(specs)), ("dict", tuple(kwargs), tuple(key_specs))))
        return spec, tuple(values), named

    def _param(self, shape: tuple[int, ...], kind: dt.DType, weak: bool, device: tuple[int, int]) -> Tensor:
        made = self.trace.param(shape, kind.code, weak, device)
        self.params.append(made)
        return made

    def _static(self, x: Any, path: str) -> tuple[Any, Any]:
        try:
            hash(x)
        except TypeError:
            raise ArgumentError(
                f"jit: {path} is static and a {type(x).__name__} cannot be hashed; pass a tuple, or a "
                "frozen dataclass"
            ) from None
        return ("static", x), x

    def _abstract(self, x: Any, path: str) -> tuple[Any, Any]:
        """What the key holds of an argument, and its stand-in."""
        try:
            return self._walk(x, path)
        except RecursionError:
            raise PytreeError(f"jit: {path} is nested too deeply, or holds itself") from None

    def _walk(self, x: Any, path: str) -> tuple[Any, Any]:
        kind = type(x)
        if isinstance(x, Tensor):
            device = x.device.pair
            return ("tensor", x.shape, x.dtype.code, x.weak, device), self._param(
                x.shape, x.dtype, x.weak, device
            )
        if kind is float or (isinstance(x, np.floating) and not isinstance(x, np.longdouble)):
            # float64, so that nothing is lost before a float64 tensor; beside others it counts as float32.
            return ("float",), self._param((), dt.float64, True, (0, 0))
        if kind is complex or isinstance(x, np.complexfloating):
            code, pair = dt.complex128.code, (0, 0)
            return ("tensor", (), code, True, pair), self._param((), dt.complex128, True, pair)
        if kind is int or isinstance(x, np.integer):
            return ("int",), self._param((), dt.int64, True, (0, 0))
        if x is None:
            return ("none",), None
        if kind is tuple or kind is list:
            walked = [self._walk(child, f"{path}[{i}]") for i, child in enumerate(x)]
            return (kind.__name__, tuple(spec for spec, _ in walked)), kind(value for _, value in walked)
        if kind is dict:
            pairs = [(key, *self._walk(child, f"{path}[{key!r}]")) for key, child in x.items()]
            return ("dict", tuple(key for key, _, _ in pairs), tuple(spec for _, spec, _ in pairs)), {
                key: v for key, _, v in pairs
            }
        if isinstance(x, (bool, str, bytes, enum.Enum, dt.DType, Device, np.bool_)):
            return ("static", x), x
        container = pytree.default_registry.container(kind)
        if container is not None:
            children, aux = container.flatten(x)
            walked = [self._walk(child, f"{path}.<child {i}>") for i, child in enumerate(children)]
            spec = _container_spec(kind, container, container.flatten, aux, [spec for spec, _ in walked])
            return spec, container.unflatten(aux, [value for _, value in walked])
        if not callable(x):
            tensor = operand(x)
            if isinstance(tensor, Tensor):
                device = tensor.device.pair
                return ("tensor", tensor.shape, tensor.dtype.code, False, device), self._param(
                    tensor.shape, tensor.dtype, False, device
                )
        try:
            hash(x)
        except TypeError:
            raise ArgumentError(
                f"jit: {path} is a {kind.__name__}, which is neither a tensor, a number nor a known "
                "container and cannot be "
                "hashed; register it with pg.pytree.register, or pass its tensors"
            ) from None
        return ("static", x), x


def _container_spec(
    kind: type, container: pytree.Container, function: Callable[..., Any], aux: Any, children: list[Any]
) -> Any:
    """The spec of a container: its attributes where these are all there is, so that calls run no Python."""
    if container.fields is None:
        return ("object", kind, function, aux, tuple(children))
    dynamic, static = container.fields
    return ("fields", kind, (*dynamic, *static), (*children, *(("static", value) for value in aux)))


class _Results:
    """Collects the tensors of a result and writes down its spec."""

    def __init__(self) -> None:
        self.outs: list[Tensor] = []

    def walk(self, x: Any) -> Any:
        kind = type(x)
        if isinstance(x, Tensor):
            self.outs.append(
                +x
            )  # inside the trace: a captured tensor returned as it is becomes its placeholder
            return ("out", len(self.outs) - 1)
        if x is None:
            return ("none",)
        if kind is tuple or kind is list:
            return (kind.__name__, tuple(self.walk(child) for child in x))
        if kind is dict:
            return ("dict", tuple(x), tuple(self.walk(child) for child in x.values()))
        container = pytree.default_registry.container(kind)
        if container is not None:
            children, aux = container.flatten(x)
            return _container_spec(
                kind, container, container.unflatten, aux, [self.walk(child) for child in children]
            )
        return ("static", x)


class Options:
    """What ``pg.jit`` was told, and what it noticed about one function."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: Sequence[int],
        static_argnames: Sequence[str],
        donate_argnums: Sequence[int],
    ) -> None:
        self.function = function
        self.donate_argnums = dict.fromkeys(donate_argnums, "")
        self.static_argnums = dict.fromkeys(static_argnums, "")
        self.static_argnames = set(static_argnames)
        self.retrace_reason: str | None = None
        self.warned_of_donations = False
        self.traces = 0
        self.custom_allocator = False

    def miss(
        self, jitted: _core.JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _core.JitEntry:
        """Trace the function for arguments that no entry fits."""
        with _core.Trace(True) as open_trace:
            arguments = _Arguments(open_trace, self.static_argnums, self.static_argnames, self.donate_argnums)
            in_spec, new_args, new_kwargs = arguments.replace(args, kwargs)
            self._note(jitted, in_spec)
            results = _Results()
            outer, _open_jit.met = _open_jit.met, {}
            try:
                out_spec = results.walk(self.function(*new_args, **new_kwargs))
                met = _open_jit.met
            finally:
                _open_jit.met = outer
            if outer is not None:  # the outer program contains this one, and relies on the same
                outer.update(met)
        # After the trace, so that handles it rebound name their values again while the program is compiled.
        watched = guards.of(self.function, [found for _, found in met.values()])
        entry = _core.JitEntry(
            open_trace, in_spec, arguments.params, results.outs, out_spec, watched, arguments.donated
        )
        entry.custom_allocator = self.custom_allocator
        unused = entry.unused_donations
        if unused and not self.warned_of_donations:
            self.warned_of_donations = True
            warnings.warn(
                f"pg.jit: {self._name()} is given {', '.join(unused)} to keep (donate_argnums), but no "
                "result of that size can take the memory",
                stacklevel=4,
            )
        return entry

    def _name(self) -> str:
        return getattr(self.function, "__qualname__", "the function")

    def _note(self, jitted: _core.JitFunction, in_spec: Any) -> None:
        self.traces += 1
        self.retrace_reason = None
        entries = jitted.entries
        if entries:
            last = entries[-1]
            self.retrace_reason = (
                difference(last.in_spec, in_spec) or last.changed() or "its program was dropped"
            )
        if self.traces == _WARN_AFTER + 1:
            warnings.warn(
                f"pg.jit: {self._name()} is traced for the {self.traces}th time, now because "
                f"{self.retrace_reason}; pass what changes as "
                "a tensor or a float, or mark it static and keep it constant",
                stacklevel=4,
            )


def difference(old: Any, new: Any, path: str = "") -> str | None:
    """Where two specs part, in words; None when they are equal."""
    where = path or "the arguments"
    if old[0] != new[0]:
        return f"{where}: {_kind(old)} became {_kind(new)}"
    word = old[0]
    if word == "tensor":
        names = ("shape", "dtype", "weak", "device")
        for name, a, b in zip(names, old[1:], new[1:], strict=True):
            if a != b:
                a, b = (dt.all_dtypes[a], dt.all_dtypes[b]) if name == "dtype" else (a, b)
                return f"{where}: {name} {a} became {b}"
        return None
    if word == "static":
        same = type(old[1]) is type(new[1]) and (old[1] is new[1] or old[1] == new[1])
        return None if same else f"{where}: static value {old[1]!r} became {new[1]!r}"
    if word == "dict" and set(old[1]) != set(new[1]):
        return f"{where}: keys {list(old[1])} became {list(new[1])}"
    if word in ("object", "fields") and old[1] is not new[1]:
        return f"{where}: {old[1].__name__} became {new[1].__name__}"
    if word in ("tuple", "list", "dict", "object", "fields"):
        a, b = old[-1], new[-1]
        if len(a) != len(b):
            return f"{where}: {len(a)} elements became {len(b)}"
        keys = old[1] if word == "dict" else old[2] if word == "fields" else range(len(a))
        for i, key in enumerate(keys):
            j = list(new[1]).index(key) if word == "dict" else i
            step = (
                (f".{key}" if word == "fields" else f"[{key!r}]")
                if path
                else ("positional" if i == 0 else "keyword")
            )
            step = f"argument {key!r}" if path in ("positional", "keyword") else path + step
            found = difference(a[i], b[j], step)
            if found:
                return found
        if word == "object" and old[3] != new[3]:
            return f"{where}: configuration of {old[1].__name__} changed"
    return None


def _kind(spec: Any) -> str:
    word = spec[0]
    if word in ("object", "fields"):
        return str(spec[1].__name__)
    return f"static {spec[1]!r}" if word == "static" else f"a {word}"
