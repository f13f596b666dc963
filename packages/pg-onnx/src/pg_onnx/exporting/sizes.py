"""Sizes that a file leaves open: found by tracing one function with several sizes.

An extent that differs between the traces is a `Size`: the vector of what it was in each. Where the file has
to spell it, `Symbols` finds the expression in the named sizes that gives that vector: the name itself, a
multiple plus a constant, or a product of names.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .parts import Refused


class Size:
    """An extent that depends on open sizes, by its value in each trace.

    >>> batch = Size((2, 3))
    >>> batch * 4 == Size((8, 12)), batch + 1, batch == 2
    (True, Size(3, 4), False)
    """

    __slots__ = ("values",)

    def __init__(self, values: Iterable[int]) -> None:
        self.values = tuple(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __repr__(self) -> str:
        return f"Size{self.values}"

    def __add__(self, other: int | Size) -> int | Size:
        return _joined(a + b for a, b in _pairs(self, other))

    def __sub__(self, other: int | Size) -> int | Size:
        return _joined(a - b for a, b in _pairs(self, other))

    def __rsub__(self, other: int) -> int | Size:
        return _joined(b - a for a, b in _pairs(self, other))

    def __mul__(self, other: int | Size) -> int | Size:
        return _joined(a * b for a, b in _pairs(self, other))

    __radd__, __rmul__ = __add__, __mul__


Extent = int | Size
Extents = tuple[Extent, ...]


def _pairs(a: Size, b: int | Size) -> Iterable[tuple[int, int]]:
    return zip(a.values, b.values if isinstance(b, Size) else itertools.repeat(b), strict=False)


def _joined(values: Iterable[int]) -> Extent:
    values = tuple(values)
    return values[0] if len(set(values)) == 1 else Size(values)


def joined(values: Sequence[int]) -> Extent:
    """One extent from what it was in each trace."""
    return _joined(values)


def count_of(shape: Sequence[Extent]) -> Extent:
    """How many elements a shape has.

    >>> count_of((2, Size((3, 4))))
    Size(6, 8)
    """
    out: Extent = 1
    for extent in shape:
        out = extent * out if isinstance(extent, Size) else out * extent
    return out


def fixed(extent: Extent, what: str) -> int:
    """The extent as a number; refused where it depends on an open size."""
    if isinstance(extent, Size):
        raise Refused(f"{what} depends on a size that was left open")
    return extent


@dataclass(frozen=True)
class Symbol:
    """One open size: its name, its value in each trace, and an axis of an input that has it."""

    name: str
    values: tuple[int, ...]
    input: str
    axis: int


class Term(NamedTuple):
    """A sum of multiples of products of names, and a number."""

    products: tuple[tuple[int, tuple[Symbol, ...]], ...]
    offset: int


class Symbols:
    """The open sizes of one export.

    >>> batch, time = Symbol("batch", (2, 5, 2), "x", 0), Symbol("time", (3, 3, 4), "x", 1)
    >>> symbols = Symbols([batch, time])
    >>> [symbols.name(Size(v)) for v in ((5, 11, 5), (6, 15, 8), (5, 8, 6))]
    ['2*batch+1', 'batch*time', 'batch+time']
    """

    def __init__(self, symbols: Sequence[Symbol] = ()) -> None:
        self.symbols = tuple(symbols)

    def name(self, extent: Extent) -> str | None:
        """The name of an extent that is one of the open sizes, or a spelled expression of them."""
        if not isinstance(extent, Size):
            return None
        try:
            products, offset = self.term(extent)
        except Refused:
            return None
        texts = ["*".join(([] if k == 1 else [str(k)]) + [s.name for s in names]) for k, names in products]
        text = "+".join(texts)
        return text if not offset else f"{text}+{offset}" if offset > 0 else f"{text}-{-offset}"

    def term(self, size: Size) -> Term:
        """The expression of the open sizes that has these values in all traces."""
        for count in range(1, len(self.symbols) + 1):
            for names in itertools.combinations_with_replacement(self.symbols, count):
                values = [math.prod(row) for row in zip(*(s.values for s in names), strict=True)]
                found = _line(values, size.values)
                if found is not None:
                    return Term(((found[0], names),), found[1])
        found_sum = self._sum(size)
        if found_sum is not None:
            return found_sum
        raise Refused(f"the extent {size.values} is no sum or product of the sizes left open")

    def _sum(self, size: Size) -> Term | None:
        """A sum of multiples of the open sizes: the first traces change one of them each."""
        slopes = []
        for k, symbol in enumerate(self.symbols, 1):
            if k >= len(size.values) or symbol.values[k] == symbol.values[0]:
                return None
            slope, rest = divmod(size.values[k] - size.values[0], symbol.values[k] - symbol.values[0])
            if rest:
                return None
            slopes.append(slope)
        rows = zip(*(symbol.values for symbol in self.symbols), strict=True)
        sums = [sum(c * n for c, n in zip(slopes, row, strict=True)) for row in rows]
        offsets = {v - total for v, total in zip(size.values, sums, strict=True)}
        if len(offsets) != 1:
            return None
        products = tuple((c, (s,)) for c, s in zip(slopes, self.symbols, strict=True) if c)
        return Term(products, offsets.pop())


def _line(x: Sequence[int], y: Sequence[int]) -> tuple[int, int] | None:
    """factor and offset with ``y = factor * x + offset`` everywhere, if there are such integers."""
    spread = next(((a, b) for a, b in itertools.combinations(range(len(x)), 2) if x[a] != x[b]), None)
    if spread is None:
        return None
    a, b = spread
    factor, rest = divmod(y[b] - y[a], x[b] - x[a])
    offset = y[a] - factor * x[a]
    good = rest == 0 and factor != 0 and all(factor * u + offset == v for u, v in zip(x, y, strict=True))
    return (factor, offset) if good else None
