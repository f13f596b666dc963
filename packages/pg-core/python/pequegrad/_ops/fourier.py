"""Fourier transforms: compositions of one record, which transforms complex numbers over axes without scaling
and is its own transpose.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .. import device as _device
from .._core import Tensor
from ..custom import custom_jvp
from ..errors import ArgumentError, AxisError, DTypeError, InvalidValueError, ShapeError
from .common import TensorLike, as_tensor, axis_of, cast, known
from .complex import conj, real
from .creation import arange
from .shape import concatenate, flip, pad, part, roll

Size = int | None
Sizes = Sequence[int] | None
Axes = Sequence[int] | None
_NORMS = ("backward", "ortho", "forward")


def transform(x: Any, out: Any, axis: int, inverse: bool, split: int, begin: int, end: int) -> None:
    """What the record runs for one of its axes, on arrays that alias the memory of a program: NumPy's
    pocketfft, for the places from ``begin`` to ``end`` of the axis ``split``.
    """
    part = tuple(slice(begin, end) if i == split else slice(None) for i in range(x.ndim))
    f: Any = np.fft.ifft if inverse else np.fft.fft
    norm = "forward" if inverse else "backward"  # neither direction scales
    if _IN_PLACE:
        f(x[part], axis=axis, norm=norm, out=out[part])
    else:
        out[part] = f(x[part], axis=axis, norm=norm)


_IN_PLACE = int(np.__version__.split(".")[0]) >= 2  # NumPy 2 fills an array that it is given


# ---- parts


def _checked(x: TensorLike, what: str, allow_complex: bool = True) -> Tensor:
    x = as_tensor(x)
    if x.dtype.kind in "biu":
        return cast(x, dt.float32)
    if x.dtype.itemsize < 4:
        raise DTypeError(f"fft.{what}: {x.dtype} has no complex form; convert it with .astype('float32')")
    if not allow_complex and x.dtype.kind == "c":
        raise DTypeError(f"fft.{what}: takes real numbers, got {x.dtype}; use fft.{what.replace('r', '', 1)}")
    return x


def _complex(x: Tensor) -> Tensor:
    if x.dtype.kind == "c":
        return x
    return _core.astype(x, dt.as_dtype("complex128" if x.dtype is dt.float64 else "complex64").code)


def _scale(n: int, norm: str | None, inverse: bool, what: str) -> float:
    norm = norm or "backward"
    if not known(norm, _NORMS):
        raise InvalidValueError(f"fft.{what}: norm is 'backward', 'ortho' or 'forward', got {norm!r}")
    if norm == "ortho":
        return 1.0 / math.sqrt(n)
    return 1.0 / n if inverse == (norm == "backward") else 1.0


def _sized(x: Tensor, axis: int, n: int, what: str) -> Tensor:
    """The axis cut off, or filled up with zeros, at n."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidValueError(f"fft.{what}: a transform needs at least 1 point, got n={n!r}")
    have = x.shape[axis]
    if n < have:
        return part(x, axis, 0, int(n))
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, int(n) - have)
    return pad(x, widths) if n > have else x


def _points(x: Tensor, s: Sizes, axes: Axes, what: str) -> tuple[list[int], list[int]]:
    """Axes and how many points each has."""
    if s is not None and not isinstance(s, (tuple, list)):
        raise ArgumentError(f"fft.{what}: s is a sequence of numbers of points, got {s!r}")
    if axes is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise ShapeError(f"fft.{what}: {count} sizes for a tensor of rank {x.ndim}")
        places = list(range(x.ndim - count, x.ndim))
    elif isinstance(axes, (tuple, list)):
        places = [axis_of(a, x.ndim, f"fft.{what}") for a in axes]
    else:
        raise ArgumentError(f"fft.{what}: axes is a sequence of integers, got {axes!r}")
    if len(set(places)) != len(places):
        raise AxisError(f"fft.{what}: an axis is given twice in {tuple(places)}")
    sizes = [x.shape[a] for a in places] if s is None else list(s)
    if len(sizes) != len(places):
        raise ShapeError(f"fft.{what}: {len(sizes)} sizes for {len(places)} axes")
    return places, [x.shape[a] if n == -1 else n for n, a in zip(sizes, places, strict=True)]


