"""Compares pequegrad on a GPU with torch, torch.compile (with CUDA graphs), jax and CuPy.

    python packages/pg-core/benchmarks/gpu.py --json gpu.json --report docs/benchmarks-gpu.md
    ... --only seed,tiny --kinds pg,torch
    ... --render gpu.json --report page.md      # writes the page again, measures nothing

Every framework runs in a process of its own, which is idle while another one is measured. A turn queues a
number of iterations, waits for the last, and divides; the figure is the median of the turns. Each framework's
result is reduced to one number and compared. A row that cannot be measured has no figure.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any

import gpu_tables
from gpu_page import agree, line, page

HERE = Path(__file__).parent
RESULT = "@result "  # begins a line of an answer; whatever else a framework prints is passed on


def serve(kind: str, small: bool) -> None:
    """A worker: one JSON command a line on standard input, one answer a line on standard output."""
    found = gpu_tables.tables(kind, small)
    wait = gpu_tables.waiter(kind, small)
    ready: dict[str, Any] = {}
    for text in sys.stdin:
        command = json.loads(text)
        name = command.get("name", "")
        try:
            if command["do"] == "names":
                answer: Any = sorted(found)
            elif command["do"] == "setup":
                run, check = ready[name] = found[name]()
                times = []
                for _ in range(4):  # the number is taken after exactly four iterations, so that losses agree
                    wait()
                    start = time.perf_counter()
                    run()
                    wait()
                    times.append(time.perf_counter() - start)
                answer = {"estimate": min(times), "check": check()}
            elif command["do"] == "drop":
                ready.pop(name, None)
                answer = None
            else:
                run = ready[name][0]
                for _ in range(3):
                    run()
                wait()
                start = time.perf_counter()
                for _ in range(command["inner"]):
                    run()
                wait()
                answer = (time.perf_counter() - start) / command["inner"]
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error).strip()[:200]}"}
        print(RESULT + json.dumps(answer), flush=True)


class Worker:
    """A framework in its process."""

    def __init__(self, kind: str, small: bool) -> None:
        command = [sys.executable, str(HERE / "gpu.py"), "--serve", kind, *(["--small"] if small else [])]
        environment = dict(os.environ, XLA_PYTHON_CLIENT_PREALLOCATE="false", PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment, cwd=HERE,
        )  # fmt: skip
        self.last_words: list[str] = []
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.last_words = [*self.last_words[-20:], text.rstrip()]

    def ask(self, **command: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            for text in self.process.stdout:
                if text.startswith(RESULT):
                    return json.loads(text[len(RESULT) :])
        except OSError:
            pass
        words = next((w for w in reversed(self.last_words) if "Error" in w), "it ended")
        return {"error": words[:200]}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def measure(name: str, workers: dict[str, Worker], rounds: int, seconds: float) -> dict[str, Any]:
    """One row: each framework's time, or why there is none."""
    row: dict[str, Any] = {}
    ready: dict[str, int] = {}
    for kind, worker in workers.items():
        answer = worker.ask(do="setup", name=name)
        row[kind] = answer
        if "error" not in answer:
            ready[kind] = max(1, min(5000, int(seconds / max(answer["estimate"], 1e-7))))
    turns: dict[str, list[float]] = {kind: [] for kind in ready}
    for _ in range(rounds):
        for kind, inner in ready.items():
            took = workers[kind].ask(do="turn", name=name, inner=inner)
            if isinstance(took, float):
                turns[kind].append(took)
            else:
                row[kind] = took
    for kind, worker in workers.items():
        if turns.get(kind):
            row[kind] = {"seconds": statistics.median(turns[kind]), "check": row[kind].get("check")}
        worker.ask(do="drop", name=name)
    return row


def versions() -> dict[str, str]:
    """Of the frameworks that are installed."""
    found = {}
    for name in ("torch", "triton", "jax", "cupy-cuda12x", "cupy-cuda13x", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def facts(small: bool) -> dict[str, Any]:
    """What is measured, and on what."""
    import pequegrad as pg

    found = pg.cuda.report()
    said = ""
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        said = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        pass  # the driver's own words do
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
    ).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "device": found["devices"][0],
        "driver": found["driver"],
        "nvidia_smi": said,
        "libraries": {
            row["name"]: os.path.basename(row["path"]) for row in found["libraries"] if row["path"]
        },
        "python": platform.python_version(),
        "versions": versions(),
        "commit": commit,
        "small": small,
    }


def warm(kind: str, small: bool) -> None:
    """Sets every row up once, so that what a framework compiles lies in its cache."""
    for name, setup in gpu_tables.tables(kind, small).items():
        start = time.perf_counter()
        try:
            run, _ = setup()
            run()
            print(f"{kind} {name}: ready after {time.perf_counter() - start:.1f} s", flush=True)
        except Exception as error:
            print(f"{kind} {name}: {type(error).__name__}: {str(error)[:200]}", flush=True)


def main() -> int:
    """Measures, prints, writes; 1 where one of our results is wrong or pequegrad measured nothing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="rows, with commas (default: all)")
    parser.add_argument("--kinds", default=",".join(gpu_tables.KINDS), help="frameworks, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="turns per framework and row (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="seconds a turn (default: 0.1)")
    parser.add_argument("--minutes", type=float, default=9, help="begin no row after that (default: 9)")
    parser.add_argument(
        "--small", action="store_true", help="tries this script: small operands, peers on the CPU"
    )
    parser.add_argument("--json", help="write the results to this file after every row")
    parser.add_argument("--report", help="write this Markdown page")
    parser.add_argument("--render", help="measure nothing: the page of this file of results")
    parser.add_argument("--warm", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.small:
        gpu_tables.shrink()
    if args.serve or args.warm:
        (serve if args.serve else warm)(args.serve or args.warm, args.small)
        return 0
    if args.render:
        saved = json.loads(Path(args.render).read_text())
        Path(args.report).write_text(page(saved))
        return 0
    begin = time.perf_counter()
    names = [n for n in gpu_tables.ROWS if not args.only or n in args.only.split(",")]
    kinds = args.kinds.split(",")
    saved = {"about": facts(args.small), "rows": {}, "seed_kernels": None}
    print(json.dumps(saved["about"]), flush=True)
    workers = {kind: Worker(kind, args.small) for kind in kinds}
    try:
        saved["seed_kernels"] = gpu_tables.kernels_of_seed()
        print(f"the seed's example: {saved['seed_kernels']} kernel(s)", flush=True)
        known: dict[str, list[str]] = {}
        for kind, worker in workers.items():
            answer = worker.ask(do="names")
            known[kind] = answer if isinstance(answer, list) else []
            if isinstance(answer, dict):
                print(f"{kind} cannot be measured: {answer['error']}", flush=True)
        for name in names:
            if time.perf_counter() - begin > 60 * args.minutes:
                print("no time is left for the other rows", flush=True)
                break
            able = {kind: worker for kind, worker in workers.items() if name in known[kind]}
            saved["rows"][name] = measure(name, able, args.rounds, args.seconds)
            print(line(name, saved), flush=True)
            if args.json:
                Path(args.json).write_text(json.dumps(saved, indent=1))
            if args.report:  # after every row: a run that is stopped leaves what it has measured
                Path(args.report).write_text(page(saved))
    finally:
        for worker in workers.values():
            worker.close()
    rows = saved["rows"].values()
    wrong = [name for name, row in saved["rows"].items() if not agree(row)]
    if wrong:
        print("results differ:", *wrong)
    return 1 if wrong or not any("seconds" in row.get("pg", {}) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
