"""Flatten."""

from __future__ import annotations

import math

from pequegrad import Tensor
from pequegrad.errors import ShapeError

from ..module import StatefulModule

__all__ = ["Flatten"]


class Flatten(StatefulModule):
    """Join the axes from `start_dim` to `end_dim`, both included, into one.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Flatten()(pg.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape)
        first = self.start_dim + x.ndim if self.start_dim < 0 else self.start_dim
        last = self.end_dim + x.ndim if self.end_dim < 0 else self.end_dim
        if not 0 <= first <= last < x.ndim:
            raise ShapeError(
                f"Flatten: start_dim {self.start_dim} and end_dim {self.end_dim} do not name a range of axes "
                f"of shape {shape}"
            )
        return x.reshape((*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
