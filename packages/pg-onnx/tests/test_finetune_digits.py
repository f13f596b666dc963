"""The example, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pg_onnx
import pytest

pytest.importorskip("sklearn")

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "finetune_digits.py"


def test_a_model_is_imported_tuned_exported_and_checked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    given, tuned = (onnx.load(tmp_path / name) for name in ("given.onnx", "tuned.onnx"))
    assert tuned.graph.node == given.graph.node and tuned.graph.input == given.graph.input
    names = [w.name for w in given.graph.initializer]
    assert [w.name for w in tuned.graph.initializer] == names
    # The shape of a reshape is no weight: its bytes are those of before.
    kept = [a.name for a, b in zip(given.graph.initializer, tuned.graph.initializer, strict=True) if a == b]
    assert kept and not set(kept) & set(pg_onnx.load(tmp_path / "given.onnx").params_dict())
    assert {p.key: p.value for p in tuned.metadata_props}["trained on"] == "digits"
