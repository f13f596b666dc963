"""Looking at graphs, checking derivatives, finding NaN."""

from __future__ import annotations

import html.parser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

HERE = Path(__file__).name


def layer(p: dict[str, Any], x: Any) -> Any:
    return pg.tanh(x @ p["w"] + p["b"])


def traced() -> pg.GraphTrace:
    params = {"w": pg.ones((3, 4)), "b": pg.zeros(4)}
    return pg.make_trace(lambda p, x, *, scale: {"y": layer(p, x) * scale})(
        params, pg.ones((2, 3)), scale=2.0
    )


# ---- make_trace


def test_a_trace_has_inputs_outputs_and_pytrees() -> None:
    trace = traced()
    assert trace.num_inputs == len(trace.inputs) == 4
    assert trace.num_nodes == len(trace.nodes)
    assert [trace.nodes[i].shape for i in trace.inputs] == [(4,), (3, 4), (2, 3), ()] or [
        trace.nodes[i].shape for i in trace.inputs
    ] == [(3, 4), (4,), (2, 3), ()]
    (out,) = trace.outputs
    assert trace.nodes[out].shape == (2, 4) and trace.nodes[out].dtype == "float32"
    assert repr(trace.out_tree) == "PyTree({'y': *})"
    assert all(k < i for i, node in enumerate(trace.nodes) for k in node.operands)


def test_nodes_know_their_python_line() -> None:
    nodes = [node for node in traced().nodes if node.op in ("tanh", "dot_general")]
    assert len(nodes) == 2
    want = layer.__code__.co_firstlineno + 1
    for node in nodes:
        assert Path(node.file).name == HERE and node.line == want and node.function == "layer"
        assert node.where.endswith(f"{HERE}:{want} in layer")


def test_lines_of_a_gradient_are_those_of_the_function() -> None:
    trace = pg.make_trace(pg.grad(lambda p, x: layer(p, x).sum()))(
        {"w": pg.ones((3, 4)), "b": pg.zeros(4)}, pg.ones((2, 3))
    )
    lines = {node.line for node in trace.nodes if node.op in ("dot_general", "tanh")}
    assert lines == {layer.__code__.co_firstlineno + 1}


def test_captured_tensors_are_inputs() -> None:
    weights = pg.ones(3)
    trace = pg.make_trace(lambda x: x * weights)(pg.zeros(3))
    assert trace.num_inputs == 2 and trace.nodes[trace.outputs[0]].operands == (0, 1)


def test_what_was_captured_is_known() -> None:
    weights = pg.ones(3)
    trace = pg.make_trace(lambda x: x * weights + pg.Tensor([1.0, 2.0, 3.0]))(pg.zeros(3))
    outside, made = trace.captured
    assert outside is weights and made.tolist() == [1.0, 2.0, 3.0]
    shapes = [trace.nodes[i].shape for i in trace.inputs]
    assert len(shapes) == 3 and trace.num_inputs - len(trace.captured) == 1


@pytest.mark.parametrize(
    ("f", "op", "options"),
    [
        (lambda x: x.reshape(-1), "reshape", {"shape": (12,)}),
        (lambda x: x[0, 0, 0], "reshape", {"shape": ()}),
        (lambda x: x.sum((0, 2)), "reduce_sum", {"axes": (0, 2)}),
        (lambda x: x[:, ::-1], "slice", {"start": (0, 2, 0), "stop": (1, -1, 4), "step": (1, -1, 1)}),
        (lambda x: x * 0.25, "full", {"value": 0.25}),
        (lambda x: pg.cumsum(x, 1), "cumulative_sum", {"axis": 1, "reverse": False}),
        (lambda x: x.astype("int32"), "astype", {"dtype": pg.dt.int32}),
        (lambda x: pg.softmax(x, 2), "stated", {"rule": "softmax", "axes": (2,)}),
        (
            lambda x: pg.broadcast_to(x, (5, 2, 3, 4)),
            "broadcast",
            {"shape": (5, 2, 3, 4), "axes": (2, 3)},
        ),
        (lambda x: pg.einsum("aij,akj->aik", x, x), "dot_general", None),
        (
            lambda x: pg.conv1d(x, pg.ones((2, 3, 2)), stride=2, padding=1, groups=1),
            "conv",
            {"groups": 1, "strides": (2,), "low": (1,), "high": (1,), "dilation": (1,)},
        ),
        (
            lambda x: pg.max_pool1d(x, 2),
            "reduce_window_max",
            {"window": (2,), "strides": (2,), "low": (0,), "high": (0,), "dilation": (1,)},
        ),
        (
            lambda x: pg.pad(x, ((0, 0), (0, 0), (1, 2))),
            "pad",
            {"low": (0, 0, 1), "high": (0, 0, 2), "interior": (0, 0, 0)},
        ),
    ],
)
def test_attributes_have_names(f: Any, op: str, options: dict[str, Any] | None) -> None:
    nodes = pg.make_trace(f)(pg.ones((1, 3, 4))).nodes
    found = [node.options for node in nodes if node.op == op]
    assert found and (options is None or options in found)


