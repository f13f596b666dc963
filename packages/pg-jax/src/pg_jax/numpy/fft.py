"""``jax.numpy.fft``: Fourier transforms."""

from __future__ import annotations

from typing import Any

import pequegrad as pg

from .. import dtypes
from .._array import make
from .._lift import cast, promote_inexact
from .._missing import missing


def _transform(name: str) -> Any:
    f = getattr(pg.fft, name)

    def apply(a: Any, *args: Any, **kwargs: Any) -> Any:
        (t,), _, _ = promote_inexact(name, a)
        if t.dtype in (pg.float16, pg.bfloat16):
            t = cast(t, pg.float32)
        return make(f(t, *args, **kwargs))

    apply.__name__, apply.__doc__ = name, f"NumPy's ``fft.{name}``, in single precision for single precision."
    return apply


fft, ifft, rfft, irfft, hfft, ihfft = map(_transform, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2 = map(_transform, ("fft2", "ifft2", "rfft2", "irfft2"))
fftn, ifftn, rfftn, irfftn = map(_transform, ("fftn", "ifftn", "rfftn", "irfftn"))
fftshift, ifftshift = map(_transform, ("fftshift", "ifftshift"))


def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None) -> Any:
    """The frequencies of a transform.

    >>> import pg_jax.numpy as jnp
    >>> jnp.fft.fftfreq(2)
    Array([ 0. , -0.5], dtype=float32)
    """
    return make(cast(pg.fft.fftfreq(n, d), dtypes.default_float() if dtype is None else dtypes.of(dtype)))


def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None) -> Any:
    """The frequencies of a transform of real numbers.

    >>> import pg_jax.numpy as jnp
    >>> jnp.fft.rfftfreq(2)
    Array([0. , 0.5], dtype=float32)
    """
    return make(cast(pg.fft.rfftfreq(n, d), dtypes.default_float() if dtype is None else dtypes.of(dtype)))


def __getattr__(name: str) -> Any:
    raise missing("numpy.fft", name)
