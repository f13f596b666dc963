"""``jax.scipy.stats.norm``: the normal distribution with a mean and a standard deviation.

>>> from pg_jax.scipy.stats import norm
>>> norm.cdf(0.0)
Array(0.5, dtype=float32, weak_type=True)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pequegrad as pg

from ..._array import Array, make
from ..._lift import Tensor, promote_inexact
from ..._missing import missing


def _standardized(name: str, f: Callable[[Tensor, Tensor], Tensor], doc: str) -> Callable[..., Array]:
    """f of (x - loc) / scale, and scale."""

    def apply(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
        (t, m, s), _, weak = promote_inexact(name, x, loc, scale)
        return make(f((t - m) / s, s), weak)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return apply


def _quantile(name: str, f: Callable[[Tensor], Tensor], doc: str) -> Callable[..., Array]:
    def apply(q: Any, loc: Any = 0, scale: Any = 1) -> Array:
        (t, m, s), _, weak = promote_inexact(name, q, loc, scale)
        return make(f(t) * s + m, weak)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return apply


def _log_density(z: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * (z * z + math.log(2 * math.pi)) - pg.log(scale)


logpdf = _standardized("norm.logpdf", _log_density, "The logarithm of the density.")
pdf = _standardized("norm.pdf", lambda z, s: pg.exp(_log_density(z, s)), "The density.")
cdf = _standardized("norm.cdf", lambda z, _: pg.ndtr(z), "The probability of what is below x.")
logcdf = _standardized("norm.logcdf", lambda z, _: pg.log_ndtr(z), "The logarithm of ``cdf``.")
sf = _standardized("norm.sf", lambda z, _: pg.ndtr(-z), "The probability of what is above x.")
logsf = _standardized("norm.logsf", lambda z, _: pg.log_ndtr(-z), "The logarithm of ``sf``.")
ppf = _quantile("norm.ppf", pg.ndtri, "Below which a share q lies.")
isf = _quantile("norm.isf", lambda q: pg.ndtri(1 - q), "Above which a share q lies.")


def __getattr__(name: str) -> Any:
    raise missing("scipy.stats.norm", name)
