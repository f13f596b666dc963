"""Devices: where tensors live. Any device can be named; placing data on CUDA needs a GPU and pequegrad's
CUDA extra.

>>> import pequegrad as pg
>>> pg.device.cuda(0), pg.device.cpu()
(device('cuda:0'), device('cpu'))
"""

from __future__ import annotations

from typing import Any

from . import _core
from .errors import DeviceError


class Device:
    """A device, by kind and index.

    >>> import pequegrad as pg
    >>> pg.device.as_device("cuda:1") == pg.device.cuda(1), str(pg.device.cuda(1))
    (True, 'cuda:1')
    """

    __slots__ = ("index", "kind")
    kind: str
    index: int

    def __init__(self, kind: str, index: int = 0) -> None:
        if kind not in ("cpu", "cuda"):
            raise DeviceError(f"unknown device kind {kind!r}; the kinds are 'cpu' and 'cuda'")
        if not 0 <= index <= 255 or (kind == "cpu" and index):
            raise DeviceError(f"no device {kind}:{index}; a cpu has index 0, cuda 0 to 255")
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "index", index)

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("a Device is immutable")

    def __repr__(self) -> str:
        return f"device('{self}')"

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"{self.kind}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other in (str(self), self.kind if self.index == 0 else None)
        return isinstance(other, Device) and (self.kind, self.index) == (other.kind, other.index)

    def __hash__(self) -> int:
        return hash((self.kind, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.kind, self.index)

    @property
    def pair(self) -> tuple[int, int]:
        """The device as the core spells it."""
        return (0 if self.kind == "cpu" else 1, self.index)


_cpu = Device("cpu")
_default = _cpu


def cpu() -> Device:
    """The CPU.

    >>> import pequegrad as pg
    >>> pg.device.cpu()
    device('cpu')
    """
    return _cpu


def cuda(index: int = 0) -> Device:
    """A CUDA device. Naming it needs no GPU.

    >>> import pequegrad as pg
    >>> pg.device.cuda(1)
    device('cuda:1')
    """
    return Device("cuda", index)


def as_device(spec: Any) -> Device:
    """The device named by a Device or a string such as ``"cpu"``, ``"cuda"``, ``"cuda:1"``; None is the
    default device.

    >>> import pequegrad as pg
    >>> pg.device.as_device("cuda")
    device('cuda:0')
    """
    if spec is None:
        return _default
    if isinstance(spec, Device):
        return spec
    if isinstance(spec, str):
        kind, colon, index = spec.partition(":")
        if kind in ("cpu", "cuda") and (not colon or index.isdigit()):
            return Device(kind, int(index or 0))
    raise DeviceError(f"unknown device {spec!r}; write 'cpu', 'cuda', 'cuda:1' or pg.device.cuda(0)")


def placement(spec: Any) -> tuple[int, int]:
    """The device on which new data shall be placed, as the core spells it; raises when it is not there."""
    device = as_device(spec)
    if device.kind == "cuda":
        missing = _core.cuda_missing()
        if missing:
            raise DeviceError(f"cannot place data on {device}: {missing}; use device='cpu'")
        _core.cuda_require(device.index)
    return device.pair


def set_default_device(spec: Any) -> Device:
    """Set where new tensors are placed when no device is given; returns the device set before.

    >>> import pequegrad as pg
    >>> pg.set_default_device("cpu")
    device('cpu')
    """
    global _default
    before, wanted = _default, as_device(spec)
    placement(wanted)
    _default = wanted
    return before


def default_device() -> Device:
    """Where new tensors are placed when no device is given.

    >>> import pequegrad as pg
    >>> pg.device.default_device()
    device('cpu')
    """
    return _default


def is_cuda_available() -> bool:
    """Whether tensors can be placed on a GPU.

    >>> import pequegrad as pg
    >>> pg.device.is_cuda_available() in (True, False)
    True
    """
    return not _core.cuda_missing()


def sync_cuda_device(device: Any = None) -> None:
    """Wait until the work queued on a CUDA device is done; without a GPU there is none, and this returns at
    once.

    >>> import pequegrad as pg
    >>> pg.sync_cuda_device()
    """
    if _core.cuda_missing():
        if device is not None:
            as_device(device)
        return
    _core.cuda_synchronize(-1 if device is None else _cuda_index(device))


def _cuda_index(spec: Any) -> int:
    """The number of a GPU: of an integer, a Device or its name."""
    device = cuda(spec) if isinstance(spec, int) else as_device(spec)
    if device.kind != "cuda":
        raise DeviceError(f"{device} is no GPU; name one, such as 'cuda:0'")
    return device.index


_instances: dict[tuple[int, int], Device] = {(0, 0): _cpu}


def from_pair(kind: int, index: int) -> Device:
    """The Device of a pair from the core."""
    found = _instances.get((kind, index))
    if found is None:
        found = _instances[(kind, index)] = Device("cuda" if kind else "cpu", index)
    return found
