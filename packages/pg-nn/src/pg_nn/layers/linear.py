"""Linear."""

from __future__ import annotations

from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from .. import functional as F
from .. import initializers
from ..module import StatefulModule

__all__ = ["Linear"]


class Linear(StatefulModule):
    """`x @ weight.T + bias` on the last axis; weight has shape (out_features, in_features).

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Linear(3, 2)(pg.ones((5, 3))).shape
    (5, 2)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = pg.dt.float32
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.register_parameter(
            "weight", initializers.kaiming_uniform((out_features, in_features), in_features, dtype)
        )
        if bias:
            self.register_parameter("bias", initializers.kaiming_uniform((out_features,), in_features, dtype))
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
