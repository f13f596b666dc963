"""Products of tensors: ``dot_general`` and ``conv_general_dilated``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from ._common import as_dtype, ints


def _wider(xs: Sequence[Tensor], preferred: Any) -> tuple[list[Tensor], pg.DType]:
    """The operands in the dtype in which products are added up, and that of the result."""
    result = xs[0].dtype if preferred is None else as_dtype(preferred)
    kind = result if result.itemsize >= xs[0].dtype.itemsize else xs[0].dtype
    return [x if x.dtype is kind else x.astype(kind) for x in xs], result


def dot_general(
    x: Tensor,
    y: Tensor,
    *,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Tensor:
    """The sum of products over contracted axes for each place of the batch axes, which come first in the
    result, before the rest of x and the rest of y. Every precision is the full one of the dtype.
    """
    (over_x, over_y), (batch_x, batch_y) = dimension_numbers
    (x, y), result = _wider((x, y), preferred_element_type)
    made = pg.dot_general(x, y, (ints(over_x), ints(over_y)), (ints(batch_x), ints(batch_y)))
    return made if made.dtype is result else made.astype(result)


def _specs(numbers: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Where batch, feature and space lie in operand, kernel (outputs, inputs, space) and result."""
    if numbers is None:
        plain = tuple(range(rank))
        return plain, plain, plain
    lhs, rhs, out = numbers
    return ints(lhs), ints(rhs), ints(out)


def conv_general_dilated(
    x: Tensor,
    kernel: Tensor,
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Tensor:
    """The correlation of images with kernels, the axes of each in any order."""
    rank = x.ndim
    lhs, rhs, out = _specs(dimension_numbers, rank)
    (x, kernel), result = _wider((x, kernel), preferred_element_type)
    images, kernels = pg.permute(x, lhs), pg.permute(kernel, rhs)
    ones = (1,) * (rank - 2)
    strides = ints(window_strides)
    margins = [ints(p) for p in padding]
    spread = ones if lhs_dilation is None else ints(lhs_dilation)
    dilation = ones if rhs_dilation is None else ints(rhs_dilation)
    if rank == 2:  # no space at all: one place
        images, kernels = images[..., None], kernels[..., None]
        strides, margins, spread, dilation = (1,), [(0, 0)], (1,), (1,)
    groups, batch_groups = int(feature_group_count), int(batch_group_count)
    plain = groups == batch_groups == 1 and x.dtype.is_floating and x.size > 0 and kernel.size > 0
    made: Tensor
    if plain and max(spread) == 1 and _kernels_are_larger(images, kernels, strides, margins, dilation):
        made = _gradient_by_kernels(images, kernels, strides, margins, dilation)
    elif plain and max(spread) > 1 and max(strides) == 1:
        made = _gradient_by_images(images, kernels, margins, spread, dilation)
    else:
        made = pg.conv_general(
            images,
            kernels,
            strides,
            margins,
            dilation,
            groups,
            input_dilation=spread,
            batch_groups=batch_groups,
        )
    if rank == 2:
        made = made[..., 0]
    if result.is_integer and made.dtype.is_floating:
        made = pg.round(made)
    made = made if made.dtype is result else made.astype(result)
    return pg.permute(made, [out.index(i) for i in range(rank)])


# jax writes the gradients of a convolution as convolutions: by the kernels with the cotangents as kernels, by
# the images with zeros between the cotangents. pequegrad has both as they are, which is less work.

Ints = Sequence[int]
Margins = Sequence[Sequence[int]]


def _places(n: int, margin: Sequence[int], size: int, stride: int, spread: int) -> int:
    return (n + margin[0] + margin[1] - ((size - 1) * spread + 1)) // stride + 1


def _kernels_are_larger(
    images: Tensor, kernels: Tensor, strides: Ints, margins: Margins, dilation: Ints
) -> bool:
    """Than the result, along every axis of space."""
    sizes = zip(images.shape[2:], margins, kernels.shape[2:], strides, dilation, strict=True)
    return all(0 < _places(n, m, k, s, d) < k for n, m, k, s, d in sizes)


def _gradient_by_kernels(
    images: Tensor, kernels: Tensor, strides: Ints, margins: Margins, dilation: Ints
) -> Tensor:
    """Images [C, N, ...] and cotangents [O, N, ...]: the gradient [C, O, ...] by the kernels of a convolution
    whose strides are these dilations, and the other way round.
    """
    x, ct = pg.swapaxes(images, 0, 1), pg.swapaxes(kernels, 0, 1)
    space, padding = [], []
    for n, m, k, s, d in zip(images.shape[2:], margins, kernels.shape[2:], strides, dilation, strict=True):
        extent = _places(n, m, k, s, d)
        space.append(extent)
        padding.append((m[0], (k - 1) * d + (extent - 1) * s + 1 - n - m[0]))
    start = pg.zeros((kernels.shape[0], images.shape[0], *space), dtype=x.dtype)
    made = pg.vjp(lambda w: pg.conv_general(x, w, dilation, padding, strides))(start, ct)[0]
    return pg.swapaxes(made, 0, 1)


def _gradient_by_images(
    images: Tensor, kernels: Tensor, margins: Margins, spread: Ints, dilation: Ints
) -> Tensor:
    """Cotangents [N, O, ...] and mirrored kernels [C, O, ...]: the gradient [N, C, ...] by the images of a
    convolution whose strides are the places from one cotangent to the next.
    """
    space, padding = [], []
    for n, m, k, s, d in zip(images.shape[2:], margins, kernels.shape[2:], spread, dilation, strict=True):
        extent = _places((n - 1) * s + 1, m, k, 1, d)
        low = (k - 1) * d - m[0]
        space.append(extent)
        padding.append((low, (n - 1) * s + (k - 1) * d + 1 - extent - low))
    w = pg.swapaxes(pg.flip(kernels, tuple(range(2, kernels.ndim))), 0, 1)
    start = pg.zeros((images.shape[0], kernels.shape[0], *space), dtype=images.dtype)
    made: Tensor = pg.vjp(lambda x: pg.conv_general(x, w, spread, padding, dilation))(start, images)[0]
    return made
