"""`export`: a traced function or module as an ONNX file."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import pequegrad as pg
from onnx import helper
from pequegrad import pytree
from pg_nn import StatefulModule

from ..errors import UsageError
from ..importer import OnnxModule
from ..writing import write_model
from .again import rewritten
from .builder import Builder
from .emitting import Writer, merged
from .parts import Graph, Value
from .sizes import Symbol, Symbols

__all__ = ["DEFAULT_OPSET", "export", "to_proto"]

DEFAULT_OPSET = 20
OLDEST_OPSET = 13

Dynamic = Mapping[str, Mapping[int, str] | Sequence[int]]


def export(
    f: Callable[..., Any],
    example_args: Any,
    path: str | os.PathLike[str],
    *,
    opset: int | None = None,
    dynamic: Dynamic | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    names: Mapping[str, pg.Tensor] | None = None,
    metadata: Mapping[str, str] | None = None,
    external_data: bool | None = None,
    overwrite: bool = True,
) -> None:
    """Write what ``f(*example_args)`` computes to an ONNX file.

    The function is traced with tensors like the arguments, whose values do not matter, and every record of
    the trace is written as operators of the opset; softmax, layer normalisation, convolutions with their
    biases and the like become the one operator that says so. A module is traced in evaluation mode and its
    parameters keep their names. A gradient is a function like any other.

    Args:
        f: a function of tensors (and pytrees of them), or a module of pg_nn. An imported module without
            example arguments is written as the file it came from, with the numbers that changed.
        example_args: the arguments: a tensor, or a tuple of pytrees.
        path: where to write; the file appears complete or not at all.
        opset: 13 or newer; 20 by default.
        dynamic: extents that stay open: ``{"x": {0: "batch"}}``, or ``{"x": [0]}`` to have names made.
            The function is traced with several sizes, and must compute the same for all.
        input_names, output_names: instead of those of the function's parameters, and ``output``.
        names: names for tensors that the function reads from outside, as ``model.params_dict()`` has them.
        metadata: further entries of the file's metadata.
        external_data: put the weights into a file beside it; by default where they exceed 1.5 GiB.
        overwrite: False refuses to replace a file.

    Raises:
        UnsupportedError: for all that ONNX cannot say, in one error.
        UsageError: for names, opsets or sizes that do not fit.
        FileError: when the file cannot be written.

    >>> import pg_nn as nn, pg_onnx, onnx, tempfile, pathlib
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "mlp.onnx")
    ...     pg_onnx.export(model, pg.ones((5, 3)), file, dynamic={"x": {0: "batch"}})
    ...     graph = onnx.load(file).graph
    >>> [node.op_type for node in graph.node], [w.name for w in graph.initializer]
    (['Gemm', 'Relu', 'Gemm'], ['0.weight', '0.bias', '2.weight', '2.bias'])
    """
    model = to_proto(
        f,
        example_args,
        opset=opset,
        dynamic=dynamic,
        input_names=input_names,
        output_names=output_names,
        names=names,
        metadata=metadata,
    )
    write_model(model, path, external_data=external_data, overwrite=overwrite)


def to_proto(
    f: Callable[..., Any],
    example_args: Any,
    *,
    opset: int | None = None,
    dynamic: Dynamic | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    names: Mapping[str, pg.Tensor] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The same as `export`, as an object of the onnx package instead of a file.

    >>> import pg_onnx
    >>> model = pg_onnx.to_proto(lambda x: pg.softmax(x, 1), pg.ones((2, 3)))
    >>> model.graph.node[0].op_type, [i.name for i in model.graph.input]
    ('Softmax', ['x'])
    """
    if example_args is None and isinstance(f, OnnxModule):
        if any(x is not None for x in (opset, dynamic, input_names, output_names, names)):
            raise UsageError(
                "export: an imported model keeps its opset and names unless example_args are given"
            )
        model = rewritten(f)
        _add_metadata(model, metadata or {})
        return model
    opset = DEFAULT_OPSET if opset is None else opset
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int) or not OLDEST_OPSET <= opset <= newest:
        raise UsageError(f"export: opset must be {OLDEST_OPSET} to {newest}, got {opset!r}")
    call = _Call(f, example_args, input_names)
    with _evaluating(f):
        traces, symbols = _traces(call, dynamic or {})
    graph = merged(traces)
    builder = Builder(opset, symbols)
    inputs = _inputs(builder, call, graph)
    weights = _weights(builder, f, names or {}, traces[0], graph)
    writer = Writer(builder)
    results = writer.run(graph, [*inputs, *weights])
    writer.complain("export")
    outputs = _outputs(builder, results, _output_names(output_names, traces[0].out_tree, len(results)))
    return _model(builder, f, inputs, outputs, opset, metadata or {})


