"""``jax.example_libraries``: small networks and optimizers of JAX's first examples."""
