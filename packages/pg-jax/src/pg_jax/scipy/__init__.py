"""``jax.scipy``: special functions, distributions, linear algebra."""

from . import linalg, special, stats

__all__ = ["linalg", "special", "stats"]
