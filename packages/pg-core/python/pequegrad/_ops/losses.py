"""Losses as means over all examples. The full family, with torch's options, is in pg_nn."""

from __future__ import annotations

from .._core import Tensor
from ..errors import ShapeError
from .common import TensorLike, elementwise, to_float
from .elementwise import softplus
from .normalization import log_softmax
from .reduce import _reduce


def cross_entropy_loss_probs(logits: TensorLike, probs: TensorLike) -> Tensor:
    """The mean over examples of the cross entropy between class scores and target probabilities; classes
    lie along axis 1.

    >>> round(pg.cross_entropy_loss_probs(pg.zeros((1, 2)), pg.Tensor([[1.0, 0.0]])).item(), 4)
    0.6931
    """
    logits, probs = to_float(logits), to_float(probs)
    if logits.shape != probs.shape or logits.ndim == 0:
        raise ShapeError(
            f"cross_entropy_loss_probs: scores of shape {logits.shape} need target probabilities of the "
            "same shape, got "
            f"{probs.shape}; for class indices write "
            f"Tensor.one_hot({logits.shape[-1] if logits.ndim else 'n'}, y)"
        )
    axis = 1 if logits.ndim > 1 else 0
    examples = logits.size // max(logits.shape[axis], 1)
    return -_reduce("reduce_sum", probs * log_softmax(logits, axis), None, False) / float(max(examples, 1))


def binary_cross_entropy_with_logits(logits: TensorLike, targets: TensorLike) -> Tensor:
    """The mean binary cross entropy of scores, without overflow.

    >>> round(pg.binary_cross_entropy_with_logits(pg.zeros(2), pg.ones(2)).item(), 4)
    0.6931
    """
    logits, targets = to_float(logits), to_float(targets)
    losses = softplus(logits) - logits * targets
    return _reduce("reduce_sum", losses, None, False) / float(max(losses.size, 1))


def mse_loss(x: TensorLike, y: TensorLike) -> Tensor:
    """The mean of squared differences.

    >>> pg.mse_loss(pg.Tensor([1.0, 3.0]), pg.Tensor([1.0, 1.0])).item()
    2.0
    """
    gap = elementwise("sub", to_float(x), to_float(y))
    return _reduce("reduce_sum", gap * gap, None, False) / float(max(gap.size, 1))
