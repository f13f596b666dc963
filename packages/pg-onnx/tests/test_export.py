"""Exported networks, gradients and control flow load and agree in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pequegrad as pg
import pg_nn as nn
import pg_onnx
import pytest
from ortools import agrees, normal, ops, run
from peers import need


class Block(nn.StatefulModule):
    """A transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: pg.Tensor) -> pg.Tensor:
        b, t, c = x.shape
        parts = self.qkv(self.first(x)).reshape(b, t, 3, self.heads, c // self.heads)
        q, k, v = (pg.permute(parts[:, :, i], (0, 2, 1, 3)) for i in range(3))
        mixed = pg.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(pg.permute(mixed, (0, 2, 1, 3)).reshape(b, t, c))
        return x + self.down(pg.gelu(self.up(self.second(x))))


def cnn() -> nn.StatefulModule:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


# ---- networks


def test_mlp_with_open_batch() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2))
    made = agrees(
        model, (normal(5, 4),), dynamic={"x": {0: "batch"}}, also=[(normal(1, 4),), (normal(9, 4),)]
    )
    assert ops(made) == ["Gemm", "Relu", "LayerNormalization", "Gemm"]
    names = [w.name for w in made.graph.initializer]
    assert names[:6] == ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight", "3.bias"]
    assert made.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_cnn_with_open_batch() -> None:
    x = normal(3, 2, 12, 12)
    made = agrees(cnn(), (x,), dynamic={"x": [0]}, also=[(normal(1, 2, 12, 12),)])
    kinds = ["Conv", "BatchNormalization", "Relu", "MaxPool", "Conv", "AveragePool", "Reshape", "Gemm"]
    assert ops(made) == kinds


@pytest.mark.parametrize("opset", [13, 15, 17, 18, 20, 23, onnx.defs.onnx_opset_version()])
def test_transformer_block_of_every_opset(opset: int) -> None:
    open_sizes = {"x": {0: "batch", 1: "time"}}
    model = Block(16, 4)
    x = normal(2, 5, 16)
    made = pg_onnx.to_proto(model, x, opset=opset, dynamic=open_sizes)
    onnx.checker.check_model(made, full_check=True)
    model.eval()
    for given in (x, normal(3, 9, 16), normal(1, 1, 16)):
        if opset > 24:  # newer than onnxruntime
            break
        (got,) = run(made, [given.numpy()])
        np.testing.assert_allclose(got, model(given).numpy(), rtol=1e-5, atol=1e-5)
    assert ("LayerNormalization" in ops(made)) == (opset >= 17)
    assert ("Gelu" in ops(made)) == (opset >= 20) and "Softmax" in ops(made)


def test_groups_strides_dilation_and_1d_3d() -> None:
    agrees(
        lambda x, w: pg.conv2d(x, w, stride=2, padding=1, groups=2), (normal(2, 4, 7, 7), normal(6, 2, 3, 3))
    )
    agrees(lambda x, w: pg.conv1d(x, w, dilation=2, padding=2), (normal(2, 3, 9), normal(4, 3, 3)))
    agrees(lambda x, w: pg.conv3d(x, w, padding=1), (normal(1, 2, 4, 4, 4), normal(3, 2, 3, 3, 3)))
    agrees(
        lambda x, w: pg.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
        (normal(2, 4, 5, 5), normal(4, 3, 3, 3)),
    )


# ---- derivatives are functions like any other


