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
    (150, 40, 300), (17, 90, 64), (200, 96, 8), (900, 2, 18), (900, 18, 2), (1, 1, 64), (1, 1, 20001), (3, 0, 4), (0, 5, 2), (4, 6, 0),
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


# Axes that do not merge, in every order of the result: the row or the column may be any of them.
LAYOUTS = [
    ("ab,cbd->cad", (33, 8), (20, 8, 18)), ("ab,cbd->cda", (9, 18), (21, 18, 2)), ("abc,dbe->daec", (1, 40, 2), (7, 40, 18)),
    ("abc,dec->dabe", (1, 64, 2), (5, 18, 2)), ("abcd,ce->abed", (6, 1, 64, 18), (64, 8)), ("abc,bcd->da", (5, 6, 7), (6, 7, 3)),
    ("abcd,aecd->acbe", (2, 9, 3, 40), (2, 11, 3, 40)), ("acbe,aecd->abcd", (2, 3, 9, 70), (2, 70, 3, 17)),
    ("abc,dce->ebda", (3, 4, 5), (6, 5, 2)), ("ab,cd->dacb", (3, 4), (2, 5)), ("abc,acd->abd", (0, 3, 4), (0, 4, 5)),
    ("abc,acd->abd", (3, 4, 0), (3, 0, 5)), ("abc,dc->dab", (3, 0, 4), (5, 4)), ("a,a->", (7,), (7,)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8", "complex64"])
def test_axes_that_do_not_merge(dtype):
    rng = np.random.default_rng(2)
    for equation, first, second in LAYOUTS:
        a, b = ((rng.standard_normal(shape) * 4).astype(dtype) for shape in (first, second))
        if dtype == "complex64":
            a, b = a + 1j * a[::-1], b - 1j * b[::-1]
            a, b = a.astype(dtype), b.astype(dtype)
        wide = {"f": np.float64, "c": np.complex128, "i": np.int64}[np.dtype(dtype).kind]
        got = pg.einsum(equation, pg.Tensor(a), pg.Tensor(b)).numpy()
        expected = np.einsum(equation, a.astype(wide), b.astype(wide))
        assert got.dtype == dtype and got.shape == expected.shape
        if wide == np.int64:
            np.testing.assert_array_equal(got, expected.astype(dtype))
        else:
            sums = np.einsum(equation, np.abs(a).astype(np.float64), np.abs(b).astype(np.float64))
            assert (np.abs(got - expected) <= BOUNDS.get(dtype, 1e-5) * sums).all(), equation


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_small_products_of_a_batch(dtype, turned):
    """Against float64, and with the bits of each product alone; infinities and NaNs stay in their rows and columns."""
    rng = np.random.default_rng(3)
    sizes = [
        (1, 1, 1),
        (2, 3, 5),
        (8, 8, 8),
        (13, 16, 7),
        (14, 17, 33),
        (15, 31, 128),
        (29, 32, 64),
        (64, 33, 130),
    ]
    for m, n, k in [*sizes, (5, 80, 2), (40, 2, 18), (3, 4, 0)]:
        a = (rng.standard_normal((9, m, k)) * 9).astype(dtype)
        b = (rng.standard_normal((9, k, n)) * 9).astype(dtype)
        if dtype != "int32" and k > 2:
            a[1, m // 2, k // 2], b[2, k - 1, n // 2] = np.inf, np.nan
        x = pg.Tensor(a)
        y = pg.Tensor(np.ascontiguousarray(b.swapaxes(1, 2))).swapaxes(1, 2) if turned else pg.Tensor(b)
        got = (x @ y).numpy()
        wide = np.int64 if dtype == "int32" else np.float64
        with np.errstate(invalid="ignore"):
            expected = a.astype(wide) @ b.astype(wide)
            sums = np.abs(a).astype(wide) @ np.abs(b).astype(wide)
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
        finite = np.isfinite(expected)
        assert (np.abs(got[finite] - expected[finite]) <= BOUNDS.get(dtype, 0) * sums[finite]).all()
        for i in range(9):
            np.testing.assert_array_equal((x[i] @ y[i]).numpy(), got[i])


def test_threads_do_not_change_bits():
    code = (
        "import hashlib, numpy as np, pequegrad as pg\n"
        "rng, digest = np.random.default_rng(1), hashlib.sha256()\n"
        "for m, n, k in [(300, 200, 600), (8, 2000, 300), (16, 400, 1500), (500, 600, 8), (128, 10, 512), (1, 1, 99999)]:\n"
        "    a, b = rng.standard_normal((m, k)).astype('f'), rng.standard_normal((n, k)).astype('f')\n"
        "    digest.update((pg.Tensor(a) @ pg.Tensor(b).T).numpy().tobytes())\n"
        "    digest.update((pg.Tensor(a) @ pg.Tensor(np.ascontiguousarray(b.T))).numpy().tobytes())\n"
        "for p, m, n, k in [(200, 64, 18, 8), (3, 64, 64, 64), (40, 100, 70, 90), (2, 20, 600, 40)]:\n"
        "    a, b = rng.standard_normal((p, m, k)).astype('f'), rng.standard_normal((p, k, n)).astype('f')\n"
        "    digest.update((pg.Tensor(a) @ pg.Tensor(b)).numpy().tobytes())\n"
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
