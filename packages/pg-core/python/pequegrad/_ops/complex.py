"""Complex numbers and their parts under NumPy's names.

Derivatives are JAX's: of a real function of ``z = x + iy`` the gradient is ``df/dx - i df/dy``, and the
linear maps below are transposed without conjugation beyond what that asks for.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError
from .common import TensorLike, as_tensor, cast, fill, to_float
from .logic import where


def complex(re: TensorLike, im: TensorLike = 0.0) -> Tensor:
    """The complex numbers ``re + i im``; float64 parts make complex128, all others complex64.

    >>> pg.complex(pg.Tensor([1.0, 2.0]), 3.0).tolist()
    [(1+3j), (2+3j)]
    """
    re, im = to_float(re), to_float(im)
    if re.dtype.is_complex or im.dtype.is_complex:
        raise DTypeError(f"complex: the parts are real, got {re.dtype} and {im.dtype}; add them instead")
    code, weak = _core.promote(re, im)
    kind = dt.float64 if dt.all_dtypes[code] is dt.float64 else dt.float32
    if not weak:
        re, im = cast(re, kind), cast(im, kind)
    return _core.elementwise("complex", re, im)


def real(x: TensorLike) -> Tensor:
    """The real part; a real tensor itself.

    >>> pg.real(pg.Tensor([1 + 2j])).tolist()
    [1.0]
    """
    x = as_tensor(x)
    return _core.apply("real", (x,)) if x.dtype.is_complex else x


def imag(x: TensorLike) -> Tensor:
    """The imaginary part; zeros for a real tensor.

    >>> pg.imag(pg.Tensor([1 + 2j])).tolist()
    [2.0]
    """
    x = as_tensor(x)
    return _core.apply("imag", (x,)) if x.dtype.is_complex else fill(0, x)


def conj(x: TensorLike) -> Tensor:
    """The complex conjugate; a real tensor itself.

    >>> pg.conj(pg.Tensor([1 + 2j])).tolist()
    [(1-2j)]
    """
    x = as_tensor(x)
    return _core.apply("conj", (x,)) if x.dtype.is_complex else x


def angle(x: TensorLike) -> Tensor:
    """The angle from the positive real axis in radians, in [-pi, pi]; of real numbers 0 or pi.

    >>> pg.angle(pg.Tensor([1j, 2])).numpy().round(4)
    array([1.5708, 0.    ], dtype=float32)
    """
    x = to_float(x)
    return _core.elementwise("atan2", imag(x), real(x))


def iscomplexobj(x: TensorLike) -> bool:
    """Whether the dtype is complex, whatever the values.

    >>> pg.iscomplexobj(pg.Tensor([1j])), pg.iscomplexobj(1.0)
    (True, False)
    """
    return as_tensor(x).dtype.is_complex


def isrealobj(x: TensorLike) -> bool:
    """Whether the dtype is not complex.

    >>> pg.isrealobj(pg.Tensor([1j])), pg.isrealobj(1.0)
    (False, True)
    """
    return not iscomplexobj(x)


def iscomplex(x: TensorLike) -> Tensor:
    """Which elements have an imaginary part other than 0.

    >>> pg.iscomplex(pg.Tensor([1j, 2])).tolist()
    [True, False]
    """
    return imag(x) != 0


def isreal(x: TensorLike) -> Tensor:
    """Which elements have no imaginary part, or one that is 0.

    >>> pg.isreal(pg.Tensor([1j, 2])).tolist()
    [False, True]
    """
    return imag(x) == 0


def direction(z: Tensor) -> Tensor:
    """``z / abs(z)``, and 0 at 0: the sign of complex numbers."""
    size = abs(z)
    origin = size == 0
    return where(origin, 0.0, z) / where(origin, 1.0, size)


def abs_squared(x: Tensor) -> Tensor:
    """``abs(x) ** 2``, real and without the root."""
    if not x.dtype.is_complex:
        return x * x
    re, im = real(x), imag(x)
    return re * re + im * im


def by_parts(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """A real function of both parts."""
    return complex(f(real(z)), f(imag(z)))


conjugate = conj
