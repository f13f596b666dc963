"""Looking inside: what runs, what lives, which libraries are used."""

from __future__ import annotations

from typing import Any

from . import _core
from .errors import InvalidValueError
from .nans import set_debug_nans as set_debug_nans


def launches() -> int:
    """How many kernels and library calls have run so far in this process.

    >>> before = pg.debug.launches()
    >>> _ = (pg.ones(3) + 1).eval()
    >>> pg.debug.launches() > before
    True
    """
    return _core.launches()


def live_nodes() -> int:
    """How many graph nodes are alive.

    >>> pg.debug.live_nodes() >= 0
    True
    """
    return _core.live_nodes()


def live_buffers() -> int:
    """How many buffers are alive.

    >>> pg.debug.live_buffers() >= 0
    True
    """
    return _core.live_buffers()


def memory() -> dict[str, int]:
    """What the allocator holds: live, cached and peak bytes, and the limit.

    >>> sorted(pg.debug.memory())
    ['cached_bytes', 'held_bytes', 'limit_bytes', 'live_buffers', 'live_bytes', 'peak_bytes']
    """
    return _core.memory_stats()


def set_memory_limit(size: int) -> None:
    """Set how many bytes tensors may take; 0 restores the default. What does not fit raises OutOfMemoryError.

    >>> pg.debug.set_memory_limit(2**30)
    >>> pg.debug.memory()["limit_bytes"] == 2**30
    True
    >>> pg.debug.set_memory_limit(0)
    """
    if not isinstance(size, int) or size < 0:
        raise InvalidValueError(f"set_memory_limit: needs a number of bytes, got {size!r}")
    _core.set_memory_limit(size)


def num_threads() -> int:
    """How many threads kernels use.

    >>> pg.debug.num_threads() >= 1
    True
    """
    return _core.num_threads()


def set_num_threads(n: int) -> None:
    """Set how many threads kernels use; 0 restores the default. Results do not depend on it.

    >>> pg.debug.set_num_threads(0)
    """
    _core.set_num_threads(n)


def counters() -> dict[str, Any]:
    """What the engine did so far: kernels, library calls, programs run and built.

    >>> "kernels" in pg.debug.counters()
    True
    """
    return _core.counters()


def libraries() -> dict[str, Any]:
    """Who computes matrix products and convolutions: calls served by oneDNN and by pequegrad's own kernels,
    and why oneDNN is not used ("" when it is).

    >>> sorted(pg.debug.libraries())
    ['fallback', 'onednn', 'onednn_status']
    """
    return {**_core.library_calls(), "onednn_status": _core.onednn_status()}


def generated() -> dict[str, Any]:
    """Kernels with generated code so far: compiled, loaded from the disk, equal to one known; and why none
    can be generated ("" when it can).

    >>> sorted(pg.debug.generated())
    ['compiled', 'loaded', 'reason', 'shared']
    """
    return _core.codegen_status()


def environment() -> str:
    """The environment switches, one line each.

    >>> "PG_NUM_THREADS" in pg.debug.environment()
    True
    """
    return _core.env_help()
