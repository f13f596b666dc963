"""Inputs of the workloads beside the issue's: attention, blocks of networks, linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

# name: which arguments its scalar result is differentiated by; () for a function that is only evaluated
MODELS: dict[str, tuple[int, ...]] = {
    "attention_fwd": (), "attention_fb": (0, 1, 2), "resnet_block": (0, 1, 2, 3, 4, 5), "gru_scan": (0, 1, 2),
    "embedding_xent": (0, 1), "dropout_gelu": (), "pointwise_conv": (), "depthwise_conv": (),
    "solve_f64": (), "cholesky_f64": (),
    "kv_decode": (), "adam_many": (), "adam_small": (),
}  # fmt: skip
DECODER = {"layers": 4, "width": 512, "heads": 8, "length": 1024, "position": 700}


def model_data(name: str, seed: int = 0) -> tuple[Any, ...]:
    """The arrays of a workload, drawn from `seed`."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    if name == "attention_fwd":
        return tuple(normal(2, 8, 1024, 64) for _ in range(3))
    if name == "attention_fb":
        return tuple(normal(2, 8, 1024, 64) for _ in range(4))
    if name == "resnet_block":
        kernels = [normal(64, 64, 3, 3, scale=576**-0.5) for _ in range(2)]
        gains = [1 + normal(64, scale=0.1) for _ in range(2)]
        biases = [normal(64, scale=0.1) for _ in range(2)]
        return (*kernels, *gains, *biases, normal(16, 64, 32, 32), normal(16, 64, 32, 32))
    if name == "gru_scan":  # input and recurrent weights, bias of the recurrent part, sequence, first state
        width = 256
        return (
            normal(width, 3 * width, scale=width**-0.5),
            normal(width, 3 * width, scale=width**-0.5),
            normal(3 * width, scale=0.1),
            normal(64, 32, width),
            np.zeros((32, width), np.float32),
        )
    if name == "embedding_xent":
        tokens, targets = rng.integers(0, 10000, (2, 2048)).astype(np.int64)
        return normal(10000, 256, scale=0.1), normal(256, 1000, scale=256**-0.5), tokens, targets % 1000
    if name == "dropout_gelu":
        return (normal(4096, 1024),)
    if name == "pointwise_conv":
        return normal(16, 256, 28, 28), normal(256, 256, 1, 1, scale=1 / 16)
    if name == "depthwise_conv":
        return normal(16, 128, 56, 56), normal(128, 1, 3, 3, scale=1 / 3)
    if name in ("solve_f64", "cholesky_f64"):
        a = normal(512, 512).astype(np.float64)
        a = a @ a.T / 512 + np.eye(512)
        return (a, normal(512, 8).astype(np.float64)) if name == "solve_f64" else (a,)
    if name == "kv_decode":
        width, heads, length = DECODER["width"], DECODER["heads"], DECODER["length"]
        layers = [
            [normal(width, columns * width, scale=width**-0.5) for columns in (3, 1, 4)]
            + [normal(4 * width, width, scale=(4 * width) ** -0.5)]
            for _ in range(DECODER["layers"])
        ]
        caches = [normal(2, heads, length, width // heads) for _ in range(DECODER["layers"])]
        return layers, caches, normal(1, width), np.asarray(DECODER["position"], np.int32)
    if name == "adam_many":
        return [normal(64, 64) for _ in range(200)], [normal(64, 64) for _ in range(200)]
    if name == "adam_small":  # biases, gains and the matrices of a small net, no two neighbours alike
        shapes = [
            (64,),
            (16, 32),
            (1000,),
            (64, 64),
            (3, 5, 100),
            (128,),
            (4, 4, 9, 8),
            (256,),
            (50, 40),
            (700,),
        ] * 10
        return [normal(*s) for s in shapes], [normal(*s) for s in shapes]
    raise KeyError(name)
