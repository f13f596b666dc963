"""LayerNorm and BatchNorm2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import ShapeError

from .. import functional as F
from ..module import StatefulModule

__all__ = ["BatchNorm2d", "LayerNorm"]


class LayerNorm(StatefulModule):
    """Normalise over the last axes, whose sizes are `normalized_shape`, then scale and shift.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.LayerNorm(4)(pg.ones((2, 4))).numpy()[0]
    array([0., 0., 0., 0.], dtype=float32)
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = pg.dt.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        if elementwise_affine:
            self.register_parameter("weight", pg.ones(self.normalized_shape, dtype=dtype).eval())
            if bias:
                self.register_parameter("bias", pg.zeros(self.normalized_shape, dtype=dtype).eval())

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class BatchNorm2d(StatefulModule):
    """Normalise each channel of (N, C, H, W): by the batch in training, by running statistics in evaluation.

    `momentum=None` keeps the plain average over all batches.

    >>> import pequegrad as pg, pg_nn as nn
    >>> norm = nn.BatchNorm2d(1)
    >>> _ = norm(10 * pg.ones((2, 1, 2, 2)))
    >>> norm.running_mean.numpy(), norm.num_batches_tracked.item()
    (array([1.], dtype=float32), 1)
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = pg.dt.float32,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        ones = pg.ones((num_features,), dtype=dtype).eval()
        zeros = pg.zeros((num_features,), dtype=dtype).eval()
        self.register_parameter("weight", ones if affine else None)
        self.register_parameter("bias", zeros if affine else None)
        if track_running_stats:
            self.register_buffer("running_mean", pg.zeros((num_features,), dtype=dtype).eval())
            self.register_buffer("running_var", pg.ones((num_features,), dtype=dtype).eval())
            self.register_buffer("num_batches_tracked", pg.zeros((), dtype=pg.dt.int64).eval())
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm2d: the input must have shape (N, {self.num_features}, H, W), got {tuple(x.shape)}"
            )
        mean, variance, count = self.running_mean, self.running_var, self.num_batches_tracked
        training = self.training
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if training and count is not None:
            count.assign(count + 1)
            if self.momentum is None:
                momentum = 1.0 / count.astype(pg.dt.float32)
        by_batch = training or mean is None
        return F.batch_norm(x, mean, variance, self.weight, self.bias, by_batch, momentum, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )
