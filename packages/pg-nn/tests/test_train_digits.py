"""The main job, run as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pg_nn as nn
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "train_digits.py"
TIMING = {"seconds", "images_per_second"}


def command(*arguments):
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def train(*arguments, expect=0):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)
    assert done.returncode == expect, done.stderr[-3000:]
    return done


def metrics(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMING} for line in lines]


def weights(out):
    return {name: t.numpy() for name, t in nn.load_safetensors(out / "checkpoint.safetensors")[0].items()}


def assert_same_run(a, b):
    assert metrics(a) == metrics(b)
    left, right = weights(a), weights(b)
    assert list(left) == list(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits") / "whole"
    done = train("--epochs", 3, "--out", out)
    return out, done


def test_writes_everything(three_epochs):
    out, done = three_epochs
    lines = metrics(out)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["test_accuracy"] > 0.9
    assert sorted(p.name for p in out.iterdir()) == [
        "checkpoint.safetensors",
        "curves.png",
        "metrics.jsonl",
        "predictions.png",
    ]
    for name in ("curves.png", "predictions.png"):
        assert (out / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert re.search(r"loss [\d.]+, accuracy [\d.]+%, [\d,]+ images/s", done.stderr)
    assert "test accuracy" in done.stdout and "parameters" in done.stdout


def test_same_seed_same_numbers_other_seed_other_numbers(three_epochs, tmp_path):
    out, _ = three_epochs
    train("--epochs", 3, "--out", tmp_path / "again")
    assert_same_run(out, tmp_path / "again")
    train("--epochs", 1, "--seed", 1, "--out", tmp_path / "other")
    assert metrics(tmp_path / "other")[0] != metrics(out)[0]


def test_resume_equals_an_uninterrupted_run(three_epochs, tmp_path):
    out, _ = three_epochs
    train("--epochs", 1, "--out", tmp_path)
    train("--epochs", 3, "--resume", "--out", tmp_path)
    assert_same_run(out, tmp_path)


def test_ctrl_c_saves_and_resume_continues(three_epochs, tmp_path):
    out, _ = three_epochs
    process = subprocess.Popen(
        command("--epochs", 3, "--out", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "metrics.jsonl").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors[-3000:]
    assert "Traceback" not in errors and "--resume continues" in errors
    train("--epochs", 3, "--resume", "--out", tmp_path)
    assert_same_run(out, tmp_path)


def test_no_jit_learns_the_same(three_epochs, tmp_path):
    out, _ = three_epochs
    train("--epochs", 1, "--no-jit", "--out", tmp_path)
    assert metrics(tmp_path)[0]["train_loss"] == pytest.approx(metrics(out)[0]["train_loss"], rel=0.05)


def test_mistakes_are_one_line(tmp_path):
    cases = [
        (("--resume",), 1, "error: there is no checkpoint at"),
        (("--device", "cuda:250"), 1, "error: "),
        (("--device", "tpu"), 1, "error: "),
        (("--epochs", "0"), 2, "at least 1"),
        (("--lr", "-1"), 2, "greater than 0"),
    ]
    for arguments, code, message in cases:
        done = train(*arguments, "--out", tmp_path / "none", expect=code)
        assert message in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "none" / "checkpoint.safetensors").exists()


def test_damaged_and_unfitting_checkpoints_are_left_alone(three_epochs, tmp_path):
    out, _ = three_epochs
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes((out / "checkpoint.safetensors").read_bytes()[:-1000])
    done = train("--resume", "--out", tmp_path, expect=1)
    assert "damaged" in done.stderr and "Traceback" not in done.stderr
    nn.save_checkpoint(path, {"model": nn.Linear(1, 1), "optimizer": nn.SGD(nn.Linear(1, 1), lr=0.1)})
    before = path.read_bytes()
    done = train("--resume", "--out", tmp_path, expect=1)
    assert "error: " in done.stderr and "does not fit" in done.stderr and "Traceback" not in done.stderr
    done = train("--resume", "--seed", 5, "--out", tmp_path, expect=1)
    assert path.read_bytes() == before


def test_resume_with_other_settings_is_refused(three_epochs, tmp_path):
    out, _ = three_epochs
    (tmp_path / "checkpoint.safetensors").write_bytes((out / "checkpoint.safetensors").read_bytes())
    done = train("--resume", "--seed", 5, "--batch-size", 64, "--out", tmp_path, expect=1)
    assert "was begun with --seed 0; resume it so" in done.stderr


def test_a_full_disk_keeps_the_previous_checkpoint(three_epochs, tmp_path):
    out, _ = three_epochs
    data = (out / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(data)
    # The limit comes after the import, because importing an editable install may have to build.
    small_disk = (
        "import resource, runpy, signal, sys; import pequegrad; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 10, resource.RLIM_INFINITY)); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    python, *arguments = command("--resume", "--epochs", 4, "--out", tmp_path)
    done = subprocess.run([python, "-c", small_disk, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr[-3000:]
    assert "error: " in done.stderr and "is unchanged" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_reaches_98_percent(tmp_path):
    start = time.monotonic()
    train("--out", tmp_path)
    assert metrics(tmp_path)[-1]["test_accuracy"] >= 0.98
    assert time.monotonic() - start < 120
