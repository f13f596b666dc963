"""Calls every public function with odd arguments: none may kill the process, hang, or raise an untyped error.

    python fuzz.py --calls 100000 --seed 0       # all, in processes; prints coverage and what failed
    python fuzz.py --seed 0 --replay Tensor.reshape:17    # one call, in this process

Call n of a function is drawn from (seed, function, n) alone, so that a failure replays. Half of the calls are samples
of the op table with some arguments replaced, so that they come past the first checks; the others are odd all through.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import functools
import inspect
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "laws")]

import numpy as np  # noqa: E402
import pequegrad as pg  # noqa: E402
from odd_values import FUNCTIONS, INTS, Hostile, odd, plain, tensor  # noqa: E402

MEMORY = 256 << 20  # bytes that tensors may take
ADDRESS_SPACE = 12 << 30
SECONDS = 20  # for one call
TYPED = (pg.PequegradError, TypeError, ValueError, IndexError, OverflowError, BufferError, Hostile)
TYPED += (OSError,)  # of functions that open files
TYPED += (RecursionError,)  # an argument nested thousands deep, mostly when a message shows it
# Not called: what changes the process for all calls that follow, and constructors that are not for users.
LEFT_OUT = {
    "debug.set_memory_limit",
    "debug.set_num_threads",
    "device.placement",
    "device.from_pair",
    "pytree.PyTree",
    "pytree.Container",
}
PASSED_ON = {"key", "split", "fold_in"}  # that pg.random has from a private module


class Target(NamedTuple):
    name: str
    call: Callable[..., Any]
    parameters: int
    takes_function: bool
    samples: list[tuple[list[Any], dict[str, Any]]]


def _parameters(f: Callable[..., Any]) -> int:
    try:
        given = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return 2
    return 3 if any(p.kind is p.VAR_POSITIONAL for p in given) else len(given)


def _keywords(f: Callable[..., Any]) -> list[str]:
    try:
        return [p.name for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY]
    except (TypeError, ValueError):
        return []


INTERNAL_MODULES = {"autodiff", "evaluate", "guards", "tracing"}


def _public(root: types.ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions and classes of the package and its public modules, by the names that they are defined with."""
    modules = {"": root}
    for name, module in sorted(vars(root).items()):
        ours = isinstance(module, types.ModuleType) and module.__name__.startswith(root.__name__)
        if ours and not name.startswith("_") and name not in INTERNAL_MODULES:
            modules[f"{name}."] = module
    kinds = (types.FunctionType, types.BuiltinFunctionType, type)
    for prefix, module in modules.items():
        for name, f in sorted(vars(module).items()):
            if name.startswith("_") or not isinstance(f, kinds) or not f.__module__.startswith("pequegrad"):
                continue
            own = not prefix or f.__module__ == module.__name__ or name in PASSED_ON
            if own and not (isinstance(f, type) and issubclass(f, BaseException)):
                mine = getattr(f, "__name__", name)
                yield prefix + (mine if getattr(module, mine, None) is f else name), f


def _takes_function(f: Callable[..., Any]) -> bool:
    with contextlib.suppress(TypeError, ValueError):
        first = next(iter(inspect.signature(f).parameters), "")
        return first in (
            "f",
            "fn",
            "function",
            "fun",
            "body",
            "true_fun",
            "cond",
            "body_fun",
            "lower",
            "branches",
        )
    return False


TRANSFORMS = (
    "grad",
    "value_and_grad",
    "fngrad",
    "vjp",
    "jvp",
    "vmap",
    "jacfwd",
    "jacrev",
    "hessian",
    "linearize",
    "checkpoint",
)


def _transformed(transform: Callable[..., Any], f: Any, *args: Any) -> Any:
    return transform(f)(*args)


def _updated(name: str, x: Any, key: Any, *values: Any) -> Any:
    return getattr(x.at[key], name)(*values)


def targets() -> dict[str, Target]:
    """Everything callable that is public: functions of the package and its modules, methods, operators."""
    from op_samples import ROWS

    samples: dict[str, list[Any]] = collections.defaultdict(list)
    for row in ROWS:
        samples[row.name] += [(row, i) for i in range(len(row.samples))]
    found: dict[str, Callable[..., Any]] = {}
    seen: set[Any] = set()
    for name, f in _public(pg):
        if f not in seen:
            seen.add(f)
            found[name] = f
    for name in sorted(dir(pg.Tensor)):
        f = getattr(pg.Tensor, name)
        if (
            callable(f)
            and f not in seen
            and (not hasattr(object, name) or name in ("__eq__", "__lt__", "__ne__", "__format__"))
        ):
            found[f"Tensor.{name}"] = f
    at = type(pg.ones(1).at)
    for name in sorted(n for n in vars(at) if not n.startswith("_")):
        found[f"at.{name}"] = functools.partial(_updated, name)
    found["jit()()"] = functools.partial(_transformed, pg.jit)
    for name in TRANSFORMS:
        if hasattr(pg, name):
            found[f"{name}()()"] = functools.partial(_transformed, getattr(pg, name))
    return {
        name: Target(
            name,
            f,
            _parameters(f),
            _takes_function(f) or name.endswith("()()"),
            samples.get(name.removeprefix("Tensor."), []),
        )
        for name, f in found.items()
        if name not in LEFT_OUT
    }


