"""Images as tensors: sizes, colours, blur, and reading and writing through pillow.

An image has its channels last, ``(..., height, width, channels)``; leading axes are batches. Values of colour
functions are floats in [0, 1]; ``to_float`` and ``to_uint8`` convert. Everything but ``decode``, ``encode``,
``load`` and ``save`` is differentiable and works in ``pg.jit`` and ``pg.vmap``.

>>> from pequegrad import image
>>> picture = pg.random.uniform(pg.random.key(0), (4, 6, 3))
>>> image.resize(picture, (8, 12)).shape, image.rgb_to_gray(picture).shape
((8, 12, 3), (4, 6, 1))
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _core, dt
from ._core import Tensor
from ._ops.common import TensorLike, as_tensor, cast, from_python, known
from ._ops.elementwise import clip, floor, maximum, minimum
from ._ops.elementwise import round as _round
from ._ops.indexing import take
from ._ops.linalg import matmul
from ._ops.logic import where
from ._ops.shape import concatenate, moveaxis, part, stack
from ._ops.shape import flip as _flip
from .errors import ArgumentError, DTypeError, InvalidValueError, ShapeError

# ---- values


def to_float(image: TensorLike, dtype: Any = "float32") -> Tensor:
    """Integers from 0 to their largest value as floats from 0 to 1; floats stay as they are.

    >>> pg.image.to_float(pg.Tensor([0, 255], "uint8")).tolist()
    [0.0, 1.0]
    """
    x, kind = as_tensor(image), dt.as_dtype(dtype)
    if kind.kind != "f":
        raise DTypeError(f"image.to_float: needs a floating dtype, got {kind}")
    if x.dtype.kind not in "iu":
        return cast(x, kind)
    return cast(x, kind) / float(np.iinfo(x.dtype.name).max)


def to_uint8(image: TensorLike) -> Tensor:
    """Floats from 0 to 1 as bytes: clipped, then rounded to the nearest.

    >>> pg.image.to_uint8(pg.Tensor([-1.0, 0.5, 2.0])).tolist()
    [0, 128, 255]
    """
    x = as_tensor(image)
    if x.dtype is dt.uint8:
        return x
    if x.dtype.kind != "f":
        raise DTypeError(f"image.to_uint8: needs floats from 0 to 1, got {x.dtype}")
    return cast(_round(clip(x, 0.0, 1.0) * 255.0), dt.uint8)


# ---- sizes

_SUPPORT = {"linear": 1.0, "cubic": 2.0, "lanczos3": 3.0}


def _kernel(method: str, t: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    t = np.abs(t)
    if method == "linear":
        return np.maximum(0.0, 1.0 - t)
    if method == "cubic":  # Keys' kernel with a = -0.5
        near = (1.5 * t - 2.5) * t * t + 1.0
        far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
        return np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))
    return np.where(t < 3.0, np.sinc(t) * np.sinc(t / 3.0), 0.0)


def _weights(old: int, new: int, method: str, antialias: bool) -> np.ndarray[Any, Any]:
    """The matrix that resamples an axis: a row per new pixel. Pixels are squares: centres lie at k + 1/2."""
    scale = old / new
    stretch = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(new) + 0.5) * scale - 0.5
    matrix = _kernel(method, (centres[:, None] - np.arange(old)[None, :]) / stretch)
    # Near the border the kernel hangs over the edge: what is inside counts for all.
    total = matrix.sum(1, keepdims=True)
    return matrix / np.where(np.abs(total) > 1e-6, total, 1.0)


def resize(
    image: TensorLike, size: int | Sequence[int], method: str = "linear", antialias: bool = True
) -> Tensor:
    """The image with another height and width.

    Args:
        image: ``(..., height, width, channels)``; integers are resized as floats and rounded back.
        size: the new ``(height, width)``, or one number for both.
        method: ``"nearest"``, ``"linear"``, ``"cubic"`` (Keys, a = -0.5) or ``"lanczos3"``.
        antialias: shrinking averages over all pixels that a new one covers; without it, it only samples.

    >>> pg.image.resize(pg.Tensor([[[0.0], [2.0]]]), (1, 4)).ravel().tolist()
    [0.0, 0.5, 1.5, 2.0]
    """
    x = _checked(image, "resize")
    height, width = _size(size, "resize")
    if method == "nearest":
        for axis, new in ((-3, height), (-2, width)):
            old = x.shape[axis]
            index = np.minimum((np.arange(new) + 0.5) * (old / new), old - 1).astype(np.int64)
            x = take(x, from_python(index), axis)
        return x
    if not known(method, _SUPPORT):
        raise InvalidValueError(
            f"image.resize: method is 'nearest', 'linear', 'cubic' or 'lanczos3', got {method!r}"
        )
    kind = x.dtype
    y = x if kind.kind == "f" else cast(x, dt.float32)
    for axis, new in ((-3, height), (-2, width)):
        matrix = _weights(y.shape[axis], new, method, antialias)
        rows = _core.astype(from_python(matrix), y.dtype.code)
        y = moveaxis(matmul(moveaxis(y, axis, -1), rows.mT), -1, axis)
    if kind.kind == "f":
        return y
    limits = np.iinfo(kind.name)
    return cast(_round(clip(y, float(limits.min), float(limits.max))), kind)


def crop(image: TensorLike, top: int, left: int, height: int, width: int) -> Tensor:
    """The part of the image from row ``top`` and column ``left``; it must lie inside.

    >>> pg.image.crop(pg.zeros((5, 7, 3)), 1, 2, 3, 4).shape
    (3, 4, 3)
    """
    x = _checked(image, "crop")
    rows, columns = x.shape[-3:-1]
    if min(top, left, height, width) < 0 or top + height > rows or left + width > columns:
        raise ShapeError(
            f"image.crop: rows {top} to {top + height} and columns {left} to {left + width} do not lie in an "
            f"image of {rows} x {columns}"
        )
    return part(part(x, x.ndim - 3, top, top + height), x.ndim - 2, left, left + width)


def center_crop(image: TensorLike, size: int | Sequence[int]) -> Tensor:
    """The middle of the image.

    >>> pg.image.center_crop(pg.zeros((5, 7, 3)), 3).shape
    (3, 3, 3)
    """
    x = _checked(image, "center_crop")
    height, width = _size(size, "center_crop")
    return crop(x, (x.shape[-3] - height) // 2, (x.shape[-2] - width) // 2, height, width)


def flip_horizontal(image: TensorLike) -> Tensor:
    """Left and right exchanged.

    >>> pg.image.flip_horizontal(pg.Tensor([[[1.0], [2.0]]])).ravel().tolist()
    [2.0, 1.0]
    """
    return _flip(_checked(image, "flip_horizontal"), -2)


def flip_vertical(image: TensorLike) -> Tensor:
    """Top and bottom exchanged.

    >>> pg.image.flip_vertical(pg.Tensor([[[1.0]], [[2.0]]])).ravel().tolist()
    [2.0, 1.0]
    """
    return _flip(_checked(image, "flip_vertical"), -3)


# ---- blur


def gaussian_blur(
    image: TensorLike, sigma: float | Sequence[float], radius: int | None = None, border: str = "reflect"
) -> Tensor:
    """The image smoothed by a Gaussian.

    Args:
        image: floats, ``(..., height, width, channels)``.
        sigma: standard deviation in pixels, one number or (vertical, horizontal).
        radius: how far the kernel reaches, by default ``ceil(4 * sigma)``.
        border: what lies outside: ``"reflect"`` (dcba|abcd|dcba), ``"edge"`` (aaaa|abcd|dddd) or
            ``"constant"`` (zeros).

    >>> pg.image.gaussian_blur(pg.Tensor([[[0.0], [1.0], [0.0]]]), 1.0, 1).ravel().sum().item()
    1.0
    """
    x = _floats(image, "gaussian_blur")
    pair = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma)
    if len(pair) != 2 or not all(s > 0 for s in pair):
        raise InvalidValueError(f"image.gaussian_blur: sigma is one or two positive numbers, got {sigma!r}")
    if not known(border, ("reflect", "edge", "constant")):
        raise InvalidValueError(
            f"image.gaussian_blur: border is 'reflect', 'edge' or 'constant', got {border!r}"
        )
    for axis, s in zip((x.ndim - 3, x.ndim - 2), pair, strict=True):
        reach = math.ceil(4 * s) if radius is None else int(radius)
        if reach < 0:
            raise InvalidValueError(f"image.gaussian_blur: radius must not be negative, got {radius}")
        if x.shape[axis] == 0:
            continue
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / s) ** 2)
        kernel /= kernel.sum()
        size = x.shape[axis]
        padded = _bordered(x, axis, reach, border)
        x = _weighted([part(padded, axis, k, k + size) for k in range(2 * reach + 1)], kernel)
    return x


def _bordered(x: Tensor, axis: int, reach: int, border: str) -> Tensor:
    size = x.shape[axis]
    places = np.arange(-reach, size + reach)
    if border == "edge":
        return take(x, from_python(np.clip(places, 0, size - 1)), axis)
    inside = np.where(places % (2 * size) < size, places % (2 * size), 2 * size - 1 - places % (2 * size))
    y = take(x, from_python(inside), axis)
    if border == "reflect":
        return y
    shape = [1] * x.ndim
    shape[axis] = places.size
    kept = from_python(((places >= 0) & (places < size)).reshape(shape))
    return where(kept, y, 0.0)


def _weighted(xs: Sequence[Tensor], weights: Any) -> Tensor:
    total = xs[0] * float(weights[0])
    for x, w in zip(xs[1:], weights[1:], strict=True):
        total = total + x * float(w)
    return total


# ---- colours


def rgb_to_gray(image: TensorLike) -> Tensor:
    """Brightness as one channel, by the weights of ITU-R BT.601.

    >>> pg.image.rgb_to_gray(pg.Tensor([[[1.0, 1.0, 1.0]]])).item()
    1.0
    """
    return _weighted(_channels(image, "rgb_to_gray"), (0.299, 0.587, 0.114))[..., None]


def gray_to_rgb(image: TensorLike) -> Tensor:
    """One channel given to all three colours.

    >>> pg.image.gray_to_rgb(pg.Tensor([[[0.5]]])).tolist()
    [[[0.5, 0.5, 0.5]]]
    """
    x = _floats(image, "gray_to_rgb")
    if x.shape[-1] != 1:
        raise ShapeError(f"image.gray_to_rgb: needs one channel, got shape {x.shape}")
    return concatenate([x, x, x], axis=-1)


def rgb_to_hsv(image: TensorLike) -> Tensor:
    """Hue (a turn is 1), saturation and value. Grey has hue 0.

    >>> pg.image.rgb_to_hsv(pg.Tensor([[[0.5, 1.0, 1.0]]])).ravel().tolist()
    [0.5, 0.5, 1.0]
    """
    r, g, b = _channels(image, "rgb_to_hsv")
    value = maximum(maximum(r, g), b)
    span = value - minimum(minimum(r, g), b)
    gray = span == 0.0
    width = where(gray, 1.0, span)  # no division by zero, also in the branch that is not taken
    sixths = where(
        r == value, (g - b) / width, where(g == value, 2.0 + (b - r) / width, 4.0 + (r - g) / width)
    )
    hue = where(gray, 0.0, sixths / 6.0)
    hue = hue - floor(hue)
    saturation = where(value == 0.0, 0.0, span / where(value == 0.0, 1.0, value))
    return stack([hue, saturation, value], axis=-1)


def hsv_to_rgb(image: TensorLike) -> Tensor:
    """Colours from hue (a turn is 1), saturation and value.

    >>> pg.image.hsv_to_rgb(pg.Tensor([[[0.5, 1.0, 1.0]]])).ravel().tolist()
    [0.0, 1.0, 1.0]
    """
    hue, saturation, value = _channels(image, "hsv_to_rgb")
    turned = (hue - floor(hue)) * 6.0
    colours = []
    for shift in (5.0, 3.0, 1.0):
        k = turned + shift
        k = where(k >= 6.0, k - 6.0, k)
        colours.append(value - value * saturation * clip(minimum(k, 4.0 - k), 0.0, 1.0))
    return stack(colours, axis=-1)


_YUV = np.array(
    [[0.299, 0.587, 0.114], [-0.14714119, -0.28886916, 0.43601035], [0.61497538, -0.51496512, -0.10001026]]
)


def rgb_to_yuv(image: TensorLike) -> Tensor:
    """Brightness and two colour differences (ITU-R BT.601, analogue range).

    >>> pg.image.rgb_to_yuv(pg.Tensor([[[1.0, 1.0, 1.0]]])).numpy().round(6).ravel().tolist()[:1]
    [1.0]
    """
    channels = _channels(image, "rgb_to_yuv")
    return stack([_weighted(channels, row) for row in _YUV], axis=-1)


def yuv_to_rgb(image: TensorLike) -> Tensor:
    """The inverse of ``rgb_to_yuv``.

    >>> pg.image.yuv_to_rgb(pg.Tensor([[[1.0, 0.0, 0.0]]])).numpy().round(4).tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    channels = _channels(image, "yuv_to_rgb")
    return stack([_weighted(channels, row) for row in np.linalg.inv(_YUV)], axis=-1)


