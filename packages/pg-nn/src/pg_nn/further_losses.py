"""Losses beyond the commonest: distances, likelihoods, margins and sequences, with torch's names and
meanings."""

from __future__ import annotations

import math

import pequegrad as pg
from pequegrad import Tensor
from pequegrad.errors import InvalidValueError, ShapeError

from .losses import _by_index, _check_reduction, _check_same_shape, _reduce, _softplus

__all__ = [
    "binary_cross_entropy",
    "cosine_embedding_loss",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


def _gap(what: str, prediction: Tensor, target: Tensor, reduction: str) -> Tensor:
    _check_reduction(what, reduction)
    _check_same_shape(what, prediction, target)
    return prediction - target


def l1_loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute difference.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.l1_loss(pg.Tensor([1.0, 2.0]), pg.Tensor([1.0, 4.0])).item()
    1.0
    """
    return _reduce(pg.abs(_gap("l1_loss", prediction, target, reduction)), reduction)


def huber_loss(prediction: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared difference, going on as a line beyond ``delta`` (P. Huber 1964).

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.huber_loss(pg.Tensor([0.0, 0.0]), pg.Tensor([1.0, 3.0])).item()
    1.5
    """
    if not delta > 0:
        raise InvalidValueError(f"huber_loss: delta must be above 0, got {delta}")
    size = pg.abs(_gap("huber_loss", prediction, target, reduction))
    return _reduce(pg.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta)), reduction)


def smooth_l1_loss(prediction: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """``huber_loss`` divided by ``beta``; for beta 0 the absolute difference.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.smooth_l1_loss(pg.Tensor([0.0]), pg.Tensor([3.0])).item()
    2.5
    """
    if beta < 0:
        raise InvalidValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(prediction, target, reduction)
    size = pg.abs(_gap("smooth_l1_loss", prediction, target, reduction))
    return _reduce(pg.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta), reduction)


# ---- likelihoods


