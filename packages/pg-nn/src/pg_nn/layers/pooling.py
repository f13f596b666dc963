"""MaxPool2d and AvgPool2d."""

from __future__ import annotations

from pequegrad import Tensor

from .. import functional as F
from ..functional import Pair
from ..module import StatefulModule

__all__ = ["AvgPool2d", "MaxPool2d"]


class MaxPool2d(StatefulModule):
    """Largest element of each window of the last two axes; `stride` defaults to `kernel_size`.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.MaxPool2d(kernel_size=3, stride=2)(pg.ones((1, 1, 7, 7))).shape
    (1, 1, 3, 3)
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(StatefulModule):
    """Mean of each window of the last two axes, zeros of the padding included unless told otherwise.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.AvgPool2d(2)(pg.ones((1, 1, 6, 6))).shape
    (1, 1, 3, 3)
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
