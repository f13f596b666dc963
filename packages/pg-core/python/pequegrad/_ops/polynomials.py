"""Polynomials, by coefficients from the highest power to the lowest, and windows, under NumPy's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..errors import DTypeError, InvalidValueError, ShapeError
from .common import (
    TensorLike,
    as_tensor,
    as_tensor_like,
    cast,
    check_count,
    check_table,
    elementwise,
    fill,
    iota,
    to_float,
)
from .differences import convolve
from .indexing import take
from .logic import where
from .maths import cos, sqrt
from .shape import concatenate, expand_dims, pad, part, ravel, tile


def polyval(p: TensorLike, x: TensorLike) -> Tensor:
    """The polynomial with coefficients p, the highest power first, at x (Horner's scheme).

    >>> pg.polyval(pg.Tensor([1, 0, 2]), pg.Tensor([3])).tolist()
    [11]
    """
    p, x = as_tensor(p), as_tensor(x)
    if p.ndim != 1:
        raise ShapeError(f"polyval: the coefficients are a vector, got shape {p.shape}")
    check_count(p.size, "polyval")
    kind = dt.all_dtypes[_core.promote(p, x)[0]]
    p, x = cast(p, kind), cast(x, kind)
    made: Any = _core.full(0, kind.code, False, x.shape, x.device.pair)
    for i in range(p.size):
        made = made * x + p[i]
    return made


def vander(x: TensorLike, n: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix of powers of the elements of a vector, falling from n - 1 to 0 unless ``increasing``.

    >>> pg.vander(pg.Tensor([2, 3]), 3).tolist()
    [[4, 2, 1], [9, 3, 1]]
    """
    x = as_tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: needs a vector, got shape {x.shape}")
    count = x.size if n is None else n
    if x.dtype.is_bool:
        x = cast(x, dt.int64)
    check_table(count, "vander")
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    return elementwise("pow", expand_dims(x, 1), cast(as_tensor(powers.astype(np.int64)), x.dtype))


def _aligned(p: TensorLike, q: TensorLike) -> tuple[Tensor, Tensor]:
    p, q = ravel(p), ravel(q)
    length = max(p.size, q.size)
    return pad(p, (length - p.size, 0)), pad(q, (length - q.size, 0))


def polyadd(p: TensorLike, q: TensorLike) -> Tensor:
    """The sum of two polynomials.

    >>> pg.polyadd(pg.Tensor([1, 2]), pg.Tensor([3])).tolist()
    [1, 5]
    """
    a, b = _aligned(p, q)
    return a + b


def polysub(p: TensorLike, q: TensorLike) -> Tensor:
    """The difference of two polynomials.

    >>> pg.polysub(pg.Tensor([1, 2]), pg.Tensor([3])).tolist()
    [1, -1]
    """
    a, b = _aligned(p, q)
    return a - b


def polymul(p: TensorLike, q: TensorLike) -> Tensor:
    """The product of two polynomials.

    >>> pg.polymul(pg.Tensor([1, 2]), pg.Tensor([1, -2])).tolist()
    [1, 0, -4]
    """
    return convolve(ravel(p), ravel(q))


def polyder(p: TensorLike, m: int = 1) -> Tensor:
    """The m-th derivative of a polynomial.

    >>> pg.polyder(pg.Tensor([1, 2, 3])).tolist()
    [2, 2]
    """
    p = ravel(p)
    if p.dtype.is_bool:
        raise DTypeError("polyder: coefficients are numbers, got bool; convert with .astype('int64')")
    for _ in range(m):
        if p.size < 2:
            return part(p, 0, 0, 0)
        check_table(p.size, "polyder")
        powers = cast(as_tensor(np.arange(p.size - 1, 0, -1)), p.dtype)
        p = part(p, 0, 0, p.size - 1) * powers
    return p


def polyint(p: TensorLike, m: int = 1, k: TensorLike | None = None) -> Tensor:
    """The m-th antiderivative of a polynomial, with constants of integration k (0).

    >>> pg.polyint(pg.Tensor([2.0, 2.0])).tolist()
    [1.0, 2.0, 0.0]
    """
    p = to_float(ravel(p))
    constants = fill(0, p)[:0] if k is None else cast(ravel(as_tensor_like(k, p)), p.dtype)
    if m > 1000:
        raise InvalidValueError(f"polyint: {m} integrations are more than 1000")
    check_table(p.size + m, "polyint")
    constants = (
        pad(constants, (0, m - constants.size)) if k is None else take(tile(constants, m), np.arange(m))
    )
    for i in range(m):
        powers = cast(as_tensor(np.arange(p.size, 0, -1)), p.dtype)
        p = concatenate([p / powers, part(constants, 0, i, i + 1)])
    return p


# ---- windows


def _window(n: int, weights: Sequence[float]) -> Tensor:
    """A sum of cosines over a symmetric window of n places."""
    place = _device.default_device().pair
    if n < 1:
        return _core.full(0, dt.float32.code, False, (0,), place)
    if n == 1:
        return _core.full(1, dt.float32.code, False, (1,), place)
    turn = iota((n,), 0, dt.float64, place) * (2 * math.pi / (n - 1))
    made: Any = 0.0
    for k, w in enumerate(weights):
        made = made + w * cos(turn * float(k))
    return cast(made, dt.float32)


def hanning(n: int) -> Tensor:
    """The Hann window of n places: a raised cosine.

    >>> pg.hanning(3).tolist()
    [0.0, 1.0, 0.0]
    """
    return _window(n, (0.5, -0.5))


def hamming(n: int) -> Tensor:
    """The Hamming window of n places.

    >>> pg.hamming(3).numpy().round(2).tolist()
    [0.07999999821186066, 1.0, 0.07999999821186066]
    """
    return _window(n, (0.54, -0.46))


def blackman(n: int) -> Tensor:
    """The Blackman window of n places: three terms of cosines.

    >>> pg.blackman(3).numpy().round(4).tolist()[1]
    1.0
    """
    return _window(n, (0.42, -0.5, 0.08))


def bartlett(n: int) -> Tensor:
    """The triangular window of n places, zero at its ends.

    >>> pg.bartlett(5).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    place = _device.default_device().pair
    if n < 2:
        return _window(n, (1.0,))
    rise = iota((n,), 0, dt.float64, place) * (2.0 / (n - 1))
    return cast(where(rise > 1, 2.0 - rise, rise), dt.float32)


def kaiser(n: int, beta: float) -> Tensor:
    """The Kaiser window of n places: ``i0(beta * sqrt(1 - t ** 2)) / i0(beta)`` for t from -1 to 1.

    >>> pg.kaiser(3, 0.0).tolist()
    [1.0, 1.0, 1.0]
    """
    from .special import i0

    if n < 2:
        return _window(n, (1.0,))
    t = iota((n,), 0, dt.float64, _device.default_device().pair) * (2.0 / (n - 1)) - 1.0
    top = i0(_core.full(float(beta), dt.float64.code, False, (), t.device.pair))
    return cast(i0(sqrt(1.0 - t * t) * beta) / top, dt.float32)
