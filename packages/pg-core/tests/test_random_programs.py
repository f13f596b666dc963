"""Random programs against torch: values, gradients, second derivatives by both nestings, eager and jitted; and
mapped over examples, alone and inside and outside the other transforms.

A program is a list of steps on earlier values. What one op does has its own tests; here they meet each
other in fused groups.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
import pytest

torch = pytest.importorskip("torch")

Shape = tuple[int, ...]


class Kind(NamedTuple):
    """How a step is drawn (detail and shape of the result, or None where it does not apply), and what it does
    in both libraries.
    """

    draw: Callable[[random.Random, Shape], tuple[Any, Shape] | None]
    torch: Callable[[Any, Any], Any]
    ours: Callable[[Any, Any], Any]


def same(rnd: random.Random, s: Shape) -> tuple[Any, Shape]:
    return None, s


def along(rnd: random.Random, s: Shape) -> tuple[Any, Shape] | None:
    return (rnd.randrange(len(s)), s) if s else None


def reducing(rnd: random.Random, s: Shape) -> tuple[Any, Shape] | None:
    if not s:
        return None
    axis, keep = rnd.randrange(len(s)), rnd.random() < 0.5
    return (axis, keep), s[:axis] + ((1,) if keep else ()) + s[axis + 1 :]


def reshaping(rnd: random.Random, s: Shape) -> tuple[Any, Shape]:
    n = math.prod(s)
    d = rnd.choice([d for d in range(1, n + 1) if n % d == 0])
    shape = (d, n // d) if rnd.random() < 0.7 else (n,)
    return shape, shape


def permuting(rnd: random.Random, s: Shape) -> tuple[Any, Shape]:
    axes = rnd.sample(range(len(s)), len(s))
    return tuple(axes), tuple(s[a] for a in axes)


def slicing(rnd: random.Random, s: Shape) -> tuple[Any, Shape] | None:
    if not s:
        return None
    axis, step = rnd.randrange(len(s)), rnd.randint(1, 2)
    start = rnd.randrange(s[axis])
    key = (slice(None),) * axis + (slice(start, None, step),)
    return key, s[:axis] + (len(range(start, s[axis], step)),) + s[axis + 1 :]


def padding(rnd: random.Random, s: Shape) -> tuple[Any, Shape] | None:
    if not s:
        return None
    widths = [(0, 0)] * len(s)
    axis = rnd.randrange(len(s))
    widths[axis] = low, high = rnd.randint(0, 2), rnd.randint(0, 2)
    return widths, s[:axis] + (s[axis] + low + high,) + s[axis + 1 :]


def indexing(rnd: random.Random, s: Shape) -> tuple[Any, Shape] | None:
    if not s:
        return None
    rows = np.array([rnd.randrange(s[0]) for _ in range(rnd.randint(1, 4))])
    return rows, (len(rows), *s[1:])


def repeating(rnd: random.Random, s: Shape) -> tuple[Any, Shape]:
    shape = (rnd.randint(1, 3), *s)
    return shape, shape


ONE = {
    "sin": Kind(same, lambda a, _: a.sin(), lambda a, _: pg.sin(a)),
    "tanh": Kind(same, lambda a, _: a.tanh(), lambda a, _: pg.tanh(a)),
    "exp": Kind(same, lambda a, _: a.sin().exp(), lambda a, _: pg.exp(pg.sin(a))),
    "stop": Kind(same, lambda a, _: a * a.detach(), lambda a, _: a * pg.stop_gradient(a)),
    "softmax": Kind(along, torch.softmax, pg.softmax),
    "cumsum": Kind(along, torch.cumsum, pg.cumsum),
    "cumprod": Kind(along, torch.cumprod, pg.cumprod),
    "sort": Kind(along, lambda a, d: torch.sort(a, dim=d, stable=True)[0], pg.sort),
    "flip": Kind(along, lambda a, d: torch.flip(a, (d,)), pg.flip),
    "sum": Kind(reducing, lambda a, d: torch.sum(a, d[0], keepdim=d[1]), lambda a, d: pg.sum(a, *d)),
    "mean": Kind(reducing, lambda a, d: torch.mean(a, d[0], keepdim=d[1]), lambda a, d: pg.mean(a, *d)),
    "max": Kind(reducing, lambda a, d: torch.amax(a, d[0], keepdim=d[1]), lambda a, d: pg.max(a, *d)),
    "prod": Kind(
        reducing,
        lambda a, d: torch.prod(a, d[0], keepdim=d[1]),
        lambda a, d: pg.prod(a, d[0], keepdims=d[1]),
    ),
    "reshape": Kind(reshaping, torch.reshape, pg.reshape),
    "permute": Kind(permuting, torch.permute, pg.permute),
    "expand": Kind(lambda rnd, s: (None, (*s, 1)), lambda a, _: a[..., None], lambda a, _: a[..., None]),
    "broadcast": Kind(repeating, torch.broadcast_to, pg.broadcast_to),
    "slice": Kind(slicing, lambda a, key: a[key], lambda a, key: a[key]),
    "pad": Kind(
        padding,
        lambda a, w: torch.nn.functional.pad(a, [n for pair in reversed(w) for n in pair], value=0.3),
        lambda a, w: pg.pad(a, w, constant_values=0.3),
    ),
    "rows": Kind(indexing, lambda a, rows: a[torch.tensor(rows)], lambda a, rows: a[pg.Tensor(rows)]),
}

TWO: dict[str, Callable[[Any, Any, Any], Any]] = {  # lib, a, b
    "mul": lambda lib, a, b: a * b,
    "add": lambda lib, a, b: a + b * 0.5,
    "sub": lambda lib, a, b: 1 - a - b,
    "div": lambda lib, a, b: a / (b * b + 1.5),
    "maximum": lambda lib, a, b: lib.maximum(a, b * 0.7 + 0.01),
    "where": lambda lib, a, b: lib.where(a > b, a * 2, lib.sin(b)),
    "concat": lambda lib, a, b: lib.concatenate((a, b)),
    "matmul": lambda lib, a, b: a @ b,
}


def fitting(kind: str, a: Shape, b: Shape) -> Shape | None:
    """The shape of a step on two values, or None where they do not fit."""
    if kind == "concat":
        return (a[0] + b[0], *a[1:]) if a and len(a) == len(b) and a[1:] == b[1:] else None
    if kind == "matmul":
        return (*a[:-1], b[1]) if a and len(b) == 2 and a[-1] == b[0] else None
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


class Program(NamedTuple):
    inputs: list[Shape]
    steps: list[tuple[str, tuple[int, ...], Any]]
    shape: Shape

    def run(self, lib: Any, xs: Any) -> Any:
        values = list(xs)
        for kind, operands, detail in self.steps:
            got = [values[i] for i in operands]
            if kind == "total":
                values.append(got[0].mean())  # a sum grows until sin of it is noise
            elif kind in TWO:
                values.append(TWO[kind](lib, *got))
            else:
                values.append((ONE[kind].torch if lib is torch else ONE[kind].ours)(got[0], detail))
        return values[-1]


def random_program(seed: int, extents: tuple[int, ...], limit: int) -> Program:
    rnd = random.Random(seed)
    shapes = [tuple(rnd.choice(extents) for _ in range(rnd.randint(1, 3))) for _ in range(2)]
    steps: list[tuple[str, tuple[int, ...], Any]] = []
    for _ in range(rnd.randint(3, 14)):
        i = rnd.randrange(len(shapes)) if rnd.random() < 0.4 else len(shapes) - 1
        kind = rnd.choice([*ONE, *TWO, *TWO])
        if kind in ONE:
            drawn = ONE[kind].draw(rnd, shapes[i])
            if drawn is None:
                continue
            steps.append((kind, (i,), drawn[0]))
            shapes.append(drawn[1])
        else:
            partners = [j for j, s in enumerate(shapes) if fitting(kind, shapes[i], s) is not None]
            if not partners:
                continue
            j = rnd.choice(partners)
            steps.append((kind, (i, j), None))
            shapes.append(fitting(kind, shapes[i], shapes[j]) or ())
        if math.prod(shapes[-1]) > limit or len(shapes[-1]) > 5:
            steps.append(("total", (len(shapes) - 1,), None))
            shapes.append(())
    return Program(shapes[:2], steps, shapes[-1])


def torch_derivatives(
    program: Program, xs: Any, ct: Any, directions: Any
) -> tuple[Any, list[Any], list[Any]]:
    """The value, the gradient of <ct, value>, and the derivative of the gradient along directions."""

    def numbers(ts: Any) -> list[Any]:
        dense = [None if t is None or t._is_zerotensor() else t.detach().numpy() for t in ts]
        return [np.zeros_like(x) if d is None else d for d, x in zip(dense, xs)]

    inputs = [torch.tensor(x, requires_grad=True) for x in xs]
    out = program.run(torch, inputs)
    if not out.requires_grad:
        return out.numpy(), numbers([None, None]), numbers([None, None])
    first = torch.autograd.grad((out * torch.tensor(ct)).sum(), inputs, create_graph=True, allow_unused=True)
    along = [(g * torch.tensor(d)).sum() for g, d in zip(first, directions) if g is not None]
    along = [a for a in along if a.requires_grad]
    second = torch.autograd.grad(sum(along), inputs, allow_unused=True) if along else (None, None)
    return out.detach().numpy(), numbers(first), numbers(second)


def check(program: Program, seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.uniform(-1, 1, s) for s in program.inputs]
    ct, directions = rng.uniform(-1, 1, program.shape), [rng.uniform(-1, 1, s) for s in program.inputs]
    value, first, second = torch_derivatives(program, xs, ct, directions)
    tensors = [pg.Tensor(x) for x in xs]

    def f(*args: Any) -> Any:
        return program.run(pg, args)

    def gradient(*args: Any) -> Any:
        return pg.vjp(f, wrt=(0, 1))(*args, pg.Tensor(ct))

    def forward_of_reverse(*args: Any) -> Any:
        return pg.jvp(gradient, wrt=(0, 1))(*args, *map(pg.Tensor, directions))

    def along(*args: Any) -> Any:
        a, b = gradient(*args)
        return (a * pg.Tensor(directions[0])).sum() + (b * pg.Tensor(directions[1])).sum()

    for mode in (lambda g: g, pg.jit):
        for what, g, expected in (
            ("value", lambda *args: [f(*args)], [value]),
            ("gradient", gradient, first),
            ("forward over reverse", forward_of_reverse, second),
            ("reverse over reverse", pg.grad(along, argnums=(0, 1)), second),
        ):
            for got, wanted in zip(mode(g)(*tensors), expected):
                size = max(
                    1.0, float(np.abs(wanted).max(initial=0.0))
                )  # small results of large terms are rough
                np.testing.assert_allclose(
                    got.numpy(),
                    wanted,
                    rtol=tolerance,
                    atol=tolerance * size,
                    err_msg=f"{what} of {program}",
                )


BATCH = 3


def check_mapped(program: Program, seed: int, tolerance: float) -> None:
    """vmap against torch on each example; the second input is sometimes the same for all of them."""
    rng = np.random.default_rng(seed)
    shared = seed % 3 == 0
    firsts = [rng.uniform(-1, 1, program.inputs[0]) for _ in range(BATCH)]
    seconds = [rng.uniform(-1, 1, program.inputs[1])] * BATCH
    if not shared:
        seconds = [rng.uniform(-1, 1, program.inputs[1]) for _ in range(BATCH)]
    ct, directions = rng.uniform(-1, 1, program.shape), [rng.uniform(-1, 1, s) for s in program.inputs]
    found = [torch_derivatives(program, xs, ct, directions) for xs in zip(firsts, seconds)]
    values = np.stack([value for value, _, _ in found])
    first, second = ([np.stack(g) for g in zip(*[f[i] for f in found])] for i in (1, 2))
    axis = seed % len(program.inputs[0]) if program.inputs[0] else 0
    axes = (axis, None if shared else 0)
    tensors = (
        pg.Tensor(np.stack(firsts, axis)),
        pg.Tensor(seconds[0] if shared else np.stack(seconds)),
    )
    along = [pg.Tensor(d) for d in directions]

    def f(*args: Any) -> Any:
        return program.run(pg, args)

    def gradient(*args: Any) -> Any:
        return pg.vjp(f, wrt=(0, 1))(*args, pg.Tensor(ct))

    def mapped(g: Callable[..., Any]) -> Callable[..., Any]:
        return pg.vmap(g, in_axes=axes)

    def rate(*args: Any) -> Any:
        return pg.jvp(gradient, wrt=(0, 1))(*args, *along)

    def whole(*args: Any) -> Any:  # the examples do not meet, so the gradient of their sum is theirs
        return (mapped(f)(*args) * pg.Tensor(ct)).sum()

    def of_whole(*args: Any) -> Any:
        a, b = pg.grad(whole, argnums=(0, 1))(*args)
        return pg.moveaxis(a, axis, 0), b

    by_sum = (first[0], first[1].sum(0) if shared else first[1])
    for what, g, expected in (
        ("vmap", lambda *args: [mapped(f)(*args)], [values]),
        ("jit of vmap", pg.jit(lambda *args: [mapped(f)(*args)]), [values]),
        ("vmap of jit", lambda *args: [mapped(pg.jit(f))(*args)], [values]),
        ("vmap of gradient", mapped(gradient), first),
        ("jit of vmap of forward over reverse", pg.jit(mapped(rate)), second),
        ("gradient of vmap", of_whole, by_sum),
    ):
        for got, wanted in zip(g(*tensors), expected):
            size = max(1.0, float(np.abs(wanted).max(initial=0.0)))
            np.testing.assert_allclose(
                got.numpy(),
                wanted,
                rtol=tolerance,
                atol=tolerance * size,
                err_msg=f"{what} over axes {axes} of {program}",
            )


@pytest.mark.parametrize("block", range(2))
def test_small_programs_mapped_over_examples(block: int) -> None:
    for seed in range(15 * block, 15 * (block + 1)):
        check_mapped(random_program(seed, (1, 2, 3, 4), limit=400), seed, 1e-8)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(40))
def test_many_small_programs_mapped_over_examples(block: int) -> None:
    for seed in range(1000 + 25 * block, 1000 + 25 * (block + 1)):
        check_mapped(random_program(seed, (1, 2, 3, 4), limit=400), seed, 1e-8)


@pytest.mark.parametrize("block", range(4))
def test_small_programs(block: int) -> None:
    for seed in range(25 * block, 25 * (block + 1)):
        check(random_program(seed, (1, 2, 3, 4), limit=400), seed, 1e-8)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(80))
def test_many_small_programs(block: int) -> None:
    for seed in range(1000 + 25 * block, 1000 + 25 * (block + 1)):
        check(random_program(seed, (1, 2, 3, 4), limit=400), seed, 1e-8)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(40))
def test_larger_programs(block: int) -> None:
    for seed in range(5 * block, 5 * (block + 1)):
        check(random_program(seed, (1, 2, 3, 7, 16, 33, 70, 130), limit=60_000), seed, 1e-6)
