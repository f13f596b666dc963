"""The drop-in gives what jax gives: values, dtypes, weak types, shapes, and errors."""

from __future__ import annotations

import functools
import importlib
import warnings
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("jax.flatten_util")
pytest.importorskip("jax.scipy.stats")

import pg_jax  # noqa: E402
from frontend_rows import OPERANDS, ROWS  # noqa: E402

# Where values may differ by more than rounding: inverse matrices and what is made of them.
LOOSE = {"pinv": 1e-4, "svd": 1e-4, "inv(": 1e-4, "lstsq": 1e-4, "det": 1e-4, "eig": 1e-4}


@functools.cache
def _names(module: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"jax": module, "jnp": module.numpy, "lax": module.lax, "np": np}
    for library in ("stax", "optimizers"):
        given[library] = importlib.import_module(f"{module.__name__}.example_libraries.{library}")
    exec(OPERANDS, given)
    return given


def outcome(module: Any, row: str) -> Any:
    """What a row gives: leaves with their types, or the classes of the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "value", [_leaf(x) for x in module.tree.leaves(eval(row, dict(_names(module))))]
        except Exception as error:
            return "error", error


def _leaf(x: Any) -> Any:
    if hasattr(x, "weak_type") and hasattr(x, "dtype") and hasattr(x, "devices"):
        if str(x.dtype).startswith("key"):
            return "key", x.shape
        return str(x.dtype), bool(x.weak_type), x.shape, np.asarray(x)
    return x.name if isinstance(x, np.dtype) else x


def check(row: str) -> None:
    """Both modules, side by side."""
    (kind, theirs), (own_kind, ours) = outcome(jax, row), outcome(pg_jax, row)
    assert own_kind == kind, f"jax: {theirs!r}\npg_jax: {ours!r}"
    if kind == "error":
        names = {c.__name__ for c in type(ours).__mro__}
        assert type(theirs).__name__ in names, f"jax: {theirs!r}\npg_jax: {ours!r}"
        return
    assert len(ours) == len(theirs), f"jax: {theirs}\npg_jax: {ours}"
    for a, b in zip(ours, theirs, strict=True):
        _same(row, a, b)


def _same(row: str, a: Any, b: Any) -> None:
    if not isinstance(b, tuple) or len(b) != 4:
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype and a.shape == b.shape
        elif not isinstance(b, (int, float, str, bool, complex)):
            assert str(a) == str(b)
        else:
            assert a == b
        return
    assert isinstance(a, tuple), f"jax: {b}\npg_jax: {a}"
    assert a[:3] == b[:3], f"dtype, weak type, shape: jax {b[:3]}, pg_jax {a[:3]}"
    if a[3].dtype.kind in "biu":
        np.testing.assert_array_equal(a[3], b[3])
        return
    loose = next((tol for word, tol in LOOSE.items() if word in row), 2e-6)
    if a[3].dtype.itemsize == 2:
        loose = 2e-2
    wide = np.complex128 if a[3].dtype.kind == "c" else np.float64
    np.testing.assert_allclose(a[3].astype(wide), b[3].astype(wide), rtol=loose, atol=loose)


# jax compiles every row: a run takes each fourth, and a slice of the others.
CASES = [
    pytest.param(*case, marks=() if i % 4 == 0 else pytest.mark.exhaustive) for i, case in enumerate(ROWS)
]


@pytest.mark.parametrize(("family", "row"), CASES)
def test_row(family: str, row: str) -> None:
    check(row)
