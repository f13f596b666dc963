"""Initial values of parameters: torch's formulas, drawn from `pg.random`'s global generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

__all__ = ["kaiming_uniform", "normal", "uniform"]


def uniform(shape: Sequence[int], bound: float, dtype: Any = pg.dt.float32) -> Tensor:
    """Uniform between -bound and bound.

    >>> import pg_nn as nn
    >>> bool((abs(nn.initializers.uniform((100,), 0.5)) <= 0.5).all())
    True
    """
    return pg.random.uniform(shape=tuple(shape), dtype=dtype, minval=-bound, maxval=bound).eval()


def normal(shape: Sequence[int], std: float = 1.0, dtype: Any = pg.dt.float32) -> Tensor:
    """Normal with mean 0 and the given standard deviation.

    >>> import pg_nn as nn
    >>> nn.initializers.normal((2, 3)).shape
    (2, 3)
    """
    draw = pg.random.normal(shape=tuple(shape), dtype=dtype)
    return (draw if std == 1.0 else draw * std).eval()


def kaiming_uniform(shape: Sequence[int], fan_in: int, dtype: Any = pg.dt.float32) -> Tensor:
    """Uniform within 1 / sqrt(fan_in), torch's default for linear and convolution weights and biases.

    (torch writes it as kaiming_uniform with a = sqrt(5), whose gain is 1/sqrt(3).) A fan of zero gives zeros.

    >>> import pg_nn as nn
    >>> bool((abs(nn.initializers.kaiming_uniform((8, 4), fan_in=4)) <= 0.5).all())
    True
    """
    return uniform(shape, 1.0 / math.sqrt(fan_in) if fan_in > 0 else 0.0, dtype)