def test_constants_keep_all_bits() -> None:
    nodes = pg.make_trace(
        lambda: (pg.full((2,), 2**63 + 3, dtype="uint64"), pg.full((), True), pg.full((), -0.1))
    )().nodes
    values = [node.options["value"] for node in nodes if node.op == "full"]
    assert values[0] == 2**63 + 3 and values[1] is True and values[2] == np.float32(-0.1)


def test_an_input_that_is_returned_and_constants() -> None:
    trace = pg.make_trace(lambda x: (x, pg.arange(3), x + 0.5))(pg.zeros(3))
    kinds = [node.kind for node in trace.nodes]
    assert kinds.count("input") == 1 and "constant" in kinds
    assert len(trace.outputs) == 3
    for text in (str(trace), trace.dot(), trace.html()):
        assert "0.5" in text


def test_dot_text() -> None:
    trace = traced()
    text = trace.dot()
    assert text.startswith("digraph trace {") and text.rstrip().endswith("}")
    assert text.count(" [label=") == trace.num_nodes
    edges = set(re.findall(r"n(\d+) -> n(\d+);", text))
    assert edges == {(str(k), str(i)) for i, node in enumerate(trace.nodes) for k in node.operands}
    assert "float32 (2, 4)" in text and HERE in text


class Page(html.parser.HTMLParser):
    """Counts tags, and checks that they are closed in order."""

    VOID = ("meta", "input", "br", "rect", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    trace = traced()
    text = trace.html("a <title>")
    page = Page()
    page.feed(text)
    assert not page.open and not page.links
    assert page.counts["rect"] == page.counts["g"] == trace.num_nodes
    assert page.counts["path"] == sum(len(node.operands) for node in trace.nodes)
    assert "a &lt;title&gt;" in text and "@import" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "float32 (2, 4)" in text  # shape and dtype
    assert f"{HERE}:{layer.__code__.co_firstlineno + 1} layer" in text  # line
    assert "return pg.tanh(x @ p[" in text  # its source


def test_drawn_boxes_do_not_overlap() -> None:
    from pequegrad.graph_view import layout

    def f(x: Any) -> Any:
        parts = [pg.sin(x * float(k)) for k in range(7)]
        return sum(parts[1:], parts[0]) * parts[3]

    drawing = layout(pg.make_trace(pg.grad(lambda x: f(x).sum()))(pg.ones(3)))
    boxes = drawing.boxes
    for i, a in enumerate(boxes):
        assert a.x >= 0 and a.x + a.width <= drawing.width and a.y + a.height <= drawing.height
        assert all(boxes[k].y + boxes[k].height < a.y for k in a.node.operands)
        for b in boxes[:i]:
            apart = (
                a.x + a.width <= b.x + 1e-6
                or b.x + b.width <= a.x + 1e-6
                or a.y + a.height <= b.y
                or b.y + b.height <= a.y
            )
            assert apart, (a.lines, b.lines)


def test_traces_are_saved_by_the_ending_of_the_name(tmp_path: Path) -> None:
    trace = traced()
    for name, start in (("t.html", "<!doctype html>"), ("t.dot", "digraph"), ("t.txt", "graph(")):
        trace.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_explain_gives_the_same_kind_of_trace() -> None:
    explanation = pg.jit(lambda x: {"y": pg.exp(x) + 1.0}).explain(pg.ones(3))
    assert isinstance(explanation.graph, pg.GraphTrace)
    assert repr(explanation.graph.out_tree) == "PyTree({'y': *})"
    assert [node.op for node in explanation.graph.nodes if node.kind == "elementwise"] == ["exp", "add"]


def test_a_long_chain_is_drawn_in_a_loop() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = pg.sin(x)
        return x

    assert pg.make_trace(f)(pg.ones(1)).html().count("<rect") == 3001


def test_bodies_of_control_flow_are_nested() -> None:
    def f(x: Any) -> Any:
        return pg.scan(lambda c, v: (pg.cond(c > 0, lambda c: c + v, lambda c: c * v, c), v), x.sum(), x)

    trace = pg.make_trace(f)(pg.ones(3))
    (loop,) = [node for node in trace.nodes if node.op == "scan"]
    ((_, body),) = loop.bodies
    (branch,) = [node for node in body.nodes if node.op == "cond"]
    assert len(branch.bodies) == 2
    total = trace.num_nodes + body.num_nodes + sum(b.num_nodes for _, b in branch.bodies)
    text = trace.html()
    page = Page()
    page.feed(text)
    assert page.counts["g"] == total and page.counts["rect"] == total + 3
    assert trace.dot().count("subgraph") == 3


# ---- check_grads


def test_check_grads_passes_what_is_right() -> None:
    rng = np.random.default_rng(0)
    params = {"w": pg.Tensor(rng.normal(size=(3, 2))), "b": [pg.Tensor(rng.normal(size=2))]}
    labels = pg.Tensor([0, 1, 0, 1])

    def loss(p: Any, x: Any, y: Any) -> Any:
        logits = pg.tanh(x @ p["w"] + p["b"][0])
        return {"loss": (logits * pg.one_hot(2, y)).sum(), "logits": logits}

    pg.check_grads(loss, [params, pg.Tensor(rng.normal(size=(4, 3))), labels], order=2)
    pg.check_grads(lambda x: x**3, (2.0,), order=3, modes="fwd")


def test_check_grads_with_float32_sees_coarse_errors() -> None:
    x = pg.Tensor([0.3, 0.7])
    pg.check_grads(lambda x: pg.exp(x) * x, [x])
    with pytest.raises(pg.GradientError):
        pg.check_grads(lambda x: pg.exp(pg.stop_gradient(x)) * x, [x], order=1)


def test_check_grads_reports_which_element_is_wrong() -> None:
    def f(p: Any) -> Any:
        w = p["w"]
        return w[0] * w[1] + pg.stop_gradient(w[1]) ** 2

    with pytest.raises(pg.GradientError) as caught:
        pg.check_grads(f, [{"w": pg.Tensor([2.0, 3.0], "float64")}])
    text = str(caught.value)
    assert "the forward derivative is wrong" in text
    worst = re.findall(r"args\[0\]\['w'\]\[(\d)\]: derivative (\S+), differences (\S+)", text)
    assert [place for place, _, _ in worst] == ["1"]
    assert isinstance(caught.value, AssertionError)


def test_check_grads_finds_a_wrong_second_derivative() -> None:
    # The slope is right: the second derivative lacks the part that was held.
    def f(x: Any) -> Any:
        held = pg.stop_gradient(x)
        return held**2 * x * 3.0 - 2.0 * held**3

    pg.check_grads(lambda x: x**3, [pg.Tensor([1.5], "float64")], order=2)
    with pytest.raises(pg.GradientError, match="forward derivative of the forward derivative"):
        pg.check_grads(f, [pg.Tensor([1.5], "float64")], order=2)
    with pytest.raises(pg.GradientError, match="reverse derivative of the reverse derivative"):
        pg.check_grads(f, [pg.Tensor([1.5], "float64")], order=2, modes="rev")
    pg.check_grads(f, [pg.Tensor([1.5], "float64")], order=1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: pg.check_grads(pg.sin, pg.ones(3)), pg.ArgumentError),
        (lambda: pg.check_grads(pg.sin, [pg.ones(3)], order=0), pg.InvalidValueError),
        (lambda: pg.check_grads(pg.sin, [pg.ones(3)], modes=["up"]), pg.InvalidValueError),
        (lambda: pg.check_grads(pg.abs, [pg.arange(3)]), pg.DifferentiationError),
        (lambda: pg.check_grads(pg.sin, [pg.ones(3, "float16")]), pg.DifferentiationError),
    ],
)
def test_check_grads_refuses(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


# ---- debug_nans


def bad(x: Any) -> Any:
    y = pg.exp(x)
    z = y - y
    return (z / z).sum() + 1.0


LINE = bad.__code__.co_firstlineno + 3


def message(f: Any, *args: Any, infs: bool = False) -> str:
    with pg.debug_nans(infs=infs), pytest.raises(pg.NanError) as caught:
        pg.eval(f(*args))
    assert isinstance(caught.value, FloatingPointError)
    return str(caught.value)


@pytest.mark.parametrize("wrap", [lambda f: f, pg.jit], ids=["eager", "jit"])
def test_the_op_and_the_line_of_the_first_nan(wrap: Any) -> None:
    text = message(wrap(bad), pg.Tensor([0.5, 1.0]))
    assert text.startswith("div (called at ") and f"{HERE}:{LINE} in bad)" in text
    assert "gave nan at [0] of f32[2]: div(0, 0)" in text


@pytest.mark.parametrize("wrap", [lambda f: f, pg.jit], ids=["eager", "jit"])
def test_a_nan_of_a_gradient_is_blamed_on_the_line_of_the_function(wrap: Any) -> None:
    def root(x: Any) -> Any:
        return pg.sqrt(x).sum() * 0.0

    text = message(wrap(pg.grad(root)), pg.Tensor([1.0, 0.0]))
    assert f"{HERE}:{root.__code__.co_firstlineno + 1} in root)" in text


def test_a_nan_from_outside_and_a_literal() -> None:
    x = pg.Tensor([1.0, float("nan")])
    text = message(lambda: x * 2.0)
    assert "a value from outside is nan at [1] of f32[2], first used by mul" in text
    text = message(pg.jit(lambda y: pg.where(y > 0, y, pg.nan)), pg.Tensor([-1.0]))
    assert "a literal" in text and "is nan" in text


def test_infinities_only_when_asked() -> None:
    x = pg.Tensor([1000.0])
    with pg.debug_nans():
        assert pg.exp(x).item() == float("inf")
    text = message(lambda: pg.where(x > 0, pg.exp(x), -pg.inf), infs=True)
    assert text.startswith("exp (called at") and "exp(1000)" in text


def test_values_that_hide_a_nan_pass() -> None:
    with pg.debug_nans():
        x = pg.Tensor([0.0, 1.0])
        y = pg.where(x > 0, x / x, 0.0)  # not inside the assertion, which would hold the quotient
        assert y.tolist() == [0.0, 1.0]
        assert pg.jit(lambda x: pg.nan_to_num(x / x))(x).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_floating_dtype_is_searched(dtype: str) -> None:
    assert message(lambda: pg.log(pg.Tensor([1.0, -1.0]).astype(dtype))).startswith("log ")


def test_the_switch_and_its_nesting() -> None:
    zero = pg.zeros(1)
    with pg.debug_nans():
        with pg.debug_nans(infs=True), pytest.raises(pg.NanError):
            (1.0 / zero).eval()
        (1.0 / zero).eval()
        with pytest.raises(pg.NanError):
            (zero / zero).eval()
    (zero / zero).eval()
    pg.debug.set_debug_nans(True)
    try:
        with pytest.raises(pg.NanError):
            (zero / zero).eval()
    finally:
        pg.debug.set_debug_nans(False)


def test_after_a_nan_everything_goes_on() -> None:
    x = pg.zeros(3)
    y = x / x
    with pg.debug_nans(), pytest.raises(pg.NanError):
        y.eval()
    assert np.isnan(y.numpy()).all()  # the tensor is still there, and no longer looked at
    assert (x + 1).sum().item() == 3.0


def test_the_environment_switch() -> None:
    code = "import pequegrad as pg\ntry:\n    (pg.zeros(1) / 0.0).eval()\nexcept pg.NanError:\n    print('found')"
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PG_DEBUG_NANS": "1"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "found", done.stderr


def test_debug_nans_names_the_op_inside_of_control_flow() -> None:
    xs = pg.Tensor([3.0, 2.0, 1.0, 0.0])

    def by_scan(x):
        return pg.scan(lambda c, v: (c + v, pg.log(v - 1.0)), 0.0, x)[1]

    def by_cond(x):
        return pg.cond(x.sum() > 0, lambda x: pg.sqrt(x - 2.0), lambda x: x, x)

    def by_while(x):
        return pg.while_loop(lambda s: s[0] < 9, lambda s: (s[0] + 1, pg.log(s[1])), (0, x + 1.0))[1]

    def nested(x):
        return pg.scan(
            lambda c, v: (pg.cond(v > 1.5, lambda c: c, lambda c: c / (v - 1.0) * 0.0, c), v), 1.0, x
        )[0]

    def checkpointed(x):
        return pg.checkpoint(lambda x: pg.log(-x))(x)

    for f, op in ((by_scan, "log"), (by_cond, "sqrt"), (by_while, "log"), (checkpointed, "log")):
        for run in (f, pg.jit(f)):
            with pg.debug_nans(), pytest.raises(pg.NanError) as caught:
                pg.eval(run(xs))
            text = str(caught.value)
            assert text.startswith(op) and "test_tools.py" in text and " gave nan" in text, text
    with pg.debug_nans(), pytest.raises(pg.NanError) as caught:
        pg.eval(nested(xs))
    assert str(caught.value).startswith(("mul", "div")) and "in step 2 of a scan" in str(caught.value)
    slope = pg.grad(lambda x: by_scan(pg.sqrt(x)).sum() * 0.0)  # 0 * infinity in a step of the backward scan
    with pg.debug_nans(), pytest.raises(pg.NanError) as caught:
        pg.eval(slope(xs))
    assert "test_tools.py" in str(caught.value)
