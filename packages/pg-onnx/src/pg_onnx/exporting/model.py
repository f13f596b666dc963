"""`export`: a traced function or module as an ONNX file."""

from __future__ import annotations

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
from .constants import write_constant
from .emitting import Writer
from .parts import Graph, Value
from .tracing import Call, Dynamic, dotted, traced

__all__ = ["DEFAULT_OPSET", "export", "to_proto"]

DEFAULT_OPSET = 20
OLDEST_OPSET = 13


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
    call = Call(f, example_args, input_names)
    with _evaluating(f):
        graph, traces, symbols = traced(call, dynamic or {})
    builder = Builder(opset, symbols)
    inputs = _inputs(builder, call, graph)
    weights = _weights(builder, f, names or {}, traces, graph)
    writer = Writer(builder)
    results = writer.run(graph, [*inputs, *weights])
    writer.complain("export")
    outputs = _outputs(builder, results, _output_names(output_names, traces[0].out_tree, len(results)))
    return _model(builder, f, inputs, outputs, opset, metadata or {})


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


# ---- the file


def _inputs(b: Builder, call: Call, graph: Graph) -> list[Value]:
    values = []
    for name, i in zip(call.names, graph.inputs, strict=False):
        record = graph.records[i]
        if b.claim(name) != name:
            raise UsageError(f"export: the input name {name!r} is taken")
        values.append(Value(name, record.shape, record.shape, record.dtype))
    return values


def _weights(
    b: Builder, f: Any, names: Mapping[str, pg.Tensor], traces: Sequence[pg.GraphTrace], graph: Graph
) -> list[Value]:
    """A value for each captured tensor, named as the module or the caller names it."""
    known = {id(tensor): name for name, tensor in names.items()}
    if isinstance(f, StatefulModule):
        for name, tensor in [*f.named_parameters(), *f.named_buffers()]:
            known.setdefault(id(tensor), name)
    captured = list(zip(*(trace.captured for trace in traces), strict=True))
    first = len(graph.inputs) - len(captured)
    return [
        write_constant(b, known.get(id(tensors[0]), "constant"), tensors, graph.records[i])
        for tensors, i in zip(captured, graph.inputs[first:], strict=True)
    ]


def _output_names(names: Sequence[str] | None, tree: Any, count: int) -> list[str]:
    if names is not None:
        if len(names) != count or len(set(names)) != count:
            raise UsageError(f"export: {count} distinct output names are needed, got {list(names)}")
        return list(names)
    paths = pytree.default_registry.tree_paths(tree)
    if count == 1 and paths == [""]:
        return ["output"]
    found = [dotted(path).lstrip(".") for path in paths]
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
