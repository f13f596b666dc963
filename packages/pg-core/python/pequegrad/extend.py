"""For frontends with their own array class and containers: transformations of functions of lists of tensors.

pequegrad's transformations walk pytrees of tensors. A frontend flattens its own containers, and needs what is
left: derivatives as objects, programs whose arguments it reads itself, and functions traced once and applied
often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from . import _core
from ._bodies import Type, trace
from ._core import JitEntry, JitFunction, Tensor
from ._ops.common import items_of
from .errors import ArgumentError, TraceError

Flat = Callable[[list[Tensor]], list[Tensor]]


class Linear:
    """The derivative of a function at a point: pushes tangents forward, pulls cotangents back.

    None stands for zero, in both directions; integers have no tangents.
    """

    def __init__(self, pull: _core.Pullback) -> None:
        self._pull = pull

    def push(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Tangents of the results, from tangents of the inputs.

        >>> from pequegrad import extend
        >>> _, linear = extend.linearize(lambda xs: [xs[0] * xs[0]], [pg.Tensor(3.0)])
        >>> linear.push([pg.Tensor(1.0)])[0].item()
        6.0
        """
        with _core.Trace(False):
            return self._pull.push(tangents)

    def pull(self, cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Cotangents of the inputs, from cotangents of the results.

        >>> from pequegrad import extend
        >>> _, linear = extend.linearize(lambda xs: [xs[0] * xs[0]], [pg.Tensor(3.0)])
        >>> linear.pull([pg.Tensor(10.0)])[0].item()
        60.0
        """
        with _core.Trace(False):
            return self._pull(cotangents)


def linearize(f: Flat, inputs: Sequence[Tensor]) -> tuple[list[Tensor], Linear]:
    """The results of ``f(inputs)``, and its derivative there. f is called once, with stand-ins that have
    values.

    >>> from pequegrad import extend
    >>> outs, _ = extend.linearize(lambda xs: [xs[0] * 2.0, xs[0]], [pg.Tensor(3.0)])
    >>> [y.item() for y in outs]
    [6.0, 3.0]
    """
    inputs = items_of(inputs, "linearize")
    with _core.Trace(False) as opened:
        stand_ins = [opened.alias(x) for x in inputs]
        made = f([opened.alias(x) for x in stand_ins])
        outs, pull = _core.vjp(made, stand_ins, inputs)
    return outs, Linear(pull)


def jvp(
    f: Flat, inputs: Sequence[Tensor], tangents: Sequence[Tensor | None]
) -> tuple[list[Tensor], list[Tensor | None]]:
    """The results of ``f(inputs)``, and their tangents; None stands for zero.

    >>> from pequegrad import extend
    >>> outs, rates = extend.jvp(lambda xs: [xs[0] * xs[0]], [pg.Tensor(3.0)], [pg.Tensor(1.0)])
    >>> outs[0].item(), rates[0].item()
    (9.0, 6.0)
    """
    inputs, tangents = items_of(inputs, "jvp"), items_of(tangents, "jvp")
    with _core.Trace(False) as opened:
        stand_ins = [opened.alias(x) for x in inputs]
        made = f([opened.alias(x) for x in stand_ins])
        return _core.jvp(made, stand_ins, inputs, tangents)


class Closed(NamedTuple):
    """A function traced once, to be applied to tensors of the same types any number of times."""

    body: _core.ClosedBody
    captures: list[Tensor]

    @property
    def free(self) -> bool:
        """Whether what it read from outside stays what it is, so that it may be kept."""
        return all(_core.is_free(x) for x in self.captures)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        return _core.call_body(self.body, [*self.captures, *inputs])

    def __str__(self) -> str:
        return str(self.body)


def close(f: Flat, types: Sequence[Tensor], what: str = "close") -> Closed:
    """Trace f on placeholders of the types of these tensors.

    >>> from pequegrad import extend
    >>> double = extend.close(lambda xs: [xs[0] + xs[0]], [pg.zeros(2)])
    >>> [y.tolist() for y in double([pg.ones(2)])]
    [[2.0, 2.0]]
    """
    types = items_of(types, what)
    for x in types:
        if not isinstance(x, Tensor):
            raise ArgumentError(f"{what}: the types are those of tensors, got {type(x).__name__}")
    traced = trace(f, [Type(x.shape, x.dtype, False, x.device.pair) for x in types], what)
    if traced.written:
        raise TraceError(f"{what}: the function changes a tensor from outside")
    (body,), captures = _core.close_bodies([traced.parts])
    return Closed(body, captures)


Param = Callable[..., Tensor]  # (shape, dtype, weak=False, device=(0, 0)) -> a placeholder
Walk = Callable[[Param, tuple[Any, ...], dict[str, Any]], tuple[Any, list[Tensor], Any]]


def jit(inside: Callable[..., Any], walk: Walk, max_entries: int = 64) -> JitFunction:
    """A compiled function whose arguments are read as ``walk`` says, once per kind of arguments.

    ``walk(param, args, kwargs)`` replaces tensors by placeholders ``param(shape, dtype)``, calls the
    function, and returns the spec of ``(args, kwargs)``, the traced tensors of the result, and its spec, in
    the words of ``_core.JitEntry``. Later calls that fit a spec run the program without Python. Inside of
    other traces ``inside`` is called instead.

    >>> from pequegrad import extend
    >>> def walk(param, args, kwargs):
    ...     x = param((), pg.float32)
    ...     tensor = ("tensor", (), pg.float32.code, False, (0, 0))
    ...     return ("tuple", (("tuple", (tensor,)), ("dict", (), ()))), [x * 2.0], ("out", 0)
    >>> extend.jit(lambda x: x * 2.0, walk)(pg.Tensor(3.0)).item()
    6.0
    """

    def miss(jitted: JitFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JitEntry:
        params: list[Tensor] = []
        with _core.Trace(True) as opened:

            def param(
                shape: tuple[int, ...], dtype: Any, weak: bool = False, device: tuple[int, int] = (0, 0)
            ) -> Tensor:
                params.append(opened.param(shape, dtype.code, weak, device))
                return params[-1]

            in_spec, outs, out_spec = walk(param, args, kwargs)
            outs = [+x for x in outs]
        return JitEntry(opened, in_spec, params, outs, out_spec)

    return JitFunction(inside, miss, max_entries)


def inside_trace() -> bool:
    """Whether a function is being traced on this thread.

    >>> from pequegrad import extend
    >>> extend.inside_trace()
    False
    """
    return _core.trace_open()
