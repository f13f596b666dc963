"""Recurrent layers: RNN, GRU and LSTM, as scans over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError, UnsupportedError
from .registry import Floats, Strs, op

Direction = Literal["forward", "reverse", "bidirectional"]
Function = Callable[[Tensor], Tensor]

# Each by its name: with alpha and beta, and their defaults.
_ACTIVATIONS: dict[str, tuple[Callable[[Tensor, float, float], Tensor], float, float]] = {
    "sigmoid": (lambda x, a, b: pg.sigmoid(x), 0, 0),
    "tanh": (lambda x, a, b: pg.tanh(x), 0, 0),
    "relu": (lambda x, a, b: pg.relu(x), 0, 0),
    "softsign": (lambda x, a, b: pg.softsign(x), 0, 0),
    "softplus": (lambda x, a, b: pg.softplus(x), 0, 0),
    "affine": (lambda x, a, b: a * x + b, 1, 0),
    "leakyrelu": (lambda x, a, b: pg.leaky_relu(x, a), 0.01, 0),
    "thresholdedrelu": (lambda x, a, b: pg.where(x >= a, x, 0.0), 1, 0),
    "scaledtanh": (lambda x, a, b: a * pg.tanh(b * x), 1, 1),
    "hardsigmoid": (lambda x, a, b: pg.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: pg.elu(x, a), 1, 0),
}
_TAKES = {"affine": 2, "scaledtanh": 2, "hardsigmoid": 2, "leakyrelu": 1, "thresholdedrelu": 1, "elu": 1}


def _functions(names: Strs, alphas: Floats, betas: Floats) -> list[Function]:
    """The activations by name; parameters go to those that take one, in order."""
    alpha, beta = list(alphas), list(betas)
    made: list[Function] = []
    for name in names:
        if name.lower() not in _ACTIVATIONS:
            raise UnsupportedError(f"activation {name!r} is not supported")
        f, a, b = _ACTIVATIONS[name.lower()]
        takes = _TAKES.get(name.lower(), 0)
        if takes > 0 and alpha:
            a = alpha.pop(0)
        if takes > 1 and beta:
            b = beta.pop(0)
        made.append(_bound(f, a, b))
    return made


def _bound(f: Callable[[Tensor, float, float], Tensor], a: float, b: float) -> Function:
    return lambda x: f(x, a, b)


Step = Callable[
    [Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]
]  # input and state to state; [0] is the output


def _run(
    x: Tensor, step: Step, state: tuple[Tensor, ...], lengths: Tensor | None, backwards: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All outputs [steps, batch, size] and the last state; shorter sequences of the batch stop early."""
    steps = pg.arange(x.shape[0])

    def once(carry: tuple[Tensor, ...], now: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        x_t, t = now
        new = step(x_t, carry)
        if lengths is None:
            return new, new[0]
        runs = pg.reshape(t < lengths, (-1, 1))
        kept = tuple(pg.where(runs, a, b) for a, b in zip(new, carry, strict=True))
        return kept, pg.where(runs, new[0], 0.0).astype(new[0].dtype)

    if backwards:
        x, steps = pg.flip(x, 0), pg.flip(steps, 0)
    last, outputs = pg.scan(once, state, (x, steps))
    return (pg.flip(outputs, 0) if backwards else outputs), last


def _layer(
    x: Tensor,
    lengths: Tensor | None,
    initial: Sequence[Tensor | None],
    size: int,
    direction: str,
    layout: int,
    make_step: Callable[[int], Step],
) -> tuple[Tensor, ...]:
    """Both directions of a layer: all outputs, and the last of each part of the state."""
    if layout:
        x = pg.swapaxes(x, 0, 1)
        initial = [None if s is None else pg.swapaxes(s, 0, 1) for s in initial]
    ways = [False, True] if direction == "bidirectional" else [direction == "reverse"]
    outputs, lasts = [], []
    lengths = None if lengths is None else lengths.astype(pg.int64)
    for i, backwards in enumerate(ways):
        zero = pg.zeros((x.shape[1], size), dtype=x.dtype)
        state = tuple(zero if s is None else s[i] for s in initial)
        out, last = _run(x, make_step(i), state, lengths, backwards)
        outputs.append(out)
        lasts.append(last)
    every = pg.stack(outputs, 1)
    final = [pg.stack(parts, 0) for parts in zip(*lasts, strict=True)]
    if layout:
        every = pg.permute(every, (2, 0, 1, 3))
        final = [pg.swapaxes(part, 0, 1) for part in final]
    return every, *final


def _bounded(clip: float | None) -> Function:
    return (lambda x: x) if clip is None else (lambda x: pg.clip(x, -clip, clip))


def _biases(b: Tensor | None, i: int, rows: int) -> tuple[Any, Any]:
    """The biases of the input and of the state."""
    return (0.0, 0.0) if b is None else (b[i, :rows], b[i, rows:])


def _ways(direction: str, names: Strs | None, default: Strs) -> Strs:
    """The names of the activations for every direction."""
    count = 2 if direction == "bidirectional" else 1
    given = names or default * count
    if len(given) != len(default) * count:
        raise InvalidModelError(f"{len(given)} activations, needed {len(default) * count}")
    return given


@op("RNN", 1, 7, 14, 22)
def rnn(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    activations: Strs | None = None,
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    output_sequence: int = 0,
) -> tuple[Tensor, ...]:
    size = r.shape[-1]
    functions = _functions(_ways(direction, activations, ("Tanh",)), activation_alpha, activation_beta)
    bound = _bounded(clip)

    def make(i: int) -> Step:
        wi, ri = pg.matrix_transpose(w[i]), pg.matrix_transpose(r[i])
        b_in, b_state = _biases(b, i, size)
        return lambda x_t, s: (functions[i](bound(x_t @ wi + s[0] @ ri + b_in + b_state)),)

    return _layer(x, lengths, [h], size, direction, layout, make)


@op("GRU", 3, 7, 14, 22)
def gru(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    activations: Strs | None = None,
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: bool = False,
    output_sequence: int = 0,
) -> tuple[Tensor, ...]:
    """Gates in the order update, reset, hidden (Cho et al. 2014)."""
    n = r.shape[-1]
    functions = _functions(
        _ways(direction, activations, ("Sigmoid", "Tanh")), activation_alpha, activation_beta
    )
    bound = _bounded(clip)

    def make(i: int) -> Step:
        f, g = functions[2 * i : 2 * i + 2]
        wi, ri = pg.matrix_transpose(w[i]), pg.matrix_transpose(r[i])
        b_in, b_state = _biases(b, i, 3 * n)
        hidden = 0.0 if b is None else b_state[2 * n :]
        first = 0.0 if b is None else b_state[: 2 * n]

        def step(x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            past = s[0]
            given = x_t @ wi + b_in
            gates = f(bound(given[:, : 2 * n] + past @ ri[:, : 2 * n] + first))
            update, reset = gates[:, :n], gates[:, n:]
            if linear_before_reset:
                inner = reset * (past @ ri[:, 2 * n :] + hidden)
            else:
                inner = (reset * past) @ ri[:, 2 * n :] + hidden
            new = g(bound(given[:, 2 * n :] + inner))
            return ((1.0 - update) * new + update * past,)

        return step

    return _layer(x, lengths, [h], n, direction, layout, make)


@op("LSTM", 1, 7, 14, 22)
def lstm(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    p: Tensor | None = None,
    *,
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    activations: Strs | None = None,
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    input_forget: bool = False,
    layout: int = 0,
    output_sequence: int = 0,
) -> tuple[Tensor, ...]:
    """Gates in the order input, output, forget, cell, with peepholes where given (Hochreiter, Schmidhuber
    1997; Gers, Schmidhuber 2000).
    """
    n = r.shape[-1]
    names = _ways(direction, activations, ("Sigmoid", "Tanh", "Tanh"))
    functions = _functions(names, activation_alpha, activation_beta)
    bound = _bounded(clip)

    def make(i: int) -> Step:
        f, g, out = functions[3 * i : 3 * i + 3]
        wi, ri = pg.matrix_transpose(w[i]), pg.matrix_transpose(r[i])
        b_in, b_state = _biases(b, i, 4 * n)
        peep_i, peep_o, peep_f = (0.0,) * 3 if p is None else (p[i, j * n : (j + 1) * n] for j in range(3))

        def step(x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            past, cell = s
            gates = x_t @ wi + past @ ri + b_in + b_state
            i_t, o_t, f_t, c_t = (gates[:, j * n : (j + 1) * n] for j in range(4))
            allow = f(bound(i_t + peep_i * cell))
            keep = 1.0 - allow if input_forget else f(bound(f_t + peep_f * cell))
            cell = keep * cell + allow * g(bound(c_t))
            show = f(bound(o_t + peep_o * cell))
            return show * out(cell), cell

        return step

    return _layer(x, lengths, [h, c], n, direction, layout, make)
