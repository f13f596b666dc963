"""Compares pequegrad with NumPy, torch, torch.compile and jax on this machine, and prints ratios.

Every framework runs in a process of its own; turns are interleaved, so that noise falls on all alike; the
figure is the median of the quieter half of the turns. Each framework's result is reduced to one number and
compared, so that a fast wrong answer is seen. Ratios are pequegrad's time over the best
peer's: below 1 is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import runpy
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from data import EAGER, FRESH, TIMED, floor_seconds

HERE = Path(__file__).parent
WORKERS = {"pg": "pg", "numpy": "numpy", "torch": "torch", "inductor": "inductor", "jax": "jax"}
IMPORTS = {
    "pg": "import pequegrad",
    "numpy": "import numpy",
    "torch": "import torch",
    "inductor": "import torch, torch._dynamo, torch._inductor.compile_fx",
    "jax": "import jax, jax.numpy",
}


def tables(kind: str, threads: int) -> dict[str, dict[str, Any]]:
    if kind == "pg":
        return {"pg": runpy.run_path(os.environ.get("PEERS_PG", str(HERE / "workloads.py")))["workloads"]()}
    if kind == "numpy":
        import peer_numpy

        return peer_numpy.tables()
    if kind == "jax":
        import peer_jax

        return peer_jax.tables()
    import peer_torch

    return peer_torch.tables(kind == "inductor", threads)


def environment(threads: int) -> dict[str, str]:
    env = dict(os.environ, JAX_PLATFORMS="cpu", PYTHONDONTWRITEBYTECODE="1", PG_NUM_THREADS=str(threads))
    for name in (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TORCHINDUCTOR_COMPILE_THREADS",
    ):
        env[name] = str(threads)
    return env


def serve(kind: str, threads: int) -> None:
    """A worker: one JSON command a line on standard input, one JSON answer a line on standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    found = next(iter(tables(kind, threads).values()))
    live: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["do"] == "names":
                answer: Any = sorted(found)
            elif command["do"] == "setup":
                live = None
                live = found[command["name"]]()
                times = []
                for _ in range(
                    4
                ):  # the check is taken after exactly four iterations, so that training losses agree too
                    start = time.perf_counter()
                    live[0]()
                    times.append(time.perf_counter() - start)
                answer = {"estimate": min(times), "check": live[1]()}
            else:
                run, inner, samples = live[0], command["inner"], []
                end = time.perf_counter() + command["seconds"]
                run()
                while not samples or (time.perf_counter() < end and len(samples) < 2000):
                    start = time.perf_counter()
                    for _ in range(inner):
                        run()
                    samples.append((time.perf_counter() - start) / inner)
                answer = statistics.median(samples)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Worker:
    def __init__(self, kind: str, threads: int) -> None:
        command = [sys.executable, str(HERE / "compare.py"), "--serve", kind, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(threads),
            cwd=HERE,
        )

    def ask(self, **command: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            return {"error": f"the worker died: {error}"}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def fresh(kind: str, what: str, threads: int, repeats: int = 3) -> float | None:
    """Seconds (import, or first call beyond the steady state) or MiB (peak memory), in fresh processes."""
    values = []
    for _ in range(repeats):
        if what == "import":
            code = f"import time; t = time.perf_counter(); {IMPORTS[kind]}; print(time.perf_counter() - t)"
            command = [sys.executable, "-c", code]
        else:
            command = [
                sys.executable,
                str(HERE / "compare.py"),
                "--fresh",
                kind,
                what,
                "--threads",
                str(threads),
            ]
        out = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment(threads), cwd=HERE
        ).stdout.split()
        if not out:
            return None
        values.append(float(out[-1]))
    return statistics.median(values)


def fresh_child(kind: str, what: str, threads: int) -> None:
    run, _ = next(iter(tables(kind, threads).values()))[what]()
    if what.startswith("compile"):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        print(times[0] + sum(t - times[-1] for t in times[1:-1] if t > 3 * times[-1]))
    else:
        for _ in range(8):
            run()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def show(value: float | None, unit: str = "s") -> str:
    if value is None:
        return ""
    if unit == "MiB":
        return f"{value:.0f} MiB"
    return (
        f"{value:.2f} s"
        if value >= 1
        else f"{value * 1e3:.2f} ms"
        if value >= 1e-3
        else f"{value * 1e6:.2f} us"
    )


