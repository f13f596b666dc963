"""Special functions: normal probabilities, the gamma family, Bessel functions, entropies.

Integers become float32. What is a polynomial or a series here is evaluated in float64 and rounded once.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

from .. import dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError
from .common import TensorLike, cast, elementwise, fill, float_unary, iota, to_float
from .complex import real
from .elementwise import abs as _abs
from .elementwise import maximum, minimum
from .logic import where
from .maths import copysign, erfinv, exp, exp2, log, log1p, sigmoid, sin, sqrt, tan
from .reduce import sum as _sum
from .shape import expand_dims

# ---- normal probabilities


def ndtr(x: TensorLike) -> Tensor:
    """The probability that a standard normal number is below each element.

    >>> pg.ndtr(pg.Tensor([0.0, 40.0])).tolist()
    [0.5, 1.0]
    """
    return float_unary("ndtr", x)


_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _wide(x: Tensor) -> Tensor:
    """Halves as float32: a formula of several steps is rounded once, and its parts do not overflow."""
    return cast(x, dt.float32) if x.dtype.itemsize == 2 else x


def log_ndtr(x: TensorLike) -> Tensor:
    """The logarithm of ``ndtr``; far below zero by its asymptotic series, where ``ndtr`` itself underflows.

    >>> pg.log_ndtr(pg.Tensor([-40.0])).round(2).tolist()
    [-804.6099853515625]
    """
    given = to_float(x)
    x = _wide(given)
    bound = -20.0 if x.dtype is dt.float64 else -10.0
    far = where(x < bound, x, bound)
    inverse = 1.0 / (far * far)
    series = fill(0.0, x)
    for k in range(9, 0, -1):  # 1 - 1/x^2 (1 - 3/x^2 (1 - 5/x^2 (...)))
        series = (1.0 + series) * (-(2.0 * k - 1.0)) * inverse
    lower = -0.5 * far * far - log(-far) - _HALF_LOG_2PI + log1p(series)
    middle = log(ndtr(where((x < bound) | (x > 0), -1.0, x)))
    upper = log1p(-ndtr(where(x > 0, -x, -1.0)))
    return cast(where(x < bound, lower, where(x > 0, upper, middle)), given.dtype)


# ndtri(p) / r over log(r), r = sqrt(-2 log p) in 1.9 .. 39: Chebyshev coefficients, centre and half width.
_QUANTILE = (
    0.8659008053492365, 0.20442952673349102, -0.10106243581960889, 0.03532471422771995,
    -0.009173938195495715, 0.0018060809653129947, -0.0002668436993003467, 2.810919234309367e-05,
    -1.964379847947333e-06, 1.7391487921322553e-07, -5.7064345960064076e-08, 1.2972349007162252e-08,
    -2.949968394895828e-10, -6.251747506224534e-10, 1.3746419757317805e-10, 1.2874249666445532e-11,
    -1.18614120090381e-11, 1.5471720421684599e-12, 5.22010848077112e-13, -2.1896640562486072e-13,
    6.283018182071157e-15, 1.5124364323122156e-14, -3.5411668318390037e-15, -4.504191590074192e-16,
    3.656990184121505e-16, -3.7335280941576044e-17, -2.1618478543305824e-17, 7.221281808943075e-18,
)  # fmt: skip
_QUANTILE_CENTRE, _QUANTILE_WIDTH = 2.1527077661510206, 1.5108538799786258


def _chebyshev(t: Tensor, coefficients: Sequence[float]) -> Tensor:
    """The sum of c_k T_k(t), by Clenshaw's recurrence."""
    last, before = fill(0.0, t), fill(0.0, t)
    for c in reversed(coefficients[1:]):
        last, before = 2.0 * t * last - before + c, last
    return t * last - before + coefficients[0]


def _in_float64(f: Callable[[Tensor], Tensor], x: TensorLike) -> Tensor:
    x = to_float(x)
    return cast(f(cast(x, dt.float64)), x.dtype)


def ndtri(p: TensorLike) -> Tensor:
    """The number below which a standard normal lies with the given probability: the inverse of ``ndtr``.

    >>> pg.ndtri(pg.Tensor([0.5, 0.0])).tolist()
    [0.0, -inf]
    """

    def quantile(p: Tensor) -> Tensor:
        low = minimum(p, 1.0 - p)
        tail = low < math.exp(-0.5 * 1.9**2)
        r = sqrt(-2.0 * log(where(tail & (low > 0), low, 0.01)))
        far = r * _chebyshev((log(r) - _QUANTILE_CENTRE) / _QUANTILE_WIDTH, _QUANTILE)
        far = where(low > 0, far, where(low == 0, math.inf, math.nan))
        near = math.sqrt(2) * erfinv(where(tail, 0.0, 2.0 * p - 1.0))
        return where(tail, where(p < 0.5, -far, far), near)

    return _in_float64(quantile, p)


