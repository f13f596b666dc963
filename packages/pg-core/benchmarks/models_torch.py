"""torch's side of the workloads of models_data.py, eager and through torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from models_data import DECODER, MODELS, model_data

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def resnet_block(w1: Any, w2: Any, g1: Any, g2: Any, b1: Any, b2: Any, x: Any, ct: Any) -> torch.Tensor:
    h = F.relu(F.batch_norm(F.conv2d(x, w1, padding=1), None, None, g1, b1, training=True))
    h = F.batch_norm(F.conv2d(h, w2, padding=1), None, None, g2, b2, training=True)
    return (F.relu(h + x) * ct).sum()


def gru(wx: torch.Tensor, wh: torch.Tensor, b: torch.Tensor, xs: torch.Tensor, h: torch.Tensor) -> Any:
    weights = [wx.T, wh.T, torch.zeros_like(b), b]
    return (torch._VF.gru(xs, h[None], weights, True, 1, 0.0, False, False, False)[0] ** 2).mean()


def decode(layers: Any, caches: Any, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """The next token's hidden state, with keys and values stored in the caches."""
    heads, length = DECODER["heads"], DECODER["length"]
    mask = (torch.arange(length) <= at)[None, None]
    for (wqkv, wo, w1, w2), cache in zip(layers, caches):
        q, k, v = (x @ wqkv).reshape(3, heads, 1, -1)
        cache.index_copy_(2, at.reshape(1), torch.stack((k, v)))
        o = F.scaled_dot_product_attention(q[None], cache[:1], cache[1:], mask)
        x = x + o.reshape(1, -1) @ wo
        x = x + F.gelu(x @ w1, approximate="tanh") @ w2
    return x


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "attention_fwd": attention,
    "attention_fb": lambda q, k, v, ct: (attention(q, k, v) * ct).sum(),
    "resnet_block": resnet_block,
    "gru_scan": gru,
    "embedding_xent": lambda table, w, tokens, y: F.cross_entropy(F.embedding(tokens, table) @ w, y),
    "dropout_gelu": lambda x: F.dropout(F.gelu(x), 0.1),
    "pointwise_conv": F.conv2d,
    "depthwise_conv": lambda x, w: F.conv2d(x, w, padding=1, groups=x.shape[1]),
    "solve_f64": torch.linalg.solve,
    "cholesky_f64": torch.linalg.cholesky,
}


def size_of(x: torch.Tensor) -> float:
    """The mean absolute value."""
    return float(x.detach().double().abs().mean())


def models(wrap: Callable[[Any], Any]) -> dict[str, Setup]:
    """{workload: set-up}; `wrap` is torch.compile, or nothing."""

    def stateless(name: str) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            inputs = [torch.from_numpy(a) for a in model_data(name)]
            leaves = [inputs[i].requires_grad_() for i in MODELS[name]]
            f, kept = wrap(FUNCTIONS[name]), {}

            def run() -> None:
                if leaves:
                    kept["out"] = torch.autograd.grad(f(*inputs), leaves)
                else:
                    with torch.no_grad():
                        kept["out"] = f(*inputs)

            return run, lambda: size_of(kept["out"][0] if leaves else kept["out"])

        return setup

    def kv_decode() -> tuple[Callable[[], Any], Callable[[], float]]:
        layers, caches, x, at = model_data("kv_decode")
        layers = [[torch.from_numpy(a) for a in layer] for layer in layers]
        caches = [torch.from_numpy(a) for a in caches]
        x, at = torch.from_numpy(x), torch.from_numpy(at).long()
        step, kept = wrap(decode), {}

        def run() -> None:
            with torch.no_grad():
                kept["x"] = step(layers, caches, x, at)

        return run, lambda: size_of(kept["x"])

    def adam_step(name: str) -> tuple[Callable[[], Any], Callable[[], float]]:
        arrays, grads = model_data(name)
        params = [torch.nn.Parameter(torch.from_numpy(a)) for a in arrays]
        for p, g in zip(params, grads):
            p.grad = torch.from_numpy(g)
        step = wrap(torch.optim.Adam(params, lr=1e-3, fused=True).step)
        return lambda: step(), lambda: size_of(params[0])

    optimizers = {name: partial(adam_step, name) for name in ("adam_many", "adam_small")}
    table = {name: stateless(name) for name in FUNCTIONS} | {"kv_decode": kv_decode} | optimizers
    if wrap is torch.compile:
        for name in ("gru_scan", *optimizers):  # they compile for a minute each
            del table[name]
    return table