def measure(
    names: list[str], peers: list[str], threads: int, rounds: int, seconds: float
) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    workers = {p: Worker(WORKERS[p], threads) for p in peers} if any(n not in FRESH for n in names) else {}
    known = {p: w.ask(do="names") for p, w in workers.items()}
    for peer, answer in known.items():
        if isinstance(answer, dict):
            print(f"compare: {peer} cannot be measured: {answer['error']}", file=sys.stderr)
    for name in names:
        row = results[name] = {}
        if name in FRESH:
            for peer in peers:
                if (peer != "numpy" or name == "import") and (
                    value := fresh(peer, name, threads)
                ) is not None:
                    row[peer] = {"median": value}
        else:
            ready = {}
            for peer, worker in workers.items():
                if isinstance(known[peer], list) and name in known[peer]:
                    answer = worker.ask(do="setup", name=name)
                    if "error" in answer:
                        row[peer] = answer
                    else:
                        ready[peer] = answer
            turns: dict[str, list[float]] = {p: [] for p in ready}
            for _ in range(rounds):
                for peer, answer in ready.items():
                    inner = max(1, min(1000, int(2e-4 / max(answer["estimate"], 1e-9))))
                    took = workers[peer].ask(do="turn", inner=inner, seconds=seconds)
                    if isinstance(took, float):
                        turns[peer].append(took)
            for peer, answer in ready.items():
                if turns[peer]:
                    best = sorted(turns[peer])[: (len(turns[peer]) + 1) // 2]
                    row[peer] = {"median": statistics.median(best), "check": answer["check"]}
        print(line(name, row, peers), flush=True)
    for worker in workers.values():
        worker.close()
    return results


def disagreement(row: dict[str, Any]) -> str:
    """What is wrong with pequegrad's result, or nothing."""
    ours = row.get("pg", {}).get("check")
    others = [r["check"] for p, r in row.items() if p != "pg" and "check" in r]
    if ours is None or not others:
        return ""
    scale = max(abs(statistics.median(others)), 1e-3)
    return (
        ""
        if min(abs(ours - o) for o in others) <= 5e-3 * scale
        else f"value {ours:.6g}, others {others[0]:.6g}"
    )


def line(name: str, row: dict[str, Any], peers: list[str]) -> str:
    unit = "MiB" if name.startswith("rss") else "s"
    cells = [
        show(row[p]["median"], unit) if "median" in row.get(p, {}) else "error" if p in row else ""
        for p in peers
    ]
    ours = row.get("pg", {}).get("median")
    best = min((r["median"] for p, r in row.items() if p != "pg" and "median" in r), default=None)
    ratio = f"{ours / best:.2f}" if ours and best else ""
    floor = floor_seconds(name, 360.0, 57.0)
    share = f"{ours / floor:.1f}" if ours and floor else ""
    note = disagreement(row) or row.get("pg", {}).get("error", "")
    return f"| {name} | " + " | ".join(cells) + f" | {ratio} | {share} | {note} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", help="workloads by name or prefix, with commas")
    parser.add_argument(
        "--peers", default="pg,numpy,torch,inductor,jax", help="frameworks, with commas (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=4, help="turns per framework and workload (default: 4)")
    parser.add_argument("--seconds", type=float, default=0.4, help="seconds a turn (default: 0.4)")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads for every framework (default: all cores)",
    )
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--list", action="store_true", help="print the workloads' names and stop")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--fresh", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.threads)
        return 0
    if args.fresh:
        fresh_child(*args.fresh, args.threads)
        return 0
    names = [
        n
        for n in TIMED + EAGER + FRESH
        if not args.only or any(n.startswith(o) for o in args.only.split(","))
    ]
    if args.list:
        print("\n".join(names))
        return 0
    peers = args.peers.split(",")
    unknown = [p for p in peers if p not in WORKERS]
    if unknown or not names:
        parser.error(
            f"unknown framework {unknown[0]!r}; there are {', '.join(WORKERS)}"
            if unknown
            else "no workload has such a name"
        )
    print(
        f"{platform.processor() or platform.machine()}, {args.threads} threads; "
        "ratio = pg / best peer, x floor = pg / physical limit\n"
    )
    print(
        "| workload | "
        + " | ".join(peers)
        + " | ratio | x floor | note |\n|---|"
        + "---:|" * (len(peers) + 2)
        + "---|"
    )
    results = measure(names, peers, args.threads, args.rounds, args.seconds)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))
    return 1 if any(disagreement(r) or "error" in r.get("pg", {}) for r in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
