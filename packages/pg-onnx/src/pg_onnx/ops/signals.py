"""Fourier transforms and the windows in front of them. Complex numbers are a last axis of two."""

from __future__ import annotations

import math

import numpy as np
import pequegrad as pg
from pequegrad import Tensor
from pequegrad.dt import DType

from ..errors import InvalidModelError
from .registry import Host, Ints, op
from .shaping import axis_of


def _complex(x: Tensor) -> Tensor:
    if x.shape[-1] not in (1, 2):
        raise InvalidModelError(f"the last axis of {tuple(x.shape)} is neither 1 (real) nor 2 (complex)")
    return pg.complex(x[..., 0], x[..., 1] if x.shape[-1] == 2 else pg.zeros_like(x[..., 0]))


def _pairs(z: Tensor, dtype: DType) -> Tensor:
    return pg.stack([pg.real(z), pg.imag(z)], -1).astype(dtype)


def _dft(x: Tensor, length: Ints | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    at = axis_of(axis, x.ndim)
    if at == x.ndim - 1:
        raise InvalidModelError("the last axis holds the parts of complex numbers")
    wide = x.astype(pg.float32) if x.dtype.itemsize == 2 else x
    n = None if length is None else length[0]
    if inverse and onesided:
        return pg.expand_dims(pg.fft.irfft(_complex(wide), n, at), -1).astype(x.dtype)
    if onesided:
        if x.shape[-1] == 2:
            raise InvalidModelError("the transform of complex numbers has two sides")
        return _pairs(pg.fft.rfft(wide[..., 0], n, at), x.dtype)
    function = pg.fft.ifft if inverse else pg.fft.fft
    return _pairs(function(_complex(wide), n, at), x.dtype)


@op("DFT", 20)
def dft(
    x: Tensor,
    length: Ints | None = None,
    axis: Ints | None = None,
    *,
    inverse: bool = False,
    onesided: bool = False,
) -> Tensor:
    return _dft(x, length, -2 if axis is None else axis[0], inverse, onesided)


@op("DFT", 17)
def dft_17(
    x: Tensor, length: Ints | None = None, *, axis: int = 1, inverse: bool = False, onesided: bool = False
) -> Tensor:
    return _dft(x, length, axis, inverse, onesided)


@op("STFT", 17)
def stft(
    x: Tensor, step: Ints, window: Tensor | None = None, length: Ints | None = None, *, onesided: bool = True
) -> Tensor:
    """The transforms of windows that move over the signals [batch, time, 1 or 2]."""
    n = length[0] if length is not None else window.shape[0] if window is not None else x.shape[1]
    count = (x.shape[1] - n) // step[0] + 1
    if count < 1 or step[0] < 1:
        raise InvalidModelError(f"frames of {n} at steps of {step[0]} do not fit {x.shape[1]} samples")
    places = np.arange(count)[:, None] * step[0] + np.arange(n)
    signal = x if x.ndim == 3 else pg.expand_dims(x, -1)
    frames = pg.take(signal, places, 1)
    if window is not None:
        frames = frames * pg.reshape(window, (1, 1, -1, 1))
    return _dft(frames, None, 2, False, onesided)


# ---- windows


def _window(name: str, terms: tuple[float, ...]) -> None:
    """Sums of cosines."""

    def compute(size: Ints, *, output_datatype: DType = pg.float32, periodic: bool = True) -> Tensor:
        n = size[0]
        angle = 2 * math.pi * np.arange(n) / max(n if periodic else n - 1, 1)
        values = sum(a * np.cos(k * angle) for k, a in enumerate(terms))
        return pg.Tensor(np.asarray(values)).astype(output_datatype)

    op(name, 17)(compute)


_window("HannWindow", (0.5, -0.5))
_window("HammingWindow", (25 / 46, -21 / 46))
_window("BlackmanWindow", (0.42, -0.5, 0.08))


@op("MelWeightMatrix", 17)
def mel_weight_matrix(
    bins: Ints, length: Ints, rate: Ints, low: Host, high: Host, *, output_datatype: DType = pg.float32
) -> Tensor:
    """Triangles over the frequencies of a spectrum, their corners evenly spread on the mel scale."""
    bottom, top = (2595 * math.log10(1 + float(f.item()) / 700) for f in (low, high))
    count = bins[0] + 2
    mels = np.arange(count) * ((top - bottom) / count) + bottom
    corners = ((length[0] + 1) * (700 * (10 ** (mels / 2595) - 1)) // rate[0]).astype(np.int64)
    made = np.zeros((length[0] // 2 + 1, bins[0]))
    place = np.arange(made.shape[0])
    for i in range(bins[0]):
        a, b, c = corners[i : i + 3]
        if b == a:
            made[b, i] = 1.0
        else:
            rising = (place >= a) & (place <= b)
            made[rising, i] = (place[rising] - a) / (b - a)
        falling = (place >= b) & (place < c)
        made[falling, i] = (c - place[falling]) / max(c - b, 1)
    return pg.Tensor(made).astype(output_datatype)
