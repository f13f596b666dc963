"""Less common functions."""

# Size: short functions of one family, half of the lines are their documents and examples.

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import axes_of, cast, lift, lift_all, promote, promote_inexact
from .._operators import remainder
from . import _reductions as red
from ._creation import array, asarray
from ._shapes import concatenate, reshape
from ._through import through

# ---- statistics

median = through("median", "The middle value over axes.", floating=True)
nanmedian = through("nanmedian", "The middle value over axes, without NaN.", floating=True)
quantile = through("quantile", "Quantiles over axes.", 2, floating=True)
nanquantile = through("nanquantile", "Quantiles over axes, without NaN.", 2, floating=True)
percentile = through("percentile", "Percentiles over axes.", 2, floating=True)
nanpercentile = through("nanpercentile", "Percentiles over axes, without NaN.", 2, floating=True)
cov = through("cov", "The covariance of variables.", floating=True)
corrcoef = through("corrcoef", "The correlation of variables.", floating=True)
bincount = through("bincount", "How often each small integer occurs.", integers=True, concrete=True)
histogram_bin_edges = through("histogram_bin_edges", "Edges of bins.", floating=True)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> Any:
    """How many values lie in each bin, and the edges.

    >>> import pg_jax.numpy as jnp
    >>> jnp.histogram(jnp.array([1.0, 2.0, 2.0]), bins=2)[0]
    Array([1., 2.], dtype=float32)
    """
    x = lift(a, "histogram")
    t = cast(x._t, dtypes.inexact(x._t.dtype))
    edges = bins._t if type(bins) is Array else bins
    w = None if weights is None else lift(weights)._t
    counts, found = pg.histogram(t, edges, range=range, weights=w, density=bool(density))
    kind = dtypes.inexact(x._t.dtype)
    return make(cast(counts, kind)), make(cast(found, kind))


# ---- without NaN


def _without(name: str, f: Any, fill: float) -> Any:
    def apply(
        a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, **options: Any
    ) -> Array:
        x = lift(a, name)
        if x._t.dtype.is_inexact:
            x = make(pg.where(pg.isnan(x._t), pg.full((), fill, dtype=x._t.dtype), x._t))
        return f(x, axis=axis, dtype=dtype, keepdims=keepdims, **options)

    apply.__name__ = name
    apply.__doc__ = f"``{f.__name__}`` that passes over NaN."
    return apply


nansum = _without("nansum", red.sum, 0.0)
nanprod = _without("nanprod", red.prod, 1.0)


def _running(name: str, f: Any, fill: float) -> Any:
    def apply(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        x = lift(a, name)
        if x._t.dtype.is_inexact:
            x = make(pg.where(pg.isnan(x._t), pg.full((), fill, dtype=x._t.dtype), x._t))
        return f(x, axis, dtype)

    apply.__name__ = name
    apply.__doc__ = f"``{f.__name__}`` that passes over NaN."
    return apply


nancumsum = _running("nancumsum", red.cumsum, 0.0)
nancumprod = _running("nancumprod", red.cumprod, 1.0)


def _numbers(x: Array, where: Any) -> Array:
    """Where an array is not NaN, and ``where`` holds."""
    inside = ~pg.isnan(x._t)
    return make(inside if where is None else inside & lift(where)._t)


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, where: Any = None
) -> Array:
    """The mean of what is not NaN.

    >>> import pg_jax.numpy as jnp
    >>> jnp.nanmean(jnp.array([1.0, jnp.nan, 3.0]))
    Array(2., dtype=float32)
    """
    x = lift(a, "nanmean")
    return red.mean(x, axis, dtype, keepdims=keepdims, where=_numbers(x, where))


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Array:
    """The variance of what is not NaN.

    >>> import pg_jax.numpy as jnp
    >>> jnp.nanvar(jnp.array([1.0, jnp.nan, 3.0]))
    Array(1., dtype=float32)
    """
    x = lift(a, "nanvar")
    return red.var(x, axis, dtype, None, ddof, keepdims, where=_numbers(x, where))


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    where: Any = None,
) -> Array:
    """The standard deviation of what is not NaN.

    >>> import pg_jax.numpy as jnp
    >>> jnp.nanstd(jnp.array([1.0, jnp.nan, 3.0]))
    Array(1., dtype=float32)
    """
    return make(pg.sqrt(nanvar(a, axis, dtype, out, ddof, keepdims, where)._t))


