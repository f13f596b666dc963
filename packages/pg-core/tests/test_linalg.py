"""Linear algebra: factorisations multiply back, special matrices, errors with their line, derivatives of
vectors, jit, vmap, large and empty ones.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pequegrad as pg
import pytest
from op_samples import ROWS

la = pg.linalg
KINDS = ("float32", "float64", "complex64", "complex128")
EPS = {"float32": 1e-4, "float64": 1e-11, "complex64": 1e-4, "complex128": 1e-11}


def test_every_function_has_a_row() -> None:
    names = {row.name.removeprefix("linalg.").removeprefix("fft.") for row in ROWS}
    assert not set(la.__all__) - names - {"vecdot", "vector_norm"}
    assert not set(pg.fft.__all__) - names - {"fftfreq", "rfftfreq"}  # these are in test_fft.py
    lacking = [
        name
        for module in (la, pg.fft)
        for name in module.__all__
        if ">>>" not in getattr(module, name).__doc__
    ]
    assert not lacking


def matrices(*shape: int, kind: str = "float64", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if "complex" in kind else x).astype(kind)


def close(got: Any, want: Any, kind: str = "float64") -> None:
    got = got.numpy() if isinstance(got, pg.Tensor) else got
    np.testing.assert_allclose(
        got, want, rtol=EPS[kind], atol=EPS[kind] * max(1.0, float(np.abs(want).max(initial=0)))
    )


def adjoint(x: Any) -> Any:
    return pg.conj(x.mT) if x.dtype.kind == "c" else x.mT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape", [(3, 3), (5, 3), (3, 5), (2, 4, 4), (2, 1, 6, 4), (20, 20), (150, 130), (30, 6, 6)]
)
def test_factors_multiply_back(kind: str, shape: tuple[int, ...]) -> None:
    a = matrices(*shape, kind=kind)
    t = pg.Tensor(a)
    p, low, up = la.lu(t)
    close(p @ low @ up, a, kind)
    for mode in ("reduced", "complete"):
        q, r = la.qr(t, mode=mode)
        close(q @ r, a, kind)
        close(adjoint(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], *[q.shape[-1]] * 2)), kind)
    close(pg.abs(la.qr(t, mode="r")), np.abs(r.numpy()[..., : min(shape[-2:]), :]), kind)
    for full in (True, False):
        u, s, vh = la.svd(t, full_matrices=full)
        k = min(shape[-2:])
        close((u[..., :k] * s[..., None, :].astype(kind)) @ vh[..., :k, :], a, kind)
    close(la.pinv(la.pinv(t)), a, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_eigenvectors(kind: str) -> None:
    a = matrices(2, 5, 5, kind=kind)
    t = pg.Tensor(a)
    w, v = la.eig(t)
    close(t.astype(v.dtype) @ v, v.numpy() * w.numpy()[..., None, :], kind)
    close(la.eigvals(t), w.numpy(), kind)
    h = t + adjoint(t)
    w, v = la.eigh(h)
    assert w.dtype.kind == "f"
    close(h @ v, v.numpy() * w.numpy()[..., None, :], kind)


def test_what_lapack_computes_is_what_numpy_does() -> None:
    """The core calls LAPACK itself where NumPy's wheel brings one; NumPy takes its place elsewhere."""
    from pequegrad._linalg import host

    def both(name: str, *arrays: np.ndarray) -> None:
        f = getattr(host, name)
        expected = f(*arrays)
        expected = expected if isinstance(expected, tuple) else (expected,)
        types = [(x.shape, getattr(pg, x.dtype.name)) for x in expected]
        made = host.call(f, types, *(pg.Tensor(a) for a in arrays))
        tolerance = 2e-3 if arrays[0].dtype.name in ("float32", "complex64") else 1e-9
        for ours, theirs in zip(made, expected, strict=True):
            if name[:2] in ("qr", "sv") or name == "eigh":  # free to differ in sign or phase
                ours, theirs = abs(ours.numpy()), abs(theirs)
            np.testing.assert_allclose(
                ours if isinstance(ours, np.ndarray) else ours.numpy(), theirs, tolerance, tolerance
            )

    for kind in KINDS:
        for shape in ((6, 6), (3, 5, 5), (40, 3, 3), (1, 90, 90), (0, 4, 4), (2, 0, 0)):
            a = matrices(*shape, kind=kind)
            spread = a + (3 * np.arange(shape[-1]) * np.eye(shape[-1])).astype(kind)
            safe = (
                spread @ spread.conj().swapaxes(-1, -2) / shape[-1] + np.eye(shape[-1], dtype=kind)
                if shape[-1]
                else a
            )
            for name in ("lu", "lu_nonsingular", "inv", "slogdet", *(["det"] if shape[-1] < 9 else [])):
                both(name, spread)
            for name in ("cholesky", "eigh", "eigvalsh", "svdvals"):
                both(name, safe)
            for k in (1, 4):
                both("solve", spread, matrices(*shape[:-1], k, kind=kind))
        for shape in ((7, 4), (2, 4, 7), (30, 5, 2)):
            a = matrices(*shape, kind=kind)
            for name in ("lu", "svdvals", "svd_reduced", "qr_reduced", "qr_complete"):
                both(name, a)


