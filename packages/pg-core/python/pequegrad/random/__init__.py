"""Random numbers: counter-based (Threefry-2x32), the same bits as JAX's with its partitionable layout.

With explicit keys every function is pure. Without a key it takes the next draw of the calling thread's
generator: draw n uses ``fold_in(key(seed), n)``. The count is a tensor, so that inside ``pg.jit`` it is a
hidden input and output: draws advance.

>>> import pequegrad as pg
>>> key = pg.random.key(0)
>>> pg.random.bits(key, (2,)).tolist()
[4070199207, 4202968722]
"""

from .._ops.keys import fold_in, key, split
from .basic import (
    Generator,
    bernoulli,
    bits,
    default,
    get_state,
    manual_seed,
    normal,
    permutation,
    rand,
    randint,
    randn,
    set_state,
    uniform,
)
from .distributions import (
    categorical,
    cauchy,
    choice,
    exponential,
    geometric,
    gumbel,
    laplace,
    logistic,
    lognormal,
    pareto,
    rademacher,
    rayleigh,
    triangular,
    truncated_normal,
    weibull_min,
)
from .rejection import beta, binomial, chisquare, dirichlet, f, gamma, loggamma, poisson, t
from .vectors import (
    ball,
    double_sided_maxwell,
    generalized_normal,
    maxwell,
    multinomial,
    multivariate_normal,
    orthogonal,
    wald,
)
