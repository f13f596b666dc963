"""The HTML page of a traced graph: one file with drawing, text and sources, which loads nothing."""

from __future__ import annotations

import html
import json
import linecache
from typing import Any

from .graph_trace import GraphTrace
from .graph_view import layout, svg

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #667085; --line: #98a2b3; --paper: #fbfcfe;
  --card: #ffffff; --mark: #d92d20; --input: #dbeafe; --elementwise: #ecfdf3; --view: #f4f3ff;
  --reduction: #fff4e5; --call: #fde8ef; --constant: #f2f4f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #98a2b3; --line: #5d6b82;
  --paper: #12161f; --card: #1b212d; --mark: #fda29b; --input: #1e3a5f; --elementwise: #173a2a;
  --view: #2b2650; --reduction: #4a3413; --call: #4d1f30; --constant: #2a303c; } }
.pg { font: 13px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); display: grid;
  grid-template: auto 1fr auto / 1fr 340px; height: 100%; min-height: 480px; }
.pg header { grid-column: 1 / 3; padding: 8px 14px; border-bottom: 1px solid var(--line); display: flex;
  gap: 16px; align-items: baseline; flex-wrap: wrap; }
.pg header b { font-size: 15px; } .pg header span { color: var(--soft); }
.pg input { font: inherit; padding: 2px 8px; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: 5px; }
.pg svg.graph { width: 100%; height: 100%; min-height: 360px; cursor: grab; display: block; }
.pg aside { border-left: 1px solid var(--line); padding: 10px 14px; overflow: auto; }
.pg aside dt { color: var(--soft); margin-top: 8px; }
.pg aside dd { margin: 0; overflow-wrap: anywhere; }
.pg code, .pg pre, .pg svg text { font-family: ui-monospace, Menlo, Consolas, monospace; }
.pg aside a { color: inherit; cursor: pointer; text-decoration: underline; }
.pg details { grid-column: 1 / 3; border-top: 1px solid var(--line); padding: 6px 14px; }
.pg pre { overflow: auto; max-height: 320px; font-size: 12px; }
.pg text { font-size: 11px; fill: var(--ink); pointer-events: none; }
.pg .l0 { font-weight: 600; } .pg .l1, .pg .l2 { fill: var(--soft); }
.pg .n rect { fill: var(--card); stroke: var(--line); cursor: pointer; }
.pg .body { fill: none; stroke: var(--line); stroke-dasharray: 4 3; }
.pg .k-input rect { fill: var(--input); } .pg .k-elementwise rect { fill: var(--elementwise); }
.pg .k-view rect { fill: var(--view); } .pg .k-reduction rect { fill: var(--reduction); }
.pg .k-call rect { fill: var(--call); } .pg .k-constant rect { fill: var(--constant); }
.pg .out rect { stroke-width: 2.5; stroke: var(--ink); }
.pg .e { fill: none; stroke: var(--line); stroke-width: 1.2; }
.pg .near { stroke: var(--mark); stroke-width: 2; }
.pg .n.picked rect { stroke: var(--mark); stroke-width: 2.5; } .pg .n.dim { opacity: 0.25; }
"""

_SCRIPT = """
(() => {
  const root = document.currentScript.closest('.pg');
  const nodes = JSON.parse(root.querySelector('.data').textContent);
  const svg = root.querySelector('svg.graph'), panel = root.querySelector('aside');
  const boxes = new Map([...svg.querySelectorAll('.n')].map(g => [g.dataset.id, g]));
  const names = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'};
  const escape = text => text.replace(/[&<>"]/g, c => names[c]);
  const link = id => `<a data-to="${id}">%${id.slice(id.search(/\\d+$/))} ${escape(nodes[id].op)}</a>`;
  const users = {};
  for (const [id, node] of Object.entries(nodes)) for (const k of node.operands) (users[k] ??= []).push(id);
  function pick(id, move) {
    svg.querySelectorAll('.picked, .near').forEach(x => x.classList.remove('picked', 'near'));
    boxes.get(id).classList.add('picked');
    svg.querySelectorAll('.e').forEach(e => {
      if (e.dataset.a === id || e.dataset.b === id) e.classList.add('near');
    });
    const n = nodes[id];
    panel.innerHTML = `<b><code>%${id.slice(id.search(/\\d+$/))} = ${escape(n.op)}</code></b><dl>` +
      [['shape', escape(n.shape)], ['dtype', escape(n.dtype)], ['bytes', n.bytes.toLocaleString()],
       ['attributes', escape(n.attributes)], ['operands', n.operands.map(link).join('<br>')],
       ['used by', (users[id] ?? []).map(link).join('<br>') || 'nothing'],
       ['made at', escape(n.where)], ['', n.source && `<code>${escape(n.source)}</code>`]]
        .filter(([, value]) => value).map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`)
        .join('') + '</dl>';
    if (move) {
      const b = boxes.get(id).getBBox();
      view.x = b.x + b.width / 2 - view.width / 2;
      view.y = b.y + b.height / 2 - view.height / 2;
    }
  }
  const view = svg.viewBox.baseVal;
  boxes.forEach((g, id) => g.addEventListener('click', () => pick(id)));
  panel.addEventListener('click', e => e.target.dataset.to && pick(e.target.dataset.to, true));
  svg.addEventListener('wheel', e => {
    e.preventDefault();
    const scale = Math.exp(e.deltaY * 0.0012), m = svg.getScreenCTM().inverse();
    const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(m);
    view.x = p.x - (p.x - view.x) * scale; view.y = p.y - (p.y - view.y) * scale;
    view.width *= scale; view.height *= scale;
  }, {passive: false});
  let held = null;
  svg.addEventListener('pointerdown', e => { held = [e.clientX, e.clientY]; });
  window.addEventListener('pointerup', () => { held = null; });
  window.addEventListener('pointermove', e => {
    if (!held) return;
    const k = 1 / svg.getScreenCTM().a;
    view.x -= (e.clientX - held[0]) * k; view.y -= (e.clientY - held[1]) * k;
    held = [e.clientX, e.clientY];
  });
  root.querySelector('input').addEventListener('input', e => {
    const text = e.target.value.toLowerCase();
    boxes.forEach((g, id) => g.classList.toggle('dim', !!text && !(nodes[id].op + ' ' + nodes[id].where)
      .toLowerCase().includes(text)));
  });
})();
"""


def fragment(trace: GraphTrace, title: str = "pequegrad trace") -> str:
    """The drawing with its panel, as one ``div``.

    >>> from pequegrad.graph_page import fragment
    >>> fragment(pg.make_trace(pg.sin)(pg.zeros(3))).startswith("<div")
    True
    """
    drawing = layout(trace)
    data: dict[str, Any] = {}
    _describe(trace, "n", data)
    trees = f"{trace.in_tree} → {trace.out_tree}" if trace.in_tree is not None else ""
    width, height = max(drawing.width, 400.0), max(drawing.height, 200.0)
    # A script element ends at "</" whatever surrounds it.
    packed = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<div class="pg"><style>{_STYLE}</style><header><b>{html.escape(title)}</b>'
        f"<span>{trace.num_nodes} nodes, {trace.num_inputs} inputs, {len(trace.outputs)} outputs</span>"
        f'<span>{html.escape(trees)}</span><input placeholder="find an op or a line"></header>'
        f'<svg class="graph" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">{svg(drawing)}</svg>'
        "<aside>Click a node. Drag to move, wheel to zoom.</aside>"
        f"<details><summary>as text</summary><pre>{html.escape(str(trace))}</pre></details>"
        f'<script type="application/json" class="data">{packed}</script><script>{_SCRIPT}</script></div>'
    )


def page(trace: GraphTrace, title: str) -> str:
    """A whole page.

    >>> from pequegrad.graph_page import page
    >>> "<title>sine</title>" in page(pg.make_trace(pg.sin)(pg.zeros(3)), "sine")
    True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>html, body {{ margin: 0; height: 100%; }}</style></head>"
        f"<body>{fragment(trace, title)}</body></html>\n"
    )


def _describe(trace: GraphTrace, prefix: str, out: dict[str, Any]) -> None:
    for i, node in enumerate(trace.nodes):
        size = 1
        for extent in node.shape:
            size *= extent
        out[f"{prefix}{i}"] = {
            "op": node.op,
            "operands": [f"{prefix}{k}" for k in dict.fromkeys(node.operands)],
            "attributes": node.attributes,
            "shape": str(node.shape),
            "dtype": node.dtype.name,
            "bytes": size * node.dtype.itemsize,
            "where": node.where,
            "source": linecache.getline(node.file, node.line).strip() if node.file else "",
        }
        for n, (_, body) in enumerate(node.bodies):
            _describe(body, f"{prefix}{i}_{n}_", out)
