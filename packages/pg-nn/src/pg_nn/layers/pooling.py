"""MaxPool2d and AvgPool2d."""

from __future__ import annotations

from pequegrad import Tensor

from .. import functional as F
from ..functional import Pair
from ..module import StatefulModule

__all__ = ["AvgPool2d", "MaxPool2d"]


class _Pool2d(StatefulModule):
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """Largest element of each window of the last two axes; `stride` defaults to `kernel_size`.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.MaxPool2d(kernel_size=3, stride=2)(pg.ones((1, 1, 7, 7))).shape
    (1, 1, 3, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """Mean of each window of the last two axes, zeros of the padding included.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.AvgPool2d(2)(pg.ones((1, 1, 6, 6))).shape
    (1, 1, 3, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)
