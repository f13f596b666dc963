"""The losses as modules, for code that passes a criterion around."""

from __future__ import annotations

from pequegrad import Tensor

from .. import losses
from ..module import StatefulModule

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(StatefulModule):
    """`pg_nn.cross_entropy` with fixed settings.

    >>> import pequegrad as pg, pg_nn as nn
    >>> round(nn.CrossEntropyLoss()(pg.zeros((1, 2)), pg.Tensor([1])).item(), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(
            logits, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class MSELoss(StatefulModule):
    """`pg_nn.mse_loss` with a fixed reduction.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.MSELoss()(pg.ones((2,)), pg.zeros((2,))).item()
    1.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return losses.mse_loss(prediction, target, self.reduction)


class BCEWithLogitsLoss(StatefulModule):
    """`pg_nn.binary_cross_entropy_with_logits` with fixed settings.

    >>> import pequegrad as pg, pg_nn as nn
    >>> round(nn.BCEWithLogitsLoss()(pg.zeros((1,)), pg.ones((1,))).item(), 4)
    0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return losses.binary_cross_entropy_with_logits(
            logits, target, self.weight, self.reduction, self.pos_weight
        )
