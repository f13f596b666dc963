"""Files that lie, and a process that shows what the command does with them.

Run as a script it reads cases from the standard input, one JSON list of arguments per line, runs each in a child
of its own with little memory, and writes what happened: exit code or signal, seconds, memory, and what was said.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LIMIT = 2**30  # bytes that a case may take
SECONDS = 10.0  # of the processor: a busy machine makes no file worse
PATIENCE = 60.0  # seconds on the clock until a case counts as hanging

F, I = TensorProto.FLOAT, TensorProto.INT64  # noqa: E741
_info = helper.make_tensor_value_info


def model(
    nodes: list[Any],
    weights: list[Any] = (),  # type: ignore[assignment]
    *,
    shape: Any = (2,),
    opset: int = 20,
    functions: Any = (),
    output: str = "y",
    domains: Any = (),
) -> onnx.ModelProto:
    """A model from x to y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [_info("x", F, shape)],
        [onnx.ValueInfoProto(name=output)],
        initializer=list(weights),
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=10)


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"{op}_{outputs}", **attributes)


def ints(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def weight(**changes: Any) -> onnx.TensorProto:
    """Four floats, or what is claimed of them."""
    made = numpy_helper.from_array(np.ones(4, np.float32), "w")
    if "dims" in changes:
        del made.dims[:]
        made.dims.extend(changes["dims"])
    if "raw" in changes:
        made.raw_data = changes["raw"]
    if "kind" in changes:
        made.data_type = changes["kind"]
    if "external" in changes:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        for key, value in changes["external"].items():
            made.external_data.add(key=key, value=value)
    return made


def with_weight(**changes: Any) -> onnx.ModelProto:
    return model([node("Add", "x w", "y")], [weight(**changes)], shape=(4,))


def sized(op: str, *inputs: Any, x: str = "x", **attributes: Any) -> onnx.ModelProto:
    """An operator whose further inputs are lists of numbers."""
    weights = [ints(f"a{i}", *v) for i, v in enumerate(inputs)]
    return model([node(op, " ".join([x, *(w.name for w in weights)]), "y", **attributes)], weights)


def doubling(count: int) -> onnx.ModelProto:
    """Functions of which each calls the one before twice."""
    made = [
        helper.make_function("f", "f0", ["x"], ["y"], [node("Neg", "x", "y")], [helper.make_opsetid("", 20)])
    ]
    for k in range(1, count):
        inner = [
            helper.make_node(f"f{k - 1}", ["x"], ["m"], domain="f"),
            helper.make_node(f"f{k - 1}", ["m"], ["y"], domain="f"),
        ]
        imports = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
        made.append(helper.make_function("f", f"f{k}", ["x"], ["y"], inner, imports))
    call = helper.make_node(f"f{count - 1}", ["x"], ["y"], domain="f")
    return model([call], functions=made, domains=["f"])


def recursive() -> onnx.ModelProto:
    imports = [helper.make_opsetid("f", 1)]
    f = helper.make_function(
        "f", "f", ["x"], ["y"], [helper.make_node("f", ["x"], ["y"], domain="f")], imports
    )
    return model([helper.make_node("f", ["x"], ["y"], domain="f")], functions=[f], domains=["f"])


def nested(depth: int) -> bytes:
    """Branches in branches; built as bytes from inside out, because protobuf stops early."""

    def field(number: int, data: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(data)) + data

    out = onnx.ValueInfoProto(name="y").SerializeToString()
    graph = field(1, node("Identity", "x", "y").SerializeToString()) + field(12, out)
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph) + _varint(20 << 3) + _varint(5)
        other = (
            field(1, b"else_branch")
            + field(6, graph if _ == 0 else field(12, out))
            + _varint(20 << 3)
            + _varint(5)
        )
        inner = field(1, b"c") + field(2, b"y") + field(4, b"If") + field(5, attribute) + field(5, other)
        graph = field(1, inner) + field(12, out)
    x = _info("x", F, (2,)).SerializeToString()
    c = numpy_helper.from_array(np.array(True), "c").SerializeToString()
    imports = helper.make_opsetid("", 20).SerializeToString()
    return _varint(1 << 3) + _varint(10) + field(7, graph + field(11, x) + field(5, c)) + field(8, imports)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def loop(trips: int) -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", "go", "again"), node("Add", "v v", "w")],
        "b",
        [_info("i", I, ()), _info("go", TensorProto.BOOL, ()), _info("v", F, (2,))],
        [_info("again", TensorProto.BOOL, ()), _info("w", F, (2,))],
    )
    m = numpy_helper.from_array(np.array(trips, np.int64), "m")
    t = numpy_helper.from_array(np.array(True), "t")
    return model([node("Loop", "m t x", "y", body=body)], [m, t])


def chain(count: int) -> onnx.ModelProto:
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    return model([node("Relu", a, b) for a, b in itertools.pairwise(names)])


def doubled_concat(count: int) -> onnx.ModelProto:
    names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
    pairs = itertools.pairwise(names)
    return model([node("Concat", f"{a} {a}", b, axis=0) for a, b in pairs])


