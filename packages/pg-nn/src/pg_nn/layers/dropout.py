"""Dropout."""

from __future__ import annotations

from pequegrad import Tensor

from .. import functional as F
from ..errors import ModuleError
from ..module import StatefulModule

__all__ = ["Dropout"]


class Dropout(StatefulModule):
    """In training zero each element with probability `p` and scale the others by 1 / (1 - p).

    Draws come from `pg.random`'s global generator and advance, also under jit.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Dropout(p=0.5).eval()(pg.ones((2,))).numpy()
    array([1., 1.], dtype=float32)
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ModuleError(f"Dropout: p must be between 0 and 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
