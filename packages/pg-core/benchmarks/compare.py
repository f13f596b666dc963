"""Compares pequegrad with NumPy, torch, torch.compile and jax on this machine, and prints ratios.

    python packages/pg-core/benchmarks/compare.py --json all.json --report docs/benchmarks.md   # everything
    ... --only training,mm1024 --peers pg,torch                                                 # some of it
    ... --only kernels --merge all.json --json all.json --report docs/benchmarks.md             # a part again

Every framework runs in a process of its own; turns are interleaved, so that noise falls on all alike; the
figure is the median of the quieter half of the turns. Each framework's result is reduced to one number and
compared, so that a fast wrong answer is seen. Ratios are pequegrad's time over the best rival's: below 1 is
faster. docs/benchmarks.md tells what each row is held against.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data import FRESH
from fresh import child, fresh
from report import about, cells, header, page, summary
from targets import GROUPS, disagreement, merged

HERE = Path(__file__).parent
WORKERS = {"pg": "pg", "numpy": "numpy", "torch": "torch", "inductor": "inductor", "jax": "jax"}


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


def measure_fresh(name: str, peers: list[str], threads: int) -> dict[str, Any]:
    """A row whose samples need a process each."""
    row: dict[str, Any] = {}
    extra = ["jax_cached"] if name.startswith("second") and "jax" in peers else []
    for peer in [*peers, *extra]:
        if (peer == "numpy" and name != "import") or (
            peer == "inductor" and name.startswith(("second", "imp"))
        ):
            continue
        value = fresh(peer, name, threads, environment(threads))
        if value is not None:
            row[peer] = {"median": value}
    return row


def measure_turns(name: str, workers: dict[str, Worker], rounds: int, seconds: float) -> dict[str, Any]:
    """A row whose frameworks take turns."""
    row: dict[str, Any] = {}
    ready = {}
    for peer, worker in workers.items():
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
    return row


def measure(
    names: list[str], peers: list[str], threads: int, rounds: int, seconds: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each workload with its row, as it is measured."""
    timed = any(n not in FRESH for n in names)
    workers = {p: Worker(WORKERS[p], threads) for p in peers} if timed else {}
    known = {p: w.ask(do="names") for p, w in workers.items()}
    for peer, answer in known.items():
        if isinstance(answer, dict):
            print(f"compare: {peer} cannot be measured: {answer['error']}", file=sys.stderr)
    try:
        for name in names:
            if name in FRESH:
                yield name, measure_fresh(name, peers, threads)
            else:
                able = {p: w for p, w in workers.items() if isinstance(known[p], list) and name in known[p]}
                yield name, measure_turns(name, able, rounds, seconds)
    finally:
        for worker in workers.values():
            worker.close()


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="workloads by name or prefix, or groups (see --list), with commas")
    parser.add_argument("--skip", help="the same, left out")
    parser.add_argument(
        "--peers", default="pg,numpy,torch,inductor,jax", help="frameworks, with commas (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns per framework and workload (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.15, help="seconds a turn (default: 0.15)")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads for every framework (default: all cores)",
    )
    parser.add_argument("--json", help="write the results to this file after every row")
    parser.add_argument("--merge", help="start from the results of an earlier run in this file")
    parser.add_argument("--report", help="write this Markdown page, and its plots into a folder beside it")
    parser.add_argument("--render", action="store_true", help="measure nothing: only --merge and --report")
    parser.add_argument("--list", action="store_true", help="print groups and workloads and stop")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--fresh", nargs=2, help=argparse.SUPPRESS)
    return parser


def chosen(only: str | None, skip: str | None) -> list[str]:
    """The workloads of the given groups, names and prefixes."""

    def named(name: str, group: str, parts: str) -> bool:
        return any(p == group or name.startswith(p) for p in parts.split(","))

    return [
        n
        for group, (_, names) in GROUPS.items()
        for n in names
        if (not only or named(n, group, only)) and not (skip and named(n, group, skip))
    ]


def main() -> int:
    """Measures, prints, writes; 1 where one of our results is wrong."""
    parser = arguments()
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.threads)
        return 0
    if args.fresh:
        kind, what = args.fresh
        child(next(iter(tables(kind, args.threads).values()))[what], what)
        return 0
    names, peers = chosen(args.only, args.skip), args.peers.split(",")
    if args.list:
        print("\n".join(f"{group}: {', '.join(rows)}" for group, (_, rows) in GROUPS.items()))
        return 0
    unknown = [p for p in peers if p not in WORKERS]
    if unknown:
        parser.error(f"unknown framework {unknown[0]!r}; there are {', '.join(WORKERS)}")
    if not names:
        parser.error("no workload has such a name; --list prints them")
    results: dict[str, dict[str, Any]] = {}
    facts = about(args.threads)
    if args.merge and Path(args.merge).exists():
        results = json.loads(Path(args.merge).read_text())["results"]
    measured: dict[str, dict[str, Any]] = {}
    if not args.render:
        print(
            f"{facts['cpu']}, {args.threads} threads; ratio = pg / best rival\n\n{header(peers)}", flush=True
        )
        start = time.perf_counter()
        for name, row in measure(names, peers, args.threads, args.rounds, args.seconds):
            measured[name] = row
            print(f"| {' | '.join(cells(name, row, peers))} |", flush=True)
            if args.json:
                saved = {"about": facts, "results": merged(results, measured)}
                Path(args.json).write_text(json.dumps(saved, indent=1))
        print(f"\n{len(measured)} workloads in {time.perf_counter() - start:.0f} s", flush=True)
    results = merged(results, measured)
    print(summary(results))
    if args.report:
        page(results, facts, "hatch run bench --report docs/benchmarks.md", Path(args.report))
    return 1 if any(disagreement(r) or "error" in r.get("pg", {}) for r in measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
