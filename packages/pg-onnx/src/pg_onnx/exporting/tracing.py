"""Arguments and their names; the traces of one function for several sizes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pequegrad as pg
from pequegrad import pytree
from pg_nn import StatefulModule

from ..errors import UnsupportedError, UsageError
from .emitting import merged
from .parts import Graph
from .sizes import Symbol, Symbols

Dynamic = Mapping[str, Mapping[int, str] | Sequence[int]]
Traced = tuple[Graph, list[pg.GraphTrace], Symbols]


class Call:
    """A function of the tensors among its arguments, with a name for each."""

    def __init__(self, f: Callable[..., Any], example_args: Any, names: Sequence[str] | None) -> None:
        args = example_args if isinstance(example_args, tuple) else (example_args,)
        if not callable(f):
            raise UsageError(f"export: needs a function or a module, got {type(f).__name__}")
        self.f = f
        leaves, self.tree = pytree.flatten(args)
        self.leaves = [leaf if _static(leaf) else pg.Tensor(leaf) for leaf in leaves]
        self.places = [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, pg.Tensor)]
        paths = _argument_names(f, args)
        found = [paths[i] for i in self.places]
        if names is not None and len(names) != len(found):
            raise UsageError(f"export: {len(names)} input names given for {len(found)} inputs {found}")
        self.names = list(names) if names is not None else found
        if len(set(self.names)) != len(self.names):
            raise UsageError(f"export: input names are not distinct: {self.names}")

    @property
    def tensors(self) -> list[pg.Tensor]:
        return [self.leaves[i] for i in self.places]

    def trace(self, shapes: Sequence[tuple[int, ...]]) -> pg.GraphTrace:
        """The trace for arguments of these shapes; nothing is computed."""

        def run(*tensors: pg.Tensor) -> Any:
            leaves = list(self.leaves)
            for place, tensor in zip(self.places, tensors, strict=True):
                leaves[place] = tensor
            return self.f(*pytree.unflatten(self.tree, leaves))

        given = [
            tensor if tuple(tensor.shape) == tuple(shape) else pg.zeros(shape, dtype=tensor.dtype)
            for tensor, shape in zip(self.tensors, shapes, strict=True)
        ]
        return pg.make_trace(run)(*given)


def _static(leaf: Any) -> bool:
    return isinstance(leaf, (bool, str, bytes, pg.Tensor)) or leaf is None or callable(leaf)


def _argument_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """A name for each leaf: the parameter's, and the path inside of it."""
    target = f.forward if isinstance(f, StatefulModule) else f
    try:
        bound = inspect.signature(target).bind(*args)
        heads = []
        for name, parameter in inspect.signature(target).parameters.items():
            if name in bound.arguments:
                several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
                count = len(bound.arguments[name]) if several else 1
                heads += [f"{name}_{i}" for i in range(count)] if several else [name]
    except (TypeError, ValueError):
        heads = [f"input_{i}" for i in range(len(args))]
    out = []
    for path in pytree.paths(args):
        match = re.match(r"\[(\d+)\](.*)", path)
        head, rest = (heads[int(match[1])], match[2]) if match else ("input", path)
        out.append(head + dotted(rest))
    return out


def dotted(path: str) -> str:
    """``['w'][0].bias`` as ``.w.0.bias``."""
    return re.sub(
        r"\[(?:'([^']*)'|\"([^\"]*)\"|([^\]]*))\]", lambda m: "." + (m[1] or m[2] or m[3] or ""), path
    )


# ---- open sizes


def traced(call: Call, dynamic: Dynamic) -> Traced:
    """The graph of the call, in which extents are open; the traces that it was merged from."""
    shapes = [list(t.shape) for t in call.tensors]
    places = _places(call, shapes, dynamic)
    if not places:
        trace = call.trace([tuple(s) for s in shapes])
        return merged([trace]), [trace], Symbols()
    # Sizes that happen to equal others may give nodes that happen to be one; then other sizes are tried.
    problem: Exception | None = None
    for shift in (0, 1, 4):
        try:
            return _merged_sizes(call, shapes, places, shift)
        except (UnsupportedError, pg.errors.PequegradError) as error:
            problem = problem or error
    assert problem is not None
    raise problem


