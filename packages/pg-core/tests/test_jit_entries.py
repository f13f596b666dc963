"""Jitted calls: what fits a program, what is read and written besides the arguments."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import numpy as np
import pequegrad as pg
import pytest
from pequegrad import _core


def traces(f: object) -> int:
    return len(f.entries)  # type: ignore[attr-defined]


def test_numbers_do_not_retrace() -> None:
    f = pg.jit(lambda x, s: x * s)
    x = pg.Tensor([1.0, 2.0])
    for s in (1.0, 0.0, 2.5, np.float32(3.0), np.float64(4.0)):
        np.testing.assert_allclose(f(x, s).numpy(), x.numpy() * float(s))
    assert traces(f) == 1
    np.testing.assert_allclose(f(x, 3).numpy(), [3, 6])
    assert traces(f) == 2  # an int is another type than a float


def test_float64_sees_the_whole_number() -> None:
    x = pg.Tensor(np.ones(3))
    np.testing.assert_array_equal(pg.jit(lambda x, s: x * s)(x, 0.1).numpy(), (x * 0.1).numpy())
    assert pg.jit(lambda s: s * 2)(0.5).dtype == "float32"


def test_shapes_dtypes_structures_and_statics_retrace() -> None:
    f = pg.jit(lambda x, flag: x + 1 if flag else x - 1)
    x = pg.Tensor([1.0])
    assert f(x, True).item() == 2
    assert f(x, False).item() == 0
    assert f(x, True).item() == 2
    assert traces(f) == 2
    f(pg.Tensor([1.0, 2.0]), True)
    f(x.astype("int32"), True)
    assert traces(f) == 4
    g = pg.jit(lambda t: sum(t.values()) if isinstance(t, dict) else t[0] + t[1])
    assert g({"a": x, "b": x}).item() == 2
    assert g([x, x]).item() == 2
    assert g((x, x)).item() == 2
    assert g({"b": x, "a": x}).item() == 2
    assert traces(g) == 3


def test_static_values_are_told_apart_by_type_and_bits() -> None:
    f = pg.jit(lambda x, s: x * s, static_argnums=1)
    x = pg.Tensor([2.0])
    for value in (1, 1.0, True):
        f(x, value)
    assert traces(f) == 3
    assert np.signbit(f(x, -0.0).item()) and not np.signbit(f(x, 0.0).item())
    f(x, float("nan"))
    before = traces(f)
    f(x, float("nan"))
    assert traces(f) == before


@dataclasses.dataclass
class Pair:
    a: pg.Tensor
    b: pg.Tensor


def test_containers_in_and_out() -> None:
    f = pg.jit(lambda p, d, *rest, k: {"p": Pair(p.b, p.a), "d": [d["x"] + k, None, rest]})
    out = f(Pair(pg.Tensor(1.0), pg.Tensor(2.0)), {"x": pg.Tensor(3.0)}, pg.Tensor(4.0), k=pg.Tensor(5.0))
    assert isinstance(out["p"], Pair)
    assert (out["p"].a.item(), out["p"].b.item()) == (2, 1)
    assert out["d"][0].item() == 8 and out["d"][1] is None and out["d"][2][0].item() == 4


def test_captured_tensors_are_read_at_every_call() -> None:
    w = pg.Tensor([1.0])
    f = pg.jit(lambda x: x + w)
    assert f(pg.Tensor([1.0])).item() == 2
    w += 5
    assert f(pg.Tensor([1.0])).item() == 7
    assert traces(f) == 1
    _core.rebind(w, pg.Tensor([1.0, 2.0]))
    assert f(pg.Tensor([1.0])).tolist() == [2, 3]
    assert traces(f) == 2


def test_rebinding_a_captured_handle_is_a_hidden_output() -> None:
    count = pg.Tensor(0.0)

    def f(x: pg.Tensor) -> pg.Tensor:
        nonlocal count
        before = count * 1
        count += 1
        return x + before * 10 + count

    jitted = pg.jit(f)
    assert [jitted(pg.Tensor(0.0)).item() for _ in range(3)] == [1, 12, 23]
    assert count.item() == 3
    assert traces(jitted) == 1


def test_a_failing_trace_leaves_no_half_state() -> None:
    count = pg.Tensor(0.0)

    def f(x: pg.Tensor) -> pg.Tensor:
        count.assign(count + 1)
        raise RuntimeError("stop")

    jitted = pg.jit(f)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="stop"):
            jitted(pg.Tensor(1.0))
    assert count.item() == 0
    assert traces(jitted) == 0
    assert (count + 1).item() == 1


def test_a_failing_run_writes_nothing_back() -> None:
    count = pg.Tensor(0.0)
    table = pg.Tensor([1.0, 2.0])

    def f(i: pg.Tensor) -> pg.Tensor:
        count.assign(count + 1)
        return table[i]

    jitted = pg.jit(f)
    assert jitted(pg.Tensor([1])).tolist() == [2]
    with pytest.raises(IndexError, match=r"test_jit_entries\.py:\d+"):
        jitted(pg.Tensor([7]))
    assert count.item() == 1


def test_reading_a_placeholder_names_the_line() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(pg.TraceError, match=r"test_jit_entries\.py:\d+ in f"):
        pg.jit(f)(pg.ones(3))


def test_a_leaked_placeholder_is_refused() -> None:
    kept = []
    pg.jit(lambda x: kept.append(x * 2) or x)(pg.ones(3))
    with pytest.raises(pg.TraceError):
        kept[0] + 1
    with pytest.raises(pg.TraceError):
        kept[0].numpy()


def test_jit_in_jit_and_in_a_gradient() -> None:
    inner = pg.jit(lambda x: x * x)
    outer = pg.jit(lambda x: inner(x) + inner(x + 1))
    assert outer(pg.Tensor(2.0)).item() == 13
    assert pg.grad(lambda x: inner(x).sum())(pg.Tensor([3.0])).tolist() == [6]
    assert pg.jit(pg.grad(lambda x: inner(x).sum()))(pg.Tensor([3.0])).tolist() == [6]


def test_methods_and_keywords() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = pg.Tensor([2.0])

        @pg.jit
        def __call__(self, x: pg.Tensor, scale: float = 1.0) -> pg.Tensor:
            return x * self.w * scale

    model = Model()
    assert model(pg.Tensor([3.0])).item() == 6
    assert model(pg.Tensor([3.0]), scale=2.0).item() == 12
    assert model(scale=2.0, x=pg.Tensor([3.0])).item() == 12


def test_pending_arguments_are_evaluated_together() -> None:
    f = pg.jit(lambda a, b: a * b)
    a, b = pg.Tensor([1.0]) + 1, pg.Tensor([2.0]) + 1
    assert f(a, b).item() == 6
    before = _core.counters()["programs"]
    f(pg.Tensor([1.0]) + 1, pg.Tensor([2.0]) + 1)
    assert _core.counters()["programs"] == before + 2


def test_the_number_of_programs_is_bounded() -> None:
    f = pg.jit(lambda x: x + 1, max_entries=4)
    with pytest.warns(UserWarning, match="traced for the 17th time"):
        for n in range(1, 20):
            f(pg.ones(n))
    assert traces(f) == 4


def test_jitted_functions_are_collected() -> None:
    def make() -> weakref.ref:
        f = pg.jit(lambda x: x + 1)
        f.itself = f
        f(pg.ones(2))
        return weakref.ref(f)

    ref = make()
    gc.collect()
    assert ref() is None


def test_memory_is_planned() -> None:
    def f(x: pg.Tensor) -> pg.Tensor:
        for _ in range(8):
            x = pg.tanh(x @ x)
        return x

    jitted = pg.jit(f)
    jitted(pg.ones((64, 64)))
    explained = jitted.explain(pg.ones((64, 64)))
    assert len(explained.library_calls) == 8
    assert explained.memory.temporaries <= 3 * 64 * 64 * 4
