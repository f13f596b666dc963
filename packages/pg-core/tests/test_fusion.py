"""What becomes one kernel: programs with the kernels and library calls that they take, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pequegrad as pg
import pytest


class Program(NamedTuple):
    """A function, the shapes of its arguments, the steps that it takes, and integers that index rows of 512."""

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    kernels: int = 1
    calls: int = 0
    indices: int = 0


def layer_norm(x: pg.Tensor, w: pg.Tensor, b: pg.Tensor) -> pg.Tensor:
    return pg.layer_norm(x, x.shape[-1], w, b)


def rms_norm(x: pg.Tensor, w: pg.Tensor) -> pg.Tensor:
    return x * pg.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w


def batch_norm(x: pg.Tensor, w: pg.Tensor, b: pg.Tensor) -> pg.Tensor:
    gap = x - x.mean((0, 2, 3), keepdims=True)
    scale = pg.rsqrt((gap * gap).mean((0, 2, 3), keepdims=True) + 1e-5)
    return gap * scale * w.reshape((1, -1, 1, 1)) + b.reshape((1, -1, 1, 1))


def gradient(f: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    return lambda *a: pg.vjp(f, wrt=list(range(count)))(*a)


def dropout(x: pg.Tensor) -> pg.Tensor:
    return pg.where(pg.random.bernoulli(pg.random.key(3), 0.9, x.shape), x / 0.9, 0.0)


def adam(p: pg.Tensor, m: pg.Tensor, v: pg.Tensor, g: pg.Tensor, t: pg.Tensor) -> Any:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    c1, c2 = 1 - pg.power(0.9, t), 1 - pg.power(0.999, t)
    return p - 1e-4 * (m / c1) / (pg.sqrt(v / c2) + 1e-8), m, v


def momentum(p: pg.Tensor, m: pg.Tensor, g: pg.Tensor) -> Any:
    m = 0.9 * m + g
    return p - 0.01 * m, m


def masked_softmax(x: pg.Tensor) -> pg.Tensor:
    mask = pg.arange(x.shape[0]).reshape((-1, 1)) >= pg.arange(x.shape[1])
    return pg.softmax(pg.where(mask, x, -float("inf")), axis=-1)


def activation(x: pg.Tensor, b: pg.Tensor) -> pg.Tensor:
    return pg.gelu(x + b, approximate="tanh")


X, W, ROW, IMAGE, C = (512, 1024), (1024,), (512,), (16, 32, 28, 28), (32,)

PROGRAMS = [
    # elementwise, views
    Program("chain", lambda x: pg.exp(-x * x) * pg.tanh(x) + 1, (X,)),
    Program("several outputs", lambda x, y: (x + y, x - y, x * y), (X, X)),
    Program("permute, slice, reshape", lambda x, y: x.T[::2].reshape((-1, 128)) + y, (X, (2048, 128))),
    Program("pad", lambda x: pg.pad(x, ((1, 1), (2, 2))) * 2, (X,)),
    Program("concatenate", lambda x, y: pg.concatenate([x + 1, y * 2], axis=0), (X, (256, 1024))),
    Program("after concatenate", lambda x, y: pg.exp(pg.concatenate([x, y], axis=1)), (X, (512, 128))),
    Program("broadcast of a dear value", lambda x, w: x * pg.exp(w), (X, W), kernels=2),
    Program("broadcast along the lanes", lambda x, w: x * pg.exp(w).reshape((-1, 1)), (X, ROW)),
    Program("transpose and add", lambda x, y: x + y.T, ((256, 256), (256, 256))),
    # reductions
    Program("prologue, epilogue", lambda x: pg.sqrt((x * x).sum(1)) + 1, (X,)),
    Program("leading axis", lambda x: (x * 2).sum(0) + 1, (X,)),
    Program("middle axis", lambda x: (x * 2).sum(1) + 1, ((16, 64, 64),)),
    Program("all axes", lambda x: (x * x).sum(), (X,)),
    Program("two over the same axis", lambda x: (x.sum(1), x.max(1)), (X,)),
    Program("moments", lambda x: (x.mean(1), x.var(1)), (X,)),
    Program("beside the whole", lambda x, y: (pg.relu(x - y), pg.relu(x - y).sum(0)), (X, X)),
    Program("all beside the whole", lambda x, y: ((x - y) * 2, ((x - y) ** 2).sum()), (X, X)),
    Program(
        "the seed", lambda x, y: ((x.permute((0, 2, 1)) + 2) + y).sum(2) * 3, ((100, 20, 100), (100, 100, 20))
    ),
    # rows in stages
    Program("softmax", lambda x: pg.softmax(x, axis=-1), (X,)),
    Program("softmax, middle axis", lambda x: pg.softmax(x, axis=1), ((16, 64, 64),)),
    Program("softmax, leading axis", lambda x: pg.softmax(x, axis=0), (X,)),
    Program("log_softmax", lambda x: pg.log_softmax(x, axis=-1), (X,)),
    Program("logsumexp", lambda x: pg.logsumexp(x, -1), (X,)),
    Program("gradient of softmax", gradient(lambda x: pg.softmax(x, axis=-1)), (X, X)),
    Program("gradient of log_softmax", gradient(lambda x: pg.log_softmax(x, axis=-1)), (X, X)),
    Program("gradient of logsumexp", gradient(lambda x: pg.logsumexp(x, -1)), (X, ROW)),
    Program("layer norm", layer_norm, (X, W, W)),
    Program("rms norm", rms_norm, (X, W)),
    Program("batch norm", batch_norm, (IMAGE, C, C)),
    Program("masked softmax", masked_softmax, ((128, 128),)),
    # rows for x, columns for the weights
    Program("gradient of layer norm", gradient(layer_norm, 3), (X, W, W, X), kernels=2),
    Program("gradient of rms norm", gradient(rms_norm, 2), (X, W, X), kernels=2),
    Program("gradient of batch norm", gradient(batch_norm, 3), (IMAGE, C, C, IMAGE), kernels=2),
    Program("gradient of an activation with bias", gradient(activation, 2), (X, W, X)),
    # gather, scatter
    Program("gather", lambda x, i: pg.exp(x[i]) + 1, (X,), indices=256),
    Program("gather from a cheap value", lambda x, i: (x * 2)[i], (X,), indices=256),
    Program("embedding", lambda x, p, i: x[i] + p, (X, (256, 1024)), indices=256),
    Program(
        "scatter", lambda x, u, i: x.at[i].add(u * 2 + 1), (X, (256, 1024)), kernels=2, calls=1, indices=256
    ),
    # random numbers, optimizers
    Program("dropout", dropout, (X,)),
    Program("noise", lambda x: x + 0.1 * pg.random.normal(pg.random.key(1), x.shape), (X,)),
    Program("adam", adam, (X, X, X, X, ())),
    Program("momentum", momentum, (X, X, X)),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=[p.name for p in PROGRAMS])
def test_kernels_of(program: Program) -> None:
    rng = np.random.default_rng(0)
    arguments = [pg.Tensor(rng.random(s, dtype=np.float32)) for s in program.shapes]
    if program.indices:
        arguments.append(pg.Tensor(rng.integers(0, 512, program.indices)))
    jitted = pg.jit(program.function)
    made = jitted.explain(*arguments)
    assert (len(made.kernels), len(made.library_calls)) == (program.kernels, program.calls), made.text
    plain, fused = program.function(*arguments), jitted(*arguments)
    for a, b in zip(pg.pytree.flatten(plain)[0], pg.pytree.flatten(fused)[0], strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
