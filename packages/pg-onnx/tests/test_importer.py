"""Models as modules: names, gradients, jit, modes, and what is refused."""

from __future__ import annotations

import time

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pg_onnx
import pytest
from onnx_models import I64, F, info, model, node
from pg_onnx import InvalidModelError, ResourceLimitError, UnsupportedError, UsageError

rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


W1, B1, W2 = normal(4, 3), normal(4), normal(2, 4)
MLP = model(
    [
        node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["h"], transB=1),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "head.fc.weight"], ["y"], transB=1),
    ],
    [info("x", F, ["n", 3])],
    weights={"fc1.weight": W1, "fc1.bias": B1, "head.fc.weight": W2},
)


def mlp(x: np.ndarray) -> np.ndarray:
    return np.maximum(x @ W1.T + B1, 0) @ W2.T


# ---- names, values, gradients


def test_parameters_keep_their_names_and_order() -> None:
    m = pg_onnx.load(MLP)
    assert list(m.params_dict()) == ["fc1.weight", "fc1.bias", "head.fc.weight"]
    np.testing.assert_array_equal(m.head.fc.weight.numpy(), W2)
    assert m.initializer_names["head.fc.weight"] == "head.fc.weight"
    assert "x: float32[n, 3]" in repr(m)


def test_values_by_position_and_name() -> None:
    m, x = pg_onnx.load(MLP), normal(5, 3)
    np.testing.assert_allclose(m(x).numpy(), mlp(x), rtol=1e-5)
    np.testing.assert_allclose(m(x=pg.Tensor(x)).numpy(), mlp(x), rtol=1e-5)


def test_training_changes_the_parameters() -> None:
    m, x, y = pg_onnx.load(MLP), normal(8, 3), normal(8, 2)
    grads = nn.value_and_grad(m, lambda x, y: nn.mse_loss(m(x), y))(pg.Tensor(x), pg.Tensor(y))[1]
    assert set(grads) == set(m.params_dict())
    h = x @ W1.T + B1
    residual = 2 * (np.maximum(h, 0) @ W2.T - y) / y.size
    np.testing.assert_allclose(
        grads["head.fc.weight"].numpy(), residual.T @ np.maximum(h, 0), rtol=1e-4, atol=1e-6
    )
    inner = (residual @ W2) * (h > 0)
    np.testing.assert_allclose(grads["fc1.weight"].numpy(), inner.T @ x, rtol=1e-4, atol=1e-6)

    step = pg.jit(lambda x, y: nn.value_and_grad(m, lambda x, y: nn.mse_loss(m(x), y))(x, y))
    first = step(pg.Tensor(x), pg.Tensor(y))[0].item()
    for _ in range(20):
        _, grads = step(pg.Tensor(x), pg.Tensor(y))
        m.load_params_dict({name: p - 0.1 * grads[name] for name, p in m.params_dict().items()})
    assert step(pg.Tensor(x), pg.Tensor(y))[0].item() < first


def test_one_initializer_read_twice_is_one_parameter() -> None:
    w = normal(3, 3)
    m = pg_onnx.load(
        model([node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "w"], ["y"])], weights={"w": w})
    )
    x = normal(2, 3)
    assert list(m.params_dict()) == ["w"]
    np.testing.assert_allclose(m(x).numpy(), x @ w @ w, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "names", [["w", "w.b"], ["forward", "train.x"], [".a", "a..b", "c."], ["a:0", "b/c d"]]
)
def test_names_that_no_module_can_have(names: list[str]) -> None:
    weights = {name: normal(2) for name in names}
    adds = [node("Add", ["x" if i == 0 else f"t{i}", name], [f"t{i + 1}"]) for i, name in enumerate(names)]
    m = pg_onnx.load(model(adds, outputs=[f"t{len(names)}"], weights=weights))
    assert sorted(m.initializer_names.values()) == sorted(names)
    assert sorted(m.initializer_names) == sorted(m.params_dict())
    np.testing.assert_allclose(m(np.zeros(2, np.float32)).numpy(), sum(weights.values()), rtol=1e-6)


