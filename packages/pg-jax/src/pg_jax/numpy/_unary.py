"""Functions of one array, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import Tensor, cast, lift, promote_inexact
from .._operators import _explain
from .._primitives import elementwise as prims

Unary = Callable[[Any], Array]


def floating(name: str, f: Callable[[Tensor], Tensor], doc: str, weak: bool = True) -> Unary:
    """A function whose operand is at least floating."""

    def apply(x: Any, /) -> Array:
        if type(x) is Array and x._t.dtype.is_inexact:
            try:
                return make(f(x._t), x._w and weak)
            except pg.TraceError as error:
                raise _explain(name, error, x, x) from None
        (t,), _, is_weak = promote_inexact(name, x)
        return make(f(t), is_weak and weak)

    return named(apply, name, doc)


def keeping(name: str, f: Callable[[Tensor], Tensor], doc: str, refuse: str = "") -> Unary:
    """A function that keeps the dtype; of a kind in ``refuse`` it raises."""

    def apply(x: Any, /) -> Array:
        a = lift(x, name)
        if (a._t.dtype is pg.bool_ and "b" in refuse) or (a._t.dtype.is_inexact and "f" in refuse):
            raise TypeError(f"{name} does not accept dtype {a._t.dtype.name}.")
        return make(f(a._t), a._w)

    return named(apply, name, doc)


def testing(name: str, f: Callable[[Tensor], Tensor], doc: str) -> Unary:
    """A function that answers bools."""

    def apply(x: Any, /) -> Array:
        return make(f(lift(x, name)._t))

    return named(apply, name, doc)


def named(f: Any, name: str, doc: str) -> Any:
    """A function with a name and a document."""
    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"{doc}\n\nThe function of NumPy with this name; see ``pg_jax.compat()`` for what is left out."
    )
    return f


def _floats_only(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda t: f(t) if t.dtype.is_inexact else t


def abs_of(t: Tensor) -> Tensor:
    """The magnitude, whose derivative at 0 is 1 as JAX has it."""
    if t.dtype.is_complex or not t.dtype.is_inexact:
        return t if t.dtype is pg.bool_ or t.dtype.kind == "u" else pg.abs(t)
    return t * pg.where(pg.signbit(t), -1.0, 1.0).astype(t.dtype)


sin = floating("sin", prims.sin, "The sine.")
cos = floating("cos", prims.cos, "The cosine.")
tan = floating("tan", prims.tan, "The tangent.")
arcsin = asin = floating("arcsin", prims.asin, "The inverse sine.")
arccos = acos = floating("arccos", prims.acos, "The inverse cosine.")
arctan = atan = floating("arctan", prims.atan, "The inverse tangent.")
sinh = floating("sinh", prims.sinh, "The hyperbolic sine.")
cosh = floating("cosh", prims.cosh, "The hyperbolic cosine.")
tanh = floating("tanh", prims.tanh, "The hyperbolic tangent.")
arcsinh = asinh = floating("arcsinh", prims.asinh, "The inverse hyperbolic sine.")
arccosh = acosh = floating("arccosh", prims.acosh, "The inverse hyperbolic cosine.")
arctanh = atanh = floating("arctanh", prims.atanh, "The inverse hyperbolic tangent.")
exp = floating("exp", prims.exp, "The exponential.")
exp2 = floating("exp2", prims.exp2, "Two to the power of x.")
expm1 = floating("expm1", prims.expm1, "``exp(x) - 1`` without loss near 0.")
log = floating("log", prims.log, "The natural logarithm.")
log2 = floating("log2", pg.log2, "The logarithm of base 2.")
log10 = floating("log10", pg.log10, "The logarithm of base 10.")
log1p = floating("log1p", prims.log1p, "``log(1 + x)`` without loss near 0.")
sqrt = floating("sqrt", prims.sqrt, "The square root.")
cbrt = floating("cbrt", prims.cbrt, "The cube root.")
reciprocal = floating("reciprocal", lambda t: 1.0 / t, "One over x.")
fabs = floating("fabs", abs_of, "The magnitude of floats.")
rint = floating("rint", pg.round, "The nearest integer; halves go to the even one.")
i0 = floating("i0", pg.i0, "The modified Bessel function of order 0.")
sinc = floating("sinc", pg.sinc, "``sin(pi x) / (pi x)``.", weak=False)
deg2rad = radians = floating("deg2rad", pg.deg2rad, "Degrees as radians.", weak=False)
rad2deg = degrees = floating("rad2deg", pg.rad2deg, "Radians as degrees.", weak=False)

floor = keeping("floor", _floats_only(prims.floor), "The next integer below.")
ceil = keeping("ceil", _floats_only(prims.ceil), "The next integer above.")
trunc = keeping("trunc", _floats_only(pg.trunc), "The integer part.")
fix = trunc
negative = keeping("negative", prims.neg, "``-x``.", "b")
positive = keeping("positive", lambda t: t, "x.")
sign = keeping("sign", prims.sign, "-1, 0 or 1.", "b")
absolute = abs = keeping("absolute", abs_of, "The magnitude.")
bitwise_not = invert = bitwise_invert = keeping(
    "bitwise_not", lambda t: pg.logical_not(t) if t.dtype is pg.bool_ else ~t, "All bits turned.", "f"
)

isnan = keeping("isnan", pg.isnan, "Whether a number is NaN.")
isinf = testing("isinf", pg.isinf, "Whether a number is infinite.")
isfinite = testing("isfinite", pg.isfinite, "Whether a number is neither infinite nor NaN.")
isposinf = testing("isposinf", pg.isposinf, "Whether a number is positive infinity.")
isneginf = testing("isneginf", pg.isneginf, "Whether a number is negative infinity.")
signbit = testing(
    "signbit", lambda t: pg.signbit(t) if t.dtype.is_inexact else t < 0, "Whether the sign is minus."
)
logical_not = testing("logical_not", pg.logical_not, "Whether x is zero.")
isreal = testing("isreal", lambda t: pg.isreal(t), "Whether the imaginary part is zero.")
iscomplex = testing("iscomplex", lambda t: pg.iscomplex(t), "Whether the imaginary part is not zero.")


def square(x: Any, /) -> Array:
    """``x * x``.

    >>> import pg_jax.numpy as jnp
    >>> jnp.square(jnp.arange(3))
    Array([0, 1, 4], dtype=int32)
    """
    a = lift(x, "square")
    if a._t.dtype is pg.bool_:
        return make(cast(a._t, dtypes.default_int()))
    return make(prims.square(a._t), a._w)


def real(val: Any, /) -> Array:
    """The real part.

    >>> import pg_jax.numpy as jnp
    >>> jnp.real(1 + 2j)
    Array(1., dtype=float32, weak_type=True)
    """
    a = lift(val, "real")
    return make(pg.real(a._t), a._w) if a._t.dtype.is_complex else a


def imag(val: Any, /) -> Array:
    """The imaginary part.

    >>> import pg_jax.numpy as jnp
    >>> jnp.imag(1 + 2j)
    Array(2., dtype=float32, weak_type=True)
    """
    a = lift(val, "imag")
    return make(pg.imag(a._t) if a._t.dtype.is_complex else pg.zeros_like(a._t), a._w)


def conjugate(x: Any, /) -> Array:
    """The conjugate.

    >>> import pg_jax.numpy as jnp
    >>> jnp.conj(1 + 2j)
    Array(1.-2.j, dtype=complex64, weak_type=True)
    """
    a = lift(x, "conjugate")
    return make(pg.conj(a._t), a._w) if a._t.dtype.is_complex else a


conj = conjugate


def angle(z: Any, deg: bool = False) -> Array:
    """The angle of complex numbers.

    >>> import pg_jax.numpy as jnp
    >>> jnp.angle(1j)
    Array(1.5707964, dtype=float32, weak_type=True)
    """
    (t,), _, weak = promote_inexact("angle", z)
    made = pg.angle(t)
    strong = not lift(z, "angle")._t.dtype.is_inexact
    return make(pg.rad2deg(made) if deg else made, weak and not strong)


def round(a: Any, decimals: int = 0, out: None = None) -> Array:
    """The nearest number with so many decimals; halves go to the even one.

    >>> import pg_jax.numpy as jnp
    >>> jnp.round(2.345, 1)
    Array(2.3, dtype=float32, weak_type=True)
    """
    x = lift(a, "round")
    t = x._t
    if t.dtype is pg.bool_:
        raise ValueError("round is not implemented for boolean inputs.")
    if not t.dtype.is_inexact:
        if decimals < 0:
            raise NotImplementedError("integer np.round not implemented for decimals < 0")
        return x
    if decimals == 0:
        return make(pg.round(t), x._w)
    wide = t.astype(pg.float32) if t.dtype.itemsize == 2 else t
    factor = 10.0**decimals
    return make(cast(pg.round(wide * factor) / factor, t.dtype), x._w)


around = round


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """Finite numbers in place of NaN and infinities.

    >>> import pg_jax.numpy as jnp
    >>> jnp.nan_to_num(jnp.array([jnp.nan, 1.0]))
    Array([0., 1.], dtype=float32)
    """
    a = lift(x, "nan_to_num")
    if not a._t.dtype.is_inexact:
        return a
    limits = dtypes.finfo(a._t.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    return make(cast(pg.nan_to_num(a._t, nan=nan, posinf=high, neginf=low), a._t.dtype))


def bitwise_count(x: Any, /) -> Array:
    """How many bits of the magnitude are set.

    >>> import pg_jax.numpy as jnp
    >>> jnp.bitwise_count(jnp.array([7, 8]))
    Array([3, 1], dtype=uint8)
    """
    return make(cast(pg.bitwise_count(lift(x, "bitwise_count")._t), pg.uint8))


def modf(x: Any, /, out: None = None) -> tuple[Array, Array]:
    """The fraction and the integer part.

    >>> import pg_jax.numpy as jnp
    >>> [v.item() for v in jnp.modf(2.5)]
    [0.5, 2.0]
    """
    (t,), _, weak = promote_inexact("modf", x)
    whole = pg.trunc(t)
    return make(t - whole, weak), make(whole, weak)


def frexp(x: Any, /) -> tuple[Array, Array]:
    """Mantissa and exponent.

    >>> import pg_jax.numpy as jnp
    >>> [v.item() for v in jnp.frexp(8.0)]
    [0.5, 4]
    """
    (t,), _, _ = promote_inexact("frexp", x)
    mantissa, exponent = pg.frexp(t)
    return make(mantissa), make(cast(exponent, pg.int32))


def unwrap(p: Any, discont: Any = None, axis: int = -1, period: Any = 2 * np.pi) -> Array:
    """Angles without jumps.

    >>> import pg_jax.numpy as jnp
    >>> jnp.unwrap(jnp.array([0.0, 6.0])).shape
    (2,)
    """
    (t,), _, _ = promote_inexact("unwrap", p)
    return make(cast(pg.unwrap(t, discont=discont, axis=axis, period=period), t.dtype))