def _apply(
    x: Tensor, places: list[int], sizes: list[int], norm: str | None, inverse: bool, what: str
) -> Tensor:
    scale = 1.0
    for axis, n in zip(places, sizes, strict=True):
        x = _sized(x, axis, n, what)
        scale *= _scale(n, norm, inverse, what)
    made = _core.apply("fft", (_complex(x),), (int(inverse), *sorted(places)))
    return made if scale == 1.0 else made * scale


def _real_transform(x: Tensor, axis: int, n: int, norm: str | None, what: str) -> Tensor:
    """The first n // 2 + 1 frequencies of real numbers, cut off or filled up at n."""
    x = _sized(x, axis, n, what)
    scale = _scale(n, norm, False, what)
    made = _real_forward(x, axis) if _for_host(x) else _half(x, axis)
    return made if scale == 1.0 else made * scale


def _real_inverse(x: Tensor, axis: int, n: int, norm: str | None, what: str) -> Tensor:
    """The real signal of n points whose first n // 2 + 1 frequencies are given along an axis."""
    scale = _scale(max(n, 1), norm, True, what)
    _sized(x, axis, n, what)
    x = _sized(_complex(x), axis, n // 2 + 1, what)
    made = _real_backward(x, axis, n) if _for_host(x) else _mirrored(x, axis, n)
    return made if scale == 1.0 else made * scale


# ---- real signals on the CPU: NumPy's transforms of real numbers do half the work. They are linear: the
# derivative is written with the record. Threads share the rows of a large record, which gains more.


def _for_host(x: Tensor) -> bool:
    return x.device.pair == (0, 0) and 0 < x.size < 1 << 19


@functools.cache
def _on_host(inverse: bool, axis: int, n: int) -> Any:
    """One function for equal questions, so that programs are found again; the axis counts from the end."""

    def irfft(x: Any) -> Any:
        return np.fft.irfft(x, n, axis, "forward")

    def rfft(x: Any) -> Any:
        return np.fft.rfft(x, n, axis)

    return irfft if inverse else rfft


def _half(x: Tensor, axis: int) -> Tensor:
    made = _core.apply("fft", (_complex(x),), (0, axis))
    return part(made, axis, 0, x.shape[axis] // 2 + 1)


def _host_call(x: Tensor, inverse: bool, axis: int, n: int, extent: int, kind: dt.DType) -> Tensor:
    f = _on_host(inverse, axis - x.ndim, n)
    shape = (*x.shape[:axis], extent, *x.shape[axis + 1 :])
    return _core.host_call(f, (x,), [(shape, kind.code)], True)[0]


@functools.partial(custom_jvp, nondiff_argnums=(1,))
def _real_forward(x: Tensor, axis: int) -> Tensor:
    n = x.shape[axis]
    kind = dt.complex128 if x.dtype is dt.float64 else dt.complex64
    return _host_call(x, False, axis, n, n // 2 + 1, kind)


@_real_forward.defjvp
def _(axis: int, primals: Any, tangents: Any) -> Any:
    return _real_forward(primals[0], axis), _half(tangents[0], axis)


def _mirrored(x: Tensor, axis: int, n: int) -> Tensor:
    """The real signal whose first n // 2 + 1 frequencies are given: the others mirror them."""
    rest = n - (n // 2 + 1)
    if rest > 0:
        x = concatenate([x, conj(flip(part(x, axis, 1, 1 + rest), axis))], axis=axis)
    return real(_core.apply("fft", (part(x, axis, 0, n),), (1, axis)))


@functools.partial(custom_jvp, nondiff_argnums=(1, 2))
def _real_backward(x: Tensor, axis: int, n: int) -> Tensor:
    return _host_call(x, True, axis, n, n, dt.float64 if x.dtype is dt.complex128 else dt.float32)


@_real_backward.defjvp
def _(axis: int, n: int, primals: Any, tangents: Any) -> Any:
    return _real_backward(primals[0], axis, n), _mirrored(tangents[0], axis, n)


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}

# ---- one axis


def fft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along an axis, cut off or filled up with zeros at n points.

    Args:
        x: float32, float64, complex64 or complex128; integers become float32. The result is complex.
        norm: which direction divides by the number of points: ``"backward"`` the inverse, ``"forward"`` this
            one, ``"ortho"`` each by its root.

    >>> pg.fft.fft(pg.Tensor([1.0, 0.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j), (1+0j), (1+0j)]
    """
    x = _checked(x, "fft")
    at = axis_of(axis, x.ndim, "fft.fft")
    return _apply(x, [at], [x.shape[at] if n is None else n], norm, False, "fft")


def ifft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``fft``.

    >>> pg.fft.ifft(pg.Tensor([4.0, 0.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j), (1+0j), (1+0j)]
    """
    x = _checked(x, "ifft")
    at = axis_of(axis, x.ndim, "fft.ifft")
    return _apply(x, [at], [x.shape[at] if n is None else n], norm, True, "ifft")


def rfft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The first ``n // 2 + 1`` frequencies of real numbers; the others mirror them.

    >>> pg.fft.rfft(pg.Tensor([1.0, 1.0, 1.0, 1.0])).tolist()
    [(4+0j), 0j, 0j]
    """
    x = _checked(x, "rfft", allow_complex=False)
    at = axis_of(axis, x.ndim, "fft.rfft")
    return _real_transform(x, at, x.shape[at] if n is None else n, norm, "rfft")


def irfft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``rfft``: n real numbers, by default ``2 * (m - 1)`` from m frequencies.

    >>> pg.fft.irfft(pg.Tensor([4.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    x = _checked(x, "irfft")
    at = axis_of(axis, x.ndim, "fft.irfft")
    return _real_inverse(x, at, 2 * (x.shape[at] - 1) if n is None else n, norm, "irfft")


def hfft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The real spectrum of a signal that mirrors itself conjugated, of which the first half is given.

    >>> pg.fft.hfft(pg.Tensor([1.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    x = _complex(_checked(x, "hfft"))
    at = axis_of(axis, x.ndim, "fft.hfft")
    size = 2 * (x.shape[at] - 1) if n is None else n
    return _real_inverse(conj(x), at, size, _SWAPPED.get(norm, norm), "hfft")


def ihfft(x: TensorLike, /, n: Size = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``hfft``.

    >>> pg.fft.ihfft(pg.Tensor([1.0, 1.0, 1.0, 1.0])).real.tolist()
    [1.0, 0.0, 0.0]
    """
    x = _checked(x, "ihfft", allow_complex=False)
    return conj(rfft(x, n=n, axis=axis, norm=_SWAPPED.get(norm, norm)))


# ---- several axes


def fftn(x: TensorLike, /, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The Fourier transform over several axes (all by default), with s points each.

    >>> pg.fft.fftn(pg.ones((2, 2))).tolist()
    [[(4+0j), 0j], [0j, 0j]]
    """
    x = _checked(x, "fftn")
    return _apply(x, *_points(x, s, axes, "fftn"), norm, False, "fftn")


def ifftn(x: TensorLike, /, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The inverse of ``fftn``.

    >>> pg.fft.ifftn(pg.ones((2, 2))).tolist()
    [[(1+0j), 0j], [0j, 0j]]
    """
    x = _checked(x, "ifftn")
    return _apply(x, *_points(x, s, axes, "ifftn"), norm, True, "ifftn")


def rfftn(x: TensorLike, /, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The Fourier transform of real numbers over several axes; the mirrored half of the last one is left out.

    >>> pg.fft.rfftn(pg.ones((2, 4))).shape
    (2, 3)
    """
    x = _checked(x, "rfftn", allow_complex=False)
    places, sizes = _points(x, s, axes, "rfftn")
    if not places:
        raise AxisError("fft.rfftn: needs at least one axis")
    x = _real_transform(x, places[-1], sizes[-1], norm, "rfftn")
    return _apply(x, places[:-1], sizes[:-1], norm, False, "rfftn") if places[:-1] else x


def irfftn(x: TensorLike, /, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The inverse of ``rfftn``; s are the points of the real result.

    >>> pg.fft.irfftn(pg.fft.rfftn(pg.ones((2, 4)))).tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    x = _checked(x, "irfftn")
    places, sizes = _points(x, s, axes, "irfftn")
    if not places:
        raise AxisError("fft.irfftn: needs at least one axis")
    last = 2 * (x.shape[places[-1]] - 1) if s is None or s[-1] == -1 else sizes[-1]
    if len(places) > 1:
        x = _apply(x, places[:-1], sizes[:-1], norm, True, "irfftn")
    return _real_inverse(x, places[-1], last, norm, "irfftn")


def fft2(x: TensorLike, /, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``fftn`` over the last two axes.

    >>> pg.fft.fft2(pg.ones((2, 2))).tolist()
    [[(4+0j), 0j], [0j, 0j]]
    """
    return fftn(x, s=s, axes=axes, norm=norm)


def ifft2(x: TensorLike, /, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``ifftn`` over the last two axes.

    >>> pg.fft.ifft2(pg.ones((2, 2))).tolist()
    [[(1+0j), 0j], [0j, 0j]]
    """
    return ifftn(x, s=s, axes=axes, norm=norm)


def rfft2(x: TensorLike, /, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``rfftn`` over the last two axes.

    >>> pg.fft.rfft2(pg.ones((2, 4))).shape
    (2, 3)
    """
    return rfftn(x, s=s, axes=axes, norm=norm)


def irfft2(x: TensorLike, /, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``irfftn`` over the last two axes.

    >>> pg.fft.irfft2(pg.ones((2, 3))).shape
    (2, 4)
    """
    return irfftn(x, s=s, axes=axes, norm=norm)


# ---- frequencies


def _frequency_dtype(n: Any, dtype: Any, what: str) -> dt.DType:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidValueError(f"fft.{what}: n is a positive integer, got {n!r}")
    kind = dt.float32 if dtype is None else dt.as_dtype(dtype)
    if kind.kind != "f":
        raise DTypeError(f"fft.{what}: frequencies are floats, got dtype {kind}")
    return kind


def fftfreq(n: int, /, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of ``fft`` with n points at a distance of d: 0, 1, ..., then the negative ones, over
    ``n * d``.

    >>> pg.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    kind = _frequency_dtype(n, dtype, "fftfreq")
    k = arange(n, device=_device.default_device() if device is None else device)
    k = cast((k + n // 2) % n - n // 2, dt.float64)
    return cast(k / (n * d), kind)


def rfftfreq(n: int, /, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of ``rfft`` with n points at a distance of d.

    >>> pg.fft.rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    kind = _frequency_dtype(n, dtype, "rfftfreq")
    k = arange(n // 2 + 1, device=_device.default_device() if device is None else device)
    return cast(cast(k, dt.float64) / (n * d), kind)


def _shifted(x: TensorLike, axes: Any, what: str, sign: int) -> Tensor:
    x = as_tensor(x)
    given = range(x.ndim) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
    places = [axis_of(a, x.ndim, f"fft.{what}") for a in given]
    by = [x.shape[a] // 2 if sign > 0 else -(x.shape[a] // 2) for a in places]
    return roll(x, by, places) if places else x


def fftshift(x: TensorLike, /, axes: Any = None) -> Tensor:
    """Frequency 0 in the middle of the axes (of all by default).

    >>> pg.fft.fftshift(pg.fft.fftfreq(4)).tolist()
    [-0.5, -0.25, 0.0, 0.25]
    """
    return _shifted(x, axes, "fftshift", 1)


def ifftshift(x: TensorLike, /, axes: Any = None) -> Tensor:
    """The inverse of ``fftshift``.

    >>> pg.fft.ifftshift(pg.Tensor([-0.5, -0.25, 0.0, 0.25])).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    return _shifted(x, axes, "ifftshift", -1)
