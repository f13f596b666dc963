"""Figures that need a process for each sample: first calls, import, peak memory.

Caches are the sample's own: an empty folder for `compile_*`, for `second_*` one that an earlier process has
filled, so that nothing outside the benchmark can help or harm.
"""

from __future__ import annotations

import compileall
import importlib.util
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMPORTS = {
    "pg": "pequegrad",
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax, jax.numpy",
}


def installed_copy(folder: Path) -> None:
    """The built package as a wheel would install it: no editable hook, bytecode compiled."""
    found = importlib.util.find_spec("pequegrad")
    assert found is not None and found.submodule_search_locations
    core = importlib.util.find_spec("pequegrad._core")
    assert core is not None and core.origin
    target = folder / "pequegrad"
    for place in found.submodule_search_locations:
        shutil.copytree(
            place, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"), dirs_exist_ok=True
        )
    shutil.copy(core.origin, target / Path(core.origin).name)
    compileall.compile_dir(target, quiet=1)


def import_seconds(kind: str, env: dict[str, str], repeats: int = 5) -> float | None:
    """Median time of an import in a new interpreter that reads no site hooks."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "pg":
            installed_copy(Path(folder))
        numpy = importlib.util.find_spec("numpy")
        assert numpy is not None and numpy.origin
        paths = [folder, str(Path(numpy.origin).parent.parent)]
        code = (
            f"import sys, time; sys.path[:0] = {paths!r}; t = time.perf_counter(); import {IMPORTS[kind]}; "
        )
        code += "print(time.perf_counter() - t)"
        command = [sys.executable, "-I", "-S", "-c", code]
        return _median(command, env, repeats)


def _median(command: list[str], env: dict[str, str], repeats: int) -> float | None:
    values = []
    for _ in range(repeats):
        out = subprocess.run(command, check=False, capture_output=True, text=True, env=env, cwd=HERE).stdout
        if not out.split():
            return None
        values.append(float(out.split()[-1]))
    return statistics.median(values)


def _caches(folder: str, persistent: bool) -> dict[str, str]:
    env = {"PG_CACHE_DIR": f"{folder}/pg"}
    if persistent:
        env |= {
            "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return env


def fresh(kind: str, what: str, threads: int, env: dict[str, str]) -> float | None:
    """Seconds (import, or first call beyond the steady state) or MiB (peak memory); kind "jax_cached" is jax
    with its persistent cache.
    """
    env = {k: v for k, v in env.items() if not k.startswith(("JAX_COMPILATION", "JAX_PERSISTENT"))}
    if what == "import":
        return import_seconds(kind, env)
    worker = kind.removesuffix("_cached")
    command = [sys.executable, str(HERE / "compare.py"), "--fresh", worker, what, "--threads", str(threads)]
    warm = what.startswith("second") and kind != "jax"
    repeats = 1 if what.startswith("rss") else 2
    values = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            own = env | _caches(folder, kind == "jax_cached")
            for _ in range(2 if warm else 1):
                found = _median(command, own, 1)
            if found is None:
                return None
            values.append(found)
    return statistics.median(values)


def child(setup: Callable[[], tuple[Callable[[], Any], Callable[[], float]]], what: str) -> None:
    """What a process of `fresh` does: prints its figure."""
    run, _ = setup()
    if what.startswith("rss"):
        for _ in range(8):
            run()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    # A later call may compile once more, as for an optimizer's state: what exceeds a steady call counts too.
    print(times[0] + sum(t - times[-1] for t in times[1:-1] if t > 3 * times[-1]))
