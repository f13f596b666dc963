"""Matrix products and convolutions: oneDNN serves them if installed, and the fallback agrees."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core


def installed() -> bool:
    try:
        metadata.version("onednn-cpu-gomp")
    except metadata.PackageNotFoundError:
        return False
    return True


needs_onednn = pytest.mark.skipif(
    not installed() or os.environ.get("PG_ONEDNN") == "0", reason="oneDNN is not installed or switched off"
)


@needs_onednn
def test_installed_onednn_is_used():
    x = pg.Tensor(np.ones((64, 64))).astype(pg.dt.bfloat16).eval()
    before = pg.debug.libraries()
    (x @ x).eval()
    after = pg.debug.libraries()
    assert after["onednn_status"] == ""
    assert after["onednn"] == before["onednn"] + 1


@needs_onednn
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_fallback_agrees(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in [(70, 130), (130, 50)])
    expected = (a.astype(np.float64) @ b.astype(np.float64)).astype(dtype)
    try:
        for on in (True, False):
            _core.onednn_enable(on)
            np.testing.assert_array_equal((pg.Tensor(a) @ pg.Tensor(b)).numpy(), expected)
    finally:
        _core.onednn_enable(True)


def test_it_can_be_switched_off():
    code = (
        "import numpy as np, pequegrad as pg;"
        "x = pg.Tensor(np.eye(8, dtype=np.float32)); (x @ x).eval(); l = pg.debug.libraries();"
        "assert l['onednn'] == 0 and l['fallback'] == 1 and l['onednn_status'] == 'PG_ONEDNN=0', l"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PG_ONEDNN": "0"}, check=True)


def test_a_path_that_is_no_library_falls_back():
    code = (
        "import numpy as np, pequegrad as pg;"
        "x = pg.Tensor(np.eye(8, dtype=np.float32)); assert (x @ x).numpy().sum() == 8;"
        "l = pg.debug.libraries(); assert l['fallback'] == 1 and 'cannot load' in l['onednn_status'], l"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PG_LIBDNNL": "/nonexistent"}, check=True)


def test_memory_limit_is_an_exception():
    pg.Tensor(np.zeros(4, np.float32)).eval()
    _core.set_memory_limit(64 << 20)
    try:
        with pytest.raises(MemoryError, match=r"requested.*limit 64.0 MiB.*PG_MEMORY_LIMIT"):
            (pg.zeros((1 << 15, 1 << 12)) + 1).eval()
    finally:
        _core.set_memory_limit(0)
