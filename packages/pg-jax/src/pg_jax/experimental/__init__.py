"""``jax.experimental``: what of it is here."""

from .._callbacks import io_callback as io_callback
