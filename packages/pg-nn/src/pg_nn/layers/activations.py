"""ReLU, GELU, SiLU, Tanh, Sigmoid: the functions of the same names, as modules."""

from __future__ import annotations

from pequegrad import Tensor

from .. import functional as F
from ..module import StatefulModule

__all__ = ["GELU", "ReLU", "SiLU", "Sigmoid", "Tanh"]


class ReLU(StatefulModule):
    """The positive part.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.ReLU()(pg.Tensor([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class GELU(StatefulModule):
    """x times the normal distribution function of x, exactly or by the formula with tanh.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.GELU(approximate="tanh")(pg.zeros((2,))).numpy()
    array([0., 0.], dtype=float32)
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(StatefulModule):
    """x times its sigmoid.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.SiLU()(pg.zeros((2,))).numpy()
    array([0., 0.], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)


class Tanh(StatefulModule):
    """Hyperbolic tangent.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Tanh()(pg.zeros((2,))).numpy()
    array([0., 0.], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.tanh(x)


class Sigmoid(StatefulModule):
    """1 / (1 + exp(-x)).

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.Sigmoid()(pg.zeros((2,))).numpy()
    array([0.5, 0.5], dtype=float32)
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x)