def test_value_and_gradient_of_an_mlp() -> None:
    def loss(params: dict[str, pg.Tensor], x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
        hidden = pg.relu(x @ params["w"] + params["b"])
        return nn.functional.cross_entropy(hidden @ params["v"], y)

    params = {"w": normal(4, 8), "b": normal(8), "v": normal(8, 3)}
    labels = pg.Tensor([0, 1, 2, 0, 1])
    made = agrees(pg.value_and_grad(loss, [0]), (params, normal(5, 4), labels))
    assert {i.name for i in made.graph.input} == {"params.w", "params.b", "params.v", "x", "y"}
    for size in (2, 7):
        more = (params, normal(size, 4), pg.Tensor(np.arange(size) % 3))
        agrees(
            pg.value_and_grad(loss, [0]),
            (params, normal(5, 4), labels),
            dynamic={"x": {0: "batch"}, "y": {0: "batch"}},
            also=[more],
        )


def test_value_and_gradient_of_a_cnn() -> None:
    def loss(p: dict[str, pg.Tensor], x: pg.Tensor) -> pg.Tensor:
        h = pg.relu(pg.conv2d(x, p["w"], padding=1) + p["b"].reshape(1, -1, 1, 1))
        h = pg.max_pool2d(h, 2)
        h = pg.avg_pool2d(pg.conv2d(h, p["k"], stride=2, padding=1, groups=2), 2)
        return (h**2).mean()

    p = {"w": normal(4, 2, 3, 3), "b": normal(4), "k": normal(4, 2, 3, 3, seed=1)}
    agrees(pg.value_and_grad(loss, [0, 1]), (p, normal(3, 2, 8, 8)))


def test_a_training_step_of_a_module_and_a_hessian_product() -> None:
    model = Block(8, 2)

    def loss(params: dict[str, pg.Tensor], x: pg.Tensor) -> pg.Tensor:
        return (nn.apply_to_module(model, params, x) ** 2).mean()

    def step(params: dict[str, pg.Tensor], x: pg.Tensor) -> dict[str, pg.Tensor]:
        grads = pg.grad(loss)(params, x)
        return {name: value - 0.1 * grads[name] for name, value in params.items()}

    agrees(step, (model.params_dict(), normal(2, 3, 8)))
    agrees(
        lambda x, v: pg.jvp(pg.grad(lambda x: pg.sum(pg.tanh(x) ** 3)))(x, v), (normal(4), normal(4, seed=1))
    )


# ---- control flow


def test_loops_and_branches() -> None:
    x = normal(3, 4)
    made = agrees(lambda x: pg.scan(lambda c, x: (c + x, c * x), pg.zeros(4), x), (x,))
    assert "Scan" in ops(made)
    agrees(lambda x: pg.scan(lambda c, x: (c + x, c * x), pg.zeros(4), x, reverse=True), (x,))
    made = agrees(lambda x: pg.while_loop(lambda c: c.sum() < 30.0, lambda c: c + abs(x), x), (x,))
    assert "Loop" in ops(made)
    made = agrees(lambda x: pg.cond(x.sum() > 0, pg.sin, pg.cos, x), (x,), also=[(-x,), (x + 3.0,)])
    assert ops(made)[-1] == "If"
    agrees(lambda x: pg.grad(lambda x: pg.scan(lambda c, x: (c * x, c), pg.ones(4), x)[0].sum())(x), (x,))
    assert "Sin" in ops(agrees(lambda x: pg.checkpoint(pg.sin)(x), (x,)))


def test_control_flow_inside_control_flow_reads_from_outside() -> None:
    w = normal(4, 4)

    def f(x: pg.Tensor) -> Any:
        def body(c: pg.Tensor, row: pg.Tensor) -> tuple[pg.Tensor, pg.Tensor]:
            c = pg.cond(row.sum() > 0, lambda c: c @ w, lambda c: c * 2.0, c)
            return pg.tanh(c + row), c.sum()

        return pg.scan(body, pg.ones(4), x)

    x = normal(5, 4)
    agrees(f, (x,), dynamic={"x": {0: "n"}}, also=[(normal(2, 4),), (normal(9, 4),)])
    agrees(lambda x: pg.grad(lambda x: f(x)[0].sum())(x), (x,))
    agrees(
        lambda x: pg.vmap(lambda r: pg.while_loop(lambda c: c.sum() < 9.0, lambda c: c + abs(r) + 1.0, r))(x),
        (x,),
    )
    agrees(pg.hessian(lambda x: (x**3).sum() * x[0]), (normal(4),))


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16"])
def test_networks_of_other_floats(kind: str) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2)).to(
        getattr(pg.dt, kind)
    )
    x = normal(3, 4).astype(kind)
    made = pg_onnx.to_proto(model, x)
    onnx.checker.check_model(made, full_check=True)
    again = pg_onnx.load(made.SerializeToString())(x)
    assert again.dtype == kind
    np.testing.assert_allclose(
        again.astype("float32").numpy(), model(x).astype("float32").numpy(), rtol=1e-2, atol=1e-2
    )