# ---- the gamma family


def lgamma(x: TensorLike) -> Tensor:
    """The logarithm of the absolute value of the gamma function (``gammaln``).

    >>> pg.lgamma(pg.Tensor([1.0, 5.0])).numpy().round(4)
    array([0.    , 3.1781], dtype=float32)
    """
    return float_unary("lgamma", x)


def digamma(x: TensorLike) -> Tensor:
    """The derivative of ``lgamma``; NaN at the negative integers, as torch's (also called ``psi``).

    >>> pg.digamma(pg.Tensor([1.0])).numpy().round(4)
    array([-0.5772], dtype=float32)
    """
    return float_unary("digamma", x)


def zeta(s: TensorLike, q: TensorLike = 1.0) -> Tensor:
    """Hurwitz' zeta function, the sum of ``(q + k) ** -s`` over k = 0, 1, ...; with q = 1 Riemann's.

    NaN for s < 1 or q < 0. It has a derivative by q; by s it raises.

    >>> pg.zeta(pg.Tensor([2.0])).numpy().round(4)
    array([1.6449], dtype=float32)
    """
    if not any(isinstance(v, Tensor) and v.dtype.kind == "f" for v in (s, q)):
        s = to_float(s)
    return elementwise("zeta", s, q)


def polygamma(n: int, x: TensorLike) -> Tensor:
    """The derivative of order n of ``digamma``, n a Python integer; below zero by reflection.

    >>> pg.polygamma(1, pg.Tensor([1.0])).numpy().round(4)
    array([1.6449], dtype=float32)
    """
    try:
        order = operator.index(n)
    except TypeError:
        raise ArgumentError(f"polygamma: the order is a Python integer, got {type(n).__name__}") from None
    if not 0 <= order <= 100:
        raise InvalidValueError(f"polygamma: the order is between 0 and 100, got {order}")
    if order == 0:
        return digamma(x)
    sign = 1.0 if order % 2 else -1.0

    def derivative(x: Tensor) -> Tensor:
        mirrored = x < 0
        above = where(mirrored, 1.0 - x, x)
        value = math.factorial(order) * zeta(fill(order + 1.0, x), above)
        below = where(mirrored, x, -0.5)
        cotangent = 1.0 / tan(math.pi * (below - below.round()))
        # pi cot(pi x) differentiated n times is a polynomial of the cotangent.
        powers = [0.0, math.pi]
        for _ in range(order):
            slope = [k * c for k, c in enumerate(powers)][1:]
            powers = [0.0] * (len(powers) + 1)
            for k, c in enumerate(slope):
                powers[k] -= math.pi * c
                powers[k + 2] -= math.pi * c
        reflected = fill(powers[-1], x)
        for c in reversed(powers[:-1]):
            reflected = reflected * cotangent + c
        return where(mirrored, -value - reflected, sign * value)

    return _in_float64(derivative, x)


def betaln(a: TensorLike, b: TensorLike) -> Tensor:
    """The logarithm of the beta function, ``lgamma(a) + lgamma(b) - lgamma(a + b)``.

    >>> pg.betaln(pg.Tensor([1.0]), 2.0).numpy().round(4)
    array([-0.6931], dtype=float32)
    """
    a, b = to_float(a), to_float(b)
    kind = (a + b).dtype
    a, b = cast(a, dt.float64), cast(b, dt.float64)
    return cast(lgamma(a) + lgamma(b) - lgamma(a + b), kind)


