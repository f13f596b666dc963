"""Branches, loops, scans, and the sequences and optional values that they work on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError, ResourceLimitError, UnsupportedError
from ..reader import Graph, TensorType
from .registry import Ints, op
from .shaping import axis_of


def _known(value: Any) -> Any:
    """A number as Python knows it, or None where it depends on what pg.jit does not know."""
    if isinstance(value, Tensor):
        return None if value.is_abstract else value.item()
    return value.item()


@op("If", 1, 11, 13, 16, 19, 21, 23, 24, 25)
def if_(call: Any, condition: Any, *, then_branch: Graph, else_branch: Graph) -> tuple[Any, ...]:
    chosen = _known(condition)
    if chosen is not None:
        return tuple(call.run("then_branch" if chosen else "else_branch"))

    def branch(name: str) -> Any:
        def compute() -> tuple[Tensor, ...]:
            values = call.run(name)
            if any(isinstance(value, list) or value is None for value in values):
                raise UnsupportedError("the condition depends on data, and the branches give sequences")
            return tuple(call.tensor(value, "an output") for value in values)

        return compute

    try:
        made = pg.cond(pg.reshape(condition, ()), branch("then_branch"), branch("else_branch"))
    except (pg.errors.ShapeError, pg.errors.PytreeError, pg.errors.DTypeError) as error:
        raise UnsupportedError(
            f"the branches differ in shape or type, and the condition depends on data: {error}"
        ) from None
    return tuple(made)


class _Unknown(Exception):
    """Whether a loop goes on is not known while it is traced."""


@op("Loop", 1, 11, 13, 16, 19, 21, 23, 24, 25)
def loop(call: Any, trips: Any = None, condition: Any = None, *state: Any, body: Graph) -> tuple[Any, ...]:
    try:
        return _unrolled(call, trips, condition, list(state))
    except _Unknown:
        return _while(call, trips, condition, list(state))


def _goes_on(condition: Any) -> bool:
    if condition is None:
        return True
    known = _known(condition)
    if known is None:
        raise _Unknown
    return bool(known)


def _unrolled(call: Any, trips: Any, condition: Any, state: list[Any]) -> tuple[Any, ...]:
    """The steps one after the other: bounds and conditions are known, and the state may be of any kind."""
    bound = None if trips is None else _known(trips)
    if trips is not None and bound is None:
        raise _Unknown
    plan = call.plan_of("body")
    count = len(plan.outputs) - 1 - len(state)
    gathered: list[list[Tensor]] = [[] for _ in range(count)]
    step = 0
    going = _goes_on(condition)
    while going and (bound is None or step < bound):
        if step >= call.limits.max_loop_steps:
            raise ResourceLimitError(f"a loop of more than {step} steps", "max_loop_steps")
        made = call.run("body", [np.array(step, np.int64), np.array(True), *state])
        state = made[1 : 1 + len(state)]
        for rows, row in zip(gathered, made[1 + len(state) :], strict=True):
            rows.append(call.tensor(row, "an output of the loop"))
        going = _goes_on(made[0])
        step += 1
    if count and not step:
        raise UnsupportedError("a loop without a step has outputs of unknown shape")
    return (*state, *(pg.stack(rows) for rows in gathered))


def _while(call: Any, trips: Any, condition: Any, state: list[Any]) -> tuple[Any, ...]:
    """A loop inside the program, for a condition that only it knows: the state keeps its shapes."""
    plan = call.plan_of("body")
    if len(plan.outputs) != 1 + len(state):
        raise UnsupportedError("a loop that gathers outputs for a number of steps that depends on data")
    first = tuple(call.tensor(value, "the state of the loop") for value in state)
    going = pg.Tensor(True) if condition is None else pg.reshape(call.tensor(condition), ())
    bound = None if trips is None else pg.reshape(call.tensor(trips), ())

    def test(carry: Any) -> Tensor:
        step, on, _ = carry
        return on if bound is None else pg.logical_and(on, step < bound)

    def advance(carry: Any) -> Any:
        step, on, values = carry
        made = [call.tensor(value) for value in call.run("body", [step, on, *values])]
        return step + 1, pg.reshape(made[0], ()), tuple(made[1:])

    try:
        return tuple(pg.while_loop(test, advance, (pg.Tensor(np.array(0)), going, first))[2])
    except (pg.errors.ShapeError, pg.errors.PytreeError, pg.errors.DTypeError) as error:
        raise UnsupportedError(f"the state of a loop of unknown length changes its shape: {error}") from None


# ---- scan


def _scan(
    call: Any, values: tuple[Tensor, ...], inputs: int, axes: Ints, ways: Ints, out_axes: Ints, out_ways: Ints
) -> tuple[Tensor, ...]:
    states = len(values) - inputs
    outputs = len(call.plan_of("body").outputs) - states
    axes, ways = axes or (0,) * inputs, ways or (0,) * inputs
    out_axes, out_ways = out_axes or (0,) * outputs, out_ways or (0,) * outputs
    if not len(axes) == len(ways) == inputs or not len(out_axes) == len(out_ways) == outputs:
        raise InvalidModelError("the axes or directions of a scan do not fit its inputs and outputs")
    rows = []
    for x, axis, back in zip(values[states:], axes, ways, strict=True):
        x = pg.moveaxis(x, axis_of(axis, x.ndim), 0)
        rows.append(pg.flip(x, 0) if back else x)

    def once(carry: tuple[Tensor, ...], now: tuple[Tensor, ...]) -> Any:
        made = [call.tensor(value) for value in call.run("body", [*carry, *now])]
        return tuple(made[:states]), tuple(made[states:])

    last, gathered = pg.scan(once, tuple(values[:states]), tuple(rows))
    made = []
    for y, axis, back in zip(gathered, out_axes, out_ways, strict=True):
        y = pg.flip(y, 0) if back else y
        made.append(pg.moveaxis(y, 0, axis_of(axis, y.ndim)))
    return (*last, *made)


@op("Scan", 9, 11, 16, 19, 21, 23, 24, 25)
def scan(
    call: Any,
    *values: Tensor,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: Ints = (),
    scan_input_directions: Ints = (),
    scan_output_axes: Ints = (),
    scan_output_directions: Ints = (),
) -> tuple[Tensor, ...]:
    return _scan(
        call,
        values,
        num_scan_inputs,
        scan_input_axes,
        scan_input_directions,
        scan_output_axes,
        scan_output_directions,
    )


@op("Scan", 8)
def scan_8(
    call: Any, lengths: Any = None, *values: Tensor, body: Graph, num_scan_inputs: int, directions: Ints = ()
) -> tuple[Tensor, ...]:
    """This version has a batch in front of everything."""
    if lengths is not None:
        raise UnsupportedError("sequence_lens of Scan-8 is not supported")
    rows = [
        _scan(call, tuple(v[i] for v in values), num_scan_inputs, (), directions, (), ())
        for i in range(values[0].shape[0])
    ]
    return tuple(pg.stack(parts) for parts in zip(*rows, strict=True))


# ---- sequences


def _position(position: Ints | None, length: int, last: int) -> int:
    if position is None:
        return last
    at = position[0] + length if position[0] < 0 else position[0]
    if not 0 <= at <= last:
        raise InvalidModelError(f"position {position[0]} in a sequence of {length}")
    return at


@op("SequenceConstruct", 11)
def sequence_construct(*xs: Any) -> list[Any]:
    return list(xs)


@op("SequenceEmpty", 11)
def sequence_empty(*, dtype: pg.DType | None = None) -> list[Any]:
    return []


@op("SequenceAt", 11)
def sequence_at(sequence: Any, position: Ints) -> Any:
    return sequence[_position(position, len(sequence), len(sequence) - 1)]


@op("SequenceInsert", 11)
def sequence_insert(sequence: Any, value: Any, position: Ints | None = None) -> list[Any]:
    at = _position(position, len(sequence), len(sequence))
    return [*sequence[:at], value, *sequence[at:]]


@op("SequenceErase", 11)
def sequence_erase(sequence: Any, position: Ints | None = None) -> list[Any]:
    at = _position(position, len(sequence), len(sequence) - 1)
    return [*sequence[:at], *sequence[at + 1 :]]


@op("SequenceLength", 11)
def sequence_length(sequence: Any) -> np.ndarray:
    return np.array(len(sequence), np.int64)


@op("SplitToSequence", 11, 24)
def split_to_sequence(x: Tensor, split: Any = None, *, axis: int = 0, keepdims: bool = True) -> list[Tensor]:
    at = axis_of(axis, x.ndim)
    n = x.shape[at]
    lead = (slice(None),) * at
    if split is None:
        return [x[(*lead, slice(i, i + 1))] if keepdims else x[(*lead, i)] for i in range(n)]
    parts = np.asarray(split.numpy() if isinstance(split, Tensor) else split)
    if parts.ndim == 0:
        if parts < 1:
            raise InvalidModelError(f"parts of {parts} elements")
        sizes = [min(int(parts), n - i) for i in range(0, n, int(parts))]
    else:
        sizes = [int(size) for size in parts]
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise InvalidModelError(f"parts {sizes} do not make {n}")
    ends = np.cumsum([0, *sizes]).tolist()
    return [x[(*lead, slice(a, b))] for a, b in pairwise(ends)]


@op("ConcatFromSequence", 11)
def concat_from_sequence(call: Any, sequence: Any, *, axis: int, new_axis: bool = False) -> Tensor:
    xs = [call.tensor(x) for x in sequence]
    if not xs:
        raise InvalidModelError("an empty sequence makes no tensor")
    if new_axis:
        return pg.stack(xs, axis_of(axis, xs[0].ndim + 1))
    return pg.concatenate(xs, axis_of(axis, xs[0].ndim))


@op("SequenceMap", 17)
def sequence_map(call: Any, sequence: Any, *others: Any, body: Graph) -> tuple[list[Any], ...]:
    rows = []
    for i, value in enumerate(sequence):
        rest = [other[i] if isinstance(other, list) else other for other in others]
        rows.append(call.run("body", [value, *rest]))
    count = len(call.plan_of("body").outputs)
    return tuple([row[j] for row in rows] for j in range(count))


# ---- optional values


@op("Optional", 15, 28)
def optional(value: Any = None, *, type: TensorType | None = None) -> Any:
    return value


@op("OptionalHasElement", 15, 18, 28)
def optional_has_element(value: Any = None) -> np.ndarray:
    return np.array(value is not None)


@op("OptionalGetElement", 15, 18, 28)
def optional_get_element(value: Any) -> Any:
    if value is None:
        raise InvalidModelError("an optional value that is nothing has no element")
    return value
