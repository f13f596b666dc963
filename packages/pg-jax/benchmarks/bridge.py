"""Step times of the training scripts of the tests: jax.jit, bridge.jit, and the drop-in.

    python packages/pg-jax/benchmarks/bridge.py [script ...]

Each script's step is run with equal arguments by turns, in rounds, so that whatever else the machine does
meets all alike; the figures are medians and their ratio to jax.jit's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pg_jax
from pg_jax import bridge

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from scripts import SCRIPTS

ROUNDS, CALLS = 15, 10


class Recorder:
    """Compiles like ``compile``, and remembers the step and the last arguments it was given."""

    def __init__(self, compile: Callable[..., Any]) -> None:
        self._compile = compile
        self.step: Callable[..., Any] | None = None
        self.args: tuple[Any, ...] = ()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        compiled = self._compile(function)

        def call(*args: Any) -> Any:
            self.step, self.args = compiled, args
            return compiled(*args)

        return call

    def run(self) -> float:
        """Microseconds of a call."""
        assert self.step is not None
        start = time.perf_counter()
        for _ in range(CALLS):
            jax.block_until_ready(self.step(*self.args))
        return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    """Print a line for each script."""
    names = sys.argv[1:] or list(SCRIPTS)
    ways: dict[str, tuple[Any, Callable[..., Any]]] = {
        "jax.jit": (jax, jax.jit),
        "bridge.jit": (jax, bridge.jit),
    }
    if hasattr(pg_jax, "jit"):
        ways["drop-in"] = (pg_jax, pg_jax.jit)
    print(f"{'script':12} " + " ".join(f"{way:>22}" for way in ways))
    for name in names:
        recorders = {}
        for way, (module, compile) in ways.items():
            recorders[way] = Recorder(compile)
            SCRIPTS[name](module, recorders[way])
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, recorder in recorders.items():
                times[way].append(recorder.run())
        medians = {way: statistics.median(found) for way, found in times.items()}
        base = medians["jax.jit"]
        print(f"{name:12} " + " ".join(f"{m:10.0f} us {m / base:6.2f} x" for m in medians.values()))


if __name__ == "__main__":
    main()
