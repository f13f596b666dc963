"""Everything that needs a GPU, in nine minutes: python ci/gpu.py

Builds the core into build/gpu, asks the doctor, runs the tests that take the fixture `gpu`, measures beside
torch, torch.compile, jax and CuPy, and runs some of the tests under compute-sanitizer; writes
docs/benchmarks-gpu.md. Needs a C++ compiler, cmake, pybind11, numpy and pytest, and uses what is there of
the rest; no network, no hatch. Each part has a time limit, prints as it goes, and the next one runs whatever
became of it. What was measured when the time is up stands in the page.

    --parts build,tests     only these (build, doctor, tests, bench, sanitizer)
    --no-build              with the pequegrad that Python finds
    --emulated              tries this script: the emulated GPU, small operands, no page in docs/
    --out DIR               the page, results and output there as well
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "packages" / "pg-core"
BUILD = ROOT / "build" / "gpu"
SITE = BUILD / "site"
PAGE = ROOT / "docs" / "benchmarks-gpu.md"
SANITIZED = "elementwise or neighbours or reductions or gather or graph"

# Seconds each part may take, and how many it leaves to those after it.
LIMITS = {
    "build": (260, 120),
    "doctor": (40, 100),
    "tests": (130, 150),
    "bench": (300, 45),
    "sanitizer": (150, 5),
}


class Runner:
    """Runs commands within what is left of the time, and keeps their output."""

    def __init__(self, minutes: float, out: Path | None) -> None:
        self.end = time.monotonic() + 60 * minutes
        self.log = (out / "gpu.log").open("w") if out else None
        self.env = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")

    def say(self, text: str) -> None:
        print(text, flush=True)
        if self.log:
            self.log.write(text + "\n")
            self.log.flush()

    def left(self) -> float:
        return self.end - time.monotonic()

    def run(self, command: list[str], limit: float, **env: str) -> tuple[int, list[str]]:
        """The exit status (124: out of time) and what was said."""
        self.say(f"$ {' '.join(command)}   (at most {limit:.0f} s)")
        process = subprocess.Popen(
            command, cwd=ROOT, env={**self.env, **env}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        late: list[bool] = []

        def stop() -> None:
            late.append(True)
            kill(process)

        timer = Timer(limit, stop)
        timer.start()
        lines = []
        assert process.stdout is not None
        for text in process.stdout:
            lines.append(text.rstrip("\n"))
            self.say(lines[-1])
        code = process.wait()
        timer.cancel()
        return 124 if late else code, lines


def kill(process: subprocess.Popen[str]) -> None:
    """Ends a command with everything it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended


def tool(name: str) -> str | None:
    """A program beside this Python, on the path, or of the CUDA toolkit."""
    places = [Path(sys.executable).parent / name, Path("/usr/local/cuda/bin") / name]
    beside = next((str(p) for p in places if p.exists()), None)
    return shutil.which(name) or beside


