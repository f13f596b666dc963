"""Fourier transforms: against numpy.fft in every form, derivatives, jit, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg
import pytest

fft = pg.fft


def signal(*shape: int, kind: str = "float64") -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if "complex" in kind else x).astype(kind)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 1, 2, 5, 8, 13])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_axis(name: str, n: int | None, norm: str | None) -> None:
    real = name in ("rfft", "ihfft")
    x = signal(3, 8, 2, kind="float64" if real else "complex128")
    for axis in (0, 1, -1):
        if n is None and name in ("irfft", "hfft") and x.shape[axis] == 1:
            continue
        want = getattr(np.fft, name)(x, n, axis, norm)
        got = getattr(fft, name)(pg.Tensor(x), n, axis, norm)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
def test_several_axes(name: str) -> None:
    x = signal(3, 4, 5, kind="float64" if name[0] == "r" else "complex128")
    for options in ({}, {"s": (2, 7)}, {"axes": (0, 2)}, {"s": (5, 6), "axes": (2, 0)}, {"norm": "ortho"}):
        if "s" in options and "axes" not in options and name.endswith("n"):
            options = {**options, "axes": (-2, -1)}
        want = getattr(np.fft, name)(x, **options)
        np.testing.assert_allclose(
            getattr(fft, name)(pg.Tensor(x), **options).numpy(), want, rtol=1e-12, atol=1e-12
        )


def test_frequencies_and_shifts() -> None:
    for n in (1, 4, 7):
        np.testing.assert_allclose(fft.fftfreq(n, 0.5, dtype="float64").numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(fft.rfftfreq(n, d=0.1).numpy(), np.fft.rfftfreq(n, 0.1), rtol=1e-6)
        x = signal(n, 3)
        for axes in (None, 0, (1,), (0, 1)):
            np.testing.assert_array_equal(fft.fftshift(pg.Tensor(x), axes).numpy(), np.fft.fftshift(x, axes))
            np.testing.assert_array_equal(
                fft.ifftshift(pg.Tensor(x), axes).numpy(), np.fft.ifftshift(x, axes)
            )


def test_dtypes() -> None:
    for kind, want in (
        ("float32", "complex64"),
        ("float64", "complex128"),
        ("int32", "complex64"),
        ("complex64", "complex64"),
    ):
        assert fft.fft(pg.ones(4, kind)).dtype == want
    assert fft.irfft(pg.ones(3, "complex64")).dtype == "float32"
    assert fft.hfft(pg.ones(3, "float64")).dtype == "float64"


@pytest.mark.parametrize("name", ["rfft", "irfft", "hfft", "ihfft", "rfft2", "fft2"])
def test_derivatives(name: str) -> None:
    x = pg.Tensor(signal(4, 6))

    def f(x: Any) -> Any:
        y = getattr(fft, name)(x)
        return [pg.real(y) ** 2, pg.imag(y) * 3.0] if y.dtype.kind == "c" else y**2

    pg.check_grads(f, [x], order=2)


def test_gradients_of_complex_signals_are_those_of_jax() -> None:
    from peers import need

    jax = need("jax")
    jnp = jax.numpy
    x = signal(6, kind="complex64")
    f = lambda lib, x: (lib.abs(lib.fft.ifft(lib.fft.fft(x) * 1.5)) ** 2).sum()
    want = jax.grad(lambda x: f(jnp, x))(x)
    np.testing.assert_allclose(pg.grad(lambda x: f(pg, x))(pg.Tensor(x)).numpy(), want, rtol=1e-4, atol=1e-5)


def test_convolution_by_the_theorem_in_one_program() -> None:
    a, b = signal(64), signal(64)[::-1].copy()
    f = pg.jit(lambda a, b: fft.irfft(fft.rfft(a, n=128) * fft.rfft(b, n=128), n=128))
    np.testing.assert_allclose(f(pg.Tensor(a), pg.Tensor(b)).numpy()[:127], np.convolve(a, b), atol=1e-12)
    assert sum("rfft" in str(call) for call in f.explain(pg.Tensor(a), pg.Tensor(b)).library_calls) == 3


def test_empty_signals() -> None:
    assert fft.fft(pg.zeros((0, 4))).shape == (0, 4)
    assert fft.rfft(pg.zeros((0, 4))).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: fft.fft(pg.ones(4), n=0), pg.InvalidValueError),
        (lambda: fft.fft(pg.ones(4), norm="all"), pg.InvalidValueError),
        (lambda: fft.fft(pg.ones(4), axis=1), pg.AxisError),
        (lambda: fft.fft(pg.ones(())), pg.AxisError),
        (lambda: fft.rfft(pg.ones(4, "complex64")), pg.DTypeError),
        (lambda: fft.fft(pg.ones(4, "float16")), pg.DTypeError),
        (lambda: fft.irfft(pg.ones(1)), pg.InvalidValueError),
        (lambda: fft.fftn(pg.ones((2, 2)), axes=(0, 0)), pg.AxisError),
        (lambda: fft.fftn(pg.ones((2, 2)), s=(1, 2, 3)), pg.ShapeError),
        (lambda: fft.fftn(pg.ones((2, 2)), s=(1,), axes=(0, 1)), pg.ShapeError),
        (lambda: fft.fftfreq(0), pg.InvalidValueError),
        (lambda: fft.fftfreq(4, dtype="int32"), pg.DTypeError),
    ],
)
def test_refusals(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("n", [1, 31, 37, 97, 256, 961, 1000, 1009, 2048, 16384])
@pytest.mark.parametrize("inverse", [False, True])
def test_lengths_of_all_kinds_of_factors(n: int, inverse: bool) -> None:
    rng = np.random.default_rng(n)
    for shape, axis in (((n,), 0), ((3, n), 1), ((n, 20), 0), ((2, n, 3), 1)):
        x = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        ours, theirs = (fft.ifft, np.fft.ifft) if inverse else (fft.fft, np.fft.fft)
        want = theirs(x, axis=axis)
        scale = np.abs(want).max()
        np.testing.assert_allclose(ours(pg.Tensor(x), axis=axis).numpy(), want, rtol=0, atol=1e-13 * scale)
        single = ours(pg.Tensor(x.astype(np.complex64)), axis=axis)
        assert single.dtype == "complex64"
        np.testing.assert_allclose(single.numpy(), want, rtol=0, atol=2e-6 * scale)


def test_threads_share_what_is_not_transformed() -> None:
    rng = np.random.default_rng(0)
    for shape, axes in (((64, 1024), (1,)), ((1024, 64), (0,)), ((48, 50, 40), (0, 2)), ((1, 70000), (1,))):
        x = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
        made = pg.fft.fftn(pg.Tensor(x), axes=axes)
        np.testing.assert_allclose(made.numpy(), np.fft.fftn(x, axes=axes), rtol=2e-4, atol=2e-3)
        back = pg.fft.ifftn(made, axes=axes)
        np.testing.assert_allclose(back.numpy(), x, rtol=2e-4, atol=2e-4)
