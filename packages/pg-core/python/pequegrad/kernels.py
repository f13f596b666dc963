"""Kernels of users: compiled functions and Python functions as ops of a program."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from .custom import custom_jvp, custom_vjp, host_call
from .errors import ArgumentError, DifferentiationError


class Kernel:
    """A function at an address, or a Python function on arrays, as an op; made by ``pg.kernel``."""

    def __init__(
        self, f: Any, result_types: Any, attributes: Sequence[float], name: str | None, vectorized: bool
    ) -> None:
        address = _address(f)
        if address is None and not callable(f):
            raise ArgumentError(
                "kernel: expected a function, a ctypes or cffi function pointer, an object with an address, "
                f"or an address, got a {type(f).__name__}"
            )
        found = name or getattr(f, "__name__", None) or "kernel"
        if attributes and address is None:
            raise ArgumentError(
                "kernel: attributes are for compiled functions; Python functions hold their own"
            )
        self.__name__ = str(found)
        numbers = [float(a) for a in attributes]
        target: Any
        if address is not None:
            target = _core.NativeKernel(str(found), address, numbers, f)
        else:

            def target(*arrays: Any) -> Any:
                return f(*arrays)

            target.__name__ = str(found)

        def plain(*args: Any) -> Any:
            return host_call(target, result_types, *args, vectorized=vectorized)

        if address is None:
            functools.update_wrapper(plain, f)
        plain.__name__ = str(found)
        self._plain = plain
        self._call: Callable[..., Any] = plain

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}>"

    def _without_rule(self) -> None:
        if self._call is not self._plain:
            raise DifferentiationError(f"kernel {self.__name__}: its derivative is stated already")

    def vjp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the cotangents of the arguments: ``rule(primals, cotangents, outputs)`` returns a tuple."""
        self._without_rule()

        def forward(*args: Any) -> Any:
            out = self(*args)  # with its rule, for derivatives of higher order
            return out, (args, out)

        made = custom_vjp(self._plain)
        made.defvjp(forward, lambda kept, ct: rule(kept[0], ct, kept[1]))
        self._call = made
        return rule

    def jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State the forward derivative: ``rule(primals, tangents)`` returns the result and its tangent."""
        self._without_rule()
        made = custom_jvp(self._plain)
        made.defjvp(rule)
        self._call = made
        return rule


def _address(f: Any) -> int | None:
    """Where the compiled function is; None for a Python function."""
    if isinstance(f, bool):
        return None
    if isinstance(f, int):
        return f
    if isinstance(f, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return ctypes.cast(f, ctypes.c_void_p).value or 0
    if type(f).__module__ == "_cffi_backend":
        import cffi  # type: ignore[import-untyped]

        return int(cffi.FFI().cast("intptr_t", f))
    address = getattr(f, "address", None)  # numba's cfunc, llvmlite
    return address if isinstance(address, int) else None


def kernel(
    f: Any,
    result_types: Any,
    *,
    attributes: Sequence[float] = (),
    name: str | None = None,
    vectorized: bool = False,
) -> Kernel:
    """A kernel of your own as an op: in eager code, inside ``jit``, loops and branches, and as the
    replacement of a pattern (``pg.compiler.register_pattern``). ``explain().library_calls`` names it.

    ``f`` is a Python function on NumPy arrays, which runs with the interpreter's lock, on copies; or a
    compiled function, which runs without it: a ctypes or cffi function pointer, anything with an ``address``
    (numba's ``cfunc``), or the address itself. A compiled function has the type
    ``void f(void** buffers, const int64_t* shapes, const double* attributes)``: buffers are those of the
    operands and then those of the results, all row-major and without overlap; ``shapes`` holds for each of
    them the rank and the extents; ``attributes`` are the numbers given here. It must neither keep pointers
    nor write to operands.

    ``result_types`` is the pytree of the result, with leaves that have ``shape`` and ``dtype``
    (``pg.ShapeDtype``), or the shape rule: a function of the arguments that returns it. ``k.vjp`` and
    ``k.jvp`` state a derivative; without one differentiating raises. ``vmap`` calls the kernel for one
    example after another, or once with a further leading axis on all operands and results when it is
    ``vectorized``.

    >>> import numpy as np
    >>> double = pg.kernel(lambda x: x * np.float32(2), lambda x: x, name="double")
    >>> @double.vjp
    ... def _(primals, cotangents, outputs):
    ...     return (cotangents * 2.0,)
    >>> pg.grad(lambda x: double(x).sum())(pg.ones(2)).tolist()
    [2.0, 2.0]
    """
    return Kernel(f, result_types, attributes, name, vectorized)
