"""The official test suite of ONNX, as cases with one of four outcomes; run as a script it prints the table.

    python packages/pg-onnx/tests/suite.py [--kind node] [--match REGEX] [--max-opset 21] [--tier1] [--list]

A case passes, or is unsupported: refused by ``UnsupportedError`` before anything runs. Everything else (wrong, error)
is a failure.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test.loader as loader
import onnx.backend.test.runner as runner
from onnx import numpy_helper

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
# What the exporters of torch emit for seventeen models of many kinds.
TIER1 = frozenset(
    [
        "Add",
        "Reshape",
        "Gemm",
        "Mul",
        "Transpose",
        "Conv",
        "MatMul",
        "Relu",
        "Concat",
        "Gather",
        "Constant",
        "ReduceMean",
        "Div",
        "MaxPool",
        "Cast",
        "Shape",
        "Slice",
        "Softmax",
        "Unsqueeze",
        "LayerNormalization",
        "Expand",
        "Sqrt",
        "Tanh",
        "Sub",
        "Equal",
        "Identity",
        "Split",
        "Pad",
        "Pow",
        "Sigmoid",
        "Where",
        "Erf",
        "ConstantOfShape",
        "AveragePool",
        "Squeeze",
        "Clip",
        "Gelu",
        "Range",
        "ConvTranspose",
        "Resize",
        "Trilu",
        "GlobalAveragePool",
        "Flatten",
        "LogSoftmax",
        "HardSwish",
        "HardSigmoid",
        "Cos",
        "Sin",
        "LSTM",
        "GRU",
        "InstanceNormalization",
        "LeakyRelu",
        "BatchNormalization",
        "PRelu",
        "Elu",
        "Einsum",
        "TopK",
        "GatherElements",
        "Greater",
        "Exp",
        "CumSum",
        "ArgMax",
        "ReduceL2",
        "ReduceSum",
        "ReduceLogSumExp",
        "ReduceProd",
        "ReduceMax",
        "If",
        "DequantizeLinear",
        "QuantizeLinear",
        "Attention",
        "Tile",
        "Reciprocal",
        "OneHot",
    ]
)


# The expected numbers of these were computed in float32, and are as far from zero as this where the transform is
# zero; ours are nearer (test_rules.py compares them with float64).
ROUNDED = {"test_dft_inverse": 1e-6, "test_dft_inverse_opset19": 1e-6}


# What they expect is one draw of another generator; only shape and type can be compared.
DRAWN = re.compile("test_bernoulli")


@dataclass
class Case:
    kind: str
    name: str
    test: Any

    def model(self) -> onnx.ModelProto:
        if self.test.model is not None:
            return self.test.model
        return onnx.load(self._path())

    def _path(self) -> str:
        if self.test.url is not None:  # the light models: full-size layers with constant weights
            return str(Path(loader.DATA_DIR) / "light" / Path(self.test.url).name)
        return os.path.join(self.test.model_dir, "model.onnx")

    def data(self, model: onnx.ModelProto) -> Iterator[tuple[list[Any], list[Any]]]:
        if self.test.data_sets is not None:
            for inputs, outputs in self.test.data_sets:
                yield [_value(v) for v in inputs], [_value(v) for v in outputs]
        elif self.test.url is not None:
            weights = {tensor.name for tensor in model.graph.initializer}
            info = next(value for value in model.graph.input if value.name not in weights)
            shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
            n = int(np.prod(shape))
            expected = onnx.TensorProto.FromString(
                Path(self._path().replace(".onnx", "_output_0.pb")).read_bytes()
            )
            yield [(np.arange(n).reshape(shape) / n).astype(np.float32)], [_value(expected)]
        else:
            for folder in sorted(Path(self.test.model_dir).glob("test_data_set_*")):
                sides = []
                for name, infos in (("input", model.graph.input), ("output", model.graph.output)):
                    count = len(list(folder.glob(f"{name}_*.pb")))
                    sides.append([_load(folder / f"{name}_{i}.pb", infos[i].type) for i in range(count)])
                yield sides[0], sides[1]

    @property
    def atol(self) -> float:
        return ROUNDED.get(self.name, self.test.atol)

    @property
    def opset(self) -> int:
        return next((o.version for o in self.model().opset_import if o.domain in ("", "ai.onnx")), 0)

    @property
    def ops(self) -> set[str]:
        return {node.op_type for node in self.model().graph.node}

    @property
    def primary(self) -> str:
        """The operator that a node case is about; expanded ones are about a function."""
        return "" if "expanded" in self.name else self.model().graph.node[-1].op_type


def cases(*kinds: str) -> list[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # building the data divides by zero on purpose
        return [Case(kind, t.name, t) for kind in kinds for t in loader.load_model_tests(kind=kind)]


def run(case: Case) -> tuple[str, str]:
    """The outcome of a case, and why."""
    import pg_onnx
    from pg_onnx.backend import PequegradBackend

    model = case.model()
    try:
        prepared = PequegradBackend.prepare(model)
        for inputs, expected in case.data(model):
            outputs = prepared.run(inputs)
            if DRAWN.match(case.name):
                outputs = [_like(a, b) for a, b in zip(expected, outputs, strict=True)]
            try:
                check(list(expected), list(outputs), case.test.rtol, case.atol)
            except AssertionError as error:
                return "wrong", " ".join(str(error).split())[:400]
    except pg_onnx.UnsupportedError as error:
        return "unsupported", str(error)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "error", f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    return "pass", ""


def check(expected: list[Any], outputs: list[Any], rtol: float, atol: float) -> None:
    """The official comparison; the elements of sequences one by one, which it cannot compare when they are scalars."""
    assert len(expected) == len(outputs), f"{len(outputs)} values, expected {len(expected)}"
    for a, b in zip(expected, outputs, strict=True):
        if a is None or b is None:
            assert a is None and b is None, "something and nothing"
        elif isinstance(a, list):
            assert isinstance(b, list), "a tensor for a sequence"
            check(a, b, rtol, atol)
        else:
            runner.Runner.assert_similar_outputs([a], [b], rtol, atol)


def _like(expected: np.ndarray, output: np.ndarray) -> np.ndarray:
    """What was expected, unless shape, type or the set of values differ."""
    same = (expected.shape, expected.dtype) == (output.shape, output.dtype) and set(np.unique(output)) <= {
        0,
        1,
    }
    return expected if same else output


def _value(v: Any) -> Any:
    if isinstance(v, onnx.TensorProto):
        return numpy_helper.to_array(v)
    if isinstance(v, (list, tuple)):
        return [_value(x) for x in v]
    return v


def _load(path: Path, kind: onnx.TypeProto) -> Any:
    data = path.read_bytes()
    which = kind.WhichOneof("value")
    if which == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if which == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--match", default="")
    parser.add_argument("--max-opset", type=int, default=10**6)
    parser.add_argument(
        "--tier1", action="store_true", help="node cases whose operator is among the tier-1 ones"
    )
    parser.add_argument("--list", action="store_true", help="also list what does not pass")
    options = parser.parse_args()
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    reasons: collections.Counter[str] = collections.Counter()
    for case in cases(*(options.kind or KINDS)):
        if not re.search(options.match, case.name) or case.opset > options.max_opset:
            continue
        if options.tier1 and case.primary not in TIER1:
            continue
        outcome, why = run(case)
        table[case.kind][outcome] += 1
        if outcome == "unsupported":
            reasons[why.partition("not supported: ")[2] or why] += 1
        if outcome in ("wrong", "error") or (options.list and outcome != "pass"):
            print(f"{outcome:12} {case.kind:18} {case.name} (opset {case.opset}): {why}", flush=True)
    print(f"\n{'':20}{'cases':>8}{'pass':>8}{'unsupported':>13}{'wrong':>8}{'error':>8}")
    for kind, counts in table.items():
        row = "".join(
            f"{counts[o]:>{w}}" for o, w in (("pass", 8), ("unsupported", 13), ("wrong", 8), ("error", 8))
        )
        print(f"{kind:20}{sum(counts.values()):>8}{row}")
    for why, count in reasons.most_common(60):
        print(f"{count:5}  {why[:160]}")
    return 1 if any(counts["wrong"] + counts["error"] for counts in table.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
