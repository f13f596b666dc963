"""Layers that carry a state along a sequence: linear attention and causal convolution."""

from __future__ import annotations

import math
from typing import Literal

import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError
from .registry import op


def _split(x: Tensor, heads: int) -> Tensor:
    """[batch, steps, heads * size] as [steps, batch, heads, size]."""
    if heads < 1 or x.shape[2] % heads:
        raise InvalidModelError(f"{x.shape[2]} columns do not divide into {heads} heads")
    return pg.permute(pg.reshape(x, (*x.shape[:2], heads, x.shape[2] // heads)), (1, 0, 2, 3))


@op("LinearAttention", 27)
def linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    past: Tensor | None = None,
    decay: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    chunk_size: int = 64,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: Literal["linear", "gated", "delta", "gated_delta"] = "gated_delta",
) -> tuple[Tensor, Tensor]:
    """A state [key, value] for each head: it fades, is corrected by the delta rule, and is read by
    queries.
    """
    kind = q.dtype
    wide = pg.float32 if kind.itemsize == 2 else kind
    queries, keys, values = _split(q, q_num_heads), _split(k, kv_num_heads), _split(v, kv_num_heads)
    size, groups = queries.shape[3], q_num_heads // kv_num_heads
    factor = scale or 1 / math.sqrt(size)
    state = pg.zeros((q.shape[0], kv_num_heads, size, values.shape[3]), dtype=wide)
    if past is not None:
        state = past.astype(wide)
    rows: list[Tensor] = [queries, keys, values]
    fades, corrects = "gated" in update_rule, "delta" in update_rule
    if fades:
        if decay is None:
            raise InvalidModelError(f"update_rule {update_rule} needs decay")
        rows.append(_split(decay, kv_num_heads))
    if corrects:
        if beta is None:
            raise InvalidModelError(f"update_rule {update_rule} needs beta")
        rows.append(
            _split(beta, kv_num_heads) if beta.shape[2] != 1 else pg.expand_dims(pg.swapaxes(beta, 0, 1), 3)
        )

    def step(carry: Tensor, now: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        parts = [part.astype(wide) for part in now]
        query, key, value = parts[:3]
        if fades:
            carry = carry * pg.exp(pg.expand_dims(parts[3], 3))
        if corrects:
            known = pg.squeeze(pg.matmul(pg.expand_dims(key, 2), carry), 2)
            value = parts[-1] * (value - known)
        carry = carry + pg.expand_dims(key, 3) * pg.expand_dims(value, 2)
        read = pg.repeat(carry, groups, 1) if groups > 1 else carry
        return carry, factor * pg.squeeze(pg.matmul(pg.expand_dims(query, 2), read), 2)

    last, outputs = pg.scan(step, state, tuple(rows))
    made = pg.permute(outputs, (1, 0, 2, 3))
    made = pg.reshape(made, (*made.shape[:2], made.shape[2] * made.shape[3])).astype(kind)
    return made, last.astype(past.dtype if past is not None else kind)


@op("CausalConvWithState", 27)
def causal_conv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    past: Tensor | None = None,
    *,
    activation: Literal["none", "silu", "swish"] = "none",
) -> tuple[Tensor, Tensor]:
    """A convolution of each channel with what came before; the last elements are handed on."""
    before = w.shape[2] - 1
    if past is None:
        past = pg.zeros((*x.shape[:2], before), dtype=x.dtype)
    joined = pg.concatenate([past, x], 2)
    made = pg.conv1d(joined, w, None, groups=x.shape[1])
    if b is not None:
        made = made + pg.reshape(b, (1, -1, 1))
    if activation != "none":
        made = made * pg.sigmoid(made)
    return made, joined[:, :, joined.shape[2] - before :]
