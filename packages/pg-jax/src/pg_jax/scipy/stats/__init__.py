"""``jax.scipy.stats``: distributions."""

from . import norm

__all__ = ["norm"]
