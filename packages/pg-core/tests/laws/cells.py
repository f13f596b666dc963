"""The matrix: every function of the op table, in every dtype, under every transform.

A cell is one (function, dtype, mode). It is compared with an oracle that shares no code with us: the row's
reference, looped over the examples for ``vmap``, and its differences for derivatives; or, where the table says
that the function does not do this, the typed error is asserted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
import pytest
from differences import Problem, problem
from law_tools import TOLERANCE, Bound, assert_close, bind, bits, expected_dtype, numpy_of, to_tensor
from op_samples import ROWS
from rows import ALL, COMPLEX, MODES, Refusal, Row

DERIVATIVES = {"grad", "grad of grad", "jit of grad", "vmap of grad"}
BATCH = 3

NO_TANGENT = Refusal(pg.DifferentiationError, "integers and bools have no derivative")
DISCRETE = Refusal(pg.DifferentiationError, "the result is an integer or a bool, which has no derivative")
DISCRETE_OUT = {"bool", "int64"}


class Cell(NamedTuple):
    function: str
    dtype: str
    mode: str

    @property
    def id(self) -> str:
        return f"{self.function}-{self.dtype}-{self.mode.replace(' ', '_')}"


@functools.lru_cache(None)
def functions() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in ROWS:
        found.setdefault(row.name, []).append(row)
    return found


@functools.lru_cache(None)
def cells() -> list[Cell]:
    return [Cell(name, dtype, mode) for name in functions() for dtype in dtypes_of(name) for mode in MODES]


def dtypes_of(function: str) -> Sequence[str]:
    """All real dtypes, and the complex ones of functions that take them; of a function that is given none (only
    indices, shapes or bools), its own.
    """
    rows = functions()[function]
    if any(row.typed or bind(row, i, row.dtypes[0]).typed for row in rows for i in range(len(row.samples))):
        return (*ALL, *COMPLEX) if any(set(COMPLEX) & set(row.dtypes) for row in rows) else ALL
    return sorted({d for row in rows for d in row.dtypes})


def is_floating(dtype: str) -> bool:
    return "float" in dtype or "complex" in dtype


def refusal(row: Row, cell: Cell) -> Refusal | None:
    """What the row says this cell raises."""
    takes = cell.dtype in row.dtypes
    if cell.mode in DERIVATIVES and not is_floating(cell.dtype) and (takes or not row.typed):
        return NO_TANGENT
    if not takes:
        return row.refusal
    if cell.mode in row.unsupported:
        return row.unsupported[cell.mode]
    if cell.mode in DERIVATIVES and row.out in DISCRETE_OUT:
        return DISCRETE
    return None


def check(cell: Cell) -> str:
    """Run a cell: "compared", or "typed error: reason"."""
    done = set()
    # Rows of one function may take different dtypes: only where none does, refusing is what is tested.
    rows = functions()[cell.function]
    able = [row for row in rows if cell.dtype in row.dtypes] or rows
    for row in able:
        refused = refusal(row, cell)
        for index in range(len(row.samples)):
            why = refused
            if why is None and cell.mode in DERIVATIVES and not posed(row, index, cell.dtype).outs:
                why = DISCRETE
            if why is None:
                CHECKS[cell.mode](row, index, cell.dtype)
                done.add("compared")
            elif can_be_refused(row, index, cell, why):
                with pytest.raises(why.error) as caught:
                    ATTEMPTS[cell.mode](row, index, cell.dtype)
                assert isinstance(caught.value, pg.PequegradError), f"{caught.value!r} is not ours"
                assert not isinstance(caught.value, pg.InternalError), caught.value
                done.add(f"typed error: {why.reason}")
    assert done, "no sample of this function has an array of the cell's dtype"
    return "compared" if "compared" in done else done.pop()


def can_be_refused(row: Row, index: int, cell: Cell, why: Refusal) -> bool:
    """A sample of numbers and lists alone has no dtype, and no values that a trace would hide."""
    bound = bind(row, index, cell.dtype)
    if why is row.refusal:
        return bool(bound.typed) or row.typed
    hidden = bound.typed if cell.mode == "vmap of grad" else bound.values
    return bool(hidden) or why is not row.unsupported.get(cell.mode)


# ---- values


def same_as(got: list[Any], want: list[np.ndarray], row: Row, dtype: str, what: str) -> None:
    assert len(got) == len(want), f"{what}: {len(got)} results, reference {len(want)}"
    for g, w in zip(got, want):
        assert_close(g, w, dtype, row.tolerance, what)
        expected = expected_dtype(row, dtype)
        assert expected is None or g.dtype == expected, f"{what}: {g.dtype}, expected {expected}"


def eager(row: Row, index: int, dtype: str) -> None:
    bound = bind(row, index, dtype)
    same_as(bound.ours(*bound.tensors()), bound.reference(bound.values), row, dtype, f"sample {index}")


def jitted(row: Row, index: int, dtype: str) -> None:
    bound = bind(row, index, dtype)
    f = pg.jit(bound.ours)
    for _ in range(2):
        got = f(*bound.tensors())
        same_as(got, bound.reference(bound.values), row, dtype, f"jit, sample {index}")
    assert len(f.entries) == 1
    eagerly = [bits(x) for x in bound.ours(*bound.tensors())]
    assert [bits(x) for x in got] == eagerly, f"jit differs from eager in bits, sample {index}"


def vmapped(row: Row, index: int, dtype: str) -> None:
    """All arrays batched, along the first or the last axis in turn; then each array alone."""
    entries = [bind(row, index, dtype, e) for e in range(BATCH)]
    count = len(entries[0].values)
    patterns = [tuple(range(count))] + ([(i,) for i in range(count)] if 1 < count < 5 else [])
    for batched in patterns:
        what = f"vmap over arrays {batched}, sample {index}"
        rows = [[entries[e if i in batched else 0].values[i] for i in range(count)] for e in range(BATCH)]
        axes = tuple(None if i not in batched else 0 if i % 2 == 0 else -1 for i in range(count))
        got = mapped(entries[0].ours, rows, axes, dtype)
        by_reference = [entries[0].reference(values) for values in rows]
        want = [np.stack(ys) for ys in zip(*by_reference)]
        same_as(got, want, row, dtype, what)
        loop = [entries[0].ours(*[to_tensor(x, dtype) for x in values]) for values in rows]
        for n, g in enumerate(got):
            assert_close(g, np.stack([numpy_of(ys[n]) for ys in loop]), dtype, row.tolerance, f"{what}, loop")


def mapped(
    f: Callable[..., Any], rows: list[list[np.ndarray]], axes: tuple[int | None, ...], dtype: str
) -> Any:
    """vmap of f over stacked arrays; a function of no arrays is mapped over one that it ignores."""
    if not axes:
        return pg.vmap(lambda u: f())(pg.zeros(len(rows)))
    stacked = [
        to_tensor(xs[0] if axis is None else np.stack(xs, axis), dtype) for xs, axis in zip(zip(*rows), axes)
    ]
    return pg.vmap(f, in_axes=axes)(*stacked)


# ---- derivatives


def posed(row: Row, index: int, dtype: str, entry: int = 0) -> Problem:
    return problem(row, index, entry, "complex" in dtype)


def in_dtype(arrays: list[np.ndarray], dtype: str) -> list[Any]:
    """Tensors of numbers on the grid, which every floating dtype holds."""
    real = {"complex64": "float32", "complex128": "float64", "bfloat16": "float32"}.get(dtype, dtype)
    pair = {"float64": "complex128"}.get(real, "complex64")
    return [
        to_tensor(x.astype(pair), "complex") if np.iscomplexobj(x) else to_tensor(x.astype(real), dtype)
        for x in arrays
    ]


def open_function(p: Problem, dtype: str) -> tuple[Callable[..., list[Any]], list[Any]]:
    """The op as a function of its differentiable arrays, giving its floating results (all results where none
    is), and the point."""
    bound = p.bound
    mine = Bound(bound.row, bound.sample, dtype, grid=True)
    fixed = [
        in_dtype([v], dtype)[0] if i in bound.typed else to_tensor(v, dtype)
        for i, v in enumerate(bound.values)
    ]

    def f(*given: Any) -> list[Any]:
        arrays = list(fixed)
        for i, x in zip(bound.wrt, given):
            arrays[i] = x
        outs = mine.ours(*arrays)
        return [y for y in outs if is_floating(y.dtype.name)] or outs

    return f, [fixed[i] for i in bound.wrt] or [pg.Tensor(np.ones((), np.float32))]


def loss_of(p: Problem, f: Callable[..., list[Any]], dtype: str) -> Callable[..., Any]:
    """The real part of the results times the problem's weights."""

    def loss(*xs: Any) -> Any:
        total: Any = 0.0
        outs = f(*xs)
        if not is_floating(outs[0].dtype.name):
            return outs[0].sum()
        for w, y in zip(p.weights, outs, strict=True):
            term = (in_dtype([w], dtype)[0] * y).sum()
            total = total + (pg.real(term) if "complex" in term.dtype.name else term)
        return total

    return loss


