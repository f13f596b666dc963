"""The methods of Tensor: what composites offer as methods, conversions, indexing and protocols.

The class is never instantiated: its attributes are put on the raw type of the extension (``tensor.py``).
To type checkers it is the Tensor: it inherits what the extension implements from a class of the stub.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, dt
from . import device as _device
from ._ops import (
    activations,
    creation,
    diagonals,
    elementwise,
    indexing,
    linalg,
    logic,
    losses,
    maths,
    normalization,
    reduce,
    selecting,
    shape,
    sorting,
)
from ._ops import complex as complex_numbers
from ._ops.common import as_tensor_like, cast, check_table, to_device
from .errors import ArgumentError, DTypeError, InvalidValueError, UnsupportedError

if TYPE_CHECKING:
    from ._core import RawTensor
else:
    RawTensor = object


def _temporary_references() -> int | None:
    """How many references ``__setitem__`` sees on a tensor that no name holds, or None when the interpreter
    does not tell.
    """

    class Probe:
        seen = 0

        def __setitem__(self, key: Any, value: Any) -> None:
            Probe.seen = sys.getrefcount(self)

    Probe()[0] = 0
    temporary = Probe.seen
    named = Probe()
    named[0] = 0
    return temporary if Probe.seen != temporary else None


_TEMPORARY = _temporary_references()

_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


class Tensor(RawTensor):
    """The Python half of Tensor."""

    __slots__ = ()
    __array_priority__ = 1000.0

    # ---- values

    def numpy(self, copy: bool = False) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy view, or as a writable copy.

        >>> pg.Tensor([1, 2]).numpy()
        array([1, 2])
        """
        array = _core.to_numpy(self)
        if self.dtype is dt.bfloat16:
            array = array.view(dt.bfloat16.to_numpy())
        return array.copy() if copy else array

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers.

        >>> pg.Tensor([[1, 2]]).tolist()
        [[1, 2]]
        """
        x = cast(self, dt.float32) if self.dtype is dt.bfloat16 else self
        if not self.size and 0 not in self.shape[:1]:
            check_table(math.prod(self.shape[: self.shape.index(0)]), "tolist")  # lists without elements
        return _core.to_numpy(x).tolist()

    @property
    def nbytes(self) -> int:
        """How many bytes the elements take."""
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """How many bytes an element takes."""
        return self.dtype.itemsize

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged.

        >>> pg.zeros((5, 2, 3)).mT.shape
        (5, 3, 2)
        """
        return shape.matrix_transpose(self)

    @property
    def real(self) -> Tensor:
        """The real part; a real tensor itself.

        >>> pg.Tensor([1 + 2j]).real.tolist()
        [1.0]
        """
        return complex_numbers.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part; zeros for a real tensor.

        >>> pg.Tensor([1 + 2j]).imag.tolist()
        [2.0]
        """
        return complex_numbers.imag(self)

    # ---- other dtypes and devices

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The values in another dtype. Floats to integers saturate, NaN becomes 0.

        >>> pg.Tensor([1.7, -1.7]).astype("int32").tolist()
        [1, -1]
        """
        return _core.astype(self, dt.as_dtype(dtype).code)

    def to(self, target: Any) -> Tensor:
        """The tensor on another device (or, given a dtype, in that dtype).

        >>> pg.Tensor([1.0]).to("cpu").device
        device('cpu')
        """
        if isinstance(target, dt.DType) or (isinstance(target, str) and target in dt.names):
            return self.astype(target)
        return to_device(self, target)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """The tensor on another device, as the array API standard spells it. Streams are none of the
        caller's business here: only None is accepted.

        >>> pg.Tensor([1.0]).to_device("cpu").device
        device('cpu')
        """
        if stream is not None:
            raise InvalidValueError(f"to_device: streams are not the caller's to choose, got {stream!r}")
        return to_device(self, device)

    def cpu(self) -> Tensor:
        """The tensor on the CPU.

        >>> pg.Tensor([1.0]).cpu().device
        device('cpu')
        """
        return to_device(self, "cpu")

    def cuda(self, index: int = 0) -> Tensor:
        """The tensor on a GPU."""
        return to_device(self, _device.cuda(index))

    def float(self) -> Tensor:
        """The values as float32.

        >>> pg.Tensor([1]).float().dtype
        float32
        """
        return self.astype(dt.float32)

    # ---- rebinding

    def assign(self, value: Any) -> Tensor:
        """Let this tensor name another value of the same shape and dtype. Results computed before keep
        their values.

        >>> x = pg.zeros(2)
        >>> x.assign(pg.ones(2)).tolist()
        [1.0, 1.0]
        """
        v = as_tensor_like(value, self)
        if v.shape != self.shape:
            v = indexing.fitting(v, self.shape, self)
        if v.dtype.is_inexact > self.dtype.is_inexact or v.dtype.is_complex > self.dtype.is_complex:
            raise DTypeError(
                f"assign: cannot put {v.dtype} values into a {self.dtype} tensor; convert them with "
                f".astype('{self.dtype}')"
            )
        _core.rebind(self, cast(v, self.dtype))
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        if _TEMPORARY is not None and sys.getrefcount(self) <= _TEMPORARY:
            raise UnsupportedError(
                "assigning to a part of a temporary tensor changes nothing: x[0][1] = v writes into the "
                "copy x[0]; write x[0, 1] = v"
            )
        _core.rebind(self, indexing.update(self, key, value, "set"))

    def __imatmul__(self, other: Any) -> Tensor:
        return self.assign(linalg.matmul(self, other))

    def __ipow__(self, other: Any) -> Tensor:
        return self.assign(self**other)

    def __ilshift__(self, other: Any) -> Tensor:
        return self.assign(self << other)

    def __irshift__(self, other: Any) -> Tensor:
        return self.assign(self >> other)

    # ---- parts

    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    @property
    def at(self) -> indexing.At:
        """Updates of a part that return a new tensor: ``x.at[key].set(v)``, ``.add``, ``.multiply``,
        ``.min``, ``.max``.

        >>> pg.zeros(3).at[1:].add(2.0).tolist()
        [0.0, 2.0, 2.0]
        """
        return indexing.At(self)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise ArgumentError("a tensor of rank 0 cannot be iterated; use .item()")
        rows = +self  # assignments to parts of this handle do not reach what is still to come
        return (rows[i] for i in range(len(rows)))

    def __contains__(self, value: Any) -> bool:
        return bool(reduce.any(self == value))

    def __round__(self, digits: int | None = None) -> Any:
        return elementwise.round(self, digits or 0)

    # ---- protocols

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        wanted = array if dtype is None or array.dtype == dtype else array.astype(dtype)
        return wanted.copy() if copy and wanted is array else wanted

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        import pequegrad

        if api_version not in (None, *_API_VERSIONS):
            raise InvalidValueError(
                f"no version {api_version!r} of the array API; the versions are {', '.join(_API_VERSIONS)}"
            )
        return pequegrad

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        wanted = self.__dlpack_device__() if dl_device is None else tuple(dl_device)
        if wanted != self.__dlpack_device__() and (wanted != (1, 0) or copy is False):
            raise BufferError(
                f"__dlpack__: this tensor is on {self.device}, device {wanted} was asked for; move it first"
            )
        moved = self.to("cpu") if wanted == (1, 0) else self
        shared = _core.apply("stop_gradient", (moved,)) if copy else moved
        versioned = max_version is not None and max_version[0] >= 1
        return _core.to_dlpack(shared, versioned, stream, bool(copy) or moved is not self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0) if self.device.kind == "cpu" else (2, self.device.index)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.device.kind != "cuda" or self.is_abstract or self.dtype is dt.bfloat16:
            # As for an object that has no such attribute; bfloat16 has no name there.
            raise AttributeError(f"a {self.dtype} tensor on {self.device} has no __cuda_array_interface__")
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": np.dtype(self.dtype.name).str,
            "data": (_core.cuda_pointer(self), False),
            "strides": None,
            "stream": _core.cuda_stream(self.device.index),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (_core.to_numpy(self).copy(), self.dtype.name)

    def __copy__(self) -> Tensor:
        return +self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return +self  # values are immutable: a new handle is enough

    def __repr__(self) -> str:
        about = f"dtype={self.dtype}, device={self.device}"
        if self.is_donated:
            return f"Tensor(<donated>, shape={self.shape}, {about})"
        if self.is_abstract:
            return f"Tensor(<no value inside jit>, shape={self.shape}, {about})"
        if self.size == 0:
            return f"Tensor([], shape={self.shape}, {about})"
        values = _core.to_numpy(cast(self, dt.float32) if self.dtype is dt.bfloat16 else self)
        return f"Tensor({np.array2string(values, separator=', ', prefix='Tensor(')}, {about})"

    def __str__(self) -> str:
        return self.__repr__()

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.ndim:
            raise ArgumentError(
                f"only a tensor of rank 0 can be formatted with {spec!r}, this one has shape "
                f"{self.shape}; use .numpy()"
            )
        return format(self.item(), spec)

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """There is no tape: derivatives come from transforms. Raises an error that shows how."""
        raise UnsupportedError(
            "pequegrad has no .backward(): transform the function instead, loss, grads = "
            "pg.value_and_grad(loss_fn)(params), "
            "or with a module nn.value_and_grad(model, loss_fn)(x, y)"
        )

    # ---- composites

    one_hot = staticmethod(creation.one_hot)

    reshape, permute, transpose, swapaxes, moveaxis = (
        shape.reshape,
        shape.permute,
        shape.transpose,
        shape.swapaxes,
        shape.moveaxis,
    )
    expand_dims = unsqueeze = shape.expand_dims
    squeeze, flatten, ravel, broadcast_to = shape.squeeze, shape.flatten, shape.ravel, shape.broadcast_to
    flip, roll, tile, repeat, pad, split = (
        shape.flip,
        shape.roll,
        shape.tile,
        shape.repeat,
        shape.pad,
        shape.split,
    )
    tril, triu, diagonal = diagonals.tril, diagonals.triu, diagonals.diagonal

    sum, mean, prod, max, min, var, std = (
        reduce.sum,
        reduce.mean,
        reduce.prod,
        reduce.max,
        reduce.min,
        reduce.var,
        reduce.std,
    )
    any, all, argmax, argmin = reduce.any, reduce.all, reduce.argmax, reduce.argmin
    cumsum, cumprod, logsumexp, norm = reduce.cumsum, reduce.cumprod, reduce.logsumexp, reduce.norm
    sort, argsort, topk, take, nonzero = (
        sorting.sort,
        sorting.argsort,
        sorting.topk,
        indexing.take,
        selecting.nonzero,
    )

    abs, sign, floor, ceil, trunc = (
        elementwise.abs,
        elementwise.sign,
        elementwise.floor,
        elementwise.ceil,
        elementwise.trunc,
    )
    round, clip, square, reciprocal = (
        elementwise.round,
        elementwise.clip,
        elementwise.square,
        elementwise.reciprocal,
    )
    add, subtract, multiply, divide = (
        elementwise.add,
        elementwise.subtract,
        elementwise.multiply,
        elementwise.divide,
    )
    sub, mul, div = elementwise.subtract, elementwise.multiply, elementwise.divide
    pow, maximum, minimum, neg = (
        elementwise.power,
        elementwise.maximum,
        elementwise.minimum,
        elementwise.negative,
    )
    conj, conjugate, angle = complex_numbers.conj, complex_numbers.conj, complex_numbers.angle
    isnan, isinf, isfinite = elementwise.isnan, elementwise.isinf, elementwise.isfinite
    sqrt, rsqrt, exp, log, log1p, expm1 = (
        maths.sqrt,
        maths.rsqrt,
        maths.exp,
        maths.log,
        maths.log1p,
        maths.expm1,
    )
    sin, cos, tan, tanh, sigmoid, erf = maths.sin, maths.cos, maths.tan, maths.tanh, maths.sigmoid, maths.erf
    equal, where, isclose, allclose = logic.equal, logic.where, logic.isclose, logic.allclose

    matmul, dot, trace, outer = linalg.matmul, linalg.dot, linalg.trace, linalg.outer
    relu, gelu, silu = activations.relu, activations.gelu, activations.silu
    softplus = elementwise.softplus
    softmax, log_softmax = normalization.softmax, normalization.log_softmax
    cross_entropy_loss_probs = losses.cross_entropy_loss_probs


def _unpickled(values: np.ndarray[Any, Any], name: str) -> Tensor:
    return _core.from_numpy(values, dt.as_dtype(name).code, True)


def attach(kind: type) -> None:
    """Put the methods on the raw type."""
    for name, value in vars(Tensor).items():
        if name not in ("__module__", "__dict__", "__weakref__", "__doc__", "__slots__", "__qualname__"):
            setattr(kind, name, value)
