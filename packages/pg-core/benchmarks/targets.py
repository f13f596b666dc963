"""What is to be reached, and how a row of results is judged. Nothing here measures.

A row is {framework: {"median": value}}; a ratio is ours over the peer that the row is held against.
"""

from __future__ import annotations

import math
from typing import Any

from data import CONVS, EAGER
from models_data import MODELS

Row = dict[str, Any]

GROUPS: dict[str, tuple[str, list[str]]] = {
    "kernels": (
        "Fused kernels",
        ["seed", "chain16m", "softmax4k", "ln_fwd", "ln_fwdbwd"],
    ),
    "products": ("Matrix products", ["mm1024", "mm2048", "bmm64x128", "mm1024_bf16", "mm2048_bf16"]),
    "convolution": (
        "Convolution, forward and with its gradients",
        [f"conv_{c}_{kind}" for kind in ("fwd", "fb") for c in CONVS],
    ),
    "training": ("Training steps", ["mlp_step", "cnn_step", "alexnet_step", "gpt_step"]),
    "derivatives": (
        "Higher derivatives",
        ["hessian200", "taylor5_scalar", "taylor5_vec", "taylor5_nested"],
    ),
    "calls": ("Small calls", ["tiny_jit", "tiny_eager", "eager_mlp8"]),
    "processes": (
        "First calls, import, memory",
        ["compile_mlp", "compile_gpt", "second_mlp", "second_gpt", "import", "rss_gpt"],
    ),
    "models": ("What else users run", list(MODELS)),
    "unjitted": (
        "The same without pg.jit, beside torch eager",
        [n for n in EAGER if n != "eager_mlp8"],
    ),
}

# ratio that a workload is to reach
TARGETS: dict[str, float] = {
    "seed": 0.75, "chain16m": 0.35, "softmax4k": 0.40, "ln_fwd": 0.70, "ln_fwdbwd": 0.60,
    "mm1024": 1.0, "mm2048": 1.0, "bmm64x128": 1.0, "mm1024_bf16": 1.0, "mm2048_bf16": 1.05,
    **dict.fromkeys(GROUPS["convolution"][1], 1.0),
    "mlp_step": 0.80, "cnn_step": 0.50, "alexnet_step": 0.80, "gpt_step": 0.75,
    **dict.fromkeys(GROUPS["derivatives"][1], 0.6),
    "tiny_jit": 0.15, "tiny_eager": 0.40, "eager_mlp8": 0.25,
    "compile_mlp": 0.50, "compile_gpt": 0.50, "second_mlp": 0.15, "second_gpt": 0.10,
    "import": 1.5, "rss_gpt": 0.80,
    **dict.fromkeys(MODELS, 1.2),
    **dict.fromkeys(GROUPS["unjitted"][1], 1.0),
}  # fmt: skip
CONVOLUTION_MEAN = 0.92  # and the geometric mean of those rows


def rivals(name: str) -> tuple[str, ...]:
    """The frameworks that a workload is held against."""
    if name.startswith(("compile_", "second_")):
        return ("jax",)
    if name.startswith("eager_") or name == "tiny_eager":
        return ("torch",)
    if name == "import":
        return ("numpy",)
    return ("torch", "jax") if name.startswith("rss") else ("torch", "inductor", "jax")


def ratio(name: str, row: Row) -> float | None:
    """Ours over the best of the frameworks that count; None where one of the two is missing."""
    ours = row.get("pg", {}).get("median")
    best = min((row[p]["median"] for p in rivals(name) if "median" in row.get(p, {})), default=None)
    return ours / best if ours and best else None


def verdict(name: str, row: Row) -> str:
    """Whether the target is met, else by how much it is missed."""
    found, target = ratio(name, row), TARGETS.get(name)
    if found is None or target is None:
        return ""
    return "met" if found <= target else f"missed by {100 * (found / target - 1):.0f} %"


def geometric_mean(values: list[float]) -> float:
    """The geometric mean of positive numbers."""
    return math.exp(sum(map(math.log, values)) / len(values))


def disagreement(row: Row) -> str:
    """What is wrong with our result, or nothing."""
    ours = row.get("pg", {}).get("check")
    others = [r["check"] for p, r in row.items() if p != "pg" and "check" in r]
    if ours is None or not others:
        return ""
    scale = max(abs(sorted(others)[len(others) // 2]), 1e-3)
    right = min(abs(ours - o) for o in others) <= 5e-3 * scale
    return "" if right else f"value {ours:.6g}, others {others[0]:.6g}"


def merged(old: dict[str, Row], new: dict[str, Row]) -> dict[str, Row]:
    """Rows of two runs: a framework measured again replaces its old figure, others stay."""
    return {name: {**old.get(name, {}), **new.get(name, {})} for name in {**old, **new}}
