"""pequegrad's side of the benchmark: `workloads()` maps a name to a set-up that returns (run, check).

`run()` does one whole iteration, ends with `.eval()` and alternates between two sets of inputs, so that no
value can be reused; `check()` gives one number of the first set, which the runner compares with the other
frameworks'.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg

sys.path.insert(0, str(Path(__file__).parent))
from data import ALEX_POOLED, ALEX_STRIDE_PADDING, CONVS, GPT, data, mlp8_step
from models_pg import models

Setup = Callable[[], tuple[Callable[[], Any], Callable[[], float]]]


def mean_of(x: pg.Tensor) -> float:
    return float(np.asarray(x.astype("float32").numpy(), np.float64).mean())


def stateless(
    f: Callable[..., Any],
    name: str,
    dtype: str | None = None,
    pick: int | None = None,
    arguments: int | None = None,
    jitted: bool = True,
) -> Setup:
    """A function, jitted or not, of two alternating sets of inputs."""

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        sets = []
        for seed in (0, 1):
            tensors = [pg.Tensor(a) for a in data(name, seed)[:arguments]]
            sets.append([t.astype(dtype).eval() if dtype else t for t in tensors])
        g = pg.jit(f) if jitted else f
        turn = itertools.cycle(sets)

        def run() -> None:
            out = g(*next(turn))
            if isinstance(out, pg.Tensor):
                out.eval()
            else:
                pg.eval(out)

        def check() -> float:
            out = g(*sets[0])
            return mean_of(out if pick is None else out[pick])

        return run, check

    return setup


def seed(x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    return ((pg.permute(x, (0, 2, 1)) + 2) + y).sum(2) * 3


def chain(x: pg.Tensor) -> pg.Tensor:
    a = x * 0.5 + 1
    b = pg.exp(-a * a)
    c = pg.tanh(x) * b
    d = pg.sigmoid(c + a)
    return d * x - c + b * 0.1


def layer_norm(x: pg.Tensor, w: pg.Tensor, b: pg.Tensor) -> pg.Tensor:
    return pg.layer_norm(x, x.shape[-1], w, b)


def cross_entropy(logits: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    rows = pg.log_softmax(logits, axis=-1)
    return -pg.take_along_axis(rows, y.reshape((-1, 1)), 1).mean()


def mlp(p: list[pg.Tensor], x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    h = pg.relu(x @ p[0] + p[1])
    h = pg.relu(h @ p[2] + p[3])
    return cross_entropy(h @ p[4] + p[5], y)


def cnn(p: list[pg.Tensor], x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    h = pg.max_pool2d(pg.relu(pg.conv2d(x, p[0], p[1], padding=1)), 2)
    h = pg.max_pool2d(pg.relu(pg.conv2d(h, p[2], p[3], padding=1)), 2)
    h = pg.relu(h.reshape((h.shape[0], -1)) @ p[4] + p[5])
    return cross_entropy(h @ p[6] + p[7], y)


def alexnet(p: list[pg.Tensor], x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    for i, (stride, padding) in enumerate(ALEX_STRIDE_PADDING):
        x = pg.relu(pg.conv2d(x, p[2 * i], p[2 * i + 1], stride=stride, padding=padding))
        if i in ALEX_POOLED:
            x = pg.max_pool2d(x, 3, 2)
    x = x.reshape((x.shape[0], -1))
    x = pg.relu(x @ p[10] + p[11])
    x = pg.relu(x @ p[12] + p[13])
    return cross_entropy(x @ p[14] + p[15], y)


def gpt(p: list[pg.Tensor], tokens: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
    width, heads = GPT["width"], GPT["heads"]
    batch, length = tokens.shape
    h = p[0][tokens] + p[1]
    mask = pg.arange(length).reshape((length, 1)) >= pg.arange(length)
    layers = iter(p[2:])
    for _ in range(GPT["layers"]):
        g1, b1, wq, bq, wo, bo, g2, b2, w1, c1, w2, c2 = itertools.islice(layers, 12)
        z = layer_norm(h, g1, b1)
        qkv = (z @ wq + bq).reshape((batch, length, 3, heads, width // heads)).permute((2, 0, 3, 1, 4))
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = q @ k.swapaxes(-1, -2) * (width // heads) ** -0.5
        weights = pg.softmax(pg.where(mask, scores, -float("inf")), axis=-1)
        h = h + (weights @ v).permute((0, 2, 1, 3)).reshape((batch, length, width)) @ wo + bo
        h = h + pg.gelu(layer_norm(h, g2, b2) @ w1 + c1, approximate="tanh") @ w2 + c2
    gain, bias, head = layers
    logits = layer_norm(h, gain, bias) @ head
    return cross_entropy(logits.reshape((-1, GPT["vocabulary"])), y.reshape((-1,)))


def training(name: str, net: Callable[..., pg.Tensor], optimizer: str = "sgd", jitted: bool = True) -> Setup:
    """One training step, jitted or not; the parameters and the buffers of the batch change every time."""

    def momentum_step(p: list[pg.Tensor], m: list[pg.Tensor], x: pg.Tensor, y: pg.Tensor) -> Any:
        loss, (g,) = pg.value_and_grad(net)(p, x, y)
        m = [0.9 * a + b for a, b in zip(m, g)]
        return [a - 0.01 * b for a, b in zip(p, m)], m, loss

    def adam_step(p: list[pg.Tensor], state: Any, x: pg.Tensor, y: pg.Tensor) -> Any:
        m, v, t = state
        t = t + 1
        loss, (g,) = pg.value_and_grad(net)(p, x, y)
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
        c1, c2 = 1 - pg.power(0.9, t), 1 - pg.power(0.999, t)
        p = [q - 1e-4 * (a / c1) / (pg.sqrt(b / c2) + 1e-8) for q, a, b in zip(p, m, v)]
        return p, (m, v, t), loss

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        arrays, x, y = data(name)
        batches = itertools.cycle([(pg.Tensor(x), pg.Tensor(y)) for _ in range(2)])
        params = [pg.Tensor(a) for a in arrays]
        zeros = [pg.Tensor(np.zeros_like(a)) for a in arrays]
        adam = optimizer == "adam"
        memory: Any = (
            (zeros, [pg.Tensor(np.zeros_like(a)) for a in arrays], pg.Tensor(np.float32(0).reshape(())))
            if adam
            else zeros
        )
        state: dict[str, Any] = {"p": params, "m": memory}
        step: Any = adam_step if adam else momentum_step
        if jitted:
            step = pg.jit(step, donate_argnums=(0, 1))

        def run() -> None:
            state["p"], state["m"], loss = step(state["p"], state["m"], *next(batches))
            if not jitted:
                pg.eval(state["p"], state["m"], loss)
            state["loss"] = float(loss)

        return run, lambda: state["loss"]

    return setup


def conv_backward(name: str, jitted: bool = True) -> Setup:
    conv = name.split("_")[1]
    stride, padding, wants_dx = CONVS[conv][5:]

    def f(x: pg.Tensor, w: pg.Tensor, b: pg.Tensor, g: pg.Tensor) -> Any:
        if wants_dx:
            return pg.vjp(lambda x, w, b: pg.conv2d(x, w, b, stride=stride, padding=padding), wrt=[0, 1, 2])(
                x, w, b, g
            )
        return pg.vjp(lambda w, b: pg.conv2d(x, w, b, stride=stride, padding=padding), wrt=[0, 1])(w, b, g)

    return stateless(f, name, pick=-2, jitted=jitted)


def tiny(jitted: bool) -> Setup:
    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        sets = itertools.cycle([(pg.ones((8,)).eval(), pg.ones((8,)).eval()) for _ in range(2)])
        f = pg.jit(lambda a, b: a + b) if jitted else lambda a, b: a + b

        def run() -> None:
            f(*next(sets)).eval()

        return run, lambda: mean_of(f(*next(sets)))

    return setup


def hessian(jitted: bool) -> Setup:
    def f(t: pg.Tensor, x: pg.Tensor, y: pg.Tensor) -> pg.Tensor:
        w1, b1, w2, b2 = t[:144].reshape((8, 18)), t[144:162], t[162:198].reshape((18, 2)), t[198:]
        return ((pg.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        inputs = [pg.Tensor(a) for a in data("hessian200")]
        g, kept = pg.hessian(f), {}
        if jitted:
            g = pg.jit(g)

        def run() -> None:
            kept["out"] = g(*inputs).eval()

        return run, lambda: float(np.linalg.norm(kept["out"].numpy().astype(np.float64)))

    return setup


def taylor(kind: str) -> Setup:
    """Five derivatives of sin(exp(x)): in Taylor mode of a number or a vector, or by nested gradients."""

    def f(x: pg.Tensor) -> pg.Tensor:
        return pg.sin(pg.exp(x))

    def series(x: pg.Tensor) -> Any:
        return pg.jet(f, (x,), ([pg.ones_like(x)] + [pg.zeros_like(x)] * 4,))[1]

    def nested(x: pg.Tensor) -> Any:
        orders = [f]
        for _ in range(5):
            orders.append(pg.grad(orders[-1]))
        return [g(x) for g in orders[1:]]

    def setup() -> tuple[Callable[[], Any], Callable[[], float]]:
        x = pg.Tensor(data("taylor5_vec")[0] if kind == "vec" else np.float32(0.3))
        g, kept = pg.jit(nested if kind == "nested" else series), {}

        def run() -> None:
            kept["out"] = g(x)

        return run, lambda: mean_of(kept["out"][4])

    return setup


def mlp8() -> tuple[Callable[[], Any], Callable[[], float]]:
    """A training step of 55 operations on 8x8 tensors, its backward pass written out."""
    p, x, y = data("eager_mlp8")
    batches = itertools.cycle([(pg.Tensor(x), pg.Tensor(y)) for _ in range(2)])
    state: dict[str, Any] = {
        "p": [pg.Tensor(a) for a in p],
        "m": [pg.Tensor(np.zeros_like(a)) for a in p],
    }

    def run() -> None:
        state["p"], state["m"], loss = mlp8_step(state["p"], state["m"], *next(batches))
        pg.eval(state["p"], state["m"], loss)
        state["loss"] = loss

    return run, lambda: float(state["loss"])


def per_call(jitted: bool) -> dict[str, Setup]:
    """The workloads that a user writes either with pg.jit or without."""
    table: dict[str, Setup] = {
        "seed": stateless(seed, "seed", jitted=jitted),
        "chain16m": stateless(chain, "chain16m", jitted=jitted),
        "softmax4k": stateless(lambda x: pg.softmax(x, axis=-1), "softmax4k", jitted=jitted),
        "ln_fwd": stateless(layer_norm, "ln_fwd", arguments=3, jitted=jitted),
        "ln_fwdbwd": stateless(
            lambda x, w, b, g: pg.vjp(layer_norm, wrt=[0, 1, 2])(x, w, b, g),
            "ln_fwdbwd",
            pick=1,
            jitted=jitted,
        ),
        "bmm64x128": stateless(lambda a, b: a @ b, "bmm64x128", jitted=jitted),
    }
    for n in ("mm1024", "mm2048"):
        table[n] = stateless(lambda a, b: a @ b, n, jitted=jitted)
        table[n + "_bf16"] = stateless(lambda a, b: a @ b, n, dtype="bfloat16", jitted=jitted)
    for conv, (_, _, _, _, _, stride, padding, _) in CONVS.items():
        table[f"conv_{conv}_fwd"] = stateless(
            lambda x, w, b, s=stride, p=padding: pg.conv2d(x, w, b, stride=s, padding=p),
            f"conv_{conv}_fwd",
            arguments=3,
            jitted=jitted,
        )
        table[f"conv_{conv}_fb"] = conv_backward(f"conv_{conv}_fb", jitted)
    table["mlp_step"] = training("mlp_step", mlp, jitted=jitted)
    table["cnn_step"] = training("cnn_step", cnn, jitted=jitted)
    table["alexnet_step"] = training("alexnet_step", alexnet, jitted=jitted)
    table["gpt_step"] = training("gpt_step", gpt, "adam", jitted)
    table["hessian200"] = hessian(jitted)
    return table


def workloads() -> dict[str, Setup]:
    """Every workload that pequegrad can run today."""
    table = per_call(True)
    table |= {f"eager_{name}": setup for name, setup in per_call(False).items()}
    table["compile_mlp"] = table["mlp_step"]
    table["compile_gpt"] = table["rss_gpt"] = table["gpt_step"]
    table["second_mlp"], table["second_gpt"] = table["mlp_step"], table["gpt_step"]
    table["tiny_jit"], table["tiny_eager"] = tiny(True), tiny(False)
    table["eager_mlp8"] = mlp8
    table |= {f"taylor5_{kind}": taylor(kind) for kind in ("scalar", "vec", "nested")}
    return table | models()
