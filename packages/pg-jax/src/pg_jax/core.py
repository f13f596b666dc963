"""``jax.core``: what users test instances against."""

from typing import Any

from ._array import Array, ShapedArray
from ._missing import missing


class _TracerType(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Array) and bool(x._t.is_abstract)


class Tracer(metaclass=_TracerType):
    """Arrays without values, inside of a transformation.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> isinstance(jnp.ones(()), jax.core.Tracer)
    False
    """


AbstractValue = ShapedArray


def get_aval(x: Any) -> ShapedArray:
    """The type of an array.

    >>> import pg_jax as jax
    >>> jax.core.get_aval(1.0)
    ShapedArray(float32[], weak_type=True)
    """
    from ._api import typeof

    return typeof(x)


def __getattr__(name: str) -> Any:
    raise missing("core", name)
