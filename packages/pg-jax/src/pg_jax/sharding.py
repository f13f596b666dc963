"""``jax.sharding``: meshes and shardings of one device, accepted and ignored."""

from typing import Any as _Any

from ._missing import missing as _missing
from .devices import Mesh as Mesh
from .devices import NamedSharding as NamedSharding
from .devices import PartitionSpec as PartitionSpec
from .devices import SingleDeviceSharding as SingleDeviceSharding

Sharding = SingleDeviceSharding


def __getattr__(name: str) -> _Any:
    raise _missing("sharding", name)
