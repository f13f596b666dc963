"""GPUs: how many there are, their memory, waiting for them.

>>> import pequegrad as pg
>>> pg.cuda.device_count() >= 0
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, dt
from .device import _cuda_index, is_cuda_available, sync_cuda_device
from .device import cuda as _cuda
from .errors import ArgumentError, DeviceError, InvalidValueError, UnsupportedError

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


class Stream:
    """A stream of work on a GPU. ``Stream()`` is the one on which pequegrad queues all its work on a device;
    ``Stream(handle=...)`` is one of another library, by the number that the driver gave it. ``cuda_stream``
    is that number, and ``__cuda_stream__`` the protocol of cuda-python.

    >>> if pg.cuda.is_available():
    ...     pg.cuda.current_stream().synchronize()
    """

    def __init__(self, device: Any = 0, handle: int | None = None) -> None:
        self.device = _cuda(_cuda_index(device))
        self.cuda_stream: int = _core.cuda_stream(self.device.index) if handle is None else handle

    def synchronize(self) -> None:
        """Wait for what was queued."""
        _core.cuda_stream_synchronize(self.device.index, self.cuda_stream)

    def query(self) -> bool:
        """Whether everything is done that was queued."""
        return _core.cuda_stream_query(self.device.index, self.cuda_stream)

    def record_event(self, event: Event | None = None) -> Event:
        """Mark what was queued so far."""
        made = Event(device=self.device) if event is None else event
        made.record(self)
        return made

    def wait_event(self, event: Event) -> None:
        """Let work that is queued from now on come after the event."""
        event.wait(self)

    def wait_stream(self, other: Stream) -> None:
        """Let work that is queued from now on come after what the other stream holds now."""
        self.wait_event(other.record_event())

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.cuda_stream

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.device, self.cuda_stream) == (
            other.device,
            other.cuda_stream,
        )

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"Stream(device='{self.device}', handle={self.cuda_stream:#x})"


class Event:
    """A mark in a stream: to wait for, to ask, and, with ``enable_timing=True``, to measure between two.
    Values that nobody has asked for are not queued yet: ``.eval()`` queues them.

    >>> if pg.cuda.is_available():
    ...     event = pg.cuda.current_stream().record_event()
    ...     event.synchronize()
    """

    def __init__(self, enable_timing: bool = False, device: Any = 0) -> None:
        self._index = _cuda_index(device)
        self._handle = _core.cuda_event(self._index, enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Mark what was queued on a stream so far; by default on pequegrad's own."""
        where = Stream(self._index) if stream is None else stream
        _core.cuda_event_record(self._index, self._handle, where.cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Let work that is queued on a stream from now on come after this."""
        where = Stream(self._index) if stream is None else stream
        _core.cuda_stream_wait(where.device.index, where.cuda_stream, self._handle)

    def query(self) -> bool:
        """Whether what it marks has been done."""
        return _core.cuda_event_query(self._index, self._handle)

    def synchronize(self) -> None:
        """Wait for what it marks."""
        _core.cuda_event_synchronize(self._index, self._handle)

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds on the device between this and a later event; both need ``enable_timing=True`` and
        must have been reached.
        """
        return _core.cuda_event_elapsed(self._index, self._handle, end._handle)

    def __del__(self) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            _core.cuda_event_destroy(self._index, handle)


def current_stream(device: Any = 0) -> Stream:
    """The stream on which all work on a GPU is queued, whichever thread asks. Raises DeviceError without one.

    >>> if pg.cuda.is_available():
    ...     assert pg.cuda.current_stream() == pg.cuda.Stream()
    """
    return Stream(device)


def from_array_interface(x: Any) -> _core.Tensor:
    """A tensor over the device memory of another library's array, of any object with
    ``__cuda_array_interface__`` (versions 2 and 3). Nothing is copied, and the object is kept. Our work comes
    after that of the stream which the object names. DeviceError for memory that is no GPU's, UnsupportedError
    for an array that is not row-major.

    >>> if pg.cuda.is_available():
    ...     x = pg.ones(3, device="cuda")
    ...     assert pg.cuda.from_array_interface(x).tolist() == [1.0, 1.0, 1.0]
    """
    about = getattr(x, "__cuda_array_interface__", None)
    if about is None:
        raise ArgumentError(
            f"from_array_interface needs an object with __cuda_array_interface__, got {type(x).__name__}"
        )
    name, shape, strides = np.dtype(about["typestr"]), tuple(about["shape"]), about.get("strides")
    if about.get("mask") is not None:
        raise UnsupportedError("from_array_interface: masked arrays have no counterpart here")
    step = name.itemsize
    for size, stride in zip(reversed(shape), reversed(strides or ())):
        if size > 1 and stride != step:
            raise UnsupportedError(
                "from_array_interface: the array is not row-major; make it contiguous first"
            )
        step *= size
    if not name.isnative:
        raise UnsupportedError("from_array_interface: the array's bytes are in the other order")
    missing = _core.cuda_missing()
    if missing:
        raise DeviceError(f"from_array_interface: {missing}")
    kind = dt.as_dtype(name)
    return _core.cuda_borrow(x, about["data"][0], list(shape), kind.code, about.get("stream"))
