"""Losses with torch's meanings."""

from __future__ import annotations

import math

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import DTypeError, InvalidValueError, ShapeError

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of logits (N, C, ...) or (C,) with class indices (N, ...) or probabilities (N, C, ...).

    Integer targets are indices, floating targets probabilities. `weight` has one entry per class; with
    indices the mean is weighted by it, and targets equal to `ignore_index` are left out.

    >>> import pequegrad as pg, pg_nn as nn
    >>> logits = pg.Tensor([[0.0, 0.0], [0.0, 0.0]])
    >>> round(nn.cross_entropy(logits, pg.Tensor([0, 1])).item(), 4)
    0.6931
    """
    _check_reduction("cross_entropy", reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise InvalidValueError(
            f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}"
        )
    if logits.ndim == 0:
        raise ShapeError("cross_entropy: logits must have shape (N, C, ...) or (C,), got a single number")
    axis = 0 if logits.ndim == 1 else 1
    classes = logits.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(f"cross_entropy: weight must have shape ({classes},), got {tuple(weight.shape)}")
    log_p = pg.log_softmax(logits, axis=axis)
    per_class = None if weight is None else weight.reshape((classes,) + (1,) * (logits.ndim - axis - 1))
    if target.dtype.is_floating:
        return _by_probability(log_p, target, per_class, axis, reduction, label_smoothing)
    if not target.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy: target must be class indices or probabilities, got dtype {target.dtype}"
        )
    return _by_index(log_p, target, weight, per_class, axis, ignore_index, reduction, label_smoothing)


def _by_probability(
    log_p: Tensor, target: Tensor, per_class: Tensor | None, axis: int, reduction: str, label_smoothing: float
) -> Tensor:
    if tuple(target.shape) != tuple(log_p.shape):
        raise ShapeError(
            f"cross_entropy: probabilities must have the shape of the logits {tuple(log_p.shape)}, "
            f"got {tuple(target.shape)}"
        )
    classes = log_p.shape[axis]
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
    terms = log_p * target
    loss = -(terms if per_class is None else terms * per_class).sum(axis=axis)
    if reduction == "mean":
        return loss.sum() / math.prod(loss.shape)
    return loss.sum() if reduction == "sum" else loss


def _by_index(
    log_p: Tensor,
    target: Tensor,
    weight: Tensor | None,
    per_class: Tensor | None,
    axis: int,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    expected = tuple(n for i, n in enumerate(log_p.shape) if i != axis)
    if tuple(target.shape) != expected:
        raise ShapeError(
            f"cross_entropy: logits of shape {tuple(log_p.shape)} need class indices of shape {expected}, "
            f"got {tuple(target.shape)}"
        )
    counted = target != ignore_index
    # An index outside of the classes still reaches the look-up, which raises.
    index = pg.where(counted, target, 0)
    chosen = pg.take_along_axis(log_p, pg.expand_dims(index, axis), axis=axis)
    row_weight = counted.astype(log_p.dtype) if weight is None else pg.where(counted, weight[index], 0.0)
    loss = -pg.where(counted, chosen.reshape(expected), 0.0)
    if weight is not None:
        loss = loss * row_weight
    if label_smoothing:
        spread = -(log_p if per_class is None else log_p * per_class).sum(axis=axis)
        spread = pg.where(counted, spread, 0.0)
        loss = (1.0 - label_smoothing) * loss + (label_smoothing / log_p.shape[axis]) * spread
    if reduction == "mean":
        return loss.sum() / row_weight.sum()
    return loss.sum() if reduction == "sum" else loss


def mse_loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared difference. Both sides must have one shape: broadcasting here is nearly always a mistake.

    >>> import pequegrad as pg, pg_nn as nn
    >>> nn.mse_loss(pg.Tensor([1.0, 2.0]), pg.Tensor([1.0, 4.0])).item()
    2.0
    """
    _check_reduction("mse_loss", reduction)
    _check_same_shape("mse_loss", prediction, target)
    difference = prediction - target
    return _reduce(difference * difference, reduction)


def binary_cross_entropy_with_logits(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of sigmoid(logits) with targets in [0, 1], computed without overflow.

    >>> import pequegrad as pg, pg_nn as nn
    >>> round(nn.binary_cross_entropy_with_logits(pg.Tensor([0.0]), pg.Tensor([1.0])).item(), 4)
    0.6931
    """
    _check_reduction("binary_cross_entropy_with_logits", reduction)
    _check_same_shape("binary_cross_entropy_with_logits", logits, target)
    softplus_minus = _softplus(-logits)
    if pos_weight is None:
        loss = (1.0 - target) * logits + softplus_minus
    else:
        loss = (1.0 - target) * logits + (1.0 + (pos_weight - 1.0) * target) * softplus_minus
    return _reduce(loss if weight is None else loss * weight, reduction)


def _softplus(x: Tensor) -> Tensor:
    # Written with selections, because the derivatives of maximum and abs at 0 would not add up to 1/2.
    positive = x >= 0
    return pg.where(positive, x, 0.0) + pg.log1p(pg.exp(pg.where(positive, -x, x)))


def _check_reduction(what: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise InvalidValueError(f'{what}: reduction must be "mean", "sum" or "none", got {reduction!r}')


def _check_same_shape(what: str, a: Tensor, b: Tensor) -> None:
    if tuple(a.shape) != tuple(b.shape):
        raise ShapeError(f"{what}: shapes differ: {tuple(a.shape)} and {tuple(b.shape)}; reshape one of them")


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss
