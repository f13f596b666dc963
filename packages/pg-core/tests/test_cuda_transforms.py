"""Fourier transforms and linear algebra on a GPU, real or emulated, against NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

rng = np.random.default_rng(0)


def some(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [("complex64", 1e-5), ("complex128", 1e-12)])
def test_transforms_over_any_axes(dtype: str, tolerance: float, gpu: str) -> None:
    shape = (3, 4, 1, 5, 2)
    x = some(shape, dtype)
    on_gpu = pg.Tensor(x, device=gpu)
    for count in range(1, 6):
        for axes in itertools.combinations(range(5), count):
            if count in (2, 3) and sum(axes) % 2:
                continue
            wanted = np.fft.fftn(x.astype("complex128"), axes=axes)
            got = pg.fft.fftn(on_gpu, axes=axes)
            assert got.device == gpu and got.dtype.name == dtype
            np.testing.assert_allclose(got.numpy(), wanted, rtol=0, atol=tolerance * np.abs(wanted).max())
    back = pg.fft.ifft(pg.fft.fft(on_gpu, axis=1), axis=1)
    np.testing.assert_allclose(back.numpy(), x, rtol=0, atol=tolerance * 10)


def test_real_transforms_and_derivatives(gpu: str) -> None:
    x = rng.standard_normal((4, 9)).astype(np.float32)

    def f(x: Any) -> Any:
        y = pg.fft.rfft(x)
        return pg.fft.irfft(y * y, 9), pg.fft.rfft2(x), pg.grad(lambda x: (abs(pg.fft.rfft(x)) ** 2).sum())(x)

    wanted = pg.jit(f)(pg.Tensor(x))
    for w, g in zip(wanted, pg.jit(f)(pg.Tensor(x, device=gpu)), strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-4, atol=1e-4)


def test_more_transforms_than_plans_are_kept(gpu: str) -> None:
    for n in range(2, 72):
        x = some((n,), "complex64")
        got = pg.fft.fft(pg.Tensor(x, device=gpu)).numpy()
        np.testing.assert_allclose(got, np.fft.fft(x), rtol=0, atol=1e-4)


def test_no_elements_and_one(gpu: str) -> None:
    assert pg.fft.fft(pg.Tensor(some((0, 4), "complex64"), device=gpu)).shape == (0, 4)
    x = some((3, 1), "complex64")
    np.testing.assert_array_equal(pg.fft.fft(pg.Tensor(x, device=gpu)).numpy(), x)


def test_factorisations_go_through_the_host(gpu: str) -> None:
    a = rng.standard_normal((2, 4, 4))
    s = a @ a.transpose(0, 2, 1) + 4 * np.eye(4)
    on_gpu, symmetric = pg.Tensor(a, device=gpu), pg.Tensor(s, device=gpu)
    lower = pg.linalg.cholesky(symmetric)
    assert lower.device == gpu
    np.testing.assert_allclose(lower.numpy(), np.linalg.cholesky(s), rtol=1e-10, atol=1e-12)
    q, r = pg.linalg.qr(on_gpu)
    np.testing.assert_allclose((q @ r).numpy(), a, rtol=1e-10, atol=1e-12)
    u, values, v = pg.linalg.svd(on_gpu)
    np.testing.assert_allclose((u * values[:, None, :] @ v).numpy(), a, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(pg.linalg.eigh(symmetric)[0].numpy(), np.linalg.eigh(s)[0], rtol=1e-10)
    np.testing.assert_allclose(pg.linalg.solve(on_gpu, symmetric).numpy(), np.linalg.solve(a, s), rtol=1e-8)
    np.testing.assert_allclose(pg.linalg.inv(on_gpu).numpy(), np.linalg.inv(a), rtol=1e-8)
    np.testing.assert_allclose(pg.linalg.det(on_gpu).numpy(), np.linalg.det(a), rtol=1e-8)