# ---- files


def decode(data: bytes, mode: str = "RGB") -> Tensor:
    """The image in the bytes of a PNG, JPEG or any other format that pillow reads, as uint8.

    ``mode`` is pillow's: ``"RGB"``, ``"L"`` (gray, one channel), ``"RGBA"``.

    >>> picture = pg.Tensor([[[255, 0, 0], [0, 0, 255]]], "uint8")
    >>> pg.image.decode(pg.image.encode(picture)).tolist()
    [[[255, 0, 0], [0, 0, 255]]]
    """
    pillow = _pillow("decode")
    try:
        with pillow.open(io.BytesIO(data)) as opened:
            array = np.asarray(opened.convert(mode))
    except TypeError:
        raise ArgumentError(f"image.decode: needs bytes, got {type(data).__name__}") from None
    except (pillow.UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InvalidValueError(f"image.decode: {len(data)} bytes are no image: {error}") from None
    return from_python(array[..., None] if array.ndim == 2 else array)


def encode(image: TensorLike, format: str = "png", **options: Any) -> bytes:
    """The bytes of an image file. Floats are taken from 0 to 1; options go to pillow (``quality=90``).

    >>> pg.image.encode(pg.zeros((2, 2, 3)))[1:4]
    b'PNG'
    """
    pillow = _pillow("encode")
    x = to_uint8(_checked(image, "encode"))
    if x.ndim != 3 or x.shape[-1] not in (1, 3, 4):
        raise ShapeError(f"image.encode: needs (height, width, 1, 3 or 4 channels), got shape {x.shape}")
    array = x.numpy()
    file = io.BytesIO()
    picture = pillow.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    try:
        picture.save(file, format=format, **options)
    except (KeyError, OSError, ValueError) as error:
        raise InvalidValueError(f"image.encode: pillow cannot write {format!r}: {error}") from None
    return file.getvalue()


def load(path: str | os.PathLike[str], mode: str = "RGB") -> Tensor:
    """The image in a file, as uint8; see ``decode``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "red.png")
    ...     pg.image.save(pg.Tensor([[[1.0, 0.0, 0.0]]]), path)
    ...     pg.image.load(path).tolist()
    [[[255, 0, 0]]]
    """
    with open(os.fspath(path), "rb") as file:  # a number would be a file that somebody else opened
        return decode(file.read(), mode)


def save(image: TensorLike, path: str | os.PathLike[str], **options: Any) -> None:
    """Write an image file; the ending of the name says the format. See ``encode``.

    >>> pg.image.save(pg.zeros((2, 2, 3)), "picture")
    Traceback (most recent call last):
    ...
    pequegrad.errors.InvalidValueError: image.save: the name 'picture' has no ending that says the format
    """
    name = os.fspath(path)
    ending = os.path.splitext(name)[1].lower().lstrip(".")
    if not ending:
        raise InvalidValueError(f"image.save: the name {name!r} has no ending that says the format")
    data = encode(image, {"jpg": "jpeg", "tif": "tiff"}.get(ending, ending), **options)
    with open(name, "wb") as file:
        file.write(data)


def _pillow(what: str) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"image.{what} needs pillow, which is not installed: pip install pillow") from None
    return Image


# ---- arguments


def _checked(image: TensorLike, what: str) -> Tensor:
    x = as_tensor(image)
    if x.ndim < 3:
        raise ShapeError(f"image.{what}: needs (..., height, width, channels), got shape {x.shape}")
    return x


def _floats(image: TensorLike, what: str) -> Tensor:
    x = _checked(image, what)
    if x.dtype.kind != "f":
        raise DTypeError(f"image.{what}: needs floats, got {x.dtype}; convert it with image.to_float")
    return x


def _channels(image: TensorLike, what: str) -> list[Tensor]:
    x = _floats(image, what)
    if x.shape[-1] != 3:
        raise ShapeError(f"image.{what}: needs 3 channels in the last axis, got shape {x.shape}")
    return [x[..., k] for k in range(3)]


def _size(size: Any, what: str) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, (int, np.integer)) else size
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(n, (int, np.integer)) and n > 0 for n in pair)
    ):
        raise InvalidValueError(f"image.{what}: size is a positive (height, width), got {size!r}")
    return int(pair[0]), int(pair[1])
