"""Images at other resolutions and places."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError, UnsupportedError
from .registry import Floats, Host, Ints, op
from .shaping import axes_of


class Axis(NamedTuple):
    """How one axis is resized: its length, the new one, and how many new elements an old one makes."""

    length: int
    wanted: int
    scale: float
    width: float  # the new length before it was rounded
    begin: float = 0.0  # the part of the axis that is looked at
    end: float = 1.0


class How(NamedTuple):
    """The attributes that say where elements lie and how they are mixed."""

    mode: str
    transformation: str
    nearest: str
    cubic: float
    exclude_outside: bool
    antialias: bool
    extrapolation: float


def _places(axis: Axis, how: str) -> np.ndarray:
    """Where in the old axis each new element lies."""
    x = np.arange(axis.wanted, dtype=np.float64)
    n, width = axis.length, axis.width
    if how == "align_corners":
        return np.zeros_like(x) if width == 1 else x * (n - 1) / (width - 1)
    if how == "asymmetric":
        return x / axis.scale
    if how == "tf_crop_and_resize":
        part = axis.end - axis.begin
        if width == 1:
            return np.full_like(x, 0.5 * (axis.begin + axis.end) * (n - 1))
        return axis.begin * (n - 1) + x * part * (n - 1) / (width - 1)
    if how == "pytorch_half_pixel" and width == 1:
        return np.full_like(x, -0.5)
    centred = (x + 0.5) / axis.scale - 0.5
    if how == "half_pixel_symmetric":
        return centred + n / 2 * (1 - axis.wanted / width)
    return centred


def _kernel(distance: np.ndarray, mode: str, a: float) -> np.ndarray:
    """The weight of an element at a distance: a hat, or Keys' cubic."""
    d = np.abs(distance)
    if mode == "linear":
        return np.clip(1 - d, 0, None)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _nearest(places: np.ndarray, how: str) -> np.ndarray:
    if how.startswith("round"):
        made = np.ceil(places - 0.5) if how == "round_prefer_floor" else np.floor(places + 0.5)
    else:
        made = np.floor(places) if how == "floor" else np.ceil(places)
    return made.astype(np.int64)


def _resize_axis(x: Tensor, at: int, axis: Axis, how: How) -> Tensor:
    places = _places(axis, how.transformation)
    if how.mode == "nearest":
        return pg.take(x, np.clip(_nearest(places, how.nearest), 0, axis.length - 1), at)
    squeezed = min(axis.scale, 1.0) if how.antialias else 1.0
    reach = (1 if how.mode == "linear" else 2) / squeezed
    taps = math.ceil(reach)
    index = np.floor(places).astype(np.int64)[:, None] + np.arange(1 - taps, taps + 1)
    weights = _kernel((index - places[:, None]) * squeezed, how.mode, how.cubic)
    if how.exclude_outside:
        weights = np.where((index >= 0) & (index < axis.length), weights, 0.0)
    if how.exclude_outside or how.antialias:
        weights = weights / weights.sum(1, keepdims=True)
    index = np.clip(index, 0, axis.length - 1)
    if weights.shape[1] > 4:
        matrix = np.zeros((axis.wanted, axis.length))
        np.add.at(matrix, (np.arange(axis.wanted)[:, None], index), weights)
        made = pg.tensordot(x, pg.Tensor(matrix).astype(x.dtype), ([at], [1]))
        return pg.moveaxis(made, -1, at)
    along = [-1 if i == at else 1 for i in range(x.ndim)]
    total: Any = None
    for tap in range(weights.shape[1]):
        term = pg.take(x, index[:, tap], at) * pg.Tensor(weights[:, tap].reshape(along)).astype(x.dtype)
        total = term if total is None else total + term
    return total


def _resized(call: Any, x: Tensor, axes: dict[int, Axis], how: How) -> Tensor:
    call.check_size([axes[i].wanted if i in axes else n for i, n in enumerate(x.shape)])
    if how.mode != "nearest" and not x.dtype.is_floating:
        raise UnsupportedError(f"mode {how.mode} of {x.dtype} is not supported")
    wide = x.astype(pg.float32) if x.dtype.itemsize == 2 and how.mode != "nearest" else x
    for at, axis in axes.items():
        same = axis.wanted == axis.length and axis.scale == 1.0 and (axis.begin, axis.end) == (0.0, 1.0)
        if not same:
            wide = _resize_axis(wide, at, axis, how)
    made = wide.astype(x.dtype)
    if how.transformation != "tf_crop_and_resize":
        return made
    for at, axis in axes.items():
        places = _places(axis, how.transformation)
        outside = (places < 0) | (places > axis.length - 1)
        if outside.any():
            shape = [-1 if i == at else 1 for i in range(x.ndim)]
            made = pg.where(pg.Tensor(outside.reshape(shape)), how.extrapolation, made).astype(x.dtype)
    return made