# ---- arguments


class _Call:
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
        out.append(head + _dotted(rest))
    return out


def _dotted(path: str) -> str:
    """``['w'][0].bias`` as ``.w.0.bias``."""
    return re.sub(
        r"\[(?:'([^']*)'|\"([^\"]*)\"|([^\]]*))\]", lambda m: "." + (m[1] or m[2] or m[3] or ""), path
    )


@contextmanager
def _evaluating(f: Any) -> Iterator[None]:
    """A module is traced in evaluation mode, and is afterwards as it was."""
    modes = [(m, m.training) for m in f.modules()] if isinstance(f, StatefulModule) else []
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode


# ---- open sizes


def _traces(call: _Call, dynamic: Dynamic) -> tuple[list[pg.GraphTrace], Symbols]:
    """A trace for the given sizes and one more for each open size, changed alone and then all together."""
    shapes = [list(t.shape) for t in call.tensors]
    places: dict[str, list[tuple[int, int]]] = {}
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
    if not places:
        return [call.trace([tuple(s) for s in shapes])], Symbols()
    sizes: dict[str, int] = {}
    for symbol, found in places.items():
        given = {shapes[k][axis] for k, axis in found}
        if len(given) != 1:
            raise UsageError(f"export: the size {symbol!r} is {sorted(given)} in the example arguments")
        sizes[symbol] = given.pop()
    return _several_traces(call, shapes, places, sizes)


def _several_traces(
    call: _Call, shapes: list[list[int]], places: dict[str, list[tuple[int, int]]], given: dict[str, int]
) -> tuple[list[pg.GraphTrace], Symbols]:
    def with_sizes(sizes: Mapping[str, int]) -> pg.GraphTrace:
        now = [list(s) for s in shapes]
        for symbol, found in places.items():
            for k, axis in found:
                now[k][axis] = sizes[symbol]
        return call.trace([tuple(s) for s in now])

    # An extent of 1 broadcasts, so it says nothing about others.
    base = {symbol: max(size, 2) for symbol, size in given.items()}
    runs = [base]
    other: dict[str, int] = {}
    traces = [with_sizes(base)]
    for symbol, size in base.items():

        def changed(n: int, symbol: str = symbol) -> pg.GraphTrace:
            return with_sizes({**base, symbol: n})

        trace, other[symbol] = _another(changed, size, symbol)
        traces.append(trace)
        runs.append({**base, symbol: other[symbol]})
    if len(base) > 1:
        traces.append(with_sizes(other))
        runs.append(other)
    symbols = []
    for symbol, found in places.items():
        k, axis = found[0]
        symbols.append(Symbol(symbol, tuple(run[symbol] for run in runs), call.names[k], axis))
    return traces, Symbols(symbols)


