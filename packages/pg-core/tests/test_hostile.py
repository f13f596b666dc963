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
    ("too many choices", lambda: pg.choose(pg.Tensor(0), pg.zeros(2**40)), pg.InvalidValueError),
    ("a huge array to join", lambda: pg.vstack(HUGE), pg.OutOfMemoryError),
    ("a huge array as an option", lambda: pg.meshgrid(indexing=HUGE), pg.InvalidValueError),
    ("an array as a mode", lambda: pg.take(pg.ones(3), 0, mode=np.ones(3)), pg.InvalidValueError),
    ("a tensor as size", lambda: pg.affine_grid(pg.ones((1, 2, 3)), pg.zeros(2**40)), pg.ShapeError),
    ("rows as branches", lambda: pg.switch(0, pg.zeros((2**20, 2**20))), pg.InvalidValueError),
    ("rows as positions", lambda: pg.fnhessian(len, pg.zeros(2**40)), pg.InvalidValueError),
    ("very many indices of a diagonal", lambda: pg.diag_indices(2, 2**62), pg.InvalidValueError),
    ("very many powers", lambda: pg.vander(pg.zeros(2**40)), pg.OutOfMemoryError),
    ("very many rows to sort", lambda: pg.sort_together(pg.zeros((2**62, 0)), 0, 2), pg.InvalidValueError),
    ("an exponential integral of very high order", lambda: pg.expn(2**63, 1.0), pg.InvalidValueError),
    ("types that are none", lambda: pg.extend.close(lambda x: x, [3, 63]), pg.ArgumentError),
    ("a range that is none", lambda: pg.histogram2d([1.0], [1.0], 3, {"a": ()}), pg.ArgumentError),
    ("very many empty lists", lambda: pg.zeros((2**62, 0)).tolist(), pg.OutOfMemoryError),
    ("a polynomial of very high degree", lambda: pg.polyval(pg.zeros(2**40), 2.0), pg.InvalidValueError),
    ("such a polynomial divided", lambda: pg.polydiv(pg.zeros(2**40), [1.0]), pg.InvalidValueError),
    ("numbers as a signature", lambda: pg.vectorize(len, signature=[0, 7]), pg.ArgumentError),
    ("a number for a slice", lambda: pg.associative_scan(lambda a, b: 1.0, pg.ones(4)), pg.ShapeError),
    ("text for a slice", lambda: pg.associative_scan(lambda a, b: "x", pg.ones(4)), pg.PequegradError),
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


@pytest.mark.parametrize("shape", [(3, 2, 1, 4), (3, 2, 4), (3, 2), (3,), (1, 2)], ids=str)
def test_an_array_is_joined_as_the_sequence_of_its_rows(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = rng.standard_normal(shape)
    for joined, by_numpy in (
        (pg.hstack, np.hstack),
        (pg.vstack, np.vstack),
        (pg.dstack, np.dstack),
        (pg.column_stack, np.column_stack),
    ):
        for rows in (pg.Tensor(x), x, list(pg.Tensor(x))):
            np.testing.assert_array_equal(joined(rows).numpy(), by_numpy(list(x)))
    for axis in (*range(-len(shape) + 1, len(shape) - 1), None):
        want = np.concatenate(x if axis is not None else np.atleast_2d(x), axis)
        np.testing.assert_array_equal(pg.concatenate(pg.Tensor(x), axis).numpy(), want)
        np.testing.assert_array_equal(pg.concatenate(list(pg.Tensor(x)), axis).numpy(), want)
    for axis in range(-len(shape), len(shape)):
        np.testing.assert_array_equal(pg.stack(pg.Tensor(x), axis).numpy(), np.stack(list(x), axis))


def test_joining_the_rows_of_a_tensor_takes_no_time_for_each() -> None:
    assert pg.concatenate(pg.zeros((2**62, 0))).shape == (0,)
    assert pg.column_stack(pg.zeros((2**62, 0))).shape == (0, 2**62)
    before = pg.debug.live_nodes()
    joined = pg.dstack(pg.zeros((2**20, 2**20)))
    assert joined.shape == (1, 2**20, 2**20) and pg.debug.live_nodes() <= before + 4
    with pytest.raises(pg.InvalidValueError):
        pg.concatenate(pg.zeros((0, 3)))
    with pytest.raises(pg.ArgumentError):
        pg.stack(pg.zeros(()))


def test_sequences_that_make_their_items_are_held_while_they_are_read() -> None:
    from pequegrad import extend

    x = pg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(50):
        outs, linear = extend.linearize(lambda rows: pg.stack(rows) * 2.0, x)
        assert [y.tolist() for y in outs] == [[2.0, 4.0], [6.0, 8.0]]
        del linear
        with pytest.raises(pg.PequegradError):
            extend.linearize(pg.sum, x)


def test_a_number_is_no_image_file() -> None:
    with pytest.raises(TypeError):
        pg.image.load(np.int8(3))


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


def test_a_tensor_with_very_many_rows_is_no_list_of_inputs() -> None:
    rows = pg.broadcast_to(pg.ones(()), (1 << 40,))
    for call in (
        lambda: pg.extend.linearize(lambda xs: xs, rows),
        lambda: pg.extend.jvp(lambda xs: xs, rows, rows),
        lambda: pg.extend.close(lambda xs: xs, rows),
    ):
        with pytest.raises(pg.PequegradError, match="too many"):
            call()