# ---- the mistakes of earlier exporters


def test_scalars_stay_without_axes() -> None:
    made = agrees(lambda x, a: ((x * a).sum(), x + 2.0), (normal(3), pg.Tensor(2.0)))
    assert len(made.graph.input[1].type.tensor_type.shape.dim) == 0
    assert len(made.graph.output[0].type.tensor_type.shape.dim) == 0
    assert all(list(w.dims) == [] for w in made.graph.initializer if w.data_type == onnx.TensorProto.FLOAT)


def test_broadcasts_are_implicit_or_expand_and_never_identity() -> None:
    made = agrees(lambda x, y: x + y, (normal(2, 3), normal(3)))
    assert ops(made) == ["Add"]
    assert "Expand" in ops(agrees(lambda x: pg.broadcast_to(x, (2, 3)), (normal(3),)))
    agrees(lambda x, y: x[:, None, :] * y[None], (normal(2, 3), normal(4, 3)))
    agrees(lambda x: pg.broadcast_to(x.reshape(2, 1, 3), (2, 4, 3)).sum(0), (normal(2, 3),))


@pytest.mark.parametrize(
    "equation",
    ["ij,jk->ik", "ij,jk->ki", "ji,jk->ik", "ij,kj->ik", "bij,bjk->bik", "bij,kj->bik", "abij,abkj->abik", "i,i->",
     "ij,j->i", "i,j->ij", "bhid,bhjd->hbij", "ijk,kjl->il", "abc,cd->dab", "xaby,xbcy->xacy"],
)  # fmt: skip
def test_products_keep_their_labels(equation: str) -> None:
    sizes = {c: 2 + i for i, c in enumerate("abcdhijklxy")}
    a, b = equation.split("->")[0].split(",")
    args = normal(*(sizes[c] for c in a)), normal(*(sizes[c] for c in b), seed=1)
    made = agrees(lambda x, y: pg.einsum(equation, x, y), args)
    assert len(a) == len(b) == 2 or "Gemm" not in ops(made)


def test_permutations_and_attributes() -> None:
    x = normal(2, 3, 4)
    agrees(lambda x: (pg.permute(x, (2, 0, 1)), x.swapaxes(0, 2), x[::-1, 1:, ::2], x[:, ::-2]), (x,))
    agrees(lambda x: (pg.softmax(x, 1), pg.log_softmax(x, 0), x.max((0, 2)), x.argmax(1)), (x,))
    agrees(lambda x: (pg.cumsum(x, 1), pg.cumprod(x, 2), pg.cummax(x, 0), pg.sort(x, 1)), (x,))
    agrees(lambda x: pg.pad(x, ((1, 2), (0, 0), (3, 0)), constant_values=1.5), (x,))


def test_rows_of_nothing_in_attention_stay_zero() -> None:
    mask = pg.Tensor(np.array([[True, False], [False, False]]))
    q = normal(1, 1, 2, 4)
    agrees(lambda q, m: pg.scaled_dot_product_attention(q, q, q, m), (q, mask))


