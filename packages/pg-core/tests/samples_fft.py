"""Rows of Fourier transforms."""

from __future__ import annotations

import numpy as np
import pequegrad as pg
from rows import ALL, COMPLEX, INTS, A, Row, S

EXACT = ("float32", "float64", *COMPLEX)
_SIGNALS = [
    S(A(6)),
    S(A(2, 5)),
    S(A(6), n=4),
    S(A(2, 5), n=7, axis=0),
    S(A(6), norm="ortho"),
    S(A(5), norm="forward"),
]
_FIELDS = [S(A(4, 6)), S(A(2, 3, 5)), S(A(4, 6), s=(3, 7)), S(A(4, 6), norm="ortho")]
_fft = {"out": "any", "dtypes": (*EXACT, *INTS, "bool"), "tolerance": 32}
_real = {**_fft, "dtypes": ("float32", "float64", *INTS, "bool")}
ROWS = [
    *[
        Row(f"fft.{name}", samples, getattr(np.fft, name), call=getattr(pg.fft, name), **options)
        for names, samples, options in (
            (("fft", "ifft", "irfft", "hfft"), _SIGNALS, _fft),
            (("rfft", "ihfft"), _SIGNALS, _real),
            (("fft2", "ifft2", "irfft2", "fftn", "ifftn", "irfftn"), _FIELDS, _fft),
            (("rfft2", "rfftn"), _FIELDS, _real),
        )
        for name in names
    ],
    *[
        Row(f"fft.{name}", [S(A(5)), S(A(4, 3)), S(A(4, 3), 0)], getattr(np.fft, name), call=getattr(pg.fft, name), dtypes=ALL)
        for name in ("fftshift", "ifftshift")
    ],
]  # fmt: skip