def nll_loss(
    log_probs: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative of the log-probability of each target class; log_probs are (N, C, ...) or (C,), targets
    class indices without that axis. ``weight`` (C,) weighs classes, targets equal to ``ignore_index`` do
    not count.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.nll_loss(pg.Tensor([[-1.0, -2.0], [-3.0, -4.0]]), pg.Tensor([0, 1])).item()
    2.5
    """
    _check_reduction("nll_loss", reduction)
    if log_probs.ndim == 0:
        raise ShapeError(
            "nll_loss: log-probabilities must have shape (N, C, ...) or (C,), got a single number"
        )
    axis = min(1, log_probs.ndim - 1)
    return _by_index(log_probs, target, weight, None, axis, ignore_index, reduction, 0.0)


def binary_cross_entropy(
    probs: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Cross entropy of probabilities with targets in [0, 1]; logarithms are not below -100.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> round(F.binary_cross_entropy(pg.Tensor([0.5]), pg.Tensor([1.0])).item(), 4)
    0.6931
    """
    _check_reduction("binary_cross_entropy", reduction)
    _check_same_shape("binary_cross_entropy", probs, target)

    def logarithm(p: Tensor) -> Tensor:
        positive = p > 0
        return pg.where(positive, pg.maximum(pg.log(pg.where(positive, p, 1.0)), -100.0), -100.0)

    loss = -(target * logarithm(probs) + (1.0 - target) * logarithm(1.0 - probs))
    return _reduce(loss if weight is None else loss * weight, reduction)


def kl_div(log_probs: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """``target * (log(target) - log_probs)``, the terms of the divergence of Kullback and Leibler; the mean
    is over all elements, or over the first axis with "batchmean".

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.kl_div(pg.log(pg.Tensor([[0.5, 0.5]])), pg.Tensor([[0.5, 0.5]]), reduction="batchmean").item()
    0.0
    """
    batch = reduction == "batchmean"
    _check_reduction("kl_div", "sum" if batch else reduction)
    _check_same_shape("kl_div", log_probs, target)
    loss = (
        pg.exp(target) * (target - log_probs) if log_target else pg.xlogy(target, target) - target * log_probs
    )
    return loss.sum() / max(loss.shape[0], 1) if batch else _reduce(loss, reduction)


def poisson_nll_loss(
    prediction: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts, given (the logarithm of) their means; ``full`` adds Stirling's
    approximation of ``log(target!)`` for targets above 1.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.poisson_nll_loss(pg.Tensor([0.0]), pg.Tensor([2.0])).item()
    1.0
    """
    _check_reduction("poisson_nll_loss", reduction)
    _check_same_shape("poisson_nll_loss", prediction, target)
    if log_input:
        loss = pg.exp(prediction) - target * prediction
    else:
        loss = prediction - target * pg.log(prediction + eps)
    if full:
        large = target > 1
        safe = pg.where(large, target, 2.0)
        loss = loss + pg.where(large, safe * pg.log(safe) - safe + 0.5 * pg.log(2 * math.pi * safe), 0.0)
    return _reduce(loss, reduction)


def gaussian_nll_loss(
    mean: Tensor,
    target: Tensor,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of targets with given means and variances, which count as at least ``eps``
    (that has no derivative); ``full`` adds the constant.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.gaussian_nll_loss(pg.Tensor([0.0]), pg.Tensor([2.0]), pg.Tensor([1.0])).item()
    2.0
    """
    gap = _gap("gaussian_nll_loss", mean, target, reduction)
    if var.shape != gap.shape and var.shape == gap.shape[:-1]:
        var = pg.expand_dims(var, -1)
    safe = var + pg.stop_gradient(pg.maximum(var, eps) - var)
    loss = 0.5 * (pg.log(safe) + gap * gap / safe)
    return _reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# ---- margins


def hinge_embedding_loss(x: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where the target is 1, and ``max(0, margin - x)`` where it is -1.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.hinge_embedding_loss(pg.Tensor([0.5, 0.5]), pg.Tensor([1.0, -1.0])).item()
    0.5
    """
    _check_reduction("hinge_embedding_loss", reduction)
    alike = pg.where(target == 1, x, 0.0)
    apart = pg.where(target == -1, pg.relu(margin - x), 0.0)
    return _reduce(alike + apart, reduction)


def margin_ranking_loss(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """``max(0, margin - target * (x1 - x2))`` for targets 1 (x1 ranks higher) and -1.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> F.margin_ranking_loss(pg.Tensor([1.0]), pg.Tensor([3.0]), pg.Tensor([1.0])).item()
    2.0
    """
    _check_reduction("margin_ranking_loss", reduction)
    return _reduce(pg.relu(margin - target * (x1 - x2)), reduction)


def soft_margin_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * x))`` for targets 1 and -1.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> round(F.soft_margin_loss(pg.Tensor([0.0]), pg.Tensor([1.0])).item(), 4)
    0.6931
    """
    _check_reduction("soft_margin_loss", reduction)
    _check_same_shape("soft_margin_loss", x, target)
    return _reduce(_softplus(-target * x), reduction)


def multilabel_soft_margin_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes, the last axis, of the binary cross entropy of sigmoid(x).

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> round(F.multilabel_soft_margin_loss(pg.zeros((1, 2)), pg.ones((1, 2))).item(), 4)
    0.6931
    """
    _check_reduction("multilabel_soft_margin_loss", reduction)
    _check_same_shape("multilabel_soft_margin_loss", x, target)
    loss = (1.0 - target) * x + _softplus(-x)
    return _reduce((loss if weight is None else loss * weight).mean(axis=-1), reduction)


def cosine_embedding_loss(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """``1 - cos`` of the angle between the rows where the target is 1, ``max(0, cos - margin)`` where it is
    -1.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> x = pg.Tensor([[1.0, 0.0]])
    >>> round(F.cosine_embedding_loss(x, x, pg.Tensor([-1.0])).item(), 4)
    1.0
    """
    _check_reduction("cosine_embedding_loss", reduction)
    eps = 1e-12
    by = pg.sqrt(((x1 * x1).sum(axis=-1) + eps) * ((x2 * x2).sum(axis=-1) + eps))
    cosine = (x1 * x2).sum(axis=-1) / by
    alike = pg.where(target == 1, 1.0 - cosine, 0.0)
    return _reduce(alike + pg.where(target == -1, pg.relu(cosine - margin), 0.0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, margin + |anchor - positive| - |anchor - negative|)`` in the p-norm of rows; with ``swap`` the
    negative's smaller distance to the two others counts.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> x = pg.zeros((1, 2))
    >>> F.triplet_margin_loss(x, x, x).item()
    1.0
    """
    _check_reduction("triplet_margin_loss", reduction)
    near = pg.pairwise_distance(anchor, positive, p, eps)
    far = pg.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = pg.minimum(far, pg.pairwise_distance(positive, negative, p, eps))
    return _reduce(pg.relu(margin + near - far), reduction)


# ---- sequences


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The negative log-likelihood of label sequences under all alignments (A. Graves et al. 2006,
    "Connectionist temporal classification").

    Args:
        log_probs: (T, N, C) of each step; lengths of sequences in ``input_lengths`` (N,).
        targets: (N, S) labels without blanks, padded; their lengths in ``target_lengths`` (N,).
        reduction: "mean" divides each loss by the length of its target first.
        zero_infinity: losses of targets that do not fit into their sequence count as 0.

    >>> import pequegrad as pg, pg_nn.functional as F
    >>> log_probs = pg.log_softmax(pg.zeros((2, 1, 2)), -1)
    >>> loss = F.ctc_loss(log_probs, pg.Tensor([[1]]), pg.Tensor([2]), pg.Tensor([1]))
    >>> round(pg.exp(-loss).item(), 4)
    0.75
    """
    _check_reduction("ctc_loss", reduction)
    if log_probs.ndim != 3 or targets.ndim != 2 or targets.shape[0] != log_probs.shape[1]:
        raise ShapeError(
            f"ctc_loss: needs log-probabilities (T, N, C) and targets (N, S), got {log_probs.shape} and "
            f"{targets.shape}"
        )
    if log_probs.shape[0] == 0:
        raise ShapeError("ctc_loss: there are no steps")
    n, s = targets.shape
    # Labels with blanks between them, before and behind; a blank may be left out between different labels.
    padded = (
        pg.pad_general(targets, blank, [(0, 0, 0), (1, 1, 1)]) if s else pg.full((n, 1), blank, dtype="int64")
    )
    two_back = pg.pad(padded, ((0, 0), (2, 0)), constant_values=blank)[:, : padded.shape[1]]
    may_skip = (padded != blank) & (padded != two_back)
    never = -1e30 if log_probs.dtype != pg.float16 else -6e4
    scores = pg.take_along_axis(log_probs, pg.expand_dims(padded, 0), axis=-1)
    place = pg.arange(padded.shape[1])
    alpha = pg.where(place < 2, scores[0], never)

    def moved(alpha: Tensor, by: int) -> Tensor:
        return pg.pad(alpha, ((0, 0), (by, 0)), constant_values=never)[:, : alpha.shape[1]]

    def step(alpha: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        score, t = given
        reached = pg.logaddexp(alpha, moved(alpha, 1))
        reached = pg.logaddexp(reached, pg.where(may_skip, moved(alpha, 2), never))
        going = pg.expand_dims(t < input_lengths, 1)
        return pg.where(going, pg.maximum(reached + score, never), alpha), None

    steps = pg.arange(1, log_probs.shape[0])
    alpha, _ = pg.scan(step, alpha, (scores[1:], steps))
    ends = pg.expand_dims(2 * target_lengths, 1)
    last = pg.take_along_axis(alpha, ends, axis=1)
    before = pg.take_along_axis(alpha, pg.maximum(ends - 1, 0), axis=1)
    before = pg.where(ends > 0, before, never)
    loss = -pg.logaddexp(last, before)[:, 0]
    possible = loss < -0.5 * never
    loss = pg.where(possible, loss, 0.0 if zero_infinity else math.inf)
    if reduction == "mean":
        return (loss / pg.maximum(target_lengths, 1)).mean()
    return _reduce(loss, reduction)
