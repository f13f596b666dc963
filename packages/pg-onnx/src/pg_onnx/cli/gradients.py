"""Gradients of a model against differences along random directions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pequegrad as pg
import pg_nn as nn

from ..importer import OnnxModule
from .common import Report

# In units of the parameters' size: float32 wants large ones, kinks (of relu, of pooling) want small ones.
_STEPS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
_TOLERANCE = 2e-2


def check(
    options: argparse.Namespace, module: OnnxModule, arrays: Mapping[str, np.ndarray], report: Report
) -> int:
    """1 when a directional derivative by inputs or parameters is not what differences say."""
    rng = np.random.default_rng(options.seed)
    inputs = [pg.Tensor(arrays[v.name]) for v in module.inputs]
    names = [v.name for v in module.inputs]
    params = module.params_dict()
    floats = [i for i, x in enumerate(inputs) if x.dtype.is_floating]

    def outputs(params: dict[str, pg.Tensor], moved: Sequence[pg.Tensor]) -> list[pg.Tensor]:
        given: list[Any] = list(inputs)
        for i, x in zip(floats, moved, strict=True):
            given[i] = x
        made = nn.apply_to_module(module, params, *given)
        made = made if isinstance(made, tuple) else (made,)
        return [y for y in made if isinstance(y, pg.Tensor) and y.dtype.is_floating]

    start = [inputs[i] for i in floats]
    weights = [pg.Tensor(rng.normal(size=y.shape).astype(y.dtype.name)) for y in outputs(params, start)]
    groups: list[tuple[str, Any, int | None]] = [("parameters", params, None)] if params else []
    groups += [(f"input {names[i]}", None, k) for k, i in enumerate(floats)]
    rows, code = [], 0
    for what, chosen, k in groups:

        def loss(at: Any, chosen: Any = chosen, k: Any = k) -> pg.Tensor:
            if chosen is not None:
                made = outputs(at, start)
            else:
                made = outputs(params, [at if i == k else x for i, x in enumerate(start)])
            # in float64, so that outputs that hardly change cancel exactly
            parts = ((y.astype("float64") * w).sum() for y, w in zip(made, weights, strict=True))
            return sum(parts, pg.zeros((), dtype="float64"))

        at = chosen if chosen is not None else start[k or 0]
        slope, best = _directional(loss, at, rng)
        good = best <= _TOLERANCE
        code = code if good else 1
        rows.append({"by": what, "slope": slope, "relative_difference": best})
        word = "agrees" if good else "DIFFERS"
        report.say(f"gradient by {what}: {word} with differences, relative difference {best:.3g}")
    report.data["gradients"] = rows
    return code


def _directional(loss: Any, at: Any, rng: np.random.Generator) -> tuple[float, float]:
    """The derivative along a random direction, and its relative distance from the best difference."""
    gradient = pg.grad(loss)(at)
    leaves, tree = pg.pytree.flatten(at)
    slopes = pg.pytree.leaves(gradient)
    scale = [max(float(np.sqrt(np.mean(np.square(x.numpy())))), 1e-3) if x.size else 1.0 for x in leaves]
    way = [rng.normal(size=x.shape) * s for x, s in zip(leaves, scale, strict=True)]
    parts = [g.numpy().astype(np.float64) * d for g, d in zip(slopes, way, strict=True)]
    slope = float(sum(np.sum(p) for p in parts))
    size = float(np.sqrt(sum(np.sum(np.square(p)) for p in parts)))

    def value(step: float) -> float:
        moved = [
            pg.Tensor((x.numpy() + step * d).astype(x.dtype.name)) for x, d in zip(leaves, way, strict=True)
        ]
        return float(loss(pg.pytree.unflatten(tree, moved)).item())

    best = float("inf")
    for h in _STEPS:
        difference = (value(h) - value(-h)) / (2 * h)
        best = min(best, abs(difference - slope) / max(abs(slope), abs(difference), size, 1e-6))
    return slope, best
