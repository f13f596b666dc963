"""The script that measures on a GPU, tried on the emulated one; and its page, where nothing stands that was not
measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
BENCHMARKS = ROOT / "packages" / "pg-core" / "benchmarks"


def test_rows_are_measured_and_written(gpu: str, tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    words = ["--small", "--only", "seed,tiny,chain", "--kinds", "pg,pg_eager,pg_custom,cupy", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py"), *words, "--seconds", "0.001", "--report", str(page), "--json", str(results)],
        capture_output=True, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    saved = json.loads(results.read_text())
    assert saved["seed_kernels"] == 1 and list(saved["rows"]) == ["chain", "seed", "tiny"]
    assert all(row[kind]["seconds"] > 0 for row in saved["rows"].values() for kind in ("pg", "pg_eager"))
    text = page.read_text()
    assert "| seed's example: kernels (1) | 1.00 | yes |" in text
    assert ("emulated GPU" in text) == ("PG_LIBCUDA" in os.environ) and "say nothing about speed" in text
    assert "jitted over unjitted" in text and "torch.compile's (1.00)" not in text  # which was not measured


@pytest.fixture
def saved() -> dict[str, Any]:
    about = {
        "date": "2026-01-31", "device": {"name": "N", "architecture": 90, "bytes": 2**37}, "driver": 13000,
        "nvidia_smi": "", "python": "3.12.3", "versions": {"torch": "2.11.0"}, "commit": "abc", "small": False,
    }  # fmt: skip
    rows = {
        "copy": {"torch": {"seconds": 5e-4, "check": 0.5}},
        "add": {"pg": {"seconds": 2e-4, "check": 1.0}, "inductor": {"seconds": 2.5e-4, "check": 1.0}},
        "mm_float32": {"pg": {"error": "UnsupportedError: no"}, "torch": {"seconds": 3e-3, "check": 0.1}},
        "allocations": {"pg": {"seconds": 2e-3, "check": 1.0}, "pg_custom": {"seconds": 1e-3, "check": 1.0}},
    }
    return {"about": about, "rows": rows, "seed_kernels": None}


def test_page(saved: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_page

    text = gpu_page.page(saved)
    assert "2026-01-31" in text and "sm_90, 128 GiB; driver of CUDA 13.0; Python 3.12.3, torch 2.11.0" in text
    assert "4295 GB/s, read and written" in text
    assert "| add | 0.2000 |  |  |  | 0.2500 |  |  | 0.80 | 4027 GB/s, 94 % of a copy |" in text
    assert "| add: share of the copy's bandwidth (0.90 or more) | 0.94 | yes |" in text
    assert '| allocations: "custom" over the pool (1.00) | 0.50 | yes |' in text
    assert "| mm_float32 |  |  |  | 3.000 |" in text and "mm_float32: time" not in text
    assert "UnsupportedError" in gpu_page.line("mm_float32", saved)
    saved["rows"]["add"]["inductor"]["check"] = 2.0
    assert "THE RESULTS DIFFER" in gpu_page.line("add", saved)


def test_every_row_has_its_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_tables

    assert set(gpu_tables.PASSES) <= set(gpu_tables.ROWS) and set(gpu_tables.TRAINING) <= set(gpu_tables.ROWS)
    assert gpu_tables.gigabytes("add", False) == pytest.approx(3 * 2**28 * 1e-9)
    assert gpu_tables.teraflops("mm_float32", False) == pytest.approx(2 * 4096**3 * 1e-12)


def test_the_script_says_what_failed(tmp_path: Path) -> None:
    env = {**os.environ, "PG_LIBCUDA": "/nonexistent/libcuda.so.1"}
    words = ["--no-build", "--parts", "doctor", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "gpu.py"), *words], capture_output=True, text=True, env=env
    )
    assert done.returncode == 1
    assert "doctor     FAILED: CUDA cannot be used" in done.stdout
    assert (tmp_path / "gpu.log").read_text() == done.stdout
