"""Branches, loops, scans and functions of a file."""

from __future__ import annotations

import time

import numpy as np
import onnx.helper as oh
import pequegrad as pg
import pg_onnx
import pytest
from onnx_models import I64, B, graph, info, model, node
from pg_onnx import InvalidModelError, Limits, ResourceLimitError, UnsupportedError

rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


# ---- control flow


def branches(*nodes_of: list) -> list:
    return [graph(nodes, [], [out]) for out, nodes in zip(("t", "e"), nodes_of, strict=True)]


def test_a_known_condition_takes_its_branch() -> None:
    """The branches differ in rank, as those do that exporters emit around Squeeze."""
    then, other = branches([node("Squeeze", ["x", "axes"], ["t"])], [node("Identity", ["x"], ["e"])])
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Equal", ["n", "one"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    weights = {"axes": np.array([0]), "zero": np.array(0), "one": np.array(1)}
    m = pg_onnx.load(model(nodes, weights=weights))
    f = pg.jit(lambda x: m(x))
    assert f(normal(1, 3)).shape == (3,) and f(normal(2, 3)).shape == (2, 3)


def test_a_condition_that_depends_on_data() -> None:
    then, other = branches([node("Mul", ["x", "w"], ["t"])], [node("Neg", ["x"], ["e"])])
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=0),
        node("Greater", ["s", "zero"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    m = pg_onnx.load(model(nodes, weights={"w": np.float32([3]), "zero": np.float32(0)}))
    f = pg.jit(lambda x: m(x))
    for x in (np.float32([1, 2]), np.float32([-1, -2])):
        expected = x * 3 if x.sum() > 0 else -x
        assert m(x).tolist() == f(x).tolist() == expected.tolist()
    grad = pg.jit(pg.grad(lambda x: pg.sum(m(x))))
    assert grad(np.float32([1, 2])).tolist() == [3, 3] and grad(np.float32([-1, -2])).tolist() == [-1, -1]


def loop_model(condition: list, outs: list[str], scan: bool) -> bytes:
    body = graph(
        [
            node("Add", ["v", "x"], ["v2"]),
            *condition,
            *([node("Mul", ["v2", "v2"], ["row"])] if scan else []),
        ],
        [info("i", I64, []), info("c", B, []), "v"],
        [info("c2", B, []), "v2", *(["row"] if scan else [])],
    )
    return model([node("Loop", ["trips", "", "start"], outs, body=body)], ["x", info("trips", I64, [])], outs,
                 weights={"start": np.float32([0]), "limit": np.float32([10])})  # fmt: skip


def test_a_loop_of_known_length_gathers_rows() -> None:
    m = pg_onnx.load(loop_model([node("Identity", ["c"], ["c2"])], ["last", "rows"], True))
    last, rows = m(np.float32([2]), np.array(3))
    assert last.tolist() == [6] and rows.tolist() == [[4], [16], [36]]
    grad = pg.grad(lambda x: pg.sum(m(x, np.array(3))[1]))(pg.Tensor([2.0]))
    assert grad.tolist() == [2 * 2 * (1 + 4 + 9)]


def test_a_loop_that_depends_on_data_runs_inside_the_program() -> None:
    condition = [node("Less", ["v2", "limit"], ["c1"]), node("Squeeze", ["c1"], ["c2"])]
    m = pg_onnx.load(loop_model(condition, ["last"], False))
    f = pg.jit(lambda x, n: m(x, n))
    for x, n in ((3, 100), (1, 4)):
        args = np.float32([x]), np.array(n)
        assert m(*args).tolist() == f(*args).tolist() == [min(12, x * n)]
    with pytest.raises(UnsupportedError, match="gathers outputs"):
        m2 = pg_onnx.load(loop_model(condition, ["last", "rows"], True))
        pg.jit(lambda x, n: m2(x, n))(np.float32([3]), np.array(100))


def test_a_loop_without_end_is_stopped() -> None:
    m = pg_onnx.load(
        loop_model([node("Identity", ["c"], ["c2"])], ["last"], False), limits=Limits(max_loop_steps=50)
    )
    with pytest.raises(ResourceLimitError, match="max_loop_steps"):
        m(np.float32([1]), np.array(10**9))


def test_scan_is_differentiable() -> None:
    body = graph([node("Mul", ["s", "v"], ["s2"]), node("Identity", ["s2"], ["o"])], ["s", "v"], ["s2", "o"])
    m = pg_onnx.load(model([node("Scan", ["s0", "x"], ["last", "all"], body=body, num_scan_inputs=1)],
                           outputs=["last", "all"], weights={"s0": np.float32(1)}))  # fmt: skip
    last, every = m(np.float32([2, 3, 4]))
    assert last.item() == 24 and every.tolist() == [2, 6, 24]
    assert pg.grad(lambda x: m(x)[0])(pg.Tensor([2.0, 3.0, 4.0])).tolist() == [12, 8, 6]


# ---- functions


def twice(name: str, inner: str, attributes=()) -> object:
    nodes = [node(inner, ["a"], ["b"], domain="my"), node(inner, ["b"], ["c"], domain="my")]
    return oh.make_function(
        "my", name, ["a"], ["c"], nodes, [oh.make_opsetid("", 17), oh.make_opsetid("my", 1)]
    )


def leaf() -> object:
    body = node("Mul", ["a", "two"], ["c"])
    return oh.make_function(
        "my",
        "F0",
        ["a"],
        ["c"],
        [node("Constant", [], ["two"], value_float=2.0), body],
        [oh.make_opsetid("", 17)],
    )


def test_functions_are_inlined() -> None:
    functions = [leaf(), twice("F1", "F0"), twice("F2", "F1")]
    m = pg_onnx.load(model([node("F2", ["x"], ["y"], domain="my")], functions=functions, domains=["my"]))
    assert m(np.float32([3])).tolist() == [48]


def test_attributes_of_functions() -> None:
    body = node("LeakyRelu", ["a"], ["b"])
    body.attribute.add(name="alpha", ref_attr_name="slope", type=1)
    function = oh.make_function("my", "F", ["a"], ["b"], [body], [oh.make_opsetid("", 17)], [],
                                [oh.make_attribute("slope", 0.5)])  # fmt: skip
    nodes = [node("F", ["x"], ["h"], domain="my"), node("F", ["h"], ["y"], domain="my", slope=0.25)]
    m = pg_onnx.load(model(nodes, functions=[function], domains=["my"]))
    assert m(np.float32([-8])).tolist() == [-1]


def test_functions_that_never_end() -> None:
    chain = [leaf(), *(twice(f"F{i + 1}", f"F{i}") for i in range(32))]
    begin = time.process_time()
    with pytest.raises(ResourceLimitError, match="max_nodes"):
        pg_onnx.load(model([node("F32", ["x"], ["y"], domain="my")], functions=chain, domains=["my"]))
    assert time.process_time() - begin < 2
    loops = [twice("A", "B"), twice("B", "A")]
    with pytest.raises(InvalidModelError, match="calls itself"):
        pg_onnx.load(model([node("A", ["x"], ["y"], domain="my")], functions=loops, domains=["my"]))
