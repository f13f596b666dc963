"""jit: the key, hidden inputs and outputs, guards, errors that name the line."""

from __future__ import annotations

import dataclasses
import enum
import warnings
from collections import namedtuple

import numpy as np
import pequegrad as pg
import pytest

Pair = namedtuple("Pair", "a b")


@dataclasses.dataclass(frozen=True)
class State:
    w: object
    lr: object


def test_new_values_do_not_retrace() -> None:
    traces = []

    @pg.jit
    def f(x, lr, n):
        traces.append(1)
        return x * lr + n

    x = pg.Tensor([1.0, 2.0])
    for lr, n in ((0.1, 1), (0.2, 5), (1e-9, -3), (0.0, 0), (np.float32(0.5), np.int64(7))):
        np.testing.assert_allclose(f(x, lr, n).numpy(), np.float32([1, 2]) * np.float32(lr) + n, rtol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (lambda: pg.ones(3), lambda: pg.ones(4), r"shape \(3,\) became \(4,\)"),
        (lambda: pg.ones(3), lambda: pg.ones(3, dtype="float64"), "dtype float32 became float64"),
        (lambda: [pg.ones(1)], lambda: (pg.ones(1),), "a list became a tuple"),
        (lambda: {"a": pg.ones(1)}, lambda: {"b": pg.ones(1)}, "keys"),
        (1.0, 1, "a float became a int"),
        ("sum", "mean", "static value 'sum' became 'mean'"),
        (True, 1, "static True became a int"),
    ],
)
def test_what_retraces_and_why(first, second, reason) -> None:
    first, second = (x() if callable(x) else x for x in (first, second))
    f = pg.jit(lambda x: 0)
    f(first)
    f(second)
    assert len(f.entries) == 2
    f(first)
    assert len(f.entries) == 2
    g = pg.jit(lambda x: 0)
    g(first)
    explanation = g.explain(second)
    import re

    assert re.search(reason, explanation.retrace_reason), explanation.retrace_reason


def test_static_values_compare_by_type_and_value() -> None:
    class Mode(enum.Enum):
        A = 1
        B = 2

    f = pg.jit(lambda x, mode: x + 1 if mode is Mode.A else x - 1)
    x = pg.ones(1)
    assert f(x, Mode.A).tolist() == [2.0]
    assert f(x, Mode.B).tolist() == [0.0]
    g = pg.jit(lambda x, d: x.astype(d))
    assert g(x, pg.dt.int8).dtype == "int8" and g(x, pg.dt.float64).dtype == "float64"


def test_static_arguments() -> None:
    @pg.jit.withargs(static_argnums=1)
    def f(x, n):
        return x.reshape(n, -1)

    x = pg.arange(6)
    assert f(x, 2).shape == (2, 3) and f(x, 3).shape == (3, 2)
    assert len(f.entries) == 2
    g = pg.jit(lambda x, *, axis: x.sum(axis), static_argnames="axis")
    assert g(pg.ones((2, 3)), axis=0).shape == (3,)
    assert g(pg.ones((2, 3)), axis=1).shape == (2,)
    with pytest.raises(pg.ArgumentError, match="argument 1 is static and a list cannot be hashed"):
        f(x, [2])


def test_pytrees_in_and_out() -> None:
    @pg.jit
    def f(tree, *, extra):
        return {
            "z": tree["a"][0] + extra,
            "a": (tree["b"].a * 2, None, "label"),
            "state": State(tree["b"].b, 3.0),
        }

    x = pg.Tensor([1.0])
    out = f({"b": Pair(x, x + 1), "a": [x + 2]}, extra=10.0)
    assert list(out) == ["z", "a", "state"]
    assert out["z"].tolist() == [13.0]
    assert out["a"][0].tolist() == [2.0] and out["a"][1:] == (None, "label")
    assert isinstance(out["state"], State) and out["state"].w.tolist() == [2.0] and out["state"].lr == 3.0
    # the order of keys does not matter
    f({"a": [x], "b": Pair(x, x)}, extra=1.0)
    assert len(f.entries) == 1


def test_outputs_that_are_inputs_constants_or_repeated() -> None:
    @pg.jit
    def f(x):
        y = x + 1
        return x, y, y, pg.zeros(2), 5

    x = pg.Tensor([1.0, 2.0])
    a, b, c, d, e = f(x)
    assert (
        a.tolist() == [1.0, 2.0]
        and b.tolist() == c.tolist() == [2.0, 3.0]
        and d.tolist() == [0.0, 0.0]
        and e == 5
    )


def test_captured_tensors_are_read_through_their_handle() -> None:
    w = pg.Tensor([1.0, 2.0])
    f = pg.jit(lambda x: (x * w).sum())
    assert f(pg.ones(2)).item() == 3.0
    w.assign(pg.Tensor([10.0, 20.0]))
    assert f(pg.ones(2)).item() == 30.0
    w += 1
    assert f(pg.ones(2)).item() == 32.0
    assert len(f.entries) == 1


