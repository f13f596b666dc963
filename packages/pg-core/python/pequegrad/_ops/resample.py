"""Images at other resolutions and at other places: interpolate, grid_sample, affine_grid.

Coordinates are torch's. Resizing is separable: each axis in turn takes one, two or four elements for each
place, with weights that depend on the shapes alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .adaptive_pooling import _adaptive_avg
from .common import TensorLike, as_tensor, cast, check_table, fill, known, reshape_to, shape_of, to_float
from .complex import by_parts
from .convolution import per_axis
from .indexing import take, take_places
from .linalg import tensordot
from .logic import where
from .shape import moveaxis, permute, repeat

# Spatial axes of the modes that name a dimension; the others take any.
_AXES = {
    "linear": 1,
    "bilinear": 2,
    "bicubic": 2,
    "trilinear": 3,
    "nearest": 0,
    "nearest-exact": 0,
    "area": 0,
}
_ALIGNED = ("linear", "bilinear", "bicubic", "trilinear")


def interpolate(
    x: TensorLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool = False,
    antialias: bool = False,
) -> Tensor:
    """Images [N, C, space...] (or [C, space...] where the mode or the size tells the number of axes) resized.

    ``mode`` is nearest, nearest-exact, linear, bilinear, trilinear, bicubic or area. Places are those of
    torch: with ``align_corners`` the centres of the outermost elements stay where they are, without it the
    outer edges. A ``scale_factor`` decides the extents, and the places unless ``recompute_scale_factor``.
    ``antialias`` (bilinear, bicubic) widens the filter when the result is smaller.

    >>> pg.interpolate(pg.Tensor([[[[1.0, 3.0]]]]), (1, 4)).tolist()
    [[[[1.0, 1.0, 3.0, 3.0]]]]
    """
    x = as_tensor(x)
    if not known(mode, _AXES):
        raise InvalidValueError(f"interpolate: mode is one of {', '.join(_AXES)}, got {mode!r}")
    if x.dtype.is_complex:
        return by_parts(
            lambda part: interpolate(
                part, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
            ),
            x,
        )
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give size or scale_factor, one of the two")
    if align_corners is not None and mode not in _ALIGNED:
        raise InvalidValueError(f"interpolate: align_corners has no meaning for mode={mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise InvalidValueError(f"interpolate: antialias is for bilinear and bicubic, got mode={mode!r}")
    given = size if size is not None else scale_factor
    rank = _AXES[mode] or (len(given) if isinstance(given, (tuple, list)) else max(x.ndim - 2, 1))
    if not 1 <= rank <= 3 or x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"interpolate: mode {mode!r} with {rank} spatial axes does not fit shape {x.shape}; it needs "
            "[N, C, space...] or [C, space...]"
        )
    space = x.shape[x.ndim - rank :]
    wanted, scales = _extents(space, size, scale_factor, recompute_scale_factor)
    if min(wanted) < 1 or min(space) < 1:
        raise ShapeError(f"interpolate: cannot resize {space} to {wanted}; every extent must be at least 1")
    if mode == "area":
        return _adaptive_avg(x, wanted, rank)
    corners = bool(align_corners)
    for i in reversed(range(rank)):
        axis, n, m = x.ndim - rank + i, space[i], wanted[i]
        if mode.startswith("nearest"):
            x = _nearest(x, axis, n, m, scales[i], mode == "nearest-exact")
        elif n == m and (scales[i] in (None, 1.0) or corners):
            x = to_float(x)
        elif antialias:
            x = _filtered(to_float(x), axis, n, m, scales[i], corners, mode == "bicubic")
        else:
            x = _between(to_float(x), axis, n, m, scales[i], corners, mode == "bicubic")
    return x


def _extents(
    space: tuple[int, ...], size: Any, factor: Any, again: bool
) -> tuple[tuple[int, ...], list[float | None]]:
    """The extents wanted, and per axis how far apart places lie where a factor decides that."""
    if size is not None:
        return per_axis(size, "interpolate: size", len(space)), [None] * len(space)
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,) * len(space)
    if len(factors) != len(space) or not all(
        isinstance(f, (int, float, np.number)) and 0 < f < math.inf for f in factors
    ):
        raise ArgumentError(
            f"interpolate: scale_factor needs one number above 0 or {len(space)}, got {factor!r}"
        )
    wanted = tuple(math.floor(n * f) for n, f in zip(space, factors, strict=True))
    return wanted, [None if again else 1.0 / f for f in factors]


def _nearest(x: Tensor, axis: int, n: int, m: int, scale: float | None, exact: bool) -> Tensor:
    if n == m and scale is None:
        return x
    check_table(m, "interpolate")
    step = np.float32(n / m if scale is None else scale)
    index = np.arange(m, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
    places = np.minimum(np.floor(index * step).astype(np.int64), n - 1)
    if m % n == 0 and np.array_equal(places, np.arange(m) // (m // n)):
        return repeat(x, m // n, axis)
    return take_places(x, places, axis)


def _step(n: int, m: int, scale: float | None, corners: bool) -> float:
    """How far apart the places lie in the operand."""
    if corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return n / m if scale is None else scale


def _cubic(t: Any, a: float = -0.75) -> list[Any]:
    """Weights of the elements at -1, 0, 1, 2 for a place t in [0, 1) (Keys 1981)."""
    s = 1 - t
    near = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (t, s)]
    far = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (t + 1, s + 1)]
    return [far[0], near[0], near[1], far[1]]


def _between(x: Tensor, axis: int, n: int, m: int, scale: float | None, corners: bool, cubic: bool) -> Tensor:
    kind = np.float64 if x.dtype is dt.float64 else np.float32
    check_table(m, "interpolate")
    index: Any = np.arange(m, dtype=kind)
    step = kind(_step(n, m, scale, corners))
    places = index * step if corners else (index + kind(0.5)) * step - kind(0.5)
    if not cubic:
        places = np.maximum(places, 0)
    low = np.floor(places)
    t = np.clip(places - low, 0, 1)
    at = low.astype(np.int64)
    weights = _cubic(t) if cubic else [1 - t, t]
    total: Any = None
    for offset, weight in enumerate(weights, -1 if cubic else 0):
        w = weight.reshape([-1 if i == axis else 1 for i in range(x.ndim)]).astype(kind)
        term = cast(as_tensor(w), x.dtype) * take(x, np.clip(at + offset, 0, n - 1), axis)
        total = term if total is None else total + term
    return total


def _filtered(
    x: Tensor, axis: int, n: int, m: int, scale: float | None, corners: bool, cubic: bool
) -> Tensor:
    """Resizing by a filter as wide as an element of the result, as pillow does."""
    step = _step(n, m, scale, corners)
    wide = max(step, 1.0)
    support = (2.0 if cubic else 1.0) * wide
    check_table(m * n, "interpolate")
    matrix = np.zeros((m, n))
    for i in range(m):
        centre = step * (i + 0.5)
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), n)
        d = np.abs((np.arange(first, last) - centre + 0.5) / wide)
        if cubic:
            row = np.where(d < 1, _cubic(d, -0.5)[1], np.where(d < 2, _cubic(d - 1, -0.5)[0], 0.0))
        else:
            row = np.maximum(1 - d, 0.0)
        matrix[i, first:last] = row / row.sum()
    made = tensordot(x, cast(as_tensor(matrix), x.dtype), ([axis], [1]))
    return moveaxis(made, -1, axis)


# ---- sampling


def affine_grid(theta: TensorLike, size: Any, align_corners: bool = False) -> Tensor:
    """The sampling places of affine maps: theta [N, 2, 3] (or [N, 3, 4]) for images of size (N, C, H, W)
    (or (N, C, D, H, W)) gives [N, H, W, 2] ([N, D, H, W, 3]) coordinates in [-1, 1], x before y.

    >>> pg.affine_grid(pg.Tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    theta = to_float(theta)
    size = shape_of(size, "affine_grid")
    rank = len(size) - 2
    if rank not in (2, 3) or theta.shape != (size[0], rank, rank + 1):
        raise ShapeError(
            f"affine_grid: size {size} needs maps [N, {max(rank, 2)}, {max(rank, 2) + 1}], got {theta.shape}"
        )
    space = size[2:]
    if min(space) < 1:
        raise ShapeError(f"affine_grid: every extent must be at least 1, got {space}")
    check_table((rank + 1) * math.prod(space), "affine_grid")
    axes = []
    for n in space:
        steps = np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
        axes.append(steps if align_corners else steps * ((n - 1) / n))
    base = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(space)], -1)
    flat = cast(as_tensor(base.reshape(-1, rank + 1)), theta.dtype)
    made = flat @ theta.swapaxes(-1, -2)
    return reshape_to(made, (theta.shape[0], *space, rank))


