"""``jax.scipy.special``: special functions of floats; integers become floats.

>>> import pg_jax.numpy as jnp
>>> from pg_jax.scipy import special
>>> special.logsumexp(jnp.zeros(1)), special.xlogy(0.0, 0.0)
(Array(0., dtype=float32), Array(0., dtype=float32, weak_type=True))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pequegrad as pg

from .._array import Array, make
from .._lift import Tensor, promote_inexact
from .._missing import missing
from .._primitives import elementwise as prims
from ..nn import log_softmax as log_softmax
from ..nn import logsumexp as logsumexp
from ..nn import softmax as softmax


def _special(name: str, f: Callable[..., Tensor], doc: str) -> Callable[..., Array]:
    def apply(*operands: Any) -> Array:
        tensors, _, weak = promote_inexact(name, *operands)
        return make(f(*tensors), weak)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return apply


beta = _special("beta", lambda a, b: pg.exp(pg.betaln(a, b)), "The beta function of positive numbers.")
betainc = _special("betainc", pg.betainc, "The incomplete beta function, regularized.")
betaln = _special("betaln", pg.betaln, "The logarithm of the beta function.")
digamma = _special("digamma", prims.digamma, "The derivative of ``gammaln``.")
entr = _special("entr", pg.entr, "``-x log(x)``.")
erf = _special("erf", prims.erf, "The error function.")
erfc = _special("erfc", prims.erfc, "``1 - erf(x)``.")
erfinv = _special("erfinv", prims.erf_inv, "The inverse of the error function.")
expit = _special("expit", prims.logistic, "``1 / (1 + exp(-x))``.")
gamma = _special("gamma", pg.gamma, "The gamma function.")
gammainc = _special("gammainc", pg.gammainc, "The lower incomplete gamma function, regularized.")
gammaincc = _special("gammaincc", pg.gammaincc, "The upper incomplete gamma function, regularized.")
gammaln = _special("gammaln", prims.lgamma, "The logarithm of the gamma function's magnitude.")
i0 = _special("i0", pg.i0, "The modified Bessel function of order 0.")
i0e = _special("i0e", pg.i0e, "``i0`` times ``exp(-abs(x))``.")
i1 = _special("i1", pg.i1, "The modified Bessel function of order 1.")
i1e = _special("i1e", pg.i1e, "``i1`` times ``exp(-abs(x))``.")
kl_div = _special("kl_div", pg.kl_div, "``x log(x / y) - x + y``.")
log_ndtr = _special("log_ndtr", pg.log_ndtr, "The logarithm of ``ndtr``.")
logit = _special("logit", pg.logit, "``log(x / (1 - x))``.")
ndtr = _special("ndtr", pg.ndtr, "The normal distribution function.")
ndtri = _special("ndtri", pg.ndtri, "The inverse of ``ndtr``.")
rel_entr = _special("rel_entr", pg.rel_entr, "``x log(x / y)``.")
xlog1py = _special("xlog1py", pg.xlog1py, "``x log1p(y)``, 0 where x is 0.")
xlogy = _special("xlogy", pg.xlogy, "``x log(y)``, 0 where x is 0.")
zeta = _special("zeta", pg.zeta, "The Hurwitz zeta function.")


def __getattr__(name: str) -> Any:
    raise missing("scipy.special", name)
