"""Calls of Python that nobody waits for: each leaves a token, one more result of the trace that it is in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pequegrad as pg


class _Open(threading.local):
    def __init__(self) -> None:
        self.stack: list[list[pg.Tensor]] = []


_open = _Open()


@contextmanager
def collect() -> Iterator[list[pg.Tensor]]:
    """The tokens of what is traced in a ``with`` block."""
    tokens: list[pg.Tensor] = []
    _open.stack.append(tokens)
    try:
        yield tokens
    finally:
        _open.stack.pop()


def emit(tokens: Sequence[pg.Tensor]) -> None:
    """Hand tokens to the trace around, or compute them."""
    known = [t for t in tokens if not t.is_abstract]
    if known:
        pg.eval(*known)
    rest = [t for t in tokens if t.is_abstract]
    if rest and _open.stack:
        _open.stack[-1].extend(rest)
