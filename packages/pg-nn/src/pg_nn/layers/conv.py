"""Conv2d."""

from __future__ import annotations

from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from .. import functional as F
from .. import initializers
from ..errors import ModuleError
from ..functional import Pair, pair
from ..module import StatefulModule

__all__ = ["Conv2d"]


class Conv2d(StatefulModule):
    """Convolution of (N, C, H, W) or (C, H, W); weight has shape (out, in / groups, KH, KW).

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Conv2d(3, 8, kernel_size=3, padding=1)(pg.ones((2, 3, 5, 5))).shape
    (2, 8, 5, 5)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = pg.dt.float32,
    ) -> None:
        super().__init__()
        if groups <= 0 or in_channels % groups or out_channels % groups:
            raise ModuleError(
                f"Conv2d: in_channels {in_channels} and out_channels {out_channels} must both be "
                f"divisible by groups {groups}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = shape[1] * shape[2] * shape[3]
        self.register_parameter("weight", initializers.kaiming_uniform(shape, fan_in, dtype))
        if bias:
            self.register_parameter("bias", initializers.kaiming_uniform((out_channels,), fan_in, dtype))
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding not in ((0, 0), "valid"):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"
