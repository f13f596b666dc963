"""Mutated files through the command: no traceback, no signal, no hang, one of the documented exit codes.

    python packages/pg-onnx/tests/fuzz_files.py [--count 1000] [--seed 0] [--keep FOLDER]

Every mutation is numbered, so that one can be repeated: ``--seed N --count 1``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pequegrad as pg
import pg_nn as nn
import pg_onnx
from hostile import LIMIT, chain, doubling, loop, model, node, sized
from onnx import numpy_helper
from pg_onnx.cli import main

GOOD_CODES = {0, 2, 3, 4, 5, 6}
SECONDS = 10  # of the processor


def corpus() -> list[bytes]:
    """Small models with much in them."""
    x = pg.ones((1, 2, 6, 6))
    conv = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(27, 2),
    )
    made = [
        pg_onnx.to_proto(conv, x, dynamic={"x": {0: "batch"}}),
        pg_onnx.to_proto(lambda q: pg.scaled_dot_product_attention(q, q, q, is_causal=True), pg.ones((1, 2, 3, 4))),
        pg_onnx.to_proto(lambda x: pg.scan(lambda c, r: (c + r, c * r), pg.zeros(4), x), pg.ones((3, 4))),
        pg_onnx.to_proto(lambda x: pg.cond(x.sum() > 0, pg.sin, pg.cos, x), pg.ones(4)),
        pg_onnx.to_proto(
            lambda x: (pg.take(x, pg.Tensor([1, 0]), 1), pg.pad(x, ((1, 0), (0, 2))), x[::-1, 1:]), pg.ones((2, 3))
        ),
        chain(5),
        doubling(4),
        loop(3),
        sized("Expand", (3, 2)),
        sized("Tile", (3,)),
        model([node("Split", "x", "y z", axis=0, num_outputs=2), node("Einsum", "x", "w", equation="i->i")]),
        model([node("LSTM", "x w r", "y", hidden_size=2)],
              [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in (("w", (1, 8, 3)), ("r", (1, 8, 2)))],
              shape=(2, 1, 3)),
    ]  # fmt: skip
    return [m.SerializeToString() for m in made]


ODD = (2**63 - 1, -(2**63), -1, 2**31, 2**40, 0, 1, 2, 3, 7, 10**6)
OPERATORS = (
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "ConstantOfShape", "Conv",
    "ConvTranspose", "CumSum", "DepthToSpace", "Einsum", "Equal", "Expand", "Flatten", "GRU", "Gather",
    "GatherElements", "GatherND", "Gemm", "GlobalAveragePool", "LSTM", "LayerNormalization", "MatMul", "MaxPool",
    "NonZero", "OneHot", "Pad", "Pow", "Range", "ReduceMax", "ReduceSum", "Reshape", "Resize", "ScatterElements",
    "ScatterND", "Shape", "Slice", "Softmax", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze",
    "Where",
)  # fmt: skip


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The model with a few changes: of what it says, which keeps it a model, or of its bytes."""
    if rng.integers(0, 3):
        proto = onnx.load_model_from_string(data)
        for _ in range(int(rng.integers(1, 4))):
            _change(proto, rng)
        data = proto.SerializeToString()
        if rng.integers(0, 6):
            return data
    return _changed_bytes(data, rng)


def _pick(rng: np.random.Generator, items: Any) -> Any:
    return items[int(rng.integers(0, len(items)))] if len(items) else None


def _change(proto: onnx.ModelProto, rng: np.random.Generator) -> None:
    """One thing in the model is another: an operator, a name, a number of an attribute, a constant, a type."""
    graph = proto.graph
    node, weight = _pick(rng, graph.node), _pick(rng, graph.initializer)
    names = [*(n for k in graph.node for n in (*k.input, *k.output)), *(w.name for w in graph.initializer)]
    kind = int(rng.integers(0, 12))
    if node is None:
        return
    attribute = _pick(rng, node.attribute)
    if kind == 0:
        node.op_type = _pick(rng, OPERATORS)
    elif kind == 1 and node.input:
        node.input[int(rng.integers(0, len(node.input)))] = _pick(rng, names)
    elif kind == 2:
        node.input.append(_pick(rng, [*names, ""]))
    elif kind == 3 and node.input:
        del node.input[int(rng.integers(0, len(node.input)))]
    elif kind in (4, 5) and attribute is not None:
        _change_attribute(attribute, rng)
    elif kind in (6, 7) and weight is not None:
        _change_weight(weight, rng)
    elif kind == 8:
        proto.opset_import[0].version = int(rng.integers(1, 30))
    elif kind == 9:
        dims = _pick(rng, graph.input).type.tensor_type.shape.dim
        if dims:
            _pick(rng, dims).dim_value = int(rng.integers(0, 9))
    elif kind == 10:
        graph.node.remove(node)
    else:
        copy = graph.node.add()
        copy.CopyFrom(node)
        copy.output[0] = "extra"
        graph.output.add(name="extra")


