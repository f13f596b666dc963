"""Replacing parameters and buffers for the length of one call, without touching any module.

A module looks its tensors up through `resolve`. While a replacement is active, the look-up of a handle that
has one gives the replacement. So `apply_to_module` works from many threads, nested, and with exceptions, and
a tensor shared by two modules is replaced in both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pequegrad import Tensor


class _Active(threading.local):
    replacements: dict[int, Tensor] | None = None


_active = _Active()


def resolve(handle: Tensor) -> Tensor:
    """The tensor that stands for `handle` in this thread now."""
    replacements = _active.replacements
    return handle if replacements is None else replacements.get(id(handle), handle)


@contextmanager
def replaced(pairs: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Let each first tensor of `pairs` be looked up as the second one; nests."""
    outer = _active.replacements
    _active.replacements = {**(outer or {}), **{id(old): new for old, new in pairs}}
    try:
        yield
    finally:
        _active.replacements = outer
