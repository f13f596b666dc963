"""``GraphTrace``: the graph of a traced function as a thing to look at, as text, DOT or an HTML page."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core, dt, pytree
from .graph_options import options_of

if TYPE_CHECKING:
    from .tensor import Tensor


class TraceNode(NamedTuple):
    """One node of a traced graph.

    >>> node = pg.make_trace(lambda x: x.sum(0))(pg.zeros((2, 3))).nodes[-1]
    >>> node.op, node.operands, node.shape, node.dtype, node.kind
    ('reduce_sum', (0,), (3,), float32, 'reduction')
    """

    op: str
    operands: tuple[int, ...]  # positions in GraphTrace.nodes
    attributes: str
    shape: tuple[int, ...]
    dtype: dt.DType
    kind: str  # elementwise, view, reduction, call, constant, input
    file: str  # of the user's Python code; "" where the node has no line
    line: int
    function: str
    bodies: tuple[tuple[str, GraphTrace], ...]  # of control flow: what each sub-graph is for, and the graph
    words: tuple[int, ...] = ()  # the attributes as the record holds them

    @property
    def options(self) -> dict[str, Any]:
        """The attributes by name, for programs: shapes, axes, strides, the value of a constant.

        >>> pg.make_trace(lambda x: pg.permute(x, (1, 0)))(pg.zeros((2, 3))).nodes[1].options
        {'axes': (1, 0)}
        """
        return options_of(self.op, self.words, self.dtype)

    @property
    def where(self) -> str:
        """The Python line that made the node, as ``file.py:12 in f``, or an empty string."""
        return f"{self.file}:{self.line} in {self.function}" if self.file else ""


class GraphTrace:
    """What tracing a function returns: the graph between its inputs and outputs, and the pytrees of both.

    It prints as text with one line per node; ``dot()`` gives the language of Graphviz and ``html()`` a page
    that needs nothing else. In a notebook it shows that page.

    >>> g = pg.make_trace(lambda x: x * 2.0)(pg.zeros((2, 3)))
    >>> g.num_inputs, g.inputs, g.outputs, g.in_tree, g.out_tree
    (1, [0], [2], PyTree(((*,), {})), PyTree(*))
    """

    def __init__(
        self,
        graph: _core.GraphTrace,
        in_tree: pytree.PyTree | None = None,
        out_tree: pytree.PyTree | None = None,
    ) -> None:
        self._graph = graph
        self.in_tree, self.out_tree = in_tree, out_tree  # None for a sub-graph

    @property
    def inputs(self) -> list[int]:
        """Positions in ``nodes`` of the inputs: tensors and numbers among the arguments in order, then
        tensors that the function captured.
        """
        return self._graph.inputs

    @property
    def captured(self) -> list[Tensor]:
        """The tensors behind the last inputs: those that the function read from outside, in the order of
        ``inputs``, then those it made of values. Empty for a sub-graph, whose inputs are all operands.

        >>> weight = pg.ones(3)
        >>> trace = pg.make_trace(lambda x: x * weight)(pg.zeros(3))
        >>> trace.num_inputs, trace.captured[0] is weight
        (2, True)
        """
        return self._graph.captured

    @property
    def outputs(self) -> list[int]:
        """Positions in ``nodes`` of the results; a node may appear twice, and an input may be a result."""
        return self._graph.outputs

    @property
    def num_inputs(self) -> int:
        """How many inputs the graph has."""
        return self._graph.num_inputs

    @property
    def num_nodes(self) -> int:
        """How many nodes the graph has, inputs among them."""
        return self._graph.num_nodes

    @functools.cached_property
    def nodes(self) -> list[TraceNode]:
        """The nodes, each after its operands."""
        return [
            TraceNode(
                op,
                tuple(operands),
                attributes,
                tuple(shape),
                dt.all_dtypes[dtype],
                kind,
                file,
                line,
                function,
                tuple((label, GraphTrace(graph)) for label, graph in bodies),
                tuple(words),
            )
            for op, operands, attributes, shape, dtype, kind, (file, line, function), bodies, words in (
                self._graph.records
            )
        ]

    def __str__(self) -> str:
        return str(self._graph)

    __repr__ = __str__

    def dot(self) -> str:
        """The graph in the language of Graphviz; sub-graphs of control flow are clusters.

        >>> print(pg.make_trace(pg.sin)(pg.zeros(3)).dot().splitlines()[0])
        digraph trace {
        """
        from .graph_view import dot

        return dot(self)

    def html(self, title: str = "pequegrad trace") -> str:
        """A page with the drawn graph, its text and the source line of each node; it loads nothing else.

        >>> page = pg.make_trace(pg.sin)(pg.zeros(3)).html()
        >>> page.startswith("<!doctype html>"), "float32 (3,)" in page
        (True, True)
        """
        from .graph_page import page

        return page(self, title)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file whose name says how: ``.html``, ``.dot``, anything else is text.

        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "sine.html")
        ...     pg.make_trace(pg.sin)(pg.zeros(3)).save(path)
        ...     path.stat().st_size > 0
        True
        """
        name = os.fspath(path)
        text = self.html(os.path.basename(name)) if name.endswith((".html", ".htm")) else (
            self.dot() if name.endswith(".dot") else str(self)
        )  # fmt: skip
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)

    def _repr_html_(self) -> str:
        from .graph_page import fragment

        return fragment(self)
