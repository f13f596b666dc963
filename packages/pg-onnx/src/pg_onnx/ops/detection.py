"""Boxes in images: choosing among them, and looking into them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError, UnsupportedError
from .registry import Host, Ints, op
from .windows import windows


def _corners(boxes: np.ndarray, by_centre: bool) -> np.ndarray:
    """Boxes as lower and upper corners."""
    if by_centre:
        half = boxes[..., 2:] / 2
        return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)
    first, second = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], -1)


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that boxes share, of that which they cover together."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), -1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], -1) - shared
    return np.where(area > 0, shared / np.where(area > 0, area, 1), 0.0)


@op("NonMaxSuppression", 10, 11)
def non_max_suppression(
    boxes: Host,
    scores: Host,
    most: Ints | None = None,
    overlap: Host | None = None,
    least: Host | None = None,
    *,
    center_point_box: bool = False,
) -> np.ndarray:
    """The boxes of each class, best first, without those that overlap a better one."""
    limit = most[0] if most else 0
    shared = float(overlap.item()) if overlap is not None else 0.0
    found: list[tuple[int, int, int]] = []
    for batch in range(scores.shape[0]):
        corners = _corners(boxes[batch].astype(np.float64), center_point_box)
        for kind in range(scores.shape[1]):
            values = scores[batch, kind]
            order = np.argsort(-values, kind="stable")
            if least is not None:
                order = order[values[order] > least.item()]
            kept: list[int] = []
            while order.size and len(kept) < limit:
                best, order = int(order[0]), order[1:]
                kept.append(best)
                order = order[_overlaps(corners[best], corners[order]) <= shared]
            found.extend((batch, kind, box) for box in kept)
    return np.array(found, np.int64).reshape(-1, 3)


# ---- pooling inside boxes


def _neighbours(at: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of places the elements before and after, and their weights; none beyond one element outside."""
    inside = (at >= -1) & (at <= n)
    clipped = np.clip(at, 0, n - 1)
    low = np.floor(clipped).astype(np.int64)
    high = np.minimum(low + 1, n - 1)
    share = clipped - low
    return low, high, (1 - share) * inside, share * inside


def _aligned(
    image: Tensor,
    box: np.ndarray,
    size: tuple[int, int],
    samples: int,
    scale: float,
    shifted: bool,
    mode: str,
) -> Tensor:
    """One box of one image [C, H, W] as [C, height, width]."""
    left, top, right, bottom = box.astype(np.float64) * scale - (0.5 if shifted else 0.0)
    extents = (bottom - top, right - left)
    if not shifted:
        extents = (max(extents[0], 1.0), max(extents[1], 1.0))
    axes = []
    for start, extent, parts, n in zip((top, left), extents, size, image.shape[1:], strict=True):
        count = samples if samples > 0 else max(int(np.ceil(extent / parts)), 1)
        step = extent / parts
        at = start + np.arange(parts)[:, None] * step + (np.arange(count) + 0.5) * step / count
        axes.append((_neighbours(at.reshape(-1), n), count))
    (rows, count_y), (columns, count_x) = axes
    terms = []
    for y, wy in ((rows[0], rows[2]), (rows[1], rows[3])):
        for x, wx in ((columns[0], columns[2]), (columns[1], columns[3])):
            weights = pg.Tensor(wy[:, None] * wx).astype(image.dtype)
            terms.append(pg.take(pg.take(image, y, 1), x, 2) * weights)
    shape = (image.shape[0], size[0], count_y, size[1], count_x)
    if mode == "avg":
        total = terms[0] + terms[1] + terms[2] + terms[3]
        return pg.mean(pg.reshape(total, shape), axis=(2, 4))
    # The maximum is over the weighted neighbours, which is how the operator is defined by its cases.
    best = pg.maximum(pg.maximum(terms[0], terms[1]), pg.maximum(terms[2], terms[3]))
    return pg.max(pg.reshape(best, shape), axis=(2, 4))


def _roi_align(
    x: Tensor,
    rois: np.ndarray,
    batch: Ints,
    size: tuple[int, int],
    samples: int,
    scale: float,
    shifted: bool,
    mode: str,
) -> Tensor:
    if rois.ndim != 2 or rois.shape[1] != 4 or len(batch) != len(rois):
        raise InvalidModelError(f"rois of shape {rois.shape} with {len(batch)} images")
    if not len(rois):
        return pg.zeros((0, x.shape[1], *size), dtype=x.dtype)
    return pg.stack(
        [_aligned(x[i], box, size, samples, scale, shifted, mode) for box, i in zip(rois, batch, strict=True)]
    )


