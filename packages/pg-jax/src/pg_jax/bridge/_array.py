"""Results of bridged functions: pequegrad tensors that behave like jax's arrays.

They are given back to bridged functions without a copy. Arithmetic, methods and indexing are jax's own, on a
view of the same memory. jax's transforms take no foreign arrays: ``jnp.asarray(x)`` or
``bridge.to_jax(tree)`` turns results into arrays of jax, again without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pequegrad as pg


class Array:
    """A result of a bridged function.

    >>> import jax.numpy as jnp
    >>> from pg_jax import bridge
    >>> x = bridge.jit(lambda x: x * 2)(jnp.arange(3))
    >>> x.shape, x.dtype, int(x.sum()), x.tolist()
    ((3,), dtype('int32'), 6, [0, 2, 4])
    """

    __slots__ = ("__weakref__", "_jax", "_tensor", "dtype", "key", "shape", "weak_type")
    __array_priority__ = 100

    def __init__(self, tensor: pg.Tensor, key: tuple[tuple[int, ...], np.dtype[Any], bool]) -> None:
        self._tensor: pg.Tensor | None = tensor
        self._jax: jax.Array | None = None
        self.key = key  # what programs are found by
        self.shape, self.dtype, self.weak_type = key

    @property
    def tensor(self) -> pg.Tensor:
        """The pequegrad tensor."""
        if self._tensor is None:
            raise RuntimeError(
                f"Array has been deleted with shape={self.dtype.name}{list(self.shape)}: it was donated to a "
                "bridged function"
            )
        return self._tensor

    def delete(self) -> None:
        """Give up the values; reading them afterwards raises RuntimeError."""
        self._tensor = self._jax = None

    def is_deleted(self) -> bool:
        """Whether the values were given up."""
        return self._tensor is None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.tensor.size

    def block_until_ready(self) -> Array:
        """The array: results of bridged functions are there when the call returns."""
        return self

    # ---- other libraries

    def __jax_array__(self) -> jax.Array:
        if self._jax is None:
            tensor = self.tensor
            try:
                made = jax.dlpack.from_dlpack(tensor)
            except (TypeError, BufferError, RuntimeError, ValueError):  # a type that DLPack or jax lacks
                made = jax.numpy.asarray(tensor.numpy())
            self._jax = jax.lax.convert_element_type(made, self.dtype) if made.dtype != self.dtype else made
        return self._jax

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.tensor.__array__(dtype, copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.__dlpack_device__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (np.array(self), self.weak_type)

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo: Any) -> Array:
        return self

    # ---- everything else is jax's

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__jax_array__(), name)

    def item(self) -> Any:
        """The one element as a Python number."""
        return self.tensor.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.tensor.tolist()

    def __float__(self) -> float:
        return float(self.tensor)

    def __int__(self) -> int:
        return int(self.tensor)

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __index__(self) -> int:
        return self.tensor.__index__()

    def __complex__(self) -> complex:
        return complex(self.tensor.item())

    def __len__(self) -> int:
        return len(self.tensor)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__jax_array__())

    def __getitem__(self, key: Any) -> Any:
        return self.__jax_array__()[key]

    def __repr__(self) -> str:
        if self._tensor is None:
            return f"Array(<deleted>, shape={self.shape}, dtype={self.dtype.name})"
        text = repr(self.__jax_array__())
        return f"{text[:-1]}, weak_type=True)" if self.weak_type and text.endswith(")") else text

    def __format__(self, spec: str) -> str:
        return format(self.__jax_array__(), spec)

    __hash__ = None  # type: ignore[assignment]


def _delegated(name: str) -> Any:
    def method(self: Array, *operands: Any) -> Any:
        own = getattr(self.__jax_array__(), name)
        return own(*(to_jax(x) for x in operands))

    method.__name__ = name
    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(Array, f"__{_name}__", _delegated(f"__{_name}__"))
    setattr(Array, f"__r{_name}__", _delegated(f"__r{_name}__"))
_TWO_WAYS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
_ONE_WAY = ("lshift", "rshift", "divmod", "eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert")
for _name in (*_TWO_WAYS, *(f"r{name}" for name in _TWO_WAYS), *_ONE_WAY):
    setattr(Array, f"__{_name}__", _delegated(f"__{_name}__"))


def _unpickled(values: np.ndarray[Any, Any], weak_type: bool) -> Array:
    return Array(pg.Tensor(values), (values.shape, values.dtype, weak_type))


def to_jax(tree: Any) -> Any:
    """The pytree with results of bridged functions as arrays of jax, on the same memory.

    >>> import jax, jax.numpy as jnp
    >>> from pg_jax import bridge
    >>> x = bridge.jit(jnp.cumsum)(jnp.arange(4))
    >>> isinstance(x, jax.Array), isinstance(bridge.to_jax(x), jax.Array)
    (False, True)
    """
    return jax.tree.map(lambda x: x.__jax_array__() if isinstance(x, Array) else x, tree)
