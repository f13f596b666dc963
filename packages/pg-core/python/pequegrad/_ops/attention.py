"""Scaled dot-product attention (Vaswani et al. 2017), with masks and grouped heads."""

from __future__ import annotations

import math

from .. import dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, cast, iota, reshape_to, stated, to_float
from .linalg import matmul
from .logic import where
from .normalization import exp_below_maximum, softmax
from .reduce import _reduce
from .shape import broadcast_shapes


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    mask: TensorLike | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    dropout_key: TensorLike | None = None,
) -> Tensor:
    """``softmax(query @ key.T * scale) @ value`` over the last two axes: [..., L, E], [..., S, E] and
    [..., S, D] give [..., L, D].

    ``scale`` is ``1 / sqrt(E)`` unless given. A boolean ``mask`` [..., L, S] says who may be seen, a floating
    one is added to the scores; with ``is_causal`` query i sees keys 0 to i. A query that sees no key gets
    zeros, and no gradient. Keys and values may have fewer heads (third axis from the end): each then serves
    a group of neighbouring query heads. ``dropout_p`` of the weights are set to zero and the others scaled
    up, by ``dropout_key`` or the global generator.

    >>> q = pg.ones((1, 2, 4))
    >>> pg.scaled_dot_product_attention(q, q, pg.Tensor([[[1.0], [3.0]]]), is_causal=True).tolist()
    [[[1.0], [2.0]]]
    """
    what = "scaled_dot_product_attention"
    q, k, v = to_float(query), to_float(key), to_float(value)
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{what}: needs [..., L, E], [..., S, E] and [..., S, D], got {q.shape}, {k.shape} and {v.shape}"
        )
    if mask is not None and is_causal:
        raise ArgumentError(f"{what}: give a mask or is_causal, not both")
    if not 0.0 <= dropout_p < 1.0:
        raise InvalidValueError(f"{what}: dropout_p must be at least 0 and below 1, got {dropout_p}")
    heads = q.shape[-3] if q.ndim > 2 else 1
    groups = heads // k.shape[-3] if min(k.ndim, v.ndim, q.ndim) > 2 and k.shape[-3] else 1
    lead = q.shape[:-1]
    if groups > 1:
        if k.shape[-3] != v.shape[-3] or heads % k.shape[-3]:
            raise ShapeError(
                f"{what}: {heads} query heads do not share {k.shape[-3]} key and {v.shape[-3]} value heads"
            )
        q = _grouped(q, groups)
        k, v = (reshape_to(t, (*t.shape[:-2], 1, *t.shape[-2:])) for t in (k, v))
    scores = matmul(q, k.swapaxes(-1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    masked = mask is not None or is_causal
    if is_causal:
        shape, device = scores.shape[-2:], scores.device.pair
        seen = iota(shape, 0, dt.int64, device) >= iota(shape, 1, dt.int64, device)
        scores = where(seen, scores, -math.inf)
    elif mask is not None:
        m = as_tensor(mask)
        wanted = (*lead, k.shape[-2])
        try:
            fits = broadcast_shapes(m.shape, wanted) == wanted
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(f"{what}: a mask of shape {m.shape} does not broadcast to {wanted}")
        if groups > 1 and m.ndim > 2:
            m = _grouped(m, groups) if m.shape[-3] != 1 else reshape_to(m, (*m.shape[:-2], 1, *m.shape[-2:]))
        if m.dtype.is_bool:
            scores = where(m, scores, -math.inf)
        elif m.dtype.kind == "f":
            scores = scores + cast(m, scores.dtype)
        else:
            raise dt.DTypeError(f"{what}: a mask is boolean or floating, got {m.dtype}")
    weights = _softmax_or_zero(scores) if masked else softmax(scores, -1)
    if dropout_p:
        from .. import random

        keep = random.bernoulli(dropout_key, p=1.0 - dropout_p, shape=weights.shape)
        weights = where(keep, weights * (1.0 / (1.0 - dropout_p)), 0.0)
    made = matmul(weights, v)
    return reshape_to(made, (*lead, v.shape[-1])) if groups > 1 else made


def _grouped(x: Tensor, groups: int) -> Tensor:
    """Heads cut into those that share a key head, and which of them it is."""
    return reshape_to(x, (*x.shape[:-3], x.shape[-3] // groups, groups, *x.shape[-2:]))


def _softmax_or_zero(scores: Tensor) -> Tensor:
    """The softmax over the last axis; zeros where every score is -inf."""
    axes = (scores.ndim - 1,)
    e = exp_below_maximum(scores, axes)
    total = _reduce("reduce_sum", e, axes, True)
    return stated("softmax", e / where(total == 0, 1.0, total), scores, axes=axes)
