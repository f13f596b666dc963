"""``pg-onnx run``: computes the outputs of a model."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pequegrad as pg

from ..errors import UsageError
from ..importer import OnnxModule, load
from .common import (
    Report,
    add_inputs,
    add_model,
    given_inputs,
    limits_of,
    make_inputs,
    read_model,
    shown,
    true_inputs,
)

HELP = "compute the outputs of a model for given or random inputs"
EXAMPLE = "pg-onnx run model.onnx --input x=x.npy -o out.npz"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_model(sub)
    add_inputs(sub)
    sub.add_argument("--random", action="store_true", help="random numbers for inputs that are not given")
    sub.add_argument("-o", "--output", metavar="OUT.npz", help="write the outputs")
    sub.add_argument("--force", action="store_true", help="replace an existing file")
    sub.add_argument("--jit", action="store_true", help="compile the whole model")


def execute(options: argparse.Namespace, report: Report) -> int:
    """Fills the report and writes the outputs."""
    model = read_model(options)
    given = given_inputs(options)
    missing = [v.name for v in true_inputs(model) if v.name not in given]
    if missing and not options.random:
        names = ", ".join(map(repr, missing))
        raise UsageError(f"missing inputs: {names}; give them with --input, or pass --random")
    arrays = make_inputs(model, options, np.random.default_rng(options.seed), given=given)
    module = load(model, limits=limits_of(options))
    start = time.perf_counter()
    outs = compute(module, arrays, options.jit)
    seconds = time.perf_counter() - start
    if options.output:
        save(options.output, outs, options.force)
    report.data |= {
        "file": options.model,
        "outputs": [{"name": k, "dtype": str(v.dtype), "shape": list(v.shape)} for k, v in outs.items()],
        "seconds": round(seconds, 6),
        "written": options.output,
    }
    for name, value in outs.items():
        report.say(f"{name}: {shown(value)}")
    return 0


def compute(module: OnnxModule, arrays: Mapping[str, np.ndarray], jit: bool = False) -> dict[str, np.ndarray]:
    """The outputs by name, as arrays."""
    tensors = [pg.Tensor(arrays[v.name]) for v in module.inputs]
    results = pg.jit(lambda *xs: module(*xs))(*tensors) if jit else module(*tensors)
    values = results if isinstance(results, tuple) else (results,)
    out: dict[str, np.ndarray] = {}
    for info, value in zip(module.outputs, values, strict=True):
        if not isinstance(value, pg.Tensor):
            kind: Any = "a sequence" if isinstance(value, list) else "nothing"
            raise UsageError(f"output {info.name!r} is {kind}, which cannot be shown as an array")
        out[info.name] = value.numpy()
    return out


def save(path: str, arrays: Mapping[str, np.ndarray], force: bool) -> None:
    """Writes arrays by name, all or nothing."""
    from ..writing import replacing, write_arrays

    if not path.endswith(".npz"):
        raise UsageError(f"{path}: outputs are written as .npz")
    with replacing(path, force) as file:
        write_arrays(file, arrays)
