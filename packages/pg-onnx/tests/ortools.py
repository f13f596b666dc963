"""Running exported models in onnxruntime, and comparing with pequegrad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pequegrad as pg
import pg_onnx
from peers import need
from pg_nn import StatefulModule


def session(model: onnx.ModelProto | bytes) -> Any:
    """A session of onnxruntime on one thread."""
    ort = need("onnxruntime")
    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto | bytes, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs in onnxruntime for inputs in order."""
    s = session(model)
    names = [i.name for i in s.get_inputs()]
    return s.run(None, dict(zip(names, arrays, strict=True)))


def leaves(args: Any) -> list[np.ndarray]:
    """The arrays among arguments or results."""
    return [x.numpy() if isinstance(x, pg.Tensor) else np.asarray(x) for x in pg.pytree.leaves(args)]


def agrees(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    *,
    also: Sequence[tuple[Any, ...]] = (),
    tolerance: float = 1e-5,
    **options: Any,
) -> onnx.ModelProto:
    """Export, check, run and compare; ``also`` are further arguments for the same file."""
    model = pg_onnx.to_proto(f, args, **options)
    onnx.checker.check_model(model, full_check=True)
    for given in (args, *also):
        got = run(model, leaves(given))
        if isinstance(f, StatefulModule):
            f.eval()
        for ours, theirs in zip(leaves(f(*given)), got, strict=True):
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)
    return model


def ops(model: onnx.ModelProto) -> list[str]:
    """The operators of a model in order."""
    return [node.op_type for node in model.graph.node]


def normal(*shape: int, seed: int = 0) -> pg.Tensor:
    """Normal numbers."""
    return pg.Tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))