def test_what_is_trainable() -> None:
    weights = {
        "w": normal(3),
        "scale": np.float32(2),
        "shape": np.array([3]),
        "low": normal(1),
        "mean": normal(3),
    }
    nodes = [
        node("Mul", ["x", "w"], ["a"]),
        node("Mul", ["a", "scale"], ["b"]),
        node("Reshape", ["b", "shape"], ["c"]),
        node("Expand", ["low", "shape"], ["wide"]),
        node("Pad", ["c", "pads", "low"], ["y"]),
    ]
    weights["pads"] = np.array([0, 0])
    weights["low"] = np.float32([0.0])
    data = model(nodes, weights=weights, opset=17)
    m = pg_onnx.load(data)
    assert list(m.params_dict()) == ["w", "low"]  # low is learnt through Expand
    assert m.frozen == {"scale": "a scalar constant", "mean": "not used"}
    assert list(pg_onnx.load(data, trainable=False).params_dict()) == []
    assert list(pg_onnx.load(data, trainable=["scale"]).params_dict()) == ["scale"]
    assert list(pg_onnx.load(data, trainable=lambda name, t: t.size == 3).params_dict()) == ["w", "mean"]
    assert set(pg_onnx.load(data, trainable=True).params_dict()) == {"w", "scale", "low", "mean"}
    with pytest.raises(UsageError, match="'nothing'"):
        pg_onnx.load(data, trainable=["nothing"])


def test_masks_and_constants_of_formulas_are_not_learnt() -> None:
    weights = {"mask": np.float32([[0, -np.inf], [0, 0]]), "root": np.float32([0.5]), "bias": np.float32([1])}
    nodes = [
        node("Mul", ["x", "root"], ["a"]),
        node("Add", ["a", "mask"], ["b"]),
        node("Add", ["b", "bias"], ["y"]),
    ]
    m = pg_onnx.load(model(nodes, weights=weights))
    assert list(m.params_dict()) == ["bias"]
    assert m.frozen == {"mask": "it holds infinities or NaN, as masks do", "root": "a scalar constant"}
    assert "mask" in m.buffers_dict()


def test_dtype_stands_for_float32() -> None:
    nodes = [
        node("Constant", [], ["two"], value_float=2.0),
        node("Cast", ["n"], ["f"], to=F),
        node("Mul", ["f", "two"], ["a"]),
        node("MatMul", ["a", "w"], ["y"]),
    ]
    m = pg_onnx.load(model(nodes, [info("n", I64, [1, 3])], weights={"w": W1.T}), dtype="float64")
    out = m(np.array([[1, 2, 3]]))
    assert out.dtype is pg.float64 and m.w.dtype is pg.float64
    np.testing.assert_allclose(out.numpy(), np.array([[2.0, 4, 6]]) @ W1.T, rtol=1e-12)
    assert pg_onnx.load(MLP, dtype="bfloat16")(pg.ones((1, 3), dtype=pg.bfloat16)).dtype is pg.bfloat16


# ---- inputs


def test_inputs_are_checked() -> None:
    m = pg_onnx.load(MLP)
    for args, kwargs, message in [
        ((), {}, "missing inputs: 'x'"),
        ((1, 2), {}, "has 1 inputs, got 2"),
        ((), {"z": 1}, "no input is called 'z'"),
        ((normal(1, 3),), {"x": 1}, "given twice"),
        ((normal(1, 3).astype(np.float64),), {}, "is float64, the model needs float32"),
        ((normal(1, 4),), {}, r"has shape \(1, 4\), the model states float32\[n, 3\]"),
    ]:
        with pytest.raises(UsageError, match=message):
            m(*args, **kwargs)
    assert m([[1, 2, 3]]).shape == (1, 2)


def test_symbols_stand_for_one_extent() -> None:
    inputs = [info("x", F, ["n", 2]), info("z", F, ["n"])]
    data = model([node("Shape", ["x"], ["s"]), node("Identity", ["z"], ["y"])], inputs)
    with pytest.raises(UsageError, match="n = 3"):
        pg_onnx.load(data)(normal(3, 2), normal(4))
    assert pg_onnx.load(data, check_shapes=False)(normal(3, 2), normal(4)).shape == (4,)


def test_an_input_with_a_default() -> None:
    data = model([node("Add", ["x", "w"], ["y"])], ["x", "w"], weights={"w": np.float32([1])})
    m = pg_onnx.load(data)
    assert [v.name for v in m.inputs] == ["x"]
    assert m(np.float32([1])).tolist() == [2] and m(np.float32([1]), w=np.float32([5])).tolist() == [6]


# ---- shapes while tracing