@op("RoiAlign", 16, 22)
def roi_align(
    x: Tensor,
    rois: Host,
    batch: Ints,
    *,
    coordinate_transformation_mode: Literal["half_pixel", "output_half_pixel"] = "half_pixel",
    mode: Literal["avg", "max"] = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:
    shifted = coordinate_transformation_mode == "half_pixel"
    size = (output_height, output_width)
    return _roi_align(x, rois, batch, size, sampling_ratio, spatial_scale, shifted, mode)


@op("RoiAlign", 10)
def roi_align_10(
    x: Tensor,
    rois: Host,
    batch: Ints,
    *,
    mode: Literal["avg", "max"] = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Tensor:
    return _roi_align(
        x, rois, batch, (output_height, output_width), sampling_ratio, spatial_scale, False, mode
    )


# ---- convolution with moving taps


@op("DeformConv", 19, 22)
def deform_conv(
    x: Tensor,
    w: Tensor,
    offset: Tensor,
    b: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    offset_group: int = 1,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Tensor:
    """Each tap of each window reads at a place moved by an offset, between elements (Dai et al. 2017)."""
    if x.ndim != 4:
        raise UnsupportedError("deformable convolution of other than images is not supported")
    n, channels, height, width = x.shape
    kernel = tuple(w.shape[2:])
    found = windows((height, width), kernel, strides, pads, dilations, "NOTSET")
    rows, columns = found.counts
    taps = kernel[0] * kernel[1]
    base = []
    for i, side in enumerate(("y", "x")):
        tap = np.arange(kernel[i]) * found.dilations[i] - found.low[i]
        place = np.arange(found.counts[i]) * found.strides[i]
        shape = (kernel[0], 1, rows, 1) if side == "y" else (1, kernel[1], 1, columns)
        grid = (tap[:, None] + place).reshape(shape)
        base.append(np.broadcast_to(grid, (*kernel, rows, columns)).reshape(1, 1, taps, rows, columns))
    moved = pg.reshape(offset, (n, offset_group, taps, 2, rows, columns))
    y = moved[:, :, :, 0] + pg.Tensor(base[0]).astype(x.dtype)
    x_at = moved[:, :, :, 1] + pg.Tensor(base[1]).astype(x.dtype)
    image = pg.reshape(x, (n, offset_group, channels // offset_group, height * width))
    sampled = _bilinear(image, y, x_at, (height, width))
    if mask is not None:
        sampled = sampled * pg.reshape(mask, (n, offset_group, 1, taps, rows, columns))
    outputs, each = w.shape[0], channels // group
    parts = pg.reshape(sampled, (n, group, each * taps, rows * columns))
    kernels = pg.reshape(w, (1, group, outputs // group, each * taps))
    made = pg.reshape(pg.matmul(kernels, parts), (n, outputs, rows, columns))
    return made if b is None else made + pg.reshape(b, (1, -1, 1, 1))


def _bilinear(image: Tensor, y: Tensor, x: Tensor, space: tuple[int, int]) -> Tensor:
    """Images [N, G, C, H * W] at places [N, G, ...]; zeros outside."""
    height, width = space
    n, groups, channels = image.shape[:3]
    low_y, low_x = pg.floor(y), pg.floor(x)
    total: Any = None
    for dy in (0, 1):
        for dx in (0, 1):
            at_y, at_x = low_y + dy, low_x + dx
            weight = (1 - pg.abs(y - at_y)) * (1 - pg.abs(x - at_x))
            inside = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
            place = pg.clip(at_y, 0, height - 1) * width + pg.clip(at_x, 0, width - 1)
            index = pg.reshape(pg.stop_gradient(place).astype(pg.int64), (n, groups, 1, -1))
            index = pg.broadcast_to(index, (n, groups, channels, index.shape[3]))
            value = pg.reshape(pg.gather(image, 3, index), (n, groups, channels, *y.shape[2:]))
            term = value * pg.expand_dims(pg.where(inside, weight, 0.0).astype(image.dtype), 2)
            total = term if total is None else total + term
    return total
