"""``pg_jax.nn``: activations and other functions of neural networks."""

from typing import Any as _Any

from .._missing import missing as _missing
from ._functions import (
    celu,
    dot_product_attention,
    elu,
    gelu,
    glu,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log1mexp,
    log_sigmoid,
    log_softmax,
    logmeanexp,
    logsumexp,
    mish,
    one_hot,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_sign,
    softmax,
    softplus,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    standardize,
    tanh,
)

from . import initializers  # isort: skip

swish, hard_swish = silu, hard_silu
identity = initializers.identity
__all__ = sorted(name for name in globals() if not name.startswith("_"))


def __getattr__(name: str) -> _Any:
    raise _missing("nn", name)