HUGE = 2**40
RUN = ("run", "--random")
CHECK = ("check",)
# name: (what is in the file, the command, exit codes that are right)
Case = tuple[Callable[[], onnx.ModelProto | bytes], tuple[str, ...], set[int]]


def external(location: str, **more: str) -> Callable[[], onnx.ModelProto]:
    return lambda: with_weight(external={"location": location, **more})


CASES: dict[str, Case] = {
    # ---- bytes
    "empty": (lambda: b"", CHECK, {3}),
    "noise": (lambda: bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8)), CHECK, {3}),
    "zeros": (lambda: bytes(10000), CHECK, {3}),
    "text": (lambda: b"hello, this is not a model\n" * 100, CHECK, {3}),
    "html": (lambda: b"<!DOCTYPE html><html></html>", CHECK, {3}),
    "git lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 1\n", CHECK, {3}),
    "half": (lambda: chain(50).SerializeToString()[:1000], CHECK, {3}),
    "length beyond the end": (lambda: b"\x3a\xff\xff\xff\xff\x07abc", CHECK, {3}),
    "length of 2^63": (lambda: b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", CHECK, {3}),
    "endless varint": (lambda: b"\x08" + b"\xff" * 1000, CHECK, {3}),
    # ---- weights
    "bytes missing": (lambda: with_weight(raw=b"12"), CHECK, {3}),
    "bytes too many": (lambda: with_weight(raw=b"1" * 400), CHECK, {3}),
    "huge extents": (lambda: with_weight(dims=[HUGE, HUGE]), CHECK, {3, 5}),
    "extents that overflow": (lambda: with_weight(dims=[2**62, 4]), CHECK, {3, 5}),
    "negative extents": (lambda: with_weight(dims=[-4]), CHECK, {3}),
    "negative extents that fit": (lambda: with_weight(dims=[-2, -2]), CHECK, {3}),
    "unknown element type": (lambda: with_weight(kind=99), CHECK, {3, 4}),
    "undefined element type": (lambda: with_weight(kind=0), CHECK, {3, 4}),
    # ---- external data
    "parent": (external("../secret.bin"), CHECK, {3}),
    "inner parent": (external("a/../../secret.bin"), CHECK, {3}),
    "absolute": (external("/etc/passwd"), CHECK, {3}),
    "backslash": (external("..\\secret.bin"), CHECK, {3}),
    "drive": (external("C:secret.bin"), CHECK, {3}),
    "url": (external("file:///etc/passwd"), CHECK, {3}),
    "no location": (external(""), CHECK, {3}),
    "NUL": (external("a\0b"), CHECK, {3}),
    "missing": (external("nothing.bin"), CHECK, {6}),
    "link": (external("link.bin"), CHECK, {6}),
    "link in the way": (external("linked/secret.bin"), CHECK, {6}),
    "folder": (external("folder"), CHECK, {6}),
    "pipe": (external("pipe"), CHECK, {6}),
    "offset beyond the end": (external("data.bin", offset="1000000"), CHECK, {3}),
    "negative offset": (external("data.bin", offset="-8"), CHECK, {3}),
    "length that differs": (external("data.bin", length="8"), CHECK, {3}),
    "huge length": (external("data.bin", length="9" * 30), CHECK, {3}),
    "no number": (external("data.bin", offset="0x10"), CHECK, {3}),
    # ---- graphs
    "cycle": (lambda: model([node("Add", "x b", "a"), node("Neg", "a", "b"), node("Neg", "b", "y")]), CHECK, {3}),
    "cycle of one": (lambda: model([node("Add", "x y", "y")]), CHECK, {3}),
    "defined twice": (lambda: model([node("Neg", "x", "y"), node("Abs", "x", "y")]), CHECK, {3}),
    "defined nowhere": (lambda: model([node("Add", "x q", "y")]), CHECK, {3}),
    "no output": (lambda: model([node("Neg", "x", "z")]), CHECK, {3}),
    "no operators": (lambda: model([node("Neg", "x", "y")], opset=999), CHECK, {4}),
    "unknown operator": (lambda: model([node("Frob", "x", "y")]), CHECK, {4}),
    "deep": (lambda: nested(1000), CHECK, {3, 5}),
    "doubling functions": (lambda: doubling(40), CHECK, {5}),
    "recursion": (recursive, CHECK, {3}),
    "escapes": (lambda: model([node("Evil\x1b[2J\n", "x", "y")]), CHECK, {4}),
    "long name": (lambda: model([node("N" * 10**6, "x", "y")]), CHECK, {3, 4, 5}),
    # ---- attributes
    "stride 0": (lambda: model([node("MaxPool", "x", "y", kernel_shape=[1], strides=[0])], shape=(1, 1, 4)), RUN, {3}),
    "kernel -1": (lambda: model([node("MaxPool", "x", "y", kernel_shape=[-1])], shape=(1, 1, 4)), RUN, {3}),
    "huge pads": (
        lambda: model([node("AveragePool", "x", "y", kernel_shape=[1], pads=[HUGE, HUGE])], shape=(1, 1, 4)), RUN, {3, 5},
    ),
    "perm": (lambda: model([node("Transpose", "x", "y", perm=[0, 0])], shape=(2, 2)), RUN, {3}),
    "axis": (lambda: model([node("Softmax", "x", "y", axis=7)]), RUN, {3}),
    "attribute of another kind": (lambda: model([node("Softmax", "x", "y", axis="z")]), CHECK, {3}),
    "einsum": (lambda: model([node("Einsum", "x", "y", equation="i->->")]), RUN, {3}),
    "parts": (lambda: model([node("Split", "x", "y z", axis=0, num_outputs=2**31)]), RUN, {3}),
    "group 0": (lambda: model([node("Conv", "x x", "y", group=0)], shape=(1, 1, 4)), RUN, {3}),
    # ---- bombs
    "Expand": (lambda: sized("Expand", (HUGE, 2)), RUN, {5}),
    "Expand that overflows": (lambda: sized("Expand", (2**62, 2**62, 2)), RUN, {3, 5}),
    "Tile": (lambda: sized("Tile", (HUGE,)), RUN, {5}),
    "Pad": (lambda: sized("Pad", (HUGE, HUGE)), RUN, {5}),
    "ConstantOfShape": (lambda: model([node("ConstantOfShape", "s", "y")], [ints("s", HUGE)]), RUN, {5}),
    "Range": (
        lambda: model([node("Range", "a b c", "y")], [
            numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("a", 0), ("b", HUGE), ("c", 1))
        ]), RUN, {5},
    ),
    "OneHot": (
        lambda: model([node("Cast", "x", "i", to=I), node("OneHot", "i d v", "y")], [
            numpy_helper.from_array(np.array(HUGE, np.int64), "d"),
            numpy_helper.from_array(np.array([0, 1], np.float32), "v"),
        ]), RUN, {5},
    ),
    "Resize": (
        lambda: model([node("Resize", "x r s", "y")], [
            numpy_helper.from_array(np.zeros(0, np.float32), "r"),
            numpy_helper.from_array(np.array([1e12], np.float32), "s"),
        ]), RUN, {3, 5},
    ),
    "Concat": (lambda: doubled_concat(60), RUN, {5}),
    "Expand, read once": (
        lambda: model([node("Expand", "x s", "e"), node("ReduceSum", "e", "y")], [ints("s", HUGE, 2)]), RUN, {5},
    ),
    "Loop": (lambda: loop(2**60), RUN, {5}),
    "input": (lambda: model([node("Neg", "x", "y")], shape=(HUGE, HUGE)), RUN, {2, 5}),
    "Reshape": (lambda: sized("Reshape", (-1, -1)), RUN, {3}),
    "Reshape of another count": (lambda: sized("Reshape", (HUGE,)), RUN, {3, 5}),
    # ---- large, and good
    "a long chain": (lambda: chain(5000), CHECK, {0}),
    "a long chain that runs": (lambda: chain(2000), RUN, {0}),
}  # fmt: skip


