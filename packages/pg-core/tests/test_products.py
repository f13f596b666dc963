"""Matrix products of every orientation and of the sizes that take different paths, against NumPy in float64."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pequegrad as pg
import pytest

# Tiles with rests, several blocks of the summed axis, few rows, few columns, a short summed axis, empty ones.
SIZES = [
    (1, 1, 1), (7, 5, 3), (29, 33, 65), (64, 48, 300), (130, 70, 513), (8, 600, 100), (1, 520, 70), (100, 3, 90),
    (17, 90, 64), (200, 96, 8), (3, 0, 4), (0, 5, 2), (4, 6, 0),
]  # fmt: skip
BOUNDS = {"float32": 3e-6, "float64": 1e-14}  # of the sum of absolute products


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("turned", ["nn", "tn", "nt", "tt"])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_products_against_numpy(dtype, turned, batch):
    rng = np.random.default_rng(0)
    for m, n, k in SIZES:
        a = rng.standard_normal((*batch, m, k)).astype(dtype)
        b = rng.standard_normal((*batch, k, n)).astype(dtype)
        stored_a = np.ascontiguousarray(a.swapaxes(-1, -2)) if turned[0] == "t" else a
        stored_b = np.ascontiguousarray(b.swapaxes(-1, -2)) if turned[1] == "t" else b
        x = pg.Tensor(stored_a).swapaxes(-1, -2) if turned[0] == "t" else pg.Tensor(stored_a)
        y = pg.Tensor(stored_b).swapaxes(-1, -2) if turned[1] == "t" else pg.Tensor(stored_b)
        got = (x @ y).numpy()
        wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        assert got.dtype == dtype and got.shape == (*batch, m, n)
        assert (np.abs(got - wide_a @ wide_b) <= BOUNDS[dtype] * (np.abs(wide_a) @ np.abs(wide_b))).all()


@pytest.mark.parametrize("size", [(40, 50, 70), (4, 600, 80), (12, 90, 80), (60, 70, 6)])
def test_special_values_reach_every_sum(size):
    """A zero times an infinity or a NaN is a NaN: no product is left out."""
    m, n, k = size
    a, b = np.zeros((m, k), np.float32), np.ones((k, n), np.float32)
    b[k // 2, 1], b[k - 1, 2] = np.inf, np.nan
    a[m - 1] = 1
    got = (pg.Tensor(a) @ pg.Tensor(b)).numpy()
    with np.errstate(invalid="ignore"):
        expected = np.array([[np.sum(a[i] * b[:, j]) for j in range(4)] for i in (0, m - 1)])
    np.testing.assert_array_equal(got[[0, m - 1], :4], expected)


def test_threads_do_not_change_bits():
    code = (
        "import hashlib, numpy as np, pequegrad as pg\n"
        "rng, digest = np.random.default_rng(1), hashlib.sha256()\n"
        "for m, n, k in [(300, 200, 600), (8, 2000, 300), (16, 400, 1500), (500, 600, 8), (128, 10, 512)]:\n"
        "    a, b = rng.standard_normal((m, k)).astype('f'), rng.standard_normal((n, k)).astype('f')\n"
        "    digest.update((pg.Tensor(a) @ pg.Tensor(b).T).numpy().tobytes())\n"
        "    digest.update((pg.Tensor(a) @ pg.Tensor(np.ascontiguousarray(b.T))).numpy().tobytes())\n"
        "print(digest.hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PG_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(outputs) == 1 and len(outputs.pop().strip()) == 2 * hashlib.sha256().digest_size
