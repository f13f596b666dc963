"""Ordinary calls, unjitted and jitted, beside NumPy, torch eager and jax.jit: which are too slow?

    python packages/pg-core/benchmarks/sweep.py                       # everything: some minutes
    python packages/pg-core/benchmarks/sweep.py --only sort,cum --size medium
    python packages/pg-core/benchmarks/sweep.py --shard 2/10 --json sweep.json --merge
    python packages/pg-core/benchmarks/sweep.py --size small,medium --report docs/sweep.md   # a page

Every call's result is compared with a peer's. Unjitted calls are compared with the better of NumPy and
torch, jitted ones with the best of those and jax.jit. All frameworks run in this process, one after another,
each with all threads; a figure is the least of some rounds, which go round the frameworks, because noise only
adds. Printed: every call slower than --limit times the best peer, worst first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

THREADS = str(len(os.sched_getaffinity(0)))
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, THREADS)  # before the frameworks are imported
os.environ["JAX_PLATFORMS"], os.environ["JAX_ENABLE_X64"] = "cpu", "1"

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pequegrad as pg
import sweep_programs  # noqa: F401  adds its cases
import torch
from sweep_cases import CASES, SIZES, Case
from sweep_report import page

ROUNDS, SECONDS = 2, 0.01


class Jax:
    """jax.numpy, with the parts of jax that lie elsewhere."""

    nn, lax, special, random, jax = jax.nn, jax.lax, jax.scipy.special, jax.random, jax
    scipy = jax.scipy

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)


NAMESPACES: dict[str, Any] = {"np": np, "torch": torch, "jax": Jax(), "pg": pg, "jit": pg}


def prepared(case: Case, framework: str, arrays: tuple[Any, ...]) -> Callable[[], Any] | None:
    """The call of a framework on its own copies of the arrays, waiting for the result; None: not measured."""
    call = case.own.get(framework, case.own.get("pg", case.call) if framework == "jit" else case.call)
    if call is None:
        return None
    space = NAMESPACES[framework]
    if framework == "np":
        return lambda: call(np, *arrays)
    if framework == "torch":
        tensors = [torch.from_numpy(a) if a.dtype != ml_dtypes.bfloat16 else
                   torch.from_numpy(a.astype(np.float32)).bfloat16() for a in arrays]  # fmt: skip
        return lambda: call(torch, *tensors)
    if framework == "jax":
        values = [jnp.asarray(a) for a in arrays]
        jitted = jax.jit(lambda *a: call(space, *a))
        return lambda: jax.block_until_ready(jitted(*values))
    ours = [pg.Tensor(a) for a in arrays]
    if framework == "jit":
        compiled = pg.jit(lambda *a: call(pg, *a))
        return lambda: compiled(*ours)

    def run() -> Any:
        out = call(pg, *ours)
        if isinstance(out, pg.Tensor):
            return out.eval()
        pg.eval(out)
        return out

    return run


def flat(value: Any) -> np.ndarray:
    """A result as one vector of float64 or complex128."""
    if isinstance(value, (tuple, list)):
        return np.concatenate([flat(v) for v in value])
    if isinstance(value, torch.Tensor):
        value = value.detach().float().numpy() if value.dtype == torch.bfloat16 else value.detach().numpy()
    elif isinstance(value, pg.Tensor):
        value = value.numpy()
    found = np.asarray(value)
    return found.astype(np.complex128 if found.dtype.kind == "c" else np.float64).reshape(-1)


def agree(a: np.ndarray, b: np.ndarray, dtype: str | None) -> bool:
    """Whether two results are those of one function, in the precision of the arrays."""
    tolerance = 3e-2 if dtype in ("bfloat16", "float16") else 2e-3
    if a.shape != b.shape:
        return False
    scale = float(np.nanmax(np.abs(b), initial=0.0))
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * max(scale, 1e-3), equal_nan=True))


def seconds(run: Callable[[], Any], inner: int, budget: float) -> float:
    """The least time of a call within the budget."""
    best, end = float("inf"), time.perf_counter() + budget
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(inner):
            run()
        best = min(best, (time.perf_counter() - start) / inner)
    return best


def warm_up(run: Callable[[], Any], budget: float) -> None:
    """Calls until the program is hot: it then has generated code, which is made in the background."""
    end = time.perf_counter() + budget
    for _ in range(1000):
        run()
        if time.perf_counter() > end:
            return


def measure(case: Case, size: str) -> dict[str, Any]:
    """{framework: seconds}, and under "note" what is wrong with our results."""
    rng = np.random.default_rng(0)
    arrays = case.make(rng, SIZES[size])
    if case.dtype:
        kind = ml_dtypes.bfloat16 if case.dtype == "bfloat16" else np.dtype(case.dtype)
        arrays = tuple(a.astype(kind) if a.dtype.kind == "f" else a for a in arrays)
    calls, row, values = {}, {}, {}
    notes: list[str] = []
    for framework in NAMESPACES:
        try:
            run = prepared(case, framework, arrays)
            if run is None:
                continue
            value = run()
            values[framework] = flat(value) if case.compared else None
            warm_up(run, 0.1 if framework in ("pg", "jit") else 0.01)
            start = time.perf_counter()
            run()
            once = time.perf_counter() - start
            calls[framework] = run, max(1, int(2e-5 / max(once, 1e-7)))
        except Exception as error:
            notes.append(f"{framework}: {type(error).__name__}: {str(error)[:90]}")
    for _ in range(ROUNDS):
        for framework, (run, inner) in calls.items():
            time.sleep(0.001)  # the last framework's threads stop spinning
            row[framework] = min(row.get(framework, float("inf")), seconds(run, inner, SECONDS))
    if case.compared:
        peers = {f: v for f, v in values.items() if f not in ("pg", "jit")}
        for ours in ("pg", "jit"):
            if (
                ours in values
                and peers
                and not any(agree(values[ours], v, case.dtype) for v in peers.values())
            ):
                notes.append(f"{ours} differs from {', '.join(peers)}")
    return {**row, "note": "; ".join(notes)}


def ratios(row: dict[str, Any]) -> tuple[float | None, float | None]:
    """Ours over the best peer's: unjitted beside NumPy and torch, jitted beside jax too."""
    found = []
    for ours, peers in (("pg", ("np", "torch")), ("jit", ("np", "torch", "jax"))):
        best = min((row[p] for p in peers if p in row), default=None)
        found.append(row[ours] / best if best and ours in row else None)
    return found[0], found[1]