def _change_attribute(attribute: onnx.AttributeProto, rng: np.random.Generator) -> None:
    if attribute.ints and rng.integers(0, 2):
        attribute.ints[int(rng.integers(0, len(attribute.ints)))] = _pick(rng, ODD)
    elif attribute.ints:
        attribute.ints.append(_pick(rng, ODD))
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = _pick(rng, ODD)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = bytes(rng.integers(0, 256, 5, np.uint8))
    elif attribute.type == onnx.AttributeProto.GRAPH and attribute.g.node:
        _pick(rng, attribute.g.node).op_type = _pick(rng, OPERATORS)
    else:
        attribute.type = int(rng.integers(0, 15))


def _change_weight(weight: onnx.TensorProto, rng: np.random.Generator) -> None:
    if weight.data_type == onnx.TensorProto.INT64 and weight.raw_data and rng.integers(0, 4):
        values = np.frombuffer(weight.raw_data, np.int64).copy()
        if values.size:
            values[int(rng.integers(0, values.size))] = _pick(rng, ODD)
        weight.raw_data = values.tobytes()
    elif weight.dims and rng.integers(0, 2):
        weight.dims[int(rng.integers(0, len(weight.dims)))] = _pick(rng, ODD)
    elif len(weight.dims) > 1:
        weight.dims[:] = [*weight.dims[1:], weight.dims[0]]
    else:
        weight.data_type = int(rng.integers(0, 24))


def _changed_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Flips, odd numbers, pieces lost, doubled or moved, an end cut off."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not out:
            break
        at = int(rng.integers(0, len(out)))
        kind = int(rng.integers(0, 9))
        if kind in (0, 1):
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind in (2, 3):
            out[at] = int(rng.integers(0, 256))
        elif kind == 4:
            out[at : at + 1] = bytes(rng.integers(0, 256, int(rng.integers(0, 9)), np.uint8))
        elif kind == 5:
            del out[at : at + int(rng.integers(1, 40))]
        elif kind == 6:
            piece = out[at : at + int(rng.integers(1, 40))]
            to = int(rng.integers(0, len(out)))
            out[to:to] = piece
        elif kind == 7:
            out[at : at + 8] = struct.pack("<q", int(_pick(rng, ODD)))
        else:
            del out[at:]
    return bytes(out)


def one(number: int, files: list[bytes], folder: str) -> str:
    """What is wrong with the command on mutation ``number``; empty when nothing is."""
    rng = np.random.default_rng(number)
    path = os.path.join(folder, "m.onnx")
    Path(path).write_bytes(mutated(files[number % len(files)], rng))
    for arguments in (["check", path], ["run", path, "--random", "--quiet"], ["inspect", path, "--graph"]):
        out, err = io.StringIO(), io.StringIO()
        start = time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = main([*arguments, "--timeout", str(6 * SECONDS)])
        seconds = time.process_time() - start
        said = err.getvalue()
        if code not in GOOD_CODES or "Traceback" in said or "\x1b" in said + out.getvalue():
            return f"{arguments[0]}: exit code {code}: {said[:500]}"
        if code not in (0, 4) and said.count("\n") != 1:
            return f"{arguments[0]}: exit code {code} with {said.count(chr(10))} lines: {said[:500]}"
        if seconds > SECONDS:
            return f"{arguments[0]}: {seconds:.1f} s"
    return ""


def fuzz(first: int, count: int, keep: str = "") -> list[str]:
    """The complaints about these mutations, each run in this process's child with little memory."""
    files = corpus()
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        number = first
        while number < first + count:
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                _serve(number, first + count, files, folder, writer)
            os.close(writer)
            with os.fdopen(reader) as lines:
                for line in lines:
                    text, _, problem = line.rstrip("\n").partition(" ")
                    number = int(text)
                    if problem:
                        problems.append(f"mutation {number}: {problem}")
                        _keep(keep, number, files)
            code = os.waitstatus_to_exitcode(os.wait4(child, 0)[1])
            if code:
                problems.append(f"mutation {number}: the process ended with {code}")
                _keep(keep, number, files)
            number += 1
    return problems


def _serve(number: int, stop: int, files: list[bytes], folder: str, writer: int) -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * LIMIT, size + 2 * LIMIT))
    with os.fdopen(writer, "w") as out:
        for k in range(number, stop):
            print(k, file=out, flush=True)
            problem = one(k, files, folder)
            if problem:
                print(k, problem.replace("\n", " | "), file=out, flush=True)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > LIMIT:
            print(stop - 1, f"more than {LIMIT} bytes of memory", file=out, flush=True)
    os._exit(0)


def _keep(folder: str, number: int, files: list[bytes]) -> None:
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        data = mutated(files[number % len(files)], np.random.default_rng(number))
        Path(folder, f"mutation-{number}.onnx").write_bytes(data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    found = fuzz(options.seed, options.count, options.keep)
    print("\n".join(found) or f"{options.count} mutations, nothing found")
    sys.exit(bool(found))
