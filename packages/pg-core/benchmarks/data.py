"""Inputs, sizes and costs of the benchmark workloads; the same numbers for every framework."""

from __future__ import annotations

from typing import Any

import numpy as np

# name: batch, input channels, image edge, output channels, kernel edge, stride, padding, dx wanted?
CONVS = {
    "alex1": (32, 3, 224, 64, 11, 4, 2, False),
    "alex2": (32, 64, 27, 192, 5, 1, 2, True),
    "alex3": (32, 192, 13, 384, 3, 1, 1, True),
    "alex4": (32, 384, 13, 256, 3, 1, 1, True),
    "alex5": (32, 256, 13, 256, 3, 1, 1, True),
    "res56": (32, 64, 56, 64, 3, 1, 1, True),
}
ALEX = ("alex1", "alex2", "alex3", "alex4", "alex5")
ALEX_STRIDE_PADDING = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
ALEX_POOLED = (0, 1, 4)  # convolutions followed by a 3x3 max pool of stride 2
GPT = {"layers": 4, "width": 256, "heads": 4, "length": 128, "batch": 8, "vocabulary": 1024}

TIMED = [
    "seed", "chain16m", "softmax4k", "ln_fwd", "ln_fwdbwd", "mm1024", "mm2048",
    "mm1024_bf16", "mm2048_bf16", "bmm64x128",
    *[f"conv_{k}_fwd" for k in CONVS], *[f"conv_{k}_fb" for k in CONVS],
    "mlp_step", "cnn_step", "alexnet_step", "gpt_step", "tiny_jit", "tiny_eager",
    "hessian200", "taylor5_scalar", "taylor5_vec", "taylor5_nested",
]  # fmt: skip
# What a user writes without jit, beside torch's eager mode.
EAGER = [
    *[f"eager_{n}" for n in TIMED if not n.startswith(("tiny", "taylor"))], "eager_mlp8",
]  # fmt: skip
# Each sample in a process of its own.
FRESH = ["compile_mlp", "compile_gpt", "second_mlp", "second_gpt", "import", "rss_gpt"]


def output_edge(conv: str) -> int:
    """Edge of a convolution's result, in pixels."""
    _, _, edge, _, kernel, stride, padding, _ = CONVS[conv]
    return (edge + 2 * padding - kernel) // stride + 1


def floor_seconds(name: str, gflops: float, gbytes: float) -> float | None:
    """Least time the machine could need: operations over peak or bytes over bandwidth; None: unknown."""
    mega = 2.0**20
    bytes_moved = {
        "seed": 16.4e6, "chain16m": 128 * mega, "softmax4k": 8.0 * 4096**2,
        "ln_fwd": 32 * mega, "ln_fwdbwd": 48 * mega,
    }.get(name)  # fmt: skip
    if bytes_moved is not None:
        return bytes_moved / (gbytes * 1e9)
    if name.startswith("mm") and "bf16" not in name:
        return 2 * int(name[2:6]) ** 3 / (gflops * 1e9)
    if name == "bmm64x128":
        return 64 * 2 * 128**3 / (gflops * 1e9)
    if name.startswith("conv_"):
        conv, kind = name.split("_")[1:]
        batch, inputs, _, outputs, kernel, _, _, wants_dx = CONVS[conv]
        once = 2 * batch * outputs * output_edge(conv) ** 2 * inputs * kernel**2
        return once * (1 if kind == "fwd" else 3 if wants_dx else 2) / (gflops * 1e9)
    return None


def mlp8_step(p: Any, m: Any, x: Any, y: Any) -> Any:
    """A training step in 55 operations, in the arrays of any framework: a network of three layers, its
    backward pass written out, momentum; the new parameters and momenta, and the loss.
    """
    w1, b1, w2, b2, w3, b3 = p
    z1 = x @ w1 + b1
    h1 = z1 * (z1 > 0)
    z2 = h1 @ w2 + b2
    h2 = z2 * (z2 > 0)
    d = h2 @ w3 + b3 - y
    loss = (d * d).mean()
    d = d * (2 / 64)
    g3 = h2.T @ d
    d2 = (d @ w3.T) * (z2 > 0)
    g2 = h1.T @ d2
    d1 = (d2 @ w2.T) * (z1 > 0)
    g1 = x.T @ d1
    grads = (g1, d1.sum(0), g2, d2.sum(0), g3, d.sum(0))
    m = [0.9 * a + g for a, g in zip(m, grads)]
    return [a - 0.01 * v for a, v in zip(p, m)], m, loss


