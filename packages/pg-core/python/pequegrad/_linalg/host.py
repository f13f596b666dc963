"""Factorisations on NumPy arrays, over all leading axes: through LAPACK by ``numpy.linalg``, and for LU
through the OpenBLAS that NumPy's wheels bring, where it is found.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
from typing import Any

import numpy as np

from ..errors import LinAlgError

Array = np.ndarray[Any, Any]


def _first_bad(a: Array, fails: Any) -> str:
    """Which matrix of a batch it is, in words."""
    for index in np.ndindex(a.shape[:-2]):
        if fails(a[index]):
            return f"matrix {list(index)} of the batch" if index else "the matrix"
    return "a matrix"


def _fails(f: Any, a: Array) -> bool:
    try:
        f(a)
    except np.linalg.LinAlgError:
        return True
    return False


def cholesky(a: Array) -> Array:
    """Lower factors; raises LinAlgError for a matrix that is not positive definite."""
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        which = _first_bad(a, functools.partial(_fails, np.linalg.cholesky))
        raise LinAlgError(
            f"cholesky: {which} is not positive definite; add a multiple of the identity?"
        ) from None


def _converging(what: str, f: Any, a: Array) -> Any:
    try:
        return f(a)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"{what}: {_first_bad(a, functools.partial(_fails, f))} did not converge; does it hold a NaN or "
            "an infinity?"
        ) from None


def eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and orthonormal eigenvectors; the lower triangle is read."""
    return tuple(_converging("eigh", np.linalg.eigh, a))


def eigvalsh(a: Array) -> Array:
    """Eigenvalues of Hermitian matrices, ascending."""
    return _converging("eigvalsh", np.linalg.eigvalsh, a)