def grid_sample(
    x: TensorLike,
    grid: TensorLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """The values of images [N, C, H, W] at places grid [N, h, w, 2] (x before y; -1 and 1 are the edges, or
    with ``align_corners`` the centres of the outermost elements); volumes [N, C, D, H, W] at
    [N, d, h, w, 3].

    ``mode`` is bilinear, nearest or bicubic (images only); ``padding_mode`` says what lies outside: zeros,
    border or reflection.

    >>> pg.grid_sample(pg.Tensor([[[[1.0, 3.0]]]]), pg.zeros((1, 1, 1, 2))).tolist()
    [[[[2.0]]]]
    """
    x, grid = to_float(x), to_float(grid)
    if grid.dtype.itemsize == 2:  # a place needs more digits than half-width floats have
        grid = cast(grid, dt.float32)
    rank = x.ndim - 2
    if rank not in (2, 3) or grid.ndim != x.ndim or grid.shape[-1] != rank or grid.shape[0] != x.shape[0]:
        raise ShapeError(
            "grid_sample: needs [N, C, H, W] with [N, h, w, 2], or [N, C, D, H, W] with [N, d, h, w, 3], got "
            f"{x.shape} and {grid.shape}"
        )
    if not known(mode, ("bilinear", "nearest", "bicubic")) or (mode == "bicubic" and rank == 3):
        raise InvalidValueError(
            f"grid_sample: mode is bilinear, nearest or (for images) bicubic, got {mode!r}"
        )
    if not known(padding_mode, ("zeros", "border", "reflection")):
        raise InvalidValueError(
            f"grid_sample: padding_mode is zeros, border or reflection, got {padding_mode!r}"
        )
    space = x.shape[2:]
    if min(space) < 1:
        raise ShapeError(f"grid_sample: an image of shape {x.shape} has nothing to sample")
    table = permute(x, (0, *range(2, x.ndim), 1))
    table = reshape_to(table, (x.shape[0] * math.prod(space), x.shape[1]))
    # Per axis the elements that take part and their weights; an element outside has the index of the edge
    # and the weight 0, or for border and reflection the index that its coordinate leads to.
    choices = []
    for i, n in enumerate(space):
        place = grid[..., rank - 1 - i]
        place = (place + 1.0) * ((n - 1) / 2) if align_corners else ((place + 1.0) * float(n) - 1.0) / 2.0
        choices.append(_taps(place, n, mode, padding_mode, align_corners))
    rows = _core.apply("iota", (), (dt.int64.code, *x.device.pair, 0, *grid.shape[:-1]))
    total: Any = None
    for picked in _product(choices):
        linear, weight = rows, None
        for n, (index, w) in zip(space, picked, strict=True):
            linear = linear * n + index
            weight = w if weight is None or w is None else weight * w
        value = _core.apply("gather", (table, linear), (1,))
        if weight is not None:
            value = value * cast(reshape_to(weight, (*weight.shape, 1)), x.dtype)
        total = value if total is None else total + value
    return moveaxis(total, -1, 1)


def _product(choices: list[list[Any]]) -> list[tuple[Any, ...]]:
    out: list[tuple[Any, ...]] = [()]
    for options in choices:
        out = [(*head, option) for head in out for option in options]
    return out


def _taps(
    place: Tensor, n: int, mode: str, padding: str, corners: bool
) -> list[tuple[Tensor, Tensor | None]]:
    if mode == "bicubic":
        low = _core.apply("floor", (_core.apply("stop_gradient", (place,)),))
        weights = _cubic(place - low)
        return [
            _element(_inside(low + float(k), n, padding, corners), n, padding, w)
            for k, w in zip((-1, 0, 1, 2), weights, strict=True)
        ]
    place = _inside(place, n, padding, corners)
    fixed = _core.apply("stop_gradient", (place,))
    if mode == "nearest":
        return [_element(_core.apply("round", (fixed,)), n, padding, None)]
    low = _core.apply("floor", (fixed,))
    t = place - low
    return [_element(low, n, padding, 1.0 - t), _element(low + 1.0, n, padding, t)]


def _element(at: Tensor, n: int, padding: str, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The index of an element that may lie outside, and its weight."""
    inside = (at >= 0) & (at <= float(n - 1))
    index = cast(where(inside, at, 0.0), dt.int64)
    if weight is None and padding != "zeros":
        return index, None
    return index, where(inside, 1.0 if weight is None else weight, 0.0)


def _inside(place: Tensor, n: int, padding: str, corners: bool) -> Tensor:
    """A coordinate brought into the image as the padding mode says; its derivative at and beyond the border
    is 0.
    """
    if padding == "zeros":
        return place
    if padding == "reflection":
        low, high = (0.0, n - 1.0) if corners else (-0.5, n - 0.5)
        if high == low:
            return fill(0.0, place)
        span = high - low
        gap = _core.apply("abs", (place - low,))
        turns = _core.apply("floor", (_core.apply("stop_gradient", (gap,)) / span,))
        extra = gap - turns * span
        even = turns - 2.0 * _core.apply("floor", (turns / 2.0,)) == 0
        place = where(even, extra + low, (span + low) - extra)
    return where(place <= 0, fill(0.0, place), where(place >= n - 1.0, fill(n - 1.0, place), place))
