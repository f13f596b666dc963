"""Whole training scripts, written for jax, run on the drop-in and end at the losses of jax."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import pg_jax  # noqa: E402
from scripts import SCRIPTS, losses_of_jax  # noqa: E402


@pytest.mark.parametrize("name", SCRIPTS)
def test_losses_are_those_of_jax(name: str) -> None:
    ours, theirs = SCRIPTS[name](pg_jax, pg_jax.jit), losses_of_jax(name)
    assert theirs[-1] < theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
