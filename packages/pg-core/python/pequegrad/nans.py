"""Finding the op behind a NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import _core


def set_debug_nans(on: bool, infs: bool = False) -> None:
    """Switch the search for NaN (with ``infs=True`` also for infinities) on or off for the whole process.

    The environment variable ``PG_DEBUG_NANS`` (``1``, or ``inf``) does the same at import.

    >>> pg.debug.set_debug_nans(False)
    """
    _core.set_nan_check(0 if not on else 2 if infs else 1)


@contextmanager
def debug_nans(infs: bool = False) -> Iterator[None]:
    """While it lasts, computing a result that holds a NaN raises ``NanError`` naming the op that made the
    first one, the values it made it of, and the Python line that called it.

    It holds for everything computed meanwhile in the process, eagerly or in jitted functions; of derivatives
    the named line is that of the differentiated op. Results are what somebody holds: a NaN that ``where``
    hides is none. With ``infs=True`` infinities count as well; literal ones, such as masks of -inf, are not
    blamed as long as something else is. Programs run as they always do; only after a NaN showed up in a
    result is the graph computed again with every value kept.

    >>> x = pg.Tensor([1.0, 0.0])
    >>> with pg.debug_nans():
    ...     try:
    ...         (x / x).eval()
    ...     except pg.NanError as error:
    ...         print(str(error).partition(" (called")[0], "gave nan")
    div gave nan
    """
    before = _core.set_nan_check(2 if infs else 1)
    try:
        yield
    finally:
        _core.set_nan_check(before)