def gradient_of(
    row: Row, index: int, dtype: str, entry: int = 0
) -> tuple[Callable[..., Any], list[Any], Problem]:
    p = posed(row, index, dtype, entry)
    f, at = open_function(p, dtype)
    return pg.grad(loss_of(p, f, dtype), argnums=tuple(range(len(at)))), at, p


def near(got: np.ndarray, want: np.ndarray, row: Row, dtype: str, order: int, what: str) -> None:
    tolerance = 4.0**order * TOLERANCE[dtype] * row.tolerance
    if dtype in ("float64", "complex128"):
        tolerance = 1e-8 if order == 1 else 1e-6  # of the differences
    scale = float(np.max(np.abs(want), initial=0.0))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(scale, 1.0), err_msg=what)


def same_slopes(got: list[Any], at: list[Any], p: Problem, row: Row, dtype: str, what: str) -> None:
    for g, x in zip(got, at, strict=True):
        assert g.shape == x.shape and g.dtype == x.dtype, f"{what}: {g.dtype}{g.shape} for {x.dtype}{x.shape}"
    if not p.bound.wrt:  # nothing to differentiate by: the derivative by anything else is zero
        assert not np.any(numpy_of(got[0]))
        return
    near(p.projected([numpy_of(g) for g in got]), p.slopes, row, dtype, 1, what)


