"""jax's side of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from data import ALEX_POOLED, ALEX_STRIDE_PADDING, CONVS, GPT, data
from jax import lax
from jax.experimental.jet import jet
from models_jax import models

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]
ready = jax.block_until_ready


def layer_norm(x: Any, w: Any, b: Any) -> Any:
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) * lax.rsqrt(v + 1e-5) * w + b


def conv(x: Any, w: Any, stride: int, padding: int) -> Any:
    return lax.conv_general_dilated(
        x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


def bias(b: Any) -> Any:
    return b[:, None, None]


def pool(x: Any, edge: int, stride: int) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, edge, edge), (1, 1, stride, stride), "VALID")


def cross_entropy(z: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()


def mlp(p: Any, x: Any, y: Any) -> Any:
    h = jax.nn.relu(x @ p[0] + p[1])
    h = jax.nn.relu(h @ p[2] + p[3])
    return cross_entropy(h @ p[4] + p[5], y)


def cnn(p: Any, x: Any, y: Any) -> Any:
    h = pool(jax.nn.relu(conv(x, p[0], 1, 1) + bias(p[1])), 2, 2)
    h = pool(jax.nn.relu(conv(h, p[2], 1, 1) + bias(p[3])), 2, 2)
    h = jax.nn.relu(h.reshape(h.shape[0], -1) @ p[4] + p[5])
    return cross_entropy(h @ p[6] + p[7], y)


def alexnet(p: Any, x: Any, y: Any) -> Any:
    for i, (stride, padding) in enumerate(ALEX_STRIDE_PADDING):
        x = jax.nn.relu(conv(x, p[2 * i], stride, padding) + bias(p[2 * i + 1]))
        if i in ALEX_POOLED:
            x = pool(x, 3, 2)
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ p[10] + p[11])
    x = jax.nn.relu(x @ p[12] + p[13])
    return cross_entropy(x @ p[14] + p[15], y)


def gpt(p: Any, tokens: Any, y: Any) -> Any:
    width, heads = GPT["width"], GPT["heads"]
    batch, length = tokens.shape
    h = p[0][tokens] + p[1]
    mask = jnp.tril(jnp.ones((length, length), bool))
    layers = iter(p[2:])
    for _ in range(GPT["layers"]):
        g1, b1, wq, bq, wo, bo, g2, b2, w1, c1, w2, c2 = [next(layers) for _ in range(12)]
        q, k, v = (
            (layer_norm(h, g1, b1) @ wq + bq)
            .reshape(batch, length, 3, heads, width // heads)
            .transpose(2, 0, 3, 1, 4)
        )
        scores = q @ k.swapaxes(-1, -2) * (width // heads) ** -0.5
        o = (
            (jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), -1) @ v)
            .transpose(0, 2, 1, 3)
            .reshape(batch, length, width)
        )
        h = h + o @ wo + bo
        h = h + jax.nn.gelu(layer_norm(h, g2, b2) @ w1 + c1, approximate=True) @ w2 + c2
    gain, shift, head = layers
    return cross_entropy((layer_norm(h, gain, shift) @ head).reshape(-1, GPT["vocabulary"]), y.reshape(-1))


def training(name: str, net: Callable[..., Any], adam: bool = False) -> Setup:
    def momentum_step(p: Any, m: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(net)(p, x, y)
        m = [0.9 * a + b for a, b in zip(m, g)]
        return [a - 0.01 * b for a, b in zip(p, m)], m, loss

    def adam_step(p: Any, state: Any, x: Any, y: Any) -> Any:
        m, v, t = state
        t = t + 1
        loss, g = jax.value_and_grad(net)(p, x, y)
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        p = [q - 1e-4 * (a / c1) / (jnp.sqrt(b / c2) + 1e-8) for q, a, b in zip(p, m, v)]
        return p, (m, v, t), loss

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        arrays, x, y = data(name)
        params = [jnp.array(a) for a in arrays]
        x, y = jnp.asarray(x), jnp.asarray(y.astype(np.int32))
        zeros = [jnp.zeros_like(p) for p in params]
        memory: Any = (zeros, [jnp.zeros_like(p) for p in params], jnp.float32(0)) if adam else zeros
        state: dict[str, Any] = {"p": params, "m": memory}
        step = jax.jit(adam_step if adam else momentum_step, donate_argnums=(0, 1))

        def run() -> None:
            state["p"], state["m"], loss = step(state["p"], state["m"], x, y)
            state["loss"] = float(loss)
            ready(state["p"])

        return run, lambda: state["loss"]

    return setup


def tables() -> dict[str, dict[str, Setup]]:
    """{peer: {workload: set-up}}."""
    table: dict[str, Setup] = {}

    def add(
        name: str,
        f: Callable[..., Any],
        dtype: Any = None,
        source: str | None = None,
        pick: int | None = None,
    ) -> None:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            arrays = [jnp.asarray(a, dtype=dtype) if dtype else jnp.asarray(a) for a in data(source or name)]
            g, kept = jax.jit(f), {}

            def run() -> None:
                kept["out"] = ready(g(*arrays))

            return run, lambda: float(
                np.asarray(kept["out"] if pick is None else kept["out"][pick], np.float64).mean()
            )

        table[name] = setup

    def chain(x: Any) -> Any:
        a = x * 0.5 + 1
        b = jnp.exp(-a * a)
        c = jnp.tanh(x) * b
        d = jax.nn.sigmoid(c + a)
        return d * x - c + b * 0.1

    add("seed", lambda x, y: (jnp.transpose(x, (0, 2, 1)) + 2 + y).sum(2) * 3)
    add("chain16m", chain)
    add("softmax4k", lambda x: jax.nn.softmax(x, -1))
    add("ln_fwd", lambda x, w, b, _: layer_norm(x, w, b))
    add("ln_fwdbwd", lambda x, w, b, g: jax.vjp(layer_norm, x, w, b)[1](g), pick=1)
    for name in ("mm1024", "mm2048"):
        add(name, lambda a, b: a @ b)
        add(name + "_bf16", lambda a, b: a @ b, jnp.bfloat16, name)
    add("bmm64x128", lambda a, b: a @ b)
    for name, (*_, stride, padding, wants_dx) in CONVS.items():

        def forward(x: Any, w: Any, b: Any, _: Any = None, s: int = stride, p: int = padding) -> Any:
            return conv(x, w, s, p) + bias(b)

        def backward(x: Any, w: Any, b: Any, g: Any, f: Any = forward, dx: bool = wants_dx) -> Any:
            return jax.vjp(f, x, w, b)[1](g) if dx else jax.vjp(lambda w, b: f(x, w, b), w, b)[1](g)

        add(f"conv_{name}_fwd", forward)
        add(f"conv_{name}_fb", backward, pick=-2)
    table["mlp_step"] = table["compile_mlp"] = training("mlp_step", mlp)
    table["cnn_step"] = training("cnn_step", cnn)
    table["alexnet_step"] = training("alexnet_step", alexnet)
    table["gpt_step"] = table["compile_gpt"] = table["rss_gpt"] = training("gpt_step", gpt, adam=True)

    def tiny(jitted: bool) -> Setup:
        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            a, b = jnp.ones(8), jnp.ones(8)
            f = jax.jit(lambda a, b: a + b) if jitted else lambda a, b: a + b
            return lambda: ready(f(a, b)), lambda: 2.0

        return setup

    def hessian() -> tuple[Callable[[], Any], Callable[[], float]]:
        theta, x, y = (jnp.asarray(a) for a in data("hessian200"))

        def loss(t: Any) -> Any:
            w1, b1, w2, b2 = t[:144].reshape(8, 18), t[144:162], t[162:198].reshape(18, 2), t[198:]
            return ((jnp.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()

        f, kept = jax.jit(jax.hessian(loss)), {}

        def run() -> None:
            kept["out"] = ready(f(theta))

        return run, lambda: float(np.linalg.norm(np.asarray(kept["out"], np.float64)))

    def taylor(kind: str) -> Setup:
        def f(x: Any) -> Any:
            return jnp.sin(jnp.exp(x))

        def series(x: Any) -> Any:
            return jet(f, (x,), ([jnp.ones_like(x)] + [jnp.zeros_like(x)] * 4,))[1]

        def nested(x: Any) -> Any:
            orders = [f]
            for _ in range(5):
                orders.append(jax.grad(orders[-1]))
            return [g(x) for g in orders[1:]]

        def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
            x = jnp.asarray(data("taylor5_vec")[0]) if kind == "vec" else jnp.float32(0.3)
            g, kept = jax.jit(nested if kind == "nested" else series), {}

            def run() -> None:
                kept["out"] = ready(g(x))

            return run, lambda: float(np.asarray(kept["out"][4], np.float64).mean())

        return setup

    table["second_mlp"], table["second_gpt"] = table["mlp_step"], table["gpt_step"]
    table["tiny_jit"], table["tiny_eager"] = tiny(True), tiny(False)
    table["hessian200"] = hessian
    table |= {f"taylor5_{kind}": taylor(kind) for kind in ("scalar", "vec", "nested")}
    return {"jax": table | models()}