def test_permutations_follow_from_pivots() -> None:
    from pequegrad._linalg import host

    _, pivots, perm = host.lu(matrices(2, 7, 7, kind="float64"))
    np.testing.assert_array_equal(host.permutation(pivots), perm)


# ---- singular and other special matrices


def test_a_singular_matrix_raises_when_it_is_computed_and_names_the_line() -> None:
    with pytest.raises(pg.LinAlgError, match="inv: the matrix is singular"):
        la.inv(pg.ones((2, 2))).eval()
    with pytest.raises(np.linalg.LinAlgError, match="matrix \\[1\\] of the batch"):
        la.solve(pg.stack([pg.eye(2), pg.zeros((2, 2))]), pg.ones(2)).eval()
    f = pg.jit(lambda a: la.solve(a, pg.ones(2)))
    with pytest.raises(pg.LinAlgError, match=r"test_linalg\.py:\d+ in <lambda>"):
        f(pg.ones((2, 2)))
    with pytest.raises(pg.LinAlgError, match=r"test_linalg\.py:\d+ in test_a_singular"):
        la.cholesky(-pg.eye(2)).eval()


def test_determinants_of_singular_matrices() -> None:
    for a in (
        np.ones((3, 3)),
        np.diag([1.0, 2.0, 0.0]),
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
    ):
        t = pg.Tensor(a)
        assert abs(la.det(t).item()) < 1e-12
        cofactors = [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
            for i in range(3)
        ]
        close(pg.grad(la.det)(t), np.array(cofactors))
    sign, size = la.slogdet(pg.ones((2, 2)))
    assert sign.item() == 0.0 and size.item() == -np.inf


def test_empty_matrices() -> None:
    assert la.det(pg.zeros((0, 0))).item() == 1.0
    assert la.inv(pg.zeros((2, 0, 0))).shape == (2, 0, 0)
    assert la.solve(pg.zeros((0, 0)), pg.zeros((0, 3))).shape == (0, 3)
    assert la.svdvals(pg.zeros((0, 3))).shape == (0,)
    assert la.pinv(pg.zeros((0, 3))).shape == (3, 0)
    assert la.matrix_exp(pg.zeros((0, 0))).shape == (0, 0)
    assert la.qr(pg.zeros((3, 0))).Q.shape == (3, 0)
    assert la.eigh(pg.zeros((4, 0, 0))).eigenvalues.shape == (4, 0)
    assert la.inv(pg.zeros((0, 2, 2))).shape == (0, 2, 2)
    assert la.matrix_rank(pg.zeros((3, 4))).item() == 0


def test_gradients_at_equal_eigenvalues_stay_finite() -> None:
    # trace(x^3) written over eigenvalues and vectors does not depend on how these are chosen.
    def f(x: Any) -> Any:
        w, v = la.eigh(x)
        return ((v * w[..., None, :] ** 3) @ v.mT).sum()

    slope = pg.grad(f)(pg.eye(3, dtype="float64") * 2.0)
    assert np.isfinite(slope.numpy()).all()
    pg.check_grads(lambda x: la.eigvalsh(x).sum(), [pg.eye(3, dtype="float64")], order=1)
    slope = pg.grad(lambda x: la.svdvals(x).sum())(pg.eye(3, dtype="float64"))
    close(slope, np.eye(3))


