"""The row format of the op table: what a test needs to know about one public function.

The rows stand in ``samples_<family>.py``, one list ``ROWS`` in each, and ``op_samples.py`` gathers them.
``docs/adding-an-op.md`` explains the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
from peers import need

FLOATS = ("float32", "float64", "float16", "bfloat16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED
REAL = FLOATS + INTS
ALL = (*REAL, "bool")
COMPLEX = ("complex64", "complex128")
EVERY = (*ALL, *COMPLEX)
MODES = ("eager", "jit", "vmap", "grad", "jvp", "grad of grad", "jit of grad", "vmap of grad")


class Arr(NamedTuple):
    """An array argument; ``kind`` fixes what the row's dtype must not change: "i" indices below ``high``,
    "b" bools.
    """

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    kind: str = ""
    strided: bool = False
    distinct: bool = False  # no ties


def A(*shape: int, **options: Any) -> Arr:
    return Arr(shape, **options)


def I(high: int, *shape: int) -> Arr:  # noqa: E743
    return Arr(shape, 0, high, "i")


def B(*shape: int) -> Arr:
    return Arr(shape, 0, 2, "b")


class Sample(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def S(*args: Any, **kwargs: Any) -> Sample:
    return Sample(args, kwargs)


class Refusal(NamedTuple):
    """The typed error of what a function does not do, and why it does not."""

    error: type[Exception]
    reason: str


NOT_DEFINED = Refusal(pg.DTypeError, "the function is not defined for this dtype")


@dataclass(eq=False)
class Row:
    """What the laws need to know about one op."""

    name: str
    samples: Sequence[Sample]
    reference: Callable[..., Any]
    dtypes: Sequence[str] = FLOATS
    out: str = "same"  # same | real | bool | int64 | float | sum | any
    diff: tuple[int, ...] = (0,)  # positions of differentiable array arguments
    tolerance: float = 1.0  # times the dtype's own
    call: Callable[..., Any] | None = None
    why: str = ""  # tells two rows of one function apart
    typed: bool = False  # takes its dtype by the keyword dtype=
    unsupported: dict[str, Refusal] = field(default_factory=dict)  # by mode
    refusal: Refusal = NOT_DEFINED  # of dtypes that are not among `dtypes`

    @property
    def function(self) -> Callable[..., Any]:
        return self.call or getattr(pg, self.name)


SHAPES1 = [(2, 3), (), (0, 3), (1027,)]


def unary(
    name: str, reference: Callable[..., Any], domain: tuple[float, float] = (-2.0, 2.0), **options: Any
) -> Row:
    low, high = domain
    samples = [S(Arr(s, low, high)) for s in SHAPES1] + [S(Arr((5, 4), low, high, strided=True))]
    return Row(name, samples, reference, **options)


def binary(
    name: str, reference: Callable[..., Any], domain: tuple[float, float] = (-2.0, 2.0), **options: Any
) -> Row:
    low, high = domain
    pairs = [((2, 3), (2, 3)), ((), ()), ((0, 3), (3,)), ((3, 1), (1, 4)), ((1027,), ())]
    samples = [S(Arr(a, low, high), Arr(b, low, high)) for a, b in pairs]
    samples.append(S(Arr((5, 4), low, high, strided=True), Arr((4,), low, high, strided=True)))
    options.setdefault("diff", (0, 1))
    return Row(name, samples, reference, **options)


def by_torch(f: Callable[..., Any]) -> Callable[..., Any]:
    """A torch function as a reference on arrays."""

    def reference(*args: Any, **kwargs: Any) -> Any:
        torch = need("torch")
        torch.set_num_threads(1)  # small arrays: more threads only wait for each other

        def given(a: Any) -> Any:
            if not isinstance(a, np.ndarray):
                return a
            few = a.dtype.name in ("uint16", "uint32", "uint64")  # torch has few ops for these
            return torch.from_numpy(np.array(a.astype(np.int64) if few else a, order="C"))

        out = f(torch, *map(given, args), **kwargs)
        return out.numpy() if isinstance(out, torch.Tensor) else [o.numpy() for o in out]

    return reference


POSITIVE = (0.2, 3.0)
UNIT = (-0.9, 0.9)
FAR = (0.5, 2.5)  # away from zero

# Functions into the floats take every dtype: integers and bools count as float32.
TO_FLOAT: dict[str, Any] = {"out": "float", "dtypes": ALL}
TO_FLOAT_OR_COMPLEX: dict[str, Any] = {"out": "float", "dtypes": EVERY}
# What moves elements and computes nothing takes every dtype.
MOVE: dict[str, Any] = {"dtypes": EVERY}
