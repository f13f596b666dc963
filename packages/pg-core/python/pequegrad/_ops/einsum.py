"""einsum: an equation becomes a plan of pairwise products once per equation, shapes and order; running a plan
is a few records.

A plan works on labels, which are small integers. Of every operand first the diagonals of labels that stand
twice, axes of extent 1 that others stretch, and sums over labels that stand nowhere else are dealt with.
A pair that shares summed labels beside labels of its own is one ``dot_general``; a pair without such labels
is a product, summed where needed, which the compiler fuses.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, InvalidValueError, ShapeError
from .common import as_tensor, cast, reshape_to
from .diagonals import diagonal
from .shape import moveaxis, permute

Labels = tuple[int, ...]
Path = tuple[tuple[int, ...], ...]
_OPTIMAL_UP_TO = 6  # operands for which "auto" searches every order: 3^n steps


def einsum(*operands: Any, optimize: Any = "auto") -> Tensor:
    """Sums of products by index notation: ``einsum("ij,jk->ik", a, b)``, or with lists of integers after each
    operand, ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    A label that stands twice for one operand takes its diagonal; labels without place in the result are
    summed; without ``->`` the result has the labels that stand once, in order. An ellipsis stands for axes
    that broadcast. Axes of extent 1 stretch. ``optimize`` says in which order many operands are combined:
    "auto" and True (every order for few, greedy for many), "greedy", "optimal", False (from the left) or a
    path as ``einsum_path`` gives it.

    >>> pg.einsum("ij,j->i", pg.ones((2, 3)), pg.ones(3)).tolist()
    [3.0, 3.0]
    >>> pg.einsum(pg.ones((2, 3)), [0, 1], [1, 0]).shape
    (3, 2)
    """
    equation, xs = _arguments(operands)
    tensors = [as_tensor(x) for x in xs]
    plan = _plan(equation, tuple([x.shape for x in tensors]), _order(optimize))
    kind = dt.all_dtypes[_core.promote(*tensors)[0]]
    boolean = kind.is_bool
    ready = [cast(x, dt.int64 if boolean else kind) for x in tensors]
    made = _run(plan, ready)
    return made != 0 if boolean else made


def einsum_path(*operands: Any, optimize: Any = "auto") -> list[tuple[int, ...]]:
    """The order in which ``einsum`` combines operands: positions in the list of those that are left, to whose
    end each result goes.

    >>> pg.einsum_path("ij,jk,k->i", pg.ones((9, 9)), pg.ones((9, 9)), pg.ones(9))
    [(1, 2), (0, 1)]
    """
    equation, xs = _arguments(operands)
    return list(_plan(equation, tuple([as_tensor(x).shape for x in xs]), _order(optimize)).path)


def _order(optimize: Any) -> str | Path:
    if optimize is True or optimize == "auto":
        return "auto"
    if optimize is False:
        return "left"
    if optimize in ("greedy", "optimal"):
        return str(optimize)
    if isinstance(optimize, (tuple, list)):
        steps = [s for s in optimize if s != "einsum_path"]
        if all(isinstance(s, (tuple, list)) and s for s in steps):
            return tuple(tuple(operator.index(i) for i in s) for s in steps)
    raise InvalidValueError(
        f"einsum: optimize is a bool, 'auto', 'greedy', 'optimal' or a path of positions, got {optimize!r}"
    )


# ---- the notation


def _arguments(operands: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    if not operands:
        raise ArgumentError("einsum: needs an equation and operands")
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), operands[1:]
    pairs, rest = len(operands) // 2, operands[len(operands) // 2 * 2 :]
    xs, lists = operands[0 : 2 * pairs : 2], operands[1 : 2 * pairs : 2]
    if not pairs:
        raise ArgumentError("einsum: the first argument is an equation, or operand and labels alternate")
    text = ",".join(_letters(labels) for labels in lists)
    return text + ("->" + _letters(rest[0]) if rest else ""), xs


def _letters(labels: Any) -> str:
    if not isinstance(labels, (tuple, list)):
        raise ArgumentError(f"einsum: labels after an operand are a list of integers, got {labels!r}")
    out = ""
    for label in labels:
        if label is Ellipsis:
            out += "..."
            continue
        number = operator.index(label)
        if not 0 <= number < 52:
            raise InvalidValueError(f"einsum: labels are integers from 0 to 51, got {number}")
        out += chr(ord("A") + number) if number < 26 else chr(ord("a") + number - 26)
    return out


class _Parsed(NamedTuple):
    inputs: list[Labels]
    output: Labels
    sizes: dict[int, int]


def _parse(equation: str, shapes: Sequence[tuple[int, ...]]) -> _Parsed:
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise InvalidValueError(f"einsum: {equation!r} names {len(terms)} operands, got {len(shapes)}")
    inputs: list[Labels] = []
    widest = 0
    for term, shape in zip(terms, shapes, strict=True):
        letters = term.replace("...", "", 1)
        if not all(c.isalpha() for c in letters):
            raise InvalidValueError(
                f"einsum: {term!r} in {equation!r} may hold letters and one ellipsis '...' only"
            )
        extra = len(shape) - len(letters)
        if extra < 0 or (extra and "..." not in term):
            raise ShapeError(f"einsum: {term!r} has {len(letters)} labels, the operand shape {shape}")
        # An ellipsis stands for labels that no letter has, aligned at the right as broadcasting does.
        dots = tuple(range(-extra, 0)) if "..." in term else ()
        widest = max(widest, len(dots))
        head, _, tail = term.partition("...")
        inputs.append((*map(ord, head), *dots, *map(ord, tail)))
    dots = tuple(range(-widest, 0))
    if arrow:
        if not all(c.isalpha() for c in right.replace("...", "", 1)):
            raise InvalidValueError(
                f"einsum: the result {right!r} of {equation!r} may hold letters and one ellipsis only"
            )
        head, found, tail = right.partition("...")
        output: Labels = (*map(ord, head), *(dots if found else ()), *map(ord, tail))
    else:
        every = [label for labels in inputs for label in labels]
        output = (*dots, *sorted(c for c in set(every) if c >= 0 and every.count(c) == 1))
    sizes: dict[int, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label, n in zip(labels, shape, strict=True):
            known = sizes.setdefault(label, n)
            if known != n:
                if 1 not in (known, n):
                    raise ShapeError(
                        f"einsum: label {_name(label)} stands for extents {known} and {n} in {equation!r}"
                    )
                sizes[label] = n if known == 1 else known
    for label in output:
        if label not in sizes:
            raise InvalidValueError(f"einsum: output label {_name(label)} is in no operand of {equation!r}")
    if len(set(output)) != len(output):
        raise InvalidValueError(f"einsum: an output label stands twice in {equation!r}")
    return _Parsed(inputs, output, sizes)


def _name(label: int) -> str:
    return repr(chr(label)) if label >= 0 else "'...'"


# ---- plans


class _Prepare(NamedTuple):
    """What happens to one operand before it meets another: diagonals, then axes of extent 1 that go, then
    sums.
    """

    diagonals: tuple[tuple[int, int], ...]
    shape: tuple[int, ...] | None
    summed: tuple[int, ...]


class _Pair(NamedTuple):
    """Two operands, taken out of the list, whose product goes to its end."""

    a: int
    b: int
    words: tuple[int, ...]  # of dot_general; none: a product of operands brought to one rank
    views: tuple[tuple[Labels, tuple[int, ...]], ...]  # order and shape of each operand of a product
    summed: tuple[int, ...]


class _Plan(NamedTuple):
    path: Path
    prepare: tuple[_Prepare, ...]
    pairs: tuple[_Pair, ...]
    order: tuple[int, ...] | None


@functools.lru_cache(maxsize=512)
def _plan(equation: str, shapes: tuple[tuple[int, ...], ...], order: str | Path) -> _Plan:
    parsed = _parse(equation, shapes)
    cleared = [_cleared(t, shape, parsed.sizes) for t, shape in zip(parsed.inputs, shapes, strict=True)]
    terms: list[Labels] = []
    prepare: list[_Prepare] = []
    for i, (diagonals, shape, labels) in enumerate(cleared):
        others = set(parsed.output).union(*[c[2] for j, c in enumerate(cleared) if j != i])
        summed = tuple(at for at, label in enumerate(labels) if label not in others)
        prepare.append(_Prepare(diagonals, shape, summed))
        terms.append(tuple(label for label in labels if label in others))
    sizes = parsed.sizes
    path = _path(terms, parsed.output, sizes, order)
    pairs: list[_Pair] = []
    left_over = list(terms)
    output = parsed.output
    for step in path:
        taken = [left_over[i] for i in step]
        rest = [t for i, t in enumerate(left_over) if i not in step]
        keep = set(output).union(*rest)
        at = list(step)
        made = taken[0]
        for number, other in enumerate(taken[1:], 1):
            need = keep.union(*taken[number + 1 :])
            last = not rest and number == len(taken) - 1
            result = _result(made, other, need, output if last else None)
            pairs.append(_pair(made, other, result, sizes, at[0], at[1]))
            made = result
            # The list as the next product of this step finds it.
            size = len(left_over) - number + 1
            following = [i - (i > at[0]) - (i > at[1]) for i in at[2:]]
            at = [size - 2, *following]
        left_over = [*rest, made]
    final = left_over[0]
    order_out = tuple(final.index(label) for label in output)
    return _Plan(
        path, tuple(prepare), tuple(pairs), None if order_out == tuple(range(len(final))) else order_out
    )


def _cleared(
    labels: Labels, shape: tuple[int, ...], sizes: dict[int, int]
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...] | None, Labels]:
    """The diagonals that an operand needs, its shape without the axes of extent 1 that others stretch (None:
    there are none), and the labels left.
    """
    diagonals: list[tuple[int, int]] = []
    left, extents = list(labels), list(shape)
    while len(set(left)) < len(left):
        label = next(c for c in left if left.count(c) > 1)
        i = left.index(label)
        j = left.index(label, i + 1)
        if extents[i] != extents[j]:
            raise ShapeError(
                f"einsum: label {_name(label)} stands for extents {extents[i]} and {extents[j]} "
                "of one operand"
            )
        diagonals.append((i, j))
        n = extents[i]
        for k in (j, i):
            del left[k], extents[k]
        left.append(label)
        extents.append(n)
    gone = [i for i, (c, n) in enumerate(zip(left, extents, strict=True)) if n == 1 and sizes[c] != 1]
    reshaped = tuple(n for i, n in enumerate(extents) if i not in gone) if gone else None
    return tuple(diagonals), reshaped, tuple(c for i, c in enumerate(left) if i not in gone)


def _result(a: Labels, b: Labels, need: set[int], output: Labels | None) -> Labels:
    if output is not None:
        return output
    return (*[c for c in a if c in need], *[c for c in b if c in need and c not in a])


def _pair(a: Labels, b: Labels, c: Labels, sizes: dict[int, int], i: int, j: int) -> _Pair:
    shared, own = set(a) & set(b), set(a) ^ set(b)
    summed = [label for label in a if label in shared and label not in c]
    if summed and own:
        number = {label: n for n, label in enumerate(dict.fromkeys((*a, *b)))}
        words = (len(a), len(b), len(c), *[number[label] for label in (*a, *b, *c)])
        return _Pair(i, j, words, (), ())
    every = (*c, *summed)
    views = []
    for labels in (a, b):
        order = tuple(labels.index(label) for label in every if label in labels)
        views.append((order, tuple(sizes[label] if label in labels else 1 for label in every)))
    return _Pair(i, j, (), tuple(views), tuple(range(len(c), len(every))))


def _run(plan: _Plan, xs: list[Tensor]) -> Tensor:
    ready: list[Tensor] = []
    for step, x in zip(plan.prepare, xs, strict=True):
        for i, j in step.diagonals:
            x = diagonal(moveaxis(x, (i, j), (-2, -1)))
        if step.shape is not None:
            x = reshape_to(x, step.shape)
        ready.append(_core.apply("reduce_sum", (x,), step.summed) if step.summed else x)
    for pair in plan.pairs:
        x, y = ready[pair.a], ready[pair.b]
        kind = x.dtype
        ready = [t for i, t in enumerate(ready) if i not in (pair.a, pair.b)]
        if pair.words:
            made = _core.apply("dot_general", (x, y), pair.words)
        else:
            (order_x, shape_x), (order_y, shape_y) = pair.views
            if pair.summed and kind.itemsize == 2 and kind.kind == "f":  # rounded once, as by dot_general
                x, y = cast(x, dt.float32), cast(y, dt.float32)
            made = reshape_to(permute(x, order_x), shape_x) * reshape_to(permute(y, order_y), shape_y)
            if pair.summed:
                made = _core.apply("reduce_sum", (made,), pair.summed)
            made = cast(made, kind)
        ready.append(made)
    return ready[0] if plan.order is None else permute(ready[0], plan.order)


# ---- the order of many operands


def _path(terms: list[Labels], output: Labels, sizes: dict[int, int], order: str | Path) -> Path:
    n = len(terms)
    if isinstance(order, tuple):
        return _checked(order, n)
    if n == 1:
        return ()
    if n == 2:
        return ((0, 1),)
    if order == "left":
        return ((0, 1), *_from_left(n))
    if order == "optimal" or (order == "auto" and n <= _OPTIMAL_UP_TO):
        return _optimal(terms, output, sizes)
    return _greedy(terms, output, sizes)


def _from_left(n: int) -> Path:
    """After the first product its result lies at the end; the next operand is the first."""
    return tuple((left - 1, 0) for left in range(n - 1, 1, -1))


def _checked(path: Path, n: int) -> Path:
    left = n
    if n == 1:
        return ()
    for step in path:
        if len(step) < 2 or len(set(step)) != len(step) or not all(0 <= i < left for i in step):
            raise InvalidValueError(f"einsum: step {step} of the path does not fit {left} operands")
        left -= len(step) - 1
    return path if left == 1 else (*path, tuple(range(left)))


def _volume(labels: set[int] | frozenset[int], sizes: dict[int, int]) -> int:
    out = 1
    for label in labels:
        out *= sizes[label]
    return out


def _greedy(terms: list[Labels], output: Labels, sizes: dict[int, int]) -> Path:
    """Again and again the pair whose result is smallest beside what it replaces; pairs that share a label
    first.
    """
    left = [frozenset(t) for t in terms]
    path: list[tuple[int, ...]] = []
    while len(left) > 1:
        best: tuple[Any, ...] | None = None
        for i, j in itertools.combinations(range(len(left)), 2):
            need = frozenset(output).union(*[t for k, t in enumerate(left) if k not in (i, j)])
            both = left[i] | left[j]
            result = both & need
            gain = _volume(result, sizes) - _volume(left[i], sizes) - _volume(left[j], sizes)
            rank = (not left[i] & left[j], gain, _volume(both, sizes), i, j)
            if best is None or rank < best[0]:
                best = (rank, i, j, result)
        assert best is not None
        _, i, j, result = best
        left = [*[t for k, t in enumerate(left) if k not in (i, j)], result]
        path.append((i, j))
    return tuple(path)


def _optimal(terms: list[Labels], output: Labels, sizes: dict[int, int]) -> Path:
    """The order with the fewest products, found for every subset of the operands from those of its parts."""
    n = len(terms)
    sets = [frozenset(t) for t in terms]
    everything = (1 << n) - 1
    labels: dict[int, frozenset[int]] = {}
    for subset in range(1, everything + 1):
        inside = frozenset().union(*[sets[i] for i in range(n) if subset >> i & 1])
        outside = frozenset(output).union(*[sets[i] for i in range(n) if not subset >> i & 1])
        labels[subset] = sets[subset.bit_length() - 1] if subset & (subset - 1) == 0 else inside & outside
    cost: dict[int, int] = {1 << i: 0 for i in range(n)}
    split: dict[int, int] = {}
    for subset in sorted(range(1, everything + 1), key=int.bit_count):
        if subset in cost:
            continue
        part = (subset - 1) & subset
        while part:
            other = subset ^ part
            if part > other:
                total = cost[part] + cost[other] + _volume(labels[part] | labels[other], sizes)
                if subset not in cost or total < cost[subset]:
                    cost[subset], split[subset] = total, part
            part = (part - 1) & subset
    # Products of parts before those of the wholes; positions as the list is by then.
    order: list[tuple[int, int]] = []
    todo = [everything]
    while todo:
        subset = todo.pop()
        if subset in split:
            order.append((split[subset], subset ^ split[subset]))
            todo += order[-1]
    left = [1 << i for i in range(n)]
    path: list[tuple[int, ...]] = []
    for a, b in reversed(order):
        i, j = sorted((left.index(a), left.index(b)))
        path.append((i, j))
        left = [*[s for s in left if s not in (a, b)], a | b]
    return tuple(path)
