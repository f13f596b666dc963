"""Every primitive of the table, through the bridge: values, dtypes, shapes and weak types are those of jax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import bridge_programs  # noqa: E402, F401
from bridge_cases import CASES, Case  # noqa: E402
from pg_jax import _primitives, bridge  # noqa: E402

EPS = {"float16": 1e-3, "bfloat16": 1e-2, "float32": 3e-7, "complex64": 3e-7}


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    ours_flat, ours_tree = jax.tree.flatten(ours)
    theirs_flat, theirs_tree = jax.tree.flatten(theirs)
    assert ours_tree == theirs_tree
    for x, y in zip(ours_flat, theirs_flat, strict=True):
        assert (x.shape, x.dtype, x.weak_type) == (y.shape, y.dtype, y.weak_type)
        a, b = np.asarray(x), np.asarray(y)
        eps = EPS.get(x.dtype.name)
        if eps is None:
            np.testing.assert_array_equal(a, b)
        else:
            wide = np.complex128 if x.dtype.kind == "c" else np.float64
            a, b = a.astype(wide), b.astype(wide)
            size = max(1.0, float(np.max(np.abs(b), where=np.isfinite(b), initial=0.0)))
            np.testing.assert_allclose(
                a, b, rtol=2 * eps * tolerance, atol=eps * tolerance * min(size, 100.0)
            )


def gradient(case: Case) -> Any:
    """The gradient of a weighted sum by all floating arguments."""
    wrt = tuple(
        i
        for i, x in enumerate(case.args)
        if jax.numpy.issubdtype(jax.numpy.asarray(x).dtype, jax.numpy.floating)
    )

    def total(*args: Any) -> Any:
        leaves = [
            x for x in jax.tree.leaves(case.f(*args)) if jax.numpy.issubdtype(x.dtype, jax.numpy.floating)
        ]
        return sum(
            (jax.numpy.cos(jax.numpy.arange(x.size, dtype=x.dtype)).reshape(x.shape) * x).sum()
            for x in leaves
        )

    probe = jax.eval_shape(case.f, *case.args)
    floating = any(jax.numpy.issubdtype(x.dtype, jax.numpy.floating) for x in jax.tree.leaves(probe))
    return jax.grad(total, wrt) if wrt and floating else None


def _variant(case: Case) -> bool:
    """Whether the name says that it is another form of a case: of other dtypes, or under a transform."""
    return any(word in case.name for word in (" of ", " to ", " under ", " with ", "old key"))


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[pytest.mark.exhaustive] if _variant(c) else []) for c in CASES],
)
def test_values(case: Case) -> None:
    same(bridge.jit(case.f)(*case.args), jax.jit(case.f)(*case.args), case.tolerance)


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", [c for c in CASES if c.grad], ids=[c.name for c in CASES if c.grad])
def test_gradients(case: Case) -> None:
    f = gradient(case)
    if f is not None:
        same(bridge.jit(f)(*case.args), jax.jit(f)(*case.args), 4 * case.tolerance)


# What jax's public functions do not lead to, or only on other platforms.
UNUSED = {"sharding_constraint"}


def test_every_primitive_is_used() -> None:
    used = set()
    for case in CASES:
        for f in (case.f, gradient(case) if case.grad else None):
            if f is not None:
                jaxpr = jax.make_jaxpr(f)(*case.args).jaxpr
                used |= {_primitives.canonical(e.primitive.name) for e in bridge._rules.equations(jaxpr)}
    missing = set(_primitives.table) - used - UNUSED
    assert not missing, f"no case uses {sorted(missing)}"
