"""Arguments that the fuzzer (``fuzz/``) found: each raises a typed error, in time, and the process lives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pequegrad as pg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))


def holding_itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def nested(levels: int) -> Any:
    made: Any = 1.0
    for _ in range(levels):
        made = [made]
    return made


HUGE = np.broadcast_to(np.float32(1.0), (2**40,))

CASES: list[tuple[str, Any, type[Exception]]] = [
    ("size in bytes overflows", lambda: pg.empty(2**62).eval(), pg.ShapeError),
    ("repr of such", lambda: repr(pg.zeros(2**61, dtype="float64")), pg.ShapeError),
    ("a list that holds itself", lambda: pg.sqrt(holding_itself()), pg.PequegradError),
    ("the same with a tensor", lambda: pg.sqrt([[pg.ones(())], holding_itself()]), pg.PequegradError),
    ("a list nested too deeply", lambda: pg.mean(nested(3000)), pg.PequegradError),
    ("a pytree that holds itself", lambda: pg.pytree.leaves(holding_itself()), pg.PytreeError),
    ("jit of a pytree that holds itself", lambda: pg.jit(lambda x: x)(holding_itself()), pg.PytreeError),
    ("jit of a deep pytree", lambda: pg.jit(lambda x: x)(nested(100_000)), pg.PytreeError),
    ("a structure that is none", lambda: pg.pytree.unflatten(3, [1]), pg.ArgumentError),
    ("an array larger than memory", lambda: pg.logaddexp(HUGE, pg.ones(())), pg.OutOfMemoryError),
    ("a tensor as shape", lambda: pg.full(pg.zeros((2**40,)), 1.0), pg.ShapeError),
    ("an array as shape", lambda: pg.empty(HUGE), pg.ShapeError),
    ("a tensor among shapes", lambda: pg.broadcast_shapes(pg.zeros(2**40)), pg.ShapeError),
    ("too many rows to join", lambda: pg.concatenate(pg.zeros((2**62, 0))), pg.InvalidValueError),
    ("too many parts", lambda: pg.split(pg.zeros((0, 3)), 2**40), pg.InvalidValueError),
    ("a negative extent", lambda: pg.tri(-(2**31)), pg.ShapeError),
    ("indices of a huge matrix", lambda: pg.tril_indices(2**31 - 1), pg.OutOfMemoryError),
    ("a sum of many terms", lambda: pg.multigammaln(pg.ones(2), 2**64), pg.InvalidValueError),
    ("a tensor of very many keys", lambda: pg.lexsort(pg.zeros(2**40)), pg.InvalidValueError),
    ("powers of a huge polynomial", lambda: pg.polyder(pg.zeros(2**40)), pg.OutOfMemoryError),
    ("very many integrations", lambda: pg.polyint(pg.ones(3), 2**32), pg.InvalidValueError),
    ("bools added", lambda: pg.ones(3, dtype="bool").at[np.array([0, 0])].add(True), pg.DTypeError),
]


@pytest.mark.parametrize(("program", "error"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_typed_error(program: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        program()
    assert isinstance(caught.value, pg.PequegradError)


def test_rows_of_a_tensor_without_elements_are_iterated_one_by_one() -> None:
    rows = iter(pg.zeros((2**62, 0)))
    assert next(rows).shape == (0,)
    a, b = pg.Tensor([[1, 2], [3, 4]])
    assert (a.tolist(), b.tolist()) == ([1, 2], [3, 4])


def test_a_window_beyond_all_channels() -> None:
    x = pg.Tensor(np.arange(8.0, dtype=np.float32).reshape(1, 4, 2))
    whole = pg.local_response_norm(x, 9)
    wide = pg.local_response_norm(x, 2**31, alpha=1e-4 * 2**31 / 9)
    np.testing.assert_allclose(wide.numpy(), whole.numpy(), rtol=1e-6)


def report(calls: int, seed: int, shards: int, capsys: pytest.CaptureFixture[str], least: int) -> None:
    import fuzz

    found = fuzz.run(calls, seed, shards)
    with capsys.disabled():
        print("", *found.lines(seed), sep="\n")
    assert not found.bad
    assert min(found.counts.values()) >= least


def test_a_call_of_every_function_with_odd_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    report(1, 1, 1, capsys, least=1)


@pytest.mark.nightly
def test_very_many_calls_with_odd_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    report(100_000, 0, 2, capsys, least=100)


def test_one_hot_refuses_a_negative_number_of_classes() -> None:
    with pytest.raises(pg.PequegradError) as caught:
        pg.one_hot(-128, pg.Tensor([0, 1])).eval()
    assert not isinstance(caught.value, pg.InternalError)