def multigammaln(a: TensorLike, d: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension d, for a > (d - 1) / 2.

    >>> pg.multigammaln(pg.Tensor([3.0]), 1).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    size = operator.index(d)
    if size < 1:
        raise InvalidValueError(f"multigammaln: the dimension is at least 1, got {size}")
    if size > 1000:
        raise InvalidValueError(f"multigammaln: is a sum of {size} terms, more than 1000")

    def total(a: Tensor) -> Tensor:
        steps = 0.5 * cast(iota((size,), 0, dt.int64, a.device.pair), a.dtype)
        return _sum(lgamma(expand_dims(a, -1) - steps), -1) + 0.25 * size * (size - 1) * math.log(math.pi)

    return _in_float64(total, a)


# ---- modified Bessel functions of the first kind: e^-|x| I(x) by Chebyshev polynomials of |x| / 4 - 1 up to
# 8, and of 16 / |x| - 1 beyond, there without the factor 1 / sqrt|x|.

_I0_NEAR = (
    0.33839763720473803, -0.3046826723431984, 0.17162090152220877, -0.09490109704804764, 0.04930528423967071,
    -0.02373741480589947, 0.010546460394594998, -0.004324309995050576, 0.0016394756169413357,
    -0.0005763755745385824, 0.00018850288509584165, -5.754195010082104e-05, 1.6448448070728896e-05,
    -4.4167383584587505e-06, 1.1173875391201037e-06, -2.670793853940612e-07, 6.046995022541919e-08,
    -1.300025009986248e-08, 2.6598237246823866e-09, -5.189795601635263e-10, 9.675809035373237e-11,
    -1.7268262914415555e-11, 2.95505266312964e-12, -4.856446783111915e-13, 7.676185498603463e-14,
    -1.1685332877849838e-14, 1.7153912841895778e-15, -2.4312797200684995e-16, 3.330783115560841e-17,
)  # fmt: skip
_I0_FAR = (
    0.4022452055070544, 0.0033691164782556943, 6.889758346916825e-05, 2.8913705208347567e-06,
    2.0489185894690638e-07, 2.266668990498178e-08, 3.396232025708386e-09, 4.940602388224974e-10,
    1.1889147107846069e-11, -3.149916527963373e-11, -1.3215811840444411e-11, -1.7941785315052209e-12,
    7.180124451217564e-13, 3.8527783828690237e-13, 1.540086223622408e-14, -4.150569359939181e-14,
    -9.554846849041664e-15, 3.8116814243351245e-15, 1.77256012037355e-15, -3.4255224890000575e-16,
    -2.8275912723664775e-16, 3.4628248226046367e-17,
)  # fmt: skip
_I1_NEAR = (  # divided by x
    0.12629359322181682, -0.17641651835783406, 0.1026436586898471, -0.05294598120809499,
    0.024726449030626516, -0.010564084894626197, 0.004156422944312888, -0.0015135724506312532,
    0.0005122859561685758, -0.00016176081582589674, 4.781565107550054e-05, -1.3273163656039436e-05,
    3.4702513081376785e-06, -8.568720264695455e-07, 2.0032947535521353e-07, -4.445059128796328e-08,
    9.381537386495773e-09, -1.8872497517228294e-09, 3.625590281552117e-10, -6.663489723502027e-11,
    1.1736186298890901e-11, -1.9839743977649436e-12, 3.223793365945575e-13, -5.042185504727903e-14,
    7.60068429473453e-15, -1.105596947726588e-15, 1.5536319568739943e-16, -2.111421131979944e-17,
)  # fmt: skip
_I1_FAR = (
    0.38928811750914005, -0.009761097491361469, -0.00011058893876262371, -3.882564808877691e-06,
    -2.512236237870209e-07, -2.6314688468895196e-08, -3.835380385964237e-09, -5.589743462196588e-10,
    -1.8974958123505018e-11, 3.252603583015619e-11, 1.4125807436610371e-11, 2.035628544145659e-12,
    -7.198551776076825e-13, -4.083551111229825e-13, -2.101541848889319e-14, 4.272440029894204e-14,
    1.0420277129407892e-14, -3.814403848436759e-15, -1.8803547176404084e-15, 3.3082398311004077e-16,
    2.962593388506307e-16, -3.211138763845076e-17,
)  # fmt: skip


def _scaled_bessel(x: Tensor, near: Sequence[float], far: Sequence[float], odd: bool) -> Tensor:
    size = _abs(x)
    small = where(size <= 8.0, size, 8.0)
    large = where(size <= 8.0, 8.0, size)  # NaN, too
    central = _chebyshev(small * 0.25 - 1.0, near)
    outer = _chebyshev(16.0 / large - 1.0, far) / sqrt(large)
    if odd:
        inner = where(size <= 8.0, x, 0.0)
        return where(size <= 8.0, central * inner, copysign(outer, x))
    return where(size <= 8.0, central, outer)


def i0e(x: TensorLike) -> Tensor:
    """``exp(-abs(x)) * i0(x)``, which does not overflow.

    >>> pg.i0e(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return _in_float64(lambda v: _scaled_bessel(v, _I0_NEAR, _I0_FAR, False), x)


def i0(x: TensorLike) -> Tensor:
    """The modified Bessel function of the first kind, order 0.

    >>> pg.i0(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return _in_float64(lambda v: exp(_abs(v)) * _scaled_bessel(v, _I0_NEAR, _I0_FAR, False), x)


def i1e(x: TensorLike) -> Tensor:
    """``exp(-abs(x)) * i1(x)``, which does not overflow.

    >>> pg.i1e(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return _in_float64(lambda v: _scaled_bessel(v, _I1_NEAR, _I1_FAR, True), x)


def i1(x: TensorLike) -> Tensor:
    """The modified Bessel function of the first kind, order 1.

    >>> pg.i1(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return _in_float64(lambda v: exp(_abs(v)) * _scaled_bessel(v, _I1_NEAR, _I1_FAR, True), x)


# ---- sines, logits, entropies


def sinc(x: TensorLike) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0, with all its derivatives there.

    >>> pg.sinc(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    given = to_float(x)
    x = _wide(given)
    near = _abs(x) < 0.5
    s = where(near, x, 0.0) * math.pi
    s = s * s
    series = fill(0.0, x)
    for k in range(11, -1, -1):
        series = series * s + (-1.0) ** k / math.factorial(2 * k + 1)
    far = where(near, 1.0, x)
    whole = real(far).round()
    sign = 1.0 - 2.0 * abs(whole - 2.0 * (whole * 0.5).round())
    # The distance to the nearest integer is exact, so that the zeros are zeros.
    made = where(near, series, sign * sin(math.pi * (far - whole)) / (math.pi * far))
    return cast(made, given.dtype)


def expit(x: TensorLike) -> Tensor:
    """The logistic function: another name of ``sigmoid``.

    >>> pg.expit(pg.Tensor([0.0])).tolist()
    [0.5]
    """
    return sigmoid(x)


def logit(x: TensorLike) -> Tensor:
    """``log(x / (1 - x))``, the inverse of ``sigmoid``.

    >>> pg.logit(pg.Tensor([0.5, 1.0])).tolist()
    [0.0, inf]
    """
    given = to_float(x)
    x = _wide(given)
    middle = (x > 0.25) & (x < 0.75)
    inside = where(middle, x, 0.5)
    near = log1p((2.0 * inside - 1.0) / (1.0 - inside))
    outside = where(middle, 0.1, x)
    return cast(where(middle, near, log(outside) - log1p(-outside)), given.dtype)


def xlogy(x: TensorLike, y: TensorLike) -> Tensor:
    """``x * log(y)``, and 0 where x is 0 and y is no NaN.

    >>> pg.xlogy(pg.Tensor([0.0, 2.0]), pg.Tensor([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    return _times_log(log, x, y, 0.0)


def xlog1py(x: TensorLike, y: TensorLike) -> Tensor:
    """``x * log1p(y)``, and 0 where x is 0 and y is no NaN.

    >>> pg.xlog1py(pg.Tensor([0.0]), pg.Tensor([-1.0])).tolist()
    [0.0]
    """
    return _times_log(log1p, x, y, -1.0)


def _times_log(f: Callable[[Tensor], Tensor], x: TensorLike, y: TensorLike, bound: float) -> Tensor:
    x, y = to_float(x), to_float(y)
    # Where the logarithm is finite the product is right by itself, and so is its derivative by x.
    zero = (x == 0) & ((y <= bound) | (y == math.inf))
    return where(zero, 0.0, x * f(where(zero, 1.0, y)))


def entr(x: TensorLike) -> Tensor:
    """``-x * log(x)``; 0 at 0, -inf below.

    >>> pg.entr(pg.Tensor([0.0, 1.0, -1.0])).tolist()
    [0.0, -0.0, -inf]
    """
    x = to_float(x)
    inside = where(x > 0, x, 1.0)
    at_zero = sqrt(where(x == 0, x, 1.0))  # 0 with the derivative inf
    return where(x > 0, -inside * log(inside), where(x == 0, at_zero, where(x < 0, -math.inf, math.nan)))


def rel_entr(x: TensorLike, y: TensorLike) -> Tensor:
    """``x * log(x / y)``; 0 where x is 0 and y is not negative, else inf outside the positive numbers.

    >>> pg.rel_entr(pg.Tensor([0.0, 1.0]), pg.Tensor([1.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    x, y = to_float(x), to_float(y)
    inside = (x > 0) & (y > 0)
    value = where(inside, x, 1.0) * (log(where(inside, x, 1.0)) - log(where(inside, y, 1.0)))
    outside = where((x == 0) & (y >= 0), 0.0, math.inf)
    return where(inside, value, where((x != x) | (y != y), math.nan, outside))


def kl_div(x: TensorLike, y: TensorLike) -> Tensor:
    """``x * log(x / y) - x + y``, elementwise; infinite where ``rel_entr`` is.

    >>> pg.kl_div(pg.Tensor([1.0]), pg.Tensor([1.0])).tolist()
    [0.0]
    """
    x, y = to_float(x), to_float(y)
    kind = (x + y).dtype
    x, y = cast(x, dt.float64), cast(y, dt.float64)
    return cast(rel_entr(x, y) - x + y, kind)


def logaddexp2(x: TensorLike, y: TensorLike) -> Tensor:
    """``log2(2**x + 2**y)`` without overflow.

    >>> pg.logaddexp2(pg.Tensor([1.0]), 1.0).tolist()
    [2.0]
    """
    x, y = to_float(x), to_float(y)
    same_infinity = (x == y) & (_abs(x) == math.inf)
    gap = where(same_infinity, 0.0, _abs(x - y))
    return where(same_infinity, x, maximum(x, y) + log1p(exp2(-gap)) * math.log2(math.e))


gammaln, psi = lgamma, digamma
