"""Rewrite patterns: what the compiler puts in the place of parts of a program.

A pattern is an example function, as it would be written in a program; the replacement is a function of the
same arguments, of pequegrad's ops or a kernel (``pg.kernel``). Patterns are looked for after differentiation
and vectorisation, in every program that is compiled while they are registered: jitted, eager, and inside of
loops and branches. A replacement therefore needs no derivative.

>>> def pattern(x, y):
...     return pg.sqrt(x * x + y * y)
>>> x, y = pg.Tensor([3.0, 5.0]), pg.Tensor([4.0, 12.0])
>>> with pg.compiler.register_pattern(pattern, pg.hypot, example=(x, y)):
...     print(pg.jit(lambda a, b: pattern(a, b) + 1.0).explain(x, y).patterns)
{'pattern': 1}
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from . import _core, dt
from ._bodies import Type, trace, type_of
from ._core import Tensor
from .custom import ShapeDtype
from .errors import ArgumentError, DTypeError, InvalidValueError, ShapeError
from .tensor import Tensor as make_tensor

_DEVICE = (0, 0)


class Pattern:
    """A registered rewrite. ``unregister()`` takes it back, and so does leaving a ``with`` block."""

    def __init__(
        self,
        name: str,
        pattern: Callable[..., Any],
        replacement: Callable[..., Any],
        where: Callable[..., bool] | None,
    ) -> None:
        self.name = name
        self._functions = (pattern, replacement)
        self._where = where
        self._number: int | None = None
        self._known: dict[Any, tuple[_core.ClosedBody, _core.ClosedBody] | None] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<pattern {self.name!r}{'' if self._number else ', not registered'}>"

    def __enter__(self) -> Pattern:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.unregister()

    def unregister(self) -> None:
        """Take the rewrite back; programs compiled with it are used no more. Doing so twice does nothing."""
        number, self._number = self._number, None
        if number is not None:
            _core.unregister_rewrite(number)
            _registered.remove(self)

    def _at(
        self, asked: Sequence[tuple[tuple[int, ...], int, tuple[int, int]]]
    ) -> tuple[_core.ClosedBody, _core.ClosedBody] | None:
        """Pattern and replacement for operands of these types."""
        key = tuple(asked)
        with self._lock:
            if key in self._known:
                return self._known[key]
        types = [Type(shape, dt.all_dtypes[code], False, device) for shape, code, device in key]
        made = self._traced(types) if self._wants(types) else None
        with self._lock:
            if len(self._known) >= 256:
                self._known.clear()
            self._known[key] = made
        return made

    def _wants(self, types: list[Type]) -> bool:
        if self._where is None:
            return True
        return bool(self._where(*(ShapeDtype(t.shape, t.dtype) for t in types)))

    def _traced(self, types: list[Type]) -> tuple[_core.ClosedBody, _core.ClosedBody]:
        closed, kinds = [], []
        for f, what in zip(self._functions, ("the pattern", "the replacement"), strict=True):
            label = f"register_pattern({self.name!r}): {what}"
            traced = trace(_over_list(f), types, label)
            if traced.written:
                raise ArgumentError(f"{label} changes a tensor from outside, or draws random numbers")
            if traced.results != 1:
                raise ArgumentError(f"{label} must return one tensor, it returns {traced.results}")
            (body,), captures = _core.close_bodies([traced.parts])
            if captures:
                raise ArgumentError(
                    f"{label} reads a tensor from outside, of shape {captures[0].shape}; take it as an "
                    "argument"
                )
            closed.append(body)
            kinds.append(traced.types[0])
        before, after = kinds
        if before.shape != after.shape or before.dtype != after.dtype:
            wrong = ShapeError if before.shape != after.shape else DTypeError
            raise wrong(
                f"register_pattern({self.name!r}): the pattern gives {before} and the replacement {after} "
                f"for operands {', '.join(map(str, types))}; they must agree"
            )
        return closed[0], closed[1]


def _over_list(f: Callable[..., Any]) -> Callable[[list[Tensor]], Any]:
    return lambda values: f(*values)


_registered: list[Pattern] = []


def patterns() -> list[Pattern]:
    """The registered patterns, in the order in which they are looked for.

    >>> pg.compiler.patterns()
    []
    """
    return list(_registered)


def register_pattern(
    pattern: Callable[..., Any],
    replacement: Callable[..., Any],
    *,
    example: Sequence[Any],
    where: Callable[..., bool] | None = None,
    name: str | None = None,
    check: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
) -> Pattern:
    """Put ``replacement(*args)`` in the place of ``pattern(*args)`` in every program compiled from now on.

    ``example`` holds one thing with ``shape`` and ``dtype`` for each argument. It says which ops make up the
    pattern; shapes and dtypes of what is replaced are free: at each place where these ops stand, the pattern
    is traced for the operands that are there, and every attribute (axes, shapes, strides, numbers) must agree
    with it. ``where(*types)`` may refuse operands by ``shape`` and ``dtype``. A tensor of rank 0 among the
    arguments stands for a number, also for a literal of the program.

    Only what nobody else needs is replaced: a value inside that is also a result, or is read elsewhere,
    stays. Patterns are looked for in the order of registration, each once, from the results down; a later
    pattern sees what an earlier one put in place.

    With ``check`` the two functions are compared on random operands of the example's types first (the example
    itself, where it has values), within ``rtol`` and ``atol`` (by default, what the dtype of the result
    allows for different orders of rounding). Raises ShapeError or DTypeError where the two give different
    types, InvalidValueError where they give different values, ArgumentError for a pattern that cannot be
    looked for. Registration holds for the whole process; use it in a ``with`` block to end it.

    >>> x = pg.Tensor([[1.0, 2.0]])
    >>> handle = pg.compiler.register_pattern(
    ...     lambda x: pg.exp(x) / (1.0 + pg.exp(x)), pg.sigmoid, example=(x,), name="sigmoid"
    ... )
    >>> pg.jit(lambda x: pg.exp(x) / (1.0 + pg.exp(x))).explain(pg.zeros((2, 3, 4))).patterns
    {'sigmoid': 1}
    >>> handle.unregister()
    """
    if not callable(pattern) or not callable(replacement):
        raise ArgumentError("register_pattern: expected two functions, the pattern and its replacement")
    if where is not None and not callable(where):
        raise ArgumentError("register_pattern: where must be a function of the operands' types")
    if name is None:
        name = getattr(pattern, "__name__", "pattern").replace("<lambda>", "pattern")
    types = [_example_type(x, i) for i, x in enumerate(example)]
    made = Pattern(name, pattern, replacement, where)
    if not made._wants(types):
        raise ArgumentError(f"register_pattern({name!r}): where refuses the example itself")
    before, after = made._traced(types)
    fault = _core.pattern_fault(before)
    if fault:
        raise ArgumentError(f"register_pattern({name!r}): the pattern cannot be looked for: {fault}")
    if check:
        _compare(
            name, before, after, [_values(x, t) for x, t in zip(example, types, strict=True)], rtol, atol
        )
    made._number = _core.register_rewrite(name, before, made._at)
    _registered.append(made)
    return made


def _example_type(x: Any, position: int) -> Type:
    if isinstance(x, Tensor):
        return type_of(x)._replace(weak=False)
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise ArgumentError(
            f"register_pattern: example {position} is a {type(x).__name__}; give a tensor, an array or a "
            "pg.ShapeDtype"
        )
    return Type(tuple(x.shape), dt.as_dtype(x.dtype), False, _DEVICE)


def _values(x: Any, t: Type) -> Tensor:
    if isinstance(x, (Tensor, np.ndarray)):
        return make_tensor(x)
    rng = np.random.default_rng(0)
    if t.dtype.kind == "b":
        return make_tensor(rng.integers(0, 2, t.shape).astype(bool))
    if t.dtype.kind in "iu":
        return make_tensor(rng.integers(0, 10, t.shape)).astype(t.dtype)
    values = rng.standard_normal(t.shape)
    if t.dtype.kind == "c":
        values = values + 1j * rng.standard_normal(t.shape)
    return make_tensor(np.asarray(values)).astype(t.dtype)


def _compare(
    name: str,
    before: _core.ClosedBody,
    after: _core.ClosedBody,
    operands: list[Tensor],
    rtol: float | None,
    atol: float | None,
) -> None:
    (want,), (got,) = (_core.call_body(body, operands) for body in (before, after))
    exact = want.dtype.kind not in "fc"
    wide = "complex128" if want.dtype.kind == "c" else "float64"
    a, b = (x.numpy() if exact else x.astype(wide).numpy() for x in (want, got))
    loose = {"float64": 1e-10, "complex128": 1e-10, "float16": 4e-3, "bfloat16": 3e-2}.get(
        want.dtype.name, 2e-5
    )
    rtol = (0.0 if exact else loose) if rtol is None else rtol
    atol = (0.0 if exact else loose) if atol is None else atol
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        return
    wrong = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    raise InvalidValueError(
        f"register_pattern({name!r}): the pattern gives {a[place]} at {place}, the replacement {b[place]}, "
        f"and on {int(wrong.sum())} of {wrong.size} elements they differ by more than rtol={rtol}, "
        f"atol={atol}; pass check=False if that is meant"
    )
