"""``pg-onnx verify``: compares a model with onnxruntime, and says where the two part."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FileError, UsageError
from ..importer import load
from ..reader import Model
from . import gradients
from .common import Progress, Report, add_inputs, add_model, given_inputs, limits_of, make_inputs, read_model
from .run import compute

if TYPE_CHECKING:
    from .oracles import Oracle

HELP = "compare a model with onnxruntime or with expected outputs; on a difference, find the node"
EXAMPLE = "pg-onnx verify model.onnx --samples 3 --grad"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_model(sub)
    add_inputs(sub)
    sub.add_argument(
        "--against", choices=("auto", "onnxruntime", "reference"), default="auto", help="the oracle"
    )
    sub.add_argument("--expected", metavar="OUT.npz", help="compare with these outputs instead")
    sub.add_argument("--rtol", type=float, default=1e-4, help="relative tolerance (default 1e-4)")
    sub.add_argument("--atol", type=float, default=1e-4, help="absolute tolerance (default 1e-4)")
    sub.add_argument("--samples", type=int, default=1, metavar="N", help="random samples, of several sizes")
    sub.add_argument("--grad", action="store_true", help="check gradients by differences, too")
    sub.add_argument("--submodel", metavar="OUT.onnx", help="write the first node that differs as a model")
    sub.add_argument("--force", action="store_true", help="replace an existing file")


def execute(options: argparse.Namespace, report: Report) -> int:
    """Fills the report; 1 when outputs or gradients differ."""
    if options.samples < 1:
        raise UsageError("--samples needs a positive number")
    model = read_model(options)
    limits = limits_of(options)
    module = load(model, limits=limits)
    given = given_inputs(options)
    expected = _expected(options)
    oracle = None if expected is not None else _oracle(options, model)
    worst: dict[str, float] = {}
    failed: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    with Progress(options, "samples", options.samples) as progress:
        for k in range(options.samples):
            rng = np.random.default_rng(options.seed + k)
            arrays = make_inputs(model, options, rng, default=(2, 1, 3, 5)[k % 4], given=given)
            ours = compute(module, arrays)
            theirs = expected if expected is not None else oracle.run(arrays) if oracle else {}
            failed = _compare(options, ours, theirs, worst)
            progress.step()
            if failed:
                break
    report.data |= {
        "file": options.model,
        "against": "the expected outputs" if oracle is None else oracle.name,
        "samples": options.samples,
        "rtol": options.rtol,
        "atol": options.atol,
        "outputs": [{"name": k, "largest_difference": v} for k, v in worst.items()],
    }
    for name, value in worst.items():
        word = "DIFFERS" if name in failed else "agrees"
        report.say(f"{name}: {word} with {report.data['against']}, largest difference {value:.3g}")
    code = 0
    if failed:
        code = 1
        if oracle is not None:
            _locate(options, model, oracle, arrays, report)
    if options.grad and not failed:
        code = gradients.check(options, module, arrays, report)
    return code


def _oracle(options: argparse.Namespace, model: Model) -> Oracle:
    from .oracles import oracle_for  # it imports the onnx package, which other commands do not need

    return oracle_for(options, model)


def _expected(options: argparse.Namespace) -> dict[str, np.ndarray] | None:
    if not options.expected:
        return None
    try:
        with np.load(options.expected, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError) as error:
        raise FileError(f"{options.expected}: {error}") from None


def _compare(
    options: argparse.Namespace,
    ours: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    worst: dict[str, float],
) -> list[str]:
    failed = []
    for name, value in ours.items():
        if name not in theirs:
            raise UsageError(f"the expected outputs lack {name!r}")
        good, difference = close(value, theirs[name], options.rtol, options.atol)
        worst[name] = max(worst.get(name, 0.0), difference)
        if not good:
            failed.append(name)
    return failed


def close(a: np.ndarray, b: Any, rtol: float, atol: float) -> tuple[bool, float]:
    """Do two arrays agree, and their largest difference.

    >>> close(np.array([1.0]), np.array([1.5]), 1e-3, 1e-3)
    (False, 0.5)
    """
    b = np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False, float("inf")
    if a.dtype.kind not in "fc":
        different = a != b
        return not different.any(), float(different.sum())
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    x, y = a.astype(wide), b.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        gap = np.where(same, 0.0, np.abs(x - y))
        good = same | (gap <= atol + rtol * np.abs(y))
    largest = float(np.max(np.nan_to_num(gap, nan=np.inf), initial=0.0))
    return bool(good.all()), largest


def _locate(
    options: argparse.Namespace,
    model: Model,
    oracle: Oracle,
    arrays: Mapping[str, np.ndarray],
    report: Report,
) -> None:
    from . import bisect

    found = bisect.first_difference(options, model, oracle, arrays)
    if found is None:
        report.say("no single node differs when its inputs agree")
        return
    report.data["first_difference"] = found.as_dict()
    report.say(f"first difference at {found}")
    if options.submodel:
        bisect.write_submodel(options.submodel, options, oracle, found, options.force)
        report.say(f"that node as a model: {options.submodel}, its inputs: {options.submodel}.npz")
