"""The Fourier transforms of the array API standard, strictly.

>>> from pequegrad import array_api as xp
>>> xp.fft.irfft(xp.fft.rfft(xp.ones(4))).tolist()
[1.0, 1.0, 1.0, 1.0]
"""

from inspect import signature as _signature

import pequegrad.fft as _fft

from ._strict import strict as _strict

_ONE = _signature(lambda x, /, *, n=None, axis=-1, norm="backward": None)
_SEVERAL = _signature(lambda x, /, *, s=None, axes=None, norm="backward": None)
_FREQUENCIES = _signature(lambda n, /, *, d=1.0, dtype=None, device=None: None)
_SHIFT = _signature(lambda x, /, *, axes=None: None)

fft = _strict(_fft.fft, _ONE)
ifft = _strict(_fft.ifft, _ONE)
rfft = _strict(_fft.rfft, _ONE)
irfft = _strict(_fft.irfft, _ONE)
hfft = _strict(_fft.hfft, _ONE)
ihfft = _strict(_fft.ihfft, _ONE)
fftn = _strict(_fft.fftn, _SEVERAL)
ifftn = _strict(_fft.ifftn, _SEVERAL)
rfftn = _strict(_fft.rfftn, _SEVERAL)
irfftn = _strict(_fft.irfftn, _SEVERAL)
fftfreq = _strict(_fft.fftfreq, _FREQUENCIES)
rfftfreq = _strict(_fft.rfftfreq, _FREQUENCIES)
fftshift = _strict(_fft.fftshift, _SHIFT)
ifftshift = _strict(_fft.ifftshift, _SHIFT)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