nanmax = through("nanmax", "The largest that is not NaN.")
nanmin = through("nanmin", "The smallest that is not NaN.")
nanargmax = through("nanargmax", "Where the largest is that is not NaN.", integers=True)
nanargmin = through("nanargmin", "Where the smallest is that is not NaN.", integers=True)

# ---- sets

unique = through("unique", "The different values, sorted.", concrete=True, weak=True)
unique_values = through("unique_values", "The different values.", concrete=True, weak=True)
unique_counts = through(
    "unique_counts", "The different values and how often each occurs.", concrete=True, weak=True
)
unique_inverse = through(
    "unique_inverse", "The different values and where each element is.", concrete=True, weak=True
)
unique_all = through(
    "unique_all", "The different values, first places, places and counts.", concrete=True, weak=True
)
union1d = through("union1d", "Values of either.", 2, concrete=True, weak=True)
intersect1d = through("intersect1d", "Values of both.", 2, concrete=True, weak=True)
setdiff1d = through("setdiff1d", "Values of the first only.", 2, concrete=True, weak=True)
setxor1d = through("setxor1d", "Values of exactly one.", 2, concrete=True, weak=True)
isin = through("isin", "Whether elements are among others.", 2, integers=True)

# ---- differences, polynomials, windows

diff = through("diff", "Differences of neighbours.", weak=True)
ediff1d = through("ediff1d", "Differences of neighbours of the flattened array.", weak=True)
trapezoid = through("trapezoid", "The integral by trapezoids.", 2, floating=True)
interp = through("interp", "Piecewise linear interpolation.", 3, floating=True)
polyval = through("polyval", "A polynomial at points.", 2)
polyadd = through("polyadd", "The sum of polynomials.", 2, weak=True)
polysub = through("polysub", "The difference of polynomials.", 2, weak=True)
polymul = through("polymul", "The product of polynomials.", 2, floating=True, weak=True)
polyder = through("polyder", "The derivative of a polynomial.", floating=True)
polyint = through("polyint", "The integral of a polynomial.", floating=True)
vander = through("vander", "Powers of a vector as columns.")
cross = through("cross", "The vector product.", 2, weak=True)
heaviside = through("heaviside", "The step function.", 2, floating=True)
ldexp = through("ldexp", "``x * 2**n``.", 2, joined=False)
gcd = through("gcd", "The greatest common divisor.", 2, weak=True)
lcm = through("lcm", "The least common multiple.", 2, weak=True)
fmax = through("fmax", "The larger that is not NaN.", 2, weak=True)
fmin = through("fmin", "The smaller that is not NaN.", 2, weak=True)
fmod = through("fmod", "What division leaves, with the sign of the dividend.", 2, weak=True)
float_power = through("float_power", "x to the power y in floats.", 2, floating=True, weak=True)
diagonal = through("diagonal", "A diagonal.", weak=True)
diag = through("diag", "A diagonal, or a matrix with it.", weak=True)
diagflat = through("diagflat", "A matrix with a diagonal.")
packbits = through("packbits", "Eight bools as one byte.", joined=False)
unpackbits = through("unpackbits", "Eight bools of each byte.", joined=False)
trim_zeros = through("trim_zeros", "Without zeros at the ends.", concrete=True, weak=True)
compress = through("compress", "Slices where a condition holds.", 2, joined=False, concrete=True)
extract = through("extract", "Elements where a condition holds.", 2, joined=False, concrete=True)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int | None = None) -> Any:
    """Differences in the middle, one-sided at the edges.

    >>> import pg_jax.numpy as jnp
    >>> jnp.gradient(jnp.array([1.0, 2.0, 4.0]))
    Array([1. , 1.5, 2. ], dtype=float32)
    """
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to jnp.gradient is not supported.")
    (t,), kind, weak = promote_inexact("gradient", f)
    steps = [v._t if type(v) is Array else v for v in varargs]
    made = pg.gradient(t, *steps, axis=axis)
    if isinstance(made, (list, tuple)):
        return [make(cast(m, kind), weak) for m in made]
    return make(cast(made, kind), weak)