# ---- one call


def draw(target: Target, seed: int, n: int) -> tuple[list[Any], dict[str, Any]]:
    rnd = random.Random(f"{seed}:{target.name}:{n}")
    if target.samples and rnd.random() < 0.55:
        return _mutated(target, rnd)
    count = max(0, min(target.parameters, 6) + rnd.choice([0, 0, 0, 0, -1, -2, 1]))
    args = [odd(rnd) for _ in range(count)]
    if args and target.takes_function and rnd.random() < 0.8:
        args[0] = rnd.choice(FUNCTIONS)
        args[1:] = [tensor(rnd) if rnd.random() < 0.6 else a for a in args[1:]]
    elif args and (target.name.startswith(("Tensor.", "at.")) or rnd.random() < 0.4):
        args[0] = tensor(rnd)
    names = _keywords(target.call)
    kwargs = {k: odd(rnd) for k in names if rnd.random() < 0.2}
    return args, kwargs


def _mutated(target: Target, rnd: random.Random) -> tuple[list[Any], dict[str, Any]]:
    """A sample of the op table with arguments replaced, dropped or added."""
    from law_tools import Bound

    row, index = rnd.choice(target.samples)
    bound = Bound(row, row.samples[index], rnd.choice(list(row.dtypes)))
    arrays = bound.tensors()
    args = [bound._filled(a, arrays) for a in bound._args]
    kwargs = {k: bound._filled(a, arrays) for k, a in bound._kwargs.items()}
    for _ in range(rnd.choice([1, 1, 2])):
        how = rnd.randrange(8)
        if args and how < 5:
            i = rnd.randrange(len(args))
            was = args[i]
            if isinstance(was, int) and rnd.random() < 0.6:
                args[i] = rnd.choice(INTS)
            elif isinstance(was, tuple) and was and rnd.random() < 0.6:
                items = list(was)
                items[rnd.randrange(len(items))] = rnd.choice(INTS) if rnd.random() < 0.8 else odd(rnd)
                args[i] = tuple(items)
            else:
                args[i] = odd(rnd)
        elif how == 5 and args:
            args.pop()
        elif how == 6:
            args.append(rnd.choice(INTS) if rnd.random() < 0.6 else plain(rnd))
        else:
            kwargs[rnd.choice(["axis", "dim", "keepdims", "dtype", "mode", "padding", "out"])] = odd(rnd)
    return args, kwargs


class TooLong(BaseException):
    pass