# ---- derivatives


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize(
    ("name", "f"),
    {
        "cholesky": lambda x: la.cholesky(x @ adjoint(x) + pg.eye(3, dtype=x.dtype)),
        "lu": lambda x: list(la.lu(x)[1:]),
        "qr": lambda x: list(la.qr(x)),
        "solve": lambda x: la.solve(x, x @ x),
        "det": la.det,
        "slogdet": lambda x: list(la.slogdet(x)),
        "inv": la.inv,
        "pinv": lambda x: la.pinv(x[:, :2]),
        "matrix_exp": lambda x: la.matrix_exp(x),
        "eigvalsh": lambda x: la.eigvalsh(x),
        "svdvals": lambda x: la.svdvals(x[:2]),
        "lstsq": lambda x: la.lstsq(x[:, :2], x[:, 2]).solution,
    }.items(),
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_second_derivatives(kind: str, name: str, f: Any) -> None:
    a = matrices(3, 3, kind=kind, seed=3) + 3 * np.eye(3)
    if kind == "complex128":  # the real and the imaginary part as real inputs and outputs
        parts = lambda y: [
            z
            for w in pg.pytree.leaves(y)
            for z in ((pg.real(w), pg.imag(w)) if w.dtype.kind == "c" else (w,))
        ]
        g = lambda re, im: parts(f(pg.complex(re, im)))
        pg.check_grads(g, [pg.Tensor(a.real), pg.Tensor(a.imag)], order=2, rtol=1e-5)
    else:
        pg.check_grads(f, [pg.Tensor(a)], order=2, rtol=1e-5)


def test_derivatives_of_vectors() -> None:
    a = pg.Tensor(matrices(4, 4, seed=1))
    c = pg.Tensor(matrices(4, 4, seed=2))

    def projected(x: Any) -> Any:  # onto the first two vectors: no sign is left
        v = la.eigh(x).eigenvectors[:, :2]
        return v @ v.mT * c

    pg.check_grads(projected, [a], order=2, rtol=1e-5)

    def ranges(x: Any) -> Any:
        u, s, vh = la.svd(x, full_matrices=False)
        return (u[:, :2] * s[:2]) @ vh[:2]

    pg.check_grads(ranges, [a], order=2, rtol=1e-5)
    pg.check_grads(ranges, [a[:, :3]], order=2, rtol=1e-5)
    pg.check_grads(ranges, [a[:3]], order=2, rtol=1e-5)
    pg.check_grads(lambda x: list(la.qr(x)), [a[:, :3]], order=2, rtol=1e-5)
    pg.check_grads(lambda x: list(la.qr(x)), [a[:3]], order=2, rtol=1e-5)


def test_eigenvectors_of_general_matrices_keep_their_scale_along_a_change() -> None:
    a = matrices(4, 4, seed=5)

    def f(x: Any) -> Any:
        w, v = la.eig(x)
        return [pg.real(w), pg.imag(w), pg.real(v), pg.imag(v)]

    pg.check_grads(f, [pg.Tensor(a)], order=1, rtol=1e-5)


def test_what_has_no_derivative_says_so() -> None:
    x = pg.Tensor(matrices(3, 2))
    for f in (lambda x: la.qr(x, mode="complete").Q.sum(), lambda x: la.svd(x).U.sum()):
        assert f(x).shape == ()
        with pytest.raises(pg.DifferentiationError, match="arbitrary"):
            pg.grad(f)(x)


# ---- triangular systems


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 5, 63, 64, 129, 200])
def test_triangular_systems_of_every_form(kind: str, n: int) -> None:
    a = matrices(n, n, kind=kind) / n + 2 * np.eye(n, dtype=kind)
    b = matrices(n, 3, kind=kind, seed=1)
    for lower in (True, False):
        for unit in (True, False):
            m = np.tril(a) if lower else np.triu(a)
            if unit:
                m = m - np.diag(np.diag(m)) + np.eye(n, dtype=kind)
            for transpose in (False, True):
                for conjugate in (False, True):
                    op = m.T if transpose else m
                    op = op.conj() if conjugate else op
                    options = {
                        "lower": lower,
                        "unit_diagonal": unit,
                        "transpose_a": transpose,
                        "conjugate_a": conjugate,
                    }
                    x = la.triangular_solve(pg.Tensor(a), pg.Tensor(b), **options)
                    close(op @ x.numpy(), b, kind)
                    y = la.triangular_solve(pg.Tensor(a), pg.Tensor(b).mT, left_side=False, **options)
                    close(y.numpy() @ op, b.T, kind)


