"""The vmaps in progress in this thread: their placeholders, their names, and what they draw."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Protocol

from . import _core, dt
from ._core import Tensor
from ._ops.common import cast, iota
from .errors import ArgumentError

_CPU = (0, 0)


class Draws(Protocol):
    """A generator of random numbers, as a map sees it."""

    def take(self, count: int) -> Tensor: ...


class Map:
    """One vmap whose function is being called. ``values[i]``, batch axis first, is what ``params[i]`` stands
    for.
    """

    def __init__(self, trace: _core.Trace, size: int, name: Hashable | None) -> None:
        self.trace, self.size, self.name = trace, size, name
        self.params: list[Tensor] = []
        self.values: list[Tensor] = []
        self._index: Tensor | None = None
        self._draws: dict[Draws, tuple[Tensor, int]] = {}

    def param(self, value: Tensor) -> Tensor:
        """A placeholder for one example of ``value``."""
        made = self.trace.param(value.shape[1:], value.dtype.code, value.weak, value.device.pair)
        self.params.append(made)
        self.values.append(value)
        return made

    def index(self) -> Tensor:
        """The number of the example: the axis itself, for collectives."""
        if self._index is None:
            self._index = self.param(iota((self.size,), 0, dt.int64, _CPU))
        return self._index

    def take(self, generator: Draws, count: int) -> Tensor:
        """The number of the next draw of an example, as a loop over the examples would count.

        Example i draws from ``first + i * n`` on, where n is how often one example draws: that is known when
        the function has returned.
        """
        first, taken = self._draws.get(generator) or (self.trace.param((), dt.uint32.code, False, _CPU), 0)
        self._draws[generator] = (first, taken + count)
        return first + taken

    def close(self, outs: list[Tensor]) -> list[tuple[Tensor, bool]]:
        """The results for all examples, once the function has returned; the map is no longer in progress."""
        for generator, (first, taken) in self._draws.items():
            start = generator.take(self.size * taken)
            places = cast(iota((self.size,), 0, dt.int64, _CPU) * taken, dt.uint32)
            self.params.append(first)
            self.values.append(start + places)
        return self.trace.batch(outs, self.params, self.values, self.size)


class _InProgress(threading.local):
    def __init__(self) -> None:
        self.maps: list[Map] = []


_in_progress = _InProgress()


def begin(made: Map) -> None:
    """The map becomes the innermost one of this thread."""
    _in_progress.maps.append(made)


def end() -> None:
    """The innermost map ends."""
    _in_progress.maps.pop()


def innermost() -> Map | None:
    """The innermost map in progress in this thread."""
    return _in_progress.maps[-1] if _in_progress.maps else None


def named(name: Any, what: str) -> Map:
    """The map in progress that has a name."""
    for made in reversed(_in_progress.maps):
        if made.name is not None and made.name == name:
            return made
    known = [repr(m.name) for m in _in_progress.maps if m.name is not None]
    raise ArgumentError(
        f"{what}: no axis is called {name!r} here; "
        + (f"the axes are {', '.join(known)}" if known else "give it to pg.vmap as axis_name")
    )
