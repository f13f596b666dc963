"""GPUs: how many there are, their memory, waiting for them.

>>> import pequegrad as pg
>>> pg.cuda.device_count() >= 0
True
"""

from __future__ import annotations

from typing import Any

from . import _core
from .device import _cuda_index, is_cuda_available, sync_cuda_device
from .errors import InvalidValueError

is_available = is_cuda_available
synchronize = sync_cuda_device


def device_count() -> int:
    """How many GPUs tensors can be placed on; 0 when CUDA cannot be used.

    >>> isinstance(pg.cuda.device_count(), int)
    True
    """
    return _core.cuda_device_count()


def memory_stats(device: Any = 0) -> dict[str, int]:
    """What the allocator of a GPU holds: bytes and number of living buffers, the highest use, bytes kept for
    reuse by the "custom" allocator, and bytes taken from the driver; how many CUDA graphs there are, the
    bytes that they keep for themselves, and how often one was launched. Raises DeviceError without a GPU.

    >>> sorted(pg.cuda.memory_stats()) if pg.cuda.is_available() else []  # doctest: +ELLIPSIS
    [...]
    """
    return _core.cuda_memory_stats(_cuda_index(device))


def reset_peak(device: Any = 0) -> None:
    """Forget the highest use of a GPU's memory so far.

    >>> if pg.cuda.is_available():
    ...     pg.cuda.reset_peak()
    """
    _core.cuda_reset_peak(_cuda_index(device))


def empty_cache(device: Any = 0) -> None:
    """Give memory that is kept for reuse back to the driver.

    >>> if pg.cuda.is_available():
    ...     pg.cuda.empty_cache()
    """
    _core.cuda_empty_cache(_cuda_index(device))


def set_allocator(name: str) -> str:
    """Choose what serves this thread's tensors on GPUs: "default", the driver's stream-ordered pool, or
    "custom", a cache of our own. Returns the name set before.

    >>> pg.cuda.set_allocator("custom")
    'default'
    >>> pg.cuda.set_allocator("default")
    'custom'
    """
    if name not in ("default", "custom"):
        raise InvalidValueError(f"set_allocator: the allocators are 'default' and 'custom', got {name!r}")
    return _core.cuda_set_allocator(name)


def set_float32_precision(name: str) -> str:
    """Choose how matrix products and convolutions of float32 run on GPUs: "highest" (the default) multiplies
    float32 as it is, "high" lets tensor cores round factors to TF32, 11 bits, and is several times faster
    where a GPU has them. For all threads, from the next product on; complex64 likewise. Returns the name set
    before.

    >>> pg.cuda.set_float32_precision("high")
    'highest'
    >>> pg.cuda.set_float32_precision("highest")
    'high'
    """
    if name not in ("highest", "high"):
        raise InvalidValueError(
            f"set_float32_precision: the precisions are 'highest' and 'high', got {name!r}"
        )
    return "high" if _core.cuda_allow_tf32(name == "high") else "highest"


def set_graphs(name: str) -> str:
    """Choose when the work of a jitted function is recorded as a CUDA graph and replayed by one request:
    "automatic", where its kernels are many and short; "always", wherever that is possible; "never". Returns
    the name set before. Results are the same. What ``pg.jit(f).explain(...)`` prints says what was done.

    >>> pg.cuda.set_graphs("never")
    'automatic'
    >>> pg.cuda.set_graphs("automatic")
    'never'
    """
    if name not in ("automatic", "always", "never"):
        raise InvalidValueError(
            f"set_graphs: the choices are 'automatic', 'always' and 'never', got {name!r}"
        )
    return _core.cuda_set_graphs(name)


def report() -> dict[str, Any]:
    """What was found: ``driver`` (its CUDA version, such as 12080, or 0), ``devices``, ``libraries`` (each
    with path, or why there is none), and ``missing``: empty when CUDA can be used.

    >>> sorted(pg.cuda.report())
    ['devices', 'driver', 'libraries', 'missing']
    """
    return _core.cuda_report()
