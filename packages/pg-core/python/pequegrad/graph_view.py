"""Drawing traced graphs: DOT, and a layered layout as SVG.

The layout puts each node one layer below its lowest operand, orders layers by the middle of the
neighbours, and then moves nodes as near to their neighbours as their widths allow. Every step is linear or
n log n, so a graph of thousands of nodes is laid out in a second or two. A node with sub-graphs is a box
around their drawings.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field

from .graph_trace import GraphTrace, TraceNode

CHARACTER, LINE, PAD = 6.6, 15.0, 8.0  # of the font in the boxes, in pixels
BETWEEN, LAYER_GAP = 18.0, 34.0
MOST_LETTERS = 46


def label_lines(node: TraceNode, number: int) -> list[str]:
    """What a box says: the node, its type, its line.

    >>> from pequegrad.graph_view import label_lines
    >>> label_lines(pg.make_trace(pg.sin)(pg.zeros(3)).nodes[1], 1)[:2]
    ['%1 = sin', 'float32 (3,)']
    """
    inner = f"({node.attributes})" if node.attributes else ""
    lines = [f"%{number} = {node.op}{inner}", f"{node.dtype} {node.shape}"]
    if node.file:
        lines.append(f"{os.path.basename(node.file)}:{node.line} {node.function}")
    return [line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 1] + "…" for line in lines]


# ---- DOT


def dot(trace: GraphTrace) -> str:
    """The graph in the language of Graphviz.

    >>> from pequegrad.graph_view import dot
    >>> "n0 -> n1" in dot(pg.make_trace(pg.sin)(pg.zeros(3)))
    True
    """
    lines = ["digraph trace {", '  node [shape=box, style=rounded, fontname="monospace", fontsize=10];']
    _dot_into(trace, "n", "  ", lines)
    return "\n".join([*lines, "}"]) + "\n"


def _dot_into(trace: GraphTrace, prefix: str, indent: str, lines: list[str]) -> None:
    for i, node in enumerate(trace.nodes):
        text = "\\n".join(_dot_text(line) for line in label_lines(node, i))
        tip = f', tooltip="{_dot_text(node.where)}"' if node.where else ""
        bold = ", penwidth=2" if i in trace.outputs or node.kind == "input" else ""
        lines.append(f'{indent}{prefix}{i} [label="{text}"{tip}{bold}];')
        for n, (label, body) in enumerate(node.bodies):
            name = f"{prefix}{i}_{n}_"
            lines.append(f'{indent}subgraph "cluster_{name}" {{')
            lines.append(f'{indent}  label="{_dot_text(f"%{i}: {label}")}";')
            _dot_into(body, name, indent + "  ", lines)
            lines.append(f"{indent}}}")
            lines.extend(f"{indent}{name}{out} -> {prefix}{i} [style=dashed];" for out in body.outputs[:1])
    for i, node in enumerate(trace.nodes):
        lines.extend(f"{indent}{prefix}{operand} -> {prefix}{i};" for operand in node.operands)


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ---- layout


@dataclass
class Box:
    """One drawn node: its text, its size, and its place with respect to the drawing it is in."""

    number: int
    node: TraceNode
    lines: list[str]
    inner: list[tuple[str, Drawing]]
    width: float = 0.0
    height: float = 0.0
    layer: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def center(self) -> float:
        return self.x + self.width / 2


@dataclass
class Drawing:
    """A graph with a place for every node."""

    trace: GraphTrace
    boxes: list[Box] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def layout(trace: GraphTrace) -> Drawing:
    """Sizes and places of all nodes; sub-graphs are laid out inside the node that holds them.

    >>> from pequegrad.graph_view import layout
    >>> drawing = layout(pg.make_trace(lambda x: pg.sin(x) + pg.cos(x))(pg.zeros(3)))
    >>> [box.layer for box in drawing.boxes]
    [0, 1, 1, 2]
    """
    drawing = Drawing(trace)
    for i, node in enumerate(trace.nodes):
        box = Box(i, node, label_lines(node, i), [(label, layout(body)) for label, body in node.bodies])
        box.width = max(len(line) for line in box.lines) * CHARACTER + 2 * PAD
        box.height = len(box.lines) * LINE + PAD
        if box.inner:
            box.width = max(box.width, sum(inner.width + PAD for _, inner in box.inner) + PAD)
            box.height += max(inner.height for _, inner in box.inner) + LINE + PAD
        drawing.boxes.append(box)
    layers = _layers(drawing)
    _order(drawing, layers)
    _place(drawing, layers)
    return drawing


def _layers(drawing: Drawing) -> list[list[Box]]:
    boxes = drawing.boxes
    for box in boxes:
        box.layer = 1 + max((boxes[k].layer for k in box.node.operands), default=-1)
    # A leaf stands right above its first user, not at the top of the page.
    first: dict[int, int] = {}
    for box in boxes:
        for k in box.node.operands:
            first[k] = min(first.get(k, box.layer), box.layer)
    for box in boxes:
        if not box.node.operands:
            box.layer = first.get(box.number, 1) - 1
    layers: list[list[Box]] = [[] for _ in range(1 + max((b.layer for b in boxes), default=-1))]
    for box in boxes:
        layers[box.layer].append(box)
    return [layer for layer in layers if layer]


def _neighbours(drawing: Drawing) -> tuple[list[list[int]], list[list[int]]]:
    up = [sorted(set(box.node.operands)) for box in drawing.boxes]
    down: list[list[int]] = [[] for _ in drawing.boxes]
    for i, operands in enumerate(up):
        for k in operands:
            down[k].append(i)
    return up, down


def _order(drawing: Drawing, layers: list[list[Box]]) -> None:
    """Sorts every layer by the middle of its neighbours, downwards and upwards in turn."""
    up, down = _neighbours(drawing)
    rank = [0.0] * len(drawing.boxes)
    for layer in layers:
        for i, box in enumerate(layer):
            rank[box.number] = (i + 0.5) / len(layer)
    for sweep in range(6):
        near = up if sweep % 2 == 0 else down
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = {}
            for box in layer:
                found = [rank[k] for k in near[box.number]]
                wanted[box.number] = sum(found) / len(found) if found else rank[box.number]
            layer.sort(key=lambda box: wanted[box.number])
            for i, box in enumerate(layer):
                rank[box.number] = (i + 0.5) / len(layer)


def _place(drawing: Drawing, layers: list[list[Box]]) -> None:
    up, down = _neighbours(drawing)
    boxes = drawing.boxes
    y = PAD
    for layer in layers:
        x = 0.0
        for box in layer:
            box.x, box.y = x, y
            x += box.width + BETWEEN
        y += max(box.height for box in layer) + LAYER_GAP
    for sweep in range(6):
        near = up if sweep % 2 == 0 else down
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = []
            for box in layer:
                found = [boxes[k].center for k in near[box.number]]
                wanted.append((sum(found) / len(found) if found else box.center) - box.width / 2)
            for box, x in zip(layer, _apart(wanted, [b.width + BETWEEN for b in layer]), strict=True):
                box.x = x
    left = min((box.x for box in boxes), default=0.0) - PAD
    for box in boxes:
        box.x -= left
    drawing.width = max((box.x + box.width for box in boxes), default=0.0) + PAD
    drawing.height = max((box.y + box.height for box in boxes), default=0.0) + PAD


def _apart(wanted: list[float], sizes: list[float]) -> list[float]:
    """The places nearest to those wanted, in the squared sense, that keep the order and the distances: pools
    of neighbours that push against each other share their mean shift.
    """
    offsets, total = [], 0.0
    for size in sizes:
        offsets.append(total)
        total += size
    pools: list[tuple[float, int]] = []  # sum of (wanted - offset), how many
    for want, offset in zip(wanted, offsets, strict=True):
        pools.append((want - offset, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            last, before = pools.pop(), pools.pop()
            pools.append((last[0] + before[0], last[1] + before[1]))
    out: list[float] = []
    for value, count in pools:
        out += [value / count + offset for offset in offsets[len(out) : len(out) + count]]
    return out


# ---- SVG


def svg(drawing: Drawing, prefix: str = "n") -> str:
    """The drawing as the content of an ``svg`` element, edges below nodes; names of nodes start with the
    prefix.

    >>> from pequegrad.graph_view import layout, svg
    >>> svg(layout(pg.make_trace(pg.sin)(pg.zeros(3)))).count("<rect")
    2
    """
    return "".join(_svg_parts(drawing, prefix, 0.0, 0.0))


def _svg_parts(drawing: Drawing, prefix: str, left: float, top: float) -> list[str]:
    parts = []
    outputs = set(drawing.trace.outputs)
    for box in drawing.boxes:
        for place, k in enumerate(box.node.operands):
            source = drawing.boxes[k]
            share = (place + 1) / (len(box.node.operands) + 1)
            x0, y0 = left + source.center, top + source.y + source.height
            x1, y1 = left + box.x + box.width * (0.25 + 0.5 * share), top + box.y
            bend = max(14.0, (y1 - y0) / 2)
            parts.append(
                f'<path class="e" data-a="{prefix}{k}" data-b="{prefix}{box.number}" '
                f'd="M{x0:.1f} {y0:.1f}C{x0:.1f} {y0 + bend:.1f} '
                f'{x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"/>'
            )
    for box in drawing.boxes:
        x, y = left + box.x, top + box.y
        classes = f"n k-{box.node.kind}" + (" out" if box.number in outputs else "")
        parts.append(
            f'<g class="{classes}" data-id="{prefix}{box.number}"><rect x="{x:.1f}" y="{y:.1f}" '
            f'width="{box.width:.1f}" height="{box.height:.1f}" rx="5"/>'
            f"<title>{html.escape(box.node.where or box.node.op)}</title>"
        )
        for i, line in enumerate(box.lines):
            parts.append(
                f'<text class="l{i}" x="{x + PAD:.1f}" y="{y + LINE * (i + 1) - 2:.1f}">'
                f"{html.escape(line)}</text>"
            )
        parts.append("</g>")
        x += PAD
        y += len(box.lines) * LINE + PAD
        for n, (label, inner) in enumerate(box.inner):
            parts.append(
                f'<rect class="body" x="{x:.1f}" y="{y:.1f}" width="{inner.width:.1f}" '
                f'height="{inner.height + LINE:.1f}" rx="5"/>'
                f'<text class="l1" x="{x + PAD:.1f}" y="{y + LINE - 2:.1f}">{html.escape(label)}</text>'
            )
            parts += _svg_parts(inner, f"{prefix}{box.number}_{n}_", x, y + LINE)
            x += inner.width + PAD
    return parts
