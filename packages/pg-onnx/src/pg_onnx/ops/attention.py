"""Attention, and the rotations that tell it positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from ..errors import InvalidModelError
from .registry import op


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, length, heads * size] as [batch, heads, length, size]."""
    if heads < 1 or x.shape[2] % heads:
        raise InvalidModelError(f"{x.shape[2]} columns do not divide into {heads} heads")
    parts = pg.reshape(x, (x.shape[0], x.shape[1], heads, x.shape[2] // heads))
    return pg.permute(parts, (0, 2, 1, 3))


def _visible(
    queries: int, keys: int, offset: Any, causal: bool, left: int, right: int, lengths: Tensor | None
) -> Any:
    """Where query i, at position ``offset + i``, may see key j; None where everywhere."""
    position: Any = np.arange(queries)[:, None]
    key: Any = np.arange(keys)[None, :]
    if isinstance(offset, Tensor):
        position = pg.reshape(offset, (-1, 1, 1, 1)) + pg.Tensor(position)
        key = pg.Tensor(key)
    else:
        position = position + offset
    found: list[Any] = []
    if causal:
        found.append(key <= position)
    if left >= 0:
        found.append(key >= position - left)
    if right >= 0:
        found.append(key <= position + right)
    tests = [pg.Tensor(test) if isinstance(test, np.ndarray) else test for test in found]
    if lengths is not None:
        tests.append(pg.Tensor(np.arange(keys)[None, None, None]) < pg.reshape(lengths, (-1, 1, 1, 1)))
    made = None
    for test in tests:
        made = test if made is None else pg.logical_and(made, test)
    return made


@op("Attention", 23, 24, 25)
def attention(
    call: Any,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    lengths: Tensor | None = None,
    *,
    is_causal: bool = False,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: DType | None = None,
) -> tuple[Tensor, ...]:
    flat = q.ndim == 3
    if flat:
        if q_num_heads is None or kv_num_heads is None:
            raise InvalidModelError("inputs of three axes need q_num_heads and kv_num_heads")
        q, k, v = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    offset: Any = 0
    if past_key is not None and past_value is not None:
        offset = past_key.shape[2]
        k, v = pg.concatenate([past_key, k], 2), pg.concatenate([past_value, v], 2)
    present = (k, v)
    if lengths is not None:
        offset = lengths - q.shape[2]
    if k.shape[1] < 1 or q.shape[1] % k.shape[1]:
        raise InvalidModelError(f"{q.shape[1]} heads of queries for {k.shape[1]} of keys")
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = pg.repeat(k, groups, 1), pg.repeat(v, groups, 1)
    visible = _visible(
        q.shape[2], k.shape[2], offset, is_causal, left_window_size, right_window_size, lengths
    )
    root = math.sqrt(scale if scale is not None else 1 / math.sqrt(q.shape[3]))
    scores = pg.matmul(q * root, pg.matrix_transpose(k * root))
    shown = [scores]
    if softcap > 0:
        scores = softcap * pg.tanh(scores / softcap)
    shown.append(scores)
    if mask is not None:
        scores = _masked(scores, _as_long(mask, k.shape[2]))
    if visible is not None:
        scores = pg.where(visible, scores, -math.inf)
    shown.append(scores)
    wide = scores if softmax_precision is None else scores.astype(softmax_precision)
    weights = _softmax_or_zero(wide).astype(q.dtype)
    shown.append(weights)
    made = pg.matmul(weights, v)
    if flat:
        made = pg.permute(made, (0, 2, 1, 3))
        made = pg.reshape(made, (*made.shape[:2], made.shape[2] * made.shape[3]))
    return made, *present, shown[qk_matmul_output_mode]


def _as_long(mask: Tensor, keys: int) -> Tensor:
    """A mask for fewer keys sees none of the others."""
    short = keys - mask.shape[-1]
    if short <= 0:
        return mask
    filler = False if mask.dtype.is_bool else -math.inf
    return pg.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, short)], constant_values=filler)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    return pg.where(mask, scores, -math.inf) if mask.dtype.is_bool else scores + mask


def _softmax_or_zero(scores: Tensor) -> Tensor:
    """Softmax along the last axis; zeros where a query sees nothing."""
    blind = pg.all(scores == -math.inf, axis=-1, keepdims=True)
    return pg.where(blind, 0.0, pg.softmax(pg.where(blind, 0.0, scores), -1)).astype(scores.dtype)


@op("RotaryEmbedding", 23)
def rotary_embedding(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    positions: Tensor | None = None,
    *,
    interleaved: bool = False,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Tensor:
    """Pairs of features turned by an angle that grows with the position (Su et al. 2021)."""
    shape = x.shape
    if x.ndim == 4:
        rows = pg.permute(x, (0, 2, 1, 3))
    else:
        if num_heads < 1:
            raise InvalidModelError("an input of three axes needs num_heads")
        rows = pg.reshape(x, (*shape[:2], num_heads, shape[2] // num_heads))
    size = rotary_embedding_dim or rows.shape[3]
    turned, rest = rows[..., :size], rows[..., size:]
    if positions is not None:
        cos, sin = pg.take(cos, positions, 0), pg.take(sin, positions, 0)
    c, s = pg.expand_dims(cos, 2), pg.expand_dims(sin, 2)
    a, b = (
        (turned[..., 0::2], turned[..., 1::2])
        if interleaved
        else (turned[..., : size // 2], turned[..., size // 2 :])
    )
    real, imaginary = c * a - s * b, s * a + c * b
    if interleaved:
        made = pg.reshape(pg.stack([real, imaginary], -1), turned.shape)
    else:
        made = pg.concatenate([real, imaginary], -1)
    made = pg.concatenate([made, rest], -1)
    return pg.permute(made, (0, 2, 1, 3)) if x.ndim == 4 else pg.reshape(made, shape)
