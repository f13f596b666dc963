"""Rules of operators where the official cases are few: against NumPy, onnxruntime and torch."""

from __future__ import annotations

import numpy as np
import onnx
import pequegrad as pg
import pg_onnx
import pytest
from onnx_models import I64, F, info, model, node
from peers import need

rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def test_the_inverse_transform_is_exact() -> None:
    x = normal(3, 10, 2)
    data = model([node("DFT", ["x"], ["y"], axis=1, inverse=1)], opset=17)
    out = pg_onnx.load(data)(x).numpy()
    expected = np.fft.ifft(x[..., 0].astype(np.float64) + 1j * x[..., 1], axis=1)
    np.testing.assert_allclose(out[..., 0] + 1j * out[..., 1], expected, atol=1e-7)


def against_onnxruntime(data: bytes, *inputs: np.ndarray, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    ort = need("onnxruntime")
    proto = onnx.load_from_string(data)
    proto.ir_version = min(proto.ir_version, 10)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    expected = session.run(None, dict(zip(names, inputs, strict=True)))
    outs = pg_onnx.load(data)(*inputs)
    for a, b in zip(expected, outs if isinstance(outs, tuple) else (outs,), strict=True):
        assert str(b.dtype) == str(a.dtype)
        np.testing.assert_allclose(b.numpy(), a, rtol=rtol, atol=atol)


CONVOLUTIONS = [
    dict(pads=[1, 0, 2, 1], strides=[2, 1]),
    dict(auto_pad="SAME_UPPER", strides=[2, 2]),
    dict(auto_pad="SAME_LOWER", strides=[2, 3]),
    dict(auto_pad="VALID"),
    dict(dilations=[2, 1], pads=[2, 2, 2, 2]),
    dict(group=2),
]


@pytest.mark.parametrize("how", CONVOLUTIONS, ids=str)
def test_convolution(how: dict) -> None:
    w = normal(4, 4 // how.get("group", 1), 3, 2)
    data = model(
        [node("Conv", ["x", "w", "b"], ["y"], **how)],
        [info("x", F, [2, 4, 7, 8])],
        weights={"w": w, "b": normal(4)},
    )
    against_onnxruntime(data, normal(2, 4, 7, 8), atol=1e-5)


TRANSPOSED = [
    dict(),
    dict(strides=[2, 3], pads=[1, 0, 0, 1]),
    dict(strides=[3, 2], output_padding=[2, 1]),
    dict(strides=[2, 2], output_shape=[8, 9]),
    dict(strides=[2, 2], auto_pad="SAME_UPPER"),
    dict(strides=[2, 2], auto_pad="SAME_LOWER"),
    dict(dilations=[2, 2], group=2),
]


@pytest.mark.parametrize("how", TRANSPOSED, ids=str)
def test_transposed_convolution(how: dict) -> None:
    w = normal(4, 3, 3, 3)
    data = model(
        [node("ConvTranspose", ["x", "w"], ["y"], **how)], [info("x", F, [1, 4, 4, 4])], weights={"w": w}
    )
    against_onnxruntime(data, normal(1, 4, 4, 4), atol=1e-5)


POOLS = [
    dict(kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 1]),
    dict(kernel_shape=[2, 2], dilations=[2, 2]),
    dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
]


@pytest.mark.parametrize("how", POOLS, ids=str)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling(op: str, how: dict) -> None:
    opset = {"MaxPool": 12, "AveragePool": 19, "LpPool": 18}[op]
    outputs = ["y", "where"] if op == "MaxPool" else ["y"]
    infos = [info("y"), info("where", I64)][: len(outputs)]
    data = model([node(op, ["x"], outputs, **how)], [info("x", F, [2, 3, 7, 9])], infos, opset=opset)
    against_onnxruntime(data, normal(2, 3, 7, 9))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers_with_lengths(op: str, gates: int, direction: str) -> None:
    ways, steps, batch, n, size = 2 if direction == "bidirectional" else 1, 5, 3, 2, 4
    weights = {
        "w": normal(ways, gates * size, n),
        "r": normal(ways, gates * size, size),
        "b": normal(ways, 2 * gates * size),
        "lengths": np.array([5, 2, 4], np.int32),
        "h": normal(ways, batch, size),
    }
    if op == "LSTM":
        weights |= {"c": normal(ways, batch, size), "p": normal(ways, 3 * size)}
    outputs = ["y", "last"] + ["cell"] * (op == "LSTM")
    how = {"linear_before_reset": 1} if op == "GRU" else {}
    layer = node(op, ["x", *weights], outputs, hidden_size=size, direction=direction, **how)
    data = model([layer], [info("x", F, [steps, batch, n])], outputs, weights=weights, opset=14)
    against_onnxruntime(data, normal(steps, batch, n))


RESIZES = [
    dict(mode="linear", coordinate_transformation_mode="half_pixel"),
    dict(mode="linear", coordinate_transformation_mode="align_corners"),
    dict(mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    dict(mode="cubic", coordinate_transformation_mode="half_pixel"),
    dict(mode="cubic", coordinate_transformation_mode="asymmetric", exclude_outside=1, cubic_coeff_a=-0.5),
    dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    dict(mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil"),
]


@pytest.mark.parametrize("sizes", [(9, 4), (3, 11)], ids=str)
@pytest.mark.parametrize("how", RESIZES, ids=str)
def test_resize(how: dict, sizes: tuple[int, int]) -> None:
    weights = {"sizes": np.array([1, 2, *sizes])}
    data = model(
        [node("Resize", ["x", "", "", "sizes"], ["y"], **how)], [info("x", F, [1, 2, 5, 6])], weights=weights
    )
    against_onnxruntime(data, normal(1, 2, 5, 6), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_of_each_version(op: str, axis: int, opset: int) -> None:
    """Before version 13 all axes from the one given on are one."""
    against_onnxruntime(
        model([node(op, ["x"], ["y"], axis=axis)], [info("x", F, [2, 3, 4])], opset=opset), normal(2, 3, 4)
    )


@pytest.mark.parametrize("a", [7, -7])
@pytest.mark.parametrize("b", [2, -2])
@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_integers_divide_as_in_c(op: str, a: int, b: int) -> None:
    data = model(
        [node(op, ["x", "z"], ["y"])], [info("x", I64, [1]), info("z", I64, [1])], [info("y", I64, [1])]
    )
    against_onnxruntime(data, np.array([a]), np.array([b]))


def test_random_numbers() -> None:
    chances = {
        "p": np.full((200, 200), 0.3, np.float32),
        "logits": np.log(np.float32([[0.2, 0.8], [1, 1e-9]])),
    }
    nodes = [
        node("RandomNormalLike", ["p"], ["n"], mean=2.0, scale=3.0),
        node("RandomUniformLike", ["p"], ["u"], low=-1.0, high=3.0),
        node("Bernoulli", ["p"], ["b"]),
        node("Multinomial", ["logits"], ["m"], sample_size=4000, dtype=7),
        node("RandomNormal", [], ["a"], shape=[5], seed=1.0),
        node("RandomNormal", [], ["c"], shape=[5], seed=1.0, dtype=10),
    ]
    model_ = pg_onnx.load(model(nodes, [], [*"nubmac"], weights=chances))
    draw = pg.jit(lambda: model_())
    first, second = draw(), draw()
    n, u, b, m, a, c = (out.numpy() for out in first)
    assert abs(n.mean() - 2) < 0.1 and abs(n.std() - 3) < 0.1
    assert u.min() >= -1 and u.max() <= 3 and abs(u.mean() - 1) < 0.05
    assert abs(b.mean() - 0.3) < 0.02 and set(np.unique(b)) == {0, 1}
    assert m.shape == (2, 4000) and m.dtype == np.int64 and abs(m[0].mean() - 0.8) < 0.05 and m[1].max() == 0
    assert c.dtype == np.float16 and np.allclose(a, c, atol=1e-2)
    assert (n != second[0].numpy()).any() and (a == second[4].numpy()).all()


NARROW = ["UINT4", "INT4", "FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT4E2M1"]


def narrow_model(name: str, consumer: str = "DequantizeLinear") -> bytes:
    """Weights [6, 4] in blocks of 2 along the first axis."""
    code = onnx.TensorProto.DataType.Value(name)
    w = onnx.helper.make_tensor("w", code, [6, 4], np.arange(24) % 4)
    scale = onnx.numpy_helper.from_array(np.abs(normal(3, 4)) + 0.5, "s")
    layers = [node(consumer, ["w", "s"], ["f"], axis=0, block_size=2), node("MatMul", ["x", "f"], ["y"])]
    graph = onnx.helper.make_graph(layers, "g", [info("x", F, ["n", 6])], [info("y")], [w, scale])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 23)]).SerializeToString()


@pytest.mark.parametrize("name", NARROW)
def test_weights_of_few_bits_are_dequantized(name: str) -> None:
    data, x = narrow_model(name), normal(2, 6)
    proto = onnx.load_from_string(data)
    w, s = (onnx.numpy_helper.to_array(t).astype(np.float32) for t in proto.graph.initializer)
    m = pg_onnx.load(data)
    np.testing.assert_allclose(m(x).numpy(), x @ (w * np.repeat(s, 2, 0)), rtol=1e-5, atol=1e-5)
    if name.startswith(("UINT", "INT")):
        against_onnxruntime(data, x, atol=1e-5)


def test_weights_of_few_bits_are_read_by_nothing_else() -> None:
    data = narrow_model("INT4").replace(b"DequantizeLinear", b"QuantizeLinearXX")
    with pytest.raises(pg_onnx.UnsupportedError, match="'w' has the element type int4"):
        pg_onnx.load(data)


def test_gradients_of_layers_against_torch() -> None:
    torch = need("torch")
    weights = {"w": normal(4, 3, 3, 3), "b": normal(4), "g": normal(4), "beta": normal(4)}
    nodes = [
        node("Conv", ["x", "w", "b"], ["h"], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["h", "g", "beta"], ["n"]),
        node("MaxPool", ["n"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("HardSwish", ["p"], ["s"]),
        node("AveragePool", ["s"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    m = pg_onnx.load(model(nodes, [info("x", F, [2, 3, 8, 8])], weights=weights))
    x = normal(2, 3, 8, 8)
    t = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    h = torch.nn.functional.conv2d(torch.tensor(x), t["w"], t["b"], padding=1)
    h = torch.nn.functional.instance_norm(h, weight=t["g"], bias=t["beta"])
    h = torch.nn.functional.hardswish(torch.nn.functional.max_pool2d(h, 2))
    y = torch.nn.functional.avg_pool2d(h, 3, 1, 1, count_include_pad=False)
    (y**2).sum().backward()
    np.testing.assert_allclose(m(x).numpy(), y.detach().numpy(), rtol=1e-4, atol=1e-5)
    import pg_nn as nn

    grads = nn.value_and_grad(m, lambda x: pg.sum(m(x) ** 2))(pg.Tensor(x))[1]
    for name, value in t.items():
        np.testing.assert_allclose(grads[name].numpy(), value.grad.numpy(), rtol=1e-3, atol=1e-3)
