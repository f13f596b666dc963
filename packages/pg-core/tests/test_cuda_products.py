"""Products of matrices on a GPU, real or emulated, against NumPy: every form of labels, every dtype."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

rng = np.random.default_rng(0)

TOLERANCE = {
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "float32": 1e-5,
    "float64": 1e-12,
    "complex64": 1e-5,
    "complex128": 1e-12,
}
DTYPES = [*TOLERANCE, "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

EXTENTS = {"a": 3, "b": 5, "c": 4, "d": 2, "i": 7, "j": 6, "k": 9, "z": 1}
FORMS = [
    "ij,jk->ik",
    "ij,jk->ki",
    "ji,jk->ik",
    "ij,kj->ik",
    "ji,kj->ki",
    "i,i->",
    "ij,j->i",
    "j,jk->k",
    "i,j->ij",
    "i,j->ji",
    "aij,ajk->aik",
    "ija,jka->aik",
    "ija,jka->ika",
    "iaj,jka->kai",
    "aij,jk->aik",
    "ij,ajk->aik",
    "abij,abjk->abik",
    "abij,abkj->baki",
    "iajb,kajb->abik",
    "bqhd,bkhd->bhqk".replace("q", "i").replace("h", "c"),
    "bhqk,bkhd->bqhd".replace("q", "i").replace("h", "c"),
    "aibj,jbk->iak",
    "ajbi,bjk->iak",
    "iab,bajk->ijk",
    "ia,jb->iajb",
    "ia,jb->ijab",
    "ai,ai->a",
    "ia,ia->a",
    "ai,ai->ai",
    "izj,zjk->izk",
    "aci,acj->ijca",
    "abcd,bdij->iacj",
]


def labels(form: str) -> tuple[list[list[int]], list[str]]:
    terms = form.replace("->", ",").split(",")
    names = sorted(set("".join(terms)))
    return [[names.index(n) for n in term] for term in terms], terms


def contract(form: str, a: Any, b: Any) -> Any:
    (la, lb, lc), _ = labels(form)
    return pg._core.apply("dot_general", (a, b), (len(la), len(lb), len(lc), *la, *lb, *lc))


def filled(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if "int" in dtype:
        return rng.integers(0, 100, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if "complex" in dtype else x


def check(form: str, a: np.ndarray, b: np.ndarray, dtype: str, gpu: str, tolerance: float = 0) -> None:
    on_cpu = [pg.Tensor(x, dtype=dtype) for x in (a, b)]
    got = contract(form, *[x.to(gpu) for x in on_cpu])
    assert got.device == gpu and got.dtype is on_cpu[0].dtype
    exact = [
        x.astype("float64").numpy() if dtype in ("float16", "bfloat16", "float32") else x.numpy()
        for x in on_cpu
    ]
    wanted = np.einsum(form, *exact)
    tolerance = tolerance or TOLERANCE.get(dtype, 0)
    result = got.astype("float64").numpy() if dtype in ("float16", "bfloat16") else got.numpy()
    scale = np.abs(wanted).max(initial=1.0)
    np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_labels(form: str, gpu: str) -> None:
    _, (a, b, _) = labels(form)
    x, y = (filled(tuple(EXTENTS[n] for n in term), "float32") for term in (a, b))
    check(form, x, y, "float32", gpu)
    check(form, np.round(10 * x), np.round(10 * y), "int32", gpu)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, gpu: str) -> None:
    for form in ("ij,jk->ik", "ija,kja->aki", "i,i->"):
        _, (a, b, _) = labels(form)
        x, y = (filled(tuple(EXTENTS[n] for n in term), dtype) for term in (a, b))
        check(form, x, y, dtype, gpu)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int32"])
def test_no_elements(dtype: str, gpu: str) -> None:
    for m, n, k, batch in itertools.product((0, 2), repeat=4):
        x, y = np.ones((batch, m, k)), np.ones((batch, k, n))
        got = pg.Tensor(x, dtype=dtype, device=gpu) @ pg.Tensor(y, dtype=dtype, device=gpu)
        np.testing.assert_array_equal(got.numpy(), (x @ y).astype(dtype))


def test_vectors_broadcast_batches_and_numbers(gpu: str) -> None:
    shapes = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 1, 2, 3), (7, 3, 4)), ((2, 3), (6, 3, 1))]
    for a, b in shapes:
        x, y = rng.random(a), rng.random(b)
        got = pg.Tensor(x, device=gpu) @ pg.Tensor(y, device=gpu)
        np.testing.assert_allclose(got.numpy(), x @ y, rtol=1e-12)
    with pytest.raises(pg.UnsupportedError, match="products of bool are not implemented on a GPU"):
        x = pg.ones((2, 2), device=gpu) > 0
        contract("ij,jk->ik", x, x).eval()


def test_slices_lie_anywhere(gpu: str) -> None:
    """Rows of a scan's operand begin at any multiple of 4 bytes: what is chosen must not rely on more."""
    x = rng.random((4, 3, 3)).astype(np.float32)

    def powers(x: Any) -> Any:
        return pg.scan(lambda c, m: (c @ m, m @ m), x[0], x)

    wanted, got = powers(pg.Tensor(x)), powers(pg.Tensor(x, device=gpu))
    for w, g in zip(wanted, got, strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-5)