def grad(row: Row, index: int, dtype: str, wrap: Callable[..., Any] = lambda f: f) -> None:
    gradient, at, p = gradient_of(row, index, dtype)
    same_slopes(wrap(gradient)(*at), at, p, row, dtype, f"grad, sample {index}")


def jvp(row: Row, index: int, dtype: str) -> None:
    p = posed_or_plain(row, index, dtype)
    f, at = open_function(p, dtype) if isinstance(p, Problem) else plain(p)
    if isinstance(p, Problem) and p.bound.wrt:
        along = in_dtype(p.tangents, dtype)
    else:
        along = [pg.ones_like(x) for x in at]
    wrt = list(range(len(at)))
    outs, got = pg.jvp(f, wrt, return_outs=True)(*at, *along)
    for g, y in zip(got, outs, strict=True):
        assert g.shape == y.shape and g.dtype == y.dtype, f"jvp, sample {index}: {g.dtype} beside {y.dtype}"
    if isinstance(p, Problem) and p.outs and p.bound.wrt:
        for g, w in zip(got, p.rates, strict=True):
            near(numpy_of(g), w, row, dtype, 1, f"jvp, sample {index}")
    else:  # integers, or nothing to differentiate: no tangent
        assert not any(np.any(numpy_of(g)) for g in got), f"jvp, sample {index}: not zero"


def posed_or_plain(row: Row, index: int, dtype: str) -> Problem | Bound:
    return posed(row, index, dtype) if is_floating(dtype) else bind(row, index, dtype)


def plain(bound: Bound) -> tuple[Callable[..., list[Any]], list[Any]]:
    """A function of integers: all its arrays are arguments."""
    if not bound.values:
        return lambda u: bound.ours(), [pg.Tensor(np.ones((), np.float32))]
    return bound.ours, bound.tensors()


def grad_of_grad(row: Row, index: int, dtype: str) -> None:
    gradient, at, p = gradient_of(row, index, dtype)
    along = in_dtype(p.tangents, dtype) or [pg.ones_like(x) for x in at]

    def rate(*xs: Any) -> Any:
        total: Any = 0.0
        for d, g in zip(along, gradient(*xs)):
            term = (d * g).sum()
            total = total + (pg.real(term) if "complex" in term.dtype.name else term)
        return total

    got = pg.grad(rate, argnums=tuple(range(len(at))))(*at)
    for g, x in zip(got, at, strict=True):
        assert g.shape == x.shape and g.dtype == x.dtype, f"grad of grad: {g.dtype}{g.shape}"
    if p.bound.wrt:
        near(
            p.projected([numpy_of(g) for g in got]),
            p.curvatures,
            row,
            dtype,
            2,
            f"grad of grad, sample {index}",
        )
    else:
        assert not np.any(numpy_of(got[0]))


