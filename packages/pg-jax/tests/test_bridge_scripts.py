"""Whole training scripts through the bridge end at the losses of jax."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from pg_jax import bridge  # noqa: E402
from scripts import SCRIPTS, losses_of_jax  # noqa: E402


@pytest.mark.parametrize("name", SCRIPTS)
def test_losses_are_those_of_jax(name: str) -> None:
    bridge.reset_stats()
    ours = SCRIPTS[name](jax, bridge.jit)
    assert bridge.stats()["traces"] == 1 and not bridge.stats()["fallback"]
    theirs = losses_of_jax(name)
    assert theirs[-1] < theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
