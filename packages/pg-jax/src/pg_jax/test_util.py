"""``jax.test_util``: checking derivatives by differences."""

from __future__ import annotations

from typing import Any

import pequegrad as pg

from ._flat import Flat, Leaves


def check_grads(
    f: Any,
    args: Any,
    order: int,
    modes: Any = ("fwd", "rev"),
    atol: Any = None,
    rtol: Any = None,
    eps: Any = None,
) -> None:
    """Compare derivatives up to an order with differences; raises AssertionError where they part.

    >>> import pg_jax.numpy as jnp
    >>> from pg_jax.test_util import check_grads
    >>> check_grads(jnp.sin, (0.5,), order=1)
    """
    leaves = Leaves((tuple(args), {}), "check_grads")
    flat = Flat(f, leaves)
    pg.check_grads(
        lambda *xs: tuple(flat(list(xs))), tuple(leaves.tensors), order, modes, rtol=rtol, atol=atol, step=eps
    )
