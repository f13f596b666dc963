"""The linear algebra of the array API standard, strictly.

>>> from pequegrad import array_api as xp
>>> xp.linalg.trace(xp.eye(3)).item()
3.0
"""

from inspect import signature as _signature

import pequegrad.linalg as _linalg

from ._strict import strict as _strict

_UNARY = _signature(lambda x, /: None)
_BINARY = _signature(lambda x1, x2, /: None)
_ALONG = _signature(lambda x1, x2, /, *, axis=-1: None)
_CUTOFF = _signature(lambda x, /, *, rtol=None: None)

_SIGNATURES = {
    "cholesky": _signature(lambda x, /, *, upper=False: None),
    "cross": _ALONG,
    "det": _UNARY,
    "diagonal": _signature(lambda x, /, *, offset=0: None),
    "eigh": _UNARY,
    "eigvalsh": _UNARY,
    "inv": _UNARY,
    "matmul": _BINARY,
    "matrix_norm": _signature(lambda x, /, *, keepdims=False, ord="fro": None),
    "matrix_power": _signature(lambda x, n, /: None),
    "matrix_rank": _CUTOFF,
    "matrix_transpose": _UNARY,
    "outer": _BINARY,
    "pinv": _CUTOFF,
    "qr": _signature(lambda x, /, *, mode="reduced": None),
    "slogdet": _UNARY,
    "solve": _BINARY,
    "svd": _signature(lambda x, /, *, full_matrices=True: None),
    "svdvals": _UNARY,
    "tensordot": _signature(lambda x1, x2, /, *, axes=2: None),
    "trace": _signature(lambda x, /, *, offset=0, dtype=None: None),
    "vecdot": _ALONG,
    "vector_norm": _signature(lambda x, /, *, axis=None, keepdims=False, ord=2: None),
}

__all__ = sorted(name for name in _SIGNATURES if hasattr(_linalg, name))

for _name in __all__:
    globals()[_name] = _strict(getattr(_linalg, _name), _SIGNATURES[_name])
