"""``pg_jax.config``: the switches of JAX that mean something here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pequegrad as pg

_TRUE = {"1", "true", "yes", "on", "y", "t"}

# What each switch is at the start. Those that only steer XLA or processes are kept, and have no effect.
_DEFAULTS: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_disable_jit": False,
    "jax_numpy_rank_promotion": "allow",
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_matmul_precision": None,
    "jax_platforms": None,
    "jax_platform_name": "",
    "jax_threefry_partitionable": True,
    "jax_default_prng_impl": "threefry2x32",
    "jax_log_compiles": False,
    "jax_check_tracer_leaks": False,
    "jax_default_device": None,
    "jax_compilation_cache_dir": None,
    "jax_enable_custom_prng": False,
    "jax_traceback_filtering": "auto",
    "jax_debug_key_reuse": False,
    "jax_persistent_cache_min_compile_time_secs": 1.0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
    "jax_transfer_guard": None,
}


def _from_environment(name: str, default: Any) -> Any:
    for key in ("PG_" + name.upper(), name.upper()):
        text = os.environ.get(key)
        if text is not None:
            return text.lower() in _TRUE if isinstance(default, bool) else text
    return default


class Config:
    """Attributes are switches; ``update(name, value)`` changes one.

    >>> import pg_jax as jax
    >>> jax.config.jax_enable_x64
    False
    """

    x64: bool
    values: dict[str, Any]

    def __init__(self) -> None:
        values = {name: _from_environment(name, default) for name, default in _DEFAULTS.items()}
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "x64", values["jax_enable_x64"])

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"unrecognized config option: {name}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(name, value)

    def update(self, name: str, value: Any) -> None:
        """Change a switch.

        >>> import pg_jax as jax, pg_jax.numpy as jnp
        >>> jax.config.update("jax_enable_x64", True)
        >>> str(jnp.arange(3.0).dtype)
        'float64'
        >>> jax.config.update("jax_enable_x64", False)
        """
        if name not in self.values:
            raise AttributeError(f"unrecognized config option: {name}")
        self.values[name] = value
        if name == "jax_enable_x64":
            object.__setattr__(self, "x64", bool(value))
            from ._jit import clear_caches

            clear_caches()  # programs hold the dtypes of numbers
        elif name in ("jax_debug_nans", "jax_debug_infs"):
            infs = self.values["jax_debug_infs"]
            pg.debug.set_debug_nans(bool(infs or self.values["jax_debug_nans"]), bool(infs))
        elif name == "jax_numpy_rank_promotion" and value != "allow":
            warnings.warn("pg_jax always allows rank promotion", stacklevel=2)


config = Config()


@contextmanager
def switched(name: str, value: Any) -> Iterator[None]:
    """The switch has another value inside of a ``with`` block."""
    before = config.values[name]
    config.update(name, value)
    try:
        yield
    finally:
        config.update(name, before)
