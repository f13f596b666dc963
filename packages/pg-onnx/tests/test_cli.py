"""The command: what it says, what it writes, and how it ends."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pequegrad as pg
import pg_nn as nn
import pg_onnx
import pytest
from onnx import TensorProto, helper
from ortools import normal
from peers import need
from pg_onnx.cli import main
from pg_onnx.cli.main import parser


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small network with an open batch."""
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    pg_onnx.export(net, normal(5, 3), tmp_path / "m.onnx", dynamic={"x": {0: "batch"}})
    return tmp_path / "m.onnx"


def strange(path: Path, op: str, domain: str = "") -> Path:
    """A model of one operator."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], name="odd", domain=domain)], "g", [x], [y])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("custom", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports), path)
    return path


def as_json(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, dict[str, Any]]:
    """The exit code, and the one object on the standard output."""
    code = main([*map(str, arguments), "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found["schema"] == 1 and found["exit_code"] == code and found["ok"] == (code == 0)
    return code, found


def test_inspect(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(capsys, "inspect", model, "--params", "--graph")
    assert code == 0 and found["ops"] == {"Gemm": 2, "Relu": 1} and found["elements"] == 26
    assert found["inputs"] == [{"name": "x", "type": "float32[batch, 3]"}]
    assert as_json(capsys, "inspect", model, "--flops", "--dim", "batch=10")[1]["flops"] == 2 * 10 * (12 + 8)
    assert main(["inspect", str(model), "--ops", "--params", "--graph"]) == 0
    text = capsys.readouterr().out
    assert "2 Gemm" in text and "0.weight: float32[4, 3]" in text and "output = Gemm(" in text


def test_check(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, "check", model)[0] == 0
    code, found = as_json(capsys, "check", strange(tmp_path / "odd.onnx", "Frobnicate", "custom"))
    assert code == 4 and found["unsupported"][0]["op"] == "Frobnicate" and found["supported_nodes"] == 0
    assert main(["check", str(tmp_path / "odd.onnx")]) == 4
    assert "Frobnicate" in capsys.readouterr().out


def test_run_reads_and_writes_arrays(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = normal(7, 3).numpy()
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "in.npz", x=x)
    for given in (["--input", f"x={tmp_path / 'x.npy'}"], ["--inputs", tmp_path / "in.npz"], ["--jit"]):
        out = tmp_path / "out.npz"
        more = ["--input", f"x={tmp_path / 'x.npy'}"] if given == ["--jit"] else []
        code, found = as_json(capsys, "run", model, *given, *more, "-o", out, "--force")
        assert code == 0 and found["outputs"] == [{"name": "output", "dtype": "float32", "shape": [7, 2]}]
        with np.load(out) as arrays:
            np.testing.assert_allclose(arrays["output"], pg_onnx.load(model)(x).numpy(), rtol=1e-5, atol=1e-6)
    assert as_json(capsys, "run", model, "--random", "--dim", "batch=6")[1]["outputs"][0]["shape"] == [6, 2]
    assert as_json(capsys, "run", model, "--random", "--shape", "x:4,3")[1]["outputs"][0]["shape"] == [4, 2]
    assert main(["run", str(model), "--random", "-o", str(tmp_path / "out.npz")]) == 6  # exists
    for wrong in ([], ["--input", "x"], ["--random", "--shape", "z:2"], ["--random", "--shape", "x:a"]):
        assert main(["run", str(model), *wrong]) == 2
    assert "\nTraceback" not in capsys.readouterr().err


def test_convert(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, again = tmp_path / "m.pgm", tmp_path / "again.onnx"
    assert as_json(capsys, "convert", model, "-o", bundle)[0] == 0
    assert sorted(p.name for p in bundle.iterdir()) == ["manifest.json", "model.safetensors", "program.json"]
    assert as_json(capsys, "convert", bundle, "-o", again)[0] == 0
    assert onnx.load(again) == onnx.load(model)
    assert main(["convert", str(model), "-o", str(again)]) == 6  # exists
    assert main(["convert", str(model), "-o", str(again), "--force", "--opset", "15"]) == 0
    made = onnx.load(again)
    assert made.opset_import[0].version == 15 and made.graph.initializer[0].name == "0.weight"
    assert main(["verify", str(again), "--samples", "2"]) == 0
    assert main(["convert", str(model), "-o", str(again), "--force", "--external-data", "yes"]) == 0
    weights = tmp_path / "w.safetensors"
    assert main(["convert", str(model), "-o", str(weights)]) == 0
    assert sorted(nn.load_safetensors(weights)[0]) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert main(["convert", str(model), "-o", str(weights)]) == 6  # exists
    assert main(["convert", str(model), "-o", str(model / "w.safetensors")]) == 6
    assert main(["convert", str(model), "-o", str(tmp_path / "none" / "m.pgm")]) == 6
    assert main(["convert", str(model), "-o", str(tmp_path / "m.txt")]) == 2
    (bundle / "model.safetensors").write_bytes(b"other")
    assert main(["convert", str(bundle), "-o", str(again), "--force"]) == 3
    capsys.readouterr()


def test_gradients_of_a_model_with_many_kinks_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need("onnxruntime")
    pg.manual_seed(0)
    parts = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)]
    pg_onnx.export(nn.Sequential(*parts), normal(2, 3, 8, 8), tmp_path / "m.onnx")
    for seed in range(3):
        code, found = as_json(capsys, "verify", tmp_path / "m.onnx", "--grad", "--seed", seed)
        assert code == 0 and all(row["relative_difference"] < 5e-3 for row in found["gradients"])


def test_verify(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("onnxruntime")
    code, found = as_json(capsys, "verify", model, "--samples", "4", "--grad")
    assert code == 0 and found["against"] == "onnxruntime" and len(found["gradients"]) == 2
    code, found = as_json(capsys, "verify", model, "--against", "reference")
    assert code == 0 and found["against"] == "the reference evaluator"
    x = normal(2, 3).numpy()
    np.save(tmp_path / "x.npy", x)
    good = pg_onnx.load(model)(x).numpy()
    np.savez(tmp_path / "good.npz", output=good)
    np.savez(tmp_path / "bad.npz", output=good + 1.0)
    given = ("--input", f"x={tmp_path / 'x.npy'}", "--expected")
    assert as_json(capsys, "verify", model, *given, tmp_path / "good.npz")[0] == 0
    code, found = as_json(capsys, "verify", model, *given, tmp_path / "bad.npz")
    assert code == 1 and abs(found["outputs"][0]["largest_difference"] - 1.0) < 1e-3


def test_verify_finds_the_node_that_differs(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pg_onnx.ops.registry import rules

    rule = max(rules()["", "Relu"].items())[1]
    monkeypatch.setitem(rule.__dict__, "function", lambda x: pg.maximum(x, 0.5))
    small = tmp_path / "small.onnx"
    code, found = as_json(capsys, "verify", model, "--submodel", small)
    assert code == 1 and found["first_difference"]["op"] == "Relu"
    part = onnx.load(small)
    assert [node.op_type for node in part.graph.node] == ["Relu"]
    with np.load(f"{small}.npz") as arrays:
        assert list(arrays) == [part.graph.input[0].name]
    assert main(["verify", str(model)]) == 1
    assert "first difference at node" in capsys.readouterr().out


def test_ops(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(capsys, "ops")
    assert code == 0 and found["ops"]["Relu"][-1] >= 14
    assert main(["ops", "--md"]) == 0 and "| Relu |" in capsys.readouterr().out


# ---- how it ends


def test_exit_codes(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truncated = tmp_path / "cut.onnx"
    truncated.write_bytes(model.read_bytes()[:100])
    odd = str(strange(tmp_path / "odd.onnx", "Frobnicate"))
    cases = [
        (["inspect", str(tmp_path / "none.onnx")], 6),
        (["inspect", str(tmp_path)], 6),
        (["check", str(truncated)], 3),
        (["run", odd, "--random"], 4),
        (["run", str(model), "--random", "--dim", "batch=2", "--max-elements", "2"], 5),
        (["run", str(model)], 2),
        ([], 2),
        (["frobnicate"], 2),
        (["check"], 2),
        (["check", str(model), "--max-memory", "x"], 2),
    ]
    for arguments, code in cases:
        assert main(arguments) == code, arguments
        shown = capsys.readouterr()
        assert shown.err.count("\n") == 1 and "error:" in shown.err, arguments
        if code != 2:
            assert main([*arguments, "--json"]) == code
            found = json.loads(capsys.readouterr().out)
            assert found["exit_code"] == code and found["ok"] is False and found["message"]
    assert main(["check", str(truncated), "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_our_own_are_told_apart(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pg_onnx.cli import check

    def broken(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(check, "read_model", broken)
    assert main(["check", str(model)]) == 70
    assert "internal error, KeyError" in capsys.readouterr().err


def test_a_time_limit(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pg_onnx.cli import check

    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(check, "read_model", endless)
    assert main(["check", str(model), "--timeout", "0.2"]) == 5
    capsys.readouterr()


def test_every_command_has_help_with_an_example() -> None:
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(commands.choices) == {"inspect", "check", "convert", "run", "verify", "ops"}
    for name, sub in commands.choices.items():
        assert f"Example: pg-onnx {name}" in sub.format_help()


def test_the_standard_input_and_the_module(model: Path) -> None:
    run = [sys.executable, "-m", "pg_onnx"]
    made = subprocess.run([*run, "check", "-"], input=model.read_bytes(), capture_output=True, check=True)
    assert b"valid" in made.stdout and made.stderr == b""
    made = subprocess.run([*run, "--help"], capture_output=True, check=True)
    assert b"Example: pg-onnx" in made.stdout


def test_names_from_a_file_do_not_reach_the_terminal_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = strange(tmp_path / "evil.onnx", "Evil\x1b[31m\nOp")
    for command in ("inspect", "check", "run"):
        more = ["--random"] if command == "run" else ["--graph", "--ops"] if command == "inspect" else []
        main([command, str(evil), *more])
        shown = capsys.readouterr()
        assert "\x1b" not in shown.out + shown.err
