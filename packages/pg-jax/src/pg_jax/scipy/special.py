"""``jax.scipy.special``."""

from __future__ import annotations

from typing import Any

import pequegrad as pg

from .. import numpy as jnp
from .._array import Array
from .._missing import missing
from .._primitives import elementwise as prims
from ..nn import log_softmax as log_softmax
from ..nn import logsumexp as logsumexp
from ..nn import softmax as softmax
from ..numpy._through import through
from ..numpy._unary import floating

expit = floating("expit", prims.logistic, "``1 / (1 + exp(-x))``.")
logit = floating("logit", pg.logit, "The inverse of ``expit``.")
erf = floating("erf", prims.erf, "The error function.")
erfc = floating("erfc", prims.erfc, "``1 - erf(x)``.")
erfinv = floating("erfinv", prims.erf_inv, "The inverse of the error function.")
gammaln = floating("gammaln", prims.lgamma, "The logarithm of the gamma function's magnitude.")
digamma = floating("digamma", prims.digamma, "The derivative of ``gammaln``.")
entr = floating("entr", pg.entr, "``-x log(x)``.")
i0 = floating("i0", pg.i0, "The modified Bessel function of order 0.")
i0e = floating("i0e", pg.i0e, "``exp(-|x|) i0(x)``.")
i1 = floating("i1", pg.i1, "The modified Bessel function of order 1.")
i1e = floating("i1e", pg.i1e, "``exp(-|x|) i1(x)``.")
ndtr = floating("ndtr", pg.ndtr, "The normal distribution function.")
ndtri = floating("ndtri", pg.ndtri, "The quantiles of the normal distribution.")
log_ndtr = floating("log_ndtr", pg.log_ndtr, "The logarithm of ``ndtr``.")
xlogy = through("xlogy", "``x log(y)``, 0 where x is 0.", 2, floating=True, weak=True)
xlog1py = through("xlog1py", "``x log(1 + y)``, 0 where x is 0.", 2, floating=True, weak=True)
betaln = through("betaln", "The logarithm of the beta function's magnitude.", 2, floating=True, weak=True)
zeta = through("zeta", "The Hurwitz zeta function.", 2, floating=True, weak=True)
kl_div = through("kl_div", "``x log(x / y) - x + y``.", 2, floating=True, weak=True)
rel_entr = through("rel_entr", "``x log(x / y)``.", 2, floating=True, weak=True)


def gamma(x: Any) -> Array:
    """The gamma function.

    >>> from pg_jax.scipy import special
    >>> float(special.gamma(1.0))
    1.0
    """
    a = jnp.asarray(x)
    negative = jnp.where(jnp.floor(a) % 2 == 0, 1.0, -1.0)
    return jnp.where(a > 0, 1.0, negative) * jnp.exp(gammaln(a))


def factorial(n: Any, exact: bool = False) -> Array:
    """``n!`` in floats.

    >>> from pg_jax.scipy import special
    >>> round(float(special.factorial(4)))
    24
    """
    if exact:
        raise NotImplementedError("factorial with exact=True is not implemented")
    a = jnp.asarray(n)
    return jnp.where(a < 0, 0.0, jnp.exp(gammaln(a + 1)))


def multigammaln(a: Any, d: int) -> Array:
    """The logarithm of the multivariate gamma function.

    >>> from pg_jax.scipy import special
    >>> special.multigammaln(3.0, 1).shape
    ()
    """
    x = jnp.asarray(a)
    total = jnp.sum(gammaln(jnp.expand_dims(x, -1) - jnp.arange(d) / 2.0), axis=-1)
    return total + d * (d - 1) / 4.0 * jnp.log(jnp.pi)


def __getattr__(name: str) -> Any:
    raise missing("scipy.special", name)
