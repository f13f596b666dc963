"""Losses of classification."""

from __future__ import annotations

from typing import Any, Literal

import pequegrad as pg
from pequegrad import Tensor

from .registry import op

How = Literal["none", "sum", "mean"]


def _loss(scores: Tensor, labels: Tensor, weights: Tensor | None, ignored: int | None, how: str) -> Tensor:
    """The negative score of each label, weighted by its class; those of ``ignored`` do not count."""
    index = labels.astype(pg.int64)
    counted: Any = None
    if ignored is not None:
        counted = index != ignored
        index = pg.where(counted, index, 0)
    picked = -pg.squeeze(pg.gather(scores, 1, pg.expand_dims(index, 1)), 1)
    share = pg.ones_like(picked) if weights is None else pg.take(weights, index, 0)
    if counted is not None:
        share = pg.where(counted, share, 0.0).astype(picked.dtype)
        picked = pg.where(counted, picked, 0.0).astype(picked.dtype)
    loss = picked * share
    if how == "none":
        return loss
    total = pg.sum(loss)
    return total if how == "sum" else total / pg.sum(share)


@op("NegativeLogLikelihoodLoss", 12, 13, 22)
def negative_log_likelihood(
    x: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    *,
    ignore_index: int | None = None,
    reduction: How = "mean",
) -> Tensor:
    return _loss(x, labels, weights, ignore_index, reduction)


@op("SoftmaxCrossEntropyLoss", 12, 13)
def softmax_cross_entropy(
    x: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    *,
    ignore_index: int | None = None,
    reduction: How = "mean",
) -> tuple[Tensor, Tensor]:
    scores = pg.log_softmax(x, 1)
    return _loss(scores, labels, weights, ignore_index, reduction), scores
