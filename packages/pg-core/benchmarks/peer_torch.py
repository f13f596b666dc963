"""torch's side of the benchmark, eager and through torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from data import ALEX_POOLED, ALEX_STRIDE_PADDING, CONVS, EAGER, GPT, data, mlp8_step
from models_torch import models

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]


def mlp(p: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    h = F.relu(torch.addmm(p[1], x, p[0]))
    h = F.relu(torch.addmm(p[3], h, p[2]))
    return F.cross_entropy(torch.addmm(p[5], h, p[4]), y)


def cnn(p: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    h = F.max_pool2d(F.relu(F.conv2d(x, p[0], p[1], 1, 1)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, p[2], p[3], 1, 1)), 2)
    h = F.relu(torch.addmm(p[5], h.flatten(1), p[4]))
    return F.cross_entropy(torch.addmm(p[7], h, p[6]), y)


def alexnet(p: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    for i, (stride, padding) in enumerate(ALEX_STRIDE_PADDING):
        x = F.relu(F.conv2d(x, p[2 * i], p[2 * i + 1], stride, padding))
        if i in ALEX_POOLED:
            x = F.max_pool2d(x, 3, 2)
    x = F.relu(torch.addmm(p[11], x.flatten(1), p[10]))
    x = F.relu(torch.addmm(p[13], x, p[12]))
    return F.cross_entropy(torch.addmm(p[15], x, p[14]), y)


def gpt(p: Any, tokens: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    width, heads = GPT["width"], GPT["heads"]
    batch, length = tokens.shape
    h = p[0][tokens] + p[1]
    layers = iter(p[2:])
    for _ in range(GPT["layers"]):
        g1, b1, wq, bq, wo, bo, g2, b2, w1, c1, w2, c2 = [next(layers) for _ in range(12)]
        z = F.layer_norm(h, (width,), g1, b1)
        q, k, v = (z @ wq + bq).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        o = (
            F.scaled_dot_product_attention(q, k, v, is_causal=True)
            .transpose(1, 2)
            .reshape(batch, length, width)
        )
        h = h + o @ wo + bo
        z = F.layer_norm(h, (width,), g2, b2)
        h = h + F.gelu(z @ w1 + c1, approximate="tanh") @ w2 + c2
    gain, bias, head = layers
    logits = F.layer_norm(h, (width,), gain, bias) @ head
    return F.cross_entropy(logits.view(-1, GPT["vocabulary"]), y.view(-1))


def tables(compiled: bool, threads: int) -> dict[str, dict[str, Setup]]:
    """{peer: {workload: set-up}}."""
    torch.set_num_threads(threads)
    wrap: Callable[[Any], Any] = torch.compile if compiled else lambda f: f
    table: dict[str, Setup] = {}

    def add(
        name: str, f: Callable[..., torch.Tensor], dtype: torch.dtype | None = None, source: str | None = None
    ) -> None:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            tensors = [torch.from_numpy(a) for a in data(source or name)]
            tensors = [t.to(dtype) if dtype else t for t in tensors]
            g, kept = wrap(f), {}

            def run() -> None:
                with torch.no_grad():
                    kept["out"] = g(*tensors)

            return run, lambda: float(kept["out"].double().mean())

        table[name] = setup

    def add_gradient(name: str, f: Callable[..., torch.Tensor], wanted: slice) -> None:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            *inputs, ct = [torch.from_numpy(a) for a in data(name)]
            leaves = [t.requires_grad_() for t in inputs[wanted]]
            g, kept = wrap(f), {}

            def run() -> None:
                kept["out"] = torch.autograd.grad(g(*inputs), leaves, ct)

            return run, lambda: float(kept["out"][-2].double().mean())

        table[name] = setup

    def add_training(name: str, net: Callable[..., torch.Tensor], adam: bool = False) -> None:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            arrays, x, y = data(name)
            params = [torch.nn.Parameter(torch.from_numpy(a).clone()) for a in arrays]
            batch = torch.from_numpy(x), torch.from_numpy(y)
            optimizer = (
                torch.optim.Adam(params, lr=1e-4) if adam else torch.optim.SGD(params, lr=0.01, momentum=0.9)
            )
            loss_of, step, kept = wrap(lambda x, y: net(params, x, y)), wrap(optimizer.step), {}

            def run() -> None:
                optimizer.zero_grad()
                loss = loss_of(*batch)
                loss.backward()
                step()
                kept["loss"] = loss.item()

            return run, lambda: kept["loss"]

        table[name] = setup

    def chain(x: torch.Tensor) -> torch.Tensor:
        a = x * 0.5 + 1
        b = torch.exp(-a * a)
        c = torch.tanh(x) * b
        d = torch.sigmoid(c + a)
        return d * x - c + b * 0.1

    add("seed", lambda x, y: (x.permute(0, 2, 1) + 2 + y).sum(2) * 3)
    add("chain16m", chain)
    add("softmax4k", lambda x: F.softmax(x, -1))
    add("ln_fwd", lambda x, w, b, _: F.layer_norm(x, (1024,), w, b))
    add_gradient("ln_fwdbwd", lambda x, w, b: F.layer_norm(x, (1024,), w, b), slice(0, 3))
    for name in ("mm1024", "mm2048"):
        add(name, lambda a, b: a @ b)
        add(name + "_bf16", lambda a, b: a @ b, torch.bfloat16, name)
    add("bmm64x128", lambda a, b: a @ b)
    for conv, (*_, stride, padding, wants_dx) in CONVS.items():
        add(f"conv_{conv}_fwd", lambda x, w, b, _, s=stride, p=padding: F.conv2d(x, w, b, s, p))
        add_gradient(
            f"conv_{conv}_fb",
            lambda x, w, b, s=stride, p=padding: F.conv2d(x, w, b, s, p),
            slice(0 if wants_dx else 1, 3),
        )
    add_training("mlp_step", mlp)
    add_training("cnn_step", cnn)
    add_training("alexnet_step", alexnet)
    add_training("gpt_step", gpt, adam=True)
    table["compile_mlp"], table["compile_gpt"], table["rss_gpt"] = (
        table["mlp_step"],
        table["gpt_step"],
        table["gpt_step"],
    )

    def tiny() -> tuple[Callable[[], Any], Callable[[], float]]:
        a, b = torch.ones(8), torch.ones(8)
        f = wrap(lambda a, b: a + b)
        f(a, b)
        return lambda: f(a, b), lambda: 2.0

    def mlp8() -> tuple[Callable[[], Any], Callable[[], float]]:
        arrays, *batch = data("eager_mlp8")
        x, y = (torch.from_numpy(a) for a in batch)
        state: dict[str, Any] = {"p": [torch.from_numpy(a) for a in arrays]}
        state["m"] = [torch.zeros_like(a) for a in state["p"]]

        def run() -> None:
            with torch.no_grad():
                state["p"], state["m"], state["loss"] = mlp8_step(state["p"], state["m"], x, y)

        return run, lambda: float(state["loss"])

    def hessian() -> tuple[Callable[[], Any], Callable[[], float]]:
        theta, x, y = (torch.from_numpy(a) for a in data("hessian200"))

        def loss(t: torch.Tensor) -> torch.Tensor:
            w1, b1, w2, b2 = t[:144].view(8, 18), t[144:162], t[162:198].view(18, 2), t[198:]
            return ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()

        f, kept = wrap(torch.func.hessian(loss)), {}

        def run() -> None:
            kept["out"] = f(theta)

        return run, lambda: float(kept["out"].double().norm())

    def nested() -> tuple[Callable[[], Any], Callable[[], float]]:
        kept = {}

        def run() -> None:
            x = torch.tensor(0.3, requires_grad=True)
            f = torch.sin(torch.exp(x))
            for _ in range(5):
                (f,) = torch.autograd.grad(f, x, create_graph=True)
            kept["out"] = f

        return run, lambda: float(kept["out"])

    table["hessian200"] = hessian
    table["tiny_jit" if compiled else "tiny_eager"] = tiny
    if not compiled:
        table |= {f"eager_{name}": setup for name, setup in table.items() if f"eager_{name}" in EAGER}
        table["eager_mlp8"] = mlp8
        table["taylor5_nested"] = nested
    table |= models(wrap)
    return {"inductor" if compiled else "torch": table}