def flatten_by_shape() -> bytes:
    return model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Unsqueeze", ["n", "axes"], ["n1"]),
            node("Concat", ["n1", "rest"], ["shape"], axis=0),
            node("Reshape", ["x", "shape"], ["f"]),
            node("Cast", ["n"], ["nf"], to=F),
            node("Sqrt", ["nf"], ["root"]),
            node("Div", ["f", "root"], ["y"]),
        ],
        [info("x", F, ["n", 2, 3])],
        weights={"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])},
    )


def test_shape_arithmetic_is_done_while_tracing() -> None:
    m = pg_onnx.load(flatten_by_shape())
    f = pg.jit(lambda x: m(x))
    for n in (1, 4):
        x = normal(n, 2, 3)
        np.testing.assert_allclose(f(x).numpy(), x.reshape(n, 6) / np.sqrt(n), rtol=1e-6)
    assert m.params_dict() == {}
    ops = str(pg.make_trace(lambda x: m(x))(pg.ones((2, 2, 3))))
    assert "gather" not in ops and "concat" not in ops


def test_a_shape_that_depends_on_data() -> None:
    data = model([node("Reshape", ["x", "shape"], ["y"])], ["x", info("shape", I64, [None])])
    m = pg_onnx.load(data)
    assert m(normal(6), np.array([2, 3])).shape == (2, 3)
    with pytest.raises(UnsupportedError, match=r"node 'y' .Reshape-14.: input shape decides the shape"):
        pg.jit(lambda x, s: m(x, s))(normal(6), np.array([2, 3]))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ConstantOfShape", ["big"], ["y"])],
        [node("Expand", ["x", "big"], ["y"])],
        [node("Tile", ["one", "big"], ["y"])],
        [node("Range", ["zero", "huge", "step"], ["y"])],
        [node("Pad", ["one", "pads"], ["y"])],
        [node("Resize", ["one", "", "scales"], ["y"])],
        [node("OneHot", ["zero", "huge", "pair"], ["y"])],
        [node("Concat", [f"t{i}"] * 2, [f"t{i + 1}"], axis=0) for i in range(40)]
        + [node("Identity", ["t40"], ["y"])],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_what_a_few_bytes_blow_up_is_refused(nodes) -> None:
    weights = {
        "big": np.array([2**30, 2**30]),
        "one": np.ones((1, 1), np.float32),
        "zero": np.array(0),
        "huge": np.array(2**60),
        "step": np.array(1),
        "pads": np.array([0, 0, 2**40, 0]),
        "scales": np.float32([2**30, 2**30]),
        "pair": np.float32([0, 1]),
        "t0": np.ones(2, np.int64),
    }
    begin = time.process_time()
    m = pg_onnx.load(model(nodes, weights=weights))
    with pytest.raises(ResourceLimitError):
        m(np.ones((1, 1), np.float32))
    assert time.process_time() - begin < 5


# ---- refusals before anything runs


def test_all_that_is_missing_is_listed_at_once() -> None:
    nodes = [
        node("NoSuchOp", ["x"], ["a"], name="first"),
        node("NoSuchOp", ["a"], ["b"], name="second"),
        node("FusedMatMul", ["b", "b"], ["c"], domain="com.microsoft"),
        node("Gelu", ["c"], ["d"]),
        node("Cast", ["d"], ["y"], to=17),
    ]
    data = model(nodes, domains=["com.microsoft"])
    with pytest.raises(UnsupportedError) as caught:
        pg_onnx.load(data)
    found = {(r.domain, r.op, r.version): r for r in caught.value.reasons}
    assert set(found) == {
        ("", "NoSuchOp", 17),
        ("com.microsoft", "FusedMatMul", 1),
        ("", "Gelu", 17),
        ("", "Cast", 13),
    }
    assert found["", "NoSuchOp", 17].nodes == ("first", "second")
    assert "newer versions" in found["", "Gelu", 17].reason and "float8e4m3fn" in found["", "Cast", 13].reason
    assert "\n" not in str(caught.value) and caught.value.exit_code == 4
    assert pg_onnx.unsupported(pg_onnx.read(data)) == list(caught.value.reasons)