def build(runner: Runner, limit: float) -> str:
    """The core and the Python files, in build/gpu/site."""
    cmake = tool("cmake")
    if cmake is None:
        return "FAILED: cmake is not installed"
    ninja, ccache, start = tool("ninja"), tool("ccache"), time.monotonic()
    module = SITE / "pequegrad"
    shutil.copytree(
        CORE / "python" / "pequegrad", module,
        ignore=shutil.ignore_patterns("*.so", "__pycache__"), dirs_exist_ok=True,
    )  # fmt: skip
    configure = [
        cmake, "-S", str(CORE), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release",
        f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={module}",
        *(["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []),
        *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={ccache}"] if ccache else []),
    ]  # fmt: skip
    code, _ = runner.run(configure, min(limit, 60))
    if code == 0:
        jobs = str(len(os.sched_getaffinity(0)))
        code, _ = runner.run([cmake, "--build", str(BUILD), "--parallel", jobs], limit)
    return f"FAILED: status {code}" if code else f"in {time.monotonic() - start:.0f} s"


def doctor(runner: Runner, limit: float) -> str:
    """What of CUDA is there."""
    code, lines = runner.run([sys.executable, "-m", "pequegrad", "doctor"], limit)
    return lines[-1] if code == 0 and lines else f"FAILED: {lines[-1] if lines else code}"


def tests_of_gpu() -> list[str]:
    """The files whose tests take the fixture `gpu`."""
    found = [
        path
        for path in sorted(ROOT.glob("packages/*/tests/**/test_*.py"))
        if re.search(r"\bgpu: str\b|\bgpu\)", path.read_text())
    ]
    return [str(path.relative_to(ROOT)) for path in found]


def pytest(*words: str) -> list[str]:
    # Other versions of other libraries than those that the project is tested with may warn.
    return [sys.executable, "-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider", *words]


def tests(runner: Runner, limit: float) -> str:
    """The tests on the device."""
    workers = ["-n", "6"] if find_spec("xdist") else []
    command = pytest(*workers, "--maxfail=60", "--durations=5", *tests_of_gpu())
    code, lines = runner.run(command, limit)
    counts = next(
        (text.strip("= ") for text in reversed(lines) if re.search(r"\d (passed|failed)", text)), ""
    )
    return counts if code == 0 else f"FAILED ({code}): {counts}"


def sanitizer(runner: Runner, limit: float) -> str:
    """Memory accesses and races of some of the tests, by NVIDIA's checker."""
    checker = tool("compute-sanitizer")
    if checker is None:
        return "compute-sanitizer is not installed"
    said = []
    start = time.monotonic()
    for name in ("memcheck", "racecheck", "synccheck"):
        remaining = limit - (time.monotonic() - start)
        if remaining < 15:
            said.append(f"{name}: no time")
            continue
        words = [checker, "--tool", name, "--error-exitcode", "99", "--print-limit", "20"]
        if name == "memcheck":
            words += ["--report-api-errors", "no"]  # some tests ask for too much on purpose
        command = pytest("-k", SANITIZED, str(CORE / "tests" / "test_cuda_kernels.py"))
        code, lines = runner.run([*words, *command], remaining)
        summary = next((t for t in reversed(lines) if "ERROR SUMMARY" in t or "RACECHECK SUMMARY" in t), "")
        said.append(f"{name}: {summary.strip('= ') or f'status {code}'}")
    return "; ".join(said)


def bench(runner: Runner, limit: float, emulated: bool, out: Path | None) -> str:
    """The benchmark; its page is written after every row."""
    page = (out or BUILD) / "benchmarks-gpu.md" if emulated else PAGE
    command = [
        sys.executable, str(CORE / "benchmarks" / "gpu.py"), "--minutes", f"{(limit - 20) / 60:.2f}",
        "--report", str(page), "--json", str((out or BUILD) / "benchmarks-gpu.json"),
    ]  # fmt: skip
    if emulated:
        command += ["--small", "--rounds", "2", "--seconds", "0.01"]
    code, _ = runner.run(command, limit)
    if out and page.exists() and page.parent != out:
        shutil.copy(page, out)
    return f"{page}" if code == 0 else f"FAILED ({code}); what was measured is in {page}"


def main() -> int:
    """Runs the parts; 1 when one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(LIMITS))
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    chosen = args.parts.split(",")
    for name in chosen:
        if name not in LIMITS:
            parser.error(f"unknown part {name!r}; there are {', '.join(LIMITS)}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        args.out = args.out.resolve()
    BUILD.mkdir(parents=True, exist_ok=True)
    runner = Runner(args.minutes, args.out)
    packages = [
        str(p / "src") for p in sorted((ROOT / "packages").glob("pg-*")) if (p / "src").exists() and p != CORE
    ]
    found = os.environ.get("PYTHONPATH", "")
    own = [] if args.no_build else [str(SITE)]
    runner.env["PYTHONPATH"] = os.pathsep.join([*own, *packages, *([found] if found else [])])
    # Peers compile into a folder that stays; what compiles for long does so while we build.
    runner.env["TORCHINDUCTOR_CACHE_DIR"] = str(BUILD / "inductor")
    if args.emulated:
        runner.env.update(runpy.run_path(str(CORE / "tests" / "cuda_emu" / "build.py"))["build"]())
    warming: list[subprocess.Popen[str]] = []
    if "bench" in chosen and find_spec("torch"):
        command = [sys.executable, str(CORE / "benchmarks" / "gpu.py"), "--warm", "inductor"]
        command += ["--small"] if args.emulated else []
        with (BUILD / "warm.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=runner.env, text=True, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        warming.append(process)
    results: dict[str, str] = {}
    parts: dict[str, Callable[[float], str]] = {
        "build": lambda limit: build(runner, limit),
        "doctor": lambda limit: doctor(runner, limit),
        "tests": lambda limit: tests(runner, limit),
        "bench": lambda limit: bench(runner, limit, args.emulated, args.out),
        "sanitizer": lambda limit: sanitizer(runner, limit),
    }
    try:
        for name, part in parts.items():
            if name not in chosen or (name == "build" and args.no_build):
                continue
            limit, kept = LIMITS[name]
            limit = int(min(limit, runner.left() - (kept if len(chosen) > 1 else 0)))
            if name == "bench":
                for process in warming:
                    kill(process)  # no more of it while times are taken
            runner.say(f"\n=== {name}, {60 * args.minutes - runner.left():.0f} s after the start")
            if name != "build" and results.get("build", "").startswith("FAILED"):
                results[name] = "FAILED: there is no build"
            else:
                results[name] = part(limit) if limit >= 10 else "FAILED: no time is left"
            runner.say(f"=== {name}: {results[name]}")
    finally:
        for process in warming:
            kill(process)
    runner.say("\n" + "\n".join(f"{name:10} {text}" for name, text in results.items()))
    return 1 if any(text.startswith("FAILED") for text in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