def test_integer_division_by_zero_is_defined() -> None:
    a, b = pg.Tensor([7, -7, 5, -5]), pg.Tensor([2, 2, 0, -3])
    agrees(lambda a, b: (a // b, a % b, pg.fmod(a, b)), (a, b))


# ---- names, modes, options


def test_names_of_inputs_and_outputs() -> None:
    def f(pair: tuple[pg.Tensor, pg.Tensor], *rest: pg.Tensor) -> dict[str, Any]:
        return {"sum": pair[0] + pair[1], "all": [r * 2.0 for r in rest]}

    made = agrees(f, ((normal(2), normal(2)), normal(3), normal(4)))
    assert [i.name for i in made.graph.input] == ["pair.0", "pair.1", "rest_0", "rest_1"]
    assert sorted(o.name for o in made.graph.output) == ["all.0", "all.1", "sum"]
    made = agrees(lambda x: (x, x, x + 1.0), (normal(2),), input_names=["a"], output_names=["p", "q", "r"])
    assert [o.name for o in made.graph.output] == ["p", "q", "r"]


def test_parameters_read_from_outside_can_be_named() -> None:
    model = nn.Linear(2, 3)
    made = agrees(lambda x: pg.tanh(model(x)), (normal(4, 2),), names=model.params_dict())
    assert [w.name for w in made.graph.initializer] == ["weight", "bias"]
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    made = agrees(tied, (normal(4, 3),))
    assert sorted(w.name for w in made.graph.initializer) == ["0.bias", "0.weight", "1.bias"]


def test_modules_are_traced_in_evaluation_mode_and_left_as_they_were() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    made = pg_onnx.to_proto(model, normal(2, 3, 4, 4))
    assert (
        "BatchNormalization" in ops(made)
        and "Where" not in ops(made)
        and model.training
        and model[1].training
    )
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_everything_refused_is_in_one_error() -> None:
    def f(x: pg.Tensor) -> Any:
        return pg.lgamma(x), pg.digamma(x) + pg.lgamma(x + 1.0), pg.rand((3,)) * x

    with pytest.raises(pg_onnx.UnsupportedError) as caught:
        pg_onnx.to_proto(f, normal(3))
    assert {r.op for r in caught.value.reasons} >= {"lgamma", "digamma"}
    assert "test_export.py" in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_use() -> None:
    x = normal(2, 3)
    for options in (
        {"opset": 12},
        {"opset": 999},
        {"dynamic": {"y": [0]}},
        {"dynamic": {"x": [2]}},
        {"input_names": ["a", "b"]},
        {"output_names": ["a", "b"]},
    ):
        with pytest.raises(pg_onnx.UsageError):
            pg_onnx.to_proto(lambda x: x + 1.0, x, **options)
    with pytest.raises(pg_onnx.UsageError):  # both are "n", and differ
        pg_onnx.to_proto(lambda x, y: (x, y), (x, normal(4)), dynamic={"x": {0: "n"}, "y": {0: "n"}})
    with pytest.raises(pg_onnx.UsageError):
        pg_onnx.to_proto(3, x)  # type: ignore[arg-type]


def test_sizes_on_which_the_function_branches_are_refused() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        return pg.sin(x) if x.shape[0] == 2 else pg.cos(x)

    with pytest.raises(pg_onnx.UnsupportedError, match="dynamic"):
        pg_onnx.to_proto(f, normal(2, 3), dynamic={"x": [0]})


def test_a_mean_over_an_open_size_is_no_constant() -> None:
    agrees(lambda x: ((x**2).mean(), x.mean(0), x - x.mean(0, keepdims=True), pg.var(x, 0)), (normal(3, 4),),
           dynamic={"x": [0]}, also=[(normal(8, 4),)])  # fmt: skip


def test_open_sizes_in_shapes() -> None:
    agrees(
        lambda x: (pg.zeros(x.shape) + 1.0, pg.arange(x.shape[1]), x.reshape(-1), pg.concatenate([x, x], 1)),
        (normal(3, 4),),
        dynamic={"x": {0: "a", 1: "b"}},
        also=[(normal(2, 7),), (normal(5, 5),)],
    )


def test_constants_of_open_sizes_are_computed_or_refused() -> None:
    def counts(x: pg.Tensor) -> Any:
        n = x.shape[1]
        return x * pg.Tensor(np.arange(n, dtype=np.float32) * 2 + 1), pg.Tensor(np.zeros(n, np.float32)) + x

    agrees(counts, (normal(2, 3),), dynamic={"x": {1: "n"}}, also=[(normal(2, 8),)])

    def strange(x: pg.Tensor) -> pg.Tensor:
        return x * pg.Tensor(np.random.default_rng(0).normal(size=x.shape[1]).astype(np.float32))

    with pytest.raises(pg_onnx.UnsupportedError, match="constant of shape"):
        pg_onnx.to_proto(strange, normal(2, 3), dynamic={"x": {1: "n"}})


def test_sizes_that_are_equal_by_chance() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        b, t = x.shape
        return pg.where(pg.arange(t)[None] < b, x, 0.0) * (b + 2.0 * t)

    agrees(
        f,
        (normal(2, 2),),
        dynamic={"x": {0: "b", 1: "t"}},
        also=[(normal(3, 7),), (normal(5, 5),), (normal(7, 3),)],
    )


def test_sizes_that_are_halved_are_not_taken_for_constants() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        return x[: x.shape[0] // 2] * 2.0

    with pytest.raises(pg_onnx.UnsupportedError):
        pg_onnx.to_proto(f, normal(4, 3), dynamic={"x": [0]})


# ---- files


def test_files_are_replaced_whole_and_may_be_protected(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    pg_onnx.export(lambda x: x + 1.0, normal(2), file, metadata={"author": "someone"})
    before = file.read_bytes()
    with pytest.raises(pg_onnx.FileError, match="exists"):
        pg_onnx.export(lambda x: x * 2.0, normal(2), file, overwrite=False)
    assert file.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    made = onnx.load(file)
    assert made.metadata_props[0].key == "author" and made.producer_name == "pequegrad"
    with pytest.raises(pg_onnx.FileError):
        pg_onnx.export(lambda x: x, normal(2), tmp_path / "no" / "m.onnx")
    with pytest.raises(pg_onnx.FileError):
        pg_onnx.export(lambda x: x, normal(2), tmp_path)


def test_external_data(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(40, 50), nn.Linear(50, 3))
    file = tmp_path / "m.onnx"
    pg_onnx.export(model, normal(2, 40), file, external_data=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    onnx.checker.check_model(str(file), full_check=True)
    got = need("onnxruntime").InferenceSession(str(file)).run(None, {"x": normal(2, 40).numpy()})
    np.testing.assert_allclose(got[0], model(normal(2, 40)).numpy(), rtol=1e-5, atol=1e-5)


def test_the_same_bytes_twice() -> None:
    model = cnn()
    made = [pg_onnx.to_proto(model, normal(2, 2, 12, 12)) for _ in range(2)]
    assert made[0].SerializeToString(deterministic=True) == made[1].SerializeToString(deterministic=True)


def test_what_is_exported_can_be_loaded() -> None:
    for model, x in ((cnn(), normal(2, 2, 12, 12)), (Block(8, 2), normal(2, 3, 8))):
        again = pg_onnx.load(pg_onnx.to_proto(model, x).SerializeToString())
        model.eval()
        np.testing.assert_allclose(again(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-5)
        assert set(model.params_dict()) <= set(again.state_dict())
        assert again.params_dict()


# ---- imported models written again


def imported() -> pg_onnx.OnnxModule:
    made = pg_onnx.to_proto(cnn(), normal(2, 2, 12, 12), dynamic={"x": {0: "batch"}}, metadata={"a": "b"})
    made.graph.node[0].metadata_props.add(key="layer", value="first")
    return pg_onnx.load(made.SerializeToString())


def test_an_imported_model_is_written_as_it_was(tmp_path: Path) -> None:
    module = imported()
    before = onnx.load_model_from_string(bytes(module.onnx_model.data or b""))
    pg_onnx.export(module, None, tmp_path / "again.onnx")
    assert onnx.load(tmp_path / "again.onnx") == before
    bias = module.state_dict()["7.bias"].numpy() + 1.0
    module.load_state_dict({"7.bias": bias}, strict=False)
    pg_onnx.export(module, None, tmp_path / "again.onnx", metadata={"tuned": "yes"})
    after = onnx.load(tmp_path / "again.onnx")
    assert after.graph.node == before.graph.node and after.metadata_props[-1].key == "tuned"
    changed = [
        a.name for a, b in zip(after.graph.initializer, before.graph.initializer, strict=True) if a != b
    ]
    assert changed == ["7.bias"]
    x = normal(1, 2, 12, 12)
    np.testing.assert_allclose(run(after, [x.numpy()])[0], module(x).numpy(), rtol=1e-5, atol=1e-5)


def test_gradients_of_an_imported_model_are_plain_onnx() -> None:
    module = imported()

    def loss(params: dict[str, pg.Tensor], x: pg.Tensor) -> pg.Tensor:
        return (nn.apply_to_module(module, params, x) ** 2).mean()

    made = agrees(pg.value_and_grad(loss, [0]), (module.params_dict(), normal(2, 2, 12, 12)))
    assert "params.0.weight" in [i.name for i in made.graph.input]
    with pytest.raises(pg_onnx.UsageError):
        pg_onnx.to_proto(module, None, opset=18)
    assert agrees(module, (normal(2, 2, 12, 12),), opset=17).opset_import[0].version == 17