def worst(row: dict[str, Any]) -> float:
    """The greater of the two ratios."""
    return max((r for r in ratios(row) if r is not None), default=0.0)


def show(value: float | None) -> str:
    """A time in microseconds."""
    return "" if value is None else f"{value * 1e6:.4g}"


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    cells = [show(row.get(f)) for f in NAMESPACES]
    cells += ["" if r is None else f"{r:.2f}" for r in ratios(row)]
    return f"| {name} | " + " | ".join(cells) + f" | {row['note']} |"


HEAD = (
    "| call | NumPy us | torch | jax.jit | pg | pg.jit | unjitted | jitted | note |\n|---|"
    + "---:|" * 7
    + "---|"
)


def main() -> int:
    """Measures, prints the offenders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="cases whose name begins so, with commas")
    parser.add_argument("--size", help="small, medium or large, with commas (default: all)")
    parser.add_argument("--shard", default="1/1", help="the i-th of n parts, as 2/10")
    parser.add_argument(
        "--limit", type=float, default=1.2, help="the least ratio that is listed (default: 1.2)"
    )
    parser.add_argument("--all", action="store_true", help="print every call as it is measured")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--merge", action="store_true", help="keep what that file holds already")
    parser.add_argument("--report", help="write this Markdown page, and its plot into a folder beside it")
    parser.add_argument("--render", action="store_true", help="measure nothing: only --json and --report")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    args = parser.parse_args()
    torch.set_num_threads(int(THREADS))
    np.seterr(all="ignore")
    wanted = [(c, s) for c in CASES for s in c.sizes if not args.size or s in args.size.split(",")]
    wanted = [(c, s) for c, s in wanted if not args.only or c.name.startswith(tuple(args.only.split(",")))]
    part, parts = (int(n) for n in args.shard.split("/"))
    wanted = wanted[part - 1 :: parts]
    if args.list:
        print("\n".join(f"{c.name}, {s}" for c, s in wanted))
        return 0
    results: dict[str, dict[str, Any]] = {}
    if args.render:
        wanted = []
    if (args.merge or args.render) and args.json and Path(args.json).exists():
        results = json.loads(Path(args.json).read_text())
    if args.all:
        print(HEAD)
    for number, (case, size) in enumerate(wanted, 1):
        row = measure(case, size)
        results[f"{case.name}, {size}"] = row
        if args.all:
            print(line(f"{case.name}, {size}", row), flush=True)
        elif sys.stderr.isatty():
            print(f"\r{number}/{len(wanted)} {case.name:40}", end="", file=sys.stderr, flush=True)
        if args.json:
            Path(args.json).write_text(json.dumps(results, indent=1))
    slow = {n: r for n, r in results.items() if worst(r) > args.limit or r["note"]}
    lines = [HEAD, *(line(name, slow[name]) for name in sorted(slow, key=lambda n: -worst(slow[n])))]
    print(f"\n{len(results)} calls; slower than {args.limit} x the best peer, or with a note:\n")
    print("\n".join(lines))
    if args.report:
        size = f" --size {args.size}" if args.size else ""
        command = f"python packages/pg-core/benchmarks/sweep.py{size} --report {args.report}"
        page(results, ratios, "\n".join(lines), command, int(THREADS), args.limit, Path(args.report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