def _another(trace: Callable[[int], pg.GraphTrace], size: int, symbol: str) -> tuple[pg.GraphTrace, int]:
    """A trace with another size: one that the function takes, larger or smaller."""
    error: Exception | None = None
    for other in (size + 1, 2 * size, size - 1, size // 2):
        if other < 2 or other == size:
            continue
        try:
            return trace(other), other
        except pg.errors.PequegradError as problem:
            error = error or problem
    raise UsageError(f"export: the function takes no other size {symbol!r} than {size}: {error}")


# ---- the file


def _inputs(b: Builder, call: _Call, graph: Graph) -> list[Value]:
    values = []
    for name, i in zip(call.names, graph.inputs, strict=False):
        record = graph.records[i]
        if b.claim(name) != name:
            raise UsageError(f"export: the input name {name!r} is taken")
        values.append(Value(name, record.shape, record.shape, record.dtype))
    return values


def _weights(
    b: Builder, f: Any, names: Mapping[str, pg.Tensor], trace: pg.GraphTrace, graph: Graph
) -> list[Value]:
    """An initializer for each captured tensor, named as the module or the caller names it."""
    known = {id(tensor): name for name, tensor in names.items()}
    if isinstance(f, StatefulModule):
        for name, tensor in [*f.named_parameters(), *f.named_buffers()]:
            known.setdefault(id(tensor), name)
    values = []
    first = len(graph.inputs) - len(trace.captured)
    for tensor, i in zip(trace.captured, graph.inputs[first:], strict=True):
        name = b.initializer(known.get(id(tensor), "constant"), tensor.numpy())
        shape = graph.records[i].shape
        values.append(Value(name, shape, shape, graph.records[i].dtype))
    return values


def _output_names(names: Sequence[str] | None, tree: Any, count: int) -> list[str]:
    if names is not None:
        if len(names) != count or len(set(names)) != count:
            raise UsageError(f"export: {count} distinct output names are needed, got {list(names)}")
        return list(names)
    paths = pytree.default_registry.tree_paths(tree)
    if count == 1 and paths == [""]:
        return ["output"]
    found = [_dotted(path).lstrip(".") for path in paths]
    return [f"output_{name}" if name.isdigit() or not name else name for name in found]


def _outputs(b: Builder, results: Sequence[Value], names: Sequence[str]) -> list[Value]:
    """The results under their names: a node's result is renamed, anything else passes through Identity."""
    full = [b.full(value) for value in results]
    made = {name: node for node in b.nodes for name in node.output}
    final: dict[str, str] = {}
    b.where = ""
    for name, wanted in zip(full, names, strict=True):
        if wanted in b.taken and wanted not in full:
            raise UsageError(f"export: the output name {wanted!r} is taken; pass output_names=")
        if name in made and name not in final:
            final[name] = wanted
        else:
            node = helper.make_node("Identity", [name], [wanted], name=b.fresh("Identity"))
            b.nodes.append(node)
    for node in b.nodes:
        _rename(node, final)
    return [Value(n, v.shape, v.shape, v.dtype) for n, v in zip(names, results, strict=True)]


def _rename(node: onnx.NodeProto, final: Mapping[str, str]) -> None:
    stack = [node]
    while stack:
        current = stack.pop()
        for names in (current.input, current.output):
            for i, name in enumerate(names):
                if name in final:
                    names[i] = final[name]
        for attribute in current.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                stack.extend(attribute.g.node)


def _model(
    b: Builder,
    f: Any,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    opset: int,
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    title = type(f).__name__ if isinstance(f, StatefulModule) else getattr(f, "__name__", "function")
    used = {name for node in b.nodes for name in _read(node)}
    for name in [name for name in b.initializers if name not in used]:
        del b.initializers[name]
    graph = helper.make_graph(
        b.nodes,
        re.sub(r"\W+", "_", title) or "function",
        [b.value_info(v.name, v.dtype, v.shape) for v in inputs],
        [b.value_info(v.name, v.dtype, v.shape) for v in outputs],
        initializer=b.tensors(),
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph,
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="pequegrad",
        producer_version=_version(),
    )
    _add_metadata(model, metadata)
    return model


def _add_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    known = {entry.key: entry for entry in model.metadata_props}
    for key, value in metadata.items():
        entry = known.get(str(key)) or model.metadata_props.add(key=str(key))
        entry.value = str(value)


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node and the graphs in it read."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from _read(inner)


def _version() -> str:
    from .. import __version__

    return __version__