def vmap_of_grad(row: Row, index: int, dtype: str) -> None:
    gradient, at, p = gradient_of(row, index, dtype)
    second = posed(row, index, dtype, 1)
    _, there = open_function(second, dtype)
    # The second point keeps the first one's constants, so its slopes are taken with those.
    both = [pg.stack([a, b]) for a, b in zip(at, there)]
    got = pg.vmap(gradient)(*both)
    if not p.bound.wrt:
        assert not np.any(numpy_of(got[0]))
        return
    moved = moved_problem(row, index, "complex" in dtype)
    for e, q in enumerate((p, moved)):
        same_slopes([g[e] for g in got], at, q, row, dtype, f"vmap of grad, sample {index}, entry {e}")


@functools.lru_cache(maxsize=256)
def moved_problem(row: Row, index: int, is_complex: bool) -> Problem:
    """The first problem at the second one's point: other differentiable arrays, the same constants."""
    dtype = "complex128" if is_complex else "float64"
    bound, other = bind(row, index, dtype, 0, grid=True), bind(row, index, dtype, 1, grid=True)
    for i in bound.wrt:
        bound.values[i] = other.values[i]
    return Problem(bound)


CHECKS: dict[str, Callable[[Row, int, str], None]] = {
    "eager": eager,
    "jit": jitted,
    "vmap": vmapped,
    "grad": grad,
    "jvp": jvp,
    "grad of grad": grad_of_grad,
    "jit of grad": functools.partial(grad, wrap=pg.jit),
    "vmap of grad": vmap_of_grad,
}


# ---- what is refused


def attempt(transform: Callable[..., Any], by_floats: bool = False) -> Callable[[Row, int, str], None]:
    """Calls a transformed function and evaluates what it gives; derivatives where there is nothing to differentiate
    by are taken by a number that is ignored.
    """

    def run(row: Row, index: int, dtype: str) -> None:
        bound = bind(row, index, dtype)
        xs, f = bound.tensors(), bound.ours
        if not xs or (by_floats and not bound.typed):
            xs, f, given = [pg.Tensor(np.ones((), np.float32))], lambda u: bound.ours(*given), xs
        for y in pg.pytree.leaves(transform(f, tuple(bound.wrt) or (0,))(*xs)):
            y.eval()

    return run


def _total(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: f(*xs)[0].sum()


def _forward(f: Callable[..., Any], wrt: tuple[int, ...]) -> Callable[..., Any]:
    return lambda *xs: pg.jvp(f, list(wrt))(*xs, *[pg.ones_like(xs[i]) for i in wrt])


def _mapped(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: pg.vmap(f)(*[pg.stack([x, x]) for x in xs])


def _gradient(f: Callable[..., Any], wrt: tuple[int, ...]) -> Callable[..., Any]:
    return pg.grad(_total(f), argnums=wrt)


ATTEMPTS: dict[str, Callable[[Row, int, str], None]] = {
    "eager": attempt(lambda f, wrt: f),
    "jit": attempt(lambda f, wrt: pg.jit(f)),
    "vmap": attempt(lambda f, wrt: _mapped(f)),
    "grad": attempt(_gradient, True),
    "jvp": attempt(_forward),
    "grad of grad": attempt(
        lambda f, wrt: pg.grad(lambda *xs: _gradient(f, wrt)(*xs)[0].sum(), argnums=wrt), True
    ),
    "jit of grad": attempt(lambda f, wrt: pg.jit(_gradient(f, wrt)), True),
    "vmap of grad": attempt(lambda f, wrt: _mapped(_gradient(f, wrt)), True),
}


def summary(outcomes: dict[Cell, str]) -> Iterator[str]:
    """Lines that say what of the matrix ran."""
    every = cells()
    total = len(every)
    ran = len(outcomes)
    refused = sum(o != "compared" for o in outcomes.values())
    axes = [len({getattr(c, a) for c in every}) for a in ("function", "dtype", "mode")]
    yield (
        f"matrix: {axes[0]} functions, {axes[1]} dtypes, {axes[2]} modes: {total} cells; {ran} ran "
        f"({ran - refused} compared with an oracle, {refused} typed errors), {total - ran} left out"
    )
