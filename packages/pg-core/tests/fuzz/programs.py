"""Random programs against NumPy: op by op, lazily in one evaluation, and jitted; and their gradients, the same ways.

    python programs.py --programs 20000 --seed 0       # all; prints how often each op ran and what differed
    python programs.py --seed 0 --replay 17            # one program, printed

Program n of a seed is drawn from (seed, n) alone, so that a failure replays.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import numpy as np  # noqa: E402
import pequegrad as pg  # noqa: E402
from program_steps import DTYPES, FLOATS, LIMIT, STEPS, Value, exact  # noqa: E402

EXTENTS = (1, 2, 3, 4, 7, 16, 33, 130)
LARGEST = 20_000  # elements of a value


class Program(NamedTuple):
    inputs: list[Value]
    steps: list[tuple[str, tuple[int, ...], Any]]
    values: list[Value]  # the references, inputs first
    results: list[int]  # which values are returned

    def run(self, tensors: Any, one_by_one: bool = False) -> list[Any]:
        values = list(tensors)
        for name, operands, detail in self.steps:
            out = STEPS[name].ours(detail, *(values[i] for i in operands))
            values.append(out.eval() if one_by_one else out)
        return [values[i] for i in self.results]

    def __str__(self) -> str:
        lines = [f"v{i} = input {v.dtype}{list(v.shape)}" for i, v in enumerate(self.inputs)]
        for i, (name, operands, detail) in enumerate(self.steps, len(self.inputs)):
            given = ", ".join(f"v{j}" for j in operands)
            out = self.values[i]
            lines.append(
                f"v{i} = {name}({given}; {detail}) -> {out.dtype}{list(out.shape)} +- {out.error:.2g}"
            )
        return "\n".join([*lines, "return " + ", ".join(f"v{i}" for i in self.results)])


def _input(rnd: random.Random, dtype: str) -> Value:
    rng = np.random.default_rng(rnd.getrandbits(32))
    extents = (*EXTENTS, 0) if rnd.random() < 0.15 else EXTENTS
    shape = tuple(rnd.choice(extents) for _ in range(rnd.randint(0, 3)))
    while np.prod(shape) > LARGEST:
        shape = shape[1:]
    if dtype == "bool":
        return Value(dtype, rng.integers(0, 2, shape).astype(bool))
    if dtype in FLOATS:
        return exact(dtype, rng.integers(-8, 9, shape) / 2)
    return Value(
        dtype, np.asarray(rng.integers(0 if dtype.startswith("u") else -20, 21, shape)).astype(dtype)
    )


def _usable(value: Value) -> bool:
    """Values that say something: not swamped by rounding, and small enough for the next step to be exact."""
    return value.data.size <= LARGEST and value.data.ndim <= 5 and value.error <= 0.05


def _operand(rnd: random.Random, count: int) -> int:
    """Often the newest value, so that steps follow one another."""
    return count - 1 if rnd.random() < 0.5 else rnd.randrange(count)


@np.errstate(all="ignore")  # integers wrap
def random_program(seed: int, number: int) -> Program:
    rnd = random.Random(f"{seed}:{number}")
    main = rnd.choice(DTYPES)
    values = [_input(rnd, main), _input(rnd, main), _input(rnd, rnd.choice(DTYPES))]
    inputs, steps = list(values), []
    names, length = list(STEPS), rnd.randint(4, 16)
    for _ in range(10 * length):
        if len(steps) >= length:
            break
        name = rnd.choice(names)
        kind = STEPS[name]
        for _ in range(20):
            operands = tuple(_operand(rnd, len(values)) for _ in range(kind.operands))
            detail = kind.draw(rnd, *(values[i] for i in operands))
            if detail is not None:
                break
        else:
            continue
        out = kind.reference(detail, *(values[i] for i in operands))
        if not _usable(out):
            continue
        steps.append((name, operands, detail))
        values.append(out)
        if out.kind == "f" and out.size > LIMIT:  # from here on products would not be exact any more
            steps.append(("clip", (len(values) - 1,), ()))
            values.append(STEPS["clip"].reference((), out))
    results = sorted({len(values) - 1, rnd.randrange(len(values)), rnd.randrange(len(values))})
    return Program(inputs, steps, values, results)


def _as_floats(tensor: Any) -> Any:
    return tensor.numpy().astype(np.float64) if tensor.dtype.name in FLOATS else tensor.numpy()


def difference(got: Any, wanted: Value) -> str:
    """What is wrong with a result, or nothing."""
    if got.dtype.name != wanted.dtype or got.shape != wanted.shape:
        return f"{got.dtype.name}{list(got.shape)} instead of {wanted.dtype}{list(wanted.shape)}"
    found = _as_floats(got)
    if wanted.error == 0:
        return "" if np.array_equal(found, wanted.data) else "differs from NumPy, and nothing rounds"
    off = float(np.abs(found - wanted.data).max(initial=0.0))
    return "" if off <= wanted.error else f"is {off:.3g} off, of {wanted.error:.3g}"


def same_bits(a: Any, b: Any) -> bool:
    return a.dtype is b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


def tensors_of(program: Program) -> list[Any]:
    return [pg.Tensor(v.data).astype(v.dtype).eval() for v in program.inputs]


def check(program: Program) -> list[str]:
    """What is wrong with a program: values in three ways, then gradients eager against jit."""
    wrong: list[str] = []
    tensors = tensors_of(program)
    runs = {
        "op by op": program.run(tensors, one_by_one=True),
        "lazy": program.run(tensors),
        "jit": pg.jit(lambda *xs: program.run(xs))(*tensors),
    }
    for mode, results in runs.items():
        for i, got in zip(program.results, results):
            text = difference(got, program.values[i])
            if text:
                wrong.append(f"{mode}: v{i} {text}")
    for i, lazy, jitted in zip(program.results, runs["lazy"], runs["jit"]):
        if not same_bits(lazy, jitted):
            wrong.append(f"v{i}: lazy and jit differ in bits")
    wrong += check_gradient(program, tensors)
    return wrong


def _has_twins(program: Program) -> bool:
    """Are two values equal? jit, where numbers are literals, may see that they are one computation; then their
    cotangents are added before they are multiplied, not after.
    """
    floats = [v for v in program.values if v.kind == "f" and v.data.size > 1]
    return len({(v.dtype, v.shape, v.data.tobytes()) for v in floats}) < len(floats)


def same_but_for_sums(a: Any, b: Any) -> bool:
    """Equal bits; sums of float64 over several axes may be added up in another order, since which of the axes
    become one depends on the views that the compiler folded into the sum (docs/how-it-works/kernels.md).
    """
    if same_bits(a, b) or a.dtype.name != "float64" or a.shape != b.shape:
        return same_bits(a, b)
    x, y = a.numpy(), b.numpy()
    return bool(np.allclose(x, y, rtol=0, atol=1e-13 * float(np.abs(x).max(initial=0.0))))


def check_gradient(program: Program, tensors: list[Any]) -> list[str]:
    wide = [i for i, v in enumerate(program.inputs) if v.dtype in ("float32", "float64")]
    ends = [k for k, i in enumerate(program.results) if program.values[i].kind == "f"]
    # reverse mode goes through loops of a stated length only
    if not wide or not ends or any(name == "while_loop" for name, _, _ in program.steps):
        return []
    if _has_twins(program):
        return []

    def f(*xs: Any) -> Any:
        outs = program.run(xs)
        return sum((pg.sum(outs[k].astype("float64")) for k in ends), start=pg.zeros((), dtype="float64"))

    gradient = pg.grad(f, argnums=tuple(wide))
    pairs = zip(gradient(*tensors), pg.jit(gradient)(*tensors))
    return [
        f"gradient {n}: lazy and jit differ in bits"
        for n, (a, b) in enumerate(pairs)
        if not same_but_for_sums(a, b)
    ]


class Found(NamedTuple):
    programs: int
    counts: collections.Counter[str]
    bad: list[str]

    def lines(self) -> list[str]:
        rarest = ", ".join(f"{name} {count}" for name, count in self.counts.most_common()[:-6:-1])
        return [
            *self.bad,
            f"programs: {self.programs}, steps: {self.counts.total()} of {len(STEPS)} ops; rarest: {rarest}; "
            f"{len(self.bad)} differ",
        ]


def run(seed: int, numbers: range) -> Found:
    counts: collections.Counter[str] = collections.Counter(dict.fromkeys(STEPS, 0))
    bad = []
    for number in numbers:
        program = random_program(seed, number)
        counts.update(name for name, _, _ in program.steps)
        try:
            wrong = check(program)
        except Exception as error:
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            bad.append(f"program {number} of seed {seed}: " + "; ".join(wrong))
    return Found(len(numbers), counts, bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--programs", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=int, help="print and check one program")
    options = parser.parse_args()
    if options.replay is not None:
        program = random_program(options.seed, options.replay)
        print(program)
        wrong = check(program)
        print(*wrong or ["nothing differs"], sep="\n")
        return 1 if wrong else 0
    found = run(options.seed, range(options.programs))
    print(*found.lines(), sep="\n")
    return 1 if found.bad else 0


if __name__ == "__main__":
    sys.exit(main())