def test_derivatives(gpu: str) -> None:
    x, w, v = (rng.standard_normal(s).astype(np.float32) for s in ((4, 8, 5), (5, 6), (6, 3)))

    def loss(w: Any, v: Any, x: Any) -> Any:
        return (pg.tanh(x @ w) @ v).sum() / 10

    step = pg.jit(lambda w, v, x: (loss(w, v, x), *pg.grad(loss, (0, 1))(w, v, x)))
    wanted = step(*[pg.Tensor(t) for t in (w, v, x)])
    for g, c in zip(step(*[pg.Tensor(t, device=gpu) for t in (w, v, x)]), wanted, strict=True):
        np.testing.assert_allclose(g.numpy(), c.numpy(), rtol=1e-4, atol=1e-5)
    many = pg.vmap(lambda w: loss(w, pg.Tensor(v, device=gpu), pg.Tensor(x, device=gpu)))
    assert many(pg.Tensor(np.stack([w, w]), device=gpu)).shape == (2,)


ADDED = {
    "bias": ("ij,jk->ik", lambda y, b, r: y + b, 0),
    "bias on the left": ("ij,jk->ik", lambda y, b, r: b + y, 0),
    "bias of rows that lie last": ("ij,jk->ki", lambda y, b, r: y + b, 0),
    "bias of a batch": ("aij,ajk->aik", lambda y, b, r: y + b, 0),
    "bias of copied operands": ("ija,jka->ika", lambda y, b, r: y + b, 0),
    "bias of several axes": ("ij,jkb->ikb", lambda y, b, r: y + b, 0),
    "bias of a vector": ("ij,j->i", lambda y, b, r: y + b, 0),
    "array": ("ij,jk->ik", lambda y, b, r: y + r, 0),
    "array of a batch": ("abij,abjk->baik", lambda y, b, r: r + y, 0),
    "array of copied operands": ("ija,jka->ika", lambda y, b, r: y + r, 0),
    "below a view": ("ij,jk->ik", lambda y, b, r: (y + b).reshape((-1,)), 0),
    "bias of other axes": ("ij,jk->ik", lambda y, b, r: y + r[:, :1], 1),
    "read by a kernel": ("ij,jk->ik", lambda y, b, r: pg.tanh(y + b), 1),
    "product needed twice": ("ij,jk->ik", lambda y, b, r: (y + b, y), 1),
    "addend of a kernel": ("ij,jk->ik", lambda y, b, r: y + pg.exp(r), 1),
}


@pytest.mark.parametrize("form", ADDED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_added_on_the_way(form: str, dtype: str, gpu: str) -> None:
    dot, add, kernels = ADDED[form]
    _, (a, b, c) = labels(dot)
    shape = tuple(EXTENTS[n] for n in c)
    x, y, bias, array = (
        pg.Tensor(rng.standard_normal(s), dtype=dtype)
        for s in (tuple(EXTENTS[n] for n in a), tuple(EXTENTS[n] for n in b), shape[-1:], shape)
    )
    f = pg.jit(lambda x, y, bias, array: add(contract(dot, x, y), bias, array))
    operands = [t.to(gpu) for t in (x, y, bias, array)]
    plan = f.explain(*operands)
    if dtype == "float32":
        assert len(plan.kernels) == kernels, str(plan)
    wanted, got = (pg.pytree.leaves(f(*ts)) for ts in ((x, y, bias, array), operands))
    for w, g in zip(wanted, got, strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])


def test_added_to_sums_of_nothing_and_rounded_in_halves(gpu: str) -> None:
    f = pg.jit(lambda x, y, b: x @ y + b)
    x, y, b = pg.ones((3, 0), device=gpu), pg.ones((0, 4), device=gpu), pg.arange(4.0, device=gpu)
    np.testing.assert_array_equal(f(x, y, b).numpy(), np.tile(np.arange(4.0), (3, 1)))
    halves = [pg.Tensor(rng.standard_normal(s), dtype="float16", device=gpu) for s in ((5, 9), (9, 4), (4,))]
    assert len(f.explain(*halves).kernels) == 1  # every op rounds
    np.testing.assert_array_equal(f(*halves).numpy(), (halves[0] @ halves[1]).numpy() + halves[2].numpy())


def test_biases_lie_anywhere(gpu: str) -> None:
    x, w, biases = rng.random((4, 3, 5)), rng.random((5, 3)), rng.random((4, 3))

    def f(x: Any, w: Any, biases: Any) -> Any:
        return pg.scan(lambda c, at: (c, at[0] @ w + at[1]), w[0], (x, biases))[1]

    got = pg.jit(f)(*[pg.Tensor(t, dtype="float32", device=gpu) for t in (x, w, biases)])
    np.testing.assert_allclose(got.numpy(), x @ w + biases[:, None], rtol=1e-5)


def test_tf32_is_asked_for(gpu: str) -> None:
    x, y = (rng.standard_normal(s).astype(np.float32) for s in ((40, 64), (64, 30)))
    exact = x.astype(np.float64) @ y

    def error() -> float:
        got = pg.Tensor(x, device=gpu) @ pg.Tensor(y, device=gpu)
        return float(np.abs(got.numpy() - exact).max())

    assert error() < 2e-5
    assert pg.cuda.set_float32_precision("high") == "highest"
    try:
        assert 5e-5 < error() < 5e-2
    finally:
        assert pg.cuda.set_float32_precision("highest") == "high"
    assert error() < 2e-5
    with pytest.raises(ValueError, match="'highest' and 'high'"):
        pg.cuda.set_float32_precision("low")


def test_without_the_library(gpu: str) -> None:
    program = (
        "import pequegrad as pg\n"
        "x = pg.ones((2, 2), device='cuda')\n"
        "assert (x + x).tolist() == [[2, 2], [2, 2]]\n"
        "try:\n    (x @ x).eval()\n"
        "except pg.DeviceError as error:\n    assert 'PG_LIBCUBLASLT' in str(error), error\n"
        "else:\n    raise AssertionError\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PG_LIBCUBLASLT": "/nonexistent/libcublasLt.so"},
    )
    assert done.returncode == 0, done.stderr