def test_a_captured_tensor_of_another_shape_retraces() -> None:
    box = {"w": pg.ones(2)}
    f = pg.jit(lambda x: x + box["w"])
    assert f(pg.zeros(2)).tolist() == [1.0, 1.0]
    box["w"] = pg.ones((2, 2)) * 3
    assert f(pg.zeros(2)).tolist() == [[3.0, 3.0]] * 2


def test_rebinding_a_captured_tensor_is_a_hidden_output() -> None:
    count = pg.zeros((), dtype="int64")
    mean = pg.zeros(2)

    @pg.jit
    def f(x):
        count.assign(count + 1)
        mean.assign(0.5 * mean + 0.5 * x)
        return mean * 1.0

    for i in range(1, 4):
        f(pg.ones(2))
        assert count.item() == i
    assert mean.tolist() == [0.875, 0.875]
    assert len(f.entries) == 1


def test_nothing_is_written_back_when_the_function_fails() -> None:
    count = pg.zeros(())

    @pg.jit
    def f(x):
        count.assign(count + 1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        f(pg.ones(1))
    assert count.item() == 0.0


SCALE = 2.0


def test_numeric_globals_and_closure_cells_are_guards() -> None:
    global SCALE
    offset = 1.0
    f = pg.jit(lambda x: x * SCALE + offset)
    x = pg.ones(1)
    try:
        assert f(x).tolist() == [3.0]
        SCALE = 5.0
        assert f(x).tolist() == [6.0]
        offset = 10.0
        assert f(x).tolist() == [15.0]
        explanation = f.explain(pg.ones(1))
        assert "offset" in explanation.retrace_reason
    finally:
        SCALE = 2.0


def test_training_flags_are_guards() -> None:
    class Layer:
        training = True

    layer = Layer()
    f = pg.jit(lambda x: x * 2 if layer.training else x)
    assert f(pg.ones(1)).tolist() == [2.0]
    layer.training = False
    assert f(pg.ones(1)).tolist() == [1.0]


def test_literals_in_the_body_are_constants_of_the_program() -> None:
    f = pg.jit(lambda x: x * 2.0 + 1.0)
    graph = str(f.explain(pg.ones(3)).graph)
    assert "full" in graph or "2" in graph


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda x: float(x.sum()), "float"),
        (lambda x: bool(x.sum() > 0), "bool"),
        (lambda x: x.numpy(), "NumPy"),
        (lambda x: x.sum().item(), "item"),
        (lambda x: x.eval(), "eval"),
        (lambda x: x.tolist(), "NumPy"),
        (lambda x: [1, 2][x.astype("int64")[0]], "index"),
        (lambda x: x[x > 0], "boolean mask"),
        (lambda x: pg.nonzero(x), "nonzero"),
    ],
)
def test_reading_an_abstract_value_raises_and_names_the_line(read, what) -> None:
    def f(x):
        y = x + 1
        read(y)
        return y

    with pytest.raises(pg.TraceError) as caught:
        pg.jit(f)(pg.ones(3))
    assert what in str(caught.value)
    if what not in ("boolean mask", "nonzero"):
        assert "test_jit.py:" in str(caught.value)


def test_printing_an_abstract_value_shows_that_it_has_none() -> None:
    texts = []
    pg.jit(lambda x: (texts.append(repr(x)), x)[1])(pg.ones((2, 3)))
    assert texts == ["Tensor(<no value inside jit>, shape=(2, 3), dtype=float32, device=cpu)"]


def test_an_abstract_value_that_left_its_trace_raises() -> None:
    kept = []
    pg.jit(lambda x: (kept.append(x + 1), x)[1])(pg.ones(3))
    with pytest.raises(pg.TraceError):
        kept[0].numpy()
    with pytest.raises(pg.TraceError):
        (kept[0] * 2).eval()
    kept.clear()


def test_methods() -> None:
    class Model:
        def __init__(self):
            self.w = pg.Tensor([2.0])

        @pg.jit
        def apply(self, x):
            return self.w * x

    m = Model()
    assert m.apply(pg.Tensor([3.0])).tolist() == [6.0]
    assert Model().apply(pg.Tensor([4.0])).tolist() == [8.0]
    m.w.assign(pg.Tensor([5.0]))
    assert m.apply(pg.Tensor([3.0])).tolist() == [15.0]


def test_nested_jit_and_transforms_in_any_order() -> None:
    inner = pg.jit(lambda x: pg.sin(x) * x)
    outer = pg.jit(lambda x: pg.grad(lambda y: inner(y).sum())(x))
    x = pg.Tensor(np.array([0.5, 1.5]))
    want = np.sin(x.numpy()) + x.numpy() * np.cos(x.numpy())
    np.testing.assert_allclose(outer(x).numpy(), want, rtol=1e-14)
    np.testing.assert_allclose(pg.grad(lambda y: inner(y).sum())(x).numpy(), want, rtol=1e-14)


