"""``pg_jax.random``: counter-based random numbers, bit for bit those of ``jax.random`` (Threefry).

The bits of the rejection samplers (gamma and what is made of it, Poisson, binomial) are pequegrad's own.
"""

from typing import Any as _Any

from .._missing import missing as _missing
from ._distributions import (
    ball,
    bernoulli,
    beta,
    binomial,
    bits,
    categorical,
    cauchy,
    chisquare,
    choice,
    dirichlet,
    double_sided_maxwell,
    exponential,
    f,
    gamma,
    generalized_normal,
    geometric,
    gumbel,
    laplace,
    loggamma,
    logistic,
    lognormal,
    maxwell,
    multivariate_normal,
    normal,
    orthogonal,
    pareto,
    permutation,
    poisson,
    rademacher,
    randint,
    rayleigh,
    t,
    triangular,
    truncated_normal,
    uniform,
    wald,
    weibull_min,
)
from ._keys import (
    PRNGKey,
    clone,
    fold_in,
    key,
    key_data,
    key_impl,
    split,
    wrap_key_data,
)

__all__ = sorted(name for name in globals() if not name.startswith("_"))


def __getattr__(name: str) -> _Any:
    raise _missing("random", name)
