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
    made = pg.conv_general(
        images,
        kernels,
        strides,
        margins,
        dilation,
        int(feature_group_count),
        input_dilation=spread,
        batch_groups=int(batch_group_count),
    )
    if rank == 2:
        made = made[..., 0]
    if result.is_integer and made.dtype.is_floating:
        made = pg.round(made)
    made = made if made.dtype is result else made.astype(result)
    return pg.permute(made, [out.index(i) for i in range(rank)])