def data(name: str, seed: int = 0) -> Any:
    """The arrays of a workload, float32 and int64, drawn from `seed`."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def layer(rows: int, columns: int) -> list[np.ndarray]:
        return [normal(rows, columns, scale=rows**-0.5), normal(columns, scale=0.01)]

    if name == "seed":
        return normal(1000, 20, 100), normal(1000, 100, 20)
    if name == "chain16m":
        return (normal(16 * 2**20),)
    if name == "softmax4k":
        return (normal(4096, 4096),)
    if name.startswith("ln_"):
        return normal(4096, 1024), 1 + normal(1024, scale=0.1), normal(1024, scale=0.1), normal(4096, 1024)
    if name.startswith("mm"):
        n = int(name[2:6])
        return normal(n, n), normal(n, n)
    if name == "bmm64x128":
        return normal(64, 128, 128), normal(64, 128, 128)
    if name.startswith("conv_"):
        conv = name.split("_")[1]
        batch, inputs, edge, outputs, kernel, _, _, _ = CONVS[conv]
        out = output_edge(conv)
        return (
            normal(batch, inputs, edge, edge),
            normal(outputs, inputs, kernel, kernel, scale=(inputs * kernel**2) ** -0.5),
            normal(outputs, scale=0.1),
            normal(batch, outputs, out, out),
        )
    if name in ("mlp_step", "compile_mlp"):
        params = layer(784, 512) + layer(512, 512) + layer(512, 10)
        return params, normal(128, 784), rng.integers(0, 10, 128).astype(np.int64)
    if name == "cnn_step":
        params = [
            normal(32, 1, 3, 3, scale=1 / 3),
            normal(32, scale=0.01),
            normal(64, 32, 3, 3, scale=288**-0.5),
            normal(64, scale=0.01),
        ]
        params += layer(3136, 128) + layer(128, 10)
        return params, normal(64, 1, 28, 28), rng.integers(0, 10, 64).astype(np.int64)
    if name == "alexnet_step":
        params = []
        for conv in ALEX:
            _, inputs, _, outputs, kernel, _, _, _ = CONVS[conv]
            params += [
                normal(outputs, inputs, kernel, kernel, scale=(inputs * kernel**2) ** -0.5),
                normal(outputs, scale=0.01),
            ]
        params += layer(9216, 4096) + layer(4096, 4096) + layer(4096, 10)
        return params, normal(8, 3, 224, 224), rng.integers(0, 10, 8).astype(np.int64)
    if name in ("gpt_step", "compile_gpt", "rss_gpt"):
        width, vocabulary, length = GPT["width"], GPT["vocabulary"], GPT["length"]
        ones, zeros = np.ones(width, np.float32), np.zeros

        def dense(rows: int, columns: int) -> list[np.ndarray]:
            return [normal(rows, columns, scale=rows**-0.5), zeros(columns, np.float32)]

        params = [normal(vocabulary, width, scale=0.02), normal(length, width, scale=0.02)]
        for _ in range(GPT["layers"]):
            params += [ones.copy(), zeros(width, np.float32), *dense(width, 3 * width), *dense(width, width)]
            params += [
                ones.copy(),
                zeros(width, np.float32),
                *dense(width, 4 * width),
                *dense(4 * width, width),
            ]
        params += [ones.copy(), zeros(width, np.float32), normal(width, vocabulary, scale=width**-0.5)]
        tokens = rng.integers(0, vocabulary, (2, GPT["batch"], length)).astype(np.int64)
        return params, tokens[0], tokens[1]
    if name == "hessian200":
        return normal(200, scale=0.3), normal(64, 8), normal(64, 2)
    if name == "taylor5_vec":
        return (normal(65536, scale=0.5),)
    if name == "eager_mlp8":
        return layer(8, 8) + layer(8, 8) + layer(8, 8), normal(8, 8), normal(8, 8)
    raise KeyError(name)
