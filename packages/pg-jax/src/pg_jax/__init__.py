"""A JAX-compatible frontend of pequegrad: `import pg_jax as jax; import pg_jax.numpy as jnp`."""

__version__ = "0.1.0"
