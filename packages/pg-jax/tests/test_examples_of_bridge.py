"""The examples that need optax or flax, run as a user runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error::DeprecationWarning:pg_jax", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def accuracies(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"test accuracy ([\d.]+)", text)]


def test_mlp_from_scratch() -> None:
    text = run("mlp_digits.py", "--epochs", "8")
    assert accuracies(text)[-1] > 0.95


def test_flax_through_the_bridge() -> None:
    pytest.importorskip("flax")
    text = run("flax_cnn_bridge.py", "--epochs", "2")
    assert accuracies(text)[-1] > 0.85 and "traced 2 functions, ran 62 programs" in text


def test_optax_on_the_drop_in() -> None:
    pytest.importorskip("optax")
    text = run("optax_digits.py", "--epochs", "10")
    assert accuracies(text)[-1] > 0.93
