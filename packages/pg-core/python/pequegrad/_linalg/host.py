"""Factorisations on NumPy arrays, over all leading axes, by ``numpy.linalg``.

Where NumPy's wheel brings its OpenBLAS, the core calls LAPACK in there itself, without arrays and without
the interpreter's lock (``backends/cpu/lapack.cpp``); then the functions here only see what LAPACK refuses,
and say what is wrong with it.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import LinAlgError

Array = np.ndarray[Any, Any]


@functools.cache
def _library() -> str:
    """Where NumPy's OpenBLAS lies; empty where it has none of its own."""
    import glob  # when asked for

    folder = os.path.dirname(os.path.abspath(np.__file__))
    for pattern in ("../numpy.libs/*openblas64_*", ".dylibs/*openblas64_*"):
        for path in sorted(glob.glob(os.path.join(folder, pattern))):
            return path
    return ""


@functools.cache
def _kernel(f: Callable[..., Any]) -> _core.NativeKernel:
    return _core.factorisation(f, f.__name__, _library())


def call(
    f: Callable[..., Any], types: Sequence[tuple[tuple[int, ...], dt.DType]], *operands: Tensor
) -> list[Tensor]:
    """The results of a function of this module, of these shapes and dtypes, as an op."""
    return _core.host_call(_kernel(f), operands, [(shape, kind.code) for shape, kind in types], True)


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


def _hermitian_part(a: Array) -> Array:
    return a.dtype.type(0.5) * (a + a.conj().swapaxes(-1, -2))


def cholesky(a: Array) -> Array:
    """Lower factors of the Hermitian parts; raises LinAlgError for a matrix that is not positive definite."""
    a = _hermitian_part(a)
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
    """Eigenvalues, ascending, and orthonormal eigenvectors of the Hermitian parts."""
    return tuple(_converging("eigh", np.linalg.eigh, _hermitian_part(a)))


def eigvalsh(a: Array) -> Array:
    """Eigenvalues of the Hermitian parts, ascending."""
    return _converging("eigvalsh", np.linalg.eigvalsh, _hermitian_part(a))


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
    packed, pivots = _lu_by_steps(flat)
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
    if (np.diagonal(made[0], axis1=-2, axis2=-1) == 0).any():
        raise _singular("solve", a)
    return made


def _singular(what: str, a: Array) -> LinAlgError:
    which = _first_bad(a, lambda x: (np.diagonal(lu(x)[0]) == 0).any())
    return LinAlgError(f"{what}: {which} is singular; pg.linalg.lstsq or pinv take such matrices")


def solve(a: Array, b: Array) -> Array:
    """x with a x = b, of as many right sides (n, k) as matrices; raises LinAlgError for a singular one."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise _singular("solve", a) from None


def inv(a: Array) -> Array:
    """The inverses; raises LinAlgError for a singular matrix."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        raise _singular("inv", a) from None


def det(a: Array) -> Array:
    """The determinants."""
    return np.asarray(np.linalg.det(a))


def slogdet(a: Array) -> tuple[Array, Array]:
    """Their signs, and the logarithms of their magnitudes."""
    sign, size = np.linalg.slogdet(a)
    return np.asarray(sign), np.asarray(size)


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
