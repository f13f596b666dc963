"""Ctrl-C ends a program inside a kernel, and leaves the library as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

CODE = """
    import os, signal, sys, threading
    import pequegrad as pg

    def f(x):
        for _ in range(190):
            x = pg.sin(x * 1.01)
        return x

    x = pg.ones(1 << 25)
    x.eval()
    lazy = f(x) if {lazy} else None
    jitted = pg.jit(f)
    if not {lazy}:
        assert len(jitted.explain(x).kernels) <= 2  # and a constant
    live = pg._core.memory_stats()["live_bytes"]
    print("ready", flush=True)
    try:
        lazy.eval() if {lazy} else jitted(x)
        print("ended")
    except KeyboardInterrupt:
        print("interrupted")
    assert pg._core.memory_stats()["live_bytes"] <= live, "results are dropped"
    print((pg.ones(1000) * 2).sum().item())
    os._exit(0)  # the compiler may still be at work
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("threads", "lazy"), [("1", True), ("2", False)])
def test_ctrl_c_inside_one_kernel(threads: str, lazy: bool) -> None:
    code = textwrap.dedent(CODE).format(lazy=lazy)
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.environ['PG_NUM_THREADS'] = {threads!r}\n" + code],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)  # the whole kernel takes about as long
    finally:
        process.kill()
    assert out.splitlines() == ["interrupted", "2000.0"]