_Places = dict[str, list[tuple[int, int]]]  # of each open size: inputs and their axes


def _places(call: Call, shapes: Sequence[Sequence[int]], dynamic: Dynamic) -> _Places:
    places: _Places = {}
    for name, axes in dynamic.items():
        if name not in call.names:
            raise UsageError(f"export: dynamic= names {name!r}, but the inputs are {call.names}")
        k = call.names.index(name)
        chosen = axes if isinstance(axes, Mapping) else {a: f"{name}_{a}" for a in axes}
        for axis, symbol in chosen.items():
            if not -len(shapes[k]) <= axis < len(shapes[k]):
                raise UsageError(
                    f"export: dynamic= names axis {axis} of {name!r}, which has shape {shapes[k]}"
                )
            places.setdefault(str(symbol), []).append((k, axis % len(shapes[k])))
    for symbol, found in places.items():
        given = {shapes[k][axis] for k, axis in found}
        if len(given) != 1:
            raise UsageError(f"export: the size {symbol!r} is {sorted(given)} in the example arguments")
    return places


def _merged_sizes(call: Call, shapes: Sequence[list[int]], places: _Places, shift: int) -> Traced:
    """A trace for one choice of sizes, one more for each size changed alone, and one for all changed."""

    def with_sizes(sizes: Mapping[str, int]) -> pg.GraphTrace:
        now = [list(s) for s in shapes]
        for symbol, found in places.items():
            for k, axis in found:
                now[k][axis] = sizes[symbol]
        return call.trace([tuple(s) for s in now])

    base: dict[str, int] = {}
    for symbol, found in places.items():
        size = max(shapes[found[0][0]][found[0][1]], 2)  # an extent of 1 broadcasts
        base[symbol] = next(n for n in _from(size) if n not in base.values())
    traces, runs = [with_sizes(base)], [base]
    other: dict[str, int] = {}
    for symbol, size in base.items():
        used = {*base.values(), *other.values()}

        def changed(n: int, symbol: str = symbol) -> pg.GraphTrace:
            return with_sizes({**base, symbol: n})

        trace, other[symbol] = _another(changed, size, used, symbol, shift)
        traces.append(trace)
        runs.append({**base, symbol: other[symbol]})
    if len(base) > 1:
        traces.append(with_sizes(other))
        runs.append(other)
    # Two sizes lie on a line whatever is computed from them; a third one, if the function takes one, tells.
    for further in (lambda n: 2 * n + 3, lambda n: n + 3, lambda n: n + 2, lambda n: max(2, n - 2)):
        third = {symbol: further(size) for symbol, size in other.items()}
        try:
            traces.append(with_sizes(third))
        except pg.errors.PequegradError:
            continue
        runs.append(third)
        break
    symbols = []
    for symbol, found in places.items():
        k, axis = found[0]
        symbols.append(Symbol(symbol, tuple(run[symbol] for run in runs), call.names[k], axis))
    return merged(traces), traces, Symbols(symbols)


def _from(n: int) -> Iterator[int]:
    while True:
        yield n
        n += 1


def _another(
    trace: Callable[[int], pg.GraphTrace], size: int, used: set[int], symbol: str, shift: int
) -> tuple[pg.GraphTrace, int]:
    """A trace with another size: one that the function takes, larger or smaller."""
    problem: Exception | None = None
    candidates = (*range(size + 1 + shift, size + 6 + shift), 2 * size, size - 1, size // 2)
    for other in sorted(candidates, key=lambda n: n in used):
        if other < 2 or other == size:
            continue
        try:
            return trace(other), other
        except pg.errors.PequegradError as error:
            problem = problem or error
    raise UsageError(f"export: the function takes no other size {symbol!r} than {size}: {problem}")