def _convolved(name: str, f: Any, doc: str) -> Any:
    def apply(a: Any, v: Any, mode: str = "full" if name == "convolve" else "valid", **options: Any) -> Array:
        (x, y), _, weak = promote_inexact(name, a, v)
        if x.ndim != 1 or y.ndim != 1:
            raise ValueError(f"{name}() only support 1-dimensional inputs.")
        return make(f(x, y, mode), weak)

    apply.__name__, apply.__doc__ = name, doc
    return apply


convolve = _convolved("convolve", pg.convolve, "The convolution of vectors.")
correlate = _convolved("correlate", pg.correlate, "The correlation of vectors.")


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Whether numbers are nearly equal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.isclose(1.0, 1.0 + 1e-7)
    Array(True, dtype=bool)
    """
    (x, y), _, _ = promote("isclose", a, b)
    if not x.dtype.is_inexact:
        x, y = cast(x, dtypes.default_float()), cast(y, dtypes.default_float())
    return make(pg.isclose(x, y, rtol, atol, equal_nan))


def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Whether all numbers are nearly equal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.allclose(jnp.ones(2), 1.0)
    Array(True, dtype=bool)
    """
    return red.all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Array:
    """Whether two arrays have one shape and equal elements.

    >>> import pg_jax.numpy as jnp
    >>> jnp.array_equal(jnp.arange(2), jnp.arange(2))
    Array(True, dtype=bool)
    """
    x, y = asarray(a1), asarray(a2)
    if x.shape != y.shape:
        return asarray(False)
    same = lift(x == y)
    if equal_nan and x._t.dtype.is_inexact and y._t.dtype.is_inexact:
        same = same | make(pg.isnan(x._t) & pg.isnan(y._t))
    return make(red.all(same)._t)


def array_equiv(a1: Any, a2: Any) -> Array:
    """Whether two arrays broadcast to equal ones.

    >>> import pg_jax.numpy as jnp
    >>> jnp.array_equiv(jnp.ones(2), 1.0)
    Array(True, dtype=bool)
    """
    try:
        return make(red.all(asarray(a1) == asarray(a2))._t)
    except TypeError:
        return asarray(False)


def divmod(x1: Any, x2: Any, /) -> tuple[Array, Array]:
    """Quotient rounded down, and rest.

    >>> import pg_jax.numpy as jnp
    >>> [v.item() for v in jnp.divmod(7, 2)]
    [3, 1]
    """
    from .._operators import floor_divide

    return floor_divide(x1, x2), remainder(x1, x2)


def _logical(name: str, f: Any) -> Any:
    def apply(x: Any, y: Any, /) -> Array:
        a, b = lift_all(name, x, y)
        return make(f(cast(a._t, pg.bool_), cast(b._t, pg.bool_)))

    apply.__name__, apply.__doc__ = name, f"{name} of the truth of two operands."
    return apply


logical_and = _logical("logical_and", pg.logical_and)
logical_or = _logical("logical_or", pg.logical_or)
logical_xor = _logical("logical_xor", pg.logical_xor)


# ---- indices


def _indices(name: str, doc: str) -> Any:
    f = getattr(pg, name)

    def apply(*args: Any, **kwargs: Any) -> tuple[Array, ...]:
        given = [a._t if type(a) is Array else a for a in args]
        return tuple(make(cast(t, dtypes.default_int())) for t in f(*given, **kwargs))

    apply.__name__, apply.__doc__ = name, doc
    return apply


tril_indices = _indices("tril_indices", "The indices of a lower triangle.")
triu_indices = _indices("triu_indices", "The indices of an upper triangle.")
tril_indices_from = _indices("tril_indices_from", "The indices of a lower triangle of an array.")
triu_indices_from = _indices("triu_indices_from", "The indices of an upper triangle of an array.")
diag_indices = _indices("diag_indices", "The indices of a diagonal.")


def diag_indices_from(arr: Any) -> tuple[Array, ...]:
    """The indices of an array's diagonal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.diag_indices_from(jnp.eye(2))[0]
    Array([0, 1], dtype=int32)
    """
    x = lift(arr)
    return diag_indices(x.shape[0], x.ndim)


