"""A function of the main namespace under exactly the standard's signature, with its operands checked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import Signature
from typing import Any

from .. import dt
from ..errors import ArgumentError, DTypeError
from ..tensor import Tensor

_OPERANDS = ("x", "x1", "x2", "condition", "indices", "sorter")
_GROUPS = {"b": "boolean", "i": "integer", "u": "integer", "f": "floating-point", "c": "floating-point"}
# Which Python numbers may meet tensors of which kind.
_NUMBERS = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "c": (int, float, complex)}


def strict(function: Callable[..., Any], signature: Signature, numbers: bool = False) -> Callable[..., Any]:
    """The function under a signature. Parameters with the names of operands must be tensors; with
    ``numbers`` one of x1 and x2 may be a Python number.
    """
    operands = [name for name in signature.parameters if name in _OPERANDS]
    pair = "x1" in operands and "x2" in operands
    name = function.__name__

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for parameter in operands:
            x = bound.arguments.get(parameter)
            number = numbers and parameter in ("x1", "x2") and isinstance(x, (bool, int, float, complex))
            if x is not None and not isinstance(x, Tensor) and not number:
                raise ArgumentError(
                    f"{name}: {parameter} must be a tensor, got {type(x).__name__}; make one with asarray"
                )
        if pair:
            _check_kinds(name, bound.arguments["x1"], bound.arguments["x2"])
        return function(*bound.args, **bound.kwargs)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked


def _check_kinds(name: str, a: Any, b: Any) -> None:
    """The standard defines no result for operands of different kinds."""
    if not isinstance(a, Tensor):
        a, b = b, a
    if not isinstance(a, Tensor):
        raise ArgumentError(f"{name}: at least one operand must be a tensor")
    kind = a.dtype.kind
    if not isinstance(b, Tensor):
        if type(b) not in _NUMBERS[kind]:
            raise DTypeError(f"{name}: a Python {type(b).__name__} does not meet a tensor of {a.dtype}")
        return
    if _GROUPS[kind] != _GROUPS[b.dtype.kind]:
        raise DTypeError(f"{name}: {a.dtype} and {b.dtype} are of different kinds; convert them with astype")
    if dt.uint64 in (a.dtype, b.dtype) and {kind, b.dtype.kind} == {"i", "u"}:
        raise DTypeError(
            f"{name}: no integer type holds both {a.dtype} and {b.dtype}; convert them with astype"
        )
