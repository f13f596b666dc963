"""Images: against pillow, jax, colorsys and plain loops."""

from __future__ import annotations

import colorsys
import sys
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from peers import need

image = pg.image


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, shape)


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic", "lanczos3"])
@pytest.mark.parametrize("size", [(3, 9), (11, 4), (7, 5), (1, 1)])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_is_that_of_jax(method: str, size: tuple[int, int], antialias: bool) -> None:
    jax = need("jax")
    x = picture(2, 7, 5, 3).astype(np.float32)
    want = jax.image.resize(x, (2, *size, 3), method, antialias=antialias)
    got = image.resize(pg.Tensor(x), size, method, antialias)
    np.testing.assert_allclose(got.numpy(), want, rtol=2e-5, atol=2e-6)


def test_resize_of_bytes_is_nearly_that_of_pillow() -> None:
    Image = pytest.importorskip("PIL.Image")
    x = (picture(12, 9, 3) * 255).astype(np.uint8)
    for size in ((5, 4), (20, 31)):
        want = np.asarray(Image.fromarray(x).resize(size[::-1], Image.Resampling.BILINEAR))
        got = image.resize(pg.Tensor(x), size).numpy()
        assert got.dtype == np.uint8 and np.abs(got.astype(int) - want).max() <= 1


def test_resize_keeps_constants_and_is_differentiable() -> None:
    x = pg.full((4, 4, 1), 0.25)
    for method in ("linear", "cubic", "lanczos3"):
        np.testing.assert_allclose(image.resize(x, 7, method).numpy(), 0.25, rtol=1e-6)
    pg.check_grads(lambda x: image.resize(x, (3, 5), "cubic"), [pg.Tensor(picture(4, 6, 2))])


def test_crops_and_flips() -> None:
    x = picture(5, 7, 3)
    t = pg.Tensor(x)
    np.testing.assert_array_equal(image.crop(t, 1, 2, 3, 4).numpy(), x[1:4, 2:6])
    np.testing.assert_array_equal(image.center_crop(t, (3, 2)).numpy(), x[1:4, 2:4])
    np.testing.assert_array_equal(image.flip_horizontal(t).numpy(), x[:, ::-1])
    np.testing.assert_array_equal(image.flip_vertical(t).numpy(), x[::-1])


def blurred(x: np.ndarray, kernels: list[np.ndarray], mode: str) -> np.ndarray:
    for axis, kernel in enumerate(kernels):
        reach = len(kernel) // 2
        width = [(0, 0)] * x.ndim
        width[axis] = (reach, reach)
        padded = np.pad(x, width, mode={"reflect": "symmetric"}.get(mode, mode))  # type: ignore[call-overload]
        x = np.apply_along_axis(lambda line, k=kernel: np.convolve(line, k, "valid"), axis, padded)
    return x


@pytest.mark.parametrize("border", ["reflect", "edge", "constant"])
def test_gaussian_blur(border: str) -> None:
    x = picture(6, 8, 2)
    kernels = []
    for sigma in (0.8, 1.5):
        reach = int(np.ceil(4 * sigma))
        k = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        kernels.append(k / k.sum())
    got = image.gaussian_blur(pg.Tensor(x), (0.8, 1.5), border=border)
    np.testing.assert_allclose(got.numpy(), blurred(x, kernels, border), rtol=1e-12)
    pg.check_grads(lambda x: image.gaussian_blur(x, 0.7, 2, border), [pg.Tensor(x)], order=1)


def test_a_blur_wider_than_the_image() -> None:
    x = picture(2, 3, 1)
    k = np.exp(-0.5 * (np.arange(-12, 13) / 3.0) ** 2)
    k /= k.sum()
    np.testing.assert_allclose(
        image.gaussian_blur(pg.Tensor(x), 3.0).numpy(), blurred(x, [k, k], "reflect"), rtol=1e-12
    )


