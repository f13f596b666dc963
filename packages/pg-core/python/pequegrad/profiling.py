"""What ran when: a record of kernels, library calls, loops and compilations, as table or trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import _core
from .errors import ArgumentError, TraceError


class Event(NamedTuple):
    """One launch, loop or compilation. Times are seconds since the profile began.

    >>> with pg.profile() as p:
    ...     _ = (pg.ones(1000) + 1).eval()
    >>> [e.name for e in p.events if e.kind == "kernel"]
    ['add']
    """

    # kernel, call (of a library), host (a Python function), control (a loop or branch), compile, generate
    kind: str
    name: str
    tier: str  # of a kernel: "generated code" or "interpreter"
    lines: tuple[str, ...]  # the Python lines that made it
    start: float
    duration: float
    thread: int
    bytes: int  # read and written by a kernel or call
    live_bytes: int  # of all tensors, afterwards


class Profile:
    """What ``pg.profile()`` recorded; prints as a table of where the time went.

    >>> with pg.profile() as p:
    ...     _ = pg.softmax(pg.ones((8, 8))).eval()
    >>> sum(e.duration for e in p.events) <= p.seconds
    True
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seconds = 0.0

    @property
    def peak_bytes(self) -> int:
        """The most bytes that tensors took after any event."""
        return max((e.live_bytes for e in self.events), default=0)

    def __str__(self) -> str:
        totals: dict[tuple[str, str], list[float]] = {}
        for e in self.events:
            if e.kind == "control":
                continue  # its steps are events of their own
            total = totals.setdefault((e.kind, e.name), [0.0, 0.0, 0.0])
            total[0] += e.duration
            total[1] += 1
            total[2] += e.bytes
        busy = sum(t[0] for t in totals.values())
        lines = [
            f"{self.seconds * 1e3:.3f} ms, of which {busy * 1e3:.3f} ms in {len(self.events)} events; "
            f"at most {self.peak_bytes / 2**20:.1f} MiB of tensors",
            f"{'ms':>10} {'share':>6} {'times':>6} {'GB/s':>7}  what",
        ]
        for (kind, name), (took, times, moved) in sorted(totals.items(), key=lambda item: -item[1][0]):
            rate = f"{moved / took / 1e9:7.1f}" if moved and took else " " * 7
            share = took / busy if busy else 0.0
            lines.append(f"{took * 1e3:10.3f} {share:6.1%} {int(times):6} {rate}  {kind} {name}")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record in the format of Chrome's tracing (JSON), which Perfetto shows too.

        Args:
            path: the file; one that exists is replaced.

        >>> import tempfile, json, pathlib
        >>> with pg.profile() as p:
        ...     _ = (pg.ones(3) * 2).eval()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     p.save(pathlib.Path(folder) / "trace.json")
        ...     "traceEvents" in json.loads((pathlib.Path(folder) / "trace.json").read_text())
        True
        """
        import json  # rarely needed

        target = os.fspath(path)
        temporary = f"{target}.{os.getpid()}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(json.dumps({"traceEvents": list(self._trace()), "displayTimeUnit": "ns"}))
        os.replace(temporary, target)

    def _trace(self) -> Iterator[dict[str, Any]]:
        """Format: "Trace Event Format" of Chrome's tracing; times in microseconds."""
        for e in self.events:
            args: dict[str, Any] = {"lines": list(e.lines)}
            if e.bytes:
                args["bytes"] = e.bytes
                args["GB/s"] = round(e.bytes / max(e.duration, 1e-9) / 1e9, 2)
            if e.tier:
                args["tier"] = e.tier
            common = {"pid": os.getpid(), "tid": e.thread}
            yield {
                "ph": "X",
                "name": e.name,
                "cat": e.kind,
                "ts": e.start * 1e6,
                "dur": e.duration * 1e6,
                "args": args,
                **common,
            }
            end = (e.start + e.duration) * 1e6
            yield {"ph": "C", "name": "tensors", "ts": end, "args": {"bytes": e.live_bytes}, **common}


@contextmanager
def profile(path: str | os.PathLike[str] | None = None) -> Iterator[Profile]:
    """Record every kernel, library call, loop and compilation of the process while it lasts.

    A launch takes some microseconds longer. Work that is pending when the block ends is not in the record:
    evaluate what is to be seen. A loop or branch is an event around those of its steps.

    Args:
        path: where to save the record when the block ends (see ``Profile.save``).

    Raises:
        TraceError: a profile is being made already.

    >>> f = pg.jit(lambda x: pg.exp(x).sum())
    >>> with pg.profile() as p:
    ...     _ = f(pg.ones(1000))
    >>> {e.kind for e in p.events} >= {"compile", "kernel"}
    True
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"profile: path is that of a file, got a {type(path).__name__}")
    if not _core.start_profile():
        raise TraceError("profile: another profile is being made; only one can be at a time")
    out = Profile()
    begun = _core.profile_time()
    try:
        yield out
    finally:
        out.seconds = (_core.profile_time() - begun) * 1e-9
        for kind, name, tier, lines, start, duration, thread, moved, live in _core.stop_profile():
            out.events.append(
                Event(kind, name, tier, tuple(lines), start * 1e-9, duration * 1e-9, thread, int(moved), live)
            )
    if path is not None:
        out.save(path)
