"""Whole networks from both exporters of torch: outputs as onnxruntime computes them, gradients as torch does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pg_onnx
import pytest
from ortools import run
from peers import need
from pg_onnx.cli import main

torch = need("torch")
import torch_models as zoo  # noqa: E402

CASES = [
    pytest.param(name, exporter, fold, id=f"{name}-{exporter}-{'folded' if fold else 'plain'}",
                 marks=() if (name, exporter, fold) == ("mlp", "legacy", False) else pytest.mark.exhaustive)
    for name in zoo.MODELS
    for exporter in ("legacy", "dynamo")
    for fold in (False, True)
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "exporter", "fold"), CASES)
def test_a_network(name: str, exporter: str, fold: bool) -> None:
    model, inputs = zoo.make(name)
    data = zoo.exported(model, inputs, exporter, fold)
    arrays = [x.numpy() for x in inputs]
    module = pg_onnx.load(data)
    given = [pg.Tensor(a) for a in arrays]
    ours = as_list(module(*given))
    for a, b in zip(ours, run(data, arrays), strict=True):
        assert a.shape == b.shape and a.dtype.name == b.dtype.name
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-4)
    if fold:  # traced and exported again, in the operators that pequegrad's own graph becomes
        again = pg_onnx.to_proto(module, tuple(given))
        for a, b in zip(ours, run(again, arrays), strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-4, atol=1e-4)
    jitted = as_list(pg.jit(lambda *xs: module(*xs))(*given))
    for a, b in zip(jitted, ours, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-5)
    inputs = tuple(x.requires_grad_() if x.dtype.is_floating_point else x for x in inputs)
    theirs = as_list(model(*inputs))
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=t.shape).astype(np.float32) for t in theirs]
    compare_gradients(model, inputs, theirs, module, given, weights, fold)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in zoo.MODELS if name != "mlp"])
def test_a_network_of_open_sizes_is_exported_again(name: str, tmp_path: Path) -> None:
    model, inputs = zoo.make(name)
    names = ["ids", "mask"] if name == "bert" else ["x"]
    sizes = {0: "batch", 1: "time"} if name in ("bert", "gpt2", "lstm") else {0: "batch"}
    given, again = str(tmp_path / "given.onnx"), str(tmp_path / "again.onnx")
    dynamic = dict.fromkeys(names, sizes)
    torch.onnx.export(
        model, inputs, given, dynamo=False, opset_version=17, dynamic_axes=dynamic, input_names=names
    )
    assert main(["verify", given, "--samples", "2"]) == 0
    assert main(["convert", given, "-o", again, "--opset", "20"]) == 0
    assert main(["verify", again, "--samples", "4"]) == 0
    # And the file agrees with the one that it was made from, in onnxruntime and for other sizes.
    for k in (3, 5):
        arrays = (
            [np.ones((k, 4), np.int64)] * len(names)
            if len(sizes) == 2
            else [np.random.default_rng(k).normal(size=(k, *inputs[0].shape[1:])).astype(np.float32)]
        )
        for a, b in zip(
            run(Path(given).read_bytes(), arrays), run(Path(again).read_bytes(), arrays), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def compare_gradients(
    model: Any, inputs: Any, theirs: Any, module: Any, given: Any, weights: Any, fold: bool
) -> None:
    """By parameters and by inputs. A weight may be in the file as it is, transposed, or both where it is tied."""
    sum((t * torch.from_numpy(w)).sum() for t, w in zip(theirs, weights, strict=True)).backward()

    def loss(params: dict[str, pg.Tensor], given: list[pg.Tensor]) -> pg.Tensor:
        outs = as_list(nn.apply_to_module(module, params, *given))
        return sum(((o * w).sum() for o, w in zip(outs, weights, strict=True)), pg.zeros(()))

    params = module.params_dict()
    gradients = {k: v.numpy() for k, v in pg.grad(lambda p: loss(p, given))(params).items()}
    compared = 0
    for name, parameter in model.named_parameters():
        value, total = parameter.detach().numpy(), []
        for other, gradient in gradients.items():
            held = params[other].numpy()
            if (other == name or value.ndim == 2) and np.array_equal(held, value):
                total.append(gradient)  # not where statistics were folded into it
            elif value.ndim == 2 and np.array_equal(held, value.T):
                total.append(gradient.T)
        if total:
            close(sum(total), parameter.grad.numpy(), name)
            compared += 1
    count = len(list(model.parameters()))
    # Without folding all keep their numbers, except an LSTM's, whose gates stand in another order.
    least = 1 if fold or hasattr(model, "lstm") else count
    assert compared >= least, f"{compared} of {count}"
    for i, x in enumerate(inputs):
        if x.dtype.is_floating_point:
            gradient = pg.grad(lambda v, i=i: loss(params, [v if k == i else g for k, g in enumerate(given)]))
            close(gradient(given[i]).numpy(), x.grad.numpy(), f"input {i}")


def close(ours: np.ndarray, theirs: np.ndarray, name: str) -> None:
    scale = max(1e-6, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours / scale, theirs / scale, rtol=1e-3, atol=1e-3, err_msg=name)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]