def test_a_newer_operator_set_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="opset 99 is newer"):
        pg_onnx.load(model([node("Relu", ["x"], ["y"])], opset=99))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Add", ["x", "b"], ["a"]), node("Add", ["x", "a"], ["b"]), node("Relu", ["b"], ["y"])], "cycle: 'a' <- 'b' <- 'a'"),
        ([node("Relu", ["nothing"], ["y"])], "'nothing' is defined nowhere"),
        ([node("Relu", ["x"], ["z"])], "output 'y' is defined nowhere"),
        ([node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])], "'y' is defined twice"),
        ([node("Relu", ["x"], ["x"]), node("Relu", ["x"], ["y"])], "'x' is defined twice"),
        ([node("Concat", ["x", "x"], ["y"])], "attribute axis is missing"),
        ([node("Concat", ["x", "x"], ["y"], axis=1.5)], "attribute axis is float, needed int"),
        ([node("Relu", ["x", "x"], ["y"])], "more than 1 inputs"),
        ([node("MatMul", ["x"], ["y"])], "input b is missing"),
        ([node("Foo", ["x"], ["y"], domain="other")], "imports no version of the domain 'other'"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)  # fmt: skip
def test_graphs_that_are_no_graphs(nodes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        pg_onnx.load(model(nodes))


def test_nodes_in_any_order() -> None:
    data = model([node("Relu", ["a"], ["y"]), node("Neg", ["x"], ["a"])])
    assert pg_onnx.load(data)(np.float32([-2, 3])).tolist() == [2, 0]


def test_a_long_chain_needs_no_deep_stack() -> None:
    n = 20_000
    names = ["x", *(f"t{i}" for i in range(n - 1)), "y"]
    data = model([node("Neg", [a], [b]) for a, b in zip(names[-2::-1], names[:0:-1], strict=True)])
    assert pg_onnx.load(data)(np.float32([2])).tolist() == [2]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("Reshape", ["x", "s"], ["y"])],
            r"node 'y' \(Reshape-14\): shape \(2, 3\) does not fit \(4, 4\)",
        ),
        ([node("Transpose", ["x"], ["y"], perm=[0, 0])], "name an axis twice"),
        ([node("Softmax", ["x"], ["y"], axis=7)], "axis 7 is out of range for 2 axes"),
        ([node("Concat", ["x", "x"], ["y"], axis=-5)], "axis -5 is out of range"),
        ([node("MatMul", ["x", "x"], ["y"])], "inner"),
        ([node("Gather", ["s", "far"], ["y"])], "node 'y'"),
    ],
    ids=lambda x: x[:12] if isinstance(x, str) else "",
)
def test_nodes_that_do_not_fit_are_named(nodes, message: str) -> None:
    weights = {"s": np.array([4, 4]), "far": np.array([9])}
    with pytest.raises(InvalidModelError, match=message) as caught:
        pg_onnx.load(model(nodes, weights=weights))(normal(2, 3))
    assert "\n" not in str(caught.value)


# ---- modes


def test_batch_normalization_trains() -> None:
    weights = {"g": normal(3), "b": normal(3), "mean": normal(3), "var": np.abs(normal(3))}
    data = model([node("BatchNormalization", ["x", *weights], ["y"], momentum=0.75)], weights=weights)
    x = normal(16, 3)
    m = pg_onnx.load(data)
    assert list(m.params_dict()) == ["g", "b"] and list(m.buffers_dict()) == ["mean", "var"]
    fixed = (x - weights["mean"]) / np.sqrt(weights["var"] + 1e-5) * weights["g"] + weights["b"]
    np.testing.assert_allclose(m(x).numpy(), fixed, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(m.mean.numpy(), weights["mean"])
    m = pg_onnx.load(data, train=True)
    moved = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * weights["g"] + weights["b"]
    np.testing.assert_allclose(pg.jit(lambda x: m(x))(x).numpy(), moved, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        m.mean.numpy(), 0.75 * weights["mean"] + 0.25 * x.mean(0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(m.var.numpy(), 0.75 * weights["var"] + 0.25 * x.var(0), rtol=1e-4)


@pytest.mark.parametrize("opset", [6, 9, 12, 17, 22])
def test_dropout_drops_in_training_mode_only(opset: int) -> None:
    weights = {"ratio": np.float32(0.25)}
    dropout = (
        node("Dropout", ["x", "ratio"], ["y"]) if opset >= 12 else node("Dropout", ["x"], ["y"], ratio=0.25)
    )
    m = pg_onnx.load(model([dropout], weights=weights, opset=opset))
    x = np.ones((100, 100), np.float32)
    assert m(x).tolist() == x.tolist()
    out = m.train()(x).numpy()
    assert set(np.unique(out)) == {0, np.float32(1 / 0.75)} and 0.2 < (out == 0).mean() < 0.3