def test_colours_are_those_of_colorsys() -> None:
    x = picture(40, 25, 3)
    x[:3, :3] = [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.3, 0.3, 0.3]]
    x[3, :3] = np.eye(3)
    hsv = np.array([colorsys.rgb_to_hsv(*p) for p in x.reshape(-1, 3)]).reshape(x.shape)
    np.testing.assert_allclose(image.rgb_to_hsv(pg.Tensor(x)).numpy(), hsv, rtol=1e-12, atol=1e-15)
    rgb = np.array([colorsys.hsv_to_rgb(*p) for p in hsv.reshape(-1, 3)]).reshape(x.shape)
    np.testing.assert_allclose(image.hsv_to_rgb(pg.Tensor(hsv)).numpy(), rgb, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(image.rgb_to_gray(pg.Tensor(x)).numpy()[..., 0], x @ [0.299, 0.587, 0.114])


def test_yuv_there_and_back() -> None:
    x = picture(4, 4, 3)
    yuv = image.rgb_to_yuv(pg.Tensor(x))
    y = x @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(yuv.numpy()[..., 0], y, rtol=1e-12)
    np.testing.assert_allclose(yuv.numpy()[..., 1], 0.492111 * (x[..., 2] - y), atol=2e-6)
    np.testing.assert_allclose(yuv.numpy()[..., 2], 0.877283 * (x[..., 0] - y), atol=2e-6)
    np.testing.assert_allclose(image.yuv_to_rgb(yuv).numpy(), x, atol=1e-12)


def test_gradients_of_colours() -> None:
    x = pg.Tensor(picture(3, 3, 3))
    for f in (image.rgb_to_hsv, image.hsv_to_rgb, image.rgb_to_yuv, image.yuv_to_rgb, image.rgb_to_gray):
        pg.check_grads(f, [x])
    gray = pg.full((1, 1, 3), 0.5)
    slope = pg.grad(lambda x: image.rgb_to_hsv(x).sum())(gray)
    assert np.isfinite(slope.numpy()).all()


def test_files_there_and_back(tmp_path: Any) -> None:
    pytest.importorskip("PIL")
    x = (picture(5, 6, 3) * 255).astype(np.uint8)
    for channels in (1, 3, 4):
        data = np.concatenate([x, x[..., :1]], -1)[..., :channels]
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(image.decode(image.encode(pg.Tensor(data)), mode).numpy(), data)
    image.save(pg.Tensor(x), tmp_path / "a.jpg", quality=95)
    assert image.load(tmp_path / "a.jpg").shape == (5, 6, 3)
    np.testing.assert_array_equal(
        image.to_float(pg.Tensor(x)).numpy(), (x / np.float32(255)).astype(np.float32)
    )
    np.testing.assert_array_equal(image.to_uint8(image.to_float(pg.Tensor(x))).numpy(), x)


def test_without_pillow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        image.decode(b"")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: image.resize(pg.ones((3, 3)), 2), pg.ShapeError),
        (lambda: image.resize(pg.ones((3, 3, 1)), 0), pg.InvalidValueError),
        (lambda: image.resize(pg.ones((3, 3, 1)), 2, "box"), pg.InvalidValueError),
        (lambda: image.crop(pg.ones((3, 3, 1)), 1, 1, 3, 1), pg.ShapeError),
        (lambda: image.center_crop(pg.ones((3, 3, 1)), 5), pg.ShapeError),
        (lambda: image.gaussian_blur(pg.ones((3, 3, 1)), 0.0), pg.InvalidValueError),
        (lambda: image.gaussian_blur(pg.ones((3, 3, 1)), 1.0, border="wrap"), pg.InvalidValueError),
        (lambda: image.gaussian_blur(pg.arange(9).reshape(3, 3, 1), 1.0), pg.DTypeError),
        (lambda: image.rgb_to_hsv(pg.ones((3, 3, 1))), pg.ShapeError),
        (lambda: image.gray_to_rgb(pg.ones((3, 3, 3))), pg.ShapeError),
        (lambda: image.to_uint8(pg.arange(3)), pg.DTypeError),
        (lambda: image.to_float(pg.arange(3), "int32"), pg.DTypeError),
        (lambda: image.decode(b"no image"), pg.InvalidValueError),
        (lambda: image.encode(pg.ones((2, 2, 2))), pg.ShapeError),
        (lambda: image.encode(pg.ones((2, 2, 3)), "nothing"), pg.InvalidValueError),
    ],
)
def test_refusals(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
