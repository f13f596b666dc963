"""The normal distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import numpy as jnp
from ..._array import Array
from ..._missing import missing
from .. import special


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """The logarithm of the density.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.logpdf(0.0)
    Array(-0.9189385, dtype=float32, weak_type=True)
    """
    d = jnp.subtract(x, loc) / scale
    return -0.5 * (d * d) - jnp.log(scale) - 0.5 * np.log(2 * np.pi).item()


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """The density.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.pdf(0.0).shape
    ()
    """
    return jnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """The distribution function.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.cdf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return special.ndtr(jnp.true_divide(jnp.subtract(x, loc), scale))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """The logarithm of the distribution function.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.logcdf(0.0).shape
    ()
    """
    return special.log_ndtr(jnp.true_divide(jnp.subtract(x, loc), scale))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """One less the distribution function.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.sf(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return cdf(jnp.negative(x), jnp.negative(loc), scale)


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """The logarithm of ``sf``.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.logsf(0.0).shape
    ()
    """
    return logcdf(jnp.negative(x), jnp.negative(loc), scale)


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """Quantiles.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.ppf(0.5)
    Array(0., dtype=float32, weak_type=True)
    """
    return special.ndtri(q) * scale + loc


def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Array:
    """Quantiles from above.

    >>> from pg_jax.scipy.stats import norm
    >>> norm.isf(0.5).shape
    ()
    """
    return ppf(jnp.subtract(1, q), loc, scale)


def __getattr__(name: str) -> Any:
    raise missing("scipy.stats.norm", name)