@op("Resize", 11, 13, 18, 19)
def resize(
    call: Any,
    x: Tensor,
    roi: Host | None = None,
    scales: Host | None = None,
    sizes: Ints | None = None,
    *,
    antialias: bool = False,
    axes: Ints | None = None,
    coordinate_transformation_mode: Literal[
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_crop_and_resize",
        "tf_half_pixel_for_nn",
    ] = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: Literal["stretch", "not_larger", "not_smaller"] = "stretch",
    mode: Literal["nearest", "linear", "cubic"] = "nearest",
    nearest_mode: Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] = "round_prefer_floor",
) -> Tensor:
    along = axes_of(axes, x.ndim) if axes is not None else tuple(range(x.ndim))
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    rows = [(0.0, 1.0)] * len(along)
    if crops:
        if roi is None or roi.size != 2 * len(along):
            raise InvalidModelError("tf_crop_and_resize needs a roi for each axis")
        rows = [(float(roi[i]), float(roi[i + len(along)])) for i in range(len(along))]
    given: dict[int, Axis] = {}
    if scales is not None and scales.size:
        if scales.size != len(along) or not (scales > 0).all():
            raise InvalidModelError(f"{scales.tolist()} are no scales for {len(along)} axes")
        for i, at in enumerate(along):
            n, scale = x.shape[at], float(scales[i])
            width = n * scale * (rows[i][1] - rows[i][0])
            given[at] = Axis(n, math.floor(width), scale, width if crops else n * scale, *rows[i])
    else:
        given = _by_sizes(x, along, sizes, keep_aspect_ratio_policy, rows)
    how = How(
        mode,
        "half_pixel"
        if coordinate_transformation_mode == "tf_half_pixel_for_nn"
        else coordinate_transformation_mode,
        "floor" if coordinate_transformation_mode == "tf_half_pixel_for_nn" else nearest_mode,
        cubic_coeff_a,
        exclude_outside,
        antialias,
        extrapolation_value,
    )
    return _resized(call, x, given, how)


def _by_sizes(
    x: Tensor, along: Ints, sizes: Ints | None, policy: str, rows: list[tuple[float, float]]
) -> dict[int, Axis]:
    if sizes is None or len(sizes) != len(along) or min(sizes, default=0) < 0:
        raise InvalidModelError(f"sizes {sizes} do not fit {len(along)} axes")
    scales = [size / x.shape[at] for size, at in zip(sizes, along, strict=True)]
    if policy != "stretch":
        one = min(scales) if policy == "not_larger" else max(scales)
        scales = [one] * len(along)
        sizes = tuple(math.floor(one * x.shape[at] + 0.5) for at in along)
    return {
        at: Axis(
            x.shape[at],
            sizes[i],
            scales[i],
            scales[i] * x.shape[at] if policy != "stretch" else sizes[i],
            *rows[i],
        )
        for i, at in enumerate(along)
    }


def _simple(call: Any, x: Tensor, scales: np.ndarray, mode: str) -> Tensor:
    """As versions before 11 resize: places are multiples of the scale's inverse."""
    if scales.size != x.ndim or not (scales > 0).all():
        raise InvalidModelError(f"{scales.tolist()} are no scales for {x.ndim} axes")
    for at, scale in enumerate(scales.tolist()):
        n = x.shape[at]
        nearest = "ceil" if scale < 1 else "floor"
        how = How(
            "nearest" if mode == "nearest" else "linear", "asymmetric", nearest, -0.75, False, False, 0.0
        )
        x = _resized(call, x, {at: Axis(n, math.floor(n * scale), scale, n * scale)}, how)
    return x


@op("Resize", 10)
@op("Upsample", 9, 10)
def resize_10(
    call: Any, x: Tensor, scales: Host, *, mode: Literal["nearest", "linear", "bilinear"] = "nearest"
) -> Tensor:
    return _simple(call, x, scales, mode)


@op("Upsample", 7)
def upsample_7(
    call: Any, x: Tensor, *, scales: Floats, mode: Literal["nearest", "linear", "bilinear"] = "nearest"
) -> Tensor:
    return _simple(call, x, np.array(scales), mode)


@op("Upsample", 1)
def upsample_1(
    call: Any,
    x: Tensor,
    *,
    height_scale: float,
    width_scale: float,
    mode: Literal["nearest", "bilinear"] = "nearest",
) -> Tensor:
    return _simple(call, x, np.array([1.0, 1.0, height_scale, width_scale]), mode)


# ---- sampling


def _sampled(x: Tensor, grid: Tensor, mode: str, padding: str, corners: bool) -> Tensor:
    words = {"linear": "bilinear", "cubic": "bicubic"}
    return pg.grid_sample(x, grid, words.get(mode, mode), padding, corners).astype(x.dtype)


@op("GridSample", 20, 22)
def grid_sample(
    x: Tensor,
    grid: Tensor,
    *,
    align_corners: bool = False,
    mode: Literal["linear", "nearest", "cubic"] = "linear",
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros",
) -> Tensor:
    return _sampled(x, grid, mode, padding_mode, align_corners)


@op("GridSample", 16)
def grid_sample_16(
    x: Tensor,
    grid: Tensor,
    *,
    align_corners: bool = False,
    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear",
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros",
) -> Tensor:
    return _sampled(x, grid, mode, padding_mode, align_corners)


@op("AffineGrid", 20)
def affine_grid(theta: Tensor, size: Ints, *, align_corners: bool = False) -> Tensor:
    return pg.affine_grid(theta, size, align_corners).astype(theta.dtype)
