"""The package needs none of the libraries that it stands in for or is compared with."""

from __future__ import annotations

import subprocess
import sys


def test_import_loads_no_peer() -> None:
    code = "import sys, pg_onnx; print(sorted({'jax', 'torch', 'onnxruntime'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