def eig(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and normalised eigenvectors, always complex."""
    kind = np.result_type(a.dtype, np.complex64)
    values, vectors = _converging("eig", np.linalg.eig, a)
    return values.astype(kind), vectors.astype(kind)


def eigvals(a: Array) -> Array:
    """Eigenvalues, always complex."""
    values = _converging("eigvals", np.linalg.eigvals, a)
    return values.astype(np.result_type(a.dtype, np.complex64))


def _svd(a: Array, full: bool) -> tuple[Array, Array, Array]:
    return tuple(_converging("svd", functools.partial(np.linalg.svd, full_matrices=full), a))


def svd_full(a: Array) -> tuple[Array, Array, Array]:
    """U, s, V^H with square U and V."""
    return _svd(a, True)


def svd_reduced(a: Array) -> tuple[Array, Array, Array]:
    """U, s, V^H with as many columns as singular values."""
    return _svd(a, False)


def svdvals(a: Array) -> Array:
    """Singular values, descending."""
    return _converging("svdvals", functools.partial(np.linalg.svd, compute_uv=False), a)


def qr_reduced(a: Array) -> tuple[Array, Array]:
    """Q with orthonormal columns and upper R."""
    q, r = np.linalg.qr(a, "reduced")
    return q, r


def qr_complete(a: Array) -> tuple[Array, Array]:
    """Square Q and R of the shape of a."""
    q, r = np.linalg.qr(a, "complete")
    return q, r


def adjugate(a: Array) -> Array:
    """det(a) times the inverse, which singular matrices have too: by the singular values, not divided."""
    u, s, vh = np.linalg.svd(a)
    n = a.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    made = (vh.conj().swapaxes(-1, -2) * others[..., None, :]) @ u.conj().swapaxes(-1, -2)
    return (made * phase[..., None, None]).astype(a.dtype, copy=False)


# ---- LU


def lu(a: Array) -> tuple[Array, Array, Array]:
    """L and U in one matrix, the rows exchanged step by step (int32), and the permutation that follows."""
    m, n = a.shape[-2:]
    lead = a.shape[:-2]
    flat = a.reshape(math.prod(lead), m, n)
    small = max(m, n) <= 8 and len(flat) > 8
    routine = None if small else _getrf(a.dtype.char)
    packed, pivots = _lu_by_steps(flat) if routine is None else _lu_by_lapack(flat, routine)
    perm = np.broadcast_to(np.arange(m), (len(flat), m)).copy()
    rows = np.arange(len(flat))
    for j in range(min(m, n)):
        other = pivots[:, j]
        perm[rows, j], perm[rows, other] = perm[rows, other], perm[rows, j]
    return (
        packed.reshape(a.shape),
        pivots.reshape(*lead, min(m, n)).astype(np.int32),
        perm.reshape(*lead, m),
    )


def lu_nonsingular(a: Array) -> tuple[Array, Array, Array]:
    """The same of square matrices; raises LinAlgError for a singular one."""
    made = lu(a)
    zero = (np.diagonal(made[0], axis1=-2, axis2=-1) == 0).any(-1)
    if zero.any():
        index = [int(i) for i in np.argwhere(zero)[0]]
        which = f"matrix {index} of the batch" if index else "the matrix"
        raise LinAlgError(f"solve: {which} is singular; pg.linalg.lstsq or pinv take such matrices")
    return made


def _lu_by_steps(a: Array) -> tuple[Array, Array]:
    """Gaussian elimination with row exchanges, all matrices of a batch at once."""
    lu = a.copy()
    count, m, n = lu.shape
    steps = min(m, n)
    pivots = np.zeros((count, steps), np.int64)
    all_of = np.arange(count)
    with np.errstate(all="ignore"):
        for j in range(steps):
            column = lu[:, j:, j]
            at = (np.abs(column.real) + np.abs(column.imag)).argmax(1) + j  # LAPACK's measure
            pivots[:, j] = at
            lu[all_of, j], lu[all_of, at] = lu[all_of, at], lu[all_of, j]
            pivot = lu[:, j, j, None]
            lu[:, j + 1 :, j] /= np.where(pivot == 0, 1, pivot)
            lu[:, j + 1 :, j + 1 :] -= lu[:, j + 1 :, j, None] * lu[:, j, None, j + 1 :]
    return lu, pivots


def _lu_by_lapack(a: Array, routine: Any) -> tuple[Array, Array]:
    count, m, n = a.shape
    columns = np.ascontiguousarray(a.swapaxes(-1, -2))  # LAPACK's order
    pivots = np.zeros((count, min(m, n)), np.int64)
    size = a.itemsize
    rows, width, info = ctypes.c_int64(m), ctypes.c_int64(n), ctypes.c_int64()
    lead = ctypes.c_int64(max(1, m))
    refs = [ctypes.byref(x) for x in (rows, width, lead, info)]
    for i in range(count if m and n else 0):
        routine(
            refs[0],
            refs[1],
            ctypes.c_void_p(columns.ctypes.data + i * m * n * size),
            refs[2],
            ctypes.c_void_p(pivots.ctypes.data + i * pivots.shape[1] * 8),
            refs[3],
        )
    return np.ascontiguousarray(columns.swapaxes(-1, -2)), pivots - 1


@functools.cache
def _getrf(char: str) -> Any:
    """LAPACK's getrf for a NumPy type character, or None: it is in the OpenBLAS of NumPy's own wheels."""
    import glob  # rarely needed

    prefix = {"f": "s", "d": "d", "F": "c", "D": "z"}[char]
    folder = os.path.dirname(os.path.abspath(np.__file__))
    for pattern in ("../numpy.libs/*openblas64_*", ".dylibs/*openblas64_*"):
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            try:
                found = getattr(ctypes.CDLL(path), f"scipy_{prefix}getrf_64_")
            except (OSError, AttributeError):
                continue
            found.restype = None
            return found
    return None


def permutation(pivots: Array) -> Array:
    """The order of rows that exchanges, step by step, lead to."""
    n = pivots.shape[-1]
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), n)
    perm = np.broadcast_to(np.arange(n), flat.shape).copy()
    at = np.arange(len(flat))
    for j in range(n):
        other = flat[:, j]
        perm[at, j], perm[at, other] = perm[at, other], perm[at, j]
    return perm.reshape(pivots.shape)