def _raised_by_an_argument(error: BaseException) -> bool:
    """Whether a function that was passed in raised it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_filename.endswith("odd_values.py")


def _holds_huge_array(args: Any) -> bool:
    if isinstance(args, (list, tuple)):
        return any(map(_holds_huge_array, args[:4]))
    return isinstance(args, np.ndarray) and args.size > 1 << 30


def _holds_endless_tensor(args: Any) -> bool:
    """A tensor, lazy or broadcast, that takes longer to walk over than a call has time."""
    leaves = args if isinstance(args, (list, tuple)) else [args]
    return any(
        _holds_endless_tensor(leaf) if isinstance(leaf, (list, tuple)) else leaf.size > 1 << 31
        for leaf in leaves[:8]
        if isinstance(leaf, (list, tuple, pg.Tensor))
    )


def perform(target: Target, seed: int, n: int) -> str:
    """Make one call; the outcome: "ok", "typed: Class", or "BAD: ..."."""

    def expired(*_: Any) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, expired)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)
    signal.alarm(SECONDS)
    try:
        args, kwargs = draw(target, seed, n)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = target.call(*args, **kwargs)
            if isinstance(result, types.GeneratorType | types.FunctionType):
                return "ok"
            for leaf in (
                pg.pytree.leaves(result) if isinstance(result, (list, tuple, dict, pg.Tensor)) else []
            ):
                if isinstance(leaf, pg.Tensor) and not _holds_endless_tensor(args):
                    leaf.eval()
                    if leaf.size < 1000:
                        repr(leaf)
        return "ok"
    except TooLong:
        return f"BAD: took more than {SECONDS} s"
    except pg.InternalError as error:
        return f"BAD: InternalError: {error}"
    except TYPED as error:
        return f"typed: {type(error).__name__}"
    except BaseException as error:  # the finding
        if isinstance(error, KeyboardInterrupt):
            raise
        if _raised_by_an_argument(error):
            return f"typed: {type(error).__name__} of an argument"
        if isinstance(error, MemoryError) and _holds_huge_array(args):
            return "typed: MemoryError of NumPy"  # its own arithmetic on its own array
        return f"BAD: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()


def describe(target: Target, seed: int, n: int) -> str:
    args, kwargs = draw(target, seed, n)

    def short(x: Any) -> str:
        try:
            text = f"Tensor{x.shape}:{x.dtype}" if isinstance(x, pg.Tensor) else repr(x)
        except BaseException as error:
            text = f"<{type(x).__name__}: repr raised {type(error).__name__}>"
        return text if len(text) < 120 else text[:117] + "..."

    return f"{target.name}({', '.join([*map(short, args), *(f'{k}={short(v)}' for k, v in kwargs.items())])})"


# ---- many calls, in processes


def plan(names: list[str], calls: int) -> list[tuple[str, int]]:
    """Which call numbers of which functions: the same count for each."""
    each = -(-calls // len(names))
    return [(name, n) for n in range(each) for name in names]


def work(seed: int, calls: int, shard: int, shards: int, start: int, log: Path) -> None:
    """A process: its part of the plan from ``start`` on. Each call is noted before it is made."""
    pg._core.set_memory_limit(MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.RLIM_INFINITY))
    table = targets()
    mine = plan(list(table), calls)[shard::shards]
    with log.open("a", buffering=1) as out:
        for i in range(start, len(mine)):
            name, n = mine[i]
            out.write(f"> {i}\n")
            outcome = perform(table[name], seed, n)
            out.write(f"{json.dumps(outcome[:300])}\n")
        out.write("end\n")


class Report(NamedTuple):
    counts: collections.Counter[str]  # calls by function
    outcomes: collections.Counter[str]
    bad: dict[tuple[str, str], list[int]]  # (function, what) -> call numbers

    def lines(self, seed: int) -> list[str]:
        calls = sum(self.counts.values())
        least = min(self.counts.values(), default=0)
        typed = sum(v for k, v in self.outcomes.items() if k.startswith("typed"))
        out = [
            f"fuzz: {calls} calls of {len(self.counts)} functions, each at least {least} times (seed {seed}): "
            f"{self.outcomes['ok']} returned, {typed} typed errors, {sum(map(len, self.bad.values()))} bad"
        ]
        out += [f"  {k}: {v}" for k, v in self.outcomes.most_common() if k.startswith("typed")]
        table = targets()
        for (name, what), numbers in sorted(self.bad.items()):
            out.append(f"{name}:{numbers[0]} (and {len(numbers) - 1} more): {what}")
            out.append(f"    {describe(table[name], seed, numbers[0])}")
        return out


def run(calls: int, seed: int, shards: int) -> Report:
    names = list(targets())
    report = Report(collections.Counter(), collections.Counter(), collections.defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(s, 0, Path(folder) / f"{s}.log") for s in range(shards)]
        running = [(job, _start(job, calls, seed, shards)) for job in jobs]
        while running:
            (shard, _, log), process = running.pop(0)
            _, errors = process.communicate()
            mine = plan(names, calls)[shard::shards]
            lines = log.read_text().splitlines()
            if not lines or lines[-1] != "end":  # killed: note the call, and go on behind it
                noted = [line for line in lines if line.startswith("> ")]
                if not noted:
                    raise RuntimeError(f"the fuzzer itself failed:\n{errors.decode()[-2000:]}")
                last = int(noted[-1][2:])
                with log.open("a") as out:
                    tail = errors.decode(errors="replace").strip().splitlines()
                    why = next((x for x in tail if x.startswith(("Fatal", "Timeout", "terminate"))), "")
                    out.write(f"\n{json.dumps(f'BAD: process died with {process.returncode} {why}')}\n")
                job = (shard, last + 1, log)
                if last + 1 < len(mine):
                    running.append((job, _start(job, calls, seed, shards)))
                    continue
            _collect(report, mine, log.read_text().splitlines())
    return report


def _start(job: tuple[int, int, Path], calls: int, seed: int, shards: int) -> subprocess.Popen[bytes]:
    shard, start, log = job
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        str(HERE / "fuzz.py"),
        "--seed",
        str(seed),
        "--calls",
        str(calls),
    ]
    command += ["--shards", str(shards), "--shard", str(shard), "--start", str(start), "--log", str(log)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _collect(report: Report, mine: list[tuple[str, int]], lines: list[str]) -> None:
    current = 0
    for line in lines:
        if line.startswith("> "):
            current = int(line[2:])
        elif line.startswith('"'):
            outcome = json.loads(line)
            name, n = mine[current]
            report.counts[name] += 1
            report.outcomes[outcome if not outcome.startswith("BAD") else "bad"] += 1
            if outcome.startswith("BAD"):
                report.bad[name, outcome[:160]].append(n)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--calls", type=int, default=100_000, help="how many calls in all (at least one per function)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shards", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--replay", metavar="FUNCTION:N", help="make one call in this process")
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.shard is not None:
        work(given.seed, given.calls, given.shard, given.shards, given.start, given.log)
        return 0
    if given.replay:
        name, _, n = given.replay.rpartition(":")
        target = targets()[name]
        print(describe(target, given.seed, int(n)))
        pg._core.set_memory_limit(MEMORY)
        args, kwargs = draw(target, given.seed, int(n))
        print(repr(target.call(*args, **kwargs)))
        return 0
    began = time.time()
    report = run(given.calls, given.seed, given.shards)
    print(*report.lines(given.seed), f"{time.time() - began:.0f} s", sep="\n")
    return 1 if report.bad else 0


if __name__ == "__main__":
    sys.exit(main())