def test_derivatives_of_triangular_systems() -> None:
    a, b = pg.Tensor(matrices(2, 4, 4) + 4 * np.eye(4)), pg.Tensor(matrices(2, 4, 3, seed=1))
    for lower in (True, False):
        for unit in (True, False):
            for transpose in (True, False):
                f = functools.partial(
                    la.triangular_solve, lower=lower, unit_diagonal=unit, transpose_a=transpose
                )
                pg.check_grads(f, [a, b], order=2)
    pg.check_grads(lambda a, b: la.triangular_solve(a, b, left_side=False, lower=True), [a, b.mT], order=2)


# ---- jit, vmap, many threads


def test_jit_and_explain() -> None:
    f = pg.jit(lambda a, b: la.solve(a, b).sum())
    a, b = pg.Tensor(matrices(3, 3)), pg.Tensor(matrices(3, 2))
    close(f(a, b), np.linalg.solve(a.numpy(), b.numpy()).sum())
    calls = " ".join(map(str, f.explain(a, b).library_calls))
    assert "solve" in calls
    g = pg.jit(pg.grad(lambda a: la.slogdet(a).logabsdet))
    close(g(a), np.linalg.inv(a.numpy()).T)


@pytest.mark.parametrize(
    "f", [la.cholesky, la.inv, la.svdvals, la.det, la.eigvalsh, lambda x: la.qr(x).R, la.matrix_exp]
)
def test_vmap_is_the_batch(f: Any) -> None:
    x = matrices(4, 3, 3)
    t = pg.Tensor(x @ x.swapaxes(-1, -2) + np.eye(3))
    close(pg.vmap(f)(t), f(t).numpy())
    close(pg.vmap(pg.grad(lambda x: (f(x) ** 2).sum()))(t), pg.grad(lambda x: (f(x) ** 2).sum())(t).numpy())


def test_matrix_exp_of_large_and_small_norms() -> None:
    scipy = pytest.importorskip("scipy.linalg")
    for scale in (1e-8, 1e-2, 1.0, 10.0, 100.0):
        a = matrices(3, 4, 4, seed=7) * scale
        a = (a - a.swapaxes(-1, -2)) if scale > 1 else a
        want = scipy.expm(a)
        close(la.matrix_exp(pg.Tensor(a)), want)
    np.testing.assert_allclose(
        la.matrix_exp(pg.Tensor([[0.0, 1000.0], [-1000.0, 0.0]], "float64")).numpy(),
        [[np.cos(1000), np.sin(1000)], [-np.sin(1000), np.cos(1000)]],
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: la.inv(pg.ones((2, 3))), pg.ShapeError),
        (lambda: la.inv(pg.ones(3)), pg.ShapeError),
        (lambda: la.inv(pg.ones((2, 2), "float16")), pg.DTypeError),
        (lambda: la.cholesky(pg.ones((2, 2), "bfloat16")), pg.DTypeError),
        (lambda: la.solve(pg.ones((2, 2)), pg.ones(3)), pg.ShapeError),
        (lambda: la.solve(pg.ones((3, 2, 2)), pg.ones((2, 2, 1))), pg.ShapeError),
        (lambda: la.solve(pg.ones((2, 2)), pg.ones(())), pg.ShapeError),
        (lambda: la.qr(pg.ones((2, 2)), mode="all"), pg.InvalidValueError),
        (lambda: la.matrix_norm(pg.ones((2, 2)), ord=3), pg.InvalidValueError),
        (lambda: la.norm(pg.ones((2, 2, 2)), 1), pg.ShapeError),
        (lambda: la.norm(pg.ones((2, 2, 2)), None, (0, 1, 2)), pg.AxisError),
        (lambda: la.norm(pg.ones(2), "fro", 0), pg.InvalidValueError),
        (lambda: la.multi_dot([pg.ones((2, 2))]), pg.InvalidValueError),
        (lambda: la.multi_dot([pg.ones((2, 2)), pg.ones((2, 2, 2))]), pg.ShapeError),
        (lambda: la.lstsq(pg.ones((3, 2)), pg.ones(2)), pg.ShapeError),
        (lambda: la.tensorinv(pg.ones((2, 3)), 1), pg.ShapeError),
        (lambda: la.solve_triangular(pg.eye(2), pg.ones(2), trans=3), pg.InvalidValueError),
        (lambda: la.triangular_solve(pg.eye(2), pg.ones((3, 1))), pg.ShapeError),
        (lambda: la.svdvals(pg.full((2, 2), float("nan"))).eval(), pg.LinAlgError),
    ],
)
def test_refusals(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