def test_a_training_step_with_a_dict_of_parameters() -> None:
    @pg.jit
    def step(params, x, y, lr):
        def loss(p):
            return ((pg.tanh(x @ p["w"]) + p["b"] - y) ** 2).mean()

        value, g = pg.value_and_grad(loss, wrt=0)(params)
        return {k: p - lr * g[k] for k, p in params.items()}, value

    pg.manual_seed(0)
    params = {"w": pg.randn(3, 1), "b": pg.zeros(1)}
    x, y = pg.randn(32, 3), pg.ones((32, 1))
    losses = []
    for i in range(20):
        params, value = step(params, x, y, 0.5 / (i + 1))
        losses.append(value.item())
    assert losses[-1] < 0.5 * losses[0]
    assert len(step.entries) == 1


def test_options() -> None:
    @pg.jit.withargs(allocator="custom", donate_argnums=(0,))
    def f(x):
        return x + 1

    assert f(pg.ones(1)).tolist() == [2.0]
    assert pg.jit(static_argnums=0)(lambda n: pg.zeros(n))(3).shape == (3,)
    with pytest.raises(TypeError, match="unknown option 'static_argnum'; did you mean static_argnums"):
        pg.jit(lambda x: x, static_argnum=1)
    with pytest.raises(ValueError, match="allocator"):
        pg.jit(lambda x: x, allocator="fast")
    with pytest.raises(TypeError, match="takes a function"):
        pg.jit(3)


def test_unhashable_arguments_are_named() -> None:
    class Thing:
        __hash__ = None

    with pytest.raises(TypeError, match=r"argument 'opt'\[0\] is a Thing"):
        pg.jit(lambda x, opt: x)(pg.ones(1), opt=[Thing()])


def test_many_retraces_warn_with_the_argument_that_changes() -> None:
    f = pg.jit(lambda x: x.sum())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(16):
            f(pg.zeros(n + 1))
    with pytest.warns(UserWarning, match=r"17th time.*shape \(16,\) became \(17,\)"):
        f(pg.zeros(17))


def test_entries_are_bounded() -> None:
    f = pg.jit(lambda x: x + 1, max_entries=3)
    for n in range(6):
        f(pg.zeros(n))
    assert len(f.entries) == 3


def test_tensor_arguments_that_are_arrays() -> None:
    f = pg.jit(lambda x: x * 2)
    assert f(np.float32([1, 2])).tolist() == [2.0, 4.0]
    assert f(np.float32([3, 4])).tolist() == [6.0, 8.0]
    assert len(f.entries) == 1


def test_explain_and_launches() -> None:
    f = pg.jit(lambda x, y: pg.exp(x * y).sum(1))
    x = pg.ones((4, 5))
    explanation = f.explain(x, x)
    assert "kernel" in str(explanation)
    assert explanation.traces == 1
    x.eval()
    before = pg.debug.launches()
    f(x, x)
    assert pg.debug.launches() - before == len(explanation.kernels) + len(explanation.library_calls)
    g = pg.jit(lambda x, y: pg.softmax(x @ y.T) @ y)
    explanation = g.explain(x, x)
    before = pg.debug.launches()
    g(x, x)
    assert len(explanation.library_calls) == 2
    assert pg.debug.launches() - before == len(explanation.kernels) + len(explanation.library_calls)


def test_graph_trace() -> None:
    trace = pg.make_trace(lambda p: {"out": pg.sin(p["x"]) + 1.0})({"x": pg.ones(3)})
    assert trace.num_inputs == 1
    assert repr(trace.out_tree) == "PyTree({'out': *})"
    assert "sin" in str(trace)


def test_random_draws_and_shapes_seen_by_jit_are_static() -> None:
    @pg.jit
    def f(x):
        assert isinstance(x.shape[0], int)
        return x.reshape(x.shape[0] // 2, 2).mean(0)

    assert f(pg.arange(6)).tolist() == [2.0, 3.0]


def test_float64_keeps_its_digits_with_python_floats() -> None:
    x = pg.Tensor(np.array([1.0]))
    assert pg.jit(lambda x, s: x * s)(x, 0.1).item() == 0.1
    assert (x * 0.1).item() == 0.1


def test_complex_numbers_are_inputs_as_others_are() -> None:
    f = pg.jit(lambda x, z: x * z)
    x = pg.ones(2)
    assert f(x, 1 + 2j).tolist() == [1 + 2j] * 2
    assert f(x, 3 - 1j).tolist() == [3 - 1j] * 2 and f(x, np.complex64(2j)).tolist() == [2j] * 2
    assert len(f.entries) == 1 and f(x, 2j).dtype is pg.complex64
    assert f(pg.ones(2, dtype="float64"), 0.1 + 0.2j).tolist() == [0.1 + 0.2j] * 2
    g = pg.jit(lambda z: z)
    assert g(1 + 2j).dtype is pg.complex64 and g(2j).item() == 2j
    assert g(2.0).item() == 2.0 and g(1).item() == 1
    assert pg.jit(lambda z: f(pg.ones(1), z))(5j).tolist() == [5j]