def write_cases(folder: Path) -> dict[str, list[str]]:
    """The files of all cases, and what lies beside them; the arguments of the command by name."""
    out = {}
    for number, (name, (make, command, _)) in enumerate(CASES.items()):
        inner = folder / str(number)
        inner.mkdir()
        (folder / "secret.bin").write_bytes(bytes(16))
        if name in ("link", "link in the way", "folder", "pipe") or "data.bin" in str(make()):
            (inner / "data.bin").write_bytes(np.ones(4, np.float32).tobytes())
            (inner / "link.bin").symlink_to(folder / "secret.bin")
            (inner / "linked").symlink_to(folder)
            (inner / "folder").mkdir()
            os.mkfifo(inner / "pipe")
        made = make()
        (inner / "m.onnx").write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        out[name] = [command[0], str(inner / "m.onnx"), *command[1:]]
    for name, path in (("a folder", folder), ("a device", Path("/dev/zero")), ("nothing", folder / "none")):
        out[name] = ["check", str(path)]
    return out


# ---- the process


def supervise(arguments: list[str]) -> dict[str, Any]:
    """What the command does, in a child with little memory."""
    reader, writer = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + LIMIT, size + LIMIT))
        from pg_onnx.cli import main

        code = 99
        try:
            code = main(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    said = bytearray()
    os.set_blocking(reader, False)
    while True:
        try:
            part = os.read(reader, 65536)
            if not part:
                break
            said += part
        except BlockingIOError:
            if time.monotonic() - start > PATIENCE:
                os.kill(child, signal.SIGKILL)
                break
            time.sleep(0.005)
    os.close(reader)
    _, status, usage = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory": usage.ru_maxrss * 1024,
        "said": said.decode("utf-8", "replace"),
    }


def serve() -> None:
    """Answers cases from the standard input until it ends."""
    import pg_onnx.cli
    import pg_onnx.ops

    pg_onnx.ops.load_all()
    for line in sys.stdin:
        print(json.dumps(supervise(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
