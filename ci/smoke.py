"""Tries an installed pequegrad and pg_nn, from a folder that is no checkout."""

from __future__ import annotations

import time
from importlib import metadata

import numpy as np

start = time.perf_counter()
import pequegrad as pg  # noqa: E402

took = time.perf_counter() - start
import pg_nn as nn  # noqa: E402

assert "site-packages" in (pg.__file__ or ""), pg.__file__

x = pg.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
assert (x * 2 + 1).numpy().tolist() == [[1, 3, 5], [7, 9, 11]]
assert pg.grad(lambda v: (v * v).sum())(x).numpy().tolist() == [[0, 2, 4], [6, 8, 10]]
assert pg.jit(lambda v: pg.permute(v, (1, 0)).sum(1))(x).numpy().tolist() == [3, 5, 7]

layer = nn.Linear(3, 4)
assert layer(x).shape == (2, 4)

print(
    f"pg-core {metadata.version('pg-core')}, pg-nn {metadata.version('pg-nn')}, numpy {np.__version__}:",
    f"works; import pequegrad after numpy took {took * 1e3:.0f} ms",
)