def unravel_index(indices: Any, shape: Any) -> tuple[Array, ...]:
    """Flat indices as one index for each axis.

    >>> import pg_jax.numpy as jnp
    >>> [int(i) for i in jnp.unravel_index(5, (2, 3))]
    [1, 2]
    """
    x = asarray(indices)
    total = int(np.prod(shape))
    rest = pg.clip(pg.where(x._t < 0, x._t + total, x._t), 0, max(total - 1, 0))
    out = []
    for n in reversed(tuple(shape)):
        out.append(make(pg.remainder(rest, n), x._w))
        rest = rest // n
    return tuple(reversed(out))


def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Array:
    """One index for each axis as flat indices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ravel_multi_index((jnp.array([1]), jnp.array([2])), (2, 3), mode="clip")
    Array([5], dtype=int32)
    """
    parts = [asarray(i)._t for i in multi_index]
    if order != "C":
        parts, dims = parts[::-1], tuple(dims)[::-1]
    flat: Any = None
    for part, n in zip(parts, dims, strict=True):
        index = (
            pg.clip(part, 0, n - 1) if mode == "clip" else pg.remainder(part, n) if mode == "wrap" else part
        )
        flat = index if flat is None else flat * n + index
    return make(cast(flat, dtypes.default_int()))


def ix_(*args: Any) -> tuple[Array, ...]:
    """Vectors as indices of a grid.

    >>> import pg_jax.numpy as jnp
    >>> [x.shape for x in jnp.ix_(jnp.arange(2), jnp.arange(3))]
    [(2, 1), (1, 3)]
    """
    xs = [asarray(a) for a in args]
    return tuple(reshape(x, [x.size if i == j else 1 for j in range(len(xs))]) for i, x in enumerate(xs))


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Array:
    """The array with another diagonal; ``inplace=False`` must be given.

    >>> import pg_jax.numpy as jnp
    >>> jnp.fill_diagonal(jnp.zeros((2, 2)), 1.0, inplace=False)
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    if inplace:
        raise NotImplementedError("JAX arrays are immutable, must use inplace=False")
    x = lift(a, "fill_diagonal")
    if wrap:
        raise NotImplementedError("wrap=True is not implemented, must use wrap=False")
    n = min(x.shape)
    index = np.arange(n)
    return x.at[tuple([index] * x.ndim)].set(asarray(val).ravel()[:n] if np.ndim(val) else val)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """Values before places of an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.insert(jnp.arange(2), 1, 7)
    Array([0, 7, 1], dtype=int32)
    """
    x = lift(arr, "insert")
    where = np.asarray(obj).tolist()
    return make(pg.insert(x._t, where, cast(asarray(values)._t, x._t.dtype), axis))


def delete(arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False) -> Array:
    """Without the slices at places of an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.delete(jnp.arange(3), 1)
    Array([0, 2], dtype=int32)
    """
    x = lift(arr, "delete")
    where = obj if isinstance(obj, slice) else np.asarray(obj).tolist()
    return make(pg.delete(x._t, where, axis), x._w)


# ---- functions of functions


def _called(f: Any, args: Any, kwargs: Any, x: Any) -> Any:
    return f(x, *args, **kwargs)


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Array:
    """A function of vectors along an axis.

    >>> import pg_jax.numpy as jnp
    >>> jnp.apply_along_axis(jnp.sum, 0, jnp.ones((2, 3)))
    Array([2., 2., 2.], dtype=float32)
    """
    from .._vmap import vmap

    x = lift(arr, "apply_along_axis")
    (at,) = axes_of(axis, x.ndim)
    f: Any = functools.partial(_called, func1d, args, kwargs)
    for i in range(1, x.ndim - at):
        f = vmap(f, in_axes=i, out_axes=-1)
    for _ in range(at):
        f = vmap(f, in_axes=0, out_axes=0)
    return f(x)


def vectorize(pyfunc: Any, *, excluded: Any = frozenset(), signature: str | None = None) -> Any:
    """A function of scalars (or of parts, by signature) over arrays that broadcast.

    >>> import pg_jax.numpy as jnp
    >>> jnp.vectorize(lambda a, b: a + b)(jnp.arange(2), 10)
    Array([10, 11], dtype=int32)
    """
    from .._vmap import vmap
    from ._shapes import broadcast_shapes

    if excluded:
        raise NotImplementedError("jnp.vectorize: excluded is not implemented")
    cores: list[int] | None = None
    if signature is not None:
        inputs = signature.split("->")[0].replace(" ", "").strip("()").split("),(")
        cores = [len([d for d in part.split(",") if d]) for part in inputs]

    def vectorized(*args: Any) -> Any:
        xs = [asarray(a) for a in args]
        own = cores or [0] * len(xs)
        loops = [x.shape[: x.ndim - n] for x, n in zip(xs, own, strict=True)]
        shape = broadcast_shapes(*loops)
        aligned = [
            make(pg.reshape(x._t, (*[1] * (len(shape) - len(loop)), *x.shape)), x._w)
            for x, loop in zip(xs, loops, strict=True)
        ]
        f = pyfunc
        for i in reversed(range(len(shape))):
            axes = tuple(0 if x.shape[i] == shape[i] and shape[i] != 1 else None for x in aligned)
            if all(a is None for a in axes):
                axes = tuple(0 for _ in aligned)
            f = vmap(f, in_axes=axes)
        ready = []
        for x in aligned:
            gone = tuple(i for i in range(len(shape)) if x.shape[i] == 1 and shape[i] != 1)
            ready.append(make(pg.squeeze(x._t, gone) if gone else x._t, x._w))
        return f(*ready)

    return vectorized


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """Of several functions that whose condition holds.

    >>> import pg_jax.numpy as jnp
    >>> x = jnp.array([-1.0, 2.0])
    >>> jnp.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * 10])
    Array([ 1., 20.], dtype=float32)
    """
    a = asarray(x)
    tests = [asarray(c)._t for c in condlist]
    functions = list(funclist)
    made: Any = pg.zeros_like(a._t)
    if len(functions) == len(tests) + 1:
        made = _piece(functions.pop(), a, args, kw)
    taken: Any = None
    for test, f in zip(tests, functions, strict=True):
        first = test if taken is None else test & ~taken
        made = pg.where(first, _piece(f, a, args, kw), made)
        taken = test if taken is None else taken | test
    return make(cast(made, a._t.dtype))


def _piece(f: Any, a: Array, args: Any, kw: Any) -> Any:
    return cast(lift(f(a, *args, **kw) if callable(f) else f)._t, a._t.dtype)


def block(arrays: Any) -> Array:
    """An array of nested lists of blocks.

    >>> import pg_jax.numpy as jnp
    >>> jnp.block([[jnp.ones((1, 1)), jnp.zeros((1, 1))]])
    Array([[1., 0.]], dtype=float32)
    """
    from ._shapes import atleast_1d

    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    def build(x: Any, level: int) -> Array:
        if not isinstance(x, list):
            return atleast_1d(x)
        parts = [build(p, level - 1) for p in x]
        rank = max(max(p.ndim for p in parts), level)
        ready = [reshape(p, (*[1] * (rank - p.ndim), *p.shape)) for p in parts]
        return concatenate(ready, -level)

    return build(arrays, depth(arrays))


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Array:
    """An array of bytes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.frombuffer(b"ab", jnp.uint8)
    Array([97, 98], dtype=uint8)
    """
    return array(np.frombuffer(buffer, np.dtype(dtype), count, offset))


def poly(seq_of_zeros: Any) -> Array:
    """The polynomial with these roots.

    >>> import pg_jax.numpy as jnp
    >>> jnp.poly(jnp.array([1.0, 2.0]))
    Array([ 1., -3.,  2.], dtype=float32)
    """
    (t,), kind, _ = promote_inexact("poly", seq_of_zeros)
    made = pg.ones((1,), dtype=kind)
    for i in range(t.shape[0]):
        zero = pg.zeros((1,), dtype=kind)
        made = pg.concatenate([made, zero]) - pg.concatenate([zero, made]) * t[i]
    return make(made)


def _window(name: str, doc: str) -> Any:
    f = getattr(pg, name)

    def apply(M: int) -> Array:
        return make(cast(f(M), dtypes.default_float()))

    apply.__name__, apply.__doc__ = name, doc
    return apply


bartlett = _window("bartlett", "The triangular window.")
blackman = _window("blackman", "The Blackman window.")
hamming = _window("hamming", "The Hamming window.")
hanning = _window("hanning", "The Hann window.")
