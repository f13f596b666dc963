"""Transforms take functions, not arrays: they have no rows, and are tested in files of their own."""

from __future__ import annotations

from rows import Row

ROWS: list[Row] = []
ELSEWHERE = {
    "test_vmap.py": {"vmap"},
    "test_jacobians.py": {
        "fnhessian",
        "fnhvp",
        "fnjacobian",
        "fnvhp",
        "hessian",
        "jacfwd",
        "jacrev",
        "linearize",
    },
    "test_jet.py": {"jet", "taylor_expand"},
}
