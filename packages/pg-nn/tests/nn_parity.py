"""Comparing a module with its torch counterpart: outputs, gradients and buffers from the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pg_nn as nn
import pytest

torch = pytest.importorskip("torch")


def to_torch(tensor: Any) -> Any:
    return torch.tensor(np.array(tensor.numpy() if isinstance(tensor, pg.Tensor) else tensor))


def copy_weights(ours: nn.StatefulModule, theirs: Any) -> None:
    state = {name: to_torch(t) for name, t in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())  # names and their order
    theirs.load_state_dict(state)


def assert_close(ours: Any, theirs: Any, rtol: float = 1e-5, atol: float = 2e-6, what: str = "") -> None:
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=atol, err_msg=what)
    assert ours.numpy().dtype == theirs.dtype


def check_module(
    ours: nn.StatefulModule, theirs: Any, x: np.ndarray, jit: bool = False, atol: float = 2e-6
) -> None:
    """Outputs, gradients of a weighted sum by input and parameters, and buffers, in the present mode."""
    copy_weights(ours, theirs)
    theirs.train(ours.training)
    differentiable = x.dtype.kind == "f"
    x_torch = torch.tensor(x, requires_grad=differentiable)
    out_torch = theirs(x_torch)
    weights = np.cos(np.arange(out_torch.numel(), dtype=np.float32)).reshape(tuple(out_torch.shape))
    (out_torch * torch.tensor(weights)).sum().backward()

    def loss_fn(params: Any, buffers: Any, x: Any) -> Any:
        out, buffers = nn.functional_call(ours, (params, buffers), x)
        return (out * pg.Tensor(weights)).sum(), (out, buffers)

    wrt = [0, 2] if differentiable else [0]
    run = pg.value_and_grad(loss_fn, wrt=wrt, has_aux=True)
    run = pg.jit(run) if jit else run
    (_, (out, buffers)), grads = run(ours.params_dict(), ours.buffers_dict(), pg.Tensor(x))
    assert_close(out, out_torch, atol=atol, what="output")
    scale = max(1.0, float(np.abs(x).max()), float(np.sqrt(weights.size)))
    for name, parameter in theirs.named_parameters():
        assert_close(grads[0][name], parameter.grad, rtol=1e-4, atol=atol * scale, what=name)
    if differentiable:
        assert_close(grads[1], x_torch.grad, rtol=1e-4, atol=atol * scale, what="input")
    for name, buffer in theirs.named_buffers():
        assert_close(buffers[name], buffer, atol=atol, what=name)
