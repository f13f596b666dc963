"""Tries the installed packages, from a folder that is no checkout."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pequegrad as pg
import pg_jax
import pg_nn as nn
import pg_onnx


def import_seconds(module: str) -> float:
    """Processor time of importing a module in a fresh interpreter: the least of several, because noise only
    adds.
    """
    code = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(10)]
    return min(float(run.stdout) for run in runs)


assert "site-packages" in (pg.__file__ or ""), pg.__file__

x = pg.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
assert (x * 2 + 1).numpy().tolist() == [[1, 3, 5], [7, 9, 11]]
assert pg.grad(lambda v: (v * v).sum())(x).numpy().tolist() == [[0, 2, 4], [6, 8, 10]]
assert pg.jit(lambda v: pg.permute(v, (1, 0)).sum(1))(x).numpy().tolist() == [3, 5, 7]

layer = nn.Linear(3, 4)
assert layer(x).shape == (2, 4)

with tempfile.TemporaryDirectory() as folder:
    file, copy = Path(folder, "layer.onnx"), Path(folder, "layer.pgm")
    pg_onnx.export(layer, x, file)
    assert pg_onnx.load(file)(x).shape == (2, 4)
    command = str(Path(sys.executable).with_name("pg-onnx"))
    subprocess.run([command, "--help"], capture_output=True, check=True)
    subprocess.run([command, "convert", str(file), "-o", str(copy)], capture_output=True, check=True)
    assert (copy / "manifest.json").is_file()

ratio = import_seconds("pequegrad") / import_seconds("numpy")
assert ratio < 1.5, (
    f"importing pequegrad takes {ratio:.2f} times what importing numpy takes; the bound is 1.5"
)

print(
    f"pg-core {metadata.version('pg-core')}, pg-nn {metadata.version('pg-nn')}, pg-jax {pg_jax.__version__},",
    f"pg-onnx {pg_onnx.__version__}, numpy {np.__version__}:",
    f"works; import takes {ratio:.2f} times numpy's own",
)
