"""``pg.profile``: what it records is what ran."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pequegrad as pg
import pytest


def test_events_are_the_launches_of_a_jitted_function() -> None:
    f = pg.jit(lambda x, w: pg.tanh(x @ w).sum())
    x, w = pg.ones((64, 64)), pg.ones((64, 64))
    pg.eval(x, w)
    before = pg.debug.launches()
    with pg.profile() as p:
        f(x, w)
    launched = [e for e in p.events if e.kind in ("kernel", "call")]
    assert len(launched) == pg.debug.launches() - before
    assert [e.kind for e in p.events].count("compile") == 1
    assert any(e.name.startswith("dot_general") and e.bytes == 3 * 64 * 64 * 4 for e in launched)
    assert all(__file__ in line for e in launched for line in e.lines)
    assert any("lambda" in line for e in launched for line in e.lines)
    with pg.profile() as again:
        f(x, w)
    assert [e.kind for e in again.events] == ["call", "kernel"]


def test_eager_events_know_their_lines() -> None:
    with pg.profile() as p:
        x = pg.ones(8)
        y = pg.exp(x) * 2  # this line
        y.eval()
    [kernel] = [e for e in p.events if e.kind == "kernel"]
    text = Path(__file__).read_text().splitlines()
    number = next(n for n, line in enumerate(text, 1) if line.endswith("* 2  # this line"))
    assert any(line.startswith(f"{__file__}:{number}") for line in kernel.lines)
    assert (pg.ones(8) + 1).tolist() == [2.0] * 8  # and afterwards nobody asks for lines


def test_times_are_within_the_profile_and_in_order() -> None:
    x = pg.rand(100_000).eval()
    with pg.profile() as p:
        for _ in range(3):
            pg.exp(x).eval()
    starts = [e.start for e in p.events]
    assert starts == sorted(starts)
    assert all(e.duration >= 0 and e.start + e.duration <= p.seconds + 1e-3 for e in p.events)
    assert p.peak_bytes >= 400_000
    assert "exp" in str(p) and "GB/s" in str(p)


def test_loops_stand_around_their_steps() -> None:
    with pg.profile() as p:
        pg.fori_loop(0, 5, lambda i, x: pg.sin(x) + 1, pg.ones(10)).eval()
    [loop] = [e for e in p.events if e.kind == "control"]
    inside = [e for e in p.events if "sin" in e.name and e.kind == "kernel"]
    assert len(inside) == 5
    assert all(loop.start <= e.start and e.start + e.duration <= loop.start + loop.duration for e in inside)


def test_the_file_is_a_trace_of_chrome(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with pg.profile(path) as p:
        (pg.ones(10) + 1).eval()
    events = json.loads(path.read_text())["traceEvents"]
    assert {e["ph"] for e in events} == {"X", "C"}
    assert sum(e["ph"] == "X" for e in events) == len(p.events)
    assert list(tmp_path.iterdir()) == [path]


def test_threads_have_their_own_rows() -> None:
    with pg.profile() as p:
        threads = [threading.Thread(target=lambda: (pg.ones(10) + 1).eval()) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({e.thread for e in p.events if e.kind == "kernel"}) == 2


def test_one_at_a_time_and_ended_by_errors() -> None:
    with pg.profile(), pytest.raises(pg.TraceError, match="another profile"), pg.profile():
        pass
    with pytest.raises(ZeroDivisionError), pg.profile():
        raise ZeroDivisionError
    with pg.profile() as p:
        pass
    assert p.events == []
    with pytest.raises(pg.PequegradError, match="path is that of a file"), pg.profile(3):  # type: ignore[arg-type]
        pass


def test_an_event_of_a_failed_step() -> None:
    with pytest.raises(IndexError), pg.profile() as p:
        pg.take(pg.ones(3), pg.Tensor([5]), 0).eval()
    assert [e.kind for e in p.events].count("kernel") <= 1
