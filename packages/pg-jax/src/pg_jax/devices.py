"""The devices that there are: one CPU, and the GPUs of pequegrad. Meshes of one device are accepted and "
"ignored."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pequegrad as pg


class Device:
    """A place for arrays."""

    def __init__(self, kind: str, index: int) -> None:
        self.platform, self.id = kind, index
        self.device_kind, self.process_index = kind, 0
        self.local_hardware_id = index

    def memory_stats(self) -> dict[str, int] | None:
        """Nothing is kept for each device."""
        return None

    def __repr__(self) -> str:
        return f"{'Cpu' if self.platform == 'cpu' else 'Cuda'}Device(id={self.id})"

    def __str__(self) -> str:
        return f"{self.platform.upper()}_{self.id}"


@functools.cache
def of_pair(pair: tuple[int, int]) -> Device:
    """The device of a tensor."""
    return Device("cpu" if pair[0] == 0 else "gpu", pair[1])


def devices(backend: str | None = None) -> list[Device]:
    """All devices.

    >>> import pg_jax as jax
    >>> jax.devices()
    [CpuDevice(id=0)]
    """
    if backend not in (None, "", "cpu"):
        raise RuntimeError(f"Unknown backend {backend}: only the cpu is here")
    return [of_pair((0, 0))]


def default_backend() -> str:
    """The platform of the default device.

    >>> import pg_jax as jax
    >>> jax.default_backend()
    'cpu'
    """
    return "cpu"


def device_count(backend: str | None = None) -> int:
    """How many devices there are.

    >>> import pg_jax as jax
    >>> jax.device_count()
    1
    """
    return len(devices(backend))


def process_index(backend: str | None = None) -> int:
    """The number of this process: 0.

    >>> import pg_jax as jax
    >>> jax.process_index()
    0
    """
    return 0


def process_count(backend: str | None = None) -> int:
    """How many processes there are: 1.

    >>> import pg_jax as jax
    >>> jax.process_count()
    1
    """
    return 1


class SingleDeviceSharding:
    """An array lies on one device.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jnp.ones(2).sharding
    SingleDeviceSharding(device=CpuDevice(id=0))
    """

    memory_kind = "device"
    is_fully_replicated = True
    is_fully_addressable = True

    def __init__(self, device: Device, memory_kind: str | None = None) -> None:
        self.device = device

    @property
    def device_set(self) -> set[Device]:
        return {self.device}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SingleDeviceSharding) and self.device is other.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self.device!r})"


class Shard:
    """The part of an array on one device: all of it."""

    replica_id = 0

    def __init__(self, data: Any) -> None:
        self.data, self.device = data, data.device
        self.index = tuple(slice(None) for _ in data.shape)


class PartitionSpec(tuple[Any, ...]):
    """How axes are spread over a mesh; over one device they are not.

    >>> from pg_jax.sharding import PartitionSpec
    >>> PartitionSpec("data", None)
    PartitionSpec('data', None)
    """

    def __new__(cls, *axes: Any) -> PartitionSpec:
        return super().__new__(cls, axes)

    def __repr__(self) -> str:
        return f"PartitionSpec{tuple.__repr__(self)}"


class Mesh:
    """A grid of devices: of one device.

    >>> import pg_jax as jax, numpy as np
    >>> jax.sharding.Mesh(np.array(jax.devices()), ("data",)).shape
    {'data': 1}
    """

    def __init__(self, devices: Any, axis_names: Any, **ignored: Any) -> None:
        self.devices = np.asarray(devices, dtype=object)
        self.axis_names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        if self.devices.size != 1:
            raise NotImplementedError(
                f"a mesh of {self.devices.size} devices is not implemented; there is one"
            )

    @property
    def shape(self) -> dict[Any, int]:
        return dict.fromkeys(self.axis_names, 1)

    @property
    def size(self) -> int:
        return 1

    def __enter__(self) -> Mesh:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class NamedSharding(SingleDeviceSharding):
    """Axes spread over a mesh of one device.

    >>> import pg_jax as jax
    >>> mesh = jax.make_mesh((1,), ("data",))
    >>> jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data")).spec
    PartitionSpec('data',)
    """

    def __init__(self, mesh: Mesh, spec: Any, **ignored: Any) -> None:
        super().__init__(mesh.devices.ravel()[0])
        self.mesh, self.spec = mesh, spec


def make_mesh(axis_shapes: Sequence[int], axis_names: Sequence[str], **ignored: Any) -> Mesh:
    """A mesh of one device.

    >>> import pg_jax as jax
    >>> jax.make_mesh((1, 1), ("data", "model")).axis_names
    ('data', 'model')
    """
    return Mesh(
        np.array(devices() * int(np.prod(axis_shapes)), dtype=object).reshape(tuple(axis_shapes)), axis_names
    )


def place(t: pg.Tensor, device: Any) -> pg.Tensor:
    """The tensor on a device."""
    if device is None:
        return t
    found = device.device if isinstance(device, SingleDeviceSharding) else device
    if not isinstance(found, Device):
        raise ValueError(f"device_put: expected a device or a sharding of one device, got {device!r}")
    return (
        t
        if found is of_pair(t.device.pair)
        else t.to(f"cuda:{found.id}" if found.platform == "gpu" else "cpu")
    )
